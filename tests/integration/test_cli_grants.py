"""The command line as people have it: processes of it against the installed Doorward, from what may be asked for to what is reported.

Joe asks for the role that operates, so that the broker opens both roles that an account has: the others ask for the one that reads.
"""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from doorward.grants.names import is_grant_id
from doorward.organization.installation import GRANT_OPERATE_ROLE
from local import identity_center
from local.installation import Installation
from local.world import ANN, JOE, REGION, STAGING, Person
from tests.integration.emulated import unique

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

ROLE = f"{STAGING.id}/{GRANT_OPERATE_ROLE}"
COMMAND = Path(sys.executable).with_name("doorward")
WHO = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
LISTED = "import boto3, sys; print([each['Key'] for each in boto3.client('s3').list_objects_v2(Bucket=sys.argv[1])['Contents']])"


class Machine(NamedTuple):
    """Somebody's, with a profile for each of the people: whoever types names himself by it. `said`: all that came on standard error."""

    environment: Mapping[str, str]
    said: list[str]

    def types(self, person: Person, *command: str | Path, status: int = 0) -> str:
        """What comes of it on standard output."""
        environment = {**self.environment, "AWS_PROFILE": person.user_name}
        done = subprocess.run(
            list(map(str, command)), env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120
        )
        self.said.append(done.stderr)
        assert done.returncode == status, (command, done.stdout, done.stderr)
        return done.stdout

    def grants(self, person: Person, *arguments: str, status: int = 0) -> str:
        return self.types(person, COMMAND, "grants", *arguments, status=status)

    def shown(self, person: Person, grant_id: str) -> dict[str, Any]:
        return dict(json.loads(self.grants(person, "show", grant_id, "--format", "json")))


@pytest.fixture(scope="module")
def machine(doorward: Installation, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    home = tmp_path_factory.mktemp("home")
    profiles = []
    for person in (ANN, JOE):
        keys = identity_center.sign_in(doorward.stack, person)
        settings = {"region": REGION, **keys}
        profiles.append(f"[profile {person.user_name}]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
    (home / "config").write_text("\n".join(profiles))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "AWS_CONFIG_FILE": str(home / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "credentials"),
        "AWS_ENDPOINT_URL": doorward.stack.url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "DOORWARD_API_URL": doorward.api_url,
    }
    return Machine(environment, [])


@pytest.fixture(scope="module")
def bucket(doorward: Installation) -> str:
    name, s3 = unique("orders"), doorward.stack.client("s3", STAGING.id)
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="list.txt", Body=b"one")
    return name


@pytest.fixture(scope="module")
def asked(doorward: Installation, machine: Machine, bucket: str) -> str:
    """A grant's id: asked for by the command that the list has, filled in."""
    doorward.invoke("ReconcileGrantsFunction")  # which looks for the roles that there are, every five minutes
    shown = machine.grants(JOE, "list")
    (line,) = [each.strip() for each in shown.splitlines() if f"request {ROLE} " in each]
    command = [
        "request",
        ROLE,
        "--template",
        "read-bucket",
        "--param",
        f"bucket={bucket}",
        "--minutes",
        "30",
        "--reason",
        "an order is lost",
    ]
    assert line == f'doorward grants {" ".join(command[:4])} --param "bucket=S3-BUCKET" --minutes 60 --reason "…"'
    grant = json.loads(machine.grants(JOE, *command, "--no-wait", "--format", "json"))
    return str(grant["grant_id"])


@pytest.fixture(scope="module")
def active(machine: Machine, asked: str) -> str:
    assert "nobody can be asked here" in refused(machine, ANN, "approve", asked)
    assert "does not decide it" in refused(machine, JOE, "approve", asked, "--yes")
    machine.grants(ANN, "approve", asked, "--yes", "--reason", "go on")
    assert f"doorward grants run {asked} -- " in machine.grants(JOE, "show", asked, "--wait")
    return asked


def refused(machine: Machine, person: Person, *arguments: str) -> str:
    machine.grants(person, *arguments, status=2)
    return machine.said[-1]


def test_a_grant_is_asked_for_by_the_command_that_the_list_shows(machine: Machine, asked: str) -> None:
    assert is_grant_id(asked)
    assert asked in machine.grants(ANN, "list")


def test_aws_tools_take_its_credentials_by_a_profile(machine: Machine, active: str, bucket: str) -> None:
    machine.grants(JOE, "configure", active, "--profile-name", "orders", "--profile-region", REGION)
    orders = machine._replace(environment={**machine.environment, "AWS_DEFAULT_PROFILE": "orders"})
    program = f"import os; del os.environ['AWS_PROFILE']\n{LISTED}"
    assert orders.types(JOE, sys.executable, "-c", program, bucket) == "['list.txt']\n"


def test_a_command_runs_as_the_grant_and_exits_as_it_does(machine: Machine, active: str, bucket: str) -> None:
    who = machine.grants(JOE, "run", active, "--", sys.executable, "-c", WHO).strip()
    assert who.endswith(f":assumed-role/{GRANT_OPERATE_ROLE}/{JOE.user_name}={active}")
    assert machine.grants(JOE, "run", "--role", ROLE, "--", sys.executable, "-c", LISTED, bucket) == "['list.txt']\n"
    machine.grants(JOE, "run", active, "--", sys.executable, "-c", "raise SystemExit(7)", status=7)


def test_the_console_s_link_is_printed_and_nothing_beside_it(machine: Machine, active: str) -> None:
    link = machine.grants(JOE, "console", active, "--print")
    assert len(link.split()) == 1
    assert "SigninToken=" in link


def test_the_doctor_finds_the_profile_well(machine: Machine, active: str) -> None:
    machine.grants(JOE, "configure", active, "--profile-name", "checked")
    assert f"checked: grant {active} is active" in machine.grants(JOE, "doctor")


def test_who_had_what_and_who_agreed_is_reported_in_each_form(machine: Machine, active: str) -> None:
    today = datetime.now(UTC).date()
    days = ["--since", str(today - timedelta(days=1)), "--until", str(today + timedelta(days=2))]
    (row,) = [each for each in csv.DictReader(io.StringIO(machine.grants(ANN, "report", *days))) if each["grant_id"] == active]
    assert (row["person"], row["said_yes"], row["reason"]) == (JOE.user_name, ANN.user_name, "an order is lost")
    lines = [json.loads(each) for each in machine.grants(ANN, "report", *days, "--format", "jsonl").splitlines()]
    assert [each["grant"]["person"]["name"] for each in lines if each["grant"]["grant_id"] == active] == [JOE.user_name]
    events = [json.loads(each) for each in machine.grants(ANN, "report", *days, "--format", "ocsf").splitlines()]
    assert [each["status"] for each in events if each["metadata"]["uid"].startswith(active)] == ["Success"]


def test_once_it_is_taken_back_nothing_is_given_and_the_doctor_says_so(machine: Machine, active: str) -> None:
    """The last of this file's that uses it."""
    machine.grants(JOE, "configure", active, "--profile-name", "checked")
    machine.grants(JOE, "revoke", active, "--yes")
    assert "The grant is" in refused(machine, JOE, "run", active, "--", "true")
    assert "The grant is" in refused(machine, JOE, "credentials", active)
    assert f"checked: grant {active} is" in machine.grants(JOE, "doctor", status=1)


def test_nothing_secret_was_ever_said(machine: Machine, doorward: Installation, bucket: str) -> None:
    """Of the whole file, on standard error, whence it comes into logs; with a grant of its own, whose secrets are known."""
    command = ["request", ROLE, "--template", "read-bucket", "--param", f"bucket={bucket}", "--minutes", "30", "--reason", "another"]
    grant = json.loads(machine.grants(JOE, *command, "--no-wait", "--format", "json"))
    machine.grants(ANN, "approve", grant["grant_id"], "--yes")
    machine.grants(JOE, "show", grant["grant_id"], "--wait")
    keys = json.loads(machine.grants(JOE, "credentials", grant["grant_id"]))
    link = machine.grants(JOE, "console", grant["grant_id"], "--print").strip()
    machine.grants(JOE, "cancel", grant["grant_id"], "--yes")
    said = "".join(machine.said)
    assert said
    assert not [each for each in (keys["SecretAccessKey"], keys["SessionToken"], link, "SigninToken") if each in said]
