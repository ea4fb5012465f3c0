"""What every keeper of Slack links, nonces and lines owes, the fake and AWS's alike."""

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from moto import mock_aws

from doorward.audit.stored import item_from
from doorward.aws.audit import DynamoAudit
from doorward.aws.ledger import DynamoLedger
from doorward.aws.slack import DynamoNonces, SqsInteractions
from doorward.aws.slack_links import DynamoSlackLinks
from doorward.errors import Conflict
from doorward.people.model import SlackUser
from doorward.ports.ledger import Announcement
from doorward.ports.slack import Interaction, Kind, Link, Links, Nonces, Offer
from doorward.slack.interactions import interaction_as_text, interaction_from
from tests.contract.tables import create_table
from tests.fakes import START, FakeClock, FakeLinks, FakeNonces

ANN, JOE = "906-ann", "906-joe"
USER, OTHER = SlackUser("T0ACME", "U0ANN"), SlackUser("T0ACME", "U0OTHER")
UNTIL = START + timedelta(minutes=5)
CODE, CODE_2 = "c" * 64, "d" * 64
TOLD = Announcement("dw-1", "SuspiciousChangeFound", {"x": 1}, START)


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    with patch.dict(os.environ, environment), mock_aws():
        client = boto3.client("dynamodb")
        for name, logical_id in (("ledger", "LedgerTable"), ("baselines", "BaselinesTable"), ("audit", "AuditTable")):
            create_table(client, name, logical_id)
        yield client


@pytest.fixture(params=["fake", "dynamodb"])
def links(request: pytest.FixtureRequest) -> Links:
    return FakeLinks() if request.param == "fake" else on(request.getfixturevalue("dynamodb"))


def on(dynamodb: Any) -> DynamoSlackLinks:
    return DynamoSlackLinks(dynamodb, "ledger", DynamoLedger(dynamodb, "ledger", "baselines", FakeClock()), DynamoAudit(dynamodb, "audit"))


def bound(links: Links, person: str = ANN, user: SlackUser = USER, code: str = CODE, **more: Any) -> Link:
    links.offer(Offer(person, UNTIL), code)
    assert links.take(code, user, "Ann", START) is not None
    link = Link(user, person, START)
    links.bind(link, TOLD, **more)
    return link


def test_an_offer_is_taken_by_the_first_and_shown(links: Links) -> None:
    assert links.offered(ANN) is None
    links.offer(Offer(ANN, UNTIL), CODE)
    assert links.offered(ANN) == Offer(ANN, UNTIL)
    taken = Offer(ANN, UNTIL, USER, "Ann")
    assert links.take(CODE, USER, "Ann", START) == taken
    assert links.take(CODE, OTHER, "Eve", START) is None
    assert links.take(CODE, USER, "Ann", START) == taken  # its message came twice
    assert links.offered(ANN) == taken


def test_no_code_an_old_one_and_one_of_the_last_moment(links: Links) -> None:
    assert links.take(CODE, USER, "Ann", START) is None
    links.offer(Offer(ANN, UNTIL), CODE)
    assert links.take(CODE, USER, "Ann", UNTIL) is None
    assert links.take(CODE, USER, "Ann", UNTIL - timedelta(microseconds=1)) is not None


def test_a_link_is_kept_and_taken_back(links: Links) -> None:
    assert links.of(USER) is None
    link = bound(links)
    assert (links.of(USER), links.of(OTHER), links.links_of(ANN)) == (ANN, None, (link,))
    second = bound(links, user=OTHER, code=CODE_2)
    assert links.links_of(ANN) == (link, second)
    for other in (Link(USER, JOE, START), Link(SlackUser("T0ACME", "U0NOBODY"), ANN, START)):
        with pytest.raises(Conflict):
            links.unbind(other, START)
    links.unbind(link, START)
    assert (links.of(USER), links.links_of(ANN)) == (None, (second,))


def test_an_offer_is_bound_once_and_only_to_who_took_it(links: Links) -> None:
    with pytest.raises(Conflict):
        links.bind(Link(USER, ANN, START), TOLD)
    links.offer(Offer(ANN, UNTIL), CODE)
    with pytest.raises(Conflict):
        links.bind(Link(USER, ANN, START), TOLD)  # nobody took it
    links.take(CODE, OTHER, "x", START)
    for link in (Link(USER, ANN, START), Link(OTHER, JOE, START)):
        with pytest.raises(Conflict):
            links.bind(link, TOLD)
    links.bind(Link(OTHER, ANN, START), TOLD)
    with pytest.raises(Conflict):
        links.bind(Link(OTHER, ANN, START), TOLD)
    assert (links.of(USER), links.of(OTHER), links.offered(ANN)) == (None, ANN, None)


def test_an_earlier_offer_is_not_bound_once_there_is_a_later_one(links: Links) -> None:
    links.offer(Offer(ANN, UNTIL), CODE)
    links.take(CODE, USER, "Ann", START)
    links.offer(Offer(ANN, UNTIL), CODE_2)
    with pytest.raises(Conflict):
        links.bind(Link(USER, ANN, START), TOLD)


def test_a_link_of_somebody_else_is_replaced_only_where_that_is_said(links: Links) -> None:
    bound(links)
    for over in (None, "906-eve"):
        with pytest.raises(Conflict):
            bound(links, JOE, code=CODE_2, over=over)
    assert links.of(USER) == ANN
    link = bound(links, JOE, code=CODE_2, over=ANN)
    assert (links.of(USER), links.links_of(ANN), links.links_of(JOE)) == (JOE, (), (link,))


def test_each_change_has_its_audit_item_and_what_is_announced_in_one_transaction(dynamodb: Any) -> None:
    links = on(dynamodb)
    link = bound(links)
    links.unbind(link, START)
    with pytest.raises(Conflict):
        links.unbind(link, START)
    items = dynamodb.query(
        TableName="audit",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"AUDIT#slack user {USER.ref}"}},
    )["Items"]
    kept = [item_from({name: value["S"] for name, value in each.items()}) for each in items]
    assert [(each.what, each.by, each.via) for each in kept] == [("linked", ANN, "sigv4"), ("unlinked", ANN, "sigv4")]
    assert "Item" in dynamodb.get_item(TableName="ledger", Key={"pk": {"S": "OUTBOX#dw-1"}, "sk": {"S": "ANNOUNCEMENT"}})


@pytest.fixture(params=["fake", "dynamodb"])
def nonces(request: pytest.FixtureRequest) -> Nonces:
    return FakeNonces() if request.param == "fake" else DynamoNonces(request.getfixturevalue("dynamodb"), "ledger")


def test_a_nonce_is_new_once(nonces: Nonces) -> None:
    assert [nonces.is_new(each, START) for each in ("a", "a", "b", "a")] == [True, False, True, False]


def test_a_nonce_outlives_the_time_in_which_its_call_is_fresh(dynamodb: Any) -> None:
    DynamoNonces(dynamodb, "ledger").is_new("a", START)
    (item,) = dynamodb.scan(TableName="ledger")["Items"]
    assert int(item["ttl"]["N"]) > (START + timedelta(minutes=10)).timestamp()


def test_the_line_keeps_the_order_of_each_slack_user_and_one_of_a_nonce(dynamodb: Any) -> None:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="line.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    line = SqsInteractions(sqs, url, interaction_as_text)
    first, second = (Interaction(Kind.PRESSED, USER, each, "x", fields={"reason": "ü\ud800"}) for each in ("apply", "refuse"))
    line.put(first, "a" * 64)
    line.put(first, "a" * 64)
    line.put(second, "b" * 64)
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["MessageGroupId"])
    assert [interaction_from(each["Body"]) for each in answer["Messages"]] == [first, second]
    assert {each["Attributes"]["MessageGroupId"] for each in answer["Messages"]} == {USER.ref}
