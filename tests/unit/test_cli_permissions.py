"""What inputs say of what a role may do, and what `doorward check` makes of it: known, not known, named without its text."""

import json
from pathlib import Path
from typing import Any

import pytest

from doorward.findings.model import Judgement
from doorward.guardrails.model import Guardrails
from doorward.organization.model import Organization, TrustedAccount
from doorward_cli.checking import check
from doorward_cli.inputs import Subject, read_inputs
from doorward_cli.permissions import of_role
from tests.fakes import START as NOW

OURS, VENDOR = "777788889999", "555566667777"
ORGANIZATION = Organization(trusted_accounts=(TrustedAccount(VENDOR, "vendor", external_id_required=False),))
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{VENDOR}:role/collector"}, "Action": "sts:AssumeRole"}],
}
ADMINISTRATOR, OWN = "arn:aws:iam::aws:policy/AdministratorAccess", f"arn:aws:iam::{OURS}:policy/own"


def allowing(*actions: str, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}]}


def judged(tmp_path: Path, content: Any) -> Judgement:
    file = tmp_path / "input.json"
    file.write_text(json.dumps(content))
    subjects = [each for each in read_inputs([str(file)], OURS) if isinstance(each, Subject)]
    [checked] = check(subjects, (), ORGANIZATION, Guardrails(), now=NOW).roles
    return checked.judgement


def outcome(judgement: Judgement, rule: str = "privileged-outsider") -> str:
    if any(each.rule == rule for each in judgement.findings):
        return "fires"
    return "undecided" if any(each.rule == rule for each in judgement.undecidable) else "silent"


ROLE = {"RoleName": "door", "Path": "/", "Arn": f"arn:aws:iam::{OURS}:role/door", "AssumeRolePolicyDocument": TRUST}


def detail(*attached: str, inline: Any = None, policies: Any = (), boundary: str | None = None) -> dict[str, Any]:
    role = {
        **ROLE,
        "AttachedManagedPolicies": [{"PolicyName": each.rsplit("/", 1)[-1], "PolicyArn": each} for each in attached],
        "RolePolicyList": [] if inline is None else [{"PolicyName": "inline", "PolicyDocument": inline}],
    }
    if boundary is not None:
        role["PermissionsBoundary"] = {"PermissionsBoundaryArn": boundary}
    return {"RoleDetailList": [role], "Policies": list(policies)}


def managed(arn: str, document: Any, **more: Any) -> dict[str, Any]:
    return {"Arn": arn, "PolicyVersionList": [{"Document": document, "VersionId": "v2", "IsDefaultVersion": True, **more}]}


WIDE = allowing("iam:*")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (TRUST, "silent"),
        ({"Role": ROLE}, "silent"),
        ({"Roles": [ROLE]}, "silent"),
        (detail(), "silent"),
        (detail(ADMINISTRATOR), "fires"),
        (detail(inline=WIDE), "fires"),
        (detail(inline=json.dumps(WIDE)), "fires"),
        (detail(inline=allowing("s3:GetObject")), "silent"),
        (detail(OWN, policies=[managed(OWN, WIDE)]), "fires"),
        (detail(OWN, policies=[managed(OWN, WIDE, IsDefaultVersion=False)]), "undecided"),
        (detail(OWN), "undecided"),
        (detail(ADMINISTRATOR, boundary=OWN, policies=[managed(OWN, allowing("s3:*"))]), "silent"),
        (detail(ADMINISTRATOR, boundary=OWN), "undecided"),
    ],
    ids=lambda each: each if isinstance(each, str) else json.dumps(each)[:60],
)
def test_what_iam_prints_of_a_role(tmp_path: Path, content: Any, expected: str) -> None:
    assert outcome(judged(tmp_path, content)) == expected


@pytest.mark.parametrize(
    ("content", "expected"), [({"Role": ROLE}, "fires"), ({"Roles": [ROLE]}, "silent"), (TRUST, "silent"), (detail(), "fires")]
)
def test_whether_a_role_has_a_boundary_is_known_of_some_answers_only(tmp_path: Path, content: Any, expected: str) -> None:
    assert outcome(judged(tmp_path, content), "missing-boundary") == expected


def template(resources: Any = (), parameters: Any = (), **properties: Any) -> dict[str, Any]:
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST, **properties}}
    return {"Parameters": dict(parameters), "Resources": {"Door": role, **dict(resources)}}


def policy(kind: str, document: Any, **more: Any) -> dict[str, Any]:
    return {"Type": f"AWS::IAM::{kind}", "Properties": {"PolicyDocument": document, **more}}


BUCKET = {"Fn::GetAtt": ["Bucket", "Arn"]}
PARAMETER = {"P": {"Type": "String"}}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (template(), "silent"),
        (template(ManagedPolicyArns=[ADMINISTRATOR]), "fires"),
        (template(ManagedPolicyArns=[{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess"}]), "fires"),
        (template(ManagedPolicyArns=["arn:aws:iam::aws:policy/SecurityAudit"]), "silent"),
        (template(ManagedPolicyArns=[{"Ref": "P"}], parameters=PARAMETER), "undecided"),
        (template(ManagedPolicyArns={"Ref": "P"}, parameters=PARAMETER), "undecided"),
        (template(ManagedPolicyArns=[{"Ref": "Own"}], resources={"Own": policy("ManagedPolicy", WIDE)}), "fires"),
        (template(ManagedPolicyArns=[{"Ref": "Own"}], resources={"Own": policy("ManagedPolicy", allowing("s3:*"))}), "silent"),
        (template(Policies=[{"PolicyName": "x", "PolicyDocument": WIDE}]), "fires"),
        (template(Policies=[{"PolicyName": "x", "PolicyDocument": allowing("s3:GetObject", resource=BUCKET)}]), "silent"),
        (template(Policies=[{"PolicyName": "x", "PolicyDocument": allowing("iam:PutRolePolicy", resource=BUCKET)}]), "undecided"),
        (
            template(
                Policies=[{"PolicyName": "x", "PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": BUCKET, "Resource": "*"}]}}]
            ),
            "undecided",
        ),
        (template(Policies=[{"Ref": "P"}], parameters=PARAMETER), "undecided"),
        (template(Policies=[{"Ref": "AWS::NoValue"}]), "silent"),
        (template(resources={"Own": policy("Policy", WIDE, Roles=[{"Ref": "Door"}])}), "fires"),
        (template(resources={"Own": policy("RolePolicy", WIDE, RoleName={"Ref": "Door"})}), "fires"),
        (template(resources={"Own": policy("Policy", WIDE, Roles=[{"Ref": "Other"}])}), "silent"),
        (template(ManagedPolicyArns=[ADMINISTRATOR], PermissionsBoundary={"Ref": "P"}, parameters=PARAMETER), "undecided"),
        (template(ManagedPolicyArns=[ADMINISTRATOR], PermissionsBoundary=OWN), "undecided"),
        (template(ManagedPolicyArns=[ADMINISTRATOR], PermissionsBoundary={"Ref": "AWS::NoValue"}), "fires"),
    ],
    ids=lambda each: each if isinstance(each, str) else json.dumps(each["Resources"])[-90:],
)
def test_what_a_template_says_of_a_role(tmp_path: Path, content: Any, expected: str) -> None:
    assert outcome(judged(tmp_path, content)) == expected


def plan(**values: Any) -> dict[str, Any]:
    held = {"name": "door", "path": "/", "assume_role_policy": json.dumps(TRUST), **values}
    resource = {"address": "aws_iam_role.door", "mode": "managed", "type": "aws_iam_role", "name": "door", "values": held}
    return {"format_version": "1.2", "planned_values": {"root_module": {"resources": [resource]}}}


@pytest.mark.parametrize(
    ("content", "rule", "expected"),
    [
        (plan(), "privileged-outsider", "silent"),
        (plan(managed_policy_arns=[ADMINISTRATOR], permissions_boundary=None), "privileged-outsider", "fires"),
        (plan(managed_policy_arns=[ADMINISTRATOR]), "privileged-outsider", "undecided"),
        (plan(managed_policy_arns=[OWN], permissions_boundary=None), "privileged-outsider", "undecided"),
        (plan(inline_policy=[{"name": "x", "policy": json.dumps(WIDE)}], permissions_boundary=""), "privileged-outsider", "fires"),
        (plan(), "missing-boundary", "silent"),
        (plan(permissions_boundary=None), "missing-boundary", "fires"),
        (plan(permissions_boundary=OWN), "missing-boundary", "silent"),
    ],
    ids=lambda each: each if isinstance(each, str) else "plan",
)
def test_what_a_plan_says_of_a_role(tmp_path: Path, content: Any, rule: str, expected: str) -> None:
    assert outcome(judged(tmp_path, content), rule) == expected


@pytest.mark.parametrize("odd", [None, 7, "x", [], [None], {"a": 1}])
def test_what_is_no_list_and_no_object_is_passed_over(odd: Any) -> None:
    known = of_role({"AttachedManagedPolicies": odd, "RolePolicyList": odd, "PermissionsBoundary": odd}, {}, tells_boundary=True)
    assert known.boundary in {"", None}
