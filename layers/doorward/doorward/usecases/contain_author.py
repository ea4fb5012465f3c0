"""Stop an author who has spent his budget, where somebody has opted into it.

Asked for by a hint of its own: closing waits for nothing, and whoever dies in between is asked again. Once an hour for each author,
whatever came of it: from then on the prepared policy in the message is what people have.
"""

from typing import Final

from doorward.errors import Misconfigured, Throttled, Unavailable
from doorward.events.hints import Hint
from doorward.events.model import Cause
from doorward.guardrails.containment import what_came_of_it
from doorward.usecases.announce_alert import announce_alert
from doorward.usecases.reaction import Result, Task

CONTAINS: Final = "CONTAIN "
"""How what such a hint follows begins; the author's ARN follows."""
_TAKING_TURNS: Final = "containment"
"""One lock for all: the function reads one policy and writes it anew."""


def ask_to_contain(author: str, task: Task) -> None:
    """Raises Unavailable."""
    tools, now = task.tools, task.tools.clock.now()
    asking = what_came_of_it(author, None, task.account_id, now).id
    if not tools.ledger.was_announced(asking):
        because, follows = "The budget of an author is spent.", f"{CONTAINS}{author}"
        tools.hints().send([Hint(task.account_id, Cause.FACTS, because, asking, now, role_name=task.role_name, follows=follows)])


def contain_author(task: Task) -> Result:
    """Raises Unavailable, Conflict."""
    tools, author = task.tools, task.change.follows.removeprefix(CONTAINS)
    containment = tools.containment()
    if containment is None:
        return Result("known", "Nobody has opted into containment any more.")
    lock = tools.ledger.lock(_TAKING_TURNS)
    try:
        done = what_came_of_it(author, None, task.account_id, tools.clock.now())
        if tools.ledger.was_announced(done.id):
            return Result("known", "This author was contained, or refused to be, within the hour.")
        try:
            refused = containment.contain(author, finding_id=done.id)
        except Misconfigured as error:
            refused = str(error)
        except Throttled as error:
            raise Unavailable(str(error)) from error  # not IAM's rate, of which people would be told
        alert = what_came_of_it(author, refused, task.account_id, done.at)
        announce_alert(alert, "SuspiciousChangeFound", tools.ledger, tools.organization.account, tools.clock.now())
    finally:
        tools.ledger.unlock(lock)
    return Result("contained" if refused is None else "not-contained", alert.because)
