"""Does one condition hold for one request? For the evaluator alone; the search shares nothing with it.

Three answers: True, False, and None where AWS's documentation does not decide it. What None does to a statement is the evaluator's
business. None comes from an operator that IAM does not know, from a policy value that is not of the operator's type (IAM refuses both
when a document is written), and from a plain operator over several request values (below).

Operators: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
Sets: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
Variables: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from doorward.iam.documents import Condition
from doorward.iam.matching import Token, matches, read_glob

if TYPE_CHECKING:
    from decimal import Decimal

type Context = Mapping[str, str | tuple[str, ...]]
"""Keys in lower case. A tuple is a multivalued key; an empty one is present and empty."""

_ARN_PARTS = 6
_FOR_ALL = "forallvalues"
_FOR_ANY = "foranyvalue"
_IF_EXISTS = "ifexists"
_NULL = "null"

# `${*}`, `${?}`, `${$}`; or a key, with or without a quoted default.
_VARIABLE = re.compile(r"\$\{(?:([*?$])|([^{},'$]+)(?:,\s*'([^']*)'\s*)?)\}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?", re.ASCII)
_EPOCH_SECONDS = re.compile(r"(-?[0-9]{1,18})(?:\.([0-9]{1,18}))?", re.ASCII)
# The W3C profile of ISO 8601, https://www.w3.org/TR/NOTE-datetime; a time without a zone reads as UTC.
_DATE = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,18}))?)?(?:Z|([+-])([0-9]{2}):?([0-9]{2}))?)?)?)?",
    re.ASCII,
)
_NETWORK = re.compile(r"([0-9A-Fa-f:.]+)(?:/([0-9]{1,3}))?", re.ASCII)
_LAST_HOUR = 23
_LAST_MINUTE = 59


class _UnreadableError(Exception):
    """A value of the policy is not of its operator's type."""


def holds(condition: Condition, context: Context, *, has_variables: bool) -> bool | None:
    """`has_variables`: whether the document is of a version in which `${…}` is a variable."""
    form = _read_operator(condition.operator)
    if form is None:
        return None
    given = context.get(fold(condition.key))
    if form.is_null:
        return _null(form, condition.values, is_absent=given is None or given == ())
    if given is None:
        if form.if_exists or form.set_operator == _FOR_ALL:
            return True
        return form.is_negated and form.set_operator is None
    answers = [
        _satisfies(form, value, condition.values, context if has_variables else None)
        for value in ((given,) if isinstance(given, str) else given)
    ]
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


def fold(key: str) -> str:
    """Condition keys, and the tag keys in them, differ in nothing by case."""
    return key.lower()


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


class _Form(NamedTuple):
    """What an operator's name says. `fits` compares one policy value with one request value; None for Null."""

    set_operator: str | None
    fits: "_Fits | None"
    is_negated: bool
    if_exists: bool

    @property
    def is_null(self) -> bool:
        return self.fits is None


# (policy value, request value, the context for variables or None where they are plain text)
type _Fits = Callable[[str, str, Context | None], bool]


def _read_operator(name: str) -> _Form | None:
    # Case is folded: should IAM take `stringlike`, it means StringLike; should it not, no stored document has it.
    prefix, colon, rest = name.lower().rpartition(":")
    if colon and prefix not in {_FOR_ALL, _FOR_ANY}:
        return None
    if_exists = rest.endswith(_IF_EXISTS)
    base = rest.removesuffix(_IF_EXISTS)
    if base == _NULL:
        return None if if_exists else _Form(prefix or None, None, is_negated=False, if_exists=False)
    if base not in _OPERATORS:
        return None
    fits, is_negated = _OPERATORS[base]
    return _Form(prefix or None, fits, is_negated, if_exists)


def _null(form: _Form, values: tuple[str, ...], *, is_absent: bool) -> bool | None:
    # With a set operator it is a constant: Access Analyzer's "Null with qualifier".
    if form.set_operator is not None:
        return form.set_operator == _FOR_ALL
    wanted = {"true": is_absent, "false": not is_absent}
    return any_of(wanted.get(each.lower()) for each in values)


def _satisfies(form: _Form, value: str, policy_values: tuple[str, ...], context: Context | None) -> bool | None:
    """Values are alternatives; under a negated operator none may fit."""
    fits_one = any_of(_fits_or_open(form, each, value, context) for each in policy_values)
    if fits_one is None:
        return None
    return fits_one != form.is_negated


def _fits_or_open(form: _Form, policy_value: str, value: str, context: Context | None) -> bool | None:
    if form.fits is None:
        return None
    try:
        return form.fits(policy_value, value, context)
    except _UnreadableError:
        return None


def _substitute(text: str, context: Context | None, read: Callable[[str], list[Token]]) -> list[Token] | None:
    """The policy value with its variables filled in, or None where one has no single value: then it fits nothing.

    `read` reads the text between the variables. What a variable stands for is plain characters: `*` in a tag widens nothing.
    """
    if context is None or "${" not in text:
        return read(text)
    tokens: list[Token] = []
    is_resolved = True
    at = 0
    while (start := text.find("${", at)) >= 0:
        variable = _VARIABLE.match(text, start)
        if variable is None:
            raise _UnreadableError
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


def _literal(text: str, context: Context | None) -> str | None:
    tokens = _substitute(text, context, _plain)
    return None if tokens is None else "".join(each or "" for each in tokens)


def _string_equals(policy_value: str, value: str, context: Context | None) -> bool:
    return _literal(policy_value, context) == value


def _string_equals_ignore_case(policy_value: str, value: str, context: Context | None) -> bool:
    literal = _literal(policy_value, context)
    return literal is not None and literal.lower() == value.lower()


def _string_like(policy_value: str, value: str, context: Context | None) -> bool:
    pattern = _substitute(policy_value, context, read_glob)
    return pattern is not None and matches(pattern, value)


def _arn_like(policy_value: str, value: str, context: Context | None) -> bool:
    """Part by part, so that a `*` before the resource never reaches over a colon."""
    tokens = _substitute(policy_value, context, read_glob)
    if tokens is None:
        return False
    pattern: list[list[Token]] = [[]]
    for each in tokens:
        if each == ":" and len(pattern) < _ARN_PARTS:
            pattern.append([])
        else:
            pattern[-1].append(each)
    if len(pattern) < _ARN_PARTS:
        if context is not None and "${" in policy_value:
            return False  # the variable's value was no ARN: nothing wrong with the policy
        raise _UnreadableError
    parts = value.split(":", _ARN_PARTS - 1)
    return len(parts) == _ARN_PARTS and all(matches(each, part) for each, part in zip(pattern, parts, strict=True))


def _bool_equals(policy_value: str, value: str, _: Context | None) -> bool:
    # AWS's pages disagree on variables here: unreadable, so neither reading is taken.
    if policy_value.lower() not in {"true", "false"}:
        raise _UnreadableError
    return policy_value.lower() == value.lower()


def _binary_equals(policy_value: str, value: str, _: Context | None) -> bool:
    wanted, given = _bytes(policy_value), _bytes(value)
    if wanted is None:
        raise _UnreadableError
    return wanted == given


def _bytes(text: str) -> bytes | None:
    from base64 import b64decode  # here: rarely needed, and import time is bounded

    try:
        return b64decode(text, validate=True)
    except ValueError:
        return None


def _ordered[T](read: Callable[[str], T | None], compare: Callable[[T, T], bool]) -> _Fits:
    """A request value that is not of the type fits nothing."""

    def fits(policy_value: str, value: str, _: Context | None) -> bool:
        wanted, given = read(policy_value), read(value)
        if wanted is None:
            raise _UnreadableError
        return given is not None and compare(given, wanted)

    return fits


def _number(text: str) -> "Decimal | None":
    from decimal import Decimal, InvalidOperation  # here: rarely needed, and import time is bounded

    if not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _instant(text: str) -> tuple[int, str] | None:
    """Seconds since 1970 and the digits of their fraction, which compare as text once zeros at the end are gone."""
    from datetime import date  # here: rarely needed, and import time is bounded

    found = _DATE.fullmatch(text)
    if found is None:
        epoch = _EPOCH_SECONDS.fullmatch(text)
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


def _ip_in(policy_value: str, value: str, _: Context | None) -> bool:
    """IPv4 and IPv6 never fit each other, `::ffff:192.0.2.1` included."""
    wanted, given = _network(policy_value), _network(value)
    if wanted is None:
        raise _UnreadableError
    if given is None or "/" in value or given[0] != wanted[0]:
        return False
    return given[1] >> wanted[2] == wanted[1] >> wanted[2]


def _network(text: str) -> tuple[int, int, int] | None:
    """Family, address, and how many low bits are open. Host bits that are set count for nothing."""
    from ipaddress import ip_address  # here: rarely needed, and import time is bounded

    found = _NETWORK.fullmatch(text)
    if found is None:
        return None
    try:
        address = ip_address(found[1])
    except ValueError:
        return None
    length = address.max_prefixlen if found[2] is None else int(found[2])
    return None if length > address.max_prefixlen else (address.version, int(address), address.max_prefixlen - length)


# Name in lower case → (how one value fits, negated). ArnEquals and ArnLike are the same to IAM.
_OPERATORS: dict[str, tuple[_Fits, bool]] = {
    "stringequals": (_string_equals, False),
    "stringnotequals": (_string_equals, True),
    "stringequalsignorecase": (_string_equals_ignore_case, False),
    "stringnotequalsignorecase": (_string_equals_ignore_case, True),
    "stringlike": (_string_like, False),
    "stringnotlike": (_string_like, True),
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
    "bool": (_bool_equals, False),
    "binaryequals": (_binary_equals, False),
    "ipaddress": (_ip_in, False),
    "notipaddress": (_ip_in, True),
    "arnequals": (_arn_like, False),
    "arnlike": (_arn_like, False),
    "arnnotequals": (_arn_like, True),
    "arnnotlike": (_arn_like, True),
}
