"""Whatever happens to a grant, in whatever order, twice, late, by whomever, with clocks that jump: what must never be never is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.decisions.answering import answer, confirmed, ended, reminded
from doorward.decisions.model import EVER, Question
from doorward.decisions.model import State as Decision
from doorward.grants.agreement import Agreement, why_it_falls
from doorward.grants.entitled import rule_on
from doorward.grants.grant import Grant, State, question_of
from doorward.grants.issuing import Issue, opening_of, what_is_issued
from doorward.grants.lifecycle import Begun, Checked, Decided, EndAsked, Ended, Event, TakenBack, TimePassed, advance
from doorward.grants.model import Entitlements, Ruling
from doorward.grants.session_policy import SessionPolicy, compile_policy
from doorward.iam.documents import parse_document
from doorward.iam.evaluate import Policies, Request, evaluate
from doorward.people.model import Caller, Machine, Person, Refusal, Via
from tests.grants_world import ANN, DENY, GRANT_ID, JANE, JOE, ORDERS, PEOPLE, PROD, START, asker, entitlements, facts, hours, request, rule

ONE = rule("one", start_within_hours=4)
RULE_BOOKS = (
    entitlements(ONE),
    entitlements(ONE, rule("two", start_within_hours=4, approve={"groups": ["owners"], "quorum": 2})),
    entitlements(ONE, rule("three", start_within_hours=4, approve={"groups": ["owners"], "escalate_to": ["security"], "by_sigv4": True})),
    entitlements(rule("free", start_within_hours=4, automatic={"always": True})),
    entitlements(ONE, DENY),
    entitlements(rule("short", minutes=30)),
)
OVER = frozenset({State.CLOSED, State.REFUSED, State.EXPIRED, State.CANCELLED, State.REVOKED})
NEXT = {
    State.REQUESTED: {State.PENDING, State.APPROVED, State.REFUSED, State.EXPIRED, State.CANCELLED, State.REVOKED},
    State.PENDING: {State.APPROVED, State.REFUSED, State.EXPIRED, State.CANCELLED, State.REVOKED},
    State.APPROVED: {State.ACTIVE, State.REFUSED, State.EXPIRED, State.CANCELLED, State.REVOKED},
    State.ACTIVE: {State.ENDING},
    State.ENDING: {State.CLOSED, State.REVOKED},
}
groups = st.frozensets(st.sampled_from(["security", "owners"]))
callers = st.builds(Caller, st.sampled_from([*PEOPLE, Machine("arn:aws:iam::444455556666:role/ci")]), st.sampled_from(Via))
anything = st.one_of(
    st.just(("check",)),
    st.tuples(st.just("say"), callers, st.sampled_from([True, True, True, False])),
    st.just(("decide",)),
    st.just(("begin",)),
    st.just(("time",)),
    st.just(("ended",)),
    st.tuples(st.just("end"), callers),
    st.just(("take back",)),
    st.tuples(st.just("clock"), st.sampled_from([-90, -1, 1, 29, 30, 60, 200, 9 * 60])),
    st.tuples(st.just("rules"), st.sampled_from(RULE_BOOKS)),
    st.tuples(st.just("move"), st.sampled_from(PEOPLE), groups),
    st.tuples(st.just("again"), st.integers(0, 30)),
)
LIFE = (
    ("check",),
    ("say", Caller(JOE, Via.SIGV4), True),
    ("say", Caller(ANN, Via.SLACK), True),
    ("decide",),
    ("clock", 1),
    ("begin",),
    ("issue",),
    ("clock", 20),
    ("issue",),
    ("clock", 60),
    ("time",),
    ("ended",),
)
"""As it goes where nothing comes between."""


@st.composite
def histories(draw: st.DrawFn) -> list[Any]:
    """A life, with something else between some of its steps, and with some left out."""
    disturbed = draw(st.sets(st.integers(0, len(LIFE) - 1), max_size=4))
    steps: list[Any] = []
    for place, each in enumerate(LIFE):
        if place in disturbed:
            steps += draw(st.lists(anything, min_size=1, max_size=3))
        if place not in disturbed or draw(st.booleans()):
            steps.append(each)
    return steps


@dataclass
class World:
    """What surrounds one grant. `said` are yeses by whoever might say so when he did, kept beside the question, in our own words."""

    grant: Grant
    rules: Entitlements
    groups: dict[str, frozenset[str]]
    now: datetime = START
    question: Question | None = None
    said: dict[str, set[Via]] = field(default_factory=dict)
    happened: list[Event] = field(default_factory=list)

    def ruling(self) -> Ruling | Refusal:
        return rule_on(self.rules, self.grant.request, facts(asker(self.grant.person)))

    def found(self) -> Agreement:
        ways = dict.fromkeys(Via, EVER)
        return Agreement(self.ruling(), self.grant.person, ORDERS, self.policy(), self.question, self.groups, ways)

    def policy(self) -> SessionPolicy | Refusal:
        return compile_policy(self.rules.templates["read-bucket"], self.grant.request.parameters, ORDERS, hours(9))

    def event(self, step: Any) -> Event | None:
        match step:
            case ("check",):
                return Checked(self.ruling(), self.policy(), ORDERS)
            case ("decide",):
                return Decided(self.found(), self.now)
            case ("begin",):
                return Begun(self.found(), self.now)
            case ("time",):
                return TimePassed(self.now)
            case ("ended",):
                return Ended()
            case ("take back",):
                return TakenBack("He left.")
            case ("end", caller):
                their = self.groups.get(caller.who.user_id, frozenset()) if isinstance(caller.who, Person) else frozenset({"security"})
                return EndAsked(caller, their, self.rules.revokers)
            case ("again", number):
                return self.happened[number % len(self.happened)] if self.happened else None
        return None

    def surround(self, step: Any) -> None:
        """What happens beside the grant: people speak, move and leave, rules and clocks change."""
        match step:
            case ("clock", minutes):
                self.now += timedelta(minutes=minutes)
            case ("rules", rules):
                self.rules = rules
            case ("move", person, their):
                self.groups[person.user_id] = their
            case ("say", caller, yes):
                self.say(caller, yes=yes)
        if self.grant.state is State.PENDING and self.question is None:
            self.question = question_of(self.grant, self.now)
        if self.question is not None:
            self.question = ended(self.question, self.now) or reminded(self.question, self.now) or self.question

    def say(self, caller: Caller, *, yes: bool) -> None:
        if self.question is None:
            return
        their = self.groups.get(caller.who.user_id, frozenset()) if isinstance(caller.who, Person) else frozenset({"security", "owners"})
        found = answer(self.question, caller, their, self.question.shown_hash, dict.fromkeys(Via, EVER), self.now, yes=yes)
        if isinstance(found, Refusal) or found == self.question:
            return
        assert isinstance(caller.who, Person)
        if yes:
            self.said.setdefault(caller.who.user_id, set()).add(caller.via)
        again = confirmed(found, self.groups.get, dict.fromkeys(Via, EVER)) if found.state is Decision.APPROVED else found
        self.question = again

    def agreed(self) -> bool:
        """Whether the rules in force have what they ask for, counted by heads and not by anything of decisions."""
        if isinstance(self.ruling(), Refusal):
            return False
        for each in self.rules.allows:
            if each.automatic is not None:
                continue
            (consent,) = each.terms.also
            escalated = self.question is not None and self.question.escalated_at is not None
            may = consent.approvers | (consent.escalate_to if escalated else frozenset())
            people = {user_id for user_id in self.said if self.groups.get(user_id, frozenset()) & may and user_id != JANE.user_id}
            if len(people) < consent.quorum:
                return False
            if consent.by_sigv4 and not any(Via.SIGV4 in self.said[user_id] for user_id in people):
                return False
        return True


def opened(policy: str, at: datetime) -> Iterator[bool]:
    """For every action of the template, whether the session may do it at that time."""
    everything = parse_document({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    for action, resource in (("s3:GetObject", "arn:aws:s3:::acme-orders/x"), ("s3:ListBucket", "arn:aws:s3:::acme-orders")):
        session = f"arn:aws:sts::{PROD.id}:assumed-role/orders/x"
        asked = Request(session, "AWS", action, {"aws:CurrentTime": f"{at:%Y-%m-%dT%H:%M:%SZ}"}, resource, PROD.id)
        yield evaluate(Policies(identity=(everything,), session=parse_document(policy)), asked).outcome == "allowed"


def checked_step(world: World, event: Event) -> None:
    before = world.grant
    found = advance(before, event)
    world.happened.append(event)
    if isinstance(found, Refusal):
        assert found.because
        assert found.cure
        return
    if found == before:
        return
    assert found.version == before.version + 1
    assert found.state in NEXT.get(before.state, set())
    assert (found.id, found.person, found.request) == (before.id, before.person, before.request)
    assert before.ends_at in {None, found.ends_at}
    assert before.starts_at in {None, found.starts_at}
    if found.ends_at is not None and found.starts_at is not None:
        assert found.ends_at - found.starts_at == timedelta(minutes=found.request.minutes)
    assert advance(found, event) == found, "whoever does it again changes nothing"
    world.grant = found


def try_to_issue(world: World) -> None:
    grant = world.grant
    found = what_is_issued(grant, opening_of(grant), world.rules.templates["read-bucket"], world.now, console=False)
    if isinstance(found, Issue) and why_it_falls(grant, world.found()) is None:
        assert grant.state is State.ACTIVE
        assert grant.ends_at == found.ends_at
        assert world.agreed()
        assert world.now < found.ends_at
        assert all(opened(found.policy, found.ends_at - timedelta(seconds=1)))
        assert not any(opened(found.policy, found.ends_at + timedelta(seconds=1)))


@settings(max_examples=300)
@given(histories(), st.sampled_from([None, None, hours(0), hours(2)]), st.sampled_from([10, 30, 60]), st.sampled_from(RULE_BOOKS))
def test_nobody_is_active_without_the_approvals_that_the_rules_in_force_ask_for(
    everything: list[Any], starts_at: datetime | None, minutes: int, rules: Entitlements
) -> None:
    asked = request(starts_at=starts_at, minutes=minutes)
    people = {each.user_id: frozenset({"security", "owners"}) for each in PEOPLE}
    world = World(Grant(GRANT_ID, JANE, asked), rules, people)
    for step in everything:
        before = world.grant
        world.surround(step)
        if step == ("issue",):
            try_to_issue(world)
        event = world.event(step)
        if event is not None:
            checked_step(world, event)
        after = world.grant
        if before.state in OVER:
            assert after == before
        if after.state is State.ACTIVE and before.state is not State.ACTIVE and step[0] == "begin":
            assert world.agreed()
            assert after.starts_at is not None
            assert after.ends_at is not None
            assert after.starts_at <= world.now < after.ends_at
        assert JANE.user_id not in world.said
        assert world.question is None or JANE.user_id not in world.question.yes


@settings(max_examples=300)
@given(histories(), st.sampled_from(RULE_BOOKS))
def test_everything_ends_once_its_time_is_over_whatever_happened(everything: list[Any], rules: Entitlements) -> None:
    """No transition is lost: from wherever a history left it, what is delivered again brings it to an end."""
    world = World(Grant(GRANT_ID, JANE, request()), rules, {each.user_id: frozenset({"security", "owners"}) for each in PEOPLE})
    for step in everything:
        world.surround(step)
        event = world.event(step)
        if event is not None:
            checked_step(world, event)
    for step in (("clock", 60 * 24 * 30), ("check",), ("clock", 0), ("clock", 60 * 24), ("decide",), ("begin",), ("time",), ("ended",)):
        world.surround(step)
        event = world.event(step)
        if event is not None:
            checked_step(world, event)
    assert world.grant.state in OVER


def usual_events() -> list[Event]:
    """Those of a grant that people approve, with what was looked up for each, in their order."""
    rules = RULE_BOOKS[0]
    world = World(Grant(GRANT_ID, JANE, request()), rules, {each.user_id: frozenset({"security"}) for each in PEOPLE})
    events: list[Event] = []
    for step in (*LIFE, ("time",), ("ended",)):
        world.surround(step)
        event = world.event(step)
        if event is not None:
            checked_step(world, event)
            events.append(event)
    return [*events, EndAsked(Caller(JANE, Via.SIGV4), frozenset(), frozenset()), TakenBack("He left.")]


EVENTS = usual_events()


@given(
    st.lists(st.integers(0, len(EVENTS) - 1), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.sampled_from([True, True, True, False])), max_size=60),
)
def test_of_workers_who_read_decide_and_keep_at_once_and_die_in_between_no_transition_is_lost(
    work: list[int], turns: list[tuple[int, bool]]
) -> None:
    """Each keeps what he made of what he read, if that still stands; otherwise, or if he died, he begins anew."""
    kept = [Grant(GRANT_ID, JANE, request())]
    read: dict[int, Grant] = {}
    for turn, lives in turns:
        worker = turn % len(work)
        if not lives:
            read.pop(worker, None)
        elif worker not in read:
            read[worker] = kept[-1]
        else:
            before = read.pop(worker)
            found = advance(before, EVENTS[work[worker]])
            if isinstance(found, Grant) and found != before and found.version == kept[-1].version + 1:
                kept.append(found)
    for event in EVENTS:  # and all of it once more
        found = advance(kept[-1], event)
        if isinstance(found, Grant) and found != kept[-1]:
            kept.append(found)
    assert [each.version for each in kept] == list(range(1, len(kept) + 1))
    for before, after in pairwise(kept):
        assert after.state in NEXT[before.state]
        assert after.state is not State.ACTIVE or before.state is State.APPROVED
    if State.ACTIVE in {each.state for each in kept}:
        assert {State.REQUESTED, State.PENDING, State.APPROVED} <= {each.state for each in kept}
    assert kept[-1].state in OVER
