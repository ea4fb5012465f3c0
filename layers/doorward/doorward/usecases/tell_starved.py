"""A look at a change that failed because AWS refuses calls for their number is told, where the change is one that cannot wait."""

from doorward.errors import DoorwardError
from doorward.events.model import Change
from doorward.findings.alerts import alert_as_json
from doorward.guard.starving import starved
from doorward.organization.model import Organization
from doorward.ports.clock import Clock
from doorward.ports.ledger import Announcement, Ledger


def tell_starved(change: Change, error: DoorwardError, ledger: Ledger, organization: Organization, clock: Clock) -> None:
    """Raises Unavailable."""
    now = clock.now()
    alert = starved(change, error, now)
    if alert is not None:
        account = organization.account(alert.account_id)
        detail = alert_as_json(alert, "doorward.guard/1", None if account is None else account.name)
        ledger.announce(Announcement(alert.id, "GuardProblemFound", detail, now))
