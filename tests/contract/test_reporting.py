"""What reporters owe, and that what one refuses is lost to none: OCSF on the bus, Security Hub, and the use case over them."""

import json
import os
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.stub import ANY, Stubber
from moto import mock_aws

from doorward.aws.announcing import EventBridgeBus
from doorward.aws.reporting import OcsfOnTheBus, SecurityHubFindings
from doorward.errors import DoorwardError, MalformedInput, Misconfigured, Unavailable
from doorward.findings.asff import Hub
from doorward.findings.reported import Reported
from doorward.guardrails.model import Guardrails, Mode
from doorward.usecases.report_findings import report_findings
from tests.fakes import FakeReporter
from tests.unit.test_keep_evidence import announced, envelope
from tests.unit.test_react_to_change import BAD, World, event, role
from tests.unit.test_reported_findings import case

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
HUB = Hub("111122223333", "us-east-1", "aws")


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    with patch.dict(os.environ, ENVIRONMENT):
        yield


def test_the_event_on_the_bus_is_the_ocsf_event_and_nothing_else() -> None:
    with mock_aws():
        url = boto3.client("sqs").create_queue(QueueName="seen")["QueueUrl"]
        events = boto3.client("events")
        events.create_event_bus(Name="doorward")
        events.put_rule(Name="all", EventBusName="doorward", EventPattern=json.dumps({"source": ["doorward.ocsf"]}))
        events.put_targets(Rule="all", EventBusName="doorward", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:seen"}])
        OcsfOnTheBus(EventBridgeBus(events, "doorward"), "us-east-1").report(case())
        (message,) = boto3.client("sqs").receive_message(QueueUrl=url)["Messages"]
    body = json.loads(message["Body"])
    assert (body["source"], body["detail-type"]) == ("doorward.ocsf", "DetectionFindingReported")
    assert body["detail"]["class_uid"] == 2004
    assert "announcement_id" not in body["detail"]


def imported(answer: dict[str, Any] | None, error: str | None = None) -> None:
    client = boto3.client("securityhub")
    with Stubber(client) as stub:
        if error is not None:
            stub.add_client_error("batch_import_findings", error, expected_params={"Findings": ANY})
        else:
            stub.add_response("batch_import_findings", answer or {}, {"Findings": ANY})
        SecurityHubFindings(client, HUB).report(case())
        stub.assert_no_pending_responses()


def test_one_finding_is_imported() -> None:
    imported({"FailedCount": 0, "SuccessCount": 1})


@pytest.mark.parametrize(
    ("code", "error"), [("InvalidAccess", Misconfigured), ("InvalidInput", Misconfigured), ("InternalFailure", Unavailable)]
)
def test_a_finding_that_was_not_taken_is_not_taken_for_imported(code: str, error: type[DoorwardError]) -> None:
    failed = {"Id": "x", "ErrorCode": code, "ErrorMessage": "no"}
    with pytest.raises(error, match=code):
        imported({"FailedCount": 1, "SuccessCount": 0, "FailedFindings": [failed]})


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("InvalidAccessException", Misconfigured),
        ("AccessDeniedException", Misconfigured),
        ("LimitExceededException", Unavailable),
        ("TooManyRequestsException", Unavailable),
        ("InternalException", Unavailable),
    ],
)
def test_a_call_that_security_hub_refuses_is_the_operators_or_comes_again(code: str, error: type[DoorwardError]) -> None:
    with pytest.raises(error):
        imported(None, code)


# The use case


@pytest.fixture
def world() -> World:
    world = World()
    world.accepted()
    world.roles.put(role(BAD))
    world.react(event())
    return world


def report(world: World, *reporters: FakeReporter, step: int = 0) -> str:
    (outcome,) = report_findings(envelope(announced(world)[step]), reporters, world.ledger, world.clock)
    return outcome.outcome


def test_each_step_reaches_each_reporter_once(world: World) -> None:
    ocsf, hub = FakeReporter("ocsf"), FakeReporter("security-hub")
    assert [report(world, ocsf, hub, step=step) for step in (0, 1, 0, 1)] == ["reported", "reported", "known", "known"]
    for each in (ocsf, hub):
        assert [one.detail_type for one in each.cases] == ["TrustViolationFound", "TrustPolicyReverted"]


@pytest.mark.parametrize("failure", [Unavailable("slow"), Misconfigured("not enabled")])
def test_what_one_refuses_comes_again_for_it_alone_and_is_lost_to_none(world: World, failure: DoorwardError) -> None:
    ocsf, hub = FakeReporter("ocsf"), FakeReporter("security-hub", fail_next=[failure])
    with pytest.raises(type(failure)):
        report(world, hub, ocsf)
    assert len(ocsf.cases) == 1
    assert report(world, hub, ocsf) == "reported"
    assert (len(ocsf.cases), len(hub.cases)) == (1, 1)


def test_what_is_only_observed_disturbs_nobody() -> None:
    world = World(Guardrails(mode=Mode.OBSERVE, hash="cafe"))
    world.roles.put(role(BAD))
    world.react(event())
    ocsf = FakeReporter("ocsf")
    assert report(world, ocsf) == "known"
    assert ocsf.cases == []


@pytest.mark.parametrize("change", [{"severity": "huge"}, {"event": {}}, {"account": None}, {"findings": [1]}])
def test_a_detail_that_is_not_ours_is_put_aside(world: World, change: dict[str, Any]) -> None:
    message = json.loads(envelope(announced(world)[0]))
    message["detail"].update(change)
    with pytest.raises(MalformedInput):
        report_findings(json.dumps(message), [FakeReporter("ocsf")], world.ledger, world.clock)


def test_a_reported_case_is_what_its_reporters_are_given(world: World) -> None:
    ocsf = FakeReporter("ocsf")
    report(world, ocsf)
    (given,) = ocsf.cases
    assert isinstance(given, Reported)
    assert given.role_arn.endswith(":role/payments")
