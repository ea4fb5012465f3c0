"""`doorward adopt`: everything that is broken is shown, what is accepted is accepted to the letter, and nothing else is."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from doorward.guardrails.model import Mode, Role
from doorward_cli.configuration import load_folder
from doorward_cli.main import main

REPOSITORY = Path(__file__).resolve().parents[2]
SCHEMA = Draft202012Validator(json.loads((REPOSITORY / "docs" / "schemas" / "doorward.adopt.1.json").read_text("utf-8")))
STAGING, PROD, STRANGER = "222233334444", "777788889999", "999988887777"
UNTIL = (datetime.now(UTC) + timedelta(days=60)).date().isoformat()
GITHUB = "token.actions.githubusercontent.com"


def role(name: str, *statements: dict[str, Any], account: str = STAGING) -> dict[str, Any]:
    return {
        "Path": "/",
        "RoleName": name,
        "RoleId": f"AROA{name.upper():A<17}",
        "Arn": f"arn:aws:iam::{account}:role/{name}",
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]},
    }


def aws(*principals: str) -> dict[str, Any]:
    return {"Principal": {"AWS": list(principals)}, "Action": "sts:AssumeRole"}


def github(account: str) -> dict[str, Any]:
    condition = {"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"}, "StringLike": {f"{GITHUB}:sub": "repo:*"}}
    provider = {"Federated": f"arn:aws:iam::{account}:oidc-provider/{GITHUB}"}
    return {"Principal": provider, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition}


ROLES = [
    role("many", aws(f"arn:aws:iam::{STRANGER}:root", "arn:aws:iam::888877776666:role/x")),
    role("open", aws("*")),
    role("one", aws(f"arn:aws:iam::{STRANGER}:role/z"), github(STAGING)),
    role("two", github(PROD), account=PROD),
    role("right", aws(f"arn:aws:iam::{STAGING}:role/app")),
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    return tmp_path / "config"


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "roles.json"
    path.write_text(json.dumps({"RoleDetailList": ROLES}))
    return path


def adopt(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any], str]:
    status = main(["adopt", *map(str, arguments), "--format", "json"])
    printed = capsys.readouterr()
    result = json.loads(printed.out) if printed.out else {}
    if result:
        SCHEMA.validate(result)
    return status, result, printed.err


def groups(result: dict[str, Any]) -> dict[str, tuple[list[str], int]]:
    return {each["group"]: (each["roles"], each["open"]) for each in result["groups"]}


def test_every_principal_of_every_role_is_shown_not_only_the_first(config: Path, dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, result, _ = adopt(capsys, dump, "--config", config)
    assert status == 1
    assert groups(result) == {
        "world-assumable=*": ([f"{STAGING}/open"], 1),
        f"oidc-unscoped-subject={GITHUB}": ([f"{STAGING}/one", f"{PROD}/two"], 2),
        f"external-account={STRANGER}": ([f"{STAGING}/many", f"{STAGING}/one"], 2),
        "external-account=888877776666": ([f"{STAGING}/many"], 1),
    }
    assert [(each["id"], each["open"]) for each in result["accounts"]] == [(STAGING, 5), (PROD, 1)]


def test_what_is_accepted_is_this_group_and_nothing_else_and_it_ends(config: Path, dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    group = f"external-account={STRANGER}"
    status, result, said = adopt(capsys, dump, "--config", config, "--accept", group, "--owner", "jane@acme.example", "--until", UNTIL)
    assert status == 1
    assert groups(result)[group] == ([f"{STAGING}/many", f"{STAGING}/one"], 0)
    assert groups(result)["external-account=888877776666"][1] == 1
    assert result["burn_down"] == [{"until": UNTIL, "accepted": 2}]
    assert "review it" in said
    _, guardrails = load_folder(config)
    assert {(each.role, each.role_id, each.rules, each.owner) for each in guardrails.waivers} == {
        (f"{STAGING}/many", f"AROA{'MANY':A<17}", ("external-account",), "jane@acme.example"),
        (f"{STAGING}/one", f"AROA{'ONE':A<17}", ("external-account",), "jane@acme.example"),
    }


def test_all_can_be_accepted_and_then_nothing_is_open(config: Path, dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, result, _ = adopt(capsys, dump, "--config", config, "--accept", "all", "--owner", "jane", "--until", UNTIL)
    assert status == 0
    assert {each["open"] for each in result["groups"]} == {0}
    assert main(["check", str(dump), "--config", str(config)]) == 0
    assert "waived" in capsys.readouterr().out


def test_a_role_that_opens_further_is_open_again(config: Path, dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adopt(capsys, dump, "--config", config, "--accept", "all", "--owner", "jane", "--until", UNTIL)
    wider = [role("many", aws(f"arn:aws:iam::{STRANGER}:root", "arn:aws:iam::888877776666:role/x", "arn:aws:iam::666655554444:root"))]
    dump.write_text(json.dumps({"RoleDetailList": wider}))
    status, result, _ = adopt(capsys, dump, "--config", config)
    assert status == 1
    assert {group for group, (_, left) in groups(result).items() if left} == {"external-account=666655554444"}


def test_what_stood_in_the_file_stays(config: Path, dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for group in (f"external-account={STRANGER}", "world-assumable=*"):
        adopt(capsys, dump, "--config", config, "--accept", group, "--owner", "jane", "--until", UNTIL)
    adopt(capsys, dump, "--config", config, "--take", STAGING)
    assert len(yaml.safe_load((config / "adopted.yaml").read_text())["waivers"]) == 3
    assert len(load_folder(config)[1].waivers) == 3


def test_taking_the_first_account_leaves_the_others_as_they_were(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert adopt(capsys, "--config", config, "--take", STAGING)[0] == 0
    organization, guardrails = load_folder(config)
    assert guardrails.adopted == frozenset(each.id for each in organization.accounts)


def test_an_account_that_is_not_adopted_is_only_observed(config: Path) -> None:
    (config / "adopted.yaml").write_text(f'adopted: ["{STAGING}"]\n')
    organization, guardrails = load_folder(config)
    modes = {
        account: guardrails.mode_for(
            "world-assumable", Role(account, "x", "/", f"arn:aws:iam::{account}:role/x", "AROAX", "{}"), organization.account(account)
        )
        for account in (STAGING, PROD)
    }
    assert modes == {STAGING: Mode.ALERT, PROD: Mode.OBSERVE}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "nothing to adopt"),
        (["DUMP", "--accept", "all"], "--accept needs --owner WHO and --until DAY"),
        (["DUMP", "--accept", "none=such", "--owner", "x", "--until", UNTIL], "--accept none=such: no such group is open"),
        (["DUMP", "--accept", "all", "--owner", "x", "--until", "2099-01-01"], "must be at most 90 days after from"),
        (["DUMP", "--accept", "all", "--owner", "x", "--until", "soon"], "--until soon: must be a day"),
        (["--take", "1"], "1: must be an account id"),
        (["--take", STRANGER], "is no account of organization.yaml"),
        (["DUMP", "--format", "sarif"], "must be table or json"),
    ],
)
def test_wrong_usage_is_one_line_and_leaves_the_folder_as_it_was(
    config: Path, dump: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(dump) if each == "DUMP" else each for each in arguments]
    assert main(["adopt", *given, "--config", str(config)]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert not (config / "adopted.yaml").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mode: enforce\n", "adopted.yaml:1: mode: belongs into guardrails.yaml"),
        (f'adopted: ["{STRANGER}"]\n', "is no account of organization.yaml"),
        ("adopted: [1]\n", "an account id of 12 digits in quotes"),
        ("waivers: [{owner: x}]\n", "reason: missing"),
    ],
)
def test_a_fault_in_the_file_names_its_line_and_field(config: Path, text: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    (config / "adopted.yaml").write_text(text)
    assert main(["config", "check", str(config)]) == 2
    assert says in capsys.readouterr().err


def test_nothing_is_called_unbroken_where_something_could_not_be_read(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = tmp_path / "right.json"
    right.write_text(json.dumps({"RoleDetailList": [ROLES[-1]]}))
    missing = tmp_path / "missing.json"
    assert main(["adopt", str(right), "--config", str(config)]) == 0
    assert "Nothing is broken." in capsys.readouterr().out
    for given in ([missing], [right, missing]):
        assert main(["adopt", *map(str, given), "--config", str(config)]) == 2
        shown = capsys.readouterr()
        assert "Nothing is broken." not in shown.out
        assert "missing.json" in shown.err
