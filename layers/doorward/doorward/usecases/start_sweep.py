"""A sweep that is asked for on the way to something else: that there will be none is no reason to leave that undone."""

from collections.abc import Callable, Sequence

from doorward.errors import DoorwardError
from doorward.ports.sweeps import Sweeps


def start_sweep(sweeps: Callable[[], Sweeps], account_ids: Sequence[str], because: str, *, once: str | None = None) -> DoorwardError | None:
    """Why there will be none, to be raised by the caller at its end; None where it was started."""
    try:
        sweeps().start(account_ids, because, once=once)
    except DoorwardError as error:
        return error
    return None
