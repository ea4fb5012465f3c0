"""The organization as AWS Organizations tells it: read from moto's, page by page, and never in part."""

import json
import os
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from doorward.aws.directory import OrganizationsDirectory
from doorward.aws.errors import translated
from doorward.errors import Misconfigured, Unavailable
from doorward.organization.changes import ChangeKind, changes
from doorward.organization.facts import OrganizationFacts
from tests.fakes import START, FakeClock

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
SCP = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}})


class World:
    def __init__(self) -> None:
        self.client: Any = boto3.client("organizations")
        self.client.create_organization(FeatureSet="ALL")
        self.root = self.client.list_roots()["Roots"][0]["Id"]
        self.client.enable_policy_type(RootId=self.root, PolicyType="SERVICE_CONTROL_POLICY")

    def unit(self, name: str, parent: str | None = None) -> str:
        answer = self.client.create_organizational_unit(ParentId=parent or self.root, Name=name)
        return str(answer["OrganizationalUnit"]["Id"])

    def account(self, name: str, unit: str | None = None, **tags: str) -> str:
        created = self.client.create_account(AccountName=name, Email=f"{name}@example.com")["CreateAccountStatus"]
        account_id = str(created["AccountId"])
        if unit:
            self.client.move_account(AccountId=account_id, SourceParentId=self.root, DestinationParentId=unit)
        if tags:
            self.client.tag_resource(ResourceId=account_id, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
        return account_id

    def read(self) -> OrganizationFacts:
        return OrganizationsDirectory(lambda: self.client, FakeClock()).read()


@pytest.fixture
def world() -> Iterator[World]:
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        yield World()


def test_accounts_stand_where_they_stand_with_names_ids_and_tags(world: World) -> None:
    workloads = world.unit("workloads")
    production = world.unit("prod", workloads)
    account_id = world.account("payments", production, environment="prod")
    facts = world.read()
    found = facts.account(account_id)
    assert found is not None
    assert (found.name, found.ou, found.tags, found.is_active) == ("payments", "/workloads/prod", {"environment": "prod"}, True)
    assert found.org_path == f"{facts.id}/{world.root}/{workloads}/{production}/"
    assert found.units == (workloads, production)
    assert {each.ou for each in facts.units} == {"/workloads", "/workloads/prod"}
    management = facts.account(facts.management_account)
    assert management is not None
    assert management.ou == "/"
    assert facts.read_at == START


def test_a_unit_with_a_slash_in_its_name_does_not_look_like_two(world: World) -> None:
    account_id = world.account("a", world.unit("workloads/prod"))
    found = world.read().account(account_id)
    assert found is not None
    assert found.ou == "/workloads%2Fprod"


def test_policies_stand_with_text_and_targets(world: World) -> None:
    unit = world.unit("workloads")
    policy = world.client.create_policy(Content=SCP, Description="x", Name="guard", Type="SERVICE_CONTROL_POLICY")["Policy"]
    policy_id = policy["PolicySummary"]["Id"]
    world.client.attach_policy(PolicyId=policy_id, TargetId=unit)
    (found,) = [each for each in world.read().policies if each.id == policy_id]
    assert json.loads(found.text) == json.loads(SCP)
    assert (found.name, found.type, found.targets) == ("guard", "SERVICE_CONTROL_POLICY", (unit,))


def test_two_reads_tell_what_happened_in_between(world: World) -> None:
    unit = world.unit("workloads")
    moving = world.account("moving")
    before = world.read()
    world.client.move_account(AccountId=moving, SourceParentId=world.root, DestinationParentId=unit)
    joined = world.account("joined")
    after = world.read()
    found = {(each.kind, each.subject) for each in changes(before, after)}
    assert found == {(ChangeKind.ACCOUNT_MOVED, moving), (ChangeKind.ACCOUNT_JOINED, joined)}


def test_a_large_organization_is_read_to_its_last_page(world: World) -> None:
    for number in range(45):
        world.account(f"account-{number}")
    assert len(world.read().accounts) == 46


class _Half:
    """Organizations that leaves the management account out, as no whole answer can."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_paginator(self, operation: str) -> Any:
        if operation != "list_accounts":
            return self._client.get_paginator(operation)

        class Empty:
            def paginate(self, **_request: Any) -> list[dict[str, list[Any]]]:
                return [{"Accounts": []}]

        return Empty()


def test_a_read_that_is_not_whole_is_no_read(world: World) -> None:
    with pytest.raises(Unavailable, match="not whole"):
        OrganizationsDirectory(lambda: _Half(world.client), FakeClock()).read()


@pytest.mark.parametrize(("code", "failure"), [("AccessDeniedException", Misconfigured), ("TooManyRequestsException", Unavailable)])
def test_a_refusal_says_what_was_tried(code: str, failure: type[Exception]) -> None:
    with patch.dict(os.environ, ENVIRONMENT):
        client = boto3.client("organizations")
        with Stubber(client) as stub:
            stub.add_client_error("describe_organization", code, "no")
            with pytest.raises(failure, match="reading the organization"):
                OrganizationsDirectory(lambda: client, FakeClock()).read()


def test_an_account_that_is_no_member_of_an_organization_is_misconfigured() -> None:
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        client: Any = boto3.client("organizations")
        with pytest.raises(Misconfigured), translated("x"):
            OrganizationsDirectory(lambda: client, FakeClock()).read()
