"""Messages to a Slack channel, or a person, by `chat.postMessage`; the id of a user is a channel too: the app's own conversation with him.

https://docs.slack.dev/reference/methods/chat.postMessage
"""

from doorward.ports.announcing import Message
from doorward.slack.cards import render_card
from doorward.slack.web import SlackWeb


class SlackChannel:
    def __init__(self, web: SlackWeb, channel: str, name: str = "") -> None:
        """`name` "": its address."""
        self.address = f"slack:{channel}"
        self.name = name or self.address
        self._web = web
        self._channel = channel

    def send(self, message: Message) -> None:
        """Raises Unavailable where Slack may take it later, Misconfigured where it never will (token, channel, scope)."""
        body = {"channel": self._channel, "unfurl_links": False, "unfurl_media": False, **render_card(message)}
        self._web.call("chat.postMessage", body, f"channel {self._channel}")
