"""How often somebody calls the API."""

from typing import Protocol


class Rates(Protocol):
    def count(self, who: str) -> int:
        """One call more; how many that makes in this minute of the clock. Raises Unavailable."""
