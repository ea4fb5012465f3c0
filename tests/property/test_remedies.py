"""What holds for every remedy of every policy that a rule's table finds something in."""

import json
from collections import Counter
from copy import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.findings.model import Judgement, Verdict
from doorward.guardrails.accepted import give_back, restore_accepted
from doorward.guardrails.diff import newly_allowed
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Role
from doorward.guardrails.remedies import QUARANTINE, propose, suggest
from doorward.iam.documents import Document, Statement, canonical_hash, parse_document
from doorward.iam.evaluate import Request, evaluate_trust_policy
from tests.property.test_judge import KNOWN, OURS, actions, conditions, policies, statements, stranger_tokens, strangers
from tests.unit.test_guardrails_rules import GUARDRAILS, NOW, ORGANIZATIONS, TABLES, role

VIOLATING = [
    pytest.param({**{key: value for key, value in table.items() if key != "rows"}, **row}, id=f"{rule}: {row['name']}")
    for rule, table in TABLES.items()
    for row in table["rows"]
    if row["expect"] == "fires"
]


@pytest.mark.parametrize("row", VIOLATING)
def test_every_remedy_is_proved_adds_no_statement_and_touches_no_deny(row: dict[str, Any]) -> None:
    organization = ORGANIZATIONS[row.get("organization", "known")]
    guardrails = GUARDRAILS[row.get("guardrails", "default")]
    door = role(row["trust_policy"])
    found = judge(door, organization, guardrails, now=NOW, strict=True)
    remedies = (
        *propose(door, found, None, organization, guardrails, closing=found.counting, now=NOW),
        *suggest(door, found, organization, guardrails, closing=found.counting, now=NOW),
    )
    if found.verdict is not Verdict.VIOLATING:
        assert remedies == ()
        return
    before = parse_document(door.trust_policy)
    for remedy in remedies:
        closed = replace(door, trust_policy=json.dumps(remedy.trust_policy))
        again = judge(closed, organization, guardrails, now=NOW, strict=True)
        assert remedy.proved
        assert of_the_policy(again) == []
        assert again.verdict is not Verdict.INVALID
        assert list(propose(closed, again, None, organization, guardrails, closing=again.counting, now=NOW)) == []
        assert newly_allowed(before, parse_document(closed.trust_policy), door, organization, now=NOW).is_there is False
        if remedy.kind in {"drop", "tighten"}:
            after = parse_document(json.dumps(remedy.trust_policy))
            assert canonical_hash(after) != canonical_hash(before)
            assert denies(after) == denies(before)
        if remedy.kind == "deny":
            after = parse_document(json.dumps(remedy.trust_policy))
            assert len([each for each in after.statements if each.effect == "Allow"]) <= len(before.statements)


@pytest.mark.parametrize("row", VIOLATING)
def test_a_findings_own_remedy_closes_it_brings_no_other_and_leaves_other_statements_alone(row: dict[str, Any]) -> None:
    organization = ORGANIZATIONS[row.get("organization", "known")]
    guardrails = GUARDRAILS[row.get("guardrails", "default")]
    # Beside it stands a hole of another kind, which is no business of the remedy.
    policy = json.loads(row["trust_policy"]) if isinstance(row["trust_policy"], str) else row["trust_policy"]
    given = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    door = role({**policy, "Statement": [*given, BESIDE]})
    found = judge(door, organization, guardrails, now=NOW, strict=True)
    before = parse_document(door.trust_policy)
    for finding in found.counting:
        if finding.statement.index == len(given):
            continue
        for remedy in suggest(door, found, organization, guardrails, closing=[finding], now=NOW):
            closed = replace(door, trust_policy=json.dumps(remedy.trust_policy))
            again = judge(closed, organization, guardrails, now=NOW, strict=True)
            assert Counter(of_the_policy(again)) <= Counter(of_the_policy(found)) - Counter([finding.rule])
            assert newly_allowed(before, parse_document(closed.trust_policy), door, organization, now=NOW).is_there is False
            if remedy.kind in {"drop", "tighten"}:
                after = parse_document(json.dumps(remedy.trust_policy)).statements
                untouched = [each for each in before.statements if each.position != finding.statement.index]
                left = [each._replace(position=0) for each in after]
                assert all(each._replace(position=0) in left for each in untouched)
                assert len(before.statements) - len(after) in {0, 1}


BESIDE = {
    "Sid": "BesideAllThat",
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::999988887777:role/beside"},
    "Action": "sts:AssumeRole",
}


def of_the_policy(judgement: Judgement) -> list[str]:
    return [each.rule for each in judgement.counting if each.kind != "context"]


def denies(document: Document) -> list[Statement]:
    return [each._replace(position=0) for each in document.statements if each.effect == "Deny"]


# Drawn policies and requests, by the concrete evaluator: the proofs above are the search's own word.


@st.composite
def callers(draw: st.DrawFn) -> Request:
    """Ours and trusted ones, by whichever call."""
    account, name = draw(st.sampled_from([OURS, "444455556666", "555566667777"])), draw(st.sampled_from(["deploy", "eve", "any"]))
    arn = f"arn:aws:iam::{account}:role/{name}"
    context: dict[str, str | tuple[str, ...]] = {
        "aws:PrincipalAccount": account,
        "aws:PrincipalArn": arn,
        "aws:PrincipalType": "AssumedRole",
        "aws:PrincipalIsAWSService": "false",
        "aws:userid": "AROASOMEBODYSOMEBODYX:run-1",
        "sts:RoleSessionName": draw(st.sampled_from(["run-1", "zz"])),
    }
    if account != "555566667777":
        context |= {"aws:PrincipalOrgID": "o-a1b2c3d4e5", "aws:PrincipalOrgPaths": ("o-a1b2c3d4e5/r-ab12/",)}
    if draw(st.booleans()):
        context["sts:ExternalId"] = "4f1c2d3e4b5a"
    action = draw(st.sampled_from(["sts:AssumeRole", "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity", "sts:SetContext"]))
    return Request(f"arn:aws:sts::{account}:assumed-role/{name}/run-1", "AWS", action, context)


requests = st.lists(strangers() | stranger_tokens() | callers(), min_size=10, max_size=30)
# Policies of which something may be accepted.
harmless = st.builds(
    lambda principal, action, condition: {"Effect": "Allow", "Principal": principal, "Action": action, "Condition": condition},
    st.sampled_from(
        [{"AWS": OURS}, {"AWS": [f"arn:aws:iam::{OURS}:role/deploy", "AROAEXAMPLE123456789A"]}, {"AWS": "arn:aws:iam::444455556666:root"}]
    ),
    actions,
    st.just({}) | conditions(),
)
accepted_policies = st.builds(
    lambda allows, denies: {"Version": "2012-10-17", "Statement": [*allows, *denies]},
    st.lists(harmless | statements(), min_size=1, max_size=2),
    st.lists(statements("Deny"), max_size=1),
)
mixed = st.builds(lambda policy, more: {**policy, "Statement": [*policy["Statement"], *more]}, policies, st.lists(harmless, max_size=1))


def allowed(text: str, drawn: list[Request]) -> set[int]:
    document = parse_document(text)
    return {index for index, each in enumerate(drawn) if evaluate_trust_policy(document, each).outcome == "allowed"}


def closed_and_given_back(door: Role, accepted: str | None, drawn: list[Request]) -> int:
    """How many remedies there were, each of which held."""
    found = judge(door, KNOWN, Guardrails(), now=NOW, strict=True)
    before = allowed(door.trust_policy, drawn)
    count = 0
    for remedy in propose(door, found, accepted, KNOWN, Guardrails(), closing=found.counting, now=NOW):
        count += 1
        closed = replace(door, trust_policy=json.dumps(remedy.trust_policy))
        again = judge(closed, KNOWN, Guardrails(), now=NOW, strict=True)
        assert of_the_policy(again) == []
        now_in = allowed(closed.trust_policy, drawn)
        assert now_in <= before
        for finding in found.counting:  # what proved the hole is kept out
            if finding.witness is not None:
                witness = finding.witness
                request = Request(witness.principal, witness.principal_type, witness.action, witness.context, door.arn, door.account_id)
                assert evaluate_trust_policy(parse_document(closed.trust_policy), request).outcome != "allowed"
        sids = [each.sid for each in parse_document(closed.trust_policy).statements if each.sid is not None]
        assert len(sids) == len(set(sids))
        assert "AROAEXAMPLE" not in json.dumps([each.get("Principal") for each in remedy.trust_policy["Statement"]])
        if accepted is not None:
            back = give_back(closed, accepted, KNOWN, Guardrails(), now=NOW)
            if back is not None:
                text = json.dumps(back.trust_policy)
                assert allowed(text, drawn) <= now_in | allowed(accepted, drawn)
                assert of_the_policy(judge(replace(door, trust_policy=text), KNOWN, Guardrails(), now=NOW, strict=True)) == []
    return count


@settings(deadline=None, max_examples=120)
@given(mixed, accepted_policies, requests)
def test_every_rung_closes_and_widens_nothing_and_what_is_given_back_was_accepted(policy: Any, accepted: Any, drawn: list[Request]) -> None:
    closed_and_given_back(role(policy), json.dumps(accepted), drawn)


@settings(deadline=None, max_examples=120)
@given(accepted_policies, accepted_policies, requests)
def test_what_is_given_back_allows_what_one_of_the_two_allows(stands: Any, accepted: Any, drawn: list[Request]) -> None:
    was, text = allowed(json.dumps(stands), drawn), json.dumps(accepted)
    for door, limit in ((role(stands), was), (role(QUARANTINE), set[int]())):
        for remedy in (give_back(door, text, KNOWN, Guardrails(), now=NOW), restore_accepted(door, text, KNOWN, Guardrails(), now=NOW)):
            if remedy is not None:
                assert allowed(json.dumps(remedy.trust_policy), drawn) <= limit | allowed(text, drawn)
    restored = restore_accepted(role(stands), text, KNOWN, Guardrails(), now=NOW)
    assert restored is None or allowed(json.dumps(restored.trust_policy), drawn) <= allowed(text, drawn)


@settings(deadline=None, max_examples=60)
@given(mixed, accepted_policies, st.sampled_from([("/aws-reserved/sso.amazonaws.com/", "door"), ("/", "AWSControlTowerExecution")]))
def test_nothing_is_offered_for_a_role_that_must_not_be_edited(policy: Any, accepted: Any, named: tuple[str, str]) -> None:
    found = judge(role(policy), KNOWN, Guardrails(), now=NOW)
    door, text = role(policy)._replace(path=named[0], name=named[1]), json.dumps(accepted)
    assert list(propose(door, found, text, KNOWN, Guardrails(), closing=found.counting, now=NOW)) == []
    assert give_back(door, text, KNOWN, Guardrails(), now=NOW) is None
    assert restore_accepted(door, text, KNOWN, Guardrails(), now=NOW) is None
