"""Findings and verdicts. The JSON of these is a contract: docs/contracts.md, `doorward check`."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal


class Severity(StrEnum):
    """In falling order. An info finding never makes a role violating."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """4 for critical down to 0 for info."""
        return len(Severity) - 1 - list(Severity).index(self)


class Verdict(StrEnum):
    """`invalid`: IAM would refuse the document. `undecidable`: not known to be safe, and never called so."""

    COMPLIANT = "compliant"
    VIOLATING = "violating"
    WAIVED = "waived"
    UNDECIDABLE = "undecidable"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class StatementRef:
    index: int
    sid: str | None


@dataclass(frozen=True, slots=True)
class Witness:
    """One concrete request that the policy allows and the guardrail forbids.

    `context` maps condition keys to text, or to a tuple of texts for a multivalued key; `absent` are keys that the proof needs missing.
    """

    principal: str
    principal_type: Literal["AWS", "Service", "Federated", "Anonymous"]
    action: str
    context: Mapping[str, str | tuple[str, ...]]
    absent: tuple[str, ...]


RemedyKind = Literal["drop", "deny", "tighten", "restore", "quarantine"]


@dataclass(frozen=True, slots=True)
class Remedy:
    """What would be written to close the hole. `proved`: the judge was run again on `trust_policy` and found nothing."""

    kind: RemedyKind
    trust_policy: Mapping[str, Any]
    proved: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule broken. `kind` says how it was decided; only `world` has a witness and only `world` may cause a write."""

    rule: str
    kind: Literal["world", "text", "context"]
    severity: Severity
    title: str
    statement: StatementRef
    witness: Witness | None
    because: str
    waiver: None = None
    blast_radius: None = None


@dataclass(frozen=True, slots=True)
class Undecided:
    """A construct that the judge cannot decide, and what that leaves open."""

    rule: str
    statement: StatementRef
    construct: str
    because: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """`because` is a sentence where the verdict is `invalid`, else None. Findings stand in order of severity, then statement."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    undecidable: tuple[Undecided, ...] = ()
    because: str | None = None
