"""Sweeps of accounts."""

from collections.abc import Sequence
from typing import Protocol


class Sweeps(Protocol):
    def start(self, account_ids: Sequence[str], because: str) -> None:
        """Raises Unavailable, Misconfigured."""
