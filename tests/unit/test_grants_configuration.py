"""The entitlements file: the example of the docs, every fault by line and field, and the same in Lambda as on a laptop."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from doorward.decisions.model import Consent
from doorward.errors import Misconfigured
from doorward.grants.entitled import rule_on
from doorward.grants.model import Asker, Entitlements, Facts, GrantRequest, Ruling, Target, Ticket
from doorward.grants.parsing import entitlements_from
from doorward.organization.model import Account
from doorward.organization.parsing import organization_from
from doorward.people.model import Refusal
from doorward_cli.configuration import InvalidConfiguration, build_package_data, load_entitlements
from doorward_cli.main import main
from tests.grants_world import JANE, JOE, PROD, READ_BUCKET, RULE, hours

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers/doorward/doorward"
SCHEMA = json.loads((PACKAGE / "grants/schemas/entitlements.schema.json").read_text("utf-8"))
EXAMPLE = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/entitlements.md").read_text("utf-8"), re.DOTALL)[0]
ORGANIZATION = """\
organization: o-a1b2c3d4e5
accounts:
  - {id: "777788889999", name: prod, ou: /workloads/prod, tags: {environment: prod}}
  - {id: "222233334444", name: staging, ou: /workloads/staging, tags: {environment: staging}}
identity: {store: d-1234567890, region: us-east-1, groups: {payments: {identity_center: true}, payments-leads: {identity_center: true},
  audit: {identity_center: true}, security: {identity_center: true}, directors: {identity_center: true}}}
"""


def folder(tmp_path: Path, entitlements: str | None) -> Path:
    (tmp_path / "organization.yaml").write_text(ORGANIZATION)
    (tmp_path / "guardrails.yaml").write_text("mode: alert\n")
    if entitlements is not None:
        (tmp_path / "entitlements.yaml").write_text(entitlements)
    return tmp_path


def faults(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(InvalidConfiguration) as caught:
        load_entitlements(folder(tmp_path, text))
    return [f"{each.file.name}:{each.line}: {each.field}: {each.what}" for each in caught.value.problems]


class TestTheExampleOfTheDocs:
    """What docs/entitlements.md says of it is what comes out."""

    ROLE = Target(PROD.id, "orders", "/doorward/grants/", {"team": "payments"})
    ASKED = GrantRequest(
        f"{PROD.id}/orders", "repair-table", {"region": "eu-central-1", "table": "Orders"}, 90, "Order 4711", hours(0), "CHANGE-7"
    )

    def ruled(self, tmp_path: Path, *, attributes: dict[str, str] | None = None, working: bool = False, **asked: Any) -> Ruling | Refusal:
        entitlements = load_entitlements(folder(tmp_path, EXAMPLE))
        jane = Asker(JANE, frozenset({"payments"}), attributes or {}, frozenset({"payments"}) if working else frozenset())
        ticket = Ticket("CHANGE-7", "In Progress", frozenset({JANE.user_name}), JOE.user_name) if working else None
        return rule_on(entitlements, self.ASKED._replace(**asked), Facts(jane, self.ROLE, PROD, ticket))

    def test_two_rules_are_about_it(self, tmp_path: Path) -> None:
        found = self.ruled(tmp_path)
        assert isinstance(found, Ruling)
        assert found.rules == ("payments-repair", "prod-is-guarded")
        assert not found.automatic
        assert found.terms.also == frozenset(
            {
                Consent(
                    frozenset({"payments-leads", "security", "on-call:payments"}),
                    2,
                    distinct_groups=True,
                    by_sigv4=True,
                    escalate_to=frozenset({"directors"}),
                ),
                Consent(frozenset({"security"})),
            }
        )

    def test_nobody_has_to_agree_where_she_is_on_call_and_works_on_a_ticket(self, tmp_path: Path) -> None:
        found = self.ruled(tmp_path, working=True)
        assert isinstance(found, Ruling)
        assert found.automatic

    @pytest.mark.parametrize("asked", [{"minutes": 91}, {"ticket": ""}, {"starts_at": hours(1)}, {"role_ref": "777788889999/x"}])
    def test_what_she_does_not_get(self, tmp_path: Path, asked: dict[str, Any]) -> None:
        assert isinstance(self.ruled(tmp_path, working=True, **asked), Refusal)

    def test_a_contractor_is_refused(self, tmp_path: Path) -> None:
        assert isinstance(self.ruled(tmp_path, working=True, attributes={"userType": "contractor"}), Refusal)


def test_the_example_of_the_contract_is_right() -> None:
    (written,) = re.findall(r"## Entitlements file.*?```yaml\n(.*?)```", (ROOT / "docs/contracts.md").read_text("utf-8"), re.DOTALL)
    data = yaml.safe_load(written)
    assert list(Draft202012Validator(SCHEMA).iter_errors(data)) == []
    assert [each.id for each in entitlements_from(data).allows] == ["payments-read"]


def test_without_the_file_nobody_may_ask_for_anything(tmp_path: Path) -> None:
    assert load_entitlements(folder(tmp_path, None)) == entitlements_from({})
    assert entitlements_from({})._replace(hash="") == Entitlements()


def test_the_build_writes_what_lambda_reads_back_and_nobody_edits_it_behind_its_back(tmp_path: Path) -> None:
    build_package_data(folder(tmp_path, EXAMPLE), tmp_path / "out")
    data = json.loads((tmp_path / "out/entitlements.json").read_text())
    assert entitlements_from(data) == load_entitlements(tmp_path)
    data["rules"][0]["minutes"] = 600
    with pytest.raises(Misconfigured, match="edited after the build"):
        entitlements_from(data)


def test_our_own_file_is_right_and_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(ROOT / "config")]) == 0
    assert "rules of who may ask for roles" in capsys.readouterr().err


def test_every_fault_that_the_schema_knows_is_named_at_once_with_its_line(tmp_path: Path) -> None:
    text = (
        "templates:\n"
        "  t:\n"
        "    risk: lo\n"
        "    parameters: {b: {type: bucket}}\n"
        "    statements:\n"
        "      - {actions: [everything], resources: []}\n"
        "rules:\n"
        "  - id: One\n"
        "    minute: 5\n"
        "    who: {}\n"
        "    minutes: 0\n"
        "    match: {ou: workloads}\n"
        '    automatic: {hours: {days: [mon], start: 10:30, end: "9", zone: UTC}}\n'
    )
    assert [":".join(each.split(":")[1:3]) for each in faults(tmp_path, text)] == [
        "3: templates.t.risk",
        "4: templates.t.parameters.b.type",
        "6: templates.t.statements[0].actions[0]",
        "6: templates.t.statements[0].resources",
        "8: rules[0].id",
        "9: rules[0].minute",
        "10: rules[0].who",
        "11: rules[0].minutes",
        "12: rules[0].match.ou",
        "13: rules[0].automatic.hours.days[0]",
        "13: rules[0].automatic.hours.start",
        "13: rules[0].automatic.hours.end",
    ]


HEAD = """\
templates:
  t:
    parameters: {b: {type: s3-bucket}}
    statements: [{actions: ["s3:Get*"], resources: ["arn:aws:s3:::<b>/*"]}]
rules:
"""
GOOD = "  - {id: one, who: {groups: [payments]}, match: {ou: /workloads}, templates: [t], minutes: 5, approve: {groups: [security]}}\n"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        # what no schema can say: by line and field all the same
        ("<b>/*", "<c>/*", "entitlements.yaml:4: templates.t.statements: <c> is no parameter"),
        ("<b>/*", "x/*", "entitlements.yaml:3: templates.t.parameters: b stands nowhere"),
        ("<b>/*", "<b>/${aws:username}", "entitlements.yaml:4: templates.t.statements[0].resources: has a policy variable"),
        ("<b>/*", "<b>/<B>", "entitlements.yaml:4: templates.t.statements[0].resources: arn"),
        ("<b>/*", "<b>/<", "entitlements.yaml:4: templates.t.statements[0].resources: arn"),
        ("s3:Get*", "sts:AssumeRole", "entitlements.yaml:4: templates.t.statements[0].actions: sts:AssumeRole is denied"),
        (
            '/*"]}',
            '/*"], conditions: {StringIs: {a: b}}}',
            "entitlements.yaml:4: templates.t.statements[0].conditions: StringIs is no operator",
        ),
        (
            '/*"]}',
            '/*"], conditions: {StringLike: {"a/<b>": b}}}',
            "entitlements.yaml:4: templates.t.statements[0].conditions: has a parameter in a key",
        ),
        ("{b: {", "{account: {type: region}, b: {", "entitlements.yaml:3: templates.t.parameters.account: must be in lower case"),
        ("templates: [t]", "templates: [u]", "entitlements.yaml:6: rules[0].templates: u is no template; known are t"),
        ("who: {groups: [payments]}, ", "", "entitlements.yaml:6: rules[0].who.groups: or `users` or `attributes` is missing"),
        ("match: {ou: /workloads}, ", "", "entitlements.yaml:6: rules[0].match.role_path: or another criterion is missing"),
        ("templates: [t], ", "", "entitlements.yaml:6: rules[0].templates: names none"),
        (", minutes: 5", "", "entitlements.yaml:6: rules[0].minutes: missing"),
        (", approve: {groups: [security]}", "", "entitlements.yaml:6: rules[0].approve.groups: or `on_call` is missing"),
        (
            "{groups: [security]}",
            "{groups: [security], quorum: 2, distinct_groups: true}",
            "entitlements.yaml:6: rules[0].approve.quorum: asks for",
        ),
        ("minutes: 5", 'minutes: 5, tickets: ["a b"]', "entitlements.yaml:6: rules[0].tickets: a b must be letters"),
        ("minutes: 5", 'minutes: 5, tickets: ["<number><number>"]', "entitlements.yaml:6: rules[0].tickets: <number><number> must be"),
        ("minutes: 5", "minutes: 5, automatic: {ticket_states: [x]}", "entitlements.yaml:6: rules[0].tickets: is missing"),
        ("minutes: 5", "minutes: 5, automatic: {always: true, risk: low}", "entitlements.yaml:6: rules[0].automatic.always: stands alone"),
        (
            "minutes: 5",
            'minutes: 5, automatic: {hours: {days: [monday], start: "09:00", end: "09:00", zone: UTC}}',
            "entitlements.yaml:6: rules[0].automatic.hours.end: must be after start",
        ),
        (
            "minutes: 5",
            'minutes: 5, automatic: {hours: {days: [monday], start: "09:00", end: "10:00", zone: ../../etc/passwd}}',
            "entitlements.yaml:6: rules[0].automatic.hours.zone: must be a time zone",
        ),
        ("id: one", "id: one, effect: deny", "entitlements.yaml:6: rules[0].minutes: has no meaning in a rule that denies"),
        # against the organization's file
        ("[payments]", "[payment]", "entitlements.yaml:6: rules[0].who.groups[0]: payment is no group of organization.yaml"),
        ("[security]", "[securty]", "entitlements.yaml:6: rules[0].approve.groups[0]: securty is no group"),
        (
            "{groups: [security]}",
            "{groups: [security], escalate_to: [x]}",
            "entitlements.yaml:6: rules[0].approve.escalate_to[0]: x is no group",
        ),
        ("ou: /workloads", "ou: /workload", "entitlements.yaml:6: rules[0].match.ou: no account of organization.yaml lies in"),
        ("ou: /workloads", 'accounts: ["111111111111"]', "entitlements.yaml:6: rules[0].match.accounts[0]: 111111111111 is no account"),
        ("rules:", "revokers: [nobody]\nrules:", "entitlements.yaml:5: revokers[0]: nobody is no group"),
        ("rules:", "auditors: [nobody]\nrules:", "entitlements.yaml:5: auditors[0]: nobody is no group"),
        ("{groups: [payments]}", "{attributes: {usertype: x}}", "entitlements.yaml:6: rules[0].who.attributes: must be one of userType"),
    ],
)
def test_a_fault_is_named_by_line_and_field(tmp_path: Path, old: str, new: str, fault: str) -> None:
    text = HEAD + GOOD
    assert text.count(old) >= 1
    found = faults(tmp_path, text.replace(old, new, 1))
    assert found[0].startswith(fault), found
    load_entitlements(folder(tmp_path, text))


def test_two_rules_of_one_id_are_refused_by_file_and_in_lambda(tmp_path: Path) -> None:
    assert "entitlements.yaml:7: rules[1].id: one is listed twice" in faults(tmp_path, HEAD + GOOD + GOOD)[0]
    with pytest.raises(Misconfigured, match=r"rules\[1\]\.id: payments is used twice"):
        entitlements_from({"templates": {"read-bucket": READ_BUCKET}, "rules": [RULE, RULE]})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("who", {"users": []}),
        ("who", {"users": ["jane@acme.example"], "groups": []}),
        ("who", {"groups": []}),
        ("who", {"attributes": {}}),
        ("who", {"attributes": {"usertype": "contractor"}}),
        ("who", {}),
        ("match", {}),
        ("match", {"accounts": []}),
        ("templates", []),
        ("minutes", 0),
        ("minutes", 10_081),
        ("minutes", True),
        ("start_within_hours", 721),
        ("approve", {}),
        ("approve", {"groups": ["a"], "quorum": 0}),
        ("automatic", {}),
        ("automatic", {"risk": "lo"}),
        ("automatic", {"always": False}),
        ("automatic", {"on_call": []}),
        ("effect", "maybe"),
        ("id", "One"),
        ("more", 1),
    ],
)
def test_lambda_refuses_by_itself_what_the_schema_refuses(field: str, value: object) -> None:
    data = {"templates": {"read-bucket": READ_BUCKET}, "rules": [{**RULE, field: value}]}
    assert list(Draft202012Validator(SCHEMA).iter_errors(data)), "the schema takes it"
    with pytest.raises(Misconfigured):
        entitlements_from(data)


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"statements": []},
        {"statements": [{"actions": [], "resources": ["*"]}]},
        {"statements": [{"actions": ["*"], "resources": []}]},
        {"statements": [{"actions": ["s3"], "resources": ["*"]}]},
        {"statements": [{"actions": ["*", "*"], "resources": ["*"]}]},
        {"statements": [{"actions": ["*"], "resources": ["*"], "effect": "Allow"}]},
        {**READ_BUCKET, "risk": "none"},
        {**READ_BUCKET, "parameters": {"bucket": {"type": "x"}}},
        {**READ_BUCKET, "parameters": {"bucket": {"type": "s3-bucket", "like": []}}},
        {**READ_BUCKET, "parameters": {"B": {"type": "region"}}},
    ],
)
def test_lambda_refuses_a_template_that_the_schema_refuses(template: dict[str, Any]) -> None:
    data = {"templates": {"t": template}}
    assert list(Draft202012Validator(SCHEMA).iter_errors(data)), "the schema takes it"
    with pytest.raises(Misconfigured, match=r"^templates\.t"):
        entitlements_from(data)


def test_the_schema_is_one_and_says_of_roles_what_that_of_guardrails_says() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    guardrails = json.loads((PACKAGE / "guardrails/schemas/guardrails.schema.json").read_text("utf-8"))
    ours, theirs = SCHEMA["$defs"]["match"], guardrails["$defs"]["match"]
    assert ours["properties"] == theirs["properties"]
    assert list(Draft202012Validator(SCHEMA).iter_errors(yaml.safe_load(EXAMPLE))) == []


def test_no_group_of_the_organization_is_taken_for_a_roster() -> None:
    with pytest.raises(Misconfigured, match=r"identity\.groups\.on-call:payments: must not begin with on-call:"):
        organization_from({"identity": {"groups": {"on-call:payments": {"identity_center": True}}}})
    schema = json.loads((PACKAGE / "organization/schemas/organization.schema.json").read_text("utf-8"))
    assert list(Draft202012Validator(schema).iter_errors({"identity": {"groups": {"on-call:payments": {"identity_center": True}}}}))


def test_prod_of_these_tests_is_that_of_the_folder() -> None:
    assert Account(PROD.id, "prod", "/workloads/prod", tags={"environment": "prod"}) == PROD
