"""The real sweep over twenty accounts of the local stack: the state machine, its functions, and the roles that they enter."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from local.installation import Installation, trusting
from local.world import HUB, MANAGEMENT, ORGANIZATION, REGION, STRANGER, Account
from tests.integration.test_organization import known

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

SWEEP: Final = f"arn:aws:states:{REGION}:{HUB.id}:stateMachine:doorward-sweep"
ACCOUNTS: Final = 20
ROLES: Final = 3


def until[T](look: Callable[[], T | None], what: str, seconds: float = 120) -> T:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.25)
    pytest.fail(f"not within {seconds:.0f} s: {what}")


@pytest.fixture(scope="module")
def accounts(doorward: Installation) -> list[Account]:
    """The organization grown to twenty, each with its stack and some roles."""
    organizations = doorward.stack.client("organizations", MANAGEMENT.id)
    grown = list(ORGANIZATION)
    while len(grown) < ACCOUNTS:
        name = f"team-{len(grown)}"
        created = organizations.create_account(Email=f"{name}@example.com", AccountName=name)["CreateAccountStatus"]["AccountId"]
        grown.append(Account(created, name, "/"))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(doorward.deploy_account, grown[len(ORGANIZATION) :]))
    for account in grown[len(ORGANIZATION) :]:
        iam = doorward.stack.client("iam", account.id)
        for number in range(ROLES):
            iam.create_role(RoleName=f"app-{number}", AssumeRolePolicyDocument=json.dumps(trusting(f"arn:aws:iam::{account.id}:root")))
    return grown


def sweep(doorward: Installation, accounts: list[Account]) -> None:
    states = doorward.stack.client("stepfunctions", HUB.id)
    asked = {"accounts": [each.id for each in accounts], "because": "A test."}
    execution = states.start_execution(stateMachineArn=SWEEP, input=json.dumps(asked))["executionArn"]

    def ended() -> dict[str, Any] | None:
        answer: dict[str, Any] = states.describe_execution(executionArn=execution)
        return answer if answer["status"] != "RUNNING" else None

    answer = until(ended, "the end of the sweep")
    assert answer["status"] == "SUCCEEDED", answer


def knows(doorward: Installation, accounts: list[Account]) -> bool:
    read = known(doorward)
    return all(read.account(each.id) is not None for each in accounts)


def inventory(doorward: Installation) -> dict[str, str]:
    """When each account was last swept."""
    answer = doorward.stack.client("dynamodb", HUB.id).query(
        TableName=doorward.outputs["FactsTableName"],
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "INVENTORY"}},
    )
    return {each["sk"]["S"]: each["at"]["S"] for each in answer["Items"]}


def test_twenty_accounts_are_swept_and_a_change_whose_event_never_came_is_found(doorward: Installation, accounts: list[Account]) -> None:
    until(lambda: knows(doorward, accounts), "the organization with twenty accounts")
    sweep(doorward, accounts)
    first = inventory(doorward)
    assert {each.id for each in accounts} <= set(first)
    # An account that goes silent: its rule is off, and a role is opened to a stranger.
    last = accounts[-1]
    doorward.stack.client("events", last.id).disable_rule(Name="doorward-changes")
    opened = json.dumps(trusting(f"arn:aws:iam::{STRANGER.id}:root"))
    doorward.stack.client("iam", last.id).update_assume_role_policy(RoleName="app-1", PolicyDocument=opened)
    ref = f"{last.id}/app-1"
    assert doorward.cases(ref) == []
    sweep(doorward, accounts)
    assert all(inventory(doorward)[each.id] > first[each.id] for each in accounts)
    (case,) = until(lambda: doorward.cases(ref), "the finding")
    assert STRANGER.id in case["found_document"]
    assert doorward.trust_policy(last, "app-1") == json.loads(opened)  # nobody has adopted the account: it is only observed
    until(lambda: doorward.outcomes(ref, "Hint"), "what came of the hint")
    assert doorward.outcomes(ref, "UpdateAssumeRolePolicy") == []
