"""A small part of what `make bench ROWS=loading` does a million times: nothing is lost, nothing is kept."""

import gc
import tracemalloc

import pytest

from tests.loaded_world import REAL, LoadedWorld, real_records, sample_events

_TURNS = 12
_KEPT_BYTES = 100_000
"""What caches of the engine and the fakes take, however long it goes on. An outcome kept for each event would be more."""


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.skipif(not REAL.is_dir(), reason="no ../shared/cloudtrail"))])
def test_a_flood_of_events_ends_in_an_outcome_each_and_nothing_is_kept(*, real: bool) -> None:
    kinds = real_records() if real else sample_events()
    world = LoadedWorld(kinds)
    world.flood(len(kinds))
    once = world.outcomes.copy()
    assert once.total() >= len(kinds)
    assert once["reverted"] >= 3, once
    world.flood(2 * len(kinds))
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        world.flood(_TURNS * len(kinds))
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < _KEPT_BYTES
    assert world.outcomes.total() == (_TURNS + 3) * once.total(), "one for each, however often"
    assert world.outcomes["reverted"] >= once["reverted"] + _TURNS, "the breaker keeps nothing critical from being closed"
