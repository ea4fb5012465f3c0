"""The two functions that Slack's calls go through: what they answer, and that nothing of a call is logged."""

import json
import subprocess
import sys
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
import yaml

from doorward import bootstrap
from doorward.decisions.model import EVER
from doorward.errors import Unavailable
from doorward.organization.model import Organization
from doorward.people.model import BY_SLACK, Suspension, Via
from doorward.ports.slack import Asking, Interaction, Kind
from doorward.slack.interactions import interaction_as_text
from doorward.usecases.receive_slack import LONGEST
from tests.fakes import START, FakeSuspensions
from tests.handlers.test_handlers import failures, load
from tests.template.conftest import REPOSITORY
from tests.unit.test_answer_slack import OF_ANN, SlackOffice
from tests.unit.test_receive_slack import SECRET, STRANGE_TEAM, TOKEN, Slack, body_of, command, pressed, submitted

OPENAPI: dict[str, Any] = yaml.safe_load((REPOSITORY / "docs/openapi.yaml").read_text("utf-8"))


class Receiving:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slack = Slack()
        monkeypatch.setattr(bootstrap, "receive_tools", lambda: self.slack.tools)
        self._handler = load("receive_slack").handler

    def __call__(self, body: bytes, about: str = "interactions", *, encoded: bool = False, names: Any = str, **how: Any) -> int:
        signed = self.slack.signed(body, about, **how)
        event = {
            "resource": f"/slack/{about}",
            "httpMethod": "POST",
            "headers": {names("X-Slack-Signature"): signed.signature, names("X-Slack-Request-Timestamp"): signed.timestamp},
            "body": b64encode(body).decode() if encoded else body.decode(),
            "isBase64Encoded": encoded,
        }
        answer = self._handler(event, None)
        self.body = answer["body"]
        assert str(answer["statusCode"]) in OPENAPI["paths"][f"/slack/{about}"]["post"]["responses"]
        return int(answer["statusCode"])


@pytest.fixture
def receiving(monkeypatch: pytest.MonkeyPatch) -> Receiving:
    return Receiving(monkeypatch)


@pytest.mark.parametrize("names", [str, str.lower, str.upper])
@pytest.mark.parametrize("encoded", [False, True])
def test_the_body_is_verified_as_it_was_sent_whatever_the_gateway_made_of_it(receiving: Receiving, names: Any, encoded: bool) -> None:
    assert receiving(body_of(pressed()), encoded=encoded, names=names) == 200
    assert receiving(command(), "commands", encoded=encoded, names=names) == 200
    assert len(receiving.slack.interactions.put_in) == 2


def test_only_a_form_that_stays_is_answered_with_a_body(receiving: Receiving) -> None:
    form = submitted()
    assert receiving(body_of(form)) == 200
    assert receiving.body == ""
    assert receiving(body_of({**form, "view": {**form["view"], "callback_id": Asking.DETAILS}})) == 200
    assert json.loads(receiving.body)["response_action"] == "update"
    assert "whatever it said" not in receiving.body  # nothing of the call
    assert receiving(body_of({**form, "view": {**form["view"], "callback_id": Asking.DETAILS}}), secret="forged") == 401
    assert receiving.body == ""


def test_each_way_of_being_refused_has_its_status(receiving: Receiving) -> None:
    body = body_of(pressed())
    assert receiving(body, secret="forged") == 401
    assert receiving(body, ago=301) == 401
    assert receiving(b"x" * (LONGEST + 1)) == 413
    assert receiving(b"x") == 400
    assert receiving(body_of(pressed(STRANGE_TEAM))) == 403
    assert receiving.slack.interactions.put_in == []
    assert (receiving(body), receiving(body)) == (200, 200)
    assert len(receiving.slack.interactions.put_in) == 1


@pytest.mark.parametrize("event", [{"resource": "/slack/commands"}, {"resource": "/slack/interactions", "headers": None, "body": None}])
def test_a_call_of_nothing_is_not_slacks(receiving: Receiving, event: dict[str, Any]) -> None:
    assert receiving._handler(event, None)["statusCode"] == 401


def test_what_cannot_be_queued_fails_so_that_slack_and_the_alarm_hear_of_it(receiving: Receiving) -> None:
    receiving.slack.interactions.fail_next = [Unavailable("SQS does not answer")]
    with pytest.raises(Unavailable):
        receiving(body_of(pressed()))


def test_nothing_of_a_call_is_logged(receiving: Receiving, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    for body in (body_of(pressed()), body_of({"type": "block_actions", "x": "some-text-of-theirs"}), command("link 0123456789abcdef")):
        receiving(body, "commands" if body.startswith(b"token") else "interactions")
    logged = "\n".join([*(str(vars(each)) for each in caplog.records), *capsys.readouterr()])
    assert "queued" in logged
    for secret in (TOKEN, SECRET, "hooks.slack.com", "some-text-of-theirs", "0123456789abcdef", "trigger"):
        assert secret not in logged


def test_without_a_secret_nothing_of_aws_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(service: str) -> Any:
        return type("Client", (), {"__getattr__": lambda _self, name: pytest.fail(f"{service}.{name}")})()

    monkeypatch.setattr(bootstrap, "client", asked)
    for name, value in {"LEDGER_TABLE": "l", "SLACK_QUEUE_URL": "q", "SLACK_SIGNING_SECRET": "", "SLACK_TEAMS": ""}.items():
        monkeypatch.setenv(name, value)
    slack = Slack()
    call = slack.signed(body_of(pressed()), secret="")
    headers = {"X-Slack-Signature": call.signature, "X-Slack-Request-Timestamp": call.timestamp}
    bootstrap._read_signing_secret.cache_clear()
    event = {"resource": "/slack/interactions", "headers": headers, "body": call.body.decode()}
    assert load("receive_slack").handler(event, None)["statusCode"] == 401


def test_what_receives_imports_nothing_that_only_deciding_needs() -> None:
    code = f"""
import sys; sys.path.insert(0, {str(REPOSITORY / "functions/receive_slack")!r})
import handler; import doorward.aws.slack, doorward.slack.interactions
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.split())
    assert "doorward.usecases.receive_slack" in loaded
    assert not loaded & {"doorward.guardrails.judge", "doorward.usecases.decide", "doorward.slack.web", "boto3"}  # clients come with a call
    assert not [
        each for each in loaded if each.startswith(("aws_lambda_powertools.event_handler", "aws_lambda_powertools.utilities.param"))
    ]


def test_decisions_by_slack_count_where_it_is_configured_and_as_long_as_nobody_suspended_them(monkeypatch: pytest.MonkeyPatch) -> None:
    suspensions = FakeSuspensions()
    monkeypatch.setattr(bootstrap, "suspensions", lambda: suspensions)
    monkeypatch.setenv("HUB_ACCOUNT", "111122223333")
    for configured, ways in (("", {Via.SIGV4}), ("false", {Via.SIGV4}), ("true", {Via.SIGV4, Via.SLACK})):
        monkeypatch.setenv("DECIDE_BY_SLACK", configured)
        assert bootstrap._ways(Organization()) == dict.fromkeys(ways, EVER)
    suspension = Suspension(BY_SLACK, "2026-11-24T09:00:00 e-1", "mallory", "somebody read the secret.", START)
    suspensions.suspend(suspension)
    assert bootstrap._ways(Organization()) == {Via.SIGV4: EVER}
    suspensions.ended.add(suspension.change)
    assert bootstrap._ways(Organization()) == {Via.SIGV4: EVER, Via.SLACK: START}  # what was said before may have been forged
    suspensions.suspend(suspension._replace(scope="111122223333", at=START + timedelta(hours=1)))
    assert bootstrap._ways(Organization())[Via.SIGV4] == START + timedelta(hours=1)


def test_what_was_done_is_answered_and_what_fails_comes_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    office, slack = SlackOffice(), Slack()
    other = interaction_as_text(Interaction(Kind.PRESSED, OF_ANN, "apply", office.value, at=int(START.timestamp()) + 60))
    monkeypatch.setattr(bootstrap, "answer_tools", lambda: office.slack)
    handler = load("answer_slack").handler
    assert slack.calls(slack.signed(body_of(pressed()))).value == "queued"
    body = interaction_as_text(slack.interactions.put_in[0][0])
    records = [{"messageId": "good", "body": body}, {"messageId": "bad", "body": "{"}]
    assert failures(handler({"Records": records}, None)) == ["bad"]
    assert len(office.desk.told) == 1
    office.world.questions.fail_next = [Unavailable("DynamoDB does not answer")]
    assert failures(handler({"Records": [{"messageId": "later", "body": other}]}, None)) == ["later"]
    logged = "\n".join([*(str(vars(each)) for each in caplog.records), *capsys.readouterr()])
    assert "DynamoDB does not answer" in logged
    assert "hooks.slack.com" not in logged
    assert json.loads(body)["format"] == "doorward.slack/1"
