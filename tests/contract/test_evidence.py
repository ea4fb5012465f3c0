"""What whoever keeps evidence owes, the fake and S3 with DynamoDB alike."""

import base64
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from doorward.aws.evidence import LEASE, S3Evidence
from doorward.errors import Conflict, MalformedInput, Misconfigured
from doorward.ports.evidence import Evidence, Told
from tests.contract.tables import create_table
from tests.fakes import START, FakeClock, FakeEvidence

FOUND = Told("dw-1-found", "TrustViolationFound", START, "found")
REVERTED = Told("dw-1-reverted", "TrustPolicyReverted", START + timedelta(milliseconds=20), "put back")
KEY = "incidents/777788889999/payments/dw-1.json"


@dataclass
class Trial:
    evidence: Evidence
    versions: Callable[[], list[str]]
    """The texts under KEY, the oldest first."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def aws() -> Iterator[None]:
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    with patch.dict(os.environ, environment), mock_aws():
        create_table(boto3.client("dynamodb"), "ledger", "LedgerTable")
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="evidence", ObjectLockEnabledForBucket=True)
        s3.put_object_lock_configuration(
            Bucket="evidence",
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 400}}},
        )
        yield


@pytest.fixture(params=["fake", "aws"])
def trial(request: pytest.FixtureRequest, clock: FakeClock) -> Trial:
    if request.param == "fake":
        fake = FakeEvidence()
        return Trial(fake, lambda: fake.versions.get(KEY, []))
    request.getfixturevalue("aws")
    s3 = boto3.client("s3")

    def versions() -> list[str]:
        listed = s3.list_object_versions(Bucket="evidence", Prefix=KEY).get("Versions", [])
        return [s3.get_object(Bucket="evidence", Key=KEY, VersionId=each["VersionId"])["Body"].read().decode() for each in reversed(listed)]

    return Trial(S3Evidence(s3, "evidence", boto3.client("dynamodb"), "ledger", clock), versions)


def names(told: Sequence[Told]) -> str:
    return json.dumps([each.announcement_id for each in told])


def test_what_was_made_is_put(trial: Trial) -> None:
    assert trial.evidence.keep("dw-1", KEY, FOUND, names) is True
    assert trial.versions() == ['["dw-1-found"]']


def test_the_same_again_makes_no_second_version(trial: Trial) -> None:
    trial.evidence.keep("dw-1", KEY, FOUND, names)
    assert trial.evidence.keep("dw-1", KEY, FOUND, names) is False
    assert trial.versions() == ['["dw-1-found"]']


def test_a_further_step_makes_a_version_with_all_that_was_told_whatever_order_it_came_in(trial: Trial) -> None:
    trial.evidence.keep("dw-1", KEY, REVERTED, names)
    assert trial.evidence.keep("dw-1", KEY, FOUND, names) is True
    assert trial.evidence.keep("dw-1", KEY, REVERTED, names) is False
    assert trial.versions() == ['["dw-1-reverted"]', '["dw-1-found", "dw-1-reverted"]']


def test_what_could_not_be_made_is_tried_again_at_once_with_nothing_kept(trial: Trial) -> None:
    def fails(_: Sequence[Told]) -> str:
        raise MalformedInput("no such case")

    with pytest.raises(MalformedInput):
        trial.evidence.keep("dw-1", KEY, FOUND, fails)
    assert trial.versions() == []
    assert trial.evidence.keep("dw-1", KEY, FOUND, names) is True


def test_only_one_writes_about_an_incident_at_a_time_and_the_dead_for_no_longer_than_their_lease(aws: None, clock: FakeClock) -> None:
    evidence = S3Evidence(boto3.client("s3"), "evidence", boto3.client("dynamodb"), "ledger", clock)

    def while_another_writes(_: Sequence[Told]) -> str:
        with pytest.raises(Conflict):
            evidence.keep("dw-1", KEY, REVERTED, names)
        assert evidence.keep("dw-2", "incidents/other.json", FOUND, names) is True
        return "mine"

    assert evidence.keep("dw-1", KEY, FOUND, while_another_writes) is True
    with patch.object(evidence, "_end_turn"), pytest.raises(MalformedInput):  # it dies while it has the turn
        evidence.keep("dw-1", KEY, REVERTED, raises)
    with pytest.raises(Conflict):
        evidence.keep("dw-1", KEY, REVERTED, names)
    clock.sleep(LEASE.total_seconds() + 1)
    assert evidence.keep("dw-1", KEY, REVERTED, names) is True


def raises(_: Sequence[Told]) -> str:
    raise MalformedInput("dead")


def test_what_s3_refuses_is_the_operators_and_is_not_taken_for_kept(aws: None, clock: FakeClock) -> None:
    s3 = boto3.client("s3")
    evidence = S3Evidence(s3, "evidence", boto3.client("dynamodb"), "ledger", clock)
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")
    with patch.object(s3, "put_object", side_effect=denied), pytest.raises(Misconfigured):
        evidence.keep("dw-1", KEY, FOUND, names)
    assert evidence.keep("dw-1", KEY, FOUND, names) is True


def test_each_version_is_locked_and_has_a_checksum_that_an_auditor_can_compare(aws: None, clock: FakeClock) -> None:
    s3: Any = boto3.client("s3")
    S3Evidence(s3, "evidence", boto3.client("dynamodb"), "ledger", clock).keep("dw-1", KEY, FOUND, names)
    head = s3.head_object(Bucket="evidence", Key=KEY, ChecksumMode="ENABLED")
    assert head["ObjectLockMode"] == "GOVERNANCE"
    assert head["ContentType"] == "application/json"
    assert base64.b64decode(head["ChecksumSHA256"]) == sha256(b'["dw-1-found"]').digest()
