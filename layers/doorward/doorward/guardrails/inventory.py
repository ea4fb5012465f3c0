"""What a sweep keeps of each role of an account, and what has become of them since the last one.

A sweep makes good what events did not tell: those lost, padded, or older than Doorward. It judges nothing; it says where to look, and why.
Details: https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleDetail.html
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from doorward.errors import MalformedInput
from doorward.events.hints import Hint
from doorward.events.model import Cause
from doorward.iam.documents import hash_of_text, parse_document, text_of_answer
from doorward.values import NamedTuple

_NAMES: Final = re.compile(
    r"(?<![0-9])[0-9]{12}(?![0-9])|o-[a-z0-9]{10,32}|(?:ou|r)-[0-9a-z-]{4,64}|arn:aws[a-z-]*:iam::[0-9]{12}:(?:oidc|saml)-provider/[!-~]+?(?=\")"
    r"|[a-z0-9.-]+\.amazonaws\.com"
)
"""What facts of the organization can be about: accounts, organizations, units, providers, services."""


class RoleDigest(NamedTuple):
    """Hashes are hex SHA-256, cut short where nobody compares them with anything but each other. `created_at` is ISO 8601 in UTC.

    `generation`: how many cases of the role were closed when it was seen.

    `names`: what the trust policy's text names of accounts, the organization and its units, providers and services.
    """

    name: str
    role_id: str
    created_at: str
    trust: str
    boundary: str
    session_seconds: int
    permissions: str
    tags: str
    generation: int
    names: tuple[str, ...]


class Swept(NamedTuple):
    """The roles of one account by name, as a sweep that began `at` saw them.

    `policies`: the default version of each customer managed policy, by ARN.
    """

    at: datetime
    roles: Mapping[str, RoleDigest]
    policies: Mapping[str, str]


def digest_of(detail: Mapping[str, Any]) -> RoleDigest:
    """One entry of RoleDetailList, as boto3 gives it: policies decoded, or still percent-encoded text."""
    trust = text_of_answer(detail["AssumeRolePolicyDocument"])
    attached = sorted(each["PolicyArn"] for each in detail.get("AttachedManagedPolicies", ()))
    inline = sorted((each["PolicyName"], hash_of_text(text_of_answer(each["PolicyDocument"]))) for each in detail.get("RolePolicyList", ()))
    created: datetime = detail["CreateDate"]
    return RoleDigest(
        name=detail["RoleName"],
        role_id=detail["RoleId"],
        created_at=created.isoformat(),
        trust=hash_of_text(trust),
        boundary=(detail.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn", ""),
        session_seconds=detail.get("MaxSessionDuration", 3600),
        permissions=_short([attached, inline]),
        tags=_short(sorted((each["Key"], each["Value"]) for each in detail.get("Tags", ()))),
        generation=0,
        names=tuple(sorted(set(_NAMES.findall(trust)))),
    )


def principals_of(detail: Mapping[str, Any]) -> tuple[str, ...]:
    """Whom the trust policy of such an entry names where it allows; nobody where the policy cannot be read."""
    try:
        document = parse_document(text_of_answer(detail["AssumeRolePolicyDocument"]))
    except MalformedInput:
        return ()
    return tuple(who.value for each in document.statements if each.effect == "Allow" for who in each.principals or ())


class Judged(NamedTuple):
    """What the reaction knows of a role. `trust`: hash of the policy that was judged last because somebody told of it, "" before the first.

    `generation` counts closed cases; `open_trust` is the hash of what the open case found, None where none is open.
    """

    role_id: str
    trust: str
    generation: int
    open_trust: str | None


def compare(
    account_id: str,
    before: Swept | None,
    after: Swept,
    *,
    judged: Mapping[str, Judged],
    open_cases: Mapping[str, str],
    now: datetime,
) -> tuple[Hint, ...]:
    """One hint for each role that is not as it was, by name, then one for each managed policy. `before` None: the account was never swept.

    `judged`: by name. A role may be as the last sweep left it and have been another in between, of which an event told, while none told
    that it came back. `open_cases`: ids by name, of roles that may be gone before any sweep saw them.
    """
    hints = [*_hints(account_id, before, after, judged, now), *_gone(account_id, before, after, open_cases, now)]
    return (*sorted(hints, key=lambda each: each.role_name or ""), *_policies(account_id, before, after, now))


def _hints(account_id: str, before: Swept | None, after: Swept, judged: Mapping[str, Judged], now: datetime) -> Iterator[Hint]:
    known, since = ({}, None) if before is None else (before.roles, before.at)
    for name, role in after.roles.items():
        cause, because = _change(known.get(name), role, judged.get(name), since)
        if cause is not None:
            # By what it became, so that the same finding has the same id however often it is made.
            yield Hint(account_id, cause, because, f"sweep-{_short([account_id, role])}", now, role_name=name)


def _gone(account_id: str, before: Swept | None, after: Swept, open_cases: Mapping[str, str], now: datetime) -> Iterator[Hint]:
    known: Mapping[str, object] = {**open_cases, **({} if before is None else before.roles)}
    for name, last in known.items():
        if name not in after.roles:
            gone = f"sweep-{_short([account_id, 'gone', name, last])}"
            yield Hint(account_id, Cause.DELETED, "A sweep does not find the role (any more).", gone, now, role_name=name)


def _policies(account_id: str, before: Swept | None, after: Swept, now: datetime) -> Iterator[Hint]:
    """Of policies that the last sweep saw: what is attached anew shows in the role."""
    for arn, version in sorted(after.policies.items()):
        if before is not None and before.policies.get(arn, version) != version:
            because = "A sweep found another default version of a managed policy than the last one did."
            yield Hint(account_id, Cause.PERMISSIONS, because, f"sweep-{_short([account_id, arn, version])}", now, policy=arn)


def _change(before: RoleDigest | None, role: RoleDigest, judged: Judged | None, since: datetime | None) -> tuple[Cause | None, str]:
    """What matters most first: one look at the role sees the rest."""
    if before is None:
        if since is not None and datetime.fromisoformat(role.created_at) >= since:
            return Cause.TRUST, "A sweep found a role that was made since the last one."
        return Cause.FIRST_SEEN, "A sweep saw the role for the first time."
    if (before.role_id, before.trust) != (role.role_id, role.trust):
        return Cause.TRUST, "A sweep found another trust policy than the last one did."
    if judged is not None and _is_behind(judged, before, role):
        return Cause.TRUST, "A sweep found a trust policy that stood there before, and was another in between."
    if before.boundary != role.boundary:
        return Cause.BOUNDARY, "A sweep found another permissions boundary than the last one did."
    if before.permissions != role.permissions:
        return Cause.PERMISSIONS, "A sweep found other permissions policies than the last one did."
    if before.session_seconds != role.session_seconds:
        return Cause.SESSION_LENGTH, "A sweep found another length of sessions than the last one did."
    if before.tags != role.tags:
        return Cause.TAGS, "A sweep found other tags than the last one did."
    return None, ""


def _is_behind(judged: Judged, before: RoleDigest, role: RoleDigest) -> bool:
    """Whether what the reaction knows may not be what stands, which is as the last sweep left it."""
    if judged.trust and (judged.role_id, judged.trust) != (role.role_id, role.trust):
        return True
    if judged.open_trust is not None and judged.open_trust != role.trust:
        return True
    return judged.generation != before.generation


def _short(value: Any) -> str:
    return sha256(json.dumps(value, default=list, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:20]
