"""What is kept of what led to a case, for its evidence."""

import json
from typing import Any

from doorward.guardrails.model import Guardrails, Mode
from doorward.iam.documents import hash_of_text
from tests.unit.test_react_to_change import ALL_BAD, BAD, GOOD, PIPELINE, PROD, World, event, role

REF = f"{PROD}/payments"
OTHER_GOOD = GOOD.replace("batch", "nightly")


def record(world: World) -> dict[str, Any]:
    ((ref, case_id),) = world.ledger.cases
    value: dict[str, Any] = json.loads(world.ledger.record_of(ref, case_id))
    return value


def test_a_case_that_is_written_upon_keeps_its_event_and_what_was_accepted_and_stood() -> None:
    world = World()
    world.accepted()
    world.roles.put(role(OTHER_GOOD))
    assert world.react(event(document=OTHER_GOOD, event_id="e-1")) == ["passed"]
    world.roles.put(role(BAD))
    assert world.react(event(event_id="e-2")) == ["reverted"]
    kept = record(world)
    assert kept["event"]["detail"]["eventID"] == "e-2"
    assert (kept["accepted"]["document"], kept["accepted"]["by"]) == (GOOD, PIPELINE)
    assert (kept["stood"]["document"], kept["stood"]["policy_hash"]) == (OTHER_GOOD, hash_of_text(OTHER_GOOD))


def test_a_case_that_people_are_told_of_keeps_the_same_of_the_first_event_alone() -> None:
    world = World(Guardrails(mode=Mode.ALERT, hash="cafe"))
    world.roles.put(role(GOOD))
    world.react(event(document=GOOD, event_id="e-1"))
    world.roles.put(role(BAD))
    assert world.react(event(event_id="e-2")) == ["alerted"]
    assert world.react(event(event_id="e-3")) == ["alerted"]
    kept = record(world)
    assert kept["event"]["detail"]["eventID"] == "e-2"
    assert kept["accepted"] is None
    assert kept["stood"]["document"] == GOOD


def test_a_role_made_anew_has_nothing_of_its_predecessor_before_it() -> None:
    world = World()
    world.accepted()
    world.roles.put(role(ALL_BAD, role_id="AROAPAYMENTS0000002"))
    world.react(event("CreateRole", ALL_BAD))
    assert (record(world)["accepted"], record(world)["stood"]) == (None, None)


def test_no_credential_of_the_event_is_kept_anywhere() -> None:
    world = World()
    world.accepted()
    world.roles.put(role(BAD))
    message = json.loads(event())
    message["detail"]["responseElements"] = {"credentials": {"sessionToken": "neverkept", "secretAccessKey": "neverkept"}}
    world.react(json.dumps(message))
    assert record(world)["event"]["detail"]["responseElements"] == {"credentials": "***"}
    assert "neverkept" not in repr(vars(world.ledger))
