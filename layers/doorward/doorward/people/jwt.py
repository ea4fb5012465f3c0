"""A token (JWT in its compact form) and an issuer's key set (JWKS), as values. All of it is hostile until the signature is found true.

A token is refused, before any key is looked for, where

1. it is longer than 8192 characters, or not three parts of base64url in their one spelling;
2. header or claims are no JSON object, or one that has a name twice: readers differ on which counts;
3. `alg` is anything but RS256, `none` and HMAC above all: the file's issuer says how it signs, not the token;
4. `kid` is no text: which key is meant is never guessed;
5. there is a `crit`: it asks for what we do not know.

`jku`, `jwk`, `x5u` and `x5c`, by which a token would bring its own key, are not looked at.

https://datatracker.ietf.org/doc/html/rfc7515 · https://datatracker.ietf.org/doc/html/rfc7517 · https://datatracker.ietf.org/doc/html/rfc8725
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final

from doorward.people.model import Refusal
from doorward.people.rs256 import PublicKey
from doorward.values import NamedTuple

ALGORITHM: Final = "RS256"
_LONGEST_TOKEN: Final = 8192
"""API Gateway takes 10,240 bytes of headers in all."""
_MOST_KEYS: Final = 100
_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)


class Token(NamedTuple):
    """`signed` is what the signature is over. `claims` are the token's own word."""

    kid: str
    claims: Mapping[str, object]
    signed: bytes
    signature: bytes


def read_token(text: object) -> Token | Refusal:
    if not isinstance(text, str) or len(text) > _LONGEST_TOKEN:
        return _unusable("it is missing, or too long")
    parts = _COMPACT.fullmatch(text)
    if parts is None:
        return _unusable("it is not three parts of base64url")
    try:
        header, claims, signature = _object(_bytes(parts[1])), _object(_bytes(parts[2])), _bytes(parts[3])
    except (ValueError, RecursionError):
        return _unusable("a part of it cannot be read")
    if header.get("alg") != ALGORITHM:
        return Refusal("The token is not signed with RS256.", "Have its issuer sign with RS256: no other way is taken.")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        return _unusable("it does not say which key it is signed with")
    if "crit" in header:
        return _unusable("it asks for an extension that is not known here")
    return Token(kid, claims, text.rpartition(".")[0].encode(), signature)


def read_keys(text: str | bytes) -> dict[str, PublicKey]:
    """By `kid`, the RSA keys that are for signing with RS256. A `kid` that two of them have is neither's.

    Raises ValueError for what is no key set.
    """
    try:
        listed = _object(text).get("keys")
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        raise ValueError(f"it has no list of at most {_MOST_KEYS} keys")
    found: dict[str, PublicKey] = {}
    repeated: set[str] = set()
    for each in listed:
        kid = each.get("kid") if isinstance(each, Mapping) else None
        key = _key(each) if isinstance(kid, str) and kid else None
        if isinstance(kid, str) and key is not None:
            repeated |= {kid} & found.keys()
            found[kid] = key
    return {kid: key for kid, key in found.items() if kid not in repeated}


def _key(raw: Mapping[str, Any]) -> PublicKey | None:
    if raw.get("kty") != "RSA" or raw.get("use", "sig") != "sig" or raw.get("alg", ALGORITHM) != ALGORITHM:
        return None
    if "verify" not in raw.get("key_ops", ["verify"]):
        return None
    try:
        key = PublicKey(int.from_bytes(_bytes(raw["n"])), int.from_bytes(_bytes(raw["e"])))
    except (KeyError, ValueError):
        return None
    return key if key.usable else None


def _object(text: str | bytes) -> dict[str, Any]:
    value = json.loads(text, object_pairs_hook=_without_repetition, parse_constant=_no_number)
    if not isinstance(value, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - of whoever wrote it, not of a caller here
    return value


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _bytes(text: Any) -> bytes:
    """Of base64url without padding, in its one spelling. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("it is no text")  # noqa: TRY004
    raw = text.encode("ascii")
    decoded = urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
    if urlsafe_b64encode(decoded).rstrip(b"=") != raw:
        raise ValueError("it is spelled in another way than the one")
    return decoded


def _unusable(why: str) -> Refusal:
    return Refusal(f"The token cannot be used: {why}.", "Send the issuer's token as it is, as `Authorization: Bearer …`.")
