"""The story that `make demo` plays.

`doors` on trust policies, `reaction` on what keeps it from harm, `watch` on sessions, sweeps, accounts and Doorward itself.
"""

from local.chapters import doors, reaction, watch
from local.chapters.stage import Stage


def tell(stage: Stage) -> None:
    """Every chapter in order; raises StackError where one does not end as it should."""
    for chapter in (*doors.CHAPTERS, *reaction.CHAPTERS, *watch.CHAPTERS):
        chapter(stage)
