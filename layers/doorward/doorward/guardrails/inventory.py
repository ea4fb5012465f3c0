"""What a sweep sees of each role of an account, and which roles are not as they were looked at last.

A sweep makes good what events did not tell: those lost, padded, or older than Doorward. It judges nothing; it says where to look, and why.
Details: https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleDetail.html
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from zlib import crc32

from doorward.errors import MalformedInput
from doorward.events.hints import Hint
from doorward.events.model import Cause
from doorward.guardrails.looks import Look, short_hash, trust_hash_of
from doorward.iam.arns import is_of_aws
from doorward.iam.documents import hash_of_text, parse_document, text_of_answer
from doorward.values import NamedTuple

_NAMES: Final = re.compile(
    r"(?<![0-9])[0-9]{12}(?![0-9])|o-[a-z0-9]{10,32}|(?:ou|r)-[0-9a-z-]{4,64}|arn:aws[a-z-]*:iam::[0-9]{12}:(?:oidc|saml)-provider/[!-~]+?(?=\")"
    r"|[a-z0-9.-]+\.amazonaws\.com"
)
"""What facts of the organization can be about: accounts, organizations, units, providers, services."""


_PARTS: Final = (
    (Cause.BOUNDARY, "boundary", "another permissions boundary"),
    (Cause.PERMISSIONS, "permissions", "other permissions policies"),
    (Cause.SESSION_LENGTH, "session", "another length of sessions"),
    (Cause.TAGS, "tags", "other tags"),
)
"""Of a look, what matters most first: one look at the role sees the rest."""
_URGENT: Final = frozenset({Cause.TRUST, Cause.DELETED})


class RoleDigest(NamedTuple):
    """Hashes are hex SHA-256, cut short where nobody compares them with anything but each other. `created_at` is ISO 8601 in UTC.

    `managed`: ARNs of the account's own policies that are attached, the boundary among them.

    `names`: what the trust policy's text names of accounts, the organization and its units, providers and services.

    `reads`: how many calls of IAM a look at the role takes.
    """

    name: str
    role_id: str
    created_at: str
    trust: str
    boundary: str
    session_seconds: int
    permissions: str
    tags: str
    managed: tuple[str, ...]
    names: tuple[str, ...]
    reads: int = 1


class Swept(NamedTuple):
    """The roles of one account by name, as a sweep that began `at` saw them.

    `policies`: which policy each customer managed one is, and its default version, by ARN. `since`: when the account's first sweep began.
    """

    at: datetime
    roles: Mapping[str, RoleDigest]
    policies: Mapping[str, str]
    since: datetime


def digest_of(detail: Mapping[str, Any]) -> RoleDigest:
    """One entry of RoleDetailList, as boto3 gives it: policies decoded, or still percent-encoded text."""
    trust = text_of_answer(detail["AssumeRolePolicyDocument"])
    attached = sorted(each["PolicyArn"] for each in detail.get("AttachedManagedPolicies", ()))
    inline = sorted((each["PolicyName"], hash_of_text(text_of_answer(each["PolicyDocument"]))) for each in detail.get("RolePolicyList", ()))
    boundary = (detail.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn", "")
    created: datetime = detail["CreateDate"]
    return RoleDigest(
        name=detail["RoleName"],
        role_id=detail["RoleId"],
        created_at=created.isoformat(),
        trust=hash_of_text(trust),
        boundary=boundary,
        session_seconds=detail.get("MaxSessionDuration", 3600),
        permissions=short_hash([attached, inline]),
        tags=short_hash(sorted((each["Key"], each["Value"]) for each in detail.get("Tags", ()))),
        managed=tuple(sorted({each for each in (*attached, boundary) if each and not is_of_aws(each)})),
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

    `look` is the last one that a sweep had asked for, None before the first.
    """

    role_id: str
    trust: str
    look: Look | None


def compare(
    account_id: str,
    before: Swept | None,
    after: Swept,
    *,
    judged: Mapping[str, Judged],
    open_cases: Mapping[str, str],
    under: Callable[[str], str],
    now: datetime,
) -> tuple[Hint, ...]:
    """One hint for each role that is not as it was looked at last. `before` None: the account was never swept.

    Changes of trust come first; the others in another order each hour, so that no role waits for ever behind those of whoever makes many.

    `judged`: by name; what is not in it was never looked at. `open_cases`: ids by name, of roles that may be gone before any sweep saw
    them. `under`: what besides a role of this name a look goes by (`looks.judged_under`).

    Nothing is compared with the last sweep but which roles were there: that a hint was sent does not mean that anybody looked.
    """
    hints = [*_gone(account_id, before, after, open_cases, now)]
    for name, role in after.roles.items():
        look = look_at(role, after.policies, under(name), now)
        is_new = before is not None and datetime.fromisoformat(role.created_at) >= before.since
        cause, because = _why(judged.get(name), look, is_new=is_new)
        if cause is not None:
            # By what it became, so that the same finding has the same id however often it is made.
            id_ = f"sweep-{short_hash([account_id, name, look])}"
            hints.append(Hint(account_id, cause, because, id_, now, role_name=name, look=str(look), reads=role.reads))
    hour = int(now.timestamp()) // 3600
    return tuple(sorted(hints, key=lambda each: (each.cause not in _URGENT, crc32(f"{hour}/{each.role_name}".encode()))))


def look_at(role: RoleDigest, policies: Mapping[str, str], under: str, now: datetime) -> Look:
    """Each role has its own hour at which its day begins: once a day it is looked at, whatever is known of it."""
    versions = [policies.get(each, "") for each in role.managed]
    day = (int(now.timestamp()) // 3600 + crc32(role.role_id.encode()) % 24) // 24
    return Look(
        trust=trust_hash_of(role.role_id, role.trust),
        boundary=short_hash(role.boundary),
        permissions=short_hash([role.permissions, versions]),
        session=short_hash(role.session_seconds),
        tags=role.tags,
        under=under,
        day=str(day),
    )


def _gone(account_id: str, before: Swept | None, after: Swept, open_cases: Mapping[str, str], now: datetime) -> Iterator[Hint]:
    known: Mapping[str, object] = {**open_cases, **({} if before is None else before.roles)}
    for name, last in known.items():
        if name not in after.roles:
            gone = f"sweep-{short_hash([account_id, 'gone', name, last])}"
            yield Hint(account_id, Cause.DELETED, "A sweep does not find the role (any more).", gone, now, role_name=name)


def _why(judged: Judged | None, look: Look, *, is_new: bool) -> tuple[Cause | None, str]:
    last = None if judged is None else judged.look
    trust = last.trust if last is not None else None
    if judged is not None and judged.trust:
        trust = trust_hash_of(judged.role_id, judged.trust)
    if trust is None:
        if is_new:
            return Cause.TRUST, "A sweep found a role that was made since the account was swept first, and that nobody has looked at."
        return Cause.FIRST_SEEN, "A sweep has this role looked at for the first time."
    if trust != look.trust:
        return Cause.TRUST, "A sweep found another trust policy than the one that was judged last."
    if last is None:
        return Cause.FACTS, "An event had this role looked at, and no sweep yet."
    for cause, part, found in _PARTS:
        if getattr(last, part) != getattr(look, part):
            return cause, f"A sweep found {found} than when the role was looked at last."
    if last.under != look.under:
        return Cause.FACTS, "The role was looked at last under another configuration, or before a waiver began or ended."
    if last.day != look.day:
        return Cause.FACTS, "Each role is looked at once a day, and once more by a sweep where anything else had it looked at."
    return None, ""
