"""Hints of our own, on their way to react_to_change."""

from collections.abc import Sequence
from typing import Protocol

from doorward.events.hints import Hint


class Hints(Protocol):
    def send(self, hints: Sequence[Hint]) -> None:
        """Raises Unavailable, Misconfigured."""
