"""The keys that issuers of tokens publish (JWKS), by https from the address that the file names, and from nowhere else.

An issuer can keep us waiting, send much, or point elsewhere: the time and the size of an answer are bounded, no redirect is followed, and a
key that is not known leads to another look at most once a minute, however many tokens name it.

https://datatracker.ietf.org/doc/html/rfc7517#section-5
"""

import ssl
import urllib.error
import urllib.request
from datetime import datetime, timedelta
from http.client import HTTPException
from time import monotonic
from typing import Any, Final, NamedTuple

from doorward.errors import Unavailable
from doorward.organization.model import TokenIssuer
from doorward.people.jwt import read_keys
from doorward.people.rs256 import PublicKey
from doorward.ports.clock import Clock

KEPT_FOR: Final = timedelta(minutes=10)
"""How long a key that its issuer took away still counts here, at most."""
LOOK_AGAIN: Final = timedelta(minutes=1)
_LARGEST_BYTES: Final = 256 * 1024
_SILENCE_SECONDS: Final = 3
_MOST_SECONDS: Final = 5
_CHUNK: Final = 16 * 1024


class _KeySet(NamedTuple):
    """`because`: why it could not be read, "" where it was."""

    keys: dict[str, PublicKey]
    at: datetime
    because: str = ""


class HttpsSigningKeys:
    """The SigningKeys port. Built once per execution environment. `trusting`: for tests, whose certificates nobody else trusts."""

    def __init__(self, clock: Clock, trusting: ssl.SSLContext | None = None) -> None:
        self._clock = clock
        # No proxy of the environment either: what is asked for is what answers.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusting or ssl.create_default_context()), _NoRedirect()
        )
        self._known: dict[str, _KeySet] = {}

    def key(self, issuer: TokenIssuer, kid: str) -> PublicKey | None:
        known = self._known.get(issuer.keys)
        age = None if known is None else self._clock.now() - known.at
        if known is None or age is None or age >= KEPT_FOR or (age >= LOOK_AGAIN and kid not in known.keys):
            known = self._known[issuer.keys] = self._read(issuer)
        if known.because:
            raise Unavailable(f"reading the keys of {issuer.issuer} at {issuer.keys}: {known.because}")
        return known.keys.get(kid)

    def _read(self, issuer: TokenIssuer) -> _KeySet:
        at = self._clock.now()
        try:
            return _KeySet(read_keys(self._fetch(issuer.keys)), at)
        except urllib.error.HTTPError as error:
            return _KeySet({}, at, f"HTTP {error.code}")
        except (OSError, ValueError) as error:
            return _KeySet({}, at, str(error) or type(error).__name__)
        except HTTPException as error:  # its text may be the answer's
            return _KeySet({}, at, f"what it sent is none of HTTP, or was cut off ({type(error).__name__})")

    def _fetch(self, address: str) -> bytes:
        if not address.startswith("https://"):
            raise ValueError("the address is not https://")
        ends = monotonic() + _MOST_SECONDS
        request = urllib.request.Request(address, headers={"Accept": "application/json"})  # noqa: S310 - https, see above
        with self._opener.open(request, timeout=_SILENCE_SECONDS) as response:
            read = bytearray()
            while chunk := response.read1(_CHUNK):
                read += chunk
                if len(read) > _LARGEST_BYTES:
                    raise ValueError(f"it sent more than {_LARGEST_BYTES} bytes")
                if monotonic() > ends:
                    raise ValueError(f"it took longer than {_MOST_SECONDS} seconds")
            return bytes(read)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Nowhere: the answer itself is the failure."""
