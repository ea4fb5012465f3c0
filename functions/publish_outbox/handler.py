"""The ledger's stream: new outbox items to `publish_outbox`, the kill switch's turns and the ends of suspensions to those who tell of them.

Partial batch response: the stream goes on from the first failure.
"""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.aws.metrics import emit
from doorward.errors import DoorwardError
from doorward.grants.measuring import measures_of
from doorward.ports.ledger import Announcement
from doorward.usecases.publish_outbox import publish_outbox

logger = Logger()


def _measure(told: Announcement) -> None:
    """Once for each that went out, and only of grants."""
    emit(measures_of(told.detail_type, told.detail, told.at))


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    for record in event["Records"]:
        stream = record["dynamodb"]
        key, sort_key = stream["Keys"]["pk"]["S"], stream["Keys"]["sk"]["S"]
        try:
            if key == "STOP":
                told = bootstrap.tell_stop(sort_key, record["eventID"])
                logger.info("Told of the kill switch", scope=sort_key, told=told)
            elif key == "SUSPENDED":
                told = bootstrap.tell_suspension_ended(sort_key, record["eventID"])
                logger.info("Told of a suspension", scope=sort_key, told=told)
            else:
                announcement_id = key.removeprefix("OUTBOX#")
                published = publish_outbox(announcement_id, bootstrap.ledger(), bootstrap.bus(), _measure)
                logger.info("Published an announcement", announcement_id=announcement_id, published=published)
        except DoorwardError as error:
            logger.warning("Left an item for later", key=key, sort_key=sort_key, reason=str(error))
            return {"batchItemFailures": [{"itemIdentifier": stream["SequenceNumber"]}]}
    return {"batchItemFailures": []}
