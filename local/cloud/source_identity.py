"""Gap: MiniStack ignores `SourceIdentity`.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html:

    AssumeRole      must be allowed sts:SetSourceIdentity twice, by the role's trust policy and by the caller's own policies, wherever the
                    new session gets a source identity: from the request, or from the caller's session
    role chaining   hands the source identity on; a request with another one is refused
    sts:SourceIdentity   is there while a role is assumed with one in the request
    aws:SourceIdentity   is there in every call of a session that has one, for every kind of policy

What STS says of a changed source identity is not documented; here it is the refusal of sts:SetSourceIdentity.
"""

import dataclasses
from contextvars import ContextVar
from typing import Any
from xml.sax.saxutils import escape

from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.core.router import extract_access_key_id
from ministack.services import sts

from local.cloud import sts_requests

READ_AGAINST = {
    "ministack.services.sts:handle_request": "f2d7c72d01d6",
    "ministack.services.sts:register_session": "a84ec986ec01",
    "ministack.core.iam_evaluator:enforce": "cf64b1ee5b09",
    "ministack.core.iam_evaluator:evaluate_trust_policy": "4b50aa29ad29",
    "ministack.core.iam_evaluator:_principal_keys": "82f8fd4f1d91",
}

_ACTION = "sts:SetSourceIdentity"

_requested: ContextVar[str | None] = ContextVar("requested_source_identity", default=None)
"""What is in the AssumeRole call that is being handled."""

_next: ContextVar[str | None] = ContextVar("source_identity_of_the_next_session", default=None)


def of_session(access_key_id: str) -> str | None:
    value = sts._sessions.get(access_key_id, {}).get("SourceIdentity")
    return str(value) if value else None


def install() -> None:
    handle, register = sts.handle_request, sts.register_session
    evaluate, principal_keys = iam_evaluator.evaluate_trust_policy, iam_evaluator._principal_keys

    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]) -> Any:
        given, caller = sts_requests.parameters(body, query), extract_access_key_id(headers, query) or ""
        if given.get("Action") != "AssumeRole":
            return await handle(method, path, headers, body, query)
        identity, inherited = given.get("SourceIdentity"), of_session(caller)
        if because := _refusal(caller, given, identity or inherited, changed=bool(identity and inherited not in {None, identity})):
            return sts._error(403, "AccessDenied", because, ns="sts")
        of_request, of_next = _requested.set(identity), _next.set(identity or inherited)
        try:
            status, answer_headers, answer = await handle(method, path, headers, body, query)
        finally:
            _requested.reset(of_request)
            _next.reset(of_next)
        return status, answer_headers, _with(identity or inherited, answer)

    def register_session(access_key: str, session: dict[str, Any]) -> None:
        if identity := _next.get():
            session["SourceIdentity"] = identity
        register(access_key, session)

    def evaluate_trust_policy(document: Any, caller_arn: str, context: Any = None) -> bool:
        if context is not None and (identity := _requested.get()):
            context.service_context["sts:sourceidentity"] = identity
        allowed = bool(evaluate(document, caller_arn, context))
        if not allowed or context is None or context.action != "sts:AssumeRole" or not _next.get():
            return allowed
        return bool(evaluate(document, caller_arn, dataclasses.replace(context, action=_ACTION)))

    def keys_of_principal(credential: Any) -> dict[str, Any]:
        keys: dict[str, Any] = principal_keys(credential)
        identity = of_session(credential.access_key_id)
        return {**keys, "aws:sourceidentity": identity} if identity else keys

    sts.handle_request = handle_request
    sts.register_session = register_session
    iam_evaluator.evaluate_trust_policy = evaluate_trust_policy
    iam_evaluator._principal_keys = keys_of_principal
    sts._principal_keys = keys_of_principal  # imported there by name


def _refusal(caller: str, given: dict[str, str], identity: str | None, *, changed: bool) -> str | None:
    """Return why the caller may not give the next session this source identity, whatever the role's trust policy says; or None."""
    if not identity:
        return None
    role_arn = given.get("RoleArn", "")
    context = sts_requests.condition_keys(given)
    denied = iam_evaluator.enforce(caller, _ACTION, "sts", get_region(), resource_arn=role_arn, service_context=context)
    if denied is None and not changed:
        return None
    who = sts.resolve_credential(caller)
    return f"User: {getattr(who, 'principal_arn', '')} is not authorized to perform: {_ACTION} on resource: {role_arn}"


def _with(identity: str | None, answer: Any) -> Any:
    """Add the source identity to what AssumeRole answers with; a refusal has no result."""
    if not identity or not isinstance(answer, bytes):
        return answer
    end = b"</AssumeRoleResult>"
    return answer.replace(end, f"<SourceIdentity>{escape(identity)}</SourceIdentity>".encode() + end)
