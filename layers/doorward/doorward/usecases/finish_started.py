"""What was begun and should be done by now: announcements that are not on the bus, intents that were cut off, writes not looked at.

Whoever began it died, or its message was lost. Taken up a second time it changes nothing.
"""

from contextlib import suppress
from datetime import timedelta
from typing import Final, NamedTuple

from doorward.errors import DoorwardError
from doorward.events.hints import Hint
from doorward.events.model import Cause
from doorward.organization.model import Organization
from doorward.ports.announcing import Bus
from doorward.ports.clock import Clock
from doorward.ports.hints import Hints
from doorward.ports.ledger import Agenda, Outbox
from doorward.usecases.publish_outbox import publish_outbox

MOST: Final = 100
"""At once; the longest waiting come first, and the rest a minute later."""
_AGAIN: Final = timedelta(minutes=5)
_LONG: Final = timedelta(days=30)


class Finished(NamedTuple):
    """How many of each were taken up."""

    announcements: int
    cases: int


def finish_started(  # noqa: PLR0917 - what is due, and whom it goes to
    agenda: Agenda, outbox: Outbox, bus: Bus, hints: Hints, organization: Organization, clock: Clock
) -> Finished:
    """One that fails keeps no other from being taken up; the first failure is raised at the end. Raises Unavailable, Misconfigured.

    What is due in an account that has left the organization waits for it to come back: nobody can look there.
    """
    now = clock.now()
    announcements = cases = 0
    failures: list[DoorwardError] = []
    for each in agenda.due(now, MOST):
        try:
            if each.role_ref is None:
                announcements += publish_outbox(each.id, outbox, bus)
                continue
            account_id, _, name = each.role_ref.partition("/")
            if organization.account(account_id) is None:
                agenda.put_off(each, now + _LONG)
            else:
                because = "Something was begun for this role and not done in time."
                hints.send([Hint(account_id, Cause.TRUST, because, each.id, now, role_name=name, follows=each.id)])
                agenda.put_off(each, now + _AGAIN)
                cases += 1
        except DoorwardError as error:
            failures.append(error)
            with suppress(DoorwardError):  # what cannot be done now must not stand in the way of what is due after it
                agenda.put_off(each, now + _AGAIN)
    if failures:
        raise failures[0]
    return Finished(announcements, cases)
