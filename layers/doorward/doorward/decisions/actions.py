"""What people can do about what they are told of, where a channel has buttons: one row a button.

Which are offered, a message's choices say.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from doorward.values import NamedTuple

REASON: Final = "reason"
HOUR: Final = "hour"
DAY: Final = "day"
"""Until when, as ISO 8601: a full hour, or the beginning of a day, by UTC. Moments that two people can both name."""


class Action(NamedTuple):
    """`what` is decided, and what is said to it. `asks`: what has to be filled in first, in this order; empty: one click says it."""

    what: str
    yes: bool = True
    asks: tuple[str, ...] = ()


ACTIONS: Final[Mapping[str, Action]] = {
    "apply": Action("apply"),
    "refuse": Action("apply", yes=False, asks=(REASON,)),
    "waive": Action("waive", asks=(DAY, REASON)),
    "dismiss": Action("dismiss", asks=(REASON,)),
    "undo": Action("undo", asks=(REASON,)),
    "hold": Action("hold", asks=(HOUR, REASON)),
    "approve": Action("grant"),
    "refuse-grant": Action("grant", yes=False, asks=(REASON,)),
    "revoke": Action("revoke", asks=(REASON,)),
}
LONGEST_REASON: Final = 1000
"""Characters."""
MOST_HOURS: Final = 4
"""For which a role is held."""


def actions_about(what: str) -> Iterable[str]:
    """Names of what can be done where this is to be decided."""
    return (name for name, action in ACTIONS.items() if action.what == what)
