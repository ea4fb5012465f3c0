"""What a session of a grant may do, as the policy that STS gets with it: the role's permissions are cut down to this.

| statement | says                                                                                                            |
|-----------|-----------------------------------------------------------------------------------------------------------------|
| Allow …   | the template's, with its parameters filled in                                                                   |
| Deny `*`  | from the grant's end on, everything, whatever else allows it; also where a request tells no time                |
| Deny sts  | no other role, token or root session: a chained session would not have this policy                              |
| Deny iam  | nothing about the roles and policies of Doorward in that account: neither trust nor boundary nor what they allow |

STS takes at most 2,048 characters, white space counted. Beside that it packs policies and tags into a form of its own and refuses what is
more than full; `PackedPolicySize` of its answer says how full it was, and nothing tells that before. What is too long here is refused:
nobody gets a session without its policy. A resource's policy that names the session itself still adds to it before the end.

`sha256` is that of the same policy with its end long ago, and so stands for what people are shown from the request on, whenever it ends.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-currenttime
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from doorward.grants.model import Target, Template
from doorward.grants.parameters import refused_parameters
from doorward.iam.documents import VERSION_2012, Condition, Document, Statement, render_document
from doorward.organization.installation import ROLE_PATH
from doorward.people.model import Refusal
from doorward.values import NamedTuple

LONGEST: Final = 2048
PLACEHOLDER: Final = re.compile(r"<([a-z][a-z0-9_]*)>")
OF_THE_ROLE: Final = frozenset({"account", "partition"})
"""Placeholders that are no parameters: whoever asks does not choose them."""
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SessionPolicy(NamedTuple):
    """`text` is compact JSON in ASCII; `scope` is that of its Allow statements alone, which is what people are shown."""

    text: str
    sha256: str
    scope: str


def compile_policy(template: Template, parameters: Mapping[str, str], target: Target, ends_at: datetime) -> SessionPolicy | Refusal:
    """`ends_at` is aware; a part of a second is cut off, not added."""
    refusal = refused_parameters(template, parameters)
    if refusal is not None:
        return refusal
    values = {**parameters, "account": target.account_id, "partition": target.partition}
    scope = [_filled(each, values) for each in template.statements]
    text = _text(scope, target, ends_at)
    if len(text) > LONGEST:
        because = f"The policy that the session would get has {len(text)} characters, and STS takes {LONGEST}."
        return Refusal(because, f"Have the template {template.name} of config/entitlements.yaml made shorter, or divided.")
    allowed = render_document(Document(VERSION_2012, None, tuple(scope)))["Statement"]
    return SessionPolicy(text, sha256(_text(scope, target, _LONG_AGO).encode()).hexdigest(), json.dumps(allowed, separators=(",", ":")))


def shortest_length(template: Template) -> int:
    """Of the policy with nothing filled in: what is too long then always is."""
    scope = [_filled(each, dict.fromkeys((*template.parameters, *OF_THE_ROLE), "")) for each in template.statements]
    return len(_text(scope, Target("", "", ROLE_PATH), _LONG_AGO))


def _filled(statement: Statement, values: Mapping[str, str]) -> Statement:
    """Each placeholder once: what is filled in is not looked at again."""

    def fill(text: str) -> str:
        return PLACEHOLDER.sub(lambda found: values[found[1]], text)

    return statement._replace(
        resources=tuple(map(fill, statement.resources or ())),
        conditions=tuple(each._replace(values=tuple(map(fill, each.values))) for each in statement.conditions),
    )


def _text(scope: list[Statement], target: Target, ends_at: datetime) -> str:
    document = Document(VERSION_2012, None, (*scope, *_always_denied(target, ends_at)))
    return json.dumps(render_document(document), separators=(",", ":"))


def _always_denied(target: Target, ends_at: datetime) -> tuple[Statement, ...]:
    end = Condition("DateGreaterThanEqualsIfExists", "aws:CurrentTime", (f"{ends_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",))
    ours = f"arn:{target.partition}:iam::{target.account_id}:"
    return (
        _deny("*", ("*",), end),
        _deny("sts:*", ("*",)),
        _deny("iam:*", (f"{ours}role{ROLE_PATH}*", f"{ours}policy{ROLE_PATH}*")),
    )


def _deny(action: str, resources: tuple[str, ...], *conditions: Condition) -> Statement:
    return Statement(0, None, "Deny", None, None, (action,), None, resources, None, conditions)
