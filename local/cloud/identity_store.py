"""Gap: MiniStack has no identity store (the users and groups of Identity Center).

The one here belongs to the management account, in any region, and answers what Doorward asks of it: users by name or id, and whose groups
somebody is in. The people of local.world are in it from the start; whoever administers it makes and deletes others by the same API.
UpdateUser's `UserStatus` stands for the switch in AWS's console. User names are found to the letter; AWS does not say whether it
forgives more.

https://docs.aws.amazon.com/singlesignon/latest/IdentityStoreAPIReference/API_Operations.html
"""

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from ministack import app
from ministack.core import iam_actions, router
from ministack.core.responses import error_response_json, get_account_id

from local.cloud.resource_arns import Call, correct
from local.world import MANAGEMENT, PEOPLE

READ_AGAINST = {
    "ministack.core.router:detect_service": "fd156fac4b5d",
    "ministack.core.iam_actions:extract_iam_action": "ec476b92d969",
}

SERVICE: Final = "identitystore"
STORE: Final = "d-1234567890"
_JSON: Final = {"Content-Type": "application/x-amz-json-1.1"}
_PAGE: Final = 100

_users: dict[str, dict[str, Any]] = {}
_groups: dict[str, dict[str, Any]] = {}
_memberships: dict[str, dict[str, Any]] = {}


class _Refused(Exception):  # noqa: N818 - the code of AWS's error
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def install() -> None:
    if SERVICE in router.SERVICE_PATTERNS:
        raise RuntimeError("the emulator knows the identity store now: delete local/cloud/identity_store.py")
    router.SERVICE_PATTERNS[SERVICE] = {"target_prefixes": ["AWSIdentityStore."], "host_patterns": [r"^identitystore\."]}
    iam_actions.SERVICE_TO_IAM_NAMESPACE[SERVICE] = SERVICE
    app.SERVICE_HANDLERS[SERVICE] = handle_request
    correct(_resource)
    _found()


def _found() -> None:
    group_ids = {
        name: _create_group({"DisplayName": name})["GroupId"] for name in sorted({group for person in PEOPLE for group in person.groups})
    }
    for person in PEOPLE:
        emails = [{"Value": person.user_name, "Type": "work", "Primary": True}]
        about = {"IdentityStoreId": STORE, "UserName": person.user_name, "DisplayName": person.display_name, "Emails": emails}
        user = _create_user(about)
        for group in person.groups:
            _create_membership({"GroupId": group_ids[group], "MemberId": {"UserId": user["UserId"]}})


def _resource(call: Call, arn: Any) -> Any:
    """The store that is asked. What else AWS asks a permission on (the user, the group) is not looked at here."""
    if call.service != SERVICE:
        return arn
    store = json.loads(call.body or b"{}").get("IdentityStoreId", "*")
    return f"arn:aws:identitystore::{call.account_id}:identitystore/{store}"


async def handle_request(
    _method: str, _path: str, headers: Mapping[str, str], body: bytes, _query: Mapping[str, list[str]]
) -> tuple[int, dict[str, str], bytes]:
    operation, request = headers.get("x-amz-target", "").rpartition(".")[2], json.loads(body or b"{}")
    try:
        answer = _answer(operation, request)
    except _Refused as error:
        status, refused_headers, refused = error_response_json(error.code, str(error), 400)
        return status, refused_headers, refused
    return 200, dict(_JSON), json.dumps(answer).encode()


def _answer(operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    if get_account_id() != MANAGEMENT.id or request.get("IdentityStoreId") != STORE:
        raise _Refused("ResourceNotFoundException", "IDENTITY_STORE not found.")
    if operation not in _OPERATIONS:
        raise _Refused("UnknownOperationException", f"{operation} is not emulated.")
    return _OPERATIONS[operation](request)


def _create_user(request: Mapping[str, Any]) -> dict[str, Any]:
    if any(each["UserName"] == request["UserName"] for each in _users.values()):
        raise _Refused("ConflictException", "Duplicate UserName")
    user = {name: value for name, value in request.items() if value} | {"UserId": str(uuid.uuid4()), "UserStatus": "ENABLED"}
    _users[user["UserId"]] = user
    return {"IdentityStoreId": STORE, "UserId": user["UserId"]}


def _update_user(request: Mapping[str, Any]) -> dict[str, Any]:
    user = _of(_users, request["UserId"], "USER")
    for each in request["Operations"]:
        user[each["AttributePath"]] = each["AttributeValue"]
    return {}


def _delete_user(request: Mapping[str, Any]) -> dict[str, Any]:
    _users.pop(request["UserId"], None)
    for each in [name for name, member in _memberships.items() if member["MemberId"] == {"UserId": request["UserId"]}]:
        del _memberships[each]
    return {}


def _list_users(request: Mapping[str, Any]) -> dict[str, Any]:
    filters = request.get("Filters") or []
    if any(each["AttributePath"] != "UserName" for each in filters):
        raise _Refused("ValidationException", "The attribute cannot be searched by.")
    found = [user for user in _users.values() if all(user["UserName"] == each["AttributeValue"] for each in filters)]
    return _page([_with_extensions(user, request) for user in found], "Users", request)


def _with_extensions(user: dict[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """An extension is told of where it is asked for."""
    asked = {name: value for name, value in user.get("Extensions", {}).items() if name in (request.get("Extensions") or ())}
    plain = {name: value for name, value in user.items() if name != "Extensions"}
    return {**plain, "Extensions": asked} if asked else plain


def _create_group(request: Mapping[str, Any]) -> dict[str, Any]:
    if any(each["DisplayName"] == request["DisplayName"] for each in _groups.values()):
        raise _Refused("ConflictException", "Duplicate GroupDisplayName")
    group_id = str(uuid.uuid4())
    _groups[group_id] = {"IdentityStoreId": STORE, "GroupId": group_id, "DisplayName": request["DisplayName"]}
    return {"IdentityStoreId": STORE, "GroupId": group_id}


def _create_membership(request: Mapping[str, Any]) -> dict[str, Any]:
    _of(_groups, request["GroupId"], "GROUP")
    _of(_users, request["MemberId"]["UserId"], "USER")
    membership = {name: request[name] for name in ("GroupId", "MemberId")} | {"IdentityStoreId": STORE, "MembershipId": str(uuid.uuid4())}
    _memberships[membership["MembershipId"]] = membership
    return {"IdentityStoreId": STORE, "MembershipId": membership["MembershipId"]}


def _delete_membership(request: Mapping[str, Any]) -> dict[str, Any]:
    _memberships.pop(request["MembershipId"], None)
    return {}


def _list_memberships_for_member(request: Mapping[str, Any]) -> dict[str, Any]:
    return _page([each for each in _memberships.values() if each["MemberId"] == request["MemberId"]], "GroupMemberships", request)


def _is_member_in_groups(request: Mapping[str, Any]) -> dict[str, Any]:
    member = request["MemberId"]
    joined = {each["GroupId"] for each in _memberships.values() if each["MemberId"] == member}
    results = [{"GroupId": each, "MemberId": member, "MembershipExists": each in joined} for each in request["GroupIds"]]
    return {"Results": results}


def _of(things: dict[str, dict[str, Any]], thing_id: str, kind: str) -> dict[str, Any]:
    if thing_id not in things:
        raise _Refused("ResourceNotFoundException", f"{kind} not found.")
    return things[thing_id]


def _page(found: list[dict[str, Any]], member: str, request: Mapping[str, Any]) -> dict[str, Any]:
    begin, size = int(request.get("NextToken") or 0), int(request.get("MaxResults") or _PAGE)
    more = {"NextToken": str(begin + size)} if begin + size < len(found) else {}
    return {member: found[begin : begin + size], **more}


_OPERATIONS: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "CreateUser": _create_user,
    "UpdateUser": _update_user,
    "DeleteUser": _delete_user,
    "DescribeUser": lambda request: _with_extensions(_of(_users, request["UserId"], "USER"), request),
    "ListUsers": _list_users,
    "CreateGroup": _create_group,
    "DescribeGroup": lambda request: _of(_groups, request["GroupId"], "GROUP"),
    "CreateGroupMembership": _create_membership,
    "DeleteGroupMembership": _delete_membership,
    "ListGroupMembershipsForMember": _list_memberships_for_member,
    "IsMemberInGroups": _is_member_in_groups,
}
