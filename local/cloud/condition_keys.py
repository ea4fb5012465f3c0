"""Gap: condition keys that MiniStack resolves differently from AWS, or not at all.

* `aws:PrincipalArn` of a role session is the role's ARN with its path, not the session's ARN
  (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn).
* `aws:PrincipalOrgPaths` of the one organization.
* `aws:ResourceOrgID`: the organization of the account that a resource's ARN names.
* `aws:SecureTransport`: the local cloud speaks plain HTTP on the loopback interface; policies that ask for TLS take it for that.
"""

from typing import Any

from ministack.core import iam_evaluator

from doorward.iam.arns import parse_arn
from local.cloud import iam_entities, organization

READ_AGAINST = {"ministack.core.iam_evaluator:_resolve_condition_key": "15e26964cd38"}


def install() -> None:
    inner = iam_evaluator._resolve_condition_key

    def resolve(key: str, context: Any) -> Any:
        match key.lower():
            case "aws:principalarn":
                return iam_entities.role_arn_of_session(context.principal_arn) or context.principal_arn
            case "aws:securetransport":
                return "true"
            case "aws:principalorgpaths":
                path = organization.path_of(context.principal_account)
                return [path] if path else None
            case "aws:resourceorgid":
                arn = parse_arn(context.resource_arn)
                path = organization.path_of(arn.account_id) if arn is not None else None
                return path.split("/")[0] if path else None
            case _:
                return inner(key, context)

    iam_evaluator._resolve_condition_key = resolve
