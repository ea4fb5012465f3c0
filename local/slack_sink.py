"""A local stand-in for Slack's Web API: takes what the product posts, and keeps it to be looked at.

Only `chat.postMessage` with a JSON body, with the refusals that matter to a caller who never saw the real one. Tokens are
looked at and not kept. https://docs.slack.dev/reference/methods/chat.postMessage
"""

import json
import re
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self, override

_METHOD: Final = "/api/chat.postMessage"
_CHANNEL: Final = re.compile(r"[CDGUW][A-Z0-9]{2,20}", re.ASCII)  # the id of a user stands for the app's conversation with him
_LARGEST_BODY_BYTES: Final = 1_000_000  # ours: far above what Slack takes, small enough to hold
# https://docs.slack.dev/reference/block-kit/blocks and …/blocks/section-block
_MOST_BLOCKS: Final = 50
_LONGEST_SECTION: Final = 3000
_RETRY_AFTER_SECONDS: Final = 1
_MICROSECOND: Final = 1e-6


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """One accepted message, as it was posted: `text` and the texts in `blocks` are still escaped for Slack."""

    at: datetime
    channel: str
    ts: str
    text: str
    blocks: tuple[Mapping[str, Any], ...]


class SlackSink:
    """Listens on 127.0.0.1 at a free port while it is used in a `with` statement. Several may run at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: list[SlackMessage] = []
        self._failures: deque[str | None] = deque()
        self._last_ts = 0.0
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"sink": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None

    @property
    def url(self) -> str:
        """The API's address, without a slash at its end; the place of `https://slack.com/api`."""
        if self._server is None:
            raise RuntimeError("the Slack stand-in is not running: use it in a with statement")
        return f"http://127.0.0.1:{self._server.server_port}/api"

    @property
    def messages(self) -> tuple[SlackMessage, ...]:
        """Every accepted message, in the order of arrival."""
        with self._lock:
            return tuple(self._messages)

    def fail_next(self, times: int = 1, *, error: str | None = None) -> None:
        """Refuse the next posts, whatever they hold: `error` None with a bare HTTP 500, else with Slack's word, such as `ratelimited`."""
        with self._lock:
            self._failures.extend([error] * times)

    # For the handler

    def take(self, body: Mapping[str, Any]) -> dict[str, Any]:
        channel = body.get("channel")
        if not isinstance(channel, str) or _CHANNEL.fullmatch(channel) is None:
            return _refusal("channel_not_found")
        text, blocks = body.get("text", ""), body.get("blocks", [])
        if not isinstance(text, str):
            return _refusal("invalid_arguments")
        if not _are_blocks(blocks):
            return _refusal("invalid_blocks")
        if not text and not blocks:
            return _refusal("no_text")
        with self._lock:
            self._last_ts = max(time.time(), self._last_ts + _MICROSECOND)
            ts = f"{self._last_ts:.6f}"
            self._messages.append(SlackMessage(datetime.now(UTC), channel, ts, text, tuple(blocks)))
        return {"ok": True, "channel": channel, "ts": ts}

    def next_failure(self) -> tuple[bool, str | None]:
        with self._lock:
            return (True, self._failures.popleft()) if self._failures else (False, None)


class _Handler(BaseHTTPRequestHandler):
    sink: SlackSink
    server_version = "slack-sink"
    sys_version = ""
    timeout = 10.0  # a client that says nothing holds no thread for ever

    def do_POST(self) -> None:
        body = self._body()
        fails, error = self.sink.next_failure()
        if fails and error is None:
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, b"", "text/plain")
        elif fails:
            self._answer(_refusal(str(error)))
        else:
            self._answer(self._post(body))

    def _body(self) -> bytes | None:
        """None where it is too large or its length is not said."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or int(length) > _LARGEST_BODY_BYTES:
            return None
        return self.rfile.read(int(length))

    def _post(self, body: bytes | None) -> dict[str, Any]:
        if self.path != _METHOD:
            return _refusal("unknown_method")
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token.strip():
            return _refusal("not_authed")
        if self.headers.get_content_type() != "application/json":
            return _refusal("invalid_post_type")
        if body is None:
            return _refusal("msg_too_long")
        try:
            posted = json.loads(body)
        except (ValueError, RecursionError):
            return _refusal("invalid_json")
        return self.sink.take(posted) if isinstance(posted, dict) else _refusal("json_not_object")

    def _answer(self, answer: Mapping[str, Any]) -> None:
        limited = answer.get("error") == "ratelimited"  # the one refusal that is not HTTP 200
        status = HTTPStatus.TOO_MANY_REQUESTS if limited else HTTPStatus.OK
        self._send(status, json.dumps(answer).encode(), "application/json; charset=utf-8", retry=limited)

    def _send(self, status: HTTPStatus, content: bytes, content_type: str, *, retry: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        if retry:
            self.send_header("Retry-After", str(_RETRY_AFTER_SECONDS))
        self.end_headers()
        self.wfile.write(content)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a request line is no news, and a header could be a token."""


def _refusal(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}


def _are_blocks(blocks: object) -> bool:
    return isinstance(blocks, list) and len(blocks) <= _MOST_BLOCKS and all(_is_block(each) for each in blocks)


def _is_block(block: object) -> bool:
    """Whether Slack would take it, as far as we know the block: of others only that they have a type."""
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        return False
    if block["type"] != "section":
        return True
    text = block.get("text")
    return (
        isinstance(text, dict)
        and text.get("type") in {"mrkdwn", "plain_text"}
        and isinstance(text.get("text"), str)
        and 0 < len(text["text"]) <= _LONGEST_SECTION
    )
