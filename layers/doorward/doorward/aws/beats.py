"""Heartbeats in DynamoDB.

Facts table, `pk` / `sk`:
    BEAT#<account>#<region>   PULSE           beats that are out, when the last one came back, the gap
    BEAT#<account>#<region>   SEEN#<nonce>    this beat came back
    BEAT#<account>#-          SILENCES        what of it went silent together, and has been told of
    BEAT#<account>#-          REGIONS         the account's enabled regions, and when they were read

PULSE and SILENCES are written by send_heartbeats alone, SEEN by whoever sees the event: neither waits for the other.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any

from doorward.aws.errors import translated
from doorward.aws.reading import read_many
from doorward.errors import Unavailable
from doorward.guard.heartbeats import Gap, Pulse, Sent, Silence, Spot
from doorward.ports.clock import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEEP_SEEN = timedelta(days=2)
_MOST_WRITTEN = 25
_ROUNDS = 8
_ACCOUNT = "-"
"""In place of a region: of the account as a whole."""


class DynamoBeats:
    """The Beats port."""

    def __init__(self, dynamodb: "DynamoDBClient", facts_table: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._table = facts_table
        self._clock = clock

    def seen(self, account_id: str, region: str, nonce: str, at: datetime) -> None:
        ttl = int((self._clock.now() + _KEEP_SEEN).timestamp())
        with translated(f"noting a heartbeat of {account_id}"):
            self._dynamodb.put_item(
                TableName=self._table,
                Item={**_key(Spot(account_id, region), f"SEEN#{nonce}"), "at": {"S": at.isoformat()}, "ttl": {"N": str(ttl)}},
            )

    def pulses(self, spots: Sequence[Spot]) -> Mapping[Spot, Pulse]:
        items = self._read((each, "PULSE") for each in spots)
        return {spot: _pulse(json.loads(item["pulse"]["S"])) for (spot, _), item in items.items()}

    def came_back(self, nonces: Mapping[Spot, Sequence[str]]) -> Mapping[Spot, frozenset[str]]:
        items = self._read((spot, f"SEEN#{nonce}") for spot, several in nonces.items() for nonce in several)
        return {spot: frozenset(sk.removeprefix("SEEN#") for where, sk in items if where == spot) for spot in {where for where, _ in items}}

    def keep(self, pulses: Mapping[Spot, Pulse]) -> None:
        self._write({**_key(spot, "PULSE"), "pulse": {"S": json.dumps(_as_json(pulse))}} for spot, pulse in pulses.items())

    def silences(self, account_ids: Sequence[str]) -> Mapping[str, tuple[Silence, ...]]:
        items = self._read((Spot(each, _ACCOUNT), "SILENCES") for each in account_ids)
        return {spot.account_id: tuple(map(_silence, json.loads(item["silences"]["S"]))) for (spot, _), item in items.items()}

    def keep_silences(self, silences: Mapping[str, tuple[Silence, ...]]) -> None:
        texts = {account_id: json.dumps([_silence_as_json(each) for each in several]) for account_id, several in silences.items()}
        self._write({**_key(Spot(account_id, _ACCOUNT), "SILENCES"), "silences": {"S": text}} for account_id, text in texts.items())

    def regions(self, account_ids: Sequence[str]) -> Mapping[str, tuple[datetime, tuple[str, ...]]]:
        items = self._read((Spot(each, _ACCOUNT), "REGIONS") for each in account_ids)
        return {
            spot.account_id: (datetime.fromisoformat(item["at"]["S"]), tuple(json.loads(item["regions"]["S"])))
            for (spot, _), item in items.items()
        }

    def keep_regions(self, account_id: str, regions: Sequence[str], at: datetime) -> None:
        with translated(f"remembering the regions of {account_id}"):
            self._dynamodb.put_item(
                TableName=self._table,
                Item={
                    **_key(Spot(account_id, _ACCOUNT), "REGIONS"),
                    "at": {"S": at.isoformat()},
                    "regions": {"S": json.dumps(list(regions))},
                },
            )

    def _write(self, items: Iterable[Mapping[str, Any]]) -> None:
        for batch in batched(({"PutRequest": {"Item": each}} for each in items), _MOST_WRITTEN, strict=False):
            left: Any = {self._table: list(batch)}
            for _ in range(_ROUNDS):
                with translated("remembering heartbeats"):
                    left = self._dynamodb.batch_write_item(RequestItems=left).get("UnprocessedItems")
                if not left:
                    break
                self._clock.sleep(0.2)
            else:
                raise Unavailable("remembering heartbeats: DynamoDB takes no more; trying again later")

    def _read(self, keys: Iterable[tuple[Spot, str]]) -> dict[tuple[Spot, str], Mapping[str, Any]]:
        wanted = (_key(*each) for each in dict.fromkeys(keys))
        items = read_many(self._dynamodb, self._clock, self._table, wanted, "reading heartbeats", tries=_ROUNDS, consistent=True)
        return dict(_by_key(items))


def _key(spot: Spot, sk: str) -> dict[str, Any]:
    return {"pk": {"S": f"BEAT#{spot.account_id}#{spot.region}"}, "sk": {"S": sk}}


def _by_key(items: Iterable[Mapping[str, Any]]) -> Iterator[tuple[tuple[Spot, str], Mapping[str, Any]]]:
    for item in items:
        _, account_id, region = item["pk"]["S"].split("#", 2)
        yield (Spot(account_id, region), item["sk"]["S"]), item


def _as_json(pulse: Pulse) -> dict[str, Any]:
    return {
        "sent": [[each.nonce, each.at.isoformat()] for each in pulse.sent],
        "alive_at": None if pulse.alive_at is None else pulse.alive_at.isoformat(),
        "gap": None if pulse.gap is None else _gap_as_json(pulse.gap),
        "refused": pulse.refused,
    }


def _pulse(data: dict[str, Any]) -> Pulse:
    return Pulse(
        tuple(Sent(nonce, datetime.fromisoformat(at)) for nonce, at in data["sent"]),
        None if data["alive_at"] is None else datetime.fromisoformat(data["alive_at"]),
        None if data["gap"] is None else _gap(data["gap"]),
        data["refused"],
    )


def _silence_as_json(silence: Silence) -> dict[str, Any]:
    return {"region": silence.region, "gap": _gap_as_json(silence.gap), "regions": list(silence.regions)}


def _silence(data: dict[str, Any]) -> Silence:
    return Silence(data["region"], _gap(data["gap"]), tuple(data["regions"]))


def _gap_as_json(gap: Gap) -> list[str | None]:
    return [gap.nonce, gap.since.isoformat(), gap.refused]


def _gap(data: list[Any]) -> Gap:
    return Gap(data[0], datetime.fromisoformat(data[1]), data[2])
