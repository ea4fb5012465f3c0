"""The stories that the local stack plays: `make demo` a short one, `make demo CHAPTER=name` one chapter, `make demo-all` all.

`doors` on trust policies, `reaction` on what keeps it from harm, `watch` on sessions, sweeps, accounts and Doorward itself,
`grants` on a door that is opened for a person.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from local.chapters import doors, grants, reaction, watch
from local.chapters.stage import Stage

type Chapter = Callable[[Stage], None]


def _name(chapter: Chapter) -> str:
    return chapter.__name__.replace("_", "-")


ALL: Final[Mapping[str, Chapter]] = {_name(each): each for each in (*doors.CHAPTERS, *reaction.CHAPTERS, *watch.CHAPTERS, *grants.CHAPTERS)}
"""Every chapter by its name, in order."""
SHORT: Final = tuple(map(_name, (doors.legitimate_change, doors.attack, reaction.in_use, watch.outsider, grants.grant)))
"""What Doorward is for, in a minute."""
_AFTER: Final[Mapping[Chapter, Chapter]] = {
    doors.attack: doors.legitimate_change,
    doors.repeated_and_late: doors.attack,
    watch.padded: doors.legitimate_change,
}
"""Chapters that go on with the role of another."""


def with_what_it_needs(name: str) -> tuple[str, ...]:
    """The chapter, and before it those whose role it goes on with."""
    before = _AFTER.get(ALL[name])
    return (*(() if before is None else with_what_it_needs(_name(before))), name)


def tell(stage: Stage, names: Sequence[str]) -> None:
    """Raises StackError where a chapter does not end as it should."""
    for each in names:
        ALL[each](stage)
