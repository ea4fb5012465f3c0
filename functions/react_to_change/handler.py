"""SQS messages, each an EventBridge envelope about IAM or a hint of our own, to `react_to_change`. Partial batch response."""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.aws.batch import work_off
from doorward.usecases.react_to_change import react_to_change

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    return work_off(event, lambda body: react_to_change(body, bootstrap.reaction_tools()), bootstrap.dead_letters, logger)
