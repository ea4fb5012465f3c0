"""JSON and YAML texts as values that know where they stand, so that a finding can point at its line and a remedy at its place.

A JSON text is walked, not loaded: members and elements are decoded one at a time, so that the 200 MB which a large account prints never
stand in memory as Python objects. A YAML text is composed as a whole. Both give the same values; CloudFormation's short forms (`!Ref x`)
give the long ones (`{"Ref": "x"}`).
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined] # undocumented and stable: what the decoder itself uses
from typing import Any, NamedTuple, NoReturn, Protocol

from doorward.errors import MalformedInput

_SPACE = re.compile(r"[ \t\r\n]*")
# Levels of a JSON text that are walked instead of decoded when only their end is wanted: {"RoleDetailList": [{…}, …]}.
_WALKED_LEVELS = 2
# Ours, far above any template: CloudFormation takes 1 MB and 500 resources.
LARGEST_YAML = 4 * 1024 * 1024
_MOST_VALUES = 300_000
_DEEPEST = 100
_LARGEST_INT_BITS = 64
_NOT_IN_YAML_11 = re.compile(r"[-+]?0[0-9_]+$")


class Position(NamedTuple):
    """Both count from 1; columns in characters."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


class Text:
    r"""A file's text, and its lines. Only `\n` ends a line, as editors and code hosts count."""

    __slots__ = ("_ends", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._ends: list[int] | None = None

    def position(self, offset: int) -> Position:
        if self._ends is None:
            self._ends = [each.start() for each in re.finditer("\n", self.text)]
        before = bisect_right(self._ends, offset - 1)
        return Position(before + 1, offset - (self._ends[before - 1] + 1 if before else 0) + 1)


class Located(Protocol):
    """One value: `text.text[start:end]` is its source. `kind` is `object`, `array` or `scalar`; an intrinsic in short form is a scalar."""

    text: Text
    start: int
    end: int

    @property
    def kind(self) -> str: ...
    @property
    def is_block(self) -> bool:
        """Whether it is written in YAML's block style, by indentation."""
        ...

    def members(self) -> "Iterator[tuple[str, Located]]":
        """Of an object, in order, repeated names too. Nothing where it is none."""
        ...

    def elements(self) -> "Iterator[Located]":
        """Of an array. Nothing where it is none."""
        ...

    def value(self) -> Any:
        """As JSON data; an object with a name written twice is a `Repeated`. Raises MalformedInput."""
        ...


def find(value: Located, *path: str | int) -> Located | None:
    """The value at a path; of a name written twice the last, as decoders have it."""
    found: Located | None = value
    for step in path:
        if found is None:
            return None
        if isinstance(step, int):
            found = next((each for index, each in enumerate(found.elements()) if index == step), None)
        else:
            found = next((inner for name, inner in reversed(list(found.members())) if name == step), None)
    return found


class Repeated(dict[str, Any]):
    """An object in which `name` is written twice. Readers disagree on which one counts, so nothing can be judged by it."""

    name: str

    def like(self, pairs: Any) -> "Repeated":
        """Other members, the same fault."""
        other = Repeated(pairs)
        other.name = self.name
        return other


def repeated_name(value: object) -> str | None:
    """A name that is written twice in one object anywhere below; None if there is none."""
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, Repeated):
            return each.name
        stack += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) == len(pairs):
        return result
    repeated, seen = Repeated(pairs), set[str]()
    for name, _ in pairs:
        if name in seen:
            repeated.name = name
            break
        seen.add(name)
    return repeated


def _no_constant(name: str) -> NoReturn:
    raise MalformedInput(f"{name} is not JSON")


# JSON

_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)
_SKIPPER = json.JSONDecoder(parse_constant=_no_constant)


def parse_json(text: str, start: int = 0) -> tuple[Any, int]:
    """One JSON value at `start`, and where it ends. An object with a name written twice is a `Repeated`.

    Raises json.JSONDecodeError, and MalformedInput for what is JSON only to Python.
    """
    return _decode(_DECODER, text, start)


def _decode(decoder: json.JSONDecoder, text: str, start: int) -> tuple[Any, int]:
    try:
        return decoder.raw_decode(text, start)
    except RecursionError:
        raise MalformedInput("nested too deeply") from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:  # integers past Python's digit limit
        raise MalformedInput(str(error)) from None


def locate_json(text: Text, start: int) -> "LocatedJson":
    """The JSON value at `start`, its syntax checked to its end. Raises json.JSONDecodeError and MalformedInput."""
    return LocatedJson(text, start, _end(text.text, start, _WALKED_LEVELS))


class LocatedJson:
    __slots__ = ("end", "start", "text")
    is_block = False

    def __init__(self, text: Text, start: int, end: int) -> None:
        self.text = text
        self.start = start
        self.end = end

    @property
    def kind(self) -> str:
        return {"{": "object", "[": "array"}.get(self.text.text[self.start], "scalar")

    def members(self) -> Iterator[tuple[str, Located]]:
        if self.kind == "object":
            for name, start, end in _members(self.text.text, self.start, 1):
                yield name, LocatedJson(self.text, start, end)

    def elements(self) -> Iterator[Located]:
        if self.kind == "array":
            for start, end in _elements(self.text.text, self.start, 1):
                yield LocatedJson(self.text, start, end)

    def value(self) -> Any:
        return parse_json(self.text.text, self.start)[0]


def _end(text: str, start: int, levels: int) -> int:
    opening = text[start : start + 1]
    if not levels or opening not in {"{", "["}:
        return _decode(_SKIPPER, text, start)[1]
    last = start + 1  # the end of the last part; what follows it is white space and the closing bracket
    if opening == "{":
        for *_, end in _members(text, start, levels - 1):
            last = end
    else:
        for _, end in _elements(text, start, levels - 1):
            last = end
    return _skip(text, last) + 1


def _members(text: str, start: int, levels: int) -> Iterator[tuple[str, int, int]]:
    """Name, start and end of each member of the object at `start`."""
    at = _skip(text, start + 1)
    if text[at : at + 1] == "}":
        return
    while True:
        if text[at : at + 1] != '"':
            raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
        name, at = scanstring(text, at + 1, True)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise json.JSONDecodeError("Expecting ':' delimiter", text, at)
        at = _skip(text, at + 1)
        end = _end(text, at, levels)
        yield name, at, end
        at = _skip(text, end)
        if text[at : at + 1] == "}":
            return
        if text[at : at + 1] != ",":
            raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
        at = _skip(text, at + 1)


def _elements(text: str, start: int, levels: int) -> Iterator[tuple[int, int]]:
    at = _skip(text, start + 1)
    if text[at : at + 1] == "]":
        return
    while True:
        end = _end(text, at, levels)
        yield at, end
        at = _skip(text, end)
        if text[at : at + 1] == "]":
            return
        if text[at : at + 1] != ",":
            raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
        at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


# YAML


class NotYaml(MalformedInput):
    """`position` is where in the text; None where its parser does not say."""

    def __init__(self, what: str, position: Position | None) -> None:
        super().__init__(what)
        self.position = position


def locate_yaml(text: Text) -> "LocatedYaml | None":
    """The one document of a YAML text; None where there is none. Raises NotYaml."""
    import yaml

    if len(text.text) > LARGEST_YAML:
        raise NotYaml(f"YAML larger than {LARGEST_YAML // 1024 // 1024} MiB; give JSON, or split it", None)
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        # By events first: the C composer overflows its stack on deep nesting.
        for event in yaml.parse(text.text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise NotYaml("nested too deeply", None if event.start_mark is None else _marked(text, event.start_mark))
        node = yaml.compose(text.text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed"
        raise NotYaml(str(what), None if mark is None else _marked(text, mark)) from None
    except (RecursionError, ValueError):  # ValueError: a surrogate, which no UTF-8 text holds
        raise NotYaml("cannot be parsed", None) from None
    return None if node is None else LocatedYaml(text, node)


def _marked(text: Text, mark: Any) -> Position:
    return text.position(min(mark.index, len(text.text)))


class LocatedYaml:
    __slots__ = ("_node", "end", "start", "text")

    def __init__(self, text: Text, node: Any) -> None:
        self.text = text
        self._node = node
        self.start = node.start_mark.index
        self.end = _trimmed(text.text, self.start, node.end_mark.index) if self.is_block else node.end_mark.index

    @property
    def kind(self) -> str:
        if not _is_plain(self._node.tag):
            return "scalar"
        return {"mapping": "object", "sequence": "array"}.get(self._node.id, "scalar")

    @property
    def is_block(self) -> bool:
        return self._node.id != "scalar" and not self._node.flow_style

    def members(self) -> Iterator[tuple[str, Located]]:
        if self.kind == "object":
            for key, inner in _pairs(self._node):
                yield str(key.value), LocatedYaml(self.text, inner)

    def elements(self) -> Iterator[Located]:
        if self.kind == "array":
            for inner in self._node.value:
                yield LocatedYaml(self.text, inner)

    def value(self) -> Any:
        return _Values(self.text).of(self._node, 0)


def _trimmed(text: str, start: int, end: int) -> int:
    """A block ends, to its parser, where the next thing begins: without the blank and comment lines before that."""
    lines = text[start:end].split("\n")
    while len(lines) > 1 and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    return start + len("\n".join(lines).rstrip())


def _is_plain(tag: str) -> bool:
    return tag.startswith("tag:yaml.org,2002:")


def _pairs(node: Any) -> list[tuple[Any, Any]]:
    """Of a mapping, `<<` expanded: what is written in the mapping itself comes last and so wins."""
    import yaml

    if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
        try:
            yaml.SafeLoader("").flatten_mapping(node)
        except (yaml.YAMLError, RecursionError):
            raise MalformedInput("<< must name a mapping") from None
        own = dict.fromkeys(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        last = {key.value: (key, inner) for key, inner in node.value if isinstance(key, yaml.ScalarNode)}
        node.value = [last[name] for name in own]
    return list(node.value)


class _Values:
    """YAML nodes to JSON data. What anchors expand to is counted, so that a few lines cannot become gigabytes."""

    def __init__(self, text: Text) -> None:
        import yaml

        self._yaml = yaml
        self._loader = yaml.SafeLoader("")
        self._text = text
        self._count = 0

    def of(self, node: Any, depth: int) -> Any:
        self._count += 1
        if self._count > _MOST_VALUES or depth > _DEEPEST:
            raise NotYaml("anchors expand to more than any template needs; write the values out", _marked(self._text, node.start_mark))
        if not _is_plain(node.tag):
            return self._intrinsic(node, depth)
        if isinstance(node, self._yaml.MappingNode):
            pairs: list[tuple[str, Any]] = []
            for key, inner in _pairs(node):
                if not isinstance(key, self._yaml.ScalarNode):
                    raise NotYaml("a name must be plain text", _marked(self._text, key.start_mark))
                pairs.append((key.value, self.of(inner, depth + 1)))
            return _object(pairs)
        if isinstance(node, self._yaml.SequenceNode):
            return [self.of(each, depth + 1) for each in node.value]
        return self._scalar(node)

    def _intrinsic(self, node: Any, depth: int) -> dict[str, Any]:
        """`!Sub x` as `{"Fn::Sub": "x"}`; a tag that CloudFormation does not have becomes a function that nobody knows."""
        name = node.tag.removeprefix("!")
        bare = type(node)(self._plain_tag(node), node.value, node.start_mark, node.end_mark, getattr(node, "style", None))
        value = self.of(bare, depth + 1)
        if name == "GetAtt" and isinstance(value, str):
            value = value.split(".", 1)
        return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}

    def _plain_tag(self, node: Any) -> str:
        kind = {"mapping": "map", "sequence": "seq"}.get(node.id, "str")
        return f"tag:yaml.org,2002:{kind}"

    def _scalar(self, node: Any) -> Any:
        """Dates stay text, as CloudFormation takes them (`Version: 2012-10-17`)."""
        kind = node.tag.rsplit(":", 1)[-1]
        if kind == "int" and _NOT_IN_YAML_11.match(node.value):
            # An account id without quotes: octal to some readers, decimal to others.
            return {"Fn::Unquoted": node.value}
        if kind not in {"int", "float", "bool", "null"}:
            return node.value
        try:
            value = self._loader.construct_object(node)
        except (ValueError, KeyError, self._yaml.YAMLError):
            return node.value
        return node.value if isinstance(value, int) and value.bit_length() > _LARGEST_INT_BITS else value
