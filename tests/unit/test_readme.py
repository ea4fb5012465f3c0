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


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    targets = [each for each in LINK.findall((ROOT / page).read_text("utf-8")) if "://" not in each]
    assert [each for each in targets if not (folder / each).exists()] == []


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
