"""`doorward grants credentials`, `run` and `configure`, as AWS's tools and shells call them: processes of their own, and botocore."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import botocore.session
import pytest
from botocore.exceptions import CredentialRetrievalError

from doorward.grants.grant import State
from doorward_cli.credential_cache import key_of
from doorward_cli.main import main
from tests.grants_api import SECRET, TOKEN, GrantsApi
from tests.grants_world import ANN, JANE, ORDERS

HEAVY = ("boto3", "botocore", "rich.console", "yaml", "jsonschema")


def process(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "doorward_cli.main", "grants", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **more)
    assert SECRET not in done.stderr
    assert TOKEN not in done.stderr
    return done


def kept_in(home: Path) -> list[Path]:
    return sorted((home / "cache/doorward/grants").glob("*.json"))


def ages(home: Path, left: timedelta, lasted: timedelta = timedelta(hours=1)) -> None:
    """As if what is kept had been issued so long ago that so much is left of it."""
    for file in kept_in(home):
        kept = json.loads(file.read_text())
        end = datetime.now(UTC) + left
        file.write_text(json.dumps(kept | {"expiration": end.isoformat(), "issued_at": (end - lasted).isoformat()}))


# What it prints


@pytest.mark.usefixtures("home")
def test_standard_output_has_version_1_of_the_form_and_nothing_else(api: GrantsApi) -> None:
    grant_id = api.has(State.ACTIVE, 45)
    done = process("credentials", grant_id)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    ends_at = api.grants[grant_id].ends_at
    assert ends_at is not None
    assert document == {
        "Version": 1,
        "AccessKeyId": "ASIA0000000000000001",
        "SecretAccessKey": f"{SECRET}-1",
        "SessionToken": f"{TOKEN}-1",
        "Expiration": f"{ends_at:%Y-%m-%dT%H:%M:%SZ}",
    }


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("state", [State.PENDING, State.ENDING, State.CLOSED, State.REFUSED, State.REVOKED])
def test_of_what_is_not_active_there_is_nothing_on_standard_output(api: GrantsApi, state: State) -> None:
    done = process("credentials", api.has(state))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "doorward: The grant is not active. Ask for a new one.\n"


@pytest.mark.usefixtures("home")
def test_an_answer_of_another_form_is_told_without_what_is_in_it(api: GrantsApi) -> None:
    api.answers_with = lambda _method, _path: (200, {"secret_access_key": SECRET, "expiration": SECRET})
    done = process("credentials", api.has(State.ACTIVE))
    assert (done.returncode, done.stdout) == (3, "")
    assert "another form" in done.stderr


@pytest.mark.usefixtures("home")
def test_a_terminal_is_shown_no_secret(api: GrantsApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    grant_id = api.has(State.ACTIVE)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["grants", "credentials", grant_id]) == 2
    assert "doorward grants configure" in capsys.readouterr().err
    assert api.heard == []


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("arguments", [[], ["--template", "x"], ["01JZ1M5T0000000000000ABCDE", "--role", ORDERS.ref], ["--role", "x"]])
def test_it_has_to_be_said_of_which_grant(api: GrantsApi, arguments: list[str]) -> None:
    assert main(["grants", "credentials", *arguments]) == 2
    assert api.heard == []


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("in_full", [True, False])
def test_an_answer_that_is_cut_off_is_told_without_what_was_in_it_and_is_no_bug(api: GrantsApi, in_full: bool) -> None:
    """By its length, or, where somebody on the way counted what was left, by what it says."""
    grant_id = api.has(State.ACTIVE)
    if in_full:
        api.answers_with = lambda _method, _path: (200, f'{{"secret_access_key": "{SECRET}')
    else:
        api.lost = 20
    done = process("credentials", grant_id, env={**os.environ, "DOORWARD_TRACEBACK": "1"})
    assert (done.returncode, done.stdout) == (3, "")
    assert ("something else than JSON" if in_full else "cut off") in done.stderr
    assert done.stderr.count("\n") == 1


# By role


@pytest.mark.usefixtures("home")
def test_by_role_it_is_whichever_is_active_and_the_next_one_afterwards(api: GrantsApi, home: Path) -> None:
    first = api.has(State.ACTIVE, 20)
    by_role = ("credentials", "--role", ORDERS.arn)
    assert json.loads(process(*by_role).stdout)["SecretAccessKey"] == f"{SECRET}-1"
    api.becomes(first, State.CLOSED)
    ages(home, timedelta(seconds=-1))
    done = process(*by_role)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"doorward grants request {ORDERS.ref}" in done.stderr
    coming = api.has(State.PENDING)
    assert f"{coming} is pending" in process(*by_role).stderr
    api.caller = ANN  # who sees it, too
    assert "You have no grant" in process(*by_role).stderr
    api.caller = JANE
    api.becomes(coming, State.ACTIVE)
    assert json.loads(process(*by_role).stdout)["SecretAccessKey"] == f"{SECRET}-2"


@pytest.mark.usefixtures("home")
def test_of_two_that_are_active_one_is_to_be_named(api: GrantsApi) -> None:
    both = [api.has(State.ACTIVE), api.has(State.ACTIVE)]
    done = process("credentials", "--role", ORDERS.ref, "--template", "read-bucket")
    assert done.returncode == 2
    assert all(each in done.stderr for each in both)
    assert api.issues == 0


# What is kept


def test_what_is_good_is_handed_out_again_without_a_call_and_without_aws(api: GrantsApi, home: Path) -> None:
    grant_id = api.has(State.ACTIVE, 120)
    first = process("credentials", grant_id)
    code = (
        "import sys; from doorward_cli.main import main; status = main(sys.argv[1:]);"
        f"print(status, [each for each in {HEAVY} if each in sys.modules], file=sys.stderr)"
    )
    heard = len(api.heard)
    again = subprocess.run(
        [sys.executable, "-c", code, "grants", "credentials", grant_id], capture_output=True, text=True, timeout=120, check=True
    )
    assert again.stdout == first.stdout
    assert again.stderr == "0 []\n"
    assert (len(api.heard), api.issues) == (heard, 1)
    (file,) = kept_in(home)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize(
    ("left", "lasted", "issues"),
    [
        (timedelta(minutes=17), timedelta(hours=1), 1),
        (timedelta(minutes=15, seconds=59), timedelta(hours=1), 2),  # before botocore's fifteen
        (timedelta(minutes=9), timedelta(minutes=40), 1),  # the grant ends then: nothing better would come
        (timedelta(seconds=-1), timedelta(minutes=40), 2),
    ],
)
def test_new_ones_are_fetched_before_botocore_asks_unless_the_grant_ends_then(  # noqa: PLR0917 - pytest passes them by name
    api: GrantsApi, home: Path, left: timedelta, lasted: timedelta, issues: int, capsys: pytest.CaptureFixture[str]
) -> None:
    grant_id = api.has(State.ACTIVE, 600)
    for _ in range(2):
        assert main(["grants", "credentials", grant_id]) == 0
        if api.issues == 1:
            ages(home, left, lasted)
    assert api.issues == issues
    capsys.readouterr()


def test_a_newer_version_of_the_grant_takes_the_older_ones_place(api: GrantsApi, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grant_id = api.has(State.ACTIVE, 600)
    assert main(["grants", "credentials", grant_id]) == 0
    api.becomes(grant_id, State.ACTIVE)
    ages(home, timedelta(minutes=5))
    assert main(["grants", "credentials", grant_id]) == 0
    (file,) = kept_in(home)
    assert json.loads(file.read_text())["generation"] == api.grants[grant_id].version
    capsys.readouterr()


def test_of_a_grant_that_ended_nothing_stays(api: GrantsApi, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grant_id = api.has(State.ACTIVE, 600)
    assert main(["grants", "credentials", grant_id]) == main(["grants", "credentials", "--role", ORDERS.ref]) == 0
    assert len(kept_in(home)) == 2
    api.becomes(grant_id, State.REVOKED)
    ages(home, timedelta(minutes=5))
    assert main(["grants", "credentials", grant_id]) == 2
    assert kept_in(home) == []
    capsys.readouterr()


@pytest.mark.parametrize(("status", "lost", "exits"), [(503, 0, 3), (429, 0, 2), (200, 1, 3), (503, 1, 3)])
def test_while_the_api_gives_none_what_is_left_is_handed_out_and_that_is_said(  # noqa: PLR0917 - pytest passes them by name
    api: GrantsApi, home: Path, status: int, lost: int, exits: int, capsys: pytest.CaptureFixture[str]
) -> None:
    grant_id = api.has(State.ACTIVE, 600)
    assert main(["grants", "credentials", grant_id]) == 0
    ages(home, timedelta(minutes=5))
    api.answers_with, api.lost = lambda _method, _path: (status, {}), lost
    capsys.readouterr()
    assert main(["grants", "credentials", grant_id]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["SecretAccessKey"] == f"{SECRET}-1"
    assert "what is kept is good until" in printed.err
    ages(home, timedelta(seconds=-1))
    assert main(["grants", "credentials", grant_id]) == exits
    assert capsys.readouterr().out == ""


def test_where_nothing_can_be_kept_that_is_said_and_they_come_all_the_same(
    api: GrantsApi, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "full").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "full"))
    assert main(["grants", "credentials", api.has(State.ACTIVE)]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["Version"] == 1
    assert "are not kept" in printed.err


@pytest.mark.usefixtures("home")
def test_processes_that_want_the_same_at_once_ask_once(api: GrantsApi) -> None:
    grant_id = api.has(State.ACTIVE)
    api.before = lambda method, _path: time.sleep(0.5) if method == "POST" else None
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: process("credentials", grant_id), range(4)))
    assert [each.returncode for each in done] == [0, 0, 0, 0]
    assert len({each.stdout for each in done}) == 1
    assert api.issues == 1


@pytest.mark.usefixtures("home")
def test_whoever_dies_while_he_asks_holds_nobody_up(api: GrantsApi) -> None:
    grant_id = api.has(State.ACTIVE)
    hangs = [True]
    api.before = lambda method, _path: time.sleep(2) if method == "POST" and hangs and hangs.pop() else None
    command = [sys.executable, "-m", "doorward_cli.main", "grants", "credentials", grant_id]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while hangs and time.monotonic() < until:
        time.sleep(0.01)
    first.kill()
    first.wait()
    assert not hangs, "it never asked"
    begun = time.monotonic()
    assert process("credentials", grant_id).returncode == 0
    assert time.monotonic() - begun < 40  # it waits for 45 for a lock that is held


# Whose it is

SIGNERS: Final = {
    "keys of hers": {"AWS_ACCESS_KEY_ID": "AKIAJANE", "AWS_SECRET_ACCESS_KEY": "x"},
    "keys of another": {"AWS_ACCESS_KEY_ID": "AKIAEVE", "AWS_SECRET_ACCESS_KEY": "x"},
    "a profile": {"AWS_PROFILE": "me"},
    "another file of profiles": {"AWS_CONFIG_FILE": "/elsewhere"},
    "another file of keys": {"AWS_SHARED_CREDENTIALS_FILE": "/elsewhere"},
    "a web identity": {"AWS_ROLE_ARN": "arn:aws:iam::777788889999:role/ci", "AWS_WEB_IDENTITY_TOKEN_FILE": "/x"},
    "another web identity": {"AWS_ROLE_ARN": "arn:aws:iam::777788889999:role/other", "AWS_WEB_IDENTITY_TOKEN_FILE": "/x"},
    "a container": {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"},
}
"""By what botocore finds other credentials to sign with."""


@pytest.mark.usefixtures("home")
def test_whoever_signs_by_other_keys_gets_none_of_another_persons(api: GrantsApi, monkeypatch: pytest.MonkeyPatch) -> None:
    api.has(State.ACTIVE)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAJANE")
    assert json.loads(process("credentials", "--role", ORDERS.ref).stdout)["SecretAccessKey"] == f"{SECRET}-1"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAANN")
    api.caller = ANN
    done = process("credentials", "--role", ORDERS.ref)
    assert (done.returncode, done.stdout) == (2, "")
    assert "You have no grant" in done.stderr


@pytest.mark.usefixtures("home")
def test_two_apis_or_two_who_sign_do_not_share_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert key_of("https://a.example/v1", None, "x") == key_of("https://a.example/v1/", "hub", "x")
    keys = {key_of(api, who, what) for api in ("https://a", "https://b") for who in ("hub", "me") for what in ("x", "y")}
    assert len(keys) == 8
    ways = {key_of("https://a.example/v1", None, "x")}
    for environment in SIGNERS.values():
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            ways.add(key_of("https://a.example/v1", None, "x"))
    assert len(ways) == 1 + len(SIGNERS)


@pytest.mark.usefixtures("home")
def test_keys_in_the_environment_do_not_count_where_an_option_names_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of("https://a", "hub", "x")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEVE")
    assert key_of("https://a", "hub", "x") == before


@pytest.mark.parametrize("file", ["config", "credentials", "sso/cache/0a1b.json", "login/cache/0a1b.json"])
def test_nothing_is_left_of_who_signed_before_the_profile_was_somebody_elses(home: Path, file: str) -> None:
    written = home / ".aws" / file
    written.parent.mkdir(parents=True, exist_ok=True)
    keys = [key_of("https://a", "hub", "x")]
    for at, content in enumerate(("jane", "eve!")):  # as long as the other
        written.write_text(content)
        os.utime(written, (at, at))  # clocks of file systems may be too coarse for a test
        keys += [key_of("https://a", "hub", "x"), key_of("https://a", "hub", "x")]
    first, jane, again, eve, _ = keys
    assert jane == again
    assert len({first, jane, eve}) == 3


# A profile, and botocore itself


def botocores(profile: str) -> Any:
    return botocore.session.Session(profile=profile).get_credentials()


def test_botocore_reads_the_profile_and_refreshes_it(api: GrantsApi, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grant_id = api.has(State.ACTIVE, 600)
    assert main(["grants", "configure", grant_id, "--profile-name", "orders", "--profile-region", "eu-central-1"]) == 0
    monkeypatch.delenv("DOORWARD_API_URL")
    monkeypatch.setenv("AWS_PROFILE", "orders")  # as whoever works with it has it set: it still is not what signs
    credentials = botocores("orders")
    assert credentials.get_frozen_credentials().secret_key == f"{SECRET}-1"
    assert botocore.session.Session(profile="orders").get_config_variable("region") == "eu-central-1"
    # A quarter of an hour before the end botocore asks anew, and so does the process.
    ages(home, timedelta(minutes=14))
    credentials = botocores("orders")
    assert credentials.get_frozen_credentials().secret_key == f"{SECRET}-2"
    ages(home, timedelta(minutes=14))
    credentials._expiry_time -= timedelta(minutes=46)
    assert credentials.get_frozen_credentials().secret_key == f"{SECRET}-3"
    assert credentials.get_frozen_credentials().secret_key == f"{SECRET}-3"
    assert api.issues == 3


@pytest.mark.usefixtures("home")
def test_a_short_grants_rest_is_handed_out_to_botocore_as_it_is(api: GrantsApi) -> None:
    grant_id = api.has(State.ACTIVE, 5)
    assert main(["grants", "configure", grant_id, "--profile-name", "orders"]) == 0
    credentials = botocores("orders")
    for _ in range(3):  # botocore asks at every use: it takes five minutes for too few
        assert credentials.get_frozen_credentials().secret_key == f"{SECRET}-1"
    assert api.issues == 1


@pytest.mark.usefixtures("home")
def test_of_a_grant_that_ended_botocore_is_told_why(api: GrantsApi) -> None:
    grant_id = api.has(State.ACTIVE)
    assert main(["grants", "configure", grant_id, "--profile-name", "orders"]) == 0
    api.becomes(grant_id, State.REVOKED)
    with pytest.raises(CredentialRetrievalError, match=r"The grant is not active\. Ask for a new one\."):
        botocores("orders")


def test_a_profile_that_would_sign_with_itself_ends_and_says_which_option_is_missing(
    api: GrantsApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant_id = api.has(State.ACTIVE)
    command = f"{sys.executable} -m doorward_cli.main grants credentials {grant_id} --api {api.url}"
    (home / ".aws/config").write_text(f"[profile orders]\ncredential_process = {command}\n")
    monkeypatch.setenv("AWS_PROFILE", "orders")
    done = process("credentials", grant_id)
    assert done.returncode == 2
    assert "gets its own credentials from doorward grants; name the one that you sign in with by --profile" in done.stderr
    assert api.heard == []


@pytest.mark.usefixtures("home")
def test_a_profile_by_role_outlives_its_grants(api: GrantsApi, home: Path) -> None:
    first = api.has(State.ACTIVE)
    assert main(["grants", "configure", "--role", ORDERS.ref, "--template", "read-bucket", "--profile-name", "orders"]) == 0
    assert botocores("orders").secret_key == f"{SECRET}-1"
    api.becomes(first, State.CLOSED)
    ages(home, timedelta(seconds=-1))
    api.has(State.ACTIVE)
    assert botocores("orders").secret_key == f"{SECRET}-2"


def test_what_is_there_is_replaced_only_by_a_yes(
    api: GrantsApi, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = api.has(State.ACTIVE), api.has(State.ACTIVE)
    config = home / ".aws/config"
    configure = ["grants", "configure", second, "--profile-name", "orders"]
    assert main(["grants", "configure", first, "--profile-name", "orders"]) == 0
    before = config.read_bytes()
    assert main(["grants", "configure", first, "--profile-name", "orders"]) == 0  # the same once more
    assert main(configure) == 2
    assert config.read_bytes() == before
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    for yes, status in ((False, 1), (True, 0)):
        monkeypatch.setattr("typer.confirm", lambda *_, yes=yes, **__: yes)
        assert main(configure) == status
        assert (second.encode() in config.read_bytes()) is yes
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "because"),
    [("hub", "is the profile that you sign in with"), ("a]b", "must be letters"), ("sso", "sso_session"), ("", "must be letters")],
)
def test_a_profile_that_cannot_be_is_not_written(
    api: GrantsApi, home: Path, name: str, because: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = home / ".aws/config"
    with config.open("a") as file:
        file.write("[profile sso]\nsso_session = x\n")
    before = config.read_bytes()
    assert main(["grants", "configure", api.has(State.ACTIVE), "--profile-name", name]) == 2
    assert because in capsys.readouterr().err
    assert config.read_bytes() == before


def test_keys_that_would_win_are_said(api: GrantsApi, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".aws/credentials").write_text("[orders]\naws_access_key_id = AKIA\naws_secret_access_key = x\n")
    assert main(["grants", "configure", api.has(State.ACTIVE), "--profile-name", "orders"]) == 0
    assert f"{home}/.aws/credentials has keys for orders" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_a_profile_of_a_grant_that_is_over_is_not_written(api: GrantsApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grants", "configure", api.has(State.CLOSED), "--profile-name", "orders"]) == 2
    assert "over, as planned" in capsys.readouterr().err
    assert main(["grants", "configure", api.has(State.PENDING), "--profile-name", "orders"]) == 0
    assert "people have to agree" in capsys.readouterr().err


# A command


@pytest.mark.usefixtures("home")
def test_a_command_has_the_credentials_and_nothing_that_would_count_before_them(api: GrantsApi) -> None:
    grant_id = api.has(State.ACTIVE)
    assert process("credentials", grant_id).returncode == 0
    stands = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/x", "AWS_ROLE_ARN": "x", "AWS_SECURITY_TOKEN": "old", "AWS_REGION": "eu-central-1"}
    done = process(
        *("run", grant_id, "--profile", "hub", "--", sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"),
        env=os.environ | stands,
    )
    seen = {name: value for name, value in json.loads(done.stdout).items() if name.startswith(("AWS_", "DOORWARD_"))}
    assert {name for name in seen if name not in {"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED"}} == {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_CREDENTIAL_EXPIRATION",
        "AWS_REGION",
        "DOORWARD_API_URL",
        "DOORWARD_GRANT",
    }
    assert (seen["AWS_SECRET_ACCESS_KEY"], seen["DOORWARD_GRANT"]) == (f"{SECRET}-1", grant_id)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("stands", "regions"),
    [
        ({}, {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}),
        ({"AWS_REGION": "eu-central-1"}, {"AWS_REGION": "eu-central-1"}),
        ({"AWS_DEFAULT_REGION": "eu-central-1"}, {"AWS_DEFAULT_REGION": "eu-central-1"}),
    ],
)
def test_a_command_works_in_the_region_of_who_signs_unless_it_is_told_another(
    api: GrantsApi, stands: dict[str, str], regions: dict[str, str]
) -> None:
    shown = "import json, os; print(json.dumps({each: value for each, value in os.environ.items() if each.endswith('REGION')}))"
    done = process("run", api.has(State.ACTIVE), "--", sys.executable, "-c", shown, env=os.environ | stands)
    assert json.loads(done.stdout) == regions


@pytest.mark.usefixtures("home")
def test_it_exits_as_its_command_does(api: GrantsApi) -> None:
    grant_id = api.has(State.ACTIVE)
    for command, status in (
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -TERM $$"], -signal.SIGTERM),
        (["sh", "-c", "yes | head -1; exit 0"], 0),
        (["no-such-command"], 127),
        (["/"], 126),
    ):
        assert process("run", grant_id, "--", *command).returncode == status
    assert process("run", "--role", ORDERS.ref, "--", "sh", "-c", "exit 8").returncode == 8
    assert api.issues == 2


@pytest.mark.usefixtures("home")
def test_a_broken_pipe_ends_its_command_as_in_a_shell(api: GrantsApi) -> None:
    # Python ignores it, and whoever is started with it ignored has it so for good.
    assert process("run", api.has(State.ACTIVE), "--", "sh", "-c", "kill -PIPE $$; exit 3").returncode == -signal.SIGPIPE


@pytest.mark.usefixtures("home")
def test_a_signal_reaches_the_command(api: GrantsApi) -> None:
    command = [sys.executable, "-m", "doorward_cli.main", "grants", "run", api.has(State.ACTIVE), "--"]
    script = "trap 'echo got it; exit 5' INT; echo ready; while :; do sleep 0.05; done"
    running = subprocess.Popen([*command, "sh", "-c", script], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    running.send_signal(signal.SIGINT)
    assert running.communicate(timeout=120)[0] == "got it\n"
    assert running.returncode == 5


@pytest.mark.usefixtures("home")
def test_without_a_command_or_a_grant_that_is_active_nothing_runs(api: GrantsApi, tmp_path: Path) -> None:
    grant_id = api.has(State.ACTIVE)
    assert "doorward grants run ID -- aws s3 ls" in process("run", grant_id).stderr
    assert process("run", "--role", ORDERS.ref).returncode == process("run").returncode == 2
    assert api.heard == []
    assert process("run", api.has(State.CLOSED), "--", "touch", str(tmp_path / "ran")).returncode == 2
    assert not (tmp_path / "ran").exists()
