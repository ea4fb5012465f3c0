"""SARIF 2.1.0, as code hosts and editors show it.

A role is a logical location; where its statement stands in a file is the physical one. Fingerprints are of the rule, the role and the
statement's content, so that neither moving a statement nor a role makes an old finding new.
Specification: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

import json
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from doorward.errors import MalformedInput
from doorward.findings.as_json import waiver_as_json
from doorward.findings.escaping import for_markdown, for_sarif, for_terminal
from doorward.findings.model import Finding, Severity, StatementRef, Undecided
from doorward.guardrails.rules import ALL_RULES
from doorward.iam.documents import Document, canonical_hash, parse_document
from doorward_cli import words
from doorward_cli.checking import Checked, Report
from doorward_cli.inputs import STDIN, Region

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_INVALID = "invalid"
_INVALID_TITLE = "IAM would refuse this trust policy"
_FINGERPRINT = "doorwardFinding/v1"
_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
# GitHub sorts security findings by this: over 9.0 is critical, from 7.0 high, from 4.0 medium.
_SECURITY_SEVERITY = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.0",
    Severity.LOW: "2.0",
    Severity.INFO: "0.0",
}


def write_report(report: Report, stream: IO[str]) -> None:
    json.dump(sarif(report), stream, indent=2, ensure_ascii=True)
    stream.write("\n")


def sarif(report: Report) -> dict[str, Any]:
    """The log: one run. Undecided and invalid policies are warnings and errors: no viewer may take them for safe ones."""
    rules = _rules(report)
    positions = {each["id"]: index for index, each in enumerate(rules)}
    results = [{"ruleIndex": positions[each["ruleId"]], **each} for checked in report.roles for each in _results(checked)]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "Doorward", "version": version("doorward"), "rules": rules}},
                "columnKind": "unicodeCodePoints",
                "invocations": [
                    {
                        "executionSuccessful": not report.errors,
                        "toolExecutionNotifications": [
                            {"level": "error", "message": {"text": for_sarif(str(each))}, "locations": _places(each.file, None)}
                            for each in report.errors
                        ],
                    }
                ],
                "results": results,
            }
        ],
    }


# Rules


def _rules(report: Report) -> list[dict[str, Any]]:
    """Those that the results name, by id."""
    titles: dict[str, tuple[str, Severity]] = {each.id: (each.title, each.severity) for each in ALL_RULES.values()}
    named: set[str] = set()
    for checked in report.roles:
        for finding in checked.judgement.findings:
            titles.setdefault(finding.rule, (finding.title, finding.severity))
            named.add(finding.rule)
        for undecided in checked.judgement.undecidable:
            titles.setdefault(undecided.rule, (undecided.rule, Severity.MEDIUM))
            named.add(undecided.rule)
        if checked.judgement.because is not None:
            titles[_INVALID] = (_INVALID_TITLE, Severity.HIGH)
            named.add(_INVALID)
    return [_rule(each, *titles[each]) for each in sorted(named)]


def _rule(rule: str, title: str, severity: Severity) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": rule,
        "name": "".join(each.capitalize() for each in rule.split("-")),
        "shortDescription": {"text": for_sarif(title)},
        "defaultConfiguration": {"level": _LEVELS[severity]},
        "properties": {"tags": ["security", "iam"], "precision": "very-high", "security-severity": _SECURITY_SEVERITY[severity]},
    }
    if rule != _INVALID:
        more = "What it sees, what it does not, and how to fix it:"
        shown["help"] = {
            "text": f"{for_sarif(title)}. {more} {words.page(rule)} in Doorward's repository.",
            "markdown": f"**{for_markdown(title)}.** {more} `{words.page(rule)}` in Doorward's repository.",
        }
        shown["helpUri"] = f"urn:doorward:rule:{rule}"
    return shown


# Results


def _results(checked: Checked) -> Iterator[dict[str, Any]]:
    for finding in checked.judgement.findings:
        yield _finding(checked, finding)
    for undecided in checked.judgement.undecidable:
        yield _undecided(checked, undecided)
    if checked.judgement.because is not None:
        yield {
            "ruleId": _INVALID,
            "level": "error",
            "message": _message([f"This trust policy is invalid: {checked.judgement.because}"]),
            "locations": _locations(checked, None),
            "partialFingerprints": {_FINGERPRINT: _fingerprint(checked, _INVALID, None)},
        }


def _finding(checked: Checked, finding: Finding) -> dict[str, Any]:
    said = [f"{finding.title}.", finding.because]
    proof = words.witness(finding)
    if proof is not None:
        said.append(f"Witness: {proof}")
    own = checked.own_of(finding)
    if own is not None:
        said.append(f"Remedy: {words.own_remedy(checked, finding)}.")
        said += [f"Patch: {words.patch_place(each)}." for each in own.patch]
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": _LEVELS[finding.severity],
        "message": _message(said),
        "locations": _locations(checked, finding.statement),
        "partialFingerprints": {_FINGERPRINT: _fingerprint(checked, finding.rule, finding.statement)},
        "properties": {"severity": str(finding.severity), "kind": finding.kind},
    }
    waiver = waiver_as_json(finding.waiver)
    if waiver is not None:
        result["suppressions"] = [
            {
                "kind": "external",
                "status": "accepted",
                "justification": for_sarif(f"{waiver['reason']} ({waiver['owner']}, until {waiver['until']})"),
            }
        ]
    return result


def _undecided(checked: Checked, undecided: Undecided) -> dict[str, Any]:
    return {
        "ruleId": undecided.rule,
        "level": "warning",
        "message": _message([f"Not decided, and so not known to be safe: {undecided.construct}.", undecided.because]),
        "locations": _locations(checked, undecided.statement),
        "partialFingerprints": {_FINGERPRINT: _fingerprint(checked, undecided.rule, undecided.statement, undecided.construct)},
        "properties": {"severity": "undecided"},
    }


def _message(said: list[str]) -> dict[str, str]:
    return {"text": " ".join(map(for_sarif, said)), "markdown": "\n\n".join(map(for_markdown, said))}


def _locations(checked: Checked, statement: StatementRef | None) -> list[dict[str, Any]]:
    subject = checked.subject
    region = subject.at
    if statement is not None and statement.index < len(subject.statements):
        region = subject.statements[statement.index]
    logical = {"fullyQualifiedName": for_terminal(subject.arn or subject.source), "kind": "resource"}
    if subject.name:
        logical["name"] = for_terminal(subject.name)
    [place] = _places(subject.file, region) or [{}]
    return [{**place, "logicalLocations": [logical]}]


def _places(file: str | None, region: Region | None) -> list[dict[str, Any]]:
    if file is None or file == STDIN:
        return []
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(file)}}
    if region is not None:
        physical["region"] = {
            "startLine": region.start.line,
            "startColumn": region.start.column,
            "endLine": region.end.line,
            "endColumn": region.end.column,
        }
    return [{"physicalLocation": physical}]


def _uri(file: str) -> str:
    """Relative to where the command runs, as code hosts want it; else absolute."""
    path = Path(file)
    if path.is_absolute():
        if not path.is_relative_to(Path.cwd()):
            return f"file://{_quoted(path.as_posix())}"
        path = path.relative_to(Path.cwd())
    return _quoted(path.as_posix())


def _quoted(path: str) -> str:
    return quote(path.encode("utf-8", "surrogatepass"), safe="/")


def _fingerprint(checked: Checked, rule: str, statement: StatementRef | None, construct: str = "") -> str:
    subject = checked.subject
    parts = [rule, subject.arn or subject.name or subject.source, _content(subject.trust_policy, statement), construct]
    return sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()


def _content(trust_policy: str, statement: StatementRef | None) -> str:
    """Of the statement alone, whatever its position and spelling; its Sid where the document cannot be read."""
    if statement is None:
        return ""
    try:
        document = parse_document(trust_policy)
        return canonical_hash(Document(document.version, None, (document.statements[statement.index],)))
    except (MalformedInput, IndexError):
        return statement.sid or ""
