"""The API's function against its contract: every route is in docs/openapi.yaml and in the template, and every answer is as it says."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from doorward import bootstrap
from doorward.aws.api import LONGEST_BODY
from doorward.errors import Misconfigured, Unavailable
from doorward.people.model import Caller, Machine, Refusal, Via
from doorward.usecases import list_findings
from doorward.usecases.decide_finding import APPLY, shown_hash
from doorward.usecases.serve_api import TooOften
from tests.handlers.test_handlers import load
from tests.template.conftest import REPOSITORY, parsed, resources_of
from tests.unit.test_decide_finding import ANN, EVE, Office
from tests.unit.test_react_to_change import GOOD, ORGANIZATION, role

OPENAPI: dict[str, Any] = yaml.safe_load((REPOSITORY / "docs/openapi.yaml").read_text("utf-8"))
SECRET = "a-reason-that-is-nobody-elses-business"


class Called:
    """An office behind the function. `caller` is who calls, or why nobody."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.office = Office()
        self.caller: Caller | Refusal | Exception = Caller(ANN, Via.SIGV4)
        tools = list_findings.Tools(self.office.world.ledger, self.office.world.questions, ORGANIZATION)
        monkeypatch.setattr(bootstrap, "admit", lambda _context: self._admitted())
        monkeypatch.setattr(bootstrap, "groups_now", lambda: lambda _person: frozenset({"security"}))
        monkeypatch.setattr(bootstrap, "finding_tools", lambda: tools)
        monkeypatch.setattr(bootstrap, "decision_tools", lambda: self.office.tools)
        monkeypatch.setattr(bootstrap, "role_by_ref", lambda: self.office.world.roles.roles.get)
        self._handler = load("serve_api").handler

    def _admitted(self) -> Caller | Refusal:
        if isinstance(self.caller, Exception):
            raise self.caller
        return self.caller

    def __call__(self, method: str, path: str, body: object = None, query: dict[str, str] | None = None) -> tuple[int, Any]:
        event = {
            "resource": "/{proxy+}",
            "path": path,
            "httpMethod": method,
            "headers": {},
            "queryStringParameters": query,
            "requestContext": {"stage": "v1", "identity": {}, "requestId": "r-1"},
            "body": body if body is None or isinstance(body, str) else json.dumps(body),
            "isBase64Encoded": False,
        }
        answer = self._handler(event, None)
        assert answer["multiValueHeaders"]["Cache-Control"] == ["no-store"]
        said = json.loads(answer["body"])
        assert_as_documented(method, path, answer["statusCode"], answer["multiValueHeaders"]["Content-Type"][0], said)
        return answer["statusCode"], said

    @property
    def finding(self) -> str:
        return self.office.case.id

    def body(self, path: str) -> dict[str, str] | None:
        """What a documented route takes."""
        until = (self.office.world.clock.now() + timedelta(hours=1)).isoformat()
        hold = {"role": self.office.case.role_ref, "until": until, "reason": SECRET}
        accept = {"role": self.office.case.role_ref, **self.answer()}
        return {"/findings/{finding_id}/apply": self.answer(), "/roles/hold": hold, "/roles/baseline": accept}.get(path)

    def query(self, path: str) -> dict[str, str] | None:
        return {"role": self.office.case.role_ref} if path == "/roles/baseline" else None

    def answer(self, *, yes: bool = True) -> dict[str, str]:
        return {"answer": "yes" if yes else "no", "shown": shown_hash(self.office.case, APPLY) or "", "reason": SECRET}


def assert_as_documented(method: str, path: str, status: int, content_type: str, said: Any) -> None:
    for documented, operations in OPENAPI["paths"].items():
        if method.lower() in operations and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", documented), path):
            responses = operations[method.lower()]["responses"]
            response = responses.get(str(status)) or responses["default"]
            if "$ref" in response:
                response = OPENAPI["components"]["responses"][response["$ref"].rpartition("/")[2]]
            schema = {**response["content"][content_type]["schema"], "components": OPENAPI["components"]}
            Draft202012Validator(_nullable(schema)).validate(said)
            return
    assert status == 404  # nothing is documented there


def _nullable(schema: Any) -> Any:
    """OpenAPI 3.0 says `nullable` for what JSON Schema says by a type."""
    if isinstance(schema, dict):
        found = {key: _nullable(value) for key, value in schema.items() if key != "nullable"}
        return {**found, "type": [found["type"], "null"]} if schema.get("nullable") is True else found
    return [_nullable(each) for each in schema] if isinstance(schema, list) else schema


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Called:
    return Called(monkeypatch)


def routes() -> Iterator[tuple[str, str]]:
    events = resources_of(parsed("template.yaml"), "AWS::Serverless::Function")["ServeApiFunction"]["Properties"]["Events"]
    for each in events.values():
        yield each["Properties"]["Method"], each["Properties"]["Path"]


def test_the_contract_the_template_and_the_function_have_the_same_routes(called: Called) -> None:
    documented = {(method, path) for path, each in OPENAPI["paths"].items() for method in each if method in {"get", "post"}}
    assert set(routes()) == documented
    for method, path in documented:
        filled = path.replace("{finding_id}", called.finding)
        assert called(method.upper(), filled, called.body(path), called.query(path))[0] != 404


def test_a_finding_is_shown_decided_and_shown_as_decided(called: Called) -> None:
    assert called("GET", "/me") == (
        200,
        {"kind": "person", "id": ANN.user_id, "user_name": ANN.user_name, "display_name": "Ann", "via": "sigv4", "groups": ["security"]},
    )
    _, page = called("GET", "/findings")
    assert [each["finding_id"] for each in page["findings"]] == [called.finding]
    _, shown = called("GET", f"/findings/{called.finding}")
    assert shown["decisions"]["apply"]["state"] == "not asked"
    status, said = called("POST", f"/findings/{called.finding}/apply", {"answer": "yes", "shown": shown["decisions"]["apply"]["shown"]})
    assert (status, said["state"]) == (200, "approved")
    assert called("GET", f"/findings/{called.finding}")[1]["decisions"]["apply"]["state"] == "approved"
    assert called("POST", f"/findings/{called.finding}/apply", called.answer())[0] == 409


def test_pages_follow_one_another(called: Called) -> None:
    called.office.world.ledger.cases = {
        (f"{each.role_ref}-{number:02}", f"dw-{number:020x}"): each._replace(
            id=f"dw-{number:020x}", role_ref=f"{each.role_ref}-{number:02}"
        )
        for each in [called.office.case]
        for number in range(list_findings.MOST + 1)
    }
    _, first = called("GET", "/findings")
    _, second = called("GET", "/findings", query={"after": first["next"]})
    assert (len(first["findings"]), len(second["findings"]), second["next"]) == (list_findings.MOST, 1, None)
    assert not {each["finding_id"] for each in first["findings"]} & {each["finding_id"] for each in second["findings"]}


@pytest.mark.parametrize(
    ("caller", "status"),
    [
        (Refusal("No user has this name.", "Sign in again."), 403),
        (TooOften(), 429),
        (Unavailable("IAM does not answer"), 503),
        (Misconfigured("AccessDenied: a secret of ours"), 503),
    ],
)
def test_nobody_is_answered_before_it_is_known_who_he_is(called: Called, caller: Refusal | Exception, status: int) -> None:
    called.caller = caller
    for method, path in routes():
        got, said = called(method.upper(), path.replace("{finding_id}", called.finding), called.body(path), called.query(path))
        assert got == status
        assert "secret" not in json.dumps(said)
    assert called.office.world.questions.kept == {}


def test_a_machine_reads_and_decides_nothing(called: Called) -> None:
    called.caller = Caller(Machine("arn:aws:iam::444455556666:role/bot"), Via.SIGV4)
    assert called("GET", "/me")[1]["kind"] == "machine"
    assert called("GET", f"/findings/{called.finding}")[0] == 200
    assert called("POST", f"/findings/{called.finding}/apply", called.answer())[0] == 409


@pytest.mark.parametrize(
    "body",
    [
        None,
        "",
        "{",
        "[]",
        "7",
        "{}",
        '{"answer": "yes"}',
        '{"answer": true, "shown": "' + "0" * 64 + '"}',
        '{"answer": "yes", "shown": "' + "0" * 63 + '"}',
        '{"answer": "yes", "shown": "' + "0" * 64 + '", "reason": 7}',
        '{"answer": "yes", "shown": "' + "0" * 64 + '", "reason": "' + "x" * 1001 + '"}',
        '{"answer": "yes", "shown": "' + "0" * 64 + '", "by": "joe"}',
        "[" * 5000,
        " " * (LONGEST_BODY + 1),
    ],
)
def test_what_is_no_answer_is_refused_and_changes_nothing(called: Called, body: str | None) -> None:
    status, said = called("POST", f"/findings/{called.finding}/apply", body)
    assert status == 400
    assert said["cure"]
    assert called.office.world.questions.kept == {}


def test_a_role_is_held_by_whoever_may(called: Called) -> None:
    called.office.behind = frozenset({EVE.user_id})  # else it could be he who asks
    status, said = called("POST", "/roles/hold", called.body("/roles/hold"))
    assert (status, said["state"], said["what"]) == (200, "approved", "hold")
    assert called.office.carried_out() == ["done"]
    assert [each.scope for each in called.office.world.brakes.stops] == [f"role {called.office.case.role_ref}"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": "payments"},
        {"role": "777788889999/a/b"},
        {"role": 7},
        {"until": "tomorrow"},
        {"until": "2027-01-31T18:00:00"},
        {"until": None},
        {"reason": ""},
        {"reason": "x" * 1001},
        {"by": "joe"},
    ],
)
def test_what_is_no_hold_is_refused_and_holds_nothing(called: Called, wrong: dict[str, Any]) -> None:
    status, said = called("POST", "/roles/hold", {**(called.body("/roles/hold") or {}), **wrong})
    assert (status, bool(said["cure"])) == (400, True)
    assert called.office.world.questions.kept == {}


def test_a_baseline_is_shown_and_accepted_by_whoever_may(called: Called) -> None:
    called.office.behind = frozenset({EVE.user_id})
    called.office.world.roles.put(role(GOOD))
    query = {"role": called.office.case.role_ref}
    _, shown = called("GET", "/roles/baseline", query=query)
    assert (shown["is_accepted"], shown["state"]) == (True, "not asked")
    status, said = called("POST", "/roles/baseline", {**query, "answer": "yes", "shown": shown["shown"]})
    assert (status, said["state"], said["what"]) == (200, "approved", "accept")
    assert called("GET", "/roles/baseline", query={"role": "777788889999/nothing"})[0] == 404
    for wrong in (None, {"role": ""}, {"role": "x"}):
        assert called("GET", "/roles/baseline", query=wrong)[0] == 400


def test_what_is_not_there(called: Called) -> None:
    assert called("GET", "/findings/dw-00000000000000000000")[0] == 404
    assert called("POST", "/findings/dw-00000000000000000000/apply", called.answer())[0] == 409
    assert called("GET", "/nothing")[0] == 404
    assert called("DELETE", f"/findings/{called.finding}")[0] == 404


def test_no_body_and_no_reason_is_ever_logged(called: Called, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    called("POST", f"/findings/{called.finding}/apply", called.answer())
    called("POST", f"/findings/{called.finding}/apply", "{" + SECRET)
    called.caller = Unavailable("later")
    called("POST", f"/findings/{called.finding}/apply", called.answer())
    logged = "\n".join([*(str(vars(each)) for each in caplog.records), *capsys.readouterr()])
    assert "later" in logged
    assert SECRET not in logged
