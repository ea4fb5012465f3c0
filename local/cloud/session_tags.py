"""Gap: MiniStack asks a role's trust policy alone whether a session may be tagged.

On AWS the caller's own policies must allow `sts:TagSession` too, where the call has tags:
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_permissions-required
"""

from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.core.router import extract_access_key_id
from ministack.services import sts

from local.cloud import sts_requests

READ_AGAINST = {
    "ministack.services.sts:handle_request": "f2d7c72d01d6",
    "ministack.core.iam_evaluator:enforce": "cf64b1ee5b09",
}

_ACTION = "sts:TagSession"


def install() -> None:
    handle = sts.handle_request

    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]) -> Any:
        given = sts_requests.parameters(body, query)
        if given.get("Action") == "AssumeRole" and "Tags.member.1.Key" in given:
            caller, role_arn = extract_access_key_id(headers, query) or "", given.get("RoleArn", "")
            context = sts_requests.condition_keys(given)
            if iam_evaluator.enforce(caller, _ACTION, "sts", get_region(), resource_arn=role_arn, service_context=context) is not None:
                who = getattr(sts.resolve_credential(caller), "principal_arn", "")
                because = f"User: {who} is not authorized to perform: {_ACTION} on resource: {role_arn}"
                return sts._error(403, "AccessDenied", because, ns="sts")
        return await handle(method, path, headers, body, query)

    sts.handle_request = handle_request
