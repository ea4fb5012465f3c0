"""Gap: MiniStack stores any text as a role's trust policy.

IAM refuses these with `MalformedPolicyDocument`, HTTP 400: what is not JSON, has no statement, no effect, no principal, an action outside
STS, a `Resource`, or a principal that does not exist any more (`AROA…`, `AIDA…`).

IAM accepts a document without `Version` (it means 2008-10-17), so this does too. Not emulated: IAM's check that a principal ARN exists, the
quota of 2,048 characters, and its wording of most messages.
"""

import json
import re
from typing import Any, Final

from ministack.services import iam

READ_AGAINST = {
    "ministack.services.iam:_trust_policy_not_principal_error": "a8f0de38b24d",
    "ministack.services.iam:_create_role": "fef5dffbcd31",
    "ministack.services.iam:_update_assume_role_policy": "2d3f98f08393",
    "ministack.services.cloudformation.provisioners:_validate_iam_role_trust_policy": "9aa5eae060e8",
}

_VERSIONS: Final = (None, "2012-10-17", "2008-10-17")
_DELETED_PRINCIPAL: Final = re.compile(r"A(?:ROA|IDA)[A-Z0-9]{12,}")


def install() -> None:
    inner = iam._trust_policy_not_principal_error
    iam._trust_policy_not_principal_error = lambda document: inner(document) or refusal(document)


def refusal(document: Any) -> str | None:
    """Return why IAM would not store this document as a trust policy, or None."""
    if isinstance(document, str | bytes):
        try:
            document = json.loads(document)
        except ValueError:
            return "This policy contains invalid Json"
    statements = document.get("Statement") if isinstance(document, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements or document.get("Version") not in _VERSIONS:
        return "Syntax errors in policy."
    return next((because for statement in statements if (because := _refused_statement(statement))), None)


def _refused_statement(statement: Any) -> str | None:
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        return "Syntax errors in policy."
    if "Principal" not in statement:
        return "Missing required field Principal"
    if not ("Action" in statement or "NotAction" in statement):
        return "Missing required field Action"
    if "Resource" in statement or "NotResource" in statement:
        return "Has prohibited field Resource"
    for action in _listed(statement.get("Action", [])):
        if action != "*" and not str(action).lower().startswith("sts:"):
            return "AssumeRole policy may only specify STS AssumeRole actions."
    principal = statement["Principal"]
    for value in _listed(principal.get("AWS", [])) if isinstance(principal, dict) else []:
        if _DELETED_PRINCIPAL.fullmatch(str(value)):
            return f'Invalid principal in policy: "AWS":"{value}"'
    return None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
