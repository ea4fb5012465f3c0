"""The audit on the local stack: kept by the adapter, sealed by the function, verified by the command as an auditor, and tampered with."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from botocore.exceptions import ClientError
from jsonschema import Draft202012Validator

from doorward.audit.chain import Head, next_item
from doorward.audit.roots import key_of, sealed_from, text_of_root
from doorward.aws.audit import DynamoAudit
from local.installation import Installation
from local.world import HUB, REGION
from tests.fakes import START
from tests.integration.emulated import allowing, role, root_of, trusting
from tests.template.conftest import REPOSITORY

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

SCHEMA = Draft202012Validator(json.loads((REPOSITORY / "docs/schemas/doorward.audit.1.json").read_text("utf-8")))
OBJECT = "finding dw-integration"


def verified(doorward: Installation, auditor: dict[str, str]) -> tuple[int, dict[str, Any]]:
    environment = {**os.environ, "AWS_ENDPOINT_URL": doorward.stack.url, "AWS_DEFAULT_REGION": REGION}
    environment |= {name.upper(): text for name, text in auditor.items()}
    command = [sys.executable, "-m", "doorward_cli.main", "audit", "verify", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode in {0, 1}, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    SCHEMA.validate(value)
    return done.returncode, value


@pytest.fixture(scope="module")
def sealed(doorward: Installation) -> DynamoAudit:
    audit = DynamoAudit(doorward.stack.client("dynamodb", HUB.id), doorward.outputs["AuditTableName"])
    for what in ("opened", "approved"):
        head = audit.head(OBJECT)
        audit.append(next_item(head, what=what, by="u-1", via="sigv4", at=START, detail={"mode": "approve"}))
        doorward.invoke("SealAuditFunction")
    return audit


def test_an_auditor_finds_all_as_written(doorward: Installation, sealed: DynamoAudit, auditor: dict[str, str]) -> None:
    status, value = verified(doorward, auditor)
    assert (status, value["faults"]) == (0, [])
    assert value["summary"]["unsealed"] == 0
    assert value["summary"]["items"] >= 2
    assert value["newest_root"]["number"] >= 2


def test_a_root_is_locked_signed_by_kms_and_signed_by_nobody_else(
    doorward: Installation, sealed: DynamoAudit, auditor: dict[str, str]
) -> None:
    stack, bucket = doorward.stack, doorward.outputs["EvidenceBucketName"]
    kms, key = stack.client("kms", HUB.id), doorward.outputs["AuditKeyArn"]
    answer = stack.client("s3", HUB.id, **auditor).get_object(Bucket=bucket, Key=key_of(1))
    assert answer["ObjectLockMode"] == "GOVERNANCE"
    root, signature = sealed_from(answer["Body"].read().decode())
    message = text_of_root(root).encode()
    asked: dict[str, Any] = {"KeyId": key, "Message": message, "MessageType": "RAW", "SigningAlgorithm": "ECDSA_SHA_256"}
    assert kms.verify(**asked, Signature=signature)["SignatureValid"]
    administrator = role(stack, HUB.id, trusting(root_of(HUB.id)), allowing("*", "*"))
    credentials = stack.assume(HUB.id, administrator)
    with pytest.raises(ClientError, match="AccessDenied"):
        stack.client("kms", HUB.id, **credentials).sign(**asked)
    with pytest.raises(ClientError, match="AccessDenied"):
        stack.client("s3", HUB.id, **credentials).put_object(Bucket=bucket, Key=key_of(1), Body=b"{}")


def test_what_root_himself_changes_is_found_and_is_right_again_once_it_is_restored(
    doorward: Installation, sealed: DynamoAudit, auditor: dict[str, str]
) -> None:
    dynamodb, table = doorward.stack.client("dynamodb", HUB.id), doorward.outputs["AuditTableName"]
    key = {"pk": {"S": f"AUDIT#{OBJECT}"}, "sk": {"S": "0000000001"}}
    before = dynamodb.get_item(TableName=table, Key=key)["Item"]
    dynamodb.put_item(TableName=table, Item={**before, "by": {"S": "u-2"}})
    status, value = verified(doorward, auditor)
    dynamodb.put_item(TableName=table, Item=before)
    assert status == 1
    assert {(each["kind"], each["where"]) for each in value["faults"]} == {
        ("item-changed", f"{OBJECT}, version 1"),
        ("item-changed", f"{OBJECT}, version 2"),
    }
    assert verified(doorward, auditor)[0] == 0


def test_what_nobody_decided_on_is_as_it_never_was(sealed: DynamoAudit) -> None:
    assert sealed.head("finding dw-other") == Head("finding dw-other")
