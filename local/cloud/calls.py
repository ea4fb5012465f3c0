"""What Doorward's roles ask for, for whoever compares it with what they may: `tests/integration/test_least_privilege.py`. No gap.

Every request that the emulator asks its policies about is kept once, in the words of IAM, whatever they answered: of a function and of
a session in a member account as it comes in, of AssumeRole as the role's trust policy is asked, of EventBridge as it becomes a target's
role. The external ID is among what is kept: it never leaves this process but for the test.
"""

import json
import threading
from typing import Any, Final

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext
from ministack.core.responses import _account_from_sts_session, get_account_id
from ministack.services import sts

from local.cloud import iam_entities

READ_AGAINST = {
    "ministack.core.iam_evaluator:enforce": "cf64b1ee5b09",
    "ministack.core.iam_evaluator:evaluate_trust_policy": "4b50aa29ad29",
    "ministack.core.iam_evaluator:resolve_credential": "32276bd395ef",
}

_OURS: Final = ":role/doorward/"
_OF_PEOPLE: Final = ":role/doorward/grants/"
"""What people do with what they were granted is no call of ours."""
_KEYS: Final = (
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:ResourceAccount",
    "aws:ResourceOrgID",
    "aws:SecureTransport",
    "aws:SourceIdentity",
)
"""What the emulator knows of every request; what it knows of this one stands in its `service_context`."""

_MOST: Final = 100_000
"""Some 100 MB; no test comes near. A stack that runs for days keeps no more."""

_lock = threading.Lock()
_kept: dict[str, None] = {}


def install() -> None:
    enforce, evaluate_trust_policy = iam_evaluator.enforce, iam_evaluator.evaluate_trust_policy

    def enforce_and_keep(  # noqa: PLR0917 - the emulator's signature
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        if iam_action != "sts:AssumeRole":  # what it is about is known where the trust policy is asked
            _keep_of_session(access_key_id, iam_action, region, resource_arn, service_context or {})
        return enforce(access_key_id, iam_action, service, region, resource_arn=resource_arn, service_context=service_context)

    def evaluate_trust_policy_and_keep(document: Any, caller_arn: str, context: EvalContext | None = None) -> bool:
        if context is not None:
            keep(context)
        return bool(evaluate_trust_policy(document, caller_arn, context))

    iam_evaluator.enforce = enforce_and_keep
    iam_evaluator.evaluate_trust_policy = evaluate_trust_policy_and_keep


def every() -> list[dict[str, Any]]:
    """Each call once, in the order in which they first came. Raises RuntimeError where there were too many to keep."""
    with _lock:
        if len(_kept) == _MOST:
            raise RuntimeError(f"more than {_MOST} calls were made: not all of them were kept")
        return [json.loads(each) for each in _kept]


def keep(context: EvalContext, session_policies: dict[str, Any] | None = None) -> None:
    """Keep what a session asks for, if its role is one of ours."""
    role_arn = iam_entities.role_arn_of_session(context.principal_arn)
    if role_arn is None or _OURS not in role_arn or _OF_PEOPLE in role_arn:
        return
    known = {key: iam_evaluator._resolve_condition_key(key, context) for key in _KEYS} | dict(context.service_context)
    call = {
        "role": role_arn,
        "action": context.action,
        "resource": context.resource_arn,
        "context": {key: value for key, value in known.items() if value is not None},
        "session_policies": session_policies,
    }
    with _lock:
        if len(_kept) < _MOST:
            _kept.setdefault(json.dumps(call, sort_keys=True, default=str))


def _keep_of_session(access_key_id: str, action: str, region: str, resource_arn: str, service_context: dict[str, Any]) -> None:
    account_id = _account_from_sts_session(access_key_id) or get_account_id()
    caller = iam_evaluator.resolve_credential(access_key_id or "", account_id)
    if getattr(caller, "principal_type", "") != "AssumedRole":
        return
    context = EvalContext(
        principal_arn=caller.principal_arn,
        principal_type=caller.principal_type,
        principal_account=caller.account_id,
        action=action,
        resource_arn=resource_arn,
        region=region,
        service_context=service_context,
        principal_keys=iam_evaluator._principal_keys(caller),
    )
    keep(context, (sts._sessions.get(access_key_id) or {}).get("SessionPolicies"))
