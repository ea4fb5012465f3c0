"""Each row of the tables of what people and the state machine do with grants. What comes of a grant, test_grants_lifecycle.py has."""

from datetime import timedelta
from typing import Any

import pytest

from doorward.decisions.actions import LONGEST_REASON
from doorward.decisions.model import Answer, Question
from doorward.decisions.model import State as Decision
from doorward.errors import Conflict, MalformedInput, Misconfigured, Unavailable
from doorward.grants.agreement import why_it_falls
from doorward.grants.grant import Grant, State
from doorward.grants.issuing import opening_of
from doorward.grants.model import Asker, Ticket
from doorward.grants.names import is_grant_id
from doorward.people.model import Caller, Machine, Refusal, Via
from doorward.ports.grants import Step
from doorward.ports.ledger import Announcement
from doorward.usecases.advance_grant import STEPS, advance_grant
from doorward.usecases.decide_grant import decide_grant
from doorward.usecases.end_grant import end_grant
from doorward.usecases.grant_standing import agreement_now, as_json
from doorward.usecases.keep_token import WAITS_WHILE, NothingToWaitFor, keep_token
from doorward.usecases.list_grants import MOST, list_grants, show_grant
from doorward.usecases.request_grant import MOST_AN_HOUR, request_grant
from doorward.usecases.wake_grant import wake_grant
from tests.granting_world import WANTED, World
from tests.grants_world import ANN, DENY, EVE, JANE, JOE, ORDERS, RULE, START, entitlements, hours, rule

CI = Caller(Machine("arn:aws:iam::444455556666:role/ci"), Via.SIGV4)
AUTOMATIC = entitlements(rule(automatic={"always": True}, start_within_hours=4))
ON_CALL = entitlements(rule(approve={"on_call": ["payments"]}))


UNSEEN = (
    "\u200d", "\u200c\u200c", " \u200d ", "\u3164", "\u2800\u2800", "\u115f", "\u1160", "\uffa0", "\ufe0f", "\u034f", "\u0301",
    "\U00013441", "\U00013442", "\U0001d159",
)  # fmt: skip
UNREADABLE = ("\x00", "\x1b[2J", "\x7f", "\x9b2J", "\u200b", "\u202e", "\u2066", "\u2028", "\ufeff", "\ud83d", "\ue000", "\U000e0041")
"""Controls, what is not seen, what turns writing around, a line that ends unseen, half a character, one of nobody's, a tag."""


def dies(*_: Any, **__: Any) -> None:
    raise Unavailable("it died")


def nothing_is_kept(world: World) -> bool:
    return not (world.grants.kept or world.grants.audit or world.grants.announced or world.questions.kept or world.questions.announced)


class TestAsking:
    def test_it_is_kept_and_people_are_asked_at_once(self) -> None:
        world = World()
        grant = world.asked()
        assert (grant.state, grant.version, grant.person) == (State.PENDING, 2, JANE)
        question = world.question(grant)
        assert question is not None
        assert (question.state, question.shown_hash, question.about) == (Decision.OPEN, grant.shown_hash, grant.about)
        assert world.told() == ["GrantRequested", "DecisionAwaited"]
        assert world.measured == []
        assert world.grants.audit == [(grant.id, 1, "requested", "906-jane sigv4"), (grant.id, 2, "pending", "doorward")]

    def test_people_are_not_asked_any_more_about_what_was_taken_back_while_they_were(self) -> None:
        world = World()
        ask = world.questions.ask

        def meanwhile(question: Question, by: str, announcement: Announcement | None = None) -> bool:
            world.questions.ask = ask  # type: ignore[method-assign]
            (grant,) = world.grants.kept.values()
            world.end(grant, JANE)
            world.step(grant, "check")
            return ask(question, by, announcement)

        world.questions.ask = meanwhile  # type: ignore[method-assign]
        grant = world.asked()
        question = world.question(grant)
        assert question is not None
        assert (world.now(grant).state, question.state) == (State.CANCELLED, Decision.WITHDRAWN)

    def test_where_nobody_has_to_agree_it_is_approved_at_once(self) -> None:
        world = World(AUTOMATIC)
        grant = world.asked()
        assert (grant.state, grant.ends_at) == (State.APPROVED, hours(1))
        assert world.told() == ["GrantRequested", "GrantApproved"]
        assert not world.questions.kept

    def test_whoever_is_shown_it_sees_the_whole_grant(self) -> None:
        world = World()
        grant = world.asked()
        (told,) = world.questions.announced.values()
        assert told.detail["grant"]["grant_id"] == grant.id
        assert told.detail["grant"]["state"] == "pending"
        assert told.detail["grant"]["account"] == {"id": "777788889999", "name": "prod"}
        assert told.detail["because"] == "jane@acme.example asks for it; it takes 1 more of security."

    @pytest.mark.parametrize(
        ("wanted", "because"),
        [
            ({"role_ref": "777788889999/nobody"}, "There is no such role"),
            ({"role_ref": "777788889999/🙈"}, "What was given as role is none."),
            ({"role_ref": "prod/orders"}, "What was given as role is none."),
            ({"role_ref": ""}, "What was given as role is none."),
            ({"template": "no-such"}, "template"),
            ({"template": "🙈"}, "template"),
            ({"reason": "x" * 5000}, "The reason is too long."),
            ({"reason": " "}, "It needs a reason."),
            *(({"reason": f"a{each}b"}, "nobody can read") for each in UNREADABLE),
            *(({"reason": each}, "nobody can read") for each in UNSEEN),
            ({"ticket": "🙈"}, "What was given as ticket is none."),
            ({"ticket": "x" * 5000}, "What was given as ticket is none."),
            ({"parameters": {"bucket": "🙈"}}, "bucket"),
            ({"parameters": {"bucket": "acme-*"}}, "bucket"),
            ({"parameters": {"bucket": "${aws:username}"}}, "bucket"),
            ({"parameters": {"bucket": "acme-orders", "other": "x"}}, "has no such parameter"),
            ({"parameters": {}}, "bucket"),
            ({"minutes": 0}, "0 minutes cannot be had."),
            ({"minutes": 61}, "61 minutes cannot be had."),
            ({"minutes": 10**30}, "minutes cannot be had."),
            ({"starts_at": START - timedelta(seconds=1)}, "It cannot start then."),
            ({"starts_at": hours(9)}, "It cannot start then."),
        ],
    )  # fmt: skip
    def test_bad_input_is_refused_with_why_and_keeps_nothing(self, wanted: dict[str, Any], because: str) -> None:
        world = World(entitlements(rule(start_within_hours=4)))
        found = world.ask(**wanted)
        assert isinstance(found, Refusal), found
        assert because in found.because + found.cure
        assert found.cure
        assert nothing_is_kept(world)
        assert world.measured == [{"GrantRequestsRefused": 1}]

    @pytest.mark.parametrize(
        "reason",
        [
            "Order 4711 is lost. 👩‍💻\r\n\tSee: *CHANGE-1* <@U1> `x`",
            "👩‍💻",
            "注文",
            "\u0645\u06cc\u200c\u062e",
            "e\u0301",
            "?",
            "4711",
            "⠓⠊",
            "\u3164!",
        ],
    )
    def test_a_reason_is_kept_as_it_was_written_pictures_lines_and_all(self, reason: str) -> None:
        assert World().asked(reason=reason).request.reason == reason

    def test_a_policy_that_is_too_large_is_refused_and_keeps_nothing(self) -> None:
        wide = {
            "risk": "low",
            "parameters": {"bucket": {"type": "s3-bucket"}},
            "statements": [{"actions": ["s3:GetObject"], "resources": [f"arn:aws:s3:::<bucket>/{number}/*" for number in range(45)]}],
        }
        world = World(entitlements(rule(templates=["wide"]), wide=wide))
        assert isinstance(World(world.rules).ask(template="wide", parameters={"bucket": "abc"}), Grant)
        found = world.ask(template="wide", parameters={"bucket": "a" * 63})
        assert isinstance(found, Refusal)
        assert "2048" in found.because
        assert nothing_is_kept(world)

    def test_machines_and_whoever_is_gone_ask_for_nothing(self) -> None:
        world = World()
        assert isinstance(request_grant(WANTED, CI, world.tools), Refusal)
        del world.people[JANE.user_id]
        assert isinstance(world.ask(), Refusal)
        assert nothing_is_kept(world)

    def test_what_the_rules_deny_is_refused(self) -> None:
        world = World(entitlements(RULE, DENY))
        assert isinstance(world.ask(), Refusal)
        assert isinstance(World().ask(JOE), Refusal)
        assert nothing_is_kept(world)

    def test_nobody_asks_more_often_than_twenty_times_an_hour(self) -> None:
        world = World(AUTOMATIC)
        for _ in range(MOST_AN_HOUR):
            assert isinstance(world.ask(), Grant)
        found = world.ask()
        assert isinstance(found, Refusal)
        assert found.because == "You have asked 20 times within an hour."
        assert len(world.grants.kept) == MOST_AN_HOUR
        assert isinstance(world.ask(EVE), Grant)
        world.pass_time(timedelta(hours=1))
        assert isinstance(world.ask(), Grant)

    def test_of_those_who_ask_at_once_no_more_get_through_though_the_index_has_none_of_them_yet(self) -> None:
        world = World(AUTOMATIC)
        world.grants.ids_of_person = lambda *_: []  # type: ignore[method-assign]
        found = []
        for _ in range(3 * MOST_AN_HOUR):
            found.append(world.ask())
            world.pass_time(timedelta(seconds=30))
        assert [isinstance(each, Grant) for each in found] == [True] * MOST_AN_HOUR + [False] * 2 * MOST_AN_HOUR
        assert len(world.grants.kept) == MOST_AN_HOUR
        assert isinstance(world.ask(EVE), Grant)

    def test_neither_what_is_refused_nor_the_same_call_once_more_counts(self) -> None:
        world = World(AUTOMATIC)
        for _ in range(2 * MOST_AN_HOUR):
            assert isinstance(world.ask(minutes=999), Refusal)
            assert isinstance(request_grant(WANTED, Caller(JANE, Via.SIGV4), world.tools, "a-key"), Grant)
        assert set(world.rates.calls.values()) == {1}

    def test_the_same_id_is_the_same_grant_and_never_somebody_elses(self) -> None:
        world = World()
        tools = world.tools.__replace__(new_id=lambda: "01JZ1M5T0000000000000ABCDE")
        first = request_grant(WANTED, Caller(JANE, Via.SLACK), tools)
        assert request_grant(WANTED, Caller(JANE, Via.SLACK), tools) == first
        wider = WANTED._replace(parameters={"bucket": "acme-another"})
        assert request_grant(wider, Caller(JANE, Via.SLACK), tools) == first
        with pytest.raises(Conflict):
            request_grant(WANTED, Caller(EVE, Via.SLACK), tools)
        assert len(world.grants.kept) == 1

    def test_under_the_same_key_it_is_the_same_grant_also_where_whoever_asked_was_never_answered(self) -> None:
        """As where the function dies after it was kept: nothing is known then of a call under this key."""
        world = World()
        jane = Caller(JANE, Via.SIGV4)
        first = request_grant(WANTED, jane, world.tools, "a key")
        assert isinstance(first, Grant)
        assert is_grant_id(first.id)
        world.pass_time(timedelta(seconds=40))
        again = request_grant(WANTED, jane, world.tools, "a key")
        assert isinstance(again, Grant)
        assert (again.id, len(world.grants.kept)) == (first.id, 1)
        other = request_grant(WANTED._replace(minutes=30), jane, world.tools, "a key")
        assert isinstance(other, Refusal)
        assert "another call" in other.because
        for caller, key in ((jane, "another"), (Caller(JANE, Via.JWT), "a key"), (Caller(EVE, Via.SIGV4), "a key")):
            assert isinstance(request_grant(WANTED, caller, world.tools, key), Grant)
        assert len(world.grants.kept) == 4
        world.pass_time(timedelta(days=1))
        assert isinstance(request_grant(WANTED, jane, world.tools, "a key"), Grant)
        assert len(world.grants.kept) == 5

    def test_one_that_was_kept_and_not_checked_is_checked_by_what_was_kept(self) -> None:
        world = World()
        tools = world.tools.__replace__(new_id=lambda: "01JZ1M5T0000000000000ABCDE")
        world.grants.move = _raising(Unavailable("no"))  # type: ignore[method-assign]
        request_grant(WANTED, Caller(JANE, Via.SLACK), tools)
        del world.grants.move
        grant = request_grant(WANTED._replace(parameters={"bucket": "acme-another"}), Caller(JANE, Via.SLACK), tools)
        assert isinstance(grant, Grant)
        assert (grant.state, dict(grant.request.parameters)) == (State.PENDING, {"bucket": "acme-orders"})
        assert "acme-another" not in grant.scope

    def test_whoever_dies_after_it_was_kept_leaves_it_to_its_execution(self) -> None:
        world = World()
        world.questions.fail_next = [Unavailable("no")]
        grant = world.asked()
        assert (world.now(grant).state, world.question(grant)) == (State.PENDING, None)
        assert world.step(grant, "check").state is State.PENDING
        assert world.question(grant) is not None
        for error in (Unavailable("no"), Conflict("no"), Misconfigured("no")):
            world = World()
            world.grants.move = _raising(error)  # type: ignore[method-assign]
            grant = world.asked()
            assert grant.state is State.REQUESTED
            del world.grants.move
            assert world.step(grant, "check").state is State.PENDING

    def test_whoever_asks_again_under_his_key_has_people_asked_where_nobody_was(self) -> None:
        world, jane = World(), Caller(JANE, Via.SIGV4)
        world.questions.fail_next = [Unavailable("no")]
        first = request_grant(WANTED, jane, world.tools, "a key")
        assert isinstance(first, Grant)
        assert world.question(first) is None
        request_grant(WANTED, jane, world.tools, "a key")
        assert world.question(first) is not None

    def test_what_was_not_kept_is_not_said_to_be(self) -> None:
        world = World()
        world.grants.fail_next = [Unavailable("no")]
        with pytest.raises(Unavailable):
            world.ask()
        assert nothing_is_kept(world)


def _raising(error: Exception) -> Any:
    def move(*_: Any) -> None:
        raise error

    return move


class TestDeciding:
    def test_a_yes_that_is_enough_opens_it_by_its_execution(self) -> None:
        world = World()
        grant = world.asked()
        assert world.say(grant, JOE, Via.SLACK) == grant
        assert world.now(grant).state is State.PENDING
        assert world.step(grant, "decide").state is State.APPROVED
        assert world.step(grant, "begin").state is State.ACTIVE
        assert world.told() == ["GrantRequested", "GrantApproved", "GrantStarted", "DecisionAwaited", "DecisionMade"]
        assert world.questions.audit[-1][2:] == ("yes", "906-joe slack")

    def test_who_said_yes_is_named(self) -> None:
        world = World(entitlements(rule(approve={"groups": ["security"], "quorum": 2})))
        grant = world.asked()
        world.say(grant, JOE)
        shown = show_grant(grant.id, Caller(JANE, Via.SIGV4), world.tools)
        assert isinstance(shown, dict)
        assert (shown["decision"]["yes"], shown["decision"]["missing"]) == (["joe@acme.example"], "1 more of security")
        world.say(grant, ANN)
        shown = show_grant(grant.id, Caller(JANE, Via.SIGV4), world.tools)
        assert isinstance(shown, dict)
        assert (shown["decision"]["yes"], shown["decision"]["state"]) == (["ann@acme.example", "joe@acme.example"], "approved")

    def test_a_no_needs_a_reason_which_whoever_asked_is_told(self) -> None:
        world = World()
        grant = world.asked()
        for reason in ("", "  ", "x" * (LONGEST_REASON + 1)):
            assert isinstance(world.say(grant, yes=False, reason=reason), Refusal)
        assert isinstance(world.say(grant, reason="x" * (LONGEST_REASON + 1)), Refusal)
        assert isinstance(world.say(grant, yes=False, reason="Use staging."), Grant)
        assert world.step(grant, "decide").state is State.REFUSED
        assert world.now(grant).because == "Use staging."
        assert isinstance(world.say(grant, ANN), Refusal)

    def test_a_yes_needs_none(self) -> None:
        world = World()
        grant = world.asked()
        assert isinstance(world.say(grant, reason=""), Grant)
        assert world.step(grant, "decide").state is State.APPROVED

    def test_nobody_decides_about_his_own_by_whatever_way_and_in_whatever_group(self) -> None:
        world = World()
        world.people[JANE.user_id] = Asker(JANE, frozenset({"payments", "security"}), {}, frozenset())
        grant = world.asked()
        for via in Via:
            found = world.say(grant, JANE, via)
            assert isinstance(found, Refusal)
            assert "does not decide it" in found.because
        renamed = JANE._replace(user_name="JANE@acme.example", display_name="Another")
        assert isinstance(world.say(grant, renamed, Via.SLACK), Refusal)

    @pytest.mark.parametrize("reason", [*(f"Fine{each}." for each in UNREADABLE), *UNSEEN])
    def test_a_reason_that_nobody_can_read_is_none(self, reason: str) -> None:
        world = World()
        grant = world.asked()
        question = world.question(grant)
        for yes in (True, False):
            assert isinstance(world.say(grant, yes=yes, reason=reason), Refusal)
        assert world.question(grant) == question
        assert isinstance(world.end(grant, JOE, reason), Refusal)
        assert world.now(grant) == grant

    def test_machines_and_whoever_is_gone_or_has_nothing_to_do_with_it_decide_nothing(self) -> None:
        world = World()
        grant = world.asked()
        assert isinstance(decide_grant(grant.id, CI, Answer("grant", yes=True, seen=grant.shown_hash), world.tools), Refusal)
        assert world.say(grant, EVE) is None
        assert world.say(grant._replace(id="01JZ1M5T0000000000000ZZZZZ")) is None
        del world.people[JOE.user_id]
        assert isinstance(world.say(grant, JOE), Refusal)
        assert world.question(grant) is not None
        assert len(world.questions.audit) == 1

    def test_what_was_not_shown_is_not_decided(self) -> None:
        world = World()
        grant = world.asked()
        found = decide_grant(grant.id, Caller(JOE, Via.SIGV4), Answer("grant", yes=True, seen="f" * 64), world.tools)
        assert isinstance(found, Refusal)
        assert "not what you were shown" in found.because

    def test_an_approval_that_comes_too_late_is_refused_and_keeps_nothing(self) -> None:
        world = World()
        grant = world.asked()
        world.pass_time(timedelta(hours=8))
        before = list(world.questions.audit)
        found = world.say(grant)
        assert isinstance(found, Refusal)
        assert "too late" in found.because
        assert world.questions.audit == before

    def test_each_who_said_yes_is_looked_up_anew_when_enough_have(self) -> None:
        world = World(entitlements(rule(approve={"groups": ["security"], "quorum": 2})))
        grant = world.asked()
        world.say(grant, JOE)
        del world.people[JOE.user_id]
        world.say(grant, ANN)
        question = world.question(grant)
        assert question is not None
        assert (question.state, question.yes) == (Decision.OPEN, frozenset({ANN.user_id}))
        assert world.step(grant, "decide").state is State.PENDING

    def test_whoever_is_on_call_may_answer_while_he_is(self) -> None:
        world = World(ON_CALL)
        grant = world.asked()
        assert isinstance(world.say(grant, JOE), Refusal)
        world.people[JOE.user_id] = world.people[JOE.user_id]._replace(on_call=frozenset({"payments"}))
        assert isinstance(world.say(grant, JOE), Grant)
        assert world.step(grant, "decide").state is State.APPROVED

    def test_what_somebody_said_in_his_shift_stands_when_it_is_over_and_he_is_not_gone(self) -> None:
        """Nor does his roster have to be known by then. He who leaves, and a roster that decides no more, take it with them."""
        for joe, rules, comes_to in (
            (Asker(JOE, frozenset(), {}, frozenset()), ON_CALL, State.ACTIVE),
            (Asker(JOE, frozenset(), {}, None), ON_CALL, State.ACTIVE),
            (None, ON_CALL, State.REFUSED),
            (Asker(JOE, frozenset(), {}, frozenset({"payments"})), entitlements(rule(approve={"on_call": ["other"]})), State.REFUSED),
        ):
            world = World(ON_CALL)
            world.people[JOE.user_id] = Asker(JOE, frozenset(), {}, frozenset({"payments"}))
            grant = world.asked()
            world.say(grant, JOE)
            world.step(grant, "decide")
            world.rules = rules
            world.people.pop(JOE.user_id)
            if joe is not None:
                world.people[JOE.user_id] = joe
            assert world.step(grant, "begin").state is comes_to

    def test_all_who_answer_at_once_are_counted(self) -> None:
        world = World(entitlements(rule(approve={"groups": ["security"], "quorum": 2})))
        grant = world.asked()
        world.questions.fail_next = [Conflict("another came first")]
        assert isinstance(world.say(grant, JOE), Grant)
        world.questions.fail_next = [Conflict("another came first")] * 9
        with pytest.raises(Unavailable):
            world.say(grant, ANN)

    def test_twice_is_once(self) -> None:
        world = World(entitlements(rule(approve={"groups": ["security"], "quorum": 2})))
        grant = world.asked()
        for _ in range(3):
            assert isinstance(world.say(grant, JOE), Grant)
        question = world.question(grant)
        assert question is not None
        assert (question.state, question.version) == (Decision.OPEN, 2)


class TestEnding:
    @pytest.mark.parametrize("who", [JANE, JOE], ids=["who-asked", "an-approver"])
    def test_one_that_is_open_is_ended_at_once_and_closed_by_its_execution(self, who: Any) -> None:
        world = World()
        grant = world.opened()
        found = world.end(grant, who, "Done.")
        assert isinstance(found, Grant)
        assert (found.state, found.ended_by, found.because) == (State.ENDING, who.user_id, "Done.")
        assert world.step(grant, "end").state is State.REVOKED
        assert world.told()[3:5] == ["GrantEnding", "GrantRevoked"]

    def test_before_it_is_open_its_question_goes_with_it(self) -> None:
        world = World()
        grant = world.asked()
        found = world.end(grant)
        assert isinstance(found, Grant)
        assert found.state is State.CANCELLED
        question = world.question(grant)
        assert question is not None
        assert question.state is Decision.WITHDRAWN
        assert world.told()[-1] == "DecisionWithdrawn"
        assert isinstance(world.say(grant), Refusal)

    def test_whoever_dies_before_the_question_leaves_that_to_its_execution(self) -> None:
        world = World()
        grant = world.asked()
        world.questions.fail_next = [Unavailable("no")]
        with pytest.raises(Unavailable):
            world.end(grant)
        assert world.now(grant).state is State.CANCELLED
        world.step(grant, "decide")
        question = world.question(grant)
        assert question is not None
        assert question.state is Decision.WITHDRAWN

    def test_nobody_else_ends_it(self) -> None:
        world = World()
        grant = world.opened()
        assert world.end(grant, EVE) is None
        assert isinstance(end_grant(grant.id, CI, "", world.tools), Refusal)
        assert isinstance(world.end(grant, JOE, "x" * (LONGEST_REASON + 1)), Refusal)
        assert world.now(grant).state is State.ACTIVE
        world.people[ANN.user_id] = Asker(ANN, frozenset({"auditors"}), {}, frozenset())
        world.rules = world.rules._replace(auditors=frozenset({"auditors"}))
        assert isinstance(world.end(grant, ANN), Refusal)

    @pytest.mark.parametrize("on_call", [frozenset[str](), frozenset({"other"}), None], ids=["off-duty", "by-another-roster", "not-known"])
    def test_who_said_yes_to_it_in_his_shift_sees_and_ends_it_when_that_is_over(self, on_call: frozenset[str] | None) -> None:
        """As long as he is there; whoever did not say yes to it by his roster does so no more."""
        world = World(ON_CALL)
        for person in (JOE, ANN):
            world.people[person.user_id] = Asker(person, frozenset({"ops"}), {}, frozenset({"payments"}))
        world.rules = world.rules._replace(revokers=frozenset())
        grant = world.opened()
        joe, ann = Caller(JOE, Via.SIGV4), Caller(ANN, Via.SIGV4)
        for person in (JOE, ANN):
            world.people[person.user_id] = Asker(person, frozenset(), {}, frozenset() if person == ANN else on_call)
        assert isinstance(show_grant(grant.id, joe, world.tools), dict)
        listed = list_grants(joe, world.tools, mine=False)
        assert isinstance(listed, dict)
        assert [each["grant_id"] for each in listed["grants"]] == [grant.id]
        assert show_grant(grant.id, ann, world.tools) is None
        assert world.end(grant, ANN) is None
        there = world.people.pop(JOE.user_id)
        assert isinstance(world.end(grant, JOE), Refusal)
        assert world.now(grant).state is State.ACTIVE
        world.people[JOE.user_id] = there
        found = world.end(grant, JOE, "It was a mistake.")
        assert isinstance(found, Grant)
        assert (found.state, found.ended_by) == (State.ENDING, JOE.user_id)

    def test_who_said_yes_to_one_ends_no_other(self) -> None:
        world = World(ON_CALL)
        world.rules = world.rules._replace(revokers=frozenset())
        on_duty = Asker(JOE, frozenset(), {}, frozenset({"payments"}))
        world.people[JOE.user_id] = on_duty
        world.opened()
        other = world.asked()
        world.people[JOE.user_id] = on_duty._replace(on_call=frozenset())
        assert world.end(other, JOE) is None
        assert world.now(other).state is State.PENDING

    def test_twice_is_once(self) -> None:
        world = World()
        grant = world.opened()
        first = world.end(grant)
        assert world.end(grant) == first
        world.step(grant, "end")
        assert world.end(grant) == world.now(grant)

    def test_of_two_at_once_the_second_ends_what_the_first_left(self) -> None:
        world = World()
        grant = world.opened()
        world.grants.fail_next = [Conflict("another came first")]
        assert isinstance(world.end(grant), Grant)
        world = World()
        grant = world.opened()
        world.grants.fail_next = [Conflict("another came first")] * 9
        with pytest.raises(Unavailable):
            world.end(grant)


class TestLooking:
    def test_it_says_how_long_there_is_nothing_to_do(self) -> None:
        world = World(entitlements(rule(start_within_hours=4, approve={"groups": ["security"], "escalate_to": ["owners"]})))
        grant = world.asked(starts_at=hours(2))
        assert world.step(grant, "check")[1:] == (State.PENDING, 80 * 60)  # reminded after a sixth of eight hours
        world.say(grant)
        assert world.step(grant, "decide")[1:] == (State.APPROVED, 2 * 3600)
        world.pass_time(hours(2) - timedelta(milliseconds=100))
        assert world.step(grant, "begin")[1:] == (State.APPROVED, 1)
        world.pass_time(hours(2))
        assert world.step(grant, "begin")[1:] == (State.ACTIVE, 3600)
        world.pass_time(hours(3) - timedelta(seconds=1.5))
        assert world.step(grant, "end")[1:] == (State.ACTIVE, 2)
        world.pass_time(hours(3))
        assert world.step(grant, "end")[1:] == (State.CLOSED, 1)
        assert world.states(grant) == ["requested", "pending", "approved", "active", "ending", "closed"]

    def test_one_that_could_only_be_open_before_nobody_decides_ends_by_then(self) -> None:
        world = World(entitlements(rule(start_within_hours=4)))
        grant = world.asked(starts_at=START)
        assert world.step(grant, "check").wait_seconds == 3600
        world.pass_time(hours(1))
        assert world.step(grant, "decide").state is State.EXPIRED

    def test_people_are_reminded_and_then_it_expires(self) -> None:
        world = World(entitlements(rule(approve={"groups": ["security"], "escalate_to": ["owners"]})))
        grant = world.asked()
        for _ in range(3):
            world.pass_time(timedelta(seconds=world.step(grant, "check").wait_seconds))
            assert world.step(grant, "decide").state is State.PENDING
        question = world.question(grant)
        assert question is not None
        assert question.escalated_at is not None
        assert world.told().count("DecisionAwaited") == 4
        world.pass_time(hours(8))
        assert world.step(grant, "decide").state is State.EXPIRED
        assert world.told()[-1] == "DecisionExpired"
        assert "GrantExpired" in world.told()

    def test_each_step_does_its_own_and_twice_is_once(self) -> None:
        for name in STEPS:
            world = World()
            grant = world.opened()
            world.pass_time(hours(1))
            before = world.grants.audit.copy()
            world.step(grant, name)
            after = world.grants.audit.copy()
            assert (after != before) == (name == "end")
            world.step(grant, name)
            assert world.grants.audit == after

    def test_what_falls_before_it_begins_is_refused(self) -> None:
        world = World()
        grant = world.asked()
        world.say(grant)
        del world.people[JANE.user_id]
        assert world.step(grant, "decide").state is State.REFUSED
        world = World()
        grant = world.asked()
        world.say(grant)
        world.step(grant, "decide")
        del world.people[JOE.user_id]
        assert world.step(grant, "begin").state is State.REFUSED
        assert "GrantRefused" in world.told()

    def test_what_was_written_into_one_that_was_approved_is_not_opened(self) -> None:
        """By whoever may write grants: role, policy, name and end are what the rules in force make of its request, or it is refused."""
        for written in (
            {"role_arn": f"{ORDERS.arn}-x"},
            {"policy_sha256": "cafe"},
            {"ends_at": hours(99)},
            {"person": JANE._replace(user_name="x")},
        ):
            world = World()
            grant = world.asked()
            world.say(grant)
            world.step(grant, "decide")
            world.grants.kept[grant.id] = world.now(grant)._replace(**written)
            assert world.step(grant, "begin").state is State.REFUSED, written
            assert world.grants.opening(grant.id) is None

    def test_what_the_broker_goes_by_is_kept_from_when_it_begins_and_forgotten_when_it_ends(self) -> None:
        world = World()
        grant = world.asked()
        world.say(grant)
        world.step(grant, "decide")
        assert world.grants.opening(grant.id) is None
        world.step(grant, "begin")
        assert world.grants.opening(grant.id) == opening_of(world.now(grant))
        world.end(grant)
        world.grants.fail_next = [Unavailable("DynamoDB does not answer")]
        with pytest.raises(Unavailable):
            world.step(grant, "end")
        assert world.now(grant).state is State.ENDING  # it is never over with that still there
        world.step(grant, "end")
        assert (world.now(grant).state, world.grants.opening(grant.id)) == (State.REVOKED, None)

    def test_of_one_that_does_not_end_people_are_told_once(self) -> None:
        world = World()
        grant = world.opened()
        world.step(grant, "page")
        assert not world.paged, "there is nothing to end yet, and what is told once must not be told too early"
        world.pass_time(hours(1))
        for _ in range(3):
            world.step(grant, "page")
        assert [(each.id, each.detail_type) for each in world.paged.values()] == [(f"{grant.id}-end-failed", "GrantEndFailed")]
        world.step(grant, "end")
        world.paged.clear()
        world.step(grant, "page")
        assert not world.paged

    def test_one_that_was_ended_early_and_does_not_end_is_told_though_its_end_is_far(self) -> None:
        world = World()
        grant = world.opened()
        forget, world.grants.forget_opening = world.grants.forget_opening, dies  # type: ignore[method-assign]
        world.end(grant, JANE)
        with pytest.raises(Unavailable):
            world.step(grant, "end")
        world.step(grant, "page")
        assert list(world.paged) == [f"{grant.id}-end-failed"]
        world.grants.forget_opening = forget  # type: ignore[method-assign]
        world.step(grant, "end")
        assert world.now(grant).state is State.REVOKED

    def test_what_is_no_grant_or_step_can_never_work(self) -> None:
        world = World()
        grant = world.asked()
        for grant_id, step in ((grant.id, "open"), ("01JZ1M5T0000000000000ZZZZZ", "check")):
            with pytest.raises(MalformedInput):
                advance_grant(grant_id, step, world.tools)

    def test_whoever_comes_second_looks_again(self) -> None:
        world = World()
        grant = world.asked()
        world.say(grant)
        world.grants.fail_next = [Conflict("another came first")]
        assert world.step(grant, "decide").state is State.APPROVED
        world.grants.fail_next = [Conflict("another came first")] * 9
        with pytest.raises(Unavailable):
            world.step(grant, "begin")


class TestWaiting:
    def keep(self, world: World, grant: Grant, step: str) -> None:
        keep_token(grant.id, step, "AAAA", world.grants, world.questions, world.seals)

    def test_it_waits_with_a_sealed_token_for_what_may_still_happen(self) -> None:
        world = World()
        grant = world.asked()
        self.keep(world, grant, "approve")
        token = world.grants.token(grant.id)
        assert token is not None
        assert (token.step, token.version, token.sealed) == (Step.APPROVE, 2, world.seals.seal(grant.id, "AAAA"))

    @pytest.mark.parametrize("step", Step)
    @pytest.mark.parametrize("state", State)
    def test_there_is_nothing_to_wait_for_in_any_other_state(self, step: Step, state: State) -> None:
        world = World()
        grant = world.asked()
        world.grants.kept[grant.id] = grant._replace(state=state)
        if WAITS_WHILE[step] is state:
            self.keep(world, grant, step)
        else:
            with pytest.raises(NothingToWaitFor):
                self.keep(world, grant, step)
        assert (world.grants.token(grant.id) is None) == (WAITS_WHILE[step] is not state)

    def test_once_people_have_decided_there_is_nothing_to_wait_for(self) -> None:
        world = World()
        grant = world.asked()
        world.say(grant)
        with pytest.raises(NothingToWaitFor):
            self.keep(world, grant, "approve")
        world.questions.kept.clear()
        with pytest.raises(NothingToWaitFor):
            self.keep(world, grant, "approve")

    def test_what_happens_between_the_look_and_the_keeping_is_not_waited_for(self) -> None:
        world = World()
        grant = world.asked()
        seal = world.seals.seal

        def while_somebody_answers(grant_id: str, token: str) -> bytes:
            world.say(grant)
            return seal(grant_id, token)

        world.seals.seal = while_somebody_answers  # type: ignore[method-assign]
        with pytest.raises(NothingToWaitFor):
            self.keep(world, grant, "approve")
        assert world.grants.token(grant.id) is None

    def test_what_is_no_grant_or_step_can_never_work_and_the_token_is_in_no_error(self) -> None:
        world = World()
        grant = world.asked()
        for grant_id, step in ((grant.id, "open"), ("01JZ1M5T0000000000000ZZZZZ", "approve")):
            with pytest.raises(MalformedInput) as failed:
                keep_token(grant_id, step, "AAAA", world.grants, world.questions, world.seals)
            assert "AAAA" not in str(failed.value)


class TestWaking:
    def wake(self, world: World, grant_id: str) -> None:
        wake_grant(grant_id, world.grants, world.seals, world.executions)

    def test_the_first_time_an_execution_is_started_and_then_whoever_waits_is_woken(self) -> None:
        world = World()
        grant = world.asked()
        self.wake(world, grant.id)
        self.wake(world, grant.id)
        assert world.executions.started == [grant.id]
        world.executions.waiting.add("AAAA")
        keep_token(grant.id, "approve", "AAAA", world.grants, world.questions, world.seals)
        self.wake(world, grant.id)
        assert world.executions.woken == ["AAAA"]
        assert world.grants.token(grant.id) is None

    def test_a_token_with_which_nobody_waits_is_forgotten(self) -> None:
        world = World()
        grant = world.asked()
        keep_token(grant.id, "approve", "AAAA", world.grants, world.questions, world.seals)
        self.wake(world, grant.id)
        assert world.grants.token(grant.id) is None
        assert world.executions.woken == []

    def test_whoever_dies_before_he_has_woken_it_tries_again(self) -> None:
        world = World()
        grant = world.asked()
        world.executions.waiting.add("AAAA")
        keep_token(grant.id, "approve", "AAAA", world.grants, world.questions, world.seals)
        world.executions.fail_next = [Unavailable("no")]
        with pytest.raises(Unavailable):
            self.wake(world, grant.id)
        self.wake(world, grant.id)
        assert world.executions.woken == ["AAAA"]

    def test_one_that_was_over_before_it_had_an_execution_gets_one_for_its_question(self) -> None:
        world = World()
        grant = world.asked()
        world.questions.fail_next = [Unavailable("no")]
        with pytest.raises(Unavailable):
            world.end(grant)
        self.wake(world, grant.id)
        assert world.executions.started == [grant.id]
        world.step(grant, "check")
        question = world.question(grant)
        assert question is not None
        assert question.state is Decision.WITHDRAWN

    def test_of_no_grant_nothing_is_started(self) -> None:
        world = World()
        self.wake(world, "01JZ1M5T0000000000000ZZZZZ")
        assert world.executions.started == []


class TestSeeing:
    def ids(self, world: World, who: Any, **asked: Any) -> list[str]:
        found = list_grants(Caller(who, Via.SIGV4), world.tools, **asked)
        assert isinstance(found, dict)
        return [each["grant_id"] for each in found["grants"]]

    def test_his_own_those_that_he_decides_about_and_all_where_he_oversees_them(self) -> None:
        world = World(entitlements(rule(who={"groups": ["payments"]}, approve={"groups": ["owners"], "escalate_to": ["directors"]})))
        world.rules = world.rules._replace(auditors=frozenset({"auditors"}), revokers=frozenset({"security"}))
        for person, group in ((JOE, "owners"), (ANN, "security")):
            world.people[person.user_id] = Asker(person, frozenset({group}), {}, frozenset())
        janes, eves = world.asked(), world.asked(person=EVE)
        over = world.asked()
        world.end(over)
        assert self.ids(world, JANE) == [over.id, janes.id]
        assert self.ids(world, EVE) == [eves.id]
        assert self.ids(world, JOE) == self.ids(world, ANN) == [eves.id, janes.id]
        assert self.ids(world, JANE, standing=False) == [over.id, janes.id]
        assert self.ids(world, JANE, mine=False) == [janes.id]
        for group in ("auditors", "directors", "payments"):
            world.people[JOE.user_id] = Asker(JOE, frozenset({group}), {}, frozenset())
            assert bool(self.ids(world, JOE)) == (group != "payments")
            assert (show_grant(janes.id, Caller(JOE, Via.SIGV4), world.tools) is None) == (group == "payments")
        assert show_grant("01JZ1M5T0000000000000ZZZZZ", Caller(ANN, Via.SIGV4), world.tools) is None

    def test_before_it_is_checked_only_his_own_and_whoever_oversees_them(self) -> None:
        world = World(entitlements(rule(approve={"groups": ["owners"]})))
        world.people[JOE.user_id] = Asker(JOE, frozenset({"owners"}), {}, frozenset())
        grant = world.asked()
        world.grants.kept[grant.id] = grant._replace(state=State.REQUESTED, ruling=None)
        assert show_grant(grant.id, Caller(JOE, Via.SIGV4), world.tools) is None
        for who in (JANE, ANN):
            assert isinstance(show_grant(grant.id, Caller(who, Via.SIGV4), world.tools), dict)

    def test_machines_and_whoever_is_gone_see_nothing(self) -> None:
        world = World()
        grant = world.asked()
        assert isinstance(show_grant(grant.id, CI, world.tools), Refusal)
        assert isinstance(list_grants(CI, world.tools), Refusal)
        del world.people[JANE.user_id]
        assert isinstance(show_grant(grant.id, Caller(JANE, Via.SIGV4), world.tools), Refusal)

    def test_page_by_page_the_latest_first_nothing_twice_and_nothing_left_out(self) -> None:
        world = World()
        asked = []
        for _ in range(2 * MOST + 3):
            world.pass_time(timedelta(minutes=4))
            asked.append(world.asked().id)
        seen, after = [], ""
        for _ in range(3):
            page = list_grants(Caller(JANE, Via.SIGV4), world.tools, after)
            assert isinstance(page, dict)
            seen += [each["grant_id"] for each in page["grants"]]
            after = page["next"]
        assert after is None
        assert seen == asked[::-1]

    def test_what_was_read_to_be_listed_is_not_read_once_more(self) -> None:
        world = World()
        grant = world.asked()
        world.grants.grant = _raising(Unavailable("no"))  # type: ignore[method-assign]
        assert self.ids(world, JANE) == self.ids(world, JOE) == [grant.id]


class TestWhatIsLookedUp:
    """Every look-up costs whoever waits for credentials some milliseconds, and the customer's own functions more."""

    def test_of_those_who_said_yes_there_is_no_more_than_their_groups(self) -> None:
        world = World(entitlements(rule(approve={"groups": ["security"], "quorum": 2})))
        grant = world.asked()
        asked: list[str] = []
        voted: list[str] = []

        def look_up(user_id: str, into: list[str]) -> Asker | None:
            into.append(user_id)
            return world.people.get(user_id)

        tools = world.tools.__replace__(asker=lambda each: look_up(each, asked), voter=lambda each: look_up(each, voted))
        for person in (JOE, ANN):
            decide_grant(grant.id, Caller(person, Via.SIGV4), Answer("grant", True, grant.shown_hash, "Fine."), tools)
        assert (asked, sorted(voted)) == ([JOE.user_id, ANN.user_id], [ANN.user_id, JOE.user_id, JOE.user_id])
        asked.clear()
        voted.clear()
        assert why_it_falls(world.now(grant), agreement_now(world.now(grant), tools)) is None
        assert (asked, sorted(voted)) == ([JANE.user_id], [ANN.user_id, JOE.user_id])

    def test_where_nobody_has_to_agree_there_is_neither_a_question_nor_ways_to_answer_it(self) -> None:
        world = World(AUTOMATIC)
        grant = world.asked()
        world.step(grant, "begin")
        world.questions.question = _raising(Unavailable("no"))  # type: ignore[method-assign]
        tools = world.tools.__replace__(ways=_raising(Unavailable("no")), voter=_raising(Unavailable("no")))
        grant = world.now(grant)
        assert why_it_falls(grant, agreement_now(grant, tools)) is None
        assert as_json(grant, tools)["decision"] is None

    def test_of_what_somebody_asked_for_before_only_what_counts_is_read(self) -> None:
        world, jane = World(AUTOMATIC), Caller(JANE, Via.SIGV4)
        asked: list[Grant | Refusal] = []
        for _ in range(MOST_AN_HOUR):
            world.pass_time(timedelta(minutes=4))
            asked.append(request_grant(WANTED, jane, world.tools, f"key {len(asked)}"))
        read: list[str] = []
        kept = world.grants.grant

        def counted(grant_id: str) -> Grant | None:
            read.append(grant_id)
            return kept(grant_id)

        world.grants.grant = counted  # type: ignore[method-assign]
        assert request_grant(WANTED, jane, world.tools, "key 7") == asked[7]
        assert request_grant(WANTED, jane, world.tools) not in asked
        assert read == [each.id for each in (asked[7], asked[0]) if isinstance(each, Grant)]

    def test_a_step_looks_at_the_question_once(self) -> None:
        world = World()
        world.grants.move = _raising(Unavailable("no"))  # type: ignore[method-assign]
        grant = world.asked()
        del world.grants.move
        read, question = [], world.questions.question

        def counted(role_ref: str, question_id: str) -> Question | None:
            read.append(question_id)
            return question(role_ref, question_id)

        world.questions.question = counted  # type: ignore[method-assign]
        assert world.step(grant, "check").state is State.PENDING
        assert len(read) == 1


def test_a_ticket_of_ones_own_making_spares_nobody_and_neither_does_one_that_is_closed_meanwhile() -> None:
    rules = entitlements(rule(tickets=["CHANGE-<number>"], automatic={"ticket_states": ["In Progress"]}))
    for opened_by, state, automatic in (
        ("joe", "In Progress", True),
        ("jane@acme.example", "In Progress", False),
        ("Jane@Acme.Example", "In Progress", False),
        ("joe", "Done", False),
    ):
        world = World(rules, tickets={"CHANGE-1": Ticket("CHANGE-1", state, frozenset({JANE.user_name}), opened_by)})
        grant = world.asked(ticket="CHANGE-1")
        assert (grant.state is State.APPROVED) == automatic
        if automatic:
            world.tickets["CHANGE-1"] = world.tickets["CHANGE-1"]._replace(state="Done")
            assert world.step(grant, "begin").state is State.REFUSED
    assert ORDERS.ref == WANTED.role_ref


class TestRulesThatChange:
    TWO = entitlements(rule(approve={"groups": ["security"], "quorum": 2}))

    def test_by_which_rules_it_was_checked_stands_in_it(self) -> None:
        world = World()
        grant = world.asked()
        assert as_json(grant, world.tools)["entitlements_hash"] == world.rules.hash != self.TWO.hash

    def test_weaker_rules_do_not_carry_what_was_asked_by_stricter_ones(self) -> None:
        world = World(self.TWO)
        grant = world.asked()
        world.rules = entitlements(RULE)
        world.say(grant, JOE)
        assert world.step(grant, "decide").state is State.PENDING
        world.say(grant, ANN)
        assert world.step(grant, "decide").state is State.APPROVED

    def test_stricter_rules_bind_what_was_approved_by_weaker_ones(self) -> None:
        world = World()
        grant = world.asked()
        world.say(grant, JOE)
        world.step(grant, "decide")
        world.rules = self.TWO
        assert world.step(grant, "begin").state is State.REFUSED


class TestWhatIsNotKnown:
    """It gives nobody anything, and costs nobody for good what others said yes to: the step fails, and is tried again."""

    BY_ATTRIBUTE = rule(who={"attributes": {"department": "pay"}}, start_within_hours=4)
    JANES = Asker(JANE, frozenset(), {"department": "pay"}, frozenset())

    def world(self, rules: dict[str, Any] = BY_ATTRIBUTE, jane: Asker = JANES) -> World:
        world = World(entitlements(rules))
        world.people[JANE.user_id] = jane
        return world

    def test_attributes_that_cannot_be_looked_up_for_a_moment_refuse_nothing_for_good(self) -> None:
        world = self.world()
        grant = world.asked(starts_at=hours(1))
        before = world.grants.kept[grant.id]._replace(state=State.REQUESTED, version=1, ruling=None, policy_sha256="")
        world.grants.kept[grant.id] = before
        world.questions.kept.clear()
        for step, comes_to in (("check", State.PENDING), ("decide", State.APPROVED), ("begin", State.ACTIVE)):
            if step == "decide":
                world.say(world.now(grant))
            if step == "begin":
                world.pass_time(hours(1))
            world.people[JANE.user_id] = self.JANES._replace(attributes=None)
            kept = world.now(grant)
            with pytest.raises(Unavailable, match="cannot be looked up"):
                world.step(grant, step)
            assert world.now(grant) == kept
            world.people[JANE.user_id] = self.JANES
            assert world.step(grant, step).state is comes_to

    def test_what_was_not_even_checked_until_its_time_was_over_has_expired(self) -> None:
        for starts_at, over in ((hours(1), hours(2)), (None, hours(1))):
            world = self.world()
            move, world.grants.move = world.grants.move, dies  # type: ignore[method-assign]
            grant = world.asked(starts_at=starts_at)
            world.grants.move = move  # type: ignore[method-assign]
            world.people[JANE.user_id] = self.JANES._replace(attributes=None)
            world.clock.time = over - timedelta(seconds=1)
            with pytest.raises(Unavailable):
                world.step(grant, "check")
            assert world.now(grant).state is State.REQUESTED
            world.clock.time = over
            assert world.step(grant, "check").state is State.EXPIRED

    def test_whoever_asks_may_ask_again_since_he_is_not_refused_what_nobody_knows(self) -> None:
        world = self.world(jane=self.JANES._replace(attributes=None))
        with pytest.raises(Unavailable, match="cannot be looked up"):
            world.ask()
        assert nothing_is_kept(world)
        assert world.measured == []
        world.people[JANE.user_id] = self.JANES
        assert isinstance(world.ask(), Grant)

    @pytest.mark.parametrize(
        "rules",
        [
            entitlements(BY_ATTRIBUTE, DENY),
            entitlements(rule(who={"groups": ["owners"], "attributes": {"department": "pay"}})),
            entitlements(rule(who={"groups": ["owners"]}), {**DENY, "who": {"attributes": {"department": "pay"}}}),
        ],
        ids=["denied", "no-rule-of-his", "no-rule-of-his-and-a-deny-that-may-be"],
    )
    def test_whoever_asks_for_what_he_has_in_no_case_is_refused(self, rules: Any) -> None:
        world = self.world(jane=self.JANES._replace(attributes=None))
        world.rules = rules
        assert isinstance(world.ask(), Refusal)

    BY_ROSTER = rule(approve={"groups": ["owners"], "on_call": ["payments"]})
    JOES = Asker(JOE, frozenset({"ops"}), {}, frozenset({"payments"}))

    def pager_is_out(self, *, decided: bool = False, **joe: Any) -> tuple[World, Grant]:
        """Of Jane's, about which Joe decides by his roster; where it was decided, it is active by Ann's word."""
        world = World(entitlements(self.BY_ROSTER))
        world.rules = world.rules._replace(revokers=frozenset({"heads"}), auditors=frozenset({"audit"}))
        world.people |= {JOE.user_id: self.JOES, ANN.user_id: Asker(ANN, frozenset({"owners"}), {}, frozenset())}
        grant = world.asked()
        if decided:
            world.say(grant, ANN)
            for step in ("decide", "begin"):
                world.step(grant, step)
        world.people[JOE.user_id] = self.JOES._replace(on_call=None, **joe)
        return world, world.now(grant)

    @pytest.mark.parametrize("groups", [frozenset({"ops"}), frozenset({"audit"})], ids=["who-sees-it-by-that-alone", "who-sees-it-anyway"])
    @pytest.mark.parametrize("yes", [True, False])
    def test_whoever_may_decide_by_a_roster_is_neither_told_that_he_may_not_nor_that_there_is_no_grant(
        self, yes: bool, groups: frozenset[str]
    ) -> None:
        world, grant = self.pager_is_out(groups=groups)
        audit = list(world.questions.audit)
        with pytest.raises(Unavailable, match="cannot be looked up"):
            world.say(grant, yes=yes)
        assert world.questions.audit == audit
        world.people[JOE.user_id] = self.JOES
        assert isinstance(world.say(grant, yes=yes), Grant)

    @pytest.mark.parametrize("groups", [frozenset({"ops"}), frozenset({"audit"})], ids=["who-sees-it-by-that-alone", "who-sees-it-anyway"])
    @pytest.mark.parametrize("decided", [False, True])
    def test_whoever_may_end_by_a_roster_is_neither_told_that_he_may_not_nor_that_there_is_no_grant(
        self, decided: bool, groups: frozenset[str]
    ) -> None:
        world, grant = self.pager_is_out(decided=decided, groups=groups)
        with pytest.raises(Unavailable, match="cannot be looked up"):
            world.end(grant, JOE)
        assert world.now(grant) == grant
        world.people[JOE.user_id] = self.JOES
        assert isinstance(world.end(grant, JOE), Grant)

    def test_whoever_may_see_by_a_roster_is_not_told_that_there_is_no_grant_and_a_list_has_what_is_known(self) -> None:
        world, grant = self.pager_is_out()
        joe = Caller(JOE, Via.SIGV4)
        with pytest.raises(Unavailable, match="cannot be looked up"):
            show_grant(grant.id, joe, world.tools)
        listed = list_grants(joe, world.tools)
        assert isinstance(listed, dict)
        assert listed["grants"] == []
        janes = list_grants(Caller(JANE, Via.SIGV4), world.tools)
        assert isinstance(janes, dict)
        assert [each["grant_id"] for each in janes["grants"]] == [grant.id]

    def test_what_is_known_of_whoever_decides_sees_or_ends_is_enough_where_it_decides(self) -> None:
        """By a group he may; and whoever is in no roster that decides, who asked, or who was shown something else, may not in any case."""
        for groups, decides in ((frozenset({"owners"}), True), (frozenset({"heads"}), None)):
            world, grant = self.pager_is_out(groups=groups)
            joe = Caller(JOE, Via.SIGV4)
            assert isinstance(show_grant(grant.id, joe, world.tools), dict)
            if decides:
                assert isinstance(world.say(grant), Grant)
            assert isinstance(world.end(grant, JOE), Grant)
        world, grant = self.pager_is_out()
        world.people[JANE.user_id] = world.people[JANE.user_id]._replace(on_call=None)
        assert isinstance(world.say(grant, JANE), Refusal)
        audits = world.people[JOE.user_id]._replace(groups=frozenset({"audit"}))
        world.people[JOE.user_id] = audits
        assert isinstance(decide_grant(grant.id, Caller(JOE, Via.SIGV4), Answer("grant", True, "0" * 64), world.tools), Refusal)
        world.rules = world.rules._replace(auditors=frozenset())
        for other in (entitlements(rule(approve={"groups": ["owners"]})), entitlements(RULE)):
            world = World(other)
            world.people |= {JANE.user_id: world.people[JANE.user_id], JOE.user_id: self.JOES._replace(on_call=None)}
            grant = world.asked()
            assert world.say(grant) is None
            assert world.end(grant, JOE) is None
            assert show_grant(grant.id, Caller(JOE, Via.SIGV4), world.tools) is None

    @pytest.mark.parametrize("automatic", [{"on_call": ["payments"]}, {"ticket_states": ["Open"]}])
    def test_what_nobody_had_to_agree_to_waits_until_it_is_known_that_nobody_has_to(self, automatic: dict[str, Any]) -> None:
        jane = Asker(JANE, frozenset({"payments"}), {}, frozenset({"payments"}))
        world = self.world(rule(automatic=automatic, tickets=["CHANGE-<number>"], start_within_hours=4), jane)
        world.tickets["CHANGE-1"] = Ticket("CHANGE-1", "Open", frozenset({JANE.user_name}), JOE.user_name)
        grant = world.asked(starts_at=hours(1), ticket="CHANGE-1")
        assert grant.state is State.APPROVED
        world.pass_time(hours(1))
        world.people[JANE.user_id], world.tickets_are_known = jane._replace(on_call=None), False
        with pytest.raises(Unavailable):
            world.step(grant, "begin")
        world.people[JANE.user_id], world.tickets_are_known = jane, True
        assert world.step(grant, "begin").state is State.ACTIVE

    @pytest.mark.parametrize("automatic", [{"on_call": ["payments"]}, {"ticket_states": ["Open"]}])
    def test_at_the_check_people_are_asked_instead(self, automatic: dict[str, Any]) -> None:
        world = self.world(rule(automatic=automatic, tickets=["CHANGE-<number>"]), Asker(JANE, frozenset({"payments"}), {}, None))
        world.tickets_are_known = False
        assert world.asked(ticket="CHANGE-1").state is State.PENDING

    @pytest.mark.parametrize("unknown", [JANES._replace(attributes=None), None])
    def test_what_would_be_refused_in_any_case_is(self, unknown: Asker | None) -> None:
        """Since he is gone, or a rule that is not about attributes keeps him from it."""
        world = self.world()
        grant = world.asked()
        world.say(grant)
        world.rules = entitlements(self.BY_ATTRIBUTE, DENY)
        world.people.pop(JANE.user_id)
        if unknown is not None:
            world.people[JANE.user_id] = unknown
        assert world.step(grant, "decide").state is State.REFUSED

    @pytest.mark.parametrize("starts_at", [None, hours(1)])
    @pytest.mark.parametrize("approved", [True, False])
    def test_it_is_over_when_its_time_is_also_where_nothing_is_known_by_then(self, approved: bool, starts_at: Any) -> None:
        world = self.world()
        grant = world.asked(starts_at=starts_at)
        world.say(grant)
        if approved:
            world.step(grant, "decide")
        world.people[JANE.user_id] = self.JANES._replace(attributes=None)
        end = hours(1) + timedelta(minutes=0 if starts_at is None else 60)
        world.pass_time(end - timedelta(seconds=1))
        step = "begin" if approved else "decide"
        with pytest.raises(Unavailable):
            world.step(grant, step)
        world.pass_time(end)
        assert world.step(grant, step).state is State.EXPIRED

    @pytest.mark.parametrize("yes", [False, None])
    def test_a_no_and_nobodys_answer_wait_for_nothing(self, yes: bool | None) -> None:
        world = self.world()
        grant = world.asked()
        if yes is False:
            world.say(grant, yes=False)
        world.people[JANE.user_id] = self.JANES._replace(attributes=None)
        world.pass_time(hours(9))
        assert world.step(grant, "decide").state is (State.EXPIRED if yes is None else State.REFUSED)


class TestClocks:
    def test_hours_are_those_of_the_grant_and_not_of_the_asking(self) -> None:
        """It is asked for at noon and begins in the evening: nobody is spared by the hours that are over by then."""
        jane = Asker(JANE, frozenset({"payments"}), {}, frozenset())
        hours_of_office = {"days": ["wednesday"], "start": "09:00", "end": "17:00", "zone": "UTC"}
        world = World(entitlements(rule(automatic={"on_call": ["pay"], "hours": hours_of_office})))
        world.people[JANE.user_id] = jane
        grant = world.asked()
        world.pass_time(hours(7))
        world.say(grant)
        late = {"decide": State.APPROVED, "begin": State.ACTIVE}
        assert {step: world.step(grant, step).state for step in late} == late
        world.people[JANE.user_id] = jane._replace(on_call=frozenset({"pay"}))
        del world.people[JOE.user_id]
        grant = world.now(grant)
        assert why_it_falls(grant, agreement_now(grant, world.tools)) is not None

    def test_before_it_is_decided_hours_are_those_of_the_last_yes(self) -> None:
        jane = Asker(JANE, frozenset({"payments"}), {}, frozenset())
        hours_of_office = {"days": ["wednesday"], "start": "09:00", "end": "17:00", "zone": "UTC"}
        world = World(entitlements(rule(automatic={"on_call": ["pay"], "hours": hours_of_office})))
        world.people[JANE.user_id] = jane
        grant = world.asked()
        world.pass_time(hours(7))
        world.say(grant)
        world.people[JANE.user_id] = jane._replace(on_call=frozenset({"pay"}))
        del world.people[JOE.user_id]
        assert world.step(grant, "decide").state is State.REFUSED

    def test_one_that_is_set_back_makes_nothing_longer_and_one_that_is_set_ahead_ends_it(self) -> None:
        world = World()
        grant = world.opened()
        world.pass_time(START - timedelta(hours=5))
        world.step(grant, "end")
        assert (world.now(grant).starts_at, world.now(grant).ends_at) == (START, hours(1))
        world.pass_time(hours(1))
        assert world.step(grant, "end").state is State.CLOSED
        world.pass_time(START)
        assert world.step(grant, "end").state is State.CLOSED

    def test_a_start_by_a_clock_that_is_behind_is_refused_and_keeps_nothing(self) -> None:
        world = World(entitlements(rule(start_within_hours=4)))
        found = world.ask(starts_at=START - timedelta(minutes=2))
        assert isinstance(found, Refusal)
        assert nothing_is_kept(world)
