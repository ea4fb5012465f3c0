"""A comment for a pull request: the summary, a table of the roles, and what is to be done about each, folded.

Every text of an input is escaped for where it stands: running Markdown, HTML inside of it, or a fenced block.
"""

import re
from collections.abc import Iterator
from typing import IO

from doorward.findings.escaping import for_html_in_markdown, for_markdown, for_plain_text
from doorward.findings.model import Finding, Severity, Verdict
from doorward_cli import words
from doorward_cli.checking import FOREIGN_BY_DEFAULT, Checked, Report

# GitHub refuses a comment of more than 65 536 characters.
_LONGEST = 65_000
_SHORTEST_FENCE = 3
_SIGNS = {
    Verdict.VIOLATING: "\N{LARGE RED CIRCLE}",
    Verdict.UNDECIDABLE: "\N{LARGE YELLOW CIRCLE}",
    Verdict.INVALID: "\N{LARGE YELLOW CIRCLE}",
    Verdict.WAIVED: "\N{LARGE BLUE CIRCLE}",
    Verdict.COMPLIANT: "\N{LARGE GREEN CIRCLE}",
}
_ORDER = list(_SIGNS)


def write_report(report: Report, stream: IO[str]) -> None:
    """As much as a comment can hold; what is left out is counted at its end."""
    head = "\n".join(_head(report)) + "\n"
    stream.write(head)
    left = _LONGEST - len(head)
    roles = sorted(report.roles, key=lambda each: _ORDER.index(each.judgement.verdict))
    left = _write(stream, [_row(each) for each in roles], left, "roles", head=_TABLE_HEAD)
    said = [each for each in roles if _has_details(each)]
    _write(stream, ["\n".join(_details(each)) + "\n" for each in said], left, "roles with their findings")


_TABLE_HEAD = "\n| Verdict | Role | Source | Findings |\n| --- | --- | --- | --- |\n"


def _write(stream: IO[str], parts: list[str], left: int, what: str, *, head: str = "") -> int:
    """Write parts as long as they fit into `left` characters, keeping a little for what follows; return what is left."""
    if not parts:
        return left
    reserve = 200
    stream.write(head)
    left -= len(head)
    for index, each in enumerate(parts):
        if len(each) > left - reserve:
            note = f"\n{len(parts) - index} more {what} did not fit into this comment.\n"
            stream.write(note)
            return left - len(note)
        stream.write(each)
        left -= len(each)
    return left


def _head(report: Report) -> Iterator[str]:
    yield f"**Doorward** judged {words.summary(report)}."
    if report.errors:
        shown = report.errors[:20]
        yield ""
        yield f"{len(report.errors)} could not be read:"
        yield ""
        yield from (f"- {for_markdown(_cut(str(each)))}" for each in shown)
        if len(report.errors) > len(shown):
            yield f"- and {len(report.errors) - len(shown)} more"
    if report.foreign_by_default:
        yield ""
        yield for_markdown(FOREIGN_BY_DEFAULT)


def _cut(text: str) -> str:
    longest = 500
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _row(checked: Checked) -> str:
    judgement = checked.judgement
    findings = [f"{each.severity} {each.rule}" + (" (waived)" if each.waiver is not None else "") for each in judgement.findings]
    findings += [f"undecided {each.rule}" for each in judgement.undecidable]
    shown = ", ".join(dict.fromkeys(findings)) or judgement.because or "none"
    cells = (_cut(words.who(checked)), _cut(checked.subject.source), _cut(shown))
    return f"| {_SIGNS[judgement.verdict]} {judgement.verdict} | {' | '.join(map(for_markdown, cells))} |\n"


def _has_details(checked: Checked) -> bool:
    judgement = checked.judgement
    counting = [each for each in judgement.findings if each.severity is not Severity.INFO]
    return bool(counting or judgement.undecidable or judgement.because)


def _details(checked: Checked) -> Iterator[str]:
    judgement = checked.judgement
    name = for_html_in_markdown(_cut(words.who(checked)))
    yield ""
    yield "<details>"
    yield f"<summary>{_SIGNS[judgement.verdict]} {judgement.verdict}: <code>{name}</code></summary>"
    yield ""
    yield f"Source: {for_markdown(checked.subject.source)}"
    if judgement.because is not None:
        yield ""
        yield f"IAM would refuse it: {for_markdown(judgement.because)}"
    for finding in judgement.findings:
        yield from _finding(checked, finding)
    for each in judgement.undecidable:
        yield ""
        yield f"**undecided** {_link(each.rule)}, {for_markdown(words.where(each.statement))}: {for_markdown(each.construct)}"
        yield ""
        yield f"- Why: {for_markdown(each.because)}"
    if checked.whole is not None:
        yield ""
        yield f"**Remedy** {for_markdown(words.remedy(checked.whole.remedy))}"
        if not checked.whole.patch:
            yield from _fenced(words.remedy_diff(checked))
        for hint in checked.whole.patch:
            yield ""
            yield f"In {for_markdown(words.patch_place(hint))}:"
            yield from _fenced(words.patch_diff(checked, hint))
    yield ""
    yield "</details>"


def _finding(checked: Checked, finding: Finding) -> Iterator[str]:
    yield ""
    yield f"**{finding.severity}** {_link(finding.rule)}, {for_markdown(words.where(finding.statement))}: {for_markdown(finding.title)}"
    yield ""
    yield f"- Why: {for_markdown(finding.because)}"
    proof, waiver = words.witness(finding), words.waiver(finding)
    if proof is not None:
        yield f"- Witness: {for_markdown(proof)}"
    if waiver is not None:
        yield f"- Waiver: {for_markdown(waiver)}"
    own = words.own_remedy_if_another(checked, finding)
    if own is not None:
        yield f"- Remedy of this alone: {for_markdown(own)}"


def _link(rule: str) -> str:
    return f"[{for_markdown(rule)}]({words.page(rule)})"


def _fenced(lines: list[str]) -> Iterator[str]:
    shown = [for_plain_text(line).replace("\\\\", "\\") for line in lines]
    fence = "`" * max(_SHORTEST_FENCE, 1 + max((len(run) for line in shown for run in re.findall("`+", line)), default=0))
    yield ""
    yield f"{fence}diff"
    yield from shown
    yield fence
