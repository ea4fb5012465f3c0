"""Look at every role of one account, and say which are not as they were looked at last.

In slices: one call reads pages for a while; what it has seen so far is kept, and the next call goes on from there. IAM's rates are low, not
raisable, and shared with reactions: a sweep asks at most three times a second (docs/performance.md), one sweep of an account at a time, and
where IAM throttles it steps back at once. An account that cannot be entered is told of once a day, and keeps no other from being swept.

What a hint says is kept by the look that it leads to, and by nobody before: a hint that is lost, or that nobody got to in time, is sent
again by the next sweep.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, Final, NamedTuple
from zlib import crc32

from doorward.errors import DoorwardError, MalformedInput, Misconfigured, Throttled, Unavailable
from doorward.findings.alerts import Alert
from doorward.findings.model import Severity
from doorward.guard.starving import sweep_crowded, sweep_starved
from doorward.guardrails.decided import with_waivers
from doorward.guardrails.inventory import Judged, RoleDigest, Swept, compare, digest_of, principals_of
from doorward.guardrails.looks import Look, judged_under
from doorward.guardrails.model import Guardrails, Role
from doorward.guardrails.outsiders import depends_on_permissions
from doorward.iam.documents import text_of_answer
from doorward.organization.model import Organization
from doorward.ports.clock import Clock
from doorward.ports.facts import Inventory, Page, Partial, RolePages
from doorward.ports.hints import LONGEST_SECONDS, READS_PER_SECOND, Hints
from doorward.ports.ledger import Head, Ledger
from doorward.ports.sessions import Expectations
from doorward.sessions.model import expected_edges
from doorward.usecases.announce_alert import announce_alert

UNREADABLE: Final = "account-unreadable"
PAGES_PER_SECOND: Final = 2
"""With the looks that follow a sweep (READS_PER_SECOND) a fifth of what IAM is taken to allow one account: 15 reads a second, which AWS
documents nowhere."""
_SLICE_SECONDS: Final = 40
_MOST_READS: Final = 30
"""Whoever hangs hundreds of policies on a role makes that role's look long, and not all the others' late."""
_THROTTLED_SECONDS: Final = 60
"""How long a throttled sweep leaves IAM to reactions."""
_UNAVAILABLE_SECONDS: Final = 5
_OTHERS_TURN_SECONDS: Final = 20
_EXPECT_HOURS: Final = 30 * 24
"""Each role's hour to tell of anew, well within the ninety days that doorward/aws/sessions.py remembers."""
_TURN: Final = timedelta(seconds=300)
"""Longer than a slice (template.yaml, Timeout) with the wait after it and a try that failed before it."""


@dataclass(frozen=True, slots=True)
class Tools:
    """`organization_hash`: of the organization's file."""

    pages: RolePages
    inventory: Inventory
    hints: Hints
    expectations: Expectations
    clock: Clock
    organization: Organization
    ledger: Ledger
    guardrails: Guardrails
    organization_hash: str


class _Asked(NamedTuple):
    """Which account, by which sweep, and since when somebody waits for it."""

    account_id: str
    sweep: str
    at: datetime

    def answer(self, *, done: bool, wait: int = 0, **more: object) -> dict[str, Any]:
        return {"account_id": self.account_id, "sweep": self.sweep, "asked": self.at.isoformat(), "done": done, "wait": wait, **more}


def sweep_account(request: object, tools: Tools) -> dict[str, Any]:
    """Takes what plan_sweep gave for an account, and what it answered itself until `done`. `wait`: seconds to leave IAM alone.

    `covered`: another sweep of the account began after this one was asked for, and is done: nothing is left to look at.

    Raises MalformedInput, Misconfigured where the hub itself lacks something, Unavailable where what was seen cannot be kept.
    """
    asked = _asked(request, tools.organization)
    inventory, now = tools.inventory, tools.clock.now()
    last = inventory.swept_at(asked.account_id)
    if last is not None and last >= asked.at:
        return asked.answer(done=True, covered=True)
    if not inventory.take_turn(asked.account_id, asked.sweep, now, now + _TURN):
        return asked.answer(done=False, wait=_OTHERS_TURN_SECONDS)
    answer = _slice(asked, now, tools)
    if answer["done"]:
        inventory.end_turn(asked.account_id, asked.sweep)
    return answer


def _asked(request: object, organization: Organization) -> _Asked:
    given = request if isinstance(request, dict) else {}
    account_id, sweep, at = given.get("account_id"), given.get("sweep"), given.get("asked")
    if not isinstance(account_id, str) or organization.account(account_id) is None or not isinstance(sweep, str) or not sweep.isalnum():
        raise MalformedInput("account_id: must be an account of the organization; sweep: letters and digits")
    try:
        return _Asked(account_id, sweep, datetime.fromisoformat(str(at)).astimezone())
    except ValueError:
        raise MalformedInput("asked: must be a time in ISO 8601") from None


def _slice(asked: _Asked, began: datetime, tools: Tools) -> dict[str, Any]:
    account_id = asked.account_id
    partial = tools.inventory.load_partial(account_id, asked.sweep)
    marker = None if partial is None else partial.marker
    at, roles, policies = (began, {}, {}) if partial is None else (partial.seen.at, dict(partial.seen.roles), dict(partial.seen.policies))
    before = tools.inventory.load(account_id)
    seen = Swept(at, roles, policies, at if before is None else before.since)  # it grows by every page
    while True:
        try:
            page = tools.pages.page(account_id, marker)
        except Unavailable as error:
            _announce(sweep_starved(account_id, asked.at, error, tools.clock.now()), tools)
            wait = _THROTTLED_SECONDS if isinstance(error, Throttled) else _UNAVAILABLE_SECONDS
            return _go_on(asked, marker, seen, tools, wait=wait)
        except Misconfigured as error:
            return _give_up(asked, str(error), tools)
        digests = {each["RoleName"]: _digest(account_id, each, before, tools) for each in page.details}
        _expect(account_id, page, digests, before, tools)
        roles.update(digests)
        policies.update((each["Arn"], f"{each['PolicyId']}/{each['DefaultVersionId']}") for each in page.policies)
        if page.marker is None:
            return _finish(asked, before, seen, tools)
        marker = page.marker
        tools.clock.sleep(1 / PAGES_PER_SECOND)  # before a slice ends, too: the next may begin at once
        if (tools.clock.now() - began).total_seconds() >= _SLICE_SECONDS:
            return _go_on(asked, marker, seen, tools, wait=0)


def _digest(account_id: str, detail: Mapping[str, Any], before: Swept | None, tools: Tools) -> RoleDigest:
    """With how many calls a look at it takes: one, and where somebody from outside may come in, what it takes to read what he could do."""
    digest = digest_of(detail)
    last = None if before is None else before.roles.get(digest.name)
    if last is not None and last._replace(reads=digest.reads) == digest:
        return last
    role = Role(account_id, digest.name, detail["Path"], detail["Arn"], digest.role_id, text_of_answer(detail["AssumeRolePolicyDocument"]))
    if not depends_on_permissions(role, tools.organization, tools.guardrails, now=tools.clock.now()):
        return digest
    managed = len(detail.get("AttachedManagedPolicies", ())) + ("PermissionsBoundary" in detail)
    return digest._replace(reads=min(3 + len(detail.get("RolePolicyList", ())) + 2 * managed, _MOST_READS))


def _expect(account_id: str, page: Page, digests: Mapping[str, RoleDigest], before: Swept | None, tools: Tools) -> None:
    """Whoever is let in by a trust policy that no sweep has seen yet, or has not told of for long: what is expected is forgotten, too."""
    known: Mapping[str, RoleDigest] = {} if before is None else before.roles
    hour = int(tools.clock.now().timestamp()) // 3600
    told = [
        each
        for each in page.details
        for name in [each["RoleName"]]
        if name not in known or known[name].trust != digests[name].trust or (crc32(each["RoleId"].encode()) - hour) % _EXPECT_HOURS == 0
    ]
    edges = [edge for each in told for edge in expected_edges(f"{account_id}/{each['RoleName']}", principals_of(each))]
    with suppress(DoorwardError):  # within a month it is told anew: no reason for a role not to be looked at
        tools.expectations.expect(edges)


def _go_on(asked: _Asked, marker: str | None, seen: Swept, tools: Tools, *, wait: int) -> dict[str, Any]:
    if marker is not None:
        tools.inventory.save_partial(asked.account_id, asked.sweep, Partial(marker, seen))
    return asked.answer(done=False, wait=wait)


def _finish(asked: _Asked, before: Swept | None, seen: Swept, tools: Tools) -> dict[str, Any]:
    account_id, now = asked.account_id, tools.clock.now()
    read = tools.ledger.heads_of([f"{account_id}/{each}" for each in seen.roles])  # of those that were ever looked at
    heads = {ref.partition("/")[2]: head for ref, head in read.items()}
    hints = compare(
        account_id,
        before,
        seen,
        judged={name: Judged(head.role_id, head.judged_hash, Look.from_text(head.looked)) for name, head in heads.items()},
        open_cases=tools.ledger.open_cases(account_id),
        under=_under(heads, tools, now),
        now=now,
    )
    reads = accumulate(each.reads for each in hints)
    # What would arrive all at once is left to the next sweep.
    sent = [each for each, until in zip(hints, reads, strict=True) if until <= READS_PER_SECOND * LONGEST_SECONDS]
    tools.hints.send(sent)
    _announce(sweep_crowded(account_id, len(hints) - len(sent), seen.since, now), tools)
    tools.inventory.save(account_id, seen)
    return asked.answer(done=True, roles=len(seen.roles), hints=len(sent), left=len(hints) - len(sent))


def _under(heads: Mapping[str, Head], tools: Tools, now: datetime) -> Callable[[str], str]:
    """What besides a role a look at it goes by; hardly any role has waivers of its own."""
    under = judged_under(tools.organization_hash, tools.guardrails, now)
    beside = {name: with_waivers(tools.guardrails, head.waivers) for name, head in heads.items() if head.waivers}
    own = {name: judged_under(tools.organization_hash, guardrails, now) for name, guardrails in beside.items()}
    return lambda name: own.get(name, under)


def _give_up(asked: _Asked, because: str, tools: Tools) -> dict[str, Any]:
    account_id, now = asked.account_id, tools.clock.now()
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
    _announce(alert, tools)
    return asked.answer(done=True, unreadable=True)


def _announce(alert: Alert | None, tools: Tools) -> None:
    if alert is not None:
        announce_alert(alert, "GuardProblemFound", tools.ledger, tools.organization.account, alert.at)
