"""CloudTrail records of calls to IAM, STS, Organizations, EventBridge, CloudTrail and Secrets Manager, in the shapes of real ones."""

import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from botocore.model import OperationModel
from ministack.core.iam_evaluator import CredentialResolutionError, resolve_credential
from ministack.services import sts

from local.cloud import api_shapes, iam_entities, source_identity

EVENT_VERSION: Final = "1.11"
LARGEST_ELEMENT: Final = 100 * 1024
"""Bytes of requestParameters or responseElements beyond which CloudTrail omits them (CloudTrail User Guide, record contents)."""

_NEVER_LOGGED: Final = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "MissingAuthenticationToken", "IncompleteSignature"}
)
"""Failures of authentication: whose trail would they go to?"""
_READS: Final = ("Get", "List", "Describe", "Lookup", "Test", "Simulate", "Generate", "AssumeRole", "Decode")
_WRITES_THAT_GET: Final = ("GetFederationToken", "GetSessionToken")
_DATA_EVENTS: Final = frozenset({"PutEvents"})
"""Not management events."""
_GLOBAL: Final = frozenset({"iam", "organizations"})
"""Services that are recorded in the IAM region alone."""
_DENIALS: Final = frozenset({"AccessDenied", "AccessDeniedException"})
_ACTION_IN_MESSAGE: Final = re.compile(r"(is not authorized to perform: \S+)(?: on resource: \S+)?")


class Call(NamedTuple):
    """One API call and its answer, as the emulator saw it."""

    service: str
    account_id: str
    region: str
    access_key_id: str
    headers: Mapping[str, str]
    """Of the request, names in lower case."""
    body: bytes
    request_id: str
    status: int
    answer_headers: Mapping[str, str]
    answer: bytes


class Record(NamedTuple):
    account_id: str
    """Whose default bus it goes to."""
    region: str
    source: str
    detail: dict[str, Any]

    @property
    def detail_type(self) -> str:
        return "AWS Service Event via CloudTrail" if self.detail["eventType"] == "AwsServiceEvent" else "AWS API Call via CloudTrail"


def records_of(call: Call, now: datetime) -> list[Record]:
    """Return what CloudTrail logs of a call: nothing, one record, or two.

    Two of an AssumeRole across accounts (the caller's, the owner's), and of CreateAccount (the call, the account that came of it).
    """
    operation = api_shapes.operation_of(call.service, call.headers, call.body)
    if operation is None or operation.name in _DATA_EVENTS:
        return []
    detail = _outcome(operation, call)
    if detail.get("errorCode") in _NEVER_LOGGED:
        return []
    given = api_shapes.request_parameters(operation, call.headers, call.body) or {}
    account_id, identity = _caller(call, operation.name, given)
    if identity is None:
        return []
    if "errorMessage" in detail:  # the emulator leaves the caller out where the role does not exist
        detail["errorMessage"] = str(detail["errorMessage"]).replace("User: is not", f"User: {identity.get('arn')} is not")
    owner = str(given.get("roleArn", "")).split(":")[4:5]
    crosses = operation.name == "AssumeRole" and call.status < 300 and owner and owner[0] != account_id  # noqa: PLR2004 - HTTP
    if crosses:
        detail["sharedEventID"] = str(uuid.uuid4())
    records = [_record(operation, call, detail, identity=identity, account_id=account_id, now=now)]
    if crosses:
        outsider = {"type": "AWSAccount", "principalId": identity["principalId"], "accountId": account_id}
        records.append(_record(operation, call, detail, identity=outsider, account_id=owner[0], now=now))
    if operation.name == "CreateAccount" and call.status < 300:  # noqa: PLR2004 - HTTP
        records.append(_account_created(api_shapes.response_elements(operation, call.status, call.answer_headers, call.answer), call, now))
    return records


def _account_created(response: Mapping[str, Any] | None, call: Call, now: datetime) -> Record:
    """The service event that names the new account: CreateAccount itself answers before there is one.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_cloudtrail-integration.html
    """
    detail = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": {"accountId": call.account_id, "invokedBy": "AWS Internal"},
        "eventTime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "organizations.amazonaws.com",
        "eventName": "CreateAccountResult",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "AWS Internal",
        "userAgent": "AWS Internal",
        "requestParameters": None,
        "responseElements": None,
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": call.account_id,
        "serviceEventDetails": {"createAccountStatus": dict((response or {}).get("createAccountStatus", {}))},
        "eventCategory": "Management",
    }
    return Record(call.account_id, "us-east-1", "aws.organizations", detail)


def record_of_service(
    event_name: str, service: str, account_id: str, *, request: dict[str, Any], response: dict[str, Any] | None, now: datetime
) -> Record:
    """Return the record of an IAM write that an AWS service made for the account, such as CloudFormation's of a stack's roles."""
    identity = {**_root(account_id), "invokedBy": service}
    del identity["accessKeyId"]
    detail = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": identity,
        "eventTime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "iam.amazonaws.com",
        "eventName": event_name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": service,
        "userAgent": service,
        "requestParameters": _at_most(request, "requestParameters"),
        "responseElements": response,
        "requestID": str(uuid.uuid4()),
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account_id,
        "eventCategory": "Management",
    }
    return Record(account_id, "us-east-1", "aws.iam", detail)


def _record(
    operation: OperationModel, call: Call, outcome: dict[str, Any], *, identity: dict[str, Any], account_id: str, now: datetime
) -> Record:
    region = "us-east-1" if call.service in _GLOBAL else call.region
    host = "iam.amazonaws.com" if call.service == "iam" else f"{call.service}.{region}.amazonaws.com"
    detail = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": identity,
        "eventTime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": f"{call.service}.amazonaws.com",
        "eventName": operation.name,
        "awsRegion": region,
        "sourceIPAddress": call.headers.get("x-forwarded-for", "127.0.0.1").partition(",")[0].strip(),
        "userAgent": call.headers.get("user-agent", ""),
        **outcome,
        "requestID": call.request_id,
        "eventID": str(uuid.uuid4()),
        "readOnly": _is_read(operation.name),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account_id,
        "eventCategory": "Management",
        "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader": host},
    }
    return Record(account_id, region, f"aws.{call.service}", detail)


def _outcome(operation: OperationModel, call: Call) -> dict[str, Any]:
    """Return errorCode, errorMessage, requestParameters, responseElements, and resources where there are such."""
    request = api_shapes.request_parameters(operation, call.headers, call.body)
    if call.status >= 300:  # noqa: PLR2004 - HTTP
        code, message = api_shapes.error_of(operation, call.status, call.answer_headers, call.answer)
        # A denied call shows nothing of what was asked; its message names the role, without path or account, or the rule by its ARN.
        hidden = code in _DENIALS and operation.name != "AssumeRoleWithWebIdentity"
        if call.service == "iam":
            message = _naming_the_entity(message, request or {})
        if call.service == "events":
            message = _naming_the_rule(message, request or {}, call)
        return {
            "errorCode": code,
            "errorMessage": message,
            "requestParameters": None if hidden else _at_most(request, "requestParameters"),
            "responseElements": None,
        }
    response = None
    if not _is_read(operation.name) or operation.name.startswith("AssumeRole"):
        response = _as_logged(api_shapes.response_elements(operation, call.status, call.answer_headers, call.answer))
    outcome: dict[str, Any] = {
        "requestParameters": _at_most(request, "requestParameters"),
        "responseElements": _at_most(response, "responseElements"),
    }
    role_arn = (request or {}).get("roleArn")
    if operation.name.startswith("AssumeRole") and role_arn:
        outcome["resources"] = [{"accountId": role_arn.split(":")[4], "type": "AWS::IAM::Role", "ARN": role_arn}]
    return outcome


def _naming_the_entity(message: str, request: dict[str, Any]) -> str:
    """IAM's denials name `role NAME`, without path or account; the emulator's name nothing."""
    for key, kind in (("roleName", "role"), ("userName", "user"), ("policyArn", "policy"), ("groupName", "group")):
        if named := request.get(key):
            return _ACTION_IN_MESSAGE.sub(lambda found: f"{found[1]} on resource: {kind} {named}", message, count=1)  # noqa: B023 - used at once
    return message


def _naming_the_rule(message: str, request: dict[str, Any], call: Call) -> str:
    name, bus = request.get("rule") or request.get("name"), (request.get("eventBusName") or "default").rpartition("/")[2]
    path = name if bus == "default" else f"{bus}/{name}"
    resource = f"arn:aws:events:{call.region}:{call.account_id}:rule/{path}"
    return _ACTION_IN_MESSAGE.sub(lambda found: f"{found[1]} on resource: {resource}", message, count=1) if name else message


def _as_logged(response: dict[str, Any] | None) -> dict[str, Any] | None:
    if response is None:
        return None
    role = response.get("role")
    if isinstance(role, dict):
        for key in ("description", "maxSessionDuration", "roleLastUsed"):
            role.pop(key, None)
        if isinstance(boundary := role.get("permissionsBoundary"), dict):
            boundary["permissionsBoundaryType"] = "Policy"
    if not response.get("packedPolicySize"):
        response.pop("packedPolicySize", None)
    return response or None


def _at_most(element: dict[str, Any] | None, name: str) -> dict[str, Any] | None:
    size = len(json.dumps(element, ensure_ascii=False).encode()) if element else 0
    if size <= LARGEST_ELEMENT:
        return element
    return {"reason": f"{name} too large", "omitted": True, "originalSize": str(size)}


def _is_read(operation_name: str) -> bool:
    return operation_name.startswith(_READS) and operation_name not in _WRITES_THAT_GET


def _caller(call: Call, operation_name: str, given: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """Return the caller's account and userIdentity; an unknown key has none, and then nothing is logged."""
    if operation_name == "AssumeRoleWithWebIdentity":
        return str(given.get("roleArn", "::::")).split(":")[4], _web_identity(call)
    if operation_name == "AssumeRoleWithSAML":
        return str(given.get("roleArn", "::::")).split(":")[4], _saml_user(call)
    credential = resolve_credential(call.access_key_id, call.account_id)
    if isinstance(credential, CredentialResolutionError):
        return call.account_id, None
    who = {
        "principalId": credential.principal_id,
        "arn": credential.principal_arn,
        "accountId": credential.account_id,
        "accessKeyId": credential.access_key_id,
    }
    match credential.principal_type:
        case "Root":
            return call.account_id, _root(credential.account_id)
        case "AssumedRole":
            return call.account_id, _role_session(who)
        case "FederatedUser":
            session: dict[str, Any] = {"attributes": _attributes(credential.access_key_id)}
            return call.account_id, {"type": "FederatedUser", **who, "sessionContext": session}
        case _:
            user: dict[str, Any] = {"type": "IAMUser", **who, "userName": credential.principal_name}
            if credential.access_key_id in sts._sessions:
                user["sessionContext"] = {"attributes": _attributes(credential.access_key_id)}
            return call.account_id, user


def _root(account_id: str) -> dict[str, Any]:
    # The emulator's key of the account's root is the account id; AWS's are twenty characters long and begin with AKIA.
    arn = f"arn:aws:iam::{account_id}:root"
    return {"type": "Root", "principalId": account_id, "arn": arn, "accountId": account_id, "accessKeyId": f"AKIAROOT{account_id}"}


def _role_session(who: dict[str, Any]) -> dict[str, Any]:
    issuer_arn = iam_entities.role_arn_of_session(who["arn"]) or ""
    name, session_name = who["arn"].split("/")[1:3]
    role = iam_entities.role(who["accountId"], name)
    role_id = str(role["RoleId"]) if role else str(who["principalId"]).partition(":")[0]
    context: dict[str, Any] = {
        "sessionIssuer": {"type": "Role", "principalId": role_id, "arn": issuer_arn, "accountId": who["accountId"], "userName": name},
        "attributes": _attributes(who["accessKeyId"]),
    }
    if identity := source_identity.of_session(who["accessKeyId"]):
        context["sourceIdentity"] = identity
    return {"type": "AssumedRole", **who, "principalId": f"{role_id}:{session_name}", "sessionContext": context}


def _attributes(access_key_id: str) -> dict[str, str]:
    issued_at = sts._sessions.get(access_key_id, {}).get("IssuedAt", 0)
    return {"creationDate": f"{datetime.fromtimestamp(issued_at, UTC):%Y-%m-%dT%H:%M:%SZ}", "mfaAuthenticated": "false"}


def _answered(call: Call) -> Mapping[str, Any]:
    """The answer to a call that nobody signed; nothing, where it was refused."""
    operation = api_shapes.operation_of("sts", call.headers, call.body)
    if operation is None or call.status >= 300:  # noqa: PLR2004 - HTTP
        return {}
    return api_shapes.response_elements(operation, call.status, call.answer_headers, call.answer) or {}


def _saml_user(call: Call) -> dict[str, Any]:
    """Its identityProvider is no ARN: it is the name qualifier of the subject."""
    qualifier, subject = (str(_answered(call).get(key, "")) for key in ("nameQualifier", "subject"))
    return {"type": "SAMLUser", "principalId": f"{qualifier}:{subject}", "userName": subject, "identityProvider": qualifier}


def _web_identity(call: Call) -> dict[str, Any]:
    answer = _answered(call)
    provider, audience, subject = (str(answer.get(key, "")) for key in ("provider", "audience", "subjectFromWebIdentityToken"))
    return {
        "type": "WebIdentityUser",
        "principalId": f"{provider}:{audience}:{subject}",
        "userName": subject,
        "identityProvider": provider,
    }
