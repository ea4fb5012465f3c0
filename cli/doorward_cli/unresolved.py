"""What can be said of a trust policy of which parts are not known.

The judge gets a policy that allows no more than the real one would, whatever the unknown parts turn out to be: unknown principals of an
Allow are left out, an Allow with anything else unknown admits nobody, a Deny denies whatever it might deny. So each request that the
judge finds is allowed by the real policy, too. That it finds none proves nothing: such a policy is never called compliant.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from doorward.findings.model import Judgement, StatementRef, Undecided, Verdict
from doorward.guardrails.written import shortened
from doorward_cli.templates import Unknown

# The part of the catalogue that an unknown caller falls under: whether anybody at all comes in is what is not known.
_RULE = "world-assumable"
# A principal that was deleted: it keeps a statement's place and admits nobody.
_NOBODY = {"Effect": "Allow", "Principal": {"AWS": "AROADOORWARDUNKNOWN00"}, "Action": "sts:AssumeRole"}
_DENY_ALL = {"Effect": "Deny", "Principal": "*", "Action": "sts:*"}


class Unresolved(NamedTuple):
    """One construct whose value is not known, and the statement that it stands in."""

    statement: StatementRef
    construct: str


class Bound(NamedTuple):
    """`document` allows no more than the real policy; `stand_ins` are positions of statements that are not the real ones."""

    document: Any
    unresolved: tuple[Unresolved, ...]
    stand_ins: frozenset[int]


def bound(document: Any) -> Bound:
    """`document` as JSON data with `Unknown` in it. What hangs on nothing but a Sid or an Id is known."""
    if isinstance(document, Unknown):
        return Bound(None, (Unresolved(StatementRef(0, None), document.construct),), frozenset())
    if not isinstance(document, dict):
        return Bound(document, (), frozenset())
    for name in ("Version", "Statement"):  # what variables mean hangs on the version
        if isinstance(document.get(name), Unknown):
            return Bound(None, (Unresolved(StatementRef(0, None), document[name].construct),), frozenset())
    document = {name: inner for name, inner in document.items() if name != "Id" or not any(_constructs(inner))}
    if "Statement" not in document:
        return Bound(document, (), frozenset())
    statements = document["Statement"]
    known: list[Any] = []
    unresolved: list[Unresolved] = []
    stand_ins: set[int] = set()
    for index, statement in enumerate(statements if isinstance(statements, list) else [statements]):
        constructs = list(dict.fromkeys(_constructs(statement, but="Sid")))
        sid = statement.get("Sid") if isinstance(statement, dict) else None
        unresolved += [Unresolved(StatementRef(index, sid if isinstance(sid, str) else None), each) for each in constructs]
        bounded = _bounded(statement) if constructs else statement
        if constructs and not _is_narrowed(bounded, statement):
            stand_ins.add(index)
        if isinstance(bounded, dict) and any(_constructs(bounded.get("Sid"))):
            bounded = {name: inner for name, inner in bounded.items() if name != "Sid"}
        known.append(bounded)
    whole = {**document, "Statement": known if isinstance(statements, list) else known[0]}
    return Bound(whole, tuple(unresolved), frozenset(stand_ins))


def with_unresolved(judgement: Judgement, unresolved: tuple[Unresolved, ...], stand_ins: frozenset[int], why: str) -> Judgement:
    """A judgement on a bound, as one on the real policy: what stands in is not spoken of, and compliant it is not.

    `why` completes "who may come in depends on X, …".
    """
    if not unresolved or judgement.verdict is Verdict.INVALID:
        return judgement
    findings = tuple(each for each in judgement.findings if each.statement.index not in stand_ins)
    undecidable = (
        *(each for each in judgement.undecidable if each.statement.index not in stand_ins),
        *(
            Undecided(
                _RULE, each.statement, each.construct, f"{_named(each.statement)}: who may come in depends on {each.construct}, {why}."
            )
            for each in unresolved
        ),
    )
    counts = any(each.counts for each in findings)
    return Judgement(Verdict.VIOLATING if counts else Verdict.UNDECIDABLE, findings, undecidable)


def _named(statement: StatementRef) -> str:
    return f"Statement {statement.index}" + ("" if statement.sid is None else f' ("{shortened(statement.sid)}")')


def _constructs(value: Any, *, but: str | None = None) -> Iterator[str]:
    if isinstance(value, Unknown):
        yield value.construct
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name != but:
                yield from _constructs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _constructs(inner)


def _is_narrowed(bounded: Any, statement: Any) -> bool:
    """Whether it is the real statement with fewer principals, so that what is found in it holds for that."""
    return isinstance(bounded, dict) and isinstance(statement, dict) and bounded.get("Effect") == "Allow" and bounded is not _NOBODY


def _bounded(statement: Any) -> Any:
    effect = statement.get("Effect") if isinstance(statement, dict) else None
    if effect == "Allow":
        return _narrowed(statement)
    return _widened(statement) if effect == "Deny" else _DENY_ALL


def _narrowed(statement: dict[str, Any]) -> dict[str, Any]:
    elsewhere = [name for name, inner in statement.items() if name not in {"Sid", "Principal"} and any(_constructs(inner))]
    principals = statement.get("Principal")
    if elsewhere or not isinstance(principals, dict):
        return _NOBODY
    kept = {kind: _known(values) for kind, values in principals.items()}
    kept = {kind: values for kind, values in kept.items() if values not in (None, [])}
    return {**statement, "Principal": kept} if kept else _NOBODY


def _known(values: Any) -> Any:
    if isinstance(values, list):
        return [each for each in values if not any(_constructs(each))]
    return None if any(_constructs(values)) else values


def _widened(statement: dict[str, Any]) -> dict[str, Any]:
    """A Deny of all that this one might deny."""
    wide = dict(statement)
    if any(_constructs([wide.get("Principal"), wide.get("NotPrincipal")])):
        wide.pop("NotPrincipal", None)
        wide["Principal"] = "*"
    if any(_constructs([wide.get("Action"), wide.get("NotAction")])):
        wide.pop("NotAction", None)
        wide["Action"] = "sts:*"
    condition = wide.get("Condition")
    if any(_constructs(condition)):
        wide["Condition"] = {
            operator: {key: values for key, values in keys.items() if not any(_constructs(values))}
            for operator, keys in (condition.items() if isinstance(condition, dict) else ())
            if isinstance(keys, dict)
        }
    return {name: inner for name, inner in wide.items() if name == "Sid" or not any(_constructs(inner))}
