"""`doorward grants`, against the API's own function: it takes what the commands ask for, and they show what it answers."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from doorward.people.model import Caller, Via
from doorward_cli import api
from doorward_cli.api import Refused
from doorward_cli.main import main
from tests.granting_world import WANTED
from tests.handlers.test_serve_api import Called
from tests.unit.test_decide_finding import ANN, EVE

ASK = ["request", WANTED.role_ref, "--template", WANTED.template, "--minutes", str(WANTED.minutes), "--reason", "Order 4712 is lost, too."]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Called:
    called = Called(monkeypatch)

    class Straight:
        """The API without a network."""

        behind = None

        def __init__(self, _url: str | None, **_more: Any) -> None:
            pass

        def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
            parts = urlsplit(path)
            status, said = called(method, parts.path, body, dict(parse_qsl(parts.query)))
            if status >= 400:
                raise Refused(f"{said['detail']} {said['cure']}", status)
            return said

    monkeypatch.setattr(api, "Api", Straight)
    return called


def test_a_grant_is_asked_for_seen_and_agreed_to(called: Called, capsys: pytest.CaptureFixture[str]) -> None:
    parameters = [each for name, value in WANTED.parameters.items() for each in ("--param", f"{name}={value}")]
    called.caller = Caller(EVE, Via.SIGV4)
    assert main(["grants", *ASK, *parameters, "--no-wait", "--format", "json"]) == 0
    grant_id = json.loads(capsys.readouterr().out)["grant_id"]
    assert main(["grants", "show", grant_id]) == 0
    assert "may       " in capsys.readouterr().out
    assert main(["grants", "approve", grant_id, "--yes"]) == 2  # not his own
    called.caller = Caller(ANN, Via.SIGV4)
    capsys.readouterr()
    assert main(["grants", "approve", grant_id, "--yes", "--reason", "seen"]) == 0
    assert re.search(r"agreed    nobody yet; it takes .*", capsys.readouterr().out) is not None
    assert main(["grants", "approve", grant_id, "--yes"]) == 2
    assert main(["grants", "revoke", grant_id, "--yes"]) == 0


def test_a_grant_is_refused_with_a_reason_and_taken_back_without(called: Called, capsys: pytest.CaptureFixture[str]) -> None:
    grant_id = called.grant.id
    assert main(["grants", "refuse", grant_id, "--yes", "--reason", "not today"]) == 0
    called.caller = Caller(EVE, Via.SIGV4)
    assert main(["grants", "show", grant_id]) == 0
    parameters = [each for name, value in WANTED.parameters.items() for each in ("--param", f"{name}={value}")]
    capsys.readouterr()
    assert main(["grants", *ASK, *parameters, "--no-wait", "--format", "json"]) == 0
    assert main(["grants", "cancel", json.loads(capsys.readouterr().out)["grant_id"], "--yes"]) == 0
    assert "cancelled" in capsys.readouterr().out


def test_what_the_function_does_not_take_is_said(called: Called, capsys: pytest.CaptureFixture[str]) -> None:
    called.caller = Caller(EVE, Via.SIGV4)
    for changed in (["--param", "bucket=*"], ["--param", "nothing=x"], ["--minutes", "0"], ["--reason", "x" * 5000], ["--reason", ""]):
        assert main(["grants", *ASK, *changed, "--no-wait"]) == 2
        assert capsys.readouterr().err.startswith("doorward: ")
