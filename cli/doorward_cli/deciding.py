"""`doorward findings`: what stands, what is proposed, and what people say to it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import IO, Any
from urllib.parse import quote

from rich.text import Text

from doorward.findings.escaping import for_terminal
from doorward.findings.wording import witness_in_words
from doorward_cli.api import Api, every
from doorward_cli.tables import print_lines

_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow"}


def every_finding(api: Api, *, with_dismissed: bool = False) -> list[dict[str, Any]]:
    """All pages. Raises Refused, Unavailable, Misconfigured."""
    return list(every(api, "/findings", "findings", **({"all": "true"} if with_dismissed else {})))


def one_finding(api: Api, finding_id: str) -> dict[str, Any]:
    """Raises Refused, Unavailable, Misconfigured."""
    found: dict[str, Any] = api.call("GET", f"/findings/{finding_id}")
    return found


def say(api: Api, finding: Mapping[str, Any], what: str, *, yes: bool, reason: str, until: datetime | None = None) -> dict[str, Any]:
    """About what was just shown. `until`: of a waiver. Raises Refused, Unavailable, Misconfigured."""
    shown = (finding["decisions"].get(what) or {}).get("shown", "0" * 64)
    body = {"answer": "yes" if yes else "no", "shown": shown, "reason": reason}
    if until is not None:
        body["until"] = until.isoformat()
    said: dict[str, Any] = api.call("POST", f"/findings/{finding['finding_id']}/{what}", body)
    return said


def hold(api: Api, role_ref: str, until: datetime, reason: str) -> dict[str, Any]:
    """Raises Refused, Unavailable, Misconfigured."""
    said: dict[str, Any] = api.call("POST", "/roles/hold", {"role": role_ref, "until": until.isoformat(), "reason": reason})
    return said


def shown_baseline(api: Api, role_ref: str) -> dict[str, Any]:
    """Raises Refused, Unavailable, Misconfigured."""
    shown: dict[str, Any] = api.call("GET", f"/roles/baseline?role={quote(role_ref, safe='')}")
    return shown


def accept(api: Api, shown: Mapping[str, Any], *, yes: bool, reason: str) -> dict[str, Any]:
    """About what was just shown. Raises Refused, Unavailable, Misconfigured."""
    body = {"role": shown["role_ref"], "answer": "yes" if yes else "no", "shown": shown["shown"], "reason": reason}
    said: dict[str, Any] = api.call("POST", "/roles/baseline", body)
    return said


def print_list(findings: list[dict[str, Any]]) -> None:
    print_lines(_list_lines(findings))


def print_finding(finding: Mapping[str, Any], stream: IO[str] | None = None) -> None:
    """`stream` None: standard output."""
    print_lines(_finding_lines(finding), stream)


def print_baseline(shown: Mapping[str, Any]) -> None:
    print_lines(_baseline_lines(shown))


def print_answer(said: Mapping[str, Any]) -> None:
    print_lines(_answer_lines(said))


def _list_lines(findings: list[dict[str, Any]]) -> Iterator[tuple[int, Text]]:
    for each in findings:
        style = _STYLES.get(each["severity"], "")
        yield 0, Text().append(f"{each['severity']:<9}", style=style).append(_safe(f"{each['finding_id']}  {each['role_ref']}"))
        hidden = "dismissed; " if each["dismissed"] else ""
        yield 2, Text(_safe(f"{hidden}{each['action']}: {', '.join(each['rules'])}; since {each['opened_at'][:16]}"), style="dim")
    if not findings:
        yield 0, Text("No finding stands.", style="green")


def _finding_lines(finding: Mapping[str, Any]) -> Iterator[tuple[int, Text]]:
    style = _STYLES.get(finding["severity"], "")
    yield 0, Text().append(f"{finding['severity']:<9}", style=style).append(_safe(f"{finding['role_ref']}: {finding['because']}"))
    for each in finding["findings"]:
        yield 2, Text(_safe(f"{each['severity']} {each['rule']}: {each['because']}"))
        if each.get("witness"):
            yield 4, Text(_safe(f"proof  {witness_in_words(each['witness'])}"), style="dim")
    actor, event = finding.get("actor") or {}, finding.get("event") or {}
    yield 2, Text(_safe(f"changed by {actor.get('arn') or actor.get('kind')} ({event.get('name')} at {event.get('time')})"))
    if finding.get("use"):
        yield 2, Text(_safe(finding["use"]))
    proposal, undo = finding.get("proposal"), finding.get("undo")
    if undo is not None:
        yield 2, Text(f"a remedy was written; undone for {undo['hours']} hours, this would be put back:", style="bold")
        yield from _diff_lines(undo["diff"])
    elif proposal is not None:
        yield 2, Text(_safe(f"proposed: {proposal['kind']}"), style="bold")
        yield from _diff_lines(proposal["diff"])
    else:
        yield 2, Text("no remedy is proved: mend the policy by hand")
    for what, decision in finding["decisions"].items():
        until = f" until {decision['until']}" if decision.get("until") else ""
        missing = f"; it takes {decision['missing']}" if decision["missing"] else ""
        yield 2, Text(_safe(f"{what}{until}: {decision['state']}{missing}"))


def _diff_lines(diff: list[str]) -> Iterator[tuple[int, Text]]:
    for line in diff:
        yield 4, Text(_safe(line), style={"+": "green", "-": "red"}.get(line[:1], "dim"))


def _baseline_lines(shown: Mapping[str, Any]) -> Iterator[tuple[int, Text]]:
    accepted = shown["accepted"]
    if accepted is None:
        yield 0, Text(_safe(f"{shown['role_ref']}: nothing is accepted, so nothing could be put back"), style="yellow")
    else:
        yield 0, Text(_safe(f"{shown['role_ref']}: accepted by {accepted['by']} at {accepted['at'][:16]}: {accepted['because']}"))
    if shown["is_accepted"]:
        yield 2, Text("what stands is what is accepted", style="green")
        return
    yield 2, Text("what stands differs:", style="bold")
    yield from _diff_lines(shown["diff"])
    missing = f"; it takes {shown['missing']}" if shown["missing"] else ""
    yield 2, Text(_safe(f"accept: {shown['state']}{missing}"))


def _answer_lines(said: Mapping[str, Any]) -> Iterator[tuple[int, Text]]:
    style = {"approved": "green", "refused": "red"}.get(said["state"], "yellow")
    yield 0, Text().append(f"{said['state']:<9}", style=style).append(_safe(f"{said['what']} {said['about']}: {said['title']}"))
    yield 2, Text(_safe(said["what_to_do"]))


def _safe(text: str) -> str:
    return for_terminal(text)
