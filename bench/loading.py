"""How many events a second one core parses and reacts to, and whether a million of them take more memory than ten thousand."""

import resource
import sys
import time
from typing import Final

from bench.runner import Extent, Row, say
from tests.loaded_world import REAL, LoadedWorld, envelopes

_FIRST: Final = 10_000
"""After so many, whatever is kept for good has been made."""
_MOST_GROWTH_MB: Final = 32
"""A function has 512 MB, and keeps its process for hours."""


def measure(extent: Extent) -> list[Row]:
    kinds = list(envelopes())
    world = LoadedWorld(kinds)
    world.flood(min(_FIRST, extent.loaded))
    before = _peak_mb()
    began, left = time.process_time(), extent.loaded
    while left > 0:
        say(f"{extent.loaded - left:,} of {extent.loaded:,} events")
        world.flood(min(_FIRST, left))
        left -= _FIRST
    spent = time.process_time() - began
    say("")
    came_to = ", ".join(f"{number:,} {outcome}" for outcome, number in world.outcomes.most_common())
    what = "real records" if REAL.is_dir() else "samples"
    return [
        Row(f"{extent.loaded:,} events of {len(kinds)} {what}: parsed, judged, dealt with", extent.loaded / spent, "1/s", note=came_to),
        Row("  memory that they take beyond the first ten thousand", _peak_mb() - before, "MB", _MOST_GROWTH_MB, is_floor=False),
        Row("  peak memory of the process", _peak_mb(), "MB"),
    ]


def _peak_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1_000_000
