"""Something has happened to a grant, or is due: its execution is to look.

| its token      | the grant is | comes of it                                                                                   |
|----------------|--------------|-----------------------------------------------------------------------------------------------|
| is kept        | whatever     | the execution is woken, and the token forgotten                                               |
| there is none  | there        | an execution is started, unless there was one: it looks, also at one that is over already     |
| there is none  | none         | nothing                                                                                       |

Whoever wakes it early, twice, or for nothing only makes it look. It is called for what WOKEN_BY has, as it comes off the bus: for what its
execution does itself, too, so that no token of a wait that timed out is left behind.
"""

from collections.abc import Mapping
from typing import Final

from doorward.ports.grants import Executions, Grants, TokenSeals

WOKEN_BY: Final[Mapping[str, frozenset[str]]] = {
    "doorward.grants": frozenset({"GrantRequested", "GrantCancelled", "GrantRevoked", "GrantEnding", "GrantRefused", "GrantExpired"}),
    "doorward.decisions": frozenset({"DecisionMade", "DecisionExpired"}),
}
"""Types of events, by source; of decisions those about grants (template.yaml, GrantRule)."""


def wake_grant(grant_id: str, grants: Grants, seals: TokenSeals, executions: Executions) -> None:
    """Raises Unavailable, Misconfigured: whoever calls tries again."""
    token = grants.token(grant_id)
    if token is not None:
        executions.wake(seals.open(token))
        grants.drop_token(token)
        return
    if grants.grant(grant_id) is not None:
        executions.start(grant_id)
