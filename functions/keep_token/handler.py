"""A wait of statemachines/grant.asl.json, to `keep_token`. The token goes into no log, and into no error."""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.aws.steps import told_by_kind
from doorward.usecases.keep_token import NothingToWaitFor, keep_token

logger = Logger()


def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001 - Lambda's signature
    with told_by_kind(logger, NothingToWaitFor):
        tools = bootstrap.grants(), bootstrap.questions(), bootstrap.token_seals()
        keep_token(event["grant_id"], event["step"], event["token"], *tools)
        logger.info("An execution waits", grant=event["grant_id"], step=event["step"])
