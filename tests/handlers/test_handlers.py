"""The handlers: what they answer to Lambda for each way a message can go."""

import importlib.util
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from doorward import bootstrap
from doorward.aws.steps import StepFailed
from doorward.errors import Conflict, DoorwardError, MalformedInput, Misconfigured, Unavailable
from doorward.findings.model import Severity
from doorward.grants.waking import WAKE
from doorward.guard.heartbeats import Spot
from doorward.notices.gathered import Kept, Why
from doorward.organization.model import Organization
from doorward.ports.ledger import Announcement, EventOutcome
from doorward.usecases.keep_token import NothingToWaitFor
from doorward.usecases.notify_people import Tools
from doorward.usecases.send_heartbeats import Round
from tests.fakes import START, FakeBus, FakeChannel, FakeClock, FakeDeadLetters, FakeEvidence, FakeLedger, FakeNotices, FakeReporter
from tests.granting_world import World
from tests.template.conftest import REPOSITORY
from tests.unit.test_authorize_token import CLAIMS, IDENTITY, FakeKeys, token


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{name}_handler", REPOSITORY / "functions" / name / "handler.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def batch(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": f"m-{number}", "body": body} for number, body in enumerate(bodies)]}


def failures(answer: dict[str, Any]) -> list[str]:
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


class TestGrantSteps:
    """advance_grant, keep_token and wake_grant, over one world."""

    TOKEN = "task-token-that-nobody-may-see"

    @pytest.fixture
    def world(self, monkeypatch: pytest.MonkeyPatch) -> World:
        world = World()
        monkeypatch.setattr(bootstrap, "grant_tools", lambda: world.tools)
        for name in ("grants", "questions", "executions"):
            monkeypatch.setattr(bootstrap, name, lambda name=name: getattr(world, name))
        monkeypatch.setattr(bootstrap, "token_seals", lambda: world.seals)
        return world

    def test_a_step_answers_with_an_id_a_state_and_seconds(self, world: World) -> None:
        grant = world.asked()
        answer = load("advance_grant").handler({"grant_id": grant.id, "step": "check"}, None)
        assert (answer["grant_id"], answer["state"], type(answer["wait_seconds"])) == (grant.id, "pending", int)
        assert set(answer) == {"grant_id", "state", "wait_seconds"}

    @pytest.mark.parametrize("given", [{"grant_id": "01JZ1M5T0000000000000ABCDE", "step": "check"}, {"step": "check"}, {"grant_id": 7}])
    def test_a_step_that_fails_tells_its_state_machine_the_kind_alone(self, world: World, given: dict[str, Any]) -> None:
        world.asked()
        with pytest.raises(StepFailed) as raised:
            load("advance_grant").handler(given, None)
        assert str(raised.value) in {"MalformedInput", "KeyError"}

    def test_a_token_is_kept_and_woken_and_goes_into_no_log(
        self, world: World, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        grant = world.asked()
        world.executions.waiting.add(self.TOKEN)
        keep = load("keep_token").handler
        keep({"grant_id": grant.id, "step": "approve", "token": self.TOKEN}, None)
        with pytest.raises(NothingToWaitFor):
            keep({"grant_id": grant.id, "step": "end", "token": self.TOKEN}, None)
        with pytest.raises(StepFailed):
            keep({"grant_id": grant.id, "step": "never", "token": self.TOKEN}, None)
        body = json.dumps({"source": "doorward.decisions", "detail": {"what": "grant", "grant": {"grant_id": grant.id}}})
        assert failures(load("wake_grant").handler(batch(body, body), None)) == []
        assert world.executions.woken == [self.TOKEN]
        said = "\n".join([*(str(vars(each)) for each in caplog.records), *capsys.readouterr()])
        assert grant.id in said
        assert self.TOKEN not in said
        assert "An execution waits" in said

    def test_what_cannot_be_woken_now_comes_again_and_what_is_no_grant_is_put_aside(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dead_letters = FakeDeadLetters()
        monkeypatch.setattr(bootstrap, "dead_letters", lambda: dead_letters)
        grant = world.asked()
        world.executions.fail_next.append(Unavailable("Step Functions does not answer"))
        handler = load("wake_grant").handler
        right, wrong = json.dumps({"format": WAKE, "grant_id": grant.id}), "{}"
        assert failures(handler(batch(right, wrong), None)) == ["m-0"]
        assert [body for body, _ in dead_letters.letters] == [wrong]
        assert failures(handler(batch(right), None)) == []
        assert world.executions.started == [grant.id]


class TestAuthorizeToken:
    METHOD = "arn:aws:execute-api:us-east-1:111122223333:abc/live/GET/me"

    @pytest.fixture
    def answer(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[object], dict[str, Any]]:
        monkeypatch.setattr(bootstrap, "token_tools", lambda: (IDENTITY, FakeKeys(), START))
        handler = load("authorize_token").handler
        return lambda header: handler({"type": "TOKEN", "methodArn": self.METHOD, "authorizationToken": header}, None)

    def test_a_true_token_opens_this_method_and_its_claims_go_on(self, answer: Callable[[object], dict[str, Any]]) -> None:
        for scheme in ("Bearer", "bearer"):
            answered = answer(f"{scheme} {token()}")
            [statement] = answered["policyDocument"]["Statement"]
            assert statement == {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": self.METHOD}
            assert json.loads(answered["context"]["claims"]) == CLAIMS
            assert answered["principalId"] == f"{CLAIMS['iss']} {CLAIMS['sub']}"

    @pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic {}", "{}", "Bearer  {}", "Bearer {} x", "Bearer {}x", 7])
    def test_anything_else_is_denied_and_told_why(self, answer: Callable[[object], dict[str, Any]], header: object) -> None:
        answered = answer(header.format(token()) if isinstance(header, str) else header)
        assert answered["policyDocument"]["Statement"][0]["Effect"] == "Deny"
        assert answered["context"].keys() == {"because", "cure"}

    def test_where_it_cannot_be_known_it_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        keys = FakeKeys(fail_next=[Unavailable("later")])
        monkeypatch.setattr(bootstrap, "token_tools", lambda: (IDENTITY, keys, START))
        with pytest.raises(Unavailable):
            load("authorize_token").handler({"methodArn": self.METHOD, "authorizationToken": f"Bearer {token()}"}, None)

    def test_no_token_is_ever_logged(self, answer: Callable[[object], dict[str, Any]], caplog: pytest.LogCaptureFixture) -> None:
        text = token()
        for header in (f"Bearer {text}", text, f"Basic {text}", f"Bearer {text}x"):
            answer(header)
        logged = "\n".join(str(vars(each)) for each in caplog.records)
        assert [each.message for each in caplog.records] == ["Let a token through", *["Refused a token"] * 3]
        for part in text.split("."):
            assert part not in logged


class TestReactToChange:
    @pytest.fixture
    def dead_letters(self, monkeypatch: pytest.MonkeyPatch) -> FakeDeadLetters:
        letters = FakeDeadLetters()
        monkeypatch.setattr(bootstrap, "dead_letters", lambda: letters)
        monkeypatch.setattr(bootstrap, "reaction_tools", lambda: None)
        return letters

    @pytest.fixture
    def module(self, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
        module = load("react_to_change")

        def react(body: str, tools: None) -> tuple[EventOutcome, ...]:
            failure = {
                "malformed": MalformedInput("$.account is missing"),
                "misconfigured": Misconfigured("no role"),
                "unavailable": Unavailable("later"),
                "conflict": Conflict("again"),
                "bug": KeyError("oops"),
            }.get(body)
            if failure is not None:
                raise failure
            return (EventOutcome("777788889999", "e", "CreateRole", "777788889999/x", "passed", "ok", START, START),)

        monkeypatch.setattr(module, "react_to_change", react)
        return module

    def test_a_message_that_was_handled_is_gone(self, module: ModuleType, dead_letters: FakeDeadLetters) -> None:
        assert failures(module.handler(batch("fine", "fine"), None)) == []
        assert dead_letters.letters == []

    @pytest.mark.parametrize(("body", "reason"), [("malformed", "$.account is missing"), ("misconfigured", "no role")])
    def test_what_can_never_work_is_put_aside_with_its_reason_and_not_tried_again(
        self, module: ModuleType, dead_letters: FakeDeadLetters, body: str, reason: str
    ) -> None:
        assert failures(module.handler(batch(body), None)) == []
        assert dead_letters.letters == [(body, reason)]

    @pytest.mark.parametrize("body", ["unavailable", "conflict", "bug"])
    def test_what_may_work_later_comes_again_and_is_not_put_aside(
        self, module: ModuleType, dead_letters: FakeDeadLetters, body: str
    ) -> None:
        assert failures(module.handler(batch(body), None)) == ["m-0"]
        assert dead_letters.letters == []

    def test_one_bad_message_does_not_hold_up_the_others(self, module: ModuleType, dead_letters: FakeDeadLetters) -> None:
        assert failures(module.handler(batch("bug", "fine", "malformed", "unavailable", "fine"), None)) == ["m-0", "m-3"]
        assert [body for body, _ in dead_letters.letters] == ["malformed"]

    @pytest.mark.parametrize("failure", [Unavailable("no"), Misconfigured("no")])
    def test_what_could_not_be_put_aside_is_not_lost(
        self, module: ModuleType, dead_letters: FakeDeadLetters, failure: DoorwardError
    ) -> None:
        dead_letters.fail_next = [failure]
        assert failures(module.handler(batch("malformed"), None)) == ["m-0"]


class TestPublishOutbox:
    @pytest.fixture
    def ledger(self, monkeypatch: pytest.MonkeyPatch) -> FakeLedger:
        ledger = FakeLedger(FakeClock())
        for number in range(3):
            ledger.announce(Announcement(f"a-{number}", "TrustViolationFound", {}, START))
        monkeypatch.setattr(bootstrap, "ledger", lambda: ledger)
        return ledger

    @staticmethod
    def records(*ids: str) -> dict[str, Any]:
        def keys(pk: str, sk: str) -> dict[str, Any]:
            return {"pk": {"S": pk}, "sk": {"S": sk}}

        return {
            "Records": [
                {"eventID": each, "dynamodb": {"Keys": keys(f"OUTBOX#{each}", "ANNOUNCEMENT"), "SequenceNumber": f"s-{each}"}}
                for each in ids
            ]
        }

    def test_a_turn_of_the_kill_switch_is_told_and_comes_again_where_that_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[tuple[str, str]] = []
        turned = {"eventID": "c-1", "dynamodb": {"Keys": {"pk": {"S": "STOP"}, "sk": {"S": "organization"}}, "SequenceNumber": "s-1"}}

        def tell(scope: str, change_id: str) -> bool:
            if not told:
                told.append((scope, change_id))
                raise Unavailable("no")
            told.append((scope, change_id))
            return True

        monkeypatch.setattr(bootstrap, "tell_stop", tell)
        module = load("publish_outbox")
        assert failures(module.handler({"Records": [turned]}, None)) == ["s-1"]
        assert failures(module.handler({"Records": [turned]}, None)) == []
        assert told == [("organization", "c-1")] * 2

    def test_every_new_announcement_is_published_in_order(self, ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch) -> None:
        bus = FakeBus()
        monkeypatch.setattr(bootstrap, "bus", lambda: bus)
        assert failures(load("publish_outbox").handler(self.records("a-0", "a-1", "a-2"), None)) == []
        assert [each.id for each in bus.published] == ["a-0", "a-1", "a-2"]

    def test_the_stream_goes_on_from_the_first_failure(self, ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch) -> None:
        bus = FakeBus(fail_next=[Unavailable("no")])
        monkeypatch.setattr(bootstrap, "bus", lambda: bus)
        module = load("publish_outbox")
        assert failures(module.handler(self.records("a-0", "a-1"), None)) == ["s-a-0"]
        assert bus.published == []
        assert failures(module.handler(self.records("a-0", "a-1"), None)) == []
        assert [each.id for each in bus.published] == ["a-0", "a-1"]


class TestNotifyPeople:
    def test_a_message_that_nobody_could_be_told_of_comes_again_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ledger = FakeLedger(FakeClock())
        channel = FakeChannel("sns", fail_next=[Unavailable("no")])
        tools = Tools((channel,), lambda _contact: channel, Organization(), ledger, FakeNotices(), FakeClock())
        monkeypatch.setattr(bootstrap, "notify_tools", lambda: tools)
        bodies = [
            json.dumps({"source": "doorward.guardrails", "detail-type": "TrustViolationFound", "detail": {"announcement_id": each}})
            for each in ("a", "b")
        ]
        module = load("notify_people")
        assert failures(module.handler(batch(*bodies, "not ours"), None)) == ["m-0", "m-2"]
        assert [each.announcement_id for each in channel.messages] == ["b"]

    def test_a_schedules_turn_sends_what_was_kept_and_comes_again_where_that_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        channel = FakeChannel("sns", fail_next=[Unavailable("no")])
        tools = Tools((channel,), lambda _contact: channel, Organization(), FakeLedger(FakeClock()), FakeNotices(), FakeClock())
        tools.notices.gather(Why.DIGEST, Kept("sns", "a", Severity.LOW, "long-session", "777788889999/x", START))
        monkeypatch.setattr(bootstrap, "notify_tools", lambda: tools)
        module, turn = load("notify_people"), '{"format": "doorward.turn/1", "send": "digest"}'
        assert failures(module.handler(batch(turn), None)) == ["m-0"]
        assert failures(module.handler(batch(turn, turn), None)) == []
        assert len(channel.messages) == 1


class TestWhatIsKeptAndReported:
    """keep_evidence and report_findings, each on a step of a case."""

    @pytest.fixture(params=["keep_evidence", "report_findings"])
    def module(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
        ledger, clock = FakeLedger(FakeClock()), FakeClock()
        for name, made in (("ledger", ledger), ("clock", clock), ("evidence", FakeEvidence()), ("reporters", (FakeReporter("ocsf"),))):
            monkeypatch.setattr(bootstrap, name, lambda made=made: made)
        return load(request.param)

    @pytest.fixture
    def letters(self, monkeypatch: pytest.MonkeyPatch) -> FakeDeadLetters:
        letters = FakeDeadLetters()
        monkeypatch.setattr(bootstrap, "dead_letters", lambda: letters)
        return letters

    def test_what_is_about_no_case_is_put_aside_with_its_reason(self, module: ModuleType, letters: FakeDeadLetters) -> None:
        assert failures(module.handler(batch("not ours"), None)) == []
        assert [body for body, _ in letters.letters] == ["not ours"]

    def test_what_may_work_later_comes_again_alone(
        self, module: ModuleType, letters: FakeDeadLetters, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def use_case(body: str, *_: Any) -> tuple[EventOutcome, ...]:
            if body == "later":
                raise Unavailable("slow")
            return (EventOutcome("777788889999", "a", "TrustViolationFound", "777788889999/x", "kept", "ok", START, START),)

        monkeypatch.setattr(module, module.__name__.removesuffix("_handler"), use_case)
        assert failures(module.handler(batch("fine", "later", "fine"), None)) == ["m-1"]
        assert letters.letters == []


class TestSendHeartbeats:
    def test_a_turn_says_how_many_beats_it_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bootstrap, "heartbeat_tools", lambda: None)
        module = load("send_heartbeats")
        monkeypatch.setattr(module, "send_heartbeats", lambda _tools: Round(3, (), (), {}))
        assert module.handler({}, None) == {"sent": 3}

    def test_beats_that_could_not_be_sent_fail_the_turn_so_that_its_alarm_tells(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bootstrap, "heartbeat_tools", lambda: None)
        module = load("send_heartbeats")
        unsent = {Spot("777788889999", "us-east-1"): "throttled"}
        monkeypatch.setattr(module, "send_heartbeats", lambda _tools: Round(3, (), (), unsent))
        with pytest.raises(Unavailable):
            module.handler({}, None)


class TestRefreshOrganization:
    def test_what_can_never_work_is_put_aside_and_what_may_work_comes_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        letters = FakeDeadLetters()
        monkeypatch.setattr(bootstrap, "dead_letters", lambda: letters)
        monkeypatch.setattr(bootstrap, "refresh_tools", lambda: None)
        module = load("refresh_organization")

        def refresh(body: str, tools: None) -> tuple[EventOutcome, ...]:
            failure = {"malformed": MalformedInput("no"), "conflict": Conflict("again")}.get(body)
            if failure is not None:
                raise failure
            return ()

        monkeypatch.setattr(module, "refresh_organization", refresh)
        assert failures(module.handler(batch("fine", "malformed", "conflict"), None)) == ["m-2"]
        assert letters.letters == [("malformed", "no")]
