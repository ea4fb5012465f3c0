"""docs/install.md names what there is."""

import json
import re
from typing import Any

from doorward.guardrails.grant_roles import drift_of
from doorward.guardrails.model import Role
from doorward.organization.model import Account, Organization
from tests.template.conftest import REPOSITORY, TEMPLATES, in_long_form, parsed
from tests.template.resolved import HUB, ORGANIZATION_ID, PROD, resolved

PAGE = (REPOSITORY / "docs/install.md").read_text("utf-8")


def test_every_parameter_that_the_page_sets_is_one_of_a_template() -> None:
    known = {parameter for name in TEMPLATES for parameter in parsed(name)["Parameters"]}
    set_there = set(re.findall(r"\b([A-Z][a-z]\w+)=", PAGE))
    assert set_there
    assert set_there <= known


def test_every_template_is_installed_by_some_step() -> None:
    for name in TEMPLATES:
        assert name in PAGE or name == "accounts/member.yaml", name  # that one is a StackSet's


def test_every_template_that_needs_a_parameter_is_given_it() -> None:
    for name in TEMPLATES:
        needed = {each for each, definition in parsed(name)["Parameters"].items() if "Default" not in definition}
        assert all(f"{each}=" in PAGE for each in needed), name


def test_a_role_of_ones_own_as_the_page_has_it_is_as_it_must_be_and_nothing_of_it_can_be_left_away() -> None:
    text = PAGE.split("```yaml\nGrantOrdersRole:", 1)[1].split("```", 1)[0]
    written = resolved(in_long_form(f"GrantOrdersRole:{text}")["GrantOrdersRole"]["Properties"])
    organization = Organization(id=ORGANIZATION_ID, accounts=(Account(HUB, "hub"), Account(PROD, "prod")), hub_account=HUB)

    def drift(**changed: Any) -> str:
        role = {**written, **changed}
        arn = f"arn:aws:iam::{PROD}:role{role['Path']}{role['RoleName']}"
        trust = json.dumps(role["AssumeRolePolicyDocument"])
        seconds, boundary = role["MaxSessionDuration"], role["PermissionsBoundary"]
        return drift_of(
            Role(PROD, role["RoleName"], role["Path"], arn, "AROAX", trust, seconds, permissions_boundary=boundary), organization
        )

    assert drift() == ""
    opens, names = written["AssumeRolePolicyDocument"]["Statement"]
    for operator, keys in opens["Condition"].items():
        for key in keys:
            fewer = {**opens["Condition"], operator: {other: value for other, value in keys.items() if other != key}}
            looser = {"Version": "2012-10-17", "Statement": [{**opens, "Condition": fewer}, names]}
            assert drift(AssumeRolePolicyDocument=looser), key
    assert drift(PermissionsBoundary="")
    assert drift(MaxSessionDuration=7200)
    assert drift(RoleName="orders")
