"""What each sample event leads to; and whether real records have the same keys and types, where they are at hand."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from doorward.errors import MalformedInput
from doorward.events.model import (
    AccountTarget,
    Change,
    GuardEvent,
    OrganizationEvent,
    PolicyTarget,
    ProviderTarget,
    RolesTarget,
    RoleTarget,
    SessionEvent,
    Skipped,
    SkipReason,
)
from doorward.events.records import parse_envelope, parse_record
from tests.shapes import Shape, differences, differences_from_all, shape_of

REPO = Path(__file__).parents[2]
SAMPLES = REPO / "events"
REAL = REPO.parent / "shared" / "cloudtrail"
needs_real_records = pytest.mark.skipif(not REAL.is_dir(), reason="the real CloudTrail records are not at hand (../shared/cloudtrail)")

SHARED_SERVICES, STAGING, PROD = "444455556666", "222233334444", "777788889999"
OIDC = ProviderTarget(PROD, f"arn:aws:iam::{PROD}:oidc-provider/token.actions.githubusercontent.com")
SAML = ProviderTarget(PROD, f"arn:aws:iam::{PROD}:saml-provider/corp")

EXPECTED: dict[str, object] = {
    "eks.CreatePodIdentityAssociation.into-another-account": RolesTarget(
        (RoleTarget(PROD, "orders-api"), RoleTarget(STAGING, "shared-data"))
    ),
    "events.DisableRule.ours": GuardEvent,
    "events.PutRule.padded": GuardEvent,
    "iam.AcquireRole.from-template": RoleTarget(STAGING, "from-template"),
    "iam.AddClientIDToOpenIDConnectProvider.second-audience": OIDC,
    "iam.AttachRolePolicy.administrator": RoleTarget(PROD, "monitoring-vendor"),
    "iam.CreateOpenIDConnectProvider.github": OIDC,
    "iam.CreatePolicyVersion.wider": PolicyTarget(PROD, f"arn:aws:iam::{PROD}:policy/orders"),
    "iam.CreateRole.github-wildcard": RoleTarget(PROD, "github-deploy"),
    "iam.CreateRole.legitimate": RoleTarget(PROD, "orders-migration"),
    "iam.CreateRole.padded": AccountTarget(STAGING),
    "iam.CreateRole.stranger": RoleTarget(STAGING, "support-access"),
    "iam.CreateSAMLProvider.corp": SAML,
    "iam.DeleteOpenIDConnectProvider.github": OIDC,
    "iam.DeleteRole.cleanup": RoleTarget(STAGING, "support-access"),
    "iam.DeleteRolePermissionsBoundary.boundary-taken-away": RoleTarget(PROD, "orders-api"),
    "iam.DeleteSAMLProvider.corp": SAML,
    "iam.GetRole.read-only": SkipReason.READ_ONLY,
    "iam.PutRolePolicy.inline": RoleTarget(PROD, "monitoring-vendor"),
    "iam.RemoveClientIDFromOpenIDConnectProvider.second-audience": OIDC,
    "iam.UpdateAssumeRolePolicy.anyone": RoleTarget(PROD, "orders-api"),
    "iam.UpdateAssumeRolePolicy.by-cloudformation": RoleTarget(STAGING, "orders-worker"),
    "iam.UpdateAssumeRolePolicy.by-pipeline": RoleTarget(SHARED_SERVICES, "artifact-reader"),
    "iam.UpdateAssumeRolePolicy.denied": SkipReason.CALL_FAILED,
    "iam.UpdateAssumeRolePolicy.legitimate": RoleTarget(PROD, "orders-api"),
    "iam.UpdateAssumeRolePolicy.padded": AccountTarget(PROD),
    "iam.UpdateAssumeRolePolicy.refused-document": SkipReason.CALL_FAILED,
    "iam.UpdateAssumeRolePolicy.replayed": RoleTarget(PROD, "orders-api"),
    "iam.UpdateAssumeRolePolicy.stranger": RoleTarget(PROD, "orders-api"),
    "iam.UpdateAssumeRolePolicy.vendor": RoleTarget(PROD, "monitoring-vendor"),
    "iam.UpdateAssumeRolePolicy.vendor-without-external-id": RoleTarget(PROD, "monitoring-vendor"),
    "iam.UpdateOpenIDConnectProviderThumbprint.other-certificate": OIDC,
    "iam.UpdateRole.longer-sessions": RoleTarget(PROD, "orders-api"),
    "iam.UpdateRoleDescription.reworded": RoleTarget(PROD, "orders-api"),
    "iam.UpdateSAMLProvider.corp": SAML,
    "lambda.UpdateFunctionCode20150331v2.ours": GuardEvent,
    "malformed.another-account": "$.detail.recipientAccountId",
    "malformed.bare-record": "$",
    "malformed.forged-event-source": "$.detail.eventSource",
    "malformed.forged-source": "$.source",
    "malformed.no-account": "$.account",
    "malformed.records-file": "$.Records",
    "malformed.role-name": "$.detail.requestParameters.roleName",
    "organizations.LeaveOrganization.denied": OrganizationEvent,
    "organizations.MoveAccount.to-the-root": OrganizationEvent,
    "rolesanywhere.CreateProfile.two-roles": RolesTarget((RoleTarget(PROD, "orders-api"), RoleTarget(PROD, "deploy"))),
    "sts.AssumeRole.callers-side": SessionEvent,
    "sts.AssumeRole.denied": SessionEvent,
    "sts.AssumeRole.vendor": SessionEvent,
}
"""A target, a reason to skip, the kind of event, or the path at which the sample is malformed."""


def outcome(value: Any) -> object:
    try:
        parsed = parse_envelope(value)
    except MalformedInput as refused:
        return str(refused).split(" ", 1)[0]
    if isinstance(parsed, Change):
        return parsed.target
    return parsed.handled_by or parsed.reason if isinstance(parsed, Skipped) else type(parsed)


@cache
def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_a_sample_leads_to_what_it_says(name: str) -> None:
    assert outcome(sample(name)) == EXPECTED[name]


def test_every_sample_is_expected_to_lead_to_something() -> None:
    assert {path.stem for path in SAMPLES.glob("*.json")} == EXPECTED.keys() | {"sqs.batch.one-change", "sqs.batch.some-malformed"}


def test_every_sample_is_in_the_readme() -> None:
    readme = (SAMPLES / "README.md").read_text()
    assert [path.stem for path in SAMPLES.glob("*.json") if f"`{path.stem}`" not in readme] == []


@pytest.mark.parametrize("name", [name for name in EXPECTED if not name.startswith("malformed.")])
def test_a_sample_is_named_after_its_event(name: str) -> None:
    source, event_name, _ = name.split(".")
    assert (sample(name)["source"], sample(name)["detail"]["eventName"]) == (f"aws.{source}", event_name)


def test_a_replayed_sample_is_the_same_event_again() -> None:
    assert sample("iam.UpdateAssumeRolePolicy.replayed") == sample("iam.UpdateAssumeRolePolicy.stranger") | {
        "replay-name": "after-the-outage"
    }


def test_the_bodies_of_a_batch_are_parsed_one_by_one() -> None:
    (only,) = sample("sqs.batch.one-change")["Records"]
    assert outcome(only["body"]) == RoleTarget(PROD, "orders-api")
    outcomes = [outcome(message["body"]) for message in sample("sqs.batch.some-malformed")["Records"]]
    assert outcomes == [RoleTarget(PROD, "github-deploy"), "$", "$.source", SkipReason.READ_ONLY]


def test_no_sample_contains_a_key_that_could_be_real() -> None:
    for path in SAMPLES.iterdir():
        text = path.read_text().replace("ASIAEXAMPLEEXAMPLE00", "")
        assert not any(prefix in text for prefix in ("ASIA", "AKIA", "secretAccessKey")), path.name


# Against real records.


def test_a_shape_tells_what_is_missing_unexpected_and_of_another_type() -> None:
    expected, actual = shape_of({"a": 1, "b": [{"c": None}], "d": "x"}), shape_of({"a": "1", "b": [{"c": None, "e": True}]})
    assert differences(expected, expected) == set()
    assert differences(expected, actual) == {"$.a is unexpectedly string", "$.b[].e is unexpected", "$.d is missing"}


def test_several_examples_excuse_what_one_of_them_has() -> None:
    examples = [shape_of({"a": 1}), shape_of({"a": 1, "b": {"c": 1}}), shape_of({"a": None})]
    assert differences_from_all(examples, shape_of({"a": None, "b": {"c": 1}})) == set()
    assert differences_from_all(examples, shape_of({"b": {"c": 1, "d": 1}})) == {"$.a is missing", "$.b.d is unexpected"}


@cache
def real_records() -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(REAL.glob("*.json"))}


REAL_CHANGES = {
    "AttachRolePolicy-invictus": "stratus-red-team-usr-data-role",
    "AttachRolePolicy-invictus-2": "stratus-red-team-ec2lui-role-wuzemnoeqa",
    "AttachRolePolicy-stratus": "stratus-red-team-malicious-iam-role",
    "CreatePolicyVersion-splunk": "PolicyTarget",
    "CreateProfile-invictus": "RolesTarget",
    "CreateProfile-stratus": "RolesTarget",
    "CreateRole-invictus": "stratus-red-team-ec2lui-role-wuzemnoeqa",
    "CreateRole-invictus-2": "stratus-red-team-leave-org-role",
    "CreateRole-invictus-3": "stratus-red-team-trust-anchor-role",
    "CreateRole-invictus-4": "stratus-red-team-ec2-steal-credentials-role",
    "CreateRole-invictus-5": "stratus-red-team-olc-lambda-xhfgzaowxc",
    "CreateRole-stratus": "stratus-red-team-malicious-iam-role",
    "CreateTrustAnchor-invictus": "ServiceTarget",
    "CreateTrustAnchor-stratus": "ServiceTarget",
    "DeleteProfile-invictus": "RolesTarget",
    "DeleteRole-invictus": "stratus-red-team-get-usr-data-role",
    "DeleteRolePolicy-invictus": "stratus-red-team-ec2-get-password-data-role",
    "DeleteTrustAnchor-invictus": "ServiceTarget",
    "DetachRolePolicy-invictus": "stratus-red-team-ec2lui-role-pcccexdthk",
    "PutRolePolicy-invictus": "stratus-red-team-get-usr-data-role",
    "PutRolePolicy-invictus-2": "stratus-red-team-ec2-steal-credentials-role",
    "SetDefaultPolicyVersion-splunk": "PolicyTarget",
    "UpdateAssumeRolePolicy-invictus": "stratus-red-team-backdoor-r-role",
    "UpdateAssumeRolePolicy-invictus-2": "stratus-red-team-backdoor-r-role",
    "UpdateAssumeRolePolicy-stratus": "stratus-red-team-backdoor-r-role",
    "UpdateSAMLProvider-splunk": "ProviderTarget",
}
"""The role that each real change names, or the kind of its target."""

REAL_OTHERS = {
    "AddRoleToInstanceProfile": SkipReason.OF_NO_INTEREST,
    "AssumeRole": SessionEvent,
    "AssumeRoleWithSAML": SessionEvent,
    "DeleteTrail": GuardEvent,
    "GetAccountAuthorizationDetails": SkipReason.READ_ONLY,
    "GetCallerIdentity": SkipReason.READ_ONLY,
    "GetFederationToken": SessionEvent,
    "GetRole": SkipReason.READ_ONLY,
    "LeaveOrganization": OrganizationEvent,
    "PutEventSelectors": GuardEvent,
    "StopLogging": GuardEvent,
    "UpdateTrail": GuardEvent,
}
"""By event name: what it is read as, or why it is skipped."""


@needs_real_records
def test_every_real_record_leads_to_what_the_table_says() -> None:
    assert len(real_records()) > len(REAL_CHANGES)
    found: dict[str, object] = {}
    expected: dict[str, object] = {}
    for name, record in real_records().items():
        parsed = parse_record(record)
        if isinstance(parsed, Change):
            found[name] = parsed.target.role_name if isinstance(parsed.target, RoleTarget) else type(parsed.target).__name__
        else:
            found[name] = parsed.reason if isinstance(parsed, Skipped) else type(parsed)
        assert (parsed.account_id, parsed.event_name) == (record["recipientAccountId"], record["eventName"])
        expected[name] = REAL_CHANGES.get(name) or REAL_OTHERS.get(name.split("-")[0])
    assert found == expected


@needs_real_records
def test_no_credential_of_a_real_record_is_in_what_is_read_of_it() -> None:
    for name, record in real_records().items():
        credentials = (record.get("responseElements") or {}).get("credentials") or {}
        secrets = [value for key, value in credentials.items() if key != "expiration"] + [record["userIdentity"].get("accessKeyId")]
        for secret in filter(None, secrets):
            assert str(secret) not in repr(parse_record(record)), name


@needs_real_records
def test_real_sessions_name_their_role_also_where_they_were_denied() -> None:
    for name, record in real_records().items():
        parsed = parse_record(record)
        if isinstance(parsed, SessionEvent) and parsed.event_name.startswith("AssumeRole"):
            assert parsed.role_arn is not None, name
            assert parsed.role_account_id == parsed.role_arn.split(":")[4], name
            assert parsed.failed is ("errorCode" in record), name
            assert (parsed.expires_at is None) is parsed.failed, name


@needs_real_records
def test_a_real_record_means_the_same_in_an_envelope() -> None:
    for record in real_records().values():
        envelope = {
            "source": "aws." + record["eventSource"].split(".")[0],
            "detail-type": "AWS API Call via CloudTrail",
            "account": record["recipientAccountId"],
            "region": record["awsRegion"],
            "detail": record,
        }
        assert parse_envelope(json.dumps(envelope)) == parse_record(record)


@needs_real_records
def test_the_document_of_a_real_change_of_trust_is_the_policy_that_it_carried() -> None:
    for name in (name for name in REAL_CHANGES if name.startswith(("CreateRole", "UpdateAssumeRolePolicy"))):
        parsed = parse_record(real_records()[name])
        assert isinstance(parsed, Change)
        assert json.loads(parsed.document or "")["Version"] == "2012-10-17", name


def without_the_call(record: Any) -> Shape:
    """What every record has, whatever was called, by whom, and how it ended."""
    kept = (
        "requestParameters",
        "responseElements",
        "userIdentity",
        "errorCode",
        "errorMessage",
        "resources",
        "sharedEventID",
        "tlsDetails",
    )
    return shape_of({key: value for key, value in record.items() if key not in kept})


DOCUMENTED = {"$.invokedBy is unexpected", "$.externalId is unexpected"}
"""Keys that AWS documents and none of the real records at hand happens to have."""


@needs_real_records
@pytest.mark.parametrize("name", [name for name in EXPECTED if not name.startswith("malformed.")])
def test_a_sample_has_the_keys_and_types_of_real_records(name: str) -> None:
    ours = sample(name)["detail"]
    real = list(real_records().values())
    same_event = [
        record for record in real if record["eventName"] == ours["eventName"] and not ours.get("errorCode") and "padded" not in name
    ]
    same_actor = [record for record in real if record["userIdentity"]["type"] == ours["userIdentity"]["type"]]
    assert differences_from_all(map(without_the_call, real), without_the_call(ours)) == set()
    found = differences_from_all((shape_of(record["userIdentity"]) for record in same_actor), shape_of(ours["userIdentity"]))
    assert found - DOCUMENTED == set()
    for key in ("requestParameters", "responseElements"):
        found = differences_from_all((shape_of(record.get(key)) for record in same_event), shape_of(ours.get(key)))
        assert found - DOCUMENTED == set(), key
