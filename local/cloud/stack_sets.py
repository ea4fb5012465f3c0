"""Gap: MiniStack checks a caller's permission for a StackSet on `*`, AWS on the StackSet: a statement that names some would never match.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudformation.html

Not emulated: StackSets. Whoever may look at one is told that it cannot be seen.
"""

from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation.helpers import _error

from local.cloud import resource_arns

READ_AGAINST = resource_arns.READ_AGAINST


def install() -> None:
    resource_arns.correct(_with_its_name)
    for action in ("DescribeStackSet", "ListStackInstances"):
        if action in cloudformation._ACTION_HANDLERS:
            raise RuntimeError(f"the emulator knows {action} now: delete it from local/cloud/stack_sets.py")
        cloudformation._ACTION_HANDLERS[action] = lambda _params: _error("ValidationError", "StackSets are not emulated", 400)


def _with_its_name(call: resource_arns.Call, arn: Any) -> Any:
    if call.service != "cloudformation" or arn != "*":
        return arn
    name = call.parameter("StackSetName", "")
    # AWS adds an id that nobody knows before he made it; for one that does not exist it is as good as any.
    return f"arn:aws:cloudformation:{call.region}:{call.account_id}:stackset/{name}:0" if name else arn
