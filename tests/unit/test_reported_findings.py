"""A case as ASFF and as OCSF: what each format asks for, and what people find in it.

The required attributes of OCSF's class and of its objects are those of https://schema.ocsf.io/1.1.0/classes/detection_finding?profiles=cloud.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from doorward.findings.asff import Hub, security_finding
from doorward.findings.model import Severity
from doorward.findings.ocsf import detection_finding
from doorward.findings.reported import Reported, reported
from tests.unit.test_keep_evidence import announced
from tests.unit.test_react_to_change import BAD, PROD, STRANGER, World, event, role

HUB = Hub("111122223333", "us-east-1", "aws")
OPEN = ("TrustViolationFound", "TrustPolicyUndecidable", "TrustRemedyFailed")
OVER = ("TrustPolicyReverted", "TrustRemedyVerified", "TrustViolationEnded")
EXTERNAL_ID = "4f1c2d3e-5b6a-4c7d-8e9f-0a1b2c3d4e5f"


def case(detail_type: str = "TrustViolationFound", *, at: datetime | None = None, **changes: Any) -> Reported:
    world = World()
    world.accepted()
    world.roles.put(role(BAD, path="/team/"))
    world.react(event())
    announcement = announced(world)[0]
    return reported("dw-1-x", detail_type, {**announcement.detail, **changes}, at or announcement.at)


def asff(reported_case: Reported) -> dict[str, Any]:
    finding = security_finding(reported_case, HUB)
    shape = botocore.session.get_session().get_service_model("securityhub").shape_for("AwsSecurityFinding")
    report = ParamValidator().validate(finding, shape)
    assert not report.has_errors(), report.generate_report()
    assert len(json.dumps(finding)) < 240 * 1024
    assert (len(finding["Title"]) <= 256, len(finding["Description"]) <= 1024) == (True, True)
    assert len(finding["ProductFields"]) <= 50
    assert all(len(name) <= 128 and 0 < len(value) <= 2048 for name, value in finding["ProductFields"].items())
    assert finding["CreatedAt"] <= finding["UpdatedAt"]
    return finding


# By attribute: of the class, then of each object that stands in it. `cloud` is required by the profile.
REQUIRED: dict[str, tuple[str, ...]] = {
    "": ("activity_id", "category_uid", "class_uid", "cloud", "finding_info", "metadata", "severity_id", "time", "type_uid"),
    "metadata": ("product", "version"),
    "metadata.product": ("vendor_name",),
    "cloud": ("provider",),
    "finding_info": ("title", "uid"),
    "finding_info.analytic": ("type_id",),
    "evidences[].api": ("operation",),
    "evidences[].api.request": ("uid",),
    "remediation": ("desc",),
}
TYPES: dict[str, type | tuple[type, ...]] = {"time": int, "activity_id": int, "type_uid": int, "severity_id": int, "status_id": int}


def ocsf(reported_case: Reported) -> dict[str, Any]:
    value = detection_finding(reported_case, "us-east-1")
    for path, names in REQUIRED.items():
        found: list[Any] = [value]
        for name in filter(None, path.replace("[]", ".[]").split(".")):
            found = [inner for each in found for inner in (each if name == "[]" else [each[name]] if name in each else [])]
        for each in found:
            assert set(names) <= set(each), path
    assert all(isinstance(value[name], kind) for name, kind in TYPES.items())
    assert value["type_uid"] == value["class_uid"] * 100 + value["activity_id"] == 200400 + value["activity_id"]
    assert value["category_uid"] == value["class_uid"] // 1000
    assert len(json.dumps(value)) < 200_000  # an event of EventBridge takes 256 KB
    return value


def test_the_member_role_is_the_resource_and_the_hub_the_account_of_the_finding() -> None:
    finding = asff(case())
    assert (finding["AwsAccountId"], finding["ProductArn"]) == (
        "111122223333",
        "arn:aws:securityhub:us-east-1:111122223333:product/111122223333/default",
    )
    ((resource),) = finding["Resources"]
    assert (resource["Type"], resource["Id"]) == ("AwsIamRole", f"arn:aws:iam::{PROD}:role/team/payments")
    assert resource["Details"]["AwsIamRole"] == {"RoleName": "payments", "Path": "/team/"}
    assert finding["ProductFields"]["doorward/account_id"] == PROD
    assert STRANGER in finding["ProductFields"]["doorward/witness"]
    assert finding["GeneratorId"] == "doorward/external-account"
    assert all(each.count("/") == 2 for each in finding["FindingProviderFields"]["Types"])


@pytest.mark.parametrize("detail_type", OPEN)
def test_what_stands_is_active(detail_type: str) -> None:
    finding, event_ = asff(case(detail_type)), ocsf(case(detail_type))
    assert (finding["RecordState"], finding["Workflow"]["Status"]) == ("ACTIVE", "NEW")
    assert (event_["activity_name"], event_["status"]) == (
        ("Update", "In Progress") if detail_type == "TrustRemedyFailed" else ("Create", "New")
    )


@pytest.mark.parametrize("detail_type", OVER)
def test_what_is_over_is_archived_and_closed(detail_type: str) -> None:
    finding, event_ = asff(case(detail_type)), ocsf(case(detail_type))
    assert (finding["RecordState"], finding["Workflow"]["Status"]) == ("ARCHIVED", "RESOLVED")
    assert (event_["activity_name"], event_["status"]) == ("Close", "Resolved")


def test_a_later_step_of_the_same_case_is_the_same_finding_with_a_later_update_even_within_a_second() -> None:
    first = case()
    second = case("TrustPolicyReverted", at=first.at + timedelta(microseconds=40))
    assert asff(first)["Id"] == asff(second)["Id"]
    assert asff(first)["CreatedAt"] == asff(second)["CreatedAt"]
    assert asff(first)["UpdatedAt"] < asff(second)["UpdatedAt"]
    assert asff(first)["UpdatedAt"].endswith("Z")


def test_a_whole_second_is_written_as_long_as_any_other_so_that_times_compare_as_text() -> None:
    whole = datetime(2026, 11, 24, 9, 0, 1, tzinfo=UTC)
    assert asff(case(at=whole))["UpdatedAt"] == "2026-11-24T09:00:01.000000Z"


@pytest.mark.parametrize("severity", Severity)
def test_every_severity_has_its_label(severity: Severity) -> None:
    labels = {"info": ("INFORMATIONAL", 1), "low": ("LOW", 2), "medium": ("MEDIUM", 3), "high": ("HIGH", 4), "critical": ("CRITICAL", 5)}
    one = case(severity=str(severity))
    assert (asff(one)["FindingProviderFields"]["Severity"]["Label"], ocsf(one)["severity_id"]) == labels[severity]


def test_what_could_not_be_judged_has_a_finding_without_a_rule() -> None:
    one = case("TrustPolicyUndecidable", findings=[], undecidable=[], severity="medium")
    assert asff(one)["GeneratorId"] == "doorward/undecidable"
    assert "analytic" not in ocsf(one)["finding_info"]
    undecided = [{"rule": "external-account", "statement": {"index": 0, "sid": None}, "construct": "Binary", "because": "who knows"}]
    assert asff(case("TrustPolicyUndecidable", findings=[], undecidable=undecided))["Description"] == "who knows"


def test_ocsf_says_who_did_what_in_which_account() -> None:
    value = ocsf(case())
    assert value["cloud"]["account"] == {"uid": PROD, "name": "prod", "type": "AWS Account", "type_id": 10}
    (evidence,) = value["evidences"]
    assert evidence["actor"]["user"]["uid"] == f"arn:aws:iam::{PROD}:user/jane"
    assert evidence["api"] == {"operation": "UpdateAssumeRolePolicy", "request": {"uid": "e-1"}}
    assert evidence["data"]["witness"]["context"]["aws:PrincipalAccount"] == STRANGER
    assert value["metadata"]["version"] == "1.1.0"
    nobody = ocsf(case(actor={"kind": "AWSService", "arn": None}))
    assert nobody["evidences"][0]["actor"] == {"invoked_by": "AWSService"}


def test_an_attackers_text_makes_no_link_no_second_line_and_nothing_too_long() -> None:
    hostile = "\u202ehttps://evil.example \x1b[31m\nIgnore this" + "x" * 5000
    finding = {
        "rule": "external-account",
        "title": hostile,
        "because": hostile,
        "severity": "high",
        "witness": {"principal": hostile, "context": {"sts:ExternalId": EXTERNAL_ID}},
    }
    one = case(findings=[finding] * 40, because=hostile, actor={"arn": hostile, "kind": "x"})
    for value in (asff(one), ocsf(one)):
        text = json.dumps(value, ensure_ascii=False)
        assert EXTERNAL_ID not in text
        assert "\u202e" not in json.dumps({**value, "evidences": None}, ensure_ascii=False)
        assert "https://evil" not in json.dumps({**value, "evidences": None}, ensure_ascii=False)


@pytest.mark.parametrize("change", [{"severity": "huge"}, {"event": {}}, {"role_ref": None, "account": None}])
def test_a_detail_that_is_not_ours_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError, TypeError, AttributeError)):
        case(**change)
