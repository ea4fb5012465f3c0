"""What a change newly lets in: a decision table, and the command."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from doorward.guardrails.diff import Difference, compare
from doorward.iam.documents import parse_document
from doorward_cli.main import main
from tests.unit.test_guardrails_rules import NOW, ORGANIZATIONS, REPO, role

OURS = "777788889999"
ROOT = {"AWS": f"arn:aws:iam::{OURS}:root"}
STRANGER = {"AWS": "arn:aws:iam::999988887777:root"}
EVERYBODY = {"AWS": "*"}
ISSUER = "token.actions.githubusercontent.com"
GITHUB = {"Federated": f"arn:aws:iam::{OURS}:oidc-provider/{ISSUER}"}
KEYCLOAK = {"Federated": f"arn:aws:iam::{OURS}:oidc-provider/login.acme.example"}
LAMBDA = {"Service": "lambda.amazonaws.com"}
SAML = {"Federated": f"arn:aws:iam::{OURS}:saml-provider/corp"}
ORG = {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}


def allow(principal: Any, condition: Any = None, action: Any = "sts:AssumeRole", effect: str = "Allow") -> dict[str, Any]:
    statement = {"Effect": effect, "Principal": principal, "Action": action}
    return statement if condition is None else {**statement, "Condition": condition}


def bucket(name: str) -> dict[str, Any]:
    return {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{name}"}}


def deny(principal: Any, condition: Any = None, action: Any = "sts:AssumeRole") -> dict[str, Any]:
    return allow(principal, condition, action, "Deny")


def subject(*values: str, operator: str = "StringLike") -> dict[str, Any]:
    return allow(GITHUB, {operator: {f"{ISSUER}:sub": list(values)}}, "sts:AssumeRoleWithWebIdentity")


def differ(old: list[Any], new: list[Any], version: str = "2012-10-17") -> Difference:
    before, after = (parse_document({"Version": version, "Statement": each}) for each in (old, new))
    return compare(before, after, role("{}"), ORGANIZATIONS["known"], now=NOW)


TABLE: dict[str, tuple[list[Any], list[Any], bool | None, bool | None]] = {
    # (old, new, whether somebody is newly let in, whether somebody is no longer)
    "nothing changed": ([allow(ROOT)], [allow(ROOT)], False, False),
    "the same in another spelling": ([allow(ROOT)], [allow({"AWS": [OURS]}, action=["STS:assumerole"])], False, False),
    "two statements in another order": ([allow(ROOT), allow(LAMBDA)], [allow(LAMBDA), allow(ROOT)], False, False),
    "one statement for two": ([allow(ROOT), allow(LAMBDA)], [allow({**ROOT, **LAMBDA})], False, False),
    "a stranger added": ([allow(ROOT)], [allow(ROOT), allow(STRANGER)], True, False),
    "a stranger dropped": ([allow(ROOT), allow(STRANGER)], [allow(ROOT)], False, True),
    "one principal for another": ([allow(ROOT)], [allow(STRANGER)], True, True),
    "one role of an account that was let in whole": ([allow(ROOT)], [allow({"AWS": f"arn:aws:iam::{OURS}:role/ci"})], False, True),
    "a condition added": ([allow(EVERYBODY)], [allow(EVERYBODY, ORG)], False, True),
    "a condition taken away": ([allow(EVERYBODY, ORG)], [allow(EVERYBODY)], True, False),
    "IfExists added": ([allow(EVERYBODY, ORG)], [allow(EVERYBODY, {"StringEqualsIfExists": ORG["StringEquals"]})], True, False),
    "one bucket for any": ([allow(LAMBDA, bucket("acme-reports"))], [allow(LAMBDA, bucket("*"))], True, False),
    "a bucket's account asked for": (
        [allow(LAMBDA, bucket("acme-*"))],
        [allow(LAMBDA, {**bucket("acme-*"), "StringEquals": {"aws:SourceAccount": OURS}})],
        False,
        True,
    ),
    "a Deny added": ([allow(ROOT)], [allow(ROOT), deny({"AWS": f"arn:aws:iam::{OURS}:role/ci"})], False, True),
    "a Deny taken away": ([allow(ROOT), deny({"AWS": f"arn:aws:iam::{OURS}:role/ci"})], [allow(ROOT)], True, False),
    "a Deny that denied nobody taken away": ([allow(ROOT), deny(STRANGER)], [allow(ROOT)], False, False),
    "a Deny for another call": ([allow(ROOT)], [allow(ROOT), deny(ROOT, action="sts:TagSession")], False, False),
    "a subject's pattern widened": ([subject("repo:acme/web:*")], [subject("repo:acme/*")], True, False),
    "a subject's pattern narrowed": ([subject("repo:acme/*")], [subject("repo:acme/web:*")], False, True),
    "a subject within another of the list": ([subject("repo:acme/*")], [subject("repo:acme/*", "repo:acme/web:*")], False, False),
    "a literal asterisk for a pattern": ([subject("repo:acme/*")], [subject("repo:acme/*", operator="StringEquals")], False, True),
    "split addresses": (
        [allow(ROOT, {"IpAddress": {"aws:SourceIp": "203.0.112.0/23"}})],
        [allow(ROOT, {"IpAddress": {"aws:SourceIp": ["203.0.112.0/24", "203.0.113.0/24"]}})],
        False,
        False,
    ),
    "a second factor no longer": ([allow(ROOT, {"Bool": {"aws:MultiFactorAuthPresent": "true"}})], [allow(ROOT)], True, False),
    "tags may be passed": ([allow(ROOT)], [allow(ROOT, action=["sts:AssumeRole", "sts:TagSession"])], True, False),
    "every action": ([allow(ROOT)], [allow(ROOT, action="sts:*")], True, False),
    "a service for another": ([allow(LAMBDA)], [allow({"Service": "ec2.amazonaws.com"})], True, True),
    "a service's source is asked for": ([allow(LAMBDA)], [allow(LAMBDA, {"StringEquals": {"aws:SourceAccount": OURS}})], False, True),
    "an assertion for anybody": (
        [allow(SAML, {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}}, "sts:AssumeRoleWithSAML")],
        [allow(SAML, None, "sts:AssumeRoleWithSAML")],
        True,
        False,
    ),
    "an issuer whose subjects nobody described": (
        [allow(ROOT)],
        [allow(ROOT), allow(KEYCLOAK, None, "sts:AssumeRoleWithWebIdentity")],
        None,
        False,
    ),
    "the same of that issuer": (
        [allow(KEYCLOAK, None, "sts:AssumeRoleWithWebIdentity")],
        [allow(KEYCLOAK, None, "sts:AssumeRoleWithWebIdentity"), allow(ROOT)],
        True,
        False,
    ),
    "a key that nobody described": ([allow(ROOT)], [allow(ROOT), allow(STRANGER, {"StringEquals": {"acme:x": "1"}})], None, False),
    "a variable that stays": (
        [allow(ROOT, {"StringEquals": {"sts:RoleSessionName": "${aws:username}"}})],
        [allow(ROOT, {"StringEquals": {"sts:RoleSessionName": "${aws:username}"}}), allow(LAMBDA)],
        True,
        False,
    ),
}

SPARED = {"Effect": "Deny", "NotPrincipal": ROOT, "Action": "sts:AssumeRole"}
COGNITO = {"Federated": "cognito-identity.amazonaws.com"}
# What no kind of caller stands for: IAM refuses most of it, and whoever asks for a difference has no policy that IAM has seen.
TABLE |= {
    "a Deny of all but ours dropped": ([allow(EVERYBODY), SPARED], [allow(EVERYBODY)], None, None),
    "all but ours let in": ([allow(ROOT)], [allow(ROOT), {**SPARED, "Effect": "Allow"}], None, None),
    "nobody said": ([allow(ROOT)], [allow(ROOT), {"Effect": "Allow", "Action": "sts:AssumeRole"}], None, None),
    "nothing said": ([allow(ROOT)], [{"Effect": "Allow", "Principal": ROOT}], None, None),
    "services among everybody": ([allow(EVERYBODY)], [allow("*")], None, False),
    "GitHub by AssumeRole": ([allow(ROOT)], [allow(ROOT), allow(GITHUB)], False, False),
    "Cognito by AssumeRole": ([allow(ROOT)], [allow(ROOT), allow(COGNITO)], None, False),
    "an account of another partition": ([allow(ROOT)], [allow(ROOT), allow({"AWS": f"arn:aws-cn:iam::{OURS}:root"})], None, False),
}


@pytest.mark.parametrize("name", TABLE)
def test_what_is_newly_let_in_and_what_no_longer(name: str) -> None:
    old, new, gained, lost = TABLE[name]
    difference = differ(old, new)
    assert (difference.gained.is_there, difference.lost.is_there) == (gained, lost)
    for change in difference:
        assert (change.witness is not None) is (change.is_there is True)
        assert (change.because is not None) is (change.is_there is None)


def test_a_variable_means_something_only_in_a_document_of_2012() -> None:
    new = [allow(ROOT, {"StringEquals": {"sts:RoleSessionName": "${aws:username}"}})]
    before, after = (parse_document({"Version": version, "Statement": new}) for version in ("2008-10-17", "2012-10-17"))
    assert compare(before, after, role("{}"), ORGANIZATIONS["known"], now=NOW).gained.is_there is not False


@pytest.fixture
def policies(tmp_path: Path) -> tuple[str, str]:
    for name, statements in (("old", [allow(ROOT)]), ("new", [allow(ROOT), allow(STRANGER)])):
        (tmp_path / f"{name}.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}))
    return str(tmp_path / "old.json"), str(tmp_path / "new.json")


def test_the_command_prints_what_the_contract_says(policies: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    old, new = policies
    assert main(["diff", old, new, "--account", OURS]) == 1
    printed = json.loads(capsys.readouterr().out)
    Draft202012Validator(json.loads((REPO / "docs/schemas/doorward.diff.1.json").read_text())).validate(printed)
    assert (printed["new_access"], printed["lost_access"], printed["lost_witness"]) == (True, False, None)
    assert printed["witness"]["context"]["aws:PrincipalAccount"] == "999988887777"
    assert main(["diff", new, old]) == 0


def test_the_command_says_it_in_words(policies: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *policies, "--format", "table"]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("New access: yes\n  It is new that arn:aws:sts::999988887777:assumed-role/")
    assert "Lost access: none" in shown


@pytest.mark.parametrize("text", ["", "{", "[]", '{"Version": "2012-10-17"}', '{"Statement": 1}', "\x00" * 9, "[" * 5000])
def test_what_is_no_trust_policy_is_told_in_one_line(
    text: str, tmp_path: Path, policies: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(text)
    assert main(["diff", policies[0], str(broken)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "broken.json" in err
