"""Whatever changes a door leads to judging every role that it touches; only a change of trust is ever put back."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from doorward.errors import MalformedInput
from doorward.events.hints import Hint, hint_as_text
from doorward.events.model import Cause, Change
from doorward.guard.ours import Ours
from doorward.guard.tampering import tampering
from doorward.guardrails.model import Boundary, Permissions, PermissionsPolicy, Role
from doorward.organization.model import Account, Match
from tests.unit.test_guard_tampering import call
from tests.unit.test_react_to_change import BAD, ENFORCE, GOOD, HUB, ORGANIZATION, PIPELINE, PROD, STRANGER, VENDOR, World, event, role

REPOSITORY = Path(__file__).resolve().parents[2]
SCHEMA = Draft202012Validator(json.loads((REPOSITORY / "docs" / "schemas" / "doorward.alert.1.json").read_text("utf-8")))
OIDC = f"arn:aws:iam::{PROD}:oidc-provider/idp.example"
POLICY = f"arn:aws:iam::{PROD}:policy/team/power"


@pytest.fixture
def world() -> World:
    return World()


def envelope(name: str, source: str, parameters: dict[str, Any] | None, *, by: str = f"arn:aws:iam::{PROD}:user/jane") -> str:
    message = json.loads(event(name, None, by=by))
    message["source"] = f"aws.{source}"
    message["detail"] |= {"eventSource": f"{source}.amazonaws.com", "requestParameters": parameters, "responseElements": None}
    return json.dumps(message)


def told(world: World) -> dict[str, dict[str, Any]]:
    found = {each.detail["detection"]: dict(each.detail) for each in world.ledger.outbox.values() if "detection" in each.detail}
    for each in found.values():
        SCHEMA.validate(each)
    return found


def service_trust(service: str) -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}
    )


NAMED = f"arn:aws:iam::{PROD}:role/payments"
TOUCHING: list[tuple[str, str, dict[str, Any], Callable[[World], None]]] = [
    ("AttachRolePolicy", "iam", {"roleName": "payments"}, lambda _world: None),
    ("DeleteRolePermissionsBoundary", "iam", {"roleName": "payments"}, lambda _world: None),
    ("TagRole", "iam", {"roleName": "payments"}, lambda _world: None),
    ("UpdateRole", "iam", {"roleName": "payments", "maxSessionDuration": 43200}, lambda _world: None),
    ("SetDefaultPolicyVersion", "iam", {"policyArn": POLICY}, lambda world: world.roles.attached.update({(PROD, POLICY): ["payments"]})),
    ("CreateProfile", "rolesanywhere", {"roleArns": [NAMED]}, lambda _world: None),
    ("CreatePodIdentityAssociation", "eks", {"roleArn": NAMED}, lambda _world: None),
]


@pytest.mark.parametrize(("name", "source", "parameters", "prepare"), TOUCHING)
def test_a_change_beside_trust_has_the_role_judged_and_nothing_written(
    world: World, name: str, source: str, parameters: dict[str, Any], prepare: Callable[[World], None]
) -> None:
    world.roles.put(role(BAD))
    prepare(world)
    assert world.react(envelope(name, source, parameters)) == ["alerted"]
    assert world.stands() == BAD
    assert world.roles.writes == []
    assert "TrustViolationFound" in world.announced()


@pytest.mark.parametrize(
    ("name", "source", "service"),
    [
        ("UpdateTrustAnchor", "rolesanywhere", "rolesanywhere.amazonaws.com"),
        ("DeletePodIdentityAssociation", "eks", "pods.eks.amazonaws.com"),
    ],
)
def test_a_change_that_names_no_role_has_every_role_judged_that_trusts_the_service(
    world: World, name: str, source: str, service: str
) -> None:
    world.roles.put(role(service_trust(service), "trusting"))
    world.roles.put(role(GOOD, "other"))
    world.react(envelope(name, source, {"x": "y"}))
    assert {each.role_ref for each in world.ledger.outcomes} == {f"{PROD}/trusting"}


@pytest.mark.parametrize(
    ("change", "parameters", "drifted"),
    [
        ("UpdateAssumeRolePolicy", {}, {"trust_policy": GOOD}),
        ("UpdateRole", {"maxSessionDuration": 43200}, {"max_session_duration_seconds": 43200}),
        ("DeleteRolePermissionsBoundary", {}, {"permissions_boundary": ""}),
        ("PutRolePermissionsBoundary", {}, {"permissions_boundary": POLICY}),
    ],
)
def test_a_role_that_people_are_granted_and_that_drifts_is_told_never_written_and_leaves_no_external_id_behind(
    change: str, parameters: dict[str, Any], drifted: dict[str, Any]
) -> None:
    world = World(ENFORCE, ORGANIZATION._replace(accounts=(*ORGANIZATION.accounts, Account(HUB, "hub")), hub_account=HUB))
    table = json.loads((REPOSITORY / "tests/cases/rules/grant-role-drift.json").read_text("utf-8"))
    trust = next(each["trust_policy"] for each in table["rows"] if each["name"] == "as accounts/member.yaml makes it")
    external_id = trust["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"]
    name = "doorward-grant-read"
    right = role(json.dumps(trust), name, "/doorward/grants/")._replace(permissions_boundary=table["boundary"])
    world.roles.put(right)
    assert world.react(envelope(change, "iam", {"roleName": name})) == ["passed"]
    world.roles.put(right._replace(**drifted))
    message = json.loads(envelope(change, "iam", {"roleName": name, **parameters}))
    message["detail"]["eventID"] = "e-2"
    assert world.react(json.dumps(message)) == ["alerted"]
    assert found_rules(world) == [{"grant-role-drift"}]
    assert world.roles.writes == []
    kept = repr((world.ledger.cases, world.ledger.versions, world.ledger.accepted, world.ledger.outbox))
    assert external_id not in kept


ADMINISTRATOR = Permissions((PermissionsPolicy("arn:aws:iam::aws:policy/AdministratorAccess", None),))
READER = Permissions((PermissionsPolicy("arn:aws:iam::aws:policy/SecurityAudit", None),))


def vendor_trust(*more: str) -> str:
    condition = {"StringEquals": {"sts:ExternalId": "4f1c2d3e-5b6a-4c7d-8e9f-0a1b2c3d4e5f"}}
    principals = [f"arn:aws:iam::{VENDOR}:role/collector", *more]
    statement = {"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "sts:AssumeRole", "Condition": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def vendor_role(trust: str | None = None) -> Role:
    return role(trust or vendor_trust())._replace(permissions_boundary="")


def attached(event_id: str) -> str:
    return event("AttachRolePolicy", None, event_id=event_id)


def found_rules(world: World) -> list[set[str]]:
    """Of each announcement, in order."""
    details = [each.detail for each in world.ledger.outbox.values() if each.detail_type == "TrustViolationFound"]
    return [{each["rule"] for each in detail["findings"]} for detail in details]


def test_an_administrator_policy_on_a_role_that_a_vendor_may_assume_is_alerted_and_nothing_written(world: World) -> None:
    world.roles.put(vendor_role())
    world.roles.permissions[f"{PROD}/payments"] = READER
    assert world.react(event("CreateRole", vendor_trust(), by=PIPELINE)) == ["accepted"]
    world.roles.permissions[f"{PROD}/payments"] = ADMINISTRATOR
    assert world.react(attached("e-2")) == ["alerted"]
    assert world.roles.writes == []
    assert found_rules(world) == [{"privileged-outsider", "missing-boundary"}]
    world.roles.permissions[f"{PROD}/payments"] = READER
    assert world.react(event("DetachRolePolicy", None, event_id="e-3")) == ["passed"]
    assert world.announced()[-1] == "TrustViolationEnded"


def test_what_a_role_may_do_is_read_only_where_somebody_from_outside_may_assume_it(world: World) -> None:
    world.roles.put(role(GOOD))
    world.react(attached("e-1"))
    assert world.roles.permissions_read == []
    world.roles.put(vendor_role())
    world.react(attached("e-2"))
    assert world.roles.permissions_read == [f"{PROD}/payments"]


def test_what_is_found_anew_under_the_same_trust_policy_is_told_once(world: World) -> None:
    world.roles.put(vendor_role(vendor_trust(f"arn:aws:iam::{STRANGER}:root")))
    for each in ("e-1", "e-1"):
        world.react(attached(each))
    world.roles.permissions[f"{PROD}/payments"] = ADMINISTRATOR
    for each in ("e-2", "e-2", "e-3"):
        world.react(attached(each))
    assert found_rules(world) == [{"external-account"}, {"external-account", "privileged-outsider"}]
    world.roles.permissions[f"{PROD}/payments"] = READER
    world.react(event("DetachRolePolicy", None, event_id="e-4"))
    world.roles.permissions[f"{PROD}/payments"] = ADMINISTRATOR
    world.react(attached("e-5"))
    assert len(found_rules(world)) == 3, "it ended and began again"


def test_policies_that_cannot_be_read_are_told_and_never_safe(world: World) -> None:
    world.roles.put(vendor_role())
    world.roles.permissions[f"{PROD}/payments"] = Permissions((PermissionsPolicy("the managed policies", None),), None, "AccessDenied")
    assert world.react(attached("e-1")) == ["alerted"]
    assert world.announced() == ["TrustPolicyUndecidable"]


def test_a_boundary_that_is_asked_for_and_taken_away_is_alerted() -> None:
    asked = (Boundary(Match(ou="/workloads"), "team-boundary"),)
    world = World(ENFORCE._replace(boundaries=asked))
    world.roles.put(role(GOOD)._replace(permissions_boundary=f"arn:aws:iam::{PROD}:policy/team-boundary"))
    assert world.react(event("PutRolePermissionsBoundary", None, event_id="e-1")) == ["passed"]
    world.roles.put(role(GOOD)._replace(permissions_boundary=""))
    assert world.react(event("DeleteRolePermissionsBoundary", None, event_id="e-2")) == ["alerted"]
    assert found_rules(world) == [{"missing-boundary"}]
    assert world.roles.writes == []


def test_roles_of_accounts_that_are_not_ours_are_not_entered(world: World) -> None:
    world.roles.put(role(BAD))
    world.react(envelope("CreatePodIdentityAssociation", "eks", {"roleArn": NAMED, "targetRoleArn": "arn:aws:iam::999988887777:role/x"}))
    assert {each.role_ref for each in world.ledger.outcomes} == {f"{PROD}/payments"}


def test_an_event_of_an_account_that_is_not_admitted_touches_nothing(world: World) -> None:
    from dataclasses import replace

    def refuse(_change: Change) -> None:
        raise MalformedInput("account 999988887777 is no account of the organization")

    world.tools = replace(world.tools, admit=refuse)
    world.roles.put(role(BAD))
    with pytest.raises(MalformedInput):
        world.react(event())
    assert (world.roles.reads, world.announced()) == (0, [])


@pytest.mark.parametrize("cause", [each for each in Cause if each not in {Cause.TRUST, Cause.PROVIDER}])
def test_no_hint_of_another_cause_than_trust_is_ever_a_reason_to_write(world: World, cause: Cause) -> None:
    world.accepted()
    world.roles.put(role(BAD))
    world.clock.time += timedelta(minutes=5)
    (came_to,) = world.react(hint_as_text(Hint(PROD, cause, "why", f"h-{cause}", world.clock.now(), role_name="payments")))
    assert came_to == ("asked" if cause in {Cause.FACTS, Cause.FIRST_SEEN} else "alerted")
    assert world.roles.writes == []


def test_a_role_made_anew_under_an_old_name_is_told_once(world: World) -> None:
    world.accepted()
    world.roles.put(role(GOOD, role_id="AROAPAYMENTS0000002"))
    for number in range(2):
        world.react(event("CreateRole", GOOD, event_id=f"e-{number}"))
    alert = told(world)["role-recreated"]
    assert (alert["severity"], alert["role"]) == ("medium", f"arn:aws:iam::{PROD}:role/payments")
    assert len([each for each in world.ledger.outbox.values() if each.detail.get("detection") == "role-recreated"]) == 1


def test_a_pipeline_that_replaces_a_role_is_told_softly(world: World) -> None:
    world.accepted()
    world.roles.put(role(GOOD, role_id="AROAPAYMENTS0000002"))
    world.react(event("CreateRole", GOOD, by=PIPELINE))
    assert told(world)["role-recreated"]["severity"] == "low"


def test_a_change_that_hides_its_role_is_told_besides_the_look_at_every_role(world: World) -> None:
    world.accepted()
    world.roles.put(role(BAD))
    message = json.loads(event())
    message["detail"]["requestParameters"] = {"omitted": True, "reason": "requestParameters too large", "originalSize": "149893"}
    assert world.react(json.dumps(message)) == ["reverted"]
    assert told(world)["omitted-parameters"]["severity"] == "critical"


@pytest.mark.parametrize(
    ("by", "severity"),
    [
        (f"arn:aws:iam::{PROD}:user/jane", "high"),
        (PIPELINE, None),
    ],
)
@pytest.mark.parametrize(
    "name", ["AddClientIDToOpenIDConnectProvider", "UpdateOpenIDConnectProviderThumbprint", "DeleteOpenIDConnectProvider"]
)
def test_whoever_changes_a_provider_that_roles_trust_is_told_of(world: World, name: str, by: str, severity: str | None) -> None:
    trust = {"Effect": "Allow", "Principal": {"Federated": OIDC}, "Action": "sts:AssumeRoleWithWebIdentity"}
    world.roles.put(role(json.dumps({"Version": "2012-10-17", "Statement": [trust]})))
    world.react(envelope(name, "iam", {"openIDConnectProviderArn": OIDC}, by=by))
    alert = told(world).get("provider-changed")
    assert (None if alert is None else alert["severity"]) == severity
    if alert is not None:
        assert "payments" in alert["because"]


def test_a_provider_that_no_role_trusts_is_less(world: World) -> None:
    world.react(envelope("AddClientIDToOpenIDConnectProvider", "iam", {"openIDConnectProviderArn": OIDC}))
    assert told(world)["provider-changed"]["severity"] == "medium"


ANYWHERE = {"Effect": "Allow", "Principal": {"Service": "rolesanywhere.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}


@pytest.mark.parametrize(
    ("name", "parameters"), [("CreateTrustAnchor", {"name": "x"}), ("DisableCrl", {"crlId": "x"}), ("CreateProfile", {"roleArns": [NAMED]})]
)
@pytest.mark.parametrize(("by", "severity"), [(f"arn:aws:iam::{PROD}:user/jane", "high"), (PIPELINE, None)])
def test_whoever_changes_what_certificates_are_taken_by_is_told_of(
    world: World, name: str, parameters: dict[str, Any], by: str, severity: str | None
) -> None:
    world.roles.put(role(json.dumps({"Version": "2012-10-17", "Statement": [ANYWHERE]})))
    world.react(envelope(name, "rolesanywhere", parameters, by=by))
    alert = told(world).get("provider-changed")
    assert (None if alert is None else alert["severity"]) == severity
    if alert is not None:
        assert "IAM Roles Anywhere. Roles that trust it: payments." in alert["because"]


def test_pods_come_by_no_provider(world: World) -> None:
    world.roles.put(role(GOOD))
    world.react(envelope("CreatePodIdentityAssociation", "eks", {"roleArn": NAMED}))
    assert told(world) == {}


@pytest.mark.parametrize(("path", "is_told"), [("aws-service-role", False), ("x:role/aws-service-role", True)])
def test_identity_centers_own_providers_are_its_own_matter(world: World, path: str, is_told: bool) -> None:
    by = f"arn:aws:iam::{PROD}:role/{path}/sso.amazonaws.com/AWSServiceRoleForSSO"
    message = json.loads(
        envelope("UpdateSAMLProvider", "iam", {"sAMLProviderArn": f"arn:aws:iam::{PROD}:saml-provider/AWSSSO_x_DO_NOT_DELETE"})
    )
    message["detail"]["userIdentity"] = {"type": "AssumedRole", "accountId": PROD, "sessionContext": {"sessionIssuer": {"arn": by}}}
    world.react(json.dumps(message))
    assert bool(told(world)) is is_told


def test_a_call_that_hides_what_it_touched_is_taken_for_ours() -> None:
    from dataclasses import replace

    hidden = replace(call("PutRule"), parameters_omitted=True)
    alert = tampering(hidden, Ours("111122223333", "doorward"), done_by="user jane")
    assert alert is not None
    assert alert.at == hidden.event_time
    assert tampering(call("PutRule"), Ours("111122223333", "doorward"), done_by="user jane") is None
