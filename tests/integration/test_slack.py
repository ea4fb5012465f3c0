"""People decide in Slack: the stand-in's signed calls to the real API, the real queue and functions, and a link that one signs for."""

import json
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from doorward.aws.suspensions import DynamoSuspensions
from doorward.people.model import BY_SLACK
from doorward_cli.api import Refused
from doorward_cli.deciding import one_finding
from doorward_cli.linking import bind, offer, remove, wait
from local.installation import Installation, People, trusting
from local.slack import Modal, SlackMessage, requests
from local.world import (
    ANN,
    HUB,
    JANE,
    JOE,
    PROD,
    SLACK_ANN,
    SLACK_CHANNEL,
    SLACK_JANE,
    SLACK_JANES_SECOND,
    SLACK_JOE,
    SLACK_MAX,
    SLACK_TEAM,
    STRANGER,
    Person,
    SlackUser,
)
from tests.browser.chromium import driven, program
from tests.integration.emulated import unique
from tests.integration.test_decide import EVERYBODY, SOON_SECONDS, closed
from tests.integration.test_identity import end

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

WITH_A_STRANGER = trusting(f"arn:aws:iam::{PROD.id}:root", f"arn:aws:iam::{STRANGER.id}:root")


def link(doorward: Installation, person: Person, user: SlackUser) -> None:
    """As `doorward grants link` does it, and the person in his Slack."""
    api = doorward.api_of(person)
    code = offer(api)["code"]
    typing = threading.Thread(target=doorward.slack.command, args=(user, "/doorward", f"link {code}"))
    typing.start()
    taken = wait(api)
    typing.join()
    assert taken is not None
    assert taken.ref == f"{SLACK_TEAM}/{user.id}"
    assert bind(api, taken.ref)["linked"]


@pytest.fixture(scope="module")
def linked(doorward: Installation) -> None:
    for person, user in ((ANN, SLACK_ANN), (JOE, SLACK_JOE), (JANE, SLACK_JANE), (JANE, SLACK_JANES_SECOND)):
        link(doorward, person, user)


@pytest.fixture
def asked(doorward: Installation) -> tuple[str, SlackMessage, str]:
    """CloudFormation lets a stranger in, too, and would do so again: high, and asked about. (finding id, its message, role name)"""
    name = unique("slacked")
    resource = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": name, "AssumeRolePolicyDocument": WITH_A_STRANGER}}
    template = json.dumps({"Resources": {"Role": resource}})
    cloudformation = doorward.stack.client("cloudformation", PROD.id)
    cloudformation.create_stack(StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_NAMED_IAM"])
    cases = doorward.stack.until(lambda: doorward.cases(f"{PROD.id}/{name}"), "the finding")
    finding_id = json.loads(cases[0]["detail"])["finding_id"]
    return finding_id, message_about(doorward, finding_id), name


def message_about(doorward: Installation, finding_id: str) -> SlackMessage:
    """In the channel, with its buttons."""

    def found() -> list[SlackMessage]:
        sent = [each for each in doorward.slack.messages if each.channel == SLACK_CHANNEL]
        return [each for each in sent if finding_id in json.dumps([block for block in each.blocks if block["type"] == "actions"])]

    return doorward.stack.until(found, "the message with its buttons")[0]


def has_buttons(doorward: Installation, message: SlackMessage) -> bool:
    return bool(buttons(doorward, message))


def buttons(doorward: Installation, message: SlackMessage) -> list[str]:
    """Their actions, as it stands now."""
    now = doorward.slack.workspace.message(message.channel, message.ts)
    blocks = [] if now is None else now.blocks
    return [each["action_id"] for block in blocks if block["type"] == "actions" for each in block["elements"]]


def is_closed(doorward: Installation, name: str) -> bool:
    return bool(doorward.trust_policy(PROD, name) != WITH_A_STRANGER)


def told(doorward: Installation, user: SlackUser, words: str) -> None:
    """He alone was told this."""
    slack = doorward.slack
    doorward.stack.until(lambda: [each for each in slack.ephemerals(user) if words in each.text], f"{user.name} to be told {words!r}")


def opened(doorward: Installation, user: SlackUser, message: SlackMessage, action: str) -> Modal:
    """The form of a button; where the functions started too slowly for Slack, he is told so, and presses again."""
    slack = doorward.slack
    for _ in range(5):
        before = len(slack.ephemerals(user))
        assert slack.click(user, message, action).status == 200
        doorward.stack.until(lambda: slack.modal(user) or len(slack.ephemerals(user)) > before, "a form")  # noqa: B023 - within the turn
        form = slack.modal(user)
        if form is not None:
            return form
        assert "too long" in slack.ephemerals(user)[-1].text
    raise AssertionError("five times too late")


def test_a_linked_approver_clicks_and_the_door_is_closed(
    doorward: Installation, linked: None, asked: tuple[str, SlackMessage, str]
) -> None:
    finding_id, message, name = asked
    clicks = [doorward.slack.click_payload(SLACK_ANN, message, "apply") for _ in range(2)]
    heard, before = len(doorward.slack.ephemerals(SLACK_ANN)), time.monotonic()
    assert [doorward.slack.interact(each).status for each in clicks] == [200, 200]  # a double click
    doorward.stack.until(lambda: is_closed(doorward, name), "the approved remedy to be written")
    took = time.monotonic() - before
    assert took < 10 * SOON_SECONDS  # on a machine that others use; docs/performance.md has what it takes on a quiet one
    (case,) = doorward.cases(f"{PROD.id}/{name}")
    assert json.loads(case["detail"])["approver"] == ANN.user_name
    told(doorward, SLACK_ANN, f"apply finding {finding_id}: people said yes")
    doorward.stack.until(lambda: len(doorward.slack.ephemerals(SLACK_ANN)) == heard + 2, "the second click to be answered")
    assert len([each for each in doorward.ledger() if each["pk"] == f"ROLE#{PROD.id}/{name}" and each["sk"].startswith("QUESTION:")]) == 1
    doorward.stack.until(lambda: not has_buttons(doorward, message), "the card to show what came of it")
    links = [each for each in doorward.alerts("slack-linked") if f"{SLACK_TEAM}/{SLACK_ANN.id}" in each.detail["because"]]
    assert len(links) == 1


def test_a_finding_is_approved_on_the_page_of_the_stand_in_in_a_real_browser(
    doorward: Installation, linked: None, asked: tuple[str, SlackMessage, str], tmp_path: Path
) -> None:
    finding_id, message, name = asked
    with driven(program(), tmp_path) as tab:
        tab.open(doorward.slack.page_url)
        tab.choose("#as", SLACK_ANN.real_name)
        tab.click(".who button")
        apply = f'form:has(input[value^="{message.ts}/"]) .button.primary'
        assert tab.has(apply), tab.text("#conversation")
        tab.click(apply)
        assert "You say yes to exactly what is shown here" in tab.text("dialog")
        assert not is_closed(doorward, name)
        tab.click("dialog .primary")
        doorward.stack.until(lambda: is_closed(doorward, name), "the approved remedy to be written")
        doorward.stack.until(lambda: not has_buttons(doorward, message), "the card to show what came of it")
        tab.open(doorward.slack.page_url)
        assert not tab.has(apply)
        assert f"apply finding {finding_id}: people said yes" in tab.text("#conversation")  # what she alone was told
        assert tab.complaints == []


def test_who_may_not_decide_is_told_so_and_decides_nothing(
    doorward: Installation, linked: None, asked: tuple[str, SlackMessage, str]
) -> None:
    """jane is linked twice, and in no group of approvers; max is linked to nobody."""
    finding_id, message, name = asked
    for user, words in (
        (SLACK_JANE, "Only security decide"),
        (SLACK_JANES_SECOND, "Only security decide"),
        (SLACK_MAX, "linked to nobody"),
    ):
        assert doorward.slack.click(user, message, "apply").status == 200
        told(doorward, user, words)
    assert one_finding(doorward.api_of(ANN), finding_id)["decisions"]["apply"]["state"] == "not asked"
    assert not is_closed(doorward, name)
    assert has_buttons(doorward, message)


def test_a_no_is_given_its_reason_in_a_form(doorward: Installation, linked: None, asked: tuple[str, SlackMessage, str]) -> None:
    finding_id, message, name = asked
    form = opened(doorward, SLACK_JOE, message, "refuse")
    assert doorward.slack.submit(SLACK_JOE, form, {"reason": "it is meant to be"}).status == 200
    told(doorward, SLACK_JOE, "somebody said no")
    assert one_finding(doorward.api_of(ANN), finding_id)["decisions"]["apply"]["state"] == "refused"
    assert doorward.slack.modal(SLACK_JOE) is None
    assert not is_closed(doorward, name)
    doorward.stack.until(lambda: "refuse" not in buttons(doorward, message), "the card to show what came of it")
    assert "apply" not in buttons(doorward, message)
    assert "hold" in buttons(doorward, message)


def test_two_hold_a_role_by_choosing_the_same_hour(doorward: Installation, linked: None, asked: tuple[str, SlackMessage, str]) -> None:
    _, message, name = asked
    hour = ""
    for user, words in ((SLACK_ANN, "1 more of security"), (SLACK_JOE, "people said yes")):
        form = opened(doorward, user, message, "hold")
        hour = hour or form.view["blocks"][1]["element"]["options"][-1]["value"]
        assert doorward.slack.submit(user, form, {"hour": hour, "reason": "a release"}).status == 200
        told(doorward, user, words)
    stops = doorward.stack.until(
        lambda: [each for each in doorward.ledger() if (each["pk"], each["sk"]) == ("STOP", f"role {PROD.id}/{name}")], "the hold"
    )
    assert stops is not None
    assert stops[0]["until"] == hour


def test_what_is_forged_late_or_of_another_workspace_is_refused_and_nothing_is_queued(
    doorward: Installation, linked: None, asked: tuple[str, SlackMessage, str]
) -> None:
    _, message, name = asked
    slack, url = doorward.slack, f"{doorward.api_url}/slack/interactions"
    payload = slack.click_payload(SLACK_ANN, message, "apply")
    body = requests.interaction_body(payload)
    foreign = requests.interaction_body({**payload, "user": {**payload["user"], "team_id": "T0OTHER"}})
    late, forged = slack.signed(body, at=time.time() - 301), slack.signed(body, secret="0" * 32)
    refused = {
        401: [(body, forged), (body, late), (f"{body}&x=1", slack.signed(body))],
        403: [(foreign, slack.signed(foreign))],
        400: [("payload=%7B", slack.signed("payload=%7B"))],
    }
    for status, calls in refused.items():
        assert [requests.send(url, text, headers).status for text, headers in calls] == [status] * len(calls)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(urllib.request.Request(url, data=b"payload="), timeout=30)
    assert slack.command(SLACK_ANN, "/doorward", team_id="T0OTHER").status == 403
    queue = doorward.stack.client("sqs", HUB.id).get_queue_attributes(
        QueueUrl=doorward.physical_id("SlackQueue"),
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    assert set(queue["Attributes"].values()) == {"0"}
    assert not is_closed(doorward, name)
    assert slack.interact(payload).status == 200
    doorward.stack.until(lambda: is_closed(doorward, name), "the approved remedy to be written")


def test_a_link_is_one_persons_until_he_takes_it_back(doorward: Installation) -> None:
    user, ref = SLACK_MAX, f"{SLACK_TEAM}/{SLACK_MAX.id}"
    link(doorward, ANN, user)
    joe = doorward.api_of(JOE)
    assert doorward.slack.command(user, "/doorward", f"link {offer(joe)['code']}").status == 200
    assert wait(joe) is not None
    with pytest.raises(Refused, match="linked to somebody else"):
        bind(joe, ref)
    with pytest.raises(Refused, match="not linked to you"):
        remove(joe, ref)
    remove(doorward.api_of(ANN), ref)
    link(doorward, JOE, user)
    remove(joe, ref)
    assert doorward.slack.command(user, "/doorward").status == 200
    told(doorward, user, "linked to nobody")


def test_a_critical_finding_is_not_slacks_alone(doorward: Installation, linked: None, people: dict[str, People]) -> None:
    name = unique("slacked-critical")
    people[PROD.id].pipeline().create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(EVERYBODY))
    cases = doorward.stack.until(lambda: doorward.cases(f"{PROD.id}/{name}"), "the finding")
    finding_id = json.loads(cases[0]["detail"])["finding_id"]
    assert doorward.slack.click(SLACK_ANN, message_about(doorward, finding_id), "apply").status == 200
    told(doorward, SLACK_ANN, "signed with AWS credentials")
    assert one_finding(doorward.api_of(JOE), finding_id)["decisions"]["apply"]["state"] == "open"
    assert not closed(doorward, name)


def test_once_anybody_else_has_read_the_signing_secret_slack_decides_nothing_until_a_person_ends_that(
    doorward: Installation, linked: None, asked: tuple[str, SlackMessage, str]
) -> None:
    """The function that checks signatures has read it before, and nobody minded."""
    finding_id, message, name = asked
    dynamodb, table = doorward.stack.client("dynamodb", HUB.id), doorward.outputs["LedgerTableName"]
    suspensions = DynamoSuspensions(dynamodb, table)
    assert doorward.alerts("slack-suspended") == []
    doorward.stack.client("secretsmanager", HUB.id).get_secret_value(SecretId="slack-signing-secret")
    suspension = doorward.stack.until(lambda: suspensions.of(BY_SLACK), "decisions by Slack to be suspended")
    assert suspension is not None
    try:
        (alert,) = doorward.stack.until(lambda: doorward.alerts("slack-suspended"), "the alert")
        assert (alert.detail["severity"], alert.detail["account"]["id"]) == ("critical", HUB.id)
        assert doorward.slack.click(SLACK_ANN, message, "apply").status == 200
        told(doorward, SLACK_ANN, "Decisions by slack do not count at present")
        assert one_finding(doorward.api_of(JOE), finding_id)["decisions"]["apply"]["state"] == "not asked"
        assert not is_closed(doorward, name)
    finally:
        end(dynamodb, table, suspension)
    assert doorward.slack.click(SLACK_ANN, message, "apply").status == 200
    doorward.stack.until(lambda: is_closed(doorward, name), "the approved remedy to be written")
    assert [each.detail["severity"] for each in doorward.alerts("slack-suspended")] in (["critical"], ["critical", "high"])  # its end
