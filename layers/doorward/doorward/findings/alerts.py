"""Findings that are about no trust policy: a session, or Doorward itself. The JSON is a contract: docs/schemas/doorward.alert.1.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

from doorward.findings.model import Severity

type AlertFormat = Literal["doorward.sessions/1", "doorward.guard/1"]
"""The part before the slash is the source of the event on the bus."""


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """A CloudTrail event that an alert rests on."""

    id: str
    name: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing found. `key` makes it one: however often the same is found, `id` is the same, and it is told once."""

    detection: str
    """A stable kebab-case id, with a page `docs/detections/<detection>.md`."""
    key: str
    severity: Severity
    title: str
    """One short line, without names."""
    because: str
    """One sentence on what happened, with who and where."""
    what_to_do: str
    """One sentence for who reads it."""
    account_id: str
    at: datetime
    """Aware, UTC: when it was found."""
    region: str | None = None
    role: str | None = None
    """The ARN of the role it is about."""
    principal: str | None = None
    """Who did it: an ARN, an account id, a provider and subject."""
    actor: Mapping[str, Any] | None = None
    events: tuple[AlertEvent, ...] = ()

    @property
    def id(self) -> str:
        return "dw-" + sha256(f"{self.detection}/{self.key}".encode()).hexdigest()[:20]


def alert_as_json(alert: Alert, kind: AlertFormat, account_name: str | None) -> dict[str, Any]:
    """`account_name`: None where the account is not known."""
    return {
        "format": kind,
        "finding_id": alert.id,
        "detection": alert.detection,
        "severity": str(alert.severity),
        "title": alert.title,
        "because": alert.because,
        "what_to_do": alert.what_to_do,
        "account": {"id": alert.account_id, "name": account_name},
        "region": alert.region,
        "role": alert.role,
        "principal": alert.principal,
        "actor": None if alert.actor is None else dict(alert.actor),
        "events": [{"id": each.id, "name": each.name, "time": each.time.isoformat()} for each in alert.events],
        "at": alert.at.isoformat(),
    }
