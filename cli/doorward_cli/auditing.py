"""`doorward audit verify`: whether what the audit keeps is as it was written, with the auditor's credentials. Reads, and never writes.

Signatures are verified here, by the key's public half: who controls the hub's KMS afterwards does not come into it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import batched
from typing import Any, Final

from rich.text import Text

from doorward.audit.roots import ROOTS, Page, merkle_root_of
from doorward.audit.stored import ITEM_PREFIX, SHARDS, shard_key
from doorward.audit.verifying import Found, Verified, read_chains, verify
from doorward.errors import Misconfigured
from doorward.findings.escaping import for_terminal
from doorward_cli.hub import failing_clearly, resource_of
from doorward_cli.progress import progress
from doorward_cli.tables import print_lines

FORMAT: Final = "doorward.audit/1"
_AT_ONCE: Final = 16
_NEEDS: Final = (
    "dynamodb:Query and Scan on the hub's AuditTable, s3:ListBucketVersions, GetObject and GetObjectVersion on its EvidenceBucket,"
    " and kms:GetPublicKey on its AuditKey: assume doorward-auditor"
)


def read_and_verify(stack: str) -> Verified:
    """Raises Unavailable, Misconfigured."""
    import boto3
    from botocore.config import Config

    session = boto3.Session()
    table, bucket, key = (resource_of(session, stack, each) for each in ("AuditTable", "EvidenceBucket", "AuditKey"))
    with failing_clearly("reading the audit", _NEEDS):
        s3 = _Bucket(session.client("s3", config=Config(max_pool_connections=_AT_ONCE)), bucket)
        items = _Table(session.client("dynamodb"), table)
        is_signed = _verifier(session.client("kms").get_public_key(KeyId=key)["PublicKey"])
        found = Found(s3.roots(), list(items.heads()), read_chains(items.items()), list(items.heads()))
        return verify(found, s3.pages, is_signed, datetime.now(UTC))


def _verifier(der: bytes) -> Callable[[bytes, bytes], bool]:
    """Raises Misconfigured for a key that is not of the template's kind."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    key = load_der_public_key(der)
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise Misconfigured("AuditKey: must be a key of ECC_NIST_P256, as template.yaml makes it")

    def is_signed(message: bytes, signature: bytes) -> bool:
        try:
            key.verify(signature, message, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    return is_signed


class _Table:
    def __init__(self, dynamodb: Any, name: str) -> None:
        self._dynamodb = dynamodb
        self._name = name

    def heads(self) -> Iterator[dict[str, Any]]:
        for shard in SHARDS:
            yield from self._read(
                "query", KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": shard_key(shard)}}, ConsistentRead=True
            )

    def items(self) -> Iterator[dict[str, Any]]:
        """Also those of an object without a head: so a scan."""
        only = {"FilterExpression": "begins_with(pk, :items)", "ExpressionAttributeValues": {":items": {"S": ITEM_PREFIX}}}
        yield from self._read("scan", **only, ConsistentRead=True)

    def _read(self, operation: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        for page in self._dynamodb.get_paginator(operation).paginate(TableName=self._name, **arguments):
            for item in page["Items"]:
                yield {name: next(iter(value.values())) for name, value in item.items()}


class _Bucket:
    def __init__(self, s3: Any, name: str) -> None:
        self._s3 = s3
        self._name = name

    def roots(self) -> Mapping[str, Sequence[str]]:
        """Every version that was ever put: a delete marker hides none."""
        listed = self._s3.get_paginator("list_object_versions").paginate(Bucket=self._name, Prefix=ROOTS)
        versions = [(each["Key"], each["VersionId"]) for page in listed for each in page.get("Versions", [])]
        found: dict[str, list[str]] = {}
        texts = self._texts([{"Key": key, "VersionId": version} for key, version in versions], "Reading roots")
        for (key, _), text in zip(versions, texts, strict=True):
            found.setdefault(key, []).append(text or "")
        return found

    def pages(self, pages: Sequence[Page]) -> Iterable[str | None]:
        return self._texts([{"Key": each.key} for each in pages], "Verifying pages")

    def _texts(self, objects: Sequence[Mapping[str, str]], doing: str) -> Iterator[str | None]:
        """In their order, some at a time."""
        with progress(len(objects), doing) as advance, ThreadPoolExecutor(_AT_ONCE) as pool:
            for some in batched(objects, _AT_ONCE * 4, strict=False):
                for text in pool.map(self._text, some):
                    advance()
                    yield text

    def _text(self, which: Mapping[str, str]) -> str | None:
        try:
            body = self._s3.get_object(Bucket=self._name, **which)["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            return None
        return str(body.decode("utf-8", "replace"))


def as_json(verified: Verified) -> dict[str, Any]:
    newest = verified.newest
    return {
        "format": FORMAT,
        "intact": not verified.faults,
        "faults": [each._asdict() for each in verified.faults],
        "newest_root": None
        if newest is None
        else {
            "number": newest.number,
            "at": newest.at.isoformat(),
            "heads": newest.heads,
            "merkle_root": merkle_root_of(newest),
            "key": newest.key,
        },
        "summary": {
            "objects": verified.objects,
            "items": verified.items,
            "roots": verified.roots,
            "unsealed": verified.unsealed,
            "faults": len(verified.faults),
        },
    }


def print_table(verified: Verified) -> None:
    print_lines(_lines(verified))


def _lines(verified: Verified) -> Iterator[tuple[int, Text]]:
    for each in verified.faults:
        yield 0, Text().append(each.kind, style="bold red").append(for_terminal(f"  {each.where}"), style="bold")
        yield 2, Text(for_terminal(each.what))
        yield 2, Text("cure  ", style="dim").append(for_terminal(each.cure))
    newest = verified.newest
    if newest is not None:
        yield 0, Text(f"Root {newest.number} of {newest.at.isoformat(timespec='seconds')}: {merkle_root_of(newest)}", style="dim")
    if verified.unsealed:
        yield 0, Text(f"{verified.unsealed} not sealed yet: something is younger than the newest root.", style="yellow")
    total = f"{verified.items} items of {verified.objects} objects, {verified.roots} roots"
    if verified.faults:
        yield 0, Text(f"{total}: {len(verified.faults)} faults", style="bold red")
    else:
        yield 0, Text(f"{total}: all as written", style="green")
