"""What goes together is told together: announcements from the outbox to Slack and to a program behind the topic, by the real functions."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from doorward.aws.clock import SystemClock
from doorward.aws.ledger import DynamoLedger
from doorward.ports.ledger import Announcement
from local.installation import Installation
from local.slack import SlackMessage
from local.world import HUB, SLACK_CHANNEL, STAGING
from tests.integration.emulated import document, unique

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

NOBODYS = STAGING
"""An account that has no owner: what is told of it goes to everybody alone."""


def found(finding: str, role: str, severity: str = "high", because: str = "") -> dict[str, Any]:
    """Of a detection: what is about a case is kept as evidence, too, and of these there is no case."""
    return {
        "format": "doorward.guard/1",
        "finding_id": finding,
        "detection": "long-session",
        "severity": severity,
        "title": "a test has something to say",
        "because": because or f"A test says so of {finding}.",
        "what_to_do": "Nothing.",
        "account": {"id": NOBODYS.id, "name": NOBODYS.name},
        "role": f"arn:aws:iam::{NOBODYS.id}:role/{role}",
        "principal": "906-nobody",
        "actor": None,
        "region": None,
        "events": [],
    }


class Notifier:
    def __init__(self, doorward: Installation) -> None:
        self.doorward = doorward
        self._dynamodb = doorward.stack.client("dynamodb", HUB.id)
        self.table = doorward.outputs["LedgerTableName"]
        self._ledger = DynamoLedger(self._dynamodb, self.table, "unused", SystemClock())

    def announce(self, announcement_id: str, detail: Mapping[str, Any], detail_type: str = "SuspiciousChangeFound") -> None:
        self._ledger.announce(Announcement(announcement_id, detail_type, detail, datetime.now(UTC)))

    def spend_the_minute(self) -> None:
        """As if the channel had had all that it may, now and in the minute after."""
        for minute in range(2):
            sort = f"MINUTE#{int(datetime.now(UTC).timestamp() // 60) + minute}"
            for channel in ("slack", "sns"):
                item = {"pk": {"S": f"NOTICES#{channel}"}, "sk": {"S": sort}, "sent": {"N": "1000"}}
                self._dynamodb.put_item(TableName=self.table, Item=item)

    def give_the_minute_back(self) -> None:
        for minute in range(-1, 2):
            sort = f"MINUTE#{int(datetime.now(UTC).timestamp() // 60) + minute}"
            for channel in ("slack", "sns"):
                self._dynamodb.delete_item(TableName=self.table, Key={"pk": {"S": f"NOTICES#{channel}"}, "sk": {"S": sort}})

    def messages(self, about: str) -> list[SlackMessage]:
        return [each for each in self.doorward.slack.messages if each.channel == SLACK_CHANNEL and about in str(each)]

    def message(self, about: str) -> SlackMessage:
        found = self.doorward.stack.until(lambda: self.messages(about), f"a message about {about}")
        assert found
        return found[-1]

    def was_told(self, announcement_id: str) -> bool:
        key = {"pk": {"S": f"OUTBOX#{announcement_id}"}, "sk": {"S": "SENT#slack"}}
        return "Item" in self._dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True)

    def turn(self, send: str) -> None:
        self.doorward.deliver(json.dumps({"format": "doorward.turn/1", "send": send}), to="Notify")


@pytest.fixture
def notifier(doorward: Installation) -> Notifier:
    """Whatever other tests have had told just now is not counted: what is over the limit of a minute would be held back."""
    notifier = Notifier(doorward)
    notifier.give_the_minute_back()
    return notifier


@pytest.fixture
def program(doorward: Installation) -> Iterator[Any]:
    """What a queue gets that subscribes to what is high, and how it gets it."""
    sqs, sns = (doorward.stack.client(each, HUB.id) for each in ("sqs", "sns"))
    queue_url = sqs.create_queue(QueueName=unique("program"))["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue_arn}
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": document(allowed)})
    attributes = {"FilterPolicy": json.dumps({"severity": ["high", "critical"], "detection": ["long-session"]})}
    subscribed = sns.subscribe(
        TopicArn=doorward.outputs["TopicArn"], Protocol="sqs", Endpoint=queue_arn, Attributes=attributes, ReturnSubscriptionArn=True
    )

    def received() -> list[dict[str, Any]]:
        answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [json.loads(json.loads(each["Body"])["Message"]) for each in answer.get("Messages", [])]

    yield received
    sns.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])


def test_what_is_found_alike_is_one_thread_and_a_program_gets_the_detail(notifier: Notifier, program: Any) -> None:
    role = unique("alike")
    first, *others = (f"{role}-{number}" for number in range(3))
    notifier.announce(f"{first}-found", found(first, role))
    root = notifier.message(f"A test says so of {first}.")
    assert root.thread_ts is None
    for each in others:
        notifier.announce(f"{each}-found", found(each, role))
    notifier.announce(f"{first}-ended", found(first, role, because=f"{first} is over."), "GuardProblemEnded")
    for each in (*(f"A test says so of {each}." for each in others), f"{first} is over."):
        reply = notifier.message(each)
        assert (reply.thread_ts, reply.is_broadcast) == (root.ts, False)
    notifier.announce(f"{others[0]}-worse", found(others[0], role, "critical", f"{role} stays open."))
    loud = notifier.message(f"{role} stays open.")
    assert (loud.thread_ts, loud.is_broadcast) == (root.ts, True)
    # By SNS the first, what came of it, and what asks people to act: no second or third of a kind.
    notifier.doorward.stack.until(lambda: len(program()) >= 3, "the topic's messages")
    details = [each for each in program() if str(each["finding_id"]).startswith(role)]
    assert sorted(each["announcement_id"] for each in details) == sorted([f"{first}-found", f"{first}-ended", f"{others[0]}-worse"])
    assert {each["format"] for each in details} == {"doorward.guard/1"}


def test_what_is_less_severe_is_told_in_the_digest_alone(notifier: Notifier) -> None:
    role = unique("low")
    announced = [f"{role}-{number}-found" for number in range(3)]
    for number, each in enumerate(announced):
        notifier.announce(each, found(f"{role}-{number}", role, "low"))
    notifier.doorward.stack.until(lambda: all(map(notifier.was_told, announced)), "all to be kept")
    assert notifier.messages(role) == []
    notifier.turn("digest")
    digest = notifier.message(role)
    assert "low long-session: " in str(digest)
    assert digest.text.startswith("Doorward: Digest: ")
    notifier.turn("digest")
    notifier.announce(f"{role}-9-found", found(f"{role}-9", unique("after")))
    notifier.message(f"A test says so of {role}-9.")
    assert len(notifier.messages(f":role/{role}")) == 1, "an empty one is not sent"


def test_what_is_held_back_is_said(notifier: Notifier) -> None:
    role = unique("flood")
    notifier.spend_the_minute()
    try:
        announced = [f"{role}-{number}-found" for number in range(3)]
        for number, each in enumerate(announced):
            notifier.announce(each, found(f"{role}-{number}", f"{role}-{number}"))
        critical = found(f"{role}-c", f"{role}-c", "critical")
        notifier.announce(f"{role}-c-found", critical)
        notifier.message(f"A test says so of {role}-c.")
        notifier.doorward.stack.until(lambda: all(map(notifier.was_told, announced)), "all to be held back")
        assert not [each for each in notifier.messages(role) if f"{role}-c" not in str(each) and "held back" not in each.text]
        notifier.turn("held-back")
        note = notifier.message(f"{role}-0")
        assert "more were held back (" in note.text
        assert "high" in note.text
        assert "doorward findings list" in note.text
    finally:
        notifier.give_the_minute_back()
