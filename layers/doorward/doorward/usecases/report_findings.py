"""A step of a case is on the bus: report it where programs read, once each, however often it is delivered."""

from collections.abc import Sequence

from doorward.errors import DoorwardError, MalformedInput
from doorward.findings.reported import reported
from doorward.ports.clock import Clock
from doorward.ports.ledger import EventOutcome, Outbox
from doorward.ports.reporting import Reporter
from doorward.usecases.own_events import parse_case_event


def report_findings(envelope: str, reporters: Sequence[Reporter], outbox: Outbox, clock: Clock) -> tuple[EventOutcome, ...]:
    """`envelope` is EventBridge's, JSON text. What is only observed disturbs nobody and is not reported.

    Every reporter is tried even where another fails; the first failure is raised afterwards, so that the event comes again for the rest.
    Raises MalformedInput, Unavailable, Misconfigured.
    """
    event = parse_case_event(envelope)
    try:
        case = reported(event.announcement_id, event.detail_type, event.detail, event.at)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedInput(f"{event.announcement_id}: its detail is not as Doorward writes it ({error})") from None
    names: list[str] = []
    failures: list[DoorwardError] = []
    for reporter in reporters if event.detail.get("mode") != "observe" else ():
        if outbox.was_sent(event.announcement_id, reporter.name):
            continue
        try:
            reporter.report(case)
        except DoorwardError as error:
            failures.append(error)
            continue
        outbox.sent(event.announcement_id, reporter.name)
        names.append(reporter.name)
    if failures:
        raise failures[0]
    outcome = "reported" if names else "known"
    because = f"Reported to {', '.join(names) or 'nobody anew'}."
    return (
        EventOutcome(case.account_id, event.announcement_id, event.detail_type, event.role_ref, outcome, because, event.at, clock.now()),
    )
