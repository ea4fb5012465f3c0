"""Findings and judgements as the JSON of `doorward.check/1` (docs/contracts.md), keys in the contract's order.

Nothing is escaped here: JSON escapes by itself, and a program wants the text as it was. External IDs in a remedy stand as they
are, so that it can be applied; whoever sends it anywhere masks them first (`escaping.mask_external_ids`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from doorward.findings.model import Finding, Judgement, Remedy, StatementRef, Undecided, Witness


def finding_as_json(finding: Finding, remedy: Mapping[str, Any] | None) -> dict[str, Any]:
    """One entry of `findings`. `remedy`: the smallest edit that closes this finding, as `remedy_as_json` gives it; None: there is none."""
    return {
        "rule": finding.rule,
        "kind": finding.kind,
        "blast_radius": finding.blast_radius,
        "severity": finding.severity.value,
        "title": finding.title,
        "statement": _statement(finding.statement),
        "witness": None if finding.witness is None else witness_as_json(finding.witness),
        "because": finding.because,
        "waiver": waiver_as_json(finding.waiver),
        "remedy": remedy,
    }


def judgement_as_json(
    role_arn: str | None, source: str | None, account: str | None, judgement: Judgement, remedies: Sequence[Mapping[str, Any] | None]
) -> dict[str, Any]:
    """One entry of `roles`. `remedies`: each finding's own, in their order; or none at all."""
    alone = [*remedies, *[None] * (len(judgement.findings) - len(remedies))]
    return {
        "role": role_arn,
        "source": source,
        "verdict": judgement.verdict.value,
        "account": account,
        "findings": [finding_as_json(each, its_remedy) for each, its_remedy in zip(judgement.findings, alone, strict=True)],
        "because": judgement.because,
        "undecidable": [_undecided(each) for each in judgement.undecidable],
    }


def witness_as_json(witness: Witness) -> dict[str, Any]:
    """A multivalued context key is a list."""
    return {
        "principal": witness.principal,
        "principal_type": witness.principal_type,
        "action": witness.action,
        "context": {key: list(value) if isinstance(value, tuple) else value for key, value in witness.context.items()},
        "absent": list(witness.absent),
    }


def remedy_as_json(remedy: Remedy, patch: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    shown: dict[str, Any] = {"kind": remedy.kind, "trust_policy": dict(remedy.trust_policy), "proved": remedy.proved}
    return shown | {"patch": [dict(each) for each in patch]} if patch else shown


def waiver_as_json(waiver: Any) -> dict[str, Any] | None:
    """`{owner, reason, until}`; None where the finding counts. Whatever holds these three will do, dates as ISO 8601."""
    if waiver is None:
        return None
    given = waiver if isinstance(waiver, Mapping) else {name: getattr(waiver, name, None) for name in ("owner", "reason", "until")}
    return {name: None if given.get(name) is None else str(given[name]) for name in ("owner", "reason", "until")}


def _undecided(undecided: Undecided) -> dict[str, Any]:
    return {
        "rule": undecided.rule,
        "statement": _statement(undecided.statement),
        "construct": undecided.construct,
        "because": undecided.because,
    }


def _statement(statement: StatementRef) -> dict[str, Any]:
    return {"index": statement.index, "sid": statement.sid}
