"""Grants in DynamoDB, each transition with its audit item and what is announced; their tokens, sealed by KMS; their executions.

Grants table, `pk` / `sk`:
    GRANT#<id>   GRANT        document (JSON text), version, person, month of the asking, grant_id; standing, until it is settled
    GRANT#<id>   ISSUE#<id>   kind, at, by, via, source_ip; used_at, key_hash, packed_percent once they are known
    OPEN#<id>    OPEN         document: what was opened, from when it becomes active until it has ended
    TOKEN#<id>   TOKEN        sealed, step, version: of the grant that waits; grant_id, standing: `waits`

Who may write which of them is decided by the partition key (template.yaml): what was opened by none of those that serve people.

Indexes have keys alone, so that nothing is read from them that is not read again as it stands.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html
https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from doorward.audit.chain import next_item, text_of
from doorward.aws.errors import code_of, condition_held, translated
from doorward.aws.questions import terms_as_json, terms_from
from doorward.decisions.model import Question
from doorward.errors import Conflict, Unavailable
from doorward.grants.grant import Grant, State
from doorward.grants.issuing import Opening, opening_of
from doorward.grants.model import GrantRequest, Risk, Ruling
from doorward.people.model import Caller, Machine, Person, Via, id_of
from doorward.ports.grants import CLOCKS_DIFFER, ISSUED_WITHIN, Issued, Kind, Step, Token
from doorward.ports.ledger import Announcement

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_stepfunctions import SFNClient

    from doorward.aws.audit import DynamoAudit
    from doorward.aws.ledger import DynamoLedger
    from doorward.aws.questions import DynamoQuestions

_STANDING: Final = "yes"
_WAITING: Final = "waits"
_ISSUE: Final = "ISSUE#"
_TRIES: Final = 10
"""As many as are issued of a grant within a minute: of all who come at once one gets through each time."""
_AT_ONCE: Final = 10
"""Connections of a client of botocore's."""
# Nobody waits with this token any more: https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
_NOBODY_WAITS: Final = frozenset({"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"})


class DynamoGrants:
    """The Grants port."""

    def __init__(
        self, dynamodb: "DynamoDBClient", table: str, questions: "DynamoQuestions", ledger: "DynamoLedger", audit: "DynamoAudit"
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._questions = questions
        self._ledger = ledger
        self._audit = audit

    def create(self, grant: Grant, via: Via, announcement: Announcement) -> bool:
        put = {**self._put(grant), "ConditionExpression": "attribute_not_exists(pk)"}
        try:
            self._write(grant, "requested", f"{grant.person.user_id} {via}", grant.request.asked_at, announcement, put)
        except Conflict:
            if self.grant(grant.id) is None:
                raise
            return False
        return True

    def grant(self, grant_id: str) -> Grant | None:
        item = self._get(_key(grant_id, "GRANT"))
        return None if item is None else _grant(json.loads(item["document"]["S"]))

    def move(self, grant: Grant, did: str, by: str, now: datetime, announcement: Announcement | None) -> None:
        put = {**self._put(grant), **_at_version(grant.version - 1)}
        opened: Any = [{"Put": {"TableName": self._table, "Item": _opening_item(grant)}}] if grant.state is State.ACTIVE else []
        self._write(grant, did, by, now, announcement, put, *opened)

    def opening(self, grant_id: str) -> Opening | None:
        item = self._get(_opening_key(grant_id))
        return None if item is None else _opening(json.loads(item["document"]["S"]))

    def forget_opening(self, grant_id: str) -> None:
        with translated(f"forgetting what was opened by {grant_id}"):
            self._dynamodb.delete_item(TableName=self._table, Key=_opening_key(grant_id))

    def standing(self) -> Iterable[Grant]:
        return self._grants(self._ids("standing-index", "standing", _STANDING))

    def settle(self, grant: Grant) -> None:
        item = {name: value for name, value in _item(grant).items() if name != "standing"}
        condition_held(
            f"settling {grant.id}",
            lambda: self._dynamodb.put_item(TableName=self._table, Item=item, **_at_version(grant.version)),
        )

    def of_person(self, user_id: str, before: str, most: int) -> Sequence[Grant]:
        return list(self._grants(self.ids_of_person(user_id, before, most)))

    def ids_of_person(self, user_id: str, before: str, most: int) -> Sequence[str]:
        return list(self._ids("person-index", "person", user_id, before=before, most=most))

    def asked_between(self, since: datetime, until: datetime, after: str = "") -> Iterable[Grant]:
        last = self.grant(after) if after else None
        first = None if last is None else _month(last.request.asked_at)
        for month in _months(since, until):
            if first is not None and month < first:
                continue
            for grant in self._grants(self._ids("month-index", "month", month, after=after if month == first else "")):
                if since <= grant.request.asked_at < until:
                    yield grant

    def keep_token(self, token: Token, question: Question | None) -> None:
        unmoved: Any = {"ConditionCheck": {"TableName": self._table, "Key": _key(token.grant_id, "GRANT"), **_at_version(token.version)}}
        item = {
            **_token_key(token.grant_id),
            "grant_id": {"S": token.grant_id},
            "standing": {"S": _WAITING},
            "sealed": {"B": token.sealed},
            "step": {"S": str(token.step)},
            "version": {"N": str(token.version)},
        }
        put: Any = {"Put": {"TableName": self._table, "Item": item}}
        asked = [] if question is None else [self._questions.unmoved(question)]
        self._transact(f"keeping that {token.grant_id} waits", [put, unmoved, *asked])

    def token(self, grant_id: str) -> Token | None:
        item = self._get(_token_key(grant_id))
        if item is None:
            return None
        return Token(grant_id, Step(item["step"]["S"]), bytes(item["sealed"]["B"]), int(item["version"]["N"]))

    def drop_token(self, token: Token) -> None:
        condition_held(
            f"forgetting that {token.grant_id} waits",
            lambda: self._dynamodb.delete_item(
                TableName=self._table,
                Key=_token_key(token.grant_id),
                ConditionExpression="sealed = :sealed",
                ExpressionAttributeValues={":sealed": {"B": token.sealed}},
            ),
        )

    def waiting(self) -> Iterable[Token]:
        return (token for token in map(self.token, self._ids("standing-index", "standing", _WAITING)) if token is not None)

    def keep_issue(self, issued: Issued) -> None:
        """Of all of a grant's there is one chain, since each has a head for ever. Whoever comes second at it tries again."""
        put: Any = {"Put": {"TableName": self._table, "Item": _issue_item(issued), "ConditionExpression": "attribute_not_exists(pk)"}}
        for _ in range(_TRIES):
            item = next_item(
                self._audit.head(f"issues {issued.grant_id}"),
                what=str(issued.kind),
                by=id_of(issued.by.who),
                via=str(issued.by.via),
                at=issued.at,
                detail={"issue": issued.id, "source_ip": issued.source_ip},
            )
            try:
                return self._transact(f"keeping issue {issued.id}", [put, *self._audit.parts(item)])
            except Conflict:
                continue
        raise Unavailable(f"keeping issue {issued.id}: too much is issued of {issued.grant_id} at the same time")

    def use_issue(self, grant_id: str, issue_id: str, now: datetime) -> Issued | None:
        earliest, latest = now - timedelta(seconds=ISSUED_WITHIN), now + timedelta(seconds=CLOCKS_DIFFER)
        used: list[Mapping[str, Any]] = []

        def use() -> None:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(grant_id, f"{_ISSUE}{issue_id}"),
                UpdateExpression="SET used_at = :now",
                ConditionExpression="attribute_exists(pk) AND attribute_not_exists(used_at) AND #at BETWEEN :earliest AND :latest",
                ExpressionAttributeNames={"#at": "at"},
                ExpressionAttributeValues={":now": _time(now), ":earliest": _time(earliest), ":latest": _time(latest)},
                ReturnValues="ALL_NEW",
            )
            used.append(answer["Attributes"])

        return _issued(grant_id, used[0]) if condition_held(f"using issue {issue_id}", use) else None

    def complete_issue(self, issued: Issued) -> None:
        values: dict[str, Any] = {":hash": {"S": issued.key_hash}}
        if issued.packed_percent is not None:
            values[":percent"] = {"N": str(issued.packed_percent)}
        with translated(f"keeping what is known of issue {issued.id}"):
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(issued.grant_id, f"{_ISSUE}{issued.id}"),
                UpdateExpression="SET key_hash = :hash" + (", packed_percent = :percent" if ":percent" in values else ""),
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues=values,
            )

    def issues(self, grant_id: str) -> Sequence[Issued]:
        with translated(f"reading the issues of {grant_id}"):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :issue)",
                ExpressionAttributeValues={":pk": {"S": f"GRANT#{grant_id}"}, ":issue": {"S": _ISSUE}},
                ConsistentRead=True,
            )
            found = [_issued(grant_id, each) for page in pages for each in page["Items"]]
        return sorted(found, key=lambda each: (each.at, each.id))

    def _write(  # noqa: PLR0917 - a transition, and all that is kept with it
        self, grant: Grant, did: str, by: str, now: datetime, announcement: Announcement | None, put: Mapping[str, Any], *more: Any
    ) -> None:
        who, _, via = by.partition(" ")
        detail = {
            "state": str(grant.state),
            "role_ref": grant.request.role_ref,
            "shown": grant.shown_hash,
            "entitlements": "" if grant.ruling is None else grant.ruling.entitlements_hash,
        }
        item = next_item(self._audit.head(grant.about), what=did, by=who, via=via or "doorward", at=now, detail=detail)
        told = [] if announcement is None else [self._ledger.announcing(announcement)]
        kept: Any = {"Put": put}
        self._transact(f"grant {grant.id}, version {grant.version}", [kept, *more, *self._audit.parts(item), *told])

    def _transact(self, doing: str, parts: "list[TransactWriteItemTypeDef]") -> None:
        with translated(doing):
            self._dynamodb.transact_write_items(TransactItems=parts)

    def _put(self, grant: Grant) -> dict[str, Any]:
        return {"TableName": self._table, "Item": _item(grant)}

    def _get(self, key: dict[str, Any]) -> Mapping[str, Any] | None:
        with translated(f"reading {key['pk']['S']}"):
            return self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")

    def _ids(self, index: str, name: str, value: str, *, before: str = "", after: str = "", most: int = 0) -> Iterator[str]:
        """From the oldest, or, where there is a most, so many of the latest; with a lesser id than `before`, or a greater than `after`."""
        bound = before or after
        request: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": index,
            "KeyConditionExpression": "#name = :value" + (f" AND grant_id {'<' if before else '>'} :bound" if bound else ""),
            "ExpressionAttributeNames": {"#name": name},
            "ExpressionAttributeValues": {":value": {"S": value}} | ({":bound": {"S": bound}} if bound else {}),
            "ScanIndexForward": not most,
        }
        limits: Any = {"PaginationConfig": {"MaxItems": most}} if most else {}
        with translated(f"listing grants by {name}"):
            for page in self._dynamodb.get_paginator("query").paginate(**request, **limits):
                yield from (each["grant_id"]["S"] for each in page["Items"])

    def _grants(self, ids: Iterable[str]) -> Iterator[Grant]:
        """Several at once: whoever lists them waits for all of them. In the order of their ids as given."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for some in batched(ids, _AT_ONCE, strict=False):
                yield from (grant for grant in pool.map(self.grant, some) if grant is not None)


class KmsTokenSeals:
    """The TokenSeals port. What was sealed for one grant opens for no other. `key`: its id or ARN."""

    def __init__(self, kms: "KMSClient", key: str) -> None:
        self._kms = kms
        self._key = key

    def seal(self, grant_id: str, token: str) -> bytes:
        with translated(f"sealing the task token of {grant_id}"):
            return self._kms.encrypt(KeyId=self._key, Plaintext=token.encode(), EncryptionContext={"grant": grant_id})["CiphertextBlob"]

    def open(self, token: Token) -> str:
        with translated(f"opening the task token of {token.grant_id}"):
            answer = self._kms.decrypt(KeyId=self._key, CiphertextBlob=token.sealed, EncryptionContext={"grant": token.grant_id})
        return answer["Plaintext"].decode()


class StepFunctionsExecutions:
    """The Executions port. An execution is called as its grant, so that there is one."""

    def __init__(self, states: "SFNClient", state_machine_arn: str) -> None:
        self._states = states
        self._state_machine_arn = state_machine_arn

    def start(self, grant_id: str) -> None:
        try:
            with translated(f"starting the execution of {grant_id}"):
                self._states.start_execution(
                    stateMachineArn=self._state_machine_arn, name=grant_id, input=json.dumps({"grant_id": grant_id})
                )
        except Conflict:
            return  # it was started before

    def wake(self, token: str) -> bool:
        with translated("waking an execution"):
            try:
                self._states.send_task_success(taskToken=token, output="{}")
            except ClientError as error:
                if code_of(error) in _NOBODY_WAITS:
                    return False
                raise
        return True

    def is_running(self, grant_id: str) -> bool | None:
        arn = f"{self._state_machine_arn.replace(':stateMachine:', ':execution:')}:{grant_id}"
        with translated(f"looking at the execution of {grant_id}"):
            try:
                # What it carries is encrypted by a key that nobody needs to know how it is: its status is not.
                # https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
                found = self._states.describe_execution(executionArn=arn, includedData="METADATA_ONLY")
                return found["status"] == "RUNNING"
            except ClientError as error:
                if code_of(error) == "ExecutionDoesNotExist":
                    return None
                raise


def _key(grant_id: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": f"GRANT#{grant_id}"}, "sk": {"S": sk}}


def _token_key(grant_id: str) -> dict[str, Any]:
    return {"pk": {"S": f"TOKEN#{grant_id}"}, "sk": {"S": "TOKEN"}}


def _opening_key(grant_id: str) -> dict[str, Any]:
    return {"pk": {"S": f"OPEN#{grant_id}"}, "sk": {"S": "OPEN"}}


def _at_version(version: int) -> dict[str, Any]:
    return {
        "ConditionExpression": "#version = :before",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":before": {"N": str(version)}},
    }


def _months(since: datetime, until: datetime) -> Iterator[str]:
    """`2026-11`: each that a moment between the two is in, by UTC."""
    first, last = since.astimezone(UTC), until.astimezone(UTC)
    for month in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        yield f"{month // 12:04}-{month % 12 + 1:02}"


def _month(at: datetime) -> str:
    """`2026-11`, by UTC."""
    return f"{at.astimezone(UTC):%Y-%m}"


def _item(grant: Grant) -> dict[str, Any]:
    return {
        **_key(grant.id, "GRANT"),
        "document": {"S": json.dumps(_as_json(grant))},
        "version": {"N": str(grant.version)},
        "grant_id": {"S": grant.id},
        "person": {"S": grant.person.user_id},
        "month": {"S": _month(grant.request.asked_at)},
        "standing": {"S": _STANDING},
    }


def _as_json(grant: Grant) -> dict[str, Any]:
    request, ruling = grant.request, grant.ruling
    return {
        **grant._asdict(),
        "person": grant.person._asdict(),
        "request": {
            **request._asdict(),
            "parameters": dict(request.parameters),
            "asked_at": request.asked_at.isoformat(),
            "starts_at": _text(request.starts_at),
        },
        "ruling": None if ruling is None else {**ruling._asdict(), "terms": terms_as_json(ruling.terms)},
        "starts_at": _text(grant.starts_at),
        "ends_at": _text(grant.ends_at),
        "moved_at": _text(grant.moved_at),
        "opened_at": _text(grant.opened_at),
        "ended_at": _text(grant.ended_at),
    }


def _grant(kept: Mapping[str, Any]) -> Grant:
    request, ruling = kept["request"], kept["ruling"]
    return Grant(
        **{
            **kept,
            "person": Person(**kept["person"]),
            "request": GrantRequest(
                **{**request, "asked_at": datetime.fromisoformat(request["asked_at"]), "starts_at": _from(request["starts_at"])}
            ),
            "state": State(kept["state"]),
            "ruling": None if ruling is None else _ruling(ruling),
            "starts_at": _from(kept["starts_at"]),
            "ends_at": _from(kept["ends_at"]),
            "moved_at": _from(kept["moved_at"]),
            "opened_at": _from(kept["opened_at"]),
            "ended_at": _from(kept["ended_at"]),
        }
    )


def _ruling(kept: Mapping[str, Any]) -> Ruling:
    return Ruling(
        **{
            **kept,
            "rules": tuple(kept["rules"]),
            "terms": terms_from(kept["terms"]),
            "risk": Risk(kept["risk"]),
            "because": tuple(kept["because"]),
        }
    )


def _opening_item(grant: Grant) -> dict[str, Any]:
    opening = opening_of(grant)
    times = {"starts_at": _text(opening.starts_at), "ends_at": _text(opening.ends_at)}
    return {**_opening_key(grant.id), "document": {"S": json.dumps({**opening._asdict(), **times})}}


def _opening(kept: Mapping[str, Any]) -> Opening:
    return Opening(**{**kept, "starts_at": _from(kept["starts_at"]), "ends_at": _from(kept["ends_at"])})


def _issue_item(issued: Issued) -> dict[str, Any]:
    return {
        **_key(issued.grant_id, f"{_ISSUE}{issued.id}"),
        "kind": {"S": str(issued.kind)},
        "at": _time(issued.at),
        "by": {"S": json.dumps(_who(issued.by))},
        "via": {"S": str(issued.by.via)},
        "source_ip": {"S": issued.source_ip},
    }


def _who(caller: Caller) -> Mapping[str, Any]:
    return caller.who._asdict()


def _issued(grant_id: str, item: Mapping[str, Any]) -> Issued:
    who = json.loads(item["by"]["S"])
    return Issued(
        id=item["sk"]["S"].removeprefix(_ISSUE),
        grant_id=grant_id,
        kind=Kind(item["kind"]["S"]),
        at=datetime.fromisoformat(item["at"]["S"]),
        by=Caller(Person(**who) if "user_id" in who else Machine(**who), Via(item["via"]["S"])),
        source_ip=item["source_ip"]["S"],
        used_at=_from(item.get("used_at", {}).get("S")),
        key_hash=item.get("key_hash", {}).get("S", ""),
        packed_percent=int(item["packed_percent"]["N"]) if "packed_percent" in item else None,
    )


def _time(at: datetime) -> dict[str, Any]:
    """So that texts sort as times do."""
    return {"S": text_of(at)}


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _from(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
