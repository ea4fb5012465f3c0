"""How the page and its files put things. Nothing is escaped here."""

from datetime import UTC, datetime
from typing import NamedTuple

from local.snapshot import ShownCase

_REMEDIES = {
    "drop": "took out the statement, or the part of it, that let them in",
    "deny": "added a statement that denies it",
    "tighten": "narrowed its condition to whom you trust",
    "restore": "put the accepted policy back",
    "quarantine": "lets nobody in until a person has looked",
}


class Words(NamedTuple):
    tone: str
    """`good`, `open`, `bad` or `quiet`: a class of the style sheet."""
    text: str


def status_words(case: ShownCase) -> Words:
    if case.failed_because is not None:
        return Words("bad", "Could not be closed")
    match case.status, case.action:
        case "remedied", _:
            return Words("good", "Closed" if case.seconds is None else f"Closed after {duration(case.seconds)}")
        case "ended", _:
            return Words("quiet", "Over, not by Doorward")
        case "intended", _:
            return Words("open", "Being closed")
        case _, "observe":
            return Words("quiet", "Open, only recorded")
        case _, "ask":
            return Words("open", "Open, a person decides")
        case _, "write":
            return Words("open", "Open, about to be closed")
    return Words("open", "Open, people were told")


def remedy_words(kind: str) -> str:
    says = _REMEDIES.get(kind)
    return kind if says is None else f"{kind}: {says}"


def duration(seconds: float) -> str:
    return f"{seconds:.1f} s"


def at_text(time: datetime) -> str:
    """The moment in UTC, without saying so: a heading does."""
    return time.astimezone(UTC).strftime("%d %b %Y, %H:%M:%S")


def counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
