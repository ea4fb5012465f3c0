"""Sessions, the organization, the guard, files and hints: what each record means, and what is never kept of it."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from doorward.errors import MalformedInput
from doorward.events.hints import EVENT_NAME, Hint, hint_as_text, parse_message
from doorward.events.model import (
    AccountTarget,
    Cause,
    Change,
    Event,
    GuardEvent,
    OrganizationEvent,
    PolicyTarget,
    ProviderTarget,
    RolesTarget,
    RoleTarget,
    ServiceTarget,
    SessionEvent,
    Side,
    Skipped,
)
from doorward.events.records import parse_envelope, parse_file, parse_record
from doorward.events.sessions import merge_copies

MANAGEMENT, HUB, PROD, STAGING, VENDOR = "123456789012", "111122223333", "777788889999", "222233334444", "555566667777"
ORGANIZATIONS = "organizations.amazonaws.com"
ROLE = f"arn:aws:iam::{PROD}:role/vendor/collector"
TRUSTING_ANCHORS = ServiceTarget(PROD, "rolesanywhere.amazonaws.com")
SECRET, TOKEN, EXTERNAL_ID = "wJalrEXAMPLEKEY", "FwoGZXIvYXdzEXAMPLETOKEN", "a-customers-own-id"


def record(name: str, source: str = "sts.amazonaws.com", account: str = PROD, **more: Any) -> dict[str, Any]:
    return {
        "eventVersion": "1.11",
        "eventID": "0e1f2a3b-1111-2222-3333-444455556666",
        "eventTime": "2026-11-25T12:00:00Z",
        "eventName": name,
        "eventSource": source,
        "awsRegion": "eu-west-1",
        "recipientAccountId": account,
        "userIdentity": {"type": "IAMUser", "arn": f"arn:aws:iam::{account}:user/jane", "accountId": account, "principalId": "AIDAEXAMPLE"},
        "requestParameters": None,
        "responseElements": None,
        "aFieldOfTomorrow": {"x": 1},
        **more,
    }


def read[T: Event](kind: type[T], value: dict[str, Any]) -> T:
    parsed = parse_record(value)
    assert isinstance(parsed, kind)
    return parsed


CREDENTIALS = {
    "accessKeyId": "ASIAEXAMPLEEXAMPLE00",
    "secretAccessKey": SECRET,
    "sessionToken": TOKEN,
    "expiration": "Nov 25, 2026 1:00:00 PM",
}
ASSUMED: dict[str, Any] = {
    "requestParameters": {"roleArn": ROLE, "roleSessionName": "run-7", "externalId": EXTERNAL_ID, "durationSeconds": 3600},
    "responseElements": {"credentials": CREDENTIALS, "assumedRoleUser": {"assumedRoleId": "AROAEXAMPLE:run-7", "arn": "x"}},
    "resources": [{"ARN": ROLE, "accountId": PROD, "type": "AWS::IAM::Role"}],
    "sharedEventID": "shared-1",
}
OWNER = {"type": "AWSAccount", "principalId": "AROAVENDOR:i-1", "accountId": VENDOR}
CALLER = {
    "type": "AssumedRole",
    "principalId": "AROAVENDOR:i-1",
    "arn": f"arn:aws:sts::{VENDOR}:assumed-role/collector/i-1",
    "accountId": VENDOR,
    "sessionContext": {"sessionIssuer": {"type": "Role", "arn": f"arn:aws:iam::{VENDOR}:role/x/collector", "accountId": VENDOR}},
}


class TestSessions:
    def test_the_owners_copy_knows_the_callers_account_and_no_more(self) -> None:
        session = read(SessionEvent, record("AssumeRole", userIdentity=OWNER, **ASSUMED))
        assert (session.side, session.role_arn, session.role_account_id) == (Side.OWNER, ROLE, PROD)
        assert (session.actor.account_id, session.actor.arn) == (VENDOR, None)
        assert (session.has_external_id, session.duration_seconds, session.role_session_name) == (True, 3600, "run-7")
        assert session.expires_at == datetime(2026, 11, 25, 13, 0, tzinfo=UTC)
        assert session.key == "shared-1"

    def test_the_callers_copy_knows_who_it_was(self) -> None:
        session = read(SessionEvent, record("AssumeRole", account=VENDOR, userIdentity=CALLER, **ASSUMED))
        assert (session.side, session.actor.arn) == (Side.CALLER, f"arn:aws:iam::{VENDOR}:role/x/collector")

    def test_a_call_within_one_account_has_both_sides(self) -> None:
        assert read(SessionEvent, record("AssumeRole", **{**ASSUMED, "sharedEventID": None})).side is Side.BOTH
        assert read(SessionEvent, record("AssumeRole", **{**ASSUMED, "sharedEventID": None})).key == record("x")["eventID"]

    def test_nothing_secret_is_kept(self) -> None:
        for name in ("AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "GetFederationToken", "GetSessionToken"):
            session = read(SessionEvent, record(name, userIdentity=OWNER, **ASSUMED))
            kept = [str(getattr(session, each.name)) for each in fields(session)]
            for secret in (SECRET, TOKEN, EXTERNAL_ID, CREDENTIALS["accessKeyId"]):
                assert not [each for each in kept if secret in each], (name, secret)

    @pytest.mark.parametrize("ending", ["", " because no identity-based policy allows it", ", with an explicit deny"])
    def test_a_denied_call_names_its_role_in_the_message_alone(self, ending: str) -> None:
        message = f"User: arn:aws:iam::{STAGING}:user/jane is not authorized to perform: sts:AssumeRole on resource: {ROLE}{ending}"
        session = read(SessionEvent, record("AssumeRole", account=STAGING, errorCode="AccessDenied", errorMessage=message))
        assert (session.role_arn, session.side, session.failed, session.has_external_id) == (ROLE, Side.CALLER, True, False)

    def test_a_web_identity_is_never_split(self) -> None:
        subject = "repo:acme/app:environment:prod:https://x"
        identity = {
            "type": "WebIdentityUser",
            "principalId": f"arn:aws:iam::{PROD}:oidc-provider/x:sts.amazonaws.com:{subject}",
            "userName": subject,
            "identityProvider": f"arn:aws:iam::{PROD}:oidc-provider/token.actions.githubusercontent.com",
        }
        response = {"audience": "sts.amazonaws.com", "provider": "other", "credentials": CREDENTIALS}
        session = read(
            SessionEvent,
            record("AssumeRoleWithWebIdentity", userIdentity=identity, requestParameters={"roleArn": ROLE}, responseElements=response),
        )
        assert (session.provider, session.subject, session.audience) == (identity["identityProvider"], subject, "sts.amazonaws.com")
        assert session.side is Side.BOTH

    def test_a_saml_provider_is_that_of_the_parameters_and_not_a_hash(self) -> None:
        provider = f"arn:aws:iam::{PROD}:saml-provider/corp"
        session = read(
            SessionEvent,
            record(
                "AssumeRoleWithSAML",
                userIdentity={"type": "SAMLUser", "identityProvider": "bW9ja2hhc2g=", "userName": "jane"},
                requestParameters={"roleArn": ROLE, "principalArn": provider},
                responseElements={"issuer": "https://idp", "subject": "jane@acme", "audience": "https://signin.aws.amazon.com/saml"},
            ),
        )
        assert (session.provider, session.subject, session.issuer) == (provider, "jane@acme", "https://idp")

    def test_assume_root_names_its_target(self) -> None:
        session = read(SessionEvent, record("AssumeRoot", requestParameters={"targetPrincipal": PROD, "durationSeconds": 900}))
        assert (session.target_principal, session.role_arn) == (PROD, None)

    def test_a_switch_of_roles_is_by_whom_and_into_what(self) -> None:
        identity = {**CALLER, "invokedBy": "AWS Internal"}
        session = read(
            SessionEvent,
            record(
                "SwitchRole",
                "signin.amazonaws.com",
                account=VENDOR,
                userIdentity=identity,
                additionalEventData={"SwitchFrom": f"arn:aws:iam::{PROD}:user/jane"},
            ),
        )
        assert (session.switched_from, session.role_arn) == (f"arn:aws:iam::{PROD}:user/jane", f"arn:aws:iam::{VENDOR}:role/x/collector")

    def test_a_service_is_no_account(self) -> None:
        identity = {"type": "AWSService", "invokedBy": "lambda.amazonaws.com"}
        session = read(SessionEvent, record("AssumeRole", userIdentity=identity, **ASSUMED))
        assert (session.side, session.actor.account_id, session.actor.invoked_by) == (Side.BOTH, None, "lambda.amazonaws.com")

    @pytest.mark.parametrize("value", ["3600", 0, -1, 10**9, True, 1.5, None, []])
    def test_a_duration_that_is_none_is_none(self, value: object) -> None:
        assert read(SessionEvent, record("AssumeRole", requestParameters={"durationSeconds": value})).duration_seconds is None

    @pytest.mark.parametrize(
        "value", ["Nov 25, 2026 1:00:00 PM", "Nov 25, 2026, 1:00:00\u202fPM", "2026-11-25T13:00:00Z", "2026-11-25T14:00:00+01:00"]
    )
    def test_an_expiry_is_read_in_each_form_that_cloudtrail_has(self, value: str) -> None:
        session = read(SessionEvent, record("AssumeRole", responseElements={"credentials": {"expiration": value}}))
        assert session.expires_at == datetime(2026, 11, 25, 13, 0, tzinfo=UTC)

    @pytest.mark.parametrize("value", ["soon", "2026-11-25T13:00:00", "", 7, None, "9" * 5000])
    def test_an_expiry_that_cannot_be_read_is_none(self, value: object) -> None:
        assert read(SessionEvent, record("AssumeRole", responseElements={"credentials": {"expiration": value}})).expires_at is None


class TestMerging:
    owner = read(SessionEvent, record("AssumeRole", userIdentity=OWNER, **ASSUMED))
    caller = replace(
        read(SessionEvent, record("AssumeRole", account=VENDOR, userIdentity=CALLER, **{**ASSUMED, "resources": None})), event_id="f-2"
    )

    def test_two_copies_make_one_call_in_either_order_and_however_often(self) -> None:
        merged = merge_copies(self.owner, self.caller)
        assert merged == merge_copies(self.caller, self.owner)
        assert merged == merge_copies(merged, self.owner) == merge_copies(self.caller, merged) == merge_copies(merged, merged)
        assert (merged.side, merged.account_id, merged.role_arn) == (Side.BOTH, PROD, ROLE)
        assert merged.actor.arn == f"arn:aws:iam::{VENDOR}:role/x/collector"
        assert merged.key == self.owner.key

    def test_the_same_copy_twice_is_that_copy(self) -> None:
        assert merge_copies(self.owner, self.owner) == self.owner


class TestDoors:
    @pytest.mark.parametrize(
        ("name", "source", "request_parameters", "cause", "target"),
        [
            ("DeleteRole", "iam", {"roleName": "x"}, Cause.DELETED, RoleTarget(PROD, "x")),
            ("TagRole", "iam", {"roleName": "x", "tags": []}, Cause.TAGS, RoleTarget(PROD, "x")),
            ("DetachRolePolicy", "iam", {"roleName": "x"}, Cause.PERMISSIONS, RoleTarget(PROD, "x")),
            ("DeleteRolePermissionsBoundary", "iam", {"roleName": "x"}, Cause.BOUNDARY, RoleTarget(PROD, "x")),
            (
                "CreatePolicyVersion",
                "iam",
                {"policyArn": f"arn:aws:iam::{PROD}:policy/a/b"},
                Cause.PERMISSIONS,
                PolicyTarget(PROD, f"arn:aws:iam::{PROD}:policy/a/b"),
            ),
            (
                "CreateProfile",
                "rolesanywhere",
                {"roleArns": [ROLE, f"arn:aws:iam::{PROD}:role/y"], "tags": "HIDDEN_DUE_TO_SECURITY_REASONS"},
                Cause.ROLES_ANYWHERE,
                RolesTarget((RoleTarget(PROD, "collector"), RoleTarget(PROD, "y"))),
            ),
            (
                "DisableProfile",
                "rolesanywhere",
                {"profileId": "p"},
                Cause.ROLES_ANYWHERE,
                TRUSTING_ANCHORS,
            ),
            ("UpdateTrustAnchor", "rolesanywhere", None, Cause.ROLES_ANYWHERE, TRUSTING_ANCHORS),
            (
                "CreatePodIdentityAssociation",
                "eks",
                {"name": "prod", "roleArn": ROLE, "targetRoleArn": f"arn:aws:iam::{STAGING}:role/t"},
                Cause.WORKLOAD,
                RolesTarget((RoleTarget(PROD, "collector"), RoleTarget(STAGING, "t"))),
            ),
            ("DeletePodIdentityAssociation", "eks", {"name": "x"}, Cause.WORKLOAD, ServiceTarget(PROD, "pods.eks.amazonaws.com")),
        ],
    )
    def test_whatever_changes_a_door_points_at_what_to_look_at(
        self, name: str, source: str, request_parameters: object, cause: Cause, target: object
    ) -> None:
        parsed = read(Change, record(name, f"{source}.amazonaws.com", requestParameters=request_parameters))
        assert (parsed.cause, parsed.target) == (cause, target)

    def test_a_policy_of_another_account_is_forged(self) -> None:
        with pytest.raises(MalformedInput, match="forged"):
            parse_record(
                record("SetDefaultPolicyVersion", "iam.amazonaws.com", requestParameters={"policyArn": f"arn:aws:iam::{HUB}:policy/x"})
            )


class TestOrganization:
    def test_everything_that_a_call_names_is_there_once(self) -> None:
        event = read(
            OrganizationEvent,
            record(
                "MoveAccount",
                ORGANIZATIONS,
                account=MANAGEMENT,
                requestParameters={
                    "accountId": PROD,
                    "sourceParentId": "ou-ab12-11111111",
                    "destinationParentId": "r-ab12",
                    "again": [PROD, "ou-ab12-11111111"],
                },
            ),
        )
        assert (event.accounts, event.units) == ((PROD,), ("ou-ab12-11111111", "r-ab12"))

    def test_an_account_that_leaves_is_the_one_that_says_so_even_when_denied(self) -> None:
        event = read(OrganizationEvent, record("LeaveOrganization", ORGANIZATIONS, errorCode="AccessDenied"))
        assert (event.accounts, event.failed) == ((PROD,), True)

    def test_a_service_event_names_the_account_that_was_made(self) -> None:
        details = {"createAccountStatus": {"state": "SUCCEEDED", "accountId": STAGING, "id": "car-1"}}
        event = read(OrganizationEvent, record("CreateAccountResult", ORGANIZATIONS, account=MANAGEMENT, serviceEventDetails=details))
        assert event.accounts == (STAGING,)

    def test_a_policy_names_its_type_and_its_target(self) -> None:
        event = read(
            OrganizationEvent,
            record(
                "DisablePolicyType",
                ORGANIZATIONS,
                requestParameters={"rootId": "r-ab12", "policyType": "SERVICE_CONTROL_POLICY"},
            ),
        )
        assert (event.policy_type, event.units) == ("SERVICE_CONTROL_POLICY", ("r-ab12",))
        attached = read(
            OrganizationEvent,
            record("AttachPolicy", ORGANIZATIONS, requestParameters={"policyId": "p-a1b2c3d4", "targetId": PROD}),
        )
        assert (attached.policies, attached.accounts) == (("p-a1b2c3d4",), (PROD,))

    def test_a_delegated_administrator_is_named_with_its_service(self) -> None:
        parameters = {"accountId": STAGING, "servicePrincipal": "sso.amazonaws.com"}
        event = read(OrganizationEvent, record("RegisterDelegatedAdministrator", ORGANIZATIONS, requestParameters=parameters))
        assert (event.accounts, event.service) == ((STAGING,), "sso.amazonaws.com")


class TestGuard:
    def test_names_are_kept_and_values_are_not(self) -> None:
        parameters = {"name": "doorward-changes", "eventBusName": "default", "eventPattern": '{"source": ["x"]}', "secretString": SECRET}
        event = read(GuardEvent, record("PutRule", "events.amazonaws.com", requestParameters=parameters))
        assert event.names == ("doorward-changes", "default")

    def test_an_api_date_is_no_part_of_a_name(self) -> None:
        event = read(
            GuardEvent,
            record("UpdateFunctionCode20150331v2", "lambda.amazonaws.com", requestParameters={"functionName": "doorward-x", "zip": "aa"}),
        )
        assert (event.event_name, event.names) == ("UpdateFunctionCode", ("doorward-x",))

    def test_a_denied_call_names_its_thing_in_the_message(self) -> None:
        arn = f"arn:aws:events:eu-west-1:{PROD}:rule/doorward-changes"
        message = f"User: x is not authorized to perform: events:DisableRule on resource: {arn} because no"
        event = read(GuardEvent, record("DisableRule", "events.amazonaws.com", errorCode="AccessDenied", errorMessage=message))
        assert event.names == (arn,)

    def test_lists_of_names_are_read(self) -> None:
        event = read(GuardEvent, record("DeleteAlarms", "monitoring.amazonaws.com", requestParameters={"alarmNames": ["a", "b"]}))
        assert event.names == ("a", "b")


class TestEnvelopes:
    @pytest.mark.parametrize(
        ("source", "event_source", "detail_type", "name"),
        [
            ("aws.signin", "signin.amazonaws.com", "AWS Console Sign In via CloudTrail", "SwitchRole"),
            ("aws.sso", "sso.amazonaws.com", "AWS Service Event via CloudTrail", "GetRoleCredentials"),
            ("aws.sso-oauth", "sso-oauth.amazonaws.com", "AWS API Call via CloudTrail", "CreateTokenWithIAM"),
            ("aws.monitoring", "monitoring.amazonaws.com", "AWS API Call via CloudTrail", "DeleteAlarms"),
            ("aws.organizations", ORGANIZATIONS, "AWS Service Event via CloudTrail", "CreateAccountResult"),
            ("aws.iam", "iam.amazonaws.com.cn", "AWS API Call via CloudTrail", "CreateRole"),
        ],
    )
    def test_every_kind_of_event_comes_in_its_own_envelope(self, source: str, event_source: str, detail_type: str, name: str) -> None:
        envelope = {
            "source": source,
            "detail-type": detail_type,
            "account": PROD,
            "region": "eu-west-1",
            "detail": record(name, event_source),
        }
        assert not isinstance(parse_envelope(envelope), Skipped)

    def test_the_account_is_the_envelopes(self) -> None:
        envelope = {
            "source": "aws.sts",
            "detail-type": "AWS API Call via CloudTrail",
            "account": STAGING,
            "region": "eu-west-1",
            "detail": record("AssumeRole"),
        }
        with pytest.raises(MalformedInput, match="forged"):
            parse_envelope(envelope)


class TestFiles:
    def test_a_bad_record_hides_no_other(self) -> None:
        content = json.dumps({"Records": [record("AssumeRole"), 7, {"eventName": "x"}, record("DeleteTrail", "cloudtrail.amazonaws.com")]})
        kinds = [(position, type(each)) for position, each in parse_file(content)]
        assert kinds == [(0, SessionEvent), (1, MalformedInput), (2, MalformedInput), (3, GuardEvent)]

    @pytest.mark.parametrize("shape", ["one", "list", "lines", "envelope"])
    def test_each_shape_that_records_come_in_is_read(self, shape: str) -> None:
        one = record("AssumeRole")
        envelope = {"source": "aws.sts", "detail-type": "AWS API Call via CloudTrail", "account": PROD, "region": "x", "detail": one}
        content = {
            "one": json.dumps(one),
            "list": json.dumps([one, one]),
            "lines": f"{json.dumps(one)}\n\n{json.dumps(one)}\n",
            "envelope": json.dumps(envelope),
        }[shape]
        assert {type(each) for _, each in parse_file(content)} == {SessionEvent}

    def test_a_digest_file_holds_no_records(self) -> None:
        assert list(parse_file(json.dumps({"awsAccountId": PROD, "digestS3Object": "x", "logFiles": []}))) == []

    @pytest.mark.parametrize("content", ["", "{", "[" * 100_000, '{"Records": 7}', b"\xff"])
    def test_what_is_no_file_of_records_says_so(self, content: str | bytes) -> None:
        with pytest.raises(MalformedInput):
            list(parse_file(content))


class TestHints:
    AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("hint", "target"),
        [
            (Hint(PROD, Cause.TRUST, "why", "sweep-1", AT, role_name="x"), RoleTarget(PROD, "x")),
            (Hint(PROD, Cause.FACTS, "why", "facts-1", AT, provider="arn:x"), ProviderTarget(PROD, "arn:x")),
            (Hint(PROD, Cause.FACTS, "why", "facts-1", AT, service="ec2.amazonaws.com"), ServiceTarget(PROD, "ec2.amazonaws.com")),
            (Hint(PROD, Cause.FIRST_SEEN, "why", "sweep-2", AT), AccountTarget(PROD)),
        ],
    )
    def test_a_hint_comes_back_as_a_change_that_nobody_made(self, hint: Hint, target: object) -> None:
        change = parse_message(hint_as_text(hint))
        assert isinstance(change, Change)
        assert (change.target, change.cause, change.event_id, change.event_time) == (target, hint.cause, hint.id, hint.at)
        assert (change.event_name, change.actor.kind, change.actor.arn, change.document) == (EVENT_NAME, "Doorward", None, None)

    @pytest.mark.parametrize(
        "wrong", [{"cause": "any"}, {"cause": []}, {"account": "1"}, {"role": "a b"}, {"at": "now"}, {"at": "2026-11-25"}, {"id": ""}]
    )
    def test_a_hint_that_is_none_says_so(self, wrong: dict[str, object]) -> None:
        right = json.loads(hint_as_text(Hint(PROD, Cause.TRUST, "why", "sweep-1", self.AT, role_name="x")))
        with pytest.raises(MalformedInput):
            parse_message({**right, **wrong})

    def test_an_event_is_no_hint_whatever_it_says(self) -> None:
        detail = record("UpdateAssumeRolePolicy", "iam.amazonaws.com", format="doorward.hint/1", requestParameters={"roleName": "x"})
        envelope = {"source": "aws.iam", "detail-type": "AWS API Call via CloudTrail", "account": PROD, "region": "x", "detail": detail}
        parsed = parse_message(envelope)
        assert isinstance(parsed, Change)
        assert parsed.event_name == "UpdateAssumeRolePolicy"
