"""Who from outside the organization may assume a role: the same search as the judge's, with nobody else's account trusted.

| who comes in                                                                       | is a              |
|------------------------------------------------------------------------------------|-------------------|
| a principal of an account of ours                                                  | -                 |
| whoever the organization file trusts by token, certificate, pool or assertion      | -                 |
| a service, for an account of ours, or without saying for whom                      | -                 |
| a principal of a trusted account, or a service that acts for one                   | trusted outsider  |
| anybody else: any other account, a stranger's token, pool or resource, a guest     | stranger          |

Nothing of the search is imported for a policy that lets only ours in on the face of it.
"""

from collections.abc import Iterator
from datetime import datetime

from doorward.errors import MalformedInput
from doorward.findings.model import StatementRef, Undecided
from doorward.guardrails.model import Guardrails, Role, Where
from doorward.guardrails.plain import is_narrow, shuts_strangers_out
from doorward.guardrails.protected import cannot_be_edited
from doorward.guardrails.rules import (
    COGNITO_GUEST,
    COGNITO_UNSCOPED_POOL,
    EXTERNAL_ACCOUNT,
    OIDC_UNSCOPED_SUBJECT,
    OUTSIDE_ORGANIZATION,
    PRIVILEGED_OUTSIDER,
    SERVICE_FOREIGN_SOURCE,
    WORLD_ASSUMABLE,
)
from doorward.guardrails.setting import Ground, Outsider, Outsiders, Setting, setting_of
from doorward.guardrails.written import asks_for_time, named
from doorward.iam.documents import Document, Statement, parse_document
from doorward.organization.model import Organization

_LET_STRANGERS_IN = frozenset(
    each.id
    for each in (
        WORLD_ASSUMABLE,
        EXTERNAL_ACCOUNT,
        OUTSIDE_ORGANIZATION,
        OIDC_UNSCOPED_SUBJECT,
        COGNITO_UNSCOPED_POOL,
        COGNITO_GUEST,
        SERVICE_FOREIGN_SOURCE,
    )
)
_MOST_REMEMBERED = 8_192
_NOBODY = Outsiders()


def depends_on_permissions(role: Role, organization: Organization, guardrails: Guardrails, *, now: datetime) -> bool:
    """Whether what the role may do bears on its verdict, so that it is worth reading: somebody from outside comes in, or may."""
    if cannot_be_edited(role) or not guardrails.is_enabled(PRIVILEGED_OUTSIDER.id):
        return False
    return outsiders_of(setting_of(role, organization, guardrails, strict=False), role, now) != _NOBODY


def outsiders_of(setting: Setting, role: Role, now: datetime, outside_of: tuple[Where, ...] = ()) -> Outsiders:
    """Requests of outsiders that the role's trust policy lets in, one for each statement, but for those that lie in `outside_of`.

    Of a policy that cannot be read nothing is said.
    """
    text = role.trust_policy
    known = None if outside_of else setting.outsiders.get(text)
    if known is not None:
        return known
    try:
        document = parse_document(text)
    except MalformedInput:
        return _NOBODY
    open_to = tuple(_not_narrow(document, setting.ground_without_trust))
    outsiders = _searched(setting, role, document, open_to, now, outside_of) if open_to else _NOBODY
    if not outside_of and not (open_to and asks_for_time(document.statements)):
        if len(setting.outsiders) >= _MOST_REMEMBERED:
            setting.outsiders.clear()
        setting.outsiders[text] = outsiders
    return outsiders


def _not_narrow(document: Document, ground: Ground) -> Iterator[Statement]:
    is_shut = any(shuts_strangers_out(each, ground) for each in document.statements)
    return (each for each in document.statements if each.effect == "Allow" and not is_narrow(each, ground, is_shut=is_shut))


def _searched(  # noqa: PLR0917 - what is searched, and as whose
    setting: Setting, role: Role, document: Document, statements: tuple[Statement, ...], now: datetime, outside_of: tuple[Where, ...]
) -> Outsiders:
    from doorward.guardrails.holes import Asked, Hole, holes_of
    from doorward.guardrails.searching import STEPS
    from doorward.guardrails.worlds import Gate
    from doorward.iam.sets import Budget

    denies = tuple(each for each in document.statements if each.effect == "Deny")
    asked = Asked(_LET_STRANGERS_IN)
    found: list[Outsider] = []
    undecided: list[Undecided] = []

    def outsider(statement: Statement, hole: Hole) -> Outsider:
        shown = hole.shown
        is_trusted = shown.account_id in setting.ground.trusted
        return Outsider(StatementRef(statement.position, statement.sid), shown.witness, shown.account_id, is_trusted)

    for statement in statements:
        part = document._replace(statements=(statement, *denies))
        # Strangers first: they are worse.
        for ground in (setting.ground, setting.ground_without_trust):
            gate = Gate(part, role, ground, now, Budget(STEPS // len(statements)), outside_of=outside_of)
            holes = holes_of(gate, statement, asked, strict=setting.strict)
            if holes.found:
                found.append(outsider(statement, holes.found[0]))
                break
        else:
            ref = StatementRef(statement.position, statement.sid)
            undecided += [Undecided(each.rule, ref, each.construct, f"{named(statement)}: {each.because}.") for each in holes.undecided]
    found.sort(key=lambda each: each.is_trusted)
    return Outsiders(tuple(found), tuple(undecided))
