"""The inventory of every account's roles in DynamoDB, and the pages of IAM that it is made from.

Facts table, `pk` / `sk`:
    INVENTORY              <account>            that the account was swept, and when
    INVENTORY#<account>    HEAD                 at, write, chunks: what stands
    INVENTORY#<account>    PARTIAL#<sweep>      the same of a sweep that is not done, with the marker where it goes on
    INVENTORY#<account>    CHUNK#<write>#<n>    a part of either as zlib JSON: an item holds 400 KB
    INVENTORY#<account>    TURN                 sweep, until (epoch seconds): whose turn it is

The head is written after its chunks; those of the head before are deleted after that.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
"""

import json
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from doorward.aws.errors import condition_held, translated
from doorward.errors import Unavailable
from doorward.guardrails.inventory import RoleDigest, Swept
from doorward.ports.facts import Page, Partial

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from doorward.aws.members import Members

_ALL = "INVENTORY"
_CHUNK_BYTES = 350_000
_TRIES = 3
_KEEP_PARTIAL = timedelta(hours=2)
# IAM gives up to a thousand at once. What has been seen is kept between pages, and a page must leave time for it, however hard its trust
# policies are to read.
_PAGE_ITEMS = 100


class DynamoInventory:
    """The Inventory port."""

    def __init__(self, dynamodb: "DynamoDBClient", facts_table: str) -> None:
        self._dynamodb = dynamodb
        self._table = facts_table

    def load(self, account_id: str) -> Swept | None:
        whole = self._load(account_id, "HEAD")
        return None if whole is None else whole[1]

    def swept_at(self, account_id: str) -> datetime | None:
        with translated(f"reading when account {account_id} was swept"):
            item = self._dynamodb.get_item(TableName=self._table, Key=_listed(account_id), ConsistentRead=True).get("Item")
        return None if item is None else datetime.fromisoformat(item["at"]["S"])

    def save(self, account_id: str, swept: Swept) -> None:
        self._save(account_id, "HEAD", swept, {})
        with translated(f"noting that account {account_id} was swept"):
            self._dynamodb.put_item(TableName=self._table, Item={**_listed(account_id), "at": {"S": swept.at.isoformat()}})

    def load_partial(self, account_id: str, sweep_id: str) -> Partial | None:
        partial = self._load(account_id, f"PARTIAL#{sweep_id}")
        return None if partial is None else Partial(partial[0]["marker"]["S"], partial[1])

    def save_partial(self, account_id: str, sweep_id: str, partial: Partial) -> None:
        ends = int((datetime.now(UTC) + _KEEP_PARTIAL).timestamp())
        self._save(account_id, f"PARTIAL#{sweep_id}", partial.seen, {"marker": {"S": partial.marker}, "ttl": {"N": str(ends)}})

    def take_turn(self, account_id: str, sweep_id: str, now: datetime, until: datetime) -> bool:
        return condition_held(
            f"taking the turn to sweep account {account_id}",
            lambda: self._dynamodb.put_item(
                TableName=self._table,
                Item={**_key(account_id, "TURN"), "sweep": {"S": sweep_id}, "until": {"N": str(until.timestamp())}},
                ConditionExpression="attribute_not_exists(pk) OR sweep = :sweep OR #until < :now",
                ExpressionAttributeNames={"#until": "until"},
                ExpressionAttributeValues={":sweep": {"S": sweep_id}, ":now": {"N": str(now.timestamp())}},
            ),
        )

    def end_turn(self, account_id: str, sweep_id: str) -> None:
        condition_held(
            f"ending the turn to sweep account {account_id}",
            lambda: self._dynamodb.delete_item(
                TableName=self._table,
                Key=_key(account_id, "TURN"),
                ConditionExpression="sweep = :sweep",
                ExpressionAttributeValues={":sweep": {"S": sweep_id}},
            ),
        )

    def roles_naming(self, texts: Sequence[str]) -> Iterable[str]:
        wanted = set(texts)
        return tuple(
            f"{account_id}/{name}"
            for account_id in self._accounts()
            for swept in [self.load(account_id)]
            if swept is not None
            for name, role in sorted(swept.roles.items())
            if wanted & set(role.names)
        )

    def _accounts(self) -> Iterator[str]:
        with translated("listing the accounts that were swept"):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": _ALL}}
            )
            yield from [item["sk"]["S"] for page in pages for item in page["Items"]]

    def _load(self, account_id: str, name: str) -> tuple[Mapping[str, Any], Swept] | None:
        for _ in range(_TRIES):
            head = self._get(account_id, name)
            if head is None:
                return None
            chunks = [self._get(account_id, each) for each in _chunk_keys(head)]
            whole = [each["part"]["B"] for each in chunks if each is not None]
            if len(whole) == len(chunks):
                kept = json.loads(zlib.decompress(b"".join(whole)))
                if kept.get("fields") != list(RoleDigest._fields):
                    return None  # of another version of Doorward: as if the account had not been swept yet
                roles = {each[0]: _digest(each) for each in kept["roles"]}
                at, since = datetime.fromisoformat(head["at"]["S"]), datetime.fromisoformat(kept["since"])
                return head, Swept(at, roles, kept["policies"], since)
        raise Unavailable(f"{account_id}: its inventory was replaced each time while it was being read; trying again later")

    def _save(self, account_id: str, name: str, swept: Swept, more: Mapping[str, Any]) -> None:
        kept = {
            "fields": RoleDigest._fields,
            "since": swept.since.isoformat(),
            "roles": [list(each) for each in swept.roles.values()],
            "policies": dict(swept.policies),
        }
        text = zlib.compress(json.dumps(kept, separators=(",", ":")).encode())
        chunks = [text[start : start + _CHUNK_BYTES] for start in range(0, len(text), _CHUNK_BYTES)]
        before = self._get(account_id, name)
        head = {
            **_key(account_id, name),
            "at": {"S": swept.at.isoformat()},
            "write": {"S": uuid.uuid4().hex},
            "chunks": {"N": str(len(chunks))},
            **more,
        }
        ends = {name: value for name, value in more.items() if name == "ttl"}
        with translated(f"keeping the inventory of account {account_id}"):
            for sk, chunk in zip(_chunk_keys(head), chunks, strict=True):
                self._dynamodb.put_item(TableName=self._table, Item={**_key(account_id, sk), "part": {"B": chunk}, **ends})
            self._dynamodb.put_item(TableName=self._table, Item=head)
            for sk in () if before is None else _chunk_keys(before):
                self._dynamodb.delete_item(TableName=self._table, Key=_key(account_id, sk))

    def _get(self, account_id: str, sk: str) -> Any:
        with translated(f"reading the inventory of account {account_id}"):
            return self._dynamodb.get_item(TableName=self._table, Key=_key(account_id, sk), ConsistentRead=True).get("Item")


class IamPages:
    """The RolePages port."""

    def __init__(self, members: "Members") -> None:
        self._members = members

    def page(self, account_id: str, marker: str | None) -> Page:
        iam = self._members.reader("iam", account_id)
        more = {} if marker is None else {"Marker": marker}
        with translated(f"reading the roles of account {account_id}"):
            answer = iam.get_account_authorization_details(Filter=["Role", "LocalManagedPolicy"], MaxItems=_PAGE_ITEMS, **more)
        return Page(answer["RoleDetailList"], answer["Policies"], answer["Marker"] if answer.get("IsTruncated") else None)


def _digest(kept: list[Any]) -> RoleDigest:
    return RoleDigest._make([tuple(each) if isinstance(each, list) else each for each in kept])


def _listed(account_id: str) -> dict[str, Any]:
    return {"pk": {"S": _ALL}, "sk": {"S": account_id}}


def _key(account_id: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": f"{_ALL}#{account_id}"}, "sk": {"S": sk}}


def _chunk_keys(head: Mapping[str, Any]) -> list[str]:
    return [f"CHUNK#{head['write']['S']}#{number}" for number in range(int(head["chunks"]["N"]))]
