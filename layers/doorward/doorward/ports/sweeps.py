"""Sweeps of accounts."""

from collections.abc import Sequence
from typing import Protocol


class Sweeps(Protocol):
    def start(self, account_ids: Sequence[str], because: str, *, once: str | None = None) -> None:
        """`once`: what it is for; whoever asks for the same again, within ninety days, has had it.

        Raises Unavailable, Misconfigured.
        """
