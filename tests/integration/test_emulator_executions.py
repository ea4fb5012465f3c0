"""Executions on the emulator: what `local/cloud` adds, each shown to be missing on the bare one, and what is relied on."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from local.stack import Stack
from local.world import HUB, REGION
from tests.integration.emulated import (
    Inbox,
    allowing,
    closed_only_by_us,
    function,
    queue,
    refusal,
    role,
    root_of,
    trusting,
    unique,
    user,
)

SOON_SECONDS: Final = 2.0
"""How long after its limit, or after what ends it, an execution may end on a busy machine; the bare emulator's would not."""

FAR_SECONDS: Final = 30

SEND: Final = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
INVOKE: Final = "arn:aws:states:::lambda:invoke.waitForTaskToken"
UPDATE: Final = "arn:aws:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken"
FAIL: Final = {"Type": "Fail", "Error": "Refused"}


def one(state: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A machine, or a branch, of one state."""
    return {"StartAt": "Only", "States": {"Only": {**({} if state["Type"] == "Fail" else {"End": True}), **state}}, **more}


def parallel(*branches: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"Type": "Parallel", "Branches": list(branches), **more}


class Machines:
    """State machines of the hub, and a queue that their tasks send task tokens to."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.states = stack, stack.client("stepfunctions", HUB.id)
        self.role = role(stack, HUB.id, trusting({"Service": "states.amazonaws.com"}))
        self.inbox: Inbox = queue(stack, HUB.id, None)

    def waiting(self, **more: Any) -> dict[str, Any]:
        """A task that sends its token to the queue and waits."""
        body = {"token.$": "$$.Task.Token"}
        return {"Type": "Task", "Resource": SEND, "Parameters": {"QueueUrl": self.inbox.url, "MessageBody": body}, **more}

    def waiting_in_jsonata(self, **more: Any) -> dict[str, Any]:
        body = {"token": "{% $states.context.Task.Token %}"}
        asked = {"QueueUrl": self.inbox.url, "MessageBody": body}
        return {"Type": "Task", "QueryLanguage": "JSONata", "Resource": SEND, "Arguments": asked, **more}

    def create(self, definition: Mapping[str, Any], **request: Any) -> str:
        created = self.states.create_state_machine(name=unique("machine"), definition=json.dumps(definition), roleArn=self.role, **request)
        return str(created["stateMachineArn"])

    def start(self, definition: Mapping[str, Any], given: Any = None, **request: Any) -> str:
        """Start an execution of a new machine and return its ARN."""
        machine = self.create(definition, **request)
        return str(self.states.start_execution(stateMachineArn=machine, input=json.dumps(given or {}))["executionArn"])

    def token(self) -> str:
        """The next task token."""
        (body,) = self.inbox.wait()
        return str(body["token"])

    def succeed(self, token: str, output: str = "{}") -> str | None:
        return refusal(lambda: self.states.send_task_success(taskToken=token, output=output))

    def fail(self, token: str, error: str = "Refused") -> str | None:
        return refusal(lambda: self.states.send_task_failure(taskToken=token, error=error))

    def beat(self, token: str) -> str | None:
        return refusal(lambda: self.states.send_task_heartbeat(taskToken=token))

    def end(self, execution: str, *, seconds: float = 1 + SOON_SECONDS) -> Any:
        """The output of an execution that succeeded, else its error or its status; None while it runs on after `seconds`."""
        deadline = time.monotonic() + seconds
        while (told := self.states.describe_execution(executionArn=execution))["status"] == "RUNNING":
            if time.monotonic() > deadline:
                self.states.stop_execution(executionArn=execution)
                return None
            time.sleep(0.01)
        return json.loads(told["output"]) if told["status"] == "SUCCEEDED" else told.get("error", told["status"])


# -- task_tokens -----------------------------------------------------------------------------------


LIMITS: Final[Mapping[str, tuple[bool, Mapping[str, Any], str]]] = {
    "timeout-by-path": (False, {"TimeoutSecondsPath": "$.limit"}, "States.Timeout"),
    "timeout-by-expression": (True, {"TimeoutSeconds": "{% $states.input.limit %}"}, "States.Timeout"),
    "heartbeat": (False, {"HeartbeatSeconds": 1, "TimeoutSeconds": FAR_SECONDS}, "States.HeartbeatTimeout"),
    "heartbeat-by-path": (False, {"HeartbeatSecondsPath": "$.limit"}, "States.HeartbeatTimeout"),
    "heartbeat-by-expression": (True, {"HeartbeatSeconds": "{% $states.input.limit %}"}, "States.HeartbeatTimeout"),
    "heartbeat-and-timeout": (False, {"HeartbeatSeconds": FAR_SECONDS, "TimeoutSecondsPath": "$.limit"}, "States.Timeout"),
}


@pytest.mark.parametrize("kind", LIMITS)
def test_a_wait_for_a_token_ends_at_its_limit(cloud: Stack, bare: Stack, kind: str) -> None:
    in_jsonata, limit, error = LIMITS[kind]

    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        task = machines.waiting_in_jsonata(**limit) if in_jsonata else machines.waiting(**limit)
        execution = machines.start(one(task), {"limit": 1})
        return bool(machines.end(execution) == error and machines.succeed(machines.token()) == "TaskTimedOut")

    closed_only_by_us(probe, cloud, bare, "task_tokens")


@pytest.mark.parametrize("limit", [0, -1, 1.5, "1", None, True], ids=str)
def test_a_limit_that_is_no_number_of_seconds_fails_the_task(cloud: Stack, bare: Stack, limit: Any) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        return bool(machines.end(machines.start(one(machines.waiting(TimeoutSecondsPath="$.limit")), {"limit": limit})) == "States.Runtime")

    closed_only_by_us(probe, cloud, bare, "task_tokens")


def test_a_task_that_waits_for_no_token_has_its_timeout_by_path_and_expression(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        slow = function(stack, HUB.id, "import time\ndef handler(event, context):\n    time.sleep(4)\n")
        task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke"}
        by_path = one({**task, "Parameters": {"FunctionName": slow}, "TimeoutSecondsPath": "$.limit"})
        by_expression = one(
            {**task, "QueryLanguage": "JSONata", "Arguments": {"FunctionName": slow}, "TimeoutSeconds": "{% $states.input.limit %}"}
        )
        return [machines.end(machines.start(each, {"limit": 1})) for each in (by_path, by_expression)] == ["States.Timeout"] * 2

    closed_only_by_us(probe, cloud, bare, "task_tokens")


def test_a_heartbeat_puts_the_end_off(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        execution = machines.start(one(machines.waiting(HeartbeatSeconds=2)))
        token = machines.token()
        for _ in range(3):
            time.sleep(0.8)
            assert machines.beat(token) is None
        ended = machines.end(execution, seconds=2 + SOON_SECONDS)
        return bool(ended == "States.HeartbeatTimeout" and machines.beat(token) == "TaskTimedOut")

    closed_only_by_us(probe, cloud, bare, "task_tokens")


def test_who_catches_a_timeout_catches_a_missing_heartbeat(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        task = machines.waiting(HeartbeatSeconds=1, Catch=[{"ErrorEquals": ["States.Timeout"], "Next": "Late"}], End=True)
        definition = {"StartAt": "Only", "States": {"Only": task, "Late": {"Type": "Pass", "Result": "late", "End": True}}}
        return bool(machines.end(machines.start(definition)) == "late")

    closed_only_by_us(probe, cloud, bare, "task_tokens")


def test_a_token_is_good_for_one_answer(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        execution = machines.start(one(machines.waiting()))
        token = machines.token()
        assert machines.succeed(token, '{"by": "first"}') is None
        late = [machines.succeed(token, '{"by": "second"}'), machines.fail(token), machines.beat(token)]
        came_of_it = machines.end(execution)
        later = [machines.succeed(token), machines.fail(token), machines.beat(token)]
        return came_of_it == {"by": "first"} and [*late, *later] == ["TaskTimedOut"] * 6

    closed_only_by_us(probe, cloud, bare, "task_tokens")


def test_what_never_was_a_token_is_told_apart(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        return [send("made up") for send in (machines.succeed, machines.fail, machines.beat)] == ["InvalidToken"] * 3

    closed_only_by_us(probe, cloud, bare, "task_tokens")


@pytest.mark.parametrize("output", ["no json", json.dumps("x" * 262_144)], ids=["text", "long"])
def test_an_output_that_is_refused_leaves_the_task_waiting(cloud: Stack, bare: Stack, output: str) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        execution = machines.start(one(machines.waiting()))
        token = machines.token()
        refused = machines.succeed(token, output)
        return bool([refused, machines.succeed(token, '"right"'), machines.end(execution)] == ["InvalidOutput", None, "right"])

    closed_only_by_us(probe, cloud, bare, "task_tokens")


def test_a_task_whose_function_raises_fails_at_once(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        raising = function(stack, HUB.id, "def handler(event, context):\n    raise KeyError('entitlement')\n")
        asked = {"FunctionName": raising, "Payload": {"token.$": "$$.Task.Token"}}
        task = {"Type": "Task", "Resource": INVOKE, "Parameters": asked, "TimeoutSeconds": FAR_SECONDS}
        return bool(machines.end(machines.start(one(task)), seconds=5) == "KeyError")

    closed_only_by_us(probe, cloud, bare, "task_tokens")


def test_each_attempt_has_a_token_of_its_own(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        again = [{"ErrorEquals": ["Refused"], "IntervalSeconds": 1, "MaxAttempts": 1}]
        execution = machines.start(one(machines.waiting(Retry=again)))
        first = machines.token()
        assert machines.fail(first) is None
        second = machines.token()
        return bool([machines.succeed(first), machines.succeed(second), machines.end(execution)] == ["TaskTimedOut", None, {}])

    closed_only_by_us(probe, cloud, bare, "task_tokens")


def test_dynamodbs_own_integration_waits_for_no_token(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        machines, table = Machines(stack), table_of(stack)
        task = {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem.waitForTaskToken"}
        asked = {"TableName": table, "Item": {"pk": {"S.$": "$$.Task.Token"}}}
        return bool(machines.end(machines.start(one({**task, "Parameters": asked}))) == "States.Runtime")

    closed_only_by_us(probe, cloud, bare, "task_tokens")


# -- execution_branches ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["parallel", "map"])
def test_a_branch_that_fails_ends_the_others_waits(cloud: Stack, bare: Stack, kind: str) -> None:
    """And the state fails as that branch did, whichever it is; what the others catch is no business of theirs."""

    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        caught = machines.waiting(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Caught"}], Next="Caught")
        waits = {"Caught": {"Type": "Pass", "End": True}, "Wait": caught, "Fail": FAIL}
        if kind == "parallel":
            state = parallel({"StartAt": "Wait", "States": waits}, {"StartAt": "Fail", "States": waits})
        else:
            fails = {"Type": "Choice", "Choices": [{"Variable": "$", "BooleanEquals": True, "Next": "Fail"}], "Default": "Wait"}
            state = {"Type": "Map", "ItemsPath": "$.fail", "ItemProcessor": {"StartAt": "Which", "States": {**waits, "Which": fails}}}
        execution = machines.start(one(state), {"fail": [False, True]})
        return bool(machines.end(execution, seconds=SOON_SECONDS) == "Refused" and machines.succeed(machines.token()) == "TaskTimedOut")

    closed_only_by_us(probe, cloud, bare, "execution_branches")


def test_a_failed_parallel_state_can_be_caught_and_tried_again(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        state = parallel(
            one(machines.waiting()),
            one(FAIL),
            Retry=[{"ErrorEquals": ["Refused"], "IntervalSeconds": 1, "MaxAttempts": 1}],
            Catch=[{"ErrorEquals": ["Refused"], "Next": "Caught"}],
            End=True,
        )
        definition = {"StartAt": "Both", "States": {"Both": state, "Caught": {"Type": "Pass", "Result": "caught", "End": True}}}
        return bool(machines.end(machines.start(definition)) == "caught" and len(machines.inbox.wait(2)) == 2)

    closed_only_by_us(probe, cloud, bare, "execution_branches")


def test_a_parallel_state_in_jsonata_has_arguments_output_and_variables(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        inside = {"Type": "Pass", "QueryLanguage": "JSONata", "Assign": {"seen": "inside"}, "Output": "{% $states.input.asked + 1 %}"}
        state = parallel(
            one(inside),
            one(inside),
            QueryLanguage="JSONata",
            Arguments={"asked": "{% $states.input.given %}"},
            Assign={"total": "{% $sum($states.result) %}"},
            Next="After",
        )
        seen = {"total": "{% $total %}", "seen": "{% $exists($seen) %}", "each": "{% $states.input %}"}
        after = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": seen, "End": True}
        definition = {"StartAt": "Both", "States": {"Both": state, "After": after}}
        return bool(machines.end(machines.start(definition, {"given": 1})) == {"total": 4, "seen": False, "each": [2, 2]})

    closed_only_by_us(probe, cloud, bare, "execution_branches")


# -- executions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", ["state", "branch"])
def test_an_execution_that_is_stopped_waits_for_no_token(cloud: Stack, bare: Stack, depth: str) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        execution = machines.start(one(machines.waiting() if depth == "state" else parallel(one(machines.waiting()))))
        token = machines.token()
        machines.states.stop_execution(executionArn=execution, error="Revoked")
        return bool(machines.succeed(token) == "TaskTimedOut" and machines.end(execution) == "Revoked")

    closed_only_by_us(probe, cloud, bare, "executions")


def test_no_branch_of_a_stopped_execution_goes_on(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        send = machines.waiting(End=True)
        branch = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 1, "Next": "Send"}, "Send": send}}
        execution = machines.start(one(parallel(branch)))
        history = machines.states.get_execution_history
        stack.until(lambda: len(history(executionArn=execution)["events"]) > 1, "the Parallel state")
        machines.states.stop_execution(executionArn=execution)
        return machines.inbox.wait(seconds=1 + SOON_SECONDS) == []

    closed_only_by_us(probe, cloud, bare, "executions")


def test_what_was_stopped_does_not_fail_afterwards(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        execution = machines.start(one(machines.waiting(TimeoutSeconds=1)))
        machines.token()
        machines.states.stop_execution(executionArn=execution)
        time.sleep(1 + SOON_SECONDS)
        return bool(machines.states.describe_execution(executionArn=execution)["status"] == "ABORTED")

    closed_only_by_us(probe, cloud, bare, "executions")


def test_a_machines_timeout_ends_its_executions(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        execution = machines.start(one(machines.waiting(), TimeoutSeconds=1))
        return bool(machines.end(execution) == "TIMED_OUT" and machines.succeed(machines.token()) == "TaskTimedOut")

    closed_only_by_us(probe, cloud, bare, "executions")


# -- execution_names -------------------------------------------------------------------------------


def test_an_execution_that_runs_is_started_once_by_name_and_input(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        machines, request = Machines(stack), {"name": "grant-1", "input": '{"a": 1}'}
        start, machine = machines.states.start_execution, machines.create(one(machines.waiting()))
        first = start(stateMachineArn=machine, **request)
        token = machines.token()
        again = refusal(lambda: start(stateMachineArn=machine, **request))
        other = refusal(lambda: start(stateMachineArn=machine, **request | {"input": "{}"}))
        assert machines.inbox.wait(seconds=0.3) == [], "it was started again"
        machines.succeed(token)
        machines.end(first["executionArn"])
        ended = refusal(lambda: start(stateMachineArn=machine, **request))
        return [again, other, ended] == [None, "ExecutionAlreadyExists", "ExecutionAlreadyExists"]

    closed_only_by_us(probe, cloud, bare, "execution_names")


@pytest.mark.parametrize("name", ["a b", "grant:1", "*", "x" * 81])
def test_a_name_that_no_execution_may_have_is_refused(cloud: Stack, bare: Stack, name: str) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        machine = machines.create(one({"Type": "Pass"}))
        return refusal(lambda: machines.states.start_execution(stateMachineArn=machine, name=name)) == "InvalidName"

    closed_only_by_us(probe, cloud, bare, "execution_names")


# -- wait_states -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("SecondsPath", "1"),
        ("SecondsPath", -1),
        ("SecondsPath", None),
        ("SecondsPath", True),
        ("TimestampPath", "soon"),
        ("TimestampPath", None),
        ("TimestampPath", "2100-01-01"),
        ("TimestampPath", "2000-01-01T00:00:00"),
        ("TimestampPath", 1_700_000_000),
    ],
)
def test_a_wait_for_no_time_fails(cloud: Stack, bare: Stack, field: str, value: Any) -> None:
    """Rather than to end at once: what follows the wait may be what a grant's end is for."""

    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        return bool(machines.end(machines.start(one({"Type": "Wait", field: "$.at"}), {"at": value})) == "States.Runtime")

    closed_only_by_us(probe, cloud, bare, "wait_states")


# -- execution_logs --------------------------------------------------------------------------------


def logged(stack: Stack, machine: Callable[[str], str]) -> list[dict[str, Any]]:
    """What an execution of a machine with input `canary` writes; `machine` makes it for the log group of this name."""
    machines, group, logs = Machines(stack), unique("/doorward/executions"), stack.client("logs", HUB.id)
    logs.create_log_group(logGroupName=group)
    started = machines.states.start_execution(stateMachineArn=machine(group), input='"canary"')
    machines.end(started["executionArn"])
    found = logs.filter_log_events(logGroupName=group)["events"]
    return [json.loads(each["message"]) for each in found]


def configured(group: str, level: str = "ALL", *, with_data: bool = False) -> dict[str, Any]:
    arn = f"arn:aws:logs:{REGION}:{HUB.id}:log-group:{group}:*"
    return {"level": level, "includeExecutionData": with_data, "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": arn}}]}


@pytest.mark.parametrize("with_data", [True, False])
def test_an_execution_is_logged_with_its_data_only_where_that_is_asked_for(cloud: Stack, bare: Stack, with_data: bool) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        found = logged(
            stack,
            lambda group: machines.create(one({"Type": "Pass"}), loggingConfiguration=configured(group, with_data=with_data)),
        )
        types = [each["type"] for each in found]
        names = ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]
        return types == names and ("canary" in json.dumps(found)) == with_data

    closed_only_by_us(probe, cloud, bare, "execution_logs")


@pytest.mark.parametrize(("level", "types"), [("ERROR", ["TaskFailed", "ExecutionFailed"]), ("FATAL", ["ExecutionFailed"]), ("OFF", [])])
def test_a_level_says_which_events_are_logged(cloud: Stack, level: str, types: list[str]) -> None:
    machines = Machines(cloud)
    fails = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": unique("missing")}}
    found = logged(cloud, lambda group: machines.create(one(fails), loggingConfiguration=configured(group, level)))
    assert [each["type"] for each in found] == types


def test_a_stacks_machine_is_logged_as_the_stack_says(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)

        def of_stack(group: str) -> str:
            arn = f"arn:aws:logs:{REGION}:{HUB.id}:log-group:{group}:*"
            logging = {
                "Level": "ALL",
                "IncludeExecutionData": "false",
                "Destinations": [{"CloudWatchLogsLogGroup": {"LogGroupArn": arn}}],
            }
            properties = {"RoleArn": machines.role, "DefinitionString": json.dumps(one({"Type": "Pass"})), "LoggingConfiguration": logging}
            resources = {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}
            template = stack.folder / f"{unique('machine')}.json"
            template.write_text(json.dumps({"Resources": resources, "Outputs": {"Arn": {"Value": {"Ref": "Machine"}}}}))
            return stack.deploy_stack(HUB.id, template.stem, template, {})["Arn"]

        found = logged(stack, of_stack)
        return bool(found) and "canary" not in json.dumps(found)

    closed_only_by_us(probe, cloud, bare, "execution_logs")


def test_the_history_and_the_logs_tell_a_task_token(cloud: Stack, bare: Stack) -> None:
    """As AWS's do: who may read them may answer for the task while it waits."""

    def probe(stack: Stack) -> bool:
        machines, logs, group = Machines(stack), stack.client("logs", HUB.id), unique("/doorward/executions")
        logs.create_log_group(logGroupName=group)
        execution = machines.start(one(machines.waiting()), loggingConfiguration=configured(group))
        token = machines.token()
        history = machines.states.get_execution_history(executionArn=execution)["events"]
        machines.succeed(token)
        machines.end(execution)
        written = logs.filter_log_events(logGroupName=group)["events"]
        return all(token in json.dumps(each, default=str) for each in (history, written))

    closed_only_by_us(probe, cloud, bare, "execution_logs")


# -- relied on -------------------------------------------------------------------------------------


def table_of(stack: Stack) -> str:
    table = unique("table")
    stack.client("dynamodb", HUB.id).create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return table


def test_a_task_token_is_kept_in_an_item_by_the_task_itself(cloud: Stack) -> None:
    """And a condition that does not hold fails the task at once."""
    machines, table = Machines(cloud), table_of(cloud)
    asked: dict[str, Any] = {
        "TableName": table,
        "Key": {"pk": {"S.$": "$.grant"}},
        "UpdateExpression": "SET task_token = :token",
        "ConditionExpression": "attribute_not_exists(task_token)",
        "ExpressionAttributeValues": {":token": {"S.$": "$$.Task.Token"}},
    }
    definition = one({"Type": "Task", "Resource": UPDATE, "Parameters": asked, "TimeoutSeconds": FAR_SECONDS})
    execution, get = machines.start(definition, {"grant": "g-1"}), cloud.client("dynamodb", HUB.id).get_item
    item = cloud.until(lambda: get(TableName=table, Key={"pk": {"S": "g-1"}}, ConsistentRead=True).get("Item"), "the token")
    second = machines.end(machines.start(definition, {"grant": "g-1"}))
    assert second == "DynamoDb.ConditionalCheckFailedException"
    assert machines.succeed(item["task_token"]["S"], '{"approved": true}') is None
    assert machines.end(execution) == {"approved": True}


def test_a_task_token_is_given_to_a_function_which_may_answer_before_it_returns(cloud: Stack) -> None:
    machines = Machines(cloud)
    source = (
        "import boto3\ndef handler(event, context):\n"
        "    boto3.client('stepfunctions').send_task_success(taskToken=event['token'], output='\"approved\"')\n"
    )
    answers = function(cloud, HUB.id, source, allowing("states:SendTaskSuccess", "*"))
    asked = {"FunctionName": answers, "Payload": {"token": "{% $states.context.Task.Token %}"}}
    task = {"Type": "Task", "QueryLanguage": "JSONata", "Resource": INVOKE, "Arguments": asked}
    assert machines.end(machines.start(one({**task, "TimeoutSeconds": FAR_SECONDS})), seconds=5) == "approved"


@pytest.mark.parametrize("in_jsonata", [False, True])
def test_an_execution_goes_on_when_its_token_is_answered(cloud: Stack, in_jsonata: bool) -> None:
    machines = Machines(cloud)
    definition, seconds = one(machines.waiting_in_jsonata() if in_jsonata else machines.waiting()), []
    for _ in range(3):
        execution = machines.start(definition)
        token, before = machines.token(), time.monotonic()
        assert machines.succeed(token, '{"approved": true}') is None
        assert machines.end(execution) == {"approved": True}
        seconds.append(time.monotonic() - before)
    assert min(seconds) < 0.2, "some 20 ms on a quiet machine"


def test_a_role_answers_for_a_task_as_far_as_it_may(cloud: Stack) -> None:
    machines = Machines(cloud)
    execution = machines.start(one(machines.waiting()))
    token = machines.token()
    decider = role(cloud, HUB.id, trusting(root_of(HUB.id)), allowing(["states:SendTaskSuccess", "states:SendTaskFailure"], "*"))
    other = role(cloud, HUB.id, trusting(root_of(HUB.id)), allowing("dynamodb:*", "*"))
    denied = cloud.client("stepfunctions", HUB.id, **cloud.assume(HUB.id, other))
    assert refusal(lambda: denied.send_task_success(taskToken=token, output="{}")) == "AccessDeniedException"
    states = cloud.client("stepfunctions", HUB.id, **cloud.assume(HUB.id, decider))
    assert refusal(lambda: states.send_task_heartbeat(taskToken=token)) == "AccessDeniedException"
    assert refusal(lambda: states.stop_execution(executionArn=execution)) == "AccessDeniedException"
    states.send_task_failure(taskToken=token, error="Refused")
    assert machines.end(execution) == "Refused"


def test_a_role_answers_for_the_machine_that_it_may_answer_for_alone(cloud: Stack, bare: Stack) -> None:
    def probe(stack: Stack) -> bool:
        machines = Machines(stack)
        mine, other = (machines.create(one(machines.waiting())) for _ in range(2))
        decider = role(stack, HUB.id, trusting(root_of(HUB.id)), allowing("states:SendTaskSuccess", mine))
        states = stack.client("stepfunctions", HUB.id, **stack.assume(HUB.id, decider))
        refused = []
        for machine in (mine, other):
            machines.states.start_execution(stateMachineArn=machine)
            token = machines.token()
            refused.append(refusal(lambda token=token: states.send_task_success(taskToken=token, output="{}")))  # type: ignore[misc]
        return refused == [None, "AccessDeniedException"]

    closed_only_by_us(probe, cloud, bare, "task_tokens")


@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
@pytest.mark.parametrize("field", ["Seconds", "Timestamp"])
def test_an_execution_waits_for_a_time_of_its_input(cloud: Stack, language: str, field: str) -> None:
    machines, before = Machines(cloud), datetime.now(UTC)
    given: dict[str, Any] = {"Seconds": 1, "Timestamp": f"{before + timedelta(seconds=1.5):%Y-%m-%dT%H:%M:%S.%fZ}"}
    by_path = {f"{field}Path": f"$.{field}"}
    by_expression = {"QueryLanguage": "JSONata", field: f"{{% $states.input.{field} %}}"}
    execution = machines.start(one({"Type": "Wait", **(by_path if language == "JSONPath" else by_expression)}), given)
    assert machines.end(execution, seconds=3) == given
    assert 1.0 <= (datetime.now(UTC) - before).total_seconds() < 2.5


def test_a_wait_ends_when_its_execution_is_stopped(cloud: Stack) -> None:
    machines = Machines(cloud)
    definition = {
        "StartAt": "Active",
        "States": {"Active": {"Type": "Wait", "Seconds": 3600, "Next": "End"}, "End": machines.waiting(End=True)},
    }
    execution = machines.start(definition)
    machines.states.stop_execution(executionArn=execution, error="Revoked", cause="by ann")
    assert machines.end(execution) == "Revoked"


def test_who_may_start_an_execution_may_start_that_machine_alone(cloud: Stack) -> None:
    machines = Machines(cloud)
    mine, other = (machines.create(one({"Type": "Pass"})) for _ in range(2))
    start = cloud.client("stepfunctions", HUB.id, **user(cloud, HUB.id, allowing("states:StartExecution", mine))).start_execution
    assert refusal(lambda: start(stateMachineArn=mine)) is None
    assert refusal(lambda: start(stateMachineArn=other)) == "AccessDeniedException"
