"""The evidence bucket: locked, readable by the auditor alone, written by one function, deleted by nobody; and that reports do not loop.

What is locked how long, and that nobody passes, is judged by our own evaluator, since the emulator does not lock what a stack makes.
"""

import json
import re
from typing import Any

import pytest

from doorward.aws.evidence import LEASE
from doorward.aws.reporting import DETAIL_TYPE, SOURCE
from doorward.iam.requests import evaluate_json
from doorward.usecases.keep_evidence import PREFIX
from tests.template.conftest import REPOSITORY, as_list, resources_of, statements_of

type Template = dict[str, Any]
HUB = "111122223333"
BUCKET = "arn:aws:s3:::evidence"
OBJECT = f"{BUCKET}/{PREFIX}777788889999/payments/dw-1.json"
WRITER, AUDITOR = (f"arn:aws:iam::{HUB}:role/{name}" for name in ("doorward/doorward-keep-evidence", "doorward-auditor"))
ADMINISTRATOR, ROOT = f"arn:aws:iam::{HUB}:role/admin", f"arn:aws:iam::{HUB}:root"


def resolved(value: Any) -> Any:
    """The template's values, as they are in the hub account."""
    match value:
        case {"Fn::GetAtt": ["EvidenceBucket", "Arn"]}:
            return BUCKET
        case {"Fn::Sub": str(text)}:
            known = {"${EvidenceBucket.Arn}": BUCKET, "${AWS::Partition}": "aws", "${AWS::AccountId}": HUB}
            for name, each in known.items():
                text = text.replace(name, each)
            assert "${" not in text
            return text
        case dict():
            return {name: resolved(each) for name, each in value.items()}
        case list():
            return [resolved(each) for each in value]
    return value


@pytest.fixture(scope="session")
def bucket_policy(hub: Template) -> Template:
    document: Template = resolved(hub["Resources"]["EvidenceBucketPolicy"]["Properties"]["PolicyDocument"])
    return document


def may(bucket_policy: Template, who: str, action: str, what: str = OBJECT, own: Any = None, **context: str) -> bool:
    """Whether somebody of the hub account may, who is himself allowed everything, or what `own` allows."""
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    question = {
        "request": {
            "principal": who,
            "action": action,
            "resource": what,
            "resource_account": HUB,
            "context": {"aws:PrincipalArn": who, "aws:SecureTransport": "true", **context},
        },
        "policies": {"identity": [own or everything], "resource": bucket_policy},
    }
    return bool(evaluate_json(question)["decision"] == "allowed")


def of_role(hub: Template, role: str) -> Template:
    statements = resolved([each for each in statements_of(hub["Resources"][role]) if "EvidenceBucket" in str(each["Resource"])])
    return {"Version": "2012-10-17", "Statement": statements}


def test_every_version_is_locked_for_the_days_and_in_the_mode_that_the_parameters_say(hub: Template) -> None:
    bucket = hub["Resources"]["EvidenceBucket"]["Properties"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["ObjectLockEnabled"] is True
    retention = bucket["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert retention == {"Mode": {"Ref": "EvidenceMode"}, "Days": {"Ref": "EvidenceDays"}}
    assert (hub["Parameters"]["EvidenceMode"]["Default"], hub["Parameters"]["EvidenceDays"]["Default"]) == ("GOVERNANCE", 400)


def test_the_bucket_is_private_encrypted_and_stays_when_the_stack_goes(hub: Template) -> None:
    for name in ("EvidenceBucket", "EvidenceBucketPolicy"):
        assert hub["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert hub["Resources"][name]["UpdateReplacePolicy"] == "Retain"
    bucket = hub["Resources"]["EvidenceBucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert "ServerSideEncryptionConfiguration" in bucket["BucketEncryption"]


def test_one_function_writes_and_only_under_its_prefix(hub: Template, bucket_policy: Template) -> None:
    own = of_role(hub, "KeepEvidenceRole")
    assert may(bucket_policy, WRITER, "s3:PutObject", own=own)
    assert not may(bucket_policy, WRITER, "s3:PutObject", f"{BUCKET}/elsewhere.json", own=own)
    assert [action for each in own["Statement"] for action in as_list(each["Action"])] == ["s3:PutObject"]
    for who in (ADMINISTRATOR, ROOT, AUDITOR, f"{WRITER}x"):
        assert not may(bucket_policy, who, "s3:PutObject"), who


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAttributes"])
def test_the_auditor_alone_reads(hub: Template, bucket_policy: Template, action: str) -> None:
    assert may(bucket_policy, AUDITOR, action)
    for who in (WRITER, ADMINISTRATOR, ROOT, f"arn:aws:iam::{HUB}:role/doorward/doorward-auditor"):
        assert not may(bucket_policy, who, action), who


def test_the_auditor_reads_what_he_needs_and_does_nothing_else(hub: Template, bucket_policy: Template) -> None:
    own = of_role(hub, "AuditorRole")
    for action in ("s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention"):
        assert may(bucket_policy, AUDITOR, action, own=own), action
    for action in ("s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketObjectLockConfiguration", "s3:GetBucketVersioning"):
        assert may(bucket_policy, AUDITOR, action, BUCKET, own=own), action
    for action in ("s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"):
        assert not may(bucket_policy, AUDITOR, action, own=own), action


@pytest.mark.parametrize("action", ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention", "s3:PutObjectRetention"])
@pytest.mark.parametrize("who", [WRITER, AUDITOR, ADMINISTRATOR, ROOT])
def test_nobody_deletes_hides_or_unlocks(bucket_policy: Template, who: str, action: str) -> None:
    assert not may(bucket_policy, who, action)


def test_nothing_goes_in_clear_over_the_wire(bucket_policy: Template) -> None:
    for who, action in ((WRITER, "s3:PutObject"), (AUDITOR, "s3:GetObject")):
        assert may(bucket_policy, who, action)
        assert not may(bucket_policy, who, action, **{"aws:SecureTransport": "false"})


def test_the_policy_is_what_stands_in_the_way() -> None:
    nothing = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:Nothing", "Resource": "*"}]}
    assert all(may(nothing, ADMINISTRATOR, action) for action in ("s3:PutObject", "s3:GetObject", "s3:DeleteObjectVersion"))


def test_there_is_no_auditor_unless_one_is_named_and_he_is_named_to_the_letter(hub: Template) -> None:
    role = hub["Resources"]["AuditorRole"]
    assert role["Condition"] == "HasAuditor"
    assert hub["Conditions"]["HasAuditor"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "AuditorPrincipalArn"}, ""]}]}
    assert hub["Parameters"]["AuditorPrincipalArn"]["Default"] == ""
    ((statement),) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"] == {"ArnEquals": {"aws:PrincipalArn": {"Ref": "AuditorPrincipalArn"}}}
    pattern = re.compile(hub["Parameters"]["AuditorPrincipalArn"]["AllowedPattern"])
    assert pattern.fullmatch("arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Audit_0123456789abcdef")
    for wrong in ("arn:aws:iam::111122223333:root", "*", "arn:aws:iam::111122223333:role/*", "arn:aws:iam::111122223333:role/a?"):
        assert not pattern.fullmatch(wrong), wrong


def test_a_turn_outlives_the_function_that_took_it(hub: Template) -> None:
    assert LEASE.total_seconds() > hub["Resources"]["KeepEvidenceFunction"]["Properties"]["Timeout"]


def test_cases_are_read_and_not_written_by_what_keeps_their_evidence(hub: Template) -> None:
    keys = {}
    for statement in statements_of(hub["Resources"]["KeepEvidenceRole"]):
        if "LedgerTable" in str(statement["Resource"]):
            assert statement["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"}  # ForAllValues is true on none
            keys[statement["Action"]] = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    assert keys == {"dynamodb:GetItem": "ROLE#*", "dynamodb:UpdateItem": "EVIDENCE#*"}


# Reports


def test_what_is_reported_reaches_no_rule_of_this_stack_so_that_nothing_loops(hub: Template) -> None:
    for name, rule in resources_of(hub, "AWS::Events::Rule").items():
        assert SOURCE not in rule["Properties"].get("EventPattern", {}).get("source", []), name
        assert DETAIL_TYPE not in str(rule["Properties"].get("EventPattern")), name
    (statement,) = [each for each in statements_of(hub["Resources"]["ReportFindingsRole"]) if each["Action"] == "events:PutEvents"]
    assert statement["Condition"] == {"StringEquals": {"events:source": SOURCE}}


def test_every_step_of_a_case_is_kept_and_reported(hub: Template) -> None:
    rule = hub["Resources"]["CaseRule"]["Properties"]
    assert rule["EventPattern"]["source"] == ["doorward.guardrails"]
    said = json.loads((REPOSITORY / "docs/schemas/doorward.guardrails.1.json").read_text("utf-8"))["description"]
    about_cases = set(re.findall(r"Trust\w+", said)) - {"TrustChangeUnread"}  # that one is about no case
    assert about_cases <= set(rule["EventPattern"]["detail-type"])
    assert {each["Arn"]["Fn::GetAtt"][0] for each in rule["Targets"]} == {"EvidenceQueue", "ReportQueue"}


def test_security_hub_is_asked_for_and_then_reached_by_its_own_product_alone(hub: Template) -> None:
    assert hub["Parameters"]["SecurityHub"]["Default"] == "false"
    policy = hub["Resources"]["ReportFindingsSecurityHub"]
    assert policy["Condition"] == "ToSecurityHub"
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Action"] == "securityhub:BatchImportFindings"
    assert statement["Resource"]["Fn::Sub"].endswith(":${AWS::AccountId}:product/${AWS::AccountId}/default")
