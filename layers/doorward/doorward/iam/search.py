"""Is there a request that a trust policy allows and that such callers can make? A witness, a proof that there is none, or a doubt.

The callers (`Callers`) say what every condition key can be for them. In that space a statement is a box: a conjunction of tests, each
on one dimension. A Deny is taken out test by test, since the complement of a test is a test again. A test whose outcome is not known
for a present key (an address range, a policy variable) is kept as such: what depends on it is a doubt, never a witness and never a
proof.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import NamedTuple

from doorward.iam.documents import VERSION_2012, Condition, Document, Principal, Statement
from doorward.iam.sets import Budget, Grammar, Pattern, Token, Wild, find_text

_ARN_COLONS = 5
# Each step shuts out one more account that the callers exclude; a policy that pins more of them than this is left undecided.
_LONGEST_REFINEMENT = 40


class Test(NamedTuple):
    """What a condition asks of one dimension.

    `absent`: the outcome where the key is absent, None if not known. A present value passes if it matches one of `patterns` (with
    `negated`: none of them). `unknown`: there are values besides, which nobody can tell here. `construct` is how the policy wrote it.
    """

    absent: bool | None
    negated: bool
    patterns: tuple[Pattern, ...]
    unknown: bool
    construct: str


class Placed(NamedTuple):
    dimension: str
    test: Test


class Key(NamedTuple):
    """Where a condition key stands in the space.

    Several keys can share a dimension: `lift` turns a pattern on the key into patterns there. `sometimes`: the key may be missing
    although its dimension has a value.
    """

    dimension: str
    kind: str = "string"
    multivalued: bool = False
    sometimes: bool = False
    lift: Callable[[Pattern], tuple[Pattern, ...]] | None = None


class Domain(NamedTuple):
    """What a dimension can be. `grammar` None: present values are not known here. `doubtful` may exist, but not for sure.

    `rejects` looks at a found text, and gives a pattern of texts that these callers cannot have after all.
    """

    optional: bool
    grammar: Grammar | None
    samples: tuple[str, ...] = ()
    excluded: tuple[Pattern, ...] = ()
    rejects: Callable[[str], Pattern | None] | None = None
    doubtful: Grammar | None = None
    longest: int = 2048
    prefers_absent: bool = True
    never: bool = False


NEVER = Domain(optional=True, grammar=None, never=True)
UNKNOWN = Domain(optional=True, grammar=None)
UNKNOWN_PRESENT = Domain(optional=False, grammar=None)


class Value(NamedTuple):
    """None: the key is absent."""

    text: str | None


class Doubt(NamedTuple):
    """It depends on these constructs."""

    constructs: tuple[str, ...]


class Found(NamedTuple):
    """A value for every dimension that counts."""

    values: dict[str, str | None]


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

    def solve(self, dimension: str, tests: tuple[Test, ...], budget: Budget) -> Value | Doubt | None:
        key = (dimension, tests)
        if key not in self._solved:
            self._solved[key] = _solve(self.domain_of(dimension), tests, budget)
        return self._solved[key]


def find_request(document: Document, statement: Statement, principal: Principal, callers: Callers, budget: Budget) -> Found | Doubt | None:
    """A request of these callers that this statement allows by this principal, and that no Deny of the document forbids.

    Raises OutOfBudget.
    """
    admitted = callers.admits(principal)
    if admitted is None or not matches_action(statement, callers.action):
        return None
    box: dict[str, tuple[Test, ...]] = {}
    for dimension, test in (*callers.base, *admitted, *_conditions(document, statement, callers)):
        box[dimension] = (*box.get(dimension, ()), test)
    if any(callers.solve(dimension, tests, budget) is None for dimension, tests in box.items()):
        return None
    denies = []
    for each in document.statements:
        if each.effect == "Deny" and matches_action(each, callers.action):
            conditions = _conditions(document, each, callers)
            for denied in each.principals or ():
                its_tests = callers.admits(denied)
                if its_tests is not None:
                    denies.append((*its_tests, *conditions))
    return _outside(callers, box, tuple(denies), budget)


def matches_action(statement: Statement, action: str) -> bool:
    """Action names compare without case; `*` and `?` are wildcards."""
    wanted = action.lower()
    if statement.actions is not None:
        return any(Pattern(glob(each.lower())).matches(wanted) for each in statement.actions)
    return not any(Pattern(glob(each.lower())).matches(wanted) for each in statement.not_actions or ())


def _outside(callers: Callers, box: Box, denies: tuple[tuple[Placed, ...], ...], budget: Budget) -> Found | Doubt | None:
    """A request in the box that no Deny forbids. Only Denies that meet the request at hand are taken out."""
    budget.spend_box()
    found = _pick(callers, box, budget)
    if found is None:
        return None
    if isinstance(found, Found):
        values = _complete(callers, found.values, box, denies, budget)
        met = next((index for index, each in enumerate(denies) if not _is_missed(each, values)), None)
        if met is None:
            return Found(values)
    elif denies:
        met = 0
    else:
        return found
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
    callers: Callers, values: dict[str, str | None], box: Box, denies: tuple[tuple[Placed, ...], ...], budget: Budget
) -> dict[str, str | None]:
    """With a value for each dimension that a Deny asks about, where there is one."""
    complete = dict(values)
    for deny in denies:
        for dimension, _ in deny:
            if dimension not in complete:
                value = callers.solve(dimension, box.get(dimension, ()), budget)
                domain = callers.domain_of(dimension)
                if isinstance(value, Value) and (value.text is not None or domain.optional):
                    complete[dimension] = value.text
    return complete


def _is_missed(deny: tuple[Placed, ...], values: Mapping[str, str | None]) -> bool:
    """Whether this Deny does not apply to the request, for sure."""
    for dimension, test in deny:
        if dimension not in values:
            continue
        text = values[dimension]
        if text is None:
            passed = test.absent
        else:
            fits = any(each.matches(text) for each in test.patterns)
            passed = None if test.unknown and not fits else fits is not test.negated
        if passed is False:
            return True
    return False


def _pick(callers: Callers, box: Box, budget: Budget) -> Found | Doubt | None:
    values: dict[str, str | None] = {}
    doubts: list[str] = []
    for dimension in (*callers.required, *(each for each in box if each not in callers.required)):
        value = callers.solve(dimension, box.get(dimension, ()), budget)
        if value is None:
            return None
        if isinstance(value, Doubt):
            doubts += value.constructs
        else:
            values[dimension] = value.text
    return Doubt(_unique(doubts)) if doubts else Found(values)


def _solve(domain: Domain, tests: tuple[Test, ...], budget: Budget) -> Value | Doubt | None:
    absent = _absence(domain, tests)
    if isinstance(absent, Value) and domain.prefers_absent:
        return absent
    present = None if domain.never else _presence(domain, tests, budget)
    if isinstance(present, Value):
        return present
    if isinstance(absent, Value):
        return absent
    doubts = [*(present.constructs if present else ()), *(absent.constructs if absent else ())]
    return Doubt(_unique(doubts)) if doubts else None


def _absence(domain: Domain, tests: tuple[Test, ...]) -> Value | Doubt | None:
    if not domain.optional or any(each.absent is False for each in tests):
        return None
    unsure = [each.construct for each in tests if each.absent is None]
    return Doubt(tuple(unsure)) if unsure else Value(None)


def _presence(domain: Domain, tests: tuple[Test, ...], budget: Budget) -> Value | Doubt | None:
    known = [each for each in tests if not each.unknown]
    if any(not each.negated and not each.patterns for each in known):
        return None
    if domain.grammar is None:
        return Doubt(tuple(each.construct for each in tests)) if tests else Value(None)
    # For sure: a negated test with unknown values excludes nobody knows what.
    if not any(each.unknown and each.negated for each in tests):
        certain = _find(domain, domain.grammar, tests, budget)
        if certain is not None:
            if len(certain) <= domain.longest:
                return Value(certain)
            return Doubt(tuple(each.construct for each in tests))
    loose = [each for each in tests if each.negated or not each.unknown]
    if len(known) < len(tests) and _find(domain, domain.grammar, loose, budget) is not None:
        return Doubt(tuple(each.construct for each in tests if each.unknown))
    if domain.doubtful is not None and _find(domain._replace(excluded=()), domain.doubtful, loose, budget) is not None:
        return Doubt(tuple(each.construct for each in tests))
    return None


def _find(domain: Domain, grammar: Grammar, tests: Iterable[Test], budget: Budget) -> str | None:
    unwanted = [*domain.excluded, *(pattern for each in tests if each.negated for pattern in each.patterns)]
    choices = [each.patterns for each in tests if not each.negated]
    for text in domain.samples:
        if (
            all(any(pattern.matches(text) for pattern in patterns) for patterns in choices)
            and not any(pattern.matches(text) for pattern in unwanted)
            and grammar.matches(text)
            and (domain.rejects is None or domain.rejects(text) is None)
        ):
            return text
    exact = [pattern for patterns in choices for pattern in patterns if pattern.exact is not None]
    for pattern in exact:
        text = pattern.exact or ""
        if (
            all(any(other.matches(text) for other in patterns) for patterns in choices)
            and not any(other.matches(text) for other in unwanted)
            and grammar.matches(text)
            and (domain.rejects is None or domain.rejects(text) is None)
        ):
            return text
    wild = [[pattern for pattern in patterns if pattern.exact is None] for patterns in choices]
    for wanted in product(*wild):
        budget.spend_steps(1)
        found = _refined(domain, grammar, wanted, unwanted, budget)
        if found is not None:
            return found
    return None


def _refined(domain: Domain, grammar: Grammar, wanted: tuple[Pattern, ...], unwanted: list[Pattern], budget: Budget) -> str | None:
    for _ in range(_LONGEST_REFINEMENT):
        found = find_text(grammar, wanted, unwanted, budget)
        rejected = None if found is None or domain.rejects is None else domain.rejects(found)
        if rejected is None:
            return found
        unwanted = [*unwanted, rejected]
    budget.spend_steps(budget.steps + 1)
    return None


def complement(test: Test) -> Test:
    return test._replace(absent=None if test.absent is None else not test.absent, negated=not test.negated)


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


# Conditions


class _StringOperator(NamedTuple):
    negated: bool
    like: bool = False
    ignore_case: bool = False


_STRING = {
    "stringequals": _StringOperator(negated=False),
    "stringnotequals": _StringOperator(negated=True),
    "stringequalsignorecase": _StringOperator(negated=False, ignore_case=True),
    "stringnotequalsignorecase": _StringOperator(negated=True, ignore_case=True),
    "stringlike": _StringOperator(negated=False, like=True),
    "stringnotlike": _StringOperator(negated=True, like=True),
}
_ARN = {"arnequals": False, "arnlike": False, "arnnotequals": True, "arnnotlike": True}
_OTHERS = {
    "numericequals": False,
    "numericnotequals": True,
    "numericlessthan": False,
    "numericlessthanequals": False,
    "numericgreaterthan": False,
    "numericgreaterthanequals": False,
    "dateequals": False,
    "datenotequals": True,
    "datelessthan": False,
    "datelessthanequals": False,
    "dategreaterthan": False,
    "dategreaterthanequals": False,
    "binaryequals": False,
    "ipaddress": False,
    "notipaddress": True,
}


class Operator(NamedTuple):
    """`ForAllValues:StringLikeIfExists` taken apart; `name` in lower case, `qualifier` `forallvalues`, `foranyvalue` or empty."""

    qualifier: str
    name: str
    if_exists: bool


def read_operator(text: str) -> Operator | None:
    """None for what is no condition operator of IAM."""
    qualifier, colon, name = text.lower().rpartition(":")
    if colon and qualifier not in {"forallvalues", "foranyvalue"}:
        return None
    if_exists = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    if name in _STRING or name in _ARN or name in _OTHERS or name in {"bool", "null"}:
        return Operator(qualifier, name, if_exists)
    return None


def _conditions(document: Document, statement: Statement, callers: Callers) -> tuple[Placed, ...]:
    placed = []
    for each in statement.conditions:
        key = callers.key_of(each.key.lower())
        test = _test(each, key, variables=document.version == VERSION_2012)
        if key.lift is not None:
            test = test._replace(patterns=tuple(there for pattern in test.patterns for there in key.lift(pattern)))
        if key.sometimes and test.absent is not False:
            test = Test(None, negated=False, patterns=(), unknown=True, construct=test.construct)
        placed.append(Placed(key.dimension, test))
        if key.multivalued and not test.negated and test.patterns and ":" not in each.operator:
            # A plain operator over several values is not defined. No reading says yes where no value fits.
            placed.append(Placed(key.dimension, Test(test.absent, negated=False, patterns=(), unknown=True, construct=test.construct)))
    return tuple(placed)


def _test(condition: Condition, key: Key, *, variables: bool) -> Test:
    construct = f"{condition.operator} {condition.key}"
    operator = read_operator(condition.operator)
    if operator is None:
        return Test(None, negated=False, patterns=(), unknown=True, construct=construct)
    qualifier, name, if_exists = operator
    if name == "null":
        wanted = {each.lower() for each in condition.values}
        if qualifier or if_exists or not wanted <= {"true", "false"}:
            return Test(None, negated=False, patterns=(), unknown=True, construct=construct)
        return Test("true" in wanted, negated="false" in wanted, patterns=(), unknown=False, construct=construct)
    negated = _STRING[name].negated if name in _STRING else _ARN.get(name, _OTHERS.get(name, False))
    absent = if_exists or qualifier == "forallvalues" or (negated and qualifier != "foranyvalue")
    if name in _OTHERS or (name == "bool" and key.kind != "bool") or (key.multivalued and not qualifier and negated):
        return Test(absent, negated, (), unknown=True, construct=construct)
    read = [_read_value(name, value, variables=variables) for value in condition.values]
    patterns = tuple(each for each in read if each is not None)
    return Test(absent, negated, patterns, unknown=len(patterns) < len(read), construct=construct)


def _read_value(name: str, value: str, *, variables: bool) -> Pattern | None:
    """None where it cannot be told what the value stands for."""
    if name in _STRING:
        tokens = _tokens(value, like=_STRING[name].like, ignore_case=_STRING[name].ignore_case, variables=variables)
        return None if tokens is None else Pattern(tokens)
    if name == "bool":
        return Pattern(ignoring_case(value)) if value.lower() in {"true", "false"} else None
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
    return Pattern(tokens)


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
        else:
            tokens += ignoring_case(char) if ignore_case else char
        position += 1
    return tokens


def ignoring_case(text: str) -> tuple[str, ...]:
    """A token for each character, in both cases."""
    return tuple(each + other if len(other := each.swapcase()) == 1 and other != each else each for each in text)


def glob(text: str, *, barred: str = "") -> tuple[Token, ...]:
    """The tokens of text with wildcards."""
    return tuple(Wild(each == "*", barred) if each in "*?" else each for each in text)


def lifted(pattern: Pattern, before: tuple[Token, ...], after: tuple[Token, ...], barred: str) -> Pattern:
    """The pattern as a part of a longer text, its wildcards kept out of the neighbouring parts."""
    return Pattern(
        (*before, *(Wild(each.many, each.barred + barred) if isinstance(each, Wild) else each for each in pattern.tokens), *after)
    )
