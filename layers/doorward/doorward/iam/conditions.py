"""Does one condition hold for one request? For the evaluator alone; the search shares nothing with it.

Three answers: True, False, and None where AWS's documentation does not decide it. What None does to a statement is the evaluator's
business. None comes from an operator that IAM does not know, from a policy value that is not of the operator's type (IAM refuses both
when a document is written), and from a plain operator over several request values (below).

A condition is read once into a test of a context. What a policy says is worked out then; only values with a variable are worked out for
each request.

Operators: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
Sets: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
Variables: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from sys import intern
from typing import TYPE_CHECKING, Any

from doorward.iam.documents import PlainCondition
from doorward.iam.matching import Matcher, Token, compile_globs, matches, read_glob
from doorward.values import NamedTuple

if TYPE_CHECKING:
    import re
    from decimal import Decimal

type Context = Mapping[str, str | tuple[str, ...]]
"""Keys in lower case. A tuple is a multivalued key; an empty one is present and empty."""


class FoldedContext(dict[str, str | tuple[str, ...]]):
    """A context whose keys are in lower case, as `fold_context` makes it: nothing has to look again."""

    __slots__ = ()


type Answer = Callable[[Context], bool | None]
type Test = tuple[str, Matcher, bool, _Form, Answer | None]
"""The key, whether a value of it fits, whether it must not, and what else the operator's name says; or what the whole context answers."""

_ARN_PARTS = 6
_FOR_ALL = "forallvalues"
_FOR_ANY = "foranyvalue"
_IF_EXISTS = "ifexists"
_NULL = "null"
_VARIABLE = "${"

_LAST_HOUR = 23
_LAST_MINUTE = 59
_IPV4_BITS = 32
_IPV6_BITS = 128
# Without leading zeros: some readers take those for octal.
_OCTETS = {str(octet): octet for octet in range(256)}
# Longer digits are left to Decimal, which bounds them.
_LONGEST_INT = 18
# Spellings of operators that are kept; IAM itself knows about 150, and no stored document has another.
_KEPT_FORMS = 512


# The keys that nearly every request has, as AWS spells them, and as they are compared.
_AS_SPELLED = {
    each: intern(each.lower())
    for each in (
        "aws:CalledVia",
        "aws:CalledViaFirst",
        "aws:CalledViaLast",
        "aws:CurrentTime",
        "aws:EpochTime",
        "aws:FederatedProvider",
        "aws:MultiFactorAuthAge",
        "aws:MultiFactorAuthPresent",
        "aws:PrincipalAccount",
        "aws:PrincipalArn",
        "aws:PrincipalIsAWSService",
        "aws:PrincipalOrgID",
        "aws:PrincipalOrgPaths",
        "aws:PrincipalServiceName",
        "aws:PrincipalServiceNamesList",
        "aws:PrincipalType",
        "aws:RequestedRegion",
        "aws:ResourceAccount",
        "aws:ResourceOrgID",
        "aws:ResourceOrgPaths",
        "aws:SecureTransport",
        "aws:SourceAccount",
        "aws:SourceArn",
        "aws:SourceIp",
        "aws:SourceOrgID",
        "aws:SourceOrgPaths",
        "aws:SourceVpc",
        "aws:SourceVpce",
        "aws:TokenIssueTime",
        "aws:UserAgent",
        "aws:userid",
        "aws:username",
        "aws:ViaAWSService",
        "aws:VpcSourceIp",
        "sts:ExternalId",
        "sts:RoleSessionName",
        "sts:SourceIdentity",
        "sts:TransitiveTagKeys",
    )
}


class _UnreadableError(Exception):
    """A value of the policy is not of its operator's type."""


def read_condition(condition: PlainCondition, has_variables: bool) -> Test:
    """`has_variables`: whether the document is of a version in which `${…}` is a variable."""
    name, key, values = condition
    form = _FORMS.get(name) or _read_operator(name)
    if form is None:
        return _UNDECIDED
    key = _AS_SPELLED.get(key) or intern(key.lower())  # fold() without the call
    family = form[1]
    if family is None:
        return _null_test(form, key, values)
    compile_, expand = family
    if has_variables and expand is not None and _VARIABLE in (values[0] if len(values) == 1 else "".join(values)):
        return _several_test(form, key, values, has_variables=True)
    try:
        return key, compile_(values), form[2], form, None
    except _UnreadableError:
        return _several_test(form, key, values, has_variables=has_variables)


def hold(tests: tuple[Test, ...], context: Context) -> bool | None:
    """Whether all of them hold, in three values. Nothing after the first False is looked at."""
    result: bool | None = True
    for key, fits, is_negated, form, whole in tests:
        answer: bool | None
        if whole is None:
            given = context.get(key)
            if given.__class__ is str:
                answer = fits(given) is not is_negated
            elif given is None:
                answer = form.when_absent
            else:
                answer = _over_set(form, [fits(each) is not is_negated for each in given])
        else:
            answer = whole(context)
        if answer is not True:
            if answer is False:
                return False
            result = None
    return result


def fold(key: str) -> str:
    """Condition keys, and the tag keys in them, differ in nothing by case. Interned: what is equal is found without a look at the text."""
    return _AS_SPELLED.get(key) or intern(key.lower())


def fold_context(given: Context) -> FoldedContext:
    """Where two keys differ by case alone, the last one counts."""
    return FoldedContext({_AS_SPELLED.get(key) or intern(key.lower()): value for key, value in given.items()})  # fold() without the call


def all_of(answers: Iterable[bool | None]) -> bool | None:
    """And, in three values. Nothing after the first False is looked at."""
    result: bool | None = True
    for answer in answers:
        if answer is False:
            return False
        if answer is None:
            result = None
    return result


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Or, in three values. Nothing after the first True is looked at."""
    result: bool | None = False
    for answer in answers:
        if answer is True:
            return True
        if answer is None:
            result = None
    return result


def fill_in(text: str, context: Context, *, is_glob: bool) -> list[Token] | None:
    """A policy value with its variables filled in, as tokens of a glob; None where one has no single value: then it fits nothing.

    What a variable stands for is plain characters: `*` in a tag widens nothing. Raises ValueError for a `${` that begins no variable.
    """
    read = read_glob if is_glob else _plain
    tokens: list[Token] = []
    is_resolved = True
    at = 0
    while (start := text.find(_VARIABLE, at)) >= 0:
        variable = _patterns().variable.match(text, start)
        if variable is None:
            raise ValueError
        tokens += read(text[at:start])
        escaped, key, default = variable.groups()
        filled = escaped or _resolve(key, default, context)
        if filled is None:
            is_resolved = False
        else:
            tokens += filled
        at = variable.end()
    tokens += read(text[at:])
    return tokens if is_resolved else None


def _resolve(key: str, default: str | None, context: Context) -> str | None:
    given = context.get(fold(key.strip()))
    if isinstance(given, str):
        return given
    return None if given else default  # a multivalued key has no place in a variable


def _plain(text: str) -> list[Token]:
    return list(text)


# Operators


# Policy values → whether one of them fits a request value. Raises _UnreadableError.
type _Compile = Callable[[tuple[str, ...]], Matcher]
# (policy value with variables, request value, context) → whether it fits. Raises ValueError.
type _Expand = Callable[[str, str, Context], bool]


class _Family(NamedTuple):
    """`expand` is None where the operator knows no variables."""

    compile: _Compile
    expand: _Expand | None


class _Form(NamedTuple):
    """What an operator's name says. `family` is None for Null."""

    set_operator: str | None
    family: _Family | None
    is_negated: bool
    when_absent: bool
    """The answer where the request has not the key. Null has its own."""


_FORMS: dict[str, _Form] = {}


def _read_operator(name: str) -> _Form | None:
    if not name.isascii():  # a letter beyond that may be one of an operator's in lower case
        return None
    # Case is folded: should IAM take `stringlike`, it means StringLike; should it not, no stored document has it.
    prefix, colon, rest = name.lower().rpartition(":")
    if colon and prefix not in {_FOR_ALL, _FOR_ANY}:
        return None
    if_exists = rest.endswith(_IF_EXISTS)
    base = rest.removesuffix(_IF_EXISTS)
    if base == _NULL:
        form = None if if_exists else _Form(prefix or None, None, is_negated=False, when_absent=False)
    elif base in _OPERATORS:
        family, is_negated = _OPERATORS[base]
        form = _Form(prefix or None, family, is_negated, if_exists or prefix == _FOR_ALL or (is_negated and not prefix))
    else:
        form = None
    if form is not None and len(_FORMS) < _KEPT_FORMS:
        _FORMS[name] = form
    return form


def by_context(answer: Answer) -> Test:
    return "", _nothing_fits, False, _NO_FORM, answer


def _nothing_fits(_: str) -> bool:
    return False


_NO_FORM = _Form(None, None, is_negated=False, when_absent=False)
_UNDECIDED = by_context(lambda _: None)


def _null_test(form: _Form, key: str, values: tuple[str, ...]) -> Test:
    # With a set operator it is a constant: Access Analyzer's "Null with qualifier".
    if form.set_operator is not None:
        constant = form.set_operator == _FOR_ALL
        return by_context(lambda _: constant)
    wanted = [each.lower() for each in values]
    otherwise = None if any(each not in {"true", "false"} for each in wanted) else False
    when_absent = True if "true" in wanted else otherwise
    when_present = True if "false" in wanted else otherwise

    def test(context: Context) -> bool | None:
        given = context.get(key)
        return when_absent if given is None or given == () else when_present

    return by_context(test)


def _several_test(form: _Form, key: str, values: tuple[str, ...], *, has_variables: bool) -> Test:
    """Where a value has a variable or cannot be read: value by value, in three values."""
    family = form.family
    assert family is not None  # noqa: S101 - Null has its own test
    alternatives: list[Callable[[str, Context], bool | None]] = []
    for each in values:
        if has_variables and family.expand is not None and _VARIABLE in each:
            alternatives.append(_expanding(family.expand, each))
            continue
        try:
            alternatives.append(_constant(family.compile((each,))))
        except _UnreadableError:
            alternatives.append(_open)

    def satisfies(value: str, context: Context) -> bool | None:
        """Values are alternatives; under a negated operator none may fit."""
        fits_one = any_of(each(value, context) for each in alternatives)
        return None if fits_one is None else fits_one != form.is_negated

    def test(context: Context) -> bool | None:
        given = context.get(key)
        if given is None:
            return form.when_absent
        if isinstance(given, str):
            return satisfies(given, context)
        return _over_set(form, [satisfies(each, context) for each in given])

    return by_context(test)


def _expanding(expand: _Expand, policy_value: str) -> Callable[[str, Context], bool | None]:
    def fits(value: str, context: Context) -> bool | None:
        try:
            return expand(policy_value, value, context)
        except ValueError:
            return None

    return fits


def _constant(matcher: Matcher) -> Callable[[str, Context], bool | None]:
    return lambda value, _: matcher(value)


def _open(_value: str, _context: Context) -> bool | None:
    return None


def _over_set(form: _Form, answers: list[bool] | list[bool | None]) -> bool | None:
    if form.set_operator == _FOR_ALL:
        return all_of(answers)
    if form.set_operator == _FOR_ANY:
        return any_of(answers)
    if not answers:
        return form.is_negated
    if len(answers) == 1:
        return answers[0]
    # AWS defines no plain operator over several values. Readers differ between "any", "all" and "never": where no value satisfies it,
    # every reading says no; otherwise it is open.
    return False if any_of(answers) is False else None


# Strings


def _equal(values: tuple[str, ...]) -> Matcher:
    return values.__contains__ if len(values) == 1 else frozenset(values).__contains__


def _equal_ignoring_case(values: tuple[str, ...]) -> Matcher:
    folded = frozenset([each.lower() for each in values])
    return lambda value: value.lower() in folded


def _literal(policy_value: str, context: Context) -> str | None:
    tokens = fill_in(policy_value, context, is_glob=False)
    return None if tokens is None else "".join(each or "" for each in tokens)


def _expand_equal(policy_value: str, value: str, context: Context) -> bool:
    return _literal(policy_value, context) == value


def _expand_equal_ignoring_case(policy_value: str, value: str, context: Context) -> bool:
    literal = _literal(policy_value, context)
    return literal is not None and literal.lower() == value.lower()


def _expand_like(policy_value: str, value: str, context: Context) -> bool:
    pattern = fill_in(policy_value, context, is_glob=True)
    return pattern is not None and matches(pattern, value)


# ARNs: part by part, so that a `*` before the resource never reaches over a colon.


def _arn_like(values: tuple[str, ...]) -> Matcher:
    whole: list[str] = []
    by_parts: list[Matcher] = []
    for each in values:
        before = each.partition("*")[0]
        if before.count(":") >= _ARN_PARTS - 1 and "?" not in each:
            whole.append(each)  # no wildcard before the resource: as a whole, it matches the same
            continue
        parts = each.split(":", _ARN_PARTS - 1)
        if len(parts) < _ARN_PARTS:
            raise _UnreadableError
        by_parts.append(_arn_pattern(parts))
    if not by_parts:
        return compile_globs(whole)
    if whole:
        by_parts.append(compile_globs(whole))
    return by_parts[0] if len(by_parts) == 1 else lambda value: any(each(value) for each in by_parts)


def _arn_pattern(parts: list[str]) -> Matcher:
    tests = [
        (number, compile_globs((part,)) if "*" in part or "?" in part else part.__eq__) for number, part in enumerate(parts) if part != "*"
    ]

    def fits(value: str) -> bool:
        given = value.split(":", _ARN_PARTS - 1)
        if len(given) != _ARN_PARTS:
            return False
        for number, test in tests:  # noqa: SIM110 - a generator costs more than the match
            if not test(given[number]):
                return False
        return True

    return fits


def _expand_arn(policy_value: str, value: str, context: Context) -> bool:
    tokens = fill_in(policy_value, context, is_glob=True)
    if tokens is None:
        return False
    pattern: list[list[Token]] = [[]]
    for each in tokens:
        if each == ":" and len(pattern) < _ARN_PARTS:
            pattern.append([])
        else:
            pattern[-1].append(each)
    parts = value.split(":", _ARN_PARTS - 1)
    # The pattern has fewer parts where the variable's value was no ARN: nothing wrong with the policy.
    return len(pattern) == len(parts) == _ARN_PARTS and all(matches(each, part) for each, part in zip(pattern, parts, strict=True))


# Booleans and bytes


def _bool(values: tuple[str, ...]) -> Matcher:
    # AWS's pages disagree on variables here: unreadable, so neither reading is taken.
    if values in _TRUE_OR_FALSE:
        return _TRUE_OR_FALSE[values]
    wanted = frozenset([each.lower() for each in values])
    if not wanted <= {"true", "false"}:
        raise _UnreadableError
    return lambda value: value.lower() in wanted


_TRUE_OR_FALSE: dict[tuple[str, ...], Matcher] = {
    ("true",): lambda value: value.lower() == "true",
    ("false",): lambda value: value.lower() == "false",
}


def _binary(values: tuple[str, ...]) -> Matcher:
    wanted = [_bytes(each) for each in values]
    if None in wanted:
        raise _UnreadableError
    return lambda value: _bytes(value) in wanted


def _bytes(text: str) -> bytes | None:
    from base64 import b64decode  # here: rarely needed, and import time is bounded

    try:
        return b64decode(text, validate=True)
    except ValueError:
        return None


# Numbers and dates


def _ordered(read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> _Family:
    """`read` gives what can be compared, or None; a request value that is not of the type fits nothing."""

    def compile_(values: tuple[str, ...]) -> Matcher:
        wanted = [read(each) for each in values]
        if None in wanted:
            raise _UnreadableError

        def fits(value: str) -> bool:
            given = read(value)
            return given is not None and any(compare(given, each) for each in wanted)

        return fits

    return _Family(compile_, None)


def _number(text: str) -> "int | Decimal | None":
    if len(text) <= _LONGEST_INT and text.isascii() and text.isdigit():
        return int(text)
    if not _patterns().number.fullmatch(text):
        return None
    from decimal import Decimal, InvalidOperation  # here: rarely needed, and import time is bounded

    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _instant(text: str) -> tuple[int, str] | None:
    """Seconds since 1970 and the digits of their fraction, which compare as text once zeros at the end are gone."""
    from datetime import date  # here: rarely needed, and import time is bounded

    found = _patterns().date.fullmatch(text)
    if found is None:
        epoch = _patterns().epoch_seconds.fullmatch(text)
        if epoch is None or (epoch[2] and epoch[1].startswith("-")):
            return None
        return int(epoch[1]), (epoch[2] or "").rstrip("0")
    year, month, day, hour, minute, second = (int(found[each] or (each in {2, 3})) for each in range(1, 7))
    offset_hours, offset_minutes = int(found[9] or 0), int(found[10] or 0)
    if max(hour, offset_hours) > _LAST_HOUR or max(minute, second, offset_minutes) > _LAST_MINUTE:
        return None
    try:
        days = date(year, month, day).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    offset = (offset_hours * 60 + offset_minutes) * (-1 if found[8] == "-" else 1)
    return ((days * 24 + hour) * 60 + minute - offset) * 60 + second, (found[7] or "").rstrip("0")


# Addresses: IPv4 and IPv6 never fit each other, `::ffff:192.0.2.1` included.


def _ip(values: tuple[str, ...]) -> Matcher:
    # (the bits that count, how many do not)
    ipv4: list[tuple[int, int]] = []
    ipv6: list[tuple[int, int]] = []
    for each in values:
        address, _, length = each.partition("/")
        bits, networks, written = _IPV4_BITS, ipv4, _ipv4(address)
        if written is None:
            bits, networks, written = _IPV6_BITS, ipv6, _ipv6(address)
        open_bits = 0 if address == each else _open_bits(length, bits)
        if written is None or open_bits is None:
            raise _UnreadableError
        networks.append((written >> open_bits, open_bits))

    def fits(value: str) -> bool:
        networks, given = ipv4, _ipv4(value)
        if given is None:
            networks, given = ipv6, _ipv6(value)
            if given is None:
                return False
        for prefix, open_bits in networks:  # noqa: SIM110 - a generator costs more than the match
            if given >> open_bits == prefix:
                return True
        return False

    return fits


def _open_bits(length: str, bits: int) -> int | None:
    """How many low bits are open. Host bits that are set count for nothing."""
    if not (length.isascii() and length.isdigit()) or len(length) > len("128") or int(length) > bits:
        return None
    return bits - int(length)


def _ipv4(text: str) -> int | None:
    try:
        first, second, third, fourth = text.split(".")
        return _OCTETS[first] << 24 | _OCTETS[second] << 16 | _OCTETS[third] << 8 | _OCTETS[fourth]
    except (ValueError, KeyError):
        return None


def _ipv6(text: str) -> int | None:
    if ":" not in text or "%" in text:
        return None
    from ipaddress import IPv6Address  # here: rarely needed, and import time is bounded

    try:
        return int(IPv6Address(text))
    except ValueError:
        return None


class _Patterns(NamedTuple):
    variable: "re.Pattern[str]"
    number: "re.Pattern[str]"
    epoch_seconds: "re.Pattern[str]"
    date: "re.Pattern[str]"


@cache
def _patterns() -> _Patterns:
    """Of fixed text, and made when first needed: import time is bounded."""
    import re

    return _Patterns(
        # `${*}`, `${?}`, `${$}`; or a key, with or without a quoted default.
        re.compile(r"\$\{(?:([*?$])|([^{},'$]+)(?:,\s*'([^']*)'\s*)?)\}"),
        re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?", re.ASCII),
        re.compile(r"(-?[0-9]{1,18})(?:\.([0-9]{1,18}))?", re.ASCII),
        # The W3C profile of ISO 8601, https://www.w3.org/TR/NOTE-datetime; a time without a zone reads as UTC.
        re.compile(
            r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,18}))?)?(?:Z|([+-])([0-9]{2}):?([0-9]{2}))?)?)?)?",
            re.ASCII,
        ),
    )


_STRING_EQUALS = _Family(_equal, _expand_equal)
_STRING_EQUALS_IGNORE_CASE = _Family(_equal_ignoring_case, _expand_equal_ignoring_case)
_STRING_LIKE = _Family(compile_globs, _expand_like)
_ARN_LIKE = _Family(_arn_like, _expand_arn)
_IP_ADDRESS = _Family(_ip, None)

# Name in lower case → (how values fit, negated). ArnEquals and ArnLike are the same to IAM.
_OPERATORS: dict[str, tuple[_Family, bool]] = {
    "stringequals": (_STRING_EQUALS, False),
    "stringnotequals": (_STRING_EQUALS, True),
    "stringequalsignorecase": (_STRING_EQUALS_IGNORE_CASE, False),
    "stringnotequalsignorecase": (_STRING_EQUALS_IGNORE_CASE, True),
    "stringlike": (_STRING_LIKE, False),
    "stringnotlike": (_STRING_LIKE, True),
    "numericequals": (_ordered(_number, operator.eq), False),
    "numericnotequals": (_ordered(_number, operator.eq), True),
    "numericlessthan": (_ordered(_number, operator.lt), False),
    "numericlessthanequals": (_ordered(_number, operator.le), False),
    "numericgreaterthan": (_ordered(_number, operator.gt), False),
    "numericgreaterthanequals": (_ordered(_number, operator.ge), False),
    "dateequals": (_ordered(_instant, operator.eq), False),
    "datenotequals": (_ordered(_instant, operator.eq), True),
    "datelessthan": (_ordered(_instant, operator.lt), False),
    "datelessthanequals": (_ordered(_instant, operator.le), False),
    "dategreaterthan": (_ordered(_instant, operator.gt), False),
    "dategreaterthanequals": (_ordered(_instant, operator.ge), False),
    "bool": (_Family(_bool, None), False),
    "binaryequals": (_Family(_binary, None), False),
    "ipaddress": (_IP_ADDRESS, False),
    "notipaddress": (_IP_ADDRESS, True),
    "arnequals": (_ARN_LIKE, False),
    "arnlike": (_ARN_LIKE, False),
    "arnnotequals": (_ARN_LIKE, True),
    "arnnotlike": (_ARN_LIKE, True),
}
