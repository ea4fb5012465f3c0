"""How far a run has come, for whoever watches a terminal. Nobody else is told."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Below this a bar would be gone before it is seen.
FEWEST = 200


@contextmanager
def progress(total: int, doing: str) -> Iterator[Callable[[], None]]:
    """Call what it gives once for each of `total`. On standard error, if that is a terminal; without colours where NO_COLOR is set."""
    if total < FEWEST or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda: bar.advance(task)
