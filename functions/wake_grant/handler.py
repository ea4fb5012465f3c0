"""SQS messages, each of something that happened to a grant, to `wake_grant`. Partial batch response."""

from collections.abc import Iterable
from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.aws.batch import work_off
from doorward.grants.waking import grant_to_wake
from doorward.ports.ledger import EventOutcome
from doorward.usecases.wake_grant import wake_grant

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    return work_off(event, _wake, bootstrap.dead_letters, logger)


def _wake(body: str) -> Iterable[EventOutcome]:
    """No event of CloudTrail's: nothing is kept of what came of it."""
    grant_id = grant_to_wake(body)
    wake_grant(grant_id, bootstrap.grants(), bootstrap.token_seals(), bootstrap.executions())
    logger.info("Had a grant looked at", grant=grant_id)
    return ()
