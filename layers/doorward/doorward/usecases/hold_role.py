"""People hold a role: for at most four hours nothing is written to it, and then it is judged again.

Everybody is told of a hold, by the stream of the table that it stands in; doorward/guardrails/brakes.py says what follows from it.
"""

from collections.abc import Callable
from datetime import UTC, timedelta
from hashlib import sha256
from typing import Final

from doorward.decisions.model import Answer, Hold, Question
from doorward.findings.model import Severity
from doorward.guardrails.model import Role
from doorward.people.model import Caller, Refusal
from doorward.usecases.decide import Subject, Tools, decide

HOLD: Final = "hold"
LONGEST: Final = timedelta(hours=4)


def hold_role(wanted: Hold, caller: Caller, role: Callable[[str], Role | None], tools: Tools) -> Question | Refusal:
    """Whoever asks says yes; whoever else is needed asks for the very same. `role`: as it stands, by its ref. Raises Unavailable."""
    now = tools.clock.now()
    until = wanted.until.astimezone(UTC).replace(microsecond=0)
    if not now < until <= now + LONGEST:
        return Refusal("A role is held from now on, for four hours at most.", "Say a time within them; it can be held anew.")
    found = role(wanted.role_ref)
    if found is None:
        return Refusal("There is no such role in an account of ours.", "Give ACCOUNT/NAME, without the role's path.")
    case_id = tools.ledger.head(found.ref).case_id
    case = None if case_id is None else tools.ledger.case(found.ref, case_id)
    subject = Subject(
        about=f"role {found.ref}",
        role=found,
        shown=sha256(f"{HOLD}/{found.ref}/{found.role_id}/{until.isoformat()}".encode()).hexdigest(),
        severity=Severity.MEDIUM if case is None else Severity(case.detail["severity"]),
        actors=None if case is None else case.actors,
        detail={"until": until.isoformat(), "reason": wanted.reason},
    )
    return decide(subject, caller, Answer(HOLD, yes=True, seen=subject.shown, reason=wanted.reason), tools)
