"""Whatever was lost, in whatever order: one turn of the reconciler later nothing is late, and nobody has more than he was given."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from doorward.decisions.model import State as Decision
from doorward.errors import DoorwardError, Unavailable
from doorward.grants.grant import Grant, State
from doorward.usecases.grant_standing import question_about
from doorward.usecases.keep_token import NothingToWaitFor, keep_token
from doorward.usecases.reconcile_grants import LATE, What
from doorward.usecases.wake_grant import wake_grant
from tests.granting_world import World, everybody
from tests.grants_world import ANN, DENY, JANE, JOE, RULE, entitlements, rule
from tests.property.test_grants_lifecycle import NEXT
from tests.reconciled_world import Reconciled

LATER = rule(start_within_hours=4)
RULE_BOOKS = (
    entitlements(LATER),
    entitlements(rule(start_within_hours=4, automatic={"always": True})),
    entitlements(rule(start_within_hours=4, approve={"groups": ["security"], "quorum": 2})),
    entitlements(RULE, DENY),
)
people = st.sampled_from([JANE, JOE, ANN])
anything = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from([None, 1, 3])),
    st.tuples(st.just("say"), people, st.sampled_from([True, True, False])),
    st.tuples(st.just("end"), people),
    st.tuples(st.just("step"), st.sampled_from(["check", "decide", "begin", "end"])),
    st.tuples(st.just("wait"), st.sampled_from(["approve", "start", "end"])),
    st.just(("wake",)),
    st.just(("start",)),
    st.just(("die",)),
    st.tuples(st.just("clock"), st.sampled_from([1, 2, 30, 60, 200, 9 * 60])),
    st.tuples(st.just("rules"), st.sampled_from(RULE_BOOKS)),
    st.tuples(st.just("leave"), people),
    st.just(("return",)),
    st.tuples(st.just("fail"), st.integers(1, 2)),
    st.just(("reconcile",)),
)


class _Died(Exception):  # noqa: N818 - whoever made the turn
    pass


class History:
    """What people, executions and their deaths have made of some grants. What fails, fails, and nobody tries again."""

    def __init__(self) -> None:
        self.reconciled = Reconciled(World(RULE_BOOKS[0]))
        self.world = self.reconciled.world

    def happen(self, what: str, *about: Any) -> None:
        world = self.world
        last = next(reversed(world.grants.kept.values()), None)
        doing: dict[str, Callable[..., object]] = {
            "ask": lambda start: world.ask(starts_at=None if start is None else world.clock.now() + timedelta(hours=start)),
            "clock": lambda minutes: world.pass_time(timedelta(minutes=minutes)),
            "rules": lambda rules: setattr(world, "rules", rules),
            "leave": lambda person: world.people.pop(person.user_id, None),
            "return": lambda: world.people.update(everybody()),
            "fail": lambda count: world.grants.fail_next.extend([Unavailable("no")] * count),
            "reconcile": self.reconciled.turn,
        }
        with_one: dict[str, Callable[..., object]] = {
            "say": lambda grant, person, yes: world.say(grant, person, yes=yes),
            "end": world.end,
            "step": world.step,
            "wait": self._wait,
            "wake": lambda grant: wake_grant(grant.id, world.grants, world.seals, world.executions),
            "start": lambda grant: world.executions.start(grant.id),
            "die": lambda grant: world.executions.ended.add(grant.id),
        }
        try:
            if what in doing:
                doing[what](*about)
            elif last is not None:
                with_one[what](last, *about)
        except DoorwardError:
            return

    def _wait(self, grant: Grant, step: str) -> None:
        world, token = self.world, f"{grant.id} {step}"
        world.executions.waiting.add(token)
        try:
            keep_token(grant.id, step, token, world.grants, world.questions, world.seals)
        except NothingToWaitFor:
            world.executions.waiting.discard(token)

    def of(self, history: list[tuple[Any, ...]]) -> "History":
        for each in history:
            self.happen(*each)
        self.world.grants.fail_next.clear()
        return self

    def late(self) -> list[Grant]:
        """Those whose end has come, LATE ago, and that are not over."""
        now = self.world.clock.now()
        return [each for each in self.open() if each.ends_at is not None and now >= each.ends_at + LATE]

    def open(self) -> list[Grant]:
        return [each for each in self.world.grants.standing() if not each.is_over]


histories = st.lists(anything, min_size=3, max_size=30).map(lambda rest: [("ask", None), *rest])


@given(histories)
def test_one_turn_later_nothing_is_open_past_its_end_and_nobody_who_is_gone_has_anything(history: list[tuple[Any, ...]]) -> None:
    lived = History().of(history)
    lived.reconciled.turn()
    assert lived.late() == []
    for grant in lived.open():
        assert grant.person.user_id in lived.world.people or grant.state is State.ENDING


@given(histories)
def test_a_second_turn_at_once_moves_nothing(history: list[tuple[Any, ...]]) -> None:
    lived = History().of(history)
    lived.reconciled.turn()
    kept, audit = dict(lived.world.grants.kept), list(lived.world.grants.audit)
    again = lived.reconciled.turn()
    assert (lived.world.grants.kept, lived.world.grants.audit) == (kept, audit)
    assert {each.what for each in again.acts} <= {What.WAKE, What.ORPHAN}


@given(histories)
def test_a_dry_run_changes_nothing_whatever_there_was_to_do(history: list[tuple[Any, ...]]) -> None:
    lived = History().of(history)
    before = lived.reconciled.kept()
    lived.reconciled.turn(dry_run=True)
    assert lived.reconciled.kept() == before


@given(histories)
def test_a_dry_run_says_what_the_turn_does(history: list[tuple[Any, ...]]) -> None:
    lived = History().of(history)
    said = lived.reconciled.turn(dry_run=True)
    done = lived.reconciled.turn()
    assert (said.acts, said.failed, said.looked_at) == (done.acts, done.failed, done.looked_at)


@given(histories, st.integers(0, 6))
def test_a_turn_that_dies_anywhere_is_made_good_by_the_next(history: list[tuple[Any, ...]], calls: int) -> None:
    """Of two histories that are the same, one has a turn cut off; they end alike."""

    whole, cut = History().of(history), History().of(history)
    whole.reconciled.turn()
    left = [calls]

    def mortal(write: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any) -> Any:
            if left[0] == 0:
                raise _Died
            left[0] -= 1
            return write(*args)

        return wrapped

    grants, questions = cut.world.grants, cut.world.questions
    stores: list[tuple[Any, str]] = [(grants, "move"), (questions, "move"), (questions, "ask"), (cut.reconciled.wakes, "call")]
    for store, name in stores:
        setattr(store, name, mortal(getattr(store, name)))
    with suppress(_Died):
        cut.reconciled.turn()
    for store, name in stores:
        delattr(store, name)
    cut.reconciled.turn()

    def came_to(lived: History) -> list[tuple[str, State, str]]:
        return sorted((each.id, each.state, each.ended_by) for each in lived.world.grants.kept.values())

    assert came_to(cut) == came_to(whole)


@given(histories)
def test_nobody_is_let_in_without_what_the_rules_asked_for_and_each_transition_is_one_of_the_table(history: list[tuple[Any, ...]]) -> None:
    lived = History().of([*history, ("reconcile",)])
    world = lived.world
    for grant in world.grants.kept.values():
        went = [State(each) for each in world.states(grant)]
        assert went[0] is State.REQUESTED
        assert all(after in NEXT[before] for before, after in pairwise(went))
        if State.ACTIVE in went:
            assert grant.ruling is not None
            question = question_about(grant, world.tools)
            assert grant.ruling.automatic or (question is not None and question.state in {Decision.APPROVED, Decision.DONE})
            assert question is None or grant.person.user_id not in question.yes
