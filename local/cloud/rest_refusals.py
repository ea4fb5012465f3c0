"""Gap: MiniStack drops the gateway responses that SAM writes into an API's body, and what an authorizer says when it denies.

Here a refusal is worded by the API's gateway responses, and `$context.authorizer.<name>` in them is what the authorizer gave, nothing
where it gave nothing (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html).
"""

import json
import re
from contextvars import ContextVar
from typing import Any, Final

from ministack.services import apigateway_v1

READ_AGAINST = {
    "ministack.services.apigateway_v1:_import_rest_api": "ef72f9312702",
    "ministack.services.apigateway_v1:_put_gateway_response": "93e727fc3806",
    "ministack.services.apigateway_v1:_gateway_error_response": "c0a3f091df36",
    "ministack.services.apigateway_v1:_invoke_authorizer_lambda": "5a7f4c427120",
    "ministack.services.apigateway_v1:handle_execute": "c44e927a3e33",
}

_SAID: Final = re.compile(rb"\$context\.authorizer\.(\w+)")
_said: ContextVar[dict[str, str] | None] = ContextVar("context_that_an_authorizer_gave", default=None)


def install() -> None:
    import_api, render = apigateway_v1._import_rest_api, apigateway_v1._gateway_error_response
    ask, execute = apigateway_v1._invoke_authorizer_lambda, apigateway_v1.handle_execute

    def import_with_its_responses(spec: dict[str, Any], *args: Any) -> Any:
        api_id = import_api(spec, *args)
        for kind, response in (spec.get("x-amazon-apigateway-gateway-responses") or {}).items():
            status, _headers, answer = apigateway_v1._put_gateway_response(api_id, kind, response)
            if status >= 400:  # noqa: PLR2004 - an HTTP error
                raise ValueError(f"gateway response {kind}: {answer.decode()}")
        return api_id

    async def execute_afresh(*args: Any) -> Any:
        _said.set(None)
        return await execute(*args)

    async def ask_and_note(*args: Any) -> Any:
        result = await ask(*args)
        _said.set(_context_in((result or {}).get("body")))
        return result

    def render_with_what_was_said(*args: Any) -> Any:
        status, headers, body = render(*args)
        said = _said.get() or {}
        return status, headers, _SAID.sub(lambda found: said.get(found[1].decode(), "").encode(), body)

    apigateway_v1._import_rest_api = import_with_its_responses
    apigateway_v1.handle_execute = execute_afresh
    apigateway_v1._invoke_authorizer_lambda = ask_and_note
    apigateway_v1._gateway_error_response = render_with_what_was_said


def _context_in(answer: Any) -> dict[str, str]:
    if isinstance(answer, str | bytes):
        try:
            answer = json.loads(answer)
        except ValueError:
            return {}
    context: dict[str, str] = apigateway_v1._stringify_context(answer.get("context")) if isinstance(answer, dict) else {}
    return context
