"""What every directory of people and every store of suspensions owes: the fakes, and what runs on AWS alike."""

import os
from collections.abc import Callable, Iterator
from typing import Any, Protocol
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from doorward.aws.people import IdentityStoreDirectory
from doorward.aws.suspensions import SUSPENDED, DynamoSuspensions
from doorward.errors import Misconfigured, Unavailable
from doorward.people.model import ATTRIBUTES, Person, Suspension, User
from doorward.ports.people import Directory
from doorward.ports.suspensions import Suspensions
from tests.contract.tables import create_table
from tests.fakes import START, FakeDirectory, FakeSuspensions

STORE = "d-1234567890"
OF_THE_EXTENSION = ATTRIBUTES[5:]
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}


class Center(Protocol):
    """An Identity Center, as an administrator sees it."""

    directory: Directory

    def add(self, user_name: str, display_name: str = "Jane Doe", email: str | None = None) -> str: ...

    def switch_off(self, user_id: str) -> None: ...

    def delete(self, user_id: str) -> None: ...

    def join(self, user_id: str, group: str) -> None: ...

    def say_of(self, user_id: str, **attributes: str) -> None: ...


class _Fake:
    def __init__(self) -> None:
        self._fake = FakeDirectory()
        self.directory: Directory = self._fake

    def add(self, user_name: str, display_name: str = "Jane Doe", email: str | None = None) -> str:
        user_id = f"9067-{len(self._fake.users)}"
        self._fake.users.append(User(Person(user_id, user_name, display_name, email)))
        return user_id

    def switch_off(self, user_id: str) -> None:
        self._fake.users = [User(each.person, each.enabled and each.person.user_id != user_id) for each in self._fake.users]

    def delete(self, user_id: str) -> None:
        self._fake.users = [each for each in self._fake.users if each.person.user_id != user_id]

    def join(self, user_id: str, group: str) -> None:
        self._fake.groups.setdefault(user_id, set()).add(group)

    def say_of(self, user_id: str, **attributes: str) -> None:
        self._fake.said_of[user_id] = attributes


class _Moto:
    def __init__(self) -> None:
        self._client: Any = boto3.client("identitystore")
        self._off: set[str] = set()
        self._said: dict[str, dict[str, Any]] = {}
        # moto knows no status, and no extension: they are put into its answers where AWS has them.
        for operation in ("ListUsers", "DescribeUser"):
            self._client.meta.events.register(f"after-call.identitystore.{operation}", self._mark)
        self.directory: Directory = IdentityStoreDirectory(lambda: self._client, STORE)

    def add(self, user_name: str, display_name: str = "Jane Doe", email: str | None = None) -> str:
        emails = [] if email is None else [{"Value": email, "Primary": True}]
        more: dict[str, Any] = {"Emails": emails} if emails else {}
        name = {"GivenName": "Jane", "FamilyName": "Doe"}
        answer = self._client.create_user(IdentityStoreId=STORE, UserName=user_name, DisplayName=display_name, Name=name, **more)
        return str(answer["UserId"])

    def switch_off(self, user_id: str) -> None:
        self._off.add(user_id)

    def delete(self, user_id: str) -> None:
        self._client.delete_user(IdentityStoreId=STORE, UserId=user_id)

    def join(self, user_id: str, group: str) -> None:
        group_id = self._client.create_group(IdentityStoreId=STORE, DisplayName=group)["GroupId"]
        self._client.create_group_membership(IdentityStoreId=STORE, GroupId=group_id, MemberId={"UserId": user_id})

    def say_of(self, user_id: str, **attributes: str) -> None:
        extension = {name: value for name, value in attributes.items() if name in OF_THE_EXTENSION}
        spelled = {f"{name[0].upper()}{name[1:]}": value for name, value in attributes.items() if name not in extension}
        self._said[user_id] = {**spelled, "Extensions": {"aws:identitystore:enterprise": extension}}

    def _mark(self, parsed: dict[str, Any], **_: Any) -> None:
        for each in parsed.get("Users", [parsed]):
            each.update(self._said.get(each.get("UserId", ""), {}))
            if each.get("UserId") in self._off:
                each["UserStatus"] = "DISABLED"


@pytest.fixture(params=["fake", "moto"])
def center(request: pytest.FixtureRequest) -> Iterator[Center]:
    if request.param == "fake":
        yield _Fake()
        return
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        yield _Moto()


def test_a_user_is_found_by_his_name_to_the_letter(center: Center) -> None:
    jane = center.add("jane@acme.example", "Jane Doe", "jane@mail.example")
    center.add("jane@acme.example.evil", "Jane Doe", "jane@mail.example")
    person = Person(jane, "jane@acme.example", "Jane Doe", "jane@mail.example")
    assert tuple(center.directory.users_named("jane@acme.example")) == (User(person),)
    for other in ("jane@mail.example", "Jane Doe", "jane", "JANE@ACME.EXAMPLE", "jane@acme.example ", jane):
        assert [each for each in center.directory.users_named(other) if each.person.user_name == other] == []
    assert center.directory.user(jane) == person


def test_a_user_need_not_have_an_address(center: Center) -> None:
    jane = center.add("jane")
    assert center.directory.user(jane) == Person(jane, "jane", "Jane Doe", None)


def test_who_is_switched_off_is_found_by_name_as_such_and_is_nobody_by_his_id(center: Center) -> None:
    jane, joe = center.add("jane"), center.add("joe")
    center.switch_off(jane)
    assert [each.enabled for each in center.directory.users_named("jane")] == [False]
    assert center.directory.user(jane) is None
    assert center.directory.user(joe) is not None


def test_who_is_gone_is_nobody(center: Center) -> None:
    jane = center.add("jane")
    center.delete(jane)
    assert center.directory.user(jane) is None
    assert tuple(center.directory.users_named("jane")) == ()


def test_groups_are_those_that_one_is_in_at_the_moment(center: Center) -> None:
    jane, joe = center.add("jane"), center.add("joe")
    assert center.directory.groups_of(jane) == frozenset()
    center.join(jane, "security")
    center.join(jane, "payments")
    center.join(joe, "audit")
    assert center.directory.groups_of(jane) == {"security", "payments"}
    assert center.directory.groups_of(joe) == {"audit"}


def test_attributes_are_those_that_identity_center_says_of_somebody_now(center: Center) -> None:
    jane, joe = center.add("jane"), center.add("joe")
    assert center.directory.attributes(jane) == {}
    every = {name: f"of {name}" for name in ATTRIBUTES}
    center.say_of(jane, **every)
    center.say_of(joe, userType="contractor", department="payments")
    assert center.directory.attributes(jane) == every
    assert center.directory.attributes(joe) == {"userType": "contractor", "department": "payments"}
    center.switch_off(jane)
    center.delete(joe)
    assert (center.directory.attributes(jane), center.directory.attributes(joe)) == (None, None)


def test_more_groups_than_one_page_holds(center: Center) -> None:
    jane = center.add("jane")
    names = {f"g-{number}" for number in range(130)}
    for each in names:
        center.join(jane, each)
    assert center.directory.groups_of(jane) == names


# What only what runs on AWS has to answer


class _Broken:
    """A client that answers everything with one error."""

    class _Meta:
        def __init__(self, service_model: Any) -> None:
            self.service_model = service_model

    def __init__(self, code: str) -> None:
        self._code = code
        self.meta = self._Meta(boto3.client("identitystore", "us-east-1").meta.service_model)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def fail(*_: Any, **__: Any) -> Any:
            raise ClientError({"Error": {"Code": self._code, "Message": "no"}}, operation)

        return fail


@pytest.mark.parametrize(("code", "failure"), [("AccessDeniedException", Misconfigured), ("InternalServerException", Unavailable)])
def test_what_cannot_be_read_is_never_nobody_and_never_somebody(code: str, failure: type[Exception]) -> None:
    directory = IdentityStoreDirectory(lambda: _Broken(code), STORE)
    for look in (directory.users_named, directory.user, directory.groups_of, directory.attributes):
        with pytest.raises(failure):
            look("jane")


def test_without_a_store_nobody_can_be_looked_up() -> None:
    def enter() -> Any:
        raise AssertionError("the account was entered for nothing")

    with pytest.raises(Misconfigured, match=r"identity\.store"):
        IdentityStoreDirectory(enter, "").users_named("jane")


def test_an_sdk_that_hides_who_is_switched_off_is_refused() -> None:
    client = _Broken("x")
    members = {name: shape for name, shape in client.meta.service_model.shape_for("User").members.items() if name != "UserStatus"}

    class _Old:
        def shape_for(self, _: str) -> Any:
            return type("Shape", (), {"members": members})

    client.meta = _Broken._Meta(_Old())
    with pytest.raises(Misconfigured, match="too old"):
        IdentityStoreDirectory(lambda: client, STORE).user("9067-1")


@pytest.mark.parametrize(
    ("extension", "attributes"),
    [
        ({"Department": "payments", "costCenter": "7"}, {"department": "payments", "costCenter": "7"}),
        ({"department": ["payments"], "manager": {"value": "joe"}, "division": ""}, {}),
        ({"department": "payments", "userType": "employee", "NickName": "J"}, {"department": "payments", "userType": "contractor"}),
        ("payments", {}),
        (None, {}),
    ],
)
def test_of_the_extension_only_texts_under_known_names_count(extension: object, attributes: dict[str, str]) -> None:
    class _Client:
        meta = _Broken("x").meta

        def describe_user(self, **asked: Any) -> Any:
            assert asked["Extensions"] == ["aws:identitystore:enterprise"]
            said = {"UserType": "contractor"} if "userType" in attributes else {}
            return {"UserId": "9067-1", **said, "Extensions": {"aws:identitystore:enterprise": extension}}

    assert IdentityStoreDirectory(_Client, STORE).attributes("9067-1") == attributes


def test_an_sdk_that_knows_no_extension_says_nothing_of_attributes() -> None:
    client = _Broken("x")

    class _Old:
        shape_for = client.meta.service_model.shape_for

        def operation_model(self, _: str) -> Any:
            return type("Operation", (), {"input_shape": type("Shape", (), {"members": {"UserId": None}})})

    client.meta = _Broken._Meta(_Old())
    with pytest.raises(Misconfigured, match="too old to ask"):
        IdentityStoreDirectory(lambda: client, STORE).attributes("9067-1")


# Suspensions

ACCOUNT = "111122223333"


@pytest.fixture(params=["fake", "dynamodb"])
def suspensions(request: pytest.FixtureRequest) -> Iterator[tuple[Suspensions, Callable[[Suspension], None]]]:
    """The store, and how a person ends a suspension."""
    if request.param == "fake":
        fake = FakeSuspensions()
        yield fake, lambda each: fake.ended.add(each.change)
        return
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        client: Any = boto3.client("dynamodb")
        create_table(client, "ledger", "LedgerTable")

        def end(suspension: Suspension) -> None:
            """As docs/runbooks/identity-suspended.md has it."""
            client.update_item(
                TableName="ledger",
                Key={"pk": {"S": SUSPENDED}, "sk": {"S": suspension.scope}},
                UpdateExpression="SET ended_by = :me",
                ConditionExpression="#change = :seen",
                ExpressionAttributeNames={"#change": "change"},
                ExpressionAttributeValues={":me": {"S": "jane"}, ":seen": {"S": suspension.change}},
            )

        yield DynamoSuspensions(client, "ledger"), end


def suspended(change: str, account_id: str = ACCOUNT) -> Suspension:
    return Suspension(account_id, change, "mallory", "somebody changed it.", START)


def test_an_account_is_suspended_until_a_person_ends_it(suspensions: tuple[Suspensions, Callable[[Suspension], None]]) -> None:
    store, end = suspensions
    assert store.of(ACCOUNT) is None
    first = suspended("2026-11-24T09:00:00 e-1")
    assert store.suspend(first) is True
    assert (store.of(ACCOUNT), store.of("222233334444")) == (first, None)
    end(first)
    assert store.of(ACCOUNT) is None
    assert store.last(ACCOUNT) == first._replace(ended_by="jane")


def test_the_same_or_an_older_change_suspends_nothing_again_and_a_later_one_does(
    suspensions: tuple[Suspensions, Callable[[Suspension], None]],
) -> None:
    store, end = suspensions
    second = suspended("2026-11-24T09:00:00 e-2")
    assert store.suspend(second) is True
    end(second)
    for late in (second, suspended("2026-11-24T08:00:00 e-9")):
        assert store.suspend(late) is False
        assert store.of(ACCOUNT) is None
    third = suspended("2026-11-24T09:00:01 e-0")
    assert store.suspend(third) is True
    assert store.of(ACCOUNT) == third


@pytest.mark.parametrize("event_id", ["e-1", "e-3"])
def test_of_two_changes_in_one_second_each_suspends_whatever_its_id(
    event_id: str, suspensions: tuple[Suspensions, Callable[[Suspension], None]]
) -> None:
    store, end = suspensions
    first, second = suspended("2026-11-24T09:00:00 e-2"), suspended(f"2026-11-24T09:00:00 {event_id}")
    store.suspend(first)
    end(first)
    assert store.suspend(second) is True
    assert store.of(ACCOUNT) == second


def test_what_was_written_by_hand_and_cannot_be_read_suspends() -> None:
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        client: Any = boto3.client("dynamodb")
        create_table(client, "ledger", "LedgerTable")
        client.put_item(TableName="ledger", Item={"pk": {"S": SUSPENDED}, "sk": {"S": ACCOUNT}, "at": {"N": "1"}})
        found = DynamoSuspensions(client, "ledger").of(ACCOUNT)
    assert found is not None
    assert "cannot be read" in found.because
