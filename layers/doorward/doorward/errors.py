"""Failures, sorted by what the caller does next. A decision is a value; only these are exceptions."""

import traceback


class DoorwardError(Exception):
    """One sentence for a person: what is wrong, where, and what to do about it."""


class MalformedInput(DoorwardError):  # noqa: N818 - named after the caller's next move, not after Python's habit
    """The input can never be used: record the reason and put it aside. Trying again changes nothing."""


class Conflict(DoorwardError):  # noqa: N818
    """The world changed since it was read: read again, decide again."""


class Unavailable(DoorwardError):  # noqa: N818
    """Something that usually answers did not: wait and try again."""


class Throttled(Unavailable):
    """AWS refuses calls for their number, of us and of everybody else in that account: leave it alone for a while."""


class Misconfigured(DoorwardError):  # noqa: N818
    """The installation lacks a permission, a role or a setting: only its operator can mend that."""


def where_of(error: BaseException) -> str:
    """`file:line` of what raised it: all of a bug that may be logged, since what it says may hold what somebody sent."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{where.filename}:{where.lineno}"
