"""End the sessions that a change let in, once it is undone; and take that away once there is nothing more to end.

What has to stand is kept in the ledger before the trust policy is written: who dies at any point after that leaves it on the agenda, and
finish_started takes it up. Windows of cases that closed nothing are forgotten there.
"""

import json
from contextlib import suppress
from copy import replace
from datetime import datetime, timedelta
from typing import Any, Final

from doorward.errors import Conflict, DoorwardError, Misconfigured
from doorward.events.hints import ACTOR
from doorward.guardrails.cuts import MARGIN, SKEW, Cut, Cutting, Window, cut_policy, cutting_for, over_at, still_needed, with_window
from doorward.guardrails.model import Role
from doorward.ports.ledger import Case, CaseStatus
from doorward.ports.roles import Refused
from doorward.usecases.plan_reaction import Plan
from doorward.usecases.reaction import Result, Task

FOLLOWS_CUT: Final = "CUT"
"""What a hint follows that is about a role's cut, and not about one of its cases."""
# As long as the last look after a write may take to come.
_VERIFYING: Final = timedelta(seconds=180)
_AGAIN: Final = timedelta(minutes=2)
_CUT: Final = {"cut": True, "because": "Sessions opened meanwhile can do nothing any more; older ones live on."}


def intend_cut(plan: Plan, task: Task, case: Case) -> tuple[Cut, Window] | None:
    """Before the trust policy is written: what will have to be denied on the role, and what of it is this case's.

    None: nothing, or a person has to decide.
    """
    changed_at = _changed_at(case)
    if changed_at is None or cutting_for(plan.judgement, plan.role, change_is_known=True) is not Cutting.CUT:
        return None
    now = task.tools.clock.now()
    known = task.tools.ledger.cut(task.ref)
    cut = known if known is not None and known.role_id == case.role_id else Cut(task.ref, case.role_id, ())
    window = Window(case.id, changed_at - SKEW, now + _VERIFYING)
    cut = with_window(cut, window)
    task.tools.ledger.keep_cut(task.lock, cut, now + _AGAIN)
    return cut, window


def cut_sessions(task: Task, role: Role, cut: Cut, window: Window) -> dict[str, Any]:
    """Right after the write; what is told of it. Nothing that goes wrong here keeps the rest from going on: it stays on the agenda."""
    told = _told(window)
    try:
        _make_stand(task, role, cut, _of_closed_cases(task, cut, window.case_id))
    except (Misconfigured, Refused) as error:
        return {**told, "cut": False, "because": f"Sessions opened meanwhile could NOT be ended: {error}"}
    except DoorwardError as error:
        return {**told, "cut": False, "because": f"Sessions opened meanwhile are not ended yet, and it is tried again: {error}"}
    return {**told, **_CUT}


def person_decides(plan: Plan, case: Case, now: datetime) -> dict[str, Any] | None:
    """What is told where sessions should perhaps end, and a person has to say so: with the policy that would do it."""
    known = _changed_at(case) is not None
    if cutting_for(plan.judgement, plan.role, change_is_known=known) is not Cutting.ASK:
        return None
    window = Window(case.id, datetime.fromisoformat(case.detail["event"]["time"]) - SKEW, now + _VERIFYING)
    policy = json.dumps(cut_policy((window,)), separators=(",", ":"))
    why = (
        "a service that runs code uses this role, and what it got meanwhile would stop working"
        if known
        else "no event told when the change was made"
    )
    because = f"Sessions opened meanwhile were not ended, for {why}. To end them, put this inline policy on the role: {policy}"
    return {**_told(window), "cut": False, "because": because}


def _changed_at(case: Case) -> datetime | None:
    """None where a hint of our own led to the case: that tells when somebody looked, not when the role was changed."""
    return None if case.detail["actor"]["kind"] == ACTOR.kind else datetime.fromisoformat(case.detail["event"]["time"])


def _told(window: Window) -> dict[str, Any]:
    return {"start": window.start.isoformat(), "until": window.until.isoformat()}


def end_window(task: Task, role: Role, case: Case, verified_at: datetime) -> Case:
    """After the last look: the window ends there. Rewritten once; the case says so. Raises Unavailable.

    Where it cannot be rewritten, what stands is bounded all the same, a minute later.
    """
    cut = task.tools.ledger.cut(task.ref)
    own = None if cut is None else next((each for each in cut.windows if each.case_id == case.id), None)
    if cut is not None and own is not None:
        own = own._replace(until=verified_at + MARGIN)
        with suppress(Misconfigured, Refused, Conflict):
            _make_stand(task, role, cut, _of_closed_cases(task, with_window(cut, own), case.id))
            sessions = {**(case.detail.get("sessions") or {}), **_told(own), **_CUT}
            return replace(case, detail={**case.detail, "sessions": sessions})
    return case


def follow_up_cut(task: Task) -> Result:
    """What is due of a role's cut: windows whose sessions have all ended are taken away, and so is what was never closed."""
    tools = task.tools
    cut = tools.ledger.cut(task.ref)
    if cut is None:
        return Result("known", "No sessions of this role are cut.")
    role = tools.roles.read(task.account_id, task.role_name)
    if role is None or role.role_id != cut.role_id:
        tools.ledger.remove_cut(task.lock)
        return Result("no-such-role", "The role whose sessions were cut does not exist any more.")
    statuses = {each.case_id: _status(task, each) for each in cut.windows}
    if CaseStatus.INTENDED in statuses.values():  # whether it was written is found out by the case's own follow-up
        tools.ledger.keep_cut(task.lock, cut, tools.clock.now() + _AGAIN)
        return Result("waiting", "Whether the change was undone is not known yet.")
    # An intent that nothing came of cuts nobody.
    closed = tuple(each for each in cut.windows if statuses[each.case_id] is CaseStatus.REMEDIED)
    try:
        _make_stand(task, role, cut, closed)
    except (Misconfigured, Refused, Conflict) as error:
        if still_needed(closed, tools.clock.now()):
            raise
        tools.ledger.remove_cut(task.lock)
        return Result("cut-left", f"The end of sessions could not be taken away, and denies nothing any more: {error}")
    return Result("cut", "The role's sessions are cut as they have to be.")


def _of_closed_cases(task: Task, cut: Cut, own: str) -> tuple[Window, ...]:
    """An intent that nothing came of cuts nobody. `own`: the case that is being closed."""
    return tuple(each for each in cut.windows if each.case_id == own or _status(task, each) is CaseStatus.REMEDIED)


def _status(task: Task, window: Window) -> CaseStatus | None:
    case = task.tools.ledger.case(task.ref, window.case_id)
    return None if case is None else case.status


def _make_stand(task: Task, role: Role, cut: Cut, windows: tuple[Window, ...]) -> None:
    """On the role, and in the ledger, stand the windows that are needed, and nothing else."""
    tools = task.tools
    now = tools.clock.now()
    left = still_needed(windows, now)
    if left:
        tools.cuts().put(role.account_id, role.arn, json.dumps(cut_policy(left)), finding_id=left[-1].case_id)
        tools.ledger.keep_cut(task.lock, cut._replace(windows=left), min(map(over_at, left)))
        return
    finding_id = windows[-1].case_id if windows else cut.windows[-1].case_id
    tools.cuts().remove(role.account_id, role.arn, finding_id=finding_id)
    tools.ledger.remove_cut(task.lock)
