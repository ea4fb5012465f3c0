"""People dismiss a finding: they hear no more of it, it is judged as ever, and it is back where something else is found."""

import json
from copy import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from doorward.decisions.model import Answer, Question, State
from doorward.events.hints import Hint, hint_as_text
from doorward.events.model import Cause
from doorward.findings.dismissal import dismissed, is_dismissed, said
from doorward.findings.model import Severity
from doorward.guardrails.model import Guardrails, Mode, Rule
from doorward.organization.model import TrustedAccount
from doorward.people.model import Caller, Person, Refusal, Via
from doorward.usecases.decide_finding import DISMISS, decide_finding, decisions_about, shown_hash
from doorward.usecases.list_findings import Tools as ListTools
from doorward.usecases.list_findings import list_findings
from tests.fakes import START
from tests.template.conftest import REPOSITORY
from tests.unit.test_decide_finding import ANN, APPROVE, EVE, JOE, PAYMENTS, Office, replace_deciders
from tests.unit.test_hold_role import ENFORCING
from tests.unit.test_react_to_change import ALL_BAD, BAD, GOOD, ORGANIZATION, PROD, event, role, trusting
from tests.unit.test_waive_finding import TWO_BAD

SCHEMA = Draft202012Validator(json.loads((REPOSITORY / "docs/schemas/doorward.guardrails.1.json").read_text("utf-8")))
ALERT = APPROVE._replace(mode=Mode.ALERT)


class Dismissing(Office):
    def __init__(self, guardrails: Guardrails = ALERT, trust: str = BAD) -> None:
        super().__init__(guardrails, trust)

    def dismiss(self, who: Person, *, via: Via = Via.SIGV4, seen: str | None = None) -> Question | Refusal:
        shown = seen if seen is not None else shown_hash(self.case, DISMISS) or ""
        return decide_finding(self.case.id, Caller(who, via), Answer(DISMISS, yes=True, seen=shown), self.tools)

    def dismissed(self) -> None:
        found = self.dismiss(ANN)
        assert isinstance(found, Question)
        assert found.state is State.APPROVED
        assert self.carried_out() == ["done"]
        self.told = len(self.world.announced())

    def news(self) -> list[str]:
        """What was told since it was dismissed."""
        return self.world.announced()[self.told :]

    def looked_at(self, number: int, **tools: Any) -> list[str]:
        """Once more, with nothing changed but perhaps what the reaction goes by."""
        world = self.world
        world.clock.sleep(3600)
        world.tools = replace(world.tools, **tools)
        hint = Hint(PROD, Cause.FACTS, "a sweep", f"sweep-{number}", world.clock.now(), role_name="payments")
        return world.react(hint_as_text(hint))

    def listed(self, **how: bool) -> list[tuple[str, bool]]:
        page = list_findings("", ListTools(self.world.ledger, self.world.questions, ORGANIZATION), **how)
        return [(each["finding_id"], each["dismissed"]) for each in page["findings"]]


def test_one_dismisses_and_it_stands_and_is_judged_as_ever_and_nobody_hears_of_it() -> None:
    office = Dismissing()
    case = office.case
    office.dismissed()
    assert office.case.id == case.id
    assert office.case.detail["dismissed"]["by"] == "ann@acme.example"
    SCHEMA.validate(office.case.detail)
    assert (office.listed(), office.listed(with_dismissed=True)) == ([], [(case.id, True)])
    assert office.looked_at(1) == ["alerted"]
    assert office.looked_at(2, guardrails=ENFORCING) == ["asked"]
    assert office.news() == []
    assert is_dismissed(office.case.detail)


def test_without_that_they_hear_of_it_again() -> None:
    office = Dismissing()
    office.told = len(office.world.announced())
    office.looked_at(1, guardrails=ENFORCING)
    assert office.news() == ["TrustViolationFound"]


def test_critical_takes_one_who_signs() -> None:
    office = Dismissing(trust=ALL_BAD)
    found = office.dismiss(ANN, via=Via.SLACK)
    assert isinstance(found, Question)
    assert found.state is State.OPEN


def test_whoever_made_the_change_does_not_dismiss_it() -> None:
    office = Dismissing()
    office.behind = frozenset({EVE.user_id})
    assert isinstance(office.dismiss(EVE), Refusal)


def test_it_lets_no_write_through_and_stops_none() -> None:
    office = Dismissing()
    office.dismissed()
    world = office.world
    world.clock.sleep(5)
    world.tools = replace(world.tools, guardrails=ENFORCING)
    assert world.react(event(document=BAD, event_id="e-5", at=world.clock.now())) == ["reverted"]
    assert world.stands() == GOOD
    assert office.news() == ["TrustPolicyReverted"]


def test_another_policy_is_another_finding() -> None:
    office = Dismissing()
    office.dismissed()
    world = office.world
    world.clock.sleep(5)
    world.roles.put(role(TWO_BAD))
    assert world.react(event(document=TWO_BAD, event_id="e-5", at=world.clock.now())) == ["alerted"]
    assert office.news() == ["TrustViolationEnded", "TrustViolationFound"]
    assert office.listed() == [(office.case.id, False)]


def test_a_graver_one_is_back_and_a_milder_one_is_not() -> None:
    office = Dismissing()
    office.dismissed()

    def as_grave(severity: Severity) -> Guardrails:
        return ALERT._replace(rules={"external-account": Rule("external-account", severity=severity, mode=Mode.ALERT)})

    office.looked_at(1, guardrails=as_grave(Severity.LOW))
    office.looked_at(2, guardrails=as_grave(Severity.HIGH))
    assert office.news() == []
    office.looked_at(3, guardrails=as_grave(Severity.CRITICAL))
    assert office.news() == ["TrustViolationFound"]
    assert office.listed() == [(office.case.id, False)]
    found = office.dismiss(JOE)
    assert isinstance(found, Question)  # and can be dismissed as what it is now
    assert office.carried_out() == ["done"]
    assert office.listed() == []


def test_a_further_finding_brings_it_back() -> None:
    vendor = trusting("arn:aws:iam::555566667777:root")
    office = Dismissing(trust=vendor)
    office.dismissed()
    assert office.looked_at(1) == ["alerted"]
    assert office.news() == []
    strangers = replace(ORGANIZATION, trusted_accounts=(TrustedAccount("111111111111", "other"),))
    office.looked_at(2, organization=strangers)
    assert office.news() == ["TrustViolationFound"]


def test_nobody_is_reminded_of_what_is_to_be_decided_about_it() -> None:
    office = Dismissing(replace_deciders(quorum=2))
    office.say(ANN)
    asked = office.question()
    for each in (ANN, JOE):
        office.dismiss(each)
    office.carried_out()
    told = len(office.world.questions.announced)
    office.world.clock.time = asked.asked_at + asked.terms.remind_every
    hint = Hint(PROD, Cause.TRUST, "due", "due-1", office.world.clock.now(), role_name="payments", follows=f"QUESTION:{asked.id}")
    assert office.world.react(hint_as_text(hint)) == ["open"]
    assert len(office.world.questions.announced) == told


@pytest.mark.parametrize("then", [GOOD, TWO_BAD])
def test_what_does_not_stand_any_more_is_not_dismissed(then: str) -> None:
    office = Dismissing()
    office.dismiss(ANN)
    office.world.roles.put(role(then))
    assert office.carried_out() == ["withdrawn"]
    assert "dismissed" not in office.world.ledger.cases[PAYMENTS, office.case.id].detail


def test_twice_is_once() -> None:
    office = Dismissing()
    office.dismissed()
    assert DISMISS not in decisions_about(office.case)
    refusal = office.dismiss(JOE)
    assert isinstance(refusal, Refusal)
    assert "already" in refusal.because


def detail(*found: tuple[str, str], doubts: tuple[str, ...] = ()) -> dict[str, Any]:
    findings = [{"rule": rule, "severity": severity, "waiver": None} for rule, severity in found]
    return {"findings": findings, "undecidable": [{"rule": each} for each in doubts]}


@pytest.mark.parametrize(
    ("before", "now", "stays"),
    [
        (detail(("a", "high")), detail(("a", "high")), True),
        (detail(("a", "high")), detail(("a", "low")), True),
        (detail(("a", "high")), detail(("a", "critical")), False),
        (detail(("a", "high")), detail(("b", "info")), False),
        (detail(("a", "high"), ("b", "low")), detail(("b", "low")), True),
        (detail(("a", "high")), detail(("a", "high"), doubts=("a",)), False),
        (detail(doubts=("a",)), detail(doubts=("a",)), True),
        (detail(doubts=("a",)), detail(("a", "info")), False),
        (detail(("a", "high"), doubts=("b",)), detail(("a", "high")), True),
    ],
)
def test_what_brings_a_dismissed_finding_back(before: dict[str, Any], now: dict[str, Any], stays: bool) -> None:
    mark = dismissed(before, "ann", START)
    assert is_dismissed({**now, "dismissed": mark}) is stays
    assert not is_dismissed(now)
    assert said(before) == {tuple(each) for each in mark["found"]}
