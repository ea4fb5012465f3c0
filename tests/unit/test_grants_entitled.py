"""Each row of the table of who may have what, and that the file says the same in Lambda as on a laptop."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from doorward.decisions.model import Consent
from doorward.grants.entitled import NOT_KNOWN, offer, rule_on
from doorward.grants.model import Facts, GrantRequest, Offer, Risk, Ruling, Ticket
from doorward.people.model import Refusal
from tests.grants_world import (
    DENY,
    JANE,
    JOE,
    ORDERS,
    PROD,
    READ_BUCKET,
    RULE,
    STAGING,
    asker,
    entitlements,
    facts,
    hours,
    request,
    rule,
)

CHANGE = Ticket("CHANGE-7", "In Progress", frozenset({JANE.user_name}), JOE.user_name)
HERS_IN_CAPITALS = CHANGE._replace(opened_by=JANE.user_name.upper())


def ruled(*rules: dict[str, Any], asked: GrantRequest | None = None, known: Facts | None = None) -> Ruling | Refusal:
    return rule_on(entitlements(*(rules or (RULE,))), asked or request(), known or facts())


def given(*rules: dict[str, Any], asked: GrantRequest | None = None, known: Facts | None = None) -> Ruling:
    found = ruled(*rules, asked=asked, known=known)
    assert isinstance(found, Ruling), found
    return found


def refused(*rules: dict[str, Any], asked: GrantRequest | None = None, known: Facts | None = None) -> str:
    found = ruled(*rules, asked=asked, known=known)
    assert isinstance(found, Refusal), found
    assert found.cure
    return found.because


class TestWhoAndWhat:
    def test_a_rule_that_fits_asks_people(self) -> None:
        found = given()
        assert (found.rules, found.automatic, found.risk) == (("payments",), False, Risk.LOW)
        assert found.terms.approvers == {"security"}
        assert found.entitlements_hash == entitlements(RULE).hash

    @pytest.mark.parametrize(
        "known",
        [
            facts(target=None),
            facts(account=None),
            facts(account=STAGING),
            facts(target=ORDERS._replace(path="/")),
            facts(target=ORDERS._replace(path="/doorward/")),
            facts(target=ORDERS._replace(path="/x/doorward/grants/")),
        ],
    )
    def test_only_grant_roles_of_accounts_that_somebody_described(self, known: Facts) -> None:
        assert refused(known=known) == "There is no such role to be asked for."

    def test_what_was_looked_up_is_what_was_asked_for(self) -> None:
        assert "another role" in refused(asked=request(role_ref=f"{PROD.id}/admin"))

    def test_a_template_that_is_not_there(self) -> None:
        assert refused(asked=request(template="everything")) == "There is no such template."

    @pytest.mark.parametrize(
        ("changed", "known", "fits"),
        [
            ({"who": {"users": [JANE.user_name]}}, facts(), True),
            ({"who": {"users": [JOE.user_name]}}, facts(), False),
            ({"who": {"users": [JANE.user_name.upper()]}}, facts(), False),
            ({"who": {"groups": ["payments", "ops"]}}, facts(), True),
            ({"who": {"groups": ["ops"]}}, facts(), False),
            ({"who": {"users": [JANE.user_name], "groups": ["ops"]}}, facts(), False),
            ({"who": {"attributes": {"department": "A"}}}, facts(asker(attributes={"department": "A"})), True),
            ({"who": {"attributes": {"department": "A"}}}, facts(asker(attributes={"department": "B"})), False),
            ({"who": {"attributes": {"department": "A"}}}, facts(asker(attributes={})), False),
            ({"who": {"attributes": {"title": "1", "locale": "2"}}}, facts(asker(attributes={"title": "1"})), False),
            ({"who": {"attributes": {"title": "1"}}}, facts(asker(attributes=None)), False),
            ({"match": {"ou": "/workloads/prod"}}, facts(), True),
            ({"match": {"ou": "/"}}, facts(), True),
            ({"match": {"ou": "/workloads/pro"}}, facts(), False),
            ({"match": {"accounts": [STAGING.id]}}, facts(), False),
            ({"match": {"tags": {"environment": "prod"}}}, facts(), True),
            ({"match": {"role_name": "ord*"}}, facts(), True),
            ({"match": {"role_tags": {"team": "other"}}}, facts(), False),
            ({"templates": ["other"]}, facts(), False),
        ],
    )
    def test_every_criterion_must_hold(self, changed: dict[str, Any], known: Facts, fits: bool) -> None:
        found = rule_on(entitlements(rule(**changed), other=READ_BUCKET), request(), known)
        assert isinstance(found, Ruling) is fits


class TestDenies:
    @pytest.mark.parametrize(
        ("deny", "known", "denied"),
        [
            ({}, facts(), True),
            ({"who": {"groups": ["payments"]}}, facts(), True),
            ({"who": {"groups": ["ops"]}}, facts(), False),
            ({"match": {"ou": "/workloads/prod"}}, facts(), True),
            ({"match": {"ou": "/workloads/staging"}}, facts(), False),
            ({"templates": ["read-bucket"]}, facts(), True),
            ({"templates": ["other"]}, facts(), False),
            ({"who": {"attributes": {"userType": "contractor"}}}, facts(asker(attributes={"userType": "employee"})), False),
            ({"who": {"attributes": {"userType": "contractor"}}}, facts(asker(attributes=None)), True),
        ],
    )
    def test_a_deny_wins(self, deny: dict[str, Any], known: Facts, denied: bool) -> None:
        found = rule_on(entitlements(RULE, {**DENY, **deny}, other=READ_BUCKET), request(), known)
        assert isinstance(found, Refusal) is denied

    def test_a_rule_that_may_be_about_him_is_not_passed_over(self) -> None:
        """Else whoever's attributes cannot be looked up would escape the stricter rule."""
        stricter = rule("stricter", who={"attributes": {"department": "A"}})
        open_to_all = rule("open", automatic={"always": True})
        assert given(open_to_all, stricter).automatic
        assert "could not be looked up" in refused(open_to_all, stricter, known=facts(asker(attributes=None)))

    @pytest.mark.parametrize("match", [{"ou": "/workloads/prod"}, {"tags": {"env": "prod"}}])
    @pytest.mark.parametrize("effect", ["deny", "stricter"])
    def test_a_rule_that_may_be_about_the_account_is_not_passed_over(self, match: dict[str, Any], effect: str) -> None:
        """Else nobody could be kept out by a rule about an OU while AWS Organizations was not asked yet."""
        known = facts()._replace(account=PROD._replace(ou="/workloads/prod", tags={"env": "prod"}))
        nothing_is = facts()._replace(account=PROD._replace(ou="", org_path="", tags={}))
        elsewhere = facts()._replace(account=PROD._replace(ou="/sandbox", tags={}))
        open_to_all = rule("open", match={"accounts": [PROD.id]}, automatic={"always": True})
        about_it = {**DENY, "match": match} if effect == "deny" else rule("stricter", match=match)
        assert given(open_to_all, about_it, known=elsewhere).automatic
        found = ruled(open_to_all, about_it, known=known)
        assert isinstance(found, Refusal) or not found.automatic
        assert ruled(open_to_all, about_it, known=nothing_is) == NOT_KNOWN
        of_others = {**about_it, "who": {"groups": ["ops"]}}
        assert given(open_to_all, of_others, known=nothing_is).automatic


class TestLimits:
    @pytest.mark.parametrize("minutes", [-1, 0, 61, 10**9])
    def test_more_than_the_shortest_limit_is_refused_not_cut(self, minutes: int) -> None:
        assert "minutes cannot be had" in refused(asked=request(minutes=minutes))

    def test_whoever_asks_for_less_does_not_choose_the_rule(self) -> None:
        long, short = rule("long", minutes=240), rule("short", minutes=30, approve={"groups": ["owners"]})
        assert refused(long, short, asked=request(minutes=60))
        found = given(long, short, asked=request(minutes=30))
        assert found.rules == ("long", "short")

    @pytest.mark.parametrize(
        ("starts", "within", "fits"), [(0, None, True), (1, None, False), (-1, 24, False), (24, 24, True), (25, 24, False)]
    )
    def test_a_start_in_the_past_or_too_far_ahead(self, starts: int, within: int | None, fits: bool) -> None:
        assert isinstance(ruled(rule(start_within_hours=within), asked=request(starts_at=hours(starts))), Ruling) is fits

    @pytest.mark.parametrize(
        ("reason", "fits"), [("", False), (" \n", False), ("x" * 1001, False), ("x" * 5000, False), ("🔥 order 4711", True)]
    )
    def test_a_reason_that_people_can_read(self, reason: str, fits: bool) -> None:
        assert isinstance(ruled(asked=request(reason=reason)), Ruling) is fits

    @pytest.mark.parametrize(
        ("forms", "ticket", "fits"),
        [
            (None, "", True),
            (None, "CHANGE-7", True),
            (None, "a b", False),
            (None, "<!channel>", False),
            (["CHANGE-<number>"], "", False),
            (["CHANGE-<number>"], "CHANGE-7", True),
            (["CHANGE-<number>"], "CHANGE-", False),
            (["CHANGE-<number>"], "XCHANGE-7", False),
            (["CHANGE-<number>"], "CHANGE-7 or 1", False),
            (["CHANGE-<number>"], "CHANGE-\u0667", False),
            (["CHANGE-<number>"], "CHANGE-7\n", False),
            (["A.<number>"], "AB7", False),
            (["A-<number>", "B-<number>"], "B-1", True),
        ],
    )
    def test_a_ticket_has_one_of_the_forms_to_the_letter(self, forms: list[str] | None, ticket: str, fits: bool) -> None:
        assert isinstance(ruled(rule(tickets=forms), asked=request(ticket=ticket)), Ruling) is fits

    def test_the_ticket_of_every_rule_is_asked_for(self) -> None:
        both = (rule("one", tickets=["A-<number>"]), rule("two", tickets=["B-<number>"]))
        assert refused(*both, asked=request(ticket="A-1"))
        assert refused(*both, asked=request(ticket="B-1"))

    @pytest.mark.parametrize("parameters", [{}, {"bucket": "other"}, {"bucket": "acme-*"}, {"bucket": "acme-a", "x": "y"}])
    def test_parameters_that_the_template_does_not_take(self, parameters: dict[str, str]) -> None:
        assert refused(asked=request(parameters=parameters))


class TestApproval:
    def test_several_rules_ask_for_what_each_asks_for(self) -> None:
        one = rule("one", approve={"groups": ["security"], "answer_hours": 9, "escalate_to": ["directors"]})
        two = rule("two", approve={"groups": ["owners"], "on_call": ["payments"], "quorum": 2, "distinct_groups": True, "by_sigv4": True})
        terms = given(one, two).terms
        assert terms.also == {
            Consent(frozenset({"security"}), escalate_to=frozenset({"directors"})),
            Consent(frozenset({"owners", "on-call:payments"}), 2, distinct_groups=True, by_sigv4=True),
        }
        assert terms.approvers == {"security", "owners", "on-call:payments"}
        assert terms.answer_within == timedelta(hours=8)
        assert (terms.escalate_after, terms.escalate_to) == (timedelta(hours=3), frozenset({"directors"}))

    def test_it_is_escalated_no_sooner_than_any_rule_says_and_answered_no_later(self) -> None:
        one, two = (
            rule(name, approve={"groups": ["a"], "answer_hours": each, "escalate_to": ["b"]}) for name, each in (("x", 3), ("y", 9))
        )
        terms = given(one, two).terms
        assert (terms.escalate_after, terms.answer_within) == (timedelta(hours=3), timedelta(hours=3))

    @pytest.mark.parametrize(
        ("automatic", "changed", "known", "granted"),
        [
            (None, {}, facts(), False),
            ({"always": True}, {}, facts(), True),
            ({"on_call": ["payments"]}, {}, facts(asker(on_call=frozenset({"payments"}))), True),
            ({"on_call": ["payments"]}, {}, facts(asker(on_call=frozenset({"ops"}))), False),
            ({"on_call": ["payments"]}, {}, facts(asker(on_call=None)), False),
            ({"risk": "low"}, {}, facts(), True),
            ({"ticket_states": ["In Progress"]}, {"ticket": "CHANGE-7"}, facts(ticket=CHANGE), True),
            ({"ticket_states": ["In Progress"]}, {"ticket": "CHANGE-8"}, facts(ticket=CHANGE), False),
            ({"ticket_states": ["Done"]}, {"ticket": "CHANGE-7"}, facts(ticket=CHANGE), False),
            ({"ticket_states": ["In Progress"]}, {"ticket": "CHANGE-7"}, facts(), False),
            ({"ticket_states": ["In Progress"]}, {"ticket": "CHANGE-7"}, facts(ticket=CHANGE._replace(assignees=frozenset())), False),
            ({"ticket_states": ["In Progress"]}, {"ticket": "CHANGE-7"}, facts(ticket=CHANGE._replace(opened_by=JANE.user_name)), False),
            ({"ticket_states": ["In Progress"]}, {"ticket": "CHANGE-7"}, facts(ticket=HERS_IN_CAPITALS), False),
            ({"ticket_states": ["In Progress"]}, {"ticket": "CHANGE-7"}, facts(ticket=CHANGE._replace(opened_by="")), False),
            ({"risk": "low", "on_call": ["payments"]}, {}, facts(), False),
        ],
    )
    def test_nobody_is_asked_only_where_all_conditions_hold(
        self, automatic: dict[str, Any] | None, changed: dict[str, Any], known: Facts, granted: bool
    ) -> None:
        asked = request(**{"ticket": "CHANGE-1", **changed})
        found = given(rule(automatic=automatic, tickets=["CHANGE-<number>"]), asked=asked, known=known)
        assert (found.automatic, bool(found.because)) == (granted, not granted)

    @pytest.mark.parametrize(("risk", "most", "granted"), [("high", "medium", False), ("medium", "medium", True), ("low", "high", True)])
    def test_the_template_is_not_riskier_than_the_rule_takes(self, risk: str, most: str, granted: bool) -> None:
        found = rule_on(
            entitlements(rule(automatic={"risk": most}, templates=["other"]), other={**READ_BUCKET, "risk": risk}),
            request(template="other"),
            facts(),
        )
        assert isinstance(found, Ruling)
        assert found.automatic is granted

    @pytest.mark.parametrize(
        ("days", "start", "end", "zone", "starts", "granted"),
        [
            (["wednesday"], "09:00", "17:00", "UTC", 0, True),
            (["wednesday"], "12:00", "13:00", "UTC", 0, True),
            (["wednesday"], "12:00", "12:59", "UTC", 0, False),
            (["wednesday"], "12:01", "17:00", "UTC", 0, False),
            (["thursday"], "09:00", "17:00", "UTC", 0, False),
            (["wednesday"], "14:00", "15:00", "Europe/Berlin", 0, True),  # 12:00 UTC in summer
            (["wednesday"], "13:00", "14:00", "Europe/Berlin", 0, False),
            (["wednesday"], "00:00", "24:00", "UTC", 11, True),  # until midnight sharp
            (["wednesday"], "00:00", "23:59", "UTC", 11, False),
            (["wednesday", "thursday"], "00:00", "24:00", "UTC", 11.5, False),  # over midnight
            (["thursday"], "00:00", "24:00", "Asia/Tokyo", 3, True),  # it is tomorrow there
        ],
    )
    def test_all_of_it_lies_in_the_hours_of_one_day_there(  # noqa: PLR0917 - a row
        self, days: list[str], start: str, end: str, zone: str, starts: float, granted: bool
    ) -> None:
        automatic = {"hours": {"days": days, "start": start, "end": end, "zone": zone}}
        asked = request(starts_at=hours(starts) if starts else None)
        assert given(rule(automatic=automatic, start_within_hours=24), asked=asked).automatic is granted

    @pytest.mark.parametrize(
        ("start", "end", "begins", "minutes", "contained"),
        [
            ("02:30", "02:50", (10, 25, 0, 35), 70, False),  # 02:35 until 02:45 as it is shown, and all of the hour between
            ("02:30", "02:50", (10, 25, 0, 35), 10, True),
            ("02:30", "02:50", (10, 25, 1, 35), 10, True),  # the second time that it is shown
            ("02:00", "03:00", (10, 25, 0, 0), 60, True),  # it ends when clocks are set back
            ("02:00", "03:00", (10, 25, 0, 30), 60, False),  # two hours are shown as one, and it may be that none was meant twice
            ("00:00", "24:00", (10, 25, 0, 30), 60, True),
            ("01:30", "03:30", (3, 29, 0, 30), 60, True),  # clocks are set ahead
            ("01:30", "03:29", (3, 29, 0, 30), 60, False),
            ("01:31", "03:30", (3, 29, 0, 30), 60, False),
        ],
    )
    def test_where_clocks_are_changed_meanwhile_it_lies_in_the_hours_by_both(
        self, start: str, end: str, begins: tuple[int, int, int, int], minutes: int, contained: bool
    ) -> None:
        asked_for = {"days": ["sunday"], "start": start, "end": end, "zone": "Europe/Berlin"}
        (only,) = entitlements(rule(automatic={"hours": asked_for})).allows
        assert only.automatic is not None
        assert only.automatic.hours is not None
        begins_at = datetime(2026, *begins, tzinfo=UTC)
        assert only.automatic.hours.contain(begins_at, begins_at + timedelta(minutes=minutes)) is contained

    def test_one_rule_that_asks_people_is_enough(self) -> None:
        found = given(rule("free", automatic={"always": True}), rule("strict", automatic={"risk": "low", "on_call": ["payments"]}))
        assert not found.automatic
        assert found.because == ("strict: not on call by payments",)


def test_what_is_offered_is_what_the_rules_leave_together() -> None:
    rules = (
        rule("one", minutes=30, start_within_hours=2, tickets=["A-<number>"]),
        rule("two", minutes=90, start_within_hours=1),
        rule("elsewhere", match={"ou": "/workloads/staging"}, minutes=1),
    )
    found = offer(entitlements(*rules), "read-bucket", facts())
    assert isinstance(found, Offer)
    assert (found.rules, found.longest, found.start_within) == (("one", "two"), timedelta(minutes=30), timedelta(hours=1))
    assert found.tickets == (("A-<number>",),)
    assert isinstance(offer(entitlements(*rules), "read-bucket", facts(asker(JANE, "ops"))), Refusal)
