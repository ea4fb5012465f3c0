"""What a statement misses by each rule: the condition under which it would let in what the organization trusts, and nothing else.

Put into the statement, it is tightened; a Deny of the contrary keeps out the same requests and leaves the statement as its author wrote it.
"""

from collections.abc import Iterator

from doorward.guardrails.rules import (
    COGNITO_GUEST,
    COGNITO_UNSCOPED_POOL,
    OIDC_UNSCOPED_AUDIENCE,
    OIDC_UNSCOPED_SUBJECT,
    ROLES_ANYWHERE_ANY_ANCHOR,
    SAML_UNSCOPED_AUDIENCE,
    SERVICE_FOREIGN_SOURCE,
)
from doorward.guardrails.written import issuer_of
from doorward.iam.assertions import sign_in_page
from doorward.iam.documents import Condition, Statement
from doorward.iam.names import COGNITO, DEFAULT_AUDIENCE
from doorward.iam.search import glob
from doorward.iam.sets import ANY, Budget, Grammar, Many, OutOfBudget, find_text, pattern
from doorward.organization.model import Organization

_CONTRARY = {
    "ArnEquals": "ArnNotEquals",
    "ForAnyValue:StringLike": "ForAllValues:StringNotLike",
    "StringEquals": "StringNotEquals",
    "StringLike": "StringNotLike",
}


def missing_condition(rule: str, statement: Statement, account_id: str, organization: Organization) -> Condition | None:
    """None where it is not known what it would have to say. `account_id`: of the role."""
    issuer = issuer_in(statement)
    if rule == OIDC_UNSCOPED_SUBJECT.id and issuer is not None and (trusted := trusted_subjects(issuer, organization)):
        return Condition("StringLike", f"{issuer}:sub", trusted)
    if rule == OIDC_UNSCOPED_AUDIENCE.id and issuer is not None:
        return Condition("StringEquals", f"{issuer}:aud", trusted_audiences(issuer, organization))
    if rule == COGNITO_GUEST.id:
        return Condition("ForAnyValue:StringLike", f"{COGNITO}:amr", ("authenticated",))
    if rule == COGNITO_UNSCOPED_POOL.id and organization.cognito:
        return Condition("StringEquals", f"{COGNITO}:aud", organization.cognito)
    if rule == SAML_UNSCOPED_AUDIENCE.id and (page := sign_in_page(organization.partition)) is not None:
        return Condition("StringEquals", "SAML:aud", (page,))
    if rule == SERVICE_FOREIGN_SOURCE.id:
        return Condition("StringEquals", "aws:SourceAccount", (account_id,))
    if rule == ROLES_ANYWHERE_ANY_ANCHOR.id and organization.roles_anywhere:
        return Condition("ArnEquals", "aws:SourceArn", organization.roles_anywhere)
    return None


def contrary(condition: Condition) -> Condition:
    """Of a missing condition: what holds of every request that it keeps out, those without the key among them."""
    return condition._replace(operator=_CONTRARY[condition.operator])


def issuer_in(statement: Statement) -> str | None:
    """The issuer whose tokens the statement accepts; None where they are several, or none."""
    issuers = {issuer_of(each) for each in statement.principals or () if each.type == "Federated"}
    return issuers.pop() if len(issuers) == 1 else None


def trusted_subjects(issuer: str, organization: Organization) -> tuple[str, ...]:
    known = organization.issuer(issuer)
    return known.subjects if known is not None else ()


def trusted_audiences(issuer: str, organization: Organization) -> tuple[str, ...]:
    known = organization.issuer(issuer)
    return (known.audiences if known is not None else ()) or (DEFAULT_AUDIENCE,)


def within_both(value: str, trusted: tuple[str, ...]) -> Iterator[str]:
    """Patterns that are proved to lie within `value` and within a trusted subject."""
    for each in trusted:
        for candidate in (each, value, _spliced(value, each)):
            if _is_within(candidate, value) and _is_within(candidate, each):
                yield candidate
                break


def _spliced(value: str, trusted: str) -> str:
    """`repo:*:ref:refs/heads/main` and `repo:acme/*` give `repo:acme/*:ref:refs/heads/main`."""
    return trusted.partition("*")[0] + "*" + value.rpartition("*")[2]


def _is_within(inner: str, outer: str) -> bool:
    try:
        return find_text(_ANY_TEXT, (pattern(glob(inner)),), (pattern(glob(outer)),), Budget()) is None
    except OutOfBudget:
        return False


_ANY_TEXT = Grammar(Many(ANY))
