"""Is there a request that a trust policy allows and that such callers can make? A witness, a proof that there is none, or a doubt.

The callers (`Callers`) say what every condition key can be for them. In that space a statement is a box: a conjunction of tests, each
on one dimension. A Deny is taken out test by test, since the complement of a test is a test again. A test whose outcome is not known
for a present key (an address range, a policy variable) is kept as such: what depends on it is a doubt, never a witness and never a
proof.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice, product
from typing import Literal

from doorward.iam.documents import VERSION_2012, Condition, Document, Principal, Statement
from doorward.iam.operators import ARN, OTHERS, STRING, read_operator
from doorward.iam.sets import Budget, Grammar, Pattern, Token, Wild, find_text, literal, pattern
from doorward.iam.spans import EVERYTHING, Spans, common, compared, instant, network, number, united, without
from doorward.values import NamedTuple

_ARN_COLONS = 5
# Answers are kept from policy to policy; nobody's policies may fill the memory.
_MOST_REMEMBERED = 20_000
Kind = Literal["string", "bool", "number", "instant", "address"]
# Each step shuts out one more account that the callers exclude; a policy that pins more of them than this is left undecided.
_LONGEST_REFINEMENT = 40


class Test(NamedTuple):
    """What a condition asks of one dimension.

    `absent`: the outcome where the key is absent, None if not known. A present value passes if it matches one of `patterns` or lies in
    `spans` (with `negated`: if it does not). `unknown`: there are values besides, which nobody can tell here. Of several values,
    `every` one must pass, or else one. `construct` is how the policy wrote it.
    """

    absent: bool | None
    negated: bool
    patterns: tuple[Pattern, ...]
    unknown: bool
    construct: str
    spans: Spans = ()
    every: bool = False


class Placed(NamedTuple):
    dimension: str
    test: Test


class Key(NamedTuple):
    """Where a condition key stands in the space.

    Several keys can share a dimension: `lift` turns a pattern on the key into patterns there. `sometimes`: the key may be missing
    although its dimension has a value. `write` puts a number of the dimension as this key has it, `read` takes the key's part of a text.
    """

    dimension: str
    kind: Kind = "string"
    multivalued: bool = False
    sometimes: bool = False
    lift: Callable[[Pattern], tuple[Pattern, ...]] | None = None
    write: Callable[[int], str] | None = None
    read: Callable[[str], str] | None = None


class Domain(NamedTuple):
    """What a dimension can be: texts of a grammar, or whole numbers of `spans`; where both are None, present values are not known here.

    `samples` are members, which are tried first. `doubtful` texts may exist, but not for sure; `never_had` are not even doubtful. `rejects`
    looks at a found text, or the beginning of one, and gives a pattern of texts that these callers cannot have after all. `imitate` makes
    likely texts that fit a pattern. `several`: the key may have more than one value. `constant`: the only value, and the only sample.
    """

    optional: bool
    grammar: Grammar | None
    samples: tuple[str, ...] = ()
    excluded: tuple[Pattern, ...] = ()
    rejects: Callable[[str], Pattern | None] | None = None
    doubtful: Grammar | None = None
    longest: int = 2048
    never: bool = False
    spans: Spans | None = None
    several: bool = False
    imitate: Callable[[Pattern], Iterable[str]] | None = None
    constant: str | None = None
    never_had: tuple[Pattern, ...] = ()


NEVER = Domain(optional=True, grammar=None, never=True)
UNKNOWN = Domain(optional=True, grammar=None)

Scalar = str | int


class Value(NamedTuple):
    """None: the key is absent. A number where the dimension has spans; several values where it can have several."""

    content: Scalar | tuple[str, ...] | None


class Doubt(NamedTuple):
    """It depends on these constructs."""

    constructs: tuple[str, ...]


class Found(NamedTuple):
    """A value for every dimension that counts."""

    values: dict[str, Scalar | tuple[str, ...] | None]


Box = Mapping[str, tuple[Test, ...]]


class Callers:
    """Callers of one kind, making one call.

    `admits` gives the tests under which a principal of a policy means such a caller, None where it never does; `base` restricts the
    callers further; `required` dimensions are always given a value.
    """

    __slots__ = ("_solved", "action", "admits", "base", "domain_of", "key_of", "required")

    def __init__(
        self,
        action: str,
        key_of: Callable[[str], Key],
        domain_of: Callable[[str], Domain],
        admits: Callable[[Principal], tuple[Placed, ...] | None],
        *,
        required: tuple[str, ...] = (),
        base: tuple[Placed, ...] = (),
    ) -> None:
        self.action = action
        self.key_of = key_of
        self.domain_of = domain_of
        self.admits = admits
        self.required = required
        self.base = base
        self._solved: dict[tuple[str, tuple[Test, ...]], Value | Doubt | None] = {}

    def making(self, action: str) -> "Callers":
        """The same callers, making another call."""
        if action == self.action:
            return self
        others = Callers(action, self.key_of, self.domain_of, self.admits, required=self.required, base=self.base)
        others._solved = self._solved
        return others

    def solve(self, dimension: str, tests: tuple[Test, ...], budget: Budget) -> Value | Doubt | None:
        key = (dimension, tests)
        try:
            return self._solved[key]
        except KeyError:
            solved = _solve(self.domain_of(dimension), tests, budget)
        if len(self._solved) >= _MOST_REMEMBERED:
            self._solved.clear()
        self._solved[key] = solved
        return solved


Region = tuple[Placed, ...]
"""Requests that pass all of these tests: a box. Of no tests: every request."""


def find_request(  # noqa: PLR0917 - what is asked, of whom, and within which bounds
    document: Document,
    statement: Statement,
    principal: Principal,
    callers: Callers,
    budget: Budget,
    also: Region = (),
    outside: tuple[Region, ...] = (),
) -> Found | Doubt | None:
    """A request of these callers that this statement allows by this principal and that no Deny of the document forbids.

    It lies in the region `also` and in none of the regions `outside`. Raises OutOfBudget.
    """
    if not matches_action(statement, callers.action):
        return None
    admitted = callers.admits(principal)
    if admitted is None:
        return None
    if has_variables(document):
        return _with_variables(document, statement, principal, callers, budget, also, outside)
    allowed = (*callers.base, *also, *admitted, *conditions_of(document, statement, callers))
    return find_in(callers, allowed, (*denied_by(document, callers), *outside), budget)


def find_in(callers: Callers, region: Region, outside: tuple[Region, ...], budget: Budget) -> Found | Doubt | None:
    """A request of these callers in the region and in none of the others. Raises OutOfBudget."""
    box: dict[str, tuple[Test, ...]] = {}
    for dimension, test in region:
        box[dimension] = (*box.get(dimension, ()), test)
    for dimension, tests in sorted(box.items(), key=_effort) if len(box) > 1 else box.items():
        if callers.solve(dimension, tests, budget) is None:
            return None
    return _outside(callers, box, outside, budget)


def _effort(asked: tuple[str, tuple[Test, ...]]) -> int:
    """How hard a dimension is, about: in how many ways its patterns with wildcards can be combined."""
    ways = 1
    for test in asked[1]:
        ways *= 1 + len([each for each in test.patterns if each.exact is None])
    return ways


def denied_by(document: Document, callers: Callers) -> tuple[Region, ...]:
    """What the Deny statements forbid to these callers."""
    denies: list[Region] = []
    for each in document.statements:
        if each.effect == "Deny" and matches_action(each, callers.action):
            conditions = conditions_of(document, each, callers, taken_out=True)
            for denied in each.principals or ():
                admitted = callers.admits(denied)
                if admitted is not None:
                    denies.append((*admitted, *conditions))
    return tuple(denies)


def matches_action(statement: Statement, action: str) -> bool:
    """Action names compare without case; `*` and `?` are wildcards."""
    if statement.actions is not None:
        return action in statement.actions or _is_one_of(statement.actions, action.lower())
    return not _is_one_of(statement.not_actions or (), action.lower())


def _is_one_of(actions: tuple[str, ...], wanted: str) -> bool:
    for each in actions:
        lower = each.lower()
        if lower == wanted or (("*" in lower or "?" in lower) and pattern(glob(lower)).matches(wanted)):
            return True
    return False


def _outside(callers: Callers, box: Box, denies: tuple[Region, ...], budget: Budget) -> Found | Doubt | None:
    """A request in the box that no Deny forbids. Only Denies that meet the request at hand are taken out."""
    budget.spend_box()
    found = _pick(callers, box, budget)
    if found is None or not denies:
        return found
    met = 0  # a doubt meets the first
    if isinstance(found, Found):
        values = _complete(callers, found.values, box, denies, budget)
        met = next((index for index, each in enumerate(denies) if not _is_missed(each, values)), len(denies))
        if met == len(denies):
            return Found(values)
    deny, others = denies[met], (*denies[:met], *denies[met + 1 :])
    for dimension, test in deny:
        if callers.solve(dimension, (*box.get(dimension, ()), test), budget) is None:
            return _outside(callers, box, others, budget)  # this Deny never meets the box
    doubts: list[str] = []
    for dimension, test in sorted(deny, key=lambda each: len(box.get(each.dimension, ()))):  # the easiest first
        tests = (*box.get(dimension, ()), complement(test))
        if callers.solve(dimension, tests, budget) is None:
            continue
        found = _outside(callers, {**box, dimension: tests}, others, budget)
        if isinstance(found, Found):
            return found
        if found is not None:
            doubts += found.constructs
    return Doubt(_unique(doubts)) if doubts else None


def _complete(
    callers: Callers, values: dict[str, Scalar | tuple[str, ...] | None], box: Box, denies: tuple[Region, ...], budget: Budget
) -> dict[str, Scalar | tuple[str, ...] | None]:
    """With a value for each dimension that a Deny asks about, where there is one."""
    complete = dict(values)
    for deny in denies:
        for dimension, _ in deny:
            if dimension not in complete:
                value = callers.solve(dimension, box.get(dimension, ()), budget)
                domain = callers.domain_of(dimension)
                if isinstance(value, Value) and (value.content is not None or domain.optional):
                    complete[dimension] = value.content
    return complete


def _is_missed(deny: Region, values: Mapping[str, Scalar | tuple[str, ...] | None]) -> bool:
    """Whether this Deny does not apply to the request, for sure."""
    return any(dimension in values and _passes(test, values[dimension]) is False for dimension, test in deny)


def _passes(test: Test, content: Scalar | tuple[str, ...] | None) -> bool | None:
    if content is None:
        return test.absent
    if isinstance(content, tuple):
        answers = [_passes(test, each) for each in content]
        decisive = not test.every
        return decisive if decisive in answers else None if None in answers else test.every
    if isinstance(content, int):
        fits = any(each.low <= content <= each.high for each in test.spans)
    else:
        fits = any(each.matches(content) for each in test.patterns)
    return None if test.unknown and not fits else fits is not test.negated


def _pick(callers: Callers, box: Box, budget: Budget) -> Found | Doubt | None:
    values: dict[str, Scalar | tuple[str, ...] | None] = {}
    doubts: list[str] = []
    for dimension in (*callers.required, *(each for each in box if each not in callers.required)):
        value = callers.solve(dimension, box.get(dimension, ()), budget)
        if value is None:
            return None
        if isinstance(value, Doubt):
            doubts += value.constructs
        else:
            values[dimension] = value.content
    return Doubt(_unique(doubts)) if doubts else Found(values)


def _solve(domain: Domain, tests: tuple[Test, ...], budget: Budget) -> Value | Doubt | None:
    absent = _absence(domain, tests)
    if isinstance(absent, Value):
        return absent
    present = None if domain.never else _several(domain, tests, budget) if domain.several else _presence(domain, tests, budget)
    if isinstance(present, Value):
        return present
    doubts = [*(present.constructs if present else ()), *(absent.constructs if absent else ())]
    return Doubt(_unique(doubts)) if doubts else None


def _absence(domain: Domain, tests: tuple[Test, ...]) -> Value | Doubt | None:
    if not domain.optional or any(each.absent is False for each in tests):
        return None
    unsure = [each.construct for each in tests if each.absent is None]
    return Doubt(tuple(unsure)) if unsure else Value(None)


def _several(domain: Domain, tests: tuple[Test, ...], budget: Budget) -> Value | Doubt | None:
    """One value for each test that asks for one, each of which passes what every value must pass. Nobody sends a key without values."""
    on_every = tuple(each for each in tests if each.every)
    asked = [each for each in tests if not each.every]
    contents: list[str] = []
    doubts: list[str] = []
    alternatives: list[Test | None] = [*asked] or [None]
    for wanted in alternatives:
        value = _presence(domain, on_every if wanted is None else (*on_every, wanted), budget)
        if value is None:
            return None
        if isinstance(value, Doubt):
            doubts += value.constructs
        elif isinstance(value.content, str):
            contents.append(value.content)
    return Doubt(_unique(doubts)) if doubts else Value(_unique(contents))


def _presence(domain: Domain, tests: tuple[Test, ...], budget: Budget) -> Value | Doubt | None:
    known = [each for each in tests if not each.unknown]
    if any(not each.negated and not each.patterns and not each.spans for each in known):
        return None
    if domain.grammar is None and domain.spans is None:
        return Doubt(tuple(each.construct for each in tests)) if tests else Value(None)
    # For sure: a negated test with unknown values excludes nobody knows what.
    if not any(each.unknown and each.negated for each in tests):
        certain = _member(domain, tests, budget)
        if certain is not None:
            if isinstance(certain, int) or len(certain) <= domain.longest:
                return Value(certain)
            return Doubt(tuple(each.construct for each in tests))
    loose = [each for each in tests if each.negated or not each.unknown]
    if len(known) < len(tests) and _member(domain, loose, budget) is not None:
        return Doubt(tuple(each.construct for each in tests if each.unknown))
    if domain.doubtful is not None and _find(domain._replace(excluded=()), domain.doubtful, loose, budget) is not None:
        return Doubt(tuple(each.construct for each in tests))
    return None


def _member(domain: Domain, tests: Iterable[Test], budget: Budget) -> Scalar | None:
    if domain.spans is not None:
        return _find_number(domain.spans, tests)
    return None if domain.grammar is None else _find(domain, domain.grammar, tests, budget)


def _find_number(spans: Spans, tests: Iterable[Test]) -> int | None:
    """The member that reads best: the lowest bound that there is."""
    for each in tests:
        spans = without(spans, each.spans) if each.negated else common(spans, each.spans)
    if not spans:
        return None
    first = spans[0]
    return first.low if first.low > EVERYTHING[0].low else first.high if first.high < EVERYTHING[0].high else 0


def _find(domain: Domain, grammar: Grammar, tests: Iterable[Test], budget: Budget) -> str | None:
    unwanted = [*domain.excluded, *domain.never_had]
    choices: list[Sequence[Pattern]] = []
    for test in tests:
        if test.negated:
            unwanted += test.patterns
        else:
            choices.append(test.patterns)
    if unwanted:
        choices = [[each for each in patterns if not _is_included(each, unwanted)] for patterns in choices]
    guesses: Iterable[str] | None = None if domain.constant is None else (domain.constant,)
    wild: list[list[Pattern]] = []
    for patterns in choices:
        wild.append([each for each in patterns if each.exact is None])
        if guesses is None and not wild[-1]:
            texts = [each.exact for each in patterns if each.exact is not None]  # there are no others
            guesses = [*(each for each in domain.samples if each in texts), *texts]
    narrowest_first = sorted(choices, key=len)
    members = domain.samples if grammar is domain.grammar else ()
    for text in _guesses(domain, choices) if guesses is None else guesses:
        if (
            _fits(text, narrowest_first, unwanted)
            and (text in members or grammar.matches(text))
            and (domain.rejects is None or domain.rejects(text) is None)
        ):
            return text
    if guesses is not None:
        return None
    for wanted in product(*wild):
        budget.spend_steps(1)
        found = _refined(domain, grammar, wanted, unwanted, budget)
        if found is not None:
            return found
    return None


def _is_included(one: Pattern, others: list[Pattern]) -> bool:
    """Whether it is plain to see that nothing is left of it without the others."""
    for each in others:  # noqa: SIM110 - a generator costs more than the look
        if each.includes(one):
            return True
    return False


def _fits(text: str, choices: list[Sequence[Pattern]], unwanted: list[Pattern]) -> bool:
    """Whether it matches one of each choice, and none that is unwanted."""
    for patterns in choices:
        for each in patterns:
            if each.matches(text):
                break
        else:
            return False
    for each in unwanted:  # noqa: SIM110 - as above
        if each.matches(text):
            return False
    return True


def _guesses(domain: Domain, choices: list[Sequence[Pattern]]) -> Iterable[str]:
    """Likely members, and all that are spelled out."""
    yield from domain.samples
    for patterns in choices:
        for each in patterns:
            if each.exact is not None:
                yield each.exact
            elif domain.imitate is not None:
                yield from domain.imitate(each)


def _refined(domain: Domain, grammar: Grammar, wanted: tuple[Pattern, ...], unwanted: list[Pattern], budget: Budget) -> str | None:
    if domain.rejects is not None:
        told = (domain.rejects(each.prefix) for each in wanted)
        unwanted = [*unwanted, *(each for each in told if each is not None)]
    for _ in range(_LONGEST_REFINEMENT):
        found = find_text(grammar, wanted, unwanted, budget)
        rejected = None if found is None or domain.rejects is None else domain.rejects(found)
        if rejected is None:
            return found
        unwanted = [*unwanted, rejected]
    budget.spend_steps(budget.steps + 1)
    return None


def complement(test: Test) -> Test:
    return test._replace(absent=None if test.absent is None else not test.absent, negated=not test.negated, every=not test.every)


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


# Policy variables


_VARIABLE = re.compile(r"\$\{([^{}$*?,']+)(?:,\s*'([^']*)'\s*)?\}")
_PLAIN_VARIABLE = re.compile(r"\$\{[^{}$*?,']+(?:,\s*'[^']*'\s*)?\}")
_ESCAPED = re.compile(r"\$\{[*?$]\}")
_ESCAPES = str.maketrans({"$": "${$}", "*": "${*}", "?": "${?}"})
_MOST_ASSIGNMENTS = 32


def has_variables(document: Document) -> bool:
    if document.version != VERSION_2012:
        return False
    for statement in document.statements:
        for _, _, values in statement.conditions:
            for value in values:
                if "${" in value:
                    return True
    return False


def _with_variables(  # noqa: PLR0917 - find_request's own
    document: Document,
    statement: Statement,
    principal: Principal,
    callers: Callers,
    budget: Budget,
    also: Region,
    outside: tuple[Region, ...],
) -> Found | Doubt | None:
    """Keys that have one value only are put in; the others are tried with likely values.

    What is found so is a proof. That nothing is found is none, so then the condition is left open.
    """
    index = document.statements.index(statement)
    document = with_constants(document, callers)
    tried: dict[str, list[str | None]] = {}
    for name in variables_of(document):
        key = callers.key_of(name)
        if not key.multivalued and callers.domain_of(key.dimension).grammar is not None:
            tried[name] = _likely(document, name, callers)

    def find(filled: Document, chosen: Iterable[Placed]) -> Found | Doubt | None:
        admitted = callers.admits(principal) or ()
        conditions = conditions_of(filled, filled.statements[index], callers)
        region = (*callers.base, *also, *admitted, *chosen, *conditions)
        return find_in(callers, region, (*denied_by(filled, callers), *outside), budget)

    if tried:
        for values in islice(product(*tried.values()), _MOST_ASSIGNMENTS):
            chosen = dict(zip(tried, values, strict=True))
            found = find(_filled(document, chosen), _chosen(chosen, callers))
            if isinstance(found, Found):
                return found
    opened = _opened(document, index)
    return None if opened is not None and find(opened, ()) is None else find(document, ())


def with_constants(document: Document, callers: Callers) -> Document:
    """The document with variables filled in whose key has one value only, or never any, for these callers."""
    if not has_variables(document):
        return document
    document = _turned(_with_own_values(document), callers)
    constants: dict[str, str | None] = {}
    for name in variables_of(document):
        key = callers.key_of(name)
        domain = callers.domain_of(key.dimension)
        if domain.constant is not None and key.lift is None:
            constants[name] = domain.constant
        elif domain.never:
            constants[name] = None
    return _filled(document, constants)


def _opened(document: Document, index: int) -> Document | None:
    """With whatever text in the place of the variables of one Allow statement: it allows more, so that emptiness is a proof.

    None where no variable stands where that can be written.
    """
    statement = document.statements[index]
    conditions = tuple(map(_open_condition, statement.conditions))
    if conditions == statement.conditions:
        return None
    return document._replace(
        statements=(*document.statements[:index], statement._replace(conditions=conditions), *document.statements[index + 1 :])
    )


def _open_condition(condition: Condition) -> Condition:
    operator = read_operator(condition.operator)
    if operator is None or not any("${" in each for each in condition.values):
        return condition
    values = [_VARIABLE.sub("*", each) for each in condition.values]
    if operator.name in {"arnequals", "arnlike"} and all("*" not in head for each in values for head in each.split(":")[:_ARN_COLONS]):
        return condition._replace(values=tuple(values))
    if operator.name == "stringlike":
        return condition._replace(values=tuple(values))
    if operator.name == "stringequals" and not any(_ESCAPED.search(each) for each in condition.values):
        like = re.sub("equals", "Like", condition.operator, flags=re.IGNORECASE)
        literals = ["*".join(part.translate(_ESCAPES) for part in _PLAIN_VARIABLE.split(each)) for each in condition.values]
        return condition._replace(operator=like, values=tuple(literals))
    return condition


def variables_of(document: Document) -> tuple[str, ...]:
    """Keys in lower case."""
    return _unique(
        name.strip().lower()
        for statement in document.statements
        for condition in statement.conditions
        if _knows_variables(condition.operator)
        for value in condition.values
        for name, _ in _VARIABLE.findall(value)
    )


def _knows_variables(written: str) -> bool:
    """To the other operators `${…}` is a value that is not of their type."""
    operator = read_operator(written)
    return operator is not None and (operator.name in STRING or operator.name in ARN)


def _likely(document: Document, name: str, callers: Callers) -> list[str | None]:
    """Values that could make a difference: those that are written down for the key, and those of the keys that are compared with it."""
    mentioned: list[str] = []
    compared_with: list[str] = []
    for statement in document.statements:
        for condition in statement.conditions:
            key = condition.key.lower()
            if key == name:
                mentioned += [each for each in condition.values if not any(char in each for char in "*?$")]
            elif any(name == found.strip().lower() for each in condition.values for found, _ in _VARIABLE.findall(each)):
                compared_with.append(key)
    likely = [value for each in (name, *compared_with) for value in _samples(each, callers)]
    optional = callers.domain_of(callers.key_of(name).dimension).optional
    return list(dict.fromkeys((*mentioned, *likely, "any", *([None] if optional else []))))


def _samples(name: str, callers: Callers) -> Iterable[str]:
    key = callers.key_of(name)
    for each in callers.domain_of(key.dimension).samples:
        if key.read is None:
            yield each
        else:
            yield key.read(each)


def _with_own_values(document: Document) -> Document:
    """A key compared with itself: whatever value it has, it has; and without one, the comparison fails as any other does."""

    def condition(each: Condition) -> Condition:
        operator = read_operator(each.operator)
        if (
            operator is None
            or operator.qualifier
            or operator.name not in _EXACT
            or not any(_is_own(value, each.key) for value in each.values)
        ):
            return each
        like = re.sub("(?:equals(?:ignorecase)?|like)", "Like", each.operator, flags=re.IGNORECASE)
        return each._replace(operator=like, values=("*",))

    return document._replace(
        statements=tuple(each._replace(conditions=tuple(map(condition, each.conditions))) for each in document.statements)
    )


def _turned(document: Document, callers: Callers) -> Document:
    """A key of one value compared with a variable, turned round: the role's organization with the caller's, the caller's with the role's.

    Where the caller has none, both fail as any comparison does; with `IfExists` only one of them would.
    """

    def condition(each: Condition) -> Condition:
        operator = read_operator(each.operator)
        value = callers.domain_of(callers.key_of(each.key.lower()).dimension).constant
        found = _VARIABLE.fullmatch(each.values[0]) if len(each.values) == 1 else None
        if value is None or found is None or found[2] is not None or operator is None or operator.qualifier or operator.if_exists:
            return each
        if operator.name not in {"stringequals", "stringnotequals"} or callers.key_of(found[1].strip().lower()).multivalued:
            return each
        return each._replace(key=found[1].strip(), values=(value.translate(_ESCAPES),))

    return document._replace(
        statements=tuple(each._replace(conditions=tuple(map(condition, each.conditions))) for each in document.statements)
    )


_EXACT = frozenset(
    {"stringequals", "stringequalsignorecase", "stringlike", "stringnotequals", "stringnotequalsignorecase", "stringnotlike"}
)


def _is_own(value: str, key: str) -> bool:
    found = _VARIABLE.fullmatch(value)
    return found is not None and found[1].strip().lower() == key.lower()


def _chosen(values: Mapping[str, str | None], callers: Callers) -> Iterable[Placed]:
    for name, value in values.items():
        key = callers.key_of(name)
        patterns = () if value is None else (literal(value),) if key.lift is None else key.lift(literal(value))
        yield Placed(key.dimension, Test(value is None, negated=False, patterns=patterns, unknown=False, construct=f"${{{name}}}"))


def _filled(document: Document, values: Mapping[str, str | None]) -> Document:
    """A variable of an absent key has its default; without one its text fits nothing."""
    if not values:
        return document

    def fill(text: str) -> str | None:
        unresolved = False

        def put(found: re.Match[str]) -> str:
            nonlocal unresolved
            name = found[1].strip().lower()
            if name not in values:
                return found[0]
            value = values[name] if values[name] is not None else found[2]
            unresolved = unresolved or value is None
            return "" if value is None else value.translate(_ESCAPES)

        filled = _VARIABLE.sub(put, text)
        return None if unresolved else filled

    def condition(each: Condition) -> Condition:
        if not _knows_variables(each.operator):
            return each
        filled = [fill(value) if "${" in value else value for value in each.values]
        return each._replace(values=tuple(value for value in filled if value is not None))

    return document._replace(
        statements=tuple(each._replace(conditions=tuple(map(condition, each.conditions))) for each in document.statements)
    )


# Conditions


def conditions_of(document: Document, statement: Statement, callers: Callers, *, taken_out: bool = False) -> Region:
    """`taken_out`: the region is one to be outside of. Then a key that may be missing leaves open whether the caller is."""
    placed: list[Placed] = []
    variables = document.version == VERSION_2012
    for operator, written, values in statement.conditions:
        key = callers.key_of(written.lower())
        test = _test(operator, written, values, key.kind, key.multivalued, variables)
        if key.lift is not None:
            test = test._replace(patterns=tuple(there for each in test.patterns for there in key.lift(each)))
        if key.sometimes and (taken_out or test.absent is not False):
            test = Test(None, negated=False, patterns=(), unknown=True, construct=test.construct)
        placed.append(Placed(key.dimension, test))
        if key.multivalued and not test.negated and (test.patterns or test.spans) and ":" not in operator:
            # A plain operator over several values is not defined. No reading says yes where no value fits.
            placed.append(Placed(key.dimension, Test(test.absent, negated=False, patterns=(), unknown=True, construct=test.construct)))
    return tuple(placed)


@lru_cache(maxsize=8192)
def _test(written: str, key: str, values: tuple[str, ...], kind: Kind, multivalued: bool, variables: bool) -> Test:  # noqa: PLR0917
    construct = f"{written} {key}"
    operator = read_operator(written)
    if operator is None:
        return Test(None, negated=False, patterns=(), unknown=True, construct=construct)
    qualifier, name, if_exists = operator
    if name == "null":
        if if_exists:
            return Test(None, negated=False, patterns=(), unknown=True, construct=construct)
        if qualifier:  # a constant, whatever the value
            always = qualifier == "forallvalues"
            return Test(always, negated=always, patterns=(), unknown=False, construct=construct, every=always)
        wanted = {each.lower() for each in values}
        if not wanted <= {"true", "false"}:
            return Test(None, negated=False, patterns=(), unknown=True, construct=construct)
        return Test("true" in wanted, negated="false" in wanted, patterns=(), unknown=False, construct=construct, every="false" in wanted)
    negated = STRING[name].negated if name in STRING else ARN.get(name, OTHERS.get(name, False))
    absent = if_exists or qualifier == "forallvalues" or (negated and qualifier != "foranyvalue")
    every = qualifier == "forallvalues"
    if multivalued and not qualifier and negated:
        return Test(absent, negated, (), unknown=True, construct=construct)
    if name in OTHERS:
        read_spans = [_read_spans(name, kind, value) for value in values]
        spans = united(span for each in read_spans for span in each or ())
        return Test(absent, negated, (), unknown=None in read_spans, construct=construct, spans=spans, every=every)
    if kind not in {"string", "bool"}:
        return Test(absent, negated, (), unknown=bool(values), construct=construct, every=every)
    read = [_read_value(name, value, variables=variables) for value in values]
    patterns = tuple(each for each in read if each is not None)
    return Test(absent, negated, patterns, unknown=len(patterns) < len(read), construct=construct, every=every)


def _read_spans(name: str, kind: Kind, value: str) -> Spans | None:
    """None where it cannot be told what the value stands for, or how a key of this kind compares with it."""
    if name in {"ipaddress", "notipaddress"}:
        block = network(value) if kind == "address" else None
        return None if block is None else (block,)
    family = next((each for each in ("numeric", "date") if name.startswith(each)), None)
    if family is None or kind not in {"instant", "number"} or (kind, family) == ("number", "date"):
        return None
    # The time as a number (`aws:EpochTime`) stands beside the time as a date: both count seconds.
    bound = number(value) if family == "numeric" else instant(value)
    if bound is None:
        return None
    relation = name.removeprefix(family)
    return compared("equals" if relation == "notequals" else relation, *bound)


def _read_value(name: str, value: str, *, variables: bool) -> Pattern | None:
    """None where it cannot be told what the value stands for."""
    if name in STRING:
        tokens = _tokens(value, like=STRING[name].like, ignore_case=STRING[name].ignore_case, variables=variables)
        return None if tokens is None else pattern(tuple(tokens))
    if name == "bool":
        return pattern(ignoring_case(value)) if value.lower() in {"true", "false"} else None
    return _read_arn(value, variables=variables)


def _read_arn(text: str, *, variables: bool) -> Pattern | None:
    """Wildcards of the first five parts stay within their part. What fewer parts match is not documented: None."""
    tokens = _tokens(text, like=True, ignore_case=False, variables=variables)
    if tokens is None or tokens.count(":") < _ARN_COLONS:
        return None
    colons = 0
    for index, token in enumerate(tokens):
        if token == ":":  # noqa: S105 - no password
            colons += 1
        if isinstance(token, Wild) and colons < _ARN_COLONS:
            tokens[index] = Wild(token.many, ":")
    return pattern(tuple(tokens))


def _tokens(text: str, *, like: bool, ignore_case: bool, variables: bool) -> list[Token] | None:
    """None where the text has a policy variable, whose value nobody knows here."""
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        char = text[position]
        if variables and text.startswith("${", position):
            escaped = text[position + 2 : position + 4]
            if escaped not in {"*}", "?}", "$}"}:
                return None
            tokens.append(escaped[0])
            position += len("${*}")
            continue
        if like and char in "*?":
            tokens.append(Wild(char == "*"))
        elif ignore_case and not char.isascii():
            return None  # which of these letters are one in two cases, readers differ about
        else:
            tokens += ignoring_case(char) if ignore_case else char
        position += 1
    return tokens


@lru_cache(maxsize=4096)
def ignoring_case(text: str) -> tuple[str, ...]:
    """A token for each character, in both cases; of a `k` the Kelvin sign is the third, since the small letter of that is it, too."""
    return tuple(
        each + (each.swapcase() if each.isascii() and each.isalpha() else "") + ("\u212a" if each in "kK" else "") for each in text
    )


def glob(text: str, *, barred: str = "") -> tuple[Token, ...]:
    """The tokens of text with wildcards."""
    return tuple(Wild(each == "*", barred) if each in "*?" else each for each in text)


def lifted(part: Pattern, before: tuple[Token, ...], after: tuple[Token, ...], barred: str) -> tuple[Pattern, ...]:
    """The pattern as a part of a longer text, kept out of the neighbouring parts; none where it needs what parts them."""
    inner: list[Token] = []
    for each in part.tokens:
        if isinstance(each, Wild):
            inner.append(Wild(each.many, each.barred + barred))
        else:
            kept = "".join(char for char in each if char not in barred)
            if not kept:
                return ()
            inner.append(kept)
    return (pattern((*before, *inner, *after)),)
