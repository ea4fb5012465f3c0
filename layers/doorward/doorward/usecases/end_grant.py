"""Somebody ends a grant before its time, or takes back what he asked for.

| looked at, from the top                                          | comes of it                                             |
|------------------------------------------------------------------|---------------------------------------------------------|
| a machine, or somebody who is gone                               | refused                                                 |
| a reason that is none (decisions/actions.py)                     | refused                                                 |
| rosters cannot be looked up, and it hangs on them what follows   | Unavailable                                             |
| there is no such grant, or he has nothing to do with it          | there is none                                           |
| he did not ask for it or say yes to it, may not decide about it, | refused                                                 |
| and revokes none                                                 |                                                         |
| it is over, or is being ended                                    | as it is                                                |
| else                                                             | cancelled or revoked, or ending (grants/lifecycle.py)   |

Who said yes to it may end it whatever groups and rosters he is in by now: his word counts on, or did. From then on nothing is issued for
it. Sessions that are open end by their own policy, at the grant's end.
"""

from typing import Final

from doorward.decisions.actions import why_no_reason
from doorward.errors import Conflict, Unavailable
from doorward.grants.grant import Grant
from doorward.grants.lifecycle import EndAsked, advance
from doorward.people.model import Caller, Refusal
from doorward.usecases.grant_standing import (
    Tools,
    groups_to_answer,
    groups_to_answer_at_most,
    may_see,
    not_known,
    person_calling,
    who_said_yes,
)
from doorward.usecases.move_grant import follow_with_question, move_grant

_TRIES: Final = 5


def end_grant(grant_id: str, caller: Caller, reason: str, tools: Tools) -> Grant | Refusal | None:
    """The table; None: there is none. `reason`: in his words, "" for none. Raises Unavailable."""
    asker = person_calling(caller, tools)
    if isinstance(asker, Refusal):
        return asker
    refusal = why_no_reason(reason)
    if refusal is not None:
        return refusal
    for _ in range(_TRIES):
        grant = tools.grants.grant(grant_id)
        if grant is None or not may_see(asker, grant, tools):
            return None
        groups, revokers = groups_to_answer(asker), tools.entitlements.revokers
        event = EndAsked(caller, groups, revokers, reason.strip(), who_said_yes(grant, tools))
        try:
            found = move_grant(grant, event, tools, f"{asker.person.user_id} {caller.via}")
            if isinstance(found, Grant):
                follow_with_question(found, tools)
            elif isinstance(advance(grant, event._replace(groups=groups_to_answer_at_most(asker, grant))), Grant):
                raise not_known(grant.id)
        except Conflict:
            continue
        return found
    raise Unavailable(f"{grant_id}: too much happens to it at the same time; try again")
