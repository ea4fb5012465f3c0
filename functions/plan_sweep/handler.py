"""The first step of statemachines/sweep.asl.json, to `plan_sweep`."""

from secrets import token_hex
from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.aws.clock import SystemClock
from doorward.usecases.plan_sweep import plan_sweep

logger = Logger()


def handler(event: object, context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    known = bootstrap.known_organization()
    planned = plan_sweep(event, known.organization(), known.facts(), now=SystemClock().now(), new_id=lambda: token_hex(8))
    logger.info("Planned a sweep", accounts=len(planned["accounts"]))
    return planned
