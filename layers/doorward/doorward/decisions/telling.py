"""What is told of a question on the bus. The JSON is a contract: docs/schemas/doorward.decisions.1.json."""

from collections.abc import Mapping
from typing import Any, Final

from doorward.decisions.answering import what_is_missing
from doorward.decisions.model import GRANT, Question, State

FORMAT: Final = "doorward.decisions/1"
DETAIL_TYPES: Final[Mapping[State, str]] = {
    State.OPEN: "DecisionAwaited",
    State.APPROVED: "DecisionMade",
    State.REFUSED: "DecisionMade",
    State.DONE: "DecisionCarriedOut",
    State.WITHDRAWN: "DecisionWithdrawn",
    State.EXPIRED: "DecisionExpired",
}
_TITLES: Final = {
    State.OPEN: "people have to decide",
    State.APPROVED: "people said yes",
    State.REFUSED: "somebody said no",
    State.DONE: "what people said yes to is done",
    State.WITHDRAWN: "what people said yes to is NOT done",
    State.EXPIRED: "nobody decided in time",
}


def question_as_json(question: Question, because: str) -> dict[str, Any]:
    """Of people their ids, and the names of those on whose word it was approved."""
    account_id = question.role_ref.partition("/")[0]
    return {
        "format": FORMAT,
        "question_id": question.id,
        "about": question.about,
        "account": {"id": account_id},
        "role": question.role_ref,
        "severity": question.detail.get("severity", "medium"),
        "what": question.what,
        "state": str(question.state),
        "version": question.version,
        "yes": sorted(question.yes),
        "by": question.detail.get("by", ""),
        "title": _TITLES[question.state],
        "because": because,
        "what_to_do": _what_to_do(question),
        "asked_at": question.asked_at.isoformat(),
        "ends_at": question.ends_at.isoformat(),
        "until": question.detail.get("until"),
    }


def _command(question: Question) -> str:
    object_id = question.about.partition(" ")[2]
    if question.what == GRANT:
        return f"doorward grants approve {object_id}"
    if question.what == "hold":
        return f"doorward hold {object_id} --until {question.detail['until']} --reason …"
    if question.what == "accept":
        return f"doorward baseline accept {object_id}"
    if question.what == "waive":
        return f"doorward findings waive {object_id} --until {question.detail['until']} --reason …"
    if question.what == "undo":
        return f"doorward undo {object_id}"
    return f"doorward findings {question.what} {object_id}"


def _what_to_do(question: Question) -> str:
    if question.state is State.OPEN:
        return f"It takes {what_is_missing(question)}, until {question.ends_at:%Y-%m-%d %H:%M} UTC: `{_command(question)}`."
    if question.what == GRANT:
        return "Nothing: what becomes of the grant is told with it."
    if question.state in {State.EXPIRED, State.WITHDRAWN}:
        return "What was found stands until somebody mends it, or it is asked anew."
    return "Nothing."
