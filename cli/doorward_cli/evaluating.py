"""`doorward evaluate`: one request or a line each, through the evaluator."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doorward.errors import MalformedInput
from doorward.iam.requests import evaluate_json
from doorward_cli.inputs import parse_json, read_text, repeated_name

_LINE_SUFFIXES = frozenset({".jsonl", ".ndjson"})


@dataclass(frozen=True, slots=True)
class Answer:
    """`result` is the line to print. `line` counts from 1; None for a single request. `error` is None where it was decided."""

    result: dict[str, Any]
    line: int | None
    error: str | None

    @property
    def is_denied(self) -> bool:
        return self.error is None and self.result["decision"] != "allowed"


def evaluate_file(file: str) -> Iterator[Answer]:
    """A `.jsonl` file line by line; anything else as one request, or, where it is not one JSON value, line by line too.

    Raises MalformedInput where the file cannot be read at all.
    """
    text = read_text(file)
    if not text.strip():
        raise MalformedInput("empty; give a request, docs/contracts.md shows its form")
    if Path(file).suffix.lower() not in _LINE_SUFFIXES and not _is_lines(text):
        yield _answer(text, None)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _answer(line, number)


def explain(answer: Answer) -> str:
    """One sentence: what decided, by the statements. Everything is counted from 0, as in the result."""
    name = f"{answer.result['id']}: " if answer.result.get("id") is not None else ""
    if answer.error is not None:
        return f"{name}not decided: {answer.error}"
    reasons = "; ".join(_reason(each) for each in answer.result["because"]) or "the root user of an account needs no policy for it"
    return f"{name}{answer.result['decision'].replace('_', ' ')}: {reasons}"


# Layers by name, and whether there can be several policies in one.
_LAYERS = {
    "identity": ("identity policy", True),
    "resource": ("resource policy", False),
    "permissions_boundary": ("permissions boundary", False),
    "session": ("session policy", False),
    "service_control_policies": ("SCP", True),
    "resource_control_policies": ("RCP", True),
}


def _reason(because: dict[str, Any]) -> str:
    layer, is_one_of_several = _LAYERS[because["policy"]]
    at_level = "" if because["level"] is None else f" at level {because['level']}"
    if because["statement"] is None:
        return f"no {layer}{at_level} allows it"
    which = f" {because['index']}" if is_one_of_several else ""
    sid = f" ({because['sid']})" if because["sid"] else ""
    return f"{layer}{which}{at_level}, statement {because['statement']}{sid}, {'denies' if because['effect'] == 'Deny' else 'allows'} it"


def _answer(text: str, line: int | None) -> Answer:
    value: Any = None
    try:
        value = _load(text)
        return Answer(evaluate_json(value), line, None)
    except MalformedInput as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - one line must not cost the others; reported, exit 2
        reason = f"a bug in doorward ({type(error).__name__}); this request was not decided"
    identifier = value.get("id") if isinstance(value, dict) else None
    return Answer({"id": identifier, "error": reason}, line, reason)


def _load(text: str) -> Any:
    stripped = text.strip()
    try:
        value, end = parse_json(stripped)
    except json.JSONDecodeError as error:
        raise MalformedInput(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    if end != len(stripped):
        raise MalformedInput(f"not one JSON value: more text after character {end}; requests of several lines end in .jsonl")
    repeated = repeated_name(value)
    if repeated is not None:
        raise MalformedInput(f"{json.dumps(repeated)} is written twice in one object; keep one")
    return value


def _is_lines(text: str) -> bool:
    """Not one JSON value as a whole, but some line of it is an object by itself."""
    if _is_object(text.strip()):
        return False
    lines = [each for each in text.split("\n") if each.strip()]
    return len(lines) > 1 and any(_is_object(each.strip()) for each in lines)


def _is_object(text: str) -> bool:
    try:
        value, end = parse_json(text)
    except (json.JSONDecodeError, MalformedInput):
        return False
    return isinstance(value, dict) and end == len(text)
