"""Events of Doorward's own, as they come back from its bus."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from doorward.errors import MalformedInput
from doorward.values import NamedTuple

_SOURCES = frozenset({"doorward.guardrails", "doorward.sessions", "doorward.guard", "doorward.decisions", "doorward.grants"})


class OwnEvent(NamedTuple):
    """One announcement. The same `announcement_id` is the same, however often it is delivered."""

    announcement_id: str
    source: str
    detail_type: str
    detail: Mapping[str, Any]


class CaseEvent(NamedTuple):
    """An announcement about a case: a trust policy that is, or was, a violation or undecided. `at`: when it was announced."""

    announcement_id: str
    detail_type: str
    detail: Mapping[str, Any]
    at: datetime

    @property
    def case_id(self) -> str:
        return str(self.detail["finding_id"])

    @property
    def role_ref(self) -> str:
        return str(self.detail["role_ref"])


def parse_own_event(envelope: str) -> OwnEvent:
    """`envelope` is EventBridge's, JSON text. Raises MalformedInput for what is no event of ours."""
    try:
        raw = json.loads(envelope)
    except (ValueError, RecursionError):
        raise MalformedInput("the message: not JSON; only events from Doorward's own bus belong into this queue") from None
    if not (
        isinstance(raw, dict)
        and raw.get("source") in _SOURCES
        and isinstance(raw.get("detail"), dict)
        and isinstance(raw["detail"].get("announcement_id"), str)
        and isinstance(raw.get("detail-type"), str)
    ):
        raise MalformedInput("the message: not an event of Doorward's own; only those belong into this queue")
    return OwnEvent(raw["detail"]["announcement_id"], raw["source"], raw["detail-type"], raw["detail"])


def parse_case_event(envelope: str) -> CaseEvent:
    """Raises MalformedInput for what is no event of ours about a case."""
    event = parse_own_event(envelope)
    detail = event.detail
    texts = ("finding_id", "role_ref", "announced_at")
    if event.source != "doorward.guardrails" or not all(isinstance(detail.get(each), str) for each in texts):
        raise MalformedInput(f"{event.announcement_id}: a {event.detail_type} of {event.source} is about no case; narrow the rule")
    try:
        at = datetime.fromisoformat(detail["announced_at"])
    except ValueError:
        raise MalformedInput(f"{event.announcement_id}: announced_at is no time") from None
    return CaseEvent(event.announcement_id, event.detail_type, detail, at)
