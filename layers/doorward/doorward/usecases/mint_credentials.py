"""The broker: credentials for a grant, or a link into the console with them. It believes nobody, and reads for itself.

Whoever may call it names a grant and an issue, and for the console where to; he chooses nothing of what the session may do, whose it is, or
how long it is good for.

| looked at, from the top                                                                         | what comes of it             |
|-------------------------------------------------------------------------------------------------|------------------------------|
| the call is none                                                                                | refused                      |
| there is no such issue of this grant, it was used before, or its minute is over                 | refused                      |
| there is no such grant, or it is somebody else's than the issue's, or he came by Slack          | refused; the issue is used   |
| the console is wanted, and the destination is elsewhere                                         | refused; the issue is used   |
| the broker's column of grants/issuing.py refuses, as where the grant is not what was opened     | refused; the issue is used   |
| STS does not take the policy, or the tags with it                                               | refused; the issue is used   |
| what came of it cannot be kept                                                                  | it fails: they are nobody's  |
| the grant was ended, or its end has come, while STS was asked, or for the console the sign-in   | refused: they are nobody's   |
| else                                                                                            | minted, and told its caller  |

What is minted stands in the answer and nowhere else; of it a hash of the access key's id is kept, by which CloudTrail's records of it can
be found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from doorward.grants.console import destination_in
from doorward.grants.grant import Grant
from doorward.grants.issuing import what_is_issued, why_not_now
from doorward.grants.model import Entitlements
from doorward.grants.names import expiration, is_grant_id
from doorward.iam.arns import parse_role_arn
from doorward.people.model import Person, Refusal, Via
from doorward.ports.clock import Clock
from doorward.ports.grants import LINK_COUNTS, Credentials, Grants, GrantSessions, Issued, Kind, SignIn

_MADE_UP = Refusal("There is no such issue of this grant, or it was used, or is too old.", "Ask for credentials once more.")


@dataclass(frozen=True, slots=True)
class Tools:
    """`entitlements`: those that were deployed with the broker itself."""

    grants: Grants
    sessions: GrantSessions
    entitlements: Entitlements
    clock: Clock


def mint_credentials(call: object, tools: Tools) -> Credentials | SignIn | Refusal:
    """`call`: `{"grant_id", "issue_id", "destination"}`, the last only for the console. Raises Unavailable, Misconfigured."""
    said = call if isinstance(call, Mapping) else {}
    grant_id, issue_id, destination = (said.get(name, "") for name in ("grant_id", "issue_id", "destination"))
    if not (isinstance(grant_id, str) and isinstance(issue_id, str) and isinstance(destination, str)):
        return _MADE_UP
    if not (is_grant_id(grant_id) and is_grant_id(issue_id)):
        return _MADE_UP
    issued = tools.grants.use_issue(grant_id, issue_id, tools.clock.now())
    if issued is None:
        return _MADE_UP
    grant = tools.grants.grant(grant_id)
    if grant is None or not _is_his(issued, grant):
        return _MADE_UP
    return _minted(grant, issued, destination, tools)


def _is_his(issued: Issued, grant: Grant) -> bool:
    who = issued.by.who
    return isinstance(who, Person) and who.user_id == grant.person.user_id and issued.by.via is not Via.SLACK


def _minted(grant: Grant, issued: Issued, destination: str, tools: Tools) -> Credentials | SignIn | Refusal:
    arn, console = parse_role_arn(grant.role_arn), issued.kind is Kind.CONSOLE
    where = destination_in(destination, arn.partition if arn else "") if console else ""
    if isinstance(where, Refusal):
        return where
    template = tools.entitlements.templates.get(grant.request.template)
    asked = what_is_issued(grant, tools.grants.opening(grant.id), template, tools.clock.now(), console=console)
    if isinstance(asked, Refusal):
        return asked
    opened = tools.sessions.open(asked)
    if isinstance(opened, Refusal):
        return opened
    credentials = opened.credentials
    key_hash = sha256(credentials.access_key_id.encode()).hexdigest()
    tools.grants.complete_issue(issued._replace(key_hash=key_hash, packed_percent=opened.packed_percent))
    refusal = _why_not_any_more(grant, tools)
    if refusal is not None:
        return refusal
    if console:
        since = tools.clock.now()
        link = SignIn(tools.sessions.console(credentials, where), expiration(since + LINK_COUNTS, asked.ends_at))
        return _why_not_any_more(grant, tools) or link
    return credentials._replace(expiration=expiration(credentials.expiration, asked.ends_at))


def _why_not_any_more(grant: Grant, tools: Tools) -> Refusal | None:
    """Whoever was told that he has ended it before this looked gets nothing opened after that."""
    now = tools.grants.grant(grant.id)
    return _MADE_UP if now is None else why_not_now(now, tools.clock.now(), console=False)


def minted_as_json(minted: Credentials | SignIn | Refusal) -> dict[str, Any]:
    """What the broker answers, for `minted_from`: secrets, for whoever called it alone."""
    kind = {Credentials: "credentials", SignIn: "console", Refusal: "refused"}[type(minted)]
    times = {name: value.isoformat() for name, value in minted._asdict().items() if name in {"expiration", "expires_at"}}
    return {kind: {**minted._asdict(), **times}}
