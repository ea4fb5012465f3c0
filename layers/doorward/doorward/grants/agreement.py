"""Does a grant stand, by the rules in force and by whoever said yes and may still? Asked before it is opened, and at each issue.

| by the rules in force                   | and                                                                   | it     |
|-----------------------------------------|-----------------------------------------------------------------------|--------|
| he may not have it                      |                                                                       | falls  |
| he may                                  | he, the role, the session policy or the end is another than           | falls  |
|                                         | the grant says                                                        |        |
| he may, on nobody's word                |                                                                       | stands |
| he may, on people's word                | nobody was asked, or about something else, or they did not say yes    | falls  |
| …                                       | he is among those who said yes                                        | falls  |
| …                                       | those who said yes, and may still, are not enough by the rules now    | falls  |
| …                                       | they are                                                              | stands |

How many are enough is decided where every decision is (`decisions/answering.py`).

What could not be looked up keeps a grant from standing, and is no reason to end it for good: whether it falls is not certain then.
"""

from collections.abc import Mapping
from types import MappingProxyType

from doorward.decisions.answering import confirmed
from doorward.decisions.model import GRANT, Question, Ways
from doorward.decisions.model import State as Decision
from doorward.grants.entitled import NOT_KNOWN
from doorward.grants.grant import Grant
from doorward.grants.model import Ruling, Target
from doorward.grants.names import handle_of
from doorward.grants.session_policy import SessionPolicy
from doorward.people.model import Person, Refusal
from doorward.values import NamedTuple


class Agreement(NamedTuple):
    """What was looked up just now. `ruling`: on the grant's request, a refusal also where he is gone or switched off.

    `person`, `target`, `policy`: whoever asked, the role, and what its sessions could do, as they are now; None where there is none.
    `groups`: those that each of the people who said yes is in, by id; whoever is missing is gone. `ways`: by which a yes counts.
    `is_known`: whether all was looked up by which nobody would have to agree.
    """

    ruling: Ruling | Refusal
    person: Person | None = None
    target: Target | None = None
    policy: SessionPolicy | Refusal | None = None
    question: Question | None = None
    groups: Mapping[str, frozenset[str]] = MappingProxyType({})
    ways: Ways = MappingProxyType({})
    is_known: bool = True


def is_about(question: Question, grant: Grant) -> bool:
    return (question.about, question.what, question.shown_hash) == (grant.about, GRANT, grant.shown_hash)


def why_it_falls(grant: Grant, found: Agreement) -> Refusal | None:
    """The table; None where it stands."""
    ruling, question = found.ruling, found.question
    if isinstance(ruling, Refusal):
        return ruling
    other = _is_another(grant, found)
    if other is not None or ruling.automatic:
        return other
    if question is None or not is_about(question, grant) or question.state not in {Decision.APPROVED, Decision.DONE}:
        return Refusal("By the rules in force people have to approve this, and they have not.", "Ask anew.")
    if grant.person.user_id in question.yes:
        return Refusal("Whoever asked for this is among those who said yes.", "Ask anew, and have others decide.")
    asked_now = question._replace(terms=ruling.terms, state=Decision.APPROVED)
    if confirmed(asked_now, found.groups.get, found.ways).state is not Decision.APPROVED:
        return Refusal("Those who said yes, and may still, are not enough by the rules in force.", "Ask anew.")
    return None


def is_certain(grant: Grant, found: Agreement) -> bool:
    """Whether it would fall, too, were all known that could not be looked up; one that stands does so in any case."""
    if isinstance(found.ruling, Refusal):
        return found.ruling != NOT_KNOWN
    return found.is_known or why_it_falls(grant, found) is None or _is_another(grant, found) is not None


def _is_another(grant: Grant, found: Agreement) -> Refusal | None:
    """What the grant says is believed no further than it follows from the request: whoever may write grants could have written it."""
    if found.person is None or handle_of(found.person) != handle_of(grant.person):
        return Refusal("Whoever asked for this is called otherwise by now.", "Ask anew.")
    starts_at = grant.request.starts_at or grant.starts_at
    if grant.starts_at is not None and (grant.starts_at, grant.ends_at) != (starts_at, grant.starts_at + grant.lasts):
        return Refusal("Its time is another than the one that was asked for.", "Ask anew.")
    if found.target is None or found.target.arn != grant.role_arn:
        return Refusal("The role is another than the one that was approved.", "Ask anew.")
    if isinstance(found.policy, Refusal):
        return found.policy
    if found.policy is None or found.policy.sha256 != grant.policy_sha256:
        return Refusal("What the session could do is not what was approved: the template has changed.", "Ask anew.")
    return None
