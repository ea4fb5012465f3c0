"""Whatever stands in the entitlements file, it is read or refused with a sentence, by the schema and in Lambda alike."""

import copy
from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from doorward.errors import Misconfigured
from doorward.grants.model import Allow, Deny, Entitlements
from doorward.grants.parsing import entitlements_from
from tests.unit.test_grants_configuration import EXAMPLE, SCHEMA

VALIDATOR = Draft202012Validator(SCHEMA)
DATA: Any = yaml.safe_load(EXAMPLE)
scalars = st.none() | st.booleans() | st.integers(-2, 100_000) | st.floats() | st.text(max_size=8)
words = st.sampled_from(
    [
        "",
        "*",
        "${x}",
        "<bucket>",
        "<account>",
        "<number>",
        "s3:*",
        "sts:*",
        "payments",
        "deny",
        "allow",
        "high",
        "24:00",
        "UTC",
        "..",
        "/",
        "\ud800",
    ]
)
anything = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words | st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def read(data: Any) -> Entitlements | str:
    """Or the sentence with which it is refused."""
    try:
        return entitlements_from(data)
    except Misconfigured as error:
        return str(error)


PLACES = [each for each in places(DATA) if each]


def changed(data: Any, path: tuple[Any, ...], value: Any, *, gone: bool) -> Any:
    result = copy.deepcopy(data)
    inner = result
    for each in path[:-1]:
        inner = inner[each]
    if gone:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return result


@settings(max_examples=500)
@given(st.sampled_from(PLACES), anything, st.booleans())
def test_a_file_with_anything_at_any_place_is_read_or_refused_with_its_field(path: tuple[Any, ...], value: Any, gone: bool) -> None:
    data = changed(DATA, path, value, gone=gone)
    found = read(data)
    if isinstance(found, str):
        assert found.partition(": ")[2]
        return
    assert len(found.allows) + len(found.denies) == len(data.get("rules", ()))
    for rule in found.allows:
        assert isinstance(rule, Allow)
        assert rule.terms.approvers
        assert rule.templates <= found.templates.keys()
    assert all(isinstance(each, Deny) for each in found.denies)


@given(anything)
def test_whatever_else_is_no_file(data: Any) -> None:
    assert read(data)


@settings(max_examples=300)
@given(st.sampled_from(PLACES), anything, st.booleans())
def test_what_the_schema_refuses_of_a_file_gives_nobody_more_in_lambda(path: tuple[Any, ...], value: Any, gone: bool) -> None:
    """Lambda may read what people would be told of, but then it means no more than the file without it, or the value as it stands."""
    data = changed(DATA, path, value, gone=gone)
    if not list(VALIDATOR.iter_errors(data)):
        return
    found = read(data)
    if isinstance(found, Entitlements):
        without = entitlements_from(changed(DATA, path, None, gone=True))
        assert found._replace(hash="") == without._replace(hash="")


def test_the_example_has_every_field() -> None:
    fields = set(SCHEMA["properties"]) | set(SCHEMA["properties"]["rules"]["items"]["properties"])
    assert fields <= {str(each[-1]) for each in PLACES}
