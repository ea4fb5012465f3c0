"""One chain an object: each item holds the hash of the one before, so that none can be changed, taken out or put in between.

The chain alone does not notice that its end is gone, or that it was made anew from some item on. The roots do (roots.py).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from doorward.errors import MalformedInput
from doorward.events.redaction import LARGEST, redacted, within
from doorward.values import NamedTuple

ITEM: Final = "doorward.audit-item/1"
LONGEST_CHAIN: Final = 9_999_999_999
"""Versions of one object, as many digits as a stored version has."""
WRITTEN: Final = "Find in CloudTrail's data events who wrote to the audit table, and keep its backups."
RESTORE: Final = "Restore the audit table, to a time before this, beside the one in use; compare both, and find in CloudTrail who wrote."


class AuditItem(NamedTuple):
    """`what` is a stable word; `by` the id of a person or a machine, and `via` the way by which he said it. `detail` is JSON text.

    `version` counts from 1. `prev_hash` is the hash of the version before, "" for the first. Hashed is the text of `detail` as it is kept.
    """

    object_id: str
    version: int
    what: str
    by: str
    via: str
    at: datetime
    detail: str
    prev_hash: str


class Head(NamedTuple):
    """Where a chain ends. Version 0: nothing has happened to this object yet."""

    object_id: str
    version: int = 0
    hash: str = ""


class Fault(NamedTuple):
    """`kind` is a stable word. `where`, `what` is wrong there, and `cure`, what to do: for a person."""

    kind: str
    where: str
    what: str
    cure: str


def next_item(head: Head, *, what: str, by: str, via: str, at: datetime, detail: Mapping[str, Any]) -> AuditItem:
    """The item that follows. `at` is aware. Credentials in `detail` are taken out, and what is too long for an item is cut."""
    text = within(redacted(detail), LARGEST)
    return AuditItem(head.object_id, head.version + 1, what, by, via, at.astimezone(UTC), text, head.hash)


def head_of(item: AuditItem) -> Head:
    return Head(item.object_id, item.version, hash_of(item))


def hash_of(item: AuditItem) -> str:
    """SHA-256 in hex digits."""
    return sha256(canonical({"format": ITEM, **item._asdict(), "at": text_of(item.at)}).encode()).hexdigest()


def canonical(value: Any) -> str:
    """The one JSON text of a value that has only texts, integers, lists and objects. ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def text_of(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def time_of(text: str) -> datetime:
    """Of what `text_of` wrote, and of nothing else: a time that is hashed is spelled in one way. Raises MalformedInput."""
    try:
        at = datetime.fromisoformat(text)
        if text_of(at) == text:
            return at
    except (ValueError, OverflowError):
        pass
    raise MalformedInput(f"{text[:40]!r} is no time as Doorward writes it")


def verify_chain(items: Sequence[AuditItem]) -> tuple[Fault, ...]:
    """Of the items of one object, as they are kept, by version."""
    faults: list[Fault] = []
    before = Head(items[0].object_id) if items else None
    for item in items:
        assert before is not None  # noqa: S101 - for mypy: there is an item
        where = f"{item.object_id}, version {item.version}"
        if item.object_id != before.object_id:
            faults.append(Fault("item-misplaced", where, f"it lies among the items of {before.object_id}", WRITTEN))
        elif item.version <= before.version:
            faults.append(Fault("item-twice", where, f"it comes after version {before.version}", WRITTEN))
        elif item.version > before.version + 1:
            missing = f"version {before.version + 1}" + (f" to {item.version - 1}" if item.version > before.version + 2 else "")
            faults.append(Fault("item-missing", where, f"{missing} before it is not there", RESTORE))
        elif item.prev_hash != before.hash:
            what = f"it does not follow version {before.version}: one of the two was changed"
            faults.append(Fault("item-changed", where, what if before.version else "it follows something, and is the first", RESTORE))
        before = head_of(item)
    return tuple(faults)
