"""Ways out: the bus, channels to people, and the place for what could not be handled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from doorward.ports.ledger import Announcement
from doorward.values import NamedTuple


class Choice(NamedTuple):
    """What people can decide about what they are told of. `about`: the id of the finding; `shown` stands for all that they are shown."""

    what: str
    about: str
    shown: str


@dataclass(frozen=True, slots=True)
class Message:
    """What people read. All but `text` is raw: a channel escapes it, and cuts it as it must. `detail` is the event that it tells of.

    `letter`: paragraphs of lines, where it is written to one person in place of what `detail` says to everybody. `notes`: who else was
    told, and who could not be. `runbook`: the page that says what to do. `choices`: what people can decide, where a channel has buttons;
    `outcomes`: what came of them, by what was to be decided, in their place.
    """

    announcement_id: str
    detail_type: str
    detail: Mapping[str, Any]
    headline: str
    subject: str
    text: str
    runbook: str = ""
    letter: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    outcomes: Mapping[str, str] = field(default_factory=dict)


class Bus(Protocol):
    def publish(self, announcement: Announcement) -> None:
        """Raises Unavailable, Misconfigured."""


class Channel(Protocol):
    @property
    def name(self) -> str:
        """Under which it is remembered what was sent."""

    @property
    def address(self) -> str:
        """Two channels of one address are one place."""

    @property
    def has_threads(self) -> bool: ...

    def send(self, message: Message, thread: str = "", *, aloud: bool = False) -> str:
        """The id of the message, "" where there are no threads. Raises Unavailable, Misconfigured.

        `thread`: the id of the message that it goes beneath; where that is gone, it is a message by itself. `aloud`: into the channel too.
        """

    def change(self, message_id: str, message: Message) -> None:
        """Show this in the place of what was sent; only where there are threads. Raises Unavailable, Misconfigured."""


class DeadLetters(Protocol):
    def put_aside(self, body: str, reason: str) -> None:
        """`reason` is one sentence; it travels as a message attribute. Raises Unavailable, Misconfigured."""
