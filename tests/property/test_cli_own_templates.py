"""`doorward check` of the templates that Doorward itself is installed by, as they stand and with a part of them replaced."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.findings.model import Verdict
from doorward_cli.inputs import Subject
from doorward_cli.templates import Resolver
from tests.mutations import paths, put
from tests.template.conftest import parsed
from tests.unit import test_cli_templates as templates

TEMPLATES = {name: parsed(name) for name in ("accounts/member.yaml", "accounts/management.yaml", "template.yaml")}
ODD: Any = st.sampled_from(
    [None, True, 7, "", "x", "arn:aws:iam::123456789012:root", [], {}, [[]], ["x"], {"x": ["y"]}, {"Ref": "X"}, {"Fn::Sub": "${X}"}]
)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("account", [None, templates.OURS])
def test_each_is_read_and_judged_whoever_deploys_it(tmp_path: Path, name: str, account: str | None) -> None:
    items = templates.read(tmp_path, TEMPLATES[name], account)
    assert all(isinstance(each, Subject) for each in items)
    report = templates.report_of(items)
    assert report.errors == ()
    assert all(each.judgement.verdict is not Verdict.INVALID for each in report.roles)


MEMBER = TEMPLATES["accounts/member.yaml"]
# Where each rule that CloudFormation templates are read by finds something.
PLACES = [each for each in paths(MEMBER) if each[:1] != ("Parameters",)]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PLACES), ODD)
def test_a_mutated_one_ends_in_verdicts_or_errors(tmp_path_factory: pytest.TempPathFactory, path: Any, new: Any) -> None:
    report = templates.report_of(templates.read(tmp_path_factory.getbasetemp(), put(MEMBER, path, new), None))
    assert report.errors == ()
    for write in templates.WRITERS:
        write(report, io.StringIO())


@pytest.mark.parametrize("odd", [[], {}, ["AWS::IAM::Role"], {"Name": []}], ids=json.dumps)
def test_a_type_or_a_transform_that_is_no_text_hides_no_other_role(tmp_path: Path, odd: Any) -> None:
    document = templates.trust(templates.allow({"AWS": {"Fn::GetAtt": "Odd.Arn"}}), templates.allow({"AWS": {"Fn::GetAtt": "OddRole.Arn"}}))
    resources = {"Odd": {"Type": odd, "Properties": {"RoleName": "x"}}, "Role": templates.role(document)}
    items = templates.read(tmp_path, {"AWSTemplateFormatVersion": "2010-09-09", "Transform": [odd], "Resources": resources})
    [checked] = templates.report_of(items).roles
    assert checked.judgement.verdict is Verdict.UNDECIDABLE


@pytest.mark.parametrize(("default", "text"), [(True, "true"), (False, "false"), (7, "7"), ("x", "x")])
def test_a_parameter_is_text_whatever_its_default_is(default: Any, text: str) -> None:
    template = {"Parameters": {"P": {"Type": "String", "Default": default}}}
    assert Resolver(template, None).resolve({"Ref": "P"}) == text
