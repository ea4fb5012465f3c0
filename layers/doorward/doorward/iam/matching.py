"""Globs, for the evaluator alone: `*` is any run of characters, `?` exactly one, everything else itself.

The search has its own automata, so that neither can share a mistake with the other. Time is bounded by text length times
pattern length over the width of a machine word: no pattern makes it back-track.
"""

from collections.abc import Iterable

type Token = str | None
"""One character, or one of the two wildcards below. Characters that came out of a variable are plain characters."""
ANY_RUN: Token = None
ANY_ONE: Token = ""


def read_glob(text: str) -> list[Token]:
    return [ANY_RUN if each == "*" else ANY_ONE if each == "?" else each for each in text]


def matches(pattern: Iterable[Token], text: str) -> bool:
    """Whether the whole text fits the whole pattern, case-sensitively."""
    # Bit n of `reached`: the text so far fits the first n tokens that are not runs. A run lets its bit stand.
    accepted_at: dict[str, int] = {}
    anything_at = stays_at = 0
    end = 1
    for token in pattern:  # ANY_RUN is None, ANY_ONE is empty
        if token is None:
            stays_at |= end
            continue
        if not token:
            anything_at |= end
        else:
            accepted_at[token] = accepted_at.get(token, 0) | end
        end <<= 1
    reached = 1
    for character in text:
        reached = (reached & (accepted_at.get(character, 0) | anything_at)) << 1 | reached & stays_at
        if not reached:
            return False
    return reached & end != 0
