"""IAM policy documents: parsed once into typed values that keep where each part stood, and rendered back.

The one place that knows the JSON grammar; the evaluator and the search share this and nothing else.
Grammar: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import json
from typing import Any, Literal, NamedTuple

from doorward.errors import MalformedInput
from doorward.iam.arns import is_account_id

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


_TOP_KEYS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_KEYS = frozenset({"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"})


def parse_document(text: str | bytes | dict[str, Any]) -> Document:
    """Read a policy document: JSON text (percent-encoded as `GetRole` gives it, too) or an object already decoded.

    Raises MalformedInput, saying what and where, for any text that is no document. Accepting one says nothing about
    whether IAM would store it.
    """
    raw = text if isinstance(text, dict) else load_json(text)
    if not isinstance(raw, dict):
        raise MalformedInput(f"a policy document must be a JSON object, not {_kind(raw)}: give the document itself")
    _refuse_unknown_keys(raw, _TOP_KEYS, "the document")
    version = raw.get("Version", VERSION_2008)
    if version not in (VERSION_2008, VERSION_2012):  # a tuple: the value may be anything, unhashable too
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
    return Document(version, identifier, tuple(_statement(index, each) for index, each in enumerate(statements)))


def load_json(text: str | bytes) -> Any:
    """JSON as IAM would take it: percent-encoding undone, duplicate keys refused (readers disagree on which one counts)."""
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        raise MalformedInput(f"not UTF-8 text at byte {error.start}: save the document as UTF-8") from None
    stripped = decoded.lstrip("\ufeff \t\r\n")
    if len(stripped) > LONGEST_DOCUMENT:
        raise MalformedInput(f"{len(stripped)} characters: IAM accepts at most {LONGEST_DOCUMENT}")
    if stripped.startswith("%"):  # no JSON text begins so; the encoded text may begin with white space
        from urllib.parse import unquote  # here: rarely needed, and import time is bounded

        try:
            stripped = unquote(stripped, errors="strict").lstrip("\ufeff \t\r\n")
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


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
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


def _statement(index: int, raw: Any) -> Statement:
    where = f"Statement[{index}]"
    if not isinstance(raw, dict):
        raise MalformedInput(f"{where}: must be an object, not {_kind(raw)}")
    _refuse_unknown_keys(raw, _STATEMENT_KEYS, where)
    sid = raw.get("Sid")
    if sid is not None and not isinstance(sid, str):
        raise MalformedInput(f"{where}.Sid: must be text, not {_kind(sid)}")
    effect = raw.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise MalformedInput(f'{where}.Effect: must be "Allow" or "Deny", not {_quoted(effect)}')
    for one, other in (("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource")):
        if one in raw and other in raw:
            raise MalformedInput(f"{where}: {one} and {other} exclude each other; keep one")
    return Statement(
        index,
        sid,
        effect,
        _principals(raw, "Principal", where),
        _principals(raw, "NotPrincipal", where),
        _texts(raw, "Action", where),
        _texts(raw, "NotAction", where),
        _texts(raw, "Resource", where),
        _texts(raw, "NotResource", where),
        _conditions(raw.get("Condition", {}), f"{where}.Condition"),
    )


def _principals(raw: dict[str, Any], key: str, where: str) -> tuple[Principal, ...] | None:
    if key not in raw:
        return None
    value = raw[key]
    if value == "*":
        return (Principal("*", "*"),)
    if not isinstance(value, dict):
        raise MalformedInput(f'{where}.{key}: must be "*" or an object such as {{"AWS": "…"}}, not {_kind(value)}')
    found: list[Principal] = []
    for kind, entries in value.items():
        if kind not in {"AWS", "Service", "Federated", "CanonicalUser"}:
            raise MalformedInput(f"{where}.{key}: {_quoted(kind)} is no principal type; use AWS, Service or Federated")
        found += [Principal(kind, _principal_value(kind, text)) for text in _as_texts(entries, f"{where}.{key}.{kind}")]
    return tuple(found)


def _principal_value(kind: str, text: str) -> str:
    # A JSON number loses leading zeros of an account id.
    return text.zfill(12) if kind == "AWS" and text.isascii() and text.isdigit() and len(text) < 12 else text  # noqa: PLR2004


def _texts(raw: dict[str, Any], key: str, where: str) -> tuple[str, ...] | None:
    return None if key not in raw else _as_texts(raw[key], f"{where}.{key}")


def _as_texts(value: Any, where: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(_text(each, f"{where}[{index}]" if isinstance(value, list) else where) for index, each in enumerate(values))


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


def _conditions(raw: Any, where: str) -> tuple[Condition, ...]:
    if not isinstance(raw, dict):
        raise MalformedInput(f"{where}: must be an object, not {_kind(raw)}")
    found: list[Condition] = []
    for operator, keys in raw.items():
        if not isinstance(operator, str):
            raise MalformedInput(f"{where}: an operator must be text, not {_kind(operator)}")
        if not isinstance(keys, dict):
            raise MalformedInput(f"{where}, {_quoted(operator)}: must be an object of condition keys, not {_kind(keys)}")
        for key, values in keys.items():
            if not isinstance(key, str):
                raise MalformedInput(f"{where}, {_quoted(operator)}: a condition key must be text, not {_kind(key)}")
            found.append(Condition(operator, key, _as_texts(values, f"{where}, {_quoted(operator)}, {_quoted(key)}")))
    return tuple(found)


def _refuse_unknown_keys(raw: dict[str, Any], known: frozenset[str], where: str) -> None:
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


def canonical_hash(document: Document) -> str:
    """Equal for documents that differ only in spelling: order within lists, scalar or list, key order, `Id`, account id or root ARN.

    The order of statements counts, though it means nothing to IAM: a reordered policy is simply judged again. Hex SHA-256.
    """
    from hashlib import sha256  # here: it costs more to import than the evaluator, which needs none

    text = json.dumps([document.version, [_canonical(each) for each in document.statements]], separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()


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
