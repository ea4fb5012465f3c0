"""Whatever is done to what the audit keeps, given the signed roots, is found; and whatever is added breaks nothing."""

import json
from copy import deepcopy
from datetime import timedelta
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from doorward.audit.chain import Head, head_of, next_item
from doorward.audit.roots import key_of, sealed_from, text_of_sealed
from doorward.audit.stored import item_as_stored, item_from
from tests.audited_world import World, kinds
from tests.fakes import START

OBJECTS = ("finding dw-0", "finding dw-1", "grant 7", "hold é")
TEXTS = ("what", "by", "via", "at", "detail", "prev_hash")


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Some things happen, roots are sealed in between; the last thing is sealed."""
    world = World()
    for step in draw(st.lists(st.sampled_from((*OBJECTS, "seal")), min_size=1, max_size=14)):
        if step == "seal":
            world.seal()
        else:
            world.happen(step, draw(st.integers(0, 3)))
    world.seal()
    return world


@given(worlds())
def test_what_doorward_wrote_is_found_to_be_right(world: World) -> None:
    verified = world.verified()
    assert verified.faults == ()
    assert verified.unsealed == 0
    assert verified.items == len(world.items())


@given(worlds(), st.lists(st.sampled_from(OBJECTS), max_size=5))
def test_what_is_added_breaks_nothing_and_is_unsealed_until_the_next_root(world: World, more: list[str]) -> None:
    for each in more:
        world.happen(each)
    verified = world.verified()
    assert verified.faults == ()
    assert verified.unsealed == len(set(more))
    world.seal()
    assert world.verified().unsealed == 0


@given(worlds(), st.data())
def test_an_item_that_is_changed_is_found(world: World, data: st.DataObject) -> None:
    assume(world.items())
    item = dict(data.draw(st.sampled_from(world.items())))
    name = data.draw(st.sampled_from(TEXTS))
    other = data.draw(st.sampled_from(("", "x", "0" * 64, "2026-11-24T09:00:00.000000+00:00", item[name] + " ", item[name].upper())))
    assume(other != item[name])
    world.put({**item, name: other})
    assert kinds(world) & {"item-changed", "item-unreadable", "item-missing"}


@given(worlds(), st.data())
def test_an_item_that_gets_something_more_is_found(world: World, data: st.DataObject) -> None:
    assume(world.items())
    world.put({**data.draw(st.sampled_from(world.items())), "approved_by": "somebody"})
    assert "item-unreadable" in kinds(world)


@given(worlds(), st.data())
def test_an_item_that_is_taken_out_is_found(world: World, data: st.DataObject) -> None:
    assume(world.items())
    world.remove(data.draw(st.sampled_from(world.items())))
    assert "item-missing" in kinds(world)


@given(worlds(), st.data())
def test_items_that_change_places_are_found(world: World, data: st.DataObject) -> None:
    assume(len(world.items()) > 1)
    one, other = data.draw(st.permutations(world.items()))[:2]
    texts = [{name: each[name] for name in TEXTS} for each in (one, other)]
    assume(texts[0] != texts[1])
    world.put({**one, **texts[1]})
    world.put({**other, **texts[0]})
    assert world.verified().faults


@given(worlds(), st.data())
def test_a_chain_whose_end_is_gone_with_its_head_put_back_is_found(world: World, data: st.DataObject) -> None:
    assume(world.items())
    object_id = item_from(data.draw(st.sampled_from(world.items()))).object_id
    chain = world.chain(object_id)
    left = data.draw(st.integers(0, len(chain) - 1))
    for each in chain[left:]:
        world.remove(each)
    if left:
        world.put_head(head_of(item_from(chain[left - 1])))
    else:
        world.remove_head(object_id)
    assert "item-missing" in kinds(world)


@given(worlds(), st.data())
def test_a_chain_that_is_made_anew_from_some_item_on_is_found(world: World, data: st.DataObject) -> None:
    """Also where somebody else can do whatever Doorward can, but sign and unlock: changed, shorter or longer."""
    assume(world.items())
    object_id = item_from(data.draw(st.sampled_from(world.items()))).object_id
    chain = world.chain(object_id)
    start = data.draw(st.integers(0, len(chain) - 1))
    head = head_of(item_from(chain[start - 1])) if start else Head(object_id)
    for each in chain[start:]:
        world.remove(each)
    for number in range(data.draw(st.integers(1, len(chain) - start + 1))):
        item = next_item(head, what="refused", by="u-2", via="jwt", at=START, detail={"forged": number})
        world.put(item_as_stored(item))
        head = head_of(item)
    world.put_head(head)
    assert world.verified().faults
    world.seal()  # by Doorward itself, that does not look back
    assert world.verified().faults


@given(worlds(), st.data())
def test_an_item_behind_the_head_is_found(world: World, data: st.DataObject) -> None:
    assume(world.items())
    object_id = item_from(data.draw(st.sampled_from(world.items()))).object_id
    world.put(item_as_stored(next_item(world.audit.head(object_id), what="x", by="u", via="jwt", at=START, detail={})))
    assert kinds(world) == {"item-added"}


@given(worlds(), st.data())
def test_a_head_that_is_gone_or_changed_is_found(world: World, data: st.DataObject) -> None:
    assume(world.items())
    head = world.audit.head(item_from(data.draw(st.sampled_from(world.items()))).object_id)
    if data.draw(st.booleans()):
        world.remove_head(head.object_id)
        assert "head-missing" in kinds(world)
    else:
        world.put_head(head._replace(hash="f" * 64))
        assert "head-differs" in kinds(world)


@given(worlds(), st.data())
def test_a_root_or_a_page_that_is_gone_or_changed_is_found(world: World, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(world.seals.bucket)))
    (text,) = world.seals.bucket[key]
    if data.draw(st.booleans()):
        del world.seals.bucket[key]
        newest = key == key_of(world.verified().roots + 1)
        world.clock.sleep(1200)  # that the newest is gone shows only when it should have been followed
        assert kinds(world) & ({"sealing-stopped"} if newest else {"root-missing", "page-missing"})
        return
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.sampled_from("0a}").filter(lambda each: each != text[place])) + text[place + 1 :]
    world.seals.bucket[key] = [changed]
    assert world.verified().faults


@given(worlds(), st.sampled_from(["subroots", "previous", "heads", "at", "key", "number"]), st.data())
def test_a_root_that_says_something_else_is_found_though_it_is_well_formed(world: World, name: str, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from([each for each in sorted(world.seals.bucket) if each.startswith("audit/roots/")]))
    sealed = sealed_from(world.seals.bucket[key][0])
    root = sealed.root
    others: dict[str, Any] = {
        "subroots": ("f" * 64, *root.subroots[1:]),
        "previous": "f" * 64,
        "heads": root.heads + 1,
        "at": root.at + timedelta(seconds=1),
        "key": f"{root.key}0",
        "number": root.number + 1,
    }
    world.seals.bucket[key] = [text_of_sealed(sealed._replace(root=root._replace(**{name: others[name]})))]
    assert "root-unsigned" in kinds(world)


@given(worlds())
def test_a_second_root_under_a_number_is_found_though_it_is_signed(world: World) -> None:
    before = deepcopy(world.seals._last)
    world.happen(OBJECTS[0])
    world.seal()
    world.seals._last = before  # somebody puts back what the table says of the last root
    world.happen(OBJECTS[0])
    world.seal()
    assert "root-twice" in kinds(world)


def test_the_empty_audit_is_told_of_where_no_root_says_that_it_is_empty() -> None:
    world = World()
    assert kinds(world) == {"sealing-stopped"}
    world.seal()
    assert world.verified().faults == ()
    assert world.verified().newest is not None


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_an_item_is_read_back_as_it_was_kept(detail: Any) -> None:
    item = next_item(Head("finding dw-0", 6, "a" * 64), what="waived", by="u-1", via="slack", at=START, detail={"detail": detail})
    assert item_from(item_as_stored(item)) == item
    json.loads(item.detail)
