"""What follows from a change of the organization: facts kept, people told, roles to judge anew, new accounts swept. Never a write."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from doorward.errors import MalformedInput, Misconfigured, Unavailable
from doorward.events.hints import hint_as_text, parse_message
from doorward.events.model import Actor, Cause, Change, OrganizationEvent
from doorward.organization.facts import AccountFacts, OrganizationFacts, combine
from doorward.organization.model import Account, Organization
from doorward.ports.ledger import EventOutcome
from doorward.usecases.membership import admit
from doorward.usecases.refresh_organization import Tools, refresh_organization, take_in
from tests.fakes import START, FakeClock, FakeHints, FakeLedger, FakeOrganizationStore, FakeRefreshes, FakeSweeps
from tests.unit.test_organization_facts import MANAGEMENT, ORG, PROD, PRODUCTION, STAGING, WORKLOADS, account, facts

HUB = "111122223333"
CALL = json.dumps({"format": "doorward.refresh/1", "because": "Daily"})
ACTOR = Actor("AssumedRole", f"arn:aws:iam::{MANAGEMENT}:role/admin", MANAGEMENT, "AROAX:jane", "jane", None, None, None)


def event(name: str = "MoveAccount", **more: Any) -> OrganizationEvent:
    fields: dict[str, Any] = {
        "event_id": "e-1",
        "event_name": name,
        "event_source": "organizations.amazonaws.com",
        "event_time": START,
        "account_id": MANAGEMENT,
        "region": "us-east-1",
        "actor": ACTOR,
        "accounts": (),
        "units": (),
        "policies": (),
        "policy_type": None,
        "service": None,
        "shared_event_id": None,
        "error_code": None,
        "error_message": None,
        "replay_name": None,
    }
    return OrganizationEvent(**{**fields, **more})


@dataclass
class FakeDirectory:
    now: OrganizationFacts
    clock: FakeClock
    reads: int = 0
    fail_next: list[Exception] = field(default_factory=list)

    def read(self) -> OrganizationFacts:
        self.reads += 1
        if self.fail_next:
            raise self.fail_next.pop(0)
        return self.now._replace(read_at=self.clock.now())


@dataclass
class FakeInventory:
    trust: dict[str, str] = field(default_factory=dict)

    def roles_naming(self, texts: Sequence[str]) -> Iterable[str]:
        return [ref for ref, policy in self.trust.items() if any(each in policy for each in texts)]


class World:
    def __init__(self, *accounts: AccountFacts) -> None:
        self.clock = FakeClock()
        self.directory = FakeDirectory(facts(*accounts), self.clock)
        self.store = FakeOrganizationStore()
        self.refreshes = FakeRefreshes()
        self.ledger = FakeLedger(self.clock)
        self.hints = FakeHints()
        self.inventory = FakeInventory()
        self.sweeps = FakeSweeps()
        configured = Organization(ORG, MANAGEMENT, accounts=(Account(PROD, "prod", "/workloads/prod"),))
        self.tools = Tools(
            self.directory,
            self.store,
            self.refreshes,
            self.ledger,
            self.clock,
            configured,
            HUB,
            self.hints,
            self.inventory,
            self.sweeps,
        )

    def read(self, *accounts: AccountFacts, **more: Any) -> EventOutcome:
        """The organization is so now, and is read at the next full minute."""
        self.clock.sleep(60)
        self.directory.now = facts(*accounts, **more)
        (outcome,) = refresh_organization(CALL, self.tools)
        return outcome

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(each.detail["detection"], each.detail["severity"]) for each in self.ledger.outbox.values()]


@pytest.fixture
def world() -> World:
    world = World(account(PROD, PRODUCTION))
    world.read(account(PROD, PRODUCTION))
    return world


def test_the_first_read_is_kept_and_tells_nobody_of_anything(world: World) -> None:
    assert world.store.kept is not None
    assert world.store.kept.facts.account(PROD) is not None
    assert world.told == []
    assert world.hints.sent == []
    assert world.sweeps.started == []


def test_a_read_that_finds_nothing_new_tells_nobody(world: World) -> None:
    assert world.read(account(PROD, PRODUCTION)).outcome == "read"
    assert world.told == []
    assert world.store.kept is not None
    assert world.store.kept.version == 2


def test_an_account_that_joins_is_swept_at_once_and_told_of(world: World) -> None:
    world.inventory.trust = {f"{PROD}/partner": f"arn:aws:iam::{STAGING}:root", f"{PROD}/other": "-"}
    assert world.read(account(PROD, PRODUCTION), account(STAGING, joined="INVITED")).outcome == "changed"
    assert world.sweeps.started == [((STAGING,), "The account has joined the organization.")]
    assert world.told == [("account-joined", "high")]
    assert [(each.account_id, each.role_name) for each in world.hints.sent] == [(STAGING, None), (PROD, "partner")]
    assert {each.cause for each in world.hints.sent} == {Cause.FACTS}


def test_an_account_that_leaves_is_told_of_and_who_names_it_is_judged_anew(world: World) -> None:
    world.read(account(PROD, PRODUCTION), account(STAGING))
    world.hints.sent.clear()
    world.inventory.trust = {f"{PROD}/partner": f"arn:aws:iam::{STAGING}:root"}
    world.read(account(PROD, PRODUCTION))
    assert world.told[-1] == ("account-left", "high")
    assert [(each.account_id, each.role_name) for each in world.hints.sent] == [(PROD, "partner")]
    assert len(world.sweeps.started) == 1  # of its joining


def test_a_role_of_an_account_that_is_judged_as_a_whole_is_not_hinted_at_again(world: World) -> None:
    world.inventory.trust = {f"{PROD}/x": PRODUCTION.id}
    world.read(account(PROD, WORKLOADS))
    assert [(each.account_id, each.role_name) for each in world.hints.sent] == [(PROD, None)]
    assert world.told == [("account-moved", "high")]


def test_every_hint_is_of_the_cause_that_never_leads_to_a_write(world: World) -> None:
    world.inventory.trust = {f"{STAGING}/x": PRODUCTION.id}
    world.read(account(PROD, WORKLOADS, tags={"a": "b"}), account(STAGING))
    assert world.hints.sent
    assert {each.cause for each in world.hints.sent} == {Cause.FACTS}
    assert len({each.id for each in world.hints.sent}) == len(world.hints.sent)


def test_several_calls_within_a_minute_are_one_read_now_and_one_at_its_end(world: World) -> None:
    world.clock.sleep(60)
    before = world.directory.reads
    outcomes = [take_in(event(event_id=f"e-{each}", event_time=world.clock.now()), world.tools).outcome for each in range(5)]
    assert outcomes == ["read", "put-off", "put-off", "put-off", "put-off"]
    assert world.directory.reads == before + 1
    assert world.refreshes.calls == [("Put off", 60.0)]
    world.clock.sleep(60)
    (outcome,) = refresh_organization(CALL, world.tools)
    assert outcome.outcome == "read"


def test_a_read_that_could_not_be_called_for_is_not_taken_for_called(world: World) -> None:
    world.clock.sleep(60)
    take_in(event(event_time=world.clock.now()), world.tools)
    world.refreshes.fail_next = [Unavailable("no")]
    with pytest.raises(Unavailable):
        take_in(event(event_id="e-2", event_time=world.clock.now()), world.tools)
    assert take_in(event(event_id="e-2", event_time=world.clock.now()), world.tools).outcome == "put-off"
    assert len(world.refreshes.calls) == 1


def test_an_event_that_comes_long_after_a_later_read_leads_to_none(world: World) -> None:
    reads = world.directory.reads
    assert take_in(event(event_time=world.clock.now() - timedelta(seconds=61)), world.tools).outcome == "skipped"
    assert world.directory.reads == reads


def test_who_did_it_is_told_where_the_event_tells(world: World) -> None:
    world.clock.sleep(60)
    world.directory.now = facts(account(PROD, WORKLOADS))
    take_in(event(accounts=(PROD,), event_time=world.clock.now()), world.tools)
    (announcement,) = world.ledger.outbox.values()
    assert announcement.detail["principal"] == ACTOR.arn
    assert announcement.detail["events"][0]["name"] == "MoveAccount"
    assert "role admin as jane" in announcement.detail["because"]


def test_leaving_is_told_at_once_even_where_it_was_denied_and_leads_to_no_read(world: World) -> None:
    reads = world.directory.reads
    outcome = take_in(event("LeaveOrganization", account_id=PROD, error_code="AccessDenied"), world.tools)
    assert outcome.outcome == "alerted"
    assert world.told == [("leaving-attempted", "critical")]
    assert world.directory.reads == reads
    take_in(event("LeaveOrganization", account_id=PROD, error_code="AccessDenied"), world.tools)
    assert len(world.ledger.outbox) == 1


def test_what_the_call_tells_is_told_although_the_read_must_wait(world: World) -> None:
    take_in(event("DisableAWSServiceAccess", service="cloudtrail.amazonaws.com", event_time=world.clock.now()), world.tools)
    assert world.told == [("trusted-access-changed", "high")]
    assert world.refreshes.calls


def test_a_read_that_fails_keeps_what_is_known(world: World) -> None:
    world.directory.fail_next = [Unavailable("throttled")]
    with pytest.raises(Unavailable):
        world.read()
    assert world.store.kept is not None
    assert world.store.kept.facts.account(PROD) is not None


def test_another_organization_than_the_file_names_is_never_kept(world: World) -> None:
    with pytest.raises(Misconfigured, match="o-zzzzzzzzzz"):
        world.read(account(STAGING), id="o-zzzzzzzzzz")
    assert world.store.kept is not None
    assert world.store.kept.facts.id == ORG
    assert world.told == []


def test_where_it_dies_before_the_facts_are_kept_the_next_read_tells_the_same_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    save = world.store.save
    monkeypatch.setattr(world.store, "save", lambda *_args, **_more: (_ for _ in ()).throw(Unavailable("died")))
    with pytest.raises(Unavailable):
        world.read(account(PROD, WORKLOADS))
    monkeypatch.setattr(world.store, "save", save)
    world.read(account(PROD, WORKLOADS))
    assert world.told == [("account-moved", "high")]
    assert {each.id for each in world.hints.sent} == {world.hints.sent[0].id}
    assert world.read(account(PROD, WORKLOADS)).outcome == "read"


def test_a_read_that_was_overtaken_is_dropped(world: World) -> None:
    newer = facts(account(PROD, PRODUCTION), account(STAGING))
    world.store.before_save = [newer]
    assert world.read(account(PROD, PRODUCTION)).outcome == "overtaken"
    assert world.store.kept is not None
    assert world.store.kept.facts == newer


def test_without_a_management_account_there_is_nothing_to_read() -> None:
    world = World()
    tools = replace(world.tools, configured=Organization(accounts=(Account(HUB, "hub"),)))
    (outcome,) = refresh_organization(CALL, tools)
    assert outcome.outcome == "skipped"
    assert world.directory.reads == 0


@pytest.mark.parametrize("message", ["", "null", "[]", '{"format": "doorward.refresh/2"}', '{"format": 1}'])
def test_what_is_neither_an_event_nor_a_call_of_ours_is_malformed(message: str) -> None:
    with pytest.raises(MalformedInput):
        refresh_organization(message, World().tools)


def test_without_an_inventory_every_account_is_judged_anew_where_a_role_may_name_what_changed(world: World) -> None:
    world.tools = replace(world.tools, inventory=None)
    world.read(account(PROD, PRODUCTION), account(STAGING))
    assert {(each.account_id, each.role_name) for each in world.hints.sent} == {(each, None) for each in (MANAGEMENT, PROD, STAGING)}
    world.hints.sent.clear()
    world.read(account(PROD, PRODUCTION, tags={"a": "b"}), account(STAGING))
    assert [each.account_id for each in world.hints.sent] == [PROD]


def envelope(name: str, source: str = "organizations", **parameters: str) -> str:
    record = {
        "eventVersion": "1.11",
        "eventID": "0b5dbd9e-0000-4000-8000-000000000001",
        "eventName": name,
        "eventSource": f"{source}.amazonaws.com",
        "eventTime": "2026-11-24T09:05:00Z",
        "awsRegion": "us-east-1",
        "recipientAccountId": MANAGEMENT,
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "userIdentity": {"type": "Root", "arn": f"arn:aws:iam::{MANAGEMENT}:root", "accountId": MANAGEMENT, "principalId": MANAGEMENT},
        "requestParameters": parameters,
        "responseElements": None,
    }
    return json.dumps(
        {
            "version": "0",
            "id": "0b5dbd9e-0000-4000-8000-000000000002",
            "detail-type": "AWS API Call via CloudTrail",
            "source": f"aws.{source}",
            "account": MANAGEMENT,
            "time": "2026-11-24T09:05:00Z",
            "region": "us-east-1",
            "resources": [],
            "detail": record,
        }
    )


def test_an_event_of_organizations_leads_to_a_read_that_tells_who_did_it(world: World) -> None:
    world.clock.sleep(300)
    world.directory.now = facts(account(PROD, WORKLOADS))
    moved = envelope("MoveAccount", accountId=PROD, sourceParentId=PRODUCTION.id, destinationParentId=WORKLOADS.id)
    (outcome,) = refresh_organization(moved, world.tools)
    assert outcome.outcome == "changed"
    (announcement,) = world.ledger.outbox.values()
    assert announcement.detail["detection"] == "account-moved"
    assert announcement.detail["principal"] == f"arn:aws:iam::{MANAGEMENT}:root"
    assert world.ledger.outcomes[-1] == outcome


def test_what_says_nothing_of_organizations_leads_to_no_read(world: World) -> None:
    world.clock.sleep(300)
    reads = world.directory.reads
    expectations = ((envelope("CreateAccountAssignment", "sso"), "alerted"), (envelope("TagRole", "iam", roleName="x"), "skipped"))
    for message, expected in expectations:
        (outcome,) = refresh_organization(message, world.tools)
        assert outcome.outcome == expected
    assert world.directory.reads == reads


def test_the_reaction_reads_a_hint_as_a_change_of_facts(world: World) -> None:
    world.read(account(PROD, PRODUCTION), account(STAGING))
    world.hints.sent.clear()
    world.inventory.trust = {f"{STAGING}/with+all=,.@-_names": PRODUCTION.id}
    world.read(account(PROD, WORKLOADS), account(STAGING))
    assert [each.role_name for each in world.hints.sent] == [None, "with+all=,.@-_names"]
    changes = [parse_message(hint_as_text(each)) for each in world.hints.sent]
    assert {type(each) for each in changes} == {Change}
    assert {each.cause for each in changes if isinstance(each, Change)} == {Cause.FACTS}
    assert len({each.event_id for each in changes}) == len(changes)


class TestAdmitting:
    """Whether an event is of the organization, as far as that is known."""

    @staticmethod
    def known(world: World) -> Organization:
        assert world.store.kept is not None
        return combine(world.tools.configured, world.store.kept.facts).organization

    def test_a_members_event_passes_and_nobody_reads_anew(self, world: World) -> None:
        admit(event(account_id=PROD, event_time=world.clock.now()), self.known(world), world.store, world.refreshes)
        assert world.refreshes.calls == []

    def test_before_the_first_read_nobody_is_turned_away(self, world: World) -> None:
        admit(event(account_id=STAGING), self.known(world), FakeOrganizationStore(), FakeRefreshes())

    def test_who_has_joined_since_the_cached_read_passes_by_the_one_that_is_kept(self, world: World) -> None:
        cached = self.known(world)
        world.read(account(PROD, PRODUCTION), account(STAGING))
        admit(event(account_id=STAGING), cached, world.store, world.refreshes)
        assert world.refreshes.calls == []

    def test_who_may_have_joined_since_the_last_read_waits_for_the_next(self, world: World) -> None:
        theirs = event(account_id=STAGING, event_time=world.clock.now())
        with pytest.raises(Unavailable, match=STAGING):
            admit(theirs, self.known(world), world.store, world.refreshes)
        assert len(world.refreshes.calls) == 1
        world.read(account(PROD, PRODUCTION), account(STAGING))
        admit(theirs, self.known(world), world.store, world.refreshes)

    def test_who_is_no_member_in_a_read_after_the_event_is_turned_away_for_good(self, world: World) -> None:
        theirs = event(account_id=STAGING, event_time=world.clock.now())
        world.read(account(PROD, PRODUCTION))
        with pytest.raises(MalformedInput, match="no account of the organization"):
            admit(theirs, self.known(world), world.store, world.refreshes)
        assert world.refreshes.calls == []


def test_without_a_sweep_what_the_organization_is_now_is_kept_all_the_same(world: World) -> None:
    world.read(account(PROD, PRODUCTION))
    world.sweeps.fail_next = [Misconfigured("the state machine is gone")]
    with pytest.raises(Misconfigured, match="gone"):
        world.read(account(PROD, PRODUCTION), account(STAGING))
    assert world.store.kept is not None
    assert {each.id for each in world.store.kept.facts.accounts} >= {PROD, STAGING}
