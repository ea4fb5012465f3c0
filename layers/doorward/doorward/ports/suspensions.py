"""From which accounts nobody is recognized for now: doorward/people/model.py, Suspension."""

from typing import Protocol

from doorward.people.model import Suspension


class Suspensions(Protocol):
    """Every method may raise Unavailable."""

    def suspend(self, suspension: Suspension) -> bool:
        """False where this change, or a later one of the account, suspended it before, whether that has been ended or not."""

    def of(self, account_id: str) -> Suspension | None:
        """As it stands now; None where there is none, or a person has ended it."""
