"""Calls that ask for a session: of STS, of sign-in, of those who hand sessions out for others."""

import re
from collections.abc import Mapping
from copy import replace
from datetime import UTC, datetime
from typing import Final

from doorward.events.actors import read_actor
from doorward.events.model import Actor, SessionEvent, Side
from doorward.events.reading import ACCOUNT_ID, MOST_OF_A_MESSAGE, ROLE_ARN, Call, JsonObject, event_time

SESSION_NAMES: Final[Mapping[str, frozenset[str]]] = {
    "sts.amazonaws.com": frozenset(
        {
            "AssumeRole",
            "AssumeRoleWithSAML",
            "AssumeRoleWithWebIdentity",
            "AssumeRoot",
            "GetDelegatedAccessToken",
            "GetFederationToken",
            "GetSessionToken",
            "GetWebIdentityToken",
        }
    ),
    "signin.amazonaws.com": frozenset({"ConsoleLogin", "ExitRole", "GetSigninToken", "RenewRole", "SwitchRole"}),
    "sso.amazonaws.com": frozenset({"GetRoleCredentials"}),
    "sso-oauth.amazonaws.com": frozenset({"CreateTokenWithIAM"}),
    "rolesanywhere.amazonaws.com": frozenset({"CreateSession"}),
    "eks-auth.amazonaws.com": frozenset({"AssumeRoleForPodIdentity"}),
}
_DENIED_ROLE: Final = re.compile(r" on resource: (arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]{1,512}?)(?=[,;]?(?:\s|$))", re.ASCII)
_SESSION_ARN: Final = re.compile(r"(arn:aws[a-z-]*:)sts::([0-9]{12}):assumed-role/([\w+=,.@-]{1,64})/[!-~]{1,128}", re.ASCII)
_ROOT: Final = re.compile(r"(?:arn:aws[a-z-]*:iam::)?([0-9]{12})(?::root)?", re.ASCII)
_FAILURE: Final = "Failure"
_LONGEST_SESSION_SECONDS: Final = 129_600
"""36 hours, of GetFederationToken: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html."""
_WEB_IDENTITY: Final = "AssumeRoleWithWebIdentity"
_SAML: Final = "AssumeRoleWithSAML"
_IN_WORDS: Final = "%b %d %Y %I:%M:%S %p"
"""CloudTrail's own ways to write the times of STS, without commas: Jul 10, 2023 12:27:11 PM; Jul 10, 2023, 12:27:11 PM. In UTC."""


def read_session(call: Call) -> SessionEvent:
    """Of credentials only the expiry is read, of an external ID only that there is one."""
    record = call.record
    request, response = record.parameters("requestParameters"), record.parameters("responseElements")
    actor = read_actor(record)
    error_message = record.free("errorMessage")
    assumed = response.object("assumedRoleUser")
    role_arn = _role(call, request, error_message) or _role_of_session(assumed.free("arn"))
    owner = ROLE_ARN.fullmatch(role_arn) if role_arn is not None else None
    role_account = owner[1] if owner is not None else _account_of_details(record)
    target_principal = request.free("targetPrincipal")
    return SessionEvent(
        event_id=call.event_id,
        event_name=call.event_name,
        event_source=call.event_source,
        event_time=event_time(record),
        account_id=call.account_id,
        region=call.region,
        side=_side(call.account_id, actor, role_account or _account_of_root(target_principal)),
        actor=actor,
        role_arn=role_arn,
        role_account_id=role_account,
        role_session_name=request.free("roleSessionName") or _session_of(assumed.free("assumedRoleId")),
        source_identity=request.free("sourceIdentity") or response.free("sourceIdentity"),
        has_external_id=request.free("externalId") is not None,
        duration_seconds=request.whole_number("durationSeconds", _LONGEST_SESSION_SECONDS),
        expires_at=_expiry(response.object("credentials").free("expiration")),
        assumed_role_id=assumed.free("assumedRoleId"),
        provider=_provider(call, request, response),
        subject=_subject(call, response),
        audience=response.free("audience"),
        issuer=response.free("issuer"),
        target_principal=target_principal,
        switched_from=record.object("additionalEventData").free("SwitchFrom"),
        vpc_endpoint_id=record.free("vpcEndpointId"),
        shared_event_id=record.free("sharedEventID"),
        error_code=record.free("errorCode") or _failed_sign_in(call, response),
        error_message=error_message,
        replay_name=call.replay_name,
    )


def merge_copies(one: SessionEvent, other: SessionEvent) -> SessionEvent:
    """The two accounts' copies of one call as one: who called from the caller's copy, the rest from whichever tells.

    In either order, and however often: the result is the same. Both must have the same `key`.
    """
    first, second = sorted((one, other), key=lambda each: (_MERGED_FIRST[each.side], each.event_id, each.replay_name or ""))
    # What came by itself at least once is no replay.
    replay_name = min(one.replay_name, other.replay_name) if one.replay_name and other.replay_name else None
    if first.side is Side.BOTH or first.side is second.side:
        return replace(first, replay_name=replay_name)
    caller, owner = first, second
    told = {
        name: getattr(caller, name) if getattr(caller, name) is not None else getattr(owner, name)
        for name in (
            *("role_arn", "role_account_id", "role_session_name", "source_identity", "duration_seconds", "expires_at", "assumed_role_id"),
            *("provider", "subject", "audience", "issuer", "target_principal", "switched_from", "vpc_endpoint_id", "error_code"),
        )
    }
    has_external_id = caller.has_external_id or owner.has_external_id
    return replace(owner, side=Side.BOTH, actor=caller.actor, has_external_id=has_external_id, replay_name=replay_name, **told)


_MERGED_FIRST: Final = {Side.BOTH: 0, Side.CALLER: 1, Side.OWNER: 2}


def _role(call: Call, request: JsonObject, error_message: str | None) -> str | None:
    if call.event_name == "SwitchRole":  # the record is of the session that the person is in now
        return _as_role(call.record.object("userIdentity").object("sessionContext").object("sessionIssuer").free("arn"))
    named = _as_role(request.free("roleArn"))
    if named is not None:
        return named
    resources = call.record.value.get("resources")
    for each in resources[:10] if isinstance(resources, list) else ():
        arn = _as_role(each.get("ARN")) if isinstance(each, Mapping) else None
        if arn is not None:
            return arn
    denied = _DENIED_ROLE.search(error_message[:MOST_OF_A_MESSAGE]) if error_message else None
    return _as_role(denied[1]) if denied is not None else None


def _as_role(text: object) -> str | None:
    return text if isinstance(text, str) and ROLE_ARN.fullmatch(text) else None


def _role_of_session(arn: str | None) -> str | None:
    """The role by the ARN of a session of it, which lacks the role's path."""
    session = _SESSION_ARN.fullmatch(arn) if arn is not None else None
    return f"{session[1]}iam::{session[2]}:role/{session[3]}" if session is not None else None


def _account_of_root(target_principal: str | None) -> str | None:
    """AssumeRoot asks for the root of a member account: by its id, or by its ARN."""
    target = _ROOT.fullmatch(target_principal) if target_principal is not None else None
    return target[1] if target is not None else None


def _failed_sign_in(call: Call, response: JsonObject) -> str | None:
    """A sign-in that failed says so in its answer, and has no error code.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html
    """
    return _FAILURE if response.value.get(call.event_name) == _FAILURE else None


def _account_of_details(record: JsonObject) -> str | None:
    """Identity Center names the account and the role apart."""
    account_id = record.object("serviceEventDetails").free("account_id")
    return account_id if account_id and ACCOUNT_ID.fullmatch(account_id) else None


def _side(account_id: str, actor: Actor, role_account: str | None) -> Side:
    """A caller of no account (a service, a token's bearer) has no copy of his own."""
    if actor.account_id is None or role_account in {None, actor.account_id}:
        return Side.BOTH if actor.account_id in {None, account_id} else Side.OWNER
    return Side.OWNER if account_id == role_account else Side.CALLER


def _session_of(assumed_role_id: str | None) -> str | None:
    return (assumed_role_id.partition(":")[2] or None) if assumed_role_id else None


def _provider(call: Call, request: JsonObject, response: JsonObject) -> str | None:
    if call.event_name == _SAML:  # its identityProvider is a hash
        return request.free("principalArn")
    if call.event_name == _WEB_IDENTITY:
        return call.record.object("userIdentity").free("identityProvider") or response.free("provider")
    return None


def _subject(call: Call, response: JsonObject) -> str | None:
    if call.event_name == _WEB_IDENTITY:
        return call.record.object("userIdentity").free("userName") or response.free("subjectFromWebIdentityToken")
    if call.event_name == _SAML:
        return response.free("subject") or call.record.object("userIdentity").free("userName")
    return None


def _expiry(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(" ".join(text.replace(",", " ").replace("\ufffd", " ").split()), _IN_WORDS).replace(tzinfo=UTC)
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
