"""The Slack stand-in: held against what SlackChannel makes of its answers, and an app that checks what it is sent."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import Misconfigured, Unavailable
from doorward.slack.channel import SlackChannel
from doorward.slack.web import SlackWeb
from doorward.usecases.compose_message import compose_message
from local.slack import Modal, SlackMessage, SlackSink, requests
from local.slack.blocks import message_problems, view_problems
from local.world import SLACK_ANN, SLACK_APP, SLACK_CHANNEL, SLACK_JANE, SLACK_JOE, SLACK_TEAM
from tests.browser.samples import envelope, harmless, record
from tests.slack_app import SECRET, SlackApp, installed

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
    answer = post(sink, body)
    assert (answer["ok"], answer["error"]) == (False, error)
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


# Cards


def plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def button(action_id: str = "apply", **more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": action_id, "text": plain("Apply"), "value": "q-1/3", **more}


def actions(*elements: Any) -> dict[str, Any]:
    return {"type": "actions", "block_id": "decide", "elements": list(elements)}


def text_input(block_id: str = "reason", *, optional: bool = False, **element: Any) -> dict[str, Any]:
    made = {"type": "plain_text_input", "action_id": "typed", **element}
    return {"type": "input", "block_id": block_id, "label": plain("Reason"), "optional": optional, "element": made}


def choice(kind: str = "static_select", count: int = 2, **more: Any) -> dict[str, Any]:
    return {"type": kind, "options": [{"text": plain(f"{each} days"), "value": str(each)} for each in range(count)], **more}


def modal(*blocks: Any, **more: Any) -> dict[str, Any]:
    return {"type": "modal", "callback_id": "why", "title": plain("Why"), "submit": plain("Say"), "blocks": list(blocks), **more}


CONFIRM = {"title": plain("Sure?"), "text": plain("It is for good."), "confirm": plain("Yes"), "deny": plain("No")}
CARD = {"channel": SLACK_CHANNEL, "text": "a finding", "blocks": [actions(button(), button("dismiss", style="danger", confirm=CONFIRM))]}
FIELD = {"type": "mrkdwn", "text": "x"}


@pytest.mark.parametrize(
    "block",
    [
        actions(button(style="primary", confirm=CONFIRM)),
        actions(*(button(str(each)) for each in range(25))),
        actions(choice(), {"type": "datepicker", "initial_date": "2026-11-26"}),
        {"type": "context", "elements": [FIELD, plain("x"), {"type": "image", "image_url": "https://x.example", "alt_text": "x"}]},
        {"type": "section", "fields": [FIELD] * 10, "accessory": button()},
        {"type": "header", "text": plain("x" * 150)},
        {"type": "divider"},
        text_input(),
        {"type": "a-block-of-tomorrow"},
    ],
)
def test_what_slack_takes_is_taken(block: dict[str, Any]) -> None:
    assert message_problems([block]) == []


@pytest.mark.parametrize(
    ("block", "at"),
    [
        (actions(), "/blocks/0/elements"),
        (actions(*(button(str(each)) for each in range(26))), "/blocks/0/elements"),
        (actions(button(), button()), "/blocks/0/elements"),
        (actions({"type": "plain_text_input"}), "/blocks/0/elements"),
        (actions("x"), "/blocks/0/elements/0"),
        (actions(button(text={"type": "mrkdwn", "text": "x"})), "/blocks/0/elements/0/text"),
        (actions(button(text=plain("x" * 76))), "/blocks/0/elements/0/text/text"),
        (actions(button("x" * 256)), "/blocks/0/elements/0/action_id"),
        (actions(button(value="x" * 2001)), "/blocks/0/elements/0/value"),
        (actions(button(accessibility_label=7)), "/blocks/0/elements/0/accessibility_label"),
        (actions(button(style="default")), "/blocks/0/elements/0/style"),
        (actions(button(style=["danger"])), "/blocks/0/elements/0/style"),
        (actions(button(confirm={**CONFIRM, "deny": plain("x" * 31)})), "/blocks/0/elements/0/confirm/deny/text"),
        (actions(button(confirm={"title": plain("x")})), "/blocks/0/elements/0/confirm/text"),
        (actions(choice(count=101)), "/blocks/0/elements/0/options"),
        (actions(choice(initial_option={"value": "7"})), "/blocks/0/elements/0/initial_option"),
        (actions({"type": "static_select", "options": 7, "initial_option": {}}), "/blocks/0/elements/0/options"),
        (actions({"type": "datepicker", "initial_date": "26.11.2026"}), "/blocks/0/elements/0/initial_date"),
        ({"type": "context", "elements": [FIELD] * 11}, "/blocks/0/elements"),
        ({"type": "context", "elements": [button()]}, "/blocks/0/elements/0"),
        ({"type": "header", "text": plain("x" * 151)}, "/blocks/0/text/text"),
        ({"type": "header", "text": FIELD}, "/blocks/0/text"),
        ({"type": "section", "fields": [FIELD] * 11}, "/blocks/0/fields"),
        ({"type": "section", "text": FIELD | {"text": ""}}, "/blocks/0/text/text"),
        ({"type": "divider", "block_id": "x" * 256}, "/blocks/0/block_id"),
        ({"type": "input", "label": FIELD, "element": button()}, "/blocks/0/element"),
        ({"type": ["divider"]}, "/blocks/0"),
    ],
)
def test_what_slack_refuses_is_refused_at_its_place(block: dict[str, Any], at: str) -> None:
    assert any(each.endswith(f"[{at}]") for each in message_problems([block]))


def test_a_block_id_stands_for_one_block() -> None:
    assert message_problems([actions(button()), actions(button("other"))])


KEYS = ("type", "text", "fields", "elements", "element", "options", "initial_option", "confirm", "style", "title", "blocks", "block_id")
TYPES = ("section", "context", "actions", "input", "button", "static_select", "datepicker", "plain_text", "modal")
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.sampled_from(TYPES),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
        | st.fixed_dictionaries({"type": st.sampled_from(TYPES)}, optional=dict.fromkeys(KEYS[1:], inner))
    ),
    max_leaves=20,
)


@given(JSON)
def test_whatever_an_app_posts_is_taken_or_refused(given_json: Any) -> None:
    assert all("[/" in each for each in message_problems(given_json) + view_problems(given_json))


# Messages


def posted(sink: SlackSink, **more: Any) -> SlackMessage:
    answer = post(sink, {**CARD, **more})
    assert answer["ok"] is True, answer
    found = sink.workspace.message(answer["channel"], answer["ts"])
    assert found is not None
    return found


def test_blocks_and_elements_have_ids_where_the_app_gave_none(sink: SlackSink) -> None:
    (block,) = posted(sink, blocks=[{"type": "actions", "elements": [{"type": "button", "text": plain("x")}]}]).blocks
    assert block["block_id"]
    assert block["elements"][0]["action_id"]


def test_a_thread_hangs_on_its_first_message(sink: SlackSink) -> None:
    first = posted(sink)
    reply = posted(sink, thread_ts=first.ts)
    assert reply.thread_ts == first.ts
    for wrong in (reply.ts, "1.000000", 1.5):
        assert post(sink, {**CARD, "thread_ts": wrong})["error"] == "thread_not_found"
    assert post(sink, {**CARD, "channel": "C0PAYMENTS1", "thread_ts": first.ts})["error"] == "thread_not_found"


def test_an_update_takes_the_place_of_what_it_names(sink: SlackSink) -> None:
    first, other = posted(sink), posted(sink)
    named = {"channel": SLACK_CHANNEL, "ts": first.ts}
    assert post(sink, {**named, "text": "only the text"}, method="chat.update")["ok"] is True
    assert [(each.text, len(each.blocks), each.edited_ts is None) for each in sink.messages] == [
        ("only the text", 1, False),
        ("a finding", 1, True),
    ]
    assert post(sink, {**named, "text": "decided", "blocks": []}, method="chat.update")["ok"] is True
    assert [(each.ts, each.blocks) for each in sink.messages] == [(first.ts, ()), (other.ts, other.blocks)]


def test_an_update_is_refused_for_what_is_not_there_or_not_the_apps(sink: SlackSink) -> None:
    first, said = posted(sink), sink.say(SLACK_ANN, SLACK_CHANNEL, "x")
    for channel, ts, error in (
        (SLACK_CHANNEL, "1.000000", "message_not_found"),
        ("C0PAYMENTS1", first.ts, "message_not_found"),
        (SLACK_CHANNEL, said.ts, "cant_update_message"),
        ("", first.ts, "channel_not_found"),
    ):
        assert post(sink, {"channel": channel, "ts": ts, "text": "x"}, method="chat.update")["error"] == error
    named = {"channel": SLACK_CHANNEL, "ts": first.ts}
    assert post(sink, named, method="chat.update")["error"] == "no_text"
    assert post(sink, {**named, "text": "x" * 4001}, method="chat.update")["error"] == "msg_too_long"
    assert sink.messages == (first,)


def test_a_new_text_is_cut_where_slack_cuts_it(sink: SlackSink) -> None:
    assert len(posted(sink, text="x" * 40_001).text) == 40_000


def test_a_users_conversation_has_an_id_of_its_own_and_is_updated_by_it_alone(sink: SlackSink) -> None:
    answer = post(sink, {**CARD, "channel": SLACK_JANE.id})
    assert answer["channel"] == "D0JANEDOE1"
    for channel, error in ((SLACK_JANE.id, "channel_not_found"), ("D0JANEDOE1", None)):
        assert post(sink, {"channel": channel, "ts": answer["ts"], "text": "x"}, method="chat.update").get("error") == error
    assert [each.channel for each in sink.messages] == [SLACK_JANE.id], "as it was addressed"


def test_an_ephemeral_message_is_for_one_and_cannot_be_updated(sink: SlackSink) -> None:
    body = {"channel": SLACK_CHANNEL, "user": SLACK_ANN.id, "text": "no"}
    ts = post(sink, body, method="chat.postEphemeral")["message_ts"]
    assert [each.ts for each in sink.ephemerals(SLACK_ANN)] == [ts]
    assert (sink.messages, sink.ephemerals(SLACK_JOE)) == ((), ())
    assert post(sink, {**body, "ts": ts}, method="chat.update")["error"] == "message_not_found"
    assert post(sink, {**body, "user": "U0NOBODY01"}, method="chat.postEphemeral")["error"] == "user_not_in_channel"


# What Slack sends


class Clock:
    now = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(sink: SlackSink) -> Iterator[SlackApp]:
    with installed(sink) as running:
        yield running


def test_a_signature_is_that_of_slacks_own_example() -> None:
    """https://docs.slack.dev/authentication/verifying-requests-from-slack."""
    body = (
        "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
        "&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = requests.signed(body, "8f742231b10e8888abcd99yyyzzz85a5", 1531420618)
    assert headers["X-Slack-Request-Timestamp"] == "1531420618"
    assert headers["X-Slack-Signature"] == "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"


def test_a_click_tells_the_app_who_where_and_what(sink: SlackSink, app: SlackApp) -> None:
    message = posted(sink, thread_ts=posted(sink).ts)
    reply = sink.click(SLACK_ANN, message, "dismiss")
    assert (reply.status, reply.body, reply.problem, 0 < reply.seconds < 3) == (200, "", "", True)
    ((path, form, payload),) = app.taken
    assert (path, set(form)) == ("/interactions", {"payload"})
    assert payload["type"] == "block_actions"
    assert payload["team"] == {"id": SLACK_TEAM, "domain": "acme"}
    assert payload["user"] == {"id": SLACK_ANN.id, "username": "ann", "name": "ann", "team_id": SLACK_TEAM}
    assert payload["api_app_id"] == SLACK_APP
    assert payload["container"] == {
        "type": "message",
        "message_ts": message.ts,
        "thread_ts": message.thread_ts,
        "channel_id": SLACK_CHANNEL,
        "is_ephemeral": False,
    }
    assert payload["channel"] == {"id": SLACK_CHANNEL, "name": "security"}
    assert (payload["message"]["ts"], payload["message"]["blocks"]) == (message.ts, list(message.blocks))
    (action,) = payload["actions"]
    assert {name: action[name] for name in ("type", "action_id", "block_id", "value", "text")} == {
        "type": "button",
        "action_id": "dismiss",
        "block_id": "decide",
        "value": "q-1/3",
        "text": plain("Apply"),
    }
    assert float(action["action_ts"]) > float(message.ts)
    assert payload["state"] == {"values": {}}


def test_nobody_clicks_what_he_does_not_see(sink: SlackSink, app: SlackApp) -> None:
    post(sink, {**CARD, "user": SLACK_ANN.id}, method="chat.postEphemeral")
    (private,) = sink.ephemerals(SLACK_ANN)
    sink.click(SLACK_ANN, private, "apply")
    payload = app.taken[0][2]
    assert payload["container"]["is_ephemeral"] is True
    assert "message" not in payload
    gone = posted(sink)
    post(sink, {"channel": SLACK_CHANNEL, "ts": gone.ts, "text": "decided", "blocks": []}, method="chat.update")
    letter = posted(sink, channel=SLACK_JANE.id)
    for user, message, action_id in (
        (SLACK_JOE, private, "apply"),
        (SLACK_JOE, letter, "apply"),
        (SLACK_ANN, private, "other"),
        (SLACK_ANN, gone, "apply"),
    ):
        with pytest.raises(LookupError):
            sink.click(user, message, action_id)
    assert len(app.taken) == 1


def test_what_is_forged_late_or_of_another_team_can_be_sent(sink: SlackSink, app: SlackApp) -> None:
    payload = sink.click_payload(SLACK_ANN, posted(sink), "apply")
    body = requests.interaction_body(payload)
    url = app.interactions_url
    right = sink.signed(body)
    for headers in (sink.signed(body, secret="another"), sink.signed(body, at=1), right | {"X-Slack-Request-Timestamp": "soon"}, {}):
        assert requests.send(url, body, headers).status == 401
    assert requests.send(url, body + "x", right).status == 401
    assert app.refused == ["forged", "late", "late", "late", "forged"]
    assert [requests.send(url, body, right).status for _ in range(2)] == [200, 200], "the same once more"
    sink.interact(payload | {"team": {"id": "T0ELSEWHERE", "domain": "else"}})
    sink.command(SLACK_ANN, "/doorward", "link", team_id="T0ELSEWHERE")
    assert app.taken[-2][2]["team"]["id"] == app.taken[-1][1]["team_id"] == "T0ELSEWHERE"


def test_the_signing_secret_is_in_nothing_that_is_shown(sink: SlackSink, app: SlackApp) -> None:
    sink.click(SLACK_ANN, posted(sink), "apply")
    assert SECRET not in repr(vars(sink)) + repr(sink.messages) + repr(app.taken)


def test_without_an_app_nothing_is_sent(sink: SlackSink) -> None:
    with pytest.raises(LookupError, match="No app is installed"):
        sink.click(SLACK_ANN, posted(sink), "apply")


def test_an_app_that_is_late_fails_or_is_gone_is_told_of_in_words(sink: SlackSink, app: SlackApp, monkeypatch: pytest.MonkeyPatch) -> None:
    message = posted(sink)
    app.status = 500
    assert sink.click(SLACK_ANN, message, "apply").problem.startswith("The app answered HTTP 500")
    app.status = 302
    assert sink.click(SLACK_ANN, message, "apply").status == 302, "Slack follows nobody"
    app.status = 200
    monkeypatch.setattr(requests, "WAITS_SECONDS", 0.05)
    app.answer = lambda *_: str(app.stopped.wait(0.2))
    late = sink.click(SLACK_ANN, message, "apply")
    assert (late.status, late.problem) == (None, "The app did not answer within three seconds.")
    sink.app(interactions_url="http://127.0.0.1:9/", commands_url="http://127.0.0.1:9/", signing_secret=SECRET)
    assert sink.click(SLACK_ANN, message, "apply").problem == "The app could not be reached."


# Modals


def opened(sink: SlackSink, view: Any) -> Modal:
    answer = post(sink, {"trigger_id": sink.workspace.new_trigger(SLACK_ANN.id), "view": view}, method="views.open")
    assert answer["ok"] is True, answer
    found = sink.modal(SLACK_ANN)
    assert found is not None
    assert (found.id, found.hash) == (answer["view"]["id"], answer["view"]["hash"])
    return found


def test_a_trigger_opens_one_modal_within_three_seconds(clock: Clock) -> None:
    with SlackSink(clock) as sink:
        trigger, late = sink.workspace.new_trigger(SLACK_ANN.id), sink.workspace.new_trigger(SLACK_ANN.id)

        def open_with(trigger_id: object) -> dict[str, Any]:
            return post(sink, {"trigger_id": trigger_id, "view": modal(text_input())}, method="views.open")

        for wrong in (None, "", "1.2.x", [trigger]):
            assert open_with(wrong)["error"] == "invalid_trigger_id"
        clock.now += 3
        assert open_with(trigger)["ok"] is True
        assert open_with(trigger)["error"] == "exchanged_trigger_id"
        clock.now += 0.1
        assert open_with(late)["error"] == "expired_trigger_id"
        assert sink.modal(SLACK_ANN) is not None
        assert sink.modal(SLACK_JOE) is None


NUMBER = {"type": "number_input", "is_decimal_allowed": False, "min_value": "1", "max_value": "60"}
AT_SEVEN = {"type": "datetimepicker", "initial_date_time": 7}


@pytest.mark.parametrize(
    ("view", "at"),
    [
        ("x", "/view"),
        (modal(text_input(), type="home"), "/view"),
        (modal(text_input(), title=plain("x" * 25)), "/view/title/text"),
        (modal(text_input(), title={"type": "mrkdwn", "text": "x"}), "/view/title"),
        (modal(text_input(), submit=plain("x" * 25)), "/view/submit/text"),
        (modal(*[{"type": "divider"}] * 101), "/view/blocks"),
        (modal(text_input(), private_metadata="x" * 3001), "/view/private_metadata"),
        (modal(text_input(), callback_id="x" * 256), "/view/callback_id"),
        ({"type": "modal", "title": plain("x"), "blocks": [text_input()]}, "/view"),
        (modal(text_input(min_length=5, max_length=4)), "/view/blocks/0/element"),
        (modal(text_input(initial_value="x" * 3001)), "/view/blocks/0/element/initial_value"),
        (modal({**text_input(), "element": choice("radio_buttons", 11)}), "/view/blocks/0/element/options"),
        (modal({**text_input(), "element": {"type": "number_input"}}), "/view/blocks/0/element/is_decimal_allowed"),
        (modal({**text_input(), "element": {**NUMBER, "max_value": "sixty"}}), "/view/blocks/0/element/max_value"),
        (modal({**text_input(), "element": {**NUMBER, "initial_value": 5}}), "/view/blocks/0/element/initial_value"),
        (modal({**text_input(), "element": {**NUMBER, "min_value": "61"}}), "/view/blocks/0/element/min_value"),
        (
            modal({**text_input(), "element": {"type": "datetimepicker", "initial_date_time": 7}}),
            "/view/blocks/0/element/initial_date_time",
        ),
    ],
)
def test_a_view_that_slack_refuses_opens_nothing(sink: SlackSink, view: Any, at: str) -> None:
    trigger = sink.workspace.new_trigger(SLACK_ANN.id)
    refused = post(sink, {"trigger_id": trigger, "view": view}, method="views.open")
    assert refused["error"] == "invalid_arguments"
    assert any(each.endswith(f"[{at}]") for each in refused["response_metadata"]["messages"])
    assert sink.modal(SLACK_ANN) is None
    assert post(sink, {"trigger_id": trigger, "view": modal(text_input())}, method="views.open")["ok"] is True, "the trigger is not spent"


def test_a_submission_says_what_each_input_holds(sink: SlackSink, app: SlackApp) -> None:
    blocks = [
        text_input(),
        {**text_input("days"), "element": choice(action_id="c", initial_option={"text": plain("1 days"), "value": "1"})},
        {**text_input("sure"), "element": choice("radio_buttons", action_id="r")},
        {**text_input("day"), "element": {"type": "datepicker", "action_id": "d"}},
        {**text_input("until", optional=True), "element": {"type": "datetimepicker", "action_id": "t"}},
        {**text_input("minutes"), "element": {**NUMBER, "action_id": "n", "initial_value": "30"}},
        {"type": "divider"},
    ]
    view = opened(sink, modal(*blocks, private_metadata="q-1"))
    reply = sink.submit(SLACK_ANN, view, {"reason": "over", "sure": "0", "day": "2026-11-26", "until": "2026-11-26T14:30"})
    assert reply.problem == ""
    payload = app.taken[0][2]
    assert (payload["type"], payload["user"]["id"]) == ("view_submission", SLACK_ANN.id)
    told = payload["view"]
    assert (told["id"], told["hash"], told["callback_id"], told["private_metadata"]) == (view.id, view.hash, "why", "q-1")
    assert told["state"]["values"] == {
        "reason": {"typed": {"type": "plain_text_input", "value": "over"}},
        "days": {"c": {"type": "static_select", "selected_option": {"text": plain("1 days"), "value": "1"}}},
        "sure": {"r": {"type": "radio_buttons", "selected_option": {"text": plain("0 days"), "value": "0"}}},
        "day": {"d": {"type": "datepicker", "selected_date": "2026-11-26"}},
        "until": {"t": {"type": "datetimepicker", "selected_date_time": 1795703400}},
        "minutes": {"n": {"type": "number_input", "value": "30"}},
    }
    assert sink.modal(SLACK_ANN) is None, "an empty answer closes it"


@pytest.mark.parametrize(
    ("block", "value"),
    [
        (text_input(), ""),
        (text_input(min_length=3), "ab"),
        (text_input(max_length=3), "abcd"),
        ({**text_input(), "element": choice()}, "7"),
        ({**text_input(), "element": NUMBER}, "61"),
        ({**text_input(), "element": NUMBER}, "0"),
        ({**text_input(), "element": NUMBER}, "1.5"),
        ({**text_input(), "element": NUMBER}, "many"),
        ({**text_input(), "element": {"type": "datepicker"}}, "tomorrow"),
        ({**text_input(), "element": {"type": "datetimepicker"}}, "2026-02-30T10:00"),
    ],
)
def test_slack_asks_for_what_is_missing_before_it_sends(sink: SlackSink, app: SlackApp, block: dict[str, Any], value: str) -> None:
    view = opened(sink, modal(block))
    with pytest.raises(ValueError, match="would not send"):
        sink.submit(SLACK_ANN, view, {"reason": value})
    assert app.taken == []


def test_the_answer_to_a_submission_happens_to_the_modal(sink: SlackSink, app: SlackApp) -> None:
    view = opened(sink, modal(text_input()))

    def submit(answer: Any) -> str:
        app.answer = lambda *_: answer
        now = sink.modal(SLACK_ANN)
        assert now is not None
        return sink.submit(SLACK_ANN, now, {"reason": "x"}).problem

    def now() -> Modal:
        found = sink.modal(SLACK_ANN)
        assert found is not None
        return found

    assert submit({"response_action": "errors", "errors": {"reason": "say more"}}) == ""
    assert (now().id, now().errors, now().typed) == (view.id, {"reason": "say more"}, {"reason": "x"})
    for wrong in ("no JSON", "[]", {"response_action": "errors", "errors": {"other": "x"}}, {"response_action": "errors", "errors": {}}):
        assert submit(wrong).startswith("Slack does not understand")
    assert submit({"response_action": "update", "view": {"type": "modal"}}).startswith("Slack does not understand")
    assert submit({"response_action": "update", "view": modal(text_input(), title=plain("Again"))}) == ""
    assert (now().id, now().view["title"]["text"], now().errors, now().hash != view.hash) == (view.id, "Again", {}, True)
    assert submit({"response_action": "push", "view": modal(text_input(), title=plain("On top"))}) == ""
    assert now().view["title"]["text"] == "On top"
    assert submit("") == ""
    assert now().view["title"]["text"] == "Again", "what lay below"
    submit({"response_action": "push", "view": modal(text_input())})
    assert submit({"response_action": "clear"}) == ""
    assert sink.modal(SLACK_ANN) is None


def test_a_modal_is_changed_by_its_id_as_long_as_it_is_open(sink: SlackSink, app: SlackApp) -> None:
    view = opened(sink, modal(text_input()))

    def update(**body: Any) -> str:
        answer = post(sink, {"view_id": view.id, "view": modal(text_input(), title=plain("Later")), **body}, method="views.update")
        return str(answer.get("error", "ok"))

    assert update(view_id="V0OTHER") == "not_found"
    assert update(hash="0.1") == "hash_conflict"
    assert update(view=modal(text_input(), title=plain("x" * 25))) == "invalid_arguments"
    assert sink.modal(SLACK_ANN) == view
    assert update(hash=view.hash) == "ok"
    changed = sink.modal(SLACK_ANN)
    assert changed is not None
    assert (changed.id, changed.view["title"]["text"], changed.hash != view.hash) == (view.id, "Later", True)
    app.answer = lambda *_: {"response_action": "update", "view": modal(title=plain("Wait"))}
    assert sink.submit(SLACK_ANN, changed, {"reason": "x"}).problem == ""
    assert update() == "ok", "also what took its place"
    sink.workspace.clear(SLACK_ANN.id)
    assert update() == "not_found"


# response_url


def test_a_response_url_answers_five_times_in_half_an_hour(clock: Clock) -> None:
    with SlackSink(clock) as sink, installed(sink) as app:
        message = posted(sink)
        url = sink.click_payload(SLACK_ANN, message, "apply")["response_url"]
        assert app.post(url, {"text": "for her"})["ok"] is True
        assert [each.text for each in sink.ephemerals(SLACK_ANN)] == ["for her"]
        app.post(url, {"text": "for all", "response_type": "in_channel"})
        assert [each.text for each in sink.messages] == ["a finding", "for all"]
        app.post(url, {"text": "instead", "replace_original": True})
        first, _ = sink.messages
        assert (first.ts, first.text, first.blocks) == (message.ts, "instead", ())
        assert app.refuses(url, {"text": ""}) == 400, "and does not count"
        app.post(url, {"delete_original": True})
        assert [each.text for each in sink.messages] == ["for all"]
        app.post(url, {"text": "the fifth"})
        assert app.refuses(url, {"text": "the sixth"}) == 404
        other = sink.click_payload(SLACK_ANN, posted(sink), "apply")["response_url"]
        clock.now += 30 * 60 + 1
        assert app.refuses(other, {"text": "too late"}) == 404
        assert app.refuses(f"{sink.page_url}actions/guessed", {"text": "x"}) == 404
        assert len(sink.ephemerals(SLACK_ANN)) == 2


# Commands


def test_a_command_is_a_form_and_its_answer_is_for_whoever_typed_it(sink: SlackSink, app: SlackApp) -> None:
    app.answer = lambda *_: "Linked."
    reply = sink.command(SLACK_ANN, "/doorward", "link a b", channel="C0PAYMENTS1")
    assert (reply.status, reply.body, reply.problem) == (200, "Linked.", "")
    ((path, form, _),) = app.taken
    assert path == "/commands"
    named = ("command", "text", "user_id", "user_name", "team_id", "team_domain", "channel_id", "channel_name")
    assert {name: form[name] for name in named} == {
        "command": "/doorward",
        "text": "link a b",
        "user_id": SLACK_ANN.id,
        "user_name": "ann",
        "team_id": SLACK_TEAM,
        "team_domain": "acme",
        "channel_id": "C0PAYMENTS1",
        "channel_name": "payments",
    }
    assert form["api_app_id"] == SLACK_APP
    assert "token" not in form
    assert [(each.text, each.channel) for each in sink.ephemerals(SLACK_ANN)] == [("Linked.", "C0PAYMENTS1")]
    app.post(form["response_url"], {"text": "later"})
    assert [each.text for each in sink.ephemerals(SLACK_ANN)] == ["Linked.", "later"]
    assert app.call("views.open", trigger_id=form["trigger_id"], view=modal(text_input()))["ok"] is True


def test_a_command_may_be_answered_by_a_message_or_by_nothing(sink: SlackSink, app: SlackApp) -> None:
    app.answer = lambda *_: {"response_type": "in_channel", "text": "for all"}
    assert sink.command(SLACK_ANN, "/doorward").problem == ""
    app.answer = lambda *_: ""
    assert sink.command(SLACK_ANN, "/doorward").problem == ""
    app.answer = lambda *_: {"blocks": [{"type": "section"}]}
    assert "invalid_blocks" in sink.command(SLACK_ANN, "/doorward").problem
    assert [each.text for each in sink.messages] == ["for all"]
    assert sink.ephemerals(SLACK_ANN) == ()
