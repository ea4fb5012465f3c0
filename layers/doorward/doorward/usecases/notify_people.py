"""An event of ours is on the bus: the author of the change hears first, then the account's owner, then whom it is for; each once.

| who         | is told                                      | where that fails                                             |
|-------------|----------------------------------------------|--------------------------------------------------------------|
| the author  | in a letter of his own (findings/authors.py) | the next hear of it; again only where it may go well later   |
| who asked   | what became of his grant, in a letter        | the same; not where he is linked to no Slack user            |
| the owner   | what everybody is told                       | the same                                                     |
| of a route  | what everybody is told                       | everybody hears of it too; again where it may go well later  |
| everybody   | by SNS and Slack, and how the others fared   | the message comes again, and ends in the dead-letter queue   |

Who fails keeps nobody after him from being told. Where two of them are one address, it is told once. Which routes there are, and when
everybody is told beside them: notices/routing.py; where they are not, their cards show what came of it all the same. All who get no letter
hear what goes together together: usecases/tell_channel.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from doorward.errors import DoorwardError, Misconfigured
from doorward.findings.authors import who_wrote
from doorward.grants.wording import TOLD_TO_WHOEVER_ASKED, grant_in, person
from doorward.notices.routing import Addressed, addressed
from doorward.notices.telling import Way, is_shown_by_cards_alone, notice_of
from doorward.organization.model import Contact, Organization
from doorward.ports.announcing import Channel, Message
from doorward.ports.clock import Clock
from doorward.ports.ledger import Outbox
from doorward.ports.notices import Notices
from doorward.usecases.address_author import address_author
from doorward.usecases.compose_grant import write_to_requester
from doorward.usecases.compose_message import compose_message
from doorward.usecases.tell_channel import Desk, settle, tell_channel, with_notes

FOR_PROGRAMS: Final = frozenset({"TrustRemedyVerified", "GrantRequested", "GrantEnding"})
"""Nobody is woken to hear that all is as it was told before, or what is told within seconds of what follows."""


@dataclass(frozen=True, slots=True)
class Tools:
    """`channels` are everybody's. `reach` gives the way to one contact; it raises Misconfigured where this installation has none.

    `slack_users`: ids of the Slack users that a person is linked to, by his id.
    """

    channels: Sequence[Channel]
    reach: Callable[[Contact], Channel]
    organization: Organization
    outbox: Outbox
    notices: Notices
    clock: Clock
    slack_users: Callable[[str], Sequence[str]] = lambda _person_id: ()


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
    telling.tell_requester()
    telling.tell_owner()
    telling.tell_routes()
    telling.tell_everybody()
    if telling.failures:
        raise telling.failures[0]
    return tuple(telling.sent)


_HOW: Final = {
    Way.DIGEST: "reads of it in the digest",
    Way.HELD: "has had too much to be told of it at once",
    Way.COUNTED: "is told how many",
}
"""Of somebody; else he was told first."""


class _Telling:
    """One event under way. `notes`: how those fared who were told before, for those who are told after them."""

    def __init__(self, message: Message, tools: Tools) -> None:
        self._message = message
        self._tools = tools
        self._desk = Desk(tools.outbox, tools.notices, tools.clock, tools.organization.notifications)
        self._account_id = str((message.detail.get("account") or {}).get("id"))
        notice = notice_of(message.announcement_id, message.detail_type, message.detail)
        self._addressed: Addressed = addressed(self._account_id, message.detail_type, notice, tools.organization)
        self._everybody = {each.address for each in tools.channels} if self._addressed.everybody else set()
        self._route_failed = False
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
        self._tell_one(author.contact, lambda channel: self._send_letter(channel, address_author(self._message, author.name)), who)

    def tell_requester(self) -> None:
        detail_type, grant = self._message.detail_type, grant_in(self._message.detail)
        if grant is None or detail_type not in TOLD_TO_WHOEVER_ASKED or is_shown_by_cards_alone(detail_type, self._message.detail):
            return
        letter = write_to_requester(self._message, grant)
        try:
            users = self._tools.slack_users(str((grant.get("person") or {}).get("id")))
        except DoorwardError as error:
            self.failures.append(error)
            return
        for each in users:
            self._tell_one(Contact(slack=each), lambda channel: self._send_letter(channel, letter), f"{person(grant)}, who asked for it,")

    def tell_owner(self) -> None:
        account = self._tools.organization.account(self._account_id)
        if account is not None and account.owner is not None:
            self._tell_one(account.owner.contact, self._tell, f"The account's owner ({account.owner.name})")

    def tell_routes(self) -> None:
        for each in self._addressed.channels:
            try:
                channel = self._tools.reach(Contact(topic=each) if each.startswith("arn:") else Contact(slack=each))
                if channel.address not in self._everybody:
                    self._tell(channel)
            except Misconfigured as error:
                self._route_failed = True
                self._notes.append(f"A route leads to {each}, which could not be reached: {error}.")
            except DoorwardError as error:
                self.failures.append(error)

    def tell_everybody(self) -> None:
        is_for_them = self._addressed.everybody or self._route_failed
        for channel in self._tools.channels:
            try:
                if is_for_them:
                    self._tell(channel)
                else:
                    settle(channel, self._message, self._desk)
            except DoorwardError as error:
                self.failures.append(error)

    def _tell_one(self, contact: Contact, tell: Callable[[Channel], Way | None], who: str) -> None:
        """What never can go well is said to those who come after, and is nothing to try again for."""
        try:
            channel = self._tools.reach(contact)
            if channel.address in self._everybody:
                self._notes.append(f"{who} reads this here.")
                return
            way = tell(channel)
        except Misconfigured as error:
            self._notes.append(f"{who} could not be reached: {error}.")
        except Exception as error:  # noqa: BLE001 - not even a bug of ours in one's message keeps the others from being told
            reason = str(error) if isinstance(error, DoorwardError) else "an error of Doorward's own"
            self._notes.append(f"{who} could not be reached yet, and is tried again: {reason}.")
            self.failures.append(error)
        else:
            told = "was told first" if way is None else _HOW.get(way, "was told first")
            self._notes.append(f"{who} {told}.")

    def _send_letter(self, channel: Channel, letter: Message) -> Way | None:
        """Whatever is told of him, he hears of each."""
        self._told.add(channel.address)
        if self._tools.outbox.was_sent(letter.announcement_id, channel.name):
            return None
        channel.send(letter)
        self._tools.outbox.sent(letter.announcement_id, channel.name)
        self.sent.append(channel.name)
        return Way.ALONE

    def _tell(self, channel: Channel) -> Way | None:
        if channel.address in self._told:
            return None
        self._told.add(channel.address)
        way = tell_channel(channel, with_notes(self._message, tuple(self._notes)), self._desk)
        if way not in {None, Way.COUNTED, Way.DIGEST, Way.HELD, Way.CARD}:
            self.sent.append(channel.name)
        return way
