"""The Slack stand-in, held against what SlackChannel makes of its answers."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from doorward.errors import Misconfigured, Unavailable
from doorward.slack.channel import SlackChannel
from doorward.slack.web import SlackWeb
from doorward.usecases.compose_message import compose_message
from local.slack import SlackSink
from tests.browser.samples import envelope, harmless, record

TOKEN = "xoxb-never-kept"
GOOD: dict[str, Any] = {"channel": "C0123456789", "text": "hello"}
MESSAGE = compose_message(envelope(record(harmless).detail))


@pytest.fixture
def sink() -> Iterator[SlackSink]:
    with SlackSink() as running:
        yield running


def post(
    sink: SlackSink,
    body: object = GOOD,
    *,
    token: str | None = TOKEN,
    method: str = "chat.postMessage",
    content_type: str = "application/json; charset=utf-8",
    raw: bytes | None = None,
) -> dict[str, Any]:
    data = raw if raw is not None else json.dumps(body).encode()
    headers = {"Content-Type": content_type} | ({"Authorization": f"Bearer {token}"} if token is not None else {})
    request = urllib.request.Request(f"{sink.url}/{method}", data=data, headers=headers)
    with urllib.request.urlopen(request, timeout=5) as response:
        answer: dict[str, Any] = json.loads(response.read())
    return answer


def test_messages_are_kept_as_posted_in_order(sink: SlackSink) -> None:
    answers = [post(sink, {**GOOD, "text": text}) for text in ("one", "two", "three")]
    assert all(answer["ok"] is True and answer["channel"] == GOOD["channel"] for answer in answers)
    assert [each.text for each in sink.messages] == ["one", "two", "three"]
    assert [each.ts for each in sink.messages] == [answer["ts"] for answer in answers] == sorted({answer["ts"] for answer in answers})


def test_the_products_own_channel_is_taken_at_its_word(sink: SlackSink) -> None:
    SlackChannel(SlackWeb(sink.url, lambda: TOKEN), "C0123456789").send(MESSAGE)
    (message,) = sink.messages
    assert message.text == MESSAGE.subject
    assert message.blocks[0]["text"]["type"] == "mrkdwn"


def test_a_token_is_nowhere_in_what_is_kept(sink: SlackSink) -> None:
    post(sink, {**GOOD, "token": TOKEN})
    assert TOKEN not in repr(sink.messages) + repr(vars(sink))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"text": "x"}, "channel_not_found"),
        ({**GOOD, "channel": "#general"}, "channel_not_found"),
        ({"channel": "C0123456789"}, "no_text"),
        ({**GOOD, "text": 1}, "invalid_arguments"),
        ({**GOOD, "blocks": "x"}, "invalid_blocks"),
        ({**GOOD, "blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({**GOOD, "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]}, "invalid_blocks"),
        ({**GOOD, "blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ([], "json_not_object"),
    ],
)
def test_what_slack_would_refuse_is_refused(sink: SlackSink, body: object, error: str) -> None:
    assert post(sink, body) == {"ok": False, "error": error}
    assert sink.messages == ()


def test_requests_that_are_none_are_refused(sink: SlackSink) -> None:
    assert post(sink, token=None)["error"] == "not_authed"
    assert post(sink, token="")["error"] == "not_authed"
    assert post(sink, method="chat.delete")["error"] == "unknown_method"
    assert post(sink, content_type="text/html")["error"] == "invalid_post_type"
    for raw in (b"{", b"\xff", b"[" * 100_000):
        assert post(sink, raw=raw)["error"] == "invalid_json"
    assert sink.messages == ()


def test_a_server_error_is_for_later_and_then_over(sink: SlackSink) -> None:
    channel = SlackChannel(SlackWeb(sink.url, lambda: TOKEN), "C0123456789")
    sink.fail_next(2)
    for _ in range(2):
        with pytest.raises(Unavailable, match="500"):
            channel.send(MESSAGE)
    channel.send(MESSAGE)
    assert len(sink.messages) == 1


@pytest.mark.parametrize(
    ("error", "expected"), [("ratelimited", Unavailable), ("internal_error", Unavailable), ("invalid_auth", Misconfigured)]
)
def test_a_refusal_says_whether_to_come_again(sink: SlackSink, error: str, expected: type[Exception]) -> None:
    sink.fail_next(error=error)
    with pytest.raises(expected):
        SlackChannel(SlackWeb(sink.url, lambda: TOKEN), "C0123456789").send(MESSAGE)


def test_a_rate_limit_says_when_to_come_again(sink: SlackSink) -> None:
    sink.fail_next(error="ratelimited")
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(sink)
    with caught.value as answer:
        assert (answer.code, answer.headers["Retry-After"]) == (429, "1")
        assert json.loads(answer.read()) == {"ok": False, "error": "ratelimited"}


def test_outside_of_its_with_statement_it_has_no_address() -> None:
    with pytest.raises(RuntimeError, match="with statement"):
        _ = SlackSink().url
