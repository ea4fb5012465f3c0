"""A value does what typing.NamedTuple's does."""

import copy
import pickle
import typing
from typing import Any

import pytest

from doorward import values


class Ours(values.NamedTuple):
    a: str
    b: int
    c: tuple[str, ...] = ()
    d: str | None = None

    @property
    def twice(self) -> int:
        return self.b * 2


class Theirs(typing.NamedTuple):
    a: str
    b: int
    c: tuple[str, ...] = ()
    d: str | None = None

    @property
    def twice(self) -> int:
        return self.b * 2


BOTH = pytest.mark.parametrize("value", [Ours, Theirs])


def test_the_two_are_made_and_shown_alike() -> None:
    calls: list[Any] = [(("x", 1), {}), (("x",), {"b": 1}), ((), {"d": "z", "b": 2, "a": "y"}), (("x", 1, ("c",), "d"), {})]
    for given, named in calls:
        ours: Any = Ours(*given, **named)
        theirs: Any = Theirs(*given, **named)
        assert tuple(ours) == tuple(theirs)
        assert ours == theirs
        assert hash(ours) == hash(theirs)
        assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
        assert (ours.a, ours.b, ours.c, ours.d, ours.twice) == (theirs.a, theirs.b, theirs.c, theirs.d, theirs.twice)
        assert ours._asdict() == theirs._asdict()
    assert Ours._fields == Theirs._fields


@BOTH
def test_a_copy_with_changes_leaves_the_value_as_it_was(value: Any) -> None:
    one = value("x", 1)
    for other in (one._replace(b=2), copy.replace(one, b=2)):
        assert (type(other), tuple(one), tuple(other)) == (value, ("x", 1, (), None), ("x", 2, (), None))


@BOTH
def test_a_field_that_is_missing_unknown_or_given_twice_is_refused(value: Any) -> None:
    calls: list[Any] = [(("x",), {}), (("x", 1), {"e": 1}), (("x", 1), {"a": "y"}), (("x", 1, (), None, 5), {})]
    for given, named in calls:
        with pytest.raises(TypeError):
            value(*given, **named)
    with pytest.raises(TypeError):
        value("x", 1)._replace(e=1)


@BOTH
def test_a_value_is_frozen_and_has_no_room_for_more(value: Any) -> None:
    for name in ("a", "e"):
        with pytest.raises(AttributeError):
            setattr(value("x", 1), name, 2)
    assert not hasattr(value("x", 1), "__dict__")


@BOTH
def test_a_value_survives_pickling_and_copying_with_its_class(value: Any) -> None:
    one = value("x", 1, d="z")
    for other in (pickle.loads(pickle.dumps(one)), copy.copy(one), copy.deepcopy(one), value._make(["x", 1, (), "z"])):  # noqa: S301 - our own
        assert (type(other), other) == (value, one)


@BOTH
def test_a_value_is_matched_by_place_and_by_name(value: Any) -> None:
    match value("x", 1):
        case value(a, b, d=None):
            assert (a, b) == ("x", 1)
        case _:
            pytest.fail("not matched")


def test_there_is_a_constructor_for_every_number_of_fields_in_use() -> None:
    making: Any = type(values.NamedTuple)
    for count in range(17):
        value = making("Many", (values.NamedTuple,), {"__annotations__": {f"x{each}": int for each in range(count)}})
        made = value(*range(count))
        assert made == tuple(range(count))
        assert [getattr(made, f"x{each}") for each in range(count)] == list(range(count))
        assert value(**{f"x{each}": each for each in range(count)}) == made
