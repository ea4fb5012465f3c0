"""The sweep's real state machine in simulated time: every account within the hour, whatever IAM does."""

from copy import deepcopy
from datetime import timedelta

import pytest

from doorward.events.hints import Hint
from doorward.events.model import Cause
from doorward.guard.starving import DETECTION
from tests.fakes import START
from tests.state_machine import ExecutionFailed, Machine, TaskFailed, TimedOut
from tests.swept_world import DEFINITION, SweptWorld


def test_every_role_of_every_account_is_seen_and_forty_accounts_at_a_time() -> None:
    world = SweptWorld(90, 7, page_size=3)
    machine, hints = world.sweep()
    assert {(each.account_id, each.role_name) for each in hints} == {
        (account_id, f"role-{number}") for account_id in world.account_ids for number in range(7)
    }
    assert machine.most_at_once == 40
    assert not machine.failed


def test_of_a_thousand_roles_the_one_that_changed_is_told_of() -> None:
    world = SweptWorld(50, 20)
    world.sweep()
    world.iam.trusted[world.account_ids[31], 13] = "arn:aws:iam::999988887777:root"
    machine, hints = world.sweep()
    assert changed(hints) == {(world.account_ids[31], "role-13", Cause.TRUST)}
    assert machine.seconds < 60
    assert changed(world.sweep()[1]) == set()


def changed(hints: list[Hint]) -> set[tuple[str, str | None, Cause]]:
    """But for those that have each role looked at once a day."""
    return {(each.account_id, each.role_name, each.cause) for each in hints if each.cause is not Cause.FACTS}


def test_no_account_is_asked_more_than_three_times_in_a_second_over_many_slices() -> None:
    world = SweptWorld(2, 900, page_size=3)
    world.sweep()
    assert world.slices > 2 * 4
    assert world.iam.most_in_a_second() <= 3


def test_an_account_whose_rate_is_used_up_is_left_alone_and_swept_later() -> None:
    world = SweptWorld(3, 10, page_size=2)
    busy = world.account_ids[1]
    world.iam.busy_until[busy] = START + timedelta(seconds=200)
    machine, hints = world.sweep()
    assert len(hints) == 30
    assert world.ledger.outbox == {}
    # One call a minute while it is busy, five when it is not.
    assert len(world.iam.called[busy]) == 4 + 5
    assert 200 < machine.seconds < 300


def test_an_account_that_is_busy_for_hours_ends_with_its_sweep_and_is_swept_by_the_next() -> None:
    world = SweptWorld(3, 10)
    world.iam.busy_until[world.account_ids[1]] = START + timedelta(minutes=90)
    with pytest.raises(TimedOut):
        world.sweep()
    (told,) = world.ledger.outbox.values()
    assert told.detail_type == "GuardProblemFound"
    assert (told.detail["detection"], told.detail["account"]["id"]) == (DETECTION, world.account_ids[1])
    assert "30 minutes" in told.detail["because"]
    world.clock.time = START + timedelta(hours=1)
    _, hints = world.sweep()
    assert {account_id for account_id, _, _ in changed(hints)} == {world.account_ids[1]}


def test_an_account_that_lets_nobody_in_is_told_of_once_a_day_and_keeps_no_other_waiting() -> None:
    world = SweptWorld(45, 5)
    world.iam.closed = set(world.account_ids[:42])
    machine, hints = world.sweep()
    assert {each.account_id for each in hints} == set(world.account_ids[42:])
    assert machine.seconds < 30
    assert {each.detail["account"]["id"] for each in world.ledger.outbox.values()} == world.iam.closed
    assert all(len(world.iam.called[each]) == 1 for each in world.iam.closed)
    world.sweep()
    assert len(world.ledger.outbox) == 42
    world.clock.time += timedelta(days=1)
    world.sweep()
    assert len(world.ledger.outbox) == 84


def test_those_asked_for_are_swept_and_no_others() -> None:
    world = SweptWorld(5, 3)
    asked = world.account_ids[3]
    _, hints = world.sweep({"accounts": [asked], "because": "It went silent."})
    assert {each.account_id for each in hints} == {asked}


def test_what_a_task_raises_is_tried_again_and_one_account_s_failure_is_no_other_s() -> None:
    tries: list[float] = []

    def plan(_: object, __: float) -> tuple[object, float]:
        return {"sweep": "s1", "asked": "now", "accounts": ["1", "2"]}, 1.0

    def sweep(asked: dict[str, str], second: float) -> tuple[object, float]:
        if asked["account_id"] == "1":
            tries.append(second)
            raise TaskFailed("Unavailable", 2.0)
        return {"done": True}, 5.0

    machine = Machine(DEFINITION, {"${PlanSweepFunctionArn}": plan, "${SweepAccountFunctionArn}": sweep})
    machine.run({})
    assert tries == [1.0, 33.0, 95.0, 217.0]
    assert machine.failed == [{"account_id": "1", "sweep": "s1", "asked": "now"}]
    intolerant = deepcopy(DEFINITION)
    intolerant["States"]["Accounts"]["ToleratedFailurePercentage"] = 49
    with pytest.raises(ExecutionFailed):
        Machine(intolerant, machine.tasks).run({})


def test_a_slice_that_takes_too_long_is_a_failure() -> None:
    def plan(_: object, __: float) -> tuple[object, float]:
        return {"sweep": "s1", "asked": "now", "accounts": ["1"]}, 1.0

    machine = Machine(DEFINITION, {"${PlanSweepFunctionArn}": plan, "${SweepAccountFunctionArn}": lambda *_: ({"done": True}, 121.0)})
    machine.run({})
    assert len(machine.failed) == 1


def test_what_the_simulation_does_not_know_it_refuses() -> None:
    other = deepcopy(DEFINITION)
    other["States"]["Plan"]["HeartbeatSeconds"] = 5
    with pytest.raises(AssertionError, match="HeartbeatSeconds"):
        Machine(other, {}).run({})
