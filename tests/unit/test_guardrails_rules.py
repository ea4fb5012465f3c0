"""Every rule has a page and a decision table with both sides; the tables are read here. `expect` is about the table's own rule."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from doorward.findings.model import Severity, Verdict
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Role
from doorward.guardrails.parsing import RULES
from doorward.guardrails.rules import ALL_RULES
from doorward.organization.model import Account, Organization, TrustedAccount, TrustedIssuer

REPO = Path(__file__).parents[2]
TABLES = {path.stem: json.loads(path.read_text()) for path in sorted((REPO / "tests/cases/rules").glob("*.json"))}
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
GITHUB = "token.actions.githubusercontent.com"


def organization(*issuers: TrustedIssuer) -> Organization:
    return Organization(
        id="o-a1b2c3d4e5",
        management_account="123456789012",
        accounts=tuple(Account(each, each) for each in ("111122223333", "444455556666", "222233334444", "777788889999")),
        trusted_accounts=(
            TrustedAccount("555566667777", "acme vendor"),
            TrustedAccount("666677778888", "partner", external_id_required=False),
        ),
        oidc=issuers,
        saml=("arn:aws:iam::777788889999:saml-provider/corp",),
    )


ORGANIZATIONS = {
    "known": organization(TrustedIssuer(GITHUB, ("repo:acme/*",), ("sts.amazonaws.com",))),
    "github-unlisted": organization(),
    "github-own-audience": organization(TrustedIssuer(GITHUB, ("repo:acme/*",), ("https://deploy.acme.example",))),
    "github-one-branch": organization(TrustedIssuer(GITHUB, ("repo:acme/app:ref:refs/heads/main",))),
    "github-by-claim": organization(TrustedIssuer(GITHUB, ("repo:acme/*",), claims={"repository_owner_id": ("123456",)})),
    "gitlab-listed": organization(TrustedIssuer("gitlab.com", ("project_path:acme/*",))),
    "one-account": Organization(),
}


def role(trust_policy: Any) -> Role:
    text = trust_policy if isinstance(trust_policy, str) else json.dumps(trust_policy)
    return Role("777788889999", "door", "/", "arn:aws:iam::777788889999:role/door", "AROADOORDOORDOORDOORD", text)


def test_rules_are_the_same_wherever_they_are_listed() -> None:
    assert {each.id: each.severity for each in ALL_RULES.values()} == RULES


@pytest.mark.parametrize("rule", ALL_RULES)
def test_every_rule_has_a_page_and_a_table_with_both_sides(rule: str) -> None:
    page = (REPO / "docs/rules" / f"{rule}.md").read_text()
    for heading in ("# " + rule, "## Fires", "## Passes", "## The request that proves it", "## How to fix it", "## What it does not see"):
        assert heading in page
    assert f"Severity: {ALL_RULES[rule].severity}" in page
    rows = TABLES[rule]["rows"]
    assert len(rows) >= 12
    assert {"fires", "silent"} <= {row["expect"] for row in rows}


@pytest.mark.parametrize("rule", ALL_RULES)
@pytest.mark.parametrize(("heading", "fires"), [("## Fires", True), ("## Passes", False)])
def test_the_examples_of_a_page_are_true(rule: str, heading: str, fires: bool) -> None:
    page = (REPO / "docs/rules" / f"{rule}.md").read_text()
    example = page.split(heading + "\n", 1)[1].split("```json\n", 1)[1].split("```", 1)[0]
    judged = judge(role(example), ORGANIZATIONS["known"], Guardrails(), now=NOW, strict=True)
    assert (rule in {each.rule for each in judged.findings}) is fires
    assert fires or judged.verdict is Verdict.COMPLIANT


@pytest.mark.parametrize(
    ("rule", "row"),
    [pytest.param(rule, row, id=f"{rule}: {row['name']}") for rule, table in TABLES.items() for row in table["rows"]],
)
def test_decision_table(rule: str, row: dict[str, Any]) -> None:
    judged = judge(role(row["trust_policy"]), ORGANIZATIONS[row.get("organization", "known")], Guardrails(), now=NOW, strict=True)
    assert judged.verdict is not Verdict.INVALID, judged.because
    found = "fires" if rule in {each.rule for each in judged.findings} else "silent"
    if found == "silent" and rule in {each.rule for each in judged.undecidable}:
        found = "undecided"
    assert found == row["expect"], judged
    keys = [(each.rule, each.statement.index) for each in judged.findings]
    assert len(keys) == len(set(keys))
    for each in judged.findings:
        assert (each.witness is not None) is (each.kind == "world")
        assert each.severity in Severity
        assert "4f1c2d3e4b5a" not in each.because + each.title
