"""Whether everything is there and as it was written: items against their chains, their heads and the signed roots.

1. Every item is one that Doorward could have written, and follows the one before it (chain.verify_chain).
2. Every chain ends where its head says.
3. Roots are numbered from 1 without a gap, one under each number; each has the hash of the one before, and a signature by the key.
4. The newest root is young: none is held back.
5. Every page that a root names is there, and is what it is named after.
6. Every head that a root ever named is an item that is there now, with that hash; and none of them is missing from a later root.

What is younger than the newest root is held by 1 and 2 alone, against whoever cannot write heads.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from doorward.audit.chain import RESTORE, WRITTEN, AuditItem, Fault, Head, hash_of, text_of, verify_chain
from doorward.audit.roots import (
    NO_PAGES,
    Page,
    Root,
    Sealed,
    hash_of_root,
    heads_from,
    key_of,
    number_of,
    pages_of,
    sealed_from,
    text_of_page,
    text_of_root,
)
from doorward.audit.stored import ITEM_PREFIX, SHARDS, head_from, item_from
from doorward.errors import MalformedInput
from doorward.values import NamedTuple

YOUNG: Final = timedelta(minutes=15)
"""Three turns of seal_audit (template.yaml, SealRule)."""
_BUCKET: Final = "Find in CloudTrail who changed the evidence bucket, its policy or its lock; a delete marker hides what is still there."
_SIGNED: Final = "Find in CloudTrail who used or changed the key, and who wrote to the evidence bucket."


@dataclass(frozen=True, slots=True)
class Chains:
    """The hash of every item that is there: by object, by version. `faults`: what is wrong with the items for themselves."""

    hashes: Mapping[str, Mapping[int, str]]
    faults: tuple[Fault, ...]


class Found(NamedTuple):
    """What is kept, read in this order, for people go on deciding meanwhile: roots, heads, items, and heads once more.

    `roots`: by S3's key, each text that was ever put there. Heads as they are stored.
    """

    roots: Mapping[str, Sequence[str]]
    heads_before: Sequence[Mapping[str, Any]]
    chains: Chains
    heads_after: Sequence[Mapping[str, Any]]


class Verified(NamedTuple):
    """`newest`: the last root. `unsealed`: objects of which something is younger than that. No faults: all is as it was written."""

    objects: int
    items: int
    roots: int
    newest: Root | None
    unsealed: int
    faults: tuple[Fault, ...]


def verify(
    found: Found,
    pages: Callable[[Sequence[Page]], Iterable[str | None]],
    is_signed: Callable[[bytes, bytes], bool],
    now: datetime,
) -> Verified:
    """`pages` gives their texts, None for one that is not there; `is_signed` says whether a signature is the key's, of a message."""
    before, _ = read_heads(found.heads_before)
    after, head_faults = read_heads(found.heads_after)
    roots, root_faults = verify_roots(found.roots, is_signed, now)
    named, sealed = tuple(pages_of(roots)), Pages(found.chains)
    page_faults = [fault for page, text in zip(named, pages(named), strict=True) for fault in sealed.verify(page, text)]
    faults = (*found.chains.faults, *head_faults, *verify_heads(before, found.chains, after), *root_faults, *page_faults)
    versions = {object_id: head.version for object_id, head in sealed.sealed.items()}
    return Verified(
        objects=len({*found.chains.hashes, *after}),
        items=sum(map(len, found.chains.hashes.values())),
        roots=len(roots),
        newest=roots[-1] if roots else None,
        unsealed=sum(head.version > versions.get(object_id, 0) for object_id, head in after.items()),
        faults=tuple(dict.fromkeys(faults)),
    )


def read_chains(stored: Iterable[Mapping[str, Any]]) -> Chains:
    """Of the items of the table, in any order."""
    hashes: dict[str, dict[int, str]] = {}
    faults: list[Fault] = []
    for pk, group in groupby(sorted(stored, key=itemgetter("pk", "sk")), key=itemgetter("pk")):
        items: list[AuditItem] = []
        for each in group:
            try:
                items.append(item_from(each))
            except MalformedInput as error:
                faults.append(Fault("item-unreadable", f"{str(pk).removeprefix(ITEM_PREFIX)}, version {each['sk']}", str(error), RESTORE))
        faults.extend(verify_chain(items))
        if items:
            hashes.setdefault(items[0].object_id, {}).update({each.version: hash_of(each) for each in items})
    return Chains(hashes, tuple(faults))


def read_heads(stored: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Head], tuple[Fault, ...]]:
    heads: dict[str, Head] = {}
    faults = []
    for each in stored:
        try:
            head = head_from(each)
        except MalformedInput as error:
            faults.append(Fault("head-unreadable", str(each["sk"]), str(error), WRITTEN))
            continue
        heads[head.object_id] = head
    return heads, tuple(faults)


def verify_heads(before: Mapping[str, Head], chains: Chains, after: Mapping[str, Head]) -> Iterator[Fault]:
    """`before` and `after`: heads as they were before and after the items were read, for people go on deciding meanwhile."""
    for object_id in sorted({*before, *chains.hashes, *after}):
        hashes = chains.hashes.get(object_id, {})
        first, last, end = before.get(object_id), after.get(object_id), max(chains.hashes.get(object_id, {}), default=0)
        if last is None:
            yield Fault("head-missing", object_id, "it has no head any more, so that no root holds its items", WRITTEN)
            continue
        if first is not None and end < first.version:
            yield Fault("item-missing", object_id, f"its head is version {first.version}, and its items end with {end}", RESTORE)
        for head in dict.fromkeys(each for each in (first, last) if each is not None):
            if hashes.get(head.version, head.hash) != head.hash:
                yield Fault("head-differs", f"{object_id}, version {head.version}", "the item is not what the head was made of", RESTORE)
        if end > last.version:
            yield Fault("item-added", f"{object_id}, version {last.version + 1}", "it lies behind the head", WRITTEN)


def verify_roots(
    versions: Mapping[str, Sequence[str]], is_signed: Callable[[bytes, bytes], bool], now: datetime
) -> tuple[tuple[Root, ...], tuple[Fault, ...]]:
    """`versions`: by S3's key, each text that was ever put there. `is_signed` of a message and its signature."""
    faults: list[Fault] = []
    numbers: dict[int, str] = {}
    for each in versions:
        number = number_of(each)
        if number is None:
            faults.append(Fault("root-unreadable", each, "it is not named as a root is", _BUCKET))
        else:
            numbers[number] = each
    roots: list[Root] = []
    for number in range(1, max(numbers, default=0) + 1):
        texts = set(versions[numbers[number]]) if number in numbers else set()
        if not texts:
            if number - 1 in numbers or number == 1:  # a gap is told once
                faults.append(Fault("root-missing", key_of(number), "it is not there, and later ones are", _BUCKET))
            continue
        if len(texts) > 1:
            faults.append(Fault("root-twice", key_of(number), f"{len(texts)} different roots were put there", _SIGNED))
        for text in sorted(texts):
            try:
                sealed = sealed_from(text)
            except MalformedInput as error:
                faults.append(Fault("root-unreadable", key_of(number), str(error), _BUCKET))
                continue
            faults.extend(_faults_of(sealed, number, roots[-1] if roots else None, is_signed))
            if not roots or roots[-1].number != number:
                roots.append(sealed.root)
    newest = max((each.at for each in roots), default=None)
    if newest is None or now - newest > YOUNG:
        what = "there is no root at all" if newest is None else f"the newest is of {text_of(newest)}; one is due every 5 minutes"
        where = key_of(roots[-1].number) if roots else key_of(1)
        faults.append(Fault("sealing-stopped", where, what, "Read the log group of seal_audit, and look whether its rule is enabled."))
    return tuple(roots), tuple(faults)


def _faults_of(sealed: Sealed, number: int, before: Root | None, is_signed: Callable[[bytes, bytes], bool]) -> Iterator[Fault]:
    root, where = sealed.root, key_of(number)
    if root.number != number:
        yield Fault("root-misplaced", where, f"it is root {root.number}", _SIGNED)
    if not is_signed(text_of_root(root).encode(), sealed.signature):
        yield Fault("root-unsigned", where, f"its signature is not of this installation's key; it names {root.key}", _SIGNED)
    expected = "" if before is None else hash_of_root(before)
    follows = number == 1 if before is None else before.number == number - 1
    if follows and root.previous != expected:  # what a root behind a gap follows cannot be told
        yield Fault("root-changed", where, "it does not follow the root before: one of the two was changed", _SIGNED)


class Pages:
    """Verifies pages, in the order in which roots named them. `sealed`: the last head of each object that was."""

    def __init__(self, chains: Chains) -> None:
        self._chains = chains
        self._of_shard: dict[str, Mapping[str, Head]] = {each: {} for each in SHARDS}

    @property
    def sealed(self) -> Mapping[str, Head]:
        return {object_id: head for heads in self._of_shard.values() for object_id, head in heads.items()}

    def verify(self, page: Page, text: str | None) -> Iterator[Fault]:
        """`text` None: it is not there."""
        if text is None and page.subroot not in NO_PAGES:
            yield Fault("page-missing", page.key, "a root names it, and it is not there", _BUCKET)
            return
        try:
            heads = {each.object_id: each for each in heads_from(page, text or text_of_page(page.shard, ()))}
        except MalformedInput as error:
            yield Fault("page-changed", page.key, str(error), _BUCKET)
            return
        before = self._of_shard[page.shard]
        for head in heads.values():
            earlier = before.get(head.object_id)
            if head == earlier:
                continue
            if earlier is not None and head.version <= earlier.version:
                yield Fault("root-went-back", page.key, f"{head.object_id} was sealed with version {earlier.version} before", _SIGNED)
            yield from self._item_of(head)
        for object_id in sorted(before.keys() - heads.keys()):
            yield Fault("root-went-back", page.key, f"{object_id} was sealed before, and is not here", _SIGNED)
        self._of_shard[page.shard] = heads

    def _item_of(self, head: Head) -> Iterator[Fault]:
        where = f"{head.object_id}, version {head.version}"
        found = self._chains.hashes.get(head.object_id, {}).get(head.version)
        if found is None:
            yield Fault("item-missing", where, "it was sealed, and is not there", RESTORE)
        elif found != head.hash:
            yield Fault("item-changed", where, "it is not what was sealed", RESTORE)
