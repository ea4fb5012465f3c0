"""Gap: a stack cannot have a policy of AWS Organizations, and a permission to call Organizations is checked on nothing narrower than all.

On AWS the calls about a policy are checked on its ARN. Those that attach it are checked on the account too: not emulated, and added where
permissions are compared with calls (tests/integration/implicit_calls.py).
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsorganizations.html
"""

import json
from typing import Any, Final

from ministack.services import organizations
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

from local.cloud import resource_arns

READ_AGAINST = {
    **resource_arns.READ_AGAINST,
    "ministack.services.organizations:_create_policy": "138fd2f1dba5",
    "ministack.services.organizations:_update_policy": "8eead6c2503b",
    "ministack.services.organizations:_delete_policy": "b03d7f75e6e4",
}

_TYPE: Final = "AWS::Organizations::Policy"
_NAMED: Final = ("Name", "Description", "Type")


def install() -> None:
    if _TYPE in _RESOURCE_HANDLERS:
        raise RuntimeError(f"the emulator knows {_TYPE} now: delete it from local/cloud/stack_policies.py")
    _RESOURCE_HANDLERS[_TYPE] = {"create": _create, "update": _update, "delete": _delete}
    resource_arns.correct(_of_a_policy)


def _create(_logical_id: str, props: dict[str, Any], _stack_name: str) -> tuple[str, dict[str, Any]]:
    request = {name: props[name] for name in _NAMED} | {"Content": json.dumps(props["Content"])}
    summary = _answer(organizations._create_policy(request))["Policy"]["PolicySummary"]
    return summary["Id"], {"Arn": summary["Arn"], "Id": summary["Id"]}


def _update(physical_id: str, old: dict[str, Any], new: dict[str, Any], _stack_name: str) -> tuple[str, dict[str, Any]]:
    """As CloudFormation: what stands is not looked at, and what the template does not change stays as somebody made it."""
    changed = {"Content": json.dumps(new["Content"])} if new["Content"] != old["Content"] else {}
    summary = _answer(organizations._update_policy({"PolicyId": physical_id, **changed}))["Policy"]["PolicySummary"]
    return physical_id, {"Arn": summary["Arn"], "Id": physical_id}


def _delete(physical_id: str, _props: dict[str, Any]) -> None:
    _answer(organizations._delete_policy({"PolicyId": physical_id}))


def _answer(response: tuple[int, Any, bytes]) -> Any:
    status, _headers, body = response
    said = json.loads(body)
    if status >= 300:  # noqa: PLR2004 - HTTP
        raise ValueError(f"{_TYPE}: {said}")
    return said


def _of_a_policy(call: resource_arns.Call, arn: Any) -> Any:
    if call.service != "organizations":
        return arn
    try:
        policy_id = json.loads(call.body or b"{}").get("PolicyId")
    except (ValueError, AttributeError):
        return arn
    policy = organizations._policies.get(policy_id) if isinstance(policy_id, str) else None
    return policy["Arn"] if policy else arn
