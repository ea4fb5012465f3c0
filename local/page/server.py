"""Serves the page on 127.0.0.1. Reading it changes nothing; nothing else of this machine can be read by it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final, NamedTuple, override
from urllib.parse import urlsplit

from local.page.document import content_security_policy, render_page
from local.page.files import findings_csv, summary_markdown
from local.snapshot import Snapshot
from local.web.server import PageHandler, listening

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
    handler = type("Handler", (_Handler,), {"source": staticmethod(_one_at_a_time(snapshot_source)), "policy": content_security_policy()})
    with listening(handler, port) as taken:
        yield f"http://127.0.0.1:{taken}/"


def _one_at_a_time(source: SnapshotSource) -> SnapshotSource:
    lock = threading.Lock()

    def take() -> Snapshot:
        with lock:
            return source()

    return take


class _Handler(PageHandler):
    source: SnapshotSource

    @override
    def show(self) -> None:
        path = urlsplit(self.path).path
        if path == "/healthz":
            self.send(HTTPStatus.OK, "text/plain", "ok\n")
        elif (route := _ROUTES.get(path)) is not None:
            self._show(route)
        else:
            self.send_error(HTTPStatus.NOT_FOUND, explain=f"There are {', '.join(_ROUTES)} and /healthz.")

    def _show(self, route: _Route) -> None:
        try:
            content = route.render(self.source())
        except Exception as error:  # noqa: BLE001 - the stack may be gone; the server must not go with it
            self.send_error(
                HTTPStatus.SERVICE_UNAVAILABLE,
                explain=f"The local stack could not be read ({type(error).__name__}). Is it still running? Reload to try again.",
            )
            return
        attached = {} if route.file_name is None else {"Content_Disposition": f'attachment; filename="{route.file_name}"'}
        self.send(HTTPStatus.OK, route.content_type, content, **attached)
