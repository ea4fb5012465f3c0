"""The member stack: what it forwards, and how far Doorward can go in an account."""

import json
from typing import Any

from doorward.events.records import CHANGE_EVENTS
from doorward.guardrails.model import Role
from doorward.guardrails.protected import is_doorwards_own, protected_because
from doorward.organization.installation import READ_ROLE, REMEDY_ROLE, ROLE_PATH
from tests.template.conftest import as_list, resources_of, statements_of

type Template = dict[str, Any]


def test_it_forwards_what_the_hub_handles(member: Template) -> None:
    properties = member["Resources"]["ForwardRule"]["Properties"]
    assert set(properties["EventPattern"]["detail"]["eventName"]) >= CHANGE_EVENTS["iam.amazonaws.com"]
    assert properties["EventPattern"]["source"] == ["aws.iam"]
    assert properties["State"] == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    assert len(json.dumps(properties["EventPattern"], separators=(",", ":"))) <= 2048  # EventBridge's quota
    assert "EventBusName" not in properties  # CloudTrail's events are on the default bus


def test_the_bus_of_another_account_is_reached_by_a_role_that_can_do_nothing_else(member: Template) -> None:
    (target,) = member["Resources"]["ForwardRule"]["Properties"]["Targets"]
    assert target["RoleArn"] == {"Fn::GetAtt": ["ForwardRole", "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["ForwardDeadLetters", "Arn"]}}
    (statement,) = statements_of(member["Resources"]["ForwardRole"])
    assert (statement["Action"], statement["Resource"]) == ("events:PutEvents", {"Ref": "HubBusArn"})


def test_the_names_are_those_that_the_hub_uses(member: Template) -> None:
    for logical_id, name in (("ReadRole", READ_ROLE), ("RemedyRole", REMEDY_ROLE)):
        properties = member["Resources"][logical_id]["Properties"]
        assert (properties["RoleName"], properties["Path"]) == (name, ROLE_PATH)


def test_every_role_of_both_templates_is_known_as_doorwards_own(hub: Template, member: Template) -> None:
    for template in (hub, member):
        for each in resources_of(template, "AWS::IAM::Role").values():
            name, path = each["Properties"]["RoleName"], each["Properties"]["Path"]
            assert is_doorwards_own(Role("777788889999", name, path, f"arn:aws:iam::777788889999:role{path}{name}", "AROAX", "{}"))


def test_without_allow_remedies_no_role_that_could_write_exists(member: Template) -> None:
    assert member["Parameters"]["AllowRemedies"]["Default"] == "false"
    assert member["Conditions"]["Remedies"] == {"Fn::Equals": [{"Ref": "AllowRemedies"}, "true"]}
    for name, role in resources_of(member, "AWS::IAM::Role").items():
        actions = {action for statement in statements_of(role) if statement["Effect"] == "Allow" for action in as_list(statement["Action"])}
        if role.get("Condition") != "Remedies":
            assert actions <= {"iam:GetRole", "iam:ListRoles", "events:PutEvents"}, name
        else:
            assert actions == {"iam:UpdateAssumeRolePolicy"}


def test_the_remedy_role_never_touches_doorwards_own_roles_nor_those_of_aws(member: Template) -> None:
    (deny,) = [each for each in statements_of(member["Resources"]["RemedyRole"]) if each["Effect"] == "Deny"]
    assert deny["Action"] == "iam:*"
    denied = {each["Fn::Sub"].split(":role/")[1] for each in deny["Resource"]}
    landing_zone = {each for each in denied if not each.endswith("/*")}
    assert denied - landing_zone == {"doorward/*", "aws-service-role/*", "aws-reserved/*"}
    assert {"OrganizationAccountAccessRole", "AWSControlTowerExecution"} <= landing_zone
    for name in landing_zone:  # what IAM denies, the reaction knows not to try
        assert protected_because(Role("777788889999", name, "/", f"arn:aws:iam::777788889999:role/{name}", "AROAX", "{}")) is not None


def test_what_did_not_reach_the_hub_has_an_alarm(member: Template) -> None:
    (alarm,) = resources_of(member, "AWS::CloudWatch::Alarm").values()
    assert alarm["Properties"]["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["ForwardDeadLetters", "QueueName"]}}]
    assert alarm["Properties"]["AlarmActions"]["Fn::If"][1] == [{"Ref": "AlarmTopicArn"}]


def test_only_the_hubs_reaction_comes_in_with_the_external_id_from_the_own_organization(member: Template) -> None:
    for name in ("ReadRole", "RemedyRole"):
        (statement,) = member["Resources"][name]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${HubAccountId}:root"}}
        condition = statement["Condition"]
        reaction = "arn:${AWS::Partition}:iam::${HubAccountId}:role/doorward/doorward-react-to-change"
        assert condition["ArnEquals"] == {"aws:PrincipalArn": {"Fn::Sub": reaction}}
        assert condition["StringEquals"]["sts:ExternalId"] == {"Ref": "ExternalId"}
        assert condition["StringEquals"]["aws:PrincipalOrgID"]["Fn::If"][:2] == ["InOrganization", {"Ref": "OrganizationId"}]


def test_the_hub_gives_its_reaction_the_name_that_members_trust(hub: Template) -> None:
    properties = hub["Resources"]["ReactToChangeRole"]["Properties"]
    assert (properties["Path"], properties["RoleName"]) == ("/doorward/", "doorward-react-to-change")


def test_the_external_id_is_never_shown(member: Template) -> None:
    assert member["Parameters"]["ExternalId"]["NoEcho"] is True
    assert "Default" not in member["Parameters"]["ExternalId"]
    assert "ExternalId" not in json.dumps(member["Outputs"])


def test_a_write_carries_the_finding_as_source_identity(member: Template) -> None:
    (statement,) = member["Resources"]["RemedyRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"]["StringLike"] == {"sts:SourceIdentity": "dw-*"}
    assert set(statement["Action"]) == {"sts:AssumeRole", "sts:SetSourceIdentity"}
