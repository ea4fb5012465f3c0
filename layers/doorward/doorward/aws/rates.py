"""Calls of the API are counted by caller and minute of the clock, UTC.

Ledger table, `pk` / `sk`:
    RATE#<who>#<minute>   RATE   calls
"""

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from doorward.aws.errors import translated
from doorward.ports.clock import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEEP: Final = timedelta(hours=1)


class DynamoRates:
    """The Rates port."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def count(self, who: str) -> int:
        now = self._clock.now()
        with translated("counting a call of the API"):
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key={"pk": {"S": f"RATE#{who}#{now.astimezone(UTC):%Y-%m-%dT%H:%M}"}, "sk": {"S": "RATE"}},
                UpdateExpression="ADD calls :one SET #ttl = :ttl",
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={":one": {"N": "1"}, ":ttl": {"N": str(int((now + _KEEP).timestamp()))}},
                ReturnValues="UPDATED_NEW",
            )
        return int(answer["Attributes"]["calls"]["N"])
