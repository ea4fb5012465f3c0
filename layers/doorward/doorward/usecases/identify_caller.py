"""Who called: what AWS or a token says of him, with what stands in the accounts and in Identity Center right now.

Nothing is kept from one call to the next: who was switched off a moment ago is nobody now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from doorward.organization.model import Organization
from doorward.people.model import Caller, Person, Refusal, groups_of
from doorward.people.sigv4 import Admitted, Facts, LiveRole, caller_of, read_signed
from doorward.people.tokens import caller_of_token
from doorward.ports.clock import Clock
from doorward.ports.people import Directory
from doorward.ports.roles import Roles
from doorward.ports.suspensions import Suspensions

YOU_ARE_GONE: Final = Refusal("You are not (any more) an enabled user of Identity Center.", "Ask whoever administers it.")


@dataclass(frozen=True, slots=True)
class Tools:
    organization: Organization
    hub_account: str
    roles: Roles
    directory: Directory
    suspensions: Suspensions
    clock: Clock


def identify_signed(identity: object, tools: Tools) -> Caller | Refusal:
    """`identity`: `requestContext.identity` of a REST API's event. Raises Unavailable, Misconfigured: nobody is recognized then, either."""
    signed = read_signed(identity)
    if isinstance(signed, Refusal):
        return signed
    settings = tools.organization.identity
    admitted = Admitted(
        tools.organization.id,
        frozenset(each.id for each in tools.organization.accounts),
        settings.accounts_of(tools.hub_account),
        frozenset(settings.machines),
    )
    facts = Facts(tools.suspensions.of, lambda account_id, name: _role(account_id, name, tools.roles), tools.directory.users_named)
    return caller_of(signed, admitted, facts)


def identify_token(claims: Mapping[str, object], tools: Tools) -> Caller | Refusal:
    """`claims`: of a token whose signature was found true. Raises as identify_signed does."""
    return caller_of_token(claims, tools.organization.identity, tools.clock.now(), tools.directory.users_named)


def groups_now(person: Person, tools: Tools) -> frozenset[str] | None:
    """The configured groups that somebody is in at this moment; None where he is gone or off. Raises as identify_signed does."""
    standing = tools.directory.user(person.user_id)
    return None if standing is None else configured_groups(standing, tools.organization, tools.directory)


def configured_groups(person: Person, organization: Organization, directory: Directory) -> frozenset[str]:
    """The same of somebody who was looked up just now."""
    configured = organization.identity.groups
    in_identity_center = any(each.identity_center for each in configured)
    return groups_of(person, configured, directory.groups_of(person.user_id) if in_identity_center else frozenset())


def _role(account_id: str, name: str, roles: Roles) -> LiveRole | None:
    role = roles.read(account_id, name)
    return None if role is None else LiveRole(role.arn, role.path, role.role_id, role.trust_policy)
