"""Findings in words, for every screen that shows them. Raw text: each sink escapes it for itself."""

from collections.abc import Mapping
from typing import Any

from doorward.findings.escaping import mask_external_ids

_CLOSED_BY = {
    "restore": "put back",
    "tighten": "tightened",
    "drop": "narrowed: what offended was taken out",
    "deny": "closed to the offender by a Deny",
    "quarantine": "closed to everybody",
}


def closed_by(kind: str) -> str:
    """What a remedy of this kind did to a trust policy: `was …`."""
    return _CLOSED_BY.get(kind, "changed")


def witness_in_words(witness: Mapping[str, Any]) -> str:
    """The request that is allowed and must not be, as one sentence. `witness` as in the JSON; an external ID in it is masked."""
    principal = str(witness["principal"])
    who = {
        "Service": f"the service {principal}",
        "Federated": f"somebody whom {principal} signs in",
        "Anonymous": "anybody, without credentials,",
    }.get(str(witness["principal_type"]), principal)
    masked = mask_external_ids(dict(witness.get("context") or {}))
    context = masked.items() if isinstance(masked, dict) else ()
    given = ", ".join(
        f"{key} = {', '.join(str(each) for each in value) or '(empty)' if isinstance(value, list) else value}" for key, value in context
    )
    absent = ", ".join(str(each) for each in witness.get("absent") or [])
    sentence = f"{who} may call {witness['action']}"
    if given:
        sentence += f" with {given}"
    if absent:
        sentence += f"{', and' if given else ''} without {absent}"
    return f"{sentence}."


def how_to_decide(detail: Mapping[str, Any]) -> str:
    """Of a case with a proposal."""
    return f"Proposed: {detail['proposal']['kind']}. To decide: doorward findings apply {detail.get('finding_id')}"
