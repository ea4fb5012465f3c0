"""Doorward deployed from the real templates on the local stack: from an IAM call in a member account to what stands afterwards."""

import ast
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from doorward.aws.clock import SystemClock
from doorward.aws.ledger import DynamoLedger
from doorward.decisions.model import Question, State, Terms
from doorward.decisions.telling import FORMAT, question_as_json
from doorward.findings.alerts import Alert, AlertFormat, alert_as_json
from doorward.findings.model import Severity
from doorward.ports.ledger import Announcement
from local.demo import door_opener
from local.installation import GITHUB, Installation, People, trusting, trusting_github
from local.slack import SlackMessage
from local.world import HUB, MANAGEMENT, PROD, SHARED_SERVICES, SLACK_CHANNEL, STAGING, STRANGER, VENDOR, Account
from tests.integration.emulated import allowing, unique
from tests.template.conftest import REPOSITORY

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

BATCH = f"arn:aws:iam::{SHARED_SERVICES.id}:role/batch"
STRANGERS = f"arn:aws:iam::{STRANGER.id}:root"
EXTERNAL_ID = {"sts:ExternalId": "4f1c2d3e-5b6a-4c7d-8e9f-0a1b2c3d4e5f"}
MANY = 21
"""More roles than one invocation looks at itself."""


class Scene:
    """An installation, and short words for what tests do with it."""

    def __init__(self, doorward: Installation, people: dict[str, People]) -> None:
        self.doorward = doorward
        self.people = people

    def until[T](self, condition: Callable[[], T | None], what: str) -> T:
        found = self.doorward.stack.until(condition, what)
        assert found is not None
        return found

    def outcome(self, account: Account, role: str, event_name: str, count: int = 1) -> str:
        """The last of at least `count` outcomes."""
        ref = f"{account.id}/{role}"
        outcomes = self.until(
            lambda: found if len(found := self.doorward.outcomes(ref, event_name)) >= count else None, f"{count} x {event_name} of {ref}"
        )
        return outcomes[-1]

    def cases(self, account: Account, role: str) -> list[tuple[str, str | None]]:
        return [(case["status"], case.get("remedy_kind")) for case in self.doorward.cases(f"{account.id}/{role}")]

    def detail(self, account: Account, role: str) -> dict[str, Any]:
        detail: dict[str, Any] = json.loads(self.doorward.cases(f"{account.id}/{role}")[-1]["detail"])
        return detail

    def create(self, account: Account, role: str, trust: dict[str, Any], *, by: str = "pipeline", path: str = "/") -> None:
        iam = getattr(self.people[account.id], by)()
        iam.create_role(RoleName=role, Path=path, AssumeRolePolicyDocument=json.dumps(trust))
        self.outcome(account, role, "CreateRole")

    def update(self, account: Account, role: str, trust: dict[str, Any], *, by: str = "developer") -> None:
        getattr(self.people[account.id], by)().update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trust))


def slack_messages(scene: Scene, about: str) -> list[SlackMessage]:
    """In the order in which they came."""
    return [each for each in scene.doorward.slack.messages if about in str(each)]


@pytest.fixture(scope="session")
def scene(doorward: Installation, people: dict[str, People]) -> Scene:
    return Scene(doorward, people)


def test_a_stranger_let_into_a_prod_role_is_out_again_and_the_baseline_stands_as_it_was(scene: Scene) -> None:
    scene.create(PROD, "orders", trusting(BATCH))
    scene.update(PROD, "orders", trusting(BATCH, STRANGERS))
    assert scene.outcome(PROD, "orders", "UpdateAssumeRolePolicy") in {"reverted", "passed"}
    assert scene.doorward.trust_policy(PROD, "orders") == trusting(BATCH)
    assert scene.cases(PROD, "orders") == [("remedied", "restore")]
    detail = scene.detail(PROD, "orders")
    assert detail["actor"]["arn"] == f"arn:aws:iam::{PROD.id}:user/jane"
    assert any(STRANGER.id in line for line in detail["diff"] if line.startswith("-"))
    assert [finding["rule"] for finding in detail["findings"]] == ["external-account"]
    assert detail["findings"][0]["witness"]["context"]["aws:PrincipalAccount"] == STRANGER.id


def test_a_policy_replaced_as_a_whole_is_restored_from_the_baseline(scene: Scene) -> None:
    scene.create(PROD, "ledger", trusting(BATCH))
    scene.update(PROD, "ledger", trusting("*"))
    scene.outcome(PROD, "ledger", "UpdateAssumeRolePolicy")
    assert scene.doorward.trust_policy(PROD, "ledger") == trusting(BATCH)
    assert scene.cases(PROD, "ledger") == [("remedied", "restore")]


def test_the_same_attack_three_times_within_a_minute_is_closed_three_times(scene: Scene) -> None:
    began = time.monotonic()
    scene.create(PROD, "stubborn", trusting(BATCH))
    for count in (1, 2, 3):
        scene.update(PROD, "stubborn", trusting(BATCH, STRANGERS))
        scene.until(lambda: len(scene.cases(PROD, "stubborn")) == count or None, f"case {count}")  # noqa: B023 - called at once
        scene.until(lambda: scene.doorward.trust_policy(PROD, "stubborn") == trusting(BATCH) or None, "the door to be closed again")
        scene.until(lambda: scene.cases(PROD, "stubborn")[-1][0] == "remedied" or None, "the case to be closed")
    assert scene.cases(PROD, "stubborn") == [("remedied", "restore")] * 3
    assert time.monotonic() - began < 60


def test_a_wildcard_github_subject_on_a_new_role_is_denied_to_strangers(scene: Scene) -> None:
    scene.people[STAGING.id].developer().create_role(
        RoleName="docs", AssumeRolePolicyDocument=json.dumps(trusting_github(STAGING, "repo:*"))
    )
    scene.outcome(STAGING, "docs", "CreateRole")
    ((status, remedy),) = scene.cases(STAGING, "docs")
    assert status == "remedied"
    assert remedy == "deny"
    stays, denied = scene.doorward.trust_policy(STAGING, "docs")["Statement"]
    assert stays == trusting_github(STAGING, "repo:*")["Statement"][0]
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", stays["Principal"], stays["Action"])
    assert denied["Condition"] == {"StringNotLike": {"token.actions.githubusercontent.com:sub": "repo:acme/*"}}


def test_a_known_pipelines_change_is_alerted_and_stands(scene: Scene) -> None:
    mistake = trusting(f"arn:aws:iam::{VENDOR.id}:role/collector")
    scene.create(PROD, "metrics", mistake, by="pipeline")
    assert scene.outcome(PROD, "metrics", "CreateRole") == "alerted"
    assert scene.doorward.trust_policy(PROD, "metrics") == mistake
    assert scene.cases(PROD, "metrics") == [("standing", None)]


def test_an_administrator_policy_on_a_role_that_a_vendor_may_assume_is_alerted_and_the_trust_stands(scene: Scene) -> None:
    vendor = trusting(f"arn:aws:iam::{VENDOR.id}:root", StringEquals=EXTERNAL_ID)
    scene.create(PROD, "collected", vendor)
    assert scene.cases(PROD, "collected") == []
    scene.people[PROD.id].developer().attach_role_policy(RoleName="collected", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    assert scene.outcome(PROD, "collected", "AttachRolePolicy") == "alerted"
    assert scene.doorward.trust_policy(PROD, "collected") == vendor
    assert scene.cases(PROD, "collected") == [("standing", None)]
    (finding,) = [each for each in scene.detail(PROD, "collected")["findings"] if each["rule"] == "privileged-outsider"]
    assert finding["witness"]["context"]["aws:PrincipalAccount"] == VENDOR.id
    assert "AdministratorAccess" in finding["because"]


def test_a_managed_policy_that_changes_has_every_role_that_it_is_attached_to_looked_at_by_a_hint(scene: Scene) -> None:
    iam = scene.people[PROD.id].developer()
    arn = iam.create_policy(PolicyName="shared", PolicyDocument=allowing("s3:GetObject", "*"))["Policy"]["Arn"]
    names = [f"shared-{number}" for number in range(MANY)]
    for name in names:
        trust = trusting(f"arn:aws:iam::{VENDOR.id}:root", StringEquals=EXTERNAL_ID) if name == names[0] else trusting(BATCH)
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    for name in names:
        scene.outcome(PROD, name, "AttachRolePolicy")
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=allowing("iam:*", "*"), SetAsDefault=True)
    for name in names:
        assert scene.outcome(PROD, name, "Hint") in {"alerted", "passed"}
    assert "privileged-outsider" in {each["rule"] for each in scene.detail(PROD, names[0])["findings"]}


def test_what_a_role_of_the_management_account_may_do_is_read_as_in_any_other(scene: Scene) -> None:
    iam = scene.doorward.stack.client("iam", MANAGEMENT.id)
    arn = iam.create_policy(PolicyName="auditing", PolicyDocument=allowing("s3:GetObject", "*"))["Policy"]["Arn"]
    trust = trusting(f"arn:aws:iam::{VENDOR.id}:root", StringEquals=EXTERNAL_ID)
    iam.create_role(RoleName="audit", AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName="audit", PolicyName="x", PolicyDocument=allowing("s3:ListBucket", "*"))
    iam.attach_role_policy(RoleName="audit", PolicyArn=arn)
    iam.attach_role_policy(RoleName="audit", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    scene.outcome(MANAGEMENT, "audit", "AttachRolePolicy", count=2)
    assert scene.cases(MANAGEMENT, "audit") == []
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=allowing("iam:*", "*"), SetAsDefault=True)
    assert scene.outcome(MANAGEMENT, "audit", "CreatePolicyVersion") == "alerted"
    assert "privileged-outsider" in {each["rule"] for each in scene.detail(MANAGEMENT, "audit")["findings"]}


def test_a_provider_of_the_management_account_that_is_taken_away_has_the_roles_that_trust_it_looked_at(scene: Scene) -> None:
    iam = scene.doorward.stack.client("iam", MANAGEMENT.id)
    provider = iam.create_open_id_connect_provider(Url=f"https://{GITHUB}", ClientIDList=["sts.amazonaws.com"])
    trust = trusting_github(MANAGEMENT, "repo:acme/billing:ref:refs/heads/main")
    iam.create_role(RoleName="release", AssumeRolePolicyDocument=json.dumps(trust))
    scene.outcome(MANAGEMENT, "release", "CreateRole")
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider["OpenIDConnectProviderArn"])
    scene.outcome(MANAGEMENT, "release", "DeleteOpenIDConnectProvider")


def test_a_violation_that_somebody_mends_is_told_to_be_over(scene: Scene) -> None:
    scene.create(PROD, "mended", trusting(f"arn:aws:iam::{VENDOR.id}:role/collector"))
    scene.update(PROD, "mended", trusting(BATCH), by="pipeline")
    assert scene.outcome(PROD, "mended", "UpdateAssumeRolePolicy") == "accepted"
    assert scene.cases(PROD, "mended") == [("ended", None)]


def test_an_event_delivered_three_times_and_an_older_one_late_make_one_remedy(scene: Scene) -> None:
    scene.create(PROD, "repeated", trusting(BATCH))
    scene.update(PROD, "repeated", trusting(BATCH, STRANGERS))
    scene.outcome(PROD, "repeated", "UpdateAssumeRolePolicy")
    sample = json.loads((REPOSITORY / "events" / "iam.UpdateAssumeRolePolicy.stranger.json").read_text("utf-8"))
    sample["detail"]["requestParameters"] = {"roleName": "repeated", "policyDocument": json.dumps(trusting(BATCH, STRANGERS))}
    late = {**sample, "detail": {**sample["detail"], "eventID": "late", "eventTime": "2026-01-01T00:00:00Z"}}
    for event_id in ("again", "again", "again"):
        scene.doorward.deliver(json.dumps({**sample, "detail": {**sample["detail"], "eventID": event_id}}))
    scene.doorward.deliver(json.dumps(late))
    outcomes = scene.until(
        lambda: (
            found
            if len(found := [item for item in scene.doorward.ledger() if item["pk"] in {f"EVENT#{PROD.id}#again", f"EVENT#{PROD.id}#late"}])
            == 2
            else None
        ),
        "both events to be handled",
    )
    assert {item["outcome"] for item in outcomes} == {"passed"}
    assert scene.cases(PROD, "repeated") == [("remedied", "restore")]


def test_our_own_writes_end_the_loop_by_themselves(scene: Scene) -> None:
    scene.create(PROD, "quiet", trusting(BATCH))
    scene.update(PROD, "quiet", trusting(BATCH, STRANGERS))
    # The attack and our own write: two events of this name, and then no more.
    scene.outcome(PROD, "quiet", "UpdateAssumeRolePolicy", count=2)
    time.sleep(1.0)
    assert sorted(scene.doorward.outcomes(f"{PROD.id}/quiet", "UpdateAssumeRolePolicy")) == ["passed", "reverted"]


def test_permissions_attached_to_an_open_role_alert_and_never_write(scene: Scene) -> None:
    mistake = trusting(f"arn:aws:iam::{VENDOR.id}:role/collector")
    scene.create(PROD, "export", mistake, by="pipeline")
    permissions = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    scene.people[PROD.id].developer().put_role_policy(RoleName="export", PolicyName="x", PolicyDocument=json.dumps(permissions))
    assert scene.outcome(PROD, "export", "PutRolePolicy") == "alerted"
    assert scene.doorward.trust_policy(PROD, "export") == mistake


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("not JSON at all", "JSON"),
        ('{"source": "aws.iam", "detail-type": "AWS API Call via CloudTrail", "detail": {}}', "account"),
        (
            (REPOSITORY / "events" / "malformed.forged-source.json").read_text("utf-8"),
            "forged",
        ),
    ],
)
def test_what_can_never_be_used_lies_in_the_dead_letters_with_its_reason(scene: Scene, body: str, reason: str) -> None:
    scene.doorward.deliver(body)
    found = scene.until(
        lambda: next((why for what, why in scene.doorward.dead_letters() if what == body), None), "the message in the dead letters"
    )
    assert reason in found


@pytest.mark.parametrize("queue", ["Session", "Organization", "Guard", "Evidence", "Report"])
def test_what_another_queue_cannot_use_lies_in_its_own_dead_letters(scene: Scene, queue: str) -> None:
    scene.doorward.deliver("not JSON at all", to=queue)
    scene.until(lambda: "not JSON at all" in dict(scene.doorward.dead_letters(of=queue)) or None, f"the message in {queue}DeadLetters")


def test_nothing_is_made_of_an_event_of_an_account_outside_the_organization(scene: Scene) -> None:
    sample = json.loads((REPOSITORY / "events" / "iam.UpdateAssumeRolePolicy.stranger.json").read_text("utf-8"))
    sample["account"] = sample["detail"]["recipientAccountId"] = STRANGER.id
    sample["detail"]["eventID"] = "from-outside"
    body = json.dumps(sample)
    scene.doorward.deliver(body)
    reason = scene.until(
        lambda: next((why for what, why in scene.doorward.dead_letters() if what == body), None), "the message in the dead letters"
    )
    assert "is no account of the organization" in reason


def test_where_no_role_that_could_write_exists_people_are_told_that_nothing_was_closed(scene: Scene) -> None:
    """The hub account runs without AllowRemedies; its mode is alert, so it is not even tried."""
    iam = scene.doorward.stack.client("iam", HUB.id)
    iam.create_role(RoleName="open", AssumeRolePolicyDocument=json.dumps(trusting("*")))
    assert scene.outcome(HUB, "open", "CreateRole") == "alerted"
    with pytest.raises(ClientError):
        iam.get_role(RoleName="doorward-remedy")


def test_the_management_account_is_read_but_never_written(scene: Scene) -> None:
    iam = scene.doorward.stack.client("iam", MANAGEMENT.id)
    iam.create_role(RoleName="billing", AssumeRolePolicyDocument=json.dumps(trusting(STRANGERS)))
    assert scene.outcome(MANAGEMENT, "billing", "CreateRole") == "alerted"
    assert iam.get_role(RoleName="billing")["Role"]["AssumeRolePolicyDocument"] == trusting(STRANGERS)


def test_nobody_in_a_member_account_can_make_up_an_event(scene: Scene) -> None:
    sample = json.loads((REPOSITORY / "events" / "iam.UpdateAssumeRolePolicy.stranger.json").read_text("utf-8"))
    events = scene.doorward.stack.client("events", PROD.id)
    for source in ("doorward.guardrails", "aws.iam", "my.app"):
        entry = {
            "EventBusName": scene.doorward.outputs["BusArn"],
            "Source": source,
            "DetailType": "AWS API Call via CloudTrail",
            "Detail": json.dumps(sample["detail"]),
        }
        try:
            answer = events.put_events(Entries=[entry])
        except ClientError:
            continue
        assert answer["FailedEntryCount"] == 1, source


def test_people_are_told_by_sns_and_slack_what_was_done(scene: Scene) -> None:
    stack = scene.doorward.stack
    queue_url = stack.client("sqs", HUB.id).create_queue(QueueName="people")["QueueUrl"]
    queue_arn = f"arn:aws:sqs:us-east-1:{HUB.id}:people"
    allow = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue_arn}
        ],
    }
    stack.client("sqs", HUB.id).set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": json.dumps(allow)})
    stack.client("sns", HUB.id).subscribe(
        TopicArn=scene.doorward.outputs["TopicArn"], Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"}
    )
    scene.create(PROD, "told", trusting(BATCH))
    scene.update(PROD, "told", trusting(BATCH, STRANGERS))
    details: list[dict[str, Any]] = []

    def both_told() -> bool | None:
        """A program gets the detail of the event."""
        answer = stack.client("sqs", HUB.id).receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
        details.extend(json.loads(each["Body"]) for each in answer.get("Messages", []))
        mine = [each["remedy"] for each in details if each.get("role_ref") == f"{PROD.id}/told"]
        return (None in mine and {"kind": "restore", "proved": True} in mine) or None

    scene.until(both_told, "both messages by SNS")

    def in_the_channel() -> list[str] | None:
        found = [str(each) for each in slack_messages(scene, f"{PROD.id}/told") if each.channel == SLACK_CHANNEL]
        return found if len(found) == 2 else None

    cards = scene.until(in_the_channel, "both messages by Slack")
    assert any("was put back" in card for card in cards)


def test_the_author_hears_first_then_the_owner_then_everybody(scene: Scene) -> None:
    scene.create(PROD, "authored", trusting(BATCH))
    scene.update(PROD, "authored", trusting(BATCH, STRANGERS), by="developer")
    places = ["U0JANEDOE1", "C0PAYMENTS1", SLACK_CHANNEL]

    def all_told() -> list[SlackMessage] | None:
        found = slack_messages(scene, f"{PROD.id}/authored")
        return found if len(found) == 2 * len(places) else None

    told = scene.until(all_told, "three messages each of two")
    for what in ("-found", "-reverted"):
        finding = scene.doorward.cases(f"{PROD.id}/authored")[0]["sk"].removeprefix("CASE#") + what
        sent = [each for each in scene.doorward.ledger() if each["pk"] == f"OUTBOX#{finding}" and each["sk"].startswith("SENT#")]
        order = [each["sk"] for each in sorted(sent, key=lambda each: each["at"])]
        assert [each for each in order if each.startswith("SENT#slack")] == [
            "SENT#slack:U0JANEDOE1",
            "SENT#slack:C0PAYMENTS1",
            "SENT#slack",
        ]
    letters = [str(each) for each in told if each.channel == places[0]]
    assert all("Hello Jane, your change of a role" in each for each in letters)
    assert any("What stands now, against what you wrote" in each for each in letters)
    assert all("was told first" in str(each) for each in told if each.channel == SLACK_CHANNEL)


def test_the_command_that_the_demo_offers_opens_a_door_and_shows_it_closed(scene: Scene) -> None:
    scene.create(PROD, "offered", trusting(BATCH))
    command = door_opener(scene.doorward.stack.url, "offered")
    done = subprocess.run(["bash", "-c", command], cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert STRANGER.id not in done.stdout
    ast.literal_eval(done.stdout)
    scene.until(lambda: scene.doorward.trust_policy(PROD, "offered") == trusting(BATCH) or None, "what was accepted to be given back")
    assert scene.cases(PROD, "offered") == [
        ("remedied", "quarantine")
    ]  # closed first; what was accepted is given back by a write of its own
    assert "given-back" in json.loads(scene.doorward.cases(f"{PROD.id}/offered")[0]["steps"])


def test_announcements_that_nobody_brought_onto_the_bus_are_taken_up_whatever_they_are_of(scene: Scene) -> None:
    """Two as they were told before, two alerts, and what people decide."""
    scene.create(PROD, "lost", trusting(BATCH))
    scene.update(PROD, "lost", trusting(BATCH, STRANGERS))
    scene.outcome(PROD, "lost", "UpdateAssumeRolePolicy")
    long_ago, ledger = datetime.now(UTC) - timedelta(minutes=10), _ledger(scene)
    told = {
        json.loads(each["detail"])["format"]: (each["detail_type"], json.loads(each["detail"]))
        for each in scene.doorward.ledger()
        if each["sk"] == "ANNOUNCEMENT"
    }
    alert = Alert("kill-switch", unique("lost"), Severity.LOW, "lost", "A test.", "Nothing.", PROD.id, long_ago)
    kinds: tuple[AlertFormat, ...] = ("doorward.guard/1", "doorward.sessions/1")
    told |= {kind: ("GuardProblemFound", alert_as_json(alert, kind, PROD.name)) for kind in kinds}
    question = Question(
        "q-lost", f"role {PROD.id}/lost", f"{PROD.id}/lost", "hold", "", Terms(frozenset()), long_ago, "doorward", "A test."
    )
    told[FORMAT] = ("DecisionExpired", question_as_json(question._replace(state=State.EXPIRED), "A test."))
    lost = {kind: unique("lost") for kind in ("doorward.baseline/1", "doorward.guardrails/1", FORMAT, *kinds)}
    with _no_stream(scene):
        for kind, announcement_id in lost.items():
            ledger.announce(Announcement(announcement_id, *told[kind], long_ago))
        scene.doorward.invoke("FinishStartedFunction")
        assert [each for each in lost.values() if ledger.pending(each) is not None] == []


def test_a_case_that_was_cut_off_is_looked_at_again(scene: Scene) -> None:
    scene.create(PROD, "cut-off", trusting(BATCH))
    scene.update(PROD, "cut-off", trusting(BATCH, STRANGERS))
    scene.until(lambda: [status for status, _ in scene.cases(PROD, "cut-off")] == ["remedied"] or None, "the remedy")
    (case,) = scene.doorward.cases(f"{PROD.id}/cut-off")
    long_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    scene.doorward.stack.client("dynamodb", HUB.id).update_item(
        TableName=scene.doorward.outputs["LedgerTableName"],
        Key={"pk": {"S": case["pk"]}, "sk": {"S": case["sk"]}},
        UpdateExpression="SET agenda = :due, due_at = :at",
        ExpressionAttributeValues={":due": {"S": "due"}, ":at": {"S": long_ago}},
    )
    scene.doorward.invoke("FinishStartedFunction")
    scene.outcome(PROD, "cut-off", "Hint")
    # Of the looks after a write there are hints, too: which one it was does not matter.
    scene.until(lambda: scene.doorward.cases(f"{PROD.id}/cut-off")[0].get("due_at", "~") > long_ago or None, "it to be looked at again")
    assert STRANGER.id not in json.dumps(scene.doorward.trust_policy(PROD, "cut-off"))


def test_whoever_stops_the_writes_for_a_role_and_lets_them_go_on_is_told_of(scene: Scene) -> None:
    dynamodb, table = scene.doorward.stack.client("dynamodb", HUB.id), scene.doorward.outputs["LedgerTableName"]
    key = {"pk": {"S": "STOP"}, "sk": {"S": f"role {PROD.id}/nobodys"}}
    now, later = (datetime.now(UTC) + timedelta(hours=hours) for hours in (0, 1))
    texts = {"by": "jane", "because": "A test", "at": now.isoformat(), "until": later.isoformat()}
    item = key | {name: {"S": text} for name, text in texts.items()}

    def told() -> list[str]:
        return [each.detail["because"] for each in scene.doorward.alerts("kill-switch") if "nobodys" in each.detail["because"]]

    dynamodb.put_item(TableName=table, Item=item)
    scene.until(told, "that the writes are stopped")
    dynamodb.delete_item(TableName=table, Key=key)
    scene.until(lambda: len(told()) == 2 or None, "that they are not any more")


def _ledger(scene: Scene) -> DynamoLedger:
    tables = scene.doorward.outputs["LedgerTableName"], scene.doorward.outputs["BaselinesTableName"]
    return DynamoLedger(scene.doorward.stack.client("dynamodb", HUB.id), *tables, SystemClock())


@contextmanager
def _no_stream(scene: Scene) -> Iterator[None]:
    """Within it nothing that is put into the outbox starts publish_outbox."""
    functions = scene.doorward.stack.client("lambda", HUB.id)
    (mapping,) = [each for each in functions.list_event_source_mappings()["EventSourceMappings"] if "PublishOutbox" in each["FunctionArn"]]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


def test_no_secret_of_ours_is_in_a_table_a_log_or_a_message(scene: Scene) -> None:
    """Runs on what all the others left behind; the roles that hold the external ID were judged too."""
    secrets = scene.doorward.stack.client("secretsmanager", HUB.id)
    external_id = secrets.get_secret_value(SecretId=scene.doorward.outputs["ExternalIdSecretArn"])["SecretString"]
    scene.doorward.stack.client("iam", PROD.id).update_assume_role_policy(
        RoleName="doorward-read",
        PolicyDocument=json.dumps(scene.doorward.trust_policy(PROD, "doorward-read")),
    )
    assert scene.outcome(PROD, "doorward-read", "UpdateAssumeRolePolicy") == "passed"
    dynamodb = scene.doorward.stack.client("dynamodb", HUB.id)
    baselines = dynamodb.scan(TableName=scene.doorward.outputs["BaselinesTableName"])["Items"]
    everything = json.dumps([scene.doorward.ledger(), baselines, [str(each) for each in scene.doorward.slack.messages]])
    log = scene.doorward.stack.log_path.read_text(errors="replace")
    for secret in (external_id, "xoxb-local"):
        assert secret not in everything
        assert secret not in log
    assert "orders" in everything  # it would have been seen
