"""Each row of the table of answers, and of what makes enough of them."""

from datetime import UTC, datetime, timedelta

import pytest

from doorward.decisions.answering import answer, confirmed, ended, is_enough, next_turn, reminded, what_is_missing
from doorward.decisions.model import EVER, Consent, Question, State, Terms, Vote, Ways
from doorward.people.model import Caller, Machine, Person, Refusal, Via

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
EVERY_WAY = dict.fromkeys(Via, EVER)
JANE, JOE, ANN = (Person(f"906-{name}", f"{name}@acme.example", name.title()) for name in ("jane", "joe", "ann"))
TERMS = Terms(approvers=frozenset({"security"}))
QUESTION = Question("q-1", "finding dw-1", "777788889999/payments", "apply", "cafe", TERMS, NOW, "doorward", "mode approve")


def by(person: Person | Machine, via: Via = Via.SIGV4) -> Caller:
    return Caller(person, via)


def said(
    question: Question,
    caller: Caller,
    *,
    groups: tuple[str, ...] = ("security",),
    seen: str = "cafe",
    ways: Ways = EVERY_WAY,
    now: datetime = NOW,
    yes: bool = True,
) -> Question | Refusal:
    return answer(question, caller, groups, seen, ways, now, yes=yes)


def yes_of(question: Question, caller: Caller) -> Question:
    found = said(question, caller)
    assert isinstance(found, Question)
    return found


class TestTurnedAway:
    @pytest.mark.parametrize("state", [each for each in State if each is not State.OPEN])
    def test_what_was_decided_is_not_decided_again(self, state: State) -> None:
        assert isinstance(said(QUESTION._replace(state=state), by(JANE)), Refusal)
        assert isinstance(said(QUESTION._replace(state=state), by(JANE), yes=False), Refusal)

    def test_a_minute_too_late_is_too_late(self) -> None:
        assert isinstance(said(QUESTION, by(JANE), now=QUESTION.ends_at - timedelta(seconds=1)), Question)
        refusal = said(QUESTION, by(JANE), now=QUESTION.ends_at)
        assert isinstance(refusal, Refusal)
        assert "too late" in refusal.because

    def test_a_machine_never_decides_whatever_groups_it_is_said_to_be_in(self) -> None:
        refusal = said(QUESTION, by(Machine("arn:aws:iam::444455556666:role/ci/deployer")))
        assert refusal == Refusal("Machines never decide.", "A person has to, with credentials or an account of his own.")

    def test_a_way_that_does_not_count_now(self) -> None:
        refusal = said(QUESTION, by(JANE, Via.SLACK), ways={Via.SIGV4: EVER})
        assert isinstance(refusal, Refusal)
        assert refusal.cure == "Decide by sigv4."

    @pytest.mark.parametrize("yes", [True, False])
    def test_whoever_asked_for_it_or_caused_it_neither_allows_nor_refuses_it(self, yes: bool) -> None:
        question = QUESTION._replace(parties=frozenset({JANE.user_id}))
        for via in Via:
            assert isinstance(said(question, by(JANE, via), yes=yes), Refusal)
        assert isinstance(said(question, by(JANE._replace(user_name="JANE@ACME.example", email="other@x")), yes=yes), Refusal)
        assert isinstance(said(question, by(JOE), yes=yes), Question)

    @pytest.mark.parametrize("groups", [(), ("Security",), ("security ",), ("developers",)])
    def test_who_is_not_among_those_who_may(self, groups: tuple[str, ...]) -> None:
        refusal = said(QUESTION, by(JANE), groups=groups)
        assert isinstance(refusal, Refusal)
        assert "Only security decide this" in refusal.because

    def test_where_no_group_may_nobody_may(self) -> None:
        question = QUESTION._replace(terms=Terms(approvers=frozenset()))
        assert isinstance(said(question, by(JANE), groups=("", "security")), Refusal)

    @pytest.mark.parametrize("yes", [True, False])
    def test_what_he_was_not_shown_he_does_not_decide(self, yes: bool) -> None:
        assert isinstance(said(QUESTION, by(JANE), seen="beef", yes=yes), Refusal)


class TestEnough:
    def test_one_no_is_for_good(self) -> None:
        refused = said(QUESTION._replace(terms=TERMS._replace(quorum=3)), by(JANE), yes=False)
        assert isinstance(refused, Question)
        assert (refused.state, refused.answer, refused.version) == (State.REFUSED, JANE.user_id, 2)
        assert isinstance(said(refused, by(JOE)), Refusal)

    def test_one_yes_where_one_is_enough(self) -> None:
        approved = yes_of(QUESTION, by(JANE, Via.SLACK))
        assert (approved.state, approved.votes) == (State.APPROVED, (Vote(JANE.user_id, Via.SLACK, NOW),))

    def test_a_double_click_is_one_yes(self) -> None:
        two = QUESTION._replace(terms=TERMS._replace(quorum=2))
        once = yes_of(two, by(JANE))
        assert yes_of(once, by(JANE)) is once
        assert yes_of(once, by(JANE, Via.SLACK)).state is State.OPEN
        assert yes_of(once, by(JOE)).state is State.APPROVED

    def test_two_slack_accounts_of_one_person_are_one_person(self) -> None:
        two = QUESTION._replace(terms=TERMS._replace(quorum=2))
        renamed = JANE._replace(user_name="jane.smith@acme.example", display_name="Jane Smith")
        assert yes_of(yes_of(two, by(JANE, Via.SLACK)), by(renamed, Via.SLACK)).state is State.OPEN

    def test_by_slack_alone_it_waits_where_a_signature_is_asked_for(self) -> None:
        question = QUESTION._replace(terms=TERMS._replace(by_sigv4=True))
        waiting = yes_of(question, by(JANE, Via.SLACK))
        assert waiting.state is State.OPEN
        assert what_is_missing(waiting) == "one decision by the command line or the API, signed with AWS credentials"
        assert yes_of(waiting, by(JANE)).state is State.APPROVED

    def test_nobody_is_never_enough(self) -> None:
        assert not is_enough(TERMS._replace(quorum=0), ())
        assert not is_enough(TERMS._replace(quorum=-1), ())

    def test_what_is_missing_is_said(self) -> None:
        question = QUESTION._replace(terms=TERMS._replace(quorum=2, by_sigv4=True))
        assert what_is_missing(question).startswith("2 more of security and one decision by the command line")
        assert what_is_missing(yes_of(question, by(JANE))) == "1 more of security"


class TestAgain:
    APPROVED = yes_of(yes_of(QUESTION._replace(terms=TERMS._replace(quorum=2)), by(JANE)), by(JOE))

    def test_it_stands_while_everybody_may(self) -> None:
        assert confirmed(self.APPROVED, lambda _id: ("security",), EVERY_WAY) is self.APPROVED

    @pytest.mark.parametrize("joe", [None, (), ("developers",)])
    def test_whose_right_has_gone_has_not_said_yes(self, joe: tuple[str, ...] | None) -> None:
        again = confirmed(self.APPROVED, lambda user_id: joe if user_id == JOE.user_id else ("security",), EVERY_WAY)
        assert (again.state, again.yes, again.version) == (State.OPEN, frozenset({JANE.user_id}), self.APPROVED.version + 1)
        assert yes_of(again, by(ANN)).state is State.APPROVED

    def test_a_way_that_was_revoked_meanwhile_takes_its_votes_along(self) -> None:
        by_slack = yes_of(QUESTION, by(JANE, Via.SLACK))
        assert confirmed(by_slack, lambda _id: ("security",), {Via.SIGV4: EVER}).state is State.OPEN

    def test_who_turned_out_to_be_a_party_has_not_said_yes(self) -> None:
        again = confirmed(self.APPROVED._replace(parties=frozenset({JOE.user_id})), lambda _id: ("security",), EVERY_WAY)
        assert (again.state, again.yes) == (State.OPEN, frozenset({JANE.user_id}))

    def test_one_more_than_needed_may_fall_away(self) -> None:
        question = self.APPROVED._replace(terms=TERMS)
        again = confirmed(question, lambda user_id: ("security",) if user_id == JOE.user_id else None, EVERY_WAY)
        assert (again.state, again.yes) == (State.APPROVED, frozenset({JOE.user_id}))


class TestTime:
    def test_an_open_one_ends_and_an_approved_one_does_not(self) -> None:
        assert ended(QUESTION, QUESTION.ends_at - timedelta(seconds=1)) is None
        over = ended(QUESTION, QUESTION.ends_at)
        assert over is not None
        assert over.state is State.EXPIRED
        assert ended(yes_of(QUESTION, by(JANE)), QUESTION.ends_at) is None

    def test_people_are_reminded_then_others_are_asked_too(self) -> None:
        question = QUESTION._replace(terms=TERMS._replace(escalate_to=frozenset({"directors"})))
        assert reminded(question, NOW + timedelta(hours=3)) is None
        first = reminded(question, NOW + timedelta(hours=4))
        assert first is not None
        assert (first.reminded_at, first.escalated_at) == (NOW + timedelta(hours=4), None)
        assert reminded(first, NOW + timedelta(hours=5)) is None
        assert isinstance(said(first, by(ANN), groups=("directors",)), Refusal)
        second = reminded(first, NOW + timedelta(hours=8))
        assert second is not None
        assert second.escalated_at == NOW + timedelta(hours=8)
        assert isinstance(said(second, by(ANN), groups=("directors",)), Question)
        assert reminded(second, question.ends_at) is None

    def test_an_open_one_is_looked_at_again_when_the_next_of_it_is_due(self) -> None:
        terms = TERMS._replace(escalate_to=frozenset({"directors"}), escalate_after=timedelta(hours=3), answer_within=timedelta(hours=9))
        question = QUESTION._replace(terms=terms)
        assert next_turn(question) == question.asked_at + timedelta(hours=3)
        assert next_turn(question._replace(terms=terms._replace(escalate_to=frozenset()))) == question.asked_at + timedelta(hours=4)
        again = question._replace(escalated_at=NOW + timedelta(hours=3), reminded_at=NOW + timedelta(hours=3))
        assert next_turn(again) == NOW + timedelta(hours=7)
        assert next_turn(again._replace(reminded_at=NOW + timedelta(hours=7))) == question.ends_at


class TestConsents:
    """What is asked for beside the quorum: rows of the second table."""

    EACH_GROUP = Consent(frozenset({"security", "payments"}), 2, distinct_groups=True)

    def votes(self, **groups: str) -> tuple[Vote, ...]:
        return tuple(Vote(f"906-{name}", Via.SIGV4, NOW, frozenset(each.split())) for name, each in groups.items())

    @pytest.mark.parametrize(
        ("consent", "groups", "met"),
        [
            (Consent(frozenset({"payments"})), {"jane": "security"}, False),
            (Consent(frozenset({"payments"})), {"jane": "payments"}, True),
            (Consent(frozenset({"payments"}), 0), {"jane": "security"}, False),
            (Consent(frozenset({"payments", "security"}), 2), {"jane": "security", "joe": "security"}, True),
            (EACH_GROUP, {"jane": "security", "joe": "security"}, False),
            (EACH_GROUP, {"jane": "security payments"}, False),
            (EACH_GROUP, {"jane": "security payments", "joe": "security"}, True),
            (EACH_GROUP, {"jane": "security payments", "joe": "payments"}, True),  # jane stands for the other one then
            (EACH_GROUP, {"joe": "security", "jane": "security payments"}, True),
            (Consent(frozenset("abc"), 3, distinct_groups=True), {"u": "a b c", "v": "a", "w": "a"}, False),
            (Consent(frozenset("abc"), 3, distinct_groups=True), {"u": "a b", "v": "a b", "w": "a c"}, True),
        ],
    )
    def test_a_consent_is_met_by_its_own_groups_alone(self, consent: Consent, groups: dict[str, str], met: bool) -> None:
        assert is_enough(TERMS._replace(also=frozenset({consent})), self.votes(**groups)) is met

    @pytest.mark.parametrize("vias", [[Via.SIGV4, Via.SLACK], [*Via]])
    def test_one_person_by_several_ways_is_one_person(self, vias: list[Via]) -> None:
        terms = TERMS._replace(also=frozenset({Consent(frozenset({"security"}), 2)}))
        votes = tuple(Vote(JANE.user_id, each, NOW, frozenset({"security"})) for each in vias)
        assert not is_enough(terms, votes)
        assert what_is_missing(QUESTION._replace(terms=terms, votes=votes)) == "1 more of security"
        assert is_enough(terms, (*votes, votes[0]._replace(user_id=JOE.user_id)))

    def test_every_consent_must_be_met_and_one_person_may_meet_several(self) -> None:
        terms = TERMS._replace(also=frozenset({Consent(frozenset({"security"})), Consent(frozenset({"payments"}))}))
        assert not is_enough(terms, self.votes(jane="security"))
        assert is_enough(terms, self.votes(jane="security payments"))

    def test_it_is_signed_by_one_of_its_own_people(self) -> None:
        terms = TERMS._replace(also=frozenset({Consent(frozenset({"payments"}), by_sigv4=True)}))
        jane = Vote("906-jane", Via.SLACK, NOW, frozenset({"payments"}))
        joe = Vote("906-joe", Via.SIGV4, NOW, frozenset({"security"}))
        assert not is_enough(terms, (jane, joe))
        assert is_enough(terms, (jane, joe, jane._replace(via=Via.SIGV4)))
        missing = what_is_missing(QUESTION._replace(terms=terms, votes=(jane, joe)))
        assert missing == "one decision by the command line or the API, signed with AWS credentials by one of payments"

    def test_escalated_groups_count_only_after_the_escalation(self) -> None:
        terms = TERMS._replace(also=frozenset({Consent(frozenset({"payments"}), escalate_to=frozenset({"security"}))}))
        assert not is_enough(terms, self.votes(jane="security"))
        assert is_enough(terms, self.votes(jane="security"), escalated=True)

    def test_who_has_joined_a_group_since_says_yes_once_more_for_it(self) -> None:
        terms = Terms(frozenset({"security", "payments"}), also=frozenset({Consent(frozenset({"payments"}))}))
        waiting = said(QUESTION._replace(terms=terms), by(JANE))
        assert isinstance(waiting, Question)
        assert said(waiting, by(JANE)) is waiting
        approved = said(waiting, by(JANE), groups=("security", "payments"))
        assert isinstance(approved, Question)
        assert (approved.state, [each.groups for each in approved.votes]) == (State.APPROVED, [frozenset({"payments"})])

    def test_whoever_answers_counts_for_the_groups_that_he_is_in_then_and_now(self) -> None:
        question = QUESTION._replace(terms=Terms(frozenset({"security", "payments"}), also=frozenset({self.EACH_GROUP})))
        waiting = said(question, by(JANE), groups=("security", "elsewhere"))
        assert isinstance(waiting, Question)
        assert waiting.votes[0].groups == {"security"}
        assert what_is_missing(waiting) == "1 more of payments or security, each for another group"
        approved = said(waiting, by(JOE), groups=("payments",))
        assert isinstance(approved, Question)
        assert approved.state is State.APPROVED
        assert confirmed(approved, lambda user_id: ("payments",) if user_id == JOE.user_id else ("security",), EVERY_WAY) == approved
        assert confirmed(approved, lambda _id: ("security",), EVERY_WAY).state is State.OPEN
