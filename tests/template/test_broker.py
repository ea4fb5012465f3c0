"""The broker in the translated template: what it may open, who may ask it, and that nothing on the way keeps what it answers."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from doorward.aws.broker import ASKED_ONCE
from doorward.aws.sign_in import SignInEndpoint
from tests.template.conftest import as_list, resources_of, statements_of

type Template = dict[str, Any]

BROKER = "MintCredentialsFunction"
KEEPS_PAYLOADS = {"DeadLetterConfig", "EventInvokeConfig", "DurableConfig", "SnapStart"}
"""Settings by which Lambda would keep an event or an answer, or a memory that had one."""


def everything_that_assumes(hub: Template) -> Iterator[tuple[str, str, str]]:
    """Role, action and resource, as text, of each permission of STS's."""
    for name, role in resources_of(hub, "AWS::IAM::Role").items():
        for statement in statements_of(role):
            for action in as_list(statement["Action"]):
                if action.startswith("sts:") or action == "*":
                    yield from ((name, action, json.dumps(resource)) for resource in as_list(statement["Resource"]))


def test_it_may_open_the_roles_that_people_are_granted_and_no_other(hub: Template) -> None:
    opened = {(action, resource) for name, action, resource in everything_that_assumes(hub) if name == "MintCredentialsRole"}
    assert {action for action, _ in opened} == {"sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"}
    assert all(re.search(r":iam::\$\{Accounts\}:role/doorward/grants/\*\"", resource) for _, resource in opened)


def test_nobody_else_may_open_them(hub: Template) -> None:
    """Each of the others names one role, under no path that these are under."""
    for name, _, resource in everything_that_assumes(hub):
        if name != "MintCredentialsRole":
            assert re.search(r"role/doorward/doorward-[a-z]+\"", resource), (name, resource)
            assert "grants" not in resource


def test_serve_api_alone_may_ask_it(hub: Template) -> None:
    may = [
        name
        for name, role in resources_of(hub, "AWS::IAM::Role").items()
        for statement in statements_of(role)
        for action in as_list(statement["Action"])
        if action.startswith("lambda:Invoke") and any(each in json.dumps(statement["Resource"]) for each in (BROKER, '"*"', "function:"))
    ]
    assert may == ["ServeApiRole"]
    for kind in ("AWS::Lambda::Permission", "AWS::Lambda::EventSourceMapping", "AWS::Lambda::Url", "AWS::Lambda::EventInvokeConfig"):
        assert not [name for name, each in resources_of(hub, kind).items() if BROKER in json.dumps(each)]


def test_nothing_keeps_what_it_is_asked_or_answers(hub: Template) -> None:
    for name in (BROKER, "ServeApiFunction"):
        properties = hub["Resources"][name]["Properties"]
        assert not KEEPS_PAYLOADS & set(properties)
        assert properties.get("TracingConfig", {}).get("Mode", "PassThrough") == "PassThrough"
        variables = properties["Environment"]["Variables"]
        assert variables["POWERTOOLS_LOG_LEVEL"] == "INFO"  # at DEBUG the SDK writes bodies
        assert not {"POWERTOOLS_LOGGER_LOG_EVENT", "POWERTOOLS_DEV", "POWERTOOLS_DEBUG", "AWS_LAMBDA_EXEC_WRAPPER"} & set(variables)
        assert properties["Layers"] == [{"Ref": each} for each in hub["Resources"] if re.match(r"(Dependencies|Doorward)Layer", each)]


def test_it_is_asked_once_and_waited_for_until_it_has_given_up(hub: Template) -> None:
    """An issue is used up by the first call; a second one would be refused, and the credentials of the first be lost."""
    once: Any = ASKED_ONCE
    assert once.retries == {"total_max_attempts": 1}
    broker, api = (hub["Resources"][each]["Properties"]["Timeout"] for each in (BROKER, "ServeApiFunction"))
    assert broker < once.read_timeout < api


@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("https://signin.aws.amazon.com/federation", True),
        ("https://us-east-1.signin.aws.amazon.com/federation", True),
        ("https://signin.amazonaws.cn/federation", True),
        ("https://signin.amazonaws-us-gov.com/federation", True),
        ("http://127.0.0.1:4566/federation", True),
        ("http://signin.aws.amazon.com/federation", False),
        ("https://signin.aws.amazon.com.evil.example/federation", False),
        ("https://evil.example/signin.aws.amazon.com/federation", False),
        ("https://signinXaws.amazon.com/federation", False),
        ("http://127.0.0.1:4566@evil.example/federation", False),
        ("http://127.0.0.1.evil.example:80/federation", False),
        ("", False),
    ],
)
def test_credentials_are_given_to_awss_own_sign_in_alone(hub_source: Template, url: str, is_taken: bool) -> None:
    parameter = hub_source["Parameters"]["FederationUrl"]
    assert (re.fullmatch(parameter["AllowedPattern"].strip("^$"), url) is not None) is is_taken
    assert parameter["Default"] == "https://signin.aws.amazon.com/federation"
    assert SignInEndpoint(parameter["Default"]) is not None
