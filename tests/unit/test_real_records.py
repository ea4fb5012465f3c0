"""Public CloudTrail records of real accounts go through the parser and the reaction. Skips where they do not lie beside the repository."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from doorward.events.model import Change, ProviderTarget, RoleTarget
from doorward.events.records import parse_envelope
from doorward.guardrails.model import Guardrails, Mode, Role
from doorward.organization.model import Account, Organization
from doorward.usecases.react_to_change import react_to_change
from doorward.usecases.reaction import Tools
from tests.fakes import (
    FakeBeats,
    FakeBrakes,
    FakeClock,
    FakeCuts,
    FakeHints,
    FakeLedger,
    FakeQuestions,
    FakeRoles,
    FakeSessions,
    FakeSweeps,
)
from tests.template.conftest import REPOSITORY

RECORDS = REPOSITORY.parent / "shared" / "cloudtrail"
NAMES = sorted(each.name for each in RECORDS.glob("*.json")) if RECORDS.is_dir() else []

# What a hub in mode enforce does with each record about a role's trust; anything else in the folder is skipped or only looked at.
# A role for any trust anchor of the account, as an attacker made one to stay: told, not written.
ALERTED = {"CreateRole-invictus-3.json"}
REVERTED = {"CreateRole-stratus.json", "UpdateAssumeRolePolicy-invictus-2.json", "UpdateAssumeRolePolicy-stratus.json"}

pytestmark = pytest.mark.skipif(not NAMES, reason="no folder of real CloudTrail records beside this repository (../shared/cloudtrail)")


def envelope(record: dict[str, Any]) -> str:
    """As EventBridge would have delivered it."""
    service = record["eventSource"].removesuffix(".amazonaws.com")
    return json.dumps(
        {
            "version": "0",
            "id": "00000000-0000-0000-0000-000000000000",
            "detail-type": "AWS API Call via CloudTrail",
            "source": f"aws.{service}",
            "account": account_of(record),
            "time": record.get("eventTime", "2020-01-01T00:00:00Z"),
            "region": record["awsRegion"],
            "resources": [],
            "detail": record,
        }
    )


def account_of(record: dict[str, Any]) -> str:
    return str(record.get("recipientAccountId") or record["userIdentity"]["accountId"])


def react(record: dict[str, Any]) -> tuple[list[str], FakeRoles]:
    """In an organization of this account alone, where the role stands as the event left it."""
    message, account = envelope(record), account_of(record)
    clock, roles = FakeClock(), FakeRoles()
    change = parse_envelope(message)
    if isinstance(change, Change) and isinstance(change.target, RoleTarget):
        name = change.target.role_name
        document = change.document or json.dumps({"Version": "2012-10-17", "Statement": []})
        roles.put(Role(account, name, "/", f"arn:aws:iam::{account}:role/{name}", "AROAREAL0000000001", document))
    organization = Organization(id="o-a1b2c3d4e5", accounts=(Account(account, "own"),))
    guardrails = Guardrails(mode=Mode.ENFORCE)
    tools = Tools(
        roles,
        FakeLedger(clock),
        clock,
        organization,
        guardrails,
        "",
        (0.1,),
        timedelta(),
        FakeBeats,
        FakeSweeps,
        FakeHints,
        lambda: FakeBrakes(clock),
        FakeCuts,
        lambda _role_ref: (),
        FakeSessions,
        lambda: None,
        FakeQuestions,
        lambda _change: None,
        lambda _change: None,
        lambda question: question,
    )
    return [outcome.outcome for outcome in react_to_change(message, tools)], roles


@pytest.mark.parametrize("name", NAMES)
def test_every_real_record_ends_in_a_recorded_outcome_and_only_the_backdoors_are_closed(name: str) -> None:
    record = json.loads(Path(RECORDS / name).read_text("utf-8"))
    outcomes, roles = react(record)
    assert outcomes
    if name in REVERTED:
        assert outcomes == ["reverted"]
        assert "193672423079" not in json.dumps([role.trust_policy for role in roles.roles.values()])
    else:
        assert roles.writes == []
        assert set(outcomes) <= {"passed", "skipped", "no-role", "no-such-role", "alerted"}


def test_the_benign_trust_policies_among_them_pass() -> None:
    for name in (each for each in NAMES if each.startswith(("CreateRole", "UpdateAssumeRolePolicy")) and each not in REVERTED | ALERTED):
        outcomes, _ = react(json.loads((RECORDS / name).read_text("utf-8")))
        assert outcomes == ["passed"], name


def test_what_changed_a_provider_is_led_to_the_provider() -> None:
    change = parse_envelope(envelope(json.loads((RECORDS / "UpdateSAMLProvider-splunk.json").read_text("utf-8"))))
    assert isinstance(change, Change)
    assert isinstance(change.target, ProviderTarget)
