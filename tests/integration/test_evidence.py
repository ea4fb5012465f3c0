"""Evidence, reports and history on the local stack: from a violation in a member account to what an auditor reads."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from botocore.exceptions import ClientError
from jsonschema import Draft202012Validator

from local.installation import Installation, People, trusting
from local.stack import Stack
from local.world import HUB, PROD, REGION, SHARED_SERVICES, STRANGER
from tests.integration.emulated import Inbox, allowing, listen, role, root_of
from tests.integration.emulated import trusting as trusting_text
from tests.template.conftest import REPOSITORY

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

BATCH = f"arn:aws:iam::{SHARED_SERVICES.id}:role/batch"
NAME = "evident"
REF = f"{PROD.id}/{NAME}"
SCHEMA = Draft202012Validator(json.loads((REPOSITORY / "docs/schemas/doorward.evidence.1.json").read_text("utf-8")))


@pytest.fixture(scope="module")
def ocsf(doorward: Installation) -> Inbox:
    return listen(doorward.stack, HUB.id, {"source": ["doorward.ocsf"]}, bus="doorward")


@pytest.fixture(scope="module")
def reader(doorward: Installation, auditor: dict[str, str]) -> Any:
    """S3 as an auditor."""
    return doorward.stack.client("s3", HUB.id, **auditor)


@pytest.fixture(scope="module")
def incident(doorward: Installation, people: dict[str, People], ocsf: Inbox) -> str:
    """A violation that is put back; the id of its incident."""
    who = people[PROD.id]
    who.pipeline().create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps(trusting(BATCH)))
    doorward.stack.until(lambda: doorward.outcomes(REF, "CreateRole") or None, "the role to be judged", seconds=150)
    bad = trusting(BATCH, f"arn:aws:iam::{STRANGER.id}:root")
    who.developer().update_assume_role_policy(RoleName=NAME, PolicyDocument=json.dumps(bad))
    case = doorward.stack.until(
        lambda: next((each for each in doorward.cases(REF) if each["status"] == "remedied"), None), "the role to be put back", seconds=120
    )
    assert case is not None
    return case["sk"].removeprefix("CASE#")


@pytest.fixture(scope="module")
def key(incident: str) -> str:
    return f"incidents/{REF}/{incident}.json"


def versions(doorward: Installation, key: str) -> list[str]:
    """Ids, the last first, as the account's root lists them."""
    listed = doorward.stack.client("s3", HUB.id).list_object_versions(Bucket=doorward.outputs["EvidenceBucketName"], Prefix=key)
    return [each["VersionId"] for each in listed.get("Versions", [])]


@pytest.fixture(scope="module")
def document(doorward: Installation, reader: Any, key: str) -> dict[str, Any]:
    def whole() -> dict[str, Any] | None:
        try:
            body = reader.get_object(Bucket=doorward.outputs["EvidenceBucketName"], Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        value: dict[str, Any] = json.loads(body)
        return value if len(value["told"]) == 2 else None

    found = doorward.stack.until(whole, "the evidence of the incident", seconds=120)
    assert found is not None
    return found


def test_the_evidence_has_every_part(document: dict[str, Any], incident: str) -> None:
    SCHEMA.validate(document)
    assert (document["incident"], document["status"], document["role_ref"]) == (incident, "remedied", REF)
    assert document["event"]["detail"]["eventName"] == "UpdateAssumeRolePolicy"
    assert document["event"]["detail"]["userIdentity"]["userName"] == "jane"
    assert document["before"]["accepted"]["document"] == document["before"]["stood"]["document"] == trusting(BATCH)
    assert STRANGER.id in json.dumps(document["found"]["document"])
    assert document["after"]["document"] == trusting(BATCH)
    assert document["after"]["written"] is True
    assert document["witness"]["context"]["aws:PrincipalAccount"] == STRANGER.id
    assert document["decision"]["mode"] == "enforce"
    assert document["proof"] == {"remedy": "restore", "proved": True}
    assert {"changed", "opened", "closed"} <= set(document["steps"])
    assert [each["what"] for each in document["told"]] == ["TrustViolationFound", "TrustPolicyReverted"]


def test_an_event_that_comes_again_writes_no_further_version(doorward: Installation, document: dict[str, Any], key: str) -> None:
    before = versions(doorward, key)
    sqs, stack = doorward.stack.client("sqs", HUB.id), doorward.stack
    resource = stack.client("cloudformation", HUB.id).describe_stack_resource(StackName="doorward", LogicalResourceId="EvidenceQueue")
    url = resource["StackResourceDetail"]["PhysicalResourceId"]
    case = json.loads(doorward.cases(REF)[-1]["detail"])
    for told in document["told"]:
        detail = {**case, "announcement_id": told["id"], "announced_at": told["at"], "because": told["because"]}
        body = {"source": "doorward.guardrails", "detail-type": told["what"], "detail": detail}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    stack.until(
        lambda: set(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()) == {"0"},
        "the queue to be empty",
        seconds=60,
    )
    assert versions(doorward, key) == before


def test_nobody_but_the_auditor_reads_and_nobody_deletes(doorward: Installation, document: dict[str, Any], reader: Any, key: str) -> None:
    bucket = doorward.outputs["EvidenceBucketName"]
    stack: Stack = doorward.stack
    administrator = role(stack, HUB.id, trusting_text(root_of(HUB.id)), allowing("*", "*"))
    s3 = stack.client("s3", HUB.id, **stack.assume(HUB.id, administrator))
    calls: tuple[Callable[[], object], ...] = (
        lambda: s3.get_object(Bucket=bucket, Key=key),
        lambda: s3.put_object(Bucket=bucket, Key=key, Body=b"{}"),
        lambda: s3.delete_object(Bucket=bucket, Key=key),
        lambda: reader.delete_object(Bucket=bucket, Key=key),
        lambda: reader.put_object(Bucket=bucket, Key=key, Body=b"{}"),
    )
    for call in calls:
        with pytest.raises(ClientError, match="AccessDenied"):
            call()


def test_every_version_is_locked_for_400_days_and_an_auditor_can_check_what_was_put(
    doorward: Installation, document: dict[str, Any], reader: Any, key: str
) -> None:
    bucket = doorward.outputs["EvidenceBucketName"]
    root = doorward.stack.client("s3", HUB.id)
    for version in versions(doorward, key):
        retention = reader.get_object_retention(Bucket=bucket, Key=key, VersionId=version)["Retention"]
        assert retention["Mode"] == "GOVERNANCE"
        assert 399 <= (retention["RetainUntilDate"] - datetime.now(UTC)).days <= 400
        with pytest.raises(ClientError, match="AccessDenied"):
            root.delete_object(Bucket=bucket, Key=key, VersionId=version)
        body = reader.get_object(Bucket=bucket, Key=key, VersionId=version)["Body"].read()
        head = reader.head_object(Bucket=bucket, Key=key, VersionId=version, ChecksumMode="ENABLED")
        assert base64.b64decode(head["ChecksumSHA256"]) == sha256(body).digest()


def test_history_shows_the_case(doorward: Installation, document: dict[str, Any], incident: str) -> None:
    environment = {**os.environ, "AWS_ENDPOINT_URL": doorward.stack.url, "AWS_ACCESS_KEY_ID": HUB.id, "AWS_SECRET_ACCESS_KEY": "test"}
    environment |= {"AWS_DEFAULT_REGION": REGION}
    command = [sys.executable, "-m", "doorward_cli.main", "history", document["role"], "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    (case,) = json.loads(done.stdout)["cases"]
    assert (case["id"], case["status"], case["remedy"]["kind"]) == (incident, "remedied", "restore")


def test_the_finding_is_on_the_bus_as_ocsf_opened_and_closed(ocsf: Inbox, document: dict[str, Any], incident: str) -> None:
    events = [each["detail"] for each in ocsf.wait(2, seconds=30) if each["detail"]["finding_info"]["uid"] == incident]
    assert {each["activity_name"] for each in events} == {"Create", "Close"}
    assert all(each["class_uid"] == 2004 and each["resources"][0]["uid"].endswith(f":role/{NAME}") for each in events)
