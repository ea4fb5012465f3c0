"""A grant's life on the installed Doorward: asked for and decided by the real API, moved by the real state machine, functions, tables."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from doorward_cli.api import Api, Refused
from local.installation import Installation
from local.world import ANN, HUB, JANE, JOE, PROD, STAGING, Account, Person
from tests.integration.emulated import Inbox, listen, unique

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

SOON_SECONDS = 2.0
FAR_SECONDS = 60.0
"""Of what takes a second on a quiet machine."""
AT_ONCE_SECONDS = 1.0
"""From the request to the event that the approval card is made of: the issue names it; on a machine that others use ten times that."""
REASON = "the nightly export of ORDER-4711 looks wrong"


class Grants:
    """Whoever asks, the grants that came of it, and what became of them."""

    def __init__(self, doorward: Installation) -> None:
        self.doorward = doorward
        self.stack = doorward.stack
        self._apis: dict[Person, Api] = {}

    def of(self, person: Person) -> Api:
        if person not in self._apis:
            self._apis[person] = self.doorward.api_of(person)
        return self._apis[person]

    def ask(self, person: Person, account: Account, **changed: Any) -> dict[str, Any]:
        """One that takes a minute, unless told otherwise; a bucket of its own, so that no two are alike."""
        wanted = {
            "role": f"{account.id}/doorward-grant-read",
            "template": "read-bucket",
            "parameters": {"bucket": unique("orders")},
            "minutes": 1,
            "reason": REASON,
            **changed,
        }
        return dict(self.of(person).call("POST", "/grants", wanted))

    def say(self, person: Person, grant: Mapping[str, Any], word: str, **said: Any) -> dict[str, Any]:
        return dict(self.of(person).call("POST", f"/grants/{grant['grant_id']}/{word}", said))

    def now(self, grant: Mapping[str, Any], person: Person = ANN) -> dict[str, Any]:
        return dict(self.of(person).call("GET", f"/grants/{grant['grant_id']}"))

    def until(self, grant: Mapping[str, Any], state: str, *, seconds: float = FAR_SECONDS) -> dict[str, Any]:
        self.stack.until(
            lambda: self.doorward.grant_state(grant["grant_id"]) == state, f"{grant['grant_id']} to be {state}", seconds=seconds
        )
        return self.now(grant)

    def waits(self, grant: Mapping[str, Any]) -> bool:
        """Whether its execution waits, with its token kept."""
        key = {"pk": {"S": f"TOKEN#{grant['grant_id']}"}, "sk": {"S": "TOKEN"}}
        table = self.doorward.outputs["GrantsTableName"]
        return "Item" in self.stack.client("dynamodb", HUB.id).get_item(TableName=table, Key=key, ConsistentRead=True)

    def ends(self, grant: Mapping[str, Any]) -> None:
        self.stack.until(lambda: self._status(grant) == "SUCCEEDED", "the execution to end", seconds=FAR_SECONDS)

    def history(self, grant: Mapping[str, Any]) -> list[dict[str, Any]]:
        pages = self.stack.client("stepfunctions", HUB.id).get_paginator("get_execution_history").paginate(executionArn=self._arn(grant))
        return [each for page in pages for each in page["events"]]

    def passed(self, grant: Mapping[str, Any]) -> list[str]:
        return [each["stateEnteredEventDetails"]["name"] for each in self.history(grant) if "stateEnteredEventDetails" in each]

    def told(self, grant: Mapping[str, Any]) -> list[str]:
        """As what it was announced."""
        items = [each for each in self.doorward.ledger() if each["sk"] == "ANNOUNCEMENT" and grant["grant_id"] in each["detail"]]
        return [each["detail_type"] for each in sorted(items, key=lambda each: each["at"])]

    def _status(self, grant: Mapping[str, Any]) -> str:
        """RUNNING, too, while it has not been started yet."""
        states = self.stack.client("stepfunctions", HUB.id)
        try:
            return str(states.describe_execution(executionArn=self._arn(grant))["status"])
        except states.exceptions.ExecutionDoesNotExist:
            return "RUNNING"

    def _arn(self, grant: Mapping[str, Any]) -> str:
        return f"{self.doorward.outputs['GrantStateMachineArn'].replace(':stateMachine:', ':execution:')}:{grant['grant_id']}"


@pytest.fixture(scope="module")
def grants(doorward: Installation) -> Grants:
    return Grants(doorward)


@pytest.fixture(scope="module")
def awaited(doorward: Installation) -> Inbox:
    """What the approval card is made of, as it comes onto the bus."""
    pattern = {"source": ["doorward.decisions"], "detail-type": ["DecisionAwaited"], "detail": {"what": ["grant"]}}
    return listen(doorward.stack, HUB.id, pattern, bus="doorward")


@pytest.fixture(scope="module", autouse=True)
def unanswered(grants: Grants) -> dict[str, Any]:
    """Asked for at the very beginning: nobody decides about it, and a minute after its start its time is over."""
    grant = grants.ask(JANE, PROD, starts_at=(datetime.now(UTC) + timedelta(seconds=20)).isoformat())
    grants.stack.until(lambda: grants.waits(grant), "its execution to wait, every function being started by then", seconds=FAR_SECONDS)
    return grant


def test_a_grant_is_asked_for_agreed_to_opened_and_over_at_its_end(grants: Grants, awaited: Inbox, record_property: Any) -> None:
    awaited.read()
    before = time.monotonic()
    grant = grants.ask(JANE, PROD)
    (event,) = awaited.wait()
    took = time.monotonic() - before
    record_property("from the request to what the approval card is made of", f"{took:.2f} s")
    assert took < 10 * AT_ONCE_SECONDS
    assert (grant["state"], grant["decision"]["state"]) == ("pending", "open")
    assert event["detail"]["grant"]["scope"] == grant["scope"]
    assert event["detail"]["grant"]["shown"] == grant["shown"]
    grants.stack.until(lambda: grants.waits(grant), "its execution to wait", seconds=FAR_SECONDS)
    assert grants.say(ANN, grant, "approve", shown=grant["shown"])["decision"]["yes"] == [ANN.user_name]
    active = grants.until(grant, "active")
    assert datetime.fromisoformat(active["ends_at"]) - datetime.fromisoformat(active["starts_at"]) == timedelta(minutes=1)
    closed = grants.until(grant, "closed", seconds=90)
    over = datetime.now(UTC) - datetime.fromisoformat(closed["ends_at"])
    assert timedelta(0) <= over < timedelta(seconds=10 * SOON_SECONDS)
    grants.ends(grant)
    ways = ["Check", "Look", "Approve", "Decide", "Look", "WaitForStart", "Begin", "Look", "Active", "End", "Look", "Closed"]
    assert grants.passed(grant) == ways
    told = ["GrantRequested", "DecisionAwaited", "DecisionMade", "GrantApproved", "GrantStarted", "GrantEnding", "GrantEnded"]
    assert grants.told(grant) == told


def test_nobody_agrees_to_his_own(grants: Grants) -> None:
    """Ann may decide about staging, and about what Joe asks for; not about this."""
    grant = grants.ask(ANN, STAGING)
    with pytest.raises(Refused, match="asked"):
        grants.say(ANN, grant, "approve", shown=grant["shown"])
    assert grants.now(grant)["state"] == "pending"
    assert grants.say(JOE, grant, "approve", shown=grant["shown"])["decision"]["yes"] == [JOE.user_name]
    assert grants.until(grant, "active")["person"]["name"] == ANN.user_name
    assert grants.say(ANN, grant, "revoke")["state"] == "ending"


def test_a_no_is_for_good_and_whoever_asked_is_told_why(grants: Grants) -> None:
    grant = grants.ask(JANE, PROD)
    with pytest.raises(Refused, match="reason"):
        grants.say(ANN, grant, "refuse", shown=grant["shown"])
    grants.say(ANN, grant, "refuse", shown=grant["shown"], reason="use the replica")
    grants.until(grant, "refused")
    with pytest.raises(Refused, match="refused"):
        grants.say(JOE, grant, "approve", shown=grant["shown"])
    grants.ends(grant)
    assert "use the replica" not in json.dumps(grants.history(grant), default=str)


def test_what_was_shown_is_what_is_agreed_to(grants: Grants) -> None:
    grant = grants.ask(JANE, PROD)
    with pytest.raises(Refused):
        grants.say(ANN, grant, "approve", shown="0" * 64)
    assert grants.say(JANE, grant, "cancel", reason="not needed any more")["state"] == "cancelled"
    grants.ends(grant)


def test_whoever_waits_for_its_start_may_think_better_of_it(grants: Grants) -> None:
    grant = grants.ask(JANE, PROD, starts_at=(datetime.now(UTC) + timedelta(hours=2)).isoformat())
    grants.say(ANN, grant, "approve", shown=grant["shown"])
    grants.until(grant, "approved")
    grants.stack.until(lambda: grants.waits(grant), "its execution to wait for its start", seconds=FAR_SECONDS)
    before = time.monotonic()
    assert grants.say(JANE, grant, "cancel")["state"] == "cancelled"
    grants.ends(grant)
    assert time.monotonic() - before < 10 * SOON_SECONDS
    assert grants.passed(grant)[-4:] == ["WaitForStart", "Begin", "Look", "Closed"]


def test_whoever_revokes_ends_it_at_once(grants: Grants) -> None:
    grant = grants.ask(JANE, PROD, minutes=60)
    grants.say(ANN, grant, "approve", shown=grant["shown"])
    grants.until(grant, "active")
    grants.stack.until(lambda: grants.waits(grant), "its execution to wait for its end", seconds=FAR_SECONDS)
    before = time.monotonic()
    assert grants.say(JOE, grant, "revoke", reason="ORDER-4711 is settled")["state"] == "ending"
    assert grants.until(grant, "revoked")["because"] == "ORDER-4711 is settled"
    grants.ends(grant)
    assert time.monotonic() - before < 10 * SOON_SECONDS
    assert not grants.waits(grant)


def test_where_nobody_has_to_agree_it_opens_at_once(grants: Grants) -> None:
    grant = grants.ask(JANE, STAGING)
    assert (grant["state"], grant["automatic"], grant["decision"]) == ("approved", True, None)
    grants.until(grant, "active")
    assert grants.say(JANE, grant, "revoke")["state"] == "ending"
    grants.until(grant, "revoked")


def test_what_is_not_allowed_is_refused_and_nothing_is_kept(grants: Grants) -> None:
    before = len(grants.of(JANE).call("GET", "/grants?mine=true")["grants"])
    for wrong in (
        {"template": "administer"},
        {"parameters": {"bucket": "*"}},
        {"minutes": 61},
        {"role": f"{PROD.id}/doorward-read"},
        {"reason": "x" * 5000},
        {"starts_at": "2020-01-01T00:00:00Z"},
    ):
        with pytest.raises(Refused):
            grants.ask(JANE, PROD, **wrong)
    assert len(grants.of(JANE).call("GET", "/grants?mine=true")["grants"]) == before


def test_a_grant_is_shown_to_whoever_has_business_with_it(grants: Grants) -> None:
    grant = grants.ask(ANN, STAGING)
    assert grants.now(grant, JOE)["scope"] == grant["scope"]
    with pytest.raises(Refused, match="none of your business"):
        grants.now(grant, JANE)
    with pytest.raises(Refused, match="none of your business"):
        grants.say(JANE, grant, "approve", shown=grant["shown"])
    assert grant["grant_id"] in [each["grant_id"] for each in grants.of(JOE).call("GET", "/grants?standing=true")["grants"]]
    assert grant["grant_id"] not in json.dumps(grants.of(JANE).call("GET", "/grants"))
    grants.say(ANN, grant, "cancel")


def test_who_dies_while_he_moves_a_grant_leaves_one_that_opens_and_ends(grants: Grants) -> None:
    """Each time that it looks at the role of a grant: once as it goes by what people decided, and once as it opens it."""
    grant = grants.ask(JANE, PROD)
    grants.stack.until(lambda: grants.waits(grant), "its execution to wait", seconds=FAR_SECONDS)
    name = grants.doorward.physical_id("AdvanceGrantFunction")
    killed = {"call": "GetRole", "about": "doorward-grant-read", "fate": "killed", "function": name}
    grants.stack.fail(killed, killed)
    grants.say(ANN, grant, "approve", shown=grant["shown"])
    grants.until(grant, "active")
    assert grants.stack.state()["failures"]["left"] == []
    assert len([each for each in grants.history(grant) if each["type"] == "TaskFailed"]) >= 2
    grants.until(grant, "closed", seconds=90)
    grants.ends(grant)


def test_what_nobody_decides_is_over_when_its_time_is(grants: Grants, unanswered: dict[str, Any]) -> None:
    assert grants.until(unanswered, "expired", seconds=110)["decision"]["state"] == "withdrawn"
    grants.ends(unanswered)
    assert grants.passed(unanswered)[-4:] == ["Approve", "Decide", "Look", "Closed"]


def test_no_execution_ever_held_why_or_what_or_who(grants: Grants) -> None:
    """Neither as input or output of a state, nor in what is logged of them: of one that goes through its life here, and of all before."""
    grant = grants.ask(ANN, STAGING)
    grants.say(JOE, grant, "approve", shown=grant["shown"])
    grants.until(grant, "active")
    grants.say(ANN, grant, "revoke", reason=REASON)
    grants.ends(grant)
    states, machine = grants.stack.client("stepfunctions", HUB.id), grants.doorward.outputs["GrantStateMachineArn"]
    every = states.list_executions(stateMachineArn=machine)["executions"]
    assert grant["grant_id"] in {each["name"] for each in every}
    written = json.dumps([grants.history({"grant_id": each["name"]}) for each in every], default=str)
    logs = grants.stack.client("logs", HUB.id)
    group = grants.doorward.physical_id("GrantLogs")
    written += json.dumps(
        [each for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group) for each in page["events"]]
    )
    hidden = ("ORDER-4711", "orders-", "read-bucket", *(each.user_name for each in (ANN, JOE, JANE)), "doorward-grant-read")
    assert not [each for each in hidden if each in written]


def test_what_speaks_of_no_grant_is_put_aside(grants: Grants) -> None:
    grants.doorward.deliver(json.dumps({"detail": {"grant_id": "../../x"}}), to="Grant")
    found = grants.stack.until(lambda: grants.doorward.dead_letters("Grant"), "it to be put aside")
    assert found
    assert "grant_id" in found[0][1]
