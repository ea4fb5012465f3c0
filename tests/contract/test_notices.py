"""What is remembered of what channels were told, in the fake and in the mocked DynamoDB alike."""

import os
from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch

import boto3
import pytest
from moto import mock_aws

from doorward.aws.notices import DynamoNotices
from doorward.findings.model import Severity
from doorward.notices.gathered import Kept, Why
from doorward.notices.telling import Place
from doorward.ports.notices import Card, Notices
from tests.contract.tables import create_table
from tests.fakes import START, TO_OPEN, FakeClock, FakeNotices

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
WINDOW = timedelta(minutes=15)


@pytest.fixture(params=["fake", "dynamodb"])
def notices(request: pytest.FixtureRequest) -> Iterator[Notices]:
    if request.param == "fake":
        yield FakeNotices()
        return
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        client = boto3.client("dynamodb")
        create_table(client, "ledger", "LedgerTable")
        yield DynamoNotices(client, "ledger", FakeClock())


def test_the_first_place_of_an_object_in_a_channel_counts(notices: Notices) -> None:
    assert notices.place("slack", "dw-1") is None
    first = Place("C1/1.5", START)
    notices.keep_place("slack", "dw-1", first)
    notices.keep_place("slack", "dw-1", Place("C1/2.5", START, counted=True))
    assert notices.place("slack", "dw-1") == first
    assert notices.place("sns", "dw-1") is None
    notices.keep_place("sns", "dw-1", Place("", START, counted=True))
    assert notices.place("sns", "dw-1") == Place("", START, counted=True)


def test_of_all_who_join_one_opens_the_group_and_an_object_counts_once(notices: Notices) -> None:
    first = notices.join("slack", "k", "dw-1", "dw-1-found", START, WINDOW)
    assert (first.opens, first.size, first.is_open) == ("dw-1-found", 1, False)
    again = notices.join("slack", "k", "dw-1", "dw-1-found", START, WINDOW)
    assert (again.opens, again.size, again.is_open) == ("dw-1-found", 1, False)
    second = notices.join("slack", "k", "dw-2", "dw-2-found", START, WINDOW)
    assert (second.opens, second.size, second.is_open) == ("dw-1-found", 2, False)
    assert notices.join("sns", "k", "dw-2", "dw-2-found", START, WINDOW).opens == "dw-2-found"
    assert notices.join("slack", "another", "dw-2", "dw-2-found", START, WINDOW).opens == "dw-2-found"


def test_what_was_told_of_a_group_is_known_to_the_next(notices: Notices) -> None:
    notices.join("slack", "k", "dw-1", "dw-1-found", START, WINDOW)
    notices.opened("slack", "k", "dw-1-found", "C1/1.5", Severity.MEDIUM.rank)
    notices.opened("slack", "k", "dw-2-found", "C1/9.9", Severity.HIGH.rank)  # of somebody who does not open it
    notices.raised("slack", "k", 10, Severity.LOW.rank)
    group = notices.join("slack", "k", "dw-2", "dw-2-found", START + WINDOW - timedelta(seconds=1), WINDOW)
    assert (group.opened_at, group.is_open, group.thread, group.size) == (START, True, "C1/1.5", 2)
    assert (group.told_size, group.told_severity) == (10, Severity.MEDIUM.rank)
    notices.raised("slack", "k", 2, Severity.HIGH.rank)
    group = notices.join("slack", "k", "dw-2", "dw-2-found", START, WINDOW)
    assert (group.told_size, group.told_severity) == (10, Severity.HIGH.rank)


def test_when_its_window_ends_the_next_begins_a_group(notices: Notices) -> None:
    notices.join("slack", "k", "dw-1", "dw-1-found", START, WINDOW)
    notices.opened("slack", "k", "dw-1-found", "C1/1.5", 2)
    group = notices.join("slack", "k", "dw-2", "dw-2-found", START + WINDOW, WINDOW)
    assert (group.opens, group.size, group.is_open, group.thread) == ("dw-2-found", 1, False, "")


def test_who_dies_before_he_opens_a_group_loses_it_after_half_a_minute(notices: Notices) -> None:
    notices.join("slack", "k", "dw-1", "dw-1-found", START, WINDOW)
    assert notices.join("slack", "k", "dw-2", "dw-2-found", START + TO_OPEN - timedelta(seconds=1), WINDOW).opens == "dw-1-found"
    assert notices.join("slack", "k", "dw-3", "dw-3-found", START + TO_OPEN, WINDOW).opens == "dw-3-found"
    assert notices.join("slack", "k", "dw-2", "dw-2-found", START + TO_OPEN, WINDOW).opens == "dw-3-found"
    notices.opened("slack", "k", "dw-1-found", "C1/1.5", 2)  # it was alive
    assert not notices.join("slack", "k", "dw-1", "dw-1-found", START + TO_OPEN, WINDOW).is_open


def test_a_group_that_is_not_opened_is_open_to_the_next(notices: Notices) -> None:
    notices.join("slack", "k", "dw-1", "dw-1-found", START, WINDOW)
    notices.released("slack", "k", "dw-2-found")
    assert notices.join("slack", "k", "dw-2", "dw-2-found", START, WINDOW).opens == "dw-1-found"
    notices.released("slack", "k", "dw-1-found")
    assert notices.join("slack", "k", "dw-2", "dw-2-found", START, WINDOW).opens == "dw-2-found"
    notices.opened("slack", "k", "dw-2-found", "C1/1.5", 2)
    notices.released("slack", "k", "dw-2-found")
    assert notices.join("slack", "k", "dw-2", "dw-2-found", START, WINDOW).is_open


def test_a_group_counts_as_far_as_an_item_holds_and_goes_on(notices: Notices) -> None:
    for number in range(3):
        notices.join("slack", "k", f"dw-{number}", f"dw-{number}-found", START, WINDOW)
    if isinstance(notices, DynamoNotices):
        with patch("doorward.aws.notices._MOST_MEMBERS", 3):
            assert notices.join("slack", "k", "dw-9", "dw-9-found", START, WINDOW).size == 3


def test_messages_are_counted_by_channel_and_minute(notices: Notices) -> None:
    assert [notices.spend("slack", START + timedelta(seconds=seconds)) for seconds in (0, 30, 59, 60)] == [1, 2, 3, 1]
    assert notices.spend("sns", START) == 1


def kept(number: int, channel: str = "slack") -> Kept:
    return Kept(channel, f"dw-{number}-found", Severity.LOW, "long-session", "777788889999/x", START)


def test_what_is_kept_to_be_told_together_is_there_until_it_is_forgotten(notices: Notices) -> None:
    many = [kept(number) for number in range(60)]
    for each in (*many, *many, kept(1, "sns")):
        notices.gather(Why.DIGEST, each)
    notices.gather(Why.HELD, kept(7))
    assert sorted(notices.gathered(Why.DIGEST)) == sorted([*many, kept(1, "sns")])
    notices.forget(Why.DIGEST, many[1:])
    notices.forget(Why.DIGEST, [])
    assert sorted(notices.gathered(Why.DIGEST)) == sorted([many[0], kept(1, "sns")])
    assert notices.gathered(Why.HELD) == [kept(7)]


def test_a_card_keeps_the_newest_of_what_came_of_it(notices: Notices) -> None:
    card = Card("dw-1-found", "C1/1.5", "apply", START)
    notices.keep_card("slack", "dw-1", card)
    notices.keep_card("slack", "dw-1", card._replace(at=START + timedelta(days=1)))
    assert notices.cards("slack", "dw-1") == [card]
    twice = card._replace(message_id="C1/2.5")  # whoever sent the first died before he could say so
    notices.keep_card("slack", "dw-2", card)
    notices.keep_card("slack", "dw-2", twice)
    assert notices.cards("slack", "dw-2") == [card, twice]
    assert notices.cards("slack", "dw-10") == notices.cards("sns", "dw-1") == []
    later = card._replace(at=START + timedelta(microseconds=2), outcome="yes")
    assert notices.settle("slack", "dw-1", later._replace(at=START, outcome="of something before")) == card
    assert notices.settle("slack", "dw-1", later) == later
    assert notices.settle("slack", "dw-1", later._replace(at=START + timedelta(microseconds=1), outcome="no")) == later
    assert notices.cards("slack", "dw-1") == [later]


def test_what_came_of_one_choice_says_nothing_of_another_of_the_same_message(notices: Notices) -> None:
    apply, waive = (Card("dw-1-found", "C1/1.5", what, START) for what in ("apply", "waive"))
    for each in (apply, waive):
        notices.keep_card("slack", "dw-1", each)
    decided = waive._replace(at=START + timedelta(seconds=1), outcome="no")
    assert notices.settle("slack", "dw-1", decided) == decided
    assert notices.cards("slack", "dw-1") == [apply, decided]
