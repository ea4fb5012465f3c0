"""The preventive twins: what they say, that their proof sees a broken one, and the command."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from doorward.errors import Misconfigured
from doorward.findings.model import Severity
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails, Mode, Role, Rule
from doorward.guardrails.preventive import LONGEST_POLICY, TWINS, Choice, Twin, compact, default_deployers, documents, twins
from doorward.guardrails.preventive_proof import prove
from doorward.iam.documents import parse_document
from doorward.iam.evaluate import Policies, Request, evaluate
from doorward.organization.model import Account, Organization, Pipeline, TrustedAccount, TrustedIssuer
from doorward_cli.main import main

REPO = Path(__file__).parents[2]
SCHEMA = Draft202012Validator(json.loads((REPO / "docs/schemas/doorward.guardrails-export.1.json").read_text()))
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
GITHUB = "token.actions.githubusercontent.com"
COGNITO = "cognito-identity.amazonaws.com"
ACME = Organization(
    id="o-a1b2c3d4e5",
    management_account="123456789012",
    accounts=(Account("123456789012", "management"), Account("777788889999", "prod")),
    trusted_accounts=(TrustedAccount("555566667777", "vendor"), TrustedAccount("666677778888", "partner", external_id_required=False)),
    oidc=(
        TrustedIssuer(GITHUB, ("repo:acme/*",), ("sts.amazonaws.com",)),
        TrustedIssuer("gitlab.com", ("project_path:acme/*",), claims={"namespace_id": ("42",)}),
    ),
    saml=("arn:aws:iam::777788889999:saml-provider/corp",),
    cognito=("eu-west-1:11111111-2222-4333-8444-555555555555",),
    services=("lambda.amazonaws.com",),
    pipelines=(Pipeline("arn:aws:iam::777788889999:role/deploy/DeployRole", "platform"),),
)
DEPLOYERS = default_deployers("aws")
ALL = Choice(with_rules=frozenset({"oidc-unlisted-issuer"}), scp=True, deployers=DEPLOYERS)
USUAL = Choice(scp=True, deployers=DEPLOYERS)


def made(organization: Organization = ACME, choice: Choice = ALL) -> dict[str, Twin]:
    return {each.rule: each for each in twins(organization, Guardrails(), choice)}


def altered(rule: str, **condition: Any) -> list[Twin]:
    """All twins, with the first statement of one changed wherever it stands."""
    before = made()[rule].statements[0]
    return [
        each._replace(statements=tuple({**one, "Condition": condition} if one == before else one for one in each.statements))
        for each in made().values()
    ]


def test_every_guardrail_has_a_twin_that_is_proved() -> None:
    found = made()
    proofs = prove(found.values(), ACME, DEPLOYERS, now=NOW)
    assert tuple(proofs) == tuple(found) == TWINS
    assert {rule: proof.faults for rule, proof in proofs.items() if not proof.is_proved} == {}
    closed = {rule for rule, proof in proofs.items() if proof.closed}
    assert closed == {
        *("world-assumable", "external-account", "outside-organization", "oidc-unscoped-subject", "oidc-unscoped-audience"),
        *("cognito-unscoped-pool", "cognito-guest", "service-foreign-source"),
    }
    assert proofs["vendor-without-external-id"].closed is False
    assert proofs["vendor-without-external-id"].remaining is not None


@pytest.mark.parametrize(
    ("rule", "condition", "says"),
    [
        ("external-account", {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}, "trusted account 555566667777"),
        ("external-account", {"StringEquals": {"aws:PrincipalOrgID": "o-q7w8e9rq7w"}}, "is not denied"),
        ("vendor-without-external-id", {"StringEquals": {"aws:PrincipalAccount": "555566667777"}}, "with an external ID: would be denied"),
        ("oidc-unscoped-subject", {"StringNotLike": {f"{GITHUB}:sub": "repo:acme/*"}}, "gitlab.com"),
        ("oidc-unscoped-subject", {"StringLike": {f"{GITHUB}:sub": "repo:evil/*"}}, "is not denied"),
        ("cognito-guest", {"Null": {f"{COGNITO}:amr": "true"}}, "is not denied"),
        (
            "service-foreign-source",
            {"StringNotEquals": {"aws:SourceOrgID": "o-a1b2c3d4e5"}},
            "does not say for whom it acts: would be denied",
        ),
        (
            "service-foreign-source",
            {"StringNotEqualsIfExists": {"aws:SourceOrgID": "o-a1b2c3d4e5"}, "Null": {"aws:SourceAccount": "false"}},
            "lambda.amazonaws.com, which may act for whomever: would be denied",
        ),
        ("cognito-unscoped-pool", {"StringNotEquals": {f"{COGNITO}:aud": "eu-west-1:1"}}, "signed in to identity pool"),
        ("cognito-unscoped-pool", {"StringEquals": {f"{COGNITO}:aud": "eu-west-1:1"}}, "is not denied"),
        ("trust-writers", {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}, "is not denied"),
    ],
)
def test_a_twin_that_is_too_wide_or_too_narrow_is_not_proved(rule: str, condition: dict[str, Any], says: str) -> None:
    proof = prove(altered(rule, **condition), ACME, DEPLOYERS, now=NOW)[rule]
    assert not proof.is_proved
    assert says in " ".join(proof.faults)


def test_pods_and_users_of_unlisted_pools_go_on_unless_unlisted_issuers_are_shut_out() -> None:
    nobodys = ACME._replace(cognito=())
    assert made(nobodys, USUAL)["oidc-unlisted-issuer"].statements == ()
    found = [each._replace(statements=made(nobodys)["oidc-unlisted-issuer"].statements) if each.rule == "cognito-guest" else each
             for each in made(nobodys, USUAL).values()]  # fmt: skip
    faults = " ".join(prove(found, nobodys, DEPLOYERS, now=NOW)["cognito-guest"].faults)
    assert "pod of an EKS cluster" in faults
    assert "signed in to identity pool" in faults


def test_where_no_pool_is_listed_strangers_pools_have_no_twin() -> None:
    twin = made(ACME._replace(cognito=()))["cognito-unscoped-pool"]
    assert (twin.statements, twin.because) == ((), "no identity pool is listed under trusted.cognito, so nobody said which are yours.")


def test_a_repository_s_subjects_with_ids_are_admitted_and_what_that_leaves_is_said() -> None:
    one_repository = ACME._replace(oidc=(TrustedIssuer(GITHUB, ("repo:acme/app:ref:refs/heads/main",)),))
    proof = prove(made(one_repository).values(), one_repository, DEPLOYERS, now=NOW)["oidc-unscoped-subject"]
    assert proof.is_proved
    assert proof.closed is not True
    assert "other repository" in (proof.remaining or "")


def test_neither_the_management_account_nor_a_service_linked_role_is_bound() -> None:
    rcps = tuple(parse_document(compact(each)) for each in documents(made().values(), "rcp"))
    trust = parse_document(
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}}
    )
    policies = Policies(resource=trust, resource_control_policies=(rcps,))
    stranger = "arn:aws:iam::999988887777:role/any"
    context = {"aws:PrincipalArn": stranger, "aws:PrincipalAccount": "999988887777"}
    member = Request(stranger, "AWS", "sts:AssumeRole", context, "arn:aws:iam::777788889999:role/door", "777788889999")
    assert evaluate(policies, member).outcome == "explicitly_denied"
    assert evaluate(policies, member._replace(resource_in_management_account=True)).outcome == "allowed"
    linked = member._replace(resource="arn:aws:iam::777788889999:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX")
    assert evaluate(policies, linked).outcome == "allowed"


WITNESSED = [
    (rule, row)
    for rule in ("world-assumable", "external-account", "outside-organization", "oidc-unscoped-subject", "oidc-unscoped-audience")
    for row in json.loads((REPO / f"tests/cases/rules/{rule}.json").read_text())["rows"]
    if row["expect"] == "fires" and "organization" not in row
]


@pytest.mark.parametrize(("rule", "row"), [pytest.param(rule, row, id=f"{rule}: {row['name']}") for rule, row in WITNESSED])
def test_whoever_the_judge_finds_by_a_bad_policy_is_denied_by_the_rcp(rule: str, row: dict[str, Any]) -> None:
    text = row["trust_policy"] if isinstance(row["trust_policy"], str) else json.dumps(row["trust_policy"])
    role = Role("777788889999", "door", "/", "arn:aws:iam::777788889999:role/door", "AROADOORDOORDOORDOORD", text)
    found = [each for each in judge(role, ACME, Guardrails(), now=NOW).findings if each.rule == rule and each.witness is not None]
    assert found
    rcps = tuple(parse_document(compact(each)) for each in documents(made().values(), "rcp"))
    for each in found:
        assert each.witness is not None
        asked = Request(
            each.witness.principal, each.witness.principal_type, each.witness.action, each.witness.context, role.arn, role.account_id
        )
        assert evaluate(Policies(resource=parse_document(text)), asked).outcome == "allowed"
        assert evaluate(Policies(resource=parse_document(text), resource_control_policies=(rcps,)), asked).outcome == "explicitly_denied"


def test_what_is_only_observed_or_left_out_has_no_twin() -> None:
    observed = Guardrails(rules={"external-account": Rule("external-account", Severity.HIGH, Mode.OBSERVE)})
    found = {each.rule: each for each in twins(ACME, observed, Choice(without_rules=frozenset({"cognito-guest"})))}
    assert "observes" in (found["external-account"].because or "")
    assert "as you asked" in (found["cognito-guest"].because or "")
    assert found["external-account"].statements == found["cognito-guest"].statements == ()


def test_only_an_organization_has_a_twin() -> None:
    with pytest.raises(Misconfigured, match="organization: missing"):
        twins(Organization(), Guardrails(), Choice())


def test_statements_that_do_not_fit_one_policy_are_divided_and_one_that_fits_none_is_refused() -> None:
    many = ACME._replace(oidc=tuple(TrustedIssuer(f"issuer-{each}.example", (f"team-{each}:*",)) for each in range(40)))
    policies = documents(made(many).values(), "rcp")
    assert len(policies) > 1
    assert max(len(compact(each)) for each in policies) <= LONGEST_POLICY
    sids = [each["Sid"] for policy in policies for each in policy["Statement"]]
    assert len(sids) == len(set(sids)) >= 40
    vendors = ACME._replace(trusted_accounts=tuple(TrustedAccount(str(600000000000 + each), "") for each in range(400)))
    with pytest.raises(Misconfigured, match="statement ExternalAccount has"):
        documents(made(vendors).values(), "rcp")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main(["guardrails", "export", *map(str, arguments)])
    return (status, *capsys.readouterr())


def test_the_command_proves_and_writes_what_aws_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rcp-2.json").write_text("{}")
    status, printed, said = run(capsys, "--config", REPO / "config", "--scp", "--out", tmp_path, "--format", "json")
    result = json.loads(printed)
    SCHEMA.validate(result)
    assert (status, result["proved"]) == (0, True)
    assert "also holds rcp-2.json" in said
    for name, field in (("rcp.json", "resource_control_policies"), ("scp.json", "service_control_policies")):
        assert [json.loads((tmp_path / name).read_text())] == result[field]
        assert len((tmp_path / name).read_text()) <= LONGEST_POLICY
    status, printed, _ = run(capsys, "--config", REPO / "config")
    assert status == 0
    assert "proved: true" in printed
    assert "management account" in printed


def test_what_is_not_proved_is_named_and_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, printed, said = run(
        capsys, "--config", REPO / "config", "--scp", "--deployer", "arn:aws:iam::*:role/*", "--out", tmp_path / "new", "--format", "json"
    )
    result = json.loads(printed)
    SCHEMA.validate(result)
    assert (status, result["proved"]) == (1, False)
    assert "not proved: trust-writers" in said
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--format", "sarif"], "--format sarif: must be table or json"),
        (["--with", "external-account"], "--with external-account: must be oidc-unlisted-issuer"),
        (["--without", "nothing"], "--without nothing: must be world-assumable"),
        (["--deployer", "arn:aws:iam::*:role/x"], "add --scp"),
        (["--scp", "--deployer", "someone"], "--deployer someone: must be the ARN of a role"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, printed, said = run(capsys, "--config", REPO / "config", *arguments)
    assert (status, printed, len(said.splitlines())) == (2, "", 1)
    assert says in said
