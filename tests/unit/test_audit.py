"""The audit's chains, trees and roots, case by case. What must hold for all of them: tests/property/test_audit.py."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.audit.chain import Fault, Head, head_of, next_item, verify_chain
from doorward.audit.merkle import merkle_root
from doorward.audit.roots import Page, heads_from, key_of, next_root, sealed_from, subroot_of, text_of_page, text_of_sealed
from doorward.audit.stored import head_as_stored, head_from, item_as_stored, item_from, shard_of
from doorward.audit.verifying import YOUNG, read_chains, verify_heads
from doorward.errors import Conflict, MalformedInput, Unavailable
from doorward.usecases.seal_audit import seal_audit
from tests.audited_world import World, kinds
from tests.fakes import START, FakeAudit, FakeClock, FakeSeals

FIRST = next_item(Head("finding dw-0"), what="opened", by="arn:aws:iam::111122223333:role/x", via="sigv4", at=START, detail={})
SECOND = next_item(head_of(FIRST), what="waived", by="u-1", via="slack", at=START, detail={"until": "2026-12-01"})
THIRD = next_item(head_of(SECOND), what="ended", by="u-2", via="jwt", at=START, detail={})


# Chains


@pytest.mark.parametrize(
    ("items", "kind", "where"),
    [
        ((FIRST, SECOND, THIRD), None, ""),
        ((), None, ""),
        ((SECOND, THIRD), "item-missing", "finding dw-0, version 2"),
        ((FIRST, THIRD), "item-missing", "finding dw-0, version 3"),
        ((FIRST, FIRST), "item-twice", "finding dw-0, version 1"),
        ((SECOND._replace(version=1),), "item-changed", "finding dw-0, version 1"),
        ((FIRST._replace(by="u-3"), SECOND), "item-changed", "finding dw-0, version 2"),
        ((FIRST, SECOND._replace(object_id="finding dw-1")), "item-misplaced", "finding dw-1, version 2"),
    ],
)
def test_a_chain_says_where_it_is_broken(items: tuple[object, ...], kind: str | None, where: str) -> None:
    faults = verify_chain(items)  # type: ignore[arg-type]
    assert [(each.kind, each.where) for each in faults] == ([(kind, where)] if kind else [])
    assert all(each.what and each.cure for each in faults)


def test_no_credential_reaches_an_item() -> None:
    token = "xoxb-" + "1234567890-abcdefghij"
    item = next_item(
        Head("grant 7"), what="asked", by="u-1", via="slack", at=START, detail={"session_token": "abc", "said": f"it is {token}"}
    )
    assert "abc" not in item.detail.replace("said", "")
    assert token not in item.detail


def test_what_is_too_long_for_an_item_is_cut_and_still_an_item() -> None:
    item = next_item(Head("grant 7"), what="asked", by="u-1", via="slack", at=START, detail={"said": "x y " * 200_000})
    assert len(item.detail) <= 200_000
    assert item_from(item_as_stored(item)) == item


@pytest.mark.parametrize(
    "change",
    [
        {"sk": "1"},
        {"sk": "0000000001 "},
        {"pk": "ELSE#finding dw-0"},
        {"at": "2026-11-24T09:00:00+00:00"},
        {"at": "2026-11-24T10:00:00.000000+01:00"},
        {"at": "yesterday"},
        {"what": ["approved"]},
        {"more": "x"},
    ],
)
def test_an_item_that_doorward_would_not_write_so_is_none(change: dict[str, object]) -> None:
    with pytest.raises(MalformedInput):
        item_from({**item_as_stored(FIRST), **change})


@pytest.mark.parametrize("change", [{"version": "0"}, {"version": "01"}, {"version": "x"}, {"hash": "x"}, {"pk": "HEADS#x"}, {"more": "x"}])
def test_a_head_that_doorward_would_not_write_so_is_none(change: dict[str, str]) -> None:
    with pytest.raises(MalformedInput):
        head_from({**head_as_stored(head_of(FIRST)), **change})


# Trees and roots

_LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
"""The test data of Certificate Transparency's reference code, and the roots that it has for the first so many of them."""


@pytest.mark.parametrize(
    ("number", "root"),
    [
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        (5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ],
)
def test_a_tree_has_the_root_that_others_compute(number: int, root: str) -> None:
    assert merkle_root(map(bytes.fromhex, _LEAVES[:number])) == root


def test_a_root_is_over_all_heads_whatever_order_they_come_in_and_brings_only_new_pages() -> None:
    heads = [Head(f"finding dw-{number}", 1, f"{number:064x}") for number in range(100)]
    first, pages = next_root(None, heads, START, "key")
    assert first == next_root(None, reversed(heads), START, "key")[0]
    assert (first.number, first.previous, first.heads) == (1, "", 100)
    assert {each.object_id for page, text in pages.items() for each in heads_from(page, text)} == {each.object_id for each in heads}
    changed = [heads[0]._replace(version=2), *heads[1:]]
    second, pages = next_root(first, changed, START, "key")
    assert [each.shard for each in pages] == [shard_of("finding dw-0")]
    assert second.number == 2
    assert next_root(second, changed, START, "key")[1] == {}


def test_a_page_is_what_it_is_named_after_or_none() -> None:
    heads = (Head("a", 1, "1" * 64), Head("b", 2, "2" * 64))
    page = Page("0", subroot_of(heads))
    assert heads_from(page, text_of_page("0", heads)) == heads
    for text in ("", "{}", "[]", text_of_page("1", heads), text_of_page("0", heads[:1]), text_of_page("0", heads[::-1]), "[" * 100_000):
        with pytest.raises(MalformedInput):
            heads_from(page, text)


# Sealing


@pytest.mark.parametrize("where", ["put", "sign", "count", "put root", "kept"])
def test_whoever_dies_when_no_two_roots_bear_the_same_number_and_none_is_missing(where: str) -> None:
    world = World()
    world.happen("finding dw-0")
    world.seal()
    world.happen("finding dw-1")
    world.seals.fail_next[where] = Unavailable("dead")
    with pytest.raises(Unavailable):
        world.seal()
    world.happen("finding dw-1")
    world.seal()
    world.seal()
    assert world.verified().faults == ()
    assert world.verified().unsealed == 0


def test_of_two_turns_at_once_one_counts() -> None:
    world = World()
    world.seal()
    slow = replace(world.seals)
    world.seal()
    slow.count = world.seals.count  # type: ignore[method-assign] # both ask the same table
    with pytest.raises(Conflict):
        seal_audit(slow, world.clock)
    assert world.verified().faults == ()


def test_nothing_happens_and_a_root_says_so() -> None:
    clock, seals = FakeClock(), FakeSeals(FakeAudit())
    first, second = seal_audit(seals, clock), seal_audit(seals, clock)
    assert second.subroots == first.subroots
    assert [*seals.bucket] == [key_of(1), key_of(2)]


def test_who_holds_roots_back_is_told_of_in_a_quarter_of_an_hour() -> None:
    world = World()
    seal_audit(world.seals, world.clock)
    world.clock.sleep(YOUNG.total_seconds())
    assert kinds(world) == set()
    world.clock.sleep(timedelta(seconds=1).total_seconds())
    assert kinds(world) == {"sealing-stopped"}
    assert isinstance(world.verified().faults[0], Fault)


# Before anything is sealed, and while people go on deciding


def test_an_item_that_is_gone_before_it_was_sealed_is_missed_by_its_head() -> None:
    world = World()
    world.seal()
    world.happen("finding dw-0")
    world.remove(world.items()[-1])
    assert [(each.kind, each.where) for each in world.verified().faults] == [("item-missing", "finding dw-0")]


@pytest.mark.parametrize(("before", "items", "after"), [(1, 2, 3), (0, 2, 2), (0, 0, 2), (2, 2, 2)])
def test_what_happens_while_it_is_read_is_no_fault(before: int, items: int, after: int) -> None:
    chain = (FIRST, SECOND, THIRD)
    heads = {number: {FIRST.object_id: head_of(chain[number - 1])} if number else {} for number in (before, after)}
    chains = read_chains(map(item_as_stored, chain[:items]))
    assert [*verify_heads(heads[before], chains, heads[after])] == []


# What even one who signs cannot hide


def test_who_takes_an_object_out_of_a_root_and_puts_it_back_is_found() -> None:
    world = World()
    world.happen("finding dw-0")
    world.seal()
    whole = dict(world.audit.table)
    world.remove_head("finding dw-0")
    world.seal()
    world.audit.table = whole
    world.seal()
    assert kinds(world) == {"root-went-back"}


def test_who_seals_an_older_version_for_a_while_is_found() -> None:
    world = World()
    for _ in range(2):
        world.happen("finding dw-0")
        world.seal()
    head, first = world.audit.head("finding dw-0"), item_from(world.chain("finding dw-0")[0])
    world.put_head(head_of(first))
    world.seal()
    world.put_head(head)
    world.seal()
    assert kinds(world) == {"root-went-back"}


def test_a_root_that_is_signed_and_does_not_follow_is_found() -> None:
    world = World()
    for _ in range(3):
        world.seal()
    root = sealed_from(world.seals.bucket[key_of(2)][0]).root
    world.seals.bucket[key_of(2)] = [text_of_sealed(world.seals.sign(root._replace(previous="f" * 64)))]
    assert kinds(world) == {"root-changed"}


def test_a_root_under_another_number_is_found() -> None:
    world = World()
    for _ in range(3):
        world.seal()
    world.seals.bucket[key_of(4)] = world.seals.bucket[key_of(2)]
    assert kinds(world) == {"root-misplaced", "root-changed"}


def test_a_gap_in_the_numbers_is_told_once_and_where_it_begins() -> None:
    world = World()
    for _ in range(5):
        world.seal()
    for number in (2, 3):
        del world.seals.bucket[key_of(number)]
    assert [(each.kind, each.where) for each in world.verified().faults] == [("root-missing", key_of(2))]
