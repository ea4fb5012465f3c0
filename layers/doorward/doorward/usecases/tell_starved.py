"""A look at a change that failed because AWS refuses calls for their number is told, where the change is one that cannot wait."""

from doorward.errors import DoorwardError
from doorward.events.model import Change
from doorward.guard.starving import starved
from doorward.organization.model import Organization
from doorward.ports.clock import Clock
from doorward.ports.ledger import Ledger
from doorward.usecases.announce_alert import announce_alert


def tell_starved(change: Change, error: DoorwardError, ledger: Ledger, organization: Organization, clock: Clock) -> None:
    """Raises Unavailable."""
    now = clock.now()
    alert = starved(change, error, now)
    if alert is not None:
        announce_alert(alert, "GuardProblemFound", ledger, organization.account, now)
