"""The sentence of each finding: who could come in, by which statement, and what would stop him. It never holds an external ID's value."""

from collections.abc import Callable

from doorward.guardrails import rules
from doorward.guardrails.rules import RuleText
from doorward.guardrails.worlds import Shown
from doorward.guardrails.written import issuer_of
from doorward.iam.arns import account_of_principal
from doorward.iam.assertions import sign_in_page
from doorward.iam.documents import Condition, Principal, Statement
from doorward.iam.names import DEFAULT_AUDIENCE, EXTERNAL_ID, GITHUB
from doorward.iam.wording import shortened
from doorward.organization.model import Organization
from doorward.values import NamedTuple


class Told(NamedTuple):
    """What a sentence is made of."""

    statement: Statement
    principal: Principal
    shown: Shown
    organization: Organization


def explain(rule: RuleText, told: Told) -> str:
    """What follows `Statement 0 (…)` in the sentence: who comes in, and what is missing."""
    return _SENTENCES[rule.id](told)


def _world(told: Told) -> str:
    return (
        f"lets every AWS account in, {told.shown.account_id} as well as any other: {_no_tie(told)}; "
        "name the principals that need this role, or require aws:PrincipalOrgID to be your organization's."
    )


def _external(told: Told) -> str:
    return (
        f"lets account {told.shown.account_id} in, which is neither {_ours(told.organization)} nor trusted: "
        f"{_tie(told)}; remove it, or list the account under trusted.accounts if it is meant to come in."
    )


def _elsewhere(told: Told) -> str:
    return (
        f"lets any account of organization {told.shown.org_id} in, {_not_ours(told.organization)}: "
        f"{_tie(told)}; require aws:PrincipalOrgID to be exactly your organization's id."
    )


def _vendor(told: Told) -> str:
    return _explain_vendor(told.statement, told.shown, told.organization)


def _whole_account(told: Told) -> str:
    return (
        f"lets whichever principal of account {told.shown.account_id} in, and this role is privileged: "
        "name the roles that need it, or require aws:PrincipalArn to be one of them."
    )


def _strangers(told: Told) -> str:
    issuer = issuer_of(told.principal) or ""
    subject, _ = _claims(told.principal, told.shown)
    if issuer == GITHUB:
        return (
            f"accepts tokens of GitHub repositories that are not trusted, for one {shortened(subject)}: "
            f"{_about_subjects(told)}; "
            "pin sub to repo:OWNER/REPOSITORY:… of yours under StringLike or StringEquals."
        )
    return (
        f"accepts tokens of {shortened(issuer)} that are not trusted, for one {shortened(subject)}: "
        f"{_about_subjects(told)}; "
        f"pin {shortened(issuer)}:sub to what is yours, up to the separator that ends it."
    )


def _audience(told: Told) -> str:
    _, audience = _claims(told.principal, told.shown)
    issuer = issuer_of(told.principal)
    whose = "workflow's" if issuer == GITHUB else "caller's"
    return (
        f"accepts a trusted {whose} token that was made for another audience, for one {shortened(audience)}: require "
        f"{issuer}:aud to equal {_audiences(told)}, so that a token leaked elsewhere is no key to this role."
    )


def _pull_request(told: Told) -> str:
    subject, _ = _claims(told.principal, told.shown)
    return (
        f"accepts {shortened(subject)}, and this role is privileged: whoever may push a branch can open a "
        "pull request that runs as this role before anybody has read it; pin sub to the branch or the environment that deploys."
    )


def _cluster(told: Told) -> str:
    subject, _ = _claims(told.principal, told.shown)
    return (
        f"lets pods of any namespace of the cluster in, for one {shortened(subject)}: "
        f"{_about_subjects(told, 'a namespace')}; pin sub to system:serviceaccount:NAMESPACE:NAME."
    )


def _pool(told: Told) -> str:
    _, audience = _claims(told.principal, told.shown)
    return (
        f"accepts identities of identity pools that are not yours, for one {shortened(audience)}, and anybody can make such a "
        "pool: require StringEquals cognito-identity.amazonaws.com:aud to be the id of your pool."
    )


def _guest(_: Told) -> str:
    return (
        "lets guests in, who have signed in nowhere: require ForAnyValue:StringLike cognito-identity.amazonaws.com:amr to be authenticated."
    )


def _recipient(told: Told) -> str:
    page = sign_in_page(told.organization.partition)
    return (
        f"accepts an assertion that was made for another application, for one {told.shown.witness.context['SAML:aud']}: "
        f"require StringEquals SAML:aud to be AWS's sign-in page{'' if page is None else f', {page}'}."
    )


def _any_user(told: Told) -> str:
    return (
        f"lets every user of {shortened(told.principal.value)} in, and this role is privileged: require an attribute that "
        "only those have who need it, or a session tag that the provider sets."
    )


def _anchor(told: Told) -> str:
    return (
        f"lets certificates of every trust anchor of the account in, for one {told.shown.witness.context['aws:SourceArn']}: "
        "require ArnEquals aws:SourceArn to be the anchor that this role is for."
    )


def _foreign_source(told: Told) -> str:
    service = shortened(told.principal.value)
    return (
        f"lets {service} in on behalf of account {told.shown.account_id}, which is neither {_ours(told.organization)} "
        "nor trusted: require StringEquals aws:SourceAccount to be the account whose resources use this role."
    )


def _deputy(told: Told) -> str:
    service = shortened(told.principal.value)
    return (
        f"lets {service} in whomever it acts for; services check that who hands them a role is of its account, so this is a "
        "second lock: where the service documents that it sends them, require aws:SourceAccount or aws:SourceArn, and nowhere else."
    )


_SENTENCES: dict[str, Callable[[Told], str]] = {
    rules.WORLD_ASSUMABLE.id: _world,
    rules.EXTERNAL_ACCOUNT.id: _external,
    rules.OUTSIDE_ORGANIZATION.id: _elsewhere,
    rules.VENDOR_WITHOUT_EXTERNAL_ID.id: _vendor,
    rules.WHOLE_OWN_ACCOUNT.id: _whole_account,
    rules.WHOLE_VENDOR_ACCOUNT.id: _whole_account,
    rules.OIDC_UNSCOPED_SUBJECT.id: _strangers,
    rules.OIDC_UNSCOPED_AUDIENCE.id: _audience,
    rules.OIDC_PULL_REQUEST.id: _pull_request,
    rules.CLUSTER_ANY_SERVICE_ACCOUNT.id: _cluster,
    rules.COGNITO_UNSCOPED_POOL.id: _pool,
    rules.COGNITO_GUEST.id: _guest,
    rules.SAML_UNSCOPED_AUDIENCE.id: _recipient,
    rules.SAML_ANY_USER.id: _any_user,
    rules.ROLES_ANYWHERE_ANY_ANCHOR.id: _anchor,
    rules.SERVICE_FOREIGN_SOURCE.id: _foreign_source,
    rules.SERVICE_CONFUSED_DEPUTY.id: _deputy,
}


def _explain_vendor(statement: Statement, shown: Shown, organization: Organization) -> str:
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
        f"lets vendor account {shown.account_id}{name} in and {what}, so another customer of that vendor could have it act on this "
        "role; require StringEquals sts:ExternalId with the id that the vendor gave to you alone."
    )


def _ours(organization: Organization) -> str:
    return "of this organization" if organization.id is not None else "the role's own account"


def _not_ours(organization: Organization) -> str:
    if organization.id is None:
        return "and no organization is known to be yours"
    return f"which is not yours ({organization.id})"


def _tie(told: Told) -> str:
    """What admits the caller."""
    if account_of_principal(told.principal.value) is not None:
        return f"its Principal names {shortened(told.principal.value)}"
    conditions = _about_callers(told)
    if not conditions:
        return "its Principal is everybody, and nothing excludes this caller"
    return f"its Principal is everybody, and {' and '.join(conditions)} {'admits' if len(conditions) == 1 else 'admit'} this caller"


def _no_tie(told: Told) -> str:
    who = f"its Principal is {shortened(told.principal.value)}"
    if not told.statement.conditions:
        return f"{who} and no condition narrows it"
    return f"{who}, and a caller of any account can satisfy {_listed(told)}"


def _about_callers(told: Told) -> list[str]:
    keys = [each for each in told.statement.conditions if each.key.lower().startswith("aws:principal") or each.key.lower() == "aws:userid"]
    return list(dict.fromkeys(_met(each, told.shown) for each in keys))


def _listed(told: Told) -> str:
    texts = list(dict.fromkeys(_met(each, told.shown) for each in told.statement.conditions))
    more = [f"{len(texts) - 3} more"] * (len(texts) > 3)  # noqa: PLR2004 - as many as a sentence can carry
    return " and ".join(texts[:3] + more)


def _met(condition: Condition, shown: Shown) -> str:
    """A condition that the caller meets, and that he has not got the key, where that is how: an absent key satisfies some operators."""
    text = f"{condition.operator} {shortened(condition.key)}"
    absent = {each.lower() for each in shown.witness.absent}
    return f"{text} (met where the key is absent)" if condition.key.lower() in absent else text


def _claims(principal: Principal, shown: Shown) -> tuple[str, str]:
    """Keys compare without case, and a cluster's issuer has capital letters."""
    issuer = (issuer_of(principal) or "").lower()
    context = {key.lower(): value for key, value in shown.witness.context.items()}
    return str(context.get(f"{issuer}:sub", "")), str(context.get(f"{issuer}:aud", ""))


def _about_subjects(told: Told, what: str = "an owner that is trusted") -> str:
    key = f"{issuer_of(told.principal)}:sub".lower()
    conditions = [each for each in told.statement.conditions if each.key.lower() == key]
    if not conditions:
        return "no condition asks for the token's sub"
    listed = " and ".join(f"{each.operator} {_some(each.values)}" for each in conditions)
    return f"its condition on sub, {listed}, does not pin {what}"


def _some(values: tuple[str, ...]) -> str:
    """As many as a sentence can carry."""
    return ", ".join([*map(shortened, values[:2]), *["…"] * (len(values) > 2)])  # noqa: PLR2004


def _audiences(told: Told) -> str:
    issuer = told.organization.issuer(issuer_of(told.principal) or "")
    return " or ".join(map(shortened, (issuer.audiences if issuer is not None else ()) or (DEFAULT_AUDIENCE,)))
