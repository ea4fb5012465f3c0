"""Who used a role before its trust policy was changed, and which remedies would take it from them.

Use protects only whom the policy that stood before let in, and who came before the change: who came because of it is protected by nothing.
A call tells not everything that a condition can ask, so a condition that nobody can answer counts as met, and a Deny under one as not.
"""

from collections.abc import Iterable
from datetime import datetime
from json import dumps
from typing import Final

from doorward.errors import MalformedInput
from doorward.findings.model import Remedy
from doorward.guardrails.decide import Former, Use
from doorward.guardrails.diff import newly_allowed
from doorward.guardrails.model import Role
from doorward.iam.arns import account_of_principal, parse_role_arn, session_of
from doorward.iam.documents import Document, Statement, parse_document
from doorward.iam.evaluate import Request, evaluate_trust_policy
from doorward.iam.names import ASSUME_ROLE, WITH_SAML, WITH_WEB_IDENTITY
from doorward.organization.model import Organization
from doorward.values import NamedTuple

_SAML_SUBJECT: Final = "SAML:sub"
_ANOTHER_ORGANIZATION: Final = "o-another"
_MOST_NAMED: Final = 5


class Uses(NamedTuple):
    """`users`: whom the former policy let in, who came before the change, and whom what stands now still lets in.

    `former` None: there was none, or `is_known` is False.
    """

    former: Document | None
    is_known: bool
    users: tuple[str, ...]
    role: Role
    organization: Organization

    def are_spared_by(self, remedy: Remedy) -> bool:
        document = parse_document(dumps(remedy.trust_policy))
        return all(lets_in(document, each, self.role, self.organization) for each in self.users)


def uses_of(role: Role, former: Former, came: Iterable[str], organization: Organization) -> Uses:
    """`came`: principals as sessions' edges name them, before the change."""
    before, found = _read(former.document), _read(role.trust_policy)
    if before is None or found is None:
        return Uses(before, former.is_known and former.document is None, (), role, organization)
    both = (each for each in came if lets_in(before, each, role, organization) and lets_in(found, each, role, organization))
    return Uses(before, True, tuple(dict.fromkeys(both)), role, organization)


def use_in_words(uses: Uses, remedy: Remedy | None) -> str:
    """For whoever decides: who used the role before, and what the remedy that is proposed does to them."""
    if not uses.users:
        if uses.former is None and not uses.is_known:
            return "Whether anybody used it before the change is not known."
        return "Nobody was seen to use it before the change by what stood then."
    shown = ", ".join(uses.users[:_MOST_NAMED])
    more = f" and {len(uses.users) - _MOST_NAMED} more" if len(uses.users) > _MOST_NAMED else ""
    if remedy is None:
        return f"Used before the change by {shown}{more}."
    spared = "who keep it" if uses.are_spared_by(remedy) else "from some of whom the remedy takes it"
    return f"Used before the change by {shown}{more}, {spared}."


def use_under(uses: Uses, remedies: Iterable[Remedy], *, now: datetime) -> Use:
    """What the remedies would do to who uses the role. Where nobody was ever seen, the mildest remedy counts."""
    if uses.users:
        return Use.FREE if any(map(uses.are_spared_by, remedies)) else Use.PROTECTS
    if uses.former is None:
        return Use.FREE if uses.is_known else Use.UNKNOWN
    mildest = next(iter(remedies), None)
    if mildest is None:
        return Use.FREE
    lost = newly_allowed(parse_document(dumps(mildest.trust_policy)), uses.former, uses.role, uses.organization, now=now)
    if lost.is_there is False:
        return Use.FREE
    if lost.is_there is None or lost.witness is None:
        return Use.UNKNOWN
    found = _read(uses.role.trust_policy)
    witness = lost.witness
    request = Request(witness.principal, witness.principal_type, witness.action, dict(witness.context), uses.role.arn, uses.role.account_id)
    stands = found is not None and evaluate_trust_policy(found, request).outcome == "allowed"
    return Use.UNKNOWN if stands else Use.FREE  # what the change itself took away is no loss by the remedy


def lets_in(policy: Document, principal: str, role: Role, organization: Organization) -> bool:
    """Whether the policy lets somebody in, as far as an edge tells who he is."""
    if principal.isdigit():  # of a caller from elsewhere only the account is known
        named = [each.value for statement in policy.statements if statement.effect == "Allow" for each in statement.principals or ()]
        return any(each == "*" or account_of_principal(each) == principal for each in named)
    request = _request(principal, role, organization)
    known = {each.lower() for each in request.context}
    statements = tuple(left for each in policy.statements if (left := _answerable(each, known)) is not None)
    return evaluate_trust_policy(policy._replace(statements=statements), request).outcome == "allowed"


def _answerable(statement: Statement, known: set[str]) -> Statement | None:
    conditions = tuple(each for each in statement.conditions if each.key.lower() in known)
    if statement.effect == "Deny" and len(conditions) < len(statement.conditions):
        return None
    return statement._replace(conditions=conditions)


def _request(principal: str, role: Role, organization: Organization) -> Request:
    provider, is_federated, subject = principal.partition("|")
    if is_federated:
        is_saml = ":saml-provider/" in provider
        claim = _SAML_SUBJECT if is_saml else f"{provider.rpartition('-provider/')[2]}:sub"
        action = WITH_SAML if is_saml else WITH_WEB_IDENTITY
        return Request(provider, "Federated", action, {claim: subject}, role.arn, role.account_id)
    if not principal.startswith("arn:"):
        return Request(principal, "Service", ASSUME_ROLE, {"aws:PrincipalIsAWSService": "true"}, role.arn, role.account_id)
    account_id = account_of_principal(principal)
    context: dict[str, str | tuple[str, ...]] = {"aws:PrincipalArn": principal, "aws:PrincipalIsAWSService": "false"}
    if account_id is not None:
        context["aws:PrincipalAccount"] = account_id
        if organization.id is not None:
            is_ours = organization.account(account_id) is not None
            context["aws:PrincipalOrgID"] = organization.id if is_ours else _ANOTHER_ORGANIZATION
    caller = session_of(principal, "any") if parse_role_arn(principal) is not None else principal
    return Request(caller, "AWS", ASSUME_ROLE, context, role.arn, role.account_id)


def _read(policy: str | None) -> Document | None:
    try:
        return None if policy is None else parse_document(policy)
    except MalformedInput:
        return None
