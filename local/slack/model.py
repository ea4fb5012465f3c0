"""What stands in the workspace: messages, open modals, and the addresses that an app may answer to for a while."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

type Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """One message, as it was posted: `text` and the texts in `blocks` are still escaped for Slack.

    `channel` is the address that the app gave; the id of a user stands for the app's conversation with him. `only_for`: an ephemeral
    message, which this user alone sees. `author` None: the app. `blocks` have the ids that Slack gives where the app gave none.
    `is_broadcast`: of a thread, and shown in the channel too.
    """

    at: datetime
    channel: str
    ts: str
    text: str
    blocks: tuple[Json, ...]
    thread_ts: str | None = None
    only_for: str | None = None
    author: str | None = None
    edited_ts: str | None = None
    is_broadcast: bool = False

    @property
    def conversation(self) -> str:
        return conversation(self.channel)

    def is_seen_by(self, user_id: str) -> bool:
        """All of the workspace are in all channels; a conversation with the app is one user's."""
        is_his = not self.conversation.startswith("D") or self.conversation == conversation(user_id)
        return is_his and self.only_for in {None, user_id}


def conversation(channel: str) -> str:
    """Slack's id of where it stands: a user's conversation with the app has one of its own."""
    return f"D{channel[1:]}" if channel.startswith(("U", "W")) else channel


@dataclass(frozen=True, slots=True)
class Modal:
    """A view that is open before somebody. `errors`: what the app said of an input, by block id, when it was last submitted."""

    id: str
    user_id: str
    view: Json
    hash: str
    errors: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)
    """What the user last submitted, by block id."""


@dataclass(slots=True)
class Hook:
    """What a response_url leads to. `message_ts`: the message that was clicked; None: a command was typed."""

    user_id: str
    channel: str
    until: float
    left: int
    message_ts: str | None = None
    thread_ts: str | None = None
