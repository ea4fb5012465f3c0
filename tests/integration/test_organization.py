"""The organization and its heartbeats on the local stack, through the real functions and roles."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from doorward.aws.organization_facts import DynamoOrganizationStore
from doorward.guard.heartbeats import IAM_EVENTS
from doorward.organization.facts import OrganizationFacts
from doorward.ports.organization import REFRESH
from local.installation import Installation
from local.stack import rules_off
from local.world import HUB, MANAGEMENT, ORGANIZATION, PROD, REGION, SHARED_SERVICES, STAGING, STRANGER, regions_of
from tests.integration.emulated import ALL_MANAGEMENT_EVENTS, listen, role, root_of, trusting, unique

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]


def until[T](look: Callable[[], T | None], what: str, seconds: float = 60) -> T:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.25)
    pytest.fail(f"not within {seconds:.0f} s: {what}")


def facts(doorward: Installation) -> OrganizationFacts | None:
    store = DynamoOrganizationStore(doorward.stack.client("dynamodb", HUB.id), doorward.outputs["FactsTableName"])
    kept = store.load()
    return None if kept is None else kept.facts


def let_a_minute_pass(doorward: Installation) -> None:
    """Since the last read of the organization: the next one need not be put off."""
    doorward.stack.client("dynamodb", HUB.id).delete_item(
        TableName=doorward.outputs["FactsTableName"], Key={"pk": {"S": "ORGANIZATION"}, "sk": {"S": "TURN"}}
    )


def until_read[T](doorward: Installation, look: Callable[[], T | None], what: str) -> T:
    """Reads are a minute apart, and any event of an unknown account calls for one: here a minute passes whenever nothing has come of it."""

    def read_again() -> T | None:
        let_a_minute_pass(doorward)
        doorward.stack.client("sqs", HUB.id).send_message(
            QueueUrl=doorward.outputs["OrganizationQueueUrl"], MessageBody=json.dumps({"format": REFRESH, "because": "A test"})
        )
        end = time.monotonic() + 3
        while time.monotonic() < end:
            found = look()
            if found:
                return found
            time.sleep(0.25)
        return None

    return until(read_again, what)


def known(doorward: Installation) -> OrganizationFacts:
    """The organization, after a read of its own."""
    before = facts(doorward)

    def newer() -> OrganizationFacts | None:
        now = facts(doorward)
        return now if now is not None and (before is None or now.read_at > before.read_at) else None

    return until_read(doorward, newer, "a read of the organization")


def told_of(doorward: Installation, detection: str, account_id: str) -> Mapping[str, Any] | None:
    """The alert of this detection that names the account."""
    return next((each.detail for each in doorward.alerts(detection) if account_id in each.detail["because"]), None)


def test_the_organization_is_read_through_the_read_role_of_the_management_account(doorward: Installation) -> None:
    read = known(doorward)
    assert read.management_account == MANAGEMENT.id
    assert {each.id for each in ORGANIZATION} <= {each.id for each in read.accounts}
    prod = read.account(PROD.id)
    assert prod is not None
    assert prod.ou == PROD.ou
    assert any(each.name == "FullAWSAccess" for each in read.policies)


def test_an_account_that_joins_is_known_told_of_and_looked_at(doorward: Installation) -> None:
    known_before = known(doorward)
    organizations = doorward.stack.client("organizations", MANAGEMENT.id)
    created = organizations.create_account(Email="joiner@example.com", AccountName="joiner")["CreateAccountStatus"]["AccountId"]
    detail = until_read(doorward, lambda: told_of(doorward, "account-joined", created), "account-joined")
    assert detail["account"] == {"id": created, "name": "joiner"}
    until_read(doorward, lambda: (facts(doorward) or known_before).account(created), "the account among the facts")
    until(lambda: doorward.sweeps(created), "a sweep of it alone")
    # Its stack is not there yet.
    unreadable = until(lambda: told_of(doorward, "account-unreadable", created), "account-unreadable")
    assert "accounts/member.yaml" in json.dumps(unreadable)


def test_an_account_that_is_moved_is_judged_anew(doorward: Installation) -> None:
    """One whose folder no guardrail names: functions know for a minute what they knew, and other tests follow this one."""
    before = known(doorward)
    moved = before.account(SHARED_SERVICES.id)
    assert moved is not None
    organizations = doorward.stack.client("organizations", MANAGEMENT.id)
    organizations.move_account(AccountId=SHARED_SERVICES.id, SourceParentId=moved.units[-1], DestinationParentId=before.root)
    try:
        detail = until_read(doorward, lambda: told_of(doorward, "account-moved", SHARED_SERVICES.id), "account-moved")
        assert detail["account"]["id"] == SHARED_SERVICES.id
        assert {each["name"] for each in detail["events"]} <= {"MoveAccount"}  # none, where a read came before the event
        until(
            lambda: [each for each in doorward.ledger() if each.get("event_name") == "Hint" and SHARED_SERVICES.id in each["pk"]],
            "its roles judged anew",
        )
    finally:
        organizations.move_account(AccountId=SHARED_SERVICES.id, SourceParentId=before.root, DestinationParentId=moved.units[-1])


def test_a_heartbeat_comes_back_from_every_account_that_it_was_sent_to(doorward: Installation) -> None:
    stack = doorward.stack
    known(doorward)
    pattern = {"detail": {"eventName": ["AssumeRole"], "requestParameters": {"roleSessionName": [{"prefix": "hb-"}]}}}
    inbox = listen(stack, HUB.id, pattern, bus="doorward", state=ALL_MANAGEMENT_EVENTS)
    doorward.invoke("SendHeartbeatsFunction")
    items = {
        item["pk"]["S"]: json.loads(item["pulse"]["S"])
        for item in stack.client("dynamodb", HUB.id).scan(TableName=doorward.outputs["FactsTableName"])["Items"]
        if item["sk"]["S"] == "PULSE"
    }
    beaten = {each.id: items[f"BEAT#{each.id}#{REGION}"] for each in ORGANIZATION}
    assert {account_id: pulse["refused"] for account_id, pulse in beaten.items()} == dict.fromkeys(beaten)
    sent = {(account_id, f"hb-{pulse['sent'][-1][0]}") for account_id, pulse in beaten.items()}
    copies = inbox.wait(2 * len(sent), seconds=10)
    assert sent <= {(each["account"], each["detail"]["requestParameters"]["roleSessionName"]) for each in copies}


def test_an_account_whose_heartbeats_stay_out_is_told_of_and_swept_and_told_of_again_when_it_is_heard(doorward: Installation) -> None:
    known(doorward)
    long_ago = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
    pulse = {"sent": [[unique("lost"), long_ago]], "alive_at": None, "gap": None, "refused": None}
    key = {"pk": {"S": f"BEAT#{STAGING.id}#{REGION}"}, "sk": {"S": "PULSE"}}
    doorward.stack.client("dynamodb", HUB.id).put_item(
        TableName=doorward.outputs["FactsTableName"], Item={**key, "pulse": {"S": json.dumps(pulse)}}
    )
    swept = len(doorward.sweeps(STAGING.id))
    doorward.invoke("SendHeartbeatsFunction")
    assert told_of(doorward, "heartbeat-missed", STAGING.id)
    assert len(doorward.sweeps(STAGING.id)) == swept + 1

    def ended() -> bool:
        doorward.invoke("SendHeartbeatsFunction")
        told = [each for each in doorward.alerts("heartbeat-missed") if each.detail["account"]["id"] == STAGING.id]
        return any(each.detail_type == "GuardProblemEnded" for each in told)

    until(ended, "the end of the silence")


def test_where_the_organization_was_never_read_the_first_heartbeat_has_it_read(doorward: Installation) -> None:
    dynamodb, table = doorward.stack.client("dynamodb", HUB.id), doorward.outputs["FactsTableName"]
    known(doorward)
    kept = dynamodb.query(TableName=table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": "ORGANIZATION"}})[
        "Items"
    ]
    for item in kept:
        dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
    assert facts(doorward) is None
    with doorward.configured("SendHeartbeatsFunction"):  # afresh: a function knows for a minute what it knew
        doorward.invoke("SendHeartbeatsFunction")
    until(lambda: facts(doorward), "the organization to be read")


def test_once_an_hour_every_region_is_beaten_and_by_a_change_of_iam(doorward: Installation) -> None:
    known(doorward)
    with doorward.configured("SendHeartbeatsFunction", HEARTBEAT_MINUTES="60"):  # so that each turn is the one in the hour
        doorward.invoke("SendHeartbeatsFunction")
    pulses = doorward.stack.client("dynamodb", HUB.id).scan(TableName=doorward.outputs["FactsTableName"])["Items"]
    beaten = {item["pk"]["S"] for item in pulses if item["sk"]["S"] == "PULSE"}
    assert {f"BEAT#{each.id}#{spot}" for each in ORGANIZATION for spot in (*regions_of(each.id), IAM_EVENTS)} <= beaten


def test_a_sweep_has_a_door_judged_that_no_event_told_of(doorward: Installation) -> None:
    stack = doorward.stack
    known(doorward)
    sweep(doorward)
    rules = stack.client("events", PROD.id)
    forwarding = [each["Name"] for each in rules.list_rules(NamePrefix="doorward-")["Rules"]]
    name = unique("unseen")
    pattern = {"source": ["aws.iam"], "detail": {"eventName": ["CreateRole"], "requestParameters": {"roleName": [name]}}}
    told = listen(stack, PROD.id, pattern)
    until(lambda: not running_sweeps(doorward), "the end of every other sweep, which would see it")
    with rules_off(rules, *forwarding):
        role(stack, PROD.id, trusting(root_of(STRANGER.id)), name=name)
        assert told.wait(seconds=30), "the event comes a moment after the call: what listens again by then would forward it"
    assert doorward.cases(f"{PROD.id}/{name}") == []
    sweep(doorward)
    until(lambda: doorward.cases(f"{PROD.id}/{name}"), "a case about the door")


def running_sweeps(doorward: Installation) -> list[str]:
    states = doorward.stack.client("stepfunctions", HUB.id)
    answer = states.list_executions(stateMachineArn=doorward.outputs["SweepArn"], statusFilter="RUNNING")
    return [each["executionArn"] for each in answer["executions"]]


def sweep(doorward: Installation) -> None:
    """The state machine from its start to its end, over every account."""
    states = doorward.stack.client("stepfunctions", HUB.id)
    started = states.start_execution(stateMachineArn=doorward.outputs["SweepArn"], input="{}")["executionArn"]
    until(lambda: states.describe_execution(executionArn=started)["status"] != "RUNNING", "the end of the sweep")
    assert states.describe_execution(executionArn=started)["status"] == "SUCCEEDED"
    dynamodb = doorward.stack.client("dynamodb", HUB.id)
    items = dynamodb.scan(TableName=doorward.outputs["FactsTableName"])["Items"]
    swept = {each["sk"]["S"] for each in items if each["pk"]["S"] == "INVENTORY"}
    assert {each.id for each in ORGANIZATION} <= swept
