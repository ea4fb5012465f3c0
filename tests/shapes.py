"""The shape of a JSON value: its keys and types without its contents, to hold events of ours against real ones."""

from collections.abc import Iterable, Mapping
from typing import Any

type Shape = Mapping[str, str]
"""The type of the value at every JSON path, e.g. `{"$": "object", "$.tags": "array", "$.tags[]": "object", "$.tags[].key": "string"}`.
The elements of an array share one path; types that differ there are joined (`null|string`)."""


def shape_of(value: Any, path: str = "$") -> Shape:
    shape: dict[str, set[str]] = {}
    _walk(value, path, shape)
    return {at: "|".join(sorted(types)) for at, types in shape.items()}


def differences(expected: Shape, actual: Shape) -> frozenset[str]:
    """Return one sentence for each path at which the shapes differ, in words that depend on `actual` only, but for what is missing."""
    missing = {f"{path} is missing" for path in expected if path not in actual}
    unexpected = {f"{path} is unexpected" for path in actual if path not in expected}
    other = {f"{path} is unexpectedly {actual[path]}" for path, kind in expected.items() if path in actual and actual[path] != kind}
    return frozenset(missing | unexpected | other)


def differences_from_all(examples: Iterable[Shape], actual: Shape) -> frozenset[str]:
    """Return what no example accounts for: a key that every example has, a key that none has, a type that none has."""
    sets = [differences(example, actual) for example in examples]
    return frozenset.intersection(*sets) if sets else frozenset()


def _walk(value: Any, path: str, shape: dict[str, set[str]]) -> None:
    shape.setdefault(path, set()).add(_type(value))
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _walk(inner, f"{path}.{key}", shape)
    elif isinstance(value, list):
        for inner in value:
            _walk(inner, f"{path}[]", shape)


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case Mapping():
            return "object"
        case _:
            return "array"
