"""Whatever fails, and whenever: every open door is closed, or somebody is asked; nothing else is touched, lost or stuck.

SCHEDULES in the environment says how many days are lived through: `make converge` has ten thousand.
"""

import os
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.converging import run_schedule

SCHEDULES = int(os.environ.get("SCHEDULES", "200"))


@settings(max_examples=SCHEDULES, derandomize=SCHEDULES <= 200, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**48))
def test_any_order_loss_and_failure_ends_with_what_is_right(seed: int) -> None:
    run_schedule(Random(seed)).check()  # noqa: S311 - no secret
