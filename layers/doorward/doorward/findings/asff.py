"""A case as a finding of Security Hub, in the AWS Security Finding Format.

https://docs.aws.amazon.com/securityhub/latest/userguide/finding-update-batchimportfindings.html: who may import what, that an update
counts only where its UpdatedAt is later, and that severity and types are the provider's under FindingProviderFields.
https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_AwsSecurityFinding.html: the fields.

The finding is the hub account's own, by its default product, since nothing else is accepted from it; the member account stands in the
resource's ARN, and in the product's fields.
"""

import json
from datetime import datetime
from typing import Any, Final

from doorward.findings.model import Severity
from doorward.findings.reported import Reported, State, shown
from doorward.values import NamedTuple

_SCHEMA: Final = "2018-10-08"
_TYPE: Final = "Software and Configuration Checks/AWS Security Best Practices/Role Trust Policy"
_LABELS: Final = {
    Severity.CRITICAL: "CRITICAL",
    Severity.HIGH: "HIGH",
    Severity.MEDIUM: "MEDIUM",
    Severity.LOW: "LOW",
    Severity.INFO: "INFORMATIONAL",
}
_LONGEST_FIELD: Final = 2048
_LONGEST_ID: Final = 512


class Hub(NamedTuple):
    """The account that reports, where."""

    account_id: str
    region: str
    partition: str


def security_finding(case: Reported, hub: Hub) -> dict[str, Any]:
    """One `AwsSecurityFinding`. The same case has the same Id; a later step has a later UpdatedAt."""
    over = case.state is State.OVER
    fields = {
        "account_id": case.account_id,
        "account_name": case.account_name or "-",
        "rules": ", ".join(case.rules) or "-",
        "witness": "-" if case.witness is None else json.dumps(case.witness),
        "changed_by": case.actor.get("arn") or case.actor.get("kind") or "-",
        "event_id": case.event["id"],
        "event_name": case.event["name"],
        "step": case.detail_type,
        **case.further,
    }
    name = case.role_arn.rpartition("/")[2]
    path = case.role_arn.partition(":role")[2].removesuffix(name)
    return {
        "SchemaVersion": _SCHEMA,
        "Id": case.finding_id,
        "ProductArn": f"arn:{hub.partition}:securityhub:{hub.region}:{hub.account_id}:product/{hub.account_id}/default",
        "ProductName": "Doorward",
        "CompanyName": "Doorward",
        "Region": hub.region,
        "GeneratorId": shown(f"doorward/{case.rules[0] if case.rules else 'undecidable'}", _LONGEST_ID),
        "AwsAccountId": hub.account_id,
        "CreatedAt": _time(case.changed_at),
        "UpdatedAt": _time(case.at),
        "FindingProviderFields": {
            "Severity": {"Label": _LABELS[case.severity], "Original": str(case.severity)},
            "Types": [_TYPE],
        },
        "Title": case.title,
        "Description": case.description,
        "Remediation": {"Recommendation": {"Text": case.what_was_done}},
        "ProductFields": {f"doorward/{name}": shown(value, _LONGEST_FIELD) for name, value in fields.items()},
        "Resources": [
            {
                "Type": "AwsIamRole",
                "Id": case.role_arn,
                "Partition": hub.partition,
                "Region": hub.region,
                "Details": {"AwsIamRole": {"RoleName": name, "Path": path}},
            }
        ],
        # Counts for a finding that is new to Security Hub alone: afterwards it is the customer's.
        "Workflow": {"Status": "RESOLVED" if over else "NEW"},
        "RecordState": "ARCHIVED" if over else "ACTIVE",
    }


def _time(time: datetime) -> str:
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
