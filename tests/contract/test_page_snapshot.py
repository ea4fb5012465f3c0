"""take_snapshot reads what the product's own adapters wrote (on moto), and takes nothing away."""

from collections.abc import Iterator
from copy import replace
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from doorward.aws.announcing import SqsDeadLetters
from doorward.aws.ledger import DynamoLedger
from doorward.findings.alerts import Alert, alert_as_json
from doorward.findings.model import Severity
from doorward.findings.wording import witness_in_words
from doorward.ports.ledger import Announcement, Case, CaseStatus, EventOutcome, Head
from local.page.document import render_page
from local.slack import SlackSink
from local.snapshot import Snapshot, take_snapshot
from tests.browser.samples import START, harmless, hostile, record
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

REF = "777788889999/payments"
DETAIL = record(harmless).detail
OPENED = {**DETAIL, "remedy": None, "diff": [], "seconds": None}


@dataclass
class Cloud:
    dynamodb: "DynamoDBClient"
    sqs: "SQSClient"
    ledger: DynamoLedger
    queue: str

    def snapshot(self) -> Snapshot:
        return take_snapshot(self.dynamodb, self.sqs, ledger_table="ledger", dead_letter_queues={"changes": self.queue})


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        dynamodb, sqs = boto3.client("dynamodb", "us-east-1"), boto3.client("sqs", "us-east-1")
        for table in ("ledger", "baselines"):
            dynamodb.create_table(
                TableName=table,
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                BillingMode="PAY_PER_REQUEST",
            )
        queue = sqs.create_queue(QueueName="changes")["QueueUrl"]
        yield Cloud(dynamodb, sqs, DynamoLedger(dynamodb, "ledger", "baselines", FakeClock()), queue)


def case(number: int = 1, status: CaseStatus = CaseStatus.STANDING, detail: dict[str, Any] = OPENED, **fields: Any) -> Case:
    opened = START + timedelta(seconds=number)
    return Case(f"dw-{number}", REF, "AROA1", f"hash-{number}", 0, status, opened, "e-1", "{}", detail, **fields)


def announcement(name: str, detail_type: str = "TrustViolationFound", detail: dict[str, Any] = OPENED) -> Announcement:
    return Announcement(name, detail_type, detail, START)


def test_a_stack_where_nothing_happened_is_an_empty_snapshot(cloud: Cloud) -> None:
    snapshot = cloud.snapshot()
    assert (snapshot.events, snapshot.cases, snapshot.alerts, snapshot.messages, snapshot.dead_letters) == ((), (), (), (), ())


def test_events_come_in_the_order_of_time_with_the_accounts_name(cloud: Cloud) -> None:
    late, early = START + timedelta(seconds=9), START
    cloud.ledger.record(EventOutcome("777788889999", "e-2", "CreateRole", REF, "reverted", "Because.", late, late))
    cloud.ledger.record(EventOutcome("222233334444", "e#1", "DeleteRole", "", "skipped", "Nothing to do.", None, early))
    first, second = cloud.snapshot().events
    assert (first.event_id, first.role_ref, first.account_name, first.time) == ("e#1", "", "staging", early)
    assert (second.event_id, second.role_ref, second.account_name, second.outcome) == ("e-2", REF, "prod", "reverted")


def test_a_case_is_shown_from_found_to_closed(cloud: Cloud) -> None:
    lock = cloud.ledger.lock(REF)
    cloud.ledger.open_case(lock, case(), Head(), announcement("dw-1-found"))
    (shown,) = cloud.snapshot().cases
    assert (shown.status, shown.is_open, shown.diff, shown.seconds, shown.action) == ("standing", True, (), None, "write")
    assert [(each.rule, each.severity) for each in shown.rules] == [("external-account", "critical"), ("broad-condition", "undecided")]

    closed = case(1, CaseStatus.REMEDIED, DETAIL, remedy_kind="drop", closed_at=START + timedelta(seconds=4))
    cloud.ledger.close_case(lock, closed, Head(1), announcement("dw-1-reverted", "TrustPolicyReverted", DETAIL))
    snapshot = cloud.snapshot()
    (shown,) = snapshot.cases
    assert (shown.status, shown.is_open, shown.seconds, shown.remedy_kind) == ("remedied", False, 3.25, "drop")
    assert shown.diff == tuple(DETAIL["diff"])
    assert (snapshot.put_back, snapshot.open_cases, snapshot.slowest_seconds) == (1, 0, 3.25)


def test_a_case_that_could_not_be_closed_says_so_while_it_is_open(cloud: Cloud) -> None:
    lock = cloud.ledger.lock(REF)
    cloud.ledger.open_case(lock, case(), Head(), announcement("dw-1-found"))
    cloud.ledger.announce(announcement("dw-1-failed", "TrustRemedyFailed", {**OPENED, "because": "IAM refused it."}))
    assert cloud.snapshot().cases[0].failed_because == "IAM refused it."
    cloud.ledger.close_case(lock, case(1, CaseStatus.ENDED, closed_at=START), Head(1), announcement("dw-1-ended"))
    assert cloud.snapshot().cases[0].failed_because is None


def test_cases_come_in_the_order_of_time(cloud: Cloud) -> None:
    lock = cloud.ledger.lock(REF)
    for number in (3, 1, 2):
        cloud.ledger.open_case(lock, case(number), Head(), announcement(f"dw-{number}-found"))
    assert [each.finding_id for each in cloud.snapshot().cases] == ["dw-1", "dw-2", "dw-3"]


def test_an_alert_is_shown_with_its_role_or_its_account_and_a_trust_finding_is_none(cloud: Cloud) -> None:
    silent = Alert("heartbeat-missed", "k", Severity.HIGH, "an account has gone silent", "No beat.", "Look.", "222233334444", START)
    used = replace(silent, detection="opened-door-used", at=START, role="arn:aws:iam::777788889999:role/payments")
    for second, alert in ((9, silent), (1, used)):
        detail = alert_as_json(alert, "doorward.guard/1", "staging")
        cloud.ledger.announce(Announcement(alert.id, "GuardProblemFound", detail, START + timedelta(seconds=second)))
    cloud.ledger.announce(announcement("dw-1-found"))
    first, second_ = cloud.snapshot().alerts
    assert (first.detection, first.about) == ("opened-door-used", "arn:aws:iam::777788889999:role/payments")
    assert (second_.about, second_.severity, second_.because, second_.what_to_do) == ("staging", "high", "No beat.", "Look.")
    assert second_.at == START + timedelta(seconds=9)


def test_dead_letters_are_read_with_their_reason_and_stay(cloud: Cloud) -> None:
    SqsDeadLetters(cloud.sqs, cloud.queue).put_aside("{" + "x" * 2000, "$.detail is missing.")
    cloud.sqs.send_message(QueueUrl=cloud.queue, MessageBody="moved by SQS")
    cloud.sqs.send_message(
        QueueUrl=cloud.queue,
        MessageBody="from EventBridge",
        MessageAttributes={"ERROR_MESSAGE": {"DataType": "String", "StringValue": "No permission."}},
    )
    for _ in range(2):
        letters = {each.body[:20]: each for each in cloud.snapshot().dead_letters}
        assert [letters[key].reason for key in ("{" + "x" * 19, "from EventBridge")] == ["$.detail is missing.", "No permission."]
        assert "log" in letters["moved by SQS"].reason
        assert [each.is_cut for each in letters.values()].count(True) == 1
        assert all(each.queue == "changes" and len(each.body) <= 600 for each in letters.values())


def test_letters_beyond_what_one_look_can_see_are_counted(cloud: Cloud) -> None:
    for number in range(25):
        cloud.sqs.send_message(QueueUrl=cloud.queue, MessageBody=str(number))
    snapshot = cloud.snapshot()
    assert len(snapshot.dead_letters) + snapshot.more_letters == 25


def test_slack_messages_are_shown_by_their_blocks_and_nothing_is_left_out(cloud: Cloud) -> None:
    blocks = [
        {"type": "section", "text": {"type": "mrkdwn", "text": "*a*"}},
        {"type": "divider"},
        {"type": "header", "text": {"type": "plain_text", "text": "b"}},
        {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Approve"}, "style": "primary"}]},
        {"type": "rich_text", "elements": ["c"]},
    ]
    with SlackSink() as sink:
        sink.workspace.post_message({"channel": "C0123456789", "text": "t", "blocks": blocks})
        sink.workspace.post_message({"channel": "U0JANEDOE1", "text": "only text"})
        taken = take_snapshot(cloud.dynamodb, cloud.sqs, ledger_table="ledger", dead_letter_queues={}, slack=sink)
    page = render_page(taken)
    for part in (
        '<div class="block"><strong>a</strong></div><hr><div class="block title">b</div>',
        '<span class="button primary">Approve</span>',
        "&quot;elements&quot;: [&quot;c&quot;]",
        " to #security, everybody</p>",
        " to Jane</p>",
        '<div class="block">only text</div>',
    ):
        assert part in page, part


def test_a_hostile_case_comes_through_the_ledger_as_it_was_written_and_can_be_shown(cloud: Cloud) -> None:
    detail = record(hostile()).detail
    lock = cloud.ledger.lock(REF)
    cloud.ledger.open_case(lock, case(1, CaseStatus.STANDING, detail), Head(), announcement("dw-1-found", detail=detail))
    (shown,) = cloud.snapshot().cases
    assert shown.rules[0].because == detail["findings"][0]["because"]
    assert "<script" not in render_page(Snapshot(START, cases=(shown,)))


@pytest.mark.parametrize(
    ("witness", "words"),
    [
        (
            {"principal": "arn:aws:iam::999988887777:role/any", "principal_type": "AWS", "context": {"a": "b"}, "absent": ["c"]},
            "arn:aws:iam::999988887777:role/any may call sts:AssumeRole with a = b, and without c.",
        ),
        ({"principal": "*", "principal_type": "Anonymous"}, "anybody, without credentials, may call sts:AssumeRole."),
        (
            {"principal": "ec2.amazonaws.com", "principal_type": "Service", "absent": ["x", "y"]},
            "the service ec2.amazonaws.com may call sts:AssumeRole without x, y.",
        ),
        (
            {"principal": "idp", "principal_type": "Federated", "context": {"sts:ExternalId": "secret", "k": ["a", "b"], "none": []}},
            "somebody whom idp signs in may call sts:AssumeRole with sts:ExternalId = ***, k = a, b, none = (empty).",
        ),
    ],
)
def test_a_witness_is_one_sentence_and_an_external_id_is_masked(witness: dict[str, Any], words: str) -> None:
    assert witness_in_words({"action": "sts:AssumeRole", **witness}) == words
