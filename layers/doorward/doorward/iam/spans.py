"""Sets of whole numbers as sorted, disjoint, closed intervals: for numbers, instants and addresses, which the search treats alike.

An instant is a count of seconds since 1970. An address is a number, IPv6 above all of IPv4, so that the two never meet. Numbers with a
fraction are no members: no condition key of STS has them, and a bound with a fraction is moved to the next whole number inside.
"""

import re
from collections.abc import Iterable

from doorward.values import NamedTuple

FAR = 10**60
"""Beyond everything that is counted here: stands for infinity, in both directions."""
_IPV6 = 1 << 64


class Span(NamedTuple):
    """Both ends belong to it."""

    low: int
    high: int


Spans = tuple[Span, ...]
IPV4 = Span(0, (1 << 32) - 1)
IPV6 = Span(_IPV6, _IPV6 + (1 << 128) - 1)
EVERYTHING: Spans = (Span(-FAR, FAR),)


def united(spans: Iterable[Span]) -> Spans:
    merged: list[Span] = []
    for each in sorted(spans):
        if each.low > each.high:
            continue
        if merged and each.low <= merged[-1].high + 1:
            merged[-1] = Span(merged[-1].low, max(merged[-1].high, each.high))
        else:
            merged.append(each)
    return tuple(merged)


def without(spans: Spans, taken: Spans) -> Spans:
    """What is in the first and not in the second."""
    left = spans
    for out in taken:
        cut: list[Span] = []
        for each in left:
            if out.high < each.low or out.low > each.high:
                cut.append(each)
                continue
            if each.low < out.low:
                cut.append(Span(each.low, out.low - 1))
            if each.high > out.high:
                cut.append(Span(out.high + 1, each.high))
        left = tuple(cut)
    return left


def common(spans: Spans, others: Spans) -> Spans:
    found: list[Span] = []
    for each in spans:
        for other in others:
            low, high = max(each.low, other.low), min(each.high, other.high)
            if low <= high:
                found.append(Span(low, high))
    return tuple(found)


def ipv4_block(beginning: tuple[int, ...], length: int) -> Span:
    """`(172, 16), 12` is 172.16.0.0/12: for what is known when a module is imported, without the library that reads text."""
    first = int.from_bytes(bytes((*beginning, 0, 0, 0))[:4])
    return Span(first, first + (1 << 32 - length) - 1)


def network(text: str) -> Span | None:
    """The addresses of a CIDR block, or of one address. None for any other text."""
    from ipaddress import IPv6Network, ip_network  # here: rarely needed, and import time is bounded

    length = text.partition("/")[2]
    if length and not (length.isascii() and length.isdigit()):
        return None
    try:
        block = ip_network(text, strict=False)
    except ValueError:
        return None
    above = _IPV6 if isinstance(block, IPv6Network) else 0
    first = int(block.network_address)
    return Span(above + first, above + first + block.num_addresses - 1)


def address(number: int) -> str:
    from ipaddress import IPv4Address, IPv6Address  # here: rarely needed, and import time is bounded

    return str(IPv4Address(number) if number < _IPV6 else IPv6Address(number - _IPV6))


def compared(operator: str, numerator: int, denominator: int) -> Spans:
    """The whole numbers that stand in this relation to a fraction.

    `operator` is `equals`, `lessthan`, `lessthanequals`, `greaterthan` or `greaterthanequals`.
    """
    floor = numerator // denominator
    whole = floor * denominator == numerator
    match operator:
        case "equals":
            return (Span(floor, floor),) if whole else ()
        case "lessthan":
            return (Span(-FAR, floor - 1 if whole else floor),)
        case "lessthanequals":
            return (Span(-FAR, floor),)
        case "greaterthan":
            return (Span(floor + 1, FAR),)
        case _:
            return (Span(floor if whole else floor + 1, FAR),)


def instant(text: str) -> tuple[int, int] | None:
    """Seconds since 1970 as a fraction, of an ISO 8601 date in the W3C profile or of epoch seconds. None for any other text.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    from datetime import UTC, datetime  # here: rarely needed, and import time is bounded

    if re.fullmatch(_YEAR, text, re.ASCII):
        text += "-01-01"
    elif re.fullmatch(_EPOCH, text, re.ASCII):
        return int(text), 1
    elif re.fullmatch(_MONTH, text, re.ASCII):
        text += "-01"
    if not re.fullmatch(_DATE, text, re.ASCII):
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    since = (read if read.tzinfo is not None else read.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds, 1_000_000


def iso_time(seconds: int) -> str:
    from datetime import UTC, datetime  # here: rarely needed, and import time is bounded

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def number(text: str) -> tuple[int, int] | None:
    """A decimal number as a fraction. None for any other text."""
    from decimal import Decimal, InvalidOperation  # here: rarely needed, and import time is bounded

    if len(text) > _LONGEST_NUMBER or not text.isascii() or text != text.strip() or "_" in text:
        return None
    try:
        read = Decimal(text)
        if not read.is_finite() or abs(read.adjusted()) > _LONGEST_NUMBER:
            return None
        return read.as_integer_ratio()
    except InvalidOperation:
        return None


_LONGEST_NUMBER = 40
# Compiled by re where first asked for, since few policies speak of time, and import time is bounded.
_YEAR = r"[0-9]{4}"
_MONTH = r"[0-9]{4}-[0-9]{2}"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T(?:[01][0-9]|2[0-3]):[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
_EPOCH = r"-?[0-9]{1,18}"
