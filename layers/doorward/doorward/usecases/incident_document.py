"""The evidence of one incident as one document. The JSON is a contract: docs/schemas/doorward.evidence.1.json.

Made of the ledger alone, so that whoever makes it twice makes the same. External IDs are masked; credentials never came in.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from doorward.events.redaction import redacted
from doorward.findings.escaping import mask_external_ids
from doorward.guardrails.announcements import diff_documents
from doorward.iam.documents import hash_of_text
from doorward.ports.evidence import Told
from doorward.ports.ledger import Case, CaseStatus

FORMAT: Final = "doorward.evidence/1"
# Of what is announced about a case, what has a place of its own below. Whatever is announced beside is kept under `further`.
_PLACED: Final = frozenset(
    {
        "format",
        "finding_id",
        "role",
        "role_ref",
        "account",
        "verdict",
        "severity",
        "mode",
        "action",
        "because",
        "findings",
        "undecidable",
        "actor",
        "event",
        "policy_hash",
        "guardrails_hash",
        "organization_hash",
        "remedy",
        "diff",
        "approver",
    }
)


def incident_document(case: Case, record: str, told: Sequence[Told]) -> dict[str, Any]:
    """`record` is what Ledger.record_of gives. `told`: what was announced, the oldest first."""
    detail = case.detail
    kept: Mapping[str, Any] = json.loads(record) if record else {}
    findings = detail.get("findings", [])
    return {
        "format": FORMAT,
        "incident": case.id,
        "role": detail.get("role"),
        "role_ref": case.role_ref,
        "role_id": case.role_id,
        "account": detail.get("account"),
        "status": str(case.status),
        "event": kept.get("event"),
        "before": {"accepted": _version(kept.get("accepted")), "stood": _version(kept.get("stood"))},
        "found": _policy(case.found_document, case.found_hash),
        "after": _after(case),
        "diff": diff_documents(case.found_document, case.planned_document) if case.planned_document else [],
        "findings": findings,
        "undecidable": detail.get("undecidable", []),
        "witness": next((each["witness"] for each in findings if each.get("witness")), None),
        "decision": {
            **{name: detail.get(name) for name in ("verdict", "severity", "mode", "action", "because", "actor")},
            "by_pipeline": case.by_pipeline,
            "guardrails_hash": detail.get("guardrails_hash"),
            "organization_hash": detail.get("organization_hash"),
            "further": {name: value for name, value in detail.items() if name not in _PLACED},
        },
        "proof": _proof(case),
        "steps": _steps(case),
        "told": [{"what": each.what, "at": each.at.isoformat(), "because": each.because, "id": each.announcement_id} for each in told],
        "approver": detail.get("approver"),
    }


def document_as_text(document: Mapping[str, Any]) -> str:
    """ASCII, indented: an auditor opens it in whatever is at hand."""
    return json.dumps(document, indent=2) + "\n"


def shown_policy(text: str) -> Any:
    """A policy for a reader: JSON where it is, external IDs masked; null where it is not kept."""
    if not text:
        return None
    try:
        return mask_external_ids(json.loads(text))
    except (ValueError, RecursionError):
        return redacted(text)


def _policy(text: str, policy_hash: str) -> dict[str, Any]:
    return {"policy_hash": policy_hash, "document": shown_policy(text)}


def _version(version: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if version is None else {**version, "document": shown_policy(version["document"])}


def _after(case: Case) -> dict[str, Any] | None:
    if not case.planned_document:
        return None
    planned = _policy(case.planned_document, case.planned_hash or hash_of_text(case.planned_document))
    return {**planned, "written": case.status is CaseStatus.REMEDIED}


def _proof(case: Case) -> dict[str, Any] | None:
    """Nothing is planned before it is proved (guardrails/remedies.py); once written, the case says it itself."""
    if case.remedy_kind is None:
        return None
    return {"remedy": case.remedy_kind, "proved": (case.detail.get("remedy") or {}).get("proved", True)}


def _steps(case: Case) -> dict[str, str]:
    """In order of time; the event's time is CloudTrail's, in whole seconds."""
    event = case.detail.get("event") or {}
    times = {"opened": case.opened_at, **case.steps}
    if event.get("time"):
        times["changed"] = datetime.fromisoformat(event["time"])
    if case.closed_at is not None:
        times["closed"] = case.closed_at
    return {name: at.isoformat() for name, at in sorted(times.items(), key=lambda step: step[1])}
