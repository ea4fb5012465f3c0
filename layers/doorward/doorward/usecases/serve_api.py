"""Who calls the API, and whether he calls too often. Nothing that he asks for is looked at before.

| the path       | who calls is                                                              |
|----------------|---------------------------------------------------------------------------|
| under `/token` | whom the claims name that API Gateway's authorizer found true             |
| any other      | whoever signed (SigV4)                                                    |

On neither the other one's word counts. Which path it is says the resource that API Gateway found, not the path that somebody wrote.
"""

import json
from collections.abc import Mapping
from typing import Final

from doorward.people.model import Caller, Refusal, id_of
from doorward.ports.rates import Rates
from doorward.usecases.identify_caller import Tools, identify_signed, identify_token

MOST_A_MINUTE: Final = 60
GUARDED: Final = "/token/{proxy+}"
"""API Gateway's resource of all paths that the authorizer guards, as template.yaml has it."""


class TooOften(Exception):  # noqa: N818 - it never leaves the function
    """He has to wait."""


def admit_caller(context: object, tools: Tools, rates: Rates) -> Caller | Refusal:
    """`context`: `requestContext` of a REST API's event. Raises TooOften; Unavailable, Misconfigured: nobody is recognized then, either."""
    said = context if isinstance(context, Mapping) else {}
    if said.get("resourcePath") == GUARDED:
        caller = identify_token(_claims(said.get("authorizer")), tools)
    else:
        caller = identify_signed(said.get("identity"), tools)
    if isinstance(caller, Refusal):
        return caller
    if rates.count(id_of(caller.who)) > MOST_A_MINUTE:
        raise TooOften
    return caller


def _claims(authorizer: object) -> Mapping[str, object]:
    """As functions/authorize_token gave them; none where they cannot be read."""
    text = authorizer.get("claims") if isinstance(authorizer, Mapping) else None
    try:
        claims = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}
