"""Slack's Web API: a method, called with a JSON body. Tokens are asked for at each call, and kept nowhere here.

https://docs.slack.dev/apis/web-api/
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from doorward.errors import Misconfigured, Unavailable

_TIMEOUT_SECONDS: Final = 10
_LONGEST_WAIT_SECONDS: Final = 300
"""Ours: who tells us to wait for longer is asked again meanwhile."""
_TRY_AGAIN: Final = frozenset({"ratelimited", "rate_limited", "internal_error", "fatal_error", "request_timeout", "service_unavailable"})


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
        except (OSError, ValueError) as error:
            raise Unavailable(f"Slack did not take the message: {type(error).__name__}") from None
        if answer.get("ok") is not True:
            reason = str(answer.get("error", "unknown"))
            failure = Unavailable if reason in _TRY_AGAIN else Misconfigured
            raise failure(f"Slack refused the message: {reason} ({about}; check its token, scopes and membership)")
        return answer

    def _wait_as_told(self, error: urllib.error.HTTPError) -> None:
        """https://docs.slack.dev/apis/web-api/rate-limits."""
        seconds = error.headers.get("Retry-After", "")
        if error.code == HTTPStatus.TOO_MANY_REQUESTS and seconds.isascii() and seconds.isdecimal():
            self._not_before = time.monotonic() + min(int(seconds), _LONGEST_WAIT_SECONDS)
