"""Theorems about judging, over policies drawn from a grammar of principals and conditions."""

import json
from collections.abc import Callable
from copy import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from doorward.findings.model import Judgement, Severity, Verdict
from doorward.guardrails import setting
from doorward.guardrails.judge import forget, judge
from doorward.guardrails.model import Guardrails
from doorward.guardrails.remedies import propose
from doorward.iam.documents import parse_document
from doorward.iam.evaluate import Request, evaluate_trust_policy
from tests.unit.test_guardrails_rules import GITHUB, NOW, ORGANIZATIONS, role

KNOWN = ORGANIZATIONS["known"]
OURS, THEIRS, STRANGER = "777788889999", "o-zzzz999988", "999988887777"
ACCOUNTS = [OURS, "444455556666", "555566667777", STRANGER, "123456789012"]

aws_values = st.sampled_from(
    [
        "*",
        *ACCOUNTS,
        *(f"arn:aws:iam::{each}:root" for each in ACCOUNTS),
        f"arn:aws:iam::{STRANGER}:role/ci/deploy",
        f"arn:aws:iam::{OURS}:role/deploy",
        f"arn:aws:iam::{STRANGER}:user/eve",
        f"arn:aws:sts::{STRANGER}:assumed-role/deploy/run-1",
        f"arn:aws:sts::{STRANGER}:federated-user/eve",
        "AROAEXAMPLE123456789A",
    ]
)
PROVIDER = f"arn:aws:iam::{OURS}:oidc-provider/{GITHUB}"
aws_principals = st.builds(lambda values: {"AWS": values}, st.lists(aws_values, min_size=1, max_size=3, unique=True))
principals = st.one_of(aws_principals, aws_principals, st.just({"Federated": PROVIDER}), st.just({"Service": "ec2.amazonaws.com"}))
actions = st.sampled_from(
    ["sts:AssumeRole", "sts:*", "STS:assumerole*", "sts:AssumeRoleWithWebIdentity", ["sts:AssumeRole", "sts:TagSession"]]
)
VALUES = {
    "aws:PrincipalOrgID": ["o-a1b2c3d4e5", THEIRS, "o-*", "o-a1b2*", "*"],
    "aws:PrincipalAccount": [*ACCOUNTS, "9999*", "77778888999?", "*"],
    "aws:PrincipalArn": [
        f"arn:aws:iam::{OURS}:role/*",
        f"arn:aws:iam::{STRANGER}:*",
        "arn:aws:iam::*:role/deploy*",
        f"*{OURS}*",
        "arn:aws:iam::*:user/?ve",
        "arn:aws:*",
    ],
    "aws:PrincipalOrgPaths": ["o-a1b2c3d4e5/*", f"{THEIRS}/r-ab12/*", "*/ou-ab12-*", "*"],
    "aws:PrincipalType": ["AssumedRole", "User"],
    "aws:username": ["eve", "e*"],
    "aws:userid": ["AROAEXAMPLE123456789A:*", "*:run-1", "AIDA*"],
    "sts:ExternalId": ["4f1c2d3e4b5a", "acme-*", "*"],
    "sts:RoleSessionName": ["run-1", "${aws:username}", "*"],
    "aws:PrincipalTag/team": ["platform", "p*"],
    "aws:MultiFactorAuthPresent": ["true", "false"],
    "aws:SourceAccount": [OURS],
    "aws:SourceIp": ["203.0.113.0/24"],
    "aws:Unknown": ["x"],
    f"{GITHUB}:sub": [
        "repo:acme/*",
        "repo:acme*",
        "repo:acme/app:ref:refs/heads/main",
        "*:ref:refs/heads/main",
        "repo:evil/*",
        "repo:acme@1/app@2:*",
    ],
    f"{GITHUB}:aud": ["sts.amazonaws.com", "https://github.com/acme", "*"],
    f"{GITHUB}:repository": ["acme/app", "evil/app", "acme/*"],
    f"{GITHUB}:repository_owner_id": ["123456"],
    f"{GITHUB}:ref": ["refs/heads/main"],
}
OPERATORS = ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "ArnLike", "ArnNotLike"]
FORMS: list[Callable[[str], str]] = [
    lambda name: name,
    lambda name: name,
    lambda name: f"{name}IfExists",
    lambda name: f"ForAllValues:{name}",
    lambda name: f"ForAnyValue:{name}",
]


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    block: dict[str, Any] = {}
    for _ in range(draw(st.integers(0, 3))):
        key = draw(st.sampled_from(list(VALUES)))
        if draw(st.integers(0, 6)) == 0:
            block.setdefault("Null", {})[key] = draw(st.sampled_from(["true", "false"]))
        elif key == "aws:MultiFactorAuthPresent":
            block.setdefault(draw(st.sampled_from(["Bool", "BoolIfExists"])), {})[key] = draw(st.sampled_from(VALUES[key]))
        elif key == "aws:SourceIp":
            block.setdefault(draw(st.sampled_from(["IpAddress", "NotIpAddress"])), {})[key] = VALUES[key]
        else:
            operator = draw(st.sampled_from(FORMS))(draw(st.sampled_from(OPERATORS)))
            block.setdefault(operator, {})[key] = draw(st.lists(st.sampled_from(VALUES[key]), min_size=1, max_size=3, unique=True))
    return block


@st.composite
def statements(draw: st.DrawFn, effect: str = "Allow") -> dict[str, Any]:
    return {"Effect": effect, "Principal": draw(principals), "Action": draw(actions), "Condition": draw(conditions())}


policies = st.builds(
    lambda allows, denies, version: {"Version": version, "Statement": [*allows, *denies]},
    st.lists(statements(), min_size=1, max_size=2),
    st.lists(statements("Deny"), max_size=2),
    st.sampled_from(["2012-10-17", "2012-10-17", "2008-10-17"]),
)
organizations = st.sampled_from([KNOWN, ORGANIZATIONS["github-unlisted"], ORGANIZATIONS["github-by-claim"], ORGANIZATIONS["one-account"]])
SLOW = settings(deadline=None, max_examples=250)


def judged(policy: Any, organization: Any = KNOWN) -> Judgement:
    return judge(role(policy), organization, Guardrails(), now=NOW, strict=True)


def rules_of(judgement: Judgement) -> set[tuple[str, int]]:
    return {(each.rule, each.statement.index) for each in judgement.findings}


def suspected_by(judgement: Judgement) -> set[str]:
    return {each.rule for each in judgement.findings} | {each.rule for each in judgement.undecidable}


@settings(deadline=None, max_examples=500)
@given(policies, organizations)
def test_every_witness_is_allowed_by_the_evaluator_and_lies_in_its_world(policy: Any, organization: Any) -> None:
    result = judged(policy, organization)  # strict: a witness that the evaluator refuses raises
    document = parse_document(json.dumps(policy))
    ours = {OURS, "123456789012", *(each.id for each in organization.accounts)} if organization.id else {OURS}
    trusted = {each.id for each in organization.trusted_accounts}
    for finding in result.findings:
        witness = finding.witness
        assert (witness is None) is (finding.kind != "world")
        if witness is None:
            continue
        request = Request(witness.principal, witness.principal_type, witness.action, witness.context)
        assert evaluate_trust_policy(document, request).outcome == "allowed"
        assert not {each.lower() for each in witness.absent} & {each.lower() for each in witness.context}
        if witness.principal_type == "AWS":
            account = str(witness.context["aws:PrincipalAccount"])
            assert account in witness.principal
            assert f"::{account}:" in str(witness.context["aws:PrincipalArn"])
            assert (account in trusted) is (finding.rule == "vendor-without-external-id")
            assert account not in ours
            assert organization.id is None or witness.context.get("aws:PrincipalOrgID") != organization.id
        elif finding.rule == "oidc-unscoped-subject" and organization is KNOWN:
            subject = str(witness.context[f"{GITHUB}:sub"])
            assert not subject.lower().startswith(("repo:acme/", "repo:acme@"))


@SLOW
@given(policies, statements("Deny"), organizations)
def test_adding_a_deny_never_adds_a_finding(policy: Any, deny: Any, organization: Any) -> None:
    narrower = {**policy, "Statement": [*policy["Statement"], deny]}
    before, after = judged(policy, organization), judged(narrower, organization)
    # A doubt can become a finding of the next rule in line; a compliant statement never can.
    suspected = rules_of(before) | {(each.rule, each.statement.index) for each in before.undecidable}
    at = {index for _, index in suspected}
    assert {index for _, index in rules_of(after)} <= at
    if before.verdict is Verdict.COMPLIANT:
        assert after.verdict is Verdict.COMPLIANT


@SLOW
@given(policies, aws_values, organizations)
def test_adding_a_principal_never_removes_a_finding(policy: Any, added: str, organization: Any) -> None:
    statement = policy["Statement"][0]
    assume("AWS" in statement["Principal"] and added not in statement["Principal"]["AWS"])
    wider = {**statement, "Principal": {"AWS": [*statement["Principal"]["AWS"], added]}}
    before = rules_of(judged(policy, organization))
    after = rules_of(judged({**policy, "Statement": [wider, *policy["Statement"][1:]]}, organization))
    for rule, index in before - after:
        assert rule in {"external-account", "outside-organization"}
        assert ("world-assumable", index) in after


@SLOW
@given(st.lists(aws_values, max_size=4), st.integers(0, 4))
def test_naming_more_principals_never_hides_a_wildcard(others: list[str], position: int) -> None:
    named = [each for each in others if each != "*"]
    named.insert(position, "*")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": named}, "Action": "sts:AssumeRole"}]}
    assert ("world-assumable", 0) in rules_of(judged(policy))


@settings(deadline=None, max_examples=120)
@given(policies, organizations)
def test_a_remedy_applied_leaves_no_finding_and_proposing_again_changes_nothing(policy: Any, organization: Any) -> None:
    door = role(policy)
    found = judge(door, organization, Guardrails(), now=NOW, strict=True)
    for remedy in propose(door, found, None, organization, Guardrails(), closing=found.counting, now=NOW):
        closed = replace(door, trust_policy=json.dumps(remedy.trust_policy))
        again = judge(closed, organization, Guardrails(), now=NOW, strict=True)
        assert [each for each in again.findings if each.severity is not Severity.INFO] == []
        assert list(propose(closed, again, None, organization, Guardrails(), closing=again.counting, now=NOW)) == []


@st.composite
def strangers(draw: st.DrawFn) -> Request:
    """A principal of an account that is neither ours nor trusted, in no organization or another."""
    account = draw(st.sampled_from([STRANGER, "314159265358", "777788880000", "999912345678", "777788889990"]))
    name = draw(st.sampled_from(["deploy", "deploy-1", "eve", "any", OURS]))
    path = draw(st.sampled_from(["", "ci/", f":{OURS}:/"]))
    session = draw(st.sampled_from(["run-1", "any"]))
    form = draw(st.sampled_from(["role", "user", "federated-user"]))
    context: dict[str, str | tuple[str, ...]] = {"aws:PrincipalAccount": account, "aws:PrincipalIsAWSService": "false"}
    if form == "role":
        principal = f"arn:aws:sts::{account}:assumed-role/{name}/{session}"
        context |= {"aws:PrincipalArn": f"arn:aws:iam::{account}:role/{path}{name}", "aws:PrincipalType": "AssumedRole"}
        context["aws:userid"] = f"AROASTRANGERSTRANGERX:{session}"
    elif form == "user":
        principal = f"arn:aws:iam::{account}:user/{path}{name}"
        context |= {"aws:PrincipalArn": principal, "aws:PrincipalType": "User", "aws:username": name, "aws:userid": "AIDASTRANGERSTRANGERX"}
    else:
        principal = f"arn:aws:sts::{account}:federated-user/{name}"
        context |= {"aws:PrincipalArn": principal, "aws:PrincipalType": "FederatedUser", "aws:userid": f"{account}:{name}"}
    organization = draw(st.sampled_from([None, THEIRS, "o-qwertyuiop"]))
    if organization is not None:
        tail = draw(st.sampled_from(["r-ab12/", "r-ab12/ou-ab12-11111111/", "r-zz99/"]))
        context |= {"aws:PrincipalOrgID": organization, "aws:PrincipalOrgPaths": (f"{organization}/{tail}",)}
    if form != "user" or draw(st.booleans()):
        context["aws:MultiFactorAuthPresent"] = draw(st.sampled_from(["true", "false"]))
    for key, values in {
        "sts:ExternalId": ["4f1c2d3e4b5a", "acme-1", "zz"],
        "aws:PrincipalTag/team": ["platform", "x"],
        "aws:SourceIp": ["203.0.113.7", "198.51.100.1"],
    }.items():
        value = draw(st.sampled_from([None, *values]))
        if value is not None:
            context[key] = value
    context["sts:RoleSessionName"] = draw(st.sampled_from(["run-1", "zz"]))
    return Request(principal, "AWS", "sts:AssumeRole", context)


@st.composite
def stranger_tokens(draw: st.DrawFn) -> Request:
    owner = draw(st.sampled_from(["evil", "acme-evil", "xcme", "stranger"]))
    repository = draw(st.sampled_from(["app", "acme", "deploy"]))
    context_part = draw(st.sampled_from(["ref:refs/heads/main", "pull_request", "environment:production"]))
    names = draw(st.sampled_from([f"repo:{owner}/{repository}", f"repo:{owner}@1/{repository}@2", "workflow:acme"]))
    context: dict[str, str | tuple[str, ...]] = {
        f"{GITHUB}:sub": f"{names}:{context_part}",
        f"{GITHUB}:aud": draw(st.sampled_from(["sts.amazonaws.com", "https://github.com/acme", "x"])),
        "aws:FederatedProvider": PROVIDER,
        "aws:PrincipalIsAWSService": "false",
        "sts:RoleSessionName": "run-1",
    }
    if draw(st.booleans()):
        context |= {f"{GITHUB}:repository": f"{owner}/{repository}", f"{GITHUB}:ref": "refs/heads/main"}
        context[f"{GITHUB}:repository_owner_id"] = draw(st.sampled_from(["1", "77"]))
    return Request(PROVIDER, "Federated", "sts:AssumeRoleWithWebIdentity", context)


@settings(deadline=None, max_examples=500)
@given(policies, st.lists(strangers(), min_size=8, max_size=25))
def test_no_stranger_is_allowed_by_a_policy_that_is_called_compliant(policy: Any, requests: list[Request]) -> None:
    document = parse_document(json.dumps(policy))
    if any(evaluate_trust_policy(document, each).outcome == "allowed" for each in requests):
        result = judged(policy)
        rules = suspected_by(result)
        assert rules & {"world-assumable", "external-account", "outside-organization"}


@settings(deadline=None, max_examples=500)
@given(policies, st.lists(stranger_tokens(), min_size=4, max_size=12))
def test_no_token_of_a_stranger_is_allowed_by_a_policy_that_is_called_compliant(policy: Any, requests: list[Request]) -> None:
    document = parse_document(json.dumps(policy))
    if any(evaluate_trust_policy(document, each).outcome == "allowed" for each in requests):
        result = judged(policy)
        assert "oidc-unscoped-subject" in suspected_by(result)


@settings(deadline=None, max_examples=150)
@given(policies)
def test_the_order_of_statements_and_values_does_not_matter(policy: Any) -> None:
    turned = {**policy, "Statement": policy["Statement"][::-1]}
    last = len(policy["Statement"]) - 1
    forward, backward = judged(policy), judged(turned)
    assert rules_of(forward) == {(rule, last - index) for rule, index in rules_of(backward)}
    assert forward.verdict is backward.verdict


SERVICES = ["ec2.amazonaws.com", "glue.amazonaws.com", "states.amazonaws.com", "scheduler.amazonaws.com", "vmie.amazonaws.com",
            "rolesanywhere.amazonaws.com", "service.example.com"]  # fmt: skip
SOURCES = {
    "aws:SourceAccount": [OURS, STRANGER, "7777*", "*"],
    "aws:SourceArn": [f"arn:aws:states:eu-west-1:{OURS}:*", "arn:aws:s3:::acme-logs", "arn:aws:s3:::*", "arn:aws:glue:*"],
    "aws:SourceOrgID": ["o-a1b2c3d4e5", THEIRS, "*"],
    "sts:ExternalId": ["vmimport", "*"],
}


@st.composite
def about_sources(draw: st.DrawFn) -> dict[str, Any]:
    block: dict[str, Any] = {}
    for key in draw(st.lists(st.sampled_from(list(SOURCES)), max_size=2, unique=True)):
        operator = draw(
            st.sampled_from(["StringEquals", "StringLike", "StringNotLike", "StringEqualsIfExists", "ArnLike", "StringNotEquals"])
        )
        block.setdefault(operator, {})[key] = draw(st.lists(st.sampled_from(SOURCES[key]), min_size=1, max_size=2, unique=True))
    return block


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.sampled_from(SERVICES), min_size=2, max_size=4, unique=True),
    about_sources(),
    st.none() | st.builds(dict, Principal=st.sampled_from([{"AWS": "*"}, {"Service": SERVICES[:2]}]), Condition=about_sources()),
    actions,
)
def test_of_services_together_is_found_what_is_found_of_each(services: list[str], condition: Any, deny: Any, action: Any) -> None:
    """And no less than one search of them all finds, which is what is done of more services than people write."""
    denies = [] if deny is None else [{"Effect": "Deny", "Action": "sts:AssumeRole", **deny}]

    def of(named: list[str]) -> Judgement:
        allow = {"Effect": "Allow", "Principal": {"Service": named}, "Action": action, "Condition": condition}
        return judged({"Version": "2012-10-17", "Statement": [allow, *denies]})

    forget()
    together = of(services)
    forget()
    alone = [of([each]) for each in services]
    assert of(services) == together  # of what is known of each, without a search
    assert rules_of(together) == set().union(*map(rules_of, alone))
    assert suspected_by(together) == set().union(*map(suspected_by, alone))
    gravest = max((found.severity.rank for each in alone for found in each.findings), default=None)
    assert max((each.severity.rank for each in together.findings), default=None) == gravest
    with pytest.MonkeyPatch.context() as one_search:
        one_search.setattr(setting, "_MOST_APART", 0)
        forget()
        at_once = of(services)
        forget()
    assert rules_of(at_once) <= rules_of(together)
    assert suspected_by(at_once) <= suspected_by(together)
    assert together.verdict is at_once.verdict


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["*", "Allow", "AWS", "${aws:x}", "sts:AssumeRole"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.sampled_from(["AWS", "Federated"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=300)
@given(statements(), st.sampled_from(["Principal", "Action", "Condition", "Effect", "Sid"]), any_json)
def test_judging_is_total(statement: Any, element: str, value: Any) -> None:
    assert judged({"Version": "2012-10-17", "Statement": [{**statement, element: value}]}).verdict in Verdict
