"""Statements that are narrow on the face of it, so that no search is needed. Only ever says so where nothing at all would be found.

It allows calls that are spelled out, to principals of one type that are bound to ours by what is written, under conditions
that IAM stores and no rule about text minds: whatever else they ask for can only narrow further.

| principal                                | narrow where                                                                  |
|------------------------------------------|-------------------------------------------------------------------------------|
| AWS, of an account of ours               | of the role's partition                                                       |
| AWS, `*`                                 | aws:PrincipalOrgID equals our organization's id, or aws:PrincipalAccount ours |
| AWS, whoever                             | one of aws:PrincipalOrgPaths is within our organization                       |
| AWS, of a trusted account                | it needs no external ID, or sts:ExternalId equals one that is written out     |
| AWS, whoever                             | a Deny beside it keeps out who is not of our organization                     |
| a service                                | aws:SourceAccount equals accounts of ours                                     |
| GitHub                                   | sub is within owners that are trusted altogether, aud equals a trusted one    |
| the issuer of a cluster                  | sub equals service accounts that are written out                              |
| SAML provider of ours                    | SAML:aud equals AWS's sign-in page                                            |
"""

import re

from doorward.guardrails.setting import Ground
from doorward.guardrails.written import is_guessable
from doorward.iam.arns import is_account_id, is_visible
from doorward.iam.documents import PlainStatement, Principal
from doorward.iam.invalid import AWS_PRINCIPAL_KINDS
from doorward.iam.names import (
    ASSUME_ROLE,
    CONSTANT_KEYS,
    EXTERNAL_ID,
    GITHUB,
    ROLES_ANYWHERE,
    SERVICES,
    WITH_SAML,
    WITH_WEB_IDENTITY,
    is_cluster,
)

type _Values = dict[str, tuple[str, ...]]
_CALLS = frozenset({ASSUME_ROLE, WITH_WEB_IDENTITY, WITH_SAML, "sts:TagSession", "sts:SetSourceIdentity"})
_LITERAL = frozenset({"StringEquals", "StringEqualsIfExists", "StringNotEquals"})
_KNOWN = _LITERAL | {
    "StringLike",
    "ArnLike",
    "ArnEquals",
    "Bool",
    "BoolIfExists",
    "IpAddress",
    "Null",
    "NumericLessThan",
    "ForAnyValue:StringLike",
}
_SUBJECT = f"{GITHUB}:sub"
_AUDIENCE = f"{GITHUB}:aud"
_BY_TOKEN = frozenset({WITH_SAML, WITH_WEB_IDENTITY})
_SERVICE_ACCOUNT = r"system:serviceaccount:[a-z0-9-]+:[a-z0-9.-]+"
_EVERYBODY = Principal("AWS", "*")
_NOT_OF_ORGANIZATION = frozenset((each, "aws:PrincipalOrgID") for each in ("StringNotEquals", "StringNotEqualsIfExists"))
_NO_SERVICE = frozenset((each, "aws:PrincipalIsAWSService", ("false",)) for each in ("Bool", "BoolIfExists"))
_NO_VALUES: _Values = {}
_ARN_PARTS = 6
_ACCOUNT_ID_DIGITS = 12
_EMPTY_NAME = len(":role/")


def shuts_strangers_out(statement: PlainStatement, ground: Ground) -> bool:
    """Whether this is a Deny of everybody who is not of our organization: no AWS principal of another one takes the role."""
    _, _, effect, principals, _, actions, _, _, _, conditions = statement
    if effect != "Deny" or _EVERYBODY not in (principals or ()) or ground.organization.id is None:
        return False
    if not {"sts:AssumeRole", "sts:*"}.intersection(actions or ()):
        return False
    by_organization = False
    for operator, key, values in conditions:
        if (operator, key) in _NOT_OF_ORGANIZATION and values == (ground.organization.id,):
            by_organization = True
        elif (operator, key, values) not in _NO_SERVICE:
            return False
    return by_organization


def is_narrow(statement: PlainStatement, ground: Ground, *, is_shut: bool = False) -> bool:
    """Whether it is plain that IAM stores the statement, that nothing is found of it, and that it leaves nothing undecided.

    `is_shut`: strangers are shut out, by a Deny beside it; a condition may do so, too.
    """
    _, _, effect, principals, _, actions, _, resources, not_resources, conditions = statement
    if effect != "Allow" or not principals or not actions or resources is not None or not_resources is not None:
        return False
    if not _CALLS.issuperset(actions):
        return False
    equal = like = _NO_VALUES
    if conditions:
        equal, like = {}, {}
        for operator, written, values in conditions:
            key = written.lower()
            if operator not in _KNOWN or key in CONSTANT_KEYS or (key == EXTERNAL_ID and any(map(is_guessable, values))):
                return False
            if operator in _LITERAL:
                text = values[0] if len(values) == 1 else "".join(values)
                if "*" in text or "?" in text:
                    return False
                if operator == "StringEquals":
                    equal[key] = values
            elif operator == "StringLike":
                like[key] = values
            elif operator == "ForAnyValue:StringLike" and key == "aws:principalorgpaths" and _are_within(values, ground):
                is_shut = True
    kind = principals[0][0]
    if kind != "Federated" and ASSUME_ROLE not in actions:
        return False
    for its_kind, value in principals:
        if its_kind != kind:
            return False
        if kind == "AWS":
            if value != "*" and _is_of_ours(value, ground):
                continue
            account_id = _account_of(value, ground.partition)
            if account_id not in ground.ours and not _is_admitted(value, account_id, actions, ground, equal, is_shut=is_shut):
                return False
        elif kind == "Service":
            if not _acts_for_us(value, ground, equal):
                return False
        elif kind != "Federated" or not _is_signed_in_by_ours(value, actions, ground, equal, like):
            return False
    return True


def _is_admitted(value: str, account_id: str | None, actions: tuple[str, ...], ground: Ground, equal: _Values, *, is_shut: bool) -> bool:
    """Somebody who is of no account of ours by his name."""
    if value == "*":
        # Whether `*` means bearers of tokens, too, is not documented.
        if _BY_TOKEN.intersection(actions):
            return False
        return is_shut or _is_bound_to_organization(ground, equal) or _is_bound_to(ground.ours, equal.get("aws:principalaccount", ()))
    if account_id is None:
        return False
    if is_shut:
        return True
    if account_id not in ground.trusted:
        return False
    if account_id not in ground.asked_for_external_id:
        return True
    ids = "".join(equal.get(EXTERNAL_ID, ()))  # of an asterisk or a question mark among them this is not reached
    return bool(ids) and "$" not in ids


def _is_of_ours(value: str, ground: Ground) -> bool:
    """Whether this is the root, a role or a user of an account of ours; of whatever else `_account_of` tells the account."""
    end = ground.arn_end
    if value[:end] not in ground.our_arns:
        return False
    rest = value[end:]
    return rest == ":root" or (rest.startswith((":role/", ":user/")) and len(rest) > _EMPTY_NAME and _is_name(rest))


def _account_of(value: str, partition: str) -> str | None:
    """Of a principal that IAM stores, of this partition; None for any other."""
    if len(value) == _ACCOUNT_ID_DIGITS:
        return value if is_account_id(value) else None
    parts = value.split(":", _ARN_PARTS - 1)  # as `parse_arn`, which remembers: most are seen once
    if len(parts) != _ARN_PARTS:
        return None
    arn, theirs, service, region, account_id, resource = parts
    if arn != "arn" or theirs != partition or region or not is_account_id(account_id):
        return None
    if resource == "root":
        return account_id if service == "iam" else None
    kind, _, name = resource.partition("/")
    return account_id if name and (service, kind) in AWS_PRINCIPAL_KINDS and _is_name(name) else None


def _is_name(text: str) -> bool:
    return "*" not in text and "?" not in text and is_visible(text)


def _is_signed_in_by_ours(provider: str, actions: tuple[str, ...], ground: Ground, equal: _Values, like: _Values) -> bool:
    if not provider.startswith(ground.own_arns):
        return False
    kind, _, name = provider[len(ground.own_arns) :].partition("/")
    if kind == "oidc-provider":
        if WITH_WEB_IDENTITY not in actions:
            return False
        return _is_our_workflow(ground, equal, like) if name == GITHUB else _is_service_account(name, ground, equal)
    listed = ground.organization.saml
    recipients = equal.get("saml:aud", ())
    if kind != "saml-provider" or WITH_SAML not in actions or (listed and provider not in listed) or not recipients:
        return False
    from doorward.iam.assertions import endpoints  # here: it brings the search with it, and few policies need it

    return all(any(each.matches(text) for each in endpoints(ground.partition)) for text in recipients)


def _is_service_account(issuer: str, ground: Ground, equal: _Values) -> bool:
    subjects = equal.get(f"{issuer}:sub".lower(), ())
    return (
        bool(subjects)
        and is_cluster(issuer)
        and ground.organization.issuer(issuer) is None
        and all(re.fullmatch(_SERVICE_ACCOUNT, each, re.ASCII) for each in subjects)
    )


def _is_bound_to_organization(ground: Ground, equal: _Values) -> bool:
    return ground.organization.id is not None and equal.get("aws:principalorgid") == (ground.organization.id,)


def _are_within(paths: tuple[str, ...], ground: Ground) -> bool:
    """Whether each is of our organization: a caller has paths of one."""
    inside = f"{ground.organization.id}/"
    return bool(paths) and ground.organization.id is not None and all(each.startswith(inside) and "$" not in each for each in paths)


def _is_bound_to(known: frozenset[str], accounts: tuple[str, ...]) -> bool:
    return bool(accounts) and known.issuperset(accounts)


def _acts_for_us(service: str, ground: Ground, equal: _Values) -> bool:
    is_for_us = _is_bound_to(ground.known, equal.get("aws:sourceaccount", ())) or service in ground.organization.services
    return is_for_us and service != ROLES_ANYWHERE and service.endswith(SERVICES) and "*" not in service and "?" not in service


def _is_our_workflow(ground: Ground, equal: _Values, like: _Values) -> bool:
    subjects = (equal if _SUBJECT in equal else like).get(_SUBJECT, ())
    audiences = equal.get(_AUDIENCE, ())
    if not subjects or not audiences or not ground.github_audiences.issuperset(audiences):
        return False
    for each in subjects:  # noqa: SIM110 - a generator costs more than the look
        if "$" in each or not each.startswith(ground.github_owners):
            return False
    return True
