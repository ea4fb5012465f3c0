"""Which events each rule lets through: by the parser's lists, by the samples in events/, and by calls made up here.

Patterns are matched by the local cloud's own matcher; what CloudFormation would put in is put in.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pytest

from doorward.events.guard import SECRET_READS
from doorward.events.model import Change, GuardEvent, OrganizationEvent, SessionEvent, Skipped, SkipReason
from doorward.events.records import CHANGE_EVENTS, GUARD_EVENTS, ORGANIZATION_EVENTS, SESSION_EVENTS, parse_envelope
from tests.template.conftest import REPOSITORY, events_of, parsed, resources_of

type Template = dict[str, Any]

API, SIGN_IN, SERVICE = "AWS API Call via CloudTrail", "AWS Console Sign In via CloudTrail", "AWS Service Event via CloudTrail"
EVERY_MANAGEMENT_EVENT = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
MEMBERS = ("accounts/member.yaml", "accounts/management.yaml", "accounts/member-region.yaml")
OF_THE_HUB_ALONE = {f"aws.{each}" for each in ["dynamodb", "kms", "logs", "monitoring", "secretsmanager", "sqs", "states"]}
LAMBDA = "aws.lambda"
"""Of the hub, and some of its calls of the management account, where one function runs."""
FORWARDED = ("ChangeRule", "SessionRule", "OrganizationRule", "IdentityCenterRule", "GuardRule")


def rules_of(name: str) -> dict[str, dict[str, Any]]:
    """The rules on CloudTrail's events, by logical id."""
    found = {each: rule["Properties"] for each, rule in resources_of(parsed(name), "AWS::Events::Rule").items()}
    return {each: rule for each, rule in found.items() if each not in {"NotifyRule", "CaseRule", "GrantRule"} and "EventPattern" in rule}


def matched(rules: Mapping[str, dict[str, Any]], event: Mapping[str, Any]) -> set[str]:
    """The rules that an event passes."""
    from ministack.services import eventbridge

    view = eventbridge._pattern_event_view(
        {
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
            "Account": event["account"],
            "Region": event["region"],
        }
    )
    return {each for each, rule in rules.items() if eventbridge._matches_pattern_view(_given(rule["EventPattern"]), view, each)}


def _given(pattern: Any) -> str:
    """The pattern as EventBridge gets it, from a stack named `doorward`."""

    def resolve(value: Any) -> Any:
        match value:
            case {"Fn::Sub": text}:
                return text.replace("${AWS::StackName}", "doorward").replace("${TopicKey}", "0f0f0f0f-1111-2222-3333-444455556666")
            case {"Ref": name}:
                return f"arn:aws:secretsmanager:us-east-1:111122223333:secret:{name}-AbCdEf"
            case {"Fn::If": [_, then, _]}:
                return resolve(then)
            case dict():
                return {key: resolve(each) for key, each in value.items()}
            case list():
                return [resolve(each) for each in value]
            case _:
                return value

    return json.dumps(resolve(pattern))


def call(service: str, name: str, detail_type: str = API, **detail: Any) -> dict[str, Any]:
    """One call, as little of it as a pattern may look at; `detail` adds to it."""
    whole = {
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "userIdentity": {"type": "AssumedRole"},
        "managementEvent": True,
        **detail,
    }
    return {"source": f"aws.{service}", "detail-type": detail_type, "account": "777788889999", "region": "us-east-1", "detail": whole}


def _name(value: Any) -> str:
    return str(value["detail"]["eventName"]) if isinstance(value, dict) else ""


# ---------------------------------------------------------------- the parser's lists


OPENS_A_DOOR = {"iam.amazonaws.com": {"AcquireRole", "CreateRole", "UpdateAssumeRolePolicy"}}
"""What watch_session hears of IAM: a door is often opened just before it is used."""


@pytest.mark.parametrize(
    ("rules", "events"),
    [
        (("ChangeRule",), CHANGE_EVENTS),
        (("SessionRule",), {**SESSION_EVENTS, **OPENS_A_DOOR}),
        (("OrganizationRule", "IdentityCenterRule"), ORGANIZATION_EVENTS),
        (("GuardRule", "OwnServicesRule"), GUARD_EVENTS),
        (("SigningSecretRule",), SECRET_READS),
    ],
    ids=lambda each: "-".join(each) if isinstance(each, tuple) else "",
)
def test_the_rules_of_the_hub_ask_for_the_events_that_the_parser_gives_a_meaning(
    rules: tuple[str, ...], events: Mapping[str, Collection[str]]
) -> None:
    asked: dict[str, set[str]] = {}
    for rule in rules:
        for source, names in events_of(rules_of("template.yaml")[rule]["EventPattern"]).items():
            asked.setdefault(f"{source.removeprefix('aws.')}.amazonaws.com", set()).update(each.removesuffix("*") for each in names)
    assert asked == {source: set(names) for source, names in events.items()}


@pytest.mark.parametrize("name", MEMBERS)
def test_what_an_account_forwards_is_what_the_hub_asks_for_under_the_same_name(name: str) -> None:
    hub = rules_of("template.yaml")
    for rule, properties in rules_of(name).items():
        for source, names in events_of(properties["EventPattern"]).items():
            assert names <= events_of(hub[rule]["EventPattern"])[source], f"{rule}: {source}"


def test_whatever_the_hub_asks_for_some_account_forwards() -> None:
    forwarded: dict[str, set[str]] = {}
    for name in MEMBERS:
        for properties in rules_of(name).values():
            for source, names in events_of(properties["EventPattern"]).items():
                forwarded.setdefault(source, set()).update(names)
    for rule in FORWARDED:
        for source, names in events_of(rules_of("template.yaml")[rule]["EventPattern"]).items():
            assert names <= forwarded[source], f"{rule}: {source}"


def test_a_region_forwards_all_that_is_not_recorded_in_the_iam_region_alone() -> None:
    member, region = (rules_of(f"accounts/{each}.yaml") for each in ("member", "member-region"))
    only_there = {"aws.iam", "aws.organizations"}
    for rule, properties in member.items():
        here = {source: names for source, names in events_of(properties["EventPattern"]).items() if source not in only_there}
        assert here == (events_of(region[rule]["EventPattern"]) if rule in region else {}), rule


@pytest.mark.parametrize("name", ["template.yaml", *MEMBERS])
def test_every_rule_sees_read_only_management_events_and_its_pattern_fits(name: str) -> None:
    for each, rule in rules_of(name).items():
        assert rule["State"] == EVERY_MANAGEMENT_EVENT, each
        assert len(json.dumps(rule["EventPattern"], separators=(",", ":"))) <= 2048, each  # EventBridge's quota
        assert set(rule["EventPattern"]["detail-type"]) <= {API, SIGN_IN, SERVICE}, each  # insights are no calls


# ---------------------------------------------------------------- made up, each for one line of a pattern

SAID = [
    (call("iam", "UpdateAssumeRolePolicy"), {"ChangeRule", "SessionRule"}),
    (call("iam", "UpdateAssumeRolePolicy", errorCode="AccessDenied"), {"ChangeRule", "SessionRule"}),
    (call("iam", "PutRolePermissionsBoundary"), {"ChangeRule"}),
    (call("iam", "GetRole", readOnly=True), set[str]()),
    (call("iam", "CreatePolicy"), set[str]()),  # a policy that nothing has attached opens nothing
    (call("organizations", "CreatePolicy"), {"OrganizationRule"}),
    (call("rolesanywhere", "CreateTrustAnchor"), {"ChangeRule"}),
    (call("rolesanywhere", "CreateSession"), {"SessionRule"}),
    (call("eks", "CreatePodIdentityAssociation"), {"ChangeRule"}),
    (call("eks", "CreateCluster"), set[str]()),
    (call("sts", "AssumeRole", readOnly=True), {"SessionRule"}),
    (call("sts", "AssumeRole", userIdentity={"type": "AWSAccount"}), {"SessionRule"}),
    (call("sts", "AssumeRole", userIdentity={"type": "AWSService"}), set[str]()),
    (call("sts", "AssumeRole", userIdentity={}), {"SessionRule"}),
    (call("sts", "AssumeRole", userIdentity=None), {"SessionRule"}),
    (call("sts", "AssumeRoot", userIdentity={"type": "AWSService"}), {"SessionRule"}),
    (call("sts", "GetCallerIdentity"), set[str]()),
    (call("signin", "SwitchRole", SIGN_IN), {"SessionRule"}),
    (call("signin", "GetSigninToken"), {"SessionRule"}),
    (call("sso", "GetRoleCredentials", SERVICE), {"SessionRule"}),
    (call("sso", "CreateAccountAssignment"), {"IdentityCenterRule"}),
    (call("sso-oauth", "CreateTokenWithIAM"), {"SessionRule"}),
    (call("eks-auth", "AssumeRoleForPodIdentity"), set[str]()),
    (call("eks-auth", "AssumeRoleForPodIdentity", errorCode="AccessDeniedException"), {"SessionRule"}),
    (call("organizations", "CreateAccountResult", SERVICE), {"OrganizationRule"}),
    (call("organizations", "LeaveOrganization", errorCode="AccessDenied"), {"OrganizationRule"}),
    (call("organizations", "ListAccounts"), set[str]()),
    (call("iam", "EnableOrganizationsRootSessions"), {"OrganizationRule"}),
    (call("events", "DisableRule"), {"GuardRule"}),
    (call("cloudtrail", "StopLogging"), {"GuardRule"}),
    (call("cloudformation", "DeleteStack"), {"GuardRule"}),
    (call("cloudformation", "ExecuteChangeSet"), {"GuardRule"}),  # how `sam deploy` and `aws cloudformation deploy` change a stack
    (call("sns", "DeleteTopic"), {"GuardRule"}),
    (call("lambda", "UpdateFunctionCode20150331v2"), {"GuardRule"}),  # one function of ours runs in the management account
    (call("lambda", "CreateEventSourceMapping20150331"), set[str]()),  # and nothing feeds it
    (call("iam", "UpdateAssumeRolePolicy", "AWS Insight via CloudTrail"), set[str]()),
]


@pytest.mark.parametrize(("event", "expected"), SAID, ids=_name)
def test_the_bus_hands_an_event_to_these_rules(event: dict[str, Any], expected: set[str]) -> None:
    assert matched(_on_the_bus(), event) == expected


@pytest.mark.parametrize(("event", "expected"), SAID, ids=_name)
def test_the_management_account_forwards_an_event_once_or_not_at_all(event: dict[str, Any], expected: set[str]) -> None:
    assert len(matched(rules_of("accounts/management.yaml"), event)) == bool(expected)


def test_an_event_of_another_source_is_nobodys() -> None:
    for event, _ in SAID:
        assert matched(_on_the_bus(), {**event, "source": "custom.iam"}) == set()


def _on_the_bus() -> dict[str, dict[str, Any]]:
    return {each: rule for each, rule in rules_of("template.yaml").items() if "EventBusName" in rule}


OWN = "arn:aws:lambda:us-east-1:111122223333:function:doorward-ReactToChangeFunction-AbC"
OWN_ROLE = "arn:aws:iam::111122223333:role/doorward/doorward-react-to-change"
TAMPERING = [
    (call("lambda", "UpdateFunctionCode20150331v2", requestParameters={"functionName": OWN}), {"OwnServicesRule", "TellManagementRule"}),
    (call("lambda", "UpdateFunctionCode20150331v2", requestParameters={"functionName": "invoices"}), {"OwnServicesRule"}),
    (
        call("lambda", "DeleteEventSourceMapping20150331", requestParameters={"uUID": "0f0e"}, responseElements={"functionArn": OWN}),
        {"OwnServicesRule", "TellManagementRule"},
    ),
    (call("lambda", "Invoke", requestParameters={"functionName": OWN}, managementEvent=False), set[str]()),
    (
        call("sqs", "PurgeQueue", requestParameters={"queueUrl": "https://sqs.us-east-1.amazonaws.com/111122223333/doorward-GuardQueue-X"}),
        {"OwnServicesRule", "TellManagementOfStoresRule"},
    ),
    (
        call("dynamodb", "DeleteTable", requestParameters={"tableName": "doorward-LedgerTable-X"}),
        {"OwnServicesRule", "TellManagementOfStoresRule"},
    ),
    (call("dynamodb", "DeleteItem", requestParameters={"tableName": "doorward-LedgerTable-X"}, managementEvent=False), set[str]()),
    (
        call("kms", "ScheduleKeyDeletion", requestParameters={"keyId": "0f0f0f0f-1111-2222-3333-444455556666"}),
        {"OwnServicesRule", "TellManagementOfStoresRule"},
    ),
    (
        call("secretsmanager", "PutSecretValue", requestParameters={"secretId": "ExternalIdSecret-x7"}),
        {"OwnServicesRule", "TellManagementOfStoresRule"},
    ),
    (call("logs", "CreateLogStream", requestParameters={"logGroupName": "doorward-ReactToChangeLogs-X"}), set[str]()),
    (
        call("logs", "DeleteLogGroup", requestParameters={"logGroupName": "doorward-ReactToChangeLogs-X"}),
        {"OwnServicesRule", "TellManagementOfStoresRule"},
    ),
    (call("events", "DisableRule", requestParameters={"name": "doorward-tell-management"}), {"TellManagementRule"}),
    (call("events", "DisableRule", requestParameters={"name": "nightly-backup"}), set[str]()),
    (call("events", "RemoveTargets", requestParameters={"rule": "doorward-own-services", "ids": ["guard"]}), {"TellManagementRule"}),
    (call("events", "PutPermission", requestParameters={"eventBusName": "doorward"}), {"TellManagementRule"}),
    (
        call("monitoring", "DeleteAlarms", requestParameters={"alarmNames": ["x", "doorward-ErrorsAlarm"]}),
        {"OwnServicesRule", "TellManagementOfStoresRule"},
    ),
    (
        call(
            "cloudformation",
            "DeleteStack",
            requestParameters={"stackName": "arn:aws:cloudformation:us-east-1:111122223333:stack/doorward/1"},
        ),
        {"TellManagementRule"},
    ),
    (call("iam", "PutRolePolicy", requestParameters={"roleName": "doorward-react-to-change"}), {"TellManagementRule"}),
    (
        call(
            "states",
            "UpdateStateMachine",
            requestParameters={"stateMachineArn": "arn:aws:states:us-east-1:111122223333:stateMachine:doorward-sweep"},
        ),
        {"OwnServicesRule", "TellManagementRule"},
    ),
    (
        call("states", "StartExecution", requestParameters={"stateMachineArn": "arn:aws:states:us-east-1:1:stateMachine:doorward-sweep"}),
        set[str](),
    ),
    (
        call("lambda", "CreateFunction20150331", requestParameters={"functionName": "x", "role": OWN_ROLE}),
        {"OwnServicesRule", "TellManagementRule"},
    ),
    (call("lambda", "CreateFunction20150331", requestParameters={"functionName": "x", "role": "arn:…:role/x"}), {"OwnServicesRule"}),
    (
        call("lambda", "UpdateFunctionConfiguration20150331v2", requestParameters={"functionName": "x", "role": OWN_ROLE}),
        {"OwnServicesRule", "TellManagementRule"},
    ),
    (
        call("lambda", "CreateEventSourceMapping20150331", requestParameters={"functionName": OWN}),
        {"OwnServicesRule", "TellManagementRule"},
    ),
    (call("lambda", "CreateFunctionUrlConfig20211031", requestParameters={"functionName": OWN}), {"OwnServicesRule", "TellManagementRule"}),
    (call("states", "CreateStateMachine", requestParameters={"name": "x", "roleArn": OWN_ROLE}), {"OwnServicesRule", "TellManagementRule"}),
    (call("events", "EnableRule", requestParameters={"name": "doorward-own-services"}), {"TellManagementRule"}),
    (
        call("sns", "Subscribe", requestParameters={"topicArn": "arn:aws:sns:us-east-1:111122223333:doorward-Topic-X"}),
        {"OwnServicesRule", "TellManagementOfStoresRule"},
    ),
    (
        call("sns", "PutDataProtectionPolicy", requestParameters={"resourceArn": "arn:aws:sns:us-east-1:1:doorward-Topic-X"}),
        {"OwnServicesRule", "TellManagementOfStoresRule"},
    ),
    (
        call("sqs", "AddPermission", requestParameters={"queueUrl": "https://sqs.us-east-1.amazonaws.com/1/doorward-HintQueue-X"}),
        {"OwnServicesRule", "TellManagementOfStoresRule"},
    ),
    (
        call(
            "dynamodb", "PutResourcePolicy", requestParameters={"resourceArn": "arn:aws:dynamodb:us-east-1:1:table/doorward-LedgerTable-X"}
        ),
        {"OwnServicesRule", "TellManagementOfStoresRule"},
    ),
    (
        call("dynamodb", "UpdateTimeToLive", requestParameters={"tableName": "doorward-BaselinesTable-X"}),
        {"OwnServicesRule", "TellManagementOfStoresRule"},
    ),
    (
        call(
            "dynamodb",
            "ExportTableToPointInTime",
            requestParameters={"tableArn": "arn:aws:dynamodb:us-east-1:1:table/doorward-FactsTable-X"},
        ),
        {"OwnServicesRule", "TellManagementOfStoresRule"},
    ),
    (
        call("monitoring", "PutMetricAlarm", requestParameters={"alarmName": "doorward-ErrorsAlarm"}),
        {"OwnServicesRule", "TellManagementOfStoresRule"},
    ),
    (
        call("secretsmanager", "PutResourcePolicy", requestParameters={"secretId": "ExternalIdSecret-x7"}),
        {"OwnServicesRule", "TellManagementOfStoresRule"},
    ),
    (call("kms", "Decrypt", requestParameters={"keyId": "0f0f0f0f-1111-2222-3333-444455556666"}), set[str]()),
    (call("iam", "TagRole", requestParameters={"roleName": "doorward-canary"}), set[str]()),
    (
        call(
            "events",
            "DisableRule",
            errorCode="AccessDenied",
            errorMessage="… not authorized … on resource: arn:…:rule/doorward-changes because …",
        ),
        {"TellManagementRule"},
    ),
]


@pytest.mark.parametrize(("event", "expected"), TAMPERING, ids=_name)
def test_the_hubs_default_bus_hands_what_touches_doorward_to_the_guard_and_to_the_management_account(
    event: dict[str, Any], expected: set[str]
) -> None:
    on_the_default_bus = {each: rule for each, rule in rules_of("template.yaml").items() if "EventBusName" not in rule}
    assert set(on_the_default_bus) == {
        "OwnServicesRule",
        "SigningSecretRule",
        "TellManagementRule",
        "TellManagementOfStoresRule",
        "RedriveRule",
    }
    assert matched(on_the_default_bus, event) == expected


@pytest.mark.parametrize(
    ("event", "ours"),
    [
        (call("iam", "DetachRolePolicy", requestParameters={"roleName": "doorward-read"}), True),
        (call("iam", "DeleteRole", requestParameters=None, errorMessage="… on resource: role doorward-read because …"), True),
        (call("iam", "DeleteRole", requestParameters={"roleName": "payments"}), False),
        (call("iam", "CreateRole", requestParameters={"roleName": "doorward-read"}), False),
        (call("iam", "UpdateRole", requestParameters={"roleName": "doorward-grant-read", "maxSessionDuration": 43200}), True),
        (call("iam", "CreatePolicyVersion", requestParameters={"policyArn": "arn:aws:iam::1:policy/doorward/DoorwardGrantBoundary"}), True),
        (call("iam", "CreatePolicyVersion", requestParameters={"policyArn": "arn:aws:iam::1:policy/DoorwardGrantBoundary"}), False),
    ],
)
def test_a_change_of_one_of_doorwards_own_roles_is_the_guards_business_too(event: dict[str, Any], *, ours: bool) -> None:
    assert ("OwnRoleRule" in matched(_on_the_bus(), event)) is ours


# ---------------------------------------------------------------- the samples


def _samples() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted((REPOSITORY / "events").glob("*.json")):
        event = json.loads(file.read_text("utf-8"))
        if not file.name.startswith(("malformed.", "sqs.")) and "detail-type" in event:
            yield file.stem, event


@pytest.mark.parametrize(("name", "event"), list(_samples()), ids=lambda each: each if isinstance(each, str) else "")
def test_a_sample_goes_where_the_parser_says_that_it_belongs(name: str, event: dict[str, Any]) -> None:
    match parse_envelope(event):
        case Change():
            expected = {"ChangeRule"}
        case SessionEvent():
            expected = {"SessionRule"}
        case OrganizationEvent():
            expected = {"IdentityCenterRule"} if event["source"] == "aws.sso" else {"OrganizationRule"}
        case GuardEvent():
            expected = {"OwnServicesRule" if event["source"] in {*OF_THE_HUB_ALONE, LAMBDA} else "GuardRule"}
            if event["source"] == LAMBDA and event["detail"]["eventName"].startswith("UpdateFunctionCode"):
                expected |= {"GuardRule"}  # it stands on the bus, where the management account's come
        case Skipped(reason=SkipReason.CALL_FAILED):
            expected = {"ChangeRule"}
        case _:
            expected = set()
    if event["detail"]["eventName"] in OPENS_A_DOOR["iam.amazonaws.com"]:
        expected |= {"SessionRule"}
    if event["detail"].get("userIdentity", {}).get("type") == "AWSService":
        expected -= {"SessionRule"}
    assert matched(rules_of("template.yaml"), event) - {"OwnRoleRule", "TellManagementRule", "TellManagementOfStoresRule"} == expected, name
