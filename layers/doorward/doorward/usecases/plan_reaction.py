"""What is to be done about one role, as a value: a run carries out exactly what a dry run prints.

Nothing is written here, neither to IAM nor to the ledger. What costs time, remedies above all, is made when it is asked for first.
"""

import json
from collections.abc import Callable, Iterator
from copy import replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from doorward.errors import DoorwardError
from doorward.events.hints import EVENT_NAME
from doorward.events.model import Cause
from doorward.findings.model import Finding, Judgement, Remedy, Verdict
from doorward.guardrails.authors import Author, author_of
from doorward.guardrails.brakes import brake_of, budget_of, not_stopped
from doorward.guardrails.decide import Action, Circumstances, Decision, Former, Rungs, Use, decide, to_close
from doorward.guardrails.decided import is_over, with_waivers
from doorward.guardrails.judge import judge
from doorward.guardrails.looks import Look, out_of_date
from doorward.guardrails.model import Guardrails, Role
from doorward.guardrails.protected import protected_because
from doorward.iam.documents import hash_of_text
from doorward.ports.ledger import Announcement, Baseline, Case, CaseStatus, Head
from doorward.usecases.keep_baseline import as_it_means_today, widens
from doorward.usecases.look_at_role import look_at_role, with_permissions
from doorward.usecases.reaction import Approval, Result, Task, policy_hash
from doorward.values import NamedTuple

if TYPE_CHECKING:
    from doorward.decisions.model import Terms
    from doorward.findings.alerts import Alert
    from doorward.guardrails.uses import Uses


_PASSES = frozenset({Verdict.COMPLIANT, Verdict.WAIVED})
_OF_A_CHANGE = frozenset({Action.WAIT, Action.WRITE})


class Closing(NamedTuple):
    """An open case whose policy does not stand any more, as it is closed, and where the role stands after that."""

    case: Case
    head: Head
    announcement: Announcement


class Idle(NamedTuple):
    """There is nothing to judge."""

    result: Result
    closing: Closing | None = None


class Remedies:
    """Made when they are asked for first, and once."""

    def __init__(self, make: Callable[[], Iterator[Remedy]]) -> None:
        self._make = make
        self._rest: Iterator[Remedy] | None = None
        self._made: list[Remedy] = []

    def __iter__(self) -> Iterator[Remedy]:
        yield from self._made
        if self._rest is None:
            self._rest = self._make()
        for each in self._rest:
            self._made.append(each)
            yield each


class Plan(NamedTuple):
    """`head` is what is kept once it is carried out; `case` the open one about exactly what stands.

    `by_pipeline` is None where no event told who wrote what stands. `author` is his ARN, "" where nobody knows. `unread`: why what the role
    may do could not be read: raised in the end, so that the event comes again. `told_hash`: of what the event carries, as IAM shows it.
    `guardrails`: those that it was judged by, with the waivers that people decided.
    `proposed`: the remedy that people are shown where they have to decide, None where there is none.
    `contains`: the ARN of an author who is to be denied everything, where somebody has opted into that.
    """

    role: Role
    found_hash: str
    judgement: Judgement
    decision: Decision
    head: Head
    judged_before: str
    case: Case | None
    closing: Closing | None
    alerts: "tuple[Alert, ...]"
    accepted: Baseline | None
    by_pipeline: bool | None
    author: str
    budget: str
    remedies: Remedies
    restores: Remedies
    uses: "Callable[[], Uses]"
    unread: DoorwardError | None
    told_hash: str | None
    guardrails: Guardrails
    contains: str | None
    proposed: Callable[[], Remedy | None]

    @property
    def is_waived_by_people(self) -> bool:
        """Of a policy that passes. One that was put back by an undo may have been in doubt, which leaves nothing to be told as waived."""
        waivers = self.head.waivers
        return any(each.undoes and each.is_for(self.role) for each in waivers) or (
            self.judgement.verdict is Verdict.WAIVED and bool(waivers)
        )


def plan_reaction(task: Task) -> Plan | Idle:
    """Raises Unavailable, Misconfigured."""
    tools, change = task.tools, task.change
    head = tools.ledger.head(task.ref)
    if change.look and change.look == head.looked:
        return Idle(Result("known", "A sweep asked for this very look before, and nothing else had the role looked at since."))
    head = replace(head, looked=out_of_date(head.looked))
    role = look_at_role(task, head)
    case = tools.ledger.case(task.ref, head.case_id) if head.case_id is not None else None
    if role is None:
        closing = None if case is None else close_without_write(case, head, "The role does not exist any more.", tools.clock.now())
        return Idle(Result("no-such-role", "The role does not exist (any more): there is nothing to judge."), closing)
    found_hash = policy_hash(role)
    if _is_told_but_for_the_gone(task, role):
        task = replace(task, told_hash=found_hash)
    closing = None
    if case is not None and (case.role_id, case.found_hash) != (role.role_id, found_hash):
        closing = close_overtaken(case, head, found_hash, tools.clock.now())
        head, case = closing.head, None
    cause = _cause(task, head, role, found_hash)
    by_pipeline = task.written_by_pipeline(head, case, found_hash, role)
    author_may_come = cause is Cause.TRUST and by_pipeline is None and task.author_may_come()
    role, unread = with_permissions(task, role)
    task, head, judgement = _judged(task, head, role)
    tools = task.tools
    accepted = tools.ledger.baseline(role.ref, role.role_id) if judgement.verdict not in _PASSES else None
    if accepted is not None and accepted.ids:
        accepted = as_it_means_today(accepted, tools.ledger)
    account = tools.organization.account(role.account_id)
    author = _author(task, head, case, found_hash)
    closing_now = to_close(judgement, role, account, tools.guardrails)
    budget = budget_of(author, judgement.counting, privileged=tools.guardrails.is_privileged(role, account))
    brakes = cache(lambda: tools.brakes().look(task.ref, tuple(dict.fromkeys(each.rule for each in closing_now)), budget))
    remedies = Remedies(lambda: _ladder(task, role, judgement, accepted, not_stopped(closing_now, brakes(), tools.clock.now())))
    restores = Remedies(lambda: _accepted(task, role, accepted))
    before = _former(task, head, role, case or (closing and closing.case), accepted)
    uses = cache(lambda: _uses(task, role, before))
    proposed = cache(lambda: _proposed(remedies, restores, uses))
    by = Author.PIPELINE if by_pipeline else author_of(change.actor, tools.organization, role.path + role.name)
    decision = decide(
        judgement,
        role,
        account,
        tools.guardrails,
        Circumstances(
            cause=cause,
            cause_known=task.cause_known and (by_pipeline is not None or author_may_come),
            author=by,
            protected_because=protected_because(role, tools.organization),
            widens=None if accepted is None else widens(role, accepted, tools.organization, tools.clock.now()),
            author_may_come=author_may_come,
            brake=lambda: brake_of(
                brakes(), closing_now, head.writes, found_hash, author, tools.clock.now(), _hold_takes(task, judgement, role, author)
            ),
            use=lambda: _use(task, remedies, uses()),
            can_restore=lambda: any(True for _ in restores),
            approved=task.approval is not None and _is_approved(task.approval, role, found_hash, proposed),
        ),
    )
    found = (_recreated(task, head, role), _author_to_contain(task, decision, author, role))
    alerts = tuple(each for each in found if each is not None)
    judged_before = judged = head.judged_hash if head.role_id == role.role_id else ""
    if cause is Cause.TRUST and (by_pipeline is not None or (change.look and decision.action is not Action.WAIT)):
        judged = found_hash
    if head.role_id != role.role_id:
        head = replace(head, stands_hash="", stands_since=None)
    head = replace(head, role_id=role.role_id, judged_hash=judged)
    return Plan(
        role=role,
        found_hash=found_hash,
        judgement=judgement,
        decision=decision,
        head=head,
        judged_before=judged_before,
        case=case,
        closing=closing,
        alerts=alerts,
        accepted=accepted,
        by_pipeline=by_pipeline,
        author=author,
        budget=budget,
        remedies=remedies,
        restores=restores,
        uses=uses,
        unread=unread,
        told_hash=task.told_hash,
        guardrails=tools.guardrails,
        contains=_contains(task, decision, by, role) if task.is_told_of(head, found_hash) else None,
        proposed=proposed,
    )


def _judged(task: Task, head: Head, role: Role) -> tuple[Task, Head, Judgement]:
    """By the waivers, too, that people decided. Those of which nothing is left are forgotten, and waive nothing any more."""
    now, organization = task.tools.clock.now(), task.tools.organization
    guardrails = with_waivers(task.tools.guardrails, head.waivers)
    judgement = judge(role, organization, guardrails, now=now)
    left = tuple(each for each in head.waivers if not is_over(each, role, judgement, now))
    if left != head.waivers:
        guardrails = with_waivers(task.tools.guardrails, left)
        judgement = judge(role, organization, guardrails, now=now)
    return replace(task, tools=replace(task.tools, guardrails=guardrails)), replace(head, waivers=left), judgement


def _is_told_but_for_the_gone(task: Task, role: Role) -> bool:
    """Somebody who names a user and deletes him has IAM show his id: what stands is still what the event carries."""
    document = task.change.document
    if document is None or not ("AROA" in role.trust_policy or "AIDA" in role.trust_policy):
        return False
    from doorward.guardrails.accepted import is_same_but_for_the_gone

    return is_same_but_for_the_gone(document, role.trust_policy)


def _recreated(task: Task, head: Head, role: Role) -> "Alert | None":
    if head.role_id in {"", role.role_id}:
        return None
    from doorward.guardrails.changes import role_recreated

    return role_recreated(task.change, role.arn, head.role_id, role.role_id, task.tools.organization)


def _author_to_contain(task: Task, decision: Decision, author: str, role: Role) -> "Alert | None":
    brake = decision.brake
    if brake.because is None:
        return None
    from doorward.guardrails.containment import author_to_contain

    tools = task.tools
    return author_to_contain(brake.kind, brake.because, author, role, task.change, tools.organization, tools.clock.now())


def _contains(task: Task, decision: Decision, by: Author, role: Role) -> str | None:
    if decision.brake.because is None or task.tools.containment() is None:
        return None
    from doorward.guardrails.containment import to_be_contained

    return to_be_contained(decision.brake.kind, by, task.change.actor, role.account_id)


def _cause(task: Task, head: Head, role: Role, found_hash: str) -> Cause:
    """A sweep's hint may come late and twice: it tells of a change only while what it saw stands, and nobody has judged that before."""
    change = task.change
    if not change.look or change.cause is not Cause.TRUST:
        return change.cause
    look = Look.from_text(change.look)
    is_seen = look is not None and look.is_at(role.role_id, found_hash)
    return Cause.TRUST if is_seen and (head.role_id, head.judged_hash) != (role.role_id, found_hash) else Cause.FACTS


def _author(task: Task, head: Head, case: Case | None, found_hash: str) -> str:
    """The ARN of who wrote what stands, as an event told; "" where none did."""
    if task.is_told_of(head, found_hash):
        return task.change.actor.arn or ""
    return "" if case is None else str(case.detail["actor"]["arn"] or "")


def _ladder(task: Task, role: Role, judgement: Judgement, accepted: Baseline | None, closing: tuple[Finding, ...]) -> Iterator[Remedy]:
    if judgement.verdict is not Verdict.VIOLATING:
        return
    from doorward.guardrails.remedies import propose

    tools = task.tools
    document = None if accepted is None else accepted.document
    yield from propose(role, judgement, document, tools.organization, tools.guardrails, closing=closing, now=tools.clock.now())


def _accepted(task: Task, role: Role, accepted: Baseline | None) -> Iterator[Remedy]:
    """For what is undecided: what was accepted, where it can be put back."""
    if accepted is None:
        return
    from doorward.guardrails.accepted import restore_accepted

    tools = task.tools
    restored = restore_accepted(role, accepted.document, tools.organization, tools.guardrails, now=tools.clock.now())
    if restored is not None:
        yield restored


def _former(task: Task, head: Head, role: Role, case: Case | None, accepted: Baseline | None) -> Callable[[], Former]:
    """What stood before: looked up where it decides. `case`: the one about what stands, or the one that this change has overtaken.

    | known is                                                | what stood before        |
    |---------------------------------------------------------|--------------------------|
    | an accepted policy                                      | that                     |
    | a policy that was seen and broke nothing                | that                     |
    | a violation of another policy, until this change        | that violation           |
    | this very violation, and nobody had just made it        | the same policy          |
    | this very violation, when its change was told           | nothing, as far as known |
    | nothing at all of the role, or that we wrote it last    | nothing                  |
    | that it was looked at, and no more                      | who knows                |
    """

    def look() -> Former:
        if accepted is not None:
            return Former(accepted.document)
        is_known = head.role_id == role.role_id
        seen = task.tools.ledger.version(role.ref, role.role_id, head.stands_hash) if is_known and head.stands_hash else None
        if seen is not None:
            return Former(seen.document)
        if case is not None and case.role_id == role.role_id:
            stood = case.found_hash != policy_hash(role)
            nobody_made_it = case.detail["event"]["name"] == EVENT_NAME and case.detail["action"] not in _OF_A_CHANGE
            return Former(case.found_document) if stood or nobody_made_it else Former(None)
        return Former(None, is_known=not is_known or head.written_at is not None)

    return look


def _uses(task: Task, role: Role, former: Callable[[], Former]) -> "Uses":
    from doorward.guardrails.uses import uses_of

    tools, before = task.tools, former()
    edges = () if before.document is None else tools.edges(role.ref)
    came = [each.principal for each in edges if each.times and each.first is not None and each.first < task.change.event_time]
    return uses_of(role, before, came, tools.organization)


def _hold_takes(task: Task, judgement: Judgement, role: Role, author: str) -> "Terms":
    """As of a hold that was asked for now. Who is behind an ARN is not looked up here: no ARN at all is nobody who is known."""
    from doorward.guardrails.announcements import worst_severity
    from doorward.guardrails.terms import terms_for

    tools = task.tools
    account = tools.organization.account(role.account_id)
    return terms_for("hold", worst_severity(judgement), role, account, tools.guardrails, author_is_known=bool(author))


def _use(task: Task, remedies: Remedies, uses: "Uses") -> Use:
    from doorward.guardrails.uses import use_under

    return use_under(uses, remedies, now=task.tools.clock.now())


def _proposed(remedies: Remedies, restores: Remedies, uses: "Callable[[], Uses]") -> Remedy | None:
    """The mildest that takes the role from nobody who used it; the mildest of all, for people may know better; what was accepted."""
    spared = (each for each in remedies if uses().are_spared_by(each))
    return next(spared, None) or next(iter(remedies), None) or next(iter(restores), None)


def _is_approved(approval: Approval, role: Role, found_hash: str, proposed: Callable[[], Remedy | None]) -> bool:
    """Whether what stands, and what would be written, are what people were shown."""
    if (approval.role_id, approval.found_hash) != (role.role_id, found_hash):
        return False
    remedy = proposed()
    return remedy is not None and hash_of_text(json.dumps(remedy.trust_policy)) == approval.policy_hash


def rungs_of(plan: Plan) -> Iterator[Remedy]:
    """The remedies that may be written, in the order in which they are tried: none of them takes the role from who used it before."""
    wanted = plan.decision.rungs
    if wanted is Rungs.ACCEPTED:
        yield from plan.restores
        return
    if wanted is Rungs.APPROVED:
        proposed = plan.proposed()
        if proposed is not None:
            yield proposed
        return
    for each in plan.remedies:
        if wanted is Rungs.QUARANTINE:
            if each.kind == "quarantine":
                yield each
        elif plan.uses().are_spared_by(each):
            yield each


# Closing


def close_overtaken(case: Case, head: Head, found_hash: str, now: datetime) -> Closing:
    """What the case was about does not stand any more: our own write that was cut off, or somebody else's change."""
    if case.status is CaseStatus.INTENDED and case.planned_hash == found_hash and case.planned_document and case.remedy_kind:
        from doorward.usecases.carry_out import close_remedied

        return close_remedied(case, head, now)
    return close_without_write(case, head, "Somebody changed the trust policy; what was found does not stand any more.", now)


def close_without_write(case: Case, head: Head, because: str, now: datetime) -> Closing:
    detail = {**case.detail, "because": because}
    after = replace(head, generation=case.generation + 1, case_id=None)
    closed = replace(case, status=CaseStatus.ENDED, closed_at=now, detail=detail, due_at=None)
    return Closing(closed, after, Announcement(f"{case.id}-ended", "TrustViolationEnded", detail, now))
