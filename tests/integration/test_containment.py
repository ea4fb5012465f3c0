"""An author who has spent his budget, in two accounts: from his change to the service control policy that stops him."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from doorward.guardrails.brakes import BUDGET, hour_of
from doorward.guardrails.containment import CONTAINED
from local.chapters.reaction import under_scp
from local.installation import Installation, trusting
from local.world import HUB, MANAGEMENT, PROD, STRANGER
from tests.integration.emulated import allowing, unique, user

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]


def decided(scp: Any, caller: str) -> str:
    return under_scp(scp, caller, PROD)


def test_whoever_has_spent_his_budget_is_denied_everything_in_his_account(doorward: Installation) -> None:
    stack = doorward.stack
    key = user(stack, PROD.id, allowing("iam:*", "*"))
    author = str(stack.client("sts", PROD.id, **key).get_caller_identity()["Arn"])
    _policy_id, before, nowhere = doorward.contained()
    assert (decided(before, author), nowhere) == ("allowed", [])
    _spend(doorward, author)
    name = unique("junk")
    document = json.dumps(trusting(f"arn:aws:iam::{STRANGER.id}:root"))
    stack.client("iam", PROD.id, **key).create_role(RoleName=name, AssumeRolePolicyDocument=document)
    stack.until(lambda: [each for each in doorward.alerts(CONTAINED) if each.detail["principal"] == author], f"{author} to be contained")
    try:
        policy_id, after, accounts = doorward.contained()
        assert accounts == [PROD.id]
        assert decided(after, author) == "explicitly_denied"
        assert decided(after, f"arn:aws:iam::{PROD.id}:user/jane") == "allowed"
    finally:  # as docs/runbooks/breaker.md tells people to
        organizations = stack.client("organizations", MANAGEMENT.id)
        organizations.update_policy(PolicyId=policy_id, Content=json.dumps(before))
        organizations.detach_policy(PolicyId=policy_id, TargetId=PROD.id)


def _spend(doorward: Installation, author: str) -> None:
    """As if as many of his changes had been undone within this hour. Two hours: one may end just now."""
    dynamodb, now = doorward.stack.client("dynamodb", HUB.id), datetime.now(UTC)
    for hour in {hour_of(now), hour_of(now.replace(hour=(now.hour + 1) % 24))}:
        for severity in ("high", "critical"):
            item = {"pk": {"S": f"BUDGET#{author}/{severity}#{hour}"}, "sk": {"S": "BUDGET"}, "spent": {"N": str(BUDGET)}}
            dynamodb.put_item(TableName=doorward.outputs["LedgerTableName"], Item=item)
