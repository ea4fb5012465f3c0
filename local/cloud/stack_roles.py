"""Gap: a role made by CloudFormation leaves no trace in the trail, and its `PermissionsBoundary` is dropped.

On AWS, CloudFormation calls IAM as any caller does, so a stack's roles appear as `CreateRole`, `UpdateAssumeRolePolicy` and `DeleteRole`
with `invokedBy` cloudformation.amazonaws.com. Not emulated: who started the stack (the account's root stands for him), and the events of
a stack's policies.
"""

import json
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from ministack.core.responses import get_account_id
from ministack.services import iam
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

from local.cloud.trail import courier
from local.cloud.trail_records import record_of_service

READ_AGAINST = {
    "ministack.services.cloudformation.provisioners:_iam_role_create": "2d7e3d8ec507",
    "ministack.services.cloudformation.provisioners:_iam_role_update": "4f4039080dc1",
    "ministack.services.cloudformation.provisioners:_iam_role_delete": "c39b3e6c9b71",
}

_SERVICE: Final = "cloudformation.amazonaws.com"
_ROLE: Final = "AWS::IAM::Role"


def install() -> None:
    handlers = dict(_RESOURCE_HANDLERS[_ROLE])
    create_role, update_role, delete_role = handlers["create"], handlers["update"], handlers["delete"]

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        created = create_role(logical_id, props, stack_name)
        role = iam._roles[created[0]]
        role["PermissionsBoundary"] = props.get("PermissionsBoundary")
        _log_creation(role)
        return created

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str, logical_id: str | None = None) -> Any:
        before = iam._roles.get(physical_id, {}).get("AssumeRolePolicyDocument")
        updated = update_role(physical_id, old, new, stack_name, logical_id)
        role = iam._roles[updated[0]]
        role["PermissionsBoundary"] = new.get("PermissionsBoundary")
        if updated[0] == physical_id and role["AssumeRolePolicyDocument"] != before:
            _log("UpdateAssumeRolePolicy", {"roleName": physical_id, "policyDocument": role["AssumeRolePolicyDocument"]}, None)
        return updated

    def delete(physical_id: str, props: dict[str, Any]) -> None:
        delete_role(physical_id, props)
        _log("DeleteRole", {"roleName": physical_id}, None)

    _RESOURCE_HANDLERS[_ROLE] = {**handlers, "create": create, "update": update, "delete": delete}


def _log(event_name: str, request: dict[str, Any], response: dict[str, Any] | None) -> None:
    courier().take(record_of_service(event_name, _SERVICE, get_account_id(), request=request, response=response, now=datetime.now(UTC)))


def _log_creation(role: dict[str, Any]) -> None:
    document, now = str(role["AssumeRolePolicyDocument"]), datetime.now(UTC)
    tags = [{"key": tag["Key"], "value": tag["Value"]} for tag in role["Tags"]]
    request = {
        "roleName": role["RoleName"],
        "path": role["Path"],
        "assumeRolePolicyDocument": document,
        "maxSessionDuration": role["MaxSessionDuration"],
        **({"tags": tags} if tags else {}),
    }
    response = {
        "role": {
            "path": role["Path"],
            "roleName": role["RoleName"],
            "roleId": role["RoleId"],
            "arn": role["Arn"],
            "createDate": f"{now:%b} {now.day}, {now.year} {now.hour % 12 or 12}:{now:%M:%S %p}",
            "assumeRolePolicyDocument": quote(document, safe=""),
            **({"tags": tags} if tags else {}),
        }
    }
    _log("CreateRole", json.loads(json.dumps(request)), response)
