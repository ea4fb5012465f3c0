"""Values that know where they stand: what is walked is what a decoder reads, and its text is its value's."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import MalformedInput
from doorward_cli.located import Located, NotYaml, Text, find, locate_json, locate_yaml, repeated_name

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=6)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=20,
)


def tree(located: Located) -> Any:
    """The value as its parts give it."""
    if located.kind == "object":
        return {name: tree(inner) for name, inner in located.members()}
    return [tree(each) for each in located.elements()] if located.kind == "array" else located.value()


def parts(located: Located) -> list[Located]:
    below = [inner for _, inner in located.members()] + list(located.elements())
    return [located, *(each for one in below for each in parts(one))]


@given(JSON, st.sampled_from([None, 1, "\t"]), st.sampled_from(["", " \n"]))
def test_json_is_walked_as_it_is_decoded(value: Any, indent: Any, before: str) -> None:
    text = Text(before + json.dumps(value, indent=indent, ensure_ascii=False))
    located = locate_json(text, len(before))
    assert located.end == len(text.text)
    assert tree(located) == located.value() == value
    for each in parts(located):
        assert json.loads(text.text[each.start : each.end]) == each.value()


@given(JSON.filter(lambda each: isinstance(each, dict)), st.sampled_from([True, False, None]))
def test_yaml_is_walked_as_it_is_loaded(value: Any, flow: Any) -> None:
    text = Text(yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True))
    located = locate_yaml(text)
    assert located is not None
    assert tree(located) == located.value() == value


def test_a_block_ends_before_the_blank_and_comment_lines_that_follow_it() -> None:
    located = locate_yaml(Text("a:\n  b: 1\n  # of a\n\n# of c\nc: 2\n"))
    inner = None if located is None else find(located, "a")
    assert inner is not None
    assert inner.text.text[inner.start : inner.end] == "b: 1"


@given(st.text(st.sampled_from("a\n\r\u2028"), max_size=20), st.integers(0, 20))
def test_a_position_counts_lines_by_newlines_and_columns_by_characters(text: str, offset: int) -> None:
    before = text[:offset]
    assert Text(text).position(len(before)) == (before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1)


@pytest.mark.parametrize(
    "text", ["{", "{a", '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', "[", "[1", "[1,]", "[1 2]", "{1:2}", '["\n"]', '{"a":[}', "[NaN]"]
)
def test_broken_json_is_refused_as_the_decoder_refuses_it(text: str) -> None:
    with pytest.raises((json.JSONDecodeError, MalformedInput)):
        locate_json(Text(text), 0)
    with pytest.raises((json.JSONDecodeError, MalformedInput)):
        locate_json(Text(f'{{"x": {text}'), 0)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[[[" + "[" * 100_000 + "]" * 100_003])
def test_json_nested_without_end_is_malformed(text: str) -> None:
    with pytest.raises((json.JSONDecodeError, MalformedInput)):
        locate_json(Text(text), 0)


def test_yaml_nested_without_end_is_malformed() -> None:
    with pytest.raises(NotYaml, match="nested too deeply"):
        locate_yaml(Text("[" * 100_000))


@pytest.mark.parametrize("text", ['{"a": {"b": 1, "b": 2}}', "a: {b: 1, b: 2}"])
def test_a_name_written_twice_is_seen_in_both(text: str) -> None:
    located = locate_json(Text(text), 0) if text.startswith("{") else locate_yaml(Text(text))
    assert located is not None
    assert repeated_name(located.value()) == "b"


def test_merged_mappings_give_way_to_what_is_written() -> None:
    located = locate_yaml(Text("base: &b {x: 1, y: 1}\nown:\n  <<: *b\n  y: 2\n"))
    assert located is not None
    assert located.value()["own"] == {"x": 1, "y": 2}
