"""The bus, the topic and the queue for what could not be handled.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from doorward.aws.errors import translated
from doorward.errors import Misconfigured, Unavailable
from doorward.findings.escaping import for_subject
from doorward.ports.announcing import Message
from doorward.ports.ledger import Announcement

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef
    from mypy_boto3_sqs import SQSClient

# SQS and SNS take at most 256 KB, attributes included; a reason is one sentence.
_LONGEST_REASON = 1000
_LONGEST_BODY_BYTES = 250_000
_LONGEST_TEXT_BYTES = 64_000
_OF_PROGRAMS: Final = ("sqs", "lambda", "http", "https", "firehose")
_WHICH: Final = ("announcement_id", "finding_id", "question_id", "role_ref", "severity")


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
    """Text for people, and for programs the event's own detail: JSON of the schema that its `format` names.

    https://docs.aws.amazon.com/sns/latest/dg/sns-send-custom-platform-specific-payloads-mobile-devices.html
    https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering.html
    """

    has_threads: Final = False

    def __init__(self, sns: "SNSClient", topic_arn: str, name: str = "") -> None:
        """`name` "": its address."""
        self._sns = sns
        self._topic_arn = topic_arn
        self.address = f"sns:{topic_arn}"
        self.name = name or self.address

    def send(self, message: Message, thread: str = "", *, aloud: bool = False) -> str:  # noqa: ARG002 - there are no threads
        with translated("publishing to the SNS topic"):
            self._sns.publish(
                TopicArn=self._topic_arn,
                Subject=for_subject(message.subject),
                MessageStructure="json",
                Message=_by_protocol(message),
                MessageAttributes=_attributes(message),
            )
        return ""

    def change(self, message_id: str, message: Message) -> None:  # noqa: ARG002 - as above
        raise Misconfigured("a topic changes nothing that it has sent")


def _by_protocol(message: Message) -> str:
    """All texts together are at most what SNS takes for one message: 256 KB."""
    text = message.text.encode()[:_LONGEST_TEXT_BYTES].decode(errors="ignore")
    detail = {"announcement_id": message.announcement_id, **message.detail}
    texts = {"default": text, "sms": for_subject(message.subject)}
    whole = json.dumps(texts | dict.fromkeys(_OF_PROGRAMS, json.dumps(detail)))
    if len(whole.encode()) <= _LONGEST_BODY_BYTES:
        return whole
    named = {name: detail[name] for name in _WHICH if name in detail}
    return json.dumps(texts | dict.fromkeys(_OF_PROGRAMS, json.dumps(named | {"format": "doorward.cut/1"})))


def _attributes(message: Message) -> "dict[str, MessageAttributeValueTypeDef]":
    """For the filter policies of subscriptions."""
    detail = message.detail
    given = {
        "severity": detail.get("severity"),
        "account": (detail.get("account") or {}).get("id"),
        "detection": detail.get("detection"),
        "detail_type": message.detail_type,
    }
    attributes: dict[str, MessageAttributeValueTypeDef] = {
        name: {"DataType": "String", "StringValue": str(value)} for name, value in given.items() if value
    }
    rules = sorted({str(each.get("rule")) for part in ("findings", "undecidable") for each in detail.get(part) or ()})
    if rules:
        attributes["rules"] = {"DataType": "String.Array", "StringValue": json.dumps(rules)}
    return attributes


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
