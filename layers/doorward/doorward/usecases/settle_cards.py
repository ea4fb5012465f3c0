"""A message that asked people to decide shows what came of it, once that is committed: what is told here was in the outbox before.

| meanwhile                                            | the card                                          |
|------------------------------------------------------|---------------------------------------------------|
| one thing was decided, and the finding stands        | shows it in its buttons' place, and has the rest  |
| it was accepted, its remedy written, or it is over   | shows it in the place of all of its buttons       |
| the decision was made before the message was sent    | shows it as soon as it is sent                    |
| something newer came of it, and was told before      | keeps it                                          |
| a grant is approved, active, over                    | shows each in the place of the last; Revoke goes  |
| two tell what came of it at once                     | shows the newer: whoever lost shows that once more |
| the message, or what it told of, is gone             | is left as it is, and that is said                |
| Slack does not answer                                | is changed when the announcement comes again      |
"""

from collections.abc import Mapping
from copy import replace
from datetime import UTC, datetime
from typing import Any, Final

from doorward.decisions.model import GRANT, State
from doorward.decisions.telling import FORMAT
from doorward.errors import Misconfigured
from doorward.grants.telling import END_FAILED
from doorward.grants.wording import what_came
from doorward.ports.announcing import Channel, Message
from doorward.ports.ledger import Outbox
from doorward.ports.notices import Card, Notices
from doorward.usecases.compose_grant import REVOKE
from doorward.usecases.compose_message import compose_announced
from doorward.usecases.decide_finding import APPLY, DISMISS, WAIVE
from doorward.usecases.hold_role import HOLD
from doorward.values import NamedTuple

_LATER: Final = "later"
"""In the place of a card's announcement: what came of an object, for cards that are sent later."""
_TRIES: Final = 5
_WHILE_IT_STANDS: Final = frozenset({APPLY, WAIVE, DISMISS, HOLD})
"""What is to be decided about a finding only until it is over. What was written can be undone after that."""


class Outcome(NamedTuple):
    """What came of questions, as people read it, when, and what is not to be decided any more."""

    text: str
    at: datetime
    about: frozenset[str]


def outcome_of(message: Message) -> Outcome | None:
    """None where nothing has come of a question yet, or it tells of none."""
    detail = message.detail
    if message.detail_type == "TrustViolationEnded":
        at = _announced_at(detail)
        return Outcome(f"{message.headline.capitalize()}, {at:%H:%M} UTC.", at, _WHILE_IT_STANDS)
    if message.detail_type.startswith("Grant"):
        return _outcome_of_grant(message)
    if detail.get("format") != FORMAT or detail.get("state") == "open":
        return None
    at = _announced_at(detail)
    who = f" On the word of {detail['by']}." if detail.get("by") else ""
    is_over = detail.get("state") == State.DONE and detail.get("what") in {APPLY, WAIVE}
    about = _WHILE_IT_STANDS if is_over else frozenset({str(detail.get("what"))})
    return Outcome(f"{str(detail.get('title')).capitalize()}, {at:%H:%M} UTC. {detail.get('because')}{who}", at, about)


def _outcome_of_grant(message: Message) -> Outcome | None:
    """While it is approved or active it can be taken back. What could not be ended is asked about aloud, not on its card."""
    if message.detail_type == END_FAILED:
        return None
    at = _announced_at(message.detail)
    text, *_ = what_came(message.detail_type, message.detail)
    stands = message.detail_type in {"GrantApproved", "GrantStarted"}
    return Outcome(f"{text} {at:%H:%M} UTC.", at, frozenset({GRANT} if stands else {GRANT, REVOKE}))


def keep_card(channel: Channel, message: Message, object_id: str, message_id: str, outbox: Outbox, notices: Notices) -> None:  # noqa: PLR0917
    """Of a message that was sent. Where something was decided before that, it shows so."""
    asked = {each.what for each in message.choices} or ({APPLY} if message.detail.get("proposal") else set())
    if not asked:
        return
    for what in sorted(asked):
        card = Card(message.announcement_id, message_id, what, _announced_at(message.detail))
        notices.keep_card(channel.name, object_id, card)
    known = [each for each in notices.cards(channel.name, object_id) if each.announcement_id == _LATER and each.what in asked]
    for each in known:
        notices.settle(channel.name, object_id, each._replace(announcement_id=message.announcement_id, message_id=message_id))
    if known:
        _show(channel, object_id, (message.announcement_id, message_id), outbox, notices)


def settle_cards(channel: Channel, object_id: str, outcome: Outcome, outbox: Outbox, notices: Notices) -> tuple[str, ...]:
    """Sentences about cards that cannot be changed any more."""
    for what in sorted(outcome.about):
        later = Card(_LATER, "", what, outcome.at, outcome.text)
        notices.keep_card(channel.name, object_id, later)
        notices.settle(channel.name, object_id, later)
    settled = [each for each in notices.cards(channel.name, object_id) if each.announcement_id != _LATER and each.what in outcome.about]
    for each in settled:
        notices.settle(channel.name, object_id, each._replace(at=outcome.at, outcome=outcome.text))
    said = []
    for sent in dict.fromkeys((each.announcement_id, each.message_id) for each in settled):
        try:
            _show(channel, object_id, sent, outbox, notices)
        except Misconfigured as error:
            said.append(f"The message that asked could not be changed: {error}.")
    return tuple(said)


def _show(channel: Channel, object_id: str, sent: tuple[str, str], outbox: Outbox, notices: Notices) -> None:
    """`sent`: the ids of the announcement and of the message."""
    announcement_id, message_id = sent
    announcement = outbox.announcement(announcement_id)
    if announcement is None:
        raise Misconfigured("what it told of is kept no more")
    composed, shown = compose_announced(announcement.id, announcement.detail_type, announcement.detail), dict[str, str]()
    for _ in range(_TRIES):
        cards = notices.cards(channel.name, object_id)
        kept = {each.what: each.outcome for each in cards if (each.announcement_id, each.message_id) == sent and each.outcome}
        if kept == shown:  # at first: without an outcome it asks about something later
            return
        channel.change(message_id, replace(composed, outcomes=kept))
        shown = kept


def _announced_at(detail: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromisoformat(str(detail.get("announced_at"))).astimezone(UTC)
    except ValueError:  # no event of the bus's: older than anything
        return datetime.fromtimestamp(0, UTC)
