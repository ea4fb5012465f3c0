"""What every keeper of questions owes, the fake and DynamoDB alike."""

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch

import boto3
import pytest
from moto import mock_aws

from doorward.aws.audit import DynamoAudit
from doorward.aws.ledger import DynamoLedger
from doorward.aws.questions import DynamoQuestions
from doorward.decisions.model import GRANT, Consent, Question, State, Terms, Vote
from doorward.errors import Conflict
from doorward.people.model import Via
from doorward.ports.ledger import Announcement, Due
from tests.contract.tables import create_table
from tests.fakes import START, FakeClock, FakeQuestions

type AnyQuestions = FakeQuestions | DynamoQuestions

REF = "777788889999/payments"
ALSO = frozenset({Consent(frozenset({"payments", "security"}), 2, True, True, frozenset({"directors"})), Consent(frozenset({"security"}))})
TERMS = Terms(frozenset({"security"}), quorum=2, by_sigv4=True, escalate_to=frozenset({"directors"}), also=ALSO)
QUESTION = Question("q-1", "finding dw-1", REF, "apply", "cafe", TERMS, START, "doorward", "why", frozenset({"906-eve"}), detail={"a": "b"})
LATER = START + timedelta(hours=1, microseconds=7)
NEXT = QUESTION._replace(
    votes=(Vote("906-ann", Via.SLACK, LATER), Vote("906-joe", Via.SIGV4, LATER, frozenset({"security"}))),
    answer="906-eve",
    reminded_at=LATER,
    refused_at=LATER,
    version=2,
)
TOLD = Announcement("q-1-2", "DecisionMade", {"x": 1}, LATER)


class Dynamo:
    def __init__(self, clock: FakeClock) -> None:
        client = boto3.client("dynamodb")
        for name, logical_id in (("ledger", "LedgerTable"), ("baselines", "BaselinesTable"), ("audit", "AuditTable")):
            create_table(client, name, logical_id)
        self.client = client
        self.audit = DynamoAudit(client, "audit")
        self.ledger = DynamoLedger(client, "ledger", "baselines", clock)
        self.questions = DynamoQuestions(client, "ledger", self.ledger, self.audit)


@pytest.fixture
def dynamo() -> Iterator[Dynamo]:
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    with patch.dict(os.environ, environment), mock_aws():
        yield Dynamo(FakeClock())


@pytest.fixture(params=["fake", "dynamodb"])
def questions(request: pytest.FixtureRequest) -> AnyQuestions:
    return FakeQuestions() if request.param == "fake" else request.getfixturevalue("dynamo").questions


def test_a_question_is_asked_once_and_read_back_as_it_was(questions: AnyQuestions) -> None:
    assert questions.question(REF, "q-1") is None
    assert questions.ask(QUESTION, "906-ann sigv4") is True
    assert questions.ask(QUESTION._replace(because="another"), "906-joe sigv4") is False
    assert questions.question(REF, "q-1") == QUESTION
    assert questions.question(REF, "q-2") is None
    assert questions.question("777788889999/other", "q-1") is None


def test_one_that_was_kept_before_it_said_when_somebody_said_no_is_read(dynamo: Dynamo) -> None:
    dynamo.questions.ask(QUESTION, "906-ann sigv4")
    (item,) = [each for each in dynamo.client.scan(TableName="ledger")["Items"] if each["sk"]["S"] == "QUESTION:q-1"]
    document = json.loads(item["document"]["S"])
    del document["refused_at"]
    dynamo.client.put_item(TableName="ledger", Item={**item, "document": {"S": json.dumps(document)}})
    assert dynamo.questions.question(REF, "q-1") == QUESTION


def test_what_was_asked_about_a_role_is_found_by_the_role(questions: AnyQuestions) -> None:
    other = QUESTION._replace(id="q-3")
    for each in (QUESTION, other, QUESTION._replace(id="q-4", role_ref=f"{REF}-other")):
        questions.ask(each, "906-ann sigv4")
    assert sorted(questions.of_role(REF)) == sorted([QUESTION, other])
    assert questions.of_role("777788889999/other") == []


def test_a_transition_counts_only_over_what_was_read(questions: AnyQuestions) -> None:
    questions.ask(QUESTION, "906-ann sigv4")
    questions.move(NEXT, "yes", "906-ann slack", LATER, TOLD)
    assert questions.question(REF, "q-1") == NEXT
    for stale in (NEXT, NEXT._replace(version=4), NEXT._replace(state=State.REFUSED)):
        with pytest.raises(Conflict):
            questions.move(stale, "no", "906-joe sigv4", LATER)
    assert questions.question(REF, "q-1") == NEXT


def test_what_was_never_asked_does_not_move(questions: AnyQuestions) -> None:
    with pytest.raises(Conflict):
        questions.move(NEXT, "yes", "906-ann slack", LATER)
    assert questions.question(REF, "q-1") is None


def test_each_transition_has_its_audit_item_and_what_is_told_in_the_same_transaction(dynamo: Dynamo) -> None:
    dynamo.questions.ask(QUESTION, "906-ann sigv4")
    dynamo.questions.move(NEXT, "yes", "906-ann slack", LATER, TOLD)
    with pytest.raises(Conflict):
        dynamo.questions.move(NEXT, "no", "906-joe sigv4", LATER, Announcement("q-1-2b", "DecisionMade", {}, LATER))
    head = dynamo.audit.head("question q-1")
    assert head.version == 2  # as many as transitions
    assert dynamo.ledger.pending("q-1-2") == TOLD
    assert dynamo.ledger.pending("q-1-2b") is None


@pytest.mark.parametrize(("what", "days"), [("apply", 400), (GRANT, None)])
def test_it_is_kept_for_four_hundred_days_and_a_grants_for_good_as_the_grant_is(dynamo: Dynamo, what: str, days: int | None) -> None:
    dynamo.questions.ask(QUESTION._replace(what=what), "906-ann sigv4")
    dynamo.questions.move(NEXT._replace(what=what), "yes", "906-ann slack", LATER)
    (item,) = (each for each in dynamo.client.scan(TableName="ledger")["Items"] if each["sk"]["S"] == "QUESTION:q-1")
    ends_at = None if days is None else str(int((QUESTION.asked_at + timedelta(days=days)).timestamp()))
    assert item.get("ttl", {}).get("N") == ends_at


def test_it_stands_on_the_agenda_while_there_is_something_to_do(dynamo: Dynamo) -> None:
    dynamo.questions.ask(QUESTION, "906-ann sigv4")
    late = START + timedelta(days=9)

    def due() -> list[Due]:
        return [each for each in dynamo.ledger.due(late, 9) if each.role_ref == REF]

    assert due() == [Due("QUESTION:q-1", START + QUESTION.terms.remind_every, REF)]
    dynamo.ledger.put_off(due()[0], START + timedelta(hours=5))
    assert [each.due_at for each in due()] == [START + timedelta(hours=5)]
    dynamo.questions.move(NEXT._replace(state=State.APPROVED), "yes", "906-ann slack", LATER)
    assert [each.due_at for each in due()] == [LATER + timedelta(seconds=60)]
    dynamo.questions.move(NEXT._replace(state=State.DONE, version=3), "done", "doorward", LATER)
    assert due() == []
