"""What the README and its neighbours promise is there."""

import re
import shlex
from pathlib import Path

import pytest

from doorward_cli.main import main
from local.build import ROOT

README = (ROOT / "README.md").read_text("utf-8")
PAGES = ["README.md", "events/README.md", *(str(each.relative_to(ROOT)) for each in sorted((ROOT / "docs").rglob("*.md")))]
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
CONSOLE = re.compile(r"```console\n\$ \.venv/bin/doorward ([^\n]+)\n(.*?)```", re.DOTALL)
EXPORT = re.compile(r"\$ \.venv/bin/doorward (guard export .*?)\n…\n(.*?)```", re.DOTALL)
NOT_OURS = {
    *("AccessDenied", "ExpiredToken", "Signature expired", "not yet current"),
    *("User … is not authorized to perform: execute-api:Invoke", "AWS_ACCESS_KEY_ID", "run", "~/.aws/credentials"),
}
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    targets = [each for each in LINK.findall((ROOT / page).read_text("utf-8")) if "://" not in each]
    assert [each for each in targets if not (folder / each).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_row_of_a_table_is_one_line(page: str) -> None:
    """What is broken into two is no row for anybody who reads the page as it is shown."""
    rows = [line for line in FENCED.sub("", (ROOT / page).read_text("utf-8")).splitlines() if line.startswith("|")]
    assert [line for line in rows if not line.endswith("|")] == []


def test_what_installing_says_that_the_guard_s_policy_comes_to_is_what_it_comes_to(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ((command, printed),) = EXPORT.findall((ROOT / "docs/install.md").read_text("utf-8"))
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command.replace("\\\n", ""))) == 0
    said = capsys.readouterr()
    assert (said.out + said.err).endswith(f"\n{printed}")


def test_the_faults_that_requesters_are_told_to_look_for_are_said_so() -> None:
    table = (ROOT / "docs/grants.md").read_text("utf-8").partition("| You see | Why | Do |")[2].partition("\n\n")[0]
    quoted = {each for line in table.splitlines() for each in re.findall(r"`([^`]+)`", line.partition(" | ")[0])}
    sources = "".join(each.read_text("utf-8") for folder in ("cli", "layers/doorward/doorward") for each in (ROOT / folder).rglob("*.py"))
    assert len(quoted) > len(NOT_OURS)
    assert {each for each in quoted - NOT_OURS if each not in sources} == set()


def test_every_path_that_the_readme_names_exists() -> None:
    paths = {each for each in re.findall(r"`([a-z_.]+/[\w./]*|[a-z]+\.(?:yaml|toml|svg))`", README) if not each.startswith(".")}
    assert {"template.yaml", "accounts/stacksets.yaml", "local/"} <= paths
    nearby = [ROOT, ROOT / "layers/doorward/doorward"]  # the table names the packages of a row by their last part
    assert [each for each in sorted(paths) if not any((folder / each).exists() for folder in nearby)] == []


def test_every_make_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^ *)make ([a-z-]+)", README, re.MULTILINE))
    assert {"demo", "demo-all", "test"} <= named <= targets


def test_ci_calls_the_readmes_commands() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    for command in ("make demo", "make test"):
        assert f"```\n{command}\n```" in README or f"\n{command}\n```" in README
        assert f"\n{command}\n" in script


def test_what_the_readme_says_a_command_prints_is_what_it_prints(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    shown = CONSOLE.findall(README)
    assert shown
    for command, printed in shown:
        main(shlex.split(command))
        assert capsys.readouterr().out == printed


def test_the_readme_holds_no_placeholder() -> None:
    assert re.findall(r"\b[A-Z]{3,}_[A-Z_]{2,}\b", README) == []
    assert Path(ROOT / "LICENSE").read_text("utf-8").lstrip().startswith("Apache License")
