"""Least privilege, on what all the other tests of this folder made Doorward do: it runs after them, and only if all of them ran.

Two sides. Every call that a role made, or that AWS makes because of what is deployed (`implicit_calls`), is allowed by the policies that
the templates give: our own evaluator says so, not the emulator. And every permission is needed: without it one of those calls is refused.
"""

import ast
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from local.installation import Installation
from tests.integration.granted import POLICY_TYPES, as_written, given, is_for_people, outline
from tests.integration.implicit_calls import IMPLICIT, implicit_calls
from tests.least_privilege import Given, Verdict, call_of_record, judge
from tests.template.conftest import TEMPLATES, as_list, parsed, resources_of

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

BY_CHANCE: Final = "In some runs there is a call. "
"""How a reason begins where it hangs on what happens at the same time."""

NOT_SHOWN: Final = {
    "accounts/management.yaml, ReadRole, read, ReadOwnStackSets: Action cloudformation:ListStackInstances": (
        "The emulator has no StackSets, so that none is found whose instances could be listed (local/cloud/stack_sets.py)."
    ),
    "accounts/member.yaml, CutRole, cut, EndSessions: Action iam:DeleteRolePolicy": (
        "A cut is taken away when the last of the sessions that it ends would have ended anyway: hours later, and no clock is moved here."
    ),
    "accounts/member.yaml, GrantBoundary, managed, WhatTheRoleMay: Action *": "A boundary allows nobody anything.",
    "accounts/member.yaml, RemedyRole, remedy, AttachQuarantine: Action iam:AttachRolePolicy": (
        "Attached where IAM refuses every trust policy that would close a role, and the emulator refuses hardly any."
    ),
    "template.yaml, NotifyPeopleRole, notify-people, PublishToPeople: Action sns:Publish": (
        "For authors and owners whom organization.yaml gives a topic of their own: the one that is installed here gives none."
    ),
    "template.yaml, FinishStartedRole, finish-started, PublishToTheBus: StringEquals events:source doorward.grants": BY_CHANCE
    + "What was announced of a grant a minute ago, and never left the outbox, is sent by it; here all of it leaves in time.",
    "template.yaml, ReconcileGrantsRole, reconcile-grants, KeepGrantRoles: Action dynamodb:DeleteItem": (
        "An account that a rule is about and that has no grant role (any more) is forgotten: each that a rule is about here has some."
    ),
    "template.yaml, ReconcileGrantsRole, reconcile-grants, ReadDecisions: ForAllValues:StringLike dynamodb:LeadingKeys SUSPENDED": BY_CHANCE
    + "By which ways answers count is asked where the reconciler decides late, or other rules are in force; here neither has to be.",
    "template.yaml, ReconcileGrantsRole, reconcile-grants, HandOn: Action sqs:SendMessage": (
        "A grant role that drifts is told of by an event first; what the reaction knows of is not handed to it again."
    ),
    **{
        f"template.yaml, ReconcileGrantsRole, reconcile-grants, KeepWhatWasOpened: Action dynamodb:{action}": BY_CHANCE
        + "A grant whose execution is two minutes late is begun or ended by the reconciler; here they are in time."
        for action in ("PutItem", "DeleteItem")
    },
    "template.yaml, ReconcileGrantsRole, reconcile-grants, HaveThemWoken: Action sqs:SendMessage": BY_CHANCE
    + "A grant that was taken back has a token left until wake_grant has sent it.",
    "accounts/management.yaml, ReadRole, read, ReadTheOrganization: Action organizations:ListParents": BY_CHANCE
    + "An account that moves or is made while the organization is being read is looked up (doorward/aws/directory.py).",
}
"""Permissions that no call here needs, and why they are given all the same."""

NOT_INSTALLED: Final = {
    ("template.yaml", "AskOnCall"): "No function of a customer's says here who is on call.",
    ("template.yaml", "AskForTickets"): "No function of a customer's says here what a ticket is like.",
    ("template.yaml", "ReportFindingsSecurityHub"): "The emulator has no Security Hub, so that findings are not sent to it here.",
}
"""Policies that stand in a template under a condition which does not hold here, and why not."""

SHOWN: Final = 0.95
"""The least share of permissions whose loss is seen here: the issue that asked for this check names it."""

WHAT_TO_DO: Final = """\
Nothing that the tests of tests/integration make Doorward do needs these permissions. Of each:
take it out of the template; or write a test in that folder that does what needs it;
or, where AWS makes the call, say so in tests/integration/implicit_calls.py, with the page that says so;
or, where the local stack cannot show it, add it to NOT_SHOWN in tests/integration/test_least_privilege.py, with the reason:"""


@pytest.fixture(scope="session")
def policies(doorward: Installation) -> tuple[Given, ...]:
    return given(doorward)


@pytest.fixture(scope="session")
def verdict(request: pytest.FixtureRequest) -> Verdict:
    """Of everything that was called. Without all of it nothing is claimed, and nothing is deployed for that."""
    if because := incomplete(request.session.items, request.session.testsfailed):
        said = f"least privilege was not checked: {because}"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    doorward = request.getfixturevalue("doorward")
    made = frozenset(map(call_of_record, doorward.stack.calls()))
    return judge(made | implicit_calls(doorward, made), request.getfixturevalue("policies"))


def incomplete(items: Sequence[pytest.Item], failed: int) -> str | None:
    """Why not every call was made that this goes by; None if every one was."""
    collected = {f"{item.path.name}::{getattr(item, 'originalname', item.name)}" for item in items}
    if missing := sorted(_tests_of_the_stack() - collected):
        return f"{len(missing)} of the tests that it goes by are not in this run, such as {missing[0]}; run all of tests/integration"
    return f"{failed} tests have failed, and may not have made their calls" if failed else None


def _tests_of_the_stack() -> frozenset[str]:
    """Every test of this folder that goes by an installation, as it is written."""
    return frozenset(
        f"{file.name}::{node.name}"
        for file in Path(__file__).parent.glob("test_*.py")
        if file != Path(__file__) and "pytest.mark.stack" in file.read_text("utf-8")
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def test_of_a_part_of_the_run_or_of_one_with_failures_nothing_is_claimed(request: pytest.FixtureRequest) -> None:
    others = [item for item in request.session.items if item.path != Path(__file__)]
    assert "of the tests that it goes by are not in this run" in str(incomplete(others[1:2], 0))
    if incomplete(request.session.items, 0) is None:
        a_sweep = [item for item in others if item.path.name != "test_sweep.py"]
        assert "test_sweep.py::" in str(incomplete(a_sweep, 0))
        assert "1 tests have failed" in str(incomplete(others, 1))


def test_every_call_is_allowed_by_what_the_templates_give(verdict: Verdict) -> None:
    refused = "\n".join(map(str, verdict.refused))
    assert not refused, f"these calls are made, and no statement allows them. Take the call away, or allow it in the template:\n{refused}"


def test_without_any_one_permission_some_call_is_refused(verdict: Verdict, record_property: Any) -> None:
    unneeded = {str(each) for each in verdict.unneeded}
    assert unneeded <= NOT_SHOWN.keys(), "\n".join([WHAT_TO_DO, *sorted(unneeded - NOT_SHOWN.keys())])
    needed_now = {each for each in NOT_SHOWN.keys() - unneeded if not NOT_SHOWN[each].startswith(BY_CHANCE)}
    assert not needed_now, f"a call needs these now; take them out of NOT_SHOWN: {sorted(needed_now)}"
    needed = len(verdict.permissions) - len(unneeded)
    record_property(
        "least privilege",
        f"{needed} of {len(verdict.permissions)} permissions are needed by a call ({needed / len(verdict.permissions):.1%})",
    )
    assert needed >= SHOWN * len(verdict.permissions)


def test_every_policy_that_is_judged_is_the_one_of_its_template(policies: tuple[Given, ...]) -> None:
    """The emulator resolved its references, and lost nothing else of it; no test left it changed."""
    for each in policies:
        assert [*map(outline, as_list(each.document["Statement"]))] == [*map(outline, as_written(each.place))], each.place


def test_every_policy_of_every_template_is_judged(policies: tuple[Given, ...]) -> None:
    judged = {(each.place.template, each.place.logical_id) for each in policies}
    written = {
        (template, logical_id)
        for template in TEMPLATES
        for logical_id, resource in parsed(template)["Resources"].items()
        if resource["Type"] in POLICY_TYPES and not (resource["Type"] == "AWS::IAM::Role" and is_for_people(resource["Properties"]))
    }
    assert judged == written - NOT_INSTALLED.keys()


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_template_has_a_policy_of_a_kind_that_is_not_judged(template: str) -> None:
    kinds = {
        resource["Type"]
        for resource in parsed(template)["Resources"].values()
        if {"PolicyDocument", "KeyPolicy", "Policies", "ResourcePolicy", "RepositoryPolicyText"} & resource.get("Properties", {}).keys()
    }
    assert kinds <= POLICY_TYPES, "teach tests/integration/granted.py to read them"
    assert not resources_of(parsed(template), "AWS::IAM::Policy")


def test_every_implicit_call_has_a_page_that_says_so() -> None:
    assert all(each.page.startswith("https://docs.aws.amazon.com/") for each in IMPLICIT)
