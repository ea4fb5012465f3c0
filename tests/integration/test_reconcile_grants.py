"""The installed reconciler: what may be asked for, a grant whose execution died, and a person who is switched off."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.cloud import identity_store
from local.installation import Installation
from local.world import ANN, HUB, JANE, MANAGEMENT, PROD
from tests.integration.test_grants import Grants

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]


def turn(doorward: Installation, **event: Any) -> dict[str, Any]:
    answer = doorward.stack.client("lambda", HUB.id).invoke(
        FunctionName=doorward.physical_id("ReconcileGrantsFunction"), Payload=json.dumps(event).encode()
    )
    said = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, said
    return dict(said)


@pytest.fixture(scope="module")
def grants(doorward: Installation) -> Grants:
    return Grants(doorward)


@pytest.fixture
def switched_off(doorward: Installation) -> Iterator[None]:
    """Jane, for a while."""
    center: Any = doorward.stack.client("identitystore", MANAGEMENT.id)
    users = center.list_users(IdentityStoreId=identity_store.STORE)["Users"]
    (user_id,) = [each["UserId"] for each in users if each["UserName"] == JANE.user_name]

    def switch(status: str) -> None:
        operations = [{"AttributePath": "UserStatus", "AttributeValue": status}]
        center.update_user(IdentityStoreId=identity_store.STORE, UserId=user_id, Operations=operations)

    switch("DISABLED")
    yield
    switch("ENABLED")


def test_what_may_be_asked_for_is_what_accounts_have(doorward: Installation, grants: Grants) -> None:
    assert turn(doorward)["unreadable"] == {}
    offers = grants.of(JANE).call("GET", "/entitlements")["offers"]
    assert f"{PROD.id}/doorward-grant-read" in {each["role"] for each in offers}
    assert {each["template"] for each in offers} == {"read-bucket"}


def test_whoever_is_switched_off_loses_what_he_has_and_is_asked_about_no_more(
    doorward: Installation, grants: Grants, request: pytest.FixtureRequest
) -> None:
    opened, pending = grants.ask(JANE, PROD, minutes=30), grants.ask(JANE, PROD)
    for each in (opened, pending):
        grants.stack.until(lambda grant=each: grants.waits(grant), "its execution to wait", seconds=60)  # type: ignore[misc]
    grants.say(ANN, opened, "approve", shown=opened["shown"])
    grants.until(opened, "active", seconds=60)
    grants.stack.until(lambda: grants.waits(opened), "its execution to wait for its end", seconds=60)
    asked_here = {each["grant_id"] for each in (opened, pending)}  # she may have others yet, of other tests
    assert [each for each in turn(doorward)["acts"] if each["grant_id"] in asked_here] == []
    request.getfixturevalue("switched_off")
    would = turn(doorward, dry_run=True)
    # Of a turn that is imagined nobody hears: what waits with the grants as they were is still to be woken then.
    assert [each["what"] for each in would["acts"] if each["grant_id"] in asked_here] == ["take back"] * 2 + ["wake"] * 2
    assert [doorward.grant_state(each["grant_id"]) for each in (opened, pending)] == ["active", "pending"]
    acts = [each["what"] for each in turn(doorward)["acts"] if each["grant_id"] in asked_here]
    assert acts[:2] == ["take back"] * 2
    assert set(acts[2:]) <= {"wake"}  # of tokens that nobody has sent yet
    for each in (opened, pending):
        grants.until(each, "revoked")
        grants.ends(each)


def test_who_had_what_is_reported_to_who_oversees_it(grants: Grants) -> None:
    report = grants.of(ANN).text("GET", "/reports/grants?since=2020-01-01&until=2020-12-31")
    assert report.startswith('"grant_id","asked_at","person"')
