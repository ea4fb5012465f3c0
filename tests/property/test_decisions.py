"""Whatever is said, by whom, in whatever order: nothing is approved without those whom it takes."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from doorward.decisions.answering import answer, confirmed, ended, is_enough, reminded
from doorward.decisions.model import EVER, Consent, Question, State, Terms, Vote
from doorward.people.model import Caller, Machine, Person, Refusal, Via

START = datetime(2026, 7, 1, tzinfo=UTC)
GROUPS = ("security", "directors", "developers")
PEOPLE = tuple(Person(f"906-{number}", f"u{number}", f"U{number}") for number in range(5))

consents = st.builds(
    Consent,
    st.frozensets(st.sampled_from(GROUPS)),
    st.integers(-1, 3),
    st.booleans(),
    st.booleans(),
    st.frozensets(st.sampled_from(GROUPS)),
)
terms = st.builds(
    Terms,
    approvers=st.frozensets(st.sampled_from(GROUPS)),
    quorum=st.integers(-1, 3),
    by_sigv4=st.booleans(),
    answer_within=st.just(timedelta(hours=24)),
    remind_every=st.just(timedelta(hours=4)),
    escalate_after=st.just(timedelta(hours=8)),
    escalate_to=st.frozensets(st.sampled_from(GROUPS)),
    also=st.frozensets(consents, max_size=2),
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
        found = answer(question, caller, groups, seen, dict.fromkeys(ways, EVER), now, yes=yes)
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
        assert is_enough(question.terms, question.votes, escalated=question.escalated_at is not None)
        assert len(question.yes) >= max(question.terms.quorum, 1)
        gone = data.draw(st.sets(st.sampled_from([each.user_id for each in PEOPLE])))
        turned_out = data.draw(st.frozensets(st.sampled_from([each.user_id for each in PEOPLE])))
        question = question._replace(parties=question.parties | turned_out)

        def now_in(user_id: str) -> tuple[str, ...] | None:
            return None if user_id in gone else GROUPS

        again = confirmed(question, now_in, dict.fromkeys(Via, EVER))
        assert not again.yes & (gone | turned_out)
        assert (again.state is State.APPROVED) == is_enough(question.terms, again.votes, escalated=question.escalated_at is not None)
        assert (
            confirmed(again, lambda user_id: None if user_id in gone else GROUPS, dict.fromkeys(Via, EVER)) == again
            or again.state is State.OPEN
        )


@given(consents, st.lists(st.tuples(st.frozensets(st.sampled_from(GROUPS)), st.sampled_from(Via)), max_size=4), st.booleans())
def test_a_consent_is_met_as_its_sentence_says_by_trying_everybody_for_every_group(
    consent: Consent, voters: list[tuple[frozenset[str], Via]], escalated: bool
) -> None:
    groups = [each for each, _ in voters]
    votes = [Vote(PEOPLE[number].user_id, via, START, each) for number, (each, via) in enumerate(voters)]
    counting = consent.approvers | (consent.escalate_to if escalated else frozenset())
    wanted = max(consent.quorum, 1)
    if consent.distinct_groups:
        met = any(
            sum(group in each for group, each in zip(order, [groups[at] for at in people], strict=True)) == wanted
            for order in permutations(sorted(counting), wanted)
            for people in permutations(range(len(groups)), wanted)
        )
    else:
        met = sum(bool(each & counting) for each in groups) >= wanted
    met = met and (not consent.by_sigv4 or any(via is Via.SIGV4 for each, via in voters if each & counting))
    terms = Terms(frozenset(), also=frozenset({consent}))
    assert is_enough(terms, votes, escalated=escalated) == met
