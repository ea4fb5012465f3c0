"""Documents: the parser is total, rendering loses nothing, and the hash sees the policy and not its spelling."""

import json
import random
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from doorward.errors import MalformedInput
from doorward.iam import documents as reader
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


# Members as pairs, so that a key can be written twice; colons, quotes and braces within strings, and escapes that hide them.
_TRICKY = ['"', ":", '":', "\\", "{", '{"Effect":', "Effect", "\\u0022", "\u2028", "k", "Sid", "*"]
member_names = st.sampled_from(
    ["Version", "Statement", "Sid", "Effect", "Principal", "Action", "Resource", "Condition", "AWS", "StringEquals", "k", "k:"]
)
tricky_text = st.sampled_from(_TRICKY) | st.text('":\\{}, aE', max_size=6)


colons = st.sampled_from([":", ":", ": ", " :", "\n:", "\t :", "\r:"])


def written_object(pairs: list[tuple[str, str]], colon: str) -> str:
    return "{" + ",".join(f"{key}{colon}{value}" for key, value in pairs) + "}"


@st.composite
def written_documents(draw: st.DrawFn) -> str:
    """JSON texts of documents that are well formed but for keys written twice, here and there."""

    def text(value: str) -> str:
        written = json.dumps(value, ensure_ascii=draw(st.booleans()))
        if value and draw(st.integers(0, 9)) == 0:  # a key or value in other letters
            return f'"\\u{ord(value[0]):04x}' + json.dumps(value)[len(json.dumps(value[0])) - 1 :]
        return written

    def object_of(members: dict[str, str], *, may_repeat: bool = True) -> str:
        pairs = [(text(key), value) for key, value in members.items()]
        if may_repeat and pairs and draw(st.integers(0, 11)) == 0:
            name = draw(st.sampled_from(list(members)))
            pairs.insert(draw(st.integers(0, len(pairs))), (text(name), members[name]))
        return written_object(pairs, draw(colons))

    def values() -> str:
        many = [text(each) for each in draw(st.lists(tricky_text, min_size=1, max_size=2))]
        return many[0] if len(many) == 1 else f"[{','.join(many)}]"

    def statement() -> str:
        members = {"Effect": text(draw(st.sampled_from(["Allow", "Deny"]))), draw(st.sampled_from(["Action", "NotAction"])): values()}
        if draw(st.booleans()):
            members["Sid"] = text(draw(tricky_text))
        if draw(st.booleans()):
            members["Principal"] = draw(st.sampled_from(['"*"', "{}"])) if draw(st.booleans()) else object_of({"AWS": values()})
        if draw(st.booleans()):
            keys = object_of(dict.fromkeys(draw(st.lists(tricky_text, max_size=2, unique=True)), values()))
            members["Condition"] = object_of({"StringEquals": keys})
        return object_of(members)

    given_statements = [statement() for _ in range(draw(st.integers(1, 2)))]
    whole = object_of({"Version": '"2012-10-17"', "Statement": f"[{','.join(given_statements)}]"})
    return (
        draw(st.sampled_from(["", " ", "\n\t", "\ufeff", "x", "\xa0"])) + whole + draw(st.sampled_from(["", "", "\n", " x", "}", "\x0b"]))
    )


def read_or_reason(read: Any, text: Any) -> Document | str:
    try:
        document: Document = read(text)
    except MalformedInput as refused:
        return str(refused)
    return document


def read_with_every_object_looked_at(text: str) -> Document:
    """What `parse_document` does where it has to say what is wrong."""
    return reader._read(text)


@settings(deadline=None, max_examples=600)
@given(written_documents() | st.builds(lambda raw, indent: json.dumps(raw, indent=indent), documents, st.sampled_from([None, 2])))
@example('{"Version":"2012-10-17","Statement":[],"Statement":[]}')
@example('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Effect":"Deny","Action":"":"}]}')
@example('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:b","Condition":{"Bool":{},"Bool":{"x:":"y"}}}]}')
@example('{"Statement":[{"Effect":"Allow","Action":NaN}]}')
@example('{"Statement":[{"Effect":"Deny","Sid" :"a","Sid":"b","Action":"x"}]}')
@example('{"Statement":[{"Effect":"Deny","Sid"\n:"a","Sid":"b","Action":"x"}]}')
@example('{"Statement":[{"Effect":"Deny","Sid"\t:"a","Sid":"b","Action":"x"}]}')
@example('{"Statement":[{"Effect":"Deny","Sid"\r:"a","Sid":"b","Action":"x"}]}')
def test_a_text_reads_the_same_whether_or_not_every_object_is_looked_at(text: str) -> None:
    assert read_or_reason(parse_document, text) == read_or_reason(read_with_every_object_looked_at, text)


members = st.dictionaries(names, any_value | principal | conditions, max_size=5)


@settings(deadline=None, max_examples=600)
@given(
    documents
    | st.builds(lambda version, given: {"Version": version, "Statement": given}, names, st.lists(members | statements(), max_size=2))
)
@example({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": ["123", "111122223333"]}, "Action": "a"}})
@example({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "*", "aws": "*"}, "Action": "a"}})
@example({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["a"], "NotAction": "b"}})
@example({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "a", "Condition": {"Bool": {"k": ["true", None]}}}})
@example({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "a", "Condition": {7: {}}}})
def test_an_object_reads_the_same_whether_or_not_it_has_the_usual_form(raw: dict[str, Any]) -> None:
    assert read_or_reason(parse_document, raw) == read_or_reason(reader._read, raw)
    plain = reader.read_usual(raw)
    if plain is not None:
        careful = reader._read(raw)
        assert plain == careful
        assert repr(reader.with_names(plain)) == repr(careful)  # repr: a tuple without names is equal


@pytest.mark.parametrize("condition", [{}, {"Condition": {"StringEquals": {"k": "v", "l": ["v", "w"]}, "Bool": {"m": "true"}}}])
@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ["111122223333", "999988887777"], "Service": "ec2.amazonaws.com"}])
def test_what_people_write_has_the_usual_form(condition: dict[str, Any], principal: Any) -> None:
    trust = {"Sid": "x", "Effect": "Allow", "Principal": principal, "Action": ["sts:AssumeRole", "sts:TagSession"], **condition}
    own = {"Effect": "Deny", "NotAction": "sts:*", "Resource": ["a", "b"]}
    raw = {"Version": "2012-10-17", "Statement": [trust, own]}
    assert reader.read_usual(raw) == reader.read_usual_text(json.dumps(raw)) == reader._read(raw)


@settings(deadline=None, max_examples=300)
@given(written_documents(), st.data())
def test_a_key_written_twice_is_always_refused(text: str, data: st.DataObject) -> None:
    """Any member of any object of a valid text, written once more right behind itself."""
    try:
        parse_document(text)
    except MalformedInput:
        return
    keys = [
        found for found in re.finditer(r'[{,]\s*("(?:[^"\\]|\\.)*")\s*:', text) if text[: found.start()].count('"') % 2 == 0 or "\\" in text
    ]
    if not keys or "\\" in text:
        return
    found = data.draw(st.sampled_from(keys))
    twice = f"{text[: found.end()]}null,{found[1]}:{text[found.end() :]}"
    with pytest.raises(MalformedInput, match="written twice"):
        parse_document(twice)
