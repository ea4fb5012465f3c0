"""What the configuration can say of rules: off, severity, privileged roles, rules of one's own, waivers; and the pages that list rules."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from doorward.errors import Misconfigured
from doorward.findings.model import Judgement, Severity, Verdict
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Mode, Undecidable
from doorward.guardrails.parsing import guardrails_from
from doorward.guardrails.rules import ALL_RULES
from doorward.organization.model import Account
from doorward_cli.main import main
from tests.unit.test_diff import EVERYBODY, LAMBDA, ROOT, STRANGER, allow
from tests.unit.test_guardrails_rules import NOW, ORGANIZATIONS, REPO, role

KNOWN = ORGANIZATIONS["known"]
PAGE = (REPO / "docs/rules/README.md").read_text("utf-8")
CUSTOM, WAIVERS = (yaml.safe_load(each) for each in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
OTHER = {"AWS": "arn:aws:iam::888877776666:root"}


def _scope(mode: str, *, path: str = "/", **others: str) -> dict[str, Any]:
    return {"name": "a", "match": {"role_path": path}, "mode": mode, **others}


def judged(guardrails: dict[str, Any], *statements: Any, account: str = "777788889999") -> Judgement:
    door = role({"Version": "2012-10-17", "Statement": list(statements)})
    door = door._replace(account_id=account, arn=f"arn:aws:iam::{account}:role/door")
    return judge(door, KNOWN, guardrails_from(guardrails), now=NOW, strict=True)


def severities(judgement: Judgement) -> dict[str, Severity]:
    return {each.rule: each.severity for each in judgement.findings}


def test_a_rule_can_be_turned_off() -> None:
    assert judged({"rules": {"external-account": {"enabled": False}}}, allow(STRANGER)).verdict is Verdict.COMPLIANT


@pytest.mark.parametrize(
    ("guardrails", "account", "severity"),
    [
        ({}, "777788889999", Severity.HIGH),
        ({"privileged": [{"role_path": "/"}]}, "777788889999", Severity.CRITICAL),
        ({"privileged": [{"role_name": "do?r"}]}, "777788889999", Severity.CRITICAL),
        ({"privileged": [{"role_name": "floor*"}]}, "777788889999", Severity.HIGH),
        ({}, "123456789012", Severity.CRITICAL),
        ({"rules": {"external-account": {"severity": "low"}}, "privileged": [{"role_path": "/"}]}, "123456789012", Severity.LOW),
        (
            {
                "rules": {"external-account": {"severity": "low"}},
                "scopes": [{"name": "s", "match": {"role_path": "/"}, "mode": "alert", "severities": {"external-account": "medium"}}],
            },
            "777788889999",
            Severity.MEDIUM,
        ),
    ],
)
def test_severity_by_context_and_by_configuration(guardrails: Any, account: str, severity: Severity) -> None:
    assert severities(judged(guardrails, allow(STRANGER), account=account)) == {"external-account": severity}


def test_rules_below_high_are_told_and_not_written_unless_they_are_named() -> None:
    door, account = role("{}"), Account("777788889999", "prod")
    assert guardrails_from({"mode": "enforce"}).mode_for("saml-unscoped-audience", door, account) is Mode.ALERT
    assert guardrails_from({"mode": "enforce"}).mode_for("external-account", door, account) is Mode.ENFORCE
    assert guardrails_from({"mode": "enforce", **CUSTOM}).mode_for("custom-people-without-mfa", door, account) is Mode.ALERT
    named = {"mode": "enforce", "rules": {"saml-unscoped-audience": {"mode": "enforce"}}}
    assert guardrails_from(named).mode_for("saml-unscoped-audience", door, account) is Mode.ENFORCE


def test_a_rule_of_ones_own_is_waived_for_some_requests_and_beside_them_found_again() -> None:
    [rule] = CUSTOM["custom_rules"]
    accepted = {
        "owner": "jane",
        "reason": "until she has her key",
        "from": NOW.date().isoformat(),
        "until": (NOW + timedelta(days=90)).date().isoformat(),
        "role": "777788889999/door",
        "rules": [rule["id"]],
        "requests": {"where": {"StringEquals": {"aws:username": ["jane"]}}},
    }
    given = {"custom_rules": [rule, {**rule, "id": "custom-other"}], "waivers": [accepted]}
    only_she = judged(given, allow(ROOT, {"StringEquals": {"aws:username": "jane"}}))
    assert {each.rule: each.waiver is not None for each in only_she.findings} == {rule["id"]: True, "custom-other": False}
    everybody = judged(given, allow(ROOT))
    assert {each.rule: each.waiver is not None for each in everybody.findings} == {rule["id"]: False, "custom-other": False}
    witness = next(each.witness for each in everybody.findings if each.rule == rule["id"])
    assert witness is not None
    assert witness.context["aws:username"] != "jane"
    assert judged({**given, "custom_rules": [rule]}, allow(ROOT, {"StringEquals": {"aws:username": "jane"}})).verdict is Verdict.WAIVED
    nobody = judged(given, allow(LAMBDA))
    assert [each.rule for each in nobody.findings if each.severity is Severity.INFO and each.waiver is None].count("waiver-unused") == 1


def test_the_rule_of_ones_own_on_the_page_finds_its_request() -> None:
    judgement = judged(CUSTOM, allow(ROOT))
    assert severities(judgement) == {"custom-people-without-mfa": Severity.MEDIUM}
    witness = judgement.findings[0].witness
    assert witness is not None
    assert witness.principal.startswith("arn:aws:iam::777788889999:user/")
    assert judged(CUSTOM, allow(ROOT, {"Bool": {"aws:MultiFactorAuthPresent": "true"}})).verdict is Verdict.COMPLIANT
    assert judged(CUSTOM, allow({"AWS": "arn:aws:iam::777788889999:role/ci"})).verdict is Verdict.COMPLIANT


def test_rules_of_ones_own_for_services_and_tokens() -> None:
    base = {"severity": "high", "title": "t", "because": "b."}
    by_service = {**base, "id": "custom-s", "callers": {"type": "Service", "where": {"Null": {"aws:SourceAccount": "true"}}}}
    assert "custom-s" in severities(judged({"custom_rules": [by_service]}, allow(LAMBDA)))
    assert "custom-s" not in severities(judged({"custom_rules": [by_service]}, allow(LAMBDA, {"Null": {"aws:SourceAccount": "false"}})))
    saml = allow({"Federated": "arn:aws:iam::777788889999:saml-provider/corp"}, None, "sts:AssumeRoleWithSAML")
    by_user = {**base, "id": "custom-f", "callers": {"type": "Federated", "where": {"StringEquals": {"SAML:sub": "eve"}}}}
    assert "custom-f" in severities(judged({"custom_rules": [by_user]}, saml))


def test_a_waiver_is_a_set_of_requests_and_everything_outside_of_it_is_found() -> None:
    waived = judged(WAIVERS, allow(STRANGER))
    assert waived.verdict is Verdict.WAIVED
    assert waived.findings[0].waiver == ("jane@acme.example", "migration of the old billing account, CHANGE-1234", "2027-01-15")
    more = judged(WAIVERS, allow({"AWS": [STRANGER["AWS"], OTHER["AWS"]]}))
    assert more.verdict is Verdict.VIOLATING
    assert [each.witness.context["aws:PrincipalAccount"] for each in more.findings if each.witness is not None] == ["888877776666"]
    everybody = judged(WAIVERS, allow(EVERYBODY))
    assert "world-assumable" in severities(everybody)


def test_a_waiver_for_a_role_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("organization.yaml", "guardrails.yaml"):
        (tmp_path / name).write_text((REPO / "config" / name).read_text("utf-8").replace("waivers: []", "waivers:"), "utf-8")
    with (tmp_path / "guardrails.yaml").open("a", encoding="utf-8") as file:
        file.write(yaml.safe_dump(WAIVERS["waivers"]))
    policy = tmp_path / "role.json"
    trust = {"Version": "2012-10-17", "Statement": [allow(ROOT)]}
    window = {"RoleName": "window", "Arn": "arn:aws:iam::777788889999:role/window", "AssumeRolePolicyDocument": trust}
    policy.write_text(json.dumps({"Role": {**window, "Path": "/", "RoleId": "AROAWINDOWWINDOW12345"}}), "utf-8")
    assert main(["check", str(policy), "--config", str(tmp_path)]) == 0
    assert "the waiver of jane@acme.example for 777788889999/door meets no role of this run" in capsys.readouterr().err


def test_a_waiver_for_some_requests_of_an_account_leaves_the_others() -> None:
    some = json.loads(json.dumps(WAIVERS))
    some["waivers"][0]["requests"]["where"] = {"StringEquals": {"sts:ExternalId": "4f1c2d3e4b5a6978"}}
    outside = judged(some, allow(STRANGER))
    assert outside.verdict is Verdict.VIOLATING
    inside = judged(some, allow(STRANGER, {"StringEquals": {"sts:ExternalId": "4f1c2d3e4b5a6978"}}))
    assert inside.verdict is Verdict.WAIVED


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"until": "2027-03-01"}, "until: must be at most 90 days after from"),
        ({"until": "2026-10-01"}, "until: must be after from"),
        ({"until": "soon"}, "until"),
        ({"rules": ["no-such"]}, "no-such"),
        ({"rules": ["waiver-expired"]}, "waiver-expired"),
        ({"role": "door"}, "role"),
        ({"owner": ""}, "owner"),
        ({"requests": {"where": {"StringEquals": "x"}}}, "where"),
        ({"requests": {"principals": {"Nobody": ["x"]}}}, "Nobody"),
    ],
)
def test_a_waiver_that_says_too_little_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        guardrails_from({"waivers": [{**WAIVERS["waivers"][0], **change}]})


def test_the_list_of_rules_is_that_of_the_catalogue() -> None:
    form = r"^\| \[([a-z-]+)\]\(([a-z-]+)\.md\) \| ([a-z]+) \| ([a-z]+) \| (.+?)(?: \(privileged roles only\))? \|$"
    listed = re.findall(form, PAGE, re.MULTILINE)
    assert listed == [(each.id, each.id, str(each.severity), each.kind, each.title) for each in ALL_RULES.values()]


def test_every_threat_has_a_rule_that_exists_or_a_reason() -> None:
    rows = re.findall(r"^\| (TP-[0-9]{3}) \| (.+) \|$", (REPO / "docs/rules/coverage.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) == len({each for each, _ in rows}) >= 120
    named = {word for _, by in rows for word in re.findall(r"[a-z]+(?:-[a-z]+)+", by) if word in ALL_RULES}
    told = {each.id for each in ALL_RULES.values()} - {"waiver-expired", "waiver-unused"}
    assert told <= named


# What cannot be decided


@pytest.mark.parametrize(
    ("guardrails", "follows"),
    [
        ({}, Undecidable.ALERT),
        ({"mode": "enforce", "undecidable": "approve"}, Undecidable.APPROVE),
        ({"mode": "observe", "undecidable": "approve"}, Undecidable.APPROVE),
        ({"mode": "observe", "undecidable": "restore"}, Undecidable.ALERT),
        ({"mode": "alert", "undecidable": "restore"}, Undecidable.ALERT),
        ({"mode": "approve", "undecidable": "restore"}, Undecidable.APPROVE),
        ({"mode": "enforce", "undecidable": "restore"}, Undecidable.RESTORE),
        ({"undecidable": "restore", "scopes": [_scope("enforce")]}, Undecidable.RESTORE),
        ({"mode": "enforce", "undecidable": "restore", "scopes": [_scope("alert")]}, Undecidable.ALERT),
        ({"undecidable": "restore", "scopes": [_scope("enforce", undecidable="alert")]}, Undecidable.ALERT),
        ({"scopes": [_scope("enforce", undecidable="restore")]}, Undecidable.RESTORE),
        ({"scopes": [_scope("enforce", path="/other/", undecidable="restore")]}, Undecidable.ALERT),
        ({"adopted": [], "scopes": [_scope("enforce", undecidable="restore")]}, Undecidable.ALERT),
    ],
)
def test_what_cannot_be_decided_is_met_as_its_scope_says_and_restored_under_enforce_alone(
    guardrails: dict[str, Any], follows: Undecidable
) -> None:
    account = Account("777788889999", "prod", ou="/workloads/prod")
    assert guardrails_from(guardrails).undecidable_for(role("{}"), account) is follows
    assert guardrails_from(guardrails).undecidable_for(role("{}"), None) is not Undecidable.RESTORE


def test_a_scope_that_would_restore_under_a_mode_that_never_writes_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"scopes\[0\].undecidable: restore writes, and the mode here is alert"):
        guardrails_from({"scopes": [_scope("alert", undecidable="restore")]})
    with pytest.raises(Misconfigured, match="undecidable: must be alert, approve, restore"):
        guardrails_from({"undecidable": "enforce"})
