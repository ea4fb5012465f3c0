"""Which trust policy of a role is the accepted one: what a compliant version becomes.

| accepted is | the version                 | written by                | stood undisturbed | becomes             |
|-------------|-----------------------------|---------------------------|-------------------|---------------------|
| this one    |                             |                           |                   | kept as it is       |
| any, none   | carried by this very event  | a pipeline for this role  |                   | accepted            |
| none        |                             | anybody else              |                   | observed            |
| another     | allows more, or who knows   | anybody else              |                   | observed            |
| another     | a violation replaced it     | anybody else              |                   | observed            |
| another     | allows nothing more         | anybody else              | too short         | observed            |
| another     | allows nothing more         | anybody else              | long enough       | accepted            |

What is only observed is never put back: the first policy that Doorward saw may be an attacker's. What allows more than the accepted one
needs a person, or a pipeline. And what a violation replaced could be the first step of two.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum

from doorward.values import NamedTuple


class Becomes(StrEnum):
    KEPT = "kept"
    OBSERVED = "observed"
    ACCEPTED_OF_PIPELINE = "accepted-of-pipeline"
    ACCEPTED_OF_QUIET = "accepted-of-quiet"


class Version(NamedTuple):
    """A compliant trust policy, which stands, undisturbed since `stands_since`.

    `by_pipeline`: it is what this very event's own request carried, and a pipeline that is named for this role made it.

    `widens` and `was_replaced` are asked only where they decide: whether it allows what the accepted one does not, None where that cannot
    be said; whether a violation replaced it before.
    """

    is_accepted: bool
    has_accepted: bool
    by_pipeline: bool
    stands_since: datetime
    widens: Callable[[], bool | None]
    was_replaced: Callable[[], bool]


def becomes(version: Version, *, quiet: timedelta, now: datetime) -> Becomes:
    """The table above, read from the top."""
    if version.is_accepted:
        return Becomes.KEPT
    if version.by_pipeline:
        return Becomes.ACCEPTED_OF_PIPELINE
    if not version.has_accepted or now - version.stands_since < quiet:
        return Becomes.OBSERVED
    if version.was_replaced() or version.widens() is not False:
        return Becomes.OBSERVED
    return Becomes.ACCEPTED_OF_QUIET
