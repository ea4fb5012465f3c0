"""Somebody made a call that can switch Doorward off: if it is about what is ours, people are told at once.

Nothing is read and nothing is put right here: who did it may hold whatever we would do it with. One thing is switched off: decisions by
Slack, where somebody else may know its signing secret. First it is suspended, then told: whoever dies in between does both again.
"""

from dataclasses import dataclass

from doorward.events.hints import parse_message
from doorward.events.model import Change, GuardEvent, Skipped
from doorward.findings.alerts import Alert
from doorward.guard.ours import Ours
from doorward.guard.signing_secret import SigningSecret, exposure, suspends
from doorward.guard.tampering import tampering
from doorward.organization.model import Organization
from doorward.people.model import BY_SLACK, Suspension
from doorward.ports.clock import Clock
from doorward.ports.ledger import EventOutcome, Ledger
from doorward.ports.suspensions import Suspensions
from doorward.usecases.announce_alert import announce_alert


@dataclass(frozen=True, slots=True)
class Tools:
    ledger: Ledger
    clock: Clock
    organization: Organization
    ours: Ours
    suspensions: Suspensions
    secret: SigningSecret | None = None


def watch_guard(message: str, tools: Tools) -> tuple[EventOutcome, ...]:
    """Look at one EventBridge envelope (JSON text). Raises MalformedInput, Unavailable."""
    event = parse_message(message)
    if isinstance(event, Skipped) and event.attempted is not None:  # refused, and told as that
        event = event.attempted
    if not isinstance(event, GuardEvent | Change):
        return (_outcome(tools, event.account_id, event.event_id, event.event_name, "skipped", "Not about what Doorward is made of."),)
    alerts = [each for each in (_suspending(event, tools), tampering(event, tools.ours, done_by=event.actor.name_for_people)) if each]
    if not alerts:
        return (_outcome(tools, event.account_id, event.event_id, event.event_name, "passed", "About nothing of Doorward's."),)
    return tuple(_told(alert, event, tools) for alert in alerts)


def _suspending(event: GuardEvent | Change, tools: Tools) -> Alert | None:
    alert = exposure(event, tools.secret) if isinstance(event, GuardEvent) else None
    if alert is not None and isinstance(event, GuardEvent) and suspends(event):
        order = f"{event.event_time.isoformat()} {event.event_id}"
        tools.suspensions.suspend(Suspension(BY_SLACK, order, alert.principal or "somebody", alert.because, tools.clock.now()))
    return alert


def _told(alert: Alert, event: GuardEvent | Change, tools: Tools) -> EventOutcome:
    is_new = announce_alert(alert, "GuardProblemFound", tools.ledger, tools.organization.account, tools.clock.now())
    because = alert.because if is_new else f"{alert.because} (Announced before.)"
    return _outcome(tools, event.account_id, event.event_id, event.event_name, "alerted", because)


def _outcome(tools: Tools, account_id: str, event_id: str, event_name: str, outcome: str, because: str) -> EventOutcome:  # noqa: PLR0917
    now = tools.clock.now()
    return EventOutcome(account_id, event_id, event_name, "", outcome, because, None, now)
