"""The search agrees with cvc5 on drawn policies, and so does the judge with requests drawn at random. `make oracle` asks far more.

The oracle itself is tried too: on policies whose answer is plain, and by a search that lies.
"""

import pytest

from doorward.iam.documents import parse_document
from doorward.iam.search import Found
from tests.oracle import run
from tests.oracle.draw import Json
from tests.oracle.encode import GITHUB, OUR_ORGANIZATION, PROVIDER, Oracle, World

ROLE, USER = World("aws"), World("aws", form="user")
POLICIES = 250


def trusting(principal: Json, condition: Json | None = None, action: str = "sts:AssumeRole") -> Json:
    statement: Json = {"Effect": "Allow", "Principal": principal, "Action": action}
    return {"Version": "2012-10-17", "Statement": [statement | ({"Condition": condition} if condition else {})]}


@pytest.mark.parametrize("first", range(0, POLICIES, 50))
def test_the_search_agrees_with_cvc5_and_the_judge_with_the_evaluator(first: int) -> None:
    tally = run.batch(run.SEED, range(first, first + 50))
    assert [each.as_json() for each in tally.disagreements] == []
    assert tally.answers["agreed: found"] > 5
    assert tally.answers["agreed: none"] > 5
    assert tally.answers["undecided"] + tally.answers["gave up"] < 15


@pytest.mark.parametrize(
    ("policy", "world", "is_allowed"),
    [
        (trusting({"AWS": "*"}), ROLE, True),
        (trusting({"AWS": "*"}, {"StringEquals": {"aws:PrincipalOrgID": OUR_ORGANIZATION}}), ROLE, False),
        (trusting({"AWS": "*"}, {"StringEqualsIfExists": {"aws:PrincipalOrgID": OUR_ORGANIZATION}}), ROLE, True),
        (trusting({"AWS": "*"}, {"Bool": {"aws:MultiFactorAuthPresent": "false"}}), USER, True),
        (trusting({"AWS": "*"}, {"Null": {"aws:MultiFactorAuthPresent": "true"}}), ROLE, False),
        (trusting({"AWS": "*"}, {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), ROLE, False),
        (trusting({"AWS": "*"}, {"ForAllValues:StringEquals": {"aws:TagKeys": "team"}}), ROLE, True),
        (trusting({"AWS": "*"}, {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:*"}}), ROLE, False),
        (trusting({"AWS": "*"}, {"StringLike": {"aws:PrincipalArn": "*111122223333*"}}), ROLE, True),
        (trusting({"AWS": "arn:aws:iam::555566667777:root"}), ROLE, False),
        (trusting({"Federated": PROVIDER}, {"StringLike": {f"{GITHUB}:sub": "repo:acme*"}}, "sts:*"), World("github"), True),
        (trusting({"Federated": PROVIDER}, {"StringLike": {f"{GITHUB}:sub": "repo:acme/*"}}, "sts:*"), World("github"), False),
        (trusting({"AWS": "*"}, {"DateLessThan": {"aws:CurrentTime": "1970-01-01"}}), ROLE, False),
        (trusting({"AWS": "*"}, {"NumericLessThan": {"sts:DurationSeconds": "900.5"}}), ROLE, True),
    ],
)
def test_cvc5_answers_as_one_reads_the_policy(policy: Json, world: World, is_allowed: bool) -> None:
    assert Oracle(limit=1_000_000).is_allowed(parse_document(policy), world) is is_allowed


def test_a_search_that_proves_too_much_is_caught_and_the_policy_is_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "search", lambda *_: None)
    first, *_ = run.batch(run.SEED, range(10)).disagreements
    assert first.kind == "missed"
    assert len(first.policy["Statement"]) == 1
    assert "Condition" not in first.policy["Statement"][0] or first.policy["Statement"][0]["Condition"] == {}


def test_a_search_that_finds_what_is_not_there_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "search", lambda *_: Found({}))
    assert {each.kind for each in run.batch(run.SEED, range(10)).disagreements} == {"invented"}


def test_a_request_that_the_policy_refuses_is_no_witness(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = trusting({"AWS": "*"}, {"StringEquals": {"sts:ExternalId": "secret"}})
    assert run.compare(Oracle(), policy, ROLE)[0] == "agreed: found"
    monkeypatch.setattr(run, "search", lambda *_: Found({"sts:externalid": "another"}))
    assert run.compare(Oracle(), policy, ROLE)[0] == "another witness"


def test_no_request_is_drawn_that_sts_would_not_take() -> None:
    """A source identity has no colon, so nobody comes in by a policy that asks for one; the 100,000 policies of `make oracle` hold such."""
    policy = trusting({"AWS": "*"}, {"ArnEquals": {"aws:SourceIdentity": "arn:aws:iam::111122223333:*"}})
    assert not any(run.passed(policy, is_aws=True, seed=str(seed)) for seed in range(20))
