"""Theorems about what a role may do: it adds to a judgement and changes nothing of it; what is sure grows with what is allowed."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Permissions, PermissionsPolicy, Role
from doorward.guardrails.privileges import Power, Unsure, power_of
from doorward.guardrails.rules import OF_PERMISSIONS
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
ACTIONS = ["*", "iam:*", "iam:Pass*", "iam:PutRolePolicy", "lambda:*", "lambda:UpdateFunctionCode", "ec2:RunInstances", "s3:GetObject"]
RESOURCES = ["*", "arn:aws:iam::777788889999:role/*", "arn:aws:iam::777788889999:role/door", "arn:aws:s3:::${aws:PrincipalTag/team}/*"]


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
        PermissionsPolicy(str(number), json.dumps({"Version": "2012-10-17", "Statement": each})) for number, each in enumerate(documents)
    )
    limit = None if boundary is None else json.dumps({"Version": "2012-10-17", "Statement": boundary})
    arn = "" if boundary is None else "arn:aws:iam::777788889999:policy/limit"
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
    least, most, narrowed = (power_of(holding(*each)) for each in ([some], [some, more], [some, less]))
    assert rank(least) <= rank(most)
    assert possible(most) or not possible(least)
    assert rank(narrowed) <= rank(least)
    assert possible(least) or not possible(narrowed)


@given(allows, allows)
@settings(deadline=None)
def test_a_boundary_never_gives_anything(some: Any, limit: Any) -> None:
    free, bounded = power_of(holding(some)), power_of(holding(some, boundary=limit))
    assert rank(bounded) <= rank(free)
    assert possible(free) or not possible(bounded)
