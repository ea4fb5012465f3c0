"""Findings and verdicts. The JSON of these is a contract: docs/contracts.md, `doorward check`.

NamedTuples, not dataclasses: making their classes is part of every cold start, and a dataclass costs many times as much:
see docs/performance.md.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from doorward.values import NamedTuple


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
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(reversed(Severity))}


class Verdict(StrEnum):
    """`invalid`: IAM would refuse the document. `undecidable`: not known to be safe, and never called so."""

    COMPLIANT = "compliant"
    VIOLATING = "violating"
    WAIVED = "waived"
    UNDECIDABLE = "undecidable"
    INVALID = "invalid"


class StatementRef(NamedTuple):
    index: int  # type: ignore[assignment]  # nobody asks a place for tuple.index
    sid: str | None


class Witness(NamedTuple):
    """One concrete request that the policy allows and the guardrail forbids.

    `context` maps condition keys to text, or to a tuple of texts for a multivalued key; `absent` are keys that the proof needs missing.
    """

    principal: str
    principal_type: Literal["AWS", "Service", "Federated", "Anonymous"]
    action: str
    context: Mapping[str, str | tuple[str, ...]]
    absent: tuple[str, ...]


RemedyKind = Literal["drop", "deny", "tighten", "restore", "quarantine"]


class Remedy(NamedTuple):
    """What would be written to close findings. `proved`: the judge was run again on `trust_policy`, and finds neither them nor another."""

    kind: RemedyKind
    trust_policy: Mapping[str, Any]
    proved: bool


class Waived(NamedTuple):
    """By whom, why, and until which day (not included) a finding is accepted; `until` as ISO 8601."""

    owner: str
    reason: str
    until: str


class Finding(NamedTuple):
    """One rule broken. `kind` says how it was decided; only `world` has a witness and only `world` may cause a write."""

    rule: str
    kind: Literal["world", "text", "context"]
    severity: Severity
    title: str
    statement: StatementRef
    witness: Witness | None
    because: str
    waiver: "Waived | None" = None
    blast_radius: None = None

    @property
    def counts(self) -> bool:
        """Whether it makes a role violating: it is more than info, and nobody has accepted it."""
        return self.severity is not Severity.INFO and self.waiver is None


class Undecided(NamedTuple):
    """A construct that the judge cannot decide, and what that leaves open."""

    rule: str
    statement: StatementRef
    construct: str
    because: str


class Judgement(NamedTuple):
    """`because` is a sentence where the verdict is `invalid`, else None. Findings stand in order of severity, then statement."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    undecidable: tuple[Undecided, ...] = ()
    because: str | None = None

    @property
    def counting(self) -> tuple[Finding, ...]:
        """The findings that make the role violating."""
        return tuple(each for each in self.findings if each.counts)
