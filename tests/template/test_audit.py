"""The audit: who may write what of it, who signs, who seals; judged by our own evaluator where policies meet."""

from typing import Any

import pytest

from doorward.audit.roots import Page, key_of
from doorward.audit.stored import ITEM_PREFIX, LAST_ROOT, shard_key
from doorward.audit.verifying import YOUNG
from doorward.iam.requests import evaluate_json
from tests.template.conftest import as_list, resources_of, statements_of
from tests.template.test_evidence import ADMINISTRATOR, AUDITOR, BUCKET, HUB, OBJECT, ROOT, WRITER, may, of_role, resolved

type Template = dict[str, Any]
SEALER = f"arn:aws:iam::{HUB}:role/doorward/doorward-seal-audit"
KEY = f"arn:aws:kms:us-east-1:{HUB}:key/0f0e0d0c-0b0a-4908-8706-050403020100"
SEALED = f"{BUCKET}/{key_of(1)}"
APPENDED = {"AUDIT#*", "HEADS#*"}


@pytest.fixture(scope="session")
def bucket_policy(hub: Template) -> Template:
    document: Template = resolved(hub["Resources"]["EvidenceBucketPolicy"]["Properties"]["PolicyDocument"])
    return document


def may_with_key(hub: Template, who: str, action: str, role: str | None = None) -> bool:
    """Whether somebody of the hub account may, who is himself allowed everything, or what `role` allows him with the key."""
    own = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    if role is not None:
        about = [each for each in statements_of(hub["Resources"][role]) if each["Resource"] == {"Fn::GetAtt": ["AuditKey", "Arn"]}]
        own = {"Version": "2012-10-17", "Statement": [{**each, "Resource": KEY} for each in about]}
    question = {
        "request": {"principal": who, "action": action, "resource": KEY, "resource_account": HUB, "context": {"aws:PrincipalArn": who}},
        "policies": {"identity": [own], "resource": resolved(hub["Resources"]["AuditKey"]["Properties"]["KeyPolicy"])},
    }
    return bool(evaluate_json(question)["decision"] == "allowed")


def test_one_function_signs_and_nobody_else_whatever_he_is_allowed(hub: Template) -> None:
    assert may_with_key(hub, SEALER, "kms:Sign", "SealAuditRole")
    for who in (ADMINISTRATOR, ROOT, AUDITOR, WRITER, f"{SEALER}x", f"arn:aws:iam::{HUB}:role/doorward-seal-audit"):
        assert not may_with_key(hub, who, "kms:Sign"), who


def test_the_auditor_reads_the_half_that_verifies_and_does_nothing_else_with_the_key(hub: Template) -> None:
    assert may_with_key(hub, AUDITOR, "kms:GetPublicKey", "AuditorRole")
    for action in ("kms:Sign", "kms:PutKeyPolicy", "kms:CreateGrant", "kms:ScheduleKeyDeletion", "kms:DisableKey"):
        assert not may_with_key(hub, AUDITOR, action, "AuditorRole"), action
        assert not may_with_key(hub, SEALER, action, "SealAuditRole") or action == "kms:Sign", action


def test_the_key_is_asymmetric_and_stays_when_the_stack_goes(hub: Template) -> None:
    key = hub["Resources"]["AuditKey"]
    assert (key["Properties"]["KeySpec"], key["Properties"]["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")
    assert key["DeletionPolicy"] == "RetainExceptOnCreate"
    assert key["UpdateReplacePolicy"] == "Retain"


def test_each_writer_of_the_bucket_puts_under_its_own_prefix_alone(hub: Template, bucket_policy: Template) -> None:
    sealing, keeping = of_role(hub, "SealAuditRole"), of_role(hub, "KeepEvidenceRole")
    for key in (SEALED, f"{BUCKET}/{Page('0', 'f' * 64).key}"):
        assert may(bucket_policy, SEALER, "s3:PutObject", key, own=sealing)
        assert not may(bucket_policy, WRITER, "s3:PutObject", key, own=keeping)
        assert not may(bucket_policy, ADMINISTRATOR, "s3:PutObject", key)
    assert not may(bucket_policy, SEALER, "s3:PutObject", OBJECT, own=sealing)


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectRetention"])
def test_a_root_is_not_read_deleted_or_unlocked_by_who_put_it(bucket_policy: Template, action: str) -> None:
    assert not may(bucket_policy, SEALER, action, SEALED)


def test_the_auditor_reads_roots_and_pages(hub: Template, bucket_policy: Template) -> None:
    own = of_role(hub, "AuditorRole")
    for action in ("s3:GetObject", "s3:GetObjectVersion"):
        assert may(bucket_policy, AUDITOR, action, SEALED, own=own)


def _of_the_table(hub: Template) -> dict[str, list[dict[str, Any]]]:
    """Every statement of every role that is about the audit table."""
    found = {
        name: [each for each in statements_of(role) if "AuditTable" in str(each["Resource"])]
        for name, role in resources_of(hub, "AWS::IAM::Role").items()
    }
    return {name: statements for name, statements in found.items() if statements}


def test_nobody_updates_or_deletes_an_item_and_each_stays_among_his_own_keys(hub: Template) -> None:
    touched = _of_the_table(hub)
    assert {"SealAuditRole", "AuditorRole"} <= touched.keys()
    for role, statements in touched.items():
        for statement in statements:
            actions = set(as_list(statement["Action"]))
            if role == "AuditorRole":
                assert actions == {"dynamodb:Query", "dynamodb:Scan"}
                continue
            assert actions <= {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"}, role
            assert statement["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"}  # ForAllValues is true on none
            (keys,) = [each["dynamodb:LeadingKeys"] for name, each in statement["Condition"].items() if name.startswith("ForAllValues:")]
            if role == "SealAuditRole":
                assert keys == ("HEADS#*" if actions == {"dynamodb:Query"} else "ROOT")
            else:  # whoever decides: he appends, and reads where a chain ends
                assert set(as_list(keys)) <= APPENDED, role


def test_the_keys_that_policies_name_are_those_that_the_code_writes() -> None:
    assert (ITEM_PREFIX, shard_key("0"), LAST_ROOT["pk"]) == ("AUDIT#", "HEADS#0", "ROOT")


def test_nothing_of_the_audit_expires(hub: Template) -> None:
    assert "TimeToLiveSpecification" not in hub["Resources"]["AuditTable"]["Properties"]


def test_it_is_sealed_every_five_minutes_and_who_stops_that_is_told_of(hub: Template) -> None:
    assert hub["Resources"]["SealRule"]["Properties"]["ScheduleExpression"] == "rate(5 minutes)"
    assert YOUNG.total_seconds() == 3 * 300
    assert hub["Resources"]["SealAuditFunction"]["Properties"]["Timeout"] < 300  # a turn ends before the next
    alarm = hub["Resources"]["SealingStoppedAlarm"]["Properties"]
    assert (alarm["TreatMissingData"], alarm["MetricName"]) == ("breaching", "Invocations")
    assert "SealAuditErrorsAlarm" in hub["Resources"]


def test_whoever_touches_the_key_is_told_of(hub: Template) -> None:
    guarded = hub["Resources"]["WatchGuardFunction"]["Properties"]["Environment"]["Variables"]["GUARDED_IDENTIFIERS"]
    assert {"Ref": "AuditKey"} in guarded["Fn::Join"][1]
    (pattern,) = [
        each["keyId"]
        for rule in [hub["Resources"]["TellManagementOfStoresRule"]["Properties"]["EventPattern"]["detail"]["$or"]]
        for each in [branch["requestParameters"] for branch in rule if "requestParameters" in branch]
        if "keyId" in each
    ]
    assert {"wildcard": {"Fn::Sub": "*${AuditKey}"}} in pattern
