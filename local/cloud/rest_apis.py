"""Gap: MiniStack finds a REST API for callers of its own account only, and drops the resource policy that SAM writes into its body.

Here an API is found by its id, whoever calls, and its function runs in the API's account. Who may call is decided as on AWS
(https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html):

* with IAM, in the API's account: the caller's policies or the API's allow; from another account: both do; a Deny of either wins. An
  account's root is allowed by his account, and needs the API's policy like anybody else;
* without authorization: the policy allows everybody, or there is none;
* with a Lambda authorizer: the policy does not deny. What the authorizer answers is the emulator's to judge.

Not emulated: a stage keeps the policy of its deployment (here a changed policy counts at once); a signature for another service or
region than the API's is refused.
"""

from contextvars import ContextVar
from typing import Any, Final

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.arn import execute_api_arn
from ministack.core.iam_evaluator import AuthError, EvalContext, EvalResult
from ministack.core.responses import get_account_id, request_scope
from ministack.core.router import extract_access_key_id
from ministack.services import apigateway_v1

READ_AGAINST = {
    "ministack.app:_enforce_execute_api": "41e437c7b90d",
    "ministack.app:_enforce_data_plane": "1e54bcf1421b",
    "ministack.core.iam_evaluator:combine_resource_policy": "3972f81213f8",
    "ministack.core.iam_evaluator:enforce": "cf64b1ee5b09",
    "ministack.services.apigateway_v1:find_api_scope": "19d66149ae1d",
    "ministack.services.apigateway_v1:handle_execute": "c44e927a3e33",
    "ministack.services.apigateway_v1:rest_api_policy_for_arn": "b0196588ff80",
    "ministack.services.apigateway_v1:authentication_error_response": "594bdc4d9750",
    "ministack.services.apigateway_v1:_anonymous_policy_error": "a10693de6fd5",
    "ministack.services.apigateway_v1:_authorize_request_v1": "46b3fe37fe98",
    "ministack.services.apigateway_v1:_import_rest_api": "ef72f9312702",
}

_INVOKE: Final = "execute-api:Invoke"
_caller: ContextVar[str | None] = ContextVar("account_of_the_caller_of_a_rest_api", default=None)


def caller_account() -> str:
    """The account whose credentials signed the call that is being handled; of an unsigned one the API's."""
    return _caller.get() or get_account_id()


def install() -> None:
    find_scope, import_api, execute = apigateway_v1.find_api_scope, apigateway_v1._import_rest_api, apigateway_v1.handle_execute
    authorize, enforce_data_plane = apigateway_v1._authorize_request_v1, app._enforce_data_plane

    def find_scope_anywhere(api_id: str) -> Any:
        return find_scope(api_id) or next((key[:2] for key, _api in apigateway_v1._rest_apis.all_items() if key[2] == api_id), None)

    def import_with_its_policy(spec: dict[str, Any], base: dict[str, Any] | None = None) -> Any:
        data = dict(base or {})
        return import_api(spec, {**data, "policy": data.get("policy") or spec.get("x-amazon-apigateway-policy")})

    def enforce_elsewhere(service: str, iam_action: str, *args: Any, resource_arn: str = "*", **rest: Any) -> Any:
        """Leave a REST API's methods to `authorize`, which knows the API's account and the method that is called."""
        api_id = resource_arn.split(":", 5)[-1].partition("/")[0]  # a path may hold colons
        if iam_action == _INVOKE and find_scope_anywhere(api_id):
            return None
        return enforce_data_plane(service, iam_action, *args, resource_arn=resource_arn, **rest)

    async def execute_for_the_caller(*args: Any) -> Any:
        token = _caller.set(get_account_id())  # in there it is the API's
        try:
            return await execute(*args)
        finally:
            _caller.reset(token)

    async def authorize_with_the_policy(  # noqa: PLR0917 - the emulator's signature
        api_id: str,
        stage_name: str,
        method_obj: dict[str, Any],
        method: str,
        path: str,
        resource: Any,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, list[str]],
        path_params: Any,
        stage: Any,
        owner_account_id: str,
        owner_region: str,
    ) -> Any:
        arn = execute_api_arn(owner_region, owner_account_id, api_id, stage_name, method, path)
        kind = (method_obj.get("authorizationType") or "NONE").upper()
        if kind == "CUSTOM" and _policy_of(arn, _anybody(arn, owner_region)).decision == "Deny":
            return _denied("anonymous", arn, explicitly=True), None
        refused, context = await authorize(
            api_id, stage_name, method_obj, method, path, resource, headers, body, query, path_params, stage, owner_account_id, owner_region
        )
        if refused is None and kind == "AWS_IAM":
            with request_scope(caller_account(), owner_region):
                because = _refusal(extract_access_key_id(headers, query) or "", arn, owner_region)
            if isinstance(because, AuthError):
                refused = apigateway_v1.authentication_error_response(api_id, stage_name, because, headers, query)
            elif because is not None:
                refused = _denied(because.principal_arn, arn, explicitly=because.decision == "Deny")
        return refused, context

    apigateway_v1.find_api_scope = find_scope_anywhere
    apigateway_v1._import_rest_api = import_with_its_policy
    apigateway_v1.handle_execute = execute_for_the_caller
    apigateway_v1._authorize_request_v1 = authorize_with_the_policy
    app._enforce_data_plane = enforce_elsewhere


def _refusal(access_key_id: str, arn: str, region: str) -> AuthError | EvalResult | None:
    """Why the signed call may not be made, in the caller's scope."""
    refused: AuthError | EvalResult | None = iam_evaluator.enforce(access_key_id, _INVOKE, "apigateway", region, resource_arn=arn)
    if refused is not None or not iam_evaluator.is_root_access_key(access_key_id):
        return refused
    # The emulator asks no policy about an account's root.
    account_id = get_account_id()
    root = EvalContext(f"arn:aws:iam::{account_id}:root", "Root", account_id, _INVOKE, arn, region)
    decision = iam_evaluator.combine_resource_policy(EvalResult("Allow"), root, *apigateway_v1.rest_api_policy_for_arn(arn))
    decision.principal_arn = root.principal_arn
    return None if decision.decision == "Allow" else decision


def _anybody(arn: str, region: str) -> EvalContext:
    return EvalContext("*", "Anonymous", "", _INVOKE, arn, region)


def _policy_of(arn: str, context: EvalContext) -> EvalResult:
    policy, _owner = apigateway_v1.rest_api_policy_for_arn(arn)
    decision: EvalResult = iam_evaluator.evaluate_resource_policy(policy, context)
    return decision


def _denied(principal_arn: str, arn: str, *, explicitly: bool) -> Any:
    """AWS hides most of the API's account id from whoever may not call."""
    account_id = arn.split(":")[4]
    shown = arn.replace(account_id, f"********{account_id[-4:]}", 1)
    message = f"User: {principal_arn} is not authorized to perform: {_INVOKE} on resource: {shown}"
    return apigateway_v1._gw_error("ACCESS_DENIED", message + (" with an explicit deny" if explicitly else ""))
