"""People decide about a finding: the question is asked where it was not yet, the answer counted, and what was approved handed on.

Who somebody is, and which groups he is in, was looked up by whoever calls. What is approved is done by the reaction, under the role's lock.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from doorward.decisions.answering import answer, confirmed, what_is_missing
from doorward.decisions.model import Answer, Question, State
from doorward.decisions.telling import DETAIL_TYPES, question_as_json
from doorward.errors import Conflict, Unavailable
from doorward.events.hints import Hint
from doorward.events.model import Cause
from doorward.findings.model import Severity
from doorward.guardrails.model import Guardrails, Role
from doorward.guardrails.terms import terms_for
from doorward.organization.model import Organization
from doorward.people.model import Caller, Person, Refusal, Via
from doorward.ports.clock import Clock
from doorward.ports.hints import Hints
from doorward.ports.ledger import Announcement, Case, Ledger
from doorward.ports.questions import FOLLOWS_QUESTION, Questions

APPLY: Final = "apply"
DECISIONS: Final = (APPLY,)
"""What can be decided about a finding."""
_TRIES: Final = 5
"""Of so many people who answer in the same moment, all are counted."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody is now: his name, and the groups that he is in."""

    name: str
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Tools:
    """`standing`: of a person, by his id, as it is now; None where he is gone or disabled. `ways`: by which answers count now.

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
    ways: Callable[[], Collection[Via]]


def shown_hash(case: Case, what: str) -> str | None:
    """Stands for all that is to be decided; None where this cannot be decided about the case. Another policy, or remedy, is another."""
    proposal = case.detail.get("proposal")
    if what != APPLY or proposal is None:
        return None
    return sha256(f"{what}/{case.id}/{case.found_hash}/{proposal['hash']}".encode()).hexdigest()


def decide_finding(finding_id: str, caller: Caller, said: Answer, tools: Tools) -> Question | Refusal:
    """Raises Unavailable, also where too many answer in one moment."""
    role_ref = tools.ledger.role_ref_of(finding_id)
    case = None if role_ref is None else tools.ledger.case(role_ref, finding_id)
    if case is None or not case.status.is_open:
        return Refusal("This finding does not stand (any more).", "List the findings that do.")
    shown = shown_hash(case, said.what)
    if shown is None:
        return Refusal(
            f"There is nothing to {said.what}: no remedy was proved.", "Mend the policy by hand; the finding ends by itself then."
        )
    if not isinstance(caller.who, Person):
        return Refusal("Machines never decide.", "A person has to, with credentials or an account of his own.")
    standing = tools.standing(caller.who.user_id)
    if standing is None:
        return Refusal("You are not (any more) an enabled user of Identity Center.", "Ask whoever administers it.")
    for _ in range(_TRIES):
        question = tools.questions.question(case.role_ref, question_id(shown)) or _new(case, shown, said, tools)
        try:
            return _answered(question, caller, standing, said, tools)
        except Conflict:
            continue
    raise Unavailable(f"{finding_id}: too many people decide about this at the same time; try again")


def question_id(shown: str) -> str:
    """The same for the same thing to decide: two who ask at once ask one question."""
    return f"q-{shown[:20]}"


def _new(case: Case, shown: str, said: Answer, tools: Tools) -> Question:
    account_id, _, name = case.role_ref.partition("/")
    arn = str(case.detail["role"])
    role = Role(account_id, name, _path_of(arn), arn, case.role_id, case.found_document)
    parties = tools.behind(case.detail["actor"])
    terms = terms_for(
        said.what,
        Severity(case.detail["severity"]),
        role,
        tools.organization.account(account_id),
        tools.guardrails,
        author_is_known=bool(parties),
    )
    return Question(
        id=question_id(shown),
        about=f"finding {case.id}",
        role_ref=case.role_ref,
        what=said.what,
        shown_hash=shown,
        terms=terms,
        asked_at=tools.clock.now(),
        asked_by="doorward",
        because=said.reason,
        parties=parties,
        detail={"policy_hash": case.detail["proposal"]["hash"], "severity": str(case.detail["severity"])},
        version=0,  # not kept yet
    )


def _answered(question: Question, caller: Caller, standing: Standing, said: Answer, tools: Tools) -> Question | Refusal:
    now = tools.clock.now()
    found = answer(question, caller, standing.groups, said.seen, tools.ways(), now, yes=said.yes)
    if isinstance(found, Refusal) or found == question:
        return found
    assert isinstance(caller.who, Person)  # noqa: S101 - a machine was turned away
    if found.state is State.APPROVED:
        found = _looked_at_again(found, tools)
    announcement = Announcement(
        f"{found.id}-{found.version}", DETAIL_TYPES[found.state], question_as_json(found, _because(found, said)), now
    )
    by = f"{caller.who.user_id} {caller.via}"
    if question.version == 0:
        if not tools.questions.ask(found, by, announcement):
            raise Conflict(f"{found.id}: somebody else asked first")
    else:
        tools.questions.move(found, "yes" if said.yes else "no", by, now, announcement)
    if found.state is State.APPROVED:
        _hand_on(found, tools)
    return found


def _looked_at_again(question: Question, tools: Tools) -> Question:
    """Who of those who said yes may still, and their names."""
    standings = {user_id: tools.standing(user_id) for user_id in question.yes}
    again = confirmed(question, lambda user_id: _groups(standings[user_id]), tools.ways())
    names = sorted(each.name for user_id, each in standings.items() if each is not None and user_id in again.yes)
    return again._replace(version=question.version, detail={**question.detail, "by": ", ".join(names)})


def _groups(standing: Standing | None) -> frozenset[str] | None:
    return None if standing is None else standing.groups


def _hand_on(question: Question, tools: Tools) -> None:
    """Whoever dies before this leaves it on the agenda."""
    account_id, _, name = question.role_ref.partition("/")
    now = tools.clock.now()
    follows = f"{FOLLOWS_QUESTION}{question.id}"
    tools.hints.send([Hint(account_id, Cause.TRUST, "People said yes.", question.id, now, role_name=name, follows=follows)])


def _because(question: Question, said: Answer) -> str:
    if question.state is State.REFUSED:
        return f"Somebody said no. {said.reason}".strip()
    if question.state is State.APPROVED:
        return "It is approved, and is done now if it still stands."
    return f"One said yes; it still takes {what_is_missing(question)}."


def _path_of(role_arn: str) -> str:
    return "/" + "".join(f"{each}/" for each in role_arn.partition(":role/")[2].split("/")[:-1])
