"""What holds for every remedy of every policy that a rule's table finds something in."""

import json
from collections import Counter
from copy import replace
from typing import Any

import pytest

from doorward.findings.model import Judgement, Verdict
from doorward.guardrails.diff import newly_allowed
from doorward.guardrails.judge import judge
from doorward.guardrails.remedies import propose
from doorward.iam.documents import Document, Statement, canonical_hash, parse_document
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
    remedies = tuple(propose(door, found, None, organization, guardrails, closing=found.counting, now=NOW))
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
        for remedy in propose(door, found, None, organization, guardrails, closing=[finding], now=NOW):
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
