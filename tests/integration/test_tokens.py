"""Who comes with a token: real API, real authorizer, an issuer on this machine. Without one in the file nobody does."""

import io
import itertools
import json
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from requests.auth import AuthBase

from local import artifact, identity_center
from local.installation import Installation, People, trusting
from local.world import ANN, HUB, JANE, PROD, STRANGER
from tests.https_issuer import Issuer, answering, certificate_in, issuing
from tests.integration.emulated import EchoApi, allowing, unique, user
from tests.integration.test_openapi import CALLERS, OPERATIONS, drawing, in_identity_center, is_open, operation_named
from tests.unit.test_authorize_token import private, token

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

ISSUER = "https://login.acme.example"
OF_CALLERS = {f"00u2{number}": each for number, each in enumerate(CALLERS)}
PEOPLE = {"00u1ann": ANN.user_name, "00u1jane": JANE.user_name, "00u1gone": "nobody@acme.example", **OF_CALLERS}
FUNCTIONS = ("AuthorizeTokenFunction", "ServeApiFunction")
Answer = tuple[int, Any]


def claims(**changes: Any) -> dict[str, Any]:
    return {"iss": ISSUER, "aud": "doorward", "sub": "00u1ann", "exp": datetime.now(UTC).timestamp() + 600, **changes}


class Bearing(AuthBase):
    """By turns, so that nobody's sixty calls a minute are over and hide an answer."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = itertools.cycle(tokens)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {next(self._tokens)}"
        return request


def call(doorward: Installation, path: str, authorization: str | None, body: object = None) -> Answer:
    """Unsigned."""
    headers = {"User-Agent": "test/1"} | ({} if authorization is None else {"Authorization": authorization})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(doorward.api_url + path, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


def signing(doorward: Installation, path: str, keys: dict[str, str]) -> Answer:
    api = EchoApi(doorward.stack, HUB.id, doorward.api_url.rpartition("/v1")[0].rpartition("/")[2])
    return api.call(path, keys)


@pytest.fixture(scope="module")
def issuer(doorward: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """The hub as it is once somebody writes an issuer into config/organization.yaml, builds and deploys."""
    certificate = certificate_in(tmp_path_factory.mktemp("issuer"))
    functions = doorward.stack.client("lambda", HUB.id)
    with issuing(certificate) as acme:
        named = {"issuer": ISSUER, "keys": acme.named().keys, "audience": "doorward", "people": PEOPLE, "machines": ["0oa1bot"]}
        layer = functions.publish_layer_version(
            LayerName=unique("with-tokens"), Content={"ZipFile": _layer_with([named])}, CompatibleRuntimes=["python3.13"]
        )["LayerVersionArn"]
        before = {each: functions.get_function_configuration(FunctionName=doorward.physical_id(each)) for each in FUNCTIONS}
        for each, configuration in before.items():
            layers = [layer if "DoorwardLayer" in arn else arn for arn in (one["Arn"] for one in configuration["Layers"])]
            assert layer in layers
            variables = configuration["Environment"]["Variables"] | {"SSL_CERT_FILE": str(certificate)}
            functions.update_function_configuration(
                FunctionName=doorward.physical_id(each), Layers=layers, Environment={"Variables": variables}
            )
        yield acme
        for each, configuration in before.items():
            functions.update_function_configuration(
                FunctionName=doorward.physical_id(each),
                Layers=[one["Arn"] for one in configuration["Layers"]],
                Environment=configuration["Environment"],
            )


def _layer_with(tokens: list[Any]) -> bytes:
    folder, archive = artifact.BUILD / "DoorwardLayer", io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in (each for each in folder.rglob("*") if each.is_file()):
            content = file.read_bytes()
            if file.name == "organization.json" and file.parent.name == "configuration":
                organization = json.loads(content)
                organization["identity"]["tokens"] = tokens
                content = json.dumps(organization).encode()
            zipped.writestr(str(file.relative_to(folder)), content)
    return archive.getvalue()


def test_without_an_issuer_in_the_file_no_token_lets_anybody_in(doorward: Installation) -> None:
    status, said = call(doorward, "/token/me", f"Bearer {token(claims())}")
    assert (status, said["detail"]) == (403, "The token is of no issuer that Doorward knows.")
    assert "config/organization.yaml" in said["cure"]


def test_a_person_with_a_true_token_is_who_the_file_says(doorward: Installation, issuer: Issuer) -> None:
    for sub, person in (("00u1ann", ANN), ("00u1jane", JANE)):
        status, said = call(doorward, "/token/me", f"Bearer {token(claims(sub=sub))}")
        assert (status, said["user_name"], said["via"], said["groups"]) == (200, person.user_name, "jwt", list(person.groups))
    status, said = call(doorward, "/token/me", f"Bearer {token(claims(sub='0oa1bot'))}")
    assert (status, said["kind"], said["id"]) == (200, "machine", f"{ISSUER} 0oa1bot")
    assert issuer.asked.count("/keys") == 1


REFUSED: dict[str, Callable[[], str]] = {
    "signature": lambda: f"Bearer {token(claims(), key=private('mallory'))}",
    "expired": lambda: f"Bearer {token(claims(exp=1))}",
    "another audience": lambda: f"Bearer {token(claims(aud='them'))}",
    "no issuer": lambda: f"Bearer {token(claims(iss='https://mallory.example'))}",
    "nobody whom": lambda: f"Bearer {token(claims(sub='00u1mallory'))}",
    "RS256": lambda: f"Bearer {token(claims(), header={'alg': 'none', 'kid': 'k-1'})}",
    "base64url": lambda: "Bearer x",
    "cannot be used": lambda: "Basic YW5uOmFubg==",
}
"""By why they are. Made when they are needed: the suite runs for longer than a token is good for."""


@pytest.mark.parametrize("because", REFUSED)
def test_any_other_token_is_refused_and_says_what_to_do(doorward: Installation, issuer: Issuer, because: str) -> None:
    status, said = call(doorward, "/token/me", REFUSED[because]())
    assert (status, because in said["detail"]) == (403, True), said
    assert said["cure"].endswith(".")


def test_who_has_gone_from_identity_center_is_refused_by_the_function_itself(doorward: Installation, issuer: Issuer) -> None:
    status, said = call(doorward, "/token/me", f"Bearer {token(claims(sub='00u1gone'))}")
    assert (status, "exactly this user name" in said["detail"]) == (403, True)


@pytest.fixture(scope="module")
def people_with_tokens(doorward: Installation, issuer: Issuer) -> Iterator[requests.Session]:
    with in_identity_center(doorward), requests.Session() as session:
        session.auth = Bearing(*(token(claims(sub=each)) for each in OF_CALLERS))
        yield session


@pytest.mark.parametrize("label", [each for each in OPERATIONS if each.startswith(("GET", "POST")) and not is_open(each)])
def test_the_same_paths_answer_as_documented_under_token(doorward: Installation, people_with_tokens: requests.Session, label: str) -> None:
    answers = drawing(f"{doorward.api_url}/token", people_with_tokens, operation_named(label), calls=3)
    assert not {401, 403, 429} & answers.keys()


def test_without_a_token_there_is_nothing_under_token(doorward: Installation, issuer: Issuer) -> None:
    for path in ("/token/me", "/token/findings", "/token/x"):
        status, said = call(doorward, path, None)
        assert (status, "Bearer" in said["cure"]) == (401, True)


def test_a_signature_counts_for_nothing_under_token_whoever_signs(doorward: Installation, issuer: Issuer) -> None:
    stack = doorward.stack
    everything = allowing("execute-api:Invoke", "*")
    for keys in (identity_center.sign_in(stack, ANN), user(stack, PROD.id, everything), user(stack, STRANGER.id, everything)):
        assert signing(doorward, "/token/me", keys)[0] == 403


def test_a_token_counts_for_nothing_elsewhere(doorward: Installation, issuer: Issuer) -> None:
    good = f"Bearer {token(claims())}"
    for path in ("/me", "/findings"):
        assert call(doorward, path, good)[0] == 403
        assert call(doorward, path, None)[0] == 403


def test_neither_a_stranger_nor_whoever_is_unsigned_reaches_the_other_paths(doorward: Installation) -> None:
    assert call(doorward, "/me", None) == (403, {"message": "Missing Authentication Token"})
    stranger = user(doorward.stack, STRANGER.id, allowing("execute-api:Invoke", "*"))
    status, said = signing(doorward, "/me", stranger)
    assert (status, "is not authorized to perform: execute-api:Invoke" in said["message"], said["detail"]) == (403, True, "")


def test_where_the_issuer_does_not_answer_nobody_is_let_through(doorward: Installation, issuer: Issuer) -> None:
    """A key that nobody knows makes the authorizer look again, after a minute: so its environment is made anew."""
    with doorward.configured("AuthorizeTokenFunction", DOORWARD_TEST="another environment"):
        issuer.answer.append(answering({}, 500))
        status, said = call(doorward, "/token/me", f"Bearer {token(claims())}")
    assert (status, said["cure"]) == (503, "Try again in a minute.")


def test_what_somebody_decides_with_a_token_counts_and_a_machine_decides_nothing(
    doorward: Installation, issuer: Issuer, people: dict[str, People]
) -> None:
    name, open_to_all = unique("by-token"), trusting("*")
    people[PROD.id].pipeline().create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(open_to_all))
    (case,) = doorward.stack.until(lambda: doorward.cases(f"{PROD.id}/{name}"), "the finding") or []
    finding_id = json.loads(case["detail"])["finding_id"]
    path = f"/token/findings/{finding_id}"
    _, shown = call(doorward, path, f"Bearer {token(claims())}")
    answer = {"answer": "no", "shown": shown["decisions"]["apply"]["shown"], "reason": "it is meant to be"}
    status, said = call(doorward, f"{path}/apply", f"Bearer {token(claims(sub='0oa1bot'))}", answer)
    assert (status, said["detail"]) == (409, "Machines never decide.")
    status, said = call(doorward, f"{path}/apply", f"Bearer {token(claims())}", {**answer, "answer": "yes"})
    assert (status, said["state"]) == (200, "open")  # critical: one who signs has to, too
    assert "signed with AWS credentials" in said["what_to_do"]
    status, said = call(doorward, f"{path}/apply", f"Bearer {token(claims())}", answer)
    assert (status, said["state"]) == (200, "refused")
    assert doorward.trust_policy(PROD, name) == open_to_all
