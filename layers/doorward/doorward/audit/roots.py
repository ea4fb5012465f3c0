"""Roots: every five minutes one signed statement of where every chain ends, each with the hash of the root before.

A root has one Merkle root over all heads. Its tree has sixteen subtrees, one a shard of the table, and below them that shard's heads by the
object's id. The heads themselves stand in pages, one a shard, named after the subtree's root: a page is written once, when it is new.
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from doorward.audit.chain import Head, canonical, text_of, time_of
from doorward.audit.merkle import merkle_root
from doorward.audit.stored import SHARDS, shard_of
from doorward.errors import MalformedInput
from doorward.values import NamedTuple

ROOT: Final = "doorward.audit-root/1"
PAGE: Final = "doorward.audit-heads/1"
PREFIX: Final = "audit/"
ROOTS: Final = f"{PREFIX}roots/"
NO_PAGES: Final = (merkle_root(()),) * len(SHARDS)
"""The subroots where nothing has happened yet."""
_NUMBER: Final = re.compile(rf"{ROOTS}([0-9]{{10}})\.json", re.ASCII)


class Root(NamedTuple):
    """`number` counts from 1 without a gap. `subroots`: one a shard, in the order of SHARDS; `heads`: how many. `key`: who signs, its ARN.

    `previous` is the hash of the root before, "" for the first.
    """

    number: int
    at: datetime
    previous: str
    heads: int
    subroots: tuple[str, ...]
    key: str


class Sealed(NamedTuple):
    """A root and its signature: ECDSA over P-256 and SHA-256 of `text_of_root`, in DER."""

    root: Root
    signature: bytes


class Page(NamedTuple):
    """The heads of one shard as they were at one time."""

    shard: str
    subroot: str

    @property
    def key(self) -> str:
        return f"{PREFIX}heads/{self.shard}/{self.subroot}.json"


def next_root(last: Root | None, heads: Iterable[Head], at: datetime, key: str) -> tuple[Root, Mapping[Page, str]]:
    """The root that follows, and the text of each page that the root before does not have. Of no heads there is no page."""
    shards: dict[str, list[Head]] = {each: [] for each in SHARDS}
    for head in heads:
        shards[shard_of(head.object_id)].append(head)
    ordered = [sorted(shards[each]) for each in SHARDS]
    subroots = tuple(map(subroot_of, ordered))
    before = NO_PAGES if last is None else last.subroots
    pages = {
        Page(shard, subroot): text_of_page(shard, page)
        for shard, page, subroot, known in zip(SHARDS, ordered, subroots, before, strict=True)
        if page and subroot != known
    }
    number, previous = (1, "") if last is None else (last.number + 1, hash_of_root(last))
    return Root(number, at, previous, sum(map(len, ordered)), subroots, key), pages


def pages_of(roots: Iterable[Root]) -> Iterator[Page]:
    """Each page where a root names another than the root before, the oldest first: one that comes back comes again."""
    before = NO_PAGES
    for root in roots:
        yield from (Page(shard, subroot) for shard, subroot, known in zip(SHARDS, root.subroots, before, strict=True) if subroot != known)
        before = root.subroots


def subroot_of(heads: Iterable[Head]) -> str:
    """Of heads that are sorted by the object's id."""
    return merkle_root(canonical(list(each)).encode() for each in heads)


def merkle_root_of(root: Root) -> str:
    """Over all heads."""
    return merkle_root(bytes.fromhex(each) for each in root.subroots)


def key_of(number: int) -> str:
    return f"{ROOTS}{number:010}.json"


def number_of(key: str) -> int | None:
    found = _NUMBER.fullmatch(key)
    return None if found is None else int(found[1])


def text_of_root(root: Root) -> str:
    """What is signed, and hashed into the next."""
    return canonical(_as_json(root))


def hash_of_root(root: Root) -> str:
    return sha256(text_of_root(root).encode()).hexdigest()


def text_of_page(shard: str, heads: Sequence[Head]) -> str:
    return canonical({"format": PAGE, "shard": shard, "heads": [list(each) for each in heads]})


def text_of_sealed(sealed: Sealed) -> str:
    return canonical({"root": _as_json(sealed.root), "signature": b64encode(sealed.signature).decode()})


def sealed_from(text: str) -> Sealed:
    """Raises MalformedInput for whatever `text_of_sealed` did not write."""
    try:
        document = json.loads(text)
        root = document["root"]
        subroots = tuple(root["subroots"][each] for each in SHARDS)
        made = Root(root["number"], time_of(root["at"]), root["previous"], root["heads"], subroots, root["key"])
        sealed = Sealed(made, b64decode(document["signature"], validate=True))
        if text_of_sealed(sealed) == text:
            return sealed
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise MalformedInput("it is no root as Doorward writes it")


def heads_from(page: Page, text: str) -> tuple[Head, ...]:
    """The heads of a page, sorted. Raises MalformedInput where the text is not exactly what the page is named after."""
    try:
        heads = tuple(Head(*map(_plain, each)) for each in json.loads(text)["heads"])
        if text_of_page(page.shard, heads) == text and subroot_of(heads) == page.subroot:
            return heads
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise MalformedInput("it does not hold what it is named after")


def _plain(value: Any) -> Any:
    if not isinstance(value, str | int):
        raise TypeError
    return value


def _as_json(root: Root) -> dict[str, Any]:
    return {
        "format": ROOT,
        "number": root.number,
        "at": text_of(root.at),
        "previous": root.previous,
        "heads": root.heads,
        "key": root.key,
        "merkle_root": merkle_root_of(root),
        "subroots": dict(zip(SHARDS, root.subroots, strict=True)),
    }
