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


def test_a_hold_is_set_over_the_one_before(brakes: tuple[BrakesStore, Setting]) -> None:
    store, _ = brakes
    first = Stop(f"role {REF}", "ann", "a release", START, START + timedelta(hours=1))
    for each in (first, first._replace(by="joe", until=START + timedelta(hours=2))):
        store.hold(each)
        assert store.stop(f"role {REF}") == each
        assert store.look(REF, RULES, "jane/high").stops == (each,)
