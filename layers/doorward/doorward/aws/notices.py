"""What channels were told, in DynamoDB.

Ledger table, `pk` / `sk`:
    NOTICES#<channel>       PLACE#<object>              where an object was told of
    NOTICES#<channel>       GROUP#<hash>                what is found alike within a window; `members`: objects, a set
    NOTICES#<channel>       MINUTE#<epoch minute>       messages of one minute
    NOTICES#<channel>       CARD#<object>#<announcement id>#<message id>#<what>   a choice of a message that asked people to decide
    NOTICES##<why>          <channel>#<announcement id> to be told together with others

No channel's name begins with a number sign. `ttl` is epoch seconds, and on nothing that is still to be told.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any, Final

from doorward.aws.errors import condition_held, translated
from doorward.errors import Unavailable
from doorward.findings.model import Severity
from doorward.notices.gathered import Kept, Why
from doorward.notices.telling import Group, Place
from doorward.ports.clock import Clock
from doorward.ports.notices import Card

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEEP_PLACES: Final = timedelta(days=400)
"""As long as a case is kept that is closed."""
_KEEP_MINUTES: Final = timedelta(hours=1)
_TO_OPEN: Final = timedelta(seconds=30)
_MOST_MEMBERS: Final = 1000
"""As many ids as are far from the 400 KB of an item; beyond them nobody counts."""
_AT_ONCE: Final = 25  # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
_TRIES: Final = 5
_AGAIN_SECONDS: Final = 0.2


class DynamoNotices:
    """The Notices port."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    # Places

    def place(self, channel: str, object_id: str) -> Place | None:
        with translated(f"reading where {channel} was told of {object_id}"):
            item = self._dynamodb.get_item(TableName=self._table, Key=_key(channel, f"PLACE#{object_id}"), ConsistentRead=True).get("Item")
        if item is None:
            return None
        return Place(item["thread"]["S"], datetime.fromisoformat(item["since"]["S"]), item["counted"]["BOOL"])

    def keep_place(self, channel: str, object_id: str, place: Place) -> None:
        item = {
            **_key(channel, f"PLACE#{object_id}"),
            "thread": {"S": place.thread},
            "since": {"S": place.since.isoformat()},
            "counted": {"BOOL": place.counted},
            "ttl": _number(int((place.since + _KEEP_PLACES).timestamp())),
        }
        self._put(item)

    # Groups

    def join(self, channel: str, key: str, object_id: str, announcement_id: str, now: datetime, window: timedelta) -> Group:  # noqa: PLR0917
        for _ in range(_TRIES):
            group = self._counted_in(channel, key, object_id, now)
            if group is None and self._begun(channel, key, object_id, announcement_id, now, window):
                return Group(now, announcement_id, 1)
            if group is not None:
                if group.is_open or not self._taken_over(channel, key, announcement_id, now):
                    return group
                return group._replace(opens=announcement_id)
        raise Unavailable(f"joining a group of {channel}: others were there first each time")

    def _counted_in(self, channel: str, key: str, object_id: str, now: datetime) -> Group | None:
        """None: no window is open."""
        is_open, at = "#until > :now", {":now": _number(now.timestamp())}
        with_room = f"{is_open} AND size(#members) < :most"
        values = at | {":id": {"SS": [object_id]}, ":most": _number(_MOST_MEMBERS)}
        item = self._update(channel, f"GROUP#{key}", "ADD #members :id", with_room, values)
        if item is None:
            item = self._update(channel, f"GROUP#{key}", "SET #full = :yes", is_open, at | {":yes": {"BOOL": True}})
        return None if item is None else _group(item)

    def _begun(self, channel: str, key: str, object_id: str, announcement_id: str, now: datetime, window: timedelta) -> bool:  # noqa: PLR0917
        until = (now + window).timestamp()
        item = {
            **_key(channel, f"GROUP#{key}"),
            "opened_at": {"S": now.isoformat()},
            "until": _number(until),
            "opens": {"S": announcement_id},
            "opens_until": _number((now + _TO_OPEN).timestamp()),
            "members": {"SS": [object_id]},
            "ttl": _number(int(until)),
        }
        return self._put(item, "attribute_not_exists(#pk) OR #until <= :now", {":now": _number(now.timestamp())})

    def _taken_over(self, channel: str, key: str, announcement_id: str, now: datetime) -> bool:
        change, condition = "SET #opens = :id, #opens_until = :until", "#opens_until <= :now AND attribute_not_exists(#thread)"
        values = {":id": {"S": announcement_id}, ":until": _number((now + _TO_OPEN).timestamp()), ":now": _number(now.timestamp())}
        return self._update(channel, f"GROUP#{key}", change, condition, values) is not None

    def opened(self, channel: str, key: str, announcement_id: str, thread: str, severity: int) -> None:
        change = "SET #thread = :thread, #told_size = :one, #told_severity = :severity"
        values = {":id": {"S": announcement_id}, ":thread": {"S": thread}, ":one": _number(1), ":severity": _number(severity)}
        self._update(channel, f"GROUP#{key}", change, "#opens = :id AND attribute_not_exists(#thread)", values)

    def raised(self, channel: str, key: str, size: int, severity: int) -> None:
        for name, value in (("told_size", size), ("told_severity", severity)):
            self._update(channel, f"GROUP#{key}", f"SET #{name} = :value", f"#{name} < :value", {":value": _number(value)})

    def released(self, channel: str, key: str, announcement_id: str) -> None:
        values = {":id": {"S": announcement_id}, ":over": _number(0)}
        self._update(channel, f"GROUP#{key}", "SET #until = :over", "#opens = :id AND attribute_not_exists(#thread)", values)

    # How much

    def spend(self, channel: str, now: datetime) -> int:
        sort, change = f"MINUTE#{int(now.timestamp() // 60)}", "ADD #sent :one SET #ttl = :ttl"
        values = {":one": _number(1), ":ttl": _number(int((now + _KEEP_MINUTES).timestamp()))}
        with translated(f"counting the messages of {channel}"):
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(channel, sort),
                UpdateExpression=change,
                ExpressionAttributeNames=_names(change),
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )
        return int(answer["Attributes"]["sent"]["N"])

    def gather(self, why: Why, kept: Kept) -> None:
        item = {
            **_kept_key(why, kept),
            "channel": {"S": kept.channel},
            "announcement_id": {"S": kept.announcement_id},
            "severity": {"S": str(kept.severity)},
            "what": {"S": kept.what},
            "where": {"S": kept.where},
            "at": {"S": kept.at.astimezone(UTC).isoformat()},
        }
        self._put(item)

    def gathered(self, why: Why) -> Sequence[Kept]:
        with translated(f"reading what is {why}"):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"NOTICES##{why}"}},
                ConsistentRead=True,
            )
            return [_kept(item) for page in pages for item in page["Items"]]

    def forget(self, why: Why, kept: Sequence[Kept]) -> None:
        for some in batched(kept, _AT_ONCE, strict=False):
            left: Any = {self._table: [{"DeleteRequest": {"Key": _kept_key(why, each)}} for each in some]}
            for _ in range(_TRIES):
                with translated(f"forgetting what was {why}"):
                    left = self._dynamodb.batch_write_item(RequestItems=left).get("UnprocessedItems")
                if not left:
                    break
                self._clock.sleep(_AGAIN_SECONDS)
            else:
                raise Unavailable(f"forgetting what was {why}: DynamoDB takes no more; trying again later")

    # Cards

    def keep_card(self, channel: str, object_id: str, card: Card) -> None:
        item = {
            **_card_key(channel, object_id, card),
            "announcement_id": {"S": card.announcement_id},
            "message_id": {"S": card.message_id},
            "what": {"S": card.what},
            "at": _time(card.at),
            "outcome": {"S": card.outcome},
            "ttl": _number(int((self._clock.now() + _KEEP_PLACES).timestamp())),
        }
        self._put(item)

    def cards(self, channel: str, object_id: str) -> Sequence[Card]:
        with translated(f"reading the cards of {channel} about {object_id}"):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
                ExpressionAttributeValues={":pk": {"S": f"NOTICES#{channel}"}, ":sk": {"S": f"CARD#{object_id}#"}},
                ConsistentRead=True,
            )
            return [_card(item) for page in pages for item in page["Items"]]

    def settle(self, channel: str, object_id: str, card: Card) -> Card:
        key = _card_key(channel, object_id, card)
        values = {":at": _time(card.at), ":outcome": {"S": card.outcome}}
        self._update(channel, key["sk"]["S"], "SET #at = :at, #outcome = :outcome", "#at < :at", values)
        with translated(f"reading a card of {channel}"):
            item = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return card if item is None else _card(item)

    def _put(self, item: Mapping[str, Any], condition: str = "attribute_not_exists(#pk)", values: Mapping[str, Any] | None = None) -> bool:
        """False where the condition does not hold; without one: where it is there already."""
        given: Any = {} if values is None else {"ExpressionAttributeValues": values}
        return condition_held(
            f"writing {item['sk']['S']}",
            lambda: self._dynamodb.put_item(
                TableName=self._table, Item=item, ConditionExpression=condition, ExpressionAttributeNames=_names(condition), **given
            ),
        )

    def _update(self, channel: str, sort: str, change: str, condition: str, values: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The item as it is then; None where the condition does not hold."""
        found: list[Mapping[str, Any]] = []

        def write() -> None:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(channel, sort),
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeNames=_names(change + condition),
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )
            found.append(answer["Attributes"])

        condition_held(f"writing {sort} of {channel}", write)
        return found[0] if found else None


def _names(expression: str) -> dict[str, str]:
    """Many a word is DynamoDB's own, so that every name is written with a number sign."""
    return {f"#{each}": each for each in re.findall(r"#(\w+)", expression)}


def _key(channel: str, sort: str) -> dict[str, Any]:
    return {"pk": {"S": f"NOTICES#{channel}"}, "sk": {"S": sort}}


def _kept_key(why: Why, kept: Kept) -> dict[str, Any]:
    return {"pk": {"S": f"NOTICES##{why}"}, "sk": {"S": f"{kept.channel}#{kept.announcement_id}"}}


def _card_key(channel: str, object_id: str, card: Card) -> dict[str, Any]:
    return _key(channel, f"CARD#{object_id}#{card.announcement_id}#{card.message_id}#{card.what}")


def _number(value: float) -> dict[str, str]:
    return {"N": str(value)}


def _time(at: datetime) -> dict[str, str]:
    """Microseconds since the epoch: a number, to be compared."""
    return {"N": str((at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1))}


def _group(item: Mapping[str, Any]) -> Group:
    return Group(
        opened_at=datetime.fromisoformat(item["opened_at"]["S"]),
        opens=item["opens"]["S"],
        size=len(item["members"]["SS"]),
        is_open="thread" in item,
        thread=item.get("thread", {"S": ""})["S"],
        told_size=int(item.get("told_size", {"N": "1"})["N"]),
        told_severity=int(item.get("told_severity", {"N": "0"})["N"]),
    )


def _kept(item: Mapping[str, Any]) -> Kept:
    return Kept(
        item["channel"]["S"],
        item["announcement_id"]["S"],
        Severity(item["severity"]["S"]),
        item["what"]["S"],
        item["where"]["S"],
        datetime.fromisoformat(item["at"]["S"]),
    )


def _card(item: Mapping[str, Any]) -> Card:
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(item["at"]["N"]))
    return Card(item["announcement_id"]["S"], item["message_id"]["S"], item["what"]["S"], at, item["outcome"]["S"])
