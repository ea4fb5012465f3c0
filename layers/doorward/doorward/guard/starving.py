"""Whether a change that may let somebody in, or an account, could not be looked at in time because AWS refuses calls for their number.

IAM's rates are the account's, not the caller's, and cannot be raised: whoever calls IAM often enough keeps Doorward from looking.
"""

from datetime import datetime, timedelta
from typing import Final

from doorward.errors import DoorwardError, Throttled, Unavailable
from doorward.events.hints import EVENT_NAME
from doorward.events.model import Cause, Change
from doorward.findings.alerts import Alert, AlertEvent
from doorward.findings.model import Severity

DETECTION: Final = "guard-starved"
SWEEP_MOST: Final = timedelta(minutes=30)
"""Half of what a sweep may take: what is refused for so long will most likely be refused to its end."""
FIRST_DAY: Final = timedelta(hours=24)
MOST: Final = timedelta(seconds=60)
COMES_AGAIN_AFTER: Final = timedelta(seconds=360)
"""The change queue's visibility timeout: what fails now is not looked at before that."""
_CRITICAL: Final = frozenset({Cause.TRUST, Cause.PROVIDER})


def starved(change: Change, error: DoorwardError, now: datetime, *, comes_again_after: timedelta = COMES_AGAIN_AFTER) -> Alert | None:
    """What is to be told where looking at `change` ended with `error`. Once an hour for each account."""
    if not isinstance(error, Throttled) or change.cause not in _CRITICAL or now + comes_again_after - change.event_time <= MOST:
        return None
    waited = int((now - change.event_time).total_seconds())
    return Alert(
        detection=DETECTION,
        key=f"{change.account_id}/{now:%Y-%m-%dT%H}",
        severity=Severity.HIGH,
        title="Doorward cannot look: AWS refuses its calls for their number",
        because=f"A change of who comes into account {change.account_id} is {waited} seconds old and was not judged: {error}.",
        what_to_do="Find who calls IAM so often in that account (CloudTrail, by caller), stop them, and look at what changed meanwhile.",
        account_id=change.account_id,
        at=now,
        events=() if change.event_name == EVENT_NAME else (AlertEvent(change.event_id, change.event_name, change.event_time),),
    )


def sweep_starved(account_id: str, asked: datetime, error: DoorwardError, now: datetime) -> Alert | None:
    """What is to be told where a sweep that was asked for then met `error` now. Once a day for each account."""
    if not isinstance(error, Unavailable) or now - asked < SWEEP_MOST:
        return None
    minutes = int((now - asked).total_seconds()) // 60
    return Alert(
        detection=DETECTION,
        key=f"{account_id}/sweep/{now.date()}",
        severity=Severity.HIGH,
        title="Doorward cannot sweep an account: AWS does not answer, or refuses its calls for their number",
        because=f"For {minutes} minutes account {account_id} could not be swept: {error}. What no event tells of is not seen.",
        what_to_do="Find who calls IAM so often in that account (CloudTrail, by caller) and stop them; within the hour it is swept again.",
        account_id=account_id,
        at=now,
    )


def sweep_crowded(account_id: str, left: int, since: datetime, now: datetime) -> Alert | None:
    """What is to be told where a sweep could not have every role looked at that it should. Once a day for each account.

    In the first day of an account that is as it should be: a first sweep has every role looked at.
    """
    if not left or now - since < FIRST_DAY:
        return None
    return Alert(
        detection=DETECTION,
        key=f"{account_id}/crowded/{now.date()}",
        severity=Severity.MEDIUM,
        title="Doorward cannot look at every role that has changed",
        because=f"In account {account_id} so many roles have changed at once that {left} of them wait for the next sweep.",
        what_to_do="Find who changes so many roles in that account (CloudTrail, by caller). All of them are looked at, in turn.",
        account_id=account_id,
        at=now,
    )
