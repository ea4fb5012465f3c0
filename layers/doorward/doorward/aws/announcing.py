"""The bus, the topic and the queue for what could not be handled.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from doorward.aws.errors import translated
from doorward.errors import Unavailable
from doorward.findings.escaping import for_subject
from doorward.ports.announcing import Message
from doorward.ports.ledger import Announcement

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

# SQS takes at most 256 KB, attributes included; a reason is one sentence.
_LONGEST_REASON = 1000
_LONGEST_BODY_BYTES = 250_000


class EventBridgeBus:
    def __init__(self, events: "EventBridgeClient", bus_name: str) -> None:
        self._events = events
        self._bus_name = bus_name

    def publish(self, announcement: Announcement) -> None:
        detail = {"announcement_id": announcement.id, "announced_at": announcement.at.isoformat(), **announcement.detail}
        source = str(announcement.detail["format"]).partition("/")[0]  # doorward.guardrails/1 comes from doorward.guardrails
        self.put(announcement.id, source, announcement.detail_type, detail, announcement.at)

    def put(self, announcement_id: str, source: str, detail_type: str, detail: Mapping[str, Any], at: datetime) -> None:
        """Raises Unavailable, Misconfigured."""
        with translated(f"publishing {announcement_id}"):
            answer = self._events.put_events(
                Entries=[
                    {
                        "EventBusName": self._bus_name,
                        "Source": source,
                        "DetailType": detail_type,
                        "Detail": json.dumps(detail),
                        "Time": at,
                    }
                ]
            )
        if answer["FailedEntryCount"]:
            entry = answer["Entries"][0]
            raise Unavailable(f"publishing {announcement_id}: {entry.get('ErrorCode')}: {entry.get('ErrorMessage')}")


class SnsTopic:
    def __init__(self, sns: "SNSClient", topic_arn: str, name: str = "") -> None:
        """`name` "": its address."""
        self._sns = sns
        self._topic_arn = topic_arn
        self.address = f"sns:{topic_arn}"
        self.name = name or self.address

    def send(self, message: Message) -> None:
        with translated("publishing to the SNS topic"):
            self._sns.publish(TopicArn=self._topic_arn, Subject=for_subject(message.subject), Message=message.text)


class SqsDeadLetters:
    def __init__(self, sqs: "SQSClient", queue_url: str) -> None:
        self._sqs = sqs
        self._queue_url = queue_url

    def put_aside(self, body: str, reason: str) -> None:
        with translated("putting a message aside"):
            self._sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=_sendable(body),
                MessageAttributes={"reason": {"DataType": "String", "StringValue": _sendable(reason)[:_LONGEST_REASON]}},
            )


def _sendable(text: str) -> str:
    """Text that SQS accepts: no control characters but tab and newlines, not empty, not too long."""
    kept = "".join(
        each if each in "\t\n\r" or (each >= " " and each not in "\ufffe\uffff" and not "\ud800" <= each <= "\udfff") else "\ufffd"
        for each in text
    )
    cut = kept.encode()[:_LONGEST_BODY_BYTES].decode(errors="ignore")
    return cut or "(empty)"
