"""Credentials for a grant, or a link into the console, for the person whose grant it is: whether he gets them is looked at anew each time.

| looked at, from the top                                            | answer                                           |
|--------------------------------------------------------------------|--------------------------------------------------|
| whoever calls is a machine, or comes by Slack                      | refused: they go to a person's own terminal      |
| there is no such grant, or it is somebody else's                   | there is none                                    |
| he asks for this grant's more than ten times a minute              | too often                                        |
| the grant is not active, or it is not its time (grants/issuing.py) | refused                                          |
| it hangs on what cannot be looked up whether it stands             | Unavailable: what he has is not over by that     |
| what stands of its rules, its approvers, himself and its role      | refused where it does not stand any more         |
| the destination is not in the console                              | refused                                          |
| the broker refuses                                                 | refused                                          |
| else                                                               | issued: that it was stands in the audit, not what |

The issue is kept before the broker is asked; one that it never got to stays unused. What it gives goes into the answer alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from doorward.grants.agreement import Agreement, why_it_falls
from doorward.grants.console import destination_in
from doorward.grants.grant import Grant
from doorward.grants.issuing import why_not_now
from doorward.grants.names import is_grant_id
from doorward.iam.arns import parse_role_arn
from doorward.people.model import Caller, Person, Refusal, Via
from doorward.ports.clock import Clock
from doorward.ports.grants import Broker, Credentials, Grants, Issued, Kind, SignIn
from doorward.ports.rates import Rates
from doorward.usecases.grant_standing import certain

MOST_A_MINUTE: Final = 10
"""Of one grant. Whoever keeps them until they end needs one an hour."""
NOT_TO_YOU: Final = Refusal("Credentials go to people, by their own terminal.", "Ask with your own credentials of AWS, or a token.")


class TooOftenForGrant(Exception):  # noqa: N818 - it never leaves the function
    """He has to wait."""


@dataclass(frozen=True, slots=True)
class Tools:
    """`found`: what stands of a grant just now; Facts are looked up anew. `new_id`: a ULID."""

    grants: Grants
    broker: Broker
    rates: Rates
    found: Callable[[Grant], Agreement]
    new_id: Callable[[], str]
    clock: Clock


def issue_credentials(grant_id: str, caller: Caller, source_ip: str, tools: Tools) -> dict[str, Any] | Refusal | None:
    """What docs/openapi.yaml calls Credentials, a secret; None where he has no such grant.

    Raises TooOftenForGrant; Unavailable, Misconfigured.
    """
    grant = _his_own(grant_id, caller, tools)
    if not isinstance(grant, Grant):
        return grant
    issued = _issued(grant, caller, Kind.CREDENTIALS, source_ip, tools)
    given = issued if isinstance(issued, Refusal) else tools.broker.credentials(issued)
    return given if isinstance(given, Refusal) else _credentials_as_json(grant, given)


def open_console(grant_id: str, caller: Caller, source_ip: str, destination: str, tools: Tools) -> dict[str, Any] | Refusal | None:
    """What docs/openapi.yaml calls Console, a secret; as issue_credentials."""
    grant = _his_own(grant_id, caller, tools)
    if not isinstance(grant, Grant):
        return grant
    arn = parse_role_arn(grant.role_arn)
    where = destination_in(destination, arn.partition if arn else "")
    issued = where if isinstance(where, Refusal) else _issued(grant, caller, Kind.CONSOLE, source_ip, tools)
    given = issued if isinstance(issued, Refusal) else tools.broker.console(issued, destination)
    return given if isinstance(given, Refusal) else _console_as_json(grant, given)


def _his_own(grant_id: str, caller: Caller, tools: Tools) -> Grant | Refusal | None:
    """The first rows of the table. Only his own calls are counted: nobody uses up another's."""
    if not isinstance(caller.who, Person) or caller.via is Via.SLACK:
        return NOT_TO_YOU
    grant = tools.grants.grant(grant_id) if is_grant_id(grant_id) else None
    if grant is None or grant.person.user_id != caller.who.user_id:
        return None
    if tools.rates.count(grant.about) > MOST_A_MINUTE:
        raise TooOftenForGrant
    return grant


def _issued(grant: Grant, caller: Caller, kind: Kind, source_ip: str, tools: Tools) -> Issued | Refusal:
    """Kept, with its audit item."""
    refusal = why_not_now(grant, tools.clock.now(), console=kind is Kind.CONSOLE)
    refusal = refusal or why_it_falls(grant, certain(grant, tools.found(grant)))
    if refusal is not None:
        return refusal
    issued = Issued(tools.new_id(), grant.id, kind, tools.clock.now(), caller, source_ip)
    tools.grants.keep_issue(issued)
    return issued


def _credentials_as_json(grant: Grant, given: Credentials) -> dict[str, Any]:
    return {
        "format": "doorward.credentials/1",
        "access_key_id": given.access_key_id,
        "secret_access_key": given.secret_access_key,
        "session_token": given.session_token,
        "expiration": given.expiration.isoformat(),
        "grant_id": grant.id,
        "generation": grant.version,
        "account_id": grant.request.role_ref.partition("/")[0],
        "role": grant.role_arn,
        "region": None,
    }


def _console_as_json(grant: Grant, given: SignIn) -> dict[str, Any]:
    return {"format": "doorward.console/1", "url": given.url, "expires_at": given.expires_at.isoformat(), "grant_id": grant.id}
