"""People hold a role: nothing is written to it meanwhile, everybody may know, and at the end it is judged again."""

from copy import replace
from datetime import UTC, datetime, timedelta, timezone
from unittest.mock import patch

import pytest

from doorward.decisions.model import Hold, Question, State
from doorward.errors import Throttled
from doorward.events.hints import Hint, hint_as_text
from doorward.events.model import Cause
from doorward.guardrails.brakes import Stop
from doorward.guardrails.looks import Look, trust_hash_of
from doorward.guardrails.model import Deciders, Guardrails
from doorward.iam.documents import hash_of_text
from doorward.organization.model import Match
from doorward.people.model import Caller, Person, Refusal, Via
from doorward.usecases.hold_role import LONGEST, hold_role
from tests.fakes import START
from tests.unit.test_decide_finding import ANN, EVE, JOE, PAYMENTS, Office
from tests.unit.test_react_to_change import ALL_BAD, BAD, ENFORCE, GOOD, PROD, event, role

ENFORCING = ENFORCE._replace(deciders=(Deciders(Match(), ("security",)),))


def with_quorum(quorum: int) -> Guardrails:
    return ENFORCE._replace(deciders=(Deciders(Match(), ("security",), quorum=quorum),))


class Holding(Office):
    """An office where what is found is put back, unless somebody holds it."""

    def __init__(self, trust: str = GOOD) -> None:
        super().__init__(ENFORCING, trust)
        self.until = self.world.clock.now() + timedelta(hours=2)

    def hold(self, who: Person, *, via: Via = Via.SIGV4, until: datetime | None = None, role_ref: str = PAYMENTS) -> Question | Refusal:
        wanted = Hold(role_ref, until or self.until, "a release is under way")
        return hold_role(wanted, Caller(who, via), self.world.roles.roles.get, self.tools)

    def state_of_hold(self, who: Person, **how: object) -> State:
        found = self.hold(who, **how)  # type: ignore[arg-type]
        assert isinstance(found, Question), found
        return found.state

    def changes(self, trust: str, number: int) -> list[str]:
        self.world.clock.sleep(5)
        self.world.roles.put(role(trust))
        return self.world.react(event(document=trust, event_id=f"e-{number}", at=self.world.clock.now()))


def test_one_holds_a_role_and_what_is_found_meanwhile_is_asked_about_until_its_end() -> None:
    office = Holding()
    assert office.state_of_hold(ANN) is State.APPROVED
    assert office.carried_out() == ["done"]
    assert office.changes(BAD, 10) == ["asked"]
    assert "a release is under way" in office.case.detail["because"]
    assert office.case.due_at == office.until.replace(microsecond=0)
    office.world.clock.time = office.until + timedelta(seconds=1)
    hint = Hint(PROD, Cause.TRUST, "due", office.case.id, office.world.clock.now(), role_name="payments", follows=office.case.id)
    assert office.world.react(hint_as_text(hint)) == ["reverted"]


def test_critical_takes_two_and_one_of_them_signs() -> None:
    office = Office(trust=ALL_BAD)
    holding = Holding.__new__(Holding)
    holding.__dict__.update(office.__dict__, until=office.world.clock.now() + timedelta(hours=2))
    assert holding.state_of_hold(ANN, via=Via.SLACK) is State.OPEN
    assert holding.carried_out() == []
    assert holding.state_of_hold(ANN, via=Via.SLACK) is State.OPEN
    assert holding.state_of_hold(JOE) is State.APPROVED
    assert holding.carried_out() == ["done"]
    (stop,) = holding.world.brakes.stops
    assert (stop.scope, stop.by, stop.until) == (
        f"role {PAYMENTS}",
        "ann@acme.example, joe@acme.example",
        holding.until.replace(microsecond=0),
    )
    assert holding.case.due_at == stop.until


def test_whoever_caused_the_finding_does_not_hold_its_role() -> None:
    office = Office(trust=ALL_BAD)
    office.behind = frozenset({EVE.user_id})
    wanted = Hold(PAYMENTS, office.world.clock.now() + timedelta(hours=1), "mine")
    assert isinstance(hold_role(wanted, Caller(EVE, Via.SIGV4), office.world.roles.roles.get, office.tools), Refusal)


@pytest.mark.parametrize("hours", [0, -1, 4.01, 24])
def test_four_hours_at_most_and_not_in_the_past(hours: float) -> None:
    office = Holding()
    until = office.world.clock.now() + timedelta(hours=hours)
    assert isinstance(office.hold(ANN, until=until), Refusal)
    assert office.world.questions.kept == {}


def test_the_same_time_in_another_zone_is_the_same_hold() -> None:
    office = Office(trust=ALL_BAD)
    until = office.world.clock.now() + LONGEST - timedelta(minutes=1)
    for who, zone in ((ANN, UTC), (JOE, timezone(timedelta(hours=5, minutes=30)))):
        wanted = Hold(PAYMENTS, until.astimezone(zone), "why")
        found = hold_role(wanted, Caller(who, Via.SIGV4), office.world.roles.roles.get, office.tools)
    assert isinstance(found, Question)
    assert found.state is State.APPROVED


def test_a_role_that_is_not_there_is_not_held() -> None:
    office = Holding()
    assert isinstance(office.hold(ANN, role_ref=f"{PROD}/nothing"), Refusal)


def test_a_hold_whose_time_is_over_before_it_is_carried_out_holds_nothing() -> None:
    office = Holding()
    assert office.state_of_hold(ANN) is State.APPROVED
    office.world.clock.time = office.until + timedelta(seconds=1)
    assert office.carried_out() == ["withdrawn"]
    assert office.world.brakes.stops == []


@pytest.mark.parametrize(
    ("voices", "outcome"),
    [
        (((EVE, Via.SLACK),), "reverted"),
        (((EVE, Via.SIGV4),), "reverted"),
        (((EVE, Via.SLACK), (ANN, Via.SLACK)), "reverted"),
        (((EVE, Via.SLACK), (ANN, Via.SIGV4)), "asked"),
    ],
)
def test_whoever_holds_a_role_first_and_opens_it_afterwards_needs_those_whom_that_takes(
    voices: tuple[tuple[Person, Via], ...], outcome: str
) -> None:
    office = Holding()
    office.tools = replace(office.tools, guardrails=with_quorum(len(voices)))
    states = [office.state_of_hold(who, via=via) for who, via in voices]
    assert (states[-1], office.carried_out()) == (State.APPROVED, ["done"])
    assert office.changes(ALL_BAD, 10) == [outcome]
    assert (office.world.stands() == ALL_BAD) is (outcome == "asked")
    (found,) = [each.detail for each in office.world.ledger.outbox.values() if each.detail_type == "TrustViolationFound"]
    assert ("takes 2 to hold, and one of them signs" in found["because"]) is (outcome == "reverted")


def test_of_a_change_that_no_event_told_of_two_have_to_hold_the_role() -> None:
    """Nobody can tell whether the one who held it is the one who opened it."""
    for quorum, outcome in ((1, "reverted"), (2, "asked")):
        office = Holding()
        office.tools = replace(office.tools, guardrails=with_quorum(quorum))
        assert [office.state_of_hold(who) for who in (ANN, JOE)[:quorum]][-1] is State.APPROVED
        assert office.carried_out() == ["done"]
        world = office.world
        world.clock.sleep(5)
        world.roles.put(role(BAD))
        look = str(Look(trust_hash_of(role(BAD).role_id, hash_of_text(BAD)), "", "", "", "", "", ""))
        seen_at = world.clock.now()
        world.clock.sleep(int(world.tools.events_take.total_seconds()) + 1)
        hint = Hint(PROD, Cause.TRUST, "A sweep saw it.", "sweep-1", seen_at, role_name="payments", look=look)
        assert world.react(hint_as_text(hint)) == [outcome]


@pytest.mark.parametrize(
    "stands",
    [
        Stop("", "operator", "an incident", START),
        Stop("", "operator", "an incident", START, START + timedelta(days=2)),
        Stop("", "ann, joe", "a release", START, START + timedelta(hours=3), 2, signed=True),
    ],
)
def test_a_hold_ends_nothing_that_people_have_stopped_for_longer_and_is_withdrawn_instead(stands: Stop) -> None:
    office = Holding()
    stands = stands._replace(scope=f"role {PAYMENTS}")
    office.world.brakes.stops.append(stands)
    assert office.state_of_hold(EVE) is State.APPROVED
    assert office.carried_out() == ["withdrawn"]
    assert office.world.brakes.stops == [stands]


def test_a_hold_that_was_set_before_its_end_was_kept_is_the_same() -> None:
    office = Holding()
    assert office.state_of_hold(ANN) is State.APPROVED
    sent = list(office.world.hints.sent)
    with patch.object(office.world.questions, "move", side_effect=Throttled("slower")), pytest.raises(Throttled):
        office.carried_out()
    office.world.hints.sent = sent
    assert office.carried_out() == ["done"]
    (stop,) = office.world.brakes.stops
    assert (stop.agreed, stop.signed) == (1, True)
