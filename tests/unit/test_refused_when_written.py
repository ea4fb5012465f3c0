"""What IAM holds and would refuse to write today: said of what is about to be written, never of what stands, and hiding no hole.

| the input                                    | IAM would refuse to write it | verdict                  | its holes |
|----------------------------------------------|------------------------------|--------------------------|-----------|
| a template; a plan that makes or changes it  | yes                          | invalid                  | told      |
| the same                                     | no                           | as judged                | told      |
| a plan that leaves it alone; a state         | yes                          | as judged                | told      |
| a document alone; what IAM gave              | yes                          | as judged                | told      |
"""

import json
from pathlib import Path
from typing import Any

import pytest

from doorward.findings.model import Verdict
from doorward.guardrails.parsing import guardrails_from
from doorward.iam.documents import parse_document
from doorward.iam.invalid import refused_because, refused_when_written
from doorward.organization.model import Organization
from doorward_cli.checking import Checked, check
from doorward_cli.inputs import Subject, read_inputs
from tests.fakes import START as NOW
from tests.unit.test_cli_terraform import plan, resource

GITHUB, COGNITO = "token.actions.githubusercontent.com", "cognito-identity.amazonaws.com"
SENTINEL = "sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d"
OURS = "777788889999"


def statement(issuer: str, *keys: str, effect: str = "Allow", action: Any = "sts:AssumeRoleWithWebIdentity", **more: Any) -> dict[str, Any]:
    provider = issuer if issuer == COGNITO else f"arn:aws:iam::{OURS}:oidc-provider/{issuer}"
    condition = {"Condition": {"StringLike": dict.fromkeys(keys, "x*")}} if keys else {}
    return {"Effect": effect, "Principal": {"Federated": provider}, "Action": action, **condition, **more}


def document(*statements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


@pytest.mark.parametrize(
    ("statements", "claim"),
    [
        ([statement(GITHUB)], f"{GITHUB}:sub"),
        ([statement(GITHUB, f"{GITHUB}:aud")], f"{GITHUB}:sub"),
        ([statement(GITHUB, f"{GITHUB}:repository_owner_id")], f"{GITHUB}:sub"),
        ([statement(GITHUB, f"{GITHUB}:sub")], None),
        ([statement(GITHUB, f"{GITHUB}:SUB")], None),
        ([statement(GITHUB, action="sts:*")], f"{GITHUB}:sub"),
        ([statement(GITHUB, action=["sts:TagSession"])], None),
        ([statement(GITHUB, f"{GITHUB}:sub"), statement(GITHUB)], f"{GITHUB}:sub"),
        ([statement(GITHUB), statement(GITHUB, f"{GITHUB}:sub", effect="Deny")], None),
        ([statement(GITHUB, effect="Deny")], None),
        ([statement(f"{GITHUB}/acme")], None),
        ([statement("github.acme.example")], None),
        ([statement("gitlab.com", "gitlab.com:aud")], "gitlab.com:sub"),
        ([statement("api.pulumi.com/oidc", "api.pulumi.com/oidc:sub")], "api.pulumi.com/oidc:aud"),
        ([statement(COGNITO, f"{COGNITO}:amr")], f"{COGNITO}:aud"),
        ([statement(COGNITO, f"{COGNITO}:aud")], None),
        ([statement(SENTINEL, f"{SENTINEL}:aud")], "sts:RoleSessionName"),
        ([statement(SENTINEL, "sts:RoleSessionName")], None),
        ([{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}], None),
    ],
)
def test_a_shared_issuer_is_let_in_only_with_a_look_at_whose_token_it_is(statements: list[Any], claim: str | None) -> None:
    text = json.dumps(document(*statements))
    because = refused_when_written(parse_document(text))
    assert (because is None) is (claim is None)
    assert claim is None or f"without a condition on {claim}" in (because or "")
    assert refused_because(parse_document(text), text) is None, "it stands, and is judged"


OPEN = document(statement(GITHUB, f"{GITHUB}:aud"))
PINNED = document(statement(GITHUB, f"{GITHUB}:sub"))
PIPELINE = "aws_iam_role.ci"


def template(trust: Any) -> dict[str, Any]:
    return {"Resources": {"X": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}}}}


def planned(trust: Any, actions: list[str], before: Any = None) -> dict[str, Any]:
    text = json.dumps(trust)
    held = None if before is None else {"assume_role_policy": json.dumps(before)}
    change = {"actions": actions, "before": held, "after": {"assume_role_policy": text}}
    return plan(resource(PIPELINE, text), resource_changes=[{"address": PIPELINE, "type": "aws_iam_role", "change": change}])


def state(trust: Any) -> dict[str, Any]:
    return {"format_version": "1.0", "values": {"root_module": {"resources": [resource(PIPELINE, json.dumps(trust))]}}}


def checked(tmp_path: Path, value: Any) -> Checked:
    file = tmp_path / "input.json"
    file.write_text(json.dumps(value))
    subjects = [each for each in read_inputs([str(file)], OURS) if isinstance(each, Subject)]
    [found] = check(subjects, (), Organization(), guardrails_from({}), now=NOW).roles
    return found


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        pytest.param(template(OPEN), Verdict.INVALID, id="template"),
        pytest.param(planned(OPEN, ["create"]), Verdict.INVALID, id="plan: made"),
        pytest.param(planned(OPEN, ["update"], PINNED), Verdict.INVALID, id="plan: changed"),
        pytest.param(planned(OPEN, ["delete", "create"], OPEN), Verdict.INVALID, id="plan: made anew"),
        pytest.param(plan(resource(PIPELINE, json.dumps(OPEN))), Verdict.INVALID, id="plan: that does not say"),
        pytest.param(planned(OPEN, ["update"], OPEN), Verdict.VIOLATING, id="plan: something else of the role changed"),
        pytest.param(planned(OPEN, ["no-op"], OPEN), Verdict.VIOLATING, id="plan: left alone"),
        pytest.param(state(OPEN), Verdict.VIOLATING, id="state"),
        pytest.param(OPEN, Verdict.VIOLATING, id="document"),
        pytest.param({"Role": {"RoleName": "x", "AssumeRolePolicyDocument": OPEN}}, Verdict.VIOLATING, id="get-role"),
    ],
)
def test_what_iam_would_refuse_to_write_is_invalid_where_it_is_to_be_written_and_its_hole_is_told_everywhere(
    tmp_path: Path, value: Any, verdict: Verdict
) -> None:
    found = checked(tmp_path, value)
    assert found.judgement.verdict is verdict
    gravest, *_ = found.judgement.findings
    assert (gravest.rule, str(gravest.severity)) == ("oidc-unscoped-subject", "critical")
    assert found.whole is not None, "what would close it is offered as well"
    assert (found.judgement.because is not None) is (verdict is Verdict.INVALID)
    assert verdict is not Verdict.INVALID or f"{GITHUB}:sub" in (found.judgement.because or "")


def test_a_policy_that_lets_nobody_else_in_is_refused_all_the_same(tmp_path: Path) -> None:
    """GitHub's `repository_owner_id` is as good, and IAM does not know it."""
    owner = document(statement(GITHUB, Condition={"StringEquals": {f"{GITHUB}:repository_owner_id": "1"}}))
    assert checked(tmp_path, template(owner)).judgement.verdict is Verdict.INVALID
    assert checked(tmp_path, owner).judgement.verdict is not Verdict.INVALID


def test_a_statement_that_is_not_known_yet_is_not_spoken_of(tmp_path: Path) -> None:
    unknown = statement(GITHUB, Condition={"Ref": "Whatever"})
    assert checked(tmp_path, template(document(unknown))).judgement.verdict is Verdict.UNDECIDABLE
