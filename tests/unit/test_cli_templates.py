"""Templates: what is resolved, what is not known and said so, and that nothing hostile is ever compliant."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.findings.model import Finding, Judgement, Severity, StatementRef, Undecided, Verdict
from doorward.guardrails.parsing import guardrails_from
from doorward.organization.model import Organization
from doorward_cli import html_page, json_report, markdown, sarif, tables
from doorward_cli.checking import Checked, Report, check
from doorward_cli.inputs import Item, Subject, Unreadable, read_inputs
from doorward_cli.templates import NO_VALUE, Resolver, Unknown, roles_of
from doorward_cli.unresolved import Unresolved, with_unresolved
from tests.fakes import START as NOW
from tests.mutations import paths, put

TABLE = json.loads((Path(__file__).parents[1] / "cases/templates/functions.json").read_text())
OURS = "777788889999"
WRITERS = (tables.print_report, json_report.write_report, sarif.write_report, markdown.write_report, html_page.write_report)
SERVICE = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}


def trust(*statements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(principal: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}


def role(document: Any, **properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document, **properties}}


def read(tmp_path: Path, template: Any, account: str | None = OURS) -> list[Item]:
    file = tmp_path / "template"
    file.write_text(template if isinstance(template, str) else json.dumps(template))
    return list(read_inputs([str(file)], account))


def report_of(items: list[Item]) -> Report:
    subjects = [each for each in items if isinstance(each, Subject)]
    return check(subjects, (), Organization(), guardrails_from({}), now=NOW)


def judged(tmp_path: Path, template: Any, account: str | None = OURS) -> Checked:
    [item] = read(tmp_path, template, account)
    assert isinstance(item, Subject), item
    [checked] = report_of([item]).roles
    return checked


def verdict(tmp_path: Path, document: Any, account: str | None = OURS, **sections: Any) -> Verdict:
    return judged(tmp_path, {"Resources": {"X": role(document)}, **sections}, account).judgement.verdict


def named(value: Any) -> Any:
    if isinstance(value, Unknown):
        return {"unknown": value.construct}
    assert value is not NO_VALUE
    return value


@pytest.mark.parametrize("case", TABLE["values"], ids=lambda case: case["says"])
def test_each_function_is_resolved_or_says_what_is_not_known(case: dict[str, Any]) -> None:
    assert named(Resolver(TABLE["template"], OURS).resolve(case["value"])) == case["resolved"]


SHORT_FORMS = [
    ("!Ref Account", {"Ref": "Account"}),
    ("!Sub 'x${Account}'", {"Fn::Sub": "x${Account}"}),
    ("!Sub ['x${a}', {a: !Ref Account}]", {"Fn::Sub": ["x${a}", {"a": {"Ref": "Account"}}]}),
    ("!GetAtt Named.Arn", {"Fn::GetAtt": ["Named", "Arn"]}),
    ("!GetAtt Nested.Outputs.Arn", {"Fn::GetAtt": ["Nested", "Outputs.Arn"]}),
    ("!GetAtt [Named, Arn]", {"Fn::GetAtt": ["Named", "Arn"]}),
    ("!Join [':', [a, !Ref Account]]", {"Fn::Join": [":", ["a", {"Ref": "Account"}]]}),
    ("!If [IsProd, a, !Ref 'AWS::NoValue']", {"Fn::If": ["IsProd", "a", {"Ref": "AWS::NoValue"}]}),
    ("!FindInMap [Hub, !Ref Stage, id]", {"Fn::FindInMap": ["Hub", {"Ref": "Stage"}, "id"]}),
    ("!Select [0, !Split [',', 'a,b']]", {"Fn::Select": [0, {"Fn::Split": [",", "a,b"]}]}),
    ("!ImportValue hub", {"Fn::ImportValue": "hub"}),
    ("!Nonsense x", {"Fn::Nonsense": "x"}),
    ("{Ref: Account}", {"Ref": "Account"}),
    ("2012-10-17", "2012-10-17"),
    ("123456789012", 123456789012),
    ("012345670123", {"Fn::Unquoted": "012345670123"}),
    ("yes", True),
]


@pytest.mark.parametrize(("short", "long"), SHORT_FORMS, ids=[each for each, _ in SHORT_FORMS])
def test_short_forms_of_yaml_are_the_long_ones(short: str, long: Any) -> None:
    from doorward_cli.located import Text, find, locate_yaml

    located = locate_yaml(Text(f"a:\n  b: {short}\n"))
    assert located is not None
    value = find(located, "a", "b")
    assert value is not None
    assert value.value() == long


def test_yaml_and_json_of_a_template_are_the_same(tmp_path: Path) -> None:
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"X": role(trust(SERVICE, allow({"AWS": {"Ref": "P"}})))}}
    one, other = read(tmp_path, template), read(tmp_path, yaml.safe_dump(template))
    assert all(isinstance(each, Subject) for each in (*one, *other))
    assert [each.judgement for each in report_of(one).roles] == [each.judgement for each in report_of(other).roles]


BLOCKS = """\
Resources:
  X:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Principal: '*'
            Action: sts:AssumeRole

          # next
          - Effect: Deny
            Principal: '*'
            Action: '*'
"""


@pytest.mark.parametrize(
    ("text", "lines"),
    [(BLOCKS, [(8, 10), (13, 15)]), (json.dumps({"Resources": {"X": role(trust(SERVICE, SERVICE))}}, indent=1), [(9, 15), (16, 22)])],
    ids=["yaml", "json"],
)
def test_a_statement_is_found_at_its_line(tmp_path: Path, text: str, lines: list[tuple[int, int]]) -> None:
    [subject] = read(tmp_path, text)
    assert isinstance(subject, Subject)
    assert [(each.start.line, each.end.line) for each in subject.statements] == lines


def test_the_own_account_is_ours_whoever_it_is(tmp_path: Path) -> None:
    document = trust(allow({"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}}))
    assert verdict(tmp_path, document) is Verdict.COMPLIANT
    assert verdict(tmp_path, document, None) is Verdict.COMPLIANT
    assert verdict(tmp_path, trust(allow({"AWS": "999988887777"})), None) is Verdict.VIOLATING


@pytest.mark.parametrize(
    "principal",
    ["*", {"AWS": "*"}, {"AWS": {"Ref": "Partner"}}, {"AWS": {"Fn::Sub": "arn:aws:iam::${Partner}:root"}},
     {"Fn::If": ["Open", {"AWS": "*"}, {"AWS": "777788889999"}]}],
)  # fmt: skip
def test_a_hole_behind_a_function_is_found(tmp_path: Path, principal: Any) -> None:
    sections: dict[str, Any] = {
        "Parameters": {"Partner": {"Type": "String", "Default": "999988887777"}},
        "Conditions": {"Open": {"Fn::Equals": ["a", "a"]}},
    }
    assert verdict(tmp_path, trust(SERVICE, allow(principal)), **sections) is Verdict.VIOLATING


UNKNOWN = {"Fn::ImportValue": "hub"}


@pytest.mark.parametrize(
    "document",
    [
        UNKNOWN,
        {"Version": "2012-10-17", "Statement": UNKNOWN},
        {"Version": UNKNOWN, "Statement": [SERVICE]},
        trust(UNKNOWN),
        trust(SERVICE, UNKNOWN),
        trust(allow(UNKNOWN)),
        trust(allow({"AWS": UNKNOWN})),
        trust(allow({"AWS": [OURS, UNKNOWN]})),
        trust({**SERVICE, "Effect": UNKNOWN}),
        trust({**SERVICE, "Action": UNKNOWN}),
        trust(allow({"AWS": "*"}, Condition=UNKNOWN)),
        trust(allow({"AWS": "*"}, Condition={"StringEquals": UNKNOWN})),
        trust(allow({"AWS": "*"}, Condition={"StringEquals": {"aws:PrincipalOrgID": UNKNOWN}})),
        trust(allow({"AWS": "*"}, Condition={"StringEquals": {"aws:PrincipalOrgID": ["o-a1b2c3d4e5", UNKNOWN]}})),
        trust(allow({"AWS": "*"}), {"Effect": "Deny", "Principal": "*", "Action": "sts:*", "Condition": {"Bool": {"x": UNKNOWN}}}),
        trust(allow({"AWS": "*"}), {"Effect": "Deny", "Principal": UNKNOWN, "Action": "sts:*"}),
        trust(allow({"AWS": "*"}), UNKNOWN),
    ],
    ids=json.dumps,
)
def test_what_depends_on_an_unknown_value_is_undecidable_with_the_construct_named(tmp_path: Path, document: Any) -> None:
    checked = judged(tmp_path, {"Resources": {"X": role(document)}})
    assert checked.judgement.verdict is Verdict.UNDECIDABLE
    assert {each.construct for each in checked.judgement.undecidable} >= {"Fn::ImportValue hub"}
    assert checked.whole is None


@pytest.mark.parametrize(
    ("document", "statement"),
    [
        (trust(allow({"AWS": "*"}), allow({"AWS": UNKNOWN})), 0),
        (trust(allow({"AWS": UNKNOWN}), allow({"AWS": "*"})), 1),
        (trust(allow({"AWS": [UNKNOWN, "999988887777"]})), 0),
        (trust(allow({"AWS": "*"}), {"Effect": "Deny", "Principal": {"AWS": "111122223333"}, "Action": UNKNOWN}), 0),
        (trust({"Sid": UNKNOWN, **allow({"AWS": "*"})}), 0),
    ],
    ids=json.dumps,
)
def test_a_hole_that_no_unknown_value_can_close_is_found_beside_it(tmp_path: Path, document: Any, statement: int) -> None:
    checked = judged(tmp_path, {"Resources": {"X": role(document)}})
    assert checked.judgement.verdict is Verdict.VIOLATING
    assert [each.statement.index for each in checked.judgement.findings] == [statement]


def test_what_only_stands_in_for_a_statement_is_not_spoken_of() -> None:
    ref = StatementRef(0, None)
    finding = Finding("dead-statement", "text", Severity.MEDIUM, "T", ref, None, "B.")
    undecided = Undecided("external-account", ref, "AROA…", "B.")
    judgement = Judgement(Verdict.VIOLATING, (finding,), (undecided,))
    said = with_unresolved(judgement, (Unresolved(ref, "Ref X"),), frozenset({0}), "…")
    assert (said.verdict, said.findings, [each.construct for each in said.undecidable]) == (Verdict.UNDECIDABLE, (), ["Ref X"])


def test_a_document_that_is_a_text_is_read_as_json(tmp_path: Path) -> None:
    text = json.dumps(trust(allow({"AWS": "arn:aws:iam::${Partner}:root"})))
    sections: dict[str, Any] = {"Parameters": {"Partner": {"Type": "String", "Default": "999988887777"}}}
    assert verdict(tmp_path, {"Fn::Sub": text}, **sections) is Verdict.VIOLATING
    assert verdict(tmp_path, "no JSON") is Verdict.INVALID


def test_a_macro_makes_every_role_of_its_template_undecidable(tmp_path: Path) -> None:
    template = {"Transform": ["AWS::Serverless-2016-10-31", "Ours"], "Resources": {"X": role(trust(SERVICE))}}
    checked = judged(tmp_path, template)
    assert checked.judgement.verdict is Verdict.UNDECIDABLE
    assert [each.construct for each in checked.judgement.undecidable] == ["Transform Ours"]


@pytest.mark.parametrize(
    "resources",
    [
        {"Fn::ForEach::Roles": ["Name", ["A", "B"], {"Role${Name}": role(trust(SERVICE))}]},
        {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://x/y"}}},
        {"X": {"Type": "AWS::IAM::Role", "Properties": {"Fn::Transform": {"Name": "Ours"}}}},
    ],
    ids=lambda each: next(iter(each)),
)
def test_roles_that_a_loop_or_a_macro_makes_are_undecidable(tmp_path: Path, resources: Any) -> None:
    assert judged(tmp_path, {"Resources": resources}).judgement.verdict is Verdict.UNDECIDABLE


def test_sam_functions_and_globals_are_judged_where_they_write_a_trust_policy(tmp_path: Path) -> None:
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Globals": {"Function": {"AssumeRolePolicyDocument": trust(allow("*"))}},
        "Resources": {
            "Plain": {"Type": "AWS::Serverless::Function", "Properties": {"Handler": "x"}},
            "Own": {"Type": "AWS::Serverless::Function", "Properties": {"AssumeRolePolicyDocument": trust(SERVICE)}},
            "Machine": {"Type": "AWS::Serverless::StateMachine", "Properties": {"AssumeRolePolicyDocument": trust(allow("*"))}},
        },
    }
    report = report_of(read(tmp_path, template))
    assert {each.subject.source.rpartition("#")[2]: str(each.judgement.verdict) for each in report.roles} == {
        "Own": "compliant", "Machine": "violating", "Globals.Function": "violating",
    }  # fmt: skip


def test_a_role_that_a_condition_leaves_out_by_default_is_judged_all_the_same(tmp_path: Path) -> None:
    template = {"Conditions": {"No": {"Fn::Equals": ["a", "b"]}}, "Resources": {"X": {**role(trust(allow("*"))), "Condition": "No"}}}
    assert judged(tmp_path, template).judgement.verdict is Verdict.VIOLATING


@pytest.mark.parametrize("path", ["/aws-service-role/x/", "/aws-reserved/sso/"])
def test_a_template_cannot_hide_a_role_among_those_that_nobody_can_edit(tmp_path: Path, path: str) -> None:
    template = {"Resources": {"X": role(trust(allow("*")), Path=path)}}
    assert judged(tmp_path, template).judgement.verdict is Verdict.INVALID


ANCHORS = "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Resources:\n  X:\n    Type: AWS::IAM::Role\n  X:\n    Type: AWS::SQS::Queue\n", '"X" is written twice'),
        ('{"Resources": {"X": {"Type": "AWS::IAM::Role", "Type": "AWS::SQS::Queue"}}}', '"Type" is written twice'),
        ("Resources:\n  X:\n    Type: AWS::IAM::Role\n", "no AssumeRolePolicyDocument"),
        ("Resources: &a\n  X: *a\n", "anchors expand"),
        (f"Resources:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n{ANCHORS}", "anchors expand"),
        (f"Resources:\n  X: {'[' * 200}{']' * 200}\n", "nested too deeply"),
        ("Resources:\n  X: [\n", "not YAML"),
        ("Resources:\n  ? [a]\n  : b\n", "a name must be plain text"),
    ],
    ids=["logical id twice", "type twice", "no document", "recursive anchor", "anchor bomb", "deep", "broken", "odd key"],
)
def test_a_template_that_cannot_be_read_is_one_error(tmp_path: Path, text: str, says: str) -> None:
    [item] = read(tmp_path, text)
    assert isinstance(item, Unreadable)
    assert says in item.reason


def test_a_name_written_twice_in_the_document_is_invalid(tmp_path: Path) -> None:
    text = (
        "Resources:\n  X:\n    Type: AWS::IAM::Role\n    Properties:\n      AssumeRolePolicyDocument:\n        Statement: []\n"
        "        Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: 'sts:AssumeRole'}]\n"
    )
    checked = judged(tmp_path, text)
    assert (checked.judgement.verdict, checked.judgement.because) == (
        Verdict.INVALID,
        '"Statement" is written twice in one object; keep one',
    )


def test_an_expansion_of_functions_is_bounded() -> None:
    value: Any = "x" * 1000
    for _ in range(60):
        value = {"Fn::Sub": ["${a}${a}", {"a": value}]}
    assert isinstance(Resolver({}, None).resolve(value), Unknown)
    assert isinstance(Resolver({}, None).resolve({"Fn::Join": ["x" * 100_000, ["a"] * 100_000]}), Unknown)


# Whatever becomes of a good template, it is not a traceback, and never compliant where something is unknown

NAMES = st.sampled_from(
    ["Ref", "Fn::Sub", "Fn::If", "Fn::GetAtt", "Fn::Join", "Fn::Select", "Fn::Split", "Fn::FindInMap", "Fn::ImportValue", "Fn::X"]
)
TEXTS = st.sampled_from(["", "*", "P", "A", "${P}", "${A.Arn}", "AWS::AccountId", "C", "\ud800"])
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-2, 10**12), TEXTS)
OBJECTS = NAMES | st.text(max_size=3)
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(OBJECTS, inner, max_size=2)), max_leaves=12
)
GOOD = trust(
    allow({"AWS": [OURS, {"Fn::Sub": "arn:aws:iam::${P}:root"}]}, Condition={"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}})
)


WHOLE = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Parameters": {"P": {"Type": "String", "Default": OURS}},
    "Conditions": {"C": {"Fn::Equals": [{"Ref": "P"}, "x"]}},
    "Mappings": {"M": {"a": {"b": "c"}}},
    "Resources": {"A": role(GOOD, RoleName="a")},
}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([each for each in paths(GOOD) if each]))
def test_whatever_part_of_a_document_is_unknown_the_role_is_not_compliant(tmp_path_factory: pytest.TempPathFactory, path: Any) -> None:
    assert verdict(tmp_path_factory.getbasetemp(), put(GOOD, path, UNKNOWN)) is Verdict.UNDECIDABLE


@given(ANYTHING)
def test_roles_of_is_total(template: Any) -> None:
    list(roles_of({"Resources": template}, None))
    list(roles_of({"Resources": {"A": role(template)}, "Conditions": template, "Parameters": template, "Transform": template}, OURS))
