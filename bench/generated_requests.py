"""Requests of `doorward evaluate` made from a seed: who assumes roles in an organization, and under which policies.

Two corpora: `trust_and_identity` (a trust policy, one identity policy, one SCP level with FullAWSAccess) and `six_layers` (one to three
identity policies, three SCP levels, one or two RCP levels, a permissions boundary and a session policy for some, a trust policy).
About half of the requests should be let in; the rest fail for one of the reasons that occur: the wrong external ID, a foreign
organization, a subject of another repository, a missing Allow in one of the layers.
"""

# ruff: noqa: E501 - a policy reads best on one line

import random
from typing import Any, Final

SEED: Final = 20261123
COUNT: Final = 5_000

_ORGANIZATION: Final = "o-a1b2c3d4e5"
_ACCOUNTS: Final = ("111122223333", "222233334444", "444455556666", "777788889999")
_OUTSIDE: Final = ("555566667777", "999988887777")
_NAMES: Final = ("ci", "deploy", "admin", "reader", "audit", "app-backend", "terraform", "break-glass")
_GITHUB: Final = "token.actions.githubusercontent.com"
_GITLAB: Final = "gitlab.com"
_EKS: Final = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E"
_ALL: Final = {"Effect": "Allow", "Action": "*", "Resource": "*"}

type Json = dict[str, Any]


def generate(*, six_layers: bool, count: int = COUNT, seed: int = SEED) -> list[Json]:
    """`count` requests in the form of docs/contracts.md; the same seed gives the same requests."""
    maker = _Maker(random.Random(f"{seed}-{six_layers}"))  # noqa: S311 - not for secrets
    return [maker.request(number, six_layers=six_layers) for number in range(count)]


def _document(*statements: Json) -> Json:
    return {"Version": "2012-10-17", "Statement": list(statements)}


class _Maker:
    def __init__(self, luck: random.Random) -> None:
        self._luck = luck

    def _often(self, share: float) -> bool:
        return self._luck.random() < share

    def request(self, number: int, *, six_layers: bool) -> Json:
        luck = self._luck
        owner = luck.choice(_ACCOUNTS)
        role = f"arn:aws:iam::{owner}:role/{luck.choice(('', '', 'team/', 'service/app/'))}{luck.choice(_NAMES)}"
        asked = luck.choice((self._principal, self._principal, self._principal, self._web_identity, self._service))(owner, role)
        statements = [asked.pop("statement"), *(self._other_statement(owner) for _ in range(luck.choice((0, 1, 1, 2, 3))))]
        if self._often(0.2):
            statements.append(self._deny())
        luck.shuffle(statements)
        for index, each in enumerate(statements):
            if self._often(0.5):
                each["Sid"] = f"Statement{index}"
        asked = {**asked, "resource": role, "resource_account": owner}
        is_aws = asked.get("principal_type", "AWS") == "AWS"
        policies: Json = {"resource": _document(*statements), "service_control_policies": []}
        if is_aws:
            policies["identity"] = [self._identity(role, asked["action"]) for _ in range(luck.choice((1, 2, 3)) if six_layers else 1)]
            policies["service_control_policies"] = [[_document(dict(_ALL))]]
        if six_layers:
            policies["resource_control_policies"] = [[self._rcp()] for _ in range(luck.choice((1, 2)))]
            if is_aws:
                policies["service_control_policies"] = [self._scps() for _ in range(3)]
                if self._often(0.6):
                    policies["permissions_boundary"] = self._limit(role)
                if self._often(0.4) and ":assumed-role/" in asked["principal"]:
                    policies["session"] = self._limit(role)
        return {"id": number, "request": asked, "policies": policies}

    def _principal(self, owner: str, _: str) -> Json:
        luck = self._luck
        account = luck.choice((owner, luck.choice(_ACCOUNTS), luck.choice(_OUTSIDE)))
        name = luck.choice(_NAMES)
        path = luck.choice(("", "", "path/"))
        is_user = self._often(0.25)
        arn = f"arn:aws:iam::{account}:{'user' if is_user else 'role'}/{path}{name}"
        caller = arn if is_user else f"arn:aws:sts::{account}:assumed-role/{name}/run-{luck.randrange(100)}"
        context: Json = {
            "aws:SecureTransport": "true",
            "aws:PrincipalArn": arn,
            "aws:PrincipalAccount": account,
            "aws:SourceIp": luck.choice(("203.0.113.7", "198.51.100.4", "10.1.2.3")),
        }
        if account in _ACCOUNTS:
            context["aws:PrincipalOrgID"] = _ORGANIZATION
        if self._often(0.5):
            context["sts:ExternalId"] = luck.choice(("acme-7f3a", "other-id"))
        if not is_user:
            context["aws:MultiFactorAuthPresent"] = luck.choice(("true", "false"))
        named = luck.choice((arn, arn, caller, f"arn:aws:iam::{account}:root", account, "*", f"arn:aws:iam::{luck.choice(_ACCOUNTS)}:root"))
        statement: Json = {
            "Effect": "Allow",
            "Principal": {"AWS": self._one_or_several(named, f"arn:aws:iam::{luck.choice(_ACCOUNTS)}:root")},
            "Action": luck.choice(("sts:AssumeRole", "sts:AssumeRole", ["sts:AssumeRole", "sts:TagSession"], "sts:*")),
        }
        condition = self._condition(arn, account)
        if named == "*" and not condition:
            condition = {"StringEquals": {"aws:PrincipalOrgID": _ORGANIZATION}}
        if condition:
            statement["Condition"] = condition
        return {"principal": caller, "action": "sts:AssumeRole", "context": context, "statement": statement}

    def _condition(self, arn: str, account: str) -> Json:
        return self._luck.choice((
            {}, {},
            {"StringEquals": {"sts:ExternalId": "acme-7f3a"}},
            {"StringEquals": {"aws:PrincipalOrgID": _ORGANIZATION}},
            {"StringEquals": {"aws:PrincipalOrgID": [_ORGANIZATION, "o-zzzzzzzzzz"]}, "ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{account}:*/*{arn[-3:]}"}},
            {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
            {"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}},
            {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "198.51.100.0/25"]}},
            {"ArnLike": {"aws:PrincipalArn": [f"arn:aws:iam::{account}:role/*", f"arn:aws:iam::{account}:user/*"]}},
            {"StringLike": {"aws:PrincipalArn": f"arn:aws:iam::{account}:*/*e*"}},
        ))  # fmt: skip

    def _web_identity(self, owner: str, _: str) -> Json:
        luck = self._luck
        issuer, subjects, patterns = luck.choice((
            (_GITHUB, ("repo:acme/app:ref:refs/heads/main", "repo:acme/app:pull_request", "repo:evil/app:ref:refs/heads/main"),
             ("repo:acme/*", "repo:acme/app:ref:refs/heads/main", ["repo:acme/app:*", "repo:acme/infra:*"])),
            (_GITLAB, ("project_path:acme/app:ref_type:branch:ref:main", "project_path:evil/app:ref_type:branch:ref:main"),
             ("project_path:acme/*", "project_path:acme/app:ref_type:branch:ref:main")),
            (_EKS, ("system:serviceaccount:prod:app", "system:serviceaccount:dev:app"), ("system:serviceaccount:prod:*", "system:serviceaccount:prod:app")),
        ))  # fmt: skip
        provider = f"arn:aws:iam::{owner}:oidc-provider/{issuer}"
        context = {
            "aws:SecureTransport": "true",
            f"{issuer}:sub": luck.choice(subjects),
            f"{issuer}:aud": luck.choice(("sts.amazonaws.com", "sts.amazonaws.com", "other")),
        }
        condition: Json = {"StringLike": {f"{issuer}:sub": luck.choice(patterns)}}
        if self._often(0.8):
            condition["StringEquals"] = {f"{issuer}:aud": "sts.amazonaws.com"}
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": provider},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": condition,
        }
        return {
            "principal": provider,
            "principal_type": "Federated",
            "action": "sts:AssumeRoleWithWebIdentity",
            "context": context,
            "statement": statement,
        }

    def _service(self, owner: str, _: str) -> Json:
        luck = self._luck
        service = luck.choice(("lambda.amazonaws.com", "ec2.amazonaws.com", "states.amazonaws.com", "cloudtrail.amazonaws.com"))
        context: Json = {"aws:SecureTransport": "true", "aws:PrincipalIsAWSService": "true"}
        if self._often(0.5):
            context["aws:SourceAccount"] = luck.choice((owner, owner, "999988887777"))
        statement: Json = {
            "Effect": "Allow",
            "Principal": {"Service": self._one_or_several(service, "ecs-tasks.amazonaws.com")},
            "Action": "sts:AssumeRole",
        }
        if self._often(0.4):
            statement["Condition"] = {luck.choice(("StringEquals", "StringEqualsIfExists")): {"aws:SourceAccount": owner}}
        return {"principal": service, "principal_type": "Service", "action": "sts:AssumeRole", "context": context, "statement": statement}

    def _one_or_several(self, value: str, other: str) -> Any:
        return [other, value] if self._often(0.3) and value != "*" else value

    def _other_statement(self, owner: str) -> Json:
        make = self._luck.choice((self._service, self._web_identity, self._principal))
        statement: Json = make(owner, "")["statement"]
        return statement

    def _deny(self) -> Json:
        return self._luck.choice((
            {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": _ORGANIZATION}}},
            {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": {"NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24", "198.51.100.0/24"]}}},
            {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::999988887777:root"}, "Action": "sts:*"},
            {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:TagSession"},
            {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}},
        ))  # fmt: skip

    def _identity(self, role: str, action: str) -> Json:
        luck = self._luck
        account = role.split(":")[4]
        statements: list[Json] = [
            {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": ["arn:aws:s3:::data", "arn:aws:s3:::data/*"]},
            luck.choice((
                {"Effect": "Allow", "Action": action, "Resource": role},
                {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": f"arn:aws:iam::{account}:role/*"},
                {"Effect": "Allow", "Action": ["sts:Assume*", "iam:List*"], "Resource": ["arn:aws:iam::*:role/team/*", f"arn:aws:iam::{account}:role/*"]},
                {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/deploy"},
                dict(_ALL),
            )),
        ]  # fmt: skip
        if self._often(0.15):
            statements.append({"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/*admin"})
        return _document(*statements)

    def _limit(self, role: str) -> Json:
        account = role.split(":")[4]
        return _document(self._luck.choice((
            dict(_ALL), {"Effect": "Allow", "Action": ["sts:*", "s3:*"], "Resource": "*"},
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": f"arn:aws:iam::{account}:role/*"}, {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        )))  # fmt: skip

    def _scps(self) -> list[Json]:
        documents = [_document(dict(_ALL))]
        if self._often(0.5):
            documents.append(_document(self._luck.choice((
                {"Effect": "Deny", "Action": ["organizations:LeaveOrganization", "account:*"], "Resource": "*"},
                {"Effect": "Deny", "NotAction": ["sts:*", "iam:*", "s3:*"], "Resource": "*", "Condition": {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}},
                {"Sid": "Guard", "Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/break-glass", "Condition": {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/admin"}}},
            ))))  # fmt: skip
        return documents

    def _rcp(self) -> Json:
        return _document(self._luck.choice((
            {"Sid": "OurOrganization", "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*",
             "Condition": {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": _ORGANIZATION}, "BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}},
            {"Effect": "Deny", "Principal": "*", "Action": ["sts:*", "s3:*"], "Resource": "*", "Condition": {"BoolIfExists": {"aws:SecureTransport": "false"}}},
            {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": _ORGANIZATION}}},
        )))  # fmt: skip
