"""The organization and its heartbeats on the local stack, through the real functions and roles."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from doorward.aws.organization_facts import DynamoOrganizationStore
from doorward.organization.facts import OrganizationFacts
from doorward.ports.organization import REFRESH
from local.installation import Installation
from local.world import HUB, MANAGEMENT, ORGANIZATION, PROD, REGION, STAGING
from tests.integration.emulated import ALL_MANAGEMENT_EVENTS, listen

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


def a_minute_passes(doorward: Installation) -> None:
    """Since the last read of the organization."""
    doorward.stack.client("dynamodb", HUB.id).delete_item(
        TableName=doorward.outputs["FactsTableName"], Key={"pk": {"S": "ORGANIZATION"}, "sk": {"S": "TURN"}}
    )


def known(doorward: Installation) -> OrganizationFacts:
    """The organization, after a read of its own."""
    before = facts(doorward)
    a_minute_passes(doorward)
    doorward.stack.client("sqs", HUB.id).send_message(
        QueueUrl=doorward.outputs["OrganizationQueueUrl"], MessageBody=json.dumps({"format": REFRESH, "because": "A test"})
    )

    def newer() -> OrganizationFacts | None:
        now = facts(doorward)
        return now if now is not None and (before is None or now.read_at > before.read_at) else None

    return until(newer, "a read of the organization")


def told_of(doorward: Installation, detection: str, account_id: str) -> dict[str, Any] | None:
    """The alert of this detection that names the account."""
    details = [json.loads(each["detail"]) for each in doorward.ledger() if each["pk"].startswith("OUTBOX#") and "detail" in each]
    return next((each for each in details if each.get("detection") == detection and account_id in each["because"]), None)


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
    a_minute_passes(doorward)
    organizations = doorward.stack.client("organizations", MANAGEMENT.id)
    created = organizations.create_account(Email="joiner@example.com", AccountName="joiner")["CreateAccountStatus"]["AccountId"]
    detail = until(lambda: told_of(doorward, "account-joined", created), "account-joined")
    assert detail["account"] == {"id": created, "name": "joiner"}
    until(lambda: (facts(doorward) or known_before).account(created), "the account among the facts", seconds=20)
    # Its stack is not there yet: the look at its roles ends among the dead letters, with what to deploy.
    until(lambda: [each for each in doorward.dead_letters() if created in each[0] and "doorward-read" in each[1]], "the look at its roles")


def test_an_account_that_is_moved_is_judged_anew(doorward: Installation) -> None:
    before = known(doorward)
    staging = before.account(STAGING.id)
    assert staging is not None
    organizations = doorward.stack.client("organizations", MANAGEMENT.id)
    a_minute_passes(doorward)
    organizations.move_account(AccountId=STAGING.id, SourceParentId=staging.units[-1], DestinationParentId=before.root)
    try:
        detail = until(lambda: told_of(doorward, "account-moved", STAGING.id), "account-moved")
        assert detail["events"][0]["name"] == "MoveAccount"
        until(
            lambda: [each for each in doorward.ledger() if each.get("event_name") == "Hint" and STAGING.id in each["pk"]],
            "its roles judged anew",
        )
    finally:
        organizations.move_account(AccountId=STAGING.id, SourceParentId=before.root, DestinationParentId=staging.units[-1])


def test_a_heartbeat_comes_back_from_every_account_that_it_was_sent_to(doorward: Installation) -> None:
    stack = doorward.stack
    known(doorward)
    pattern = {"detail": {"eventName": ["AssumeRole"], "requestParameters": {"roleSessionName": [{"prefix": "hb-"}]}}}
    inbox = listen(stack, HUB.id, pattern, bus="doorward", state=ALL_MANAGEMENT_EVENTS)
    answer = stack.client("lambda", HUB.id).invoke(FunctionName=_function(doorward, "SendHeartbeatsFunction"), Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()
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


def _function(doorward: Installation, logical_id: str) -> str:
    stack = doorward.stack.client("cloudformation", HUB.id)
    answer = stack.describe_stack_resource(StackName="doorward", LogicalResourceId=logical_id)
    return str(answer["StackResourceDetail"]["PhysicalResourceId"])
