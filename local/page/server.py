"""Serves the page on 127.0.0.1. Reading it changes nothing; nothing else of this machine can be read by it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, NamedTuple, override
from urllib.parse import urlsplit

from local.page.document import content_security_policy, render_page
from local.page.files import findings_csv, summary_markdown
from local.snapshot import Snapshot

type SnapshotSource = Callable[[], Snapshot]


class _Route(NamedTuple):
    content_type: str
    render: Callable[[Snapshot], str]
    file_name: str | None = None


_ROUTES: Final = {
    "/": _Route("text/html", render_page),
    "/findings.csv": _Route("text/csv", findings_csv, "findings.csv"),
    "/summary.md": _Route("text/markdown", summary_markdown, "summary.md"),
}


@contextmanager
def serve(snapshot_source: SnapshotSource, *, port: int = 0) -> Iterator[str]:
    """Serve while the block runs; yields the address, which ends with a slash.

    `snapshot_source` is called for each view, by one thread at a time. `port` 0: a free one. Raises OSError where the port is taken.
    """
    server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    server.RequestHandlerClass = type("Handler", (_Handler,), {"source": staticmethod(_one_at_a_time(snapshot_source))})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _one_at_a_time(source: SnapshotSource) -> SnapshotSource:
    lock = threading.Lock()

    def take() -> Snapshot:
        with lock:
            return source()

    return take


class _Handler(BaseHTTPRequestHandler):
    source: SnapshotSource
    server_version = "doorward"
    sys_version = ""
    timeout = 10.0  # a client that says nothing holds no thread for ever

    def do_GET(self) -> None:
        if not self._is_for_us():
            # A name that an attacker made to point at 127.0.0.1 (DNS rebinding) is how another site would read this page.
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, explain="This page answers to 127.0.0.1 and localhost only.")
            return
        path = urlsplit(self.path).path
        if path == "/healthz":
            self._send(HTTPStatus.OK, "text/plain", "ok\n")
        elif (route := _ROUTES.get(path)) is not None:
            self._show(route)
        else:
            self.send_error(HTTPStatus.NOT_FOUND, explain=f"There are {', '.join(_ROUTES)} and /healthz.")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _is_for_us(self) -> bool:
        port = self.connection.getsockname()[1]
        return self.headers.get("Host", "") in {f"127.0.0.1:{port}", f"localhost:{port}"}

    def _show(self, route: _Route) -> None:
        try:
            content = route.render(self.source())
        except Exception as error:  # noqa: BLE001 - the stack may be gone; the server must not go with it
            self.send_error(
                HTTPStatus.SERVICE_UNAVAILABLE,
                explain=f"The local stack could not be read ({type(error).__name__}). Is it still running? Reload to try again.",
            )
            return
        self._send(HTTPStatus.OK, route.content_type, content, file_name=route.file_name)

    @override
    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Plain text, with the same headers, and nothing of the request in it."""
        status = HTTPStatus(code)
        self._send(status, "text/plain", f"{status.value} {status.phrase}. {explain or status.description}\n")

    def _send(self, status: HTTPStatus, content_type: str, content: str, *, file_name: str | None = None) -> None:
        body = content.encode("utf-8", "backslashreplace")
        self.send_response(status)
        headers = {
            "Content-Type": f"{content_type}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Content-Security-Policy": content_security_policy(),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        if file_name is not None:
            headers["Content-Disposition"] = f'attachment; filename="{file_name}"'
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal belongs to whoever runs the stack."""
