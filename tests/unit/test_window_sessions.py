"""Who came in while a door stood open, and where he went on to: listed with the case, told to people, and never said to be ended."""

import json
from collections.abc import Sequence
from copy import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from doorward.errors import Misconfigured, Unavailable
from doorward.events.hints import hint_as_text
from doorward.events.model import SessionEvent
from doorward.events.records import parse_record
from doorward.findings.alerts import alert_as_json
from doorward.ports.ledger import Announcement, Case, Lock
from doorward.sessions.window import DETECTION, MOST, alert_of_window, list_sessions
from tests.fakes import START
from tests.unit.test_cut_sessions import ARN, PAYMENTS, attacked, due
from tests.unit.test_react_to_change import PROD, World
from tests.unit.test_sessions_detections import REPOSITORY, record

STRANGER = "999988887777"
STAGING = "222233334444"
ADMIN = f"arn:aws:iam::{STAGING}:role/ops/admin"


def call(number: int, role: str, session: str, **by: Any) -> SessionEvent:
    parsed = parse_record(record({"role": role, "session": session, "by": by}))
    assert isinstance(parsed, SessionEvent)
    return replace(parsed, event_id=f"s-{number}", shared_event_id=f"s-{number}", event_time=START)


def comes(world: World, role: str, session: str, **by: Any) -> None:
    """Somebody opens a session of the role now."""
    one = call(len(world.sessions.calls), role, session, **by)
    world.sessions.keep_call(replace(one, event_time=world.clock.now()))


def came_in_and_went_on(world: World) -> None:
    world.accepted()
    comes(world, ARN, "long-before", account=STRANGER)
    attacked(world)
    comes(world, ARN, "loot", account=STRANGER)
    comes(world, ADMIN, "further", account=PROD, arn=ARN)


def told_of(world: World) -> list[dict[str, Any]]:
    return [dict(each.detail) for each in world.ledger.outbox.values() if each.detail.get("detection") == DETECTION]


def verified(world: World) -> dict[str, Any]:
    (detail,) = [dict(each.detail) for each in world.ledger.outbox.values() if each.detail_type == "TrustRemedyVerified"]
    return detail


def schema(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((REPOSITORY / f"docs/schemas/{name}.json").read_text("utf-8")))


def test_the_last_look_lists_who_came_in_and_where_he_went_on_to_with_the_case_and_tells_people() -> None:
    world = World()
    came_in_and_went_on(world)
    assert world.follow_up() == ["stands", "stands", "verified"]
    sessions = verified(world)["sessions"]
    assert [(each["principal"], each["session_name"]) for each in sessions["opened"]] == [(STRANGER, "loot")]
    assert [(each["role"], each["session_name"], each["by"]) for each in sessions["chained"]] == [(ADMIN, "further", "any")]
    assert (sessions["opened_more"], sessions["chained_more"], sessions["cut"]) == (0, 0, True)
    schema("doorward.guardrails.1").validate({"announcement_id": "x", **verified(world)})
    (case,) = world.ledger.cases.values()
    assert case.detail["sessions"] == sessions
    (alert,) = told_of(world)
    schema("doorward.alert.1").validate({"announcement_id": "x", **alert})
    assert f"{STRANGER} as loot" in alert["because"]
    assert f"{ADMIN} as further" in alert["because"]
    assert "can do nothing any more" in alert["what_to_do"]
    assert f"NOT ended by Doorward, and can go on from there: on each role, beginning with {ADMIN}" in alert["what_to_do"]
    assert all(role != ADMIN for role in world.cuts.policies)


def test_the_window_that_is_told_is_the_one_that_is_denied() -> None:
    world = World()
    came_in_and_went_on(world)
    world.follow_up()
    (window,) = world.ledger.cut(PAYMENTS).windows  # type: ignore[union-attr]
    sessions = verified(world)["sessions"]
    assert (sessions["start"], sessions["until"]) == (window.start.isoformat(), window.until.isoformat())


def test_where_nobody_came_nothing_is_told() -> None:
    world = World()
    world.accepted()
    attacked(world)
    world.follow_up()
    assert (verified(world)["sessions"]["opened"], verified(world)["sessions"]["chained"], told_of(world)) == ([], [], [])


def test_sessions_of_which_events_come_late_are_told_of_once_more() -> None:
    world = World()
    came_in_and_went_on(world)
    world.follow_up()
    world.clock.sleep(world.tools.events_take.total_seconds())
    (case,) = world.ledger.cases.values()
    late = replace(call(9, ARN, "late", account="888877776666"), event_time=case.opened_at)
    world.sessions.keep_call(late)
    assert due(world) == ["listed"]
    first, second = told_of(world)
    assert "as late" not in first["because"]
    assert "as late" in second["because"]
    (case,) = world.ledger.cases.values()
    assert ({each["session_name"] for each in case.detail["sessions"]["opened"]}, case.due_at) == ({"loot", "late"}, None)
    assert due(world) == []


def test_a_look_that_comes_twice_does_not_end_the_wait_for_late_events() -> None:
    world = World()
    came_in_and_went_on(world)
    again = [hint_as_text(each) for each in world.hints.sent if each.follows is not None]
    world.follow_up()
    assert [world.react(each) for each in again] == [["known"]] * len(again)
    world.clock.sleep(world.tools.events_take.total_seconds())
    assert due(world) == ["listed"]


def test_what_was_told_already_is_not_told_again_when_nothing_came_late() -> None:
    world = World()
    came_in_and_went_on(world)
    world.follow_up()
    world.clock.sleep(world.tools.events_take.total_seconds())
    assert due(world) == ["listed"]
    assert len(told_of(world)) == 1


def test_whoever_dies_while_listing_leaves_it_to_be_done() -> None:
    world = World()
    came_in_and_went_on(world)
    follow_up = world.ledger.follow_up

    def dies_at_the_end(lock: Lock, case: Case, announcement: Announcement | None = None) -> None:
        if "verified" in case.steps:
            raise Unavailable("died")
        follow_up(lock, case, announcement)

    world.ledger.follow_up = dies_at_the_end  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        world.follow_up()
    world.ledger.follow_up = follow_up  # type: ignore[method-assign]
    world.clock.sleep(180)
    assert "verified" in due(world)
    assert len(told_of(world)) == 1
    assert verified(world)["sessions"]["chained"] != []


def test_sessions_that_are_not_ended_are_not_said_to_be() -> None:
    world = World()
    world.accepted()
    world.cuts.fail_next = [Misconfigured("no such role")]
    attacked(world)
    world.cuts.fail_next = [Misconfigured("no such role")]
    comes(world, ARN, "loot", account=STRANGER)
    world.follow_up()
    (alert,) = told_of(world)
    assert "NOT ended. Sessions opened meanwhile could NOT be ended: no such role" in alert["what_to_do"]


def listed(opened: Sequence[SessionEvent], chained: Sequence[SessionEvent] = ()) -> dict[str, Any]:
    return list_sessions(opened, chained)


def test_who_opens_many_sessions_hides_nobody_behind_them() -> None:
    junk = [call(number, ARN, f"junk-{number}", account=STRANGER) for number in range(50)]
    last = call(99, ARN, "real", account="888877776666")
    found = listed([*junk, last])
    assert len(found["opened"]) == MOST
    assert found["opened"][-1]["session_name"] == "real"
    assert found["opened_more"] == 31


def test_a_message_stays_short_whatever_names_are_chosen() -> None:
    """Slack shows no line of more than 3,000 characters."""
    one = call(1, ADMIN, "x" * 4000, account=PROD, arn=ARN)
    many = [replace(one, role_arn=f"{ADMIN}{number}{'y' * 900}") for number in range(50)]
    detail = {
        "role": ARN,
        "account": {"id": PROD},
        "event": {"id": "e", "name": "UpdateAssumeRolePolicy", "time": START.isoformat()},
        "sessions": {"start": START.isoformat(), "until": START.isoformat(), "cut": True, "because": "", **listed((), many)},
    }
    alert = alert_as_json(alert_of_window("dw-1", detail, START), "doorward.sessions/1", None)
    assert len(alert["because"]) < 3000
    assert len(alert["what_to_do"]) < 3000
    assert "and 45 more" in alert["because"]
    assert "sessions of it were opened: none that is known." in alert["because"]


def test_a_root_session_of_another_account_is_a_way_on_too() -> None:
    root = replace(call(1, ARN, "x", account=PROD, arn=ARN), event_name="AssumeRoot", role_arn=None, target_principal=STAGING)
    assert listed((), [root])["chained"][0]["role"] == f"root of {STAGING}"
