"""How often somebody does something."""

from enum import StrEnum
from typing import Protocol


class Span(StrEnum):
    """Of the clock, UTC: from one full minute, or hour, to the next."""

    MINUTE = "minute"
    HOUR = "hour"


class Rates(Protocol):
    def count(self, who: str, span: Span = Span.MINUTE) -> int:
        """Once more; how many times that makes in this span, of all that come at once another for each. Raises Unavailable."""
