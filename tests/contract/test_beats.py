"""What every memory of heartbeats owes, the fake and DynamoDB alike; and how the canaries beat."""

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from doorward.aws.beats import DynamoBeats
from doorward.aws.canaries import StsCanaries
from doorward.aws.members import Members
from doorward.errors import Misconfigured, Throttled
from doorward.guard.heartbeats import IAM_EVENTS, Gap, Pulse, Sent, Silence, Spot
from tests.contract.tables import create_table
from tests.fakes import START, FakeBeats, FakeClock

type AnyBeats = FakeBeats | DynamoBeats

PROD, STAGING = "777788889999", "222233334444"
HERE = Spot(PROD, "us-east-1")
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(params=["fake", "dynamodb"])
def beats(request: pytest.FixtureRequest) -> Iterator[AnyBeats]:
    if request.param == "fake":
        yield FakeBeats()
        return
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        client = boto3.client("dynamodb")
        create_table(client, "facts", "FactsTable")
        yield DynamoBeats(client, "facts", FakeClock())


def test_a_beat_came_back_in_its_own_account_and_region_alone_however_often(beats: AnyBeats) -> None:
    for _ in range(2):
        beats.seen(PROD, "us-east-1", "n-1", START)
    beats.seen(PROD, "eu-west-1", "n-2", START)
    beats.seen(STAGING, "us-east-1", "n-3", START)
    asked = {HERE: ["n-1", "n-2", "n-3"], Spot(PROD, "eu-west-1"): ["n-1", "n-2"], Spot(STAGING, IAM_EVENTS): ["n-3"]}
    assert beats.came_back(asked) == {HERE: frozenset({"n-1"}), Spot(PROD, "eu-west-1"): frozenset({"n-2"})}


def test_a_pulse_is_kept_as_it_was(beats: AnyBeats) -> None:
    sent = (Sent("n-1", START), Sent("n-2", START + timedelta(seconds=300)))
    pulses = {
        HERE: Pulse(sent, START - timedelta(seconds=1), Gap("n-1", START, "no role"), "no role"),
        Spot(STAGING, IAM_EVENTS): Pulse(),
    }
    beats.keep(pulses)
    assert beats.pulses([*pulses, Spot(PROD, "eu-west-1")]) == pulses
    beats.keep({HERE: Pulse()})
    assert beats.pulses([HERE]) == {HERE: Pulse()}


def test_silences_of_an_account_are_kept_as_they_were(beats: AnyBeats) -> None:
    assert beats.silences([PROD]) == {}
    several = (
        Silence("us-east-1", Gap("n-1", START, "no role"), ("us-east-1", IAM_EVENTS)),
        Silence("eu-west-1", Gap("n-2", START), ("eu-west-1",)),
    )
    beats.keep_silences({PROD: several, STAGING: ()})
    assert beats.silences([PROD, STAGING]) == {PROD: several, STAGING: ()}
    beats.keep_silences({PROD: several[1:]})
    assert beats.silences([PROD]) == {PROD: several[1:]}


def test_many_are_kept_and_read_at_once(beats: AnyBeats) -> None:
    pulses = {Spot(str(100_000_000_000 + each), "us-east-1"): Pulse((Sent(f"n-{each}", START),)) for each in range(130)}
    beats.keep(pulses)
    for spot, pulse in pulses.items():
        beats.seen(*spot, pulse.sent[0].nonce, START)
    assert beats.pulses(list(pulses)) == pulses
    assert len(beats.came_back({spot: [pulse.sent[0].nonce] for spot, pulse in pulses.items()})) == 130


def test_regions_are_kept_with_when_they_were_read(beats: AnyBeats) -> None:
    assert beats.regions([PROD]) == {}
    beats.keep_regions(PROD, ["eu-west-1", "us-east-1"], START)
    assert beats.regions([PROD, STAGING]) == {PROD: (START, ("eu-west-1", "us-east-1"))}


def _answer() -> dict[str, Any]:
    return {
        "Credentials": {
            "AccessKeyId": "ASIAEXAMPLEEXAMPLE00",
            "SecretAccessKey": "s" * 40,
            "SessionToken": "t" * 100,
            "Expiration": START + timedelta(seconds=900),
        }
    }


def _asks(account_id: str, nonce: str) -> dict[str, Any]:
    return {
        "RoleArn": f"arn:aws:iam::{account_id}:role/doorward/doorward-canary",
        "RoleSessionName": f"hb-{nonce}",
        "ExternalId": "own-external-id",
        "DurationSeconds": 900,
    }


def test_a_beat_is_an_assumption_of_the_canary_role_by_the_regions_own_endpoint_with_the_nonce_as_its_name() -> None:
    with patch.dict(os.environ, ENVIRONMENT):
        clients = {region: boto3.client("sts", region_name=region) for region in ("us-east-1", "eu-west-1")}
        with Stubber(clients["us-east-1"]) as home, Stubber(clients["eu-west-1"]) as abroad:
            home.add_response("assume_role", _answer(), _asks(PROD, "n-1"))
            abroad.add_response("assume_role", _answer(), _asks(PROD, "n-2"))
            members = {region: Members(client, lambda: "own-external-id", FakeClock()) for region, client in clients.items()}
            failed = StsCanaries(members.__getitem__, "us-east-1").beat({HERE: "n-1", Spot(PROD, "eu-west-1"): "n-2"})
            home.assert_no_pending_responses()
            abroad.assert_no_pending_responses()
    assert failed == {}


def test_a_beat_of_iam_tags_the_canary_role_itself() -> None:
    with patch.dict(os.environ, ENVIRONMENT):
        sts = boto3.client("sts")
        with Stubber(sts) as stub, patch("doorward.aws.members.boto3.client") as client:
            stub.add_response("assume_role", _answer(), _asks(PROD, "n-1"))
            canaries = StsCanaries(lambda _region: Members(sts, lambda: "own-external-id", FakeClock()), "us-east-1")
            assert canaries.beat({Spot(PROD, IAM_EVENTS): "n-1"}) == {}
            client.return_value.tag_role.assert_called_once_with(
                RoleName="doorward-canary", Tags=[{"Key": "doorward-heartbeat", "Value": "n-1"}]
            )


@pytest.mark.parametrize(("code", "failure"), [("AccessDenied", Misconfigured), ("Throttling", Throttled)])
def test_who_cannot_be_beaten_keeps_no_other_from_it(code: str, failure: type[Exception]) -> None:
    with patch.dict(os.environ, ENVIRONMENT):
        clients = {region: boto3.client("sts", region_name=region) for region in ("us-east-1", "eu-west-1")}
        with Stubber(clients["us-east-1"]) as home, Stubber(clients["eu-west-1"]) as abroad:
            home.add_client_error("assume_role", code, "no")
            abroad.add_response("assume_role", _answer(), _asks(STAGING, "n-2"))
            members = {region: Members(client, lambda: "own-external-id", FakeClock()) for region, client in clients.items()}
            failed = StsCanaries(members.__getitem__, "us-east-1").beat({HERE: "n-1", Spot(STAGING, "eu-west-1"): "n-2"})
    assert {spot: type(error) for spot, error in failed.items()} == {HERE: failure}
    assert "own-external-id" not in str(failed[HERE])
