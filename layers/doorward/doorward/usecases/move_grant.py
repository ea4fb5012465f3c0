"""A grant's next version, kept with its audit item and what is told of it; and the question about it, which follows.

| the grant is              | its question    | comes of it                                                           |
|---------------------------|-----------------|-----------------------------------------------------------------------|
| pending                   | was not asked   | it is asked: whoever made it pending died before                      |
| requested, or automatic   | there is none   | nothing                                                               |
| anything else             | is open         | it is withdrawn: nobody is to decide about what is decided otherwise  |
"""

from datetime import datetime

from doorward.decisions.answering import what_is_missing
from doorward.decisions.model import Question
from doorward.decisions.model import State as Decision
from doorward.decisions.telling import DETAIL_TYPES as OF_QUESTIONS
from doorward.grants.grant import Grant, State, question_of
from doorward.grants.lifecycle import DOORWARD, Event, advance
from doorward.grants.telling import DETAIL_TYPES, question_about_as_json
from doorward.people.model import Refusal
from doorward.ports.ledger import Announcement
from doorward.usecases.grant_standing import Tools, as_json, question_about


def move_grant(grant: Grant, event: Event, tools: Tools, by: str = DOORWARD) -> Grant | Refusal:
    """As grants/lifecycle.py says; the same grant where nothing comes of it. `by`: a person's id and a way, or `doorward`.

    Raises Conflict where another transition came first, Unavailable.
    """
    found = advance(grant, event)
    if isinstance(found, Refusal) or found == grant:
        return found
    now = tools.clock.now()
    found = _dated(found, now)
    tools.grants.move(found, str(found.state), by, now, announced(found, tools))
    return found


def _dated(grant: Grant, now: datetime) -> Grant:
    """With when it became what it is. One that is ended late was had no longer: from its planned end on nothing could be done by it."""
    if grant.state is State.ACTIVE:
        return grant._replace(moved_at=now, opened_at=now)
    if grant.ended_at is None and (grant.is_over or grant.state is State.ENDING):
        return grant._replace(moved_at=now, ended_at=min(now, grant.ends_at or now))
    return grant._replace(moved_at=now)


def announced(grant: Grant, tools: Tools) -> Announcement | None:
    """None of one that is pending: its question is told."""
    detail_type = DETAIL_TYPES.get(grant.state)
    if detail_type is None:
        return None
    return Announcement(f"{grant.id}-{grant.version}", detail_type, as_json(grant, tools), tools.clock.now())


def follow_with_question(grant: Grant, tools: Tools) -> Question | None:
    """The table; the question as it is then. Raises Conflict where somebody answers just now, Unavailable."""
    question = question_about(grant, tools)
    if grant.state is State.PENDING and question is None:
        return _asked(grant, tools)
    if question is not None and question.state.is_open and grant.state is not State.PENDING:
        withdrawn = question._replace(state=Decision.WITHDRAWN, version=question.version + 1)
        return move_question(withdrawn, grant, f"The grant is {grant.state}.", tools)
    return question


def move_question(question: Question, grant: Grant, because: str, tools: Tools, did: str = "", by: str = DOORWARD) -> Question:  # noqa: PLR0917 - a transition, and what is told of it
    """`did`: a word for the audit, where the state is none. Raises Conflict, Unavailable."""
    tools.questions.move(question, did or str(question.state), by, tools.clock.now(), _told(question, grant, because, tools))
    return question


def _asked(grant: Grant, tools: Tools) -> Question:
    question = question_of(grant, tools.clock.now())
    because = f"{grant.person.user_name} asks for it; it takes {what_is_missing(question)}."
    if not tools.questions.ask(question, DOORWARD, _told(question, grant, because, tools)):
        question = question_about(grant, tools) or question
    # Whoever took it back meanwhile met no question that he could withdraw.
    now = tools.grants.grant(grant.id)
    return question if now is None or now.version == grant.version else follow_with_question(now, tools) or question


def _told(question: Question, grant: Grant, because: str, tools: Tools) -> Announcement:
    name = tools.account_name(grant.request.role_ref.partition("/")[0])
    detail = question_about_as_json(question, grant, name, because)
    return Announcement(f"{question.id}-{question.version}", OF_QUESTIONS[question.state], detail, tools.clock.now())
