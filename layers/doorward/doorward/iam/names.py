"""Names that AWS and others gave, and what the text alone says of one. The short way of the judge needs these and no search.

Calls: https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html
"""

import re

ASSUME_ROLE = "sts:AssumeRole"
WITH_WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"
WITH_SAML = "sts:AssumeRoleWithSAML"

EXTERNAL_ID = "sts:externalid"
TIME_KEYS = frozenset({"aws:currenttime", "aws:epochtime", "aws:tokenissuetime"})
# The same for every request that reaches the role.
CONSTANT_KEYS = frozenset({"aws:resourceaccount", "aws:resourceorgid", "aws:resourceorgpaths", "aws:securetransport"})

GITHUB = "token.actions.githubusercontent.com"
COGNITO = "cognito-identity.amazonaws.com"
DEFAULT_AUDIENCE = "sts.amazonaws.com"
ROLES_ANYWHERE = "rolesanywhere.amazonaws.com"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-services
SERVICES = (".amazonaws.com", ".amazonaws.com.cn", ".aws.internal", ".api.aws", ".aws.dev")


def is_cluster(issuer: str) -> bool:
    """Whether this is the issuer of an EKS cluster."""
    return re.fullmatch(r"oidc\.eks\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/id/[0-9A-Z]{32}", issuer, re.ASCII) is not None
