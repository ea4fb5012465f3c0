"""Identity Center as far as an account sees it: the SAML provider and the roles that it makes there, and the sessions of people.

Its users stand in local.world and in the identity store (local.cloud.identity_store). The provider has to be there before Doorward is:
afterwards, whoever changes it in an identity account suspends identity from that account.
"""

import base64
import json
from typing import Any, Final
from xml.sax.saxutils import escape

from local.stack import Stack
from local.world import HUB, Account, Person

RESERVED_PATH: Final = "/aws-reserved/sso.amazonaws.com/"
SECURITY: Final = "Security"
"""The permission set of whoever may call Doorward."""
_INSTANCE: Final = "0123456789abcdef"
_PROVIDER: Final = f"AWSSSO_{_INSTANCE}_DO_NOT_DELETE"
_ISSUER: Final = "https://portal.sso.us-east-1.amazonaws.com/saml/assertion/0123456789abcdef"
_AUDIENCE: Final = "https://signin.aws.amazon.com/saml"
_SHORTEST_METADATA: Final = 1000


def provider_arn(account: Account) -> str:
    return f"arn:aws:iam::{account.id}:saml-provider/{_PROVIDER}"


def role_arn(account: Account, permission_set: str) -> str:
    return f"arn:aws:iam::{account.id}:role{RESERVED_PATH}AWSReservedSSO_{permission_set}_{_INSTANCE}"


def found(stack: Stack) -> None:
    """Let Identity Center into the hub account, with the permission set that may call the hub's APIs."""
    connect(stack, HUB)
    assign(stack, HUB, SECURITY, "execute-api:Invoke", f"arn:aws:execute-api:*:{HUB.id}:*")


def connect(stack: Stack, account: Account) -> None:
    """Make the provider by which Identity Center opens sessions in an account."""
    metadata = f'<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{_ISSUER}"/>'.ljust(_SHORTEST_METADATA)
    stack.client("iam", account.id).create_saml_provider(Name=_PROVIDER, SAMLMetadataDocument=metadata)


def assign(stack: Stack, account: Account, permission_set: str, action: str, resource: str) -> None:
    """Make the role of a permission set that may do this, in an account that has the provider."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn(account)},
        "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
        "Condition": {"StringEquals": {"SAML:aud": _AUDIENCE}},
    }
    allowed = {"Effect": "Allow", "Action": action, "Resource": resource}
    iam, name = stack.client("iam", account.id), role_arn(account, permission_set).rpartition("/")[2]
    iam.create_role(RoleName=name, Path=RESERVED_PATH, AssumeRolePolicyDocument=_document(trust))
    iam.put_role_policy(RoleName=name, PolicyName="AwsSSOInlinePolicy", PolicyDocument=_document(allowed))


def sign_in(stack: Stack, person: Person, account: Account = HUB, permission_set: str = SECURITY) -> dict[str, str]:
    """The credentials of a session named after the person, as `Stack.client` takes them. Raises botocore's ClientError."""
    role, provider = role_arn(account, permission_set), provider_arn(account)
    answer = stack.client("sts", account.id).assume_role_with_saml(
        RoleArn=role, PrincipalArn=provider, SAMLAssertion=assertion(person.user_name, f"{role},{provider}")
    )["Credentials"]
    return {
        "aws_access_key_id": answer["AccessKeyId"],
        "aws_secret_access_key": answer["SecretAccessKey"],
        "aws_session_token": answer["SessionToken"],
    }


def assertion(user_name: str, role: str, *, issuer: str = _ISSUER, audience: str = _AUDIENCE) -> str:
    """What Identity Center says of a person to STS, encoded; `role` is `<role ARN>,<provider ARN>`. Signed on AWS, here by nobody."""
    name = escape(user_name)
    attributes = {"Role": role, "RoleSessionName": name}
    values = "".join(
        f'<Attribute Name="https://aws.amazon.com/SAML/Attributes/{each}"><AttributeValue>{value}</AttributeValue></Attribute>'
        for each, value in attributes.items()
    )
    xml = (
        '<Response xmlns="urn:oasis:names:tc:SAML:2.0:protocol"><Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion">'
        f"<Issuer>{issuer}</Issuer>"
        f'<Subject><NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{name}</NameID></Subject>'
        f"<Conditions><AudienceRestriction><Audience>{audience}</Audience></AudienceRestriction></Conditions>"
        f"<AttributeStatement>{values}</AttributeStatement></Assertion></Response>"
    )
    return base64.b64encode(xml.encode()).decode()


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
