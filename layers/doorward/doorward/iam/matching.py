"""Globs, for the evaluator alone: `*` is any run of characters, `?` exactly one, everything else itself.

The search has its own automata, so that neither can share a mistake with the other. A glob is split at its stars into literals that are
looked for in order; one with a `?`, or one that a variable has a part in, runs as a bit-parallel automaton. No regular expression is
made of a policy's text, and time is bounded by text length times pattern length over the width of a machine word: no pattern makes it
back-track.
"""

from collections.abc import Callable, Iterable

type Token = str | None
"""One character, or one of the two wildcards below. Characters that came out of a variable are plain characters."""
ANY_RUN: Token = None
ANY_ONE: Token = ""

type Matcher = Callable[[str], bool]


def read_glob(text: str) -> list[Token]:
    return [ANY_RUN if each == "*" else ANY_ONE if each == "?" else each for each in text]


def matches(pattern: Iterable[Token], text: str) -> bool:
    """Whether the whole text fits the whole pattern, case-sensitively."""
    return _automaton(pattern)(text)


def matches_glob(pattern: str, text: str) -> bool:
    """The same for a glob that is matched once: nothing is made of it first."""
    if "?" in pattern:
        return matches(read_glob(pattern), text)
    head, star, rest = pattern.partition("*")
    if not star:
        return pattern == text
    if not text.startswith(head):
        return False
    return not rest or _in_order(rest.split("*"), text, len(head))


def compile_globs(patterns: Iterable[str]) -> Matcher:
    """Whether a text fits at least one of them."""
    literals: list[str] = []
    heads: list[str] = []
    tails: list[str] = []
    others: list[Matcher] = []
    for pattern in patterns:
        if "?" in pattern:
            others.append(_automaton(read_glob(pattern)))
            continue
        head, star, rest = pattern.partition("*")
        if not star:
            literals.append(pattern)
        elif not rest:
            heads.append(head)
        elif not head and "*" not in rest:
            tails.append(rest)
        else:
            others.append(_split(head, rest.split("*")))
    if not (heads or tails or others):
        return frozenset(literals).__contains__
    if len(others) == 1 and not (literals or heads or tails):
        return others[0]
    return _either(frozenset(literals), tuple(heads), tuple(tails), others)


def _either(literals: frozenset[str], heads: tuple[str, ...], tails: tuple[str, ...], others: list[Matcher]) -> Matcher:
    if not (literals or tails or others):
        return lambda text: text.startswith(heads)

    def fits(text: str) -> bool:
        if text in literals or text.startswith(heads) or text.endswith(tails):
            return True
        for each in others:  # noqa: SIM110 - a generator costs more than the match
            if each(text):
                return True
        return False

    return fits


def _split(head: str, parts: list[str]) -> Matcher:
    if len(parts) == 1:
        tail = parts[0]
        shortest = len(head) + len(tail)
        return lambda text: text.startswith(head) and text.endswith(tail) and len(text) >= shortest
    start = len(head)
    return lambda text: text.startswith(head) and _in_order(parts, text, start)


def _in_order(parts: list[str], text: str, start: int) -> bool:
    """Whether the rest of the text from `start` is anything, each part in its turn with anything between, and ends with the last."""
    last = parts[-1]
    for each in parts[:-1]:
        found = text.find(each, start)
        if found < 0:
            return False
        start = found + len(each)
    return len(text) - start >= len(last) and text.endswith(last)


def _automaton(pattern: Iterable[Token]) -> Matcher:
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

    def fits(text: str) -> bool:
        reached = 1
        for character in text:
            reached = (reached & (accepted_at.get(character, 0) | anything_at)) << 1 | reached & stays_at
            if not reached:
                return False
        return reached & end != 0

    return fits
