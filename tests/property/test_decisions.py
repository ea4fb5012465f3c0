"""Whatever is said, by whom, in whatever order: nothing is approved without those whom it takes."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from doorward.decisions.answering import answer, confirmed, ended, is_enough, reminded
from doorward.decisions.model import Question, State, Terms
from doorward.people.model import Caller, Machine, Person, Refusal, Via

START = datetime(2026, 7, 1, tzinfo=UTC)
GROUPS = ("security", "directors", "developers")
PEOPLE = tuple(Person(f"906-{number}", f"u{number}", f"U{number}") for number in range(5))

terms = st.builds(
    Terms,
    approvers=st.frozensets(st.sampled_from(GROUPS)),
    quorum=st.integers(-1, 3),
    by_sigv4=st.booleans(),
    answer_within=st.just(timedelta(hours=24)),
    remind_every=st.just(timedelta(hours=4)),
    escalate_after=st.just(timedelta(hours=8)),
    escalate_to=st.frozensets(st.sampled_from(GROUPS)),
)
questions = st.builds(
    lambda its_terms, parties: Question("q", "finding x", "r", "apply", "cafe", its_terms, START, "doorward", "", frozenset(parties)),
    terms,
    st.sets(st.sampled_from([each.user_id for each in PEOPLE])),
)
callers = st.builds(Caller, st.sampled_from([*PEOPLE, Machine("arn:aws:iam::444455556666:role/ci")]), st.sampled_from(Via))
said = st.tuples(
    callers,
    st.sets(st.sampled_from(GROUPS)),
    st.sampled_from(["cafe", "cafe", "beef"]),
    st.sets(st.sampled_from(Via)),
    st.integers(0, 30),
    st.sampled_from([True, True, True, False]),
)


@given(questions, st.lists(said, max_size=15), st.data())
def test_whatever_is_said_nothing_is_approved_without_those_whom_it_takes(
    question: Question, everything: list[tuple[Caller, set[str], str, set[Via], int, bool]], data: st.DataObject
) -> None:
    valid: set[str] = set()
    now = START
    for caller, groups, seen, ways, hours, yes in everything:
        now = max(now, START + timedelta(hours=hours))
        before = question
        question = ended(question, now) or reminded(question, now) or question
        found = answer(question, caller, groups, seen, ways, now, yes=yes)
        if isinstance(found, Refusal):
            assert found.because
            assert found.cure
        else:
            assert isinstance(caller.who, Person)
            assert seen == question.shown_hash
            may = question.terms.approvers | (question.terms.escalate_to if question.escalated_at else frozenset())
            assert groups & may
            valid |= {caller.who.user_id} if yes else set()
            question = found
        assert (question.version > before.version) == (question != before)
    assert question.yes <= valid - question.parties
    if question.state is State.APPROVED:
        assert is_enough(question.terms, question.votes)
        assert len(question.yes) >= max(question.terms.quorum, 1)
        gone = data.draw(st.sets(st.sampled_from([each.user_id for each in PEOPLE])))
        again = confirmed(question, lambda user_id: None if user_id in gone else GROUPS, frozenset(Via))
        assert not again.yes & gone
        assert (again.state is State.APPROVED) == is_enough(question.terms, again.votes)
        assert confirmed(again, lambda user_id: None if user_id in gone else GROUPS, frozenset(Via)) == again or again.state is State.OPEN
