"""What the broker asks STS and AWS's sign-in for, what it makes of every way in which they refuse, and how it is asked itself.

Whatever goes wrong, no secret stands in what is raised: it would be logged.
"""

import io
import json
import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import Stubber

from doorward.aws.broker import LambdaBroker, StsGrantSessions, minted_from
from doorward.aws.sign_in import SignInEndpoint
from doorward.errors import DoorwardError, Misconfigured, Throttled, Unavailable
from doorward.grants.issuing import Issue
from doorward.people.model import Caller, Refusal, Via
from doorward.ports.grants import Credentials, Issued, Kind, Opened, SignIn
from doorward.usecases.mint_credentials import minted_as_json
from tests.grants_world import GRANT_ID, JANE, START

ISSUE_ID = "01JZ1M5T0000000000000VWXYZ"
ROLE = "arn:aws:iam::777788889999:role/doorward/grants/orders"
EXTERNAL_ID = "the-external-id-that-is-a-secret"
SECRET = Credentials("ASIAEXAMPLE", "a-secret-access-key", "a-session-token", START)
SECRETS = (EXTERNAL_ID, *SECRET[:3], "a-sign-in-token")
ASKED = Issue(ROLE, f"jane={GRANT_ID}", '{"Version":"2012-10-17"}', {"doorward:grant": GRANT_ID, "doorward:user": "jane"}, 1800, START)


def nothing_secret_in(error: BaseException) -> None:
    """Neither in what it says, nor in what it was raised from and a log would show."""
    said = "".join(traceback.format_exception(error))
    assert not [each for each in SECRETS if each in said], said


# -- STS ------------------------------------------------------------------------------------------


@contextmanager
def sts(url: str = "http://127.0.0.1:9/federation") -> Iterator[tuple[StsGrantSessions, Stubber]]:
    client = boto3.client("sts", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        yield StsGrantSessions(client, lambda: EXTERNAL_ID, SignInEndpoint(url)), stubber


def answer(**more: Any) -> dict[str, Any]:
    credentials = {
        "AccessKeyId": SECRET.access_key_id.ljust(16, "X"),
        "SecretAccessKey": SECRET.secret_access_key,
        "SessionToken": SECRET.session_token,
        "Expiration": START + timedelta(hours=1),
    }
    return {"Credentials": credentials, **more}


EXPECTED = {
    "RoleArn": ROLE,
    "RoleSessionName": f"jane={GRANT_ID}",
    "SourceIdentity": f"jane={GRANT_ID}",
    "ExternalId": EXTERNAL_ID,
    "Policy": ASKED.policy,
    "Tags": [{"Key": "doorward:grant", "Value": GRANT_ID}, {"Key": "doorward:user", "Value": "jane"}],
    "TransitiveTagKeys": ["doorward:grant", "doorward:user"],
}


def test_sts_is_asked_for_a_session_that_says_whose_it_is_and_may_do_no_more_than_its_policy() -> None:
    with sts() as (sessions, stubber):
        stubber.add_response("assume_role", answer(PackedPolicySize=41), {**EXPECTED, "DurationSeconds": 1800})
        opened = sessions.open(ASKED)
    assert isinstance(opened, Opened)
    assert (opened.credentials.secret_access_key, opened.credentials.expiration, opened.packed_percent) == (
        SECRET.secret_access_key, START + timedelta(hours=1), 41,
    )  # fmt: skip


def test_for_the_console_sts_is_asked_for_no_duration() -> None:
    with sts() as (sessions, stubber):
        stubber.add_response("assume_role", answer(), EXPECTED)
        opened = sessions.open(ASKED._replace(duration_seconds=None))
    assert isinstance(opened, Opened)
    assert opened.packed_percent is None


@pytest.mark.parametrize("code", ["PackedPolicyTooLarge", "MalformedPolicyDocument"])
def test_what_sts_does_not_take_with_its_policy_is_refused_and_never_asked_for_without(code: str) -> None:
    with sts() as (sessions, stubber):
        stubber.add_client_error("assume_role", code)
        assert isinstance(sessions.open(ASKED), Refusal)
        stubber.assert_no_pending_responses()  # a second call would have met no response


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDenied", Misconfigured),
        ("InvalidClientTokenId", Misconfigured),
        ("ValidationError", Misconfigured),
        ("ExpiredTokenException", Unavailable),
        ("RegionDisabledException", Unavailable),
        ("Throttling", Throttled),
        ("ServiceUnavailable", Unavailable),
    ],
)
def test_every_other_error_of_sts_is_a_failure_that_repeats_nothing(code: str, kind: type[DoorwardError]) -> None:
    with sts() as (sessions, stubber):
        stubber.add_client_error("assume_role", code, f"Value '{EXTERNAL_ID}' at 'externalId' failed to satisfy constraint")
        with pytest.raises(kind, match=code) as raised:
            sessions.open(ASKED)
    nothing_secret_in(raised.value)


def test_what_the_sdk_does_not_even_send_repeats_nothing() -> None:
    client = boto3.client("sts", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    tags: Any = {"doorward:grant": b"a-session-token"}
    with pytest.raises(Unavailable, match="ParamValidationError") as raised:
        StsGrantSessions(client, lambda: EXTERNAL_ID, SignInEndpoint("")).open(ASKED._replace(tags=tags))
    nothing_secret_in(raised.value)


# -- AWS's sign-in ---------------------------------------------------------------------------------


class _SignIn(BaseHTTPRequestHandler):
    """Answers as it is told."""

    said: ClassVar[tuple[int, bytes]] = (200, b"")
    headers_: ClassVar[dict[str, str]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status, body = self.said
        self.send_response(status)
        for name, value in self.headers_.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def listening(status: int, body: bytes, **headers: str) -> Iterator[tuple[str, list[str]]]:
    """Its address, and the paths that it was asked for."""
    answers = type("_Answers", (_SignIn,), {"said": (status, body), "headers_": headers, "asked": []})
    server = HTTPServer(("127.0.0.1", 0), answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", answers.asked  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def signing_in(status: int, body: bytes, **headers: str) -> Iterator[tuple[StsGrantSessions, list[str]]]:
    with listening(status, body, **headers) as (url, asked), sts(f"{url}/federation") as (sessions, _):
        yield sessions, asked


def test_the_console_is_opened_by_a_token_for_which_no_duration_is_asked() -> None:
    with signing_in(200, b'{"SigninToken": "a-sign-in-token"}') as (sessions, asked):
        link = sessions.console(SECRET, "https://console.aws.amazon.com/s3?a=b&c=d")
    (path,) = asked
    given = parse_qs(urlsplit(path).query, strict_parsing=True)
    assert given.pop("Action") == ["getSigninToken"]
    assert json.loads(given.pop("Session")[0]) == {
        "sessionId": SECRET.access_key_id, "sessionKey": SECRET.secret_access_key, "sessionToken": SECRET.session_token,
    }  # fmt: skip
    assert given == {}
    shown = urlsplit(link)
    assert f"{shown.scheme}://{shown.netloc}{shown.path}".endswith("/federation")
    assert parse_qs(shown.query, strict_parsing=True) == {
        "Action": ["login"],
        "Destination": ["https://console.aws.amazon.com/s3?a=b&c=d"],
        "SigninToken": ["a-sign-in-token"],
    }


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b"Invalid credentials parameter a-secret-access-key", Misconfigured),
        (403, b"", Misconfigured),
        (302, b"", Unavailable),
        (500, b"", Unavailable),
        (200, b"", Unavailable),
        (200, b"<html>a-session-token</html>", Unavailable),
        (200, b"[]", Unavailable),
        (200, b"{}", Unavailable),
        (200, b'{"SigninToken": ""}', Unavailable),
        (200, b'{"SigninToken": 7}', Unavailable),
    ],
)
def test_whatever_the_sign_in_says_instead_repeats_nothing(status: int, body: bytes, kind: type[DoorwardError]) -> None:
    elsewhere = {"Location": "/elsewhere"} if status == 302 else {}
    with signing_in(status, body, **elsewhere) as (sessions, asked), pytest.raises(kind) as raised:
        sessions.console(SECRET, "https://console.aws.amazon.com/")
    assert len(asked) == 1
    nothing_secret_in(raised.value)


def test_no_proxy_of_the_environment_is_told_the_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with listening(200, b'{"SigninToken": "a-sign-in-token"}') as (proxy, asked):
        monkeypatch.setenv("http_proxy", proxy)
        with sts("http://127.0.0.1:9/federation") as (sessions, _), pytest.raises(Unavailable):
            sessions.console(SECRET, "https://console.aws.amazon.com/")
    assert asked == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/federation", "http://127.0.0.1:9/fede ration", "nowhere"])
def test_a_sign_in_that_cannot_be_reached_repeats_nothing(url: str) -> None:
    with sts(url) as (sessions, _), pytest.raises(Unavailable) as raised:
        sessions.console(SECRET, "https://console.aws.amazon.com/")
    nothing_secret_in(raised.value)


# -- Lambda ---------------------------------------------------------------------------------------


class _Lambda:
    """`answer` is what Invoke gives, or raises."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Any]] = []

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        self.asked.append((FunctionName, json.loads(Payload)))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


ISSUED = Issued(ISSUE_ID, GRANT_ID, Kind.CREDENTIALS, START, Caller(JANE, Via.SIGV4))


def broker(said: object, **more: str) -> tuple[LambdaBroker, _Lambda]:
    if isinstance(said, Exception):
        function: Any = _Lambda(said)
    else:
        payload = said if isinstance(said, bytes) else json.dumps(said).encode()
        function = _Lambda({"Payload": io.BytesIO(payload), **more})
    return LambdaBroker(function, "mint"), function


@pytest.mark.parametrize("minted", [SECRET, SignIn("https://signin.aws.amazon.com/federation?x", START), Refusal("No.", "Ask.")])
def test_what_was_minted_comes_back_as_it_was(minted: Any) -> None:
    assert minted_from(json.loads(json.dumps(minted_as_json(minted)))) == minted


def test_the_broker_is_told_which_grant_and_which_issue_and_for_the_console_where_to() -> None:
    asking, function = broker(minted_as_json(SECRET))
    assert asking.credentials(ISSUED) == SECRET
    assert function.asked == [("mint", {"grant_id": GRANT_ID, "issue_id": ISSUE_ID})]
    link = SignIn("https://x", START)
    asking, function = broker(minted_as_json(link))
    assert asking.console(ISSUED, "https://console.aws.amazon.com/") == link
    assert function.asked == [("mint", {"grant_id": GRANT_ID, "issue_id": ISSUE_ID, "destination": "https://console.aws.amazon.com/"})]


def test_why_it_refuses_is_handed_on() -> None:
    assert broker({"refused": {"because": "No.", "cure": "Ask."}})[0].credentials(ISSUED) == Refusal("No.", "Ask.")


@pytest.mark.parametrize(
    "said",
    [
        b"not JSON a-secret-access-key", None, [], {}, {"credentials": {}}, {"credentials": None}, {"refused": {"x": 1}},
        {"credentials": {**SECRET._asdict(), "expiration": "never"}}, {"credentials": {**SECRET._asdict(), "expiration": 7}},
        minted_as_json(SignIn("https://x", datetime.now(UTC))),
    ],
)  # fmt: skip
def test_anything_else_that_it_answers_is_a_failure_that_repeats_nothing(said: Any) -> None:
    with pytest.raises(Unavailable) as raised:
        broker(said)[0].credentials(ISSUED)
    nothing_secret_in(raised.value)


@pytest.mark.parametrize(
    ("said", "kind", "because"),
    [
        ({"errorType": "Misconfigured", "errorMessage": "opening it: AccessDenied"}, Misconfigured, "opening it: AccessDenied"),
        ({"errorType": "Throttled", "errorMessage": "later"}, Throttled, "later"),
        ({"errorType": "KeyError", "errorMessage": "a-session-token"}, Unavailable, "its log group says why"),
        ({"errorMessage": "Task timed out"}, Unavailable, "its log group says why"),
        ("a-session-token", Unavailable, "its log group says why"),
    ],
)
def test_where_it_fails_its_own_failures_keep_their_kind(said: Any, kind: type[DoorwardError], because: str) -> None:
    with pytest.raises(kind, match=because) as raised:
        broker(said, FunctionError="Unhandled")[0].credentials(ISSUED)
    assert type(raised.value) is kind
    nothing_secret_in(raised.value)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ClientError({"Error": {"Code": "AccessDeniedException", "Message": "a-session-token"}}, "Invoke"), Misconfigured),
        (ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke"), Throttled),
        (ReadTimeoutError(endpoint_url="https://lambda"), Unavailable),
    ],
)
def test_where_it_cannot_be_asked_nothing_is_repeated(error: Exception, kind: type[DoorwardError]) -> None:
    with pytest.raises(kind) as raised:
        broker(error)[0].credentials(ISSUED)
    nothing_secret_in(raised.value)


def test_values_that_are_secret_do_not_show_themselves(caplog: pytest.LogCaptureFixture) -> None:
    link = SignIn("https://signin.aws.amazon.com/federation?SigninToken=a-sign-in-token", START)
    logging.getLogger().warning("%s %s %r %r", SECRET, link, Opened(SECRET, 3), [link])
    assert not [each for each in SECRETS if each in caplog.text]
