"""Roles that are never written to, whatever their trust policy says. They are judged like any other, but for those nobody can edit."""

import re

from doorward.guardrails.model import Role
from doorward.organization.installation import GRANT_ROLE_PATH, OWN_ROLES, ROLE_PATH
from doorward.organization.model import Organization

SERVICE_LINKED_PATH = "/aws-service-role/"
RESERVED_PATH = "/aws-reserved/"

# Each is the name of a role that AWS's own tooling creates again, or fails without. https://docs.aws.amazon.com/controltower/latest/userguide/roles-how.html
_LANDING_ZONE = {
    "AWSControlTowerExecution": "AWS Control Tower governs the account through it",
    "AWSControlTowerStackSetRole": "AWS Control Tower deploys its StackSets through it",
    "AWSControlTowerAdmin": "AWS Control Tower runs as it",
    "AWSControlTowerCloudTrailRole": "AWS Control Tower's trail writes through it",
    "AWSControlTowerConfigAggregatorRoleForOrganizations": "AWS Control Tower's Config aggregator reads through it",
    "AWSCloudFormationStackSetAdministrationRole": "StackSets are administered through it",
    "AWSCloudFormationStackSetExecutionRole": "StackSets are deployed through it",
    "OrganizationAccountAccessRole": "the management account's way into the account",
    "aws-controltower-AdministratorExecutionRole": "AWS Control Tower uses it",
    "aws-controltower-AuditAdministratorRole": "AWS Control Tower uses it",
    "aws-controltower-AuditReadOnlyRole": "AWS Control Tower uses it",
    "aws-controltower-CloudWatchLogsRole": "AWS Control Tower uses it",
    "aws-controltower-ConfigRecorderRole": "AWS Control Tower uses it",
    "aws-controltower-ForwardSnsNotificationRole": "AWS Control Tower uses it",
    "aws-controltower-ReadOnlyExecutionRole": "AWS Control Tower uses it",
    "AWSAFTExecution": "Account Factory for Terraform works through it",
    "AWSAFTService": "Account Factory for Terraform works through it",
    "AWSAFTAdmin": "Account Factory for Terraform works through it",
}
# The name that AWS gives, to the letter: whoever makes up one like it is not protected by it.
_STACKSETS = r"stacksets-exec-[0-9a-f]{32}"


def cannot_be_edited(role: Role) -> bool:
    """Service-linked and reserved roles: IAM refuses any change of their trust policy."""
    return role.path.startswith((SERVICE_LINKED_PATH, RESERVED_PATH))


def is_doorwards_own(role: Role) -> bool:
    return (role.path == ROLE_PATH and role.name in OWN_ROLES) or is_grant_role(role)


def is_grant_role(role: Role) -> bool:
    """Whether the broker may assume it, as far as its own policy goes: whoever made it."""
    return role.path.startswith(GRANT_ROLE_PATH)


def protected_because(role: Role, organization: Organization) -> str | None:
    """The reason, as a sentence, why this role is never written to; None for a role like any other."""
    if role.path.startswith(SERVICE_LINKED_PATH):
        return "This is a service-linked role; only AWS can change who may assume it."
    if role.path.startswith(RESERVED_PATH):
        return "AWS keeps this role for itself (IAM Identity Center, for one); IAM refuses changes to it."
    if is_grant_role(role):
        return "People are granted sessions of this role; whoever deploys it puts it right."
    if is_doorwards_own(role):
        return "This is a role of Doorward's own installation; a stack update puts it right."
    if role.arn in organization.break_glass:
        return "This is a break-glass role: in an emergency it has to work, whatever Doorward thinks of it."
    reason = _LANDING_ZONE.get(role.name)
    if re.fullmatch(_STACKSETS, role.name, re.ASCII):
        reason = "CloudFormation StackSets deploy through it and would create it again"
    return None if reason is None else f"{role.name} is a landing-zone role: {reason}."
