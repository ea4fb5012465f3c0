"""Sessions of the window: whoever was let in by a change that was undone keeps his session unless it is ended.

The deny is bounded on both sides: of sessions issued between the change and the last look that saw it undone, and of no other. It stands
until the longest of them would have ended by itself.

| worst finding that was closed | the role                          | the change      | then                  |
|-------------------------------|-----------------------------------|-----------------|-----------------------|
| below high                    |                                   |                 | nothing               |
| high, critical                | lets in a service that computes   |                 | a person decides      |
| high, critical                |                                   | no event told   | a person decides      |
| high, critical                |                                   | an event told   | the sessions are cut  |

A service that computes gets sessions for what runs, and renews them hours later: until then, what it got within the window would not work.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from doorward.errors import MalformedInput
from doorward.findings.model import Judgement, Severity
from doorward.guardrails.model import Role
from doorward.iam.documents import parse_document
from doorward.values import NamedTuple

POLICY_NAME: Final = "DoorwardSessionCut"
SKEW: Final = timedelta(seconds=10)
"""Before the change: CloudTrail gives whole seconds, and clocks differ."""
MARGIN: Final = timedelta(seconds=10)
"""After the last look: IAM may be behind for seconds, and hand out a session by what stood before."""
LONGEST_SESSION: Final = timedelta(hours=12)
"""Whatever the role says now: an author may have changed that, too."""
_MOST_WINDOWS: Final = 8
_ISSUED: Final = "aws:TokenIssueTime"
# Those that run code of the customer's under a role.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html
_COMPUTES: Final = frozenset(
    {
        "apprunner",
        "batch",
        "bedrock-agentcore",
        "build.apprunner",
        "codebuild",
        "ec2",
        "ecs-tasks",
        "edgelambda",
        "eks",
        "eks-fargate-pods",
        "elasticmapreduce",
        "emr-serverless",
        "glue",
        "lambda",
        "lightsail",
        "pods.eks",
        "sagemaker",
        "ssm",
        "states",
        "tasks.apprunner",
    }
)


class Window(NamedTuple):
    """Sessions issued between the two, neither included. `case_id`: the case by which it was closed."""

    case_id: str
    start: datetime
    until: datetime


class Cut(NamedTuple):
    """What is denied on one role."""

    role_ref: str
    role_id: str
    windows: tuple[Window, ...]


class Cutting(StrEnum):
    NONE = "none"
    ASK = "ask"
    CUT = "cut"


def cutting_for(judgement: Judgement, role: Role, *, change_is_known: bool) -> Cutting:
    """The table above. `role` as it was found."""
    if all(each.severity.rank < Severity.HIGH.rank for each in judgement.counting):
        return Cutting.NONE
    return Cutting.CUT if change_is_known and not _runs_compute(role) else Cutting.ASK


def _runs_compute(role: Role) -> bool:
    """True, too, where that cannot be said."""
    try:
        document = parse_document(role.trust_policy)
    except MalformedInput:
        return True
    principals = (each for statement in document.statements if statement.effect == "Allow" for each in statement.principals or ())
    return any(
        each.type == "Service" and (each.value == "*" or each.value.partition(".amazonaws.com")[0] in _COMPUTES) for each in principals
    )


def with_window(cut: Cut, window: Window) -> Cut:
    """A case has one window. More than an inline policy has room for become one: the neighbours that lie closest."""
    windows = sorted([*(each for each in cut.windows if each.case_id != window.case_id), window], key=lambda each: each.start)
    while len(windows) > _MOST_WINDOWS:
        gaps = [(later.start - earlier.until, place) for place, (earlier, later) in enumerate(pairwise(windows))]
        place = min(gaps)[1]
        earlier, later = windows[place : place + 2]
        windows[place : place + 2] = [later._replace(start=earlier.start, until=max(earlier.until, later.until))]
    return cut._replace(windows=tuple(windows))


def still_needed(windows: Iterable[Window], now: datetime) -> tuple[Window, ...]:
    """Those of which some session may still live."""
    return tuple(each for each in windows if now < over_at(each))


def over_at(window: Window) -> datetime:
    return window.until + LONGEST_SESSION


def cut_policy(windows: Sequence[Window]) -> dict[str, Any]:
    """The inline policy. It allows nothing."""
    statements = [
        {
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {"DateGreaterThan": {_ISSUED: _text(each.start)}, "DateLessThan": {_ISSUED: _text(each.until)}},
        }
        for each in windows
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
