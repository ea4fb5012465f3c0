"""The one function that runs in the management account: whatever it is sent, it stops five principals of member accounts at most."""

import json
import textwrap
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from doorward.guardrails.containment import containment_policy
from doorward.guardrails.model import Role
from doorward.guardrails.protected import _LANDING_ZONE, protected_because
from doorward.iam.requests import evaluate_json
from doorward.organization.installation import (
    ASSUMED_BY,
    CONTAIN_FUNCTION,
    CONTAIN_FUNCTION_ROLE,
    CONTAIN_ROLE,
    CONTAINED_POLICY,
    REACT_TO_CHANGE,
    ROLE_PATH,
)
from doorward.organization.model import Organization
from tests.template.conftest import parsed, resources_of, statements_of

type Template = dict[str, Any]

MANAGEMENT, HUB, PROD, ORGANIZATION = "123456789012", "111122223333", "777788889999", "o-a1b2c3d4e5"
NOBODY = f"arn:aws:iam::{MANAGEMENT}:user/nobody"
MALLORY, JANE = (f"arn:aws:iam::{PROD}:user/{each}" for each in ("mallory", "jane"))
EMERGENCY = f"arn:aws:iam::{PROD}:role/emergency"
POLICY = "p-0a1b2c3d"


class FakeOrganizations:
    """One policy, and what it is attached to. `error` is the code that the next call fails with."""

    def __init__(self) -> None:
        statement = parsed("accounts/management.yaml")["Resources"]["ContainedPolicy"]["Properties"]["Content"]
        self.content = json.dumps(statement).replace(json.dumps({"Fn::Sub": NOBODY_AS_WRITTEN}), json.dumps(NOBODY))
        self.attached: list[str] = []
        self.error = ""

    def describe_policy(self, PolicyId: str) -> Any:  # noqa: N803 - as boto3 has it
        self._fail("DescribePolicy", PolicyId)
        return {"Policy": {"Content": self.content}}

    def update_policy(self, PolicyId: str, Content: str) -> None:  # noqa: N803
        self._fail("UpdatePolicy", PolicyId)
        self.content = Content

    def attach_policy(self, PolicyId: str, TargetId: str) -> None:  # noqa: N803
        self._fail("AttachPolicy", PolicyId)
        if TargetId in self.attached:
            raise ClientError({"Error": {"Code": "DuplicatePolicyAttachmentException"}}, "AttachPolicy")
        self.attached.append(TargetId)

    def _fail(self, operation: str, policy_id: str) -> None:
        assert policy_id == POLICY
        if operation == self.error:
            raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "slower"}}, operation)

    @property
    def named(self) -> list[str]:
        found = json.loads(self.content)["Statement"][0]["Condition"]["ArnEquals"]["aws:PrincipalArn"]
        return [each for each in found if each != NOBODY]


NOBODY_AS_WRITTEN = "arn:${AWS::Partition}:iam::${AWS::AccountId}:user/nobody"


class Function:
    """The code as it stands in the template, with the environment that it has there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.organizations = FakeOrganizations()
        properties = parsed("accounts/management.yaml")["Resources"]["ContainFunction"]["Properties"]
        variables = properties["Environment"]["Variables"]
        assert set(variables) == {"POLICY_ID", "NOBODY", "NEVER_CONTAINED", "NEVER_IN"}
        assert variables["NEVER_IN"] == {"Fn::Sub": "${HubAccountId},${AWS::AccountId}"}
        given = {"POLICY_ID": POLICY, "NOBODY": NOBODY, "NEVER_CONTAINED": EMERGENCY, "NEVER_IN": f"{HUB},{MANAGEMENT}"}
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "client", lambda *_service, **_settings: self.organizations)
        self._names: dict[str, Any] = {}
        exec(compile(textwrap.dedent(properties["Code"]["ZipFile"]), "contain", "exec"), self._names)  # noqa: S102 - our own template

    def __call__(self, event: Any) -> Any:
        return json.loads(json.dumps(self._names["handler"](event, None)))


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Function:
    return Function(monkeypatch)


def outcome(scp: str, caller: str) -> str:
    """Of anything that the caller could do, under nothing but this policy."""
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    asked = {"principal": caller, "principal_type": "AWS", "action": "s3:GetObject", "resource": "arn:aws:s3:::b/k"}
    request = {**asked, "resource_account": PROD, "context": {"aws:PrincipalArn": caller}}
    policies = {"identity": [everything], "service_control_policies": [[everything, json.loads(scp)]]}
    return str(evaluate_json({"request": request, "policies": policies})["decision"])


def test_it_denies_everything_to_whom_it_is_told_and_to_nobody_else(function: Function) -> None:
    assert function({"author": MALLORY}) == {"contained": True}
    scp = function.organizations.content
    assert outcome(scp, MALLORY) == "explicitly_denied"
    assert outcome(scp, JANE) == "allowed"
    assert function.organizations.attached == [PROD]
    (theirs,), (ours,) = (each["Statement"] for each in (json.loads(scp), containment_policy(MALLORY)))
    assert {**theirs, "Sid": "", "Condition": ""} == {**ours, "Sid": "", "Condition": ""}  # what people are offered denies the same


def test_at_first_it_denies_nobody() -> None:
    assert FakeOrganizations().named == []
    assert outcome(FakeOrganizations().content, MALLORY) == "allowed"


def test_asked_again_it_changes_nothing_and_repairs_what_was_left_half_done(function: Function) -> None:
    function.organizations.error = "AttachPolicy"
    assert function({"author": MALLORY})["contained"] is False
    function.organizations.error = ""
    for _ in range(2):
        assert function({"author": MALLORY}) == {"contained": True}
    assert function.organizations.named == [MALLORY]
    assert function.organizations.attached == [PROD]


@pytest.mark.parametrize(
    ("author", "because"),
    [
        (f"arn:aws:iam::{MANAGEMENT}:user/admin", "the hub's or the management account"),
        (f"arn:aws:iam::{HUB}:role/doorward/doorward-react-to-change", "the hub's or the management account"),
        (EMERGENCY, "NeverContained"),
        (f"arn:aws:iam::{PROD}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef", "many people share"),
        (f"arn:aws:iam::{PROD}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS", "that AWS"),
        (f"arn:aws:iam::{PROD}:role/doorward/doorward-read", "or Doorward needs"),
        (f"arn:aws:iam::{PROD}:role/service-role/AWSControlTowerStackSetRole", "the landing zone"),
        (f"arn:aws:iam::{PROD}:role/stacksets-exec-{'0f' * 16}", "the landing zone"),
        (f"arn:aws:sts::{PROD}:federated-user/mallory", "not the ARN of a user, a role or a root user"),
        ("*", "not the ARN"),
        (f"arn:aws:iam::{PROD}:user/*", "not the ARN"),
        (f"arn:aws:iam::{PROD}:role/?", "not the ARN"),
        ("arn:aws:iam::*:user/mallory", "not the ARN"),
        (f"arn:aws:iam::{PROD}:user/${{aws:username}}", "not the ARN"),
        (f"{MALLORY}\n", "not the ARN"),
        ([MALLORY, JANE], "not the ARN"),
        (None, "not the ARN"),
    ],
)
def test_whom_it_never_contains(function: Function, author: Any, because: str) -> None:
    before = function.organizations.content
    answer = function({"author": author})
    assert answer["contained"] is False
    assert because in answer["because"]
    assert (function.organizations.content, function.organizations.attached) == (before, [])


def test_the_roles_of_the_landing_zone_are_those_that_are_never_written_to_either(function: Function) -> None:
    for name in _LANDING_ZONE:
        assert function({"author": f"arn:aws:iam::{PROD}:role/{name}"})["contained"] is False, name
    for name in sorted(set(ASSUMED_BY) - {CONTAIN_ROLE}):
        assert function({"author": f"arn:aws:iam::{PROD}:role{ROLE_PATH}{name}"})["contained"] is False, name
    for name in ("AWSControlTowerExecutioner", "my-aws-controltower-ReadOnlyExecutionRole", "doorward-read"):
        arn = f"arn:aws:iam::{PROD}:role/{name}"
        assert protected_because(Role(PROD, name, "/", arn, "AROAX", "{}"), Organization()) is None
        assert function({"author": arn}) == {"contained": True}, name


def test_no_more_than_five_at_a_time(function: Function) -> None:
    for number in range(5):
        assert function({"author": f"{MALLORY}-{number}"}) == {"contained": True}
    answer = function({"author": JANE})
    assert answer == {"contained": False, "because": f"5 are contained already, which is the most: take one out of policy {POLICY} first"}
    assert JANE not in function.organizations.content
    assert function({"author": f"{MALLORY}-0"}) == {"contained": True}
    longest = f"arn:aws-us-gov:iam::{PROD}:role/{'x' * 576}"
    assert len(json.dumps(containment_policy(longest))) + 5 * len(longest) < 5120  # what AWS Organizations takes


def test_a_policy_that_somebody_changed_is_left_as_it_is(function: Function) -> None:
    changed = json.loads(function.organizations.content)
    changed["Statement"][0]["NotAction"] = changed["Statement"][0].pop("Action")
    others: tuple[dict[str, Any], ...] = (changed, {"Statement": []}, {})
    for content in others:
        function.organizations.content = json.dumps(content)
        assert "changed by hand" in function({"author": MALLORY})["because"]
        assert json.loads(function.organizations.content) == content


def test_a_person_takes_somebody_out_and_the_rest_goes_on(function: Function) -> None:
    for each in (MALLORY, JANE):
        function({"author": each})
    content = json.loads(function.organizations.content)
    content["Statement"][0]["Condition"]["ArnEquals"]["aws:PrincipalArn"] = JANE  # a list of one may be written without brackets
    function.organizations.content = json.dumps(content)
    assert outcome(function.organizations.content, MALLORY) == "allowed"
    assert function({"author": MALLORY}) == {"contained": True}
    assert set(function.organizations.named) == {MALLORY, JANE}


@pytest.mark.parametrize("operation", ["DescribePolicy", "UpdatePolicy", "AttachPolicy"])
def test_what_aws_organizations_refuses_is_said(function: Function, operation: str) -> None:
    function.organizations.error = operation
    assert "slower" in function({"author": MALLORY})["because"]


def _odd() -> Iterator[st.SearchStrategy[Any]]:
    yield st.none() | st.integers() | st.text() | st.lists(st.text())
    yield st.text().map(lambda text: f"arn:aws:iam::{PROD}:user/{text}")
    yield st.from_regex(r"arn:aws[a-z-]*:iam::[0-9]{12}:(root|user/.+|role/.+)", fullmatch=True)


@given(st.lists(st.one_of(*_odd()), max_size=12))
def test_whatever_it_is_sent_the_policy_keeps_its_form_and_its_bound(authors: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        function = Function(monkeypatch)
        for each in authors:
            function({"author": each})
        named = function.organizations.named
        assert len(named) <= 5
        assert all(not set("*?$") & set(each) and f"::{HUB}:" not in each and f"::{MANAGEMENT}:" not in each for each in named)
        assert set(function.organizations.attached) == {each.split(":")[4] for each in named}
        emptied = function.organizations.content
        for each in named:
            emptied = emptied.replace(f", {json.dumps(each)}", "")
        assert json.loads(emptied) == json.loads(FakeOrganizations().content)


def test_without_opting_in_nothing_of_it_exists(management: Template) -> None:
    assert management["Parameters"]["AllowContainment"]["Default"] == "false"
    assert management["Conditions"]["Containment"] == {"Fn::Equals": [{"Ref": "AllowContainment"}, "true"]}
    conditional = {name for name, each in management["Resources"].items() if each.get("Condition") == "Containment"}
    assert conditional == {"ContainRole", "ContainFunctionRole", "ContainedPolicy", "ContainFunction", "ContainLogs"}
    assert parsed("template.yaml")["Parameters"]["ContainAuthors"]["Default"] == "false"
    policy = parsed("template.yaml")["Resources"]["ReactToChangeContainment"]
    assert policy["Condition"] == "ContainsAuthors"


def test_the_names_are_those_that_the_hub_uses(management: Template) -> None:
    resources = management["Resources"]
    assert resources["ContainFunction"]["Properties"]["FunctionName"] == CONTAIN_FUNCTION
    assert resources["ContainedPolicy"]["Properties"]["Name"] == CONTAINED_POLICY
    assert resources["ContainRole"]["Properties"]["RoleName"] == CONTAIN_ROLE
    assert resources["ContainFunctionRole"]["Properties"]["RoleName"] == CONTAIN_FUNCTION_ROLE
    assert ASSUMED_BY[CONTAIN_ROLE] == {REACT_TO_CHANGE}


def test_the_policy_is_attached_to_accounts_alone_and_never_detached(management: Template) -> None:
    roles = resources_of(management, "AWS::IAM::Role")
    (attach,) = [each for each in statements_of(roles["ContainFunctionRole"]) if each["Action"] == "organizations:AttachPolicy"]
    assert [each.get("Fn::Sub", "").partition(":organizations:")[2] for each in attach["Resource"]] == [
        "",
        ":${AWS::AccountId}:account/${OrganizationId}/*",
    ]
    assert "TargetIds" not in management["Resources"]["ContainedPolicy"]["Properties"]
