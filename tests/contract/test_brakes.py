"""What every store of brakes owes, the fake and DynamoDB alike."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from moto import mock_aws

from doorward.aws.brakes import DynamoBrakes, stop_key
from doorward.errors import Conflict
from doorward.guardrails.brakes import Brakes, Stop
from doorward.ports.brakes import BrakesStore
from tests.contract.tables import create_table
from tests.fakes import START, FakeBrakes, FakeClock

REF = "777788889999/payments"
RULES = ("external-account", "world-assumable")
type Setting = Callable[[Stop], None]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["fake", "dynamodb"])
def brakes(request: pytest.FixtureRequest, clock: FakeClock) -> Iterator[tuple[BrakesStore, Setting]]:
    """The store, and how a person sets a stop."""
    if request.param == "fake":
        fake = FakeBrakes(clock)
        yield fake, fake.stops.append
        return
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    with patch.dict(os.environ, environment), mock_aws():
        client = boto3.client("dynamodb")
        create_table(client, "ledger", "LedgerTable")

        def put(stop: Stop) -> None:
            item: dict[str, Any] = {**stop_key(stop.scope), "by": {"S": stop.by}, "because": {"S": stop.because}}
            item["at"] = {"S": stop.at.isoformat()}
            if stop.agreed is not None:
                item |= {"agreed": {"N": str(stop.agreed)}, "signed": {"BOOL": stop.signed}}
            if stop.until is not None:
                item["until"] = {"S": stop.until.isoformat()}
            client.put_item(TableName="ledger", Item=item)

        yield DynamoBrakes(client, "ledger", clock), put


def test_what_concerns_the_role_is_seen_and_nothing_else(brakes: tuple[BrakesStore, Setting]) -> None:
    store, put = brakes
    assert store.look(REF, RULES, "jane/high") == Brakes()
    concerning = {
        Stop(scope, "jane", "an incident", START, until)
        for scope, until in (
            ("organization", None),
            ("account 777788889999", START + timedelta(hours=4)),
            ("rule world-assumable", None),
            (f"role {REF}", START + timedelta(hours=1)),
        )
    }
    for each in concerning:
        put(each)
    for scope in ("account 111122223333", "rule mixed-callers", "role 777788889999/other"):
        put(Stop(scope, "jane", "another", START))
    assert set(store.look(REF, RULES, "jane/high").stops) == concerning


def test_each_budget_is_counted_for_itself_and_by_the_hour(brakes: tuple[BrakesStore, Setting], clock: FakeClock) -> None:
    store, _ = brakes
    for _ in range(3):
        store.spend("jane/high")
    store.spend("mallory/high")
    assert store.look(REF, RULES, "jane/high").spent == 3
    assert store.look(REF, RULES, "jane/critical").spent == 0
    clock.sleep(3600)
    assert store.look(REF, RULES, "jane/high").spent == 0


def test_exactly_what_is_set_is_found_by_its_scope(brakes: tuple[BrakesStore, Setting]) -> None:
    store, put = brakes
    assert store.stop("organization") is None
    stop = Stop("organization", "jane", "an incident", START)
    put(stop)
    assert store.stop("organization") == stop
    assert store.stop("account 777788889999") is None


def test_a_hold_is_set_over_a_shorter_one(brakes: tuple[BrakesStore, Setting]) -> None:
    store, _ = brakes
    first = Stop(f"role {REF}", "ann", "a release", START, START + timedelta(hours=1))
    for each in (first, first._replace(by="joe", until=START + timedelta(hours=2))):
        assert store.hold(each)
        assert store.hold(each)  # twice it is the same
        assert store.stop(f"role {REF}") == each
        assert store.look(REF, RULES, "jane/high").stops == (each,)


HOUR = timedelta(hours=1)
BY_ONE = Stop(f"role {REF}", "ann", "a release", START, START + 2 * HOUR, 1, signed=True)


@pytest.mark.parametrize(
    ("stands", "gives_way"),
    [
        (BY_ONE._replace(by="joe", until=None), False),
        (BY_ONE._replace(by="joe", until=START + 3 * HOUR), False),
        (BY_ONE._replace(by="joe"), False),  # as long
        (BY_ONE._replace(by="joe", until=START + 2 * HOUR - timedelta(seconds=1)), True),
        (BY_ONE._replace(by="joe", until=START + HOUR, signed=False), True),
        (BY_ONE._replace(by="ann, joe", until=START + HOUR, agreed=2), False),
        (BY_ONE._replace(by="jane", until=START + HOUR, agreed=None, signed=False), False),  # the kill switch
        (BY_ONE._replace(by="jane", until=START, agreed=None, signed=False), True),  # has ended
        (BY_ONE._replace(by="ann, joe", until=START - HOUR, agreed=2), True),
        (BY_ONE._replace(by="joe", until=(START + HOUR).replace(tzinfo=None)), True),
        (BY_ONE._replace(by="joe", until=(START + 3 * HOUR).replace(tzinfo=None)), False),
    ],
)
def test_a_hold_neither_shortens_nor_weakens_what_is_set(brakes: tuple[BrakesStore, Setting], stands: Stop, gives_way: bool) -> None:
    store, put = brakes
    put(stands)
    assert store.hold(BY_ONE) is gives_way
    assert store.stop(BY_ONE.scope) == (BY_ONE if gives_way else stands)


def test_what_is_set_in_the_same_moment_is_not_written_over(clock: FakeClock) -> None:
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    with patch.dict(os.environ, environment), mock_aws():
        client = boto3.client("dynamodb")
        create_table(client, "ledger", "LedgerTable")
        store = DynamoBrakes(client, "ledger", clock)
        longer = BY_ONE._replace(by="joe", until=START + 4 * HOUR)
        read = client.get_item
        for before in (None, BY_ONE._replace(until=START + HOUR)):
            client.delete_item(TableName="ledger", Key=stop_key(BY_ONE.scope))
            if before is not None:
                assert store.hold(before)

            def read_and_lose(**asked: Any) -> Any:
                found = read(**asked)
                with patch.object(client, "get_item", read):
                    assert store.hold(longer)
                return found

            with patch.object(client, "get_item", read_and_lose), pytest.raises(Conflict):
                store.hold(BY_ONE)
            assert store.stop(BY_ONE.scope) == longer


def test_what_cannot_be_read_is_not_written_over_by_a_hold() -> None:
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    with patch.dict(os.environ, environment), mock_aws():
        client = boto3.client("dynamodb")
        create_table(client, "ledger", "LedgerTable")
        store = DynamoBrakes(client, "ledger", FakeClock())
        item = {**stop_key(BY_ONE.scope), "until": {"S": "tomorrow"}, "by": {"S": "jane"}}
        client.put_item(TableName="ledger", Item=item)
        assert not store.hold(BY_ONE)
        assert client.get_item(TableName="ledger", Key=stop_key(BY_ONE.scope))["Item"] == item
