"""Grants through all that can happen to them, by the code that runs in the functions: what must never be never is, and nothing gets lost.

People ask, decide, end, take credentials; they change groups and leave; rules, roles and clocks change. Whatever is written may fail before
it is, or after, and whoever writes may die; who somebody is may not be known for a while, or only what his attributes and his rosters are;
what leaves by the outbox is delivered late, twice, in any order, or not at all. Executions go as statemachines/grant.asl.json says: look,
wait with a token or until a time, look again; and some are dead for good, since a history ends at 25,000 events and a name is not used
twice within ninety days.
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.decisions.model import Answer
from doorward.decisions.model import State as Decision
from doorward.errors import DoorwardError, Unavailable
from doorward.grants.grant import Grant, State
from doorward.grants.issuing import Issue
from doorward.grants.model import Asker, Entitlements
from doorward.iam.documents import Document, Statement, parse_document
from doorward.iam.evaluate import Policies, Request, evaluate
from doorward.people.model import Caller, Machine, Person, Refusal, Via
from doorward.ports.grants import Credentials, Issued, Opened
from doorward.usecases import issue_credentials, mint_credentials
from doorward.usecases.decide_grant import decide_grant
from doorward.usecases.grant_standing import Tools, agreement_now
from doorward.usecases.keep_token import keep_token
from doorward.usecases.wake_grant import WOKEN_BY, wake_grant
from tests.fakes import FakeRates
from tests.granting_world import World
from tests.grants_world import ANN, DENY, EVE, JANE, JOE, PEOPLE, READ_BUCKET, START, entitlements, hours, rule
from tests.reconciled_world import Reconciled

ONE = rule("one", start_within_hours=4)
SHIFT = rule("shift", start_within_hours=4, approve={"on_call": ["payments"], "groups": ["security"]}, automatic={"on_call": ["payments"]})
THEIRS = rule(
    "theirs", who={"attributes": {"department": "pay"}}, start_within_hours=4, approve={"on_call": ["payments"], "groups": ["security"]}
)
WIDER: dict[str, Any] = {**READ_BUCKET, "statements": [{"actions": ["s3:*"], "resources": ["arn:aws:s3:::<bucket>/*"]}]}
RULE_BOOKS = (
    entitlements(ONE),
    entitlements(ONE, rule("two", start_within_hours=4, approve={"groups": ["owners", "security"], "quorum": 2, "distinct_groups": True})),
    entitlements(ONE, rule("three", start_within_hours=4, approve={"groups": ["owners"], "escalate_to": ["security"], "by_sigv4": True})),
    entitlements(SHIFT),
    entitlements(rule("free", start_within_hours=4, automatic={"always": True})),
    entitlements(THEIRS),
    entitlements(ONE, DENY),
    entitlements(rule("short", minutes=30)),
    entitlements(ONE, **{"read-bucket": WIDER}),
)  # fmt: skip
NEXT: Final = {
    None: {State.REQUESTED},
    State.REQUESTED: {State.PENDING, State.APPROVED, State.REFUSED, State.CANCELLED, State.REVOKED},
    State.PENDING: {State.APPROVED, State.REFUSED, State.EXPIRED, State.CANCELLED, State.REVOKED},
    State.APPROVED: {State.ACTIVE, State.REFUSED, State.EXPIRED, State.CANCELLED, State.REVOKED},
    State.ACTIVE: {State.ENDING},
    State.ENDING: {State.CLOSED, State.REVOKED},
}
WAITS: Final = {State.PENDING: ("approve", "decide"), State.APPROVED: ("start", "begin"), State.ACTIVE: ("end", "end")}
"""What an execution waits for in a state, and how it looks then."""
EVERYTHING: Final = parse_document({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
PAY: Final = {"department": "pay"}
CI: Final = Machine("arn:aws:iam::444455556666:role/ci")
EVERY_FIVE_MINUTES: Final = 300
_READS: Final = frozenset({
    "question", "of_role", "grant", "opening", "standing", "of_person", "ids_of_person", "asked_between", "token", "waiting", "issues",
    "is_running",
})  # fmt: skip
"""Whatever else the ports have writes."""


class Died(Exception):  # noqa: N818
    """Whoever was at work is no more."""


@dataclass
class Frail:
    """What writes, and may fail at it: `fates` are taken by one write each."""

    of: Any
    fates: list[str]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.of, name)
        return self._fated(found) if callable(found) and name not in _READS else found

    def _fated(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def written(*args: Any, **named: Any) -> Any:
            fate = self.fates.pop(0) if self.fates else "lives"
            if "before" in fate:
                raise _error(fate)
            done = write(*args, **named)
            if "after" in fate:
                raise _error(fate)
            return done

        return written


def _error(fate: str) -> Exception:
    return Died() if fate.startswith("dies") else Unavailable("it did not answer")


@dataclass
class Execution:
    """`looks`: by which step it looks next; "" while it waits, or has ended. `until`: in seconds that pass for Step Functions alone."""

    looks: str = "check"
    waits: str = ""
    until: float = 0.0
    token: str = ""
    has_ended: bool = False


@dataclass
class Sessions:
    """The broker's way into roles: what was asked of STS."""

    opened: list[Issue] = field(default_factory=list)

    def open(self, asked: Issue) -> Opened:
        self.opened.append(asked)
        return Opened(Credentials(f"ASIA{len(self.opened)}", "secret", "token", asked.ends_at), 40)

    def console(self, credentials: Credentials, destination: str) -> str:
        return destination


@dataclass
class Broker:
    world: "Histories"

    def credentials(self, issued: Issued) -> Credentials | Refusal:
        world = self.world
        tools = mint_credentials.Tools(world.grants, world.sessions, world.rules, world.clock)
        found = mint_credentials.mint_credentials({"grant_id": issued.grant_id, "issue_id": issued.id}, tools)
        assert isinstance(found, Credentials | Refusal)
        return found

    def console(self, issued: Issued, destination: str) -> Any:
        raise NotImplementedError


@dataclass
class Histories(World):
    """`fates`: of writes to come. `passed`: seconds, and `tokens`: how many it gave out, both for Step Functions alone.

    `on_the_bus`: grants to wake, of announcements `seen`.
    `unknown`: of look-ups of people to come, whether they fail, or leave unknown what is no part of them. `shifts`: by which rosters
    somebody was on call when his yes to a grant was kept.
    """

    fates: list[str] = field(default_factory=list)
    runs: dict[str, Execution] = field(default_factory=dict)
    passed: float = 0.0
    tokens: int = 0
    sessions: Sessions = field(default_factory=Sessions)
    minted: int = 0
    on_the_bus: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    unknown: list[str] = field(default_factory=list)
    shifts: dict[tuple[str, str, Via], frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.questions = Frail(self.questions, self.fates)  # type: ignore[assignment]
        self.grants = Frail(self.grants, self.fates)  # type: ignore[assignment]
        self.executions = Frail(self.executions, self.fates)  # type: ignore[assignment]
        self.people[JANE.user_id] = Asker(
            JANE, frozenset({"payments", "security"}), PAY, frozenset()
        )  # she could say yes, were it not hers
        self.people[EVE.user_id] = self.people[EVE.user_id]._replace(attributes=PAY)
        self.everybody = dict(self.people)

    @property
    def tools(self) -> Tools:
        return replace(super().tools, asker=self.look_up, voter=self.look_up)

    def look_up(self, user_id: str) -> Asker | None:
        fate, asker = self.unknown.pop(0) if self.unknown else "known", self.people.get(user_id)
        if fate == "fails":
            raise Unavailable("it did not answer")
        return asker._replace(attributes=None, on_call=None) if asker is not None and fate == "in part" else asker

    def all(self) -> list[Grant]:
        return list(self.grants.kept.values())

    def picked(self, number: int) -> Grant | None:
        found = self.all()
        return found[number % len(found)] if found else None

    # What leaves by the outbox

    def take_from_outbox(self) -> None:
        """Everything that was kept there comes onto the bus, once at least."""
        everything = [*self.grants.announced.values(), *self.questions.announced.values()]
        waking = frozenset().union(*WOKEN_BY.values())
        for each in sorted(everything, key=lambda it: it.id):
            if each.id not in self.seen and each.detail_type in waking:
                self.on_the_bus.append(str(each.detail.get("grant", each.detail)["grant_id"]))
            self.seen.add(each.id)

    def wake(self, grant_id: str) -> None:
        wake_grant(grant_id, self.grants, self.seals, self.executions)

    # What Step Functions does

    def turn(self, grant_id: str) -> None:
        """One state further, where there is one."""
        if grant_id not in self.executions.started:
            return
        run = self.runs.setdefault(grant_id, Execution())
        if run.has_ended:
            return
        if not run.looks:
            if run.token in self.executions.waiting and self.passed < run.until:
                return
            self.executions.waiting.discard(run.token)
            run.looks = run.waits
        seen = self.step(self.grants.kept[grant_id], run.looks)  # whatever it raises, the state machine tries again
        if seen.state not in WAITS:
            run.has_ended = seen.state is not State.ENDING
            run.looks = "end"
            return
        waits_for, run.waits = WAITS[seen.state]
        self.tokens += 1
        run.token, run.until, run.looks = f"{grant_id}-{self.tokens}", self.passed + seen.wait_seconds, ""
        self.executions.waiting.add(run.token)
        try:
            keep_token(grant_id, waits_for, run.token, self.grants, self.questions, self.seals)
        except Exception:  # noqa: BLE001 - NothingToWaitFor, or anything: it looks again
            self.executions.waiting.discard(run.token)
            run.looks = run.waits

    def reconcile(self) -> None:
        around = Reconciled(self)
        around.turn()
        for grant_id in around.wakes.called:
            self.wake(grant_id)

    def kill(self, grant_id: str) -> None:
        """Its execution, where it has one: there is never another."""
        if grant_id in self.executions.started:
            self.runs.setdefault(grant_id, Execution()).has_ended = True
            self.executions.ended.add(grant_id)

    def tick(self, seconds: float) -> None:
        self.passed += max(seconds, 0)
        self.clock.time += timedelta(seconds=seconds)

    # What people do

    def issue(self, grant: Grant) -> None:
        tools = issue_credentials.Tools(
            self.grants, Broker(self), FakeRates(self.clock), lambda it: agreement_now(it, self.tools), self.tools.new_id, self.clock
        )
        before = len(self.sessions.opened)
        issue_credentials.issue_credentials(grant.id, Caller(grant.person, Via.SIGV4), "203.0.113.7", tools)
        if len(self.sessions.opened) > before:
            judge_issued(self, self.grants.kept[grant.id], self.sessions.opened[-1])

    # What is known otherwise: counted by heads, and by nothing of decisions

    def yes_to(self, grant: Grant) -> dict[str, set[Via]]:
        """Everybody of whom a yes to this grant was ever kept, and how."""
        said: dict[str, set[Via]] = {}
        ids = {each.id for each in self.questions.kept.values() if each.about == grant.about}
        for question_id, _, did, by in self.questions.audit:
            if question_id in ids and did == "yes":
                user_id, _, via = by.partition(" ")
                said.setdefault(user_id, set()).add(Via(via))
        return said

    def agreed(self, grant: Grant) -> bool:
        """Whether the rules in force have what they ask for, of people who are there and may say so now."""
        if grant.person.user_id not in self.people or self.rules.denies:
            return False
        said = {user_id: vias & self.ways.keys() for user_id, vias in self.yes_to(grant).items()}
        escalated = any(each.escalated_at is not None for each in self.questions.kept.values() if each.about == grant.about)
        for each in self.rules.allows:
            if grant.lasts > each.longest:
                return False
            if each.automatic is not None and (each.automatic.always or "payments" in (self.people[grant.person.user_id].on_call or ())):
                continue
            (consent,) = each.terms.also
            may = consent.approvers | (consent.escalate_to if escalated else frozenset())
            people = {
                user_id
                for user_id, vias in said.items()
                if vias and user_id in self.people and user_id != grant.person.user_id and self._stood_for(user_id, grant) & may
            }
            if len(people) < consent.quorum or (consent.by_sigv4 and not any(Via.SIGV4 in said[each_id] for each_id in people)):
                return False
            if (
                consent.distinct_groups
                and len(frozenset().union(*(self._stood_for(each_id, grant) & may for each_id in people))) < consent.quorum
            ):
                return False
        return True

    def _stood_for(self, user_id: str, grant: Grant) -> frozenset[str]:
        """His groups as they are, and the shifts in which he said yes."""
        shifts = frozenset[str]().union(*(self.shifts.get((grant.id, user_id, via), ()) for via in self.ways))
        return self.people[user_id].groups | {f"on-call:{each}" for each in shifts}

    def say_by(self, grant: Grant, who: Person | Machine, via: Via, *, yes: bool) -> None:
        kept = len(self.questions.audit)
        on_call = self.people[who.user_id].on_call if isinstance(who, Person) and who.user_id in self.people else None
        try:
            decide_grant(grant.id, Caller(who, via), Answer("grant", yes, grant.shown_hash, "As I said."), self.tools)
        finally:
            if isinstance(who, Person) and any(did == "yes" for _, _, did, _ in self.questions.audit[kept:]):
                self.shifts[grant.id, who.user_id, via] = on_call or frozenset()


# What happens

ways = st.sampled_from([Via.SIGV4, Via.SIGV4, Via.JWT, Via.SLACK])
which = st.integers(0, 3)
anything = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from([JANE, EVE]), st.sampled_from([None, None, 0, 120]), st.sampled_from([10, 30, 60])),
    st.tuples(st.just("say"), which, st.sampled_from([*PEOPLE, JANE, CI]), ways, st.sampled_from([True, True, True, False])),
    st.tuples(st.just("say"), st.just(0), st.just(JANE), ways, st.just(True)),  # to what is hers
    st.tuples(st.just("turn"), which),
    st.tuples(st.just("turn"), which),
    st.tuples(st.just("deliver"), which, st.booleans()),
    st.tuples(st.just("lose"), which),
    st.tuples(st.just("wake"), which),
    st.tuples(st.just("step"), which, st.sampled_from(["check", "decide", "begin", "end", "page", "end"])),
    st.tuples(st.just("issue"), which),
    st.tuples(st.just("end"), which, st.sampled_from(PEOPLE)),
    st.tuples(st.just("fate"), st.sampled_from(["dies before", "dies after", "fails before", "fails after"]), st.integers(0, 3)),
    st.tuples(st.just("unknown"), st.sampled_from(["in part", "fails"]), st.integers(1, 6)),
    st.tuples(st.just("dead"), which),
    st.just(("reconcile",)),
    st.tuples(st.just("clock"), st.sampled_from([-7200, -90, -1, 1, 1700, 1800, 3600, 7300, 9 * 3600])),
    st.tuples(st.just("rules"), st.integers(0, len(RULE_BOOKS) - 1)),
    st.tuples(st.just("move"), st.sampled_from(PEOPLE), st.frozensets(st.sampled_from(["payments", "security", "owners"])), st.booleans()),
    st.tuples(st.just("off"), st.sampled_from(PEOPLE)),
    st.tuples(st.just("on"), st.sampled_from(PEOPLE)),
    st.tuples(st.just("ways"), st.sampled_from([frozenset(Via), frozenset({Via.SIGV4})])),
    st.tuples(st.just("role"), st.booleans()),
)
LIFE: Final[tuple[Any, ...]] = (
    ("ask", JANE, None, 60), ("deliver", 0, False), ("turn", 0), ("say", 0, JOE, Via.SIGV4, True), ("say", 0, ANN, Via.SIGV4, True),
    ("deliver", 0, True), ("deliver", 0, False), ("turn", 0), ("clock", 2), ("turn", 0), ("issue", 0), ("clock", 1700), ("issue", 0),
    ("clock", 1900), ("turn", 0), ("deliver", 0, False),
)  # fmt: skip
"""As it goes where nothing comes between."""
WRITES_OF_A_LIFE: Final = 25


@st.composite
def histories(draw: st.DrawFn) -> list[Any]:
    """A life, with something else between some of its steps, and with some left out."""
    disturbed = draw(st.sets(st.integers(0, len(LIFE) - 1), min_size=1, max_size=5))
    steps: list[Any] = []
    for place, each in enumerate(LIFE):
        if place in disturbed:
            steps += draw(st.lists(anything, min_size=1, max_size=4))
        if place not in disturbed or draw(st.booleans()):
            steps.append(each)
    return steps


def happen(world: Histories, step: Any) -> None:
    world.take_from_outbox()
    grant = world.picked(step[1]) if len(step) > 1 and isinstance(step[1], int) else None
    match step:
        case ("ask", person, ahead, minutes):
            world.ask(person, minutes=minutes, starts_at=None if ahead is None else world.clock.now() + timedelta(minutes=ahead))
        case ("say", _, who, via, yes) if grant is not None:
            world.say_by(grant, who, via, yes=yes)
        case ("turn", _) if grant is not None:
            world.turn(grant.id)
        case ("deliver", number, again) if world.on_the_bus:
            place = number % len(world.on_the_bus)
            world.wake(world.on_the_bus[place])  # and where that fails, the queue has it still
            if not again:
                world.on_the_bus.pop(place)
        case ("lose", number) if world.on_the_bus:
            world.on_the_bus.pop(number % len(world.on_the_bus))
        case ("wake", _) if grant is not None:
            world.wake(grant.id)
        case ("step", _, step_name) if grant is not None:
            world.step(grant, step_name)
        case ("issue", _) if grant is not None:
            world.issue(grant)
        case ("end", _, person) if grant is not None:
            world.end(grant, person, "Enough.")
        case ("fate", fate, after):
            world.fates[:] = ["lives"] * after + [fate]
        case ("unknown", fate, look_ups):
            world.unknown[:] = [fate] * look_ups
        case ("dead", _) if grant is not None:
            world.kill(grant.id)
        case ("reconcile",):
            world.reconcile()
        case ("clock", seconds):
            world.tick(seconds)
        case ("rules", number):
            world.rules = RULE_BOOKS[number]
        case ("move", person, groups, on_call):
            asker = Asker(person, groups, PAY, frozenset({"payments"} if on_call else ()))
            world.everybody[person.user_id] = asker
            if person.user_id in world.people:
                world.people[person.user_id] = asker
        case ("off", person):
            world.people.pop(person.user_id, None)
        case ("on", person):
            world.people[person.user_id] = world.everybody[person.user_id]
        case ("ways", those):
            world.ways = {via: at for via, at in World().ways.items() if via in those}
        case ("role", there):
            world.target = World().target if there else None


def lived_through(steps: list[Any], rules: Entitlements) -> Histories:
    """Whoever fails, or dies, at one step leaves the next ones to others. After each, what must never be is looked for."""
    world = Histories(rules)
    before: dict[str, Grant] = {}
    for step in steps:
        with suppress(DoorwardError, Died):
            happen(world, step)
        judge_transitions(world, before)
        before = dict(world.grants.kept)
    return world


def judge_transitions(world: Histories, before: dict[str, Grant]) -> None:
    for grant in world.all():
        was = before.get(grant.id)
        if was is grant:
            continue
        # Within one step there may be several transitions; that it became active was the last, and is judged by what is known now.
        if grant.state is State.ACTIVE:
            assert world.agreed(grant)
        assert grant.starts_at is None or (grant.ends_at is not None and grant.ends_at - grant.starts_at == grant.lasts)
        if was is not None:
            assert (was.person, was.request) == (grant.person, grant.request)
            assert was.ends_at in {None, grant.ends_at}
        assert grant.person.user_id not in world.yes_to(grant)
        assert not (grant.is_over and world.grants.opening(grant.id))


def judge_audit(world: Histories) -> None:
    """Every version has its item and was told, and each followed from the one before."""
    for grant in world.all():
        items = [(version, did) for its_id, version, did, _ in world.grants.audit if its_id == grant.id]
        assert [version for version, _ in items] == list(range(1, grant.version + 1))
        states = [State(did) for _, did in items]
        for was, then in zip([None, *states], states, strict=False):
            assert then in NEXT[was]
        for version, state in enumerate(states, 1):
            assert state is State.PENDING or f"{grant.id}-{version}" in world.grants.announced
    for question in world.questions.kept.values():
        versions = [version for its_id, version, *_ in world.questions.audit if its_id == question.id]
        assert versions == list(range(1, question.version + 1))
        assert all(f"{question.id}-{version}" in world.questions.announced for version in versions)


def judge_issued(world: Histories, grant: Grant, issue: Issue) -> None:
    """By our evaluator, for a role that may do everything: all of its scope a second before the end, nothing a second after."""
    assert grant.state is State.ACTIVE
    assert world.agreed(grant)
    assert grant.ends_at == issue.ends_at
    assert world.clock.now() < issue.ends_at
    policy = parse_document(issue.policy)
    assert all(allowed(policy, issue, issue.ends_at - timedelta(seconds=1)))
    assert not any(allowed(policy, issue, issue.ends_at + timedelta(seconds=1)))
    world.minted += 1


def allowed(policy: Document, issue: Issue, at: datetime) -> Iterator[bool]:
    session = f"{issue.role_arn.replace(':iam:', ':sts:').replace(':role/doorward/grants/', ':assumed-role/')}/{issue.session_name}"
    for statement in policy.statements:
        for action, resource in reached(statement):
            asked = Request(session, "AWS", action, {"aws:CurrentTime": f"{at:%Y-%m-%dT%H:%M:%SZ}"}, resource, session.split(":")[4])
            yield evaluate(Policies(identity=(EVERYTHING,), session=policy), asked).outcome == "allowed"


def reached(statement: Statement) -> Iterator[tuple[str, str]]:
    """Of an Allow, an action of each kind on each of its resources."""
    if statement.effect == "Allow":
        for action in statement.actions or ():
            for resource in statement.resources or ():
                yield action.replace("*", "GetObject"), resource.replace("*", "x")


def come_to_rest(world: Histories) -> None:
    """Nothing fails any more, what was announced is delivered, whoever reconciles does what is late and has it woken, and time passes.

    What is dead stays so, and comes to its end by him alone.
    """
    world.fates.clear()
    world.unknown.clear()
    for _ in range(200):
        world.take_from_outbox()
        while world.on_the_bus:
            world.wake(world.on_the_bus.pop())
        left = [*world.grants.standing(), *world.grants.waiting()]
        if not left and all(each in world.runs and world.runs[each].has_ended for each in world.executions.started):
            return
        world.reconcile()
        for grant_id in world.executions.started:
            world.turn(grant_id)
        waiting = [each.until - world.passed for each in world.runs.values() if not each.looks and not each.has_ended]
        world.tick(min([EVERY_FIVE_MINUTES, *waiting]) + 1)
    pytest.fail(f"it never ends: {[(each.state, world.runs.get(each.id)) for each in world.grants.standing()]}")


books = st.sampled_from([*RULE_BOOKS[:6], RULE_BOOKS[0], RULE_BOOKS[1]])


@settings(max_examples=400)
@given(histories(), books)
def test_nobody_has_anything_that_others_did_not_agree_to_and_nothing_gets_lost(steps: list[Any], rules: Entitlements) -> None:
    """The four properties at once, since a history that breaks one of them is as good for the others.

    Nobody is active without the approvals that the rules in force ask for; nobody approves for himself; no credential is of any use after
    its grant's end; and no transition is lost: everything ends, and each version has its audit item and was told.
    """
    world = lived_through(steps, rules)
    judge_audit(world)
    come_to_rest(world)
    judge_audit(world)
    for grant in world.all():
        assert grant.is_over
        question = world.question(grant)
        assert question is None or question.state is not Decision.OPEN
        assert world.grants.token(grant.id) is None


@pytest.mark.parametrize("fate", ["lives", "dies before", "dies after", "fails before", "fails after"])
@pytest.mark.parametrize("write", range(WRITES_OF_A_LIFE))
def test_whichever_write_of_a_life_fails_it_comes_to_the_same_end(fate: str, write: int) -> None:
    """Of each write in turn, and whoever was at it does it again: as Lambda, SQS, Step Functions and people do."""
    world = Histories(RULE_BOOKS[0])
    world.fates[:] = ["lives"] * write + [fate]
    for step in LIFE:
        for _ in range(2):
            if step[0] == "ask" and world.all():
                break
            try:
                happen(world, step)
                break
            except (DoorwardError, Died):
                continue
    judge_transitions(world, {})
    come_to_rest(world)
    judge_audit(world)
    (grant,) = world.all()
    assert world.states(grant) == ["requested", "pending", "approved", "active", "ending", "closed"]
    assert world.grants.token(grant.id) is None


@pytest.mark.parametrize("fate", ["in part", "fails"])
@pytest.mark.parametrize("look_up", range(24))
def test_whichever_look_up_of_a_life_fails_what_people_said_yes_to_is_not_lost(fate: str, look_up: int) -> None:
    """Of each look-up in turn, by rules for which everything about everybody counts; and whoever was at it does it again."""
    world = Histories(entitlements(THEIRS))
    world.people[JOE.user_id] = Asker(JOE, frozenset(), {}, frozenset({"payments"}))
    happen(world, LIFE[0])
    world.unknown[:] = ["known"] * look_up + [fate]
    for step in LIFE[1:]:
        for _ in range(2):
            try:
                happen(world, step)
                break
            except (DoorwardError, Died):
                continue
    judge_transitions(world, {})
    come_to_rest(world)
    judge_audit(world)
    (grant,) = world.all()
    assert world.states(grant) == ["requested", "pending", "approved", "active", "ending", "closed"]


@pytest.mark.parametrize("steps", range(1, len(LIFE)))
def test_one_whose_execution_is_dead_for_good_ends_by_whoever_reconciles_and_has_what_was_agreed_to(steps: int) -> None:
    """At whatever point of its life, and people go on as before."""
    world = Histories(RULE_BOOKS[0])
    for place, step in enumerate(LIFE):
        if place == steps:
            world.executions.start(world.all()[0].id)
            happen(world, ("dead", 0))
        with suppress(DoorwardError):
            happen(world, step)
        if place >= steps and not world.all()[0].is_over:
            world.tick(EVERY_FIVE_MINUTES)
            happen(world, ("reconcile",))
    come_to_rest(world)
    judge_audit(world)
    (grant,) = world.all()
    assert world.states(grant) == ["requested", "pending", "approved", "active", "ending", "closed"]
    assert world.runs[grant.id].has_ended


def test_undisturbed_a_life_goes_through_all_of_it_and_credentials_are_had() -> None:
    """Or the properties above would be about nothing."""
    world = lived_through(list(LIFE), RULE_BOOKS[0])
    (grant,) = world.all()
    assert world.states(grant) == ["requested", "pending", "approved", "active", "ending", "closed"]
    assert world.minted == 2
    assert world.runs[grant.id].has_ended
    again = Histories(RULE_BOOKS[0], fates=["lives"] * 99)
    for step in LIFE:
        happen(again, step)
    assert 99 - len(again.fates) == WRITES_OF_A_LIFE
    assert hours(0) == START
