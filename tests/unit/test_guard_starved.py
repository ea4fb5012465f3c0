"""A change that cannot wait, and cannot be looked at because AWS refuses calls for their number, is told."""

import json
from copy import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from jsonschema import Draft202012Validator

from doorward.aws.errors import translate
from doorward.errors import DoorwardError, Misconfigured, Throttled, Unavailable
from doorward.events.hints import Hint, hint_as_text, parse_message
from doorward.events.model import Cause, Change
from doorward.findings.alerts import alert_as_json
from doorward.guard.starving import COMES_AGAIN_AFTER, DETECTION, starved
from doorward.organization.model import Account, Organization
from doorward.usecases.tell_starved import tell_starved
from tests.fakes import START, FakeClock, FakeLedger
from tests.template.conftest import parsed

REPOSITORY = Path(__file__).parents[2]
ROWS: list[dict[str, Any]] = json.loads((REPOSITORY / "tests/cases/detections/guard-starved.json").read_text())["rows"]
ERRORS: dict[str, type[DoorwardError]] = {"Throttled": Throttled, "Unavailable": Unavailable, "Misconfigured": Misconfigured}
PROD = "777788889999"
ACME = Organization(accounts=(Account(PROD, "prod"),))


def change_of(cause: str) -> Change:
    found = parse_message(hint_as_text(Hint(PROD, Cause(cause), "A sweep.", "h-1", START, role_name="payments")))
    assert isinstance(found, Change)
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_row_is_decided_as_the_table_says(row: dict[str, Any]) -> None:
    error = ERRORS[row["error"]]("reading role 777788889999/payments: Throttling: Rate exceeded")
    now = START + timedelta(seconds=row["age"])
    alert = starved(change_of(row["cause"]), error, now, comes_again_after=timedelta(seconds=row["again"]))
    assert (alert is not None) is (row["expect"] == "fires")
    if alert is not None:
        assert str(alert.severity) == row["severity"]
        schema = json.loads((REPOSITORY / "docs/schemas/doorward.alert.1.json").read_text())
        Draft202012Validator(schema).validate(alert_as_json(alert, "doorward.guard/1", "prod"))


def test_it_is_told_once_an_hour_for_each_account_and_names_the_event() -> None:
    clock = FakeClock()
    ledger = FakeLedger(clock)
    error = Throttled("reading role 777788889999/payments: Throttling: Rate exceeded")
    event = replace(change_of("trust"), event_name="UpdateAssumeRolePolicy")
    for seconds in (0, 360, 360):
        clock.sleep(seconds)
        tell_starved(event, error, ledger, ACME, clock)
    (told,) = ledger.outbox.values()
    assert told.detail_type == "GuardProblemFound"
    assert told.detail["detection"] == DETECTION
    assert told.detail["account"] == {"id": PROD, "name": "prod"}
    assert [each["name"] for each in told.detail["events"]] == ["UpdateAssumeRolePolicy"]
    clock.sleep(3600)
    tell_starved(event, error, ledger, ACME, clock)
    assert len(ledger.outbox) == 2


@pytest.mark.parametrize("code", ["Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"])
def test_aws_s_words_for_too_many_calls_are_one_error_of_ours_and_nothing_else_is(code: str) -> None:
    assert type(translate(ClientError({"Error": {"Code": code, "Message": "Rate exceeded"}}, "GetRole"), "reading")) is Throttled
    assert type(translate(ClientError({"Error": {"Code": "ServiceUnavailable", "Message": ""}}, "GetRole"), "reading")) is Unavailable


def test_a_failed_change_comes_again_when_its_queue_says() -> None:
    queue = parsed("template.yaml")["Resources"]["ChangeQueue"]
    assert timedelta(seconds=queue["Properties"]["VisibilityTimeout"]) == COMES_AGAIN_AFTER
