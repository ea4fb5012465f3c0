"""People accept what stands: from then on it is what is put back."""

import pytest

from doorward.decisions.model import Answer, Question, State
from doorward.events.hints import Hint, hint_as_text
from doorward.events.model import Cause
from doorward.people.model import Caller, Person, Refusal, Via
from doorward.usecases.accept_baseline import ACCEPT, accept_baseline, show_baseline
from tests.unit.test_decide_finding import ANN, EVE, JOE, PAYMENTS, Office
from tests.unit.test_hold_role import ENFORCING
from tests.unit.test_react_to_change import ALL_BAD, BAD, GOOD, PIPELINE, PROD, event, role, trusting

WIDER = trusting("arn:aws:iam::444455556666:role/batch", f"arn:aws:iam::{PROD}:role/app")


class Accepting(Office):
    """Nobody has found anything: GOOD is accepted, and WIDER was written by somebody."""

    def __init__(self, trust: str = WIDER) -> None:
        super().__init__(ENFORCING, trust)

    def shown(self, role_ref: str = PAYMENTS) -> dict[str, object]:
        found = show_baseline(role_ref, self.world.roles.roles.get, self.tools)
        assert not isinstance(found, Refusal)
        return found

    def accept(self, who: Person, *, yes: bool = True, seen: str | None = None) -> Question | Refusal:
        shown = str(self.shown()["shown"]) if seen is None else seen
        answer = Answer(ACCEPT, yes, shown, "reviewed, CHANGE-1")
        return accept_baseline(PAYMENTS, Caller(who, Via.SIGV4), answer, self.world.roles.roles.get, self.tools)

    def state_of(self, who: Person) -> State:
        found = self.accept(who)
        assert isinstance(found, Question), found
        return found.state

    @property
    def accepted(self) -> str:
        ((_, baseline),) = self.world.ledger.accepted.items()
        return baseline.document


def test_what_lets_somebody_new_in_is_accepted_on_two_people_s_word_and_is_put_back_from_then_on() -> None:
    office = Accepting()
    assert office.outcome == ["passed"]
    assert (office.shown()["is_accepted"], office.accepted) == (False, GOOD)
    assert office.state_of(ANN) is State.OPEN  # who wrote it may be her
    assert office.state_of(JOE) is State.APPROVED
    assert office.carried_out() == ["done"]
    assert office.accepted == WIDER
    assert office.shown()["is_accepted"] is True
    ((_, baseline),) = office.world.ledger.accepted.items()
    assert (baseline.accepted_by, baseline.because) == ("ann@acme.example, joe@acme.example", "reviewed, CHANGE-1")
    accepted = [each for each in office.world.ledger.outbox.values() if each.detail_type == "TrustBaselineAccepted"]
    assert accepted[-1].detail["accepted_by"] == "ann@acme.example, joe@acme.example"
    office.world.roles.put(role(BAD))
    office.world.clock.sleep(5)
    assert office.world.react(event(document=BAD, event_id="e-9", at=office.world.clock.now())) == ["reverted"]


def test_a_first_policy_is_accepted_where_none_was() -> None:
    office = Accepting()
    office.world.ledger.accepted.clear()
    assert office.shown()["accepted"] is None
    for each in (ANN, JOE):
        office.accept(each)
    assert office.carried_out() == ["done"]
    assert office.accepted == WIDER


@pytest.mark.parametrize("then", [BAD, ALL_BAD, GOOD])
def test_what_does_not_stand_any_more_is_not_accepted(then: str) -> None:
    office = Accepting()
    for each in (ANN, JOE):
        office.accept(each)
    office.world.roles.put(role(then))
    assert office.carried_out() == ["withdrawn"]
    assert office.accepted == GOOD


@pytest.mark.parametrize("bad", [BAD, ALL_BAD])
def test_what_breaks_a_guardrail_is_not_accepted(bad: str) -> None:
    office = Accepting(bad)
    office.world.roles.put(role(bad))  # put back meanwhile, and made again: nobody has told of it yet
    for each in (ANN, JOE):
        office.accept(each)
    assert "withdrawn" in office.carried_out()
    assert office.accepted == GOOD


def test_whoever_is_known_to_have_written_it_does_not_accept_it_and_then_one_is_enough() -> None:
    office = Accepting()
    office.behind = frozenset({EVE.user_id})
    assert isinstance(office.accept(EVE), Refusal)
    assert office.state_of(ANN) is State.APPROVED


ANNS, EVES = f"arn:aws:iam::{PROD}:user/ann", f"arn:aws:iam::{PROD}:user/eve"


class Writing(Accepting):
    """Ann wrote it once, then what was accepted stood again, and then it was written once more."""

    def __init__(self, *, by: str | None) -> None:
        super().__init__(GOOD)
        self.aliases = {ANNS: ANN, EVES: EVE}
        self.put(WIDER, ANNS)
        self.put(GOOD, ANNS)
        self.put(WIDER, by)

    def put(self, trust: str, by: str | None) -> None:
        self.world.clock.sleep(60)
        self.world.roles.put(role(trust))
        now = self.world.clock.now()
        seen = hint_as_text(Hint(PROD, Cause.FACTS, "A fact changed.", f"h-{now:%H%M%S}", now, role_name="payments"))
        self.world.react(seen if by is None else event(document=trust, by=by, event_id=f"e-{now:%H%M%S}", at=now))


def test_who_wrote_it_once_more_is_its_author_and_not_only_who_wrote_it_first() -> None:
    office = Writing(by=EVES)
    assert isinstance(office.accept(EVE), Refusal)
    assert isinstance(office.accept(ANN), Refusal)
    assert office.state_of(JOE) is State.APPROVED


@pytest.mark.parametrize("by", [None, f"arn:aws:iam::{PROD}:user/shared"])
def test_who_wrote_it_once_is_not_known_to_have_written_what_stands_now(by: str | None) -> None:
    office = Writing(by=by)
    assert isinstance(office.accept(ANN), Refusal)
    assert office.state_of(JOE) is State.OPEN
    assert office.state_of(EVE) is State.APPROVED


def test_who_touches_the_role_otherwise_did_not_write_what_stands() -> None:
    office = Writing(by=None)
    now = office.world.clock.now()
    office.world.react(event("AttachRolePolicy", document=None, by=EVES, event_id="e-attached", at=now))
    assert office.world.ledger.head(PAYMENTS).stands_by == ()
    assert office.state_of(JOE) is State.OPEN


def test_who_wrote_what_stood_did_not_write_what_nobody_has_looked_at_yet() -> None:
    office = Writing(by=EVES)
    office.world.roles.put(role(trusting(f"arn:aws:iam::{PROD}:role/app")))
    assert office.state_of(JOE) is State.OPEN


def test_whoever_writes_the_same_while_it_stands_is_its_author_too() -> None:
    office = Writing(by=ANNS)
    office.put(WIDER, EVES)
    assert [isinstance(office.accept(each), Refusal) for each in (ANN, EVE)] == [True, True]
    assert office.state_of(JOE) is State.APPROVED


def test_of_more_writers_than_are_kept_it_takes_two() -> None:
    office = Writing(by=EVES)
    for number in range(30):
        office.put(WIDER, f"{EVES}{number}")
        office.aliases[f"{EVES}{number}"] = EVE
    assert len(office.world.ledger.head(PAYMENTS).stands_by) == 20
    assert office.state_of(JOE) is State.OPEN


def test_what_he_was_not_shown_he_does_not_accept() -> None:
    office = Accepting()
    assert isinstance(office.accept(ANN, seen="0" * 64), Refusal)
    before = str(office.shown()["shown"])
    office.world.roles.put(role(GOOD))
    assert isinstance(office.accept(ANN, seen=before), Refusal)


def test_what_was_accepted_once_can_be_accepted_anew() -> None:
    office = Accepting()
    for policy in (WIDER, GOOD, WIDER, GOOD, WIDER):
        office.world.roles.put(role(policy))
        office.world.clock.sleep(60)
        office.world.react(event(document=policy, event_id=f"e-{office.world.clock.now():%H%M%S}", at=office.world.clock.now()))
        for each in (ANN, JOE):
            office.accept(each)
        office.carried_out()
        assert office.accepted == policy


def test_a_no_is_for_this_policy_alone() -> None:
    office = Accepting()
    refused = office.accept(ANN, yes=False)
    assert isinstance(refused, Question)
    assert refused.state is State.REFUSED
    assert isinstance(office.accept(JOE), Refusal)
    office.world.roles.put(role(trusting(f"arn:aws:iam::{PROD}:role/app")))
    assert isinstance(office.accept(JOE), Question)


def test_a_role_that_is_not_there() -> None:
    office = Accepting()
    assert isinstance(show_baseline(f"{PROD}/nothing", office.world.roles.roles.get, office.tools), Refusal)


def test_a_pipeline_goes_on_accepting_what_it_writes() -> None:
    office = Accepting()
    for each in (ANN, JOE):
        office.accept(each)
    office.carried_out()
    office.world.roles.put(role(GOOD))
    office.world.clock.sleep(5)
    assert office.world.react(event(document=GOOD, by=PIPELINE, event_id="e-7", at=office.world.clock.now())) == ["accepted"]
    assert office.accepted == GOOD
