"""How long does a sweep of a thousand accounts with a thousand roles each take? The real state machine and use cases, in simulated time."""

import time
from typing import Final

from bench.runner import Extent, Row, say
from tests.swept_world import SweptWorld

_ROLES: Final = 1000
_PAGES: Final = (100, 10)
"""How many roles IAM is taken to give at once: by default a hundred, and it may give fewer."""
_HOUR_MINUTES: Final = 60


def measure(extent: Extent) -> list[Row]:
    rows = []
    for page_size in _PAGES:
        world = SweptWorld(extent.swept, _ROLES, page_size=page_size)
        say(f"{extent.swept} accounts, pages of {page_size}")
        began = time.process_time()
        machine, hints = world.sweep()
        spent = time.process_time() - began
        seen = sum(len(swept.roles) for each in world.account_ids if (swept := world.inventory.load(each)) is not None)
        rows += [
            Row(
                f"{extent.swept:,} accounts, {seen:,} roles, pages of {page_size}, simulated",
                machine.seconds / 60,
                "min",
                _HOUR_MINUTES if seen == extent.swept * _ROLES else 0,
                is_floor=False,
                note=f"{sum(map(len, world.iam.called.values())):,} calls, {machine.transitions:,} transitions, {len(hints):,} looks",
            ),
            Row("  CPU of it, for each account", 1000 * spent / extent.swept, "ms"),
        ]
    say("")
    return rows
