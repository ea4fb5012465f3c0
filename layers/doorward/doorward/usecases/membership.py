"""Whether an event is of the organization, before anything is made of it; and what to do where that is not known yet.

The bus takes events of the organization alone, so a sender that is not known has just joined, or has just left, or the bus's policy is not
what it should be.
"""

from datetime import timedelta

from doorward.errors import Conflict, MalformedInput, Unavailable
from doorward.events.membership import require_member
from doorward.events.model import Event
from doorward.organization.model import Organization
from doorward.ports.organization import OrganizationStore, Refreshes

_SETTLED = timedelta(seconds=60)
"""A read that began this long after the event shows whoever could send it then."""


def admit(event: Event, organization: Organization, store: OrganizationStore, refreshes: Refreshes) -> None:
    """Return where the event is of the `organization` as it is known, or nothing was read of the organization yet.

    Raises MalformedInput where it is not, by a read after the event: it is put aside with its reason. Raises Unavailable where what was
    read is older than the event, after having called for another read: the event comes back, and finds it.
    """
    try:
        require_member(event, organization)
    except Conflict as unknown:
        kept = store.load()
        if kept is None or kept.facts.account(event.account_id) is not None:
            return
        if kept.facts.read_at >= event.event_time + _SETTLED:
            raise MalformedInput(
                f"account {event.account_id} is no account of the organization {kept.facts.id}, as read at"
                f" {kept.facts.read_at:%Y-%m-%d %H:%M} UTC: nothing is made of its events"
            ) from None
        refreshes.call(f"An event came from account {event.account_id}, which is not known")
        raise Unavailable(str(unknown)) from unknown
