"""What somebody may ask for: exactly what the rules leave him, page by page, soon enough for a form in Slack."""

from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import Unavailable
from doorward.grants.entitled import offer
from doorward.grants.model import Asker, Entitlements, Facts, Offer, Target
from doorward.organization.model import Account, Group, Identity, Organization
from doorward.people.model import User
from doorward.ports.grant_roles import KnownRoles
from doorward.usecases import grant_facts
from doorward.usecases.list_entitlements import MOST, Tools, all_offers, list_entitlements
from tests.fakes import START, FakeClock, FakeDirectory, FakeGrantRoles, FakeOnCall, FakeRoles
from tests.grants_world import DENY, JANE, ORDERS, PROD, RULE, STAGING, entitlements, rule
from tests.property.test_grants_entitled import of, rule_lists

READ = Target(STAGING.id, "read", "/doorward/grants/")


class World:
    def __init__(self, rules: Entitlements, *targets: Target, accounts: tuple[Account, ...] = (PROD, STAGING)) -> None:
        self.directory = FakeDirectory([User(JANE)], {JANE.user_id: {"payments"}}, {JANE.user_id: {"department": "A"}})
        self.on_call = FakeOnCall()
        self.roles = FakeGrantRoles()
        for target in targets or (ORDERS, READ):
            known = self.roles.kept.get(target.account_id, KnownRoles(target.account_id, (), START))
            self.roles.keep(known._replace(roles=(*known.roles, target)))
        groups = (Group("payments", identity_center=True), Group("security", identity_center=True))
        organization = Organization(accounts=accounts, identity=Identity(groups=groups))
        self.tools = Tools(grant_facts.Tools(organization, rules, self.directory, FakeRoles(), FakeClock(), self.on_call), self.roles)

    def listed(self) -> list[dict[str, Any]]:
        offers: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            page = list_entitlements(JANE.user_id, self.tools, after)
            assert page is not None
            assert after == "" or page["offers"][0]["role"] > after
            offers += page["offers"]
            after = page["next"]
        return offers


def test_an_offer_says_all_that_it_takes_to_ask() -> None:
    world = World(
        entitlements(rule(start_within_hours=3, tickets=["CHANGE-<number>"], approve={"groups": ["security"], "on_call": ["payments"]}))
    )
    assert world.listed()[1] == {
        "role": ORDERS.ref,
        "account": {"id": PROD.id, "name": "prod"},
        "template": "read-bucket",
        "risk": "low",
        "parameters": {"bucket": {"type": "s3-bucket", "like": ["acme-*"]}},
        "minutes": 60,
        "start_within_hours": 3,
        "tickets": [["CHANGE-<number>"]],
        "approvers": ["on-call:payments", "security"],
        "automatic": "never",
    }


@pytest.mark.parametrize(
    ("rules", "automatic"),
    [
        ([rule(automatic={"always": True})], "maybe"),
        ([rule(automatic={"risk": "low"}), rule("other")], "never"),
        ([rule(automatic={"risk": "low"}), rule("other", automatic={"always": True})], "maybe"),
        ([rule(automatic={"risk": "low"}), rule("theirs", who={"groups": ["security"]})], "maybe"),
    ],
)
def test_nobody_may_have_to_agree_only_where_every_rule_that_fits_says_so(rules: list[Any], automatic: str) -> None:
    assert {each["automatic"] for each in World(entitlements(*rules)).listed()} == {automatic}


def test_a_role_of_an_account_that_nobody_described_is_offered_to_nobody() -> None:
    assert World(entitlements(RULE), accounts=(STAGING,)).listed() == World(entitlements(RULE), READ).listed()


def test_what_a_deny_keeps_from_him_and_others_groups_have_is_not_offered() -> None:
    assert World(entitlements(RULE, DENY)).listed() == []
    world = World(entitlements(RULE))
    world.directory.groups = {}
    assert world.listed() == []


def test_who_is_gone_is_offered_nothing_and_what_cannot_be_known_is_not_guessed() -> None:
    world = World(entitlements(RULE))
    world.directory.users = [User(JANE, enabled=False)]
    assert list_entitlements(JANE.user_id, world.tools) is None
    assert list(all_offers(JANE.user_id, world.tools)) == []
    for fail_next in (world.directory.fail_next, world.roles.fail_next):
        world.directory.users = [User(JANE)]
        fail_next.append(Unavailable("no"))
        with pytest.raises(Unavailable):
            list_entitlements(JANE.user_id, world.tools)


def test_where_his_attributes_cannot_be_known_nothing_is_offered_that_a_rule_about_them_may_keep_from_him(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_user_id: str) -> None:
        raise Unavailable("no")

    world = World(entitlements(RULE, {**DENY, "who": {"attributes": {"userType": "contractor"}}, "match": {"ou": "/workloads/prod"}}))
    assert [each["role"] for each in world.listed()] == [READ.ref, ORDERS.ref]
    monkeypatch.setattr(world.directory, "attributes", fail)
    assert [each["role"] for each in world.listed()] == [READ.ref]
    with pytest.raises(Unavailable, match="cannot be looked up"):  # whoever is led to ask by all of them
        all_offers(JANE.user_id, world.tools)


def test_nobody_waits_for_a_roster() -> None:
    world = World(entitlements(rule(automatic={"on_call": ["payments"]})))
    assert world.listed()
    assert world.on_call.asked == []


targets = st.lists(
    st.builds(
        Target,
        st.sampled_from([PROD.id, STAGING.id, "999988887777"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["/doorward/grants/", "/doorward/grants/x/", "/x/"]),
        st.sampled_from([{}, {"team": "payments"}]),
    ),
    max_size=5,
    unique_by=lambda each: each.ref,
)


@given(rule_lists, targets, st.frozensets(st.sampled_from(["payments", "security"])), st.sampled_from([{}, {"department": "A"}]))
def test_what_is_listed_is_what_the_rules_leave_and_nothing_else(
    rules: list[dict[str, Any]], roles: list[Target], groups: frozenset[str], attributes: dict[str, str]
) -> None:
    """For each role and template, looked at one by one with all rules."""
    entitled = of(rules)
    world = World(entitled, *roles) if roles else World(entitled, READ)
    world.directory.groups, world.directory.said_of = {JANE.user_id: set(groups)}, {JANE.user_id: attributes}
    left = {
        (target.ref, name): found
        for target in roles or [READ]
        for name in entitled.templates
        for account in [{PROD.id: PROD, STAGING.id: STAGING}.get(target.account_id)]
        if isinstance(found := offer(entitled, name, Facts(Asker(JANE, groups, attributes), target, account)), Offer)
    }
    listed = world.listed()
    assert [(each["role"], each["template"]) for each in listed] == sorted(left)
    for each in listed:
        found = left[each["role"], each["template"]]
        assert each["minutes"] * 60 == found.longest.total_seconds()
        assert each["approvers"] == sorted(found.terms.approvers)


def test_pages_hold_whole_roles_and_together_everything() -> None:
    templates = {f"t{number}": {"statements": [{"actions": ["s3:ListAllMyBuckets"], "resources": ["*"]}]} for number in range(7)}
    rules = entitlements(rule(templates=[*templates]), **templates)
    roles = [READ._replace(name=f"r{number:03}") for number in range(200)]
    world = World(rules, *roles)
    every = [(role.ref, name) for role in roles for name in sorted(templates)]
    assert [(each["role"], each["template"]) for each in world.listed()] == every
    first = list_entitlements(JANE.user_id, world.tools)
    assert first is not None
    assert MOST <= len(first["offers"]) < MOST + 7
    assert len(first["offers"]) % 7 == 0
    listed = world.listed()
    world.directory.looked_up.clear()
    assert list(all_offers(JANE.user_id, world.tools)) == listed
    assert world.directory.looked_up == [JANE.user_id] * 2  # who he is, and his groups


def test_hundreds_of_accounts_rules_and_templates_take_a_blink() -> None:
    """A form in Slack opens within three seconds, of which people, roles and Slack itself take one."""
    accounts = tuple(Account(f"{number:012}", f"a{number}", "/workloads/a") for number in range(1, 501))
    roles = [Target(each.id, name, "/doorward/grants/") for each in accounts for name in ("doorward-grant-read", "doorward-grant-operate")]
    templates = {f"t{number}": {"statements": [{"actions": ["s3:ListAllMyBuckets"], "resources": ["*"]}]} for number in range(20)}
    others = [rule(f"r{number}", who={"groups": ["security"]}, templates=[*templates]) for number in range(100)]
    world = World(entitlements(*others, rule(match={"accounts": [accounts[-1].id]}), **templates), *roles, accounts=accounts)
    began = perf_counter()
    page = list_entitlements(JANE.user_id, world.tools)
    assert page is not None
    assert len(page["offers"]) == 2
    assert perf_counter() - began < 0.5
