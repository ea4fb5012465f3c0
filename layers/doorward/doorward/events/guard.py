"""Calls that can switch off or change what Doorward is made of. Whether they are about what is ours, `doorward.guard` tells.

docs/detections/guard-tampered.md says of each service what of ours it is about, and which services are left out, and why (a test compares).
"""

import re
from collections.abc import Mapping
from typing import Final

from doorward.events.actors import read_actor
from doorward.events.model import GuardEvent
from doorward.events.reading import MOST_OF_A_MESSAGE, Call, event_time

LAMBDA: Final = "lambda.amazonaws.com"
GUARD_NAMES: Final[Mapping[str, frozenset[str]]] = {
    "cloudformation.amazonaws.com": frozenset(
        [
            "DeleteStack",
            "DeleteStackInstances",
            "DeleteStackSet",
            "ExecuteChangeSet",
            "SetStackPolicy",
            "UpdateStack",
            "UpdateStackInstances",
            "UpdateStackSet",
            "UpdateTerminationProtection",
        ]
    ),
    "cloudtrail.amazonaws.com": frozenset(
        [
            "DeleteEventDataStore",
            "DeleteTrail",
            "DeregisterOrganizationDelegatedAdmin",
            "PutEventSelectors",
            "PutInsightSelectors",
            "RemoveTags",
            "StopEventDataStoreIngestion",
            "StopLogging",
            "UpdateTrail",
        ]
    ),
    "dynamodb.amazonaws.com": frozenset(
        [
            "DeleteResourcePolicy",
            "DeleteTable",
            "EnableKinesisStreamingDestination",
            "ExportTableToPointInTime",
            "PutResourcePolicy",
            "UpdateContinuousBackups",
            "UpdateTable",
            "UpdateTimeToLive",
        ]
    ),
    "events.amazonaws.com": frozenset(
        [
            "DeleteArchive",
            "DeleteEventBus",
            "DeleteRule",
            "DisableRule",
            "EnableRule",
            "PutPermission",
            "PutRule",
            "PutTargets",
            "RemovePermission",
            "RemoveTargets",
            "UpdateArchive",
            "UpdateEventBus",
        ]
    ),
    "kms.amazonaws.com": frozenset(
        [
            "CreateGrant",
            "DisableKey",
            "PutKeyPolicy",
            "ScheduleKeyDeletion",
        ]
    ),
    # CloudTrail adds an API date to these names, and a rule asks for them by prefix.
    LAMBDA: frozenset(
        [
            "AddPermission",
            "CreateEventSourceMapping",
            "CreateFunction",
            "CreateFunctionUrlConfig",
            "DeleteEventSourceMapping",
            "DeleteFunction",
            "DeleteFunctionConcurrency",
            "PublishLayerVersion",
            "PutFunctionConcurrency",
            "PutFunctionEventInvokeConfig",
            "RemovePermission",
            "UpdateAlias",
            "UpdateEventSourceMapping",
            "UpdateFunctionCode",
            "UpdateFunctionConfiguration",
        ]
    ),
    "logs.amazonaws.com": frozenset(
        [
            "DeleteLogGroup",
            "DeleteLogStream",
            "PutRetentionPolicy",
            "PutSubscriptionFilter",
        ]
    ),
    "monitoring.amazonaws.com": frozenset(
        [
            "DeleteAlarms",
            "DisableAlarmActions",
            "PutMetricAlarm",
            "SetAlarmState",
        ]
    ),
    "secretsmanager.amazonaws.com": frozenset(
        [
            "DeleteSecret",
            "PutResourcePolicy",
            "PutSecretValue",
            "ReplicateSecretToRegions",
            "RotateSecret",
            "UpdateSecret",
            "UpdateSecretVersionStage",
        ]
    ),
    "sns.amazonaws.com": frozenset(
        [
            "AddPermission",
            "DeleteTopic",
            "PutDataProtectionPolicy",
            "RemovePermission",
            "SetSubscriptionAttributes",
            "SetTopicAttributes",
            "Subscribe",
            "Unsubscribe",
        ]
    ),
    "sqs.amazonaws.com": frozenset(
        [
            "AddPermission",
            "DeleteQueue",
            "PurgeQueue",
            "RemovePermission",
            "SetQueueAttributes",
        ]
    ),
    "states.amazonaws.com": frozenset({"CreateStateMachine", "DeleteStateMachine", "UpdateStateMachine"}),
}
SECRET_READS: Final[Mapping[str, frozenset[str]]] = {"secretsmanager.amazonaws.com": frozenset({"GetSecretValue"})}
"""Of one secret alone anything follows from who reads it: doorward/guard/signing_secret.py."""
_NAMING: Final = re.compile(r"(?!external).*(?:names?|arns?|ids?|url|uuid|roles?|rules?|bus|target|resources?)", re.IGNORECASE)
"""Parameters that name a thing. Others hold values and documents, which are nobody's business, and so is an external ID."""
_THING: Final = re.compile(r"[!-~]{1,1024}")
_DENIED: Final = re.compile(r" on resource: ([!-~]{1,512}?)(?=[,;]?(?:\s|$))")


def read_guard_event(call: Call) -> GuardEvent:
    record = call.record
    error_message = record.free("errorMessage")
    request = record.parameters("requestParameters")
    # The answer too: who deletes what feeds a function names its id, and only the answer the function.
    told = (*request.texts(), *record.parameters("responseElements").texts())
    names = dict.fromkeys(text for key, text in told if _NAMING.fullmatch(key) and _THING.fullmatch(text))
    denied = _DENIED.search(error_message[:MOST_OF_A_MESSAGE]) if error_message else None
    if denied is not None:
        names.setdefault(denied[1])
    return GuardEvent(
        event_id=call.event_id,
        event_name=call.event_name,
        event_source=call.event_source,
        event_time=event_time(record),
        account_id=call.account_id,
        region=call.region,
        actor=read_actor(record),
        names=tuple(names),
        shared_event_id=record.free("sharedEventID"),
        error_code=record.free("errorCode"),
        error_message=error_message,
        replay_name=call.replay_name,
        parameters_omitted=request.is_omitted,
    )
