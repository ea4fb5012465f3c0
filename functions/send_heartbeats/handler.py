"""A schedule's turn, to `send_heartbeats`."""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.errors import Unavailable
from doorward.usecases.send_heartbeats import send_heartbeats

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Fails, and so raises its alarm, where beats could not be sent for no fault of the accounts: then nobody is listening."""
    came_to = send_heartbeats(bootstrap.heartbeat_tools())
    for spot, reason in came_to.unsent.items():
        logger.warning("Could not send a heartbeat", account=spot.account_id, region=spot.region, reason=reason)
    silent, ended = ([list(each) for each in several] for several in (came_to.silent, came_to.ended))
    logger.info("Sent heartbeats", sent=came_to.sent, silent=silent, ended=ended)
    if came_to.unsent:
        raise Unavailable(f"{len(came_to.unsent)} heartbeats could not be sent; the next turn tries again")
    return {"sent": came_to.sent}
