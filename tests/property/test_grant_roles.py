"""What somebody can do who was granted a session, or took it from whoever was: said by our evaluator, of the real template's policies.

The role's own policy allows everything here, whoever owns a resource lets the session do everything with it, and no service control policy
applies: what is refused is refused by trust policy, boundary and session policy alone. Each test takes its defence away, too, and sees that
it matters.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.grants.model import Target
from doorward.grants.names import LONGEST_SESSION, SHORTEST_SESSION, duration_seconds
from doorward.grants.parsing import entitlements_from
from doorward.grants.session_policy import SessionPolicy, compile_policy
from doorward.iam.documents import Document, parse_document
from doorward.iam.evaluate import Policies, Request, evaluate
from doorward.organization.installation import GRANT_BOUNDARY, GRANT_SESSION_SECONDS, MINT_CREDENTIALS, OWN_ROLES, ROLE_PATH
from tests.grants_world import GRANT_ID, PROD, START
from tests.property.test_grants_session_policy import END, EVERYTHING, compiled, requests, templates
from tests.template.conftest import parsed
from tests.template.resolved import EXTERNAL_ID, HUB, ORGANIZATION_ID, resolved

BROKER: Final = f"arn:aws:iam::{HUB}:role{ROLE_PATH}{MINT_CREDENTIALS}"
IDENTITY: Final = f"jane={GRANT_ID}"
SESSION: Final = f"arn:aws:sts::{PROD.id}:assumed-role/doorward-grant-operate/{IDENTITY}"
ROLE: Final = f"arn:aws:iam::{PROD.id}:role/doorward/grants/doorward-grant-operate"
WIDEST: Final = entitlements_from({"templates": {"t": {"statements": [{"actions": ["*"], "resources": ["*"]}]}}}).templates["t"]
OPEN: Final = parse_document(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": SESSION}, "Action": "*", "Resource": "*"}}
)


RESOURCES: Final = parsed("accounts/member.yaml")["Resources"]
BOUNDARY: Final = parse_document(resolved(RESOURCES["GrantBoundary"]["Properties"]["PolicyDocument"]))
TRUST: Final = {
    name: parse_document(resolved(RESOURCES[name]["Properties"]["AssumeRolePolicyDocument"]))
    for name in ("GrantReadRole", "GrantOperateRole")
}


def whole() -> SessionPolicy:
    """Of the widest template there can be."""
    found = compile_policy(WIDEST, {}, Target(PROD.id, ROLE.rpartition("/")[2], "/doorward/grants/"), END)
    assert isinstance(found, SessionPolicy)
    return found


def may(
    action: str,
    resource: str,
    *,
    session: SessionPolicy | None,
    boundary: Document | None = BOUNDARY,
    at: datetime = END - timedelta(minutes=1),
    context: Mapping[str, str] | None = None,
) -> bool:
    """Whether a session may; None for a layer that is taken away."""
    now = {"aws:CurrentTime": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", "aws:SourceIdentity": IDENTITY, "aws:PrincipalArn": ROLE}
    policies = Policies(
        identity=(EVERYTHING,), resource=OPEN, permissions_boundary=boundary, session=parse_document(session.text) if session else None
    )
    return evaluate(policies, Request(SESSION, "AWS", action, {**(context or {}), **now}, resource, PROD.id)).outcome == "allowed"


def opens(role: str, who: str, **context: str | None) -> bool:
    """Whether somebody who may assume every role opens a session of this one."""
    asked = {
        "aws:PrincipalArn": who,
        "aws:PrincipalOrgID": ORGANIZATION_ID,
        "sts:ExternalId": EXTERNAL_ID,
        "sts:SourceIdentity": IDENTITY,
        **context,
    }
    known: dict[str, str | tuple[str, ...]] = {name: each for name, each in asked.items() if each is not None}
    account, name = who.split(":")[4], who.rpartition("/")[2]
    caller = f"arn:aws:sts::{account}:assumed-role/{name}/any"
    request = Request(caller, "AWS", "sts:AssumeRole", known, ROLE, PROD.id)
    return evaluate(Policies(identity=(EVERYTHING,), resource=TRUST[role]), request).outcome == "allowed"


# 7 and 8. Credentials are stolen; the end is missed, since what should end a grant is dead


@given(templates, requests, st.timedeltas(timedelta(seconds=1), timedelta(days=3)))
def test_one_second_after_the_end_stolen_credentials_are_good_for_nothing_though_nobody_ended_the_grant(
    written: list[dict[str, Any]], asked: tuple[str, str, dict[str, str]], after: timedelta
) -> None:
    """Between the two requests nothing is written anywhere: time passes."""
    action, resource, context = asked
    scope = compiled(written)
    assert not may(action, resource, session=scope, context=context, at=END + timedelta(seconds=1))
    assert not may(action, resource, session=scope, context=context, at=END + after)


@pytest.mark.parametrize("action", ["s3:GetObject", "dynamodb:DeleteItem", "ec2:RunInstances", "lambda:UpdateFunctionCode"])
def test_it_is_the_hard_stop_that_ends_them_also_what_a_resource_allows_by_itself(action: str) -> None:
    stopped = END + timedelta(seconds=1)
    assert may(action, "*", session=whole())
    assert not may(action, "*", session=whole(), at=stopped)
    assert may(action, "*", session=None, at=stopped), "without the session's policy nothing would end"


@given(st.timedeltas(timedelta(0), timedelta(days=8)))
def test_no_session_outlives_an_hour_whoever_has_it(left: timedelta) -> None:
    asked = timedelta(seconds=duration_seconds(START, START + left))
    assert SHORTEST_SESSION <= asked <= LONGEST_SESSION == timedelta(seconds=GRANT_SESSION_SECONDS)
    for role in ("GrantReadRole", "GrantOperateRole"):
        assert RESOURCES[role]["Properties"]["MaxSessionDuration"] == GRANT_SESSION_SECONDS


# 9. Into another role, which would not have the policy

CHAINS: Final = (
    *("sts:AssumeRole", "sts:AssumeRoot", "sts:GetFederationToken", "sts:GetSessionToken", "sts:GetWebIdentityToken"),
    *("sts:GetDelegatedAccessToken", "sts:TagSession", "sts:SetSourceIdentity"),
)
OTHER_ROLES: Final = ("app/payments", "doorward/doorward-read", "doorward/grants/doorward-grant-read", "OrganizationAccountAccessRole")


@pytest.mark.parametrize("role", OTHER_ROLES)
@pytest.mark.parametrize("action", CHAINS)
def test_no_session_becomes_another_although_the_other_role_lets_it_in(action: str, role: str) -> None:
    arn = f"arn:aws:iam::{PROD.id}:role/{role}"
    assert not may(action, arn, session=whole(), boundary=None)
    assert not may(action, arn, session=None)
    assert may("sts:AssumeRole", arn, session=None, boundary=None), "without both it would"


@pytest.mark.parametrize("role", TRUST)
def test_a_grants_session_opens_no_other_grant_role_though_nothing_denied_it(role: str) -> None:
    assert opens(role, BROKER)
    assert not opens(role, ROLE)
    for name in sorted(OWN_ROLES - {MINT_CREDENTIALS}):
        assert not opens(role, f"arn:aws:iam::{HUB}:role{ROLE_PATH}{name}")
    for who in (BROKER.replace(HUB, PROD.id), BROKER.replace(ROLE_PATH, "/"), f"{BROKER}x", f"arn:aws:iam::{PROD.id}:role/Administrator"):
        assert not opens(role, who)


@pytest.mark.parametrize("role", TRUST)
@pytest.mark.parametrize(
    "wrong",
    [
        {"sts:ExternalId": "another"},
        {"sts:ExternalId": None},
        {"aws:PrincipalOrgID": "o-z9y8x7w6v5"},
        {"aws:PrincipalOrgID": None},
        {"sts:SourceIdentity": "jane"},
        {"sts:SourceIdentity": f"={GRANT_ID}"},
        {"sts:SourceIdentity": None},
    ],
    ids=str,
)
def test_not_even_the_broker_opens_one_that_is_no_grants(role: str, wrong: dict[str, str | None]) -> None:
    assert opens(role, BROKER)
    assert not opens(role, BROKER, **wrong)


# 10. An administrator's session takes away what holds it

OWN_DOORS: Final = [
    *(
        (action, ROLE)
        for action in (
            *("iam:UpdateAssumeRolePolicy", "iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"),
            *("iam:AttachRolePolicy", "iam:DetachRolePolicy", "iam:UpdateRole", "iam:DeleteRole", "iam:PassRole", "iam:TagRole"),
        )
    ),
    *(
        (action, f"arn:aws:iam::{PROD.id}:policy{ROLE_PATH}{GRANT_BOUNDARY}")
        for action in ("iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeletePolicyVersion", "iam:DeletePolicy")
    ),
    ("iam:UpdateAssumeRolePolicy", f"arn:aws:iam::{PROD.id}:role{ROLE_PATH}doorward-read"),
    ("iam:CreateRole", f"arn:aws:iam::{PROD.id}:role{ROLE_PATH}grants/doorward-grant-mine"),
]


@pytest.mark.parametrize(("action", "resource"), OWN_DOORS)
def test_no_session_changes_its_role_its_boundary_or_another_door_of_doorwards(action: str, resource: str) -> None:
    assert not may(action, resource, session=whole(), boundary=None)
    assert not may(action, resource, session=None)
    assert may(action, resource, session=None, boundary=None), "without both it would"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:CreateUser", f"arn:aws:iam::{PROD.id}:user/jane"),
        ("iam:CreateAccessKey", f"arn:aws:iam::{PROD.id}:user/jane"),
        ("iam:UpdateAssumeRolePolicy", f"arn:aws:iam::{PROD.id}:role/app/payments"),
        ("iam:PassRole", f"arn:aws:iam::{PROD.id}:role/app/payments"),
        ("iam:GetRole", f"arn:aws:iam::{PROD.id}:role{ROLE_PATH}doorward-read"),
        ("organizations:LeaveOrganization", "*"),
        ("account:EnableRegion", "*"),
        ("sso:CreateAccountAssignment", "*"),
        ("identitystore:CreateGroupMembership", "*"),
        ("rolesanywhere:CreateTrustAnchor", "*"),
        ("signin:CreateOAuth2Token", "*"),
        ("events:DisableRule", f"arn:aws:events:eu-central-1:{PROD.id}:rule/doorward-changes"),
        ("cloudformation:DeleteStack", f"arn:aws:cloudformation:us-east-1:{PROD.id}:stack/StackSet-doorward-member-0a/1b"),
        ("cloudtrail:StopLogging", f"arn:aws:cloudtrail:us-east-1:{PROD.id}:trail/everything"),
        ("cloudtrail:PutEventSelectors", f"arn:aws:cloudtrail:us-east-1:{PROD.id}:trail/everything"),
    ],
)
def test_the_boundary_keeps_every_grant_from_access_that_lasts_and_from_what_doorward_hears_by(action: str, resource: str) -> None:
    assert not may(action, resource, session=whole())
    assert not may(action, resource, session=None)
    assert may(action, resource, session=None, boundary=None), "without it, it would"


BUCKET: Final = "arn:aws:s3:::acme-orders"
KEY: Final = f"arn:aws:kms:eu-central-1:{PROD.id}:key/1b"
LETTING_IN: Final = [
    ("s3:PutBucketPolicy", BUCKET),
    ("s3:PutObjectAcl", f"{BUCKET}/x"),
    ("s3:PutAccessPointPolicyForObjectLambda", "*"),
    ("s3:PutAccountPublicAccessBlock", "*"),
    ("s3:CreateAccessGrant", "*"),
    ("kms:PutKeyPolicy", KEY),
    ("kms:CreateGrant", KEY),
    ("lambda:AddPermission", f"arn:aws:lambda:eu-central-1:{PROD.id}:function:orders"),
    ("lambda:AddLayerVersionPermission", "*"),
    ("lambda:CreateFunctionUrlConfig", f"arn:aws:lambda:eu-central-1:{PROD.id}:function:orders"),
    ("ram:CreateResourceShare", "*"),
    ("ram:AssociateResourceShare", "*"),
    ("eks:CreateAccessEntry", f"arn:aws:eks:eu-central-1:{PROD.id}:cluster/orders"),
    ("eks:AssociateAccessPolicy", "*"),
    ("ecr:SetRepositoryPolicy", "*"),
    ("ecr:GetAuthorizationToken", "*"),
    ("secretsmanager:PutResourcePolicy", "*"),
    ("dynamodb:PutResourcePolicy", "*"),
    ("ec2:ModifySnapshotAttribute", "*"),
    ("rds:ModifyDBClusterSnapshotAttribute", "*"),
    ("sqs:AddPermission", "*"),
    ("transfer:ImportSshPublicKey", "*"),
]


@pytest.mark.parametrize(("action", "resource"), LETTING_IN)
def test_no_session_leaves_somebody_let_in_at_a_resource_when_it_ends(action: str, resource: str) -> None:
    assert not may(action, resource, session=whole())
    assert not may(action, resource, session=None)
    assert may(action, resource, session=whole(), boundary=None), "without the boundary it would"


@pytest.mark.parametrize(("for_a_service", "allowed"), [("true", True), ("false", False), (None, False)])
def test_a_grant_of_kms_is_a_services_own_or_is_not_made(for_a_service: str | None, *, allowed: bool) -> None:
    context = {} if for_a_service is None else {"kms:GrantIsForAWSResource": for_a_service}
    assert may("kms:CreateGrant", KEY, session=whole(), context=context) is allowed


@given(templates, requests)
def test_whatever_the_scope_a_session_touches_neither_sts_nor_iam(
    written: list[dict[str, Any]], asked: tuple[str, str, dict[str, str]]
) -> None:
    action, resource, context = asked
    allowed = may(action, resource, session=compiled(written), context=context)
    assert not (allowed and action.partition(":")[0] in {"sts", "iam", "organizations"})


def test_the_boundary_leaves_a_grant_what_it_is_for() -> None:
    for action, resource in (
        ("s3:GetObject", "arn:aws:s3:::acme-orders/x"),
        ("dynamodb:UpdateItem", f"arn:aws:dynamodb:eu-central-1:{PROD.id}:table/Orders"),
        ("events:DisableRule", f"arn:aws:events:eu-central-1:{PROD.id}:rule/nightly"),
        ("cloudformation:UpdateStack", f"arn:aws:cloudformation:eu-central-1:{PROD.id}:stack/orders/1b"),
        ("cloudtrail:LookupEvents", "*"),
        ("s3:PutObject", "arn:aws:s3:::acme-orders/x"),
        ("s3:PutLifecycleConfiguration", "arn:aws:s3:::acme-orders"),
        ("lambda:UpdateFunctionCode", f"arn:aws:lambda:eu-central-1:{PROD.id}:function:orders"),
        ("sqs:SetQueueAttributes", f"arn:aws:sqs:eu-central-1:{PROD.id}:orders"),
        ("kms:Decrypt", f"arn:aws:kms:eu-central-1:{PROD.id}:key/1b"),
        ("ecr:BatchGetImage", f"arn:aws:ecr:eu-central-1:{PROD.id}:repository/orders"),
        ("eks:DescribeCluster", f"arn:aws:eks:eu-central-1:{PROD.id}:cluster/orders"),
        ("ec2:CreateSnapshot", "*"),
        ("ram:GetResourceShares", "*"),
        ("logs:PutRetentionPolicy", "*"),
    ):
        assert may(action, resource, session=whole()), action
