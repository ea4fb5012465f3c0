"""Identity Center's users and groups, read through doorward-read of the management account, which can always read its identity store.

https://docs.aws.amazon.com/singlesignon/latest/IdentityStoreAPIReference/API_Operations.html
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from doorward.aws.errors import code_of, translated
from doorward.errors import Misconfigured
from doorward.people.model import ATTRIBUTES, Person, User

_GONE: Final = "ResourceNotFoundException"
_ENABLED: Final = "ENABLED"
_ENTERPRISE: Final = "aws:identitystore:enterprise"


class IdentityStoreDirectory:
    """The Directory port. `client` enters the management account and gives a client of the identity store in its region.

    `store` "": the file names none, so that nobody can be a person.
    """

    def __init__(self, client: Callable[[], Any], store: str) -> None:
        self._client = client
        self._store = store

    def users_named(self, user_name: str) -> Sequence[User]:
        """The filter compares whole names; whether in the same case is not written down, so that the caller compares again."""
        identitystore = self._ready()
        with translated("looking a user up in Identity Center"):
            found = _pages(
                identitystore,
                "list_users",
                "Users",
                IdentityStoreId=self._store,
                Filters=[{"AttributePath": "UserName", "AttributeValue": user_name}],
            )
            return tuple(map(_user, found))

    def user(self, user_id: str) -> Person | None:
        identitystore = self._ready()
        with translated("looking a user up in Identity Center"):
            try:
                found = _user(identitystore.describe_user(IdentityStoreId=self._store, UserId=user_id))
            except ClientError as error:
                if code_of(error) == _GONE:
                    return None
                raise
        return found.person if found.enabled else None

    def attributes(self, user_id: str) -> Mapping[str, str] | None:
        """What stands in the extension comes only where it is asked for, as a document whose form is not written down.

        https://docs.aws.amazon.com/singlesignon/latest/IdentityStoreAPIReference/API_DescribeUser.html
        """
        identitystore = self._ready()
        if "Extensions" not in identitystore.meta.service_model.operation_model("DescribeUser").input_shape.members:
            raise Misconfigured("this runtime's boto3 is too old to ask Identity Center for all attributes: use a later Lambda runtime")
        with translated("looking a user's attributes up in Identity Center"):
            try:
                found = identitystore.describe_user(IdentityStoreId=self._store, UserId=user_id, Extensions=[_ENTERPRISE])
            except ClientError as error:
                if code_of(error) == _GONE:
                    return None
                raise
        return _attributes(found) if _user(found).enabled else None

    def groups_of(self, user_id: str) -> frozenset[str]:
        identitystore = self._ready()
        with translated("looking a user's groups up in Identity Center"):
            ids = [
                each["GroupId"]
                for each in _pages(
                    identitystore,
                    "list_group_memberships_for_member",
                    "GroupMemberships",
                    IdentityStoreId=self._store,
                    MemberId={"UserId": user_id},
                )
            ]
            return frozenset(name for each in ids if (name := self._name_of(identitystore, each)))

    def _name_of(self, identitystore: Any, group_id: str) -> str | None:
        try:
            name: str | None = identitystore.describe_group(IdentityStoreId=self._store, GroupId=group_id).get("DisplayName")
        except ClientError as error:
            if code_of(error) == _GONE:  # deleted since it was listed
                return None
            raise
        return name

    def _ready(self) -> Any:
        if not self._store:
            raise Misconfigured("identity.store of config/organization.yaml is not set: nobody can be looked up in Identity Center")
        identitystore = self._client()
        # An SDK that does not know the member drops it from every answer, and whoever is switched off looks like anybody else.
        if "UserStatus" not in identitystore.meta.service_model.shape_for("User").members:
            raise Misconfigured(
                "this runtime's boto3 is too old to tell who is switched off in Identity Center: use a later Lambda runtime"
            )
        return identitystore


def _user(raw: Mapping[str, Any]) -> User:
    """`UserStatus` is ENABLED or DISABLED, and need not be there: then nobody ever switched the user off. Anything else is not enabled.

    https://docs.aws.amazon.com/singlesignon/latest/IdentityStoreAPIReference/API_User.html
    """
    addresses = [each["Value"] for each in raw.get("Emails") or () if each.get("Value")]
    person = Person(raw["UserId"], raw.get("UserName") or "", raw.get("DisplayName") or "", next(iter(addresses), None))
    return User(person, enabled=raw.get("UserStatus", _ENABLED) == _ENABLED)


def _attributes(raw: Mapping[str, Any]) -> Mapping[str, str]:
    """Members of the API begin with a capital letter, SCIM's names do not, and of the extension nobody says: either counts."""
    extension = (raw.get("Extensions") or {}).get(_ENTERPRISE)
    said = {**(extension if isinstance(extension, Mapping) else {}), **raw}
    spelled = {f"{name[:1].lower()}{name[1:]}": value for name, value in said.items()}
    return {name: spelled[name] for name in ATTRIBUTES if isinstance(spelled.get(name), str) and spelled[name]}


def _pages(identitystore: Any, operation: str, member: str, **request: Any) -> Iterator[Any]:
    for page in identitystore.get_paginator(operation).paginate(**request):
        yield from page[member]
