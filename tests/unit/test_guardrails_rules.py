"""Every rule has a page and a decision table with both sides; the tables are read here. `expect` is about the table's own rule.

A row may name its `organization`, its `guardrails`, the role's `max_session_duration_seconds` and the finding's `severity`; what the role
may do, by the policies `attached` and `inline` (null: not read); its `boundary` (empty: none) with that one's `boundary_document`. What
stands at the top of a table counts for all its rows, and for the examples of the page, each of which may have its own under `fires` and
`passes`.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from doorward.findings.model import Judgement, Severity, Verdict
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Boundary, Guardrails, Permissions, PermissionsPolicy, Role, Rule, Waiver, Where
from doorward.guardrails.parsing import RULES
from doorward.guardrails.rules import ALL_RULES
from doorward.iam.documents import Principal
from doorward.organization.model import Account, Match, Organization, TrustedAccount, TrustedIssuer

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
    "pool-listed": organization()._replace(cognito=("eu-west-1:11111111-2222-4333-8444-555555555555",)),
    "anchor-listed": organization()._replace(
        roles_anywhere=("arn:aws:rolesanywhere:eu-west-1:777788889999:trust-anchor/11111111-2222-4333-8444-555555555555",)
    ),
    "lambda-listed": organization()._replace(services=("lambda.amazonaws.com",)),
    "one-account": Organization(),
    "hub-known": organization()._replace(hub_account="111122223333"),
}


def waived(  # noqa: PLR0917 - as a waiver has them
    since: str,
    until: str,
    role: str = "777788889999/door",
    role_id: str | None = None,
    where: Where | None = None,
    about: tuple[str, ...] = (),
) -> Guardrails:
    rules = ("external-account", "literal-wildcard", *about)
    days = date.fromisoformat(since), date.fromisoformat(until)
    return Guardrails(waivers=(Waiver("jane@acme.example", "CHANGE-1234", *days, role, rules, role_id, where or Where()),))


BOUNDARIES = (Boundary(Match(role_path="/"), "team-boundary"),)
PRIVILEGED = (Match(role_path="/"),)
GUARDRAILS = {
    "default": Guardrails(),
    "privileged": Guardrails(privileged=PRIVILEGED),
    "one-hour-sessions": Guardrails(longest_session_seconds=3600),
    "privileged-one-hour-sessions": Guardrails(privileged=PRIVILEGED, longest_session_seconds=3600),
    "boundaries": Guardrails(boundaries=BOUNDARIES),
    "privileged-boundaries": Guardrails(privileged=PRIVILEGED, boundaries=BOUNDARIES),
    "boundaries-elsewhere": Guardrails(boundaries=(Boundary(Match(role_path="/ci/"), "team-boundary"),)),
    "boundary-by-arn": Guardrails(boundaries=(Boundary(Match(role_path="/"), "arn:aws:iam::777788889999:policy/team/team-boundary"),)),
    "external-account-off": Guardrails(rules={"external-account": Rule("external-account", enabled=False)}),
    "waived-boundary": waived("2026-11-01", "2027-01-31", about=("missing-boundary",))._replace(boundaries=BOUNDARIES),
    "waived": waived("2026-11-01", "2027-01-31"),
    "waived-since-today": waived("2026-11-24", "2027-01-31"),
    "waived-until-tomorrow": waived("2026-11-01", "2026-11-25"),
    "waived-until-today": waived("2026-11-01", "2026-11-24"),
    "waived-until-last-month": waived("2026-08-01", "2026-10-31"),
    "waived-from-tomorrow": waived("2026-11-25", "2027-01-31"),
    "waived-for-another-role": waived("2026-11-01", "2027-01-31", role="777788889999/window"),
    "waived-for-another-role-until-last-month": waived("2026-08-01", "2026-10-31", role="777788889999/window"),
    "waived-for-this-role-id": waived("2026-11-01", "2027-01-31", role_id="AROADOORDOORDOORDOORD"),
    "waived-for-an-earlier-role-of-the-name": waived("2026-11-01", "2027-01-31", role_id="AROAEARLIEREARLIERE12"),
    "waived-for-an-earlier-role-of-the-name-until-last-month": waived("2026-08-01", "2026-10-31", role_id="AROAEARLIEREARLIERE12"),
    "waived-for-999988887777": waived("2026-11-01", "2027-01-31", where=Where((Principal("AWS", "arn:aws:iam::999988887777:root"),))),
}


def role(trust_policy: Any, longest_session_seconds: int = 3600) -> Role:
    text = trust_policy if isinstance(trust_policy, str) else json.dumps(trust_policy)
    arn = "arn:aws:iam::777788889999:role/door"
    return Role("777788889999", "door", "/", arn, "AROADOORDOORDOORDOORD", text, longest_session_seconds)


def role_as(settings: Mapping[str, Any], trust_policy: Any) -> Role:
    permissions = None
    if "attached" in settings or "inline" in settings:
        read = dict.fromkeys(settings.get("attached", ())) | settings.get("inline", {})
        policies = (PermissionsPolicy(name, None if text is None else json.dumps(text)) for name, text in read.items())
        limit = settings.get("boundary_document")
        permissions = Permissions(tuple(policies), None if limit is None else json.dumps(limit))
    path, _, name = settings.get("role", "/door").rpartition("/")
    return role(trust_policy, settings.get("max_session_duration_seconds", 3600))._replace(
        name=name, path=f"{path}/", permissions=permissions, permissions_boundary=settings.get("boundary")
    )


def judged_as(settings: Mapping[str, Any], trust_policy: Any) -> Judgement:
    return judge(
        role_as(settings, trust_policy),
        ORGANIZATIONS[settings.get("organization", "known")],
        GUARDRAILS[settings.get("guardrails", "default")],
        now=NOW,
        strict=True,
    )


def page_of(rule: str) -> str:
    return (REPO / "docs/rules" / f"{rule}.md").read_text("utf-8")


def example_of(rule: str, heading: str) -> str:
    return page_of(rule).split(heading + "\n", 1)[1].split("```json\n", 1)[1].split("```", 1)[0]


def severity_of(rule: str, judged: Judgement) -> Severity:
    return next(each.severity for each in judged.findings if each.rule == rule)


def outcome(rule: str, judged: Judgement) -> str:
    if rule in {each.rule for each in judged.findings}:
        return "fires"
    return "undecided" if rule in {each.rule for each in judged.undecidable} else "silent"


def test_rules_are_the_same_wherever_they_are_listed() -> None:
    assert {each.id: each.severity for each in ALL_RULES.values()} == RULES


HEADINGS = ("Fires", "Passes", "The request that proves it", "How to fix it", "What it does not see", "Source")
RAISED = re.compile(r"; ([a-z]+) for a privileged role( and in the management account)?$", re.MULTILINE)


@pytest.mark.parametrize("rule", ALL_RULES)
def test_every_rule_has_a_page_and_a_table_with_both_sides(rule: str) -> None:
    page = page_of(rule)
    assert page.startswith(f"# {rule}\n\nSeverity: {ALL_RULES[rule].severity} ")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == list(HEADINGS)
    assert re.search(r"^https://\S+$|\(https://\S+\)", page.split("## Source\n", 1)[1], re.MULTILINE)
    rows = TABLES[rule]["rows"]
    assert len(rows) >= 12
    assert {"fires", "silent"} <= {row["expect"] for row in rows}
    names = [row["name"] for row in rows]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("rule", ALL_RULES)
@pytest.mark.parametrize("heading", ["Fires", "Passes"])
def test_the_examples_of_a_page_are_true(rule: str, heading: str) -> None:
    table = TABLES[rule]
    settings = {**table, **table.get(heading.lower(), {})}
    judged = judged_as(settings, example_of(rule, f"## {heading}"))
    assert outcome(rule, judged) == ("fires" if heading == "Fires" else "silent")
    assert heading == "Fires" or judged.verdict == settings.get("verdict", Verdict.COMPLIANT)


@pytest.mark.parametrize("rule", ALL_RULES)
def test_a_page_says_what_raises_the_severity(rule: str) -> None:
    table, example = TABLES[rule], example_of(rule, "## Fires")
    settings = {**table, **table.get("fires", {})}
    usual = ALL_RULES[rule].severity
    stated = RAISED.search(page_of(rule))
    privileged = settings.get("guardrails", "default").removeprefix("default")
    if not privileged.startswith(("privileged", "waived")):
        settings["guardrails"] = "privileged" + f"-{privileged}".rstrip("-")
    assert severity_of(rule, judged_as(settings, example)) == (stated[1] if stated else usual)
    management = judge(
        role_as(settings, example)._replace(account_id="123456789012"), ORGANIZATIONS["known"], Guardrails(), now=NOW, strict=True
    )
    if stated and stated[2]:
        assert severity_of(rule, management) == stated[1]
    else:
        assert all(each.severity == usual for each in management.findings if each.rule == rule)


@pytest.mark.parametrize(
    ("rule", "row"),
    [pytest.param(rule, row, id=f"{rule}: {row['name']}") for rule, table in TABLES.items() for row in table["rows"]],
)
def test_decision_table(rule: str, row: dict[str, Any]) -> None:
    judged = judged_as({**TABLES[rule], **row}, row["trust_policy"])
    assert judged.verdict is not Verdict.INVALID, judged.because
    assert outcome(rule, judged) == row["expect"], judged
    keys = [(each.rule, each.statement.index) for each in judged.findings]
    assert len(keys) == len(set(keys))
    assert "severity" not in row or {each.severity for each in judged.findings if each.rule == rule} == {row["severity"]}
    for each in judged.findings:
        assert (each.witness is not None) is (each.kind == "world")
        assert each.severity in Severity
        assert "4f1c2d3e4b5a" not in each.because + each.title
    for open_one in judged.undecidable:
        assert "; " in open_one.because, "what to do about it"


@pytest.mark.parametrize("rule", [each.id for each in ALL_RULES.values() if each.kind == "world" and not each.only_privileged])
def test_whom_a_policy_lets_in_is_the_same_for_a_privileged_role(rule: str) -> None:
    table = TABLES[rule]
    found = {row["name"]: outcome(rule, judged_as({**row, "guardrails": "privileged"}, row["trust_policy"])) for row in table["rows"]}
    assert found == {row["name"]: row["expect"] for row in table["rows"]}
