"""Does a grant stand, by the rules in force and by whoever said yes and may still? Asked before it is opened, and at each issue.

| by the rules in force                   | and                                                                   | it     |
|-----------------------------------------|-----------------------------------------------------------------------|--------|
| he may not have it                      |                                                                       | falls  |
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
from doorward.decisions.model import Question, Ways
from doorward.decisions.model import State as Decision
from doorward.grants.entitled import NOT_KNOWN
from doorward.grants.grant import WHAT, Grant
from doorward.grants.model import Ruling
from doorward.people.model import Refusal
from doorward.values import NamedTuple


class Agreement(NamedTuple):
    """What was looked up just now. `ruling`: on the grant's request, a refusal also where he is gone or switched off.

    `groups`: those that each of the people who said yes is in, by id; whoever is missing is gone. `ways`: by which a yes counts.
    `is_known`: whether all was looked up by which nobody would have to agree.
    """

    ruling: Ruling | Refusal
    question: Question | None = None
    groups: Mapping[str, frozenset[str]] = MappingProxyType({})
    ways: Ways = MappingProxyType({})
    is_known: bool = True


def is_about(question: Question, grant: Grant) -> bool:
    return (question.about, question.what, question.shown_hash) == (grant.about, WHAT, grant.shown_hash)


def why_it_falls(grant: Grant, found: Agreement) -> Refusal | None:
    """The table; None where it stands."""
    ruling, question = found.ruling, found.question
    if isinstance(ruling, Refusal):
        return ruling
    if ruling.automatic:
        return None
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
    falls = why_it_falls(grant, found)
    return falls is None or (falls != NOT_KNOWN and (found.is_known or isinstance(found.ruling, Refusal)))
