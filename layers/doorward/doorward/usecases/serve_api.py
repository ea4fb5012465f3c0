"""Who calls the API, and whether he calls too often. Nothing that he asks for is looked at before."""

from collections.abc import Mapping
from typing import Final

from doorward.people.model import Caller, Person, Refusal
from doorward.ports.rates import Rates
from doorward.usecases.identify_caller import Tools, identify_signed

MOST_A_MINUTE: Final = 60


class TooOften(Exception):  # noqa: N818 - it never leaves the function
    """He has to wait."""


def admit_caller(context: object, tools: Tools, rates: Rates) -> Caller | Refusal:
    """`context`: `requestContext` of a REST API's event. Raises TooOften; Unavailable, Misconfigured: nobody is recognized then, either."""
    identity = context.get("identity") if isinstance(context, Mapping) else None
    caller = identify_signed(identity, tools)
    if isinstance(caller, Refusal):
        return caller
    if rates.count(caller.who.user_id if isinstance(caller.who, Person) else caller.who.id) > MOST_A_MINUTE:
        raise TooOften
    return caller
