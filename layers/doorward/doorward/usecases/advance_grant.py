"""What a grant's state machine asks for: look at the grant, do what is due, say how it is and how long there is nothing to do.

| step   | the grant is      | comes of it                                                                                          |
|--------|-------------------|------------------------------------------------------------------------------------------------------|
| check  | requested         | what the rules say of it: refused, pending, or approved                                              |
| decide | pending, asked    | its question ends or people are reminded, where that is due; what was decided is done, if it stands  |
| begin  | approved          | active, once its start has come, and if it stands                                                    |
| end    | active, ending    | ending, once its end has come; closed, or revoked where it was early                                 |
| page   | to be over by now | people are told, once, that it could not be ended                                                    |
| any    | anything else     | nothing: how it is, is said                                                                          |

Where it would be refused for good, and something could not be looked up that it hangs on, the step fails, and is tried again until its
time is over: a directory or a pager that is out for a moment costs nobody what others said yes to. One that was not even checked by then
has expired.

After each of them the question follows the grant (move_grant.py); one that is over is settled then. Whoever calls twice, late, or for
nothing, changes nothing: what is done goes by what is kept, and is kept on the condition that it still stands.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from math import ceil
from types import MappingProxyType
from typing import Final

from doorward.decisions.answering import ended, next_turn, reminded, what_is_missing
from doorward.decisions.model import Question
from doorward.decisions.model import State as Decision
from doorward.errors import Conflict, MalformedInput, Misconfigured, Unavailable
from doorward.grants.agreement import Agreement
from doorward.grants.entitled import NOT_KNOWN
from doorward.grants.grant import Grant, State
from doorward.grants.lifecycle import Begun, Checked, Decided, Ended, TimePassed, is_too_late
from doorward.grants.telling import END_FAILED
from doorward.people.model import Refusal
from doorward.ports.ledger import Announcement
from doorward.usecases.grant_standing import Tools, agreement_now, as_json, certain, judged_for_certain, question_about
from doorward.usecases.move_grant import follow_with_question, move_grant, move_question
from doorward.values import NamedTuple

_LONGEST_WAIT: Final = timedelta(days=90)
"""Ours, and more than there is ever to wait for: longer than any grant that can be asked for."""
_TRIES: Final = 5


class Seen(NamedTuple):
    """`wait_seconds`: after which there is something to do, unless somebody does something before; at least 1."""

    grant_id: str
    state: State
    wait_seconds: int


def advance_grant(grant_id: str, step: str, tools: Tools) -> Seen:
    """The table. Raises MalformedInput where there is no such grant or step, Unavailable."""
    due = STEPS.get(step)
    if due is None:
        raise MalformedInput(f"{step}: no step; known are {', '.join(STEPS)}")
    for _ in range(_TRIES):
        grant = tools.grants.grant(grant_id)
        if grant is None:
            raise MalformedInput(f"{grant_id}: there is no such grant")
        try:
            grant = due(grant, tools)
            question = follow_with_question(grant, tools)
        except Conflict:
            continue
        if grant.is_over:
            tools.grants.settle(grant)
        return Seen(grant.id, grant.state, _seconds(grant, question, tools.clock.now()))
    raise Unavailable(f"{grant_id}: too much happens to it at the same time")


def check(grant: Grant, tools: Tools, found: Checked | None = None) -> Grant:
    """One that is requested; its question is left to follow. `found`: what was found of it just now; None: it is to be found.

    Raises Conflict, Unavailable.
    """
    if grant.state is not State.REQUESTED:
        return grant
    try:
        event = found or judged_for_certain(grant.request, tools.asker(grant.person.user_id), tools)
    except (Unavailable, Misconfigured):
        over = _moved(move_grant(grant, TimePassed(tools.clock.now()), tools), grant)
        if over is grant:
            raise
        return over
    return _moved(move_grant(grant, event, tools), grant)


def _decide(grant: Grant, tools: Tools) -> Grant:
    if grant.state is not State.PENDING:
        return grant
    question, now = question_about(grant, tools), tools.clock.now()
    if question is not None and question.state.is_open:
        over = ended(question, now)
        again = over or reminded(question, now)
        if again is not None:
            because = "Nobody has decided in time." if over else f"It still takes {what_is_missing(again)}."
            question = move_question(again, grant, because, tools)
    if question is not None and not question.state.is_open:
        said_yes = question.state not in {Decision.REFUSED, Decision.EXPIRED} and not is_too_late(grant, question, now)
        # By a no, and by what comes too late, nothing has to be looked up.
        found = certain(grant, agreement_now(grant, tools)) if said_yes else Agreement(NOT_KNOWN, question=question)
        return _moved(move_grant(grant, Decided(found, now), tools), grant)
    return _moved(move_grant(grant, TimePassed(now), tools), grant)


def _begin(grant: Grant, tools: Tools) -> Grant:
    now = tools.clock.now()
    if grant.state is not State.APPROVED or grant.starts_at is None or now < grant.starts_at:
        return grant
    grant = _moved(move_grant(grant, TimePassed(now), tools), grant)
    return grant if grant.is_over else _moved(move_grant(grant, Begun(certain(grant, agreement_now(grant, tools)), now), tools), grant)


def _end(grant: Grant, tools: Tools) -> Grant:
    """Its sessions end by themselves: from its end on their own policy denies them everything. What the broker goes by is forgotten."""
    grant = _moved(move_grant(grant, TimePassed(tools.clock.now()), tools), grant) if grant.state is State.ACTIVE else grant
    if grant.state is State.ENDING:
        tools.grants.forget_opening(grant.id)
    return _moved(move_grant(grant, Ended(), tools), grant)


def _page(grant: Grant, tools: Tools) -> Grant:
    """A look that fails while there is nothing to end is nobody's business yet: what is told once must not be told too early."""
    now = tools.clock.now()
    is_due = grant.state is State.ENDING or (grant.state is State.ACTIVE and grant.ends_at is not None and now >= grant.ends_at)
    if is_due:
        tools.announce(Announcement(f"{grant.id}-end-failed", END_FAILED, as_json(grant, tools), now))
    return grant


STEPS: Final[Mapping[str, Callable[[Grant, Tools], Grant]]] = MappingProxyType(
    {"check": check, "decide": _decide, "begin": _begin, "end": _end, "page": _page}
)


def _moved(found: Grant | Refusal, grant: Grant) -> Grant:
    """Where what was brought is about something else, it stays as it is."""
    return grant if isinstance(found, Refusal) else found


def waits_until(grant: Grant, question: Question | None) -> datetime | None:
    """When there is something to do; None: now, or never any more. `question`: about it."""
    request = grant.request
    planned = None if request.starts_at is None else request.starts_at + grant.lasts
    if grant.state is State.PENDING and question is not None and question.state.is_open:
        return min(filter(None, (next_turn(question), planned)))
    if grant.state is State.APPROVED:
        return grant.starts_at
    return grant.ends_at if grant.state is State.ACTIVE else None


def _seconds(grant: Grant, question: Question | None, now: datetime) -> int:
    until = waits_until(grant, question)
    return 1 if until is None else max(1, ceil(min(until - now, _LONGEST_WAIT).total_seconds()))
