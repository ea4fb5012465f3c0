"""The role that EventBridge sends to a target under: its trust, its permissions. Part of the gaps `event_buses` and `service_targets`."""

import json
from typing import Any

from ministack.core.iam_evaluator import EvalContext, _gather_role_policies, _permissions_boundary, evaluate, evaluate_trust_policy
from ministack.services import iam

from local.cloud import calls, iam_entities


def become(sender: EvalContext, role_arn: str, rule_arn: str) -> str | None:
    """Make `sender`, who stands for EventBridge in an account, the target's role for the rule; or return why it may not."""
    here, name = sender.principal_account, role_arn.rpartition("/")[2]
    role = iam_entities.role(here, name)
    if role is None or role["Arn"] != role_arn:
        return f"the target's role {role_arn} does not exist"
    # A Service principal lets the account's root through in the emulator: root stands for EventBridge here.
    trusted = EvalContext(f"arn:aws:iam::{here}:root", "Root", here, "sts:AssumeRole", role_arn, sender.region)
    trusted.service_context = {"aws:sourcearn": rule_arn, "aws:sourceaccount": here}
    if not evaluate_trust_policy(_only_for_eventbridge(role["AssumeRolePolicyDocument"]), trusted.principal_arn, trusted):
        return f"the trust policy of {role_arn} does not let events.amazonaws.com assume it for {rule_arn}"
    sender.principal_arn = f"arn:aws:sts::{here}:assumed-role/{name}/events"
    sender.principal_type = "AssumedRole"
    calls.keep(sender)
    allowed = evaluate(sender, _gather_role_policies(name, here), *_permissions_boundary(iam._roles, name, here))
    if allowed.decision != "Allow":
        return f"the policies of {role_arn} do not allow {sender.action} on {sender.resource_arn}"
    return None


def _only_for_eventbridge(document: Any) -> dict[str, Any]:
    """Keep the statements of a trust policy that name EventBridge: the emulator lets any service principal through for root."""
    parsed = json.loads(document) if isinstance(document, str) else document
    statements = parsed.get("Statement", [])
    statements = [statements] if isinstance(statements, dict) else statements

    def names_eventbridge(principal: Any) -> bool:
        services = principal.get("Service", []) if isinstance(principal, dict) else []
        return principal == "*" or "events.amazonaws.com" in ([services] if isinstance(services, str) else services)

    return {**parsed, "Statement": [s for s in statements if names_eventbridge(s.get("Principal"))]}
