"""A remedy as an edit at its place: which lines of the template, or which block of the Terraform source, to replace by what.

In a template only the statements that change are replaced, and what they keep keeps its intrinsic functions. A plan does not hold the
source that it was made from: there the hint names the block, and gives the statement as JSON.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from doorward.errors import MalformedInput
from doorward.findings.model import Finding, Remedy
from doorward.iam.documents import Document, Statement, load_json, parse_document, render_document
from doorward_cli.inputs import Subject, TemplateOrigin, TerraformOrigin
from doorward_cli.located import Located, find
from doorward_cli.templates import OWN_ACCOUNT

_DROPPED = 1.5
_CHANGED = 1.0
_NEVER = float("inf")
_INDENT = 2
_ANCHOR = re.compile(r"(?<![^\s\[{,:])&([^\s,\[\]{}]+)")
_SHORT_FORM = re.compile(r"[\s\[,]!(?:Ref|Sub|GetAtt|Join|If|ImportValue|FindInMap|Select|Split)\b")


class PatchHint(NamedTuple):
    """At `line` and `column` of `file` stands `replace`; `by` goes in its place, "" where it only goes away. None: not known.

    `place` names what is edited: `Resources.Deploy.Properties.AssumeRolePolicyDocument.Statement[1]`. In a template `replace` is its exact
    text; for Terraform it is the statement as JSON.
    """

    file: str
    line: int | None
    column: int | None
    place: str
    replace: str
    by: str


def patch_hints(subject: Subject, remedy: Remedy) -> tuple[PatchHint, ...]:
    """In the order of the file. Empty where the input is no source that a person edits."""
    if isinstance(subject.origin, TemplateOrigin):
        return tuple(_template_hints(subject, subject.origin, remedy))
    if isinstance(subject.origin, TerraformOrigin):
        return tuple(_terraform_hints(subject, subject.origin, remedy))
    return ()


def real_remedy(subject: Subject, closing: Iterable[Finding], remedy: Remedy) -> Remedy | None:
    """A remedy of what was judged as one of the real policy, of which parts may be unknown: those stand in it with their functions.

    None where it would have to edit a statement that is not known whole, or closes a finding of one. Not proved, then: what is unknown
    stays undecided.
    """
    if not subject.unresolved or remedy.kind == "quarantine":
        return remedy
    unknown = {each.statement.index for each in subject.unresolved}
    raw = (
        subject.origin.raw.get("Statement") if isinstance(subject.origin, TemplateOrigin) and isinstance(subject.origin.raw, dict) else None
    )
    old, new = parse_document(subject.trust_policy), parse_document(dict(remedy.trust_policy))
    pairs = _pairs(old, new)
    if pairs is None or not isinstance(raw, list) or len(raw) != len(old.statements):
        return None
    if unknown & {each.statement.index for each in closing}:
        return None
    rendered = list(render_document(new)["Statement"])
    for position, became in pairs:
        if position not in unknown:
            continue
        if became is None or _cost(old.statements[position], new.statements[became]):
            return None
        rendered[became] = raw[position]
    return remedy._replace(trust_policy={**remedy.trust_policy, "Statement": rendered}, proved=False)


# Which statement became which

type _Pairs = list[tuple[int, int | None]]


def _pairs(old: Document, new: Document) -> _Pairs | None:
    """Each old statement's position with that of what became of it, None where it went. None where statements were added or moved."""
    rows, columns = len(old.statements), len(new.statements)
    best: list[list[float]] = [[_NEVER] * (columns + 1) for _ in range(rows + 1)]
    best[0][0] = 0.0
    for row in range(rows):
        for column in range(columns + 1):
            best[row + 1][column] = min(best[row + 1][column], best[row][column] + _DROPPED)
            if column < columns:
                cost = _cost(old.statements[row], new.statements[column])
                best[row + 1][column + 1] = min(best[row + 1][column + 1], best[row][column] + cost)
    if best[rows][columns] == _NEVER:
        return None
    found: _Pairs = []
    column = columns
    for row in range(rows, 0, -1):
        if column and best[row][column] == best[row - 1][column - 1] + _cost(old.statements[row - 1], new.statements[column - 1]):
            column -= 1
            found.append((row - 1, column))
        else:
            found.append((row - 1, None))
    return found[::-1]


def _cost(old: Statement, new: Statement) -> float:
    if old._replace(position=0) == new._replace(position=0):
        return 0.0
    return _CHANGED if (old.sid, old.effect) == (new.sid, new.effect) else _NEVER


# Templates


def _template_hints(subject: Subject, origin: TemplateOrigin, remedy: Remedy) -> Iterator[PatchHint]:
    text = origin.document.text
    edits = _edits(origin, remedy)
    if any(_is_named_elsewhere(text.text, start, end) for start, end, _, _ in edits):
        return
    for start, end, place, by in edits:
        if place == origin.path and subject.unresolved and remedy.kind != "quarantine":
            return  # what stands in for unknown statements must not be written
        yield PatchHint(subject.file or subject.source, *text.position(start), place, text.text[start:end], by)


def _is_named_elsewhere(text: str, start: int, end: int) -> bool:
    """Whether an anchor would go that something else in the file is written by: without it, that would be gone, too."""
    return any(f"*{each}" in text[:start] or f"*{each}" in text[end:] for each in _ANCHOR.findall(text, start, end))


type _Edit = tuple[int, int, str, str]


def _edits(origin: TemplateOrigin, remedy: Remedy) -> list[_Edit]:
    whole = origin.document
    spellings = dict(_spellings(origin.raw, origin.resolved))
    statements = find(whole, "Statement")
    listed = list(statements.elements()) if statements is not None else []
    raw = origin.raw.get("Statement") if isinstance(origin.raw, dict) else None
    try:
        old, new = parse_document(origin.resolved), parse_document(dict(remedy.trust_policy))
    except MalformedInput:
        return []
    pairs = _pairs(old, new)
    if (
        pairs is None
        or old[:2] != new[:2]
        or not isinstance(raw, list)
        or not len(raw) == len(listed) == len(old.statements)
        or all(became is None for _, became in pairs)
        or not _stand_in_order(whole, listed)
    ):
        return [(whole.start, whole.end, origin.path, _written(_respelled(dict(remedy.trust_policy), spellings), whole))]
    rendered = render_document(new)["Statement"]
    edits: list[_Edit] = []
    gone = [position for position, became in pairs if became is None]
    for position, became in pairs:
        place = f"{origin.path}.Statement[{position}]"
        if became is None:
            if statements is not None:
                start, end = _removal(listed, position, gone, statements)
                edits.append((start, end, place, ""))
        elif old.statements[position]._replace(position=0) != new.statements[became]._replace(position=0):
            if not isinstance(raw[position], dict) or any(name.startswith("Fn::") for name in raw[position]):
                return []  # one branch of a condition: no edit here is right for both
            removed = _removed_values(listed[position], origin.resolved["Statement"][position], new.statements[became])
            if removed is not None:
                edits += [(start, end, f"{place}.{inside}", "") for start, end, inside in removed]
                continue
            merged = _merged(raw[position], origin.resolved["Statement"][position], rendered[became], spellings)
            edits.append((listed[position].start, listed[position].end, place, _written(merged, listed[position])))
    return edits


def _removed_values(at: Located, resolved: dict[str, Any], new: Statement) -> list[tuple[int, int, str]] | None:
    """Which values of which lists to take out, where that is all that has to be done; None where it is not."""
    kept_of: dict[tuple[str, ...], list[str]] = {}
    for kind, value in new.principals or ():
        kept_of.setdefault(("Principal", kind), []).append(value)
    for each in new.conditions:
        kept_of[("Condition", each.operator, each.key)] = list(each.values)
    reduced: dict[str, Any] = json.loads(json.dumps(resolved))
    found: list[tuple[int, int, str]] = []
    for path, kept in kept_of.items():
        parent: Any = reduced
        for step in path[:-1]:
            parent = parent.get(step) if isinstance(parent, dict) else None
        values = parent.get(path[-1]) if isinstance(parent, dict) else None
        array = find(at, *path)
        if not isinstance(values, list) or array is None:
            continue
        gone = [index for index, each in enumerate(values) if str(each) not in kept]
        elements = list(array.elements())
        if gone and len(elements) == len(values) > len(gone):
            found += [(*_removal(elements, index, gone, array), f"{'.'.join(path)}[{index}]") for index in gone]
            parent[path[-1]] = [each for index, each in enumerate(values) if index not in gone]
    [left] = parse_document({"Statement": reduced}).statements
    return found if found and left == new._replace(position=0) else None


def _stand_in_order(whole: Located, statements: list[Located]) -> bool:
    """Not where an anchor brings statements in from elsewhere: an edit there would change other roles, too."""
    bounds = [whole.start, *(offset for each in statements for offset in (each.start, each.end)), whole.end]
    return bounds == sorted(bounds)


def _removal(listed: list[Located], position: int, gone: list[int], statements: Located) -> tuple[int, int]:
    text, element = statements.text.text, listed[position]
    if statements.is_block:
        start = text.rfind("\n", 0, text.rfind("-", 0, element.start)) + 1
        end = text.find("\n", element.end)
        return start, len(text) if end < 0 else end + 1
    following = next((each for each in range(position + 1, len(listed)) if each not in gone), None)
    if following is not None:  # up to the next element, its comma and space included
        return element.start, listed[position + 1].start
    # Of several at the end, each takes what stands between it and the one before.
    return listed[position - 1].end if position else element.start, element.end


def _merged(raw: Any, resolved: Any, new: dict[str, Any], spellings: Mapping[str, Any]) -> dict[str, Any]:
    """The statement as it was written, with only those elements replaced that changed."""
    kept = {name: inner for name, inner in raw.items() if name in new and _same_element(name, resolved.get(name), new[name])}
    order = [*(name for name in raw if name in new), *(name for name in new if name not in raw)]
    return {name: kept[name] if name in kept else _respelled(new[name], spellings) for name in order}


def _same_element(name: str, old: Any, new: Any) -> bool:
    def document(inner: Any) -> Document:
        return parse_document({"Statement": {"Effect": "Allow", name: inner}})

    if name in {"Sid", "Effect"}:
        return bool(old == new)
    try:
        return document(old) == document(new)
    except MalformedInput:
        return False


def _spellings(raw: Any, resolved: Any) -> Iterator[tuple[str, Any]]:
    """Texts that a function gave, with the function; and those that only look as if they named the account."""
    if isinstance(resolved, str) and (isinstance(raw, dict) or (raw == resolved and OWN_ACCOUNT in resolved)):
        yield resolved, raw
    elif isinstance(raw, dict) and isinstance(resolved, dict):
        for name in raw:
            if name in resolved:
                yield from _spellings(raw[name], resolved[name])
    elif isinstance(raw, list) and isinstance(resolved, list) and len(raw) == len(resolved):
        for one, other in zip(raw, resolved, strict=True):
            yield from _spellings(one, other)


def _respelled(value: Any, spellings: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {name: _respelled(inner, spellings) for name, inner in value.items()}
    if isinstance(value, list):
        return [_respelled(each, spellings) for each in value]
    if not isinstance(value, str) or value in spellings:
        return spellings.get(value, value)
    if OWN_ACCOUNT in value:
        return {"Fn::Sub": value.replace("${", "${!").replace(OWN_ACCOUNT, "${AWS::AccountId}")}
    return value


def _written(value: Any, at: Located) -> str:
    """In the syntax and at the indentation of what stands there."""
    column = at.text.position(at.start).column - 1
    if at.is_block:
        return _yaml(value, short=_SHORT_FORM.search(at.text.text) is not None).replace("\n", "\n" + " " * column)
    source = at.text.text[at.start : at.end]
    if "\n" not in source:
        return json.dumps(value)
    line = at.text.text[at.text.text.rfind("\n", 0, at.start) + 1 : at.start]
    margin = line[: len(line) - len(line.lstrip())]
    step = re.search(r"\n([ \t]+)", source)
    deeper = step[1].removeprefix(margin) if step is not None else " " * _INDENT
    return json.dumps(value, indent=deeper or _INDENT).replace("\n", "\n" + margin)


def _yaml(value: Any, *, short: bool) -> str:
    """Block style. `short`: functions as `!Sub x`, as in the rest of the file."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def represent_function(self, data: dict[str, Any]) -> Any:
            [(name, argument)] = data.items() if len(data) == 1 else [("", None)]
            if not short or not (name == "Ref" or name.startswith("Fn::")) or not isinstance(argument, str | list):
                return self.represent_dict(data.items())
            if name == "Fn::GetAtt" and isinstance(argument, list) and all(isinstance(each, str) for each in argument):
                argument = ".".join(argument)
            node = self.represent_data(argument)
            node.tag = f"!{name.removeprefix('Fn::')}"
            if isinstance(node, yaml.SequenceNode):
                node.flow_style = True
            return node

        def ignore_aliases(self, _: Any) -> bool:
            return True

    Dumper.add_representer(dict, Dumper.represent_function)
    shown: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, default_flow_style=False, width=1_000_000, indent=_INDENT)
    return shown.rstrip("\n")


# Terraform


def _terraform_hints(subject: Subject, origin: TerraformOrigin, remedy: Remedy) -> Iterator[PatchHint]:
    place = f"{origin.address}: {origin.attribute}" + (f", from {origin.written_by}" if origin.written_by is not None else "")
    file = subject.file or subject.source
    line, column = subject.at.start if subject.at is not None else (None, None)
    try:
        old, new = parse_document(subject.trust_policy), parse_document(dict(remedy.trust_policy))
    except MalformedInput:
        return
    before = load_json(subject.trust_policy)
    pairs = _pairs(old, new)
    if pairs is None or old[:2] != new[:2] or all(became is None for _, became in pairs):
        yield PatchHint(file, line, column, place, _pretty(before), _pretty(dict(remedy.trust_policy)))
        return
    given = before["Statement"] if isinstance(before["Statement"], list) else [before["Statement"]]
    rendered = render_document(new)["Statement"]
    for position, became in pairs:
        if became is None:
            yield PatchHint(file, line, column, f"{place}, statement {position}", _pretty(given[position]), "")
        elif old.statements[position]._replace(position=0) != new.statements[became]._replace(position=0):
            merged = _merged(given[position], given[position], rendered[became], {})
            yield PatchHint(file, line, column, f"{place}, statement {position}", _pretty(given[position]), _pretty(merged))


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2)
