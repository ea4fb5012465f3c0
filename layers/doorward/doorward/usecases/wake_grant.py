"""Something has happened to a grant, or is due: its execution is to look.

| its token      | the grant is | comes of it                                                             |
|----------------|--------------|-------------------------------------------------------------------------|
| is kept        | whatever     | the execution is woken, and the token forgotten                         |
| there is none  | not over     | an execution is started, unless there is one: then it looks by itself   |
| there is none  | over, or none | nothing                                                                |

Whoever wakes it early, twice, or for nothing only makes it look.
"""

from doorward.ports.grants import Executions, Grants, TokenSeals


def wake_grant(grant_id: str, grants: Grants, seals: TokenSeals, executions: Executions) -> None:
    """Raises Unavailable, Misconfigured: whoever calls tries again."""
    token = grants.token(grant_id)
    if token is not None:
        executions.wake(seals.open(token))
        grants.drop_token(token)
        return
    grant = grants.grant(grant_id)
    if grant is not None and not grant.is_over:
        executions.start(grant_id)
