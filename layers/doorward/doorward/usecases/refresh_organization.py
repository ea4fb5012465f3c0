"""Something about the organization may have changed: read it anew, keep it, and tell and judge anew what that touches.

An event is only a hint to read, but for what no read shows. Reads are a minute apart at least, whatever comes in between leads to one more
at the end of it. Nothing here ever leads to a write into an account: hints are of cause FACTS.

Where this dies, the message comes again: what was told is not told twice, hints are judged twice without harm, and the facts are kept last.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final

from doorward.errors import Conflict, Misconfigured
from doorward.events.hints import Hint
from doorward.events.model import Cause, OrganizationEvent
from doorward.events.records import parse_envelope
from doorward.findings.alerts import Alert
from doorward.guard.organization_alerts import ORGANIZATIONS, alert_of_event, alerts_of_changes
from doorward.organization.changes import ChangeKind, FactChange, changes
from doorward.organization.facts import AccountFacts, OrganizationFacts, combine
from doorward.organization.model import Account, Organization
from doorward.ports.clock import Clock
from doorward.ports.facts import RoleNames
from doorward.ports.hints import Hints
from doorward.ports.ledger import EventOutcome, Ledger
from doorward.ports.organization import REFRESH, Directory, Kept, OrganizationStore, Refreshes
from doorward.ports.sweeps import Sweeps
from doorward.usecases.announce_alert import announce_alert
from doorward.usecases.start_sweep import start_sweep

_SETTLED = timedelta(seconds=60)
"""A read that began this long after an event shows what it told of."""
_SWEPT: Final = frozenset({ChangeKind.ACCOUNT_JOINED, ChangeKind.ACCOUNT_REOPENED})


@dataclass(frozen=True, slots=True)
class Tools:
    """`configured`: the organization's file alone. `hub_account`: whose outcomes those without an event are.

    `inventory` None: nothing is kept of the roles' trust policies, so that those of every account are judged anew.
    """

    directory: Directory
    store: OrganizationStore
    refreshes: Refreshes
    ledger: Ledger
    clock: Clock
    configured: Organization
    hub_account: str
    hints: Hints
    inventory: RoleNames | None
    sweeps: Sweeps


def refresh_organization(message: str, tools: Tools) -> tuple[EventOutcome, ...]:
    """Handle one message: an EventBridge envelope, or a call for a read (REFRESH).

    Raises MalformedInput for what is neither, Misconfigured where the organization cannot be read, Unavailable, Conflict.
    """
    called = _called(message)
    if called is not None:
        came_to, because = _refresh((), tools)
        return (_record(tools, None, came_to, f"{called.get('because') or 'Called for'}: {because}"),)
    event = parse_envelope(message)
    if not isinstance(event, OrganizationEvent):
        because = "Not about the organization."
        outcome = EventOutcome(event.account_id, event.event_id, event.event_name, "", "skipped", because, None, tools.clock.now())
        tools.ledger.record(outcome)
        return (outcome,)
    return (take_in(event, tools),)


def take_in(event: OrganizationEvent, tools: Tools) -> EventOutcome:
    """Tell what no read shows, then read. Raises as `refresh_organization` does."""
    told = alert_of_event(event, tools.clock.now(), by_pipeline=tools.configured.is_pipeline(event.actor.arn))
    if told is not None:
        _announce([told], None, tools)
    if event.event_source != ORGANIZATIONS:
        because = "It changes nothing of what is read of the organization." if told is None else told.because
        return _record(tools, event, "skipped" if told is None else "alerted", because)
    if event.failed:
        because = "The call failed: it changed nothing." if told is None else told.because
        return _record(tools, event, "alerted" if told is not None else "skipped", because)
    return _record(tools, event, *_refresh((event,), tools))


def _called(message: str) -> dict[str, object] | None:
    try:
        data = json.loads(message)
    except (ValueError, RecursionError):
        return None  # the parser of envelopes says what is wrong with it
    if not isinstance(data, dict) or data.get("format") != REFRESH:
        return None
    return data


def _refresh(events: tuple[OrganizationEvent, ...], tools: Tools) -> tuple[str, str]:
    if tools.configured.management_account is None:
        return "skipped", "organization.yaml names no management account: there is nothing to read."
    before = tools.store.load()
    if events and before is not None and all(before.facts.read_at >= each.event_time + _SETTLED for each in events):
        return "skipped", "Read since then."
    now = tools.clock.now()
    wait = tools.store.take_turn(now)
    if wait:
        if tools.store.is_called(now):
            return "put-off", "Another read has been called for already; it will show this, too."
        tools.refreshes.call("Put off", in_seconds=wait)
        tools.store.called(now + timedelta(seconds=wait))
        return "put-off", f"The organization was read less than a minute ago; it is read again in {wait:.0f} s."
    facts = tools.directory.read()
    if tools.configured.id not in {None, facts.id}:
        raise Misconfigured(
            f"account {tools.configured.management_account} manages {facts.id}, and organization.yaml names {tools.configured.id}:"
            " mend the file"
        )
    return _compare(before, facts, events, tools)


def _compare(before: Kept | None, facts: OrganizationFacts, events: tuple[OrganizationEvent, ...], tools: Tools) -> tuple[str, str]:
    over = 0 if before is None else before.version
    found = () if before is None else changes(before.facts, facts)
    _announce(alerts_of_changes(found, facts, over, events, tools.clock.now()), facts, tools)
    tools.hints.send(tuple(_hints(found, facts, over, tools)))
    joined = sorted({each.subject for each in found if each.kind in _SWEPT} & {each.id for each in facts.accounts if each.is_active})
    no_sweep = start_sweep(lambda: tools.sweeps, tuple(joined), "The account has joined the organization.") if joined else None
    try:
        tools.store.save(facts, over=over)
        if no_sweep is not None:
            raise no_sweep  # no reason to go by what the organization was before
    except Conflict:
        return "overtaken", "Somebody has read the organization meanwhile; theirs is kept."
    said = " ".join(combine(tools.configured, facts).contradictions)
    if before is None:
        return "read", f"The first read: {len(facts.accounts)} accounts. {said}".rstrip()
    if not found:
        return "read", f"Nothing has changed. {said}".rstrip()
    return "changed", " ".join([*(each.says for each in found), said]).rstrip()


def _hints(found: Sequence[FactChange], facts: OrganizationFacts, over: int, tools: Tools) -> Iterator[Hint]:
    """Every role of an account that stands elsewhere now, and every other role that names what has changed. Each once."""
    now = tools.clock.now()
    whole: dict[str, FactChange] = {}
    roles: dict[str, FactChange] = {}
    for change in found:
        whole.update((each, change) for each in change.judged_anew if each not in whole)
    for change in found:
        if change.names and tools.inventory is None:
            whole.update((each.id, change) for each in facts.accounts if each.is_active and each.id not in whole)
        elif change.names and tools.inventory is not None:
            roles.update((ref, change) for ref in tools.inventory.roles_naming(change.names) if ref not in roles)
    for account_id, change in whole.items():
        yield Hint(account_id, Cause.FACTS, change.says, _hint_id(over, change, account_id), now)
    for ref, change in roles.items():
        account_id, _, name = ref.partition("/")
        if account_id not in whole:
            yield Hint(account_id, Cause.FACTS, change.says, _hint_id(over, change, ref), now, role_name=name)


def _hint_id(over: int, change: FactChange, about: str) -> str:
    return "facts-" + sha256(f"{over}/{change.kind}/{change.subject}/{about}".encode()).hexdigest()[:20]


def _announce(alerts: Iterable[Alert], facts: OrganizationFacts | None, tools: Tools) -> None:
    def account_of(account_id: str) -> Account | AccountFacts | None:
        return (None if facts is None else facts.account(account_id)) or tools.configured.account(account_id)

    for alert in alerts:
        announce_alert(alert, "OrganizationChanged", tools.ledger, account_of, tools.clock.now())


def _record(tools: Tools, event: OrganizationEvent | None, outcome: str, because: str) -> EventOutcome:
    now = tools.clock.now()
    if event is None:
        return EventOutcome(tools.hub_account, f"refresh-{now:%Y%m%dT%H%M%S}", "Refresh", "", outcome, because, None, now)
    record = EventOutcome(event.account_id, event.event_id, event.event_name, "", outcome, because, event.event_time, now)
    tools.ledger.record(record)
    return record
