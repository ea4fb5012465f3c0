"""Credentials for a grant: whether they are issued now, and what STS is asked for. Looked at anew each time, and in two places.

Whoever serves people knows who agreed, and whether they may still. The broker, which alone may open the role, takes nobody's word for
anything: it reads the grant, and makes of it what people were shown, or nothing.

| looked at, from the top                                         | by whoever serves people | by the broker           |
|-----------------------------------------------------------------|--------------------------|-------------------------|
| the grant is not active                                         | refused                  | refused                 |
| its start has not come, or its end has                          | refused                  | refused                 |
| the console is wanted, and less than fifteen minutes are left   | refused                  | refused                 |
| it does not stand any more (agreement.py)                       | refused                  |                         |
| it is not what was opened                                       |                          | refused                 |
| its role is no grant role                                       |                          | refused                 |
| the template is gone, or the policy cannot be made              |                          | refused                 |
| … or it is another than the one that was shown                  |                          | refused                 |
| else                                                            | the broker is asked      | issued, with its policy |

The console is opened with credentials of which no duration was asked: AWS's sign-in takes no others from a broker that is a role's session
itself. So they last an hour, whatever is left, and what ends them in time is the policy's hard stop alone. AWS opens no console for less
than fifteen minutes; neither does this.

Tags go on to every session that is opened from this one. STS takes no `#` in them, which tickets may have; it is written as `:`, which they
never have.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
https://docs.aws.amazon.com/STS/latest/APIReference/API_Tag.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_enable-console-custom-url.html
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from doorward.grants.grant import Grant, State
from doorward.grants.model import Target, Template
from doorward.grants.names import SHORTEST_SESSION, duration_seconds, handle_of, session_name
from doorward.grants.session_policy import compile_policy
from doorward.iam.arns import parse_role_arn
from doorward.organization.installation import GRANT_ROLE_PATH
from doorward.people.model import Refusal
from doorward.values import NamedTuple

_TAG: Final = "doorward:"
"""The names of a session's tags begin so."""


class Opening(NamedTuple):
    """What was opened: all of a grant that its sessions are made of. The broker believes a grant no further than it agrees with this.

    Kept by whoever judges a grant when it begins, where whoever serves people cannot write. `policy_sha256`: as of the grant.
    """

    grant_id: str
    person_id: str
    session_name: str
    role_arn: str
    policy_sha256: str
    ticket: str
    starts_at: datetime | None
    ends_at: datetime | None


class Issue(NamedTuple):
    """What `sts:AssumeRole` is asked for. `session_name` is the source identity as well; `ends_at`: the grant's end.

    `tags` are all transitive. `duration_seconds` None: STS is not asked for any.
    """

    role_arn: str
    session_name: str
    policy: str
    tags: Mapping[str, str]
    duration_seconds: int | None
    ends_at: datetime


def why_not_now(grant: Grant, now: datetime, *, console: bool) -> Refusal | None:
    """The rows that both look at; None where it may be."""
    if grant.state is not State.ACTIVE or grant.starts_at is None or grant.ends_at is None:
        return Refusal(f"The grant is {grant.state}.", "Credentials are issued while it is active.")
    if not grant.starts_at <= now < grant.ends_at:
        return Refusal("It is not the grant's time.", f"It is from {grant.starts_at:%Y-%m-%d %H:%M} to {grant.ends_at:%Y-%m-%d %H:%M} UTC.")
    if console and grant.ends_at - now < SHORTEST_SESSION:
        return Refusal("AWS opens its console for fifteen minutes at least, and the grant ends before.", "Use its credentials.")
    return None


def opening_of(grant: Grant) -> Opening:
    """Of one that is active, or was."""
    name, ticket = session_name(grant.person, grant.id), grant.request.ticket
    return Opening(grant.id, grant.person.user_id, name, grant.role_arn, grant.policy_sha256, ticket, grant.starts_at, grant.ends_at)


def what_is_issued(grant: Grant, opening: Opening | None, template: Template | None, now: datetime, *, console: bool) -> Issue | Refusal:
    """The broker's column. `opening`: None where it was never opened. `template`: the request's, as it is now, or None."""
    refusal = why_not_now(grant, now, console=console)
    if refusal is not None or grant.ends_at is None:
        return refusal or Refusal("The grant has no end.", "Ask anew.")
    if opening != opening_of(grant):
        return Refusal("What the grant says is not what was opened.", "Ask anew.")
    arn = parse_role_arn(grant.role_arn)
    if arn is None or not arn.path.startswith(GRANT_ROLE_PATH) or f"{arn.account_id}/{arn.name}" != grant.request.role_ref:
        return Refusal("The grant's role is none that can be asked for.", "Ask anew.")
    if template is None:
        return Refusal("The template is not there any more.", "Ask anew.")
    target = Target(arn.account_id, arn.name, arn.path, partition=arn.partition)
    policy = compile_policy(template, grant.request.parameters, target, grant.ends_at)
    if isinstance(policy, Refusal):
        return policy
    if policy.sha256 != grant.policy_sha256:
        return Refusal("What the session could do is not what was approved: the template has changed.", "Ask anew.")
    return Issue(
        grant.role_arn,
        session_name(grant.person, grant.id),
        policy.text,
        _tags(grant),
        None if console else duration_seconds(now, grant.ends_at),
        grant.ends_at,
    )


def _tags(grant: Grant) -> Mapping[str, str]:
    ticket = {f"{_TAG}ticket": grant.request.ticket.replace("#", ":")} if grant.request.ticket else {}
    return {f"{_TAG}grant": grant.id, f"{_TAG}user": handle_of(grant.person), **ticket}
