"""Calls that change who may assume a role, or what it means that somebody may: IAM, Roles Anywhere, EKS pod identities."""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from doorward.errors import MalformedInput
from doorward.events.actors import read_actor
from doorward.events.model import (
    AccountTarget,
    Cause,
    Change,
    PolicyTarget,
    ProviderTarget,
    RolesTarget,
    RoleTarget,
    ServiceTarget,
    Skipped,
    SkipReason,
    Target,
)
from doorward.events.reading import ANY_ARN, MOST_OF_A_MESSAGE, ROLE_ARN, ROLE_NAME, Call, JsonObject, event_time, shown

ROLES_ANYWHERE: Final = "rolesanywhere.amazonaws.com"
PODS: Final = "pods.eks.amazonaws.com"
"""The service that a role for pods trusts: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html."""

_PROVIDER_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):(?:oidc|saml)-provider/[!-~]{1,1024}")
_POLICY_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):policy/[!-~]{1,1024}")
_DENIED_ROLE: Final = re.compile(
    r" is not authorized to perform: \S+ on resource: (?:role |\S*:role/(?:\S*/)?)([\w+=,.@-]{1,64})(?=\s|$)", re.ASCII
)
"""A denied call has no parameters; IAM names the role in the message, some services by its ARN."""
_BOUND: Final = ("roleArns", "roleArn", "targetRoleArn")
"""Where a call binds a role. Tags, and who made something, can look like a role too."""
_PERCENT: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_OUTCOME_UNKNOWN: Final = re.compile(r"(Internal(Failure|Error|Server|Service)|Service(Failure|Unavailable)|RequestTimeout)\w*")
"""Errors on the side of AWS, after which the change may stand all the same. Any other error means that the call was refused."""


def read_change(call: Call) -> Change | Skipped:
    """One of `HANDLING`'s events. A call that was refused changed nothing, and is Skipped."""
    record, handling = call.record, HANDLING[call.event_source][call.event_name]
    request, response = record.parameters("requestParameters"), record.parameters("responseElements")
    error_code, error_message = record.free("errorCode"), record.free("errorMessage")
    if error_code is not None and not _OUTCOME_UNKNOWN.fullmatch(error_code):
        role_name = _role_of_failed_call(request, error_message)
        attempted = None if role_name is None else _change(call, handling.cause, RoleTarget(call.account_id, role_name), None)
        return Skipped(
            call.event_id,
            call.event_name,
            call.account_id,
            SkipReason.CALL_FAILED,
            role_name=role_name,
            error_code=error_code,
            attempted=attempted,
        )
    document = _document(handling.document, request, response) if handling.document else None
    return _change(call, handling.cause, handling.find_target(call.account_id, request, response), document)


def _change(call: Call, cause: Cause, target: Target, document: str | None) -> Change:
    record = call.record
    return Change(
        event_id=call.event_id,
        event_name=call.event_name,
        event_time=event_time(record),
        account_id=call.account_id,
        region=call.region,
        actor=read_actor(record),
        cause=cause,
        target=target,
        document=document,
        error_code=record.free("errorCode"),
        error_message=record.free("errorMessage"),
        shared_event_id=record.free("sharedEventID"),
        replay_name=call.replay_name,
    )


def _changed_role(account_id: str, request: JsonObject, response: JsonObject) -> Target:
    role = response.object("role")
    for named in (request, role):
        if named.has("roleName"):
            return RoleTarget(account_id, named.text("roleName", ROLE_NAME, "a name that IAM allows for a role"))
    if role.has("arn"):
        arn = ROLE_ARN.fullmatch(role.text("arn", ANY_ARN, "a role ARN"))
        if arn is None or arn[1] != account_id:
            raise MalformedInput(
                f"{role.path}.arn is {shown(role.value['arn'], most=120)}, not a role of account {account_id}: the record is forged."
            )
        return RoleTarget(account_id, arn[2])
    return AccountTarget(account_id)


def _changed_provider(account_id: str, request: JsonObject, response: JsonObject) -> Target:
    for named in (request, response):
        # CloudTrail lowers the first letter of an API's field (`sAMLProviderArn`), not always as one would guess: any case will do.
        for key in [key for key in named.value if isinstance(key, str) and key.lower() in ("openidconnectproviderarn", "samlproviderarn")]:
            arn = _PROVIDER_ARN.fullmatch(named.text(key, ANY_ARN, "the ARN of an identity provider"))
            if arn is None or arn[1] != account_id:
                wrong = f"{named.path}.{key} is {shown(named.value[key], most=120)}, not an identity provider of account {account_id}"
                raise MalformedInput(f"{wrong}: the record is forged.")
            return ProviderTarget(account_id, arn[0])
    return AccountTarget(account_id)


def _changed_policy(account_id: str, request: JsonObject, _response: JsonObject) -> Target:
    if not request.has("policyArn"):
        return AccountTarget(account_id)
    arn = _POLICY_ARN.fullmatch(request.text("policyArn", ANY_ARN, "the ARN of a managed policy"))
    if arn is None or arn[1] != account_id:
        wrong = f"{request.path}.policyArn is {shown(request.value['policyArn'], most=120)}, not a managed policy of account {account_id}"
        raise MalformedInput(f"{wrong}: the record is forged.")
    return PolicyTarget(account_id, arn[0])


def _bound_roles(service: str) -> Callable[[str, JsonObject, JsonObject], Target]:
    """The roles that the call names, else every role that trusts the service. A role can be of another account: it is only looked at."""

    def find(account_id: str, request: JsonObject, response: JsonObject) -> Target:
        named = [ROLE_ARN.fullmatch(text) for each in (request, response) for key, text in each.texts() if key in _BOUND]
        roles = dict.fromkeys(RoleTarget(arn[1], arn[2]) for arn in named if arn is not None)
        return RolesTarget(tuple(roles)) if roles and None not in named else ServiceTarget(account_id, service)

    return find


def _trusting(service: str) -> Callable[[str, JsonObject, JsonObject], Target]:
    return lambda account_id, _request, _response: ServiceTarget(account_id, service)


def _role_of_failed_call(request: JsonObject, error_message: str | None) -> str | None:
    name = request.value.get("roleName")
    if isinstance(name, str) and ROLE_NAME.fullmatch(name):
        return name
    denied = _DENIED_ROLE.search(error_message[:MOST_OF_A_MESSAGE]) if error_message else None
    return denied[1] if denied else None


def _document(key: str, request: JsonObject, response: JsonObject) -> str | None:
    text = request.value.get(key)
    if not isinstance(text, str):
        text = response.object("role").value.get("assumeRolePolicyDocument")
        if not isinstance(text, str):
            return None
        # Only the response's copy is percent-encoded.
        text = _PERCENT.sub(lambda byte: bytes.fromhex(byte[1].decode()), text.encode(errors="replace")).decode(errors="replace")
    return text.encode(errors="replace").decode()


class _Handling(NamedTuple):
    """What an event means, how to find what it changed, and the request parameter that holds a trust policy."""

    cause: Cause
    find_target: Callable[[str, JsonObject, JsonObject], Target]
    document: str | None = None


def _all(names: str, handling: _Handling) -> dict[str, _Handling]:
    return dict.fromkeys(names.split(), handling)


HANDLING: Final[Mapping[str, Mapping[str, _Handling]]] = {
    "iam.amazonaws.com": {
        "CreateRole": _Handling(Cause.TRUST, _changed_role, "assumeRolePolicyDocument"),
        "AcquireRole": _Handling(Cause.TRUST, _changed_role, "assumeRolePolicyDocument"),  # from a template: named in the response alone
        "UpdateAssumeRolePolicy": _Handling(Cause.TRUST, _changed_role, "policyDocument"),
        "DeleteRole": _Handling(Cause.DELETED, _changed_role),
        # The policyDocument of PutRolePolicy is a permissions policy.
        **_all("AttachRolePolicy DetachRolePolicy PutRolePolicy DeleteRolePolicy", _Handling(Cause.PERMISSIONS, _changed_role)),
        **_all("CreatePolicyVersion SetDefaultPolicyVersion", _Handling(Cause.PERMISSIONS, _changed_policy)),
        **_all("PutRolePermissionsBoundary DeleteRolePermissionsBoundary", _Handling(Cause.BOUNDARY, _changed_role)),
        **_all("UpdateRole UpdateRoleDescription", _Handling(Cause.SESSION_LENGTH, _changed_role)),
        **_all("TagRole UntagRole", _Handling(Cause.TAGS, _changed_role)),
        **_all(
            "AddClientIDToOpenIDConnectProvider CreateOpenIDConnectProvider CreateSAMLProvider DeleteOpenIDConnectProvider"
            " DeleteSAMLProvider RemoveClientIDFromOpenIDConnectProvider UpdateOpenIDConnectProviderThumbprint UpdateSAMLProvider",
            _Handling(Cause.PROVIDER, _changed_provider),
        ),
    },
    ROLES_ANYWHERE: {
        **_all(
            "CreateProfile DeleteProfile DisableProfile EnableProfile UpdateProfile",
            _Handling(Cause.ROLES_ANYWHERE, _bound_roles(ROLES_ANYWHERE)),
        ),
        **_all(
            "CreateTrustAnchor DeleteAttributeMapping DeleteCrl DeleteTrustAnchor DisableCrl DisableTrustAnchor EnableCrl EnableTrustAnchor"
            " ImportCrl PutAttributeMapping UpdateCrl UpdateTrustAnchor",
            _Handling(Cause.ROLES_ANYWHERE, _trusting(ROLES_ANYWHERE)),
        ),
    },
    "eks.amazonaws.com": _all(
        "CreatePodIdentityAssociation DeletePodIdentityAssociation UpdatePodIdentityAssociation",
        _Handling(Cause.WORKLOAD, _bound_roles(PODS)),
    ),
}
