"""Tokens: only a true signature of the issuer's own key, by RS256, lets anybody through."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from hmac import new as hmac
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA224, SHA256, SHA512, HashAlgorithm
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import DoorwardError, Unavailable
from doorward.organization.model import Identity, TokenIssuer
from doorward.people.jwt import read_keys, read_token
from doorward.people.model import Refusal
from doorward.people.rs256 import PublicKey, verifies
from doorward.usecases.authorize_token import authorize_token
from tests.fakes import START

ISSUER = TokenIssuer(
    "https://login.acme.example", "https://login.acme.example/keys", "doorward", {"00u1jane": "jane@acme.example"}, ("0oa1bot",)
)
IDENTITY = Identity(tokens=(ISSUER,))
CLAIMS: dict[str, Any] = {"iss": ISSUER.issuer, "aud": "doorward", "sub": "00u1jane", "exp": START.timestamp() + 300}
HEADER: dict[str, Any] = {"alg": "RS256", "kid": "k-1", "typ": "JWT"}


@cache
def private(name: str = "issuer", bits: int = 2048, exponent: int = 65537) -> RSAPrivateKey:
    return generate_private_key(exponent, bits)


def public(key: RSAPrivateKey) -> PublicKey:
    numbers = key.public_key().public_numbers()
    return PublicKey(numbers.n, numbers.e)


@dataclass
class FakeKeys:
    keys: dict[tuple[str, str], PublicKey] = field(default_factory=lambda: {(ISSUER.issuer, "k-1"): public(private())})
    asked: list[tuple[str, str]] = field(default_factory=list)
    fail_next: list[DoorwardError] = field(default_factory=list)

    def key(self, issuer: TokenIssuer, kid: str) -> PublicKey | None:
        self.asked.append((issuer.issuer, kid))
        if self.fail_next:
            raise self.fail_next.pop(0)
        return self.keys.get((issuer.issuer, kid))


def b64(data: bytes | str | Mapping[str, Any]) -> str:
    raw = data if isinstance(data, bytes) else data.encode() if isinstance(data, str) else json.dumps(data).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(claims: Any = None, header: Any = None, key: RSAPrivateKey | None = None) -> str:
    signed = f"{b64(HEADER if header is None else header)}.{b64(CLAIMS if claims is None else claims)}"
    return f"{signed}.{b64((key or private()).sign(signed.encode(), PKCS1v15(), SHA256()))}"


def check(text: object, keys: FakeKeys | None = None) -> Mapping[str, object] | Refusal:
    return authorize_token(text, IDENTITY, keys or FakeKeys(), START)


def test_a_true_token_gives_the_claims_that_count_and_no_other() -> None:
    assert check(token({**CLAIMS, "email": "root@acme.example", "groups": ["security"], "nbf": 1})) == {**CLAIMS, "nbf": 1}
    assert check(token({**CLAIMS, "sub": "0oa1bot"})) == {**CLAIMS, "sub": "0oa1bot"}


@pytest.mark.parametrize("part", [0, 1, 2])
def test_any_other_byte_anywhere_is_refused(part: int) -> None:
    parts = token().split(".")
    for position in range(0, len(parts[part]), 7):
        for letter in "Ax-":
            changed = parts[part][:position] + letter + parts[part][position + 1 :]
            text = ".".join([*parts[:part], changed, *parts[part + 1 :]])
            assert text == token() or isinstance(check(text), Refusal)


def test_another_key_the_issuers_other_key_and_no_key_are_refused() -> None:
    assert isinstance(check(token(key=private("mallory"))), Refusal)
    keys = FakeKeys()
    keys.keys[ISSUER.issuer, "k-2"] = public(private("second"))
    assert isinstance(check(token(header={**HEADER, "kid": "k-2"}), keys), Refusal)
    assert isinstance(check(token(header={**HEADER, "kid": "k-2"}, key=private("second")), keys), Mapping)
    assert isinstance(check(token(header={**HEADER, "kid": "k-3"}), keys), Refusal)


OTHERS: list[Any] = ["none", "None", "", "HS256", "HS512", "RS512", "PS256", "ES256", "rs256", "RS256 ", None, ["RS256"], 1]


@pytest.mark.parametrize("algorithm", OTHERS)
def test_the_token_does_not_say_how_it_is_signed(algorithm: Any) -> None:
    keys = FakeKeys()
    assert isinstance(check(token(header={**HEADER, "alg": algorithm}), keys), Refusal)
    assert keys.asked == []


def test_neither_unsigned_nor_signed_with_the_public_key_as_a_secret() -> None:
    signed = f"{b64({**HEADER, 'alg': 'none'})}.{b64(CLAIMS)}"
    assert isinstance(check(signed + "."), Refusal)
    signed = f"{b64(HEADER)}.{b64(CLAIMS)}"
    assert isinstance(check(signed + "."), Refusal)
    modulus = public(private()).modulus.to_bytes(256)
    for header in ({**HEADER, "alg": "HS256"}, HEADER):
        signed = f"{b64(header)}.{b64(CLAIMS)}"
        assert isinstance(check(f"{signed}.{b64(hmac(modulus, signed.encode(), sha256).digest())}"), Refusal)


def test_a_token_brings_no_key_of_its_own() -> None:
    mallory = private("mallory")
    numbers = public(mallory)
    own = {"kty": "RSA", "kid": "k-1", "n": b64(numbers.modulus.to_bytes(256)), "e": "AQAB"}
    for more in ({"jwk": own}, {"jku": "https://evil.example/keys"}, {"x5u": "https://evil.example/c"}, {"x5c": ["MII"]}):
        assert isinstance(check(token(header={**HEADER, **more}, key=mallory)), Refusal)


@pytest.mark.parametrize(
    "header",
    [{"alg": "RS256"}, {**HEADER, "kid": ""}, {**HEADER, "kid": 1}, {**HEADER, "crit": ["exp"]}, {**HEADER, "crit": []}, [], "x", 1],
)
def test_a_header_that_is_not_as_it_must_be_is_refused(header: Any) -> None:
    keys = FakeKeys()
    assert isinstance(check(token(header=json.dumps(header)), keys), Refusal)
    assert keys.asked == []


@pytest.mark.parametrize(
    "text",
    [
        '{"alg": "none", "alg": "RS256", "kid": "k-1"}',
        '{"alg": "RS256", "kid": "k-1", "kid": "k-1"}',
        '{"alg": "RS256", "kid": "k-1", "x": {"a": 1, "a": 2}}',
        '{"alg": "RS256", "kid": "k-1", "x": NaN}',
        "[" * 3000,
        "\xff\xfe",
    ],
)
def test_what_readers_read_in_two_ways_is_refused(text: str) -> None:
    assert isinstance(check(token(header=text)), Refusal)
    doubled = json.dumps(CLAIMS)[:-1] + ', "sub": "00u1jane"}'
    assert isinstance(check(token(claims=doubled)), Refusal)


def test_a_token_has_one_spelling_and_a_bounded_length() -> None:
    text = token()
    for other in (
        text + "=",
        text + "\n",
        " " + text,
        text + ".",
        text.replace(".", "..", 1),
        text + "A",
        "Bearer " + text,
        None,
        b"x",
        7,
        "",
    ):
        assert isinstance(check(other), Refusal)
    assert isinstance(check(token({**CLAIMS, "x": "y" * 9000})), Refusal)
    # The last letter of 256 bytes has four bits that mean nothing: a reader that ignores them takes sixteen spellings for one.
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = letters.index(text[-1])
    assert isinstance(check(text[:-1] + letters[last ^ 1]), Refusal)


def test_only_a_known_issuers_keys_are_asked_for() -> None:
    keys = FakeKeys()
    for claims in ({**CLAIMS, "iss": "https://evil.example"}, {**CLAIMS, "exp": 1}, {**CLAIMS, "aud": "x"}, {**CLAIMS, "sub": "x"}):
        assert isinstance(check(token(claims), keys), Refusal)
    assert keys.asked == []


def test_where_the_keys_cannot_be_read_nobody_is_let_through() -> None:
    with pytest.raises(Unavailable):
        check(token(), FakeKeys(fail_next=[Unavailable("later")]))


@given(st.text(max_size=200))
def test_whatever_is_sent_is_an_answer(text: str) -> None:
    assert isinstance(check(text), Refusal)
    assert isinstance(read_token(f"{b64(text)}.{b64(text)}.{b64('x')}"), Refusal)


# The arithmetic, beside a library's


@pytest.mark.parametrize("bits", [2048, 2056, 3072, 4096])
def test_what_a_library_signs_is_true_here_whatever_the_size(bits: int) -> None:
    key = private("sized", bits)
    for number in range(8):
        message = bytes([number]) * number
        signature = key.sign(message, PKCS1v15(), SHA256())
        assert verifies(message, signature, public(key))
        assert not verifies(message + b"x", signature, public(key))


@pytest.mark.parametrize("algorithm", [SHA224(), SHA512()])
def test_another_digest_is_not_taken(algorithm: HashAlgorithm) -> None:
    assert not verifies(b"x", private().sign(b"x", PKCS1v15(), algorithm), public(private()))


def test_another_padding_is_not_taken() -> None:
    assert not verifies(b"x", private().sign(b"x", PSS(MGF1(SHA256()), 32), SHA256()), public(private()))


def raised(block: bytes, key: RSAPrivateKey) -> bytes:
    """What only the key's owner can make: the signature whose power is `block`."""
    numbers = key.private_numbers()
    return pow(int.from_bytes(block), numbers.d, numbers.public_numbers.n).to_bytes(256)


DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420") + sha256(b"x").digest()
WITHOUT_NULL = bytes.fromhex("302f300b0609608648016503040201" + "0420") + sha256(b"x").digest()


@pytest.mark.parametrize(
    "block",
    [
        b"\x00\x01" + b"\xff" * 8 + b"\x00" + DIGEST_INFO + b"\x00" * 194,  # Bleichenbacher 2006: rubbish behind the digest
        b"\x00\x01" + b"\xff" * 8 + b"\x00" * 195 + DIGEST_INFO,
        b"\x00\x01" + b"\xff" * 201 + b"\x01" + b"\x00" + DIGEST_INFO,
        b"\x00\x02" + b"\xff" * 202 + b"\x00" + DIGEST_INFO,
        b"\x00\x00" + b"\xff" * 202 + b"\x00" + DIGEST_INFO,
        b"\x00\x01" + b"\xff" * 204 + b"\x00" + WITHOUT_NULL,
        b"\x00\x01" + b"\xff" * 221 + b"\x00" + sha256(b"x").digest(),
        b"\x00" * 204 + b"\x00" + DIGEST_INFO,
    ],
)
def test_a_padding_that_is_read_leniently_elsewhere_is_not_taken(block: bytes) -> None:
    assert len(block) == 256
    assert not verifies(b"x", raised(block, private()), public(private()))


def test_the_padding_that_it_must_be_is_taken() -> None:
    block = b"\x00\x01" + b"\xff" * 202 + b"\x00" + DIGEST_INFO
    assert verifies(b"x", raised(block, private()), public(private()))


def test_a_signature_of_another_length_or_beyond_the_modulus_is_not_taken() -> None:
    key = public(private())
    signature = private().sign(b"x", PKCS1v15(), SHA256())
    beyond = int.from_bytes(signature) + key.modulus
    others = [b"", signature[1:], b"\x00" + signature, signature + b"\x00", b"\x00" * 256, beyond.to_bytes(257)]
    if beyond < 1 << 2048:
        others.append(beyond.to_bytes(256))
    assert [each for each in others if verifies(b"x", each, key)] == []
    assert verifies(b"x", signature, key)


def test_a_signature_beyond_the_modulus_is_not_taken_where_it_has_the_right_length() -> None:
    """Of a modulus in the lower half of its size there always is one."""
    key = next(each for number in range(100) if (each := private(f"low-{number}")).public_key().public_numbers().n < 3 << 2046)
    signature = private_sum = key.sign(b"x", PKCS1v15(), SHA256())
    beyond = int.from_bytes(private_sum) + public(key).modulus
    if beyond < 1 << 2048:
        assert not verifies(b"x", beyond.to_bytes(256), public(key))
    assert verifies(b"x", signature, public(key))


@pytest.mark.parametrize("key", [PublicKey(0, 65537), PublicKey(1, 65537), PublicKey(3 << 2047, 65537), PublicKey((1 << 9000) + 1, 65537)])
def test_an_unusable_key_verifies_nothing(key: PublicKey) -> None:
    assert not key.usable
    for signature in (b"", b"\x00", b"\x01", b"\x00" * 256, b"\x00" * 1126):
        assert not verifies(b"x", signature, key)


def test_small_keys_and_small_exponents_verify_nothing() -> None:
    small, three = private("small", 1024), private("three", 2048, 3)
    assert not verifies(b"x", small.sign(b"x", PKCS1v15(), SHA256()), public(small))
    assert not verifies(b"x", three.sign(b"x", PKCS1v15(), SHA256()), public(three))


@given(st.binary(max_size=64), st.integers(0, 255), st.integers(1, 255), st.booleans())
def test_the_library_and_we_agree_on_every_signature(message: bytes, position: int, flip: int, changed: bool) -> None:
    key = private()
    signature = bytearray(key.sign(message, PKCS1v15(), SHA256()))
    if changed:
        signature[position] ^= flip
    try:
        key.public_key().verify(bytes(signature), message, PKCS1v15(), SHA256())
        true = True
    except InvalidSignature:
        true = False
    assert verifies(message, bytes(signature), public(key)) is true


# Key sets


def jwk(key: RSAPrivateKey, kid: Any = "k-1", **more: Any) -> dict[str, Any]:
    numbers = public(key)
    length = (numbers.modulus.bit_length() + 7) // 8
    exponent = numbers.exponent.to_bytes((numbers.exponent.bit_length() + 7) // 8)
    return {"kty": "RSA", "kid": kid, "n": b64(numbers.modulus.to_bytes(length)), "e": b64(exponent), **more}


def test_keys_that_sign_with_rs256_are_read_and_the_rest_is_passed_over() -> None:
    good = {
        "keys": [
            jwk(private(), use="sig", alg="RS256", x5t="x", key_ops=["verify"]),
            jwk(private("second"), "k-2"),
            {"kty": "EC", "kid": "e"},
        ]
    }
    assert read_keys(json.dumps(good)) == {"k-1": public(private()), "k-2": public(private("second"))}


@pytest.mark.parametrize(
    "key",
    [
        jwk(private(), use="enc"),
        jwk(private(), alg="RS512"),
        jwk(private(), kty="oct"),
        jwk(private(), key_ops=["sign"]),
        jwk(private(), kid=""),
        jwk(private(), kid=7),
        jwk(private(), n="AQAB"),
        jwk(private(), n=""),
        jwk(private(), e="Aw"),
        jwk(private(), e=None),
        jwk(private(), n="!"),
        jwk(private("small", 1024)),
        jwk(private("three", 2048, 3)),
        {},
        "x",
        None,
    ],
)
def test_a_key_that_is_for_something_else_or_weak_is_no_key(key: Any) -> None:
    assert read_keys(json.dumps({"keys": [key]})) == {}


def test_an_id_that_two_keys_have_is_neithers() -> None:
    assert read_keys(json.dumps({"keys": [jwk(private()), jwk(private("mallory"))]})) == {}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"keys": {}}', '{"keys": null}', '{"keys": [], "keys": []}', "[" * 100_000, json.dumps({"keys": [{}] * 101})]
)
def test_what_is_no_key_set_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_keys(text)
