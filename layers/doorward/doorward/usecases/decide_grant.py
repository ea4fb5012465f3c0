"""Somebody says yes or no to a grant.

| looked at, from the top                                              | comes of it                                            |
|----------------------------------------------------------------------|--------------------------------------------------------|
| a machine, or somebody who is gone                                   | refused                                                |
| rosters cannot be looked up, and it hangs on them what follows       | Unavailable                                            |
| there is no such grant, or he has nothing to do with it              | there is none                                          |
| it is not pending                                                    | refused: how it is                                     |
| no, and no reason; or a reason that is none (decisions/actions.py)   | refused                                                |
| what an answer to its question does (decisions/answering.py)         | … refused, or kept, with its audit item                |
| enough said yes                                                      | each of them is looked up anew before that is kept     |

What becomes of the grant is its execution's to do, which is woken by what is announced.
"""

from typing import Final

from doorward.decisions.actions import REASON, why_no_reason
from doorward.decisions.answering import answer, confirmed, what_is_missing
from doorward.decisions.model import Answer, Question, State
from doorward.errors import Conflict, Unavailable
from doorward.grants.grant import Grant
from doorward.grants.grant import State as GrantState
from doorward.grants.model import Asker
from doorward.grants.telling import BY
from doorward.people.model import Caller, Refusal
from doorward.usecases.grant_standing import (
    Tools,
    groups_of_voters,
    groups_to_answer,
    groups_to_answer_at_most,
    may_see,
    not_known,
    person_calling,
)
from doorward.usecases.move_grant import follow_with_question, move_question

_TRIES: Final = 5
"""Of so many people who answer in the same moment, all are counted."""


def decide_grant(grant_id: str, caller: Caller, said: Answer, tools: Tools) -> Grant | Refusal | None:
    """The table; None: there is none. Raises Unavailable."""
    asker = person_calling(caller, tools)
    if isinstance(asker, Refusal):
        return asker
    for _ in range(_TRIES):
        grant = tools.grants.grant(grant_id)
        if grant is None or not may_see(asker, grant, tools):
            return None
        refusal = _not_now(grant, said)
        if refusal is not None:
            return refusal
        try:
            question = follow_with_question(grant, tools)
            found = None if question is None else _answered(question, grant, caller, asker, said, tools)
        except Conflict:
            continue
        return found if isinstance(found, Refusal) else grant
    raise Unavailable(f"{grant_id}: too many people decide about it at the same time; try again")


def _not_now(grant: Grant, said: Answer) -> Refusal | None:
    if grant.state is not GrantState.PENDING:
        return Refusal(f"There is nothing to decide: the grant is {grant.state}.", "Look at it again.")
    if not said.yes and not said.reason.strip():
        return Refusal("A no needs a reason.", "Say why: whoever asked is told.")
    return why_no_reason(said.reason)


def _answered(  # noqa: PLR0917 - who says what, about what, knowing what
    question: Question, grant: Grant, caller: Caller, asker: Asker, said: Answer, tools: Tools
) -> Refusal | None:
    """None: it is counted. Raises Conflict where another answer came first."""
    ways, now = tools.ways(), tools.clock.now()
    found = answer(question, caller, groups_to_answer(asker), said.seen, ways, now, yes=said.yes)
    if isinstance(found, Refusal):
        at_most = groups_to_answer_at_most(asker, grant)
        if isinstance(answer(question, caller, at_most, said.seen, ways, now, yes=said.yes), Question):
            raise not_known(grant.id)
        return found
    if found == question:
        return None
    people = {user_id: tools.voter(user_id) for user_id in found.yes}
    if found.state is State.APPROVED:
        found = confirmed(found, groups_of_voters(found, people).get, ways)._replace(version=found.version)
    names = sorted(each.person.user_name for user_id, each in people.items() if each is not None and user_id in found.yes)
    reason = {REASON: said.reason} if said.reason.strip() else {}
    found = found._replace(detail={**question.detail, **reason, BY: ", ".join(names)})
    did, by = "yes" if said.yes else "no", f"{asker.person.user_id} {caller.via}"
    move_question(found, grant, _because(found, asker, said), tools, did, by)
    return None


def _because(question: Question, asker: Asker, said: Answer) -> str:
    sentence = f"{asker.person.user_name} said {'yes' if said.yes else 'no'}{f': {said.reason}' if said.reason.strip() else '.'}"
    return f"{sentence} It still takes {what_is_missing(question)}." if question.state.is_open else sentence
