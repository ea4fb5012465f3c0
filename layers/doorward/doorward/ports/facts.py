"""What the sweeps have seen of every account's roles."""

from collections.abc import Iterable, Sequence
from typing import Protocol


class Inventory(Protocol):
    def roles_naming(self, texts: Sequence[str]) -> Iterable[str]:
        """Refs (`account/name`) of the roles whose trust policy has one of these texts in it. Raises Unavailable."""
