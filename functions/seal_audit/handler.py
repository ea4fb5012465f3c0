"""A schedule's turn, to `seal_audit`."""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.usecases.seal_audit import seal_audit

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Fails, and so raises its alarm, where no root was sealed: the next turn tries again."""
    root = seal_audit(bootstrap.seals(), bootstrap.clock())
    logger.info("Sealed the audit", number=root.number, heads=root.heads)
    return {"number": root.number, "heads": root.heads}
