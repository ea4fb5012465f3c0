"""Hints of our own, on their way to react_to_change."""

from collections.abc import Sequence
from typing import Final, Protocol

from doorward.events.hints import Hint

READS_PER_SECOND: Final = 1
"""Of an account's IAM, beside a sweep's two pages: a fifth of the 15 reads a second that it is taken to allow."""
LONGEST_SECONDS: Final = 900
"""As far as SQS puts a message off."""


class Hints(Protocol):
    def send(self, hints: Sequence[Hint], *, after_seconds: int = 0) -> None:
        """They arrive in the order given, as fast as their reads may be, the first after so many seconds, none later than LONGEST_SECONDS.

        Raises Unavailable, Misconfigured.
        """
