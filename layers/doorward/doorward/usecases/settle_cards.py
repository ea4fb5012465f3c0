"""A message that asked people to decide shows what came of it, once that is committed: what is told here was in the outbox before.

| meanwhile                                            | the card                                          |
|------------------------------------------------------|---------------------------------------------------|
| the decision was made before the message was sent    | shows it as soon as it is sent                    |
| something newer came of it, and was told before      | keeps it                                          |
| two tell what came of it at once                     | shows the newer: whoever lost shows that once more |
| the message, or what it told of, is gone             | is left as it is, and that is said                |
| Slack does not answer                                | is changed when the announcement comes again      |
"""

from collections.abc import Mapping
from copy import replace
from datetime import UTC, datetime
from typing import Any, Final

from doorward.decisions.telling import FORMAT
from doorward.errors import Misconfigured
from doorward.ports.announcing import Channel, Message
from doorward.ports.ledger import Outbox
from doorward.ports.notices import Card, Notices
from doorward.usecases.compose_message import compose_announced
from doorward.values import NamedTuple

_LATER: Final = "later"
"""In the place of a card's announcement: what came of an object, for cards that are sent later."""
_TRIES: Final = 5


class Outcome(NamedTuple):
    """What came of a question, as people read it, and when."""

    text: str
    at: datetime


def outcome_of(message: Message) -> Outcome | None:
    """None where nothing has come of a question yet, or it tells of none."""
    detail = message.detail
    if detail.get("format") != FORMAT or detail.get("state") == "open":
        return None
    at = _announced_at(detail)
    who = f" On the word of {detail['by']}." if detail.get("by") else ""
    return Outcome(f"{str(detail.get('title')).capitalize()}, {at:%H:%M} UTC. {detail.get('because')}{who}", at)


def keep_card(channel: Channel, message: Message, object_id: str, message_id: str, outbox: Outbox, notices: Notices) -> None:  # noqa: PLR0917
    """Of a message that was sent. Where its question was decided before that, it shows so."""
    if not (message.choices or message.detail.get("proposal")):
        return
    card = Card(message.announcement_id, message_id, _announced_at(message.detail))
    notices.keep_card(channel.name, object_id, card)
    known = next((each for each in notices.cards(channel.name, object_id) if each.announcement_id == _LATER), None)
    if known is not None:
        _show(channel, object_id, card._replace(at=known.at, outcome=known.outcome), outbox, notices)


def settle_cards(channel: Channel, object_id: str, outcome: Outcome, outbox: Outbox, notices: Notices) -> tuple[str, ...]:
    """Sentences about cards that cannot be changed any more."""
    later = Card(_LATER, "", outcome.at, outcome.text)
    notices.keep_card(channel.name, object_id, later)
    notices.settle(channel.name, object_id, later)
    said = []
    for each in notices.cards(channel.name, object_id):
        if each.announcement_id != _LATER:
            try:
                _show(channel, object_id, each._replace(at=outcome.at, outcome=outcome.text), outbox, notices)
            except Misconfigured as error:
                said.append(f"The message that asked could not be changed: {error}.")
    return tuple(said)


def _show(channel: Channel, object_id: str, card: Card, outbox: Outbox, notices: Notices) -> None:
    announcement = outbox.announcement(card.announcement_id)
    if announcement is None:
        raise Misconfigured("what it told of is kept no more")
    shown, kept = None, notices.settle(channel.name, object_id, card)
    for _ in range(_TRIES):
        if shown == kept or not kept.outcome:  # without an outcome it asks about something later
            return
        composed = compose_announced(announcement.id, announcement.detail_type, announcement.detail)
        channel.change(kept.message_id, replace(composed, outcome=kept.outcome))
        shown, kept = kept, notices.settle(channel.name, object_id, card)


def _announced_at(detail: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromisoformat(str(detail.get("announced_at"))).astimezone(UTC)
    except ValueError:  # no event of the bus's: older than anything
        return datetime.fromtimestamp(0, UTC)
