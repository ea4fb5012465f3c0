"""A schedule's turn, to `finish_started`."""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.aws.clock import SystemClock
from doorward.usecases.finish_started import finish_started

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Fails, and so raises its alarm, where something could not be taken up: the next turn tries again."""
    ledger = bootstrap.ledger()
    organization = bootstrap.known_organization().organization()
    finished = finish_started(ledger, ledger, bootstrap.bus(), bootstrap.hints(), organization, SystemClock())
    logger.info("Took up what was due", **finished._asdict())
    return finished._asdict()
