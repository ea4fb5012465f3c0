"""Who reads or writes Slack's signing secret: the table of guard/signing_secret.py, and what watch_guard makes of it."""

import json
from typing import Any

import pytest

from doorward.guard.ours import Ours
from doorward.guard.signing_secret import SigningSecret
from doorward.organization.model import Account, Organization
from doorward.people.model import BY_SLACK
from doorward.usecases.watch_guard import Tools, watch_guard
from tests.fakes import FakeClock, FakeLedger, FakeSuspensions

HUB = "111122223333"
ARN = f"arn:aws:secretsmanager:us-east-1:{HUB}:secret:doorward/slack-signing-AbCdEf"
ROLE, FUNCTION = f"arn:aws:iam::{HUB}:role/doorward/doorward-receive-slack", "doorward-ReceiveSlackFunction-1A2B"
SECRET = SigningSecret(ARN, ROLE, FUNCTION)
WRITES = ["PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage", "RotateSecret", "ReplicateSecretToRegions"]


class World:
    def __init__(self, secret: SigningSecret | None = SECRET) -> None:
        self.clock, self.suspensions = FakeClock(), FakeSuspensions()
        self.ledger = FakeLedger(self.clock)
        organization = Organization(id="o-a1b2c3d4e5", accounts=(Account(HUB, "hub"),))
        self.tools = Tools(self.ledger, self.clock, organization, Ours(HUB, "doorward", frozenset({ARN})), self.suspensions, secret)

    def watch(self, message: str) -> None:
        watch_guard(message, self.tools)

    @property
    def told(self) -> list[tuple[str, str]]:
        details = [each.detail for each in self.ledger.outbox.values()]
        return sorted((each["severity"], each["detection"]) for each in details)

    @property
    def suspended(self) -> bool:
        return self.suspensions.of(BY_SLACK) is not None


def call(name: str, secret_id: str | None = ARN, by: str = ROLE, session: str = "somebody", error: str | None = None, **more: Any) -> str:
    """`secret_id` None: the event hides it."""
    issuer = {"type": "Role", "arn": by, "accountId": HUB, "principalId": "AROAEXAMPLEEXAMPLE123", "userName": by.rpartition("/")[2]}
    detail = {
        "eventID": "0e1f2a3b-1111-2222-3333-444455556666",
        "eventTime": "2026-11-25T12:00:00Z",
        "eventName": name,
        "eventSource": "secretsmanager.amazonaws.com",
        "awsRegion": "us-east-1",
        "recipientAccountId": HUB,
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": f"AROAEXAMPLEEXAMPLE123:{session}",
            "arn": f"arn:aws:sts::{HUB}:assumed-role/{by.rpartition('/')[2]}/{session}",
            "accountId": HUB,
            "sessionContext": {"sessionIssuer": issuer},
        },
        "requestParameters": {"secretId": secret_id},
        "responseElements": None,
        **({"errorCode": error, "errorMessage": "no"} if error else {}),
        **more,
    }
    if secret_id is None:
        detail |= {"requestParameters": {"omitted": True, "originalSize": 200_000}}
    kind = "AWS API Call via CloudTrail"
    return json.dumps({"source": "aws.secretsmanager", "detail-type": kind, "account": HUB, "region": "us-east-1", "detail": detail})


@pytest.mark.parametrize("secret_id", [ARN, ARN[:-7], "doorward/slack-signing", "doorward/slack-signing-AbCdEf"])
def test_whoever_else_reads_it_ends_decisions_by_slack_and_everybody_is_paged(secret_id: str) -> None:
    world = World()
    world.watch(call("GetSecretValue", secret_id, by=f"arn:aws:iam::{HUB}:role/admin"))
    assert world.suspended
    assert world.told == [("critical", "slack-suspended")]


def test_the_function_that_checks_signatures_reads_it_all_day() -> None:
    world = World()
    world.watch(call("GetSecretValue", session=FUNCTION))
    assert (world.suspended, world.told) == (False, [])


@pytest.mark.parametrize(
    ("by", "session"),
    [
        (ROLE, "doorward-ReceiveSlackFunction-1A2"),  # its role, in something else
        (f"arn:aws:iam::{HUB}:role/doorward-receive-slack", FUNCTION),  # another path
        ("arn:aws:iam::777788889999:role/doorward/doorward-receive-slack", FUNCTION),  # another account
        (f"arn:aws:iam::{HUB}:role/doorward/doorward-notify-people", FUNCTION),
    ],
)
def test_nobody_else_passes_for_it(by: str, session: str) -> None:
    world = World()
    world.watch(call("GetSecretValue", by=by, session=session))
    assert world.suspended


@pytest.mark.parametrize("name", WRITES)
def test_whoever_writes_or_copies_it_knows_it_even_the_function(name: str) -> None:
    world = World()
    world.watch(call(name, session=FUNCTION))
    assert world.suspended
    assert ("critical", "slack-suspended") in world.told


@pytest.mark.parametrize("name", ["GetSecretValue", *WRITES])
def test_what_was_refused_suspends_nothing_and_is_told(name: str) -> None:
    world = World()
    world.watch(call(name, by=f"arn:aws:iam::{HUB}:role/admin", error="AccessDeniedException"))
    assert not world.suspended
    assert len(world.told) == 1


@pytest.mark.parametrize("secret_id", ["doorward/slack", "slack-signing", "doorward/slack-signing-other", ARN.replace("slack", "token")])
def test_another_secret_is_none_of_its_business(secret_id: str) -> None:
    world = World()
    world.watch(call("GetSecretValue", secret_id, by=f"arn:aws:iam::{HUB}:role/admin"))
    assert (world.suspended, world.told) == (False, [])


def test_a_call_that_hides_what_it_is_about_may_be_about_it() -> None:
    world = World()
    world.watch(call("PutSecretValue", None, by=f"arn:aws:iam::{HUB}:role/admin"))
    assert world.suspended


def test_without_slack_nothing_is_suspended() -> None:
    world = World(secret=None)
    world.watch(call("GetSecretValue", by=f"arn:aws:iam::{HUB}:role/admin"))
    assert (world.suspended, world.told) == (False, [])


def test_the_same_event_again_is_told_once_and_suspends_nothing_that_was_ended() -> None:
    world = World()
    message = call("GetSecretValue", by=f"arn:aws:iam::{HUB}:role/admin")
    world.watch(message)
    suspension = world.suspensions.of(BY_SLACK)
    assert suspension is not None
    world.suspensions.ended.add(suspension.change)
    world.watch(message)
    assert (world.suspended, len(world.told)) == (False, 1)
