"""What the local stack accepts or does without AWS's effect. Nothing here fails, so it is said at every start. Data only."""

from typing import Final

ACCEPTED: Final[dict[str, dict[str, str]]] = {
    "AWS::CloudFormation::StackSet": {"StackSetId": "{name}"},
    "AWS::CloudWatch::CompositeAlarm": {"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{name}"},
    "AWS::Events::Archive": {"Arn": "arn:aws:events:{region}:{account}:archive/{name}", "ArchiveName": "{name}"},
    "AWS::Logs::QueryDefinition": {"QueryDefinitionId": "{name}"},
    "AWS::SecretsManager::RotationSchedule": {},
    "AWS::WAFv2::WebACLAssociation": {},
}
"""CloudFormation types that a stack may have and that create nothing, with what `Fn::GetAtt` answers."""

NOT_EMULATED: Final[tuple[tuple[str, str], ...]] = (
    (
        "CloudFormation",
        "accepted without effect: DynamoDB recovery, TTL, encryption; ReservedConcurrentExecutions",
    ),
    ("CloudFormation", "SNS topics without a TopicPolicy let everybody publish; StackSets cannot be looked at"),
    (
        "EventBridge",
        "a rule's failed delivery is neither retried nor dead-lettered; nothing is archived; functions need no lambda:Permission",
    ),
    (
        "CloudTrail",
        "calls to IAM, STS, Organizations, EventBridge, CloudTrail, Secrets Manager, in order, once, delayed; of stacks only their roles",
    ),
    ("IAM", "no service or resource control policies, no quotas, no eventual consistency; a trusted principal need not exist"),
    ("IAM", "ArnLike crosses colons; unknown calls: AddClientIDToOpenIDConnectProvider, UpdateOpenIDConnectProviderThumbprint"),
    ("IAM", "GetAccountAuthorizationDetails ignores MaxItems; RoleLastUsed is never set"),
    ("STS", "root may assume roles; what policies and tags are packed into is only like AWS's; no AssumeRoot"),
    ("STS", "sts:TransitiveTagKeys: no session tag is handed on through a chain"),
    ("API Gateway", "a changed policy counts before it is deployed; a REST API's function needs no lambda:Permission; no WAF, no caching"),
    ("STS", "whoever asserts by SAML is believed: no signature is checked, and no tags are taken"),
    ("STS", "what is said of a source identity that a chain would change; SourceIdentity of a SAML assertion"),
    (
        "StepFunctions",
        "an execution's role is not asked; a call that is under way is not broken off; JSONPath has no Assign; definitions are not checked",
    ),
    ("Sign-in", "/federation gives sign-in tokens for the console and says who signs in; there is no console"),
    ("Lambda", "functions run on this Python and see its packages, whatever Runtime, Architectures and MemorySize say"),
    ("S3", "whoever asks to bypass a governance lock may, with or without s3:BypassGovernanceRetention"),
    ("SecurityHub", "there is none"),
    ("IdentityCenter", "users and groups of the identity store alone: no permission sets; local/identity_center.py plays the rest"),
    ("SecretsManager", "secrets do not rotate"),
    ("every service", "no rate limits, no TLS"),
)
"""(where, what)"""


def lines() -> list[str]:
    """Return both lists as a person reads them, for whoever starts the stack to print."""
    accepted = ", ".join(sorted(ACCEPTED))
    return [f"accepted, nothing is created: {accepted}", *(f"not emulated: {where}: {what}" for where, what in NOT_EMULATED)]
