"""`doorward evaluate`: one request or a line each, through the evaluator."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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
    """One line: the decision by IAM's name for it, the statements that made it, and what that means to who meets IAM today."""
    name = f"{answer.result['id']}: " if answer.result.get("id") is not None else ""
    if answer.error is not None:
        return f"{name}not decided: {answer.error}"
    decision, because = answer.result["decision"], answer.result["because"]
    if decision == "implicitly_denied":
        [silent] = because
        return f"{name}implicitly denied: nothing denies it, but {_silence(silent)}, and what nobody allows there is refused"
    if not because:
        return f"{name}allowed: the root user of an account needs no policy for it, and nothing denies it"
    reasons = "; ".join(_statement(each) for each in because)
    if decision == "allowed":
        return f"{name}allowed: {reasons}; nothing denies it and no other Allow is needed ({_COUNTED})"
    return f"{name}explicitly denied: {reasons}; a Deny outweighs every Allow ({_COUNTED})"


_COUNTED = "all counted from 0"


class _Layer(NamedTuple):
    name: str
    what_it_is: str
    is_one_of_several: bool


_LAYERS = {
    "identity": _Layer("identity policy", "of the caller", True),
    "resource": _Layer("resource policy", "of what is asked for; of a role, its trust policy", False),
    "permissions_boundary": _Layer("permissions boundary", "the most the caller may ever do", False),
    "session": _Layer("session policy", "the most the caller's session may do", False),
    "service_control_policies": _Layer("SCP", "service control policy: the most the caller's account may do", True),
    "resource_control_policies": _Layer("RCP", "resource control policy: the most anybody may do in the resource's account", True),
}


def _silence(because: dict[str, Any]) -> str:
    layer = _LAYERS[because["policy"]]
    return f"no {layer.name}{_level(because)} allows it ({layer.what_it_is})"


def _statement(because: dict[str, Any]) -> str:
    layer = _LAYERS[because["policy"]]
    which = f" {because['index']}" if layer.is_one_of_several else ""
    sid = f' "{because["sid"]}"' if because["sid"] else ""
    verb = "denies" if because["effect"] == "Deny" else "allows"
    return f"statement {because['statement']}{sid} of {layer.name}{which}{_level(because)} {verb} it ({layer.what_it_is})"


def _level(because: dict[str, Any]) -> str:
    level = because["level"]
    if level is None:
        return ""
    return f" at level {level}, the organization's root," if level == 0 else f" at level {level} below the organization's root"


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
