"""A real Chromium: to look at a page, and to use one as a person does.

It is driven through two pipes by the Chrome DevTools Protocol, which needs nothing but Chromium.
https://chromedevtools.github.io/devtools-protocol/
"""

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WITHOUT_CHROMIUM = "no Chromium on PATH"
LOOK_SECONDS = 30
# Chromium reads from descriptor 3 and writes to 4.
_AS_THREE_AND_FOUR = """
import os, sys
for to, given in enumerate(sys.argv[1:3], 3):
    os.dup2(int(given), to)
os.execv(sys.argv[3], sys.argv[3:])
"""
DARK = "--blink-settings=preferredColorScheme=0"


def program() -> str:
    """Chromium's path. Skips the test where there is none; fails it in CI."""
    found = next((path for name in NAMES if (path := shutil.which(name)) is not None), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{WITHOUT_CHROMIUM}, and CI must not skip this: install chromium")
        pytest.skip(WITHOUT_CHROMIUM)
    return found


def _command(chromium: str, profile: Path) -> list[str]:
    return [
        chromium,
        "--headless=new",
        "--no-sandbox",  # a container runs it as root
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
        f"--user-data-dir={profile}",
    ]


@dataclass(frozen=True)
class Look:
    """`dom` is the document after everything on it ran; `console` has what the browser complained of."""

    dom: str
    console: str


class Browser:
    def __init__(self, chromium: str, folder: Path) -> None:
        self._program = chromium
        self._folder = folder
        self._looks = 0

    def look(self, url: str, *flags: str) -> Look:
        self._looks += 1
        profile = self._folder / f"profile-{self._looks}"  # of its own: several may run at once
        done = subprocess.run(
            [*_command(self._program, profile), "--enable-logging=stderr", *(flags or ("--dump-dom",)), url],
            capture_output=True,
            text=True,
            timeout=LOOK_SECONDS,
            check=True,
            env={**os.environ, "HOME": str(self._folder)},
        )
        console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line or "Content Security Policy" in line)
        return Look(done.stdout, console)

    def picture(self, url: str, *flags: str) -> bytes:
        """A PNG of the page's beginning, 1280 by 1600."""
        path = self._folder / f"picture-{self._looks}.png"
        self.look(url, f"--screenshot={path}", "--window-size=1280,1600", "--hide-scrollbars", *flags)
        return path.read_bytes()


class Tab:
    """A page that is used by mouse and keyboard alone. What is named by a CSS selector must be there, and be seen."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._unread = b""
        self._calls = 0
        self._session = ""
        self.complaints: list[str] = []
        """What the browser warned of: what the policy stopped, for one. That somebody typed before the page had its focus is no warning."""
        self._loads = 0

    def start(self) -> Self:
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        return self

    def open(self, url: str) -> None:
        with self._loaded():
            self._call("Page.navigate", url=url)

    def click(self, selector: str) -> None:
        """Click in the middle of it, and wait for the page that it leads to."""
        with self._loaded():
            self._press(selector)

    def type(self, selector: str, text: str) -> None:
        """Click into it, and type."""
        self._press(selector)
        self._call("Input.insertText", text=text)

    def choose(self, selector: str, label: str) -> None:
        """Of a select: by what its option says."""
        self._value(
            f"(() => {{ const select = document.querySelector({json.dumps(selector)});"
            f" select.value = [...select.options].find(each => each.label === {json.dumps(label)}).value; }})()"
        )

    def text(self, selector: str = "body") -> str:
        """What is seen of it."""
        return str(self._value(f"document.querySelector({json.dumps(selector)}).innerText"))

    def has(self, selector: str) -> bool:
        return bool(self._value(f"document.querySelector({json.dumps(selector)}) !== null"))

    def focused(self) -> str:
        """What the element with the focus says."""
        return str(self._value("document.activeElement.innerText"))

    def _press(self, selector: str) -> None:
        at = self._value(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)}); it.scrollIntoView({{block: 'center'}});"
            " const box = it.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;"
            " const on = document.elementFromPoint(x, y); return it.contains(on) ? [x, y] : String(on && on.outerHTML); })()"
        )
        assert isinstance(at, list), f"{selector} is covered by {at}"
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1)

    def _value(self, expression: str) -> Any:
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    @contextmanager
    def _loaded(self) -> Iterator[None]:
        before = self._loads
        yield
        until = time.monotonic() + LOOK_SECONDS
        while self._loads == before:
            self._read(until)

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._calls += 1
        call = {"id": self._calls, "method": method, "params": params} | ({"sessionId": self._session} if self._session else {})
        os.write(self._to, json.dumps(call).encode() + b"\0")
        until = time.monotonic() + LOOK_SECONDS
        while (message := self._read(until)).get("id") != self._calls:
            pass
        assert "error" not in message, message["error"]
        result: dict[str, Any] = message["result"]
        return result

    def _read(self, until: float) -> dict[str, Any]:
        """The next message; events are taken note of."""
        while b"\0" not in self._unread:
            assert select.select([self._from], [], [], max(0.0, until - time.monotonic()))[0], "Chromium says nothing more"
            more = os.read(self._from, 65536)
            assert more, "Chromium is gone"
            self._unread += more
        one, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(one)
        if message.get("method") == "Page.loadEventFired":
            self._loads += 1
        if message.get("method") == "Log.entryAdded" and (entry := message["params"]["entry"])["level"] in {"warning", "error"}:
            self.complaints.append(entry["text"])
        return message


@contextmanager
def driven(chromium: str, folder: Path) -> Iterator[Tab]:
    """A tab of a Chromium of its own, as long as the block runs."""
    child_reads, to_browser = os.pipe()
    from_browser, child_writes = os.pipe()
    command = [*_command(chromium, folder / "profile"), "--remote-debugging-pipe", "--window-size=1280,900", "about:blank"]
    process = subprocess.Popen(
        [sys.executable, "-c", _AS_THREE_AND_FOUR, str(child_reads), str(child_writes), *command],
        pass_fds=(child_reads, child_writes),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder)},
    )
    os.close(child_reads)
    os.close(child_writes)
    try:
        yield Tab(to_browser, from_browser).start()
    finally:
        process.terminate()
        process.wait(LOOK_SECONDS)
        os.close(to_browser)
        os.close(from_browser)
