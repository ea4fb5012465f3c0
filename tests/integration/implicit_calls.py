"""What AWS itself asks for under a role of ours, or of a policy of ours, because of what is deployed: nothing of ours makes these calls.

A table: what AWS does, the page that says so, and the calls that follow from this installation. A function, a rule or an alarm that is
added comes under it by itself.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final, NamedTuple

from local.installation import Installation
from local.world import HUB, MANAGEMENT, ORGANIZATION_ID, PROD, REGION
from tests.integration.granted import Deployed, stacks
from tests.least_privilege import Call, call

_LAMBDA: Final = "lambda.amazonaws.com"
_EVENTBRIDGE: Final = "events.amazonaws.com"
_STEP_FUNCTIONS: Final = "states.amazonaws.com"
_CLOUDWATCH: Final = "cloudwatch.amazonaws.com"
_LOG_DELIVERY: Final = "delivery.logs.amazonaws.com"
_DELIVERING: Final = (
    "CreateLogDelivery",
    "DeleteLogDelivery",
    "DescribeLogGroups",
    "DescribeResourcePolicies",
    "GetLogDelivery",
    "ListLogDeliveries",
    "PutResourcePolicy",
    "UpdateLogDelivery",
)
_DOCS: Final = "https://docs.aws.amazon.com"
_STREAM: Final = "stream"
"""How a log stream, or an execution of a distributed map, is named makes no difference."""


class Rule(NamedTuple):
    arn: str
    sources: tuple[str, ...]
    """Of its pattern; none for a schedule."""
    detail_types: tuple[str, ...]
    targets: tuple[Mapping[str, Any], ...]


class Setup:
    """What is deployed, asked of the stack once. `made`: the calls that Doorward made itself."""

    def __init__(self, doorward: Installation, made: frozenset[Call]) -> None:
        self.made = made
        self._doorward = doorward

    def client(self, service: str, account_id: str = HUB.id, region: str = REGION) -> Any:
        return self._doorward.stack.client(service, account_id, region=region)

    @cached_property
    def stacks(self) -> tuple[Deployed, ...]:
        return stacks(self._doorward)

    @property
    def hub(self) -> Deployed:
        return self.stacks[0]

    @cached_property
    def functions(self) -> dict[str, dict[str, Any]]:
        """Every function's configuration, by its ARN."""
        found = [
            self.client("lambda", stack.account_id, stack.region).get_function_configuration(FunctionName=stack.ids[logical_id])
            for stack in self.stacks
            for kind in ("AWS::Serverless::Function", "AWS::Lambda::Function")
            for logical_id, _ in stack.resources(kind)
        ]
        return {each["FunctionArn"]: each for each in found}

    @cached_property
    def mappings(self) -> list[dict[str, Any]]:
        every = self.client("lambda").get_paginator("list_event_source_mappings").paginate()
        return [each for page in every for each in page["EventSourceMappings"] if each["FunctionArn"] in self.functions]

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(rule for stack in self.stacks for rule in self._rules_of(stack))

    def _rules_of(self, stack: Deployed) -> Iterator[Rule]:
        events = self.client("events", stack.account_id, stack.region)
        for logical_id, properties in stack.resources("AWS::Events::Rule"):
            bus = stack.ids[properties["EventBusName"]["Ref"]] if "EventBusName" in properties else "default"
            name = stack.ids[logical_id].rpartition("|")[2].rpartition("/")[2]
            described = events.describe_rule(Name=name, EventBusName=bus)
            pattern = json.loads(described.get("EventPattern") or "{}")
            branches = pattern.get("$or", [pattern]) if pattern else []
            sources = {source for branch in branches for source in branch.get("source", pattern.get("source", []))}
            targets = events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]
            yield Rule(described["Arn"], tuple(sorted(sources)), tuple(pattern.get("detail-type", [])), tuple(targets))

    @cached_property
    def machines(self) -> list[dict[str, Any]]:
        kinds = ("AWS::Serverless::StateMachine", "AWS::StepFunctions::StateMachine")
        ids = [self.hub.ids[logical_id] for kind in kinds for logical_id, _ in self.hub.resources(kind)]
        return [self.client("stepfunctions").describe_state_machine(stateMachineArn=each) for each in ids]

    @cached_property
    def alarm_topics(self) -> set[str]:
        """The topics that alarms of the hub stack tell."""
        return {
            self.hub.ids[action["Ref"]] for _, alarm in self.hub.resources("AWS::CloudWatch::Alarm") for action in alarm["AlarmActions"]
        }

    @cached_property
    def keys_of_topics(self) -> dict[str, str]:
        """The key that encrypts each topic that has one: as written, since the emulator forgets it."""
        ids = {
            stack.ids[logical_id]: (stack, properties["KmsMasterKeyId"]["Ref"])
            for stack in self.stacks
            for logical_id, properties in stack.resources("AWS::SNS::Topic")
            if "KmsMasterKeyId" in properties
        }
        return {
            topic: self.client("kms", stack.account_id).describe_key(KeyId=stack.ids[key])["KeyMetadata"]["Arn"]
            for topic, (stack, key) in ids.items()
        }


class Implicit(NamedTuple):
    what: str
    page: str
    calls: Callable[[Setup], Iterator[Call]]


def _lambda_takes_the_roles(setup: Setup) -> Iterator[Call]:
    for each in setup.functions.values():
        yield call("sts:AssumeRole", each["Role"], service=_LAMBDA)


def _lambda_writes_logs(setup: Setup) -> Iterator[Call]:
    for arn, each in setup.functions.items():
        _, _, _, region, account_id, *_ = arn.split(":")
        stream = f"arn:aws:logs:{region}:{account_id}:log-group:{each['LoggingConfig']['LogGroup']}:log-stream:{_STREAM}"
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            yield call(action, stream, role=each["Role"])


def _lambda_polls_queues(setup: Setup) -> Iterator[Call]:
    for mapping in setup.mappings:
        if ":sqs:" in mapping["EventSourceArn"]:
            for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"):
                yield call(action, mapping["EventSourceArn"], role=setup.functions[mapping["FunctionArn"]]["Role"])


def _lambda_reads_streams(setup: Setup) -> Iterator[Call]:
    for mapping in setup.mappings:
        if "/stream/" in mapping["EventSourceArn"]:
            for action in ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"):
                yield call(action, mapping["EventSourceArn"], role=setup.functions[mapping["FunctionArn"]]["Role"])


def _lambda_gives_up(setup: Setup) -> Iterator[Call]:
    for mapping in setup.mappings:
        destination = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if destination:
            yield call("sqs:SendMessage", destination, role=setup.functions[mapping["FunctionArn"]]["Role"])


def _step_functions_takes_the_role(setup: Setup) -> Iterator[Call]:
    for machine in setup.machines:
        yield call("sts:AssumeRole", machine["roleArn"], service=_STEP_FUNCTIONS, aws__SourceAccount=HUB.id)


def _states(machine: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every state of the definition, those within maps and branches too."""
    for state in machine["States"].values():
        yield state
        for inner in (state.get("ItemProcessor"), *state.get("Branches", [])):
            if inner:
                yield from _states(inner)


def _step_functions_runs_tasks(setup: Setup) -> Iterator[Call]:
    for machine in setup.machines:
        for state in _states(json.loads(machine["definition"])):
            if state["Type"] == "Task":
                assert state["Resource"].removesuffix(".waitForTaskToken").endswith(":states:::lambda:invoke"), (
                    f"which call is {state['Resource']}? Say it here, with its page"
                )
                yield call("lambda:InvokeFunction", state["Parameters"]["FunctionName"], role=machine["roleArn"])


def _step_functions_runs_maps(setup: Setup) -> Iterator[Call]:
    for machine in setup.machines:
        for state in _states(json.loads(machine["definition"])):
            if state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
                yield call("states:StartExecution", machine["stateMachineArn"], role=machine["roleArn"])
                execution = f"{machine['stateMachineArn'].replace(':stateMachine:', ':execution:')}/{_STREAM}:{_STREAM}"
                for action in ("states:DescribeExecution", "states:StopExecution"):
                    yield call(action, execution, role=machine["roleArn"])


def _step_functions_encrypts(setup: Setup) -> Iterator[Call]:
    for machine in setup.machines:
        if key := machine.get("encryptionConfiguration", {}).get("kmsKeyId"):
            context = {"kms__EncryptionContext:aws:states:stateMachineArn": machine["stateMachineArn"]}
            for action in ("kms:Decrypt", "kms:GenerateDataKey"):
                yield call(action, key, role=machine["roleArn"], **context)


def _step_functions_logs(setup: Setup) -> Iterator[Call]:
    for machine in setup.machines:
        if machine.get("loggingConfiguration", {}).get("level", "OFF") == "OFF":
            continue
        for action in _DELIVERING:
            yield call(f"logs:{action}", "*", role=machine["roleArn"])
        if key := machine.get("encryptionConfiguration", {}).get("kmsKeyId"):
            context = {"kms__EncryptionContext:SourceArn": f"arn:aws:logs:{REGION}:{HUB.id}:*"}
            yield call("kms:GenerateDataKey", key, role=machine["roleArn"], **context)
            yield call("kms:Decrypt", key, service=_LOG_DELIVERY, aws__SourceAccount=HUB.id)


def _eventbridge_takes_the_roles(setup: Setup) -> Iterator[Call]:
    for rule in setup.rules:
        for target in rule.targets:
            if "RoleArn" in target:
                about = {"aws__SourceArn": rule.arn, "aws__SourceAccount": rule.arn.split(":")[4]}
                yield call("sts:AssumeRole", target["RoleArn"], service=_EVENTBRIDGE, **about)


def _eventbridge_delivers_under_roles(setup: Setup) -> Iterator[Call]:
    for rule in setup.rules:
        for target in rule.targets:
            if "RoleArn" not in target:
                continue
            arn, about = target["Arn"], {"aws__PrincipalArn": target["RoleArn"], "aws__PrincipalOrgID": ORGANIZATION_ID}
            service = arn.split(":")[2]
            if service == "events":
                for source in rule.sources:
                    for kind in rule.detail_types:
                        event = {"events__source": source, "events__detail-type": kind, "events__eventBusInvocation": "true"}
                        yield call("events:PutEvents", arn, role=target["RoleArn"], **about, **event)
            else:
                action = {"sns": "sns:Publish", "states": "states:StartExecution"}[service]
                yield call(action, arn, role=target["RoleArn"], aws__SecureTransport="true", **about)


def _eventbridge_delivers_to_queues(setup: Setup) -> Iterator[Call]:
    for rule in setup.rules:
        for target in rule.targets:
            if ":sqs:" in target["Arn"]:
                yield call("sqs:SendMessage", target["Arn"], service=_EVENTBRIDGE, aws__SourceArn=rule.arn)


def _eventbridge_gives_up(setup: Setup) -> Iterator[Call]:
    for rule in setup.rules:
        for target in rule.targets:
            if "DeadLetterConfig" in target:
                yield call("sqs:SendMessage", target["DeadLetterConfig"]["Arn"], service=_EVENTBRIDGE, aws__SourceArn=rule.arn)


def _sns_encrypts(setup: Setup) -> Iterator[Call]:
    for made in setup.made:
        if made.action == "sns:Publish" and (key := setup.keys_of_topics.get(made.resource)):
            for action in ("kms:Decrypt", "kms:GenerateDataKey"):
                yield call(action, key, role=made.role, kms__ViaService=f"sns.{REGION}.amazonaws.com")


def _cloudwatch_tells(setup: Setup) -> Iterator[Call]:
    for topic in setup.alarm_topics:
        about = {"aws__SourceAccount": HUB.id, "aws__SecureTransport": "true"}
        yield call("sns:Publish", topic, service=_CLOUDWATCH, **about)
        if key := setup.keys_of_topics.get(topic):
            for action in ("kms:Decrypt", "kms:GenerateDataKey"):
                yield call(action, key, service=_CLOUDWATCH, **about)


def _organizations_asks_about_the_account(setup: Setup) -> Iterator[Call]:
    for made in setup.made:
        if made.action == "organizations:AttachPolicy":
            account = f":organizations::{MANAGEMENT.id}:account/{ORGANIZATION_ID}/{PROD.id}"
            yield made._replace(resource=made.resource.partition(":organizations:")[0] + account)


_ABOUT: Final = {
    "DescribeGroup": ("group",),
    "DescribeUser": ("user",),
    "ListGroupMembershipsForMember": ("membership", "user"),
    "ListUsers": ("user",),
}
"""What each call to the identity store is about besides the store."""


def _identity_store_asks_about_people(setup: Setup) -> Iterator[Call]:
    for made in setup.made:
        service, _, operation = made.action.partition(":")
        for kind in _ABOUT.get(operation, ()) if service == "identitystore" else ():
            yield made._replace(resource=f"{made.resource.partition(':identitystore:')[0]}:identitystore:::{kind}/*")


IMPLICIT: Final = (
    Implicit(
        "Lambda runs a function under its role", f"{_DOCS}/lambda/latest/dg/lambda-intro-execution-role.html", _lambda_takes_the_roles
    ),
    Implicit("Lambda writes a function's log", f"{_DOCS}/lambda/latest/dg/monitoring-cloudwatchlogs.html", _lambda_writes_logs),
    Implicit("Lambda polls a queue", f"{_DOCS}/lambda/latest/dg/services-sqs-configure.html", _lambda_polls_queues),
    Implicit(
        "Lambda reads a stream", f"{_DOCS}/amazondynamodb/latest/developerguide/iam-policy-read-stream-only.html", _lambda_reads_streams
    ),
    Implicit("Lambda leaves what it gave up on", f"{_DOCS}/lambda/latest/dg/services-dynamodb-errors.html", _lambda_gives_up),
    Implicit(
        "Step Functions runs a state machine under its role",
        f"{_DOCS}/step-functions/latest/dg/procedure-create-iam-role.html",
        _step_functions_takes_the_role,
    ),
    Implicit("Step Functions invokes functions", f"{_DOCS}/step-functions/latest/dg/lambda-iam.html", _step_functions_runs_tasks),
    Implicit(
        "Step Functions runs each item of a distributed map",
        f"{_DOCS}/step-functions/latest/dg/iam-policies-eg-dist-map.html",
        _step_functions_runs_maps,
    ),
    Implicit(
        "Step Functions encrypts executions under a key of the customer's",
        f"{_DOCS}/step-functions/latest/dg/encryption-at-rest.html",
        _step_functions_encrypts,
    ),
    Implicit("Step Functions has logs delivered", f"{_DOCS}/step-functions/latest/dg/cw-logs.html", _step_functions_logs),
    Implicit(
        "EventBridge takes a target's role",
        f"{_DOCS}/eventbridge/latest/userguide/eb-use-identity-based.html",
        _eventbridge_takes_the_roles,
    ),
    Implicit(
        "EventBridge delivers under a target's role, also on a schedule, and where no test makes the event",
        f"{_DOCS}/eventbridge/latest/userguide/eb-use-identity-based.html",
        _eventbridge_delivers_under_roles,
    ),
    Implicit(
        "EventBridge delivers to queues",
        f"{_DOCS}/eventbridge/latest/userguide/eb-use-resource-based.html",
        _eventbridge_delivers_to_queues,
    ),
    Implicit(
        "EventBridge leaves what it could not deliver", f"{_DOCS}/eventbridge/latest/userguide/eb-rule-dlq.html", _eventbridge_gives_up
    ),
    Implicit(
        "AWS Organizations asks about what a policy is attached to, too",
        f"{_DOCS}/service-authorization/latest/reference/list_awsorganizations.html",
        _organizations_asks_about_the_account,
    ),
    Implicit(
        "The identity store asks about users, groups and memberships, too",
        f"{_DOCS}/service-authorization/latest/reference/list_awsidentitystore.html",
        _identity_store_asks_about_people,
    ),
    Implicit("SNS encrypts for whoever publishes", f"{_DOCS}/sns/latest/dg/sns-key-management.html", _sns_encrypts),
    Implicit("CloudWatch publishes to an encrypted topic", f"{_DOCS}/sns/latest/dg/sns-key-management.html", _cloudwatch_tells),
)


def implicit_calls(doorward: Installation, made: frozenset[Call]) -> frozenset[Call]:
    setup = Setup(doorward, made)
    return frozenset(each for implicit in IMPLICIT for each in implicit.calls(setup))
