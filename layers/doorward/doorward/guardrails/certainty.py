"""What a permissions policy allows for sure, and what it allows at most, where a request is known in part.

| what a statement hangs on                           | for sure         | at most          |
|-----------------------------------------------------|------------------|------------------|
| the same in every request of the role's session     | as it comes out  | as it comes out  |
| so in the requests that are asked, but not in all   | as it comes out  | any              |
| any other condition key, or one that is not decided | not met          | met              |
| a resource with a variable in it                    | not that one     | whichever        |

"Met" and "not met" are those of an Allow; a Deny's are the other way round. No statement reaches further than its resources.
"""

from collections.abc import Callable
from typing import Final

from doorward.iam.conditions import fold_context, hold, read_condition
from doorward.iam.documents import Condition, Document, Statement

PASSED_TO: Final = "iam:passedtoservice"
ATTACHED: Final = "iam:policyarn"
_OF_THE_ROLE: Final = frozenset(("aws:principalarn", "aws:principalaccount", "aws:resourceaccount"))
# Nobody has these otherwise; to which services a role can be passed, `escalations` has.
_FIXED: Final = _OF_THE_ROLE | {"aws:principaltype", PASSED_TO}


def said_of(role_arn: str, account_id: str, region: str) -> dict[str, str]:
    """What every request of the role's session in this region says of itself."""
    return {
        "aws:principalarn": role_arn,
        "aws:principalaccount": account_id,
        "aws:principaltype": "AssumedRole",
        "aws:principalisawsservice": "false",
        "aws:requestedregion": region,
        "aws:resourceaccount": account_id,
        "aws:securetransport": "true",
        "aws:viaawsservice": "false",
    }


_SAID: Final = frozenset(said_of("", "", "")) | {PASSED_TO, ATTACHED}


class Certainty:
    """`role_arn`: of the role whose session asks; empty where it is not known."""

    def __init__(self, role_arn: str, account_id: str) -> None:
        unknown = frozenset[str]() if role_arn else _OF_THE_ROLE
        self._said, self._fixed = _SAID - unknown, _FIXED - unknown
        self._example = fold_context(said_of(role_arn, account_id, "") | {PASSED_TO: "any.amazonaws.com"})

    def at_least(self, document: Document) -> Document:
        return _with(document, widened="Deny", is_known=lambda each: _is_plain(each, self._said))

    def at_most(self, document: Document) -> Document:
        return _with(document, widened="Allow", is_known=lambda each: _is_plain(each, self._fixed) and self._is_decided(each))

    def _is_decided(self, condition: Condition) -> bool:
        return hold((read_condition(condition, has_variables=False),), self._example) is not None


def _is_plain(condition: Condition, keys: frozenset[str]) -> bool:
    return condition.key.lower() in keys and not any("${" in each for each in condition.values)


def _with(document: Document, *, widened: str, is_known: Callable[[Condition], bool]) -> Document:
    """Each statement of the effect `widened` as wide as it may be, each other one as narrow."""
    kept = [(_widest if each.effect == widened else _narrowest)(each, is_known) for each in document.statements]
    return document._replace(statements=tuple(each for each in kept if each is not None))


def _widest(statement: Statement, is_known: Callable[[Condition], bool]) -> Statement:
    """Whatever it might apply to."""
    resources, excluded = statement.resources, statement.not_resources
    if resources is not None:
        resources = tuple("*" if "${" in each else each for each in resources)
    elif excluded is not None:
        excluded = tuple(each for each in excluded if "${" not in each)
        resources, excluded = (None, excluded) if excluded else (("*",), None)
    conditions = tuple(each for each in statement.conditions if is_known(each))
    return statement._replace(resources=resources, not_resources=excluded, conditions=conditions)


def _narrowest(statement: Statement, is_known: Callable[[Condition], bool]) -> Statement | None:
    """What it applies to for sure; None: nothing."""
    if not all(is_known(each) for each in statement.conditions) or any("${" in each for each in statement.not_resources or ()):
        return None
    if statement.resources is None:
        return statement
    resources = tuple(each for each in statement.resources if "${" not in each)
    return statement._replace(resources=resources) if resources else None
