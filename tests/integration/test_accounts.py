"""The stacks of the accounts on the local stack: what reaches the hub's bus from where, and who comes in."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.installation import GUARD_TOPIC, Installation, trusting
from local.stack import rules_off
from local.world import HUB, MANAGEMENT, OTHER_REGION, PROD, REGION, SHARED_SERVICES, STAGING, STRANGER, Account
from tests.integration.emulated import ALL_MANAGEMENT_EVENTS, Inbox, listen, queue, role, root_of, unique
from tests.integration.emulated import document as policy_document
from tests.integration.emulated import trusting as trust_text

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]


def on_the_bus(doorward: Installation, name: str, **pattern: Any) -> Inbox:
    """Listen to one kind of event on the hub's bus, beside its own rules."""
    detail = {"eventName": [name], **pattern}
    return listen(doorward.stack, HUB.id, {"detail": detail}, bus="doorward", state=ALL_MANAGEMENT_EVENTS)


def test_who_came_in_by_an_endpoint_elsewhere_is_told_by_that_region_in_one_hop(doorward: Installation) -> None:
    arn = role(doorward.stack, PROD.id, trust_text(root_of(STAGING.id)))
    inbox = on_the_bus(doorward, "AssumeRole", requestParameters={"roleArn": [arn]})
    doorward.stack.client("sts", STAGING.id, region=OTHER_REGION).assume_role(RoleArn=arn, RoleSessionName="somebody")
    copies = inbox.wait(2)
    assert {(each["account"], each["region"]) for each in copies} == {(STAGING.id, OTHER_REGION), (PROD.id, OTHER_REGION)}
    assert len({each["detail"]["sharedEventID"] for each in copies}) == 1


def test_a_stranger_who_came_in_is_told_by_the_owner_alone(doorward: Installation) -> None:
    arn = role(doorward.stack, PROD.id, trust_text(root_of(STRANGER.id)))
    inbox = on_the_bus(doorward, "AssumeRole", requestParameters={"roleArn": [arn]})
    doorward.stack.assume(STRANGER.id, arn)
    (copy,) = inbox.wait(2, seconds=1.0)
    assert (copy["account"], copy["region"]) == (PROD.id, REGION)
    assert copy["detail"]["userIdentity"].keys() == {"type", "principalId", "accountId"}


def test_a_refused_attempt_to_leave_the_organization_is_told_by_the_member(doorward: Installation) -> None:
    inbox = on_the_bus(doorward, "LeaveOrganization")
    with pytest.raises(ClientError, match="AccessDenied"):
        doorward.stack.client("organizations", PROD.id).leave_organization()
    (event,) = inbox.wait()
    assert (event["account"], event["detail"]["errorCode"]) == (PROD.id, "AccessDeniedException")


def test_an_account_that_joins_is_told_and_with_its_stack_heard_at_once(doorward: Installation) -> None:
    joined = on_the_bus(doorward, "CreateAccountResult")
    organizations = doorward.stack.client("organizations", MANAGEMENT.id)
    created = organizations.create_account(Email="new@example.com", AccountName="new")["CreateAccountStatus"]["AccountId"]
    (event,) = joined.wait()
    assert event["detail-type"] == "AWS Service Event via CloudTrail"
    assert event["detail"]["serviceEventDetails"]["createAccountStatus"]["accountId"] == created

    doorward.deploy_account(Account(created, "new", "/"))  # what the StackSets' automatic deployment does
    name = unique("door")
    heard = on_the_bus(doorward, "CreateRole", requestParameters={"roleName": [name]})
    role(doorward.stack, created, trust_text(root_of(SHARED_SERVICES.id)), name=name)
    assert [each["account"] for each in heard.wait()] == [created]


def test_nobody_puts_an_event_on_the_hubs_bus_himself(doorward: Installation) -> None:
    for account in (PROD, STRANGER):
        events = doorward.stack.client("events", account.id)
        with pytest.raises(ClientError, match="not authorized"):
            events.put_events(
                Entries=[{"EventBusName": doorward.outputs["BusArn"], "Source": "doorward.guardrails", "DetailType": "x", "Detail": "{}"}]
            )


def test_a_rule_of_somebody_else_cannot_use_the_forwarding_role(doorward: Installation) -> None:
    """Its trust names Doorward's rules: another rule of the account, of the same target and role, delivers nothing."""
    inbox = on_the_bus(doorward, "CreateUser")
    events = doorward.stack.client("events", PROD.id)
    for name, reaches in (("nosy", False), (f"doorward-{unique('rule')}", True)):
        events.put_rule(Name=name, EventPattern=json.dumps({"source": ["aws.iam"], "detail": {"eventName": ["CreateUser"]}}))
        forward = f"arn:aws:iam::{PROD.id}:role/doorward/doorward-forward"
        events.put_targets(Rule=name, Targets=[{"Id": "hub", "Arn": doorward.outputs["BusArn"], "RoleArn": forward}])
        doorward.stack.client("iam", PROD.id).create_user(UserName=unique("user"))
        assert bool(inbox.wait(seconds=1.0)) is reaches
        events.remove_targets(Rule=name, Ids=["hub"])
        events.delete_rule(Name=name)


@pytest.mark.parametrize("name", ["doorward-read", "doorward-canary", "doorward-remedy"])
def test_not_even_the_hubs_root_enters_an_account_only_its_functions_by_name(doorward: Installation, name: str) -> None:
    arn = f"arn:aws:iam::{PROD.id}:role/doorward/{name}"
    for caller in (HUB, SHARED_SERVICES, STRANGER):
        with pytest.raises(ClientError, match="AccessDenied"):
            doorward.stack.assume(caller.id, arn, ExternalId=doorward.external_id, SourceIdentity="dw-0")


def test_who_switches_off_a_rule_in_the_hub_is_told_to_the_management_account_past_the_hubs_bus(doorward: Installation) -> None:
    stack = doorward.stack
    mail = queue(stack, MANAGEMENT.id, None)
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": mail.arn}
    stack.client("sqs", MANAGEMENT.id).set_queue_attributes(QueueUrl=mail.url, Attributes={"Policy": policy_document(statement)})
    stack.client("sns", MANAGEMENT.id).subscribe(TopicArn=GUARD_TOPIC, Protocol="sqs", Endpoint=mail.arn)
    events = stack.client("events", HUB.id)
    with rules_off(events, "doorward-own-services"):
        (message,) = mail.wait()
    told = json.loads(message["Message"])["detail"]
    assert (told["eventName"], told["requestParameters"]["name"]) == ("DisableRule", "doorward-own-services")

    # Of its own end it cannot tell: the member stack's rule in the hub account does.
    inbox = on_the_bus(doorward, "DisableRule", requestParameters={"name": ["doorward-tell-management"]})
    with rules_off(events, "doorward-tell-management"):
        assert [each["account"] for each in inbox.wait()] == [HUB.id]
    mails = [json.loads(each["Message"])["detail"] for each in mail.wait(9, seconds=0.5)]  # of the rule that this test put on the bus, too
    assert not [each for each in mails if each["eventName"] == "DisableRule"]


def test_the_templates_that_stacksets_would_deploy_are_accepted(doorward: Installation) -> None:
    from local.stack import ROOT

    parameters = {
        "HubAccountId": HUB.id,
        "HubBusArn": doorward.outputs["BusArn"],
        "OrganizationId": "o-a1b2c3d4e5",
        "ExternalId": doorward.external_id,
        "OrganizationalUnitIds": "r-ab12",
        "Regions": OTHER_REGION,
    }
    doorward.stack.deploy_stack(MANAGEMENT.id, "doorward-stacksets", ROOT / "accounts" / "stacksets.yaml", parameters)


def test_no_delivery_was_refused_but_those_that_must_be(doorward: Installation) -> None:
    trusted = trusting(f"arn:aws:iam::{SHARED_SERVICES.id}:root")
    doorward.stack.client("iam", MANAGEMENT.id).create_role(RoleName=unique("last"), AssumeRolePolicyDocument=json.dumps(trusted))
    refused = [each for each in doorward.stack.state()["refused_deliveries"] if each["rule"] != "nosy"]
    assert refused == []
