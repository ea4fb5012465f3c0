"""People decide about a finding: whether the remedy that they are shown is written."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from doorward.decisions.model import Answer, Question
from doorward.findings.model import Severity
from doorward.guardrails.decide import Action
from doorward.guardrails.model import Role
from doorward.people.model import Caller, Refusal
from doorward.ports.announcing import Choice
from doorward.ports.ledger import Case
from doorward.usecases.decide import Subject, Tools, decide
from doorward.usecases.hold_role import HOLD

APPLY: Final = "apply"
DECISIONS: Final = (APPLY,)
"""What can be decided about a finding."""


def decide_finding(finding_id: str, caller: Caller, said: Answer, tools: Tools) -> Question | Refusal:
    """Raises Unavailable."""
    role_ref = tools.ledger.role_ref_of(finding_id)
    case = None if role_ref is None else tools.ledger.case(role_ref, finding_id)
    if case is None or not case.status.is_open:
        return Refusal("This finding does not stand (any more).", "List the findings that do.")
    shown = shown_hash(case, said.what)
    if shown is None:
        because = f"There is nothing to {said.what}: no remedy was proved."
        return Refusal(because, "Mend the policy by hand; the finding ends by itself then.")
    subject = Subject(
        about=f"finding {case.id}",
        role=role_of(case),
        shown=shown,
        severity=Severity(case.detail["severity"]),
        actor=case.detail["actor"],
        detail={"policy_hash": case.detail["proposal"]["hash"]},
    )
    return decide(subject, caller, said, tools)


def shown_hash(case: Case, what: str) -> str | None:
    """Stands for all that is to be decided; None where this cannot be decided about the case. Another policy, or remedy, is another."""
    return _shown(what, case.id, case.found_hash, case.detail.get("proposal"))


def choices_of(detail_type: str, detail: Mapping[str, Any]) -> tuple[Choice, ...]:
    """What people can decide about what they are told of: nothing, but where a finding asks them."""
    if detail_type not in {"TrustViolationFound", "TrustPolicyUndecidable"} or detail.get("action") != Action.ASK:
        return ()
    finding_id, role_ref = str(detail.get("finding_id")), str(detail.get("role_ref"))
    shown = {what: _shown(what, finding_id, str(detail.get("policy_hash")), detail.get("proposal")) for what in DECISIONS}
    choices = (Choice(what, finding_id, each) for what, each in shown.items() if each is not None)
    return (*choices, Choice(HOLD, role_ref, ""))


def _shown(what: str, finding_id: str, found_hash: str, proposal: Mapping[str, Any] | None) -> str | None:
    if what != APPLY or proposal is None:
        return None
    return sha256(f"{what}/{finding_id}/{found_hash}/{proposal['hash']}".encode()).hexdigest()


def role_of(case: Case) -> Role:
    """As it was found."""
    account_id, _, name = case.role_ref.partition("/")
    arn = str(case.detail["role"])
    path = "/" + "".join(f"{each}/" for each in arn.partition(":role/")[2].split("/")[:-1])
    return Role(account_id, name, path, arn, case.role_id, case.found_document)
