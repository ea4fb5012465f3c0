"""What Slack is shown and asked: buttons, forms, answers; and that nobody's text becomes a mention, a link or markup."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.decisions.actions import ACTIONS
from doorward.errors import DoorwardError, MalformedInput, Misconfigured, Unavailable
from doorward.people.model import SlackUser
from doorward.ports.announcing import Choice, Message
from doorward.ports.slack import Interaction, Kind
from doorward.slack.cards import LABELS, render_card
from doorward.slack.channel import SlackChannel
from doorward.slack.desk import SlackDesk, form_for
from doorward.slack.web import SlackWeb
from doorward.usecases.compose_message import compose_message
from tests.unit.test_announcing import envelope

PROPOSAL = {"kind": "tighten", "hash": "b" * 64, "diff": ["@@ -1 +1 @@", "-  everybody", "+  the pipeline"]}
ASKING = {"action": "ask", "policy_hash": "a" * 64, "proposal": PROPOSAL}
URL = "https://slack.com/api"


def message(**changes: Any) -> Message:
    return compose_message(envelope(**{**ASKING, **changes}))


def buttons_of(card: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for block in card["blocks"] if block["type"] == "actions" for each in block["elements"]]


def test_a_finding_that_asks_has_a_button_for_each_answer() -> None:
    buttons = buttons_of(render_card(message()))
    assert [each["action_id"] for each in buttons] == ["apply", "refuse", "waive", "dismiss", "hold"]
    apply, refuse, _, _, hold = buttons
    assert apply["value"] == refuse["value"]
    assert re.fullmatch(r"dw-1/[0-9a-f]{64}", apply["value"])
    assert (apply["style"], "confirm" in apply, "confirm" in refuse) == ("primary", True, False)
    assert hold["value"] == "777788889999/payments/"


@pytest.mark.parametrize("changes", [{"action": "alert"}, {"action": "write"}, {"action": None}])
def test_what_asks_nobody_has_no_buttons(changes: dict[str, Any]) -> None:
    assert message(**changes).choices == ()


@pytest.mark.parametrize("detail_type", ["TrustViolationEnded", "TrustRemedyFailed", "TrustAccessGivenBack"])
def test_what_is_over_has_no_buttons(detail_type: str) -> None:
    assert compose_message(envelope(detail_type, **ASKING)).choices == ()


def test_without_a_proved_remedy_there_is_nothing_to_say_yes_to() -> None:
    assert "apply" not in [each.what for each in message(proposal=None).choices]


def test_another_policy_or_remedy_is_another_button() -> None:
    shown = {
        message(**changes).choices[0].shown
        for changes in ({}, {"policy_hash": "c" * 64}, {"proposal": {**PROPOSAL, "hash": "c" * 64}}, {"finding_id": "dw-2"})
    }
    assert len(shown) == 4


def test_what_came_of_a_choice_stands_in_the_place_of_its_buttons_and_the_others_are_left() -> None:
    card = render_card(replace(message(), outcomes={"apply": "Refused by <@U0ANN>."}))
    assert [each["action_id"] for each in buttons_of(card)] == ["waive", "dismiss", "hold"]
    assert "&lt;" in card["blocks"][-2]["text"]["text"]


def test_once_nothing_is_left_to_decide_there_are_no_buttons_and_each_outcome_is_said_once() -> None:
    card = render_card(replace(message(), outcomes={"waive": "Refused.", **dict.fromkeys(("apply", "dismiss", "hold"), "It is over.")}))
    assert buttons_of(card) == []
    assert card["blocks"][-1]["text"]["text"] == "Refused.\nIt is over."


def test_an_alert_and_a_letter_have_no_buttons() -> None:
    alert = {"title": "x", "detection": "kill-switch", "what_to_do": "look"}
    for each in (message(**alert), replace(message(), letter=(("Hello",),))):
        assert buttons_of(render_card(replace(each, choices=(Choice("apply", "dw-1", "a"),)))) == []


@pytest.mark.parametrize("decides", [False, True])
def test_where_nobody_takes_what_is_pressed_there_is_nothing_to_press(decides: bool) -> None:
    class Web:
        def call(self, _method: str, body: dict[str, Any], _about: str) -> dict[str, Any]:
            self.body = body
            return {}

    web: Any = Web()
    SlackChannel(web, "C0123456789", decides=decides).send(message())
    assert bool(buttons_of(web.body)) is decides


def test_every_action_has_a_label_and_slacks_limits_are_kept() -> None:
    assert LABELS.keys() == ACTIONS.keys()
    for each in buttons_of(render_card(message())):
        assert len(each["text"]["text"]) <= 75
        assert len(each["value"]) <= 2000
    for label in LABELS.values():
        assert len(label) <= 24  # of a form's submit


EVIL = ["<!channel>", "<@U0ANN>", "<https://evil.example|here>", "http://evil.example", "@here", "*b*", "`c`", "\n", "\r", "\u202e"]
EVIL += ["\x1b[2J", "&lt;!channel&gt;", ":smile:", ">q", "\u200b", "www.evil.example", "mailto:x@y", "_i_", "~s~", "#C012"]
HOSTILE = st.text(max_size=60) | st.lists(st.sampled_from(EVIL), max_size=6).map("".join)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_nobodys_text_mentions_links_or_formats_anything(one: str, two: str, three: str) -> None:
    detail = {
        "because": one,
        "role_ref": two,
        "findings": [{"rule": three, "severity": one, "because": two}],
        "actor": {"arn": three},
        "proposal": {**PROPOSAL, "diff": [f"+{one}", two]},
    }
    hostile = replace(message(**detail), outcomes={"apply": three})
    for card in (render_card(hostile), render_card(replace(hostile, outcomes={}))):
        for text in mrkdwn_of(card):
            harmless(text)
    desk, said = told_by_a_desk()
    desk.tell(f"{URL}/x", (one, two))
    harmless(said[0]["text"])


def mrkdwn_of(card: dict[str, Any]) -> Iterator[str]:
    yield card["text"]
    for block in card["blocks"]:
        for text in [block["text"]] if "text" in block else [each["text"] for each in block["elements"]]:
            if text["type"] == "mrkdwn":
                yield text["text"]
            else:
                assert text["type"] == "plain_text"


def harmless(text: str) -> None:
    assert not re.search(r"[<>@`]|://|www\.|&(?!amp;|lt;|gt;)", text)
    assert all(each.isprintable() or each == "\n" for each in text)


def told_by_a_desk() -> tuple[SlackDesk, list[dict[str, Any]]]:
    said: list[dict[str, Any]] = []
    web: Any = type("Web", (), {"respond": lambda _self, _url, body: said.append(body)})()
    return SlackDesk(web), said


def pressed(action: str = "refuse", **changes: Any) -> Interaction:
    return Interaction(Kind.PRESSED, SlackUser("T0ACME", "U0ANN"), action, f"dw-1/{'a' * 64}", "x", f"{URL}/answer", "1.2")._replace(
        **changes
    )


def test_a_form_brings_along_what_it_is_for_and_asks_what_its_action_asks() -> None:
    for name, action in ACTIONS.items():
        form = form_for(pressed(name))
        assert form["private_metadata"] == f"dw-1/{'a' * 64}\n{URL}/answer"
        assert form["callback_id"] == name
        assert tuple(each["block_id"] for each in form["blocks"][1:]) == action.asks
        assert len(form["title"]["text"]) <= 24
    with pytest.raises(MalformedInput):
        form_for(pressed(answer_to="x" * 3000))


@contextmanager
def server(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A Slack of one answer; its address, and what it got."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"]))
            got.append({"path": self.path, "token": self.headers.get("Authorization"), "body": json.loads(text)})
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(json.dumps(body)))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_arguments: object) -> None: ...

    listening = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}/api", got
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def test_an_answer_goes_to_slack_alone_without_the_token() -> None:
    with server(200, {"ok": True}) as (url, got):
        SlackDesk(SlackWeb(url, lambda: "xoxb-secret")).tell(url.replace("/api", "/response/1"), ("Done",))
    assert got == [
        {"path": "/response/1", "token": None, "body": {"response_type": "ephemeral", "replace_original": False, "text": "Done"}}
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x",
        "http://hooks.slack.com/x",
        "https://hooks.slack.com.evil.example/x",
        "https://hooks.slack.com@evil.example/x",
        "https://user@hooks.slack.com/x",
        "https://hooks.slack.com:8443/x",
        "https://hooks.slack.com\\@evil.example/x",
        "https://hooks.sl\nack.com/x",
        "https://hooks.slack.com/x y",
        "https://169.254.169.254/latest",
        "file:///etc/passwd",
        "//hooks.slack.com/x",
        "https://[hooks.slack.com/x",
        "",
    ],
)
def test_an_answer_goes_nowhere_else(url: str) -> None:
    def opened(*_arguments: object) -> Any:
        raise AssertionError(url)

    web = SlackWeb(URL, lambda: "t")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("urllib.request.OpenerDirector.open", opened)
        with pytest.raises(Misconfigured, match="not Slack's"):
            web.respond(url, {})


def test_slacks_own_hooks_are_slack() -> None:
    asked: list[str] = []

    def opened(_self: object, request: Any, **_more: object) -> Any:
        asked.append(request.full_url)
        raise OSError("no network")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("urllib.request.OpenerDirector.open", opened)
        with pytest.raises(Unavailable):
            SlackWeb(URL, lambda: "t").respond("https://hooks.slack.com/actions/T/1/x", {})
    assert asked == ["https://hooks.slack.com/actions/T/1/x"]


@pytest.mark.parametrize(
    ("status", "headers", "failure"),
    [(500, {}, Unavailable), (404, {}, Misconfigured), (302, {"Location": "http://127.0.0.1:9/elsewhere"}, Misconfigured)],
)
def test_an_answer_that_is_not_taken_is_said_and_no_redirect_followed(
    status: int, headers: dict[str, str], failure: type[DoorwardError]
) -> None:
    with server(status, {}, headers) as (url, got), pytest.raises(failure):
        SlackWeb(url, lambda: "t").respond(f"{url}/x", {})
    assert len(got) == 1


def test_a_form_is_opened_or_it_is_too_late() -> None:
    for answer, opened in (({"ok": True}, True), ({"ok": False, "error": "expired_trigger_id"}, False)):
        with server(200, answer) as (url, got):
            assert SlackDesk(SlackWeb(url, lambda: "t")).open_form(pressed()) is opened
        assert got[0]["body"]["trigger_id"] == "1.2"
    for error, failure in (("missing_scope", Misconfigured), ("ratelimited", Unavailable)):
        with server(200, {"ok": False, "error": error}) as (url, _got), pytest.raises(failure, match=error):
            SlackDesk(SlackWeb(url, lambda: "t")).open_form(pressed())
