"""SARIF, Markdown and HTML of `doorward check`: well-formed by their own rules, whole, and stable."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft4Validator, Draft202012Validator
from markdown_it import MarkdownIt

from doorward.findings.model import Finding, Judgement, Severity, StatementRef, Undecided, Verdict, Witness
from doorward_cli import html_page, json_report, markdown, sarif, tables
from doorward_cli.checking import Checked, Report
from doorward_cli.inputs import Subject, Unreadable
from doorward_cli.main import main

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests/cases/cli"
SARIF = Draft4Validator(
    json.loads((ROOT / "tests/cases/sarif/sarif-2.1.0-rtm.5.json").read_text()), format_checker=Draft4Validator.FORMAT_CHECKER
)
CHECK = Draft202012Validator(json.loads((ROOT / "docs/schemas/doorward.check.1.json").read_text()))
OURS = "777788889999"
WRITERS: dict[str, Callable[..., None]] = {
    "table": tables.print_report,
    "json": json_report.write_report,
    "sarif": sarif.write_report,
    "md": markdown.write_report,
    "html": html_page.write_report,
}


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.chdir(CASES)

    def run(format_: str, *arguments: str) -> str:
        main(["check", *arguments, "--format", format_])
        return capsys.readouterr().out

    return run


def written(format_: str, report: Report) -> str:
    import io

    stream = io.StringIO()
    WRITERS[format_](report, stream)
    return stream.getvalue()


class Waiver(NamedTuple):
    owner: str
    reason: str
    until: date


@dataclass
class WaiverToo:
    owner: str
    reason: str
    until: str


WAIVERS = [
    Waiver("platform", "until the migration", date(2026, 12, 31)),
    WaiverToo("platform", "until the migration", "2026-12-31"),
    {"owner": "platform", "reason": "until the migration", "until": "2026-12-31"},
]


def finding(**more: Any) -> Finding:
    given: dict[str, Any] = {
        "rule": "external-account",
        "kind": "text",
        "severity": Severity.MEDIUM,
        "title": "A title",
        "statement": StatementRef(0, None),
        "witness": None,
        "because": "Because.",
    }
    return Finding(**given | more)


def report_of(*judgements: Judgement, errors: tuple[Unreadable, ...] = ()) -> Report:
    subjects = [
        Subject(f"x.json#r{index}", '{"Statement": []}', arn=f"arn:aws:iam::{OURS}:role/r{index}", account=OURS)
        for index in range(len(judgements))
    ]
    checked = [Checked(subject, judgement) for subject, judgement in zip(subjects, judgements, strict=True)]
    return Report(tuple(checked), errors, foreign_by_default=False)


# Every format, whatever a finding holds


@pytest.mark.parametrize("format_", WRITERS)
def test_a_finding_without_a_witness_and_with_one_are_both_shown(format_: str) -> None:
    witness = Witness("*", "Anonymous", "sts:AssumeRole", {}, ())
    judgement = Judgement(Verdict.VIOLATING, (finding(), finding(kind="world", witness=witness, because="Otherwise.")))
    text = written(format_, report_of(judgement))
    assert "Because" in text
    assert "Otherwise" in text


@pytest.mark.parametrize("waiver", WAIVERS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("format_", WRITERS)
def test_a_waiver_is_shown_whatever_holds_it(format_: str, waiver: Any) -> None:
    text = written(format_, report_of(Judgement(Verdict.WAIVED, (finding(waiver=waiver),)))).replace("\\", "")
    assert all(each in text for each in ("platform", "until the migration", "2026-12-31"))
    if format_ == "json":
        CHECK.validate(json.loads(text))


@pytest.mark.parametrize("format_", WRITERS)
def test_nothing_at_all_is_a_whole_document(format_: str) -> None:
    text = written(format_, report_of())
    if format_ in {"json", "sarif"}:
        json.loads(text)
    assert format_ not in {"table", "md", "html"} or "0 roles: nothing to judge" in text


@pytest.mark.parametrize("format_", WRITERS)
def test_output_is_ascii_where_a_program_reads_it_and_ends_with_a_newline(shown: Callable[..., str], format_: str) -> None:
    text = shown(format_, "template.yaml", "--account", OURS)
    assert text.endswith("\n")
    assert format_ not in {"json", "sarif"} or text.isascii()


def test_the_json_is_what_the_schema_says_for_every_input(shown: Callable[..., str]) -> None:
    document = json.loads(shown("json", "template.yaml", "plan.json", "state.json", "trust-open.json", "list-roles.json", "broken.json"))
    CHECK.validate(document)
    patched = [each["source"] for each in document["roles"] for found in each["findings"] if "patch" in (found["remedy"] or {})]
    assert patched == ["template.yaml#Reports", "plan.json#aws_iam_role.x"]


# SARIF


def log(text: str) -> dict[str, Any]:
    document = json.loads(text)
    SARIF.validate(document)
    return dict(document["runs"][0])


def test_sarif_is_valid_by_the_published_schema(shown: Callable[..., str]) -> None:
    run = log(shown("sarif", "template.yaml", "plan.json", "list-roles.json", "trust-refused.json", "broken.json", "--account", OURS))
    assert {each["ruleId"] for each in run["results"]} == {"external-account", "service-confused-deputy", "world-assumable", "invalid"}
    assert [run["tool"]["driver"]["rules"][each["ruleIndex"]]["id"] for each in run["results"]] == [
        each["ruleId"] for each in run["results"]
    ]
    [notification] = run["invocations"][0]["toolExecutionNotifications"]
    assert "broken.json" in notification["message"]["text"]
    assert run["invocations"][0]["executionSuccessful"] is False


def test_the_check_by_the_schema_can_fail(shown: Callable[..., str]) -> None:
    document = json.loads(shown("sarif", "trust-open.json"))
    document["runs"][0]["results"][0]["level"] = "critical"
    assert not SARIF.is_valid(document)


def test_a_result_points_at_its_statement(shown: Callable[..., str]) -> None:
    [result] = [each for each in log(shown("sarif", "template.yaml", "--account", OURS))["results"] if each["level"] == "error"]
    [location] = result["locations"]
    assert location["physicalLocation"]["artifactLocation"] == {"uri": "template.yaml"}
    assert location["physicalLocation"]["region"] == {"startLine": 20, "startColumn": 13, "endLine": 26, "endColumn": 35}
    assert location["logicalLocations"][0]["fullyQualifiedName"] == f"arn:aws:iam::{OURS}:role/reports"


@pytest.mark.parametrize(
    ("severity", "level"),
    [("critical", "error"), ("high", "error"), ("medium", "warning"), ("low", "note"), ("info", "note")],
)
def test_levels_follow_severity(severity: str, level: str) -> None:
    run = log(written("sarif", report_of(Judgement(Verdict.VIOLATING, (finding(severity=Severity(severity)),)))))
    assert run["results"][0]["level"] == level


def test_undecided_and_invalid_are_results_that_no_viewer_hides() -> None:
    undecided = Judgement(Verdict.UNDECIDABLE, (), (Undecided("external-account", StatementRef(0, None), "X", "Because."),))
    results = log(written("sarif", report_of(undecided, Judgement(Verdict.INVALID, because="no"))))["results"]
    assert [(each["ruleId"], each["level"], each.get("kind", "fail")) for each in results] == [
        ("external-account", "warning", "fail"), ("invalid", "error", "fail"),
    ]  # fmt: skip


def test_a_waived_finding_is_suppressed_and_no_other() -> None:
    run = log(written("sarif", report_of(Judgement(Verdict.VIOLATING, (finding(waiver=WAIVERS[0]), finding())))))
    [suppression] = run["results"][0]["suppressions"]
    assert (suppression["kind"], suppression["status"]) == ("external", "accepted")
    assert "suppressions" not in run["results"][1]


STATEMENTS: list[dict[str, Any]] = [
    {"Effect": "Allow", "Principal": {"AWS": ["999988887777", "555566667777"]}, "Action": ["sts:AssumeRole", "sts:TagSession"]},
    {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"},
    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
]


def fingerprints(shown: Callable[..., str], tmp_path: Path, roles: list[tuple[str, list[Any]]]) -> list[str]:
    file = tmp_path / "roles.json"
    raw = [
        {
            "RoleName": name,
            "Arn": f"arn:aws:iam::{OURS}:role/{name}",
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": each},
        }
        for name, each in roles
    ]
    file.write_text(json.dumps({"Roles": raw}))
    results = log(shown("sarif", str(file)))["results"]
    return [each["partialFingerprints"]["doorwardFinding/v1"] for each in results]


def test_fingerprints_do_not_change_with_the_order_of_anything(shown: Callable[..., str], tmp_path: Path) -> None:
    one = fingerprints(shown, tmp_path, [("a", STATEMENTS), ("b", STATEMENTS[1:])])
    turned = [{**STATEMENTS[0], "Principal": {"AWS": ["555566667777", "999988887777"]}, "Action": ["sts:TagSession", "sts:AssumeRole"]}]
    other = fingerprints(shown, tmp_path, [("b", STATEMENTS[:0:-1]), ("a", STATEMENTS[:0:-1] + turned)])
    assert len(set(one)) == len(one)
    assert sorted(one) == sorted(other)


def test_fingerprints_differ_by_role_and_by_content(shown: Callable[..., str], tmp_path: Path) -> None:
    one = fingerprints(shown, tmp_path, [("a", STATEMENTS[:1])])
    assert one != fingerprints(shown, tmp_path, [("b", STATEMENTS[:1])])
    assert one != fingerprints(shown, tmp_path, [("a", [{**STATEMENTS[0], "Principal": {"AWS": "999988887777"}}])])


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("a b/ü.json", "a%20b/%C3%BC.json"),
        ("/elsewhere/x.json", "file:///elsewhere/x.json"),
        ("a\nb:c?d#e.json", "a%0Ab%3Ac%3Fd%23e.json"),
        ("\ud800.json", "%ED%A0%80.json"),
    ],
)
def test_a_files_name_becomes_a_uri(file: str, uri: str) -> None:
    report = Report((Checked(Subject(file, "{}", file=file), Judgement(Verdict.VIOLATING, (finding(),))),), (), foreign_by_default=False)
    [location] = log(written("sarif", report))["results"][0]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == uri


# Markdown


def test_the_comment_has_a_summary_a_table_and_a_fold_for_each_role_that_says_something(shown: Callable[..., str]) -> None:
    text = shown("md", "template.yaml", "--account", OURS)
    assert text.startswith("**Doorward** judged 3 roles: 1 compliant, 1 violating, 1 undecidable.\n")
    assert text.count("<details>") == text.count("</details>") == 2
    assert "[external\\-account](docs/rules/external-account.md)" in text
    assert "-                - !Ref Partner  # leaves in March" in text
    tokens = [each.type for each in MarkdownIt("commonmark").enable("table").parse(text)]
    assert tokens.count("table_open") == 1
    assert tokens.count("fence") == 1


def test_the_worst_come_first() -> None:
    text = written(
        "md", report_of(Judgement(Verdict.COMPLIANT), Judgement(Verdict.INVALID, because="no"), Judgement(Verdict.VIOLATING, (finding(),)))
    )
    rows = [each for each in text.splitlines() if each.startswith("| ") and "role" in each and "Verdict" not in each]
    assert [re.findall("violating|invalid|compliant", each)[0] for each in rows] == ["violating", "invalid", "compliant"]


def test_a_comment_fits_and_counts_what_it_left_out() -> None:
    report = report_of(*(Judgement(Verdict.VIOLATING, (finding(because="x" * 300),)) for _ in range(2000)))
    text = written("md", report)
    assert len(text) <= 65_536
    assert re.search(r"\n\d+ more roles did not fit", text)
    assert text.count("<details>") == text.count("</details>")


# HTML


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_and_forbids_everything_else(shown: Callable[..., str]) -> None:
    text = shown("html", "template.yaml", "plan.json", "list-roles.json", "trust-refused.json", "broken.json")
    page = Page(text)
    assert page.open == []
    names = {each for each, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert not any(name.startswith("on") or name in {"style", "src"} for _, attributes in page.tags for name in attributes)
    assert all((attributes.get("href") or "#").startswith("#") for _, attributes in page.tags)
    [policy] = [each["content"] for name, each in page.tags if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert re.fullmatch(r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]+'; base-uri 'none'; form-action 'none'", policy)
    assert "prefers-color-scheme: dark" in text
    assert "url(" not in text
    for each in ("violating", "undecidable", "invalid", "compliant"):
        assert f'<section id="{each}">' in text


def test_the_hash_is_that_of_the_style_in_the_page(shown: Callable[..., str]) -> None:
    import base64
    import hashlib

    text = shown("html", "trust-open.json")
    style = re.search(r"<style>(.*)</style>", text, re.DOTALL)
    assert style is not None
    assert base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() in text


# Thousands


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_bar_is_drawn_on_a_terminal_and_nowhere_else(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    from doorward_cli.progress import FEWEST, progress

    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    with progress(FEWEST, "Judging") as told:
        for _ in range(FEWEST):
            told()
    told_so = capsys.readouterr()
    assert told_so.out == ""
    assert ("Judging" in told_so.err) is is_terminal
    assert "\x1b[3" not in told_so.err


@pytest.mark.parametrize("format_", ["json", "sarif", "md", "html"])
def test_the_result_goes_to_the_file_alone(format_: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out"
    assert main(["check", str(CASES / "get-role.json"), "--format", format_, "--output", str(file)]) == 1
    assert capsys.readouterr().out == ""
    assert file.read_text().endswith("\n")
