"""Gap: MiniStack ignores `SourceIdentity`.

Here it is kept with the session, passed on when roles are chained, and a trust policy must allow `sts:SetSourceIdentity` for it
(https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html).

Not emulated: the same permission on the caller's side, and the refusal to change it in a chain.
"""

import dataclasses
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs

from ministack.core import iam_evaluator
from ministack.core.router import extract_access_key_id
from ministack.services import sts

READ_AGAINST = {
    "ministack.services.sts:handle_request": "f2d7c72d01d6",
    "ministack.services.sts:register_session": "a84ec986ec01",
    "ministack.core.iam_evaluator:evaluate_trust_policy": "4b50aa29ad29",
    "ministack.core.iam_evaluator:_principal_keys": "82f8fd4f1d91",
}

_requested: ContextVar[str | None] = ContextVar("requested_source_identity", default=None)


def requested() -> str | None:
    """Return the source identity of the AssumeRole call that is being handled."""
    return _requested.get()


def of_session(access_key_id: str) -> str | None:
    value = sts._sessions.get(access_key_id, {}).get("SourceIdentity")
    return str(value) if value else None


def install() -> None:
    handle, register = sts.handle_request, sts.register_session
    evaluate, principal_keys = iam_evaluator.evaluate_trust_policy, iam_evaluator._principal_keys

    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]) -> Any:
        given = parse_qs(body.decode(errors="replace")).get("SourceIdentity", [None])[0]
        token = _requested.set(given or of_session(extract_access_key_id(headers, query)))
        try:
            return await handle(method, path, headers, body, query)
        finally:
            _requested.reset(token)

    def register_session(access_key: str, session: dict[str, Any]) -> None:
        if identity := requested():
            session["SourceIdentity"] = identity
        register(access_key, session)

    def evaluate_trust_policy(document: Any, caller_arn: str, context: Any = None) -> bool:
        allowed = bool(evaluate(document, caller_arn, context))
        if not allowed or context is None or context.action != "sts:AssumeRole" or not requested():
            return allowed
        return bool(evaluate(document, caller_arn, dataclasses.replace(context, action="sts:SetSourceIdentity")))

    def keys_of_principal(credential: Any) -> dict[str, Any]:
        keys: dict[str, Any] = principal_keys(credential)
        identity = of_session(credential.access_key_id)
        return {**keys, "aws:sourceidentity": identity} if identity else keys

    sts.handle_request = handle_request
    sts.register_session = register_session
    iam_evaluator.evaluate_trust_policy = evaluate_trust_policy
    iam_evaluator._principal_keys = keys_of_principal
    sts._principal_keys = keys_of_principal  # imported there by name
