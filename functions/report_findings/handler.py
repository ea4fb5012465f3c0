"""SQS messages, each one of our own bus events about a case, to `report_findings`. Partial batch response."""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.aws.batch import work_off
from doorward.usecases.report_findings import report_findings

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    return work_off(
        event,
        lambda body: report_findings(body, bootstrap.reporters(), bootstrap.ledger(), bootstrap.clock()),
        bootstrap.dead_letters,
        logger,
    )
