"""`doorward suspensions`: which are in force, and the end of one, in the hub's ledger with the current credentials.

By no other way: from an account whose identity is suspended nobody is recognized. The key is that of doorward/aws/suspensions.py (a test
compares by reading with that). The table's stream has everybody told.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.text import Text

from doorward.errors import Unavailable
from doorward.findings.escaping import for_terminal
from doorward_cli.hub import LedgerTable, failing_clearly
from doorward_cli.tables import print_lines


@dataclass(frozen=True, slots=True)
class Standing:
    """A suspension that nobody has ended. `change`: what tells it from a later one of the same scope, "" where it cannot be read."""

    scope: str
    change: str
    because: str
    at: str


def standing(stack: str) -> tuple[Standing, ...]:
    """Raises Unavailable, Misconfigured."""
    with _table(stack) as table:
        items = table.partition("SUSPENDED")
    return tuple(
        Standing(each["sk"], each.get("change", ""), each.get("because", "it cannot be read"), each.get("at", "an unknown time"))
        for each in items
        if not each.get("ended_by")
    )


def end(suspension: Standing, stack: str) -> None:
    """None that came since. Raises Unavailable, also where one did; Misconfigured."""
    condition, seen = (
        ("#change = :seen", {":seen": {"S": suspension.change}}) if suspension.change else ("attribute_not_exists(#change)", {})
    )
    with _table(stack) as table:
        try:
            table.dynamodb.update_item(
                TableName=table.name,
                Key={"pk": {"S": "SUSPENDED"}, "sk": {"S": suspension.scope}},
                UpdateExpression="SET ended_by = :me",
                ConditionExpression=condition,
                ExpressionAttributeNames={"#change": "change"},
                ExpressionAttributeValues={":me": {"S": table.caller()}, **seen},
            )
        except table.dynamodb.exceptions.ConditionalCheckFailedException:
            raise Unavailable(f"{suspension.scope} was suspended anew meanwhile; look at it again: `doorward suspensions list`") from None


def print_table(suspensions: Sequence[Standing]) -> None:
    print_lines(_lines(suspensions))


def _lines(suspensions: Sequence[Standing]) -> Iterator[tuple[int, Text]]:
    for each in suspensions:
        what = "decisions by Slack" if each.scope == "slack" else f"identity from account {each.scope}"
        yield 0, Text().append("suspended  ", style="bold red").append(for_terminal(f"{what}, since {each.at}"))
        yield 2, Text(for_terminal(each.because))
    if not suspensions:
        yield 0, Text("Nothing is suspended.", style="green")


@contextmanager
def _table(stack: str) -> Iterator[LedgerTable]:
    table = LedgerTable(stack)
    with failing_clearly(f"suspensions in {table.name}", "dynamodb:Query and UpdateItem on the hub's ledger"):
        yield table
