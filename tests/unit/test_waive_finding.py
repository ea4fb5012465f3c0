"""People waive a finding: what was shown is accepted until a time, whatever else comes in is found, and at its end it is found again."""

import json
from collections.abc import Mapping
from copy import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from unittest.mock import patch

import pytest

from doorward.decisions.model import Answer, Question, State
from doorward.errors import Throttled
from doorward.events.hints import Hint, hint_as_text
from doorward.events.model import Cause
from doorward.findings.model import Severity, Verdict
from doorward.guardrails.decided import MOST, waivable, waivers_as_text, waivers_from_text, with_waivers
from doorward.guardrails.judge import judge
from doorward.guardrails.looks import Look, judged_under, trust_hash_of
from doorward.guardrails.model import Deciders, Guardrails, Mode, Rule, Waiver
from doorward.iam.documents import hash_of_text
from doorward.organization.model import Match
from doorward.people.model import Caller, Person, Refusal, Via
from doorward.ports.ledger import ENDS_WAIVERS, Case, CaseStatus
from doorward.usecases.accept_baseline import ACCEPT, accept_baseline, show_baseline
from doorward.usecases.decide_finding import DISMISS, WAIVE, decide_finding, decisions_about, decisions_in, shown_hash
from doorward.usecases.finish_started import finish_started
from doorward.usecases.list_findings import Tools as ListTools
from doorward.usecases.list_findings import show_finding
from tests.fakes import START, FakeBus
from tests.unit.test_decide_finding import ANN, APPROVE, EVE, JOE, PAYMENTS, Office
from tests.unit.test_hold_role import ENFORCING
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

OTHER = "888877776666"
TWO_BAD = trusting(GOOD_PRINCIPAL, f"arn:aws:iam::{STRANGER}:root", f"arn:aws:iam::{OTHER}:root")
KEYED = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{STRANGER}:root"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": "a-customers-own-secret"}},
            }
        ],
    }
)
DAY = timedelta(days=1)


class Waiving(Office):
    """An office whose finding people waive, for ten days where nothing else is said."""

    def __init__(self, guardrails: Guardrails = APPROVE, trust: str = BAD) -> None:
        super().__init__(guardrails, trust)
        self.until = self.world.clock.now() + 10 * DAY

    def waive(self, who: Person, *, until: datetime | None = None, reason: str = "CHANGE-7", via: Via = Via.SIGV4, **more: Any) -> object:
        shown = more.pop("seen", shown_hash(self.case, WAIVE))
        answer = Answer(WAIVE, more.pop("yes", True), shown, reason, until or self.until)
        return decide_finding(self.case.id, Caller(who, via), answer, self.tools)

    def state_of(self, who: Person, **how: Any) -> State:
        found = self.waive(who, **how)
        assert isinstance(found, Question), found
        return found.state

    def waived(self) -> Case:
        """By two; the case as it was."""
        case = self.case
        assert [self.state_of(each) for each in (ANN, JOE)] == [State.OPEN, State.APPROVED]
        assert self.carried_out() == ["done"]
        return case

    @property
    def waivers(self) -> tuple[Waiver, ...]:
        return self.world.ledger.head(PAYMENTS).waivers

    def changes(self, trust: str, number: int) -> list[str]:
        self.world.clock.sleep(5)
        self.world.roles.put(role(trust))
        return self.world.react(event(document=trust, event_id=f"e-{number}", at=self.world.clock.now()))

    def due(self) -> list[str]:
        """What is due by now is taken up; what came of it."""
        world = self.world
        finish_started(world.ledger, world.ledger, FakeBus(), world.hints, ORGANIZATION, world.clock)
        sent, world.hints.sent, world.hints.after = world.hints.sent, [], []
        return [outcome for each in sent for outcome in world.react(hint_as_text(each))]

    def open(self) -> list[Case]:
        return [each for each in self.world.ledger.cases.values() if each.status.is_open]


def test_high_is_waived_by_two_and_the_door_stays_as_it_is() -> None:
    office = Waiving()
    before = office.waived()
    assert (office.world.stands(), office.world.roles.writes) == (BAD, [])
    closed = office.world.ledger.cases[PAYMENTS, before.id]
    assert (closed.status, office.open()) == (CaseStatus.ENDED, [])
    assert "is waived until" in closed.detail["because"]
    (waiver,) = office.waivers
    assert (waiver.rules, waiver.role_id, waiver.until) == (("external-account",), role(BAD).role_id, office.until.replace(microsecond=0))
    assert [each.value for each in waiver.where.principals] == [f"arn:aws:iam::{STRANGER}:root"] or waiver.where.principals[
        0
    ].value == STRANGER
    assert office.question().state is State.DONE
    assert office.changes(BAD, 10) == ["passed"]
    assert office.open() == []


MEDIUM = APPROVE._replace(rules={"external-account": Rule("external-account", Severity.MEDIUM)})
BOBS, EVES = f"arn:aws:iam::{PROD}:user/bob", f"arn:aws:iam::{PROD}:user/eve"


class Authors(Waiving):
    """Something medium, which one may waive where all who wrote it are known: Joe is Bob, and Eve is Eve."""

    def __init__(self, *events: str, guardrails: Guardrails = MEDIUM, trust: str = BAD) -> None:
        super().__init__(guardrails, GOOD)
        self.aliases = {BOBS: JOE, EVES: EVE}
        self.world.clock.sleep(5)
        self.world.roles.put(role(trust))
        for each in events:
            self.world.react(each)
        self.world.hints.sent, self.world.hints.after = [], []

    def also_by(self, arn: str) -> None:
        self.world.react(event(document=BAD, by=arn, event_id="e-also", at=self.world.clock.now()))


LATER = START + timedelta(seconds=5)
BY_BOB = event("AttachRolePolicy", document=None, by=BOBS, event_id="e-bob", at=LATER)
BY_EVE = event(document=BAD, by=EVES, event_id="e-eve", at=LATER)


@pytest.mark.parametrize("events", [(BY_EVE, BY_BOB), (BY_BOB, BY_EVE)])
def test_whoever_wrote_what_stands_does_not_waive_it_whichever_event_was_read_first(events: tuple[str, ...]) -> None:
    office = Authors(*events)
    assert isinstance(office.waive(EVE), Refusal)
    if events[0] == BY_BOB:  # he was taken for the author
        assert isinstance(office.waive(JOE), Refusal)
    assert office.state_of(ANN) is State.APPROVED


def test_who_only_touched_the_role_is_not_known_as_the_author_and_does_not_decide_either() -> None:
    office = Authors(BY_BOB)
    assert isinstance(office.waive(JOE), Refusal)
    assert office.state_of(ANN) is State.OPEN
    assert office.state_of(EVE) is State.APPROVED


def test_one_of_whom_nobody_knows_who_wrote_the_same_makes_it_take_two() -> None:
    office = Authors(BY_EVE)
    office.also_by(f"arn:aws:iam::{PROD}:user/shared")
    assert isinstance(office.waive(EVE), Refusal)
    assert office.state_of(ANN) is State.OPEN


def test_whose_event_comes_after_the_last_yes_has_not_said_it() -> None:
    office = Authors(BY_EVE)
    assert office.state_of(JOE) is State.APPROVED
    sent, office.world.hints.sent = office.world.hints.sent, []
    office.also_by(BOBS)
    office.world.hints.sent = sent
    assert office.carried_out() == ["open"]
    assert (office.question().yes, office.waivers) == (frozenset(), ())


def test_whose_event_comes_after_the_first_yes_is_a_party_and_it_never_takes_less_than_now() -> None:
    signed = MEDIUM._replace(deciders=(Deciders(Match(), ("security",), by_sigv4=True),))
    office = Authors(BY_EVE, guardrails=signed)
    assert office.state_of(ANN, via=Via.SLACK) is State.OPEN  # one who signs is enough
    office.also_by(BOBS)
    assert isinstance(office.waive(JOE), Refusal)
    office.also_by(f"arn:aws:iam::{PROD}:user/shared")
    assert office.state_of(ANN) is State.OPEN
    assert (office.question().terms.quorum, office.question().parties) == (2, frozenset({EVE.user_id, JOE.user_id}))


def test_under_enforce_what_is_waived_is_not_put_back_while_the_waiver_lasts() -> None:
    office = Waiving()
    office.waived()
    world = office.world
    world.tools = replace(world.tools, guardrails=ENFORCING)
    assert office.changes(BAD, 10) == ["passed"]
    assert office.changes(TWO_BAD, 11) == ["reverted"]
    assert OTHER not in world.stands()


def test_whatever_else_comes_in_is_a_finding_of_its_own() -> None:
    office = Waiving(trust=TWO_BAD)
    before = office.waived()
    (case,) = office.open()
    assert case.id != before.id
    shown, left = (each.detail["findings"][0]["witness"]["context"]["aws:PrincipalAccount"] for each in (before, case))
    assert {shown, left} == {STRANGER, OTHER}
    assert case.detail["action"] == "ask"
    found = [each.detail["finding_id"] for each in office.world.ledger.outbox.values() if each.detail_type == "TrustViolationFound"]
    assert found == [before.id, case.id]


def test_what_is_left_is_asked_about_and_not_written_whatever_the_mode() -> None:
    """Nobody changed anything but what people accept."""
    office = Waiving(trust=TWO_BAD)
    for each in (ANN, JOE):
        office.waive(each)
    office.world.tools = replace(office.world.tools, guardrails=ENFORCING)
    assert office.carried_out() == ["done"]
    assert (office.case.detail["action"], office.world.roles.writes) == ("ask", [])


def test_a_waiver_is_of_the_role_that_was_named_and_not_of_its_account() -> None:
    named = f"arn:aws:iam::{STRANGER}:role/export"
    office = Waiving(trust=trusting(GOOD_PRINCIPAL, named))
    office.waived()
    assert office.changes(trusting(named), 10) == ["passed"]
    assert office.changes(trusting(f"arn:aws:iam::{STRANGER}:role/other"), 11) == ["asked"]
    assert office.changes(trusting(f"arn:aws:iam::{STRANGER}:root"), 12) == ["asked"]


def test_that_everybody_may_come_in_is_waived_for_everybody() -> None:
    office = Waiving(trust=ALL_BAD)
    office.waived()
    assert office.open() == []
    assert office.changes(ALL_BAD, 10) == ["passed"]


def test_a_waiver_that_meets_nothing_any_more_is_no_finding_for_nobody_can_remove_it() -> None:
    office = Waiving()
    office.waived()
    assert judge(role(GOOD), ORGANIZATION, with_waivers(APPROVE, office.waivers), now=office.world.clock.now()).findings == ()


def test_a_waiver_is_of_the_conditions_too_under_which_he_came_in() -> None:
    office = Waiving(trust=KEYED)
    office.waived()
    assert office.changes(KEYED, 10) == ["passed"]
    assert office.changes(trusting(f"arn:aws:iam::{STRANGER}:root"), 11) == ["asked"]


def test_nobody_reads_an_external_id_or_a_reason_in_what_is_told() -> None:
    office = Waiving(trust=KEYED)
    for each in (ANN, JOE):
        office.waive(each, reason="because-of-the-secret-project")
    office.carried_out()
    office.changes(KEYED, 10)
    both = json.loads(KEYED)["Statement"] + json.loads(trusting(f"arn:aws:iam::{OTHER}:root"))["Statement"]
    assert office.changes(json.dumps({"Version": "2012-10-17", "Statement": both}), 11) == ["asked"]
    (told_with_it,) = [each["waiver"] for each in office.case.detail["findings"] if each["waiver"] is not None]
    assert told_with_it["reason"] == f"Decided by people: {office.question().id}."
    office.world.clock.time = office.until
    office.due()
    world = office.world
    told = json.dumps([each.detail for each in (*world.ledger.outbox.values(), *world.questions.announced.values())])
    assert "a-customers-own-secret" not in told
    assert "secret-project" not in told
    assert office.question().because == "because-of-the-secret-project"


def test_critical_takes_two_and_one_of_them_signs() -> None:
    office = Waiving(trust=ALL_BAD)
    assert [office.state_of(each, via=Via.SLACK) for each in (ANN, JOE)] == [State.OPEN, State.OPEN]
    assert office.state_of(EVE) is State.APPROVED


def test_whoever_made_the_change_does_not_waive_it() -> None:
    office = Waiving()
    office.behind = frozenset({EVE.user_id})
    assert isinstance(office.waive(EVE), Refusal)
    assert office.state_of(ANN) is State.OPEN  # high takes two all the same
    assert office.carried_out() == []


def test_two_who_mean_different_times_have_not_said_the_same() -> None:
    office = Waiving()
    assert office.state_of(ANN) is State.OPEN
    assert office.state_of(JOE, until=office.until + timedelta(seconds=1)) is State.OPEN
    assert office.carried_out() == []
    assert office.state_of(EVE, until=office.until.astimezone(timezone(timedelta(hours=9)))) is State.APPROVED


@pytest.mark.parametrize("days", [-1, 0, 90.01, 400])
def test_ninety_days_at_most_and_from_now_on(days: float) -> None:
    office = Waiving()
    assert isinstance(office.waive(ANN, until=office.world.clock.now() + timedelta(days=days)), Refusal)
    assert office.world.questions.kept == {}


def test_the_file_may_ask_for_shorter_ones_and_never_for_longer() -> None:
    short = Waiving(APPROVE._replace(longest_waiver=7 * DAY))
    assert isinstance(short.waive(ANN), Refusal)
    long = Waiving(APPROVE._replace(longest_waiver=365 * DAY))
    assert isinstance(long.waive(ANN, until=long.world.clock.now() + 91 * DAY), Refusal)


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_reason_is_required(reason: str) -> None:
    office = Waiving()
    assert isinstance(office.waive(ANN, reason=reason), Refusal)
    assert office.world.questions.kept == {}
    assert office.state_of(ANN) is State.OPEN
    assert office.state_of(JOE, reason=reason) is State.APPROVED  # it was given before
    assert Waiving().state_of(ANN, reason=reason, yes=False) is State.REFUSED


def test_a_waiver_without_an_end_is_none() -> None:
    office = Waiving()
    answer = Answer(WAIVE, yes=True, seen=shown_hash(office.case, WAIVE) or "", reason="x")
    assert isinstance(decide_finding(office.case.id, Caller(ANN, Via.SIGV4), answer, office.tools), Refusal)


@pytest.mark.parametrize("then", [GOOD, TWO_BAD, ALL_BAD])
def test_what_does_not_stand_any_more_is_not_waived(then: str) -> None:
    office = Waiving()
    for each in (ANN, JOE):
        office.waive(each)
    office.world.roles.put(role(then))
    assert office.carried_out() == ["withdrawn"]
    assert office.waivers == ()


def test_what_is_found_by_now_is_more_than_what_was_shown() -> None:
    office = Waiving()
    for each in (ANN, JOE):
        office.waive(each)
    case = office.case
    more = [{**each, "severity": "critical"} for each in case.detail["findings"]]
    office.world.ledger.cases[PAYMENTS, case.id] = case._replace(detail={**case.detail, "findings": more})
    assert office.carried_out() == ["withdrawn"]
    assert office.waivers == ()


def test_a_role_made_anew_has_no_waiver() -> None:
    office = Waiving()
    office.waived()
    office.world.clock.sleep(5)
    office.world.roles.put(role(BAD, role_id="AROAPAYMENTS0000002"))
    assert office.world.react(event("CreateRole", BAD, event_id="e-9", at=office.world.clock.now())) == ["asked"]
    assert office.waivers == ()


def test_at_its_end_what_was_waived_is_found_again_and_the_waiver_is_a_finding_until_the_hole_is_gone() -> None:
    office = Waiving()
    before = office.waived()
    office.world.tools = replace(office.world.tools, guardrails=ENFORCING)
    office.world.clock.time = office.until - timedelta(seconds=9)
    assert office.due() == []
    assert office.changes(BAD, 11) == ["passed"]
    office.world.clock.time = office.until + timedelta(seconds=1)
    assert office.due() == ["asked"]  # nobody changed anything: nothing is written
    (case,) = office.open()
    assert case.id != before.id
    assert {each["rule"] for each in case.detail["findings"]} == {"external-account", "waiver-expired"}
    office.world.clock.sleep(3600)
    assert office.due() == []
    assert office.changes(GOOD, 12) == ["passed"]
    assert (office.waivers, office.open()) == ((), [])


def test_dying_after_it_was_waived_waives_it_once() -> None:
    office = Waiving()
    for each in (ANN, JOE):
        office.waive(each)
    sent = list(office.world.hints.sent)
    office.world.questions.fail_next = [Throttled("slower")]
    with pytest.raises(Throttled):
        office.carried_out()
    assert len(office.waivers) == 1
    office.world.hints.sent = sent
    assert office.carried_out() == ["done"]
    assert len(office.waivers) == 1


def test_its_time_is_over_before_it_began() -> None:
    office = Waiving()
    for each in (ANN, JOE):
        office.waive(each)
    office.world.clock.time = office.until
    assert office.carried_out() == ["withdrawn"]
    assert office.waivers == ()


def test_no_more_than_so_many_are_kept() -> None:
    office = Waiving()
    head = office.world.ledger.head(PAYMENTS)
    one = Waiver("x", "y", office.until, office.until, PAYMENTS, ("a",), role(BAD).role_id)
    office.world.ledger.heads[PAYMENTS] = head._replace(waivers=(one,) * MOST)
    for each in (ANN, JOE):
        office.waive(each)
    assert office.carried_out() == ["withdrawn"]
    assert len(office.waivers) == MOST


def test_what_is_waived_is_never_what_is_put_back() -> None:
    office = Waiving()
    office.waived()
    for _ in range(3):
        office.world.clock.sleep(2 * DAY.total_seconds())
        office.changes(BAD, int(office.world.clock.now().timestamp()))
    office.world.clock.sleep(5)
    office.world.react(event(document=BAD, by=PIPELINE, event_id="e-77", at=office.world.clock.now()))
    ((_, accepted),) = office.world.ledger.accepted.items()
    assert accepted.document == GOOD


def test_what_is_waived_by_people_is_not_accepted_by_people() -> None:
    office = Waiving()
    office.waived()
    for each in (ANN, JOE):
        shown = show_baseline(PAYMENTS, office.world.roles.roles.get, office.tools)
        assert not isinstance(shown, Refusal)
        answer = Answer(ACCEPT, yes=True, seen=shown["shown"], reason="x")
        accept_baseline(PAYMENTS, Caller(each, Via.SIGV4), answer, office.world.roles.roles.get, office.tools)
    assert office.carried_out() == ["withdrawn"]
    ((_, accepted),) = office.world.ledger.accepted.items()
    assert accepted.document == GOOD


def test_a_waiver_outlives_a_remedy_for_something_else_and_its_end_is_still_due() -> None:
    office = Waiving()
    office.waived()
    before = office.world.ledger.head(PAYMENTS)
    office.world.tools = replace(office.world.tools, guardrails=ENFORCING)
    assert office.changes(TWO_BAD, 11) == ["reverted"]
    after = office.world.ledger.head(PAYMENTS)
    assert (after.waivers, after.due_at) == (before.waivers, before.due_at)
    assert before.due_at == office.until.replace(microsecond=0)


def test_what_was_accepted_and_is_waived_now_is_given_back_at_a_look_after_the_write() -> None:
    """At once it was not, for IAM showed what stood before."""
    accepted = trusting(GOOD_PRINCIPAL, f"arn:aws:iam::{STRANGER}:root")
    office = Waiving()
    office.waived()
    world, ledger = office.world, office.world.ledger
    ledger.accepted = {key: each._replace(document=accepted, ids={}) for key, each in ledger.accepted.items()}
    world.tools = replace(world.tools, guardrails=ENFORCING)
    bad = trusting(f"arn:aws:iam::{STRANGER}:root", f"arn:aws:iam::{OTHER}:root")
    world.clock.sleep(5)
    world.roles.put(role(bad))
    real = world.roles.read

    def read(account_id: str, name: str) -> Any:
        """For a while what stood before is shown."""
        found = real(account_id, name)
        return role(bad) if world.roles.writes else found

    with patch.object(world.roles, "read", read):
        assert world.react(event(document=bad, event_id="e-20", at=world.clock.now())) == ["reverted"]
    assert GOOD_PRINCIPAL not in world.stands()
    assert world.follow_up()[-1] == "verified"
    assert json.loads(world.stands()) == json.loads(accepted)


def test_a_look_under_a_waiver_that_people_decided_is_remembered_and_not_made_twice() -> None:
    office = Waiving()
    office.waived()
    world = office.world
    under = judged_under("", with_waivers(APPROVE, office.waivers), world.clock.now())
    look = Look(trust_hash_of(role(BAD).role_id, hash_of_text(BAD)), "", "", "", "", under, "1")
    hint = Hint(PROD, Cause.FACTS, "a sweep", "sweep-1", world.clock.now(), role_name="payments", look=str(look))
    assert [world.react(hint_as_text(hint)) for _ in range(2)] == [["passed"], ["known"]]


def test_a_sweep_has_a_role_looked_at_again_once_its_waiver_ends() -> None:
    office = Waiving()
    office.waived()
    begun, guardrails = office.world.clock.now(), with_waivers(APPROVE, office.waivers)
    assert judged_under("", guardrails, begun) != judged_under("", APPROVE, begun)
    assert judged_under("", guardrails, begun) != judged_under("", guardrails, office.until)


def test_what_can_be_decided_is_said_alike_by_a_case_and_by_what_was_announced_of_it() -> None:
    office = Waiving()
    (found,) = [each for each in office.world.ledger.outbox.values() if each.detail_type == "TrustViolationFound"]
    assert decisions_in(found.detail) == decisions_about(office.case)
    assert set(decisions_in(found.detail)) == {"apply", "waive", "dismiss"}


def test_what_nobody_could_decide_is_not_waived() -> None:
    office = Waiving()
    case = office.case
    doubt = {"rule": "external-account", "statement": {"index": 0, "sid": None}, "construct": "x", "because": "y"}
    undecided: Mapping[str, Any] = {**case.detail, "findings": [], "undecidable": [doubt], "verdict": str(Verdict.UNDECIDABLE)}
    office.world.ledger.cases[PAYMENTS, case.id] = case._replace(detail=undecided)
    assert set(decisions_about(office.case)) == {"apply", DISMISS}
    assert isinstance(office.waive(ANN, seen="0" * 64), Refusal)


@pytest.mark.parametrize(
    ("rule", "severity"), [("waiver-expired", "low"), ("waiver-unused", "info"), ("long-session", "medium"), ("x", "info")]
)
def test_what_no_waiver_can_be_for(rule: str, severity: str) -> None:
    assert waivable([{"rule": rule, "severity": severity, "waiver": None}]) == ()


def test_the_second_sees_until_when_the_first_would_waive_it() -> None:
    office = Waiving()
    tools = ListTools(office.world.ledger, office.world.questions, ORGANIZATION)
    assert (show_finding(office.case.id, tools) or {})["decisions"]["waive"]["state"] == "not asked"
    office.waive(ANN)
    shown = (show_finding(office.case.id, tools) or {})["decisions"]["waive"]
    assert (shown["state"], shown["until"]) == ("open", office.until.astimezone(UTC).replace(microsecond=0).isoformat())
    (awaited,) = office.world.questions.announced.values()
    assert f"--until {shown['until']}" in awaited.detail["what_to_do"]


def test_the_end_of_a_waiver_of_a_role_that_is_gone_is_the_end_of_it() -> None:
    office = Waiving()
    office.waived()
    del office.world.roles.roles[PAYMENTS]
    office.world.clock.time = office.until
    assert office.due() == ["no-such-role"]
    assert (office.due(), office.waivers) == ([], ())
    hint = Hint(PROD, Cause.TRUST, "due", "x-1", office.world.clock.now(), role_name="payments", follows=ENDS_WAIVERS)
    assert office.world.react(hint_as_text(hint)) == ["no-such-role"]


@pytest.mark.parametrize(
    ("later", "outcome"), [(Severity.LOW, "passed"), (Severity.MEDIUM, "passed"), (Severity.HIGH, "asked"), (Severity.CRITICAL, "asked")]
)
def test_what_is_graver_by_now_than_it_was_shown_is_not_accepted(later: Severity, outcome: str) -> None:
    def as_grave(severity: Severity) -> Guardrails:
        return APPROVE._replace(rules={"external-account": Rule("external-account", severity=severity, mode=Mode.APPROVE)})

    office = Waiving(as_grave(Severity.MEDIUM))
    office.waived()
    office.world.tools = replace(office.world.tools, guardrails=as_grave(later))
    assert office.changes(BAD, 10) == [outcome]
    assert [each.detail["severity"] for each in office.open()] == ([str(later)] if outcome == "asked" else [])


def test_what_was_kept_before_severities_were_is_read_as_it_was_meant() -> None:
    office = Waiving()
    office.waived()
    (before,) = json.loads(waivers_as_text(office.waivers))
    del before["shown"]
    (kept,) = waivers_from_text(json.dumps([before]))
    assert kept == office.waivers[0]._replace(shown=())
    assert kept.covers("external-account", Severity.CRITICAL)
    assert not kept.covers("world-assumable", Severity.LOW)
