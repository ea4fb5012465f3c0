"""What changes of the organization people are told, whoever makes them.

| what                                                              | detection                             | severity |
|-------------------------------------------------------------------|---------------------------------------|----------|
| an account left, was removed or closed                            | account-left                          | high     |
| an account was invited and joined                                 | account-joined                        | high     |
| an account was created, or is active again                        | account-joined                        | medium   |
| an account stands elsewhere, or its unit was renamed              | account-moved                         | high     |
| an account has other tags or another name                         | account-renamed                       | low      |
| an SCP, RCP or declarative policy in force is another              | organization-policy-changed           | high     |
| a type of policies was enabled                                    | organization-policy-changed           | high     |
| a type of policies was disabled                                   | organization-policies-disabled        | critical |
| another management account, another organization                  | management-account-changed            | critical |
| LeaveOrganization, even denied                                    | leaving-attempted                     | critical |
| a delegated administrator registered or taken away                | delegated-administrator-changed       | high     |
| a service given or denied access to the organization              | trusted-access-changed                | high     |
| the organization's resource policy put or deleted                 | organization-resource-policy-changed  | high     |

The first eight come from comparing two reads, so they are told although the event was lost; the rest from the event, since a read does not
show it or does not show that it was refused. All of them are reviewed by a person: a change of these facts is never a cause of a write.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Final, NamedTuple

from doorward.events.model import OrganizationEvent
from doorward.findings.alerts import Alert, AlertEvent
from doorward.findings.model import Severity
from doorward.organization.changes import ChangeKind, FactChange
from doorward.organization.facts import OrganizationFacts

_MOST_NAMED: Final = 10


class _Told(NamedTuple):
    detection: str
    severity: Severity
    title: str
    what_to_do: str


_LEFT: Final = _Told(
    "account-left",
    Severity.HIGH,
    "an account has left the organization",
    "See that this was meant. Roles that name it are judged anew as roles that name an outsider; take it out of organization.yaml.",
)
_JOINED: Final = _Told(
    "account-joined",
    Severity.MEDIUM,
    "an account has joined the organization",
    "See that its stacks get deployed It is swept now, and only observed until `doorward adopt --take` adopts it.",
)
_MOVED: Final = _Told(
    "account-moved",
    Severity.HIGH,
    "an account stands elsewhere in the organization",
    "See that this was meant: other policies bind the account, and other scopes of guardrails.yaml. Its roles are judged anew.",
)
_RENAMED: Final = _Told(
    "account-renamed",
    Severity.LOW,
    "an account is described otherwise",
    "See whether a scope of guardrails.yaml goes by these tags. The account's roles are judged anew.",
)
_POLICY: Final = _Told(
    "organization-policy-changed",
    Severity.HIGH,
    "a policy of the organization has changed",
    "See that this was meant: what it kept anybody from doing may be possible now, and what must work may not.",
)
_DISABLED: Final = _Told(
    "organization-policies-disabled",
    Severity.CRITICAL,
    "all policies of one type are off",
    "Enable the type again and attach the policies anew: disabling has detached them all. Find out who did it.",
)
_MANAGEMENT: Final = _Told(
    "management-account-changed",
    Severity.CRITICAL,
    "the organization is another one",
    "Find out who did it. organization.yaml and the hub's parameter OrganizationId must name the organization that is yours.",
)

_BY_KIND: Final[Mapping[ChangeKind, _Told]] = MappingProxyType(
    {
        ChangeKind.MANAGEMENT_CHANGED: _MANAGEMENT,
        ChangeKind.POLICY_TYPE_DISABLED: _DISABLED,
        ChangeKind.POLICY_TYPE_ENABLED: _POLICY,
        ChangeKind.ACCOUNT_LEFT: _LEFT,
        ChangeKind.ACCOUNT_CLOSED: _LEFT,
        ChangeKind.ACCOUNT_JOINED: _JOINED,
        ChangeKind.ACCOUNT_REOPENED: _JOINED,
        ChangeKind.ACCOUNT_MOVED: _MOVED,
        ChangeKind.ACCOUNT_RETAGGED: _RENAMED,
        ChangeKind.ACCOUNT_RENAMED: _RENAMED,
        ChangeKind.POLICY_CHANGED: _POLICY,
    }
)

_LEAVING: Final = _Told(
    "leaving-attempted",
    Severity.CRITICAL,
    "somebody tries to take an account out of the organization",
    "Take the caller's access away: outside, nothing binds the account or tells of it. `doorward guard export` has an SCP against it.",
)
_DELEGATED: Final = _Told(
    "delegated-administrator-changed",
    Severity.HIGH,
    "a delegated administrator was registered or taken away",
    "See that this was meant: for IAM, Identity Center, CloudTrail or StackSets it is nearly the management account's own power.",
)
_TRUSTED_ACCESS: Final = _Told(
    "trusted-access-changed",
    Severity.HIGH,
    "a service's access to the organization has changed",
    "See that this was meant: without CloudTrail's or StackSets' access, new accounts are neither recorded nor watched.",
)
_RESOURCE_POLICY: Final = _Told(
    "organization-resource-policy-changed",
    Severity.HIGH,
    "the organization's resource policy has changed",
    "Read it (`aws organizations describe-resource-policy`): it says who else may administer the organization's policies.",
)
_BY_EVENT: Final[Mapping[str, _Told]] = MappingProxyType(
    {
        "LeaveOrganization": _LEAVING,
        "RegisterDelegatedAdministrator": _DELEGATED,
        "DeregisterDelegatedAdministrator": _DELEGATED,
        "EnableAWSServiceAccess": _TRUSTED_ACCESS,
        "DisableAWSServiceAccess": _TRUSTED_ACCESS,
        "PutResourcePolicy": _RESOURCE_POLICY,
        "DeleteResourcePolicy": _RESOURCE_POLICY,
    }
)
ORGANIZATIONS: Final = "organizations.amazonaws.com"

DETECTIONS: Final[frozenset[str]] = frozenset(each.detection for each in (*_BY_KIND.values(), *_BY_EVENT.values()))


def alert_of_event(event: OrganizationEvent, now: datetime) -> Alert | None:
    """What is told of the call itself. None: nothing, or what a read shows."""
    told = _BY_EVENT.get(event.event_name) if event.event_source == ORGANIZATIONS else None
    if told is None or (event.failed and told is not _LEAVING):
        return None
    about = event.accounts[0] if event.accounts and told is not _LEAVING else event.account_id
    parts = [f"{event.actor.name_for_people} called {event.event_name} in account {event.account_id}"]
    if event.service:
        parts.append(f"for {event.service}")
    if event.accounts and told is not _LEAVING:
        parts.append(f"about {', '.join(event.accounts)}")
    because = " ".join(parts) + (f", which AWS refused ({event.error_code})." if event.failed else ".")
    return Alert(
        detection=told.detection,
        key=event.shared_event_id or event.event_id,
        severity=told.severity,
        title=told.title,
        because=because,
        what_to_do=told.what_to_do,
        account_id=about,
        at=now,
        region=event.region,
        principal=event.actor.arn,
        events=(AlertEvent(event.event_id, event.event_name, event.event_time),),
    )


def alerts_of_changes(
    changes: Iterable[FactChange],
    after: OrganizationFacts,
    over: int,
    events: Sequence[OrganizationEvent],
    now: datetime,
) -> tuple[Alert, ...]:
    """One alert for all changes of one detection. `over`: the version that they are changes to; `events` may tell who made them."""
    by_told: dict[_Told, list[FactChange]] = {}
    for each in changes:
        by_told.setdefault(_told_of(each, after), []).append(each)
    return tuple(_alert(told, several, after, over, events, now) for told, several in by_told.items())


def _told_of(change: FactChange, after: OrganizationFacts) -> _Told:
    told = _BY_KIND[change.kind]
    account = after.account(change.subject)
    if change.kind is ChangeKind.ACCOUNT_JOINED and account is not None and account.joined == "INVITED":
        return told._replace(severity=Severity.HIGH)  # somebody else's account until now, with whatever is in it
    return told


def _alert(  # noqa: PLR0917 - what is told, of what, with what is known of it
    told: _Told, changes: list[FactChange], after: OrganizationFacts, over: int, events: Sequence[OrganizationEvent], now: datetime
) -> Alert:
    subjects = {each.subject for each in changes}
    behind = [each for each in events if not each.failed and subjects & {*each.accounts, *each.units, *each.policies, each.policy_type}]
    sentences = [each.says for each in changes[:_MOST_NAMED]]
    if len(changes) > _MOST_NAMED:
        sentences.append(f"… and {len(changes) - _MOST_NAMED} more.")
    if behind:
        sentences.append(f"Done by {behind[0].actor.name_for_people} ({behind[0].event_name}).")
    only = changes[0].subject if len(changes) == 1 else ""
    return Alert(
        detection=told.detection,
        key=f"{over}/{sha256('\n'.join(each.says for each in changes).encode()).hexdigest()}",
        severity=told.severity,
        title=told.title,
        because=" ".join(sentences),
        what_to_do=told.what_to_do,
        account_id=only if only.isdigit() else after.management_account,
        at=now,
        principal=behind[0].actor.arn if behind else None,
        events=tuple(AlertEvent(each.event_id, each.event_name, each.event_time) for each in behind),
    )
