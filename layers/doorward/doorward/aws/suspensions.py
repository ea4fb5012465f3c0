"""Accounts from which identity is suspended, and decisions by Slack where they are.

Ledger table, `pk` / `sk`:

    SUSPENDED                 <account id> or slack   change, by, because, at; `ended_by` once a person has ended it

The item stays when it is ended, so that the same change, delivered once more, or an older one that comes late, suspends nothing again.
Another of the same second does: it may be the later one.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from doorward.aws.errors import condition_held, translated
from doorward.people.model import Suspension

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SUSPENDED: Final = "SUSPENDED"


class DynamoSuspensions:
    """The Suspensions port."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def suspend(self, suspension: Suspension) -> bool:
        texts = {"change": suspension.change, "by": suspension.by, "because": suspension.because, "at": suspension.at.isoformat()}
        return condition_held(
            f"suspending {suspension.scope}",
            lambda: self._dynamodb.put_item(
                TableName=self._table,
                Item={**_key(suspension.scope), **{name: {"S": text} for name, text in texts.items()}},
                ConditionExpression="attribute_not_exists(pk) OR (#change < :after_that_second AND #change <> :change)",
                ExpressionAttributeNames={"#change": "change"},
                ExpressionAttributeValues={
                    ":change": {"S": suspension.change},
                    ":after_that_second": {"S": f"{suspension.change.partition(' ')[0]}!"},  # the first text after a space
                },
            ),
        )

    def last(self, scope: str) -> Suspension | None:
        with translated(f"reading whether {scope} is suspended"):
            item = self._dynamodb.get_item(TableName=self._table, Key=_key(scope), ConsistentRead=True).get("Item")
        return None if item is None else _suspension(scope, item)

    def of(self, scope: str) -> Suspension | None:
        last = self.last(scope)
        return last if last is not None and last.stands else None


def _key(scope: str) -> dict[str, Any]:
    return {"pk": {"S": SUSPENDED}, "sk": {"S": scope}}


def _suspension(scope: str, item: Mapping[str, Any]) -> Suspension:
    """Somebody may have written it by hand: what cannot be read suspends, and says so."""
    ended_by = item.get("ended_by", {}).get("S", "")
    try:
        at = datetime.fromisoformat(item["at"]["S"])
        return Suspension(scope, item["change"]["S"], item["by"]["S"], item["because"]["S"], at, ended_by)
    except (KeyError, ValueError):
        because = "the suspension was written in a form that cannot be read; write it anew"
        return Suspension(scope, "", "somebody", because, datetime.now(UTC), ended_by)
