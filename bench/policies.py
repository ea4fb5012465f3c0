"""A corpus of trust policies as organizations have them, seeded: services, own accounts, vendors, web identities, wildcards, Denies.

Used to time the judge beside its peers. Nothing in the engine knows it: what is measured holds for what is drawn here, no more.
"""

# ruff: noqa: S311, PLR2004 - a drawn corpus: nothing here is secret, and a share of one in five is just that

import json
import random
from typing import Any, Final

SEED: Final = 20261125
ORGANIZATION_ID: Final = "o-a1b2c3d4e5"
ACCOUNTS: Final = ("123456789012", "111122223333", "444455556666", "222233334444", "777788889999")
VENDORS: Final = ("555566667777", "464622532012")
GITHUB_OWNERS: Final = ("acme", "acme-labs")
_GITHUB: Final = "token.actions.githubusercontent.com"
_SERVICES: Final = ("ec2", "lambda", "ecs-tasks", "states", "events", "codebuild", "firehose", "glue", "scheduler", "sagemaker")
_WORDS: Final = ("deploy", "audit", "billing", "ingest", "search", "reports", "backup", "metrics", "edge", "batch", "ml", "web")


def corpus(count: int, *, seed: int = SEED) -> list[str]:
    """JSON texts; about a third of them break a guardrail."""
    draw = random.Random(seed)
    return [json.dumps(_policy(draw), indent=2 if draw.random() < 0.5 else None) for _ in range(count)]


def organization() -> dict[str, Any]:
    """The org file (docs/contracts.md) that the corpus was drawn for."""
    return {
        "organization": ORGANIZATION_ID,
        "management_account": ACCOUNTS[0],
        "partition": "aws",
        "accounts": [{"id": each, "name": f"account-{each}"} for each in ACCOUNTS],
        "trusted": {
            "accounts": [{"id": each, "name": f"vendor-{each}", "external_id_required": True} for each in VENDORS],
            "oidc": [
                {
                    "issuer": _GITHUB,
                    "subjects": [f"repo:{each}/*" for each in GITHUB_OWNERS],
                    "audiences": ["sts.amazonaws.com"],
                }
            ],
            "saml": [{"provider": f"arn:aws:iam::{ACCOUNTS[4]}:saml-provider/corp"}],
        },
    }


def _policy(draw: random.Random) -> dict[str, Any]:
    kinds = draw.choices(_KINDS, _WEIGHTS, k=draw.choices((1, 2, 3, 4), (55, 25, 12, 8))[0])
    statements = [statement for kind in kinds for statement in kind(draw)]
    for index, each in enumerate(statements):
        if draw.random() < 0.4:
            each["Sid"] = f"{draw.choice(_WORDS).title()}{index}"
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(principal: dict[str, Any], action: Any = "sts:AssumeRole", condition: dict[str, Any] | None = None) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": action}
    if condition:
        statement["Condition"] = condition
    return statement


def _service(draw: random.Random) -> list[dict[str, Any]]:
    names = draw.sample(_SERVICES, draw.choices((1, 2, 3), (75, 20, 5))[0])
    services = [f"{each}.amazonaws.com" for each in names]
    condition = {"StringEquals": {"aws:SourceAccount": draw.choice(ACCOUNTS)}} if draw.random() < 0.2 else None
    return [_allow({"Service": services[0] if len(services) == 1 else services}, condition=condition)]


def _own(draw: random.Random) -> list[dict[str, Any]]:
    accounts = draw.sample(ACCOUNTS, draw.choices((1, 2, 4), (70, 20, 10))[0])
    arns = [f"arn:aws:iam::{each}:{draw.choice(('root', 'role/', 'user/'))}" for each in accounts]
    arns = [each if each.endswith("root") else f"{each}{draw.choice(_WORDS)}-{draw.randrange(1000)}" for each in arns]
    condition = draw.choice(
        (
            None,
            None,
            {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
            {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION_ID}},
            {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{accounts[0]}:role/{draw.choice(_WORDS)}-*"}},
        )
    )
    return [_allow({"AWS": arns[0] if len(arns) == 1 else arns}, condition=condition)]


def _vendor(draw: random.Random) -> list[dict[str, Any]]:
    condition = draw.choices(
        (
            {"StringEquals": {"sts:ExternalId": f"{draw.getrandbits(64):016x}"}},
            None,
            {"StringLike": {"sts:ExternalId": "*"}},
            {"StringEqualsIfExists": {"sts:ExternalId": f"{draw.getrandbits(64):016x}"}},
        ),
        (70, 15, 8, 7),
    )[0]
    return [_allow({"AWS": f"arn:aws:iam::{draw.choice(VENDORS)}:root"}, condition=condition)]


def _stranger(draw: random.Random) -> list[dict[str, Any]]:
    account = f"{draw.randrange(10**12):012d}"
    return [_allow({"AWS": draw.choice((account, f"arn:aws:iam::{account}:root", f"arn:aws:iam::{account}:role/{draw.choice(_WORDS)}"))})]


def _anybody(draw: random.Random) -> list[dict[str, Any]]:
    condition = draw.choice(
        (
            {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION_ID}},
            {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION_ID}, "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/deploy-*"}},
            {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{ORGANIZATION_ID}/*"}},
            {"StringEquals": {"aws:PrincipalAccount": list(draw.sample(ACCOUNTS, 2))}},
            {"StringLike": {"aws:PrincipalOrgID": "o-*"}},
            {"StringEqualsIfExists": {"aws:PrincipalOrgID": ORGANIZATION_ID}},
            {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
            {"StringEquals": {"sts:ExternalId": "shared-secret"}},
        )
    )
    return [_allow({"AWS": "*"}, condition=condition)]


def _github(draw: random.Random) -> list[dict[str, Any]]:
    owner, repo = draw.choice(GITHUB_OWNERS), draw.choice(_WORDS)
    subject = draw.choices(
        (
            f"repo:{owner}/{repo}:ref:refs/heads/main",
            f"repo:{owner}/{repo}:environment:prod",
            f"repo:{owner}/{repo}:*",
            [f"repo:{owner}/{each}:*" for each in draw.sample(_WORDS, 3)],
            f"repo:{owner}/*",
            f"repo:{owner}*",
            f"repo:*/{repo}:*",
            f"repo:stranger-{draw.randrange(100)}/{repo}:*",
        ),
        (30, 15, 20, 10, 10, 5, 5, 5),
    )[0]
    operator = "StringLike" if "*" in str(subject) or draw.random() < 0.3 else "StringEquals"
    condition: dict[str, Any] = {operator: {f"{_GITHUB}:sub": subject}}
    if draw.random() < 0.85:
        condition.setdefault("StringEquals", {})[f"{_GITHUB}:aud"] = "sts.amazonaws.com"
    provider = f"arn:aws:iam::{draw.choice(ACCOUNTS)}:oidc-provider/{_GITHUB}"
    return [_allow({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", condition)]


def _cluster(draw: random.Random) -> list[dict[str, Any]]:
    issuer = f"oidc.eks.eu-west-1.amazonaws.com/id/{draw.getrandbits(128):032X}"
    provider = f"arn:aws:iam::{draw.choice(ACCOUNTS)}:oidc-provider/{issuer}"
    subject = f"system:serviceaccount:{draw.choice(_WORDS)}:{draw.choice(_WORDS)}"
    condition = {"StringEquals": {f"{issuer}:sub": subject, f"{issuer}:aud": "sts.amazonaws.com"}}
    return [_allow({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", condition)]


def _saml(draw: random.Random) -> list[dict[str, Any]]:
    del draw
    condition = {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}}
    return [_allow({"Federated": f"arn:aws:iam::{ACCOUNTS[4]}:saml-provider/corp"}, "sts:AssumeRoleWithSAML", condition)]


def _perimeter(draw: random.Random) -> list[dict[str, Any]]:
    deny = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringNotEqualsIfExists": {"aws:PrincipalOrgID": ORGANIZATION_ID},
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        },
    }
    return [*draw.choice((_anybody, _own, _stranger))(draw), deny]


_KINDS: Final = (_service, _own, _vendor, _stranger, _anybody, _github, _cluster, _saml, _perimeter)
_WEIGHTS: Final = (34, 22, 9, 4, 5, 12, 6, 3, 5)
