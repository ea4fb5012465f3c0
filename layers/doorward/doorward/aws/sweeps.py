"""Sweeps by hints: each account is looked at as a whole by react_to_change, until a state machine does it piece by piece."""

from collections.abc import Sequence
from hashlib import sha256

from doorward.events.hints import Hint
from doorward.events.model import Cause
from doorward.ports.clock import Clock
from doorward.ports.hints import Hints


class HintedSweeps:
    """The Sweeps port."""

    def __init__(self, hints: Hints, clock: Clock) -> None:
        self._hints = hints
        self._clock = clock

    def start(self, account_ids: Sequence[str], because: str) -> None:
        now = self._clock.now()
        self._hints.send(
            [
                Hint(each, Cause.FIRST_SEEN, because, f"sweep-{sha256(f'{each}/{now.isoformat()}'.encode()).hexdigest()[:20]}", now)
                for each in account_ids
            ]
        )
