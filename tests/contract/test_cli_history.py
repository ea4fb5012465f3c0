"""`doorward history`: what the reaction wrote into the hub's tables, read back and shown."""

import json
from collections.abc import Callable, Iterator
from copy import replace
from typing import Any

import boto3
import botocore.client
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from jsonschema import Draft202012Validator
from moto import mock_aws

from doorward.aws.ledger import DynamoLedger
from doorward.guardrails.model import Guardrails, Mode
from doorward_cli.main import main
from tests.contract.tables import create_table
from tests.template.conftest import REPOSITORY
from tests.unit.test_react_to_change import BAD, GOOD, PIPELINE, PROD, STRANGER, World, event, role, trusting

SCHEMA = Draft202012Validator(json.loads((REPOSITORY / "docs/schemas/doorward.history.1.json").read_text("utf-8")))
REF = f"{PROD}/payments"
EXTERNAL_ID = "4f1c2d3e-5b6a-4c7d-8e9f-0a1b2c3d4e5f"
TABLES = ("LedgerTable", "BaselinesTable")


@pytest.fixture(autouse=True)
def _hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tables that are called as the template calls them, and CloudFormation's answer to where they are: moto's needs more packages."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        for name in TABLES:
            create_table(boto3.client("dynamodb"), name, name)
        on_call(monkeypatch, "DescribeStackResource", described)
        yield


def on_call(monkeypatch: pytest.MonkeyPatch, operation: str, answer: Callable[[dict[str, Any]], Any]) -> None:
    call = vars(botocore.client.BaseClient)["_make_api_call"]

    def other(client: Any, asked: str, given: dict[str, Any]) -> Any:
        return answer(given) if asked == operation else call(client, asked, given)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", other)


def described(given: dict[str, Any]) -> Any:
    if given["StackName"] != "doorward" or given["LogicalResourceId"] not in TABLES:
        raise ClientError({"Error": {"Code": "ValidationError", "Message": "Stack does not exist"}}, "DescribeStackResource")
    return {"StackResourceDetail": {"PhysicalResourceId": given["LogicalResourceId"]}}


def world(mode: Mode = Mode.ENFORCE) -> World:
    """The reaction on the tables that the stack made."""
    made = World(Guardrails(mode=mode, hash="cafe"))
    ledger = DynamoLedger(boto3.client("dynamodb"), *TABLES, made.clock)
    made.ledger = ledger  # type: ignore[assignment]
    made.tools = replace(made.tools, ledger=ledger)
    return made


def shown(capsys: pytest.CaptureFixture[str], what: str = REF) -> tuple[int, dict[str, Any]]:
    status = main(["history", what, "--format", "json"])
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    SCHEMA.validate(value)
    return status, value


def printed(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = main(["history", REF])
    return status, capsys.readouterr().out


def accepted(made: World, trust: str = GOOD) -> None:
    made.roles.put(role(trust))
    assert made.react(event(document=trust, by=PIPELINE, event_id="e-0")) == ["accepted"]


def violated(made: World, trust: str = BAD, event_id: str = "e-1") -> list[str]:
    made.roles.put(role(trust))
    return made.react(event(document=trust, event_id=event_id))


def test_a_reverted_violation_is_shown_with_who_what_proof_remedy_and_times(capsys: pytest.CaptureFixture[str]) -> None:
    made = world()
    accepted(made)
    assert violated(made) == ["reverted"]
    status, value = shown(capsys)
    assert (status, value["summary"]) == (0, {"cases": 1, "open": 0})
    (case,) = value["cases"]
    assert case["actor"]["arn"] == f"arn:aws:iam::{PROD}:user/jane"
    assert case["found"] == json.loads(BAD)
    assert case["remedy"] == {"kind": "restore", "written": True, "trust_policy": json.loads(GOOD)}
    assert case["findings"][0]["witness"]["context"]["aws:PrincipalAccount"] == STRANGER
    assert {"changed", "opened", "closed"} <= set(case["steps"])
    assert list(case["steps"].values()) == sorted(case["steps"].values())
    assert next(iter(case["steps"])) == "changed"
    ((baseline),) = value["accepted"]
    assert (baseline["trust_policy"], baseline["by"]) == (json.loads(GOOD), PIPELINE)
    status, text = printed(capsys)
    assert status == 0
    for part in (
        "remedied",
        "user/jane",
        "external-account",
        STRANGER,
        "restore, written",
        "closed",
        "accepted",
        PIPELINE,
        "1 case, 0 open",
    ):
        assert part in text, part


def test_cases_stand_from_the_newest_to_the_oldest_and_an_open_one_is_something_to_report(capsys: pytest.CaptureFixture[str]) -> None:
    made = world(Mode.ALERT)
    violated(made, BAD, "e-1")
    made.clock.sleep(60)
    violated(made, trusting("*"), "e-2")
    status, value = shown(capsys)
    assert (status, value["summary"]) == (1, {"cases": 2, "open": 1})
    assert [each["event"]["id"] for each in value["cases"]] == ["e-2", "e-1"]
    assert [each["status"] for each in value["cases"]] == ["standing", "ended"]
    assert printed(capsys)[0] == 1


def test_a_role_is_named_by_its_arn_or_by_account_and_name(capsys: pytest.CaptureFixture[str]) -> None:
    violated(world(Mode.ALERT))
    assert shown(capsys, f"arn:aws:iam::{PROD}:role/team/a/payments")[1] == shown(capsys)[1]


def test_a_role_that_nothing_happened_to_has_an_empty_history(capsys: pytest.CaptureFixture[str]) -> None:
    status, value = shown(capsys, f"{PROD}/other")
    assert (status, value["cases"], value["accepted"]) == (0, [], [])
    assert main(["history", f"{PROD}/other"]) == 0


def test_external_ids_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    def with_id(text: str) -> str:
        value = json.loads(text)
        vendor = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::555566667777:root"}, "Action": "sts:AssumeRole"}
        value["Statement"].append({**vendor, "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}})
        return json.dumps(value)

    made = world()
    accepted(made, with_id(GOOD))
    assert violated(made, with_id(BAD)) == ["reverted"]
    for arguments in (["--format", "json"], []):
        main(["history", REF, *arguments])
        text = capsys.readouterr().out
        assert EXTERNAL_ID not in text
        assert "***" in text or not arguments


@pytest.mark.parametrize(
    "wrong", ["payments", "7777/payments", f"arn:aws:iam::{PROD}:user/jane", f"{PROD}/a b", f"{PROD}/{'x' * 65}", "\x1b[31m"]
)
def test_what_is_no_role_is_a_usage_error_in_one_line(capsys: pytest.CaptureFixture[str], wrong: str) -> None:
    assert main(["history", wrong]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "\x1b" not in said.err


def test_another_stack_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", REF, "--stack", "nowhere"]) == 2
    assert "--stack nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    "failure",
    [
        ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no\n\x1b[31m"}}, "Query"),
        EndpointConnectionError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com"),
    ],
)
def test_what_aws_refuses_is_said_with_the_permission_it_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def refuse(_: dict[str, Any]) -> Any:
        raise failure

    on_call(monkeypatch, "Query", refuse)
    assert main(["history", REF]) == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "\x1b" not in said
    assert "dynamodb:Query" in said or "connect" in said
