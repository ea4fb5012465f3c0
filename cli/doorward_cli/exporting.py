"""`doorward guardrails export`: the preventive twins of an organization's guardrails, proved, printed and written."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from doorward.findings.escaping import for_terminal
from doorward.guardrails.model import Guardrails
from doorward.guardrails.preventive import (
    LONGEST_POLICY,
    NOT_COVERED,
    ONLY_ON_REQUEST,
    TWINS,
    Choice,
    Twin,
    compact,
    default_deployers,
    documents,
    twins,
)
from doorward.guardrails.preventive_proof import Probe, Proof, prove
from doorward.organization.model import Organization
from doorward_cli.tables import print_lines

FORMAT = "doorward.guardrails-export/1"
_DEPLOYER = re.compile(r"arn:[a-z-]+:iam::(?:[0-9]{12}|\*):role/[^\s]+", re.ASCII)
_POLICY_FILE = re.compile(r"(?:rcp|scp)(?:-[0-9]+)?\.json", re.ASCII)
_LABEL_WIDTH = 8


@dataclass(frozen=True, slots=True)
class Export:
    """`proofs` by rule, for those that have a twin; the documents as AWS Organizations takes them, each within its size."""

    organization_id: str
    twins: tuple[Twin, ...]
    proofs: dict[str, Proof]
    rcps: tuple[dict[str, Any], ...]
    scps: tuple[dict[str, Any], ...]

    @property
    def unproved(self) -> list[str]:
        return [rule for rule, proof in self.proofs.items() if not proof.is_proved]


def read_choice(with_rules: Sequence[str], without_rules: Sequence[str], deployers: Sequence[str], *, scp: bool) -> Choice:
    """Raises ValueError, in one line, for what is no guardrail or no role."""
    for option, given, known in (("--with", with_rules, ONLY_ON_REQUEST), ("--without", without_rules, TWINS)):
        for each in given:
            if each not in known:
                raise ValueError(f"{option} {each}: must be {', '.join(known)}")
    for each in deployers:
        if not _DEPLOYER.fullmatch(each):
            raise ValueError(f"--deployer {each}: must be the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME, with wildcards if need be")
    return Choice(frozenset(with_rules), frozenset(without_rules), scp, tuple(deployers))


def export(organization: Organization, guardrails: Guardrails, choice: Choice, *, now: datetime) -> Export:
    """Make the twins and prove them. Raises Misconfigured where there is no organization, or a statement is too long."""
    if not choice.deployers:
        choice = choice._replace(deployers=default_deployers(organization.partition))
    found = twins(organization, guardrails, choice)
    proofs = prove(found, organization, choice.deployers, now=now)
    return Export(organization.id or "", found, proofs, documents(found, "rcp"), documents(found, "scp"))


def write_policies(exported: Export, folder: Path) -> tuple[list[str], list[str]]:
    """`rcp.json`, `rcp-2.json` … and `scp.json` …: (those written, those of an earlier export that are still there). Raises OSError."""
    files = {
        f"{kind}{'' if number == 1 else f'-{number}'}.json": compact(each)
        for kind, policies in (("rcp", exported.rcps), ("scp", exported.scps))
        for number, each in enumerate(policies, start=1)
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        # Without a line's end: Organizations counts every character.
        (folder / name).write_text(text, encoding="ascii")
    stale = [each.name for each in sorted(folder.iterdir()) if _POLICY_FILE.fullmatch(each.name) and each.name not in files]
    return list(files), stale


def as_json(exported: Export) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "organization": exported.organization_id,
        "proved": not exported.unproved,
        "guardrails": [_guardrail_as_json(each, exported.proofs.get(each.rule)) for each in exported.twins],
        "resource_control_policies": list(exported.rcps),
        "service_control_policies": list(exported.scps),
        "not_covered": list(NOT_COVERED),
    }


def _guardrail_as_json(twin: Twin, proof: Proof | None) -> dict[str, Any]:
    return {
        "rule": twin.rule,
        "policy": twin.policy,
        "exported": proof is not None,
        "because": twin.because,
        "sids": [each["Sid"] for each in twin.statements],
        "proved": None if proof is None else proof.is_proved,
        "closed": None if proof is None else proof.closed,
        "remaining": None if proof is None else proof.remaining,
        "denied": [] if proof is None else [_probe_as_json(each) for each in proof.denied],
        "allowed": 0 if proof is None else proof.allowed,
        "faults": [] if proof is None else list(proof.faults),
    }


def _probe_as_json(probe: Probe) -> dict[str, Any]:
    """The request as `doorward evaluate` takes it."""
    request = probe.request
    context = {key: list(value) if isinstance(value, tuple) else value for key, value in request.context.items()}
    return {
        "says": probe.says,
        "request": {
            "principal": request.principal,
            "principal_type": request.principal_type,
            "action": request.action,
            "resource": request.resource,
            "resource_account": request.resource_account,
            "context": context,
        },
    }


def print_table(exported: Export) -> None:
    print_lines(_lines(exported))


def _lines(exported: Export) -> Iterator[tuple[int, Text]]:
    width = max(map(len, TWINS))
    for twin in exported.twins:
        proof = exported.proofs.get(twin.rule)
        head = Text().append(twin.rule.ljust(width + 2), style="bold")
        if proof is None:
            yield 0, head.append("no twin", style="dim")
            yield 4, _labelled("why", twin.because or "")
            continue
        sids = ", ".join(each["Sid"] for each in twin.statements)
        head.append(f"{twin.policy.upper()}  ").append(*_verdict(proof)).append(f"  {sids}", style="dim")
        yield 0, head
        yield from ((4, _labelled("fault", each)) for each in proof.faults)
        if proof.remaining is not None:
            yield 4, _labelled("but", proof.remaining)
    yield 0, Text()
    for kind, policies in (("RCP", exported.rcps), ("SCP", exported.scps)):
        for each in policies:
            yield 0, Text(f"{kind}: {len(each['Statement'])} statements, {len(compact(each))} of {LONGEST_POLICY} characters")
    yield from ((0, Text(f"Note: {each}", style="dim")) for each in NOT_COVERED)


def _verdict(proof: Proof) -> tuple[str, str]:
    if not proof.is_proved:
        return "proved: false", "bold red"
    tried = f"proved: true ({_counted(proof.denied)} denied, {proof.allowed} others not"
    return f"{tried}; nobody else is left)" if proof.closed else f"{tried})", "green"


def _counted(probes: Iterable[Probe]) -> str:
    count = len(list(probes))
    return f"{count} {'request' if count == 1 else 'requests'}"


def _labelled(label: str, text: str) -> Text:
    return Text().append(label.ljust(_LABEL_WIDTH), style="dim").append(for_terminal(text))
