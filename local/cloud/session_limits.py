"""Gap: MiniStack's AssumeRole takes sessions of any length, of any name, with any number of policies.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html:

    RoleSessionName, SourceIdentity   2 to 64 of A-Z a-z 0-9 _ + = , . @ -
    DurationSeconds   900 to the role's MaxSessionDuration; to 3,600 whoever calls with the credentials of a session (role chaining)
    PolicyArns        at most 10; with Policy at most 2,048 characters in all
    PackedPolicySize  what STS packs policies and tags into has a limit of its own: above 100 % nothing is issued

AWS publishes neither how it packs nor how much it takes. Here it is what zlib makes of it, in per cent of 1,024 bytes: a session that fits
here may not fit there. The emulator itself refuses a Policy of more than 2,048 characters, and one that is malformed.
"""

import json
import re
import zlib
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from ministack.services import sts

from local.cloud import iam_entities, sts_requests

READ_AGAINST = {
    "ministack.services.sts:handle_request": "f2d7c72d01d6",
    "ministack.services.sts:register_session": "a84ec986ec01",
    "ministack.services.sts:_session_policies": "f600cc276d55",
}

_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_SHORTEST_SECONDS: Final = 900
_LONGEST_CHAIN_SECONDS: Final = 3600
_MOST_POLICIES: Final = 10
_MOST_CHARACTERS: Final = 2048
_PACKED_BYTES: Final = 1024

_TOO_LONG: Final = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
_TOO_LONG_CHAIN: Final = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."


class _Asked(NamedTuple):
    """A call to assume a role that is being handled."""

    given: Mapping[str, str]
    packed: list[int]
    """Per cent, once there is a session; else empty."""


class _RefusalError(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


_asked: ContextVar[_Asked | None] = ContextVar("asked_of_assume_role", default=None)


def install() -> None:
    handle, register = sts.handle_request, sts.register_session

    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]) -> Any:
        given = sts_requests.parameters(body, query)
        if given.get("Action") != "AssumeRole":
            return await handle(method, path, headers, body, query)
        asked = _Asked(given, [])
        token = _asked.set(asked)
        try:
            _require_well_formed(given)
            status, answer_headers, answer = await handle(method, path, headers, body, query)
        except _RefusalError as refusal:
            return sts._error(400, refusal.code, str(refusal), ns="sts")
        finally:
            _asked.reset(token)
        return status, answer_headers, _with(asked.packed, answer)

    def register_session(access_key: str, session: dict[str, Any]) -> None:
        """Of whoever may assume the role: the limits are no news for others."""
        asked = _asked.get()
        if asked is not None:
            session |= {"IsChained": session["SourceAccessKeyId"] in sts._sessions, "HasDuration": "DurationSeconds" in asked.given}
            _require_duration(asked.given, session)
            asked.packed.append(_packed(session))
        register(access_key, session)

    sts.handle_request = handle_request
    sts.register_session = register_session


def is_chained(session: Mapping[str, Any]) -> bool:
    """Return whether the session was opened with the credentials of another one."""
    return bool(session.get("IsChained"))


def has_asked_for_duration(session: Mapping[str, Any]) -> bool:
    return bool(session.get("HasDuration"))


def _require_well_formed(given: Mapping[str, str]) -> None:
    for name in ("RoleSessionName", "SourceIdentity"):
        value = given.get(name, "" if name == "RoleSessionName" else None)
        if value is not None and not _NAME.fullmatch(value):
            raise _RefusalError("ValidationError", f"1 validation error detected: the value at '{name}' failed to satisfy its constraint")
    arns = [value for name, value in given.items() if re.fullmatch(r"PolicyArns\.member\.\d+\.arn", name)]
    if len(arns) > _MOST_POLICIES or len(given.get("Policy", "")) + sum(map(len, arns)) > _MOST_CHARACTERS:
        raise _RefusalError("ValidationError", "1 validation error detected: the session policies are too many or too long")


def _require_duration(given: Mapping[str, str], session: Mapping[str, Any]) -> None:
    seconds = int(given.get("DurationSeconds") or _LONGEST_CHAIN_SECONDS)
    if seconds < _SHORTEST_SECONDS:
        raise _RefusalError("ValidationError", f"1 validation error detected: 'durationSeconds' must be at least {_SHORTEST_SECONDS}")
    if session["IsChained"] and seconds > _LONGEST_CHAIN_SECONDS:
        raise _RefusalError("ValidationError", _TOO_LONG_CHAIN)
    role = iam_entities.role(session["AccountId"], session["Arn"].split("/")[1])
    if role is not None and seconds > int(role.get("MaxSessionDuration") or _LONGEST_CHAIN_SECONDS):
        raise _RefusalError("ValidationError", _TOO_LONG)


def _packed(session: Mapping[str, Any]) -> int:
    """Return the per cent that the session's policies and tags take up; raises _RefusalError above 100."""
    policies, tags = session["SessionPolicies"], session["SessionTags"]
    if not policies and not tags:
        return 0
    per_cent = -(-100 * len(zlib.compress(json.dumps([policies, tags]).encode(), 9)) // _PACKED_BYTES)
    if per_cent > 100:  # noqa: PLR2004 - all of it
        what = "Packed policy" if policies else "Packed size of session tags"
        raise _RefusalError("PackedPolicyTooLarge", f"{what} consumes {per_cent}% of allotted space, please use smaller policy.")
    return per_cent


def _with(packed: list[int], answer: Any) -> Any:
    if not packed or not isinstance(answer, bytes):
        return answer
    return answer.replace(b"<PackedPolicySize>0<", f"<PackedPolicySize>{packed[0]}<".encode())
