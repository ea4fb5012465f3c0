"""A step of statemachines/grant.asl.json, to `advance_grant`. What is answered stands in a history: an id, a state, seconds."""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.aws.steps import told_by_kind
from doorward.usecases.advance_grant import advance_grant

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    with told_by_kind(logger):
        seen = advance_grant(event["grant_id"], event["step"], bootstrap.grant_tools())
        logger.info("Looked at a grant", grant=seen.grant_id, step=event["step"], state=str(seen.state), wait_seconds=seen.wait_seconds)
        return {"grant_id": seen.grant_id, "state": str(seen.state), "wait_seconds": seen.wait_seconds}
