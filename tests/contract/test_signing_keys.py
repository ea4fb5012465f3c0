"""An issuer's keys over https, from an issuer that answers well, badly, slowly, or elsewhere."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from doorward.errors import Unavailable
from doorward.organization.model import TokenIssuer
from doorward.web import signing_keys
from doorward.web.signing_keys import KEPT_FOR, LOOK_AGAIN, HttpsSigningKeys
from tests.fakes import FakeClock
from tests.https_issuer import KEYS, Answer, Issuer, answering, certificate_in, issuing
from tests.unit.test_authorize_token import jwk, private, public


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_in(tmp_path_factory.mktemp("issuer"))


@pytest.fixture
def issuer(certificate: Path) -> Iterator[Issuer]:
    with issuing(certificate) as acme:
        yield acme


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def keys(issuer: Issuer, clock: FakeClock) -> HttpsSigningKeys:
    return HttpsSigningKeys(clock, issuer.context)


def test_a_key_is_read_once_and_kept_for_a_while(issuer: Issuer, keys: HttpsSigningKeys, clock: FakeClock) -> None:
    for _ in range(3):
        assert keys.key(issuer.named(), "k-1") == public(private())
    assert issuer.asked == ["/keys"]
    clock.sleep(KEPT_FOR.total_seconds())
    issuer.answer.append(answering({"keys": []}))
    assert keys.key(issuer.named(), "k-1") is None  # taken away by its issuer
    assert len(issuer.asked) == 2


def test_an_unknown_key_leads_to_another_look_at_most_once_a_minute(issuer: Issuer, keys: HttpsSigningKeys, clock: FakeClock) -> None:
    assert keys.key(issuer.named(), "k-1") is not None
    for number in range(20):
        assert keys.key(issuer.named(), f"made-up-{number}") is None
    assert len(issuer.asked) == 1
    clock.sleep(LOOK_AGAIN.total_seconds())
    issuer.answer.append(answering({"keys": [jwk(private("second"), "k-2")]}))
    assert keys.key(issuer.named(), "k-2") == public(private("second"))
    assert len(issuer.asked) == 2


def test_each_address_has_its_own_keys(issuer: Issuer, keys: HttpsSigningKeys) -> None:
    issuer.answer += [KEYS, answering({"keys": []})]
    assert keys.key(issuer.named("/a"), "k-1") is not None
    assert keys.key(issuer.named("/b"), "k-1") is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("elsewhere", ["http://localhost:1/x", "/other", "file:///etc/passwd"])
def test_no_redirect_is_followed(issuer: Issuer, keys: HttpsSigningKeys, status: int, elsewhere: str) -> None:
    issuer.answer.append(answering(b"", status, Location=elsewhere))
    with pytest.raises(Unavailable, match=f"HTTP {status}"):
        keys.key(issuer.named(), "k-1")
    assert issuer.asked == ["/keys"]


def dripping(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    for _ in range(100):
        request.wfile.write(b" ")
        time.sleep(0.05)


def babbling(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"220 mail.acme.example ESMTP\r\n")


def cut_off(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    request.wfile.write(b"100\r\n{")


def silent(_: BaseHTTPRequestHandler) -> None:
    time.sleep(0.6)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (answering({}, 500), "HTTP 500"),
        (answering({"keys": []}, 404), "HTTP 404"),
        (answering(b"<html>"), "Expecting value"),
        (answering({"keys": "x"}), "no list"),
        (answering(b" " * (256 * 1024 + 1)), "more than 262144 bytes"),
        (dripping, "longer than"),
        (babbling, "BadStatusLine"),
        (cut_off, "IncompleteRead"),
        (silent, "timed out"),
    ],
)
def test_an_issuer_that_answers_badly_lets_nobody_through_and_is_not_asked_at_each_token(  # noqa: PLR0917 - fixtures and what is tried
    issuer: Issuer, keys: HttpsSigningKeys, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, answer: Answer, says: str
) -> None:
    monkeypatch.setattr(signing_keys, "_SILENCE_SECONDS", 0.3)
    monkeypatch.setattr(signing_keys, "_MOST_SECONDS", 0.2)
    issuer.answer.append(answer)
    for _ in range(3):
        with pytest.raises(Unavailable, match=says):
            keys.key(issuer.named(), "k-1")
    assert len(issuer.asked) == 1
    monkeypatch.setattr(signing_keys, "_MOST_SECONDS", 5)
    clock.sleep(LOOK_AGAIN.total_seconds())
    assert keys.key(issuer.named(), "k-1") == public(private())


def test_whoever_has_no_certificate_of_that_name_is_not_the_issuer(issuer: Issuer, clock: FakeClock) -> None:
    with pytest.raises(Unavailable, match="certificate verify failed"):
        HttpsSigningKeys(clock).key(issuer.named(), "k-1")
    assert issuer.asked == []


@pytest.mark.parametrize("address", ["http://localhost/keys", "file:///etc/passwd", "ftp://localhost/keys", "data:,{}"])
def test_only_https_is_ever_fetched(keys: HttpsSigningKeys, address: str) -> None:
    with pytest.raises(Unavailable, match="not https"):
        keys.key(TokenIssuer("https://a.example", address, "a"), "k-1")
