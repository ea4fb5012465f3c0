"""Everybody who could call: each kind of caller that a policy can mean, and how a request of one is shown."""

from collections.abc import Callable, Iterator

from doorward.guardrails.github_worlds import github_shown
from doorward.guardrails.service_worlds import service_shown
from doorward.guardrails.worlds import Gate, Shown, federated_shown
from doorward.guardrails.written import is_saml, issuer_of
from doorward.iam.assertions import saml_callers
from doorward.iam.callers import (
    CALLER,
    FORMS,
    Accounts,
    Form,
    Organizations,
    aws_callers,
    one_organization,
    organizations_other_than,
    stands_at,
)
from doorward.iam.documents import Principal
from doorward.iam.github import github_callers
from doorward.iam.issuers import cognito_callers, issuer_callers, profile_of
from doorward.iam.names import COGNITO, GITHUB, ROLES_ANYWHERE, WITH_SAML, WITH_WEB_IDENTITY
from doorward.iam.search import Callers, Doubt, Found, Region
from doorward.iam.services import acting, by_trust_anchor
from doorward.iam.sets import starting_with
from doorward.iam.tokens import Tokens
from doorward.values import NamedTuple


class Kind(NamedTuple):
    """Callers of one kind. `show` makes the request that was found; a doubt where it is not sure that such a caller exists."""

    callers: Callers
    show: Callable[[Found], Shown | Doubt]


def everybody(gate: Gate, principals: tuple[Principal, ...]) -> Iterator[Kind]:
    """All who can be meant by these principals, whoever is trusted."""
    if any(each.type in {"AWS", "*"} for each in principals):
        yield from _aws(gate)
    for principal in principals:
        if principal.type == "Service":
            yield from _services(gate, principal.value)
        elif principal.type == "Federated":
            for callers, action in bearers(gate, principal):
                yield Kind(callers, _federated(gate, principal, callers, action))


def _aws(gate: Gate) -> Iterator[Kind]:
    ours = tuple(sorted(gate.ours))
    org_id = gate.organization.id
    likely = (*gate.fresh_accounts[:1], *(each for each in gate.named if each not in gate.ours))
    for form in FORMS:
        if ours:
            service = "sts" if form == "federated-user" else "iam"
            whose = tuple(starting_with(f"arn:{gate.role_partition}:{service}::{each}:") for each in ours)
            organizations = _ANY_ORGANIZATION if org_id is None else one_organization(org_id)
            base = (stands_at(CALLER, *whose),)
            yield _aws_kind(gate, form, organizations, Accounts(None, frozenset(), ours), base)
        yield _aws_kind(gate, form, gate.elsewhere, Accounts(None, gate.ours, likely), ())


_ANY_ORGANIZATION = organizations_other_than(None)


def _aws_kind(gate: Gate, form: Form, organizations: Organizations, accounts: Accounts, base: Region) -> Kind:
    callers = aws_callers(gate.resource, form, organizations, accounts, unique_ids=gate.unique_ids, base=base)
    return Kind(callers, lambda found: gate.aws_shown(found, form, callers, ()))


def _services(gate: Gate, service: str) -> Iterator[Kind]:
    if service == ROLES_ANYWHERE:
        several: tuple[Callers, ...] = (by_trust_anchor(gate.resource, ()),)
    else:
        several = acting(gate.resource, service, _ANY_ORGANIZATION)
    for callers in several:
        yield Kind(callers, _service(gate, service, callers))


def _service(gate: Gate, service: str, callers: Callers) -> Callable[[Found], Shown]:
    return lambda found: service_shown(gate, found, service, callers)


def _federated(gate: Gate, principal: Principal, callers: Callers, action: str) -> Callable[[Found], Shown | Doubt]:
    issuer = issuer_of(principal)
    if issuer == GITHUB:
        return lambda found: github_shown(gate, found, principal.value, callers)
    if issuer is not None and issuer != COGNITO and profile_of(issuer) is None:
        # Whether its issuer gives such a subject is not known.
        return lambda _: Doubt((f"tokens of {issuer}",))
    return lambda found: federated_shown(gate, found, principal.value, callers, action)


def bearers(gate: Gate, principal: Principal) -> Iterator[tuple[Callers, str]]:
    """Those whom this provider signs in, and the call that they make."""
    issuer = issuer_of(principal)
    if is_saml(principal):
        yield saml_callers(gate.resource, principal.value, stray=False), WITH_SAML
    elif issuer == GITHUB:
        for by_name in (True, False):
            yield github_callers(gate.resource, principal.value, Tokens(), by_name=by_name), WITH_WEB_IDENTITY
    elif issuer == COGNITO:
        for guest in (False, True):
            yield cognito_callers(gate.resource, (), guest=guest, provider=principal.value), WITH_WEB_IDENTITY
    elif issuer is not None:
        yield issuer_callers(gate.resource, principal.value, issuer, Tokens()), WITH_WEB_IDENTITY
