"""The evidence of an incident, from the reaction to the document."""

import json
from collections.abc import Iterable
from itertools import permutations
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from doorward.errors import MalformedInput
from doorward.guardrails.model import Guardrails, Mode
from doorward.iam.documents import hash_of_text
from doorward.ports.ledger import Announcement
from doorward.usecases.keep_evidence import keep_evidence
from tests.fakes import FakeEvidence
from tests.template.conftest import REPOSITORY
from tests.unit.test_react_to_change import BAD, GOOD, PIPELINE, PROD, STRANGER, World, event, role, trusting

SCHEMA = Draft202012Validator(json.loads((REPOSITORY / "docs/schemas/doorward.evidence.1.json").read_text("utf-8")))
OF_CASES = {"TrustViolationFound", "TrustPolicyReverted", "TrustViolationEnded", "TrustRemedyFailed", "TrustPolicyUndecidable"}


def envelope(announcement: Announcement) -> str:
    detail = {"announcement_id": announcement.id, "announced_at": announcement.at.isoformat(), **announcement.detail}
    return json.dumps({"source": "doorward.guardrails", "detail-type": announcement.detail_type, "detail": detail})


def announced(world: World) -> list[Announcement]:
    return [each for each in world.ledger.outbox.values() if each.detail_type in OF_CASES]


def keep(world: World, evidence: FakeEvidence, announcements: Iterable[Announcement]) -> list[str]:
    return [outcome.outcome for each in announcements for outcome in keep_evidence(envelope(each), world.ledger, evidence, world.clock)]


def document(world: World) -> dict[str, Any]:
    evidence = FakeEvidence()
    keep(world, evidence, announced(world))
    ((key, versions),) = evidence.versions.items()
    value: dict[str, Any] = json.loads(versions[-1])
    assert key == f"incidents/{value['role_ref']}/{value['incident']}.json"
    SCHEMA.validate(value)
    return value


@pytest.fixture
def reverted() -> World:
    world = World()
    world.accepted()
    world.roles.put(role(BAD))
    assert world.react(event()) == ["reverted"]
    return world


def test_a_reverted_violation_has_every_part(reverted: World) -> None:
    kept = document(reverted)
    assert kept["status"] == "remedied"
    assert kept["event"]["detail"]["eventID"] == "e-1"
    assert kept["before"]["accepted"]["document"] == kept["before"]["stood"]["document"] == json.loads(GOOD)
    assert kept["before"]["accepted"]["by"] == PIPELINE
    assert kept["found"] == {"policy_hash": hash_of_text(BAD), "document": json.loads(BAD)}
    assert kept["after"] == {"policy_hash": hash_of_text(GOOD), "document": json.loads(GOOD), "written": True}
    assert any(STRANGER in line for line in kept["diff"] if line.startswith("-"))
    assert kept["witness"]["context"]["aws:PrincipalAccount"] == STRANGER
    assert kept["decision"]["mode"] == "enforce"
    assert kept["decision"]["actor"]["arn"] == f"arn:aws:iam::{PROD}:user/jane"
    assert kept["decision"]["guardrails_hash"] == "cafe"
    assert kept["decision"]["by_pipeline"] is False
    assert kept["proof"] == {"remedy": "restore", "proved": True}
    assert [each["what"] for each in kept["told"]] == ["TrustViolationFound", "TrustPolicyReverted"]
    assert kept["steps"]["changed"] <= kept["steps"]["opened"] <= kept["steps"]["closed"]
    assert kept["approver"] is None


def test_the_same_events_again_write_nothing(reverted: World) -> None:
    evidence = FakeEvidence()
    assert keep(reverted, evidence, announced(reverted)) == ["kept", "kept"]
    assert keep(reverted, evidence, announced(reverted)) == ["known", "known"]
    assert [len(each) for each in evidence.versions.values()] == [2]


def test_whatever_order_events_come_in_the_last_version_is_the_same(reverted: World) -> None:
    last = set()
    for order in permutations(announced(reverted)):
        evidence = FakeEvidence()
        keep(reverted, evidence, [*order, *order])
        last.add(next(iter(evidence.versions.values()))[-1])
    assert len(last) == 1


def test_each_step_is_a_version_of_its_own() -> None:
    world = World(Guardrails(mode=Mode.ALERT, hash="cafe"))
    evidence = FakeEvidence()
    world.roles.put(role(BAD))
    world.react(event(event_id="e-1"))
    keep(world, evidence, announced(world))
    world.roles.put(role(GOOD))
    world.react(event(document=GOOD, event_id="e-2"))
    keep(world, evidence, announced(world))
    (versions,) = evidence.versions.values()
    assert [json.loads(each)["status"] for each in versions] == ["standing", "ended", "ended"]  # told of the end, then of all
    ended = json.loads(versions[-1])
    assert ended["after"] is None
    assert ended["proof"] is None
    assert ended["diff"] == []
    assert [each["what"] for each in ended["told"]] == ["TrustViolationFound", "TrustViolationEnded"]


def test_a_remedy_that_failed_is_told_with_why() -> None:
    world = World()
    world.accepted()
    world.roles.put(role(BAD))
    world.roles.unwritable = True
    world.react(event())
    kept = document(world)
    assert kept["status"] == "standing"
    assert kept["after"] is None or kept["after"]["written"] is False
    assert "AllowRemedies" in next(each["because"] for each in kept["told"] if each["what"] == "TrustRemedyFailed")


def test_external_ids_are_masked_wherever_a_policy_stands() -> None:
    secret = "4f1c2d3e-5b6a-4c7d-8e9f-0a1b2c3d4e5f"
    world = World()

    def with_id(text: str) -> str:
        value = json.loads(text)
        value["Statement"].append(
            {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::555566667777:root"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": secret}},
            }
        )
        return json.dumps(value)

    world.accepted(with_id(GOOD))
    world.roles.put(role(with_id(trusting("*"))))
    assert world.react(event(document=with_id(trusting("*")))) == ["reverted"]
    text = json.dumps(document(world))
    assert secret not in text
    assert "sts:ExternalId" in text


def test_whatever_is_announced_besides_is_kept_too(reverted: World) -> None:
    ((key, case),) = reverted.ledger.cases.items()
    reverted.ledger.cases[key] = case._replace(detail={**case.detail, "use": "unknown"})
    further = document(reverted)["decision"]["further"]
    assert (further["seconds"], further["use"]) == (case.detail["seconds"], "unknown")


@pytest.mark.parametrize(
    ("source", "change"),
    [
        ("doorward.guardrails", {"finding_id": None}),
        ("doorward.guardrails", {"role_ref": None}),
        ("doorward.guardrails", {"announced_at": None}),
        ("doorward.guardrails", {"announced_at": "yesterday"}),
        ("doorward.guard", {}),
        ("aws.iam", {}),
    ],
)
def test_what_is_about_no_case_is_put_aside(reverted: World, source: str, change: dict[str, Any]) -> None:
    message = json.loads(envelope(announced(reverted)[0]))
    message["source"] = source
    message["detail"].update(change)
    with pytest.raises(MalformedInput):
        keep_evidence(json.dumps(message), reverted.ledger, FakeEvidence(), reverted.clock)


def test_a_case_that_the_ledger_does_not_have_is_put_aside(reverted: World) -> None:
    message = envelope(announced(reverted)[0])
    reverted.ledger.cases.clear()
    with pytest.raises(MalformedInput, match="no such case"):
        keep_evidence(message, reverted.ledger, FakeEvidence(), reverted.clock)
