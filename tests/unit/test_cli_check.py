"""`doorward check`: what it recognises, what it says, and that nothing in an input can speak for it."""

import gzip
import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from doorward.findings.model import Finding, Judgement, Severity, StatementRef, Undecided, Verdict, Witness
from doorward.guardrails.model import Guardrails
from doorward.organization.model import Organization, TrustedIssuer
from doorward_cli.checking import Checked, Report, check
from doorward_cli.inputs import Skipped, Subject, Unreadable, read_inputs
from doorward_cli.main import main
from doorward_cli.tables import print_report

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests/cases/cli"
SCHEMA = Draft202012Validator(json.loads((ROOT / "docs/schemas/doorward.check.1.json").read_text()))
SERVICE_DOCUMENT = json.loads((CASES / "trust-service.json").read_text())
OPEN_DOCUMENT = json.loads((CASES / "trust-open.json").read_text())
PROD = "arn:aws:iam::777788889999:role"
HIDDEN = "\u202e\u2066\u200b\x1b\x07\x9b\x85\u2028\ud800"


@pytest.fixture
def checked(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> dict[str, Any]:
        main(["check", *map(str, arguments), "--format", "json"])
        shown = json.loads(capsys.readouterr().out)
        SCHEMA.validate(shown)
        return dict(shown)

    return run


@pytest.fixture
def table(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> str:
        main(["check", *map(str, arguments)])
        return capsys.readouterr().out

    return run


def stdin(monkeypatch: pytest.MonkeyPatch, raw: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))


def verdicts(shown: dict[str, Any]) -> dict[str | None, str]:
    return {each["role"]: each["verdict"] for each in shown["roles"]}


def test_a_bare_document_has_no_role_and_no_account_of_its_own(checked: Any) -> None:
    [role] = checked(CASES / "trust-open.json")["roles"]
    assert (role["role"], role["account"], role["verdict"]) == (None, None, "violating")
    assert role["source"] == str(CASES / "trust-open.json")
    [finding, *_] = role["findings"]
    assert (finding["rule"], finding["severity"], finding["kind"]) == ("world-assumable", "critical", "world")
    assert finding["statement"] == {"index": 0, "sid": "Anybody"}
    assert finding["witness"]["action"] == "sts:AssumeRole"


def test_keys_stand_in_the_order_of_the_contract(checked: Any) -> None:
    shown = checked(CASES / "trust-open.json")
    assert list(shown) == ["format", "roles", "errors", "summary"]
    assert list(shown["roles"][0]) == ["role", "source", "verdict", "account", "findings", "because", "undecidable"]
    assert list(shown["roles"][0]["findings"][0]) == [
        "rule", "kind", "blast_radius", "severity", "title", "statement", "witness", "because", "waiver", "remedy",
    ]  # fmt: skip
    assert list(shown["summary"]) == ["roles", "compliant", "violating", "waived", "undecidable", "invalid"]


def test_account_says_whose_role_a_bare_document_is(checked: Any) -> None:
    [role] = checked(CASES / "trust-open.json", "--account", "111122223333")["roles"]
    assert role["account"] == "111122223333"


def test_the_arn_outweighs_the_option(checked: Any) -> None:
    [role] = checked(CASES / "get-role.json", "--account", "111122223333")["roles"]
    assert (role["role"], role["account"]) == (f"{PROD}/ci/deploy", "777788889999")


def test_what_the_aws_cli_prints_is_recognised(checked: Any) -> None:
    assert verdicts(checked(CASES / "get-role.json")) == {f"{PROD}/ci/deploy": "violating"}
    assert verdicts(checked(CASES / "list-roles.json")) == {f"{PROD}/web": "compliant", f"{PROD}/open": "violating"}
    assert verdicts(checked(CASES / "account-authorization-details.json")) == {f"{PROD}/web": "compliant", f"{PROD}/encoded": "violating"}


def test_the_source_names_the_role_in_a_file_of_several(checked: Any) -> None:
    assert [each["source"].rpartition("/")[2] for each in checked(CASES / "list-roles.json")["roles"]] == [
        "list-roles.json#web", "list-roles.json#open",
    ]  # fmt: skip


@pytest.mark.parametrize("separator", ["", "\n", "\r\n\r\n"])
def test_several_outputs_in_one_file_are_all_judged(checked: Any, tmp_path: Path, separator: str) -> None:
    file = tmp_path / "all.json"
    file.write_text(separator.join((CASES / name).read_text().strip() for name in ("get-role.json", "list-roles.json", "trust-open.json")))
    shown = checked(file)
    assert shown["errors"] == []
    assert [each["source"].rpartition("/")[2] for each in shown["roles"]] == [
        "all.json#deploy", "all.json#2#web", "all.json#2#open", "all.json#3",
    ]  # fmt: skip


def test_a_slurped_list_and_a_queried_role_are_recognised(checked: Any, tmp_path: Path) -> None:
    file = tmp_path / "list.json"
    role = json.loads((CASES / "get-role.json").read_text())["Role"]
    file.write_text(json.dumps([{"Role": role}, OPEN_DOCUMENT, role, {"Roles": [role]}]))
    assert checked(file)["summary"]["roles"] == 4


def test_gzip_is_read_by_content_not_by_name(checked: Any, tmp_path: Path) -> None:
    file = tmp_path / "roles"
    file.write_bytes(gzip.compress((CASES / "list-roles.json").read_bytes()) + gzip.compress((CASES / "get-role.json").read_bytes()))
    assert checked(file)["summary"]["roles"] == 3


def test_standard_input_is_read(checked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, (CASES / "get-role.json").read_bytes())
    assert [each["source"] for each in checked("-")["roles"]] == ["-#deploy"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_windows_writes_is_read(checked: Any, tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "role.json"
    file.write_text((CASES / "get-role.json").read_text(), encoding=encoding)
    assert checked(file)["summary"]["roles"] == 1


TEMPLATE = {"Resources": {"X": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": SERVICE_DOCUMENT}}}}
PLAN = {"format_version": "1.2", "planned_values": {"root_module": {}}}


def fill(folder: Path, files: dict[str, Any]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())


def test_a_folder_means_what_is_recognised_below_it_in_order(checked: Any, tmp_path: Path) -> None:
    yaml = "Resources:\n  X:\n    Type: AWS::IAM::Role\n    Properties:\n      AssumeRolePolicyDocument:\n        Statement: []\n"
    fill(
        tmp_path,
        {"b/c/x.json": SERVICE_DOCUMENT, "b/a.json.gz": SERVICE_DOCUMENT, "c.json": SERVICE_DOCUMENT}
        | {"d.template": TEMPLATE, "e.yml": yaml}
        | {"f.yaml.gz": yaml, "g.json": PLAN, "notes.txt": "not read"}
        | {".git/x.json": OPEN_DOCUMENT, "node_modules/x/x.json": OPEN_DOCUMENT},
    )
    shown = checked(tmp_path)
    assert [Path(each["source"]).relative_to(tmp_path).as_posix() for each in shown["roles"]] == [
        "b/a.json.gz", "b/c/x.json", "c.json", "d.template#X", "e.yml#X", "f.yaml.gz#X",
    ]  # fmt: skip
    assert shown["errors"] == []


OTHER_FILES: dict[str, Any] = {
    "package.json": {"name": "x"},
    "tsconfig.json": "{// comment\n}",
    "compose.yaml": "services: {}\n",
    "several.yaml": "a: 1\n---\nb: 2\n",
    "empty.json": "",
    "identity.json": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]},
    "bucket.json": {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}],
    },
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_other_files_of_a_folder_are_passed_over_and_named(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, {name: OTHER_FILES[name], "role.json": SERVICE_DOCUMENT})
    assert main(["check", str(tmp_path), "--account", "111122223333"]) == 0
    told = capsys.readouterr().err
    assert told.startswith(f"doorward: skipped 1: {tmp_path}/{name} (")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("role.json", '{"AssumeRolePolicyDocument": {'),
        ("plan.json", '{"assume_role_policy": '),
        ("t.yaml", "Resources:\n  X:\n    Type: AWS::IAM::Role\n   Properties: {\n"),
        ("t.yaml", "a: 1\n---\nType: AWS::IAM::Role\n"),
        ("trust.json", '{"Statement": [{"Action": "sts:AssumeRole", "Principal": "*"},]}'),
    ],
)
def test_a_file_of_a_folder_that_speaks_of_roles_and_cannot_be_read_is_an_error(name: str, content: str, tmp_path: Path) -> None:
    fill(tmp_path, {name: content, "ok.json": SERVICE_DOCUMENT})
    assert main(["check", str(tmp_path)]) == 2


@pytest.mark.parametrize("action", ["*", "s*:*", "STS:AssumeRole", "sts:*"])
def test_a_policy_that_may_be_a_trust_policy_is_not_passed_over(checked: Any, tmp_path: Path, action: str) -> None:
    fill(
        tmp_path, {"x.json": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": [action, "s3:Get"]}]}}
    )
    assert len(checked(tmp_path)["roles"]) == 1


@pytest.mark.parametrize("files", [{}, {"package.json": {"name": "x"}}], ids=["empty", "nothing recognised"])
def test_a_folder_with_nothing_to_judge_is_an_error_not_a_clean_bill(checked: Any, tmp_path: Path, files: dict[str, Any]) -> None:
    fill(tmp_path, files)
    [error] = checked(tmp_path)["errors"]
    assert error["file"] == str(tmp_path)


def test_a_folder_of_templates_without_roles_is_a_clean_bill(tmp_path: Path) -> None:
    fill(tmp_path, {"t.json": {"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}})
    assert main(["check", str(tmp_path)]) == 0


def test_a_template_from_a_pipe_compressed_too_is_read(checked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, gzip.compress((CASES / "template.yaml").read_bytes()))
    assert [each["source"] for each in checked("-", "--account", "777788889999")["roles"]] == ["-#Reports", "-#Worker", "-#Imported"]


def test_a_template_in_yamls_flow_style_is_read(checked: Any, tmp_path: Path) -> None:
    text = "{Resources: {X: {Type: 'AWS::IAM::Role', Properties: {AssumeRolePolicyDocument: {Statement: [%s]}}}}}"
    fill(tmp_path, {"t.yaml": text % "{Effect: Allow, Principal: '*', Action: 'sts:AssumeRole'}"})
    [role] = checked(tmp_path / "t.yaml")["roles"]
    assert role["verdict"] == "violating"


def test_one_unreadable_file_leaves_the_rest_judged(checked: Any) -> None:
    shown = checked(CASES / "broken.json", CASES / "trust-open.json", CASES / "role.tf")
    assert shown["summary"]["violating"] == 1
    [broken, source] = shown["errors"]
    assert (broken["file"], broken["position"]) == (str(CASES / "broken.json"), "line 2, column 16")
    assert "terraform show -json" in source["reason"]


def test_a_role_without_a_trust_policy_is_an_error_beside_the_others(checked: Any, tmp_path: Path) -> None:
    file = tmp_path / "roles.json"
    file.write_text(json.dumps({"Roles": [{"RoleName": "x"}, json.loads((CASES / "get-role.json").read_text())["Role"], 3]}))
    shown = checked(file)
    assert shown["summary"]["roles"] == 1
    assert [each["position"] for each in shown["errors"]] == ["Roles[0]", "Roles[2]"]


def test_a_document_that_iam_refuses_is_invalid_and_says_why(checked: Any) -> None:
    [role] = checked(CASES / "trust-refused.json")["roles"]
    assert role["verdict"] == "invalid"
    assert "Effect" in role["because"]


@pytest.mark.parametrize("wrap", ['{"Role": {"RoleName": "x", "AssumeRolePolicyDocument": %s}}', "%s", "[%s]"])
def test_a_name_written_twice_is_invalid_wherever_the_document_stands(checked: Any, tmp_path: Path, wrap: str) -> None:
    file = tmp_path / "twice.json"
    file.write_text(
        wrap % '{"Version": "2012-10-17", "Statement": [], "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*"}]}'
    )
    [role] = checked(file)["roles"]
    assert role["verdict"] == "invalid"
    assert "Statement" in role["because"]
    assert "twice" in role["because"]


def test_without_account_the_output_says_that_everybody_is_foreign(capsys: pytest.CaptureFixture[str]) -> None:
    says = "every account it names that --org does not list counts as foreign"
    main(["check", str(CASES / "trust-service.json")])
    assert says in capsys.readouterr().out
    main(["check", str(CASES / "trust-service.json"), "--format", "json"])
    assert says in capsys.readouterr().err
    main(["check", str(CASES / "trust-service.json"), "--account", "111122223333"])
    main(["check", str(CASES / "get-role.json")])
    shown = capsys.readouterr()
    assert says not in shown.out + shown.err


def test_an_org_file_makes_an_account_ours(checked: Any, tmp_path: Path) -> None:
    org = tmp_path / "org.yaml"
    org.write_text('accounts: [{id: "777788889999"}, {id: "999988887777"}]\n')
    assert verdicts(checked(CASES / "get-role.json", "--org", org)) == {f"{PROD}/ci/deploy": "compliant"}
    assert verdicts(checked(CASES / "get-role.json", "--config", ROOT / "config")) == {f"{PROD}/ci/deploy": "violating"}
    assert verdicts(checked(CASES / "get-role.json", "--config", ROOT / "config", "--org", org)) == {f"{PROD}/ci/deploy": "compliant"}


def test_a_configured_severity_counts(checked: Any, tmp_path: Path) -> None:
    (tmp_path / "organization.yaml").write_text('accounts: [{id: "777788889999"}]\n')
    (tmp_path / "guardrails.yaml").write_text("rules: {external-account: {severity: info}}\n")
    [role] = checked(CASES / "get-role.json", "--config", tmp_path)["roles"]
    assert role["verdict"] == "compliant"
    assert [(each["rule"], each["severity"], each["remedy"]) for each in role["findings"]] == [("external-account", "info", None)]


def test_output_goes_to_the_file_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(CASES / "trust-open.json"), "--format", "json", "--output", str(tmp_path / "out.json")]) == 1
    assert capsys.readouterr().out == ""
    SCHEMA.validate(json.loads((tmp_path / "out.json").read_text()))


def test_the_table_speaks_to_both_readers(table: Any) -> None:
    shown = table(CASES / "list-roles.json")
    assert f"violating  {PROD}/open" in shown
    assert f"compliant  {PROD}/web" in shown
    assert "critical world-assumable  statement 0" in shown
    assert "witness" in shown
    assert "may call sts:AssumeRole" in shown
    assert "docs/rules/world-assumable.md" in shown
    assert "remedy" in shown
    assert "remedy" in shown
    assert "2 roles: 1 compliant, 1 violating" in shown


def test_no_colour_and_no_wrapping_leave_a_pipe(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    shown = table(CASES / "list-roles.json")
    assert "\x1b" not in shown
    assert f"{PROD}/open  ({CASES}/list-roles.json#open)" in shown


def test_an_external_id_is_masked_in_the_table(table: Any, tmp_path: Path) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": "customer-7-secret"}},
            }
        ],
    }
    file = tmp_path / "vendor.json"
    file.write_text(json.dumps(document))
    shown = table(file)
    assert "violating" in shown
    assert "customer-7-secret" not in shown
    assert "***" in shown


def hostile(text: str) -> dict[str, Any]:
    statement = {"Sid": text, "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"} | {
        "Condition": {"StringLike": {f"aws:PrincipalTag/{text}": f"*{text}*"}}
    }
    document = {"Version": "2012-10-17", "Statement": [statement]}
    role = {"RoleName": text, "Path": "/", "Arn": f"arn:aws:iam::777788889999:role/{text}", "AssumeRolePolicyDocument": document}
    return {"Roles": [role | {"Tags": [{"Key": text, "Value": text}]}]}


@pytest.mark.parametrize(
    "text",
    [
        f"[red]x[/red]{HIDDEN}",
        "[link=https://evil.example]x[/link]",
        "\x1b]8;;https://evil.example\x07x",
        ":warning: [bold",
        "a\nb\rcompliant  x",
    ],
)
def test_a_hostile_role_reaches_table_and_json_as_plain_visible_text(table: Any, checked: Any, tmp_path: Path, text: str) -> None:
    file = tmp_path / "roles.json"
    file.write_text(json.dumps(hostile(text)))
    shown = table(file)
    assert not set(shown) & set(HIDDEN + "\r\t")
    assert all(each.isprintable() for each in shown.splitlines())
    if text.startswith("[") and not set(text) & set(HIDDEN):
        assert text in shown
    assert sum(line.startswith(("compliant", "violating", "invalid", "undecidable")) for line in shown.splitlines()) == 1
    assert checked(file)["roles"][0]["role"] == f"{PROD}/{text}"


def test_a_witness_is_a_sentence_without_the_external_id() -> None:
    context: dict[str, str | tuple[str, ...]] = {
        "sts:ExternalId": "customer-7-secret",
        "aws:PrincipalOrgPaths": ("o-a/r-b/", "[red]\u202e"),
        "aws:SourceIp": (),
    }
    witness = Witness("arn:aws:iam::999988887777:role/any", "AWS", "sts:AssumeRole", context, ("aws:PrincipalOrgID",))
    finding = Finding("external-account", "world", Severity.HIGH, "A stranger", StatementRef(1, None), witness, "Because.")
    undecided = Undecided("external-account", StatementRef(0, "\x1b[2J"), "NumericLike", "[blink]")
    judgement = Judgement(Verdict.VIOLATING, (finding,), (undecided,))
    shown = io.StringIO()
    print_report(Report((Checked(Subject("x.json", "{}"), judgement),), (), foreign_by_default=False), shown)
    assert shown.getvalue() == (
        "violating  trust policy  (x.json)\n"
        "  high external-account  statement 1: A stranger\n"
        "    why     Because.\n"
        "    witness arn:aws:iam::999988887777:role/any may call sts:AssumeRole with sts:ExternalId = ***, "
        "aws:PrincipalOrgPaths = o-a/r-b/, [red]\\u202e, aws:SourceIp = (empty), and without aws:PrincipalOrgID.\n"
        "    page    docs/rules/external-account.md\n"
        '  undecided external-account  statement 0 "\\x1b[2J"\n'
        "    what    NumericLike\n"
        "    why     [blink]\n"
        "\n"
        "1 role: 1 violating\n"
    )


def test_each_finding_that_counts_has_its_own_remedy_and_the_role_one_for_all() -> None:
    provider = {"Federated": "arn:aws:iam::777788889999:oidc-provider/token.actions.githubusercontent.com"}
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": ["777788889999", "999988887777"]}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Principal": provider, "Action": "sts:AssumeRoleWithWebIdentity"},
        {"Effect": "Allow", "Principal": {"AWS": "777788889999", "Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    organization = Organization(oidc=(TrustedIssuer("token.actions.githubusercontent.com", ("repo:acme/*",), ("sts.amazonaws.com",)),))
    now = datetime(2026, 11, 24, tzinfo=UTC)
    [shown] = check([Subject("x.json", policy, account="777788889999")], (), organization, Guardrails(), now=now).roles
    document = shown.as_json()
    without_stranger = {**statements[0], "Principal": {"AWS": "777788889999"}}
    own = {each["rule"]: each["remedy"] for each in document["findings"]}
    assert own["mixed-callers"] is None
    assert own["external-account"]["trust_policy"]["Statement"] == [without_stranger, *statements[1:]]
    assert own["oidc-unscoped-subject"]["kind"] == own["oidc-unscoped-audience"]["kind"] == "tighten"
    conditions = [own[rule]["trust_policy"]["Statement"][1]["Condition"] for rule in ("oidc-unscoped-subject", "oidc-unscoped-audience")]
    subject, audience = conditions
    assert shown.whole is not None
    stranger, tokens, _ = shown.whole.remedy.trust_policy["Statement"]
    assert (stranger, tokens["Condition"]) == (without_stranger, subject | audience)


def test_json_on_stdout_is_ascii(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "roles.json"
    file.write_text(json.dumps(hostile("\u202e東")))
    main(["check", str(file), "--format", "json"])
    assert capsys.readouterr().out.isascii()


def test_a_hostile_file_name_is_shown_harmlessly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", str(tmp_path / "x\x1b[31m\n.json")])
    assert "\\x1b[31m\\n.json" in capsys.readouterr().err


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.sampled_from(["", "*", "Allow", "sts:AssumeRole", "2012-10-17", "\ud800", "%7B"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["Role", "Roles", "RoleDetailList", "RoleName", "Arn", "Path", "Tags", "Key", "AssumeRolePolicyDocument"])
            | st.sampled_from(
                ["Statement", "Version", "Effect", "Principal", "AWS", "Action", "Condition", "Sid", "Resources", "MaxSessionDuration"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=15,
)


DUMP = json.loads((CASES / "account-authorization-details.json").read_text())


def test_a_bomb_of_nesting_or_gzip_is_an_error(tmp_path: Path) -> None:
    nested, damaged = tmp_path / "nested.json", tmp_path / "damaged.json"
    nested.write_text('{"Statement":' * 200_000)
    damaged.write_bytes(gzip.compress(b"{}" * 1000)[:-12])
    read = list(read_inputs([str(nested), str(damaged)], None))
    assert [each.reason.split(";")[0] for each in read if isinstance(each, Unreadable)] == [
        "not usable JSON: nested too deeply",
        "damaged gzip",
    ]


def test_the_text_of_a_bare_document_reaches_the_judge_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    text = '{ "Version":"2012-10-17",  "Statement":[ ] }'
    file.write_text(f"\ufeff  {text}\n", encoding="utf-8")
    [subject] = read_inputs([str(file)], None)
    assert isinstance(subject, Subject)
    assert subject.trust_policy == text


def test_a_file_of_a_folder_that_may_not_be_looked_at_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: Path) -> bool:
        raise PermissionError

    (tmp_path / "x.json").mkdir()  # who may list a folder and not enter it sees a name, and that nothing behind it can be read
    monkeypatch.setattr(Path, "is_file", closed)
    monkeypatch.setattr(Path, "walk", lambda *_, **__: [(tmp_path, [], ["x.json"])])
    [told] = read_inputs([str(tmp_path)], None)
    assert isinstance(told, Unreadable)
    assert told.file.endswith("x.json")


HALF: Any = {"AssumeRolePolicyDocument": {}}


@pytest.mark.parametrize(
    "content",
    [
        {"AWSTemplateFormatVersion": "2010-09-09"},
        {"AWSTemplateFormatVersion": "2010-09-09", "Resources": []},
        {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"A": "x"}},
        {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"A": {"Properties": HALF}}},
        {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"A": {"Type": ["AWS::IAM::Role"], "Properties": HALF}}},
        {"format_version": "1.2", "planned_values": []},
        {"format_version": "1.2", "planned_values": {"root_module": "x"}},
        {"format_version": "1.2", "planned_values": {"root_module": {"resources": {}}}},
        {"format_version": "1.2", "planned_values": {"root_module": {"resources": ["x"]}}},
        {"format_version": "1.2", "planned_values": {"root_module": {"child_modules": {}}}},
        {"format_version": "1.2", "values": {"root_module": []}},
    ],
    ids=json.dumps,
)
def test_what_no_tool_would_take_or_write_is_no_clean_bill(tmp_path: Path, content: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.json"
    file.write_text(json.dumps(content))
    assert main(["check", str(file)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert str(file) in line


@pytest.mark.parametrize("values", [None, {}, {"root_module": None}, {"root_module": {}}, {"root_module": {"resources": None}}])
def test_a_plan_without_roles_is_one(tmp_path: Path, values: Any) -> None:
    file = tmp_path / "x.json"
    file.write_text(json.dumps({"format_version": "1.2", "planned_values": values}))
    assert main(["check", str(file)]) == 0


def test_what_only_looks_like_a_template_is_passed_over_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"Resources": {"a": {"id": 7}}}')
    (tmp_path / "b.json").write_text((CASES / "trust-open.json").read_text())
    assert [type(each) for each in read_inputs([str(tmp_path)], None)] == [Skipped, Subject]
    [told] = read_inputs([str(tmp_path / "a.json")], None)
    assert isinstance(told, Unreadable)
