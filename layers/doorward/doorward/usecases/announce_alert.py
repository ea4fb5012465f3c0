"""An alert on its way to people: into the outbox, once, with the name that its account has."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from doorward.findings.alerts import Alert, AlertFormat, alert_as_json
from doorward.ports.ledger import Announcement, Ledger


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def announce_alert(
    alert: Alert,
    detail_type: str,
    ledger: Ledger,
    account_of: Callable[[str], _Named | None],
    now: datetime,
    *,
    kind: AlertFormat = "doorward.guard/1",
    announcement_id: str | None = None,
) -> bool:
    """False where it was told before. `announcement_id`: where it is not the alert's own. Raises Unavailable."""
    account = account_of(alert.account_id)
    detail = alert_as_json(alert, kind, None if account is None else account.name)
    return ledger.announce(Announcement(announcement_id or alert.id, detail_type, detail, now))
