"""Which accounts are to be swept: all of the organization that can be entered, or those that somebody asks for."""

from typing import Any

from doorward.errors import MalformedInput
from doorward.organization.facts import OrganizationFacts
from doorward.organization.model import Organization


def plan_sweep(request: object, organization: Organization, facts: OrganizationFacts | None) -> dict[str, Any]:
    """`{"accounts": […]}` asks for some; anything else means all, but for those closed or suspended. `facts` None: never read yet.

    Raises MalformedInput for an account that is not of the organization.
    """
    known = [each.id for each in organization.accounts]
    closed = set() if facts is None else {each.id for each in facts.accounts if not each.is_active}
    asked = request.get("accounts") if isinstance(request, dict) else None
    if asked is None:
        return {"accounts": [{"account_id": each, "marker": None} for each in known if each not in closed]}
    if not isinstance(asked, list) or not all(each in known for each in asked):
        raise MalformedInput("accounts: must be a list of accounts of the organization")
    return {"accounts": [{"account_id": each, "marker": None} for each in dict.fromkeys(asked)]}
