"""A remedy's hints, applied to the template, make it say what the remedy says; and touch nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.findings.model import Remedy
from doorward.guardrails.parsing import guardrails_from
from doorward.iam.documents import parse_document, render_document
from doorward.organization.model import Organization
from doorward_cli import words
from doorward_cli.checking import Checked, check
from doorward_cli.inputs import Subject, read_inputs
from doorward_cli.patch_hints import PatchHint, patch_hints
from tests.fakes import START as NOW

CASES = Path(__file__).parents[1] / "cases/cli"
OURS = "777788889999"


def subjects(file: Path, account: str | None = OURS) -> list[Subject]:
    return [each for each in read_inputs([str(file)], account) if isinstance(each, Subject)]


def judged(file: Path, account: str | None = OURS) -> list[Checked]:
    return list(check(subjects(file, account), (), Organization(), guardrails_from({}), now=NOW).roles)


def patch_of(checked: Checked) -> tuple[PatchHint, ...]:
    assert checked.whole is not None
    return checked.whole.patch


def applied(text: str, hints: tuple[PatchHint, ...]) -> str:
    for hint in reversed(hints):
        assert hint.line is not None
        assert hint.column is not None
        start = sum(len(each) + 1 for each in text.split("\n")[: hint.line - 1]) + hint.column - 1
        assert text.startswith(hint.replace, start)
        text = text[:start] + hint.by + text[start + len(hint.replace) :]
    return text


def document(file: Path) -> Any:
    [subject] = subjects(file)
    return parse_document(subject.trust_policy)


def test_the_hint_is_one_line_where_one_value_goes() -> None:
    [reports, *_] = judged(CASES / "template.yaml")
    [hint] = patch_of(reports)
    assert hint == PatchHint(
        str(CASES / "template.yaml"),
        25,
        1,
        "Resources.Reports.Properties.AssumeRolePolicyDocument.Statement[1].Principal.AWS[1]",
        "                - !Ref Partner  # leaves in March\n",
        "",
    )


HEAD = "Resources:\n  X:\n    Type: AWS::IAM::Role\n    Properties:\n      AssumeRolePolicyDocument:\n"
GITHUB = """\
        Version: 2012-10-17
        Statement:
          - Effect: Allow
            Principal:
              Federated: !Sub arn:aws:iam::${AWS::AccountId}:oidc-provider/token.actions.githubusercontent.com
            Action: sts:AssumeRoleWithWebIdentity
            Condition:
              StringLike:
                token.actions.githubusercontent.com:sub: "repo:*"
  Queue:
    Type: AWS::SQS::Queue
"""
PATCHED = """\
          - Effect: Allow
            Principal:
              Federated: !Sub 'arn:aws:iam::${AWS::AccountId}:oidc-provider/token.actions.githubusercontent.com'
"""


@pytest.mark.parametrize("account", [OURS, None])
def test_what_a_statement_keeps_keeps_its_functions(tmp_path: Path, account: str | None) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(HEAD + GITHUB)
    [subject] = subjects(file, account)
    new = json.loads(subject.trust_policy)
    new["Statement"][0]["Condition"]["StringLike"]["token.actions.githubusercontent.com:sub"] = "repo:acme/*"
    made = applied(file.read_text(), patch_hints(subject, Remedy("tighten", new, proved=True)))
    assert PATCHED in made
    assert "000000000000" not in made
    assert made.endswith("  Queue:\n    Type: AWS::SQS::Queue\n")


def test_a_whole_document_that_is_replaced_names_no_stand_in_account(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(HEAD + GITHUB)
    [subject] = subjects(file, None)
    root = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole", "Sid": "New"}
    made = applied(file.read_text(), patch_hints(subject, Remedy("restore", {"Version": "2012-10-17", "Statement": [root]}, proved=True)))
    assert "AWS: !Sub 'arn:aws:iam::${AWS::AccountId}:root'" in made


def test_one_branch_of_a_condition_is_not_edited(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    open_statement = {"Effect": "Allow", "Principal": {"AWS": "999988887777"}, "Action": "sts:AssumeRole"}
    kept = {"Effect": "Allow", "Principal": {"AWS": OURS}, "Action": "sts:AssumeRole"}
    statements = [kept, {"Fn::If": ["C", {**open_statement, "Principal": {"AWS": [OURS, "999988887777"]}}, kept]}]
    policy = {"Version": "2012-10-17", "Statement": statements}
    resource = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": policy}}
    file.write_text(json.dumps({"Conditions": {"C": {"Fn::Equals": ["a", "a"]}}, "Resources": {"X": resource}}))
    [checked] = judged(file)
    assert checked.whole is not None
    assert patch_of(checked) == ()


def test_statements_that_an_anchor_brings_in_are_not_edited_where_others_use_them(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    shared = "Shared: &s {Effect: Allow, Principal: {AWS: '999988887777'}, Action: 'sts:AssumeRole'}\n"
    own = "        Statement:\n          - *s\n          - {Effect: Allow, Principal: {AWS: '777788889999'}, Action: 'sts:AssumeRole'}\n"
    file.write_text(f"{shared}{HEAD}        Version: 2012-10-17\n{own}")
    [checked] = judged(file)
    [hint] = patch_of(checked)
    assert hint.place == "Resources.X.Properties.AssumeRolePolicyDocument"
    made = applied(file.read_text(), patch_of(checked))
    assert made.startswith(shared)


UNKNOWN = {"Effect": "Allow", "Principal": {"AWS": {"Fn::ImportValue": "hub"}}, "Action": "sts:AssumeRole"}
HOLE = {"Sid": "Hole", "Effect": "Allow", "Principal": {"AWS": "999988887777"}, "Action": "sts:AssumeRole"}
OURS_TOO = {"Sid": "Ours", "Effect": "Allow", "Principal": {"AWS": OURS}, "Action": "sts:AssumeRole"}
PARTLY = {**HOLE, "Principal": {"AWS": ["999988887777", {"Fn::ImportValue": "hub"}]}}


@pytest.mark.parametrize("spelling", ["yaml", "json"])
def test_a_hole_beside_an_unknown_statement_is_closed_and_that_statement_left_as_it_is(tmp_path: Path, spelling: str) -> None:
    file = tmp_path / "t"
    template = whole({"Version": "2012-10-17", "Statement": [UNKNOWN, HOLE, OURS_TOO]})
    file.write_text(json.dumps(template, indent=1) if spelling == "json" else yaml.safe_dump(template, sort_keys=False))
    [checked] = judged(file)
    assert checked.whole is not None
    assert checked.whole.remedy.proved is False
    assert checked.whole.remedy.trust_policy["Statement"] == [UNKNOWN, OURS_TOO]
    file.write_text(applied(file.read_text(), patch_of(checked)))
    assert yaml.safe_load(file.read_text())["Resources"]["X"]["Properties"]["AssumeRolePolicyDocument"]["Statement"] == [UNKNOWN, OURS_TOO]
    assert [str(each.judgement.verdict) for each in judged(file)] == ["undecidable"]


def test_an_external_id_of_an_unknown_statement_is_masked_too(tmp_path: Path) -> None:
    file = tmp_path / "t"
    secret = {**PARTLY, "Condition": {"StringEquals": {"sts:ExternalId": "customer-7-secret"}}}
    file.write_text(json.dumps(whole({"Version": "2012-10-17", "Statement": [secret]}), indent=1))
    [checked] = judged(file)
    [hint] = patch_of(checked)
    assert "customer-7-secret" in hint.replace
    assert "customer-7-secret" not in "\n".join(words.patch_diff(checked, hint))


@pytest.mark.parametrize("statements", [[PARTLY, OURS_TOO], [UNKNOWN, HOLE]], ids=["in the statement itself", "and nothing else"])
def test_what_stands_in_for_an_unknown_statement_is_never_offered(tmp_path: Path, statements: list[Any]) -> None:
    file = tmp_path / "t"
    file.write_text(json.dumps(whole({"Version": "2012-10-17", "Statement": statements})))
    [checked] = judged(file)
    assert checked.whole is not None
    assert "AROA" not in json.dumps([checked.whole.remedy.trust_policy, checked.whole.patch])


def test_a_remedy_without_a_place_shows_what_is_written_and_no_stand_in(tmp_path: Path) -> None:
    file = tmp_path / "t"
    secret = {**UNKNOWN, "Condition": {"StringEquals": {"sts:ExternalId": "customer-7-secret"}}}
    text = yaml.safe_dump(whole({"Version": "2012-10-17", "Statement": [secret, OURS_TOO]}))
    with_anchor = text.replace("Statement:\n", "Statement:\n        - *s\n")
    file.write_text(f"Shared: &s {json.dumps(HOLE)}\n{with_anchor}")
    [checked] = judged(file)
    assert checked.whole is not None
    assert patch_of(checked) == ()
    said = "\n".join(words.remedy_diff(checked))
    assert "AROA" not in said
    assert "customer-7-secret" not in said
    assert '"Sid": "Hole"' in said


def test_a_macro_leaves_no_remedy_but_quarantine(tmp_path: Path) -> None:
    file = tmp_path / "t"
    file.write_text(json.dumps({"Transform": "Ours", **whole({"Version": "2012-10-17", "Statement": [HOLE, OURS_TOO]})}))
    [checked] = judged(file)
    assert checked.whole is not None
    assert checked.whole.remedy.kind == "quarantine"


@pytest.mark.parametrize("spelling", ["json", "yaml"])
def test_each_findings_own_patch_edits_its_own_statement_and_the_roles_patch_edits_both(tmp_path: Path, spelling: str) -> None:
    file = tmp_path / "t"
    another = {**HOLE, "Sid": "Another", "Principal": {"AWS": ["111122223333", "arn:aws:iam::777788889999:root"]}}
    template = whole({"Version": "2012-10-17", "Statement": [HOLE, another, OURS_TOO]})
    text = json.dumps(template, indent=1) if spelling == "json" else yaml.safe_dump(template, sort_keys=False)
    file.write_text(text)
    [checked] = judged(file)
    narrowed = {**another, "Principal": {"AWS": ["arn:aws:iam::777788889999:root"]}}

    def written(patch: tuple[PatchHint, ...]) -> list[Any]:
        made = yaml.safe_load(applied(text, patch))
        return list(made["Resources"]["X"]["Properties"]["AssumeRolePolicyDocument"]["Statement"])

    own = {finding.statement.sid: each for finding, each in zip(checked.judgement.findings, checked.own, strict=True) if each is not None}
    assert written(own["Hole"].patch) == [another, OURS_TOO]
    assert written(own["Another"].patch) == [HOLE, narrowed, OURS_TOO]
    assert written(patch_of(checked)) == [narrowed, OURS_TOO]


def test_a_terraform_hint_names_the_block_beside_the_plan() -> None:
    [x, *_] = judged(CASES / "plan.json")
    [hint] = patch_of(x)
    assert (hint.file, hint.line, hint.column) == (str(CASES / "role.tf"), 1, 1)
    assert hint.place == "aws_iam_role.x: assume_role_policy, from data.aws_iam_policy_document.x.json, statement 1"
    assert json.loads(hint.replace)["Sid"] == "Partner"
    assert hint.by == ""


def test_an_external_id_is_masked_where_a_hint_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    text = HEAD + (
        "        Version: 2012-10-17\n        Statement:\n          - Effect: Allow\n            Principal: {AWS: '*'}\n"
        "            Action: sts:AssumeRole\n            Condition: {StringEquals: {sts:ExternalId: customer-7-secret}}\n"
    )
    file.write_text(text)
    [checked] = judged(file)
    [hint] = patch_of(checked)
    assert "customer-7-secret" in hint.replace
    shown = "\n".join(words.patch_diff(checked, hint))
    assert "customer-7-secret" not in shown
    assert "***" in shown


# Any edit of any document in any spelling

PRINCIPALS = st.sampled_from(["*", OURS, "111122223333", "arn:aws:iam::222233334444:root", "arn:aws:iam::999988887777:role/x"])
ONE_OR_MANY = st.one_of(PRINCIPALS, st.lists(PRINCIPALS, min_size=1, max_size=3, unique=True))
VALUES = st.one_of(st.just("a: #b"), st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, unique=True))
KEYS = st.dictionaries(st.sampled_from(["aws:PrincipalOrgID", "sts:ExternalId"]), VALUES, min_size=1)
CONDITIONS = st.dictionaries(st.sampled_from(["StringEquals", "StringLike"]), KEYS, max_size=2)
STATEMENTS = st.fixed_dictionaries(
    {"Effect": st.just("Allow"), "Principal": ONE_OR_MANY.map(lambda each: {"AWS": each}), "Action": st.just("sts:AssumeRole")},
    optional={"Sid": st.sampled_from(["A", "B", "C"]), "Condition": CONDITIONS},
)
DOCUMENTS = st.lists(STATEMENTS, min_size=1, max_size=4).map(lambda each: {"Version": "2012-10-17", "Statement": each})


def flow_statements(policy: dict[str, Any]) -> str:
    lines = "".join(f"          - {json.dumps(each)}  # note\n\n" for each in policy["Statement"])
    return f"{HEAD}        Version: '2012-10-17'\n        Statement:\n{lines}  After: {{Type: AWS::SQS::Queue}}\n"


def whole(policy: dict[str, Any]) -> dict[str, Any]:
    resource = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": policy}}
    return {"Resources": {"X": resource, "After": {"Type": "AWS::SQS::Queue"}}}


SPELLINGS = [
    lambda policy: json.dumps(whole(policy)),
    lambda policy: json.dumps(whole(policy), indent=4),
    lambda policy: json.dumps(whole(policy), indent="\t"),
    lambda policy: yaml.safe_dump(whole(policy), sort_keys=False),
    lambda policy: yaml.safe_dump(whole(policy), default_flow_style=True),
    lambda policy: yaml.safe_dump(whole(policy), sort_keys=False, indent=4).replace("Statement:\n", "Statement:\n# all of them\n"),
    flow_statements,
]


@st.composite
def edited(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A document, and one in which statements are gone, have lost values, or have gained a condition."""
    policy = draw(DOCUMENTS)
    rendered = render_document(parse_document(policy))
    new: list[dict[str, Any]] = []
    for statement in rendered["Statement"]:
        match draw(st.sampled_from(["keep", "drop", "principals", "condition"])):
            case "keep":
                new.append(statement)
            case "principals":
                given = statement["Principal"]["AWS"]
                values = given if isinstance(given, list) else [given]
                new.append({**statement, "Principal": {"AWS": values[: draw(st.integers(1, len(values)))]}})
            case "condition":
                new.append({**statement, "Condition": {**statement.get("Condition", {}), "Bool": {"aws:SecureTransport": "true"}}})
            case _:
                pass
    return policy, {**rendered, "Statement": new or [{"Sid": "Q", "Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}


@settings(max_examples=300, deadline=None)
@given(edited(), st.sampled_from(SPELLINGS))
def test_hints_applied_make_the_template_say_what_the_remedy_says(
    tmp_path_factory: pytest.TempPathFactory, made: Any, spelling: Any
) -> None:
    policy, remedy = made
    file = tmp_path_factory.getbasetemp() / "t"
    text = spelling(policy)
    file.write_text(text)
    [subject] = subjects(file)
    hints = patch_hints(subject, Remedy("drop", remedy, proved=True))
    patched = applied(text, hints)
    file.write_text(patched)
    assert document(file) == parse_document(remedy)
    assert yaml.safe_load(patched.replace("\t", " "))["Resources"]["After"] == {"Type": "AWS::SQS::Queue"}
    if len(hints) == 0:
        assert parse_document(policy) == parse_document(remedy)


ANCHORED = """\
Resources:
  X:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement:
          - Effect: Allow
            Principal: {AWS: "*"}
            Action: &call sts:AssumeRole
          - Effect: Allow
            Principal: {Service: lambda.amazonaws.com}
            Action: %s
"""


@pytest.mark.parametrize(("action", "hints"), [("*call", 0), ("sts:AssumeRole", 1)])
def test_what_is_written_by_its_name_elsewhere_is_not_taken_away(tmp_path: Path, action: str, hints: int) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(ANCHORED % action)
    [checked] = judged(file)
    assert checked.whole is not None
    assert len(patch_of(checked)) == hints


POOL = "us-east-1:00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize("account", [OURS, None])
def test_a_text_that_only_looks_like_the_stand_in_account_stays_as_it_is(tmp_path: Path, account: str | None) -> None:
    file = tmp_path / "t.yaml"
    principal = {"Federated": "cognito-identity.amazonaws.com"}
    condition = {"StringEquals": {"cognito-identity.amazonaws.com:aud": POOL}}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    file.write_text(
        json.dumps({"Resources": {"X": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": policy}}}}, indent=2)
    )
    [subject] = subjects(file, account)
    new = json.loads(subject.trust_policy)
    new["Statement"][0]["Condition"]["ForAnyValue:StringLike"] = {"cognito-identity.amazonaws.com:amr": "authenticated"}
    file.write_text(applied(file.read_text(), patch_hints(subject, Remedy("tighten", new, proved=True))))
    assert document(file) == parse_document(new)
