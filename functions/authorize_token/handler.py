"""API Gateway's Lambda authorizer (TOKEN) for callers with a JWT. What it lets through still has to be found in Identity Center by the API.

A refusal is an answer, with its cure in the context, from which the API's gateway response takes it. Only what could not be decided fails.
"""

import json
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger

from doorward import bootstrap
from doorward.people.model import Refusal
from doorward.usecases.authorize_token import authorize_token

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    scheme, _, token = str(event.get("authorizationToken") or "").partition(" ")
    claims = authorize_token(token if scheme.lower() == "bearer" else None, *bootstrap.token_tools())
    if isinstance(claims, Refusal):
        logger.info("Refused a token", reason=claims.because)
        # The gateway's response puts them between quotation marks, and escapes nothing.
        return _answer("Deny", "nobody", event, {name: json.dumps(text)[1:-1] for name, text in claims._asdict().items()})
    logger.info("Let a token through", issuer=claims["iss"], subject=claims["sub"])
    return _answer("Allow", f"{claims['iss']} {claims['sub']}", event, {"claims": json.dumps(dict(claims))})


def _answer(effect: str, who: str, event: Mapping[str, Any], context: Mapping[str, str]) -> dict[str, Any]:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html."""
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
    return {
        "principalId": who,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": dict(context),
    }
