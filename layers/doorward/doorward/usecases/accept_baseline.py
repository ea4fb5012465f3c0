"""People accept the trust policy of a role as it stands: from then on it is what is put back.

Known as its author is only who an event told to have written it since it stands; else it takes two. Who wrote the same before is kept
from accepting it, too.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from doorward.decisions.answering import what_is_missing
from doorward.decisions.model import Answer, Question
from doorward.findings.model import Severity
from doorward.guardrails.announcements import diff_documents
from doorward.guardrails.model import Role
from doorward.iam.documents import hash_of_text
from doorward.people.model import Caller, Refusal
from doorward.ports.ledger import Baseline, Ledger
from doorward.usecases.decide import Subject, Tools, asked_about, decide

ACCEPT: Final = "accept"
FORMAT: Final = "doorward.baseline-shown/1"
_NO_ROLE: Final = Refusal("There is no such role in an account of ours.", "Give ACCOUNT/NAME, without the role's path.")


def show_baseline(role_ref: str, role: Callable[[str], Role | None], tools: Tools) -> dict[str, Any] | Refusal:
    """What is accepted, and how what stands differs. `role`: as it stands, by its ref. Raises Unavailable."""
    found = role(role_ref)
    if found is None:
        return _NO_ROLE
    accepted = tools.ledger.baseline(found.ref, found.role_id)
    stands = hash_of_text(found.trust_policy)
    shown = _shown(found, stands, accepted)
    question, _ = asked_about(found.ref, shown, tools.questions)
    return {
        "format": FORMAT,
        "role_ref": found.ref,
        "accepted": None
        if accepted is None
        else {"by": accepted.accepted_by, "because": accepted.because, "at": accepted.at.isoformat(), "hash": accepted.policy_hash},
        "stands": stands,
        "is_accepted": accepted is not None and accepted.policy_hash == stands,
        "diff": diff_documents("{}" if accepted is None else accepted.document, found.trust_policy),
        "shown": shown,
        "state": "not asked" if question is None else str(question.state),
        "missing": what_is_missing(question) if question is not None and question.state.is_open else "",
    }


def accept_baseline(role_ref: str, caller: Caller, said: Answer, role: Callable[[str], Role | None], tools: Tools) -> Question | Refusal:
    """`role` as above. That it breaks no guardrail is looked at when it is done. Raises Unavailable."""
    found = role(role_ref)
    if found is None:
        return _NO_ROLE
    stands = hash_of_text(found.trust_policy)
    privileged = tools.guardrails.is_privileged(found, tools.organization.account(found.account_id))
    subject = Subject(
        about=f"role {found.ref}",
        role=found,
        shown=_shown(found, stands, tools.ledger.baseline(found.ref, found.role_id)),
        severity=Severity.HIGH if privileged else Severity.MEDIUM,
        actors=_writers(found, stands, tools.ledger),
        detail={"policy_hash": stands, "role_id": found.role_id},
    )
    return decide(subject, caller, said, tools)


def _writers(role: Role, stands: str, ledger: Ledger) -> list[dict[str, Any]]:
    """In the form of a case's actors. Whom a version names wrote it when it was seen first, and what stands may be another's work."""
    head, version = ledger.head(role.ref), ledger.version(role.ref, role.role_id, stands)
    first = [] if version is None else [{"arn": version.accepted_by}]
    is_known = (head.role_id, head.stands_hash) == (role.role_id, stands) and head.stands_since is not None
    since = head.stands_by if is_known else ()
    return [*first, *({"arn": arn, "session_name": name, "wrote_what_stands": True} for arn, name in since)]


def _shown(role: Role, stands: str, accepted: Baseline | None) -> str:
    """Over another accepted one, or the same accepted anew, it is another question."""
    over = "" if accepted is None else f"{accepted.policy_hash}/{accepted.at.isoformat()}"
    return sha256(f"{ACCEPT}/{role.ref}/{role.role_id}/{stands}/{over}".encode()).hexdigest()
