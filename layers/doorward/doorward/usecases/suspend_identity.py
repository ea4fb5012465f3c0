"""Whoever changes Identity Center's SAML provider in an identity account decides who is who there: nobody is, until a person has looked.

First it is suspended, then told: whoever dies in between does both again, and the second time changes nothing.
"""

from doorward.events.model import Change
from doorward.guardrails.changes import identity_in_doubt
from doorward.organization.model import Organization
from doorward.people.model import Suspension
from doorward.ports.clock import Clock
from doorward.ports.ledger import Ledger
from doorward.ports.suspensions import Suspensions
from doorward.usecases.announce_alert import announce_alert


def suspend_identity(  # noqa: PLR0917 - what changed, and what it is suspended and told with
    change: Change, organization: Organization, hub_account: str, suspensions: Suspensions, ledger: Ledger, clock: Clock
) -> bool:
    """Whether this change suspends identity from its account, now or when it came before. Raises Unavailable."""
    alert = identity_in_doubt(change, organization.identity.accounts_of(hub_account))
    if alert is None:
        return False
    order = f"{change.event_time.isoformat()} {change.event_id}"
    now = clock.now()
    suspensions.suspend(Suspension(change.account_id, order, alert.principal or "somebody", alert.because, now))
    announce_alert(alert, "SuspiciousChangeFound", ledger, organization.account, now)
    return True
