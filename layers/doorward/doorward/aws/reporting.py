"""Findings as OCSF on the bus, and as findings of Security Hub.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchImportFindings.html
"""

from typing import Any

from doorward.aws.announcing import EventBridgeBus
from doorward.aws.errors import translated
from doorward.errors import Misconfigured, Unavailable
from doorward.findings.asff import Hub, security_finding
from doorward.findings.ocsf import detection_finding
from doorward.findings.reported import Reported

SOURCE = "doorward.ocsf"
DETAIL_TYPE = "DetectionFindingReported"
# What trying again does not mend: Security Hub or the product is not enabled, or the finding is not as it must be.
_REFUSED = frozenset({"InvalidAccess", "InvalidInput"})


class OcsfOnTheBus:
    """The event's detail is the OCSF event and nothing else, so that a rule can hand it on as it is."""

    name = "ocsf"

    def __init__(self, bus: EventBridgeBus, region: str) -> None:
        self._bus = bus
        self._region = region

    def report(self, case: Reported) -> None:
        self._bus.put(case.announcement_id, SOURCE, DETAIL_TYPE, detection_finding(case, self._region), case.at)


class SecurityHubFindings:
    name = "security-hub"

    def __init__(self, security_hub: Any, hub: Hub) -> None:
        self._security_hub = security_hub
        self._hub = hub

    def report(self, case: Reported) -> None:
        with translated(f"importing {case.finding_id} into Security Hub"):
            answer = self._security_hub.batch_import_findings(Findings=[security_finding(case, self._hub)])
        if answer["FailedCount"]:
            failed = answer["FailedFindings"][0]
            sentence = f"importing {case.finding_id} into Security Hub: {failed['ErrorCode']}: {failed['ErrorMessage']}"
            raise Misconfigured(sentence) if failed["ErrorCode"] in _REFUSED else Unavailable(sentence)
