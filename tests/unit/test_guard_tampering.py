"""Who touches Doorward itself is told, whoever it is; who touches something else is not."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from doorward.events.model import Actor, Cause, Change, GuardEvent, PolicyTarget, RoleTarget
from doorward.events.records import GUARD_EVENTS, parse_envelope
from doorward.findings.alerts import Alert
from doorward.findings.model import Severity
from doorward.guard.ours import Ours
from doorward.guard.tampering import SWITCHES_OFF, tampering

HUB, PROD = "111122223333", "777788889999"
KEY = "0f0e0d0c-0b0a-4908-8706-050403020100"
SECRET = f"arn:aws:secretsmanager:us-east-1:{HUB}:secret:ExternalIdSecret-abc123-AbCdEf"
OURS = Ours(HUB, "security-doorward", frozenset({KEY, SECRET}))
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def actor(arn: str = f"arn:aws:iam::{PROD}:user/jane") -> Actor:
    return Actor("IAMUser", arn, arn.split(":")[4], "AIDAEXAMPLE", None, None, None, None)


def call(name: str, *names: str, source: str = "events.amazonaws.com", account: str = PROD, error: str | None = None) -> GuardEvent:
    return GuardEvent(
        "e-1", name, source, NOON, account, "eu-west-1", actor(), names, shared_event_id=None, error_code=error, error_message=None,
        replay_name=None,
    )  # fmt: skip


def found(event: GuardEvent | Change) -> Alert | None:
    return tampering(event, OURS, done_by="user jane")


@pytest.mark.parametrize(
    ("name", "source", "account", "thing"),
    [
        ("DisableRule", "events.amazonaws.com", PROD, "doorward-sts"),
        ("DeleteRule", "events.amazonaws.com", HUB, "doorward|security-doorward-ChangeRule-1A2B"),
        ("RemovePermission", "events.amazonaws.com", HUB, "doorward"),
        (
            "DeleteStack",
            "cloudformation.amazonaws.com",
            PROD,
            f"arn:aws:cloudformation:eu-west-1:{PROD}:stack/StackSet-doorward-x/1",
        ),
        ("DeleteStack", "cloudformation.amazonaws.com", HUB, "security-doorward"),
        ("UpdateFunctionCode", "lambda.amazonaws.com", HUB, "security-doorward-ReactToChangeFunction-1A2B"),
        ("DeleteTable", "dynamodb.amazonaws.com", HUB, "security-doorward-LedgerTable-1A2B"),
        ("ScheduleKeyDeletion", "kms.amazonaws.com", HUB, KEY),
        ("ScheduleKeyDeletion", "kms.amazonaws.com", HUB, f"arn:aws:kms:us-east-1:{HUB}:key/{KEY}"),
        ("DeleteSecret", "secretsmanager.amazonaws.com", HUB, SECRET),
        ("DeleteSecret", "secretsmanager.amazonaws.com", HUB, "ExternalIdSecret-abc123"),
        ("StopLogging", "cloudtrail.amazonaws.com", PROD, "any-trail"),
        ("PutEventSelectors", "cloudtrail.amazonaws.com", PROD, ""),
    ],
)
def test_a_call_on_what_is_ours_is_told(name: str, source: str, account: str, thing: str) -> None:
    names = tuple(each for each in thing.split("|") if each)
    alert = found(call(name, *names, source=source, account=account))
    assert alert is not None
    assert alert.severity is (Severity.CRITICAL if name in SWITCHES_OFF else Severity.HIGH)
    assert name in alert.because
    refused = found(call(name, *names, source=source, account=account, error="AccessDenied"))
    assert refused is not None
    assert refused.severity.rank == alert.severity.rank - 1
    assert "refused" in refused.because


@pytest.mark.parametrize(
    ("account", "thing"),
    [
        (PROD, "other-rule"),
        (PROD, "mydoorward-rule"),
        (PROD, "security-doorward-LedgerTable-1A2B"),  # the hub stack's names mean something in the hub alone
        (PROD, KEY),
        (HUB, "security-door"),
        (HUB, ""),
        (HUB, "ExternalIdSecret"[:3]),
    ],
)
def test_a_call_on_something_else_is_not(account: str, thing: str) -> None:
    assert found(call("DisableRule", thing, account=account)) is None
    assert found(call("DisableRule", account=account)) is None


def test_nobody_is_exempt() -> None:
    for arn in (f"arn:aws:iam::{HUB}:role/ci/deployer", f"arn:aws:iam::{HUB}:role/doorward/doorward-react-to-change"):
        assert found(replace(call("DisableRule", "doorward-sts"), actor=actor(arn))) is not None


def change(event: str, role: str, by: str) -> Change:
    return Change(
        "e-1", event, NOON, PROD, "us-east-1", actor(by), Cause.PERMISSIONS, RoleTarget(PROD, role), None, None, None, None, None
    )  # fmt: skip


def test_the_canary_that_tags_itself_is_expected_and_nothing_else_on_our_roles_is() -> None:
    canary = f"arn:aws:iam::{PROD}:role/doorward/doorward-canary"
    assert found(change("TagRole", "doorward-canary", canary)) is None
    for event, role, by in (
        ("TagRole", "doorward-canary", f"arn:aws:iam::{PROD}:user/jane"),
        ("TagRole", "doorward-canary", "arn:aws:iam::999988887777:role/doorward/doorward-canary"),
        ("TagRole", "doorward-canary", f"arn:aws:iam::{PROD}:role/doorward-canary"),
        ("TagRole", "doorward-canary", f"arn:aws:iam::{PROD}:role/x:role/doorward/doorward-canary"),
        ("TagRole", "doorward-read", canary),
        ("UpdateAssumeRolePolicy", "doorward-canary", canary),
    ):
        assert found(change(event, role, by)) is not None, (event, role, by)
    assert found(change("UpdateAssumeRolePolicy", "payments", canary)) is None


@pytest.mark.parametrize(
    ("policy", "ours"),
    [("doorward/DoorwardGrantBoundary", True), ("doorward/DoorwardQuarantine", True), ("team/DoorwardGrantBoundary", False)],
)
def test_what_bounds_the_roles_that_people_are_granted_is_not_changed_unseen(policy: str, *, ours: bool) -> None:
    named = change("CreatePolicyVersion", "any", f"arn:aws:iam::{PROD}:user/jane")
    alert = found(replace(named, target=PolicyTarget(PROD, f"arn:aws:iam::{PROD}:policy/{policy}")))
    assert (alert is not None) is ours
    assert alert is None or alert.severity is Severity.HIGH


def test_one_caller_who_does_the_same_again_within_the_hour_is_told_once() -> None:
    once = found(call("DisableRule", "doorward-sts"))
    again = found(replace(call("DisableRule", "doorward-sts"), event_id="e-2", event_time=NOON + timedelta(minutes=5)))
    other = found(call("DisableRule", "doorward-iam"))
    later = found(replace(call("DisableRule", "doorward-sts"), event_time=NOON + timedelta(hours=1)))
    refused = found(call("DisableRule", "doorward-sts", error="AccessDenied"))
    assert once is not None
    assert again is not None
    assert once.id == again.id
    assert len({each.id for each in (once, other, later, refused) if each is not None}) == 4


# The page, row by row


PAGE = Path(__file__).resolve().parents[2] / "docs" / "detections" / "guard-tampered.md"
ROW = re.compile(r"\| `([a-z-]+)` \| ([A-Za-z, ]+) \| .+ \|")
THINGS = {
    "cloudformation": ("StackSet-doorward-member-0f0e", "security-doorward", "doorward-member"),
    "cloudtrail": ("anything",),
    "dynamodb": ("security-doorward-LedgerTable-1A2B",),
    "events": ("doorward", "doorward-changes", "security-doorward-HeartbeatRule-1A2B"),
    "kms": (KEY,),
    "lambda": ("security-doorward-WatchGuardFunction-1A2B", f"arn:aws:lambda:us-east-1:{HUB}:layer:security-doorward-DoorwardLayer-1A2B"),
    "logs": ("security-doorward-WatchGuardLogs-1A2B",),
    "monitoring": ("security-doorward-GuardDeadLettersAlarm-1A2B",),
    "secretsmanager": (SECRET,),
    "sns": (f"arn:aws:sns:us-east-1:{HUB}:security-doorward-Topic-1A2B:0f0e", f"arn:aws:sns:us-east-1:{HUB}:doorward-guard"),
    "sqs": (f"https://sqs.us-east-1.amazonaws.com/{HUB}/security-doorward-GuardQueue-1A2B",),
    "states": (f"arn:aws:states:us-east-1:{HUB}:stateMachine:doorward-sweep",),
}
"""By service, things of ours as calls name them."""
ANYBODY = (
    f"arn:aws:iam::{HUB}:root",
    f"arn:aws:iam::{HUB}:role/ci/deployer",
    f"arn:aws:iam::{HUB}:role/doorward/doorward-react-to-change",
    f"arn:aws:iam::{HUB}:role/aws-service-role/member.org.stacksets.cloudformation.amazonaws.com/AWSServiceRoleForCloudFormationStackSetsOrgMember",
)


def rows(heading: str) -> list[tuple[str, str]]:
    """(service, call) of the table below `heading`."""
    section = PAGE.read_text("utf-8").partition(heading)[2].partition("Not watched,")[0]
    return [(row[1], each) for row in ROW.finditer(section) for each in row[2].split(", ")]


def test_the_page_lists_what_is_watched_and_nothing_else() -> None:
    watched = {(source.partition(".")[0], each) for source, names in GUARD_EVENTS.items() for each in names}
    assert sorted(rows("## What is watched")) == sorted(watched)
    assert not watched & set(rows("Not watched,"))
    assert {service for service, _ in watched} == set(THINGS)


@pytest.mark.parametrize(("service", "name"), rows("## What is watched"))
def test_every_call_on_the_page_is_told_whoever_makes_it(service: str, name: str) -> None:
    for thing in THINGS[service]:
        for who in ANYBODY:
            alert = found(replace(call(name, thing, source=f"{service}.amazonaws.com", account=HUB), actor=actor(who)))
            assert alert is not None, (thing, who)
            assert alert.severity in {Severity.CRITICAL, Severity.HIGH}


UUID = "0f0e0d0c-0b0a-4908-8706-0504030201ff"


@pytest.mark.parametrize(
    ("name", "names", "told"),
    [
        ("DeleteEventSourceMapping", (UUID,), True),
        ("UpdateEventSourceMapping", (f"arn:aws:lambda:us-east-1:{HUB}:event-source-mapping:{UUID}",), True),
        ("DeleteEventSourceMapping", (UUID, f"arn:aws:lambda:us-east-1:{HUB}:function:invoices"), False),
        ("DeleteEventSourceMapping", (UUID, f"arn:aws:lambda:us-east-1:{HUB}:function:security-doorward-WatchGuardFunction-1"), True),
        ("ExecuteChangeSet", (f"arn:aws:cloudformation:us-east-1:{HUB}:changeSet/release/{UUID}",), True),
        ("ExecuteChangeSet", (f"arn:aws:cloudformation:us-east-1:{HUB}:changeSet/release/{UUID}", "invoices"), False),
        ("DeleteFunction", (UUID,), False),
    ],
)
def test_a_call_by_an_id_alone_may_be_about_what_is_ours(name: str, names: tuple[str, ...], *, told: bool) -> None:
    assert (found(call(name, *names, source="lambda.amazonaws.com", account=HUB)) is not None) == told


@pytest.mark.parametrize(
    ("name", "parameters", "told"),
    [
        ("CreateFunction20150331", {"functionName": "x", "role": f"arn:aws:iam::{HUB}:role/doorward/doorward-react-to-change"}, True),
        ("UpdateFunctionConfiguration20150331v2", {"functionName": "x", "role": f"arn:aws:iam::{HUB}:role/doorward/doorward-sweep"}, True),
        ("CreateFunction20150331", {"functionName": "x", "role": f"arn:aws:iam::{HUB}:role/app"}, False),
        ("CreateFunction20150331", {"functionName": "x", "role": f"arn:aws:iam::{HUB}:role/app", "description": "doorward-read"}, False),
    ],
)
def test_who_gives_one_of_doorwards_roles_to_a_function_of_his_own_is_told(name: str, parameters: dict[str, str], *, told: bool) -> None:
    sample = json.loads((PAGE.parents[2] / "events" / "lambda.UpdateFunctionCode20150331v2.ours.json").read_text("utf-8"))
    sample["detail"] |= {"eventName": name, "requestParameters": parameters, "responseElements": None}
    event = parse_envelope(sample)
    assert isinstance(event, GuardEvent)
    assert (found(event) is not None) is told


def test_the_answer_of_a_call_names_what_its_request_does_not() -> None:
    sample = json.loads((PAGE.parents[2] / "events" / "lambda.UpdateFunctionCode20150331v2.ours.json").read_text("utf-8"))
    function = f"arn:aws:lambda:us-east-1:{HUB}:function:security-doorward-WatchGuardFunction-1A2B"
    sample["detail"] |= {
        "eventName": "DeleteEventSourceMapping20150331",
        "requestParameters": {"uUID": UUID},
        "responseElements": {"uUID": UUID, "functionArn": function},
    }
    event = parse_envelope(sample)
    assert isinstance(event, GuardEvent)
    assert function in event.names
    assert UUID in event.names
