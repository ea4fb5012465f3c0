"""A small app that stands for the product before Slack's stand-in: it checks each request on its own, from Slack's page.

https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hmac
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from local.slack import SlackSink

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
OLDEST_SECONDS = 300

type Form = Mapping[str, str]
type Answer = str | Mapping[str, Any]


@dataclass
class SlackApp:
    """`answer` gets the form of a request that is in order, and what the request's payload says; text goes out as text, else as JSON."""

    sink: SlackSink
    answer: Callable[[Form, dict[str, Any]], Answer] = lambda _form, _payload: ""
    status: int = 200
    taken: list[tuple[str, Form, dict[str, Any]]] = field(default_factory=list)
    """Path, form and payload of each request that was in order."""
    refused: list[str] = field(default_factory=list)
    interactions_url: str = ""
    stopped: threading.Event = field(default_factory=threading.Event)

    def refuses(self, url: str, body: Mapping[str, Any]) -> int:
        """The HTTP status of a post that has to be refused."""
        try:
            answered = self.post(url, body)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        raise AssertionError(f"not refused: {answered}")

    def call(self, method: str, **body: Any) -> dict[str, Any]:
        return self.post(f"{self.sink.url}/{method}", body)

    def post(self, url: str, body: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Authorization": "Bearer xoxb-of-the-test"}
        request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)
        with urllib.request.urlopen(request, timeout=5) as response:
            answer: dict[str, Any] = json.loads(response.read())
        return answer

    def why_refused(self, headers: Message, body: bytes) -> str | None:
        timestamp = headers.get("X-Slack-Request-Timestamp", "")
        if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > OLDEST_SECONDS:
            return "late"
        expected = b"v0=" + hmac.digest(SECRET.encode(), b":".join((b"v0", timestamp.encode(), body)), "sha256").hex().encode()
        if not hmac.compare_digest(expected, headers.get("X-Slack-Signature", "").encode()):
            return "forged"
        return None if headers.get("Content-Type") == "application/x-www-form-urlencoded" else "no form"


@contextmanager
def installed(sink: SlackSink) -> Iterator[SlackApp]:
    """An app that the sink knows, as long as the block runs."""
    app = SlackApp(sink)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if (reason := app.why_refused(self.headers, body)) is not None:
                app.refused.append(reason)
                self.reply(401, "text/plain", "")
                return
            form = {name: values[0] for name, values in parse_qs(body.decode(), strict_parsing=True, keep_blank_values=True).items()}
            payload = json.loads(form.get("payload", "{}"))
            app.taken.append((self.path, form, payload))
            answer = app.answer(form, payload)
            kind, text = ("text/plain", answer) if isinstance(answer, str) else ("application/json", json.dumps(answer))
            self.reply(app.status, kind, text)

        def reply(self, status: int, kind: str, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text.encode())))
            self.send_header("Location", "/elsewhere")  # for whoever follows
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        app.interactions_url = f"{url}/interactions"
        sink.app(interactions_url=app.interactions_url, commands_url=f"{url}/commands", signing_secret=SECRET)
        yield app
        app.stopped.set()
        server.shutdown()
        thread.join()
