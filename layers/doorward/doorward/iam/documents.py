"""IAM policy documents: parsed once into typed values that keep where each part stood, and rendered back.

The one place that knows the JSON grammar; the evaluator and the search share this and nothing else.
Grammar: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal

from doorward.errors import MalformedInput
from doorward.iam.arns import is_account_id
from doorward.values import NamedTuple

VERSION_2008 = "2008-10-17"
"""What IAM assumes where a document names no version; policy variables are plain text in it."""
VERSION_2012 = "2012-10-17"
# The API accepts at most this many characters, whitespace included (botocore model: policyDocumentType).
LONGEST_DOCUMENT = 131_072

Effect = Literal["Allow", "Deny"]


class Principal(NamedTuple):
    """One entry of a Principal element: `type` is AWS, Service, Federated or CanonicalUser; `"*"` alone reads as (`*`, `*`)."""

    type: str
    value: str


class Condition(NamedTuple):
    """One operator over one key, as written: `ForAllValues:StringLikeIfExists`, `aws:PrincipalTag/team`, its values (OR-ed)."""

    operator: str
    key: str
    values: tuple[str, ...]


class Statement(NamedTuple):
    """`position` counts from 0. Elements are `None` where absent, an empty tuple where present and empty."""

    position: int
    sid: str | None
    effect: Effect
    principals: tuple[Principal, ...] | None
    not_principals: tuple[Principal, ...] | None
    actions: tuple[str, ...] | None
    not_actions: tuple[str, ...] | None
    resources: tuple[str, ...] | None
    not_resources: tuple[str, ...] | None
    conditions: tuple[Condition, ...]


class Document(NamedTuple):
    version: str
    id: str | None
    statements: tuple[Statement, ...]


type _Texts = tuple[str, ...]
type _Principals = tuple[tuple[str, str], ...]
type PlainCondition = tuple[str, str, _Texts]
type PlainStatement = tuple[
    int,
    str | None,
    Effect,
    _Principals | None,
    _Principals | None,
    _Texts | None,
    _Texts | None,
    _Texts | None,
    _Texts | None,
    tuple[PlainCondition, ...],
]
"""A Statement that is taken apart by position: equal to it, and made at half the cost. Every Statement is one."""
type PlainDocument = tuple[str, str | None, tuple[PlainStatement, ...]]

_JSON_SPACE = " \t\r\n"
_TOP_KEYS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_KEYS = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"},
)
_PRINCIPAL_KINDS = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})
_EVERYONE = (Principal("*", "*"),)
_ACCOUNT_ID_DIGITS = 12
# Version and Statement.
_USUAL_MEMBERS = 2
# A NamedTuple's own constructor costs three times as much.
_new = tuple.__new__


def parse_document(text: str | bytes | dict[str, Any]) -> Document:
    """Read a policy document: JSON text (percent-encoded as `GetRole` gives it, too) or an object already decoded.

    Raises MalformedInput, saying what and where, for any text that is no document. Accepting one says nothing about
    whether IAM would store it.
    """
    plain = read_usual(text) if text.__class__ is dict else read_usual_text(text)
    return _read(text) if plain is None else with_names(plain)


def read_document(text: str) -> PlainDocument:
    """The same of a text, in the form that is taken apart by position. Raises as parse_document does."""
    return read_usual_text(text) or _read(text)


def _read(text: str | bytes | dict[str, Any]) -> Document:
    """Any document, part by part, with a word for whatever is wrong: what `parse_document` says and does, but for its pace."""
    if isinstance(text, dict):
        return _document(text)
    raw = load_json(text)
    if not isinstance(raw, dict):
        raise MalformedInput(f"a policy document must be a JSON object, not {_kind(raw)}: give the document itself")
    return _document(raw)


# The usual form, which nearly all documents have, read without a word about where. What is read here, `_read` reads the same; whatever
# else there is, right or wrong, is left to it.


class _UnusualError(Exception):
    pass


# Objects as tuples of their members, so that a repeated key is still to be seen; a call for each object costs as much again as the decoder.
_decode = json.JSONDecoder(object_pairs_hook=tuple).raw_decode


def read_usual_text(text: object) -> PlainDocument | None:
    """The document in a text, or None where it has not the usual form."""
    if not isinstance(text, str) or len(text) > LONGEST_DOCUMENT:
        return None
    text = text.strip(_JSON_SPACE)
    try:
        raw, end = _decode(text)
        return _usual_document(_as_dict(raw)) if end == len(text) else None
    except (ValueError, RecursionError, _UnusualError):
        return None


def read_usual(raw: object) -> PlainDocument | None:
    """The same of an object already decoded."""
    try:
        return _usual_document(raw)
    except _UnusualError:
        return None


def read_all_usual(raws: list[Any]) -> tuple[PlainDocument, ...] | None:
    """The same of several; None where one of them has not the usual form."""
    try:
        return tuple([_usual_document(each) for each in raws])
    except _UnusualError:
        return None


def _usual_document(raw: Any) -> PlainDocument:
    if raw.__class__ is not dict:
        raise _UnusualError
    version, statements = raw.get("Version"), raw.get("Statement")
    if len(raw) != _USUAL_MEMBERS or (version != VERSION_2012 and version != VERSION_2008):  # noqa: PLR1714 - it may be unhashable
        raise _UnusualError
    if statements.__class__ is not list:
        return version, None, (_usual_statement(0, statements),)
    if len(statements) == 1:
        return version, None, (_usual_statement(0, statements[0]),)
    return version, None, tuple([_usual_statement(index, each) for index, each in enumerate(statements)])


def _usual_statement(index: int, given: Any) -> PlainStatement:
    raw: dict[str, Any] = given if given.__class__ is dict else _as_dict(given)
    sid = principals = actions = not_actions = resources = None
    conditions: tuple[PlainCondition, ...] = ()
    effect = raw.get("Effect")
    if effect != "Allow" and effect != "Deny":  # noqa: PLR1714 - it may be unhashable
        raise _UnusualError
    left = len(raw) - 1
    if "Action" in raw:
        left -= 1
        actions = raw["Action"]
        actions = (actions,) if actions.__class__ is str else _usual_texts(actions)
    if "Principal" in raw:
        left -= 1
        principals = raw["Principal"]
        principals = _EVERYONE if principals == "*" else _usual_principals(principals)
    if "Resource" in raw:
        left -= 1
        resources = raw["Resource"]
        resources = (resources,) if resources.__class__ is str else _usual_texts(resources)
    if "Condition" in raw:
        left -= 1
        conditions = _usual_conditions(raw["Condition"])
    if "Sid" in raw:
        left -= 1
        sid = raw["Sid"]
        if sid.__class__ is not str:
            raise _UnusualError
    if left:
        if left > 1 or actions is not None or "NotAction" not in raw:
            raise _UnusualError
        not_actions = _usual_texts(raw["NotAction"])
    return index, sid, effect, principals, None, actions, not_actions, resources, None, conditions


def _usual_principals(value: Any) -> _Principals:
    found: _Principals = ()
    for kind, entries in value.items() if value.__class__ is dict else _distinct(value):
        if kind not in _PRINCIPAL_KINDS:
            raise _UnusualError
        for text in (entries,) if entries.__class__ is str else _usual_texts(entries):
            # It may be an account id without its leading zeros.
            if len(text) < _ACCOUNT_ID_DIGITS and text != "*":
                raise _UnusualError
            found += ((kind, text),)
    return found


def _usual_conditions(value: Any) -> tuple[PlainCondition, ...]:
    found: tuple[PlainCondition, ...] = ()
    for operator, keys in value.items() if value.__class__ is dict else _distinct(value):
        if operator.__class__ is not str:
            raise _UnusualError
        for key, values in keys.items() if keys.__class__ is dict else _distinct(keys):
            if key.__class__ is not str:
                raise _UnusualError
            found += ((operator, key, (values,) if values.__class__ is str else _usual_texts(values)),)
    return found


def _usual_texts(value: Any) -> _Texts:
    if value.__class__ is list:
        for each in value:
            if each.__class__ is not str:
                raise _UnusualError
        return tuple(value)
    if value.__class__ is str:
        return (value,)
    raise _UnusualError


def _distinct(value: Any) -> tuple[tuple[str, Any], ...]:
    """The members of an object, as the decoder gives them; no key twice."""
    if value.__class__ is tuple and (len(value) == 1 or len(dict(value)) == len(value)):
        return value
    raise _UnusualError


def _as_dict(value: Any) -> dict[str, Any]:
    if value.__class__ is tuple:
        members = dict(value)
        if len(members) == len(value):
            return members
    raise _UnusualError


def with_names(plain: PlainDocument) -> Document:
    version, identifier, statements = plain
    return _new(Document, (version, identifier, tuple([statement_with_names(each) for each in statements])))


def statement_with_names(plain: PlainStatement) -> Statement:
    position, sid, effect, principals, not_principals, actions, not_actions, resources, not_resources, conditions = plain
    if principals and principals is not _EVERYONE:
        principals = tuple([_new(Principal, each) for each in principals])
    if not_principals:
        not_principals = tuple([_new(Principal, each) for each in not_principals])
    if conditions:
        conditions = tuple([_new(Condition, each) for each in conditions])
    return _new(Statement, (position, sid, effect, principals, not_principals, actions, not_actions, resources, not_resources, conditions))


def load_json(text: str | bytes) -> Any:
    """JSON as IAM would take it: percent-encoding undone, duplicate keys refused (readers disagree on which one counts)."""
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        raise MalformedInput(f"not UTF-8 text at byte {error.start}: save the document as UTF-8") from None
    stripped = decoded.lstrip("\ufeff" + _JSON_SPACE)
    if len(stripped) > LONGEST_DOCUMENT:
        raise MalformedInput(f"{len(stripped)} characters: IAM accepts at most {LONGEST_DOCUMENT}")
    if stripped.startswith("%"):  # no JSON text begins so; the encoded text may begin with white space
        from urllib.parse import unquote  # here: rarely needed, and import time is bounded

        try:
            stripped = unquote(stripped, errors="strict").lstrip("\ufeff" + _JSON_SPACE)
        except UnicodeDecodeError:
            raise MalformedInput("percent-encoded, but not as UTF-8: give the document as IAM returned it") from None
    try:
        return json.loads(stripped, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise MalformedInput(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise MalformedInput("not a policy document: nested too deeply") from None
    except ValueError as error:  # integers past Python's digit limit
        raise MalformedInput(f"not a policy document: {error}") from None


def _unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise MalformedInput(f"{_quoted(key)}: written twice in one object; keep one")
            seen.add(key)
    return result


def _no_constant(name: str) -> Any:
    raise MalformedInput(f"{name} is not JSON")


def _document(raw: dict[str, Any]) -> Document:
    _refuse_unknown_keys(raw, _TOP_KEYS, "the document")
    version = raw.get("Version", VERSION_2008)
    if version not in (VERSION_2012, VERSION_2008):
        raise MalformedInput(f'Version: must be "{VERSION_2012}" or "{VERSION_2008}", not {_quoted(version)}')
    identifier = raw.get("Id")
    if identifier is not None and not isinstance(identifier, str):
        raise MalformedInput(f"Id: must be text, not {_kind(identifier)}")
    if "Statement" not in raw:
        raise MalformedInput("Statement: missing; a policy without statements allows nothing and IAM refuses it")
    statements = raw["Statement"]
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list):
        raise MalformedInput(f"Statement: must be an object or a list of objects, not {_kind(statements)}")
    return Document(version, identifier, tuple([_statement(index, each) for index, each in enumerate(statements)]))


def _statement(index: int, raw: Any) -> Statement:
    where = f"Statement[{index}]"
    if not isinstance(raw, dict):
        raise MalformedInput(f"{where}: must be an object, not {_kind(raw)}")
    _refuse_unknown_keys(raw, _STATEMENT_KEYS, where)
    sid, effect = raw.get("Sid"), raw.get("Effect")
    if sid is not None and not isinstance(sid, str):
        raise MalformedInput(f"{where}.Sid: must be text, not {_kind(sid)}")
    if effect not in ("Allow", "Deny"):
        raise MalformedInput(f'{where}.Effect: must be "Allow" or "Deny", not {_quoted(effect)}')
    principals, not_principals = _one_of(raw, "Principal", where, _principals)
    actions, not_actions = _one_of(raw, "Action", where, _texts)
    resources, not_resources = _one_of(raw, "Resource", where, _texts)
    conditions = _conditions(raw["Condition"], f"{where}.Condition") if "Condition" in raw else ()
    return Statement(index, sid, effect, principals, not_principals, actions, not_actions, resources, not_resources, conditions)


def _one_of[T](raw: dict[str, Any], element: str, where: str, read: Callable[[Any, str], T]) -> tuple[T | None, T | None]:
    """The element and its `Not…`: at most one of them stands."""
    found, spared = [read(raw[each], f"{where}.{each}") if each in raw else None for each in (element, f"Not{element}")]
    if found is not None and spared is not None:
        raise MalformedInput(f"{where}: {element} and Not{element} exclude each other; keep one")
    return found, spared


def _principals(value: Any, where: str) -> tuple[Principal, ...]:
    if value == "*":
        return _EVERYONE
    if not isinstance(value, dict):
        raise MalformedInput(f'{where}: must be "*" or an object such as {{"AWS": "…"}}, not {_kind(value)}')
    found: list[Principal] = []
    for kind, entries in value.items():
        if kind not in _PRINCIPAL_KINDS:
            raise MalformedInput(f"{where}: {_quoted(kind)} is no principal type; use AWS, Service or Federated")
        for text in _texts(entries, f"{where}.{kind}"):
            is_number = kind == "AWS" and text.isascii() and text.isdigit()
            # A JSON number loses leading zeros.
            found.append(Principal(kind, text.zfill(_ACCOUNT_ID_DIGITS) if is_number else text))
    return tuple(found)


def _conditions(value: Any, where: str) -> tuple[Condition, ...]:
    if not isinstance(value, dict):
        raise MalformedInput(f"{where}: must be an object, not {_kind(value)}")
    found: list[Condition] = []
    for operator, keys in value.items():
        if not isinstance(operator, str):
            raise MalformedInput(f"{where}: an operator must be text, not {_kind(operator)}")
        if not isinstance(keys, dict):
            raise MalformedInput(f"{where}, {_quoted(operator)}: must be an object of condition keys, not {_kind(keys)}")
        for key, values in keys.items():
            if not isinstance(key, str):
                raise MalformedInput(f"{where}, {_quoted(operator)}: a condition key must be text, not {_kind(key)}")
            found.append(Condition(operator, key, _texts(values, f"{where}, {_quoted(operator)}, {_quoted(key)}")))
    return tuple(found)


def _texts(value: Any, where: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple([_text(each, f"{where}[{index}]" if isinstance(value, list) else where) for index, each in enumerate(values)])


def _text(value: Any, where: str) -> str:
    try:
        text = scalar_text(value)
    except ValueError:
        raise MalformedInput(f"{where}: not a number that IAM could store; write it as text") from None
    if text is None:
        raise MalformedInput(f"{where}: must be text, a number or a boolean, not {_kind(value)}")
    return text


def scalar_text(value: object) -> str | None:
    """Text, a boolean or a number as policies and requests compare it; None for anything else.

    Raises ValueError for a number that JSON cannot hold: an infinite one, or an integer past Python's digit limit.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, allow_nan=False) if isinstance(value, int | float) else None


def parse_conditions(raw: Any, where: str) -> tuple[Condition, ...]:
    """A `Condition` block, already decoded. Raises MalformedInput; `where` names it there."""
    return _conditions(raw, where)


def _refuse_unknown_keys(raw: dict[str, Any], known: Collection[str], where: str) -> None:
    for key in raw:
        if key not in known:
            raise MalformedInput(f"{where}: unknown element {_quoted(key)}; known are {', '.join(sorted(known))}")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null" if value is None else f"a {type(value).__name__}")


def _quoted(value: Any) -> str:
    return json.dumps(value)[:80] if isinstance(value, str) else _kind(value)


def render_document(document: Document) -> dict[str, Any]:
    """The document as JSON values, in IAM's order of elements. A single value stands alone, several as a list, as IAM itself writes."""
    rendered: dict[str, Any] = {"Version": document.version}
    if document.id is not None:
        rendered["Id"] = document.id
    rendered["Statement"] = [_render_statement(each) for each in document.statements]
    return rendered


def _render_statement(statement: Statement) -> dict[str, Any]:
    rendered: dict[str, Any] = {}
    if statement.sid is not None:
        rendered["Sid"] = statement.sid
    rendered["Effect"] = statement.effect
    for key, principals in (("Principal", statement.principals), ("NotPrincipal", statement.not_principals)):
        if principals is not None:
            rendered[key] = _render_principals(principals)
    for key, texts in (
        ("Action", statement.actions),
        ("NotAction", statement.not_actions),
        ("Resource", statement.resources),
        ("NotResource", statement.not_resources),
    ):
        if texts is not None:
            rendered[key] = _one_or_many(texts)
    if statement.conditions:
        block: dict[str, dict[str, Any]] = {}
        for operator, name, values in statement.conditions:
            block.setdefault(operator, {})[name] = _one_or_many(values)
        rendered["Condition"] = block
    return rendered


def _render_principals(principals: tuple[Principal, ...]) -> Any:
    if principals == (Principal("*", "*"),):
        return "*"
    grouped: dict[str, list[str]] = {}
    for kind, value in principals:
        grouped.setdefault(kind, []).append(value)
    return {kind: _one_or_many(tuple(values)) for kind, values in grouped.items()}


def _one_or_many(values: tuple[str, ...]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)


def text_of_answer(document: Any) -> str:
    """Of a document in an answer of IAM's: boto3 decodes it, and a text that it cannot decode stays percent-encoded text."""
    if not isinstance(document, str):
        return json.dumps(document)
    from urllib.parse import unquote  # here, as above

    return unquote(document)


def canonical_hash(document: Document) -> str:
    """Equal for documents that differ only in spelling: order within lists, scalar or list, key order, `Id`, account id or root ARN.

    The order of statements counts, though it means nothing to IAM: a reordered policy is simply judged again. Hex SHA-256.
    """
    from hashlib import sha256  # here: it costs more to import than the evaluator, which needs none

    text = json.dumps([document.version, [_canonical(each) for each in document.statements]], separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()


def hash_of_text(text: str) -> str:
    """The canonical hash; of the text itself where it is no document that can be read."""
    try:
        return canonical_hash(parse_document(text))
    except MalformedInput:
        from hashlib import sha256

        return "text-" + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _canonical(statement: Statement) -> list[Any]:
    def texts(values: tuple[str, ...] | None) -> list[str] | None:
        return None if values is None else sorted(values)

    def principals(values: tuple[Principal, ...] | None) -> list[list[str]] | None:
        return None if values is None else sorted([kind, _root_arn(value) if kind == "AWS" else value] for kind, value in values)

    return [
        statement.sid,
        statement.effect,
        principals(statement.principals),
        principals(statement.not_principals),
        texts(statement.actions),
        texts(statement.not_actions),
        texts(statement.resources),
        texts(statement.not_resources),
        sorted([operator, key, sorted(values)] for operator, key, values in statement.conditions),
    ]


def _root_arn(value: str) -> str:
    # IAM stores a bare account id as that account's root ARN; other partitions are read back as ARNs anyway.
    return f"arn:aws:iam::{value}:root" if is_account_id(value) else value
