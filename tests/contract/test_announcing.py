"""What the bus, the channels and the dead letters owe, fakes and adapters alike."""

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.stub import Stubber
from jsonschema import Draft202012Validator
from moto import mock_aws

from doorward.aws.announcing import EventBridgeBus, SnsTopic, SqsDeadLetters
from doorward.errors import Misconfigured, Unavailable
from doorward.ports.announcing import Bus, Channel, DeadLetters, Message
from doorward.ports.ledger import Announcement
from doorward.slack.channel import SlackChannel
from doorward.slack.web import SlackWeb
from local.slack import SlackSink
from tests.fakes import START, FakeBus, FakeChannel, FakeDeadLetters
from tests.template.conftest import REPOSITORY

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
HUB = "123456789012"  # moto's account
ANNOUNCEMENT = Announcement("dw-1-found", "TrustViolationFound", {"format": "doorward.guardrails/1", "because": "é\u202e"}, START)
MESSAGE = Message(
    "dw-1-found", "TrustViolationFound", {"severity": "high", "role_ref": "777788889999/x"}, "a headline", "a subject", "text"
)


@pytest.fixture
def aws() -> Iterator[None]:
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        yield


def received(queue_url: str) -> list[dict[str, Any]]:
    answer = boto3.client("sqs").receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
    return list(answer.get("Messages", []))  # type: ignore[arg-type]


# The bus


def _on_the_bus(announcement: Announcement) -> dict[str, Any]:
    return {"announcement_id": announcement.id, "announced_at": announcement.at.isoformat(), **announcement.detail}


@dataclass
class BusOnTrial:
    bus: Bus
    events: Callable[[], list[tuple[str, str, dict[str, Any]]]]


@pytest.fixture(params=["fake", "eventbridge"])
def trial(request: pytest.FixtureRequest) -> BusOnTrial:
    if request.param == "fake":
        fake = FakeBus()
        return BusOnTrial(
            fake,
            lambda: [("doorward.guardrails", each.detail_type, _on_the_bus(each)) for each in fake.published],
        )
    request.getfixturevalue("aws")
    queue_url = boto3.client("sqs").create_queue(QueueName="seen")["QueueUrl"]
    events = boto3.client("events")
    events.create_event_bus(Name="doorward")
    events.put_rule(Name="all", EventBusName="doorward", EventPattern=json.dumps({"source": ["doorward.guardrails"]}))
    events.put_targets(Rule="all", EventBusName="doorward", Targets=[{"Id": "1", "Arn": f"arn:aws:sqs:us-east-1:{HUB}:seen"}])

    def seen() -> list[tuple[str, str, dict[str, Any]]]:
        bodies = [json.loads(each["Body"]) for each in received(queue_url)]
        return [(body["source"], body["detail-type"], body["detail"]) for body in bodies]

    return BusOnTrial(EventBridgeBus(events, "doorward"), seen)


def test_an_announcement_arrives_with_its_id_under_our_source(trial: BusOnTrial) -> None:
    trial.bus.publish(ANNOUNCEMENT)
    detail = {"announcement_id": "dw-1-found", "announced_at": START.isoformat(), "format": "doorward.guardrails/1", "because": "é\u202e"}
    assert trial.events() == [("doorward.guardrails", "TrustViolationFound", detail)]


def test_an_entry_that_the_bus_did_not_take_is_not_taken_for_published() -> None:
    with patch.dict(os.environ, ENVIRONMENT):
        events = boto3.client("events")
    with Stubber(events) as stub:
        stub.add_response("put_events", {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow"}]})
        with pytest.raises(Unavailable, match="ThrottlingException"):
            EventBridgeBus(events, "doorward").publish(ANNOUNCEMENT)


# Channels


@dataclass
class ChannelOnTrial:
    channel: Channel
    texts: Callable[[], list[str]]


@pytest.fixture(params=["fake", "sns", "slack"])
def line(request: pytest.FixtureRequest) -> Iterator[ChannelOnTrial]:
    if request.param == "fake":
        fake = FakeChannel("fake")
        yield ChannelOnTrial(fake, lambda: [each.subject for each in fake.messages])
    elif request.param == "sns":
        request.getfixturevalue("aws")
        topic_arn = boto3.client("sns").create_topic(Name="topic")["TopicArn"]
        queue_url = boto3.client("sqs").create_queue(QueueName="people")["QueueUrl"]
        boto3.client("sns").subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{HUB}:people")
        yield ChannelOnTrial(
            SnsTopic(boto3.client("sns"), topic_arn), lambda: [json.loads(each["Body"])["Subject"] for each in received(queue_url)]
        )
    else:
        with SlackSink() as sink:
            yield ChannelOnTrial(
                SlackChannel(SlackWeb(sink.url, lambda: "xoxb-token"), "C0123456789"), lambda: [each.text for each in sink.messages]
            )


def test_a_message_arrives_once_with_its_subject(line: ChannelOnTrial) -> None:
    line.channel.send(MESSAGE)
    assert line.texts() == ["a subject"]
    assert line.channel.name


def test_a_line_that_is_too_long_for_the_subject_of_a_mail_is_cut_there_alone(line: ChannelOnTrial, request: pytest.FixtureRequest) -> None:
    whole = "Doorward [critical] a door was used just after it was opened: arn:aws:iam::777788889999:role/reports-of-the-year"
    line.channel.send(replace(MESSAGE, subject=whole))
    cut = "Doorward [critical] a door was used just after it was opened: arn:aws:iam::777788889999:role/rep..."
    assert line.texts() == [cut if "sns" in request.node.name else whole]


def test_a_topic_that_is_not_there_is_for_the_operator(aws: None) -> None:
    with pytest.raises(Misconfigured):
        SnsTopic(boto3.client("sns"), f"arn:aws:sns:us-east-1:{HUB}:nowhere").send(MESSAGE)


def test_slack_failing_is_worth_another_try_and_refusing_is_not() -> None:
    with SlackSink() as sink:
        channel = SlackChannel(SlackWeb(sink.url, lambda: "xoxb-token"), "C0123456789")
        sink.fail_next(1)
        with pytest.raises(Unavailable):
            channel.send(MESSAGE)
        channel.send(MESSAGE)
        with pytest.raises(Misconfigured, match="not_authed"):
            SlackChannel(SlackWeb(sink.url, lambda: ""), "C0123456789").send(MESSAGE)
    with pytest.raises(Unavailable):
        channel.send(MESSAGE)  # nobody listens any more


def slack(sink: SlackSink, channel: str = "C0123456789") -> SlackChannel:
    return SlackChannel(SlackWeb(sink.url, lambda: "xoxb-token"), channel)


def test_a_reply_stands_beneath_its_message_and_aloud_in_the_channel_too() -> None:
    with SlackSink() as sink:
        channel = slack(sink)
        first = channel.send(MESSAGE)
        channel.send(replace(MESSAGE, subject="quiet"), first)
        channel.send(replace(MESSAGE, subject="aloud"), first, aloud=True)
        root, quiet, aloud = sink.messages
        assert root.thread_ts is None
        assert (quiet.text, quiet.thread_ts, quiet.is_broadcast) == ("quiet", root.ts, False)
        assert (aloud.text, aloud.thread_ts, aloud.is_broadcast) == ("aloud", root.ts, True)


def test_a_reply_to_a_thread_that_somebody_deleted_is_a_message() -> None:
    with SlackSink() as sink:
        channel = slack(sink)
        first = channel.send(MESSAGE)
        sink.workspace.delete(sink.messages[0])
        assert channel.send(MESSAGE, first) != first
        assert [each.thread_ts for each in sink.messages] == [None]
        sink.fail_next(error="is_archived")
        sink.fail_next(error="is_archived")
        with pytest.raises(Misconfigured, match="is_archived"):
            channel.send(MESSAGE, first)


def test_a_message_is_changed_where_it_stands_and_one_that_is_gone_is_for_nobody() -> None:
    with SlackSink() as sink:
        channel = slack(sink)
        first, second = channel.send(MESSAGE), channel.send(MESSAGE)
        channel.change(first, replace(MESSAGE, subject="another"))
        assert [(each.text, each.edited_ts is None) for each in sink.messages] == [("another", False), ("a subject", True)]
        sink.workspace.delete(sink.messages[1])
        with pytest.raises(Misconfigured, match="message_not_found"):
            channel.change(second, MESSAGE)


def test_a_message_to_a_user_is_changed_in_his_conversation() -> None:
    """chat.update takes no id of a user; chat.postMessage answers with the conversation's."""
    said: list[tuple[str, str]] = []

    class Web(SlackWeb):
        def call(self, method: str, body: Mapping[str, Any], about: str) -> dict[str, Any]:
            said.append((method, str(body["channel"])))
            return {"ok": True, "channel": "D0JANEDOE1", "ts": "1.5"}

    channel = SlackChannel(Web("", str), "U0JANEDOE1")
    channel.change(channel.send(MESSAGE), MESSAGE)
    assert said == [("chat.postMessage", "U0JANEDOE1"), ("chat.update", "D0JANEDOE1")]


def test_who_is_told_to_wait_does_not_ask_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("doorward.slack.web.time.monotonic", lambda: now[0])
    with SlackSink() as sink:
        web = SlackWeb(sink.url, lambda: "xoxb-token")
        sink.fail_next(error="ratelimited")
        for _ in range(2):
            with pytest.raises(Unavailable):
                SlackChannel(web, "C0123456789").send(MESSAGE)
        assert sink.messages == ()
        now[0] += 1.1  # Retry-After was a second
        SlackChannel(web, "C0123456789").send(MESSAGE)
        assert len(sink.messages) == 1


def test_an_answer_of_slacks_that_is_cut_off_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:
        pool.submit(_answers_in_part, listening)
        with pytest.raises(Unavailable, match="IncompleteRead"):
            SlackWeb(f"http://127.0.0.1:{listening.getsockname()[1]}", lambda: "xoxb-token").call("auth.test", {}, "")


def _answers_in_part(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"ok": true')
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):  # what is not read would reset it
            pass


# What subscribers of a topic get

DETAIL = {
    "format": "doorward.guardrails/1",
    "severity": "high",
    "account": {"id": "777788889999", "name": "prod"},
    "findings": [{"rule": "external-account"}, {"rule": "world-assumable"}, {"rule": "external-account"}],
    "because": "\u00e9 \u202e",
}


def published(message: Message) -> dict[str, Any]:
    """The call, as SNS gets it."""
    with patch.dict(os.environ, ENVIRONMENT):
        sns = boto3.client("sns")
    calls: list[dict[str, Any]] = []
    with patch.object(sns, "publish", lambda **call: calls.append(call)):
        SnsTopic(sns, f"arn:aws:sns:us-east-1:{HUB}:topic").send(message)
    (call,) = calls
    return call


def test_people_get_text_and_programs_the_detail(aws: None) -> None:
    topic_arn = boto3.client("sns").create_topic(Name="topic")["TopicArn"]
    queue_url = boto3.client("sqs").create_queue(QueueName="program")["QueueUrl"]
    boto3.client("sns").subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{HUB}:program")
    message = replace(MESSAGE, detail=DETAIL)
    SnsTopic(boto3.client("sns"), topic_arn).send(message)
    (received_message,) = received(queue_url)
    body = json.loads(received_message["Body"])
    assert json.loads(body["Message"]) == {"announcement_id": "dw-1-found", **DETAIL}
    call = published(message)
    texts = json.loads(call["Message"])
    assert (call["MessageStructure"], texts["default"], texts["sms"]) == ("json", "text", "a subject")
    assert "email" not in texts, "mail gets the default"
    for each in ("sqs", "lambda", "http", "https", "firehose"):
        assert json.loads(texts[each]) == {"announcement_id": "dw-1-found", **DETAIL}


def test_a_subscription_can_choose_by_severity_account_rule_and_type(aws: None) -> None:
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic_arn = sns.create_topic(Name="topic")["TopicArn"]
    policies = {
        "yes": {
            "severity": ["critical", "high"],
            "account": ["777788889999"],
            "rules": ["world-assumable"],
            "detail_type": [{"prefix": "Trust"}],
        },
        "no": {"rules": ["long-session"]},
    }
    for name, policy in policies.items():
        sqs.create_queue(QueueName=name)
        attributes = {"FilterPolicy": json.dumps(policy)}
        endpoint = f"arn:aws:sqs:us-east-1:{HUB}:{name}"
        sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=endpoint, Attributes=attributes)
    SnsTopic(sns, topic_arn).send(replace(MESSAGE, detail=DETAIL))
    assert [len(received(sqs.get_queue_url(QueueName=name)["QueueUrl"])) for name in policies] == [1, 0]
    attributes = published(replace(MESSAGE, detail={"detection": "external-caller"}))["MessageAttributes"]
    assert set(attributes) == {"detection", "detail_type"}, "an empty one would be refused"


@pytest.mark.parametrize("length", [40_000, 300_000])
def test_what_is_too_long_for_sns_is_cut_and_says_so(length: int) -> None:
    """256 KB are for all texts together: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html."""
    long = "\u00e9" * length
    call = published(replace(MESSAGE, text=long, detail={**DETAIL, "finding_id": "dw-00000000000000000001", "diff": [long]}))
    assert len(call["Message"].encode()) + 2000 <= 256 * 1024
    texts = json.loads(call["Message"])
    assert texts["default"]
    detail = json.loads(texts["sqs"])
    assert detail["finding_id"] == "dw-00000000000000000001"
    assert detail["format"] == "doorward.cut/1"
    schema = json.loads((REPOSITORY / "docs/schemas/doorward.cut.1.json").read_text("utf-8"))
    Draft202012Validator(schema).validate(detail)


def test_the_slack_token_is_in_no_error() -> None:
    with pytest.raises(Unavailable) as caught:
        SlackChannel(SlackWeb("http://127.0.0.1:9", lambda: "xoxb-secret-token"), "C0123456789").send(MESSAGE)
    assert "xoxb" not in str(caught.value)
    assert caught.value.__cause__ is None


# Dead letters


@pytest.fixture(params=["fake", "sqs"])
def aside(request: pytest.FixtureRequest) -> tuple[DeadLetters, Callable[[], list[tuple[str, str]]]]:
    if request.param == "fake":
        fake = FakeDeadLetters()
        return fake, lambda: fake.letters
    request.getfixturevalue("aws")
    queue_url = boto3.client("sqs").create_queue(QueueName="dead")["QueueUrl"]
    return SqsDeadLetters(boto3.client("sqs"), queue_url), lambda: [
        (each["Body"], each["MessageAttributes"]["reason"]["StringValue"]) for each in received(queue_url)
    ]


def test_what_was_put_aside_keeps_its_body_and_its_reason(aside: tuple[DeadLetters, Callable[[], list[tuple[str, str]]]]) -> None:
    letters, seen = aside
    letters.put_aside('{"half": ', "not JSON: at line 1")
    assert seen() == [('{"half": ', "not JSON: at line 1")]


@pytest.mark.parametrize("body", ["", "\x00\x07", "\ud800", "x" * 300_000, "￿"])
@pytest.mark.parametrize("reason", ["", "\x00", "r" * 5000, "\ud800"])
def test_any_body_and_any_reason_can_be_put_aside(aws: None, body: str, reason: str) -> None:
    queue_url = boto3.client("sqs").create_queue(QueueName="dead")["QueueUrl"]
    SqsDeadLetters(boto3.client("sqs"), queue_url).put_aside(body, reason)
    (letter,) = received(queue_url)
    assert letter["Body"]
    assert letter["MessageAttributes"]["reason"]["StringValue"]


def test_a_queue_that_is_not_there_is_for_the_operator(aws: None) -> None:
    with pytest.raises(Misconfigured):
        SqsDeadLetters(boto3.client("sqs"), f"https://queue.amazonaws.com/{HUB}/nowhere").put_aside("x", "y")
