"""Documents: the parser is total, rendering loses nothing, and the hash sees the policy and not its spelling."""

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.errors import MalformedInput
from doorward.iam.documents import Document, canonical_hash, parse_document, render_document

any_text = st.text(st.characters(exclude_categories=()), max_size=12)  # lone surrogates too, which JSON can carry
names = st.sampled_from(
    ["Version", "Id", "Statement", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "Condition", "AWS",
     "Allow", "Deny", "*", "2012-10-17", "StringEquals", "111122223333", "sts:AssumeRole", "\ud800"]
)  # fmt: skip
scalars = st.none() | st.booleans() | st.integers() | st.floats() | names | any_text
any_value = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | any_text, inner, max_size=4),
    max_leaves=12,
)

value = st.text(max_size=8) | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
one_or_many = value | st.lists(value, max_size=3)
account = st.sampled_from(["111122223333", "arn:aws:iam::111122223333:root", 999988887777, 12345678901])
principal = st.just("*") | st.dictionaries(
    st.sampled_from(["AWS", "Service", "Federated", "CanonicalUser"]), account | st.lists(account, max_size=3) | one_or_many, max_size=3
)
conditions = st.dictionaries(st.text(max_size=12), st.dictionaries(st.text(max_size=12), one_or_many, max_size=3), max_size=3)


@st.composite
def statements(draw: st.DrawFn) -> dict[str, Any]:
    raw: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Deny"]))}
    optional: list[tuple[tuple[str, ...], st.SearchStrategy[Any]]] = [
        (("Sid",), st.text(max_size=5)),
        (("Principal", "NotPrincipal"), principal),
        (("Action", "NotAction"), one_or_many),
        (("Resource", "NotResource"), one_or_many),
        (("Condition",), conditions),
    ]
    for keys, strategy in optional:
        if draw(st.booleans()):
            raw[draw(st.sampled_from(keys))] = draw(strategy)
    return raw


documents = st.fixed_dictionaries(
    {"Statement": st.lists(statements(), max_size=3) | statements()},
    optional={"Version": st.sampled_from(["2012-10-17", "2008-10-17"]), "Id": st.text(max_size=5)},
)


def parse_or_refuse(text: Any) -> Document | None:
    try:
        return parse_document(text)
    except MalformedInput as refused:
        str(refused).encode()
        return None


@settings(deadline=None, max_examples=150)
@given(any_value)
def test_any_json_is_parsed_or_refused(value: Any) -> None:
    if isinstance(value, dict):
        parse_or_refuse(value)
        parse_or_refuse({"Statement": value})
        parse_or_refuse({"Statement": {"Effect": "Allow", **value}})
    try:
        text = json.dumps(value)
    except ValueError:
        return  # JSON cannot write it
    parse_or_refuse(text)


@settings(deadline=None, max_examples=150)
@given(any_text | st.binary() | st.text('%7B{}[]":, 0aF\ufeff'))
def test_any_text_or_bytes_are_parsed_or_refused(text: str | bytes) -> None:
    parse_or_refuse(text)


@settings(deadline=None, max_examples=150)
@given(documents)
def test_rendering_what_was_parsed_loses_nothing(raw: dict[str, Any]) -> None:
    parsed = parse_document(raw)
    rendered = render_document(parsed)
    assert parse_document(rendered) == parsed
    assert parse_document(json.dumps(rendered)) == parsed
    assert render_document(parse_document(rendered)) == rendered


def respelled(raw: Any, luck: random.Random) -> Any:
    """The same element: keys and lists in another order, one value alone or as a list."""
    if isinstance(raw, dict):
        items = list(raw.items())
        luck.shuffle(items)
        return {key: respelled(each, luck) for key, each in items}
    if isinstance(raw, list):
        luck.shuffle(values := list(raw))
        return values[0] if len(values) == 1 else values
    return [raw] if luck.random() < 0.5 else raw


def in_other_words(raw: dict[str, Any], luck: random.Random) -> dict[str, Any]:
    statements = raw["Statement"] if isinstance(raw["Statement"], list) else [raw["Statement"]]
    spelled = []
    for each in statements:
        free = {key: part if key in {"Sid", "Effect"} or part == "*" else respelled(part, luck) for key, part in each.items()}
        for key in ("Principal", "NotPrincipal"):
            if isinstance(free.get(key), dict) and "AWS" in free[key]:
                given = free[key]["AWS"] if isinstance(free[key]["AWS"], list) else [free[key]["AWS"]]
                free[key]["AWS"] = [
                    "arn:aws:iam::111122223333:root" if entry == "111122223333" else
                    "111122223333" if entry == "arn:aws:iam::111122223333:root" else entry
                    for entry in given
                ]  # fmt: skip
        items = list(free.items())
        luck.shuffle(items)
        spelled.append(dict(items))
    return {**raw, "Statement": spelled}


@settings(deadline=None, max_examples=150)
@given(documents, st.randoms(use_true_random=False))
def test_the_hash_sees_the_policy_and_not_its_spelling(raw: dict[str, Any], luck: random.Random) -> None:
    assert canonical_hash(parse_document(in_other_words(raw, luck))) == canonical_hash(parse_document(raw))
