"""What every report of a case says alike, whatever its format: from the detail of an event on the bus (doorward.guardrails/1).

Names and policies in it are an attacker's text. Whoever reads a report does so in somebody else's console: no links, no controls.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from doorward.findings.escaping import for_plain_text, mask_external_ids
from doorward.findings.model import Severity


class State(StrEnum):
    """`standing`: the hole is open, or nobody knows. `over`: closed, or gone."""

    STANDING = "standing"
    OVER = "over"


_OVER: Final = frozenset({"TrustAccessGivenBack", "TrustPolicyReverted", "TrustRemedyVerified", "TrustViolationEnded"})
_HEADLINES: Final = {
    "TrustPolicyUndecidable": "A trust policy could not be judged",
    "TrustRemedyFailed": "A hole in a trust policy could not be closed",
    "TrustRemedyUndone": "What closed a hole in a trust policy was undone for a while",
}


@dataclass(frozen=True, slots=True)
class Reported:
    """One step of one case. `rules` with the worst first; `description` is one line; `witness` is null where no request proves it."""

    finding_id: str
    announcement_id: str
    detail_type: str
    state: State
    severity: Severity
    title: str
    description: str
    what_was_done: str
    rules: tuple[str, ...]
    role_arn: str
    account_id: str
    account_name: str | None
    witness: Mapping[str, Any] | None
    actor: Mapping[str, Any]
    event: Mapping[str, Any]
    changed_at: datetime
    at: datetime
    further: Mapping[str, str]


def reported(announcement_id: str, detail_type: str, detail: Mapping[str, Any], at: datetime) -> Reported:
    """`at`: when it was announced. Raises KeyError, TypeError, ValueError where the detail is none of ours."""
    findings = detail.get("findings") or []
    undecided = detail.get("undecidable") or []
    said = [*findings, *undecided]
    title = _HEADLINES.get(detail_type) or (findings[0]["title"] if findings else _HEADLINES["TrustPolicyUndecidable"])
    witness = next((each["witness"] for each in findings if each.get("witness")), None)
    masked: Any = mask_external_ids(witness)
    remedy = detail.get("remedy") or {}
    return Reported(
        finding_id=str(detail["finding_id"]),
        announcement_id=announcement_id,
        detail_type=detail_type,
        state=State.OVER if detail_type in _OVER else State.STANDING,
        severity=Severity(detail["severity"]),
        title=_line(f"{title}: {detail['role_ref']}", 256),
        description=_line(" ".join(str(each["because"]) for each in said) or str(detail["because"]), 1024),
        what_was_done=_line(str(detail["because"]), 512),
        rules=tuple(dict.fromkeys(str(each["rule"]) for each in said)),
        role_arn=str(detail["role"]),
        account_id=str(detail["account"]["id"]),
        account_name=detail["account"].get("name"),
        witness=masked,
        actor=detail.get("actor") or {},
        event=detail["event"],
        changed_at=datetime.fromisoformat(detail["event"]["time"]).astimezone(UTC),
        at=at.astimezone(UTC),
        further={
            "mode": str(detail.get("mode")),
            "action": str(detail.get("action")),
            "verdict": str(detail.get("verdict")),
            "remedy": str(remedy.get("kind", "none")),
            "guardrails_hash": str(detail.get("guardrails_hash")),
        },
    )


def shown(text: object, longest: int) -> str:
    """One harmless line of at most `longest` characters, never empty."""
    return _line(str(text), longest)


def _line(text: str, longest: int) -> str:
    line = for_plain_text(text).strip() or "-"
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
