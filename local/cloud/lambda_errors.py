"""Gap: an exception in a handler is always reported as `Runtime.HandlerError`.

Lambda reports the exception's class as `errorType`, and callers (Step Functions' Catch, an alarm's text) go by it. The worker's script
gets one key more, and the answer takes it.
"""

from contextvars import ContextVar
from typing import Any, Final

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

READ_AGAINST = {
    "ministack.core.lambda_runtime:_PYTHON_WORKER_SCRIPT": "368800addf4d",
    "ministack.services.lambda_svc:_execute_function_warm": "62b9218bef5b",
}

_BEFORE: Final = '{"status": "error", "error": str(e), "trace": traceback.format_exc()}'
_AFTER: Final = '{"status": "error", "error": str(e), "error_type": type(e).__name__, "trace": traceback.format_exc()}'

_raised: ContextVar[str | None] = ContextVar("raised_exception", default=None)


def install() -> None:
    if _BEFORE not in lambda_runtime._PYTHON_WORKER_SCRIPT:
        raise RuntimeError("the emulator's Lambda worker has changed: see local/cloud/lambda_errors.py")
    lambda_runtime._PYTHON_WORKER_SCRIPT = lambda_runtime._PYTHON_WORKER_SCRIPT.replace(_BEFORE, _AFTER)
    invoke, execute = lambda_runtime.Worker.invoke, lambda_svc._execute_function_warm

    def invoke_and_note(self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        result: dict[str, Any] = invoke(self, *args, **kwargs)
        _raised.set(result.get("error_type"))
        return result

    def execute_function(function: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        _raised.set(None)
        result: dict[str, Any] = execute(function, event, request_id)
        body, raised = result.get("body"), _raised.get()
        if result.get("error") and raised and isinstance(body, dict):
            body["errorType"] = raised
        return result

    lambda_runtime.Worker.invoke = invoke_and_note
    lambda_svc._execute_function_warm = execute_function
