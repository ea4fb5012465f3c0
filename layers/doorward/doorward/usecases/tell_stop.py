"""The kill switch was turned, or a role is held: people are told, whoever did it and by whatever way into the table."""

from typing import Final

from doorward.findings.alerts import Alert
from doorward.findings.model import Severity
from doorward.guardrails.brakes import Stop
from doorward.ports.brakes import BrakesStore
from doorward.ports.clock import Clock
from doorward.ports.ledger import Ledger
from doorward.usecases.announce_alert import announce_alert

DETECTION: Final = "kill-switch"


def tell_stop(  # noqa: PLR0917 - what changed, and what it is told with
    scope: str, change_id: str, brakes: BrakesStore, ledger: Ledger, clock: Clock, hub_account: str
) -> bool:
    """`change_id`: the same for the same change, however often it is delivered. False where it was told before. Raises Unavailable."""
    stop = brakes.stop(scope)
    now = clock.now()
    alert = Alert(
        detection=DETECTION,
        key=f"{scope}/{change_id}",
        severity=Severity.HIGH,
        title="writes are stopped" if stop is not None else "writes are no longer stopped",
        because=_because(scope, stop),
        what_to_do="See that whoever did it was meant to. While writes are stopped, what is found is judged and told as ever, and stands:"
        " look through it before they go on, for what was found meanwhile is not undone by itself.",
        account_id=hub_account,
        at=now,
        principal=None if stop is None else stop.by,
    )
    return announce_alert(alert, "SuspiciousChangeFound", ledger, lambda _account_id: None, now)


def _because(scope: str, stop: Stop | None) -> str:
    if stop is None:
        return f"Doorward writes again for {scope}."
    until = "until somebody ends it" if stop.until is None else f"until {stop.until:%Y-%m-%d %H:%M} UTC"
    because = f"{stop.by} has stopped Doorward's writes for {scope}, {until}: {stop.because}"
    return (
        because
        if stop.agreed is None
        else f"{because.rstrip('.')}. What takes more people to hold than agreed to it is closed all the same."
    )
