"""The policy files: what is right becomes the same values on a laptop and in Lambda, what is wrong is named with its line."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from doorward.errors import Misconfigured
from doorward.findings.model import Severity
from doorward.guardrails.model import Guardrails, Mode, Role
from doorward.guardrails.parsing import RULES, guardrails_from
from doorward.organization.model import (
    Account,
    Author,
    Contact,
    Group,
    Identity,
    Notifications,
    Organization,
    Owner,
    Route,
    TokenIssuer,
)
from doorward.organization.parsing import organization_from
from doorward_cli.configuration import (
    InvalidConfiguration,
    build_package_data,
    load_folder,
    load_guardrails,
    load_organization,
)

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
PACKAGE = ROOT / "layers/doorward/doorward"
SCHEMAS = (PACKAGE / "organization/schemas/organization.schema.json", PACKAGE / "guardrails/schemas/guardrails.schema.json")

# The org file of docs/contracts.md, to the letter.
CONTRACT = """\
organization: o-a1b2c3d4e5
management_account: "123456789012"
partition: aws
accounts:
  - {id: "777788889999", name: prod, ou: /workloads/prod, org_path: o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/, tags: {environment: prod}, owner: {name: payments team, slack: C0PAYMENTS1}}
trusted:
  accounts: [{id: "464622532012", name: datadog, external_id_required: true}]
  oidc: [{issuer: token.actions.githubusercontent.com, subjects: ["repo:acme/*"], audiences: [sts.amazonaws.com], claims: {repository_owner_id: ["123456"]}}]
  saml: [{provider: "arn:aws:iam::777788889999:saml-provider/corp"}]
  services: []          # also: cognito, roles_anywhere
pipelines: [{role: "arn:aws:iam::444455556666:role/ci/deployer", owner: platform}]
authors:                        # how whoever changes roles is reached; the first that fits counts
  - {owner: platform, topic: "arn:aws:sns:us-east-1:111122223333:doorward-people-platform"}
  - {principal: "arn:aws:iam::*:user/jane", name: Jane, slack: U0JANEDOE1}
  - {permission_set: "*", session: jane@acme.example, name: Jane, slack: U0JANEDOE1}
networks: {cidrs: [203.0.113.0/24], vpcs: [], vpce: []}
identity:                       # who may speak to Doorward, and decide
  store: d-1234567890           # Identity Center's identity store, with its region; read in the management account
  region: eu-central-1
  accounts: ["111122223333"]    # whose roles of Identity Center count; by default the hub's own
  machines: ["arn:aws:iam::444455556666:role/ci/deployer"]   # roles and IAM users; none of Identity Center's; they never approve
  groups: {security: {identity_center: true}, payments: {users: [jane@acme.example]}}
  tokens: [{issuer: https://login.acme.example, keys: https://login.acme.example/keys, audience: doorward, people: {00u1jane: jane@acme.example}, machines: [0oa1bot]}]
notifications:                  # how much people are told, and where; all of it may be left out
  digest_below: medium          # what is less severe is told once a day; info: no digest
  group_minutes: 15             # for so long what is found alike goes into the thread of the first
  most_per_minute: 60           # messages to one channel; what asks people to act always passes
  routes:                       # all that fit are told, in the place of everybody unless one names them
    - {match: {ou: /workloads, tags: {environment: prod}}, severity_from: high, channels: [C0PRODTEAM1, everybody]}
    - {match: {accounts: ["777788889999"]}, channels: ["arn:aws:sns:us-east-1:111122223333:doorward-people-payments"]}
"""  # noqa: E501 - to the letter


def faults(tmp_path: Path, text: str, load: Any = load_organization) -> list[str]:
    file = tmp_path / "file.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidConfiguration) as caught:
        load(file)
    return [f"{each.line}: {each.field}: {each.what}" for each in caught.value.problems]


def guardrails_of(tmp_path: Path, text: str) -> Guardrails:
    file = tmp_path / "guardrails.yaml"
    file.write_text(text, encoding="utf-8")
    return load_guardrails(file)


def test_the_org_file_of_the_contract_is_read_to_the_letter(tmp_path: Path) -> None:
    file = tmp_path / "org.yaml"
    file.write_text(CONTRACT, encoding="utf-8")
    organization = load_organization(file)
    assert organization.id == "o-a1b2c3d4e5"
    assert organization.account("777788889999") == Account(
        "777788889999",
        "prod",
        "/workloads/prod",
        "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/",
        {"environment": "prod"},
        owner=Owner("payments team", Contact(slack="C0PAYMENTS1")),
    )
    assert organization.authors == (
        Author(Contact(topic="arn:aws:sns:us-east-1:111122223333:doorward-people-platform"), owner="platform"),
        Author(Contact(slack="U0JANEDOE1"), "Jane", principal="arn:aws:iam::*:user/jane"),
        Author(Contact(slack="U0JANEDOE1"), "Jane", permission_set="*", session="jane@acme.example"),
    )
    vendor, issuer = organization.trusted_account("464622532012"), organization.issuer("token.actions.githubusercontent.com")
    assert vendor is not None
    assert vendor.external_id_required
    assert issuer is not None
    assert issuer.subjects == ("repo:acme/*",)
    assert issuer.claims == {"repository_owner_id": ("123456",)}
    assert organization.saml == ("arn:aws:iam::777788889999:saml-provider/corp",)
    assert organization.is_pipeline("arn:aws:iam::444455556666:role/ci/deployer")
    assert organization.networks.cidrs == ("203.0.113.0/24",)


def test_the_management_account_is_ours_though_no_list_names_it(tmp_path: Path) -> None:
    file = tmp_path / "org.yaml"
    file.write_text(CONTRACT, encoding="utf-8")
    assert load_organization(file).account("123456789012") == Account("123456789012", "management", "/")


@pytest.mark.parametrize("native", [True, False])
def test_json_is_read_as_well_as_yaml_with_and_without_libyaml(tmp_path: Path, native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not native:
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    file = tmp_path / "org.json"
    file.write_text('{\n\t"organization":\t"o-a1",\n\t"accounts": [{"id": "777788889999"}]\n}', encoding="utf-8")
    assert load_organization(file).account("777788889999") is not None


def test_where_people_are_told_is_read_to_the_letter(tmp_path: Path) -> None:
    file = tmp_path / "org.yaml"
    file.write_text(CONTRACT, encoding="utf-8")
    topic = "arn:aws:sns:us-east-1:111122223333:doorward-people-payments"
    prod = Route(("C0PRODTEAM1", "everybody"), ou="/workloads", tags={"environment": "prod"}, severity_from="high")
    routes = (prod, Route((topic,), accounts=("777788889999",)))
    assert load_organization(file).notifications == Notifications(routes, "medium", 15, 60)
    assert Organization().notifications == Notifications((), "medium", 15, 60)


@pytest.mark.parametrize(
    ("notifications", "says"),
    [
        ({"routes": [{}]}, "notifications.routes[0].channels"),
        ({"routes": [{"channels": ["#general"]}]}, "notifications.routes[0].channels"),
        ({"routes": [{"channels": ["everybody"], "match": {}}]}, "notifications.routes[0].match"),
        ({"routes": [{"channels": ["everybody"], "match": {"accounts": []}}]}, "notifications.routes[0].match.accounts"),
        ({"routes": [{"channels": ["everybody"], "match": {"ou": "x"}}]}, "notifications.routes[0].match.ou"),
        ({"routes": [{"channels": ["everybody"], "match": {"role": "x"}}]}, "notifications.routes[0].match.role"),
        ({"routes": [{"channels": ["everybody"], "severity_from": "x"}]}, "notifications.routes[0].severity_from"),
        ({"digest_below": "critical"}, "notifications.digest_below"),
        ({"group_minutes": 1441}, "notifications.group_minutes"),
        ({"most_per_minute": 0}, "notifications.most_per_minute"),
        ({"digest": "low"}, "notifications.digest"),
    ],
)
def test_lambda_refuses_what_the_schema_refuses_of_notifications(notifications: dict[str, Any], says: str) -> None:
    with pytest.raises(Misconfigured, match=re.escape(f"{says}: ")):
        organization_from({"notifications": notifications})


def test_who_may_speak_to_doorward_is_read_to_the_letter(tmp_path: Path) -> None:
    file = tmp_path / "org.yaml"
    file.write_text(CONTRACT, encoding="utf-8")
    login = "https://login.acme.example"
    assert load_organization(file).identity == Identity(
        "d-1234567890",
        "eu-central-1",
        ("111122223333",),
        ("arn:aws:iam::444455556666:role/ci/deployer",),
        (Group("security", identity_center=True), Group("payments", ("jane@acme.example",))),
        (TokenIssuer(login, f"{login}/keys", "doorward", {"00u1jane": "jane@acme.example"}, ("0oa1bot",)),),
    )


def test_an_issuer_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    token = "{issuer: https://a.example, keys: https://a.example/k, audience: a}"
    assert "listed twice" in faults(tmp_path, f"identity: {{tokens: [{token}, {token}]}}")[0]


@pytest.mark.parametrize(
    "data",
    [
        {"store": "d-1234567890"},
        {"machines": ["arn:aws:iam::777788889999:role/AWSReservedSSO_Admin_1"]},
        {"groups": {"a": {}}},
        {"groups": {"a": {"users": ["jane"], "identity_center": True}}},
        {"tokens": [{"issuer": "https://a", "keys": "https://a", "audience": "a", "people": {"x": "jane"}, "machines": ["x"]}]},
        {"tokens": [{"issuer": "https://a", "keys": "https://a", "audience": "a"}] * 2},
    ],
)
def test_lambda_refuses_by_itself_what_the_schema_cannot_say_of_identity(data: object) -> None:
    with pytest.raises(Misconfigured, match="identity"):
        organization_from({"identity": data})


def test_an_empty_object_means_that_nothing_is_ours() -> None:
    assert organization_from({}) == Organization()


def test_our_own_files_are_right_and_say_what_the_docs_promise() -> None:
    organization, guardrails = load_folder(CONFIG)
    assert {each.name for each in organization.accounts} == {"management", "hub", "shared-services", "staging", "prod"}
    assert set(guardrails.rules) <= set(RULES)

    def mode(account_id: str, rule: str) -> Mode:
        role = Role(account_id, "x", "/", f"arn:aws:iam::{account_id}:role/x", "AROA", "{}")
        return guardrails.mode_for(rule, role, organization.account(account_id))

    assert mode("777788889999", "world-assumable") is Mode.ENFORCE
    assert mode("777788889999", "oidc-unscoped-audience") is Mode.ALERT
    assert mode("222233334444", "world-assumable") is Mode.ALERT
    assert mode("222233334444", "oidc-unscoped-subject") is Mode.ENFORCE
    assert mode("111122223333", "world-assumable") is Mode.ALERT
    assert mode("999988887777", "world-assumable") is Mode.OBSERVE


def test_the_build_writes_what_lambda_reads_back_as_the_same_values(tmp_path: Path) -> None:
    build_package_data(CONFIG, tmp_path / "new/folder")
    organization = organization_from(json.loads((tmp_path / "new/folder/organization.json").read_text()))
    guardrails = guardrails_from(json.loads((tmp_path / "new/folder/guardrails.json").read_text()))
    assert (organization, guardrails) == load_folder(CONFIG)


def test_the_build_writes_the_same_bytes_twice(tmp_path: Path) -> None:
    build_package_data(CONFIG, tmp_path / "a")
    build_package_data(CONFIG, tmp_path / "b")
    for name in ("organization.json", "guardrails.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_build_writes_nothing_where_one_file_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "organization.yaml").write_text(CONTRACT)
    (tmp_path / "guardrails.yaml").write_text("mode: sleep\n")
    with pytest.raises(InvalidConfiguration):
        build_package_data(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_lambda_refuses_deciders_of_an_empty_match_as_the_schema_does() -> None:
    with pytest.raises(Misconfigured, match=r"deciders\[0\].match"):
        guardrails_from({"deciders": [{"approvers": ["security"], "match": {}}]})
    assert guardrails_from({"deciders": [{"approvers": ["security"]}]}).deciders[0].approvers == ("security",)


def test_what_the_build_wrote_cannot_be_edited_behind_its_back(tmp_path: Path) -> None:
    build_package_data(CONFIG, tmp_path)
    data = json.loads((tmp_path / "guardrails.json").read_text())
    data["mode"] = "observe"
    with pytest.raises(Misconfigured, match="edited after the build"):
        guardrails_from(data)


def test_the_hash_counts_meaning_not_spelling(tmp_path: Path) -> None:
    one = guardrails_of(tmp_path, "mode: alert\nundecidable: approve # why\n")
    same = guardrails_of(tmp_path, "undecidable: 'approve'\nmode: alert\n")
    other = guardrails_of(tmp_path, "undecidable: alert\nmode: alert\n")
    assert one.hash == same.hash != other.hash
    assert len(one.hash) == 64


def test_a_rule_left_out_keeps_its_default_severity(tmp_path: Path) -> None:
    guardrails = guardrails_of(tmp_path, "rules: {external-account: {severity: low}, world-assumable: {mode: alert}}\n")
    assert guardrails.rules["external-account"].severity is Severity.LOW
    assert guardrails.rules["world-assumable"].severity is None
    assert "oidc-unscoped-subject" not in guardrails.rules


def test_every_fault_is_named_at_once_with_its_line(tmp_path: Path) -> None:
    text = (
        "organization: O_1\n"
        "accounts:\n"
        '  - {id: "12", nam: x}\n'
        "  - {name: y}\n"
        "trusted:\n"
        "  oidc: [{issuer: https://example.com}]\n"
        "pipelines: [{role: deployer, owner: a}]\n"
        "networks: {cidrs: [1.2.3.4/8]}\n"
        "service: []\n"
    )
    found = faults(tmp_path, text)
    assert [each.split(": ")[0:2] for each in found] == [
        ["1", "organization"],
        ["3", "accounts[0].nam"],
        ["3", "accounts[0].id"],
        ["4", "accounts[1].id"],
        ["6", "trusted.oidc[0].issuer"],
        ["7", "pipelines[0].role"],
        ["8", "networks.cidrs[0]"],
        ["9", "service"],
    ]
    assert "did you mean name?" in found[1]
    assert "missing" in found[3]
    assert "without https://" in found[4]


@pytest.mark.parametrize("spelled", ["111122223333", "012345670123", "123456701234", "000000000001"])
def test_an_account_id_without_quotes_is_told_to_be_quoted_as_it_stands(tmp_path: Path, spelled: str) -> None:
    [fault] = faults(tmp_path, f"accounts: [{{id: {spelled}}}]\n")
    assert f'quote it: "{spelled}"' in fault
    assert fault.startswith("1: accounts[0].id")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('accounts: [{id: "777788889999"}, {id: "777788889999"}]', "777788889999 is listed twice"),
        ('trusted: {accounts: [{id: "777788889999"}, {id: "777788889999"}]}', "is listed twice"),
        ('accounts: [{id: "777788889999"}]\ntrusted: {accounts: [{id: "777788889999"}]}', "is an account of the organization"),
        ('management_account: "777788889999"\ntrusted: {accounts: [{id: "777788889999"}]}', "is an account of the organization"),
        ("organization: o-a\norganization: o-b", "written twice"),
        ('accounts: [{id: "777788889999", ou: 2001-01-01}]', "another type; write it in quotes"),
        ('organization: o-a\naccounts: [{id: "777788889999", org_path: o-b/r-x/}]', "must begin with o-a/"),
        ("trusted:", "must be an object of named fields, not nothing"),
        ("- a", "must be an object of named fields, not a list"),
        ("", "empty"),
        ("a: [", "not YAML"),
        ("a: *b", "not YAML"),
        ("a: !!python/object/apply:os.system [ls]", "unknown"),
        ("partition: aws-us-gow", "did you mean aws-us-gov?"),
        ('accounts: [{id: "777788889999", owner: {name: a}}]', "accounts[0].owner: needs one of `slack` and `topic`"),
        ("authors: [{principal: a, slack: https://hooks.slack.com/services/x}]", "must be a Slack id"),
        ('authors: [{principal: "arn:aws:iam::*:user/a"}]', "authors[0]: needs one of `slack` and `topic`"),
        ("authors: [{slack: C0PAYMENTS1}]", "exactly one of owner, principal, permission_set"),
        ('authors: [{slack: C0PAYMENTS1, principal: "arn:aws:iam::777788889999:role/a", session: jane}]', "whoever comes chooses"),
        ("authors: [{slack: C0PAYMENTS1, permission_set: a}]", "`session` goes with `permission_set`"),
        ("authors: [{slack: C0PAYMENTS1, owner: a}]", "authors[0].owner: a owns no pipeline"),
        ('authors: [{topic: "arn:aws:sns:us-east-1:111122223333:alerts", owner: a}]', "named doorward-people-"),
        ("identity: {store: d-1234567890}", "identity: needs `store` and `region` together"),
        ("identity: {store: mine, region: eu-central-1}", "identity.store: must be the id of Identity Center's identity store"),
        ("identity: {accounts: [hub]}", "identity.accounts[0]: must be an account id"),
        ('identity: {machines: ["arn:aws:iam::777788889999:role/*"]}', "identity.machines[0]: must be the ARN of a role or an IAM user"),
        (
            'identity: {machines: ["arn:aws:iam::777788889999:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_1"]}',
            "no role of Identity Center's",
        ),
        ("identity: {groups: {a: {}}}", "identity.groups.a: needs either `users` or `identity_center: true`"),
        ("identity: {groups: {a: {users: [jane], identity_center: true}}}", "identity.groups.a: needs either"),
        ("identity: {tokens: [{issuer: http://a.example, keys: https://a.example/k, audience: a}]}", "identity.tokens[0].issuer: must be"),
        ("identity: {tokens: [{issuer: https://a.example, keys: file:///etc, audience: a}]}", "identity.tokens[0].keys: must be"),
        ("identity: {tokens: [{issuer: https://a.example, keys: https://a.example/k}]}", "identity.tokens[0].audience: missing"),
        (
            "identity: {tokens: [{issuer: https://a.example, keys: https://a.example/k, audience: a, people: {x: jane}, machines: [x]}]}",
            "identity.tokens[0].machines[0]: x is a person, too",
        ),
        ("notifications: {routes: [{severity_from: high}]}", "notifications.routes[0].channels: missing"),
        ("notifications: {routes: [{channels: []}]}", "notifications.routes[0].channels: must be a list of at least one Slack id"),
        ("notifications: {routes: [{channels: ['#general']}]}", "notifications.routes[0].channels[0]: must be a Slack id"),
        (
            "notifications: {routes: [{channels: ['arn:aws:sns:us-east-1:111122223333:alerts']}]}",
            "named doorward-people-…, or everybody, not",
        ),
        ("notifications: {routes: [{channels: [everybody], severity_from: hihg}]}", "severity_from: must be one of critical, high"),
        ("notifications: {routes: [{channels: [everybody], match: {}}]}", "at least one of accounts, ou, tags"),
        ("notifications: {routes: [{channels: [everybody], match: {role_path: /a}}]}", "routes[0].match.role_path: unknown"),
        (
            'accounts: [{id: "777788889999"}]\nnotifications: {routes: [{channels: [everybody], match: {accounts: ["222233334444"]}}]}',
            "no account of",
        ),
        (
            'accounts: [{id: "777788889999", ou: /workloads}]\nnotifications: {routes: [{channels: [everybody], match: {ou: /wrkloads}}]}',
            "lies in /wrkloads; did you mean /workloads?",
        ),
        (
            'accounts: [{id: "777788889999"}]\nnotifications: {routes: [{channels: [everybody], match: {tags: {a: b}}}]}',
            "has the tag b",
        ),
        ("notifications: {digest_below: critical}", "notifications.digest_below: must be one of high, medium, low, info"),
        ("notifications: {most_per_minute: 0}", "notifications.most_per_minute: must be a whole number of messages"),
        ("notifications: {group_minutes: 1441}", "notifications.group_minutes: must be a whole number of minutes, from 1 to 1440"),
    ],
)
def test_a_faulty_org_file_is_refused_and_told_why(tmp_path: Path, text: str, says: str) -> None:
    assert any(says in each and not each.startswith("None:") for each in faults(tmp_path, text)) or not text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rules: {world-asumable: {severity: high}}", "did you mean world-assumable?"),
        ("rules: {world-assumable: {severity: hi}}", "must be one of critical, high"),
        ("mode: on", "must be one of observe, alert, approve, enforce, not on"),
        ("undecidable: observe", "must be one of alert, approve, restore"),
        ("undecidable: enforce", "must be one of alert, approve, restore"),
        ("scopes: [{name: a, match: {ou: /a}, mode: enforce, undecidable: pass}]", "scopes[0].undecidable: must be one of alert, approve"),
        (
            "scopes: [{name: a, match: {ou: /a}, mode: alert, undecidable: restore}]",
            "scopes[0].undecidable: restore writes, and the mode here",
        ),
        ("scopes: [{name: a, match: {}, mode: alert}]", "at least one of accounts, ou, tags, role_path"),
        ("scopes: [{name: a, match: {accounts: []}, mode: alert}]", "scopes[0].match.accounts"),
        ("scopes: [{name: a, match: {ou: /a}}]", "scopes[0].mode: missing"),
        ("scopes: [{name: a, match: {ou: /a}, mode: alert}, {name: a, match: {ou: /b}, mode: alert}]", "a is listed twice"),
        ("scopes: [{name: a, match: {ou: /a}, mode: alert, rules: {extern-account: alert}}]", "did you mean external-account?"),
        ("boundaries: [{match: {ou: /a}}]", "boundaries[0].policy: missing"),
        ("boundaries: [{match: {}, policy: team}]", "at least one of accounts, ou, tags, role_path"),
        (
            "boundaries: [{match: {ou: /a}, policy: a/b}]",
            "must be the ARN of a managed policy, or the name of one of the role's own account",
        ),
        ('boundaries: [{match: {ou: /a}, policy: "arn:aws:iam::777788889999:role/x"}]', "boundaries[0].policy"),
        ("boundaries: [{match: {ou: /a}, policy: team, mode: alert}]", "boundaries[0].mode"),
    ],
)
def test_faulty_guardrails_are_refused_and_told_why(tmp_path: Path, text: str, says: str) -> None:
    assert any(says in each for each in faults(tmp_path, text, load_guardrails))


def test_a_scope_for_an_account_that_nobody_described_is_refused(tmp_path: Path) -> None:
    (tmp_path / "organization.yaml").write_text(CONTRACT)
    (tmp_path / "guardrails.yaml").write_text('scopes:\n  - {name: a, mode: alert, match: {accounts: ["777788889999", "222233334444"]}}\n')
    with pytest.raises(InvalidConfiguration) as caught:
        load_folder(tmp_path)
    [problem] = caught.value.problems
    assert (problem.line, problem.field) == (2, "scopes[0].match.accounts[1]")
    assert str(problem).startswith(f"{tmp_path}/guardrails.yaml:2: ")


@pytest.mark.parametrize(
    ("match", "field", "says"),
    [
        (
            "{ou: /workloads/prd}",
            "scopes[0].match.ou",
            "no account of organization.yaml lies in /workloads/prd; did you mean /workloads/prod?",
        ),
        ("{tags: {environment: prd}}", "scopes[0].match.tags.environment", "no account of organization.yaml has the tag prd"),
    ],
)
def test_a_scope_for_nobody_is_a_typing_error(tmp_path: Path, match: str, field: str, says: str) -> None:
    (tmp_path / "organization.yaml").write_text(CONTRACT)
    (tmp_path / "guardrails.yaml").write_text(f"scopes:\n  - {{name: a, mode: enforce, match: {match}}}\n")
    with pytest.raises(InvalidConfiguration) as caught:
        load_folder(tmp_path)
    [problem] = caught.value.problems
    assert (problem.line, problem.field) == (2, field)
    assert says in str(problem)


def test_a_boundary_asked_of_an_account_or_a_unit_that_nobody_described_is_a_typing_error(tmp_path: Path) -> None:
    (tmp_path / "organization.yaml").write_text(CONTRACT)
    asked = 'boundaries:\n  - {match: {accounts: ["222233334444"]}, policy: team}\n  - {match: {ou: /workloads/prd}, policy: team}\n'
    (tmp_path / "guardrails.yaml").write_text(asked)
    with pytest.raises(InvalidConfiguration) as caught:
        load_folder(tmp_path)
    told = [(each.line, each.field) for each in caught.value.problems]
    assert told == [(2, "boundaries[0].match.accounts[0]"), (3, "boundaries[1].match.ou")]


def test_the_first_boundary_that_covers_a_role_counts(tmp_path: Path) -> None:
    arn = "arn:aws:iam::777788889999:policy/ci/b"
    text = f'boundaries: [{{match: {{role_path: /ci/}}, policy: "{arn}"}}, {{match: {{role_path: /}}, policy: team}}]'
    guardrails = guardrails_of(tmp_path, text)
    asked = [guardrails.boundary_of(Role("777788889999", "x", path, "", "", "{}"), None) for path in ("/ci/deep/", "/app/")]
    assert [None if each is None else each.policy for each in asked] == [arn, "team"]


@pytest.mark.parametrize(
    "subject",
    [
        *("repo:*", "repo:acme*", "*", "repo:?cme/*", "repo:*/deploy:*"),
        *("repository_owner:*", "repository_owner:acme*", "repository:*/deploy:*", "repository_id:1*"),
    ],
)
def test_subjects_that_trust_strangers_are_refused(tmp_path: Path, subject: str) -> None:
    [fault] = faults(tmp_path, f"trusted:\n  oidc:\n    - {{issuer: token.actions.githubusercontent.com, subjects: ['{subject}']}}\n")
    assert fault.startswith("3: trusted.oidc[0].subjects[0]: ")
    assert "names no owner to the letter" in fault


@pytest.mark.parametrize(
    ("issuer", "subject"),
    [
        ("gitlab.com", "project_path:acme*"),
        ("gitlab.com", "*"),
        ("app.terraform.io", "organization:acme*"),
        ("agent.buildkite.com", "organization:*:pipeline:deploy:*"),
        ("oidc.vercel.com", "owner:*:project:web:*"),
        ("accounts.google.com", "1122*"),
        ("oidc.circleci.com", "org/*"),
    ],
)
def test_subjects_that_trust_every_tenant_of_a_shared_issuer_are_refused(tmp_path: Path, issuer: str, subject: str) -> None:
    [fault] = faults(tmp_path, f"trusted:\n  oidc:\n    - {{issuer: {issuer}, subjects: ['{subject}']}}\n")
    assert fault.startswith("3: trusted.oidc[0].subjects[0]: ")
    assert "names no tenant to the letter" in fault


@pytest.mark.parametrize(
    ("issuer", "subject"),
    [
        ("token.actions.githubusercontent.com", "repository_owner:acme:*"),
        ("gitlab.com", "project_path:acme/*"),
        ("app.terraform.io", "organization:acme:*"),
        ("idp.acme.example", "*"),
    ],
)
def test_subjects_of_a_tenant_or_of_an_issuer_of_one_s_own_are_taken(tmp_path: Path, issuer: str, subject: str) -> None:
    file = tmp_path / "organization.yaml"
    file.write_text(f"trusted:\n  oidc:\n    - {{issuer: {issuer}, subjects: ['{subject}']}}\n", encoding="utf-8")
    assert load_organization(file).oidc[0].subjects == (subject,)


def test_pools_of_cognito_are_no_issuer(tmp_path: Path) -> None:
    [fault] = faults(tmp_path, "trusted:\n  oidc:\n    - {issuer: cognito-identity.amazonaws.com}\n")
    assert fault.startswith("3: trusted.oidc[0].issuer: ")
    assert "trusted.cognito" in fault


def test_a_pattern_of_pipelines_is_refused_since_none_would_match(tmp_path: Path) -> None:
    [fault] = faults(tmp_path, "pipelines:\n  - {role: 'arn:aws:iam::444455556666:role/deploy/*', owner: platform}\n")
    assert fault.startswith("2: pipelines[0].role: ")


def test_a_character_that_yaml_forbids_is_named_with_its_line(tmp_path: Path) -> None:
    [fault] = faults(tmp_path, "accounts: []\npartition: a\x00ws\n")
    assert fault.startswith("2: : not YAML")


def test_faults_of_both_files_are_named_together(tmp_path: Path) -> None:
    (tmp_path / "organization.yaml").write_text("x: 1\n")
    with pytest.raises(InvalidConfiguration) as caught:
        load_folder(tmp_path)
    assert [each.file.name for each in caught.value.problems] == ["guardrails.yaml", "organization.yaml"]


def test_anchors_and_merges_work(tmp_path: Path) -> None:
    text = 'accounts:\n  - &a {id: "777788889999", ou: /x, name: prod}\n  - {<<: *a, id: "222233334444", name: staging}\n'
    file = tmp_path / "org.yaml"
    file.write_text(text)
    assert load_organization(file).account("222233334444") == Account("222233334444", "staging", "/x")


def test_anchors_that_explode_deep_nesting_and_huge_files_end_quickly(tmp_path: Path) -> None:
    levels = "".join(f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 10)}]\n" for level in range(1, 12))
    assert "anchors expand" in faults(tmp_path, f"l0: &l0 [x]\n{levels}")[0]
    assert "anchors expand" in faults(tmp_path, "&a [*a]")[0]
    assert "deep" in faults(tmp_path, "[" * 100_000)[0]
    assert "larger than" in faults(tmp_path, "#" * 5_000_000)[0]


def test_a_missing_file_is_one_fault_and_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="cannot be read"):
        load_organization(tmp_path / "none.yaml")


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda each: each.stem)
def test_the_schemas_are_valid_and_closed(schema: Path) -> None:
    loaded = json.loads(schema.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(loaded)
    stack = [loaded]
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            assert "properties" not in each or each["additionalProperties"] is False
            stack += each.values()


def test_schema_and_parser_know_the_same_rules() -> None:
    schema = json.loads(SCHEMAS[1].read_text(encoding="utf-8"))
    assert set(schema["properties"]["rules"]["properties"]) == set(RULES)
    assert set(schema["properties"]["scopes"]["items"]["properties"]["rules"]["properties"]) == set(RULES)


SCALARS = st.sampled_from(
    [
        "https://a.example",
        "d-1234567890",
        "eu-central-1",
        "",
        "x",
        "/",
        "o-a",
        "777788889999",
        "alert",
        "enforce",
        "a/b",
        "token.example.com",
        None,
        True,
        1,
        1.5,
    ]
)
NAMES = st.sampled_from(
    [
        "organization",
        "accounts",
        "id",
        "name",
        "ou",
        "trusted",
        "oidc",
        "issuer",
        "subjects",
        "claims",
        "saml",
        "provider",
        "networks",
        "cidrs",
        "identity",
        "store",
        "region",
        "machines",
        "groups",
        "users",
        "identity_center",
        "tokens",
        "keys",
        "people",
        "pipelines",
        "role",
        "owner",
        "tags",
        "mode",
        "rules",
        "scopes",
        "match",
        "undecidable",
        "world-assumable",
        "severity",
        "hash",
        "zzz",
    ]
)
JSON = st.recursive(SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=5)), max_leaves=12)


@given(JSON)
def test_what_the_parsers_meet_ends_in_values_or_misconfigured(data: object) -> None:
    for parse in (organization_from, guardrails_from):
        try:
            parse(data)
        except Misconfigured:
            continue


def _paths(data: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(each for key, value in inner for each in _paths(value, (*path, key)))]


FILES = [(yaml.safe_load(CONTRACT), organization_from), (yaml.safe_load((CONFIG / "guardrails.yaml").read_text()), guardrails_from)]


@settings(max_examples=300)
@given(st.data())
def test_lambda_accepts_nothing_that_the_schema_refuses(data: st.DataObject) -> None:
    which = data.draw(st.integers(0, 1))
    original, parse = FILES[which]
    changed = json.loads(json.dumps(original))
    path = data.draw(st.sampled_from(_paths(original)[1:]))
    at: Any = changed
    for each in path[:-1]:
        at = at[each]
    value = data.draw(st.one_of(SCALARS, st.just([]), st.just({}), st.just({"zzz": 1}), st.just(["x"])))
    if isinstance(at, dict) and data.draw(st.booleans()):
        at.pop(path[-1])
        at[data.draw(NAMES.filter(lambda name: name != "hash"))] = value
    else:
        at[path[-1]] = value
    if not Draft202012Validator(json.loads(SCHEMAS[which].read_text(encoding="utf-8"))).is_valid(changed):
        with pytest.raises(Misconfigured):
            parse(changed)


WAIVER = {
    "owner": "jane",
    "reason": "until the vendor has moved",
    "from": "2026-11-01",
    "until": "2026-12-31",
    "role": "777788889999/door",
    "rules": ["world-assumable"],
}


@pytest.mark.parametrize(
    "requests",
    [
        {},
        {"principals": {}},
        {"principals": {"AWS": []}},
        {"principals": {"AWS": []}, "where": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}},
        {"where": {}},
        {"where": {"StringEquals": {}}},
        {"where": {"StringEquals": {}, "Bool": {"aws:MultiFactorAuthPresent": "true"}}},
        {"where": {"StringEqual": {"sts:ExternalId": "x"}}},
    ],
    ids=json.dumps,
)
def test_a_waiver_whose_requests_are_spelled_wrong_waives_nothing(tmp_path: Path, requests: Any) -> None:
    """Empty, it would accept everything; with an operator that there is not, it would leave everything undecided."""
    given = {"waivers": [{**WAIVER, "requests": requests}]}
    guardrails_from({"waivers": [WAIVER]})
    with pytest.raises(Misconfigured, match="requests"):
        guardrails_from(given)
    file = tmp_path / "guardrails.yaml"
    file.write_text(json.dumps(given))
    with pytest.raises(InvalidConfiguration, match="requests"):
        load_guardrails(file)
