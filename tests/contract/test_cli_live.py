"""`doorward check --live`: the roles of an account, and what is said where it cannot be read."""

import json
from typing import Any

import boto3
import botocore.client
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from doorward_cli.main import main

OPEN = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}'
SAFE = OPEN.replace('"*"', '{"Service": "ec2.amazonaws.com"}')


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = main(["check", "--live", "--format", "json", *arguments])
    return status, json.loads(capsys.readouterr().out)


@mock_aws
def test_every_role_of_the_account_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    iam = boto3.client("iam")
    iam.create_role(RoleName="open", AssumeRolePolicyDocument=OPEN)
    iam.create_role(RoleName="safe", Path="/ci/", AssumeRolePolicyDocument=SAFE)
    status, shown = checked(capsys)
    assert status == 1
    assert {(each["role"], each["source"], each["account"], each["verdict"]) for each in shown["roles"]} == {
        ("arn:aws:iam::123456789012:role/open", "live#open", "123456789012", "violating"),
        ("arn:aws:iam::123456789012:role/ci/safe", "live#safe", "123456789012", "compliant"),
    }


@mock_aws
def test_what_a_role_may_do_is_read_with_the_texts_of_the_accounts_own_policies(capsys: pytest.CaptureFixture[str]) -> None:
    iam = boto3.client("iam")
    iam.create_role(RoleName="vendors", AssumeRolePolicyDocument=SAFE.replace('"Service": "ec2.amazonaws.com"', '"AWS": "999988887777"'))
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]}
    policy = iam.create_policy(PolicyName="everything", PolicyDocument=json.dumps(everything))["Policy"]
    iam.attach_role_policy(RoleName="vendors", PolicyArn=policy["Arn"])
    _, shown = checked(capsys)
    ((found,),) = [[each for each in one["findings"] if each["rule"] == "privileged-outsider"] for one in shown["roles"]]
    assert found["severity"] == "critical"
    assert "policy/everything" in found["because"]


@mock_aws
def test_all_pages_are_read(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {
        None: {"IsTruncated": True, "Marker": "m", "RoleDetailList": [role("one")]},
        "m": {"IsTruncated": False, "RoleDetailList": [role("two")]},
    }
    asked: list[Any] = []

    def call(_: Any, operation: str, given: dict[str, Any]) -> Any:
        asked.append((operation, given.get("Filter")))
        return pages[given.get("Marker")]

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    status, shown = checked(capsys)
    assert (status, [each["source"] for each in shown["roles"]]) == (0, ["live#one", "live#two"])
    assert asked == [("GetAccountAuthorizationDetails", ["Role", "LocalManagedPolicy", "AWSManagedPolicy"])] * 2


def role(name: str) -> dict[str, Any]:
    return {"RoleName": name, "Path": "/", "Arn": f"arn:aws:iam::123456789012:role/{name}", "AssumeRolePolicyDocument": json.loads(SAFE)}


DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no\n\x1b[31m"}}, "GetAccountAuthorizationDetails")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (DENIED, "AccessDenied: no"),
        (EndpointConnectionError(endpoint_url="https://iam"), "check credentials, profile, region and network"),
    ],
)
def test_a_failure_of_aws_or_the_network_is_exit_3_and_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    def call(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    assert main(["check", "--live"]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert says in told.err
    assert "\x1b" not in told.err


def test_a_profile_that_is_not_there_is_exit_3(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert main(["check", "--live"]) == 3
    assert capsys.readouterr().err.startswith("doorward: --live: The config profile (nobody) could not be found; check credentials")


def test_no_credentials_are_exit_3(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    assert main(["check", "--live"]) == 3
    assert "Unable to locate credentials" in capsys.readouterr().err
