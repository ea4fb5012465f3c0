"""A dry run prints exactly what a run does, and does nothing."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from doorward.errors import MalformedInput
from doorward.guardrails.brakes import BUDGET, Stop, hour_of
from doorward.guardrails.model import Guardrails, Mode
from doorward.usecases.foresee_reaction import foresee_reaction
from tests.fakes import START, FakeContainment
from tests.template.conftest import REPOSITORY
from tests.unit.test_guardrails_rules import TABLES
from tests.unit.test_react_to_change import ALL_BAD, BAD, GOOD, PIPELINE, PROD, SWAPPED, World, event, role

SCHEMA = Draft202012Validator(json.loads((REPOSITORY / "docs" / "schemas" / "doorward.plan.1.json").read_text("utf-8")))
JANE = f"arn:aws:iam::{PROD}:user/jane"
POLICIES = [
    GOOD,
    BAD,
    ALL_BAD,
    SWAPPED,
    *(
        row["trust_policy"] if isinstance(row["trust_policy"], str) else json.dumps(row["trust_policy"])
        for table in TABLES.values()
        for row in table["rows"][::7]
    ),
]


def foreseen(world: World, by: str | None = JANE) -> dict[str, Any]:
    plan = foresee_reaction({"account": PROD, "role": "payments", "by": by}, world.tools)
    SCHEMA.validate(plan)
    return plan


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.ALERT])
@pytest.mark.parametrize("by", [JANE, PIPELINE])
@pytest.mark.parametrize("trust", POLICIES)
def test_a_run_does_what_the_dry_run_said(trust: str, by: str, mode: Mode) -> None:
    world = World(Guardrails(mode=mode, hash="cafe"))
    world.accepted()
    world.roles.put(role(trust))
    before = (dict(world.ledger.heads), dict(world.ledger.cases), len(world.ledger.outbox))
    plan = foreseen(world, by)
    assert (dict(world.ledger.heads), dict(world.ledger.cases), len(world.ledger.outbox)) == before
    assert world.roles.writes == []
    (outcome,) = world.react(event(document=trust, by=by))
    did = {"passed": "pass", "accepted": "pass", "alerted": "alert", "asked": "ask", "observed": "observe", "reverted": "write"}
    assert did[outcome] == plan["action"]
    if outcome == "reverted":
        assert json.loads(world.roles.writes[0][1]) == plan["writes"][0]["trust_policy"]
        assert (plan["sessions"] == "cut") == bool(world.cuts.calls)


def test_what_is_stopped_is_said_to_be() -> None:
    world = World()
    world.roles.put(role(ALL_BAD))
    world.brakes.stops.append(Stop("organization", "jane", "an incident", START))
    plan = foreseen(world)
    assert (plan["action"], plan["writes"], plan["door_open"]) == ("ask", [], True)


@pytest.mark.parametrize("opted_in", [True, False])
def test_who_would_be_contained_is_said_and_nobody_is_asked(opted_in: bool) -> None:
    world = World()
    world.containment = FakeContainment() if opted_in else None
    world.roles.put(role(BAD))
    for severity in ("high", "critical"):
        world.brakes.spent[f"{JANE}/{severity}", hour_of(world.clock.now())] = BUDGET
    assert foreseen(world)["contains"] == (JANE if opted_in else None)
    assert foreseen(world, PIPELINE)["contains"] is None
    assert world.hints.sent == []


def test_there_may_be_no_such_role() -> None:
    assert foreseen(World())["action"] == "none"


@pytest.mark.parametrize("request_", [{}, {"account": PROD}, {"account": PROD, "role": 7, "by": None}])
def test_a_request_of_another_form_is_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(MalformedInput):
        foresee_reaction(request_, World().tools)
