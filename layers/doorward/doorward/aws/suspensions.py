"""Accounts from which identity is suspended.

Ledger table, `pk` / `sk`:

    SUSPENDED                 <account id>   change, by, because, at; `ended_by` once a person has ended it

The item stays when it is ended, so that the same change, delivered once more, or an older one that comes late, suspends nothing again.
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
            f"suspending identity from account {suspension.account_id}",
            lambda: self._dynamodb.put_item(
                TableName=self._table,
                Item={**_key(suspension.account_id), **{name: {"S": text} for name, text in texts.items()}},
                ConditionExpression="attribute_not_exists(pk) OR #change < :change",
                ExpressionAttributeNames={"#change": "change"},
                ExpressionAttributeValues={":change": {"S": suspension.change}},
            ),
        )

    def of(self, account_id: str) -> Suspension | None:
        with translated(f"reading whether identity from account {account_id} is suspended"):
            item = self._dynamodb.get_item(TableName=self._table, Key=_key(account_id), ConsistentRead=True).get("Item")
        return None if item is None or item.get("ended_by", {}).get("S") else _suspension(account_id, item)


def _key(account_id: str) -> dict[str, Any]:
    return {"pk": {"S": SUSPENDED}, "sk": {"S": account_id}}


def _suspension(account_id: str, item: Mapping[str, Any]) -> Suspension:
    """Somebody may have written it by hand: what cannot be read suspends, and says so."""
    try:
        return Suspension(account_id, item["change"]["S"], item["by"]["S"], item["because"]["S"], datetime.fromisoformat(item["at"]["S"]))
    except (KeyError, ValueError):
        because = "the suspension was written in a form that cannot be read; write it anew"
        return Suspension(account_id, "", "somebody", because, datetime.now(UTC))
