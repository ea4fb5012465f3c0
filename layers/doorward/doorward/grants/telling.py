"""What is told of a grant, by the API, the command line and the bus alike. The JSON is a contract: docs/schemas/doorward.grants.1.json.

| it is now  | told on the bus as                                              |
|------------|-----------------------------------------------------------------|
| requested  | GrantRequested                                                  |
| pending    | DecisionAwaited, of its question, which has the grant with it   |
| approved   | GrantApproved                                                   |
| active     | GrantStarted                                                    |
| ending     | GrantEnding                                                     |
| closed     | GrantEnded                                                      |
| refused    | GrantRefused                                                    |
| expired    | GrantExpired                                                    |
| cancelled  | GrantCancelled                                                  |
| revoked    | GrantRevoked                                                    |

GrantEndFailed beside that, once for a grant: it could not be ended, and somebody has to look.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from doorward.decisions.answering import what_is_missing
from doorward.decisions.model import Question
from doorward.decisions.telling import question_as_json
from doorward.grants.grant import Grant, State
from doorward.people.model import Person

FORMAT: Final = "doorward.grants/1"
BY: Final = "by"
"""Of a question's detail: user names of those who said yes, with `, ` between: no user name has a blank."""
DETAIL_TYPES: Final[Mapping[State, str]] = {
    State.REQUESTED: "GrantRequested",
    State.APPROVED: "GrantApproved",
    State.ACTIVE: "GrantStarted",
    State.ENDING: "GrantEnding",
    State.CLOSED: "GrantEnded",
    State.REFUSED: "GrantRefused",
    State.EXPIRED: "GrantExpired",
    State.CANCELLED: "GrantCancelled",
    State.REVOKED: "GrantRevoked",
}
END_FAILED: Final = "GrantEndFailed"
_NOW: Final[Mapping[State, str]] = {
    State.REQUESTED: "asked for",
    State.PENDING: "people have to agree",
    State.APPROVED: "approved",
    State.ACTIVE: "open",
    State.ENDING: "being ended",
    State.CLOSED: "over, as planned",
    State.REFUSED: "refused",
    State.EXPIRED: "over before it began",
    State.CANCELLED: "not wanted any more",
    State.REVOKED: "taken back",
}
_ASK_ANEW: Final = frozenset({State.REFUSED, State.EXPIRED, State.CANCELLED, State.REVOKED})


def grant_as_json(grant: Grant, account_name: str | None, question: Question | None) -> dict[str, Any]:
    """`account_name`: None where nobody described the account. `question`: that people were asked about it, None where none were."""
    request, ruling = grant.request, grant.ruling
    account_id, _, role_name = request.role_ref.partition("/")
    return {
        "format": FORMAT,
        "grant_id": grant.id,
        "state": str(grant.state),
        "version": grant.version,
        "person": _person(grant.person),
        "account": {"id": account_id, "name": account_name},
        "role": request.role_ref,
        "template": request.template,
        "parameters": dict(request.parameters),
        "scope": json.loads(grant.scope or "[]"),
        "minutes": request.minutes,
        "reason": request.reason,
        "ticket": request.ticket,
        "asked_at": time_as_text(request.asked_at),
        "wanted_start": time_as_text(request.starts_at),
        "starts_at": time_as_text(grant.starts_at),
        "ends_at": time_as_text(grant.ends_at),
        "opened_at": time_as_text(grant.opened_at),
        "ended_at": time_as_text(grant.ended_at),
        "risk": None if ruling is None else str(ruling.risk),
        "automatic": ruling is not None and ruling.automatic,
        "rules": [] if ruling is None else list(ruling.rules),
        "entitlements_hash": "" if ruling is None else ruling.entitlements_hash,
        "policy_sha256": grant.policy_sha256,
        "shown": grant.shown_hash,
        "decision": None if question is None else _decision(grant, question),
        "because": grant.because,
        "ended_by": grant.ended_by,
        "title": f"{grant.person.user_name}: {request.template} on {role_name} in {account_name or account_id}, "
        f"{request.minutes} minutes: {_now(grant, question)}",
        "what_to_do": _what_to_do(grant, question),
    }


def question_about_as_json(question: Question, grant: Grant, account_name: str | None, because: str) -> dict[str, Any]:
    """What is told of the question, with all of the grant that whoever decides is to see."""
    return {**question_as_json(question, because), "grant": grant_as_json(grant, account_name, question)}


def _person(person: Person) -> dict[str, str]:
    return {"id": person.user_id, "name": person.user_name}


def _decision(grant: Grant, question: Question) -> dict[str, Any]:
    return {
        "question_id": question.id,
        "state": str(question.state),
        "yes": [each for each in question.detail.get(BY, "").split(", ") if each],
        "missing": what_is_missing(question) if question.state.is_open else "",
        "ends_at": time_as_text(_asked_until(grant, question)),
    }


def _asked_until(grant: Grant, question: Question) -> datetime:
    """Nobody is asked any longer than what he is asked for would last."""
    start = grant.request.starts_at
    return question.ends_at if start is None else min(question.ends_at, start + grant.lasts)


def _now(grant: Grant, question: Question | None) -> str:
    is_answered = grant.state is State.PENDING and question is not None and not question.state.is_open
    return "people have answered" if is_answered else _NOW[grant.state]


def _what_to_do(grant: Grant, question: Question | None) -> str:
    if grant.state is State.REQUESTED:
        return "Wait: whether people have to agree is being looked up."
    if grant.state is State.PENDING and question is not None and question.state.is_open:
        missing = f"It takes {what_is_missing(question)}, until {_clock(_asked_until(grant, question))}."
        answering = f"Whoever may agree: `doorward grants approve {grant.id}`, or `refuse`."
        return f"{missing} {answering} Whoever asked waits, or takes it back: `doorward grants cancel {grant.id}`."
    if grant.state is State.PENDING:
        return "Wait: what comes of the answer is being looked up."
    if grant.state is State.APPROVED and grant.starts_at is not None:
        return f"Wait: it opens at {_clock(grant.starts_at)}, or within seconds where that is over."
    if grant.state is State.ACTIVE and grant.ends_at is not None:
        until, revoke = f"It can be used until {_clock(grant.ends_at)}", f"after `doorward grants revoke {grant.id}`"
        return f"{until}; {revoke} no credentials are issued any more. Those that were issued work until that time, or for an hour at most."
    return "Ask anew, if it is needed still." if grant.state in _ASK_ANEW else "Nothing."


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def time_as_text(at: datetime | None) -> str | None:
    """In UTC, as ISO 8601 has it."""
    return None if at is None else at.astimezone(UTC).isoformat()
