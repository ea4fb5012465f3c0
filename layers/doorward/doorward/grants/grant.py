"""A grant: what somebody asked for, what became of it so far, and the question that people are asked about it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final

from doorward.decisions.model import GRANT, Question
from doorward.grants.model import GrantRequest, Ruling
from doorward.people.model import Person
from doorward.values import NamedTuple


class State(StrEnum):
    """The last five are for good. `closed`: it was open, and ended as planned. `expired`: it never was, and its time is over."""

    REQUESTED = "requested"
    PENDING = "pending"
    APPROVED = "approved"
    ACTIVE = "active"
    ENDING = "ending"
    CLOSED = "closed"
    REFUSED = "refused"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REVOKED = "revoked"


_OVER: Final = frozenset({State.CLOSED, State.REFUSED, State.EXPIRED, State.CANCELLED, State.REVOKED})


class Grant(NamedTuple):
    """`id`: a ULID. `version` counts transitions, from 1.

    From the check on: `ruling`, `role_arn`, `policy_sha256` (of the session policy) and `scope` (what it allows, JSON text of statements).
    `starts_at` and `ends_at`: from the approval on, and never changed. `because`: why it is refused or ends, a sentence. `ended_by`: the
    id of the person who ended it early, or `doorward`; "" where nobody did. `moved_at`: of the last transition; None before the first.
    `opened_at`: when it became active; None where it never was. `ended_at`: since when nothing is issued for it any more, or when it was
    over without ever having been active; never after `ends_at`, and None while it stands.
    """

    id: str
    person: Person
    request: GrantRequest
    state: State = State.REQUESTED
    version: int = 1
    ruling: Ruling | None = None
    policy_sha256: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    because: str = ""
    ended_by: str = ""
    role_arn: str = ""
    scope: str = ""
    moved_at: datetime | None = None
    opened_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def about(self) -> str:
        return f"grant {self.id}"

    @property
    def is_over(self) -> bool:
        """For good."""
        return self.state in _OVER

    @property
    def lasts(self) -> timedelta:
        return timedelta(minutes=self.request.minutes)

    @property
    def shown_hash(self) -> str:
        """Hex SHA-256 of all that somebody who decides is shown: who, what, for how long, when, why, and what the session may do."""
        request = self.request
        shown: Mapping[str, object] = {
            "person": self.person.user_id,
            "role": request.role_ref,
            "template": request.template,
            "parameters": dict(request.parameters),
            "minutes": request.minutes,
            "asked_at": _text(request.asked_at),
            "starts_at": None if request.starts_at is None else _text(request.starts_at),
            "ticket": request.ticket,
            "reason": request.reason,
            "policy": self.policy_sha256,
        }
        return sha256(json.dumps(shown, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def question_id_of(grant: Grant) -> str:
    """The same for the same grant and all that is shown of it: whoever asks twice asks once."""
    return f"q-{sha256(f'{grant.about} {grant.shown_hash}'.encode()).hexdigest()[:20]}"


def question_of(grant: Grant, now: datetime) -> Question:
    """What people are asked about one that is pending. Whoever asked for it does not answer."""
    assert grant.ruling is not None  # noqa: S101 - it was checked, or it would not be pending
    return Question(
        id=question_id_of(grant),
        about=grant.about,
        role_ref=grant.request.role_ref,
        what=GRANT,
        shown_hash=grant.shown_hash,
        terms=grant.ruling.terms,
        asked_at=now,
        asked_by=grant.person.user_id,
        because=grant.request.reason,
        parties=frozenset({grant.person.user_id}),
        detail={"severity": str(grant.ruling.risk)},
    )


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
