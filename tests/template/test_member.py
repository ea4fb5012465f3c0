"""The stacks of the accounts: what they forward, and how far Doorward can go in an account."""

import fnmatch
import json
from typing import Any

import pytest
from botocore.loaders import Loader

from doorward.guardrails.model import Role
from doorward.guardrails.protected import is_doorwards_own, protected_because
from doorward.organization.installation import (
    ASSUMED_BY,
    AUDITOR,
    BUS,
    CANARY_ROLE,
    CONTAIN_FUNCTION_ROLE,
    CUT_ROLE,
    FORWARD_ROLE,
    GRANT_BOUNDARY,
    GRANT_OPERATE_ROLE,
    GRANT_READ_ROLE,
    GRANT_ROLE_PATH,
    GRANT_ROLE_PREFIX,
    GRANT_ROLES,
    GRANT_SESSION_SECONDS,
    GRANT_SOURCE_IDENTITIES,
    IAM_REGION_RULES,
    MINT_CREDENTIALS,
    PREFIX,
    QUARANTINE_POLICY,
    READ_ROLE,
    REFRESH_ORGANIZATION,
    REMEDY_ROLE,
    ROLE_PATH,
    RULES,
)
from doorward.organization.model import Organization
from tests.template.conftest import TEMPLATES, as_list, parsed, resources_of, statements_of
from tests.template.resolved import resolved

type Template = dict[str, Any]

ACCOUNTS = ("accounts/management.yaml", "accounts/member.yaml")
"""The templates with roles; of every account there is one of them, in the IAM region."""
EVERYWHERE = (*ACCOUNTS, "accounts/member-region.yaml")

# Every permission in an account, each on what. Whoever adds one changes this line too, and says why beside the statement.
PERMISSIONS = {
    "ForwardRole": {"events:PutEvents": {"HubBusArn"}},
    "ReadRole": {
        "iam:GetPolicy": {"policy/*"},
        "iam:GetPolicyVersion": {"policy/*"},
        "iam:GetRole": {"role/*"},
        "iam:GetRolePolicy": {"role/*"},
        "iam:ListAttachedRolePolicies": {"role/*"},
        "iam:ListRolePolicies": {"role/*"},
        "iam:GetAccountAuthorizationDetails": {"*"},
        "iam:ListRoles": {"*"},
        "iam:ListEntitiesForPolicy": {"policy/*"},
        "cloudtrail:DescribeTrails": {"*"},
        "ec2:DescribeRegions": {"*"},
        "cloudtrail:GetEventSelectors": {"trail/*"},
        "cloudtrail:GetTrailStatus": {"trail/*"},
        "events:DescribeRule": {"rule/doorward-*"},
    },
    "CanaryRole": {"iam:TagRole": {"role/doorward/doorward-canary"}, "ec2:DescribeRegions": {"*"}},
    "CutRole": {"iam:PutRolePolicy": {"role/*"}, "iam:DeleteRolePolicy": {"role/*"}},
    "RemedyRole": {"iam:UpdateAssumeRolePolicy": {"role/*"}, "iam:AttachRolePolicy": {"role/*"}},
    "GrantReadRole": {},  # but for the managed policy of AWS
    "GrantOperateRole": {},
    "ContainRole": {"lambda:InvokeFunction": {"ContainFunction"}},
    "ContainFunctionRole": {
        "organizations:DescribePolicy": {"ContainedPolicy"},
        "organizations:UpdatePolicy": {"ContainedPolicy"},
        "organizations:AttachPolicy": {"ContainedPolicy", "account/${OrganizationId}/*"},
        "logs:CreateLogStream": {"ContainLogs"},
        "logs:PutLogEvents": {"ContainLogs"},
    },
}
GRANTED = ("GrantReadRole", "GrantOperateRole")
OF_MEMBERS_ALONE = {"RemedyRole", "CutRole", *GRANTED}
OF_CONTAINMENT = {"ContainRole", "ContainFunctionRole"}
OF_THE_MANAGEMENT_ACCOUNT = {
    **{
        f"organizations:{each}": {"*"}
        for each in (
            *("DescribeOrganization", "DescribePolicy", "ListAccounts", "ListAccountsForParent", "ListOrganizationalUnitsForParent"),
            *("ListParents", "ListPolicies", "ListRoots", "ListTagsForResource", "ListTargetsForPolicy"),
        )
    },
    **{
        f"identitystore:{each}": {"identitystore/*", "group/*", "membership/*", "user/*"}
        for each in ("DescribeGroup", "DescribeUser", "ListGroupMembershipsForMember", "ListUsers")
    },
    "cloudformation:DescribeStackSet": {"stackset/doorward-*"},
    "cloudformation:ListStackInstances": {"stackset/doorward-*"},
}


@pytest.mark.parametrize("name", ACCOUNTS)
def test_a_role_in_an_account_may_do_exactly_what_is_written_down_for_it(name: str) -> None:
    roles = resources_of(parsed(name), "AWS::IAM::Role")
    assert set(roles) == set(PERMISSIONS) - (OF_MEMBERS_ALONE if "management" in name else OF_CONTAINMENT)
    for logical_id, role in roles.items():
        granted: dict[str, set[str]] = {}
        for statement in statements_of(role):
            for action in as_list(statement["Action"]) if statement["Effect"] == "Allow" else ():
                granted.setdefault(action, set()).update(_named(each) for each in as_list(statement["Resource"]))
        more = OF_THE_MANAGEMENT_ACCOUNT if (name, logical_id) == ("accounts/management.yaml", "ReadRole") else {}
        assert granted == PERMISSIONS[logical_id] | more, logical_id


def _named(resource: Any) -> str:
    """What a resource ARN names within its service, a parameter's or a resource's name, or `*`."""
    if isinstance(resource, str):
        return resource
    if "Fn::GetAtt" in resource:
        return str(as_list(resource["Fn::GetAtt"])[0].partition(".")[0])
    return str(resource.get("Ref") or resource["Fn::Sub"].rpartition(":")[2])


@pytest.mark.parametrize("name", EVERYWHERE)
def test_every_rule_leads_to_the_hubs_bus_by_the_forwarding_role_and_has_a_name_that_is_guarded(name: str) -> None:
    template = parsed(name)
    for rule in resources_of(template, "AWS::Events::Rule").values():
        properties = rule["Properties"]
        assert properties["Name"].startswith(PREFIX)
        assert "EventBusName" not in properties  # CloudTrail's events are on the default bus
        (target,) = properties["Targets"]
        assert set(target) == {"Id", "Arn", "RoleArn"}
        assert target["Arn"] == {"Ref": "HubBusArn"}
        fixed = {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role{ROLE_PATH}{FORWARD_ROLE}"}
        assert target["RoleArn"] == ({"Fn::GetAtt": ["ForwardRole", "Arn"]} if "ForwardRole" in template["Resources"] else fixed)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_the_doctor_looks_for_these_rules(name: str) -> None:
    names = {rule["Properties"]["Name"] for rule in resources_of(parsed(name), "AWS::Events::Rule").values()}
    assert names == (RULES if "region" in name else IAM_REGION_RULES)


@pytest.mark.parametrize("name", ACCOUNTS)
def test_eventbridge_uses_the_forwarding_role_for_doorwards_own_rules_of_this_account_alone(name: str) -> None:
    (statement,) = parsed(name)["Resources"]["ForwardRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "ArnLike": {"aws:SourceArn": {"Fn::Sub": f"arn:${{AWS::Partition}}:events:*:${{AWS::AccountId}}:rule/{PREFIX}*"}},
    }


@pytest.mark.parametrize("name", EVERYWHERE)
def test_no_stack_of_an_account_keeps_events_or_runs_code_but_for_containment(name: str) -> None:
    resources = parsed(name)["Resources"].values()
    kinds = {each["Type"] for each in resources if each.get("Condition") != "Containment"}
    topic = {"AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "AWS::SNS::Subscription"} if "management" in name else set()
    policies = {"AWS::IAM::ManagedPolicy"} if "member.yaml" in name else set()
    assert kinds <= {"AWS::Events::Rule", "AWS::IAM::Role"} | topic | policies


@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_stack_refuses_the_wrong_region(name: str) -> None:
    ((rule_name, rule),) = parsed(name)["Rules"].items()
    (assertion,) = rule["Assertions"]
    in_iam_region = {"Fn::Contains": [["us-east-1", "cn-north-1", "us-gov-west-1"], {"Ref": "AWS::Region"}]}
    assert (rule_name, assertion["Assert"]) == (
        ("NotTheIamRegion", {"Fn::Not": [in_iam_region]}) if "region" in name else ("IamRegion", in_iam_region)
    )


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_arn_names_a_partition_so_that_govcloud_and_china_work(name: str) -> None:
    template = parsed(name)
    for part in ("Resources", "Outputs", "Conditions"):
        assert "arn:aws:" not in json.dumps(template.get(part, {}))


def test_the_management_account_has_the_rules_and_roles_of_any_other_but_none_that_can_write(
    member: Template, management: Template
) -> None:
    ours, theirs = member["Resources"], management["Resources"]
    for name in ("ChangeRule", "SessionRule", "OrganizationRule", "IdentityCenterRule", "ForwardRole"):
        assert theirs[name] == ours[name], name
    for role in ("ReadRole", "CanaryRole"):
        statements = statements_of(theirs[role])
        assert [each for each in statements if each in statements_of(ours[role])] == statements_of(ours[role])
    assert REMEDY_ROLE not in json.dumps(management)
    assert "AllowRemedies" not in management["Parameters"]
    assert GRANT_ROLE_PATH not in json.dumps(management)
    actions = {
        action
        for name, role in resources_of(management, "AWS::IAM::Role").items()
        for each in (() if name in OF_CONTAINMENT else statements_of(role))
        for action in as_list(each["Action"])
    }
    writes = {each for each in actions if not each.partition(":")[2].startswith(("Get", "List", "Describe"))}
    assert writes == {"events:PutEvents", "iam:TagRole"}


def test_the_canary_puts_one_tag_on_itself_and_nothing_else(member: Template) -> None:
    statement, lists = statements_of(member["Resources"]["CanaryRole"])
    assert lists["Action"] == "ec2:DescribeRegions"
    assert statement["Resource"] == {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role{ROLE_PATH}{CANARY_ROLE}"}
    assert statement["Condition"] == {
        "ForAllValues:StringEquals": {"aws:TagKeys": "doorward-heartbeat"},
        "Null": {"aws:TagKeys": "false"},  # ForAllValues is true on none
    }


def test_only_the_hub_publishes_to_the_topic_of_the_management_account_and_no_key_can_silence_it(
    hub: Template, management: Template
) -> None:
    resources = management["Resources"]
    assert resources["GuardTopic"]["Properties"] == {"TopicName": "doorward-guard"}
    assert "doorward-guard)?$" in hub["Parameters"]["GuardTopicArn"]["AllowedPattern"]
    allow, deny = resources["GuardTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert allow["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${HubAccountId}:root"}}
    role = hub["Resources"]["TellManagementRole"]["Properties"]
    arn = f"arn:${{AWS::Partition}}:iam::${{HubAccountId}}:role{role['Path']}{role['RoleName']}"
    assert allow["Condition"]["ArnEquals"] == {"aws:PrincipalArn": {"Fn::Sub": arn}}
    assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_the_names_are_those_that_the_hub_uses(member: Template) -> None:
    for logical_id, name in (
        ("ReadRole", READ_ROLE),
        ("RemedyRole", REMEDY_ROLE),
        ("CutRole", CUT_ROLE),
        ("CanaryRole", CANARY_ROLE),
        ("ForwardRole", FORWARD_ROLE),
    ):
        properties = member["Resources"][logical_id]["Properties"]
        assert (properties["RoleName"], properties["Path"]) == (name, ROLE_PATH)
    for name in EVERYWHERE:
        assert f"event-bus/{BUS}$" in parsed(name)["Parameters"]["HubBusArn"]["AllowedPattern"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_role_of_every_template_is_known_as_doorwards_own(name: str) -> None:
    for each in resources_of(parsed(name), "AWS::IAM::Role").values():
        role, path = each["Properties"]["RoleName"], each["Properties"]["Path"]
        if role == AUDITOR:
            assert path == "/"  # for people
            continue
        assert is_doorwards_own(Role("777788889999", role, path, f"arn:aws:iam::777788889999:role{path}{role}", "AROAX", "{}"))


def test_without_allow_remedies_no_role_that_could_write_exists(member: Template) -> None:
    assert member["Parameters"]["AllowRemedies"]["Default"] == "false"
    assert member["Conditions"]["Remedies"] == {"Fn::Equals": [{"Ref": "AllowRemedies"}, "true"]}
    conditional = {name for name, each in member["Resources"].items() if each.get("Condition") == "Remedies"}
    assert conditional == {"RemedyRole", "CutRole", "QuarantinePolicy"}


def test_the_remedy_role_attaches_one_policy_which_denies_everything_and_no_other(member: Template) -> None:
    (attach,) = [each for each in statements_of(member["Resources"]["RemedyRole"]) if each["Action"] == "iam:AttachRolePolicy"]
    assert attach["Condition"] == {"ArnEquals": {"iam:PolicyARN": {"Ref": "QuarantinePolicy"}}}
    policy = member["Resources"]["QuarantinePolicy"]["Properties"]
    assert (policy["ManagedPolicyName"], policy["Path"]) == (QUARANTINE_POLICY, ROLE_PATH)
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement == {"Sid": "Nothing", "Effect": "Deny", "Action": "*", "Resource": "*"}
    for kind in ("Roles", "Users", "Groups"):
        assert kind not in policy  # nothing has it to begin with


@pytest.mark.parametrize("writing", ["RemedyRole", "CutRole"])
def test_what_writes_never_touches_doorwards_own_roles_nor_those_of_aws(member: Template, writing: str) -> None:
    (deny,) = [each for each in statements_of(member["Resources"][writing]) if each["Effect"] == "Deny"]
    assert deny["Action"] == "iam:*"
    denied = {each["Fn::Sub"].split(":role/")[1] for each in deny["Resource"]}
    landing_zone = {each for each in denied if not each.endswith("/*")}
    assert denied - landing_zone == {"doorward/*", "aws-service-role/*", "aws-reserved/*"}
    assert {"OrganizationAccountAccessRole", "AWSControlTowerExecution"} <= landing_zone
    for pattern in landing_zone:  # what IAM denies, the reaction knows not to try
        name = pattern.replace("*", "0123456789abcdef0123456789abcdef")
        role = Role("777788889999", name, "/", f"arn:aws:iam::777788889999:role/{name}", "AROAX", "{}")
        assert protected_because(role, Organization()) is not None


@pytest.mark.parametrize("name", ACCOUNTS)
def test_only_the_hubs_functions_come_in_by_name_with_the_external_id_from_the_own_organization(name: str) -> None:
    template = parsed(name)
    for role in resources_of(template, "AWS::IAM::Role").values():
        role_name = role["Properties"]["RoleName"]
        (statement, *_) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        if role_name in {FORWARD_ROLE, CONTAIN_FUNCTION_ROLE}:  # those that AWS assumes
            continue
        assert statement["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${HubAccountId}:root"}}
        condition = statement["Condition"]
        callers = (
            {MINT_CREDENTIALS}
            if role_name in GRANT_ROLES
            else ASSUMED_BY[role_name] - ({REFRESH_ORGANIZATION} if "member" in name else set())
        )
        arns = [{"Fn::Sub": f"arn:${{AWS::Partition}}:iam::${{HubAccountId}}:role{ROLE_PATH}{each}"} for each in sorted(callers)]
        assert as_list(condition["ArnEquals"]["aws:PrincipalArn"]) == arns
        assert condition["StringEquals"]["sts:ExternalId"] == {"Ref": "ExternalId"}
        of_the_organization = {"Ref": "OrganizationId"}
        alone = {"Fn::If": ["InOrganization", of_the_organization, {"Ref": "AWS::NoValue"}]}
        assert condition["StringEquals"]["aws:PrincipalOrgID"] == (alone if "member" in name else of_the_organization)


def test_the_hub_gives_its_reaction_the_name_that_members_trust(hub: Template) -> None:
    properties = hub["Resources"]["ReactToChangeRole"]["Properties"]
    assert (properties["Path"], properties["RoleName"]) == ("/doorward/", "doorward-react-to-change")


@pytest.mark.parametrize("name", [*ACCOUNTS, "accounts/stacksets.yaml"])
def test_the_external_id_is_never_shown(name: str) -> None:
    template = parsed(name)
    assert template["Parameters"]["ExternalId"]["NoEcho"] is True
    assert "Default" not in template["Parameters"]["ExternalId"]
    assert "ExternalId" not in json.dumps(template.get("Outputs", {}))


def test_stacksets_reach_every_account_now_and_later_roles_before_the_rules_that_use_them(stacksets: Template) -> None:
    members, regions = (stacksets["Resources"][name]["Properties"] for name in ("MemberStackSet", "MemberRegionStackSet"))
    for each in (members, regions):
        assert each["StackSetName"].startswith(PREFIX)
        assert each["PermissionModel"] == "SERVICE_MANAGED"
        assert each["AutoDeployment"]["Enabled"] is True
        (group,) = each["StackInstancesGroup"]
        assert group["DeploymentTargets"] == {"OrganizationalUnitIds": {"Ref": "OrganizationalUnitIds"}}
    assert (members["TemplateURL"], regions["TemplateURL"]) == ("member.yaml", "member-region.yaml")
    arn = "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stackset/${MemberStackSet}"
    assert regions["AutoDeployment"]["DependsOn"] == [{"Fn::Sub": arn}]
    assert (members["StackInstancesGroup"][0]["Regions"], regions["StackInstancesGroup"][0]["Regions"]) == (
        [{"Ref": "AWS::Region"}],
        {"Ref": "Regions"},
    )


@pytest.mark.parametrize(
    ("stack_set", "name"), [("MemberStackSet", "accounts/member.yaml"), ("MemberRegionStackSet", "accounts/member-region.yaml")]
)
def test_a_stackset_gives_its_template_every_parameter_and_accepts_the_same_values(stacksets: Template, stack_set: str, name: str) -> None:
    given = {each["ParameterKey"]: each["ParameterValue"] for each in stacksets["Resources"][stack_set]["Properties"]["Parameters"]}
    wanted = parsed(name)["Parameters"]
    assert given == {each: {"Ref": each} for each in wanted}
    for each, definition in wanted.items():
        if each != "OrganizationId":  # a StackSet has an organization, always
            assert stacksets["Parameters"][each] == definition, each


@pytest.mark.parametrize("writing", ["RemedyRole", "CutRole"])
def test_a_write_carries_the_finding_as_source_identity(member: Template, writing: str) -> None:
    (statement,) = member["Resources"][writing]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"]["StringLike"] == {"sts:SourceIdentity": "dw-*"}
    assert set(statement["Action"]) == {"sts:AssumeRole", "sts:SetSourceIdentity"}


# Roles that people are granted


def test_without_allow_grants_and_in_the_hub_account_there_is_no_role_that_people_could_ask_for(member: Template) -> None:
    assert member["Parameters"]["AllowGrants"]["Default"] == "false"
    elsewhere = {"Fn::Not": [{"Fn::Equals": [{"Ref": "HubAccountId"}, {"Ref": "AWS::AccountId"}]}]}
    assert member["Conditions"]["Grants"] == {"Fn::And": [{"Fn::Equals": [{"Ref": "AllowGrants"}, "true"]}, elsewhere]}
    conditional = {name for name, each in member["Resources"].items() if each.get("Condition") == "Grants"}
    assert conditional == {*GRANTED, "GrantBoundary"}


@pytest.mark.parametrize(
    ("logical_id", "name", "parameter", "policy"),
    [
        ("GrantReadRole", GRANT_READ_ROLE, "GrantReadPolicy", "ReadOnlyAccess"),
        ("GrantOperateRole", GRANT_OPERATE_ROLE, "GrantOperatePolicy", "PowerUserAccess"),
    ],
)
def test_a_role_that_people_are_granted_is_bounded_lasts_an_hour_and_has_one_managed_policy_of_aws(
    member: Template, logical_id: str, name: str, parameter: str, policy: str
) -> None:
    properties = member["Resources"][logical_id]["Properties"]
    assert (properties["RoleName"], properties["Path"]) == (name, GRANT_ROLE_PATH)
    assert name.startswith(GRANT_ROLE_PREFIX)
    assert properties["MaxSessionDuration"] == GRANT_SESSION_SECONDS
    assert properties["PermissionsBoundary"] == {"Ref": "GrantBoundary"}
    assert properties["ManagedPolicyArns"] == [{"Fn::Sub": f"arn:${{AWS::Partition}}:iam::aws:policy/${{{parameter}}}"}]
    assert member["Parameters"][parameter]["Default"] == policy
    boundary = member["Resources"]["GrantBoundary"]["Properties"]
    assert (boundary["ManagedPolicyName"], boundary["Path"]) == (GRANT_BOUNDARY, ROLE_PATH)


MOST_CHARACTERS = 6144
"""Of a managed policy, without white space: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
API_OF = {
    "aoss": ("opensearchserverless",),
    "elasticfilesystem": ("efs",),
    "s3": ("s3", "s3control"),
    "s3express": ("s3",),
    "ses": ("ses", "sesv2"),
    "sso": ("sso-admin",),
}
"""Where the prefix of an action is not the name of one API."""
NO_CALL = {"apigateway:UpdateRestApiPolicy"}
"""Asked for beside a call's own action: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagement.html"""


def test_the_boundary_of_those_roles_is_no_longer_than_iam_takes(member: Template) -> None:
    document = resolved(member["Resources"]["GrantBoundary"]["Properties"]["PolicyDocument"])
    assert len(json.dumps(document, separators=(",", ":"))) <= MOST_CHARACTERS


def test_whatever_the_boundary_of_those_roles_denies_is_something_that_aws_has(member: Template) -> None:
    """A word that is misspelled would deny nothing, and nobody would notice."""
    statements = member["Resources"]["GrantBoundary"]["Properties"]["PolicyDocument"]["Statement"]
    denied = {action for each in statements if each["Effect"] == "Deny" for action in as_list(each["Action"])} - NO_CALL
    loader = Loader()
    for action in sorted(denied):
        prefix, _, name = action.partition(":")
        calls = [call for api in API_OF.get(prefix, (prefix,)) for call in loader.load_service_model(api, "service-2")["operations"]]
        assert fnmatch.filter(calls, name), action


@pytest.mark.parametrize("logical_id", GRANTED)
def test_the_broker_alone_opens_a_session_and_not_without_a_source_identity_that_is_a_grants(member: Template, logical_id: str) -> None:
    opens, names = member["Resources"][logical_id]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert opens["Action"] == "sts:AssumeRole"
    assert set(opens["Condition"]) == {"ArnEquals", "StringEquals", "StringLike"}
    assert opens["Condition"]["StringLike"] == {"sts:SourceIdentity": GRANT_SOURCE_IDENTITIES}
    assert set(names["Action"]) == {"sts:SetSourceIdentity", "sts:TagSession"}
    assert names["Principal"] == opens["Principal"]
    assert names["Condition"] == {"ArnEquals": opens["Condition"]["ArnEquals"]}
