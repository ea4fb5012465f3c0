"""What every counter of calls owes, the fake and DynamoDB alike."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from doorward.aws.rates import DynamoRates
from doorward.ports.rates import Rates, Span
from tests.contract.tables import ledger_of_the_hub
from tests.fakes import FakeClock, FakeRates

NINE = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with ledger_of_the_hub() as client:
        yield client


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NINE)


@pytest.fixture(params=["fake", "dynamodb"])
def rates(request: pytest.FixtureRequest, clock: FakeClock) -> Rates:
    return FakeRates(clock) if request.param == "fake" else DynamoRates(request.getfixturevalue("dynamodb"), "ledger", clock)


@pytest.mark.parametrize(("span", "lasts"), [(Span.MINUTE, timedelta(minutes=1)), (Span.HOUR, timedelta(hours=1))])
def test_each_counts_for_its_span_of_the_clock(rates: Rates, clock: FakeClock, span: Span, lasts: timedelta) -> None:
    assert [rates.count("jane", span) for _ in range(3)] == [1, 2, 3]
    clock.time = (NINE + lasts - timedelta(seconds=1)).astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert rates.count("jane", span) == 4
    clock.time = NINE + lasts
    assert rates.count("jane", span) == 1


def test_whose_they_are_and_by_which_span_is_counted_apart(rates: Rates) -> None:
    assert [rates.count(who, span) for who in ("jane", "joe") for span in Span] == [1] * 4


def test_what_was_counted_is_kept_until_its_hour_is_over_and_not_for_good(dynamodb: Any, clock: FakeClock) -> None:
    clock.time = NINE + timedelta(minutes=59)
    DynamoRates(dynamodb, "ledger", clock).count("jane", Span.HOUR)
    (item,) = dynamodb.scan(TableName="ledger")["Items"]
    assert NINE + timedelta(hours=1) <= datetime.fromtimestamp(int(item["ttl"]["N"]), UTC) <= NINE + timedelta(hours=2)
