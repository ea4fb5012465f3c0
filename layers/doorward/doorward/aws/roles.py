"""Roles in member accounts, entered through the roles that accounts/member.yaml makes there.

Reading: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html
Writing: https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAssumeRolePolicy.html
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from doorward.aws.errors import code_of, translated
from doorward.aws.members import Members
from doorward.errors import Conflict, Misconfigured
from doorward.guardrails.model import Permissions, PermissionsPolicy, Role
from doorward.iam.arns import is_of_aws, parse_arn
from doorward.iam.documents import text_of_answer
from doorward.organization.installation import QUARANTINE_POLICY, REMEDY_ROLE, ROLE_PATH

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


# Half as many as AWS has; a text is some kilobytes.
_MOST_TEXTS_OF_AWS = 512


class StsRoles:
    """The Roles port."""

    def __init__(self, members: Members) -> None:
        self._members = members
        # Versions of AWS's own policies, which are the same for every account and never change.
        self._texts_of_aws: dict[tuple[str, str], str] = {}

    def read(self, account_id: str, role_name: str) -> Role | None:
        iam = self._reader(account_id)
        with translated(f"reading role {account_id}/{role_name}"):
            try:
                return as_role(account_id, iam.get_role(RoleName=role_name)["Role"], has_boundary=True)
            except ClientError as error:
                if code_of(error) == "NoSuchEntity":
                    return None
                raise

    def read_all(self, account_id: str) -> Iterator[Role]:
        iam = self._reader(account_id)
        with translated(f"listing the roles of account {account_id}"):
            for page in iam.get_paginator("list_roles").paginate():
                for each in page["Roles"]:
                    yield as_role(account_id, each, has_boundary=False)

    def permissions_of(self, role: Role) -> Permissions:
        """Two calls, and one or two for each policy.

        https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAttachedRolePolicies.html
        """
        iam = self._reader(role.account_id)
        refused: list[str] = []

        def read[T](what: str, call: Callable[[], T]) -> T | None:
            try:
                with translated(f"reading {what} of role {role.ref}"):
                    return call()
            except (Conflict, Misconfigured) as error:
                refused.append(str(error))
                return None

        def managed(arn: str) -> str:
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            text = self._texts_of_aws.get((arn, version))
            if text is None:
                text = text_of_answer(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])
                if is_of_aws(arn) and len(self._texts_of_aws) < _MOST_TEXTS_OF_AWS:
                    self._texts_of_aws[arn, version] = text
            return text

        def attached() -> list[PermissionsPolicy]:
            pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=role.name)
            arns = [each["PolicyArn"] for page in pages for each in page["AttachedPolicies"]]
            return [PermissionsPolicy(each, read(each, partial(managed, each))) for each in arns]

        def inline(name: str) -> str:
            return text_of_answer(iam.get_role_policy(RoleName=role.name, PolicyName=name)["PolicyDocument"])

        def written_in() -> list[PermissionsPolicy]:
            names = [each for page in iam.get_paginator("list_role_policies").paginate(RoleName=role.name) for each in page["PolicyNames"]]
            return [PermissionsPolicy(each, read(f"policy {each}", partial(inline, each))) for each in names]

        policies: list[PermissionsPolicy] = []
        for what, listed in (("the managed policies", attached), ("the inline policies", written_in)):
            found = read(what, listed)
            policies += [PermissionsPolicy(what, None)] if found is None else found
        limit = role.permissions_boundary
        boundary = read(f"boundary {limit}", partial(managed, limit)) if limit else None
        return Permissions(tuple(policies), boundary, "; ".join(refused) or None)

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
        iam = self._writer(role, finding_id, {"Action": "iam:UpdateAssumeRolePolicy"})
        with translated(f"writing the trust policy of role {role.ref}"):
            iam.update_assume_role_policy(RoleName=role.name, PolicyDocument=trust_policy)

    def quarantine(self, role: Role, *, finding_id: str) -> None:
        """https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachRolePolicy.html. A policy that is attached stays attached."""
        arn = f"arn:{role.arn.split(':')[1]}:iam::{role.account_id}:policy{ROLE_PATH}{QUARANTINE_POLICY}"
        only_this_policy = {"ArnEquals": {"iam:PolicyARN": arn}}
        iam = self._writer(role, finding_id, {"Action": "iam:AttachRolePolicy", "Condition": only_this_policy})
        with translated(f"attaching {QUARANTINE_POLICY} to role {role.ref}"):
            iam.attach_role_policy(RoleName=role.name, PolicyArn=arn)

    def _writer(self, role: Role, finding_id: str, may: Mapping[str, Any]) -> "IAMClient":
        """Under a session that can do this to exactly this role and nothing else; never kept."""
        scope = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": role.arn, **may}]}
        iam: IAMClient = self._members.client(
            "iam", role.account_id, REMEDY_ROLE, finding_id, Policy=json.dumps(scope), SourceIdentity=finding_id
        )
        return iam

    def _reader(self, account_id: str) -> "IAMClient":
        iam: IAMClient = self._members.reader("iam", account_id)
        return iam


def as_role(account_id: str, raw: Mapping[str, Any], *, has_boundary: bool) -> Role:
    """`has_boundary`: whether this answer would tell of a permissions boundary."""
    boundary = (raw.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn", "" if has_boundary else None)
    arn = parse_arn(raw["Arn"])
    return Role(
        account_id=arn.account_id if arn is not None else account_id,
        name=raw["RoleName"],
        path=raw["Path"],
        arn=raw["Arn"],
        role_id=raw["RoleId"],
        trust_policy=text_of_answer(raw["AssumeRolePolicyDocument"]),
        max_session_duration_seconds=raw.get("MaxSessionDuration", 3600),
        tags={each["Key"]: each["Value"] for each in raw.get("Tags", [])},
        created_at=raw.get("CreateDate"),
        permissions_boundary=boundary,
    )
