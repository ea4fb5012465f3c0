"""Evidence in S3, under Object Lock. What was put last is known from the ledger, so that nothing here ever reads the bucket.

Ledger table, `pk` / `sk`:
    EVIDENCE#<incident id>   STATE   owner, until: who writes now; told: every announcement; sha256: of what was put last

A put into a bucket with default retention needs a checksum:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from doorward.aws.errors import condition_held, translated
from doorward.errors import Conflict, DoorwardError
from doorward.ports.clock import Clock
from doorward.ports.evidence import Told

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

# Longer than the function may run (template.yaml, Timeout), so that a turn is lost only by the dead.
LEASE: Final = timedelta(seconds=90)
_KEEP: Final = timedelta(days=800)
_TRIES: Final = 20
_TRY_SECONDS: Final = 0.25
# Each is a step of a case, told once; a policy that is broken anew day after day has no more than this in its evidence.
_MOST_TOLD: Final = 200


class S3Evidence:
    """The Evidence port."""

    def __init__(self, s3: "S3Client", bucket: str, dynamodb: "DynamoDBClient", ledger_table: str, clock: Clock) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._dynamodb = dynamodb
        self._table = ledger_table
        self._clock = clock

    def keep(self, incident_id: str, key: str, told: Told, make: Callable[[Sequence[Told]], str]) -> bool:
        owner, state = self._take_turn(incident_id)
        try:
            every = _with(told, state.get("told", "[]"))
            body = make(every).encode()
            digest = sha256(body).hexdigest()
            is_new = digest != state.get("sha256")
            if is_new:
                with translated(f"keeping the evidence of {incident_id}"):
                    self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", ChecksumAlgorithm="SHA256")
        except Exception:
            with suppress(DoorwardError):  # else it ends with its lease
                self._end_turn(incident_id, owner, {})
            raise
        self._end_turn(incident_id, owner, {"told": json.dumps([_as_json(each) for each in every]), "sha256": digest})
        return is_new

    def _take_turn(self, incident_id: str) -> tuple[str, Mapping[str, str]]:
        owner = uuid.uuid4().hex
        for _ in range(_TRIES):
            state = self._lock(incident_id, owner, self._clock.now())
            if state is not None:
                return owner, state
            self._clock.sleep(_TRY_SECONDS)
        raise Conflict(f"the evidence of {incident_id}: somebody else is writing it; trying again later")

    def _lock(self, incident_id: str, owner: str, now: datetime) -> Mapping[str, str] | None:
        """What is kept of the incident; None where somebody else has the turn."""
        answers: list[Any] = []
        is_ours = condition_held(
            f"taking turns at {incident_id}",
            lambda: answers.append(
                self._dynamodb.update_item(
                    TableName=self._table,
                    Key=_key(incident_id),
                    UpdateExpression="SET #owner = :owner, #until = :until, #ttl = :ttl",
                    ConditionExpression="attribute_not_exists(#owner) OR #until < :now",
                    ExpressionAttributeNames={"#owner": "owner", "#until": "until", "#ttl": "ttl"},
                    ExpressionAttributeValues={
                        ":owner": {"S": owner},
                        ":until": {"N": str((now + LEASE).timestamp())},
                        ":now": {"N": str(now.timestamp())},
                        ":ttl": {"N": str(int((now + _KEEP).timestamp()))},
                    },
                    ReturnValues="ALL_NEW",
                )
            ),
        )
        return {name: next(iter(value.values())) for name, value in answers[0]["Attributes"].items()} if is_ours else None

    def _end_turn(self, incident_id: str, owner: str, state: Mapping[str, str]) -> None:
        sets = ", ".join(f"#{name} = :{name}" for name in state)
        condition_held(
            f"ending the turn at {incident_id}",
            lambda: self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(incident_id),
                UpdateExpression=f"{f'SET {sets} ' if sets else ''}REMOVE #owner, #until",
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={"#owner": "owner", "#until": "until", **{f"#{name}": name for name in state}},
                ExpressionAttributeValues={":owner": {"S": owner}, **{f":{name}": {"S": value} for name, value in state.items()}},
            ),
        )


def _key(incident_id: str) -> Any:
    return {"pk": {"S": f"EVIDENCE#{incident_id}"}, "sk": {"S": "STATE"}}


def _with(told: Told, before: str) -> tuple[Told, ...]:
    known = {each["announcement_id"]: Told(**{**each, "at": datetime.fromisoformat(each["at"])}) for each in json.loads(before)}
    known.setdefault(told.announcement_id, told)
    return tuple(sorted(known.values(), key=lambda each: (each.at, each.announcement_id)))[:_MOST_TOLD]


def _as_json(told: Told) -> dict[str, str]:
    return {**told._asdict(), "at": told.at.isoformat()}
