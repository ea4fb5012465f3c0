"""What it takes to decide about a finding: the file says who, this table how many, and it can only be made stricter.

| what                 | up to medium | high | critical          | who made the change is not known as a person |
|----------------------|--------------|------|-------------------|----------------------------------------------|
| apply, dismiss       | one          | one  | one, who signs    | the same                                     |
| hold                 | one          | one  | two, one signs    | two                                          |
| waive, undo, accept  | one          | two  | two, one signs    | two                                          |

What closes a door or hides a message may be one person's word. What leaves one open takes two where it is high, and where nobody can tell
whether the one who says yes is the one who opened it: of two different people one is somebody else.
"""

from datetime import timedelta
from typing import Final

from doorward.decisions.model import Terms
from doorward.findings.model import Severity
from doorward.guardrails.model import Guardrails, Role
from doorward.organization.model import Account

_LEAVES_OPEN: Final = frozenset({"hold", "waive", "undo", "accept"})
_TWO_WHERE_HIGH: Final = _LEAVES_OPEN - {"hold"}


def terms_for(
    what: str, severity: Severity, role: Role, account: Account | None, guardrails: Guardrails, *, author_is_known: bool
) -> Terms:
    """`author_is_known`: as a person, who can be kept from deciding. No group of approvers where the file names none for the role."""
    deciders = next((each for each in guardrails.deciders if each.match.covers(role, account)), None)
    two = (what in _LEAVES_OPEN and (severity is Severity.CRITICAL or not author_is_known)) or (
        what in _TWO_WHERE_HIGH and severity is Severity.HIGH
    )
    terms = Terms(approvers=frozenset(), quorum=2 if two else 1, by_sigv4=severity is Severity.CRITICAL)
    if deciders is None:
        return terms
    return terms._replace(
        approvers=frozenset(deciders.approvers),
        quorum=max(terms.quorum, deciders.quorum),
        by_sigv4=terms.by_sigv4 or deciders.by_sigv4,
        answer_within=timedelta(hours=deciders.answer_hours),
        escalate_to=frozenset(deciders.escalate_to),
    )
