"""How results are printed, and the table of `doorward check`, for two readers: who only wants to know what is open, and who closes it.

Every text that comes from an input passes `for_terminal` and becomes a `rich.text.Text`, never markup.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from typing import IO

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from doorward.findings.escaping import for_terminal
from doorward.findings.model import Finding, Severity, Verdict
from doorward_cli import words
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
_LABEL_WIDTH = 7


def write_json(value: object) -> None:
    """To standard output, as one document. ASCII only: no terminal reads it as anything else, and no locale fails to write it."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=True) + "\n")


def print_report(report: Report, stream: IO[str] | None = None) -> None:
    """`stream` None: standard output."""
    print_lines(_lines(report), stream)


def print_lines(lines: Iterable[tuple[int, Text]], stream: IO[str] | None = None) -> None:
    """(indent, line) each. Colours only on a terminal, and none where NO_COLOR is set; lines are wrapped only there, too.

    A line with `no_wrap`, such as a command, is never wrapped: it can be copied.
    """
    console = _Console(file=stream or sys.stdout, highlight=False, markup=False, emoji=False)
    for indent, line in lines:
        if console.is_terminal and line and not line.no_wrap:
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
    if report.roles or not report.errors:
        yield 0, Text(words.summary(report))
    if report.foreign_by_default:
        yield 0, Text(f"Note: {FOREIGN_BY_DEFAULT}", style="dim")


def _role_lines(checked: Checked, width: int) -> Iterator[tuple[int, Text]]:
    subject, judgement = checked.subject, checked.judgement
    head = Text().append(str(judgement.verdict).ljust(width), style=_VERDICT_STYLES[judgement.verdict])
    head.append(f"  {_safe(words.who(checked))}  ", style="bold")
    head.append(f"({_safe(subject.source)})", style="dim")
    yield 0, head
    if judgement.because is not None:
        yield 4, _labelled("why", judgement.because)
    for finding in judgement.findings:
        yield from _finding_lines(checked, finding)
    for each in judgement.undecidable:
        yield 2, Text().append("undecided ", style="yellow").append(f"{_safe(each.rule)}  {_safe(words.where(each.statement))}")
        yield 4, _labelled("what", each.construct)
        yield 4, _labelled("why", each.because)
    if checked.whole is not None:
        yield 2, Text().append("remedy ", style="bold").append(words.remedy(checked.whole.remedy))
        if not checked.whole.patch:
            yield from _diff_lines(words.remedy_diff(checked))
        for hint in checked.whole.patch:
            yield 4, _labelled("patch", words.patch_place(hint))
            yield from _diff_lines(words.patch_diff(checked, hint))


def _diff_lines(lines: list[str]) -> Iterator[tuple[int, Text]]:
    for line in lines:
        yield 4, Text(_safe_source(line), style={"+": "green", "-": "red"}.get(line[:1], "dim"))


def _finding_lines(checked: Checked, finding: Finding) -> Iterator[tuple[int, Text]]:
    head = Text().append(f"{finding.severity} ", style=_SEVERITY_STYLES[finding.severity])
    head.append(f"{_safe(finding.rule)}  ", style="bold").append(f"{_safe(words.where(finding.statement))}: {_safe(finding.title)}")
    yield 2, head
    yield 4, _labelled("why", finding.because)
    proof, waiver = words.witness(finding), words.waiver(finding)
    if proof is not None:
        yield 4, _labelled("witness", proof)
    if waiver is not None:
        yield 4, _labelled("waiver", waiver)
    own = words.own_remedy_if_another(checked, finding)
    if own is not None:
        yield 4, _labelled("alone", own)
    yield 4, _labelled("page", words.page(finding.rule))


def _labelled(label: str, text: str) -> Text:
    return Text().append(label.ljust(_LABEL_WIDTH + 1), style="dim").append(_safe(text))


def _safe(text: str) -> str:
    return for_terminal(text)


def _safe_source(line: str) -> str:
    r"""A line of JSON or YAML: its own backslashes stay single, so that it can be copied; `\u202e` means the same to both."""
    return for_terminal(line).replace("\\\\", "\\")
