"""From where nobody is recognized for now, or which way does not count: doorward/people/model.py, Suspension."""

from typing import Protocol

from doorward.people.model import Suspension


class Suspensions(Protocol):
    """Every method may raise Unavailable."""

    def suspend(self, suspension: Suspension) -> bool:
        """False where this very change, or one of a later second, suspended it before, whether that has been ended or not."""

    def last(self, scope: str) -> Suspension | None:
        """Whether it stands or a person has ended it; None where there is none."""

    def of(self, scope: str) -> Suspension | None:
        """The last one, if it stands."""
