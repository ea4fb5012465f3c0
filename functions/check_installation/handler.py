"""One question of `doorward doctor`, to `check_installation`. Asked directly, so whatever goes wrong is the asker's to see."""

from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.usecases.check_installation import check_installation

logger = Logger()


def handler(event: object, context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    answer = check_installation(event, bootstrap.installation_tools())
    logger.info("Checked the installation", checks=len(answer["checks"]), broken=sum(each["state"] != "ok" for each in answer["checks"]))
    return answer
