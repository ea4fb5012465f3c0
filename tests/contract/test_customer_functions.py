"""What whoever tells rosters and tickets owes: the fakes, and the functions of the customer's alike. Those are the examples of the docs."""

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from doorward.aws.customer_functions import AT_ONCE, LONGEST_ANSWER, CustomerFunction, FunctionOnCall, FunctionTickets, region_of
from doorward.errors import Misconfigured, Unavailable
from doorward.grants.model import Ticket
from doorward.people.model import Person
from doorward.ports.on_call import OnCall
from doorward.ports.tickets import Tickets
from tests.fakes import FakeOnCall, FakeTickets
from tests.template.conftest import REPOSITORY

ARN = "arn:aws:lambda:eu-central-1:444455556666:function:on-call"
JANE, JOE = (Person(f"9067-{name}", f"{name}@acme.example", name.title(), f"{name}@mail.example") for name in ("jane", "joe"))
AT = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
TICKET = Ticket("CHANGE-7", "In Progress", frozenset({"jane@acme.example"}), "joe@acme.example")
ON_CALL_EXAMPLE, TICKET_EXAMPLE = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs/entitlements.md").read_text("utf-8"), re.DOTALL)


def handler_of(example: str, **around: Any) -> Callable[[Any], Any]:
    """The docs' example, with what it takes from the customer's own system."""
    module: dict[str, Any] = dict(around)
    exec(compile(example, "docs/entitlements.md", "exec"), module)  # noqa: S102 - our own text
    return lambda event: module["handler"](event, None)


class Lambda:
    """A client that runs a function, or answers as it is told."""

    def __init__(self, run: Callable[[Any], Any]) -> None:
        self._run = run
        self.asked: list[Any] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - AWS's names
        assert FunctionName == ARN
        self.asked.append(json.loads(Payload))
        said = self._run(self.asked[-1])
        if isinstance(said, Exception):
            raise said
        if isinstance(said, dict) and "Payload" in said:
            return said
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(said).encode())}


def function(run: Callable[[Any], Any]) -> CustomerFunction:
    client: Any = Lambda(run)
    return CustomerFunction(client, ARN)


def answering(said: Any) -> CustomerFunction:
    return function(lambda _: said)


@pytest.fixture(params=["fake", "function"])
def on_call(request: pytest.FixtureRequest) -> OnCall:
    rostered = {JANE.user_name: {"payments", "database"}}
    if request.param == "fake":
        return FakeOnCall(rostered)
    shifts = {("jane@acme.example", "2026-11-26T09:00:00Z"): ["payments", "database"]}
    return FunctionOnCall(function(handler_of(ON_CALL_EXAMPLE, shifts=lambda name, at: shifts.get((name, at), []))))


@pytest.fixture(params=["fake", "function"])
def tickets(request: pytest.FixtureRequest) -> Tickets:
    if request.param == "fake":
        return FakeTickets({TICKET.id: TICKET})
    issues = {"CHANGE-7": SimpleNamespace(status="In Progress", assignee="jane@acme.example", reporter="joe@acme.example")}
    return FunctionTickets(function(handler_of(TICKET_EXAMPLE, issue=issues.get)))


def test_somebody_is_on_call_by_his_rosters_and_others_by_none(on_call: OnCall) -> None:
    assert on_call.rosters(JANE, AT) == {"payments", "database"}
    assert on_call.rosters(JOE, AT) == frozenset()


def test_a_time_is_told_in_utc() -> None:
    asked = Lambda(lambda _: {"format": "doorward.on-call/1", "rosters": []})
    client: Any = asked
    FunctionOnCall(CustomerFunction(client, ARN)).rosters(JANE, AT.astimezone(timezone(timedelta(hours=2))))
    person = {"user_id": JANE.user_id, "user_name": JANE.user_name, "email": JANE.email}
    assert asked.asked == [{"format": "doorward.on-call/1", "person": person, "at": "2026-11-26T09:00:00Z"}]


def test_a_ticket_is_told_as_it_is_and_one_that_is_not_there_is_none(tickets: Tickets) -> None:
    assert tickets.ticket("CHANGE-7") == TICKET
    assert tickets.ticket("CHANGE-8") is None


# What is answered is read as anybody's would be


def answers(payload: bytes, **more: Any) -> dict[str, Any]:
    return {"StatusCode": 200, "Payload": io.BytesIO(payload), **more}


ODD: list[Any] = [
    answers(b""),
    answers(b"null"),
    answers(b"[]"),
    answers(b"{"),
    answers(b"\xff\xfe"),
    answers(b"[" * 60_000),
    answers(b'{"format": "doorward.on-call/2", "rosters": ["payments"]}'),
    answers(b'{"rosters": ["payments"]}'),
    answers(b'{"format": "doorward.on-call/1"}'),
    answers(b'{"format": "doorward.on-call/1", "rosters": "payments"}'),
    answers(b'{"format": "doorward.on-call/1", "rosters": [["payments"]]}'),
    answers(b'{"format": "doorward.on-call/1", "rosters": [""]}'),
    answers(json.dumps({"format": "doorward.on-call/1", "rosters": ["x" * 257]}).encode()),
    answers(json.dumps({"format": "doorward.on-call/1", "rosters": ["x"] * 1001}).encode()),
    answers(b'{"format": "doorward.on-call/1", "rosters": ["payments"]}' + b" " * LONGEST_ANSWER),
    answers(b'{"format": "doorward.on-call/1", "rosters": ["payments"]}', FunctionError="Unhandled"),
    ReadTimeoutError(endpoint_url="https://lambda"),
    ClientError({"Error": {"Code": "ServiceException", "Message": "no"}}, "Invoke"),
    ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "no"}}, "Invoke"),
]


@pytest.mark.parametrize("said", ODD)
def test_what_is_no_answer_is_unavailable(said: Any) -> None:
    with pytest.raises(Unavailable):
        FunctionOnCall(answering(said)).rosters(JANE, AT)


def test_a_function_that_may_not_be_asked_is_misconfigured() -> None:
    said = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "Invoke")
    with pytest.raises(Misconfigured):
        FunctionTickets(answering(said)).ticket("CHANGE-7")


def test_of_a_long_answer_no_more_is_read_than_its_limit() -> None:
    endless = io.BytesIO(b" " * (3 * LONGEST_ANSWER))
    with pytest.raises(Unavailable, match="longer than"):
        FunctionOnCall(answering({"Payload": endless})).rosters(JANE, AT)
    assert endless.tell() == LONGEST_ANSWER + 1


@pytest.mark.parametrize(
    "ticket",
    [
        {"id": "CHANGE-8", "state": "In Progress", "assignees": ["jane@acme.example"], "opened_by": "joe@acme.example"},
        {"state": "In Progress"},
        {"id": "CHANGE-7"},
        {"id": "CHANGE-7", "state": ""},
        {"id": "CHANGE-7", "state": ["In Progress"]},
        {"id": "CHANGE-7", "state": "In Progress", "assignees": "jane@acme.example"},
        {"id": "CHANGE-7", "state": "In Progress", "assignees": None},
        {"id": "CHANGE-7", "state": "In Progress", "opened_by": 7},
        [],
        "CHANGE-7",
        True,
    ],
)
def test_a_ticket_that_is_another_or_in_another_form_is_unavailable(ticket: Any) -> None:
    with pytest.raises(Unavailable):
        FunctionTickets(answering({"format": "doorward.ticket/1", "ticket": ticket})).ticket("CHANGE-7")


def test_an_answer_without_a_ticket_says_nothing_of_it() -> None:
    with pytest.raises(Unavailable):
        FunctionTickets(answering({"format": "doorward.ticket/1"})).ticket("CHANGE-7")


def test_who_opened_a_ticket_and_whose_it_is_need_not_be_known() -> None:
    unknown: list[dict[str, Any]] = [{}, {"opened_by": None, "assignees": []}]
    for more in unknown:
        said = {"format": "doorward.ticket/1", "ticket": {"id": "CHANGE-7", "state": "Open", **more}}
        assert FunctionTickets(answering(said)).ticket("CHANGE-7") == Ticket("CHANGE-7", "Open")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


@given(json_values, st.sampled_from(["doorward.on-call/1", "doorward.ticket/1"]))
def test_whatever_is_answered_is_an_answer_or_unavailable(said: Any, form: str) -> None:
    wrapped = {**said, "format": form} if isinstance(said, dict) else said
    for look in (
        lambda: FunctionOnCall(answering(wrapped)).rosters(JANE, AT),
        lambda: FunctionTickets(answering(wrapped)).ticket("CHANGE-7"),
    ):
        try:
            look()
        except Unavailable:
            continue


def test_a_function_is_asked_in_its_region_once_and_for_seconds() -> None:
    assert region_of(ARN, "us-east-1") == "eu-central-1"
    assert region_of("on-call", "us-east-1") == "us-east-1"
    client = boto3.client("lambda", region_name="us-east-1", config=AT_ONCE)
    config: Any = client.meta.config
    assert (config.read_timeout, config.connect_timeout, config.retries["total_max_attempts"]) == (3, 1, 1)
