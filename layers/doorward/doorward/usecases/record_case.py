"""What led to a case, as it was when the case was opened: its event without credentials, what was accepted, and what stood before."""

import json
from typing import Any

from doorward.events.redaction import redacted_record
from doorward.guardrails.model import Role
from doorward.ports.ledger import Baseline, Ledger


def record_case(message: str, role: Role, ledger: Ledger) -> str:
    """JSON text for Ledger.open_case: `event`, `accepted`, `stood`, each null where it is not known. Raises Unavailable.

    Call it before the head of the role is written: what stood before is what the last look kept there.
    """
    head = ledger.head(role.ref)
    stood = ledger.version(role.ref, role.role_id, head.stands_hash) if head.stands_hash and head.role_id == role.role_id else None
    return json.dumps(
        {
            "event": json.loads(redacted_record(message)) if message else None,
            "accepted": _version(ledger.baseline(role.ref, role.role_id)),
            "stood": _version(stood),
        }
    )


def _version(version: Baseline | None) -> dict[str, Any] | None:
    if version is None:
        return None
    return {
        "policy_hash": version.policy_hash,
        "document": version.document,
        "by": version.accepted_by,
        "because": version.because,
        "event_id": version.event_id,
        "at": version.at.isoformat(),
    }
