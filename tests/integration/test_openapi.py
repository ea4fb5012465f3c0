"""The running API against its contract: Schemathesis draws calls from docs/openapi.yaml, such as fit it and such as do not.

Whoever calls is drawn, too: people who signed, by turns, so that nobody's sixty calls a minute are over and hide an answer; and nobody.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import schemathesis
import yaml
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, Phase, given, settings
from requests.auth import AuthBase
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from local import identity_center
from local.cloud.identity_store import STORE
from local.installation import Installation, People, trusting
from local.world import ANN, JOE, MANAGEMENT, PROD, REGION, STAGING, STRANGER, Person
from tests.integration.emulated import allowing, unique, user
from tests.template.conftest import REPOSITORY

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

type Operation = APIOperation[Any, Any, Any, Any]

CONTRACT: dict[str, Any] = yaml.safe_load((REPOSITORY / "docs/openapi.yaml").read_text("utf-8"))
METHODS = {"get", "post", "put", "delete"}
OPERATIONS = [f"{method.upper()} {path}" for path, each in CONTRACT["paths"].items() for method in each if method in METHODS]
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
DRAWN = 12
"""Calls of an operation, of each kind: in all some three hundred, in half a minute."""
CALLERS = [f"caller-{number}@acme.example" for number in range(12)]
"""Who may call, made for this."""
_SECONDS = 40
"""A first call on a busy machine starts a function."""


class Signed(AuthBase):
    """Signs with the credentials of one after the other."""

    def __init__(self, everybody: list[Credentials]) -> None:
        self._everybody = itertools.cycle(everybody)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        headers = {name: request.headers[name] for name in ("Content-Type", "Idempotency-Key") if name in request.headers}
        request.url = (request.url or "").replace("+", "%20")  # as a signature has it
        signed = AWSRequest(request.method, request.url, data=request.body, headers=headers)
        SigV4Auth(next(self._everybody), "execute-api", REGION).add_auth(signed)
        request.headers.update(dict(signed.headers))
        return request


def session_of(*keys: Mapping[str, str]) -> requests.Session:
    session = requests.Session()
    if keys:
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        credentials: list[Any] = [[each.get(name) for name in names] for each in keys]
        session.auth = Signed([Credentials(*each) for each in credentials])
    return session


@contextmanager
def in_identity_center(doorward: Installation) -> Iterator[None]:
    """Those of CALLERS are, and in no group."""
    center = doorward.stack.client("identitystore", MANAGEMENT.id)
    ids = [center.create_user(IdentityStoreId=STORE, UserName=each, DisplayName=each)["UserId"] for each in CALLERS]
    yield
    for each in ids:
        center.delete_user(IdentityStoreId=STORE, UserId=each)


@pytest.fixture(scope="module")
def people_of_ours(doorward: Installation) -> Iterator[requests.Session]:
    with (
        in_identity_center(doorward),
        session_of(*(identity_center.sign_in(doorward.stack, Person(each, each)) for each in CALLERS)) as session,
    ):
        yield session


@pytest.fixture(scope="module")
def ann(doorward: Installation) -> Iterator[requests.Session]:
    with session_of(identity_center.sign_in(doorward.stack, ANN)) as session:
        yield session


@pytest.fixture(scope="module")
def stranger(doorward: Installation) -> Iterator[requests.Session]:
    """Of another organization, who may call whatever he likes by his own policies."""
    with session_of(user(doorward.stack, STRANGER.id, allowing("execute-api:Invoke", "*"))) as session:
        yield session


def operation_named(label: str, contract: Mapping[str, Any] = CONTRACT) -> Operation:
    method, path = label.split(" ")
    return schemathesis.openapi.from_dict(json.loads(json.dumps(contract)))[path][method]


def takes_something(label: str) -> bool:
    """Whether there is anything that a call could have wrong."""
    method, path = label.split(" ")
    operation = CONTRACT["paths"][path][method.lower()]
    return bool(operation.get("parameters") or CONTRACT["paths"][path].get("parameters") or operation.get("requestBody"))


def is_open(label: str) -> bool:
    """Slack's: whoever calls is found out otherwise."""
    return label.split(" ")[1].startswith("/slack/")


def drawing(
    url: str, session: requests.Session, operation: Operation, mode: GenerationMode = GenerationMode.POSITIVE, calls: int = DRAWN
) -> dict[int, set[str]]:
    """What was answered, by status. Raises FailureGroup where something else than the contract says was."""
    answers: dict[int, set[str]] = {}

    @settings(
        max_examples=calls, deadline=None, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=[*HealthCheck]
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def drawn(case: Case[Any]) -> None:
        response = case.call(base_url=url, session=session, timeout=_SECONDS)
        answers.setdefault(response.status_code, set()).add(f"{response.request.path_url}: {response.text}")
        case.validate_response(response, checks=CHECKS)

    drawn()
    assert answers
    return answers


FITTING = [(label, GenerationMode.POSITIVE) for label in OPERATIONS]
WRONG = [(label, GenerationMode.NEGATIVE) for label in OPERATIONS if takes_something(label)]


@pytest.mark.parametrize(("label", "mode"), [*FITTING, *WRONG])
def test_whatever_somebody_of_ours_calls_the_answer_is_a_documented_one(
    doorward: Installation, people_of_ours: requests.Session, label: str, mode: GenerationMode
) -> None:
    answers = drawing(doorward.api_url, people_of_ours, operation_named(label), mode)
    if not is_open(label):
        hidden = [answers[each] for each in (403, 429) if each in answers]
        assert not hidden  # else who calls, or how often, would hide what he calls


@pytest.mark.parametrize("label", [each for each in OPERATIONS if not is_open(each)])
def test_whoever_is_unsigned_without_a_token_or_of_another_account_is_refused_as_documented(
    doorward: Installation, stranger: requests.Session, label: str
) -> None:
    operation, nobody = operation_named(label), requests.Session()
    assert set(drawing(doorward.api_url, nobody, operation, calls=3)) <= {401, 403}
    assert set(drawing(f"{doorward.api_url}/token", nobody, operation, calls=3)) <= {401, 403}
    assert set(drawing(doorward.api_url, stranger, operation, calls=3)) == {403}


def test_each_operation_answers_what_is_asked_for_as_documented(
    doorward: Installation, people: dict[str, People], ann: requests.Session
) -> None:
    """With what is there: the calls that are drawn are about findings and roles that nobody has."""
    finding_id, role_ref = asked_about(doorward, people)

    def reached(label: str, status: int = 200, by: requests.Session = ann, **call: Any) -> Any:
        case = operation_named(label).Case(media_type="application/json" if "body" in call else None, **call)
        response = case.call(base_url=doorward.api_url, session=by, timeout=_SECONDS)
        case.validate_response(response, checks=CHECKS)
        assert response.status_code == status, response.text
        return response.json()

    named: dict[str, Any] = {"path_parameters": {"finding_id": finding_id}}
    reached("GET /me")
    reached("GET /findings", query={"after": "000000000000/x"})
    shown = reached("GET /findings/{finding_id}", **named)["decisions"]["apply"]["shown"]
    key = {"Idempotency-Key": f'"{unique("key")}"'}
    for _ in range(2):  # the second is answered from what was kept
        said = reached("POST /findings/{finding_id}/apply", **named, body={"answer": "no", "shown": shown}, headers=key)
        assert said["state"] == "refused"
    until = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    reached("POST /roles/hold", body={"role": role_ref, "until": until, "reason": "looked at"})
    baseline = reached("GET /roles/baseline", query={"role": role_ref})
    reached("POST /roles/baseline", body={"role": role_ref, "answer": "no", "shown": baseline["shown"]})
    with session_of(identity_center.sign_in(doorward.stack, JOE)) as joe:
        wanted = {"role": f"{STAGING.id}/doorward-grant-read", "template": "read-bucket", "minutes": 1, "reason": "looked at"}
        for word, says in (("approve", {}), ("refuse", {"reason": "not today"})):
            grant = reached("POST /grants", 201, body={**wanted, "parameters": {"bucket": unique("contract")}})
            named = {"path_parameters": {"grant_id": grant["grant_id"]}}
            assert reached("GET /grants/{grant_id}", **named)["shown"] == grant["shown"]
            reached(f"POST /grants/{{grant_id}}/{word}", by=joe, **named, body={"shown": grant["shown"], **says})
            for ended in ("cancel", "revoke"):
                reached(f"POST /grants/{{grant_id}}/{ended}", **named, body={"reason": "looked at"})
    assert reached("GET /grants", query={"mine": "true"})["grants"]


def test_the_same_call_at_once_is_answered_once_and_then_to_all(doorward: Installation, people: dict[str, People]) -> None:
    finding_id, _ = asked_about(doorward, people)
    body = {"answer": "yes", "shown": "0" * 64}
    keys = identity_center.sign_in(doorward.stack, ANN)
    headers = {"Idempotency-Key": unique("at-once")}

    def said(_: int) -> tuple[int, str]:
        with session_of(keys) as alone:
            answer = alone.post(f"{doorward.api_url}/findings/{finding_id}/apply", json=body, headers=headers, timeout=_SECONDS)
            return answer.status_code, answer.json()["detail"]

    with ThreadPoolExecutor(4) as pool:
        at_once = set(pool.map(said, range(4)))
    answered = said(0)
    assert answered in at_once
    assert {detail for _, detail in at_once} <= {answered[1], "The first call with this Idempotency-Key is not answered yet."}
    assert {status for status, _ in at_once} == {409}


def asked_about(doorward: Installation, people: dict[str, People]) -> tuple[str, str]:
    """A finding that people are asked about, and its role."""
    role_ref = f"{PROD.id}/{unique('contract')}"
    name = role_ref.partition("/")[2]
    people[PROD.id].pipeline().create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trusting("*")))
    (case,) = doorward.stack.until(lambda: doorward.cases(role_ref), "the finding") or []
    return json.loads(case["detail"])["finding_id"], role_ref


def undocumented(label: str, change: Callable[[Any], object]) -> Operation:
    contract = json.loads(json.dumps(CONTRACT))
    method, path = label.split(" ")
    change(contract["paths"][path][method.lower()]["responses"])
    return operation_named(label, contract)


@pytest.mark.parametrize(
    ("label", "change"),
    [
        ("POST /findings/{finding_id}/apply", lambda responses: responses.pop("409")),
        ("GET /me", lambda responses: responses.update({"200": {"description": "x", "content": {"text/plain": {}}}})),
        ("GET /me", lambda responses: responses["200"]["content"]["application/json"].update(schema={"required": ["shoe_size"]})),
    ],
    ids=["status", "content type", "body"],
)
def test_an_answer_that_is_not_documented_is_found(
    doorward: Installation, people_of_ours: requests.Session, label: str, change: Callable[[Any], object]
) -> None:
    with pytest.raises(FailureGroup):
        drawing(doorward.api_url, people_of_ours, undocumented(label, change), calls=3)
