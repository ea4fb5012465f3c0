"""Somebody asked for a session of a role, or a role's trust policy was written: keep it, and say what is wrong with it.

Either can come first, twice, late, or from two accounts at once. So both are kept, and each is looked at beside what is known of the other;
an alert is one by the call that it is about, so that it is told once. Nothing here reads IAM or writes to it.

Where this dies, the message comes again: what was kept is kept once, what was counted is counted once, and what was announced is announced.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from doorward.events.hints import parse_message
from doorward.events.model import Cause, Change, RoleTarget, SessionEvent, Skipped
from doorward.findings.alerts import Alert
from doorward.guard.heartbeats import beat_of
from doorward.organization.installation import GRANT_ROLE_PREFIX, OWN_ROLES
from doorward.organization.model import Organization
from doorward.ports.beats import Beats
from doorward.ports.clock import Clock
from doorward.ports.ledger import EventOutcome, Ledger
from doorward.ports.organization import OrganizationStore, Refreshes
from doorward.ports.sessions import SessionStore
from doorward.sessions.detections import detect
from doorward.sessions.model import WINDOW, Edge, Hub, Scene, TrustVersion, edge_of, every_role_of, role_ref_of
from doorward.usecases.announce_alert import announce_alert
from doorward.usecases.membership import admit

_MAKES_ROLES = frozenset({"CreateRole", "AcquireRole"})


@dataclass(frozen=True, slots=True)
class Tools:
    sessions: SessionStore
    ledger: Ledger
    beats: Beats
    clock: Clock
    organization: Organization
    store: OrganizationStore
    refreshes: Refreshes
    hub: Hub


def watch_session(message: str, tools: Tools) -> tuple[EventOutcome, ...]:
    """Look at one EventBridge envelope (JSON text). Raises MalformedInput, Conflict, Unavailable."""
    event = parse_message(message)
    if isinstance(event, SessionEvent):
        admit(event, tools.organization, tools.store, tools.refreshes)
        return (_outcome(tools, event, *_watch_call(event, tools)),)
    if isinstance(event, Change) and event.cause is Cause.TRUST:
        admit(event, tools.organization, tools.store, tools.refreshes)
        return (_outcome(tools, event, *_watch_change(event, tools)),)
    because = event.because if isinstance(event, Skipped) else f"{event.event_name} opens no session of a role."
    return (_outcome(tools, event, "skipped", because),)


def _watch_call(event: SessionEvent, tools: Tools) -> tuple[str, str]:
    beat = beat_of(event)
    if beat is not None:
        spot, nonce = beat
        tools.beats.seen(spot.account_id, spot.region, nonce, event.event_time)
    call = tools.sessions.keep_call(event)
    edge = edge_of(call, tools.organization)
    if edge is not None:
        tools.sessions.count(edge, call.key)
    return _announced(_detected((call,), call.event_time, tools), tools)


def _watch_change(change: Change, tools: Tools) -> tuple[str, str]:
    name = change.target.role_name if isinstance(change.target, RoleTarget) else None
    if name is not None and (name in OWN_ROLES or name.startswith(GRANT_ROLE_PREFIX)):
        return "skipped", "Doorward's own role: its trust policy holds Doorward's external ID, and is kept nowhere."
    ref = every_role_of(change.account_id) if name is None else f"{change.account_id}/{name}"
    is_first = change.event_name in _MAKES_ROLES
    version = TrustVersion(ref, change.event_id, change.event_time, change.document, is_first=is_first, actor=change.actor.arn)
    tools.sessions.keep_version(version)
    # A later version may hide what this one opened for who came in between: every call since is looked at again.
    calls = tools.sessions.recent_calls(ref, change.event_time, _last_told_by(version, tools) + WINDOW)
    return _announced(_detected(calls, change.event_time, tools), tools)


def _last_told_by(version: TrustVersion, tools: Tools) -> datetime:
    """When the last change was made of which this one says what stood before it: it may come after them."""
    last = version.at
    for each in tools.sessions.versions(version.role_ref, version.at):
        if (each.at, each.event_id) > (version.at, version.event_id):
            last = each.at
            if each.document is not None:
                break
    return last


def _detected(calls: Iterable[SessionEvent], since: datetime, tools: Tools) -> Iterator[Alert]:
    """Every alert about these calls, none of which was made before `since`."""
    versions: dict[str | None, tuple[TrustVersion, ...]] = {None: ()}
    for call in calls:
        ref = role_ref_of(call)
        if ref is not None and ref not in versions:
            versions[ref] = tools.sessions.versions(ref, since - WINDOW)
        scene = Scene(call, tools.organization, tools.hub, versions[ref], _edge(call, versions[ref], tools))
        yield from detect(scene, now=tools.clock.now())


def _edge(call: SessionEvent, versions: tuple[TrustVersion, ...], tools: Tools) -> Edge | None:
    """The caller's, where a hidden change asks whether he has come before; a role can have thousands."""
    edge = edge_of(call, tools.organization)
    if edge is None or all(each.document is not None for each in versions):
        return None
    return next((each for each in tools.sessions.edges(edge.role_ref) if each.principal == edge.principal), edge)


def _announced(found: Iterable[Alert], tools: Tools) -> tuple[str, str]:
    because = []
    for alert in found:
        account_of, now = tools.organization.account, tools.clock.now()
        announce_alert(alert, "SuspiciousSessionFound", tools.ledger, account_of, now, kind="doorward.sessions/1")
        because.append(alert.because)
    return ("alerted", " ".join(because)) if because else ("passed", "Nothing is wrong with it.")


def _outcome(tools: Tools, event: SessionEvent | Change | Skipped | object, outcome: str, because: str) -> EventOutcome:
    account_id, event_id, event_name = (str(getattr(event, name)) for name in ("account_id", "event_id", "event_name"))
    ref = role_ref_of(event) if isinstance(event, SessionEvent) else None
    return EventOutcome(account_id, event_id, event_name, ref or "", outcome, because, None, tools.clock.now())
