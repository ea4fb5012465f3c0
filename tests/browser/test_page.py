"""A real browser looks at the served page.

Not checked here: how it sounds in a screen reader, other engines than Chromium's, and whether it is beautiful; people looked at it.
"""

import json
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from local.page import serve
from local.page.document import TITLE, content_security_policy, render_page
from local.snapshot import Snapshot
from tests.browser.chromium import DARK, Browser
from tests.browser.outline import outline, text, title
from tests.browser.samples import hostile, ordinary, snapshot_of

OWNED = "<!doctype html><title>fine</title><body><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


@contextmanager
def served(pages: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Iterator[str]:
    """Documents of this test's own, with no header but those given."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path, "")
            self.send_response(200)
            for name, value in {"Content-Type": "text/html; charset=utf-8", **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_the_findings_are_there_and_the_browser_has_nothing_to_complain_of(browser: Browser) -> None:
    with serve(ordinary) as url:
        seen = browser.look(url)
    assert title(seen.dom) == TITLE
    assert outline(seen.dom) == outline(render_page(ordinary()))
    shown = text(seen.dom)
    for part in ("777788889999/payments", "external-account", "Closed after 3.2 s", "Could not be closed", "the event is forged"):
        assert part in shown
    assert seen.console == ""


def test_in_a_browser_too_the_hostile_record_is_text(browser: Browser) -> None:
    snapshot = snapshot_of(hostile())
    with serve(lambda: snapshot) as url:
        seen = browser.look(url)
    assert title(seen.dom) == TITLE, "a script ran"
    assert outline(seen.dom) == outline(render_page(snapshot)), "the browser sees an element that we did not write"
    assert "<script>document.title='owned'</script>" in text(seen.dom)
    assert seen.console == "", "what the policy had to stop had come through the escaping"


def test_the_same_text_would_own_a_page_that_does_not_escape_and_our_policy_would_still_stop_it(browser: Browser) -> None:
    """The two tests above could fail: this is what they would see."""
    with served({"/": OWNED}) as url:
        assert title(browser.look(url).dom) == "owned"
    with served({"/": OWNED}, {"Content-Security-Policy": content_security_policy()}) as url:
        stopped = browser.look(url)
    assert title(stopped.dom) == "fine"
    assert "Content Security Policy" in stopped.console


MEASURE = """<!doctype html><title>-</title><body style="margin: 0">
<iframe id="narrow" src="/page" style="width: 400px; height: 900px; border: 0"></iframe>
<iframe id="phone" src="/page" style="width: 320px; height: 900px; border: 0"></iframe>
<iframe id="wide" src="/page" style="width: 1280px; height: 900px; border: 0"></iframe>
<script>
addEventListener("load", () => {
  const measured = {};
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument;
    measured[frame.id] = {
      over: page.documentElement.scrollWidth - page.documentElement.clientWidth,
      paper: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
      table: frame.contentWindow.getComputedStyle(page.querySelector("table")).display,
    };
  }
  document.title = JSON.stringify(measured);
});
</script>"""


def measure(browser: Browser, page: str, *flags: str) -> dict[str, dict[str, Any]]:
    """The very same document in frames of three widths, beside a script that measures: the page itself has none."""
    with served({"/": MEASURE, "/page": page}) as url:
        measured: dict[str, dict[str, Any]] = json.loads(title(browser.look(url, "--dump-dom", *flags).dom))
    return measured


@pytest.mark.parametrize("snapshot", [ordinary(), snapshot_of(hostile())], ids=["ordinary", "hostile"])
def test_nothing_reaches_beyond_the_right_edge_at_any_width(browser: Browser, snapshot: Snapshot) -> None:
    measured = measure(browser, render_page(snapshot))
    assert {name: each["over"] for name, each in measured.items()} == {"narrow": 0, "phone": 0, "wide": 0}
    assert [measured[name]["table"] for name in ("phone", "narrow", "wide")] == ["block", "block", "table"]
    assert measured["wide"]["paper"] == "rgb(245, 244, 239)"


def test_what_is_too_wide_would_be_seen(browser: Browser) -> None:
    page = render_page(ordinary()).replace("<main>", '<main><div style="width: 500px">too wide</div>')
    measured = measure(browser, page)
    assert measured["narrow"]["over"] > 0
    assert measured["wide"]["over"] == 0


def test_who_prefers_dark_gets_dark(browser: Browser) -> None:
    with serve(ordinary) as url:
        light, dark = browser.picture(url), browser.picture(url, DARK)
    for picture in (light, dark):
        assert struct.unpack(">II", picture[16:24]) == (1280, 1600)
        assert len(picture) > 50_000, "an empty page is a tenth of this"
    assert light != dark
    assert measure(browser, render_page(ordinary()), DARK)["wide"]["paper"] == "rgb(20, 23, 26)"
