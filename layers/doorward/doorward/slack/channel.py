"""Messages to a Slack channel, or a person, by `chat.postMessage`; the id of a user is a channel too: the app's own conversation with him.

https://docs.slack.dev/reference/methods/chat.postMessage
https://docs.slack.dev/reference/methods/chat.update
"""

from dataclasses import replace
from typing import Any, Final

from doorward.errors import Misconfigured
from doorward.ports.announcing import Message
from doorward.slack.cards import render_card
from doorward.slack.web import SlackWeb

_BETWEEN: Final = "/"


class SlackChannel:
    """A message's id is `<channel>/<ts>`: a message is changed where it is, and that is not the id of the user it was sent to."""

    has_threads: Final = True

    def __init__(self, web: SlackWeb, channel: str, name: str = "", *, decides: bool = False) -> None:
        """`name` "": its address. `decides`: whether somebody takes what people press here; else they are shown no buttons."""
        self.address = f"slack:{channel}"
        self.name = name or self.address
        self._web = web
        self._channel = channel
        self._decides = decides

    def send(self, message: Message, thread: str = "", *, aloud: bool = False) -> str:
        """Raises Unavailable where Slack may take it later, Misconfigured where it never will (token, channel, scope)."""
        body = {"channel": self._channel, "unfurl_links": False, "unfurl_media": False, **self._card(message)}
        if not thread:
            return self._post(body)
        try:
            return self._post({**body, "thread_ts": thread.rpartition(_BETWEEN)[2], "reply_broadcast": aloud})
        except Misconfigured:  # somebody has deleted or locked the thread; what is wrong with the channel itself is said once more
            return self._post(body)

    def change(self, message_id: str, message: Message) -> None:
        """Raises as `send`; Misconfigured also where the message is gone."""
        channel, _, ts = message_id.rpartition(_BETWEEN)
        self._web.call("chat.update", {"channel": channel, "ts": ts, **self._card(message)}, f"channel {self._channel}")

    def _post(self, body: dict[str, Any]) -> str:
        answer = self._web.call("chat.postMessage", body, f"channel {self._channel}")
        return f"{answer.get('channel', self._channel)}{_BETWEEN}{answer.get('ts', '')}"

    def _card(self, message: Message) -> dict[str, Any]:
        return render_card(message if self._decides else replace(message, choices=()))
