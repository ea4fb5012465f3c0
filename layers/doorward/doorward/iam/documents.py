"""IAM policy documents: parsed once into typed values that keep where each part stood, and rendered back.

The one place that knows the JSON grammar; the evaluator and the search share this and nothing else.
Grammar: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import json
from collections.abc import Collection, Iterable, Sequence
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


_JSON_SPACE = " \t\r\n"
_TOP_KEYS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_KEYS = ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
_PRINCIPAL_KINDS = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})
_EVERYONE = (Principal("*", "*"),)
_ACCOUNT_ID_DIGITS = 12
# A NamedTuple's own constructor costs three times as much.
_new = tuple.__new__


def parse_document(text: str | bytes | dict[str, Any]) -> Document:
    """Read a policy document: JSON text (percent-encoded as `GetRole` gives it, too) or an object already decoded.

    Raises MalformedInput, saying what and where, for any text that is no document. Accepting one says nothing about
    whether IAM would store it.
    """
    if isinstance(text, dict):
        return _read(text)
    if text.__class__ is str:
        document = _read_plainly_written(text)
        if document is not None:
            return document
    raw = load_json(text)
    if not isinstance(raw, dict):
        raise MalformedInput(f"a policy document must be a JSON object, not {_kind(raw)}: give the document itself")
    return _read(raw)


# Objects as tuples of their members, so that a repeated key is still to be seen; a call for each object costs as much again as the decoder.
_decode = json.JSONDecoder(object_pairs_hook=tuple).raw_decode


def _read_plainly_written(text: str) -> Document | None:
    """Like `load_json` and `_read`, at two thirds of the cost; None where those have to say what is wrong, or undo an encoding."""
    if len(text) > LONGEST_DOCUMENT:
        return None
    text = text.strip(_JSON_SPACE)
    try:
        raw, end = _decode(text)
        return _read(_unique_keys(raw)) if raw.__class__ is tuple and end == len(text) else None
    except (ValueError, RecursionError, MalformedInput):
        return None


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


def _members(value: Any) -> Iterable[tuple[Any, Any]] | None:
    """Of an object, however it was decoded; None for anything else."""
    if value.__class__ is tuple:
        return value if len(value) == 1 else _unique_keys(value).items()
    return value.items() if isinstance(value, dict) else None


def _read(raw: dict[str, Any]) -> Document:
    """Objects below the topmost may be tuples of members instead: `_decode`."""
    if not _TOP_KEYS.issuperset(raw):
        _refuse_unknown_keys(raw, _TOP_KEYS, "the document")
    version = raw.get("Version", VERSION_2008)
    if version != VERSION_2012 and version != VERSION_2008:  # noqa: PLR1714 - the value may be anything, unhashable too
        raise MalformedInput(f'Version: must be "{VERSION_2012}" or "{VERSION_2008}", not {_quoted(version)}')
    identifier = raw.get("Id")
    if identifier is not None and not isinstance(identifier, str):
        raise MalformedInput(f"Id: must be text, not {_kind(identifier)}")
    if "Statement" not in raw:
        raise MalformedInput("Statement: missing; a policy without statements allows nothing and IAM refuses it")
    statements = raw["Statement"]
    if isinstance(statements, dict | tuple):
        statements = [statements]
    if not isinstance(statements, list):
        raise MalformedInput(f"Statement: must be an object or a list of objects, not {_kind(statements)}")
    return _new(Document, (version, identifier, tuple([_statement(index, each) for index, each in enumerate(statements)])))


def _statement(index: int, raw: Any) -> Statement:
    # Where something stands is put into words only once it is wrong.
    if raw.__class__ is tuple:
        raw = _unique_keys(raw)
    elif not isinstance(raw, dict):
        raise MalformedInput(f"Statement[{index}]: must be an object, not {_kind(raw)}")
    get = raw.get
    sid, effect, principals, actions, resources, conditions = (
        get("Sid"),
        get("Effect"),
        get("Principal"),
        get("Action"),
        get("Resource"),
        get("Condition"),
    )
    not_principals = not_actions = not_resources = None
    others = (
        len(raw)
        - (sid is not None)
        - (effect is not None)
        - (principals is not None)
        - (actions is not None)
        - (resources is not None)
        - (conditions is not None)
    )
    if others:
        not_principals, not_actions, not_resources = get("NotPrincipal"), get("NotAction"), get("NotResource")
        if others - (not_principals is not None) - (not_actions is not None) - (not_resources is not None):
            _refuse_unknown_and_null(raw, index)
    if sid is not None and not isinstance(sid, str):
        raise MalformedInput(f"Statement[{index}].Sid: must be text, not {_kind(sid)}")
    if effect != "Allow" and effect != "Deny":  # noqa: PLR1714 - the value may be anything, unhashable too
        raise MalformedInput(f'Statement[{index}].Effect: must be "Allow" or "Deny", not {_quoted(effect)}')
    if principals is not None:
        principals = _principals(principals, index, "Principal")
    if actions is not None:
        actions = (actions,) if actions.__class__ is str else _texts(actions, index, "Action")
    if resources is not None:
        resources = (resources,) if resources.__class__ is str else _texts(resources, index, "Resource")
    if others:
        if not_principals is not None:
            not_principals = _principals(not_principals, index, "NotPrincipal")
            _refuse_both(principals, index, "Principal")
        if not_actions is not None:
            not_actions = _texts(not_actions, index, "NotAction")
            _refuse_both(actions, index, "Action")
        if not_resources is not None:
            not_resources = _texts(not_resources, index, "NotResource")
            _refuse_both(resources, index, "Resource")
    conditions = () if conditions is None else _conditions(conditions, index)
    return _new(
        Statement,
        (index, sid, effect, principals, not_principals, actions, not_actions, resources, not_resources, conditions),
    )


def _refuse_unknown_and_null(raw: dict[str, Any], index: int) -> None:
    """Only `Sid` may be null."""
    _refuse_unknown_keys(raw, _STATEMENT_KEYS, f"Statement[{index}]")
    for element, value in raw.items():
        if value is not None or element in {"Sid", "Effect"}:
            continue
        if element == "Condition":
            _conditions(value, index)
        elif element in {"Principal", "NotPrincipal"}:
            _principals(value, index, element)
        else:
            _texts(value, index, element)


def _refuse_both(other: object, index: int, element: str) -> None:
    if other is not None:
        raise MalformedInput(f"Statement[{index}]: {element} and Not{element} exclude each other; keep one")


def _principals(value: Any, index: int, element: str) -> tuple[Principal, ...]:
    members = _members(value)
    if members is None:
        if value == "*":
            return _EVERYONE
        raise MalformedInput(f'Statement[{index}].{element}: must be "*" or an object such as {{"AWS": "…"}}, not {_kind(value)}')
    found: tuple[Principal, ...] = ()
    for kind, entries in members:
        if kind not in _PRINCIPAL_KINDS:
            raise MalformedInput(f"Statement[{index}].{element}: {_quoted(kind)} is no principal type; use AWS, Service or Federated")
        for text in (entries,) if entries.__class__ is str else _texts(entries, index, element, kind):
            if len(text) < _ACCOUNT_ID_DIGITS and kind == "AWS" and text.isascii() and text.isdigit():
                text = text.zfill(_ACCOUNT_ID_DIGITS)  # noqa: PLW2901 - a JSON number loses leading zeros
            found += (_new(Principal, (kind, text)),)
    return found


def _conditions(value: Any, index: int) -> tuple[Condition, ...]:
    operators = _members(value)
    if operators is None:
        raise MalformedInput(f"Statement[{index}].Condition: must be an object, not {_kind(value)}")
    found: tuple[Condition, ...] = ()
    for operator, keys in operators:
        if not isinstance(operator, str):
            raise MalformedInput(f"Statement[{index}].Condition: an operator must be text, not {_kind(operator)}")
        members = _members(keys)
        if members is None:
            raise MalformedInput(
                f"Statement[{index}].Condition, {_quoted(operator)}: must be an object of condition keys, not {_kind(keys)}"
            )
        for key, values in members:
            if not isinstance(key, str):
                raise MalformedInput(f"Statement[{index}].Condition, {_quoted(operator)}: a condition key must be text, not {_kind(key)}")
            texts = (values,) if values.__class__ is str else _texts(values, index, "Condition", operator, key)
            found += (_new(Condition, (operator, key, texts)),)
    return found


def _texts(value: Any, index: int, *path: str) -> tuple[str, ...]:
    """`path`: an element; the principal type in it; or the operator and the key in it."""
    if value.__class__ is str:
        return (value,)
    if value.__class__ is list:
        for each in value:
            if each.__class__ is not str:
                break
        else:
            return tuple(value)
    return _as_texts(value, _place(index, *path))


def _place(index: int, element: str, inner: str | None = None, key: str | None = None) -> str:
    where = f"Statement[{index}].{element}"
    if key is not None:
        return f"{where}, {_quoted(inner)}, {_quoted(key)}"
    return where if inner is None else f"{where}.{inner}"


def _as_texts(value: Any, where: str) -> tuple[str, ...]:
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
    try:
        return _conditions(raw, 0)
    except MalformedInput as error:
        raise MalformedInput(where + str(error).removeprefix("Statement[0].Condition")) from None


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
