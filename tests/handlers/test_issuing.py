"""Credentials on their way through the two functions: they stand in the one answer, and in no log, record or error."""

import json
import logging
import traceback
from typing import Any

import pytest

from doorward import bootstrap
from doorward.errors import Misconfigured, Unavailable
from doorward.people.model import Caller, Machine, Refusal, Via
from doorward.ports.grants import Kind
from doorward.usecases.issue_credentials import MOST_A_MINUTE
from tests.grants_world import GRANT_ID, JANE, JOE
from tests.handlers.test_handlers import load
from tests.handlers.test_serve_api import Called
from tests.unit import test_issue_credentials, test_mint_credentials

CREDENTIALS, CONSOLE = f"/grants/{GRANT_ID}/credentials", f"/grants/{GRANT_ID}/console"
SECRETS = ("a-secret-access-key", "a-session-token", "a-sign-in-token", "ASIAEXAMPLE", "secret-1", "token-1", "ASIA1")


class Issuing(Called):
    """The API, with a grant of Jane's, who calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.issuing = test_issue_credentials.World()
        self.caller = Caller(JANE, Via.SIGV4)
        monkeypatch.setattr(bootstrap, "issue_tools", lambda: self.issuing.tools)


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Issuing:
    return Issuing(monkeypatch)


def shown(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> str:
    return "\n".join([*(str(vars(each)) for each in caplog.records), *capsys.readouterr()])


@pytest.mark.parametrize("via", [Via.SIGV4, Via.JWT])
def test_whose_grant_it_is_gets_credentials_and_a_link(called: Issuing, via: Via) -> None:
    called.caller = Caller(JANE, via)
    under = "/token" if via is Via.JWT else ""
    status, said = called("POST", f"{under}{CREDENTIALS}")
    assert (status, said["secret_access_key"], said["grant_id"]) == (200, "a-secret-access-key", GRANT_ID)
    for body in (None, {}, {"destination": "https://console.aws.amazon.com/s3"}):
        status, said = called("POST", f"{under}{CONSOLE}", body)
        assert (status, "a-sign-in-token" in said["url"]) == (200, True)
    assert [destination for _, destination in called.issuing.broker.asked] == [None, "", "", "https://console.aws.amazon.com/s3"]


@pytest.mark.parametrize("path", [CREDENTIALS, CONSOLE])
@pytest.mark.parametrize(
    ("caller", "status"), [(Caller(JOE, Via.SIGV4), 404), (Caller(Machine("arn:aws:iam::444455556666:role/ci"), Via.SIGV4), 403)]
)
def test_nobody_else_does(called: Issuing, path: str, caller: Caller, status: int) -> None:
    called.caller = caller
    assert called("POST", path)[0] == status
    assert called.issuing.nothing_happened


@pytest.mark.parametrize("body", ["{", "[]", '{"destination": 7}', '{"to": "x"}', "7"])
def test_what_is_no_destination_is_refused(called: Issuing, body: str) -> None:
    assert called("POST", CONSOLE, body)[0] == 400
    assert called("POST", CONSOLE, {"destination": "https://evil.example/"})[0] == 409
    assert called.issuing.nothing_happened


def test_where_the_call_came_from_is_what_the_gateway_saw(called: Issuing) -> None:
    event = {"path": CREDENTIALS, "httpMethod": "POST", "headers": {"X-Forwarded-For": "203.0.113.66"}, "body": None}
    context = {"stage": "v1", "identity": {"sourceIp": "203.0.113.7"}, "requestId": "r-1"}
    called.module.handler({**event, "resource": "/{proxy+}", "queryStringParameters": None, "requestContext": context}, None)
    assert [each.source_ip for each in called.issuing.grants.issues(GRANT_ID)] == ["203.0.113.7"]


def test_too_often_is_said_so(called: Issuing) -> None:
    for _ in range(MOST_A_MINUTE):
        assert called("POST", CREDENTIALS)[0] == 200
    status, said = called("POST", CONSOLE)
    assert (status, "ten times a minute" in said["detail"]) == (429, True)


@pytest.mark.parametrize("failure", [Unavailable("later"), Misconfigured("AccessDenied")])
def test_where_the_broker_fails_it_says_so_and_where_it_refuses_why(called: Issuing, failure: Exception) -> None:
    called.issuing.broker.fails = failure
    assert called("POST", CREDENTIALS)[0] == 503
    called.issuing.broker.fails, called.issuing.broker.refuses = None, Refusal("Too much.", "Less.")
    status, said = called("POST", CREDENTIALS)
    assert (status, said["detail"], said["cure"]) == (409, "Too much.", "Less.")


@pytest.mark.parametrize("path", [CREDENTIALS, CONSOLE])
def test_under_the_same_key_they_are_minted_anew_and_nothing_is_kept(called: Issuing, path: str) -> None:
    for written in (path, f"/token{path}", f"{path}/", f"/token{path}/", f"{path}//"):
        for _ in range(2):
            assert json.loads(called.raw("POST", written, Idempotency_Key="k")["body"])["grant_id"] == GRANT_ID
    assert len(called.issuing.broker.asked) == 10
    assert called.repeats.kept == {}


@pytest.mark.parametrize("path", [CREDENTIALS, CONSOLE])
def test_the_answer_is_for_nobody_on_the_way_to_keep(called: Issuing, path: str) -> None:
    assert called.raw("POST", path)["multiValueHeaders"]["Cache-Control"] == ["no-store"]


def test_the_api_logs_nothing_of_what_it_hands_over(
    called: Issuing, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    for path in (CREDENTIALS, CONSOLE):
        assert called("POST", path)[0] == 200
    assert [each for each in SECRETS if each in shown(caplog, capsys)] == []


class TestTheBroker:
    @pytest.fixture
    def world(self, monkeypatch: pytest.MonkeyPatch) -> test_mint_credentials.World:
        world = test_mint_credentials.World()
        monkeypatch.setattr(bootstrap, "mint_tools", lambda: world.tools)
        return world

    def call(self, issue_id: str = test_mint_credentials.ISSUE_ID) -> Any:
        return load("mint_credentials").handler({"grant_id": GRANT_ID, "issue_id": issue_id}, None)

    def test_tells_its_caller_and_no_log(
        self, world: test_mint_credentials.World, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        caplog.set_level(logging.DEBUG)
        assert self.call()["credentials"]["secret_access_key"] == "secret-1"
        world.issue(test_mint_credentials.OTHER_ID, Kind.CONSOLE)
        assert "token-of-ASIA2" in self.call(test_mint_credentials.OTHER_ID)["console"]["url"]
        assert self.call().keys() == {"refused"}  # it was used
        said = shown(caplog, capsys)
        assert [each for each in (*SECRETS, "secret-2", "token-2", "ASIA2", "SigninToken") if each in said] == []
        assert [each.message for each in caplog.records if each.name == "service_undefined"] == ["Minted", "Minted", "Refused to mint"]

    def test_a_failure_of_doorwards_own_goes_on_with_its_sentence(self, world: test_mint_credentials.World) -> None:
        world.sessions.fail_next = [Misconfigured("opening it: AccessDenied")]
        with pytest.raises(Misconfigured, match="AccessDenied"):
            self.call()

    def test_of_any_other_nothing_goes_on_but_where_it_was(
        self,
        world: test_mint_credentials.World,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(world.grants, "complete_issue", lambda issued: dict[str, str]()[f"a-secret-access-key {issued}"])
        with pytest.raises(RuntimeError) as raised:
            self.call()
        said = "".join(traceback.format_exception(raised.value)) + shown(caplog, capsys)
        assert [each for each in SECRETS if each in said] == []
        assert "KeyError" in shown(caplog, capsys) + str([vars(each) for each in caplog.records])
