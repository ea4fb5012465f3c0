"""What every command shares: exit statuses (main.py has their table), what is said on standard error, and options."""

import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from doorward.errors import MalformedInput

DONE, REPORTED, WRONG_INPUT, UNAVAILABLE, INTERRUPTED, READER_GONE = 0, 1, 2, 3, 130, 141

_ARN = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):role/(?:[!-~]{0,510}/)?([\w+=,.@-]{1,64})", re.ASCII)
_REF = re.compile(r"([0-9]{12})/([\w+=,.@-]{1,64})", re.ASCII)

FormatOption = Annotated[str, typer.Option("--format", metavar="table|json", help="How the result is printed.")]
ApiOption = Annotated[str | None, typer.Option("--api", metavar="URL", envvar="DOORWARD_API_URL", help="Doorward's API.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask once more.")]


class UsageFault(Exception):  # noqa: N818 - a fault of the call, told in one line
    """What, where, and what to do."""


def say(message: str, status: int) -> int:
    from doorward.findings.escaping import for_terminal

    try:
        sys.stderr.write(f"doorward: {for_terminal(message)}\n")
    except OSError:  # nobody reads it, and the status says it, too; Python would complain once more at exit, when it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    return status


def check_format(format_: str) -> None:
    if format_ not in {"table", "json"}:
        raise UsageFault(f"--format {format_}: must be table or json")


def answered[T](ask: Callable[[], T]) -> T:
    """Raises UsageFault where the API refused: it says why, and what to do."""
    from doorward_cli.api import Refused

    try:
        return ask()
    except Refused as error:
        raise UsageFault(str(error)) from None


def time_of(option: str, text: str | None) -> datetime | None:
    """Raises UsageFault for what is no time, is over, or lacks a time zone: nobody knows when that would be."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageFault(f"{option} {text}: must be a time, such as 2027-01-31T18:00:00+00:00") from None
    if time.tzinfo is None:
        raise UsageFault(f"{option} {text}: needs a time zone, such as Z or +01:00")
    if time <= datetime.now(UTC):
        raise UsageFault(f"{option} {text}: is over already")
    return time


def day_of(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageFault(f"{option} {text}: must be a day, such as 2027-01-31") from None


def role_ref_of(text: str) -> str:
    """`<account id>/<role name>` of an ARN, or of itself. Raises MalformedInput."""
    found = _ARN.fullmatch(text) or _REF.fullmatch(text)
    if found is None:
        raise MalformedInput(f"ROLE {text}: give the ARN of a role, or ACCOUNT/NAME such as 777788889999/payments")
    return f"{found[1]}/{found[2]}"
