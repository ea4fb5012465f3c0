"""`doorward doctor`: each requirement is kept, or broken with its cure; nothing that was not seen is called well."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from doorward.aws.installation import management_events
from doorward.errors import MalformedInput, Unavailable
from doorward.guard.doctor import (
    ENABLED,
    AccountSeen,
    Check,
    HubSeen,
    QueueSeen,
    RegionSeen,
    StackSetSeen,
    State,
    Trail,
    check_account,
    check_hub,
)
from doorward.guardrails.model import Role
from doorward.organization.installation import IAM_REGION_RULES, RULES
from doorward.organization.model import Account, Organization
from doorward.usecases.check_installation import Tools, check_installation
from doorward_cli import doctoring
from doorward_cli.main import main
from tests.fakes import START, FakeClock, FakeRoles

REPOSITORY = Path(__file__).resolve().parents[2]
MANAGEMENT, HUB, PROD = "123456789012", "111122223333", "777788889999"
TRAIL = Trail("arn:aws:cloudtrail:us-east-1:123456789012:trail/organization", is_logging=True, reads=True, writes=True)
IAM_REGION = "us-east-1"


def region(name: str = IAM_REGION, *trails: Trail, rules: Mapping[str, str | None] | None = None) -> RegionSeen:
    wanted = IAM_REGION_RULES if name == IAM_REGION else RULES
    return RegionSeen(name, trails or (TRAIL,), rules if rules is not None else dict.fromkeys(wanted, ENABLED))


def broken(checks: tuple[Check, ...]) -> list[tuple[str, str]]:
    assert all(bool(each.cure) == (each.state is not State.OK) for each in checks)
    return [(each.id, each.says) for each in checks if each.state is not State.OK]


def test_an_account_as_it_must_be_is_well() -> None:
    assert broken(check_account(AccountSeen(PROD, False, None, (region(), region("eu-west-1"))), IAM_REGION)) == []
    assert broken(check_account(AccountSeen(MANAGEMENT, True, None, (region(), region("eu-west-1"))), IAM_REGION)) == []


def test_an_account_that_cannot_be_entered_is_broken_and_nothing_else_is_claimed_of_it() -> None:
    checks = check_account(AccountSeen(PROD, False, "AccessDenied", (region(),)), IAM_REGION)
    assert [(each.id, each.state) for each in checks] == [("role-assumable", State.BROKEN)]
    assert "accounts/member.yaml" in checks[0].cure
    assert "accounts/management.yaml" in check_account(AccountSeen(MANAGEMENT, True, "no", ()), IAM_REGION)[0].cure


@pytest.mark.parametrize(
    ("trail", "says"),
    [
        (TRAIL._replace(is_logging=False), "No trail logs here."),
        (TRAIL._replace(reads=False), "nobody who assumes a role is heard"),
        (TRAIL._replace(writes=False), "no change is heard"),
        (TRAIL._replace(reads=False, writes=False), "no change is heard"),
    ],
)
def test_a_trail_that_does_not_log_everything_is_not_enough(trail: Trail, says: str) -> None:
    found = broken(check_account(AccountSeen(PROD, False, None, (region(IAM_REGION, trail),)), IAM_REGION))
    assert [each for each, _ in found] == ["trail-present"]
    assert says in found[0][1]
    both = (trail, TRAIL)
    assert broken(check_account(AccountSeen(PROD, False, None, (region(IAM_REGION, *both),)), IAM_REGION)) == []


def test_a_trail_that_cannot_be_seen_into_is_not_called_well() -> None:
    checks = check_account(AccountSeen(PROD, False, None, (region(IAM_REGION, TRAIL._replace(reads=None, writes=None)),)), IAM_REGION)
    assert [(each.id, each.state) for each in checks if each.state is not State.OK] == [("trail-present", State.UNKNOWN)]


BASIC = {"IncludeManagementEvents": True, "ReadWriteType": "All"}
MANAGEMENT_ONLY = {"Field": "eventCategory", "Equals": ["Management"]}


def advanced(**source: list[str]) -> dict[str, Any]:
    return {"AdvancedEventSelectors": [{"FieldSelectors": [MANAGEMENT_ONLY, {"Field": "eventSource", **source}]}]}


@pytest.mark.parametrize(
    ("selectors", "logged"),
    [
        ({"EventSelectors": [BASIC]}, (True, True)),
        ({"EventSelectors": [{**BASIC, "ReadWriteType": "WriteOnly"}]}, (False, True)),
        ({"EventSelectors": [{**BASIC, "ReadWriteType": "WriteOnly"}, {**BASIC, "ReadWriteType": "ReadOnly"}]}, (True, True)),
        ({"EventSelectors": [{**BASIC, "IncludeManagementEvents": False}]}, (False, False)),
        ({"EventSelectors": []}, (False, False)),
        ({}, (False, False)),
        ({"AdvancedEventSelectors": [{"FieldSelectors": [MANAGEMENT_ONLY]}]}, (True, True)),
        ({"AdvancedEventSelectors": [{"FieldSelectors": [MANAGEMENT_ONLY, {"Field": "readOnly", "Equals": ["false"]}]}]}, (False, True)),
        (
            {
                "AdvancedEventSelectors": [
                    {"FieldSelectors": [MANAGEMENT_ONLY, {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}]}
                ]
            },
            (True, True),
        ),
        (
            {
                "AdvancedEventSelectors": [
                    {"FieldSelectors": [MANAGEMENT_ONLY, {"Field": "eventSource", "NotEquals": ["sts.amazonaws.com"]}]}
                ]
            },
            (False, False),
        ),
        (advanced(Equals=["kms.amazonaws.com"]), (False, False)),
        ({"AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}]}, (False, False)),
        ({"AdvancedEventSelectors": [{"FieldSelectors": [MANAGEMENT_ONLY, {"Field": "eventName", "Equals": ["x"]}]}]}, (False, False)),
    ],
)
def test_what_a_trail_logs_is_read_from_either_kind_of_selector(selectors: dict[str, Any], logged: tuple[bool, bool]) -> None:
    assert management_events(selectors) == logged


def test_two_trails_of_which_each_logs_half_are_not_taken_for_one_that_logs_all() -> None:
    halves = (TRAIL._replace(reads=False), TRAIL._replace(writes=False))
    assert broken(check_account(AccountSeen(PROD, False, None, (region(IAM_REGION, *halves),)), IAM_REGION)) != []


@pytest.mark.parametrize("state", ["DISABLED", "ENABLED", None])
@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_must_be_there_and_hear_reads_too(name: str, state: str | None) -> None:
    for where, wanted, template in (
        (IAM_REGION, IAM_REGION_RULES, "accounts/member.yaml"),
        ("eu-west-1", RULES, "accounts/member-region.yaml"),
    ):
        rules = {each: ENABLED for each in wanted if each != name} | ({} if state is None else {name: state})
        checks = check_account(AccountSeen(PROD, False, None, (region(where, rules=rules),)), IAM_REGION)
        assert [each for each, _ in broken(checks)] == ["rule-enabled"]
        assert template in next(each.cure for each in checks if each.cure)


def test_the_iam_region_must_hear_of_the_organization() -> None:
    seen = AccountSeen(MANAGEMENT, True, None, (region(rules=dict.fromkeys(RULES, ENABLED)),))
    assert broken(check_account(seen, IAM_REGION)) == [("rule-enabled", "Rule doorward-organization does not exist.")]


WELL = HubSeen(
    HUB,
    listening={"doorward-ChangeRule": ENABLED},
    other_rules={"doorward-NotifyRule": "ENABLED"},
    sources={"react_to_change": "Enabled"},
    queues=(QueueSeen("ChangeQueue", 7, is_dead_letters=False), QueueSeen("ChangeDeadLetters", 0, is_dead_letters=True)),
    facts_read_at=START,
    stack_sets=(StackSetSeen("doorward-member", exists=True, is_automatic=True, instances=3, outdated=()),),
)


def test_a_hub_as_it_must_be_is_well() -> None:
    assert broken(check_hub(WELL, START)) == []


@pytest.mark.parametrize(
    ("seen", "check"),
    [
        (WELL._replace(listening={"doorward-ChangeRule": "DISABLED"}), "rule-enabled"),
        (WELL._replace(listening={"doorward-ChangeRule": None}), "rule-enabled"),
        (WELL._replace(listening={"doorward-ChangeRule": "ENABLED"}), "rule-enabled"),
        (WELL._replace(other_rules={"doorward-NotifyRule": "DISABLED"}), "rule-enabled"),
        (WELL._replace(other_rules={"doorward-NotifyRule": None}), "rule-enabled"),
        (WELL._replace(sources={"react_to_change": "Disabled"}), "function-fed"),
        (WELL._replace(queues=(QueueSeen("ChangeDeadLetters", 1, is_dead_letters=True),)), "dead-letters-empty"),
        (WELL._replace(queues=(QueueSeen("ChangeDeadLetters", None, is_dead_letters=True),)), "queue-present"),
        (WELL._replace(queues=(QueueSeen("ChangeQueue", None, is_dead_letters=False),)), "queue-present"),
        (WELL._replace(facts_read_at=None), "organization-known"),
        (WELL._replace(facts_read_at=START - timedelta(days=3)), "organization-known"),
        (WELL._replace(stack_sets=None), "stack-set-current"),
        (WELL._replace(stack_sets=(StackSetSeen("doorward-member", False, False, 0, ()),)), "stack-set-current"),
        (WELL._replace(stack_sets=(StackSetSeen("doorward-member", True, False, 1, ()),)), "stack-set-current"),
        (WELL._replace(stack_sets=(StackSetSeen("doorward-member", True, True, 9, ("a", "b", "c", "d")),)), "stack-set-current"),
    ],
)
def test_whatever_is_not_as_it_must_be_is_told(seen: HubSeen, check: str) -> None:
    assert [each for each, _ in broken(check_hub(seen, START))] == [check]


@dataclass
class FakeInstallation:
    refused: str | None = None
    asked: list[tuple[str, bool]] = field(default_factory=list)

    def hub(self) -> HubSeen:
        return WELL

    def account(self, account_id: str, *, is_management: bool) -> AccountSeen:
        self.asked.append((account_id, is_management))
        return AccountSeen(account_id, is_management, self.refused, (region(),))


ACME = Organization(management_account=MANAGEMENT, accounts=(Account(MANAGEMENT, "management"), Account(PROD, "prod")))


def test_the_hub_is_checked_first_and_names_the_accounts_to_ask_for() -> None:
    tools = Tools(FakeInstallation(), FakeRoles(), ACME, FakeClock())
    answer = check_installation({}, tools)
    assert answer["accounts"] == [MANAGEMENT, PROD]
    assert {each["state"] for each in answer["checks"]} == {"ok"}
    assert check_installation({"account": MANAGEMENT}, tools)["accounts"] == []
    assert tools.installation.asked == [(MANAGEMENT, True)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("account", ["999988887777", "1", 7, ["777788889999"]])
def test_no_account_outside_of_the_organization_is_entered(account: object) -> None:
    tools = Tools(FakeInstallation(), FakeRoles(), ACME, FakeClock())
    with pytest.raises(MalformedInput):
        check_installation({"account": account}, tools)
    assert tools.installation.asked == []  # type: ignore[attr-defined]


def test_every_role_that_people_may_be_granted_is_held_to_what_it_must_be_with_what_is_wrong_and_no_secret() -> None:
    table = json.loads((REPOSITORY / "tests/cases/rules/grant-role-drift.json").read_text("utf-8"))
    (right,) = [each for each in table["rows"] if each["name"] == "as accounts/member.yaml makes it"]
    roles, path = FakeRoles(), "/doorward/grants/"

    def put(name: str, boundary: str, path: str = path) -> None:
        arn = f"arn:aws:iam::{PROD}:role{path}{name}"
        roles.put(Role(PROD, name, path, arn, f"AROA{name}", json.dumps(right["trust_policy"]), permissions_boundary=boundary))

    put("doorward-grant-read", table["boundary"])
    put("doorward-grant-operate", "")
    put("payments", "", "/app/")
    hub = Organization(id="o-a1b2c3d4e5", accounts=(Account(HUB, "hub"), Account(PROD, "prod")), hub_account=HUB)
    checks = check_installation({"account": PROD}, Tools(FakeInstallation(), roles, hub, FakeClock()))["checks"]
    found = {(each["state"], each["says"]) for each in checks if each["check"] == "grant-role-right"}
    assert found == {
        ("ok", "Role doorward-grant-read is as it must be to be granted."),
        ("broken", "Of role doorward-grant-operate, its permissions boundary is not DoorwardGrantBoundary."),
    }
    refused = check_installation({"account": PROD}, Tools(FakeInstallation(refused="no"), roles, hub, FakeClock()))["checks"]
    assert [each["check"] for each in refused] == ["role-assumable"]


class TestCommand:
    @pytest.fixture(autouse=True)
    def hub(self, monkeypatch: pytest.MonkeyPatch) -> FakeInstallation:
        installation = FakeInstallation()
        tools = Tools(installation, FakeRoles(), ACME, FakeClock())
        monkeypatch.setattr(doctoring, "asking", lambda _stack: lambda request: check_installation(request, tools))
        return installation

    def test_all_is_well(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["doctor"]) == 0
        assert "0 broken, 0 unknown" in capsys.readouterr().out

    def test_each_broken_requirement_has_its_cure(self, hub: FakeInstallation, capsys: pytest.CaptureFixture[str]) -> None:
        hub.refused = "AccessDenied: nobody"
        assert main(["doctor", "--format", "json"]) == 1
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        schema = json.loads((REPOSITORY / "docs" / "schemas" / "doorward.doctor.1.json").read_text("utf-8"))
        Draft202012Validator(schema).validate(result)
        assert result["healthy"] is False
        assert {(each["check"], each["account"]) for each in result["checks"] if each["cure"]} == {
            ("role-assumable", MANAGEMENT),
            ("role-assumable", PROD),
        }
        assert main(["doctor"]) == 1
        assert "Deploy accounts/member.yaml into 777788889999" in capsys.readouterr().out

    def test_a_failure_of_aws_is_no_verdict(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        def fail(_stack: str) -> Any:
            raise Unavailable("reading stack doorward: AWS answered Throttling")

        monkeypatch.setattr(doctoring, "asking", fail)
        assert main(["doctor"]) == 3
        assert capsys.readouterr().out == ""

    def test_wrong_usage_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["doctor", "--format", "xml"]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
