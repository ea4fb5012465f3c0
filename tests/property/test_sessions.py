"""Any permutation and duplication of the same events ends with the same calls, edges, trust policies and alerts."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.organization.model import Organization
from doorward.sessions.model import Edge
from doorward.usecases.watch_session import Tools, watch_session
from tests.fakes import START, FakeBeats, FakeClock, FakeLedger, FakeOrganizationStore, FakeRefreshes, FakeSessions
from tests.unit.test_sessions_detections import ACME, HERE, HUB, PROD, STAGING, record

STRANGER = "999988887777"


class World:
    def __init__(self, organization: Organization = ACME) -> None:
        clock = FakeClock()
        self.sessions, self.ledger, self.beats = FakeSessions(), FakeLedger(clock), FakeBeats()
        self.tools = Tools(
            self.sessions, self.ledger, self.beats, clock, organization, FakeOrganizationStore(), FakeRefreshes(), HERE
        )  # fmt: skip

    def take(self, *messages: dict[str, Any]) -> "World":
        for each in messages:
            watch_session(json.dumps(each), self.tools)
        return self

    def facts(self) -> tuple[Any, ...]:
        edges: dict[tuple[str, str], Edge] = dict(sorted(self.sessions.seen_edges.items()))
        return self.sessions.calls, edges, self.sessions.trust, set(self.ledger.outbox)


def envelope(detail: dict[str, Any]) -> dict[str, Any]:
    source = "aws." + detail["eventSource"].partition(".")[0]
    return {
        "source": source,
        "detail-type": "AWS API Call via CloudTrail",
        "account": detail["recipientAccountId"],
        "region": detail["awsRegion"],
        "detail": detail,
    }


def assumption(number: int, account: str, arn: str | None, seconds: int, *, copy: str = "owner") -> dict[str, Any]:
    by = {"account": account} if copy == "owner" else {"account": account, "arn": arn}
    detail = record({"by": by})
    recipient = PROD if copy == "owner" else account
    time = (START + timedelta(seconds=seconds)).isoformat()
    return envelope(
        {**detail, "eventID": f"e-{number}-{copy}", "sharedEventID": f"s-{number}", "recipientAccountId": recipient, "eventTime": time}
    )


def change(number: int, seconds: int, principals: list[str], name: str = "UpdateAssumeRolePolicy") -> dict[str, Any]:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "sts:AssumeRole"}]}
    field = "policyDocument" if name == "UpdateAssumeRolePolicy" else "assumeRolePolicyDocument"
    return envelope(
        {
            "eventID": f"c-{number}",
            "eventTime": (START + timedelta(seconds=seconds)).isoformat(),
            "eventName": name,
            "eventSource": "iam.amazonaws.com",
            "awsRegion": "us-east-1",
            "recipientAccountId": PROD,
            "userIdentity": {"type": "IAMUser", "arn": f"arn:aws:iam::{PROD}:user/jane", "accountId": PROD},
            "requestParameters": {"roleName": "payments", field: json.dumps(document)},
            "responseElements": None,
        }
    )


BATCH, DEPLOYER = f"arn:aws:iam::{STAGING}:role/batch", f"arn:aws:iam::{STAGING}:role/ci/deployer"
STORY = [
    change(0, -3600, [BATCH], "CreateRole"),
    change(1, 0, [BATCH, f"arn:aws:iam::{STRANGER}:root", DEPLOYER]),
    change(2, 30, [BATCH, f"arn:aws:iam::{STRANGER}:root"]),
    assumption(1, STRANGER, None, 10),
    assumption(2, STAGING, DEPLOYER, 20),
    assumption(2, STAGING, DEPLOYER, 20, copy="caller"),
    assumption(3, STAGING, BATCH, 40),
    assumption(3, STAGING, BATCH, 40, copy="caller"),
    assumption(4, STAGING, BATCH, -1800, copy="caller"),
    assumption(5, STRANGER, None, 2000),
]


@given(st.permutations(STORY), st.lists(st.sampled_from(STORY), max_size=4))
def test_any_order_and_any_repetition_ends_the_same(order: list[dict[str, Any]], again: list[dict[str, Any]]) -> None:
    expected = World().take(*STORY)
    found = World().take(*order, *again)
    calls, edges, trust, alerts = expected.facts()
    assert found.facts()[:3] == (calls, edges, trust)
    # What stood before may be learned only after an alert was told: then more is told, and never less.
    assert alerts <= found.facts()[3]


def by_own_role(role: str, role_id: str) -> list[dict[str, Any]]:
    """Both copies of a call of one of the hub's roles into prod's doorward-read: the entered account's names no role."""
    read = {"role": f"arn:aws:iam::{PROD}:role/doorward/doorward-read", "session": "doorward"}
    whole = {"account": HUB, "arn": f"arn:aws:iam::{HUB}:role/{role}"}
    copies = {PROD: {"account": HUB, "id": f"{role_id}:any"}, HUB: whole}
    return [
        envelope({**record({**read, "by": by}), "eventID": f"e-{account}", "recipientAccountId": account}) for account, by in copies.items()
    ]


@given(st.permutations([0, 1]), st.lists(st.sampled_from([0, 1]), max_size=3))
def test_whoever_enters_by_doorwards_role_is_told_once_by_whichever_copy_comes(order: list[int], again: list[int]) -> None:
    ours, another = by_own_role("doorward/doorward-sweep-account", "AROASWEEP"), by_own_role("Administrator", "AROAADMIN")
    assert not World().take(*(ours[each] for each in (*order, *again))).ledger.outbox
    world = World().take(another[order[0]])
    told = set(world.ledger.outbox)
    assert len(told) == 1
    assert set(world.take(*(another[each] for each in (*order, *again))).ledger.outbox) == told


HIDDEN = change(3, 0, [])
HIDDEN["detail"]["requestParameters"] = {"reason": "requestParameters too large", "omitted": True, "originalSize": "149893"}
BY_BATCH = change(0, -3600, [BATCH], "CreateRole")
PADDED = [BY_BATCH, HIDDEN, *STORY[4:8]]
"""The deployer, whom what is known does not let in, and the batch jobs, whom it does, both just after a change that hides itself."""


@given(st.permutations(PADDED), st.lists(st.sampled_from(PADDED), max_size=3))
def test_who_was_let_in_by_a_change_that_hides_itself_is_told_once_in_any_order(
    order: list[dict[str, Any]], again: list[dict[str, Any]]
) -> None:
    told = [each.detail for each in World().take(*order, *again).ledger.outbox.values()]
    certain = [(each["principal"], each["severity"]) for each in told if each["severity"] != "low"]
    assert certain == [(DEPLOYER, "critical")]
    # Before it is known what stood before, one of ours who comes for the first time is told as such.
    assert {each["principal"] for each in told if each["severity"] == "low"} <= {DEPLOYER, BATCH}


def test_the_story_is_told_as_it_was() -> None:
    world = World().take(*STORY)
    told = {(each.detail["detection"], each.detail["principal"]) for each in world.ledger.outbox.values()}
    assert told == {("external-caller", STRANGER), ("opened-door-used", STRANGER), ("opened-door-used", DEPLOYER)}
    assert {edge.principal: edge.times for edge in world.sessions.edges(f"{PROD}/payments")} == {STRANGER: 2, DEPLOYER: 1, BATCH: 2}


def test_a_call_whose_change_comes_later_is_told_then() -> None:
    use, opening, before = STORY[3], STORY[1], STORY[0]
    world = World().take(use, before)
    assert {each.detail["detection"] for each in world.ledger.outbox.values()} == {"external-caller"}
    world.take(opening)
    assert {each.detail["detection"] for each in world.ledger.outbox.values()} == {"external-caller", "opened-door-used"}
    assert all(each.detail["severity"] == "critical" for each in world.ledger.outbox.values())


@pytest.mark.parametrize(("role", "kept"), [("doorward-grant-read", False), ("doorward-read", False), ("payments", True)])
def test_a_trust_policy_with_doorwards_external_id_is_kept_nowhere(role: str, *, kept: bool) -> None:
    written = change(1, 0, [f"arn:aws:iam::{STAGING}:root"])
    written["detail"]["requestParameters"]["roleName"] = role
    assert bool(World().take(written).sessions.trust) is kept
