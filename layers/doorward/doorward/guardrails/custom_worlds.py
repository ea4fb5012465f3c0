"""Worlds that the configuration describes: callers of a type, of some accounts, whose requests lie where it says."""

from collections.abc import Iterator

from doorward.guardrails.everybody import bearers
from doorward.guardrails.model import CustomRule
from doorward.guardrails.service_worlds import service_shown
from doorward.guardrails.worlds import Answer, Gate, federated_shown, first_shown, region_of
from doorward.guardrails.written import issuer_of
from doorward.iam.documents import Principal, Statement
from doorward.iam.search import Found
from doorward.iam.services import acting


def find_custom(gate: Gate, statement: Statement, rule: CustomRule) -> Answer:
    """A request of the rule's world that the statement lets in. It says what the rule asks for, too."""
    asking = gate.asking_for(each.key for each in rule.where.conditions)
    return first_shown(_answers(asking, statement, rule))


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
        for callers in acting(gate.resource, principal.value, gate.elsewhere):
            found = gate.find(statement, principal, callers, region_of(rule.where, callers))
            yield service_shown(gate, found, principal.value, callers) if isinstance(found, Found) else found
        return
    issuer = issuer_of(principal)
    if rule.issuer is not None and issuer != rule.issuer:
        return
    for callers, action in bearers(gate, principal):
        found = gate.find(statement, principal, callers, region_of(rule.where, callers))
        yield federated_shown(gate, found, principal.value, callers, action) if isinstance(found, Found) else found
