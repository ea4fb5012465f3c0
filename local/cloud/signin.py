"""Gap: MiniStack has no federation endpoint of AWS sign-in, by which a broker opens the console for somebody.

`/federation` stands for `https://signin.aws.amazon.com/federation`
(https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_enable-console-custom-url.html):

    Action=getSigninToken   with Session, a JSON text of sessionId, sessionKey and sessionToken, answers {"SigninToken": …}
    Action=login            with that token answers, instead of with the console, {"Arn": …} of who is signed in there

    credentials that are not those of a role's session or a federated user's, that are wrong, or expired     refused
    SessionDuration         900 to 43,200; refused with credentials of GetFederationToken, and with those of role chaining
                            (https://repost.aws/knowledge-center/invalid-credentials-parameter)
    DurationSeconds         of an AssumeRole that was called with a session's credentials: those are refused
    a token                 signs in within 15 minutes, while its credentials are good

Every refusal is HTTP 400. Of a token only its hash is kept. Not emulated: the console, and what else AWS would refuse.
"""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ministack import app
from ministack.services import sts

from local.cloud import session_limits, sts_requests

READ_AGAINST = {"ministack.app:_handle_post_body_shortcuts": "950ae5cb53a4", "ministack.services.sts:register_session": "a84ec986ec01"}

PATH: Final = "/federation"
_SHORTEST_SECONDS: Final = 900
_LONGEST_SECONDS: Final = 43_200
_TOKEN_SECONDS: Final = 900


class _SignIn(NamedTuple):
    access_key_id: str
    ends_at: float


_signins: dict[str, _SignIn] = {}
"""By the hash of the token."""


def install() -> None:
    inner = app._handle_post_body_shortcuts

    async def handle(  # noqa: PLR0917 - the emulator's signature
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]], request_id: str
    ) -> Any:
        if path != PATH:
            return await inner(method, path, headers, body, query, request_id)
        answer = _answer(sts_requests.parameters(body, query))
        if answer is None:
            return 400, {"Content-Type": "text/plain"}, b"Invalid credentials parameter"
        return 200, {"Content-Type": "application/json", "Cache-Control": "no-store"}, json.dumps(answer).encode()

    app._handle_post_body_shortcuts = handle


def _answer(given: Mapping[str, str]) -> dict[str, str] | None:
    match given.get("Action"):
        case "getSigninToken":
            return _sign_in(given)
        case "login":
            signed_in = _signins.get(_hash(given.get("SigninToken", "")))
            session = sts._sessions.get(signed_in.access_key_id) if signed_in and time.time() < signed_in.ends_at else None
            return {"Arn": session["Arn"]} if session and not sts._session_expired(session) else None
        case _:
            return None


def _sign_in(given: Mapping[str, str]) -> dict[str, str] | None:
    try:
        credentials = {name: str(value) for name, value in json.loads(given["Session"]).items()}
        access_key_id = credentials["sessionId"]
        session = sts._sessions[access_key_id]
        is_theirs = _same(credentials["sessionKey"], session["SecretAccessKey"]) and _same(
            credentials["sessionToken"], session["SessionToken"]
        )
    except (KeyError, ValueError, AttributeError):
        return None
    if not is_theirs or sts._session_expired(session) or not _may_last(session, given.get("SessionDuration")):
        return None
    token = secrets.token_urlsafe(64)
    _signins[_hash(token)] = _SignIn(access_key_id, time.time() + _TOKEN_SECONDS)
    return {"SigninToken": token}


def _may_last(session: Mapping[str, Any], session_duration: str | None) -> bool:
    kind, chained = session.get("PrincipalType"), session_limits.is_chained(session)
    if kind not in {"AssumedRole", "FederatedUser"} or (chained and session_limits.has_asked_for_duration(session)):
        return False
    if session_duration is None:
        return True
    is_number = session_duration.isascii() and session_duration.isdecimal()
    return kind == "AssumedRole" and not chained and is_number and _SHORTEST_SECONDS <= int(session_duration) <= _LONGEST_SECONDS


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
