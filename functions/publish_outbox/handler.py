"""New outbox items, from the ledger's stream, to `publish_outbox`. Partial batch response: the stream goes on from the first failure."""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.errors import DoorwardError
from doorward.usecases.publish_outbox import publish_outbox

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    for record in event["Records"]:
        stream = record["dynamodb"]
        announcement_id = stream["Keys"]["pk"]["S"].removeprefix("OUTBOX#")
        try:
            published = publish_outbox(announcement_id, bootstrap.ledger(), bootstrap.bus())
        except DoorwardError as error:
            logger.warning("Left an announcement for later", announcement_id=announcement_id, reason=str(error))
            return {"batchItemFailures": [{"itemIdentifier": stream["SequenceNumber"]}]}
        logger.info("Published an announcement", announcement_id=announcement_id, published=published)
    return {"batchItemFailures": []}
