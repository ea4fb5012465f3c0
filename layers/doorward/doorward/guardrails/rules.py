"""The rules: what each is called, how bad it is, and how its findings are put into words.

A sentence says who could come in, by which statement, and what would stop him. It never holds a value of an external ID.
"""

from typing import NamedTuple

from doorward.findings.model import Severity
from doorward.guardrails.worlds import DEFAULT_AUDIENCE, Shown, issuer_of
from doorward.iam.arns import account_of_principal
from doorward.iam.callers import EXTERNAL_ID, GITHUB
from doorward.iam.documents import Principal, Statement
from doorward.organization.model import Organization

LONGEST_QUOTE = 80


class RuleText(NamedTuple):
    """`severity` is what counts where the configuration says nothing."""

    id: str
    severity: Severity
    title: str


WORLD_ASSUMABLE = RuleText("world-assumable", Severity.CRITICAL, "Anybody with an AWS account can assume this role")
EXTERNAL_ACCOUNT = RuleText("external-account", Severity.HIGH, "An account that is neither ours nor trusted can assume this role")
OUTSIDE_ORGANIZATION = RuleText("outside-organization", Severity.HIGH, "Accounts of another organization can assume this role")
VENDOR_WITHOUT_EXTERNAL_ID = RuleText(
    "vendor-without-external-id", Severity.HIGH, "A vendor can be made to assume this role for another of its customers"
)
OIDC_UNSCOPED_SUBJECT = RuleText("oidc-unscoped-subject", Severity.CRITICAL, "Workflows of strangers can assume this role")
OIDC_UNSCOPED_AUDIENCE = RuleText(
    "oidc-unscoped-audience", Severity.MEDIUM, "Tokens that were made for something else can be used to assume this role"
)
ALL_RULES = {
    each.id: each
    for each in (
        WORLD_ASSUMABLE,
        EXTERNAL_ACCOUNT,
        OUTSIDE_ORGANIZATION,
        VENDOR_WITHOUT_EXTERNAL_ID,
        OIDC_UNSCOPED_SUBJECT,
        OIDC_UNSCOPED_AUDIENCE,
    )
}


def shortened(text: str) -> str:
    """Raw text of others, at a length that a sentence can carry. Whoever shows it escapes it."""
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 1]}…"


def named(statement: Statement) -> str:
    """`Statement 0 ("AllowCI")`, counted from 0 as in findings."""
    return f"Statement {statement.position}" + ("" if statement.sid is None else f' ("{shortened(statement.sid)}")')


def explain(rule: RuleText, statement: Statement, principal: Principal, shown: Shown, organization: Organization) -> str:
    """One sentence: who, by which statement, what is missing."""
    where = named(statement)
    if rule is WORLD_ASSUMABLE:
        return (
            f"{where} lets every AWS account in, {shown.account_id} as well as any other: {_no_tie(statement, principal)}; "
            "name the principals that need this role, or require aws:PrincipalOrgID to be your organization's."
        )
    if rule is EXTERNAL_ACCOUNT:
        return (
            f"{where} lets account {shown.account_id} in, which is neither {_ours(organization)} nor trusted: "
            f"{_tie(statement, principal)}; remove it, or list the account under trusted.accounts if it is meant to come in."
        )
    if rule is OUTSIDE_ORGANIZATION:
        return (
            f"{where} lets any account of organization {shown.org_id} in, {_not_ours(organization)}: {_tie(statement, principal)}; "
            "require aws:PrincipalOrgID to be exactly your organization's id."
        )
    if rule is VENDOR_WITHOUT_EXTERNAL_ID:
        return _explain_vendor(where, statement, shown, organization)
    subject, audience = _claims(principal, shown)
    if rule is OIDC_UNSCOPED_SUBJECT:
        return (
            f"{where} accepts tokens of GitHub repositories that are not trusted, for one {shortened(subject)}: "
            f"{_about_subjects(statement, principal)}; pin sub to repo:OWNER/REPOSITORY:… of yours under StringLike or StringEquals."
        )
    return (
        f"{where} accepts a trusted workflow's token that was made for another audience, for one {shortened(audience)}: "
        f"require {issuer_of(principal)}:aud to equal {_audiences(organization)}, so that a token leaked elsewhere is no key to this role."
    )


def _explain_vendor(where: str, statement: Statement, shown: Shown, organization: Organization) -> str:
    vendor = organization.trusted_account(shown.account_id or "")
    name = f" ({shortened(vendor.name)})" if vendor is not None and vendor.name else ""
    conditions = [each for each in statement.conditions if each.key.lower() == EXTERNAL_ID]
    if not conditions:
        what = "asks for no sts:ExternalId"
    elif "sts:ExternalId" in shown.witness.absent:
        what = f"is content without one ({conditions[0].operator} does not require the key)"
    else:
        what = f"accepts others than the one that is yours ({conditions[0].operator})"
    return (
        f"{where} lets vendor account {shown.account_id}{name} in and {what}, so another customer of that vendor could have it act on this "
        "role; require StringEquals sts:ExternalId with the id that the vendor gave to you alone."
    )


def _ours(organization: Organization) -> str:
    return "of this organization" if organization.id is not None else "the role's own account"


def _not_ours(organization: Organization) -> str:
    if organization.id is None:
        return "and no organization is known to be yours"
    return f"which is not yours ({organization.id})"


def _tie(statement: Statement, principal: Principal) -> str:
    """What admits the caller."""
    if account_of_principal(principal.value) is not None:
        return f"its Principal names {shortened(principal.value)}"
    conditions = _about_callers(statement)
    return "its Principal is everybody, and " + (f"{conditions} admits this caller" if conditions else "nothing excludes this caller")


def _no_tie(statement: Statement, principal: Principal) -> str:
    if not statement.conditions:
        return f"its Principal is {shortened(principal.value)} and no condition narrows it"
    return f"its Principal is {shortened(principal.value)}, and a caller of any account can satisfy {_listed(statement)}"


def _about_callers(statement: Statement) -> str:
    keys = [each for each in statement.conditions if each.key.lower().startswith("aws:principal") or each.key.lower() == "aws:userid"]
    return " and ".join(dict.fromkeys(f"{each.operator} {shortened(each.key)}" for each in keys))


def _listed(statement: Statement) -> str:
    texts = list(dict.fromkeys(f"{each.operator} {shortened(each.key)}" for each in statement.conditions))
    more = [f"{len(texts) - 3} more"] * (len(texts) > 3)  # noqa: PLR2004 - as many as a sentence can carry
    return " and ".join(texts[:3] + more)


def _claims(principal: Principal, shown: Shown) -> tuple[str, str]:
    issuer = issuer_of(principal)
    context = shown.witness.context
    return str(context.get(f"{issuer}:sub", "")), str(context.get(f"{issuer}:aud", ""))


def _about_subjects(statement: Statement, principal: Principal) -> str:
    issuer = issuer_of(principal)
    conditions = [each for each in statement.conditions if each.key.lower() == f"{issuer}:sub"]
    if not conditions:
        return "no condition asks for the token's sub"
    values = [shortened(value) for each in conditions for value in each.values]
    listed = ", ".join(values[:2] + ["…"] * (len(values) > 2))  # noqa: PLR2004 - as many as a sentence can carry
    return f"its condition on sub, {conditions[0].operator} {listed}, does not pin an owner that is trusted"


def _audiences(organization: Organization) -> str:
    issuer = organization.issuer(GITHUB)
    return " or ".join(map(shortened, (issuer.audiences if issuer is not None else ()) or (DEFAULT_AUDIENCE,)))
