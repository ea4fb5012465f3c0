"""Runs a state machine's definition in simulated time: the states, and of each state the fields, that statemachines/*.asl.json use.

Whatever else a definition says is refused, so that nothing is simulated that Step Functions would do otherwise.
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-amazon-states-language.html
"""

import heapq
import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

type Json = Any
type Task = Callable[[Json, float], tuple[Json, float]]
"""Its input and the second at which it starts, to its answer and how many seconds it took. Raises TaskFailed."""
type _Steps = Generator[float, None, Json]
"""Yields how many seconds pass; returns the output."""

_FIELDS: Final = {
    "Task": {"Resource", "Parameters", "OutputPath", "TimeoutSeconds", "Retry", "Next"},
    "Map": {"ItemsPath", "ItemSelector", "MaxConcurrency", "ToleratedFailurePercentage", "ItemProcessor", "ResultPath", "Next"},
    "Choice": {"Choices", "Default"},
    "Wait": {"SecondsPath", "Next"},
    "Succeed": {"OutputPath"},
}
_MOST_BYTES: Final = 256 * 1024
_RETRY: Final = {"ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxAttempts"}


class TaskFailed(Exception):  # noqa: N818 - Step Functions' own word
    """`seconds`: how long it took to fail."""

    def __init__(self, error: str, seconds: float) -> None:
        super().__init__(error)
        self.seconds = seconds


class ExecutionFailed(Exception):  # noqa: N818
    pass


class TimedOut(Exception):  # noqa: N818
    pass


@dataclass
class Machine:
    """`tasks`: by FunctionName. After a run: `seconds` it took, `transitions` from state to state, and the items that `failed`."""

    definition: Mapping[str, Json]
    tasks: Mapping[str, Task]
    seconds: float = 0.0
    transitions: int = 0
    most_at_once: int = 0
    failed: list[Json] = field(default_factory=list)

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
            _only(state, _FIELDS[state["Type"]] | {"Type"})
            self.transitions += 1
            match state["Type"]:
                case "Task":
                    value = yield from self._task(state, value, now)
                case "Map":
                    yield from self._map(state, value, now)
                case "Wait":
                    yield float(_at(value, state["SecondsPath"]))
                case "Choice":
                    name = _chosen(state, value)
                    continue
                case _:
                    return value if state.get("OutputPath", "$") is not None else {}
            name = state["Next"]

    def _task(self, state: Mapping[str, Json], value: Json, now: Callable[[], float]) -> _Steps:
        assert state["Resource"].endswith(":states:::lambda:invoke")
        parameters = state["Parameters"]
        assert set(parameters) == {"FunctionName", "Payload.$"}
        payload = _at(value, parameters["Payload.$"])
        (retry,) = state["Retry"]
        _only(retry, _RETRY)
        assert retry["ErrorEquals"] == ["States.ALL"]
        for attempt in range(retry["MaxAttempts"] + 1):
            try:
                answer, seconds = self.tasks[parameters["FunctionName"]](payload, now())
                if seconds > state["TimeoutSeconds"]:
                    raise TaskFailed("States.Timeout", state["TimeoutSeconds"])  # noqa: TRY301 - as the task's own failure
            except TaskFailed as error:
                yield error.seconds
                if attempt == retry["MaxAttempts"]:
                    raise ExecutionFailed(str(error)) from error
                yield retry["IntervalSeconds"] * retry["BackoffRate"] ** attempt
                self.transitions += 1  # a retry is one, too
            else:
                yield seconds
                return _at({"Payload": answer}, state.get("OutputPath", "$"))
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


def _chosen(state: Mapping[str, Json], value: Json) -> str:
    for choice in state["Choices"]:
        _only(choice, {"Variable", "BooleanEquals", "Next"})
        if _at(value, choice["Variable"]) is choice["BooleanEquals"]:
            return str(choice["Next"])
    return str(state["Default"])


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
