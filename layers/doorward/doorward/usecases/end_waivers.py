"""A waiver that people decided has ended: the role is judged again.

| what ended                  | what stands         | then                                                                       |
|-----------------------------|---------------------|----------------------------------------------------------------------------|
| a waiver                    | whatever            | what it accepted is found again; nobody changed anything, so people decide |
| that of an undone remedy    | what was put back   | the same remedy is written, as was said when it was undone                 |
| that of an undone remedy    | something else      | as of a waiver: an event told of it, or a sweep does                       |
"""

from copy import replace
from datetime import datetime

from doorward.events.model import Cause
from doorward.ports.ledger import Head
from doorward.usecases.carry_out import carry_out
from doorward.usecases.plan_reaction import Idle, plan_reaction
from doorward.usecases.reaction import Approval, Result, Task, policy_hash


def end_waivers(task: Task) -> Result:
    """Raises ChangedMeanwhile, Unavailable, Conflict, Misconfigured."""
    ledger, now = task.tools.ledger, task.tools.clock.now()
    task = _as_what_ended(task, ledger.head(task.ref), now)
    plan = plan_reaction(task)
    result = carry_out(plan, task)
    head = ledger.head(task.ref)
    waivers = () if isinstance(plan, Idle) else head.waivers  # the role does not exist any more
    ends = [each.until for each in waivers if isinstance(each.until, datetime) and not each.has_ended(now)]
    ledger.judged(task.lock, replace(head, waivers=waivers, due_at=min(ends, default=None)))
    return result


def _as_what_ended(task: Task, head: Head, now: datetime) -> Task:
    """The table above."""
    undone = next((each for each in head.waivers if each.undoes and each.has_ended(now)), None)
    case = None if undone is None else task.tools.ledger.case(task.ref, undone.undoes)
    if undone is not None and case is not None:
        role = task.tools.roles.read(task.account_id, task.role_name)
        if role is not None and undone.is_for(role):
            task = replace(task, change=replace(task.change, cause=Cause.FACTS))  # another remedy than that one is not written
            return replace(task, approval=Approval(case.closed_hash or "", undone.owner, policy_hash(role), role.role_id))
    return replace(task, change=replace(task.change, cause=Cause.FACTS))
