"""Is what one glob matches within what others match, or do two meet? Eleven typical cases, by the search's sets and by cvc5."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import cvc5
from cvc5 import Kind

from bench.runner import Extent, Row, alternate, forget, settle
from doorward.iam.search import glob
from doorward.iam.sets import ANY, Budget, Grammar, Many, Pattern, find_text

_ANY_TEXT: Final = Grammar(Many(ANY))
_ACCOUNTS: Final = tuple(f"arn:aws:iam::{number:012d}:*" for number in range(111122223333, 111122223353))
_REPEATS: Final = 200


class Case(NamedTuple):
    """Whether there is a text that all of `wanted` match and none of `unwanted`."""

    name: str
    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]
    exists: bool


CASES: Final = (
    Case("roles of a prefix within their account", ("arn:aws:iam::111122223333:role/deploy-*",), ("arn:aws:iam::111122223333:*",), False),
    Case("a branch within the organization", ("repo:acme/app:ref:refs/heads/main",), ("repo:acme/*",), False),
    Case("all branches within the organization", ("repo:acme/app:*",), ("repo:acme/*",), False),
    Case("too broad for the organization", ("repo:acme*",), ("repo:acme/*",), True),
    Case(
        "a service account within four namespaces",
        ("system:serviceaccount:web:*",),
        tuple(f"system:serviceaccount:{each}:*" for each in ("billing", "edge", "search", "web")),
        False,
    ),
    Case("any account within twenty", ("arn:aws:iam::*:role/deploy-*",), _ACCOUNTS, True),
    Case("an ARN within twenty accounts", ("arn:aws:iam::111122223340:role/deploy",), _ACCOUNTS, False),
    Case("an infix meets a prefix", ("arn:aws:iam::*:role/deploy-*", "arn:aws:iam::1111*"), (), True),
    Case("prefixes apart", ("repo:acme/*", "repo:other/*"), (), False),
    Case("suffixes apart", ("*:environment:prod", "*:environment:dev"), (), False),
    Case("one character within three", ("v?",), ("va", "vb", "vc"), True),
)


def measure(extent: Extent) -> list[Row]:
    tm = cvc5.TermManager()
    contestants: dict[str, Callable[[], float]] = {}
    for case in CASES:
        contestants[f"ours, {case.name}"] = partial(_ours, case)
        contestants[f"cvc5, {case.name}"] = partial(_theirs, tm, case)
    seconds = alternate(extent.rounds, contestants)
    ratios = []
    for case in CASES:
        mine, its = (statistics.median(seconds[f"{who}, {case.name}"]) for who in ("ours", "cvc5"))
        ratios.append(its / mine)
        print(f"  {case.name:42}{mine * 1e6:10.1f} us, cvc5 {its * 1e6:8.0f} us: {its / mine:8,.0f} x")
    return [
        Row("glob containment, the median case: x cvc5", statistics.median(ratios), "x", 100),
        Row("glob containment, the hardest case: x cvc5", min(ratios), "x"),
    ]


def _ours(case: Case) -> float:
    """Seconds of one answer, its patterns compiled anew each time."""
    forget()
    settle()
    before = time.process_time()
    for _ in range(_REPEATS):
        wanted, unwanted = ([Pattern(glob(each)) for each in globs] for globs in (case.wanted, case.unwanted))
        found = find_text(_ANY_TEXT, wanted, unwanted, Budget(2_000_000))
    taken = time.process_time() - before
    if (found is not None) is not case.exists:
        raise SystemExit(f"bench: the search is wrong on {case}")
    return taken / _REPEATS


def _theirs(tm: cvc5.TermManager, case: Case) -> float:
    before = time.process_time()
    solver = cvc5.Solver(tm)
    solver.setOption("strings-exp", "true")
    solver.setLogic("QF_SLIA")
    text = tm.mkConst(tm.getStringSort(), "text")
    for globs, is_wanted in ((case.wanted, True), (case.unwanted, False)):
        for each in globs:
            fits = tm.mkTerm(Kind.STRING_IN_REGEXP, text, _expression(tm, each))
            solver.assertFormula(fits if is_wanted else tm.mkTerm(Kind.NOT, fits))
    exists = solver.checkSat().isSat()
    taken = time.process_time() - before
    if exists is not case.exists:
        raise SystemExit(f"bench: cvc5 differs on {case}")
    return taken


def _expression(tm: cvc5.TermManager, text: str) -> cvc5.Term:
    parts = [
        tm.mkTerm(Kind.REGEXP_ALL)
        if char == "*"
        else tm.mkTerm(Kind.REGEXP_ALLCHAR)
        if char == "?"
        else tm.mkTerm(Kind.STRING_TO_REGEXP, tm.mkString(char))
        for char in text
    ]
    return tm.mkTerm(Kind.REGEXP_CONCAT, *parts)
