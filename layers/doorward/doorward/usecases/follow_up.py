"""A case goes on: an intent that was cut off is finished, and what was written is looked at until it has stood for two minutes."""

from copy import replace
from datetime import timedelta
from typing import Final

from doorward.events.hints import Hint
from doorward.events.model import Cause
from doorward.guardrails.decided import with_waivers
from doorward.guardrails.looks import Look, trust_hash_of
from doorward.guardrails.model import Role
from doorward.ports.ledger import ENDS_WAIVERS, Announcement, Case
from doorward.ports.questions import FOLLOWS_QUESTION
from doorward.usecases.carry_out import VERIFIED_AFTER, carry_out
from doorward.usecases.contain_author import CONTAINS, contain_author
from doorward.usecases.cut_sessions import FOLLOWS_CUT, end_window, follow_up_cut
from doorward.usecases.end_waivers import end_waivers
from doorward.usecases.follow_up_question import ASKED_BEFORE, follow_up_question
from doorward.usecases.give_back_lost import GIVES_BACK, give_back_lost
from doorward.usecases.plan_reaction import plan_reaction
from doorward.usecases.reaction import Result, Task, policy_hash

_LAST: Final = timedelta(seconds=VERIFIED_AFTER[-1])
# Messages come a little early or late.
_GRAIN: Final = timedelta(seconds=2)


def follow_up(task: Task) -> Result | None:
    """None where the role is to be judged: an intent of ours was cut off, and what it was about stands, or what it was to be.

    Raises Unavailable, Misconfigured.
    """
    tools = task.tools
    if task.change.follows == FOLLOWS_CUT:
        return follow_up_cut(task)
    if task.change.follows.startswith(FOLLOWS_QUESTION):
        return follow_up_question(task)
    if task.change.follows.startswith(CONTAINS):
        return contain_author(task)
    if task.change.follows == ENDS_WAIVERS:
        return end_waivers(task)
    case = tools.ledger.case(task.ref, task.change.follows)
    if case is None or (not case.status.is_open and case.due_at is None):
        return Result("known", "Nothing is left to do for this case.")
    if "verified" in case.steps:
        from doorward.usecases.list_sessions import list_what_came_late

        return list_what_came_late(task, case)
    if case.status.is_open and case.detail.get(ASKED_BEFORE):
        task = replace(task, change=replace(task.change, cause=Cause.FACTS))
        return carry_out(plan_reaction(task), task)
    role = tools.roles.read(task.account_id, task.role_name)
    if case.status.is_open:
        if role is None or (case.role_id == role.role_id and policy_hash(role) in {case.found_hash, case.planned_hash}):
            return None
        return _look_anew(task, role)
    return _verify(task, case, role)


def _verify(task: Task, case: Case, role: Role | None) -> Result:
    """Under a minute after a write, IAM may still show what stood before."""
    tools = task.tools
    if case.detail.get("undone"):
        tools.ledger.follow_up(task.lock, replace(case, due_at=None))
        return Result("known", "What was written was undone by people meanwhile.")
    now = tools.clock.now()
    is_last = case.closed_at is None or now - case.closed_at >= _LAST - _GRAIN
    if role is None or role.role_id != case.role_id:
        tools.ledger.follow_up(task.lock, replace(case, due_at=None))
        return Result("no-such-role", "The role that was written does not exist any more.")
    found_hash = policy_hash(role)
    if case.detail.get(GIVES_BACK) and found_hash in {case.closed_hash, case.planned_hash}:
        guardrails = with_waivers(tools.guardrails, tools.ledger.head(task.ref).waivers)
        case = give_back_lost(replace(task, tools=replace(tools, guardrails=guardrails)), case, role)
        found_hash = case.planned_hash or found_hash
    if found_hash in {case.planned_hash, case.closed_hash}:
        count = sum(1 for each in case.steps if each.startswith("looked-at-"))
        steps = {**case.steps, f"looked-at-{count + 1}": now}
        if not is_last:
            tools.ledger.follow_up(task.lock, replace(case, steps=steps))
            return Result("stands", "What was written stands.")
        from doorward.usecases.list_sessions import list_window  # once a remedy, and with all that is known of sessions

        case = list_window(task, end_window(task, role, case, now), now)
        verified = replace(case, steps={**steps, "verified": now})
        announcement = Announcement(f"{case.id}-verified", "TrustRemedyVerified", case.detail, now)
        tools.ledger.follow_up(task.lock, verified, announcement)
        return Result("verified", "What was written has stood for two minutes.")
    if found_hash == case.found_hash and not is_last:
        return Result("stale", "What stood before the write is shown again: by IAM's delay, or by somebody of whom an event will tell.")
    looking = _look_anew(task, role)  # before it is crossed off: who dies in between is asked again
    tools.ledger.follow_up(task.lock, replace(case, due_at=None))
    return looking


def _look_anew(task: Task, role: Role) -> Result:
    """Something else stands, and perhaps no event has told of it: as if a sweep had seen it just now."""
    tools = task.tools
    trust = trust_hash_of(role.role_id, policy_hash(role))
    look = str(Look(trust, "", "", "", "", "", ""))
    now = tools.clock.now()
    because = "Another policy stands than the one that was written."
    hint = Hint(task.account_id, Cause.TRUST, because, f"{task.change.follows}-{trust}", now, role_name=task.role_name, look=look)
    tools.hints().send([hint])
    return Result("handed-on", f"{because} It is looked at by a hint of its own.")
