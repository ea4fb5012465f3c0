"""Calls of Doorward's to IAM and STS that fail when they are told to, for tests of what becomes of that. No gap: by itself nothing fails.

A failure is set by `/_local/state` (control) and meets one call: the first of this name, by a role of Doorward's, whose request has the
text `about` in it. `fate` says what becomes of that call:

    throttled    nothing is done, and the answer is Throttling
    unanswered   it is done, and the answer is an error of the service's
    killed       it is done, and `function` does not live to hear of it: every one of its processes that is at work is killed
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from ministack import app
from ministack.core import iam_evaluator, lambda_runtime
from ministack.core.responses import get_account_id
from ministack.core.router import extract_access_key_id

from local.cloud import iam_entities

READ_AGAINST = {
    "ministack.app:_dispatch_service_request": "17e5ef6dcfa0",
    "ministack.core.lambda_runtime:acquire_worker": "5017d144adb5",
}

_OURS: Final = ":role/doorward/"
_ANSWERS: Final = {"throttled": (400, "Sender", "Throttling"), "unanswered": (503, "Receiver", "ServiceUnavailable")}

_left: list[Mapping[str, str]] = []
_killed_at: list[float] = []


def set_to(failures: Iterable[Mapping[str, str]]) -> None:
    """Instead of those that are left of what was set before."""
    _left[:] = failures


def state() -> dict[str, Any]:
    """`left`: which have met no call yet. `killed_at`: the times of this host's clock at which something was killed."""
    return {"left": list(_left), "killed_at": list(_killed_at)}


def install() -> None:
    inner = app._dispatch_service_request

    async def dispatch(  # noqa: PLR0917 - the emulator's signature
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]], request_id: str
    ) -> Any:
        failure = _failure_of(body, extract_access_key_id(headers, query) or "") if _left else None
        if failure is None:
            return await inner(method, path, headers, body, query, request_id)
        answer = None
        if failure["fate"] != "throttled":
            answer = await inner(method, path, headers, body, query, request_id)
        if failure["fate"] == "killed":
            _kill(failure["function"])
            return answer
        return _error(failure["fate"], request_id)

    app._dispatch_service_request = dispatch


def _failure_of(body: bytes, access_key_id: str) -> Mapping[str, str] | None:
    """The failure that meets this call; it is not left any more."""
    action = parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
    for each in _left:
        if each["call"] == action and each["about"].encode() in body and _is_ours(access_key_id):
            _left.remove(each)
            return each
    return None


def _is_ours(access_key_id: str) -> bool:
    caller = iam_evaluator.resolve_credential(access_key_id, get_account_id())
    role_arn = iam_entities.role_arn_of_session(getattr(caller, "principal_arn", ""))
    return role_arn is not None and _OURS in role_arn


def _kill(function: str) -> None:
    _killed_at.append(time.time())
    for key, workers in list(lambda_runtime._workers.items()):
        if function not in key.split(":"):
            continue
        for each in list(workers):
            if each.in_use and each._proc is not None:
                each._proc.kill()


def _error(fate: str, request_id: str) -> tuple[int, dict[str, str], bytes]:
    status, type_, code = _ANSWERS[fate]
    error = f"<Error><Type>{type_}</Type><Code>{code}</Code><Message>On purpose: {fate}.</Message></Error>"
    text = f"<ErrorResponse>{error}<RequestId>{request_id}</RequestId></ErrorResponse>"
    return status, {"Content-Type": "text/xml"}, text.encode()
