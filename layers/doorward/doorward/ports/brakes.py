"""What keeps Doorward from writing, and how much it wrote: doorward/guardrails/brakes.py says what follows."""

from collections.abc import Sequence
from typing import Protocol

from doorward.guardrails.brakes import Brakes, Stop


class BrakesStore(Protocol):
    """Every method may raise Unavailable: then nothing is written, and the event comes again."""

    def look(self, role_ref: str, rules: Sequence[str], budget: str) -> Brakes:
        """What is set for the organization, the role's account, any of the rules, and the role; what is spent of the budget this hour.

        As it stands now, never some seconds old.
        """

    def spend(self, budget: str) -> None:
        """One write, in this hour."""

    def hold(self, stop: Stop) -> bool:
        """Set it, over what is set for the same and gives way to it; True, too, where this very one is set. False where something stays.

        Raises Conflict where somebody sets something else in the same moment.
        """

    def stop(self, scope: str) -> Stop | None:
        """What a person has set for exactly this."""
