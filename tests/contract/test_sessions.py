"""What every store of sessions owes, the fake and DynamoDB alike."""

import json
import os
from collections.abc import Iterator
from copy import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from doorward.aws.sessions import DynamoSessions
from doorward.errors import Conflict
from doorward.events.model import SessionEvent, Side
from doorward.events.records import parse_record
from doorward.sessions.model import Edge, TrustVersion, edge_of, every_role_of
from tests.contract.tables import create_table
from tests.fakes import START, FakeClock, FakeSessions
from tests.unit.test_sessions_detections import ACME, STAGING, record

type Store = FakeSessions | DynamoSessions

REF = "777788889999/payments"
LATER = START + timedelta(minutes=15)
DEPLOYER = f"arn:aws:iam::{STAGING}:role/ci/deployer"


@pytest.fixture(params=["fake", "dynamodb"])
def store(request: pytest.FixtureRequest) -> Store:
    return FakeSessions() if request.param == "fake" else DynamoSessions(request.getfixturevalue("client"), "sessions", FakeClock())


@pytest.fixture
def client() -> Iterator[Any]:
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    with patch.dict(os.environ, environment), mock_aws():
        client = boto3.client("dynamodb")
        create_table(client, "sessions", "SessionsTable")
        yield client


def call(number: int = 0, *, owner: bool = False, seconds: int = 0) -> SessionEvent:
    by = {"account": STAGING} if owner else {"account": STAGING, "arn": DEPLOYER}
    parsed = parse_record(record({"by": by, "external_id": True}))
    assert isinstance(parsed, SessionEvent)
    side = Side.OWNER if owner else Side.CALLER
    event_id, time = f"e-{number}-{side}", START + timedelta(seconds=seconds)
    return replace(parsed, event_id=event_id, shared_event_id=f"s-{number}", side=side, event_time=time)


def edge(seconds: int = 0, principal: str = DEPLOYER) -> Edge:
    time = START + timedelta(seconds=seconds)
    return Edge(principal, REF, 1, time, time)


def test_a_call_comes_back_as_it_was_kept(store: Store) -> None:
    one = call()
    assert store.keep_call(one) == one
    assert store.keep_call(one) == one
    assert store.recent_calls(REF, START, LATER) == (one,)


@pytest.mark.parametrize("owner_first", [True, False])
def test_two_copies_of_a_call_are_one_call_in_either_order(store: Store, owner_first: bool) -> None:
    copies = [call(owner=owner_first), call(owner=not owner_first)]
    merged = [store.keep_call(each) for each in copies][-1]
    assert (merged.side, merged.actor.arn) == (Side.BOTH, DEPLOYER)
    assert store.keep_call(copies[0]) == merged
    assert store.recent_calls(REF, START, LATER) == (merged,)


def test_two_copies_that_come_at_the_same_moment_are_one_call_at_once(client: Any) -> None:
    """Left for later, the second would wait for as long as its message is invisible."""
    caller, owner = call(), call(owner=True)
    store, other = (DynamoSessions(client, "sessions", FakeClock()) for _ in range(2))
    reads = iter([lambda: other.keep_call(owner)])
    get_item = client.get_item

    def get_item_then_another_writes(**request: Any) -> Any:
        answer = get_item(**request)
        next(reads, lambda: None)()
        return answer

    with patch.object(client, "get_item", get_item_then_another_writes):
        merged = store.keep_call(caller)
    assert (merged.side, merged.actor.arn) == (Side.BOTH, DEPLOYER)
    assert store.recent_calls(REF, START, LATER) == (merged,)


def test_what_others_keep_writing_is_a_conflict_in_the_end(client: Any) -> None:
    reasons: Any = [{"Code": "None"}, {"Code": "TransactionConflict"}]
    cancelled = ClientError({"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}, "TransactWriteItems")
    store, tries = DynamoSessions(client, "sessions", FakeClock()), 0

    def refuse(**_request: Any) -> None:
        nonlocal tries
        tries += 1
        raise cancelled

    with patch.object(client, "transact_write_items", refuse):
        for action in (lambda: store.keep_call(call()), lambda: store.count(edge(), "s-1")):
            tries = 0
            with pytest.raises(Conflict):
                action()
            assert tries == 5
    store.count(edge(), "s-1")
    assert store.edges(REF) == (edge(),)


def test_only_calls_from_that_time_on_are_recent_and_in_their_order(store: Store) -> None:
    kept = [store.keep_call(call(number, seconds=seconds)) for number, seconds in enumerate((30, 0, 20, -5))]
    assert store.recent_calls(REF, START, LATER) == (kept[1], kept[2], kept[0])
    assert store.recent_calls("777788889999/other", START, LATER) == ()


def test_calls_of_every_role_of_an_account_are_found_together_until_a_time(store: Store) -> None:
    other = replace(call(1, seconds=5), role_arn="arn:aws:iam::777788889999:role/other")
    for each in (call(seconds=10), other, call(2, seconds=20), replace(call(3), role_arn=None)):
        store.keep_call(each)
    assert store.recent_calls(every_role_of("777788889999"), START, START + timedelta(seconds=10)) == (other, call(seconds=10))
    assert store.recent_calls(REF, START, START + timedelta(seconds=19)) == (call(seconds=10),)
    assert store.recent_calls(every_role_of(STAGING), START, LATER) == ()


def test_what_no_change_of_trust_explains_is_not_looked_for(store: Store) -> None:
    service = replace(call(1).actor, kind="AWSService", arn=None, invoked_by="lambda.amazonaws.com")
    for each in (replace(call(1), actor=service), replace(call(2), error_code="AccessDenied"), replace(call(3), event_name="SwitchRole")):
        assert store.keep_call(each) == each
    assert store.recent_calls(REF, START, LATER) == ()


def test_a_change_that_hid_its_role_is_a_version_of_every_role_of_the_account_from_then_on(store: Store) -> None:
    hidden = TrustVersion(every_role_of("777788889999"), "e-1", START + timedelta(seconds=5), None, is_first=False, actor=None)
    told = [TrustVersion(REF, f"e-{at}", START + timedelta(seconds=at), "{}", is_first=False, actor="x") for at in (0, 10)]
    for each in (told[1], hidden, told[0], hidden):
        store.keep_version(each)
    assert store.versions(REF, START) == (told[0], hidden, told[1])
    assert store.versions("777788889999/other", START) == (hidden,)
    assert store.versions("777788889999/other", START + timedelta(seconds=6)) == ()  # no role's own, so none that stood before
    assert store.versions(REF, START + timedelta(seconds=6)) == (told[0], told[1])
    assert store.versions(f"{STAGING}/payments", START) == ()


def test_an_edge_counts_each_call_once_and_keeps_the_outermost_times(store: Store) -> None:
    for key, seconds in (("s-2", 20), ("s-1", 10), ("s-2", 20), ("s-3", 30), ("s-1", 10)):
        store.count(edge(seconds), key)
    assert store.edges(REF) == (Edge(DEPLOYER, REF, 3, START + timedelta(seconds=10), START + timedelta(seconds=30)),)


@pytest.mark.parametrize("again", [1, 2])
def test_a_call_that_was_counted_for_its_account_alone_counts_for_who_came_once_that_is_known(store: Store, again: int) -> None:
    """As where the owner's copy came before anybody knew that the account is ours, and then the caller's."""
    for principal in (STAGING, DEPLOYER, STAGING):
        for _ in range(again):
            store.count(edge(10, principal=principal), "s-1")
    assert store.edges(REF) == (edge(10),)


def test_an_account_keeps_the_calls_of_which_nobody_tells_more(store: Store) -> None:
    for key, seconds in (("s-1", 10), ("s-2", 20)):
        store.count(edge(seconds, principal=STAGING), key)
    store.count(edge(10), "s-1")
    of_account = Edge(STAGING, REF, 1, START + timedelta(seconds=10), START + timedelta(seconds=20))
    assert store.edges(REF) == (of_account, edge(10))
    store.count(edge(20), "s-2")
    store.count(edge(30, principal=STAGING), "s-3")  # and what comes after it is counted as ever
    assert [(each.principal, each.times) for each in store.edges(REF)] == [(STAGING, 1), (DEPLOYER, 2)]


def test_who_dies_between_the_count_and_its_times_leaves_an_edge_that_can_be_read(client: Any) -> None:
    store = DynamoSessions(client, "sessions", FakeClock())
    with patch.object(client, "update_item", side_effect=RuntimeError), pytest.raises(RuntimeError):
        store.count(edge(principal=STAGING), "s-1")
    assert store.edges(REF) == (Edge(STAGING, REF, 1),)
    store.count(edge(), "s-1")
    store.count(edge(principal=STAGING), "s-1")
    assert store.edges(REF) == (edge(),)


def test_whoever_is_expected_and_never_came_has_come_no_time(store: Store) -> None:
    expected = Edge(DEPLOYER, REF)
    store.expect([expected, expected])
    assert store.edges(REF) == (expected,)
    store.count(edge(), "s-1")
    store.expect([expected])
    assert store.edges(REF) == (edge(),)


def test_a_principal_of_any_length_has_an_edge(store: Store) -> None:
    subject = "arn:aws:iam::777788889999:oidc-provider/x|" + "é" * 2000
    store.count(edge(principal=subject), "s-1")
    assert store.edges(REF)[0].principal == subject


def test_trust_policies_are_kept_once_and_in_order_of_time(store: Store) -> None:
    versions = [
        TrustVersion(
            REF, f"e-{seconds}", START + timedelta(seconds=seconds), json.dumps({"n": seconds}), seconds == 0, None if seconds else "x"
        )
        for seconds in (5, 0, 10)
    ]
    for each in (*versions, *versions):
        store.keep_version(each)
    assert store.versions(REF, START) == (versions[1], versions[0], versions[2])
    assert store.versions("777788889999/other", START) == ()
    assert store.versions(REF, START + timedelta(seconds=10)) == (versions[0], versions[2])  # and what stood before
    assert store.versions(REF, START + timedelta(seconds=11)) == (versions[2],)


def test_whoever_rewrites_a_trust_policy_often_hides_no_version(store: Store) -> None:
    for second in range(130):
        store.keep_version(TrustVersion(REF, f"e-{second:03}", START + timedelta(seconds=second), "{}", is_first=False, actor=None))
    assert [each.event_id for each in store.versions(REF, START + timedelta(seconds=5))] == [f"e-{number:03}" for number in range(4, 130)]


def test_a_call_of_another_organization_makes_an_edge_of_its_account(store: Store) -> None:
    stranger = replace(call(owner=True), actor=replace(call(owner=True).actor, account_id="999988887777"))
    found = edge_of(stranger, ACME)
    assert found is not None
    assert found.principal == "999988887777"
    assert edge_of(call(owner=True), ACME) is None  # its caller's copy is still to come
    assert edge_of(call(), ACME) == edge()


def test_calls_are_found_by_the_role_whose_session_made_them(store: Store) -> None:
    origin = f"{STAGING}/deployer"
    root = replace(call(3, seconds=9), event_name="AssumeRoot", role_arn=None, role_account_id=None, target_principal="777788889999")
    for each in (call(1, seconds=5), root, call(2, owner=True)):
        store.keep_call(each)
    # Who calls from another account is named by his own copy alone.
    assert store.calls_from(origin, START, LATER) == (call(1, seconds=5), root)
    merged = store.keep_call(call(2))
    assert store.calls_from(origin, START, LATER) == (merged, call(1, seconds=5), root)
    assert store.calls_from(origin, START + timedelta(seconds=1), START + timedelta(seconds=8)) == (call(1, seconds=5),)
    assert store.calls_from(REF, START, LATER) == ()


def test_what_opened_no_session_of_something_else_is_no_way_on(store: Store) -> None:
    one, itself = call(), f"arn:aws:iam::{STAGING}:role/ci/deployer"
    user = replace(one.actor, kind="IAMUser", arn=f"arn:aws:iam::{STAGING}:user/deployer")
    nameless = replace(one.actor, arn="deployer")
    for number, each in enumerate(
        (
            replace(one, error_code="AccessDenied"),
            replace(one, role_arn=itself, role_account_id=STAGING),
            replace(one, event_name="GetSessionToken"),
            replace(one, actor=user),
            replace(one, actor=nameless),
        )
    ):
        store.keep_call(replace(each, shared_event_id=f"s-{number}"))
    assert store.calls_from(f"{STAGING}/deployer", START, LATER) == ()
