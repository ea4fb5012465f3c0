"""What is said about a case on the bus. The JSON is a contract: docs/schemas/doorward.guardrails.1.json.

External IDs of customers are masked here, once, for every channel behind the bus.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from doorward.events.model import AccountTarget, Actor, Cause, Change
from doorward.findings.as_json import finding_as_json
from doorward.findings.escaping import mask_external_ids, masking_apart
from doorward.findings.model import Judgement, Remedy, Severity
from doorward.guardrails.decide import Decision
from doorward.guardrails.model import Guardrails, Role
from doorward.organization.model import Organization

FORMAT = "doorward.guardrails/1"
# An event may have 256 KB in all; a policy over 4 KB is not stored by IAM, so only padding is ever cut.
_LONGEST_DIFF_LINES = 400


def describe_case(  # noqa: PLR0917 - everything that is said about a case
    finding_id: str,
    role: Role,
    judgement: Judgement,
    decision: Decision,
    change: Change,
    organization: Organization,
    guardrails: Guardrails,
    policy_hash: str,
    *,
    wrote: bool | None,
) -> dict[str, Any]:
    """The part that every announcement about a case shares. `wrote`: whether its own document is what stands, None where it has none."""
    account = organization.account(role.account_id)
    return {
        "format": FORMAT,
        "finding_id": finding_id,
        "role": role.arn,
        "role_ref": role.ref,
        "account": {"id": role.account_id, "name": account.name if account is not None else None},
        "verdict": str(judgement.verdict),
        "severity": str(worst_severity(judgement)),
        "mode": str(decision.mode),
        "action": str(decision.action),
        "because": decision.because,
        "door_open": decision.door_open,
        "findings": [mask_external_ids(finding_as_json(each, None)) for each in judgement.findings],
        "undecidable": [
            {
                "rule": each.rule,
                "statement": {"index": each.statement.index, "sid": each.statement.sid},
                "construct": each.construct,
                "because": each.because,
            }
            for each in judgement.undecidable
        ],
        "actor": {**describe_actor(change.actor, organization), "wrote_what_stands": wrote},
        "event": {
            "id": change.event_id,
            "name": change.event_name,
            "time": change.event_time.isoformat(),
            "parameters_hidden": change.cause is Cause.TRUST and isinstance(change.target, AccountTarget),
        },
        "policy_hash": policy_hash,
        "guardrails_hash": guardrails.hash,
        "remedy": None,
        "diff": [],
        "seconds": None,
    }


def describe_actor(actor: Actor, organization: Organization) -> dict[str, Any]:
    return {
        "kind": actor.kind,
        "arn": actor.arn,
        "session_name": actor.session_name,
        "account_id": actor.account_id,
        "pipeline": organization.is_pipeline(actor.arn),
    }


def with_remedy(detail: Mapping[str, Any], remedy: Remedy, found_document: str, seconds: float | None) -> dict[str, Any]:
    """`seconds`: from the event's time to the write; CloudTrail gives whole seconds, so it is good to one."""
    return {
        **detail,
        "remedy": {"kind": remedy.kind, "proved": remedy.proved},
        "diff": diff_documents(found_document, json.dumps(remedy.trust_policy)),
        "seconds": None if seconds is None else round(seconds, 2),
    }


def worst_severity(judgement: Judgement) -> Severity:
    """Medium where nothing was found but something could not be decided."""
    return max((each.severity for each in judgement.findings), key=lambda severity: severity.rank, default=Severity.MEDIUM)


def diff_documents(before: str, after: str) -> list[str]:
    """Lines of a unified diff of the two documents, pretty-printed, external IDs masked and told apart, without file headers.

    Never none of two that differ in more than their formatting: people say yes to what they are shown.
    """
    from difflib import unified_diff

    mask = masking_apart()
    lines = list(unified_diff(_pretty(before, mask), _pretty(after, mask), lineterm="", n=2))[2:]
    return lines if len(lines) <= _LONGEST_DIFF_LINES else [*lines[:_LONGEST_DIFF_LINES], "…"]


def _pretty(document: str, mask: Callable[[object], object]) -> list[str]:
    try:
        value = json.loads(document)
    except ValueError:
        return document.split("\n")
    return json.dumps(mask(value), indent=2, ensure_ascii=False).split("\n")
