"""What whoever keeps the audit and whoever seals it owes, the fakes and AWS alike; and what `doorward audit verify` says of it."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError
from jsonschema import Draft202012Validator
from moto import mock_aws

from doorward.audit.chain import AuditItem, Head, head_of, next_item
from doorward.audit.roots import key_of, sealed_from, text_of_sealed
from doorward.aws.audit import AwsSeals, DynamoAudit
from doorward.aws.clock import SystemClock
from doorward.errors import Conflict, Misconfigured
from doorward.ports.audit import Audit, Seals
from doorward.usecases.seal_audit import seal_audit
from doorward_cli.main import main
from tests.contract.tables import create_table
from tests.contract.test_cli_history import on_call
from tests.fakes import START, FakeAudit, FakeClock, FakeSeals
from tests.template.conftest import REPOSITORY, parsed

SCHEMAS = {
    name: Draft202012Validator(json.loads((REPOSITORY / f"docs/schemas/doorward.{name}.1.json").read_text("utf-8")))
    for name in ("audit", "audit-root")
}
TABLE, BUCKET = "AuditTable", "evidence"


@dataclass
class Trial:
    audit: Audit
    seals: Seals
    versions: Callable[[str], list[str]]
    """The texts under a key of the bucket, the oldest first."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The id of the key."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    with patch.dict(os.environ, environment), mock_aws():
        create_table(boto3.client("dynamodb"), TABLE, "AuditTable")
        boto3.client("s3").create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        key = parsed("template.yaml")["Resources"]["AuditKey"]["Properties"]
        key_id = boto3.client("kms").create_key(KeySpec=key["KeySpec"], KeyUsage=key["KeyUsage"])["KeyMetadata"]["KeyId"]
        physical = {"AuditTable": TABLE, "EvidenceBucket": BUCKET, "AuditKey": key_id}

        def described(given: Mapping[str, Any]) -> Any:
            if given["StackName"] != "doorward":
                raise ClientError({"Error": {"Code": "ValidationError", "Message": "Stack does not exist"}}, "DescribeStackResource")
            return {"StackResourceDetail": {"PhysicalResourceId": physical[given["LogicalResourceId"]]}}

        on_call(monkeypatch, "DescribeStackResource", described)
        yield key_id


def real(key_id: str) -> Trial:
    s3, kms, dynamodb = boto3.client("s3"), boto3.client("kms"), boto3.client("dynamodb")
    arn = kms.describe_key(KeyId=key_id)["KeyMetadata"]["Arn"]

    def versions(key: str) -> list[str]:
        listed = s3.list_object_versions(Bucket=BUCKET, Prefix=key).get("Versions", [])
        return [s3.get_object(Bucket=BUCKET, Key=key, VersionId=each["VersionId"])["Body"].read().decode() for each in reversed(listed)]

    return Trial(DynamoAudit(dynamodb, TABLE), AwsSeals((dynamodb, s3, kms), TABLE, BUCKET, arn), versions)


@pytest.fixture(params=["fake", "aws"])
def trial(request: pytest.FixtureRequest) -> Trial:
    if request.param == "aws":
        return real(request.getfixturevalue("aws"))
    audit = FakeAudit()
    seals = FakeSeals(audit)
    return Trial(audit, seals, lambda key: seals.bucket.get(key, []))


def following(head: Head, what: str = "approved") -> AuditItem:
    return next_item(head, what=what, by="u-1", via="sigv4", at=START, detail={"mode": "approve"})


# The audit


def test_nothing_has_happened_to_what_nobody_knows(trial: Trial) -> None:
    assert trial.audit.head("finding dw-0") == Head("finding dw-0")


def test_a_chain_ends_where_the_last_item_was_appended(trial: Trial) -> None:
    for _ in range(3):
        item = following(trial.audit.head("finding dw-0"))
        trial.audit.append(item)
        assert trial.audit.head("finding dw-0") == head_of(item)
    assert trial.audit.head("finding dw-0").version == 3
    assert trial.audit.head("finding dw-1").version == 0


@pytest.mark.parametrize("before", [0, 1, 2])
def test_of_two_who_append_to_the_same_head_one_fails_and_leaves_nothing(trial: Trial, before: int) -> None:
    for _ in range(before):
        trial.audit.append(following(trial.audit.head("finding dw-0")))
    head = trial.audit.head("finding dw-0")
    trial.audit.append(following(head, "approved"))
    with pytest.raises(Conflict):
        trial.audit.append(following(head, "refused"))
    assert trial.audit.head("finding dw-0") == head_of(following(head, "approved"))


def test_an_item_that_follows_what_was_never_there_is_not_kept(trial: Trial) -> None:
    trial.audit.append(following(Head("finding dw-0")))
    for wrong in (Head("finding dw-0", 1, "f" * 64), Head("finding dw-0", 7, "f" * 64), Head("finding dw-1", 1, "f" * 64)):
        with pytest.raises(Conflict):
            trial.audit.append(following(wrong))
    assert trial.audit.head("finding dw-1").version == 0


def test_what_stands_beside_an_item_in_its_transaction_is_not_written_where_the_chain_has_moved(aws: str) -> None:
    dynamodb, audit = boto3.client("dynamodb"), DynamoAudit(boto3.client("dynamodb"), TABLE)
    create_table(dynamodb, "ledger", "LedgerTable")
    head = audit.head("finding dw-0")

    def transition(item: AuditItem) -> None:
        beside: Any = {"Put": {"TableName": "ledger", "Item": {"pk": {"S": "STATE"}, "sk": {"S": item.what}}}}
        dynamodb.transact_write_items(TransactItems=[beside, *audit.parts(item)])

    transition(following(head, "approved"))
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        transition(following(head, "refused"))
    assert [each["sk"]["S"] for each in dynamodb.scan(TableName="ledger")["Items"]] == ["approved"]


# Seals


def test_every_head_is_sealed_and_every_root_follows_the_one_before(trial: Trial, clock: FakeClock) -> None:
    for number in range(40):
        trial.audit.append(following(Head(f"finding dw-{number}")))
    first = seal_audit(trial.seals, clock)
    trial.audit.append(following(trial.audit.head("finding dw-0")))
    second = seal_audit(trial.seals, clock)
    assert (first.heads, second.heads) == (40, 40)
    assert sum(one != other for one, other in zip(first.subroots, second.subroots, strict=True)) == 1
    for root in (first, second):
        (text,) = trial.versions(key_of(root.number))
        SCHEMAS["audit-root"].validate(json.loads(text))
        assert sealed_from(text).root == root
    last = trial.seals.last()
    assert last is not None
    assert (last.sealed.root, last.is_kept) == (second, True)


def test_a_root_whose_number_is_taken_does_not_count(trial: Trial, clock: FakeClock) -> None:
    first = trial.seals.sign(seal_audit(trial.seals, clock))
    with pytest.raises(Conflict):
        trial.seals.count(first)
    seal_audit(trial.seals, clock)
    for write in (trial.seals.count, trial.seals.kept):
        with pytest.raises(Conflict):
            write(first)
    last = trial.seals.last()
    assert last is not None
    assert last.sealed.root.number == 2


def test_a_root_that_counts_is_not_kept_until_it_was_put(trial: Trial, clock: FakeClock) -> None:
    sealed = trial.seals.sign(seal_audit(trial.seals, clock)._replace(number=2))
    trial.seals.count(sealed)
    last = trial.seals.last()
    assert last is not None
    assert (last.sealed, last.is_kept) == (sealed, False)


def test_what_kms_or_s3_refuses_is_the_operators_and_no_root_counts(aws: str, clock: FakeClock) -> None:
    s3, kms, dynamodb = boto3.client("s3"), boto3.client("kms"), boto3.client("dynamodb")
    seals = AwsSeals((dynamodb, s3, kms), TABLE, BUCKET, kms.describe_key(KeyId=aws)["KeyMetadata"]["Arn"])
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "Sign")
    with patch.object(kms, "sign", side_effect=denied), pytest.raises(Misconfigured):
        seal_audit(seals, clock)
    assert seals.last() is None


# doorward audit verify


def verified(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    status = main(["audit", "verify", "--format", "json"])
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    SCHEMAS["audit"].validate(value)
    return status, value


@pytest.fixture
def sealed(aws: str) -> Trial:
    """Three objects with three items each, sealed in between and at the end, just now."""
    trial = real(aws)
    for _ in range(3):
        for number in range(3):
            trial.audit.append(following(trial.audit.head(f"finding dw-{number}")))
        seal_audit(trial.seals, SystemClock())
    return trial


def test_the_command_finds_all_as_written(sealed: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    status, value = verified(capsys)
    assert (status, value["intact"], value["faults"]) == (0, True, [])
    assert value["summary"] == {"objects": 3, "items": 9, "roots": 3, "unsealed": 0, "faults": 0}
    assert value["newest_root"]["number"] == 3
    assert main(["audit", "verify"]) == 0
    assert "9 items of 3 objects, 3 roots: all as written" in capsys.readouterr().out


def test_what_is_younger_than_the_newest_root_is_told_of_and_no_fault(sealed: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    sealed.audit.append(following(sealed.audit.head("finding dw-0")))
    status, value = verified(capsys)
    assert (status, value["summary"]["unsealed"]) == (0, 1)


def test_the_command_finds_an_item_that_was_changed_and_says_what_to_do(sealed: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    boto3.client("dynamodb").update_item(
        TableName=TABLE,
        Key={"pk": {"S": "AUDIT#finding dw-1"}, "sk": {"S": "0000000002"}},
        UpdateExpression="SET #by = :by",
        ExpressionAttributeNames={"#by": "by"},
        ExpressionAttributeValues={":by": {"S": "u-\x1b[31m2"}},
    )
    status, value = verified(capsys)
    assert status == 1
    assert ("item-changed", "finding dw-1, version 2") in [(each["kind"], each["where"]) for each in value["faults"]]
    assert main(["audit", "verify"]) == 1
    printed = capsys.readouterr().out
    assert "finding dw-1, version 2" in printed
    assert "Restore the audit table" in printed


def test_an_object_that_is_gone_as_a_whole_is_found(sealed: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    dynamodb = boto3.client("dynamodb")
    for item in dynamodb.scan(TableName=TABLE)["Items"]:
        if item["pk"]["S"] == "AUDIT#finding dw-1" or item["sk"]["S"] == "finding dw-1":
            dynamodb.delete_item(TableName=TABLE, Key={name: item[name] for name in ("pk", "sk")})
    status, value = verified(capsys)
    assert status == 1
    assert {each["kind"] for each in value["faults"]} == {"item-missing"}
    assert len(value["faults"]) == 3


def test_a_root_that_another_key_signed_is_found(sealed: Trial, aws: str, capsys: pytest.CaptureFixture[str]) -> None:
    s3, kms = boto3.client("s3"), boto3.client("kms")
    other = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    (text,) = sealed.versions(key_of(3))
    forged = AwsSeals((boto3.client("dynamodb"), s3, kms), TABLE, BUCKET, other).sign(sealed_from(text).root)
    s3.put_object(Bucket=BUCKET, Key=key_of(3), Body=text_of_sealed(forged).encode())
    status, value = verified(capsys)
    assert status == 1
    assert {each["kind"] for each in value["faults"]} == {"root-twice", "root-unsigned"}


def test_a_root_behind_a_delete_marker_is_read_all_the_same(sealed: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=key_of(2))
    assert verified(capsys)[0] == 0


def test_a_page_that_is_gone_is_found(sealed: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    s3 = boto3.client("s3")
    key = s3.list_objects_v2(Bucket=BUCKET, Prefix="audit/heads/")["Contents"][0]["Key"]
    s3.delete_object(Bucket=BUCKET, Key=key)
    status, value = verified(capsys)
    assert (status, value["faults"][0]["kind"], value["faults"][0]["where"]) == (1, "page-missing", key)


def test_without_a_root_nothing_is_called_intact(aws: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, value = verified(capsys)
    assert (status, value["intact"], value["newest_root"]) == (1, False, None)
    assert [each["kind"] for each in value["faults"]] == ["sealing-stopped"]


@pytest.mark.parametrize(("arguments", "status"), [(["--format", "xml"], 2), (["--stack", "nowhere"], 2), (["--nothing"], 2)])
def test_wrong_usage_exits_2(aws: str, arguments: list[str], status: int) -> None:
    assert main(["audit", "verify", *arguments]) == status


def test_what_aws_refuses_exits_3_and_says_whose_role_it_takes(
    sealed: Trial, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_: Mapping[str, Any]) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectVersions")

    on_call(monkeypatch, "ListObjectVersions", refused)
    assert main(["audit", "verify"]) == 3
    assert "assume doorward-auditor" in capsys.readouterr().err
