"""Who is on call, from wherever that is kept."""

from datetime import datetime
from typing import Protocol

from doorward.people.model import Person


class OnCall(Protocol):
    def rosters(self, person: Person, at: datetime) -> frozenset[str]:
        """Names of the rosters by which he is on call at that time. Raises Unavailable."""
