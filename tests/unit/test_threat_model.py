"""Whatever the threat model says is stopped is shown by a test that exists, and what is not says so."""

import ast
import re
from functools import cache

from local.build import ROOT

PAGE = (ROOT / "docs/threat-model.md").read_text("utf-8")
SHOWN = re.compile(r"\[test\]\(\.\./(tests/[\w/]+\.py) \"(test_\w+)\"\)")
SECTION = PAGE[PAGE.index("### Whoever uses the reaction") : PAGE.index("### Whoever passes for somebody else")]
ROWS = [line.split(" | ") for line in SECTION.splitlines() if line.startswith("| **")]
_LEAST_ROWS = 18


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef))


def test_every_test_that_is_named_exists() -> None:
    named = SHOWN.findall(PAGE)
    assert [(path, name) for path, name in named if not (ROOT / path).exists() or name not in names_in(path)] == []
    assert len(named) == PAGE.count("[test](../tests") - len(re.findall(r"\[test\]\(\.\./tests/[\w/.]+\)", PAGE))


def test_every_attack_on_the_reaction_is_shown_to_be_stopped_or_is_said_to_be_open() -> None:
    assert len(ROWS) >= _LEAST_ROWS
    for attack, _, shown, left in ROWS:
        assert SHOWN.search(shown) or "open" in left, attack
