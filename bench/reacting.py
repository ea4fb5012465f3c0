"""What of a change's handling is the reaction's own: the handler's time without that inside its ports, at a stated rate of changes.

Fakes stand in for IAM, DynamoDB and SQS. Changes arrive by the clock of the wall, each waiting for those before it, as in one function.
The policies are those of the rules' own tables and compliant ones, in turn: three of four break nothing, as of every four changes.
"""

import json
import time
from collections.abc import Iterator
from copy import replace
from itertools import cycle
from typing import Any, Final

from bench.runner import Extent, Row, say
from tests.unit.test_guardrails_rules import TABLES
from tests.unit.test_react_to_change import ENFORCE, GOOD, PROD, World, event, role, trusting

_PER_SECOND: Final = 50
_SECONDS: Final = 60
_P99: Final = 0.99
_MILLISECONDS: Final = 50.0
_PORTS: Final = ("roles", "ledger", "hints", "brakes", "cuts", "sessions")


class _Timed:
    """A port that adds up how long it took."""

    def __init__(self, port: Any, spent: list[float]) -> None:
        self._port = port
        self._spent = spent

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if not callable(value):
            return value

        def call(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return value(*arguments, **named)
            finally:
                self._spent[0] += time.perf_counter() - began

        return call


def measure(extent: Extent) -> list[Row]:
    changes = extent.requests * _SECONDS * _PER_SECOND // 5_000
    world, spent = World(ENFORCE), [0.0]
    timed = {name: _Timed(getattr(world, name), spent) for name in _PORTS}
    ledger: Any = timed["ledger"]
    roles: Any = timed["roles"]
    world.tools = replace(
        world.tools,
        roles=roles,
        ledger=ledger,
        hints=lambda: timed["hints"],
        brakes=lambda: timed["brakes"],
        cuts=lambda: timed["cuts"],
        edges=timed["sessions"].edges,
        calls=lambda: timed["sessions"],
    )
    own: list[float] = []
    late: list[float] = []
    written = 0
    began = time.perf_counter()
    for number, policy in zip(range(changes), _policies(), strict=False):
        due = began + number / _PER_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
        name = f"role-{number}"
        world.clock.sleep(1)
        world.roles.put(role(policy, name, role_id=f"AROA{number:016d}"))
        message = event("CreateRole", policy, event_id=f"e-{number}", at=world.clock.now(), role_name=name, by=_author(number))
        spent[0] = 0.0
        start = time.perf_counter()
        written += world.react(message) == ["reverted"]
        end = time.perf_counter()
        own.append(end - start - spent[0])
        late.append(end - due)
        if number % _PER_SECOND == 0:
            say(f"{number} of {changes} changes")
    say("")
    seconds = time.perf_counter() - began
    note = f"{changes:,} changes in {seconds:.0f} s, {written:,} put back"
    return [
        Row("own time of a change, p99 at 50 changes/s", 1000 * _at(own, _P99), "ms", _MILLISECONDS, is_floor=False, note=note),
        Row("  median", 1000 * _at(own, 0.5), "ms"),
        Row("  from due to done, p99, on one core", 1000 * _at(late, _P99), "ms"),
    ]


def _policies() -> Iterator[str]:
    broken = [
        row["trust_policy"] if isinstance(row["trust_policy"], str) else json.dumps(row["trust_policy"])
        for table in TABLES.values()
        for row in table["rows"]
        if row["expect"] == "fires"
    ]
    fine = cycle([GOOD, trusting(f"arn:aws:iam::{PROD}:role/app"), trusting(f"arn:aws:iam::{PROD}:role/a", f"arn:aws:iam::{PROD}:role/b")])
    for each in cycle(broken):
        yield from (next(fine), next(fine), next(fine), each)


def _author(number: int) -> str:
    """Many people: the budget of one would soon be spent."""
    return f"arn:aws:iam::{PROD}:user/person-{number % 500}"


def _at(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
