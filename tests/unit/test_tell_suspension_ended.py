"""The end of a suspension is told, once, and by whom."""

import pytest

from doorward.people.model import BY_SLACK, Suspension
from doorward.usecases.tell_suspension_ended import tell_suspension_ended
from tests.fakes import START, FakeClock, FakeLedger, FakeSuspensions

HUB, PROD = "111122223333", "777788889999"


@pytest.mark.parametrize(
    ("scope", "detection", "account", "because"),
    [
        (BY_SLACK, "slack-suspended", HUB, "decisions by Slack count again"),
        (PROD, "identity-suspended", PROD, f"decisions by people of account {PROD} count again"),
    ],
)
def test_it_is_told_by_whom_once_for_each_change(scope: str, detection: str, account: str, because: str) -> None:
    clock = FakeClock()
    ledger, suspensions = FakeLedger(clock), FakeSuspensions()
    suspension = Suspension(scope, "2026-11-24T09:00:00+00:00 e-1", "mallory", "mallory did it.", START)
    suspensions.suspend(suspension)
    assert not tell_suspension_ended(scope, "c-0", suspensions, ledger, clock, HUB)  # it stands
    suspensions.ended.add(suspension.change)
    assert tell_suspension_ended(scope, "c-1", suspensions, ledger, clock, HUB)
    assert not tell_suspension_ended(scope, "c-1", suspensions, ledger, clock, HUB)
    (told,) = [each.detail for each in ledger.outbox.values()]
    assert (told["detection"], told["account"]["id"], told["because"]) == (
        detection,
        account,
        f"jane ended it: {because}. It stood since 2026-11-24 09:00 UTC.",
    )


def test_who_deletes_it_is_told_of_too() -> None:
    clock = FakeClock()
    ledger = FakeLedger(clock)
    assert tell_suspension_ended(BY_SLACK, "c-1", FakeSuspensions(), ledger, clock, HUB)
    (told,) = [each.detail for each in ledger.outbox.values()]
    assert told["because"] == "Its item was deleted by hand: decisions by Slack count again."
