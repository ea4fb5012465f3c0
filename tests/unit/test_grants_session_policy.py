"""A session policy to the letter, and what is refused rather than left out."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from doorward.errors import Misconfigured
from doorward.grants.session_policy import LONGEST, SessionPolicy, compile_policy
from doorward.people.model import Refusal
from tests.grants_world import ORDERS, READ_BUCKET, entitlements, hours

TOKYO = ZoneInfo("Asia/Tokyo")


def template(**written: Any) -> Any:
    return entitlements(t={**READ_BUCKET, **written}).templates["t"]


def test_a_session_policy_to_the_letter() -> None:
    found = compile_policy(template(), {"bucket": "acme-orders"}, ORDERS, hours(1).replace(microsecond=999_999))
    assert isinstance(found, SessionPolicy)
    assert json.loads(found.text) == {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::acme-orders/*"},
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::acme-orders"},
            {"Effect": "Deny", "Action": "*", "Resource": "*",
             "Condition": {"DateGreaterThanEqualsIfExists": {"aws:CurrentTime": "2026-07-01T13:00:00Z"}}},
            {"Effect": "Deny", "Action": "sts:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "iam:*",
             "Resource": ["arn:aws:iam::777788889999:role/doorward/*", "arn:aws:iam::777788889999:policy/doorward/*"]},
        ],
    }  # fmt: skip
    assert " " not in found.text


def test_its_end_is_the_same_moment_whatever_zone_it_is_given_in() -> None:
    one, other = (compile_policy(template(), {"bucket": "acme-orders"}, ORDERS, each) for each in (hours(1), hours(1).astimezone(TOKYO)))
    assert isinstance(one, SessionPolicy)
    assert one == other


def test_account_and_partition_are_the_roles_own() -> None:
    written = {"statements": [{"actions": ["a:B"], "resources": ["arn:<partition>:a::<account>:b"]}]}
    found = compile_policy(entitlements(t=written).templates["t"], {}, ORDERS._replace(partition="aws-cn"), hours(1))
    assert isinstance(found, SessionPolicy)
    first, *_, last = json.loads(found.text)["Statement"]
    assert first["Resource"] == "arn:aws-cn:a::777788889999:b"
    assert last["Resource"][0] == "arn:aws-cn:iam::777788889999:role/doorward/*"


@pytest.mark.parametrize(
    "parameters", [{}, {"bucket": ""}, {"bucket": "*"}, {"bucket": "acme-a", "more": "x"}, {"bucket": "other"}, {"bucket": "<account>"}]
)
def test_what_the_template_does_not_take_is_refused(parameters: dict[str, str]) -> None:
    found = compile_policy(template(), parameters, ORDERS, hours(1))
    assert isinstance(found, Refusal)
    assert "<account>" not in found.because


def test_a_policy_that_sts_would_not_take_is_refused_by_its_very_last_character() -> None:
    """Never a session without its policy, and never a shorter policy."""
    statements = [{"actions": ["a:B"], "resources": [f"arn:aws:a:::<secret>/{'x' * 1400}"]}]
    long = entitlements(t={"parameters": {"secret": {"type": "secret"}}, "statements": statements}).templates["t"]
    for length in range(1, 400):
        found = compile_policy(long, {"secret": "s" * length}, ORDERS, hours(1))
        if isinstance(found, Refusal):
            break
        assert len(found.text) <= LONGEST
        fitting = found
    assert len(fitting.text) == LONGEST
    assert isinstance(found, Refusal)
    assert found.because == "The policy that the session would get has 2049 characters, and STS takes 2048."


def test_a_template_that_is_always_too_long_is_refused_when_it_is_written() -> None:
    statements = [{"actions": [f"s3:Get{number}x{'y' * 50}"], "resources": ["*"]} for number in range(30)]
    with pytest.raises(Misconfigured, match=r"^templates\.t\.statements: make a session policy of [0-9]+ characters"):
        template(parameters={}, statements=statements)
