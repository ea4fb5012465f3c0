"""How the local pages are served: on 127.0.0.1, to this machine's browser alone, with headers that keep other sites out."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, override

_LARGEST_BODY_BYTES: Final = 1_000_000  # far above what anybody here posts, small enough to hold


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler], port: int = 0) -> Iterator[int]:
    """Answer on 127.0.0.1 while the block runs; yields the port. `port` 0: a free one. Raises OSError where it is taken."""
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class PageHandler(BaseHTTPRequestHandler):
    """Answers who names this server, by `show` and `take`. `policy` is the Content-Security-Policy of every answer."""

    policy: str
    server_version = "doorward"
    sys_version = ""
    timeout = 10.0  # a client that says nothing holds no thread for ever

    def show(self) -> None:
        """Answer a GET or a HEAD request."""
        raise NotImplementedError

    def take(self, body: bytes | None) -> None:
        """Answer a POST request. `body` None: it is too large, or its length is not said."""
        del body
        self.send_error(HTTPStatus.NOT_IMPLEMENTED)

    def do_GET(self) -> None:
        if self._is_for_us():
            self.show()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        is_said = length.isascii() and length.isdecimal() and int(length) <= _LARGEST_BODY_BYTES
        body = self.rfile.read(int(length)) if is_said else None
        if self._is_for_us():
            self.take(body)

    def _is_for_us(self) -> bool:
        """Whether the request names this server; if not, it is answered here.

        A name that an attacker made to point at 127.0.0.1 (DNS rebinding) is how another site would read a page.
        """
        if self.headers.get("Host", "") in self._names():
            return True
        self.send_error(HTTPStatus.MISDIRECTED_REQUEST, explain="This page answers to 127.0.0.1 and localhost only.")
        return False

    def is_from_us(self) -> bool:
        """Whether a form of our own page sent this. A browser always says where a POST comes from."""
        return self.headers.get("Origin", "").removeprefix("http://") in self._names()

    def _names(self) -> frozenset[str]:
        port = self.connection.getsockname()[1]
        return frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})

    def send(self, status: HTTPStatus, content_type: str, content: str, **more: str) -> None:
        """`more`: further headers, `_` for `-`."""
        body = content.encode("utf-8", "backslashreplace")
        self.send_response(status)
        headers = {
            "Content-Type": f"{content_type}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Content-Security-Policy": self.policy,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        for name, value in (headers | {name.replace("_", "-"): value for name, value in more.items()}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @override
    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Plain text, with the same headers, and nothing of the request in it."""
        status = HTTPStatus(code)
        self.send(status, "text/plain", f"{status.value} {status.phrase}. {explain or status.description}\n")

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal belongs to whoever runs the stack, and a header could be a token."""
