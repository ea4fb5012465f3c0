"""May somebody have what he asks for, and on whose word? Every rule is looked at as a whole, and their order means nothing.

A rule matches if its people, its roles and its templates all fit. How long somebody asks for, when, with which ticket, does not choose
among rules: who asks for less is bound by the stricter rule as well.

| looked at, from the top                                                          | answer                                |
|----------------------------------------------------------------------------------|---------------------------------------|
| the role is not there, is no grant role, or is of an account nobody described    | refused                               |
| the template is not there                                                        | refused                               |
| a deny matches                                                                   | refused                               |
| no allow matches, whatever is so that is not known                               | refused                               |
| whether a rule matches depends on what is not known: attributes of his, or the   | not known                             |
| OU or tags of an account that AWS Organizations was not asked about yet          |                                       |
| more minutes than the shortest limit of those that match, or less than one       | refused                               |
| a start in the past, or further ahead than any of them allows                    | refused                               |
| no reason, or one that is too long                                               | refused                               |
| a ticket that one of them does not take                                          | refused                               |
| parameters that the template does not take                                       | refused                               |
| the conditions of every rule that matches hold for an automatic approval         | granted on nobody's word              |
| else                                                                             | granted on the terms of all of them   |

The terms of several rules together ask for what each of them asks for, each for itself (`Terms.also`): a yes that is enough for both is
enough for each. One rule alone asks in the same way.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import reduce
from typing import Final

from doorward.decisions.actions import LONGEST_REASON
from doorward.decisions.model import Terms
from doorward.grants.model import Allow, Automatic, Entitlements, Facts, GrantRequest, Offer, Ruling, Template
from doorward.grants.parameters import refused_parameters
from doorward.organization.installation import GRANT_ROLE_PATH
from doorward.people.model import Refusal

NUMBER: Final = "<number>"
"""In a ticket's form: some digits."""
TICKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./#-]{0,63}")
_ASK: Final = "Ask whoever keeps config/entitlements.yaml."
NOT_KNOWN: Final = Refusal(
    "Which rules are about this cannot be said: your attributes, or where the account stands, could not be looked up.",
    "Try again in a while.",
)
"""No answer: nobody is told it who asks for something (usecases/grant_standing.py)."""


def offer(entitlements: Entitlements, template_name: str, facts: Facts) -> Offer | Refusal:
    """What he may ask for: the rules that match, and what they leave together."""
    found = _matching(entitlements, template_name, facts)
    return found if isinstance(found, Refusal) else _offer(found)


def rule_on(entitlements: Entitlements, request: GrantRequest, facts: Facts, begins_at: datetime | None = None) -> Ruling | Refusal:
    """The table. Nothing in it depends on when it is asked, so a grant can be ruled on again whenever something is to come of it.

    `begins_at`: when it does, where that is known by now; None: at the start that was asked for, or at once.
    """
    if facts.target is not None and facts.target.ref != request.role_ref:
        return Refusal("What was looked up is another role.", "Ask again.")
    rules = _matching(entitlements, request.template, facts)
    if isinstance(rules, Refusal):
        return rules
    template = entitlements.templates[request.template]
    offered = _offer(rules)
    refusal = _beyond(offered, request) or refused_parameters(template, request.parameters)
    if refusal is not None:
        return refusal
    begins_at = begins_at or request.starts_at or request.asked_at
    lacking = tuple(
        f"{rule.id}: {each}" for rule in rules for each in _keeps_from_automatic(rule.automatic, template, request, facts, begins_at)
    )
    return Ruling(offered.rules, offered.terms, not lacking, template.risk, entitlements.hash, lacking)


def strictest(one: Terms, other: Terms) -> Terms:
    """Terms that ask for what each of both asks for, by their `also` alone, as all terms of rules do."""
    escalating = [each.escalate_after for each in (one, other) if each.escalate_to] or [one.escalate_after, other.escalate_after]
    return Terms(
        approvers=one.approvers | other.approvers,
        answer_within=min(one.answer_within, other.answer_within),
        remind_every=min(one.remind_every, other.remind_every),
        escalate_after=max(escalating),
        escalate_to=one.escalate_to | other.escalate_to,
        also=one.also | other.also,
    )


def _matching(entitlements: Entitlements, template_name: str, facts: Facts) -> tuple[Allow, ...] | Refusal:
    """Never empty; by id."""
    target, account, asker = facts.target, facts.account, facts.asker
    if target is None or account is None or not target.path.startswith(GRANT_ROLE_PATH) or account.id != target.account_id:
        return Refusal("There is no such role to be asked for.", "See which there are: doorward grants list.")
    if template_name not in entitlements.templates:
        return Refusal("There is no such template.", f"Known are {', '.join(sorted(entitlements.templates)) or 'none'}.")
    denies = [
        each
        for each in entitlements.denies
        if (not each.templates or template_name in each.templates) and each.match.may_cover(target, account)
    ]
    allows = [each for each in entitlements.allows if template_name in each.templates and each.match.may_cover(target, account)]
    denied = next((each for each in denies if each.match.covers(target, account) and each.who.covers(asker)), None)
    if denied is not None:
        return Refusal(f"The rule {denied.id} keeps you from it.", _ASK)
    allows = [each for each in allows if each.who.covers(asker) is not False]
    if not allows:
        return Refusal("No rule lets you ask for this.", _ASK)
    for who, match in [(each.who, each.match) for each in denies] + [(each.who, each.match) for each in allows]:
        is_theirs = who.covers(asker)
        if is_theirs is None or (is_theirs and not match.covers(target, account)):
            return NOT_KNOWN
    return tuple(sorted(allows, key=lambda each: each.id))


def _offer(rules: tuple[Allow, ...]) -> Offer:
    return Offer(
        tuple(each.id for each in rules),
        min(each.longest for each in rules),
        min(each.start_within for each in rules),
        tuple(sorted({each.tickets for each in rules if each.tickets})),
        reduce(strictest, (each.terms for each in rules)),
    )


def _beyond(offered: Offer, request: GrantRequest) -> Refusal | None:
    """Whether more is asked for than the rules leave."""
    longest = offered.longest // timedelta(minutes=1)
    if not 1 <= request.minutes <= longest:
        return Refusal(f"{request.minutes} minutes cannot be had.", f"Ask for at most {longest}.")
    if request.starts_at is not None and not request.asked_at <= request.starts_at <= request.asked_at + offered.start_within:
        hours = offered.start_within / timedelta(hours=1)
        return Refusal(
            "It cannot start then.", f"Let it start within {hours:g} hours." if hours else "Ask when you need it, without a start."
        )
    if not request.reason.strip() or len(request.reason) > LONGEST_REASON:
        return Refusal("It needs a reason.", f"Say why, in at most {LONGEST_REASON} characters.")
    forms = next((each for each in offered.tickets if not any(fits_ticket(form, request.ticket) for form in each)), None)
    if forms is not None:
        return Refusal("It needs a ticket.", f"Name one, of the form {' or '.join(forms)}.")
    if request.ticket and TICKET.fullmatch(request.ticket) is None:
        return Refusal("What was given as ticket is none.", "Give its id alone, or none.")
    return None


def fits_ticket(form: str, ticket: str) -> bool:
    """Everything but `<number>` stands for itself."""
    pattern = "[0-9]{1,12}".join(map(re.escape, form.split(NUMBER)))
    return re.fullmatch(pattern, ticket) is not None


def is_known(entitlements: Entitlements, facts: Facts) -> bool:
    """Whether all was looked up by which some rule may spare somebody an approval."""
    spared_by_roster = any(each.automatic is not None and each.automatic.on_call for each in entitlements.allows)
    return facts.ticket_is_known and not (spared_by_roster and facts.asker.on_call is None)


def _keeps_from_automatic(
    automatic: Automatic | None, template: Template, request: GrantRequest, facts: Facts, begins_at: datetime
) -> Iterator[str]:
    """Each condition that does not hold, in words; what could not be looked up does not."""
    if automatic is None:
        yield "people have to approve"
        return
    asker, ticket = facts.asker, facts.ticket
    if automatic.on_call and not automatic.on_call & (asker.on_call or frozenset()):
        yield f"not on call by {' or '.join(sorted(automatic.on_call))}"
    if automatic.hours is not None and not automatic.hours.contain(begins_at, begins_at + timedelta(minutes=request.minutes)):
        yield "not within the hours"
    if automatic.risk is not None and template.risk.is_above(automatic.risk):
        yield f"the risk is {template.risk}"
    if automatic.ticket_states and (ticket is None or ticket.id != request.ticket or ticket.state not in automatic.ticket_states):
        yield f"the ticket is not {' or '.join(sorted(automatic.ticket_states))}"
    elif automatic.ticket_states and ticket is not None:
        if asker.person.user_name not in ticket.assignees:
            yield "the ticket is not assigned to who asks"
        # A user name is one whatever its case (RFC 7643, 4.1.1), and a tracker may spell it in its own way: in doubt he opened it himself.
        if ticket.opened_by.casefold() in {"", asker.person.user_name.casefold()}:
            yield "the ticket was not opened by somebody else"
