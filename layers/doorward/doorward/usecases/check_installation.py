"""Is this installation as it must be? What the hub's own role can see, requirement by requirement."""

from dataclasses import dataclass
from typing import Any

from doorward.errors import MalformedInput
from doorward.guard.doctor import Check, check_account, check_as_json, check_grant_roles, check_hub
from doorward.guardrails.grant_roles import drift_of
from doorward.guardrails.protected import is_grant_role
from doorward.iam.arns import IAM_REGIONS, is_account_id
from doorward.organization.model import Organization
from doorward.ports.clock import Clock
from doorward.ports.installation import Installation
from doorward.ports.roles import Roles


@dataclass(frozen=True, slots=True)
class Tools:
    installation: Installation
    roles: Roles
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
    if seen.refused is None:
        checks += _grant_roles(account_id, tools)
    return {"checks": [check_as_json(each) for each in checks], "accounts": []}


def _grant_roles(account_id: str, tools: Tools) -> tuple[Check, ...]:
    """Each is read by itself: a list of roles does not tell their boundaries."""
    names = [each.name for each in tools.roles.read_all(account_id) if is_grant_role(each)]
    found = (tools.roles.read(account_id, each) for each in names)
    return check_grant_roles(account_id, {each.name: drift_of(each, tools.organization) for each in found if each is not None})
