"""Every detection about the organization and its heartbeats: a page, and a decision table of both sides that the code follows."""

import json
from datetime import timedelta
from typing import Any

import pytest

from doorward.findings.alerts import Alert, alert_as_json
from doorward.guard import heartbeats, organization_alerts
from doorward.guard.heartbeats import Pulse, Sent, hear, look, missed_alert
from doorward.organization.changes import changes
from doorward.organization.facts import AccountFacts, OrganizationFacts, PolicyFacts, UnitFacts
from tests.fakes import START
from tests.template.conftest import REPOSITORY
from tests.unit.test_organization_facts import MANAGEMENT, ORG, PROD, ROOT
from tests.unit.test_refresh_organization import event

DETECTIONS = sorted({*organization_alerts.DETECTIONS, heartbeats.DETECTION})
UNITS = {"/workloads": "ou-ab12-44444444", "/workloads/prod": "ou-ab12-11111111", "/workloads/production": "ou-ab12-11111111"}


def rows() -> list[Any]:
    found = []
    for detection in DETECTIONS:
        table = json.loads((REPOSITORY / f"tests/cases/detections/{detection}.json").read_text())
        assert table["detection"] == detection
        found += [pytest.param(detection, row, id=f"{detection}: {row['name']}") for row in table["rows"]]
    return found


def facts(described: dict[str, Any]) -> OrganizationFacts:
    def account(raw: dict[str, Any]) -> AccountFacts:
        above = [UNITS[ou] for ou in UNITS if raw["ou"] == ou or (ou == "/workloads" and raw["ou"].startswith("/workloads/"))]
        path = "".join(f"{each}/" for each in (ORG, ROOT, *above))
        return AccountFacts(**{"name": "a", "status": "ACTIVE", "joined": "CREATED", "tags": {}, "org_path": path, **raw})

    def policy(raw: dict[str, Any]) -> PolicyFacts:
        text = raw.get("text", "{}")
        return PolicyFacts(raw["id"], "guard", raw.get("type", "SERVICE_CONTROL_POLICY"), text, text, tuple(raw["targets"]))

    accounts = [account({"id": MANAGEMENT, "ou": "/"}), *map(account, described["accounts"])]
    return OrganizationFacts(
        described.get("id", ORG),
        described.get("management_account", MANAGEMENT),
        ROOT,
        tuple(described.get("policy_types", ["SERVICE_CONTROL_POLICY"])),
        tuple(sorted(accounts)),
        tuple(UnitFacts(unit, ou, "") for ou, unit in UNITS.items() if ou != "/workloads/production"),
        tuple(policy(each) for each in described.get("policies", [])),
        START,
    )


def alerts_of(row: dict[str, Any]) -> list[Alert]:
    if "event" in row:
        fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row["event"].items()}
        alert = organization_alerts.alert_of_event(event(fields.pop("event_name"), **fields), START)
        return [] if alert is None else [alert]
    if "sent" in row:
        at = {each: START + timedelta(seconds=each) for each in (*row["sent"], row["now"])}
        pulse = Pulse(tuple(Sent(str(each), at[each]) for each in row["sent"]))
        looked = {"us-east-1": look(pulse, {str(each) for each in row["seen"]}, at[row["now"]])}
        return [missed_alert(PROD, each, "us-east-1", "prod", START) for each in hear((), looked, "us-east-1").begun]
    after = facts(row["after"])
    return list(organization_alerts.alerts_of_changes(changes(facts(row["before"]), after), after, 1, (), START))


@pytest.mark.parametrize(("detection", "row"), rows())
def test_a_detection_fires_and_stays_silent_as_its_table_says(detection: str, row: dict[str, Any]) -> None:
    found = [each for each in alerts_of(row) if each.detection == detection]
    assert len(found) == (1 if row["expect"] == "fires" else 0)
    for alert in found:
        assert str(alert.severity) == row["severity"]
        assert alert.because.endswith(".") or "(" in alert.because
        assert alert_as_json(alert, "doorward.guard/1", None)["account"]["id"].isdigit()


def test_what_a_known_pipeline_does_to_access_is_told_more_quietly_and_to_issuers_is_not() -> None:
    severities = {
        name: [str(each.severity) for each in found if each]
        for name in ("CreateAccountAssignment", "CreateTrustedTokenIssuer")
        for found in [[organization_alerts.alert_of_event(event(name, event_source="sso.amazonaws.com"), START, by_pipeline=True)]]
    }
    assert severities == {"CreateAccountAssignment": ["low"], "CreateTrustedTokenIssuer": ["high"]}


@pytest.mark.parametrize("detection", DETECTIONS)
def test_every_detection_has_a_page_and_both_sides_in_its_table(detection: str) -> None:
    page = (REPOSITORY / f"docs/detections/{detection}.md").read_text()
    assert page.startswith(f"# {detection}: ")
    assert "**What to do.**" in page
    assert "https://docs.aws.amazon.com/" in page
    table = json.loads((REPOSITORY / f"tests/cases/detections/{detection}.json").read_text())
    assert {row["expect"] for row in table["rows"]} == {"fires", "silent"}


def test_the_alert_of_every_detection_is_in_the_form_of_the_contract() -> None:
    from jsonschema import Draft202012Validator

    schema = Draft202012Validator(json.loads((REPOSITORY / "docs/schemas/doorward.alert.1.json").read_text()))
    alerts = [alert for param in rows() for alert in alerts_of(param.values[1])]
    assert {each.detection for each in alerts} == set(DETECTIONS)
    for each in alerts:
        schema.validate(alert_as_json(each, "doorward.guard/1", "a"))


def test_the_same_change_found_again_is_the_same_finding_and_a_later_one_is_another() -> None:
    def ids(over: int) -> set[str]:
        before, after = facts({"accounts": [{"id": PROD, "ou": "/workloads/prod"}]}), facts({"accounts": []})
        return {each.id for each in organization_alerts.alerts_of_changes(changes(before, after), after, over, (), START)}

    assert ids(1) == ids(1)
    assert ids(1).isdisjoint(ids(2))
