"""Whoever is woken finds a page that says what to do, and every command on it can be given."""

import re
import shlex
from functools import cache
from typing import Any

import botocore.session
import pytest
import typer.main
from botocore import xform_name

from doorward.findings.runbooks import PAGES, runbook_of
from doorward.grants import telling
from doorward.guardrails.rules import ALL_RULES
from doorward_cli.main import app
from local.build import ROOT

FOLDER = ROOT / "docs/runbooks"
NAMES = sorted(each.stem for each in FOLDER.glob("*.md") if each.stem != "README")
DETECTIONS = {each.stem for each in (ROOT / "docs/detections").glob("*.md")} - {"README"}
OUTCOMES = {"asked", "asked-for-a-grant", "kill-switch", "session-cut"}
"""What the reaction comes to that is no detail type of its own."""
OF_ALERTS = {"SuspiciousSessionFound", "SuspiciousChangeFound", "GuardProblemFound", "GuardProblemEnded", "OrganizationChanged"}
"""Told by their detection."""
TOLD_TO_NOBODY = {"TrustBaselineAccepted", "GrantRequested", "GrantEnding"}
OF_GRANTS = {*telling.DETAIL_TYPES.values(), telling.END_FAILED}
PARTS = ("## Look here first", "## Decide", "## Act", "## Afterwards", "**Urgent?**", "**Contain", "**Mend", "**Waive")
COMMAND = re.compile(r"^\s*\$ (aws|doorward) (.+?)(?: > \S+)?$", re.MULTILINE)
INLINE = re.compile(r"`(?:\$ )?(aws|doorward) ([^`]+)`")
GLOBAL = {"query", "region", "output", "profile"}


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text("utf-8")


@cache
def not_yet() -> frozenset[str]:
    line = re.search(r"are not there yet: (.+?)\.", text_of("README"))
    assert line
    return frozenset(re.findall(r"`([\w ]+)`", line[1]))


def is_not_yet(words: list[str]) -> bool:
    return any(words[: len(each)] == each for each in map(str.split, not_yet()))


def detail_types() -> set[str]:
    """Of events on the bus, as the use cases announce them."""
    modules = [*(ROOT / "layers/doorward/doorward/usecases").glob("*.py"), *(ROOT / "layers/doorward/doorward/decisions").glob("*.py")]
    source = "\n".join(each.read_text("utf-8") for each in modules)
    ends = "Found|Ended|Changed|Failed|Reverted|Undone|Back|Verified|Unread|Undecidable|Accepted|Awaited|Made|CarriedOut|Withdrawn|Expired"
    return OF_GRANTS | set(re.findall(rf'"((?:Trust|Suspicious|Guard|Organization|Decision)[A-Za-z]*(?:{ends}))"', source))


def test_everything_that_people_are_told_of_has_a_page() -> None:
    known = [each for ids in PAGES.values() for each in ids]
    assert len(known) == len(set(known))
    assert {"TrustRemedyFailed", "SuspiciousChangeFound"} <= detail_types()
    assert set(known) == ALL_RULES.keys() | DETECTIONS | OUTCOMES | (detail_types() - OF_ALERTS - TOLD_TO_NOBODY - {"TrustViolationFound"})


def test_pages_and_table_name_the_same() -> None:
    written = {name: tuple(re.match(r"---\nids: \[(.*)\]\n---\n# ", text_of(name))[1].split(", ")) for name in NAMES}  # type: ignore[index]
    assert written == PAGES
    assert [name for name in NAMES if f"[{name}]({name}.md) |" not in text_of("README")] == []


@pytest.mark.parametrize("name", NAMES)
def test_each_page_has_its_parts_and_a_link_to_what_each_id_means(name: str) -> None:
    text = text_of(name)
    assert [part for part in PARTS if part not in text] == []
    pages = {each: "rules" if each in ALL_RULES else "detections" for each in PAGES[name] if each in ALL_RULES or each in DETECTIONS}
    if name != "waivers":  # whose rules have one section for both
        assert [each for each, folder in pages.items() if f"../{folder}/{each}.md" not in text] == []


@pytest.mark.parametrize("name", ["README", *NAMES])
def test_every_command_can_be_given(name: str) -> None:
    text = text_of(name)
    for program, rest in COMMAND.findall(text):
        parse(program, shlex.split(rest))
    for program, rest in INLINE.findall(text):
        words = shlex.split(rest)
        if program == "doorward" and not is_not_yet(words):
            command_of(words)
        elif program == "aws":
            operation_of(words[0], words[1])
    assert COMMAND.findall(text)


def parse(program: str, words: list[str]) -> None:
    if program == "aws":
        operation = operation_of(words[0], words[1])
        options = {each.removeprefix("--") for each in words[2:] if each.startswith("--")}
        shape = operation.input_shape
        members = {} if shape is None else shape.members
        assert options - GLOBAL <= {xform_name(each, "-") for each in members}, words
        assert {xform_name(each, "-") for each in (shape.required_members if shape is not None else ())} <= options, words
    elif not is_not_yet(words):
        command, rest = command_of(words)
        command.make_context("doorward", rest, resilient_parsing=False)


def operation_of(service: str, operation: str) -> Any:
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(each, "-"): each for each in model.operation_names}
    assert operation in names, f"aws {service} {operation}"
    return model.operation_model(names[operation])


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(command, "commands") and rest:
        assert rest[0] in command.commands, f"doorward {' '.join(words)}"
        command = command.commands[rest.pop(0)]
    return command, rest


def test_what_is_said_not_to_be_there_yet_is_not() -> None:
    assert not_yet()
    for each in not_yet():
        with pytest.raises(AssertionError, match=f"doorward {each}"):
            command_of(each.split())


@pytest.mark.parametrize(
    ("detail_type", "detail", "page"),
    [
        (
            "TrustViolationFound",
            {"findings": [{"rule": "long-session", "severity": "info"}, {"rule": "cognito-guest", "severity": "high"}]},
            "cognito",
        ),
        ("TrustViolationFound", {"action": "ask", "findings": [{"rule": "external-account", "severity": "high"}]}, "asked"),
        ("DecisionAwaited", {"what": "grant"}, "grants"),
        ("DecisionAwaited", {"what": "apply"}, "asked"),
        ("GrantEndFailed", {}, "grants"),
        ("TrustPolicyReverted", {"action": "write", "findings": [{"rule": "external-account", "severity": "high"}]}, "reverted"),
        ("TrustRemedyFailed", {"findings": [{"rule": "external-account", "severity": "high"}]}, "door-open"),
        ("SuspiciousSessionFound", {"detection": "external-caller"}, "somebody-came-in"),
        ("TrustViolationFound", {"findings": [{"rule": "custom-of-ours", "severity": "high"}]}, "README"),
        ("TrustViolationFound", {"door_open": True, "action": "ask"}, "door-open"),
        ("SomethingNew", {}, "README"),
    ],
)
def test_a_message_names_the_page_of_what_matters_most(detail_type: str, detail: dict[str, Any], page: str) -> None:
    assert runbook_of(detail_type, detail) == f"docs/runbooks/{page}.md"
    assert (ROOT / runbook_of(detail_type, detail)).exists()
