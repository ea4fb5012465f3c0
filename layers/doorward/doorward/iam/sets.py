"""Sets of strings: what a policy's patterns admit, and what a key's grammar allows to exist.

A set here is a conjunction of patterns to match, patterns not to match, and one grammar; `find_text` returns a member or proves that
there is none, by a lazy product of small automata over the characters that the patterns can tell apart. Bounds on length are not
part of the grammars: who uses a found text checks its length.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import pairwise
from operator import contains

from doorward.values import NamedTuple

PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
_BEYOND_ASCII = "é"
# The first that a group of interchangeable characters contains stands for it: a witness should read well.
_PREFERRED = "x9mXabcdefghijklnopqrstuvwyz0123456782ABCDEFGHIJKLMNOPQRSTUVWYZ-_./:@ "


class OutOfBudget(Exception):  # noqa: N818 - not an error: the question is left undecided
    """The question was too large to answer within the limits."""


class Budget:
    """How much work one judgement may cost: steps of automata, and boxes left after taking Deny statements out."""

    __slots__ = ("boxes", "steps")

    def __init__(self, steps: int = 200_000, boxes: int = 4_000) -> None:
        self.steps = steps
        self.boxes = boxes

    def spend_steps(self, count: int) -> None:
        self.steps -= count
        if self.steps < 0:
            raise OutOfBudget

    def spend_box(self) -> None:
        self.boxes -= 1
        if self.boxes < 0:
            raise OutOfBudget


class Wild(NamedTuple):
    """`*` (many) or `?` (exactly one), of any character that is not barred."""

    many: bool
    barred: str = ""


Token = str | Wild
"""A string token is one character out of these."""

_ANYTHING = Wild(many=True)


class Pattern:
    """A sequence of tokens, compiled to a bit-parallel automaton when it is first run: bit i says that i tokens are behind us.

    Compared by identity: make them by `pattern`, which gives equal sequences the same object.
    """

    __slots__ = (
        "_accept",
        "_forever",
        "_free",
        "_loops",
        "_moves",
        "_pieces",
        "_stars",
        "_start",
        "_steps",
        "exact",
        "is_head",
        "lead",
        "prefix",
        "suffix",
        "tokens",
    )

    def __init__(self, tokens: Sequence[Token]) -> None:
        tokens = tuple(tokens)
        wilds = [index for index, each in enumerate(tokens) if each.__class__ is Wild]
        if len(wilds) > 1:
            # A star behind the same star says nothing more.
            tokens = tuple(
                [
                    each
                    for index, each in enumerate(tokens)
                    if not (index and isinstance(each, Wild) and each.many and tokens[index - 1] == each)
                ]
            )
            wilds = [index for index, each in enumerate(tokens) if each.__class__ is Wild]
        self.tokens = tokens
        count = len(tokens)
        first = wilds[0] if wilds else count
        # What every text begins with that is accepted, a character for each token; with `is_head`, that alone decides.
        self.lead: tuple[str, ...] = tokens[:first]  # type: ignore[assignment]  # no Wild, as just seen
        self.is_head = first == count - 1 and tokens[first] == _ANYTHING
        between = [tokens[start + 1 : end] for start, end in pairwise((-1, *wilds, count))]
        texts = ["".join(each) for each in between]  # type: ignore[arg-type]  # as above
        is_plain = sum(map(len, texts)) == count - len(wilds)
        self.prefix = texts[0] if is_plain else _single(self.lead)
        self.suffix = texts[-1] if is_plain else _single(between[-1][::-1])[::-1]
        self.exact = self.prefix if is_plain and not wilds else None
        # The texts between free stars, where there is nothing else.
        self._pieces = tuple(texts) if is_plain and tokens.count(_ANYTHING) == len(wilds) else None
        self._start = -1

    def _compile(self) -> int:
        kept = self.tokens
        self._accept = 1 << len(kept)
        self._stars = self._free = 0
        for index, each in enumerate(kept):
            if isinstance(each, Wild) and each.many:
                self._stars |= 1 << index
                if not each.barred:
                    self._free |= 1 << index
        self._moves: dict[str, int] = {}
        self._loops: dict[str, int] = {}
        self._steps: dict[tuple[int, str], int] = {}
        ends_free = bool(kept) and kept[-1] == _ANYTHING
        self._forever = self._accept | (self._accept >> 1) if ends_free else 0
        self._start = self._closed(1)
        return self._start

    @property
    def start(self) -> int:
        return self._start if self._start >= 0 else self._compile()

    def step(self, state: int, char: str) -> int:
        known = self._steps.get((state, char))
        if known is None:
            moves = self._moves.get(char)
            if moves is None:
                moves = self._learn(char)
            known = self._closed(((state & moves) << 1) | (state & self._loops[char]))
            self._steps[state, char] = known
        return known

    def includes(self, other: "Pattern") -> bool:
        """Whether it is plain to see that whatever the other matches, this one matches too."""
        if self is other:
            return True
        if other.exact is not None:
            return self.matches(other.exact)
        lead, known = self.lead, other.prefix
        if not self.is_head or not all(map(contains, lead, known)):
            return False
        if len(known) >= len(lead):
            return True
        rest = zip(lead[len(known) :], other.lead[len(known) :], strict=False)
        return len(lead) <= len(other.lead) and all(all(char in mine for char in its) for mine, its in rest)

    def excludes(self, other: "Pattern") -> bool:
        """Whether it is plain to see that nothing matches both: they begin or end differently."""
        mine, its = self.prefix, other.prefix
        if not (mine.startswith(its) or its.startswith(mine)):
            return True
        mine, its = self.suffix, other.suffix
        if not (mine.endswith(its) or its.endswith(mine)):
            return True
        both = zip(self.lead, other.lead, strict=False)
        return any(one != another and not any(char in another for char in one) for one, another in both)

    def written(self, one: str) -> str:
        """About as somebody wrote it: `*` for a run, `one` for one wild character, and the first of those that a token may be."""
        return "".join([("*" if each.many else one) if isinstance(each, Wild) else each[0] for each in self.tokens])

    def accepts(self, state: int) -> bool:
        return state & self._accept != 0

    def accepts_all_from(self, state: int) -> bool:
        """Whatever follows is accepted."""
        return self._forever != 0 and state & self._forever == self._forever

    def matches(self, text: str) -> bool:
        if self.exact is not None:
            return text == self.exact
        if not text.startswith(self.prefix):
            return False
        if self._pieces is not None:
            return _fits_pieces(self._pieces, text)
        lead = self.lead
        if not all(map(contains, lead, text)):
            return False
        if self.is_head or len(lead) == len(self.tokens):
            return len(text) >= len(lead) if self.is_head else len(text) == len(lead)
        state, steps = self.start, self._steps
        for char in text:
            known = steps.get((state, char))
            state = self.step(state, char) if known is None else known
            if not state:
                return False
        return self.accepts(state)

    def _learn(self, char: str) -> int:
        moves = loops = 0
        for index, token in enumerate(self.tokens):
            if isinstance(token, str):
                if char in token:
                    moves |= 1 << index
            elif char not in token.barred:
                if token.many:
                    loops |= 1 << index
                else:
                    moves |= 1 << index
        self._moves[char] = moves
        self._loops[char] = loops
        return moves

    def _closed(self, state: int) -> int:
        stars = state & self._stars
        while stars:
            wider = state | (stars << 1)
            stars = (wider ^ state) & self._stars
            state = wider
        free = state & self._free
        if free:
            # From a later free star everything is accepted that an earlier place would accept.
            state &= -1 << (free.bit_length() - 1)
        return state


def _single(tokens: tuple[Token, ...]) -> str:
    """As far as each is one character."""
    end = next((index for index, each in enumerate(tokens) if len(each) != 1), len(tokens))  # a Wild has two fields
    return "".join(tokens[:end])  # type: ignore[arg-type]  # single characters, as just seen


def _fits_pieces(pieces: tuple[str, ...], text: str) -> bool:
    """The first begins the text, as the caller has seen, the last ends it, the others follow each other in between."""
    end = len(text) - len(pieces[-1])
    at = len(pieces[0])
    if end < at or not text.endswith(pieces[-1]):
        return False
    for each in pieces[1:-1]:
        at = text.find(each, at, end)
        if at < 0:
            return False
        at += len(each)
    return True


@lru_cache(maxsize=8192)
def pattern(tokens: tuple[Token, ...]) -> Pattern:
    """One object for equal tokens: what was once found out about it, here and by those who remember it, is not found out again."""
    return Pattern(tokens)


@lru_cache(maxsize=4096)
def literal(text: str) -> Pattern:
    return pattern(tuple(text))


@lru_cache(maxsize=1024)
def starting_with(text: str) -> Pattern:
    return pattern((*text, _ANYTHING))


class Chars(NamedTuple):
    """One character: one of `chars`, or any other than these."""

    chars: str
    negated: bool = False


class Many(NamedTuple):
    part: "Part"


class Either(NamedTuple):
    parts: tuple["Part", ...]


Part = str | Chars | Many | Either | tuple["Part", ...]
"""A grammar: literal text, one character, repetition (none or more), alternatives, or a sequence."""

ANY = Chars("", negated=True)


def some(part: Part) -> Part:
    return (part, Many(part))


def perhaps(part: Part) -> Part:
    return Either(("", part))


class _Positions:
    """A grammar compiled by positions (Glushkov): a set of them is a number, bit by bit. Bit 0: nothing read yet."""

    __slots__ = ("classes", "follow", "last", "texts")

    def __init__(self, part: Part) -> None:
        # What stands there: a character of literal text, or one of a class.
        self.texts: dict[str, int] = {}
        self.classes: dict[Chars, int] = {}
        self.follow = [0]
        nullable, self.follow[0], last = self._build(part)
        self.last = last | (1 if nullable else 0)

    def _build(self, part: Part) -> tuple[bool, int, int]:
        """Whether it may be empty, where it can begin, and where it can end."""
        follow = self.follow
        if isinstance(part, str):
            first = bit = 1 << len(follow)
            for char in part:
                self.texts[char] = self.texts.get(char, 0) | bit
                bit <<= 1
                follow.append(bit)
            if bit == first:
                return True, 0, 0
            follow[-1] = 0
            return False, first, bit >> 1
        if isinstance(part, Chars):
            bit = 1 << len(follow)
            self.classes[part] = self.classes.get(part, 0) | bit
            follow.append(0)
            return False, bit, bit
        if isinstance(part, Many):
            _, first, last = self._build(part.part)
            self._link(last, first)
            return True, first, last
        if isinstance(part, Either):
            nullable, first, last = False, 0, 0
            for each in part.parts:
                its_nullable, its_first, its_last = self._build(each)
                nullable, first, last = nullable or its_nullable, first | its_first, last | its_last
            return nullable, first, last
        nullable, first, last = True, 0, 0
        for each in part:
            its_nullable, its_first, its_last = self._build(each)
            self._link(last, its_first)
            first = first | its_first if nullable else first
            last = last | its_last if its_nullable else its_last
            nullable = nullable and its_nullable
        return nullable, first, last

    def _link(self, last: int, first: int) -> None:
        while last:
            low = last & -last
            self.follow[low.bit_length() - 1] |= first
            last ^= low


# Steps kept of one grammar: nobody's texts may fill the memory.
_MOST_STEPS = 4_096


class Grammar:
    """A grammar, compiled when it is first asked, since many never are. A state is the set of positions just matched."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._hits: dict[str, int] = {}
        self._expects: dict[int, int] = {}
        self._steps: dict[tuple[int, str], int] = {}

    @cached_property
    def _positions(self) -> _Positions:
        return _Positions(self._part)

    def expects(self, state: int) -> int:
        """Positions that may come next."""
        known = self._expects.get(state)
        if known is None:
            follow = self._positions.follow
            known, rest = 0, state
            while rest:
                low = rest & -rest
                known |= follow[low.bit_length() - 1]
                rest ^= low
            self._expects[state] = known
        return known

    def hits(self, char: str) -> int:
        """Positions that this character can stand at."""
        known = self._hits.get(char)
        if known is None:
            known = self._positions.texts.get(char, 0)
            for (chars, negated), places in self._positions.classes.items():
                if (char in chars) is not negated:
                    known |= places
            self._hits[char] = known
        return known

    @cached_property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Printable characters, and one beyond ASCII, that stand at the same positions; the one that reads best comes first."""
        found: dict[int, dict[str, None]] = {}
        for char in (*_PREFERRED, *PRINTABLE, _BEYOND_ASCII):
            found.setdefault(self.hits(char), {})[char] = None
        return tuple(tuple(each) for hits, each in found.items() if hits)

    def accepts(self, state: int) -> bool:
        return state & self._positions.last != 0

    def begins(self, text: str) -> int:
        """The state after this text; 0 where no member begins so."""
        state, steps = 1, self._steps
        for char in text:
            known = steps.get((state, char))
            state = self._step(state, char) if known is None else known
            if not state:
                break
        return state

    def matches(self, text: str) -> bool:
        return self.accepts(self.begins(text))

    def _step(self, state: int, char: str) -> int:
        if len(self._steps) >= _MOST_STEPS:
            self._steps.clear()
        after = self._steps[state, char] = self.expects(state) & self.hits(char)
        return after


def _short_ones(wanted: Sequence[Pattern]) -> Iterator[str]:
    """Likely members: what a pattern says, with nothing or next to nothing for its wildcards."""
    for each in wanted:
        for filling in ("", "x"):
            yield "".join((filling if token.many else "x") if isinstance(token, Wild) else token[0] for token in each.tokens)


def find_text(grammar: Grammar, wanted: Sequence[Pattern], unwanted: Sequence[Pattern], budget: Budget) -> str | None:
    """A short text of the grammar that matches every wanted pattern and no unwanted one, or None where there is none.

    Raises OutOfBudget.
    """
    for each in wanted:
        if each.exact is not None:
            text = each.exact
            fits = all(other.matches(text) for other in wanted) and not any(other.matches(text) for other in unwanted)
            return text if fits and grammar.matches(text) else None
    for each in wanted:
        if any(other.includes(each) for other in unwanted) or any(other.excludes(each) for other in wanted):
            return None
    if any(not grammar.begins(each.prefix) for each in wanted):
        return None
    for text in _short_ones(wanted):
        if grammar.matches(text) and all(each.matches(text) for each in wanted) and not any(each.matches(text) for each in unwanted):
            return text
    unwanted = [other for other in unwanted if grammar.begins(other.prefix) and not any(other.excludes(each) for each in wanted)]
    alphabet = _alphabet(grammar, (*wanted, *unwanted))
    count = len(wanted)
    automata = (*wanted, *unwanted)
    start = (1, *(each.start for each in automata))
    choices: dict[int, list[tuple[str, int]]] = {}
    parents: dict[tuple[int, ...], tuple[tuple[int, ...], str] | None] = {start: None}
    queue = deque([start])
    while queue:
        state = queue.popleft()
        if (
            grammar.accepts(state[0])
            and all(automata[index].accepts(state[index + 1]) for index in range(count))
            and not any(automata[index].accepts(state[index + 1]) for index in range(count, len(automata)))
        ):
            return _read_back(parents, state)
        steps = choices.get(state[0])
        if steps is None:
            expected = grammar.expects(state[0])
            steps = [(char, hit) for char in alphabet if (hit := expected & grammar.hits(char))]
            choices[state[0]] = steps
        budget.spend_steps(1 + len(steps) * len(automata))
        for char, hit in steps:
            following = [hit]
            for index, automaton in enumerate(automata):
                here = state[index + 1]
                after = automaton.step(here, char) if here else 0
                if index < count:
                    if not after:
                        break
                elif after and automaton.accepts_all_from(after):
                    break
                following.append(after)
            else:
                found = tuple(following)
                if found not in parents:
                    parents[found] = (state, char)
                    queue.append(found)
    return None


def _read_back(parents: dict[tuple[int, ...], tuple[tuple[int, ...], str] | None], state: tuple[int, ...]) -> str:
    chars: list[str] = []
    step = parents[state]
    while step is not None:
        state, char = step
        chars.append(char)
        step = parents[state]
    return "".join(reversed(chars))


def _alphabet(grammar: Grammar, patterns: Sequence[Pattern]) -> list[str]:
    """Every character that a pattern names, and one of each group that neither patterns nor grammar can tell apart."""
    named: set[str] = set()
    for each in patterns:
        for token in each.tokens:
            named.update(token if isinstance(token, str) else token.barred)
    others = [next((char for char in group if char not in named), None) for group in grammar.groups]
    return [*(each for each in others if each is not None), *sorted(named)]
