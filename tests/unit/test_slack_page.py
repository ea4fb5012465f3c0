"""The page on which the Slack stand-in is used by people: what it shows to whom, whom it obeys, and that it needs no script."""

import http.client
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from doorward.findings.escaping import for_slack
from local.slack import SlackSink
from local.slack.page import TITLE, Notice, look_of, render_page
from local.world import SLACK_ANN, SLACK_CHANNEL, SLACK_JANE, SLACK_JOE, SlackUser
from tests.browser.outline import outline
from tests.browser.samples import HARMLESS, PAYLOADS
from tests.slack_app import SECRET, SlackApp, installed
from tests.unit.test_page import Answer, Outline
from tests.unit.test_slack_sink import CONFIRM, actions, button, choice, modal, plain, text_input

DANGER = button("dismiss", style="danger", confirm=CONFIRM, text=plain("Dismiss"))
BACKSLASHES = "C:\\new\\\\x"


@pytest.fixture
def sink() -> Iterator[SlackSink]:
    with SlackSink() as running:
        yield running


@pytest.fixture
def app(sink: SlackSink) -> Iterator[SlackApp]:
    with installed(sink) as running:
        yield running


def send(sink: SlackSink, path: str, origin: str | None = "", **fields: str) -> Answer:
    """Submit a form as Ann; `origin` "": the page's own."""
    own = sink.page_url.rstrip("/")
    headers = {"Content-Type": "application/x-www-form-urlencoded"} | ({} if origin is None else {"Origin": origin or own})
    connection = http.client.HTTPConnection(own.removeprefix("http://"), timeout=10)
    connection.request("POST", path, urlencode({"as": SLACK_ANN.id, "in": SLACK_CHANNEL, **fields}), headers)
    response = connection.getresponse()
    answer = Answer.__new__(Answer)
    answer.status, answer.headers, answer.text = response.status, response.headers, response.read().decode()
    connection.close()
    return answer


def page(sink: SlackSink, user: SlackUser = SLACK_ANN, **address: str) -> str:
    return Answer(sink.page_url, "/?" + urlencode({"as": user.id, **address})).text


def card(sink: SlackSink, text: str = "a finding", **more: Any) -> str:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": for_slack(text)}}
    context = {"type": "context", "elements": [plain(text)]}
    blocks = [{"type": "header", "text": plain(text)}, section, context, actions(button(text=plain(text[:75])), DANGER)]
    answer = sink.workspace.post_message({"channel": SLACK_CHANNEL, "text": text, "blocks": blocks, **more})
    return str(answer["ts"])


def open_modal(sink: SlackSink, view: Mapping[str, Any]) -> None:
    answer = sink.workspace.open_view({"trigger_id": sink.workspace.new_trigger(SLACK_ANN.id), "view": view})
    assert answer["ok"] is True, answer


# Whom it answers, and what with


def test_it_runs_no_script_and_its_forms_go_nowhere_else(sink: SlackSink) -> None:
    answer = Answer(sink.page_url, "/")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert (Answer(sink.page_url, "/nothing").status, send(sink, "/nothing").status) == (404, 404)


@pytest.mark.parametrize("path", ["/", "/api/chat.postMessage", "/click"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost.evil.example", ""])
def test_another_name_for_this_machine_gets_nothing(sink: SlackSink, path: str, host: str) -> None:
    method = "GET" if path == "/" else "POST"
    assert Answer(sink.page_url, path, method=method, host=host).status == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "https://127.0.0.1", "null", None])
def test_no_other_page_acts_for_its_people(sink: SlackSink, app: SlackApp, origin: str | None) -> None:
    ts = card(sink)
    open_modal(sink, modal(text_input(optional=True)))
    before = (sink.workspace.messages(), sink.modal(SLACK_ANN))
    view = before[1]
    assert view is not None
    for path, fields in (
        ("/click", {"message": ts, "block": "decide", "action": "apply"}),
        ("/say", {"text": "hello"}),
        ("/say", {"text": "/doorward link"}),
        ("/submit", {"view": view.id}),
        ("/close", {}),
    ):
        assert send(sink, path, origin, **fields).status == 403
    assert (sink.workspace.messages(), sink.modal(SLACK_ANN)) == before
    assert app.taken == []


def test_a_form_that_is_none_is_refused(sink: SlackSink) -> None:
    own, form = sink.page_url.rstrip("/"), "application/x-www-form-urlencoded"
    for body, kind in ((b"\xff", form), (b"&".join([b"a=b"] * 501), form), (b"{}", "text/plain")):
        connection = http.client.HTTPConnection(own.removeprefix("http://"), timeout=5)
        connection.request("POST", "/say", body, {"Origin": own, "Content-Type": kind})
        assert connection.getresponse().status == 400
        connection.close()


# What it shows


def states(sink: SlackSink, text: str = "a finding") -> Iterator[str]:
    """The page in each of its forms, with this text wherever an app or a person can put one; escaped for Slack where Slack reads marks."""
    escaped = for_slack(text)
    ts = card(sink, text)
    card(sink, text, thread_ts=ts, reply_broadcast=True)
    sink.say(SLACK_JOE, SLACK_CHANNEL, escaped)
    sink.workspace.post_ephemeral({"channel": SLACK_CHANNEL, "user": SLACK_ANN.id, "text": escaped})
    odd = {"type": "section", "fields": [plain(text)], "accessory": {"type": "overflow", "action_id": text[:255]}}
    sink.workspace.post_message({"channel": "C0PAYMENTS1", "text": text, "blocks": [odd, {"type": "image", "alt_text": text}]})
    for look, notice in (
        ({}, None),
        ({"in": "C0PAYMENTS1"}, Notice("bad", text)),
        ({"thread": ts}, Notice("good", text)),
        ({"thread": "1.000000"}, None),
        ({"ask": f"{ts}/decide/dismiss"}, None),
    ):
        yield render_page(sink.workspace, look_of({"as": SLACK_ANN.id, **look}), notice)
    kinds = [text_input(placeholder=plain(text[:150]), initial_value=text, multiline=True), {**text_input("s"), "element": choice()}]
    kinds += [{**text_input("r"), "element": choice("radio_buttons")}, {**text_input("d"), "element": {"type": "datepicker"}}]
    kinds += [{**text_input("t"), "element": {"type": "datetimepicker", "initial_date_time": 1_795_000_000}, "hint": plain(text)}]
    kinds += [{**text_input("n"), "element": {"type": "number_input", "is_decimal_allowed": False, "initial_value": "30"}}]
    section = {"type": "section", "text": {"type": "mrkdwn", "text": for_slack(text)}}
    open_modal(sink, modal(section, *kinds, title=plain(text[:24]), submit=plain(text[:24])))
    view = sink.modal(SLACK_ANN)
    assert view is not None
    yield render_page(sink.workspace, look_of({"as": SLACK_ANN.id}), Notice("bad", text))
    typed = {"reason": text, "t": text, "n": text}
    sink.workspace.change(view, errors=dict.fromkeys(("reason", "s", "r", "d", "t", "n"), text), typed=typed)
    yield render_page(sink.workspace, look_of({"as": SLACK_ANN.id}), None)


def test_it_is_well_formed_and_every_control_has_a_name(sink: SlackSink) -> None:
    for text in states(sink):
        shown = Outline(text)
        assert shown.open == []
        assert shown.texts["title"] == [TITLE]
        names = [name for name, _ in shown.tags]
        assert [names.count(each) for each in ("html", "header", "main", "h1")] == [1, 1, 1, 1]
        levels = [int(name[1]) for name in names if re.fullmatch("h[1-6]", name)]
        assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(sorted(levels)))
        assert set(names).isdisjoint({"script", "img", "iframe", "object", "embed", "base", "link", "svg"})
        ids = [attributes["id"] for _, attributes in shown.tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        labelled = {each["for"] for each in shown.named("label")}
        assert labelled <= set(ids)
        for name in ("input", "select", "textarea"):
            assert all(each["id"] in labelled for each in shown.named(name) if each.get("type") != "hidden")
        for _, attributes in shown.tags:
            assert not any(each.startswith("on") or each in {"style", "src", "http-equiv"} for each in attributes)
            for reference in ("aria-labelledby", "aria-describedby", "form"):
                assert set((attributes.get(reference) or "").split()) <= set(ids)
        for each in shown.named("form"):
            assert each["action"] in {"/", "/click", "/say", "/submit", "/close"}


def test_before_a_dialog_all_else_is_inert_and_the_dialog_has_the_focus(sink: SlackSink) -> None:
    for text in states(sink):
        shown = Outline(text)
        dialogs, focused = shown.named("dialog"), [attributes for _, attributes in shown.tags if "autofocus" in attributes]
        inert = [attributes for _, attributes in shown.tags if "inert" in attributes]
        assert len(inert) == len(focused) == len(dialogs)
        assert all(each["aria-labelledby"] == "dialog" for each in dialogs)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_is_text(sink: SlackSink, payload: str) -> None:
    def elements(text: str) -> list[tuple[str, tuple[str, ...]]]:
        return [(name, tuple(each for each, _ in attributes)) for name, attributes in outline(text)]

    with SlackSink() as twin:
        for found, wanted in zip(states(sink, payload), states(twin, HARMLESS), strict=True):
            assert elements(found) == elements(wanted)


def test_the_check_of_hostile_text_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doorward_cli.markup.for_html", lambda text: text)
    with SlackSink() as sink, pytest.raises(AssertionError):
        test_hostile_text_is_text(sink, PAYLOADS[0])


def test_each_sees_what_is_for_him(sink: SlackSink) -> None:
    sink.workspace.post_ephemeral({"channel": SLACK_CHANNEL, "user": SLACK_ANN.id, "text": "for Ann alone"})
    sink.workspace.post_message({"channel": SLACK_JANE.id, "text": "a letter to Jane"})
    assert "for Ann alone" in page(sink)
    assert "Only visible to you" in page(sink)
    assert "for Ann alone" not in page(sink, SLACK_JOE)
    assert "a letter to Jane" in page(sink, SLACK_JANE, **{"in": "D0JANEDOE1"})
    assert "a letter to Jane" not in page(sink, SLACK_JOE, **{"in": "D0JANEDOE1"})


def test_a_reply_stands_in_its_thread_and_in_the_channel_only_if_it_is_told_aloud(sink: SlackSink) -> None:
    ts = card(sink)
    card(sink, "in the thread", thread_ts=ts)
    card(sink, "said aloud", thread_ts=ts, reply_broadcast=True)
    channel, thread = page(sink), page(sink, thread=ts)
    assert ("in the thread" in channel, "said aloud" in channel) == (False, True)
    assert "2 replies" in channel
    assert ("in the thread" in thread, ">Of a thread</a>" in channel) == (True, True)


def test_an_address_that_says_nonsense_shows_the_first_channel(sink: SlackSink) -> None:
    card(sink)
    for address in ({"as": "U0NOBODY01"}, {"in": "<script>"}, {"in": ""}, {"ask": "x/y/z"}, {"ask": "////"}, {"thread": "x"}):
        text = Answer(sink.page_url, "/?" + urlencode(address)).text
        assert '<h1 id="heading"># security</h1>' in text
        assert "<dialog" not in text
        assert "<aside" not in text


def test_the_secret_is_on_no_page(sink: SlackSink, app: SlackApp) -> None:
    ts = card(sink)
    send(sink, "/click", message=ts, block="decide", action="apply")
    assert len(app.taken) == 1
    assert SECRET not in page(sink) + "".join(states(sink))


# What people do


def test_a_click_reaches_the_app_and_leads_back_to_where_one_was(sink: SlackSink, app: SlackApp) -> None:
    ts = card(sink)
    answer = send(sink, "/click", message=ts, block="decide", action="apply", thread=ts)
    assert answer.status == 303
    assert dict(parse_qsl(urlsplit(answer.headers["Location"]).query)) == {"as": SLACK_ANN.id, "in": SLACK_CHANNEL, "thread": ts}
    ((_, _, payload),) = app.taken
    assert (payload["user"]["id"], payload["actions"][0]["action_id"]) == (SLACK_ANN.id, "apply")
    assert "Doorward answered in " in page(sink)
    assert "Doorward answered in " not in page(sink, SLACK_JOE), "it was not his click"


def test_what_went_wrong_is_said(sink: SlackSink, app: SlackApp) -> None:
    ts = card(sink)
    app.status = 403
    for fields, says in (
        ({"message": ts, "action": "apply"}, "The app answered HTTP 403"),
        ({"message": ts, "action": "other"}, "has no button other"),
        ({"message": "1.0", "action": "apply"}, "The message is not there any more."),
    ):
        send(sink, "/click", block="decide", **fields)
        assert says in page(sink)


def test_a_button_that_asks_first_sends_nothing_until_it_is_confirmed(sink: SlackSink, app: SlackApp) -> None:
    ts = card(sink)
    (form,) = (each for each in Outline(page(sink)).named("form") if each["method"] == "get" and "class" not in each)
    assert form["action"] == "/"
    asked = page(sink, ask=f"{ts}/decide/dismiss")
    for part in ("Sure?", "It is for good.", ">Yes</button>", ">No</a>"):
        assert part in asked
    assert app.taken == []


def test_a_modal_keeps_what_was_typed_until_it_is_right(sink: SlackSink, app: SlackApp) -> None:
    open_modal(sink, modal(text_input(min_length=5), {**text_input("sure"), "element": choice("radio_buttons", action_id="r")}))
    view = sink.modal(SLACK_ANN)
    assert view is not None
    send(sink, "/submit", view=view.id, **{"v:reason": BACKSLASHES[:4]})
    shown = page(sink)
    for part in ("Not yet: see below.", "Write 5 to 3000 characters: these are 4.", "This is needed.", f"\n{BACKSLASHES[:4]}</textarea>"):
        assert part in shown
    assert app.taken == []
    app.answer = lambda *_: {"response_action": "errors", "errors": {"reason": "Name the change."}}
    typed = f"\n{BACKSLASHES}\r\nsecond line"
    send(sink, "/submit", view=view.id, **{"v:reason": typed, "v:sure": "1"})
    assert app.taken[0][2]["view"]["state"]["values"]["reason"]["typed"]["value"] == f"\n{BACKSLASHES}\nsecond line"
    shown = page(sink)
    assert "Name the change." in shown
    assert f">\n\n{BACKSLASHES}\nsecond line</textarea>" in shown
    assert 'value="1" id="i1-1" checked=""' in shown
    app.answer = lambda *_: ""
    send(sink, "/submit", view=view.id, **{"v:reason": "CHANGE-1", "v:sure": "1"})
    assert "<dialog" not in page(sink)
    send(sink, "/submit", view=view.id, **{"v:reason": "CHANGE-1", "v:sure": "1"})
    assert "That dialog is not open any more." in page(sink)
    assert len(app.taken) == 2


def test_what_is_typed_is_a_message_or_a_command(sink: SlackSink, app: SlackApp) -> None:
    ts = card(sink)
    send(sink, "/say", text="who <b>was</b> that?", thread=ts)
    send(sink, "/say", text="   ")
    assert app.taken == []
    said = sink.workspace.messages()[-1]
    assert (said.author, said.text, said.thread_ts) == (SLACK_ANN.id, "who &lt;b&gt;was&lt;/b&gt; that?", ts)
    app.answer = lambda *_: "Linked."
    send(sink, "/say", text=" /doorward  link x ")
    ((_, form, _),) = app.taken
    assert (form["command"], form["text"], form["channel_id"]) == ("/doorward", "link x", SLACK_CHANNEL)
    assert "Linked." in page(sink)
    assert "1 reply" in page(sink)


def test_a_moment_that_is_none_is_asked_for_again(sink: SlackSink, app: SlackApp) -> None:
    open_modal(sink, modal({**text_input("until"), "element": {"type": "datetimepicker"}}))
    view = sink.modal(SLACK_ANN)
    assert view is not None
    for wrong in ("9" * 30, "2026-02-30T10:00", "soon"):
        send(sink, "/submit", view=view.id, **{"v:until": wrong})
        assert "Give a day and a time" in page(sink)
    assert app.taken == []


def test_a_dialog_can_be_closed(sink: SlackSink, app: SlackApp) -> None:
    open_modal(sink, modal(text_input()))
    assert "<dialog" in page(sink)
    assert "<dialog" not in page(sink, SLACK_JOE)
    send(sink, "/close")
    assert "<dialog" not in page(sink)
    assert app.taken == []
