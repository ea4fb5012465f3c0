"""The organization's facts in DynamoDB, where every function of the hub reads them.

Facts table, `pk` / `sk`:
    ORGANIZATION   HEAD                 format, version, write, chunks, read_at: what stands; of another format: nothing
    ORGANIZATION   CHUNK#<write>#<n>    a part of the facts as gzip JSON: an item holds 400 KB
    ORGANIZATION   TURN                 at: when somebody began to read last; due_at: for when a read has been called for

The head is written after its chunks, by condition, and the chunks before it are deleted after that. A reader who comes in between begins
anew. Every write has chunks of its own, so that two never mix.
"""

import json
import uuid
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from doorward.aws.errors import code_of, condition_held, translated
from doorward.errors import MalformedInput, Unavailable
from doorward.organization.facts import FORMAT, OrganizationFacts, facts_as_json, facts_from_json
from doorward.ports.organization import Kept

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PK = "ORGANIZATION"
BETWEEN_READS = timedelta(seconds=60)
_CHUNK_BYTES = 350_000
_TRIES = 3
_GZIP = 31
"""zlib's word for the gzip format: https://docs.python.org/3/library/zlib.html#zlib.compressobj."""


class DynamoOrganizationStore:
    """The OrganizationStore port."""

    def __init__(self, dynamodb: "DynamoDBClient", facts_table: str) -> None:
        self._dynamodb = dynamodb
        self._table = facts_table

    def load(self) -> Kept | None:
        for _ in range(_TRIES):
            head = self._get("HEAD")
            if head is None or head["format"]["S"] != FORMAT:
                return None
            chunks = [self._get(each) for each in _chunk_keys(head)]
            whole = [each["facts"]["B"] for each in chunks if each is not None]
            if len(whole) == len(chunks):
                text = zlib.decompress(b"".join(whole), _GZIP)
                return Kept(_facts(text), int(head["version"]["N"]))
        raise Unavailable("reading the organization's facts: they were replaced each time while they were being read; trying again later")

    def save(self, facts: OrganizationFacts, *, over: int) -> None:
        packer = zlib.compressobj(wbits=_GZIP)
        text = packer.compress(json.dumps(facts_as_json(facts), separators=(",", ":")).encode()) + packer.flush()
        chunks = [text[start : start + _CHUNK_BYTES] for start in range(0, len(text), _CHUNK_BYTES)]
        before = self._get("HEAD")
        head = {
            **_key("HEAD"),
            "format": {"S": FORMAT},
            "version": {"N": str(over + 1)},
            "write": {"S": uuid.uuid4().hex},
            "chunks": {"N": str(len(chunks))},
            "read_at": {"S": facts.read_at.isoformat()},
        }
        with translated(f"storing version {over + 1} of the organization's facts"):  # a condition that fails is a Conflict
            for sk, chunk in zip(_chunk_keys(head), chunks, strict=True):
                self._dynamodb.put_item(TableName=self._table, Item={**_key(sk), "facts": {"B": chunk}})
            try:
                if over == 0:
                    self._dynamodb.put_item(
                        TableName=self._table,
                        Item=head,
                        ConditionExpression="attribute_not_exists(pk) OR #format <> :format",
                        ExpressionAttributeNames={"#format": "format"},
                        ExpressionAttributeValues={":format": {"S": FORMAT}},
                    )
                else:
                    self._dynamodb.put_item(
                        TableName=self._table,
                        Item=head,
                        ConditionExpression="version = :over",
                        ExpressionAttributeValues={":over": {"N": str(over)}},
                    )
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    self._delete_chunks(head)
                raise
            if before is not None:
                self._delete_chunks(before)

    def take_turn(self, now: datetime) -> float:
        earliest = now - BETWEEN_READS
        is_ours = condition_held(
            "taking a turn to read the organization",
            lambda: self._dynamodb.update_item(
                TableName=self._table,
                Key=_key("TURN"),
                UpdateExpression="SET #at = :now",
                ConditionExpression="attribute_not_exists(#at) OR #at <= :earliest",
                ExpressionAttributeNames={"#at": "at"},
                ExpressionAttributeValues={":now": _seconds(now), ":earliest": _seconds(earliest)},
            ),
        )
        if is_ours:
            return 0.0
        turn = self._get("TURN")
        if turn is None:
            return 0.0
        return max((_time(turn["at"]) + BETWEEN_READS - now).total_seconds(), 1.0)

    def is_called(self, now: datetime) -> bool:
        turn = self._get("TURN")
        return turn is not None and "due_at" in turn and _time(turn["due_at"]) > now

    def called(self, at: datetime) -> None:
        with translated("noting that a read of the organization was called for"):
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_key("TURN"),
                UpdateExpression="SET due_at = :at",
                ExpressionAttributeValues={":at": _seconds(at)},
            )

    def _delete_chunks(self, head: dict[str, Any]) -> None:
        for sk in _chunk_keys(head):
            self._dynamodb.delete_item(TableName=self._table, Key=_key(sk))

    def _get(self, sk: str) -> dict[str, Any] | None:
        with translated("reading the organization's facts"):
            return self._dynamodb.get_item(TableName=self._table, Key=_key(sk), ConsistentRead=True).get("Item")


def _facts(text: bytes) -> OrganizationFacts:
    """Broken facts are no fault of the event that needs them: it comes again."""
    try:
        return facts_from_json(json.loads(text))
    except (MalformedInput, ValueError) as error:
        raise Unavailable(f"reading the organization's facts: {error}") from error


def _chunk_keys(head: dict[str, Any]) -> list[str]:
    return [f"CHUNK#{head['write']['S']}#{number}" for number in range(int(head["chunks"]["N"]))]


def _key(sk: str) -> dict[str, Any]:
    return {"pk": {"S": PK}, "sk": {"S": sk}}


def _seconds(at: datetime) -> dict[str, str]:
    return {"N": str(at.timestamp())}


def _time(value: dict[str, str]) -> datetime:
    return datetime.fromtimestamp(float(value["N"]), UTC)
