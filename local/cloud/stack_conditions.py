"""Gap: in a condition of a stack, a pseudo parameter is its own name, and equals nothing.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html
"""

from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import changesets, engine, handlers, stacks

READ_AGAINST = {"ministack.services.cloudformation.engine:_evaluate_conditions": "e7f9e29b6c01"}


def install() -> None:
    evaluate = engine._evaluate_conditions

    def evaluate_conditions(template: dict[str, Any], params: dict[str, Any]) -> dict[str, bool]:
        pseudo = {"AWS::AccountId": get_account_id(), "AWS::Region": get_region(), "AWS::Partition": "aws"}
        evaluated: dict[str, bool] = evaluate(template, {name: {"Value": value} for name, value in pseudo.items()} | params)
        return evaluated

    for module in (engine, handlers, changesets, stacks):  # imported by name
        module._evaluate_conditions = evaluate_conditions
