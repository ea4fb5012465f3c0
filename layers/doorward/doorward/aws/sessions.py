"""Role sessions in DynamoDB.

Sessions table, `pk` / `sk`:
    CALL#<key>              CALL                       one call, as both copies tell it
    CALL#<key>              COUNTED                    its edge was counted, for which principal
    ROLE#<account>/<name>   CALL#<time>#<key>          the same call, to be found by its role; and once more under <account>/*
    ROLE#<account>/<name>   FROM#<time>#<key>          the same call, to be found by the role whose session made it
    ROLE#<account>/<name>   TRUST#<time>#<event id>    a trust policy as it was written; under <account>/* where its event hid the role
    ROLE#<account>/<name>   EDGE#<principal>           who assumes it: times, first, last; an account's at 0 is over

Times are ISO 8601 in UTC, so that they sort; `ttl` is epoch seconds.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from doorward.aws.errors import condition_held, translated
from doorward.errors import Conflict
from doorward.events.model import Actor, SessionEvent, Side
from doorward.events.sessions import merge_copies
from doorward.ports.clock import Clock
from doorward.sessions.model import Edge, TrustVersion, chained_from, every_role_of, found_by, is_account, names_more

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# A copy of the other account, or a change of trust, can come late: CloudTrail's own retries end within a day.
_KEEP_CALLS = timedelta(days=2)
_KEEP_VERSIONS = timedelta(days=400)
_KEEP_EDGES = timedelta(days=90)
_LONGEST_PRINCIPAL = 900  # a sort key has at most 1,024 bytes
_TIMES = ("event_time", "expires_at")
# The two copies of a call come at the same moment, and a door that many use is counted by many at once. Left for later, a message would
# wait for the whole visibility timeout of its queue.
_PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4)
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
_REFUSED = "ConditionalCheckFailed"
_CONFLICTED = "TransactionConflict"
_LOST_TO_ANOTHER = {_REFUSED, _CONFLICTED}


class DynamoSessions:
    """The SessionStore port."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def keep_call(self, call: SessionEvent) -> SessionEvent:
        return self._tried_again(lambda: self._merge(call))

    def recent_calls(self, role_ref: str, since: datetime, until: datetime) -> tuple[SessionEvent, ...]:
        return self._calls("CALL", role_ref, since, until)

    def calls_from(self, role_ref: str, since: datetime, until: datetime) -> tuple[SessionEvent, ...]:
        return self._calls("FROM", role_ref, since, until)

    def keep_version(self, version: TrustVersion) -> None:
        place = _key(f"ROLE#{version.role_ref}", f"TRUST#{version.at.isoformat()}#{version.event_id}")
        kept: dict[str, Any] = {"event_id": {"S": version.event_id}, "is_first": {"BOOL": version.is_first}}
        kept |= {name: {"S": value} for name, value in (("document", version.document), ("actor", version.actor)) if value is not None}
        with translated(f"keeping a trust policy of {version.role_ref}"):
            self._put(place, _KEEP_VERSIONS, kept)

    def versions(self, role_ref: str, since: datetime) -> tuple[TrustVersion, ...]:
        began = f"TRUST#{since.isoformat()}"
        every_role = every_role_of(role_ref.partition("/")[0])
        with translated(f"reading the trust policies of {role_ref}"):
            before = self._query(role_ref, "TRUST#", began, ScanIndexForward=False, Limit=1)
            since_then = self._query(role_ref, began, "TRUST#~")
            hidden = () if role_ref == every_role else self._query(every_role, began, "TRUST#~")
        return tuple(map(_version, (*before, *sorted((*since_then, *hidden), key=lambda item: str(item["sk"]["S"])))))

    def count(self, edge: Edge, call_key: str) -> None:
        self._tried_again(lambda: self._count(edge, call_key))

    def expect(self, edges: Iterable[Edge]) -> None:
        for edge in edges:
            with translated(f"expecting sessions of {edge.role_ref}"):
                self._dynamodb.update_item(
                    TableName=self._table,
                    Key=_edge_key(edge),
                    UpdateExpression="SET #principal = :principal, #times = if_not_exists(#times, :none), #ttl = :ttl",
                    ExpressionAttributeNames={"#principal": "principal", "#times": "times", "#ttl": "ttl"},
                    ExpressionAttributeValues={":principal": {"S": edge.principal}, ":none": {"N": "0"}, ":ttl": self._ttl(_KEEP_EDGES)},
                )

    def edges(self, role_ref: str) -> tuple[Edge, ...]:
        with translated(f"reading who assumes {role_ref}"):
            items = self._query(role_ref, "EDGE#", "EDGE#~")
        edges = (
            Edge(item["principal"]["S"], role_ref, int(item["times"]["N"]), _time(item, "first"), _time(item, "last")) for item in items
        )
        return tuple(each for each in edges if each.times or not is_account(each.principal))

    # Inside

    def _calls(self, kind: str, role_ref: str, since: datetime, until: datetime) -> tuple[SessionEvent, ...]:
        low, high = (f"{kind}#{each.astimezone(UTC).isoformat()}" for each in (since, until))
        with translated(f"reading the calls of {role_ref}"):
            items = self._query(role_ref, low, f"{high}#~")
            return tuple(_call(item["call"]["S"]) for item in items)

    def _tried_again[T](self, action: Callable[[], T]) -> T:
        for pause in _PAUSES_SECONDS:
            with suppress(Conflict):
                return action()
            self._clock.sleep(pause)
        return action()

    def _merge(self, call: SessionEvent) -> SessionEvent:
        key = _key(f"CALL#{call.key}", "CALL")
        with translated(f"keeping the call {call.key}"):
            before = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
            known = None if before is None else _call(before["call"]["S"])
            merged = call if known is None else merge_copies(known, call)
            if merged == known:
                return merged
            kept = {"call": {"S": _text(merged)}}
            put: Any = {"TableName": self._table, "Item": self._item(key, _KEEP_CALLS, kept)}
            # Whoever wrote in between has made this one stale.
            put["ConditionExpression"] = "attribute_not_exists(pk)"
            if before is not None:
                put |= {"ConditionExpression": "#call = :before", "ExpressionAttributeNames": {"#call": "call"}}
                put["ExpressionAttributeValues"] = {":before": before["call"]}
            puts = [put]
            origin = chained_from(merged)
            places = [("CALL", ref) for ref in found_by(merged)] + ([("FROM", origin)] if origin is not None else [])
            for kind, ref in places:  # with the other, or a copy that is slower would hide here what was merged there
                place = _key(f"ROLE#{ref}", f"{kind}#{merged.event_time.isoformat()}#{merged.key}")
                puts.append({"TableName": self._table, "Item": self._item(place, _KEEP_CALLS, kept)})
            try:
                self._dynamodb.transact_write_items(TransactItems=[{"Put": each} for each in puts])
            except ClientError as error:
                if _LOST_TO_ANOTHER & _reasons(error):
                    raise Conflict(f"keeping the call {call.key}: its other copy is being kept right now") from error
                raise
        return merged

    def _count(self, edge: Edge, call_key: str) -> None:
        counted = _key(f"CALL#{call_key}", "COUNTED")
        with translated(f"counting a session of {edge.role_ref}"):
            if not self._add(edge, counted, before=None):
                known = self._dynamodb.get_item(TableName=self._table, Key=counted, ConsistentRead=True)["Item"]["principal"]["S"]
                if known != edge.principal and (not names_more(edge.principal, known) or not self._add(edge, counted, before=known)):
                    return  # it counts for who came, and this copy told less
            # After the count, and also where it was counted before: whoever died in between left these to be done.
            if edge.first is not None and edge.last is not None:
                self._move(_edge_key(edge), "first", edge.first, "<")
                self._move(_edge_key(edge), "last", edge.last, ">")

    def _add(self, edge: Edge, counted: Mapping[str, Any], *, before: str | None) -> bool:
        """Count a call that was counted for nobody yet, or for `before`; False where that is not so."""
        put: Any = {"TableName": self._table, "Item": self._item(counted, _KEEP_CALLS, {"principal": {"S": edge.principal}})}
        put["ConditionExpression"] = "attribute_not_exists(pk)"
        writes: list[Any] = [{"Put": put}, {"Update": self._step(edge, 1)}]
        if before is not None:
            put |= {"ConditionExpression": "#principal = :before", "ExpressionAttributeNames": {"#principal": "principal"}}
            put["ExpressionAttributeValues"] = {":before": {"S": before}}
            writes.append({"Update": self._step(edge._replace(principal=before), -1)})
        try:
            self._dynamodb.transact_write_items(TransactItems=writes)
        except ClientError as error:
            reasons = _reasons(error)
            if _CONFLICTED in reasons:
                raise Conflict(f"counting a session of {edge.role_ref}: another is being counted right now") from error
            if _REFUSED in reasons:
                return False
            raise
        return True

    def _step(self, edge: Edge, times: int) -> Any:
        return {
            "TableName": self._table,
            "Key": _edge_key(edge),
            "UpdateExpression": "ADD #times :times SET #principal = :principal, #ttl = :ttl",
            "ExpressionAttributeNames": {"#times": "times", "#principal": "principal", "#ttl": "ttl"},
            "ExpressionAttributeValues": {
                ":times": {"N": str(times)},
                ":principal": {"S": edge.principal},
                ":ttl": self._ttl(_KEEP_EDGES),
            },
        }

    def _move(self, place: Mapping[str, Any], name: str, time: datetime, direction: str) -> None:
        """Set `first` or `last` where it is not there yet, or the new one lies farther out; and let the edge live on from now."""
        condition_held(
            f"noting the {name} session of an edge",
            lambda: self._dynamodb.update_item(
                TableName=self._table,
                Key=place,
                UpdateExpression="SET #time = :time, #ttl = :ttl",
                ConditionExpression=f"attribute_not_exists(#time) OR :time {direction} #time",
                ExpressionAttributeNames={"#time": name, "#ttl": "ttl"},
                ExpressionAttributeValues={":time": {"S": time.isoformat()}, ":ttl": self._ttl(_KEEP_EDGES)},
            ),
        )

    def _query(self, role_ref: str, low: str, high: str, **more: Any) -> list[Mapping[str, Any]]:
        query: Any = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :low AND :high",
            "ExpressionAttributeValues": {":pk": {"S": f"ROLE#{role_ref}"}, ":low": {"S": low}, ":high": {"S": high}},
            "ConsistentRead": True,
            **more,
        }
        items: list[Mapping[str, Any]] = []
        while True:
            answer = self._dynamodb.query(**query)
            items += answer["Items"]
            if "LastEvaluatedKey" not in answer or "Limit" in more:
                return items
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _put(self, key: Mapping[str, Any], kept_for: timedelta, attributes: Mapping[str, Any]) -> None:
        self._dynamodb.put_item(TableName=self._table, Item=self._item(key, kept_for, attributes))

    def _item(self, key: Mapping[str, Any], kept_for: timedelta, attributes: Mapping[str, Any]) -> dict[str, Any]:
        return {**key, **attributes, "ttl": self._ttl(kept_for)}

    def _ttl(self, kept_for: timedelta) -> Any:
        return {"N": str(int((self._clock.now() + kept_for).timestamp()))}


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _version(item: Mapping[str, Any]) -> TrustVersion:
    return TrustVersion(
        item["pk"]["S"].removeprefix("ROLE#"),
        item["event_id"]["S"],
        datetime.fromisoformat(item["sk"]["S"].split("#")[1]),
        item.get("document", {}).get("S"),
        item["is_first"]["BOOL"],
        item.get("actor", {}).get("S"),
    )


def _edge_key(edge: Edge) -> dict[str, Any]:
    return _key(f"ROLE#{edge.role_ref}", f"EDGE#{edge.principal.encode()[:_LONGEST_PRINCIPAL].decode(errors='ignore')}")


def _reasons(error: ClientError) -> frozenset[str]:
    """Why a transaction was cancelled: the codes of its items."""
    reasons: list[Mapping[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
    return frozenset(str(each.get("Code")) for each in reasons)


def _time(item: Mapping[str, Any], name: str) -> datetime | None:
    return datetime.fromisoformat(item[name]["S"]) if name in item else None


def _text(call: SessionEvent) -> str:
    """A call has no credential and no external ID in it. What it does not tell is left out: most fit into one write unit (1 KB) so."""
    told = {each.name: getattr(call, each.name) for each in fields(SessionEvent)} | {"actor": call.actor._asdict()}
    texts = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in told.items() if value is not None}
    return json.dumps(texts, separators=(",", ":"))


def _call(text: str) -> SessionEvent:
    kept = json.loads(text)
    times = {name: datetime.fromisoformat(kept[name]) for name in _TIMES if kept.get(name) is not None}
    told = {each.name: kept.get(each.name) for each in fields(SessionEvent)}
    return SessionEvent(**{**told, **times, "side": Side(kept["side"]), "actor": Actor(**kept["actor"])})
