"""People dismissed a finding: the case is marked, and goes on as any. findings/dismissal.py says what that hides, and for how long."""

from copy import replace

from doorward.decisions.model import Question, State
from doorward.findings.dismissal import dismissed
from doorward.usecases.reaction import Task
from doorward.usecases.waive_finding import case_as_shown


def dismiss_finding(question: Question, task: Task) -> tuple[State, str]:
    """What came of it: done, or withdrawn, and why. Raises Unavailable, Conflict."""
    tools = task.tools
    case = case_as_shown(question, task)
    if isinstance(case, str):
        return State.WITHDRAWN, case
    mark = dismissed(case.detail, question.detail["by"], tools.clock.now())
    tools.ledger.intend(task.lock, replace(case, detail={**case.detail, "dismissed": mark}))
    return State.DONE, "Nobody is told of this finding any more, unless something else is found."
