"""How items and heads lie in the audit table, every attribute text: for the adapter that writes them and for whoever verifies them.

    AUDIT#<object id>   <version, ten digits>   what, by, via, at, detail, prev_hash
    HEADS#<shard>       <object id>             version, hash
    ROOT                LAST                    number, document, kept

Heads lie in sixteen partitions by the hash of the object's id, so that all of them are listed without a scan, and none of them is hot.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from doorward.audit.chain import LONGEST_CHAIN, AuditItem, Head, text_of, time_of
from doorward.errors import MalformedInput

SHARDS: Final = "0123456789abcdef"
ITEM_PREFIX: Final = "AUDIT#"
LAST_ROOT: Final = {"pk": "ROOT", "sk": "LAST"}
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_VERSION: Final = re.compile(r"[0-9]{10}", re.ASCII)
_ITEM: Final = frozenset({"pk", "sk", "what", "by", "via", "at", "detail", "prev_hash"})
_HEAD: Final = frozenset({"pk", "sk", "version", "hash"})


def shard_of(object_id: str) -> str:
    return sha256(object_id.encode()).hexdigest()[0]


def shard_key(shard: str) -> str:
    return f"HEADS#{shard}"


def head_key(object_id: str) -> dict[str, str]:
    return {"pk": shard_key(shard_of(object_id)), "sk": object_id}


def item_as_stored(item: AuditItem) -> dict[str, str]:
    if not 0 < item.version <= LONGEST_CHAIN:
        raise MalformedInput(f"{item.object_id}: version {item.version} cannot be kept")
    return {
        "pk": f"{ITEM_PREFIX}{item.object_id}",
        "sk": f"{item.version:010}",
        "what": item.what,
        "by": item.by,
        "via": item.via,
        "at": text_of(item.at),
        "detail": item.detail,
        "prev_hash": item.prev_hash,
    }


def head_as_stored(head: Head) -> dict[str, str]:
    return {**head_key(head.object_id), "version": str(head.version), "hash": head.hash}


def item_from(stored: Mapping[str, Any]) -> AuditItem:
    """Raises MalformedInput for whatever `item_as_stored` did not write: somebody else did."""
    _texts(stored, _ITEM)
    if not stored["pk"].startswith(ITEM_PREFIX) or not _VERSION.fullmatch(stored["sk"]):
        raise MalformedInput("its key is none of Doorward's")
    at, object_id = time_of(stored["at"]), stored["pk"].removeprefix(ITEM_PREFIX)
    return AuditItem(object_id, int(stored["sk"]), stored["what"], stored["by"], stored["via"], at, stored["detail"], stored["prev_hash"])


def head_from(stored: Mapping[str, Any]) -> Head:
    """Raises MalformedInput for whatever `head_as_stored` did not write."""
    _texts(stored, _HEAD)
    version = int(stored["version"]) if re.fullmatch("[1-9][0-9]{0,9}", stored["version"]) else 0
    head = Head(stored["sk"], version, stored["hash"])
    if not version or not _HASH.fullmatch(head.hash) or head_as_stored(head) != stored:
        raise MalformedInput("it is no head as Doorward writes it")
    return head


def _texts(stored: Mapping[str, Any], names: frozenset[str]) -> None:
    if stored.keys() != names or not all(isinstance(each, str) for each in stored.values()):
        raise MalformedInput(f"it must have the texts {', '.join(sorted(names))}, and nothing else")
