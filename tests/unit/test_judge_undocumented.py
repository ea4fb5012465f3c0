"""What readers of a policy differ about decides nothing: behind it a hole is found or left open, and search and evaluator agree."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.findings.model import Verdict
from doorward.guardrails.judge import judge
from doorward.guardrails.parsing import guardrails_from
from doorward.iam.conditions import hold, read_condition
from doorward.iam.operators import read_operator
from doorward.iam.search import ignoring_case
from doorward.iam.sets import Pattern
from tests.unit.test_diff import EVERYBODY, allow, deny
from tests.unit.test_guardrails_rules import NOW, ORGANIZATIONS, role


def verdict(*statements: Any) -> Verdict:
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return judge(role(text), ORGANIZATIONS["known"], guardrails_from({}), now=NOW, strict=True).verdict


@pytest.mark.parametrize(
    ("operator", "allowed", "denied"),
    [
        # Only who compares by capitals takes the long s for an S.
        ("StringEqualsIgnoreCase", "Sun", "\u017fun"),
        ("StringNotEqualsIgnoreCase", "\u00e9", "\u00c9"),
        ("StringNotEqualsIgnoreCase", "\u212a", "k"),  # the Kelvin sign is a capital of k
        ("StringEqualsIgnoreCase", "Sun", "sun\u0130"),
    ],
)
def test_a_deny_by_letters_whose_cases_are_in_doubt_shuts_nobody_out(operator: str, allowed: str, denied: str) -> None:
    let_in = allow(EVERYBODY, {"StringEquals": {"aws:PrincipalTag/a": allowed}})
    assert verdict(let_in, deny(EVERYBODY, {operator: {"aws:PrincipalTag/a": denied}})) in {Verdict.UNDECIDABLE, Verdict.VIOLATING}


@pytest.mark.parametrize(
    ("operator", "key"),
    [
        ("Null", "aws:SourceAccount"),
        ("Bool", "aws:SecureTransport"),
        ("BoolIfExists", "aws:SecureTransport"),
        ("NumericLessThan", "aws:MultiFactorAuthAge"),
        ("DateLessThan", "aws:CurrentTime"),
        ("NotIpAddress", "aws:SourceIp"),
        ("BinaryEquals", "aws:PrincipalTag/x"),
    ],
)
@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_a_variable_is_none_to_an_operator_that_knows_none(operator: str, key: str, effect: str) -> None:
    asked = {operator: {key: "${aws:username}"}}
    statements = [allow(EVERYBODY, asked)] if effect == "Allow" else [allow(EVERYBODY), deny(EVERYBODY, asked)]
    assert verdict(*statements) in {Verdict.UNDECIDABLE, Verdict.VIOLATING}


@given(st.text("ks1:", max_size=3), st.text("kK\u212asS\u017f1:", max_size=3))
def test_case_is_nothing_to_search_and_evaluator_alike(written: str, text: str) -> None:
    for spelled in (written, written.upper()):
        fits = hold((read_condition(("StringEqualsIgnoreCase", "aws:userid", (spelled,)), False),), {"aws:userid": text})
        assert Pattern(ignoring_case(spelled)).matches(text) is fits


@pytest.mark.parametrize(
    "block", ["10.0.0.0/x", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/0008", "10.0.0.0/\u00b2", "10.0.0.0/-1", "::/129", "10.0.0/8", "x"]
)
@pytest.mark.parametrize("operator", ["IpAddress", "NotIpAddress"])
def test_a_block_that_is_none_decides_nothing(operator: str, block: str) -> None:
    assert hold((read_condition((operator, "aws:SourceIp", (block,)), False),), {"aws:sourceip": "10.1.2.3"}) is None


def test_an_operator_with_a_letter_that_only_looks_like_its_own_is_none() -> None:
    spelled = "StringLi\u212ae"
    assert spelled.lower() == "stringlike"
    assert read_operator(spelled) is None
    assert hold((read_condition((spelled, "aws:userid", ("*",)), False),), {"aws:userid": "x"}) is None
