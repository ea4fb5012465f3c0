"""What reading and writing roles owes, the fake and AWS (moto) alike; and how the adapter enters accounts."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from moto import mock_aws

from doorward.aws.cuts import IamCuts
from doorward.aws.members import Members
from doorward.aws.roles import StsRoles
from doorward.errors import Conflict, DoorwardError, Misconfigured, Unavailable
from doorward.guardrails.model import Role
from doorward.ports.roles import Refused, Roles
from tests.fakes import FakeClock, FakeRoles

PROD = "777788889999"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
OTHER = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
_LISTS_BUCKETS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass
class World:
    """Roles, and a way to make one exist."""

    roles: Roles
    aws: bool

    def exists(self, name: str, path: str = "/", trust: Any = TRUST) -> None:
        if isinstance(self.roles, FakeRoles):
            self.roles.put(
                Role(
                    PROD, name, path, f"arn:aws:iam::{PROD}:role{path}{name}", f"AROA{name.upper()}", json.dumps(trust), tags={"team": "x"}
                )
            )
            return
        member = boto3.client("sts").assume_role(RoleArn=f"arn:aws:iam::{PROD}:role/any", RoleSessionName="test")["Credentials"]
        iam = boto3.client(
            "iam",
            aws_access_key_id=member["AccessKeyId"],
            aws_secret_access_key=member["SecretAccessKey"],
            aws_session_token=member["SessionToken"],
        )
        iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(trust), Tags=[{"Key": "team", "Value": "x"}])


@pytest.fixture(params=["fake", "aws"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield World(FakeRoles(), aws=False)
        return
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        yield World(StsRoles(Members(boto3.client("sts"), lambda: "x" * 48, FakeClock())), aws=True)


def test_a_role_is_read_as_it_stands_with_its_path_and_id(world: World) -> None:
    world.exists("deep", path="/a/b/")
    role = world.roles.read(PROD, "deep")
    assert role is not None
    assert (role.account_id, role.name, role.path) == (PROD, "deep", "/a/b/")
    assert role.arn == f"arn:aws:iam::{PROD}:role/a/b/deep"
    assert role.role_id.startswith("AROA")
    assert json.loads(role.trust_policy) == TRUST
    assert role.tags == {"team": "x"}
    assert role.ref == f"{PROD}/deep"


def test_a_role_that_is_not_there_is_none(world: World) -> None:
    assert world.roles.read(PROD, "nobody") is None


def test_all_roles_of_an_account_are_read(world: World) -> None:
    names = {f"role-{number}" for number in range(5)}
    for name in names:
        world.exists(name)
    assert {role.name for role in world.roles.read_all(PROD)} == names
    assert all(json.loads(role.trust_policy) == TRUST for role in world.roles.read_all(PROD))


def test_what_is_written_is_read_back(world: World) -> None:
    world.exists("x")
    role = world.roles.read(PROD, "x")
    assert role is not None
    world.roles.write_trust_policy(role, json.dumps(OTHER), finding_id="dw-1")
    after = world.roles.read(PROD, "x")
    assert after is not None
    assert json.loads(after.trust_policy) == OTHER
    assert after.role_id == role.role_id


def test_writing_to_a_role_that_is_gone_is_a_conflict(world: World) -> None:
    gone = Role(PROD, "gone", "/", f"arn:aws:iam::{PROD}:role/gone", "AROAGONE", json.dumps(TRUST))
    with pytest.raises(Conflict):
        world.roles.write_trust_policy(gone, json.dumps(OTHER), finding_id="dw-1")


def test_a_document_that_iam_refuses_is_refused() -> None:
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        world = World(StsRoles(Members(boto3.client("sts"), lambda: "x" * 48, FakeClock())), aws=True)
        world.exists("x")
        role = world.roles.read(PROD, "x")
        assert role is not None
        with pytest.raises(Refused):
            world.roles.write_trust_policy(role, "{not json", finding_id="dw-1")


_QUARANTINE = f"arn:aws:iam::{PROD}:policy/doorward/DoorwardQuarantine"


def test_a_quarantined_role_has_the_policy_attached_once_and_keeps_its_trust_policy(world: World) -> None:
    if world.aws:
        _member_iam().create_policy(PolicyName="DoorwardQuarantine", Path="/doorward/", PolicyDocument=json.dumps(_LISTS_BUCKETS))
    world.exists("x", path="/a/")
    role = world.roles.read(PROD, "x")
    assert role is not None
    assert world.roles.attached_to(PROD, _QUARANTINE) == ()
    for _ in range(2):
        world.roles.quarantine(role, finding_id="dw-1")
        assert world.roles.attached_to(PROD, _QUARANTINE) == ("x",)
    after = world.roles.read(PROD, "x")
    assert after is not None
    assert json.loads(after.trust_policy) == TRUST


def test_quarantining_a_role_that_is_gone_is_a_conflict(world: World) -> None:
    gone = Role(PROD, "gone", "/", f"arn:aws:iam::{PROD}:role/gone", "AROAGONE", json.dumps(TRUST))
    with pytest.raises(Conflict):
        world.roles.quarantine(gone, finding_id="dw-1")


def _credentials(seconds: int = 900) -> dict[str, Any]:
    return {
        "AccessKeyId": "ASIAEXAMPLEEXAMPLE00",
        "SecretAccessKey": "s" * 40,
        "SessionToken": "t" * 100,
        "Expiration": FakeClock().now() + timedelta(seconds=seconds),
    }


@pytest.fixture
def sts() -> Iterator[Any]:
    with patch.dict(os.environ, ENVIRONMENT):
        yield boto3.client("sts")


def test_reading_enters_by_the_read_role_with_the_external_id_for_the_shortest_time(sts: Any) -> None:
    with Stubber(sts) as stub:
        stub.add_response(
            "assume_role",
            {"Credentials": _credentials()},
            {
                "RoleArn": f"arn:aws:iam::{PROD}:role/doorward/doorward-read",
                "RoleSessionName": "doorward",
                "ExternalId": "own-external-id",
                "DurationSeconds": 900,
            },
        )
        StsRoles(Members(sts, lambda: "own-external-id", FakeClock()))._reader(PROD)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(("partition", "is_quarantine"), [("aws", False), ("aws", True), ("aws-us-gov", True)])
def test_writing_enters_by_the_remedy_role_scoped_down_to_exactly_this_role_and_says_why(
    sts: Any, partition: str, is_quarantine: bool
) -> None:
    role = Role(PROD, "x", "/a/", f"arn:{partition}:iam::{PROD}:role/a/x", "AROAX", "{}")
    policy = f"arn:{partition}:iam::{PROD}:policy/doorward/DoorwardQuarantine"
    action = "iam:AttachRolePolicy" if is_quarantine else "iam:UpdateAssumeRolePolicy"
    scope: dict[str, Any] = {"Effect": "Allow", "Resource": role.arn, "Action": action}
    if is_quarantine:
        scope["Condition"] = {"ArnEquals": {"iam:PolicyARN": policy}}
    with Stubber(sts) as stub:
        stub.add_response(
            "assume_role",
            {"Credentials": _credentials()},
            {
                "RoleArn": f"arn:{partition}:iam::{PROD}:role/doorward/doorward-remedy",
                "RoleSessionName": "dw-7",
                "SourceIdentity": "dw-7",
                "ExternalId": "own-external-id",
                "DurationSeconds": 900,
                "Policy": json.dumps({"Version": "2012-10-17", "Statement": [scope]}),
            },
        )
        roles = StsRoles(Members(sts, lambda: "own-external-id", FakeClock(), partition))
        with patch("doorward.aws.members.boto3.client") as client:
            if is_quarantine:
                roles.quarantine(role, finding_id="dw-7")
                client.return_value.attach_role_policy.assert_called_once_with(RoleName="x", PolicyArn=policy)
            else:
                roles.write_trust_policy(role, "{}", finding_id="dw-7")
                client.return_value.update_assume_role_policy.assert_called_once_with(RoleName="x", PolicyDocument="{}")
        stub.assert_no_pending_responses()


def test_sessions_are_cut_by_the_cut_role_scoped_down_to_exactly_this_role_and_call(sts: Any) -> None:
    arn = f"arn:aws:iam::{PROD}:role/a/x"
    for action in ("iam:PutRolePolicy", "iam:DeleteRolePolicy"):
        with Stubber(sts) as stub:
            stub.add_response(
                "assume_role",
                {"Credentials": _credentials()},
                {
                    "RoleArn": f"arn:aws:iam::{PROD}:role/doorward/doorward-cut",
                    "RoleSessionName": "dw-7",
                    "SourceIdentity": "dw-7",
                    "ExternalId": "own-external-id",
                    "DurationSeconds": 900,
                    "Policy": json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": arn}]}),
                },
            )
            cuts = IamCuts(Members(sts, lambda: "own-external-id", FakeClock()))
            with patch("doorward.aws.members.boto3.client") as client:
                if action == "iam:PutRolePolicy":
                    cuts.put(PROD, arn, "{}", finding_id="dw-7")
                    client.return_value.put_role_policy.assert_called_once_with(
                        RoleName="x", PolicyName="DoorwardSessionCut", PolicyDocument="{}"
                    )
                else:
                    gone = ClientError({"Error": {"Code": "NoSuchEntity", "Message": ""}}, "DeleteRolePolicy")
                    client.return_value.delete_role_policy.side_effect = gone  # harmless
                    cuts.remove(PROD, arn, finding_id="dw-7")
                    client.return_value.delete_role_policy.assert_called_once_with(RoleName="x", PolicyName="DoorwardSessionCut")
            stub.assert_no_pending_responses()


def test_credentials_are_used_again_until_they_are_about_to_expire(sts: Any) -> None:
    clock = FakeClock()
    roles = StsRoles(Members(sts, lambda: "own-external-id", clock))
    anything = {"RoleArn": ANY, "RoleSessionName": ANY, "ExternalId": ANY, "DurationSeconds": ANY}
    with Stubber(sts) as stub:
        stub.add_response("assume_role", {"Credentials": _credentials(900)}, anything)
        first = roles._reader(PROD)
        clock.sleep(800)
        assert roles._reader(PROD) is first
        clock.sleep(50)  # 50 seconds are left
        stub.add_response("assume_role", {"Credentials": _credentials(1800)}, anything)
        assert roles._reader(PROD) is not first


@pytest.mark.parametrize(
    ("code", "failure"),
    [("AccessDenied", Misconfigured), ("Throttling", Unavailable), ("ServiceUnavailable", Unavailable), ("NobodyKnows", Unavailable)],
)
def test_an_account_that_cannot_be_entered_says_which_and_keeps_the_external_id_to_itself(
    sts: Any, code: str, failure: type[DoorwardError]
) -> None:
    with Stubber(sts) as stub:
        stub.add_client_error("assume_role", code, "not authorized")
        with pytest.raises(failure, match=f"assuming .*{PROD}.*accounts/member.yaml") as caught:
            StsRoles(Members(sts, lambda: "own-external-id", FakeClock())).read(PROD, "x")
    assert "own-external-id" not in str(caught.value)


@pytest.mark.parametrize("fake", [True, False])
def test_the_roles_of_a_policy_are_those_that_have_it_attached(fake: bool) -> None:
    policy = f"arn:aws:iam::{PROD}:policy/power"
    if fake:
        assert FakeRoles(attached={(PROD, policy): ["x"]}).attached_to(PROD, policy) == ("x",)
        assert FakeRoles().attached_to(PROD, policy) == ()
        return
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        world = World(StsRoles(Members(boto3.client("sts"), lambda: "x" * 48, FakeClock())), aws=True)
        world.exists("x")
        assert world.roles.attached_to(PROD, policy) == ()  # there is no such policy (any more)
        session = boto3.client("sts").assume_role(RoleArn=f"arn:aws:iam::{PROD}:role/doorward/doorward-read", RoleSessionName="local")[
            "Credentials"
        ]
        iam = boto3.client(
            "iam",
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
        )
        iam.create_policy(PolicyName="power", PolicyDocument=json.dumps(_LISTS_BUCKETS))
        iam.attach_role_policy(RoleName="x", PolicyArn=policy)
        assert world.roles.attached_to(PROD, policy) == ("x",)


def _member_iam() -> Any:
    session = boto3.client("sts").assume_role(RoleArn=f"arn:aws:iam::{PROD}:role/doorward/doorward-read", RoleSessionName="local")
    keys = session["Credentials"]
    return boto3.client(
        "iam",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def test_what_a_role_may_do_is_read_with_the_texts_of_the_accounts_own_policies_and_of_its_boundary() -> None:
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        world = World(StsRoles(Members(boto3.client("sts"), lambda: "x" * 48, FakeClock())), aws=True)
        world.exists("x")
        iam = _member_iam()
        own, limit = (f"arn:aws:iam::{PROD}:policy/{each}" for each in ("own", "limit"))
        for name in ("own", "limit"):
            iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(_LISTS_BUCKETS))
        iam.attach_role_policy(RoleName="x", PolicyArn=own)
        iam.put_role_policy(RoleName="x", PolicyName="inline", PolicyDocument=json.dumps(_LISTS_BUCKETS))
        role = world.roles.read(PROD, "x")
        assert role is not None
        assert (role.permissions, role.permissions_boundary) == (None, "")
        iam.put_role_permissions_boundary(RoleName="x", PermissionsBoundary=limit)
        role = world.roles.read(PROD, "x")
        assert role is not None
        assert role.permissions_boundary == limit
        found = world.roles.permissions_of(role)
        assert [each.name for each in found.policies] == [own, "inline"]
        assert [json.loads(each.document or "") for each in found.policies] == [_LISTS_BUCKETS, _LISTS_BUCKETS]
        assert json.loads(found.boundary or "") == _LISTS_BUCKETS
        assert found.unread_because is None


def test_whether_a_listed_role_has_a_boundary_is_not_known(world: World) -> None:
    world.exists("x")
    assert [each.permissions_boundary for each in world.roles.read_all(PROD)] == [None]


def _reading(answers: list[tuple[str, Any]]) -> tuple[StsRoles, Any]:
    """With an IAM that answers so, in order; an answer that is text is an error's code."""
    iam = boto3.client("iam", aws_access_key_id="x", aws_secret_access_key="x")
    stub = Stubber(iam)
    for call, answer in answers:
        if isinstance(answer, str):
            stub.add_client_error(call, answer, "not authorized")
        else:
            stub.add_response(call, answer)
    roles = StsRoles(Members(boto3.client("sts"), lambda: "x" * 48, FakeClock()))
    return roles, (iam, stub)


_DOOR = Role(PROD, "x", "/", f"arn:aws:iam::{PROD}:role/x", "AROAX", "{}", permissions_boundary="")
_NO_INLINE: tuple[str, dict[str, list[str]]] = ("list_role_policies", {"PolicyNames": []})
_OF_AWS = "arn:aws:iam::aws:policy/AdministratorAccess"


@pytest.mark.parametrize(
    ("answers", "documents", "because"),
    [
        ([("list_attached_role_policies", "AccessDenied"), _NO_INLINE], [("the managed policies", None)], "AccessDenied"),
        (
            [("list_attached_role_policies", {"AttachedPolicies": []}), ("list_role_policies", "AccessDenied")],
            [("the inline policies", None)],
            "AccessDenied",
        ),
        (
            [
                ("list_attached_role_policies", {"AttachedPolicies": [{"PolicyArn": f"arn:aws:iam::{PROD}:policy/own"}]}),
                ("get_policy", "NoSuchEntity"),
                _NO_INLINE,
            ],
            [(f"arn:aws:iam::{PROD}:policy/own", None)],
            "NoSuchEntity",
        ),
        (
            [("list_attached_role_policies", {"AttachedPolicies": [{"PolicyArn": _OF_AWS}]}), ("get_policy", "AccessDenied"), _NO_INLINE],
            [(_OF_AWS, None)],
            "AccessDenied",
        ),
    ],
)
def test_what_is_refused_is_said_to_be_unread(
    answers: list[tuple[str, Any]], documents: list[tuple[str, str | None]], because: str
) -> None:
    with patch.dict(os.environ, ENVIRONMENT):
        roles, (iam, stub) = _reading(answers)
        with stub, patch.object(StsRoles, "_reader", lambda _self, _account: iam):
            found = roles.permissions_of(_DOOR)
            stub.assert_no_pending_responses()
    assert [(each.name, each.document) for each in found.policies] == documents
    assert because in (found.unread_because or "")


def _versions(arn: str, version: str) -> tuple[str, Any]:
    return "get_policy", {"Policy": {"Arn": arn, "DefaultVersionId": version}}


def _text(version: str) -> tuple[str, Any]:
    return "get_policy_version", {"PolicyVersion": {"Document": json.dumps(_LISTS_BUCKETS | {"Id": version}), "VersionId": version}}


def test_a_version_of_a_policy_of_aws_is_read_once_for_all_accounts_and_one_of_an_accounts_own_each_time() -> None:
    own = f"arn:aws:iam::{PROD}:policy/own"
    attached = "list_attached_role_policies", {"AttachedPolicies": [{"PolicyArn": _OF_AWS}, {"PolicyArn": own}]}
    with patch.dict(os.environ, ENVIRONMENT):
        first = [attached, _versions(_OF_AWS, "v1"), _text("v1"), _versions(own, "v1"), _text("v1"), _NO_INLINE]
        again = [attached, _versions(_OF_AWS, "v1"), _versions(own, "v1"), _text("v1"), _NO_INLINE]
        newer = [attached, _versions(_OF_AWS, "v2"), _text("v2"), _versions(own, "v1"), _text("v1"), _NO_INLINE]
        roles, (iam, stub) = _reading([*first, *again, *newer])
        with stub, patch.object(StsRoles, "_reader", lambda _self, _account: iam):
            read = [roles.permissions_of(each) for each in (_DOOR, _DOOR._replace(account_id="444455556666"), _DOOR)]
            stub.assert_no_pending_responses()
    assert [[json.loads(each.document or "")["Id"] for each in one.policies] for one in read] == [["v1", "v1"], ["v1", "v1"], ["v2", "v1"]]


def test_a_throttled_read_is_tried_again_later_and_not_called_unread() -> None:
    with patch.dict(os.environ, ENVIRONMENT):
        roles, (iam, stub) = _reading([("list_attached_role_policies", "Throttling")])
        with stub, patch.object(StsRoles, "_reader", lambda _self, _account: iam), pytest.raises(Unavailable):
            roles.permissions_of(_DOOR)
