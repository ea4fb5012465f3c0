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
| who may act as root of member accounts, switched on or off        | root-access-changed                   | high     |
| tokens for parties outside AWS, switched on or off in an account  | outbound-federation-changed           | high     |
| which tokens the global STS endpoint gives                        | token-settings-changed                | low      |
| a request of another party for a while's access was accepted      | delegation-accepted                   | high     |
| a permission set, or an assignment of one                         | identity-center-access-changed        | medium   |
| the same by a known pipeline                                      | identity-center-access-changed        | low      |
| an assignment was taken away                                      | identity-center-access-changed        | low      |
| a token issuer or an application of Identity Center               | identity-center-issuer-changed        | high     |

The first eight come from comparing two reads, so they are told although the event was lost; the rest from the event, since a read does not
show it or does not show that it was refused. All of them are reviewed by a person: a change of these facts is never a cause of a write.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Final, NamedTuple

from doorward.events.model import OrganizationEvent
from doorward.events.organization import ORGANIZATION_NAMES
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
    "See that its stacks get deployed. It is swept now, and only observed until `doorward adopt --take` adopts it.",
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
_ROOT: Final = _Told(
    "root-access-changed",
    Severity.HIGH,
    "who may act as root of member accounts has changed",
    "See that this was meant: on, the management account and IAM's delegated administrator may open root sessions in every account.",
)
_OUTBOUND: Final = _Told(
    "outbound-federation-changed",
    Severity.HIGH,
    "an account's principals may prove who they are to parties outside AWS, or no more",
    "See that this was meant: on, whoever may call sts:GetWebIdentityToken there gets tokens that parties outside accept.",
)
_TOKENS: Final = _Told(
    "token-settings-changed",
    Severity.LOW,
    "the global STS endpoint gives other tokens",
    "See that this was meant: tokens of version 1 are refused in regions that are not enabled by default, those of version 2 are not.",
)
_DELEGATION: Final = _Told(
    "delegation-accepted",
    Severity.HIGH,
    "another party was given access for a while",
    "Read the request (`aws iam get-delegation-request`): it says whom, and what for. If it was not meant, reject it and end the sessions.",
)
_ACCESS: Final = _Told(
    "identity-center-access-changed",
    Severity.MEDIUM,
    "who comes into which accounts by Identity Center has changed",
    "See that this was meant. The roles that Identity Center makes or changes for it, AWSReservedSSO_…, follow within minutes.",
)
_ISSUER: Final = _Told(
    "identity-center-issuer-changed",
    Severity.HIGH,
    "whose tokens Identity Center accepts has changed",
    "See that this was meant: whoever issues such tokens says who comes, and an application may ask for access to accounts.",
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
        "EnableOrganizationsRootCredentialsManagement": _ROOT,
        "DisableOrganizationsRootCredentialsManagement": _ROOT,
        "EnableOrganizationsRootSessions": _ROOT,
        "DisableOrganizationsRootSessions": _ROOT,
        "EnableOutboundWebIdentityFederation": _OUTBOUND,
        "DisableOutboundWebIdentityFederation": _OUTBOUND,
        "SetSecurityTokenServicePreferences": _TOKENS,
        "AcceptDelegationRequest": _DELEGATION,
        "SendDelegationToken": _DELEGATION,
        "AttachCustomerManagedPolicyReferenceToPermissionSet": _ACCESS,
        "AttachManagedPolicyToPermissionSet": _ACCESS,
        "CreateAccountAssignment": _ACCESS,
        "CreatePermissionSet": _ACCESS,
        "DeleteAccountAssignment": _ACCESS,
        "DeletePermissionsBoundaryFromPermissionSet": _ACCESS,
        "ProvisionPermissionSet": _ACCESS,
        "PutInlinePolicyToPermissionSet": _ACCESS,
        "PutPermissionsBoundaryToPermissionSet": _ACCESS,
        "UpdatePermissionSet": _ACCESS,
        "CreateApplication": _ISSUER,
        "CreateTrustedTokenIssuer": _ISSUER,
        "PutApplicationAccessScope": _ISSUER,
        "PutApplicationAuthenticationMethod": _ISSUER,
        "PutApplicationGrant": _ISSUER,
        "UpdateTrustedTokenIssuer": _ISSUER,
    }
)
_ONLY_LESS: Final = frozenset({"DeleteAccountAssignment"})
ORGANIZATIONS: Final = "organizations.amazonaws.com"

DETECTIONS: Final[frozenset[str]] = frozenset(each.detection for each in (*_BY_KIND.values(), *_BY_EVENT.values()))


def alert_of_event(event: OrganizationEvent, now: datetime, *, by_pipeline: bool = False) -> Alert | None:
    """What is told of the call itself. None: nothing, or what a read shows."""
    told = _BY_EVENT.get(event.event_name) if event.event_name in ORGANIZATION_NAMES.get(event.event_source, ()) else None
    if told is None or (event.failed and told is not _LEAVING):
        return None
    if told is _ACCESS and (by_pipeline or event.event_name in _ONLY_LESS):
        told = told._replace(severity=Severity.LOW)
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
