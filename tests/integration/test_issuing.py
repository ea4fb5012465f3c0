"""What a grant opens, and for whom: credentials and the console of the installed Doorward, judged by the emulator as AWS would judge them.

The real client is the AWS CLI from PyPI, in an environment of its own, which asks for credentials as any tool of AWS's does.
"""

import json
import os
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
from local.world import ANN, HUB, JANE, JOE, REGION, STAGING
from tests.integration.emulated import refusal, unique
from tests.integration.test_grants import Grants

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

DENIED = {"AccessDenied", "AccessDeniedException", "403"}
CREDENTIALS = ("access_key_id", "secret_access_key", "session_token")


class Opened(NamedTuple):
    """Jane's grant for one bucket of two, for half an hour, which nobody has to agree to."""

    grants: Grants
    grant: Mapping[str, Any]
    bucket: str
    other: str

    def issue(self, what: str = "credentials", **said: Any) -> dict[str, Any]:
        return self.grants.say(JANE, self.grant, what, **said)

    def refused(self, keys: Mapping[str, Any], call: Callable[[Any], Any], service: str = "s3") -> bool:
        client = self.grants.stack.client(service, STAGING.id, **{f"aws_{name}": keys[name] for name in CREDENTIALS})
        code = refusal(lambda: call(client))
        assert code is None or code in DENIED, code
        return code is not None


def opened(doorward: Installation, minutes: int = 30) -> Opened:
    grants, s3 = Grants(doorward), doorward.stack.client("s3", STAGING.id)
    bucket, other = unique("orders"), unique("salaries")
    for name in (bucket, other):
        s3.create_bucket(Bucket=name)
        s3.put_object(Bucket=name, Key="list.txt", Body=b"one")
    grant = grants.ask(JANE, STAGING, parameters={"bucket": bucket}, minutes=minutes)
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
    """The AWS CLI on somebody's machine: signed in by the profile `work`; `granted` has what his grant gives."""

    folder: Path
    environment: Mapping[str, str]

    def lists(self, bucket: str, *, profile: str = "granted", **more: str) -> tuple[int, str, str]:
        command = [str(aws_cli()), "s3api", "list-objects-v2", "--bucket", bucket, "--query", "Contents[].Key", "--output", "text"]
        named = {} if more else {"AWS_PROFILE": profile}
        done = subprocess.run(
            command, env={**self.environment, **named, **more}, cwd=self.folder, capture_output=True, text=True, check=False, timeout=120
        )
        return done.returncode, done.stdout.strip(), done.stderr


def client_of(granted: Opened, folder: Path) -> Client:
    stack = granted.grants.stack
    signed_in = identity_center.sign_in(stack, JANE)
    command = Path(sys.executable).with_name("doorward")
    (folder / "credentials").write_text("[work]\n" + "".join(f"{name} = {value}\n" for name, value in signed_in.items()))
    (folder / "config").write_text(
        f"[profile work]\nregion = {REGION}\n\n[profile granted]\nregion = {REGION}\n"
        f"credential_process = {command} grants credentials {granted.grant['grant_id']} --profile work\n"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": stack.url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "DOORWARD_API_URL": granted.grants.doorward.api_url,
    }
    return Client(folder, environment)


def test_the_aws_cli_lists_the_granted_bucket_until_the_end_and_no_other_ever(doorward: Installation, tmp_path: Path) -> None:
    aws_cli()  # which is installed first, or a minute may be over meanwhile
    short = opened(doorward, minutes=1)
    keys = {f"AWS_{name.upper()}": value for name, value in short.issue().items() if name in CREDENTIALS}
    long = opened(doorward)
    client = client_of(long, tmp_path)
    status, listed, complained = client.lists(short.bucket, **keys)
    assert (status, listed) == (0, "list.txt"), complained
    status, listed, complained = client.lists(long.bucket)
    assert (status, listed) == (0, "list.txt"), complained
    for other in (long.other, short.bucket):
        status, _, complained = client.lists(other)
        assert status != 0
        assert "AccessDenied" in complained
    # STS itself lets a session live for a quarter of an hour at least: what ends it is the policy that it was opened with.
    ends_at = datetime.fromisoformat(short.grant["ends_at"])
    doorward.stack.until(lambda: datetime.now(UTC) > ends_at + timedelta(seconds=1), "the short grant's end", seconds=90)
    status, _, complained = client.lists(short.bucket, **keys)
    assert status != 0
    assert "AccessDenied" in complained
    long.grants.say(JANE, long.grant, "cancel")
    for each in (tmp_path / "cache").rglob("*"):  # as the command line forgets what is kept of a grant that it ends
        each.unlink() if each.is_file() else None
    status, _, complained = client.lists(long.bucket)
    assert status != 0
    assert "The grant is" in complained
