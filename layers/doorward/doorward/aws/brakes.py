"""Stops that people set, and budgets.

Ledger table, `pk` / `sk`:

    STOP                      <scope>   by, because, at, until: set by a person; the table's stream has everybody told
                                        agreed (a number), signed: of a hold
    BUDGET#<name>#<hour>      BUDGET    spent: writes in that hour, UTC

A scope is written as doorward/guardrails/brakes.py has it: `organization`, `account 111122223333`, `rule external-account`, `role ...`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from doorward.aws.errors import translated
from doorward.aws.reading import read_many
from doorward.guardrails.brakes import Brakes, Stop, hour_of, scopes_of
from doorward.ports.clock import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STOP: Final = "STOP"
_KEEP_BUDGETS: Final = timedelta(days=2)
_TRIES: Final = 5


class DynamoBrakes:
    """The BrakesStore port."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def look(self, role_ref: str, rules: Sequence[str], budget: str) -> Brakes:
        keys = [*map(stop_key, scopes_of(role_ref, rules)), self._budget_key(budget)]
        doing = "reading what keeps from writing"
        items = list(read_many(self._dynamodb, self._clock, self._table, keys, doing, tries=_TRIES, consistent=True))
        stops = tuple(_stop(each) for each in items if each["pk"]["S"] == STOP)
        return Brakes(stops, sum(int(each["spent"]["N"]) for each in items if each["pk"]["S"] != STOP))

    def spend(self, budget: str) -> None:
        with translated("counting a write"):
            self._dynamodb.update_item(
                TableName=self._table,
                Key=self._budget_key(budget),
                UpdateExpression="ADD spent :one SET #ttl = :ttl",
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={":one": {"N": "1"}, ":ttl": {"N": str(int((self._clock.now() + _KEEP_BUDGETS).timestamp()))}},
            )

    def hold(self, stop: Stop) -> bool:
        stands = self._item(stop.scope)
        if stands is not None and _stop(stands) == stop:
            return True
        if stands is not None and not _stop(stands).gives_way_to(stop, self._clock.now()):
            return False
        texts = {"by": stop.by, "because": stop.because, "at": stop.at.isoformat()}
        texts |= {} if stop.until is None else {"until": stop.until.isoformat()}
        item: dict[str, Any] = {**stop_key(stop.scope), **{name: {"S": text} for name, text in texts.items()}}
        item |= {} if stop.agreed is None else {"agreed": {"N": str(stop.agreed)}, "signed": {"BOOL": stop.signed}}
        with translated(f"holding {stop.scope}"):
            self._dynamodb.put_item(TableName=self._table, Item=item, **_if_it_is_still(stands))
        return True

    def stop(self, scope: str) -> Stop | None:
        item = self._item(scope)
        return None if item is None else _stop(item)

    def _item(self, scope: str) -> Mapping[str, Any] | None:
        with translated(f"reading what is stopped for {scope}"):
            return self._dynamodb.get_item(TableName=self._table, Key=stop_key(scope), ConsistentRead=True).get("Item")

    def _budget_key(self, budget: str) -> dict[str, Any]:
        return {"pk": {"S": f"BUDGET#{budget}#{hour_of(self._clock.now())}"}, "sk": {"S": "BUDGET"}}


def stop_key(scope: str) -> dict[str, Any]:
    return {"pk": {"S": STOP}, "sk": {"S": scope}}


def _if_it_is_still(item: Mapping[str, Any] | None) -> dict[str, Any]:
    """What gives way has a time at which it was set, and one at which it ends; longer ones may come in the same moment."""
    if item is None:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "ConditionExpression": "#at = :at AND #until = :until",
        "ExpressionAttributeNames": {"#at": "at", "#until": "until"},
        "ExpressionAttributeValues": {":at": item["at"], ":until": item["until"]},
    }


def _stop(item: Mapping[str, Any]) -> Stop:
    """Somebody may have written it by hand: what cannot be read stops for ever, and says so."""
    scope = item["sk"]["S"]
    try:
        text = {name: item[name]["S"] for name in ("by", "because", "at", "until") if name in item}
        until = datetime.fromisoformat(text["until"]) if "until" in text else None
        agreed = int(item["agreed"]["N"]) if "agreed" in item else None
        signed = agreed is not None and bool(item["signed"]["BOOL"])
        return Stop(scope, text["by"], text["because"], datetime.fromisoformat(text["at"]), until, agreed, signed)
    except (KeyError, ValueError):
        return Stop(scope, "somebody", "the kill switch was written in a form that cannot be read; write it anew", datetime.now(UTC))
