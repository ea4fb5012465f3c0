"""People decide about a finding.

| what    | comes of it                                                         | can be decided while                                     |
|---------|---------------------------------------------------------------------|----------------------------------------------------------|
| apply   | the remedy that is shown is written                                 | it stands, and a remedy is proposed                      |
| waive   | what was found is accepted until a time, and what else comes in not | it stands, and something counts that a waiver can be for |
| dismiss | nobody is told of it any more                                       | it stands, and is not dismissed                          |
| undo    | what a remedy of ours replaced is put back, for a day               | its remedy was written, and not undone                   |
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from doorward.decisions.model import Answer, Question
from doorward.findings.dismissal import is_dismissed, said
from doorward.findings.model import Severity
from doorward.guardrails.decide import Action
from doorward.guardrails.decided import waivable
from doorward.guardrails.model import Guardrails, Role
from doorward.people.model import Caller, Refusal
from doorward.ports.announcing import Choice
from doorward.ports.ledger import Case, CaseStatus
from doorward.usecases.decide import Subject, Tools, asked_about, decide
from doorward.usecases.hold_role import HOLD

APPLY: Final = "apply"
WAIVE: Final = "waive"
DISMISS: Final = "dismiss"
UNDO: Final = "undo"
_LONGEST_WAIVER: Final = timedelta(days=90)
"""Whatever the file lets waivers of its own be."""
UNDONE_FOR: Final = timedelta(hours=24)
"""Long enough for whoever does right by day what broke at night."""
_NOTHING_TO: Final = {
    APPLY: Refusal("There is nothing to apply: no remedy was proved.", "Mend the policy by hand; the finding ends by itself then."),
    WAIVE: Refusal("Nothing of this can be waived: no request shows what that would accept.", "Mend the policy by hand."),
    DISMISS: Refusal("This was dismissed already.", "It comes back by itself where something else is found."),
}
_NOTHING_STANDS: Final = Refusal("This finding does not stand (any more).", "List the findings that do.")
_NOTHING_WRITTEN: Final = Refusal(
    "There is nothing (any more) that could be undone: no remedy of this finding was written, or it was undone.", "List the findings."
)


def decide_finding(finding_id: str, caller: Caller, answer: Answer, tools: Tools) -> Question | Refusal:
    """Raises Unavailable."""
    role_ref = tools.ledger.role_ref_of(finding_id)
    case = None if role_ref is None else tools.ledger.case(role_ref, finding_id)
    what = answer.what
    shown = None if case is None else shown_hash(case, what)
    if case is None or shown is None:
        if what == UNDO:
            return _NOTHING_WRITTEN
        return _NOTHING_TO[what] if case is not None and case.status is CaseStatus.STANDING else _NOTHING_STANDS
    seen, detail = answer.seen, {"policy_hash": case.detail["proposal"]["hash"] if what == APPLY else case.found_hash}
    if what == WAIVE:
        until = _until(answer, tools.guardrails, tools.clock.now())
        if isinstance(until, Refusal):
            return until
        shown, seen = waiver_hash(shown, until), waiver_hash(seen, until)
        _, asked_as = asked_about(case.role_ref, shown, tools.questions)
        if asked_as and answer.yes and not answer.reason.strip():
            return Refusal("A waiver needs a reason.", "Say why, for whoever has to decide at its end.")
        detail |= {"until": until.isoformat()}
    subject = Subject(
        about=f"finding {case.id}",
        role=role_of(case),
        shown=shown,
        severity=Severity(case.detail["severity"]),
        actors=case.actors,
        detail=detail,
    )
    return decide(subject, caller, answer._replace(seen=seen), tools)


def _until(answer: Answer, guardrails: Guardrails, now: datetime) -> datetime | Refusal:
    longest = min(guardrails.longest_waiver, _LONGEST_WAIVER)
    if answer.until is None or not now < answer.until <= now + longest:
        return Refusal(f"A waiver begins now and ends within {longest.days} days.", "Say a time within them; it can be decided anew.")
    return answer.until.astimezone(UTC).replace(microsecond=0)


# What can be decided, and what stands for all that people are shown of it


def decisions_about(case: Case) -> dict[str, str]:
    """What can be decided about a case now, with what whoever decides says that he was shown (`Answer.seen`)."""
    if case.status is CaseStatus.STANDING:
        return _while_it_stands(case.detail)
    return _after_a_remedy(case.detail) if case.status is CaseStatus.REMEDIED else {}


def decisions_in(detail: Mapping[str, Any]) -> dict[str, str]:
    """The same, by what was announced: that something was found, could not be closed, was put back or given back. As it was then."""
    if detail.get("remedy") is not None:
        return _after_a_remedy(detail)
    is_being_written = detail.get("action") == Action.WRITE and not detail.get("door_open")
    return {} if is_being_written else _while_it_stands(detail)


def shown_hash(case: Case, what: str) -> str | None:
    """None where this cannot be decided about the case. Another policy, remedy or finding is another."""
    return decisions_about(case).get(what)


def choices_of(detail_type: str, detail: Mapping[str, Any]) -> tuple[Choice, ...]:
    """What people can decide about what they are told of: where a finding asks them, and where a remedy was written."""
    asks = detail_type in {"TrustViolationFound", "TrustPolicyUndecidable"} and detail.get("action") == Action.ASK
    if not asks and detail_type != "TrustPolicyReverted":
        return ()
    choices = tuple(Choice(what, str(detail.get("finding_id")), shown) for what, shown in decisions_in(detail).items())
    return (*choices, Choice(HOLD, str(detail.get("role_ref")), "")) if asks else choices


def waiver_hash(shown: str, until: datetime) -> str:
    """To accept it until another time is to decide something else. `until`: of whole seconds, in UTC."""
    return sha256(f"{shown}/{until.isoformat()}".encode()).hexdigest()


def _while_it_stands(detail: Mapping[str, Any]) -> dict[str, str]:
    proposal, accepted = detail.get("proposal"), waivable(detail.get("findings", ()))
    shown = {} if proposal is None else {APPLY: _hash(APPLY, detail, proposal["hash"])}
    if accepted:
        found = [[each.get(name) for name in ("rule", "severity", "statement", "witness")] for each in accepted]
        shown[WAIVE] = _hash(WAIVE, detail, json.dumps(found, sort_keys=True))
    if not is_dismissed(detail):
        shown[DISMISS] = _hash(DISMISS, detail, json.dumps(sorted(said(detail))))
    return shown


def _after_a_remedy(detail: Mapping[str, Any]) -> dict[str, str]:
    return {} if detail.get("undone") else {UNDO: _hash(UNDO, detail, "")}


def _hash(what: str, detail: Mapping[str, Any], rest: str) -> str:
    return sha256(f"{what}/{detail.get('finding_id')}/{detail.get('policy_hash')}/{rest}".encode()).hexdigest()


def role_of(case: Case) -> Role:
    """As it was found."""
    account_id, _, name = case.role_ref.partition("/")
    arn = str(case.detail["role"])
    path = "/" + "".join(f"{each}/" for each in arn.partition(":role/")[2].split("/")[:-1])
    return Role(account_id, name, path, arn, case.role_id, case.found_document)
