"""One announcement in one channel: by itself, in a thread, aloud, later with others, or counted. doorward/notices/telling.py decides.

It comes twice, late and in any order, and whoever tells it dies between any two steps. So what it is told by is remembered after it was
sent, and that it was told last of all: at worst it is told once more, and never not at all.

Of those who tell something alike at once, the one who began the group tells it by itself. The others wait for a moment for the thread, and
come again later; what asks people to act is told without it then. Where he dies, whoever comes half a minute later does it in his place.
"""

from copy import replace
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from doorward.errors import Unavailable
from doorward.findings.escaping import as_text
from doorward.findings.model import Severity
from doorward.notices.gathered import Kept, Why
from doorward.notices.telling import (
    Group,
    Notice,
    Place,
    Way,
    goes_into_digest,
    held_back,
    is_shown_by_cards_alone,
    notice_of,
    way_in_group,
    way_of,
    what_of,
    where_of,
)
from doorward.organization.model import Notifications
from doorward.ports.announcing import Channel, Message
from doorward.ports.clock import Clock
from doorward.ports.ledger import Outbox
from doorward.ports.notices import Notices
from doorward.usecases.settle_cards import keep_card, outcome_of, settle_cards

_WAITS_SECONDS: Final = (0.2, 0.3, 0.5, 0.5)
"""For the message that begins a thread: one call of Slack's takes half a second. Five announcements in some channels each have a minute."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What telling takes. `settings` are those of config/organization.yaml."""

    outbox: Outbox
    notices: Notices
    clock: Clock
    settings: Notifications


def tell_channel(channel: Channel, message: Message, desk: Desk) -> Way | None:
    """How it was told now; None where it was before. Raises Unavailable, Misconfigured; then it comes again."""
    if desk.outbox.was_sent(message.announcement_id, channel.name):
        return None
    way = _Telling(channel, message, desk).tell()
    desk.outbox.sent(message.announcement_id, channel.name)
    return way


def settle(channel: Channel, message: Message, desk: Desk) -> tuple[str, ...]:
    """Cards that this channel was sent show what came of it; what cannot be changed any more is said. Raises Unavailable."""
    outcome = outcome_of(message)
    if outcome is None or not channel.has_threads:
        return ()
    object_id = notice_of(message.announcement_id, message.detail_type, message.detail).object_id
    return settle_cards(channel, object_id, outcome, desk.outbox, desk.notices)


class _Telling:
    def __init__(self, channel: Channel, message: Message, desk: Desk) -> None:
        self._channel = channel
        self._message = message
        self._desk = desk
        self._notices = desk.notices
        self._notice: Notice = notice_of(message.announcement_id, message.detail_type, message.detail)
        self._window = timedelta(minutes=desk.settings.group_minutes)

    def tell(self) -> Way:
        self._message = with_notes(self._message, settle(self._channel, self._message, self._desk))
        if is_shown_by_cards_alone(self._message.detail_type, self._message.detail):
            return Way.CARD
        for seconds in (*_WAITS_SECONDS, None):
            place = self._place()
            if place is not None:
                return self._follow(place)
            if goes_into_digest(self._notice, Severity(self._desk.settings.digest_below)):
                self._gather(Why.DIGEST)
                return Way.DIGEST
            group, way = self._joined()
            if way is Way.COUNTED and (place := self._place()) is not None:  # whoever told of it was about to say so
                return self._follow(place)
            if way is not None:
                return self._tell_in(group, way)
            if seconds is not None:
                self._desk.clock.sleep(seconds)
            elif self._notice.asks:
                return self._tell_in(group, Way.ALOUD)
        raise Unavailable(f"{self._channel.name}: the message that others belong to is not sent yet")

    def _place(self) -> Place | None:
        return self._notices.place(self._channel.name, self._notice.object_id)

    def _joined(self) -> tuple[Group, Way | None]:
        notice, now = self._notice, self._desk.clock.now()
        group = self._notices.join(self._channel.name, notice.group, notice.object_id, self._message.announcement_id, now, self._window)
        return group, way_in_group(self._message.announcement_id, notice, group, threads=self._channel.has_threads)

    def _follow(self, place: Place) -> Way:
        way = way_of(self._notice, place, self._desk.clock.now(), self._window, threads=self._channel.has_threads)
        if way is not Way.COUNTED:
            self._send(place.thread, aloud=way is Way.ALOUD)
        return way

    def _tell_in(self, group: Group, way: Way) -> Way:
        """The place is kept before the group is open: who waits for the one finds the other."""
        channel, notice = self._channel, self._notice
        if way in {Way.ALONE, Way.ALOUD}:
            spent = self._notices.spend(channel.name, self._desk.clock.now())
            way = held_back(way, notice, spent, self._desk.settings.most_per_minute, threads=channel.has_threads)
        if way is Way.HELD:
            self._gather(Why.HELD)
            self._notices.released(channel.name, notice.group, self._message.announcement_id)
            return way
        if way is Way.ALOUD and group.size > 1:
            self._message = with_notes(self._message, (_how_many(group),))
        sent = "" if way is Way.COUNTED else self._send(group.thread, aloud=way is Way.ALOUD)
        place = Place(group.thread or sent, self._desk.clock.now(), counted=way is Way.COUNTED)
        self._notices.keep_place(channel.name, notice.object_id, place)
        if way is Way.ALONE:
            self._notices.opened(channel.name, notice.group, self._message.announcement_id, place.thread, notice.severity.rank)
        elif way is Way.ALOUD:
            self._notices.raised(channel.name, notice.group, group.size, notice.severity.rank)
        return way

    def _send(self, thread: str, *, aloud: bool) -> str:
        message_id = self._channel.send(self._message, thread, aloud=aloud)
        if self._channel.has_threads:
            keep_card(self._channel, self._message, self._notice.object_id, message_id, self._desk.outbox, self._notices)
        return message_id

    def _gather(self, why: Why) -> None:
        message, detail = self._message, self._message.detail
        what, where = what_of(message.detail_type, detail), where_of(detail)
        self._notices.gather(
            why, Kept(self._channel.name, message.announcement_id, self._notice.severity, what, where, self._desk.clock.now())
        )


def with_notes(message: Message, notes: tuple[str, ...]) -> Message:
    """With these notes after those that it has."""
    if not notes:
        return message
    return replace(message, notes=(*message.notes, *notes), text="\n".join((message.text, as_text(notes))))


def _how_many(group: Group) -> str:
    return f"There are {group.size} of this kind since {group.opened_at:%H:%M} UTC; doorward findings list shows all that stand."
