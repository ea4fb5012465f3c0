"""Gap: a rule goes by other names than on AWS: in a stack's `!Ref` where it is on a bus of its own, and in policies where it is not.

`!Ref` of such a rule is `bus|name` (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-rule.html);
the ARN of a rule on the default bus names no bus
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html).
"""

from typing import Any, Final

from ministack.services.cloudformation import provisioners
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

from local.cloud import resource_arns

READ_AGAINST = {
    **resource_arns.READ_AGAINST,
    "ministack.services.cloudformation.provisioners:_eb_rule_create": "f6821fbd1768",
    "ministack.services.cloudformation.provisioners:_eb_rule_delete": "e33e46d8bf20",
    "ministack.services.cloudformation.provisioners:_eb_rule_update": "f59ba9950248",
}

_TYPE: Final = "AWS::Events::Rule"


def install() -> None:
    handlers = dict(_RESOURCE_HANDLERS[_TYPE])
    create_rule, update_rule, delete_rule = handlers["create"], handlers["update"], handlers["delete"]

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        name, attributes = create_rule(logical_id, props, stack_name)
        return _reference(name, props), attributes

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str, logical_id: str | None = None) -> Any:
        name, attributes, *more = update_rule(_name(physical_id), old, new, stack_name, logical_id)
        return _reference(name, new), attributes, *more

    def delete(physical_id: str, props: dict[str, Any]) -> None:
        delete_rule(_name(physical_id), props)

    _RESOURCE_HANDLERS[_TYPE] = {**handlers, "create": create, "update": update, "delete": delete}
    resource_arns.correct(_without_the_default_bus)


def _without_the_default_bus(call: resource_arns.Call, arn: Any) -> Any:
    return arn.replace(":rule/default/", ":rule/", 1) if call.service == "events" and isinstance(arn, str) else arn


def _reference(name: str, props: dict[str, Any]) -> str:
    bus = provisioners._eb_rule_bus_name(props)
    return name if bus == "default" else f"{bus}|{name}"


def _name(physical_id: str) -> str:
    return physical_id.rpartition("|")[2]
