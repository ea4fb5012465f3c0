"""A step of a case is on the bus: write the evidence of its incident anew, where it is not what was written last."""

from collections.abc import Sequence

from doorward.errors import MalformedInput
from doorward.ports.clock import Clock
from doorward.ports.evidence import Evidence, Told
from doorward.ports.ledger import EventOutcome, Ledger
from doorward.usecases.incident_document import document_as_text, incident_document
from doorward.usecases.own_events import parse_case_event

PREFIX = "incidents/"


def keep_evidence(envelope: str, ledger: Ledger, evidence: Evidence, clock: Clock) -> tuple[EventOutcome, ...]:
    """`envelope` is EventBridge's, JSON text. However often and in whatever order events come, what is written last is whole.

    It is made of what the ledger says at that time, not of the event. Raises MalformedInput, Conflict, Unavailable, Misconfigured.
    """
    event = parse_case_event(envelope)

    def make(told: Sequence[Told]) -> str:
        case = ledger.case(event.role_ref, event.case_id)
        if case is None:
            raise MalformedInput(f"{event.case_id}: the ledger has no such case of {event.role_ref}; it may have expired")
        return document_as_text(incident_document(case, ledger.record_of(event.role_ref, event.case_id), told))

    told = Told(event.announcement_id, event.detail_type, event.at, str(event.detail.get("because", "")))
    key = f"{PREFIX}{event.role_ref}/{event.case_id}.json"
    is_new = evidence.keep(event.case_id, key, told, make)
    account_id = event.role_ref.partition("/")[0]
    outcome, because = ("kept", f"The evidence stands under {key}.") if is_new else ("known", "The evidence says this already.")
    return (EventOutcome(account_id, event.announcement_id, event.detail_type, event.role_ref, outcome, because, event.at, clock.now()),)
