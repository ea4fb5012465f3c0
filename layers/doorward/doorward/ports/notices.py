"""What is remembered of what each channel was told, so that what belongs together stands together. `channel` is its name."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from doorward.notices.gathered import Kept, Why
from doorward.notices.telling import Group, Place
from doorward.values import NamedTuple


class Card(NamedTuple):
    """One of the choices of a message that asked people to decide about an object.

    `what` is decided; `outcome`: what came of it, "" while nothing has; `at`: since when.
    """

    announcement_id: str
    message_id: str
    what: str
    at: datetime
    outcome: str = ""


class Notices(Protocol):
    """Every method may raise Unavailable."""

    def place(self, channel: str, object_id: str) -> Place | None: ...

    def keep_place(self, channel: str, object_id: str, place: Place) -> None:
        """The first counts."""

    def join(self, channel: str, key: str, object_id: str, announcement_id: str, now: datetime, window: timedelta) -> Group:  # noqa: PLR0917
        """Count an object into the group of this key, once; a new group, which the announcement opens, where none is or its window ended.

        Of all who join at once one opens it. Who has not after half a minute is dead, and whoever joins then opens it in his place.
        """

    def opened(self, channel: str, key: str, announcement_id: str, thread: str, severity: int) -> None:
        """The message that opens it was sent. Nothing where another opens it by now."""

    def raised(self, channel: str, key: str, size: int, severity: int) -> None:
        """It was told aloud."""

    def released(self, channel: str, key: str, announcement_id: str) -> None:
        """It is not opened: the message was held back. Whoever comes next may."""

    def spend(self, channel: str, now: datetime) -> int:
        """One message more in this minute: how many that makes."""

    def gather(self, why: Why, kept: Kept) -> None:
        """To be told together. The same announcement is kept once."""

    def gathered(self, why: Why) -> Sequence[Kept]:
        """Of every channel."""

    def forget(self, why: Why, kept: Sequence[Kept]) -> None: ...

    def keep_card(self, channel: str, object_id: str, card: Card) -> None:
        """As it was sent. Nothing where it is there already."""

    def cards(self, channel: str, object_id: str) -> Sequence[Card]: ...

    def settle(self, channel: str, object_id: str, card: Card) -> Card:
        """Keep what came of it, unless what is kept is as new or newer. What is kept then."""
