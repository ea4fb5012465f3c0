"""`doorward suspensions` ends what the hub reads, and only what it showed."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from doorward.aws.suspensions import SUSPENDED, DynamoSuspensions
from doorward.people.model import BY_SLACK, Suspension
from doorward_cli import main, suspending
from tests.contract.tables import ledger_of_the_hub
from tests.fakes import START

HUB = "111122223333"


@pytest.fixture
def table() -> Iterator[Any]:
    with ledger_of_the_hub() as client:
        yield client


def suspension(scope: str, event_id: str = "e-1") -> Suspension:
    return Suspension(scope, f"2026-11-24T09:00:00+00:00 {event_id}", "mallory", "mallory did \x1b[31mit.", START)


def test_what_stands_is_listed_and_ended_by_a_name_and_the_rest_stands_on(table: Any, capsys: pytest.CaptureFixture[str]) -> None:
    store = DynamoSuspensions(table, "ledger")
    assert main.main(["suspensions", "list"]) == 0
    for scope in (BY_SLACK, HUB):
        store.suspend(suspension(scope))
    assert main.main(["suspensions", "list"]) == 1
    shown = capsys.readouterr().out
    assert "decisions by Slack, since" in shown
    assert f"identity from account {HUB}, since" in shown
    assert "\x1b[31mit" not in shown
    assert main.main(["suspensions", "end", BY_SLACK, "--yes"]) == 0
    assert (store.of(BY_SLACK), store.of(HUB)) == (None, suspension(HUB))
    ended = store.last(BY_SLACK)
    assert ended is not None
    assert ended.ended_by.startswith("arn:aws:")
    assert main.main(["suspensions", "end", BY_SLACK, "--yes"]) == 1
    assert main.main(["suspensions", "end", "222233334444", "--yes"]) == 1


def test_without_a_yes_it_stands(table: Any) -> None:
    store = DynamoSuspensions(table, "ledger")
    store.suspend(suspension(HUB))
    with patch("typer.confirm", lambda *_, **__: False):
        assert main.main(["suspensions", "end", HUB]) == 1
    assert store.of(HUB) is not None


def test_one_that_came_meanwhile_is_not_ended_unseen(table: Any, capsys: pytest.CaptureFixture[str]) -> None:
    store = DynamoSuspensions(table, "ledger")
    store.suspend(suspension(HUB))

    def look_and_say_yes(*_: Any, **__: Any) -> bool:
        store.suspend(suspension(HUB, "e-2"))
        return True

    with patch("typer.confirm", look_and_say_yes):
        assert main.main(["suspensions", "end", HUB]) == 3
    assert store.of(HUB) is not None
    assert "suspended anew meanwhile" in capsys.readouterr().err


def test_one_that_was_written_by_hand_and_cannot_be_read_can_be_ended(table: Any) -> None:
    table.put_item(TableName="ledger", Item={"pk": {"S": SUSPENDED}, "sk": {"S": HUB}})
    assert main.main(["suspensions", "list"]) == 1
    assert main.main(["suspensions", "end", HUB, "--yes"]) == 0
    assert suspending.standing("doorward") == ()
    assert DynamoSuspensions(table, "ledger").of(HUB) is None
