"""Questions that people decide, kept: doorward/decisions says what becomes of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from doorward.decisions.answering import next_turn
from doorward.decisions.model import GRANT, Question, State
from doorward.ports.ledger import Announcement

FOLLOWS_QUESTION: Final = "QUESTION:"
"""How what a hint follows begins that is about a question of the role; its id follows. So it stands on the agenda, too."""
CARRIED_OUT_WITHIN: Final = timedelta(seconds=60)
"""What people said yes to, and nobody has carried out by then, is taken up again."""


class Questions(Protocol):
    """Every method may raise Unavailable. Each write has its audit item and what is announced in the same transaction."""

    def question(self, role_ref: str, question_id: str) -> Question | None: ...

    def of_role(self, role_ref: str) -> Sequence[Question]:
        """All that were ever asked about it and are kept, in no order."""

    def ask(self, question: Question, by: str, announcement: Announcement | None = None) -> bool:
        """Keep a new one. False where it was asked before: it is then as it stands."""

    def move(self, question: Question, did: str, by: str, now: datetime, announcement: Announcement | None = None) -> None:
        """The next version of it; `did`: a word for the audit, `by` who did it. Raises Conflict where another transition came first."""


def due_at(question: Question, now: datetime) -> datetime | None:
    """When it is to be looked at again, by itself: to be carried out, to remind people, to end. None: never.

    What is asked about a grant, the grant's own state machine looks at.
    """
    if question.what == GRANT:
        return None
    if question.state is State.APPROVED:
        return now + CARRIED_OUT_WITHIN
    return next_turn(question) if question.state is State.OPEN else None
