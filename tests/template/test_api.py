"""The API as API Gateway and the firewall before it get it: who is asked what, and that nothing of a call is kept on the way."""

import json
from typing import Any

import pytest

from doorward.aws.api import LONGEST_BODY
from doorward.usecases.serve_api import GUARDED, MOST_A_MINUTE
from tests.template.conftest import resources_of

type Template = dict[str, Any]

LIMIT_MINUTES = 5
"""Of a rate rule, unless it says otherwise: AWS WAF's EvaluationWindowSec."""


@pytest.fixture
def body(hub: Template) -> Template:
    """What API Gateway is given."""
    found: Template = hub["Resources"]["Api"]["Properties"]["Body"]
    return found


@pytest.fixture
def rules(hub: Template) -> dict[str, Template]:
    (firewall,) = resources_of(hub, "AWS::WAFv2::WebACL").values()
    assert firewall["Properties"]["DefaultAction"] == {"Allow": {}}
    assert firewall["Properties"]["Scope"] == "REGIONAL"
    return {each["Name"]: each for each in firewall["Properties"]["Rules"]}


# -- who is asked ----------------------------------------------------------------------------------


def open_routes(body: Template) -> set[str]:
    """Routes that ask nobody who he is."""
    return {
        f"{method} {path}"
        for path, operations in body["paths"].items()
        for method, operation in operations.items()
        if method != "options" and operation.get("security") in (None, [], [{"NONE": []}])
    }


def test_every_route_asks_for_a_signature_but_those_for_tokens_and_slack_s(body: Template) -> None:
    asked = {
        f"{method} {path}": [name for each in operation["security"] for name in each]
        for path, operations in body["paths"].items()
        for method, operation in operations.items()
        if f"{method} {path}" not in open_routes(body)
    }
    assert {route: names for route, names in asked.items() if names != ["AWS_IAM"]} == {
        f"get {GUARDED}": ["Token"],
        f"post {GUARDED}": ["Token"],
    }
    assert all(each.startswith("post /slack/") for each in open_routes(body))


def test_the_authorizer_is_asked_at_each_call(body: Template) -> None:
    schemes = body["components"]["securitySchemes"]
    token = schemes["Token"]["x-amazon-apigateway-authorizer"]
    assert (token["type"], token["authorizerResultTtlInSeconds"], schemes["Token"]["name"]) == ("token", 0, "Authorization")
    assert "AuthorizeTokenFunction" in json.dumps(token["authorizerUri"])


def test_the_policy_lets_no_caller_in_whom_it_does_not_know_but_for_slack(body: Template) -> None:
    for each in body["x-amazon-apigateway-policy"]["Statement"]:
        slack = "/POST/slack/" in json.dumps(each["Resource"])
        assert slack or "aws:PrincipalOrgID" in json.dumps(each["Condition"]), each


def test_a_refusal_of_the_gateway_says_what_to_do_and_is_json(body: Template) -> None:
    responses = body["x-amazon-apigateway-gateway-responses"]
    assert set(responses) == {"ACCESS_DENIED", "UNAUTHORIZED", "AUTHORIZER_FAILURE", "WAF_FILTERED"}
    for each in responses.values():
        template = each["responseTemplates"]["application/json"].replace("$context.error.messageString", '"Forbidden"')
        assert set(json.loads(template)) == {"message", "detail", "cure"}
        assert each["responseParameters"]["gatewayresponse.header.Cache-Control"] == "'no-store'"


# -- what is kept on the way -----------------------------------------------------------------------


def test_neither_gateway_nor_firewall_nor_traces_keep_what_is_sent(hub: Template) -> None:
    (stage,) = resources_of(hub, "AWS::ApiGateway::Stage").values()
    properties = stage["Properties"]
    assert properties["TracingEnabled"] is False
    assert "AccessLogSetting" not in properties
    for each in properties["MethodSettings"]:
        assert (each["DataTraceEnabled"], each["LoggingLevel"], each.get("CachingEnabled", False)) == (False, "OFF", False)
    assert resources_of(hub, "AWS::WAFv2::LoggingConfiguration") == {}
    (firewall,) = resources_of(hub, "AWS::WAFv2::WebACL").values()
    seen = [firewall["Properties"], *firewall["Properties"]["Rules"]]
    assert all(each["VisibilityConfig"]["SampledRequestsEnabled"] is False for each in seen)
    for function in ("ServeApiFunction", "AuthorizeTokenFunction"):
        properties = hub["Resources"][function]["Properties"]
        assert properties.get("TracingConfig", {}).get("Mode", "PassThrough") == "PassThrough"
        assert not {"POWERTOOLS_LOGGER_LOG_EVENT", "POWERTOOLS_DEV"} & set(properties["Environment"]["Variables"])


# -- the firewall ----------------------------------------------------------------------------------


def test_the_firewall_stands_before_the_stage_unless_somebody_opts_out(hub: Template) -> None:
    (association,) = resources_of(hub, "AWS::WAFv2::WebACLAssociation").values()
    (firewall,) = resources_of(hub, "AWS::WAFv2::WebACL").values()
    assert association["Condition"] == firewall["Condition"] == "Firewall"
    assert hub["Conditions"]["Firewall"] == {"Fn::Equals": [{"Ref": "WebFirewall"}, "true"]}
    assert hub["Parameters"]["WebFirewall"]["Default"] == "true"
    arn, named = association["Properties"]["ResourceArn"]["Fn::Sub"]
    assert arn.endswith("::/restapis/${Api}/stages/${Stage}")
    assert named["Stage"] == {"Ref": "Apiv1Stage"}  # so that the stage is there before


def test_whoever_floods_it_is_stopped_by_address_and_on_slack_s_paths_sooner(rules: dict[str, Template]) -> None:
    everything, slack = (rules[each]["Statement"]["RateBasedStatement"] for each in ("rate", "slack-rate"))
    assert {everything["AggregateKeyType"], slack["AggregateKeyType"]} == {"IP"}
    assert "ScopeDownStatement" not in everything
    assert is_of_slack(slack["ScopeDownStatement"])
    assert slack["Limit"] * 10 <= everything["Limit"]
    assert everything["Limit"] >= 5 * MOST_A_MINUTE * LIMIT_MINUTES  # five people behind one address, each as fast as he may
    for each in ("rate", "slack-rate", "body-size"):
        assert rules[each]["Action"] == {"Block": {}}


def is_of_slack(statement: Template) -> bool:
    """Whether it is about Slack's paths, whether the stage stands before them or not, however they are written."""
    match = statement["ByteMatchStatement"]
    written = [each["Type"] for each in sorted(match["TextTransformations"], key=lambda each: each["Priority"])]
    return (match["FieldToMatch"], match["PositionalConstraint"], match["SearchString"], written) == (
        {"UriPath": {}},
        "CONTAINS",
        "/slack/",
        ["URL_DECODE", "NORMALIZE_PATH", "LOWERCASE"],
    )


def test_a_body_that_nobody_needs_is_stopped_and_one_that_the_api_takes_is_not(rules: dict[str, Template]) -> None:
    size, elsewhere = rules["body-size"]["Statement"]["AndStatement"]["Statements"]
    constraint = size["SizeConstraintStatement"]
    assert constraint["FieldToMatch"] == {"Body": {"OversizeHandling": "MATCH"}}
    assert constraint["ComparisonOperator"] == "GT"
    assert constraint["Size"] > LONGEST_BODY
    assert is_of_slack(elsewhere["NotStatement"]["Statement"])


def test_aws_s_own_rules_block_but_those_that_would_stop_what_people_quote(rules: dict[str, Template]) -> None:
    managed = {
        each["Statement"]["ManagedRuleGroupStatement"]["Name"]: each
        for each in rules.values()
        if "ManagedRuleGroupStatement" in each["Statement"]
    }
    prefix = "AWSManagedRules"
    assert set(managed) == {f"{prefix}{name}" for name in ("CommonRuleSet", "KnownBadInputsRuleSet", "AmazonIpReputationList")}
    for name, rule in managed.items():
        assert rule["OverrideAction"] == {"None": {}}
        statement = rule["Statement"]["ManagedRuleGroupStatement"]
        counted = {each["Name"] for each in statement.get("RuleActionOverrides", [])}
        assert all(each.endswith("_BODY") for each in counted)
        assert ("SizeRestrictions_BODY" in counted) is (name == f"{prefix}CommonRuleSet")


def test_each_rule_has_its_turn(rules: dict[str, Template]) -> None:
    assert sorted(each["Priority"] for each in rules.values()) == list(range(len(rules)))
    assert rules["slack-rate"]["Priority"] < rules["rate"]["Priority"] < rules["reputation"]["Priority"]
