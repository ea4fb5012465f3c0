"""A call against one of Doorward's own roles is told although IAM refused it, and named it in the error message alone."""

import json

import pytest

from doorward.guard.ours import Ours
from doorward.organization.model import Account, Organization
from doorward.usecases.watch_guard import Tools, watch_guard
from tests.fakes import FakeClock, FakeLedger, FakeSuspensions

HUB, PROD = "111122223333", "777788889999"


@pytest.mark.parametrize(("role_name", "outcome"), [("doorward-remedy", "alerted"), ("orders-api", "passed")])
@pytest.mark.parametrize("event_name", ["UpdateAssumeRolePolicy", "DeleteRole", "PutRolePermissionsBoundary"])
def test_a_refused_call_is_told_if_it_was_about_what_is_ours(event_name: str, role_name: str, outcome: str) -> None:
    message = f"User: x is not authorized to perform: iam:{event_name} on resource: role {role_name} because of an explicit deny"
    detail = {
        "eventID": "0e1f2a3b-1111-2222-3333-444455556666",
        "eventTime": "2026-11-25T12:00:00Z",
        "eventName": event_name,
        "eventSource": "iam.amazonaws.com",
        "awsRegion": "us-east-1",
        "recipientAccountId": PROD,
        "userIdentity": {"type": "IAMUser", "arn": f"arn:aws:iam::{PROD}:user/jane", "accountId": PROD},
        "errorCode": "AccessDenied",
        "errorMessage": message,
        "requestParameters": None,
        "responseElements": None,
    }
    envelope = {
        "source": "aws.iam",
        "detail-type": "AWS API Call via CloudTrail",
        "account": PROD,
        "region": "us-east-1",
        "detail": detail,
    }
    clock = FakeClock()
    organization = Organization(id="o-a1b2c3d4e5", accounts=(Account(PROD, "prod"), Account(HUB, "hub")))
    (found,) = watch_guard(json.dumps(envelope), Tools(FakeLedger(clock), clock, organization, Ours(HUB, "doorward"), FakeSuspensions()))
    assert found.outcome == outcome
    assert ("refused" in found.because) is (outcome == "alerted")
