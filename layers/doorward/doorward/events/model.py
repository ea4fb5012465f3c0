"""What CloudTrail's records say, as typed values. The parser that makes them is doorward.events.records.

An event is a hint to look somewhere, never the facts about it: it can be late, repeated, out of order or cut.
Credentials that a record carries are never read, so that no value can hold them; an external ID only as "there was one".

NamedTuples where nothing is hidden from the repr: making their classes is part of every cold start (docs/performance.md).
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from doorward.values import NamedTuple


class Cause(StrEnum):
    """What changed, as far as trust is concerned."""

    TRUST = "trust"
    """A role's trust policy changed, or a role was made."""
    PROVIDER = "provider"
    """An identity provider changed: every role that trusts it may have opened or closed."""
    PERMISSIONS = "permissions"
    """What a role may do changed: who may assume it matters more, or less."""
    SESSION_LENGTH = "session-length"
    """UpdateRole and UpdateRoleDescription: how long a session may last, or only the description."""
    BOUNDARY = "boundary"
    """A role's permissions boundary was put, replaced or taken away."""
    ROLES_ANYWHERE = "roles-anywhere"
    """A trust anchor, profile, attribute mapping or revocation list of IAM Roles Anywhere changed."""
    WORKLOAD = "workload"
    """A workload was bound to the role: an EKS pod identity association."""
    TAGS = "tags"
    """The role's tags changed: scopes and privileged roles can go by them."""
    DELETED = "deleted"
    """The role is gone, so far as the event knows."""
    FACTS = "facts"
    """Nothing about the role: who belongs to the organization, where an account stands, or what is configured. Never a cause of a write."""
    FIRST_SEEN = "first-seen"
    """A sweep saw the role for the first time: nobody knows since when it is so. Never a cause of a write."""


class Part(StrEnum):
    """The part of Doorward that a record is for, where no part handles it yet."""

    DELEGATION = "delegated access"
    PERSISTENCE = "actor correlation"


class SkipReason(StrEnum):
    """Why a well-formed record leads to no reaction. The value is for programs; `Skipped.because` is the sentence for people."""

    READ_ONLY = "read-only"
    CALL_FAILED = "call-failed"
    LATER_PART = "later-part"
    ANOTHER_SERVICE = "another-service"
    OF_NO_INTEREST = "of-no-interest"


class Actor(NamedTuple):
    """Who made the call. Every field but `kind` is None where CloudTrail gives none, or gives something of another type.

    Decide by `arn`, `account_id`, `principal_id` and `invoked_by` only: `session_name` and `user_agent` are chosen by the caller, and say
    nothing about who it is. In free text, what cannot be printed is replaced by U+FFFD.
    """

    kind: str
    """CloudTrail's `userIdentity.type` (`IAMUser`, `AssumedRole`, `Root`, `AWSService`, …); `Unknown` where the record has none."""
    arn: str | None
    """The IAM identity: for `AssumedRole` the ARN of the role that issued the session (with its path), never that of the session; else the
    ARN of the user, the root or the federated user. None for `AWSService`, and for `AWSAccount`, the other side of a cross-account call."""
    account_id: str | None
    """12 digits: the account that the caller belongs to."""
    principal_id: str | None
    """As given: `AIDA…`, `AROA…:session`, an account id. It can itself contain any number of `:`."""
    session_name: str | None
    """Of an `AssumedRole` or `FederatedUser`. Chosen by the caller."""
    invoked_by: str | None
    """The AWS service that made the call itself or for the caller, e.g. `cloudformation.amazonaws.com`. `AWS Internal`: the console."""
    user_agent: str | None
    """Chosen by the caller."""
    source_ip_address: str | None
    """An address, or the DNS name of the AWS service that called."""

    @property
    def name_for_people(self) -> str:
        """Short, for a message: `role ci/deployer as run-7`, `user jane`, `the root user of 777788889999`, `rds.amazonaws.com`."""
        if self.kind == "Root":
            return f"the root user of {self.account_id or 'an unknown account'}"
        who = self.arn or self.invoked_by or self.principal_id or self.account_id
        if who is None:
            return f"an unnamed caller ({self.kind})"
        kind, slash, name = who.rpartition(":")[2].partition("/") if who.startswith("arn:") else ("", "", who)
        called = f"{kind} {name}" if slash else who
        return f"{called} as {self.session_name}" if self.session_name and self.kind == "AssumedRole" else called


class RoleTarget(NamedTuple):
    """One role to look at, as CloudTrail names it. The path and the unique id are not known before the role is read."""

    account_id: str
    role_name: str
    """Last segment of the role ARN, 1 to 64 of the characters that IAM allows."""


class ProviderTarget(NamedTuple):
    """Every role of the account that trusts this identity provider is to be looked at."""

    account_id: str
    provider_arn: str
    """`arn:…:iam::<account_id>:oidc-provider/…` or `…:saml-provider/…`."""


class AccountTarget(NamedTuple):
    """The event hides what was changed (padded over 100 KB, its parameters are left out): every role of the account is to be looked at."""

    account_id: str


class RolesTarget(NamedTuple):
    """Several roles that one call names, maybe in several accounts: those of a Roles Anywhere profile, of a pod identity association."""

    roles: tuple[RoleTarget, ...]


class PolicyTarget(NamedTuple):
    """Every role of the account that has this managed policy attached, or as its permissions boundary, is to be looked at."""

    account_id: str
    policy_arn: str
    """`arn:…:iam::<account_id>:policy/…`."""


class ServiceTarget(NamedTuple):
    """Every role of the account whose trust policy names this service is to be looked at."""

    account_id: str
    service: str
    """`rolesanywhere.amazonaws.com`, for one."""


type Target = RoleTarget | RolesTarget | ProviderTarget | PolicyTarget | ServiceTarget | AccountTarget


@dataclass(frozen=True, slots=True)
class Change:
    """Something that bears on who may assume a role has changed: read the target, and judge what is there now."""

    event_id: str
    """CloudTrail's `eventID`. The two accounts of a cross-account call get different ones: see `shared_event_id`."""
    event_name: str
    event_time: datetime
    """Aware, UTC, to the second: when the call was made, not when the event came."""
    account_id: str
    """12 digits: the account that the change was made in, by the envelope's word where there is an envelope."""
    region: str
    actor: Actor
    cause: Cause
    target: Target
    document: str | None = field(repr=False)
    """The trust policy that the call carried, as JSON text, or where the request carried none that of the response. None where the event
    has none: other causes than TRUST, omitted parameters. Not parsed, not validated, not what the role has now. Not in the repr, because a
    trust policy can contain an external ID."""
    error_code: str | None
    """None, but for a call that failed on the side of AWS, of which nobody knows whether it changed anything."""
    error_message: str | None
    shared_event_id: str | None
    """The same in both accounts' records of one call. None for a call within one account."""
    replay_name: str | None
    """The archive replay that sent the event again. None for an event that comes for the first time, and without an envelope."""
    look: str = ""
    """Of a sweep's hint alone: what it saw of the role (doorward/guardrails/looks.py)."""
    follows: str = ""
    """Of a hint of the reaction's own alone: the case that it goes on with."""

    @property
    def failed(self) -> bool:
        return self.error_code is not None


class Skipped(NamedTuple):
    """A well-formed record that this reaction has nothing to do for."""

    event_id: str
    event_name: str
    account_id: str
    reason: SkipReason
    handled_by: Part | None = None
    """Only for `LATER_PART`."""
    role_name: str | None = None
    """Only for `CALL_FAILED`: the role that the call was after, by its parameters, else by the error message. None where neither tells."""
    error_code: str | None = None
    attempted: Change | None = None
    """Only for `CALL_FAILED` where the role is known: what somebody tried. It changed nothing, but who guards that role cares."""

    @property
    def because(self) -> str:
        """The reason, as a sentence for people."""
        match self.reason:
            case SkipReason.READ_ONLY:
                return f"{self.event_name} only reads: it changed nothing."
            case SkipReason.CALL_FAILED:
                role = f" of role {self.role_name}" if self.role_name else ""
                return f"The call {self.event_name}{role} failed with {self.error_code}: it changed nothing."
            case SkipReason.LATER_PART:
                return f"{self.event_name} belongs to {self.handled_by}, not to the reaction to changes of trust."
            case SkipReason.ANOTHER_SERVICE:
                return f"{self.event_name} is a call to another service than IAM, which does not bear on trust."
            case SkipReason.OF_NO_INTEREST:
                return f"{self.event_name} does not bear on who may assume a role."


class Side(StrEnum):
    """Whose copy of a call this is. Of a cross-account call each of the two accounts gets one, of one `shared_event_id`."""

    CALLER = "caller"
    """The caller's account: the caller in full; of a denied call the only copy there is."""
    OWNER = "owner"
    """The account that owns the role: of a caller from elsewhere only account and unique id."""
    BOTH = "both"
    """A call within one account."""


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """Somebody asked STS, or sign-in, for a session: AssumeRole and its like, SwitchRole, GetFederationToken and others.

    Whatever the caller may choose (`role_session_name`, `source_identity`, `actor.session_name`) says nothing about who it is.
    """

    event_id: str
    event_name: str
    event_source: str
    event_time: datetime
    """Aware, UTC, to the second."""
    account_id: str
    """12 digits, by the envelope: whose copy this is."""
    region: str
    """Where CloudTrail recorded it: for the global endpoint of STS that is the IAM region."""
    side: Side
    actor: Actor
    role_arn: str | None
    """The role that was assumed or asked for, with its path where CloudTrail gives it. None where nothing tells, and for AssumeRoot."""
    role_account_id: str | None
    role_session_name: str | None
    source_identity: str | None
    has_external_id: bool
    """The external ID itself is not kept: it can be Doorward's own. False for a denied call, which does not tell."""
    duration_seconds: int | None
    expires_at: datetime | None
    assumed_role_id: str | None
    """`AROA…:session` of the session that was handed out."""
    provider: str | None
    """Of a web identity or SAML: the provider's ARN, or the bare name of a built-in issuer."""
    subject: str | None
    """Of a web identity its `sub`, of SAML its NameID. Never split: both may contain anything."""
    audience: str | None
    issuer: str | None
    target_principal: str | None
    """AssumeRoot: the member account's root that was asked for."""
    switched_from: str | None
    """SwitchRole: the ARN that the person was before."""
    vpc_endpoint_id: str | None
    shared_event_id: str | None
    error_code: str | None
    error_message: str | None = field(repr=False)
    replay_name: str | None

    @property
    def failed(self) -> bool:
        return self.error_code is not None

    @property
    def key(self) -> str:
        """One call, whichever copy: the shared id, else the event's own."""
        return self.shared_event_id or self.event_id


@dataclass(frozen=True, slots=True)
class OrganizationEvent:
    """A call to Organizations or Identity Center's administration, or a service event of theirs, as the management account sees it.

    What it names is a hint like any other: the organization is read anew. Every tuple is empty where the record names none.
    """

    event_id: str
    event_name: str
    event_source: str
    event_time: datetime
    account_id: str
    """By the envelope: the management account, a delegated administrator, or (LeaveOrganization) the member that called."""
    region: str
    actor: Actor
    accounts: tuple[str, ...]
    """12-digit ids that the call is about."""
    units: tuple[str, ...]
    """Ids of roots and organizational units: `r-…`, `ou-…`."""
    policies: tuple[str, ...]
    """Ids of policies (`p-…`), or ARNs of permission sets."""
    policy_type: str | None
    service: str | None
    """The service principal of delegated administration or trusted access."""
    shared_event_id: str | None
    error_code: str | None
    error_message: str | None = field(repr=False)
    replay_name: str | None

    @property
    def failed(self) -> bool:
        return self.error_code is not None


@dataclass(frozen=True, slots=True)
class GuardEvent:
    """A call that can switch off or change what Doorward is made of, if it is about what is Doorward's: `doorward.guard` tells."""

    event_id: str
    event_name: str
    """Without an API date that CloudTrail adds for some services: `UpdateFunctionCode`, not `UpdateFunctionCode20150331v2`."""
    event_source: str
    event_time: datetime
    account_id: str
    region: str
    actor: Actor
    names: tuple[str, ...]
    """Every name and ARN in the parameters, and, where the call was denied, those in the error message. No values, no documents."""
    shared_event_id: str | None
    error_code: str | None
    error_message: str | None = field(repr=False)
    replay_name: str | None
    parameters_omitted: bool = False
    """The call was padded over 100 KB, so that the record does not say what it is about: it can be about anything of that service."""

    @property
    def failed(self) -> bool:
        return self.error_code is not None


type Event = Change | SessionEvent | OrganizationEvent | GuardEvent
"""What one record can mean. A change of one of Doorward's own roles is a Change; that it is ours is for `doorward.guard` to say."""
