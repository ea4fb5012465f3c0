"""Slack's Web API: a method, called with a JSON body. Tokens are asked for at each call, and kept nowhere here.

https://docs.slack.dev/apis/web-api/
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.client import HTTPException
from typing import IO, Any, Final, override
from urllib.parse import urlsplit

from doorward.errors import Misconfigured, Unavailable

_TIMEOUT_SECONDS: Final = 10
_LONGEST_WAIT_SECONDS: Final = 300
"""Ours: who tells us to wait for longer is asked again meanwhile."""
_TRY_AGAIN: Final = frozenset({"ratelimited", "rate_limited", "internal_error", "fatal_error", "request_timeout", "service_unavailable"})


class SlackRefused(Misconfigured):
    """`word`: Slack's own for why."""

    def __init__(self, word: str, about: str) -> None:
        super().__init__(f"Slack refused the message: {word} ({about}; check its token, scopes and membership)")
        self.word = word


class SlackWeb:
    def __init__(self, api_url: str, token: Callable[[], str]) -> None:
        """`api_url` without a slash at its end, "https://slack.com/api"."""
        self._api_url = api_url
        self._token = token
        self._not_before = 0.0

    def call(self, method: str, body: Mapping[str, Any], about: str) -> dict[str, Any]:
        """What Slack answers. `about`: the channel, or whatever else it is about, as errors name it.

        Raises Unavailable where Slack may take it later, Misconfigured where it never will (token, channel, scope).
        """
        if time.monotonic() < self._not_before:
            raise Unavailable("Slack takes nothing for a while: it was called too often")
        request = urllib.request.Request(  # noqa: S310 - the address is the operator's parameter, http(s) by its pattern
            f"{self._api_url}/{method}",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json; charset=utf-8"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
                answer: dict[str, Any] = json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                self._wait_as_told(error)
            raise Unavailable(f"Slack did not take the message: HTTP {error.code}") from None
        except (OSError, ValueError, HTTPException) as error:
            raise Unavailable(f"Slack did not take the message: {type(error).__name__}") from None
        if answer.get("ok") is not True:
            refused = SlackRefused(str(answer.get("error", "unknown")), about)
            raise Unavailable(str(refused)) if refused.word in _TRY_AGAIN else refused
        return answer

    def _wait_as_told(self, error: urllib.error.HTTPError) -> None:
        """https://docs.slack.dev/apis/web-api/rate-limits."""
        seconds = error.headers.get("Retry-After", "")
        if error.code == HTTPStatus.TOO_MANY_REQUESTS and seconds.isascii() and seconds.isdecimal():
            self._not_before = time.monotonic() + min(int(seconds), _LONGEST_WAIT_SECONDS)

    def respond(self, url: str, body: Mapping[str, Any]) -> None:
        """To where Slack said that somebody is to be answered. Raises as `call` does.

        The address came from outside: only Slack's own is ever called, and without the token.
        https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
        """
        if not self._is_slacks(url):
            raise Misconfigured("An answer was to go to an address that is not Slack's: it is not sent.")
        headers = {"Content-Type": "application/json; charset=utf-8"}
        request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)  # noqa: S310 - as just looked at
        try:
            with urllib.request.build_opener(_Nowhere).open(request, timeout=_TIMEOUT_SECONDS):
                pass
        except urllib.error.HTTPError as error:
            with error:
                failure = Unavailable if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR else Misconfigured
            raise failure(f"Slack did not take an answer: HTTP {error.code}") from None
        except (OSError, ValueError, HTTPException) as error:
            raise Unavailable(f"Slack did not take an answer: {type(error).__name__}") from None

    def _is_slacks(self, url: str) -> bool:
        """https://hooks.slack.com for https://slack.com/api; the very host where the API is somewhere else. No other port, and no user."""
        try:
            asked, api = urlsplit(url), urlsplit(self._api_url)
        except ValueError:
            return False
        if not (url.isascii() and url.isprintable()) or " " in url:
            return False
        return asked.scheme == api.scheme and asked.netloc in {api.netloc, f"hooks.{api.netloc}"}


class _Nowhere(urllib.request.HTTPRedirectHandler):
    """Who answers with a redirect is not obeyed."""

    @override
    def redirect_request(self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str) -> None:
        return None
