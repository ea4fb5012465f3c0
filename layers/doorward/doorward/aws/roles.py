"""Roles in member accounts, entered through the roles that accounts/member.yaml makes there.

Reading: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html
Writing: https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAssumeRolePolicy.html
"""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from botocore.exceptions import ClientError

from doorward.aws.errors import code_of, translated
from doorward.aws.members import Members
from doorward.guardrails.model import Role
from doorward.iam.arns import parse_arn
from doorward.organization.installation import REMEDY_ROLE

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


class StsRoles:
    """The Roles port."""

    def __init__(self, members: Members) -> None:
        self._members = members

    def read(self, account_id: str, role_name: str) -> Role | None:
        iam = self._reader(account_id)
        with translated(f"reading role {account_id}/{role_name}"):
            try:
                return _role(account_id, iam.get_role(RoleName=role_name)["Role"])
            except ClientError as error:
                if code_of(error) == "NoSuchEntity":
                    return None
                raise

    def read_all(self, account_id: str) -> Iterator[Role]:
        iam = self._reader(account_id)
        with translated(f"listing the roles of account {account_id}"):
            for page in iam.get_paginator("list_roles").paginate():
                for each in page["Roles"]:
                    yield _role(account_id, each)

    def attached_to(self, account_id: str, policy_arn: str) -> tuple[str, ...]:
        """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListEntitiesForPolicy.html."""
        iam = self._reader(account_id)
        with translated(f"listing the roles of policy {policy_arn}"):
            try:
                pages = iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=policy_arn, EntityFilter="Role")
                return tuple(dict.fromkeys(each["RoleName"] for page in pages for each in page["PolicyRoles"]))
            except ClientError as error:
                if code_of(error) == "NoSuchEntity":
                    return ()
                raise

    def write_trust_policy(self, role: Role, trust_policy: str, *, finding_id: str) -> None:
        """Under a session that can do this to exactly this role and nothing else; never kept."""
        session_policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "iam:UpdateAssumeRolePolicy", "Resource": role.arn}],
        }
        scope = json.dumps(session_policy)
        iam = self._members.client("iam", role.account_id, REMEDY_ROLE, finding_id, Policy=scope, SourceIdentity=finding_id)
        with translated(f"writing the trust policy of role {role.ref}"):
            iam.update_assume_role_policy(RoleName=role.name, PolicyDocument=trust_policy)

    def _reader(self, account_id: str) -> "IAMClient":
        iam: IAMClient = self._members.reader("iam", account_id)
        return iam


def _role(account_id: str, raw: Mapping[str, Any]) -> Role:
    document = raw["AssumeRolePolicyDocument"]  # botocore decodes it; a text that it cannot decode stays text
    arn = parse_arn(raw["Arn"])
    return Role(
        account_id=arn.account_id if arn is not None else account_id,
        name=raw["RoleName"],
        path=raw["Path"],
        arn=raw["Arn"],
        role_id=raw["RoleId"],
        trust_policy=unquote(document) if isinstance(document, str) else json.dumps(document),
        max_session_duration_seconds=raw.get("MaxSessionDuration", 3600),
        tags={each["Key"]: each["Value"] for each in raw.get("Tags", [])},
        created_at=raw.get("CreateDate"),
    )
