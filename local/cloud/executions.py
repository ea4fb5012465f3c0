"""Gap: what waits in an execution waits on after the execution has ended.

    StopExecution     ends every wait of the execution, and no task of it begins any more
    TimeoutSeconds    of a machine ends its executions as TIMED_OUT

https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html
https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html

Not emulated: a call that is under way, such as a function's, is not broken off. The gap `execution_branches` ends what is inside one state.
"""

import contextvars
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ministack.services import stepfunctions as sfn

READ_AGAINST = {
    "ministack.services.stepfunctions:_run_execution": "996dff84e0e0",
    "ministack.services.stepfunctions:_fail_execution": "e6da895fa0b7",
    "ministack.services.stepfunctions:_stop_execution": "44d2d84ccd5c",
    "ministack.services.stepfunctions:_scaled_sleep": "5ed19df2efa9",
    "ministack.services.stepfunctions:_execute_task": "53c818d247db",
}


class Stopped(BaseException):
    """Ends a thread of an execution. No error of the execution's: none of its Retry and Catch may see it."""


class Scope:
    """What ends together: an execution, or the branches of one of its states.

    With `independent`, each branch is a scope of its own (a distributed Map, whose children may fail one by one).
    """

    def __init__(self, around: "Scope | None" = None, *, independent: bool = False) -> None:
        self.independent = independent
        self.failure: Exception | None = None
        self._around = around
        self._is_over = False
        self.changed: threading.Condition = around.changed if around else threading.Condition()
        """Notified of whatever a wait of the execution may be about."""

    @property
    def is_over(self) -> bool:
        return self._is_over or (self._around is not None and self._around.is_over)

    def end(self, failure: Exception | None = None) -> None:
        """End it, because of the first failure in it or from outside."""
        with self.changed:
            if not self._is_over:
                self._is_over, self.failure = True, failure
            self.changed.notify_all()

    def require_on(self) -> None:
        """Raise Stopped if it has ended."""
        if self.is_over:
            raise Stopped

    def wait(self, until: Callable[[], bool], seconds: float) -> None:
        """Wait until `until` comes true, which is asked whenever something has changed, or the time is up. Raises Stopped."""
        with self.changed:
            self.changed.wait_for(lambda: self.is_over or until(), seconds)
        self.require_on()


_scope: ContextVar[Scope | None] = ContextVar("scope_of_execution", default=None)
_running: dict[str, Scope] = {}
"""By the execution's ARN."""


def current() -> Scope:
    """Return the scope of the thread; a state that is tested alone has one that nobody ends."""
    return _scope.get() or Scope()


@contextmanager
def within(scope: Scope) -> Iterator[Scope]:
    token = _scope.set(scope)
    try:
        yield scope
    finally:
        _scope.reset(token)


def install() -> None:
    run, fail, stop, execute_task = sfn._run_execution, sfn._fail_execution, sfn._stop_execution, sfn._execute_task

    def run_execution(execution_arn: str) -> None:
        with within(Scope()) as scope:
            _running[execution_arn] = scope
            timer = _timer(execution_arn, scope)
            try:
                run(execution_arn)
            except Stopped:
                pass  # what ended it has written its end
            finally:
                timer.cancel()
                del _running[execution_arn]

    def fail_execution(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)

    def stop_execution(data: dict[str, Any]) -> Any:
        answer = stop(data)
        if scope := _running.get(data.get("executionArn", "")):
            scope.end()
        return answer

    def sleep(seconds: float) -> None:
        current().wait(lambda: False, seconds * sfn._SFN_WAIT_SCALE)

    def task(*of: Any) -> Any:
        current().require_on()
        return execute_task(*of)

    sfn._run_execution = run_execution
    sfn._fail_execution = fail_execution
    sfn._stop_execution = stop_execution
    sfn._scaled_sleep = sleep
    sfn._execute_task = task


def _timer(execution_arn: str, scope: Scope) -> threading.Timer:
    """Started if the execution's machine has a TimeoutSeconds."""
    execution = sfn._executions.get(execution_arn) or {}
    machine = sfn._state_machines.get(execution.get("stateMachineArn")) or {}
    try:
        seconds = json.loads(machine.get("definition", "{}")).get("TimeoutSeconds")
    except ValueError:
        seconds = None  # the execution fails by itself

    def time_out() -> None:
        if execution["status"] == "RUNNING":
            execution.update(status="TIMED_OUT", stopDate=sfn.now_iso())
            sfn._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {"error": "States.Timeout"}})
            sfn._emit_execution_status_event(execution)
            scope.end()

    timer = threading.Timer(seconds or 0, contextvars.copy_context().run, (time_out,))
    timer.daemon = True
    if seconds:
        timer.start()
    return timer
