"""The organization as every function knows it."""

import pytest

from doorward.errors import Unavailable
from doorward.ports.organization import Kept
from doorward.usecases.known_organization import KnownOrganization
from tests.fakes import FakeClock, FakeOrganizationStore
from tests.unit.test_organization_facts import FILE, PROD, PRODUCTION, STAGING, account, facts


class Store(FakeOrganizationStore):
    def __init__(self) -> None:
        super().__init__()
        self.loads = 0
        self.fails = False

    def load(self) -> Kept | None:
        self.loads += 1
        if self.fails:
            raise Unavailable("no")
        return super().load()


def test_before_the_first_read_the_file_counts() -> None:
    known = KnownOrganization(FILE, Store(), FakeClock())
    assert known.organization() == FILE
    assert known.facts() is None


def test_what_was_read_counts_from_a_minute_after_it_was_kept_at_the_latest() -> None:
    store, clock = Store(), FakeClock()
    known = KnownOrganization(FILE, store, clock)
    known.organization()
    store.save(facts(account(PROD, PRODUCTION), account(STAGING)), over=0)
    clock.sleep(59)
    assert known.organization() == FILE
    clock.sleep(1)
    assert known.organization().account(STAGING) is not None
    assert known.facts() is not None


def test_an_account_that_joined_within_the_minute_is_known_to_whoever_asks_for_it() -> None:
    store, clock = Store(), FakeClock()
    known = KnownOrganization(FILE, store, clock)
    assert known.organization(STAGING).account(STAGING) is None
    store.save(facts(account(PROD, PRODUCTION), account(STAGING)), over=0)
    assert known.organization().account(STAGING) is None
    assert known.organization(STAGING).account(STAGING) is not None
    loads = store.loads
    assert known.organization(STAGING) == known.organization(None) == known.organization(7)
    assert store.loads == loads


def test_many_questions_within_a_minute_are_one_load() -> None:
    store, clock = Store(), FakeClock()
    known = KnownOrganization(FILE, store, clock)
    for _ in range(50):
        known.organization()
        known.facts()
        clock.sleep(1)
    assert store.loads == 1


def test_what_cannot_be_loaded_is_not_judged_by_what_is_old() -> None:
    store, clock = Store(), FakeClock()
    known = KnownOrganization(FILE, store, clock)
    known.organization()
    clock.sleep(60)
    store.fails = True
    with pytest.raises(Unavailable):
        known.organization()
    store.fails = False
    assert known.organization() == FILE
