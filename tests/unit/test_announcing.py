"""publish_outbox and notify_people: what was found reaches the bus and people, whatever fails on the way. Authors: test_authors.py."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from doorward.errors import MalformedInput, Misconfigured, Unavailable
from doorward.findings.alerts import Alert, AlertEvent, AlertFormat, alert_as_json
from doorward.findings.model import Severity
from doorward.organization.model import Contact, Organization
from doorward.ports.announcing import Channel
from doorward.ports.ledger import Announcement
from doorward.slack.cards import render_card
from doorward.usecases.compose_message import compose_message
from doorward.usecases.notify_people import Tools, notify_people
from doorward.usecases.publish_outbox import publish_outbox
from tests.fakes import START, FakeBus, FakeChannel, FakeClock, FakeLedger, FakeNotices

REPOSITORY = Path(__file__).resolve().parents[2]
DETAIL: dict[str, Any] = {
    "format": "doorward.guardrails/1",
    "announcement_id": "dw-1-found",
    "finding_id": "dw-1",
    "role_ref": "777788889999/payments",
    "account": {"id": "777788889999", "name": "prod"},
    "severity": "high",
    "mode": "enforce",
    "because": "The mode for this role is enforce.",
    "findings": [{"rule": "external-account", "severity": "high", "because": "Account 999988887777 may come in."}],
    "undecidable": [],
    "actor": {"kind": "IAMUser", "arn": "arn:aws:iam::777788889999:user/jane"},
    "event": {"id": "e-1", "name": "UpdateAssumeRolePolicy", "time": "2026-11-24T09:00:00+00:00"},
    "remedy": None,
    "diff": [],
    "seconds": None,
}


def envelope(detail_type: str = "TrustViolationFound", **changes: Any) -> str:
    return json.dumps({"source": "doorward.guardrails", "detail-type": detail_type, "detail": {**DETAIL, **changes}})


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger(FakeClock())


def telling(ledger: FakeLedger, *channels: FakeChannel) -> Tools:
    def nobody(contact: Contact) -> Channel:
        raise AssertionError(contact)

    return Tools(channels, nobody, Organization(), ledger, FakeNotices(), FakeClock())


def test_an_announcement_is_published_once_however_often_it_is_delivered(ledger: FakeLedger) -> None:
    bus = FakeBus()
    ledger.announce(Announcement("a", "TrustViolationFound", {}, START))
    assert [publish_outbox("a", ledger, bus) for _ in range(3)] == [True, False, False]
    assert len(bus.published) == 1


def test_an_announcement_that_the_bus_did_not_take_is_still_waiting(ledger: FakeLedger) -> None:
    bus = FakeBus(fail_next=[Unavailable("no")])
    ledger.announce(Announcement("a", "TrustViolationFound", {}, START))
    with pytest.raises(Unavailable):
        publish_outbox("a", ledger, bus)
    assert publish_outbox("a", ledger, bus) is True


def test_every_channel_is_told_once_however_often_the_event_is_delivered(ledger: FakeLedger) -> None:
    sns, slack = FakeChannel("sns"), FakeChannel("slack")
    assert notify_people(envelope(), telling(ledger, sns, slack)) == ("sns", "slack")
    assert notify_people(envelope(), telling(ledger, sns, slack)) == ()
    assert (len(sns.messages), len(slack.messages)) == (1, 1)


def test_a_channel_that_fails_neither_stops_the_other_nor_makes_it_repeat(ledger: FakeLedger) -> None:
    sns, slack = FakeChannel("sns", fail_next=[Misconfigured("no topic")]), FakeChannel("slack")
    with pytest.raises(Misconfigured):
        notify_people(envelope(), telling(ledger, sns, slack))
    assert len(slack.messages) == 1
    assert notify_people(envelope(), telling(ledger, sns, slack)) == ("sns",)
    assert len(slack.messages) == 1


def test_in_mode_observe_nobody_is_disturbed(ledger: FakeLedger) -> None:
    sns = FakeChannel("sns")
    assert notify_people(envelope(mode="observe"), telling(ledger, sns)) == ()
    assert sns.messages == []


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"source": "aws.iam", "detail-type": "x", "detail": {}}', '{"source": "doorward.guardrails"}', "[" * 100_000],
)
def test_what_is_no_event_of_ours_is_malformed(text: str, ledger: FakeLedger) -> None:
    with pytest.raises(MalformedInput):
        notify_people(text, telling(ledger))


def test_a_message_says_what_where_who_and_what_was_done() -> None:
    message = compose_message(
        envelope("TrustPolicyReverted", remedy={"kind": "restore", "proved": True}, seconds=3.2, diff=["-  bad", "+  good"])
    )
    assert message.subject == "Doorward [high] a trust policy was put back: 777788889999/payments"
    for part in (
        "external-account",
        "999988887777",
        "user/jane",
        "UpdateAssumeRolePolicy",
        "restore",
        "3.2 s",
        "-  bad",
        "+  good",
        "dw-1",
    ):
        assert part in message.text


def test_an_unread_change_is_told_by_its_account() -> None:
    message = compose_message(envelope("TrustChangeUnread", role_ref=None))
    assert "account 777788889999" in message.subject


ALERT = Alert(
    detection="external-caller",
    key="shared-1",
    severity=Severity.CRITICAL,
    title="somebody from outside came in",
    because="Account 999988887777 assumed role/x.\u202e",
    what_to_do="Close the door, then end the session.",
    account_id="777788889999",
    at=START,
    role="arn:aws:iam::777788889999:role/x",
    events=(AlertEvent("e-1", "AssumeRole", START),),
)


def alerting(kind: AlertFormat = "doorward.sessions/1") -> str:
    detail = {"announcement_id": ALERT.id, **alert_as_json(ALERT, kind, "prod")}
    return json.dumps({"source": kind.partition("/")[0], "detail-type": "SuspiciousSessionFound", "detail": detail})


@pytest.mark.parametrize("kind", ["doorward.sessions/1", "doorward.guard/1"])
def test_an_alert_says_what_happened_where_and_what_to_do(kind: AlertFormat) -> None:
    message = compose_message(alerting(kind))
    assert "somebody from outside came in: arn:aws:iam::777788889999:role/x" in message.text
    assert "Account: prod (777788889999)" in message.text
    assert "What to do: Close the door, then end the session." in message.text
    assert "\u202e" not in message.text
    assert "critical" in json.dumps(render_card(message))
    assert "Close the door" in json.dumps(render_card(message))


def test_an_alert_keeps_to_its_schema_and_its_id_is_that_of_the_thing_found() -> None:
    schema = json.loads((REPOSITORY / "docs" / "schemas" / "doorward.alert.1.json").read_text("utf-8"))
    Draft202012Validator(schema).validate(alert_as_json(ALERT, "doorward.guard/1", None))
    assert replace(ALERT, at=START + timedelta(days=1), because="again").id == ALERT.id
    assert replace(ALERT, key="another").id != ALERT.id


def test_an_event_of_another_source_is_not_passed_on_to_people() -> None:
    with pytest.raises(MalformedInput):
        compose_message(alerting().replace('"doorward.sessions"', '"my.app"'))
