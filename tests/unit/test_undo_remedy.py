"""People have a remedy undone: the very policy that it replaced stands for a day, and then the same remedy is written again."""

import json
from copy import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from jsonschema import Draft202012Validator

from doorward.decisions.model import Answer, Question, State
from doorward.errors import Throttled
from doorward.events.hints import Hint, hint_as_text
from doorward.events.model import Cause
from doorward.findings.model import Severity
from doorward.guardrails.brakes import Stop
from doorward.guardrails.cuts import MARGIN
from doorward.guardrails.decided import MOST
from doorward.guardrails.model import Guardrails, Rule, Undecidable, Waiver
from doorward.people.model import Caller, Person, Refusal, Via
from doorward.ports.ledger import Case, CaseStatus
from doorward.slack.cards import render_card
from doorward.usecases.compose_message import compose_message
from doorward.usecases.decide_finding import DISMISS, UNDO, UNDONE_FOR, WAIVE, decide_finding, decisions_about, decisions_in, shown_hash
from tests.fakes import START
from tests.template.conftest import REPOSITORY
from tests.unit import test_react_to_change as reactions
from tests.unit.test_cut_sessions import may_act, policy_of
from tests.unit.test_decide_finding import ANN, APPROVE, EVE, JOE, PAYMENTS
from tests.unit.test_hold_role import ENFORCING
from tests.unit.test_keep_evidence import envelope
from tests.unit.test_react_to_change import (
    ALL_BAD,
    BAD,
    GOOD,
    GOOD_PRINCIPAL,
    ORGANIZATION,
    PIPELINE,
    PROD,
    STRANGER,
    event,
    role,
    trusting,
)
from tests.unit.test_waive_finding import TWO_BAD, Waiving

GONE = "AROAGONE00000000001"
WITH_THE_GONE = trusting(GOOD_PRINCIPAL, GONE, f"arn:aws:iam::{STRANGER}:root")


class Undoing(Waiving):
    """An office where what was found was put back at once."""

    def __init__(self, guardrails: Guardrails = ENFORCING, trust: str = BAD) -> None:
        super().__init__(guardrails, trust)
        assert self.outcome == ["reverted"]
        self.world.follow_up()
        self.world.clock.sleep(3600)

    @property
    def closed(self) -> Case:
        return next(each for each in self.world.ledger.cases.values() if each.status is CaseStatus.REMEDIED)

    def undo(self, who: Person, **how: Any) -> Question | Refusal:
        shown = how.get("seen", shown_hash(self.closed, UNDO) or "")
        return decide_finding(self.closed.id, Caller(who, Via.SIGV4), Answer(UNDO, yes=True, seen=shown, reason="it broke"), self.tools)

    def said_by(self, *people: Person) -> list[State]:
        found = [self.undo(each) for each in people]
        assert all(isinstance(each, Question) for each in found), found
        return [each.state for each in found if isinstance(each, Question)]

    def undone(self) -> None:
        assert self.said_by(ANN, JOE)[-1] is State.APPROVED
        assert self.carried_out() == ["done"]

    def echo(self, number: int = 50) -> list[str]:
        """CloudTrail tells of our own write."""
        by = f"arn:aws:iam::{PROD}:role/doorward/doorward-remedy"
        return self.world.react(event(document=self.world.stands(), by=by, event_id=f"e-{number}", at=self.world.clock.now()))

    def due(self) -> list[str]:
        """Without what is looked at once more of the first remedy, and of its sessions."""
        return [each for each in super().due() if each not in {"known", "cut"}]

    def at_the_end(self) -> list[str]:
        self.world.clock.time = self.world.clock.now() + UNDONE_FOR
        return self.due()


def test_the_exact_document_is_put_back_and_stands_until_the_end_when_the_same_remedy_is_written_again() -> None:
    office = Undoing()
    remedied = office.world.stands()
    assert office.said_by(ANN, JOE) == [State.OPEN, State.APPROVED]  # high
    assert office.carried_out() == ["done"]
    assert office.world.stands() == BAD
    for number in range(3):
        assert office.echo(50 + number) == ["passed"]
        office.world.clock.sleep(60)
    assert office.due() == []
    assert office.at_the_end() == ["reverted"]
    assert office.world.stands() == remedied
    office.world.follow_up()
    assert office.echo(60) == ["passed"]
    assert (office.waivers, office.open()) == ((), [])


def test_what_people_approved_is_undone_and_written_again_without_asking_anew() -> None:
    office = Waiving()
    office.say(ANN)
    assert office.carried_out() == ["reverted"]
    undoing = Undoing.__new__(Undoing)
    undoing.__dict__.update(office.__dict__)
    remedied = undoing.world.stands()
    undoing.undone()
    assert undoing.world.stands() == BAD
    undoing.world.hints.sent, undoing.world.hints.after = [], []
    assert "reverted" in undoing.at_the_end()
    assert undoing.world.stands() == remedied
    assert undoing.world.roles.writes[-1][1] == undoing.world.roles.writes[0][1]


def test_it_is_told_with_whose_word_and_until_when() -> None:
    office = Undoing()
    office.undone()
    (told,) = [each for each in office.world.ledger.outbox.values() if each.detail_type == "TrustRemedyUndone"]
    assert told.detail["undone"]["by"] == "ann@acme.example, joe@acme.example"
    assert any(STRANGER in line for line in told.detail["diff"] if line.startswith("+"))
    assert decisions_in(told.detail) == {} == decisions_about(office.closed)
    Draft202012Validator(json.loads((REPOSITORY / "docs/schemas/doorward.guardrails.1.json").read_text("utf-8"))).validate(told.detail)
    message = compose_message(envelope(told))
    assert message.headline == "people had a remedy undone, for a while"
    assert "had the remedy undone" in json.dumps(render_card(message))


def test_whose_remedy_can_be_undone_is_said_alike_by_a_case_and_by_what_was_announced() -> None:
    office = Undoing()
    (told,) = [each for each in office.world.ledger.outbox.values() if each.detail_type == "TrustPolicyReverted"]
    assert decisions_in(told.detail) == decisions_about(office.closed)
    assert set(decisions_in(told.detail)) == {UNDO}
    (found,) = [each for each in office.world.ledger.outbox.values() if each.detail_type == "TrustViolationFound"]
    assert decisions_in(found.detail) == {}  # within a second it is written
    assert set(decisions_in({**found.detail, "door_open": True})) == {WAIVE, DISMISS}  # it could not be


def test_the_waiver_is_of_that_very_policy_and_of_no_other() -> None:
    office = Undoing()
    office.undone()
    assert office.changes(TWO_BAD, 10) == ["reverted"]
    assert office.changes(trusting(f"arn:aws:iam::{STRANGER}:root"), 11) == ["reverted"]
    assert office.changes(BAD, 12) == ["passed"]


def test_what_nobody_could_judge_is_put_back_too_and_closed_again_as_it_was() -> None:
    restoring = ENFORCING._replace(undecidable=Undecidable.RESTORE)
    in_doubt = trusting(f"arn:aws:sts::{STRANGER}:federated-user/eve")
    office = Undoing(restoring, in_doubt)
    office.undone()
    assert office.world.stands() == in_doubt
    office.world.clock.sleep(60)
    office.world.react(event(document=in_doubt, by=PIPELINE, event_id="e-70", at=office.world.clock.now()))
    ((_, accepted),) = office.world.ledger.accepted.items()
    assert accepted.document == GOOD
    assert office.at_the_end() == ["reverted"]
    assert office.world.stands() == GOOD


def test_what_iam_should_have_refused_is_not_put_back() -> None:
    office = Undoing(ENFORCING._replace(undecidable=Undecidable.RESTORE), reactions.TestUndecided.HARD)
    office.said_by(ANN, JOE)
    assert office.carried_out() == ["withdrawn"]
    assert (office.world.stands(), office.waivers) == (GOOD, ())


def test_whoever_made_the_change_does_not_undo_what_closed_it() -> None:
    office = Undoing()
    office.behind = frozenset({EVE.user_id})
    assert isinstance(office.undo(EVE), Refusal)


@pytest.mark.parametrize("then", [ALL_BAD, TWO_BAD, BAD, trusting(f"arn:aws:iam::{PROD}:role/app")])
def test_only_what_doorward_wrote_is_written_over(then: str) -> None:
    office = Undoing()
    office.said_by(ANN, JOE)
    office.world.roles.put(role(then))
    assert office.carried_out() == ["withdrawn"]
    assert (office.world.stands(), office.waivers) == (then, ())


def test_what_changes_right_before_the_write_is_not_written_over() -> None:
    office = Undoing()
    office.said_by(ANN, JOE)
    other = trusting(f"arn:aws:iam::{PROD}:role/app")
    office.world.roles.stale = [role(office.world.stands())]
    office.world.roles.put(role(other))
    assert office.carried_out() == ["withdrawn"]
    assert (office.world.stands(), office.waivers) == (other, ())


def test_a_role_made_anew_is_another() -> None:
    office = Undoing()
    office.said_by(ANN, JOE)
    office.world.roles.put(role(office.world.stands(), role_id="AROAPAYMENTS0000002"))
    assert office.carried_out() == ["withdrawn"]


@pytest.mark.parametrize("scope", ["organization", f"account {PROD}", f"role {PAYMENTS}"])
def test_what_stops_writes_stops_this_one(scope: str) -> None:
    office = Undoing()
    office.world.brakes.stops.append(Stop(scope, "jane", "an incident", office.world.clock.now()))
    office.said_by(ANN, JOE)
    assert office.carried_out() == ["withdrawn"]
    assert (office.world.roles.writes[-1][1], office.waivers) == (office.world.stands(), ())


def test_whoever_is_gone_is_left_out_since_iam_would_refuse_it() -> None:
    office = Undoing(trust=WITH_THE_GONE)
    office.undone()
    assert json.loads(office.world.stands()) == json.loads(BAD)
    assert office.echo() == ["passed"]


def test_what_iam_refuses_is_said_and_leaves_no_waiver() -> None:
    office = Undoing()
    office.said_by(ANN, JOE)
    office.world.roles.refuse = ["MalformedPolicyDocument: Invalid principal"] * 3
    stands = office.world.stands()
    assert office.carried_out() == ["withdrawn"]
    assert (office.world.stands(), office.waivers) == (stands, ())
    assert "Invalid principal" in list(office.world.questions.announced.values())[-1].detail["because"]


def test_a_named_role_of_ours_that_is_gone_is_left_out_once_iam_refuses() -> None:
    named = trusting(GOOD_PRINCIPAL, f"arn:aws:iam::{PROD}:role/deleted", f"arn:aws:iam::{STRANGER}:root")
    office = Undoing(trust=named)
    office.world.roles.put(replace(role(GOOD), account_id="444455556666", name="batch"))
    office.said_by(ANN, JOE)
    office.world.roles.refuse = ["MalformedPolicyDocument: Invalid principal"]
    assert office.carried_out() == ["done"]
    assert json.loads(office.world.stands()) == json.loads(BAD)
    assert len(office.waivers) == 1
    assert office.echo() == ["passed"]


def test_what_may_not_be_written_there_is_said() -> None:
    office = Undoing()
    office.said_by(ANN, JOE)
    office.world.roles.unwritable = True
    assert office.carried_out() == ["withdrawn"]
    assert office.waivers == ()


def test_what_breaks_more_by_now_is_not_put_back() -> None:
    office = Undoing(trust=f'{{"Version": "2012-10-17", "Statement": {json.dumps(json.loads(TWO_BAD)["Statement"])}}}')
    case = office.closed
    fewer = [{**each, "rule": "outside-organization"} for each in case.detail["findings"]]
    office.world.ledger.cases[PAYMENTS, case.id] = case._replace(detail={**case.detail, "findings": fewer})
    office.said_by(ANN, JOE)
    assert office.carried_out() == ["withdrawn"]
    assert office.waivers == ()


@pytest.mark.parametrize("dies", [1, 2])
def test_who_dies_between_the_write_and_its_being_kept_goes_on_where_he_was(dies: int) -> None:
    office = Undoing()
    office.said_by(ANN, JOE)
    sent, ledger = list(office.world.hints.sent), office.world.ledger
    kept = [ledger.judged] * (dies - 1)

    def judged(*arguments: Any) -> None:
        if not kept:
            raise Throttled("slower")
        kept.pop()(*arguments)

    with patch.object(ledger, "judged", judged), pytest.raises(Throttled):
        office.carried_out()
    assert office.world.stands() == (BAD if dies > 1 else GOOD)
    if dies > 1:
        assert office.echo() == ["passed"]  # nobody closes it again meanwhile
    office.world.hints.sent = sent
    assert office.carried_out() == ["done"]
    assert office.world.stands() == BAD
    assert len([each for each in office.world.roles.writes if each[1] == BAD]) == 1
    assert len(office.waivers) == 1


def test_it_is_undone_before_it_was_looked_at_to_the_end() -> None:
    office = Waiving(ENFORCING)
    undoing = Undoing.__new__(Undoing)
    undoing.__dict__.update(office.__dict__)
    undoing.undone()
    case = undoing.closed
    for seconds in (5, 30, 120):
        undoing.world.clock.sleep(seconds)
        hint = Hint(PROD, Cause.TRUST, "stands?", f"{case.id}-{seconds}", undoing.world.clock.now(), role_name="payments", follows=case.id)
        assert undoing.world.react(hint_as_text(hint)) == ["known"]
    assert undoing.world.stands() == BAD
    assert undoing.closed.due_at is None


def test_whoever_comes_in_after_it_was_undone_keeps_his_session() -> None:
    office = Waiving(ENFORCING)
    undoing = Undoing.__new__(Undoing)
    undoing.__dict__.update(office.__dict__)
    undoing.undone()
    soon = undoing.world.clock.now() + MARGIN + timedelta(seconds=1)
    assert may_act(policy_of(undoing.world), soon) is True


def test_what_somebody_else_wrote_meanwhile_is_not_written_over_at_the_end() -> None:
    office = Undoing()
    office.undone()
    assert office.changes(GOOD, 10) == ["passed"]
    assert office.at_the_end() == ["passed"]
    assert office.world.stands() == GOOD
    assert office.waivers == ()


def test_what_a_pipeline_wrote_meanwhile_is_asked_about_at_the_end_though_the_same_remedy_would_close_it() -> None:
    office = Undoing()
    office.undone()
    office.world.clock.sleep(60)
    office.world.roles.put(role(ALL_BAD))
    by_pipeline = event(document=ALL_BAD, by=PIPELINE, event_id="e-71", at=office.world.clock.now())
    assert office.world.react(by_pipeline) == ["asked"]
    assert office.at_the_end() == ["asked"]
    assert office.world.stands() == ALL_BAD


def test_a_role_that_must_not_be_written_any_more_is_not() -> None:
    office = Undoing()
    office.said_by(ANN, JOE)
    sealed = replace(ORGANIZATION, break_glass=(role(BAD).arn,))
    office.world.tools = replace(office.world.tools, organization=sealed)
    assert office.carried_out() == ["withdrawn"]
    assert (office.world.stands(), office.waivers) == (GOOD, ())


def test_no_more_waivers_than_are_kept() -> None:
    office = Undoing()
    one = Waiver("x", "y", START, START + timedelta(days=9), PAYMENTS, ("a",), role(BAD).role_id)
    office.world.ledger.heads[PAYMENTS] = office.world.ledger.head(PAYMENTS)._replace(waivers=(one,) * MOST)
    office.said_by(ANN, JOE)
    assert office.carried_out() == ["withdrawn"]
    assert (office.world.stands(), len(office.waivers)) == (GOOD, MOST)


def test_a_pipeline_that_says_it_was_meant_makes_it_no_baseline_while_it_is_undone() -> None:
    office = Undoing()
    office.undone()
    office.world.clock.sleep(60)
    office.world.react(event(document=BAD, by=PIPELINE, event_id="e-70", at=office.world.clock.now()))
    ((_, accepted),) = office.world.ledger.accepted.items()
    assert accepted.document == GOOD
    assert office.at_the_end() == ["reverted"]


def test_a_sweep_that_comes_first_at_the_end_keeps_nothing_from_being_written_again() -> None:
    office = Undoing()
    office.undone()
    office.world.clock.time = office.world.clock.now() + UNDONE_FOR + timedelta(seconds=1)
    hint = Hint(PROD, Cause.FACTS, "a sweep", "sweep-1", office.world.clock.now(), role_name="payments")
    assert office.world.react(hint_as_text(hint)) == ["asked"]
    office.world.hints.sent, office.world.hints.after = [], []
    assert office.due() == ["reverted"]
    assert office.world.stands() == GOOD


def test_what_stands_is_not_undone() -> None:
    office = Waiving(APPROVE)
    found = decide_finding(office.case.id, Caller(ANN, Via.SIGV4), Answer(UNDO, yes=True, seen="0" * 64), office.tools)
    assert isinstance(found, Refusal)


@pytest.mark.parametrize("dies", [False, True])
def test_only_the_remedy_that_was_written_last_is_undone(dies: bool) -> None:
    office = Undoing(trust=ALL_BAD)
    first = office.closed
    office.world.clock.sleep(3600)
    if dies:
        with patch.object(office.world.ledger, "close_case", side_effect=Throttled("slower")), pytest.raises(Throttled):
            office.changes(BAD, 20)
        office.world.clock.sleep(3600)
        assert office.changes(office.world.stands(), 21)  # our own write is told of, and what it closed with it
    else:
        assert office.changes(BAD, 20) == ["reverted"]
    (last,) = [each for each in office.world.ledger.cases.values() if each.status is CaseStatus.REMEDIED and each.id != first.id]
    office.world.hints.sent, office.world.hints.after = [], []
    for case, outcome, stands in ((first, "withdrawn", GOOD), (last, "done", BAD)):
        said = [
            decide_finding(case.id, Caller(who, Via.SIGV4), Answer(UNDO, yes=True, seen=shown_hash(case, UNDO) or ""), office.tools)
            for who in (ANN, JOE)
        ]
        assert [each.state for each in said if isinstance(each, Question)] == [State.OPEN, State.APPROVED]
        assert office.carried_out() == [outcome]
        assert office.world.stands() == stands
    told = [each.detail for each in office.world.questions.announced.values() if each.detail["state"] == "withdrawn"]
    assert ["closed this role again since" in each["because"] for each in told] == [True]


def test_what_was_put_back_is_waived_as_grave_as_it_was_and_no_graver() -> None:
    office = Undoing()
    office.undone()
    graver = ENFORCING._replace(rules={"external-account": Rule("external-account", severity=Severity.CRITICAL)})
    office.world.tools = replace(office.world.tools, guardrails=graver)
    assert office.changes(BAD, 12) == ["reverted"]
    assert office.world.stands() == GOOD
