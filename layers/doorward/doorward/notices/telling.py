"""How one announcement is told in one channel: read from the top.

| told here before of this object    | of its group              | it                                   | is told                     |
|------------------------------------|---------------------------|--------------------------------------|-----------------------------|
| yes                                |                           | asks people to act                   | aloud                       |
| yes, longer ago than the window    |                           | is found anew                        | aloud                       |
| yes                                |                           | is what came of it                   | in the thread               |
| yes, where there are no threads    |                           | is what came of something told alone | by a message                |
| yes, where there are no threads    |                           | is what came of something counted    | not: it is counted          |
| no                                 |                           | is less severe than the digest's end | in the digest               |
| no                                 | none, or its window ended | is the first of its group            | by a message                |
| no                                 | it is open                | asks people to act                   | aloud                       |
| no                                 | it is open                | is worse than what was told aloud    | aloud                       |
| no                                 | it is open                | is the tenth, hundredth, …           | aloud                       |
| no                                 | it is open                | is another                           | in the thread, else counted |

That a question about a grant is not open any more, and that a grant is approved which begins at once, cards alone show: what becomes of
it is told within seconds.

Asking people to act (and so in no digest, and never held back): a door that stays open, a write that failed, a decision that is awaited or
was not carried out, a grant that cannot be ended, and whatever critical is found. An object is a finding, a grant or a question. A group
is of one rule (or rules, or detection), one role, one principal; a grant is a group of its own. Aloud: in the thread of the group and in
the channel at once; a message where there are no threads.

A message by itself, or aloud, that does not ask people to act is held back where the channel has had as many as it may in this minute:
then it goes into the thread if it has one, else it is counted for the note that says so.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from doorward.decisions.model import GRANT
from doorward.findings.model import Severity
from doorward.values import NamedTuple

WHAT_CAME_OF_IT: Final = frozenset(
    {
        "TrustPolicyReverted",
        "TrustAccessGivenBack",
        "TrustRemedyVerified",
        "TrustViolationEnded",
        "GuardProblemEnded",
        "DecisionMade",
        "DecisionCarriedOut",
        "GrantApproved",
        "GrantStarted",
        "GrantEnded",
        "GrantRefused",
        "GrantExpired",
        "GrantCancelled",
        "GrantRevoked",
    }
)
"""Types of events about an object that was told of before; all others tell of something new."""
_ASKS: Final = frozenset({"TrustRemedyFailed", "GrantEndFailed", "DecisionAwaited", "DecisionWithdrawn", "DecisionExpired"})


class Way(StrEnum):
    """`alone`: a message, in whose thread others go. `aloud`: see above. `counted`: not sent. `digest`, `held`: sent with others, later.

    `card`: shown by messages that were sent before.
    """

    ALONE = "alone"
    ALOUD = "aloud"
    THREAD = "thread"
    COUNTED = "counted"
    DIGEST = "digest"
    HELD = "held"
    CARD = "card"


class Notice(NamedTuple):
    """What counts of an announcement. `group` is a hash; `is_new`: it tells of something found; `asks`: people to act."""

    object_id: str
    group: str
    severity: Severity
    is_new: bool
    asks: bool


class Place(NamedTuple):
    """Where an object was told of in a channel. `thread` "": there are none. `counted`: it was not sent there. `since` is aware."""

    thread: str
    since: datetime
    counted: bool = False


class Group(NamedTuple):
    """A group whose window is open. `opens`: the announcement whose message begins its thread; `thread`, once it was sent, is that.

    `size`: how many different objects so far. `told_size`, `told_severity`: what it and the worst were when it was told aloud last.
    """

    opened_at: datetime
    opens: str
    size: int
    is_open: bool = False
    thread: str = ""
    told_size: int = 1
    told_severity: int = 0


def notice_of(announcement_id: str, detail_type: str, detail: Mapping[str, Any]) -> Notice:
    """Of the detail of an event on our bus. What names no severity counts as critical: rather too loud than lost."""
    named = detail.get("severity") or (None if detail_type in _ASKS else detail.get("risk"))
    severity = Severity(named) if named in list(Severity) else Severity.CRITICAL
    is_new = detail_type not in WHAT_CAME_OF_IT
    asks = bool(detail.get("door_open")) or detail_type in _ASKS or detail.get("action") == "ask"
    return Notice(
        object_of(detail) or announcement_id,
        _group_of(detail_type, detail),
        severity,
        is_new,
        is_new and (asks or severity is Severity.CRITICAL),
    )


def object_of(detail: Mapping[str, Any]) -> str:
    """The finding or the grant, or the question where that is about neither; "" where it is none of them."""
    own = detail.get("finding_id") or detail.get("grant_id")
    if own:
        return str(own)
    kind, _, about = str(detail.get("about", "")).partition(" ")
    return about if kind in {"finding", "grant"} else str(detail.get("question_id", ""))


def is_shown_by_cards_alone(detail_type: str, detail: Mapping[str, Any]) -> bool:
    """What is told next says what came of it."""
    if detail_type == "GrantApproved":
        return not detail.get("wanted_start")
    return detail.get("what") == GRANT and detail.get("state") != "open"


def what_of(detail_type: str, detail: Mapping[str, Any]) -> str:
    """The rules or the detection that it is about, else what was decided, else the kind of event. Of a grant its template."""
    if detail.get("grant_id"):
        return f"grant of {detail.get('template')}"
    rules = {str(each.get("rule")) for part in ("findings", "undecidable") for each in detail.get(part) or ()}
    return ", ".join(sorted(rules)) or str(detail.get("detection") or detail.get("what") or detail_type)


def where_of(detail: Mapping[str, Any]) -> str:
    """The role, else the account."""
    return str(detail.get("role_ref") or detail.get("role") or (detail.get("account") or {}).get("id"))


def _group_of(detail_type: str, detail: Mapping[str, Any]) -> str:
    principal = detail.get("principal") or (detail.get("actor") or {}).get("arn")
    if detail.get("grant_id") or detail.get("what") == GRANT:
        principal = object_of(detail)
    key = json.dumps([what_of(detail_type, detail), where_of(detail), principal])
    return sha256(key.encode()).hexdigest()[:20]


def goes_into_digest(notice: Notice, digest_below: Severity) -> bool:
    """Of an object that is new to this channel."""
    return not notice.asks and notice.severity.rank < digest_below.rank


def way_of(notice: Notice, place: Place, now: datetime, window: timedelta, *, threads: bool) -> Way:
    """For an object that was told of in this channel. `threads`: whether the channel has any."""
    if notice.asks or (notice.is_new and place.since + window <= now):
        return Way.ALOUD
    if threads and place.thread:
        return Way.THREAD
    return Way.COUNTED if place.counted else Way.ALONE


def way_in_group(announcement_id: str, notice: Notice, group: Group, *, threads: bool) -> Way | None:
    """For an object that is new to this channel. None: whoever opens the group has not yet, and it may be about the same object."""
    if not group.is_open:
        return Way.ALONE if group.opens == announcement_id else None
    if notice.asks or notice.severity.rank > group.told_severity or _magnitude(group.size) > _magnitude(group.told_size):
        return Way.ALOUD
    return Way.THREAD if threads else Way.COUNTED


def held_back(way: Way, notice: Notice, spent: int, most: int, *, threads: bool) -> Way:
    """Of an object that is new to this channel. `spent`: of the messages that the channel may have in this minute, this one included."""
    if notice.asks or way not in {Way.ALONE, Way.ALOUD} or spent <= most:
        return way
    return Way.THREAD if way is Way.ALOUD and threads else Way.HELD


def _magnitude(count: int) -> int:
    """0 below ten, 1 below a hundred, and so on."""
    return len(str(count)) - 1
