"""People decide about a finding, on fakes: from what they are shown to what then stands."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from jsonschema import Draft202012Validator

from doorward.decisions.model import EVER, Answer, Hold, Question, State, Ways
from doorward.errors import Conflict, Throttled, Unavailable
from doorward.events.hints import Hint, hint_as_text
from doorward.events.model import Cause
from doorward.guardrails.brakes import Stop
from doorward.guardrails.model import Deciders, Guardrails, Mode
from doorward.iam.documents import hash_of_text
from doorward.organization.model import Match
from doorward.people.model import Caller, Machine, Person, Refusal, Via
from doorward.ports.ledger import Case, Due
from doorward.usecases.accept_baseline import ACCEPT, accept_baseline, show_baseline
from doorward.usecases.decide import Standing, Tools, looked_at_again
from doorward.usecases.decide_finding import APPLY, decide_finding, shown_hash
from doorward.usecases.finish_started import finish_started
from doorward.usecases.hold_role import hold_role
from tests.fakes import FakeBus
from tests.template.conftest import REPOSITORY
from tests.unit.test_react_to_change import ALL_BAD, BAD, GOOD, ORGANIZATION, PROD, World, event, role

ANN, JOE, EVE = (Person(f"906-{name}", f"{name}@acme.example", name.title()) for name in ("ann", "joe", "eve"))
PAYMENTS = f"{PROD}/payments"
APPROVE = Guardrails(mode=Mode.APPROVE, hash="cafe", deciders=(Deciders(Match(), ("security",)),))


ENFORCED = APPROVE._replace(mode=Mode.ENFORCE)
EVERY_WAY = dict.fromkeys(Via, EVER)


class Office:
    """A world in mode approve with a finding in it, and people. `standings`: who is what now.

    `aliases`: who is behind an actor, by ARN; `behind`: who is behind any other.
    """

    def __init__(self, guardrails: Guardrails = APPROVE, trust: str = BAD) -> None:
        self.world = World(guardrails)
        self.world.accepted()
        self.world.roles.put(role(trust))
        self.outcome = self.world.react(event(document=trust))
        self.standings = {each.user_id: Standing(each.user_name, frozenset({"security"})) for each in (ANN, JOE, EVE)}
        self.behind: frozenset[str] = frozenset()
        self.aliases: dict[str, Person] = {}
        self.ways: Ways = EVERY_WAY
        self.world.hints.sent, self.world.hints.after = [], []
        self.tools = Tools(
            self.world.ledger,
            self.world.questions,
            self.world.hints,
            self.world.clock,
            ORGANIZATION,
            guardrails,
            self.standings.get,
            lambda actor: frozenset({self.aliases[actor["arn"]].user_id}) if actor.get("arn") in self.aliases else self.behind,
            lambda: self.ways,
        )
        self.world.tools = replace(self.world.tools, confirm=lambda question: looked_at_again(question, self.tools))

    @property
    def case(self) -> Case:
        (case,) = [each for each in self.world.ledger.cases.values() if each.status.is_open]
        return case

    def say(
        self, who: Person | Machine, *, yes: bool = True, via: Via = Via.SIGV4, seen: str | None = None, about: str | None = None
    ) -> Question | Refusal:
        case = next(iter(self.world.ledger.cases.values())) if about is None else None
        shown = seen if seen is not None else (shown_hash(case, APPLY) or "") if case is not None else ""
        finding_id = about if about is not None else case.id if case is not None else ""
        return decide_finding(finding_id, Caller(who, via), Answer(APPLY, yes, shown), self.tools)

    def state(self, who: Person, **how: object) -> State:
        found = self.say(who, **how)  # type: ignore[arg-type]
        assert isinstance(found, Question), found
        return found.state

    def carried_out(self) -> list[str]:
        """What came of the hints that were sent."""
        sent, self.world.hints.sent, self.world.hints.after = self.world.hints.sent, [], []
        ours = [each for each in sent if (each.follows or "").startswith("QUESTION:")]
        return [outcome for each in ours for outcome in self.world.react(hint_as_text(each))]

    def question(self) -> Question:
        (question,) = self.world.questions.kept.values()
        return question


def test_mode_approve_shows_the_remedy_and_writes_nothing() -> None:
    office = Office()
    assert office.outcome == ["asked"]
    proposal = office.case.detail["proposal"]
    assert proposal["kind"] == "restore"
    assert any(line.startswith("-") for line in proposal["diff"])
    assert office.case.detail["use"] == "Nobody was seen to use it before the change by what stood then."
    assert office.world.roles.writes == []


def test_one_yes_has_exactly_what_was_shown_written_and_told() -> None:
    office = Office()
    shown = office.case.detail["proposal"]["hash"]
    assert office.state(ANN) is State.APPROVED
    assert office.world.roles.writes == []  # not here: under the role's lock
    assert office.carried_out() == ["reverted"]
    assert hash_of_text(office.world.stands()) == shown
    assert office.question().state is State.DONE
    (closed,) = office.world.ledger.cases.values()
    assert closed.detail["approver"] == "ann@acme.example"
    reverted = [each for each in office.world.ledger.outbox.values() if each.detail_type == "TrustPolicyReverted"]
    assert [each.detail["because"] for each in reverted] == ["People were shown what would be written, and said yes."]
    assert [each[2:] for each in office.world.questions.audit] == [("asked", f"{ANN.user_id} sigv4"), ("done", "doorward")]


def test_a_no_is_for_good_and_nothing_is_written() -> None:
    office = Office()
    assert office.state(JOE, yes=False) is State.REFUSED
    assert isinstance(office.say(ANN), Refusal)
    assert office.carried_out() == []
    assert office.world.stands() == BAD


def test_whoever_made_the_change_does_not_decide_under_any_name() -> None:
    office = Office()
    office.behind = frozenset({EVE.user_id})
    for via in Via:
        assert isinstance(office.say(EVE, via=via), Refusal)
        assert isinstance(office.say(EVE._replace(user_name="EVE@ACME.EXAMPLE", display_name="Ann"), via=via), Refusal)
    assert office.world.questions.kept == {}
    assert office.state(ANN) is State.APPROVED


def test_who_turns_out_to_have_caused_it_decides_no_more_and_his_yes_does_not_count() -> None:
    office = Office(replace_deciders(quorum=2))
    assert office.state(EVE) is State.OPEN
    office.behind = frozenset({EVE.user_id})
    assert office.state(JOE) is State.OPEN
    assert office.question().yes == {JOE.user_id}
    assert office.question().parties == {EVE.user_id}
    office.behind = frozenset()
    assert isinstance(office.say(EVE), Refusal)  # who was a party once stays one
    assert office.state(ANN) is State.APPROVED


def test_a_machine_never_decides() -> None:
    office = Office()
    assert isinstance(office.say(Machine("arn:aws:iam::444455556666:role/ci/deployer")), Refusal)
    assert office.world.questions.kept == {}


def test_critical_takes_one_who_signs() -> None:
    office = Office(trust=ALL_BAD)
    assert office.state(ANN, via=Via.SLACK) is State.OPEN
    assert office.carried_out() == []
    assert office.state(JOE) is State.APPROVED
    assert office.carried_out() == ["reverted"]


def test_two_approvers_at_once_are_both_counted() -> None:
    office = Office(replace_deciders(quorum=2))

    class Racing:
        """Between reading and writing, the other one is faster."""

        def __init__(self) -> None:
            self.raced = False

        def __getattr__(self, name: str) -> object:
            return getattr(office.world.questions, name)

        def ask(self, *arguments: object) -> object:
            if not self.raced:
                self.raced = True
                assert office.state(JOE) is State.OPEN
            return office.world.questions.ask(*arguments)  # type: ignore[arg-type]

    slow = replace(office.tools, questions=Racing())  # type: ignore[arg-type]
    shown = shown_hash(office.case, APPLY) or ""
    found = decide_finding(office.case.id, Caller(ANN, Via.SIGV4), Answer(APPLY, yes=True, seen=shown), slow)
    assert isinstance(found, Question)
    assert (found.state, found.yes) == (State.APPROVED, frozenset({ANN.user_id, JOE.user_id}))
    assert office.carried_out() == ["reverted"]
    assert len(office.world.roles.writes) == 1


def replace_deciders(**more: object) -> Guardrails:
    return APPROVE._replace(deciders=(Deciders(Match(), ("security",), **more),))  # type: ignore[arg-type]


def test_a_double_click_is_done_once() -> None:
    office = Office()
    assert office.state(ANN) is State.APPROVED
    assert isinstance(office.say(ANN), Refusal)
    assert office.carried_out() == ["reverted"]
    office.world.hints.sent = []
    assert len(office.world.roles.writes) == 1


@pytest.mark.parametrize("gone", [None, Standing("ann@acme.example", frozenset())])
def test_whose_right_ends_between_two_decisions_has_not_said_yes(gone: Standing | None) -> None:
    office = Office(replace_deciders(quorum=2))
    assert office.state(ANN) is State.OPEN
    if gone is None:
        del office.standings[ANN.user_id]
    else:
        office.standings[ANN.user_id] = gone
    assert office.state(JOE) is State.OPEN
    assert office.question().yes == {JOE.user_id}
    assert office.carried_out() == []
    assert office.state(EVE) is State.APPROVED


def test_who_is_disabled_says_nothing() -> None:
    office = Office()
    del office.standings[ANN.user_id]
    refusal = office.say(ANN)
    assert isinstance(refusal, Refusal)
    assert "enabled user" in refusal.because


def test_what_he_was_shown_is_not_what_it_is_any_more() -> None:
    office = Office()
    before = shown_hash(office.case, APPLY)
    assert before is not None
    assert isinstance(office.say(ANN, seen="0" * 64), Refusal)
    office.world.roles.put(role(ALL_BAD))
    office.world.clock.sleep(5)
    office.world.react(event(document=ALL_BAD, event_id="e-2", at=office.world.clock.now()))
    office.world.hints.sent = []
    assert isinstance(office.say(ANN, seen=before), Refusal)  # the case it was about is closed
    refusal = decide_finding(office.case.id, Caller(ANN, Via.SIGV4), Answer(APPLY, yes=True, seen=before), office.tools)
    assert isinstance(refusal, Refusal)
    assert "not what you were shown" in refusal.because


def test_what_changes_after_the_yes_is_not_written_over() -> None:
    office = Office()
    assert office.state(ANN) is State.APPROVED
    office.world.roles.put(role(GOOD))
    assert office.carried_out() == ["withdrawn"]
    assert office.world.stands() == GOOD
    assert office.question().state is State.WITHDRAWN


def test_what_would_be_written_is_another_by_now_and_is_not_written() -> None:
    office = Office()
    assert office.state(ANN) is State.APPROVED
    question = office.question()
    office.world.questions.kept[PAYMENTS, question.id] = question._replace(detail={**question.detail, "policy_hash": "0" * 64})
    assert office.carried_out() == ["withdrawn"]
    assert office.world.roles.writes == []
    assert office.world.stands() == BAD


def test_what_would_be_written_by_now_is_what_people_are_shown_next() -> None:
    """The remedy was proposed under other facts than those that count now."""
    office = Office()
    case, ledger = office.case, office.world.ledger
    today = case.detail["proposal"]["hash"]
    once = {**case.detail, "proposal": {**case.detail["proposal"], "hash": "0" * 64}}
    ledger.cases[case.role_ref, case.id] = case._replace(detail=once)
    assert office.state(ANN) is State.APPROVED
    assert office.carried_out() == ["withdrawn"]
    assert office.world.roles.writes == []
    assert office.case.detail["proposal"]["hash"] == today
    assert office.state(ANN) is State.APPROVED  # another question, about what would be written now
    assert office.carried_out() == ["reverted"]


def test_dying_between_the_write_and_saying_so_ends_as_done() -> None:
    office = Office()
    assert office.state(ANN) is State.APPROVED
    sent = list(office.world.hints.sent)
    office.world.questions.fail_next = [Throttled("slower")]
    with pytest.raises(Throttled):
        office.carried_out()
    assert len(office.world.roles.writes) == 1
    assert office.question().state is State.APPROVED
    office.world.hints.sent = sent
    assert office.carried_out() == ["done"]
    assert office.question().state is State.DONE
    assert len(office.world.roles.writes) == 1


def test_the_kill_switch_stops_what_people_approved_too() -> None:
    office = Office()
    office.world.brakes.stops.append(Stop("organization", "jane", "an incident", office.world.clock.now()))
    assert office.state(ANN) is State.APPROVED
    assert office.carried_out() == ["withdrawn"]
    assert office.world.stands() == BAD


def test_a_decision_whose_hint_was_lost_is_taken_up_again() -> None:
    office = Office()
    assert office.state(ANN) is State.APPROVED
    office.world.hints.sent = []  # lost
    office.world.clock.sleep(120)
    world = office.world
    due = finish_started(DueQuestions(office), world.ledger, FakeBus(), world.hints, ORGANIZATION, world.clock)
    assert due.cases >= 1
    assert office.carried_out() == ["reverted"]


class DueQuestions:
    """The agenda as the ledger's table has it: questions stand on it as cases do (tests/contract/test_questions.py)."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def due(self, _now: object, _most: int) -> list[Due]:
        now = self._office.world.clock.now()
        return [Due(f"QUESTION:{each.id}", now, each.role_ref) for each in self._office.world.questions.kept.values()]

    def put_off(self, _due: object, _until: object) -> None:
        return None


def test_nobody_answers_people_are_reminded_and_it_ends() -> None:
    office = Office(replace_deciders(quorum=2, escalate_to=("directors",)))
    assert office.state(ANN) is State.OPEN
    follow = f"QUESTION:{office.question().id}"

    def look(hours: float) -> list[str]:
        world = office.world
        world.clock.time = office.question().asked_at + timedelta(hours=hours)
        hint = Hint(PROD, Cause.TRUST, "due", "due-1", world.clock.now(), role_name="payments", follows=follow)
        return world.react(hint_as_text(hint))

    assert look(1) == ["waiting"]
    assert look(4) == ["open"]
    assert look(8) == ["open"]
    assert office.question().escalated_at is not None
    assert look(24) == ["expired"]
    assert [each.detail_type for each in office.world.questions.announced.values()] == [
        "DecisionAwaited",
        "DecisionAwaited",
        "DecisionAwaited",
        "DecisionExpired",
    ]
    assert office.state(JOE) is State.OPEN  # asked anew: what was said before is over


def test_dying_before_the_commit_leaves_nothing_and_after_it_everything() -> None:
    office = Office()
    office.world.questions.fail_next = [Throttled("slower")]
    with pytest.raises(Throttled):
        office.say(ANN)
    assert office.world.questions.kept == {}
    assert office.world.hints.sent == []
    assert office.state(ANN) is State.APPROVED


def test_somebody_who_is_not_in_the_file_s_groups_decides_nothing() -> None:
    office = Office(APPROVE._replace(deciders=()))
    refusal = office.say(ANN)
    assert isinstance(refusal, Refusal)
    assert "nobody" in refusal.because


def test_what_is_told_names_no_policy_and_no_reason_of_strangers() -> None:
    office = Office()
    office.state(ANN)
    (told,) = office.world.questions.announced.values()
    schema = json.loads((REPOSITORY / "docs/schemas/doorward.decisions.1.json").read_text("utf-8"))
    Draft202012Validator(schema).validate(told.detail)
    assert "Statement" not in json.dumps(told.detail)
    assert told.detail["yes"] == [ANN.user_id]


def test_conflicts_without_end_are_said() -> None:
    office = Office()
    office.world.questions.fail_next = [Conflict("x")] * 9
    with pytest.raises(Unavailable, match="at the same time"):
        office.say(ANN)


def test_a_yes_is_to_what_becomes_of_this_policy_and_not_of_another_one_that_would_become_the_same() -> None:
    """Between the yes and the write somebody writes another hole; its remedy is the same."""
    office = Office()
    assert office.state(ANN) is State.APPROVED
    office.world.roles.put(role(ALL_BAD))
    office.world.clock.sleep(5)
    assert office.carried_out() == ["withdrawn"]
    assert office.world.roles.writes == []
    assert all("approver" not in each.detail for each in office.world.ledger.cases.values())


class Asked(Office):
    """In mode enforce, a finding that nobody made just now: people are asked, and nothing is written without them."""

    def __init__(self) -> None:
        super().__init__(ENFORCED, GOOD)
        self.world.roles.put(role(BAD))
        hint = Hint(PROD, Cause.FACTS, "A fact changed.", "facts-1", self.world.clock.now(), role_name="payments")
        self.outcome = self.world.react(hint_as_text(hint))
        self.world.hints.sent, self.world.hints.after = [], []


def test_what_people_said_yes_to_is_all_that_a_yes_has_written_where_the_rest_was_only_asked() -> None:
    office = Asked()
    assert office.outcome == ["asked"]
    assert office.state(ANN) is State.APPROVED
    question = office.question()
    office.world.questions.kept[PAYMENTS, question.id] = question._replace(detail={**question.detail, "policy_hash": "0" * 64})
    assert office.carried_out() == ["withdrawn"]
    assert office.world.roles.writes == []


def test_to_accept_what_stands_has_nothing_written_where_it_breaks_a_guardrail() -> None:
    office = Asked()
    role_of_ref = office.world.roles.roles.get
    shown = show_baseline(PAYMENTS, role_of_ref, office.tools)
    assert not isinstance(shown, Refusal)
    for each in (ANN, JOE):
        accept_baseline(PAYMENTS, Caller(each, Via.SIGV4), Answer(ACCEPT, True, str(shown["shown"]), "ok"), role_of_ref, office.tools)
    assert office.carried_out() == ["withdrawn"]
    assert office.world.roles.writes == []


def test_at_the_end_of_a_hold_what_was_only_asked_about_still_is() -> None:
    office = Asked()
    until = (office.world.clock.now() + timedelta(hours=1)).replace(microsecond=0)
    for each in (ANN, JOE):
        hold_role(Hold(PAYMENTS, until, "wait"), Caller(each, Via.SIGV4), office.world.roles.roles.get, office.tools)
    assert office.carried_out() == ["done"]
    assert office.case.due_at == until
    office.world.clock.time = until + timedelta(seconds=2)
    hint = Hint(PROD, Cause.TRUST, "due", office.case.id, office.world.clock.now(), role_name="payments", follows=office.case.id)
    assert office.world.react(hint_as_text(hint)) == ["asked"]
    assert office.world.roles.writes == []
    assert office.case.due_at is None


def test_what_was_said_by_a_way_before_it_was_suspended_never_counts_again() -> None:
    """The forger waits until the suspension is over."""
    office = Office(replace_deciders(quorum=2))
    assert office.state(ANN, via=Via.SLACK) is State.OPEN
    office.world.clock.sleep(600)
    office.ways = {Via.SIGV4: EVER, Via.SLACK: office.world.clock.now()}
    assert office.state(JOE) is State.OPEN
    office.world.clock.sleep(1)
    assert office.question().yes == {JOE.user_id}
    assert office.state(ANN, via=Via.SLACK) is State.APPROVED  # she herself says it again


def test_who_may_not_any_more_when_it_is_to_be_done_has_not_said_yes() -> None:
    for losing in ("right", "way"):
        office = Office()
        assert office.state(ANN, via=Via.SLACK) is State.APPROVED
        if losing == "right":
            del office.standings[ANN.user_id]
        else:
            office.ways = {Via.SIGV4: EVER}
        assert office.carried_out() == ["open"]
        assert office.world.roles.writes == []
        office.standings[JOE.user_id] = Standing(JOE.user_name, frozenset({"security"}))
        assert office.state(JOE) is State.APPROVED
        assert office.carried_out() == ["reverted"]


def test_what_nobody_decided_in_time_or_could_not_be_done_can_be_asked_anew() -> None:
    office = Office(replace_deciders(quorum=2))
    assert office.state(ANN) is State.OPEN
    first = office.question().id
    office.world.clock.sleep(25 * 3600)
    hint = Hint(PROD, Cause.TRUST, "due", "due-1", office.world.clock.now(), role_name="payments", follows=f"QUESTION:{first}")
    assert office.world.react(hint_as_text(hint)) == ["expired"]
    assert office.state(ANN) is State.OPEN
    office.world.brakes.stops.append(Stop("organization", "jane", "an incident", office.world.clock.now()))
    assert office.state(JOE) is State.APPROVED
    assert office.carried_out() == ["withdrawn"]
    office.world.brakes.stops.clear()
    assert office.state(ANN) is State.OPEN
    assert office.state(JOE) is State.APPROVED
    assert office.carried_out() == ["reverted"]
    assert len({each.id for each in office.world.questions.kept.values()}) == 3
