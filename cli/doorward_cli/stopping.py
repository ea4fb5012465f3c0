"""`doorward kill-switch`: stop Doorward's writes, and let them go on, in the hub's ledger with the current credentials.

The key is that of doorward/aws/brakes.py (a test compares by reading with that). The table's stream has everybody told.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.text import Text

from doorward.errors import MalformedInput
from doorward.findings.escaping import for_terminal
from doorward.guardrails.rules import ALL_RULES
from doorward_cli.hub import LedgerTable, failing_clearly
from doorward_cli.tables import print_lines

_ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stopped:
    """`until` "": until somebody ends it."""

    scope: str
    by: str
    because: str
    at: str
    until: str = ""


def scope_of(account: str | None, rule: str | None) -> str:
    """As doorward/guardrails/brakes.py writes it; of neither, the organization. Raises MalformedInput."""
    if account is not None and rule is not None:
        raise MalformedInput("--account and --rule: one of them, or neither for the whole organization")
    if account is not None:
        if not _ACCOUNT.fullmatch(account):
            raise MalformedInput(f"--account {account}: must be 12 digits")
        return f"account {account}"
    if rule is not None:
        if rule not in ALL_RULES and not rule.startswith("custom-"):
            raise MalformedInput(f"--rule {rule}: there is no such rule; `docs/rules` lists them")
        return f"rule {rule}"
    return "organization"


def stop(scope: str, reason: str, until: datetime | None, stack: str) -> Stopped:
    """Raises Unavailable, Misconfigured."""
    with _table(stack) as table:
        stopped = Stopped(scope, table.caller(), reason, datetime.now(UTC).isoformat(), "" if until is None else until.isoformat())
        table.put(stopped)
    return stopped


def go_on(scope: str, stack: str) -> bool:
    """False where nothing was stopped for this. Raises Unavailable, Misconfigured."""
    with _table(stack) as table:
        return table.delete(scope)


def stopped_now(stack: str) -> tuple[Stopped, ...]:
    """Raises Unavailable, Misconfigured."""
    with _table(stack) as table:
        return table.all()


def print_table(stops: Sequence[Stopped]) -> None:
    print_lines(_lines(stops))


def _lines(stops: Sequence[Stopped]) -> Iterator[tuple[int, Text]]:
    for each in stops:
        until = f"until {each.until}" if each.until else "until somebody ends it"
        yield 0, Text().append("stopped  ", style="bold red").append(for_terminal(f"{each.scope}, {until}"))
        yield 2, Text(for_terminal(f"by {each.by} at {each.at}: {each.because}"))
    if not stops:
        yield 0, Text("Nothing is stopped: Doorward writes where its modes say so.", style="green")


@contextmanager
def _table(stack: str) -> Iterator["_Table"]:
    table = _Table(stack)
    with failing_clearly(f"the kill switch in {table.name}", "dynamodb:PutItem, DeleteItem and Query on the hub's ledger"):
        yield table


class _Table(LedgerTable):
    def put(self, stopped: Stopped) -> None:
        item = {"by": stopped.by, "because": stopped.because, "at": stopped.at, **({"until": stopped.until} if stopped.until else {})}
        self.dynamodb.put_item(TableName=self.name, Item={**_key(stopped.scope), **{name: {"S": text} for name, text in item.items()}})

    def delete(self, scope: str) -> bool:
        return "Attributes" in self.dynamodb.delete_item(TableName=self.name, Key=_key(scope), ReturnValues="ALL_OLD")

    def all(self) -> tuple[Stopped, ...]:
        return tuple(Stopped(each["sk"], each["by"], each["because"], each["at"], each.get("until", "")) for each in self.partition("STOP"))


def _key(scope: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": "STOP"}, "sk": {"S": scope}}
