"""Statements that are narrow on the face of it, so that no search is needed. Only ever says so where the search would find nothing.

An Allow statement all of whose principals are bound to ours by what is written: conditions besides can only narrow it further, and so can
every Deny.

| principal                                | narrow where                                                                  |
|------------------------------------------|-------------------------------------------------------------------------------|
| AWS, of an account of ours               | of the role's partition                                                       |
| AWS, `*`                                 | aws:PrincipalOrgID equals our organization's id                               |
| AWS, of a trusted account                | it needs no external ID, or sts:ExternalId equals one that is written out     |
| a service                                | aws:SourceAccount equals accounts of ours                                     |
| GitHub                                   | sub is within owners that are trusted altogether, aud equals a trusted one    |
| SAML provider of ours                    | SAML:aud equals AWS's sign-in page                                            |
"""

from doorward.guardrails.github_worlds import DEFAULT_AUDIENCE
from doorward.guardrails.holes import SERVICES, Asked
from doorward.guardrails.worlds import Ground
from doorward.guardrails.written import is_saml, issuer_of
from doorward.iam.arns import account_of_principal, parse_arn
from doorward.iam.assertions import endpoints
from doorward.iam.callers import GITHUB
from doorward.iam.documents import Principal, Statement
from doorward.iam.services import ROLES_ANYWHERE

type _Values = dict[str, tuple[str, ...]]
_CALLS = frozenset({"sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity"})
_LOWER_CALLS = frozenset(each.lower() for each in _CALLS)
_BY_TOKEN = frozenset({"sts:assumerolewithwebidentity", "sts:assumerolewithsaml"})
_WIDE = frozenset("*?$")


def is_narrow(statement: Statement, ground: Ground, asked: Asked) -> bool:
    """Whether it is plain that none of the asked rules finds anything, or leaves anything undecided."""
    if asked.custom or asked.privileged or statement.actions is None:
        return False
    for each in statement.actions:
        if each not in _CALLS and each.lower() not in _LOWER_CALLS:
            return False
    equal: dict[str, tuple[str, ...]] = {}
    like: dict[str, tuple[str, ...]] = {}
    for operator, key, values in statement.conditions:
        if operator == "StringEquals":
            equal[key.lower()] = values
        elif operator == "StringLike":
            like[key.lower()] = values
    return all(_is_bound(each, statement, ground, equal, like) for each in statement.principals or ())


def _is_bound(principal: Principal, statement: Statement, ground: Ground, equal: _Values, like: _Values) -> bool:
    kind, value = principal
    if kind == "AWS":
        return _is_bound_to_organization(statement, ground, equal) if value == "*" else _is_of_known_account(value, ground, equal)
    if kind == "Service":
        return value.endswith(SERVICES) and value != ROLES_ANYWHERE and _acts_for_us(value, ground, equal)
    if kind != "Federated":
        return False
    if is_saml(principal):
        listed = ground.organization.saml
        known = value in listed if listed else account_of_principal(value) == ground.account_id
        recipients = equal.get("saml:aud", ())
        return known and bool(recipients) and all(any(each.matches(text) for each in endpoints(ground.partition)) for text in recipients)
    return issuer_of(principal) == GITHUB and _is_our_workflow(ground, equal, like)


def _is_bound_to_organization(statement: Statement, ground: Ground, equal: _Values) -> bool:
    for each in statement.actions or ():
        if each.lower() in _BY_TOKEN:
            return False
    ids = equal.get("aws:principalorgid", ())
    return bool(ids) and ground.organization.id is not None and all(each == ground.organization.id for each in ids)


def _is_of_known_account(value: str, ground: Ground, equal: _Values) -> bool:
    arn = parse_arn(value)
    if arn is None:
        account_id = value
    elif arn.partition == ground.partition:
        account_id = arn.account_id
    else:
        return False
    if account_id in ground.ours:
        return True
    if account_id not in ground.trusted:
        return False
    vendor = ground.organization.trusted_account(account_id)
    if vendor is not None and not vendor.external_id_required:
        return True
    ids = equal.get("sts:externalid", ())
    return bool(ids) and _are_written_out(ids)


def _acts_for_us(service: str, ground: Ground, equal: _Values) -> bool:
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


def _are_written_out(values: tuple[str, ...]) -> bool:
    return all(_WIDE.isdisjoint(each) for each in values)
