"""Whether an account's events still reach the hub: a heartbeat is a call of our own whose event must come back.

What counts is a function of which beats were sent and which came back, whenever and however often: order, delay and repetition of events
change nothing. An account and region is silent where a beat is overdue and none that was sent as late or later came back.

CloudTrail's events reach EventBridge within seconds as a rule, and may be lost: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

from doorward.events.model import Change, RoleTarget, SessionEvent
from doorward.findings.alerts import Alert
from doorward.findings.model import Severity
from doorward.iam.arns import parse_arn
from doorward.organization.installation import CANARY_ROLE, ROLE_PATH

DETECTION: Final = "heartbeat-missed"
IAM_EVENTS: Final = "iam"
"""In place of a region: the beat is a change of IAM (the canary role tags itself), for the rule on changes."""
SESSION_PREFIX: Final = "hb-"
OVERDUE: Final = timedelta(seconds=120)
_CANARY: Final = f"role{ROLE_PATH}{CANARY_ROLE}"
_HOUR_SECONDS: Final = 3600
TOGETHER: Final = timedelta(seconds=_HOUR_SECONDS)
"""Every region is beaten within the hour: what went silent at one moment is known within this of each other."""
_MOST_SENT: Final = 24


class Spot(NamedTuple):
    """`region` is a region's name, or IAM_EVENTS."""

    account_id: str
    region: str


class Sent(NamedTuple):
    nonce: str
    at: datetime


class Gap(NamedTuple):
    """Since when nothing comes back. `nonce`, of the first beat that stayed out, makes it one.

    `refused`: why no beat can be sent, if so.
    """

    nonce: str
    since: datetime
    refused: str | None = None


class Pulse(NamedTuple):
    """`sent`: beats that nobody has seen, oldest first. `alive_at`: when the latest that came back was sent."""

    sent: tuple[Sent, ...] = ()
    alive_at: datetime | None = None
    gap: Gap | None = None
    refused: str | None = None


class Silence(NamedTuple):
    """What of an account went silent together: one finding, whatever the number of its regions.

    `region` went silent first, or is the IAM region if that did; its `gap` makes the silence one. `regions` are silent still, `region`
    perhaps among them.
    """

    region: str
    gap: Gap
    regions: tuple[str, ...]


class Heard(NamedTuple):
    """What one turn says of an account. `anew`: regions of which nothing that was sent so far counts any more."""

    silences: tuple[Silence, ...]
    begun: tuple[Silence, ...]
    ended: tuple[Silence, ...]
    anew: tuple[str, ...]


def session_name(nonce: str) -> str:
    return f"{SESSION_PREFIX}{nonce}"


def nonce_in(role_session_name: str | None) -> str | None:
    """The nonce in the name of a session of the canary role; None where it is none of ours."""
    if role_session_name is None or not role_session_name.startswith(SESSION_PREFIX):
        return None
    return role_session_name.removeprefix(SESSION_PREFIX) or None


def beat_of(event: Change | SessionEvent) -> tuple[Spot, str] | None:
    """Where a beat came back, and its nonce; None where the event is none.

    Of the two copies of an assumption only that of the account that was beaten counts: the hub's own says nothing of the way from there.
    """
    if event.failed:
        return None
    if isinstance(event, SessionEvent):
        role = parse_arn(event.role_arn or "")
        nonce = nonce_in(event.role_session_name)
        is_ours = event.event_name == "AssumeRole" and event.role_account_id == event.account_id
        region = event.region
    else:
        role = parse_arn(event.actor.arn or "")
        nonce = nonce_in(event.actor.session_name)
        is_ours = event.event_name == "TagRole" and event.target == RoleTarget(event.account_id, CANARY_ROLE)
        region = IAM_EVENTS
    if not is_ours or nonce is None or role is None or (role.account_id, role.resource) != (event.account_id, _CANARY):
        return None
    return Spot(event.account_id, region), nonce


def look(pulse: Pulse, came_back: Iterable[str], now: datetime) -> Pulse:
    """What `came_back`, the nonces seen of `pulse.sent`, says at `now`."""
    back = frozenset(came_back)
    alive_at = max((each.at for each in pulse.sent if each.nonce in back), default=pulse.alive_at)
    if alive_at is not None and pulse.alive_at is not None:
        alive_at = max(alive_at, pulse.alive_at)
    out = tuple(each for each in pulse.sent if each.nonce not in back and (alive_at is None or each.at > alive_at))
    first = next((each for each in out if now - each.at > OVERDUE), None)
    gap = None if first is None else pulse.gap or Gap(first.nonce, first.at, pulse.refused)
    return Pulse(out, alive_at, gap, pulse.refused)


def hear(silences: Iterable[Silence], looked: Mapping[str, Pulse], home: str) -> Heard:
    """One turn of one account: its silences so far, and the pulses of those of its regions that were looked at.

    Whatever stops all of an account is one silence. The IAM region is looked at in each turn, so it decides for the account: while it is
    silent no other region is told of, and once it is heard, those that were silent with it are heard anew. A region that goes silent alone,
    or the IAM region after others, is a silence of its own: else one that was never deployed would hide all that comes after.
    """
    heard = {region for region, pulse in looked.items() if pulse.gap is None}
    left: list[Silence] = []
    ended: list[Silence] = []
    anew: list[str] = []
    for each in silences:
        still = tuple(region for region in each.regions if region not in heard)
        if not still or (home in each.regions and home in heard):
            ended.append(each)
            anew += still
        else:
            left.append(each._replace(regions=still))
    known = {region for each in left for region in each.regions} | set(anew)
    gaps = {region: pulse.gap for region, pulse in looked.items() if pulse.gap is not None and region not in known}
    if not gaps:
        return Heard(tuple(left), (), tuple(ended), tuple(anew))
    first = home if home in gaps else min(gaps, key=lambda region: (gaps[region].since, region))
    regions = (first, *sorted(set(gaps) - {first}))
    for place, each in enumerate(left):
        if first != home and (home in each.regions or abs(gaps[first].since - each.gap.since) <= TOGETHER):
            left[place] = each._replace(regions=each.regions + regions)
            return Heard(tuple(left), (), tuple(ended), tuple(anew))
    begun = Silence(first, gaps[first], regions)
    return Heard((*left, begun), (begun,), tuple(ended), tuple(anew))


def send(pulse: Pulse, nonce: str, at: datetime, refused: str | None = None) -> Pulse:
    """A beat that was sent, or that could not be, which stays out all the same. Of many that stay out the first ones are kept."""
    sent = sorted((*pulse.sent, Sent(nonce, at)), key=lambda each: each.at)
    if len(sent) > _MOST_SENT:
        sent = [sent[0], *sent[-_MOST_SENT + 1 :]]
    return pulse._replace(sent=tuple(sent), refused=refused)


def due(accounts: Mapping[str, Iterable[str]], home: str, now: datetime, every_seconds: int) -> Iterator[Spot]:
    """Where to beat now: `home` (the IAM region) at each turn, everything else once an hour, spread evenly over the hour's turns.

    `accounts` are account ids with the regions in which they can be beaten, `home` or not.
    """
    turns = max(_HOUR_SECONDS // every_seconds, 1)
    turn = int(now.timestamp()) // every_seconds % turns
    for account_id, regions in accounts.items():
        yield Spot(account_id, home)
        for region in (IAM_EVENTS, *(each for each in regions if each != home)):
            spot = Spot(account_id, region)
            if _slot(spot, turns) == turn:
                yield spot


def looked_at(accounts: Mapping[str, Iterable[str]], home: str, now: datetime, every_seconds: int) -> tuple[Spot, ...]:
    """Where a beat is due now, or was so lately that it has not been looked after: its turn, and those until it is overdue."""
    materialised = {account_id: tuple(regions) for account_id, regions in accounts.items()}
    turns_back = int(OVERDUE.total_seconds()) // every_seconds + 1
    found: dict[Spot, None] = {}
    for back in range(turns_back + 1):
        found.update(dict.fromkeys(due(materialised, home, now - timedelta(seconds=back * every_seconds), every_seconds)))
    return tuple(found)


def missed_alert(account_id: str, silence: Silence, home: str, account_name: str | None, now: datetime) -> Alert:
    account = f"account {account_id} ({account_name or 'unknown'})"
    since, refused = f"{silence.gap.since:%Y-%m-%d %H:%M} UTC", silence.gap.refused
    where = _where(silence, home)
    if refused is not None:
        because = f"No heartbeat can be sent in {account}, {where}, since {since}: {refused}"
        what_to_do = (
            "Deploy accounts/member.yaml there (or accounts/management.yaml), with the hub's external ID, and see that no SCP keeps"
            " doorward-send-heartbeats of the hub out. Until then nobody knows whether its events arrive."
        )
    else:
        because = f"No heartbeat has come back from {account}, {where}, since {since}: whatever happens there may go unseen."
        what_to_do = (
            "Look for who stopped its trail, its doorward-* rules or its role doorward-forward, deploy the stack there again, and run"
            " `doorward doctor`. A sweep of the account has been started; it sees roles, and no sessions."
        )
    return Alert(
        detection=DETECTION,
        key=f"{account_id}/{silence.region}/{silence.gap.nonce}",
        severity=Severity.HIGH,
        title="an account has gone silent" if silence.region == home else "a part of an account has gone silent",
        because=because,
        what_to_do=what_to_do,
        account_id=account_id,
        at=now,
        region=None if silence.region == IAM_EVENTS else silence.region,
    )


def ended_alert(account_id: str, silence: Silence, home: str, account_name: str | None, now: datetime) -> Alert:
    """Of the same id as what it ends."""
    because = (
        f"Heartbeats come back from account {account_id} ({account_name or 'unknown'}), {_where(silence, home)}, again; none had since"
        f" {silence.gap.since:%Y-%m-%d %H:%M} UTC."
    )
    begun = missed_alert(account_id, silence, home, account_name, now)
    title = "an account is heard again" if silence.region == home else "a part of an account is heard again"
    return replace(begun, title=title, because=because, what_to_do="See what the account did in the meantime.")


def _where(silence: Silence, home: str) -> str:
    """As it began: which regions are silent with the first is known only within the hour."""
    if silence.region == home:
        return f"region {home} and with it the account"
    return "by changes of IAM" if silence.region == IAM_EVENTS else f"region {silence.region}"


def _slot(spot: Spot, turns: int) -> int:
    return int.from_bytes(sha256(f"{spot.account_id}/{spot.region}".encode()).digest()[:8]) % turns
