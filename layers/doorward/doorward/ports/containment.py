"""What stops an author: a function in the management account, where somebody has opted into it (docs/adr/0079)."""

from typing import Protocol


class Containment(Protocol):
    """Raises Unavailable (try later) and Misconfigured (the management account's stack has no such function)."""

    def contain(self, author: str, *, finding_id: str) -> str | None:
        """`author`: an ARN. None once he is denied everything in his account; else why the function refuses, a sentence."""
