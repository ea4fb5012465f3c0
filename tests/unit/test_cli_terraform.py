"""`terraform show -json`: which roles are judged, what is known only after apply, and where the source is."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from doorward.findings.model import Verdict
from doorward.guardrails.parsing import guardrails_from
from doorward.organization.model import Organization
from doorward_cli import html_page, json_report, markdown, sarif, tables
from doorward_cli.checking import Report, check
from doorward_cli.inputs import Item, Subject, Unreadable, read_inputs
from tests.fakes import START as NOW

CASES = Path(__file__).parents[1] / "cases/cli"
OURS = "777788889999"
WRITERS = (tables.print_report, json_report.write_report, sarif.write_report, markdown.write_report, html_page.write_report)
OPEN = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}'
SAFE = OPEN.replace('"*"', '{"Service":"ec2.amazonaws.com"}')


def resource(address: str, policy: str | None, **more: Any) -> dict[str, Any]:
    kind = next(each for each in ("awscc_iam_role", "aws_iam_role", "aws_iam_user") if each in address)
    values = {"name": "n", "path": "/"} | ({} if policy is None else {"assume_role_policy": policy})
    return {"address": address, "mode": "managed", "type": kind, "values": values} | more


def plan(*planned: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"format_version": "1.2", "planned_values": {"root_module": {"resources": list(planned)}}, **more}


def read(tmp_path: Path, value: Any) -> list[Item]:
    file = tmp_path / "plan.json"
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    return list(read_inputs([str(file)], OURS))


def report_of(items: list[Item]) -> Report:
    return check([each for each in items if isinstance(each, Subject)], (), Organization(), guardrails_from({}), now=NOW)


def verdicts(tmp_path: Path, value: Any) -> dict[str, str]:
    report = report_of(read(tmp_path, value))
    return {each.subject.source.rpartition("#")[2]: str(each.judgement.verdict) for each in report.roles}


def test_a_plan_is_judged_as_planned_with_its_child_modules() -> None:
    report = report_of(list(read_inputs([str(CASES / "plan.json")], OURS)))
    assert [(each.subject.source.rpartition("#")[2], each.subject.arn, str(each.judgement.verdict)) for each in report.roles] == [
        ("aws_iam_role.x", f"arn:aws:iam::{OURS}:role/x", "violating"),
        ("module.ci.aws_iam_role.y", f"arn:aws:iam::{OURS}:role/y", "compliant"),
        ("module.ci.aws_iam_role.later", f"arn:aws:iam::{OURS}:role/later", "undecidable"),
    ]
    [undecided] = report.roles[2].judgement.undecidable
    assert undecided.construct == "assume_role_policy, known after apply: aws_iam_openid_connect_provider.github.arn"


def test_what_a_plan_leaves_alone_is_judged_as_it_stands_and_what_it_deletes_is_not(tmp_path: Path) -> None:
    standing = {"values": {"root_module": {"resources": [resource("aws_iam_role.kept", OPEN), resource("aws_iam_role.gone", OPEN)]}}}
    changes = [{"address": "aws_iam_role.gone", "change": {"actions": ["delete"]}}]
    assert verdicts(tmp_path, plan(resource("aws_iam_role.new", SAFE), prior_state=standing, resource_changes=changes)) == {
        "aws_iam_role.new": "compliant", "aws_iam_role.kept": "violating",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([resource("aws_iam_role.x", OPEN), resource("aws_iam_role.x", SAFE)], 2),
        ([resource('aws_iam_role.x["a.b"]', OPEN), resource("aws_iam_role.x[0]", OPEN)], 2),
        ([resource("data.aws_iam_role.x", OPEN, mode="data")], 0),
        ([resource("aws_iam_user.x", OPEN)], 0),
    ],
    ids=["one address twice", "indexed", "read, not managed", "another type"],
)
def test_every_managed_role_is_judged(tmp_path: Path, resources: list[dict[str, Any]], expected: int) -> None:
    assert len(report_of(read(tmp_path, plan(*resources))).roles) == expected


@pytest.mark.parametrize("policy", [None, "", " "])
def test_a_policy_that_is_not_known_yet_is_undecidable(tmp_path: Path, policy: str | None) -> None:
    assert verdicts(tmp_path, plan(resource("aws_iam_role.x", policy))) == {"aws_iam_role.x": "undecidable"}


def test_a_state_speaks_for_its_account(tmp_path: Path) -> None:
    arn = "arn:aws:iam::111122223333:role/n"
    held = resource("aws_iam_role.x", OPEN)
    held["values"]["arn"] = arn
    [role] = report_of(read(tmp_path, {"format_version": "1.0", "values": {"root_module": {"resources": [held]}}})).roles
    assert (role.subject.arn, role.subject.account, role.judgement.verdict) == (arn, "111122223333", Verdict.VIOLATING)


def test_the_cloud_control_provider_is_read_too(tmp_path: Path) -> None:
    held = resource("awscc_iam_role.x", None)
    held["values"]["assume_role_policy_document"] = OPEN
    assert verdicts(tmp_path, plan(held)) == {"awscc_iam_role.x": "violating"}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ('{"planned_values": {}, "planned_values": {}}', '"planned_values" is written twice'),
        ({"version": 4, "terraform_version": "1.9.0", "serial": 1, "lineage": "x", "resources": []}, "terraform show -json"),
    ],
)
def test_what_is_no_plan_is_one_error(tmp_path: Path, value: Any, says: str) -> None:
    [item] = read(tmp_path, value)
    assert isinstance(item, Unreadable)
    assert says in item.reason


def test_modules_nested_without_end_are_an_error(tmp_path: Path) -> None:
    module: dict[str, Any] = {"resources": [resource("aws_iam_role.x", OPEN)]}
    for _ in range(50):
        module = {"child_modules": [module]}
    [item] = read(tmp_path, {"format_version": "1.2", "planned_values": {"root_module": module}})
    assert isinstance(item, Unreadable)
    assert "modules nested" in item.reason


def test_values_written_twice_are_invalid(tmp_path: Path) -> None:
    text = json.dumps(plan(resource("aws_iam_role.x", OPEN))).replace('"path": "/"', f'"assume_role_policy": {json.dumps(SAFE)}')
    assert verdicts(tmp_path, text) == {"aws_iam_role.x": "invalid"}


# The source beside the plan

DATA = 'data "aws_iam_policy_document" "trust" {\n}\n'
CONFIGURED = {
    "resources": [
        {
            "address": "aws_iam_role.x",
            "expressions": {
                "assume_role_policy": {"references": ["data.aws_iam_policy_document.trust.json", "data.aws_iam_policy_document.trust"]}
            },
        }
    ]
}


def located(tmp_path: Path, address: str, configuration: dict[str, Any]) -> tuple[str | None, int | None]:
    [subject] = read(tmp_path, plan(resource(address, OPEN), configuration={"root_module": configuration}))
    assert isinstance(subject, Subject)
    assert subject.file is not None
    return Path(subject.file).relative_to(tmp_path).as_posix(), None if subject.at is None else subject.at.start.line


def test_the_data_source_that_writes_a_policy_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.tf").write_text('resource "aws_iam_role" "x" {\n}\n')
    (tmp_path / "b.tf").write_text(f"# ours\n\n  {DATA}")
    assert located(tmp_path, 'aws_iam_role.x["k"]', CONFIGURED) == ("b.tf", 3)
    assert located(tmp_path, "aws_iam_role.x", {}) == ("a.tf", 1)
    assert located(tmp_path, "aws_iam_role.other", {}) == ("plan.json", 1)


def test_a_local_module_is_searched_and_nothing_outside_of_the_plans_folder(tmp_path: Path) -> None:
    inside, outside = tmp_path / "work/modules/ci", tmp_path / "elsewhere"
    for folder in (inside, outside):
        folder.mkdir(parents=True)
        (folder / "main.tf").write_text(DATA)
    work = tmp_path / "work"
    for source, found in (("./modules/ci", "modules/ci/main.tf"), ("../elsewhere", "plan.json"), ("acme/ci/aws", "plan.json")):
        configuration = {"module_calls": {"ci": {"source": source, "module": CONFIGURED}}}
        assert located(work, "module.ci[0].aws_iam_role.x", configuration)[0] == found


# Whatever becomes of a plan

WHOLE = json.loads((CASES / "plan.json").read_text())


TEXTS = st.sampled_from(["", "*", "aws_iam_role", "module.", "module.ci.", "[", "]", "\ud800"])
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["type", "values", "address", "x"]), inner)),
    max_leaves=8,
)
