"""docs/rules/coverage.md: every threat of its list has one row, with rules that are shown to find it or with a reason."""

import json
import re
from typing import Any

import pytest

from doorward.findings.model import Severity
from doorward.guardrails.model import Mode
from doorward.guardrails.parsing import guardrails_from
from doorward.guardrails.rules import ALL_RULES, RuleText
from doorward.organization.model import Account
from tests.unit.test_guardrails_rules import REPO, judged_as, outcome, role

COVERAGE = (REPO / "docs/rules/coverage.md").read_text("utf-8")
THREATS = json.loads((REPO / "tests/cases/coverage/threats.json").read_text("utf-8"))
ROWS: list[tuple[str, str]] = re.findall(r"^\| (TP-\d{3}) \| [^|]+ \| ([^|]+) \|$", COVERAGE, re.MULTILINE)


def test_every_threat_of_the_list_has_one_row() -> None:
    stated = COVERAGE.split("\nThreats: ", 1)[1].split(".\n", 1)[0]
    ranges = re.findall(r"TP-(\d{3}) to TP-(\d{3})", stated)
    assert stated == ", ".join(f"TP-{first} to TP-{last}" for first, last in ranges)
    listed = [f"TP-{number:03}" for first, last in ranges for number in range(int(first), int(last) + 1)]
    assert [threat for threat, _ in ROWS] == listed
    assert len([line for line in COVERAGE.splitlines() if line.startswith("| TP-")]) == len(listed)


def test_every_threat_names_rules_that_find_it_or_a_reason() -> None:
    reasons = tuple(re.findall(r"^\* \*\*(.+)\*\*: ", COVERAGE, re.MULTILINE))
    stated: set[tuple[str, str]] = set()
    for threat, cell in ROWS:
        if cell.startswith("["):
            stated |= {(threat, rule) for rule in re.findall(r"\[`(\S+)`\]", cell.split("; ", 1)[0])}
        else:
            assert cell.startswith(reasons), threat
    assert stated == {(each["threat"], each["rule"]) for each in THREATS}
    assert {rule for _, rule in stated} <= set(ALL_RULES)


@pytest.mark.parametrize("each", [pytest.param(each, id=f"{each['threat']} {each['rule']}") for each in THREATS])
def test_a_rule_finds_the_threats_that_it_is_named_for(each: dict[str, Any]) -> None:
    assert outcome(each["rule"], judged_as(each, each["trust_policy"])) == "fires"


@pytest.mark.parametrize("each", [pytest.param(each, id=each.id) for each in ALL_RULES.values()])
def test_a_rule_below_high_alerts_unless_the_configuration_names_it(each: RuleText) -> None:
    door, account = role("{}"), Account("777788889999", "prod")
    usual = Mode.ALERT if each.severity.rank < Severity.HIGH.rank else Mode.ENFORCE
    assert guardrails_from({"mode": "enforce"}).mode_for(each.id, door, account) is usual
    named = guardrails_from({"mode": "enforce", "rules": {each.id: {"mode": "enforce"}}})
    assert named.mode_for(each.id, door, account) is Mode.ENFORCE
