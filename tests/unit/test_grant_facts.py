"""What a request is judged by: only what some rule is about is looked up, and what could not be is not known."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from doorward.errors import DoorwardError, Misconfigured, Unavailable
from doorward.grants.entitled import is_known, rule_on
from doorward.grants.model import Entitlements, Ruling, Target, Ticket
from doorward.guardrails.model import Role
from doorward.organization.model import Group, Identity, Organization
from doorward.people.model import Refusal, User
from doorward.usecases.grant_facts import Tools, asker_of, asker_off_call, facts_of, voter_of
from tests.fakes import FakeClock, FakeDirectory, FakeOnCall, FakeRoles, FakeTickets
from tests.grants_world import DENY, JANE, JOE, PROD, STAGING, entitlements, request, rule

ROLE = Role(
    PROD.id, "orders", "/doorward/grants/", f"arn:aws:iam::{PROD.id}:role/doorward/grants/orders", "AROA1", "{}", tags={"team": "payments"}
)
GROUPS = (Group("payments", identity_center=True), Group("security", ("joe@acme.example",)))
ON_CALL = rule(automatic={"on_call": ["payments"]})
BY_TICKET = rule(tickets=["CHANGE-<number>"], automatic={"ticket_states": ["In Progress"]})
BY_ROSTER = rule(approve={"on_call": ["payments"]})
BY_ATTRIBUTE = {**DENY, "who": {"attributes": {"userType": "contractor"}}}
TICKET = Ticket("CHANGE-7", "In Progress", frozenset({JANE.user_name}), JOE.user_name)


class World:
    def __init__(self, rules: Entitlements | None = None, groups: tuple[Group, ...] = GROUPS) -> None:
        self.clock = FakeClock()
        self.directory = FakeDirectory(
            [User(JANE), User(JOE)], {JANE.user_id: {"payments", "security"}}, {JANE.user_id: {"userType": "employee"}}
        )
        self.roles = FakeRoles()
        self.roles.put(ROLE)
        self.on_call = FakeOnCall({JANE.user_name: {"payments", "other"}})
        self.tickets = FakeTickets({TICKET.id: TICKET})
        self.unknown: list[DoorwardError] = []
        self.tools = Tools(
            Organization(accounts=(PROD, STAGING), identity=Identity(groups=groups)),
            rules or entitlements(rule()),
            self.directory,
            self.roles,
            self.clock,
            self.on_call,
            self.tickets,
            self.unknown.append,
        )

    def ruled(self, **asked: Any) -> Ruling | Refusal:
        asker = asker_of(JANE.user_id, self.tools)
        assert asker is not None
        asked_for = request(**asked)
        return rule_on(self.tools.entitlements, asked_for, facts_of(asked_for, asker, self.tools))


def test_who_asks_is_looked_up_with_the_groups_of_the_file_alone() -> None:
    """`security` is a group of the file's own: being in one of that name in Identity Center is nothing."""
    asker = asker_of(JANE.user_id, World().tools)
    assert asker is not None
    assert (asker.person, asker.groups, asker.attributes, asker.on_call) == (JANE, frozenset({"payments"}), None, frozenset())


def test_who_is_gone_or_off_is_nobody() -> None:
    world = World()
    world.directory.users = [User(JANE, enabled=False)]
    assert asker_of(JANE.user_id, world.tools) is None
    assert asker_of(JOE.user_id, world.tools) is None


def test_the_role_is_the_one_that_stands_with_its_own_tags() -> None:
    world = World()
    asker = asker_of(JANE.user_id, world.tools)
    assert asker is not None
    found = facts_of(request(), asker, world.tools)
    assert (found.asker, found.target, found.account) == (asker, Target(PROD.id, "orders", "/doorward/grants/", {"team": "payments"}), PROD)


@pytest.mark.parametrize(
    "ref", ["999988887777/orders", f"{PROD.id}/gone", f"{PROD.id}/a/b", f"{PROD.id}/", PROD.id, "", f"{PROD.id}/x y", "/"]
)
def test_what_is_no_role_of_ours_is_none_and_nobody_is_asked_about_what_cannot_be_one(ref: str) -> None:
    world = World()
    asker = asker_of(JANE.user_id, world.tools)
    assert asker is not None
    # Were IAM asked about what cannot be a role's name, it would fail, and so would this.
    world.roles.fail_next = [] if ref.endswith("/gone") else [Misconfigured("ValidationError")]
    assert facts_of(request(role_ref=ref), asker, world.tools).target is None


@pytest.mark.parametrize(
    ("rules", "directory_calls", "asks_on_call", "asks_ticket"),
    [
        ([rule()], 2, False, False),
        ([rule(), BY_ATTRIBUTE], 3, False, False),
        ([rule(who={"attributes": {"department": "a"}})], 3, False, False),
        ([ON_CALL], 2, True, False),
        ([BY_ROSTER], 2, True, False),
        ([BY_TICKET], 2, False, True),
    ],
)
def test_only_what_a_rule_is_about_is_looked_up(rules: list[Any], directory_calls: int, asks_on_call: bool, asks_ticket: bool) -> None:
    world = World(entitlements(*rules))
    world.ruled(ticket="CHANGE-7")
    assert len(world.directory.looked_up) == directory_calls
    assert (bool(world.on_call.asked), bool(world.tickets.asked)) == (asks_on_call, asks_ticket)


def test_groups_of_identity_center_are_not_read_where_the_file_has_none_of_them() -> None:
    world = World(groups=(Group("payments", (JANE.user_name,)),))
    assert asker_of(JANE.user_id, world.tools)
    assert len(world.directory.looked_up) == 1


def test_what_is_no_ticket_is_asked_about_nowhere() -> None:
    world = World(entitlements(BY_TICKET))
    for ticket in ("", "a b", "x" * 65, "\n"):
        world.ruled(ticket=ticket)
    assert world.tickets.asked == []


AUTOMATIC: list[tuple[dict[str, Any], Callable[[World], list[DoorwardError]]]] = [
    (ON_CALL, lambda world: world.on_call.fail_next),
    (BY_TICKET, lambda world: world.tickets.fail_next),
]


@pytest.mark.parametrize(("automatic", "failures"), AUTOMATIC)
@pytest.mark.parametrize("failure", [Unavailable("no"), Misconfigured("no")])
def test_what_cannot_be_known_spares_nobody_an_approval(automatic: Any, failures: Any, failure: DoorwardError) -> None:
    world = World(entitlements(automatic))
    ruled = world.ruled(ticket="CHANGE-7")
    assert isinstance(ruled, Ruling)
    assert ruled.automatic
    failures(world).append(failure)
    unknown = world.ruled(ticket="CHANGE-7")
    assert isinstance(unknown, Ruling)
    assert not unknown.automatic
    assert world.unknown == [failure]


@pytest.mark.parametrize(("automatic", "failures"), AUTOMATIC)
def test_what_failed_is_not_known_and_what_nobody_has_or_is_not_asked_for_is(automatic: Any, failures: Any) -> None:
    """So that somebody who is not on call is told from somebody of whom nobody can say."""
    world = World(entitlements(automatic))
    world.on_call.rostered.clear()
    world.tickets.tickets.clear()

    def known() -> bool:
        asker = asker_of(JANE.user_id, world.tools)
        assert asker is not None
        return is_known(world.tools.entitlements, facts_of(request(ticket="CHANGE-7"), asker, world.tools))

    assert known()
    failures(world).append(Unavailable("no"))
    assert not known()
    world.tools = replace(world.tools, on_call=None, tickets=None)
    assert known()
    failures(world).append(Unavailable("no"))
    world.tools = replace(world.tools, entitlements=entitlements(rule()))
    assert known()


@pytest.mark.parametrize("automatic", [ON_CALL, BY_TICKET])
def test_without_a_function_of_the_customers_nobody_is_spared_an_approval(automatic: Any) -> None:
    world = World(entitlements(automatic))
    world.tools = replace(world.tools, on_call=None, tickets=None)
    ruled = world.ruled(ticket="CHANGE-7")
    assert isinstance(ruled, Ruling)
    assert not ruled.automatic


def test_where_attributes_cannot_be_known_a_rule_about_them_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_user_id: str) -> None:
        raise Unavailable("no")

    world = World(entitlements(rule(), BY_ATTRIBUTE))
    assert isinstance(world.ruled(), Ruling)
    world.directory.said_of[JANE.user_id] = {"userType": "contractor"}
    assert isinstance(world.ruled(), Refusal)
    monkeypatch.setattr(world.directory, "attributes", fail)
    refused = world.ruled()
    assert isinstance(refused, Refusal)
    assert "could not be looked up" in refused.because


@pytest.mark.parametrize("failure", [Unavailable("no"), Misconfigured("no")])
def test_a_person_or_a_role_that_cannot_be_looked_up_is_never_guessed(failure: DoorwardError) -> None:
    world = World()
    world.directory.fail_next = [failure]
    with pytest.raises(type(failure)):
        asker_of(JANE.user_id, world.tools)
    asker = asker_of(JANE.user_id, world.tools)
    assert asker is not None
    world.roles.fail_next = [failure]
    with pytest.raises(type(failure)):
        facts_of(request(), asker, world.tools)


def test_somebody_is_on_call_by_rosters_that_rules_name_and_by_no_others() -> None:
    for each in (BY_ROSTER, ON_CALL):
        world = World(entitlements(each))
        jane, joe = asker_of(JANE.user_id, world.tools), asker_of(JOE.user_id, world.tools)
        assert jane is not None
        assert joe is not None
        assert (jane.on_call, joe.on_call) == (frozenset({"payments"}), frozenset())
        assert [at for _, at in world.on_call.asked] == [world.clock.now()] * 2


def test_of_whoever_said_yes_there_are_his_groups_and_nothing_else() -> None:
    world = World(entitlements(ON_CALL, BY_ATTRIBUTE))
    jane = voter_of(JANE.user_id, world.tools)
    assert jane is not None
    assert (jane.person, jane.groups, jane.attributes, jane.on_call) == (JANE, frozenset({"payments"}), None, None)
    assert (len(world.directory.looked_up), world.on_call.asked) == (2, [])
    world.directory.users = [User(JANE, enabled=False)]
    assert voter_of(JANE.user_id, world.tools) is None


def test_whoever_only_lists_waits_for_no_roster() -> None:
    world = World(entitlements(ON_CALL))
    jane = asker_off_call(JANE.user_id, world.tools)
    assert jane is not None
    assert (jane.groups, jane.on_call, world.on_call.asked) == (frozenset({"payments"}), None, [])
