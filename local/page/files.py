"""What the page shows, to take along: findings as CSV, and a summary as Markdown."""

import itertools
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from doorward.findings.escaping import for_csv, for_markdown, for_plain_text
from local.page.words import at_text, duration, status_words
from local.snapshot import ShownCase, Snapshot

COLUMNS: Final = (
    "finding_id",
    "role_ref",
    "account_name",
    "severity",
    "rules",
    "status",
    "opened_at",
    "closed_at",
    "seconds",
    "remedy",
    "because",
    "actor",
    "event_name",
    "witness",
)
_SHORTEST_FENCE: Final = 3


def findings_csv(snapshot: Snapshot) -> str:
    """RFC 4180, a header line first; times as ISO 8601 in UTC; empty where there is nothing to say."""
    rows = [COLUMNS, *(_row(case) for case in snapshot.cases)]
    return "".join(",".join(for_csv(cell) for cell in row) + "\r\n" for row in rows)


def _row(case: ShownCase) -> Sequence[str]:
    return (
        case.finding_id,
        case.role_ref,
        case.account_name or "",
        case.severity,
        " ".join(each.rule for each in case.rules),
        case.status,
        _iso(case.opened_at),
        _iso(case.closed_at),
        "" if case.seconds is None else f"{case.seconds:g}",
        case.remedy_kind or "",
        case.failed_because or case.because,
        case.actor,
        case.event_name,
        case.witness or "",
    )


def _iso(time: datetime | None) -> str:
    return "" if time is None else time.isoformat(timespec="milliseconds")


def summary_markdown(snapshot: Snapshot) -> str:
    """For a pull request or a job's summary on GitHub."""
    return "\n".join(_lines(snapshot)) + "\n"


def _lines(snapshot: Snapshot) -> Iterable[str]:
    yield from ("# Doorward on the local stack", "", f"As of {at_text(snapshot.taken_at)} UTC.", "")
    slowest = snapshot.slowest_seconds
    yield from (
        f"- {len(snapshot.events)} events looked at",
        f"- {len(snapshot.cases)} findings: {snapshot.put_back} closed, {snapshot.open_cases} open"
        + (f"; the slowest was closed after {duration(slowest)}" if slowest is not None else ""),
        f"- {len(snapshot.alerts)} alerts",
        f"- {len(snapshot.messages)} Slack messages",
        f"- {len(snapshot.dead_letters) + snapshot.more_letters} dead letters",
    )
    yield from ("", "## Findings", "")
    if not snapshot.cases:
        yield "None."
    for case in snapshot.cases:
        yield from _case_lines(case)
    yield from ("", "## Alerts", "")
    yield from _table(
        ("Time (UTC)", "Severity", "Detection", "About", "Because", "What to do"),
        ((at_text(each.at), each.severity, each.detection, each.about, each.because, each.what_to_do) for each in snapshot.alerts),
    )
    yield from ("", "## Events", "")
    yield from _table(
        ("Time (UTC)", "Account", "Event", "Role", "Outcome", "Because"),
        (
            (at_text(each.time), each.account_name or each.account_id, each.event_name, each.role_ref or "-", each.outcome, each.because)
            for each in snapshot.events
        ),
    )
    yield from ("", "## Dead letters", "")
    yield from _table(("Queue", "Reason"), ((each.queue, each.reason) for each in snapshot.dead_letters))


def _case_lines(case: ShownCase) -> Iterable[str]:
    yield from (f"### {for_markdown(case.role_ref)}: {for_markdown(status_words(case).text)}", "")
    yield from (f"- **{for_markdown(each.severity)} {for_markdown(each.rule)}**: {for_markdown(each.because)}" for each in case.rules)
    if case.witness is not None:
        yield f"- Proof: {for_markdown(case.witness)}"
    yield f"- Changed by {for_markdown(case.actor)} ({for_markdown(case.event_name)})"
    yield f"- {for_markdown(case.failed_because or case.because)}"
    if case.diff:
        lines = [for_plain_text(line) for line in case.diff]
        fence = "`" * max(_SHORTEST_FENCE, 1 + max((len(run) for line in lines for run in re.findall("`+", line)), default=0))
        yield from ("", f"{fence}diff", *lines, fence)
    yield ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    filled = iter(rows)
    first = next(filled, None)
    if first is None:
        yield "None."
        return
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(for_markdown(cell) for cell in row)} |" for row in itertools.chain([first], filled))
