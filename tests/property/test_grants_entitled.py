"""Theorems about who may have what: over drawn rules, people and facts."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from doorward.decisions.answering import is_enough
from doorward.decisions.model import Terms, Vote
from doorward.grants.entitled import rule_on, strictest
from doorward.grants.model import Asker, Entitlements, Facts, GrantRequest, Hours, Ruling, Ticket
from doorward.grants.parsing import entitlements_from
from doorward.people.model import Refusal, Via
from tests.grants_world import JANE, JOE, ORDERS, PROD, READ_BUCKET, STAGING, START, hours

GROUPS = ("payments", "security", "owners")
names = st.sampled_from(GROUPS)
some = st.lists(names, min_size=1, max_size=2, unique=True)


def objects(required: dict[str, st.SearchStrategy[Any]], optional: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


whos = objects({}, {"users": st.just([JANE.user_name]), "groups": some, "attributes": st.just({"department": "A"})})
matches = st.sampled_from(
    [{"ou": "/workloads"}, {"ou": "/workloads/prod"}, {"accounts": [STAGING.id]}, {"role_tags": {"team": "payments"}}]
)
templates = st.lists(st.sampled_from(["read-bucket", "other"]), min_size=1, max_size=2, unique=True)
approvals = objects(
    {"groups": some},
    {
        "on_call": st.just(["payments"]),
        "quorum": st.integers(1, 2),
        "by_sigv4": st.booleans(),
        "answer_hours": st.integers(1, 9),
        "escalate_to": some,
    },
)
everyday = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
automatics = st.just({"always": True}) | objects(
    {},
    {
        "on_call": st.just(["payments"]),
        "risk": st.sampled_from(["low", "medium"]),
        "hours": st.just({"days": everyday, "start": "09:00", "end": "17:00", "zone": "UTC"}),
    },
).filter(bool)
allows = objects(
    {"who": whos.filter(bool), "match": matches, "templates": templates, "minutes": st.sampled_from([30, 60, 120]), "approve": approvals},
    {"start_within_hours": st.integers(1, 3), "tickets": st.just(["A-<number>"]), "automatic": automatics},
)
denies = objects({"effect": st.just("deny")}, {"who": whos.filter(bool), "match": matches, "templates": templates})
rule_lists = st.lists(allows, max_size=3).flatmap(lambda some_allows: st.lists(denies, max_size=1).map(lambda more: [*some_allows, *more]))
askers = st.builds(
    Asker,
    st.sampled_from([JANE, JOE]),
    st.frozensets(names),
    st.sampled_from([{}, {"department": "A"}]) | st.none(),
    st.frozensets(st.just("payments")) | st.none(),
)
known = st.builds(Facts, askers, st.just(ORDERS), st.just(PROD), st.none() | st.just(Ticket("A-1", "open")))
requests = st.builds(
    GrantRequest,
    st.just(ORDERS.ref),
    st.sampled_from(["read-bucket", "other"]),
    st.just({"bucket": "acme-orders"}),
    st.sampled_from([1, 30, 60, 61, 120]),
    st.just("why"),
    st.just(START),
    st.sampled_from(["", "A-1"]),
    st.sampled_from([None, hours(1), hours(2)]),
)


def of(rules: Iterable[dict[str, Any]]) -> Entitlements:
    numbered = [{**each, "id": each.get("id", f"r{number}")} for number, each in enumerate(rules)]
    return entitlements_from({"templates": {"read-bucket": READ_BUCKET, "other": {**READ_BUCKET, "risk": "medium"}}, "rules": numbered})


type Voters = list[tuple[frozenset[str], Via]]


def votes_of(voters: Voters, terms: Terms, *, escalated: bool) -> list[Vote]:
    """Those of whoever may answer by these terms."""
    may = terms.approvers | (terms.escalate_to if escalated else frozenset())
    return [Vote(f"906-{number}", via, START, each) for number, (each, via) in enumerate(voters) if each & may]


all_voters = st.lists(st.tuples(st.frozensets(st.sampled_from([*GROUPS, "on-call:payments"])), st.sampled_from(Via)), max_size=4)


@given(rule_lists, denies, requests, known)
def test_a_deny_more_never_grants_and_changes_no_terms(
    rules: list[dict[str, Any]], deny: dict[str, Any], asked: GrantRequest, facts: Facts
) -> None:
    before, after = rule_on(of(rules), asked, facts), rule_on(of([*rules, deny]), asked, facts)
    if isinstance(after, Ruling):
        assert isinstance(before, Ruling)
        assert after._replace(entitlements_hash="") == before._replace(entitlements_hash="")


@given(rule_lists, allows, requests, known, all_voters, st.booleans())
def test_a_rule_more_never_loosens_what_others_ask_for(  # noqa: PLR0917
    rules: list[dict[str, Any]], another: dict[str, Any], asked: GrantRequest, facts: Facts, voters: Voters, escalated: bool
) -> None:
    before, after = rule_on(of(rules), asked, facts), rule_on(of([*rules, another]), asked, facts)
    if isinstance(before, Refusal):
        alone = rule_on(of([another]), asked, facts)
        assert isinstance(after, Refusal) or (isinstance(alone, Ruling) and after.rules == (f"r{len(rules)}",))
    elif isinstance(after, Ruling):
        assert before.automatic or not after.automatic
        if is_enough(after.terms, votes_of(voters, after.terms, escalated=escalated), escalated=escalated):
            assert is_enough(before.terms, votes_of(voters, before.terms, escalated=escalated), escalated=escalated)
        assert after.terms.answer_within <= before.terms.answer_within


@given(rule_lists, requests, known, st.randoms(use_true_random=False))
def test_the_order_of_rules_means_nothing(rules: list[dict[str, Any]], asked: GrantRequest, facts: Facts, random: Any) -> None:
    named = [{**each, "id": f"r{number}"} for number, each in enumerate(rules)]
    shuffled = random.sample(named, len(named))
    one, other = rule_on(of(named), asked, facts), rule_on(of(shuffled), asked, facts)
    assert isinstance(one, Refusal) is isinstance(other, Refusal)
    if isinstance(one, Ruling) and isinstance(other, Ruling):
        assert one._replace(entitlements_hash="") == other._replace(entitlements_hash="")


@given(rule_lists, requests, known)
def test_what_is_granted_is_granted_by_every_rule_that_matches_and_automatic_by_each(
    rules: list[dict[str, Any]], asked: GrantRequest, facts: Facts
) -> None:
    """A limit of one rule never goes with the approval of another."""
    found = rule_on(of(rules), asked, facts)
    if isinstance(found, Refusal):
        return
    alone = [rule_on(of([rules[int(each[1:])]]), asked, facts) for each in found.rules]
    assert all(isinstance(each, Ruling) for each in alone)
    assert found.automatic == all(isinstance(each, Ruling) and each.automatic for each in alone)
    assert not is_enough(found.terms, ())


@given(rule_lists, requests, known, askers)
def test_what_cannot_be_looked_up_never_helps(rules: list[dict[str, Any]], asked: GrantRequest, facts: Facts, other: Asker) -> None:
    unknown = facts._replace(asker=facts.asker._replace(attributes=None, on_call=None), ticket=None)
    looked_up = facts._replace(asker=facts.asker._replace(attributes=other.attributes or {}, on_call=other.on_call))
    blind, seen = rule_on(of(rules), asked, unknown), rule_on(of(rules), asked, looked_up)
    if isinstance(blind, Ruling):
        assert isinstance(seen, Ruling)
        assert (blind.rules, blind.terms) == (seen.rules, seen.terms)
        assert seen.automatic or not blind.automatic


terms = allows.map(lambda each: of([each]).allows[0].terms)


@given(terms, terms, all_voters, st.booleans())
def test_what_is_enough_for_terms_together_is_enough_for_each(one: Terms, two: Terms, voters: Voters, escalated: bool) -> None:
    both = strictest(one, two)
    together = is_enough(both, votes_of(voters, both, escalated=escalated), escalated=escalated)
    apart = [is_enough(each, votes_of(voters, each, escalated=escalated), escalated=escalated) for each in (one, two)]
    assert together == all(apart)


@given(terms, terms, terms)
def test_terms_together_are_one_whatever_is_put_together_first(one: Terms, two: Terms, three: Terms) -> None:
    assert strictest(one, one) == one
    assert strictest(one, two) == strictest(two, one)
    assert strictest(strictest(one, two), three) == strictest(one, strictest(two, three))


CHANGES = (
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),  # half an hour
    ("Africa/Cairo", datetime(2026, 10, 29, 21, tzinfo=UTC)),  # from midnight to the hour before
    ("Asia/Tokyo", datetime(2026, 7, 1, 3, tzinfo=UTC)),  # never
)
few_minutes = st.integers(-5, 90)


@given(st.sampled_from(CHANGES), st.integers(0, 300), st.integers(1, 300), few_minutes, few_minutes | st.none())
def test_within_the_hours_is_what_clocks_show_within_them_at_every_minute(
    changed: tuple[str, datetime], before: int, minutes: int, sooner: int, later: int | None
) -> None:
    """Where clocks are set back it may be more that is not: an hour that comes twice is not told from the other one."""
    zone, begins_at = ZoneInfo(changed[0]), changed[1] - timedelta(minutes=before)
    shown = [(begins_at + timedelta(minutes=each)).astimezone(zone) for each in range(minutes)]
    start = (shown[0] - timedelta(minutes=sooner)).time()
    end = None if later is None else (shown[-1] + timedelta(minutes=later)).time()
    within = all(each.date() == shown[0].date() and start <= each.time() and (end is None or each.time() < end) for each in shown)
    contained = Hours(frozenset(range(7)), start, end, zone).contain(begins_at, begins_at + timedelta(minutes=minutes))
    assert within or not contained
    if min(each.utcoffset() or timedelta() for each in shown) == shown[0].utcoffset():
        assert contained is within
