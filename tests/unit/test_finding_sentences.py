"""What a finding says of a policy is so: it names the request that its witness shows, and the conditions as they are written."""

import json
from typing import Any

import pytest

from doorward.findings.model import Finding, Judgement, Verdict
from doorward.guardrails.judge import judge
from doorward.guardrails.model import Guardrails
from doorward.organization.model import Organization, TrustedIssuer
from tests.unit.test_guardrails_rules import GITHUB, NOW, ORGANIZATIONS, organization, role

CLUSTER = "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"


def policy(principal: str, condition: dict[str, dict[str, Any]], action: str = "sts:AssumeRoleWithWebIdentity") -> str:
    statement = {"Effect": "Allow", "Principal": {"Federated": principal}, "Action": action, "Condition": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def oidc(issuer: str, condition: dict[str, dict[str, Any]]) -> str:
    return policy(f"arn:aws:iam::777788889999:oidc-provider/{issuer}", condition)


def judged(text: str, ours: Organization = ORGANIZATIONS["known"]) -> Judgement:
    arn = f"arn:{ours.partition}:iam::777788889999:role/door"
    return judge(role(text)._replace(arn=arn), ours, Guardrails(), now=NOW, strict=True)


def finding(rule: str, text: str, ours: Organization = ORGANIZATIONS["known"]) -> Finding:
    return next(each for each in judged(text, ours).findings if each.rule == rule)


def test_of_a_cluster_the_subject_and_the_condition_are_named_although_its_issuer_has_capital_letters() -> None:
    found = finding("cluster-any-service-account", oidc(CLUSTER, {"StringLike": {f"{CLUSTER}:sub": "system:serviceaccount:*:api"}}))
    assert "for one system:serviceaccount:x:api: " in found.because
    assert "StringLike system:serviceaccount:*:api, does not pin a namespace" in found.because


def test_of_a_cluster_the_audience_is_named() -> None:
    ours = organization(TrustedIssuer(CLUSTER, ("system:serviceaccount:payments:*",), ("sts.amazonaws.com",)))
    text = oidc(CLUSTER, {"StringEquals": {f"{CLUSTER}:sub": "system:serviceaccount:payments:api"}})
    assert (
        "a trusted caller's token that was made for another audience, for one https://audience.example/any: "
        in finding("oidc-unscoped-audience", text, ours).because
    )


def test_a_witness_spells_the_issuer_as_its_provider_does() -> None:
    found = finding("cluster-any-service-account", oidc(CLUSTER, {}))
    assert found.witness is not None
    assert f"{CLUSTER}:sub" in found.witness.context


def test_each_operator_on_the_subject_stands_with_its_own_values() -> None:
    condition = {
        "StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"},
        "StringLike": {f"{GITHUB}:sub": "repo:acme*"},
        "StringNotLike": {f"{GITHUB}:sub": "repo:acme/*"},
    }
    assert "StringLike repo:acme* and StringNotLike repo:acme/*" in finding("oidc-unscoped-subject", oidc(GITHUB, condition)).because


@pytest.mark.parametrize(
    ("partition", "page"), [("aws-cn", "https://signin.amazonaws.cn/saml"), ("aws-us-gov", "https://signin.amazonaws-us-gov.com/saml")]
)
def test_the_sign_in_page_that_is_asked_for_is_that_of_the_partition(partition: str, page: str) -> None:
    provider = f"arn:{partition}:iam::777788889999:saml-provider/corp"
    ours = organization()._replace(partition=partition, saml=(provider,))
    assert page in finding("saml-unscoped-audience", policy(provider, {}, "sts:AssumeRoleWithSAML"), ours).because


def test_an_address_that_only_ends_like_the_sign_in_page_reads_like_one() -> None:
    condition = {"StringLike": {"SAML:aud": "https://*.signin.aws.amazon.com/saml"}}
    text = policy("arn:aws:iam::777788889999:saml-provider/corp", condition, "sts:AssumeRoleWithSAML")
    assert "https://app.example/x.signin.aws.amazon.com/saml" in finding("saml-unscoped-audience", text).because


def test_a_role_s_own_property_that_is_compared_with_the_caller_s_keeps_somebody_out() -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    condition = {"StringEquals": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement | {"Condition": condition}]})
    assert judged(text).findings == ()


@pytest.mark.parametrize("key", ["aws:userid", "aws:PrincipalType"])
@pytest.mark.parametrize("kind", ["cluster", "saml"])
def test_what_only_aws_knows_of_a_bearer_is_left_undecided(kind: str, key: str) -> None:
    condition = {"StringLike": {key: "system:serviceaccount:*"}}
    saml = policy("arn:aws:iam::777788889999:saml-provider/corp", condition, "sts:AssumeRoleWithSAML")
    assert judged(oidc(CLUSTER, condition) if kind == "cluster" else saml).verdict is Verdict.UNDECIDABLE


def test_a_customised_subject_of_claims_that_are_not_described_is_left_undecided() -> None:
    condition = {"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"}, "StringLike": {f"{GITHUB}:sub": "enterprise:acme:*"}}
    assert judged(oidc(GITHUB, condition)).verdict is Verdict.UNDECIDABLE


def everybody(condition: dict[str, dict[str, Any]]) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize("operator", ["StringEqualsIfExists", "StringNotEquals", "ForAllValues:StringEquals"])
def test_it_says_where_a_condition_is_met_by_who_has_not_the_key(operator: str) -> None:
    found = finding("world-assumable", everybody({operator: {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}))
    assert f"can satisfy {operator} aws:PrincipalOrgID (met where the key is absent);" in found.because


def test_of_a_key_that_the_caller_has_it_does_not_say_so() -> None:
    found = finding("world-assumable", everybody({"StringLike": {"aws:PrincipalOrgID": "o-*"}}))
    assert "can satisfy StringLike aws:PrincipalOrgID;" in found.because


def test_two_conditions_admit_and_one_admits() -> None:
    account = {"StringEquals": {"aws:PrincipalAccount": "999988887777"}}
    both = account | {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::999988887777:*"}}
    assert "StringEquals aws:PrincipalAccount admits this caller" in finding("external-account", everybody(account)).because
    assert "ArnLike aws:PrincipalArn admit this caller" in finding("external-account", everybody(both)).because


def test_what_is_undecided_of_a_listed_issuer_is_no_reason_to_list_it() -> None:
    ours = organization(TrustedIssuer("acme.app.spacelift.io", ("space:prod-01:*",)))
    asked = oidc("acme.app.spacelift.io", {"StringLike": {"acme.app.spacelift.io:sub": "space:*:stack:net:*"}})
    assert "pin acme.app.spacelift.io:sub to what trusted.oidc lists of it" in judged(asked, ours).undecidable[0].because
    by_user = judged(oidc(CLUSTER, {"StringLike": {"aws:userid": "system:serviceaccount:*"}})).undecidable[0]
    assert "it depends on StringLike aws:userid, which is not decided" in by_user.because


def test_a_number_that_a_branch_may_have_in_its_name_is_shown_as_one() -> None:
    asked = {"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"}, "StringLike": {f"{GITHUB}:sub": "repo:*@4711/*"}}
    found = finding("oidc-unscoped-subject", oidc(GITHUB, asked), organization())
    assert "for one repo:stranger/any:ref:refs/heads/x@4711/x: " in found.because
