"""Where the evidence of incidents is kept: written, and never read again by Doorward."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from doorward.values import NamedTuple


class Told(NamedTuple):
    """One announcement about an incident: `what` is its detail-type, `because` its sentence for people."""

    announcement_id: str
    what: str
    at: datetime
    because: str


class Evidence(Protocol):
    def keep(self, incident_id: str, key: str, told: Told, make: Callable[[Sequence[Told]], str]) -> bool:
        """Put what `make` makes under `key`. False where that is what was put last: no second version of the same.

        `make` is given every announcement of the incident that was ever given here, the oldest first. It is called while nobody else
        writes about this incident, so that what is put last was made last. Raises Conflict, Unavailable, Misconfigured.
        """
