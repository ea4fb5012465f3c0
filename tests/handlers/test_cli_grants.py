"""`doorward grants`, as people give its commands: what they are shown, what they are asked, what is sent, and what it exits with."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from doorward.grants.grant import State
from doorward_cli import grant_console
from doorward_cli.api import Api
from doorward_cli.main import main
from local.build import ROOT
from tests.grants_api import GRANT, IDS, LINK, SECRET, TOKEN, GrantsApi, at_home
from tests.grants_world import ORDERS

OVERVIEW = Draft202012Validator(json.loads((ROOT / "docs/schemas/doorward.grants-overview.1.json").read_text("utf-8")))
DOCTOR = Draft202012Validator(json.loads((ROOT / "docs/schemas/doorward.grants-doctor.1.json").read_text("utf-8")))
ASK = [
    "request",
    ORDERS.ref,
    "--template",
    "read-bucket",
    "--param",
    "bucket=acme-orders",
    "--minutes",
    "60",
    "--reason",
    "Order 4711 is lost.",
]


@pytest.fixture
def quick(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


def grants(*arguments: str) -> int:
    return main(["grants", *arguments])


def sent(api: GrantsApi, *, only: str = "POST") -> list[tuple[str, Any]]:
    return [(path, body) for method, path, body in api.heard if method == only]


def deciding(monkeypatch: pytest.MonkeyPatch, *, yes: bool) -> list[str]:
    asked: list[str] = []

    def confirm(text: str, **_more: Any) -> bool:
        asked.append(text)
        return yes

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", confirm)
    return asked


# What there is


@pytest.mark.usefixtures("home")
def test_the_list_has_what_may_be_asked_for_with_the_command_that_asks_for_it(api: GrantsApi, capsys: pytest.CaptureFixture[str]) -> None:
    grant_id = api.has(State.ACTIVE)
    assert grants("list") == 0
    shown = capsys.readouterr().out
    assert f"active    {grant_id}" in shown
    assert "orders in prod (777788889999): read-bucket" in shown
    assert "risk low; 60 minutes at most; a start within 72 hours may be named; with a ticket such as CHANGE-<number>" in shown
    command = f'doorward grants request {ORDERS.ref} --template read-bucket --param "bucket=acme-*" --minutes 60 --ticket "CHANGE-<number>"'
    assert f'{command} --reason "…"\n' in shown
    assert f"doorward grants request {ORDERS.ref} --template read-table" in shown


@pytest.mark.usefixtures("home")
def test_where_nothing_may_be_asked_for_it_is_said_that_this_may_change(api: GrantsApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers_with = lambda _method, path: (
        (200, {"format": "doorward.entitlements/1", "offers": [], "next": None}) if path.startswith("/entitlements") else None
    )
    assert grants("list") == 0
    assert "none of its roles is known yet: they are looked for every five minutes" in " ".join(capsys.readouterr().out.split())


@pytest.mark.usefixtures("home")
def test_the_list_as_json_has_every_page_and_what_is_over_only_where_it_is_asked_for(
    api: GrantsApi, capsys: pytest.CaptureFixture[str]
) -> None:
    for state in (State.ACTIVE, State.PENDING, State.CLOSED, State.PENDING, State.APPROVED):
        api.has(state)
    for options, count in (([], 4), (["--all"], 5)):
        assert grants("list", *options, "--format", "json") == 0
        document = json.loads(capsys.readouterr().out)
        OVERVIEW.validate(document)
        for each in document["grants"]:
            GRANT.validate(each)
        assert len({each["grant_id"] for each in document["grants"]}) == count


@pytest.mark.usefixtures("home")
def test_a_grant_is_shown_in_words_as_a_policy_and_by_its_hash(api: GrantsApi, capsys: pytest.CaptureFixture[str]) -> None:
    grant_id = api.has(State.PENDING, ticket="CHANGE-7")
    assert grants("show", grant_id) == 0
    shown = capsys.readouterr().out
    for each in (
        "may       s3:GetObject on arn:aws:s3:::acme-orders/*",
        '"Action": "s3:GetObject"',
        "risk      low",
        "ticket    CHANGE-7",
        "why       Order 4711 is lost.",
        f"sha256 {api.grants[grant_id].policy_sha256}",
        "agreed    nobody yet; it takes ",
        "orders in prod (777788889999)",
    ):
        assert each in shown, each
    assert grants("show", grant_id, "--format", "json") == 0
    GRANT.validate(json.loads(capsys.readouterr().out))


@pytest.mark.usefixtures("home")
def test_what_somebody_writes_moves_no_cursor(api: GrantsApi, capsys: pytest.CaptureFixture[str]) -> None:
    grant_id = api.has(State.PENDING, reason="\x1b[2Jhello\u202e\nrisk      low")
    grants("show", grant_id)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\\x1b[2Jhello\\u202e\\nrisk" in shown


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("command", ["show", "approve", "cancel", "revoke", "credentials", "console"])
def test_what_is_no_grants_id_is_sent_nowhere(api: GrantsApi, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert grants(command, "../me") == 2
    assert "is no id of a grant; `doorward grants list` shows yours" in capsys.readouterr().err
    assert api.heard == []


@pytest.mark.usefixtures("home")
def test_a_grant_that_is_not_his_is_refused_with_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert grants("show", IDS[9]) == 2
    assert capsys.readouterr().err == "doorward: There is no such grant, or none of yours. Look at doorward grants list.\n"


# Asking


@pytest.mark.usefixtures("quick")
def test_who_asks_waits_until_it_is_active_and_is_told_how_to_use_it(api: GrantsApi, capsys: pytest.CaptureFixture[str]) -> None:
    def ann_agrees(method: str, _path: str) -> None:
        if method == "GET":
            state = api.grants[IDS[0]].state
            api.becomes(IDS[0], State.APPROVED if state is State.PENDING else State.ACTIVE)

    api.before = ann_agrees
    assert grants(*ASK, "--ticket", "CHANGE-7") == 0
    printed = capsys.readouterr()
    body = {"role": ORDERS.ref, "template": "read-bucket", "parameters": {"bucket": "acme-orders"}, "minutes": 60}
    assert sent(api) == [("/grants", {**body, "reason": "Order 4711 is lost.", "ticket": "CHANGE-7"})]
    assert "Ctrl-C leaves it standing" in printed.err
    assert printed.out.index("pending") < printed.out.index("active  ")
    assert f"doorward grants run {IDS[0]} -- aws s3 ls" in printed.out
    assert "\x1b" not in printed.out + printed.err


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("state", [State.REFUSED, State.EXPIRED, State.CANCELLED, State.REVOKED])
def test_who_waits_for_what_never_comes_is_told_why_and_exits_1(api: GrantsApi, state: State, capsys: pytest.CaptureFixture[str]) -> None:
    api.before = lambda method, _path: api.becomes(IDS[0], state, because="Somebody who may decide said no.") if method == "GET" else None
    assert grants(*ASK, "--format", "json") == 1
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    GRANT.validate(document)
    assert (document["state"], document["because"]) == (str(state), "Somebody who may decide said no.")
    assert "may       s3:GetObject" in printed.err


@pytest.mark.usefixtures("quick")
def test_a_start_that_is_to_come_is_not_waited_for(api: GrantsApi, capsys: pytest.CaptureFixture[str]) -> None:
    start = (datetime.now(UTC) + timedelta(hours=5)).replace(microsecond=0)
    api.before = lambda method, _path: api.becomes(IDS[0], State.APPROVED) if method == "GET" else None
    assert grants(*ASK, "--start", start.isoformat()) == 0
    assert sent(api)[0][1]["starts_at"] == start.isoformat()
    assert "approved" in capsys.readouterr().out


@pytest.mark.usefixtures("quick")
def test_without_waiting_it_is_asked_and_nothing_else(api: GrantsApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert grants(*ASK, "--no-wait", "--format", "json") == 0
    GRANT.validate(json.loads(capsys.readouterr().out))
    assert [method for method, _path, _body in api.heard] == ["POST"]


@pytest.mark.usefixtures("quick")
def test_a_failure_now_and_then_does_not_end_the_waiting_and_a_lasting_one_leaves_the_request(
    api: GrantsApi, capsys: pytest.CaptureFixture[str]
) -> None:
    looks: list[str] = []

    def failing(method: str, _path: str) -> tuple[int, Any] | None:
        looks.append(method)
        if len(looks) == 5:
            api.becomes(IDS[0], State.ACTIVE)
        return (503, {}) if len(looks) in {2, 3} else (429, {"message": "Too many"}) if len(looks) == 4 else None

    api.answers_with = failing
    assert grants(*ASK) == 0
    api.answers_with = lambda method, _path: (503, {}) if method == "GET" else None
    assert grants(*ASK) == 3
    assert f"doorward grants show {IDS[1]} --wait" in capsys.readouterr().err


@pytest.mark.usefixtures("quick")
def test_it_is_waited_for_later_too(api: GrantsApi, capsys: pytest.CaptureFixture[str]) -> None:
    grant_id = api.has(State.PENDING)
    api.before = lambda _method, _path: api.becomes(grant_id, State.ACTIVE) if len(api.heard) == 3 else None
    assert grants("show", grant_id, "--wait") == 0
    shown = capsys.readouterr()
    assert f"doorward grants console {grant_id}" in shown.out
    assert "Waiting for 1 more" in shown.err
    assert grants("show", grant_id, "--wait") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("options", "because"),
    [
        (["--param", "bucket"], "--param bucket: must be NAME=VALUE"),
        (["--param", "bucket=b"], "bucket is given twice"),
        (["--start", "2020-01-01T00:00:00Z"], "is over already"),
        (["--start", "tomorrow"], "must be a time"),
        (["--format", "yaml"], "must be table or json"),
        (["--profile", "nobody"], "nobody"),
        (["--api", "http://x.example"], "must be an https address"),
    ],
)
def test_what_cannot_be_asked_for_is_sent_nowhere(
    api: GrantsApi, options: list[str], because: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert grants(*ASK, *options) == 2
    assert because in capsys.readouterr().err
    assert api.heard == []


@pytest.mark.usefixtures("home")
def test_a_refusal_of_the_rules_is_said_and_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert grants("request", ORDERS.ref, "--template", "drop-table", "--minutes", "5", "--reason", "x") == 2
    assert "No rule lets you have that. Look at doorward grants list." in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_what_the_api_says_without_an_end_gets_one(api: GrantsApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers_with = lambda _method, _path: (400, {"detail": "minutes: must be a whole number", "cure": "Give one."})
    assert grants("list") == 2
    assert "minutes: must be a whole number. Give one.\n" in capsys.readouterr().err


# Deciding


@pytest.mark.usefixtures("home")
def test_who_approves_is_shown_all_of_it_first_and_says_yes_to_what_was_shown(
    api: GrantsApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grant_id, asked = api.has(State.PENDING), deciding(monkeypatch, yes=True)
    assert grants("approve", grant_id, "--reason", "seen") == 0
    shown = capsys.readouterr().out
    assert asked == ["Approve this?"]
    assert sent(api) == [(f"/grants/{grant_id}/approve", {"shown": api.grants[grant_id].shown_hash, "reason": "seen"})]
    assert shown.index("may       s3:GetObject") < shown.index("approved")
    assert f"sha256 {api.grants[grant_id].policy_sha256}" in shown


@pytest.mark.usefixtures("home")
def test_what_becomes_another_while_he_reads_is_not_what_he_says_yes_to(
    api: GrantsApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grant_id = api.has(State.PENDING)

    def becomes_another(_question: str, **_options: Any) -> bool:
        grant = api.grants[grant_id]
        api.grants[grant_id] = grant._replace(request=grant.request._replace(minutes=61))
        return True

    deciding(monkeypatch, yes=True)
    monkeypatch.setattr("typer.confirm", becomes_another)
    assert grants("approve", grant_id) == 2
    assert "That is not what stands." in capsys.readouterr().err


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("command", [["approve"], ["refuse", "--reason", "no"], ["cancel"], ["revoke"]])
def test_who_is_not_sure_has_said_nothing(
    api: GrantsApi, monkeypatch: pytest.MonkeyPatch, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    grant_id = api.has(State.PENDING)
    deciding(monkeypatch, yes=False)
    assert grants(*command, grant_id) == 1
    assert "may       s3:GetObject" in capsys.readouterr().out
    assert sent(api) == []


@pytest.mark.usefixtures("home")
def test_where_nobody_can_be_asked_it_takes_a_yes_beforehand(
    api: GrantsApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grant_id = api.has(State.PENDING)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert grants("approve", grant_id) == 2
    assert "--yes" in capsys.readouterr().err
    assert sent(api) == []
    assert grants("approve", grant_id, "--yes", "--format", "json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["state"] == "approved"
    assert "may       s3:GetObject" in printed.err


@pytest.mark.usefixtures("home")
def test_what_became_another_thing_meanwhile_is_not_approved(api: GrantsApi, capsys: pytest.CaptureFixture[str]) -> None:
    grant_id = api.has(State.PENDING)

    def swap(method: str, _path: str) -> None:
        if method == "POST":
            grant = api.grants[grant_id]
            api.grants[grant_id] = grant._replace(request=grant.request._replace(minutes=61))

    api.before = swap
    assert grants("approve", grant_id, "--yes") == 2
    assert "That is not what stands." in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_a_refusal_needs_a_reason(api: GrantsApi) -> None:
    grant_id = api.has(State.PENDING)
    assert grants("refuse", grant_id, "--yes") == 2
    assert grants("refuse", grant_id, "--yes", "--reason", "not today") == 0
    assert sent(api)[-1][1]["reason"] == "not today"


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("command", ["cancel", "revoke"])
def test_an_end_is_asked_for_with_its_reason_or_without(api: GrantsApi, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    grant_id = api.has(State.ACTIVE)
    assert grants(command, grant_id, "--yes", "--reason", "done") == grants(command, grant_id, "--yes") == 0
    assert sent(api) == [(f"/grants/{grant_id}/{command}", {"reason": "done"}), (f"/grants/{grant_id}/{command}", {})]
    assert "ending" in capsys.readouterr().out


@pytest.mark.usefixtures("home")
def test_who_ends_a_grant_forgets_its_credentials(api: GrantsApi, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grant_id, another = api.has(State.ACTIVE), api.has(State.ACTIVE)
    assert grants("credentials", grant_id) == grants("credentials", another) == 0
    assert grants("cancel", grant_id, "--yes") == 0
    left = [json.loads(each.read_text())["grant_id"] for each in (home / "cache/doorward/grants").glob("*.json")]
    assert left == [another]
    capsys.readouterr()


# On a terminal


class Terminal:
    """A command, as on a terminal of its own."""

    # The process makes it its own terminal, so that Ctrl-C means it.
    TAKES_IT = (
        "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
        "os.execv(sys.executable, [sys.executable, '-m', 'doorward_cli.main', 'grants', *sys.argv[1:]])"
    )

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self.shown = b""
        self._terminal, its = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.TAKES_IT, *arguments],
            stdin=its,
            stdout=its,
            stderr=its,
            env={"COLUMNS": "120"} | environment | {"TERM": "xterm"},
            start_new_session=True,
        )
        os.close(its)

    def until(self, text: str) -> str:
        """Reads on until it is shown."""
        deadline = time.monotonic() + 120
        while text.encode() not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if select.select([self._terminal], [], [], 0.1)[0]:
                self.shown += self._read()
        return self.shown.decode()

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def status(self) -> int:
        while read := self._read():
            self.shown += read
        os.close(self._terminal)
        return self._process.wait(timeout=120)

    def _read(self) -> bytes:
        try:
            return os.read(self._terminal, 4096)
        except OSError:  # it is gone
            return b""


def test_on_a_terminal_something_turns_and_ctrl_c_leaves_the_request(api: GrantsApi, tmp_path: Path) -> None:
    terminal = Terminal(ASK, at_home(tmp_path, api))
    terminal.until("Ctrl-C leaves it standing")
    before = len(terminal.shown)
    terminal.until("⠙" if "⠋" in terminal.shown.decode() else "⠋")
    assert len(terminal.shown) > before
    terminal.type("\x03")
    terminal.until(f"doorward grants cancel {IDS[0]}` takes it back")
    assert terminal.status() == 130
    assert api.grants[IDS[0]].state is State.PENDING


def test_on_a_terminal_one_is_asked_and_says_yes(api: GrantsApi, tmp_path: Path) -> None:
    grant_id = api.has(State.PENDING)
    terminal = Terminal(["approve", grant_id], at_home(tmp_path, api))
    shown = terminal.until("Approve this?")
    assert "s3:GetObject" in shown
    assert sent(api) == []
    terminal.type("y\n")
    terminal.until("approved")
    assert terminal.status() == 0
    assert api.grants[grant_id].state is State.APPROVED


def test_a_command_is_not_broken_into_lines_so_that_it_can_be_copied(api: GrantsApi, tmp_path: Path) -> None:
    terminal = Terminal(["list"], at_home(tmp_path, api) | {"COLUMNS": "40"})
    assert re.search(r"doorward grants request [^\r\n]* --reason", terminal.until("read-table --param")) is not None
    assert terminal.status() == 0


@pytest.mark.parametrize("has_colours", [True, False])
def test_colours_are_for_terminals_and_for_nobody_who_wants_none(api: GrantsApi, tmp_path: Path, has_colours: bool) -> None:
    grant_id, environment = api.has(State.ACTIVE), at_home(tmp_path, api)
    if has_colours:
        del environment["NO_COLOR"]
    terminal = Terminal(["show", grant_id], environment)
    assert terminal.until("policy") != ""
    assert terminal.status() == 0
    assert (re.search(rb"\x1b\[[0-9;]*3[0-9]m", terminal.shown) is not None) is has_colours


def test_an_interrupt_from_elsewhere_leaves_the_request_too(api: GrantsApi, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "doorward_cli.main", "grants", *ASK]
    waiting = subprocess.Popen(command, env=at_home(tmp_path, api), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert waiting.stderr is not None
    assert "Waiting" in waiting.stderr.readline()
    waiting.send_signal(signal.SIGINT)
    _out, err = waiting.communicate(timeout=120)
    assert waiting.returncode == 130
    assert "the request stands" in err


# The console


def opening(monkeypatch: pytest.MonkeyPatch, *, there: bool = True) -> list[tuple[str, list[tuple[int, str]]]]:
    """What a browser was given, and where asking for that led to, twice."""
    opened: list[tuple[str, list[tuple[int, str]]]] = []

    class Stays(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any, **__: Any) -> None:
            return None

    def browse(url: str) -> bool:
        answers = []
        for address in (f"{url[:-3]}abc", url, url) if there else ():
            try:
                urllib.request.build_opener(Stays).open(address, timeout=5)
            except urllib.error.HTTPError as answer:
                answers.append((answer.code, answer.headers.get("Location", "")))
                answer.close()
        opened.append((url, answers))
        return there

    monkeypatch.setattr("webbrowser.open", browse)
    return opened


@pytest.mark.usefixtures("home")
def test_the_browser_is_sent_on_once_and_the_link_stands_in_no_command_line(
    api: GrantsApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grant_id, opened = api.has(State.ACTIVE), opening(monkeypatch)
    page = "https://s3.console.aws.amazon.com/"
    assert grants("console", grant_id, "--destination", page) == 0
    ((given, answers),) = opened
    assert given.startswith("http://127.0.0.1:")
    assert answers == [(404, ""), (302, LINK), (404, "")]
    assert sent(api) == [(f"/grants/{grant_id}/console", {"destination": page})]
    printed = capsys.readouterr()
    assert "canary" not in printed.out + printed.err


@pytest.mark.usefixtures("home")
@pytest.mark.skipif(sys.platform != "linux", reason="where others do not read what a browser is given")
@pytest.mark.parametrize("owner", [os.geteuid() + 4711, None])
def test_somebody_else_who_reads_the_browsers_command_line_and_asks_first_is_sent_nowhere_and_takes_nothing(
    api: GrantsApi, owner: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, real = opening(monkeypatch), grant_console._owner
    owners = [owner, os.geteuid()]  # of two who ask for the address as it is
    monkeypatch.setattr(grant_console, "_owner", lambda asker, port: owners.pop(0) if real(asker, port) is not None else None)
    assert grants("console", api.has(State.ACTIVE)) == 0
    ((_, answers),) = opened
    assert answers == [(404, ""), (404, ""), (302, LINK)]


@pytest.mark.skipif(sys.platform != "linux", reason="it is asked of Linux")
@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")])
def test_whose_a_connection_is_is_the_systems_word(family: socket.AddressFamily, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(family) as asking:
        port = listening.getsockname()[1]
        try:
            asking.connect((host, port))
        except OSError:
            pytest.skip("no IPv6 here")
        connection, asker = listening.accept()
        with connection:
            assert grant_console._owner(asker, port) == os.geteuid()
            assert grant_console._owner(asker, port - 1) is None
            assert grant_console._owner(("127.0.0.2", asker[1]), port) is None


@pytest.mark.usefixtures("home")
def test_the_link_is_printed_only_where_that_is_asked_for(
    api: GrantsApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grant_id, opened = api.has(State.ACTIVE), opening(monkeypatch, there=False)
    assert grants("console", grant_id) == 2
    printed = capsys.readouterr()
    assert "--print" in printed.err
    assert "canary" not in printed.out + printed.err
    assert grants("console", grant_id, "--print") == 0
    assert capsys.readouterr().out == f"{LINK}\n"
    assert len(opened) == 1


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("url", "status"), [("http://127.0.0.1:7/x", 0), ("http://signin.example/x", 3), ("javascript:x", 3)])
def test_a_link_is_https_or_of_this_machine_as_the_api_is(api: GrantsApi, url: str, status: int) -> None:
    grant_id = api.has(State.ACTIVE)
    expires_at = (datetime.now(UTC) + timedelta(minutes=15)).isoformat()
    api.answers_with = lambda _method, _path: (200, {"url": url, "expires_at": expires_at})
    assert grants("console", grant_id, "--print") == status
    assert not Api("https://api.example/v1").may_lead_to("http://127.0.0.1:7/x")


# The report


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("format_", ["csv", "jsonl", "ocsf"])
def test_a_report_is_written_as_the_api_gives_it(api: GrantsApi, format_: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    days = ["--since", "2026-01-01", "--until", "2026-02-01"]
    assert grants("report", *days, "--format", format_) == 0
    both = f"2026-01-01,2026-02-01,{format_},\n2026-01-01,2026-02-01,{format_},{IDS[0]}\n"
    assert capsys.readouterr().out == both
    assert grants("report", *days, "--format", format_, "--output", str(tmp_path / "r")) == 0
    assert (tmp_path / "r").read_text() == both
    assert grants("report", *days, "--output", str(tmp_path)) == 2
    assert grants("report", "--since", "January", "--until", "2026-02-01") == 2
    assert grants("report", *days, "--format", "pdf") == 2
    assert len(api.heard) == 6


# The doctor


def diagnosis(capsys: pytest.CaptureFixture[str]) -> dict[str, list[dict[str, Any]]]:
    """By check. The states are as the exit status says."""
    capsys.readouterr()
    status = grants("doctor", "--format", "json")
    document = json.loads(capsys.readouterr().out)
    DOCTOR.validate(document)
    assert status == (0 if document["healthy"] else 1)
    found: dict[str, list[dict[str, Any]]] = {}
    for each in document["checks"]:
        found.setdefault(each["check"], []).append(each)
    return found


@pytest.mark.usefixtures("home")
def test_where_all_is_well_the_doctor_says_so(api: GrantsApi, capsys: pytest.CaptureFixture[str]) -> None:
    grant_id = api.has(State.ACTIVE)
    assert grants("credentials", grant_id) == grants("configure", grant_id, "--profile-name", "orders") == 0
    found = diagnosis(capsys)
    assert {each["state"] for checks in found.values() for each in checks} == {"ok"}
    assert grants("doctor") == 0
    shown = capsys.readouterr().out
    assert "you are jane@acme.example" in shown
    assert "doorward grants link" in shown
    assert SECRET not in shown
    assert TOKEN not in shown


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("status", "message", "check"),
    [
        (403, "Signature expired: 20261126T120000Z is now earlier than 20261126T121000Z", "clock-right"),
        (403, "Signature not yet current: 20261126T120000Z is still later than 20261126T121000Z", "clock-right"),
        (403, "Credential should be scoped to a valid region, not 'eu-west-1'.", "region-right"),
        (
            403,
            "User: arn:aws:sts::111122223333:assumed-role/x/y is not authorized to perform: execute-api:Invoke on resource: …",
            "may-call",
        ),
        (403, "The security token included in the request is expired", "signed-in"),
        (403, "The security token included in the request is invalid.", "signed-in"),
        (503, "", "api-answers"),
    ],
)
def test_what_keeps_the_api_from_answering_is_named_with_its_cure(
    api: GrantsApi, status: int, message: str, check: str, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answers_with = lambda _method, _path: (status, {"message": message})
    broken = [each for checks in diagnosis(capsys).values() for each in checks if each["state"] == "broken"]
    assert [each["check"] for each in broken] == [check]
    assert broken[0]["cure"]


@pytest.mark.usefixtures("home")
def test_who_is_nobody_to_doorward_is_told_so(api: GrantsApi, capsys: pytest.CaptureFixture[str]) -> None:
    told = {"detail": "Nobody knows you.", "cure": "Sign in."}
    api.answers_with = lambda _method, _path: (403, told)
    assert diagnosis(capsys)["known-to-doorward"][0]["says"] == "Nobody knows you. Sign in."


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("ahead", "which"), [(timedelta(minutes=7), "behind"), (timedelta(minutes=-7), "ahead of")])
def test_a_clock_that_is_off_is_found(api: GrantsApi, ahead: timedelta, which: str, capsys: pytest.CaptureFixture[str]) -> None:
    api.ahead = ahead
    (clock,) = diagnosis(capsys)["clock-right"]
    assert clock["state"] == "broken"
    said = re.search(rf"(\d+) seconds {which} the API's", clock["says"])
    assert said is not None
    assert abs(int(said[1]) - 420) <= 30  # of the machine that this runs on, where it is slow


def test_without_anybody_to_sign_the_doctor_says_how_to(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".aws/config").write_text("")
    monkeypatch.delenv("AWS_PROFILE")
    (signed_in,) = diagnosis(capsys)["signed-in"]
    assert "aws sso login" in signed_in["cure"]


@pytest.mark.usefixtures("home")
def test_a_slack_user_who_is_linked_is_counted(api: GrantsApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.linked = [{"team_id": "T0ACME", "user_id": "U0JANE", "at": "2026-01-01T00:00:00+00:00"}]
    assert diagnosis(capsys)["slack-linked"][0]["says"] == "1 Slack user linked to you"
    api.answers_with = lambda _method, path: (503, {}) if path == "/me/slack" else None
    assert diagnosis(capsys)["slack-linked"][0]["state"] == "unknown"


def test_profiles_that_will_not_work_are_named_each_with_its_cure(
    api: GrantsApi, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    over, stands = api.has(State.ACTIVE), api.has(State.ACTIVE)
    profiles = [("over", over), ("unknown", over), ("shadowed", stands), ("stronger", stands), ("itself", stands), ("gone", stands)]
    for name, grant_id in (*profiles, ("elsewhere", stands), ("good", stands)):
        assert grants("configure", grant_id, "--profile-name", name) == 0
    assert grants("configure", "--role", ORDERS.ref, "--template", "read-bucket", "--profile-name", "by-role") == 0
    api.becomes(over, State.CLOSED)
    config = (home / ".aws/config").read_text()
    sections = {each.split("]")[0].removeprefix("profile "): f"[{each}" for each in config.split("[")[1:]}
    sections["unknown"] = sections["unknown"].replace(over, IDS[9])
    sections["stronger"] += "sso_session = x\n"
    sections["itself"] = sections["itself"].replace("--profile hub", "--profile itself")
    sections["gone"] = re.sub(r"credential_process = \S+", "credential_process = /gone/doorward", sections["gone"])
    sections["elsewhere"] = sections["elsewhere"].replace(api.url, "https://elsewhere.example/v1")
    (home / ".aws/config").write_text("".join(sections.values()))
    (home / ".aws/credentials").write_text("[shadowed]\naws_access_key_id = AKIA\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    found = diagnosis(capsys)
    by_name = {each["says"].partition(":")[0]: each for each in found["profile-works"]}
    states = {name: each["state"] for name, each in by_name.items()}
    broken = dict.fromkeys(["over", "unknown", "shadowed", "stronger", "itself", "gone"], "broken")
    assert states == {**broken, "elsewhere": "unknown", "good": "ok", "by-role": "ok"}
    for name, says in (
        ("over", "is closed"),
        ("unknown", "There is no such grant"),
        ("shadowed", "has keys for it"),
        ("stronger", "sso_session"),
        ("itself", "has its own credentials from grants"),
        ("gone", "/gone/doorward"),
    ):
        assert says in by_name[name]["says"]
    assert f"doorward grants request {ORDERS.ref} --template read-bucket" in by_name["over"]["cure"]
    assert found["environment-quiet"][0]["state"] == "broken"


def test_a_configuration_that_nobody_can_read_is_named(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".aws/broken").write_text("[profile a]\n[profile a]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / ".aws/broken"))
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert grants("doctor") == 1
    assert "broken" in capsys.readouterr().out


def test_a_cache_that_others_can_read_is_named_with_its_cure(api: GrantsApi, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home / "cache/doorward/grants"
    assert grants("credentials", api.has(State.ACTIVE)) == 0
    (kept,) = folder.glob("*.json")
    kept.chmod(0o644)
    (open_,) = [each for each in diagnosis(capsys)["cache-own"] if each["state"] == "broken"]
    assert f"chmod 600 {kept}" in open_["cure"].replace("Chmod", "chmod")
    folder.chmod(0o755)
    (open_,) = diagnosis(capsys)["cache-own"]
    assert "others can read" in open_["says"]
    assert grants("credentials", IDS[0]) == 2
    assert f"chmod 700 {folder}" in capsys.readouterr().err
