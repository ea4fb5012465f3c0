"""What people did in Slack, one SQS message each, to `answer_slack`. Partial batch response.

One that failed holds back what the same Slack user did next.
"""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.errors import DoorwardError
from doorward.slack.interactions import interaction_from
from doorward.usecases.answer_slack import answer_slack

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Whatever fails comes again, and ends in the dead-letter queue."""
    failed: list[str] = []
    for record in event["Records"]:
        try:
            outcome = answer_slack(interaction_from(record["body"]), bootstrap.answer_tools())
        except DoorwardError as error:
            logger.warning("Left a message for later", message_id=record["messageId"], reason=str(error))
            failed.append(record["messageId"])
            continue
        logger.info("Answered in Slack", message_id=record["messageId"], outcome=outcome)
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
