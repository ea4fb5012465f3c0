"""People waived a finding: under the role's lock it becomes waivers, which the judge has beside those of the file from then on.

The case ends with that. What is found outside of what was shown is a finding of its own: another case, told as any.
"""

from copy import replace
from datetime import datetime

from doorward.decisions.model import Question, State
from doorward.guardrails.decided import MOST, waivers_for
from doorward.guardrails.model import Waiver
from doorward.ports.ledger import Case, CaseStatus, Head
from doorward.usecases.decide_finding import WAIVE, role_of, shown_hash, waiver_hash
from doorward.usecases.plan_reaction import close_without_write
from doorward.usecases.reaction import Task, policy_hash


def waive_finding(question: Question, task: Task) -> tuple[State, str]:
    """What came of it: done, or withdrawn, and why. Done twice it is the same. Raises Unavailable, Conflict."""
    tools, until = task.tools, datetime.fromisoformat(question.detail["until"])
    now, head = tools.clock.now(), tools.ledger.head(task.ref)
    if any(each.decided == question.id for each in head.waivers):
        return State.DONE, "It was waived before."  # and whoever did it died before he could say so
    if now >= until:
        return State.WITHDRAWN, "Its time was over before it began."
    case = case_as_shown(question, task)
    if isinstance(case, str):
        return State.WITHDRAWN, case
    shared = waiver_of(question, task, case, until)
    waivers = waivers_for(role_of(case), case.detail["findings"], shared)
    if len(head.waivers) + len(waivers) > MOST:
        return State.WITHDRAWN, f"This role has so many waivers that no more than {MOST} could be kept; mend its policy."
    because = f"What was found is waived until {until:%Y-%m-%d %H:%M} UTC, by {shared.owner}; whatever else comes in is a finding."
    tools.ledger.close_case(task.lock, *close_without_write(case, with_more(head, waivers), because, now))
    return State.DONE, because


def case_as_shown(question: Question, task: Task) -> Case | str:
    """The case that the question is about, if what stands, and what is found, still is what was shown; else why not. Raises Unavailable."""
    case = task.tools.ledger.case(task.ref, question.about.partition(" ")[2])
    if case is None or case.status is not CaseStatus.STANDING:
        return "What was found does not stand any more."
    role = task.tools.roles.read(task.account_id, task.role_name)
    if role is None or (role.role_id, policy_hash(role)) != (case.role_id, case.found_hash):
        return "Another trust policy stands than the one that was shown."
    shown = shown_hash(case, question.what)
    if shown is not None and question.what == WAIVE:
        shown = waiver_hash(shown, datetime.fromisoformat(question.detail["until"]))
    return case if shown == question.shown_hash else "Something else is found by now than what was shown."


def waiver_of(question: Question, task: Task, case: Case, until: datetime) -> Waiver:
    """What all waivers of one decision share. Their words stand with the question alone: what a waiver says is told with each finding."""
    return Waiver(
        owner=question.detail["by"],
        reason=f"Decided by people: {question.id}.",
        since=task.tools.clock.now(),
        until=until,
        role=task.ref,
        rules=(),
        role_id=case.role_id,
        decided=question.id,
    )


def with_more(head: Head, waivers: tuple[Waiver, ...]) -> Head:
    """And the end of the first of them on the agenda."""
    ends = [each.until for each in waivers if isinstance(each.until, datetime)]
    due = [each for each in (head.due_at, *ends) if each is not None]
    return replace(head, waivers=(*head.waivers, *waivers), due_at=min(due, default=None))
