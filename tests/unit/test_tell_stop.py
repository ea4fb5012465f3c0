"""Every turn of the kill switch is told, once."""

from datetime import timedelta

from doorward.guardrails.brakes import Stop
from doorward.usecases.tell_stop import tell_stop
from tests.fakes import START, FakeBrakes, FakeClock, FakeLedger

HUB = "111122223333"


def test_it_is_told_by_whom_why_and_until_when_once_for_each_change() -> None:
    clock = FakeClock()
    ledger, brakes = FakeLedger(clock), FakeBrakes(clock)
    brakes.stops.append(Stop("account 777788889999", "jane", "an incident", START, START + timedelta(hours=4)))
    assert tell_stop("account 777788889999", "c-1", brakes, ledger, clock, HUB)
    assert not tell_stop("account 777788889999", "c-1", brakes, ledger, clock, HUB)
    brakes.stops.clear()
    assert tell_stop("account 777788889999", "c-2", brakes, ledger, clock, HUB)
    begun, ended = [each.detail for each in ledger.outbox.values()]
    assert begun["because"] == ("jane has stopped Doorward's writes for account 777788889999, until 2026-11-24 13:00 UTC: an incident")
    assert begun["detection"] == ended["detection"] == "kill-switch"
    assert ended["because"] == "Doorward writes again for account 777788889999."


def test_of_a_hold_it_is_told_what_it_does_not_stop() -> None:
    clock = FakeClock()
    ledger, brakes = FakeLedger(clock), FakeBrakes(clock)
    hold = Stop("role 777788889999/payments", "ann", "a release.", START, START + timedelta(hours=4), 1, signed=True)
    assert brakes.hold(hold)
    assert tell_stop(hold.scope, "c-1", brakes, ledger, clock, HUB)
    (told,) = [each.detail["because"] for each in ledger.outbox.values()]
    assert told.endswith(": a release. What takes more people to hold than agreed to it is closed all the same.")
