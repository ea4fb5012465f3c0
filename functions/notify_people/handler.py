"""SQS messages, each one of our own bus events, to `notify_people`. Partial batch response."""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.errors import DoorwardError
from doorward.usecases.notify_people import notify_people

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Whatever fails comes again, and ends in the dead-letter queue: people must be told, so nothing is dropped here."""
    failed: list[str] = []
    for record in event["Records"]:
        try:
            sent = notify_people(record["body"], bootstrap.notify_tools())
        except DoorwardError as error:
            logger.warning("Left a message for later", message_id=record["messageId"], reason=str(error))
            failed.append(record["messageId"])
            continue
        logger.info("Told people", message_id=record["messageId"], channels=list(sent))
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
