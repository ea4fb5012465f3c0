"""Gap: MiniStack delivers a rule's events to any queue and topic of the account, and to none of another account.

On AWS the queue's or topic's policy must allow `events.amazonaws.com`, usually for one rule by `aws:SourceArn`; a missing policy is the
commonest reason for a rule that never delivers. A queue or topic of another account is reached by the target's role alone
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-cross-account.html). Not emulated: the same for functions
(`AWS::Lambda::Permission`), and for topics that CloudFormation made without a TopicPolicy, which here let everybody publish.
"""

from typing import Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy, resource_policy_allows
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import eventbridge, sns, sqs

from local.cloud import observations, target_roles

READ_AGAINST = {
    "ministack.services.eventbridge:_dispatch_to_sqs": "eb75981283a2",
    "ministack.services.eventbridge:_dispatch_to_sns": "72c921fe20b6",
    "ministack.services.sqs:queue_policy_for_arn": "fd2276b9eed5",
    "ministack.services.sns:topic_policy_for_arn": "6bf0adcea369",
}

_EVENTBRIDGE = "events.amazonaws.com"


def install() -> None:
    inner = eventbridge._invoke_target

    def invoke(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:
        because = refusal(target.get("Arn", ""), rule.get("Arn", ""), target.get("RoleArn", ""))
        if because:
            observations.refuse(account=get_account_id(), rule=rule.get("Name", ""), target=target.get("Arn", ""), because=because)
            return
        account = _account_of_queue_or_topic(target.get("Arn", ""))
        if account in {None, get_account_id()}:
            inner(target, event, rule, view)
            return
        view = view or eventbridge._pattern_event_view(event)  # with the account that the event came from
        with request_scope(account, get_region()):
            inner(target, event, rule, view)

    eventbridge._invoke_target = invoke


def _account_of_queue_or_topic(arn: str) -> str | None:
    try:
        parsed = parse_arn(arn)
    except ArnParseError:
        return None
    return str(parsed.account_id) if parsed.service in {"sqs", "sns"} else None


def refusal(target_arn: str, rule_arn: str, role_arn: str = "") -> str | None:
    """Return why the target would refuse EventBridge, or None; a target that does not exist is the emulator's to report."""
    try:
        parsed = parse_arn(target_arn)
    except ArnParseError:
        return None
    service, here = parsed.service, get_account_id()
    lookup, action = {"sqs": (sqs.queue_policy_for_arn, "sqs:SendMessage"), "sns": (sns.topic_policy_for_arn, "sns:Publish")}.get(
        service, (None, "")
    )
    found = lookup(target_arn) if lookup else None
    if found is None:
        return None
    if parsed.account_id != here:
        return _refusal_of_another_account(target_arn, rule_arn, role_arn, action, found[0])
    sender = EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=target_arn,
        region=get_region(),
        service_context={"aws:sourcearn": rule_arn, "aws:sourceaccount": here, "aws:principalisawsservice": "true"},
    )
    policy, _owner = found
    if policy and evaluate_resource_policy(policy, sender, service=_EVENTBRIDGE).decision == "Allow":
        return None
    return f"its policy does not allow {_EVENTBRIDGE} to {action} for {rule_arn}"


def _refusal_of_another_account(target_arn: str, rule_arn: str, role_arn: str, action: str, policy: Any) -> str | None:
    here = get_account_id()
    if not role_arn:
        return "a target in another account needs a role"
    sender = EvalContext(
        principal_arn=f"arn:aws:iam::{here}:root",
        principal_type="Root",
        principal_account=here,
        action=action,
        resource_arn=target_arn,
        region=get_region(),
    )
    if because := target_roles.become(sender, role_arn, rule_arn):
        return because
    if policy and resource_policy_allows(policy, sender, same_account=False):
        return None
    return f"its policy does not allow {role_arn} to {action}"
