"""Waivers that people decide: they cover what was shown and let nothing through beside it, before their end or after it."""

from datetime import timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from doorward.decisions.model import Question, State
from doorward.findings.as_json import finding_as_json
from doorward.findings.model import Finding, Verdict, Witness
from doorward.guardrails.decided import waivers_as_text, waivers_for, waivers_from_text, with_waivers
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Waiver
from doorward.iam.documents import VERSION_2012, Document, Statement
from doorward.iam.evaluate import Request, evaluate_trust_policy
from doorward.people.model import Via
from tests.property.test_judge import KNOWN, PROVIDER, policies
from tests.unit.test_decide_finding import ANN, EVE, JOE
from tests.unit.test_guardrails_rules import GITHUB, NOW, role
from tests.unit.test_react_to_change import GOOD_PRINCIPAL, PROD, STRANGER, trusting
from tests.unit.test_waive_finding import OTHER, Waiving

SLOW = settings(deadline=None, max_examples=200)
UNTIL = NOW + timedelta(days=30)


def waived(policy: Any) -> tuple[Waiver, ...]:
    """What people would accept, who are shown all that is found of this policy."""
    its = role(policy)
    found = judge(its, KNOWN, Guardrails(), now=NOW).findings
    shared = Waiver("ann", "q-1", NOW, UNTIL, its.ref, (), its.role_id, decided="q-1")
    return waivers_for(its, [finding_as_json(each, None) for each in found], shared)


def is_inside(witness: Witness, waiver: Waiver) -> bool:
    """By the evaluator, which shares nothing with the search: the requests of a waiver as a trust policy that allows them alone."""
    principals = waiver.where.principals
    statement = Statement(0, None, "Allow", principals, None, ("*",), None, None, None, waiver.where.conditions)
    request = Request(witness.principal, witness.principal_type, witness.action, witness.context)
    return not principals or evaluate_trust_policy(Document(VERSION_2012, None, (statement,)), request).outcome == "allowed"


def covered(finding: Finding, waivers: tuple[Waiver, ...]) -> bool:
    assert finding.witness is not None
    return any(is_inside(finding.witness, each) for each in waivers if each.covers(finding.rule, finding.severity))


@SLOW
@given(policies)
def test_what_was_shown_is_covered(policy: Any) -> None:
    if policy["Version"] != VERSION_2012:
        return  # in which a variable is a text
    waivers = waived(policy)
    for each in judge(role(policy), KNOWN, Guardrails(), now=NOW).counting:
        if each.witness is not None:
            assert covered(each, waivers), (each, waivers)


def tokens(condition: dict[str, Any]) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:*", "Condition": condition}
    return {"Version": VERSION_2012, "Statement": [statement]}


@SLOW
@given(policies, policies)
@example(tokens({"Null": {f"{GITHUB}:repository": "true"}}), tokens({}))  # a witness has to say what keeps it outside
def test_whatever_stands_later_nothing_is_let_through_but_what_a_waiver_covers(shown: Any, later: Any) -> None:
    waivers, its = waived(shown), role(later)
    without = judge(its, KNOWN, Guardrails(), now=NOW)
    under = judge(its, KNOWN, with_waivers(Guardrails(), waivers), now=NOW, strict=True)
    outside = [each for each in without.counting if each.witness is not None and not covered(each, waivers)]
    if outside:
        assert under.verdict in {Verdict.VIOLATING, Verdict.UNDECIDABLE}, (outside, waivers)
    for each in under.counting:
        assert each.witness is None or not covered(each, waivers), (each, waivers)


@SLOW
@given(policies)
def test_after_its_end_it_lets_nothing_through(policy: Any) -> None:
    without = judge(role(policy), KNOWN, Guardrails(), now=UNTIL)
    under = judge(role(policy), KNOWN, with_waivers(Guardrails(), waived(policy)), now=UNTIL)
    assert {each.rule for each in without.counting} <= {each.rule for each in under.counting}
    assert under.verdict is not Verdict.WAIVED


@SLOW
@given(policies)
def test_it_is_kept_as_it_was(policy: Any) -> None:
    waivers = waived(policy)
    assert waivers_from_text(waivers_as_text(waivers)) == waivers


PEOPLE = (ANN, JOE, EVE)
STRANGERS = (STRANGER, OTHER)
says = st.tuples(st.just("say"), st.sampled_from(PEOPLE), st.sampled_from([1, 1, 1, 30, 90, 91]), st.booleans())
changes = st.tuples(st.just("change"), st.sets(st.sampled_from(STRANGERS)))
sleeps = st.tuples(st.just("sleep"), st.sampled_from([0.1, 1, 31]))
steps = st.lists(st.one_of(says, says, says, st.just(("carry out",)), changes, sleeps), max_size=25)


def policy_of(strangers: set[str]) -> str:
    return trusting(GOOD_PRINCIPAL, *(f"arn:aws:iam::{each}:root" for each in sorted(strangers)))


@settings(deadline=None, max_examples=60)
@given(steps, st.sampled_from([None, EVE]))
def test_in_whatever_order_people_answer_change_and_wait_nobody_is_let_through_without_two_who_said_so(
    everything: list[Any], author: Any
) -> None:
    office = Waiving()
    office.behind = frozenset() if author is None else frozenset({author.user_id})
    stands, number = {STRANGER}, 100
    for step in everything:
        number += 1
        outcomes: list[str] = []
        if step[0] == "say" and office.open():
            until = office.world.clock.now() + timedelta(days=step[2])
            # Both mean the same where they say the same day.
            until = until.replace(hour=0, minute=0, second=0, microsecond=0)
            office.waive(step[1], until=until, via=Via.SIGV4 if step[3] else Via.SLACK)
        elif step[0] == "carry out":
            office.carried_out()
        elif step[0] == "change":
            stands = step[1]
            outcomes = office.changes(policy_of(stands), number)
        elif step[0] == "sleep":
            office.carried_out()
            office.world.clock.sleep(timedelta(days=step[1]).total_seconds())
            office.due()
        now = office.world.clock.now()
        for each in office.waivers:
            question = office.world.questions.kept[f"{PROD}/payments", each.decided]
            assert_decided(question, each, author)
        accepted = {each.where.principals[0].value for each in office.waivers if not each.has_ended(now)}
        if stands - accepted and outcomes:
            assert outcomes[-1] == "asked"
        if outcomes == ["passed"]:
            assert stands <= accepted


def assert_decided(question: Question, waiver: Waiver, author: Any) -> None:
    assert question.state in {State.APPROVED, State.DONE}
    assert len(question.yes) >= 2  # high
    assert author is None or author.user_id not in question.yes
    assert question.detail["until"] == waiver.until.isoformat()
