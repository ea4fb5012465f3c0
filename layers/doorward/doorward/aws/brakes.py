"""Stops that people set, and budgets.

Ledger table, `pk` / `sk`:

    STOP                      <scope>   by, because, at, until: set by a person; the table's stream has everybody told
    BUDGET#<name>#<hour>      BUDGET    spent: writes in that hour, UTC

A scope is written as doorward/guardrails/brakes.py has it: `organization`, `account 111122223333`, `rule external-account`, `role ...`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from doorward.aws.errors import translated
from doorward.errors import Unavailable
from doorward.guardrails.brakes import Brakes, Stop, hour_of, scopes_of
from doorward.ports.clock import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STOP: Final = "STOP"
_KEEP_BUDGETS: Final = timedelta(days=2)
_TRIES: Final = 5
_TRY_SECONDS: Final = 0.2


class DynamoBrakes:
    """The BrakesStore port."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def look(self, role_ref: str, rules: Sequence[str], budget: str) -> Brakes:
        """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html."""
        keys = [stop_key(each) for each in scopes_of(role_ref, rules)]
        left: Any = {self._table: {"Keys": [*keys, self._budget_key(budget)], "ConsistentRead": True}}
        stops: list[Stop] = []
        spent = 0
        for _ in range(_TRIES):
            with translated("reading what keeps from writing"):
                answer = self._dynamodb.batch_get_item(RequestItems=left)
            for item in answer["Responses"].get(self._table, []):
                if item["pk"]["S"] == STOP:
                    stops.append(_stop(item))
                else:
                    spent = int(item["spent"]["N"])
            left = answer.get("UnprocessedKeys")
            if not left:
                return Brakes(tuple(stops), spent)
            self._clock.sleep(_TRY_SECONDS)
        raise Unavailable("reading what keeps from writing: DynamoDB gives no more; trying again later")

    def spend(self, budget: str) -> None:
        with translated("counting a write"):
            self._dynamodb.update_item(
                TableName=self._table,
                Key=self._budget_key(budget),
                UpdateExpression="ADD spent :one SET #ttl = :ttl",
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={":one": {"N": "1"}, ":ttl": {"N": str(int((self._clock.now() + _KEEP_BUDGETS).timestamp()))}},
            )

    def stop(self, scope: str) -> Stop | None:
        with translated(f"reading what is stopped for {scope}"):
            item = self._dynamodb.get_item(TableName=self._table, Key=stop_key(scope), ConsistentRead=True).get("Item")
        return None if item is None else _stop(item)

    def _budget_key(self, budget: str) -> dict[str, Any]:
        return {"pk": {"S": f"BUDGET#{budget}#{hour_of(self._clock.now())}"}, "sk": {"S": "BUDGET"}}


def stop_key(scope: str) -> dict[str, Any]:
    return {"pk": {"S": STOP}, "sk": {"S": scope}}


def _stop(item: Mapping[str, Any]) -> Stop:
    """Somebody may have written it by hand: what cannot be read stops for ever, and says so."""
    scope = item["sk"]["S"]
    try:
        text = {name: item[name]["S"] for name in ("by", "because", "at", "until") if name in item}
        until = datetime.fromisoformat(text["until"]) if "until" in text else None
        return Stop(scope, text["by"], text["because"], datetime.fromisoformat(text["at"]), until)
    except (KeyError, ValueError):
        return Stop(scope, "somebody", "the kill switch was written in a form that cannot be read; write it anew", datetime.now(UTC))
