"""A batch of SQS messages through one use case, with the partial answer that Lambda understands.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from collections.abc import Callable, Iterable
from typing import Any

from aws_lambda_powertools import Logger

from doorward.errors import Conflict, MalformedInput, Misconfigured, Unavailable
from doorward.ports.announcing import DeadLetters
from doorward.ports.ledger import EventOutcome


def work_off(
    event: dict[str, Any], use_case: Callable[[str], Iterable[EventOutcome]], dead_letters: Callable[[], DeadLetters], logger: Logger
) -> dict[str, Any]:
    """What can never work is put aside, with its reason; what may work later is left to SQS.

    `dead_letters` is called only where something is put aside. Whatever goes wrong with one message is that message's matter alone.
    """
    failed = [
        record["messageId"]
        for record in event["Records"]
        if not _is_done_with(record["messageId"], record["body"], use_case, dead_letters, logger)
    ]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}


def _is_done_with(
    message_id: str,
    body: str,
    use_case: Callable[[str], Iterable[EventOutcome]],
    dead_letters: Callable[[], DeadLetters],
    logger: Logger,
) -> bool:
    """False: the message comes again."""
    try:
        for outcome in use_case(body):
            logger.info(
                "Handled an event",
                account=outcome.account_id,
                event_id=outcome.event_id,
                event_name=outcome.event_name,
                role=outcome.role_ref,
                outcome=outcome.outcome,
            )
    except (MalformedInput, Misconfigured) as error:
        return _is_put_aside(message_id, body, str(error), dead_letters, logger)
    except (Unavailable, Conflict) as error:
        logger.warning("Left a message for later", message_id=message_id, reason=str(error))
        return False
    except Exception:
        logger.exception("Failed on a message", message_id=message_id)
        return False
    return True


def _is_put_aside(message_id: str, body: str, reason: str, dead_letters: Callable[[], DeadLetters], logger: Logger) -> bool:
    try:
        dead_letters().put_aside(body, reason)
    except (Unavailable, Misconfigured) as error:
        logger.warning("Could not put a message aside", message_id=message_id, reason=str(error))
        return False
    logger.warning("Put a message aside", message_id=message_id, reason=reason)
    return True
