"""statemachines/grant.asl.json on the emulator, with stand-ins for its functions: what waits, ends by what it is told, and at once."""

import json
import time
from typing import Any, Final

import pytest

from local.stack import ROOT, Stack
from local.world import HUB
from tests.integration.emulated import allowing, function, unique
from tests.integration.test_emulator_executions import FAR_SECONDS, SOON_SECONDS, Machines, configured, table_of

_ADVANCE: Final = """
import boto3

class Unavailable(Exception):
    pass

def handler(event, context):
    key = {"pk": {"S": event["grant_id"]}}
    item = boto3.client("dynamodb").get_item(TableName="TABLE", Key=key, ConsistentRead=True)["Item"]
    if item["state"]["S"] == "broken":
        raise Unavailable("its log says why")
    return {"grant_id": event["grant_id"], "state": item["state"]["S"], "wait_seconds": int(item["wait_seconds"]["N"])}
"""
_KEEP: Final = """
import json, boto3

class NothingToWaitFor(Exception):
    pass

def handler(event, context):
    if "MOVED" in event["grant_id"]:
        raise NothingToWaitFor("it has moved on")
    boto3.client("sqs").send_message(QueueUrl="QUEUE", MessageBody=json.dumps(event))
"""
_REASON: Final = "because of ORDER-4711"


class Life:
    """A machine of its own, and the item that its stand-in of advance_grant goes by."""

    def __init__(self, stack: Stack, **request: Any) -> None:
        self.machines, self.table = Machines(stack), table_of(stack)
        self.dynamodb = stack.client("dynamodb", HUB.id)
        advance = function(stack, HUB.id, _ADVANCE.replace("TABLE", self.table), allowing("dynamodb:GetItem", "*"))
        keep = function(stack, HUB.id, _KEEP.replace("QUEUE", self.machines.inbox.url), allowing("sqs:SendMessage", "*"))
        text = (ROOT / "statemachines" / "grant.asl.json").read_text("utf-8")
        for name, value in (("Partition", "aws"), ("AdvanceGrantFunctionArn", advance), ("KeepTokenFunctionArn", keep)):
            text = text.replace(f"${{{name}}}", value)
        self.machine = self.machines.create(json.loads(text), **request)

    def be(self, grant_id: str, state: str, wait_seconds: int = FAR_SECONDS) -> None:
        item = {"pk": {"S": grant_id}, "state": {"S": state}, "wait_seconds": {"N": str(wait_seconds)}, "reason": {"S": _REASON}}
        self.dynamodb.put_item(TableName=self.table, Item=item)

    def start(self, grant_id: str) -> str:
        given = json.dumps({"grant_id": grant_id})
        return str(self.machines.states.start_execution(stateMachineArn=self.machine, name=grant_id, input=given)["executionArn"])

    def waiting(self) -> tuple[str, str]:
        """For what it waits next, and its token."""
        (asked,) = self.machines.inbox.wait()
        return asked["step"], asked["token"]

    def passed(self, execution: str) -> list[str]:
        return [each["stateEnteredEventDetails"]["name"] for each in self.history(execution) if "stateEnteredEventDetails" in each]

    def history(self, execution: str) -> list[dict[str, Any]]:
        told = self.machines.states.get_execution_history(executionArn=execution, maxResults=1000)
        return list(told["events"])


@pytest.fixture(scope="module")
def life(cloud: Stack) -> Life:
    return Life(cloud)


def test_a_grant_s_life_of_answers_and_of_ends_that_come(life: Life) -> None:
    life.be("G1", "pending")
    execution = life.start("G1")
    step, token = life.waiting()
    assert step == "approve"
    life.be("G1", "approved", 1)
    before = time.monotonic()
    assert life.machines.succeed(token) is None
    assert life.waiting()[0] == "start"
    assert time.monotonic() - before < SOON_SECONDS
    life.be("G1", "active", 1)
    assert life.waiting()[0] == "end"
    life.be("G1", "closed")
    life.machines.end(execution)
    ways = ["Check", "Look", "Approve", "Decide", "Look", "WaitForStart", "Begin", "Look", "Active", "End", "Look", "Closed"]
    assert life.passed(execution) == ways


@pytest.mark.parametrize(("state", "step"), [("pending", "approve"), ("approved", "start"), ("active", "end")])
def test_what_ends_a_wait_ends_it_at_once(life: Life, state: str, step: str) -> None:
    grant_id = unique("G2")
    life.be(grant_id, state)
    execution = life.start(grant_id)
    waiting, token = life.waiting()
    assert waiting == step
    life.be(grant_id, "revoked")
    assert life.machines.succeed(token) is None
    assert life.machines.end(execution, seconds=SOON_SECONDS) is not None
    assert life.passed(execution)[-1] == "Closed"


def test_a_token_too_late_is_not_waited_with(life: Life) -> None:
    grant_id = unique("MOVED")
    life.be(grant_id, "active", 2)
    execution = life.start(grant_id)
    life.machines.stack.until(lambda: "End" in life.passed(execution), "the next look")
    life.be(grant_id, "closed")
    assert life.machines.end(execution) is not None


def test_a_function_that_fails_is_asked_again(life: Life) -> None:
    life.be("G3", "active", 1)
    execution = life.start("G3")
    life.waiting()
    life.be("G3", "broken")
    life.machines.stack.until(lambda: any(each["type"] == "TaskFailed" for each in life.history(execution)[-3:]), "its failure")
    life.be("G3", "closed")
    assert life.machines.end(execution, seconds=2 + SOON_SECONDS) is not None
    assert life.passed(execution)[-3:] == ["End", "Look", "Closed"]


def test_what_it_writes_down_is_an_id_a_state_and_seconds(cloud: Stack) -> None:
    """Of what a grant says nothing, and the token only where Step Functions itself has it; its log has neither."""
    logs, group = cloud.client("logs", HUB.id), unique("/doorward/grants")
    logs.create_log_group(logGroupName=group)
    key = cloud.client("kms", HUB.id).create_key()["KeyMetadata"]["Arn"]
    life = Life(
        cloud,
        loggingConfiguration=configured(group, "ERROR"),
        encryptionConfiguration={"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": key},
    )
    life.be("G4", "active", 1)
    execution = life.start("G4")
    _, token = life.waiting()
    life.be("G4", "closed")
    assert life.machines.end(execution) is not None
    history = life.history(execution)
    assert _REASON not in json.dumps(history, default=str)
    written = [json.loads(each["message"]) for each in logs.filter_log_events(logGroupName=group)["events"]]
    assert {each["type"] for each in written} == {"TaskFailed"}
    assert not {text for text in (_REASON, token, "wait_seconds") if text in json.dumps(written)}
