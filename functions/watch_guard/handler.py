"""SQS messages, each an EventBridge envelope about what Doorward is made of, to `watch_guard`. Partial batch response."""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.aws.batch import work_off
from doorward.usecases.watch_guard import watch_guard

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    return work_off(event, lambda body: watch_guard(body, bootstrap.guard_tools()), bootstrap.dead_letters, logger)
