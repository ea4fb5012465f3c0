"""What holds for every remedy of every policy that a rule's table finds something in."""

import json
from copy import replace
from typing import Any

import pytest

from doorward.findings.model import Severity, Verdict
from doorward.guardrails.diff import newly_allowed
from doorward.guardrails.judge import judge
from doorward.guardrails.remedies import propose
from doorward.iam.documents import canonical_hash, parse_document
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
    remedies = propose(door, found, None, organization, guardrails, now=NOW)
    if found.verdict is not Verdict.VIOLATING:
        assert remedies == ()
        return
    before = parse_document(door.trust_policy)
    for remedy in remedies:
        closed = replace(door, trust_policy=json.dumps(remedy.trust_policy))
        again = judge(closed, organization, guardrails, now=NOW, strict=True)
        assert remedy.proved
        assert [each for each in again.findings if each.severity is not Severity.INFO and each.waiver is None] == []
        assert again.verdict in {Verdict.COMPLIANT, Verdict.UNDECIDABLE, Verdict.WAIVED}
        assert propose(closed, again, None, organization, guardrails, now=NOW) == ()
        assert newly_allowed(before, parse_document(closed.trust_policy), door, organization, now=NOW).is_there is False
        if remedy.kind in {"drop", "tighten"}:
            after = parse_document(json.dumps(remedy.trust_policy))
            assert canonical_hash(after) != canonical_hash(before)
            kept = [each._replace(position=0) for each in after.statements if each.effect == "Deny"]
            assert kept == [each._replace(position=0) for each in before.statements if each.effect == "Deny"]
