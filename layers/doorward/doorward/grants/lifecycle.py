"""What becomes of a grant. Each row is a transition, and one version more; whatever has no row leaves the grant as it is.

| it is             | what happens                                                 | it is then                                            |
|-------------------|--------------------------------------------------------------|-------------------------------------------------------|
| requested         | checked: the rules refuse it, or its policy cannot be made   | refused                                               |
| requested         | checked: people have to approve                              | pending                                               |
| requested         | checked: nobody has to                                       | approved; its time runs from its start, or the asking |
| requested         | what it is checked by could not be looked up, till its end   | expired                                               |
| pending           | people said no                                               | refused                                               |
| pending           | people said yes, and its end has come by then                | expired                                               |
| pending           | people said yes, and it stands (agreement.py)                | approved; its time runs from its start, or their yes  |
| pending           | people said yes, and it falls                                | refused                                               |
| pending           | nobody decided in time                                       | expired                                               |
| pending, approved | its end has come                                             | expired                                               |
| approved          | its start has come, and it stands                            | active                                                |
| approved          | its start has come, and it falls                             | refused                                               |
| active            | its end has come                                             | ending                                                |
| before active     | whoever asked wants it no more                               | cancelled                                             |
| before active     | an approver, a revoker or Doorward takes it back             | revoked                                               |
| active            | any of these ends it                                         | ending, early                                         |
| ending            | all that ends it is done                                     | closed, or revoked where it was early                 |

So whoever dies after a transition was kept, and does it again, changes nothing. Of two who do different things at once, the second does
his to what the first made of it: each transition is kept on the condition that the version before still stands.

Turned away, with why, and nothing changed: a decision that is about something else, and somebody who may not end it.
Start and end are kept once, and stand on when somebody asked or people said yes, not on when that was heard of: neither an outage nor a
clock that is set makes a grant longer or later.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from doorward.decisions.actions import REASON
from doorward.decisions.model import Question
from doorward.decisions.model import State as Decision
from doorward.grants.agreement import Agreement, is_about, why_it_falls
from doorward.grants.grant import Grant, State
from doorward.grants.model import Ruling, Target
from doorward.grants.session_policy import SessionPolicy
from doorward.people.model import Caller, Person, Refusal
from doorward.values import NamedTuple

DOORWARD: Final = "doorward"
"""Who ended it where no person did."""
_TOO_LATE: Final = "Its time was over before it began."
_BEFORE_ACTIVE: Final = frozenset({State.REQUESTED, State.PENDING, State.APPROVED})


class Checked(NamedTuple):
    """What the rules say, the session policy as it would be, and the role; None where there is none. `is_known`: as of Agreement."""

    ruling: Ruling | Refusal
    policy: SessionPolicy | Refusal
    target: Target | None
    is_known: bool = True


class Decided(NamedTuple):
    """`found.question` was answered, or its time ran out."""

    found: Agreement
    at: datetime


class Begun(NamedTuple):
    """Its start has come, as far as anybody knows."""

    found: Agreement
    at: datetime


class TimePassed(NamedTuple):
    at: datetime


class EndAsked(NamedTuple):
    """`groups`: those that he is in now. `revokers`: groups whose members may end any grant. `said_yes`: ids of those who did to it."""

    by: Caller
    groups: frozenset[str]
    revokers: frozenset[str]
    because: str = ""
    said_yes: frozenset[str] = frozenset()


class TakenBack(NamedTuple):
    """By Doorward: he is gone, or the rules in force do not let him have it any more."""

    because: str


class Ended(NamedTuple):
    """All that ends its sessions is done."""


type Event = Checked | Decided | Begun | TimePassed | EndAsked | TakenBack | Ended


def advance(grant: Grant, event: Event) -> Grant | Refusal:
    """The table. The same grant where nothing comes of it, and a Refusal where whoever brought it is to be told why."""
    match event:
        case Checked():
            return _checked(grant, event)
        case Decided():
            return _decided(grant, event)
        case Begun():
            return _begun(grant, event)
        case TimePassed():
            return _after(grant, event.at) or grant
        case EndAsked():
            return _end_asked(grant, event)
        case TakenBack():
            return _ended_early(grant, State.REVOKED, DOORWARD, event.because)
        case Ended():
            return grant if grant.state is not State.ENDING else _moved(grant, State.REVOKED if grant.ended_by else State.CLOSED)


def _moved(grant: Grant, state: State, because: str = "") -> Grant:
    return grant._replace(state=state, because=because or grant.because, version=grant.version + 1)


def _checked(grant: Grant, event: Checked) -> Grant:
    if grant.state is not State.REQUESTED:
        return grant
    ruling, policy = event.ruling, event.policy
    for each in (ruling, policy):
        if isinstance(each, Refusal):
            return _moved(grant, State.REFUSED, each.because)
    assert isinstance(ruling, Ruling)  # noqa: S101 - as just seen
    assert isinstance(policy, SessionPolicy)  # noqa: S101
    assert event.target is not None  # noqa: S101 - the rules refuse a role that is not there
    grant = grant._replace(ruling=ruling, role_arn=event.target.arn, policy_sha256=policy.sha256, scope=policy.scope)
    return _approved(grant, grant.request.asked_at) if ruling.automatic else _moved(grant, State.PENDING)


def _approved(grant: Grant, since: datetime) -> Grant:
    starts_at = grant.request.starts_at or since
    return _moved(grant._replace(starts_at=starts_at, ends_at=starts_at + grant.lasts), State.APPROVED)


def _decided(grant: Grant, event: Decided) -> Grant | Refusal:
    question = event.found.question
    if grant.state is not State.PENDING:
        return grant
    if question is None or not is_about(question, grant):
        return Refusal("What was decided is not this grant as it is.", "Look at it again, and decide about that.")
    if question.state is Decision.REFUSED:
        return _moved(grant, State.REFUSED, question.detail.get(REASON) or "Somebody who may decide said no.")
    if question.state is Decision.EXPIRED:
        return _moved(grant, State.EXPIRED, "Nobody decided in time.")
    if question.state is Decision.OPEN:
        return grant
    if is_too_late(grant, question, event.at):
        return _moved(grant, State.EXPIRED, _TOO_LATE)
    falls = why_it_falls(grant, event.found)
    return _moved(grant, State.REFUSED, falls.because) if falls is not None else _approved(grant, said_yes_at(question))


def said_yes_at(question: Question) -> datetime:
    """When the last of those did whose yes counts."""
    return max((each.at for each in question.votes), default=question.asked_at)


def is_too_late(grant: Grant, question: Question, at: datetime) -> bool:
    """Whether what people said yes to would be over by then."""
    return at >= (grant.request.starts_at or said_yes_at(question)) + grant.lasts


def _begun(grant: Grant, event: Begun) -> Grant:
    if grant.state is not State.APPROVED or grant.starts_at is None or event.at < grant.starts_at:
        return grant
    over = _after(grant, event.at)
    if over is not None:
        return over
    falls = why_it_falls(grant, event.found)
    return _moved(grant, State.ACTIVE) if falls is None else _moved(grant, State.REFUSED, falls.because)


def _after(grant: Grant, at: datetime) -> Grant | None:
    """As it is once its end has come; None before."""
    request = grant.request
    start = request.asked_at if request.starts_at is None and grant.state is State.REQUESTED else request.starts_at
    ends_at = grant.ends_at or (None if start is None else start + grant.lasts)
    if ends_at is None or at < ends_at:
        return None
    if grant.state in _BEFORE_ACTIVE:
        return _moved(grant, State.EXPIRED, _TOO_LATE)
    return _moved(grant, State.ENDING) if grant.state is State.ACTIVE else None


def _end_asked(grant: Grant, event: EndAsked) -> Grant | Refusal:
    who = event.by.who
    if isinstance(who, Person):
        if who.user_id == grant.person.user_id:
            return _ended_early(grant, State.CANCELLED, who.user_id, event.because)
        if who.user_id in event.said_yes or _may_end(grant, event.groups) or event.revokers & event.groups:
            return _ended_early(grant, State.REVOKED, who.user_id, event.because)
    return Refusal("Only whoever asked for a grant, who approved it or may, and revokers end it.", "Ask one of them.")


def _may_end(grant: Grant, groups: Collection[str]) -> bool:
    """Whoever may approve it, also where nobody had to."""
    return grant.ruling is not None and bool((grant.ruling.terms.approvers | grant.ruling.terms.escalate_to) & set(groups))


def _ended_early(grant: Grant, before_active: State, by: str, because: str) -> Grant:
    if grant.state in _BEFORE_ACTIVE:
        return _moved(grant._replace(ended_by=by), before_active, because)
    return _moved(grant._replace(ended_by=by), State.ENDING, because) if grant.state is State.ACTIVE else grant
