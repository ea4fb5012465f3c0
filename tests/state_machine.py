"""Runs a state machine's definition in simulated time: the states, and of each state the fields, that statemachines/*.asl.json use.

Whatever else a definition says is refused, so that nothing is simulated that Step Functions would do otherwise.
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-amazon-states-language.html
"""

import heapq
import json
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

type Json = Any
type Task = Callable[[Json, float], tuple[Json, float]]
"""Its input and the second at which it starts, to its answer and how many seconds it took. Raises TaskFailed.

Of a task that waits for its token: how many seconds until it is answered, `NEVER` where nobody does.
"""
type _Steps = Generator[float, None, Json]
"""Yields how many seconds pass; returns the output."""

NEVER: Final = float("inf")
_INVOKE: Final = ":states:::lambda:invoke"
_CALLBACK: Final = ".waitForTaskToken"
_FIELDS: Final = {
    "Task": {
        "Resource",
        "Parameters",
        "ResultPath",
        "OutputPath",
        "TimeoutSeconds",
        "TimeoutSecondsPath",
        "Retry",
        "Catch",
        "Next",
    },
    "Map": {"ItemsPath", "ItemSelector", "MaxConcurrency", "ToleratedFailurePercentage", "ItemProcessor", "ResultPath", "Next"},
    "Choice": {"Choices", "Default"},
    "Wait": {"Seconds", "SecondsPath", "Next"},
    "Succeed": {"OutputPath"},
}
_MOST_BYTES: Final = 256 * 1024
_RETRY: Final = {"ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxDelaySeconds", "MaxAttempts"}


class TaskFailed(Exception):  # noqa: N818 - Step Functions' own word
    """`seconds`: how long it took to fail."""

    def __init__(self, error: str, seconds: float) -> None:
        super().__init__(error)
        self.error = error
        self.seconds = seconds


class ExecutionFailed(Exception):  # noqa: N818
    pass


class TimedOut(Exception):  # noqa: N818
    pass


@dataclass
class Machine:
    """`tasks`: by FunctionName. After a run: `seconds` it took, `transitions` from state to state, and the items that `failed`.

    `passed`: the states that it came through; `history`: what they were given, what was handed to functions, and their answers.
    """

    definition: Mapping[str, Json]
    tasks: Mapping[str, Task]
    seconds: float = 0.0
    transitions: int = 0
    most_at_once: int = 0
    failed: list[Json] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    history: list[Json] = field(default_factory=list)

    def run(self, value: Json) -> Json:
        """Raises ExecutionFailed, TimedOut."""
        _only(self.definition, {"Comment", "StartAt", "States", "TimeoutSeconds"})
        limit = self.definition.get("TimeoutSeconds", float("inf"))
        steps = self._states(self.definition, value, lambda: self.seconds)
        while True:
            try:
                self.seconds += next(steps)
            except StopIteration as end:
                return end.value
            if self.seconds > limit:
                raise TimedOut

    def _states(self, machine: Mapping[str, Json], value: Json, now: Callable[[], float]) -> _Steps:
        name = machine["StartAt"]
        while True:
            state = machine["States"][name]
            _only(state, _FIELDS[state["Type"]] | {"Type", "Comment"})
            self.transitions += 1
            self.passed.append(name)
            self.history.append(value)
            match state["Type"]:
                case "Task":
                    value, name = yield from self._task(state, value, now)
                    continue
                case "Map":
                    yield from self._map(state, value, now)
                case "Wait":
                    yield float(state["Seconds"] if "Seconds" in state else _at(value, state["SecondsPath"]))
                case "Choice":
                    name = _chosen(state, value)
                    continue
                case _:
                    return value if state.get("OutputPath", "$") is not None else {}
            name = state["Next"]

    def _task(self, state: Mapping[str, Json], value: Json, now: Callable[[], float]) -> Generator[float, None, tuple[Json, str]]:
        """Its output, and the state that comes next."""
        parameters, tried = state["Parameters"], Counter[int]()
        assert state["Resource"].removesuffix(_CALLBACK).endswith(_INVOKE)
        for attempt in count(1):
            token = f"token-{self.transitions}-{attempt}"
            given = _filled({name: each for name, each in parameters.items() if name != "FunctionName"}, value, token)["Payload"]
            limit = _at(value, state["TimeoutSecondsPath"]) if "TimeoutSecondsPath" in state else state["TimeoutSeconds"]
            assert isinstance(limit, int), "Step Functions takes whole seconds alone"
            assert limit > 0, "and at least one"
            self.history.append(given)
            try:
                answer, seconds = self.tasks[parameters["FunctionName"]](given, now())
                if seconds > limit:
                    raise TaskFailed("States.Timeout", limit)  # noqa: TRY301 - as the task's own failure
            except TaskFailed as error:
                yield error.seconds
                number, retry = next(
                    ((number, each) for number, each in enumerate(state.get("Retry", [])) if _is_among(error, each)),
                    (-1, {"MaxAttempts": 0}),
                )
                _only(retry, _RETRY)
                if tried[number] < retry["MaxAttempts"]:
                    delay = retry["IntervalSeconds"] * retry["BackoffRate"] ** tried[number]
                    yield min(delay, retry.get("MaxDelaySeconds", NEVER))
                    tried[number] += 1
                    self.transitions += 1  # a retry is one, too
                    continue
                return _caught(state, value, error)
            yield seconds
            self.history.append(answer)
            assert state.get("ResultPath") is None
            output = value if "ResultPath" in state else _at({"Payload": answer}, state.get("OutputPath", "$"))
            return output, state["Next"]
        raise AssertionError

    def _map(self, state: Mapping[str, Json], value: Json, now: Callable[[], float]) -> _Steps:
        """Distributed: each item is an execution of its own. Its results are not kept: `ResultPath` null.

        All the same they must not be too many: https://github.com/aws/aws-cdk/issues/24799.
        """
        processor = state["ItemProcessor"]
        _only(processor, {"ProcessorConfig", "StartAt", "States"})
        assert state["ResultPath"] is None
        assert processor["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        waiting, order = list(reversed(_at(value, state["ItemsPath"]))), count()
        total, failed, began = len(waiting), 0, now()
        time, answered = began, 0
        running: list[tuple[float, int, _Steps, Json]] = []

        def current() -> float:
            return time

        while waiting or running:
            while waiting and len(running) < state["MaxConcurrency"]:
                item = _selected(state["ItemSelector"], value, waiting.pop())
                heapq.heappush(running, (time, next(order), self._states(processor, item, current), item))
            self.most_at_once = max(self.most_at_once, len(running))
            at, _, steps, item = heapq.heappop(running)
            if at > time:
                yield at - time
                time = at
            try:
                heapq.heappush(running, (time + next(steps), next(order), steps, item))
            except StopIteration as end:
                answered += len(json.dumps(end.value)) + 1
                if answered > _MOST_BYTES:  # they are put together before ResultPath throws them away
                    raise ExecutionFailed("States.DataLimitExceeded") from None
                continue
            except ExecutionFailed:
                failed += 1
                self.failed.append(item)
        if failed * 100 > total * state["ToleratedFailurePercentage"]:
            raise ExecutionFailed(f"{failed} of {total} items failed")


def _caught(state: Mapping[str, Json], value: Json, error: TaskFailed) -> tuple[Json, str]:
    """What failed leaves the state's input as it was: `ResultPath` null. Raises ExecutionFailed where nothing catches it."""
    for catcher in state.get("Catch", []):
        if _is_among(error, catcher):
            assert catcher == {"ErrorEquals": catcher["ErrorEquals"], "ResultPath": None, "Next": catcher["Next"]}
            return value, catcher["Next"]
    raise ExecutionFailed(str(error)) from error


def _is_among(error: TaskFailed, of: Mapping[str, Json]) -> bool:
    return bool({"States.ALL", error.error} & set(of["ErrorEquals"]))


def _chosen(state: Mapping[str, Json], value: Json) -> str:
    for choice in state["Choices"]:
        if _holds({name: each for name, each in choice.items() if name != "Next"}, value):
            return str(choice["Next"])
    return str(state["Default"])


def _holds(rule: Mapping[str, Json], value: Json) -> bool:
    if "Or" in rule:
        _only(rule, {"Or"})
        return any(_holds(each, value) for each in rule["Or"])
    if "IsPresent" in rule:
        _only(rule, {"Variable", "IsPresent"})
        return (rule["Variable"].removeprefix("$.") in value) is rule["IsPresent"]
    _only(rule, {"Variable", "BooleanEquals", "StringEquals"})
    found = _at(value, rule["Variable"])
    return found is rule["BooleanEquals"] if "BooleanEquals" in rule else bool(found == rule["StringEquals"])


def _filled(template: Json, value: Json, token: str) -> Json:
    """Paths of the state's input, and of the context object the token alone."""
    if not isinstance(template, dict):
        return template
    return {
        name.removesuffix(".$"): (token if each == "$$.Task.Token" else _at(value, each))
        if name.endswith(".$")
        else _filled(each, value, token)
        for name, each in template.items()
    }


def _selected(selector: Mapping[str, str], value: Json, item: Json) -> Json:
    """Paths of the map's own input, and of the context object the item alone."""
    return {name.removesuffix(".$"): item if path == "$$.Map.Item.Value" else _at(value, path) for name, path in selector.items()}


def _at(value: Json, path: str) -> Json:
    assert path.startswith("$")
    for name in path.split(".")[1:]:
        value = value[name]
    return value


def _only(given: Mapping[str, Json], known: set[str]) -> None:
    unknown = set(given) - known
    assert not unknown, f"not simulated: {sorted(unknown)}"
