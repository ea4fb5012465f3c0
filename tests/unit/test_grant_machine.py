"""A grant's real state machine in simulated time: it waits, looks, and goes by what it saw, whatever fails, and holds nothing else."""

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.state_machine import NEVER, Machine, TaskFailed

DEFINITION: Final = json.loads((Path(__file__).parents[2] / "statemachines" / "grant.asl.json").read_text("utf-8"))
STATES: Final = DEFINITION["States"]
GRANT_ID: Final = "01JGRANT0000000000000000AA"
FINAL: Final = ("closed", "refused", "expired", "cancelled", "revoked")
MOST_EVENTS: Final = 25_000
"""Of one execution: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""

type Seen = tuple[str, int] | str
"""What advance_grant sees: a state, and the seconds to wait in it where they matter; `!` before the name of an error by which it fails."""


class Told:
    """Stands in for advance_grant and keep_token: answers what each step and each wait are told to, in turn, the last one for ever."""

    def __init__(self, **said: list[Any]) -> None:
        self.said = {name: self._for_ever(each) for name, each in said.items()}
        self.asked: dict[str, list[float]] = defaultdict(list)

    @staticmethod
    def _for_ever(each: list[Any]) -> Iterator[Any]:
        yield from each
        yield from repeat(each[-1])

    def run(self) -> Machine:
        machine = Machine(DEFINITION, {"${AdvanceGrantFunctionArn}": self._advance, "${KeepTokenFunctionArn}": self._wait})
        machine.run({"grant_id": GRANT_ID})
        return machine

    def _advance(self, given: Any, now: float) -> tuple[Any, float]:
        assert given["grant_id"] == GRANT_ID
        self.asked[given["step"]].append(now)
        seen: Seen = next(self.said[given["step"]])
        if isinstance(seen, str) and seen.startswith("!"):
            raise TaskFailed(seen[1:], 1.0)
        state, seconds = (seen, 1) if isinstance(seen, str) else seen
        return {"grant_id": GRANT_ID, "state": state, "wait_seconds": seconds}, 1.0

    def _wait(self, given: Any, now: float) -> tuple[Any, float]:
        self.asked[f"wait_{given['step']}"].append(now)
        answered = next(self.said[f"wait_{given['step']}"])
        if isinstance(answered, str):
            raise TaskFailed(answered[1:], 0.0)
        return {}, answered


APPROVED: Final[dict[str, list[Any]]] = {
    "check": [("pending", 100)],
    "wait_approve": [40],
    "decide": [("approved", 60)],
    "wait_start": [NEVER],
}
BROKEN: Final = ["!Unavailable"] * 9
LIVES: Final[dict[str, tuple[dict[str, list[Any]], list[str]]]] = {
    "as planned": (
        {**APPROVED, "begin": [("active", 3600)], "wait_end": [NEVER], "end": ["closed"]},
        ["Check", "Look", "Approve", "Decide", "Look", "WaitForStart", "Begin", "Look", "Active", "End", "Look", "Closed"],
    ),
    "automatic": (
        {
            "check": [("approved", 1)],
            "wait_start": ["!NothingToWaitFor"],
            "begin": [("active", 60)],
            "wait_end": [NEVER],
            "end": ["closed"],
        },
        ["Check", "Look", "WaitForStart", "Begin", "Look", "Active", "End", "Look", "Closed"],
    ),
    "refused at the check": ({"check": ["refused"]}, ["Check", "Look", "Closed"]),
    "reminded twice, then expired": (
        {"check": [("pending", 80)], "wait_approve": [NEVER], "decide": [("pending", 80), ("pending", 80), "expired"]},
        ["Check", "Look", *["Approve", "Decide", "Look"] * 3, "Closed"],
    ),
    "cancelled while it waits for its start": (
        {**APPROVED, "wait_start": [5], "begin": ["cancelled"]},
        ["Check", "Look", "Approve", "Decide", "Look", "WaitForStart", "Begin", "Look", "Closed"],
    ),
    "revoked while it is active": (
        {"check": [("active", 3600)], "wait_end": [7], "end": ["revoked"]},
        ["Check", "Look", "Active", "End", "Look", "Closed"],
    ),
    "found ending, and ended by the second look": (
        {"check": [("ending", 1)], "end": [("ending", 1), "closed"]},
        ["Check", "Look", "End", "Look", "End", "Look", "Closed"],
    ),
    "woken early": (
        {"check": [("active", 3600)], "wait_end": [7, NEVER], "end": [("active", 3593), "closed"]},
        ["Check", "Look", "Active", "End", "Look", "Active", "End", "Look", "Closed"],
    ),
    "the check fails": ({"check": [*BROKEN, "refused"]}, ["Check", "Pause", "Again", "Check", "Look", "Closed"]),
    "the decision fails": (
        {"check": [("pending", 80)], "wait_approve": [1], "decide": [*BROKEN, "refused"]},
        ["Check", "Look", "Approve", "Decide", "Pause", "Again", "Decide", "Look", "Closed"],
    ),
    "the beginning fails": (
        {"check": [("approved", 80)], "wait_start": [1], "begin": [*BROKEN, "expired"]},
        ["Check", "Look", "WaitForStart", "Begin", "Pause", "Again", "Begin", "Look", "Closed"],
    ),
    "the end fails": (
        {"check": [("active", 80)], "wait_end": [NEVER], "end": [*BROKEN, "closed"], "page": [("ending", 1)]},
        ["Check", "Look", "Active", "End", "Page", "Pause", "Again", "End", "Look", "Closed"],
    ),
    "the end fails, and so does the telling": (
        {"check": [("ending", 80)], "end": [*BROKEN, "closed"], "page": BROKEN},
        ["Check", "Look", "End", "Page", "Pause", "Again", "End", "Look", "Closed"],
    ),
    "it says what nobody knows": (
        {"check": ["requested", "thawed", "closed"]},
        ["Check", "Look", "Pause", "Again", "Check", "Look", "Pause", "Again", "Check", "Look", "Closed"],
    ),
}


@pytest.mark.parametrize("life", LIVES)
def test_what_it_sees_is_where_it_goes(life: str) -> None:
    said, passed = LIVES[life]
    assert Told(**said).run().passed == passed


def test_these_lives_take_every_way_that_there_is() -> None:
    taken = {way for _, passed in LIVES.values() for way in pairwise(passed)}
    assert taken == {(name, after) for name, state in STATES.items() for after in _after(state)}


def _after(state: Any) -> set[str]:
    choices = [*state.get("Choices", []), *state.get("Catch", []), state]
    return {each["Next"] for each in choices if "Next" in each} | ({state["Default"]} if "Default" in state else set())


@pytest.mark.parametrize("state", FINAL)
def test_what_is_for_good_ends_it(state: str) -> None:
    assert Told(check=[state]).run().passed == ["Check", "Look", "Closed"]


@pytest.mark.parametrize("life", LIVES)
def test_it_holds_an_id_a_state_and_seconds_and_nothing_else(life: str) -> None:
    """Beside what it hands on: the step, and the token that the task waits with."""
    known = {"grant_id": str, "state": str, "wait_seconds": int, "step": str, "token": str}
    for each in Told(**LIVES[life][0]).run().history:
        assert {name: type(value) for name, value in each.items()}.items() <= known.items()


def test_no_token_goes_anywhere_but_to_the_function_that_keeps_it() -> None:
    history = Told(**LIVES["as planned"][0]).run().history
    assert [each for each in history if "token" in json.dumps(each)] == [
        each for each in history if set(each) == {"grant_id", "step", "token"}
    ]
    assert len({each["token"] for each in history if "token" in each}) == 3


def test_it_waits_for_as_long_as_it_was_told_and_not_a_look_longer() -> None:
    told = Told(check=[("active", 3600)], wait_end=[NEVER], end=["closed"])
    machine = told.run()
    assert told.asked["end"] == [3601.0]
    assert machine.seconds == 3602.0


@pytest.mark.parametrize(
    ("wait", "step", "state"), [("approve", "decide", "pending"), ("start", "begin", "approved"), ("end", "end", "active")]
)
def test_a_token_that_cannot_be_kept_is_tried_again_and_then_it_looks(wait: str, step: str, state: str) -> None:
    said: dict[str, list[Any]] = {"check": [(state, 3600)], f"wait_{wait}": ["!Unavailable"], step: ["closed"]}
    told = Told(**said)
    told.run()
    assert len(told.asked[f"wait_{wait}"]) == 9
    assert 200 < told.asked[step][0] < 300


@pytest.mark.parametrize("error", ["States.Timeout", "NothingToWaitFor"])
def test_nothing_to_wait_for_is_no_failure_it_looks_at_once(error: str) -> None:
    told = Told(check=[("active", 3600)], wait_end=[f"!{error}"], end=["closed"])
    told.run()
    assert told.asked["end"] == [1.0]


@given(times=st.integers(0, 120))
def test_however_often_the_end_fails_it_ends_and_people_are_told(times: int) -> None:
    told = Told(check=[("ending", 1)], end=["!Unavailable"] * times + ["closed"] if times else ["closed"], page=[("ending", 1)])
    machine = told.run()
    assert machine.passed[-1] == "Closed"
    assert len(told.asked["page"]) == times // 9
    assert len(told.asked["end"]) == times + 1
    waits = [after - before for before, after in pairwise(told.asked["end"])]
    assert all(each <= 64 for each in waits)


def test_it_goes_on_ending_for_two_days_before_its_history_is_full() -> None:
    """Afterwards reconcile_grants ends it. Three events an attempt, two a state, as Step Functions counts them."""
    told = Told(check=[("ending", 1)], end=["!Unavailable"] * 4000 + ["closed"], page=[("ending", 1)])
    machine = told.run()
    events = 3 * sum(map(len, told.asked.values())) + 2 * len(machine.passed)
    assert machine.seconds / events * MOST_EVENTS > 2 * 24 * 3600


def test_every_task_has_an_end_and_somebody_who_tries_again_and_catches_whatever_it_is() -> None:
    for state in STATES.values():
        if state["Type"] == "Task":
            assert {"TimeoutSeconds", "TimeoutSecondsPath"} & set(state)
            assert state["Retry"][-1]["ErrorEquals"] == ["States.ALL"]
            assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"]
    assert "TimeoutSeconds" not in DEFINITION  # nothing may end it before the grant ends
