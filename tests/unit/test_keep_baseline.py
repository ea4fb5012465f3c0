"""Which trust policy is the accepted one: the table of guardrails/baselines.py, and what the reaction makes of it."""

import json
from copy import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from doorward.errors import Unavailable
from doorward.guardrails.baselines import Becomes, Version, becomes
from doorward.guardrails.model import Guardrails, Mode
from doorward.iam.documents import hash_of_text
from doorward.organization.model import Pipeline
from tests.fakes import START
from tests.unit.test_react_to_change import (
    BAD,
    ENFORCE,
    GOOD,
    GOOD_PRINCIPAL,
    ORGANIZATION,
    PIPELINE,
    PROD,
    VENDOR,
    World,
    event,
    role,
    trusting,
)

REF, ROLE_ID = f"{PROD}/payments", "AROAPAYMENTS0000001"
OTHER_PRINCIPAL = GOOD_PRINCIPAL.replace("role/batch", "role/other")
BOTH = trusting(GOOD_PRINCIPAL, OTHER_PRINCIPAL)
OTHER = trusting(OTHER_PRINCIPAL)
QUIET = timedelta(hours=24)

type Row = tuple[bool, bool, bool, int, bool | None, bool]
ROWS: list[tuple[Row, Becomes]] = [
    # accepted, one is accepted, pipeline, hours, widens, replaced
    ((True, True, True, 99, True, True), Becomes.KEPT),
    ((True, True, False, 0, False, False), Becomes.KEPT),
    ((False, True, True, 0, True, True), Becomes.ACCEPTED_OF_PIPELINE),
    ((False, False, True, 0, True, False), Becomes.ACCEPTED_OF_PIPELINE),
    ((False, False, False, 99, False, False), Becomes.OBSERVED),
    ((False, True, False, 99, True, False), Becomes.OBSERVED),
    ((False, True, False, 99, None, False), Becomes.OBSERVED),
    ((False, True, False, 99, False, True), Becomes.OBSERVED),
    ((False, True, False, 23, False, False), Becomes.OBSERVED),
    ((False, True, False, 24, False, False), Becomes.ACCEPTED_OF_QUIET),
]


def came_to(row: Row) -> Becomes:
    accepted, has_accepted, by_pipeline, hours, widens, replaced = row
    version = Version(accepted, has_accepted, by_pipeline, START - timedelta(hours=hours), lambda: widens, lambda: replaced)
    return becomes(version, quiet=QUIET, now=START)


@pytest.mark.parametrize(("row", "expected"), ROWS, ids=str)
def test_a_row_is_decided_as_the_table_says(row: Row, expected: Becomes) -> None:
    assert came_to(row) is expected


def test_nothing_is_accepted_of_quiet_that_is_new_widens_is_unclear_young_or_was_replaced() -> None:
    for row in product((False, True), (False, True), (False, True), (0, 23, 24, 99), (False, True, None), (False, True)):
        if came_to(row) is Becomes.ACCEPTED_OF_QUIET:
            assert row == (False, True, False, row[3], False, False)
            assert row[3] >= 24


def look(world: World, trust: str, number: int) -> list[str]:
    """Whatever stands is changed by jane, and an event tells of it."""
    world.roles.put(role(trust))
    return world.react(event(document=trust, event_id=f"e-{number}", at=world.clock.now()))


def accepted(world: World) -> str:
    baseline = world.ledger.baseline(REF, ROLE_ID)
    assert baseline is not None
    return baseline.document


def told(world: World) -> list[dict[str, Any]]:
    return [dict(each.detail) for each in world.ledger.outbox.values() if each.detail_type == "TrustBaselineAccepted"]


@pytest.fixture
def world() -> World:
    """Whose baseline lets two in."""
    world = World(Guardrails(mode=Mode.ALERT, hash="cafe"))
    world.accepted(BOTH)
    return world


class TestQuiet:
    def test_what_lets_nobody_new_in_is_accepted_after_a_day_at_the_next_look(self, world: World) -> None:
        assert look(world, GOOD, 1) == ["passed"]
        world.clock.sleep(23 * 3600)
        assert world.react(event("TagRole", None, event_id="e-2", at=world.clock.now())) == ["passed"]
        assert accepted(world) == BOTH
        world.clock.sleep(3600)
        assert world.react(event("TagRole", None, event_id="e-3", at=world.clock.now())) == ["accepted"]
        assert accepted(world) == GOOD
        assert world.react(event("TagRole", None, event_id="e-4", at=world.clock.now())) == ["passed"]
        _, last = told(world)
        assert (last["accepted_by"], last["replaced_hash"], last["policy_hash"]) == ("Doorward", hash_of_text(BOTH), hash_of_text(GOOD))
        assert any(line.startswith("-") and OTHER_PRINCIPAL in line for line in last["diff"])

    def test_what_lets_somebody_new_in_waits_for_a_person_for_ever(self, world: World) -> None:
        new = trusting(GOOD_PRINCIPAL, OTHER_PRINCIPAL, GOOD_PRINCIPAL.replace("role/batch", "role/third"))
        look(world, new, 1)
        world.clock.sleep(90 * 86_400)
        assert world.react(event("TagRole", None, event_id="e-2", at=world.clock.now())) == ["passed"]
        assert accepted(world) == BOTH

    def test_whoever_never_had_a_baseline_gets_none_by_waiting(self) -> None:
        world = World()
        look(world, GOOD, 1)
        world.clock.sleep(90 * 86_400)
        assert world.react(event("TagRole", None, event_id="e-2", at=world.clock.now())) == ["passed"]
        assert world.ledger.baseline(REF, ROLE_ID) is None

    def test_another_policy_in_between_begins_the_day_anew(self, world: World) -> None:
        look(world, GOOD, 1)
        world.clock.sleep(20 * 3600)
        look(world, OTHER, 2)
        world.clock.sleep(3600)
        look(world, GOOD, 3)
        world.clock.sleep(20 * 3600)
        assert world.react(event("TagRole", None, event_id="e-4", at=world.clock.now())) == ["passed"]
        assert accepted(world) == BOTH

    def test_what_a_violation_replaced_is_never_accepted_of_quiet(self, world: World) -> None:
        """Two steps: first one that nobody minds, then the real one, which is put back to the first."""
        look(world, GOOD, 1)
        assert look(world, BAD, 2) == ["alerted"]
        look(world, GOOD, 3)
        world.clock.sleep(90 * 86_400)
        assert world.react(event("TagRole", None, event_id="e-4", at=world.clock.now())) == ["passed"]
        assert accepted(world) == BOTH

    def test_a_role_made_anew_begins_from_nothing(self, world: World) -> None:
        look(world, GOOD, 1)
        world.clock.sleep(90 * 86_400)
        world.roles.put(role(GOOD, role_id="AROANEW000000000001"))
        assert world.react(event("TagRole", None, event_id="e-2", at=world.clock.now())) == ["passed"]
        assert world.ledger.baseline(REF, "AROANEW000000000001") is None

    def test_where_the_table_is_away_nothing_is_half_accepted(self, world: World) -> None:
        look(world, GOOD, 1)
        world.clock.sleep(86_400)
        with patch.object(world.ledger, "accept", side_effect=Unavailable("away")), pytest.raises(Unavailable):
            world.react(event("TagRole", None, event_id="e-2", at=world.clock.now()))
        assert world.react(event("TagRole", None, event_id="e-2", at=world.clock.now())) == ["accepted"]
        assert len(told(world)) == 2


class TestPipelines:
    def world(self, *roles: str) -> World:
        return World(ENFORCE, replace(ORGANIZATION, pipelines=(Pipeline(PIPELINE, "platform", roles),)))

    @pytest.mark.parametrize(("roles", "is_named"), [((), True), (("/pay*",), True), (("/payments",), True), (("/other/*", "/x"), False)])
    def test_a_pipeline_accepts_for_the_roles_that_it_is_named_for(self, roles: tuple[str, ...], is_named: bool) -> None:
        world = self.world(*roles)
        world.roles.put(role(GOOD))
        came = world.react(event(document=GOOD, by=PIPELINE, event_id="e-0"))
        assert came == (["accepted"] if is_named else ["passed"])
        assert (world.ledger.baseline(REF, ROLE_ID) is not None) is is_named

    def test_for_other_roles_its_change_is_anybody_s(self) -> None:
        world = self.world("/other/*")
        world.roles.put(role(BAD))
        assert world.react(event(document=BAD, by=PIPELINE)) == ["reverted"]
        world = self.world("/payments")
        world.roles.put(role(BAD))
        assert world.react(event(document=BAD, by=PIPELINE)) == ["alerted"]


def test_what_is_told_keeps_to_its_schema_and_shows_no_external_id() -> None:
    schema = json.loads((Path(__file__).parents[2] / "docs/schemas/doorward.baseline.1.json").read_text("utf-8"))
    world = World()
    trust = json.loads(trusting(f"arn:aws:iam::{VENDOR}:role/reader"))
    trust["Statement"][0]["Condition"] = {"StringEquals": {"sts:ExternalId": "customer-secret-4711"}}
    world.accepted(json.dumps(trust))
    world.accepted(GOOD)
    assert len(told(world)) == 2
    for each in told(world):
        Draft202012Validator(schema).validate(each)
        assert "4711" not in json.dumps(each)


@given(st.lists(st.tuples(st.sampled_from([GOOD, OTHER, BOTH, BAD]), st.integers(0, 40), st.booleans()), max_size=8))
def test_whatever_happens_the_accepted_one_lets_in_only_whom_a_pipeline_accepted(steps: list[tuple[str, int, bool]]) -> None:
    world = World(Guardrails(mode=Mode.ALERT, hash="cafe"))
    world.accepted(GOOD)
    by_pipeline = {GOOD}
    for number, (trust, hours, pipeline) in enumerate(steps):
        world.clock.sleep(hours * 3600)
        world.roles.put(role(trust))
        by = PIPELINE if pipeline else f"arn:aws:iam::{PROD}:user/jane"
        world.react(event(document=trust, by=by, event_id=f"e-{number}", at=world.clock.now()))
        if pipeline and trust != BAD:
            by_pipeline.add(trust)
        world.clock.sleep(hours * 3600)
        world.react(event("TagRole", None, event_id=f"t-{number}", at=world.clock.now()))
        names = {name for name in (GOOD_PRINCIPAL, OTHER_PRINCIPAL) if name in accepted(world)}
        assert names <= {name for name in (GOOD_PRINCIPAL, OTHER_PRINCIPAL) if any(name in each for each in by_pipeline)}
        assert accepted(world) != BAD
