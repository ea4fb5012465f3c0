"""What was begun is taken up a minute later, whatever failed."""

from copy import replace
from datetime import timedelta

import pytest

from doorward.errors import Unavailable
from doorward.organization.model import Account, Organization
from doorward.ports.ledger import Announcement, CaseStatus, Head
from doorward.usecases.finish_started import Finished, finish_started
from tests.contract.test_ledger import CASE, FOUND, REF
from tests.fakes import START, FakeBus, FakeClock, FakeHints, FakeLedger

INTENDED = replace(CASE, status=CaseStatus.INTENDED, due_at=START + timedelta(seconds=60))


class World:
    def __init__(self) -> None:
        self.clock, self.bus, self.hints = FakeClock(), FakeBus(), FakeHints()
        self.ledger = FakeLedger(self.clock)
        self.organization = Organization(accounts=(Account(REF.partition("/")[0], "prod"),))

    def turn(self) -> Finished:
        return finish_started(self.ledger, self.ledger, self.bus, self.hints, self.organization, self.clock)


def test_what_is_not_due_yet_is_left_alone() -> None:
    world = World()
    world.ledger.announce(FOUND)
    world.clock.sleep(59)
    assert world.turn() == Finished(0, 0)
    assert world.bus.published == []


def test_an_announcement_that_nobody_published_is_published_once() -> None:
    world = World()
    world.ledger.announce(FOUND)
    world.clock.sleep(60)
    assert world.turn() == Finished(1, 0)
    assert world.turn() == Finished(0, 0)
    assert [each.id for each in world.bus.published] == [FOUND.id]


def test_an_intent_that_was_cut_off_has_its_role_looked_at_and_again_after_five_minutes() -> None:
    world = World()
    lock = world.ledger.lock(REF)
    world.ledger.open_case(lock, CASE, Head(case_id=CASE.id), FOUND)
    world.ledger.published(FOUND.id)
    world.ledger.intend(lock, INTENDED)
    world.clock.sleep(61)
    assert world.turn() == Finished(0, 1)
    (hint,) = world.hints.sent
    assert (hint.account_id, hint.role_name, hint.follows) == (*REF.split("/"), CASE.id)
    assert world.turn() == Finished(0, 0)
    world.clock.sleep(301)
    assert world.turn() == Finished(0, 1)


def test_one_that_fails_keeps_no_other_waiting_and_is_told_of_by_failing() -> None:
    world = World()
    world.ledger.announce(FOUND)
    world.clock.sleep(1)
    world.ledger.announce(Announcement("dw-2-found", "TrustViolationFound", {}, world.clock.now()))
    world.clock.sleep(61)
    world.bus.fail_next = [Unavailable("the bus does not answer")]
    with pytest.raises(Unavailable):
        world.turn()
    assert [each.id for each in world.bus.published] == ["dw-2-found"]
    world.clock.sleep(301)
    assert world.turn() == Finished(1, 0)
