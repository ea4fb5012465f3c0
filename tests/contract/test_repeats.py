"""What every keeper of answers owes, the fake and DynamoDB alike."""

import itertools
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from doorward.aws.repeats import KEPT_FOR, LONGEST_CALL, DynamoRepeats
from doorward.errors import Conflict, DoorwardError
from doorward.ports.repeats import AskedOtherwise, Given, InProgress
from tests.contract.tables import create_table
from tests.fakes import FakeRepeats
from tests.template.conftest import parsed

type AnyRepeats = FakeRepeats | DynamoRepeats

ANSWER: Given = {"status": "200", "body": '{"ü": "…"}'}


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    with patch.dict(os.environ, environment), mock_aws():
        client = boto3.client("dynamodb")
        create_table(client, "ledger", "LedgerTable")
        yield client


@pytest.fixture(params=["fake", "dynamodb"])
def repeats(request: pytest.FixtureRequest) -> AnyRepeats:
    return FakeRepeats() if request.param == "fake" else DynamoRepeats(request.getfixturevalue("dynamodb"), "ledger")


def not_again() -> Given:
    raise AssertionError("it was answered already")


def items(dynamodb: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dynamodb.scan(TableName="ledger")["Items"]
    return found


def test_the_same_call_is_answered_once_and_then_as_it_was(repeats: AnyRepeats) -> None:
    assert repeats.once("ann", "k", "a", lambda: ANSWER) == ANSWER
    for _ in range(2):
        assert repeats.once("ann", "k", "a", not_again) == ANSWER


def test_a_key_is_each_callers_own(repeats: AnyRepeats) -> None:
    others = [("ann", "k"), ("joe", "k"), ("ann", "k2"), ("an", "nk"), ("ann k", "")]
    for who, key in others:
        assert repeats.once(who, key, "a", lambda who=who, key=key: {"to": who, "under": key}) == {"to": who, "under": key}  # type: ignore[misc]
    for who, key in others:
        assert repeats.once(who, key, "a", not_again) == {"to": who, "under": key}


def test_under_one_key_nothing_else_can_be_asked_neither_later_nor_meanwhile(repeats: AnyRepeats) -> None:
    def meanwhile() -> Given:
        with pytest.raises(AskedOtherwise):
            repeats.once("ann", "k", "b", not_again)
        return ANSWER

    repeats.once("ann", "k", "a", meanwhile)
    with pytest.raises(AskedOtherwise):
        repeats.once("ann", "k", "b", not_again)


def test_meanwhile_the_same_call_is_not_begun_twice(repeats: AnyRepeats) -> None:
    def meanwhile() -> Given:
        with pytest.raises(InProgress):
            repeats.once("ann", "k", "a", not_again)
        return ANSWER

    assert repeats.once("ann", "k", "a", meanwhile) == ANSWER


def test_a_failure_is_kept_by_nobody(repeats: AnyRepeats) -> None:
    def failing() -> Given:
        raise Conflict("again")

    with pytest.raises(Conflict, match="again"):
        repeats.once("ann", "k", "a", failing)
    assert repeats.once("ann", "k", "b", lambda: ANSWER) == ANSWER


def test_an_answer_is_kept_for_a_day_and_shows_neither_who_nor_what_was_asked(dynamodb: Any) -> None:
    before = int(time.time())
    DynamoRepeats(dynamodb, "ledger").once("9067-ann", "the-key", "/findings/dw-1/apply", lambda: ANSWER)
    (item,) = items(dynamodb)
    assert item["pk"] == {"S": "REPEAT"}
    assert 0 <= int(item["ttl"]["N"]) - before - KEPT_FOR.total_seconds() <= 5
    for told in ("9067-ann", "the-key", "dw-1"):
        assert told not in str(item)


def aged(dynamodb: Any, by: timedelta) -> None:
    """As if the only item had been written so long ago."""
    (item,) = items(dynamodb)
    for name, a_second in (("ttl", 1), ("in_progress_expiration", 1000)):
        item[name] = {"N": str(int(item[name]["N"]) - int(by.total_seconds()) * a_second)}
    dynamodb.put_item(TableName="ledger", Item=item)


def test_after_a_day_a_key_is_new_though_the_item_may_lie_there_still(dynamodb: Any) -> None:
    repeats = DynamoRepeats(dynamodb, "ledger")
    repeats.once("ann", "k", "a", lambda: ANSWER)
    aged(dynamodb, KEPT_FOR + timedelta(seconds=2))
    assert repeats.once("ann", "k", "b", lambda: {"status": "404"}) == {"status": "404"}


def test_whoever_died_over_a_call_keeps_its_key_no_longer_than_a_call_can_take(dynamodb: Any) -> None:
    repeats = DynamoRepeats(dynamodb, "ledger")

    def dying() -> Given:
        aged(dynamodb, LONGEST_CALL - timedelta(seconds=5))
        with pytest.raises(InProgress):
            repeats.once("ann", "k", "a", not_again)
        aged(dynamodb, timedelta(seconds=10))
        assert repeats.once("ann", "k", "a", lambda: ANSWER) == ANSWER
        return ANSWER

    repeats.once("ann", "k", "a", dying)
    timeout = parsed("template.yaml")["Resources"]["ServeApiFunction"]["Properties"]["Timeout"]
    assert timedelta(seconds=timeout) <= LONGEST_CALL


CALLS = st.lists(st.tuples(st.sampled_from("aj"), st.sampled_from("kl"), st.sampled_from("xy"), st.booleans()), max_size=12)


def test_whatever_is_called_in_whatever_order_each_is_told_what_the_first_was(dynamodb: Any) -> None:
    """By a model: under a caller's key stands what was asked first and did not fail, with its answer."""
    both, worlds = (FakeRepeats(), DynamoRepeats(dynamodb, "ledger")), itertools.count()

    @settings(max_examples=30, deadline=None)
    @given(CALLS)
    def told_alike(calls: list[tuple[str, str, str, bool]]) -> None:
        world = next(worlds)
        model: dict[tuple[str, str], tuple[str, str]] = {}
        for number, (who, key, asked, fails) in enumerate(calls):

            def answer(fails: bool = fails, number: int = number) -> Given:
                if fails:
                    raise Conflict("again")
                return {"number": str(number)}

            stands = model.get((who, key))
            expected: object = Conflict if fails else str(number)
            if stands is not None:
                expected = stands[1] if stands[0] == asked else AskedOtherwise
            elif not fails:
                model[who, key] = asked, str(number)
            for repeats in both:
                try:
                    told: object = repeats.once(f"{world} {who}", key, asked, answer)["number"]
                except (Conflict, AskedOtherwise) as error:
                    told = type(error)
                assert told == expected

    told_alike()


def test_what_aws_refuses_is_a_failure_of_ours(dynamodb: Any) -> None:
    with pytest.raises(DoorwardError, match="keeping the answer"):
        DynamoRepeats(dynamodb, "no-such-table").once("ann", "k", "a", not_again)
