"""Gap: a task that waits for its token does not wait as on AWS.

    TimeoutSeconds, HeartbeatSeconds   by number, by path or as an expression (JSONata); the timeout of every other task too
    SendTaskHeartbeat                  puts the heartbeat's end off; its absence is States.HeartbeatTimeout, which States.Timeout catches
    a call that fails                  fails the task at once, unless it was answered before
    a token                            is each attempt's own, and good for one answer: after it, after the timeout and after the execution
                                       TaskTimedOut, and what never was a token InvalidToken
    an output                          that is no JSON, or longer than 262,144 bytes, is InvalidOutput
    who may answer                     is asked on the state machine whose token it is

https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token
https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html
https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-policy-template-list.html#stepfunctionscallback-policy

Not emulated: timeouts of a call that is under way, and what is said of tokens of activities.
"""

import json
import time
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from ministack.core.responses import error_response_json, json_response, new_uuid
from ministack.services import stepfunctions as sfn

from local.cloud import executions, resource_arns

READ_AGAINST = {
    **resource_arns.READ_AGAINST,
    "ministack.services.stepfunctions:_execute_task": "53c818d247db",
    "ministack.services.stepfunctions:_invoke_with_callback": "bbb38423156a",
    "ministack.services.stepfunctions:_invoke_resource": "a85d2be9a858",
    "ministack.services.stepfunctions:_invoke_resource_with_timeout": "faeed0bf70d5",
    "ministack.services.stepfunctions:_send_task_success": "12eff48bce57",
    "ministack.services.stepfunctions:_send_task_failure": "c2a489b4ed33",
    "ministack.services.stepfunctions:_send_task_heartbeat": "56879a4655d1",
    "ministack.services.stepfunctions:_error_matches": "519b9dc729c5",
}

_CALLBACK: Final = ".waitForTaskToken"
_LARGEST_OUTPUT_BYTES: Final = 262_144
_LONGEST_SECONDS: Final = 99_999_999
_ONLY_REQUESTS: Final = ":states:::dynamodb:"
"""DynamoDB's optimized integration only requests; aws-sdk:dynamodb waits too.
https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html"""


class _Task(NamedTuple):
    state: dict[str, Any]
    raw_input: Any
    ctx: dict[str, Any]

    def seconds(self, field: str) -> int:
        """Return a limit of the state; the longest there is where it has none. Raises the execution's error."""
        path, value = self.state.get(f"{field}Path"), self.state.get(field, _LONGEST_SECONDS)
        if sfn._state_query_language(self.state, self.ctx) == "JSONata":
            error = "States.QueryEvaluationError"
            value = sfn._jsonata_state_field({field: value}, field, "number", self.raw_input, self.ctx)
        else:
            error = "States.Runtime"
            if path is not None:
                value = sfn._resolve_path_or_ctx(path, sfn._apply_input_path(self.state, self.raw_input, self.ctx), self.ctx)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or not 0 < value <= _LONGEST_SECONDS:
            raise sfn._ExecutionError(error, f"{field} must be a positive integer, but was: {json.dumps(value)}")
        return int(value)


class _Wait:
    """Of one attempt of a task for its token."""

    def __init__(self, machine_arn: str) -> None:
        self.machine_arn = machine_arn
        self._scope = executions.current()
        self._beat_at = time.monotonic()
        self.answered: tuple[Any, sfn._ExecutionError | None] | None = None
        self._is_over = False

    def answer(self, result: Any, error: sfn._ExecutionError | None = None) -> bool:
        """Return False, and change nothing, if nobody waits for an answer any more."""
        with self._scope.changed:
            if not self._is_open:
                return False
            self.answered = result, error
            self._scope.changed.notify_all()
            return True

    def beat(self) -> bool:
        """Return False, and change nothing, if nobody waits for an answer any more."""
        with self._scope.changed:
            if not self._is_open:
                return False
            self._beat_at = time.monotonic()
            self._scope.changed.notify_all()
            return True

    def outcome(self, ends_at: float, heartbeat_seconds: int) -> Any:
        """Wait for the answer and return or raise it; raises the timeouts too."""
        while self.answered is None:
            now, beat_at = time.monotonic(), self._beat_at
            until = min(ends_at, beat_at + heartbeat_seconds)
            if now >= until and self.end():
                raise sfn._ExecutionError("States.Timeout" if now >= ends_at else "States.HeartbeatTimeout", "")
            self._scope.wait(lambda heard=beat_at: self.answered is not None or self._beat_at != heard, until - now)  # type: ignore[misc]
        result, error = self.answered
        if error is not None:
            raise error
        return result

    @property
    def _is_open(self) -> bool:
        return not self._is_over and self.answered is None and not self._scope.is_over

    def end(self) -> bool:
        """Take no answer any more; return False if there was one."""
        with self._scope.changed:
            self._is_over = True
            return self.answered is None


_task: ContextVar[_Task] = ContextVar("task_of_execution")


def install() -> None:
    execute_task, with_timeout, matches = sfn._execute_task, sfn._invoke_resource_with_timeout, sfn._error_matches
    succeed, fail, beat = sfn._send_task_success, sfn._send_task_failure, sfn._send_task_heartbeat

    def execute(state: dict[str, Any], raw_input: Any, execution: dict[str, Any], ctx: dict[str, Any]) -> Any:
        _task.set(_Task(state, raw_input, ctx))
        if "TimeoutSecondsPath" in state:
            state = {**state, "TimeoutSeconds": state["TimeoutSecondsPath"]}  # there is one; it is read where it can be caught
        return execute_task(state, raw_input, execution, ctx)

    def invoke_with_timeout(resource: str, given: Any, _timeout: Any) -> Any:
        return with_timeout(resource, given, _task.get().seconds("TimeoutSeconds"))

    def send_task_success(data: dict[str, Any]) -> Any:
        output = data.get("output", "")
        wait = _wait_of(data)
        if not isinstance(wait, _Wait):
            return wait or succeed(data)
        try:
            result = json.loads(output)
        except ValueError:
            return error_response_json("InvalidOutput", "Invalid Output: 'the output is no JSON'", 400)
        if len(output.encode()) > _LARGEST_OUTPUT_BYTES:
            return error_response_json("InvalidOutput", "Invalid Output: 'the output is too long'", 400)
        return json_response({}) if wait.answer(result) else _too_late()

    def send_task_failure(data: dict[str, Any]) -> Any:
        wait = _wait_of(data)
        if not isinstance(wait, _Wait):
            return wait or fail(data)
        error = sfn._ExecutionError(data.get("error", "States.TaskFailed"), data.get("cause", ""))
        return json_response({}) if wait.answer(None, error) else _too_late()

    def send_task_heartbeat(data: dict[str, Any]) -> Any:
        wait = _wait_of(data)
        if not isinstance(wait, _Wait):
            return wait or beat(data)
        return json_response({}) if wait.beat() else _too_late()

    def error_matches(error_equals: list[str], error: str) -> bool:
        return bool(matches(error_equals, error)) or (error == "States.HeartbeatTimeout" and "States.Timeout" in error_equals)

    resource_arns.correct(_on_its_machine)
    sfn._execute_task = execute
    sfn._invoke_resource_with_timeout = invoke_with_timeout
    sfn._invoke_with_callback = _invoke_with_callback
    sfn._send_task_success = send_task_success
    sfn._send_task_failure = send_task_failure
    sfn._send_task_heartbeat = send_task_heartbeat
    sfn._error_matches = error_matches


def _invoke_with_callback(resource: str, given: Any, token: str, _state: dict[str, Any]) -> Any:
    task, began = _task.get(), time.monotonic()
    timeout, heartbeat = task.seconds("TimeoutSeconds"), task.seconds("HeartbeatSeconds")
    if _ONLY_REQUESTS in resource:
        raise sfn._ExecutionError("States.Runtime", f"{resource} does not wait for a task token")
    wait = sfn._task_tokens[token] = _Wait(task.ctx["StateMachine"]["Id"])
    try:
        try:
            sfn._invoke_resource(resource.replace(_CALLBACK, ""), given)
        except sfn._ExecutionError:
            if wait.answered is None:
                raise
        return wait.outcome(began + timeout, heartbeat)
    finally:
        wait.end()
        task.ctx["Task"] = {"Token": new_uuid()}  # of the next attempt


def _on_its_machine(call: resource_arns.Call, arn: Any) -> Any:
    """Of calls with a task token, which name no machine, the one whose token it is."""
    try:
        token = json.loads(call.body).get("taskToken") if call.service == "states" and b"taskToken" in call.body else None
    except (ValueError, AttributeError):
        return arn
    wait = sfn._task_tokens.get(token)
    return wait.machine_arn if isinstance(wait, _Wait) else arn


def _wait_of(data: dict[str, Any]) -> Any:
    """Return the wait that a call's token is of, the refusal of one that was never issued, or None for an activity's."""
    known = sfn._task_tokens.get(data.get("taskToken"))
    if known is None:
        return error_response_json("InvalidToken", "Invalid Token: 'Invalid token'", 400)
    return known if isinstance(known, _Wait) else None


def _too_late() -> Any:
    return error_response_json("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'", 400)
