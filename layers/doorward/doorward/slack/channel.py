"""Messages to a Slack channel, or a person, by `chat.postMessage`; the id of a user is a channel too: the app's own conversation with him.

https://docs.slack.dev/reference/methods/chat.postMessage
"""

import json
import urllib.error
import urllib.request
from collections.abc import Callable

from doorward.errors import Misconfigured, Unavailable
from doorward.ports.announcing import Message
from doorward.slack.cards import render_card

_TIMEOUT_SECONDS = 10
_TRY_AGAIN = frozenset({"ratelimited", "rate_limited", "internal_error", "fatal_error", "request_timeout", "service_unavailable"})


class SlackChannel:
    def __init__(self, api_url: str, channel: str, token: Callable[[], str], name: str = "") -> None:
        """`api_url` without a slash at its end, "https://slack.com/api"; `token` is asked for at each message and kept nowhere here.

        `name` "": its address.
        """
        self.address = f"slack:{channel}"
        self.name = name or self.address
        self._api_url = api_url
        self._channel = channel
        self._token = token

    def send(self, message: Message) -> None:
        """Raises Unavailable where Slack may take it later, Misconfigured where it never will (token, channel, scope)."""
        card = render_card(message)
        body = {"channel": self._channel, "unfurl_links": False, "unfurl_media": False, **card}
        request = urllib.request.Request(  # noqa: S310 - the address is the operator's parameter, http(s) by its pattern
            f"{self._api_url}/chat.postMessage",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json; charset=utf-8"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
                answer = json.loads(response.read())
        except (OSError, ValueError) as error:
            reason = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else type(error).__name__
            raise Unavailable(f"Slack did not take the message: {reason}") from None
        if answer.get("ok") is not True:
            reason = str(answer.get("error", "unknown"))
            failure = Unavailable if reason in _TRY_AGAIN else Misconfigured
            raise failure(f"Slack refused the message: {reason} (channel {self._channel}; check its token, scopes and membership)")
