"""A question is asked where it was not yet, an answer to it counted, and what was approved handed on to the reaction.

Who somebody is, and which groups he is in, was looked up by whoever calls. What is approved is done under the role's lock.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from doorward.decisions.answering import answer, confirmed, what_is_missing
from doorward.decisions.model import Answer, Question, State, Ways
from doorward.decisions.telling import DETAIL_TYPES, question_as_json
from doorward.errors import Conflict, Unavailable
from doorward.events.hints import Hint
from doorward.events.model import Cause
from doorward.findings.model import Severity
from doorward.guardrails.model import Guardrails, Role
from doorward.guardrails.terms import terms_for
from doorward.organization.model import Organization
from doorward.people.model import Caller, Person, Refusal
from doorward.ports.clock import Clock
from doorward.ports.hints import Hints
from doorward.ports.ledger import Announcement, Ledger
from doorward.ports.questions import FOLLOWS_QUESTION, Questions
from doorward.usecases.identify_caller import YOU_ARE_GONE

_MOST_ASKED: Final = 20
"""As often one thing is asked about; then the last one stands."""
_TRIES: Final = 5
"""Of so many people who answer in the same moment, all are counted."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody is now: his name, and the groups that he is in."""

    name: str
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Tools:
    """`standing`: of a person, by his id, as it is now; None where he is gone or disabled. `ways`: by which answers count, and since when.

    `behind`: ids of the people who are known to be behind a CloudTrail actor (of a case's detail); empty where nobody knows.
    """

    ledger: Ledger
    questions: Questions
    hints: Hints
    clock: Clock
    organization: Organization
    guardrails: Guardrails
    standing: Callable[[str], Standing | None]
    behind: Callable[[Mapping[str, Any]], frozenset[str]]
    ways: Callable[[], Ways]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is decided. `about`: the object, in the audit's words. `shown`: stands for all that people are shown of it.

    `actors`: who caused it, or had a hand in it, as the detail of a case has them; empty where nobody knows, None where nobody did.
    `detail`: what it takes to carry it out.
    """

    about: str
    role: Role
    shown: str
    severity: Severity
    actors: Sequence[Mapping[str, Any]] | None
    detail: Mapping[str, str] = field(default_factory=dict)


def decide(subject: Subject, caller: Caller, said: Answer, tools: Tools) -> Question | Refusal:
    """Raises Unavailable, also where too many answer in one moment."""
    if not isinstance(caller.who, Person):
        return Refusal("Machines never decide.", "A person has to, with credentials or an account of his own.")
    standing = tools.standing(caller.who.user_id)
    if standing is None:
        return YOU_ARE_GONE
    for _ in range(_TRIES):
        last, asked_as = asked_about(subject.role.ref, subject.shown, tools.questions)
        question = _new(asked_as, subject, said, tools)
        if last is not None and not asked_as:
            question = _with_what_is_known_now(last, question)
        try:
            return _answered(question, caller, standing, said, tools)
        except Conflict:
            continue
    raise Unavailable(f"{subject.about}: too many people decide about this at the same time; try again")


def asked_about(role_ref: str, shown: str, questions: Questions) -> tuple[Question | None, str]:
    """What was asked about this last, and the id of the next question about it; "" where that one still stands, or was decided.

    The id is the same for the same thing to decide: two who ask at once ask one question. What nobody decided in time, or what was approved
    and not done, can be asked anew.
    """
    last: Question | None = None
    for number in range(_MOST_ASKED):
        asked_as = f"q-{shown[:20]}" if number == 0 else f"q-{sha256(f'{shown}/{number}'.encode()).hexdigest()[:20]}"
        asked = questions.question(role_ref, asked_as)
        if asked is None:
            return last, asked_as
        if asked.state not in {State.EXPIRED, State.WITHDRAWN}:
            return asked, ""
        last = asked
    return last, ""


def _with_what_is_known_now(asked: Question, new: Question) -> Question:
    """Who caused it may be known since it was asked, or turn out not to be: it never takes less than it did."""
    terms = asked.terms._replace(quorum=max(asked.terms.quorum, new.terms.quorum))
    return asked._replace(parties=asked.parties | new.parties, terms=terms)


def _new(asked_as: str, subject: Subject, said: Answer, tools: Tools) -> Question:
    parties, author_is_known = _who_caused(subject, tools)
    account = tools.organization.account(subject.role.account_id)
    terms = terms_for(said.what, subject.severity, subject.role, account, tools.guardrails, author_is_known=author_is_known)
    return Question(
        id=asked_as,
        about=subject.about,
        role_ref=subject.role.ref,
        what=said.what,
        shown_hash=subject.shown,
        terms=terms,
        asked_at=tools.clock.now(),
        asked_by="doorward",
        because=said.reason,
        parties=parties,
        detail={**subject.detail, "severity": str(subject.severity)},
        version=0,  # not kept yet
    )


def _who_caused(subject: Subject, tools: Tools) -> tuple[frozenset[str], bool]:
    """Whoever may have is a party. Known is only who is known to have written what stands, and all who did."""
    if subject.actors is None:
        return frozenset(), True
    behind = [tools.behind(each) for each in subject.actors]
    wrote = [people for each, people in zip(subject.actors, behind, strict=True) if each.get("wrote_what_stands")]
    return frozenset().union(*behind), bool(wrote) and all(wrote)


def _answered(question: Question, caller: Caller, standing: Standing, said: Answer, tools: Tools) -> Question | Refusal:
    now = tools.clock.now()
    found = answer(question, caller, standing.groups, said.seen, tools.ways(), now, yes=said.yes)
    if isinstance(found, Refusal) or found == question:
        return found
    assert isinstance(caller.who, Person)  # noqa: S101 - a machine was turned away
    if found.state is State.APPROVED:
        found = looked_at_again(found, tools)
    announcement = Announcement(f"{found.id}-{found.version}", DETAIL_TYPES[found.state], question_as_json(found, _because(found)), now)
    by = f"{caller.who.user_id} {caller.via}"
    if question.version == 0:
        if not tools.questions.ask(found, by, announcement):
            raise Conflict(f"{found.id}: somebody else asked first")
    else:
        tools.questions.move(found, "yes" if said.yes else "no", by, now, announcement)
    if found.state is State.APPROVED:
        _hand_on(found, tools)
    return found


def looked_at_again(question: Question, tools: Tools) -> Question:
    """Who of those who said yes may still, and their names. An event may have told since who caused it."""
    question = question._replace(parties=question.parties.union(*map(tools.behind, _actors_now(question, tools))))
    standings = {user_id: tools.standing(user_id) for user_id in question.yes}
    again = confirmed(question, lambda user_id: _groups(standings[user_id]), tools.ways())
    names = sorted(each.name for user_id, each in standings.items() if each is not None and user_id in again.yes)
    return again._replace(version=question.version, detail={**question.detail, "by": ", ".join(names)})


def _actors_now(question: Question, tools: Tools) -> Sequence[Mapping[str, Any]]:
    """Of the finding that is decided about, or that stands in the role which is."""
    kind, _, finding_id = question.about.partition(" ")
    case_id = finding_id if kind == "finding" else tools.ledger.head(question.role_ref).case_id
    case = None if case_id is None else tools.ledger.case(question.role_ref, case_id)
    return () if case is None else case.actors


def _groups(standing: Standing | None) -> frozenset[str] | None:
    return None if standing is None else standing.groups


def _hand_on(question: Question, tools: Tools) -> None:
    """Whoever dies before this leaves it on the agenda."""
    account_id, _, name = question.role_ref.partition("/")
    now = tools.clock.now()
    follows = f"{FOLLOWS_QUESTION}{question.id}"
    tools.hints.send([Hint(account_id, Cause.TRUST, "People said yes.", question.id, now, role_name=name, follows=follows)])


def _because(question: Question) -> str:
    if question.state is State.REFUSED:
        return "Somebody said no."
    if question.state is State.APPROVED:
        return "It is approved, and is done now if it still stands."
    return f"One said yes; it still takes {what_is_missing(question)}."
