"""The exit status of every command is the contract's, and no traceback reaches a user."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from doorward.guardrails.judge import judge
from doorward_cli import checking
from doorward_cli import main as cli
from doorward_cli.main import main

CASES = Path(__file__).parents[1] / "cases/cli"
TABLE: list[dict[str, Any]] = json.loads((CASES / "exit_status.json").read_text())
SEVERAL_LINES = {"no command", "an org file that is none"}  # the help, and a line for each fault of a policy file
FOREIGN = (
    "Without --account, it is not known whose role a policy belongs to: every account it names that --org does not list counts as foreign."
)
BY_PROCESS = {"nothing to report", "a finding at fail-on", "an unreadable file outweighs findings", "no such option", "no command"}


def run_process(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "doorward_cli.main", *arguments]
    return subprocess.run(command, cwd=CASES, capture_output=True, text=True, timeout=60, check=False, **options)


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case["says"])
def test_the_exit_status_and_the_line_on_stderr_are_as_promised(
    case: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(CASES)
    status = main(case["arguments"])
    told = capsys.readouterr().err
    assert status == case["status"], told
    assert re.search(case["stderr"], told), told
    if case["status"] < 2:
        assert not told
    assert "Traceback" not in told


@pytest.mark.parametrize("case", [each for each in TABLE if each["says"] in BY_PROCESS], ids=lambda case: case["says"])
def test_a_process_exits_as_the_function_returns(case: dict[str, Any]) -> None:
    done = run_process(case["arguments"])
    assert done.returncode == case["status"]
    assert re.search(case["stderr"], done.stderr)


@pytest.mark.parametrize(
    "case", [each for each in TABLE if each["status"] == 2 and each["says"] not in SEVERAL_LINES], ids=lambda case: case["says"]
)
def test_a_usage_error_is_one_line(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(CASES)
    main([*case["arguments"]])
    lines = capsys.readouterr().err.splitlines()
    assert [each.startswith("doorward: ") for each in lines] == [True]


def test_a_bug_is_one_line_and_never_success(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("\x1b[31mno")

    monkeypatch.setattr(cli, "_facts", broken)
    assert main(["check", str(CASES / "trust-service.json")]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "a bug in doorward: ZeroDivisionError" in told
    assert "\x1b" not in told


def test_a_policy_that_trips_a_bug_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def brittle(role: Any, *arguments: Any, **named: Any) -> Any:
        if role.name == "web":
            raise RecursionError
        return judge(role, *arguments, **named)

    monkeypatch.setattr(checking, "judge", brittle)
    assert main(["check", str(CASES / "list-roles.json"), "--format", "json"]) == 2
    shown = json.loads(capsys.readouterr().out)
    assert [each["role"] for each in shown["roles"]] == ["arn:aws:iam::777788889999:role/open"]
    assert shown["errors"][0]["file"].endswith("list-roles.json#web")


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_facts", interrupted)
    assert main(["check", str(CASES / "trust-service.json")]) == 130


@pytest.mark.parametrize("arguments", [["check", "--format", "json"], ["check"], ["evaluate"]])
def test_a_reader_that_goes_away_is_met_with_silence(arguments: list[str], tmp_path: Path) -> None:
    file = CASES / "requests.jsonl"
    if arguments[0] == "check":
        file = CASES / "trust-open.json"
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "doorward_cli.main", *arguments, str(file)]
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(write_end)
    assert done.returncode == 141
    assert "Broken" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_locale_without_unicode_changes_nothing_about_the_status(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_text((CASES / "trust-open.json").read_text().replace("Anybody", "jeder Ö 東"), encoding="utf-8")
    done = run_process(["check", str(file)], env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert done.returncode == 1
    assert "\\u6771" in done.stdout


def test_start_up_takes_neither_rich_nor_yaml_nor_jsonschema_nor_boto() -> None:
    heavy = ("rich.console", "yaml", "jsonschema", "boto3", "botocore", "doorward.guardrails")
    code = f"import sys; from doorward_cli.main import main; main(['--version']); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[1:] == ["[]"]


def test_judging_a_json_file_takes_neither_yaml_nor_boto() -> None:
    heavy = ("yaml", "jsonschema", "boto3", "botocore")
    arguments = ["check", str(CASES / "get-role.json"), "--format", "json", "--output", os.devnull]
    code = f"import sys; from doorward_cli.main import main; main({arguments}); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize(
    ("unbuffered", "before"),
    [("1", ""), ("", f"doorward: {FOREIGN}\n")],  # buffered, the disk is found to be full only at the end
)
def test_a_full_disk_is_named_and_no_bug(unbuffered: str, before: str) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "doorward_cli.main", "check", "trust-open.json", "--format", "json"]
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(command, cwd=CASES, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, f"{before}doorward: standard output cannot be written: No space left on device\n")


@pytest.mark.parametrize(
    ("redirection", "arguments", "status"),
    [
        (">&-", ["check", "trust-service.json"], 0),
        (">&-", ["check", "trust-open.json"], 1),
        ("2>&-", ["check", "broken.json"], 2),
        ("<&-", ["check", "-"], 2),
        ("<&-", ["evaluate", "-"], 2),
        ("2>/dev/full", ["diff", "broken.json", "trust-open.json"], 2),
        (">&- 2>&- <&-", ["diff", "trust-open.json", "trust-open.json"], 0),
    ],
)
def test_a_stream_that_nobody_opened_or_reads_changes_nothing_about_the_status(redirection: str, arguments: list[str], status: int) -> None:
    if "full" in redirection and not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")
    command = ["sh", "-c", f'exec "$0" -m doorward_cli.main "$@" {redirection}', sys.executable, *arguments]
    done = subprocess.run(command, cwd=CASES, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr


def test_a_name_that_no_file_can_have_leaves_the_rest_judged(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "a" * 5_000, str(CASES / "trust-open.json"), "--format", "json"]) == 2
    shown = json.loads(capsys.readouterr().out)
    assert [each["reason"] for each in shown["errors"]] == ["cannot be read: File name too long"]
    assert shown["summary"]["roles"] == 1
