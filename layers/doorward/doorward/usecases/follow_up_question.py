"""A question of a role, looked at under the role's lock: what people said yes to is done, or withdrawn; who has not answered is reminded.

What is done is done on what stands now, and only if it is what they were shown.
"""

from copy import replace
from datetime import datetime
from typing import Final

from doorward.decisions.answering import ended, reminded, what_is_missing
from doorward.decisions.model import Question, State
from doorward.decisions.telling import DETAIL_TYPES, question_as_json
from doorward.events.model import Cause
from doorward.findings.dismissal import is_dismissed
from doorward.guardrails.brakes import Stop
from doorward.guardrails.decide import Action
from doorward.people.model import Via
from doorward.ports.ledger import Announcement, CaseStatus
from doorward.ports.questions import FOLLOWS_QUESTION
from doorward.usecases.accept_baseline import ACCEPT
from doorward.usecases.carry_out import carry_out
from doorward.usecases.decide_finding import DISMISS, UNDO, WAIVE
from doorward.usecases.dismiss_finding import dismiss_finding
from doorward.usecases.hold_role import HOLD
from doorward.usecases.keep_baseline import Standing, accept_of_people
from doorward.usecases.plan_reaction import Idle, plan_reaction
from doorward.usecases.reaction import Approval, Result, Task
from doorward.usecases.undo_remedy import undo_remedy
from doorward.usecases.waive_finding import waive_finding

ASKED_BEFORE: Final = "asked_before_the_hold"
"""Of a case's detail: what was only asked about is so again at the end of a hold."""
_BY_DOORWARD: Final = "doorward"


def follow_up_question(task: Task) -> Result:
    """Raises ChangedMeanwhile, Unavailable, Conflict, Misconfigured."""
    questions, now = task.tools.questions(), task.tools.clock.now()
    question = questions.question(task.ref, task.change.follows.removeprefix(FOLLOWS_QUESTION))
    if question is None or question.state not in {State.OPEN, State.APPROVED}:
        return Result("known", "There is nothing (any more) that people have to decide, or said yes to.")
    # Nobody changed anything: what is judged meanwhile is told as ever, and nothing is written but what people said yes to.
    task = replace(task, change=replace(task.change, cause=Cause.FACTS))
    if question.state is State.APPROVED:
        question = task.tools.confirm(question)
        if question.state is not State.APPROVED:
            question = question._replace(version=question.version + 1)
            return _move(question, f"Whoever said yes may not (any more); it takes {what_is_missing(question)}.", task)
        ways = {HOLD: _hold, ACCEPT: _accept, WAIVE: _waive, DISMISS: _dismiss, UNDO: _undo}
        return ways.get(question.what, _apply)(question, task)
    over = ended(question, now)
    if over is not None:
        return _move(over, "Nobody has decided in time; nothing was done.", task)
    again = reminded(question, now)
    if again is not None:
        case = task.tools.ledger.case(task.ref, question.about.partition(" ")[2])
        is_hidden = case is not None and is_dismissed(case.detail)
        return _move(again, f"It still takes {what_is_missing(question)}.", task, is_told=not is_hidden)
    return Result("waiting", "People have time to decide.")


def _apply(question: Question, task: Task) -> Result:
    case = task.tools.ledger.case(task.ref, question.about.partition(" ")[2])
    if case is not None and case.status is CaseStatus.REMEDIED and case.closed_hash == question.detail["policy_hash"]:
        return _end(question, State.DONE, "It was written before.", task)  # and whoever wrote it died before he could say so
    if case is not None and case.status.is_open:
        approval = Approval(question.detail["policy_hash"], question.detail["by"], case.found_hash, case.role_id)
        task = replace(task, approval=approval)
    plan = plan_reaction(task)
    result = carry_out(plan, task)
    if isinstance(plan, Idle) or case is None or plan.case is None or plan.case.id != case.id:
        return _end(question, State.WITHDRAWN, f"What was found does not stand any more. {result.because}", task)
    if result.outcome not in {"reverted", "remedy-failed"}:
        return _end(question, State.WITHDRAWN, f"What would be written is not what was shown, or must not be. {result.because}", task)
    _end(question, State.DONE, result.because, task)
    return result


def _hold(question: Question, task: Task) -> Result:
    """Put twice it is the same; a case that stands is judged again when it ends."""
    tools, until = task.tools, datetime.fromisoformat(question.detail["until"])
    if tools.clock.now() >= until:
        return _end(question, State.WITHDRAWN, "Its time was over before it began.", task)
    signed = any(each.via is Via.SIGV4 for each in question.votes)
    by, reason = question.detail["by"], question.detail["reason"]
    if not tools.brakes().hold(Stop(f"role {task.ref}", by, reason, question.asked_at, until, len(question.yes), signed)):
        return _end(question, State.WITHDRAWN, "Writes to this role are stopped for longer already, or by more people.", task)
    case_id = tools.ledger.head(task.ref).case_id
    case = None if case_id is None else tools.ledger.case(task.ref, case_id)
    if case is not None and case.status is CaseStatus.STANDING:
        # What waits for the end of another hold was to be written; whatever else stands, people were asked about, and still are.
        asked = {} if case.due_at is not None else {ASKED_BEFORE: True}
        tools.ledger.intend(task.lock, replace(case, due_at=until, detail={**case.detail, **asked}))
    return _end(question, State.DONE, f"Nothing is written to the role until {until:%Y-%m-%d %H:%M} UTC.", task)


def _accept(question: Question, task: Task) -> Result:
    """Only what was shown, and only while it breaks no guardrail: it would be put back."""
    plan = plan_reaction(task)
    result = carry_out(plan, task)
    if isinstance(plan, Idle) or (plan.role.role_id, plan.found_hash) != (question.detail["role_id"], question.detail["policy_hash"]):
        return _end(question, State.WITHDRAWN, f"Another trust policy stands than the one that was shown. {result.because}", task)
    if plan.decision.action is not Action.PASS or plan.is_waived_by_people:
        return _end(question, State.WITHDRAWN, f"It breaks a guardrail. {result.because}", task)
    tools = task.tools
    standing = Standing(plan.role, plan.found_hash, task.began, task.change, None, tools.clock.now())
    because = question.because or "People said yes to it."
    accept_of_people(standing, question.detail["by"], because, tools.ledger, tools.organization)
    return _end(question, State.DONE, "This trust policy is what is put back from now on.", task)


def _waive(question: Question, task: Task) -> Result:
    """What is left is judged before that is kept as done; nobody changed anything, so nothing is written for it."""
    state, because = waive_finding(question, task)
    if state is State.DONE:
        carry_out(plan_reaction(task), task)
    return _end(question, state, because, task)


def _dismiss(question: Question, task: Task) -> Result:
    return _end(question, *dismiss_finding(question, task), task)


def _undo(question: Question, task: Task) -> Result:
    return _end(question, *undo_remedy(question, task), task)


def _end(question: Question, state: State, because: str, task: Task) -> Result:
    return _move(question._replace(state=state, version=question.version + 1), because, task)


def _move(question: Question, because: str, task: Task, *, is_told: bool = True) -> Result:
    now = task.tools.clock.now()
    detail = question_as_json(question, because)
    announcement = Announcement(f"{question.id}-{question.version}", DETAIL_TYPES[question.state], detail, now)
    task.tools.questions().move(question, str(question.state), _BY_DOORWARD, now, announcement if is_told else None)
    return Result(str(question.state), because)
