"""A grant's execution waits: its task token is kept, sealed, until there is something to wake it for.

| it waits for | while the grant is | and                     |
|--------------|--------------------|-------------------------|
| approve      | pending            | its question is open    |
| start        | approved           |                         |
| end          | active             |                         |

Otherwise there is nothing to wait for. The token is kept on the condition that neither grant nor question has moved since they were read:
whoever moves them afterwards finds the token, and whoever moved them before makes this fail. So nobody waits for what has happened.
"""

from collections.abc import Mapping
from typing import Final

from doorward.decisions.model import Question
from doorward.errors import Conflict, MalformedInput
from doorward.grants.grant import Grant, State, question_id_of
from doorward.ports.grants import Grants, Step, Token, TokenSeals
from doorward.ports.questions import Questions

WAITS_WHILE: Final[Mapping[Step, State]] = {Step.APPROVE: State.PENDING, Step.START: State.APPROVED, Step.END: State.ACTIVE}


class NothingToWaitFor(Exception):  # noqa: N818 - the state machine goes by this name
    """It has happened, or happens just now: look."""


def keep_token(  # noqa: PLR0917 - whose token, and what keeps it
    grant_id: str, step: str, token: str, grants: Grants, questions: Questions, seals: TokenSeals
) -> None:
    """The table. Raises NothingToWaitFor, MalformedInput, Unavailable. The token is in no error."""
    if step not in set(Step):
        raise MalformedInput(f"{step}: nothing that is waited for; known are {', '.join(Step)}")
    waits_for, grant = Step(step), grants.grant(grant_id)
    if grant is None:
        raise MalformedInput(f"{grant_id}: there is no such grant")
    if grant.state is not WAITS_WHILE[waits_for]:
        raise NothingToWaitFor
    question = _open_question(grant, questions) if waits_for is Step.APPROVE else None
    sealed = Token(grant_id, waits_for, seals.seal(grant_id, token), grant.version)
    try:
        grants.keep_token(sealed, question)
    except Conflict:
        raise NothingToWaitFor from None


def _open_question(grant: Grant, questions: Questions) -> Question:
    question = questions.question(grant.request.role_ref, question_id_of(grant))
    if question is None or not question.state.is_open:
        raise NothingToWaitFor
    return question
