"""Gap: a state machine writes no logs, and its history says less than AWS's.

* With a `loggingConfiguration`, each event of the history that its level asks for goes into the log group; without
  `includeExecutionData`, inputs and outputs are left out, and what a task is called with, errors and causes are not
  (https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html). AWS does not say what of the latter three it leaves out: whoever
  has a secret in them must not count on it.
* A task is scheduled with its `parameters`, a task token among them
  (https://docs.aws.amazon.com/step-functions/latest/apireference/API_TaskScheduledEventDetails.html).
* CloudFormation's names of a `LoggingConfiguration` are the API's with a capital; the emulator keeps them as they are.

Not emulated: whether the execution's role may write logs.
"""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

from ministack.core.responses import get_region
from ministack.services import cloudwatch_logs
from ministack.services import stepfunctions as sfn
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

READ_AGAINST = {
    "ministack.services.stepfunctions:_add_event": "b1db143ccd21",
    "ministack.services.stepfunctions:_run_execution": "996dff84e0e0",
    "ministack.services.stepfunctions:_execute_task": "53c818d247db",
    "ministack.services.stepfunctions:_apply_parameters": "a90d58220630",
    "ministack.services.stepfunctions:_apply_jsonata_arguments": "c74f8b18dccd",
    "ministack.services.cloudformation.provisioners:_sfn_state_machine_create": "d2ffde42cb0e",
    "ministack.services.cloudformation.provisioners:_sfn_state_machine_update": "e6b56ee6ad59",
}

_TYPE: Final = "AWS::StepFunctions::StateMachine"
_ENDS: Final = ("Aborted", "Failed", "TimedOut")
_DATA: Final = frozenset({"input", "output"})

_called_with: ContextVar[Any] = ContextVar("task_is_called_with", default=None)
_log = logging.getLogger("local.cloud")


def install() -> None:
    add, run, parameters, arguments = sfn._add_event, sfn._run_execution, sfn._apply_parameters, sfn._apply_jsonata_arguments

    def add_event(execution: dict[str, Any], event_type: str, details: dict[str, Any] | None = None) -> Any:
        if event_type == "TaskScheduled" and details:
            scheduled = {**details["taskScheduledEventDetails"], "region": get_region(), "parameters": json.dumps(_called_with.get())}
            details = {"taskScheduledEventDetails": scheduled}
        event = add(execution, event_type, details)
        _write(execution, event)
        return event

    def run_execution(execution_arn: str) -> None:
        if execution := sfn._executions.get(execution_arn):
            _write(execution, execution["events"][0])
        run(execution_arn)

    def apply_parameters(*of: Any) -> Any:
        _called_with.set(found := parameters(*of))
        return found

    def apply_arguments(*of: Any) -> Any:
        _called_with.set(found := arguments(*of))
        return found

    sfn._add_event = add_event
    sfn._run_execution = run_execution
    sfn._apply_parameters = apply_parameters
    sfn._apply_jsonata_arguments = apply_arguments
    _keep_as_the_api_names_it()


def _write(execution: dict[str, Any], event: dict[str, Any]) -> None:
    machine = sfn._state_machines.get(execution["stateMachineArn"]) or {}
    configuration = machine.get("loggingConfiguration") or {}
    if not _is_asked_for(configuration.get("level", "OFF"), event["type"]):
        return
    details: dict[str, Any] = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
    with_data = configuration.get("includeExecutionData", False)
    message = {
        "id": str(event["id"]),
        "type": event["type"],
        "details": {key: value for key, value in details.items() if with_data or key not in _DATA},
        "previous_event_id": str(event["id"] - 1),
        "event_timestamp": str(int(datetime.fromisoformat(event["timestamp"]).timestamp() * 1000)),
        "execution_arn": execution["executionArn"],
        "redrive_count": "0",
    }
    for destination in configuration.get("destinations", []):
        group = destination["cloudWatchLogsLogGroup"]["logGroupArn"].partition(":log-group:")[2].removesuffix(":*")
        stream = {
            "logGroupName": group,
            "logStreamName": f"states/{machine['name']}/{datetime.now(UTC):%Y-%m-%d-%H-%M}/{execution['name'][:8]}",
        }
        cloudwatch_logs._create_log_stream(stream)
        written = {"timestamp": int(message["event_timestamp"]), "message": json.dumps(message)}
        status, _headers, answer = cloudwatch_logs._put_log_events({**stream, "logEvents": [written]})
        if status >= 400:  # noqa: PLR2004 - HTTP
            _log.error("an execution of %s could not be logged: %s", machine["name"], answer)


def _is_asked_for(level: str, event_type: str) -> bool:
    match level:
        case "ALL":
            return True
        case "ERROR":
            return event_type.endswith(_ENDS) or event_type == "FailStateEntered"
        case "FATAL":
            return event_type.startswith("Execution") and event_type.endswith(_ENDS)
        case _:
            return False


def _keep_as_the_api_names_it() -> None:
    handlers = dict(_RESOURCE_HANDLERS[_TYPE])
    create_machine, update_machine = handlers["create"], handlers["update"]

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        return create_machine(logical_id, _of_api(props), stack_name)

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str, logical_id: str | None = None) -> Any:
        return update_machine(physical_id, _of_api(old), _of_api(new), stack_name, logical_id)

    _RESOURCE_HANDLERS[_TYPE] = {**handlers, "create": create, "update": update}


def _of_api(props: dict[str, Any]) -> dict[str, Any]:
    if "LoggingConfiguration" not in props:
        return props
    configuration = _uncapitalized(props["LoggingConfiguration"])
    included = configuration.get("includeExecutionData", False) in {True, "true"}
    return {**props, "LoggingConfiguration": {"level": "OFF", **configuration, "includeExecutionData": included}}


def _uncapitalized(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: _uncapitalized(each) for key, each in value.items()}
    return [_uncapitalized(each) for each in value] if isinstance(value, list) else value
