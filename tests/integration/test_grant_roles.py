"""The roles that people are granted, as accounts/member.yaml makes them, on the emulator: who opens a session, and what it can do.

The broker is a role of its name here; what it asks STS for is what the code makes (`doorward.grants`).
"""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

from doorward.grants.model import Target
from doorward.grants.names import session_name
from doorward.grants.parsing import entitlements_from
from doorward.grants.session_policy import SessionPolicy, compile_policy
from doorward.organization.installation import (
    GRANT_BOUNDARY,
    GRANT_OPERATE_ROLE,
    GRANT_READ_ROLE,
    GRANT_ROLE_PATH,
    MINT_CREDENTIALS,
    ROLE_PATH,
)
from doorward.people.model import Person
from local.stack import ROOT, Stack
from local.world import HUB, ORGANIZATION_ID, PROD
from tests.integration.emulated import document, is_denied, refusal, role, root_of, trusting, unique
from tests.template.conftest import parsed
from tests.template.resolved import EXTERNAL_ID, resolved

JANE = session_name(Person("9a67", "jane", "Jane"), "01KB0000000000000000000000")
TAGS = [{"Key": "doorward:grant", "Value": JANE.rpartition("=")[2]}]
READ_BUCKET = {
    "templates": {
        "read-bucket": {
            "parameters": {"bucket": {"type": "s3-bucket"}},
            "statements": [
                {"actions": ["s3:ListBucket"], "resources": ["arn:<partition>:s3:::<bucket>"]},
                {"actions": ["s3:GetObject"], "resources": ["arn:<partition>:s3:::<bucket>/*"]},
            ],
        },
        "everything": {"statements": [{"actions": ["*"], "resources": ["*"]}]},
    }
}


class Granted(NamedTuple):
    """PROD with its grant roles; `broker`: credentials of a session of the hub's role of that name."""

    stack: Stack
    broker: Mapping[str, str]
    bucket: str

    def arn(self, name: str) -> str:
        return f"arn:aws:iam::{PROD.id}:role{GRANT_ROLE_PATH}{name}"

    def policy(self, ends_at: datetime, name: str = GRANT_READ_ROLE, template: str = "read-bucket", **given: str) -> str:
        found = compile_policy(entitlements_from(READ_BUCKET).templates[template], given, Target(PROD.id, name, GRANT_ROLE_PATH), ends_at)
        assert isinstance(found, SessionPolicy)
        return found.text

    def session(self, policy: str, name: str = GRANT_READ_ROLE, **request: Any) -> dict[str, str]:
        asked = {"RoleSessionName": JANE, "SourceIdentity": JANE, "ExternalId": EXTERNAL_ID, "Tags": TAGS, "Policy": policy, **request}
        return self.stack.assume(HUB.id, self.arn(name), credentials=self.broker, **{key: each for key, each in asked.items() if each})

    def refused(self, session: Mapping[str, str], service: str, call: Callable[[Any], Any]) -> bool:
        return is_denied(lambda: call(self.stack.client(service, PROD.id, **session)))


@pytest.fixture(scope="module")
def granted(cloud: Stack) -> Granted:
    cloud.client("events", HUB.id).create_event_bus(Name="doorward")
    given = {
        "HubAccountId": HUB.id,
        "HubBusArn": f"arn:aws:events:us-east-1:{HUB.id}:event-bus/doorward",
        "OrganizationId": ORGANIZATION_ID,
        "ExternalId": EXTERNAL_ID,
        "AllowGrants": "true",
    }
    for account in (HUB, PROD):
        cloud.deploy_stack(account.id, "doorward-member", ROOT / "accounts" / "member.yaml", given)
    bucket = unique("bucket")
    cloud.client("s3", PROD.id).create_bucket(Bucket=bucket)
    cloud.client("s3", PROD.id).put_object(Bucket=bucket, Key="k", Body=b"x")
    return Granted(cloud, cloud.assume(HUB.id, broker(cloud, ROLE_PATH, MINT_CREDENTIALS)), bucket)


def broker(stack: Stack, path: str, name: str) -> str:
    """A role of the hub that may what the broker may, and that its own account may assume here: Lambda alone assumes the real one."""
    policy = parsed("template.yaml")["Resources"]["MintCredentialsRole"]["Properties"]["Policies"][0]["PolicyDocument"]
    (statement,) = [each for each in policy["Statement"] if each["Sid"] == "OpenGrants"]
    return role(stack, HUB.id, trusting(root_of(HUB.id)), document(resolved(statement)), path=path, name=name)


def in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def test_in_the_hub_account_there_is_no_role_to_be_granted(granted: Granted) -> None:
    roles = {each["RoleName"] for each in granted.stack.client("iam", HUB.id).list_roles(PathPrefix=GRANT_ROLE_PATH)["Roles"]}
    assert roles == set()
    in_prod = granted.stack.client("iam", PROD.id).list_roles(PathPrefix=GRANT_ROLE_PATH)["Roles"]
    assert {each["RoleName"] for each in in_prod} == {GRANT_READ_ROLE, GRANT_OPERATE_ROLE}


@pytest.mark.parametrize("name", [GRANT_READ_ROLE, GRANT_OPERATE_ROLE])
@pytest.mark.parametrize(
    "wrong",
    [
        {"ExternalId": None},
        {"ExternalId": "another"},
        {"SourceIdentity": None},
        {"SourceIdentity": "jane"},
        {"SourceIdentity": "=01KB0000000000000000000000"},
        {"SourceIdentity": "jane=01KB000000000000000000000"},
    ],
    ids=["no-external-id", "another-external-id", "no-identity", "no-grant", "nobody", "short-grant"],
)
def test_not_even_the_broker_opens_a_session_that_is_no_grants(granted: Granted, name: str, wrong: dict[str, Any]) -> None:
    scope = granted.policy(in_an_hour(), bucket=granted.bucket)
    assert refusal(lambda: granted.session(scope, name)) is None
    assert refusal(lambda: granted.session(scope, name, **wrong)) == "AccessDenied"


@pytest.mark.parametrize(
    ("path", "name"), [("/", MINT_CREDENTIALS + "-2"), (ROLE_PATH, "doorward-serve-api"), ("/x/", "mint")], ids=["like", "api", "other"]
)
def test_no_other_role_of_the_hub_opens_one(granted: Granted, path: str, name: str) -> None:
    other = granted._replace(broker=granted.stack.assume(HUB.id, broker(granted.stack, path, name)))
    assert refusal(lambda: other.session(granted.policy(in_an_hour(), bucket=granted.bucket))) == "AccessDenied"


def test_nobody_of_the_account_itself_opens_one(granted: Granted) -> None:
    """Administrators neither, nor a role of the broker's name."""
    stack = granted.stack
    mine = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    asked = {"RoleSessionName": JANE, "SourceIdentity": JANE, "ExternalId": EXTERNAL_ID}
    for path, name in (("/", unique("admin")), (ROLE_PATH, MINT_CREDENTIALS)):
        mighty = role(stack, PROD.id, trusting(root_of(PROD.id)), document(mine), path=path, name=name)
        session = stack.assume(PROD.id, mighty)
        with pytest.raises(ClientError, match="AccessDenied"):
            stack.assume(PROD.id, granted.arn(GRANT_READ_ROLE), credentials=session, **asked)


def test_a_session_lists_the_granted_bucket_and_no_other_and_writes_into_neither(granted: Granted) -> None:
    other = unique("bucket")
    granted.stack.client("s3", PROD.id).create_bucket(Bucket=other)
    session = granted.session(granted.policy(in_an_hour(), bucket=granted.bucket))
    assert not granted.refused(session, "s3", lambda s3: s3.list_objects_v2(Bucket=granted.bucket))
    assert not granted.refused(session, "s3", lambda s3: s3.get_object(Bucket=granted.bucket, Key="k"))
    assert granted.refused(session, "s3", lambda s3: s3.list_objects_v2(Bucket=other))
    assert granted.refused(session, "s3", lambda s3: s3.put_object(Bucket=granted.bucket, Key="k", Body=b"y"))


def test_from_its_end_on_a_session_is_good_for_nothing_though_its_credentials_go_on(granted: Granted) -> None:
    end = datetime.now(UTC) + timedelta(seconds=10)
    session = granted.session(granted.policy(end, bucket=granted.bucket), DurationSeconds=900)
    assert not granted.refused(session, "s3", lambda s3: s3.list_objects_v2(Bucket=granted.bucket))
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()))
    assert granted.refused(session, "s3", lambda s3: s3.list_objects_v2(Bucket=granted.bucket))
    granted.stack.client("sts", PROD.id, **session).get_caller_identity()  # which nothing can deny


@pytest.mark.parametrize("template", ["read-bucket", "everything"])
def test_no_session_reaches_another_role_or_changes_its_own_whatever_its_scope(granted: Granted, template: str) -> None:
    given = {"bucket": granted.bucket} if template == "read-bucket" else {}
    session = granted.session(granted.policy(in_an_hour(), GRANT_OPERATE_ROLE, template, **given), GRANT_OPERATE_ROLE)
    open_role = role(granted.stack, PROD.id, trusting(root_of(PROD.id), "sts:*"))
    arn, boundary = granted.arn(GRANT_OPERATE_ROLE), f"arn:aws:iam::{PROD.id}:policy{ROLE_PATH}{GRANT_BOUNDARY}"
    name = GRANT_OPERATE_ROLE
    attempts: dict[str, list[Callable[[Any], Any]]] = {
        "sts": [
            lambda sts: sts.assume_role(RoleArn=open_role, RoleSessionName="on"),
            lambda sts: sts.assume_role(RoleArn=arn, RoleSessionName=JANE, SourceIdentity=JANE, ExternalId=EXTERNAL_ID),
        ],
        "iam": [
            lambda iam: iam.update_assume_role_policy(RoleName=name, PolicyDocument=trusting(root_of(PROD.id))),
            lambda iam: iam.delete_role_permissions_boundary(RoleName=name),
            lambda iam: iam.put_role_policy(RoleName=name, PolicyName="more", PolicyDocument=document()),
            lambda iam: iam.update_role(RoleName=name, MaxSessionDuration=43200),
            lambda iam: iam.create_policy_version(PolicyArn=boundary, PolicyDocument=document(), SetAsDefault=True),
            lambda iam: iam.get_role(RoleName="doorward-read"),
            lambda iam: iam.create_user(UserName=unique("user")),
        ],
    }
    for service, calls in attempts.items():
        assert all(granted.refused(session, service, call) for call in calls)


def test_the_boundary_alone_keeps_a_session_from_iam_and_from_what_doorward_hears_by(granted: Granted) -> None:
    """Whatever the role's own policies and the session's say: here everything, and no session policy of ours."""
    iam, name = granted.stack.client("iam", PROD.id), GRANT_OPERATE_ROLE
    everything = document({"Effect": "Allow", "Action": "*", "Resource": "*"})
    iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=everything)
    try:
        session = granted.session(everything, name)
        assert not granted.refused(session, "s3", lambda s3: s3.list_objects_v2(Bucket=granted.bucket))
        assert not granted.refused(session, "events", lambda events: events.put_rule(Name="mine", ScheduleExpression="rate(1 day)"))
        assert granted.refused(session, "events", lambda events: events.disable_rule(Name="doorward-changes"))
        assert granted.refused(session, "cloudtrail", lambda trails: trails.stop_logging(Name="any"))
        assert granted.refused(session, "iam", lambda iam: iam.get_role(RoleName="doorward-read"))
        assert granted.refused(session, "iam", lambda iam: iam.create_user(UserName=unique("user")))
        assert granted.refused(session, "organizations", lambda organizations: organizations.describe_organization())
        open_role = role(granted.stack, PROD.id, trusting(root_of(PROD.id), "sts:*"))
        assert granted.refused(session, "sts", lambda sts: sts.assume_role(RoleArn=open_role, RoleSessionName="on"))
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="everything")


def test_a_grants_session_lasts_an_hour_at_most(granted: Granted) -> None:
    scope = granted.policy(in_an_hour(), bucket=granted.bucket)
    assert refusal(lambda: granted.session(scope, DurationSeconds=3600)) is None
    assert refusal(lambda: granted.session(scope, DurationSeconds=3601)) == "ValidationError"
