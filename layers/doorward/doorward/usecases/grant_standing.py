"""What stands of a grant at this moment: by the rules in force, by whoever asked for it, and by each person who said yes to it.

Nothing of it is kept: it is looked up when a grant is checked, decided, opened, and each time that credentials are issued.

| what could not be looked up                    | what comes of what somebody wants                                        |
|------------------------------------------------|--------------------------------------------------------------------------|
| the person, the role, what is kept             | Unavailable                                                              |
| attributes, or where the account stands, and a | Unavailable; refused where he is by what is known                        |
| rule may be about him, or it, by that          |                                                                          |
| rosters or a ticket, by which nobody would     | he asks: people are asked; else Unavailable, where it does not stand,    |
| have to agree                                  | and does not fall, by what is known                                      |
| rosters, by which he may decide, see or end    | Unavailable; else what is known decides. Lists have what is known        |

A no is an answer: it is kept with the call that got it, and whoever hears it gives up. So what may be none is never said to be one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from doorward.decisions.model import Question, Ways
from doorward.errors import Unavailable
from doorward.grants.agreement import Agreement, is_certain
from doorward.grants.entitled import NOT_KNOWN, is_known, rule_on
from doorward.grants.grant import Grant, question_id_of
from doorward.grants.lifecycle import Checked, said_yes_at
from doorward.grants.model import Asker, Entitlements, Facts, GrantRequest
from doorward.grants.session_policy import compile_policy
from doorward.grants.telling import grant_as_json
from doorward.organization.model import ON_CALL
from doorward.people.model import Caller, Person, Refusal
from doorward.ports.clock import Clock
from doorward.ports.grants import Grants
from doorward.ports.ledger import Announcement
from doorward.ports.questions import Questions
from doorward.ports.rates import Rates
from doorward.usecases.identify_caller import YOU_ARE_GONE

MACHINES_HAVE_NONE = Refusal("Grants are for people.", "Have a person ask, with credentials or an account of his own.")
HE_IS_GONE = Refusal("Whoever asked for it is not (any more) an enabled user of Identity Center.", "Ask whoever administers it.")


@dataclass(frozen=True, slots=True)
class Tools:
    """What all that has to do with grants works with.

    `asker`: somebody by his id, as he stands now; None where he is gone or switched off. `voter`: the same of whoever said yes, with his
    groups alone. `facts`: what a request of his is judged by. `ways`: by which answers count, and since when. `account_name`: of an
    account's id, None where nobody described it. `announce`: once, where nothing else is kept; False where it was before. `new_id`: a ULID.
    All of these may raise Unavailable. `measure`: numbers by name, as grants/measuring.py has them.
    """

    grants: Grants
    questions: Questions
    entitlements: Entitlements
    asker: Callable[[str], Asker | None]
    voter: Callable[[str], Asker | None]
    facts: Callable[[GrantRequest, Asker], Facts]
    ways: Callable[[], Ways]
    account_name: Callable[[str], str | None]
    announce: Callable[[Announcement], bool]
    new_id: Callable[[], str]
    rates: Rates
    clock: Clock
    measure: Callable[[Mapping[str, float]], None]


def judged(request: GrantRequest, asker: Asker | None, tools: Tools, begins_at: datetime | None = None) -> Checked:
    """What the rules in force and the role as it is make of a request. `asker`: whoever asks, None where he is gone.

    `begins_at`: as of rule_on.
    """
    if asker is None:
        return Checked(HE_IS_GONE, HE_IS_GONE, None)
    facts = tools.facts(request, asker)
    ruling, target = rule_on(tools.entitlements, request, facts, begins_at), facts.target
    if isinstance(ruling, Refusal) or target is None:
        refusal = ruling if isinstance(ruling, Refusal) else Refusal("There is no such role.", "List what you may ask for.")
        return Checked(refusal, refusal, target)
    # How long the policy is, and its hash, do not depend on when it ends.
    policy = compile_policy(tools.entitlements.templates[request.template], request.parameters, target, request.asked_at)
    return Checked(ruling, policy, target, is_known(tools.entitlements, facts))


def judged_for_certain(request: GrantRequest, asker: Asker | None, tools: Tools) -> Checked:
    """The same. Raises Unavailable where he might have it, were all known."""
    found = judged(request, asker, tools)
    if found.ruling == NOT_KNOWN:
        raise not_known(request.role_ref)
    return found


def agreement_now(grant: Grant, tools: Tools) -> Agreement:
    """What it stands on. Each of those who said yes is looked up anew."""
    asker = tools.asker(grant.person.user_id)
    question = question_about(grant, tools)
    asked_for = grant.starts_at or grant.request.starts_at
    begins_at = asked_for if question is None or asked_for is not None else said_yes_at(question)
    found = judged(grant.request, asker, tools, begins_at)
    person = None if asker is None else asker.person
    agreed = Agreement(found.ruling, person, found.target, found.policy, is_known=found.is_known)
    if question is None:
        return agreed
    groups = groups_of_voters(question, {user_id: tools.voter(user_id) for user_id in question.yes})
    return agreed._replace(question=question, groups=groups, ways=tools.ways())


def certain(grant: Grant, found: Agreement) -> Agreement:
    """What was found of it. Raises Unavailable where it falls, and might stand were all known."""
    if not is_certain(grant, found):
        raise not_known(grant.id)
    return found


def not_known(what: str) -> Unavailable:
    return Unavailable(f"{what}: what it hangs on cannot be looked up; try again")


def question_about(grant: Grant, tools: Tools) -> Question | None:
    """That people are asked about it as it is shown to them, and no other. Where nobody has to agree, nobody is asked."""
    if grant.ruling is None or grant.ruling.automatic:
        return None
    return tools.questions.question(grant.request.role_ref, question_id_of(grant))


def groups_to_answer(asker: Asker) -> frozenset[str]:
    """As which somebody answers: his groups, and one for each roster by which he is on call."""
    return asker.groups | {f"{ON_CALL}{each}" for each in asker.on_call or ()}


def groups_to_answer_at_most(asker: Asker, grant: Grant) -> frozenset[str]:
    """As which he might answer about it: where rosters could not be looked up, by each that decides."""
    by_roster = frozenset(each for each in _deciding(grant) if each.startswith(ON_CALL)) if asker.on_call is None else frozenset()
    return groups_to_answer(asker) | by_roster


def who_said_yes(grant: Grant, tools: Tools) -> frozenset[str]:
    """Their ids."""
    question = question_about(grant, tools)
    return frozenset() if question is None else question.yes


def groups_of_voters(question: Question, people: Mapping[str, Asker | None]) -> Mapping[str, frozenset[str]]:
    """As which each of those who said yes counts, by id; without those who are gone. `people`: all of them, as they stand now.

    Groups are looked at anew. A shift passes, and what was said in it stands: a yes of whoever was on call counts on.
    """
    by_roster = {
        user_id: frozenset(
            group for each in question.votes if each.user_id == user_id for group in each.groups if group.startswith(ON_CALL)
        )
        for user_id in question.yes
    }
    return {user_id: each.groups | by_roster[user_id] for user_id, each in people.items() if each is not None and user_id in by_roster}


def person_calling(caller: Caller, tools: Tools) -> Asker | Refusal:
    """Whoever calls, as he stands now."""
    if not isinstance(caller.who, Person):
        return MACHINES_HAVE_NONE
    return tools.asker(caller.who.user_id) or YOU_ARE_GONE


def may_see(asker: Asker, grant: Grant, tools: Tools) -> bool:
    """As `sees`. Raises Unavailable where that cannot be said."""
    found = sees(asker, grant, tools)
    if found is None:
        raise not_known(grant.id)
    return found


def sees(asker: Asker, grant: Grant, tools: Tools) -> bool | None:
    """Whoever asked for it, may decide about it or said yes to it, or sees all of them. None: it hangs on his rosters, not known now."""
    seeing = _deciding(grant) | tools.entitlements.overseers
    if asker.person.user_id == grant.person.user_id or groups_to_answer(asker) & seeing:
        return True
    if asker.person.user_id in who_said_yes(grant, tools):
        return True
    return None if groups_to_answer_at_most(asker, grant) & seeing else False


def _deciding(grant: Grant) -> frozenset[str]:
    """Groups, also those that it may be escalated to."""
    return frozenset() if grant.ruling is None else grant.ruling.terms.approvers | grant.ruling.terms.escalate_to


def as_json(grant: Grant, tools: Tools) -> dict[str, Any]:
    """docs/schemas/doorward.grants.1.json."""
    account_id = grant.request.role_ref.partition("/")[0]
    return grant_as_json(grant, tools.account_name(account_id), question_about(grant, tools))
