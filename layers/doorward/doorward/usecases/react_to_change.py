"""A role's trust, or a provider that roles trust, may have changed: look, judge, and do what the mode says.

The event is only a hint. What is judged is what stands now, and what is written is written only over what was judged.
So any order and any repetition of events ends in the same state, and our own writes end the loop by themselves:
they leave a compliant policy, and a compliant policy is not written.

Here an event is led to the roles that it may be about. What becomes of one role: plan_reaction, carry_out, follow_up.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import replace
from typing import TYPE_CHECKING

from doorward.errors import Conflict, DoorwardError, Misconfigured, Throttled, Unavailable
from doorward.events.hints import Hint, parse_message
from doorward.events.model import (
    AccountTarget,
    Cause,
    Change,
    PolicyTarget,
    ProviderTarget,
    RolesTarget,
    RoleTarget,
    ServiceTarget,
    Skipped,
)
from doorward.guardrails.announcements import FORMAT, describe_actor
from doorward.iam.documents import hash_of_text
from doorward.ports.ledger import Announcement, EventOutcome, Head, Lock
from doorward.usecases.carry_out import carry_out
from doorward.usecases.plan_reaction import plan_reaction
from doorward.usecases.reaction import EVENT_TIME_GRAIN, FRESH, ChangedMeanwhile, Result, Task, Tools, policy_hash

if TYPE_CHECKING:
    from doorward.findings.alerts import Alert

_LOCK_TRIES = 40
_LOCK_WAIT_SECONDS = 0.25
# What the roles' own policies do not show: each is judged anew, whether it has changed or not.
_BEARS_ON_EVERY_ROLE = frozenset({Cause.FACTS, Cause.FIRST_SEEN})
# Each round begins with what stands now; somebody who changes it faster than this is met by the next event.
_ROUNDS = 3
# A look takes a third of a second, and many times that where it writes; the function has a minute.
_MOST_AT_ONCE = 20


def react_to_change(message: str, tools: Tools) -> tuple[EventOutcome, ...]:
    """React to one EventBridge envelope (JSON text); what came of it, per role, is recorded and returned.

    Raises MalformedInput for what can never be used, Misconfigured where an account cannot be entered (announced
    before), Unavailable and Conflict where it should be tried again.
    """
    change = parse_message(message)
    if not isinstance(change, Change):
        because = change.because if isinstance(change, Skipped) else f"{change.event_name} does not change who may assume a role."
        outcome = EventOutcome(change.account_id, change.event_id, change.event_name, "", "skipped", because, None, tools.clock.now())
        tools.ledger.record(outcome)
        return (outcome,)
    tools = replace(tools, message=message)
    tools.admit(change)
    if change.event_name.endswith("SAMLProvider"):
        tools.suspend(change)
    if change.event_name == "TagRole" and _is_heartbeat(change, tools):
        return (_record(tools, change, "", Result("heartbeat", "The canary role tagged itself: changes of this account's roles arrive.")),)
    try:
        outcomes = [_record(tools, change, ref, result) for ref, result in _react(change, tools)]
    except Misconfigured as error:
        _announce_unreadable(tools, change, str(error))
        raise
    except Throttled as error:
        from doorward.usecases.tell_starved import tell_starved  # once in a long while

        tell_starved(change, error, tools.ledger, tools.organization, tools.clock)
        raise
    if not outcomes:
        outcomes = [_record(tools, change, "", Result("no-role", "No role of this account is touched by this change."))]
    return tuple(outcomes)


def _is_heartbeat(change: Change, tools: Tools) -> bool:
    from doorward.guard.heartbeats import beat_of

    beat = beat_of(change)
    if beat is None:
        return False
    spot, nonce = beat
    tools.beats().seen(spot.account_id, spot.region, nonce, change.event_time)
    return True


def _react(change: Change, tools: Tools) -> Iterator[tuple[str, Result]]:
    match change.target:
        case RoleTarget(account_id, role_name):
            yield f"{account_id}/{role_name}", _react_to_role(account_id, role_name, change, tools, cause_known=True)
        case RolesTarget(named):
            ours = [each for each in named if tools.organization.account(each.account_id) is not None]
            _tell_of_provider(change, ours, tools)
            yield from _react_to_each([(each, True) for each in ours], change, tools)
        case PolicyTarget(account_id, policy_arn):
            holders = [RoleTarget(account_id, each) for each in tools.roles.attached_to(account_id, policy_arn)]
            yield from _react_to_each([(each, True) for each in holders], change, tools)
        case ServiceTarget(account_id, service):
            touched = _naming(account_id, service, tools)
            _tell_of_provider(change, [each for each, _ in touched], tools)
            yield from _react_to_each(touched, change, tools)
        case ProviderTarget(account_id, provider_arn):
            touched = _naming(account_id, provider_arn, tools)
            _tell_of_provider(change, [each for each, _ in touched], tools)
            yield from _react_to_each(touched, change, tools)
        case AccountTarget(account_id) if change.cause in _BEARS_ON_EVERY_ROLE:
            every = [(RoleTarget(account_id, role.name), False) for role in tools.roles.read_all(account_id)]
            yield from _react_to_each(every, change, tools)
        case AccountTarget(account_id):
            from doorward.guardrails.changes import parameters_hidden
            from doorward.usecases.start_sweep import start_sweep

            _tell(parameters_hidden(change), tools)
            because = f"{change.event_name} {change.event_id} hides its role."
            no_sweep = start_sweep(tools.sweeps, [account_id], because, once=f"{account_id}/{change.event_id}")
            yield from _react_to_each(_hidden(account_id, change, tools), change, tools)
            if no_sweep is not None:
                raise no_sweep


def _naming(account_id: str, text: str, tools: Tools) -> list[tuple[RoleTarget, bool]]:
    """Roles whose trust policy has this provider or service in it."""
    return [(RoleTarget(account_id, role.name), True) for role in tools.roles.read_all(account_id) if text in role.trust_policy]


def _tell_of_provider(change: Change, touched: list[RoleTarget], tools: Tools) -> None:
    from doorward.guardrails.changes import provider_changed  # of every thousand events one needs it

    _tell(provider_changed(change, [each.role_name for each in touched], tools.organization), tools)


def _tell(alert: "Alert | None", tools: Tools) -> None:
    if alert is not None:
        from doorward.usecases.announce_alert import announce_alert

        announce_alert(alert, "SuspiciousChangeFound", tools.ledger, tools.organization.account, tools.clock.now())


def _react_to_each(roles: Iterable[tuple[RoleTarget, bool]], change: Change, tools: Tools) -> Iterator[tuple[str, Result]]:
    """One role that cannot be dealt with keeps no other from being looked at: what went wrong is raised at the end.

    More than one invocation has time for become a hint each. A hint names nobody: what somebody's own may have changed leads to no write.
    """
    roles = list(roles)
    if len(roles) > _MOST_AT_ONCE:
        by_pipeline = tools.organization.is_pipeline(change.actor.arn)
        because = f"{change.event_name} {change.event_id} touched the role."
        tools.hints().send(
            [
                Hint(
                    each.account_id,
                    change.cause if cause_known and not by_pipeline else Cause.FACTS,
                    because,
                    change.event_id,
                    change.event_time,
                    role_name=each.role_name,
                )
                for each, cause_known in roles
            ]
        )
        yield "", Result("handed-on", f"{len(roles)} roles are touched: each is looked at by a hint of its own.")
        return
    failures: list[DoorwardError] = []
    for role, cause_known in roles:
        try:
            ref = f"{role.account_id}/{role.role_name}"
            yield ref, _react_to_role(role.account_id, role.role_name, change, tools, cause_known=cause_known)
        except DoorwardError as error:
            failures.append(error)
    failures.sort(key=lambda error: isinstance(error, Misconfigured))  # what is worth another try comes first
    if failures:
        raise failures[0]


def _hidden(account_id: str, change: Change, tools: Tools) -> list[tuple[RoleTarget, bool]]:
    """Roles that a change which hides its role can be about: those that are not as an event told last, or as new as this one.

    With each, whether it was this one for sure that has changed. Of roles that no event ever told of, the sweep sees which have changed.

    Raises Unavailable where nothing has changed yet and the event is fresh: IAM's lists lag behind.
    """
    for delay in (0.0, *tools.read_delays_seconds):
        if delay:
            tools.clock.sleep(delay)
        roles = {role.ref: role for role in tools.roles.read_all(account_id)}
        heads = tools.ledger.heads_of(tuple(roles))
        found = []
        for ref, role in roles.items():
            head = heads.get(ref, Head())
            is_new = role.created_at is not None and role.created_at + EVENT_TIME_GRAIN >= change.event_time
            if (is_new or head.judged_hash) and (head.role_id, head.judged_hash) != (role.role_id, policy_hash(role)):
                found.append((RoleTarget(account_id, role.name), is_new or head.role_id == role.role_id))
        if found or tools.clock.now() - change.event_time > FRESH:
            return found
    raise Unavailable(f"{account_id}: no role has changed yet that this event could be about; looking again later")


def _react_to_role(account_id: str, role_name: str, change: Change, tools: Tools, *, cause_known: bool) -> Result:
    ref = f"{account_id}/{role_name}"
    told_hash = None if change.document is None else hash_of_text(change.document)
    began = tools.clock.now()
    with _locked(ref, tools) as lock:
        task = Task(lock, account_id, role_name, change, told_hash, tools, cause_known, began)
        for _ in range(_ROUNDS):
            try:
                return _followed_up(task) or carry_out(plan_reaction(task), task)
            except ChangedMeanwhile:
                continue
    raise Unavailable(f"{ref}: its trust policy changed {_ROUNDS} times while it was being judged; trying again later")


def _followed_up(task: Task) -> Result | None:
    if not task.change.follows:
        return None
    from doorward.usecases.follow_up import follow_up

    return follow_up(task)


@contextmanager
def _locked(ref: str, tools: Tools) -> Iterator[Lock]:
    lock = _wait_for_lock(ref, tools)
    try:
        yield lock
    finally:
        tools.ledger.unlock(lock)


def _wait_for_lock(ref: str, tools: Tools) -> Lock:
    """Whoever holds the role may have read it before our event's change: wait, do not leave it to him."""
    for _ in range(_LOCK_TRIES):
        try:
            return tools.ledger.lock(ref)
        except Conflict:
            tools.clock.sleep(_LOCK_WAIT_SECONDS)
    raise Unavailable(f"{ref}: somebody else is working on this role; trying again later")


def _record(tools: Tools, change: Change, ref: str, result: Result) -> EventOutcome:
    outcome = EventOutcome(
        change.account_id, change.event_id, change.event_name, ref, result.outcome, result.because, change.event_time, tools.clock.now()
    )
    tools.ledger.record(outcome)
    return outcome


def _announce_unreadable(tools: Tools, change: Change, because: str) -> None:
    account = tools.organization.account(change.account_id)
    detail = {
        "format": FORMAT,
        "account": {"id": change.account_id, "name": account.name if account is not None else None},
        "severity": "high",
        "because": because,
        "actor": describe_actor(change.actor, tools.organization),
        "event": {"id": change.event_id, "name": change.event_name, "time": change.event_time.isoformat()},
    }
    now = tools.clock.now()
    once = f"{change.account_id}-{now.date()}" if change.look else change.event_id
    tools.ledger.announce(Announcement(f"unread-{once}", "TrustChangeUnread", detail, now))
