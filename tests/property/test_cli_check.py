"""`doorward check`, whatever it is given: verdicts or errors in every format, never a traceback and never a policy called safe unread."""

import io
import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.findings.model import Verdict
from doorward_cli.main import main
from tests.mutations import paths, put
from tests.unit import test_cli_check as checks
from tests.unit import test_cli_templates as templates
from tests.unit import test_cli_terraform as plans


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(paths(plans.WHOLE)), plans.ANYTHING)
def test_a_mutated_plan_ends_in_verdicts_or_errors(tmp_path_factory: pytest.TempPathFactory, path: Any, new: Any) -> None:
    items = plans.read(tmp_path_factory.getbasetemp(), put(plans.WHOLE, path, new))
    report = plans.report_of(items)
    assert report.errors == ()
    for write in plans.WRITERS:
        write(report, io.StringIO())
    for each in report.roles:
        assert (each.judgement.verdict is Verdict.COMPLIANT) <= (not each.subject.unresolved)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(paths(templates.WHOLE)), templates.ANYTHING, st.booleans())
def test_a_mutated_template_ends_in_verdicts_or_errors(
    tmp_path_factory: pytest.TempPathFactory, path: Any, new: Any, as_yaml: bool
) -> None:
    mutated = put(templates.WHOLE, path, new)
    text = yaml.safe_dump(mutated, allow_unicode=False) if as_yaml and "\ud800" not in repr(mutated) else json.dumps(mutated)
    items = templates.read(tmp_path_factory.getbasetemp(), text)
    report = templates.report_of(items)
    assert report.errors == ()
    for write in templates.WRITERS:
        write(report, io.StringIO())
    for each in report.roles:
        assert (each.judgement.verdict is Verdict.COMPLIANT) <= (not each.subject.unresolved)


@settings(max_examples=150)
@given(
    st.one_of(
        checks.JSON.map(lambda each: json.dumps(each).encode()),
        st.binary(max_size=60),
        st.text(max_size=40).map(lambda each: each.encode("utf-8", "replace")),
    )
)
def test_any_bytes_end_in_roles_or_errors(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "any.json"
    file.write_bytes(raw)
    out = file.with_suffix(".out")
    status = main(["check", str(file), "--format", "json", "--output", str(out)])
    shown = json.loads(out.read_text())
    checks.SCHEMA.validate(shown)
    assert status == (2 if shown["errors"] else 1 if shown["summary"]["compliant"] < shown["summary"]["roles"] else 0)
    assert not any("a bug in doorward" in each["reason"] for each in shown["errors"])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(paths(checks.DUMP)), checks.JSON, st.sampled_from(["table", "json", "sarif", "md", "html"]))
def test_a_mutated_dump_ends_in_verdicts_or_errors(
    tmp_path_factory: pytest.TempPathFactory, path: tuple[Any, ...], new: Any, format_: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "mutated.json"
    file.write_text(json.dumps(put(checks.DUMP, path, new)))
    out = file.with_suffix(".out")
    assert main(["check", str(file), "--format", format_, "--output", str(out)]) in {0, 1, 2}
    assert "a bug in doorward" not in out.read_text()
