"""SQS messages, each one of our own bus events, to `notify_people`, or a schedule's turn, to `send_gathered`. Partial batch response."""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.errors import DoorwardError
from doorward.usecases.notify_people import notify_people
from doorward.usecases.send_gathered import send_gathered, turn_of

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Whatever fails comes again, and ends in the dead-letter queue: people must be told, so nothing is dropped here."""
    failed: list[str] = []
    for record in event["Records"]:
        try:
            why = turn_of(record["body"])
            tools = bootstrap.notify_tools()
            sent = notify_people(record["body"], tools) if why is None else send_gathered(why, tools)
        except DoorwardError as error:
            logger.warning("Left a message for later", message_id=record["messageId"], reason=str(error))
            failed.append(record["messageId"])
            continue
        logger.info("Told people", message_id=record["messageId"], channels=list(sent))
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
