"""Sessions of the window are listed with the case, and people are told: at the last look after a write, and once more for late events.

CloudTrail's events take minutes, and the last look comes after two.
"""

from copy import replace
from datetime import datetime
from typing import Final

from doorward.ports.ledger import Case
from doorward.sessions.window import alert_of_window, how_many, list_sessions
from doorward.usecases.announce_alert import announce_alert
from doorward.usecases.reaction import Result, Task

LISTED: Final = "sessions-listed"
"""The step after which nothing is left to be listed."""


def list_window(task: Task, case: Case, now: datetime) -> Case:
    """The case with what is known by now; it is looked at once more when every event has come. People are told. Raises Unavailable."""
    if not case.detail.get("sessions"):
        return replace(case, due_at=None)
    listed = _listed(task, case)
    if how_many(listed.detail["sessions"]):
        _tell(task, listed, now, late=False)
    return replace(listed, due_at=now + task.tools.events_take)


def list_what_came_late(task: Task, case: Case) -> Result:
    """Raises Unavailable."""
    tools = task.tools
    now = tools.clock.now()
    if now - case.steps["verified"] < tools.events_take:
        return Result("known", "Events of sessions may still be under way.")
    listed = _listed(task, case)
    more = how_many(listed.detail["sessions"]) - how_many(case.detail["sessions"])
    if more:
        _tell(task, listed, now, late=True)
    tools.ledger.follow_up(task.lock, replace(listed, steps={**case.steps, LISTED: now}, due_at=None))
    return Result("listed", "Sessions are listed of which events came late." if more else "No event of such a session came late.")


def _listed(task: Task, case: Case) -> Case:
    sessions = case.detail["sessions"]
    since, until = (datetime.fromisoformat(sessions[each]) for each in ("start", "until"))
    calls = task.tools.calls()
    found = list_sessions(calls.recent_calls(task.ref, since, until), calls.calls_from(task.ref, since, task.tools.clock.now()))
    return replace(case, detail={**case.detail, "sessions": {**sessions, **found}})


def _tell(task: Task, case: Case, now: datetime, *, late: bool) -> None:
    alert = alert_of_window(case.id, case.detail, now, late=late)
    account_of = task.tools.organization.account
    announce_alert(alert, "SuspiciousSessionFound", task.tools.ledger, account_of, now, kind="doorward.sessions/1")
