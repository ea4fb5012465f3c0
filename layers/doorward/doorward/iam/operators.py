"""Condition operators by name, for all but the evaluator, which has its own.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from functools import lru_cache

from doorward.values import NamedTuple


class StringOperator(NamedTuple):
    negated: bool
    like: bool = False
    ignore_case: bool = False


STRING = {
    "stringequals": StringOperator(negated=False),
    "stringnotequals": StringOperator(negated=True),
    "stringequalsignorecase": StringOperator(negated=False, ignore_case=True),
    "stringnotequalsignorecase": StringOperator(negated=True, ignore_case=True),
    "stringlike": StringOperator(negated=False, like=True),
    "stringnotlike": StringOperator(negated=True, like=True),
}
ARN = {"arnequals": False, "arnlike": False, "arnnotequals": True, "arnnotlike": True}
OTHERS = {
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


@lru_cache(maxsize=1024)
def read_operator(text: str) -> Operator | None:
    """None for what is no condition operator of IAM."""
    if not text.isascii():  # the sign for Kelvin is a k in lower case
        return None
    qualifier, colon, name = text.lower().rpartition(":")
    if colon and qualifier not in {"forallvalues", "foranyvalue"}:
        return None
    if_exists = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    if name in STRING or name in ARN or name in OTHERS or name in {"bool", "null"}:
        return Operator(qualifier, name, if_exists)
    return None
