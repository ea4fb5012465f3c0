"""The preventive twins of guardrails: what AWS itself can refuse, as resource and service control policies of the organization.

No reaction is quicker than somebody who creates a role and assumes it in the next second; an RCP refuses the call itself. AWS wants of it:
`Effect` Deny, `Principal` "*", no NotPrincipal and no NotAction, `Version` 2012-10-17, at most 5120 characters with white space counted:
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps_syntax.html
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
STS is among the services that RCPs bind; resources of the management account and service-linked roles are not bound:
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
The claims of web identities count in RCPs as in trust policies:
https://aws.amazon.com/about-aws/whats-new/2026/01/aws-sts-supports-validation-identity-provider-claims/

Who carries which key decides the form of every statement:

* Bearers of tokens and assertions are in no organization, so `aws:PrincipalOrgID` stands only at `sts:AssumeRole`, which they do not call.
* A token has the keys of its own issuer and of no other, so that the presence of `ISSUER:sub` tells whose it is. `aws:FederatedProvider`
  would be handier, and AWS documents it for sessions only, not for the call that opens one.
* Not every service says for whom it acts. Only where `aws:SourceAccount` is there, the organization is asked for.
* An identity of Amazon Cognito has its pool in `aud`: https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from doorward.errors import Misconfigured
from doorward.guardrails.model import Guardrails, Mode
from doorward.guardrails.rules import (
    COGNITO_GUEST,
    COGNITO_UNSCOPED_POOL,
    EXTERNAL_ACCOUNT,
    OIDC_UNSCOPED_AUDIENCE,
    OIDC_UNSCOPED_SUBJECT,
    OUTSIDE_ORGANIZATION,
    SERVICE_FOREIGN_SOURCE,
    VENDOR_WITHOUT_EXTERNAL_ID,
    WORLD_ASSUMABLE,
)
from doorward.iam.documents import VERSION_2012
from doorward.iam.names import ASSUME_ROLE, COGNITO, DEFAULT_AUDIENCE, GITHUB, WITH_WEB_IDENTITY
from doorward.organization.installation import REMEDY_ROLE, ROLE_PATH
from doorward.organization.model import Organization, TrustedIssuer
from doorward.values import NamedTuple

Policy = Literal["rcp", "scp"]
LONGEST_POLICY = 5120
"""Characters of one RCP or SCP; Organizations counts white space too."""

OIDC_UNLISTED_ISSUER = "oidc-unlisted-issuer"
TRUST_WRITERS = "trust-writers"

TWINS = (
    WORLD_ASSUMABLE.id,
    EXTERNAL_ACCOUNT.id,
    OUTSIDE_ORGANIZATION.id,
    VENDOR_WITHOUT_EXTERNAL_ID.id,
    OIDC_UNSCOPED_SUBJECT.id,
    OIDC_UNSCOPED_AUDIENCE.id,
    OIDC_UNLISTED_ISSUER,
    COGNITO_UNSCOPED_POOL.id,
    COGNITO_GUEST.id,
    SERVICE_FOREIGN_SOURCE.id,
    TRUST_WRITERS,
)
"""Every guardrail that can have a twin, in the order in which they are told."""
ONLY_ON_REQUEST = (OIDC_UNLISTED_ISSUER,)

NOT_COVERED = (
    "RCPs and SCPs do not bind the management account: what stands in it is judged after the fact only.",
    "They do not bind service-linked roles, which nobody can edit either.",
    "A service that does not say for whom it acts passes: who can name a role to it is decided by iam:PassRole.",
    "Nothing here restricts sts:AssumeRoleWithSAML; who may change identity providers is for the SCP.",
)

Statement = Mapping[str, Any]
Condition = Mapping[str, Mapping[str, Any]]
"""Operator → key → values."""


class Twin(NamedTuple):
    """What prevents that a guardrail is ever broken. Without `statements` there is none, and `because` says why.

    Several guardrails can have a statement in common. `remaining` is what the statements cannot refuse though the guardrail forbids it.
    """

    rule: str
    policy: Policy
    statements: tuple[Statement, ...] = ()
    because: str | None = None
    remaining: str | None = None


class Choice(NamedTuple):
    """What somebody asked for. `deployers`: ARNs, with wildcards, of the roles that deploy Doorward."""

    with_rules: frozenset[str] = frozenset()
    without_rules: frozenset[str] = frozenset()
    scp: bool = False
    deployers: tuple[str, ...] = ()


def twins(organization: Organization, guardrails: Guardrails, choice: Choice) -> tuple[Twin, ...]:
    """One twin a guardrail. Raises Misconfigured where there is no organization: only an organization has RCPs and SCPs."""
    if organization.id is None:
        raise Misconfigured("organization: missing, and only an organization has RCPs and SCPs; give its id (o-…)")
    outsiders = _outsiders(organization)
    found = [
        Twin(WORLD_ASSUMABLE.id, "rcp", (outsiders,)),
        Twin(EXTERNAL_ACCOUNT.id, "rcp", (outsiders,)),
        Twin(OUTSIDE_ORGANIZATION.id, "rcp", (outsiders,)),
        _vendors(organization),
        _subjects(organization),
        _audiences(organization),
        _unlisted(organization, wanted=OIDC_UNLISTED_ISSUER in choice.with_rules),
        _pools(organization),
        _guests(),
        _services(organization),
    ]
    if choice.scp:
        found.append(_trust_writers(organization, choice.deployers))
    return tuple(_as_chosen(each, guardrails, choice) for each in found)


def _as_chosen(twin: Twin, guardrails: Guardrails, choice: Choice) -> Twin:
    rule = guardrails.rules.get(twin.rule)
    if twin.rule in choice.without_rules:
        return Twin(twin.rule, twin.policy, because="left out, as you asked.")
    if rule is not None and rule.mode is Mode.OBSERVE:
        return Twin(twin.rule, twin.policy, because="guardrails.yaml only observes this rule, so nobody is kept out by it.")
    return twin


def documents(found: Iterable[Twin], policy: Policy) -> tuple[dict[str, Any], ...]:
    """The statements of one kind of policy, in as few documents as their size allows; each statement once.

    Raises Misconfigured where one statement alone is too long.
    """
    statements = {each["Sid"]: each for twin in found if twin.policy == policy for each in twin.statements}
    packed: list[dict[str, Any]] = []
    for each in statements.values():
        if packed and len(compact(grown := _document([*packed[-1]["Statement"], each]))) <= LONGEST_POLICY:
            packed[-1] = grown
            continue
        packed.append(_document([each]))
        length = len(compact(packed[-1]))
        if length > LONGEST_POLICY:
            raise Misconfigured(
                f"statement {each['Sid']} has {length} characters, and an {policy.upper()} holds {LONGEST_POLICY}: its lists cannot be "
                "divided among policies; use fewer entries, or wildcards"
            )
    return tuple(packed)


def _document(statements: list[Statement]) -> dict[str, Any]:
    return {"Version": VERSION_2012, "Statement": statements}


def compact(document: Mapping[str, Any]) -> str:
    """As it is handed to AWS Organizations: ASCII, without white space."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True)


def sid_of(rule: str, number: int = 1) -> str:
    """`oidc-unscoped-subject`, 2 → `OidcUnscopedSubject2`: a Sid takes letters and digits."""
    return "".join(each.capitalize() for each in rule.split("-")) + (str(number) if number > 1 else "")


def _deny(sid: str, action: str, condition: Condition) -> Statement:
    return {"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*", "Condition": condition}


# Principals of AWS


def _outsiders(organization: Organization) -> Statement:
    exceptions = {"aws:PrincipalOrgID": organization.id}
    trusted = [each.id for each in organization.trusted_accounts]
    return _deny(
        sid_of(EXTERNAL_ACCOUNT.id),
        ASSUME_ROLE,
        {
            "StringNotEqualsIfExists": exceptions | ({"aws:PrincipalAccount": trusted} if trusted else {}),
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        },
    )


def _vendors(organization: Organization) -> Twin:
    rule = VENDOR_WITHOUT_EXTERNAL_ID.id
    vendors = [each.id for each in organization.trusted_accounts if each.external_id_required]
    if not vendors:
        return Twin(rule, "rcp", because="no trusted account needs an external ID.")
    condition: Condition = {"StringEquals": {"aws:PrincipalAccount": vendors}, "Null": {"sts:ExternalId": "true"}}
    remaining = "A vendor who sends some external ID passes: which one is right, only the role's trust policy says."
    return Twin(rule, "rcp", (_deny(sid_of(rule), ASSUME_ROLE, condition),), remaining=remaining)


def _services(organization: Organization) -> Twin:
    rule = SERVICE_FOREIGN_SOURCE.id
    trusted = [each.id for each in organization.trusted_accounts]
    exceptions = {
        "aws:SourceOrgID": organization.id,
        **({"aws:SourceAccount": trusted} if trusted else {}),
        **({"aws:PrincipalServiceName": list(organization.services)} if organization.services else {}),
    }
    condition: Condition = {
        "StringNotEqualsIfExists": exceptions,
        "Null": {"aws:SourceAccount": "false"},
        "Bool": {"aws:PrincipalIsAWSService": "true"},
    }
    return Twin(rule, "rcp", (_deny(sid_of(rule), ASSUME_ROLE, condition),))


# Web identities


def claim_of(issuer: str, claim: str) -> str:
    return f"{issuer}:{claim}"


def _of(issuer: str) -> dict[str, dict[str, Any]]:
    """Tokens of this issuer and of no other."""
    return {"Null": {claim_of(issuer, "sub"): "false"}}


def _subjects(organization: Organization) -> Twin:
    """A caller is trusted by a subject or by all claims: refused is who has neither, so one statement for each claim he can miss."""
    rule = OIDC_UNSCOPED_SUBJECT.id
    if not organization.oidc:
        return Twin(rule, "rcp", because="no issuer is listed under trusted.oidc, so nobody said which subjects are trusted.")
    conditions = [each for issuer in organization.oidc for each in _untrusted(issuer)]
    if organization.issuer(GITHUB) is None:
        conditions.append(_of(GITHUB))
    if not conditions:
        return Twin(rule, "rcp", because="every subject of the listed issuers is trusted.")
    remaining = None
    if any("@*" in each for issuer in organization.oidc for subject in issuer.subjects for each in globs_of(issuer.issuer, subject)[1:]):
        remaining = (
            "Subjects with ids, repo:OWNER@ID/REPOSITORY@ID:…, are told by globs that do not stop at a slash: a trusted owner's other "
            "repository could have a branch or an environment named so that it passes. Names of trusted subjects count to the letter."
        )
    return Twin(rule, "rcp", _numbered(rule, conditions), remaining=remaining)


def _untrusted(issuer: TrustedIssuer) -> Iterator[Condition]:
    subjects = [glob for each in issuer.subjects for glob in globs_of(issuer.issuer, each)]
    if "*" in subjects:
        return
    by_subject = {"StringNotLikeIfExists": {claim_of(issuer.issuer, "sub"): _plain(subjects)}} if subjects else {}
    if not issuer.claims:
        yield {**_of(issuer.issuer), **by_subject}
    for claim, values in issuer.claims.items():
        yield {
            **_of(issuer.issuer),
            **by_subject,
            # A claim without values is had by nobody.
            **({"StringNotEqualsIfExists": {claim_of(issuer.issuer, claim): _plain(values)}} if values else {}),
        }


def globs_of(issuer: str, subject: str) -> tuple[str, ...]:
    """A trusted subject as it is written, and for GitHub as newer repositories have it: `repo:OWNER@ID/REPOSITORY@ID:…`.

    https://docs.github.com/en/actions/reference/security/oidc
    """
    head, slash, rest = subject.removeprefix("repo:").partition("/")
    repository, colon, context = rest.partition(":")
    if issuer != GITHUB or not subject.startswith("repo:") or not slash or "@" in head + repository:
        return (subject,)
    tail = f"@*:{context}" if colon else ""
    return subject, f"repo:{head}@*/{repository}{tail}"


def _audiences(organization: Organization) -> Twin:
    rule = OIDC_UNSCOPED_AUDIENCE.id
    conditions = [
        {**_of(issuer.issuer), "StringNotEqualsIfExists": {claim_of(issuer.issuer, "aud"): _plain(audiences)}}
        for issuer in organization.oidc
        if (audiences := audiences_of(issuer))
    ]
    if not conditions:
        return Twin(rule, "rcp", because="no issuer with audiences is listed under trusted.oidc.")
    return Twin(rule, "rcp", _numbered(rule, conditions))


def audiences_of(issuer: TrustedIssuer) -> tuple[str, ...]:
    """Empty: nobody said which are right. GitHub's have the default that the judge assumes."""
    return issuer.audiences or ((DEFAULT_AUDIENCE,) if issuer.issuer == GITHUB else ())


def _unlisted(organization: Organization, *, wanted: bool) -> Twin:
    """Off unless asked for: an issuer is told by its own key only, and every EKS cluster has an issuer of its own."""
    if not organization.oidc:
        return Twin(OIDC_UNLISTED_ISSUER, "rcp", because="no issuer is listed under trusted.oidc, and every web identity would be refused.")
    if not wanted:
        others = "the pods of EKS clusters" + ("" if organization.cognito else " and Amazon Cognito")
        because = (
            f"it would shut out every issuer that trusted.oidc does not list, {others} among them; list those that you use and ask for it "
            f"by --with {OIDC_UNLISTED_ISSUER}."
        )
        return Twin(OIDC_UNLISTED_ISSUER, "rcp", because=because)
    issuers = [*(each.issuer for each in organization.oidc), *([COGNITO] if organization.cognito else [])]
    condition = {"Null": {claim_of(each, "sub"): "true" for each in issuers}}
    return Twin(OIDC_UNLISTED_ISSUER, "rcp", (_deny(sid_of(OIDC_UNLISTED_ISSUER), WITH_WEB_IDENTITY, condition),))


def _pools(organization: Organization) -> Twin:
    rule = COGNITO_UNSCOPED_POOL.id
    if not organization.cognito:
        return Twin(rule, "rcp", because="no identity pool is listed under trusted.cognito, so nobody said which are yours.")
    condition = {**_of(COGNITO), "StringNotEqualsIfExists": {claim_of(COGNITO, "aud"): list(organization.cognito)}}
    return Twin(rule, "rcp", (_deny(sid_of(rule), WITH_WEB_IDENTITY, condition),))


def _guests() -> Twin:
    condition = {"ForAnyValue:StringEquals": {claim_of(COGNITO, "amr"): "unauthenticated"}}
    return Twin(COGNITO_GUEST.id, "rcp", (_deny(sid_of(COGNITO_GUEST.id), WITH_WEB_IDENTITY, condition),))


def _numbered(rule: str, conditions: Sequence[Condition]) -> tuple[Statement, ...]:
    return tuple(_deny(sid_of(rule, number), WITH_WEB_IDENTITY, each) for number, each in enumerate(conditions, start=1))


def _plain(values: Iterable[str]) -> list[str]:
    """Text of the organization file means itself; `${` would begin a policy variable."""
    return [each.replace("${", "${$}{") for each in values]


# Who may write, as an SCP. https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_syntax.html

_TRUST_POLICY = "iam:UpdateAssumeRolePolicy"
OTHER_WRITES = (
    "iam:AddClientIDToOpenIDConnectProvider",
    "iam:CreateOpenIDConnectProvider",
    "iam:CreateRole",
    "iam:CreateSAMLProvider",
    "iam:DeleteOpenIDConnectProvider",
    "iam:DeleteSAMLProvider",
    "iam:RemoveClientIDFromOpenIDConnectProvider",
    "iam:UpdateOpenIDConnectProviderThumbprint",
    "iam:UpdateSAMLProvider",
)
TRUST_WRITES = (_TRUST_POLICY, *OTHER_WRITES)


def default_deployers(partition: str) -> tuple[str, ...]:
    """The role with which StackSets of the organization deploy: `stacksets-exec-` and 32 hexadecimal digits."""
    return (f"arn:{partition}:iam::*:role/stacksets-exec-{'?' * 32}",)


def remedy_role(organization: Organization) -> str:
    return f"arn:{organization.partition}:iam::*:role{ROLE_PATH}{REMEDY_ROLE}"


def _trust_writers(organization: Organization, deployers: tuple[str, ...]) -> Twin:
    if not organization.pipelines:
        return Twin(TRUST_WRITERS, "scp", because="no pipeline is listed, so nobody could create a role any more; list those that may.")
    may = [*(each.role for each in organization.pipelines), *deployers]
    # Doorward puts trust policies back, and creates nothing.
    statements = (
        _deny_writes(sid_of(TRUST_WRITERS), [_TRUST_POLICY], [*may, remedy_role(organization)]),
        _deny_writes(sid_of(TRUST_WRITERS, 2), list(OTHER_WRITES), may),
    )
    remaining = "Nobody else can create a role either: no administrator, and no landing zone whose role is not among the deployers."
    return Twin(TRUST_WRITERS, "scp", statements, remaining=remaining)


def _deny_writes(sid: str, actions: list[str], unless: list[str]) -> Statement:
    condition = {"ArnNotLike": {"aws:PrincipalArn": unless}}
    return {"Sid": sid, "Effect": "Deny", "Action": actions, "Resource": "*", "Condition": condition}
