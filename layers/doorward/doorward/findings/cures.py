"""How to do it right, one sentence a rule, for whoever wrote the policy. The rule's page, docs/rules/<rule>.md, says it at length."""

from typing import Final

CURES: Final = {
    "world-assumable": "Name the principals that need the role. If all of the organization may come in, require StringEquals"
    " aws:PrincipalOrgID with its id.",
    "external-account": "Take the account out. If it is meant to come in, have it listed under trusted.accounts first.",
    "outside-organization": "Require StringEquals aws:PrincipalOrgID to be exactly our id; a path of units must begin with that id.",
    "vendor-without-external-id": "Require StringEquals sts:ExternalId with the value that the vendor made for you alone.",
    "weak-external-id": "Have the vendor make a new external ID, a UUID for instance, and change it on both sides.",
    "whole-own-account": "Name the roles that need it in place of the account, or require aws:PrincipalArn to be one of them.",
    "whole-vendor-account": "Name the vendor's role as he documents it, beside the external ID.",
    "oidc-unscoped-subject": "Pin the token's sub to repo:OWNER/REPOSITORY: and a branch, a tag or an environment.",
    "oidc-unscoped-audience": "Require StringEquals on the token's aud with the audience that we trust.",
    "oidc-pull-request": "Pin the token's sub to the branch or environment that deploys, and give pull requests a role that only reads.",
    "cluster-any-service-account": "Require StringEquals on sub with system:serviceaccount:NAMESPACE:NAME, and on aud.",
    "cognito-unscoped-pool": "Require StringEquals cognito-identity.amazonaws.com:aud to be the id of your identity pool.",
    "cognito-guest": "Require ForAnyValue:StringLike cognito-identity.amazonaws.com:amr to be authenticated, and give guests another role.",
    "saml-unscoped-audience": "Require StringEquals SAML:aud to be https://signin.aws.amazon.com/saml.",
    "saml-any-user": "Let people sign in to a role that can do little, and let that role, by name, into this one.",
    "provider-of-another-account": "Name a provider of the role's own account, or take the principal out: it lets nobody in.",
    "roles-anywhere-any-anchor": "Require ArnEquals aws:SourceArn to be the trust anchor, and the certificate's subject beside it.",
    "service-foreign-source": "Require StringEquals aws:SourceAccount to be the account whose resources use the role.",
    "service-confused-deputy": "Where the service documents that it sends it, require StringEquals aws:SourceAccount to be your account.",
    "action-wildcard": "Name the action that is meant, sts:AssumeRole for one, in place of the wildcard.",
    "dangling-principal": "Take the id out, or write the ARN of what took its place.",
    "literal-wildcard": "Use StringLike or ArnLike if a wildcard is meant, and look at what it then admits.",
    "constant-condition": "Ask for the caller (aws:PrincipalOrgID, aws:PrincipalAccount, aws:PrincipalArn), or take the condition out.",
    "unusable-action": "Allow the call that belongs to the principal, or take the statement out.",
    "mixed-callers": "Give people and services a role each, or at least a statement each.",
    "long-session": "Lower the role's MaxSessionDuration to what the work needs.",
    "privileged-outsider": "Let only our own in, or take what makes the role so powerful away from it.",
    "missing-boundary": "Attach the permissions boundary that is asked for: aws iam put-role-permissions-boundary.",
    "grant-role-drift": "Deploy the stack that made the role again, and find out who changed it.",
    "waiver-expired": "Close the hole, or have a new waiver written with a new reason.",
    "waiver-unused": "Have the waiver taken out.",
}
"""Of rules of one's own the finding's sentence says it."""

UNDECIDED: Final = (
    "Write it in a form that can be judged: plain operators (StringEquals, ArnLike) on keys that AWS documents for this call,"
    " and principals spelled out."
)
