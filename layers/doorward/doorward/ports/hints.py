"""Hints of our own, on their way to react_to_change."""

from collections.abc import Sequence
from typing import Protocol

from doorward.events.hints import Hint


class Hints(Protocol):
    def send(self, hints: Sequence[Hint], *, after_seconds: int = 0) -> None:
        """They arrive one a second, the first of them after so many seconds, and none later than a quarter of an hour from now.

        Raises Unavailable, Misconfigured.
        """
