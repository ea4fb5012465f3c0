"""What a request for a grant is judged by, looked up at this moment: who asks, the role, its account, the ticket. Nothing is kept.

Only what some rule is about is looked up, so that nobody waits for what changes nothing.

| what                       | looked up where                                     | where that fails                                    |
|----------------------------|-----------------------------------------------------|-----------------------------------------------------|
| the person, and his groups | always                                              | Unavailable, Misconfigured: nothing is said         |
| his attributes             | he asks, and a rule is about attributes             | not known: nothing is had by a rule that may be his |
| rosters                    | he asks or answers, and a rule names one            | not known: nothing is had by being on call          |
| the ticket                 | one is named, and a rule is about states of tickets | not known: nobody is spared approval                |
| the role                   | its account is the organization's                   | Unavailable, Misconfigured: nothing is said         |

What could not be looked up is not known. That ends no grant for good (grants/agreement.py), and is no answer (grant_standing.py). Where a
function of the customer's is not set, nobody is on call, and there are no tickets.
"""

from collections.abc import Callable
from dataclasses import dataclass

from doorward.errors import DoorwardError, Misconfigured, Unavailable
from doorward.events.reading import ROLE_NAME
from doorward.grants.entitled import TICKET
from doorward.grants.model import Asker, Entitlements, Facts, GrantRequest, Target
from doorward.guardrails.model import Role
from doorward.iam.arns import parse_role_arn
from doorward.organization.model import ON_CALL, Account, Organization
from doorward.people.model import Person
from doorward.ports.clock import Clock
from doorward.ports.on_call import OnCall
from doorward.ports.people import Directory
from doorward.ports.roles import Roles
from doorward.ports.tickets import Tickets
from doorward.usecases.identify_caller import configured_groups


@dataclass(frozen=True, slots=True)
class Tools:
    """`on_call`, `tickets`: None where no function of the customer's is set. `unknown` is told of each fact that could not be looked up."""

    organization: Organization
    entitlements: Entitlements
    directory: Directory
    roles: Roles
    clock: Clock
    on_call: OnCall | None = None
    tickets: Tickets | None = None
    unknown: Callable[[DoorwardError], None] = lambda _error: None


def asker_of(user_id: str, tools: Tools) -> Asker | None:
    """Somebody as he stands now; None where he is gone, or switched off. Raises Unavailable, Misconfigured."""
    asker = asker_off_call(user_id, tools)
    return None if asker is None else asker._replace(on_call=_rosters(asker.person, tools))


def asker_off_call(user_id: str, tools: Tools) -> Asker | None:
    """The same for whoever only lists: no rule is about somebody by his rosters, they only say who agrees, and whether somebody has to."""
    asker, rules = voter_of(user_id, tools), tools.entitlements
    is_of_use = any(each.who.attributes for each in rules.allows) or any(each.who.attributes for each in rules.denies)
    if asker is None or not is_of_use:
        return asker
    return asker._replace(attributes=_known(lambda: tools.directory.attributes(user_id), tools))


def voter_of(user_id: str, tools: Tools) -> Asker | None:
    """The same for whoever said yes: that counts by his groups, and by the roster that was kept with it, whatever else is known of him."""
    person = tools.directory.user(user_id)
    return None if person is None else Asker(person, configured_groups(person, tools.organization, tools.directory))


def facts_of(request: GrantRequest, asker: Asker, tools: Tools) -> Facts:
    """Raises Unavailable, Misconfigured."""
    target, account = _target_of(request.role_ref, tools)
    tickets = tools.tickets
    is_of_use = any(each.automatic is not None and each.automatic.ticket_states for each in tools.entitlements.allows)
    if tickets is None or not is_of_use or TICKET.fullmatch(request.ticket) is None:
        return Facts(asker, target, account)
    try:
        return Facts(asker, target, account, tickets.ticket(request.ticket))
    except (Unavailable, Misconfigured) as error:
        tools.unknown(error)
        return Facts(asker, target, account, ticket_is_known=False)


def _target_of(role_ref: str, tools: Tools) -> tuple[Target | None, Account | None]:
    """A role as it stands, and its account. Raises Unavailable, Misconfigured where the account cannot be entered."""
    account_id, _, name = role_ref.partition("/")
    account = tools.organization.account(account_id)
    if account is None or ROLE_NAME.fullmatch(name) is None:
        return None, account
    role = tools.roles.read(account_id, name)
    return None if role is None else as_target(role), account


def as_target(role: Role) -> Target:
    arn = parse_role_arn(role.arn)
    return Target(role.account_id, role.name, role.path, role.tags, "aws" if arn is None else arn.partition)


def _rosters(person: Person, tools: Tools) -> frozenset[str] | None:
    """Of those that the file names: a function that answers with more makes nobody a member of anything."""
    named = _rosters_named(tools.entitlements)
    on_call = tools.on_call
    if not named or on_call is None:
        return frozenset()
    found = _known(lambda: on_call.rosters(person, tools.clock.now()), tools)
    return None if found is None else found & named


def _rosters_named(entitlements: Entitlements) -> frozenset[str]:
    """By which somebody may approve, or is spared approval."""
    approve = {group for each in entitlements.allows for group in each.terms.approvers | each.terms.escalate_to}
    automatic = {roster for each in entitlements.allows if each.automatic is not None for roster in each.automatic.on_call}
    return frozenset({each.removeprefix(ON_CALL) for each in approve if each.startswith(ON_CALL)} | automatic)


def _known[T](look: Callable[[], T], tools: Tools) -> T | None:
    """None where it cannot be known: the rules say what follows then (grants/entitled.py), and it is never more than otherwise."""
    try:
        return look()
    except (Unavailable, Misconfigured) as error:
        tools.unknown(error)
        return None
