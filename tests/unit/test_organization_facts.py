"""AWS Organizations and the organization's file together; and what changed between two reads."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import MalformedInput
from doorward.guardrails.model import Guardrails, Mode, Role
from doorward.organization.changes import ChangeKind, changes
from doorward.organization.facts import AccountFacts, OrganizationFacts, PolicyFacts, UnitFacts, combine, facts_as_json, facts_from_json
from doorward.organization.model import Account, Contact, Organization, Owner, TrustedAccount
from tests.fakes import START

MANAGEMENT, PROD, STAGING, VENDOR = "123456789012", "777788889999", "222233334444", "555566667777"
ORG, ROOT = "o-a1b2c3d4e5", "r-ab12"
WORKLOADS = UnitFacts("ou-ab12-44444444", "/workloads", f"{ORG}/{ROOT}/ou-ab12-44444444/")
PRODUCTION = UnitFacts("ou-ab12-11111111", "/workloads/prod", f"{ORG}/{ROOT}/ou-ab12-44444444/ou-ab12-11111111/")


def account(account_id: str, unit: UnitFacts | None = None, **more: Any) -> AccountFacts:
    where = ("/", f"{ORG}/{ROOT}/") if unit is None else (unit.ou, unit.org_path)
    return AccountFacts(
        account_id, **{"name": "a", "status": "ACTIVE", "joined": "CREATED", "tags": {}, **more}, ou=where[0], org_path=where[1]
    )


def scp(policy_id: str, *targets: str, text: str = "{}") -> PolicyFacts:
    return PolicyFacts(policy_id, "guard", "SERVICE_CONTROL_POLICY", text, text, tuple(sorted(targets)))


def facts(*accounts: AccountFacts, policies: tuple[PolicyFacts, ...] = (), **more: Any) -> OrganizationFacts:
    return OrganizationFacts(
        **{
            "id": ORG,
            "management_account": MANAGEMENT,
            "root": ROOT,
            "policy_types": ("SERVICE_CONTROL_POLICY",),
            "accounts": tuple(sorted((account(MANAGEMENT), *accounts))),
            "units": (PRODUCTION, WORKLOADS),
            "policies": policies,
            "read_at": START,
            **more,
        }
    )


FILE = Organization(
    id=ORG,
    management_account=MANAGEMENT,
    accounts=(Account(MANAGEMENT, "management", "/"), Account(PROD, "prod", "/workloads/prod")),
    trusted_accounts=(TrustedAccount(VENDOR, "vendor"),),
)


class TestCombine:
    def test_without_facts_the_file_counts_as_it_stands(self) -> None:
        assert combine(FILE, None) == (FILE, ())

    def test_who_belongs_is_what_organizations_says_and_whom_we_trust_what_the_file_says(self) -> None:
        combined = combine(FILE, facts(account(PROD, WORKLOADS, name="Prod", tags={"a": "b"}), account(STAGING))).organization
        assert combined.account(PROD) == Account(PROD, "Prod", "/workloads", WORKLOADS.org_path, {"a": "b"})
        assert combined.account(STAGING) is not None
        assert combined.trusted_accounts == FILE.trusted_accounts
        assert combined.pipelines == FILE.pipelines

    def test_who_answers_for_an_account_is_what_the_file_says(self) -> None:
        owner = Owner("payments", Contact(slack="C0PAYMENTS1"))
        file = FILE._replace(accounts=tuple(each._replace(owner=owner) for each in FILE.accounts))
        combined = combine(file, facts(account(PROD, WORKLOADS), account(STAGING))).organization
        assert [combined.account(each).owner for each in (PROD, STAGING)] == [owner, None]  # type: ignore[union-attr]

    def test_an_account_that_has_left_belongs_no_more_although_the_file_lists_it(self) -> None:
        combined, contradictions = combine(FILE, facts())
        assert combined.account(PROD) is None
        assert any(PROD in each for each in contradictions)

    @pytest.mark.parametrize(
        ("found", "says"),
        [
            (facts(account(PROD, WORKLOADS)), "it is in /workloads"),
            (facts(account(PROD, PRODUCTION), management_account=STAGING), f"it is {STAGING}"),
            (facts(account(PROD, PRODUCTION), account(VENDOR)), f"trusts {VENDOR}"),
        ],
    )
    def test_what_the_file_says_otherwise_is_said(self, found: OrganizationFacts, says: str) -> None:
        assert any(says in each for each in combine(FILE, found).contradictions)

    def test_where_both_agree_nothing_is_said(self) -> None:
        assert combine(FILE, facts(account(PROD, PRODUCTION))).contradictions == ()

    def test_facts_of_another_organization_are_not_used(self) -> None:
        combined, contradictions = combine(FILE, facts(account(STAGING), id="o-zzzzzzzzzz"))
        assert combined == FILE
        assert len(contradictions) == 1

    def test_a_vendor_that_has_joined_is_a_member_and_no_vendor(self) -> None:
        combined = combine(FILE, facts(account(VENDOR))).organization
        assert combined.trusted_account(VENDOR) is None
        assert combined.account(VENDOR) is not None

    def test_an_account_that_only_organizations_names_is_observed_until_it_is_adopted(self) -> None:
        combined = combine(FILE, facts(account(PROD, PRODUCTION), account(STAGING))).organization
        role = Role(STAGING, "x", "/", f"arn:aws:iam::{STAGING}:role/x", "AROAX", "{}")
        strict = Guardrails(mode=Mode.ENFORCE)
        assert strict.mode_for("external-account", role, combined.account(STAGING)) is Mode.OBSERVE
        assert strict.mode_for("external-account", role, combined.account(PROD)) is Mode.ENFORCE
        adopted = strict._replace(adopted=frozenset({STAGING}))
        assert adopted.mode_for("external-account", role, combined.account(STAGING)) is Mode.ENFORCE
        assert adopted.mode_for("external-account", role, combined.account(PROD)) is Mode.OBSERVE


def kinds(before: OrganizationFacts, after: OrganizationFacts) -> list[ChangeKind]:
    return [each.kind for each in changes(before, after)]


class TestChanges:
    def test_an_account_that_joins_is_judged_and_so_is_who_names_it_or_its_units(self) -> None:
        (change,) = changes(facts(), facts(account(PROD, PRODUCTION)))
        assert change.kind is ChangeKind.ACCOUNT_JOINED
        assert change.judged_anew == (PROD,)
        assert set(change.names) == {PROD, *(each.id for each in (WORKLOADS, PRODUCTION))}

    def test_an_account_that_leaves_cannot_be_entered_and_who_names_it_is_judged(self) -> None:
        (change,) = changes(facts(account(PROD, PRODUCTION)), facts())
        assert change.kind is ChangeKind.ACCOUNT_LEFT
        assert change.judged_anew == ()
        assert PROD in change.names

    def test_an_account_that_moves_is_judged_and_so_is_who_names_a_unit_that_it_left_or_entered(self) -> None:
        (change,) = changes(facts(account(PROD, PRODUCTION)), facts(account(PROD, WORKLOADS)))
        assert change.kind is ChangeKind.ACCOUNT_MOVED
        assert change.judged_anew == (PROD,)
        assert change.names == (PRODUCTION.id,)

    def test_a_renamed_unit_touches_every_account_below_it(self) -> None:
        renamed = UnitFacts(PRODUCTION.id, "/workloads/production", PRODUCTION.org_path)
        found = changes(
            facts(account(PROD, PRODUCTION), account(STAGING, PRODUCTION)), facts(account(PROD, renamed), account(STAGING, renamed))
        )
        assert {each.subject for each in found} == {PROD, STAGING}
        assert {each.kind for each in found} == {ChangeKind.ACCOUNT_MOVED}
        assert all(each.judged_anew == (each.subject,) for each in found)

    @pytest.mark.parametrize(
        ("after", "kind"),
        [
            (account(PROD, PRODUCTION, status="SUSPENDED"), ChangeKind.ACCOUNT_CLOSED),
            (account(PROD, PRODUCTION, tags={"environment": "test"}), ChangeKind.ACCOUNT_RETAGGED),
            (account(PROD, PRODUCTION, name="b"), ChangeKind.ACCOUNT_RENAMED),
        ],
    )
    def test_what_else_changes_about_an_account_is_told_apart(self, after: AccountFacts, kind: ChangeKind) -> None:
        assert kinds(facts(account(PROD, PRODUCTION)), facts(after)) == [kind]

    def test_an_account_that_is_closed_is_not_entered(self) -> None:
        (change,) = changes(facts(account(PROD)), facts(account(PROD, status="SUSPENDED")))
        assert change.judged_anew == ()

    @pytest.mark.parametrize(
        ("before", "after", "bears_on"),
        [
            (scp("p-1", ROOT), scp("p-1", ROOT, text="{} "), {MANAGEMENT, PROD, STAGING}),
            (scp("p-1", PROD), scp("p-1"), {PROD}),
            (scp("p-1"), scp("p-1", WORKLOADS.id), {PROD}),
            (None, scp("p-1", STAGING), {STAGING}),
            (scp("p-1", PROD), None, {PROD}),
        ],
    )
    def test_a_policy_bears_on_the_accounts_below_its_targets(
        self, before: PolicyFacts | None, after: PolicyFacts | None, bears_on: set[str]
    ) -> None:
        two = (account(PROD, PRODUCTION), account(STAGING))
        one, other = (facts(*two, policies=() if each is None else (each,)) for each in (before, after))
        (change,) = changes(one, other)
        assert change.kind is ChangeKind.POLICY_CHANGED
        assert set(change.bears_on) == bears_on
        assert change.judged_anew == ()

    def test_a_policy_that_nothing_is_under_may_change_unsaid(self) -> None:
        assert kinds(facts(policies=(scp("p-1"),)), facts(policies=(scp("p-1", text="x"),))) == []

    def test_what_an_account_brings_with_it_is_told_with_the_account_alone(self) -> None:
        before, after = facts(policies=(scp("p-F", ROOT),)), facts(account(PROD), policies=(scp("p-F", ROOT, PROD),))
        assert kinds(before, after) == [ChangeKind.ACCOUNT_JOINED]
        assert kinds(after, before) == [ChangeKind.ACCOUNT_LEFT]

    def test_a_type_that_is_switched_off_is_one_change_and_not_one_for_each_policy(self) -> None:
        found = changes(facts(policies=(scp("p-1", ROOT),)), facts(policy_types=()))
        assert [(each.kind, each.subject) for each in found] == [(ChangeKind.POLICY_TYPE_DISABLED, "SERVICE_CONTROL_POLICY")]

    def test_another_management_account_touches_everybody(self) -> None:
        (change,) = changes(facts(account(PROD)), facts(account(PROD), management_account=PROD))
        assert change.kind is ChangeKind.MANAGEMENT_CHANGED
        assert set(change.judged_anew) == {MANAGEMENT, PROD}


UNITS = st.sampled_from([None, WORKLOADS, PRODUCTION])
ACCOUNTS = st.dictionaries(
    st.sampled_from([PROD, STAGING, VENDOR]),
    st.builds(
        lambda unit, name, status, tags: (unit, {"name": name, "status": status, "tags": tags}),
        UNITS,
        st.sampled_from("ab"),
        st.sampled_from(["ACTIVE", "SUSPENDED"]),
        st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"), max_size=2),
    ),
)
POLICIES = st.dictionaries(
    st.sampled_from(["p-1", "p-2"]),
    st.tuples(st.sets(st.sampled_from([ROOT, PRODUCTION.id, PROD])), st.sampled_from("xy")),
)


@st.composite
def organizations(draw: st.DrawFn) -> OrganizationFacts:
    accounts = [account(account_id, unit, **more) for account_id, (unit, more) in draw(ACCOUNTS).items()]
    there = {ROOT, PRODUCTION.id, *(each.id for each in accounts)}
    policies = [scp(policy_id, *(targets & there), text=text) for policy_id, (targets, text) in draw(POLICIES).items()]
    types = draw(st.sampled_from([(), ("SERVICE_CONTROL_POLICY",)]))
    return facts(*accounts, policies=tuple(sorted(policies)) if types else (), policy_types=types)


@given(organizations())
def test_facts_survive_json(found: OrganizationFacts) -> None:
    assert facts_from_json(json.loads(json.dumps(facts_as_json(found)))) == found


@given(organizations(), st.integers(0, 10**6))
def test_the_same_organization_read_later_has_not_changed(found: OrganizationFacts, seconds: int) -> None:
    assert changes(found, found._replace(read_at=found.read_at + timedelta(seconds=seconds))) == ()


@given(organizations(), organizations())
def test_whatever_differs_about_an_account_is_a_change_of_that_account(before: OrganizationFacts, after: OrganizationFacts) -> None:
    told = {each.subject for each in changes(before, after) if each.kind.startswith("account-")}
    old, new = ({each.id: each for each in found.accounts} for found in (before, after))
    assert told == {each for each in old.keys() | new.keys() if old.get(each) != new.get(each)}


@given(organizations(), organizations())
def test_an_account_whose_scope_may_differ_is_judged_anew_and_none_that_cannot_be_entered(
    before: OrganizationFacts, after: OrganizationFacts
) -> None:
    anew = {each for change in changes(before, after) for each in change.judged_anew}
    active = {each.id for each in after.accounts if each.is_active}
    scoped = {each.id: (each.ou, each.org_path, dict(each.tags)) for each in after.accounts}
    before_scoped = {each.id: (each.ou, each.org_path, dict(each.tags)) for each in before.accounts}
    assert anew <= active
    assert {each for each in active if before_scoped.get(each) != scoped[each]} <= anew


@given(organizations(), organizations())
def test_there_is_a_change_exactly_where_something_in_force_differs(before: OrganizationFacts, after: OrganizationFacts) -> None:
    def in_force(found: OrganizationFacts) -> tuple[Any, ...]:
        return (found.accounts, found.policy_types, [each for each in found.policies if each.targets])

    if changes(before, after):
        assert in_force(before) != in_force(after)
    elif before.accounts == after.accounts and before.policy_types == after.policy_types:
        assert in_force(before) == in_force(after)


def test_another_format_is_refused() -> None:
    with pytest.raises(MalformedInput, match="read the organization anew"):
        facts_from_json({**facts_as_json(facts()), "format": "doorward.organization/2"})
    with pytest.raises(MalformedInput, match="read the organization anew"):
        facts_from_json({**facts_as_json(facts()), "accounts": [{"id": PROD}]})
