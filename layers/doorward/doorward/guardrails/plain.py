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
from doorward.guardrails.written import is_guessable, is_saml, issuer_of
from doorward.iam.arns import account_of_principal, is_account_id, parse_arn
from doorward.iam.documents import Principal, Statement
from doorward.iam.invalid import AWS_PRINCIPAL_KINDS
from doorward.iam.names import (
    ASSUME_ROLE,
    CONSTANT_KEYS,
    DEFAULT_AUDIENCE,
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
_BY_TOKEN = frozenset({WITH_SAML, WITH_WEB_IDENTITY})
_SERVICE_ACCOUNT = r"system:serviceaccount:[a-z0-9-]+:[a-z0-9.-]+"
_EVERYBODY = Principal("AWS", "*")
_NOT_OF_ORGANIZATION = frozenset((each, "aws:PrincipalOrgID") for each in ("StringNotEquals", "StringNotEqualsIfExists"))
_NO_SERVICE = frozenset((each, "aws:PrincipalIsAWSService", ("false",)) for each in ("Bool", "BoolIfExists"))
_NO_VALUES: _Values = {}
_MOST_ACCOUNTS = 8_192


def shuts_strangers_out(statement: Statement, ground: Ground) -> bool:
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


def is_narrow(statement: Statement, ground: Ground, *, is_shut: bool = False) -> bool:
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
            if operator in _LITERAL and _has_wildcard("".join(values)):
                return False
            if operator == "StringEquals":
                equal[key] = values
            elif operator == "StringLike":
                like[key] = values
            elif operator == "ForAnyValue:StringLike" and key == "aws:principalorgpaths" and _are_within(values, ground):
                is_shut = True
    kind = principals[0].type
    for principal in principals:
        if principal[0] != kind:
            return False
        if kind == "AWS":
            bound = ASSUME_ROLE in actions and (
                # One of ours that was met before: nothing else is to be asked.
                ground.accounts.get(principal[1]) in ground.ours or _is_of_ours(principal[1], actions, ground, equal, is_shut=is_shut)
            )
        elif kind == "Service":
            bound = ASSUME_ROLE in actions and _acts_for_us(principal[1], ground, equal)
        else:
            bound = kind == "Federated" and _is_signed_in_by_ours(principal, actions, ground, equal, like)
        if not bound:
            return False
    return True


def _has_wildcard(text: str) -> bool:
    return "*" in text or "?" in text


def _is_of_ours(value: str, actions: tuple[str, ...], ground: Ground, equal: _Values, *, is_shut: bool) -> bool:
    if value == "*":
        # Whether `*` means bearers of tokens, too, is not documented.
        if _BY_TOKEN.intersection(actions):
            return False
        return is_shut or _is_bound_to_organization(ground, equal) or _is_bound_to_accounts(ground, equal)
    return _is_of_known_account(value, ground, equal, is_shut=is_shut)


def _is_signed_in_by_ours(principal: Principal, actions: tuple[str, ...], ground: Ground, equal: _Values, like: _Values) -> bool:
    if account_of_principal(principal.value) != ground.account_id:
        return False
    if is_saml(principal):
        listed = ground.organization.saml
        recipients = equal.get("saml:aud", ())
        from doorward.iam.assertions import endpoints  # here: it brings the search with it, and few policies need it

        return (
            WITH_SAML in actions
            and (not listed or principal.value in listed)
            and bool(recipients)
            and all(any(each.matches(text) for each in endpoints(ground.partition)) for text in recipients)
        )
    issuer = issuer_of(principal)
    if issuer is None or WITH_WEB_IDENTITY not in actions:
        return False
    return _is_our_workflow(ground, equal, like) if issuer == GITHUB else _is_service_account(issuer, ground, equal)


def _is_service_account(issuer: str, ground: Ground, equal: _Values) -> bool:
    subjects = equal.get(f"{issuer}:sub".lower(), ())
    return (
        bool(subjects)
        and is_cluster(issuer)
        and ground.organization.issuer(issuer) is None
        and all(re.fullmatch(_SERVICE_ACCOUNT, each, re.ASCII) for each in subjects)
    )


def _is_bound_to_organization(ground: Ground, equal: _Values) -> bool:
    ids = equal.get("aws:principalorgid", ())
    return bool(ids) and ground.organization.id is not None and all(each == ground.organization.id for each in ids)


def _are_within(paths: tuple[str, ...], ground: Ground) -> bool:
    """Whether each is of our organization: a caller has paths of one."""
    inside = f"{ground.organization.id}/"
    return bool(paths) and ground.organization.id is not None and all(each.startswith(inside) and "$" not in each for each in paths)


def _is_bound_to_accounts(ground: Ground, equal: _Values) -> bool:
    accounts = equal.get("aws:principalaccount", ())
    return bool(accounts) and all(each in ground.ours for each in accounts)


def _is_of_known_account(value: str, ground: Ground, equal: _Values, *, is_shut: bool) -> bool:
    account_id = ground.accounts.get(value)
    if account_id is None:
        account_id = _account_of(value, ground.partition)
        if account_id is None:
            return False
        if len(ground.accounts) >= _MOST_ACCOUNTS:
            ground.accounts.clear()
        ground.accounts[value] = account_id
    if is_shut or account_id in ground.ours:
        return True
    if account_id not in ground.trusted:
        return False
    vendor = ground.organization.trusted_account(account_id)
    if vendor is not None and not vendor.external_id_required:
        return True
    ids = equal.get(EXTERNAL_ID, ())
    return bool(ids) and not any(each in value for value in ids for each in "*?$")


def _account_of(value: str, partition: str) -> str | None:
    """Of a principal that IAM stores, of this partition; None for any other."""
    arn = parse_arn(value)
    if arn is None:
        return value if is_account_id(value) else None
    theirs, service, region, account_id, resource = arn
    if theirs != partition or region or _has_wildcard(value) or not is_account_id(account_id):
        return None
    kind, _, rest = resource.partition("/")
    return account_id if resource == "root" or (rest and (service, kind) in AWS_PRINCIPAL_KINDS) else None


def _acts_for_us(service: str, ground: Ground, equal: _Values) -> bool:
    if service == ROLES_ANYWHERE or not service.endswith(SERVICES) or _has_wildcard(service):
        return False
    if service in ground.organization.services:
        return True
    accounts = equal.get("aws:sourceaccount", ())
    return bool(accounts) and all(each in ground.ours or each in ground.trusted for each in accounts)


def _is_our_workflow(ground: Ground, equal: _Values, like: _Values) -> bool:
    issuer = ground.organization.issuer(GITHUB)
    if issuer is None or issuer.claims:
        return False
    audiences = equal.get(f"{GITHUB}:aud", ())
    if not audiences or not all(each in (issuer.audiences or (DEFAULT_AUDIENCE,)) for each in audiences):
        return False
    # "repo:acme/*": whatever begins with what stands before the asterisk.
    owners = tuple([each[:-1] for each in issuer.subjects if each.endswith("/*") and each.count("*") == 1 and "?" not in each])
    subjects = (equal if f"{GITHUB}:sub" in equal else like).get(f"{GITHUB}:sub", ())
    return bool(subjects) and bool(owners) and all("$" not in each and each.startswith(owners) for each in subjects)
