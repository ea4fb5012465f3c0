"""Sets of strings: what a policy's patterns admit, and what a key's grammar allows to exist.

A set here is a conjunction of patterns to match, patterns not to match, and one grammar; `find_text` returns a member or proves that
there is none, by a lazy product of small automata over the characters that the patterns can tell apart. Bounds on length are not
part of the grammars: who uses a found text checks its length.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from functools import lru_cache

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
        "head",
        "prefix",
        "suffix",
        "tokens",
    )

    def __init__(self, tokens: Sequence[Token]) -> None:
        kept: list[Token] = []
        for each in tokens:
            if not (kept and isinstance(each, Wild) and each.many and kept[-1] == each):
                kept.append(each)
        self.tokens = tuple(kept)
        end = next((index for index, each in enumerate(kept) if len(each) != 1), len(kept))  # a Wild has two fields
        self.prefix = "".join(kept[:end])  # type: ignore[arg-type]  # single characters, as just seen
        self.exact = self.prefix if end == len(kept) else None
        start = next((index for index in range(len(kept), 0, -1) if len(kept[index - 1]) != 1), 0)
        self.suffix = "".join(kept[start:])  # type: ignore[arg-type]  # single characters, as just seen
        # What every text begins with that is accepted, where that alone decides.
        self.head: tuple[str, ...] | None = None
        if end < len(kept) and kept[-1] == _ANYTHING and (end == len(kept) - 1 or all(isinstance(each, str) for each in kept[:-1])):
            self.head = tuple(kept[:-1])  # type: ignore[arg-type]  # no Wild, as just seen
        self._start = -1
        self._pieces = _split(self.tokens)

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
        head = self.head
        if head is None or len(other.tokens) < len(head):
            return False
        if len(self.prefix) == len(head) and len(other.prefix) >= len(head):
            return other.prefix.startswith(self.prefix)
        return all(isinstance(its, str) and all(char in mine for char in its) for mine, its in zip(head, other.tokens, strict=False))

    def excludes(self, other: "Pattern") -> bool:
        """Whether it is plain to see that nothing matches both: they begin or end differently."""
        mine, its = self.prefix, other.prefix
        if not (mine.startswith(its) or its.startswith(mine)):
            return True
        mine, its = self.suffix, other.suffix
        if not (mine.endswith(its) or its.endswith(mine)):
            return True
        for one, another in zip(self.tokens, other.tokens, strict=False):
            if not (isinstance(one, str) and isinstance(another, str)):
                return False
            if one != another and not any(char in another for char in one):
                return True
        return False

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
        state = self.start
        for char in text:
            state = self.step(state, char)
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


def _split(tokens: tuple[Token, ...]) -> tuple[str, ...] | None:
    """The texts between free stars, where there is nothing else."""
    pieces: list[str] = []
    piece: list[str] = []
    for each in tokens:
        if isinstance(each, str):
            if len(each) != 1:
                return None
            piece.append(each)
        elif each == _ANYTHING:
            pieces.append("".join(piece))
            piece = []
        else:
            return None
    return (*pieces, "".join(piece))


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


class Grammar:
    """A grammar compiled by positions (Glushkov); a state is the set of positions just matched, as bits. Bit 0: nothing read yet."""

    __slots__ = ("_chars", "_expects", "_follow", "_groups", "_hits", "_last")

    def __init__(self, part: Part) -> None:
        self._chars: list[Chars] = [Chars("")]
        self._follow: list[int] = [0]
        nullable, first, last = self._build(part)
        self._follow[0] = first
        self._last = last | (1 if nullable else 0)
        self._hits: dict[str, int] = {}
        self._groups: tuple[tuple[str, ...], ...] | None = None
        self._expects: dict[int, int] = {}

    def expects(self, state: int) -> int:
        """Positions that may come next."""
        known = self._expects.get(state)
        if known is None:
            known, rest = 0, state
            while rest:
                low = rest & -rest
                known |= self._follow[low.bit_length() - 1]
                rest ^= low
            self._expects[state] = known
        return known

    def hits(self, char: str) -> int:
        """Positions that this character can stand at."""
        known = self._hits.get(char)
        if known is None:
            known = 0
            for index, (chars, negated) in enumerate(self._chars):
                if index and (char in chars) != negated:
                    known |= 1 << index
            self._hits[char] = known
        return known

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Printable characters, and one beyond ASCII, that stand at the same positions; the one that reads best comes first."""
        if self._groups is None:
            found: dict[int, dict[str, None]] = {}
            for char in (*_PREFERRED, *PRINTABLE, _BEYOND_ASCII):
                found.setdefault(self.hits(char), {})[char] = None
            self._groups = tuple(tuple(each) for hits, each in found.items() if hits)
        return self._groups

    def accepts(self, state: int) -> bool:
        return state & self._last != 0

    def begins(self, text: str) -> int:
        """The state after this text; 0 where no member begins so."""
        state = 1
        for char in text:
            state = self.expects(state) & self.hits(char)
            if not state:
                break
        return state

    def matches(self, text: str) -> bool:
        return self.accepts(self.begins(text))

    def _build(self, part: Part) -> tuple[bool, int, int]:
        if isinstance(part, str):
            part = tuple(Chars(each) for each in part)
        if isinstance(part, Chars):
            bit = 1 << len(self._chars)
            self._chars.append(part)
            self._follow.append(0)
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
            self._follow[low.bit_length() - 1] |= first
            last ^= low


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
    unwanted = [other for other in unwanted if not any(other.excludes(each) for each in wanted)]
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
