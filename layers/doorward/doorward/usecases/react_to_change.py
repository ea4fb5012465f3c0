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
from collections.abc import Iterator
from contextlib import contextmanager
from copy import replace
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from doorward.errors import Conflict, MalformedInput, Misconfigured, Unavailable
from doorward.events.records import AccountTarget, Cause, Change, ProviderTarget, RoleTarget, Skipped, parse_envelope
from doorward.findings.model import Finding, Judgement, Remedy, Verdict
from doorward.guardrails.announcements import FORMAT, describe_actor, describe_case, with_remedy
from doorward.guardrails.decide import Action, Circumstances, Decision, decide
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Role
from doorward.guardrails.protected import is_doorwards_own, protected_because
from doorward.iam.documents import canonical_hash, parse_document
from doorward.organization.model import Organization
from doorward.ports.clock import Clock
from doorward.ports.ledger import Announcement, Baseline, Case, CaseStatus, EventOutcome, Head, Ledger, Lock
from doorward.ports.roles import Refused, Roles

# CloudTrail gives whole seconds.
_EVENT_TIME_GRAIN = timedelta(seconds=1)
# IAM is usually consistent within seconds; after a minute a difference is a later change, not a stale read.
_FRESH = timedelta(seconds=60)
_LOCK_TRIES = 40
_LOCK_WAIT_SECONDS = 0.25
# Each round begins with what stands now; somebody who changes it faster than this is met by the next event.
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Tools:
    """What the reaction works with. `read_delays_seconds`: how long to wait before each further look at IAM."""

    roles: Roles
    ledger: Ledger
    clock: Clock
    organization: Organization
    guardrails: Guardrails
    read_delays_seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Result:
    outcome: str
    because: str


def react_to_change(message: str, tools: Tools) -> tuple[EventOutcome, ...]:
    """React to one EventBridge envelope (JSON text); what came of it, per role, is recorded and returned.

    Raises MalformedInput for what can never be used, Misconfigured where an account cannot be entered (announced
    before), Unavailable and Conflict where it should be tried again.
    """
    change = parse_envelope(message)
    if isinstance(change, Skipped):
        outcome = EventOutcome(
            change.account_id, change.event_id, change.event_name, "", "skipped", change.because, None, tools.clock.now()
        )
        tools.ledger.record(outcome)
        return (outcome,)
    try:
        outcomes = [_record(tools, change, ref, result) for ref, result in _react(change, tools)]
    except Misconfigured as error:
        _announce_unreadable(tools, change, str(error))
        raise
    if not outcomes:
        outcomes = [_record(tools, change, "", _Result("no-role", "No role of this account is touched by this change."))]
    return tuple(outcomes)


def _react(change: Change, tools: Tools) -> Iterator[tuple[str, _Result]]:
    match change.target:
        case RoleTarget(account_id, role_name):
            yield f"{account_id}/{role_name}", _react_to_role(account_id, role_name, change, tools, cause_known=True)
        case ProviderTarget(account_id, provider_arn):
            for role in tools.roles.read_all(account_id):
                if provider_arn in role.trust_policy:
                    yield role.ref, _react_to_role(account_id, role.name, change, tools, cause_known=True)
        case AccountTarget(account_id):
            # The event hides which role it is about. A role whose policy is not the one judged last has changed;
            # one never seen before may always have been so.
            for role in tools.roles.read_all(account_id):
                judged = tools.ledger.head(role.ref).judged_hash
                if judged != _policy_hash(role):
                    yield role.ref, _react_to_role(account_id, role.name, change, tools, cause_known=judged != "")


def _react_to_role(account_id: str, role_name: str, change: Change, tools: Tools, *, cause_known: bool) -> _Result:
    ref = f"{account_id}/{role_name}"
    with _locked(ref, tools) as lock:
        for _ in range(_ROUNDS):
            try:
                return _RoleReaction(lock, account_id, role_name, change, tools, cause_known).run()
            except _ChangedMeanwhile:
                continue
    raise Unavailable(f"{ref}: its trust policy changed {_ROUNDS} times while it was being judged; trying again later")


class _ChangedMeanwhile(Exception):  # noqa: N818 - never leaves this module
    """What stands is no longer what was judged."""


@dataclass(frozen=True, slots=True)
class _RoleReaction:
    """One look at one role, under its lock."""

    lock: Lock
    account_id: str
    role_name: str
    change: Change
    tools: Tools
    cause_known: bool

    def run(self) -> _Result:
        tools = self.tools
        head = tools.ledger.head(self.lock.role_ref)
        role = self._read_settled(head)
        case = tools.ledger.case(self.lock.role_ref, head.case_id) if head.case_id is not None else None
        if role is None:
            if case is not None:
                self._close_without_write(case, head, "The role does not exist any more.")
            return _Result("no-such-role", "The role does not exist (any more): there is nothing to judge.")
        found_hash = _policy_hash(role)
        if case is not None and (case.role_id, case.found_hash) != (role.role_id, found_hash):
            head = self._close_overtaken(case, head, found_hash)
            case = None
        judgement = judge(role, tools.organization, tools.guardrails, now=tools.clock.now())
        account = tools.organization.account(role.account_id)
        decision = decide(
            judgement,
            role,
            account,
            tools.guardrails,
            Circumstances(
                cause=self.change.cause,
                cause_known=self.cause_known,
                by_pipeline=tools.organization.is_pipeline(self.change.actor.arn),
                protected_because=protected_because(role),
            ),
        )
        head = replace(head, role_id=role.role_id, judged_hash=found_hash)
        if decision.action is Action.PASS:
            if case is not None:
                head = self._close_without_write(case, head, "The same trust policy breaks no guardrail any more.")
            return self._pass(role, head, found_hash)
        if decision.action is Action.WRITE:
            return self._put_back(role, judgement, decision, head, found_hash)
        return self._tell(role, judgement, decision, head, found_hash)

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
        if head.written_at is not None and change.event_time + _EVENT_TIME_GRAIN <= head.written_at:
            return False  # older than our own last write: what it tells of is gone
        if role is None:
            return True
        return change.document is not None and _hash_of(change.document) != _policy_hash(role)

    # Passing

    def _pass(self, role: Role, head: Head, found_hash: str) -> _Result:
        tools = self.tools
        tools.ledger.judged(self.lock, head)
        if is_doorwards_own(role):
            return _Result("passed", "One of Doorward's own roles, as it should be.")  # its document holds our external ID
        accepted = tools.ledger.baseline(role.ref, role.role_id)
        if accepted is not None and accepted.policy_hash == found_hash:
            return _Result("passed", "No guardrail is broken; this is the accepted baseline.")
        actor = self.change.actor
        version = Baseline(
            role.ref,
            role.role_id,
            found_hash,
            role.trust_policy,
            accepted_by=actor.arn or actor.kind,
            because="A known pipeline wrote exactly this.",
            event_id=self.change.event_id,
            at=tools.clock.now(),
        )
        # Only what the pipeline's own request carried: what else stands now may be somebody else's work.
        wrote_it = self.change.document is not None and _hash_of(self.change.document) == found_hash
        if self.change.cause is Cause.TRUST and wrote_it and tools.organization.is_pipeline(actor.arn):
            tools.ledger.accept(version)
            return _Result("accepted", "No guardrail is broken, and a known pipeline wrote it: this is the baseline now.")
        tools.ledger.observe(replace(version, because="Seen, and no guardrail is broken."))
        return _Result("passed", "No guardrail is broken.")

    # Telling

    def _tell(self, role: Role, judgement: Judgement, decision: Decision, head: Head, found_hash: str) -> _Result:
        case, announcement = self._case(role, judgement, decision, head, found_hash)
        known = not self.tools.ledger.open_case(self.lock, case, replace(head, case_id=case.id), announcement)
        outcome = {Action.OBSERVE: "observed", Action.ALERT: "alerted", Action.ASK: "asked"}[decision.action]
        because = _headline(judgement)
        return _Result(outcome, f"{because} {decision.because}{' (Announced before.)' if known else ''}")

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
        )
        undecided = judgement.verdict in {Verdict.UNDECIDABLE, Verdict.INVALID}
        detail_type = "TrustPolicyUndecidable" if undecided else "TrustViolationFound"
        return case, Announcement(f"{finding_id}-found", detail_type, detail, tools.clock.now())

    # Putting back

    def _put_back(self, role: Role, judgement: Judgement, decision: Decision, head: Head, found_hash: str) -> _Result:
        from doorward.guardrails.remedies import propose

        tools = self.tools
        case, announcement = self._case(role, judgement, decision, head, found_hash)
        head = replace(head, case_id=case.id)
        tools.ledger.open_case(self.lock, case, head, announcement)
        accepted = tools.ledger.baseline(role.ref, role.role_id)
        ladder = propose(
            role,
            judgement,
            accepted.document if accepted is not None else None,
            tools.organization,
            tools.guardrails,
            now=tools.clock.now(),
        )
        refusals: list[str] = []
        for remedy in ladder:
            planned = json.dumps(remedy.trust_policy)
            intended = replace(
                case, status=CaseStatus.INTENDED, planned_hash=_hash_of(planned), planned_document=planned, remedy_kind=remedy.kind
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
            except Conflict:
                raise _ChangedMeanwhile from None
            self._verify(planned)
            self._close_remedied(intended, remedy, head)
            return _Result("reverted", f"{_headline(judgement)} Closed by: {remedy.kind}.")
        because = "; ".join(refusals) or "no remedy could be proved to close the hole and to add nothing"
        failed = {**announcement.detail, "because": f"Doorward could not close this: {because}. A person has to."}
        tools.ledger.announce(Announcement(f"{case.id}-failed", "TrustRemedyFailed", failed, tools.clock.now()))
        return _Result("remedy-failed", f"{_headline(judgement)} Not closed: {because}.")

    def _verify(self, planned: str) -> None:
        """What was written must be what stands. Raises Unavailable where it is not after every look: the event comes again."""
        wanted = _hash_of(planned)
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
        after = replace(head, generation=case.generation + 1, judged_hash=case.planned_hash or "", written_at=now, case_id=None)
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
    tools.ledger.announce(Announcement(f"unread-{change.event_id}", "TrustChangeUnread", detail, tools.clock.now()))


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
    return _hash_of(role.trust_policy)


def _hash_of(document: str) -> str:
    """The canonical hash; of the text itself where it is no document that we can read."""
    try:
        return canonical_hash(parse_document(document))
    except MalformedInput:
        return "text-" + sha256(document.encode("utf-8", "surrogatepass")).hexdigest()
