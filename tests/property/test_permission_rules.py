"""Theorems about what a role may do: it adds to a judgement and changes nothing of it; what is sure grows with what is allowed.

Each claim is replayed: whatever the request says besides, the evaluator allows every call of it by the role's whole policies.
"""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.guardrails.escalations import LIFTS, REWRITES
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Permissions, PermissionsPolicy, Role
from doorward.guardrails.privileges import Power, Unsure, power_of
from doorward.guardrails.rules import OF_PERMISSIONS
from doorward.iam.documents import Document, parse_document
from doorward.iam.evaluate import Policies, Request, evaluate
from tests.property.test_judge import KNOWN, SLOW, policies
from tests.unit.test_guardrails_rules import NOW, role

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
CONDITIONS = [
    {},
    {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
    {"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}},
    {"StringEquals": {"aws:PrincipalTag/team": "x"}},
    {"Null": {"aws:PrincipalTag/team": "true"}},
    {"Bool": {"aws:SecureTransport": "false"}},
]
ACTIONS = [
    *("*", "iam:*", "iam:Pass*", "iam:PutRolePolicy", "iam:*PermissionsBoundary", "iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"),
    *(
        "iam:CreateRole",
        "iam:AttachUserPolicy",
        "lambda:*",
        "lambda:UpdateFunctionCode",
        "ec2:RunInstances",
        "sts:AssumeRole",
        "s3:GetObject",
    ),
]
ITSELF, LIMIT, OWN = (f"arn:aws:iam::777788889999:{each}" for each in ("role/door", "policy/limit", "policy/0"))
RESOURCES = ["*", "arn:aws:iam::777788889999:role/*", ITSELF, LIMIT, OWN, "arn:aws:iam::777788889999:role/${aws:PrincipalTag/team}-*"]
NOTHING: list[dict[str, Any]] = [{"Effect": "Deny", "Action": "*", "Resource": "*"}]
OTHERS = st.dictionaries(
    st.sampled_from(["aws:PrincipalTag/team", "aws:SourceIp", "iam:PermissionsBoundary"]), st.sampled_from(["x", "203.0.113.7", LIMIT])
)


@st.composite
def statements(draw: st.DrawFn, effect: str) -> dict[str, Any]:
    actions = draw(st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=3, unique=True))
    which = draw(st.sampled_from(["Action", "Action", "Action", "NotAction"]))
    given_resources = draw(st.sampled_from(RESOURCES))
    return {"Effect": effect, which: actions, "Resource": given_resources, "Condition": draw(st.sampled_from(CONDITIONS))}


allows = st.lists(statements("Allow"), max_size=3)
denies = st.lists(statements("Deny"), max_size=2)


def holding(*documents: list[dict[str, Any]], boundary: list[dict[str, Any]] | None = None) -> Role:
    read = tuple(
        PermissionsPolicy(f"arn:aws:iam::777788889999:policy/{number}", json.dumps({"Version": "2012-10-17", "Statement": each}))
        for number, each in enumerate(documents)
    )
    limit = None if boundary is None else json.dumps({"Version": "2012-10-17", "Statement": boundary})
    arn = "" if boundary is None else LIMIT
    return role("{}")._replace(permissions=Permissions(read, limit), permissions_boundary=arn)


def rank(power: Power | Unsure | None) -> int:
    """How much is sure: nothing, that it acts as others, that it does whatever the account can."""
    return 1 + power.alone if isinstance(power, Power) else 0


def possible(power: Power | Unsure | None) -> bool:
    return power is not None


@given(policies)
@SLOW
def test_what_a_role_may_do_adds_to_a_judgement_and_changes_nothing_of_it(policy: Any) -> None:
    unknown = judge(role(policy), KNOWN, Guardrails(), now=NOW, strict=True)
    known_role = role(policy)._replace(permissions=Permissions((PermissionsPolicy(ADMINISTRATOR, None),)), permissions_boundary="")
    known = judge(known_role, KNOWN, Guardrails(), now=NOW, strict=True)
    told = {each.rule for each in unknown.findings} | {each.rule for each in unknown.undecidable}
    assert not told & OF_PERMISSIONS
    assert tuple(each for each in known.findings if each.rule not in OF_PERMISSIONS) == unknown.findings
    assert tuple(each for each in known.undecidable if each.rule not in OF_PERMISSIONS) == unknown.undecidable


@given(policies)
@SLOW
def test_a_stranger_who_comes_in_is_an_outsider_to_a_role_that_may_do_everything(policy: Any) -> None:
    known_role = role(policy)._replace(permissions=Permissions((PermissionsPolicy(ADMINISTRATOR, None),)), permissions_boundary="")
    found = judge(known_role, KNOWN, Guardrails(), now=NOW, strict=True)
    strangers = {"world-assumable", "external-account", "outside-organization", "oidc-unscoped-subject"}
    let_in = {each.statement.index for each in found.findings if each.rule in strangers}
    told = {each.statement.index for each in found.findings if each.rule == "privileged-outsider" and each.severity == "critical"}
    assert let_in <= told


@given(allows, allows, denies)
@settings(deadline=None)
def test_more_policies_never_give_less_that_is_sure_nor_a_deny_more(some: Any, more: Any, less: Any) -> None:
    least, most, together, narrowed = (power_of(holding(*each)) for each in ([some], [some, more], [[*some, *more]], [some, less]))
    for more_given in (most, together):
        assert rank(least) <= rank(more_given)
        assert possible(more_given) or not possible(least)
    assert rank(narrowed) <= rank(least)
    assert possible(least) or not possible(narrowed)


@given(allows, allows)
@settings(deadline=None)
def test_a_boundary_never_gives_anything(some: Any, limit: Any) -> None:
    free, bounded = power_of(holding(some)), power_of(holding(some, boundary=limit))
    assert rank(bounded) <= rank(free)
    assert possible(free) or not possible(bounded)


@given(allows, allows, allows, denies)
@settings(deadline=None)
def test_a_wider_boundary_never_leaves_less_nor_a_narrower_one_more(some: Any, limit: Any, more: Any, less: Any) -> None:
    bounded, wider, narrower = (power_of(holding(some, boundary=each)) for each in (limit, [*limit, *more], [*limit, *less]))
    assert rank(narrower) <= rank(bounded) <= rank(wider)
    assert possible(bounded) or not possible(narrower)
    assert possible(wider) or not possible(bounded)


@given(allows, denies, allows)
@settings(deadline=None)
def test_a_boundary_that_allows_nothing_leaves_nothing(some: Any, less: Any, more: Any) -> None:
    assert power_of(holding(some, [*less, *more], boundary=NOTHING)) is None
    assert power_of(holding(some, [*less, *more], boundary=[])) is None


@given(allows, denies)
@settings(deadline=None)
def test_a_boundary_that_the_role_may_take_off_limits_nothing(some: Any, less: Any) -> None:
    lifting = [{"Effect": "Allow", "Action": "iam:DeleteRolePermissionsBoundary", "Resource": ITSELF}]
    free, bounded, kept = (
        power_of(holding([*some, *less], lifting, boundary=None)),
        power_of(holding([*some, *less], lifting, boundary=lifting)),
        power_of(holding([*some, *less], lifting, [{**lifting[0], "Effect": "Deny"}], boundary=lifting)),
    )
    may_lift = allowed(holding([*some, *less], lifting, boundary=lifting), lifting[0]["Action"])
    if may_lift and not less:
        assert rank(bounded) == rank(free)
    assert rank(bounded) <= rank(free)
    assert kept is None


def allowed(its_role: Role, action: str) -> bool:
    return replayed(its_role, Request(SESSION, "AWS", action, {"aws:PrincipalArn": ITSELF}, ITSELF, "777788889999"))


SESSION = "arn:aws:sts::777788889999:assumed-role/door/outsider"
WHATEVER = parse_document({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
DELEGATED = parse_document(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "777788889999"}, "Action": "sts:AssumeRole"}]}
)


def replayed(its_role: Role, request: Request, *, is_bounded: bool = True, more: tuple[Document, ...] = ()) -> bool:
    assert its_role.permissions is not None
    identity = tuple(parse_document(each.document or "") for each in its_role.permissions.policies)
    limit = its_role.permissions.boundary
    boundary = None if limit is None or not is_bounded else parse_document(limit)
    policies = Policies(identity=(*identity, *more), permissions_boundary=boundary, resource=DELEGATED)
    return evaluate(policies, request).outcome == "allowed"


ON_ITSELF = ["iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy", "iam:CreatePolicyVersion", "*"]
beginnings = st.lists(
    st.builds(
        lambda action, on: {"Effect": "Allow", "Action": action, "Resource": on}, st.sampled_from(ON_ITSELF), st.just([ITSELF, LIMIT])
    ),
    max_size=2,
)


@given(beginnings, st.lists(allows, min_size=1, max_size=3), denies, st.none() | st.tuples(beginnings, allows), OTHERS)
@settings(deadline=None, max_examples=300)
def test_every_call_of_a_claim_is_allowed_whatever_else_the_request_says(
    first_of_all: Any, some: Any, less: Any, limit: Any, others: dict[str, str]
) -> None:
    its_role = holding(first_of_all, *some, less, boundary=None if limit is None else [*limit[0], *limit[1]])
    power = power_of(its_role)
    if not isinstance(power, Power):
        return
    is_bounded = True
    more: tuple[Document, ...] = ()
    for step in power.steps:
        for request in step.requests:
            saying = request._replace(context={**others, **request.context})
            assert replayed(its_role, saying, is_bounded=is_bounded, more=more), (step.on, request)
        first = step.requests[0]
        if first.action in LIFTS or first.resource == LIMIT:
            is_bounded = False
        elif step is not power.steps[-1]:
            assert (first.action, first.resource) in {
                *((each, ITSELF) for each in REWRITES),
                *(("iam:CreatePolicyVersion", each) for each in owned(its_role)),
            }
            more = (WHATEVER,)


def owned(its_role: Role) -> tuple[str, ...]:
    return () if its_role.permissions is None else tuple(each.name for each in its_role.permissions.policies)
