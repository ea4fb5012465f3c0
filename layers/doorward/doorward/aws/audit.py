"""The audit in DynamoDB, its roots in S3 under Object Lock, signed by KMS. doorward/audit/stored.py has the keys of the table.

An item is put where none is, and its head where the head is still the one that the item was made to follow: so two writers cannot fork a
chain. Neither is ever updated or deleted: nobody has the permission (template.yaml). Heads are put anew.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from doorward.audit.chain import AuditItem, Head, head_of
from doorward.audit.roots import Root, Sealed, sealed_from, text_of_root, text_of_sealed
from doorward.audit.stored import LAST_ROOT, SHARDS, head_as_stored, head_from, head_key, item_as_stored, shard_key
from doorward.aws.errors import translated
from doorward.ports.audit import LastRoot

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client

_SIGNING: Final = "ECDSA_SHA_256"


class DynamoAudit:
    """The Audit port."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def head(self, object_id: str) -> Head:
        with translated(f"reading where the audit of {object_id} ends"):
            item = self._dynamodb.get_item(TableName=self._table, Key=_attributes(head_key(object_id)), ConsistentRead=True).get("Item")
        return Head(object_id) if item is None else head_from(_plain(item))

    def append(self, item: AuditItem) -> None:
        with translated(f"keeping version {item.version} of the audit of {item.object_id}"):
            self._dynamodb.transact_write_items(TransactItems=self.parts(item))

    def parts(self, item: AuditItem) -> "list[TransactWriteItemTypeDef]":
        """For the transaction of what the item tells of. Where it is cancelled for one of these, the head has moved: read, decide again."""
        return [{"Put": self._put(item_as_stored(item))}, {"Put": self._head(item)}]

    def _put(self, texts: Mapping[str, str]) -> Any:
        return {"TableName": self._table, "Item": _attributes(texts), "ConditionExpression": "attribute_not_exists(pk)"}

    def _head(self, item: AuditItem) -> Any:
        put = self._put(head_as_stored(head_of(item)))
        if item.version == 1:
            return put
        return {
            **put,
            "ConditionExpression": "#version = :before AND #hash = :prev_hash",
            "ExpressionAttributeNames": {"#version": "version", "#hash": "hash"},
            "ExpressionAttributeValues": {":before": {"S": str(item.version - 1)}, ":prev_hash": {"S": item.prev_hash}},
        }


class AwsSeals:
    """The Seals port. `key_arn`: of the asymmetric key."""

    def __init__(self, clients: "tuple[DynamoDBClient, S3Client, KMSClient]", table: str, bucket: str, key_arn: str) -> None:
        self._dynamodb, self._s3, self._kms = clients
        self._table = table
        self._bucket = bucket
        self._key_arn = key_arn

    def heads(self) -> Iterable[Head]:
        for shard in SHARDS:
            yield from self._heads_of(shard)

    def _heads_of(self, shard: str) -> Iterator[Head]:
        with translated("reading where every audit ends"):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": shard_key(shard)}},
                ConsistentRead=True,
            )
            for page in pages:
                yield from (head_from(_plain(each)) for each in page["Items"])

    def last(self) -> LastRoot | None:
        with translated("reading the last root of the audit"):
            item = self._dynamodb.get_item(TableName=self._table, Key=_attributes(LAST_ROOT), ConsistentRead=True).get("Item")
        return None if item is None else LastRoot(sealed_from(item["document"]["S"]), item["kept"]["S"] == "true")

    def key(self) -> str:
        return self._key_arn

    def sign(self, root: Root) -> Sealed:
        with translated(f"signing root {root.number} of the audit"):  # KMS takes 4096 bytes; a root is never half of that
            message = text_of_root(root).encode()
            answer = self._kms.sign(KeyId=self._key_arn, Message=message, MessageType="RAW", SigningAlgorithm=_SIGNING)
        return Sealed(root, answer["Signature"])

    def put(self, key: str, text: str) -> None:
        with translated(f"keeping {key}"):
            self._s3.put_object(
                Bucket=self._bucket, Key=key, Body=text.encode(), ContentType="application/json", ChecksumAlgorithm="SHA256"
            )

    def count(self, sealed: Sealed) -> None:
        self._put_last(sealed, is_kept=False, follows=sealed.root.number - 1)

    def kept(self, sealed: Sealed) -> None:
        self._put_last(sealed, is_kept=True, follows=sealed.root.number)

    def _put_last(self, sealed: Sealed, *, is_kept: bool, follows: int) -> None:
        item = {**LAST_ROOT, "number": str(sealed.root.number), "document": text_of_sealed(sealed), "kept": "true" if is_kept else "false"}
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if follows:
            condition = {
                "ConditionExpression": "#number = :follows",
                "ExpressionAttributeNames": {"#number": "number"},
                "ExpressionAttributeValues": {":follows": {"S": str(follows)}},
            }
        with translated(f"counting root {sealed.root.number} of the audit"):
            self._dynamodb.put_item(TableName=self._table, Item=_attributes(item), **condition)


def _attributes(texts: Mapping[str, str]) -> Any:
    return {name: {"S": text} for name, text in texts.items()}


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: next(iter(value.values())) for name, value in item.items()}
