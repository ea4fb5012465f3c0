"""What a grant opens, and for whom: credentials and the console of the installed Doorward, judged by the emulator as AWS would judge them.

The real client is the AWS CLI from PyPI, in an environment of its own, which asks for credentials as any tool of AWS's does.
"""

import json
import os
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from doorward_cli.api import Refused
from local import identity_center
from local.aws_cli import aws_cli
from local.installation import Installation
from local.world import ANN, HUB, JANE, JOE, PROD, REGION, STAGING, Account
from tests.integration.emulated import is_denied, unique
from tests.integration.test_grants import Grants

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

CREDENTIALS = ("access_key_id", "secret_access_key", "session_token")


class Opened(NamedTuple):
    """Jane's grant for one bucket of two."""

    grants: Grants
    grant: Mapping[str, Any]
    bucket: str
    other: str

    def issue(self, what: str = "credentials", **said: Any) -> dict[str, Any]:
        return self.grants.say(JANE, self.grant, what, **said)

    def refused(self, keys: Mapping[str, Any], call: Callable[[Any], Any], service: str = "s3") -> bool:
        client = self.grants.stack.client(service, STAGING.id, **{f"aws_{name}": keys[name] for name in CREDENTIALS})
        return is_denied(lambda: call(client))


def opened(doorward: Installation, minutes: int = 30, account: Account = STAGING) -> Opened:
    """Ann agrees where somebody has to: in staging nobody does."""
    grants, s3 = Grants(doorward), doorward.stack.client("s3", account.id)
    bucket, other = unique("orders"), unique("salaries")
    for name in (bucket, other):
        s3.create_bucket(Bucket=name)
        s3.put_object(Bucket=name, Key="list.txt", Body=b"one")
    grant = grants.ask(JANE, account, parameters={"bucket": bucket}, minutes=minutes)
    if grant["state"] == "pending":
        grants.say(ANN, grant, "approve", shown=grant["shown"])
    return Opened(grants, grants.until(grant, "active"), bucket, other)


@pytest.fixture(scope="module")
def open_(doorward: Installation) -> Opened:
    return opened(doorward)


def test_credentials_open_what_was_granted_and_nothing_else(open_: Opened) -> None:
    keys = open_.issue()
    assert not open_.refused(keys, lambda s3: s3.list_objects_v2(Bucket=open_.bucket))
    assert not open_.refused(keys, lambda s3: s3.get_object(Bucket=open_.bucket, Key="list.txt"))
    assert open_.refused(keys, lambda s3: s3.list_objects_v2(Bucket=open_.other))
    assert open_.refused(keys, lambda s3: s3.put_object(Bucket=open_.bucket, Key="x", Body=b""))
    assert open_.refused(keys, lambda iam: iam.list_roles(), "iam")
    assert open_.refused(keys, lambda sts: sts.assume_role(RoleArn=keys["role"], RoleSessionName="again"), "sts")
    assert datetime.fromisoformat(keys["expiration"]) <= datetime.fromisoformat(open_.grant["ends_at"])


def test_their_session_says_whose_it_is(open_: Opened) -> None:
    keys = open_.issue()
    client = open_.grants.stack.client("sts", STAGING.id, **{f"aws_{name}": keys[name] for name in CREDENTIALS})
    arn = client.get_caller_identity()["Arn"]
    assert arn.endswith(f":assumed-role/doorward-grant-read/{JANE.user_name}={open_.grant['grant_id']}")


def test_each_is_written_down_with_a_hash_and_no_secret(open_: Opened) -> None:
    keys = open_.issue()
    dynamodb = open_.grants.stack.client("dynamodb", HUB.id)
    items = dynamodb.query(
        TableName=open_.grants.doorward.outputs["GrantsTableName"],
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues={":pk": {"S": f"GRANT#{open_.grant['grant_id']}"}, ":sk": {"S": "ISSUE#"}},
    )["Items"]
    assert all({"key_hash", "used_at", "packed_percent"} <= set(each) for each in items)
    assert not [name for name in CREDENTIALS if keys[name] in json.dumps(items)]


def test_the_console_opens_by_a_link_and_leads_nowhere_else(open_: Opened) -> None:
    link = open_.issue("console", destination="https://s3.console.aws.amazon.com/s3/buckets")
    with urllib.request.urlopen(link["url"]) as answer:
        who = json.load(answer)["Arn"]
    assert who.endswith(f"/{JANE.user_name}={open_.grant['grant_id']}")
    with pytest.raises(Refused, match="no page of"):
        open_.issue("console", destination="https://console.aws.amazon.com.evil.example/")


def test_the_console_is_not_opened_for_less_than_fifteen_minutes(doorward: Installation) -> None:
    short = opened(doorward, minutes=14)
    with pytest.raises(Refused, match="fifteen minutes"):
        short.issue("console")
    assert short.issue()["grant_id"] == short.grant["grant_id"]


@pytest.mark.parametrize("what", ["credentials", "console"])
def test_nobody_else_gets_any_not_even_who_may_end_it(open_: Opened, what: str) -> None:
    for person in (ANN, JOE):
        with pytest.raises(Refused, match=r"no such grant|business"):
            open_.grants.say(person, open_.grant, what)


def test_an_issue_is_used_once_and_what_is_made_up_is_none(open_: Opened) -> None:
    """Asked as whoever had taken over the function that asks: even then nothing comes but what was issued, and that once."""
    doorward, stack = open_.grants.doorward, open_.grants.stack
    open_.issue()
    items = stack.client("dynamodb", HUB.id).scan(TableName=doorward.outputs["GrantsTableName"])["Items"]
    used = [each["sk"]["S"].removeprefix("ISSUE#") for each in items if each["sk"]["S"].startswith("ISSUE#")]
    other = open_.grants.ask(ANN, STAGING)
    made_up = "01JZ1M5T0000000000000VWXYZ"
    calls: list[object] = [{"grant_id": open_.grant["grant_id"], "issue_id": each} for each in [*used, made_up, "", None]]
    calls += [{"grant_id": other["grant_id"], "issue_id": each} for each in used]
    calls += [{}, [], "x", {"grant_id": open_.grant["grant_id"], "role_arn": f"arn:aws:iam::{STAGING.id}:role/doorward/doorward-read"}]
    broker = doorward.physical_id("MintCredentialsFunction")
    for call in calls:
        answer = stack.client("lambda", HUB.id).invoke(FunctionName=broker, Payload=json.dumps(call).encode())
        assert json.loads(answer["Payload"].read()).keys() == {"refused"}, call
    open_.grants.say(ANN, other, "cancel")


def test_from_the_moment_that_it_is_ended_nothing_is_issued(doorward: Installation) -> None:
    ended = opened(doorward)
    ended.issue()
    ended.grants.say(JANE, ended.grant, "cancel")
    for what in ("credentials", "console"):
        with pytest.raises(Refused, match="The grant is"):
            ended.issue(what)


# -- a real client ---------------------------------------------------------------------------------


class Client(NamedTuple):
    """The AWS CLI on Jane's machine, who is signed in by the profile `work`; each profile of a grant has what that grant gives."""

    folder: Path
    environment: Mapping[str, str]

    def has(self, profile: str, opened: Opened) -> None:
        command = f"{Path(sys.executable).with_name('doorward')} grants credentials {opened.grant['grant_id']} --profile work"
        with (self.folder / "config").open("a") as config:
            config.write(f"[profile {profile}]\nregion = {REGION}\ncredential_process = {command}\n")

    def aws(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        command, environment = [str(aws_cli()), *arguments], {**self.environment, **environment}
        return subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, check=False, timeout=120)

    def lists(self, bucket: str, **environment: str) -> bool:
        """As whom the environment says: by a profile, or by keys. False where AWS denies it; nothing else may come of it."""
        done = self.aws("s3api", "list-objects-v2", "--bucket", bucket, "--query", "Contents[].Key", "--output", "text", **environment)
        if done.returncode:
            assert "(AccessDenied)" in done.stderr, done.stderr
            return False
        assert done.stdout.strip() == "list.txt"
        return True

    def keeps(self, profile: str) -> dict[str, str]:
        """What the profile's process gives, as the environment of whoever holds on to it has it."""
        command = shlex.split(self.aws("configure", "get", "credential_process", "--profile", profile).stdout)
        done = subprocess.run(command, env=dict(self.environment), capture_output=True, text=True, check=True, timeout=120)
        given = json.loads(done.stdout)
        names = {"AccessKeyId": "ACCESS_KEY_ID", "SecretAccessKey": "SECRET_ACCESS_KEY", "SessionToken": "SESSION_TOKEN"}
        return {f"AWS_{name}": given[each] for each, name in names.items()}

    def is_refused(self, profile: str, bucket: str) -> str:
        """Why the profile's process gives nothing, as the AWS CLI passes it on."""
        done = self.aws("s3api", "list-objects-v2", "--bucket", bucket, AWS_PROFILE=profile)
        assert done.returncode != 0
        assert done.stdout == ""
        return done.stderr


@pytest.fixture
def client(doorward: Installation, tmp_path: Path) -> Client:
    """With the AWS CLI installed, which takes longer than a short grant lasts."""
    aws_cli()
    keys = identity_center.sign_in(doorward.stack, JANE)
    (tmp_path / "credentials").write_text("[work]\n" + "".join(f"{name} = {value}\n" for name, value in keys.items()))
    (tmp_path / "config").write_text(f"[profile work]\nregion = {REGION}\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": doorward.stack.url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "DOORWARD_API_URL": doorward.api_url,
    }
    return Client(tmp_path, environment)


def test_the_aws_cli_lists_the_granted_bucket_until_the_end_and_no_other_ever(doorward: Installation, client: Client) -> None:
    """By a profile of a grant that Ann agreed to, and after its end by what that profile's process gave before, too."""
    granted = opened(doorward, minutes=1, account=PROD)
    client.has("granted", granted)
    assert client.lists(granted.bucket, AWS_PROFILE="granted")
    assert not client.lists(granted.other, AWS_PROFILE="granted")
    kept = client.keeps("granted")
    assert client.lists(granted.bucket, **kept)
    # STS itself lets a session live for a quarter of an hour at least: what ends it is the policy that it was opened with.
    ends_at = datetime.fromisoformat(granted.grant["ends_at"])
    doorward.stack.until(lambda: datetime.now(UTC) > ends_at + timedelta(seconds=1), "the grant's end", seconds=90)
    assert not client.lists(granted.bucket, **kept)
    assert client.aws("sts", "get-caller-identity", **kept).returncode == 0  # STS takes them: it is the grant's end that denies the rest
    assert "The grant is" in client.is_refused("granted", granted.bucket)


def test_a_profile_has_nothing_of_another_grant_and_nothing_more_of_one_that_is_taken_back(
    doorward: Installation, open_: Opened, client: Client
) -> None:
    granted = opened(doorward)
    client.has("granted", granted)
    assert client.lists(granted.bucket, AWS_PROFILE="granted")
    assert not client.lists(open_.bucket, AWS_PROFILE="granted")
    granted.grants.say(JANE, granted.grant, "cancel")
    for kept in (client.folder / "cache").rglob("*.json"):  # as the command line forgets what is kept of a grant that it ends
        kept.unlink()
    assert "The grant is" in client.is_refused("granted", granted.bucket)
