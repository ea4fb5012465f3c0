"""Nothing is granted that nothing does: every action of every role is a call of the code, or AWS's own on the role's behalf.

A call is a method of a boto3 client, written in the adapters as an attribute, or as the name of an operation to page through.
"""

import ast
from collections.abc import Iterator

import pytest
from botocore import xform_name

from tests.template.conftest import REPOSITORY, as_list, parsed, resources_of, statements_of

ADAPTERS = (REPOSITORY / "layers" / "doorward" / "doorward" / "aws", REPOSITORY / "cli" / "doorward_cli")
BY_ANOTHER_NAME = {
    "dynamodb:ConditionCheckItem": "ConditionCheck",
    "sts:SetSourceIdentity": "SourceIdentity",
}
"""Actions that a call of another name needs, or one with this parameter."""
OF_AWS = {
    # Lambda, for the function that the role is of: its log group, its queue, its stream.
    "logs:CreateLogStream": "*",
    "logs:PutLogEvents": "*",
    "sqs:ReceiveMessage": "*",
    "sqs:DeleteMessage": "*",
    "dynamodb:DescribeStream": "PublishOutboxRole",
    "dynamodb:GetRecords": "PublishOutboxRole",
    "dynamodb:GetShardIterator": "PublishOutboxRole",
    "dynamodb:ListStreams": "PublishOutboxRole",
    # Step Functions, for what the state machine of the sweep says.
    "lambda:InvokeFunction": "SweepRole",
    "states:DescribeExecution": "SweepRole",
    "states:StopExecution": "SweepRole",
    # SNS, to encrypt what the function publishes.
    "kms:Decrypt": "NotifyPeopleRole",
    "kms:GenerateDataKey": "NotifyPeopleRole",
}
"""What no code of ours calls because AWS does, under the role. By action: the one role that has it, `*` where several do."""
OF_PEOPLE = {
    # docs/evidence.md says what an auditor does with each.
    "s3:GetBucketObjectLockConfiguration": "AuditorRole",
    "s3:GetBucketPolicy": "AuditorRole",
    "s3:GetBucketVersioning": "AuditorRole",
    "s3:GetObject": "AuditorRole",
    "s3:GetObjectRetention": "AuditorRole",
    "s3:GetObjectVersion": "AuditorRole",
    "s3:ListBucket": "AuditorRole",
    "s3:ListBucketVersions": "AuditorRole",
}
"""What a person does under a role that is for people; the page that tells him how has the call's name (a test looks)."""
TEMPLATES = ("template.yaml", "accounts/member.yaml", "accounts/management.yaml", "accounts/stacksets.yaml")


def calls() -> frozenset[str]:
    """Every name that could be an operation's, or a parameter's: attributes, keywords and texts of the adapters."""
    found: set[str] = set()
    for folder in ADAPTERS:
        for file in folder.glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Attribute):
                    found.add(node.attr)
                elif isinstance(node, ast.keyword) and node.arg is not None:
                    found.add(node.arg)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value)
    return frozenset(found)


def granted() -> Iterator[tuple[str, str, str]]:
    """(template, role, action) of every Allow."""
    for name in TEMPLATES:
        for logical_id, role in resources_of(parsed(name), "AWS::IAM::Role").items():
            for statement in statements_of(role):
                for action in as_list(statement["Action"]) if statement["Effect"] == "Allow" else ():
                    yield name, logical_id, action


def is_used(role: str, action: str, called: frozenset[str]) -> bool:
    method = xform_name(action.partition(":")[2])
    return method in called or BY_ANOTHER_NAME.get(action) in called or OF_AWS.get(action) in {role, "*"} or OF_PEOPLE.get(action) == role


@pytest.mark.parametrize(("name", "role", "action"), sorted(set(granted())))
def test_whatever_a_role_may_do_something_does(name: str, role: str, action: str) -> None:
    assert is_used(role, action, calls()), f"{name}: nothing calls {action} for {role}; take it away"


def test_no_exception_stands_for_what_is_not_granted() -> None:
    actions = {action for _, _, action in granted()}
    assert {*BY_ANOTHER_NAME, *OF_AWS, *OF_PEOPLE} <= actions, {*BY_ANOTHER_NAME, *OF_AWS, *OF_PEOPLE} - actions
    for action, role in {**OF_AWS, **OF_PEOPLE}.items():
        assert role == "*" or role in {each for _, each, granted_action in granted() if granted_action == action}, action


def test_whatever_people_may_do_under_a_role_of_theirs_they_are_told_how(calls_of_the_page: str) -> None:
    for action in OF_PEOPLE:
        assert action in calls_of_the_page, action


@pytest.fixture
def calls_of_the_page() -> str:
    return (REPOSITORY / "docs" / "evidence.md").read_text("utf-8")


def test_an_action_that_nothing_calls_would_be_seen() -> None:
    assert not is_used("ReadRole", "iam:GetLoginProfile", calls())
    assert is_used("ReadRole", "iam:GetRole", calls())
