"""What was not told one by one, told together: the daily digest of what is less severe, and how much a channel was spared in a minute.

The JSON is a contract: docs/schemas/doorward.notices.1.json.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from doorward.findings.model import Severity
from doorward.values import NamedTuple

FORMAT: Final = "doorward.notices/1"
DETAIL_TYPE: Final = "NoticesGathered"
_MOST_LINES: Final = 30
_MOST_PLACES: Final = 3
_SEE: Final = "`doorward findings list` shows what stands."


class Why(StrEnum):
    DIGEST = "digest"
    HELD = "held-back"


class Kept(NamedTuple):
    """One announcement that one channel was not told of singly. `what`: rules or a detection; `where`: a role or an account."""

    channel: str
    announcement_id: str
    severity: Severity
    what: str
    where: str
    at: datetime


def gathered_as_json(why: Why, kept: Sequence[Kept]) -> dict[str, Any]:
    """`kept` is of one channel, and not empty; the worst come first, then those that there are most of."""
    places: dict[tuple[Severity, str], Counter[str]] = {}
    for each in kept:
        places.setdefault((each.severity, each.what), Counter())[each.where] += 1
    rows = sorted(places.items(), key=lambda row: (-row[0][0].rank, -row[1].total(), row[0][1]))
    return {
        "format": FORMAT,
        "why": str(why),
        "severity": str(max((each.severity for each in kept), key=lambda severity: severity.rank)),
        "count": len(kept),
        "from": min(each.at for each in kept).isoformat(),
        "until": max(each.at for each in kept).isoformat(),
        "notices": [
            {"severity": str(severity), "what": what, "count": where.total(), "where": sorted(where)[:_MOST_PLACES], "places": len(where)}
            for (severity, what), where in rows[:_MOST_LINES]
        ],
        "more": sum(where.total() for _, where in rows[_MOST_LINES:]),
    }


def gathered_in_words(detail: Mapping[str, Any], severities: Mapping[Severity, int]) -> tuple[str, tuple[str, ...]]:
    """A headline, and lines. `severities`: how many there were of each."""
    count = detail["count"]
    by_severity = ", ".join(f"{severities[each]} {each}" for each in Severity if severities.get(each))
    if detail["why"] == Why.HELD:
        headline = f"… {count} more {'was' if count == 1 else 'were'} held back ({by_severity}): doorward findings list"
    else:
        headline = f"Digest: {count} of less severity ({by_severity})"
    lines = [
        f"{each['severity']} {each['what']}: {each['count']} ({', '.join(each['where'])}{_more(each['places'] - len(each['where']))})"
        for each in detail["notices"]
    ]
    if detail["more"]:
        lines.append(f"… and {detail['more']} more")
    return headline, (f"From {_time(detail['from'])} until {_time(detail['until'])} UTC.", *lines, _SEE)


def _more(count: int) -> str:
    return f" and {count} more" if count else ""


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}"
