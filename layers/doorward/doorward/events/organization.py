"""Calls that change the organization, who administers it, or an account as a whole; and Identity Center's assignments."""

import re
from collections.abc import Mapping
from typing import Final

from doorward.events.actors import read_actor
from doorward.events.model import OrganizationEvent
from doorward.events.reading import ACCOUNT_ID, Call, event_time

ORGANIZATION_NAMES: Final[Mapping[str, frozenset[str]]] = {
    "organizations.amazonaws.com": frozenset(
        [
            "AcceptHandshake",
            "AttachPolicy",
            "CancelHandshake",
            "CloseAccount",
            "CloseAccountResult",
            "CreateAccount",
            "CreateAccountResult",
            "CreateGovCloudAccount",
            "CreateOrganization",
            "CreateOrganizationalUnit",
            "CreatePolicy",
            "DeleteOrganization",
            "DeleteOrganizationalUnit",
            "DeletePolicy",
            "DeleteResourcePolicy",
            "DeregisterDelegatedAdministrator",
            "DetachPolicy",
            "DisableAWSServiceAccess",
            "DisablePolicyType",
            "EnableAWSServiceAccess",
            "EnableAllFeatures",
            "EnablePolicyType",
            "InviteAccountToOrganization",
            "LeaveOrganization",
            "MoveAccount",
            "PutResourcePolicy",
            "RegisterDelegatedAdministrator",
            "RemoveAccountFromOrganization",
            "TagResource",
            "TerminateResponsibilityTransfer",
            "UntagResource",
            "UpdateOrganizationalUnit",
            "UpdatePolicy",
        ]
    ),
    # What changes an account as a whole.
    "iam.amazonaws.com": frozenset(
        [
            "AcceptDelegationRequest",
            "DisableOrganizationsRootCredentialsManagement",
            "DisableOrganizationsRootSessions",
            "DisableOutboundWebIdentityFederation",
            "EnableOrganizationsRootCredentialsManagement",
            "EnableOrganizationsRootSessions",
            "EnableOutboundWebIdentityFederation",
            "SendDelegationToken",
            "SetSecurityTokenServicePreferences",
        ]
    ),
    "sso.amazonaws.com": frozenset(
        [
            "AttachCustomerManagedPolicyReferenceToPermissionSet",
            "AttachManagedPolicyToPermissionSet",
            "CreateAccountAssignment",
            "CreateApplication",
            "CreatePermissionSet",
            "CreateTrustedTokenIssuer",
            "DeleteAccountAssignment",
            "DeletePermissionsBoundaryFromPermissionSet",
            "ProvisionPermissionSet",
            "PutApplicationAccessScope",
            "PutApplicationAuthenticationMethod",
            "PutApplicationGrant",
            "PutInlinePolicyToPermissionSet",
            "PutPermissionsBoundaryToPermissionSet",
            "UpdatePermissionSet",
            "UpdateTrustedTokenIssuer",
        ]
    ),
}
_UNIT: Final = re.compile(r"r-[0-9a-z]{4,32}|ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}", re.ASCII)
_POLICY: Final = re.compile(r"p-[0-9A-Za-z_]{4,128}|arn:aws[a-z-]*:sso:::permissionSet/[\w/-]{1,256}", re.ASCII)
"""https://docs.aws.amazon.com/organizations/latest/APIReference/API_DetachPolicy.html; `p-FullAWSAccess` is one."""
_POLICY_TYPE: Final = re.compile(r"[A-Z0-9_]{0,64}_POLICY(_[A-Z0-9_]{1,64})?", re.ASCII)
_SERVICE: Final = re.compile(r"[a-z0-9.-]{1,128}\.amazonaws\.com(\.cn)?", re.ASCII)


def read_organization_event(call: Call) -> OrganizationEvent:
    """Whatever in the call looks like an account, a unit or a policy: everything is read anew, so a guess too many costs nothing."""
    record = call.record
    parts = [record.parameters("requestParameters"), record.parameters("responseElements"), record.object("serviceEventDetails")]
    texts = [(key, text) for each in parts for key, text in each.texts()]
    accounts = dict.fromkeys(text for _, text in texts if ACCOUNT_ID.fullmatch(text))
    if call.event_name == "LeaveOrganization":
        accounts.setdefault(call.account_id)
    return OrganizationEvent(
        event_id=call.event_id,
        event_name=call.event_name,
        event_source=call.event_source,
        event_time=event_time(record),
        account_id=call.account_id,
        region=call.region,
        actor=read_actor(record),
        accounts=tuple(accounts),
        units=tuple(dict.fromkeys(text for _, text in texts if _UNIT.fullmatch(text))),
        policies=tuple(dict.fromkeys(text for _, text in texts if _POLICY.fullmatch(text))),
        policy_type=next((text for key, text in texts if key in {"type", "policyType"} and _POLICY_TYPE.fullmatch(text)), None),
        service=next((text for key, text in texts if key == "servicePrincipal" and _SERVICE.fullmatch(text)), None),
        shared_event_id=record.free("sharedEventID"),
        error_code=record.free("errorCode"),
        error_message=record.free("errorMessage"),
        replay_name=call.replay_name,
    )
