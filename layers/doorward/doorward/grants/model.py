"""Who may ask for what, what somebody asks for, and what is known of him when he does."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from enum import StrEnum
from types import MappingProxyType

from doorward.decisions.model import Terms
from doorward.iam.arns import role_arn
from doorward.iam.documents import Statement
from doorward.organization.model import Account, Match
from doorward.people.model import Person
from doorward.values import NamedTuple


class Risk(StrEnum):
    """What a template can do, as its author sees it; from the least."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    def is_above(self, other: "Risk") -> bool:
        order = list(Risk)
        return order.index(self) > order.index(other)


class Parameter(NamedTuple):
    """`type`: one of parameters.TYPES. `like`: globs, one of which a value must fit; none: every value of the type does."""

    type: str
    like: tuple[str, ...] = ()


class Template(NamedTuple):
    """What a session may do: Allow statements in which `<name>` stands for a parameter, `<account>` and `<partition>` for the role's."""

    name: str
    statements: tuple[Statement, ...]
    parameters: Mapping[str, Parameter] = MappingProxyType({})
    risk: Risk = Risk.HIGH


class Target(NamedTuple):
    """A role that is asked for, as it stands now. `path` begins and ends with a slash; `tags` are its own."""

    account_id: str
    name: str
    path: str
    tags: Mapping[str, str] = MappingProxyType({})
    partition: str = "aws"

    @property
    def ref(self) -> str:
        """`111122223333/name`."""
        return f"{self.account_id}/{self.name}"

    @property
    def arn(self) -> str:
        return role_arn(self.account_id, self.name, self.path, self.partition)


class Asker(NamedTuple):
    """Who asks, as he stands now. `groups`: of the organization's file. `attributes`: Identity Center's, by name.

    `on_call`: rosters by which he is on call now. The last two are None where they could not be looked up.
    """

    person: Person
    groups: frozenset[str] = frozenset()
    attributes: Mapping[str, str] | None = None
    on_call: frozenset[str] | None = None


class Ticket(NamedTuple):
    """A ticket as its system has it now. `assignees` and `opened_by` are user names of Identity Center; "": not known."""

    id: str
    state: str
    assignees: frozenset[str] = frozenset()
    opened_by: str = ""


class Facts(NamedTuple):
    """What a request is judged by. None: there is no such role, nobody described its account, no ticket was named, or there is none.

    `ticket_is_known`: False where it could not be looked up.
    """

    asker: Asker
    target: Target | None
    account: Account | None
    ticket: Ticket | None = None
    ticket_is_known: bool = True


class GrantRequest(NamedTuple):
    """What somebody asks for; it never changes. Times are aware; `starts_at` None: as soon as it is approved."""

    role_ref: str
    template: str
    parameters: Mapping[str, str]
    minutes: int
    reason: str
    asked_at: datetime
    ticket: str = ""
    starts_at: datetime | None = None


class Who(NamedTuple):
    """Every given criterion must hold; of `users` (names) and `groups` one is enough, `attributes` must all be as written."""

    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    attributes: Mapping[str, str] = MappingProxyType({})

    def covers(self, asker: Asker) -> bool | None:
        """None: it would depend on attributes, and they are not known."""
        if (self.users and asker.person.user_name not in self.users) or (self.groups and not self.groups & asker.groups):
            return False
        if not self.attributes:
            return True
        known = asker.attributes
        return None if known is None else all(known.get(name) == value for name, value in self.attributes.items())


class Hours(NamedTuple):
    """`days`: 0 is Monday. `start` and `end` are times of day on the clocks of `zone`, `end` None: midnight."""

    days: frozenset[int]
    start: time
    end: time | None
    zone: tzinfo

    def contain(self, begins_at: datetime, ends_at: datetime) -> bool:
        """Whether all of it lies in the hours of one day. Both are aware.

        Where clocks are changed meanwhile, by those of before as well as by those of after: what they show in between is shown by one of
        the two, and of an hour that comes twice nobody can say which is meant.
        """
        begins, last = begins_at.astimezone(UTC), ends_at.astimezone(UTC) - timedelta.resolution
        offsets = {each.astimezone(self.zone).utcoffset() or timedelta() for each in (begins, last)}
        return all(self._contain(begins, last, timezone(each)) for each in offsets)

    def _contain(self, begins_at: datetime, last_at: datetime, clocks: tzinfo) -> bool:
        begins, last = begins_at.astimezone(clocks), last_at.astimezone(clocks)
        return (
            begins.date() == last.date()
            and begins.weekday() in self.days
            and self.start <= begins.time()
            and (self.end is None or last.time() < self.end)
        )


class Automatic(NamedTuple):
    """When nobody has to be asked: everything that is given must hold. `always`: nothing else is given.

    `on_call`: rosters, one of which he must be on call by. `ticket_states`: the ticket must be in one of them, be his, and have
    been opened by another.
    """

    always: bool = False
    on_call: frozenset[str] = frozenset()
    hours: Hours | None = None
    risk: Risk | None = None
    ticket_states: frozenset[str] = frozenset()


class Allow(NamedTuple):
    """Who may ask for which roles, by which templates; for how long at most, how far ahead, with which ticket, and who says yes."""

    id: str
    who: Who
    match: Match
    templates: frozenset[str]
    longest: timedelta
    terms: Terms
    start_within: timedelta = timedelta()
    tickets: tuple[str, ...] = ()
    automatic: Automatic | None = None


class Deny(NamedTuple):
    """Who may never have which roles by which templates. An empty `who` is everybody, an empty match every role, no template every one."""

    id: str
    who: Who = Who()
    match: Match = Match()
    templates: frozenset[str] = frozenset()


class Entitlements(NamedTuple):
    """`revokers`: groups whose members may end any grant, `auditors`: who may see all of them. The order of rules means nothing.

    `hash` is that of the configuration in force; it stands in every grant.
    """

    templates: Mapping[str, Template] = MappingProxyType({})
    allows: tuple[Allow, ...] = ()
    denies: tuple[Deny, ...] = ()
    revokers: frozenset[str] = frozenset()
    hash: str = ""
    auditors: frozenset[str] = frozenset()

    @property
    def overseers(self) -> frozenset[str]:
        """Groups whose members see every grant, whoever asked for it, and what is reported of them."""
        return self.revokers | self.auditors


class Offer(NamedTuple):
    """What somebody may ask for of one role by one template. `rules`: ids of all that match, sorted.

    `tickets`: of each rule that asks for one, the forms that it takes; the ticket must fit one of each.
    """

    rules: tuple[str, ...]
    longest: timedelta
    start_within: timedelta
    tickets: tuple[tuple[str, ...], ...]
    terms: Terms


class Ruling(NamedTuple):
    """Somebody may have it: on these terms, or, if `automatic`, on nobody's word. `because`: what keeps it from being automatic."""

    rules: tuple[str, ...]
    terms: Terms
    automatic: bool
    risk: Risk
    entitlements_hash: str
    because: tuple[str, ...] = ()
