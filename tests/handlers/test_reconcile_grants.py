"""The reconciler's function: what it says, and when it fails so that somebody hears of it."""

import json
from datetime import timedelta
from typing import Any

import pytest

from doorward import bootstrap
from doorward.errors import MalformedInput, Misconfigured, Unavailable
from doorward.grants.grant import State
from doorward.usecases.reconcile_grants import LATE, Tools
from tests.grants_world import ORDERS, hours
from tests.handlers.test_handlers import load
from tests.reconciled_world import Reconciled
from tests.template.conftest import parsed


class Context:
    def __init__(self, seconds: int = 270) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return self._seconds * 1000


@pytest.fixture
def reconciled(monkeypatch: pytest.MonkeyPatch) -> Reconciled:
    reconciled = Reconciled()

    def tools(within: timedelta) -> Tools:
        reconciled.until = reconciled.world.clock.now() + within
        return reconciled.tools

    monkeypatch.setattr(bootstrap, "reconcile_tools", tools)
    return reconciled


def turn(event: dict[str, Any], seconds: int = 270) -> dict[str, Any]:
    return dict(load("reconcile_grants").handler(event, Context(seconds)))


def test_a_schedules_turn_does_it_and_a_dry_run_only_says_so(reconciled: Reconciled) -> None:
    grant = reconciled.world.opened()
    reconciled.world.pass_time(hours(1) + LATE)
    said = turn({"dry_run": True})
    assert (said["dry_run"], [each["what"] for each in said["acts"]]) == (True, ["advance", "wake"])
    assert reconciled.world.now(grant).state is State.ACTIVE
    done = turn({"source": "aws.events", "detail-type": "Scheduled Event"})
    assert (done["dry_run"], done["looked_at"], [each["grant_id"] for each in done["acts"]]) == (False, 1, [grant.id] * 2)
    assert reconciled.world.now(grant).state is State.CLOSED


def test_each_turn_is_counted_and_a_dry_run_or_one_that_came_to_no_end_is_none(
    reconciled: Reconciled, capsys: pytest.CaptureFixture[str]
) -> None:
    """By that count, as the template has it, an alarm knows whether anybody looks after grants."""
    alarm = parsed("template.yaml")["Resources"]["ReconcilingStoppedAlarm"]["Properties"]

    def beats() -> list[float]:
        lines = [json.loads(each) for each in capsys.readouterr().out.splitlines() if each.startswith('{"_aws"')]
        measured = [each for each in lines if alarm["MetricName"] in each]
        for each in measured:
            (described,) = each["_aws"]["CloudWatchMetrics"]
            (dimensions,) = described["Dimensions"]
            assert (described["Namespace"], {name: each[name] for name in dimensions}) == (
                alarm["Namespace"],
                {one["Name"]: one["Value"] for one in alarm["Dimensions"]},
            )
        return [count for each in measured for count in each[alarm["MetricName"]]]

    turn({"dry_run": True})
    assert beats() == []
    turn({})
    assert beats() == [1]
    reconciled.world.grants.standing = _fails  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        turn({})
    assert beats() == []


def _fails() -> Any:
    raise Unavailable("no")


@pytest.mark.parametrize("dry_run", ["true", 1, None, {}])
def test_what_is_neither_is_refused_and_nothing_done(reconciled: Reconciled, dry_run: object) -> None:
    """Somebody who meant a dry run must not have it done."""
    grant = reconciled.world.opened()
    reconciled.world.pass_time(hours(1) + LATE)
    with pytest.raises(MalformedInput):
        turn({"dry_run": dry_run})
    assert reconciled.world.now(grant).state is State.ACTIVE


def test_a_grant_that_is_left_as_it_is_fails_the_turn_and_an_account_that_cannot_be_read_does_not(reconciled: Reconciled) -> None:
    reconciled.world.opened()
    reconciled.accounts.unreadable = {ORDERS.account_id: Misconfigured("no")}
    assert turn({})["unreadable"] == {ORDERS.account_id: "no"}
    reconciled.world.pass_time(hours(1) + LATE)
    reconciled.world.grants.fail_next = [Unavailable("no")]
    with pytest.raises(Unavailable, match="1 grants were left"):
        turn({})
    with pytest.raises(Unavailable, match="1 grants were left"):
        turn({}, seconds=0)
