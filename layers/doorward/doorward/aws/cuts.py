"""The denies that end sessions, written by a role that can do nothing else.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
"""

import json
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from doorward.aws.errors import code_of, translated
from doorward.guardrails.cuts import POLICY_NAME
from doorward.organization.installation import CUT_ROLE

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

    from doorward.aws.members import Members


class IamCuts:
    """The Cuts port."""

    def __init__(self, members: "Members") -> None:
        self._members = members

    def put(self, account_id: str, role_arn: str, policy: str, *, finding_id: str) -> None:
        iam = self._client(account_id, role_arn, "iam:PutRolePolicy", finding_id)
        with translated(f"ending sessions of {role_arn}"):
            iam.put_role_policy(RoleName=_name(role_arn), PolicyName=POLICY_NAME, PolicyDocument=policy)

    def remove(self, account_id: str, role_arn: str, *, finding_id: str) -> None:
        iam = self._client(account_id, role_arn, "iam:DeleteRolePolicy", finding_id)
        with translated(f"taking the end of sessions of {role_arn} away"):
            try:
                iam.delete_role_policy(RoleName=_name(role_arn), PolicyName=POLICY_NAME)
            except ClientError as error:
                if code_of(error) != "NoSuchEntity":
                    raise

    def _client(self, account_id: str, role_arn: str, action: str, finding_id: str) -> "IAMClient":
        """Under a session that can do this to exactly this role and nothing else; never kept."""
        scope = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": role_arn}]}
        client: IAMClient = self._members.client(
            "iam", account_id, CUT_ROLE, finding_id, Policy=json.dumps(scope), SourceIdentity=finding_id
        )
        return client


def _name(role_arn: str) -> str:
    return role_arn.rpartition("/")[2]
