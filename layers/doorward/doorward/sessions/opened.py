"""Whether a caller was let in by a change made only minutes before he came.

A call that went through was allowed by what stood; the question is what stood before. A call tells not everything that a condition can ask:
an external ID is never kept, and of many keys CloudTrail says nothing. So a former policy counts as having let him in where any of the
external IDs that it names would have; and where the conditions cannot be told, the principals alone decide.
"""

from collections.abc import Iterator
from typing import Final

from doorward.errors import MalformedInput
from doorward.events.model import SessionEvent
from doorward.iam.arns import account_of_principal, parse_role_arn, session_of
from doorward.iam.documents import Document, parse_document
from doorward.iam.evaluate import Request, evaluate_trust_policy
from doorward.organization.model import Organization
from doorward.sessions.model import WINDOW, Edge, Scene, TrustVersion, is_service, role_ref_of
from doorward.values import NamedTuple

_EXTERNAL_ID: Final = "sts:ExternalId"
_SAML_AUDIENCE: Final = "SAML:aud"


class Opened(NamedTuple):
    """`version` let the caller in. `before_is_known` False: what stood before was never seen, so it may have let him in, too."""

    version: TrustVersion
    before_is_known: bool


def opened_for(scene: Scene) -> Opened | None:
    """The latest change within the window that let this caller in. The call went through.

    | the change    | what stood before       | let in by                                                                    |
    |---------------|-------------------------|------------------------------------------------------------------------------|
    | told          | told, or made by it     | the change, where it lets him in and what stood before did not               |
    | told          | never heard of          | perhaps the change, where it lets him in                                     |
    | hidden        | told, or made by it     | the change, where what stood before did not let him in: something has to     |
    | hidden        | never heard of          | perhaps the change, where he was never seen to come before it                |

    Where a hidden change tells not even its role, it may be of every role of the account, and made none of them for certain.
    """
    call, organization = scene.call, scene.organization
    if is_service(call.actor):
        return None
    made = max((each.at for each in scene.versions if _made_it(each, call)), default=None)
    # What was hidden before the role was made is of another role; CloudTrail gives whole seconds.
    ordered = sorted((each for each in scene.versions if made is None or each.at >= made), key=lambda each: (each.at, each.event_id))
    for place, version in reversed(list(enumerate(ordered))):
        if not version.at <= call.event_time <= version.at + WINDOW:
            continue
        document, is_first = version.document, _made_it(version, call)
        if document is not None and not _lets_in(document, call, organization):
            continue
        before = None if is_first else next((each.document for each in reversed(ordered[:place]) if each.document is not None), None)
        if is_first or (before is not None and not _lets_in(before, call, organization)):
            return Opened(version, before_is_known=True)
        if before is None and (document is not None or _is_new(scene.edge, version)):
            return Opened(version, before_is_known=False)
    return None


def _made_it(version: TrustVersion, call: SessionEvent) -> bool:
    """Whether this very role was made by it, before the call."""
    return version.is_first and version.role_ref == role_ref_of(call) and version.at <= call.event_time


def _is_new(edge: Edge | None, version: TrustVersion) -> bool:
    """Whether the caller is known, and known not to have come before the change."""
    return edge is not None and (edge.first is None or edge.first >= version.at)


def _lets_in(policy: str, call: SessionEvent, organization: Organization) -> bool:
    """Whether the policy lets the caller in, as far as the call tells who he is and what he brought."""
    try:
        document = parse_document(policy)
    except MalformedInput:
        return False  # nothing comes in by what IAM would not have stored
    if call.actor.arn is None and call.provider is None:
        return _names_account(document, call.actor.account_id)
    requests = list(_requests(document, call, organization))
    if any(evaluate_trust_policy(document, each).outcome == "allowed" for each in requests):
        return True
    bare = document._replace(statements=tuple(each._replace(conditions=()) for each in document.statements if each.effect == "Allow"))
    return bool(_unknown_keys(document, requests[0])) and evaluate_trust_policy(bare, requests[0]).outcome == "allowed"


def _names_account(document: Document, account_id: str | None) -> bool:
    """Of a caller from elsewhere only the account is known."""
    principals = [each.value for statement in document.statements if statement.effect == "Allow" for each in statement.principals or ()]
    return any(each == "*" or account_of_principal(each) == account_id for each in principals)


def _requests(document: Document, call: SessionEvent, organization: Organization) -> Iterator[Request]:
    """The call as requests: one for each external ID that the policy names, where the caller brought one."""
    context = _context(call, organization)
    principal, kind = _principal(call)
    given = _written_external_ids(document) if call.has_external_id else ()
    for each in given or (None,):
        more = {} if each is None else {_EXTERNAL_ID: each}
        yield Request(principal, kind, f"sts:{call.event_name}", {**context, **more}, call.role_arn, call.role_account_id)


def _principal(call: SessionEvent) -> tuple[str, str]:
    if call.provider is not None:
        return call.provider, "Federated"
    arn = call.actor.arn or ""
    return (session_of(arn, call.actor.session_name or "any") if parse_role_arn(arn) is not None else arn), "AWS"


def _context(call: SessionEvent, organization: Organization) -> dict[str, str | tuple[str, ...]]:
    actor = call.actor
    context: dict[str, str | tuple[str, ...]] = {}
    if call.provider is not None:
        issuer = call.provider.rpartition("-provider/")[2]
        claims = {f"{issuer}:sub": call.subject, f"{issuer}:aud": call.audience}
        if call.event_name == "AssumeRoleWithSAML":
            claims = {_SAML_AUDIENCE: call.audience, "SAML:iss": call.issuer, "SAML:sub": call.subject}
        context |= {key: value for key, value in claims.items() if value is not None}
    elif actor.arn is not None and actor.account_id is not None:
        context |= {"aws:PrincipalArn": actor.arn, "aws:PrincipalAccount": actor.account_id, "aws:PrincipalIsAWSService": "false"}
        account = organization.account(actor.account_id)
        if account is not None and organization.id is not None:
            context["aws:PrincipalOrgID"] = organization.id
            if account.org_path:
                context["aws:PrincipalOrgPaths"] = (account.org_path,)
    if call.role_session_name is not None:
        context["sts:RoleSessionName"] = call.role_session_name
    if call.source_identity is not None:
        context["sts:SourceIdentity"] = call.source_identity
    if call.actor.source_ip_address is not None:
        context["aws:SourceIp"] = call.actor.source_ip_address
    return context


def _written_external_ids(document: Document) -> tuple[str, ...]:
    values = (
        value
        for statement in document.statements
        for condition in statement.conditions
        if condition.key.lower() == _EXTERNAL_ID.lower()
        for value in condition.values
    )
    return tuple(dict.fromkeys(values))


def _unknown_keys(document: Document, request: Request) -> set[str]:
    """What the conditions ask and the call does not tell."""
    known = {each.lower() for each in request.context}
    asked = {condition.key.lower() for statement in document.statements for condition in statement.conditions}
    return asked - known - {_EXTERNAL_ID.lower()}
