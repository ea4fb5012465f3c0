"""SQS messages, each an EventBridge envelope about IAM or a hint of our own, to `react_to_change`. Partial batch response.

Invoked by a person with `{"foresee": {...}}`, it says what it would do, and does nothing.
"""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.aws.batch import work_off
from doorward.usecases.react_to_change import react_to_change

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    if "foresee" in event:
        from doorward.usecases.foresee_reaction import foresee_reaction

        return foresee_reaction(event["foresee"], bootstrap.reaction_tools())
    return work_off(event, lambda body: react_to_change(body, bootstrap.reaction_tools()), bootstrap.dead_letters, logger)
