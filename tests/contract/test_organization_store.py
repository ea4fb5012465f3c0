"""What every store of the organization's facts owes, the fake and DynamoDB alike."""

import os
import random
from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch

import boto3
import pytest
from moto import mock_aws

from doorward.aws import organization_facts
from doorward.aws.organization_facts import DynamoOrganizationStore
from doorward.errors import Conflict
from doorward.organization.facts import AccountFacts, OrganizationFacts, PolicyFacts
from tests.contract.tables import create_table
from tests.fakes import START, FakeOrganizationStore

type AnyStore = FakeOrganizationStore | DynamoOrganizationStore

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}


def facts(accounts: int = 1, read_at: float = 0) -> OrganizationFacts:
    several = tuple(
        AccountFacts(str(100_000_000_000 + each), f"account {each}", "ACTIVE", "CREATED", "/", "o-a/r-b/", {"n": str(each)})
        for each in range(accounts)
    )
    policy = PolicyFacts("p-1", "guard", "SERVICE_CONTROL_POLICY", "h", "{}", ("r-b",))
    return OrganizationFacts(
        "o-a", "100000000000", "r-b", ("SERVICE_CONTROL_POLICY",), several, (), (policy,), START + timedelta(seconds=read_at)
    )


@pytest.fixture(params=["fake", "dynamodb"])
def store(request: pytest.FixtureRequest) -> Iterator[AnyStore]:
    if request.param == "fake":
        yield FakeOrganizationStore()
        return
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        client = boto3.client("dynamodb")
        create_table(client, "facts", "FactsTable")
        yield DynamoOrganizationStore(client, "facts")


def test_before_the_first_read_there_is_nothing(store: AnyStore) -> None:
    assert store.load() is None


def test_what_was_stored_is_loaded_with_its_version(store: AnyStore) -> None:
    store.save(facts(3), over=0)
    store.save(facts(2, 60), over=1)
    kept = store.load()
    assert kept is not None
    assert kept == (facts(2, 60), 2)


@pytest.mark.parametrize("over", [0, 1, 3])
def test_an_older_read_never_overwrites_a_newer_one(store: AnyStore, over: int) -> None:
    store.save(facts(3), over=0)
    store.save(facts(2, 60), over=1)
    with pytest.raises(Conflict):
        store.save(facts(1), over=over)
    assert store.load() == (facts(2, 60), 2)


def test_readers_take_turns_a_minute_apart(store: AnyStore) -> None:
    assert store.take_turn(START) == 0
    assert store.take_turn(START + timedelta(seconds=20)) == 40
    assert store.take_turn(START + timedelta(seconds=60)) == 0
    assert store.take_turn(START + timedelta(seconds=61)) == 59


def test_a_read_that_was_called_for_is_known_until_its_time_has_come(store: AnyStore) -> None:
    assert not store.is_called(START)
    store.called(START + timedelta(seconds=40))
    assert store.is_called(START + timedelta(seconds=39))
    assert not store.is_called(START + timedelta(seconds=40))
    assert store.take_turn(START) == 0  # calling takes no turn
    assert store.is_called(START)  # nor does a turn end a call


@pytest.fixture
def dynamo() -> Iterator[DynamoOrganizationStore]:
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        client = boto3.client("dynamodb")
        create_table(client, "facts", "FactsTable")
        yield DynamoOrganizationStore(client, "facts")


def test_facts_of_any_size_are_cut_into_items_that_dynamodb_takes(dynamo: DynamoOrganizationStore) -> None:
    incompressible = random.Random(7).randbytes(900_000).hex()  # noqa: S311 - noise, not a secret
    large = facts(1000)._replace(policies=(PolicyFacts("p-1", "n", "t", "h", incompressible, ()),))
    dynamo.save(large, over=0)
    assert dynamo.load() == (large, 1)
    assert len(_keys(dynamo)) > 3


def test_what_was_replaced_and_what_came_too_late_leaves_nothing_behind(
    dynamo: DynamoOrganizationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organization_facts, "_CHUNK_BYTES", 100)
    dynamo.save(facts(50), over=0)
    dynamo.save(facts(1, 60), over=1)
    with pytest.raises(Conflict):
        dynamo.save(facts(90), over=1)
    head = dynamo._get("HEAD")
    assert head is not None
    assert len(_keys(dynamo)) == 1 + int(head["chunks"]["N"])


def test_a_reader_who_comes_between_two_writes_begins_anew(dynamo: DynamoOrganizationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    dynamo.save(facts(1), over=0)
    inner = dynamo._get
    replaced: list[str] = []

    def get(sk: str) -> object:
        answer = inner(sk)
        if sk == "HEAD" and not replaced:
            replaced.append(sk)
            dynamo.save(facts(2, 60), over=1)
        return answer

    monkeypatch.setattr(dynamo, "_get", get)
    assert dynamo.load() == (facts(2, 60), 2)


def _keys(store: DynamoOrganizationStore) -> list[str]:
    pages = store._dynamodb.get_paginator("scan").paginate(TableName="facts")
    return [each["sk"]["S"] for page in pages for each in page["Items"]]
