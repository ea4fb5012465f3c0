"""Documents as IAM, its tools and its enemies write them."""

import datetime as dt
import json
import re
from typing import Any
from urllib.parse import quote

import pytest

from doorward.errors import MalformedInput
from doorward.iam.arns import Arn, RoleArn, account_of_principal, is_account_id, parse_arn, parse_role_arn, role_arn
from doorward.iam.documents import (
    LONGEST_DOCUMENT,
    Condition,
    Principal,
    canonical_hash,
    load_json,
    parse_document,
    render_document,
)

STATEMENT: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"}


def document(**changes: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{**STATEMENT, **changes}]}


def refusal(text: Any) -> str:
    with pytest.raises(MalformedInput) as refused:
        parse_document(text)
    str(refused.value).encode()
    return str(refused.value)


def test_a_statement_may_stand_without_a_list() -> None:
    assert parse_document({"Version": "2012-10-17", "Statement": STATEMENT}) == parse_document(document())


def test_a_value_may_stand_without_a_list() -> None:
    listed = document(Principal={"AWS": ["111122223333"]}, Action=["sts:AssumeRole"], Condition={"StringEquals": {"k": ["x"]}})
    assert parse_document(listed) == parse_document(document(Condition={"StringEquals": {"k": "x"}}))


def test_a_document_without_version_is_of_2008() -> None:
    assert parse_document({"Statement": []}).version == "2008-10-17"


def test_absent_and_empty_are_told_apart() -> None:
    [absent] = parse_document({"Statement": {"Effect": "Deny"}}).statements
    [empty] = parse_document({"Statement": {"Effect": "Deny", "Principal": {}, "Action": [], "Condition": {}}}).statements
    assert (absent.principals, absent.actions, absent.conditions) == (None, None, ())
    assert (empty.principals, empty.actions, empty.conditions) == ((), (), ())


def test_the_star_alone_is_told_from_the_aws_star() -> None:
    assert parse_document(document(Principal="*")).statements[0].principals == (Principal("*", "*"),)
    assert parse_document(document(Principal={"AWS": "*"})).statements[0].principals == (Principal("AWS", "*"),)


@pytest.mark.parametrize(("written", "read"), [(True, "true"), (False, "false"), (5, "5"), (-1, "-1"), (0.5, "0.5"), ("", "")])
def test_numbers_and_booleans_are_text(written: object, read: str) -> None:
    [statement] = parse_document(document(Condition={"Bool": {"k": written}})).statements
    assert statement.conditions == (Condition("Bool", "k", (read,)),)


@pytest.mark.parametrize(
    ("written", "read"), [(111122223333, "111122223333"), (12345678901, "012345678901"), ("12345678901", "012345678901")]
)
def test_an_account_id_keeps_its_leading_zeros(written: object, read: str) -> None:
    assert parse_document(document(Principal={"AWS": written})).statements[0].principals == (Principal("AWS", read),)


def test_digits_of_other_scripts_are_no_account_id() -> None:
    assert parse_document(document(Principal={"AWS": "\u0661" * 3})).statements[0].principals == (Principal("AWS", "\u0661" * 3),)
    assert not is_account_id("\u0661" * 12)


@pytest.mark.parametrize("before", ["", "\ufeff", " \n\t", "\r\n"])
def test_what_iam_returns_percent_encoded_is_decoded(before: str) -> None:
    text = before + json.dumps(document(Sid="100%25 sure + \u00e9"), ensure_ascii=False)
    assert parse_document(quote(text)) == parse_document(text)
    assert parse_document(re.sub("%..", lambda found: found[0].lower(), quote(text))) == parse_document(text)


def test_percent_signs_within_plain_json_are_kept() -> None:
    assert parse_document(json.dumps(document(Sid="%2A"))).statements[0].sid == "%2A"


def test_bytes_are_read_as_utf8() -> None:
    text = json.dumps(document(Sid="\u00e9"), ensure_ascii=False)
    assert parse_document(text.encode()) == parse_document(text)
    assert "not UTF-8 text at byte 0" in refusal(text.encode("utf-16"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("%7B%", "not JSON"),
        ("%7B%22%FF%22%7D", "percent-encoded, but not as UTF-8"),
        ("[]", "must be a JSON object, not a list"),
        ("null", "must be a JSON object, not null"),
        ('{"Statement": NaN}', "NaN is not JSON"),
        ('{"Statement": [], "Statement": []}', '"Statement": written twice'),
        ('{"Statement": [{"Effect": "Deny", "Effect": "Allow"}]}', '"Effect": written twice'),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 20_000, "nested too deeply"),
        ('{"Statement": ' + "1" * 5000 + "}", "not a policy document"),
        ('{"Statement": "' + "x" * LONGEST_DOCUMENT + '"}', f"IAM accepts at most {LONGEST_DOCUMENT}"),
        ('{"Statement": {"Effect": "Allow", "Action": 1e999}}', "Statement[0].Action: not a number that IAM could store"),
        ({}, "Statement: missing"),
        ({"Statement": "x"}, "Statement: must be an object or a list"),
        ({"Statement": [None]}, "Statement[0]: must be an object, not null"),
        ({"Statement": [], "Statements": []}, 'unknown element "Statements"'),
        ({"Statement": [], "Version": "2012-10-18"}, 'Version: must be "2012-10-17" or "2008-10-17", not "2012-10-18"'),
        ({"Statement": [], "Version": ["2012-10-17"]}, "Version: must be"),
        ({"Statement": [], "Version": dt.date(2012, 10, 17)}, "not a date"),
        ({"Statement": [], "Id": 1}, "Id: must be text"),
        (document(Sid=1), "Statement[0].Sid: must be text"),
        (document(Effect="allow"), 'Statement[0].Effect: must be "Allow" or "Deny", not "allow"'),
        (document(Effect=["Allow"]), "Statement[0].Effect: must be"),
        (document(Effect={}), "Statement[0].Effect: must be"),
        (document(action="sts:AssumeRole"), 'Statement[0]: unknown element "action"'),
        (document(NotAction="sts:TagSession"), "Action and NotAction exclude each other"),
        (document(NotPrincipal="*"), "Principal and NotPrincipal exclude each other"),
        (document(Principal="111122223333"), 'Statement[0].Principal: must be "*" or an object'),
        (document(Principal=["*"]), 'Statement[0].Principal: must be "*" or an object'),
        (document(Principal={"aws": "*"}), '"aws" is no principal type'),
        (document(Principal={"AWS": None}), "Statement[0].Principal.AWS: must be text"),
        (document(Action=[["x"]]), "Statement[0].Action[0]: must be text"),
        (document(Action=10**5000), "Statement[0].Action: not a number"),
        (document(Condition=[]), "Statement[0].Condition: must be an object"),
        (document(Condition={"Bool": "x"}), 'Statement[0].Condition, "Bool": must be an object'),
        (document(Condition={"Bool": {"k": None}}), 'Statement[0].Condition, "Bool", "k": must be text'),
        (document(Condition={"\ud800": {"\ud800": None}}), r'"\ud800"'),
        (document(Condition={True: {}}), "an operator must be text"),
        (document(Condition={"Bool": {1: "x"}}), "a condition key must be text"),
    ],
)
def test_what_is_no_document_is_refused_with_what_and_where(text: Any, reason: str) -> None:
    assert reason in refusal(text)


def test_a_document_of_the_greatest_size_is_read() -> None:
    text = json.dumps(document(Action=["sts:AssumeRole"] * 5000))
    padded = text[:-1] + " " * (LONGEST_DOCUMENT - len(text)) + "}"
    assert len(parse_document(padded).statements[0].actions or ()) == 5000


@pytest.mark.parametrize("odd", ["\u0000", "\u202e", "e\u0301", "\U0001f6aa", "\ud800", "\u2028"])
def test_odd_characters_survive(odd: str) -> None:
    written = document(Sid=odd, Condition={"StringEquals": {odd: odd}})
    parsed = parse_document(json.dumps(written))
    assert parsed.statements[0].conditions == (Condition("StringEquals", odd, (odd,)),)
    assert parse_document(render_document(parsed)) == parsed
    canonical_hash(parsed)


def test_rendering_writes_as_iam_does() -> None:
    written = {
        "Version": "2012-10-17",
        "Id": "doors",
        "Statement": [
            {
                "Sid": "In",
                "Effect": "Allow",
                "Principal": {"AWS": ["111122223333", "444455556666"], "Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "StringEquals": {"sts:ExternalId": "x", "aws:PrincipalOrgID": "o-a"},
                    "Bool": {"aws:SecureTransport": "true"},
                },
            },
            {"Effect": "Deny", "NotPrincipal": "*", "NotAction": ["sts:TagSession", "sts:AssumeRole"], "Resource": "*"},
        ],
    }
    assert json.dumps(render_document(parse_document(written))) == json.dumps(written)


HASHED = document(
    Sid="In", Principal={"AWS": ["111122223333", "444455556666"]}, Condition={"StringEquals": {"k": ["x", "y"]}, "Null": {"j": "true"}}
)


@pytest.mark.parametrize(
    "same",
    [
        {**HASHED, "Id": "x"},
        {**HASHED, "Statement": HASHED["Statement"][0]},
        document(
            Sid="In",
            Principal={"AWS": ["444455556666", "111122223333"]},
            Condition={"Null": {"j": "true"}, "StringEquals": {"k": ["y", "x"]}},
        ),
        document(**{**HASHED["Statement"][0], "Principal": {"AWS": ["arn:aws:iam::111122223333:root", 444455556666]}}),
        document(**{**HASHED["Statement"][0], "Action": ["sts:AssumeRole"]}),
    ],
)
def test_one_policy_spelled_otherwise_has_one_hash(same: dict[str, Any]) -> None:
    assert canonical_hash(parse_document(same)) == canonical_hash(parse_document(HASHED))


@pytest.mark.parametrize(
    "other",
    [
        {**HASHED, "Version": "2008-10-17"},
        document(**{**HASHED["Statement"][0], "Effect": "Deny"}),
        document(**{**HASHED["Statement"][0], "Action": []}),
        document(**{**HASHED["Statement"][0], "Principal": "*"}),
        document(**{**HASHED["Statement"][0], "Condition": {"StringEquals": {"k": ["x", "y"]}}}),
        document(**{**HASHED["Statement"][0], "Condition": {"StringEquals": {"k": ["x"]}, "Null": {"j": "true"}}}),
        document(**{**HASHED["Statement"][0], "Condition": {"StringLike": {"k": ["x", "y"]}, "Null": {"j": "true"}}}),
    ],
)
def test_another_policy_has_another_hash(other: dict[str, Any]) -> None:
    assert canonical_hash(parse_document(other)) != canonical_hash(parse_document(HASHED))


def test_an_arn_keeps_the_colons_of_its_resource() -> None:
    arn = parse_arn("arn:aws:logs:eu-west-1:111122223333:log-group:a:*")
    assert arn == Arn("aws", "logs", "eu-west-1", "111122223333", "log-group:a:*")
    assert str(arn) == "arn:aws:logs:eu-west-1:111122223333:log-group:a:*"


@pytest.mark.parametrize(
    "text", ["", "*", "arn", "arn:aws:iam::111122223333", "urn:aws:iam::111122223333:root", "ARN:aws:iam::111122223333:root"]
)
def test_what_has_not_six_parts_is_no_arn(text: str) -> None:
    assert parse_arn(text) is None


@pytest.mark.parametrize(
    ("value", "account"),
    [
        ("111122223333", "111122223333"),
        ("arn:aws:iam::111122223333:root", "111122223333"),
        (role_arn("111122223333", "ci", "/a/b/"), "111122223333"),
        ("arn:aws:sts::111122223333:assumed-role/ci/999988887777", "111122223333"),
        ("*", None),
        ("arn:aws:iam::*:root", None),
        ("AROAEXAMPLEEXAMPLE123", None),
        ("1111222233334", None),
        ("111122223333\n", None),
    ],
)
def test_the_account_of_a_principal_is_the_one_it_names(value: str, account: str | None) -> None:
    assert account_of_principal(value) == account


def test_a_role_arns_name_has_no_path() -> None:
    arn = parse_arn(role_arn("111122223333", "ci", "/a/b/", "aws-cn"))
    assert arn is not None
    assert (str(arn), arn.name) == ("arn:aws-cn:iam::111122223333:role/a/b/ci", "ci")


@pytest.mark.parametrize("path", ["/", "/a/b/", "/x:role/aws-reserved/sso.amazonaws.com/", "/x:111122223333:role/doorward/", "//"])
def test_a_role_arns_path_is_all_that_stands_before_its_name(path: str) -> None:
    assert parse_role_arn(role_arn("111122223333", "ci", path, "aws-cn")) == RoleArn("aws-cn", "111122223333", path, "ci")


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "*",
        "arn:aws:iam::111122223333:root",
        "arn:aws:iam::111122223333:user/x:role/ci",
        "arn:aws:iam::111122223333:roles/ci",
        "arn:aws:iam::111122223333:role/",
        "arn:aws:iam::*:role/ci",
        "arn:aws:iam:us-east-1:111122223333:role/ci",
        "arn:aws:sts::111122223333:assumed-role/ci/x:role/y",
        "arn:aws:s3:::x:role/ci",
    ],
)
def test_nothing_else_is_a_roles_arn(text: str | None) -> None:
    assert parse_role_arn(text) is None


def test_load_json_returns_what_stands_there() -> None:
    assert load_json('[1, "x"]') == [1, "x"]
