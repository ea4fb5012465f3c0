"""Calls that switch Doorward off, or change what it is made of: whoever makes them, people are told.

| about what is ours                                       | went through | severity |
|----------------------------------------------------------|--------------|----------|
| off, gone or deaf (SWITCHES_OFF)                         | yes          | critical |
| the same                                                 | no           | high     |
| anything else that is watched                            | yes          | high     |
| anything else that is watched                            | no           | medium   |

What a call hides may be ours, so it is told: parameters that CloudTrail left out, and an id alone that does not say whose it is.
A trail is always ours: without one EventBridge gets nothing from that account and region.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html

Nobody is exempt, not even the pipeline that deploys us: whoever has taken it over would be. Only the hourly tag that the canary role puts
on itself is expected. Who only reads a secret changes nothing: guard/signing_secret.py looks at that.
"""

import re
from typing import Final

from doorward.events.model import Actor, Change, GuardEvent, PolicyTarget, RoleTarget
from doorward.findings.alerts import Alert, AlertEvent
from doorward.findings.model import Severity
from doorward.guard.ours import Ours
from doorward.guard.signing_secret import READS
from doorward.iam.arns import parse_role_arn
from doorward.organization.installation import CANARY_ROLE, ROLE_PATH

DETECTION: Final = "guard-tampered"
_CLOUDTRAIL: Final = "cloudtrail.amazonaws.com"
_NAMES_NOTHING: Final = {
    "DeleteEventSourceMapping": re.compile(r"(?:arn:.*:event-source-mapping:)?[0-9a-f-]{36}"),
    "ExecuteChangeSet": re.compile(r"arn:.*:changeSet/.*"),
    "UpdateEventSourceMapping": re.compile(r"(?:arn:.*:event-source-mapping:)?[0-9a-f-]{36}"),
}
"""Calls that can be made by an id alone, which says of nobody's function or stack that it is his."""

SWITCHES_OFF: Final = frozenset(
    {
        "DeleteAlarms",
        "DeleteArchive",
        "DeleteEventBus",
        "DeleteEventDataStore",
        "DeleteEventSourceMapping",
        "DeleteFunction",
        "DeleteQueue",
        "DeleteRole",
        "DeleteRule",
        "DeleteSecret",
        "DeleteStack",
        "DeleteStackInstances",
        "DeleteStackSet",
        "DeleteStateMachine",
        "DeleteTable",
        "DeleteTopic",
        "DeleteTrail",
        "DeregisterOrganizationDelegatedAdmin",
        "DisableAlarmActions",
        "DisableKey",
        "DisableRule",
        "EnableRule",  # the rule is deaf to calls that only read, from then on
        "PurgeQueue",
        "PutEventSelectors",
        "PutDataProtectionPolicy",  # can keep every message from being delivered
        "PutFunctionConcurrency",
        "RemovePermission",
        "RemoveTargets",
        "ScheduleKeyDeletion",
        "StopEventDataStoreIngestion",
        "StopLogging",
        "Unsubscribe",
        "UpdateAssumeRolePolicy",
        "UpdateEventSourceMapping",
        "UpdateTrail",
    }
)
"""What can leave us deaf, blind or dead at once; the rest of the watched calls changes us."""

_SEVERITY: Final = {
    (True, True): Severity.CRITICAL,
    (True, False): Severity.HIGH,
    (False, True): Severity.HIGH,
    (False, False): Severity.MEDIUM,
}


def tampering(event: GuardEvent | Change, ours: Ours, *, done_by: str) -> Alert | None:
    """What a call means for Doorward; None where it is about nothing of ours. `done_by`: the actor in words.

    One alert for one caller, call and thing an hour: a deployment that changes forty things tells of each once.
    """
    if event.event_name in READS:
        return None
    touched = _touched(event, ours)
    if not touched or _is_our_own_beat(event, touched):
        return None
    switches_off = event.event_name in SWITCHES_OFF
    severity = _SEVERITY[switches_off, not event.failed]
    what = f"{event.event_name} on {', '.join(touched)}"
    hour = event.event_time.strftime("%Y-%m-%dT%H")
    return Alert(
        detection=DETECTION,
        key="/".join((event.account_id, event.region, _identity(event.actor), what, str(event.failed), hour)),
        severity=severity,
        title="somebody tried to touch Doorward itself" if event.failed else "somebody changed Doorward itself",
        because=f"{done_by} called {what} in {event.account_id} ({event.region})"
        + (f", which was refused ({event.error_code})." if event.failed else ", and it went through."),
        what_to_do="If nobody of your team is deploying Doorward at this moment, take the caller's access away first; then deploy its"
        " stacks again, and run `doorward doctor`.",
        account_id=event.account_id,
        at=event.event_time,
        region=event.region,
        principal=event.actor.arn or event.actor.principal_id or event.actor.account_id,
        events=(AlertEvent(event.event_id, event.event_name, event.event_time),),
    )


def _touched(event: GuardEvent | Change, ours: Ours) -> tuple[str, ...]:
    """Each thing of ours that the call names, in order, once."""
    if isinstance(event, Change):
        target = event.target
        named = target.role_name if isinstance(target, RoleTarget) else target.policy_arn if isinstance(target, PolicyTarget) else ""
        return (named,) if ours.is_ours(named, event.account_id) else ()
    if event.parameters_omitted and not event.names:
        return ("something that the event hides",)
    if event.event_source == _CLOUDTRAIL:
        return tuple(dict.fromkeys(event.names)) or ("a trail",)
    nothing = _NAMES_NOTHING.get(event.event_name)
    if nothing is not None and event.names and all(nothing.fullmatch(each) for each in event.names):
        return event.names
    return tuple(dict.fromkeys(each for each in event.names if ours.is_ours(each, event.account_id)))


def _is_our_own_beat(event: GuardEvent | Change, touched: tuple[str, ...]) -> bool:
    role = parse_role_arn(event.actor.arn)
    return (
        event.event_name == "TagRole"
        and touched == (CANARY_ROLE,)
        and event.actor.account_id == event.account_id
        and role is not None
        and (role.account_id, role.path, role.name) == (event.account_id, ROLE_PATH, CANARY_ROLE)
    )


def _identity(actor: Actor) -> str:
    return actor.arn or actor.principal_id or actor.account_id or actor.kind
