"""Gap: MiniStack checks a caller's permission on `role/NAME`, AWS on `role/PATH/NAME`.

Statements and session policies that name one role with its path would never match, and `role/NAME` would match too much.
"""

from typing import Any

from local.cloud import iam_entities, resource_arns

READ_AGAINST = resource_arns.READ_AGAINST


def install() -> None:
    resource_arns.correct(_with_its_path)


def _with_its_path(call: resource_arns.Call, arn: Any) -> Any:
    prefix = f"arn:aws:iam::{call.account_id}:role/"
    if call.service != "iam" or not isinstance(arn, str) or not arn.startswith(prefix):
        return arn
    name = arn.removeprefix(prefix)
    known = iam_entities.role(call.account_id, name)
    if known:
        return known["Arn"]
    return f"arn:aws:iam::{call.account_id}:role{call.parameter('Path', '/')}{name}"  # CreateRole
