"""A person in a real browser uses the page that stands for Slack, and an app answers."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.slack import SlackSink
from local.slack.page import policy
from local.world import SLACK_ANN, SLACK_CHANNEL, SLACK_JOE
from tests.browser.chromium import DARK, LOOK_SECONDS, Browser, Tab
from tests.browser.outline import title
from tests.browser.test_page import OWNED, served
from tests.slack_app import Form, SlackApp, installed
from tests.unit.test_slack_page import DANGER, states
from tests.unit.test_slack_sink import actions, button, modal, plain, text_input

CARD = {"channel": SLACK_CHANNEL, "text": "A door stands open", "blocks": [{"type": "header", "text": plain("A door stands open")}]}


@pytest.fixture
def app() -> Iterator[SlackApp]:
    with SlackSink() as sink, installed(sink) as running:
        yield running


def deciding(app: SlackApp, ts: str) -> Callable[[Form, dict[str, Any]], str]:
    """Doorward's part: `dismiss` opens a modal; once it is submitted the card is decided. The work is done after the answer."""

    def later(method: str, **body: Any) -> str:
        threading.Thread(target=app.call, args=(method,), kwargs=body).start()
        return ""

    def answer(_form: Form, payload: dict[str, Any]) -> str:
        if payload["type"] == "block_actions":
            return str(app.call("views.open", trigger_id=payload["trigger_id"], view=modal(text_input(min_length=5)))["ok"] and "")
        said = payload["view"]["state"]["values"]["reason"]["typed"]["value"]
        return later(
            "chat.update", channel=SLACK_CHANNEL, ts=ts, text="Dismissed", blocks=[{"type": "header", "text": plain(f"Dismissed: {said}")}]
        )

    return answer


def test_ann_decides_by_the_buttons_of_a_card(app: SlackApp, tab: Tab) -> None:
    ts = app.call("chat.postMessage", **CARD | {"blocks": [*CARD["blocks"], actions(button(), DANGER)]})["ts"]
    app.answer = deciding(app, ts)
    tab.open(app.sink.page_url)
    tab.choose("#as", SLACK_JOE.real_name)
    tab.click(".who button")
    tab.choose("#as", SLACK_ANN.real_name)
    tab.click(".who button")
    assert "A door stands open" in tab.text("#conversation")

    tab.click(".button.danger")
    assert "It is for good." in tab.text("dialog")
    assert tab.focused() == "No", "what changes nothing"
    assert app.taken == []
    tab.click("dialog .primary")
    ((_, _, payload),) = app.taken
    assert (payload["user"]["id"], payload["actions"][0]["action_id"]) == (SLACK_ANN.id, "dismiss")

    assert "Why" in tab.text("dialog")
    tab.type("dialog textarea", "no")
    tab.click("dialog .primary")
    assert "Write 5 to 3000 characters" in tab.text("dialog")
    tab.type("dialog textarea", ": CHANGE-1 <b>was</b> it")
    tab.click("dialog .primary")
    assert not tab.has("dialog")
    until = time.monotonic() + LOOK_SECONDS
    while "Dismissed" not in tab.text("#conversation"):
        assert time.monotonic() < until
        tab.open(app.sink.page_url)
    assert "Dismissed: no: CHANGE-1 <b>was</b> it" in tab.text("#conversation")
    assert not tab.has(".button.danger")
    assert app.refused == []
    assert tab.complaints == []


def test_a_command_is_typed_and_its_answer_is_seen_by_whoever_typed_it(app: SlackApp, tab: Tab) -> None:
    app.answer = lambda form, _: f"You said {form['text']}."
    tab.open(app.sink.page_url)
    tab.type("#text", "/doorward link a b")
    tab.click(".composer button")
    assert "You said link a b." in tab.text(".private")
    tab.choose("#as", SLACK_JOE.real_name)
    tab.click(".who button")
    assert "You said" not in tab.text()
    assert tab.complaints == []


def test_what_lies_behind_a_dialog_cannot_be_clicked(app: SlackApp, tab: Tab) -> None:
    app.call("chat.postMessage", **CARD | {"blocks": [actions(button(), DANGER)]})
    tab.open(app.sink.page_url)
    tab.click(".button.danger")
    with pytest.raises(AssertionError, match="is covered"):
        tab.click(".actions .button.danger")


def test_what_the_policy_stops_would_be_complained_of(tab: Tab) -> None:
    with served({"/": OWNED}, {"Content-Security-Policy": policy()}) as url:
        tab.open(url)
        assert tab.text("title") == "fine"
    assert any("Content Security Policy" in each for each in tab.complaints)


MEASURE = """<script>
addEventListener("load", () => {
  const pages = [...document.querySelectorAll("iframe")].map(frame => frame.contentDocument.documentElement);
  document.title = pages.map(page => page.scrollWidth - page.clientWidth).join(" ");
});
</script>"""


def over(browser: Browser, pages: list[str]) -> list[str]:
    """By how many pixels each page reaches beyond the right edge, on a phone and on a wide screen."""
    frames = "".join(
        f'<iframe src="/{number}" style="width: {width}px; height: 900px; border: 0"></iframe>'
        for number in range(len(pages))
        for width in (320, 1280)
    )
    by_path = {f"/{number}": page for number, page in enumerate(pages)}
    with served({"/": f"<!doctype html><title>-</title><body>{frames}{MEASURE}", **by_path}) as url:
        return title(browser.look(url).dom).split()


def test_nothing_reaches_beyond_the_right_edge_at_any_width(app: SlackApp, browser: Browser) -> None:
    pages = list(states(app.sink, "W" * 150))
    assert over(browser, pages) == ["0"] * len(pages) * 2


def test_what_is_too_wide_would_be_seen(app: SlackApp, browser: Browser) -> None:
    page = next(states(app.sink)).replace("<main>", '<main><div style="width: 500px">too wide</div>')
    narrow, wide = over(browser, [page])
    assert (int(narrow) > 0, wide) == (True, "0")


def test_who_prefers_dark_gets_dark(app: SlackApp, browser: Browser) -> None:
    light, dark = browser.picture(app.sink.page_url), browser.picture(app.sink.page_url, DARK)
    assert light != dark
