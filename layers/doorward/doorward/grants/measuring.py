"""What is counted of grants, and how long people waited, by what is told of them on the bus.

| told                                       | counted                            | and measured, from the asking                         |
|--------------------------------------------|------------------------------------|-------------------------------------------------------|
| GrantApproved, where people agreed         | GrantsApproved                     | SecondsToApproval                                     |
| GrantApproved, where nobody had to         | GrantsApproved                     |                                                       |
| GrantStarted, where no start was asked for | GrantsStarted                      | SecondsToStart                                        |
| GrantStarted, where one was                | GrantsStarted                      |                                                       |
| GrantRefused, GrantExpired, GrantCancelled, | Grants and the last part of the    |                                                       |
| GrantRevoked, GrantEnded, GrantEndFailed   | name: GrantsRefused, …             |                                                       |

What is refused before there is a grant is told to nobody but whoever asks; usecases/request_grant.py counts it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

REFUSED_AT_ONCE: Final = "GrantRequestsRefused"
_COUNTED: Final = frozenset(
    {"GrantApproved", "GrantStarted", "GrantRefused", "GrantExpired", "GrantCancelled", "GrantRevoked", "GrantEnded", "GrantEndFailed"}
)


def measures_of(detail_type: str, detail: Mapping[str, Any], at: datetime) -> Mapping[str, float]:
    """By name; those that begin with Seconds are seconds, the others counts. Empty of everything else that is told."""
    if detail_type not in _COUNTED:
        return {}
    measures: dict[str, float] = {detail_type.replace("Grant", "Grants", 1): 1}
    waited = max(0.0, (at - datetime.fromisoformat(detail["asked_at"])).total_seconds())
    if detail_type == "GrantApproved" and not detail["automatic"]:
        measures["SecondsToApproval"] = waited
    if detail_type == "GrantStarted" and detail["wanted_start"] is None:
        measures["SecondsToStart"] = waited
    return measures
