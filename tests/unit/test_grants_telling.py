"""What is told of a grant: valid by its schema in every state, and in words that say what to do."""

import json
from datetime import timedelta

import pytest
from jsonschema import Draft202012Validator

from doorward.decisions.model import State as Decision
from doorward.decisions.telling import question_as_json
from doorward.grants.grant import Grant, State, question_of
from doorward.grants.session_policy import SessionPolicy, compile_policy
from doorward.grants.telling import DETAIL_TYPES, END_FAILED, grant_as_json, question_about_as_json
from doorward.grants.wording import scope_in_words
from doorward.ports.questions import due_at
from doorward.usecases.own_events import parse_own_event
from local.build import ROOT
from tests.grants_world import GRANT_ID, JANE, ORDERS, RULE, START, checked_grant, entitlements, hours, request, rule

SCHEMAS = {
    name: Draft202012Validator(
        json.loads((ROOT / f"docs/schemas/doorward.{name}.1.json").read_text("utf-8")), format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    for name in ("grants", "decisions")
}
RULES = entitlements(RULE)


@pytest.mark.parametrize("state", State)
def test_in_every_state_it_is_as_the_schema_says_and_tells_what_it_is_and_what_to_do(state: State) -> None:
    grant = checked_grant()._replace(state=state, starts_at=hours(0), ends_at=hours(1))
    told = grant_as_json(grant, "prod", question_of(grant, START))
    SCHEMAS["grants"].validate(told)
    assert told["title"].startswith("jane@acme.example: read-bucket on orders in prod, 60 minutes: ")
    assert told["what_to_do"]


def test_what_goes_on_to_work_after_an_early_end_is_said() -> None:
    """The hard stop stands at the planned end, and nowhere else."""
    told = grant_as_json(checked_grant()._replace(state=State.ACTIVE, starts_at=hours(0), ends_at=hours(1)), "prod", None)
    until, revoked, issued = told["what_to_do"].partition(f"`doorward grants revoke {GRANT_ID}`")
    assert (f"until {hours(1):%Y-%m-%d %H:%M} UTC" in until, bool(revoked)) == (True, True)
    assert "no credentials are issued any more" in issued
    assert "Those that were issued work until that time, or for an hour at most." in issued


def test_titles_tell_states_apart() -> None:
    assert len({grant_as_json(checked_grant()._replace(state=each), None, None)["title"] for each in State}) == len(State)


def test_before_it_is_checked_nothing_is_made_up() -> None:
    told = grant_as_json(Grant(GRANT_ID, JANE, request(starts_at=hours(2))), None, None)
    SCHEMAS["grants"].validate(told)
    assert (told["scope"], told["risk"], told["decision"], told["rules"]) == ([], None, None, [])
    assert (told["wanted_start"], told["starts_at"]) == (hours(2).isoformat(), None)


def test_the_scope_is_what_the_session_policy_allows() -> None:
    grant = checked_grant()
    policy = compile_policy(RULES.templates["read-bucket"], grant.request.parameters, ORDERS, hours(1))
    assert isinstance(policy, SessionPolicy)
    told = grant_as_json(grant, "prod", None)
    allowed = [each for each in json.loads(policy.text)["Statement"] if each["Effect"] == "Allow"]
    assert told["scope"] == allowed
    assert told["scope"][0]["Resource"] == "arn:aws:s3:::acme-orders/*"
    assert grant.role_arn == ORDERS.arn


def test_whoever_decides_is_shown_the_grant_and_what_it_takes() -> None:
    grant = checked_grant()
    question = question_of(grant, START)
    told = question_about_as_json(question, grant, "prod", "Jane asks.")
    SCHEMAS["decisions"].validate(told)
    SCHEMAS["grants"].validate(told["grant"])
    assert told["grant"]["shown"] == question.shown_hash
    assert told["grant"]["decision"]["missing"] == "1 more of security"
    assert f"`doorward grants approve {GRANT_ID}`" in told["what_to_do"]
    for each in ("approve", "cancel"):  # for whoever decides, and for whoever asked
        assert f"`doorward grants {each} {GRANT_ID}`" in told["grant"]["what_to_do"]
    agreed = question._replace(detail={**question.detail, "by": "ann, joe"}, state=Decision.APPROVED)
    decision = grant_as_json(grant, "prod", agreed)["decision"]
    assert (decision["yes"], decision["missing"]) == (["ann", "joe"], "")


def test_nobody_is_asked_any_longer_than_what_is_asked_for_would_last() -> None:
    grant = checked_grant(entitlements(rule(start_within_hours=72)), starts_at=hours(1), minutes=30)
    question = question_of(grant, START)
    assert question.ends_at > hours(2)
    told = grant_as_json(grant, "prod", question)
    until = START + timedelta(hours=1, minutes=30)
    assert told["decision"]["ends_at"] == until.isoformat()
    assert f"until {until:%Y-%m-%d %H:%M} UTC" in told["what_to_do"]


def test_a_question_about_a_grant_has_it_and_one_about_a_finding_has_none() -> None:
    question = question_of(checked_grant(), START)
    bare = question_as_json(question, "")
    assert not SCHEMAS["decisions"].is_valid(bare)
    assert not SCHEMAS["decisions"].is_valid({**bare, "what": "apply", "grant": {}})
    assert SCHEMAS["decisions"].is_valid({**bare, "what": "apply"})


def test_the_agenda_has_no_questions_about_grants() -> None:
    question = question_of(checked_grant(), START)
    for state in Decision:
        assert due_at(question._replace(state=state), START) is None
    assert due_at(question._replace(what="apply"), START) is not None


def test_what_is_told_comes_back_from_the_bus() -> None:
    detail = {"announcement_id": f"{GRANT_ID}-1", **grant_as_json(checked_grant(), "prod", None)}
    SCHEMAS["grants"].validate(detail)
    envelope = {"source": "doorward.grants", "detail-type": "GrantRequested", "detail": detail}
    assert parse_own_event(json.dumps(envelope)).source == "doorward.grants"


def test_each_state_but_pending_is_told_in_its_own_words() -> None:
    assert set(DETAIL_TYPES) == set(State) - {State.PENDING}
    assert len({*DETAIL_TYPES.values(), END_FAILED}) == len(State)
    page = (ROOT / "docs/contracts.md").read_text("utf-8")
    assert all(f"`{each}`" in page for each in (*DETAIL_TYPES.values(), END_FAILED))


def test_people_are_not_told_that_a_session_may_do_no_more_than_a_resources_own_policy_lets_it() -> None:
    first, *lines = scope_in_words(grant_as_json(checked_grant(), "prod", None))
    assert first.startswith(
        "Its policy lets the session do this (read-bucket, bucket = acme-orders), and nothing else; a resource's own policy"
    )
    assert lines == ["- s3:GetObject on arn:aws:s3:::acme-orders/*", "- s3:ListBucket on arn:aws:s3:::acme-orders"]
