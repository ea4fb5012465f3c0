"""What AWS Organizations says, and where it is kept for every function."""

from datetime import datetime
from typing import Final, NamedTuple, Protocol

from doorward.organization.facts import OrganizationFacts

REFRESH: Final = "doorward.refresh/1"
"""The format of a message of our own that calls for a read: `{"format": …, "because": "…"}`."""


class Directory(Protocol):
    def read(self) -> OrganizationFacts:
        """The whole organization as it stands. Raises Unavailable where a part could not be read, Misconfigured where nothing can be."""


class Kept(NamedTuple):
    """`version` counts what was stored, from 1."""

    facts: OrganizationFacts
    version: int


class OrganizationStore(Protocol):
    """Every method may raise Unavailable."""

    def load(self) -> Kept | None:
        """None where nothing was stored yet."""

    def save(self, facts: OrganizationFacts, *, over: int) -> None:
        """Store what was read after version `over` (0: the first) had been loaded.

        Raises Conflict where another version was stored meanwhile, so that an older read never overwrites a newer one.
        """

    def take_turn(self, now: datetime) -> float:
        """0: nobody has begun to read within the last minute, so the caller does, now. Else in how many seconds the next may."""

    def is_called(self, now: datetime) -> bool:
        """Whether a read that will begin later than `now` has been called for already."""

    def called(self, at: datetime) -> None:
        """A read at `at` has been called for."""


class Refreshes(Protocol):
    def call(self, because: str, *, in_seconds: float = 0) -> None:
        """Have the organization read again, by its own function. Raises Unavailable, Misconfigured."""
