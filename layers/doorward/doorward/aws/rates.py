"""Calls of the API are counted by caller and minute of the clock, UTC; what he asks for, by the hour.

Ledger table, `pk` / `sk`:
    RATE#<who>#<minute or hour>   RATE   calls
"""

from collections.abc import Mapping
from datetime import UTC, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from doorward.aws.errors import translated
from doorward.ports.clock import Clock
from doorward.ports.rates import Span

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEEP: Final = timedelta(hours=1)
"""After the last of them, whatever the span: no shorter than the longest."""
_WRITTEN: Final[Mapping[Span, str]] = MappingProxyType({Span.MINUTE: "%Y-%m-%dT%H:%M", Span.HOUR: "%Y-%m-%dT%H"})


class DynamoRates:
    """The Rates port."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def count(self, who: str, span: Span = Span.MINUTE) -> int:
        now = self._clock.now()
        with translated("counting calls"):
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key={"pk": {"S": f"RATE#{who}#{now.astimezone(UTC).strftime(_WRITTEN[span])}"}, "sk": {"S": "RATE"}},
                UpdateExpression="ADD calls :one SET #ttl = :ttl",
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={":one": {"N": "1"}, ":ttl": {"N": str(int((now + _KEEP).timestamp()))}},
                ReturnValues="UPDATED_NEW",
            )
        return int(answer["Attributes"]["calls"]["N"])
