"""Roles in member accounts, entered through the roles that accounts/member.yaml makes there.

Reading: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html
Writing: https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAssumeRolePolicy.html
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from doorward.aws.errors import code_of, translated
from doorward.guardrails.model import Role
from doorward.guardrails.protected import DOORWARD_PATH, READ_ROLE, REMEDY_ROLE
from doorward.iam.arns import parse_arn, role_arn
from doorward.ports.clock import Clock
from doorward.values import NamedTuple

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_sts import STSClient

# The least that STS grants: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
_SESSION_SECONDS = 900
# Credentials are not used up to their last moment: a call under way must still end in time.
_EXPIRY_MARGIN = timedelta(seconds=60)
# IAM's rates are low and not raisable; the reaction waits rather than fails.
_CONFIG = Config(retries={"mode": "adaptive", "max_attempts": 6}, connect_timeout=3, read_timeout=10)


class _Entered(NamedTuple):
    iam: "IAMClient"
    expires_at: datetime


class StsRoles:
    """The Roles port. `external_id` is asked for at the first assumption, and kept in memory only."""

    def __init__(self, sts: "STSClient", external_id: Callable[[], str], clock: Clock, partition: str = "aws") -> None:
        self._sts = sts
        self._external_id = external_id
        self._clock = clock
        self._partition = partition
        self._readers: dict[str, _Entered] = {}

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

    def write_trust_policy(self, role: Role, trust_policy: str, *, finding_id: str) -> None:
        """Under a session that can do this to exactly this role and nothing else; never kept."""
        session_policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "iam:UpdateAssumeRolePolicy", "Resource": role.arn}],
        }
        iam = self._enter(role.account_id, REMEDY_ROLE, finding_id, Policy=json.dumps(session_policy), SourceIdentity=finding_id).iam
        with translated(f"writing the trust policy of role {role.ref}"):
            iam.update_assume_role_policy(RoleName=role.name, PolicyDocument=trust_policy)

    def _reader(self, account_id: str) -> "IAMClient":
        entered = self._readers.get(account_id)
        if entered is None or entered.expires_at - _EXPIRY_MARGIN <= self._clock.now():
            entered = self._readers[account_id] = self._enter(account_id, READ_ROLE, "doorward")
        return entered.iam

    def _enter(self, account_id: str, role_name: str, session_name: str, **more: Any) -> _Entered:
        arn = role_arn(account_id, role_name, DOORWARD_PATH, self._partition)
        external_id = self._external_id()
        with translated(f"assuming {arn} (deploy accounts/member.yaml into account {account_id}, with the hub's external ID)"):
            answer = self._sts.assume_role(
                RoleArn=arn, RoleSessionName=session_name, ExternalId=external_id, DurationSeconds=_SESSION_SECONDS, **more
            )
        credentials = answer["Credentials"]
        with translated(f"preparing to call IAM in account {account_id}"):
            iam = boto3.client(
                "iam",
                aws_access_key_id=credentials["AccessKeyId"],
                aws_secret_access_key=credentials["SecretAccessKey"],
                aws_session_token=credentials["SessionToken"],
                config=_CONFIG,
            )
        return _Entered(iam, credentials["Expiration"])


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
