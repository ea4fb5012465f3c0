"""Gap: CloudFormation refuses a template that has a resource type which MiniStack does not know.

Types that no local behaviour depends on are accepted: the stack records a name and attributes, nothing is created. The list is in
`not_emulated`, and whoever starts the stack shows it.
"""

from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

from local.cloud.not_emulated import ACCEPTED

READ_AGAINST: dict[str, str] = {}


def install() -> None:
    for resource_type, attributes in ACCEPTED.items():
        if resource_type in _RESOURCE_HANDLERS:
            raise RuntimeError(f"the emulator knows {resource_type} now: delete it from ACCEPTED in local/cloud/not_emulated.py")
        _RESOURCE_HANDLERS[resource_type] = _handlers(attributes)


def _handlers(attributes: dict[str, str]) -> dict[str, Any]:
    def create(logical_id: str, _props: dict[str, Any], stack_name: str) -> tuple[str, dict[str, str]]:
        name = f"{stack_name}-{logical_id}"
        return name, {key: value.format(region=get_region(), account=get_account_id(), name=name) for key, value in attributes.items()}

    def update(
        _physical_id: str, _old: dict[str, Any], new: dict[str, Any], stack_name: str, logical_id: str
    ) -> tuple[str, dict[str, str]]:
        return create(logical_id, new, stack_name)

    def delete(_physical_id: str, _props: dict[str, Any]) -> None:
        return None

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}
