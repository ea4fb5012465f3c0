"""Somebody ended a suspension: people are told, whoever did it and by whatever way into the table."""

from typing import Final

from doorward.findings.alerts import Alert
from doorward.findings.model import Severity
from doorward.guard.signing_secret import DETECTION as SLACK_SUSPENDED
from doorward.guardrails.changes import IDENTITY
from doorward.people.model import BY_SLACK
from doorward.ports.clock import Clock
from doorward.ports.ledger import Ledger
from doorward.ports.suspensions import Suspensions
from doorward.usecases.announce_alert import announce_alert

_CURE: Final = "See that whoever did it was meant to, and had looked: from now on decisions count again."


def tell_suspension_ended(  # noqa: PLR0917 - what changed, and what it is told with
    scope: str, change_id: str, suspensions: Suspensions, ledger: Ledger, clock: Clock, hub_account: str
) -> bool:
    """`change_id`: the same for the same change, however often it is delivered.

    False where it stands (again), or was told before. Raises Unavailable.
    """
    last = suspensions.last(scope)
    if last is not None and last.stands:
        return False
    is_slack = scope == BY_SLACK
    whose = "by Slack" if is_slack else f"by people of account {scope}"
    how = "Its item was deleted by hand" if last is None else f"{last.ended_by} ended it"
    now = clock.now()
    alert = Alert(
        detection=SLACK_SUSPENDED if is_slack else IDENTITY,
        key=f"{scope}/{change_id}",
        severity=Severity.HIGH,
        title="a suspension is over",
        because=f"{how}: decisions {whose} count again." + ("" if last is None else f" It stood since {last.at:%Y-%m-%d %H:%M} UTC."),
        what_to_do=_CURE,
        account_id=hub_account if is_slack else scope,
        at=now,
        principal=None if last is None else last.ended_by,
    )
    return announce_alert(alert, "SuspiciousChangeFound", ledger, lambda _account_id: None, now)
