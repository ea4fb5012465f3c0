"""Roles under the path of grant roles: read in each account, and kept for whoever wants to know what can be asked for.

Facts table, `pk` / `sk`:
    GRANTROLES   <account>   roles: JSON, a list of [name, path, tags, partition]; read_at. Nothing where an account has none.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from doorward.aws.errors import code_of, translated
from doorward.aws.members import Members
from doorward.aws.roles import as_role
from doorward.errors import DoorwardError
from doorward.grants.model import Target
from doorward.guardrails.model import Role
from doorward.organization.installation import GRANT_ROLE_PATH, READ_ROLE
from doorward.ports.grant_roles import KnownRoles

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_PK: Final = "GRANTROLES"
MOST: Final = 100
"""Roles of one account. Ours: far more than anybody chooses from, and few enough for one item."""
_AT_ONCE: Final = 8
"""Accounts at the same time: IAM's rates are each account's own, and hundreds take seconds."""


class IamGrantRoles:
    """The GrantRolesOfAccounts port. Neither a client nor a session is kept: there may be a thousand accounts."""

    def __init__(self, members: Members) -> None:
        self._members = members

    def read(self, account_ids: Sequence[str]) -> Mapping[str, Sequence[Role] | DoorwardError]:
        first, others = account_ids[:1], account_ids[1:]
        # The first one alone: with it is read what all of them need.
        found = [self._of(each) for each in first]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found += pool.map(self._of, others)
        return dict(zip(account_ids, found, strict=True))

    def _of(self, account_id: str) -> Sequence[Role] | DoorwardError:
        try:
            iam = self._members.client("iam", account_id, READ_ROLE, "doorward")
            with translated(f"listing the grant roles of account {account_id}"):
                pages = iam.get_paginator("list_roles").paginate(PathPrefix=GRANT_ROLE_PATH)
                names = [each["RoleName"] for each in islice((each for page in pages for each in page["Roles"]), MOST)]
                return tuple(role for name in names if (role := _role(iam, account_id, name)) is not None)
        except DoorwardError as error:
            return error


def _role(iam: Any, account_id: str, name: str) -> Role | None:
    """A list has neither tags nor boundaries."""
    try:
        return as_role(account_id, iam.get_role(RoleName=name)["Role"], has_boundary=True)
    except ClientError as error:
        if code_of(error) == "NoSuchEntity":  # deleted since it was listed
            return None
        raise


class DynamoGrantRoles:
    """The GrantRoles port."""

    def __init__(self, dynamodb: "DynamoDBClient", facts_table: str) -> None:
        self._dynamodb = dynamodb
        self._table = facts_table

    def known(self) -> Iterable[KnownRoles]:
        with translated("reading which roles can be asked for"):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": _PK}}
            )
            return [_known(each) for page in pages for each in page["Items"]]

    def keep(self, known: KnownRoles) -> None:
        key = {"pk": {"S": _PK}, "sk": {"S": known.account_id}}
        with translated(f"keeping which roles of account {known.account_id} can be asked for"):
            if not known.roles:
                self._dynamodb.delete_item(TableName=self._table, Key=key)
                return
            roles = [[each.name, each.path, dict(each.tags), each.partition] for each in known.roles]
            self._dynamodb.put_item(
                TableName=self._table,
                Item={**key, "roles": {"S": json.dumps(roles, separators=(",", ":"))}, "read_at": {"S": known.read_at.isoformat()}},
            )


def _known(item: Mapping[str, Any]) -> KnownRoles:
    account_id = item["sk"]["S"]
    roles = json.loads(item["roles"]["S"])
    return KnownRoles(account_id, tuple(Target(account_id, *each) for each in roles), datetime.fromisoformat(item["read_at"]["S"]))
