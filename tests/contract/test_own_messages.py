"""Messages of our own: hints into the change queue, calls into the organization's."""

import json
import os
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from doorward.aws.hints import SqsHints
from doorward.aws.refreshes import SqsRefreshes
from doorward.aws.sweeps import StepFunctionsSweeps
from doorward.aws.wakes import SqsWakes
from doorward.errors import DoorwardError, Misconfigured, Unavailable
from doorward.events.hints import Hint, hint_as_text
from doorward.events.model import Cause
from doorward.grants.waking import grant_to_wake
from doorward.ports.organization import REFRESH
from tests.fakes import START
from tests.grants_world import GRANT_ID

PROD, STAGING = "777788889999", "222233334444"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}


class Queue:
    def __init__(self) -> None:
        self.sqs: Any = boto3.client("sqs")
        self.url = self.sqs.create_queue(QueueName="q")["QueueUrl"]

    def bodies(self) -> list[str]:
        return [each["Body"] for each in self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", [])]


@pytest.fixture
def queue() -> Iterator[Queue]:
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        yield Queue()


def test_hints_arrive_as_the_reaction_reads_them(queue: Queue) -> None:
    hints = [Hint(PROD, Cause.FACTS, "It moved.", "facts-1", START), Hint(PROD, Cause.FACTS, "It left.", "facts-2", START, role_name="x")]
    for hint in hints:
        SqsHints(queue.sqs, queue.url).send([hint])
    assert sorted(queue.bodies()) == sorted(hint_as_text(each) for each in hints)


def test_a_grant_to_be_woken_arrives_as_it_is_read(queue: Queue) -> None:
    SqsWakes(queue.sqs, queue.url).call(GRANT_ID)
    (body,) = queue.bodies()
    assert grant_to_wake(body) == GRANT_ID
    with pytest.raises(Misconfigured):
        SqsWakes(queue.sqs, f"{queue.url}-gone").call(GRANT_ID)


def test_more_hints_than_sqs_takes_at_once_are_all_sent_and_arrive_as_fast_as_their_reads_may_be(queue: Queue) -> None:
    hints = [
        Hint(PROD, Cause.FIRST_SEEN, "Seen.", f"sweep-{number}", START, role_name=f"r{number}", reads=9 if number == 2 else 1)
        for number in range(2003)
    ]
    sent: list[dict[str, Any]] = []

    def take(*, Entries: list[dict[str, Any]], **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's name
        sent.extend(Entries)
        return {}

    with patch.object(queue.sqs, "send_message_batch", side_effect=take):
        SqsHints(queue.sqs, queue.url).send(hints)
    assert [each["MessageBody"] for each in sent] == [hint_as_text(each) for each in hints]
    assert [each["DelaySeconds"] for each in sent[:7]] == [0, 1, 2, 11, 12, 13, 14]
    assert max(each["DelaySeconds"] for each in sent) == 900  # the most that SQS takes


def test_of_many_hints_the_first_are_there_at_once(queue: Queue) -> None:
    hints = [Hint(PROD, Cause.FIRST_SEEN, "Seen.", f"sweep-{number}", START, role_name=f"r{number}") for number in range(23)]
    SqsHints(queue.sqs, queue.url).send(hints)
    assert sorted(queue.bodies()) == sorted(hint_as_text(each) for each in hints[:1])


def test_a_hint_that_sqs_does_not_take_is_not_taken_for_sent(queue: Queue) -> None:
    refused = {"Successful": [], "Failed": [{"Id": "0", "SenderFault": False, "Code": "InternalError"}]}
    with patch.object(queue.sqs, "send_message_batch", return_value=refused), pytest.raises(Unavailable, match="InternalError"):
        SqsHints(queue.sqs, queue.url).send([Hint(PROD, Cause.FACTS, "It moved.", "facts-1", START)])


def test_a_sweep_is_started_for_exactly_these_accounts() -> None:
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        states = boto3.client("stepfunctions")
        definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
        machine = states.create_state_machine(name="doorward-sweep", definition=definition, roleArn=f"arn:aws:iam::{PROD}:role/x")
        sweeps = StepFunctionsSweeps(states, machine["stateMachineArn"])
        sweeps.start([PROD, STAGING], "It joined.")
        sweeps.start([], "nobody")
        (execution,) = states.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
        given = json.loads(states.describe_execution(executionArn=execution["executionArn"])["input"])
        assert given == {"accounts": [PROD, STAGING], "because": "It joined."}


def test_what_is_asked_for_once_is_swept_once() -> None:
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        states = boto3.client("stepfunctions")
        with Stubber(states) as stub:
            sweeps = StepFunctionsSweeps(states, "arn:aws:states:us-east-1:111122223333:stateMachine:doorward-sweep")
            stub.add_response("start_execution", {"executionArn": "x", "startDate": START})
            sweeps.start([PROD], "It hides.", once="e-1/of any length and / any form")
            stub.add_client_error("start_execution", "ExecutionAlreadyExists")
            sweeps.start([PROD], "It hides.", once="e-1/of any length and / any form")
            stub.add_client_error("start_execution", "StateMachineDoesNotExist")
            with pytest.raises(DoorwardError):
                sweeps.start([PROD], "It hides.", once="e-1/of any length and / any form")


def test_a_call_for_a_read_comes_after_the_time_it_was_put_off_by(queue: Queue) -> None:
    refreshes = SqsRefreshes(queue.sqs, queue.url)
    refreshes.call("later", in_seconds=40.2)
    assert queue.bodies() == []
    refreshes.call("now")
    assert [json.loads(each) for each in queue.bodies()] == [{"format": REFRESH, "because": "now"}]


def test_a_queue_that_is_not_there_is_misconfigured(queue: Queue) -> None:
    with pytest.raises(Misconfigured):
        SqsHints(queue.sqs, queue.url + "x").send([Hint(PROD, Cause.FACTS, "x", "facts-1", START)])
