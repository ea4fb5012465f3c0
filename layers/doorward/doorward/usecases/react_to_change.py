"""A role's trust, or a provider that roles trust, may have changed: look, judge, and do what the mode says.

The event is only a hint. What is judged is what stands now, and what is written is written only over what was judged.
So any order and any repetition of events ends in the same state, and our own writes end the loop by themselves:
they leave a compliant policy, and a compliant policy is not written.

Where this dies, the event comes again, and:
- before the intent: nothing happened;
- after the intent: the bad policy stands, and the same case goes on;
- after the write: the planned policy stands, and the case is closed and announced.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import replace
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

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
from doorward.findings.model import Finding, Judgement, Remedy, Verdict
from doorward.guardrails.announcements import FORMAT, describe_actor, describe_case, with_remedy
from doorward.guardrails.baselines import Becomes
from doorward.guardrails.decide import Action, Circumstances, Decision, decide
from doorward.guardrails.judge import judge
from doorward.guardrails.looks import Look, judged_under, out_of_date
from doorward.guardrails.model import Guardrails, Permissions, PermissionsPolicy, Role
from doorward.guardrails.protected import is_doorwards_own, protected_because
from doorward.iam.documents import hash_of_text
from doorward.organization.model import Organization
from doorward.ports.beats import Beats
from doorward.ports.clock import Clock
from doorward.ports.hints import Hints
from doorward.ports.ledger import Announcement, Baseline, Case, CaseStatus, EventOutcome, Head, Ledger, Lock
from doorward.ports.roles import Refused, Roles
from doorward.ports.sweeps import Sweeps
from doorward.usecases.keep_baseline import Standing, keep_baseline, widens

if TYPE_CHECKING:
    from doorward.findings.alerts import Alert

# CloudTrail gives whole seconds.
_EVENT_TIME_GRAIN = timedelta(seconds=1)
# IAM is usually consistent within seconds; after a minute a difference is a later change, not a stale read.
_FRESH = timedelta(seconds=60)
_LOCK_TRIES = 40
_LOCK_WAIT_SECONDS = 0.25
# What the roles' own policies do not show: each is judged anew, whether it has changed or not.
_BEARS_ON_EVERY_ROLE = frozenset({Cause.FACTS, Cause.FIRST_SEEN})
# Each round begins with what stands now; somebody who changes it faster than this is met by the next event.
_ROUNDS = 3
# A look takes a third of a second, and many times that where it writes; the function has a minute.
_MOST_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Tools:
    """What the reaction works with. `read_delays_seconds`: how long to wait before each further look at IAM.

    `organization_hash`: of the organization's file. `events_take`: how long an event may be under way. `beats`, `sweeps` and `hints` are
    made where they are needed first. `admit` raises where an event is of no account of the organization.
    """

    roles: Roles
    ledger: Ledger
    clock: Clock
    organization: Organization
    guardrails: Guardrails
    organization_hash: str
    read_delays_seconds: tuple[float, ...]
    events_take: timedelta
    beats: Callable[[], Beats]
    sweeps: Callable[[], Sweeps]
    hints: Callable[[], Hints]
    admit: Callable[[Change], None]


@dataclass(frozen=True, slots=True)
class _Result:
    outcome: str
    because: str


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
    tools.admit(change)
    if change.event_name == "TagRole" and _is_heartbeat(change, tools):
        return (_record(tools, change, "", _Result("heartbeat", "The canary role tagged itself: changes of this account's roles arrive.")),)
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
        outcomes = [_record(tools, change, "", _Result("no-role", "No role of this account is touched by this change."))]
    return tuple(outcomes)


def _is_heartbeat(change: Change, tools: Tools) -> bool:
    from doorward.guard.heartbeats import beat_of

    beat = beat_of(change)
    if beat is None:
        return False
    spot, nonce = beat
    tools.beats().seen(spot.account_id, spot.region, nonce, change.event_time)
    return True


def _react(change: Change, tools: Tools) -> Iterator[tuple[str, _Result]]:
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


def _react_to_each(roles: Iterable[tuple[RoleTarget, bool]], change: Change, tools: Tools) -> Iterator[tuple[str, _Result]]:
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
        yield "", _Result("handed-on", f"{len(roles)} roles are touched: each is looked at by a hint of its own.")
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
            is_new = role.created_at is not None and role.created_at + _EVENT_TIME_GRAIN >= change.event_time
            if (is_new or head.judged_hash) and (head.role_id, head.judged_hash) != (role.role_id, _policy_hash(role)):
                found.append((RoleTarget(account_id, role.name), is_new or head.role_id == role.role_id))
        if found or tools.clock.now() - change.event_time > _FRESH:
            return found
    raise Unavailable(f"{account_id}: no role has changed yet that this event could be about; looking again later")


def _react_to_role(account_id: str, role_name: str, change: Change, tools: Tools, *, cause_known: bool) -> _Result:
    ref = f"{account_id}/{role_name}"
    told_hash = None if change.document is None else hash_of_text(change.document)
    with _locked(ref, tools) as lock:
        for _ in range(_ROUNDS):
            try:
                return _RoleReaction(lock, account_id, role_name, change, told_hash, tools, cause_known).run()
            except _ChangedMeanwhile:
                continue
    raise Unavailable(f"{ref}: its trust policy changed {_ROUNDS} times while it was being judged; trying again later")


_PROMISED: Final = frozenset({Action.WAIT, Action.WRITE})
_PASSED: Final = {
    None: _Result("passed", "One of Doorward's own roles, as it should be."),
    Becomes.KEPT: _Result("passed", "No guardrail is broken; this is the accepted baseline."),
    Becomes.OBSERVED: _Result("passed", "No guardrail is broken."),
    Becomes.ACCEPTED_OF_PIPELINE: _Result("accepted", "No guardrail is broken, and a known pipeline wrote it: this is the baseline now."),
    Becomes.ACCEPTED_OF_QUIET: _Result(
        "accepted", "No guardrail is broken, nobody new is let in, and it has stood for long: this is the baseline."
    ),
}


class _ChangedMeanwhile(Exception):  # noqa: N818 - never leaves this module
    """What stands is no longer what was judged."""


@dataclass(frozen=True, slots=True)
class _RoleReaction:
    """One look at one role, under its lock. `told_hash`: of the document that the event carries."""

    lock: Lock
    account_id: str
    role_name: str
    change: Change
    told_hash: str | None
    tools: Tools
    cause_known: bool

    def run(self) -> _Result:
        tools = self.tools
        head = tools.ledger.head(self.lock.role_ref)
        if self.change.look and self.change.look == head.looked:
            return _Result("known", "A sweep asked for this very look before, and nothing else had the role looked at since.")
        head = replace(head, looked=out_of_date(head.looked))
        role = self._read_settled(head)
        case = tools.ledger.case(self.lock.role_ref, head.case_id) if head.case_id is not None else None
        if role is None:
            if case is not None:
                self._close_without_write(case, head, "The role does not exist any more.")
            return _Result("no-such-role", "The role does not exist (any more): there is nothing to judge.")
        found_hash = _policy_hash(role)
        if head.role_id not in {"", role.role_id}:
            from doorward.guardrails.changes import role_recreated

            _tell(role_recreated(self.change, role.arn, head.role_id, role.role_id, tools.organization), tools)
        if case is not None and (case.role_id, case.found_hash) != (role.role_id, found_hash):
            head = self._close_overtaken(case, head, found_hash)
            case = None
        cause = self._cause(role, head, found_hash)
        by_pipeline = self._written_by_pipeline(head, case, found_hash, role)
        author_may_come = cause is Cause.TRUST and by_pipeline is None and self._author_may_come()
        role, unread = self._with_permissions(role)
        judgement = judge(role, tools.organization, tools.guardrails, now=tools.clock.now())
        accepted = tools.ledger.baseline(role.ref, role.role_id) if judgement.verdict is Verdict.VIOLATING else None
        account = tools.organization.account(role.account_id)
        decision = decide(
            judgement,
            role,
            account,
            tools.guardrails,
            Circumstances(
                cause=cause,
                cause_known=self.cause_known and (by_pipeline is not None or author_may_come),
                by_pipeline=by_pipeline is True,
                protected_because=protected_because(role),
                widens=None if accepted is None else widens(role, accepted, tools.organization, tools.clock.now()),
                author_may_come=author_may_come,
            ),
        )
        judged_before = judged = head.judged_hash if head.role_id == role.role_id else ""
        if cause is Cause.TRUST and (by_pipeline is not None or (self.change.look and decision.action is not Action.WAIT)):
            judged = found_hash
        if head.role_id != role.role_id:
            head = replace(head, stands_hash="", stands_since=None)
        head = replace(head, role_id=role.role_id, judged_hash=judged)
        if case is not None and case.by_pipeline is None and self._told_of(head, found_hash):
            case = replace(case, by_pipeline=by_pipeline)
            tools.ledger.intend(self.lock, case)
        if decision.action is not Action.PASS and head.stands_hash:
            tools.ledger.replaced(role.ref, role.role_id, head.stands_hash)
            head = replace(head, stands_hash="", stands_since=None)
        if decision.action is Action.PASS:
            if case is not None:
                head = self._close_without_write(case, head, "The same trust policy breaks no guardrail any more.")
            result = self._pass(role, head if unread is not None else self._looked(head, role, found_hash), found_hash)
        elif decision.action is Action.WRITE:
            # It is not told of as judged before it is dealt with: else who dies in between leaves nobody who would write.
            result = self._put_back(role, judgement, decision, replace(head, judged_hash=judged_before), found_hash, accepted)
        else:
            result = self._tell(role, judgement, decision, head, found_hash, case)
            if decision.action is Action.WAIT:
                self._look_again()
            elif self.change.look and unread is None:
                tools.ledger.judged(self.lock, self._looked(tools.ledger.head(self.lock.role_ref), role, found_hash))
        if unread is not None:
            raise unread  # what is open was judged and dealt with; what the role may do, when the event comes again
        return result

    def _cause(self, role: Role, head: Head, found_hash: str) -> Cause:
        """A sweep's hint may come late and twice: it tells of a change only while what it saw stands, and nobody has judged that before."""
        if not self.change.look or self.change.cause is not Cause.TRUST:
            return self.change.cause
        look = Look.from_text(self.change.look)
        is_seen = look is not None and look.is_at(role.role_id, found_hash)
        return Cause.TRUST if is_seen and (head.role_id, head.judged_hash) != (role.role_id, found_hash) else Cause.FACTS

    def _looked(self, head: Head, role: Role, found_hash: str) -> Head:
        """With the look that a sweep asked for, where it saw what was judged now. Nothing may be left to do once this is kept.

        Something is left where the policy is not the one that was told of last: that it changed can be a reason to write.
        """
        look, tools = Look.from_text(self.change.look), self.tools
        if look is None or not look.is_at(role.role_id, found_hash) or head.judged_hash not in {"", found_hash}:
            return head
        # Functions get a new configuration one after another.
        if look.under != judged_under(tools.organization_hash, tools.guardrails, tools.clock.now()):
            return head
        return replace(head, looked=self.change.look)

    # Who wrote what stands

    def _told_of(self, head: Head, found_hash: str) -> bool:
        """Whether this event's own document is what stands, and the event is not older than our last write over it."""
        return self.told_hash == found_hash and not self._is_before_our_write(head)

    def _is_before_our_write(self, head: Head) -> bool:
        if self.change.event_id == head.written_for:
            return True
        return head.written_at is not None and self.change.event_time + _EVENT_TIME_GRAIN <= head.written_at

    def _written_by_pipeline(self, head: Head, case: Case | None, found_hash: str, role: Role) -> bool | None:
        """None where no event told who wrote what stands: this one is about another policy, and the one about this may still come."""
        by_actor = self._is_by_pipeline(role)
        if self._told_of(head, found_hash):
            return by_actor
        if case is not None and case.by_pipeline is not None:
            return case.by_pipeline
        return None if self.told_hash is not None or self._author_may_come() else by_actor

    def _is_by_pipeline(self, role: Role) -> bool:
        return self.tools.organization.is_pipeline(self.change.actor.arn, role.path + role.name)

    def _author_may_come(self) -> bool:
        """Whether a sweep was here first: who wrote what it found stands in an event that may be under way, and may be a pipeline's."""
        change, tools = self.change, self.tools
        if not change.look or not tools.organization.pipelines:
            return False
        return tools.clock.now() - change.event_time < tools.events_take

    def _look_again(self) -> None:
        change, tools = self.change, self.tools
        hint = Hint(
            self.account_id,
            change.cause,
            "No event told in time who wrote this.",
            change.event_id,
            change.event_time,
            role_name=self.role_name,
            look=change.look,
        )
        tools.hints().send([hint], after_seconds=int(tools.events_take.total_seconds()))

    # Reading

    def _read_settled(self, head: Head) -> Role | None:
        """The role, looked at again for a while where the event tells of something newer than what is read."""
        tools = self.tools
        role = tools.roles.read(self.account_id, self.role_name)
        for delay in tools.read_delays_seconds:
            if not self._may_be_stale(role, head):
                break
            tools.clock.sleep(delay)
            role = tools.roles.read(self.account_id, self.role_name)
        return role

    def _may_be_stale(self, role: Role | None, head: Head) -> bool:
        change = self.change
        if self.tools.clock.now() - change.event_time > _FRESH or change.cause is not Cause.TRUST:
            return False
        if self._is_before_our_write(head):
            return False  # older than our own last write: what it tells of is gone
        if role is None:
            return True
        return self.told_hash is not None and self.told_hash != _policy_hash(role)

    def _with_permissions(self, role: Role) -> tuple[Role, DoorwardError | None]:
        """With what it may do, where that matters: IAM's rates are low, and most roles let nobody in from outside.

        And why that could not be read now, which keeps no trust policy from being judged: whoever comes in can make it slow to read.
        """
        from doorward.guardrails.outsiders import depends_on_permissions

        tools = self.tools
        if not depends_on_permissions(role, tools.organization, tools.guardrails, now=tools.clock.now()):
            return role, None
        try:
            return role._replace(permissions=tools.roles.permissions_of(role)), None
        except DoorwardError as error:
            return role._replace(permissions=Permissions((PermissionsPolicy("its policies", None),), None, str(error))), error

    # Passing

    def _pass(self, role: Role, head: Head, found_hash: str) -> _Result:
        tools = self.tools
        now = tools.clock.now()
        if head.stands_hash != found_hash:
            head = replace(head, stands_hash=found_hash, stands_since=now)
        standing = Standing(role, found_hash, head.stands_since or now, self.change, self.told_hash, now)
        came_to = keep_baseline(standing, tools.ledger, tools.organization, tools.guardrails.quiet)
        tools.ledger.judged(self.lock, head)
        return _PASSED[came_to]

    # Telling

    def _tell(  # noqa: PLR0917 - what was found, and what was known
        self, role: Role, judgement: Judgement, decision: Decision, head: Head, found_hash: str, before: Case | None
    ) -> _Result:
        case, announcement = self._case(role, judgement, decision, head, found_hash)
        known = not self.tools.ledger.open_case(self.lock, case, replace(head, case_id=case.id), announcement)
        if known and before is not None:
            known = not self._told_anew(case, announcement, before)
        outcome = {Action.OBSERVE: "observed", Action.ALERT: "alerted", Action.WAIT: "waiting", Action.ASK: "asked"}[decision.action]
        because = _headline(judgement)
        return _Result(outcome, f"{because} {decision.because}{' (Announced before.)' if known else ''}")

    def _told_anew(self, case: Case, announcement: Announcement, before: Case) -> bool:
        """Whether the case is told of again: what was only recorded counts now, what was to be written is not, or more is found.

        The case keeps what was found last, so that what ends and begins again is told of again.
        """
        ledger = self.tools.ledger
        announced = False
        if before.detail["action"] == Action.OBSERVE != case.detail["action"]:
            announced = ledger.announce(announcement._replace(id=f"{case.id}-found-{case.detail['mode']}"))
        elif before.detail["action"] in _PROMISED and case.detail["action"] not in _PROMISED:
            announced = ledger.announce(announcement._replace(id=f"{case.id}-found-{case.detail['action']}"))
        elif case.detail["action"] != Action.OBSERVE and _said(case) - _said(before):
            announced = ledger.announce(announcement._replace(id=f"{case.id}-found-{self.change.event_id}"))
        if _said(case) != _said(before) or announced:
            ledger.intend(self.lock, replace(before, detail=case.detail))
        return announced

    def _case(self, role: Role, judgement: Judgement, decision: Decision, head: Head, found_hash: str) -> tuple[Case, Announcement]:
        tools = self.tools
        finding_id = _finding_id(role, found_hash, head.generation)
        detail = describe_case(finding_id, role, judgement, decision, self.change, tools.organization, tools.guardrails, found_hash)
        case = Case(
            id=finding_id,
            role_ref=role.ref,
            role_id=role.role_id,
            found_hash=found_hash,
            generation=head.generation,
            status=CaseStatus.STANDING,
            opened_at=tools.clock.now(),
            event_id=self.change.event_id,
            found_document="" if is_doorwards_own(role) else role.trust_policy,
            detail=detail,
            by_pipeline=self._is_by_pipeline(role) if self._told_of(head, found_hash) else None,
        )
        undecided = judgement.verdict in {Verdict.UNDECIDABLE, Verdict.INVALID}
        detail_type = "TrustPolicyUndecidable" if undecided else "TrustViolationFound"
        return case, Announcement(f"{finding_id}-found", detail_type, detail, tools.clock.now())

    # Putting back

    def _put_back(  # noqa: PLR0917 - what was found, and what was known
        self, role: Role, judgement: Judgement, decision: Decision, head: Head, found_hash: str, accepted: Baseline | None
    ) -> _Result:
        from doorward.guardrails.remedies import propose

        tools = self.tools
        case, announcement = self._case(role, judgement, decision, head, found_hash)
        head = replace(head, case_id=case.id)
        tools.ledger.open_case(self.lock, case, head, announcement)
        ladder = propose(
            role,
            judgement,
            accepted.document if accepted is not None else None,
            tools.organization,
            tools.guardrails,
            closing=judgement.counting,
            now=tools.clock.now(),
        )
        refusals: list[str] = []
        for remedy in ladder:
            planned = json.dumps(remedy.trust_policy)
            intended = replace(
                case, status=CaseStatus.INTENDED, planned_hash=hash_of_text(planned), planned_document=planned, remedy_kind=remedy.kind
            )
            tools.ledger.intend(self.lock, intended)
            now_there = tools.roles.read(self.account_id, self.role_name)
            if now_there is None or (now_there.role_id, _policy_hash(now_there)) != (role.role_id, found_hash):
                raise _ChangedMeanwhile
            try:
                tools.roles.write_trust_policy(role, planned, finding_id=case.id)
            except Refused as error:
                refusals.append(f"{remedy.kind}: {error}")
                continue
            except Misconfigured as error:
                refusals.append(f"{remedy.kind}: {error}")
                break
            except Conflict:
                raise _ChangedMeanwhile from None
            self._verify(planned)
            self._close_remedied(intended, remedy, head)
            return _Result("reverted", f"{_headline(judgement)} Closed by: {remedy.kind}.")
        because = "; ".join(refusals) or "no remedy could be proved to close the hole and to add nothing"
        failed = {**announcement.detail, "because": f"Doorward could not close this: {because}. A person has to."}
        tools.ledger.announce(Announcement(f"{case.id}-failed", "TrustRemedyFailed", failed, tools.clock.now()))
        tools.ledger.judged(self.lock, replace(head, judged_hash=found_hash))
        return _Result("remedy-failed", f"{_headline(judgement)} Not closed: {because}.")

    def _verify(self, planned: str) -> None:
        """What was written must be what stands. Raises Unavailable where it is not after every look: the event comes again."""
        wanted = hash_of_text(planned)
        role = self.tools.roles.read(self.account_id, self.role_name)
        for delay in self.tools.read_delays_seconds:
            if role is not None and _policy_hash(role) == wanted:
                return
            self.tools.clock.sleep(delay)
            role = self.tools.roles.read(self.account_id, self.role_name)
        if role is None or _policy_hash(role) != wanted:
            raise Unavailable(f"{self.lock.role_ref}: what was written does not stand there (yet); looking again later")

    # Closing

    def _close_remedied(self, case: Case, remedy: Remedy, head: Head) -> Head:
        tools = self.tools
        now = tools.clock.now()
        seconds = (now - self.change.event_time).total_seconds()
        detail = with_remedy(case.detail, remedy, case.found_document, seconds)
        closed = replace(case, status=CaseStatus.REMEDIED, closed_at=now, detail=detail)
        after = Head(case.generation + 1, head.role_id, case.planned_hash or "", now, case.event_id)
        tools.ledger.close_case(self.lock, closed, after, Announcement(f"{case.id}-reverted", "TrustPolicyReverted", detail, now))
        return after

    def _close_overtaken(self, case: Case, head: Head, found_hash: str) -> Head:
        """What the case was about does not stand any more: our own write that was cut off, or somebody else's change."""
        if case.status is CaseStatus.INTENDED and case.planned_hash == found_hash and case.planned_document and case.remedy_kind:
            remedy = Remedy(case.remedy_kind, json.loads(case.planned_document), proved=True)
            return self._close_remedied(case, remedy, head)
        return self._close_without_write(case, head, "Somebody changed the trust policy; what was found does not stand any more.")

    def _close_without_write(self, case: Case, head: Head, because: str) -> Head:
        now = self.tools.clock.now()
        detail = {**case.detail, "because": because}
        after = replace(head, generation=case.generation + 1, case_id=None)
        closed = replace(case, status=CaseStatus.ENDED, closed_at=now, detail=detail)
        self.tools.ledger.close_case(self.lock, closed, after, Announcement(f"{case.id}-ended", "TrustViolationEnded", detail, now))
        return after


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


def _record(tools: Tools, change: Change, ref: str, result: _Result) -> EventOutcome:
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


def _said(case: Case) -> set[tuple[str, str]]:
    """What of a case depends on more than its trust policy."""
    found = {(each["rule"], each["severity"]) for each in case.detail["findings"] if each["waiver"] is None}
    return found | {(each["rule"], "undecidable") for each in case.detail["undecidable"]}


def _headline(judgement: Judgement) -> str:
    """The sentence of the worst finding, or what could not be decided."""
    findings: tuple[Finding, ...] = judgement.findings
    if findings:
        return findings[0].because
    if judgement.undecidable:
        return judgement.undecidable[0].because
    return judgement.because or ""


def _finding_id(role: Role, found_hash: str, generation: int) -> str:
    """The same for the same bad policy of the same role until something was done about it. It fits into a SourceIdentity."""
    return "dw-" + sha256(f"{role.account_id}/{role.role_id}/{found_hash}/{generation}".encode()).hexdigest()[:20]


def _policy_hash(role: Role) -> str:
    return hash_of_text(role.trust_policy)
