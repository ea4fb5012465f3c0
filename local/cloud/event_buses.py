"""Gap: event buses end at the account's border.

MiniStack drops what a rule sends to another account's (or region's) bus, answers a direct PutEvents there with ResourceNotFound, and does
not know the CloudFormation type `AWS::Events::EventBusPolicy`.

Rules of AWS kept here (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html and eb-use-conditions.html):
* the bus's policy must allow the sender; `events:eventBusInvocation` is true only for what a rule forwards;
* with a `RoleArn`, the sender is that role: EventBridge must be able to assume it, and its own policies must allow `events:PutEvents` on
  the bus. Without one the sender is the account itself and has no organization, so a grant by `aws:PrincipalOrgID` does not reach it;
* an event that came from another account is not sent on to a third;
* a forwarded event keeps the account and region it came from.
"""

import json
from typing import Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.iam_evaluator import EvalContext, caller_arn, resource_policy_allows
from ministack.core.responses import error_response_json, get_account_id, get_region, request_scope
from ministack.services import eventbridge
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

from local.cloud import observations, target_roles

READ_AGAINST = {
    "ministack.services.eventbridge:_put_events": "ebcda0f38061",
    "ministack.services.eventbridge:_invoke_target": "550e304af080",
    "ministack.services.eventbridge:_dispatch_to_event_bus": "fef5c8d488f1",
    "ministack.services.eventbridge:_put_permission": "3f19d0b56bca",
    "ministack.services.eventbridge:_remove_permission": "be9104c52e23",
}

POLICY_TYPE = "AWS::Events::EventBusPolicy"


def install() -> None:
    invoke_target, put_events = eventbridge._invoke_target, eventbridge._put_events

    def invoke(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:
        bus = foreign_bus(target.get("Arn", ""))
        if bus is None:
            invoke_target(target, event, rule, view)
        else:
            forward(bus, target, event, rule)

    def put(data: dict[str, Any], allow_aws_source: bool = False) -> Any:
        entries = data.get("Entries", [])
        buses = [foreign_bus(str(entry.get("EventBusName") or "")) for entry in entries if isinstance(entry, dict)]
        if not any(buses):
            return put_events(data, allow_aws_source)
        return put_across_accounts(put_events, entries, buses)

    eventbridge._invoke_target = invoke
    eventbridge._put_events = put
    if POLICY_TYPE not in _RESOURCE_HANDLERS:  # or the emulator has it now; the tests tell
        _RESOURCE_HANDLERS[POLICY_TYPE] = {"create": create_policy, "update": update_policy, "delete": delete_policy}


def foreign_bus(arn: str) -> Any:
    """Return the parsed ARN of an event bus of another account or region, else None."""
    try:
        spec = parse_arn(arn)
    except ArnParseError:
        return None
    if spec.service != "events" or not spec.resource.startswith("event-bus/"):
        return None
    return None if (spec.account_id, spec.region) == (get_account_id(), get_region()) else spec


def forward(bus: Any, target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any]) -> None:
    """Deliver an event that a rule of the current account sends to another bus, or observe why not."""
    because = refusal_to_forward(bus, target, event, rule.get("Arn", ""))
    if because:
        observations.refuse(account=get_account_id(), rule=rule.get("Name", ""), target=str(bus), because=because)
        return
    forwarded = {**event, "EventBusName": _name(bus), "_DispatchPath": []}
    with request_scope(bus.account_id, bus.region):
        eventbridge._dispatch_event(forwarded)
        eventbridge._archive_event(forwarded)


def refusal_to_forward(bus: Any, target: dict[str, Any], event: dict[str, Any], rule_arn: str) -> str | None:
    here, role_arn = get_account_id(), target.get("RoleArn") or ""
    if event.get("Account", here) != here and bus.account_id != here:
        return "an event from another account is not sent on to a third"
    sender = EvalContext(
        principal_arn=f"arn:aws:iam::{here}:root",
        principal_type="Root",
        principal_account=here,
        action="events:PutEvents",
        resource_arn=str(bus),
        region=bus.region,
        service_context=_event_keys(event.get("Source"), event.get("DetailType"), forwarded=True),
        principal_keys={} if role_arn else {"aws:principalorgid": None},
    )
    if role_arn and (because := target_roles.become(sender, role_arn, rule_arn)):
        return because
    return _refused_by_bus(bus, sender)


def put_across_accounts(put_events: Any, entries: list[dict[str, Any]], buses: list[Any]) -> Any:
    """PutEvents that names a bus of another account: AWS refuses the whole call if one bus refuses."""
    for entry, bus in zip(entries, buses, strict=True):
        if bus is None:
            continue
        caller = caller_arn()
        sender = EvalContext(
            principal_arn=caller,
            principal_type="AssumedRole" if ":assumed-role/" in caller else "User",
            principal_account=get_account_id(),
            action="events:PutEvents",
            resource_arn=str(bus),
            region=bus.region,
            service_context=_event_keys(entry.get("Source"), entry.get("DetailType"), forwarded=False),
        )
        if _refused_by_bus(bus, sender):
            message = (
                f"User: {caller} is not authorized to perform: events:PutEvents on resource: {bus} "
                "because no resource-based policy allows the events:PutEvents action"
            )
            return error_response_json("AccessDeniedException", message, 400)
    here, results = get_account_id(), []
    for entry, bus in zip(entries, buses, strict=True):
        if bus is None:
            results += json.loads(put_events({"Entries": [entry]})[2])["Entries"]
        elif str(entry.get("Source", "")).startswith("aws."):
            results.append({"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."})
        else:
            event = {
                "EventId": eventbridge.new_uuid(),
                "Source": entry.get("Source", ""),
                "DetailType": entry.get("DetailType", ""),
                "Detail": entry.get("Detail", "{}"),
                "EventBusName": _name(bus),
                "Time": int(eventbridge._now_ts()),
                "Resources": entry.get("Resources", []),
                "Account": here,
                "Region": get_region(),
            }
            with request_scope(bus.account_id, bus.region):
                eventbridge._dispatch_event(event)
            results.append({"EventId": event["EventId"]})
    failed = sum("ErrorCode" in result for result in results)
    return eventbridge.json_response({"FailedEntryCount": failed, "Entries": results})


def _refused_by_bus(bus: Any, sender: EvalContext) -> str | None:
    with request_scope(bus.account_id, bus.region):
        eventbridge._ensure_default_bus()
        if _name(bus) not in eventbridge._event_buses:
            return f"{bus} does not exist"
        policy = eventbridge._event_bus_policies.get(_name(bus))
    same_account = sender.principal_account == bus.account_id
    if resource_policy_allows(_in_policy_language(policy), sender, same_account=same_account):
        return None
    return f"the policy of {bus} does not allow {sender.principal_arn}"


def _name(bus: Any) -> str:
    return str(bus.resource.partition("/")[2])


def _event_keys(source: Any, detail_type: Any, *, forwarded: bool) -> dict[str, Any]:
    """Return the context keys of EventBridge, named as the evaluator looks them up: in lower case."""
    return {"events:source": source, "events:detail-type": detail_type, "events:eventbusinvocation": str(forwarded).lower()}


def _in_policy_language(policy: dict[str, Any] | None) -> dict[str, Any] | None:
    """Write PutPermission's short forms out: a bare account id as the principal, a condition as Type, Key, Value."""
    if not policy:
        return None
    statements = []
    for statement in policy["Statement"]:
        written = dict(statement)
        if isinstance(written.get("Principal"), str) and written["Principal"] != "*":
            written["Principal"] = {"AWS": written["Principal"]}
        condition = written.get("Condition")
        if isinstance(condition, dict) and set(condition) == {"Type", "Key", "Value"}:
            written["Condition"] = {condition["Type"]: {condition["Key"]: condition["Value"]}}
        statements.append(written)
    return {**policy, "Statement": statements}


def create_policy(logical_id: str, props: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
    bus, statement_id = props.get("EventBusName", "default"), props["StatementId"]
    eventbridge._ensure_default_bus()
    if bus not in eventbridge._event_buses:
        raise ValueError(f"{POLICY_TYPE} {logical_id} of {stack_name}: event bus {bus} does not exist")
    statement = props.get("Statement")
    if statement is None:
        statement = {
            "Effect": "Allow",
            "Principal": props.get("Principal", "*"),
            "Action": props.get("Action", "events:PutEvents"),
            "Resource": f"arn:aws:events:{get_region()}:{get_account_id()}:event-bus/{bus}",
            **({"Condition": props["Condition"]} if "Condition" in props else {}),
        }
    policy = eventbridge._event_bus_policies.setdefault(bus, {"Version": "2012-10-17", "Statement": []})
    others = [s for s in policy["Statement"] if s.get("Sid") != statement_id]
    policy["Statement"] = [*others, {**statement, "Sid": statement_id}]
    return f"{bus}|{statement_id}", {}


def update_policy(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
    delete_policy(physical_id, old)
    return create_policy(physical_id, new, stack_name)


def delete_policy(physical_id: str, _props: dict[str, Any]) -> None:
    bus, _, statement_id = physical_id.partition("|")
    eventbridge._remove_permission({"EventBusName": bus, "StatementId": statement_id})
