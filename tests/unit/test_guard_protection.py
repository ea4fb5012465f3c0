"""The SCP that protects Doorward: nobody but the deployers gets through, and Doorward itself goes on working."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from doorward.errors import Misconfigured
from doorward.guard.protection import LONGEST_POLICY, Protected, attempts, compact, faults, policy
from doorward.guardrails.diff import newly_allowed
from doorward.guardrails.model import Role
from doorward.iam.documents import parse_document
from doorward.organization.model import Account, Organization
from doorward_cli.main import main

REPOSITORY = Path(__file__).resolve().parents[2]
HUB, PROD = "111122223333", "777788889999"
STACK_SETS = "arn:aws:iam::*:role/stacksets-exec-0123456789abcdef0123456789abcdef"
DEPLOYER = f"arn:aws:iam::{HUB}:role/ci/deployer"
TRAIL = "arn:aws:cloudtrail:us-east-1:123456789012:trail/organization"
SECRET = f"arn:aws:secretsmanager:us-east-1:{HUB}:secret:ExternalIdSecret-abc-AbCdEf"
KEY = f"arn:aws:kms:us-east-1:{HUB}:key/0f0e0d0c-0b0a-4908-8706-050403020100"
SIGNING_KEY = f"arn:aws:kms:us-east-1:{HUB}:key/1f1e1d1c-1b1a-4918-9716-151413121110"
PROTECTED = Protected("aws", HUB, (STACK_SETS, DEPLOYER), trails=(TRAIL,), secret=SECRET, keys=(KEY, SIGNING_KEY))
ACME = Organization(id="o-a1b2c3d4e5", accounts=(Account(HUB, "hub"), Account(PROD, "prod")))


def test_everybody_else_is_denied_and_doorward_goes_on_working() -> None:
    assert faults(policy(PROTECTED), PROTECTED, PROD) == ()
    tried = list(attempts(PROTECTED, PROD))
    assert {each.is_denied for each in tried} == {True, False}
    assert len(tried) > 1000


def test_nobody_but_the_broker_assumes_a_role_that_people_are_granted_and_nobody_but_deployers_changes_one() -> None:
    role = f"arn:aws:iam::{PROD}:role/doorward/grants/doorward-grant-read"
    tried = [each for each in attempts(PROTECTED, PROD) if each.request.resource == role]
    may = {(each.request.action, str(each.request.context["aws:PrincipalArn"])) for each in tried if not each.is_denied}
    assert {who for action, who in may if action == "sts:AssumeRole"} == {f"arn:aws:iam::{HUB}:role/doorward/doorward-mint-credentials"}
    changes = {"iam:UpdateAssumeRolePolicy", "iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary", "iam:UpdateRole"}
    assert changes <= {each.request.action for each in tried if each.is_denied}
    assert {who.rpartition("/")[2] for action, who in may if action in changes} == {STACK_SETS.rpartition("/")[2]}
    whole = policy(PROTECTED)
    statement = next(each for each in whole["Statement"] if each["Sid"] == "OnlyTheHubEnters")
    without = [each for each in statement["Condition"]["ArnNotEquals"]["aws:PrincipalArn"] if "mint-credentials" not in each]
    shut = {**statement, "Condition": {"ArnNotEquals": {"aws:PrincipalArn": without}}}
    rest = [each for each in whole["Statement"] if each is not statement]
    (fault,) = {each for each in faults({**whole, "Statement": [*rest, shut]}, PROTECTED, PROD) if role in each}
    assert fault.startswith("sts:AssumeRole")
    assert fault.endswith("explicitly_denied")


@pytest.mark.parametrize("sid", ["OnlyDeployers", "OnlyTheCanaryTagsItself", "OnlyTheHubEnters", "OnlyTheHubWrites", "NobodyLeaves"])
def test_without_any_one_statement_somebody_gets_through(sid: str) -> None:
    whole = policy(PROTECTED)
    less = {**whole, "Statement": [each for each in whole["Statement"] if each["Sid"] != sid]}
    assert len(less["Statement"]) == len(whole["Statement"]) - 1
    assert any(each.endswith(": allowed") for each in faults(less, PROTECTED, PROD))


@pytest.mark.parametrize("sid", ["OnlyDeployers", "OnlyTheCanaryTagsItself", "OnlyTheHubEnters", "OnlyTheHubWrites"])
def test_without_its_exceptions_a_statement_stops_doorward_itself(sid: str) -> None:
    whole = policy(PROTECTED)
    harsher = [{name: part for name, part in each.items() if name != "Condition" or each["Sid"] != sid} for each in whole["Statement"]]
    assert any(each.endswith(": explicitly_denied") for each in faults({**whole, "Statement": harsher}, PROTECTED, PROD))


@pytest.mark.parametrize(
    ("actions", "resource"),
    [
        (("kms:CreateGrant", "kms:Disable*", "kms:Put*", "kms:Schedule*"), KEY),
        (("sns:Subscribe",), None),
        (("sns:Unsubscribe",), None),
        (("events:Enable*",), None),
        (("cloudwatch:Put*",), None),
        (("lambda:Create*",), None),
    ],
)
def test_without_any_of_these_lines_somebody_gets_through(actions: tuple[str, ...], resource: str | None) -> None:
    first, *rest = policy(PROTECTED)["Statement"]
    assert set(actions) <= set(first["Action"])
    kept = [each for each in first["Action"] if each not in actions]
    less = {**first, "Action": kept}
    assert any(each.endswith(": allowed") for each in faults({"Version": "2012-10-17", "Statement": [less, *rest]}, PROTECTED, PROD))
    if resource is not None:
        elsewhere = {**first, "Resource": [each for each in first["Resource"] if each != resource]}
        assert any(
            each.endswith(": allowed") for each in faults({"Version": "2012-10-17", "Statement": [elsewhere, *rest]}, PROTECTED, PROD)
        )


@pytest.mark.parametrize("account", [HUB, PROD])
@pytest.mark.parametrize("sid", ["OnlyDeployers", "OnlyTheCanaryTagsItself", "OnlyTheHubEnters", "OnlyTheHubWrites"])
def test_the_search_finds_no_principal_of_an_account_but_those_excepted(sid: str, account: str) -> None:
    """Whoever a Deny leaves, asked of the search as a trust policy: the excepted, and nobody else."""
    condition = next(each["Condition"] for each in policy(PROTECTED)["Statement"] if each["Sid"] == sid)
    excepted = [each.replace("${aws:PrincipalAccount}", account) for each in condition["ArnNotEquals"]["aws:PrincipalArn"]]
    assert lets_in_others({"ArnNotEquals": {"aws:PrincipalArn": excepted}}, excepted, account) is False
    looser = [*excepted, f"arn:aws:iam::{account}:role/stacksets-*"]
    assert lets_in_others({"ArnNotLike": {"aws:PrincipalArn": looser}}, excepted, account) is True


def lets_in_others(condition: dict[str, Any], excepted: list[str], account: str) -> bool | None:
    allow = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}
    deny = {**allow, "Effect": "Deny", "Principal": {"AWS": "*"}, "Condition": condition}
    only_excepted = {**allow, "Condition": {"ArnEquals": {"aws:PrincipalArn": excepted}}}
    role = Role(PROD, "door", "/", f"arn:aws:iam::{PROD}:role/door", "AROADOORDOORDOORDOORD", "{}")
    return newly_allowed(document(only_excepted), document(allow, deny), role, ACME, now=datetime(2026, 11, 25, tzinfo=UTC)).is_there


def document(*statements: dict[str, Any]) -> Any:
    return parse_document({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.mark.parametrize(
    ("deployer", "says"),
    [
        ("arn:aws:iam::*:role/stacksets-exec-*", "must be the ARN of one role"),
        ("arn:aws:iam::*:role/stacksets-exec-????????????????????????????????", "must be the ARN of one role"),
        ("arn:aws:iam::11112222*:role/x", "must be the ARN of one role"),
        ("*", "must be the ARN of one role"),
        ("arn:aws:iam::111122223333:root", "must be the ARN of one role"),
    ],
)
def test_no_exception_is_a_pattern(deployer: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        policy(PROTECTED._replace(deployers=(deployer,)))


def test_a_policy_that_nobody_could_ever_update_is_refused() -> None:
    with pytest.raises(Misconfigured, match="nobody could ever update"):
        policy(PROTECTED._replace(deployers=()))


def test_the_policy_keeps_to_its_size_and_says_so_where_it_cannot() -> None:
    assert len(compact(policy(PROTECTED))) <= LONGEST_POLICY
    many = tuple(f"arn:aws:iam::{HUB}:role/ci/deployer-{number:060}" for number in range(12))
    with pytest.raises(Misconfigured, match="name fewer deployers"):
        policy(PROTECTED._replace(deployers=many))


class TestCommand:
    ARGUMENTS = ("guard", "export", "--hub", HUB, "--deployer", STACK_SETS, "--trail", TRAIL)

    def test_it_writes_what_is_proved(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*self.ARGUMENTS, "--out", str(tmp_path / "new" / "scp.json"), "--format", "json"]) == 0
        result = json.loads(capsys.readouterr().out)
        schema = json.loads((REPOSITORY / "docs" / "schemas" / "doorward.guard-export.1.json").read_text("utf-8"))
        Draft202012Validator(schema).validate(result)
        text = (tmp_path / "new" / "scp.json").read_text("ascii")
        assert json.loads(text) == result["policy"]
        assert len(text) == result["characters"] <= LONGEST_POLICY

    def test_the_table_names_each_exception(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*self.ARGUMENTS]) == 0
        printed = capsys.readouterr().out
        assert "proved: true" in printed
        assert "role/doorward/doorward-canary" in printed

    @pytest.mark.parametrize(
        ("more", "says"),
        [
            (["--deployer", "arn:aws:iam::*:role/*"], "must be the ARN of one role"),
            (["--hub", "1"], "--hub 1: must be an account id"),
            (["--trail", "mine"], "trail mine: must be the ARN of a trail"),
            (["--key", f"arn:aws:kms:us-east-1:{HUB}:key/*"], "must be the ARN of a key"),
            (["--format", "xml"], "--format xml: must be table or json"),
        ],
    )
    def test_wrong_usage_is_one_line(self, more: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*self.ARGUMENTS, *more]) == 2
        said = capsys.readouterr().err
        assert says in said
        assert len(said.splitlines()) == 1
