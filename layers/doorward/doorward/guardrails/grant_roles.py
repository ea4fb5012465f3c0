"""`grant-role-drift`: what a role under /doorward/grants/ must be like, whoever made it.

| what                                                     | must be                                                                  |
|----------------------------------------------------------|--------------------------------------------------------------------------|
| its name                                                 | begins with `doorward-grant-`                                            |
| MaxSessionDuration                                       | an hour                                                                  |
| its permissions boundary, where it is known              | /doorward/DoorwardGrantBoundary, of its own account                      |
| each Allow that opens a session: its principals          | the hub account, and nobody else                                         |
| … `aws:PrincipalArn`                                     | the broker, to the letter                                                |
| … `aws:PrincipalOrgID`, where there is an organization   | that one                                                                 |
| … `sts:ExternalId`                                       | one, whichever: which is the right one, STS finds out                    |
| … `sts:SourceIdentity`                                   | like a grant's: anything, `=`, and 26 characters                         |

More conditions only narrow it. Where no Allow opens a session, nobody comes in.
"""

from collections.abc import Callable, Iterator
from typing import Final

from doorward.errors import MalformedInput
from doorward.findings.model import Finding, StatementRef
from doorward.guardrails.model import Role
from doorward.guardrails.rules import GRANT_ROLE_DRIFT
from doorward.guardrails.setting import Setting
from doorward.iam.arns import account_of_principal, parse_arn, role_arn
from doorward.iam.documents import Statement, parse_document
from doorward.iam.names import ASSUME_ROLE, EXTERNAL_ID, WITH_SAML, WITH_WEB_IDENTITY
from doorward.iam.search import matches_action
from doorward.iam.wording import statement_in_words
from doorward.organization.installation import (
    GRANT_BOUNDARY,
    GRANT_ROLE_PREFIX,
    GRANT_SESSION_SECONDS,
    GRANT_SOURCE_IDENTITIES,
    MINT_CREDENTIALS,
    ROLE_PATH,
)
from doorward.organization.model import Organization

_OPENING: Final = (ASSUME_ROLE, WITH_SAML, WITH_WEB_IDENTITY)
_SAME: Final = frozenset({"arnequals", "arnlike", "stringequals", "stringlike"})
"""Of a value without wildcards these say one thing. Any other form of them (`IfExists`, `ForAllValues:`) admits whoever has no such key."""
_OF_A_GRANT: Final = GRANT_SOURCE_IDENTITIES.lstrip("?*")


def grant_role_drift(setting: Setting, role: Role) -> Finding | None:
    """One finding with all that is wrong; None: the role is as it must be."""
    wrong = drift_of(role, setting.organization)
    if not wrong:
        return None
    rule, cure = GRANT_ROLE_DRIFT, "deploy the stack that made it again, and find out who changed it"
    because = f"People are granted sessions of this role, and {wrong}: {cure}."
    return Finding(rule.id, rule.kind, setting.severity_of(rule.id), rule.title, StatementRef(0, None), None, because)


def drift_of(role: Role, organization: Organization) -> str:
    """All that is wrong, as a clause; empty: the role is as it must be."""
    arn = parse_arn(role.arn)  # a template may not say which
    partition = organization.partition if arn is None else arn.partition
    return "; ".join([*_of_the_role(role, partition), *_of_the_trust(role, organization, partition)])


def _of_the_role(role: Role, partition: str) -> Iterator[str]:
    if not role.name.startswith(GRANT_ROLE_PREFIX):
        yield f"its name does not begin with {GRANT_ROLE_PREFIX}, by which Doorward is told of changes to it"
    if role.max_session_duration_seconds > GRANT_SESSION_SECONDS:
        yield f"its sessions may last {role.max_session_duration_seconds} seconds, longer than {GRANT_SESSION_SECONDS}"
    if role.permissions_boundary not in {None, f"arn:{partition}:iam::{role.account_id}:policy{ROLE_PATH}{GRANT_BOUNDARY}"}:
        yield f"its permissions boundary is not {GRANT_BOUNDARY}"


def _of_the_trust(role: Role, organization: Organization, partition: str) -> Iterator[str]:
    try:
        document = parse_document(role.trust_policy)
    except MalformedInput:
        return  # which is told anyway
    for each in document.statements:
        if each.effect == "Allow" and any(matches_action(each, call) for call in _OPENING):
            wrong = " and ".join(_of_an_opening(each, organization, partition))
            if wrong:
                yield f"{statement_in_words(each.position, each.sid)} {wrong}"


def _of_an_opening(statement: Statement, organization: Organization, partition: str) -> Iterator[str]:
    ours = {each.id for each in organization.accounts} | {organization.management_account or ""}
    hubs = ours if organization.hub_account is None else {organization.hub_account}
    if not any(_is_for_the_broker(statement, each, partition) for each in hubs):
        yield "lets in others than the hub's broker"
    if organization.id is not None and not _asks(statement, "aws:principalorgid", _SAME, lambda value: value == organization.id):
        yield "does not ask for the own organization"
    if not _asks(statement, EXTERNAL_ID, frozenset({"stringequals"}), lambda value: bool(value) and "$" not in value):
        yield "asks for no external ID"
    if not _asks(statement, "sts:sourceidentity", frozenset({"stringlike"}), _is_of_a_grant):
        yield "asks for no source identity of a grant"


def _is_for_the_broker(statement: Statement, hub: str, partition: str) -> bool:
    broker = role_arn(hub, MINT_CREDENTIALS, ROLE_PATH, partition)
    principals = statement.principals or ()
    is_of_hub = bool(principals) and all(each.type == "AWS" and account_of_principal(each.value) == hub for each in principals)
    return is_of_hub and _asks(statement, "aws:principalarn", _SAME, lambda value: value == broker)


def _is_of_a_grant(pattern: str) -> bool:
    return pattern.endswith(_OF_A_GRANT) and pattern != _OF_A_GRANT and "$" not in pattern


def _asks(statement: Statement, key: str, operators: frozenset[str], is_right: Callable[[str], bool]) -> bool:
    """Whether a condition lets only right values through. Each condition must hold, so one is enough."""
    return any(
        each.key.lower() == key and each.operator.lower() in operators and bool(each.values) and all(map(is_right, each.values))
        for each in statement.conditions
    )
