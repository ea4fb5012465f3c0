"""An event of ours is on the bus: the author of the change hears first, then the account's owner, then everybody; each once.

| who        | is told                                      | where that fails                                             |
|------------|----------------------------------------------|--------------------------------------------------------------|
| the author | in a letter of his own (findings/authors.py) | the next hear of it; again only where it may go well later   |
| the owner  | what everybody is told                       | the same                                                     |
| everybody  | by SNS and Slack, and how the others fared   | the message comes again, and ends in the dead-letter queue   |

Who fails keeps nobody after him from being told. Where two of them are one address, it is told once: as everybody, else as the author.
"""

from collections.abc import Callable, Sequence
from copy import replace
from dataclasses import dataclass
from typing import Final

from doorward.errors import DoorwardError, Misconfigured
from doorward.findings.authors import who_wrote
from doorward.organization.model import Contact, Organization
from doorward.ports.announcing import Channel, Message
from doorward.ports.ledger import Outbox
from doorward.usecases.address_author import address_author
from doorward.usecases.compose_message import as_text, compose_message

FOR_PROGRAMS: Final = frozenset({"TrustRemedyVerified"})
"""Nobody is woken to hear that all is as it was told before."""


@dataclass(frozen=True, slots=True)
class Tools:
    """`channels` are everybody's. `reach` gives the way to one contact; it raises Misconfigured where this installation has none."""

    channels: Sequence[Channel]
    reach: Callable[[Contact], Channel]
    organization: Organization
    outbox: Outbox


def notify_people(envelope: str, tools: Tools) -> tuple[str, ...]:
    """Send one of our own bus events (EventBridge envelope, JSON text) to whoever has not had it.

    The names of the channels it was sent to now, in order. Every channel is tried even where another fails; the first failure that is worth
    another try, or is everybody's, is raised afterwards, so that the event comes again for the rest. Raises MalformedInput, Unavailable,
    Misconfigured.
    """
    message = compose_message(envelope)
    if message.detail_type in FOR_PROGRAMS:
        return ()
    if message.detail.get("mode") == "observe":
        return ()
    telling = _Telling(message, tools)
    telling.tell_author()
    telling.tell_owner()
    telling.tell_everybody()
    if telling.failures:
        raise telling.failures[0]
    return tuple(telling.sent)


class _Telling:
    """One event under way. `notes`: how those fared who were told before, for those who are told after them."""

    def __init__(self, message: Message, tools: Tools) -> None:
        self._message = message
        self._tools = tools
        self._everybody = {each.address for each in tools.channels}
        self._told: set[str] = set()
        self._notes: list[str] = []
        self.sent: list[str] = []
        self.failures: list[Exception] = []

    def tell_author(self) -> None:
        author = who_wrote(self._message.detail_type, self._message.detail, self._tools.organization)
        if author is None:
            return
        actor = self._message.detail.get("actor") or {}
        who = " as ".join(str(each) for each in (actor.get("arn") or actor.get("kind"), actor.get("session_name")) if each)
        who = f"The author ({author.name + ', ' if author.name else ''}{who})"
        if author.contact is None:
            self._notes.append(f"{who} could not be reached: {author.because}.")
            return
        self._tell_one(author.contact, lambda: address_author(self._message, author.name), who)

    def tell_owner(self) -> None:
        account = self._tools.organization.account(str((self._message.detail.get("account") or {}).get("id")))
        if account is not None and account.owner is not None:
            self._tell_one(account.owner.contact, self._with_notes, f"The account's owner ({account.owner.name})")

    def tell_everybody(self) -> None:
        message = self._with_notes()
        for channel in self._tools.channels:
            try:
                self._send(channel, message)
            except DoorwardError as error:
                self.failures.append(error)

    def _tell_one(self, contact: Contact, compose: Callable[[], Message], who: str) -> None:
        """What never can go well is said to those who come after, and is nothing to try again for."""
        try:
            channel = self._tools.reach(contact)
            if channel.address in self._everybody:
                self._notes.append(f"{who} reads this here.")
                return
            self._send(channel, compose())
        except Misconfigured as error:
            self._notes.append(f"{who} could not be reached: {error}.")
        except Exception as error:  # noqa: BLE001 - not even a bug of ours in one's message keeps the others from being told
            reason = str(error) if isinstance(error, DoorwardError) else "an error of Doorward's own"
            self._notes.append(f"{who} could not be reached yet, and is tried again: {reason}.")
            self.failures.append(error)
        else:
            self._notes.append(f"{who} was told first.")

    def _send(self, channel: Channel, message: Message) -> None:
        if channel.address in self._told:
            return
        self._told.add(channel.address)
        if self._tools.outbox.was_sent(message.announcement_id, channel.name):
            return
        channel.send(message)
        self._tools.outbox.sent(message.announcement_id, channel.name)
        self.sent.append(channel.name)

    def _with_notes(self) -> Message:
        notes = tuple(self._notes)
        return replace(self._message, notes=notes, text="\n".join((self._message.text, as_text(notes)))) if notes else self._message
