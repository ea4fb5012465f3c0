"""A case as an OCSF event: class Detection Finding (2004) of OCSF 1.1.0, with the profile `cloud`.

https://schema.ocsf.io/1.1.0/classes/detection_finding?profiles=cloud says which attributes there are and must be. 1.1.0 is what Amazon
Security Lake and most who read OCSF take; later versions read it too.
"""

from datetime import datetime
from typing import Any, Final

from doorward.findings.model import Severity
from doorward.findings.reported import Reported, State, shown

VERSION: Final = "1.1.0"
_CATEGORY: Final = (2, "Findings")
_CLASS: Final = (2004, "Detection Finding")
_CREATE, _UPDATE, _CLOSE = (1, "Create"), (2, "Update"), (3, "Close")
_NEW, _IN_PROGRESS, _RESOLVED = (1, "New"), (2, "In Progress"), (4, "Resolved")
_SEVERITIES: Final = {
    Severity.CRITICAL: (5, "Critical"),
    Severity.HIGH: (4, "High"),
    Severity.MEDIUM: (3, "Medium"),
    Severity.LOW: (2, "Low"),
    Severity.INFO: (1, "Informational"),
}
_RULE: Final = (1, "Rule")
_AWS_ACCOUNT: Final = (10, "AWS Account")
_LONGEST: Final = 1024


def detection_finding(case: Reported, region: str) -> dict[str, Any]:
    """`region` is IAM's. Times are milliseconds since the epoch."""
    activity, status = _CREATE, _NEW
    if case.state is State.OVER:
        activity, status = _CLOSE, _RESOLVED
    elif case.detail_type == "TrustRemedyFailed":
        activity, status = _UPDATE, _IN_PROGRESS
    severity = _SEVERITIES[case.severity]
    arn, kind = case.actor.get("arn"), case.actor.get("kind")
    account = {"uid": case.account_id, "type_id": _AWS_ACCOUNT[0], "type": _AWS_ACCOUNT[1]}
    if case.account_name:
        account["name"] = shown(case.account_name, _LONGEST)
    evidence: dict[str, Any] = {
        "api": {"operation": shown(case.event["name"], _LONGEST), "request": {"uid": shown(case.event["id"], _LONGEST)}},
        "actor": {"user": {"uid": shown(arn, _LONGEST)}} if arn else {"invoked_by": shown(kind or "unknown", _LONGEST)},
    }
    if case.witness is not None:
        evidence["data"] = {"witness": case.witness}
    info: dict[str, Any] = {
        "uid": case.finding_id,
        "title": case.title,
        "desc": case.description,
        "created_time": _time(case.changed_at),
        "modified_time": _time(case.at),
        "types": list(case.rules),
    }
    if case.rules:
        info["analytic"] = {"uid": case.rules[0], "name": case.rules[0], "type_id": _RULE[0], "type": _RULE[1]}
    return {
        "activity_id": activity[0],
        "activity_name": activity[1],
        "category_uid": _CATEGORY[0],
        "category_name": _CATEGORY[1],
        "class_uid": _CLASS[0],
        "class_name": _CLASS[1],
        "type_uid": _CLASS[0] * 100 + activity[0],
        "type_name": f"{_CLASS[1]}: {activity[1]}",
        "time": _time(case.at),
        "severity_id": severity[0],
        "severity": severity[1],
        "status_id": status[0],
        "status": status[1],
        "message": case.title,
        "metadata": {
            "version": VERSION,
            "uid": case.announcement_id,
            "event_code": case.detail_type,
            "product": {"name": "Doorward", "vendor_name": "Doorward"},
            "profiles": ["cloud"],
        },
        "cloud": {"provider": "AWS", "region": region, "account": account},
        "finding_info": info,
        "resources": [{"uid": case.role_arn, "name": case.role_arn.rpartition("/")[2], "type": "AWS::IAM::Role", "region": region}],
        "evidences": [evidence],
        "remediation": {"desc": case.what_was_done},
        "unmapped": dict(case.further),
    }


def _time(time: datetime) -> int:
    return int(time.timestamp() * 1000)
