"""Pairs of trust policies that look alike and differ in meaning: every risky one is caught, and no safe one is flagged above info.

`tests/cases/pairs/README.md` has the form of the tables. What is right was decided by AWS's documentation and not by what Doorward answers.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from doorward.findings.model import Judgement, Severity, Verdict
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Role
from doorward.organization.model import Organization
from doorward.organization.parsing import organization_from
from tests.unit.test_guardrails_rules import NOW

DIRECTORY = Path(__file__).parents[1] / "cases/pairs"
TOPICS: dict[str, list[dict[str, Any]]] = {path.stem: json.loads(path.read_text())["pairs"] for path in sorted(DIRECTORY.glob("*.json"))}
PAIRS = [(topic, pair) for topic, pairs in TOPICS.items() for pair in pairs]
FEWEST_PAIRS = 150
FIELDS = {"name", "why", "rule", "risky", "safe"}
OPTIONAL_FIELDS = {"organization", "safe_may_be", "because"}


@cache
def organization(name: str) -> Organization:
    return organization_from(json.loads((DIRECTORY / "organizations" / f"{name}.json").read_text()))


def judged(pair: dict[str, Any], side: str) -> Judgement:
    ours = organization(pair.get("organization", "acme"))
    arn = f"arn:{ours.partition}:iam::777788889999:role/door"
    role = Role("777788889999", "door", "/", arn, "AROADOORDOORDOORDOORD", json.dumps(pair[side]))
    return judge(role, ours, Guardrails(), now=NOW, strict=True)


def faults(pair: dict[str, Any]) -> list[str]:
    """What is wrong with the two verdicts, in words; empty where both are right."""
    found: list[str] = []
    risky, safe = judged(pair, "risky"), judged(pair, "safe")
    caught = {each.rule for each in risky.findings if each.severity is not Severity.INFO}
    if not caught or pair["rule"] not in {"any", *caught}:
        found.append(f"risky: {pair['rule']} was not found: {risky}")
    right = {Verdict.COMPLIANT} | ({Verdict.UNDECIDABLE} if pair.get("safe_may_be") == "undecidable" else set())
    if safe.verdict not in right:
        found.append(f"safe: {safe}")
    return found


@pytest.mark.parametrize("pair", [pytest.param(pair, id=f"{topic}: {pair['name']}") for topic, pair in PAIRS])
def test_the_risky_one_is_caught_and_the_safe_one_is_not_flagged(pair: dict[str, Any]) -> None:
    assert faults(pair) == []


@pytest.mark.parametrize("side", ["risky", "safe"])
def test_iam_would_store_every_policy(side: str) -> None:
    refused = {pair["name"]: because for _, pair in PAIRS if (because := judged(pair, side).because) is not None}
    assert refused == {}


def test_the_pairs_are_many_and_each_is_told_apart() -> None:
    names = [pair["name"] for _, pair in PAIRS]
    assert len(names) >= FEWEST_PAIRS
    assert len(names) == len(set(names))
    policies = [json.dumps((pair.get("organization"), pair["risky"], pair["safe"]), sort_keys=True) for _, pair in PAIRS]
    assert len(policies) == len(set(policies))


def test_every_pair_has_the_form_that_the_readme_describes() -> None:
    for _, pair in PAIRS:
        assert pair.keys() >= FIELDS, pair["name"]
        assert pair.keys() <= FIELDS | OPTIONAL_FIELDS, pair["name"]
        assert pair["why"].endswith("."), pair["name"]
        assert ("safe_may_be" in pair) == ("because" in pair), pair["name"]
