"""Gap: MiniStack makes every account the master of an organization of its own, so `aws:PrincipalOrgID` never agrees between two accounts.

Here all accounts of `local.world`, and those that CreateAccount adds, belong to one organization. Members read it as a delegated
administrator does; only the management account writes; accounts outside get `AWSOrganizationsNotInUseException`.
"""

import json
import time
from typing import Any, Final

from ministack.core import iam_evaluator
from ministack.core.responses import error_response_json, get_account_id, get_region, request_scope
from ministack.services import organizations

from local.world import MANAGEMENT, ORGANIZATION, ORGANIZATION_ID, ORGANIZATIONAL_UNITS, ROOT_ID

READ_AGAINST = {
    "ministack.core.iam_evaluator:_principal_org_id": "a582df4ff025",
    "ministack.services.organizations:_ensure_org": "fd160827da97",
    "ministack.services.organizations:handle_request": "2d0af4ea21d9",
}

_READS: Final = ("Describe", "List")


def install() -> None:
    inner = organizations.handle_request

    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]) -> Any:
        caller = get_account_id()
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if not is_member(caller):
            return error_response_json("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.", 400)
        if caller != MANAGEMENT.id and not operation.startswith(_READS):
            return error_response_json("AccessDeniedException", "You don't have permissions to access this resource.", 400)
        with request_scope(MANAGEMENT.id, get_region()):
            return await inner(method, path, headers, body, query)

    organizations.handle_request = handle_request
    organizations._ensure_org = _ensure_organization
    iam_evaluator._principal_org_id = principal_organization


def is_member(account_id: str) -> bool:
    """Whether the account belongs to the organization now (the management account does)."""
    return path_of(account_id) is not None


def principal_organization(account_id: str) -> str | None:
    return ORGANIZATION_ID if is_member(account_id) else None


def path_of(account_id: str) -> str | None:
    """Return the account's `aws:PrincipalOrgPaths` value, e.g. `o-…/r-…/ou-…/`, or None outside the organization."""
    with request_scope(MANAGEMENT.id, get_region()):
        _ensure_organization()
        account = organizations._accounts.get(account_id)
        if account is None:
            return None
        ids, parent = [], account["_ParentId"]
        while parent != ROOT_ID:
            ids.append(parent)
            parent = organizations._ous[parent]["_ParentId"]
    return "/".join([ORGANIZATION_ID, ROOT_ID, *reversed(ids), ""])


def _ensure_organization() -> None:
    if "self" in organizations._orgs:
        return
    master = MANAGEMENT.id
    scps = [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]
    organizations._orgs["self"] = {
        "Id": ORGANIZATION_ID,
        "Arn": f"arn:aws:organizations::{master}:organization/{ORGANIZATION_ID}",
        "FeatureSet": "ALL",
        "MasterAccountArn": f"arn:aws:organizations::{master}:account/{ORGANIZATION_ID}/{master}",
        "MasterAccountId": master,
        "MasterAccountEmail": f"{MANAGEMENT.name}@example.com",
        "AvailablePolicyTypes": scps,
    }
    organizations._roots[ROOT_ID] = {
        "Id": ROOT_ID,
        "Arn": f"arn:aws:organizations::{master}:root/{ORGANIZATION_ID}/{ROOT_ID}",
        "Name": "Root",
        "PolicyTypes": scps,
    }
    for path, unit in ORGANIZATIONAL_UNITS.items():
        parent, _, name = path.rpartition("/")
        organizations._ous[unit] = {
            "Id": unit,
            "Arn": f"arn:aws:organizations::{master}:ou/{ORGANIZATION_ID}/{unit}",
            "Name": name,
            "Path": path,
            "ParentId": ORGANIZATIONAL_UNITS.get(parent, ROOT_ID),
            "_ParentId": ORGANIZATIONAL_UNITS.get(parent, ROOT_ID),
        }
    for account in ORGANIZATION:
        organizations._accounts[account.id] = {
            "Id": account.id,
            "Arn": f"arn:aws:organizations::{master}:account/{ORGANIZATION_ID}/{account.id}",
            "Email": f"{account.name}@example.com",
            "Name": account.name,
            "Status": "ACTIVE",
            "JoinedMethod": "CREATED",
            "JoinedTimestamp": int(time.time()),
            "Path": account.ou,
            "_ParentId": ORGANIZATIONAL_UNITS.get(account.ou or "", ROOT_ID),
        }
    full_access = organizations.FULL_ACCESS_POLICY_ID
    organizations._policies[full_access] = {
        "Id": full_access,
        "Arn": f"arn:aws:organizations::aws:policy/service_control_policy/{full_access}",
        "Name": "FullAWSAccess",
        "Description": "Allows access to every operation",
        "Type": "SERVICE_CONTROL_POLICY",
        "AwsManaged": True,
        "_Content": json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}),
    }
    organizations._attachments[full_access] = [ROOT_ID, *ORGANIZATIONAL_UNITS.values(), *(account.id for account in ORGANIZATION)]
