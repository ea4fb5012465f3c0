"""Waivers that people decide while Doorward runs: what of a finding they accept, and when nothing is left of it.

A waiver is worlds taken out, not a label: whatever it does not cover is found as ever. It is as narrow as the language allows that still
covers the request that was shown, bound to the role's unique id and to the rule:

| the finding                                         | is waived for requests of                          | that meet                  |
|-----------------------------------------------------|----------------------------------------------------|----------------------------|
| no request proves it                                | whoever                                            |                            |
| everybody may come in, or somebody who does not sign | everybody                                         | the statement's conditions |
| a principal that the statement names                | that principal                                     | the same                   |
| another principal of AWS                            | his account                                        | the same                   |
| a service, or whom a provider signs in              | that service, that provider                        | the same                   |

So whoever takes a condition away afterwards, or adds somebody, makes a finding; and so does whoever makes the same graver than it was when
it was shown, by what the role may do, for one. What nobody could decide is not waived: nobody could be shown what he accepts. Those of the
file: guardrails/parsing.py.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from doorward.findings.model import Judgement, Severity
from doorward.guardrails.model import Guardrails, Role, Waiver, Where
from doorward.guardrails.rules import GRANT_ROLE_DRIFT, LONG_SESSION, WAIVER_EXPIRED, WAIVER_UNUSED, WORLD_ASSUMABLE
from doorward.iam.arns import account_of_principal
from doorward.iam.documents import Condition, Document, Principal, Statement, parse_document

MOST: Final = 20
"""So many of one role: they are kept with where it stands."""
_NEVER: Final = frozenset({WAIVER_EXPIRED.id, WAIVER_UNUSED.id, LONG_SESSION.id, GRANT_ROLE_DRIFT.id})
"""Of a waiver; what is no matter of who comes in; and what Doorward's own doors are like."""


def waivable(findings: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Of findings as a case's detail has them: those that count, and that a waiver can be for."""
    return tuple(
        each for each in findings if each.get("waiver") is None and each["severity"] != Severity.INFO and each["rule"] not in _NEVER
    )


def waivers_for(role: Role, findings: Sequence[Mapping[str, Any]], waiver: Waiver) -> tuple[Waiver, ...]:
    """One for each set of requests. `role` as it was found; `waiver`: what all of them share. Raises MalformedInput."""
    document = parse_document(role.trust_policy)
    shown: dict[Where, dict[tuple[str, str], None]] = {}
    for each in waivable(findings):
        shown.setdefault(_where(each, document), {})[each["rule"], each["severity"]] = None
    return tuple(of_what_was_shown(waiver, its)._replace(where=where) for where, its in shown.items())


def of_what_was_shown(waiver: Waiver, shown: Iterable[tuple[str, str]]) -> Waiver:
    """`shown`: rules, with their severities or DOUBT."""
    kept = tuple(dict.fromkeys(shown))
    return waiver._replace(rules=tuple(dict.fromkeys(rule for rule, _ in kept)), shown=kept)


def _where(finding: Mapping[str, Any], document: Document) -> Where:
    """The table above."""
    witness = finding["witness"]
    if witness is None:
        return Where()
    index = finding["statement"]["index"]
    statement = next(each for each in document.statements if each.position == index)
    return Where((_principal(finding["rule"], witness, statement),), statement.conditions)


def _principal(rule: str, witness: Mapping[str, Any], statement: Statement) -> Principal:
    kind, principal = witness["principal_type"], witness["principal"]
    if rule == WORLD_ASSUMABLE.id or kind == "Anonymous":
        return Principal("AWS", "*")
    if kind != "AWS":
        return Principal(kind, principal)
    named = Principal("AWS", witness["context"].get("aws:PrincipalArn", principal))
    if named in (statement.principals or ()):
        return named
    return Principal("AWS", account_of_principal(principal) or principal)


def with_waivers(guardrails: Guardrails, waivers: tuple[Waiver, ...]) -> Guardrails:
    """Those of the file and these beside them."""
    return guardrails._replace(waivers=(*guardrails.waivers, *waivers)) if waivers else guardrails


def is_over(waiver: Waiver, role: Role, judgement: Judgement, now: datetime) -> bool:
    """Whether a waiver that people decided has nothing left to tell of.

    Its role is another one by now, or it has ended and what it accepted is not there any more. While that is, it is told of:
    `waiver-expired`.
    """
    if waiver.role_id != role.role_id:
        return True
    return waiver.has_ended(now) and not any(each.rule in waiver.rules for each in judgement.counting)


# As they are kept


def waivers_as_text(waivers: Sequence[Waiver]) -> str:
    return json.dumps([each._asdict() | {"since": each.since.isoformat(), "until": each.until.isoformat()} for each in waivers])


def waivers_from_text(text: str) -> tuple[Waiver, ...]:
    return tuple(_kept(json.loads(text)))


def _kept(values: Sequence[Mapping[str, Any]]) -> Iterator[Waiver]:
    for each in values:
        principals, conditions = each["where"]
        where = Where(
            tuple(Principal(*one) for one in principals),
            tuple(Condition(operator, key, tuple(texts)) for operator, key, texts in conditions),
        )
        since, until = (datetime.fromisoformat(each[name]) for name in ("since", "until"))
        shown = tuple((rule, severity) for rule, severity in each.get("shown", ()))
        yield Waiver(**{**each, "since": since, "until": until, "rules": tuple(each["rules"]), "where": where, "shown": shown})
