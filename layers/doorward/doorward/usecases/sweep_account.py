"""Look at every role of one account, and say which are not as the last sweep left them, or not as they were judged last.

In slices: one call reads pages for a while and says where to go on; what it has seen so far is kept. IAM's rates are low, not raisable, and
shared with reactions: a sweep asks at most three times a second (docs/performance.md), and where IAM throttles it steps back at once.
An account that cannot be entered is told of once a day, and keeps no other from being swept.

The inventory is written last. Whoever dies before it has sent hints that are sent again, and a hint sent twice is looked at twice.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from doorward.errors import MalformedInput, Misconfigured, Throttled, Unavailable
from doorward.findings.alerts import Alert, alert_as_json
from doorward.findings.model import Severity
from doorward.guardrails.inventory import Judged, RoleDigest, compare, digest_of
from doorward.organization.model import Organization
from doorward.ports.clock import Clock
from doorward.ports.facts import Inventory, RolePages, Swept
from doorward.ports.hints import Hints
from doorward.ports.ledger import Announcement, Ledger

UNREADABLE: Final = "account-unreadable"
PAGES_PER_SECOND: Final = 3
"""A fifth of what IAM is taken to allow one account: 15 reads a second, which AWS documents nowhere."""
_SLICE_SECONDS: Final = 40
_THROTTLED_SECONDS: Final = 60
"""How long a throttled sweep leaves IAM to reactions."""
_UNAVAILABLE_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Tools:
    pages: RolePages
    inventory: Inventory
    hints: Hints
    clock: Clock
    organization: Organization
    ledger: Ledger


def sweep_account(request: object, tools: Tools) -> dict[str, Any]:
    """`{"account_id": "…", "marker": null}` begins; what comes back goes on with it until `done`. `wait`: seconds to leave IAM alone.

    Raises MalformedInput, Misconfigured where the hub itself lacks something, Unavailable where what was seen cannot be kept.
    """
    account_id, marker = _asked(request, tools.organization)
    began = tools.clock.now()
    seen = tools.inventory.load_partial(account_id, marker) if marker is not None else None
    if seen is None:
        marker, seen = None, Swept(began, {})
    roles: dict[str, RoleDigest] = dict(seen.roles)
    while True:
        try:
            page = tools.pages.page(account_id, marker)
        except Unavailable as error:
            wait = _THROTTLED_SECONDS if isinstance(error, Throttled) else _UNAVAILABLE_SECONDS
            return _go_on(account_id, marker, Swept(seen.at, roles), tools, wait=wait)
        except Misconfigured as error:
            return _give_up(account_id, str(error), tools)
        roles |= {each.name: each for each in map(digest_of, page.details)}
        if page.marker is None:
            return _finish(account_id, seen.at, roles, tools)
        marker = page.marker
        tools.clock.sleep(1 / PAGES_PER_SECOND)  # before a slice ends, too: the next may begin at once
        if (tools.clock.now() - began).total_seconds() >= _SLICE_SECONDS:
            return _go_on(account_id, marker, Swept(seen.at, roles), tools, wait=0)


def _asked(request: object, organization: Organization) -> tuple[str, str | None]:
    asked = request if isinstance(request, dict) else {}
    account_id, marker = asked.get("account_id"), asked.get("marker")
    if not isinstance(account_id, str) or organization.account(account_id) is None or not isinstance(marker, str | None):
        raise MalformedInput("account_id: must be an account of the organization; marker: text or null")
    return account_id, marker


def _go_on(account_id: str, marker: str | None, seen: Swept, tools: Tools, *, wait: int) -> dict[str, Any]:
    if marker is not None:
        tools.inventory.save_partial(account_id, marker, seen)
    return {"account_id": account_id, "marker": marker, "done": False, "wait": wait}


def _finish(account_id: str, began: datetime, roles: dict[str, RoleDigest], tools: Tools) -> dict[str, Any]:
    before = tools.inventory.load(account_id)
    known, since = (None, None) if before is None else (before.roles, before.at)
    judged = _judged(account_id, roles, tools)
    roles = {name: each._replace(generation=judged[name].generation) if name in judged else each for name, each in roles.items()}
    hints = compare(account_id, known, roles, judged=judged, since=since, now=tools.clock.now())
    tools.hints.send(hints)
    tools.inventory.save(account_id, Swept(began, roles))
    return {"account_id": account_id, "marker": None, "done": True, "wait": 0, "roles": len(roles), "hints": len(hints)}


def _judged(account_id: str, names: Iterable[str], tools: Tools) -> dict[str, Judged]:
    """Those that were ever looked at."""
    judged = {}
    for ref, head in tools.ledger.heads_of([f"{account_id}/{each}" for each in names]).items():
        case = None if head.case_id is None else tools.ledger.case(ref, head.case_id)
        found = case.found_hash if case is not None and case.status.is_open else None
        judged[ref.split("/", 1)[1]] = Judged(head.role_id, head.judged_hash, head.generation, found)
    return judged


def _give_up(account_id: str, because: str, tools: Tools) -> dict[str, Any]:
    now = tools.clock.now()
    account = tools.organization.account(account_id)
    alert = Alert(
        detection=UNREADABLE,
        key=f"{account_id}/{now.date()}",
        severity=Severity.HIGH,
        title="an account cannot be looked at",
        because=f"A sweep could not read the roles of account {account_id}: {because}.",
        what_to_do="Deploy accounts/member.yaml there (in the management account accounts/management.yaml), then run doorward doctor.",
        account_id=account_id,
        at=now,
    )
    detail = alert_as_json(alert, "doorward.guard/1", None if account is None else account.name)
    tools.ledger.announce(Announcement(alert.id, "GuardProblemFound", detail, now))
    return {"account_id": account_id, "marker": None, "done": True, "wait": 0, "unreadable": True}
