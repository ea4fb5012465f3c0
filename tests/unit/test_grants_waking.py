"""Which grant a message is about, and what a state machine is told of a failure."""

import json
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from doorward.aws.steps import StepFailed, told_by_kind
from doorward.errors import MalformedInput, Unavailable
from doorward.grants.waking import WAKE, grant_to_wake

GRANT_ID = "01JCXQ5T9M0000000000000000"


@pytest.mark.parametrize(
    "message",
    [
        {"source": "doorward.grants", "detail-type": "GrantRequested", "detail": {"grant_id": GRANT_ID}},
        {"source": "doorward.decisions", "detail-type": "DecisionMade", "detail": {"what": "grant", "grant": {"grant_id": GRANT_ID}}},
        {"format": WAKE, "grant_id": GRANT_ID},
    ],
)
def test_a_message_says_of_which_grant_it_is(message: dict[str, Any]) -> None:
    assert grant_to_wake(json.dumps(message)) == GRANT_ID


@pytest.mark.parametrize(
    "message",
    [
        "",
        "[]",
        "{}",
        json.dumps({"grant_id": GRANT_ID}),
        json.dumps({"detail": {"grant_id": "arn:aws:states:::x"}}),
        json.dumps({"detail": {"grant_id": [GRANT_ID]}}),
        json.dumps({"detail": {"grant": GRANT_ID}}),
        json.dumps({"detail": "grant"}),
        json.dumps({"format": WAKE, "detail": {"grant_id": GRANT_ID}}),
    ],
)
def test_what_names_no_grant_is_malformed(message: str) -> None:
    with pytest.raises(MalformedInput):
        grant_to_wake(message)


class Expected(Exception):  # noqa: N818 - as the state machine's own
    """What a state machine goes by."""


@pytest.mark.parametrize("error", [Unavailable("reading ORDER-4711"), KeyError("ORDER-4711"), RuntimeError("ORDER-4711")])
def test_a_state_machine_is_told_the_kind_of_a_failure_and_nothing_else(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(StepFailed) as raised, told_by_kind(Logger(service="test"), Expected):
        raise error
    assert str(raised.value) == type(error).__name__
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    (logged,) = caplog.records
    assert vars(logged)["error_type"] == type(error).__name__
    assert logged.exc_info is None
    assert ("ORDER-4711" in str(vars(logged))) == isinstance(error, Unavailable)


def test_what_a_state_machine_goes_by_reaches_it_without_a_word() -> None:
    with pytest.raises(Expected) as raised, told_by_kind(Logger(service="test"), Expected):
        raise Expected("ORDER-4711")
    assert raised.value.args == ()
