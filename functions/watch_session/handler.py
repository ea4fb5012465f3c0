"""SQS messages, each an EventBridge envelope about a session or a change of trust, to `watch_session`. Partial batch response."""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.aws.batch import work_off
from doorward.usecases.watch_session import watch_session

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    return work_off(event, lambda body: watch_session(body, bootstrap.session_tools()), bootstrap.dead_letters, logger)
