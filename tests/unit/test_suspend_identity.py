"""A change of Identity Center's SAML provider suspends identity from its account, and is told: the table of guardrails/changes.py."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from doorward.errors import Misconfigured, Unavailable
from doorward.organization.model import Account, Identity
from tests.unit.test_react_to_change import ENFORCE, HUB, ORGANIZATION, PIPELINE, PROD, World, event

SCHEMA = Draft202012Validator(json.loads((Path(__file__).parents[2] / "docs/schemas/doorward.alert.1.json").read_text("utf-8")))
CHANGES = ("CreateSAMLProvider", "UpdateSAMLProvider", "DeleteSAMLProvider")
MINE, CENTERS = "corp", "AWSSSO_0123456789abcdef_DO_NOT_DELETE"
IDENTITY_CENTER = "arn:aws:iam::{account}:role/aws-service-role/sso.amazonaws.com/AWSServiceRoleForSSO"
JANE = f"arn:aws:iam::{HUB}:user/jane"
ACME = ORGANIZATION._replace(accounts=(*ORGANIZATION.accounts, Account(HUB, "hub", "/security")))


def changed(name: str, provider: str | None, account: str = HUB, by: str = JANE, event_id: str = "e-1", **more: Any) -> str:
    """`provider` None: the event hides it."""
    message = json.loads(event(name, None, by=by, account=account, event_id=event_id, **more))
    arn = f"arn:aws:iam::{account}:saml-provider/{provider}"
    message["detail"]["requestParameters"] = None if provider is None else {"sAMLProviderArn": arn}
    if name == "CreateSAMLProvider" and provider is not None:
        message["detail"] |= {"requestParameters": {"name": provider}, "responseElements": {"sAMLProviderArn": arn}}
    return json.dumps(message)


def react_to_hidden(world: World, message: str) -> None:
    """Which role it is about nobody knows yet, so that the event comes again; identity does not wait for that."""
    with suppress(Unavailable):
        world.react(message)


def told(world: World) -> list[dict[str, Any]]:
    return [dict(each.detail) for each in world.ledger.outbox.values() if each.detail.get("detection") == "identity-suspended"]


@pytest.fixture
def world() -> World:
    return World(organization=ACME)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_identity_centers_provider_suspends_identity_from_its_account_and_pages(world: World, name: str) -> None:
    world.react(changed(name, CENTERS))
    suspension = world.suspensions.of(HUB)
    assert suspension is not None
    assert suspension.by == JANE
    assert name in suspension.because
    [alert] = told(world)
    assert (alert["severity"], alert["account"]["id"], alert["principal"]) == ("critical", HUB, JANE)
    SCHEMA.validate(alert)


@pytest.mark.parametrize("name", CHANGES)
def test_an_event_that_hides_its_provider_suspends_too(world: World, name: str) -> None:
    react_to_hidden(world, changed(name, None))
    assert world.suspensions.of(HUB) is not None
    assert len(told(world)) == 1


def test_no_pipeline_has_business_there() -> None:
    world = World(ENFORCE, ACME._replace(identity=Identity(accounts=(PROD,))))
    world.react(changed("UpdateSAMLProvider", CENTERS, PROD, by=PIPELINE))
    assert world.suspensions.of(PROD) is not None


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize(
    ("provider", "account", "by"),
    [
        (MINE, HUB, JANE),
        ("x-" + CENTERS, HUB, JANE),
        (CENTERS.lower(), HUB, JANE),
        (CENTERS, PROD, JANE),
        (None, PROD, JANE),
        (CENTERS, HUB, IDENTITY_CENTER.format(account=HUB)),
    ],
)
def test_what_bears_on_nobodys_identity_suspends_nothing(world: World, name: str, provider: str | None, account: str, by: str) -> None:
    react_to_hidden(world, changed(name, provider, account, by))
    assert world.suspensions.kept == {}
    assert told(world) == []


@pytest.mark.parametrize("path", ["deploy", "x:role/aws-service-role/sso.amazonaws.com", "aws-service-role/sso.amazonaws.com/x"])
def test_a_role_that_is_only_called_like_identity_centers_is_not_excused(world: World, path: str) -> None:
    world.react(changed("UpdateSAMLProvider", CENTERS, by=f"arn:aws:iam::{HUB}:role/{path}/AWSServiceRoleForSSO"))
    assert world.suspensions.of(HUB) is not None


def test_the_same_event_once_more_suspends_and_tells_once_and_does_not_undo_what_a_person_ended(world: World) -> None:
    for _ in range(2):
        world.react(changed("UpdateSAMLProvider", CENTERS))
    suspension = world.suspensions.of(HUB)
    assert suspension is not None
    assert len(told(world)) == 1
    world.suspensions.ended.add(suspension.change)
    world.react(changed("UpdateSAMLProvider", CENTERS))
    assert world.suspensions.of(HUB) is None
    world.react(changed("UpdateSAMLProvider", CENTERS, event_id="e-2"))
    assert world.suspensions.of(HUB) is not None
    assert len(told(world)) == 2


def test_it_is_suspended_even_where_the_accounts_roles_cannot_be_read(world: World) -> None:
    world.roles.fail_next.append(Misconfigured("no way in"))
    with pytest.raises(Misconfigured):
        world.react(changed("UpdateSAMLProvider", CENTERS))
    assert world.suspensions.of(HUB) is not None


def test_what_could_not_be_told_is_told_when_the_event_comes_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(_announcement: object) -> bool:
        raise Unavailable("no outbox")

    with monkeypatch.context() as patch:
        patch.setattr(world.ledger, "announce", down)
        with pytest.raises(Unavailable):
            world.react(changed("UpdateSAMLProvider", CENTERS))
    assert world.suspensions.of(HUB) is not None
    world.react(changed("UpdateSAMLProvider", CENTERS))
    assert len(told(world)) == 1
