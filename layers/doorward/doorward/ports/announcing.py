"""Ways out: the bus, channels to people, and the place for what could not be handled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from doorward.ports.ledger import Announcement


@dataclass(frozen=True, slots=True)
class Message:
    """What people read. All but `text` is raw: a channel escapes it, and cuts it as it must. `detail` is the event that it tells of.

    `letter`: paragraphs of lines, where it is written to one person in place of what `detail` says to everybody. `notes`: who else was
    told, and who could not be. `runbook`: the page that says what to do.
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

    def send(self, message: Message) -> None:
        """Raises Unavailable, Misconfigured."""


class DeadLetters(Protocol):
    def put_aside(self, body: str, reason: str) -> None:
        """`reason` is one sentence; it travels as a message attribute. Raises Unavailable, Misconfigured."""
