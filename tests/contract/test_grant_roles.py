"""Which roles can be asked for: what is kept of them, and how they are read in each account; the fakes and AWS (moto) alike."""

import json
import os
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from doorward.aws.grant_roles import MOST, DynamoGrantRoles, IamGrantRoles
from doorward.aws.members import Members
from doorward.errors import DoorwardError, Misconfigured, Unavailable
from doorward.grants.model import Target
from doorward.guardrails.model import Role
from doorward.ports.grant_roles import GrantRoles, GrantRolesOfAccounts, KnownRoles
from tests.contract.tables import create_table
from tests.fakes import START, FakeClock, FakeGrantRoles, FakeGrantRolesOfAccounts
from tests.grants_world import ORDERS, PROD, STAGING

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
TRUST = '{"Version":"2012-10-17","Statement":[]}'
BOUNDARY = f"arn:aws:iam::{PROD.id}:policy/doorward/DoorwardGrantBoundary"
READ = Target(STAGING.id, "read", "/doorward/grants/", {}, "aws-cn")


@pytest.fixture(params=["fake", "dynamodb"])
def store(request: pytest.FixtureRequest) -> Iterator[GrantRoles]:
    if request.param == "fake":
        yield FakeGrantRoles()
        return
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        client: Any = boto3.client("dynamodb")
        create_table(client, "facts", "FactsTable")
        yield DynamoGrantRoles(client, "facts")


def test_of_each_account_the_last_is_known_and_nothing_where_it_has_none(store: GrantRoles) -> None:
    assert list(store.known()) == []
    prod, staging = KnownRoles(PROD.id, (ORDERS,), START), KnownRoles(STAGING.id, (READ, READ._replace(name="operate")), START)
    store.keep(prod)
    store.keep(staging)
    assert sorted(store.known()) == sorted([prod, staging])
    store.keep(staging._replace(roles=(READ,)))
    store.keep(prod._replace(roles=()))
    assert list(store.known()) == [staging._replace(roles=(READ,))]
    store.keep(prod._replace(roles=()))
    assert list(store.known()) == [staging._replace(roles=(READ,))]


def test_more_is_known_than_one_answer_holds(store: GrantRoles) -> None:
    ids = [f"{number:012}" for number in range(130)]
    every = [KnownRoles(each, tuple(READ._replace(account_id=each, name="x" * 64) for _ in range(90)), START) for each in ids]
    for each in every:
        store.keep(each)
    assert sorted(store.known()) == every


# In the accounts


class Accounts:
    """Roles of accounts, and a way to make one exist. `iam`: None of the fake."""

    def __init__(self, reading: GrantRolesOfAccounts) -> None:
        self.reading = reading

    def exists(self, account_id: str, name: str, path: str = "/doorward/grants/", boundary: str = "") -> None:
        if isinstance(self.reading, FakeGrantRolesOfAccounts):
            arn = f"arn:aws:iam::{account_id}:role{path}{name}"
            role = Role(account_id, name, path, arn, "AROA1", TRUST, tags={"team": name}, permissions_boundary=boundary)
            self.reading.roles[role.ref] = role
            return
        more: Any = {"PermissionsBoundary": boundary} if boundary else {}
        iam = iam_in(account_id)
        iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=TRUST, Tags=[{"Key": "team", "Value": name}], **more)

    def refs(self, *account_ids: str) -> dict[str, list[str]]:
        found = self.reading.read(account_ids)
        return {each: sorted(role.ref for role in roles) for each, roles in found.items() if not isinstance(roles, DoorwardError)}


def iam_in(account_id: str) -> Any:
    member = boto3.client("sts").assume_role(RoleArn=f"arn:aws:iam::{account_id}:role/any", RoleSessionName="test")["Credentials"]
    return boto3.client(
        "iam",
        aws_access_key_id=member["AccessKeyId"],
        aws_secret_access_key=member["SecretAccessKey"],
        aws_session_token=member["SessionToken"],
    )


@pytest.fixture(params=["fake", "aws"])
def accounts(request: pytest.FixtureRequest) -> Iterator[Accounts]:
    if request.param == "fake":
        yield Accounts(FakeGrantRolesOfAccounts())
        return
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        yield Accounts(IamGrantRoles(Members(boto3.client("sts"), lambda: "x" * 48, FakeClock())))


def test_roles_under_the_path_are_read_with_their_tags_and_boundaries_and_no_others(accounts: Accounts) -> None:
    accounts.exists(PROD.id, "orders", boundary=BOUNDARY)
    accounts.exists(PROD.id, "deep", "/doorward/grants/team/")
    accounts.exists(PROD.id, "other", "/doorward/")
    accounts.exists(STAGING.id, "orders")
    found = accounts.reading.read([PROD.id, STAGING.id, "444455556666"])
    of_prod = found[PROD.id]
    assert not isinstance(of_prod, DoorwardError)
    assert {(each.name, each.path, each.permissions_boundary, each.tags["team"]) for each in of_prod} == {
        ("orders", "/doorward/grants/", BOUNDARY, "orders"),
        ("deep", "/doorward/grants/team/", "", "deep"),
    }
    assert all(json.loads(each.trust_policy) == json.loads(TRUST) for each in of_prod)
    assert accounts.refs(STAGING.id, "444455556666") == {STAGING.id: [f"{STAGING.id}/orders"], "444455556666": []}
    assert accounts.reading.read([]) == {}


def test_many_accounts_are_read_at_once_and_each_role_is_of_its_own() -> None:
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        aws = Accounts(IamGrantRoles(Members(boto3.client("sts"), lambda: "x" * 48, FakeClock())))
        ids = [f"{number:012}" for number in range(1, 31)]
        for each in ids:
            aws.exists(each, f"of-{each}")
        assert aws.refs(*ids) == {each: [f"{each}/of-{each}"] for each in ids}


class _Denying:
    """An STS that lets nobody into some accounts."""

    def __init__(self, sts: Any, codes: dict[str, str]) -> None:
        self._sts, self._codes = sts, codes

    def assume_role(self, **asked: Any) -> Any:
        code = self._codes.get(asked["RoleArn"].split(":")[4])
        if code is not None:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "AssumeRole")
        return self._sts.assume_role(**asked)


def test_an_account_that_cannot_be_read_says_why_and_keeps_no_other_from_being() -> None:
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        sts: Any = _Denying(boto3.client("sts"), {PROD.id: "AccessDenied", "444455556666": "ServiceUnavailable"})
        aws = Accounts(IamGrantRoles(Members(sts, lambda: "x" * 48, FakeClock())))
        aws.exists(STAGING.id, "orders")
        found = aws.reading.read([PROD.id, "444455556666", STAGING.id])
        assert isinstance(found[PROD.id], Misconfigured)
        assert isinstance(found["444455556666"], Unavailable)
        assert aws.refs(PROD.id, "444455556666", STAGING.id) == {STAGING.id: [f"{STAGING.id}/orders"]}


def test_of_one_account_no_more_are_read_than_anybody_chooses_from() -> None:
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        aws = Accounts(IamGrantRoles(Members(boto3.client("sts"), lambda: "x" * 48, FakeClock())))
        for number in range(MOST + 1):
            aws.exists(PROD.id, f"r{number}")
        assert len(aws.refs(PROD.id)[PROD.id]) == MOST
