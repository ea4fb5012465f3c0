"""What makes a role privileged: calls by which whoever holds its session can do what nobody gave him.

The role's policies, less its permissions boundary, are asked by the evaluator for calls on things that no policy has in mind: a role, a
user, a policy, a function of the account with a name of ours. So a permission that is bound to what it names is none of these, and
neither is one that a Deny takes away.

| call                                                                             | what follows                                |
|----------------------------------------------------------------------------------|---------------------------------------------|
| it changes what a role may do, or who may assume it; makes credentials of a user | `alone`: it can do whatever the account can |
| iam:PassRole of any role, and what a service needs to run as that role           | it acts as whichever role it passes         |
| other code, or a command, where somebody else's role runs                        | it acts as that role                        |

What is sure hangs on nothing but what every such request says: conditions on other keys leave it unsure, an Allow's and a Deny's alike.
Likewise a policy or a boundary that was not read. Who is sure of nothing has shown nothing to be safe.

Each call: https://docs.aws.amazon.com/service-authorization/latest/reference/list_identityandaccessmanagement.html, list_awslambda.html, …
PassRole: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
"""

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final

from doorward.errors import MalformedInput
from doorward.guardrails.model import Permissions, Role
from doorward.iam.arns import IAM_REGIONS, is_of_aws, parse_arn
from doorward.iam.documents import Document, Statement, parse_document
from doorward.iam.evaluate import CompiledPolicies, Policies, Request, compile_policies
from doorward.iam.wording import shortened
from doorward.values import NamedTuple


class Power(NamedTuple):
    """`calls`: what shows it; `policy` allows the first of them. `alone`: by these it can do whatever the account can."""

    calls: tuple[str, ...]
    policy: str
    alone: bool


class _Call(NamedTuple):
    """What is asked for. `passed_to`: the service to which a role is passed."""

    action: str
    resource: str
    region: str
    passed_to: str | None = None


class Unsure(NamedTuple):
    """On what it depends, and a clause that says why that is not decided."""

    construct: str
    because: str


_REGION_NAME: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]", re.ASCII)
_MOST_REGIONS: Final = 40  # more than there are

_ROLE, _USER, _POLICY = "iam::{place}:role/{name}", "iam::{place}:user/{name}", "iam::{place}:policy/{name}"
_CHANGES_ITSELF: Final = (
    ("iam:AttachRolePolicy", _ROLE),
    ("iam:PutRolePolicy", _ROLE),
    ("iam:CreatePolicyVersion", _POLICY),
    ("iam:UpdateAssumeRolePolicy", _ROLE),
    ("iam:CreateAccessKey", _USER),
    ("iam:CreateLoginProfile", _USER),
    ("iam:UpdateLoginProfile", _USER),
)
_ON_ITSELF: Final = ("iam:AttachRolePolicy", "iam:PutRolePolicy")
# By the service to which the role is passed: the calls that make it run, each with the resource that it is asked for.
_RUN_AS: Final = {
    "lambda.amazonaws.com": (
        ("lambda:CreateFunction", "lambda:{place}:function:{name}"),
        ("lambda:InvokeFunction", "lambda:{place}:function:{name}"),
    ),
    "ec2.amazonaws.com": (("ec2:RunInstances", "ec2:{place}:instance/i-0123456789abcdef0"),),
    "ecs-tasks.amazonaws.com": (
        ("ecs:RegisterTaskDefinition", "*"),
        ("ecs:RunTask", "ecs:{place}:task-definition/{name}:1"),
    ),
    "cloudformation.amazonaws.com": (("cloudformation:CreateStack", "cloudformation:{place}:stack/{name}/1"),),
    "glue.amazonaws.com": (("glue:CreateJob", "glue:{place}:job/{name}"), ("glue:StartJobRun", "glue:{place}:job/{name}")),
    "codebuild.amazonaws.com": (
        ("codebuild:CreateProject", "codebuild:{place}:project/{name}"),
        ("codebuild:StartBuild", "codebuild:{place}:project/{name}"),
    ),
    "sagemaker.amazonaws.com": (
        ("sagemaker:CreateNotebookInstance", "sagemaker:{place}:notebook-instance/{name}"),
        ("sagemaker:CreatePresignedNotebookInstanceUrl", "sagemaker:{place}:notebook-instance/{name}"),
    ),
    "states.amazonaws.com": (
        ("states:CreateStateMachine", "states:{place}:stateMachine:{name}"),
        ("states:StartExecution", "states:{place}:stateMachine:{name}"),
    ),
}
_ACTS_AS_ANOTHER: Final = (
    ("lambda:UpdateFunctionCode", "lambda:{place}:function:{name}"),
    ("ssm:SendCommand", "ec2:{place}:instance/i-0123456789abcdef0"),
    ("cloudformation:UpdateStack", "cloudformation:{place}:stack/{name}/1"),
)

# Policies of AWS's own that are privileged, by what of them makes them so. Others are taken to be not: their texts are not read.
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html has each text on a page of its own.
_OF_AWS: Final[dict[str, tuple[str, ...]]] = {
    "AdministratorAccess": ("*",),
    "AdministratorAccess-Amplify": (
        *("iam:AttachRolePolicy", "iam:PutRolePolicy", "iam:CreatePolicyVersion", "iam:UpdateAssumeRolePolicy", "iam:PassRole"),
        *("lambda:CreateFunction", "lambda:InvokeFunction", "lambda:UpdateFunctionCode"),
    ),
    "AmazonElasticMapReduceFullAccess": ("iam:PassRole", "ec2:RunInstances", "cloudformation:CreateStack"),
    "AmazonSSMFullAccess": ("ssm:*",),
    "AWSCloudFormationFullAccess": ("cloudformation:*",),
    "IAMFullAccess": ("iam:*",),
    "job-function/SystemAdministrator": ("lambda:UpdateFunctionCode",),
}
_EXCERPTS: Final = {
    name: {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}
    for name, actions in _OF_AWS.items()
} | {
    "PowerUserAccess": {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"}],
    },
    "AWSLambda_FullAccess": {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"},
            {
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": "*",
                "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
            },
        ],
    },
    "AWSDenyAll": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]},
}
CURATED: Final = frozenset(_EXCERPTS)


def power_of(role: Role) -> Power | Unsure | None:
    """The gravest power that the role's policies give, as far as they are known; None: they give none."""
    permissions = role.permissions
    if permissions is None:
        return None
    known: list[tuple[str, Document]] = []
    unread: Unsure | None = None
    for name, text in permissions.policies:
        documents = _read(name, text)
        if documents is None:
            unread = unread or Unsure(f"policy {shortened(name)}", _not_read(permissions))
        known += [(name, each) for each in documents or ()]
    boundary = _boundary_of(role)
    asking = _Asking(role, _regions(role, known))
    most = [(name, _at_most(each)) for name, each in known]
    if isinstance(boundary, Unsure):
        # What it leaves of the rest is not known; without it, there is the most that there can be.
        return None if unread is None and asking.gravest(most, None) is None else boundary
    sure = asking.gravest([(name, _at_least(each)) for name, each in known], boundary and _at_least(boundary))
    if sure is None and unread is not None:
        return unread  # what was read shows nothing; a Deny that was not read could only take away from what it shows
    possible = asking.gravest(most, boundary and _at_most(boundary)) if sure is None else None
    if possible is None:
        return sure
    because = f"it allows {' and '.join(possible.calls)} under conditions that are not decided"
    return Unsure(f"conditions of policy {shortened(possible.policy)}", because)


def _regions(role: Role, known: Iterable[tuple[str, Document]]) -> list[str]:
    """Where calls are asked for: where IAM is at home first, then wherever a policy speaks of."""
    home = IAM_REGIONS.get(_partition(role), IAM_REGIONS["aws"])
    statements = [each for _, document in known for each in document.statements]
    texts = [
        *(text for each in statements for text in (*(each.resources or ()), *(each.not_resources or ()))),
        *(f":::{value}:" for each in statements for condition in each.conditions for value in condition.values),
    ]
    named = {part for text in texts for part in text.split(":")[3:4] if _REGION_NAME.fullmatch(part)}
    return [home, *sorted(named - {home})[:_MOST_REGIONS]]


def _not_read(permissions: Permissions) -> str:
    return f"what it allows was not read ({permissions.unread_because or 'its text is not known'})"


def _read(name: str, text: str | None) -> tuple[Document, ...] | None:
    """What counts of a policy, nothing of one of AWS's own that is not privileged; None where its text is not known."""
    try:
        if text is not None:
            return (parse_document(text),)
    except MalformedInput:
        return None
    if not is_of_aws(name):
        return None
    excerpt = _EXCERPTS.get(name.partition(":policy/")[2])
    return () if excerpt is None else (parse_document(excerpt),)


def _boundary_of(role: Role) -> Document | Unsure | None:
    """None: there is none."""
    arn = role.permissions_boundary
    if arn is None:
        return Unsure("the permissions boundary", "whether the role has one is not known")
    if not arn:
        return None
    documents = _read(arn, None if role.permissions is None else role.permissions.boundary)
    return documents[0] if documents else Unsure(f"the permissions boundary {shortened(arn)}", "what it allows was not read")


def _partition(role: Role) -> str:
    arn = parse_arn(role.arn)
    return "aws" if arn is None else arn.partition


class _Asking:
    """Asks for calls of one role's session in each of the regions, of which IAM's is the first."""

    def __init__(self, role: Role, regions: list[str]) -> None:
        self._partition, self._account_id = _partition(role), role.account_id
        # Of the texts themselves, so that none of them can name what it will be asked for.
        texts = repr(role.permissions).encode("utf-8", "surrogatepass")
        self._whichever = f"whichever-{sha256(texts).hexdigest()[:12]}"
        name = role.name or self._whichever
        self._session = f"arn:{self._partition}:sts::{role.account_id}:assumed-role/{name}/outsider"
        self._own = role.arn or f"arn:{self._partition}:iam::{role.account_id}:role/{name}"
        self._home = regions[0]
        self._contexts = {each: _context(self._own, role.account_id, each) for each in regions}

    def gravest(self, identity: Iterable[tuple[str, Document]], boundary: Document | None) -> Power | None:
        names, documents = zip(*named, strict=True) if (named := tuple(identity)) else ((), ())
        policies = compile_policies(Policies(identity=documents, permissions_boundary=boundary))
        for alone, calls in self._powers():
            allowed = [self._allowed_by(policies, each) for each in calls]
            first = allowed[0]
            if first is not None and None not in allowed:
                return Power(tuple(each.action for each in calls), names[first], alone)
        return None

    def _powers(self) -> Iterator[tuple[bool, tuple[_Call, ...]]]:
        """The gravest first: whether it is enough alone, and the calls that all must be allowed. Calls of IAM have its one region."""
        for action in _ON_ITSELF:
            yield True, (_Call(action, self._own, self._home),)
        for action, resource in _CHANGES_ITSELF:
            yield True, (self._call(action, resource, self._home),)
        for region in self._contexts:
            for service, calls in _RUN_AS.items():
                passing = self._call("iam:PassRole", _ROLE, self._home)._replace(passed_to=service)
                yield False, (passing, *(self._call(action, resource, region) for action, resource in calls))
            for action, resource in _ACTS_AS_ANOTHER:
                yield False, (self._call(action, resource, region),)

    def _call(self, action: str, resource: str, region: str) -> _Call:
        if resource == "*":
            return _Call(action, resource, region)
        place = self._account_id if resource.startswith("iam::") else f"{region}:{self._account_id}"
        return _Call(action, f"arn:{self._partition}:{resource.format(place=place, name=self._whichever)}", region)

    def _allowed_by(self, policies: CompiledPolicies, call: _Call) -> int | None:
        context = self._contexts[call.region]
        context = context if call.passed_to is None else {**context, _PASSED_TO: call.passed_to}
        decision = policies.decide(Request(self._session, "AWS", call.action, context, call.resource, self._account_id))
        if decision.outcome != "allowed":
            return None
        return next((each.index for each in decision.because if each.policy == "identity"), 0)


_PASSED_TO: Final = "iam:PassedToService"


def _context(role_arn: str, account_id: str, region: str) -> dict[str, str]:
    """What every request of the role's session says, whoever he is."""
    return {
        "aws:PrincipalArn": role_arn,
        "aws:PrincipalAccount": account_id,
        "aws:PrincipalType": "AssumedRole",
        "aws:PrincipalIsAWSService": "false",
        "aws:RequestedRegion": region,
        "aws:ResourceAccount": account_id,
        "aws:SecureTransport": "true",
        "aws:ViaAWSService": "false",
    }


_SAID: Final = frozenset(each.lower() for each in (*_context("", "", ""), _PASSED_TO))


def _hangs_on_others(statement: Statement) -> bool:
    """Whether it asks for anything that is not the same for every such request."""
    resources = (*(statement.resources or ()), *(statement.not_resources or ()))
    values = (value for each in statement.conditions for value in each.values)
    return any(each.key.lower() not in _SAID for each in statement.conditions) or any("${" in each for each in (*resources, *values))


def _without_doubt(statement: Statement) -> Statement:
    """Whatever it might apply to."""
    return statement._replace(resources=("*",), not_resources=None, conditions=())


def _at_least(document: Document) -> Document:
    """What the document allows for sure."""
    kept = (
        _without_doubt(each) if _hangs_on_others(each) else each
        for each in document.statements
        if each.effect == "Deny" or not _hangs_on_others(each)
    )
    return document._replace(statements=tuple(kept))


def _at_most(document: Document) -> Document:
    """All that it may allow: under conditions, too, since their keys may be as the caller likes."""
    kept = (
        _without_doubt(each) if each.effect == "Allow" and _may_be_wider(each) else each
        for each in document.statements
        if each.effect == "Allow" or not _may_be_wider(each)
    )
    return document._replace(statements=tuple(kept))


def _may_be_wider(statement: Statement) -> bool:
    return bool(statement.conditions) or _hangs_on_others(statement)
