"""A plan for one role, carried out: what is told, and what is written and then told.

Where this dies, the event comes again, or what is due is taken up by finish_started:
- before the intent: nothing happened;
- after the intent: the bad policy stands, and the same case goes on;
- after the write: the planned policy stands, and the case is closed and announced.
"""

import json
from collections.abc import Mapping
from copy import replace
from datetime import datetime, timedelta
from typing import Any, Final

from doorward.errors import Conflict, Misconfigured
from doorward.events.hints import Hint
from doorward.events.model import Actor, Cause
from doorward.findings.dismissal import is_dismissed, said
from doorward.findings.model import Remedy, RemedyKind, Severity, Verdict
from doorward.guardrails.announcements import describe_case, diff_documents, with_remedy
from doorward.guardrails.baselines import Becomes
from doorward.guardrails.brakes import MOST_WRITES, Write
from doorward.guardrails.decide import Action, Rungs
from doorward.guardrails.looks import Look, judged_under
from doorward.guardrails.model import Role
from doorward.guardrails.protected import is_doorwards_own
from doorward.iam.documents import hash_of_text
from doorward.ports.ledger import Announcement, Case, CaseStatus, Head
from doorward.ports.roles import Refused
from doorward.usecases.keep_baseline import Standing, keep_baseline
from doorward.usecases.plan_reaction import Closing, Idle, Plan, close_without_write, rungs_of
from doorward.usecases.reaction import ChangedMeanwhile, Result, Task, finding_id, headline, policy_hash

VERIFIED_AFTER: Final = (5, 30, 120)
"""Seconds after a write at which it is looked at whether it stands."""
FINISHED_WITHIN: Final = timedelta(seconds=60)
"""An intent that is older was cut off."""
_MOST_OTHERS: Final = 20
_PROMISED: Final = frozenset({Action.WAIT, Action.WRITE})
type Others = tuple[Mapping[str, Any], ...]
_PASSED: Final = {
    None: Result("passed", "One of Doorward's own roles, as it should be."),
    Becomes.KEPT: Result("passed", "No guardrail is broken; this is the accepted baseline."),
    Becomes.OBSERVED: Result("passed", "No guardrail is broken."),
    Becomes.ACCEPTED_OF_PIPELINE: Result("accepted", "No guardrail is broken, and a known pipeline wrote it: this is the baseline now."),
    Becomes.ACCEPTED_OF_QUIET: Result(
        "accepted", "No guardrail is broken, nobody new is let in, and it has stood for long: this is the baseline."
    ),
}


def carry_out(plan: Plan | Idle, task: Task) -> Result:
    """Raises ChangedMeanwhile where something else stands than was judged; Unavailable, Conflict, Misconfigured."""
    tools = task.tools
    if plan.closing is not None:
        tools.ledger.close_case(task.lock, *plan.closing)
    if isinstance(plan, Idle):
        return plan.result
    task = replace(task, told_hash=plan.told_hash, tools=replace(tools, guardrails=plan.guardrails))
    tools = task.tools
    for alert in plan.alerts:
        from doorward.usecases.announce_alert import announce_alert

        announce_alert(alert, "SuspiciousChangeFound", tools.ledger, tools.organization.account, tools.clock.now())
    if plan.contains is not None:
        from doorward.usecases.contain_author import ask_to_contain

        ask_to_contain(plan.contains, task)
    case, head = plan.case, plan.head
    if case is not None and case.by_pipeline is None and task.is_told_of(head, plan.found_hash):
        case = replace(case, by_pipeline=plan.by_pipeline)
        tools.ledger.intend(task.lock, case)
    action = plan.decision.action
    if action is not Action.PASS and head.stands_since is not None:
        tools.ledger.replaced(plan.role.ref, plan.role.role_id, head.stands_hash)
        head = replace(head, stands_since=None)
    if action is Action.PASS:
        result = _pass(plan, task, head)
    elif action is Action.WRITE:
        result = _put_back(plan, task, head)
    else:
        result = _tell(plan, task, head, case)
        if action is Action.WAIT:
            _look_again(task)
        elif task.change.look and plan.unread is None:
            tools.ledger.judged(task.lock, _looked(task, tools.ledger.head(task.ref), plan.role, plan.found_hash))
    if plan.unread is not None:
        raise plan.unread  # what is open was judged and dealt with; what the role may do, when the event comes again
    return result


def _looked(task: Task, head: Head, role: Role, found_hash: str) -> Head:
    """With the look that a sweep asked for, where it saw what was judged now. Nothing may be left to do once this is kept.

    Something is left where the policy is not the one that was told of last: that it changed can be a reason to write.
    """
    look, tools = Look.from_text(task.change.look), task.tools
    if look is None or not look.is_at(role.role_id, found_hash) or head.judged_hash not in {"", found_hash}:
        return head
    # Functions get a new configuration one after another.
    if look.under != judged_under(tools.organization_hash, tools.guardrails, tools.clock.now()):
        return head
    return replace(head, looked=task.change.look)


def _look_again(task: Task) -> None:
    change, tools = task.change, task.tools
    because = "No event told in time who wrote this."
    hint = Hint(
        task.account_id, change.cause, because, change.event_id, change.event_time, role_name=task.role_name, look=change.look or None
    )
    tools.hints().send([hint], after_seconds=int(tools.events_take.total_seconds()))


# Passing


def _pass(plan: Plan, task: Task, head: Head) -> Result:
    tools, found_hash = task.tools, plan.found_hash
    now = tools.clock.now()
    if plan.case is not None:
        because = "The same trust policy breaks no guardrail any more."
        closing = close_without_write(plan.case, head, because, now)
        tools.ledger.close_case(task.lock, *closing)
        head = closing.head
    if plan.unread is None:
        head = _looked(task, head, plan.role, found_hash)
    if plan.is_waived_by_people:  # it is to be closed at the end of that, and never what is put back
        tools.ledger.judged(task.lock, replace(head, stands_since=None))
        return Result("passed", "What it breaks is waived by people.")
    if head.stands_hash != found_hash or head.stands_since is None:
        head = replace(head, stands_hash=found_hash, stands_since=now, stands_by=())
    if task.is_told_of(head, found_hash):
        head = replace(head, stands_by=_with_writer(head.stands_by, task.change.actor))
    standing = Standing(plan.role, found_hash, head.stands_since or now, task.change, task.told_hash, now)
    came_to = keep_baseline(standing, tools.ledger, tools.organization, tools.guardrails.quiet)
    tools.ledger.judged(task.lock, head)
    return _PASSED[came_to]


def _with_writer(known: tuple[tuple[str, str | None], ...], actor: Actor) -> tuple[tuple[str, str | None], ...]:
    """Where there are too many to be kept, the last one is nobody whom anybody knows."""
    writer = (actor.arn or "", actor.session_name)
    if writer in known or len(known) >= _MOST_OTHERS:
        return known
    return (*known, writer if len(known) < _MOST_OTHERS - 1 else ("", None))


# Telling


def _tell(plan: Plan, task: Task, head: Head, before: Case | None) -> Result:
    ledger = task.tools.ledger
    case, announcement = _case(plan, task, head)
    if plan.decision.action is Action.ASK:
        case, announcement = _with_proposal(plan, case, announcement)
    known = not ledger.open_case(task.lock, case, replace(head, case_id=case.id), announcement, _record(plan, task))
    if known and before is not None:
        known = not _told_anew(task, case, announcement, before)
    action = plan.decision.action
    outcome = {Action.OBSERVE: "observed", Action.ALERT: "alerted", Action.WAIT: "waiting", Action.ASK: "asked"}[action]
    return Result(outcome, f"{headline(plan.judgement)} {plan.decision.because}{' (Announced before.)' if known else ''}")


def _with_proposal(plan: Plan, case: Case, announcement: Announcement) -> tuple[Case, Announcement]:
    """What a person is shown, who has to decide."""
    from doorward.guardrails.uses import use_in_words

    proposed = plan.proposed()
    detail = {**case.detail, "use": use_in_words(plan.uses(), proposed)}
    if proposed is not None:
        document = json.dumps(proposed.trust_policy)
        detail["proposal"] = {
            "kind": proposed.kind,
            "hash": hash_of_text(document),
            "diff": diff_documents(plan.role.trust_policy, document),
        }
    return replace(case, detail=detail), announcement._replace(detail=detail)


def _told_anew(task: Task, case: Case, announcement: Announcement, before: Case) -> bool:
    """Whether the case is told of again: what was only recorded counts now, a person has to decide after all, or more is found.

    The case keeps what was found last, so that what ends and begins again is told of again.
    """
    ledger = task.tools.ledger
    announced = False
    if is_dismissed(case.detail):
        pass  # people want to hear no more of it
    elif before.detail["action"] == Action.OBSERVE != case.detail["action"]:
        announced = ledger.announce(announcement._replace(id=f"{case.id}-found-{case.detail['mode']}"))
    elif case.detail["action"] not in {before.detail["action"], *_PROMISED} and (
        before.detail["action"] in _PROMISED or case.detail["action"] == Action.ASK
    ):
        announced = ledger.announce(announcement._replace(id=f"{case.id}-found-{case.detail['action']}"))
    elif case.detail["action"] != Action.OBSERVE and said(case.detail) - said(before.detail):
        announced = ledger.announce(announcement._replace(id=f"{case.id}-found-{task.change.event_id}"))
    other = case.detail.get("proposal") != before.detail.get("proposal")  # what people are shown is what would be written now
    kept = replace(before, detail=case.detail, event_id=case.event_id, status=case.status, due_at=case.due_at, others=case.others)
    is_known = (before.status, before.due_at, before.actors) == (kept.status, kept.due_at, kept.actors)
    if said(case.detail) != said(before.detail) or announced or other or not is_known:
        ledger.intend(task.lock, kept)  # nothing is under way any more, whatever was intended before
    return announced


def _record(plan: Plan, task: Task) -> str:
    """Kept once, when the case is opened."""
    if plan.case is not None:
        return ""
    from doorward.usecases.record_case import record_case  # of every thousand events one opens a case

    return record_case(task.tools.message, plan.role, task.tools.ledger)


def _case(plan: Plan, task: Task, head: Head) -> tuple[Case, Announcement]:
    tools, role, found_hash = task.tools, plan.role, plan.found_hash
    now = tools.clock.now()
    case_id = finding_id(role, found_hash, head.generation)
    detail = describe_case(
        case_id,
        role,
        plan.judgement,
        plan.decision,
        task.change,
        tools.organization,
        tools.guardrails,
        found_hash,
        wrote=task.wrote(head, found_hash),
    )
    if task.approval is not None and plan.decision.rungs is Rungs.APPROVED:
        detail |= {"approver": task.approval.by}
    is_told_of, before = task.is_told_of(head, found_hash), plan.case
    others: Others = ()
    if before is not None:
        detail, others = _who_did_it(detail, before, is_told_of=is_told_of)
    if before is not None and "dismissed" in before.detail:
        detail |= {"dismissed": before.detail["dismissed"]}
    case = Case(
        id=case_id,
        role_ref=role.ref,
        role_id=role.role_id,
        found_hash=found_hash,
        generation=head.generation,
        status=CaseStatus.STANDING,
        opened_at=now,
        event_id=detail["event"]["id"],
        found_document="" if is_doorwards_own(role) else role.trust_policy,
        detail=detail,
        by_pipeline=plan.by_pipeline if is_told_of else None if before is None else before.by_pipeline,
        steps={"received": task.began, **({} if before is None else before.steps), "decided": now},
        due_at=plan.decision.brake.until,
        others=others,
    )
    undecided = plan.judgement.verdict in {Verdict.UNDECIDABLE, Verdict.INVALID}
    detail_type = "TrustPolicyUndecidable" if undecided else "TrustViolationFound"
    return case, Announcement(f"{case_id}-found", detail_type, detail, now)


def _who_did_it(detail: dict[str, Any], before: Case, *, is_told_of: bool) -> tuple[dict[str, Any], Others]:
    """The detail with the actor, and the event, that the case is to name; and who else had a hand in it.

    | this event                         | the case's actor was     | he is now | beside him comes |
    |------------------------------------|--------------------------|-----------|------------------|
    | tells who wrote what stands        | not known to have        | its own   | the former       |
    | tells who wrote what stands        | known to have written it | the same  | its own          |
    | does not, and other things count   | whoever                  | the same  | its own          |
    | does not                           | whoever                  | the same  | nobody           |
    """
    its_own, former = detail["actor"], before.detail["actor"]
    if is_told_of and not former.get("wrote_what_stands"):
        return detail, _beside(detail["actor"], former, before.others)
    detail = {**detail, "actor": former, "event": before.detail["event"]}  # who looks again is not who did it
    has_a_hand_in_it = is_told_of or said(detail) != said(before.detail)
    return detail, _beside(former, its_own, before.others) if has_a_hand_in_it else before.others


def _beside(actor: Mapping[str, Any], other: Mapping[str, Any], others: Others) -> Others:
    """Where there are too many to be kept, nobody knows any more who all wrote it."""
    is_somebody = other.get("arn") or other.get("wrote_what_stands")
    if other in (actor, *others) or not is_somebody or len(others) >= _MOST_OTHERS:
        return others
    return (*others, other if len(others) < _MOST_OTHERS - 1 else {"arn": None, "wrote_what_stands": True})


# Putting back


def _put_back(plan: Plan, task: Task, head: Head) -> Result:
    from doorward.usecases.cut_sessions import cut_sessions, intend_cut, person_decides

    tools, role = task.tools, plan.role
    # It is not told of as judged before it is dealt with: else who dies in between leaves nobody who would write.
    head = replace(head, judged_hash=plan.judged_before)
    case, announcement = _case(plan, task, head)
    head = replace(head, case_id=case.id)
    tools.ledger.open_case(task.lock, case, head, announcement, _record(plan, task))
    if task.approval is None:  # what people decide wears nobody out
        tools.brakes().spend(plan.budget)
    refusals: list[str] = []
    for remedy in rungs_of(plan):
        intended = _intended(plan, task, case, remedy)
        tools.ledger.intend(task.lock, intended)
        to_cut = intend_cut(plan, task, case)
        now_there = tools.roles.read(task.account_id, task.role_name)
        if now_there is None or (now_there.role_id, policy_hash(now_there)) != (role.role_id, plan.found_hash):
            tools.ledger.intend(task.lock, case)  # nothing was written: what stands is nobody's work but theirs
            raise ChangedMeanwhile
        try:
            tools.roles.write_trust_policy(role, intended.planned_document or "", finding_id=case.id)
        except Refused as error:
            refusals.append(f"{remedy.kind}: {error}")
            continue
        except Misconfigured as error:
            refusals.append(f"{remedy.kind}: {error}")
            break
        except Conflict:
            raise ChangedMeanwhile from None
        sessions = person_decides(plan, case, tools.clock.now()) if to_cut is None else cut_sessions(task, role, *to_cut)
        closing = close_remedied(intended, head, tools.clock.now(), sessions)
        tools.ledger.close_case(task.lock, *closing)
        _verify_later(task, case)
        _give_back(task, closing.case)
        return Result("reverted", f"{headline(plan.judgement)} Closed by: {remedy.kind}.")
    return _not_closed(plan, task, head, case, announcement, [*refusals, *_quarantined(plan, task, case)])


def _loses_what_was_accepted(plan: Plan, task: Task, planned: str) -> bool:
    """Where a breaker lets nothing be given back, nothing is to be."""
    if plan.accepted is None or plan.decision.rungs is not Rungs.ALL:
        return False
    from doorward.guardrails.accepted import give_back

    tools = task.tools
    closed = plan.role._replace(trust_policy=planned)
    return give_back(closed, plan.accepted.document, tools.organization, tools.guardrails, now=tools.clock.now()) is not None


def _give_back(task: Task, case: Case) -> None:
    """At once, where IAM shows our write already; else the first look after the write does it."""
    if not case.detail["gives_back"]:
        return
    from doorward.usecases.give_back_lost import give_back_lost

    now_there = task.tools.roles.read(task.account_id, task.role_name)
    if now_there is not None and (now_there.role_id, policy_hash(now_there)) == (case.role_id, case.planned_hash):
        give_back_lost(task, case, now_there)


def _quarantined(plan: Plan, task: Task, case: Case) -> list[str]:
    """The very last rung: where IAM refuses every trust policy that would close something critical, what the role may do is taken.

    What came of it. Whoever used the role before keeps it, but where a breaker says that nobody may assume it.
    """
    critical = any(each.severity is Severity.CRITICAL for each in plan.judgement.counting)
    spares = plan.decision.rungs is Rungs.QUARANTINE or not plan.uses().users
    if not (critical and spares):
        return []
    try:
        task.tools.roles.quarantine(plan.role, finding_id=case.id)
    except (Refused, Misconfigured, Conflict) as error:
        return [f"the policy that denies everything could not be attached: {error}"]
    return ["the door is open, and behind it nothing is permitted: DoorwardQuarantine is attached to the role"]


def _intended(plan: Plan, task: Task, case: Case, remedy: Remedy) -> Case:
    planned = json.dumps(remedy.trust_policy)
    now = task.tools.clock.now()
    return replace(
        case,
        detail={**case.detail, "gives_back": _loses_what_was_accepted(plan, task, planned)},
        status=CaseStatus.INTENDED,
        planned_hash=hash_of_text(planned),
        planned_document=planned,
        remedy_kind=remedy.kind,
        steps={**case.steps, "intended": now},
        due_at=now + FINISHED_WITHIN,
    )


def _not_closed(  # noqa: PLR0917 - what was tried, and on what
    plan: Plan, task: Task, head: Head, case: Case, announcement: Announcement, refusals: list[str]
) -> Result:
    ledger = task.tools.ledger
    because = "; ".join(refusals) or "no remedy could be proved to close the hole and to add nothing"
    failed = {**announcement.detail, "because": f"Doorward could not close this: {because}. A person has to.", "door_open": True}
    ledger.announce(Announcement(f"{case.id}-failed", "TrustRemedyFailed", failed, task.tools.clock.now()))
    ledger.intend(task.lock, case)  # nothing is under way any more
    ledger.judged(task.lock, replace(head, judged_hash=plan.found_hash))
    return Result("remedy-failed", f"{headline(plan.judgement)} Not closed: {because}.")


def close_remedied(case: Case, head: Head, now: datetime, sessions: dict[str, Any] | None = None) -> Closing:
    """The planned policy was written. `case` is as it was intended; `sessions`: what is told of those opened meanwhile.

    As the time of the write counts that of the intent: what somebody does right after the write must not seem to be older.
    """
    assert case.planned_document is not None  # noqa: S101 - an intent has a plan
    assert case.remedy_kind is not None  # noqa: S101
    kind: RemedyKind = case.remedy_kind
    seconds = (now - datetime.fromisoformat(case.detail["event"]["time"])).total_seconds()
    detail = with_remedy(case.detail, Remedy(kind, json.loads(case.planned_document), proved=True), case.found_document, seconds)
    detail |= {"sessions": sessions}
    closed = replace(
        case,
        status=CaseStatus.REMEDIED,
        closed_at=now,
        detail=detail,
        steps={**case.steps, "written": now},
        due_at=now + timedelta(seconds=VERIFIED_AFTER[-1]) + FINISHED_WITHIN,
        closed_hash=case.planned_hash,
    )
    written_at = case.steps.get("intended", now)
    author = str(case.detail["actor"]["arn"] or "")
    writes = (*head.writes, Write(written_at, case.found_hash, author))[-MOST_WRITES:]
    after = Head(
        case.generation + 1,
        case.role_id,
        case.planned_hash or "",
        written_at,
        case.event_id,
        stands_hash=head.stands_hash,
        writes=writes,
        waivers=head.waivers,
        due_at=head.due_at,
    )
    return Closing(closed, after, Announcement(f"{case.id}-reverted", "TrustPolicyReverted", detail, now))


def _verify_later(task: Task, case: Case) -> None:
    """Should we die before this, finish_started finds the case due."""
    now = task.tools.clock.now()
    hint = Hint(task.account_id, Cause.TRUST, "Whether what was written stands.", case.id, now, role_name=task.role_name, follows=case.id)
    for seconds in VERIFIED_AFTER:
        task.tools.hints().send([hint], after_seconds=seconds)
