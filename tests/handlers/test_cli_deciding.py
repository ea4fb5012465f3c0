"""`doorward findings` and `undo`, as a person gives them, against the API's own function: what he is shown, asked, and told."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from jsonschema import Draft202012Validator

from doorward.people.model import Caller, Via
from doorward_cli import api
from doorward_cli.api import Refused
from doorward_cli.main import main
from tests.handlers.test_serve_api import Called
from tests.template.conftest import REPOSITORY
from tests.unit.test_decide_finding import ANN, JOE, PAYMENTS
from tests.unit.test_react_to_change import BAD, STRANGER

QUESTION = Draft202012Validator(json.loads((REPOSITORY / "docs/schemas/doorward.decisions.1.json").read_text("utf-8")))


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Called:
    called = Called(monkeypatch)

    class Straight:
        """The API without a network."""

        def __init__(self, _url: str | None) -> None:
            pass

        def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
            parts = urlsplit(path)
            status, said = called(method, parts.path, body, dict(parse_qsl(parts.query)))
            if status >= 400:
                raise Refused(f"{said['detail']} {said['cure']}")
            return said

    monkeypatch.setattr(api, "Api", Straight)
    called.office.world.clock.time = datetime.now(UTC)  # --until is read by the machine's clock
    return called


def until(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")


def test_two_waive_a_finding_and_are_shown_its_proof_first(called: Called, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["findings", "waive", called.finding, "--until", until(9), "--reason", "CHANGE-7", "--yes"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "may call sts:AssumeRole" in shown
    assert shown.index("proof") < shown.index("people have to decide")
    called.caller = Caller(JOE, Via.SIGV4)
    assert main([*command, "--format", "json"]) == 0
    printed = capsys.readouterr()
    said = json.loads(printed.out)
    QUESTION.validate(said)
    assert (said["state"], said["until"]) == ("approved", command[4])
    assert "proof" in printed.err
    assert called.office.carried_out() == ["done"]
    assert main(["findings", "list"]) == 0
    assert (called.office.world.stands(), called.office.world.roles.writes) == (BAD, [])


def test_until_when_the_first_would_waive_it_is_shown_to_the_second(called: Called, capsys: pytest.CaptureFixture[str]) -> None:
    main(["findings", "waive", called.finding, "--until", until(9), "--reason", "CHANGE-7", "--yes"])
    capsys.readouterr()
    assert main(["findings", "show", called.finding]) == 0
    assert "waive until " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "because"),
    [
        (["--until", "2099-01-01T00:00:00Z", "--reason", "x"], "within 90 days"),
        (["--until", "2020-01-01T00:00:00Z", "--reason", "x"], "over already"),
        (["--until", "tomorrow", "--reason", "x"], "must be a time"),
        (["--until", until(9)], "needs a reason"),
        (["--reason", "x"], "--until"),
        (["--until", until(9), "--reason", "x", "--format", "yaml"], "must be table or json"),
    ],
)
def test_what_is_no_waiver_exits_2_with_why(called: Called, options: list[str], because: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["findings", "waive", called.finding, *options, "--yes"]) == 2
    assert because in capsys.readouterr().err
    assert called.office.world.questions.kept == {}


def test_who_is_not_sure_has_said_nothing(called: Called, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    for command in (["findings", "waive", called.finding, "--until", until(9), "--reason", "x"], ["findings", "dismiss", called.finding]):
        assert main(command) == 1
        assert "proof" in capsys.readouterr().out
    assert called.office.world.questions.kept == {}


def test_a_no_is_said_without_a_reason(called: Called) -> None:
    assert main(["findings", "waive", called.finding, "--until", until(9), "--no", "--yes"]) == 0
    (question,) = called.office.world.questions.kept.values()
    assert question.state == "refused"


def test_one_dismisses_a_finding_and_lists_it_with_all(called: Called, capsys: pytest.CaptureFixture[str]) -> None:
    finding = called.finding
    assert main(["findings", "dismiss", finding, "--yes"]) == 0
    assert called.office.carried_out() == ["done"]
    capsys.readouterr()
    assert main(["findings", "list"]) == 0
    assert main(["findings", "list", "--all"]) == 1
    assert "dismissed; ask: external-account" in capsys.readouterr().out
    assert main(["findings", "list", "--all", "--format", "json"]) == 1
    assert [(each["finding_id"], each["dismissed"]) for each in json.loads(capsys.readouterr().out)] == [(finding, True)]


def test_two_undo_a_remedy_and_are_shown_what_would_be_put_back(called: Called, capsys: pytest.CaptureFixture[str]) -> None:
    finding = called.finding
    assert main(["undo", finding, "--yes"]) == 2  # nothing was written yet
    assert main(["findings", "apply", finding, "--yes"]) == 0
    assert called.office.carried_out() == ["reverted"]
    capsys.readouterr()
    assert main(["undo", finding, "--reason", "it broke", "--yes"]) == 0
    shown = capsys.readouterr().out
    assert "undone for 24 hours" in shown
    assert STRANGER in shown
    assert "proof" in shown
    called.caller = Caller(JOE, Via.SIGV4)
    assert main(["undo", finding, "--yes"]) == 0
    assert called.office.carried_out() == ["done"]
    assert called.office.world.stands() == BAD
    assert main(["undo", finding, "--yes"]) == 2
    (waiver,) = called.office.world.ledger.head(PAYMENTS).waivers
    assert waiver.owner == f"{ANN.user_name}, {JOE.user_name}"
