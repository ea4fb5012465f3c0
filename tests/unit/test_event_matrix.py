"""What can happen to events, each with the tests that show what comes of it; and those that stand nowhere else."""

import ast
import json
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from doorward.ports.ledger import CaseStatus
from local.build import ROOT
from tests.fakes import START
from tests.unit.test_react_to_change import ALL_BAD, BAD, GOOD, PIPELINE, PROD, STRANGER, World, event, role

_CHANGE: Final = "tests/unit/test_react_to_change.py"
_DOORS: Final = "tests/unit/test_react_to_doors.py"
_RECORDS: Final = "tests/unit/test_events_records.py"
_STORMS: Final = "tests/unit/test_react_to_storms.py"
_HERE: Final = "tests/unit/test_event_matrix.py"
MATRIX: Final[dict[str, tuple[str, ...]]] = {
    "the same event three times": (f"{_CHANGE}::test_the_same_event_three_times_makes_one_remedy",),
    "update and create in reversed order": (f"{_CHANGE}::test_any_order_of_the_events_ends_in_the_same_state",),
    "the echo of our own write": (
        f"{_CHANGE}::test_our_own_write_comes_back_as_an_event_and_ends_there",
        f"{_CHANGE}::test_an_attacker_who_acts_as_our_remedy_role_is_put_back_all_the_same",
    ),
    "no such role yet, then there it is": (
        f"{_CHANGE}::test_a_role_that_does_not_exist_yet_is_waited_for",
        f"{_CHANGE}::test_a_stale_read_is_looked_at_again_until_it_shows_what_the_event_tells",
    ),
    "a compliant policy written again by code": (
        f"{_CHANGE}::test_a_compliant_change_by_a_known_pipeline_becomes_the_baseline",
        f"{_HERE}::test_a_pipeline_that_writes_what_stands_once_more_changes_nothing",
    ),
    "an id of somebody who is gone in the baseline": (
        "tests/unit/test_guardrails_remedies.py::test_whoever_is_gone_is_left_out_of_the_baseline_that_is_restored",
    ),
    "a statement that is an object": (f"{_HERE}::test_a_statement_without_its_list_is_judged_and_closed_like_any_other",),
    "everybody": (f"{_CHANGE}::test_without_anything_to_keep_the_role_is_closed",),
    "parameters that are left out": (
        f"{_CHANGE}::test_an_event_that_hides_its_role_behind_padding_finds_the_role_that_changed",
        f"{_DOORS}::test_a_change_that_hides_its_role_is_told_besides_the_look_at_every_role",
    ),
    "a call that was denied": (
        f"{_CHANGE}::test_a_failed_call_changed_nothing_and_is_recorded",
        f"{_RECORDS}::test_a_call_that_was_denied_is_skipped_with_the_role_from_the_message",
    ),
    "a service-linked role": (f"{_CHANGE}::test_a_service_linked_role_is_quiet",),
    "a role under /aws-reserved/": (f"{_HERE}::test_a_role_of_identity_center_is_never_written",),
    "a role under a path": (f"{_HERE}::test_a_role_under_a_path_is_found_by_its_name_and_put_back",),
    "both sides of one call, in both orders": (
        "tests/property/test_events_merge.py::test_the_order_of_two_copies_does_not_matter",
        "tests/integration/test_watch_session.py::test_an_outsiders_session_is_told_to_people_once",
    ),
    "an event that is replayed": (
        f"{_RECORDS}::test_a_replayed_event_keeps_the_name_of_its_replay",
        f"{_HERE}::test_a_replay_after_all_was_mended_writes_nothing_and_tells_nobody",
        f"{_HERE}::test_a_replay_while_the_door_stands_open_closes_it",
    ),
    "a forged source": (
        f"{_CHANGE}::test_a_forged_source_is_malformed",
        f"{_RECORDS}::test_an_event_of_any_source_but_aws_is_refused_as_forged",
    ),
    "an account that is not ours": (f"{_DOORS}::test_an_event_of_an_account_that_is_not_admitted_touches_nothing",),
    "IAM throttles": (
        f"{_CHANGE}::test_a_change_that_is_not_looked_at_because_iam_throttles_is_told",
        f"{_CHANGE}::test_a_failure_of_iam_leaves_no_lock_behind",
    ),
    "three rounds of ping-pong": (f"{_CHANGE}::test_the_same_attack_three_times_is_closed_three_times",),
    "the breaker trips": (
        "tests/unit/test_decide.py::test_a_role_that_was_written_three_times_within_a_day_is_braked_and_forgotten_after_it",
        f"{_STORMS}::test_the_last_write_for_what_is_critical_lets_nobody_in",
        f"{_STORMS}::test_what_is_not_critical_is_asked_about_and_stands",
    ),
    "a million events": ("tests/unit/test_load.py::test_a_flood_of_events_ends_in_an_outcome_each_and_nothing_is_kept",),
}
NOT_YET: Final = {
    "two people click in Slack": "nobody decides in Slack yet: cards have no buttons",
    "an approval that has expired": "there are no approvals yet",
    "dead letters sent again": "there is no `doorward redrive` yet; a hint for a role is what it will send",
}


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef))


@pytest.mark.parametrize("row", MATRIX)
def test_each_row_is_shown_by_tests_that_exist(row: str) -> None:
    for test in MATRIX[row]:
        path, _, name = test.partition("::")
        assert Path(ROOT / path).exists(), test
        assert name in names_in(path), test


def test_nothing_is_both_shown_and_missing() -> None:
    assert MATRIX.keys() & NOT_YET.keys() == set()
    assert len(MATRIX) + len(NOT_YET) == 24


# What stands nowhere else


def test_a_pipeline_that_writes_what_stands_once_more_changes_nothing() -> None:
    world = World()
    world.accepted()
    versions = dict(world.ledger.accepted)
    for number in range(3):
        world.react(event(document=GOOD, by=PIPELINE, event_id=f"again-{number}", at=START + timedelta(seconds=10 * number)))
    assert (world.roles.writes, world.announced(), world.stands()) == ([], [], GOOD)
    assert world.ledger.accepted == versions


def test_a_statement_without_its_list_is_judged_and_closed_like_any_other() -> None:
    world = World()
    world.accepted()
    bare = json.dumps({"Version": "2012-10-17", "Statement": json.loads(ALL_BAD)["Statement"][0]})
    world.roles.put(role(bare))
    assert world.react(event(document=bare)) == ["reverted"]
    assert world.stands() == GOOD


def test_a_role_of_identity_center_is_never_written() -> None:
    world = World()
    path, name = "/aws-reserved/sso.amazonaws.com/eu-west-1/", "AWSReservedSSO_Administrator_0123456789abcdef"
    world.roles.put(role(ALL_BAD, name=name, path=path))
    world.react(event(document=ALL_BAD, role_name=name))
    assert world.roles.writes == []
    assert CaseStatus.REMEDIED not in world.statuses()


def test_a_role_under_a_path_is_found_by_its_name_and_put_back() -> None:
    """The event has the name alone; the path is what reading tells, and what the ARN has."""
    world = World()
    world.roles.put(role(GOOD, path="/a/b/"))
    assert world.react(event(document=GOOD, by=PIPELINE, event_id="e-0")) == ["accepted"]
    world.roles.put(role(BAD, path="/a/b/"))
    assert world.react(event()) == ["reverted"]
    assert world.stands() == GOOD
    (found, _) = (each for each in world.ledger.outbox.values() if each.detail_type != "TrustBaselineAccepted")
    assert found.detail["role"] == f"arn:aws:iam::{PROD}:role/a/b/payments"


def replayed(message: str) -> str:
    return json.dumps({**json.loads(message), "replay-name": "after-the-outage"})


def test_a_replay_after_all_was_mended_writes_nothing_and_tells_nobody() -> None:
    world = World()
    world.accepted()
    assert world.react(replayed(event(at=START - timedelta(hours=3)))) == ["passed"]
    assert (world.roles.writes, world.announced()) == ([], [])


def test_a_replay_while_the_door_stands_open_closes_it() -> None:
    world = World()
    world.accepted()
    # Jane's event was lost, and comes now.
    world.roles.put(role(BAD))
    assert world.react(replayed(event(at=START + timedelta(seconds=5)))) == ["reverted"]
    assert STRANGER not in world.stands()
