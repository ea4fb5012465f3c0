"""The routes that Slack calls, as API Gateway's proxy integration gives them. Nobody is known here before the signature is Slack's.

An answer has no body, which to Slack means taken, or not; but for a form that stays. Nothing of a call is logged but what came of it.
"""

from base64 import b64decode
from typing import Any, Final

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.usecases.receive_slack import Call, Received, receive_slack

logger = Logger()

_STATUS: Final = {
    Received.QUEUED: 200,
    Received.REPLAYED: 200,
    Received.NOTHING: 200,
    Received.TOO_LONG: 413,
    Received.NOT_SLACK: 401,
    Received.MALFORMED: 400,
    Received.ANOTHER_TEAM: 403,
}


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    received, body = receive_slack(_call(event), bootstrap.receive_tools())
    logger.info("Received a call", about=str(event["resource"]), outcome=received)
    return {"statusCode": _STATUS[received], "headers": {"Cache-Control": "no-store", "Content-Type": "application/json"}, "body": body}


def _call(event: dict[str, Any]) -> Call:
    """The signature is over the body as it was sent: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html."""
    headers = {name.lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    body = event.get("body") or ""
    return Call(
        about=event["resource"].rpartition("/")[2],
        timestamp=headers.get("x-slack-request-timestamp", ""),
        signature=headers.get("x-slack-signature", ""),
        body=b64decode(body) if event.get("isBase64Encoded") else body.encode(),
    )
