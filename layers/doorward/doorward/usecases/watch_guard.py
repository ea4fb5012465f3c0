"""Somebody made a call that can switch Doorward off: if it is about what is ours, people are told at once.

Nothing is read and nothing is put right here: who did it may hold whatever we would do it with.
"""

from dataclasses import dataclass

from doorward.events.hints import parse_message
from doorward.events.model import Change, GuardEvent, Skipped
from doorward.guard.ours import Ours
from doorward.guard.tampering import tampering
from doorward.organization.model import Organization
from doorward.ports.clock import Clock
from doorward.ports.ledger import EventOutcome, Ledger
from doorward.usecases.announce_alert import announce_alert


@dataclass(frozen=True, slots=True)
class Tools:
    ledger: Ledger
    clock: Clock
    organization: Organization
    ours: Ours


def watch_guard(message: str, tools: Tools) -> tuple[EventOutcome, ...]:
    """Look at one EventBridge envelope (JSON text). Raises MalformedInput, Unavailable."""
    event = parse_message(message)
    if isinstance(event, Skipped) and event.attempted is not None:  # refused, and told as that
        event = event.attempted
    if not isinstance(event, GuardEvent | Change):
        return (_outcome(tools, event.account_id, event.event_id, event.event_name, "skipped", "Not about what Doorward is made of."),)
    alert = tampering(event, tools.ours, done_by=event.actor.name_for_people)
    if alert is None:
        return (_outcome(tools, event.account_id, event.event_id, event.event_name, "passed", "About nothing of Doorward's."),)
    is_new = announce_alert(alert, "GuardProblemFound", tools.ledger, tools.organization.account, tools.clock.now())
    because = alert.because if is_new else f"{alert.because} (Announced before.)"
    return (_outcome(tools, event.account_id, event.event_id, event.event_name, "alerted", because),)


def _outcome(tools: Tools, account_id: str, event_id: str, event_name: str, outcome: str, because: str) -> EventOutcome:  # noqa: PLR0917
    now = tools.clock.now()
    return EventOutcome(account_id, event_id, event_name, "", outcome, because, None, now)
