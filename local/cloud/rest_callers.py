"""Gap: MiniStack tells a function who called its REST API only if he is of the API's account, and believes what he says of his address.

Here `requestContext.identity` has the members that it has on AWS, null where there is nothing to say; `sourceIp` is the address of the
connection (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html).
"""

from typing import Any, Final

from ministack.core import iam_evaluator
from ministack.core.responses import get_region, request_scope
from ministack.services import apigateway_v1

from local.cloud.rest_apis import caller_account

READ_AGAINST = {
    "ministack.core.iam_evaluator:resolve_caller_identity": "d3b70cb83677",
    "ministack.services.apigateway_v1:_iam_caller_identity": "de09b52445df",
    "ministack.services.apigateway_v1:_build_lambda_event_v1": "c7ac97b91f6e",
}

_OF_NOBODY: Final = dict.fromkeys(
    (
        "accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType", "cognitoIdentityId",
        "cognitoIdentityPoolId", "principalOrgId", "user", "userArn",
    )
)  # fmt: skip


def install() -> None:
    identify, build = apigateway_v1._iam_caller_identity, apigateway_v1._build_lambda_event_v1

    def identify_in_his_account(headers: dict[str, str], query: dict[str, list[str]]) -> Any:
        with request_scope(caller_account(), get_region()):
            return identify(headers, query)

    def build_with_identity(*args: Any, **rest: Any) -> Any:
        event = build(*args, **rest)
        context = event["requestContext"]
        context["identity"] = {**_OF_NOBODY, **context["identity"], "sourceIp": iam_evaluator._request_origin.get()[0]}
        return event

    apigateway_v1._iam_caller_identity = identify_in_his_account
    apigateway_v1._build_lambda_event_v1 = build_with_identity
