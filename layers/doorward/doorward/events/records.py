"""CloudTrail records, alone or in their EventBridge envelope, as typed values.

An event is a hint to look at a role, never the facts about it: it can be late, repeated, out of order or cut. So the parser is strict about
what says *where to look* (account, event, role name) and lenient about the rest, and an event that hides its role points at the account.

Every input ends in one of three ways: a `Change` to look at, a `Skipped` record that is well-formed and not for this reaction, or
`MalformedInput` for what can never be used. No other exception leaves `parse_envelope` or `parse_record`.

Credentials that a response carries (`responseElements.credentials`), and access key ids, are never read, so that no value can hold them.

Shapes: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html and
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from doorward.errors import MalformedInput
from doorward.events.model import AccountTarget, Actor, Cause, Change, Part, ProviderTarget, RoleTarget, Skipped, SkipReason, Target


def parse_envelope(text: str | bytes | Mapping[str, Any]) -> Change | Skipped:
    """Parse an EventBridge event that carries a CloudTrail record, as it stands in the body of an SQS message.

    The account is the envelope's, which EventBridge writes and nobody can forge. Raises only `MalformedInput`, which says what is wrong, at
    which JSON path, and what to do; where the envelope and the record contradict each other, it says that the event is forged.
    """
    envelope = _read(text, writer="EventBridge")
    if not envelope.has("detail"):
        envelope.refuse_other_forms(instead="give the record itself to parse_record")
    source = envelope.text("source", _SOURCE_FORM, "a dotted name")
    detail_type = envelope.text("detail-type", _ANY, "text")
    account_id = envelope.text("account", _ACCOUNT_ID, "a 12-digit account id")
    region = envelope.text("region", _REGION, "a region")
    record = envelope.required_object("detail")
    if not source.startswith("aws."):
        forged = f"$.source is {_shown(source)}, and only events of source aws.* are AWS's own"
        raise MalformedInput(f"{forged}: this one is forged. Make the rule match its source, and find out who may put events on the bus.")
    if not detail_type.endswith(_VIA_CLOUDTRAIL):
        raise MalformedInput(f"$.detail-type is {_shown(detail_type)}, not one of CloudTrail's: narrow the rule to {_VIA_CLOUDTRAIL!r}.")
    event_source = record.text("eventSource", _EVENT_SOURCE, "the DNS name of an AWS service")
    if event_source.partition(".")[0] != source.removeprefix("aws."):
        forged = f"$.detail.eventSource is {_shown(event_source)} under $.source {_shown(source)}, which AWS never sends"
        raise MalformedInput(f"{forged}: the event is forged. Find out who may put events on the bus.")
    return _interpret(record, account_id, "the envelope's", region, envelope.free("replay-name"))


def parse_record(record: str | bytes | Mapping[str, Any], *, account_id: str | None = None) -> Change | Skipped:
    """Parse one CloudTrail record without its envelope: for replays of archives, and for tests.

    The account is the record's `recipientAccountId`. `account_id` says which it must be (12 digits), or which it is where an old record has
    none. Nothing vouches for a bare record, so none must come here from a queue. Raises only `MalformedInput`, as `parse_envelope` does.
    """
    root = _read(record, writer="CloudTrail")
    if not root.has("eventName"):
        root.refuse_other_forms(instead="give an EventBridge event to parse_envelope")
    if account_id is None:
        account_id = root.text("recipientAccountId", _ACCOUNT_ID, "a 12-digit account id")
    elif not _ACCOUNT_ID.fullmatch(account_id):
        raise MalformedInput(
            f"account_id is {_shown(account_id)}, not a 12-digit account id: say which account the record was delivered to."
        )
    root.text("eventSource", _EVENT_SOURCE, "the DNS name of an AWS service")
    return _interpret(root, account_id, "the expected", root.text("awsRegion", _REGION, "a region"), None)


class _Object:
    """A JSON object that knows its JSON path: strict where the parser needs a value, lenient where it can do without."""

    __slots__ = ("path", "value", "writer")

    def __init__(self, value: Mapping[str, Any], path: str, writer: str) -> None:
        self.value = value
        self.path = path
        self.writer = writer

    def has(self, key: str) -> bool:
        return self.value.get(key) is not None

    def text(self, key: str, form: re.Pattern[str], what: str) -> str:
        """Return the string at `key`, which must be there and have this form."""
        value = self.value.get(key)
        if isinstance(value, str) and form.fullmatch(value):
            return value
        wrong = f"missing, but {self.writer} always sends it" if value is None else f"{_shown(value)}, not {what} as {self.writer} sends it"
        raise MalformedInput(f"{self.path}.{key} is {wrong}: {_ASIDE}")

    def free(self, key: str) -> str | None:
        """Return free text, made safe to print and to encode. None where it is absent, empty, or not text."""
        value = self.value.get(key)
        if not isinstance(value, str) or not value:
            return None
        return value if value.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in value)

    def required_object(self, key: str) -> "_Object":
        value = self.value.get(key)
        if not isinstance(value, Mapping):
            raise MalformedInput(f"{self.path}.{key} is {_kind(value)}, not an object: {_ASIDE}")
        return _Object(value, f"{self.path}.{key}", "CloudTrail")

    def object(self, key: str) -> "_Object":
        """Return the object at `key`; an empty one where it is absent or something else."""
        value = self.value.get(key)
        return _Object(value if isinstance(value, Mapping) else {}, f"{self.path}.{key}", self.writer)

    def parameters(self, key: str) -> "_Object":
        """Return what CloudTrail writes as null where there is none or the call was denied, and as `{"omitted": true, …}` over 100 KB."""
        return self.required_object(key) if self.has(key) else self.object(key)

    def refuse_other_forms(self, *, instead: str) -> None:
        """Say so where this is a file, a batch, or the other of the two forms, rather than that a field is missing."""
        if "Records" in self.value:
            several = f"{self.path}.Records makes this a file of records or a batch of messages, not one event"
            raise MalformedInput(f"{several}: replay each record with parse_record, or give each message body to parse_envelope.")
        if self.has("eventName") or self.has("detail"):
            raise MalformedInput(
                f"{self.path} is {'a bare CloudTrail record' if self.has('eventName') else 'an EventBridge event'}: {instead}."
            )


_ASIDE: Final = "put the message aside, and find out who sent it."
_MOST_SHOWN: Final = 40
"""Characters of a refused value in an error text: enough to recognise it."""
_MOST_OF_A_MESSAGE: Final = 1024
"""CloudTrail cuts `errorMessage` here."""

# Every form is ASCII and matched whole: Unicode has digits and letters that AWS has not.
_ANY: Final = re.compile(r"[ -~]{1,256}")
_ACCOUNT_ID: Final = re.compile(r"[0-9]{12}")
_REGION: Final = re.compile(r"[a-z0-9-]{1,64}")
_SOURCE_FORM: Final = re.compile(r"[\w./-]{1,256}", re.ASCII)
_EVENT_SOURCE: Final = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*\.amazonaws\.com(\.cn)?")
_EVENT_ID: Final = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_ROLE_NAME: Final = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
"""https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html, RoleName."""
_ANY_ARN: Final = re.compile(r"[!-~]{1,2048}")
_ROLE_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):role/(?:[!-~]{0,510}/)?([\w+=,.@-]{1,64})", re.ASCII)
_PROVIDER_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):(?:oidc|saml)-provider/[!-~]{1,1024}")
_DENIED_ROLE: Final = re.compile(
    r" is not authorized to perform: \S+ on resource: (?:role |\S*:role/(?:\S*/)?)([\w+=,.@-]{1,64})(?=\s|$)", re.ASCII
)
"""A denied call has no parameters; IAM names the role in the message, some services by its ARN."""
_PERCENT: Final = re.compile(rb"%([0-9A-Fa-f]{2})")

_VIA_CLOUDTRAIL: Final = " via CloudTrail"
_IAM: Final = ("iam.amazonaws.com", "iam.amazonaws.com.cn")

_OUTCOME_UNKNOWN: Final = re.compile(r"(Internal(Failure|Error|Server|Service)|Service(Failure|Unavailable)|RequestTimeout)\w*")
"""Errors on the side of AWS, after which the change may stand all the same. Any other error means that the call was refused."""


def _read(text: object, *, writer: str) -> _Object:
    if isinstance(text, Mapping):
        return _Object(text, "$", writer)
    if not isinstance(text, str | bytes):
        raise MalformedInput(f"$ is {_kind(text)}, not a JSON text or object: give the message body as it came.")
    try:
        value = json.loads(text if isinstance(text, str) else text.decode(), parse_constant=_refuse_constant)
    except ValueError as error:  # not JSON, not UTF-8, or a number of more digits than Python converts
        raise MalformedInput(f"$ is not JSON ({_shown(str(error), most=120)}): {_ASIDE}") from None
    except RecursionError:
        raise MalformedInput(f"$ is nested too deeply to read: {_ASIDE}") from None
    if not isinstance(value, dict):
        raise MalformedInput(f"$ is {_kind(value)}, not an object: {_ASIDE}")
    return _Object(value, "$", writer)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _shown(value: object, *, most: int = _MOST_SHOWN) -> str:
    """Show a refused value, short and in ASCII. Only text and numbers: what an object contains is nobody's business."""
    if not isinstance(value, str):
        return _kind(value)
    return ascii(value if len(value) <= most else value[:most] + "…")


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case Mapping():
            return "an object"
        case list():
            return "an array"
        case _:
            return f"a Python {type(value).__name__}"


def _interpret(record: _Object, account_id: str, whose: str, region: str, replay_name: str | None) -> Change | Skipped:
    event_id = record.text("eventID", _EVENT_ID, "an event id")
    event_name = record.text("eventName", _ANY, "the name of an event")
    event_source = record.value["eventSource"]
    if record.has("recipientAccountId") and record.text("recipientAccountId", _ACCOUNT_ID, "a 12-digit account id") != account_id:
        contradiction = f"{record.path}.recipientAccountId is {_shown(record.value['recipientAccountId'])}, not {whose} {account_id}"
        raise MalformedInput(f"{contradiction}: the event is forged. Find out who may put events on the bus.")
    handling = _HANDLING.get(event_name) if event_source in _IAM else None
    # The name decides before `readOnly` does: a flag must not hide a change.
    if handling is None:
        return _skip(record, event_id, event_name, event_source, account_id)
    request, response = record.parameters("requestParameters"), record.parameters("responseElements")
    error_code, error_message = record.free("errorCode"), record.free("errorMessage")
    if error_code is not None and not _OUTCOME_UNKNOWN.fullmatch(error_code):
        role_name = _role_of_failed_call(request, error_message)
        return Skipped(event_id, event_name, account_id, SkipReason.CALL_FAILED, role_name=role_name, error_code=error_code)
    return Change(
        event_id=event_id,
        event_name=event_name,
        event_time=_time(record),
        account_id=account_id,
        region=region,
        actor=_actor(record),
        cause=handling.cause,
        target=handling.find_target(account_id, request, response),
        document=_document(handling.document, request, response) if handling.document else None,
        error_code=error_code,
        error_message=error_message,
        shared_event_id=record.free("sharedEventID"),
        replay_name=replay_name,
    )


def _skip(record: _Object, event_id: str, event_name: str, event_source: str, account_id: str) -> Skipped:
    later = _LATER_IAM_EVENTS.get(event_name) if event_source in _IAM else _LATER_SERVICES.get(event_source)
    if later is not None:
        return Skipped(event_id, event_name, account_id, SkipReason.LATER_PART, handled_by=later)
    if record.value.get("readOnly") is True:
        return Skipped(event_id, event_name, account_id, SkipReason.READ_ONLY)
    return Skipped(event_id, event_name, account_id, SkipReason.OF_NO_INTEREST if event_source in _IAM else SkipReason.ANOTHER_SERVICE)


def _time(record: _Object) -> datetime:
    text = record.text("eventTime", _ANY, "a time")
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise MalformedInput(
        f"{record.path}.eventTime is {_shown(text)}, not a time with its zone such as 2026-01-02T03:04:05Z: put the message aside."
    )


def _actor(record: _Object) -> Actor:
    identity = record.object("userIdentity")
    kind = identity.free("type") or "Unknown"
    account_id = identity.free("accountId")
    principal_id = identity.free("principalId")
    named_sessions = kind in ("AssumedRole", "FederatedUser")
    return Actor(
        kind=kind,
        # The ARN of an assumed role's session lacks the role's path and ends in a name of the caller's choice: it identifies nobody.
        arn=(identity.object("sessionContext").object("sessionIssuer") if kind == "AssumedRole" else identity).free("arn"),
        account_id=account_id if account_id and _ACCOUNT_ID.fullmatch(account_id) else None,
        principal_id=principal_id,
        session_name=(principal_id.partition(":")[2] or None) if principal_id and named_sessions else None,
        invoked_by=identity.free("invokedBy"),
        user_agent=record.free("userAgent"),
        source_ip_address=record.free("sourceIPAddress"),
    )


def _changed_role(account_id: str, request: _Object, response: _Object) -> Target:
    role = response.object("role")
    for named in (request, role):
        if named.has("roleName"):
            return RoleTarget(account_id, named.text("roleName", _ROLE_NAME, "a name that IAM allows for a role"))
    if role.has("arn"):
        arn = _ROLE_ARN.fullmatch(role.text("arn", _ANY_ARN, "a role ARN"))
        if arn is None or arn[1] != account_id:
            raise MalformedInput(
                f"{role.path}.arn is {_shown(role.value['arn'], most=120)}, not a role of account {account_id}: the record is forged."
            )
        return RoleTarget(account_id, arn[2])
    return AccountTarget(account_id)


def _changed_provider(account_id: str, request: _Object, response: _Object) -> Target:
    for named in (request, response):
        # CloudTrail lowers the first letter of an API's field (`sAMLProviderArn`), not always as one would guess: any case will do.
        for key in [key for key in named.value if isinstance(key, str) and key.lower() in ("openidconnectproviderarn", "samlproviderarn")]:
            arn = _PROVIDER_ARN.fullmatch(named.text(key, _ANY_ARN, "the ARN of an identity provider"))
            if arn is None or arn[1] != account_id:
                shown = _shown(named.value[key], most=120)
                raise MalformedInput(
                    f"{named.path}.{key} is {shown}, not an identity provider of account {account_id}: the record is forged."
                )
            return ProviderTarget(account_id, arn[0])
    return AccountTarget(account_id)


def _role_of_failed_call(request: _Object, error_message: str | None) -> str | None:
    name = request.value.get("roleName")
    if isinstance(name, str) and _ROLE_NAME.fullmatch(name):
        return name
    denied = _DENIED_ROLE.search(error_message[:_MOST_OF_A_MESSAGE]) if error_message else None
    return denied[1] if denied else None


def _document(key: str, request: _Object, response: _Object) -> str | None:
    text = request.value.get(key)
    if not isinstance(text, str):
        text = response.object("role").value.get("assumeRolePolicyDocument")
        if not isinstance(text, str):
            return None
        # Only the response's copy is percent-encoded.
        text = _PERCENT.sub(lambda byte: bytes.fromhex(byte[1].decode()), text.encode(errors="replace")).decode(errors="replace")
    return text.encode(errors="replace").decode()


@dataclass(frozen=True, slots=True)
class _Handling:
    """What an event means, how to find what it changed, and the request parameter that holds a trust policy."""

    cause: Cause
    find_target: Callable[[str, _Object, _Object], Target]
    document: str | None = None


_HANDLING: Final[Mapping[str, _Handling]] = {
    "CreateRole": _Handling(Cause.TRUST, _changed_role, "assumeRolePolicyDocument"),
    "AcquireRole": _Handling(Cause.TRUST, _changed_role, "assumeRolePolicyDocument"),  # from a template: named in the response alone
    "UpdateAssumeRolePolicy": _Handling(Cause.TRUST, _changed_role, "policyDocument"),
    "UpdateRole": _Handling(Cause.SESSION_LENGTH, _changed_role),
    "UpdateRoleDescription": _Handling(Cause.SESSION_LENGTH, _changed_role),
    "AttachRolePolicy": _Handling(Cause.PERMISSIONS, _changed_role),
    "PutRolePolicy": _Handling(Cause.PERMISSIONS, _changed_role),  # its policyDocument is a permissions policy
    "CreateOpenIDConnectProvider": _Handling(Cause.PROVIDER, _changed_provider),
    "UpdateOpenIDConnectProviderThumbprint": _Handling(Cause.PROVIDER, _changed_provider),
    "AddClientIDToOpenIDConnectProvider": _Handling(Cause.PROVIDER, _changed_provider),
    "RemoveClientIDFromOpenIDConnectProvider": _Handling(Cause.PROVIDER, _changed_provider),
    "DeleteOpenIDConnectProvider": _Handling(Cause.PROVIDER, _changed_provider),
    "CreateSAMLProvider": _Handling(Cause.PROVIDER, _changed_provider),
    "UpdateSAMLProvider": _Handling(Cause.PROVIDER, _changed_provider),
    "DeleteSAMLProvider": _Handling(Cause.PROVIDER, _changed_provider),
}

_LATER_IAM_EVENTS: Final[Mapping[str, Part]] = {
    "DeleteRole": Part.INVENTORY,
    "TagRole": Part.INVENTORY,
    "UntagRole": Part.INVENTORY,
    "CreateServiceLinkedRole": Part.INVENTORY,
    "DeleteServiceLinkedRole": Part.INVENTORY,
    "CreateInstanceProfile": Part.INVENTORY,
    "AddRoleToInstanceProfile": Part.INVENTORY,
    "RemoveRoleFromInstanceProfile": Part.INVENTORY,
    "DeleteRolePolicy": Part.PERMISSIONS,
    "DetachRolePolicy": Part.PERMISSIONS,
    "PutRolePermissionsBoundary": Part.PERMISSIONS,
    "DeleteRolePermissionsBoundary": Part.PERMISSIONS,
    "CreatePolicy": Part.PERMISSIONS,
    "CreatePolicyVersion": Part.PERMISSIONS,
    "SetDefaultPolicyVersion": Part.PERMISSIONS,
    "DeletePolicyVersion": Part.PERMISSIONS,
    "DeletePolicy": Part.PERMISSIONS,
    "TagOpenIDConnectProvider": Part.PROVIDERS,
    "UntagOpenIDConnectProvider": Part.PROVIDERS,
    "TagSAMLProvider": Part.PROVIDERS,
    "UntagSAMLProvider": Part.PROVIDERS,
    "SetSecurityTokenServicePreferences": Part.ACCOUNT_SETTINGS,
    "EnableOrganizationsRootSessions": Part.ACCOUNT_SETTINGS,
    "DisableOrganizationsRootSessions": Part.ACCOUNT_SETTINGS,
    "EnableOrganizationsRootCredentialsManagement": Part.ACCOUNT_SETTINGS,
    "DisableOrganizationsRootCredentialsManagement": Part.ACCOUNT_SETTINGS,
    "EnableOutboundWebIdentityFederation": Part.ACCOUNT_SETTINGS,
    "DisableOutboundWebIdentityFederation": Part.ACCOUNT_SETTINGS,
    "CreateDelegationRequest": Part.DELEGATION,
    "AssociateDelegationRequest": Part.DELEGATION,
    "UpdateDelegationRequest": Part.DELEGATION,
    "AcceptDelegationRequest": Part.DELEGATION,
    "RejectDelegationRequest": Part.DELEGATION,
    "SendDelegationToken": Part.DELEGATION,
    "CreateUser": Part.PERSISTENCE,
    "CreateLoginProfile": Part.PERSISTENCE,
    "UpdateLoginProfile": Part.PERSISTENCE,
    "CreateAccessKey": Part.PERSISTENCE,
    "AttachUserPolicy": Part.PERSISTENCE,
    "PutUserPolicy": Part.PERSISTENCE,
    "AddUserToGroup": Part.PERSISTENCE,
    "CreateVirtualMFADevice": Part.PERSISTENCE,
    "EnableMFADevice": Part.PERSISTENCE,
}

_LATER_SERVICES: Final[Mapping[str, Part]] = {
    "sts.amazonaws.com": Part.SESSIONS,
    "signin.amazonaws.com": Part.SESSIONS,
    "sso.amazonaws.com": Part.SESSIONS,
    "sso-oauth.amazonaws.com": Part.SESSIONS,
    "eks-auth.amazonaws.com": Part.SESSIONS,
    "organizations.amazonaws.com": Part.ACCESS_PATHS,
    "rolesanywhere.amazonaws.com": Part.ROLES_ANYWHERE,
    "cloudtrail.amazonaws.com": Part.SELF_PROTECTION,
    "events.amazonaws.com": Part.SELF_PROTECTION,
    "lambda.amazonaws.com": Part.SELF_PROTECTION,
}

HANDLED_EVENTS: Final = frozenset(_HANDLING)
"""The IAM events that lead to a `Change`: the event names of the rule's pattern are these and no others."""

KNOWN_EVENTS: Final = frozenset(_LATER_IAM_EVENTS)
"""The IAM events that later parts are for; none of them is handled yet."""
