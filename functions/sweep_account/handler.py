"""One slice of one account's sweep, as statemachines/sweep.asl.json asks for it, to `sweep_account`."""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.usecases.sweep_account import sweep_account

logger = Logger()


def handler(event: object, context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    answer = sweep_account(event, bootstrap.sweep_tools(event))
    logger.info(
        "Swept an account",
        account=answer["account_id"],
        done=answer["done"],
        hints=answer.get("hints"),
        left=answer.get("left"),
        unreadable=answer.get("unreadable", False),
    )
    return answer
