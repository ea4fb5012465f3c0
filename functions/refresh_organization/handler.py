"""SQS messages, each an envelope about the organization or a call for a read, to `refresh_organization`. Partial batch response."""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.aws.batch import work_off
from doorward.usecases.refresh_organization import refresh_organization

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    return work_off(event, lambda body: refresh_organization(body, bootstrap.refresh_tools()), bootstrap.dead_letters, logger)
