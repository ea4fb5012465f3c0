"""What every keeper of grants owes, the fake and DynamoDB alike; and what seals tokens and wakes executions."""

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.stub import Stubber
from jsonschema import Draft202012Validator
from moto import mock_aws

from doorward.audit.verifying import read_chains, read_heads, verify_heads
from doorward.aws.audit import DynamoAudit
from doorward.aws.grants import DynamoGrants, KmsTokenSeals, StepFunctionsExecutions
from doorward.aws.ledger import DynamoLedger
from doorward.aws.questions import DynamoQuestions
from doorward.errors import Conflict, DoorwardError, Unavailable
from doorward.grants.grant import Grant, State, question_of
from doorward.grants.issuing import opening_of
from doorward.people.model import Caller, Machine, Via
from doorward.ports.grants import Issued, Kind, Step, Token
from doorward.ports.ledger import Announcement
from local.build import ROOT
from tests.contract.tables import create_table
from tests.fakes import FakeClock, FakeExecutions, FakeGrants, FakeQuestions, FakeTokenSeals
from tests.granting_world import World
from tests.grants_world import ANN, GRANT_ID, JANE, JOE, START, checked_grant, entitlements, hours, request, rule

SCHEMAS = {
    name: Draft202012Validator(json.loads((ROOT / f"docs/schemas/doorward.{name}.1.json").read_text("utf-8")))
    for name in ("grants", "decisions")
}
type AnyGrants = FakeGrants | DynamoGrants
type AnyQuestions = FakeQuestions | DynamoQuestions

REQUESTED = Grant(GRANT_ID, JANE, request(starts_at=hours(2), ticket="CHANGE-1", reason="Order 4711 is lost. 🙈"))
PENDING = checked_grant(
    entitlements(rule(start_within_hours=4, approve={"groups": ["security", "owners"], "quorum": 2, "distinct_groups": True})),
    starts_at=hours(2), ticket="CHANGE-1", reason="Order 4711 is lost. 🙈",
)  # fmt: skip
TOKEN = Token(GRANT_ID, Step.APPROVE, b"\x00sealed", 2)
ISSUED = Issued("01JZ1M5T0000000000000FFFFF", GRANT_ID, Kind.CREDENTIALS, hours(1), Caller(JANE, Via.SIGV4), "203.0.113.7")


def told(grant: Grant) -> Announcement:
    return Announcement(f"{grant.id}-{grant.version}", f"Grant{grant.state}", {"x": 1}, START)


class Dynamo:
    def __init__(self, clock: FakeClock) -> None:
        client = boto3.client("dynamodb")
        tables = {"ledger": "LedgerTable", "baselines": "BaselinesTable", "audit": "AuditTable", "grants": "GrantsTable"}
        for name, logical_id in tables.items():
            create_table(client, name, logical_id)
        self.client = client
        self.audit = DynamoAudit(client, "audit")
        self.ledger = DynamoLedger(client, "ledger", "baselines", clock)
        self.questions = DynamoQuestions(client, "ledger", self.ledger, self.audit)
        self.grants = DynamoGrants(client, "grants", self.questions, self.ledger, self.audit)


@pytest.fixture
def dynamo() -> Iterator[Dynamo]:
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    with patch.dict(os.environ, environment), mock_aws():
        yield Dynamo(FakeClock())


@pytest.fixture(params=["fake", "dynamodb"])
def both(request: pytest.FixtureRequest) -> tuple[AnyGrants, AnyQuestions]:
    if request.param == "fake":
        questions = FakeQuestions()
        return FakeGrants(questions), questions
    dynamo: Dynamo = request.getfixturevalue("dynamo")
    return dynamo.grants, dynamo.questions


@pytest.fixture
def grants(both: tuple[AnyGrants, AnyQuestions]) -> AnyGrants:
    return both[0]


def keep(grants: AnyGrants, *kept: Grant) -> None:
    """Each as it is, by as many transitions as its version has."""
    for each in kept:
        assert grants.create(each._replace(version=1), Via.SIGV4, told(each))
        for version in range(2, each.version + 1):
            grants.move(each._replace(version=version), "moved", "doorward", START, None)


def test_a_grant_is_kept_once_and_read_back_as_it_was(grants: AnyGrants) -> None:
    assert grants.grant(GRANT_ID) is None
    assert grants.create(REQUESTED, Via.SLACK, told(REQUESTED)) is True
    assert grants.create(REQUESTED._replace(person=JOE), Via.SIGV4, told(REQUESTED)) is False
    assert grants.grant(GRANT_ID) == REQUESTED
    assert grants.grant(GRANT_ID[:-1] + "Z") is None


@pytest.mark.parametrize("state", State)
def test_whatever_it_is_it_is_read_back_as_it_was(grants: AnyGrants, state: State) -> None:
    keep(grants, REQUESTED)
    times: dict[str, Any] = {"starts_at": hours(2), "ends_at": hours(3), "moved_at": START, "opened_at": hours(2.1), "ended_at": hours(2.2)}
    as_it_is = PENDING._replace(state=state, because="Why.", ended_by="906-joe", **times)
    grants.move(as_it_is, str(state), "906-joe slack", START, told(as_it_is))
    assert grants.grant(GRANT_ID) == as_it_is
    assert [each.id for each in grants.standing()] == [GRANT_ID]


def test_one_stands_until_it_is_settled(grants: AnyGrants) -> None:
    over = PENDING._replace(state=State.CANCELLED)
    keep(grants, REQUESTED)
    grants.move(over, "cancelled", "906-joe slack", START, told(over))
    grants.settle(over._replace(version=over.version - 1))
    assert [each.id for each in grants.standing()] == [GRANT_ID]
    for _ in range(2):
        grants.settle(over)
        assert [each.id for each in grants.standing()] == []
        assert grants.grant(GRANT_ID) == over


def test_a_transition_counts_only_over_what_was_read(grants: AnyGrants) -> None:
    with pytest.raises(Conflict):
        grants.move(PENDING, "pending", "doorward", START, None)
    keep(grants, REQUESTED)
    grants.move(PENDING, "pending", "doorward", START, None)
    for stale in (PENDING, PENDING._replace(version=4), PENDING._replace(state=State.REFUSED), REQUESTED):
        with pytest.raises(Conflict):
            grants.move(stale, "refused", "doorward", START, told(stale))
    assert grants.grant(GRANT_ID) == PENDING


def test_grants_are_found_by_who_asked_and_when_and_while_they_stand(grants: AnyGrants) -> None:
    ids = [f"01JZ1M5T00000000000000000{number}" for number in range(5)]
    asked = [START, hours(1), hours(30), hours(24 * 31), hours(24 * 400)]
    kept = [Grant(each, JANE, request(asked_at=at)) for each, at in zip(ids, asked, strict=True)]
    kept[1] = kept[1]._replace(person=JOE)
    kept[2] = kept[2]._replace(state=State.CLOSED, version=2)
    keep(grants, *kept)
    grants.settle(kept[2])
    assert sorted(each.id for each in grants.standing()) == [ids[0], ids[1], ids[3], ids[4]]
    assert [each.id for each in grants.of_person(JANE.user_id, "", 2)] == [ids[4], ids[3]]
    assert [each.id for each in grants.of_person(JANE.user_id, ids[3], 9)] == [ids[2], ids[0]]
    assert list(grants.of_person(ANN.user_id, "", 9)) == []
    assert list(grants.ids_of_person(JANE.user_id, "", 2)) == [ids[4], ids[3]]
    assert list(grants.ids_of_person(JANE.user_id, ids[3], 9)) == [ids[2], ids[0]]
    assert list(grants.ids_of_person(ANN.user_id, "", 9)) == []
    assert list(grants.asked_between(START, hours(24 * 400))) == kept[:4]
    assert [each.id for each in grants.asked_between(hours(1), hours(30))] == [ids[1]]
    assert list(grants.asked_between(hours(2), hours(2))) == []
    assert [each.id for each in grants.asked_between(START, hours(24 * 400), ids[1])] == [ids[2], ids[3]]
    assert list(grants.asked_between(START, hours(24 * 400), ids[3])) == []


def test_a_report_goes_on_where_it_was_whatever_ids_are_like(grants: AnyGrants) -> None:
    """A form in Slack may have its id before it is sent: in another month, and before others that were asked for earlier."""
    first, second = (f"01JZ1M5T00000000000000000{number}" for number in (5, 2))
    keep(grants, Grant(first, JANE, request(asked_at=START)), Grant(second, JANE, request(asked_at=hours(24 * 31))))
    assert [each.id for each in grants.asked_between(START, hours(24 * 32))] == [first, second]
    assert [each.id for each in grants.asked_between(START, hours(24 * 32), first)] == [second]
    assert list(grants.asked_between(START, hours(24 * 32), second)) == []


class TestOpenings:
    def test_what_was_opened_is_kept_with_the_grant_that_becomes_active_and_forgotten_at_its_end(self, grants: AnyGrants) -> None:
        keep(grants, REQUESTED)
        active = PENDING._replace(state=State.ACTIVE, version=3, starts_at=hours(2), ends_at=hours(3))
        grants.move(active._replace(state=State.APPROVED, version=2), "approved", "doorward", START, None)
        assert grants.opening(GRANT_ID) is None
        with pytest.raises(Conflict):
            grants.move(active._replace(version=4), "active", "doorward", START, None)
        assert grants.opening(GRANT_ID) is None
        grants.move(active, "active", "doorward", START, None)
        assert grants.opening(GRANT_ID) == opening_of(active)
        grants.move(active._replace(state=State.ENDING, version=4), "ending", "906-joe sigv4", START, None)
        assert grants.opening(GRANT_ID) == opening_of(active)
        for _ in range(2):
            grants.forget_opening(GRANT_ID)
            assert grants.opening(GRANT_ID) is None


class TestTokens:
    def test_it_is_kept_while_nothing_has_moved_in_place_of_an_earlier_one(self, both: tuple[AnyGrants, AnyQuestions]) -> None:
        grants, questions = both
        keep(grants, PENDING)
        question = question_of(PENDING, START)
        questions.ask(question, "doorward")
        assert grants.token(GRANT_ID) is None
        grants.keep_token(TOKEN, question)
        assert grants.token(GRANT_ID) == TOKEN
        later = TOKEN._replace(sealed=b"another", step=Step.START)
        grants.keep_token(later, None)
        assert grants.token(GRANT_ID) == later

    def test_it_is_not_kept_once_the_grant_has_moved(self, grants: AnyGrants) -> None:
        with pytest.raises(Conflict):
            grants.keep_token(TOKEN, None)
        keep(grants, PENDING)
        for version in (1, 3):
            with pytest.raises(Conflict):
                grants.keep_token(TOKEN._replace(version=version), None)
        assert grants.token(GRANT_ID) is None

    def test_it_is_not_kept_once_the_question_has_moved(self, both: tuple[AnyGrants, AnyQuestions]) -> None:
        grants, questions = both
        keep(grants, PENDING)
        question = question_of(PENDING, START)
        with pytest.raises(Conflict):
            grants.keep_token(TOKEN, question)
        questions.ask(question, "doorward")
        questions.move(question._replace(version=2), "yes", "906-ann sigv4", START)
        with pytest.raises(Conflict):
            grants.keep_token(TOKEN, question)
        assert grants.token(GRANT_ID) is None

    def test_only_the_one_that_is_kept_is_dropped(self, grants: AnyGrants) -> None:
        keep(grants, PENDING)
        grants.drop_token(TOKEN)
        grants.keep_token(TOKEN, None)
        grants.drop_token(TOKEN._replace(sealed=b"another"))
        assert grants.token(GRANT_ID) == TOKEN
        grants.drop_token(TOKEN)
        assert grants.token(GRANT_ID) is None

    def test_every_one_that_is_kept_is_found_of_grants_that_are_over_too_and_among_no_grants(self, grants: AnyGrants) -> None:
        other = TOKEN._replace(grant_id="01JZ1M5T0000000000000OTHER")
        keep(grants, PENDING, PENDING._replace(id=other.grant_id))
        for each in (TOKEN, other):
            grants.keep_token(each, None)
        over = PENDING._replace(state=State.REFUSED, version=3)
        grants.move(over, "refused", "doorward", START, None)
        assert sorted(grants.waiting()) == sorted([TOKEN, other])
        grants.settle(over)
        assert [each.id for each in grants.standing()] == [other.grant_id]
        grants.drop_token(TOKEN)
        assert list(grants.waiting()) == [other]


class TestIssues:
    def test_one_is_used_once_soon_and_read_back_with_what_is_known_of_it(self, grants: AnyGrants) -> None:
        keep(grants, PENDING)
        grants.keep_issue(ISSUED)
        now = ISSUED.at + timedelta(seconds=60)
        used = grants.use_issue(GRANT_ID, ISSUED.id, now)
        assert used == ISSUED._replace(used_at=now)
        assert grants.use_issue(GRANT_ID, ISSUED.id, now) is None
        known = ISSUED._replace(used_at=now, key_hash="cafe", packed_percent=41)
        grants.complete_issue(known)
        assert list(grants.issues(GRANT_ID)) == [known]

    def test_one_that_another_clock_wrote_a_little_ahead_is_used(self, grants: AnyGrants) -> None:
        keep(grants, PENDING)
        grants.keep_issue(ISSUED)
        assert grants.use_issue(GRANT_ID, ISSUED.id, ISSUED.at - timedelta(seconds=5)) is not None

    @pytest.mark.parametrize("seconds", [-3600, -6, 61, 3600])
    def test_one_that_is_too_old_or_of_the_future_is_of_no_use(self, grants: AnyGrants, seconds: int) -> None:
        keep(grants, PENDING)
        grants.keep_issue(ISSUED)
        assert grants.use_issue(GRANT_ID, ISSUED.id, ISSUED.at + timedelta(seconds=seconds)) is None
        assert list(grants.issues(GRANT_ID)) == [ISSUED]

    def test_one_that_is_not_there_is_none(self, grants: AnyGrants) -> None:
        assert grants.use_issue(GRANT_ID, ISSUED.id, ISSUED.at) is None
        assert list(grants.issues(GRANT_ID)) == []

    def test_several_stand_from_the_oldest_whoever_had_them(self, grants: AnyGrants) -> None:
        keep(grants, PENDING)
        other = ISSUED._replace(id="01JZ1M5T0000000000000AAAAA", kind=Kind.CONSOLE, at=hours(1.5), by=Caller(Machine("arn:x"), Via.JWT))
        for each in (other, ISSUED):
            grants.keep_issue(each)
        assert list(grants.issues(GRANT_ID)) == [ISSUED, other]


def test_each_transition_has_its_audit_item_and_what_is_told_in_the_same_transaction(dynamo: Dynamo) -> None:
    keep(dynamo.grants, REQUESTED)
    dynamo.grants.move(PENDING, "pending", "906-joe slack", START, told(PENDING))
    stale = PENDING._replace(state=State.REFUSED)
    with pytest.raises(Conflict):
        dynamo.grants.move(stale, "refused", "doorward", START, Announcement("stale", "GrantRefused", {}, START))
    assert dynamo.audit.head(f"grant {GRANT_ID}").version == 2
    assert dynamo.ledger.pending(f"{GRANT_ID}-1") == told(REQUESTED)
    assert dynamo.ledger.pending(f"{GRANT_ID}-2") == told(PENDING)
    assert dynamo.ledger.pending("stale") is None
    dynamo.grants.keep_issue(ISSUED)
    other = ISSUED._replace(id="01JZ1M5T0000000000000GGGGG")
    dynamo.grants.keep_issue(other)
    assert dynamo.audit.head(f"issues {GRANT_ID}").version == 2
    items = dynamo.client.scan(TableName="audit")["Items"]
    assert {(each["by"]["S"], each["via"]["S"]) for each in items if "by" in each} == {("906-jane", "sigv4"), ("906-joe", "slack")}


def test_the_audit_head_being_elsewhere_cancels_the_transition(dynamo: Dynamo) -> None:
    keep(dynamo.grants, REQUESTED)
    before, refused = dynamo.audit.head(f"grant {GRANT_ID}"), PENDING._replace(state=State.REFUSED, version=3)
    dynamo.grants.move(PENDING, "pending", "doorward", START, None)
    with patch.object(dynamo.audit, "head", return_value=before), pytest.raises(Conflict):
        dynamo.grants.move(refused, "refused", "doorward", START, told(refused))
    assert dynamo.grants.grant(GRANT_ID) == PENDING
    assert dynamo.ledger.pending(f"{GRANT_ID}-3") is None


def test_two_that_are_issued_at_once_are_both_kept_in_one_chain(dynamo: Dynamo) -> None:
    other = ISSUED._replace(id="01JZ1M5T0000000000000GGGGG")
    stale = dynamo.audit.head(f"issues {GRANT_ID}")
    dynamo.grants.keep_issue(other)
    with patch.object(dynamo.audit, "head", side_effect=[stale, dynamo.audit.head(f"issues {GRANT_ID}")]):
        dynamo.grants.keep_issue(ISSUED)
    assert [each.id for each in dynamo.grants.issues(GRANT_ID)] == [ISSUED.id, other.id]
    items = [{name: value["S"] for name, value in each.items()} for each in dynamo.client.scan(TableName="audit")["Items"]]
    chains = read_chains([each for each in items if each["pk"].startswith("AUDIT#")])
    heads, faults = read_heads([each for each in items if each["pk"].startswith("HEADS#")])
    assert (len(heads), chains.faults, faults, list(verify_heads(heads, chains, heads))) == (1, (), (), [])
    with patch.object(dynamo.audit, "head", return_value=stale), pytest.raises(Unavailable):
        dynamo.grants.keep_issue(ISSUED._replace(id="01JZ1M5T0000000000000HHHHH"))


@pytest.mark.parametrize("ends_early", [False, True])
def test_a_life_in_dynamodb_is_told_as_the_schema_says_and_leaves_chains_that_are_whole(dynamo: Dynamo, *, ends_early: bool) -> None:
    """By the use cases, each called twice, as whatever calls them does."""
    world = World()
    world.grants, world.questions = dynamo.grants, dynamo.questions  # type: ignore[assignment]
    grant = world.asked()
    for step in ("check", "decide", "begin", "end"):
        for _ in range(2):
            if step == "decide":
                world.say(grant)
            if step == "end":
                world.end(grant) if ends_early else world.pass_time(hours(1))
            world.step(grant, step)
    states = ["requested", "pending", "approved", "active", "ending", "revoked" if ends_early else "closed"]
    assert world.now(grant).state == states[-1]
    items = [{name: value["S"] for name, value in each.items()} for each in dynamo.client.scan(TableName="audit")["Items"]]
    chains = read_chains([each for each in items if each["pk"].startswith("AUDIT#")])
    heads, faults = read_heads([each for each in items if each["pk"].startswith("HEADS#")])
    assert (chains.faults, faults, list(verify_heads(heads, chains, heads))) == ((), (), [])
    assert [each["what"] for each in items if each["pk"] == f"AUDIT#grant {grant.id}"] == states
    details = [json.loads(each["detail"])["entitlements"] for each in items if each["pk"] == f"AUDIT#grant {grant.id}"]
    assert details == ["", *[world.rules.hash] * 5]
    outbox = [each for each in dynamo.client.scan(TableName="ledger")["Items"] if each["pk"]["S"].startswith("OUTBOX#")]
    told = [dynamo.ledger.announcement(each["pk"]["S"].removeprefix("OUTBOX#")) for each in outbox]
    for each in told:
        assert each is not None
        name = "decisions" if each.detail_type.startswith("Decision") else "grants"
        SCHEMAS[name].validate({"announcement_id": each.id, "announced_at": each.at.isoformat(), **each.detail})
    assert len(told) == 5 + 2


@pytest.fixture(params=["fake", "kms"])
def seals(request: pytest.FixtureRequest) -> FakeTokenSeals | KmsTokenSeals:
    if request.param == "fake":
        return FakeTokenSeals()
    request.getfixturevalue("dynamo")
    kms = boto3.client("kms")
    return KmsTokenSeals(kms, kms.create_key()["KeyMetadata"]["KeyId"])


@pytest.mark.parametrize("token", ["AAAA", "x y=", "A" * 2048], ids=["short", "blank", "longest"])
def test_a_token_is_opened_for_its_own_grant_alone(seals: FakeTokenSeals | KmsTokenSeals, token: str) -> None:
    sealed = Token(GRANT_ID, Step.END, seals.seal(GRANT_ID, token), 3)
    assert token.encode() not in sealed.sealed
    assert seals.open(sealed) == token
    with pytest.raises(DoorwardError):
        seals.open(sealed._replace(grant_id="01JZ1M5T0000000000000ZZZZZ"))


ARN = "arn:aws:states:eu-central-1:111122223333:stateMachine:doorward-grant"
EXECUTION = f"arn:aws:states:eu-central-1:111122223333:execution:doorward-grant:{GRANT_ID}"


def test_an_execution_is_started_once_under_its_grants_id() -> None:
    states = boto3.client("stepfunctions", region_name="eu-central-1")
    asked = {"stateMachineArn": ARN, "name": GRANT_ID, "input": json.dumps({"grant_id": GRANT_ID})}
    with Stubber(states) as stub:
        stub.add_response("start_execution", {"executionArn": EXECUTION, "startDate": START}, asked)
        stub.add_client_error("start_execution", "ExecutionAlreadyExists", expected_params=asked)
        stub.add_client_error("start_execution", "InternalServerError", expected_params=asked)
        executions = StepFunctionsExecutions(states, ARN)
        executions.start(GRANT_ID)
        executions.start(GRANT_ID)
        with pytest.raises(Unavailable):
            executions.start(GRANT_ID)
    fake = FakeExecutions()
    fake.start(GRANT_ID)
    fake.start(GRANT_ID)
    assert fake.started == [GRANT_ID]


@pytest.mark.parametrize("code", ["TaskDoesNotExist", "TaskTimedOut", "InvalidToken"])
def test_with_a_token_with_which_nobody_waits_nobody_is_woken(code: str) -> None:
    states = boto3.client("stepfunctions", region_name="eu-central-1")
    asked = {"taskToken": "AAAA", "output": "{}"}
    with Stubber(states) as stub:
        stub.add_response("send_task_success", {}, asked)
        stub.add_client_error("send_task_success", code, expected_params=asked)
        stub.add_client_error("send_task_success", "KmsThrottlingException", expected_params=asked)
        executions = StepFunctionsExecutions(states, ARN)
        assert executions.wake("AAAA") is True
        assert executions.wake("AAAA") is False
        with pytest.raises(Unavailable) as failed:
            executions.wake("AAAA")
    assert "AAAA" not in str(failed.value)
    fake = FakeExecutions(waiting={"AAAA"})
    assert [fake.wake("AAAA"), fake.wake("AAAA")] == [True, False]


@pytest.mark.parametrize(("status", "runs"), [("RUNNING", True), ("SUCCEEDED", False), ("FAILED", False), ("ABORTED", False)])
def test_whether_an_execution_runs_is_known_while_it_is_kept(status: str, runs: bool) -> None:
    """And nothing is asked for that its machine's key encrypts: whoever reconciles may not decrypt it."""
    asked = {"executionArn": EXECUTION, "includedData": "METADATA_ONLY"}
    states = boto3.client("stepfunctions", region_name="eu-central-1")
    with Stubber(states) as stub:
        found = {"executionArn": EXECUTION, "stateMachineArn": ARN, "status": status, "startDate": START}
        stub.add_response("describe_execution", found, asked)
        stub.add_client_error("describe_execution", "ExecutionDoesNotExist", expected_params=asked)
        executions = StepFunctionsExecutions(states, ARN)
        assert executions.is_running(GRANT_ID) is runs
        assert executions.is_running(GRANT_ID) is None
