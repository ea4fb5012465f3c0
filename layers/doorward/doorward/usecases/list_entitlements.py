"""What somebody may ask for, by the rules in force and the groups that he is in at this moment.

Which roles there are was read within minutes (reconcile_grants.py), since nobody waits until hundreds of accounts are asked. So a role may
be missing, or be offered that is gone: what is asked for is judged by what stands then (request_grant.py). What hangs on what
cannot be looked up just then is missing in a page; whoever is led to ask by all of them hears that he has to try again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any, Final

from doorward.grants.entitled import NOT_KNOWN, offer
from doorward.grants.model import Asker, Entitlements, Facts, Offer, Target
from doorward.organization.model import Account
from doorward.people.model import Refusal
from doorward.ports.grant_roles import GrantRoles
from doorward.usecases import grant_facts
from doorward.usecases.grant_standing import not_known

FORMAT: Final = "doorward.entitlements/1"
MOST: Final = 500
"""Offers on a page; those of one role stand on one page."""


@dataclass(frozen=True, slots=True)
class Tools:
    facts: grant_facts.Tools
    roles: GrantRoles


def list_entitlements(user_id: str, tools: Tools, after: str = "") -> dict[str, Any] | None:
    """A page, by role and template. `after`: the role ref that the last page ended with, "" for the first.

    None where he is gone, or switched off. Raises Unavailable, Misconfigured.
    """
    asker = grant_facts.asker_off_call(user_id, tools.facts)
    if asker is None:
        return None
    page: list[dict[str, Any]] = []
    for _, of_role in groupby(_offers(asker, after, tools), key=lambda each: each["role"]):
        if len(page) >= MOST:
            return {"format": FORMAT, "offers": page, "next": page[-1]["role"]}
        page += of_role
    return {"format": FORMAT, "offers": page, "next": None}


def all_offers(user_id: str, tools: Tools) -> Sequence[dict[str, Any]]:
    """Those of every page; none where he is gone, or switched off. Raises Unavailable also where not all can be known; Misconfigured."""
    asker = grant_facts.asker_off_call(user_id, tools.facts)
    return () if asker is None else tuple(_offers(asker, "", tools, every=True))


def _offers(asker: Asker, after: str, tools: Tools, *, every: bool = False) -> Iterator[dict[str, Any]]:
    """As JSON, in order. `every`: Unavailable is raised in the place of one that cannot be known."""
    rules = _that_may_be_his(tools.facts.entitlements, asker)
    templates = sorted({name for each in rules.allows for name in each.templates})
    for target in sorted((role for each in tools.roles.known() for role in each.roles), key=lambda each: each.ref):
        account = tools.facts.organization.account(target.account_id)
        if account is None or target.ref <= after:
            continue
        for name in templates:
            found = offer(rules, name, Facts(asker, target, account))
            if every and found == NOT_KNOWN:
                raise not_known(f"{target.ref}, {name}")
            if not isinstance(found, Refusal):
                yield offer_as_json(found, name, target, account, rules)


def _that_may_be_his(rules: Entitlements, asker: Asker) -> Entitlements:
    """Those that are not about others alone: what he is offered is the same by them, and there may be hundreds of rules and roles."""
    return rules._replace(
        allows=tuple(each for each in rules.allows if each.who.covers(asker) is not False),
        denies=tuple(each for each in rules.denies if each.who.covers(asker) is not False),
    )


def offer_as_json(found: Offer, template_name: str, target: Target, account: Account, rules: Entitlements) -> dict[str, Any]:
    """`found`: of this template on this role, by these rules. One of `offers` in what GET /entitlements answers (docs/openapi.yaml)."""
    template = rules.templates[template_name]
    may_be_automatic = all(each.automatic is not None for each in rules.allows if each.id in found.rules)
    return {
        "role": target.ref,
        "account": {"id": account.id, "name": account.name},
        "template": template_name,
        "risk": str(template.risk),
        "parameters": {name: {"type": each.type, "like": list(each.like)} for name, each in sorted(template.parameters.items())},
        "minutes": found.longest // timedelta(minutes=1),
        "start_within_hours": found.start_within // timedelta(hours=1),
        "tickets": [list(each) for each in found.tickets],
        "approvers": sorted(found.terms.approvers),
        "automatic": "maybe" if may_be_automatic else "never",
    }
