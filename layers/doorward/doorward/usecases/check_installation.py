"""Is this installation as it must be? What the hub's own role can see, requirement by requirement."""

from dataclasses import dataclass
from typing import Any

from doorward.errors import MalformedInput
from doorward.guard.doctor import check_account, check_as_json, check_hub
from doorward.iam.arns import IAM_REGIONS, is_account_id
from doorward.organization.model import Organization
from doorward.ports.clock import Clock
from doorward.ports.installation import Installation


@dataclass(frozen=True, slots=True)
class Tools:
    installation: Installation
    organization: Organization
    clock: Clock


def check_installation(request: object, tools: Tools) -> dict[str, Any]:
    """`{}` checks the hub and says which accounts there are; `{"account": "…"}` checks one of them.

    So whoever asks sees how far it has come, and no account makes another wait. Raises MalformedInput, Unavailable.
    """
    asked = request if isinstance(request, dict) else {}
    account_id = asked.get("account")
    if account_id is None:
        checks = check_hub(tools.installation.hub(), tools.clock.now())
        return {"checks": [check_as_json(each) for each in checks], "accounts": [each.id for each in tools.organization.accounts]}
    if not isinstance(account_id, str) or not is_account_id(account_id) or tools.organization.account(account_id) is None:
        raise MalformedInput("account: must be the id of an account of the organization")
    is_management = account_id == tools.organization.management_account
    seen = tools.installation.account(account_id, is_management=is_management)
    checks = check_account(seen, IAM_REGIONS[tools.organization.partition])
    return {"checks": [check_as_json(each) for each in checks], "accounts": []}
