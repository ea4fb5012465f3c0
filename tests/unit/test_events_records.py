"""What a CloudTrail record becomes: one proposition a test, over records made here."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from doorward.errors import MalformedInput
from doorward.events.model import AccountTarget, Cause, Change, Part, ProviderTarget, RoleTarget, Skipped, SkipReason
from doorward.events.records import CHANGE_EVENTS, GUARD_EVENTS, ORGANIZATION_EVENTS, SESSION_EVENTS, parse_envelope, parse_record

PROD = "777788889999"
STRANGER = "999988887777"
TRUST = '{"Version":"2012-10-17","Statement":[]}'
OIDC = f"arn:aws:iam::{PROD}:oidc-provider/token.actions.githubusercontent.com"
SAML = f"arn:aws:iam::{PROD}:saml-provider/corp"
USER = {"type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": f"arn:aws:iam::{PROD}:user/jane", "accountId": PROD, "userName": "jane"}
ROOT = f"arn:aws:iam::{PROD}:root"
OMITTED = {"reason": "requestParameters too large", "omitted": True, "originalSize": "149893"}


def record(event_name: str = "UpdateAssumeRolePolicy", **fields: Any) -> dict[str, Any]:
    return {
        "eventVersion": "1.11",
        "userIdentity": USER,
        "eventTime": "2026-01-02T03:04:05Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": event_name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.24",
        "userAgent": "aws-cli/2",
        "requestParameters": {"roleName": "orders-api", "policyDocument": TRUST},
        "responseElements": None,
        "eventID": "059cf0ed-af91-40a6-9c89-a8a4fb81dc65",
        "readOnly": False,
        "recipientAccountId": PROD,
        **fields,
    }


def envelope(detail: Any = None, **fields: Any) -> dict[str, Any]:
    """`detail_type` and `replay_name` stand for the keys that Python cannot write as names."""
    return {
        "version": "0",
        "id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.iam",
        "account": PROD,
        "time": "2026-01-02T03:04:05Z",
        "region": "us-east-1",
        "resources": [],
        "detail": record() if detail is None else detail,
        **{key.replace("_", "-"): value for key, value in fields.items()},
    }


def change(value: Mapping[str, Any]) -> Change:
    parsed = parse_record(value)
    assert isinstance(parsed, Change), parsed
    return parsed


def skipped(value: Mapping[str, Any]) -> Skipped:
    parsed = parse_record(value)
    assert isinstance(parsed, Skipped), parsed
    return parsed


def test_an_envelope_becomes_a_change_of_the_role_that_it_names() -> None:
    parsed = parse_envelope(json.dumps(envelope()))
    assert isinstance(parsed, Change)
    assert parsed.target == RoleTarget(PROD, "orders-api")
    assert parsed.cause is Cause.TRUST
    assert parsed.event_time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (parsed.account_id, parsed.region, parsed.document) == (PROD, "us-east-1", TRUST)
    assert (parsed.error_code, parsed.failed, parsed.shared_event_id, parsed.replay_name) == (None, False, None, None)


def test_text_bytes_and_object_give_the_same_change() -> None:
    text = json.dumps(envelope())
    assert parse_envelope(text) == parse_envelope(text.encode()) == parse_envelope(envelope())


def test_a_record_alone_gives_the_same_change_as_in_its_envelope() -> None:
    assert parse_record(record()) == parse_envelope(envelope())


def test_a_replayed_event_keeps_the_name_of_its_replay() -> None:
    parsed = parse_envelope(envelope(replay_name="after-the-outage"))
    assert isinstance(parsed, Change)
    assert parsed.replay_name == "after-the-outage"


# Forged events: the account and the source are EventBridge's word.


@pytest.mark.parametrize("source", ["custom.iam", "doorward.guardrails", "iam.amazonaws.com", "awsiam"])
def test_an_event_of_any_source_but_aws_is_refused_as_forged(source: str) -> None:
    with pytest.raises(MalformedInput, match=r"^\$\.source is .* forged"):
        parse_envelope(envelope(source=source))


@pytest.mark.parametrize(("source", "event_source"), [("aws.s3", "iam.amazonaws.com"), ("aws.iam", "sts.amazonaws.com")])
def test_a_record_of_another_service_than_its_envelope_is_refused_as_forged(source: str, event_source: str) -> None:
    with pytest.raises(MalformedInput, match=r"^\$\.detail\.eventSource is .* forged"):
        parse_envelope(envelope(record(eventSource=event_source), source=source))


def test_a_record_of_another_account_than_its_envelope_is_refused_as_forged() -> None:
    with pytest.raises(MalformedInput, match=rf"^\$\.detail\.recipientAccountId is '{STRANGER}', not the envelope's {PROD}.* forged"):
        parse_envelope(envelope(record(recipientAccountId=STRANGER)))


def test_the_account_is_the_envelopes_where_the_record_names_none() -> None:
    detail = record()
    del detail["recipientAccountId"]
    parsed = parse_envelope(envelope(detail))
    assert parsed.account_id == PROD


@pytest.mark.parametrize("account", [7, [], "", "1234", "\u0661" * 12])
def test_an_account_in_the_record_that_is_none_is_refused(account: object) -> None:
    with pytest.raises(MalformedInput, match=r"^\$\.detail\.recipientAccountId is"):
        parse_envelope(envelope(record(recipientAccountId=account)))


def test_a_record_alone_must_name_its_account() -> None:
    with pytest.raises(MalformedInput, match=r"^\$\.recipientAccountId is missing"):
        parse_record(record(recipientAccountId=None))
    assert parse_record(record(recipientAccountId=None), account_id=PROD) == parse_record(record())


def test_a_record_of_another_account_than_expected_is_refused() -> None:
    assert parse_record(record(), account_id=PROD) == parse_record(record())
    with pytest.raises(MalformedInput, match="recipientAccountId"):
        parse_record(record(), account_id=STRANGER)


@pytest.mark.parametrize("arn", [f"arn:aws:iam::{STRANGER}:role/orders-api", f"arn:aws:iam::{PROD}:user/orders-api", "x"])
def test_a_response_that_names_a_role_of_another_account_is_refused_as_forged(arn: str) -> None:
    with pytest.raises(MalformedInput, match=r"responseElements\.role\.arn is .* forged"):
        parse_record(record("CreateRole", requestParameters=None, responseElements={"role": {"arn": arn}}))


@pytest.mark.parametrize("arn", [OIDC.replace(PROD, STRANGER), f"arn:aws:iam::{PROD}:role/x", "x"])
def test_a_provider_of_another_account_is_refused_as_forged(arn: str) -> None:
    with pytest.raises(MalformedInput, match=r"openIDConnectProviderArn is .* forged"):
        parse_record(record("DeleteOpenIDConnectProvider", requestParameters={"openIDConnectProviderArn": arn}))


# Malformed: what, where, what to do.


@pytest.mark.parametrize("field", ["source", "account", "detail", "detail-type", "region"])
@pytest.mark.parametrize("value", [None, 7, True, [], "", "\ud800", "\u0661" * 12])
def test_a_missing_or_wrong_envelope_field_is_refused_by_its_path(field: str, value: object) -> None:
    with pytest.raises(MalformedInput, match=rf"^\$\.{field} is .+: .+\.$"):
        parse_envelope(envelope() | {field: value})


@pytest.mark.parametrize("field", ["eventID", "eventName", "eventSource", "eventTime"])
@pytest.mark.parametrize("value", [None, 7, [], "", "\ud800", "no\nthing"])
def test_a_missing_or_wrong_record_field_is_refused_by_its_path(field: str, value: object) -> None:
    with pytest.raises(MalformedInput, match=rf"^\$\.detail\.{field} is .+: .+\.$"):
        parse_envelope(envelope(record() | {field: value}))
    with pytest.raises(MalformedInput, match=rf"^\$\.{field} is .+: .+\.$"):
        parse_record(record() | {field: value})


@pytest.mark.parametrize("account", ["1234", "7777888899990", "77778888999a", "777788889999\n"])
def test_an_account_id_has_exactly_twelve_digits(account: str) -> None:
    with pytest.raises(MalformedInput, match=r"^\$\.account is"):
        parse_envelope(envelope(account=account))


@pytest.mark.parametrize("time", ["yesterday", "2026-01-02", "2026-01-02T03:04:05", "0001-01-01T00:00:00+14:00"])
def test_a_time_without_a_zone_is_refused(time: str) -> None:
    with pytest.raises(MalformedInput, match="eventTime"):
        parse_record(record(eventTime=time))


@pytest.mark.parametrize("name", ["../admin", "a/b", "", "x" * 65, "r\u00f6le", "role\n", "\ud800", 7, ["a"], {"a": 1}])
def test_a_role_name_that_iam_could_not_have_is_refused(name: object) -> None:
    with pytest.raises(MalformedInput, match=r"requestParameters\.roleName is .+: .+\.$"):
        parse_record(record(requestParameters={"roleName": name}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON",
        "null",
        "[]",
        "7",
        '"text"',
        b"\xff",
        "\ufeff{}",
        "\ud800",
        "[" * 200_000,
        '{"a":' * 200_000,
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": ' + "9" * 5000 + "}",
    ],
    ids=lambda text: str(text)[:12],
)
def test_what_is_no_json_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(MalformedInput, match=r"^\$ is .+: .+\.$"):
        parse_envelope(text)
    with pytest.raises(MalformedInput, match=r"^\$ is .+: .+\.$"):
        parse_record(text)


def test_a_key_given_twice_is_tolerated() -> None:
    text = json.dumps(envelope())
    assert parse_envelope(text[:-1] + f', "account": "{PROD}"}}') == parse_envelope(text)


def test_a_file_of_records_is_refused_with_the_way_to_replay_it() -> None:
    for parse in (parse_envelope, parse_record):
        with pytest.raises(MalformedInput, match=r"^\$\.Records .*parse_record"):
            parse({"Records": [record()]})


def test_the_other_form_of_an_event_is_refused_with_the_function_that_reads_it() -> None:
    with pytest.raises(MalformedInput, match="parse_record"):
        parse_envelope(record())
    with pytest.raises(MalformedInput, match="parse_envelope"):
        parse_record(envelope())


def test_an_event_that_is_not_cloudtrails_is_refused() -> None:
    with pytest.raises(MalformedInput, match=r"^\$\.detail-type is"):
        parse_envelope(envelope(detail_type="EC2 Instance State-change Notification"))


def test_a_refused_value_is_shown_short_and_in_ascii() -> None:
    with pytest.raises(MalformedInput) as refused:
        parse_envelope(envelope(account="\u202e" + "x" * 5000))
    assert len(str(refused.value)) < 300
    assert str(refused.value).isascii()


# The target.

IN_RESPONSE = {"role": {"roleName": "orders-api", "arn": f"arn:aws:iam::{PROD}:role/a/b/orders-api"}}
ARN_ONLY = {"role": {"arn": f"arn:aws:iam::{PROD}:role/a/b/orders-api"}}


@pytest.mark.parametrize(
    ("request_parameters", "response_elements"),
    [({"roleName": "orders-api"}, None), (None, IN_RESPONSE), (OMITTED, ARN_ONLY), ({}, IN_RESPONSE), ({"roleName": None}, ARN_ONLY)],
)
def test_the_role_is_named_by_the_request_or_else_by_the_response(request_parameters: object, response_elements: object) -> None:
    parsed = change(record("CreateRole", requestParameters=request_parameters, responseElements=response_elements))
    assert parsed.target == RoleTarget(PROD, "orders-api")


@pytest.mark.parametrize("parameters", [None, {}, OMITTED, {**OMITTED, "omitted": "true"}])
@pytest.mark.parametrize("event_name", sorted(CHANGE_EVENTS["iam.amazonaws.com"]))
def test_an_event_that_hides_what_it_changed_points_at_the_whole_account(event_name: str, parameters: object) -> None:
    parsed = change(record(event_name, requestParameters=parameters))
    assert parsed.target == AccountTarget(PROD)
    assert parsed.document is None


def test_an_event_without_parameters_at_all_points_at_the_whole_account() -> None:
    bare = record()
    del bare["requestParameters"], bare["responseElements"]
    assert change(bare).target == AccountTarget(PROD)


@pytest.mark.parametrize("parameters", ["text", [], 7, True])
def test_parameters_of_an_unknown_kind_are_refused(parameters: object) -> None:
    with pytest.raises(MalformedInput, match=r"requestParameters is .+, not an object"):
        parse_record(record(requestParameters=parameters))


@pytest.mark.parametrize(
    ("event_name", "request_parameters", "response_elements", "arn"),
    [
        ("CreateOpenIDConnectProvider", {"url": "https://x"}, {"openIDConnectProviderArn": OIDC}, OIDC),
        ("AddClientIDToOpenIDConnectProvider", {"openIDConnectProviderArn": OIDC, "clientID": "x"}, None, OIDC),
        ("UpdateOpenIDConnectProviderThumbprint", {"openIdConnectProviderArn": OIDC}, None, OIDC),
        ("CreateSAMLProvider", {"name": "corp"}, {"sAMLProviderArn": SAML}, SAML),
        ("UpdateSAMLProvider", {"sAMLProviderArn": SAML}, {"sAMLProviderArn": SAML}, SAML),
        ("DeleteSAMLProvider", {"sAMLProviderArn": SAML}, None, SAML),
    ],
)
def test_a_provider_event_points_at_its_provider(event_name: str, request_parameters: object, response_elements: object, arn: str) -> None:
    parsed = change(record(event_name, requestParameters=request_parameters, responseElements=response_elements))
    assert parsed.target == ProviderTarget(PROD, arn)
    assert parsed.cause is Cause.PROVIDER


# The document.


def test_the_document_is_the_trust_policy_of_the_request() -> None:
    assert change(record("CreateRole", requestParameters={"roleName": "r", "assumeRolePolicyDocument": TRUST})).document == TRUST


def test_the_document_is_decoded_from_the_response_where_the_request_has_none() -> None:
    response = {"role": {"roleName": "r", "assumeRolePolicyDocument": "%7B%22Sid%22%3A%20%22%C3%BC%2B+%22%7D"}}
    assert change(record("AcquireRole", requestParameters={}, responseElements=response)).document == '{"Sid": "\u00fc++"}'


def test_a_percent_in_the_request_is_left_as_it_is() -> None:
    assert change(record(requestParameters={"roleName": "r", "policyDocument": "%7B"})).document == "%7B"


def test_a_permissions_policy_is_never_taken_for_a_trust_policy() -> None:
    assert change(record("PutRolePolicy")).document is None


def test_a_document_with_half_a_character_can_still_be_stored() -> None:
    document = change(record(requestParameters={"roleName": "r", "policyDocument": "{\ud800"})).document
    assert document is not None
    assert document.encode().startswith(b"{")


# Skipped.

NOT_AUTHORIZED = "User: x is not authorized to perform: iam:UpdateRole on resource:"


def test_a_call_that_was_denied_is_skipped_with_the_role_from_the_message() -> None:
    message = (
        f"User: arn:aws:sts::{PROD}:assumed-role/dev/sam is not authorized to perform: iam:UpdateAssumeRolePolicy on resource: role "
        "orders-api because no identity-based policy allows the iam:UpdateAssumeRolePolicy action"
    )
    parsed = skipped(record(errorCode="AccessDenied", errorMessage=message, requestParameters=None))
    assert (parsed.reason, parsed.role_name, parsed.error_code) == (SkipReason.CALL_FAILED, "orders-api", "AccessDenied")
    assert "orders-api" in parsed.because


@pytest.mark.parametrize(
    ("message", "role_name"),
    [
        (f"{NOT_AUTHORIZED} arn:aws:iam::{PROD}:role/a/b/orders-api with an explicit deny", "orders-api"),
        (f"{NOT_AUTHORIZED} arn:aws:iam::{PROD}:role/orders-api", "orders-api"),
        (f"{NOT_AUTHORIZED} *", None),
        (f"{NOT_AUTHORIZED} role {'x' * 65}", None),
        ("Rate exceeded", None),
        (None, None),
        (7, None),
    ],
)
def test_the_role_of_a_denied_call_is_known_only_if_the_message_names_one(message: object, role_name: str | None) -> None:
    assert skipped(record(errorCode="AccessDenied", errorMessage=message, requestParameters=None)).role_name == role_name


def test_a_call_that_iam_refused_is_skipped_with_the_role_of_its_parameters() -> None:
    assert skipped(record(errorCode="MalformedPolicyDocumentException")).role_name == "orders-api"


@pytest.mark.parametrize("error_code", ["ServiceFailureException", "InternalFailure", "ServiceUnavailable"])
def test_a_call_that_failed_on_the_side_of_aws_is_looked_at(error_code: str) -> None:
    parsed = change(record(errorCode=error_code, errorMessage="try again"))
    assert parsed.failed
    assert (parsed.error_code, parsed.error_message, parsed.target) == (error_code, "try again", RoleTarget(PROD, "orders-api"))


def test_a_flag_that_says_read_only_does_not_hide_a_change() -> None:
    assert isinstance(parse_record(record(readOnly=True)), Change)


@pytest.mark.parametrize(
    ("event_source", "event_name", "read_only", "reason", "part"),
    [
        ("iam.amazonaws.com", "GetRole", True, SkipReason.READ_ONLY, None),
        ("iam.amazonaws.com", "CreateDelegationRequest", False, SkipReason.LATER_PART, Part.DELEGATION),
        ("iam.amazonaws.com", "CreateAccessKey", False, SkipReason.LATER_PART, Part.PERSISTENCE),
        ("iam.amazonaws.com", "CreateAccountAlias", False, SkipReason.OF_NO_INTEREST, None),
        ("sts.amazonaws.com", "GetCallerIdentity", True, SkipReason.READ_ONLY, None),
        ("s3.amazonaws.com", "CreateBucket", False, SkipReason.ANOTHER_SERVICE, None),
        ("s3.amazonaws.com", "UpdateAssumeRolePolicy", False, SkipReason.ANOTHER_SERVICE, None),
    ],
)
def test_what_this_reaction_is_not_for_is_skipped_with_its_reason(
    event_source: str, event_name: str, read_only: bool, reason: SkipReason, part: Part | None
) -> None:
    parsed = skipped(record(event_name, eventSource=event_source, readOnly=read_only))
    assert (parsed.reason, parsed.handled_by) == (reason, part)
    assert parsed.because.startswith(event_name)
    assert parsed.because.endswith(".")


def test_every_reason_has_a_sentence() -> None:
    for reason in SkipReason:
        assert Skipped("id", "Event", PROD, reason, handled_by=Part.DELEGATION, error_code="AccessDenied").because.endswith(".")


def test_no_event_belongs_to_two_parts() -> None:
    parts = (CHANGE_EVENTS, SESSION_EVENTS, ORGANIZATION_EVENTS, GUARD_EVENTS)
    pairs = [(source, name) for part in parts for source, names in part.items() for name in names]
    assert len(pairs) == len(set(pairs))


# The actor.


def test_the_actor_of_a_session_is_the_role_that_issued_it() -> None:
    identity = {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLE:run-7",
        "arn": f"arn:aws:sts::{PROD}:assumed-role/deployer/run-7",
        "accountId": PROD,
        "accessKeyId": "ASIAEXAMPLEEXAMPLE00",
        "invokedBy": "cloudformation.amazonaws.com",
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": f"arn:aws:iam::{PROD}:role/ci/deployer", "accountId": PROD}},
    }
    actor = change(record(userIdentity=identity)).actor
    assert actor.arn == f"arn:aws:iam::{PROD}:role/ci/deployer"
    assert (actor.session_name, actor.invoked_by, actor.principal_id) == ("run-7", "cloudformation.amazonaws.com", "AROAEXAMPLE:run-7")
    assert actor.name_for_people == "role ci/deployer as run-7"


def test_a_session_without_its_issuer_has_no_arn_rather_than_that_of_the_session() -> None:
    identity = {"type": "AssumedRole", "principalId": "AROAEXAMPLE:run-7", "arn": f"arn:aws:sts::{PROD}:assumed-role/deployer/run-7"}
    assert change(record(userIdentity=identity)).actor.arn is None


@pytest.mark.parametrize(
    ("identity", "kind", "arn", "name"),
    [
        (USER, "IAMUser", f"arn:aws:iam::{PROD}:user/jane", "user jane"),
        ({"type": "Root", "arn": ROOT, "accountId": PROD}, "Root", ROOT, f"the root user of {PROD}"),
        ({"type": "AWSService", "invokedBy": "rds.amazonaws.com"}, "AWSService", None, "rds.amazonaws.com"),
        ({"type": "AWSAccount", "principalId": "AIDAEXAMPLE", "accountId": STRANGER}, "AWSAccount", None, "AIDAEXAMPLE"),
        ({"type": "WebIdentityUser", "principalId": "p:a:s"}, "WebIdentityUser", None, "p:a:s"),
        ({"type": 7, "arn": [], "accountId": "12"}, "Unknown", None, "an unnamed caller (Unknown)"),
        (None, "Unknown", None, "an unnamed caller (Unknown)"),
        ("text", "Unknown", None, "an unnamed caller (Unknown)"),
    ],
)
def test_an_actor_of_any_kind_is_named(identity: object, kind: str, arn: str | None, name: str) -> None:
    actor = change(record(userIdentity=identity)).actor
    assert (actor.kind, actor.arn, actor.name_for_people) == (kind, arn, name)


def test_text_of_the_callers_choice_cannot_break_a_terminal_or_an_encoding() -> None:
    actor = change(record(userAgent="a\x1b[2J\ud800\u202e\nb")).actor
    assert actor.user_agent == "a\ufffd[2J\ufffd\ufffd\ufffdb"


# Secrets.


@pytest.mark.parametrize("event_name", ["CreateRole", "CreateSAMLProvider", "GetRole", "CreateAccessKey"])
def test_credentials_reach_no_value_and_no_repr(event_name: str) -> None:
    secret = "EXAMPLE-SECRET"
    credentials = {"credentials": {"accessKeyId": secret, "secretAccessKey": secret, "sessionToken": secret}}
    identity = {**USER, "accessKeyId": secret}
    parsed = parse_record(record(event_name, responseElements=credentials, userIdentity=identity))
    assert secret not in repr(parsed)
    assert secret not in repr([getattr(parsed, name) for name in type(parsed).__match_args__])


def test_an_external_id_in_the_trust_policy_is_not_in_the_repr() -> None:
    document = '{"sts:ExternalId": "EXAMPLE-EXTERNAL-ID"}'
    assert "EXAMPLE-EXTERNAL-ID" not in repr(change(record(requestParameters={"roleName": "r", "policyDocument": document})))
