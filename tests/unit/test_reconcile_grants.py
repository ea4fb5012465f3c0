"""Each row of the reconciler's table, and what it leaves alone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from doorward.decisions.model import State as Decision
from doorward.errors import Misconfigured, Unavailable
from doorward.events.model import Cause
from doorward.grants.grant import Grant, State
from doorward.grants.model import Asker, Facts, GrantRequest, Ticket
from doorward.guardrails.model import Role
from doorward.guardrails.rules import GRANT_ROLE_DRIFT
from doorward.ports.grants import Step, Token
from doorward.usecases.grant_facts import as_target
from doorward.usecases.keep_token import keep_token
from doorward.usecases.reconcile_grants import LATE, What, reconcile_grants
from tests.granting_world import World
from tests.grants_world import DENY, EVE, JANE, JOE, ORDERS, PROD, READ_BUCKET, RULE, STAGING, entitlements, hours, rule
from tests.reconciled_world import Reconciled, grant_role

SECOND = timedelta(seconds=1)
LATER = rule(start_within_hours=4)
WIDER = {**READ_BUCKET, "statements": [*READ_BUCKET["statements"], {"actions": ["s3:PutObject"], "resources": ["arn:aws:s3:::<bucket>/*"]}]}
AUTOMATIC = entitlements(rule(start_within_hours=4, automatic={"always": True}))
NOTHING: list[tuple[str, str]] = []


def running(reconciled: Reconciled, *grants: Grant) -> None:
    reconciled.world.executions.started += [each.id for each in grants]


def opened(rules: Any = None) -> tuple[Reconciled, Grant]:
    reconciled = Reconciled(World(rules) if rules else World())
    grant = reconciled.world.opened()
    assert grant.state is State.ACTIVE
    running(reconciled, grant)
    return reconciled, grant


class TestWhatIsLate:
    @pytest.mark.parametrize("late", [False, True])
    def test_one_whose_end_has_come_is_ended_and_its_execution_woken(self, late: bool) -> None:
        reconciled, grant = opened()
        assert grant.ends_at is not None
        reconciled.world.pass_time(grant.ends_at + LATE - (timedelta() if late else SECOND))
        assert reconciled.acts() == ([("advance", "end"), ("wake", "")] if late else NOTHING)
        assert reconciled.world.now(grant).state is (State.CLOSED if late else State.ACTIVE)
        assert reconciled.wakes.called == [grant.id] * late

    def test_one_that_was_ended_early_and_never_closed_is_closed(self) -> None:
        reconciled, grant = opened()
        reconciled.world.end(grant)
        assert reconciled.world.now(grant).state is State.ENDING
        reconciled.world.pass_time(LATE)
        assert reconciled.acts() == [("advance", "end"), ("wake", "")]
        assert reconciled.world.now(grant).state is State.REVOKED

    def test_one_that_is_being_ended_is_not_late_at_once(self) -> None:
        """However long ago it was asked for."""
        reconciled, grant = opened()
        reconciled.world.pass_time(hours(0.5))
        reconciled.world.end(grant)
        reconciled.world.pass_time(LATE - SECOND)
        assert reconciled.acts() == NOTHING
        reconciled.world.pass_time(SECOND)
        assert reconciled.acts() == [("advance", "end"), ("wake", "")]

    def test_one_that_was_never_checked_is_checked(self) -> None:
        reconciled = Reconciled()
        grant = reconciled.world.asked()
        asked = grant._replace(state=State.REQUESTED, version=1, ruling=None, policy_sha256="")
        reconciled.world.grants.kept[grant.id] = asked
        reconciled.world.questions.kept.clear()
        running(reconciled, grant)
        reconciled.world.pass_time(LATE - SECOND)
        assert reconciled.acts() == NOTHING
        reconciled.world.pass_time(SECOND)
        assert reconciled.acts() == [("advance", "check"), ("wake", "")]
        assert reconciled.world.now(grant).state is State.PENDING
        assert reconciled.world.question(grant) is not None

    @pytest.mark.parametrize("yes", [True, False])
    def test_what_people_answered_is_done(self, yes: bool) -> None:
        reconciled = Reconciled()
        grant = reconciled.world.asked()
        running(reconciled, grant)
        reconciled.world.pass_time(hours(1))
        reconciled.world.say(grant, yes=yes)
        reconciled.world.pass_time(LATE - SECOND)
        assert reconciled.acts() == NOTHING
        reconciled.world.pass_time(SECOND)
        begun = [("advance", "begin")] if yes else []
        assert reconciled.acts() == [("advance", "decide"), *begun, ("wake", "")]
        assert reconciled.world.now(grant).state is (State.ACTIVE if yes else State.REFUSED)

    def test_people_are_reminded_and_what_nobody_decides_expires(self) -> None:
        reconciled = Reconciled()
        grant = reconciled.world.asked()
        running(reconciled, grant)
        question = reconciled.world.question(grant)
        assert question is not None
        reconciled.world.pass_time(question.asked_at + question.terms.remind_every + LATE)
        assert reconciled.acts() == [("advance", "decide"), ("wake", "")]
        assert reconciled.acts() == NOTHING
        reconciled.world.pass_time(question.ends_at + LATE)
        assert reconciled.acts() == [("advance", "decide"), ("wake", "")]
        assert reconciled.world.now(grant).state is State.EXPIRED

    def test_what_was_approved_begins_at_its_start_and_not_before(self) -> None:
        reconciled = Reconciled(World(AUTOMATIC))
        grant = reconciled.world.asked(starts_at=hours(2))
        running(reconciled, grant)
        reconciled.world.pass_time(hours(2) + LATE - SECOND)
        assert reconciled.acts() == NOTHING
        reconciled.world.pass_time(SECOND)
        assert reconciled.acts() == [("advance", "begin"), ("wake", "")]
        assert reconciled.world.now(grant).state is State.ACTIVE

    def test_of_one_that_is_over_the_question_is_withdrawn_and_it_stands_no_more(self) -> None:
        reconciled = Reconciled()
        grant = reconciled.world.asked()
        over = reconciled.world.now(grant)._replace(state=State.CANCELLED, version=3, moved_at=reconciled.world.clock.now())
        reconciled.world.grants.kept[grant.id] = over  # whoever cancelled it died right after that
        reconciled.world.pass_time(LATE - SECOND)
        assert reconciled.turn().acts == []
        reconciled.world.pass_time(SECOND)
        assert [each.what for each in reconciled.turn().acts] == [What.ADVANCE]
        question = reconciled.world.question(grant)
        assert question is not None
        assert question.state is Decision.WITHDRAWN
        assert list(reconciled.world.grants.standing()) == []
        assert reconciled.turn().acts == []

    def test_nobody_is_let_in_late_whose_rules_refuse_it_by_now(self) -> None:
        reconciled = Reconciled(World(AUTOMATIC))
        grant = reconciled.world.asked(starts_at=hours(2))
        reconciled.world.pass_time(hours(2) + LATE)
        reconciled.world.rules = entitlements(LATER, DENY)
        reconciled.turn()
        assert reconciled.world.now(grant).state is State.REFUSED


class TestExecutions:
    def test_one_that_never_was_is_started_once_it_should_be_there(self) -> None:
        reconciled = Reconciled()
        grant = reconciled.world.asked()
        assert reconciled.acts() == NOTHING
        reconciled.world.pass_time(LATE)
        assert reconciled.acts() == [("wake", "")]
        assert reconciled.wakes.called == [grant.id]

    def test_what_is_late_and_never_had_one_is_woken_once(self) -> None:
        reconciled = Reconciled(World(AUTOMATIC))
        reconciled.world.asked()
        reconciled.world.pass_time(LATE)
        assert reconciled.acts() == [("advance", "begin"), ("wake", "")]

    def test_one_that_has_ended_is_said_and_the_grant_goes_on_without_it(self) -> None:
        reconciled, grant = opened()
        reconciled.world.executions.ended.add(grant.id)
        reconciled.world.pass_time(LATE)
        assert reconciled.acts() == [("orphan", "")]
        assert grant.ends_at is not None
        reconciled.world.pass_time(grant.ends_at + LATE)
        reconciled.turn()
        assert reconciled.world.now(grant).state is State.CLOSED

    def test_tokens_that_wait_with_what_is_no_more_are_sent(self) -> None:
        reconciled, grant = opened()
        world = reconciled.world
        keep_token(grant.id, "end", "token", world.grants, world.questions, world.seals)
        assert reconciled.acts() == NOTHING
        world.end(grant)
        assert reconciled.acts() == [("wake", "")]
        assert reconciled.wakes.called == [grant.id]
        world.grants.tokens["01JZ1M5T0000000000000GONE0"] = Token("01JZ1M5T0000000000000GONE0", Step.END, b"x", 1)
        assert reconciled.acts() == [("wake", ""), ("wake", "")]
        assert list(world.grants.tokens) == [grant.id, "01JZ1M5T0000000000000GONE0"]  # whoever sends them forgets them


class TestWhatIsTakenBack:
    @pytest.mark.parametrize("state", [State.REQUESTED, State.PENDING, State.APPROVED, State.ACTIVE])
    def test_whoever_is_gone_has_nothing_more(self, state: State) -> None:
        reconciled = Reconciled(World(AUTOMATIC if state is State.APPROVED else entitlements(RULE)))
        world = reconciled.world
        grant = world.opened() if state is State.ACTIVE else world.asked(**({"starts_at": hours(2)} if state is State.APPROVED else {}))
        if state is State.REQUESTED:
            grant = grant._replace(state=state)
            world.grants.kept[grant.id] = grant
        assert world.now(grant).state is state
        del world.people[JANE.user_id]
        assert reconciled.acts() == [("take back", "")]
        taken = world.now(grant)
        assert taken.state is (State.ENDING if state is State.ACTIVE else State.REVOKED)
        assert (taken.ended_by, "not (any more)" in taken.because) == ("doorward", True)
        question = world.question(grant)
        assert question is None or question.state is not Decision.OPEN

    @pytest.mark.parametrize(
        "moved",
        [
            lambda world: world.people.update({JANE.user_id: Asker(JANE, frozenset(), {}, frozenset())}),
            lambda world: setattr(world, "target", None),
            lambda world: setattr(world, "target", ORDERS._replace(path="/")),
            lambda world: setattr(world, "rules", entitlements(RULE, DENY)),
            lambda world: setattr(world, "rules", entitlements(rule(minutes=30))),
            lambda world: setattr(world, "rules", entitlements(rule(templates=["other"]), other=READ_BUCKET)),
            lambda world: setattr(world, "rules", entitlements(rule(approve={"groups": ["owners"]}))),
            lambda world: setattr(world, "rules", entitlements(rule(approve={"groups": ["security"], "quorum": 2}))),
            lambda world: setattr(world, "rules", entitlements(RULE, **{"read-bucket": WIDER})),
        ],
    )
    def test_what_the_rules_in_force_do_not_give_him_any_more_ends(self, moved: Any) -> None:
        reconciled, grant = opened()
        assert reconciled.acts() == NOTHING
        moved(reconciled.world)
        assert reconciled.acts() == [("take back", "")]
        assert (reconciled.world.now(grant).state, reconciled.world.now(grant).ended_by) == (State.ENDING, "doorward")
        assert reconciled.acts() == NOTHING

    def test_other_rules_by_which_he_has_it_all_the_same_change_nothing(self) -> None:
        reconciled, _ = opened()
        for rules in (entitlements(RULE, rule("theirs", who={"groups": ["owners"]})), entitlements(rule(minutes=120))):
            reconciled.world.rules = rules
            assert reconciled.acts() == NOTHING

    def test_what_cannot_be_looked_up_takes_nothing_back(self) -> None:
        on_call = rule(approve={"groups": ["security"], "on_call": ["x"]}, automatic={"on_call": ["payments"]})
        by_ticket = rule(tickets=["CHANGE-<number>"], automatic={"ticket_states": ["Open"]})
        by_attribute = {**DENY, "who": {"attributes": {"userType": "contractor"}}}
        world = World(entitlements(on_call))
        world.people[JANE.user_id] = Asker(JANE, frozenset({"payments"}), {}, frozenset({"payments"}))
        world.tickets["CHANGE-1"] = Ticket("CHANGE-1", "Open", frozenset({JANE.user_name}), JOE.user_name)
        reconciled = Reconciled(world)
        grant = world.asked(ticket="CHANGE-1")
        world.step(grant, "begin")
        assert world.now(grant).state is State.ACTIVE
        running(reconciled, grant)
        unknown = Asker(JANE, frozenset({"payments"}), None, None)
        world.people[JANE.user_id] = unknown
        for rules in (entitlements(on_call, rule("new", minutes=90)), entitlements(on_call, by_attribute)):
            world.rules = rules
            assert reconciled.acts() == NOTHING
        world.people[JANE.user_id] = unknown._replace(attributes={}, on_call=frozenset())
        world.tickets_are_known = False
        world.rules = entitlements(by_ticket)
        assert reconciled.acts() == NOTHING
        world.tickets_are_known = True
        world.people[JANE.user_id] = unknown._replace(attributes={"userType": "contractor"}, on_call=frozenset())
        world.rules = entitlements(on_call, by_attribute)
        assert reconciled.acts() == [("take back", "")]

    def test_attributes_that_cannot_be_looked_up_take_nothing_back(self) -> None:
        reconciled, _ = opened()
        reconciled.world.rules = entitlements(RULE, {**DENY, "who": {"attributes": {"userType": "contractor"}}})
        jane = Asker(JANE, frozenset({"payments"}), None, frozenset())
        reconciled.world.people[JANE.user_id] = jane
        assert reconciled.acts() == NOTHING
        reconciled.world.people[JANE.user_id] = jane._replace(attributes={"userType": "contractor"})
        assert reconciled.acts() == [("take back", "")]

    def test_an_account_whose_ou_is_not_known_takes_nothing_back(self) -> None:
        """What AWS Organizations says was not read yet, or is gone for a moment."""
        reconciled, grant = opened(entitlements(rule("by-ou", match={"ou": PROD.ou})))
        world, facts = reconciled.world, reconciled.world.facts

        def of_an_account_in(ou: str) -> Callable[[GrantRequest, Asker], Facts]:
            return lambda request, asker: facts(request, asker)._replace(account=PROD._replace(ou=ou, org_path=""))

        world.facts = of_an_account_in("")  # type: ignore[assignment]
        assert reconciled.acts() == NOTHING
        assert world.now(grant).state is State.ACTIVE
        world.facts = of_an_account_in("/workloads/other")  # type: ignore[assignment]
        assert reconciled.acts() == [("take back", "")]

    @pytest.mark.parametrize("on_call", [None, frozenset[str]()])
    def test_rosters_of_whoever_said_yes_take_nothing_back(self, on_call: frozenset[str] | None) -> None:
        """Nor do they where the rules have changed: what he said in his shift stands, and nobody has to know his next one."""
        by_roster = rule(approve={"on_call": ["payments"]})
        world = World(entitlements(by_roster))
        joe = Asker(JOE, frozenset(), {}, frozenset({"payments"}))
        world.people[JOE.user_id] = joe
        reconciled = Reconciled(world)
        running(reconciled, world.opened())
        world.rules = entitlements(by_roster, rule("theirs", who={"groups": ["owners"]}))
        world.people[JOE.user_id] = joe._replace(on_call=on_call)
        assert reconciled.acts() == NOTHING
        del world.people[JOE.user_id]
        assert reconciled.acts() == [("take back", "")]

    def test_a_ticket_that_is_gone_takes_it_back_where_the_rules_have_changed(self) -> None:
        world = World(entitlements(rule(tickets=["CHANGE-<number>"], automatic={"ticket_states": ["Open"]})))
        world.tickets["CHANGE-1"] = Ticket("CHANGE-1", "Open", frozenset({JANE.user_name}), JOE.user_name)
        reconciled = Reconciled(world)
        grant = world.asked(ticket="CHANGE-1")
        world.step(grant, "begin")
        running(reconciled, grant)
        world.rules = entitlements(rule(tickets=["CHANGE-<number>"], automatic={"ticket_states": ["Open", "In Progress"]}))
        world.tickets.clear()
        world.tickets_are_known = False
        assert reconciled.acts() == NOTHING
        world.tickets_are_known = True
        assert reconciled.acts() == [("take back", "")]

    def test_a_shift_that_is_over_takes_nothing_back_by_itself(self) -> None:
        """Nothing more is issued for it; what was opened ends as planned."""
        world = World(entitlements(rule(automatic={"on_call": ["payments"]})))
        world.people[JANE.user_id] = Asker(JANE, frozenset({"payments"}), {}, frozenset({"payments"}))
        reconciled = Reconciled(world)
        grant = world.asked()
        world.step(grant, "begin")
        running(reconciled, grant)
        world.people[JANE.user_id] = Asker(JANE, frozenset({"payments"}), {}, frozenset())
        assert reconciled.acts() == NOTHING

    def test_what_was_found_of_one_version_is_not_done_to_another(self) -> None:
        reconciled = Reconciled()
        world = reconciled.world
        grant = world.asked()
        running(reconciled, grant)

        def approved_meanwhile(user_id: str) -> Asker | None:
            """By the time that he is looked up it has moved, and he is back."""
            if world.states(grant) == ["requested", "pending"]:
                world.say(grant)
                world.step(grant, "decide")
                return None
            return world.people.get(user_id)

        tools = replace(reconciled.tools, grants=replace(world.tools, asker=approved_meanwhile))
        came_to = reconcile_grants(tools)
        assert (came_to.count(What.TAKE_BACK), came_to.failed) == (1, {})
        assert world.now(grant).state is State.APPROVED


class TestEachByItself:
    def test_where_executions_cannot_be_looked_at_whoever_is_gone_loses_his_grant_all_the_same(self) -> None:
        reconciled, grant = opened()
        world = reconciled.world
        world.pass_time(LATE)
        world.executions.fail_next = [Unavailable("KmsAccessDeniedException")]
        del world.people[JANE.user_id]
        reconciled.turn()
        assert world.now(grant).state is State.ENDING

    @pytest.mark.parametrize("gone", [True, False])
    def test_where_people_cannot_be_looked_up_an_execution_that_never_was_is_started_all_the_same(self, gone: bool) -> None:
        reconciled = Reconciled()
        world = reconciled.world
        grant = world.asked()
        world.pass_time(LATE)

        def fail(_user_id: str) -> None:
            raise Unavailable("no")

        came_to = reconcile_grants(replace(reconciled.tools, grants=replace(world.tools, asker=fail)) if gone else reconciled.tools)
        assert reconciled.wakes.called == [grant.id]
        assert came_to.failed == ({grant.id: "no"} if gone else {})

    def test_what_goes_wrong_with_one_keeps_no_other_from_being_looked_at(self) -> None:
        reconciled = Reconciled(World(AUTOMATIC))
        world = reconciled.world
        jane, eve = (world.ask(person) for person in (JANE, EVE))
        assert isinstance(jane, Grant)
        assert isinstance(eve, Grant)
        for each in (jane, eve):
            world.step(each, "begin")
        world.pass_time(hours(1) + LATE)
        world.grants.fail_next = [Unavailable("no")]
        came_to = reconciled.turn()
        assert list(came_to.failed.values()) == ["no"]
        assert sorted(world.now(each).state for each in (jane, eve)) == [State.ACTIVE, State.CLOSED]
        assert reconciled.turn().failed == {}
        assert {world.now(each).state for each in (jane, eve)} == {State.CLOSED}

    def test_whom_there_is_no_time_for_is_said_and_what_should_have_ended_comes_first(self) -> None:
        reconciled = Reconciled(World(AUTOMATIC))
        world = reconciled.world
        later = world.asked(starts_at=hours(3))
        soon = world.asked()
        world.step(soon, "begin")
        running(reconciled, later, soon)
        world.pass_time(hours(1) + LATE)
        call = reconciled.wakes.call
        reconciled.until = world.clock.now() + SECOND

        def slow(grant_id: str) -> None:
            call(grant_id)
            world.pass_time(SECOND)

        reconciled.wakes.call = slow  # type: ignore[method-assign]
        came_to = reconciled.turn()
        assert (came_to.looked_at, came_to.left) == (1, 1)
        assert world.now(soon).state is State.CLOSED

    def test_somebody_is_looked_up_once_a_turn(self) -> None:
        """Whoever asked, and, where the rules have changed, whoever said yes."""
        reconciled = Reconciled()
        world = reconciled.world
        for _ in range(3):
            world.opened()
        world.rules = entitlements(rule(start_within_hours=7))
        looked_up: list[str] = []

        def look_up(user_id: str) -> Asker | None:
            looked_up.append(user_id)
            return world.people.get(user_id)

        tools = replace(reconciled.tools, grants=replace(world.tools, asker=look_up, voter=look_up))
        assert reconcile_grants(tools).acts == []
        assert looked_up == [JANE.user_id, JOE.user_id]

    def test_whoever_is_switched_off_after_he_was_looked_up_is_not_let_in_by_that(self) -> None:
        """Of two grants of his the first needs nothing, and the second is to begin."""
        reconciled = Reconciled(World(entitlements(LATER)))
        world = reconciled.world
        first, second = world.opened(), world.asked(starts_at=hours(0.2))
        world.say(second)
        world.step(second, "decide")
        assert world.now(second).state is State.APPROVED
        world.pass_time(hours(0.2) + LATE)
        running(reconciled, first, second)
        is_running = world.executions.is_running

        def then_he_is_switched_off(grant_id: str) -> bool | None:
            if grant_id == first.id:
                world.people.pop(JANE.user_id, None)
            return is_running(grant_id)

        world.executions.is_running = then_he_is_switched_off  # type: ignore[method-assign]
        reconciled.turn()
        assert world.now(second).state is State.REFUSED
        assert "active" not in world.states(second)

    def test_a_dry_run_takes_nothing_back_that_the_turn_refuses(self) -> None:
        """Who is gone is refused it when it is to begin."""

        def acts(*, dry_run: bool) -> list[tuple[str, str]]:
            reconciled = Reconciled(World(AUTOMATIC))
            running(reconciled, reconciled.world.asked(starts_at=hours(1)))
            reconciled.world.pass_time(hours(1) + LATE)
            del reconciled.world.people[JANE.user_id]
            return [(each.what, each.step) for each in reconciled.turn(dry_run=dry_run).acts]

        assert acts(dry_run=True) == acts(dry_run=False) == [("advance", "begin"), ("wake", "")]

    def test_what_is_being_ended_is_not_taken_back_once_more(self) -> None:
        reconciled, grant = opened()
        reconciled.world.end(grant, JOE, "Enough.")
        del reconciled.world.people[JANE.user_id]
        assert reconciled.acts() == NOTHING
        assert reconciled.world.now(grant).ended_by == JOE.user_id

    def test_a_dry_run_says_the_same_and_writes_nothing(self) -> None:
        reconciled, grant = opened()
        world = reconciled.world
        gone = world.ask(EVE)
        assert isinstance(gone, Grant)
        del world.people[EVE.user_id]
        reconciled.accounts.roles = {each.ref: each for each in (grant_role(), grant_role("x"))}
        reconciled.drifted = {grant_role().ref: "Its boundary is gone."}
        world.pass_time(hours(1) + LATE)
        before = reconciled.kept()
        said = reconciled.turn(dry_run=True)
        assert reconciled.kept() == before
        done = reconciled.turn()
        assert said.acts == done.acts
        assert {each.what for each in said.acts} == {What.ADVANCE, What.WAKE, What.TAKE_BACK}
        assert (said.roles, said.drifted) == (done.roles, done.drifted) == (2, [grant_role().ref])
        assert world.now(grant).state is State.CLOSED

    @pytest.mark.parametrize("dry_run", [True, False])
    def test_what_is_ended_is_not_taken_back_as_well(self, dry_run: bool) -> None:
        reconciled, _ = opened()
        del reconciled.world.people[JANE.user_id]
        reconciled.world.pass_time(hours(1) + LATE)
        assert [each.what for each in reconciled.turn(dry_run=dry_run).acts] == [What.ADVANCE, What.WAKE]


class TestRoles:
    def test_those_of_accounts_that_a_rule_is_about_are_kept_for_whoever_asks(self) -> None:
        reconciled = Reconciled(World(entitlements(rule(match={"ou": "/workloads/prod"}))))
        prod, staging = grant_role(), grant_role("read", STAGING.id)
        reconciled.accounts.roles = {each.ref: each for each in (prod, staging)}
        reconciled.turn()
        (kept,) = reconciled.known.known()
        assert (kept.account_id, kept.roles, kept.read_at) == (ORDERS.account_id, (as_target(prod),), reconciled.world.clock.now())

    def test_an_account_that_cannot_be_read_keeps_what_was_known(self) -> None:
        reconciled = Reconciled()
        prod, staging = grant_role(), grant_role("read", STAGING.id)
        reconciled.accounts.roles = {each.ref: each for each in (prod, staging)}
        reconciled.turn()
        reconciled.accounts.roles.clear()
        reconciled.accounts.unreadable = {ORDERS.account_id: Misconfigured("no")}
        came_to = reconciled.turn()
        assert (came_to.unreadable, came_to.failed) == ({ORDERS.account_id: "no"}, {})
        assert [each.account_id for each in reconciled.known.known()] == [ORDERS.account_id]

    def test_one_that_is_not_as_it_must_be_is_handed_to_the_reaction_until_that_knows_of_it(self) -> None:
        reconciled = Reconciled()
        reconciled.accounts.roles = {each.ref: each for each in (grant_role(), grant_role("fine"))}
        reconciled.drifted = {grant_role().ref: "Its boundary is gone."}
        looked_at: list[str] = []

        def drift(role: Role) -> str:
            looked_at.append(role.ref)
            return reconciled.drifted.get(role.ref, "")

        assert reconcile_grants(replace(reconciled.tools, drift=drift)).drifted == [grant_role().ref]
        assert sorted(looked_at) == sorted(reconciled.accounts.roles)
        (hint,) = reconciled.hints.sent
        assert (hint.account_id, hint.role_name, hint.cause, hint.because) == (
            ORDERS.account_id,
            "orders",
            Cause.FACTS,
            "Its boundary is gone.",
        )
        reconciled.has_case(grant_role(), "external-account", GRANT_ROLE_DRIFT.id)
        assert reconciled.turn().drifted == [grant_role().ref]
        assert len(reconciled.hints.sent) == 1

    def test_a_case_about_something_else_keeps_no_drift_from_being_handed_on(self) -> None:
        """Such as one that waits or is waived since last week, where the event of the drift was lost."""
        reconciled = Reconciled()
        reconciled.accounts.roles = {grant_role().ref: grant_role()}
        reconciled.drifted = {grant_role().ref: "Its boundary is gone."}
        reconciled.has_case(grant_role(), "external-account")
        reconciled.turn()
        assert [each.because for each in reconciled.hints.sent] == ["Its boundary is gone."]
