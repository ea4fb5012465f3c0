"""Every addition to the emulator, shown twice: it works on our cloud, and the bare emulator lacks it.

A test that fails on its second half says that the emulator has learned it: delete the module of `local/cloud` that it names, and the test.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from doorward.aws.people import IdentityStoreDirectory
from local import identity_center
from local.cloud import gaps, identity_store, reading
from local.cloud.not_emulated import ACCEPTED
from local.stack import Stack, StackError
from local.world import (
    HUB,
    JANE,
    MANAGEMENT,
    ORGANIZATION,
    ORGANIZATION_ID,
    OTHER_REGION,
    PEOPLE,
    PROD,
    REGION,
    ROOT_ID,
    SHARED_SERVICES,
    STAGING,
    STRANGER,
)
from tests.integration.emulated import (
    ALL_MANAGEMENT_EVENTS,
    EchoApi,
    allowing,
    bus_arn,
    closed_only_by_us,
    document,
    echo_api,
    function,
    invoking,
    listen,
    queue,
    records,
    refusal,
    role,
    root_keys,
    root_of,
    trusting,
    unique,
    user,
)
from tests.shapes import differences_from_all, shape_of

REPOSITORY = Path(gaps.__file__).parents[2]

ABSENCE_SECONDS = 0.6
"""How long the bare emulator gets to do what it is said not to do; ours takes some 20 ms."""

POLLING_SECONDS = 2.5
"""A mapping looks at its queue every second."""

READ_AGAINST = [(gap.__name__, target, known) for gap in gaps.GAPS for target, known in gap.READ_AGAINST.items()]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("module", "target", "known"), READ_AGAINST, ids=[f"{m.rpartition('.')[2]}-{t}" for m, t, _ in READ_AGAINST])
def test_the_emulators_source_is_what_a_gap_was_written_against(module: str, target: str, known: str) -> None:
    assert reading.digest(target) == known, f"{target} has changed: read it again, then adapt or delete {module}"


# -- trail -----------------------------------------------------------------------------------------


def test_an_iam_call_becomes_an_event_on_its_accounts_default_bus(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        inbox = listen(stack, STAGING.id, {"source": ["aws.iam"], "detail-type": ["AWS API Call via CloudTrail"]})
        role(stack, STAGING.id, trusting(root_of(HUB.id)))
        return bool(inbox.wait(seconds=ABSENCE_SECONDS))

    closed_only_by_us(probe, cloud, bare, "trail")


def test_a_record_of_create_role_has_the_types_of_the_api(cloud: Stack) -> None:
    inbox, name, trust = records(cloud, STAGING.id, "CreateRole"), unique("role"), trusting(root_of(HUB.id))
    cloud.client("iam", STAGING.id).create_role(
        RoleName=name, Path="/ci/", AssumeRolePolicyDocument=trust, MaxSessionDuration=7200, Tags=[{"Key": "team", "Value": "platform"}]
    )
    (event,) = inbox.wait()
    detail = event["detail"]
    assert (event["source"], event["account"], event["region"]) == ("aws.iam", STAGING.id, REGION)
    assert detail["requestParameters"] == {
        "roleName": name,
        "path": "/ci/",
        "assumeRolePolicyDocument": trust,
        "maxSessionDuration": 7200,
        "tags": [{"key": "team", "value": "platform"}],
    }
    made = detail["responseElements"]["role"]
    assert (made["arn"], made["path"]) == (f"arn:aws:iam::{STAGING.id}:role/ci/{name}", "/ci/")
    assert made["assumeRolePolicyDocument"].startswith("%7B%22Version%22")
    assert time.strptime(made["createDate"], "%b %d, %Y %I:%M:%S %p")
    assert "maxSessionDuration" not in made
    assert (detail["readOnly"], detail["managementEvent"], detail["recipientAccountId"]) == (False, True, STAGING.id)


def test_a_role_session_is_named_by_its_role_with_the_path(cloud: Stack) -> None:
    path_role = role(cloud, STAGING.id, trusting(root_of(STAGING.id)), allowing("iam:*", "*"), path="/teams/a/")
    name = path_role.rpartition("/")[2]
    session = cloud.assume(STAGING.id, path_role, RoleSessionName="someone")
    inbox = records(cloud, STAGING.id, "TagRole")
    cloud.client("iam", STAGING.id, **session).tag_role(RoleName=name, Tags=[{"Key": "a", "Value": "b"}])
    (event,) = inbox.wait()
    who = event["detail"]["userIdentity"]
    assert who["type"] == "AssumedRole"
    assert who["arn"] == f"arn:aws:sts::{STAGING.id}:assumed-role/{name}/someone"
    assert who["principalId"].startswith("AROA")
    assert who["principalId"].endswith(":someone")
    assert who["sessionContext"]["sessionIssuer"] == {
        "type": "Role",
        "principalId": who["principalId"].partition(":")[0],
        "arn": path_role,
        "accountId": STAGING.id,
        "userName": name,
    }
    assert who["sessionContext"]["attributes"]["mfaAuthenticated"] == "false"
    assert event["detail"]["responseElements"] is None


def test_a_denied_call_shows_no_parameters_and_names_the_role(cloud: Stack) -> None:
    inbox = records(cloud, STAGING.id, "UpdateAssumeRolePolicy")
    nobody, name = user(cloud, STAGING.id), unique("role")
    call = cloud.client("iam", STAGING.id, **nobody).update_assume_role_policy
    assert refusal(lambda: call(RoleName=name, PolicyDocument=trusting("*"))) == "AccessDenied"
    (event,) = inbox.wait()
    detail = event["detail"]
    assert (detail["errorCode"], detail["requestParameters"], detail["responseElements"]) == ("AccessDenied", None, None)
    assert f"is not authorized to perform: iam:UpdateAssumeRolePolicy on resource: role {name} because" in detail["errorMessage"]
    assert detail["userIdentity"]["type"] == "IAMUser"
    assert detail["userIdentity"]["principalId"].startswith("AIDA")


def test_an_error_is_spelled_as_cloudtrail_spells_it(cloud: Stack) -> None:
    inbox, name = records(cloud, STAGING.id, "DeleteRole", "UpdateAssumeRolePolicy"), unique("role")
    iam = cloud.client("iam", STAGING.id)
    assert refusal(lambda: iam.delete_role(RoleName=name)) == "NoSuchEntity"
    kept = role(cloud, STAGING.id, trusting(root_of(HUB.id))).rpartition("/")[2]
    assert refusal(lambda: iam.update_assume_role_policy(RoleName=kept, PolicyDocument="no json")) == "MalformedPolicyDocument"
    codes = [event["detail"]["errorCode"] for event in inbox.wait(2)]
    assert codes == ["NoSuchEntityException", "MalformedPolicyDocumentException"]


def test_a_padded_policy_hides_the_roles_name(cloud: Stack) -> None:
    name = role(cloud, STAGING.id, trusting(root_of(HUB.id))).rpartition("/")[2]
    inbox = records(cloud, STAGING.id, "UpdateAssumeRolePolicy")
    cloud.client("iam", STAGING.id).update_assume_role_policy(RoleName=name, PolicyDocument=trusting("*") + " " * 120_000)
    (event,) = inbox.wait()
    parameters = event["detail"]["requestParameters"]
    assert (parameters["reason"], parameters["omitted"]) == ("requestParameters too large", True)
    assert int(parameters["originalSize"]) > 120_000


def test_a_denied_call_about_a_rule_names_it_by_its_arn(cloud: Stack) -> None:
    inbox = listen(cloud, STAGING.id, {"source": ["aws.events"], "detail": {"eventName": ["DisableRule"]}})
    rules = cloud.client("events", STAGING.id, **user(cloud, STAGING.id, allowing("iam:*", "*")))
    assert refusal(lambda: rules.disable_rule(Name="doorward-changes")) == "AccessDeniedException"
    (event,) = inbox.wait()
    assert event["detail"]["requestParameters"] is None
    assert f" on resource: arn:aws:events:{REGION}:{STAGING.id}:rule/doorward-changes" in event["detail"]["errorMessage"]


def test_assuming_a_role_across_accounts_is_logged_on_both_sides(cloud: Stack) -> None:
    target = role(cloud, PROD.id, trusting(root_of(STAGING.id)))
    caller = user(cloud, STAGING.id, allowing("sts:AssumeRole", "*"))
    sides = [records(cloud, account.id, "AssumeRole") for account in (STAGING, PROD)]
    cloud.assume(STAGING.id, target, credentials=caller, RoleSessionName="visit")
    (mine,), (theirs,) = (side.wait() for side in sides)
    ours, owners = mine["detail"], theirs["detail"]
    assert ours["sharedEventID"] == owners["sharedEventID"]
    assert ours["requestID"] == owners["requestID"]
    assert ours["eventID"] != owners["eventID"]
    assert (ours["recipientAccountId"], owners["recipientAccountId"]) == (STAGING.id, PROD.id)
    assert owners["userIdentity"] == {"type": "AWSAccount", "principalId": ours["userIdentity"]["principalId"], "accountId": STAGING.id}
    assert (ours["readOnly"], owners["readOnly"]) == (True, True)
    assert owners["resources"] == [{"accountId": PROD.id, "type": "AWS::IAM::Role", "ARN": target}]
    assert owners["responseElements"]["assumedRoleUser"]["arn"].endswith("/visit")
    for side in (mine, theirs):
        assert set(side["detail"]["responseElements"]["credentials"]) == {"accessKeyId", "sessionToken", "expiration"}


def test_a_denied_assume_role_across_accounts_is_logged_with_the_caller_alone(cloud: Stack) -> None:
    target = role(cloud, PROD.id, trusting(root_of(HUB.id)))
    caller = user(cloud, STAGING.id, allowing("sts:AssumeRole", "*"))
    sides = [records(cloud, account.id, "AssumeRole") for account in (STAGING, PROD)]
    assert refusal(lambda: cloud.assume(STAGING.id, target, credentials=caller)) == "AccessDenied"
    (mine,) = sides[0].wait()
    assert mine["detail"]["requestParameters"] is None
    assert "sharedEventID" not in mine["detail"]
    assert mine["detail"]["errorMessage"].endswith(f"is not authorized to perform: sts:AssumeRole on resource: {target}")
    assert sides[1].wait(seconds=0.2) == []


def test_sts_records_carry_the_region_of_the_endpoint(cloud: Stack) -> None:
    events, name = cloud.client("events", STAGING.id, region="eu-west-1"), unique("rule")
    pattern = json.dumps({"source": ["aws.sts"], "detail": {"eventName": ["GetCallerIdentity"]}})
    rule = events.put_rule(Name=name, EventPattern=pattern, State=ALL_MANAGEMENT_EVENTS)["RuleArn"]
    sqs = cloud.client("sqs", STAGING.id, region="eu-west-1")
    url = sqs.create_queue(QueueName=unique("inbox"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"Policy": document({**statement, "Condition": {"ArnEquals": {"aws:SourceArn": rule}}})}
    )
    events.put_targets(Rule=name, Targets=[{"Id": "inbox", "Arn": arn}])
    cloud.client("sts", STAGING.id, region="eu-west-1").get_caller_identity()
    (message,) = cloud.until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"), "a record in eu-west-1")
    assert json.loads(message["Body"])["detail"]["awsRegion"] == "eu-west-1"


def test_an_unknown_role_is_denied_to_a_named_caller(cloud: Stack) -> None:
    inbox = records(cloud, STAGING.id, "AssumeRole")
    caller = user(cloud, STAGING.id, allowing("*", "*"))
    assert refusal(lambda: cloud.assume(STAGING.id, f"arn:aws:iam::{PROD.id}:role/none", credentials=caller)) == "AccessDenied"
    (event,) = inbox.wait()
    assert event["detail"]["errorMessage"].startswith(f"User: arn:aws:iam::{STAGING.id}:user/")


@pytest.mark.parametrize("name", ["AttachRolePolicy", "CreateRole", "PutRolePolicy", "UpdateAssumeRolePolicy"])
def test_a_record_has_the_shape_of_the_samples(cloud: Stack, name: str) -> None:
    samples = [json.loads(path.read_text()) for path in (REPOSITORY / "events").glob(f"iam.{name}.*.json")]
    iam, role_name, trust = (
        cloud.client("iam", STAGING.id, **user(cloud, STAGING.id, allowing("iam:*", "*"))),
        unique("role"),
        trusting("*"),
    )
    inbox = records(cloud, STAGING.id, name)
    iam.create_role(RoleName=role_name, Path="/", AssumeRolePolicyDocument=trust, MaxSessionDuration=3600)
    iam.update_assume_role_policy(RoleName=role_name, PolicyDocument=trust)
    iam.attach_role_policy(RoleName=role_name, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    iam.put_role_policy(RoleName=role_name, PolicyName="p", PolicyDocument=allowing("s3:*", "*"))
    (event,) = inbox.wait()
    assert not differences_from_all([shape_of(sample) for sample in samples], shape_of(event)), f"{len(samples)} samples"


def test_records_that_could_not_be_delivered_are_counted(cloud: Stack) -> None:
    state = cloud.state()["cloudtrail"]
    assert (state["failed"], state["last_failure"]) == (0, None)
    assert state["emitted"] > 0


# -- event_rules -----------------------------------------------------------------------------------


def test_a_rule_for_all_management_events_fires(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        source = unique("source")
        inbox = listen(stack, STAGING.id, {"source": [source]}, state=ALL_MANAGEMENT_EVENTS)
        stack.client("events", STAGING.id).put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": "{}"}])
        return bool(inbox.wait(seconds=ABSENCE_SECONDS))

    closed_only_by_us(probe, cloud, bare, "event_rules")


def test_read_only_management_events_reach_no_plainly_enabled_rule(cloud: Stack) -> None:
    pattern = {"source": ["aws.iam"], "detail": {"eventName": ["GetRole", "TagRole"]}}
    plain, all_events = (listen(cloud, STAGING.id, pattern, state=state) for state in ("ENABLED", ALL_MANAGEMENT_EVENTS))
    name, iam = role(cloud, STAGING.id, trusting(root_of(HUB.id))).rpartition("/")[2], cloud.client("iam", STAGING.id)
    iam.get_role(RoleName=name)
    iam.tag_role(RoleName=name, Tags=[{"Key": "a", "Value": "b"}])
    assert [event["detail"]["eventName"] for event in all_events.wait(2)] == ["GetRole", "TagRole"]
    assert [event["detail"]["eventName"] for event in plain.read()] == ["TagRole"]


# -- event_buses -----------------------------------------------------------------------------------


def organization_bus(stack: Stack, detail_type: str = "AWS API Call via CloudTrail") -> str:
    """A bus of the hub, made by CloudFormation where the type is known, that takes from the organization's rules only these events."""
    name = unique("bus")
    stack.client("events", HUB.id).create_event_bus(Name=name)
    condition = {
        "StringEquals": {"aws:PrincipalOrgID": ORGANIZATION_ID, "events:detail-type": detail_type, "events:source": ["aws.iam", "aws.sts"]},
        "Bool": {"events:eventBusInvocation": "true"},
    }
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "events:PutEvents",
        "Resource": bus_arn(HUB.id, name),
        "Condition": condition,
    }
    resource = {"Type": "AWS::Events::EventBusPolicy", "Properties": {"EventBusName": name, "StatementId": "org", "Statement": statement}}
    deploy(stack, HUB.id, {"Policy": resource})
    return name


def deploy(stack: Stack, account_id: str, resources: dict[str, Any], name: str | None = None, **sections: Any) -> str:
    """Deploy resources; on the bare emulator a refusal raises ClientError at once."""
    cloudformation, name = stack.client("cloudformation", account_id), name or unique("stack")
    body = json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources, **sections})
    request = {"StackName": name, "TemplateBody": body, "Capabilities": ["CAPABILITY_NAMED_IAM"]}
    try:
        cloudformation.create_stack(**request)
    except cloudformation.exceptions.AlreadyExistsException:
        cloudformation.update_stack(**request)
    while (status := cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]).endswith("_IN_PROGRESS"):
        time.sleep(0.02)
    assert status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}, stack.log_tail()
    return name


def forwarder(stack: Stack, account_id: str, bus: str, *, may_put_to: str | None = None, trusted: str = "events.amazonaws.com") -> str:
    """A rule of a member that forwards IAM's events, under a role that may put to `may_put_to` (default: this bus). Returns its name."""
    target, name = bus_arn(HUB.id, bus), unique("forward")
    only_for = {"aws:SourceArn": f"arn:aws:events:{REGION}:{account_id}:rule/{name}"}
    trust = trusting({"Service": trusted}, ArnEquals=only_for, StringEquals={"aws:SourceAccount": account_id})
    runs_as = role(stack, account_id, trust, allowing("events:PutEvents", may_put_to or target))
    events = stack.client("events", account_id)
    pattern = {"source": ["aws.iam"], "detail": {"eventName": ["CreateUser"]}}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern), State=ALL_MANAGEMENT_EVENTS)
    events.put_targets(Rule=name, Targets=[{"Id": "hub", "Arn": target, "RoleArn": runs_as}])
    return name


def refused(stack: Stack, rule: str) -> str:
    """Why the deliveries of this rule were refused: the last reason, '' for none."""
    return next((each["because"] for each in reversed(stack.state()["refused_deliveries"]) if each["rule"] == rule), "")


def test_a_rules_events_reach_a_bus_of_the_same_organization(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        name, source = unique("bus"), unique("source")
        hub, member = stack.client("events", HUB.id), stack.client("events", STAGING.id)
        hub.create_event_bus(Name=name)
        hub.put_permission(EventBusName=name, StatementId="staging", Action="events:PutEvents", Principal=STAGING.id)
        inbox = listen(stack, HUB.id, {"source": [source]}, bus=name)
        runs_as = role(
            stack, STAGING.id, trusting({"Service": "events.amazonaws.com"}), allowing("events:PutEvents", bus_arn(HUB.id, name))
        )
        rule = unique("rule")
        member.put_rule(Name=rule, EventPattern=json.dumps({"source": [source]}))
        member.put_targets(Rule=rule, Targets=[{"Id": "hub", "Arn": bus_arn(HUB.id, name), "RoleArn": runs_as}])
        member.put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": "{}"}])
        return [event["account"] for event in inbox.wait(seconds=ABSENCE_SECONDS)] == [STAGING.id]

    closed_only_by_us(probe, cloud, bare, "event_buses")


def test_a_bus_of_the_organization_takes_what_its_conditions_ask_for(cloud: Stack) -> None:
    bus = organization_bus(cloud)
    inbox = listen(cloud, HUB.id, {"source": ["aws.iam"]}, bus=bus)
    forwarder(cloud, STAGING.id, bus)
    user(cloud, STAGING.id)
    (event,) = inbox.wait()
    assert (event["account"], event["region"], event["detail"]["eventName"]) == (STAGING.id, REGION, "CreateUser")


def test_a_bus_of_the_organization_refuses_an_account_outside(cloud: Stack) -> None:
    bus = organization_bus(cloud)
    rule = forwarder(cloud, STRANGER.id, bus)
    user(cloud, STRANGER.id)
    assert "does not allow arn:aws:sts::999988887777:assumed-role/" in cloud.until(lambda: refused(cloud, rule), "the refusal")


def test_a_bus_refuses_another_detail_type_than_its_policy_asks_for(cloud: Stack) -> None:
    bus = organization_bus(cloud, detail_type="Scheduled Event")
    rule = forwarder(cloud, STAGING.id, bus)
    user(cloud, STAGING.id)
    assert "does not allow" in cloud.until(lambda: refused(cloud, rule), "the refusal")


@pytest.mark.parametrize(
    ("role_of", "because"),
    [
        ({"may_put_to": "arn:aws:events:us-east-1:111122223333:event-bus/other"}, "do not allow"),
        ({"trusted": "lambda.amazonaws.com"}, "assume"),
    ],
)
def test_a_rule_needs_a_role_that_may_put_events(cloud: Stack, role_of: dict[str, str], because: str) -> None:
    rule = forwarder(cloud, STAGING.id, organization_bus(cloud), **role_of)
    user(cloud, STAGING.id)
    assert because in cloud.until(lambda: refused(cloud, rule), "the refusal")


def test_a_grant_by_organization_does_not_reach_a_rule_without_a_role(cloud: Stack) -> None:
    bus, name = organization_bus(cloud), unique("forward")
    target = {"Id": "hub", "Arn": bus_arn(HUB.id, bus)}
    pattern = {"source": ["aws.iam"], "detail": {"eventName": ["CreateUser"]}}
    rule = {"Type": "AWS::Events::Rule", "Properties": {"Name": name, "EventPattern": pattern, "Targets": [target]}}
    deploy(cloud, STAGING.id, {"Rule": rule})
    user(cloud, STAGING.id)
    assert "does not allow arn:aws:iam::222233334444:root" in cloud.until(lambda: refused(cloud, name), "the refusal")


def test_a_direct_put_events_is_refused_by_a_bus_that_asks_for_a_rule(cloud: Stack, bare: Stack) -> None:
    def code(stack: Stack, bus: str) -> str | None:
        entry = {"Source": "x", "DetailType": "AWS API Call via CloudTrail", "Detail": "{}", "EventBusName": bus_arn(HUB.id, bus)}
        answer: dict[str, Any] = {}
        refused_as = refusal(lambda: answer.update(stack.client("events", STAGING.id).put_events(Entries=[entry])))
        return refused_as or answer["Entries"][0].get("ErrorCode")

    bus = unique("bus")
    for stack in (cloud, bare):
        stack.client("events", HUB.id).create_event_bus(Name=bus)
        stack.client("events", HUB.id).put_permission(EventBusName=bus, StatementId="s", Action="events:PutEvents", Principal=STAGING.id)
    assert code(cloud, organization_bus(cloud)) == "AccessDeniedException"
    assert code(cloud, bus) is None
    assert code(bare, bus) == "ResourceNotFoundException", "the emulator has buses across accounts now: delete local/cloud/event_buses.py"


def test_cloudformation_has_event_bus_policies(cloud: Stack, bare: Stack) -> None:
    def policy(bus: str) -> dict[str, Any]:
        grant = {"Effect": "Allow", "Principal": root_of(PROD.id), "Action": "events:PutEvents", "Resource": bus_arn(HUB.id, bus)}
        return {"Type": "AWS::Events::EventBusPolicy", "Properties": {"EventBusName": bus, "StatementId": "grant", "Statement": grant}}

    def bus_policy(stack: Stack, bus: str) -> list[Any]:
        text = stack.client("events", HUB.id).describe_event_bus(Name=bus).get("Policy")
        statements: list[Any] = json.loads(text)["Statement"] if text else []
        return statements

    bus = unique("bus")
    for stack in (cloud, bare):
        stack.client("events", HUB.id).create_event_bus(Name=bus)
    name = deploy(cloud, HUB.id, {"Policy": policy(bus)})
    assert [statement["Sid"] for statement in bus_policy(cloud, bus)] == ["grant"]
    changed = policy(bus)
    changed["Properties"]["Statement"]["Principal"] = root_of(STAGING.id)
    deploy(cloud, HUB.id, {"Policy": changed}, name)
    assert [statement["Principal"] for statement in bus_policy(cloud, bus)] == [root_of(STAGING.id)]
    cloud.client("cloudformation", HUB.id).delete_stack(StackName=name)
    assert cloud.until(lambda: bus_policy(cloud, bus) == [], "the statement's removal")
    assert refusal(lambda: deploy(bare, HUB.id, {"Policy": policy(bus)})) == "ValidationError", "the emulator knows EventBusPolicy now"


def test_calls_to_organizations_and_to_eventbridge_become_events_too(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        inbox = listen(
            stack, MANAGEMENT.id, {"detail-type": ["AWS API Call via CloudTrail"], "source": ["aws.organizations", "aws.events"]}
        )
        stack.client("organizations", MANAGEMENT.id).create_organizational_unit(ParentId=_root(stack), Name=unique("ou"))
        stack.client("events", MANAGEMENT.id).put_rule(Name=unique("rule"), EventPattern=json.dumps({"source": ["nobody"]}))
        names = {each["detail"]["eventName"] for each in inbox.wait(3, seconds=ABSENCE_SECONDS)}
        return names >= {"CreateOrganizationalUnit", "PutRule"}

    closed_only_by_us(probe, cloud, bare, "trail")


def test_a_denied_call_to_organizations_is_recorded_where_it_was_made_and_hides_what_it_asked_for(cloud: Stack) -> None:
    inbox = listen(cloud, PROD.id, {"source": ["aws.organizations"]})
    member = cloud.client("organizations", PROD.id)
    assert refusal(member.leave_organization) == "AccessDeniedException"
    ((detail),) = [each["detail"] for each in inbox.wait()]
    assert (detail["eventName"], detail["errorCode"], detail["requestParameters"]) == ("LeaveOrganization", "AccessDeniedException", None)


def test_a_new_account_is_named_by_a_service_event_and_belongs_to_the_organization_at_once(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        inbox = listen(stack, MANAGEMENT.id, {"detail-type": ["AWS Service Event via CloudTrail"]})
        organizations = stack.client("organizations", MANAGEMENT.id)
        created = organizations.create_account(Email="new@example.com", AccountName="new")["CreateAccountStatus"]["AccountId"]
        arn = role(stack, PROD.id, trusting("*", StringEquals={"aws:PrincipalOrgID": ORGANIZATION_ID}))
        results = [each["detail"] for each in inbox.wait(seconds=ABSENCE_SECONDS)]
        named = [each["serviceEventDetails"]["createAccountStatus"]["accountId"] for each in results]
        return named == [created] and refusal(lambda: stack.assume(created, arn)) is None

    closed_only_by_us(probe, cloud, bare, "trail")


def test_the_path_of_an_account_follows_it_when_it_is_moved(cloud: Stack) -> None:
    organizations = cloud.client("organizations", MANAGEMENT.id)
    created = organizations.create_account(Email="moved@example.com", AccountName="moved")["CreateAccountStatus"]["AccountId"]
    unit = organizations.create_organizational_unit(ParentId=ROOT_ID, Name=unique("ou"))["OrganizationalUnit"]["Id"]
    below = f"{ORGANIZATION_ID}/{ROOT_ID}/{unit}/*"
    arn = role(cloud, PROD.id, trusting("*", **{"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": below}}))
    assert refusal(lambda: cloud.assume(created, arn)) == "AccessDenied"
    organizations.move_account(AccountId=created, SourceParentId=ROOT_ID, DestinationParentId=unit)
    assert refusal(lambda: cloud.assume(created, arn)) is None


def test_a_session_is_recorded_in_the_region_of_the_endpoint_by_both_accounts(cloud: Stack) -> None:
    """The emulator's buses and rules have regions of their own; CloudTrail's events keep to them."""
    arn = role(cloud, PROD.id, trusting(root_of(STAGING.id)))
    sts = {"source": ["aws.sts"], "detail": {"requestParameters": {"roleArn": [arn]}}}
    there = [listen(cloud, each.id, sts, state=ALL_MANAGEMENT_EVENTS, region=OTHER_REGION) for each in (STAGING, PROD)]
    here = listen(cloud, PROD.id, sts, state=ALL_MANAGEMENT_EVENTS)
    cloud.client("sts", STAGING.id, region=OTHER_REGION).assume_role(RoleArn=arn, RoleSessionName="somebody")
    (caller,), (owner,) = (each.wait() for each in there)
    assert caller["region"] == owner["region"] == owner["detail"]["awsRegion"] == OTHER_REGION
    assert caller["detail"]["sharedEventID"] == owner["detail"]["sharedEventID"]
    assert "arn" in caller["detail"]["userIdentity"]
    assert owner["detail"]["userIdentity"].keys() == {"type", "principalId", "accountId"}
    assert here.is_empty()


def _root(stack: Stack) -> str:
    return str(stack.client("organizations", MANAGEMENT.id).list_roots()["Roots"][0]["Id"])


# -- service_targets -------------------------------------------------------------------------------


def test_a_rule_does_not_deliver_to_a_queue_that_does_not_allow_it(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        source, name, events = unique("source"), unique("rule"), stack.client("events", STAGING.id)
        events.put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))
        inbox = queue(stack, STAGING.id, "arn:aws:events:us-east-1:222233334444:rule/another")
        events.put_targets(Rule=name, Targets=[{"Id": "inbox", "Arn": inbox.arn}])
        events.put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": "{}"}])
        return not inbox.wait(seconds=0.2)

    closed_only_by_us(probe, cloud, bare, "service_targets")


def to_another_account(stack: Stack, *, trusts: str = "events.amazonaws.com", allows: str = "sqs:SendMessage", asks: str = "") -> bool:
    """Whether an event of staging reaches a queue of prod by a role that may, or may not, send there; `asks`: whom the queue admits."""
    source, name, events = unique("source"), unique("rule"), stack.client("events", STAGING.id)
    inbox = queue(stack, PROD.id, None)
    sender = role(stack, STAGING.id, trusting({"Service": trusts}), allowing(allows, inbox.arn))
    admits = {"Effect": "Allow", "Principal": {"AWS": asks or sender}, "Action": "sqs:SendMessage", "Resource": inbox.arn}
    stack.client("sqs", PROD.id).set_queue_attributes(QueueUrl=inbox.url, Attributes={"Policy": document(admits)})
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))
    events.put_targets(Rule=name, Targets=[{"Id": "inbox", "Arn": inbox.arn, "RoleArn": sender}])
    events.put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": "{}"}])
    return [each["account"] for each in inbox.wait(seconds=ABSENCE_SECONDS)] == [STAGING.id]


def test_a_queue_of_another_account_is_reached_by_the_targets_role(cloud: Stack, bare: Stack) -> None:
    closed_only_by_us(to_another_account, cloud, bare, "service_targets")


@pytest.mark.parametrize(
    "wrong", [{"trusts": "lambda.amazonaws.com"}, {"allows": "sqs:ReceiveMessage"}, {"asks": f"arn:aws:iam::{HUB.id}:root"}], ids=str
)
def test_a_queue_of_another_account_is_not_reached_by_a_role_that_may_not(cloud: Stack, wrong: dict[str, str]) -> None:
    assert not to_another_account(cloud, **wrong)


# -- organization, condition_keys ------------------------------------------------------------------


def test_every_account_sees_the_one_organization(cloud: Stack, bare: Stack) -> None:
    def seen(stack: Stack, account_id: str) -> tuple[str, str]:
        organization = stack.client("organizations", account_id).describe_organization()["Organization"]
        return organization["Id"], organization["MasterAccountId"]

    def probe(stack: Stack) -> bool:
        return {seen(stack, account.id) for account in ORGANIZATION} == {(ORGANIZATION_ID, MANAGEMENT.id)}

    closed_only_by_us(probe, cloud, bare, "organization")
    for account in (HUB, MANAGEMENT):
        listed = cloud.client("organizations", account.id).list_accounts()["Accounts"]
        assert {each["Id"] for each in listed} >= {each.id for each in ORGANIZATION}
    stranger = cloud.client("organizations", STRANGER.id)
    assert refusal(stranger.describe_organization) == "AWSOrganizationsNotInUseException"
    assert (
        refusal(lambda: cloud.client("organizations", HUB.id).create_organizational_unit(ParentId=ROOT_ID, Name="x"))
        == "AccessDeniedException"
    )


@pytest.mark.parametrize(
    ("key", "value"), [("aws:PrincipalOrgID", ORGANIZATION_ID), ("aws:PrincipalOrgPaths", f"{ORGANIZATION_ID}/{ROOT_ID}/*")]
)
def test_a_trust_policy_may_ask_for_the_organization(cloud: Stack, bare: Stack, key: str, value: str) -> None:
    operator = "ForAnyValue:StringLike" if key.endswith("Paths") else "StringEquals"

    def probe(stack: Stack) -> bool:
        arn = role(stack, PROD.id, trusting("*", **{operator: {key: value}}))
        inside, outside = (refusal(lambda account=account: stack.assume(account.id, arn)) for account in (STAGING, STRANGER))  # type: ignore[misc]
        return (inside, outside) == (None, "AccessDenied")

    closed_only_by_us(probe, cloud, bare, "organization" if key.endswith("ID") else "condition_keys")


def test_principal_arn_of_a_role_session_is_the_roles_with_its_path(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        caller = role(stack, HUB.id, trusting(root_of(HUB.id)), allowing("sts:AssumeRole", "*"), path="/doorward/")
        target = role(stack, PROD.id, trusting(root_of(HUB.id), ArnEquals={"aws:PrincipalArn": caller}))
        session = stack.assume(HUB.id, caller)
        return refusal(lambda: stack.assume(HUB.id, target, credentials=session)) is None

    closed_only_by_us(probe, cloud, bare, "condition_keys")


def test_the_organization_of_a_resource_can_be_asked_for(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        only = {"StringEquals": {"aws:ResourceOrgID": ORGANIZATION_ID}}
        may = document({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*", "Condition": only})
        caller = role(stack, HUB.id, trusting(root_of(HUB.id)), may)
        target = role(stack, PROD.id, trusting(root_of(HUB.id)))
        session = stack.assume(HUB.id, caller)
        return refusal(lambda: stack.assume(HUB.id, target, credentials=session)) is None

    closed_only_by_us(probe, cloud, bare, "condition_keys")


def test_the_loopback_interface_counts_as_tls(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        only = {"Bool": {"aws:SecureTransport": "true"}}
        caller = user(stack, HUB.id, document({"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*", "Condition": only}))
        return refusal(lambda: stack.client("sqs", HUB.id, **caller).list_queues()) is None

    closed_only_by_us(probe, cloud, bare, "condition_keys")


# -- stack_sets ------------------------------------------------------------------------------------


def test_who_may_look_at_some_stack_sets_may_look_at_those_and_no_others(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        only = f"arn:aws:cloudformation:*:{MANAGEMENT.id}:stackset/mine-*"
        caller = user(stack, MANAGEMENT.id, allowing("cloudformation:DescribeStackSet", only))
        cloudformation = stack.client("cloudformation", MANAGEMENT.id, **caller)
        codes = [refusal(lambda name=name: cloudformation.describe_stack_set(StackSetName=name)) for name in ("mine-1", "other")]  # type: ignore[misc]
        return codes == ["ValidationError", "AccessDenied"]

    closed_only_by_us(probe, cloud, bare, "stack_sets")


# -- stack_policies --------------------------------------------------------------------------------


def test_a_stack_has_a_policy_of_the_organization_and_a_caller_may_change_that_one_alone(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        name, nothing = unique("policy"), {"Version": "2012-10-17", "Statement": []}
        properties = {"Name": name, "Description": "", "Type": "SERVICE_CONTROL_POLICY", "Content": nothing}
        resource = {"Type": "AWS::Organizations::Policy", "Properties": properties}
        template = {"Resources": {"Policy": resource}, "Outputs": {"Id": {"Value": {"Ref": "Policy"}}}}
        file = stack.folder / f"{name}.json"
        file.write_text(json.dumps(template))
        try:
            ours = stack.deploy_stack(MANAGEMENT.id, name, file, {})["Id"]
        except StackError:
            return False
        organizations = stack.client("organizations", MANAGEMENT.id)
        other = organizations.create_policy(**properties | {"Name": f"{name}-other", "Content": json.dumps(nothing)})["Policy"]
        arn = organizations.describe_policy(PolicyId=ours)["Policy"]["PolicySummary"]["Arn"]
        caller = user(stack, MANAGEMENT.id, allowing("organizations:UpdatePolicy", arn))
        as_caller = stack.client("organizations", MANAGEMENT.id, **caller)
        ids = (ours, other["PolicySummary"]["Id"])
        codes = [refusal(lambda each=each: as_caller.update_policy(PolicyId=each, Description="x")) for each in ids]  # type: ignore[misc]
        stack.client("cloudformation", MANAGEMENT.id).delete_stack(StackName=name)
        gone = stack.until(lambda: refusal(lambda: organizations.describe_policy(PolicyId=ours)), "the policy to go with its stack")
        return codes == [None, "AccessDeniedException"] and gone == "PolicyNotFoundException"

    closed_only_by_us(probe, cloud, bare, "stack_policies")


# -- request_keys ----------------------------------------------------------------------------------


def test_a_condition_on_the_leading_key_opens_the_items_with_it_and_no_other(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        table = unique("table")
        stack.client("dynamodb", HUB.id).create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )
        only = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "OUTBOX#*"}, "Null": {"dynamodb:LeadingKeys": "false"}}
        caller = user(stack, HUB.id, document({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*", "Condition": only}))
        dynamodb = stack.client("dynamodb", HUB.id, **caller)
        mine, others = ({"pk": {"S": key}} for key in ("OUTBOX#1", "ROLE#1"))
        codes = [refusal(lambda item=item: dynamodb.put_item(TableName=table, Item=item)) for item in (mine, others)]  # type: ignore[misc]
        codes += [refusal(lambda item=item: dynamodb.get_item(TableName=table, Key=item)) for item in (mine, others)]  # type: ignore[misc]
        codes += [
            refusal(
                lambda item=item: dynamodb.query(  # type: ignore[misc]
                    TableName=table, KeyConditionExpression="pk = :of", ExpressionAttributeValues={":of": item["pk"]}
                )
            )
            for item in (mine, others)
        ]
        return codes == [None, "AccessDeniedException"] * 3 and refusal(lambda: dynamodb.scan(TableName=table)) is not None

    closed_only_by_us(probe, cloud, bare, "request_keys")


def test_each_item_of_a_transaction_has_its_own_leading_key(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        table = unique("table")
        stack.client("dynamodb", HUB.id).create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )

        def allowing_under(action: str, key: str) -> dict[str, Any]:
            only = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": key}, "Null": {"dynamodb:LeadingKeys": "false"}}
            return {"Effect": "Allow", "Action": action, "Resource": "*", "Condition": only}

        caller = user(
            stack, HUB.id, document(allowing_under("dynamodb:PutItem", "OUTBOX#*"), allowing_under("dynamodb:DeleteItem", "ROLE#*"))
        )
        dynamodb = stack.client("dynamodb", HUB.id, **caller)

        def write(*put: str, delete: str) -> str | None:
            items: list[dict[str, Any]] = [{"Put": {"TableName": table, "Item": {"pk": {"S": key}}}} for key in put]
            items.append({"Delete": {"TableName": table, "Key": {"pk": {"S": delete}}}})
            return refusal(lambda: dynamodb.transact_write_items(TransactItems=items))

        refused = (write("OUTBOX#3", "ROLE#1", delete="ROLE#2"), write("OUTBOX#4", delete="OUTBOX#5"))
        return write("OUTBOX#1", "OUTBOX#2", delete="ROLE#1") is None and None not in refused

    closed_only_by_us(probe, cloud, bare, "request_keys")


def test_who_may_send_one_message_may_send_a_batch_of_them(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        url = stack.client("sqs", HUB.id).create_queue(QueueName=unique("queue"))["QueueUrl"]
        caller = user(stack, HUB.id, document({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}))
        sqs = stack.client("sqs", HUB.id, **caller)
        entries = [{"Id": each, "MessageBody": each} for each in ("a", "b")]
        deleted = [{"Id": "a", "ReceiptHandle": "x"}]
        return (
            refusal(lambda: sqs.send_message_batch(QueueUrl=url, Entries=entries)) is None
            and refusal(lambda: sqs.delete_message_batch(QueueUrl=url, Entries=deleted)) is not None
        )

    closed_only_by_us(probe, cloud, bare, "batch_actions")


def test_a_batch_has_the_leading_keys_of_its_items(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        table = unique("table")
        stack.client("dynamodb", HUB.id).create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )
        only = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "BEAT#*"}, "Null": {"dynamodb:LeadingKeys": "false"}}
        caller = user(stack, HUB.id, document({"Effect": "Allow", "Action": "dynamodb:Batch*", "Resource": "*", "Condition": only}))
        dynamodb = stack.client("dynamodb", HUB.id, **caller)

        def put(*keys: str) -> str | None:
            requests = [{"PutRequest": {"Item": {"pk": {"S": key}}}} for key in keys]
            return refusal(lambda: dynamodb.batch_write_item(RequestItems={table: requests}))

        def get(*keys: str) -> str | None:
            return refusal(lambda: dynamodb.batch_get_item(RequestItems={table: {"Keys": [{"pk": {"S": key}} for key in keys]}}))

        mine, others = ("BEAT#1", "BEAT#2"), ("BEAT#1", "ROLE#1")
        return put(*mine) is None and get(*mine) is None and put(*others) is not None and get(*others) is not None

    closed_only_by_us(probe, cloud, bare, "request_keys")


def test_a_condition_on_the_policy_opens_that_policy_to_be_attached_and_no_other(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        admin, reader = (f"arn:aws:iam::aws:policy/{name}" for name in ("AdministratorAccess", "ReadOnlyAccess"))
        only = {"ArnEquals": {"iam:PolicyARN": reader}}
        caller = user(stack, STAGING.id, document({"Effect": "Allow", "Action": "iam:*RolePolicy", "Resource": "*", "Condition": only}))
        name = role(stack, STAGING.id, trusting(root_of(STAGING.id))).rpartition("/")[2]
        iam = stack.client("iam", STAGING.id, **caller)
        codes = [refusal(lambda arn=arn: iam.attach_role_policy(RoleName=name, PolicyArn=arn)) for arn in (reader, admin)]  # type: ignore[misc]
        return codes == [None, "AccessDenied"]

    closed_only_by_us(probe, cloud, bare, "request_keys")


def test_a_condition_on_the_source_opens_that_source_and_no_other(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        only = {"StringEquals": {"events:source": "doorward.guardrails"}}
        caller = user(stack, HUB.id, document({"Effect": "Allow", "Action": "events:PutEvents", "Resource": "*", "Condition": only}))
        events = stack.client("events", HUB.id, **caller)
        entries = [{"Source": source, "DetailType": "x", "Detail": "{}"} for source in ("doorward.guardrails", "another")]
        codes = [refusal(lambda entry=entry: events.put_events(Entries=[entry])) for entry in entries]  # type: ignore[misc]
        return codes[0] is None and codes[1] is not None and refusal(lambda: events.put_events(Entries=entries)) is not None

    closed_only_by_us(probe, cloud, bare, "request_keys")


# -- wildcards -------------------------------------------------------------------------------------


def test_a_wildcard_of_a_policy_matches_a_line_feed(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        bucket = unique("bucket")
        stack.client("s3", PROD.id).create_bucket(Bucket=bucket)
        s3 = stack.client("s3", PROD.id, **user(stack, PROD.id, allowing("s3:PutObject", f"arn:aws:s3:::{bucket}/*")))
        return refusal(lambda: s3.put_object(Bucket=bucket, Key="a\nb")) is None

    closed_only_by_us(probe, cloud, bare, "wildcards")


# -- role_paths ------------------------------------------------------------------------------------


def test_a_statement_names_a_role_with_its_path(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        arn = role(stack, STAGING.id, trusting(root_of(HUB.id)), path="/ci/")
        caller = user(stack, STAGING.id, allowing("iam:GetRole", arn))
        return refusal(lambda: stack.client("iam", STAGING.id, **caller).get_role(RoleName=arn.rpartition("/")[2])) is None

    closed_only_by_us(probe, cloud, bare, "role_paths")


# -- trust_documents -------------------------------------------------------------------------------

ROOT_STATEMENT = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole"}


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "{}",
        json.dumps({"Version": "2012-10-17", "Statement": []}),
        json.dumps({"Version": "2020-01-01", "Statement": [ROOT_STATEMENT]}),
        document({"Effect": "Allow", "Action": "sts:AssumeRole"}),
        document({**ROOT_STATEMENT, "Effect": "allow"}),
        document({**ROOT_STATEMENT, "Action": "s3:GetObject"}),
        document({**ROOT_STATEMENT, "Resource": "*"}),
        document({**ROOT_STATEMENT, "Principal": {"AWS": ["AROAEXAMPLEEXAMPLE042"]}}),
        document({**ROOT_STATEMENT, "Principal": {"AWS": "AIDAEXAMPLEEXAMPLE042"}}),
    ],
)
def test_iam_refuses_a_malformed_trust_policy(cloud: Stack, bare: Stack, text: str) -> None:
    def probe(stack: Stack) -> bool:
        iam = stack.client("iam", STAGING.id)
        name = role(stack, STAGING.id, trusting(root_of(HUB.id))).rpartition("/")[2]
        updated = refusal(lambda: iam.update_assume_role_policy(RoleName=name, PolicyDocument=text))
        created = refusal(lambda: iam.create_role(RoleName=unique("role"), AssumeRolePolicyDocument=text))
        return {updated, created} == {"MalformedPolicyDocument"}

    closed_only_by_us(probe, cloud, bare, "trust_documents")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"Statement": ROOT_STATEMENT}),
        document({**ROOT_STATEMENT, "Effect": "Deny", "Principal": "*", "Action": "*"}),
        document({**ROOT_STATEMENT, "Principal": {"Service": "ec2.amazonaws.com"}, "Action": ["STS:AssumeRole", "sts:TagSession"]}),
        document({**ROOT_STATEMENT, "Principal": {"AWS": "123456789012"}}),
    ],
)
def test_iam_stores_a_well_formed_trust_policy(cloud: Stack, text: str) -> None:
    assert refusal(lambda: role(cloud, STAGING.id, text)) is None


# -- lambda_errors ---------------------------------------------------------------------------------


def test_a_raised_exception_is_reported_by_its_class(cloud: Stack, bare: Stack) -> None:
    source = "class Refused(Exception): pass\ndef handler(event, context):\n    raise Refused('no\\nOther: lines')\n"

    def probe(stack: Stack) -> bool:
        name = function(stack, HUB.id, source)
        answer = stack.client("lambda", HUB.id).invoke(FunctionName=name)
        error = json.load(answer["Payload"])
        assert answer["FunctionError"] == "Unhandled"
        return bool(error["errorType"] == "Refused")

    closed_only_by_us(probe, cloud, bare, "lambda_errors")


# -- accepted_types, stack_roles -------------------------------------------------------------------


@pytest.mark.parametrize("resource_type", sorted(ACCEPTED))
def test_a_type_without_local_behaviour_is_accepted(cloud: Stack, bare: Stack, resource_type: str) -> None:
    resources = {"It": {"Type": resource_type, "Properties": {"Any": "thing"}}}

    def probe(stack: Stack) -> bool:
        return refusal(lambda: deploy(stack, HUB.id, resources)) is None

    closed_only_by_us(probe, cloud, bare, "not_emulated")


def test_a_stacks_roles_are_logged_and_keep_their_boundary(cloud: Stack, bare: Stack) -> None:
    def resources(name: str, trusted: str) -> dict[str, Any]:
        boundary = "arn:aws:iam::aws:policy/PowerUserAccess"
        trust = json.loads(trusting(root_of(trusted)))
        return {
            "R": {
                "Type": "AWS::IAM::Role",
                "Properties": {"RoleName": name, "AssumeRolePolicyDocument": trust, "PermissionsBoundary": boundary},
            }
        }

    def probe(stack: Stack) -> bool:
        name, iam = unique("role"), stack.client("iam", SHARED_SERVICES.id)
        deploy(stack, SHARED_SERVICES.id, resources(name, HUB.id))
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=allowing("*", "*"))
        session = stack.assume(HUB.id, f"arn:aws:iam::{SHARED_SERVICES.id}:role/{name}")
        beyond = refusal(stack.client("iam", SHARED_SERVICES.id, **session).list_users)
        return "PermissionsBoundary" in iam.get_role(RoleName=name)["Role"] and beyond == "AccessDenied"

    closed_only_by_us(probe, cloud, bare, "stack_roles")
    inbox, name = records(cloud, SHARED_SERVICES.id, "CreateRole", "UpdateAssumeRolePolicy", "DeleteRole"), unique("role")
    stack_name = deploy(cloud, SHARED_SERVICES.id, resources(name, HUB.id))
    deploy(cloud, SHARED_SERVICES.id, resources(name, PROD.id), stack_name)
    cloud.client("cloudformation", SHARED_SERVICES.id).delete_stack(StackName=stack_name)
    details = [event["detail"] for event in inbox.wait(3)]
    assert [detail["eventName"] for detail in details] == ["CreateRole", "UpdateAssumeRolePolicy", "DeleteRole"]
    assert {detail["userIdentity"]["invokedBy"] for detail in details} == {"cloudformation.amazonaws.com"}
    assert {detail["requestParameters"]["roleName"] for detail in details} == {name}


# -- stack_buckets -----------------------------------------------------------------------------------


def test_what_is_put_into_a_stacks_bucket_is_locked_as_the_stack_says(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        retention = {"Mode": "GOVERNANCE", "Days": "3"}
        lock = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}}
        name = unique("locked")
        bucket = {"BucketName": name, "ObjectLockEnabled": True, "ObjectLockConfiguration": lock}
        deploy(
            stack,
            HUB.id,
            {"B": {"Type": "AWS::S3::Bucket", "Properties": {**bucket, "VersioningConfiguration": {"Status": "Enabled"}}}},
        )
        s3 = stack.client("s3", HUB.id)
        version = s3.put_object(Bucket=name, Key="x", Body=b"x")["VersionId"]
        return refusal(lambda: s3.delete_object(Bucket=name, Key="x", VersionId=version)) == "AccessDenied"

    closed_only_by_us(probe, cloud, bare, "stack_buckets")


# -- stack_conditions --------------------------------------------------------------------------------


def test_a_condition_of_a_stack_may_ask_in_which_account_it_is(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        here = {"Fn::Equals": [{"Ref": "AWS::AccountId"}, PROD.id]}
        resources = {
            "Always": {"Type": "AWS::SNS::Topic", "Properties": {}},
            "InProd": {"Type": "AWS::SNS::Topic", "Properties": {}, "Condition": "Here"},
        }
        made = []
        for account in (HUB, PROD):
            name = deploy(stack, account.id, resources, Conditions={"Here": here})
            listed = stack.client("cloudformation", account.id).describe_stack_resources(StackName=name)["StackResources"]
            made.append(len(listed))
        return made == [1, 2]

    closed_only_by_us(probe, cloud, bare, "stack_conditions")


# -- stack_mappings ----------------------------------------------------------------------------------


def test_text_is_a_number_where_a_stacks_event_source_mapping_wants_one(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        inbox = queue(stack, HUB.id, None)
        name = function(stack, HUB.id, "def handler(event, context):\n    pass\n", allowing("sqs:*", inbox.arn))
        mapping = {"EventSourceArn": inbox.arn, "FunctionName": name, "ScalingConfig": {"MaximumConcurrency": "2"}}
        stack_name = deploy(stack, HUB.id, {"M": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping}})
        stack.client("sqs", HUB.id).send_message(QueueUrl=inbox.url, MessageBody="{}")
        deadline = time.monotonic() + POLLING_SECONDS
        while not (taken := inbox.is_empty()) and time.monotonic() < deadline:
            time.sleep(0.02)
        stack.client("cloudformation", HUB.id).delete_stack(StackName=stack_name)  # or its poller complains for ever
        return taken

    closed_only_by_us(probe, cloud, bare, "stack_mappings")


# -- stack_secrets ------------------------------------------------------------------------------------


def test_cloudformation_generates_a_secret_as_it_was_asked_to(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        name, generate = unique("secret"), {"PasswordLength": 48, "ExcludePunctuation": True}
        deploy(
            stack, HUB.id, {"S": {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": name, "GenerateSecretString": generate}}}
        )
        secret = stack.client("secretsmanager", HUB.id).get_secret_value(SecretId=name)["SecretString"]
        assert len(secret) == 48
        return bool(secret.isalnum())

    closed_only_by_us(probe, cloud, bare, "stack_secrets")


def test_a_reference_to_a_secret_is_its_arn(cloud: Stack, bare: Stack) -> None:
    source = """
import boto3
def handler(event, context):
    return boto3.client("secretsmanager").get_secret_value(SecretId=event)["SecretString"]
"""

    def deployed(stack: Stack, description: str, name: str, stack_name: str | None = None) -> str:
        properties = {"Name": name, "Description": description, "SecretString": "s"}
        stack_name = deploy(stack, HUB.id, {"S": {"Type": "AWS::SecretsManager::Secret", "Properties": properties}}, stack_name)
        resources = stack.client("cloudformation", HUB.id).describe_stack_resources(StackName=stack_name)["StackResources"]
        return f"{stack_name} {resources[0]['PhysicalResourceId']}"

    def probe(stack: Stack) -> bool:
        _stack, reference = deployed(stack, "first", unique("secret")).split()
        name = function(stack, HUB.id, source, allowing("secretsmanager:GetSecretValue", reference))
        answer = stack.client("lambda", HUB.id).invoke(FunctionName=name, Payload=json.dumps(reference))
        return bool(json.load(answer["Payload"]) == "s")

    closed_only_by_us(probe, cloud, bare, "stack_secrets")
    name = unique("secret-with-hyphens")
    stack_name, first = deployed(cloud, "first", name).split()
    assert deployed(cloud, "second", name, stack_name) == f"{stack_name} {first}"
    assert cloud.client("secretsmanager", HUB.id).describe_secret(SecretId=first)["Description"] == "second"
    cloud.client("cloudformation", HUB.id).delete_stack(StackName=stack_name)
    describe = cloud.client("secretsmanager", HUB.id).describe_secret
    assert cloud.until(lambda: refusal(lambda: describe(SecretId=first)), "the deletion") == "ResourceNotFoundException"


# -- rule_references, regions ----------------------------------------------------------------------


def test_a_rule_of_a_stack_on_a_bus_of_its_own_is_called_by_the_bus_too(cloud: Stack, bare: Stack) -> None:
    def deployed(stack: Stack, name: str, description: str) -> str:
        rule = {"EventBusName": {"Ref": "Bus"}, "EventPattern": {"source": ["x"]}, "Description": description}
        resources = {
            "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": name}},
            "Rule": {"Type": "AWS::Events::Rule", "Properties": rule},
            "Plain": {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": {"source": ["x"]}}},
        }
        outputs = {each: {"Value": {"Ref": each}} for each in ("Rule", "Plain")}
        template = stack.folder / f"{name}.json"
        template.write_text(json.dumps({"Resources": resources, "Outputs": outputs}))
        answer = stack.deploy_stack(HUB.id, name, template, {})
        assert "|" not in answer["Plain"]
        return answer["Rule"]

    name = unique("referred")
    closed_only_by_us(lambda stack: deployed(stack, name, "first").startswith(f"{name}|"), cloud, bare, "rule_references")
    bus, _, rule = deployed(cloud, name, "second").partition("|")
    events = cloud.client("events", HUB.id)
    assert events.describe_rule(Name=rule, EventBusName=bus)["Description"] == "second"
    cloud.client("cloudformation", HUB.id).delete_stack(StackName=name)
    gone = cloud.until(lambda: refusal(lambda: events.describe_rule(Name=rule, EventBusName=bus)), "the deletion")
    assert gone == "ResourceNotFoundException"


def test_a_rule_of_the_default_bus_is_named_in_policies_without_the_bus(cloud: Stack, bare: Stack) -> None:
    def described(stack: Stack) -> bool:
        stack.client("events", STAGING.id).put_rule(Name="named-in-policies", EventPattern='{"source": ["x"]}')
        arn = f"arn:aws:events:{REGION}:{STAGING.id}:rule/named-in-policies"
        events = stack.client("events", STAGING.id, **user(stack, STAGING.id, allowing("events:DescribeRule", arn)))
        return refusal(lambda: events.describe_rule(Name="named-in-policies")) is None

    closed_only_by_us(described, cloud, bare, "rule_references")


def test_an_account_has_the_regions_enabled_that_the_world_says(cloud: Stack, bare: Stack) -> None:
    def regions(stack: Stack, account_id: str, **asked: Any) -> list[str]:
        return [each["RegionName"] for each in stack.client("ec2", account_id).describe_regions(**asked)["Regions"]]

    closed_only_by_us(lambda stack: regions(stack, MANAGEMENT.id) == [REGION], cloud, bare, "regions")
    assert sorted(regions(cloud, PROD.id)) == sorted([REGION, OTHER_REGION])
    assert regions(cloud, PROD.id, RegionNames=[OTHER_REGION]) == [OTHER_REGION]
    assert regions(cloud, MANAGEMENT.id, RegionNames=[OTHER_REGION]) == []
    assert len(regions(cloud, MANAGEMENT.id, AllRegions=True)) > 2


# -- calls -----------------------------------------------------------------------------------------


def test_what_a_role_of_doorwards_asks_for_is_kept_as_iam_names_it_and_nobody_elses(cloud: Stack) -> None:
    name, table = f"doorward-{unique('test')}", unique("table")
    trust = trusting(root_of(STAGING.id))
    ours = role(cloud, STAGING.id, trust, allowing("*", "*"), path="/doorward/", name=name)
    other = role(cloud, STAGING.id, trust, allowing("*", "*"), name=unique("other"))
    narrow = allowing(["dynamodb:*", "sts:*"], "*")
    for arn in (ours, other):
        session = cloud.assume(STAGING.id, arn, Policy=narrow)
        writes = [{"ConditionCheck": {"TableName": table, "Key": {"pk": {"S": "A"}}, "ConditionExpression": "attribute_exists(pk)"}}]
        assert refusal(lambda: cloud.client("dynamodb", STAGING.id, **session).transact_write_items(TransactItems=writes))  # noqa: B023
        assert refusal(lambda: cloud.assume(STAGING.id, ours, credentials=session, ExternalId="xx", SourceIdentity="yy"))  # noqa: B023
    kept = {each["action"]: each for each in cloud.calls() if each["role"] == ours}
    assert kept.keys() == {"dynamodb:ConditionCheckItem", "sts:AssumeRole", "sts:SetSourceIdentity"}
    assert kept["dynamodb:ConditionCheckItem"]["resource"].endswith(f":table/{table}")
    assert kept["dynamodb:ConditionCheckItem"]["session_policies"]["Policy"] == narrow
    assert kept["sts:AssumeRole"]["context"] | {"aws:PrincipalArn": ours, "sts:externalid": "xx"} == kept["sts:AssumeRole"]["context"]
    assert other not in {each["role"] for each in cloud.calls()}


# -- identity_store -------------------------------------------------------------------------------


def test_identity_center_has_users_and_groups_that_doorward_reads(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        center: Any = stack.client("identitystore", MANAGEMENT.id, region=OTHER_REGION)
        directory, name = IdentityStoreDirectory(lambda: center, identity_store.STORE), unique("jane")
        try:
            user_id = center.create_user(IdentityStoreId=identity_store.STORE, UserName=name, DisplayName="Jane Doe")["UserId"]
        except ClientError:
            return False
        assert [each.person for each in directory.users_named(name)] == [directory.user(user_id)]
        assert directory.users_named(name.upper()) == ()
        said = [
            {"AttributePath": "UserType", "AttributeValue": "contractor"},
            {"AttributePath": "Extensions", "AttributeValue": {"aws:identitystore:enterprise": {"department": "payments"}}},
        ]
        center.update_user(IdentityStoreId=identity_store.STORE, UserId=user_id, Operations=said)
        assert directory.attributes(user_id) == {"userType": "contractor", "department": "payments"}
        assert "Extensions" not in center.describe_user(IdentityStoreId=identity_store.STORE, UserId=user_id)
        groups = {unique("group") for _ in range(101)}
        for each in groups:
            group_id = center.create_group(IdentityStoreId=identity_store.STORE, DisplayName=each)["GroupId"]
            center.create_group_membership(IdentityStoreId=identity_store.STORE, GroupId=group_id, MemberId={"UserId": user_id})
        assert directory.groups_of(user_id) == groups
        switch_off = [{"AttributePath": "UserStatus", "AttributeValue": "DISABLED"}]
        center.update_user(IdentityStoreId=identity_store.STORE, UserId=user_id, Operations=switch_off)
        assert [each.enabled for each in directory.users_named(name)] == [False]
        assert directory.user(user_id) is None
        center.delete_user(IdentityStoreId=identity_store.STORE, UserId=user_id)
        assert directory.users_named(name) == ()
        return directory.groups_of(user_id) == frozenset()

    closed_only_by_us(probe, cloud, bare, "identity_store")


def test_who_may_not_read_the_identity_store_does_not(cloud: Stack) -> None:
    def listing(account_id: str, *policies: str) -> str | None:
        center: Any = cloud.client("identitystore", account_id, **user(cloud, account_id, *policies))
        return refusal(lambda: center.list_users(IdentityStoreId=identity_store.STORE))

    store = f"arn:aws:identitystore::{MANAGEMENT.id}:identitystore/{identity_store.STORE}"
    assert listing(MANAGEMENT.id, allowing("identitystore:ListUsers", store)) is None
    assert listing(MANAGEMENT.id) == "AccessDeniedException"
    assert listing(MANAGEMENT.id, allowing("identitystore:ListUsers", store[:-1])) == "AccessDeniedException"
    assert listing(MANAGEMENT.id, allowing("identitystore:DescribeUser", store)) == "AccessDeniedException"
    assert listing(STAGING.id, allowing("identitystore:*", "*")) == "ResourceNotFoundException"


# -- failures --------------------------------------------------------------------------------------


def test_a_call_of_a_role_of_doorwards_fails_once_where_that_is_asked_for_and_nobody_elses(cloud: Stack) -> None:
    target, name = unique("target"), f"doorward-{unique('test')}"
    role(cloud, STAGING.id, trusting(root_of(STAGING.id)), name=target)
    ours = role(cloud, STAGING.id, trusting(root_of(STAGING.id)), allowing("iam:*", "*"), path="/doorward/", name=name)
    doorward = cloud.client("iam", STAGING.id, **cloud.assume(STAGING.id, ours))
    people = cloud.client("iam", STAGING.id, **user(cloud, STAGING.id, allowing("iam:*", "*")))

    def write(iam: Any, account_id: str) -> str | None:
        return refusal(lambda: iam.update_assume_role_policy(RoleName=target, PolicyDocument=trusting(root_of(account_id))))

    failure = {"call": "UpdateAssumeRolePolicy", "about": target}
    cloud.fail(failure | {"fate": "throttled"}, failure | {"fate": "unanswered"})
    assert write(people, HUB.id) is None
    assert len(cloud.state()["failures"]["left"]) == 2
    assert write(doorward, PROD.id) == "Throttling"
    assert stands(cloud, target) == json.loads(trusting(root_of(HUB.id)))
    assert write(doorward, PROD.id) == "ServiceUnavailable"
    assert stands(cloud, target) == json.loads(trusting(root_of(PROD.id)))
    assert write(doorward, STAGING.id) is None
    assert cloud.state()["failures"]["left"] == []


def stands(cloud: Stack, name: str) -> Any:
    return cloud.client("iam", STAGING.id).get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]


def test_a_function_that_is_killed_has_done_what_it_called_for_and_does_not_hear_of_it(cloud: Stack) -> None:
    source = "import boto3\ndef handler(event, context):\n    boto3.client('iam').create_user(UserName=event)\n    return 'heard'\n"
    name, functions = unique("killed"), cloud.client("lambda", HUB.id)
    works = function(cloud, HUB.id, source, allowing("iam:*", "*"), path="/doorward/")
    cloud.fail({"call": "CreateUser", "about": name, "fate": "killed", "function": works})
    assert "FunctionError" in functions.invoke(FunctionName=works, Payload=json.dumps(name))
    assert cloud.client("iam", HUB.id).get_user(UserName=name)
    assert cloud.state()["failures"]["killed_at"]
    assert functions.invoke(FunctionName=works, Payload=json.dumps(unique("again")))["Payload"].read() == b'"heard"'


def test_the_people_of_the_world_are_in_identity_center(cloud: Stack) -> None:
    center: Any = cloud.client("identitystore", MANAGEMENT.id)
    directory = IdentityStoreDirectory(lambda: center, identity_store.STORE)
    nowhere = "00000000-0000-0000-0000-000000000000"
    for person in PEOPLE:
        (found,) = directory.users_named(person.user_name)
        member = {"UserId": found.person.user_id}
        assert (found.enabled, found.person.display_name, found.person.email) == (True, person.display_name, person.user_name)
        assert directory.groups_of(found.person.user_id) == set(person.groups)
        joined = center.list_group_memberships_for_member(IdentityStoreId=identity_store.STORE, MemberId=member)["GroupMemberships"]
        asked = [*(each["GroupId"] for each in joined), nowhere]
        answer = center.is_member_in_groups(IdentityStoreId=identity_store.STORE, MemberId=member, GroupIds=asked)
        assert {each["GroupId"] for each in answer["Results"] if each["MembershipExists"]} == set(asked) - {nowhere}


# -- saml_sessions ---------------------------------------------------------------------------------


def test_identity_center_opens_a_session_named_after_a_person(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        identity_center.connect(stack, SHARED_SERVICES)
        identity_center.assign(stack, SHARED_SERVICES, "Reader", "iam:ListRoles", "*")
        try:
            keys = identity_center.sign_in(stack, JANE, SHARED_SERVICES, "Reader")
        except ClientError:
            return False
        name = identity_center.role_arn(SHARED_SERVICES, "Reader").rpartition("/")[2]
        known = stack.client("sts", SHARED_SERVICES.id, **keys).get_caller_identity()
        role_id = stack.client("iam", SHARED_SERVICES.id).get_role(RoleName=name)["Role"]["RoleId"]
        assert known["UserId"] == f"{role_id}:{JANE.user_name}"
        assert known["Arn"] == f"arn:aws:sts::{SHARED_SERVICES.id}:assumed-role/{name}/{JANE.user_name}"
        iam = stack.client("iam", SHARED_SERVICES.id, **keys)
        assert refusal(iam.list_users) == "AccessDenied"
        return refusal(iam.list_roles) is None

    inbox = records(cloud, SHARED_SERVICES.id, "AssumeRoleWithSAML")
    closed_only_by_us(probe, cloud, bare, "saml_sessions")
    (event,) = inbox.wait()
    detail = event["detail"]
    provider, role_arn = identity_center.provider_arn(SHARED_SERVICES), identity_center.role_arn(SHARED_SERVICES, "Reader")
    assert detail["requestParameters"] == {"roleArn": role_arn, "principalArn": provider}
    qualifier = detail["responseElements"]["nameQualifier"]
    assert detail["userIdentity"] == {
        "type": "SAMLUser",
        "principalId": f"{qualifier}:{JANE.user_name}",
        "userName": JANE.user_name,
        "identityProvider": qualifier,
    }
    assert set(detail["responseElements"]["credentials"]) == {"accessKeyId", "sessionToken", "expiration"}


def test_nobody_comes_by_saml_whom_provider_and_role_do_not_let_in(cloud: Stack) -> None:
    iam, sts, name = cloud.client("iam", STAGING.id), cloud.client("sts", STAGING.id), unique("idp")
    metadata = '<EntityDescriptor entityID="https://idp.example"/>'.ljust(1000)
    provider = iam.create_saml_provider(Name=name, SAMLMetadataDocument=metadata)["SAMLProviderArn"]

    def let_in(federated: str) -> str:
        trust = trusting({"Federated": federated}, "sts:AssumeRoleWithSAML", StringEquals={"SAML:aud": "https://us"})
        return role(cloud, STAGING.id, trust, path="/saml/")

    def asserting(arn: str, named: str | None = None, **asserted: str) -> str | None:
        as_it_should_be = {"issuer": "https://idp.example", "audience": "https://us"}
        text = identity_center.assertion("ann", named or f"{provider},{arn}", **{**as_it_should_be, **asserted})
        return refusal(lambda: sts.assume_role_with_saml(RoleArn=arn, PrincipalArn=provider, SAMLAssertion=text))

    ours, others = let_in(provider), let_in(provider + "2")
    assert asserting(ours) is None
    assert asserting(ours, issuer="https://other.example") == "InvalidIdentityToken"
    assert asserting(ours, audience="https://them") == "AccessDenied"
    assert asserting(ours, f"{others},{provider}") == "AccessDenied"
    assert asserting(others) == "AccessDenied"
    assert asserting(ours.replace("/saml/", "/")) == "AccessDenied"
    assert refusal(lambda: sts.assume_role_with_saml(RoleArn=ours, PrincipalArn=provider, SAMLAssertion="none")) == "InvalidIdentityToken"
    iam.update_saml_provider(SAMLProviderArn=provider, SAMLMetadataDocument="<EntityDescriptor/>".ljust(1000))
    assert asserting(ours) == "InvalidIdentityToken"


# -- rest_apis, rest_callers -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def echo(cloud: Stack) -> EchoApi:
    """An API of the hub account; whoever needs a policy gives it one."""
    return echo_api(cloud, HUB.id, invoking("Allow"))


ELSEWHERE = "execute-api:/*/GET/elsewhere"
OUR_ORGANIZATION: dict[str, Any] = {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION_ID}}
MAY_INVOKE = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}


def test_a_rest_api_is_found_from_another_account_and_runs_in_its_own(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        api = echo_api(stack, HUB.id, invoking("Allow"))
        exactly = f"arn:aws:execute-api:{REGION}:{HUB.id}:{api.id}/v1/GET/signed/a:b"
        status, answer = api.call("/signed/a:b", user(stack, PROD.id, allowing("execute-api:Invoke", exactly)))
        return status == 200 and f":{HUB.id}:function:" in answer["function_arn"]

    closed_only_by_us(probe, cloud, bare, "rest_apis")


def test_a_rest_api_has_the_policy_that_sam_writes_into_its_body(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        api = echo_api(stack, HUB.id, invoking("Deny"))
        return api.call("/open", method="POST")[0] == 403

    closed_only_by_us(probe, cloud, bare, "rest_apis")


@pytest.mark.parametrize(
    ("account_id", "of_his", "of_the_api", "status"),
    [
        (HUB.id, [MAY_INVOKE], [], 200),
        (HUB.id, [MAY_INVOKE], [invoking("Allow", ELSEWHERE)], 200),
        (HUB.id, [], [invoking("Allow")], 200),
        (HUB.id, [], [invoking("Allow", ELSEWHERE)], 403),
        (HUB.id, [MAY_INVOKE], [invoking("Allow"), invoking("Deny")], 403),
        (HUB.id, [MAY_INVOKE], [invoking("Deny", ELSEWHERE)], 200),
        (HUB.id, [MAY_INVOKE | {"Effect": "Deny"}], [invoking("Allow")], 403),
        (HUB.id, None, [invoking("Allow", ELSEWHERE)], 200),
        (HUB.id, None, [invoking("Deny")], 403),
        (PROD.id, [MAY_INVOKE], [invoking("Allow")], 200),
        (PROD.id, [MAY_INVOKE], [invoking("Allow", **OUR_ORGANIZATION)], 200),
        (PROD.id, [MAY_INVOKE], [], 403),
        (PROD.id, [MAY_INVOKE], [invoking("Allow", ELSEWHERE)], 403),
        (PROD.id, [], [invoking("Allow")], 403),
        (PROD.id, [MAY_INVOKE], [invoking("Allow"), invoking("Deny")], 403),
        (PROD.id, [MAY_INVOKE | {"Effect": "Deny"}], [invoking("Allow")], 403),
        (PROD.id, None, [invoking("Allow")], 200),
        (PROD.id, None, [invoking("Allow", ELSEWHERE)], 403),
        (STRANGER.id, [MAY_INVOKE], [invoking("Allow")], 200),
        (STRANGER.id, [MAY_INVOKE], [invoking("Allow", **OUR_ORGANIZATION)], 403),
        (STRANGER.id, None, [invoking("Allow", **OUR_ORGANIZATION)], 403),
    ],
)
def test_who_signs_may_call_by_his_policies_and_the_apis(
    echo: EchoApi, account_id: str, of_his: list[dict[str, Any]] | None, of_the_api: list[dict[str, Any]], status: int
) -> None:
    """In the API's account either allows, from another both do, and a Deny wins; None: the account's root, who may do anything."""
    echo.govern(*of_the_api)
    caller = root_keys(account_id) if of_his is None else user(echo.stack, account_id, *([document(*of_his)] if of_his else []))
    got, answer = echo.call("/signed/x", caller)
    assert got == status, answer
    if status == 403:
        assert f"is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:{REGION}:****" in answer["Message"]
        assert HUB.id not in answer["Message"].partition(" on resource: ")[2]


@pytest.mark.parametrize(
    ("of_the_api", "status"),
    [
        ([], 200),
        ([invoking("Allow", "execute-api:/*/POST/open")], 200),
        ([invoking("Allow", ELSEWHERE)], 403),
        ([invoking("Allow", **OUR_ORGANIZATION)], 403),
        ([invoking("Allow"), invoking("Deny")], 403),
    ],
)
@pytest.mark.parametrize("signed", [False, True])
def test_a_route_without_authorization_needs_the_policy_to_allow_anybody(
    echo: EchoApi, of_the_api: list[dict[str, Any]], status: int, signed: bool
) -> None:
    echo.govern(*of_the_api)
    keys = user(echo.stack, HUB.id, document(MAY_INVOKE)) if signed else None
    assert echo.call("/open", keys, method="POST")[0] == status


@pytest.mark.parametrize(
    ("token", "of_the_api", "status"),
    [
        ("right", [invoking("Allow", **OUR_ORGANIZATION)], 200),
        ("wrong", [invoking("Allow")], 403),
        ("right", [invoking("Allow"), invoking("Deny")], 403),
    ],
)
def test_a_lambda_authorizer_decides_unless_the_policy_denies(
    echo: EchoApi, token: str, of_the_api: list[dict[str, Any]], status: int
) -> None:
    echo.govern(*of_the_api)
    assert echo.call("/token", headers={"Authorization": token})[0] == status


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, 200),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, 403),
        ({"Bool": {"aws:SecureTransport": "true"}}, 200),
        ({"Bool": {"aws:SecureTransport": "false"}}, 403),
    ],
)
def test_the_policy_sees_how_the_call_came(echo: EchoApi, condition: dict[str, Any], status: int) -> None:
    echo.govern(invoking("Allow", **condition))
    spoofed = {"X-Forwarded-For": "10.0.0.1"}
    assert echo.call("/open", method="POST", headers=spoofed)[0] == status
    assert echo.call("/signed/x", user(echo.stack, PROD.id, document(MAY_INVOKE)), headers=spoofed)[0] == status


def test_a_signature_is_checked_in_the_callers_account(echo: EchoApi) -> None:
    echo.govern(invoking("Allow"))
    keys = user(echo.stack, PROD.id, document(MAY_INVOKE))
    assert echo.call("/signed/x", {**keys, "aws_secret_access_key": "wrong"})[0] == 403
    assert echo.call("/signed/x") == (403, {"message": "Missing Authentication Token"})
    assert echo.call("/signed/x", headers={"Authorization": "Bearer right"})[0] == 403
    assert echo.call("/signed/x", keys)[0] == 200


def test_a_function_is_told_who_called_its_rest_api(cloud: Stack, bare: Stack, echo: EchoApi) -> None:
    def probe(stack: Stack) -> bool:
        api = echo_api(stack, HUB.id)
        _status, answer = api.call("/signed/x", root_keys(HUB.id), headers={"X-Forwarded-For": "10.0.0.1"})
        return bool(answer["event"]["requestContext"]["identity"]["sourceIp"] == "127.0.0.1")

    closed_only_by_us(probe, cloud, bare, "rest_callers")
    echo.govern(invoking("Allow"))

    def identity(keys: dict[str, str]) -> Any:
        return echo.call("/signed/x", keys)[1]["event"]["requestContext"]["identity"]

    for account, organization_id in ((HUB, ORGANIZATION_ID), (PROD, ORGANIZATION_ID), (STRANGER, None)):
        of_user = user(cloud, account.id, document(MAY_INVOKE))
        known = cloud.client("sts", account.id, **of_user).get_caller_identity()
        came = {"sourceIp": "127.0.0.1", "userAgent": "echo/1", "principalOrgId": organization_id, "accountId": account.id}
        cognito = dict.fromkeys(
            f"cognito{each}" for each in ("AuthenticationProvider", "AuthenticationType", "IdentityId", "IdentityPoolId")
        )
        expected = came | cognito | {"caller": known["UserId"], "user": known["UserId"], "userArn": known["Arn"]}
        assert known["UserId"].startswith("AIDA")
        assert identity(of_user) == expected | {"accessKey": of_user["aws_access_key_id"]}
        arn = role(cloud, account.id, trusting(root_of(account.id)), document(MAY_INVOKE), path="/teams/a/")
        name = arn.rpartition("/")[2]
        session = cloud.assume(account.id, arn, RoleSessionName="ann@acme.example")
        caller = f"{cloud.client('iam', account.id).get_role(RoleName=name)['Role']['RoleId']}:ann@acme.example"
        assert caller.startswith("AROA")
        of_session = {"caller": caller, "user": caller, "accessKey": session["aws_access_key_id"]}
        session_arn = f"arn:aws:sts::{account.id}:assumed-role/{name}/ann@acme.example"
        assert identity(session) == expected | of_session | {"userArn": session_arn}
    nobody = echo.call("/open", method="POST")[1]["event"]["requestContext"]["identity"]
    assert {name for name, value in nobody.items() if value is not None} == {"sourceIp", "userAgent"}


def test_a_rest_api_refuses_in_the_words_of_its_body_with_what_the_authorizer_said(cloud: Stack, bare: Stack, echo: EchoApi) -> None:
    def probe(stack: Stack) -> bool:
        api = echo_api(stack, HUB.id, invoking("Allow"))
        status, answer = api.call("/token", headers={"Authorization": "wrong"})
        return (status, answer.get("because")) == (403, "it is wrong")

    closed_only_by_us(probe, cloud, bare, "rest_refusals")
    echo.govern(invoking("Deny"))
    refused = echo.call("/token", headers={"Authorization": "wrong"})
    assert (refused[0], refused[1]["because"]) == (403, "")  # the policy denied, so that nobody asked the authorizer


def test_an_authorizer_is_asked_again_for_each_call_where_nothing_is_cached(echo: EchoApi) -> None:
    echo.govern()
    told = [echo.call("/token", headers={"Authorization": "right"})[1]["event"]["requestContext"]["authorizer"] for _ in range(2)]
    assert {each["because"] for each in told} == {"it is right"}
    assert len({each["asked"] for each in told}) == 2


# -- control, observations -------------------------------------------------------------------------


def test_the_delay_of_cloudtrail_can_be_set(cloud: Stack) -> None:
    cloud.set_cloudtrail_delay(0.3)
    try:
        inbox, before = records(cloud, STAGING.id, "CreateUser"), time.monotonic()
        user(cloud, STAGING.id)
        assert inbox.wait()
        assert time.monotonic() - before > 0.3
    finally:
        cloud.set_cloudtrail_delay(0.0)


def test_events_that_are_held_back_come_after_what_happened_later(cloud: Stack) -> None:
    inbox = records(cloud, STAGING.id, "CreateUser", "CreateAccessKey", "PutUserPolicy")
    with cloud.holding("CreateUser"):
        user(cloud, STAGING.id, allowing("s3:*", "*"))
        assert [each["detail"]["eventName"] for each in inbox.wait(2)] == ["PutUserPolicy", "CreateAccessKey"]
        assert cloud.state()["cloudtrail"]["held"] == 1
    assert [each["detail"]["eventName"] for each in inbox.wait()] == ["CreateUser"]
    assert cloud.state()["cloudtrail"]["held"] == 0


def test_what_eventbridge_drops_is_observed(cloud: Stack) -> None:
    source, name, events = unique("source"), unique("rule"), cloud.client("events", STAGING.id)
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))
    missing = f"arn:aws:sqs:{REGION}:{STAGING.id}:{unique('missing')}"
    events.put_targets(Rule=name, Targets=[{"Id": "missing", "Arn": missing}])
    events.put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": "{}"}])
    name_of_queue = missing.rpartition(":")[2]
    assert any(name_of_queue in problem for problem in cloud.state()["problems"])


def test_no_module_of_the_product_knows_that_it_runs_locally() -> None:
    product = REPOSITORY / "layers"
    assert not [path for path in product.rglob("*.py") if "ministack" in path.read_text()]
