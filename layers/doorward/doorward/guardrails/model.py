"""What the guardrails are told: modes and severities by scope, rules of one's own, waivers, and the role to judge.

NamedTuples, not dataclasses: making their classes is part of every cold start, and a dataclass costs many times as much:
see docs/performance.md.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from doorward.findings.model import Severity, Waived
from doorward.guardrails.rules import ALL_RULES
from doorward.iam.documents import Condition, Principal, hash_of_text
from doorward.organization.model import Account, Match
from doorward.values import NamedTuple


class Mode(StrEnum):
    """What follows a finding, from the mildest. `approve` asks a person before anything is written."""

    OBSERVE = "observe"
    ALERT = "alert"
    APPROVE = "approve"
    ENFORCE = "enforce"


class Undecidable(StrEnum):
    """What follows where no proof was found either way, from the mildest. `restore`: the accepted policy is put back."""

    ALERT = "alert"
    APPROVE = "approve"
    RESTORE = "restore"


class PermissionsPolicy(NamedTuple):
    """One policy of a role: its ARN, or the name of one that is written into the role. `document` is JSON text; None: it was not read."""

    name: str
    document: str | None


class Permissions(NamedTuple):
    """What the policies of a role allow. `boundary` is the text of its permissions boundary; None where it has none, or it was not read.

    Where not even their names could be read, one policy without a document stands for them. `unread_because`: why, as a clause.
    """

    policies: tuple[PermissionsPolicy, ...] = ()
    boundary: str | None = None
    unread_because: str | None = None


class Role(NamedTuple):
    """A role as it stands now. `trust_policy` is the document's JSON text; `path` begins and ends with a slash.

    What the role may do need not be known: then `permissions` is None, and so is `permissions_boundary`, which otherwise is an ARN, or
    empty where the role has none.
    """

    account_id: str
    name: str
    path: str
    arn: str
    role_id: str
    trust_policy: str
    max_session_duration_seconds: int = 3600
    tags: Mapping[str, str] = MappingProxyType({})
    created_at: datetime | None = None
    permissions: Permissions | None = None
    permissions_boundary: str | None = None

    @property
    def ref(self) -> str:
        """`111122223333/name`: how CloudTrail names a role, and how people do."""
        return f"{self.account_id}/{self.name}"


class Rule(NamedTuple):
    """How one guardrail is set. `severity` None: the rule's own. `mode` None: the scope's mode counts."""

    id: str
    severity: Severity | None = None
    mode: Mode | None = None
    enabled: bool = True


class Scope(NamedTuple):
    """What counts for the roles that it matches: a mode, and modes and severities of single rules. `undecidable` None: as at the top."""

    name: str
    mode: Mode
    match: Match
    rules: Mapping[str, Mode] = MappingProxyType({})
    severities: Mapping[str, Severity] = MappingProxyType({})
    undecidable: Undecidable | None = None

    def covers(self, role: Role, account: Account) -> bool:
        return self.match.covers(role, account)


class Boundary(NamedTuple):
    """Which permissions boundary the roles that it matches must have: an ARN, or the name of a policy of the role's own account."""

    match: Match
    policy: str

    def is_met_by(self, arn: str, account_id: str) -> bool:
        """`arn`: of the boundary that the role has, empty where it has none."""
        if self.policy.startswith("arn:"):
            return arn == self.policy
        _, _, of_account = arn.partition(":iam::")
        return of_account.startswith(f"{account_id}:policy/") and of_account.rsplit("/", 1)[-1] == self.policy


class Where(NamedTuple):
    """A set of requests in the language of policies: by these principals of a policy, under these conditions. Empty: every request."""

    principals: tuple[Principal, ...] = ()
    conditions: tuple[Condition, ...] = ()


class CustomRule(NamedTuple):
    """A world of one's own: callers of one type (`AWS`, `Service`, `Federated`), of these accounts, whose requests are in `where`.

    `accounts`: `own` (the role's), `organization` (any of ours), `trusted`, or ids. `form`: of AWS callers, role or user. `issuer`: of
    tokens.
    """

    id: str
    severity: Severity
    title: str
    because: str
    callers: Literal["AWS", "Service", "Federated"]
    accounts: tuple[str, ...] = ()
    form: Literal["role", "user"] | None = None
    issuer: str | None = None
    where: Where = Where()
    match: Match = Match()


class Waiver(NamedTuple):
    """Requests that a person has accepted for one role, until a day. `role` is `ACCOUNT/NAME`; `role_id` binds it to the role's unique id.

    It counts from `since`, and on `until` no more: days, or aware moments. `rules` are those that it waives. `policy_hash` binds it to one
    trust policy.

    `decided`: the question by which people decided it while Doorward ran (guardrails/decided.py), "" where it stands in the file;
    `undoes`: the case whose remedy they had undone by it. `shown`: the rules with the severities, or DOUBT, that these people were
    shown (findings/dismissal.py); whatever is graver they have not accepted. Empty in the file: a rule is waived whatever comes of it.
    """

    owner: str
    reason: str
    since: date
    until: date
    role: str
    rules: tuple[str, ...]
    role_id: str | None = None
    where: Where = Where()
    policy_hash: str | None = None
    decided: str = ""
    undoes: str = ""
    shown: tuple[tuple[str, str], ...] = ()

    def is_for(self, role: Role) -> bool:
        if self.role != role.ref or self.role_id not in {None, role.role_id}:
            return False
        return self.policy_hash is None or self.policy_hash == hash_of_text(role.trust_policy)

    def covers(self, rule_id: str, severity: str) -> bool:
        """Whether a finding of this rule may be waived, as grave as that. `severity`: or DOUBT."""
        if not self.shown or rule_id not in self.rules:
            return rule_id in self.rules
        from doorward.findings.dismissal import is_no_graver  # here: of what people decided alone, and import time is bounded

        return any(is_no_graver((rule_id, severity), each) for each in self.shown)

    def has_begun(self, now: datetime) -> bool:
        return _is_there(self.since, now)

    def has_ended(self, now: datetime) -> bool:
        return _is_there(self.until, now)

    @property
    def is_of_every_request(self) -> bool:
        return not self.where.conditions and not self.where.principals

    def as_told(self) -> Waived:
        return Waived(self.owner, self.reason, self.until.isoformat())


def _is_there(when: date, now: datetime) -> bool:
    """A moment is a day, too, to Python: it is asked first."""
    return now >= when if isinstance(when, datetime) else now.date() >= when


class Deciders(NamedTuple):
    """Who decides about findings on the roles that it matches (an empty match: on all), by names of groups.

    doorward/guardrails/terms.py has what it takes at least; `quorum` and `by_sigv4` can only ask for more.
    """

    match: Match
    approvers: tuple[str, ...]
    quorum: int = 1
    by_sigv4: bool = False
    answer_hours: int = 24
    escalate_to: tuple[str, ...] = ()


class Guardrails(NamedTuple):
    """`hash` is that of the configuration in force; it stands in every finding.

    `adopted`: the accounts in which more may follow than observing; None: every account that the organization's file describes.

    `quiet`: how long a trust policy must stand undisturbed before it can become the accepted one without anybody's word. Of `deciders`
    the first that covers a role counts. `longest_waiver`: how long one may last.
    """

    mode: Mode = Mode.ALERT
    undecidable: Undecidable = Undecidable.ALERT
    rules: Mapping[str, Rule] = MappingProxyType({})
    scopes: tuple[Scope, ...] = ()
    privileged: tuple[Match, ...] = ()
    longest_session_seconds: int = 43_200
    custom_rules: tuple[CustomRule, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    hash: str = ""
    adopted: frozenset[str] | None = None
    boundaries: tuple[Boundary, ...] = ()
    quiet: timedelta = timedelta(hours=24)
    deciders: tuple[Deciders, ...] = ()
    longest_waiver: timedelta = timedelta(days=90)

    def _usual_cap(self, rule_id: str) -> Mode | None:
        """What is below high is told and not written, unless the configuration gives the rule a mode."""
        known = ALL_RULES.get(rule_id) or next((each for each in self.custom_rules if each.id == rule_id), None)
        return None if known is None or known.severity in {Severity.CRITICAL, Severity.HIGH} else Mode.ALERT

    def is_privileged(self, role: Role, account: Account | None) -> bool:
        return any(each.covers(role, account) for each in self.privileged)

    def boundary_of(self, role: Role, account: Account | None) -> Boundary | None:
        """The boundary that is asked of the role: the first that covers it."""
        return next((each for each in self.boundaries if each.match.covers(role, account)), None)

    def is_enabled(self, rule_id: str) -> bool:
        rule = self.rules.get(rule_id)
        return rule is None or rule.enabled

    def scope_of(self, role: Role, account: Account | None) -> Scope | None:
        """The first that covers the role."""
        return None if account is None else next((each for each in self.scopes if each.covers(role, account)), None)

    def _counts_in(self, account: Account | None) -> bool:
        return account is not None and (account.listed if self.adopted is None else account.id in self.adopted)

    def undecidable_for(self, role: Role, account: Account | None) -> Undecidable:
        """As the first scope that covers the role says, or else the top. Nothing is restored where the mode is not enforce.

        | the setting    | the mode is    | follows |
        |----------------|----------------|---------|
        | alert, approve | any            | it      |
        | restore        | observe, alert | alert   |
        | restore        | approve        | approve |
        | restore        | enforce        | restore |
        """
        scope = self.scope_of(role, account)
        setting = self.undecidable if scope is None or scope.undecidable is None else scope.undecidable
        if setting is not Undecidable.RESTORE:
            return setting
        mode = (self.mode if scope is None else scope.mode) if self._counts_in(account) else Mode.OBSERVE
        return _UNDECIDABLE_UNDER.get(mode, Undecidable.ALERT)

    def mode_for(self, rule_id: str, role: Role, account: Account | None) -> Mode:
        """The first scope that covers the role decides; a rule's own mode caps it. Elsewhere it is observed.

        Elsewhere: in an account that nobody described, or that is not adopted.
        """
        if not self._counts_in(account):
            return Mode.OBSERVE
        scope = self.scope_of(role, account)
        if scope is not None and rule_id in scope.rules:
            return scope.rules[rule_id]
        rule = self.rules.get(rule_id)
        cap = rule.mode if rule is not None and rule.mode is not None else self._usual_cap(rule_id)
        return milder(self.mode if scope is None else scope.mode, cap)


_UNDECIDABLE_UNDER = {Mode.APPROVE: Undecidable.APPROVE, Mode.ENFORCE: Undecidable.RESTORE}


def milder(one: Mode, other: Mode | None) -> Mode:
    if other is None:
        return one
    order = list(Mode)
    return min(one, other, key=order.index)
