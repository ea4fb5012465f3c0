"""The API's function against its contract: every route is in docs/openapi.yaml and in the template, and every answer is as it says."""

import json
import re
import traceback
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
import yaml
from aws_lambda_powertools.event_handler import Response
from jsonschema import Draft202012Validator

from doorward import bootstrap
from doorward.aws.api import LONGEST_BODY
from doorward.decisions.actions import LONGEST_REASON
from doorward.errors import Misconfigured, Unavailable
from doorward.grants.model import Asker
from doorward.grants.reporting import Form
from doorward.organization.model import Group, Identity, Organization
from doorward.people.model import Caller, Machine, Person, Refusal, User, Via
from doorward.ports.grant_roles import KnownRoles
from doorward.usecases import grant_facts, list_entitlements, list_findings, report_grants
from doorward.usecases.decide_finding import APPLY, DISMISS, UNDO, WAIVE, shown_hash
from doorward.usecases.serve_api import GUARDED, TooOften
from tests.fakes import FakeClock, FakeDirectory, FakeGrantRoles, FakeRepeats, FakeRoles
from tests.granting_world import WANTED, World
from tests.grants_world import ORDERS, PROD, RULE, START, entitlements, rule
from tests.handlers.test_handlers import load
from tests.template.conftest import REPOSITORY, parsed, resources_of
from tests.unit.test_answer_slack import NEW, SlackOffice
from tests.unit.test_decide_finding import ANN, EVE, JOE
from tests.unit.test_issue_credentials import World as Issuing
from tests.unit.test_react_to_change import GOOD, ORGANIZATION, STRANGER, event, role

OPENAPI: dict[str, Any] = yaml.safe_load((REPOSITORY / "docs/openapi.yaml").read_text("utf-8"))
METHODS = {"get", "post", "put", "delete"}
SECRET = "a-reason-that-is-nobody-elses-business"


REPORT = {"since": "2026-07-01", "until": "2026-07-02"}


def offering(*people: Person) -> list_entitlements.Tools:
    """Of payments, whoever they are."""
    directory = FakeDirectory([User(each) for each in people], {each.user_id: {"payments"} for each in people})
    organization = Organization(accounts=(PROD,), identity=Identity(groups=(Group("payments", identity_center=True),)))
    facts = grant_facts.Tools(organization, entitlements(RULE), directory, FakeRoles(), FakeClock())
    return list_entitlements.Tools(facts, FakeGrantRoles({PROD.id: KnownRoles(PROD.id, (ORDERS,), START)}))


class Called:
    """An office behind the function. `caller` is who calls, or why nobody."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.office = SlackOffice()
        self.caller: Caller | Refusal | Exception = Caller(ANN, Via.SIGV4)
        self.repeats = FakeRepeats()
        self.granting = World(people={ANN.user_id: Asker(ANN, frozenset({"security"})), EVE.user_id: Asker(EVE, frozenset({"payments"}))})
        self.grant = self.granting.asked(person=EVE)
        self.offering = offering(EVE, ANN)
        tools = list_findings.Tools(self.office.world.ledger, self.office.world.questions, ORGANIZATION)
        monkeypatch.setattr(bootstrap, "admit", lambda _context: self._admitted())
        monkeypatch.setattr(bootstrap, "repeats", lambda: self.repeats)
        monkeypatch.setattr(bootstrap, "groups_now", lambda: lambda _person: frozenset({"security"}))
        monkeypatch.setattr(bootstrap, "finding_tools", lambda: tools)
        monkeypatch.setattr(bootstrap, "decision_tools", lambda: self.office.tools)
        monkeypatch.setattr(bootstrap, "link_tools", lambda: self.office.linking)
        monkeypatch.setattr(bootstrap, "role_by_ref", lambda: self.office.world.roles.roles.get)
        monkeypatch.setattr(bootstrap, "grant_tools", lambda: self.granting.tools)
        monkeypatch.setattr(bootstrap, "issue_tools", lambda: Issuing(id=self.grant.id, person=ANN).tools)
        monkeypatch.setattr(bootstrap, "offer_tools", lambda: self.offering)
        monkeypatch.setattr(bootstrap, "report_tools", lambda: report_grants.Tools(self.granting.tools, lambda _: None, "us-east-1"))
        self.module = load("serve_api")

    def _admitted(self) -> Caller | Refusal:
        if isinstance(self.caller, Exception):
            raise self.caller
        return self.caller

    def raw(self, method: str, path: str, body: object = None, query: dict[str, str] | None = None, **headers: str) -> dict[str, Any]:
        event = {
            "resource": "/{proxy+}",
            "path": path,
            "httpMethod": method,
            "headers": {name.replace("_", "-"): value for name, value in headers.items()},
            "queryStringParameters": query,
            "requestContext": {"stage": "v1", "identity": {}, "requestId": "r-1"},
            "body": body if body is None or isinstance(body, str) else json.dumps(body),
            "isBase64Encoded": False,
        }
        return dict(self.module.handler(event, None))

    def __call__(self, method: str, path: str, body: object = None, query: dict[str, str] | None = None, **headers: str) -> tuple[int, Any]:
        answer = self.raw(method, path, body, query, **headers)
        assert answer["multiValueHeaders"]["Cache-Control"] == ["no-store"]
        kind = answer["multiValueHeaders"]["Content-Type"][0]
        said = json.loads(answer["body"]) if kind in {"application/json", "application/problem+json"} else answer["body"]
        assert_as_documented(method, path, answer["statusCode"], kind, said)
        return answer["statusCode"], said

    @property
    def finding(self) -> str:
        return self.office.case.id

    def body(self, path: str) -> dict[str, str] | None:
        """What a documented route takes."""
        until = (self.office.world.clock.now() + timedelta(hours=1)).isoformat()
        hold = {"role": self.office.case.role_ref, "until": until, "reason": SECRET}
        accept = {"role": self.office.case.role_ref, **self.answer()}
        slack = {"team_id": "T0ACME", "user_id": "U0NEW"}
        days = (self.office.world.clock.now() + timedelta(days=9)).isoformat()
        bodies = {
            "/findings/{finding_id}/apply": self.answer(),
            "/findings/{finding_id}/waive": {**self.answer(WAIVE), "until": days},
            "/findings/{finding_id}/dismiss": self.answer(DISMISS),
            "/findings/{finding_id}/undo": self.answer(),
            "/roles/hold": hold,
            "/roles/baseline": accept,
            "/me/slack": slack,
            "/grants": {**wanted(), "reason": SECRET},
            "/grants/{grant_id}/approve": {"shown": self.grant.shown_hash, "reason": SECRET},
            "/grants/{grant_id}/refuse": {"shown": self.grant.shown_hash, "reason": SECRET},
            "/grants/{grant_id}/cancel": {"reason": SECRET},
            "/grants/{grant_id}/revoke": {"reason": SECRET},
        }
        return bodies.get(path)

    def filled(self, path: str) -> str:
        return path.replace("{finding_id}", self.finding).replace("{grant_id}", self.grant.id)

    def query(self, path: str) -> dict[str, str] | None:
        queries = {
            "/roles/baseline": {"role": self.office.case.role_ref},
            "/me/slack": {"team_id": "T0ACME", "user_id": "U0NEW"},
            "/reports/grants": REPORT,
        }
        return queries.get(path)

    def answer(self, what: str = APPLY) -> dict[str, str]:
        return {"answer": "yes", "shown": shown_hash(self.office.case, what) or "", "reason": SECRET}


def wanted(**changed: Any) -> dict[str, Any]:
    """A body of POST /grants; what is changed to None is left away."""
    asked = {
        "role": WANTED.role_ref,
        "template": WANTED.template,
        "parameters": dict(WANTED.parameters),
        "minutes": WANTED.minutes,
        "reason": WANTED.reason,
        **changed,
    }
    return {name: value for name, value in asked.items() if value is not None}


def assert_as_documented(method: str, path: str, status: int, content_type: str, said: Any) -> None:
    for documented, operations in OPENAPI["paths"].items():
        if method.lower() in operations and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", documented), path.removeprefix("/token")):
            responses = operations[method.lower()]["responses"]
            response = responses[str(status)]
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
    """Those that people call; receive_slack has Slack's."""
    events = resources_of(parsed("template.yaml"), "AWS::Serverless::Function")["ServeApiFunction"]["Properties"]["Events"]
    for each in events.values():
        if each["Properties"]["Path"] != GUARDED:
            yield each["Properties"]["Method"], each["Properties"]["Path"]


def test_the_contract_the_template_and_the_function_have_the_same_routes(called: Called) -> None:
    documented = {(method, path) for path, each in OPENAPI["paths"].items() for method in each if method in METHODS}
    assert set(routes()) == {each for each in documented if not each[1].startswith("/slack/")}
    for method, path in routes():
        filled = called.filled(path)
        assert called(method.upper(), filled, called.body(path), called.query(path))[0] != 404


def test_every_status_is_documented_by_its_number() -> None:
    """`default` would document whatever is answered."""
    for path, operations in OPENAPI["paths"].items():
        for method, operation in operations.items():
            if method in METHODS:
                codes = set(operation["responses"])
                assert all(re.fullmatch("[0-9]{3}", each) for each in codes), path
                assert path.startswith("/slack/") or {"401", "403", "429", "503"} <= codes, path


def test_each_route_is_there_under_token_too(called: Called) -> None:
    called.caller = Caller(ANN, Via.JWT)
    for method, path in routes():
        filled = called.filled(path)
        assert called(method.upper(), f"/token{filled}", called.body(path), called.query(path))[0] != 404
    assert called("GET", "/token/token/me")[0] == 404
    assert called("GET", "/token/me")[1]["via"] == "jwt"


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
    assert called("GET", "/findings", query={"after": ""})[1] == first
    for no_page in ("x", "777788889999/", f"{first['next']}\n", "7" * 101):
        assert called("GET", "/findings", query={"after": no_page})[0] == 400
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
        got, said = called(method.upper(), called.filled(path), called.body(path), called.query(path))
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
        '{"answer": "yes", "shown": "' + "0" * 64 + '", "reason": "fine \\ud83d"}',
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


def test_a_finding_is_waived_by_two_who_are_shown_the_same(called: Called) -> None:
    path = f"/findings/{called.finding}/waive"
    body = called.body("/findings/{finding_id}/waive") or {}
    status, said = called("POST", path, body)
    until = datetime.fromisoformat(body["until"]).replace(microsecond=0)
    assert (status, said["state"], said["until"]) == (200, "open", until.isoformat())
    shown = called("GET", f"/findings/{called.finding}")[1]["decisions"]["waive"]
    assert (shown["state"], shown["until"], bool(shown["missing"])) == ("open", said["until"], True)
    called.caller = Caller(JOE, Via.SIGV4)
    assert called("POST", path, {**body, "shown": shown["shown"], "until": shown["until"]})[1]["state"] == "approved"
    assert called.office.carried_out() == ["done"]
    assert called("GET", "/findings")[1]["findings"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"until": None},
        {"until": "tomorrow"},
        {"until": "2027-01-31T18:00:00"},
        {"until": 7},
        {"until": "0001-01-01T00:00:00+23:59"},
        {"by": "joe"},
    ],
)
def test_what_is_no_waiver_is_refused_and_changes_nothing(called: Called, wrong: dict[str, Any]) -> None:
    body = {**(called.body("/findings/{finding_id}/waive") or {}), **wrong}
    assert called("POST", f"/findings/{called.finding}/waive", body)[0] == 400
    assert called("POST", f"/findings/{called.finding}/waive", {**body, "until": "2099-01-31T18:00:00Z", "by": "x"})[0] == 400
    assert called.office.world.questions.kept == {}


@pytest.mark.parametrize(
    "wrong", [{"until": "2099-01-31T18:00:00Z"}, {"until": "2020-01-31T18:00:00Z"}, {"reason": ""}, {"shown": "0" * 64}]
)
def test_a_waiver_that_must_not_be_is_refused_with_why(called: Called, wrong: dict[str, Any]) -> None:
    body = {**(called.body("/findings/{finding_id}/waive") or {}), **wrong}
    assert called("POST", f"/findings/{called.finding}/waive", body)[0] == 409
    assert called.office.world.questions.kept == {}


def test_a_dismissed_finding_is_listed_where_all_are_asked_for(called: Called) -> None:
    finding = called.finding
    assert called("POST", f"/findings/{finding}/dismiss", called.answer(DISMISS))[1]["state"] == "approved"
    assert called.office.carried_out() == ["done"]
    for query, listed in ((None, []), ({"all": "false"}, []), ({"all": "true"}, [(finding, True)])):
        page = called("GET", "/findings", query=query)[1]["findings"]
        assert [(each["finding_id"], each["dismissed"]) for each in page] == listed
    for wrong in ("perhaps", "", "True"):
        assert called("GET", "/findings", query={"all": wrong})[0] == 400
    assert called("POST", f"/findings/{finding}/dismiss", called.answer())[0] == 409


def test_what_was_written_is_shown_with_what_would_be_put_back_and_undone_by_two(called: Called) -> None:
    finding = called.finding
    called("POST", f"/findings/{finding}/apply", called.answer())
    called.office.carried_out()
    shown = called("GET", f"/findings/{finding}")[1]
    assert (set(shown["decisions"]), shown["undo"]["hours"]) == ({UNDO}, 24)
    assert any(STRANGER in line for line in shown["undo"]["diff"] if line.startswith("+"))
    body = {"answer": "yes", "shown": shown["decisions"][UNDO]["shown"], "reason": SECRET}
    assert called("POST", f"/findings/{finding}/undo", body)[1]["state"] == "open"
    called.caller = Caller(JOE, Via.SIGV4)
    assert called("POST", f"/findings/{finding}/undo", body)[1]["state"] == "approved"
    assert called.office.carried_out() == ["done"]
    assert called("GET", f"/findings/{finding}")[1]["undo"] is None
    assert called("POST", f"/findings/{finding}/undo", body)[0] == 409


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
        {"reason": " \n"},
        {"reason": "\u3164"},
        {"reason": "x" * 1001},
        {"reason": "fine \u202e"},
        {"by": "joe"},
    ],
)
def test_what_is_no_hold_is_refused_and_holds_nothing(called: Called, wrong: dict[str, Any]) -> None:
    status, said = called("POST", "/roles/hold", {**(called.body("/roles/hold") or {}), **wrong})
    assert (status, bool(said["cure"])) == (400, True)
    assert called.office.world.questions.kept == {}


def test_a_baseline_is_shown_and_accepted_by_whoever_may(called: Called) -> None:
    world, query = called.office.world, {"role": called.office.case.role_ref}
    called.office.behind = frozenset({EVE.user_id})
    world.roles.put(role(GOOD))
    world.clock.sleep(60)
    world.react(event(document=GOOD, event_id="e-good", at=world.clock.now()))  # which tells who wrote it
    _, shown = called("GET", "/roles/baseline", query=query)
    assert (shown["is_accepted"], shown["state"]) == (True, "not asked")
    status, said = called("POST", "/roles/baseline", {**query, "answer": "yes", "shown": shown["shown"]})
    assert (status, said["state"], said["what"]) == (200, "approved", "accept")
    assert called("GET", "/roles/baseline", query={"role": "777788889999/nothing"})[0] == 404
    for wrong in (None, {"role": ""}, {"role": "x"}):
        assert called("GET", "/roles/baseline", query=wrong)[0] == 400


def test_a_person_is_linked_to_the_slack_user_who_gave_his_code(called: Called) -> None:
    _, offered = called("POST", "/me/slack")
    assert called("GET", "/me/slack")[1]["waiting"] is True
    assert called("PUT", "/me/slack", NEW._asdict())[0] == 409  # nobody gave it
    assert called.office.commands(NEW, "link", offered["code"], "ann")[0] == "code taken"
    assert called("GET", "/me/slack")[1]["taken_by"] == {**NEW._asdict(), "name": "ann"}
    status, said = called("PUT", "/me/slack", NEW._asdict())
    assert (status, NEW.user_id in [each["user_id"] for each in said["linked"]]) == (200, True)
    assert called("DELETE", "/me/slack", query=NEW._asdict())[0] == 200
    assert called("DELETE", "/me/slack", query=NEW._asdict())[0] == 409


@pytest.mark.parametrize(
    "body", [None, "{}", '{"team_id": "T0ACME"}', '{"team_id": "T0ACME", "user_id": 7}', '{"team_id": "t0acme", "user_id": "U0NEW"}']
)
def test_what_names_no_slack_user_is_refused(called: Called, body: str | None) -> None:
    assert called("PUT", "/me/slack", body)[0] == 400
    assert called("DELETE", "/me/slack", query={"team_id": "T0ACME"})[0] == 400


def test_a_grant_is_asked_for_agreed_to_and_shown_as_it_is(called: Called) -> None:
    called.caller = Caller(EVE, Via.SIGV4)
    status, grant = called("POST", "/grants", wanted(reason="Order 4712 is lost, too."))
    assert (status, grant["state"], grant["person"]["id"]) == (201, "pending", EVE.user_id)
    path = f"/grants/{grant['grant_id']}"
    assert called("GET", path) == (200, grant)
    status, said = called("POST", f"{path}/approve", {"shown": grant["shown"]})
    assert (status, "asked" in said["detail"]) == (409, True)
    called.caller = Caller(ANN, Via.SIGV4)
    status, said = called("POST", f"{path}/approve", {"shown": grant["shown"]})
    assert (status, said["decision"]["state"], said["decision"]["yes"]) == (200, "approved", [ANN.user_name])
    assert called("POST", f"{path}/approve", {"shown": grant["shown"]})[0] == 409  # decided already
    called.granting.step(called.granting.now(called.grant._replace(id=grant["grant_id"])), "decide")
    assert called("GET", path)[1]["state"] == "approved"
    assert called("POST", f"{path}/revoke")[1]["state"] == "revoked"
    assert called("POST", f"{path}/revoke", {"reason": "again"})[1]["version"] == called("GET", path)[1]["version"]


def test_a_grant_is_refused_with_a_reason_and_cancelled_without(called: Called) -> None:
    path, shown = f"/grants/{called.grant.id}", called.grant.shown_hash
    for wrong in ({"shown": shown}, {"shown": shown, "reason": " "}, {"shown": shown, "reason": "x" * 1001}, {"reason": "no"}):
        assert called("POST", f"{path}/refuse", wrong)[0] == 400
    assert called("POST", f"{path}/refuse", {"shown": "0" * 64, "reason": "no"})[0] == 409
    assert called("POST", f"{path}/refuse", {"shown": shown, "reason": "no"})[1]["decision"]["state"] == "refused"
    called.caller = Caller(EVE, Via.SIGV4)
    _, another = called("POST", "/grants", wanted(reason="Order 4712 is lost, too."))
    assert called("POST", f"/grants/{another['grant_id']}/cancel")[1]["state"] == "cancelled"


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": None},
        {"role": "payments"},
        {"role": "777788889999/a/b"},
        {"template": None},
        {"template": ""},
        {"template": "x" * 101},
        {"template": "read bucket"},
        {"parameters": []},
        {"parameters": {"bucket": 7}},
        {"parameters": {"bucket": "x" * 1025}},
        {"parameters": {f"p{number}": "" for number in range(21)}},
        {"minutes": None},
        {"minutes": "60"},
        {"minutes": True},
        {"minutes": 0},
        {"minutes": 1.5},
        {"minutes": 10081},
        {"reason": None},
        {"reason": " "},
        {"reason": "x" * 5000},
        {"reason": "fine\x00"},
        {"reason": 7},
        {"ticket": 7},
        {"ticket": "x" * 101},
        {"starts_at": "tomorrow"},
        {"starts_at": "2027-01-31T18:00:00"},
        {"starts_at": 7},
        {"by": "joe"},
    ],
)
def test_what_is_no_wish_is_refused_and_nothing_is_kept(called: Called, wrong: dict[str, Any]) -> None:
    called.caller = Caller(EVE, Via.SIGV4)
    kept = dict(called.granting.grants.kept)
    status, said = called("POST", "/grants", wanted(**wrong))
    assert (status, bool(said["cure"])) == (400, True)
    assert called.granting.grants.kept == kept


@pytest.mark.parametrize("wrong", [{"role": "777788889999/other"}, {"template": "other"}, {"parameters": {"bucket": "*"}}, {"minutes": 61}])
def test_what_the_rules_refuse_is_refused_with_why_and_nothing_is_kept(called: Called, wrong: dict[str, Any]) -> None:
    called.caller = Caller(EVE, Via.SIGV4)
    kept = dict(called.granting.grants.kept)
    status, said = called("POST", "/grants", wanted(**wrong))
    assert (status, bool(said["detail"]), bool(said["cure"])) == (409, True, True)
    assert called.granting.grants.kept == kept


def test_a_wish_in_anybodys_language_is_taken_as_it_is(called: Called) -> None:
    called.caller = Caller(EVE, Via.SIGV4)
    reason = "Bestellung 4711 \N{FIRE} ist weg"
    assert called("POST", "/grants", wanted(reason=reason, ticket="", starts_at=None))[1]["reason"] == reason


@pytest.mark.parametrize("in_escapes", [True, False])
def test_the_longest_reason_is_taken_however_it_is_written_and_of_a_longer_one_that_is_said(called: Called, in_escapes: bool) -> None:
    called.caller = Caller(EVE, Via.SIGV4)
    for times, longer in ((1, False), (2, True), (20, True)):
        body = json.dumps(wanted(reason="\N{FIRE}" * LONGEST_REASON * times), ensure_ascii=in_escapes)
        status, said = called("POST", "/grants", body)
        assert status == (400 if longer else 201)
        assert not longer or ("reason" in said["detail"] and str(LONGEST_REASON) in said["detail"])


def test_grants_are_listed_by_whose_and_whether_they_stand(called: Called) -> None:
    def listed(**query: str) -> list[str]:
        return [each["grant_id"] for each in called("GET", "/grants", query=query)[1]["grants"]]

    assert listed() == listed(standing="true") == [called.grant.id]  # Ann's to decide
    assert listed(mine="true") == []
    called.caller = Caller(EVE, Via.SIGV4)
    assert listed() == listed(mine="true") == listed(mine="true", standing="true") == [called.grant.id]
    called("POST", f"/grants/{called.grant.id}/cancel")
    assert (listed(mine="true"), listed(standing="true")) == ([called.grant.id], [])
    assert listed(after=called.grant.id) == []
    for wrong in ({"after": "x"}, {"mine": "perhaps"}, {"standing": ""}):
        assert called("GET", "/grants", query=wrong)[0] == 400


def test_a_grant_is_none_of_anybody_elses_business(called: Called) -> None:
    called.granting.people[JOE.user_id] = Asker(JOE, frozenset({"payments"}))
    called.caller = Caller(JOE, Via.SIGV4)
    for method, path in routes():
        if "{grant_id}" in path:
            assert called(method.upper(), called.filled(path), called.body(path))[0] == 404
            for nothing in ("01JZ1M5T0000000000000ABCDE", "x", "x" * 3000, "%F0%9F%94%A5"):
                assert called(method.upper(), path.replace("{grant_id}", nothing), called.body(path))[0] == 404
    assert called("GET", "/grants")[1]["grants"] == []


def test_a_machine_has_nothing_to_do_with_grants(called: Called) -> None:
    called.caller = Caller(Machine("arn:aws:iam::444455556666:role/bot"), Via.SIGV4)
    for method, path in routes():
        if path.startswith("/grants"):
            assert called(method.upper(), called.filled(path), called.body(path))[0] == 403


def test_what_is_not_there(called: Called) -> None:
    assert called("GET", "/findings/dw-00000000000000000000")[0] == 404
    assert called("POST", "/findings/dw-00000000000000000000/apply", called.answer())[0] == 409
    assert called("GET", "/nothing")[0] == 404
    assert called("DELETE", f"/findings/{called.finding}")[0] == 404


def asking(called: Called, key: str, **changed: str) -> tuple[int, Any]:
    body = {"answer": "yes", "shown": "0" * 64, **changed}
    return called("POST", f"/findings/{called.finding}/apply", body, Idempotency_Key=key)


def test_a_repeated_call_is_answered_as_it_was_whatever_has_changed_meanwhile(called: Called) -> None:
    path, body = f"/findings/{called.finding}/apply", called.answer()
    for key in ("8e03978e", '"8e03978e"', "8e03978e"):  # a string of RFC 9651, or its bare text
        status, said = called("POST", path, body, Idempotency_Key=key)
        assert (status, said["state"]) == (200, "approved")
    assert called("POST", path, body)[0] == 409  # anew, it is too late
    refused = called("POST", path, body, Idempotency_Key="another")
    called.office.world.ledger.cases = {}
    assert called("POST", path, body) != refused
    assert called("POST", path, body, Idempotency_Key="another") == refused


def test_every_route_that_changes_something_takes_a_key(called: Called) -> None:
    minting = {"/me/slack", "/grants/{grant_id}/credentials", "/grants/{grant_id}/console"}
    for number, path in enumerate(path for method, path in routes() if method == "post" and path not in minting):
        called("POST", called.filled(path), called.body(path), Idempotency_Key=f"k-{number}")
        assert len(called.repeats.kept) == number + 1


def test_a_key_with_another_call_is_refused_and_two_people_have_two(called: Called) -> None:
    first = asking(called, "k")
    assert asking(called, "k", answer="no")[0] == 422
    assert called("POST", "/roles/hold", called.body("/roles/hold"), Idempotency_Key="k")[0] == 422
    same_body, elsewhere = {"answer": "yes", "shown": "0" * 64}, f"/findings/dw-{'0' * 20}/apply"
    assert called("POST", elsewhere, same_body, Idempotency_Key="k")[0] == 422
    assert asking(called, "k") == first
    for other in (Caller(EVE, Via.SIGV4), Caller(ANN, Via.JWT)):
        called.caller = other
        assert asking(called, "k", answer="no")[0] == 409
    assert len(called.repeats.kept) == 3


def test_a_call_that_died_unanswered_makes_no_second_grant_when_it_is_sent_again(called: Called) -> None:
    called.caller = Caller(EVE, Via.SIGV4)
    before = len(called.granting.grants.kept)
    first = called("POST", "/grants", wanted(), Idempotency_Key="k")
    called.repeats.kept.clear()  # as where the function dies before it has answered
    assert called("POST", "/grants", wanted(), Idempotency_Key="k") == first
    assert len(called.granting.grants.kept) == before + 1


def test_while_a_call_is_being_answered_it_is_not_begun_again(called: Called) -> None:
    asking(called, "k")
    [(whose, (asked, _answer))] = called.repeats.kept.items()
    called.repeats.kept[whose] = (asked, None)
    status, said = asking(called, "k")
    assert (status, bool(said["cure"])) == (409, True)
    assert asking(called, "k", answer="no")[0] == 422


@pytest.mark.parametrize("key", ["", " ", "a b", '"', '""', '"a', 'a"', "a\\b", "ü", "x" * 101, "a\n", "a\t"])
def test_what_is_no_key_is_refused_and_decides_nothing(called: Called, key: str) -> None:
    status, said = called("POST", f"/findings/{called.finding}/apply", called.answer(), Idempotency_Key=key)
    assert (status, "Idempotency-Key" in said["detail"]) == (400, True)
    assert called.office.world.questions.kept == {}


def test_neither_a_failure_nor_what_is_no_call_is_kept(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    path, body = f"/findings/{called.finding}/apply", called.answer()
    assert called("POST", path, "{", Idempotency_Key="k")[0] == 400
    for caller, status in ((Unavailable("later"), 503), (TooOften(), 429), (Refusal("Nobody.", "Sign in."), 403)):
        called.caller = caller
        assert called("POST", path, body, Idempotency_Key="k")[0] == status
    called.caller = Caller(ANN, Via.SIGV4)
    with monkeypatch.context() as later:
        later.setattr(bootstrap, "decision_tools", lambda: (_ for _ in ()).throw(Unavailable("DynamoDB does not answer")))
        assert called("POST", path, body, Idempotency_Key="k")[0] == 503
    assert called.repeats.kept == {}
    assert called("POST", path, body, Idempotency_Key="k")[0] == 200


def test_attributes_that_are_not_known_for_a_moment_refuse_nothing_for_a_day(called: Called) -> None:
    called.granting.rules = entitlements(rule(who={"attributes": {"department": "pay"}}))
    called.caller, people = Caller(EVE, Via.SIGV4), called.granting.people
    people[EVE.user_id] = Asker(EVE, frozenset({"payments"}), None, frozenset())
    assert called("POST", "/grants", wanted(), Idempotency_Key="k")[0] == 503
    people[EVE.user_id] = people[EVE.user_id]._replace(attributes={"department": "pay"})
    assert called("POST", "/grants", wanted(), Idempotency_Key="k")[0] == 201


@pytest.mark.parametrize("does", ["approve", "refuse", "cancel", "revoke"])
def test_a_pager_that_is_out_for_a_moment_makes_no_grant_missing_for_a_day(called: Called, does: str) -> None:
    called.granting.rules = entitlements(rule(approve={"on_call": ["payments"]}))
    grant, people = called.granting.asked(person=EVE), called.granting.people
    people[ANN.user_id] = Asker(ANN, frozenset({"ops"}), {}, None)
    path, body = f"/grants/{grant.id}/{does}", (called.body(f"/grants/{{grant_id}}/{does}") or {})
    body |= {"shown": grant.shown_hash} if "shown" in body else {}
    assert called("POST", path, body, Idempotency_Key="k")[0] == 503
    assert called("GET", f"/grants/{grant.id}")[0] == 503
    people[ANN.user_id] = people[ANN.user_id]._replace(on_call=frozenset({"payments"}))
    assert called("POST", path, body, Idempotency_Key="k")[0] == 200


@pytest.mark.parametrize("path", ["/slack/interactions", "/slack/commands"])
def test_what_comes_from_slack_is_stored_nowhere(called: Called, path: str) -> None:
    minted: list[str] = []

    def mint() -> Response[str]:
        minted.append(SECRET)
        return Response(200, "application/json", json.dumps({"secret": SECRET}), {"Cache-Control": "no-store"})

    called.module.app.post(path)(mint)
    for written in (path, f"/token{path}", f"{path}/", f"/token{path}/", f"{path}//"):
        for _ in range(2):
            called.raw("POST", written, {}, Idempotency_Key="k")
    assert minted == [SECRET] * 10
    assert called.repeats.kept == {}


@pytest.mark.parametrize("path", ["/me/slack", "/token/me/slack", "/me/slack/", "/token/me/slack/", "/me/slack//"])
def test_a_code_for_slack_is_minted_anew_under_the_same_key_and_kept_by_none(called: Called, path: str) -> None:
    codes = {json.loads(called.raw("POST", path, Idempotency_Key="k")["body"])["code"] for _ in range(2)}
    assert (len(codes), called.repeats.kept) == (2, {})


def test_a_bug_fails_the_invocation_and_does_not_tell_what_was_sent(
    called: Called, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "decision_tools", lambda: dict[str, str]()[SECRET])
    with pytest.raises(RuntimeError) as raised:
        called("POST", f"/findings/{called.finding}/apply", called.answer())
    told = "\n".join([*(str(vars(each)) for each in caplog.records), *capsys.readouterr(), *traceback.format_exception(raised.value)])
    assert "KeyError" in told
    assert SECRET not in told


def test_no_body_and_no_reason_is_ever_logged(called: Called, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    called("POST", f"/findings/{called.finding}/apply", called.answer())
    called("POST", f"/findings/{called.finding}/apply", "{" + SECRET)
    called.caller = Unavailable("later")
    called("POST", f"/findings/{called.finding}/apply", called.answer())
    logged = "\n".join([*(str(vars(each)) for each in caplog.records), *capsys.readouterr()])
    assert "later" in logged
    assert SECRET not in logged


def test_somebody_is_offered_what_he_may_ask_for_and_machines_nothing(called: Called) -> None:
    status, page = called("GET", "/entitlements")
    assert status == 200
    assert [(each["role"], each["template"]) for each in page["offers"]] == [(ORDERS.ref, "read-bucket")]
    assert called("GET", "/entitlements", query={"after": ORDERS.ref})[1]["offers"] == []
    assert called("GET", "/entitlements", query={"after": "x"})[0] == 400
    called.offering = offering(EVE)
    assert called("GET", "/entitlements")[0] == 403
    called.caller = Caller(Machine("arn:aws:iam::444455556666:role/bot"), Via.SIGV4)
    assert called("GET", "/entitlements")[0] == 403
    assert called("GET", "/reports/grants", query=REPORT)[0] == 403


def test_a_report_is_a_page_and_says_where_the_next_one_is(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    called.granting.asked(person=EVE)
    for form in Form:
        _, text = called("GET", "/reports/grants", query={**REPORT, "format": form})
        assert len(text.splitlines()) == 2 + (form is Form.CSV)
    monkeypatch.setattr(report_grants, "LONGEST", 10)
    first = called.raw("GET", "/reports/grants", query={**REPORT, "format": "jsonl"})
    (link,) = first["multiValueHeaders"]["Link"]
    there = urlsplit(urljoin("https://x.execute-api.eu-central-1.amazonaws.com/prod/reports/grants?since=x", link[1 : link.index(">")]))
    assert link.endswith('>; rel="next"')
    assert there.path == "/prod/reports/grants"  # the stage, or a domain's mapping, which the function is not told
    second = called.raw("GET", "/reports/grants", query=dict(parse_qsl(there.query)))
    assert "Link" not in second["multiValueHeaders"]
    ids = [json.loads(each["body"])["grant"]["grant_id"] for each in (first, second)]
    assert ids == sorted(called.granting.grants.kept)
    assert first["multiValueHeaders"]["Cache-Control"] == ["no-store"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"since": ""},
        {"since": "2026-07-02"},
        {"since": "2026-7-1x"},
        {"until": "2026-06-30"},
        {"until": "2027-07-03"},
        {"until": "20260702"},
        {"format": "xml"},
        {"after": "x"},
    ],
)
def test_what_is_no_report_is_refused(called: Called, wrong: dict[str, str]) -> None:
    status, said = called("GET", "/reports/grants", query={**REPORT, **wrong})
    assert (status, bool(said["cure"])) == (400, True)


def test_only_who_oversees_grants_reads_reports(called: Called) -> None:
    called.caller = Caller(EVE, Via.SIGV4)
    assert called("GET", "/reports/grants", query=REPORT)[0] == 403
