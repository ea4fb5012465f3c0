"""What the command line sends to the API, beside what it asks for."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest

from doorward.aws.api import key_of
from doorward_cli.api import Api, Refused

WRITTEN: dict[str, str] = {"message": "User is not authorized", "detail": "", "cure": ""}


class Listening:
    """An API that answers with `{}`, or with what it is told, and keeps what it was sent."""

    def __init__(self) -> None:
        self.headers: list[Any] = []
        self.answers: list[tuple[int, Any]] = []
        listening = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                listening.headers.append(self.headers)
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, body = listening.answers.pop() if listening.answers else (200, {})
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            do_GET = do_POST  # noqa: N815 - the library calls it so

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def api(self) -> Api:
        session: Any = boto3.Session
        keys = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        return Api(f"http://127.0.0.1:{self.server.server_port}/v1", session(**keys))


@pytest.fixture
def listening() -> Iterator[Listening]:
    heard = Listening()
    thread = threading.Thread(target=heard.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield heard
    heard.server.shutdown()
    thread.join()
    heard.server.server_close()


def test_each_run_has_keys_of_its_own_and_the_same_one_for_the_same_call(listening: Listening) -> None:
    one, another = listening.api(), listening.api()
    for api, path, body in (
        (one, "/a", {"x": 1}),
        (one, "/a", {"x": 1}),
        (one, "/b", {"x": 1}),
        (one, "/a", {}),
        (another, "/a", {"x": 1}),
    ):
        api.call("POST", path, body)
    keys = [key_of(each) for each in listening.headers]
    assert None not in keys
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


def test_the_key_is_signed_so_that_nobody_on_the_way_gives_another(listening: Listening) -> None:
    listening.api().call("POST", "/a", {})
    assert "idempotency-key" in listening.headers[0]["Authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")


def test_who_only_reads_sends_none(listening: Listening) -> None:
    listening.api().call("GET", "/a")
    assert key_of(listening.headers[0]) is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (WRITTEN, "the API answered 403: User is not authorized"),
        ({**WRITTEN, "detail": "The token has expired.", "cure": "Get a new one."}, "The token has expired. Get a new one."),
    ],
)
def test_a_refusal_says_what_whoever_refused_had_to_say(listening: Listening, said: dict[str, str], told: str) -> None:
    listening.answers.append((403, said))
    with pytest.raises(Refused) as refused:
        listening.api().call("POST", "/a", {})
    assert str(refused.value).startswith(told)
