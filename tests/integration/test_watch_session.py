"""Who walks through which door, on the local stack: real calls of STS, their events from every account they concern, and what is told."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from doorward.aws.clock import SystemClock
from doorward.aws.sessions import DynamoSessions
from doorward.events.model import SessionEvent, Side
from doorward.sessions.model import Edge
from local.installation import Installation, People, trusting
from local.stack import Stack, rules_off
from local.world import HUB, PROD, SHARED_SERVICES, STAGING, STRANGER, VENDOR, Account
from tests.integration.emulated import ALL_MANAGEMENT_EVENTS, allowing, document, listen, unique, user
from tests.integration.test_organization import facts, known, let_a_minute_pass
from tests.template.conftest import REPOSITORY

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

BATCH = f"arn:aws:iam::{SHARED_SERVICES.id}:role/batch"
OWN_READ_ROLE = f"arn:aws:iam::{PROD.id}:role/doorward/doorward-read"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SETTLED_SECONDS = 1.5
"""What would be told twice is told within this: a message takes a tenth of it from the call to the announcement."""


class Doors:
    """Roles of prod that a known pipeline made, so that they stand whatever they say, and those who come through them."""

    def __init__(self, doorward: Installation, people: dict[str, People]) -> None:
        self.stack: Stack = doorward.stack
        self.doorward = doorward
        self.pipeline = people[PROD.id].pipeline()
        self.developer = people[PROD.id].developer()
        self._sessions = DynamoSessions(self.stack.client("dynamodb", HUB.id), doorward.outputs["SessionsTableName"], SystemClock())
        self._visitors: dict[str, dict[str, str]] = {}

    def make(self, trust: dict[str, Any]) -> str:
        """The ARN of a new role, whose event has been handled."""
        name = unique("door")
        arn = str(self.pipeline.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"])

        def is_known() -> bool:  # of this role itself: a change that hid its role is among those of every other
            versions = self._sessions.versions(ref_of(arn), datetime.now(UTC) - timedelta(hours=1))
            return any(each.role_ref == ref_of(arn) for each in versions)

        self.stack.until(is_known, f"the trust policy of {name}", seconds=60)
        return arn

    def visitor(self, account: Account) -> str:
        """The ARN of the account's user who may assume anything."""
        if account.id not in self._visitors:
            self._visitors[account.id] = user(self.stack, account.id, allowing("sts:AssumeRole", "*"))
        return str(self.stack.client("sts", account.id, **self._visitors[account.id]).get_caller_identity()["Arn"])

    def walk(self, account: Account, role_arn: str, **request: str) -> None:
        """Assume the role as the account's visitor; raises ClientError."""
        self.visitor(account)
        self.stack.assume(account.id, role_arn, credentials=self._visitors[account.id], **request)

    def calls(self, role_arn: str) -> tuple[SessionEvent, ...]:
        return self._sessions.recent_calls(ref_of(role_arn), LONG_AGO, datetime.now(UTC) + timedelta(hours=1))

    def edges(self, role_arn: str) -> tuple[Edge, ...]:
        return self._sessions.edges(ref_of(role_arn))

    def alerts(self, role_arn: str, *detections: str) -> list[dict[str, Any]]:
        """Wait until each of these detections has been told of the role; all that was told of it, in alphabetical order."""

        def all_told() -> list[dict[str, Any]] | None:
            told = self.told(role_arn)
            return told if set(detections) <= {each["detection"] for each in told} else None

        found = self.stack.until(all_told, f"{detections} of {role_arn}", seconds=30)
        assert found is not None
        return found

    def told(self, role_arn: str) -> list[dict[str, Any]]:
        items = [json.loads(each["detail"]) for each in self.doorward.ledger() if each["pk"].startswith("OUTBOX#") and "detail" in each]
        mine = [each for each in items if each.get("format") == "doorward.sessions/1" and each["role"] == role_arn]
        return sorted(mine, key=lambda each: (each["detection"], each["at"]))


def ref_of(role_arn: str) -> str:
    return f"{role_arn.split(':')[4]}/{role_arn.rpartition('/')[2]}"


def detections(alerts: list[dict[str, Any]]) -> list[str]:
    return [each["detection"] for each in alerts]


@pytest.fixture(scope="session")
def doors(doorward: Installation, people: dict[str, People]) -> Doors:
    return Doors(doorward, people)


def test_an_outsiders_session_is_told_to_people_once(doors: Doors) -> None:
    role = doors.make(trusting(f"arn:aws:iam::{STRANGER.id}:root"))
    doors.walk(STRANGER, role)
    told = {each["detection"]: each for each in doors.alerts(role, "external-caller", "opened-door-used")}
    assert (told["external-caller"]["severity"], told["external-caller"]["account"]) == ("critical", {"id": PROD.id, "name": "prod"})
    assert f"account {STRANGER.id} is neither of this organization nor trusted" in told["external-caller"]["because"]
    assert [each["name"] for each in told["external-caller"]["events"]] == ["AssumeRole"]
    # A pipeline that makes a door and somebody who then uses it: worth a look, no more.
    assert (told["opened-door-used"]["severity"], len(told)) == ("medium", 2)
    # Of who came from outside no more than the account can be known.
    (edge,) = doors.edges(role)
    assert (edge.principal, edge.times) == (STRANGER.id, 1)
    card = f"critical external-caller*: {told['external-caller']['because']}"
    doors.stack.until(lambda: any(card in str(each) for each in doors.doorward.slack.messages), "a message by Slack")


def test_somebody_of_the_organization_whom_the_door_was_made_for_is_told_to_nobody_but_is_an_edge(doors: Doors) -> None:
    """Both accounts' copies are one call, and the caller's says who came."""
    visitor = doors.visitor(STAGING)
    role = doors.make(trusting(visitor))
    doors.walk(STAGING, role, RoleSessionName="first")
    (call,) = doors.stack.until(lambda: [each for each in doors.calls(role) if each.side is Side.BOTH], "both copies")
    assert (call.actor.arn, call.role_session_name, call.role_account_id) == (visitor, "first", PROD.id)
    time.sleep(1.1)  # CloudTrail gives whole seconds
    doors.walk(STAGING, role, RoleSessionName="second")
    doors.stack.until(lambda: len(doors.calls(role)) == 2, "the second call")
    first, second = (each.event_time for each in doors.calls(role))
    assert first < second
    doors.stack.until(lambda: doors.edges(role) == (Edge(visitor, ref_of(role), 2, first, second),), "the edge, counted twice")
    # One finding for each call, not for each copy: the door had only just been made.
    told = doors.alerts(role, "opened-door-used")
    time.sleep(SETTLED_SECONDS)
    assert detections(doors.told(role)) == ["opened-door-used"] * 2
    assert {each["severity"] for each in told} == {"medium"}


def test_a_vendor_without_its_external_id_is_told_and_with_it_is_not(doors: Doors) -> None:
    role = doors.make(trusting(f"arn:aws:iam::{VENDOR.id}:root"))
    doors.walk(VENDOR, role)
    (told,) = [each for each in doors.alerts(role, "vendor-session-without-external-id") if each["detection"] != "opened-door-used"]
    assert told["severity"] == "high"
    assert f"Vendor account {VENDOR.id} (acme-monitoring vendor)" in told["because"]
    external_id = unique("an-id-of-this-customer-alone")
    asking = doors.make(trusting(f"arn:aws:iam::{VENDOR.id}:root", StringEquals={"sts:ExternalId": external_id}))
    doors.walk(VENDOR, asking, ExternalId=external_id)
    doors.alerts(asking, "opened-door-used")
    time.sleep(SETTLED_SECONDS)
    assert detections(doors.told(asking)) == ["opened-door-used"]
    assert external_id not in json.dumps(doors.doorward.ledger())
    everything = doors.stack.client("dynamodb", HUB.id).scan(TableName=doors.doorward.outputs["SessionsTableName"])["Items"]
    kept_calls = [each for each in everything if each["sk"]["S"].startswith("CALL")]
    assert kept_calls
    assert external_id not in json.dumps(kept_calls)


def test_a_door_used_just_after_it_was_opened_is_told_though_the_use_is_heard_of_before_the_change(doors: Doors) -> None:
    role = doors.make(trusting(BATCH))
    name = role.rpartition("/")[2]
    time.sleep(1.1)  # CloudTrail gives whole seconds
    with doors.stack.holding("UpdateAssumeRolePolicy"):
        doors.developer.update_assume_role_policy(
            RoleName=name, PolicyDocument=json.dumps(trusting(BATCH, f"arn:aws:iam::{STRANGER.id}:root"))
        )
        doors.walk(STRANGER, role)
        assert detections(doors.alerts(role, "external-caller")) == ["external-caller"]
        assert doors.doorward.trust_policy(PROD, name) != trusting(BATCH), "whoever held the event back let the door stand open"
    told = {each["detection"]: each for each in doors.alerts(role, "opened-door-used")}
    assert told["opened-door-used"]["severity"] == "critical"
    assert f"made by arn:aws:iam::{PROD.id}:user/jane" in told["opened-door-used"]["because"]
    assert told["opened-door-used"]["events"][0]["id"] == told["external-caller"]["events"][0]["id"]
    doors.stack.until(lambda: doors.doorward.trust_policy(PROD, name) == trusting(BATCH), "the door to be closed again")


def test_a_door_that_a_padded_change_opened_is_told_when_it_is_used_though_the_event_names_no_role(doors: Doors) -> None:
    role = doors.make(trusting(BATCH))
    time.sleep(1.1)  # CloudTrail gives whole seconds
    with doors.stack.holding("UpdateAssumeRolePolicy"):
        opened = json.dumps(trusting(BATCH, f"arn:aws:iam::{STRANGER.id}:root"))
        doors.developer.update_assume_role_policy(RoleName=role.rpartition("/")[2], PolicyDocument=opened + " " * 120_000)
        doors.walk(STRANGER, role)
        doors.alerts(role, "external-caller")
    (told,) = [each for each in doors.alerts(role, "opened-door-used") if each["detection"] == "opened-door-used"]
    assert told["severity"] == "critical"
    assert "after a change of trust that its event hides" in told["because"]
    assert f"made by arn:aws:iam::{PROD.id}:user/jane" in told["because"]


def test_nobody_uses_one_of_doorwards_own_roles_unseen(doors: Doors) -> None:
    own = doors.doorward.trust_policy(PROD, "doorward-read")
    with pytest.raises(ClientError):
        doors.walk(PROD, OWN_READ_ROLE)
    visitor = doors.visitor(PROD)  # other tests have tried the role, too

    def of_the_visitor() -> list[dict[str, Any]]:
        return [each for each in doors.told(OWN_READ_ROLE) if visitor in each["because"]]

    (refused,) = doors.stack.until(of_the_visitor, "the refused try to be told", seconds=60)
    assert refused["severity"] == "high"
    assert f"{visitor} tried to open a session" in refused["because"]
    iam = doors.stack.client("iam", PROD.id)
    opened = {"Effect": "Allow", "Principal": {"AWS": doors.visitor(PROD)}, "Action": "sts:AssumeRole"}
    iam.update_assume_role_policy(RoleName="doorward-read", PolicyDocument=document(*own["Statement"], opened))
    try:
        doors.walk(PROD, OWN_READ_ROLE)
    finally:
        iam.update_assume_role_policy(RoleName="doorward-read", PolicyDocument=json.dumps(own))
    doors.stack.until(lambda: "critical" in {each["severity"] for each in of_the_visitor()}, "the session to be told", seconds=60)
    assert detections(of_the_visitor()) == ["doorward-role-used"] * 2


def test_whoever_of_the_hub_comes_in_by_doorwards_role_is_told_though_the_hubs_own_copy_never_comes(doors: Doors) -> None:
    """The hub itself came that way all the while, and is told to nobody."""
    own, visitor = doors.doorward.trust_policy(PROD, "doorward-read"), doors.visitor(HUB)
    iam = doors.stack.client("iam", PROD.id)
    opened = {"Effect": "Allow", "Principal": {"AWS": visitor}, "Action": "sts:AssumeRole"}
    iam.update_assume_role_policy(RoleName="doorward-read", PolicyDocument=document(*own["Statement"], opened))
    since = datetime.now(UTC).replace(microsecond=0)
    try:
        with rules_off(doors.stack.client("events", HUB.id), "doorward-sessions"):
            doors.walk(HUB, OWN_READ_ROLE, RoleSessionName="doorward")
            doors.stack.until(lambda: _of_hub(doors, since), "the session to be told", seconds=60)
    finally:
        iam.update_assume_role_policy(RoleName="doorward-read", PolicyDocument=json.dumps(own))
    time.sleep(SETTLED_SECONDS)
    (told,) = _of_hub(doors, since)
    assert (told["detection"], told["severity"], told["actor"]["arn"]) == ("doorward-role-used", "critical", None)
    assert {each.side for each in doors.calls(OWN_READ_ROLE) if each.event_time >= since and each.actor.arn is None} == {Side.OWNER}


def _of_hub(doors: Doors, since: datetime) -> list[dict[str, Any]]:
    told = [each for each in doors.told(OWN_READ_ROLE) if each["actor"]["account_id"] == HUB.id]
    return [each for each in told if datetime.fromisoformat(each["at"]) >= since]


def test_an_event_that_comes_again_is_told_once_and_counted_once(doors: Doors) -> None:
    pattern = {"detail": {"eventName": ["AssumeRole"], "userIdentity": {"accountId": [STRANGER.id]}}}
    inbox = listen(doors.stack, HUB.id, pattern, bus="doorward", state=ALL_MANAGEMENT_EVENTS)
    role = doors.make(trusting(f"arn:aws:iam::{STRANGER.id}:root"))
    doors.walk(STRANGER, role)
    before = doors.alerts(role, "external-caller", "opened-door-used")
    (envelope,) = inbox.wait()
    for _ in range(3):
        doors.stack.client("sqs", HUB.id).send_message(QueueUrl=doors.doorward.outputs["SessionQueueUrl"], MessageBody=json.dumps(envelope))
    event_id = envelope["detail"]["eventID"]
    # Not until the queue is empty: what other tests left in it may wait there for minutes.
    doors.stack.until(lambda: _handled(doors, event_id) == 4, "the event to be handled three times more", seconds=60)
    time.sleep(SETTLED_SECONDS)
    assert doors.told(role) == before
    assert [each.times for each in doors.edges(role)] == [1]
    assert len(doors.calls(role)) == 1
    assert not [each for each in _dead_letters(doors) if event_id in each]


def _handled(doors: Doors, event_id: str) -> int:
    """How often the function has said in its log what came of this event."""
    lines = doors.stack.log_path.read_text(errors="replace").splitlines()
    return sum(event_id in each and '"service":"watch_session"' in each and '"outcome"' in each for each in lines)


def _dead_letters(doors: Doors) -> list[str]:
    url = doors.doorward.outputs["SessionDeadLettersUrl"]
    answer = doors.stack.client("sqs", HUB.id).receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return [each["Body"] for each in answer.get("Messages", [])]


def test_a_session_of_an_account_that_is_not_known_yet_has_the_organization_read_again(doors: Doors) -> None:
    sample = json.loads((REPOSITORY / "events" / "sts.AssumeRole.vendor.json").read_text("utf-8"))
    sample["account"] = sample["detail"]["recipientAccountId"] = "131313131313"
    sample["detail"] |= {"eventID": unique("unknown"), "eventTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    before = known(doors.doorward).read_at
    let_a_minute_pass(doors.doorward)
    doors.doorward.deliver(json.dumps(sample), to="Session")

    def read_again() -> bool:
        now = facts(doors.doorward)
        return now is not None and now.read_at > before

    doors.stack.until(read_again, "a read of the organization", seconds=60)
