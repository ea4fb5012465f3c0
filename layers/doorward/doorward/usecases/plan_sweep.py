"""Which accounts are to be swept: all of the organization that can be entered, or those that somebody asks for."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from doorward.errors import MalformedInput
from doorward.organization.facts import OrganizationFacts
from doorward.organization.model import Organization


def plan_sweep(
    request: object, organization: Organization, facts: OrganizationFacts | None, *, now: datetime, new_id: Callable[[], str]
) -> dict[str, Any]:
    """`{"accounts": […]}` asks for some; anything else means all, but for those closed or suspended. `facts` None: never read yet.

    Of each account no more than its id: a state of Step Functions holds 256 KB.

    Whoever asks may know of an account before the organization is known to have it here: sweep_account refuses it until then, and is tried
    again; that keeps no other waiting.

    Raises MalformedInput for what is no list of accounts.
    """
    known = [each.id for each in organization.accounts]
    closed = set() if facts is None else {each.id for each in facts.accounts if not each.is_active}
    asked = request.get("accounts") if isinstance(request, dict) else None
    if asked is None:
        asked = [each for each in known if each not in closed]
    elif not isinstance(asked, list) or not all(isinstance(each, str) for each in asked):
        raise MalformedInput("accounts: must be a list of account ids, each as text")
    return {"sweep": new_id(), "asked": now.isoformat(), "accounts": [*dict.fromkeys(asked)]}
