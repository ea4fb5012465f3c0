"""Whatever the threat model says is stopped is shown by a test that exists, and what is not says so."""

import ast
import re
from functools import cache

import pytest

from local.build import ROOT

PAGE = (ROOT / "docs/threat-model.md").read_text("utf-8")
SHOWN = re.compile(r"\[test\]\(\.\./(tests/[\w/]+\.py) \"(test_\w+)\"\)")
_LEAST_ROWS = {"Whoever uses the reaction itself as a weapon": 18, "Whoever wants a door opened for himself": 18}


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef))


def test_every_test_that_is_named_exists() -> None:
    named = SHOWN.findall(PAGE)
    assert [(path, name) for path, name in named if not (ROOT / path).exists() or name not in names_in(path)] == []
    assert len(named) == PAGE.count("[test](../tests") - len(re.findall(r"\[test\]\(\.\./tests/[\w/.]+\)", PAGE))


@pytest.mark.parametrize(("who", "least"), _LEAST_ROWS.items())
def test_every_attack_is_shown_to_be_stopped_or_is_said_to_be_open(who: str, least: int) -> None:
    section = PAGE.partition(f"### {who}\n")[2].partition("\n### ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| **")]
    assert len(rows) >= least
    for attack, _, shown, left in rows:
        assert SHOWN.search(shown) or "open" in left, attack
