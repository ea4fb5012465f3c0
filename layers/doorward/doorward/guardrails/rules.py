"""The catalogue: what each rule is called, how it is decided, and how bad it is. Each has a page, docs/rules/<rule>.md.

`world`: a set of requests that the search looks for; its witness is the proof. `text`: told by the policy's text alone; at most medium, and
never a reason to write. `context`: told by what surrounds the policy.
"""

from typing import Literal

from doorward.findings.model import Finding, Severity
from doorward.values import NamedTuple

Kind = Literal["world", "text", "context"]


class RuleText(NamedTuple):
    """`severity` is what counts where the configuration says nothing.

    `when_privileged`: the severity on a role that the configuration calls privileged, where that is more than one step up. A rule with
    `only_privileged` looks at no other role. Of a rule with `of_permissions`, what the role may do is what is wrong: no edit of the trust
    policy mends it, so it is never a reason to write.
    """

    id: str
    severity: Severity
    title: str
    kind: Kind = "world"
    when_privileged: Severity | None = None
    only_privileged: bool = False
    of_permissions: bool = False


_CRITICAL, _HIGH, _MEDIUM, _LOW, _INFO = Severity

WORLD_ASSUMABLE = RuleText("world-assumable", _CRITICAL, "Anybody with an AWS account can assume this role")
EXTERNAL_ACCOUNT = RuleText("external-account", _HIGH, "An account that is neither ours nor trusted can assume this role")
OUTSIDE_ORGANIZATION = RuleText("outside-organization", _HIGH, "Accounts of another organization can assume this role")
VENDOR_WITHOUT_EXTERNAL_ID = RuleText(
    "vendor-without-external-id", _HIGH, "A vendor can be made to assume this role for another of its customers"
)
WEAK_EXTERNAL_ID = RuleText("weak-external-id", _LOW, "The external ID can be guessed", "text")
WHOLE_OWN_ACCOUNT = RuleText(
    "whole-own-account", _MEDIUM, "Every principal of an own account can be allowed to assume this privileged role", only_privileged=True
)
WHOLE_VENDOR_ACCOUNT = RuleText(
    "whole-vendor-account", _MEDIUM, "Every principal of a trusted account can assume this privileged role", only_privileged=True
)
OIDC_UNSCOPED_SUBJECT = RuleText("oidc-unscoped-subject", _CRITICAL, "Workflows of strangers can assume this role")
OIDC_UNSCOPED_AUDIENCE = RuleText(
    "oidc-unscoped-audience", _MEDIUM, "Tokens that were made for something else can be used to assume this role"
)
OIDC_PULL_REQUEST = RuleText(
    "oidc-pull-request", _MEDIUM, "A pull request can assume this privileged role before anybody has reviewed it", only_privileged=True
)
CLUSTER_ANY_SERVICE_ACCOUNT = RuleText("cluster-any-service-account", _HIGH, "Pods of any namespace of the cluster can assume this role")
COGNITO_UNSCOPED_POOL = RuleText("cognito-unscoped-pool", _CRITICAL, "Identities of anybody's Cognito identity pool can assume this role")
COGNITO_GUEST = RuleText("cognito-guest", _HIGH, "Guests of an identity pool, who have not signed in, can assume this role")
SAML_UNSCOPED_AUDIENCE = RuleText(
    "saml-unscoped-audience", _MEDIUM, "An assertion that was made for another application can be used to assume this role"
)
SAML_ANY_USER = RuleText(
    "saml-any-user", _MEDIUM, "Every user of the identity provider can assume this privileged role", only_privileged=True
)
PROVIDER_OF_ANOTHER_ACCOUNT = RuleText(
    "provider-of-another-account", _LOW, "An identity provider of another account is named, which lets nobody in", "text"
)
ROLES_ANYWHERE_ANY_ANCHOR = RuleText(
    "roles-anywhere-any-anchor", _MEDIUM, "Certificates of any trust anchor of the account can assume this role"
)
SERVICE_FOREIGN_SOURCE = RuleText("service-foreign-source", _HIGH, "A service can assume this role on behalf of a stranger's account")
SERVICE_CONFUSED_DEPUTY = RuleText(
    "service-confused-deputy", _INFO, "A service can assume this role without saying for whom it acts", when_privileged=_LOW
)
ACTION_WILDCARD = RuleText("action-wildcard", _LOW, "The actions are wider than what it takes to assume a role", "text")
DANGLING_PRINCIPAL = RuleText("dangling-principal", _INFO, "A principal that was deleted is still named", "text")
LITERAL_WILDCARD = RuleText("literal-wildcard", _INFO, "A wildcard stands where it is a plain character", "text")
CONSTANT_CONDITION = RuleText("constant-condition", _INFO, "A condition that the role itself decides, whoever calls", "text")
UNUSABLE_ACTION = RuleText("unusable-action", _INFO, "The statement's principals cannot make the call that it allows", "text")
MIXED_CALLERS = RuleText("mixed-callers", _INFO, "People and services assume the same role", "text")
LONG_SESSION = RuleText("long-session", _INFO, "Sessions of this role may last long", "context", when_privileged=_LOW)
PRIVILEGED_OUTSIDER = RuleText(
    "privileged-outsider", _HIGH, "Somebody outside the organization can assume a role that may do whatever it likes", of_permissions=True
)
MISSING_BOUNDARY = RuleText(
    "missing-boundary", _MEDIUM, "The role lacks the permissions boundary that it must have", "context", of_permissions=True
)
GRANT_ROLE_DRIFT = RuleText("grant-role-drift", _HIGH, "A role that people are granted sessions of is not as it must be", "context")
WAIVER_EXPIRED = RuleText("waiver-expired", _LOW, "A waiver for this role has ended", "context")
WAIVER_UNUSED = RuleText("waiver-unused", _INFO, "A waiver for this role waives nothing", "context")

ALL_RULES = {
    each.id: each
    for each in (
        WORLD_ASSUMABLE,
        EXTERNAL_ACCOUNT,
        OUTSIDE_ORGANIZATION,
        VENDOR_WITHOUT_EXTERNAL_ID,
        WEAK_EXTERNAL_ID,
        WHOLE_OWN_ACCOUNT,
        WHOLE_VENDOR_ACCOUNT,
        OIDC_UNSCOPED_SUBJECT,
        OIDC_UNSCOPED_AUDIENCE,
        OIDC_PULL_REQUEST,
        CLUSTER_ANY_SERVICE_ACCOUNT,
        COGNITO_UNSCOPED_POOL,
        COGNITO_GUEST,
        SAML_UNSCOPED_AUDIENCE,
        SAML_ANY_USER,
        PROVIDER_OF_ANOTHER_ACCOUNT,
        ROLES_ANYWHERE_ANY_ANCHOR,
        SERVICE_FOREIGN_SOURCE,
        SERVICE_CONFUSED_DEPUTY,
        ACTION_WILDCARD,
        DANGLING_PRINCIPAL,
        LITERAL_WILDCARD,
        CONSTANT_CONDITION,
        UNUSABLE_ACTION,
        MIXED_CALLERS,
        LONG_SESSION,
        PRIVILEGED_OUTSIDER,
        MISSING_BOUNDARY,
        GRANT_ROLE_DRIFT,
        WAIVER_EXPIRED,
        WAIVER_UNUSED,
    )
}

OF_PERMISSIONS = frozenset(each.id for each in ALL_RULES.values() if each.of_permissions)


def is_of_trust_policy(finding: Finding) -> bool:
    """Whether an edit of the trust policy can close it: not a waiver that has ended, nor what the role may do."""
    return finding.kind != "context" and finding.rule not in OF_PERMISSIONS
