"""Records that are made to be misread, or that AWS writes otherwise than one would guess: what they lead to all the same."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from doorward.errors import MalformedInput
from doorward.events.hints import Hint, hint_as_text, parse_message
from doorward.events.model import (
    Cause,
    Change,
    Event,
    GuardEvent,
    OrganizationEvent,
    ProviderTarget,
    RolesTarget,
    RoleTarget,
    ServiceTarget,
    SessionEvent,
    Side,
)
from doorward.events.records import parse_record

MANAGEMENT, PROD, STAGING, STRANGER = "123456789012", "777788889999", "222233334444", "999988887777"
ROLE = f"arn:aws:iam::{PROD}:role/a/orders-api"
FOREIGN = f"arn:aws:iam::{STRANGER}:role/decoy"
OMITTED = {"reason": "requestParameters too large", "omitted": True, "originalSize": "149893"}


def read[T: Event](kind: type[T], name: str, source: str, account: str = PROD, **more: Any) -> T:
    parsed = parse_record(
        {
            "eventID": "0e1f2a3b-1111-2222-3333-444455556666",
            "eventTime": "2026-11-25T12:00:00Z",
            "eventName": name,
            "eventSource": f"{source}.amazonaws.com",
            "awsRegion": "eu-west-1",
            "recipientAccountId": account,
            "userIdentity": {"type": "IAMUser", "arn": f"arn:aws:iam::{account}:user/jane", "accountId": account},
            "requestParameters": None,
            "responseElements": None,
            **more,
        }
    )
    assert isinstance(parsed, kind), parsed
    return parsed


# The guard.


def test_a_name_behind_a_thousand_values_is_still_found() -> None:
    targets = [{"id": f"t{n}", "arn": f"arn:aws:sqs:::q{n}", "inputTransformer": {f"k{m}": "$.x" for m in range(100)}} for n in range(100)]
    event = read(GuardEvent, "PutTargets", "events", requestParameters={"targets": targets, "rule": "doorward-changes"})
    assert "doorward-changes" in event.names


def test_the_last_of_a_hundred_alarms_is_still_found() -> None:
    names = [f"other-{n}" for n in range(99)] + ["doorward-dead-letters"]
    event = read(GuardEvent, "DeleteAlarms", "monitoring", requestParameters={"dashboardName": "x", "alarmNames": names})
    assert "doorward-dead-letters" in event.names


@pytest.mark.parametrize(("parameters", "hides"), [(OMITTED, True), ({"omitted": True}, True), ({"name": "x"}, False), (None, False)])
def test_a_guard_event_says_whether_it_hides_what_it_is_about(parameters: object, hides: bool) -> None:
    assert read(GuardEvent, "PutRule", "events", requestParameters=parameters).parameters_omitted is hides


# Roles that a call binds.


def test_a_role_in_a_tag_is_not_taken_for_the_role_that_is_bound() -> None:
    parameters = {"clusterName": "prod", "associationId": "a-1", "tags": {"note": FOREIGN}}
    event = read(Change, "UpdatePodIdentityAssociation", "eks", requestParameters=parameters)
    assert event.target == ServiceTarget(PROD, "pods.eks.amazonaws.com")


def test_who_made_a_profile_is_none_of_its_roles() -> None:
    response = {"profile": {"createdBy": FOREIGN, "roleArns": [ROLE]}}
    event = read(Change, "EnableProfile", "rolesanywhere", requestParameters={"profileId": "p"}, responseElements=response)
    assert (event.cause, event.target) == (Cause.ROLES_ANYWHERE, RolesTarget((RoleTarget(PROD, "orders-api"),)))


def test_a_bound_role_that_cannot_be_read_leads_to_every_role_that_could_be_it() -> None:
    parameters = {"roleArns": [ROLE, "arn:aws:iam::777788889999:role/"]}
    event = read(Change, "CreateProfile", "rolesanywhere", requestParameters=parameters)
    assert event.target == ServiceTarget(PROD, "rolesanywhere.amazonaws.com")


# The organization.


def test_the_policy_that_every_organization_has_is_named() -> None:
    parameters = {"policyId": "p-FullAWSAccess", "targetId": "r-ab12"}
    assert read(OrganizationEvent, "DetachPolicy", "organizations", requestParameters=parameters).policies == ("p-FullAWSAccess",)


@pytest.mark.parametrize("policy_type", ["SERVICE_CONTROL_POLICY", "DECLARATIVE_POLICY_EC2", "AISERVICES_OPT_OUT_POLICY"])
def test_every_type_of_policy_is_known_by_its_name(policy_type: str) -> None:
    parameters = {"policyType": policy_type, "rootId": "r-ab12"}
    assert read(OrganizationEvent, "DisablePolicyType", "organizations", requestParameters=parameters).policy_type == policy_type


# Sessions.


@pytest.mark.parametrize("name", ["ConsoleLogin", "SwitchRole"])
@pytest.mark.parametrize(("outcome", "failed"), [("Failure", True), ("Success", False)])
def test_a_sign_in_that_failed_has_failed_though_it_has_no_error_code(name: str, outcome: str, failed: bool) -> None:
    event = read(SessionEvent, name, "signin", responseElements={name: outcome}, errorMessage="Failed authentication" if failed else None)
    assert event.failed is failed


@pytest.mark.parametrize("role_name", ["a,b", "a;b".replace(";", "="), "x.y@z,-"])
@pytest.mark.parametrize("ending", ["", " because no identity-based policy allows it", ", with an explicit deny"])
def test_a_denied_role_keeps_every_character_of_its_name(role_name: str, ending: str) -> None:
    arn = f"arn:aws:iam::{PROD}:role/p/{role_name}"
    message = f"User: x is not authorized to perform: sts:AssumeRole on resource: {arn}{ending}"
    assert read(SessionEvent, "AssumeRole", "sts", STAGING, errorCode="AccessDenied", errorMessage=message).role_arn == arn


@pytest.mark.parametrize("target", [PROD, f"arn:aws:iam::{PROD}:root"])
def test_assume_root_has_two_sides(target: str) -> None:
    identity = {"type": "IAMUser", "arn": f"arn:aws:iam::{MANAGEMENT}:user/jane", "accountId": MANAGEMENT}
    sides = [
        read(SessionEvent, "AssumeRoot", "sts", account, userIdentity=identity, requestParameters={"targetPrincipal": target}).side
        for account in (MANAGEMENT, PROD)
    ]
    assert sides == [Side.CALLER, Side.OWNER]


def test_a_session_that_only_its_response_names_has_a_role() -> None:
    response = {"assumedRoleUser": {"arn": f"arn:aws:sts::{PROD}:assumed-role/orders-api/pod", "assumeRoleId": "AROAX:pod"}}
    event = read(SessionEvent, "AssumeRoleForPodIdentity", "eks-auth", requestParameters={"clusterName": "c"}, responseElements=response)
    assert (event.role_arn, event.role_account_id) == (f"arn:aws:iam::{PROD}:role/orders-api", PROD)


# Hints.

AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def test_the_time_of_a_hint_is_in_utc() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=14)))
    parsed = parse_message(hint_as_text(Hint(PROD, Cause.TRUST, "why", "sweep-1", elsewhere, role_name="x")))
    assert isinstance(parsed, Change)
    assert parsed.event_time.isoformat() == "2026-11-25T12:00:00+00:00"


def test_a_time_that_utc_does_not_have_is_refused() -> None:
    text = hint_as_text(Hint(PROD, Cause.TRUST, "why", "sweep-1", AT)).replace(AT.isoformat(), "0001-01-01T00:00:00+14:00")
    with pytest.raises(MalformedInput, match=r"^\$\.at is"):
        parse_message(text)


def test_the_longest_arn_of_a_provider_fits_a_hint() -> None:
    provider = f"arn:aws:iam::{PROD}:oidc-provider/" + "x" * 255
    parsed = parse_message(hint_as_text(Hint(PROD, Cause.PROVIDER, "why", "sweep-1", AT, provider=provider)))
    assert isinstance(parsed, Change)
    assert parsed.target == ProviderTarget(PROD, provider)
