"""An announcement was put into the outbox: bring it onto the bus."""

from collections.abc import Callable

from doorward.ports.announcing import Bus
from doorward.ports.ledger import Announcement, Outbox


def publish_outbox(
    announcement_id: str, outbox: Outbox, bus: Bus, published: Callable[[Announcement], object] = lambda _announcement: None
) -> bool:
    """Publish once it is known to be waiting; False where it was published before.

    Dying between the two lines publishes it again later: what listens on the bus goes by the announcement's id.
    `published` is told of what went onto the bus. Raises Unavailable, Misconfigured.
    """
    announcement = outbox.pending(announcement_id)
    if announcement is None:
        return False
    bus.publish(announcement)
    outbox.published(announcement_id)
    published(announcement)
    return True
