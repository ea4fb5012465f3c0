"""What the command line sends to the API, beside what it asks for."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.credentials import Credentials

from doorward.aws.api import LONGEST_BODY, key_of
from doorward.decisions.actions import LONGEST_REASON
from doorward.errors import Misconfigured, Unavailable
from doorward_cli.api import SIGNING, Api, Refused, every

WRITTEN: dict[str, str] = {"message": "User is not authorized", "detail": "", "cure": ""}


class Listening:
    """An API that answers with `{}`, or with what it is told, and keeps what it was sent."""

    def __init__(self) -> None:
        self.headers: list[Any] = []
        self.paths: list[str] = []
        self.answers: list[tuple[int, Any]] = []
        self.more: dict[str, str] = {}
        listening = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                listening.headers.append(self.headers)
                listening.paths.append(self.path)
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, body = listening.answers.pop() if listening.answers else (200, {})
                self.send_response(status)
                for name, value in listening.more.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            do_GET = do_POST  # noqa: N815 - the library calls it so

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def api(self) -> Api:
        return Api(f"http://127.0.0.1:{self.server.server_port}/v1", _somebody())


def _somebody() -> Any:
    return boto3.Session(aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key="x", region_name="us-east-1")


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


SIGNED_FOR = [
    ("https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1", None, "eu-central-1"),
    ("https://a1b2c3d4e5.execute-api.cn-north-1.amazonaws.com.cn/v1", None, "cn-north-1"),
    ("https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1", "eu-west-1", "eu-west-1"),
    ("https://doorward.acme.example/v1", None, "ap-southeast-2"),
    ("https://doorward.acme.example/a.execute-api.eu-central-1.amazonaws.com/v1", None, "ap-southeast-2"),
    ("https://doorward.acme.example/v1", "eu-west-1", "eu-west-1"),
]


@pytest.mark.parametrize(("url", "region", "signed_for"), SIGNED_FOR)
def test_it_is_signed_for_the_region_that_was_named_or_the_addresss_or_the_profiles(url: str, region: str | None, signed_for: str) -> None:
    session = boto3.Session(aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key="x", region_name="ap-southeast-2")
    api = Api(url, session, region=region)
    assert f"/{signed_for}/execute-api/aws4_request" in api._signed("GET", url, None).headers["Authorization"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_is_followed_to_elsewhere_with_a_session(listening: Listening, status: int) -> None:
    listening.more = {"Location": f"http://127.0.0.1:{listening.server.server_port}/elsewhere"}
    listening.answers = [(status, {})]
    with pytest.raises(Unavailable, match="sends elsewhere"):
        listening.api().call("GET", "/me")
    assert len(listening.headers) == 1


def test_what_is_no_json_says_what_may_be_wrong(listening: Listening) -> None:
    api = listening.api()
    assert api.text("GET", "/me") == "{}"
    listening.more = {"Content-Length": "1"}
    with pytest.raises(Unavailable, match="does --api end with the API's stage"):
        api.call("GET", "/me")


def test_what_is_no_reason_is_told_as_that_and_not_sent(listening: Listening) -> None:
    """A body that is too large because of it would be stopped before the API, which would have said why."""
    for reason, why in (("\U0001f4a5" * 5000, "at most 1000 characters"), ("\u3164", "nobody can read")):
        with pytest.raises(Refused, match=f"[Tt]he reason.*{why}") as refused:
            listening.api().call("POST", "/grants", {"reason": reason})
        assert refused.value.status == 400
    assert listening.paths == []
    listening.api().call("POST", "/grants", {"reason": "\U0001f4a5" * LONGEST_REASON})
    assert int(listening.headers[0]["Content-Length"]) < LONGEST_BODY


@pytest.mark.parametrize("status", [200, 403, 503])
def test_an_answer_that_is_cut_off_is_none(listening: Listening, status: int) -> None:
    """Or a refusal without its reason: that it was refused is known."""
    listening.more, listening.answers = {"Content-Length": "5000"}, [(status, WRITTEN)]
    with pytest.raises(Refused if status == 403 else Unavailable):
        listening.api().call("GET", "/me")


def test_what_speaks_no_http_is_told_as_that_and_not_repeated() -> None:
    """As where the address is another service's."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:
        pool.submit(_says, listening, b"220 mail.acme.example ESMTP\r\n")
        api = Api(f"http://127.0.0.1:{listening.getsockname()[1]}", _somebody())
        with pytest.raises(Unavailable, match="is none of HTTP") as raised:
            api.call("GET", "/me")
    assert "acme" not in str(raised.value)


def _says(listening: socket.socket, what: bytes) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(what)


def test_by_how_much_the_clock_is_behind_is_seen_whatever_the_answer(listening: Listening) -> None:
    api = listening.api()
    assert api.behind is None
    listening.answers = [(403, {})]
    with pytest.raises(Refused):
        api.call("GET", "/me")
    assert api.behind is not None
    assert abs(api.behind) < 30


def test_who_is_started_to_get_credentials_that_sign_can_tell(listening: Listening) -> None:
    seen: list[str | None] = []

    class Session:
        def get_credentials(self) -> Credentials:
            seen.append(os.environ.get(SIGNING))
            return Credentials("AKIAEXAMPLE", "x")

    Api(f"{listening.api()._url}", Session(), region="us-east-1").call("GET", "/me")
    assert (seen, os.environ.get(SIGNING)) == (["1"], None)


def test_a_profile_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(Misconfigured, match="nobodys"):
        Api("https://x.example/v1", profile="nobodys").call("GET", "/me")


@pytest.mark.parametrize(
    ("link", "follows"),
    [
        ('<?a=1&after=x>; rel="next"', "/reports/grants?a=1&after=x"),
        ('<https://elsewhere.example/?a=1>; rel="next"', None),
        ('</reports/grants?a=1>; rel="next"', None),
        ('<//elsewhere.example/?a=1>; rel="next"', None),
        ('<?a=1#x>; rel="next"', None),
        ('<>; rel="next"', None),
        ('<?a=1>; rel="last"', None),
        ("", None),
    ],
)
def test_a_page_leads_to_no_other_address_than_its_own(listening: Listening, link: str, follows: str | None) -> None:
    """Whatever stage or mapping is before it: that is a part of the address that was given."""
    listening.more["Link"] = link
    pages = listening.api().pages("/reports/grants?a=0")
    next(pages)
    listening.more.clear()
    assert [*pages] == ([] if follows is None else ["{}"])
    assert listening.paths == ["/v1/reports/grants?a=0"] + ([] if follows is None else [f"/v1{follows}"])


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ({}, ["/v1/x", "/v1/x?after=777788889999%2Fa%20b%26c"]),
        ({"all": "true"}, ["/v1/x?all=true", "/v1/x?all=true&after=777788889999%2Fa%20b%26c"]),
    ],
)
def test_every_page_is_asked_for_until_there_is_no_next_one(listening: Listening, query: dict[str, str], paths: list[str]) -> None:
    listening.answers = [(200, {"x": [{"id": 3}], "next": None}), (200, {"x": [{"id": 1}, {"id": 2}], "next": "777788889999/a b&c"})]
    assert [each["id"] for each in every(listening.api(), "/x", "x", **query)] == [1, 2, 3]
    assert listening.paths == paths
