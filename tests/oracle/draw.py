"""Trust policies, worlds and requests drawn from a seed: every operator, qualifier and kind of key, in Allow and Deny, and near misses.

Values are drawn from few texts that overlap in part (`repo:acme/*` and `repo:acme*`), so that conditions meet each other.
"""

# ruff: noqa: S311, E501 - drawn, not secret; a row reads best on one line

import json
import random
import re
from typing import Any, Final

from doorward.iam.evaluate import Request
from tests.oracle.encode import GITHUB, ONE_ORGANIZATION, OUR_AUDIENCE, OUR_ORGANIZATION, OURS, PROVIDER, TRUSTED, Form, World

type Json = dict[str, Any]

STRANGERS: Final = ("999988887777", "123123123123")
_FOREIGN_ORGANIZATION: Final = "o-zzzz9999zz"
_STRINGS: Final = ("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike")
_ARNS: Final = ("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike")
_RELATIONS: Final = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
_NUMBERS: Final = tuple(f"Numeric{each}" for each in _RELATIONS)
_DATES: Final = tuple(f"Date{each}" for each in _RELATIONS)
_ADDRESSES: Final = ("IpAddress", "NotIpAddress")
_ALL: Final = (*_STRINGS, *_ARNS, *_NUMBERS, *_DATES, *_ADDRESSES, "Bool", "BinaryEquals")
_BLOCKS: Final = (
    "0.0.0.0/1",
    "128.0.0.0/1",
    "0.0.0.0/0",
    "203.0.113.0/24",
    "203.0.113.128/25",
    "198.51.100.7",
    "10.0.0.0/8",
    "::/0",
    "2001:db8::/32",
    "2600::/12",
)
_INSTANTS: Final = (
    "2020-01-01T00:00:00Z",
    "2026-12-31T23:59:59Z",
    "2027-01-01",
    "2026-12-31T23:59:59.5Z",
    "2030-06",
    "1798761599",
    "9999-12-31T23:59:59Z",
)
_TEXTS: Final = ("team", "Team", "te*", "*m", "t?am", "team-a", "*", "?", "", "a*b*", "${*}")
_VARIABLES: Final = (
    "${aws:PrincipalAccount}",
    "${aws:username}",
    "x-${aws:PrincipalTag/team}",
    "${aws:PrincipalTag/team, 'none'}",
    "${aws:ResourceAccount}",
    "${sts:ExternalId}",
)
_PATHS: Final = (
    "*",
    f"{OUR_ORGANIZATION}/*",
    "o-*",
    "*/ou-ab12-*",
    f"{_FOREIGN_ORGANIZATION}/r-zzzz/*",
    f"{OUR_ORGANIZATION}*",
    f"{ONE_ORGANIZATION}/r-q7w8/",
    "*/r-q7w8/*",
)
_PRINCIPAL_ARNS: Final = (
    "arn:aws:iam::*:role/*", "arn:aws:iam::*:role/deploy-*", "arn:aws:iam::111122223333:*", "arn:aws:iam::999988887777:role/*", "arn:aws:iam::*:*/deploy", "arn:*:role/deploy-*",
    "arn:aws:iam::*:role/*111122223333*", "arn:aws:iam::99998888777?:role/ops/deploy-?", "arn:aws:sts::*:federated-user/*", "arn:aws:iam::999988887777:user/deploy", "*", "arn:aws:iam::*:user/*",
)  # fmt: skip
_SUBJECTS: Final = (
    "repo:acme/*", "repo:acme*", "repo:*", "*", "repo:acme/app:ref:refs/heads/main", "repo:*/app:*", "repo:stranger/*:environment:prod", "repo:*:ref:refs/heads/*",
    "repo:acme/*:*", "repo:ACME/*", "repo:?cme/*", "repo:*:pull_request", "repo:acme-*/*", "repo:*@1/*@1:*", "repository_owner:*", "*:environment:*", "repo:*acme/*",
)  # fmt: skip
# Key, operators that fit it, values.
_AWS_KEYS: Final = (
    ("aws:PrincipalArn", (*_ARNS, *_ARNS, "StringLike", "StringNotLike", "StringEquals"), _PRINCIPAL_ARNS),
    ("aws:PrincipalArn", (*_ARNS, "StringLike", "StringNotLike"), _PRINCIPAL_ARNS),
    ("aws:PrincipalAccount", _STRINGS, (*OURS, *TRUSTED, *STRANGERS, "9*", "*7777", "????????????", "1?????????3?", "*")),
    ("aws:PrincipalOrgID", _STRINGS, (OUR_ORGANIZATION, OUR_ORGANIZATION.upper(), _FOREIGN_ORGANIZATION, ONE_ORGANIZATION, "o-*", "*", "o-z*", "*5")),
    ("aws:PrincipalOrgPaths", ("StringEquals", "StringLike", "StringNotLike", "StringNotEquals"), _PATHS),
    ("aws:PrincipalType", _STRINGS, ("User", "AssumedRole", "Account", "*e*")),
    ("aws:userid", _STRINGS, ("AROA*", "AIDA*", "*:deploy", "AROAEXAMPLEEXAMPLEXX1:*", "*")),
    ("aws:username", _STRINGS, ("deploy", "de*", "*", "Deploy")),
    ("sts:ExternalId", _STRINGS, ("secret", "SECRET", "se*", "?*", "*", "a", "??")),
    ("aws:PrincipalTag/team", _STRINGS, _TEXTS),
    ("aws:PrincipalTag/team", ("StringEquals", "StringNotEquals"), _VARIABLES),
    ("aws:RequestTag/team", (*_STRINGS, "Bool"), (*_TEXTS, "true")),
    ("aws:MultiFactorAuthPresent", ("Bool", "Bool", "StringEquals", "StringNotEquals"), ("true", "false", "True")),
    ("aws:MultiFactorAuthAge", _NUMBERS, ("3600", "0", "129600", "-1", "3600.5", "1e3", "129601")),
    ("aws:TokenIssueTime", _DATES, _INSTANTS),
    ("aws:SourceIdentity", _STRINGS, ("ops", "o*", "*", "x")),
)  # fmt: skip
_COMMON_KEYS: Final = (
    ("aws:SourceIp", _ADDRESSES, _BLOCKS),
    ("aws:VpcSourceIp", _ADDRESSES, _BLOCKS),
    ("aws:CurrentTime", (*_DATES, *_DATES), _INSTANTS),
    ("aws:EpochTime", (*_NUMBERS, *_DATES), ("1798761599", "0", "1600000000", "253402300799", "253402300800")),
    ("sts:RoleSessionName", _STRINGS, ("deploy", "d*", "*@acme.com", "?", "??", "*")),
    ("sts:SourceIdentity", _STRINGS, ("ops", "o*", "*")),
    ("sts:DurationSeconds", _NUMBERS, ("900", "899", "3600", "43200", "43201", "3600.5")),
    ("aws:TagKeys", ("StringEquals", "StringLike", "StringNotLike", "StringNotEquals", "StringEqualsIgnoreCase"), ("team", "t*", "TEAM", "*", "cost", "?")),
    ("sts:TransitiveTagKeys", ("StringEquals", "StringLike", "StringNotEquals"), ("team", "t*", "*")),
    ("aws:SecureTransport", ("Bool", "StringEquals"), ("true", "false")),
    ("aws:PrincipalIsAWSService", ("Bool",), ("true", "false")),
    ("aws:ResourceAccount", _STRINGS, (OURS[0], "*", "9*")),
    ("aws:ResourceOrgID", _STRINGS, (OUR_ORGANIZATION, "o-*", "${aws:PrincipalOrgID}")),
    ("aws:RequestedRegion", _STRINGS, ("us-east-1", "eu-*", "*")),
    ("aws:UserAgent", _STRINGS, ("*", "?*", "", "cli*")),
    ("aws:SourceAccount", _STRINGS, (OURS[0], "*")),
    ("aws:SourceArn", (*_ARNS, *_STRINGS), ("arn:aws:s3:::bucket", "arn:aws:s3:::*", "*")),
    ("acme:Unheard", _STRINGS, ("x", "*")),
)  # fmt: skip
_GITHUB_KEYS: Final = (
    *((f"{GITHUB}:sub", _STRINGS, _SUBJECTS),) * 6,
    *((f"{GITHUB}:aud", _STRINGS, (OUR_AUDIENCE, "sts.*", "*", "https://github.com/acme", "?*")),) * 4,
    (f"{GITHUB}:repository", _STRINGS, ("acme/app", "acme/*", "stranger/*", "*/app", "*", "ACME/app")),
    (f"{GITHUB}:repository_owner", _STRINGS, ("acme", "ac*", "*", "stranger", "ACME")),
    (f"{GITHUB}:repository_id", _STRINGS, ("987654321", "9*", "*", "0")),
    (f"{GITHUB}:environment", _STRINGS, ("prod", "*", "pr?d")),
    (f"{GITHUB}:ref", _STRINGS, ("refs/heads/main", "refs/heads/*")),
    ("aws:FederatedProvider", _STRINGS, (PROVIDER, "*")),
    ("aws:PrincipalOrgID", _STRINGS, (OUR_ORGANIZATION, "*")),
)  # fmt: skip
_PRINCIPALS: Final = (
    *("*",) * 12, *(f"arn:aws:iam::{each}:root" for each in (*OURS, *TRUSTED, *STRANGERS)), STRANGERS[0],
    "arn:aws:iam::999988887777:role/ops/deploy-1", "arn:aws:iam::999988887777:user/deploy", "arn:aws:sts::999988887777:assumed-role/deploy-1/deploy",
    "arn:aws:sts::999988887777:federated-user/deploy", "AROAEXAMPLEEXAMPLEXX1",
)  # fmt: skip

# What AssumeRole takes: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
_BROUGHT = (
    ("sts:ExternalId", re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)),
    ("aws:SourceIdentity", re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)),
    ("aws:PrincipalTag/team", re.compile(r".{1,256}")),
)


def draw_case(seed: int, number: int) -> tuple[Json, World]:
    """The same seed and number give the same policy and world."""
    luck = random.Random(f"{seed}-{number}")
    is_aws = luck.random() < 0.7
    forms: tuple[Form, ...] = ("role", "role", "user", "user", "federated-user")
    if is_aws:
        world = World(
            "aws",
            form=luck.choice(forms),
            only=luck.choice((None, None, STRANGERS[0], TRUSTED[0])),
            organization=luck.choice(("other", "other", "other", "none", "one")),
        )
    else:
        world = World("github", by_name=luck.random() < 0.7, strange_audience=luck.random() < 0.3)
    return draw_policy(luck, is_aws=is_aws), world


def draw_policy(luck: random.Random, *, is_aws: bool) -> Json:
    allows, denies = luck.choices((1, 2, 3), (60, 30, 10))[0], luck.choices((0, 1, 2), (50, 35, 15))[0]
    effects = ["Allow"] * allows + ["Deny"] * denies
    luck.shuffle(effects)
    return {
        "Version": "2012-10-17" if luck.random() < 0.95 else "2008-10-17",
        "Statement": [_statement(luck, each, is_aws=is_aws) for each in effects],
    }


def _statement(luck: random.Random, effect: str, *, is_aws: bool) -> Json:
    statement: Json = {"Effect": effect, "Principal": _principal(luck, is_aws=is_aws)}
    call = "sts:AssumeRole" if is_aws else "sts:AssumeRoleWithWebIdentity"
    actions = (call, call, call, call, "sts:*", [call, "sts:TagSession"], "sts:TagSession", "STS:assume*", "sts:AssumeRole?*")
    statement["NotAction" if luck.random() < 0.03 else "Action"] = luck.choice(actions)
    count = luck.choices((0, 1, 2, 3, 4), (8, 32, 32, 20, 8))[0]
    block: Json = {}
    for _ in range(count):
        operator, key, values = _condition(luck, is_aws=is_aws)
        block.setdefault(operator, {})[key] = values
    if block:
        statement["Condition"] = block
    return statement


def _principal(luck: random.Random, *, is_aws: bool) -> Json:
    if not is_aws and luck.random() < 0.9:
        return {"Federated": PROVIDER if luck.random() < 0.9 else [PROVIDER, f"{PROVIDER}.other"]}
    chosen = luck.choices(_PRINCIPALS, k=luck.choices((1, 2), (80, 20))[0])
    return {"AWS": chosen[0] if len(chosen) == 1 else sorted(set(chosen))}


def _condition(luck: random.Random, *, is_aws: bool) -> tuple[str, str, Any]:
    special = _AWS_KEYS if is_aws else _GITHUB_KEYS
    key, operators, texts = luck.choice(special if luck.random() < 0.7 else _COMMON_KEYS)
    if luck.random() < 0.06:
        return luck.choice(("Null", "Null", "Null", "ForAllValues:Null", "ForAnyValue:Null")), key, luck.choice(("true", "false"))
    operator = luck.choice(operators) if luck.random() < 0.98 else luck.choice(_ALL)
    values = luck.choices(texts if operator in operators else _values_for(operator), k=luck.choices((1, 2, 3), (65, 25, 10))[0])
    several = key in {"aws:PrincipalOrgPaths", "aws:TagKeys", "sts:TransitiveTagKeys"}
    if luck.random() < (0.9 if several else 0.08):
        operator = f"{luck.choice(('ForAllValues', 'ForAnyValue'))}:{operator}"
    if luck.random() < 0.2:
        operator += "IfExists"
    if luck.random() < 0.1:
        key = key.lower()
    return operator, key, values[0] if len(values) == 1 else sorted(set(values))


def _values_for(operator: str) -> tuple[str, ...]:
    """Values of the operator's type, whatever the key: what IAM would store."""
    if operator in _NUMBERS:
        return "3600", "1798761599"
    if operator in _DATES:
        return _INSTANTS
    if operator in _ADDRESSES:
        return _BLOCKS
    if operator in _ARNS:
        return _PRINCIPAL_ARNS
    return ("true", "false") if operator == "Bool" else ("YWJj",) if operator == "BinaryEquals" else _TEXTS


# Requests of strangers, for the judge


def draw_request(luck: random.Random, policy: Json, *, is_aws: bool, resource: str) -> Request:
    """Somebody whom no trust policy may let in: no form of caller and no value is too unlikely, and the policy's own values are tried."""
    return _stranger(luck, policy, resource) if is_aws else _stranger_token(luck, policy, resource)


def _mentioned(luck: random.Random, policy: Json, key: str, otherwise: tuple[str, ...]) -> str:
    """A value that the policy asks for, its wildcards filled; or another."""
    found = [
        each
        for statement in policy["Statement"]
        for keys in statement.get("Condition", {}).values()
        for name, values in keys.items()
        if name.lower() == key.lower()
        for each in ([values] if isinstance(values, str) else values)
    ]
    if not found or luck.random() < 0.4:
        return luck.choice(otherwise)
    return luck.choice(found).replace("*", luck.choice(("", "x", "any"))).replace("?", "x")


def _stranger(luck: random.Random, policy: Json, resource: str) -> Request:
    account, name = luck.choice(STRANGERS), luck.choice(("any", "deploy", "deploy-1", "111122223333"))
    form = luck.choice(("role", "user"))
    path = luck.choice(("", "", "ops/", "111122223333/"))
    arn = f"arn:aws:iam::{account}:{form}/{path}{name}"
    session = luck.choice(("any", "deploy"))
    context: dict[str, str | tuple[str, ...]] = {
        "aws:PrincipalArn": arn,
        "aws:PrincipalAccount": account,
        "aws:PrincipalType": "AssumedRole" if form == "role" else "User",
        "aws:userid": f"AROAANYROLEANYROLE000:{session}" if form == "role" else "AIDAANYUSERANYUSER000",
    }
    if form == "user":
        context["aws:username"] = name
    if form == "role" or luck.random() < 0.5:
        context["aws:MultiFactorAuthPresent"] = luck.choice(("true", "false"))
        context["aws:TokenIssueTime"] = "2026-11-25T00:00:00Z"
    organization = luck.choice((None, _FOREIGN_ORGANIZATION, ONE_ORGANIZATION))
    if organization is not None:
        context["aws:PrincipalOrgID"] = organization
        context["aws:PrincipalOrgPaths"] = (f"{organization}/r-{organization[2:6]}/{luck.choice(('', 'ou-ab12-ab12ab12/'))}",)
    for key, allowed in _BROUGHT:
        value = _mentioned(luck, policy, key, ("any-other-id", "team"))
        if luck.random() < 0.5 and allowed.fullmatch(value):
            context[key] = value
    if luck.random() < 0.5:
        context["aws:MultiFactorAuthAge"] = luck.choice(("0", "1000", "3600", "129600"))
    _common(luck, policy, context)
    principal = f"arn:aws:sts::{account}:assumed-role/{name}/{session}" if form == "role" else arn
    return Request(principal, "AWS", "sts:AssumeRole", {key: value for key, value in context.items() if value}, resource, OURS[0])


def _stranger_token(luck: random.Random, policy: Json, resource: str) -> Request:
    owner = luck.choice(("stranger", "acme-evil", "xcme", "bacme"))
    repository = f"{owner}/{luck.choice(('app', 'any'))}"
    where = luck.choice(("ref:refs/heads/main", "environment:prod", "pull_request"))
    context: dict[str, str | tuple[str, ...]] = {
        f"{GITHUB}:sub": f"repo:{repository}:{where}",
        f"{GITHUB}:aud": _mentioned(luck, policy, f"{GITHUB}:aud", (OUR_AUDIENCE,)) or OUR_AUDIENCE,
        f"{GITHUB}:repository": repository,
        f"{GITHUB}:repository_owner": owner,
        "aws:FederatedProvider": PROVIDER,
    }
    for key, otherwise in (("environment", "prod"), ("ref", "refs/heads/main"), ("repository_id", "987654321")):
        if luck.random() < 0.5:
            context[f"{GITHUB}:{key}"] = otherwise
    _common(luck, policy, context)
    return Request(PROVIDER, "Federated", "sts:AssumeRoleWithWebIdentity", {key: value for key, value in context.items() if value}, resource, OURS[0])  # fmt: skip


def _common(luck: random.Random, policy: Json, context: dict[str, str | tuple[str, ...]]) -> None:
    context |= {
        "aws:SecureTransport": "true",
        "aws:PrincipalIsAWSService": "false",
        "aws:ResourceAccount": OURS[0],
        "aws:ResourceOrgID": OUR_ORGANIZATION,
        "aws:RequestedRegion": luck.choice(("us-east-1", "eu-west-1")),
        "aws:CurrentTime": luck.choice(("2026-11-26T00:00:00Z", "2028-01-01T00:00:00Z")),
        "sts:RoleSessionName": luck.choice(("any", "deploy", "me@acme.com")),
    }
    context["aws:EpochTime"] = "1795651200" if context["aws:CurrentTime"] == "2026-11-26T00:00:00Z" else "1830297600"
    for key, values in (
        ("aws:SourceIp", ("198.51.99.7", "8.8.8.8", "130.1.2.3", "2600::1")),
        ("sts:DurationSeconds", ("900", "3600", "43200")),
        ("aws:UserAgent", ("cli", "any")),
        ("sts:SourceIdentity", ("ops", "any")),
        ("aws:RequestTag/team", ("team", "any", "true")),
    ):
        if luck.random() < 0.5:
            context[key] = luck.choice(values)
    if luck.random() < 0.5:
        keys = luck.choice((("team",), ("team", "cost"), (_mentioned(luck, policy, "aws:TagKeys", ("team",)) or "team",)))
        context["aws:TagKeys"] = keys


def as_text(policy: Json) -> str:
    return json.dumps(policy)
