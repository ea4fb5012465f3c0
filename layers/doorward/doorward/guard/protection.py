"""The SCP that keeps everybody's hands off Doorward, and the requests that prove it.

One Deny for each kind of thing; excepted are exact roles by `aws:PrincipalArn`, never a pattern: whoever may create a role could give it
a name that fits one. Where a role has the same name in every account, its account is the caller's own (`${aws:PrincipalAccount}`).
The roles that deploy Doorward are kept by the same statement as its own, so that nobody can put himself in their place.

SCPs bind neither the management account nor service-linked roles nor AWS services that call for themselves:
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from doorward.errors import Misconfigured
from doorward.guard.ours import STACK_SET_PREFIX
from doorward.iam.arns import session_of
from doorward.iam.documents import VERSION_2012, parse_document
from doorward.iam.evaluate import Policies, Request, evaluate
from doorward.organization.installation import (
    ASSUMED_BY,
    CANARY_ROLE,
    ENTERING,
    FORWARD_ROLE,
    GRANT_BOUNDARY,
    GRANT_READ_ROLE,
    GRANT_ROLE_PATH,
    HUB_ROLES,
    HUB_WRITERS,
    PREFIX,
    QUARANTINE_POLICY,
    READ_ROLE,
    REMEDY_ROLE,
    ROLE_PATH,
    assumers_of,
)

LONGEST_POLICY: Final = 5120
"""Characters of one SCP, white space counted: https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html."""
_DEPLOYER: Final = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}|\*):(role/[\w+=,.@/-]+)", re.ASCII)
_TRAIL: Final = re.compile(r"arn:aws[a-z-]*:cloudtrail:[a-z0-9-]+:[0-9]{12}:trail/[\w.-]+", re.ASCII)
_KEY: Final = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[\w-]+", re.ASCII)
_ASSUME_ROLE: Final = "sts:AssumeRole"
_PUT_EVENTS: Final = "events:PutEvents"
_KMS: Final = "kms:"
_OWN_ACCOUNT: Final = "${aws:PrincipalAccount}"

_DENIED: Final = (
    *(f"cloudformation:{each}" for each in ("CreateChangeSet", "Delete*", "ExecuteChangeSet", "SetStackPolicy", "Update*")),
    *(f"cloudtrail:{each}" for each in ("Delete*", "Put*", "StopLogging", "UpdateTrail")),
    *(f"cloudwatch:{each}" for each in ("Delete*", "Disable*", "Put*", "Set*")),
    *(f"dynamodb:{each}" for each in ("DeleteR*", "DeleteTable", "PutR*", "UpdateC*", "UpdateT*")),  # no data: not PutItem
    *(f"events:{each}" for each in ("Delete*", "Disable*", "Enable*", "PutP*", "PutR*", "PutT*", "Remove*")),  # not PutEvents
    *(f"iam:{each}" for each in ("Attach*", "Create*", "Delete*", "Detach*", "Pass*", "Put*", "Set*", "Untag*", "Update*")),
    *(f"kms:{each}" for each in ("CreateGrant", "Disable*", "Put*", "Schedule*")),
    *(f"lambda:{each}" for each in ("Add*", "Create*", "Delete*", "Put*", "Remove*", "Update*")),
    *(f"logs:{each}" for each in ("Delete*", "PutRetentionPolicy")),
    *(f"secretsmanager:{each}" for each in ("Delete*", "Put*", "Update*")),
    *(f"sns:{each}" for each in ("Add*", "Delete*", "Put*", "Remove*", "Set*", "Subscribe", "Unsubscribe")),
    *(f"sqs:{each}" for each in ("Add*", "DeleteQueue", "Purge*", "Remove*", "Set*")),
    *(f"states:{each}" for each in ("Delete*", "Update*")),
)
"""Patterns, since an SCP is short. One statement denies them all: an action of one service never meets a resource of another."""
_OF_RULES: Final = (
    *("events:DeleteRule", "events:DisableRule", "events:EnableRule"),  # one that is enabled so hears no reads
    *("events:PutRule", "events:PutTargets", "events:RemoveTargets"),
)
WRITES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "role": (
            *("iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePermissionsBoundary", "iam:DeleteRolePolicy"),
            *("iam:DetachRolePolicy", "iam:PassRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy", "iam:UntagRole"),
            *("iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:UpdateRoleDescription"),
        ),
        "policy": (
            "iam:CreatePolicy",
            "iam:CreatePolicyVersion",
            "iam:DeletePolicy",
            "iam:DeletePolicyVersion",
            "iam:SetDefaultPolicyVersion",
        ),
        "rule": _OF_RULES,
        "stack": (
            *("cloudformation:CreateChangeSet", "cloudformation:DeleteStack", "cloudformation:ExecuteChangeSet"),
            *("cloudformation:SetStackPolicy", "cloudformation:UpdateStack", "cloudformation:UpdateTerminationProtection"),
        ),
        "trail": ("cloudtrail:DeleteTrail", "cloudtrail:PutEventSelectors", "cloudtrail:StopLogging", "cloudtrail:UpdateTrail"),
        "secret": ("secretsmanager:DeleteSecret", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecret"),
        "key": ("kms:CreateGrant", "kms:DisableKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"),
        "alarm": ("cloudwatch:DeleteAlarms", "cloudwatch:DisableAlarmActions", "cloudwatch:PutMetricAlarm", "cloudwatch:SetAlarmState"),
        "table": (
            *("dynamodb:DeleteResourcePolicy", "dynamodb:DeleteTable", "dynamodb:PutResourcePolicy", "dynamodb:UpdateContinuousBackups"),
            *("dynamodb:UpdateTable", "dynamodb:UpdateTimeToLive"),
        ),
        "bus": ("events:DeleteEventBus", "events:PutPermission", "events:RemovePermission"),
        "rule-of-the-bus": _OF_RULES,
        "function": (
            *("lambda:AddPermission", "lambda:CreateFunction", "lambda:CreateFunctionUrlConfig", "lambda:DeleteFunction"),
            *("lambda:PutFunctionConcurrency", "lambda:PutFunctionEventInvokeConfig", "lambda:RemovePermission"),
            *("lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"),
        ),
        "event-source-mapping": (
            "lambda:DeleteEventSourceMapping",
            "lambda:UpdateEventSourceMapping",
        ),  # CreateEventSourceMapping has none yet
        "log-group": ("logs:DeleteLogGroup", "logs:PutRetentionPolicy"),
        "topic": (
            *("sns:AddPermission", "sns:DeleteTopic", "sns:PutDataProtectionPolicy", "sns:RemovePermission"),
            *("sns:SetSubscriptionAttributes", "sns:SetTopicAttributes", "sns:Subscribe", "sns:Unsubscribe"),
        ),
        "queue": ("sqs:AddPermission", "sqs:DeleteQueue", "sqs:PurgeQueue", "sqs:RemovePermission", "sqs:SetQueueAttributes"),
        "state-machine": ("states:DeleteStateMachine", "states:UpdateStateMachine"),
    }
)
"""What must be denied to all but the deployers, by kind of thing: what `attempts` tries."""
DATA_WRITES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "bus": (_PUT_EVENTS,),
        "table": (
            *("dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PartiQLDelete", "dynamodb:PartiQLInsert"),
            *("dynamodb:PartiQLUpdate", "dynamodb:PutItem", "dynamodb:UpdateItem"),
        ),
        "topic": ("sns:Publish",),
        "queue": ("sqs:DeleteMessage", "sqs:ReceiveMessage", "sqs:SendMessage"),
    }
)
"""What our own functions do in the hub, and nobody else, but that each account's forwarding role puts events to the bus."""


class Protected(NamedTuple):
    """One installation. `deployers`: ARNs of the roles that deploy it, `*` only as the account; `stack`: the hub stack's name.

    `trails`, `secret` and `keys` are ARNs: of what CloudTrail writes to, of Doorward's external ID, of what encrypts its topic and the
    executions of grants, signs its audit, and seals their tokens.
    """

    partition: str
    hub_account: str
    deployers: tuple[str, ...]
    stack: str = "doorward"
    trails: tuple[str, ...] = ()
    secret: str | None = None
    keys: tuple[str, ...] = ()


class Attempt(NamedTuple):
    """A request, and whether the SCP must deny it."""

    says: str
    request: Request
    is_denied: bool


def policy(protected: Protected) -> dict[str, Any]:
    """The SCP. Raises Misconfigured where an exception would be a pattern, where there is none, or where the text is too long."""
    deployers = [_exact(each) for each in protected.deployers]
    if not deployers:
        raise Misconfigured("deployers: none is named, so that nobody could ever update Doorward; name the roles that deploy its stacks")
    for each in protected.trails:
        if not _TRAIL.fullmatch(each):
            raise Misconfigured(f"trail {each}: must be the ARN of a trail, arn:aws:cloudtrail:REGION:ACCOUNT:trail/NAME")
    for each in protected.keys:
        if not _KEY.fullmatch(each):
            raise Misconfigured(f"key {each}: must be the ARN of a key, arn:aws:kms:REGION:ACCOUNT:key/ID")
    arn = f"arn:{protected.partition}"
    own_roles = f"{arn}:iam::*:role{ROLE_PATH}*"
    canary = f"{arn}:iam::{_OWN_ACCOUNT}:role{ROLE_PATH}{CANARY_ROLE}"
    # Not each by name, for which there is no room: under this path only the deployers make roles, by the first statement.
    hub = [f"{arn}:iam::{protected.hub_account}:role{ROLE_PATH}{PREFIX}*"]
    entering = [f"{arn}:iam::{protected.hub_account}:role{ROLE_PATH}{each}" for each in sorted(ENTERING)]
    forwarding = f"{arn}:iam::{_OWN_ACCOUNT}:role{ROLE_PATH}{FORWARD_ROLE}"
    buses_tables_topics_queues = [_of_hub(each, protected, "*") for each in DATA_WRITES]
    # One pattern for what is done with messages, since an SCP is short; of tables, whoever may read goes on.
    data_writes = [each for kind, writes in DATA_WRITES.items() for each in (("sqs:*Message",) if kind == "queue" else writes)]
    statements = [
        _deny("OnlyDeployers", _DENIED, [*_resources(protected), *(each.replace(_OWN_ACCOUNT, "*") for each in deployers)], deployers),
        _deny("OnlyTheCanaryTagsItself", ["iam:TagRole"], [own_roles], [*deployers, canary]),
        _deny("OnlyTheHubEnters", [_ASSUME_ROLE], [own_roles], entering),
        _deny("OnlyTheHubWrites", data_writes, buses_tables_topics_queues, [*deployers, *hub, forwarding]),
        _deny("NobodyLeaves", ["organizations:LeaveOrganization"], ["*"], []),
    ]
    document = {"Version": VERSION_2012, "Statement": statements}
    length = len(compact(document))
    if length > LONGEST_POLICY:
        raise Misconfigured(
            f"the SCP has {length} characters, and AWS Organizations takes {LONGEST_POLICY}: name fewer deployers or trails"
        )
    return document


def compact(document: Mapping[str, Any]) -> str:
    """As it is handed to AWS Organizations: without white space."""
    return json.dumps(document, separators=(",", ":"))


def faults(document: Mapping[str, Any], protected: Protected, member_account: str) -> tuple[str, ...]:
    """What the evaluator has against the SCP: a sentence each. Empty: it denies whatever it must, and nothing that must go on."""
    scp = parse_document(dict(document))
    everything = parse_document({"Version": VERSION_2012, "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
    # Only the SCP may stand in the way: each caller may do everything, and each role, the bus and each key let everybody in.
    allow = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": [_ASSUME_ROLE, _PUT_EVENTS, f"{_KMS}*"]}
    anybody = parse_document({"Version": VERSION_2012, "Statement": allow})
    found: list[str] = []
    for attempt in attempts(protected, member_account):
        action = attempt.request.action
        door = anybody if action in {_ASSUME_ROLE, _PUT_EVENTS} or action.startswith(_KMS) else None
        decision = evaluate(Policies((everything,), door, None, None, ((everything, scp),), ()), attempt.request)
        if decision.outcome != ("explicitly_denied" if attempt.is_denied else "allowed"):
            found.append(f"{attempt.says}: {decision.outcome}")
    return tuple(found)


def attempts(protected: Protected, member_account: str) -> Iterator[Attempt]:
    """Every protected action by whoever might try it, and every one by whoever must be able to."""
    for account in (member_account, protected.hub_account):
        targets = list(_targets(protected, account))
        strangers = list(_strangers(protected, account))
        yield from (_attempt(who, action, what, account, is_denied=True) for who in strangers for action, what in targets)
        named = (_exact(each).replace(_OWN_ACCOUNT, account) for each in protected.deployers)
        deployers = [each for each in named if f"::{account}:" in each]  # no call to these services crosses accounts
        yield from (_attempt(who, action, what, account, is_denied=False) for who in deployers for action, what in targets)
        yield from (_attempt(who, "organizations:LeaveOrganization", "*", account, is_denied=True) for who in (*strangers, *deployers))
        yield from _doors(protected, account, strangers)
        yield from _work_of_others(protected, account)
    administrator = f"arn:{protected.partition}:iam::{protected.hub_account}:role/Administrator"
    for kind, actions in DATA_WRITES.items():
        what = _of_hub(kind, protected, "Something-1A2B3C")
        for each in sorted(HUB_WRITERS):
            ours = f"arn:{protected.partition}:iam::{protected.hub_account}:role{ROLE_PATH}{each}"
            yield from (_attempt(ours, action, what, protected.hub_account, is_denied=False) for action in actions)
        yield from (_attempt(administrator, action, what, protected.hub_account, is_denied=True) for action in actions)
    for account in (member_account, protected.hub_account):
        forwarding = f"arn:{protected.partition}:iam::{account}:role{ROLE_PATH}{FORWARD_ROLE}"
        yield _attempt(forwarding, _PUT_EVENTS, _of_hub("bus", protected, ""), protected.hub_account, is_denied=False)


def _targets(protected: Protected, account: str) -> Iterator[tuple[str, str]]:
    """(action, resource) of everything of ours in the account."""
    arn = f"arn:{protected.partition}"
    deployers = (_exact(each).replace(_OWN_ACCOUNT, account) for each in protected.deployers)
    things = {
        "role": (
            f"{arn}:iam::{account}:role{ROLE_PATH}{READ_ROLE}",
            f"{arn}:iam::{account}:role{GRANT_ROLE_PATH}{GRANT_READ_ROLE}",
            *deployers,
        ),
        "policy": tuple(f"{arn}:iam::{account}:policy{ROLE_PATH}{each}" for each in (QUARANTINE_POLICY, GRANT_BOUNDARY)),
        "rule": (f"{arn}:events:eu-west-1:{account}:rule/{PREFIX}sts",),
        "stack": (f"{arn}:cloudformation:eu-west-1:{account}:stack/{STACK_SET_PREFIX}-member-0a1b/0a1b2c",),
        "trail": protected.trails,
        "secret": (protected.secret,) if protected.secret else (),
    }
    if account == protected.hub_account:
        things |= {kind: (_of_hub(kind, protected, "Something-1A2B3C"),) for kind in _HUB_KINDS}
        things["key"] = protected.keys
    for kind, resources in things.items():
        yield from ((action, each) for each in resources for action in WRITES[kind])


def _strangers(protected: Protected, account: str) -> Iterator[str]:
    """Administrators, and whoever is called nearly like one who may."""
    arn = f"arn:{protected.partition}:iam::{account}"
    yield from (f"{arn}:{each}" for each in ("root", "user/jane", "role/Administrator"))
    yield from (f"{arn}:role{ROLE_PATH}{each}" for each in ("door", CANARY_ROLE))
    yield from (f"{_exact(each).replace(_OWN_ACCOUNT, account)}x" for each in protected.deployers)
    if account != protected.hub_account:
        yield from (f"{arn}:role{ROLE_PATH}{each}" for each in sorted(HUB_ROLES))


def _doors(protected: Protected, account: str, strangers: Iterable[str]) -> Iterator[Attempt]:
    arn = f"arn:{protected.partition}:iam::"
    canary = f"{arn}{account}:role{ROLE_PATH}{CANARY_ROLE}"
    doors = {f"{ROLE_PATH}{name}": may for name, may in ASSUMED_BY.items()}
    doors[f"{GRANT_ROLE_PATH}{GRANT_READ_ROLE}"] = assumers_of(GRANT_ROLE_PATH, GRANT_READ_ROLE)
    for name, may in doors.items():
        door = f"{arn}{account}:role{name}"
        yield from (_attempt(who, _ASSUME_ROLE, door, account, is_denied=True) for who in strangers)
        ours = (f"{arn}{protected.hub_account}:role{ROLE_PATH}{each}" for each in sorted(may))
        yield from (_attempt(who, _ASSUME_ROLE, door, account, is_denied=False) for who in ours)
        yield from (_attempt(who, "iam:TagRole", door, account, is_denied=True) for who in strangers if who != canary)
    yield _attempt(canary, "iam:TagRole", canary, account, is_denied=False)


def _work_of_others(protected: Protected, account: str) -> Iterator[Attempt]:
    arn = f"arn:{protected.partition}"
    administrator = f"{arn}:iam::{account}:role/Administrator"
    for action, what in (
        ("iam:UpdateAssumeRolePolicy", f"{arn}:iam::{account}:role/app"),
        ("iam:CreateRole", f"{arn}:iam::{account}:role/app"),
        ("iam:GetRole", f"{arn}:iam::{account}:role{ROLE_PATH}{READ_ROLE}"),
        ("events:DisableRule", f"{arn}:events:eu-west-1:{account}:rule/other"),
        ("events:DescribeRule", f"{arn}:events:eu-west-1:{account}:rule/{PREFIX}sts"),
        ("cloudtrail:StopLogging", f"{arn}:cloudtrail:eu-west-1:{account}:trail/other"),
        ("cloudformation:DeleteStack", f"{arn}:cloudformation:eu-west-1:{account}:stack/other/0a1b"),
        ("lambda:UpdateFunctionCode", f"{arn}:lambda:eu-west-1:{account}:function:other"),
        ("lambda:CreateFunction", f"{arn}:lambda:eu-west-1:{account}:function:other"),
        ("kms:ScheduleKeyDeletion", f"{arn}:kms:eu-west-1:{account}:key/0a0b0c0d"),
        ("sns:Subscribe", f"{arn}:sns:eu-west-1:{account}:other"),
        (_ASSUME_ROLE, f"{arn}:iam::{account}:role/app"),
    ):
        yield _attempt(administrator, action, what, account, is_denied=False)
    remedy = f"{arn}:iam::{account}:role{ROLE_PATH}{REMEDY_ROLE}"
    yield _attempt(remedy, "iam:UpdateAssumeRolePolicy", f"{arn}:iam::{account}:role/app", account, is_denied=False)


def _exact(deployer: str) -> str:
    arn = _DEPLOYER.fullmatch(deployer)
    if arn is None:
        raise Misconfigured(
            f"deployer {deployer}: must be the ARN of one role, arn:aws:iam::ACCOUNT:role/NAME, or arn:aws:iam::*:role/NAME for the role of"
            " that very name in every account; a pattern would fit whatever somebody creates to fit it"
        )
    return deployer.replace("::*:", f"::{_OWN_ACCOUNT}:")


def _deny(sid: str, actions: Iterable[str], resources: list[str], unless: list[str]) -> dict[str, Any]:
    condition = {"Condition": {"ArnNotEquals": {"aws:PrincipalArn": unless}}} if unless else {}
    return {"Sid": sid, "Effect": "Deny", "Action": list(actions), "Resource": resources, **condition}


def _resources(protected: Protected) -> list[str]:
    arn = f"arn:{protected.partition}"
    return [
        f"{arn}:iam::*:role{ROLE_PATH}*",
        f"{arn}:iam::*:policy{ROLE_PATH}*",
        f"{arn}:events:*:*:rule/{PREFIX}*",
        f"{arn}:cloudformation:*:*:stack/{STACK_SET_PREFIX}*",
        f"{arn}:cloudformation:*:{protected.hub_account}:stack/{protected.stack}/*",
        *(_of_hub(each, protected, "*") for each in _HUB_KINDS),
        *protected.trails,
        *((protected.secret,) if protected.secret else ()),
        *protected.keys,
    ]


_HUB_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "alarm": "cloudwatch:*:{account}:alarm:{stack}-{name}",
        "table": "dynamodb:*:{account}:table/{stack}-{name}",
        "bus": "events:*:{account}:event-bus/doorward",
        # A rule of a bus has the bus's name before its own: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-manage-iam-access.html
        "rule-of-the-bus": "events:*:{account}:rule/doorward/{name}",
        "function": "lambda:*:{account}:function:{stack}-{name}",
        # By id only: of every function of the hub account.
        "event-source-mapping": "lambda:*:{account}:event-source-mapping:*",
        "log-group": "logs:*:{account}:log-group:{stack}-{name}",
        "topic": "sns:*:{account}:{stack}-{name}",
        "queue": "sqs:*:{account}:{stack}-{name}",
        "state-machine": "states:*:{account}:stateMachine:doorward-*",
    }
)
"""How CloudFormation calls what the hub stack makes, by kind."""


def _of_hub(kind: str, protected: Protected, name: str) -> str:
    """The ARN of a thing of the hub; with `*` as its name the pattern of all of its kind."""
    form = _HUB_KINDS[kind].format(account=protected.hub_account, stack=protected.stack, name=name)
    return f"arn:{protected.partition}:{form if name == '*' else form.replace('*', 'us-east-1')}"


def _attempt(who: str, action: str, resource: str, account: str, *, is_denied: bool) -> Attempt:
    caller = who.split(":")[4]
    session = session_of(who, "any") if ":role/" in who else who
    context: dict[str, str | tuple[str, ...]] = {"aws:PrincipalArn": who, "aws:PrincipalAccount": caller}
    return Attempt(f"{action} on {resource} by {who}", Request(session, "AWS", action, context, resource, account), is_denied)
