"""The findings that stand, and one of them with all that it takes to decide about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from doorward.decisions.answering import what_is_missing
from doorward.decisions.model import Question
from doorward.findings.dismissal import is_dismissed
from doorward.guardrails.announcements import diff_documents
from doorward.organization.model import Organization
from doorward.ports.ledger import Case, Ledger
from doorward.ports.questions import Questions
from doorward.usecases.decide import asked_about
from doorward.usecases.decide_finding import UNDO, UNDONE_FOR, WAIVE, decisions_about

FORMAT: Final = "doorward.findings/1"
MOST: Final = 50
"""On one page."""
_SHOWN: Final = ("severity", "mode", "action", "because", "door_open", "findings", "undecidable", "actor", "event", "use")


@dataclass(frozen=True, slots=True)
class Tools:
    ledger: Ledger
    questions: Questions
    organization: Organization


def list_findings(after: str, tools: Tools, *, with_dismissed: bool = False) -> dict[str, Any]:
    """A page of those that stand, by role. `after`: the role ref that the last page ended with, "" for the first. Raises Unavailable.

    Without dismissed ones a page may be shorter than others, or empty, and more may follow.
    """
    refs = list(islice(_open_after(after, tools), MOST + 1))
    page, more = refs[:MOST], len(refs) > MOST
    cases = (tools.ledger.case(role_ref, case_id) for role_ref, case_id in page)
    return {
        "format": FORMAT,
        "findings": [
            _summary(each)
            for each in cases
            if each is not None and each.status.is_open and (with_dismissed or not is_dismissed(each.detail))
        ],
        "next": page[-1][0] if more else None,
    }


def _open_after(after: str, tools: Tools) -> Iterator[tuple[str, str]]:
    for account_id in sorted(each.id for each in tools.organization.accounts):
        if account_id < after.partition("/")[0]:
            continue
        for name, case_id in sorted(tools.ledger.open_cases(account_id).items()):
            role_ref = f"{account_id}/{name}"
            if role_ref > after:
                yield role_ref, case_id


def show_finding(finding_id: str, tools: Tools) -> dict[str, Any] | None:
    """None where there is none of this id. Raises Unavailable."""
    role_ref = tools.ledger.role_ref_of(finding_id)
    case = None if role_ref is None else tools.ledger.case(role_ref, finding_id)
    if case is None:
        return None
    decisions = decisions_about(case)
    return {
        "format": FORMAT,
        **_summary(case),
        **{each: case.detail.get(each) for each in _SHOWN},
        "proposal": case.detail.get("proposal"),
        "undo": _undo(case) if UNDO in decisions else None,
        "decisions": {what: _decision(case, what, shown, tools) for what, shown in decisions.items()},
    }


def _undo(case: Case) -> dict[str, Any]:
    """What would be put back, and for how long."""
    hours = int(UNDONE_FOR.total_seconds()) // 3600
    return {"hours": hours, "diff": diff_documents(case.planned_document or "", case.found_document)}


def _summary(case: Case) -> dict[str, Any]:
    rules = [str(each["rule"]) for each in (*case.detail.get("findings", ()), *case.detail.get("undecidable", ()))]
    return {
        "finding_id": case.id,
        "role_ref": case.role_ref,
        "status": str(case.status),
        "severity": case.detail["severity"],
        "action": case.detail["action"],
        "rules": list(dict.fromkeys(rules)),
        "dismissed": is_dismissed(case.detail),
        "opened_at": case.opened_at.isoformat(),
    }


def _decision(case: Case, what: str, shown: str, tools: Tools) -> Mapping[str, Any]:
    """`shown`: what whoever decides says that he saw. Until when it is to be waived is no part of that: what was asked last is told."""
    question = _last_waiver(case, tools) if what == WAIVE else asked_about(case.role_ref, shown, tools.questions)[0]
    if question is None:
        return {"shown": shown, "state": "not asked", "yes": [], "missing": ""}
    missing = what_is_missing(question) if question.state.is_open else ""
    until = {"until": question.detail["until"]} if what == WAIVE else {}
    return {"shown": shown, "state": str(question.state), "yes": sorted(question.yes), "missing": missing, **until}


def _last_waiver(case: Case, tools: Tools) -> Question | None:
    asked = (each for each in tools.questions.of_role(case.role_ref) if (each.about, each.what) == (f"finding {case.id}", WAIVE))
    return max(asked, key=lambda each: (each.state.is_open, each.asked_at), default=None)
