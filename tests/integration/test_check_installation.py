"""`doorward doctor` on the local stack: the real command asks the real function, which looks through the real roles.

Of an installation that is whole, every line is green but that of the StackSets: the emulator has none, so that the accounts' stacks are
deployed one by one here, and whether a StackSet is current cannot be seen (docs/limits.md).
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from doorward.organization.installation import GRANT_READ_ROLE
from local.installation import WITH_GRANTS, Installation
from local.stack import rules_off
from local.world import HUB, MANAGEMENT, ORGANIZATION, OTHER_REGION, PROD, REGION, STAGING, regions_of
from tests.integration.test_organization import known

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

SHOWN = Path(__file__).resolve().parents[2] / "docs" / "install.md"
DOORWARD = Path(sys.executable).with_name("doorward")
ENABLED = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


class Line(NamedTuple):
    check: str
    account: str
    region: str | None
    says: str
    cure: str


def doctor(doorward: Installation) -> tuple[int, list[dict[str, Any]]]:
    """The command as somebody with the hub's credentials runs it: exit status, checks."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"AWS_ENDPOINT_URL": doorward.stack.url, "AWS_DEFAULT_REGION": REGION}
    environment |= {"AWS_ACCESS_KEY_ID": HUB.id, "AWS_SECRET_ACCESS_KEY": "test"}
    done = subprocess.run(
        [DOORWARD, "doctor", "--format", "json"], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode in {0, 1}, done.stderr
    checks: list[dict[str, Any]] = json.loads(done.stdout)["checks"]
    return done.returncode, checks


def not_green(checks: list[dict[str, Any]], *, but: str = "stack-set-current") -> list[Line]:
    """The lines that are not green, without those that no installation here can have green, and of accounts that other tests have made."""
    whole = {each.id for each in ORGANIZATION}
    return [
        Line(*(each[name] for name in Line._fields))
        for each in checks
        if each["state"] != "ok" and each["check"] != but and "DeadLetters." not in each["says"] and each["account"] in whole
    ]


@contextmanager
def put_right(undo: Any) -> Iterator[None]:
    try:
        yield
    finally:
        undo()


def test_of_a_whole_installation_every_line_is_green_but_what_the_emulator_cannot_show(doorward: Installation) -> None:
    known(doorward)
    status, checks = doctor(doorward)
    assert not_green(checks) == []
    assert [each["state"] for each in checks if each["check"] == "stack-set-current"] == ["unknown"]
    assert status == 1  # what was not seen is not called well
    seen = {(each["check"], each["account"], each["region"]) for each in checks}
    for account in ORGANIZATION:
        assert ("role-assumable", account.id, None) in seen
        for region in regions_of(account.id):
            assert {("trail-present", account.id, region), ("rule-enabled", account.id, region)} <= seen, account
    assert {account for check, account, _ in seen if check == "grant-role-right"} == {each.id for each in WITH_GRANTS}
    of_the_hub = {"rule-enabled", "function-fed", "queue-present", "dead-letters-empty", "organization-known", "stack-set-current"}
    assert {(each, HUB.id, None) for each in of_the_hub} <= seen
    assert any("doorward-tell-management" in each["says"] for each in checks)
    shown = {line for line in map(_without_what_varies, SHOWN.read_text("utf-8").splitlines()) if line.startswith(("ok ", "unknown "))}
    printed = {f"{each['state']:8}{each['check']:20}{each['account']} {each['region'] or ''} {each['says']}" for each in checks}
    assert len(shown) > 8
    assert shown <= set(map(_without_what_varies, printed))


def _without_what_varies(line: str) -> str:
    """Names and times as CloudFormation and the clock make them."""
    return " ".join(re.sub(r"-[0-9A-F]{13}\b|[0-9-]{10} [0-9:]{5} UTC", "", line).split())


def test_a_rule_that_somebody_disables_in_one_region_of_a_member_account_is_the_one_red_line(doorward: Installation) -> None:
    with rules_off(doorward.stack.client("events", PROD.id, region=OTHER_REGION), "doorward-sessions"):
        (line,) = not_green(doctor(doorward)[1])
    assert line[:4] == ("rule-enabled", PROD.id, OTHER_REGION, "Rule doorward-sessions is DISABLED.")
    assert "Deploy accounts/member-region.yaml again" in line.cure


def test_a_role_that_people_are_granted_and_somebody_has_changed_is_red(doorward: Installation) -> None:
    iam = doorward.stack.client("iam", STAGING.id)
    iam.update_role(RoleName=GRANT_READ_ROLE, MaxSessionDuration=43200)
    with put_right(lambda: iam.update_role(RoleName=GRANT_READ_ROLE, MaxSessionDuration=3600)):
        (line,) = not_green(doctor(doorward)[1])
    assert line[:2] == ("grant-role-right", STAGING.id)
    assert "43200 seconds" in line.says


def test_a_rule_that_hears_no_reads_any_more_is_red(doorward: Installation) -> None:
    events = doorward.stack.client("events", STAGING.id)
    rule = events.describe_rule(Name="doorward-sessions")
    events.put_rule(Name="doorward-sessions", EventPattern=rule["EventPattern"], State="ENABLED")
    with put_right(lambda: events.put_rule(Name="doorward-sessions", EventPattern=rule["EventPattern"], State=ENABLED)):
        (line,) = not_green(doctor(doorward)[1])
    assert line[:4] == ("rule-enabled", STAGING.id, REGION, "Rule doorward-sessions is ENABLED.")
    assert "AssumeRole among them" in line.cure


def test_a_rule_of_the_hub_that_somebody_enabled_again_and_that_hears_no_reads_is_red(doorward: Installation) -> None:
    events = doorward.stack.client("events", HUB.id)
    name = next(each["Name"] for each in events.list_rules(EventBusName="doorward")["Rules"] if "SessionRule" in each["Name"])
    rule = events.describe_rule(Name=name, EventBusName="doorward")
    events.disable_rule(Name=name, EventBusName="doorward")
    events.enable_rule(Name=name, EventBusName="doorward")
    again = {"Name": name, "EventBusName": "doorward", "EventPattern": rule["EventPattern"], "State": rule["State"]}
    with put_right(lambda: events.put_rule(**again)):
        (line,) = not_green(doctor(doorward)[1])
    assert line[:4] == ("rule-enabled", HUB.id, None, f"Rule {name} is ENABLED.")
    assert "AssumeRole among them" in line.cure


def test_an_account_without_the_read_role_is_red_and_nothing_else_is_claimed_of_it(doorward: Installation) -> None:
    iam = doorward.stack.client("iam", STAGING.id)
    role = iam.get_role(RoleName="doorward-read")["Role"]
    policy = iam.get_role_policy(RoleName="doorward-read", PolicyName="read")["PolicyDocument"]
    iam.delete_role_policy(RoleName="doorward-read", PolicyName="read")
    iam.delete_role(RoleName="doorward-read")

    def make_again() -> None:
        iam.create_role(RoleName="doorward-read", Path=role["Path"], AssumeRolePolicyDocument=json.dumps(role["AssumeRolePolicyDocument"]))
        iam.put_role_policy(RoleName="doorward-read", PolicyName="read", PolicyDocument=json.dumps(policy))

    with put_right(make_again):
        _, checks = doctor(doorward)
    (line,) = not_green(checks)
    assert line[:3] == ("role-assumable", STAGING.id, None)
    assert f"Deploy accounts/member.yaml into {STAGING.id}" in line.cure
    assert [each["check"] for each in checks if each["account"] == STAGING.id] == ["role-assumable"]


def test_a_trail_that_is_stopped_is_red_in_every_region_that_it_logged(doorward: Installation) -> None:
    trails = doorward.stack.client("cloudtrail", PROD.id)
    trails.stop_logging(Name="everything")
    with put_right(lambda: trails.start_logging(Name="everything")):
        lines = not_green(doctor(doorward)[1])
    assert {each[:4] for each in lines} == {("trail-present", PROD.id, each, "No trail logs here.") for each in (REGION, OTHER_REGION)}


def test_a_queue_of_the_hub_that_is_gone_is_red(doorward: Installation) -> None:
    sqs = doorward.stack.client("sqs", HUB.id)
    url = doorward.outputs["OrganizationDeadLettersUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    sqs.delete_queue(QueueUrl=url)
    settable = ("MessageRetentionPeriod", "VisibilityTimeout", "SqsManagedSseEnabled", "Policy")

    def make_again() -> None:
        kept = {name: attributes[name] for name in settable if name in attributes}
        sqs.create_queue(QueueName=url.rpartition("/")[2], Attributes=kept)

    with put_right(make_again):
        (line,) = not_green(doctor(doorward)[1])
    assert line[:4] == ("queue-present", HUB.id, None, "OrganizationDeadLetters is gone.")
    assert "Deploy the hub stack again" in line.cure


def test_what_lies_among_the_dead_letters_is_red_until_it_is_taken_out(doorward: Installation) -> None:
    sqs, url = doorward.stack.client("sqs", HUB.id), doorward.outputs["GuardDeadLettersUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="left lying")
    with put_right(lambda: sqs.purge_queue(QueueUrl=url)):
        lines = [each["says"] for each in doctor(doorward)[1] if each["state"] == "broken" and each["check"] == "dead-letters-empty"]
    assert any("in GuardDeadLetters." in each for each in lines)


def test_the_management_accounts_own_rule_is_looked_at_too(doorward: Installation) -> None:
    events = doorward.stack.client("events", MANAGEMENT.id)
    rule = events.describe_rule(Name="doorward-organization")
    targets = events.list_targets_by_rule(Rule="doorward-organization")["Targets"]
    events.remove_targets(Rule="doorward-organization", Ids=[each["Id"] for each in targets])
    events.delete_rule(Name="doorward-organization")

    def make_again() -> None:
        events.put_rule(Name="doorward-organization", EventPattern=rule["EventPattern"], State=ENABLED)
        events.put_targets(Rule="doorward-organization", Targets=targets)

    with put_right(make_again):
        (line,) = not_green(doctor(doorward)[1])
    assert line[:4] == ("rule-enabled", MANAGEMENT.id, REGION, "Rule doorward-organization does not exist.")
    assert "Deploy accounts/management.yaml" in line.cure
