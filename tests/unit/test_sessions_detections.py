"""Every detection on sessions, by its decision table: what fires, how severe, and what is silent."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from doorward.events.model import SessionEvent
from doorward.events.records import parse_record
from doorward.findings.alerts import alert_as_json
from doorward.organization.installation import MINT_CREDENTIALS, REACT_TO_CHANGE, SEND_HEARTBEATS, SWEEP_ACCOUNT
from doorward.organization.model import Account, Organization, Pipeline, TrustedAccount
from doorward.sessions.detections import CATALOGUE, detect
from doorward.sessions.model import Hub, Scene, TrustVersion, edge_of, every_role_of
from tests.fakes import START

REPOSITORY = Path(__file__).resolve().parents[2]
TABLES = REPOSITORY / "tests" / "cases" / "detections"
HUB, PROD, STAGING, VENDOR = "111122223333", "777788889999", "222233334444", "555566667777"
ROLE = f"arn:aws:iam::{PROD}:role/app/payments"
ACME = Organization(
    id="o-a1b2c3d4e5",
    management_account="123456789012",
    accounts=(Account(HUB, "hub"), Account(PROD, "prod"), Account(STAGING, "staging"), Account("123456789012", "management")),
    trusted_accounts=(TrustedAccount(VENDOR, "vendor"), TrustedAccount("464622532012", "datadog", external_id_required=False)),
    pipelines=(Pipeline(f"arn:aws:iam::{PROD}:role/deploy/DeployRole", "platform"),),
    break_glass=(f"arn:aws:iam::{PROD}:role/sealed/emergency",),
)

HERE = Hub(
    HUB, {"AROAREACTION": REACT_TO_CHANGE, "AROASWEEP": SWEEP_ACCOUNT, "AROAHEARTBEAT": SEND_HEARTBEATS, "AROABROKER": MINT_CREDENTIALS}
)


def rows() -> list[Any]:
    found = []
    for detection in CATALOGUE:
        table = json.loads((TABLES / f"{detection}.json").read_text("utf-8"))
        found += [pytest.param(detection, row, id=f"{detection}: {row['name']}") for row in table["rows"]]
    return found


@pytest.mark.parametrize(("detection", "row"), rows())
def test_a_row_is_decided_as_the_table_says(detection: str, row: dict[str, Any]) -> None:
    found = {each.detection: each for each in detect(scene(row), now=START)}
    alert = found.get(detection)
    assert (alert is not None) is (row["expect"] == "fires"), found
    if alert is not None:
        assert str(alert.severity) == row["severity"]
        assert alert.severity.rank <= CATALOGUE[detection].severity.rank
        assert alert.because.endswith(".")
        assert alert.what_to_do.endswith(".")
        Draft202012Validator(json.loads((REPOSITORY / "docs/schemas/doorward.alert.1.json").read_text())).validate(
            alert_as_json(alert, "doorward.sessions/1", None)
        )


def test_every_detection_has_a_page_and_a_table_and_the_other_way_round() -> None:
    pages = {path.stem for path in (REPOSITORY / "docs" / "detections").glob("*.md")} - {"README"}
    tables = {path.stem for path in TABLES.glob("*.json")}
    assert set(CATALOGUE) <= pages
    assert set(CATALOGUE) <= tables
    readme = (REPOSITORY / "docs" / "detections" / "README.md").read_text("utf-8")
    assert all(f"]({page}.md)" in readme for page in pages)


def scene(row: dict[str, Any]) -> Scene:
    call = parse_record(record(row))
    assert isinstance(call, SessionEvent)
    versions = tuple(version(number, each) for number, each in enumerate(row.get("versions", ())))
    edge = edge_of(call, ACME)
    if edge is not None and "came_before" in row:
        edge = edge._replace(times=2, first=START + timedelta(seconds=row["came_before"]))
    return Scene(call, ACME, HERE, versions, edge)


def version(number: int, row: dict[str, Any]) -> TrustVersion:
    hidden = row.get("hides")
    document = row["text"] if "text" in row else None if hidden else json.dumps(row["document"])
    at: datetime = START + timedelta(seconds=row["at"])
    actor = row.get("actor", f"arn:aws:iam::{PROD}:user/jane")
    ref = every_role_of(PROD) if hidden == "the role too" else f"{PROD}/payments"
    return TrustVersion(ref, f"v-{number}", at, document, is_first=row.get("first", False), actor=actor)


def record(row: dict[str, Any]) -> dict[str, Any]:
    by, role = row["by"], row.get("role", ROLE)
    event, session = row.get("event", "AssumeRole"), row.get("session", "any")
    request: dict[str, Any] = {"roleArn": role, "roleSessionName": session} | ({"externalId": "x"} if row.get("external_id") else {})
    request |= {"sourceIdentity": row["source_identity"]} if "source_identity" in row else {}
    response = {"assumedRoleUser": {"assumedRoleId": f"AROAROLE:{session}"}, "audience": by.get("audience"), "subject": by.get("subject")}
    if event == "AssumeRoleWithSAML":
        request["principalArn"] = by["provider"]
    signs_in = event == "SwitchRole"
    return {
        "eventID": "e-1",
        "eventTime": START.isoformat(),
        "eventName": event,
        "eventSource": "signin.amazonaws.com" if signs_in else "sts.amazonaws.com",
        "awsRegion": "eu-west-1",
        "recipientAccountId": role.split(":")[4],
        "sharedEventID": "s-1",
        "userIdentity": identity({**by, "arn": role} if signs_in else by),
        "requestParameters": None if row.get("error") else request,
        "responseElements": None if row.get("error") else response,
        "resources": [{"ARN": role}],
        "errorCode": row.get("error"),
        "errorMessage": f"is not authorized to perform: sts:AssumeRole on resource: {role}" if row.get("error") else None,
    }


def identity(by: dict[str, Any]) -> dict[str, Any]:
    if "service" in by:
        return {"type": "AWSService", "invokedBy": by["service"]}
    if "provider" in by:
        return {"type": "WebIdentityUser", "userName": by["subject"], "identityProvider": by["provider"]}
    arn = by.get("arn")
    base = {"accountId": by.get("account"), "invokedBy": by.get("invoked_by")}
    if arn is None:
        return {"type": "AWSAccount", "principalId": by.get("id", "AROACALLER:any"), **base}
    if ":role/" in arn:
        return {"type": "AssumedRole", "principalId": "AROACALLER:any", "sessionContext": {"sessionIssuer": {"arn": arn}}, **base}
    return {"type": "Root" if arn.endswith(":root") else "IAMUser", "arn": arn, "principalId": "AIDACALLER", **base}
