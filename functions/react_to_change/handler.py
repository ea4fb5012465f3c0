"""SQS messages, each an EventBridge envelope about IAM, to `react_to_change`. Partial batch response."""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.errors import Conflict, MalformedInput, Misconfigured, Unavailable
from doorward.usecases.react_to_change import react_to_change

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """What can never work is put aside here, with its reason; what may work later is left to SQS."""
    failed = [record["messageId"] for record in event["Records"] if not _handle(record["messageId"], record["body"])]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}


def _handle(message_id: str, body: str) -> bool:
    """False: the message comes again. Whatever goes wrong with one message is that message's matter alone."""
    try:
        for outcome in react_to_change(body, bootstrap.reaction_tools()):
            logger.info(
                "Reacted to a change",
                account=outcome.account_id,
                event_id=outcome.event_id,
                event_name=outcome.event_name,
                role=outcome.role_ref,
                outcome=outcome.outcome,
            )
    except (MalformedInput, Misconfigured) as error:
        return _put_aside(message_id, body, str(error))
    except (Unavailable, Conflict) as error:
        logger.warning("Left a message for later", message_id=message_id, reason=str(error))
        return False
    except Exception:
        logger.exception("Failed on a message", message_id=message_id)
        return False
    return True


def _put_aside(message_id: str, body: str, reason: str) -> bool:
    try:
        bootstrap.dead_letters().put_aside(body, reason)
    except (Unavailable, Misconfigured) as error:
        logger.warning("Could not put a message aside", message_id=message_id, reason=str(error))
        return False
    logger.warning("Put a message aside", message_id=message_id, reason=reason)
    return True
