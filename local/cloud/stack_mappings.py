"""Gap: text where a property of a stack's event source mapping wants a number stays text, and its poller fails on every round.

SAM writes a parameter's value as text into what it generates, and CloudFormation converts it by the property's type
(https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-property-function-scalingconfig.html).
"""

from typing import Any, Final

from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

READ_AGAINST = {
    "ministack.services.cloudformation.provisioners:_lambda_esm_create": "f053a4e8c30c",
    "ministack.services.cloudformation.provisioners:_lambda_esm_update": "aa8165621335",
}

_TYPE: Final = "AWS::Lambda::EventSourceMapping"


def install() -> None:
    handlers = dict(_RESOURCE_HANDLERS[_TYPE])
    create_mapping, update_mapping = handlers["create"], handlers["update"]

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        return create_mapping(logical_id, _with_numbers(props), stack_name)

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Any:
        return update_mapping(physical_id, old, _with_numbers(new), stack_name)

    _RESOURCE_HANDLERS[_TYPE] = {**handlers, "create": create, "update": update}


def _with_numbers(props: dict[str, Any]) -> dict[str, Any]:
    scaling = props.get("ScalingConfig")
    if not scaling:
        return props
    return {**props, "ScalingConfig": {key: int(value) for key, value in scaling.items()}}
