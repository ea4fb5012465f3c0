"""The table of `doorward check`, for two readers: who only wants to know which role is open, and who has to close it.

Every text that comes from an input passes `for_terminal` and becomes a `rich.text.Text`, never markup.
"""

import json
import sys
from collections.abc import Iterator
from typing import IO

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from doorward.findings.as_json import witness_as_json
from doorward.findings.escaping import for_terminal
from doorward.findings.model import Finding, Severity, Verdict
from doorward.findings.wording import witness_in_words
from doorward.guardrails.announcements import diff_documents
from doorward_cli.checking import FOREIGN_BY_DEFAULT, Checked, Report

_VERDICT_STYLES = {
    Verdict.COMPLIANT: "green",
    Verdict.WAIVED: "cyan",
    Verdict.UNDECIDABLE: "yellow",
    Verdict.INVALID: "yellow",
    Verdict.VIOLATING: "bold red",
}
_SEVERITY_STYLES = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}
_REMEDY_SAYS = {
    "drop": "take the statement, or the part of it, out",
    "deny": "add a statement that denies it",
    "tighten": "add the missing condition",
    "restore": "put the accepted policy back",
    "quarantine": "let nobody in until a person has looked",
}
_LABEL_WIDTH = 7


def print_report(report: Report, stream: IO[str] | None = None) -> None:
    """`stream` None: standard output. Colours only on a terminal, and none where NO_COLOR is set; lines are wrapped only there, too."""
    console = _Console(file=stream or sys.stdout, highlight=False, markup=False, emoji=False)
    for indent, line in _lines(report):
        if console.is_terminal and line:
            console.print(Padding(line, (0, 0, 0, indent), expand=False))
        else:
            console.print(Text(" " * indent).append_text(line), soft_wrap=True)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Rich would exit with status 1 here, which means "something to report"."""
        raise BrokenPipeError


def _lines(report: Report) -> Iterator[tuple[int, Text]]:
    width = max((len(each.judgement.verdict) for each in report.roles), default=0)
    for each in report.roles:
        lines = list(_role_lines(each, width))
        yield from lines
        if len(lines) > 1:
            yield 0, Text()
    if report.roles:
        yield 0, Text(_summary(report))
    if report.foreign_by_default:
        yield 0, Text(f"Note: {FOREIGN_BY_DEFAULT}", style="dim")


def _role_lines(checked: Checked, width: int) -> Iterator[tuple[int, Text]]:
    subject, judgement = checked.subject, checked.judgement
    head = Text().append(str(judgement.verdict).ljust(width), style=_VERDICT_STYLES[judgement.verdict])
    head.append(f"  {_safe(subject.arn or 'trust policy')}  ", style="bold")
    head.append(f"({_safe(subject.source)})", style="dim")
    yield 0, head
    if judgement.because is not None:
        yield 4, _labelled("why", judgement.because)
    for finding in judgement.findings:
        yield from _finding_lines(finding)
    for each in judgement.undecidable:
        yield (
            2,
            Text().append("undecided ", style="yellow").append(f"{_safe(each.rule)}  {_where(each.statement.index, each.statement.sid)}"),
        )
        yield 4, _labelled("what", each.construct)
        yield 4, _labelled("why", each.because)
    if checked.remedy is not None:
        proved = "proved: judged again, nothing is left" if checked.remedy.proved else "not proved; read it with care"
        yield 2, Text().append("remedy ", style="bold").append(f"{checked.remedy.kind}: {_REMEDY_SAYS[checked.remedy.kind]} ({proved})")
        for line in diff_documents(_document(subject.trust_policy), json.dumps(checked.remedy.trust_policy)):
            yield 4, Text(_safe_json(line), style={"+": "green", "-": "red"}.get(line[:1], "dim"))


def _finding_lines(finding: Finding) -> Iterator[tuple[int, Text]]:
    head = Text().append(f"{finding.severity} ", style=_SEVERITY_STYLES[finding.severity])
    head.append(f"{_safe(finding.rule)}  ", style="bold").append(
        f"{_where(finding.statement.index, finding.statement.sid)}: {_safe(finding.title)}"
    )
    yield 2, head
    yield 4, _labelled("why", finding.because)
    if finding.witness is not None:
        yield 4, _labelled("witness", witness_in_words(witness_as_json(finding.witness)))
    yield 4, _labelled("page", f"docs/rules/{finding.rule}.md")


def _where(index: int, sid: str | None) -> str:
    return f"statement {index}" if sid is None else f'statement {index} "{_safe(sid)}"'


def _labelled(label: str, text: str) -> Text:
    return Text().append(label.ljust(_LABEL_WIDTH + 1), style="dim").append(_safe(text))


def _safe(text: str) -> str:
    return for_terminal(text)


def _safe_json(line: str) -> str:
    r"""A line of JSON: its own backslashes stay single, so that it can be copied; `\u202e` means the same to JSON."""
    return for_terminal(line).replace("\\\\", "\\")


def _document(trust_policy: str) -> str:
    """As JSON text, also where it came percent-encoded."""
    from doorward.iam.documents import load_json

    return json.dumps(load_json(trust_policy))


def _summary(report: Report) -> str:
    summary = report.summary()
    roles = summary.pop("roles")
    parts = [f"{count} {name}" for name, count in summary.items() if count]
    return f"{roles} {'role' if roles == 1 else 'roles'}: {', '.join(parts)}"
