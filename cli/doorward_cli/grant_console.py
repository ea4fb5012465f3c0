"""`doorward grants console`: the AWS console, opened as a grant."""

import http.server
import secrets
import threading
import webbrowser
from datetime import UTC, datetime
from typing import Any, Final

from doorward.errors import Unavailable
from doorward.values import NamedTuple
from doorward_cli.api import Api
from doorward_cli.grant_credentials import Wanted, active_grant

_SECONDS: Final = 30
"""For the browser to come up and ask."""


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
    if not url.startswith("https://"):
        raise Unavailable("the API's answer is no https link")
    return SigningIn(url, expires_at)


def open_browser(url: str) -> bool:
    """False where there is none, or it did not ask in time.

    The link itself never stands in a command line, which everybody on the machine can read, and which programs that watch it keep: the
    browser is given an address of this process, which answers once with where to go.
    """
    path = f"/{secrets.token_urlsafe(32)}"

    class Once(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != path or not first.acquire(blocking=False):
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
