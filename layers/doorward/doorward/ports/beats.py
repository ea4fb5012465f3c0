"""Heartbeats: sent into every account and region, and seen coming back as events."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from doorward.errors import DoorwardError

if TYPE_CHECKING:  # whoever only sees beats need not load what they mean
    from doorward.guard.heartbeats import Pulse, Silence, Spot


class Beats(Protocol):
    """What is remembered of heartbeats. Every method may raise Unavailable."""

    def seen(self, account_id: str, region: str, nonce: str, at: datetime) -> None:
        """A heartbeat came back. Harmless for one that was never sent, however often it comes, and however late."""

    def pulses(self, spots: "Sequence[Spot]") -> "Mapping[Spot, Pulse]":
        """What is known of each; nothing for one that was never beaten."""

    def came_back(self, nonces: "Mapping[Spot, Sequence[str]]") -> "Mapping[Spot, frozenset[str]]":
        """Which of these were seen, each in its own account and region."""

    def keep(self, pulses: "Mapping[Spot, Pulse]") -> None: ...

    def silences(self, account_ids: Sequence[str]) -> "Mapping[str, tuple[Silence, ...]]":
        """Those of each account that have not ended."""

    def keep_silences(self, silences: "Mapping[str, tuple[Silence, ...]]") -> None:
        """In place of those that were kept of these accounts."""

    def regions(self, account_ids: Sequence[str]) -> Mapping[str, tuple[datetime, tuple[str, ...]]]:
        """By account, when its enabled regions were read last, and which they were; nothing where they never were."""

    def keep_regions(self, account_id: str, regions: Sequence[str], at: datetime) -> None: ...


class Canaries(Protocol):
    """The canary roles of the accounts."""

    def beat(self, nonces: "Mapping[Spot, str]") -> "Mapping[Spot, DoorwardError]":
        """Send each one; those that could not be sent, with why: Misconfigured (mend it) or Unavailable (try later)."""

    def enabled_regions(self, account_id: str) -> tuple[str, ...]:
        """Sorted. Raises Unavailable, Misconfigured."""
