"""Fakes of the ports. Each passes the same contract suite as its adapter: tests/contract/."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from doorward.audit.chain import AuditItem, head_of
from doorward.audit.chain import Head as AuditHead
from doorward.audit.roots import ROOTS, Root, Sealed, text_of_root
from doorward.audit.stored import head_as_stored, head_from, head_key, item_as_stored
from doorward.decisions.model import Question
from doorward.errors import Conflict, DoorwardError, Misconfigured, Throttled
from doorward.events.hints import Hint
from doorward.events.model import SessionEvent
from doorward.events.sessions import merge_copies
from doorward.findings.reported import Reported
from doorward.grants.grant import Grant
from doorward.grants.grant import State as GrantState
from doorward.grants.issuing import Opening, opening_of
from doorward.grants.model import Ticket
from doorward.guard.heartbeats import Pulse, Silence, Spot
from doorward.guardrails.brakes import Brakes, Stop, hour_of, scopes_of
from doorward.guardrails.cuts import Cut
from doorward.guardrails.inventory import Swept
from doorward.guardrails.model import Permissions, Role
from doorward.notices.gathered import Kept as Notified
from doorward.notices.gathered import Why
from doorward.notices.telling import Group, Place
from doorward.organization.facts import OrganizationFacts
from doorward.organization.installation import GRANT_ROLE_PATH
from doorward.people.model import Person, SlackUser, Suspension, User, Via, id_of
from doorward.ports.announcing import Message
from doorward.ports.audit import LastRoot
from doorward.ports.evidence import Told
from doorward.ports.facts import Page, Partial
from doorward.ports.grant_roles import KnownRoles
from doorward.ports.grants import CLOCKS_DIFFER, ISSUED_WITHIN, Issued, Token
from doorward.ports.ledger import ENDS_WAIVERS, PUBLISHED_WITHIN, Announcement, Baseline, Case, Due, EventOutcome, Head, Lock
from doorward.ports.notices import Card
from doorward.ports.organization import Kept
from doorward.ports.rates import Span
from doorward.ports.repeats import AskedOtherwise, Given, InProgress
from doorward.ports.roles import Refused
from doorward.ports.slack import Form, Interaction, Link, Offer
from doorward.sessions.model import Edge, TrustVersion, chained_from, every_role_of, found_by, names_more

START = datetime(2026, 11, 24, 9, 0, 0, tzinfo=UTC)
LEASE = timedelta(seconds=90)
TO_OPEN = timedelta(seconds=30)


class FakeClock:
    """Time passes only by sleeping."""

    def __init__(self, now: datetime = START) -> None:
        self.time = now
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)


@dataclass
class FakeRoles:
    """Roles by `account/name`. `stale` and `stale_lists` are what the next reads still see.

    `fail_next` (None lets one call pass), `refuse` and `unwritable` make calls go wrong.
    """

    roles: dict[str, Role] = field(default_factory=dict)
    stale: list[Role | None] = field(default_factory=list)
    writes: list[tuple[str, str, str]] = field(default_factory=list)
    reads: int = 0
    fail_next: list[DoorwardError | None] = field(default_factory=list)
    refuse: list[str] = field(default_factory=list)
    stale_lists: list[list[Role]] = field(default_factory=list)
    unwritable: bool = False
    before_write: list[Role] = field(default_factory=list)
    attached: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    permissions: dict[str, Permissions] = field(default_factory=dict)
    permissions_read: list[str] = field(default_factory=list)
    quarantined: list[tuple[str, str]] = field(default_factory=list)

    def put(self, role: Role) -> None:
        self.roles[role.ref] = role

    def read(self, account_id: str, role_name: str) -> Role | None:
        self.reads += 1
        self._fail_where_told_to()
        if self.stale:
            return self.stale.pop(0)
        return self.roles.get(f"{account_id}/{role_name}")

    def read_all(self, account_id: str) -> Iterator[Role]:
        self._fail_where_told_to()
        if self.stale_lists:
            yield from self.stale_lists.pop(0)
            return
        yield from [replace(role, tags={}, permissions_boundary=None) for role in self.roles.values() if role.account_id == account_id]

    def permissions_of(self, role: Role) -> Permissions:
        self._fail_where_told_to()
        self.permissions_read.append(role.ref)
        return self.permissions.get(role.ref, Permissions())

    def attached_to(self, account_id: str, policy_arn: str) -> tuple[str, ...]:
        self._fail_where_told_to()
        return tuple(self.attached.get((account_id, policy_arn), ()))

    def write_trust_policy(self, role: Role, trust_policy: str, *, finding_id: str) -> None:
        if self.before_write:
            self.put(self.before_write.pop(0))
        if self.unwritable:
            raise Misconfigured(f"assuming doorward-remedy in {role.account_id}: AllowRemedies is not true there")
        if role.ref not in self.roles:
            raise Conflict(f"writing the trust policy of role {role.ref}: NoSuchEntity")
        if self.refuse:
            raise Refused(self.refuse.pop(0))
        self.writes.append((role.ref, trust_policy, finding_id))
        self.put(replace(self.roles[role.ref], trust_policy=trust_policy))

    def quarantine(self, role: Role, *, finding_id: str) -> None:
        if self.unwritable:
            raise Misconfigured(f"assuming doorward-remedy in {role.account_id}: AllowRemedies is not true there")
        if role.ref not in self.roles:
            raise Conflict(f"attaching DoorwardQuarantine to role {role.ref}: NoSuchEntity")
        if self.refuse:
            raise Refused(self.refuse.pop(0))
        self.quarantined.append((role.ref, finding_id))
        policy = f"arn:aws:iam::{role.account_id}:policy/doorward/DoorwardQuarantine"
        attached = self.attached.setdefault((role.account_id, policy), [])
        if role.name not in attached:
            attached.append(role.name)

    def _fail_where_told_to(self) -> None:
        error = self.fail_next.pop(0) if self.fail_next else None
        if error is not None:
            raise error


class FakeLedger:
    """The Ledger, the Agenda and the Outbox, in memory."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._locks: dict[str, tuple[str, datetime]] = {}
        self.heads: dict[str, Head] = {}
        self.cases: dict[tuple[str, str], Case] = {}
        self.outbox: dict[str, Announcement] = {}
        self._published: set[str] = set()
        self._sent: set[tuple[str, str]] = set()
        self.outcomes: list[EventOutcome] = []
        self.accepted: dict[tuple[str, str], Baseline] = {}
        self.versions: dict[tuple[str, str, str], Baseline] = {}
        self.replaced_versions: set[tuple[str, str, str]] = set()
        self.records: dict[tuple[str, str], str] = {}
        self._owners = 0
        self._put_off: dict[str, datetime] = {}
        self.cuts: dict[str, tuple[Cut, datetime]] = {}

    def lock(self, role_ref: str) -> Lock:
        held = self._locks.get(role_ref)
        if held is not None and held[1] >= self._clock.now():
            raise Conflict(f"locking {role_ref}: held")
        self._owners += 1
        self._locks[role_ref] = (str(self._owners), self._clock.now() + LEASE)
        return Lock(role_ref, str(self._owners))

    def unlock(self, lock: Lock) -> None:
        if self._holds(lock):
            del self._locks[lock.role_ref]

    def head(self, role_ref: str) -> Head:
        return self.heads.get(role_ref, Head())

    def heads_of(self, role_refs: Sequence[str]) -> Mapping[str, Head]:
        return {each: self.heads[each] for each in role_refs if each in self.heads}

    def looked_at(self, hints: Sequence[Hint]) -> None:
        """What the reaction keeps of looks that a sweep asked for, where nothing was found."""
        for each in hints:
            if each.look is not None:
                ref = f"{each.account_id}/{each.role_name}"
                self.heads[ref] = replace(self.head(ref), looked=each.look)

    def case(self, role_ref: str, case_id: str) -> Case | None:
        return self.cases.get((role_ref, case_id))

    def role_ref_of(self, case_id: str) -> str | None:
        return next((role_ref for role_ref, its_id in self.cases if its_id == case_id), None)

    def open_cases(self, account_id: str) -> Mapping[str, str]:
        refs = {ref: each.id for (ref, _), each in self.cases.items() if each.status.is_open}
        return {ref.partition("/")[2]: case_id for ref, case_id in refs.items() if ref.startswith(f"{account_id}/")}

    def judged(self, lock: Lock, head: Head) -> None:
        self._check(lock)
        self.heads[lock.role_ref] = head

    def open_case(self, lock: Lock, case: Case, head: Head, announcement: Announcement, record: str = "") -> bool:
        self._check(lock)
        self.heads[lock.role_ref] = head
        if (case.role_ref, case.id) in self.cases:
            return False
        self.cases[case.role_ref, case.id] = case
        self.outbox[announcement.id] = announcement
        self.records[case.role_ref, case.id] = record
        return True

    def record_of(self, role_ref: str, case_id: str) -> str:
        return self.records.get((role_ref, case_id), "")

    def intend(self, lock: Lock, case: Case) -> None:
        self._check(lock)
        standing = self.cases.get((case.role_ref, case.id))
        if standing is None or not standing.status.is_open:
            raise Conflict(f"case {case.id} is not open")
        self.cases[case.role_ref, case.id] = case

    def close_case(self, lock: Lock, case: Case, head: Head, announcement: Announcement) -> None:
        self._check(lock)
        self.cases[case.role_ref, case.id] = case
        self.heads[lock.role_ref] = head
        self.outbox[announcement.id] = announcement

    def follow_up(self, lock: Lock, case: Case, announcement: Announcement | None = None) -> None:
        self._check(lock)
        self.cases[case.role_ref, case.id] = case
        if announcement is not None:
            self.outbox[announcement.id] = announcement

    def cut(self, role_ref: str) -> Cut | None:
        return self.cuts[role_ref][0] if role_ref in self.cuts else None

    def keep_cut(self, lock: Lock, cut: Cut, due_at: datetime) -> None:
        self._check(lock)
        self.cuts[cut.role_ref] = cut, due_at
        self._put_off.pop(f"{cut.role_ref} CUT", None)

    def remove_cut(self, lock: Lock) -> None:
        self._check(lock)
        self.cuts.pop(lock.role_ref, None)

    def due(self, now: datetime, most: int) -> Sequence[Due]:
        cuts = [Due("CUT", due_at, ref) for ref, (_, due_at) in self.cuts.items()]
        cuts += [Due(ENDS_WAIVERS, head.due_at, ref) for ref, head in self.heads.items() if head.due_at is not None]
        cases = [Due(each.id, each.due_at, each.role_ref) for each in self.cases.values() if each.due_at is not None]
        waiting = [Due(each.id, each.at + PUBLISHED_WITHIN) for each in self.outbox.values() if each.id not in self._published]
        every = (*cases, *cuts, *waiting)
        put_off = [each._replace(due_at=max(each.due_at, self._put_off.get(_key_of(each), each.due_at))) for each in every]
        return sorted((each for each in put_off if each.due_at <= now), key=lambda each: each.due_at)[:most]

    def put_off(self, due: Due, until: datetime) -> None:
        if not any(each == due for each in self.due(due.due_at, len(self.cases) + len(self.cuts) + len(self.heads) + len(self.outbox))):
            return
        if due.id == ENDS_WAIVERS:
            ref = due.role_ref or ""
            self.heads[ref] = replace(self.heads[ref], due_at=until)
        else:
            self._put_off[_key_of(due)] = until

    def announce(self, announcement: Announcement) -> bool:
        if announcement.id in self.outbox:
            return False
        self.outbox[announcement.id] = announcement
        return True

    def was_announced(self, announcement_id: str) -> bool:
        return announcement_id in self.outbox

    def record(self, outcome: EventOutcome) -> None:
        self.outcomes.append(outcome)

    def baseline(self, role_ref: str, role_id: str) -> Baseline | None:
        return self.accepted.get((role_ref, role_id))

    def observe(self, baseline: Baseline) -> None:
        self.versions.setdefault((baseline.role_ref, baseline.role_id, baseline.policy_hash), baseline)

    def version(self, role_ref: str, role_id: str, policy_hash: str) -> Baseline | None:
        return self.versions.get((role_ref, role_id, policy_hash))

    def replaced(self, role_ref: str, role_id: str, policy_hash: str) -> None:
        self.replaced_versions.add((role_ref, role_id, policy_hash))

    def was_replaced(self, role_ref: str, role_id: str, policy_hash: str) -> bool:
        return (role_ref, role_id, policy_hash) in self.replaced_versions

    def accept(self, baseline: Baseline, announcement: Announcement) -> None:
        self.outbox[announcement.id] = announcement
        self.replaced_versions.discard((baseline.role_ref, baseline.role_id, baseline.policy_hash))
        self.versions[baseline.role_ref, baseline.role_id, baseline.policy_hash] = baseline
        self.accepted[baseline.role_ref, baseline.role_id] = baseline

    def pending(self, announcement_id: str) -> Announcement | None:
        return None if announcement_id in self._published else self.outbox.get(announcement_id)

    def announcement(self, announcement_id: str) -> Announcement | None:
        return self.outbox.get(announcement_id)

    def published(self, announcement_id: str) -> None:
        self._published.add(announcement_id)

    def was_sent(self, announcement_id: str, channel: str) -> bool:
        return (announcement_id, channel) in self._sent

    def sent(self, announcement_id: str, channel: str) -> None:
        self._sent.add((announcement_id, channel))

    def _holds(self, lock: Lock) -> bool:
        return self._locks.get(lock.role_ref, ("",))[0] == lock.owner

    def _check(self, lock: Lock) -> None:
        if not self._holds(lock):
            raise Conflict(f"the lock of {lock.role_ref} was lost")


def _key_of(due: Due) -> str:
    return f"{due.role_ref} {due.id}"


@dataclass
class FakeCuts:
    """Inline policies by role ARN. `fail_next` makes calls go wrong."""

    policies: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    fail_next: list[DoorwardError] = field(default_factory=list)

    def put(self, account_id: str, role_arn: str, policy: str, *, finding_id: str) -> None:
        self._called("put", role_arn)
        self.policies[role_arn] = policy

    def remove(self, account_id: str, role_arn: str, *, finding_id: str) -> None:
        self._called("remove", role_arn)
        self.policies.pop(role_arn, None)

    def _called(self, what: str, role_arn: str) -> None:
        self.calls.append((what, role_arn))
        if self.fail_next:
            raise self.fail_next.pop(0)


class FakeQuestions:
    """`audit` is what was done, in order; `announced` what would be told."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Question] = {}
        self.audit: list[tuple[str, int, str, str]] = []
        self.announced: dict[str, Announcement] = {}
        self.fail_next: list[DoorwardError] = []

    def question(self, role_ref: str, question_id: str) -> Question | None:
        return self.kept.get((role_ref, question_id))

    def of_role(self, role_ref: str) -> Sequence[Question]:
        return [each for (ref, _), each in self.kept.items() if ref == role_ref]

    def ask(self, question: Question, by: str, announcement: Announcement | None = None) -> bool:
        if (question.role_ref, question.id) in self.kept:
            return False
        self._write(question, "asked", by, announcement)
        return True

    def move(self, question: Question, did: str, by: str, now: datetime, announcement: Announcement | None = None) -> None:
        stands = self.question(question.role_ref, question.id)
        if stands is None or stands.version != question.version - 1:
            raise Conflict(f"{question.id}: another transition came first")
        self._write(question, did, by, announcement)

    def _write(self, question: Question, did: str, by: str, announcement: Announcement | None) -> None:
        if self.fail_next:
            raise self.fail_next.pop(0)
        self.kept[question.role_ref, question.id] = question
        self.audit.append((question.id, question.version, did, by))
        if announcement is not None:
            self.announced.setdefault(announcement.id, announcement)


class FakeGrants:
    """`audit` is what was done, in order: id, version, what, by whom; `announced` what would be told. `questions`: beside them."""

    def __init__(self, questions: FakeQuestions | None = None) -> None:
        self.questions = questions or FakeQuestions()
        self.kept: dict[str, Grant] = {}
        self.settled: dict[str, int] = {}
        self.tokens: dict[str, Token] = {}
        self.openings: dict[str, Opening] = {}
        self.issued: dict[tuple[str, str], Issued] = {}
        self.audit: list[tuple[str, int, str, str]] = []
        self.announced: dict[str, Announcement] = {}
        self.fail_next: list[DoorwardError] = []

    def create(self, grant: Grant, via: Via, announcement: Announcement) -> bool:
        if grant.id in self.kept:
            return False
        self._write(grant, "requested", f"{grant.person.user_id} {via}", announcement)
        return True

    def grant(self, grant_id: str) -> Grant | None:
        return self.kept.get(grant_id)

    def move(self, grant: Grant, did: str, by: str, now: datetime, announcement: Announcement | None) -> None:
        stands = self.kept.get(grant.id)
        if stands is None or stands.version != grant.version - 1:
            raise Conflict(f"{grant.id}: another transition came first")
        self._write(grant, did, by, announcement)
        if grant.state is GrantState.ACTIVE:
            self.openings[grant.id] = opening_of(grant)

    def opening(self, grant_id: str) -> Opening | None:
        return self.openings.get(grant_id)

    def forget_opening(self, grant_id: str) -> None:
        self._fail_where_told_to()
        self.openings.pop(grant_id, None)

    def standing(self) -> Iterable[Grant]:
        return [each for each in self.kept.values() if self.settled.get(each.id) != each.version]

    def settle(self, grant: Grant) -> None:
        self._fail_where_told_to()
        self.settled[grant.id] = grant.version

    def of_person(self, user_id: str, before: str, most: int) -> Sequence[Grant]:
        theirs = [each for each in self.kept.values() if each.person.user_id == user_id and (not before or each.id < before)]
        return sorted(theirs, key=lambda each: each.id, reverse=True)[:most]

    def ids_of_person(self, user_id: str, before: str, most: int) -> Sequence[str]:
        return [each.id for each in self.of_person(user_id, before, most)]

    def asked_between(self, since: datetime, until: datetime, after: str = "") -> Iterable[Grant]:
        def place(grant: Grant) -> tuple[str, str]:
            return f"{grant.request.asked_at:%Y-%m}", grant.id

        last = self.kept.get(after)
        asked = [each for each in self.kept.values() if since <= each.request.asked_at < until]
        return sorted((each for each in asked if last is None or place(each) > place(last)), key=place)

    def keep_token(self, token: Token, question: Question | None) -> None:
        grant = self.kept.get(token.grant_id)
        stands = None if question is None else self.questions.question(question.role_ref, question.id)
        if (grant and grant.version) != token.version or (stands and stands.version) != (question and question.version):
            raise Conflict(f"{token.grant_id}: it moved")
        self._fail_where_told_to()
        self.tokens[token.grant_id] = token

    def token(self, grant_id: str) -> Token | None:
        return self.tokens.get(grant_id)

    def drop_token(self, token: Token) -> None:
        if self.tokens.get(token.grant_id) == token:
            del self.tokens[token.grant_id]

    def waiting(self) -> Iterable[Token]:
        return list(self.tokens.values())

    def keep_issue(self, issued: Issued) -> None:
        self._fail_where_told_to()
        self.issued[issued.grant_id, issued.id] = issued
        self.audit.append((issued.id, 1, str(issued.kind), f"{id_of(issued.by.who)} {issued.by.via}"))

    def use_issue(self, grant_id: str, issue_id: str, now: datetime) -> Issued | None:
        issued = self.issued.get((grant_id, issue_id))
        since = None if issued is None else (now - issued.at) / timedelta(seconds=1)
        if issued is None or since is None or issued.used_at is not None or not -CLOCKS_DIFFER <= since <= ISSUED_WITHIN:
            return None
        self.issued[grant_id, issue_id] = issued._replace(used_at=now)
        return self.issued[grant_id, issue_id]

    def complete_issue(self, issued: Issued) -> None:
        self.issued[issued.grant_id, issued.id] = issued

    def issues(self, grant_id: str) -> Sequence[Issued]:
        return sorted((each for (its_id, _), each in self.issued.items() if its_id == grant_id), key=lambda each: each.at)

    def _write(self, grant: Grant, did: str, by: str, announcement: Announcement | None) -> None:
        self._fail_where_told_to()
        self.kept[grant.id] = grant
        self.audit.append((grant.id, grant.version, did, by))
        if announcement is not None:
            self.announced.setdefault(announcement.id, announcement)

    def _fail_where_told_to(self) -> None:
        if self.fail_next:
            raise self.fail_next.pop(0)


class FakeTokenSeals:
    """Sealed is what names its grant: opened for another, it is refused."""

    def seal(self, grant_id: str, token: str) -> bytes:
        return f"{grant_id} {token.encode().hex()}".encode()

    def open(self, token: Token) -> str:
        grant_id, _, sealed = token.sealed.decode().partition(" ")
        if grant_id != token.grant_id:
            raise Misconfigured("opening a task token: InvalidCiphertextException")
        return bytes.fromhex(sealed).decode()


@dataclass
class FakeExecutions:
    """`started` by grant, in order; `waiting` are tokens that somebody waits with; `woken` those that were sent."""

    started: list[str] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    woken: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    fail_next: list[DoorwardError] = field(default_factory=list)

    def start(self, grant_id: str) -> None:
        self._fail_where_told_to()
        if grant_id not in self.started:
            self.started.append(grant_id)

    def wake(self, token: str) -> bool:
        self._fail_where_told_to()
        if token not in self.waiting:
            return False
        self.waiting.remove(token)
        self.woken.append(token)
        return True

    def is_running(self, grant_id: str) -> bool | None:
        self._fail_where_told_to()
        return None if grant_id not in self.started else grant_id not in self.ended

    def _fail_where_told_to(self) -> None:
        if self.fail_next:
            raise self.fail_next.pop(0)


@dataclass
class FakeContainment:
    """`refuses` is what the function answers; `fail_next` makes calls go wrong."""

    refuses: str | None = None
    contained: list[str] = field(default_factory=list)
    fail_next: list[DoorwardError] = field(default_factory=list)

    def contain(self, author: str, *, finding_id: str) -> str | None:
        assert finding_id.startswith("dw-")
        if self.fail_next:
            raise self.fail_next.pop(0)
        if self.refuses is None:
            self.contained.append(author)
        return self.refuses


@dataclass
class FakeBrakes:
    """`stops` are set for everything that they name; what was spent is of the present hour."""

    clock: FakeClock
    stops: list[Stop] = field(default_factory=list)
    spent: dict[tuple[str, str], int] = field(default_factory=dict)

    def look(self, role_ref: str, rules: Sequence[str], budget: str) -> Brakes:
        scopes = scopes_of(role_ref, rules)
        return Brakes(tuple(each for each in self.stops if each.scope in scopes), self.spent.get((budget, hour_of(self.clock.now())), 0))

    def hold(self, stop: Stop) -> bool:
        stands = self.stop(stop.scope)
        if stands is not None and stands != stop and not stands.gives_way_to(stop, self.clock.now()):
            return False
        self.stops = [each for each in self.stops if each.scope != stop.scope] + [stop]
        return True

    def stop(self, scope: str) -> Stop | None:
        return next((each for each in self.stops if each.scope == scope), None)

    def spend(self, budget: str) -> None:
        key = (budget, hour_of(self.clock.now()))
        self.spent[key] = self.spent.get(key, 0) + 1


@dataclass
class FakeBus:
    published: list[Announcement] = field(default_factory=list)
    fail_next: list[DoorwardError] = field(default_factory=list)

    def publish(self, announcement: Announcement) -> None:
        if self.fail_next:
            raise self.fail_next.pop(0)
        self.published.append(announcement)


@dataclass(frozen=True)
class Sent:
    """One message as a channel showed it. `thread`: the id of the message that it stands beneath."""

    id: str
    message: Message
    thread: str = ""
    aloud: bool = False


@dataclass
class FakeChannel:
    """`order` is shared by channels whose order of being told matters. None in `fail_next` lets one call pass."""

    name: str
    sent: list[Sent] = field(default_factory=list)
    fail_next: list[DoorwardError | None] = field(default_factory=list)
    address: str = ""
    order: list[str] = field(default_factory=list)
    has_threads: bool = False

    def __post_init__(self) -> None:
        self.address = self.address or self.name

    @property
    def messages(self) -> list[Message]:
        return [each.message for each in self.sent]

    def send(self, message: Message, thread: str = "", *, aloud: bool = False) -> str:
        self._fail()
        self.order.append(self.name)
        message_id = f"{self.name}/{len(self.sent)}" if self.has_threads else ""
        self.sent.append(Sent(message_id, message, thread if self.has_threads else "", aloud=aloud))
        return message_id

    def change(self, message_id: str, message: Message) -> None:
        self._fail()
        place = next((place for place, each in enumerate(self.sent) if each.id == message_id), None)
        if place is None:
            raise Misconfigured(f"{message_id} is no message")
        self.sent[place] = replace(self.sent[place], message=message)

    def _fail(self) -> None:
        failure = self.fail_next.pop(0) if self.fail_next else None
        if failure is not None:
            raise failure


class FakeNotices:
    """The Notices port, in memory."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, str], Place] = {}
        self._groups: dict[tuple[str, str], tuple[Group, datetime, datetime, set[str]]] = {}
        self._minutes: dict[tuple[str, int], int] = {}
        self.kept: dict[tuple[Why, str, str], Notified] = {}
        self._cards: dict[tuple[str, str, str, str, str], Card] = {}

    def place(self, channel: str, object_id: str) -> Place | None:
        return self.places.get((channel, object_id))

    def keep_place(self, channel: str, object_id: str, place: Place) -> None:
        self.places.setdefault((channel, object_id), place)

    def join(self, channel: str, key: str, object_id: str, announcement_id: str, now: datetime, window: timedelta) -> Group:  # noqa: PLR0917
        group, until, opens_until, members = self._groups.get((channel, key), (None, now, now, set()))
        if group is None or until <= now:
            group, until, opens_until, members = Group(now, announcement_id, 1), now + window, now + TO_OPEN, set()
        elif not group.is_open and opens_until <= now:
            group, opens_until = group._replace(opens=announcement_id), now + TO_OPEN
        members.add(object_id)
        group = group._replace(size=len(members))
        self._groups[channel, key] = group, until, opens_until, members
        return group

    def opened(self, channel: str, key: str, announcement_id: str, thread: str, severity: int) -> None:
        found = self._groups.get((channel, key))
        if found is not None and found[0].opens == announcement_id and not found[0].is_open:
            self._groups[channel, key] = (found[0]._replace(is_open=True, thread=thread, told_severity=severity), *found[1:])

    def raised(self, channel: str, key: str, size: int, severity: int) -> None:
        group, until, opens_until, members = self._groups[channel, key]
        told = group._replace(told_size=max(size, group.told_size), told_severity=max(severity, group.told_severity))
        self._groups[channel, key] = told, until, opens_until, members

    def released(self, channel: str, key: str, announcement_id: str) -> None:
        found = self._groups.get((channel, key))
        if found is not None and found[0].opens == announcement_id and not found[0].is_open:
            del self._groups[channel, key]

    def spend(self, channel: str, now: datetime) -> int:
        minute = channel, int(now.timestamp() // 60)
        self._minutes[minute] = self._minutes.get(minute, 0) + 1
        return self._minutes[minute]

    def gather(self, why: Why, kept: Notified) -> None:
        self.kept.setdefault((why, kept.channel, kept.announcement_id), kept)

    def gathered(self, why: Why) -> Sequence[Notified]:
        return [each for (its_why, *_), each in self.kept.items() if its_why is why]

    def forget(self, why: Why, kept: Sequence[Notified]) -> None:
        for each in kept:
            self.kept.pop((why, each.channel, each.announcement_id), None)

    def keep_card(self, channel: str, object_id: str, card: Card) -> None:
        self._cards.setdefault((channel, object_id, card.announcement_id, card.message_id, card.what), card)

    def cards(self, channel: str, object_id: str) -> Sequence[Card]:
        return [each for (its_channel, its_object, *_), each in self._cards.items() if (its_channel, its_object) == (channel, object_id)]

    def settle(self, channel: str, object_id: str, card: Card) -> Card:
        key = channel, object_id, card.announcement_id, card.message_id, card.what
        kept = self._cards.get(key, card)
        if kept.at < card.at:
            kept = self._cards[key] = kept._replace(at=card.at, outcome=card.outcome)
        return kept


@dataclass
class FakeDeadLetters:
    letters: list[tuple[str, str]] = field(default_factory=list)
    fail_next: list[DoorwardError] = field(default_factory=list)

    def put_aside(self, body: str, reason: str) -> None:
        if self.fail_next:
            raise self.fail_next.pop(0)
        self.letters.append((body, reason))


class FakeEvidence:
    """Versions by key, the oldest first."""

    def __init__(self) -> None:
        self.versions: dict[str, list[str]] = {}
        self._told: dict[str, dict[str, Told]] = {}

    def keep(self, incident_id: str, key: str, told: Told, make: Callable[[Sequence[Told]], str]) -> bool:
        every = {told.announcement_id: told, **self._told.get(incident_id, {})}
        text = make(sorted(every.values(), key=lambda each: (each.at, each.announcement_id)))
        self._told[incident_id] = every
        kept = self.versions.setdefault(key, [])
        if kept and kept[-1] == text:
            return False
        kept.append(text)
        return True


class FakeAudit:
    """What is kept, by key, as it is stored."""

    def __init__(self) -> None:
        self.table: dict[tuple[str, str], dict[str, str]] = {}

    def head(self, object_id: str) -> AuditHead:
        key = head_key(object_id)
        stored = self.table.get((key["pk"], key["sk"]))
        return AuditHead(object_id) if stored is None else head_from(stored)

    def append(self, item: AuditItem) -> None:
        stands = self.head(item.object_id)
        if (stands.version, stands.hash) != (item.version - 1, item.prev_hash):
            raise Conflict("somebody else was there first")
        for stored in (item_as_stored(item), head_as_stored(head_of(item))):
            self.table[stored["pk"], stored["sk"]] = stored


@dataclass
class FakeSeals:
    """A bucket: texts by key, the oldest first. `fail_next`: by method, what its next call raises; that puts a root is "put root"."""

    audit: FakeAudit
    bucket: dict[str, list[str]] = field(default_factory=dict)
    fail_next: dict[str, DoorwardError] = field(default_factory=dict)
    _last: LastRoot | None = None

    KEY = "arn:aws:kms:us-east-1:111122223333:key/0f0f0f0f-1111-2222-3333-444455556666"

    @staticmethod
    def is_signed(message: bytes, signature: bytes) -> bool:
        return signature == sha256(b"only the fake knows" + message).digest()

    def heads(self) -> Iterable[AuditHead]:
        return [head_from(stored) for (pk, _), stored in self.audit.table.items() if pk.startswith("HEADS#")]

    def last(self) -> LastRoot | None:
        return self._last

    def key(self) -> str:
        return self.KEY

    def sign(self, root: Root) -> Sealed:
        self._fail("sign")
        return Sealed(root, sha256(b"only the fake knows" + text_of_root(root).encode()).digest())

    def put(self, key: str, text: str) -> None:
        self._fail("put root" if key.startswith(ROOTS) else "put")
        self.bucket.setdefault(key, []).append(text)

    def count(self, sealed: Sealed) -> None:
        self._fail("count")
        if sealed.root.number != (1 if self._last is None else self._last.sealed.root.number + 1):
            raise Conflict("somebody else was there first")
        self._last = LastRoot(sealed, is_kept=False)

    def kept(self, sealed: Sealed) -> None:
        self._fail("kept")
        if self._last is None or self._last.sealed.root.number != sealed.root.number:
            raise Conflict("somebody else was there first")
        self._last = LastRoot(sealed, is_kept=True)

    def _fail(self, method: str) -> None:
        if method in self.fail_next:
            raise self.fail_next.pop(method)


@dataclass
class FakeReporter:
    name: str
    cases: list[Reported] = field(default_factory=list)
    fail_next: list[DoorwardError] = field(default_factory=list)

    def report(self, case: Reported) -> None:
        if self.fail_next:
            raise self.fail_next.pop(0)
        self.cases.append(case)


class FakeOrganizationStore:
    """Facts by version. `before_save` is stored by somebody else just before the next save."""

    def __init__(self) -> None:
        self.kept: Kept | None = None
        self.before_save: list[OrganizationFacts] = []
        self._began: datetime | None = None
        self._called: datetime | None = None

    def load(self) -> Kept | None:
        return self.kept

    def save(self, facts: OrganizationFacts, *, over: int) -> None:
        if self.before_save:
            self._put(self.before_save.pop(0))
        if over != (0 if self.kept is None else self.kept.version):
            raise Conflict("another version was stored meanwhile")
        self._put(facts)

    def take_turn(self, now: datetime) -> float:
        if self._began is None or self._began <= now - timedelta(seconds=60):
            self._began = now
            return 0.0
        return max((self._began + timedelta(seconds=60) - now).total_seconds(), 1.0)

    def is_called(self, now: datetime) -> bool:
        return self._called is not None and self._called > now

    def called(self, at: datetime) -> None:
        self._called = at

    def _put(self, facts: OrganizationFacts) -> None:
        self.kept = Kept(facts, 1 if self.kept is None else self.kept.version + 1)


class FakeBeats:
    """Heartbeats in memory."""

    def __init__(self) -> None:
        self.kept: dict[Spot, Pulse] = {}
        self.back: set[tuple[Spot, str]] = set()
        self.enabled: dict[str, tuple[datetime, tuple[str, ...]]] = {}
        self.silent: dict[str, tuple[Silence, ...]] = {}

    def seen(self, account_id: str, region: str, nonce: str, at: datetime) -> None:
        self.back.add((Spot(account_id, region), nonce))

    def pulses(self, spots: Sequence[Spot]) -> Mapping[Spot, Pulse]:
        return {each: self.kept[each] for each in spots if each in self.kept}

    def came_back(self, nonces: Mapping[Spot, Sequence[str]]) -> Mapping[Spot, frozenset[str]]:
        found = {spot: frozenset(each for each in several if (spot, each) in self.back) for spot, several in nonces.items()}
        return {spot: several for spot, several in found.items() if several}

    def keep(self, pulses: Mapping[Spot, Pulse]) -> None:
        self.kept.update(pulses)

    def silences(self, account_ids: Sequence[str]) -> Mapping[str, tuple[Silence, ...]]:
        return {each: self.silent[each] for each in account_ids if each in self.silent}

    def keep_silences(self, silences: Mapping[str, tuple[Silence, ...]]) -> None:
        self.silent.update(silences)

    def regions(self, account_ids: Sequence[str]) -> Mapping[str, tuple[datetime, tuple[str, ...]]]:
        return {each: self.enabled[each] for each in account_ids if each in self.enabled}

    def keep_regions(self, account_id: str, regions: Sequence[str], at: datetime) -> None:
        self.enabled[account_id] = (at, tuple(regions))


@dataclass
class FakeCanaries:
    """`answers` gets every beat that was sent; `fail` are spots, or accounts, that cannot be beaten."""

    answers: Callable[[Spot, str], None] = lambda _spot, _nonce: None
    fail: dict[str, DoorwardError] = field(default_factory=dict)
    enabled: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sent: list[tuple[Spot, str]] = field(default_factory=list)
    regions_read: list[str] = field(default_factory=list)

    def beat(self, nonces: Mapping[Spot, str]) -> Mapping[Spot, DoorwardError]:
        failed = {each: self.fail[each.account_id] for each in nonces if each.account_id in self.fail}
        for spot, nonce in nonces.items():
            if spot not in failed:
                self.sent.append((spot, nonce))
                self.answers(spot, nonce)
        return failed

    def enabled_regions(self, account_id: str) -> tuple[str, ...]:
        self.regions_read.append(account_id)
        if account_id in self.fail:
            raise self.fail[account_id]
        return self.enabled.get(account_id, ("us-east-1",))


@dataclass
class FakeRefreshes:
    calls: list[tuple[str, float]] = field(default_factory=list)
    fail_next: list[DoorwardError] = field(default_factory=list)

    def call(self, because: str, *, in_seconds: float = 0) -> None:
        if self.fail_next:
            raise self.fail_next.pop(0)
        self.calls.append((because, in_seconds))


@dataclass
class FakeSweeps:
    started: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    fail_next: list[DoorwardError] = field(default_factory=list)

    names: set[str] = field(default_factory=set)

    def start(self, account_ids: Sequence[str], because: str, *, once: str | None = None) -> None:
        if self.fail_next:
            raise self.fail_next.pop(0)
        if once is not None:
            if once in self.names:
                return
            self.names.add(once)
        self.started.append((tuple(account_ids), because))


@dataclass
class FakeHints:
    sent: list[Hint] = field(default_factory=list)

    after: list[int] = field(default_factory=list)

    def send(self, hints: Sequence[Hint], *, after_seconds: int = 0) -> None:
        self.sent += hints
        self.after += [after_seconds for _ in hints]


def _written(version: TrustVersion) -> tuple[datetime, str]:
    return version.at, version.event_id


class FakeSessions:
    """The SessionStore, in memory."""

    def __init__(self) -> None:
        self.calls: dict[str, SessionEvent] = {}
        self.trust: dict[str, dict[tuple[datetime, str], TrustVersion]] = {}
        self.seen_edges: dict[tuple[str, str], Edge] = {}
        self._counted: dict[str, tuple[str, str]] = {}

    def keep_call(self, call: SessionEvent) -> SessionEvent:
        known = self.calls.get(call.key)
        self.calls[call.key] = call if known is None else merge_copies(known, call)
        return self.calls[call.key]

    def recent_calls(self, role_ref: str, since: datetime, until: datetime) -> tuple[SessionEvent, ...]:
        found = [each for each in self.calls.values() if role_ref in found_by(each) and since <= each.event_time <= until]
        return tuple(sorted(found, key=lambda each: (each.event_time, each.key)))

    def calls_from(self, role_ref: str, since: datetime, until: datetime) -> tuple[SessionEvent, ...]:
        found = [each for each in self.calls.values() if chained_from(each) == role_ref and since <= each.event_time <= until]
        return tuple(sorted(found, key=lambda each: (each.event_time, each.key)))

    def keep_version(self, version: TrustVersion) -> None:
        self.trust.setdefault(version.role_ref, {})[version.at, version.event_id] = version

    def versions(self, role_ref: str, since: datetime) -> tuple[TrustVersion, ...]:
        kept, hidden = (self.trust.get(each, {}).values() for each in (role_ref, every_role_of(role_ref.partition("/")[0])))
        before = sorted((each for each in kept if each.at < since), key=_written)
        return (*before[-1:], *sorted({each for each in (*kept, *hidden) if each.at >= since}, key=_written))

    def count(self, edge: Edge, call_key: str) -> None:
        place, counted = (edge.role_ref, edge.principal), self._counted.get(call_key)
        if counted not in {None, place} and not (counted is not None and names_more(edge.principal, counted[1])):
            return
        known = self.seen_edges.get(place, edge._replace(times=0, first=None, last=None))
        times = known.times + (counted != place)
        if counted is not None and counted != place:
            before = self.seen_edges.pop(counted)
            if before.times > 1:
                self.seen_edges[counted] = before._replace(times=before.times - 1)
        self._counted[call_key] = place
        moments = [each for each in (known.first, known.last, edge.first, edge.last) if each is not None]
        first, last = min(moments, default=None), max(moments, default=None)
        self.seen_edges[place] = known._replace(times=times, first=first, last=last)

    def expect(self, edges: Iterable[Edge]) -> None:
        for edge in edges:
            self.seen_edges.setdefault((edge.role_ref, edge.principal), edge)

    def edges(self, role_ref: str) -> tuple[Edge, ...]:
        return tuple(edge for (ref, _), edge in sorted(self.seen_edges.items()) if ref == role_ref)


@dataclass
class FakeInventory:
    """The Inventory, in memory."""

    swept: dict[str, Swept] = field(default_factory=dict)
    partial: dict[tuple[str, str], Partial] = field(default_factory=dict)
    turns: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def load(self, account_id: str) -> Swept | None:
        return self.swept.get(account_id)

    def save(self, account_id: str, swept: Swept) -> None:
        self.swept[account_id] = swept

    def swept_at(self, account_id: str) -> datetime | None:
        swept = self.swept.get(account_id)
        return None if swept is None else swept.at

    def load_partial(self, account_id: str, sweep_id: str) -> Partial | None:
        return self.partial.get((account_id, sweep_id))

    def save_partial(self, account_id: str, sweep_id: str, partial: Partial) -> None:
        self.partial[account_id, sweep_id] = partial

    def take_turn(self, account_id: str, sweep_id: str, now: datetime, until: datetime) -> bool:
        holder, ends = self.turns.get(account_id, (sweep_id, until))
        if holder != sweep_id and ends >= now:
            return False
        self.turns[account_id] = sweep_id, until
        return True

    def end_turn(self, account_id: str, sweep_id: str) -> None:
        if self.turns.get(account_id, ("", None))[0] == sweep_id:
            del self.turns[account_id]

    def roles_naming(self, texts: Sequence[str]) -> Iterable[str]:
        wanted = set(texts)
        return tuple(
            f"{account_id}/{name}"
            for account_id, swept in sorted(self.swept.items())
            for name, role in sorted(swept.roles.items())
            if wanted & set(role.names)
        )


@dataclass
class FakeExpectations:
    told: list[Edge] = field(default_factory=list)

    def expect(self, edges: Iterable[Edge]) -> None:
        self.told += edges


@dataclass
class FakePages:
    """Entries of RoleDetailList by account, in pages of `size`; id and default version of each policy. `throttled`: which calls fail."""

    details: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    policies: dict[str, tuple[str, str]] = field(default_factory=dict)
    size: int = 2
    throttled: list[int] = field(default_factory=list)
    calls: int = 0

    def page(self, account_id: str, marker: str | None) -> Page:
        self.calls += 1
        if self.calls in self.throttled:
            raise Throttled(f"reading the roles of account {account_id}: Throttling")
        start = int(marker or 0)
        listed = self.details.get(account_id, [])
        end = start + self.size
        policies = [{"Arn": arn, "PolicyId": id_, "DefaultVersionId": version} for arn, (id_, version) in self.policies.items()]
        return Page(listed[start:end], policies if start == 0 else [], str(end) if end < len(listed) else None)


@dataclass
class FakeDirectory:
    """Identity Center. `groups` are display names by user id, `said_of` attributes; `fail_next` makes calls go wrong."""

    users: list[User] = field(default_factory=list)
    groups: dict[str, set[str]] = field(default_factory=dict)
    said_of: dict[str, dict[str, str]] = field(default_factory=dict)
    looked_up: list[str] = field(default_factory=list)
    fail_next: list[DoorwardError] = field(default_factory=list)

    def users_named(self, user_name: str) -> tuple[User, ...]:
        self._called(user_name)
        return tuple(each for each in self.users if each.person.user_name == user_name)

    def user(self, user_id: str) -> Person | None:
        self._called(user_id)
        return next((each.person for each in self.users if each.person.user_id == user_id and each.enabled), None)

    def attributes(self, user_id: str) -> Mapping[str, str] | None:
        return None if self.user(user_id) is None else dict(self.said_of.get(user_id, {}))

    def groups_of(self, user_id: str) -> frozenset[str]:
        self._called(user_id)
        return frozenset(self.groups.get(user_id, ()))

    def _called(self, with_what: str) -> None:
        self.looked_up.append(with_what)
        if self.fail_next:
            raise self.fail_next.pop(0)


@dataclass
class FakeGrantRoles:
    kept: dict[str, KnownRoles] = field(default_factory=dict)
    fail_next: list[DoorwardError] = field(default_factory=list)

    def known(self) -> Iterable[KnownRoles]:
        self._fail()
        return list(self.kept.values())

    def keep(self, known: KnownRoles) -> None:
        self._fail()
        self.kept.pop(known.account_id, None)
        if known.roles:
            self.kept[known.account_id] = known

    def _fail(self) -> None:
        if self.fail_next:
            raise self.fail_next.pop(0)


@dataclass
class FakeGrantRolesOfAccounts:
    """`unreadable`: why an account's cannot be read."""

    roles: dict[str, Role] = field(default_factory=dict)
    unreadable: dict[str, DoorwardError] = field(default_factory=dict)

    def read(self, account_ids: Sequence[str]) -> Mapping[str, Sequence[Role] | DoorwardError]:
        return {each: self.unreadable.get(each) or self._of(each) for each in account_ids}

    def _of(self, account_id: str) -> Sequence[Role]:
        return tuple(each for each in self.roles.values() if each.account_id == account_id and each.path.startswith(GRANT_ROLE_PATH))


@dataclass
class FakeOnCall:
    """`rostered` are rosters by user name."""

    rostered: dict[str, set[str]] = field(default_factory=dict)
    asked: list[tuple[Person, datetime]] = field(default_factory=list)
    fail_next: list[DoorwardError] = field(default_factory=list)

    def rosters(self, person: Person, at: datetime) -> frozenset[str]:
        self.asked.append((person, at))
        if self.fail_next:
            raise self.fail_next.pop(0)
        return frozenset(self.rostered.get(person.user_name, ()))


@dataclass
class FakeTickets:
    tickets: dict[str, Ticket] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    fail_next: list[DoorwardError] = field(default_factory=list)

    def ticket(self, ticket_id: str) -> Ticket | None:
        self.asked.append(ticket_id)
        if self.fail_next:
            raise self.fail_next.pop(0)
        return self.tickets.get(ticket_id)


@dataclass
class FakeNonces:
    seen: set[str] = field(default_factory=set)

    def is_new(self, nonce: str, now: datetime) -> bool:
        known = nonce in self.seen
        self.seen.add(nonce)
        return not known


@dataclass
class FakeInteractions:
    put_in: list[tuple[Interaction, str]] = field(default_factory=list)
    fail_next: list[DoorwardError] = field(default_factory=list)

    def put(self, interaction: Interaction, nonce: str) -> None:
        if self.fail_next:
            raise self.fail_next.pop(0)
        self.put_in.append((interaction, nonce))


@dataclass
class FakeSuspensions:
    """The last of each scope; `ended` are the changes whose suspension a person has ended."""

    kept: dict[str, Suspension] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def suspend(self, suspension: Suspension) -> bool:
        last = self.kept.get(suspension.scope)
        if last is not None and (last.change == suspension.change or last.change.split()[0] > suspension.change.split()[0]):
            return False
        self.kept[suspension.scope] = suspension
        return True

    def last(self, scope: str) -> Suspension | None:
        kept = self.kept.get(scope)
        return kept._replace(ended_by="jane") if kept is not None and kept.change in self.ended else kept

    def of(self, scope: str) -> Suspension | None:
        last = self.last(scope)
        return last if last is not None and last.stands else None


@dataclass
class FakeRepeats:
    """Answers by caller and key, with what was asked; None: it is being answered."""

    kept: dict[tuple[str, str], tuple[str, Given | None]] = field(default_factory=dict)

    def once(self, who: str, key: str, asked: str, answer: Callable[[], Given]) -> Given:
        if (who, key) in self.kept:
            before, kept = self.kept[who, key]
            if before != asked:
                raise AskedOtherwise
            if kept is None:
                raise InProgress
            return kept
        self.kept[who, key] = (asked, None)
        try:
            given = answer()
        except Exception:
            del self.kept[who, key]
            raise
        self.kept[who, key] = (asked, given)
        return given


@dataclass
class FakeRates:
    """`calls` by who, and when the span began."""

    clock: FakeClock = field(default_factory=FakeClock)
    calls: dict[tuple[str, Span, datetime], int] = field(default_factory=dict)

    def count(self, who: str, span: Span = Span.MINUTE) -> int:
        began = self.clock.now().astimezone(UTC).replace(second=0, microsecond=0)
        key = (who, span, began.replace(minute=0) if span is Span.HOUR else began)
        self.calls[key] = self.calls.get(key, 0) + 1
        return self.calls[key]


class FakeLinks:
    """`audit` has what was done, to whom, by whom; `announced` what was announced with it."""

    def __init__(self) -> None:
        self.links: dict[SlackUser, Link] = {}
        self.offers: dict[str, Offer] = {}
        self.last: dict[str, str] = {}
        self.audit: list[tuple[str, str, str]] = []
        self.announced: list[Announcement] = []

    def of(self, user: SlackUser) -> str | None:
        return self.links[user].person_id if user in self.links else None

    def links_of(self, person_id: str) -> tuple[Link, ...]:
        return tuple(sorted(each for each in self.links.values() if each.person_id == person_id))

    def offer(self, offer: Offer, code_hash: str) -> None:
        self.offers[code_hash] = offer
        self.last[offer.person_id] = code_hash

    def offered(self, person_id: str) -> Offer | None:
        return self.offers.get(self.last.get(person_id, ""))

    def take(self, code_hash: str, user: SlackUser, name: str, now: datetime) -> Offer | None:
        offer = self.offers.get(code_hash)
        if offer is None or now >= offer.until or offer.taken_by not in {None, user}:
            return None
        self.offers[code_hash] = offer._replace(taken_by=user, name=name)
        return self.offers[code_hash]

    def bind(self, link: Link, announcement: Announcement, *, over: str | None = None) -> None:
        code_hash = self.last.get(link.person_id, "")
        offer = self.offers.get(code_hash)
        if offer is None or offer.taken_by != link.user or self.of(link.user) not in {None, link.person_id, over}:
            raise Conflict("somebody else was there first")
        del self.offers[code_hash]
        self.links[link.user] = link
        self.audit.append(("linked", link.user.ref, link.person_id))
        self.announced.append(announcement)

    def unbind(self, link: Link, now: datetime) -> None:
        if self.of(link.user) != link.person_id:
            raise Conflict("he is not this person's")
        del self.links[link.user]
        self.audit.append(("unlinked", link.user.ref, link.person_id))


@dataclass
class FakeDesk:
    """`too_late`: no form opens any more. `shown`: what stands where a form was opened, by its id; `closed`: he has closed them."""

    told: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    forms: list[Interaction] = field(default_factory=list)
    fail_next: list[DoorwardError] = field(default_factory=list)
    too_late: bool = False
    shown: dict[str, Form] = field(default_factory=dict)
    closed: bool = False

    def tell(self, answer_to: str, lines: Sequence[str]) -> None:
        if self.fail_next:
            raise self.fail_next.pop(0)
        self.told.append((answer_to, tuple(lines)))

    def open_form(self, interaction: Interaction) -> bool:
        self.forms.append(interaction)
        return not self.too_late

    def open_waiting(self, interaction: Interaction) -> str:
        return "" if self.too_late else f"V{interaction.trigger}"

    def show(self, interaction: Interaction, view: str, form: Form) -> bool:
        if self.fail_next:
            raise self.fail_next.pop(0)
        if not self.closed:
            self.shown[view] = form
        return not self.closed
