"""Worlds of AWS services that act for somebody else, of Roles Anywhere, and of users of SAML identity providers."""

from doorward.findings.model import Witness
from doorward.guardrails.model import Where
from doorward.guardrails.worlds import Answer, Gate, Shown, federated_shown, first_shown, region_of, shown_by, text_of
from doorward.guardrails.written import spelled_out
from doorward.iam.assertions import saml_callers
from doorward.iam.callers import ORGANIZATION
from doorward.iam.documents import Condition, Principal, Statement
from doorward.iam.names import ASSUME_ROLE, ROLES_ANYWHERE, WITH_SAML
from doorward.iam.search import Callers, Found
from doorward.iam.services import SOURCE, SOURCE_ACCOUNT, acting_for_a_bucket, acting_for_others, acting_silently, by_trust_anchor

_OF_EVERY_ASSERTION = frozenset({"saml:aud", "saml:iss", "saml:sub", "saml:sub_type"})
_VM_IMPORT = "vmie.amazonaws.com"
# VM Import says `vmimport` for every customer, and AWS's page asks for it:
# https://docs.aws.amazon.com/vm-import/latest/userguide/required-permissions.html
_WITHOUT_ITS_EXTERNAL_ID = Where((), (Condition("StringNotEquals", "sts:ExternalId", ("vmimport",)),))
_SOURCE_KEYS = frozenset({"aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths"})


def asks_for_source(statement: Statement) -> bool:
    """Whether the statement asks for whom a service acts."""
    return any(each.key.lower() in _SOURCE_KEYS for each in statement.conditions)


def foreign_source(gate: Gate, statement: Statement, principal: Principal) -> Answer:
    """A service that says that it acts for an account which is neither ours nor trusted."""
    callers = acting_for_others(gate.resource, principal.value, gate.elsewhere, gate.ours | gate.trusted)
    found = gate.find(statement, principal, callers)
    return shown_by(found, lambda found: service_shown(gate, found, principal.value, callers))


def foreign_bucket(gate: Gate, statement: Statement, principal: Principal) -> Answer:
    """A service that acts for a stranger's bucket, whose ARN does not say whose it is.

    Where the account is not asked for, either, a bucket that the policy spells out is taken for the one that is meant.
    """
    asks_for_account = any(each.key.lower() == SOURCE_ACCOUNT for each in statement.conditions)
    meant = () if asks_for_account else spelled_out(statement, gate.document, "aws:SourceArn")
    callers = acting_for_a_bucket(gate.resource, principal.value, gate.elsewhere, gate.ours | gate.trusted, meant)
    found = gate.find(statement, principal, callers)
    return shown_by(found, lambda found: service_shown(gate, found, principal.value, callers))


def any_source(gate: Gate, statement: Statement, principal: Principal) -> Answer:
    """A service that does not say for whom it acts, or says that it acts for an account or a bucket that is neither ours nor trusted."""
    within = _WITHOUT_ITS_EXTERNAL_ID if principal.value == _VM_IMPORT else Where()
    known = gate.ours | gate.trusted
    return first_shown(
        service_shown(gate, found, principal.value, callers) if isinstance(found, Found) else found
        for callers in (
            acting_silently(gate.resource, principal.value),
            acting_for_others(gate.resource, principal.value, gate.elsewhere, known),
            acting_for_a_bucket(gate.resource, principal.value, gate.elsewhere, known, ()),
        )
        for found in (gate.find(statement, principal, callers, region_of(within, callers)),)
    )


def service_shown(gate: Gate, found: Found, service: str, callers: Callers) -> Shown:
    """The request of a service, with what it says of whom it acts for."""
    context: dict[str, str | tuple[str, ...]] = {}
    missing: list[str] = []
    source, path = text_of(found, SOURCE), text_of(found, ORGANIZATION)
    account = text_of(found, SOURCE_ACCOUNT) or (source.split(":", 5)[4] if source else None)
    if account is not None:
        context |= {"aws:SourceArn": source, "aws:SourceAccount": account}
    else:
        missing += ["aws:SourceArn", "aws:SourceAccount"]
    if path:
        context |= {"aws:SourceOrgID": path.partition("/")[0], "aws:SourceOrgPaths": (path,)}
    gate.fill(found, callers, context, missing, {})
    return Shown(Witness(service, "Service", ASSUME_ROLE, context, tuple(missing)), account, path.partition("/")[0] or None)


def any_trust_anchor(gate: Gate, statement: Statement, principal: Principal) -> Answer:
    """A certificate of a trust anchor that is neither listed nor spelled out."""
    anchors = gate.organization.roles_anywhere or spelled_out(statement, gate.document, "aws:SourceArn")
    callers = by_trust_anchor(gate.resource, anchors)
    found = gate.find(statement, principal, callers)
    if not isinstance(found, Found):
        return found
    context: dict[str, str | tuple[str, ...]] = {"aws:SourceArn": text_of(found, SOURCE), "aws:SourceAccount": gate.role.account_id}
    missing: list[str] = []
    gate.fill(found, callers, context, missing, {})
    return Shown(Witness(ROLES_ANYWHERE, "Service", ASSUME_ROLE, context, tuple(missing)))


def stray_assertion(gate: Gate, statement: Statement, principal: Principal) -> Answer:
    """An assertion of our identity provider that was made for somebody else than AWS."""
    return _assertion(gate, statement, principal, stray=True)


def any_user(gate: Gate, statement: Statement, principal: Principal) -> Answer:
    """Whichever user of the identity provider, with no attribute that the policy could have in mind, by an assertion for AWS."""
    nobody = Condition("StringEquals", "SAML:sub", ("whichever-user-8f3a61",))
    attributes = [each for each in gate.keys if each.lower().startswith(("saml:", "aws:requesttag/", "aws:principaltag/"))]
    without = [Condition("Null", each, ("true",)) for each in attributes if each.lower() not in _OF_EVERY_ASSERTION]
    return _assertion(gate, statement, principal, stray=False, within=Where((), (nobody, *without)))


def _assertion(gate: Gate, statement: Statement, principal: Principal, *, stray: bool, within: Where = Where()) -> Answer:  # noqa: B008 - a constant
    callers = saml_callers(gate.resource, principal.value, stray=stray)
    found = gate.find(statement, principal, callers, region_of(within, callers))
    return shown_by(found, lambda found: federated_shown(gate, found, principal.value, callers, WITH_SAML))
