"""`doorward kill-switch` writes what the reaction reads, and shows what it wrote."""

from collections.abc import Iterator
from typing import Any

import pytest

from doorward.aws.brakes import DynamoBrakes
from doorward_cli import main
from tests.contract.tables import ledger_of_the_hub
from tests.fakes import START, FakeClock

REF = "777788889999/payments"


@pytest.fixture
def table() -> Iterator[Any]:
    with ledger_of_the_hub() as client:
        yield client


def scopes(table: Any, rules: tuple[str, ...] = ()) -> set[str]:
    return {each.scope for each in DynamoBrakes(table, "ledger", FakeClock()).look(REF, rules, "b").stops}


@pytest.mark.parametrize(
    ("options", "scope"),
    [
        ([], "organization"),
        (["--account", "777788889999"], "account 777788889999"),
        (["--rule", "external-account"], "rule external-account"),
    ],
)
def test_what_is_turned_on_stops_the_reaction_until_it_is_turned_off(
    table: Any, options: list[str], scope: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["kill-switch", "list"]) == 0
    assert main.main(["kill-switch", "on", "--reason", "an incident", "--until", "2099-01-01T00:00:00Z", *options]) == 0
    assert scopes(table, ("external-account",)) == {scope}
    capsys.readouterr()
    assert main.main(["kill-switch", "list"]) == 1
    shown = capsys.readouterr().out
    assert f"{scope}, until 2099-01-01T00:00:00+00:00" in shown
    assert "an incident" in shown
    (kept,) = DynamoBrakes(table, "ledger", FakeClock()).look(REF, ("external-account",), "b").stops
    assert kept.counts(START)
    assert main.main(["kill-switch", "off", *options]) == 0
    assert scopes(table, ("external-account",)) == set()
    assert main.main(["kill-switch", "off", *options]) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--account", "1"], "--account 1: must be 12 digits"),
        (["--rule", "no-such-rule"], "there is no such rule"),
        (["--account", "777788889999", "--rule", "external-account"], "one of them"),
        (["--until", "tomorrow"], "must be a time"),
        (["--until", "2099-01-01T00:00:00"], "needs a time zone"),
        (["--until", "2001-01-01T00:00:00Z"], "is over already"),
    ],
)
def test_what_makes_no_sense_is_refused(table: Any, options: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["kill-switch", "on", "--reason", "x", *options]) == 2
    assert says in capsys.readouterr().err
    assert scopes(table) == set()
