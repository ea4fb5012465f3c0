"""`doorward grants console`: the AWS console, opened as a grant."""

import http.server
import os
import secrets
import socket
import sys
import threading
import webbrowser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from doorward.errors import Unavailable
from doorward.values import NamedTuple
from doorward_cli.api import Api
from doorward_cli.grant_credentials import Wanted, active_grant

_SECONDS: Final = 30
"""For the browser to come up and ask."""
_ROOT: Final = 0
"""By whose connections a system passes on what comes from a browser outside of it; and who may read all that is here in any case."""
_CONNECTIONS: Final = ("/proc/net/tcp", "/proc/net/tcp6")
"""Of Linux: https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html ."""


class SigningIn(NamedTuple):
    """A link that signs whoever has it in, until `expires_at`. It does not show what it holds."""

    url: str
    expires_at: datetime

    def __repr__(self) -> str:
        return "SigningIn(…)"


def sign_in(api: Api, wanted: Wanted, destination: str | None) -> SigningIn:
    """Raises as Api.call."""
    grant_id = wanted.grant_id or active_grant(api, wanted)
    said = api.call("POST", f"/grants/{grant_id}/console", {} if destination is None else {"destination": destination})
    try:
        url, expires_at = str(said["url"]), datetime.fromisoformat(said["expires_at"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        raise Unavailable("the API's answer has another form than this doorward knows; is there a newer one?") from None
    if not api.may_lead_to(url):
        raise Unavailable("the API's answer is no https link")
    return SigningIn(url, expires_at)


def open_browser(url: str) -> bool:
    """False where there is none, or it did not ask in time.

    The link itself never stands in a command line, which everybody on the machine can read, and which programs that watch it keep: the
    browser is given an address of this process, which answers once with where to go. That address does stand there, so that somebody
    else on the machine may ask before the browser does: he is answered nothing, and the browser is all the same.
    """
    path = f"/{secrets.token_urlsafe(32)}"

    class Once(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != path or not _is_ours(self.client_address, server.server_port) or not first.acquire(blocking=False):
                self.send_error(404)
                return
            self.send_response(302)
            for name, value in (("Location", url), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer")):
                self.send_header(name, value)
            self.end_headers()
            gone.set()

        def log_message(self, *_: Any) -> None: ...

    first, gone = threading.Lock(), threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Once) as server:
        # Beside the browser: one that runs in this terminal comes back only when it is closed.
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            return webbrowser.open(f"http://127.0.0.1:{server.server_port}{path}") and gone.wait(_SECONDS)
        except webbrowser.Error:
            return False
        finally:
            server.shutdown()


def _is_ours(asker: tuple[str, int], port: int) -> bool:
    """Whether it is this user who asks.

    Linux alone has to be asked, and says so: macOS gives a browser what it is to open by no command line, and Windows shows the command
    lines of one user to no other.
    """
    return sys.platform != "linux" or _owner(asker, port) in {os.geteuid(), _ROOT}


def _owner(asker: tuple[str, int], port: int) -> int | None:
    """Of the connection from there to this port of 127.0.0.1: a user's id. None where it does not end on this system."""
    ends = [_as_the_kernel_has_it(*asker), _as_the_kernel_has_it("127.0.0.1", port)]
    for file in map(Path, _CONNECTIONS):
        for line in file.read_text("ascii").splitlines()[1:] if file.exists() else ():
            _, local, remote, _, _, _, _, owner, *_ = line.split()
            if [local[-len(ends[0]) :], remote[-len(ends[1]) :]] == ends:
                return int(owner)
    return None


def _as_the_kernel_has_it(address: str, port: int) -> str:
    return f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}:{port:04X}"
