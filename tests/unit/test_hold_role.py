"""People hold a role: nothing is written to it meanwhile, everybody may know, and at the end it is judged again."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from doorward.decisions.model import Hold, Question, State
from doorward.events.hints import Hint, hint_as_text
from doorward.events.model import Cause
from doorward.guardrails.model import Deciders
from doorward.organization.model import Match
from doorward.people.model import Caller, Person, Refusal, Via
from doorward.usecases.hold_role import LONGEST, hold_role
from tests.unit.test_decide_finding import ANN, EVE, JOE, PAYMENTS, Office
from tests.unit.test_react_to_change import ALL_BAD, BAD, ENFORCE, GOOD, PROD, event, role

ENFORCING = ENFORCE._replace(deciders=(Deciders(Match(), ("security",)),))


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
