"""From where nobody is recognized for now, or which way does not count: doorward/people/model.py, Suspension."""

from typing import Protocol

from doorward.people.model import Suspension


class Suspensions(Protocol):
    """Every method may raise Unavailable."""

    def suspend(self, suspension: Suspension) -> bool:
        """False where this very change, or one of a later second, suspended it before, whether that has been ended or not."""

    def of(self, scope: str) -> Suspension | None:
        """As it stands now; None where there is none, or a person has ended it."""
