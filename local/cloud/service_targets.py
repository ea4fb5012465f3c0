"""Gap: MiniStack delivers a rule's events to any queue and topic.

On AWS the queue's or topic's policy must allow `events.amazonaws.com`, usually for one rule by `aws:SourceArn`; a missing policy is the
commonest reason for a rule that never delivers. Not emulated: the same for functions (`AWS::Lambda::Permission`), and for topics that
CloudFormation made without a TopicPolicy, which here let everybody publish.
"""

from typing import Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, sns, sqs

from local.cloud import observations

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
        because = refusal(target.get("Arn", ""), rule.get("Arn", ""))
        if because:
            observations.refuse(account=get_account_id(), rule=rule.get("Name", ""), target=target.get("Arn", ""), because=because)
        else:
            inner(target, event, rule, view)

    eventbridge._invoke_target = invoke


def refusal(target_arn: str, rule_arn: str) -> str | None:
    """Return why the target would refuse EventBridge, or None; a target that does not exist is the emulator's to report."""
    try:
        service = parse_arn(target_arn).service
    except ArnParseError:
        return None
    lookup, action = {"sqs": (sqs.queue_policy_for_arn, "sqs:SendMessage"), "sns": (sns.topic_policy_for_arn, "sns:Publish")}.get(
        service, (None, "")
    )
    found = lookup(target_arn) if lookup else None
    if found is None:
        return None
    sender = EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=target_arn,
        region=get_region(),
        service_context={"aws:sourcearn": rule_arn, "aws:sourceaccount": get_account_id(), "aws:principalisawsservice": "true"},
    )
    policy, _owner = found
    if policy and evaluate_resource_policy(policy, sender, service=_EVENTBRIDGE).decision == "Allow":
        return None
    return f"its policy does not allow {_EVENTBRIDGE} to {action} for {rule_arn}"
