"""`doorward grants link`, with an API that answers as the real one does."""

from typing import Any

import pytest

from doorward.people.model import Refusal, SlackUser
from doorward.usecases import link_slack
from doorward_cli.api import Api, Refused
from doorward_cli.main import main
from tests.unit.test_answer_slack import NEW, SIGNED, SlackOffice

URL = ["--api", "https://x.example/v1"]


class Linking:
    """The API's use cases behind the command, and who gives the code in Slack while it waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.office = SlackOffice()
        self.giver: SlackUser | None = NEW
        self.name = "ann"
        self.code = ""
        self.refused = False
        monkeypatch.setattr(Api, "call", lambda _api, *arguments: self._call(*arguments))
        monkeypatch.setattr("doorward_cli.linking.time.sleep", lambda _seconds: self._somebody_does_something())

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        if self.refused:
            raise Refused("You are nobody.")
        assert path.partition("?")[0] == "/me/slack"
        said = self._said(method, path.partition("?")[2], body)
        if isinstance(said, Refusal):
            raise Refused(f"{said.because} {said.cure}")
        return said

    def _said(self, method: str, query: str, body: Any) -> dict[str, Any] | Refusal:
        tools = self.office.linking
        if method == "DELETE":
            return link_slack.unbind_link(SIGNED, SlackUser(*(each.partition("=")[2] for each in query.split("&"))), tools)
        if method == "PUT":
            return link_slack.bind_link(SIGNED, SlackUser(**body), tools)
        if method == "GET":
            return link_slack.show_links(SIGNED, tools)
        offered = link_slack.offer_link(SIGNED, tools)
        assert isinstance(offered, dict)
        self.code = offered["code"]
        return offered

    def _somebody_does_something(self) -> None:
        if self.giver is None:
            self.office.world.clock.sleep(link_slack.WITHIN.total_seconds())
        else:
            self.office.commands(self.giver, "link", self.code, self.name)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Linking:
    return Linking(monkeypatch)


def answering(monkeypatch: pytest.MonkeyPatch, *, yes: bool) -> list[str]:
    asked: list[str] = []

    def confirm(text: str, **_more: Any) -> bool:
        asked.append(text)
        return yes

    monkeypatch.setattr("typer.confirm", confirm)
    return asked


def test_it_shows_the_code_waits_shows_who_gave_it_asks_and_links(
    api: Linking, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api.name = "ann\x1b[2J"
    asked = answering(monkeypatch, yes=True)
    assert main(["grants", "link", *URL]) == 0
    shown = capsys.readouterr()
    assert f"/doorward link {api.code}" in shown.out
    assert NEW.ref in asked[0]
    assert "\x1b" not in asked[0]
    assert NEW.ref in shown.out
    assert api.office.links.of(NEW) is not None


def test_who_says_no_is_not_linked(api: Linking, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, yes=False)
    assert main(["grants", "link", *URL]) == 1
    assert api.office.links.of(NEW) is None


def test_a_code_that_nobody_gives_is_over(api: Linking, capsys: pytest.CaptureFixture[str]) -> None:
    api.giver = None
    assert main(["grants", "link", *URL]) == 2
    assert "in time" in capsys.readouterr().err


def test_without_being_asked_one_names_whom_one_expects(api: Linking, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grants", "link", "--slack-user", "T0ACME/U0ANOTHER", *URL]) == 2
    assert "nothing is linked" in capsys.readouterr().err
    assert api.office.links.of(NEW) is None
    assert main(["grants", "link", "--slack-user", NEW.ref, *URL]) == 0
    assert api.office.links.of(NEW) is not None


def test_a_link_is_taken_back(api: Linking, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grants", "link", "--remove", "T0ACME/U0ANN", *URL]) == 0
    assert "U0ANN2" in capsys.readouterr().out
    assert main(["grants", "link", "--remove", "T0ACME/U0ANN", *URL]) == 2
    assert "not linked to you" in capsys.readouterr().err


@pytest.mark.parametrize("ref", ["", "T0ACME", "T0ACME/", "/U0ANN", "T0ACME/U0/ANN"])
def test_what_is_no_slack_user_is_wrong_usage(api: Linking, ref: str) -> None:
    for option in ("--remove", "--slack-user"):
        assert main(["grants", "link", option, ref, *URL]) == 2


def test_who_is_refused_is_told_why(api: Linking, capsys: pytest.CaptureFixture[str]) -> None:
    api.refused = True
    assert main(["grants", "link", *URL]) == 2
    assert "You are nobody." in capsys.readouterr().err
