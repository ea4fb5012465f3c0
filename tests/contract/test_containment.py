"""What the function in the management account answers, and how asking it can go wrong."""

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from doorward.aws.containment import LambdaContainment
from doorward.errors import Misconfigured, Throttled, Unavailable
from doorward.organization.installation import CONTAIN_FUNCTION, CONTAIN_ROLE

MANAGEMENT = "123456789012"
MALLORY = "arn:aws:iam::777788889999:user/mallory"


class _Function:
    """Lambda, and the way to it. `answer` is what Invoke gives, or raises."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.answer = answer
        self.entered: list[tuple[str, ...]] = []
        self.asked: list[Any] = []

    def client(self, *way: str) -> "_Function":
        self.entered.append(way)
        return self

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        assert FunctionName == CONTAIN_FUNCTION
        self.asked.append(json.loads(Payload))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def containment(answer: dict[str, Any] | Exception) -> tuple[LambdaContainment, _Function]:
    function: Any = _Function(answer)
    return LambdaContainment(function, MANAGEMENT), function


def said(answer: object, **more: str) -> dict[str, Any]:
    return {"Payload": io.BytesIO(json.dumps(answer).encode()), **more}


def test_it_enters_by_the_one_role_under_the_alerts_name_and_says_who_and_nothing_else() -> None:
    asking, function = containment(said({"contained": True}))
    assert asking.contain(MALLORY, finding_id="dw-1") is None
    assert function.entered == [("lambda", MANAGEMENT, CONTAIN_ROLE, "dw-1")]
    assert function.asked == [{"author": MALLORY}]


def test_why_it_refuses_is_handed_on() -> None:
    asking, _ = containment(said({"contained": False, "because": "5 are contained already"}))
    assert asking.contain(MALLORY, finding_id="dw-1") == "5 are contained already"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (said({"errorMessage": "timed out"}, FunctionError="Unhandled"), Unavailable),
        (said({"contained": True}, FunctionError="Unhandled"), Unavailable),
        (said(None), Unavailable),
        (said([]), Unavailable),
        (ReadTimeoutError(endpoint_url="https://lambda"), Unavailable),
        (ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "Invoke"), Misconfigured),
        (ClientError({"Error": {"Code": "AccessDeniedException"}}, "Invoke"), Misconfigured),
        (ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke"), Throttled),
    ],
    ids=lambda each: each.__name__ if isinstance(each, type) else "",
)
def test_whatever_else_it_answers_is_never_taken_for_contained(answer: dict[str, Any] | Exception, error: type[Exception]) -> None:
    asking, _ = containment(answer)
    with pytest.raises(error):
        asking.contain(MALLORY, finding_id="dw-1")
