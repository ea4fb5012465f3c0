"""What an answer does to a question. Nothing is read or written here: who somebody is and what he may is looked up just before.

| somebody answers                            | the question            | what comes of it                                     |
|---------------------------------------------|-------------------------|------------------------------------------------------|
| whatever                                    | is not open             | turned away: it was decided                          |
| whatever                                    | has ended by the clock  | turned away: too late                                |
| whatever, a machine                         | open                    | turned away: machines never decide                   |
| whatever, by a way that does not count now  | open                    | turned away: which ways do                           |
| whatever, who asked for it or caused it     | open                    | turned away: somebody else has to                    |
| whatever, who is not among those who may    | open                    | turned away: who may                                 |
| whatever, about what he was not shown       | open                    | turned away: look again                              |
| no                                          | open                    | refused                                              |
| yes, and has said so before                 | open                    | as it was, but for the groups that he stands for now |
| yes                                         | open, now enough        | approved                                             |
| yes                                         | open, more are needed   | open, with one more                                  |

What was said by a way that is, or since was, suspended is taken away first. Enough are `quorum` different people, one of them by SigV4
where the terms ask for it, and whomever each consent of `also` asks for. Before what was approved is done, each of them is looked at
again: whose right has gone, or who turned out to have caused it, has not said yes, and what then lacks one is open again.

| a consent asks for                    | met by                                                                              |
|---------------------------------------|-------------------------------------------------------------------------------------|
| `quorum`                              | so many different people who each are in one of its groups                          |
| `quorum`, `distinct_groups`           | so many different people, each standing for a group of his that no other stands for |
| … and `by_sigv4`                      | … one of those who are in one of its groups having signed                           |
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Final

from doorward.decisions.model import Consent, Question, State, Terms, Vote, Ways
from doorward.people.model import Caller, Person, Refusal, Via

_SIGNED: Final = "one decision by the command line or the API, signed with AWS credentials"


def answer(  # noqa: PLR0917 - who says what, about what, knowing what
    question: Question, caller: Caller, groups: Collection[str], seen_hash: str, ways: Ways, now: datetime, *, yes: bool
) -> Question | Refusal:
    """`groups`: those that he is in now. `seen_hash`: of what he was shown. `ways`: those by which an answer counts now."""
    refusal = _turned_away(question, caller, groups, seen_hash, ways, now)
    if refusal is not None:
        return refusal
    assert isinstance(caller.who, Person)  # noqa: S101 - a machine was turned away
    user_id = caller.who.user_id
    if not yes:
        return question._replace(state=State.REFUSED, answer=user_id, refused_at=now, version=question.version + 1)
    vote = Vote(user_id, caller.via, now, _that_count(question.terms, groups))
    counting = tuple(each for each in question.votes if _counts(each, ways))
    before = next((each for each in counting if (each.user_id, each.via) == (user_id, caller.via)), None)
    if before is not None and before.groups == vote.groups:
        return question
    votes = (*(each for each in counting if each is not before), vote)
    state = State.APPROVED if _is_enough(question, votes) else State.OPEN
    return question._replace(votes=votes, state=state, version=question.version + 1)


def _turned_away(  # noqa: PLR0917 - as above
    question: Question, caller: Caller, groups: Collection[str], seen_hash: str, ways: Ways, now: datetime
) -> Refusal | None:
    """The table, from the top."""
    if not question.state.is_open:
        return Refusal(f"This was decided already: {question.state}.", "Look at what came of it; if it has to be decided anew, ask anew.")
    if now >= question.ends_at:
        return Refusal(f"Nobody decided this until {question.ends_at:%Y-%m-%d %H:%M} UTC, and now it is too late.", "Ask anew.")
    if not isinstance(caller.who, Person):
        return Refusal("Machines never decide.", "A person has to, with credentials or an account of his own.")
    if caller.via not in ways:
        return Refusal(f"Decisions by {caller.via} do not count at present.", f"Decide by {' or '.join(sorted(ways)) or 'nothing'}.")
    if caller.who.user_id in question.parties:
        return Refusal("Whoever asked for this, or caused it, does not decide it.", f"Ask another of {_groups(question.terms)}.")
    if not may_answer(question, groups):
        return Refusal(f"Only {_groups(question.terms)} decide this.", "Ask one of them, or whoever keeps the groups, to let you in.")
    if seen_hash != question.shown_hash:
        return Refusal("What is to be decided is not what you were shown.", "Look at it again, and decide about that.")
    return None


def may_answer(question: Question, groups: Collection[str]) -> bool:
    """Whether a member of these groups may; those that it was escalated to, too."""
    escalated = question.terms.escalate_to if question.escalated_at is not None else frozenset[str]()
    return bool((question.terms.approvers | escalated) & set(groups))


def is_enough(terms: Terms, votes: Collection[Vote], *, escalated: bool = False) -> bool:
    """Never of nobody."""
    people = {each.user_id for each in votes}
    return (
        len(people) >= max(terms.quorum, 1)
        and (not terms.by_sigv4 or any(each.via is Via.SIGV4 for each in votes))
        and not any(_missing_of(each, votes, escalated=escalated) for each in terms.also)
    )


def _is_enough(question: Question, votes: Collection[Vote]) -> bool:
    return is_enough(question.terms, votes, escalated=question.escalated_at is not None)


def _counts(vote: Vote, ways: Ways) -> bool:
    return vote.via in ways and vote.at > ways[vote.via]


def _that_count(terms: Terms, groups: Collection[str]) -> frozenset[str]:
    return frozenset(groups) & frozenset().union(*(each.approvers | each.escalate_to for each in terms.also))


def _missing_of(consent: Consent, votes: Collection[Vote], *, escalated: bool) -> str:
    """In words; "" where it is met."""
    counting = consent.approvers | consent.escalate_to if escalated else consent.approvers
    counted = [each for each in votes if each.groups & counting]
    groups_of: dict[str, frozenset[str]] = {}
    for each in counted:
        groups_of[each.user_id] = groups_of.get(each.user_id, frozenset()) | each.groups & counting
    found = _most_stand_for_groups(groups_of) if consent.distinct_groups else len(groups_of)
    more = max(consent.quorum, 1) - found
    if more > 0:
        return f"{more} more of {_groups(consent)}" + (", each for another group" if consent.distinct_groups else "")
    if consent.by_sigv4 and not any(each.via is Via.SIGV4 for each in counted):
        return f"{_SIGNED} by one of {_groups(consent)}"
    return ""


def _most_stand_for_groups(groups_of: Mapping[str, frozenset[str]]) -> int:
    """How many people can each stand for a group of his own: the largest matching, by paths that let somebody change his group."""
    stands_for: dict[str, str] = {}

    def finds_one(user_id: str, tried: set[str]) -> bool:
        for group in sorted(groups_of[user_id] - tried):
            tried.add(group)
            if group not in stands_for or finds_one(stands_for[group], tried):
                stands_for[group] = user_id
                return True
        return False

    return sum(finds_one(user_id, set()) for user_id in groups_of)


def what_is_missing(question: Question) -> str:
    """A sentence for people, "" where nothing is."""
    terms, votes = question.terms, question.votes
    escalated = question.escalated_at is not None
    missing = sorted(filter(None, (_missing_of(each, votes, escalated=escalated) for each in terms.also)))
    more = max(terms.quorum, 1) - len(question.yes)
    if more > 0 and not missing:
        missing = [f"{more} more of {_groups(terms)}"]
    if terms.by_sigv4 and not any(each.via is Via.SIGV4 for each in votes):
        missing.append(_SIGNED)
    return " and ".join(missing)


def confirmed(question: Question, groups_now: Callable[[str], Collection[str] | None], ways: Ways) -> Question:
    """An approved one, looked at again: approved still, or open without the votes that do not count any more.

    `groups_now`: of a person, by his id; None where he is gone or disabled.
    """
    votes = tuple(
        each._replace(groups=_that_count(question.terms, groups))
        for each in question.votes
        if _counts(each, ways) and each.user_id not in question.parties and may_answer(question, groups := groups_now(each.user_id) or ())
    )
    if votes == question.votes and _is_enough(question, votes):
        return question
    state = State.APPROVED if _is_enough(question, votes) else State.OPEN
    return question._replace(votes=votes, state=state, version=question.version + 1)


def ended(question: Question, now: datetime) -> Question | None:
    """As it is once its time is over; None before. What was approved in time is not over."""
    if not question.state.is_open or now < question.ends_at:
        return None
    return question._replace(state=State.EXPIRED, version=question.version + 1)


def reminded(question: Question, now: datetime) -> Question | None:
    """As it is once people were reminded, or it was escalated; None where neither is due."""
    if not question.state.is_open or now >= question.ends_at:
        return None
    terms = question.terms
    if question.escalated_at is None and terms.escalate_to and now >= question.asked_at + terms.escalate_after:
        return question._replace(escalated_at=now, reminded_at=now, version=question.version + 1)
    if now >= (question.reminded_at or question.asked_at) + terms.remind_every:
        return question._replace(reminded_at=now, version=question.version + 1)
    return None


def next_turn(question: Question) -> datetime:
    """When one that is open is to be looked at again, to remind people, to escalate it, or to end it."""
    terms = question.terms
    when = [question.ends_at, (question.reminded_at or question.asked_at) + terms.remind_every]
    if terms.escalate_to and question.escalated_at is None:
        when.append(question.asked_at + terms.escalate_after)
    return min(when)


def _groups(asked: Terms | Consent) -> str:
    return " or ".join(sorted(asked.approvers)) or "nobody (no group of approvers is configured)"
