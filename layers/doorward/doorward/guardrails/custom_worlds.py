"""Worlds that the configuration describes: callers of a type, of some accounts, whose requests lie where it says."""

from collections.abc import Iterator

from doorward.findings.model import Witness
from doorward.guardrails.model import CustomRule
from doorward.guardrails.service_worlds import service_shown
from doorward.guardrails.worlds import Answer, Gate, Shown, region_of
from doorward.guardrails.written import is_saml, issuer_of
from doorward.iam.assertions import saml_callers
from doorward.iam.callers import GITHUB, WITH_SAML, WITH_WEB_IDENTITY
from doorward.iam.documents import Principal, Statement
from doorward.iam.github import github_callers
from doorward.iam.issuers import COGNITO, cognito_callers, issuer_callers
from doorward.iam.search import Callers, Doubt, Found
from doorward.iam.services import acting_for_others, acting_silently
from doorward.iam.tokens import Tokens


def find_custom(gate: Gate, statement: Statement, rule: CustomRule) -> Answer:
    """A request of the rule's world that the statement lets in."""
    doubts: list[str] = []
    for answer in _answers(gate, statement, rule):
        if isinstance(answer, Shown):
            return answer
        if answer is not None:
            doubts += answer.constructs
    return Doubt(tuple(dict.fromkeys(doubts))) if doubts else None


def _answers(gate: Gate, statement: Statement, rule: CustomRule) -> Iterator[Answer]:
    for principal in dict.fromkeys(statement.principals or ()):
        if rule.callers == "AWS" and principal.type in {"AWS", "*"}:
            for account_id in _accounts(gate, rule):
                yield gate.of_account(statement, principal, account_id, rule)
        elif principal.type == rule.callers:
            yield from _others(gate, statement, principal, rule)


def _accounts(gate: Gate, rule: CustomRule) -> Iterator[str]:
    for each in rule.accounts or ("own",):
        if each == "own":
            yield gate.role.account_id
        elif each == "organization":
            yield from sorted(gate.ours)
        elif each == "trusted":
            yield from sorted(gate.trusted)
        else:
            yield each


def _others(gate: Gate, statement: Statement, principal: Principal, rule: CustomRule) -> Iterator[Answer]:
    if principal.type == "Service":
        for callers in (
            acting_silently(gate.resource, principal.value),
            acting_for_others(gate.resource, principal.value, gate.elsewhere, frozenset()),
        ):
            found = gate.find(statement, principal, callers, region_of(rule.where, callers))
            yield service_shown(gate, found, principal.value, callers) if isinstance(found, Found) else found
        return
    issuer = issuer_of(principal)
    if rule.issuer is not None and issuer != rule.issuer:
        return
    for callers, action in _bearers(gate, principal, issuer):
        found = gate.find(statement, principal, callers, region_of(rule.where, callers))
        yield _shown(gate, found, principal.value, callers, action) if isinstance(found, Found) else found


def _bearers(gate: Gate, principal: Principal, issuer: str | None) -> Iterator[tuple[Callers, str]]:
    if is_saml(principal):
        yield saml_callers(gate.resource, principal.value, stray=False), WITH_SAML
    elif issuer == GITHUB:
        for by_name in (True, False):
            yield github_callers(gate.resource, principal.value, Tokens(), by_name=by_name), WITH_WEB_IDENTITY
    elif issuer == COGNITO:
        for guest in (False, True):
            yield cognito_callers(gate.resource, (), guest=guest), WITH_WEB_IDENTITY
    elif issuer is not None:
        yield issuer_callers(gate.resource, principal.value, issuer, Tokens()), WITH_WEB_IDENTITY


def _shown(gate: Gate, found: Found, provider: str, callers: Callers, action: str) -> Shown:
    context: dict[str, str | tuple[str, ...]] = {}
    for key in callers.required:
        content = found.values.get(key)
        if isinstance(content, str | tuple):
            context[key] = content
    missing: list[str] = []
    gate.fill(found, callers, context, missing, {})
    return Shown(Witness(provider, "Federated", action, context, tuple(missing)))
