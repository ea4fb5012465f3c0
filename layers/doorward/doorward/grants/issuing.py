"""Credentials for a grant: whether they are issued now, and what STS is asked for. Looked at anew each time.

| looked at, from the top                                            | answer                  |
|--------------------------------------------------------------------|-------------------------|
| the grant is not active                                            | refused                 |
| its start has not come, or its end has                             | refused                 |
| it does not stand any more (agreement.py)                          | refused                 |
| the role or the template is gone, or the policy cannot be made     | refused                 |
| … or it is another than the one that was shown                     | refused                 |
| else                                                               | issued, with its policy |
"""

from datetime import datetime

from doorward.grants.agreement import Agreement, why_it_falls
from doorward.grants.grant import Grant, State
from doorward.grants.model import Target, Template
from doorward.grants.names import duration_seconds, session_name
from doorward.grants.session_policy import compile_policy
from doorward.people.model import Refusal
from doorward.values import NamedTuple


class Issue(NamedTuple):
    """What `sts:AssumeRole` is asked for. `session_name` is the source identity as well; `ends_at`: the grant's end."""

    role_arn: str
    session_name: str
    policy: str
    duration_seconds: int
    ends_at: datetime


def issue(grant: Grant, found: Agreement, template: Template | None, target: Target | None, now: datetime) -> Issue | Refusal:
    """`template` and `target`: the request's, as they are now; None where there is none any more."""
    if grant.state is not State.ACTIVE or grant.starts_at is None or grant.ends_at is None:
        return Refusal(f"The grant is {grant.state}.", "Credentials are issued while it is active.")
    if not grant.starts_at <= now < grant.ends_at:
        return Refusal("It is not the grant's time.", f"It is from {grant.starts_at:%Y-%m-%d %H:%M} to {grant.ends_at:%Y-%m-%d %H:%M} UTC.")
    falls = why_it_falls(grant, found)
    if falls is not None:
        return falls
    if template is None or target is None or target.ref != grant.request.role_ref:
        return Refusal("The role or the template is not there any more.", "Ask anew.")
    policy = compile_policy(template, grant.request.parameters, target, grant.ends_at)
    if isinstance(policy, Refusal):
        return policy
    if policy.sha256 != grant.policy_sha256:
        return Refusal("What the session could do is not what was approved: the template has changed.", "Ask anew.")
    return Issue(target.arn, session_name(grant.person, grant.id), policy.text, duration_seconds(now, grant.ends_at), grant.ends_at)
