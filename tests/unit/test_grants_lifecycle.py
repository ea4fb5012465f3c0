"""Each row of the tables of what becomes of a grant, and of what it stands on."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from doorward.decisions.answering import answer
from doorward.decisions.model import EVER, Question
from doorward.decisions.model import State as Decision
from doorward.grants.agreement import Agreement, why_it_falls
from doorward.grants.entitled import rule_on
from doorward.grants.grant import Grant, State, question_of
from doorward.grants.lifecycle import Begun, Checked, Decided, EndAsked, Ended, Event, TakenBack, TimePassed, advance
from doorward.grants.model import Entitlements, Ruling
from doorward.grants.session_policy import SessionPolicy, compile_policy
from doorward.people.model import Caller, Machine, Person, Refusal, Via
from tests.grants_world import (
    ANN,
    DENY,
    EVE,
    GRANT_ID,
    JANE,
    JOE,
    ORDERS,
    RULE,
    entitlements,
    facts,
    hours,
    request,
    rule,
)  # fmt: skip

PEOPLE_DECIDE = entitlements(rule(start_within_hours=4))
AUTOMATIC = entitlements(rule(start_within_hours=4, automatic={"always": True}))
TWO = entitlements(rule(approve={"groups": ["security"], "quorum": 2}, start_within_hours=4))
NOBODY = entitlements(RULE, DENY)
SECURITY = frozenset({"security"})
EVERY_WAY = dict.fromkeys(Via, EVER)
NO = Refusal("No.", "Ask another.")


def policy() -> SessionPolicy:
    found = compile_policy(PEOPLE_DECIDE.templates["read-bucket"], {"bucket": "acme-orders"}, ORDERS, hours(1))
    assert isinstance(found, SessionPolicy)
    return found


def ruling(rules: Entitlements = PEOPLE_DECIDE, **asked: Any) -> Ruling:
    found = rule_on(rules, request(**asked), facts())
    assert isinstance(found, Ruling)
    return found


def after(grant: Grant, *events: Event) -> Grant:
    for each in events:
        found = advance(grant, each)
        assert isinstance(found, Grant), found
        grant = found
    return grant


def new(**asked: Any) -> Grant:
    return Grant(GRANT_ID, JANE, request(**asked))


def pending(**asked: Any) -> Grant:
    return after(new(**asked), Checked(ruling(**asked), policy(), ORDERS))


def answered(grant: Grant, *people: Person, yes: bool = True, at: datetime | None = None) -> Question:
    question = question_of(grant, hours(0))
    for each in people:
        found = answer(question, Caller(each, Via.SIGV4), SECURITY, question.shown_hash, EVERY_WAY, at or hours(0.5), yes=yes)
        assert isinstance(found, Question), found
        question = found
    return question


def found(question: Question | None, *people: Person, now: Ruling | Refusal | None = None) -> Agreement:
    groups = {each.user_id: SECURITY for each in people}
    return Agreement(now or ruling(), JANE, ORDERS, policy(), question, groups, EVERY_WAY)


def approved(**asked: Any) -> tuple[Grant, Agreement]:
    grant = pending(**asked)
    agreement = found(answered(grant, JOE), JOE)
    return after(grant, Decided(agreement, hours(0.5))), agreement


def active() -> tuple[Grant, Agreement]:
    grant, agreement = approved()
    return after(grant, Begun(agreement, hours(0.5))), agreement


class TestChecked:
    @pytest.mark.parametrize(("rules", "made"), [(NO, True), (True, NO), (NO, NO)])
    def test_what_the_rules_refuse_or_has_no_policy_is_refused(self, rules: Any, made: Any) -> None:
        grant = after(new(), Checked(rules if rules is NO else ruling(), made if made is NO else policy(), ORDERS))
        assert (grant.state, grant.because, grant.version) == (State.REFUSED, "No.", 2)

    def test_people_have_to_approve(self) -> None:
        grant = pending()
        assert (grant.state, grant.ruling, grant.policy_sha256) == (State.PENDING, ruling(), policy().sha256)
        assert grant.starts_at is None

    def test_nobody_has_to_and_its_time_runs_from_the_asking(self) -> None:
        grant = after(new(), Checked(ruling(AUTOMATIC), policy(), ORDERS))
        assert (grant.state, grant.starts_at, grant.ends_at) == (State.APPROVED, hours(0), hours(1))

    def test_only_once(self) -> None:
        grant = pending()
        assert advance(grant, Checked(ruling(AUTOMATIC), policy(), ORDERS)) is grant
        assert advance(grant, Checked(NO, policy(), ORDERS)) is grant


class TestDecided:
    def test_yes_and_its_time_runs_from_then(self) -> None:
        grant, _ = approved()
        assert (grant.state, grant.starts_at, grant.ends_at) == (State.APPROVED, hours(0.5), hours(1.5))

    def test_its_time_does_not_run_from_when_that_is_heard_of(self) -> None:
        grant, agreement = pending(), found(answered(pending(), JOE), JOE)
        late = after(grant, Decided(agreement, hours(1.4)))
        assert (late.starts_at, late.ends_at) == (hours(0.5), hours(1.5))
        assert after(late, Begun(agreement, hours(99))).state is State.EXPIRED

    def test_what_is_heard_of_once_its_time_is_over_expires_whether_or_not_it_stands(self) -> None:
        grant = pending()
        stands, falls = found(answered(grant, JOE), JOE), found(answered(grant, JOE))
        assert [after(grant, Decided(each, hours(1.5))).state for each in (stands, falls)] == [State.EXPIRED, State.EXPIRED]

    def test_yes_and_its_time_runs_from_the_start_that_was_asked_for_also_where_that_is_over(self) -> None:
        grant, _ = approved(starts_at=hours(2))
        assert (grant.starts_at, grant.ends_at) == (hours(2), hours(3))
        late = pending(starts_at=hours(0))
        late = after(late, Decided(found(answered(late, JOE), JOE), hours(0.5)))
        assert (late.starts_at, late.ends_at) == (hours(0), hours(1))

    def test_no(self) -> None:
        grant = pending()
        assert after(grant, Decided(found(answered(grant, JOE, yes=False)), hours(0))).state is State.REFUSED

    def test_a_no_says_why(self) -> None:
        grant = pending()
        question = answered(grant, JOE, yes=False)
        question = question._replace(detail={**question.detail, "reason": "Use staging."})
        assert after(grant, Decided(found(question), hours(0))).because == "Use staging."

    def test_yes_by_people_who_are_not_enough_any_more(self) -> None:
        grant = pending()
        agreement = found(answered(grant, JOE), JOE, now=ruling(TWO))
        assert after(grant, Decided(agreement, hours(0.5))).state is State.REFUSED

    def test_nobody_in_time(self) -> None:
        grant = pending()
        question = question_of(grant, hours(0))._replace(state=Decision.EXPIRED)
        assert after(grant, Decided(found(question), hours(9))).state is State.EXPIRED

    def test_an_open_question_decides_nothing(self) -> None:
        grant = pending()
        assert advance(grant, Decided(found(question_of(grant, hours(0)), now=ruling(AUTOMATIC)), hours(0))) is grant

    def test_too_late(self) -> None:
        grant = pending(starts_at=hours(1))
        assert after(grant, Decided(found(answered(grant, JOE), JOE), hours(2))).state is State.EXPIRED

    @pytest.mark.parametrize(
        "changed", [{"about": "grant other"}, {"what": "hold"}, {"shown_hash": "cafe"}, {"state": Decision.REFUSED, "about": "finding x"}]
    )
    def test_a_decision_about_something_else_decides_nothing(self, changed: dict[str, Any]) -> None:
        grant = pending()
        assert isinstance(advance(grant, Decided(found(answered(grant, JOE)._replace(**changed), JOE), hours(0))), Refusal)

    def test_what_was_shown_is_all_that_was_asked_for(self) -> None:
        hashes = {
            pending(**asked).shown_hash
            for asked in (
                {}, {"minutes": 59}, {"reason": "x"}, {"ticket": "T-1"}, {"starts_at": hours(1)}, {"asked_at": hours(-1)},
                {"parameters": {"bucket": "acme-other"}},
            )
        }  # fmt: skip
        assert len(hashes) == 7
        grant = pending()
        others = (grant._replace(person=JOE), grant._replace(policy_sha256="cafe"))
        assert not {each.shown_hash for each in others} & hashes


class TestStanding:
    @pytest.mark.parametrize(
        ("now", "people", "stands"),
        [
            (ruling(), (JOE,), True),
            (ruling(AUTOMATIC), (), True),
            (NO, (JOE,), False),
            (ruling(), (), False),
            (ruling(TWO), (JOE,), False),
        ],
    )
    def test_what_stands_by_the_rules_and_the_people_of_now(self, now: Ruling | Refusal, people: tuple[Person, ...], stands: bool) -> None:
        grant = pending()
        assert (why_it_falls(grant, found(answered(grant, JOE), *people, now=now)) is None) is stands

    def test_a_way_that_does_not_count_any_more(self) -> None:
        grant = pending()
        assert why_it_falls(grant, found(answered(grant, JOE), JOE)._replace(ways={Via.SLACK: EVER}))

    @pytest.mark.parametrize(("counts_since", "stands"), [(timedelta(seconds=-1), True), (timedelta(0), False), (timedelta(1), False)])
    def test_a_way_that_counts_anew_counts_from_then_on(self, counts_since: timedelta, stands: bool) -> None:
        """Whatever was said by it before, while somebody else may have had it, was not."""
        grant = pending()
        question = answered(grant, JOE)
        (vote,) = question.votes
        known = found(question, JOE)._replace(ways={vote.via: vote.at + counts_since})
        assert (why_it_falls(grant, known) is None) is stands

    @pytest.mark.parametrize("state", [each for each in Decision if each not in {Decision.APPROVED, Decision.DONE}])
    def test_what_was_not_approved(self, state: Decision) -> None:
        grant = pending()
        assert why_it_falls(grant, found(answered(grant, JOE)._replace(state=state), JOE))

    @pytest.mark.parametrize("changed", [{"about": "grant other"}, {"what": "hold"}, {"shown_hash": "cafe"}])
    def test_what_was_asked_about_something_else(self, changed: dict[str, Any]) -> None:
        grant = pending()
        assert why_it_falls(grant, found(answered(grant, JOE)._replace(**changed), JOE))

    @pytest.mark.parametrize("rules", [PEOPLE_DECIDE, AUTOMATIC])
    @pytest.mark.parametrize(
        "written",
        [
            {"person": JANE._replace(user_name="joe@acme.example")},
            {"role_arn": f"{ORDERS.arn}-other"},
            {"role_arn": ""},
            {"policy_sha256": "cafe"},
            {"ends_at": hours(9)},
            {"ends_at": None},
            {"starts_at": hours(0.6)},
            {"starts_at": hours(0.6), "ends_at": hours(1.6)},
        ],
    )
    def test_a_grant_that_says_what_does_not_follow_from_its_request(self, written: dict[str, Any], rules: Entitlements) -> None:
        grant, agreement = approved(starts_at=hours(0.5))
        agreement = agreement._replace(ruling=ruling(rules))
        assert why_it_falls(grant, agreement) is None
        assert why_it_falls(grant._replace(**written), agreement)
        begun = after(grant._replace(**written), Begun(agreement, hours(1)))
        assert begun.state is State.REFUSED

    @pytest.mark.parametrize(
        "now",
        [
            {"person": None},
            {"person": JANE._replace(user_name="ann@acme.example")},
            {"target": None},
            {"target": ORDERS._replace(account_id="222233334444")},
            {"target": ORDERS._replace(name="admin")},
            {"target": ORDERS._replace(path="/doorward/grants/x/")},
            {"policy": None},
            {"policy": NO},
            {"policy": policy()._replace(sha256="cafe")},
        ],
    )
    def test_a_person_a_role_or_a_policy_that_is_another_by_now(self, now: dict[str, Any]) -> None:
        grant, agreement = approved()
        assert why_it_falls(grant, agreement._replace(**now))

    def test_nobody_was_asked(self) -> None:
        assert why_it_falls(pending(), found(None, JOE))

    def test_whoever_asked_for_it_never_counts_whatever_the_question_says_of_him(self) -> None:
        grant = pending()
        forged = question_of(grant, hours(0))._replace(parties=frozenset())
        found_ = answer(forged, Caller(JANE, Via.SIGV4), SECURITY, forged.shown_hash, EVERY_WAY, hours(0), yes=True)
        assert isinstance(found_, Question)
        assert found_.state is Decision.APPROVED
        refusal = why_it_falls(grant, found(found_, JANE))
        assert refusal is not None
        assert "Whoever asked" in refusal.because
        asked = question_of(grant, hours(0))
        assert isinstance(answer(asked, Caller(JANE, Via.SIGV4), SECURITY, asked.shown_hash, EVERY_WAY, hours(0), yes=True), Refusal)


class TestBegun:
    @pytest.mark.parametrize(("at", "state"), [(0.4, State.APPROVED), (0.5, State.ACTIVE), (1.49, State.ACTIVE), (1.5, State.EXPIRED)])
    def test_in_its_time(self, at: float, state: State) -> None:
        grant, agreement = approved()
        assert after(grant, Begun(agreement, hours(at))).state is state

    def test_what_falls_by_then_is_refused(self) -> None:
        grant, agreement = approved()
        begun = after(grant, Begun(agreement._replace(ruling=NO), hours(1)))
        assert (begun.state, begun.because) == (State.REFUSED, "No.")


class TestItsEnd:
    @pytest.mark.parametrize(("at", "state"), [(1.49, State.ACTIVE), (1.5, State.ENDING), (99, State.ENDING)])
    def test_by_the_clock(self, at: float, state: State) -> None:
        grant, _ = active()
        assert after(grant, TimePassed(hours(at))).state is state

    def test_of_what_was_never_active(self) -> None:
        assert after(pending(starts_at=hours(2)), TimePassed(hours(3))).state is State.EXPIRED
        assert after(approved()[0], TimePassed(hours(3))).state is State.EXPIRED
        assert after(pending(), TimePassed(hours(99))).state is State.PENDING  # its question ends first

    def test_closed_as_planned_and_revoked_where_it_was_early(self) -> None:
        grant, _ = active()
        assert after(grant, TimePassed(hours(2)), Ended()).state is State.CLOSED
        early = after(grant, EndAsked(Caller(JANE, Via.SIGV4), frozenset(), frozenset(), "Done."), Ended())
        assert (early.state, early.ended_by, early.because) == (State.REVOKED, JANE.user_id, "Done.")
        assert advance(grant, Ended()) is grant

    @pytest.mark.parametrize(
        ("by", "groups", "before", "allowed"),
        [
            (JANE, frozenset(), State.CANCELLED, True),
            (ANN, SECURITY, State.REVOKED, True),
            (ANN, frozenset({"revokers"}), State.REVOKED, True),
            (EVE, frozenset({"payments"}), None, False),
            (EVE, frozenset(), None, False),
            (Machine("arn:aws:iam::444455556666:role/ci"), SECURITY, None, False),
        ],
    )
    def test_by_whoever_may(self, by: Any, groups: frozenset[str], before: State | None, allowed: bool) -> None:
        event = EndAsked(Caller(by, Via.SIGV4), groups, frozenset({"revokers"}))
        for grant in (pending(), approved()[0]):
            found_ = advance(grant, event)
            assert isinstance(found_, Grant) is allowed
            assert not isinstance(found_, Grant) or found_.state is before
        ending = advance(active()[0], event)
        assert isinstance(ending, Grant) is allowed
        assert not isinstance(ending, Grant) or ending.state is State.ENDING

    def test_approvers_end_also_what_nobody_had_to_approve(self) -> None:
        grant = after(new(), Checked(ruling(AUTOMATIC), policy(), ORDERS))
        assert after(grant, EndAsked(Caller(ANN, Via.SLACK), SECURITY, frozenset())).state is State.REVOKED

    def test_by_doorward(self) -> None:
        for grant in (new(), pending(), approved()[0]):
            taken = after(grant, TakenBack("He left."))
            assert (taken.state, taken.ended_by, taken.because) == (State.REVOKED, "doorward", "He left.")
        assert after(active()[0], TakenBack("He left.")).state is State.ENDING

    @pytest.mark.parametrize("state", [State.CLOSED, State.REFUSED, State.EXPIRED, State.CANCELLED, State.REVOKED])
    def test_what_is_over_stays_over(self, state: State) -> None:
        grant, agreement = approved()
        grant = grant._replace(state=state)
        for each in (
            Checked(ruling(AUTOMATIC), policy(), ORDERS), Decided(agreement, hours(1)), Begun(agreement, hours(1)), TimePassed(hours(9)),
            EndAsked(Caller(JANE, Via.SIGV4), frozenset(), frozenset()), TakenBack("x"), Ended(),
        ):  # fmt: skip
            assert advance(grant, each) is grant


def test_a_question_about_a_grant_is_one_question_for_whoever_asks_it() -> None:
    grant = pending()
    question = question_of(grant, hours(0))
    assert question.id == question_of(grant, hours(0) + timedelta(seconds=9)).id
    assert (question.about, question.what, question.parties) == (f"grant {GRANT_ID}", "grant", frozenset({JANE.user_id}))
    assert question.terms == ruling().terms
