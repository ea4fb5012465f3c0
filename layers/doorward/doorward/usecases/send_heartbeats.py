"""See whether the beats that were sent came back, tell once of an account whose did not, and send the next.

Every account is beaten in the IAM region at each turn; in its other regions, and by a change of IAM, once an hour.
Where this dies before it remembers what it sent, those beats count for nothing: the next turn goes on from the one before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from doorward.errors import DoorwardError, Unavailable
from doorward.guard.heartbeats import Heard, Pulse, Silence, Spot, due, ended_alert, hear, look, looked_at, missed_alert, send
from doorward.organization.facts import OrganizationFacts, active_accounts
from doorward.organization.model import Organization
from doorward.ports.beats import Beats, Canaries
from doorward.ports.clock import Clock
from doorward.ports.ledger import Ledger
from doorward.ports.organization import Refreshes
from doorward.ports.sweeps import Sweeps
from doorward.usecases.announce_alert import announce_alert

_REGIONS_KEPT = timedelta(days=1)
_MOST_REGIONS_READ = 25
"""Accounts whose regions are read in one turn: a thousand within four hours, and every one within its day."""


@dataclass(frozen=True, slots=True)
class Tools:
    """`home` is the IAM region, `every_seconds` the time from turn to turn. `facts` None: not read yet, the file's accounts count."""

    beats: Beats
    canaries: Canaries
    ledger: Ledger
    sweeps: Sweeps
    refreshes: Refreshes
    clock: Clock
    organization: Organization
    facts: OrganizationFacts | None
    hub_account: str
    home: str
    every_seconds: int
    new_nonce: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Round:
    """What one turn came to. `silent` and `ended`: where the silences that begin and end began."""

    sent: int
    silent: tuple[Spot, ...]
    ended: tuple[Spot, ...]
    unsent: Mapping[Spot, str]


def send_heartbeats(tools: Tools) -> Round:
    """One turn. Raises Unavailable. Beats that could not be sent for no fault of the account are in `unsent`, and not held against it."""
    now = tools.clock.now()
    if tools.facts is None and tools.organization.management_account is not None:
        tools.refreshes.call("The organization was never read")  # the daily schedule begins a day after it was made
    regions = _regions(now, tools)
    pulses, silent, ended = _look_back(looked_at(regions, tools.home, now, tools.every_seconds), now, tools)
    nonces = {spot: tools.new_nonce() for spot in due(regions, tools.home, now, tools.every_seconds)}
    failures = tools.canaries.beat(nonces)
    unsent: dict[Spot, str] = {}
    for spot, nonce in nonces.items():
        failure = failures.get(spot)
        if isinstance(failure, Unavailable):
            unsent[spot] = str(failure)
            continue
        pulses[spot] = send(pulses.get(spot, Pulse()), nonce, now, None if failure is None else str(failure))
    tools.beats.keep(pulses)
    if silent:  # last: that there is no sweep keeps nobody from being beaten
        tools.sweeps.start(tuple(sorted({each.account_id for each in silent})), "Its heartbeat stays out: events may have been lost.")
    return Round(len(nonces) - len(failures), tuple(silent), tuple(ended), unsent)


def _look_back(spots: tuple[Spot, ...], now: datetime, tools: Tools) -> tuple[dict[Spot, Pulse], list[Spot], list[Spot]]:
    before = tools.beats.pulses(spots)
    back = tools.beats.came_back({spot: [each.nonce for each in pulse.sent] for spot, pulse in before.items()})
    pulses = {spot: look(pulse, back.get(spot, frozenset()), now) for spot, pulse in before.items()}
    # Of all others there is no silence: one has at least one region with a gap, and ends only when that is looked at.
    concerned = dict.fromkeys(spot.account_id for spot in before if before[spot].gap is not None or pulses[spot].gap is not None)
    known = tools.beats.silences(tuple(concerned))
    heard: dict[str, Heard] = {}
    for account_id in concerned:
        looked = {spot.region: pulse for spot, pulse in pulses.items() if spot.account_id == account_id}
        heard[account_id] = hear(known.get(account_id, ()), looked, tools.home)
    begun = [(account_id, silence) for account_id, each in heard.items() for silence in each.begun]
    ended = [(account_id, silence) for account_id, each in heard.items() for silence in each.ended]
    _tell(begun, ended, now, tools)
    # Before the pulses: whoever dies in between tells nothing twice.
    tools.beats.keep_silences({account_id: each.silences for account_id, each in heard.items()})
    pulses |= {Spot(account_id, region): Pulse() for account_id, each in heard.items() for region in each.anew}
    return (
        pulses,
        [Spot(account_id, each.region) for account_id, each in begun],
        [Spot(account_id, each.region) for account_id, each in ended],
    )


def _tell(begun: list[tuple[str, Silence]], ended: list[tuple[str, Silence]], now: datetime, tools: Tools) -> None:
    for account_id, silence in begun:
        alert = missed_alert(account_id, silence, tools.home, _name(account_id, tools), now)
        announce_alert(alert, "GuardProblemFound", tools.ledger, tools.organization.account, tools.clock.now())
    for account_id, silence in ended:
        alert = ended_alert(account_id, silence, tools.home, _name(account_id, tools), now)
        once = f"{alert.id}-ended"
        announce_alert(alert, "GuardProblemEnded", tools.ledger, tools.organization.account, tools.clock.now(), announcement_id=once)


def _regions(now: datetime, tools: Tools) -> Mapping[str, tuple[str, ...]]:
    """By account, the regions that it and the hub have enabled; none while they were not read. The IAM region is enabled everywhere."""
    accounts = active_accounts(tools.organization, tools.facts)
    known = tools.beats.regions(accounts)
    read = {each: known[each][1] if each in known else () for each in accounts}
    stale = [each for each in accounts if each not in known or now - known[each][0] >= _REGIONS_KEPT]
    # The hub first: without its regions nobody is beaten in any other. Then those never read, and those read longest ago.
    stale.sort(key=lambda each: (each != tools.hub_account, each in known, known[each][0] if each in known else now))
    for account_id in stale[:_MOST_REGIONS_READ]:
        try:
            read[account_id] = tools.canaries.enabled_regions(account_id)
        except DoorwardError:
            continue  # the beat itself tells of an account that cannot be entered
        tools.beats.keep_regions(account_id, read[account_id], now)
    of_hub = frozenset(read.get(tools.hub_account, ()))
    return {each: tuple(region for region in read[each] if region in of_hub) for each in accounts}


def _name(account_id: str, tools: Tools) -> str | None:
    account = tools.organization.account(account_id)
    return None if account is None else account.name
