"""Doorward's API, called with SigV4 as the AWS command line would."""

import json
import os
import re
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from hashlib import sha256
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote, urlencode

from doorward.decisions.actions import why_no_reason
from doorward.errors import MalformedInput, Misconfigured, Unavailable

SIGNING: Final = "DOORWARD_SIGNING"
"""Stands in the environment while credentials are looked for that sign: whoever is started then must not ask this API for them."""
_SECONDS: Final = 35
"""API Gateway gives up after 29."""
_HERE: Final = "http://127.0.0.1:"
_OF_API_GATEWAY: Final = re.compile(r"https://[a-z0-9]+\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?(?:/|$)")


class Refused(Exception):  # noqa: N818 - an answer, told to whoever asked
    """The API said no. The text says why, and what to do. `status`: of HTTP."""

    def __init__(self, said: str, status: int = 400) -> None:
        super().__init__(said)
        self.status = status


class Api:
    """`url`: with its stage, as the hub stack's output ApiUrl has it. Credentials are those that boto3 finds, of `profile` if given.

    `region`: what is signed for; where it is not given the address says it, or the profile. `behind`: by how many seconds this machine's
    clock is behind the API's, as of the last answer; None before one.
    """

    def __init__(self, url: str | None, session: Any = None, *, profile: str | None = None, region: str | None = None) -> None:
        if not url:
            raise MalformedInput("--api: give the API's address, or set DOORWARD_API_URL; the hub stack's output ApiUrl has it")
        if not url.startswith(("https://", _HERE)):
            raise MalformedInput(f"--api {url}: must be an https address")
        self._url = url.rstrip("/")
        self._session = session
        self._profile = profile
        self._region = region
        self._run = uuid.uuid4().hex
        self.behind: float | None = None
        self._next: str | None = None

    def may_lead_to(self, url: str) -> bool:
        """Whether somebody is sent there on the API's word: by https, and on this machine where the API is here, too."""
        return url.startswith(("https://", *((_HERE,) if self._url.startswith(_HERE) else ())))

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The decoded answer. Raises Refused, Unavailable, Misconfigured."""
        try:
            return json.loads(self.text(method, path, body))
        except ValueError:
            raise Unavailable(f"{self._url}: answered something else than JSON; does --api end with the API's stage?") from None

    def text(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> str:
        """The answer as it came. Raises as `call`."""
        # The API would refuse it, too; but of so long a body a firewall before it says no word about why.
        unreadable = why_no_reason(str((body or {}).get("reason", "")))
        if unreadable is not None:
            raise Refused(f"{unreadable.because} {unreadable.cure}")
        request = self._signed(method, f"{self._url}{path}", None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.build_opener(_Stays).open(request, timeout=_SECONDS) as answer:
                self.behind = _seconds_behind(answer.headers)
                self._next = _next_page(path, answer.headers)
                content: bytes = answer.read()
                return content.decode()
        except urllib.error.HTTPError as error:
            self.behind = _seconds_behind(error.headers)
            raise _refusal(error) from None
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self._url}: {' '.join(str(error).split())}") from None
        except HTTPException as error:  # its text may be of the answer, which may be a secret
            raise Unavailable(f"{self._url}: the answer was cut off, or is none of HTTP ({type(error).__name__})") from None

    def pages(self, path: str) -> Iterator[str]:
        """What comes page by page, each as it came: a page says in its header Link where the next one is (RFC 8288). Raises as `call`."""
        following: str | None = path
        while following is not None:
            yield self.text("GET", following)
            following = self._next

    def session(self) -> Any:
        """boto3's, made once. Raises Misconfigured where there is no such profile."""
        import boto3
        from botocore.exceptions import BotoCoreError

        if self._session is None:
            try:
                self._session = boto3.Session(profile_name=self._profile)
            except BotoCoreError as error:
                raise _not_signed_in(error) from None
        return self._session

    @property
    def signed_for(self) -> str:
        """A region."""
        of_the_address = _OF_API_GATEWAY.match(self._url)
        return self._region or (of_the_address[1] if of_the_address else self.session().region_name) or "us-east-1"

    def _signed(self, method: str, url: str, body: bytes | None) -> urllib.request.Request:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError

        # A new run is a new call; within one, whoever sends the same again is answered as before.
        key = f"{self._run}-{sha256(url.encode() + (body or b'')).hexdigest()[:16]}"
        headers = {} if body is None else {"Content-Type": "application/json", "Idempotency-Key": f'"{key}"'}
        signed = AWSRequest(method, url, data=body, headers=headers)
        session = self.session()
        try:
            with _looking_for_credentials():
                credentials = session.get_credentials()
                frozen = None if credentials is None else credentials.get_frozen_credentials()
            if frozen is None:
                raise Misconfigured("no credentials: sign in (`aws sso login`), and choose the profile by --profile or AWS_PROFILE")
            SigV4Auth(frozen, "execute-api", self.signed_for).add_auth(signed)
        except BotoCoreError as error:
            raise _not_signed_in(error) from None
        return urllib.request.Request(url, data=body, headers=dict(signed.headers), method=method)  # noqa: S310 - as above


def every(api: Api, path: str, name: str, **query: str) -> Iterator[dict[str, Any]]:
    """What stands under `name` on each page: a page says by `next` after what the following one begins. Raises as `Api.call`."""
    after: str | None = ""
    while after is not None:
        asked = urlencode(query | ({"after": after} if after else {}), quote_via=quote)
        page = api.call("GET", f"{path}?{asked}" if asked else path)
        yield from page[name]
        after = page["next"]


class _Stays(urllib.request.HTTPRedirectHandler):
    """Sent on, the session's token would go to whoever is named there."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def refuse_to_sign_for_ourselves() -> None:
    """Raises Misconfigured where this process was started to get the credentials that another one wants to sign for them with.

    Each would start another one, without an end.
    """
    if os.environ.get(SIGNING):
        raise Misconfigured(
            "the profile that is to sign gets its own credentials from doorward grants; name the one that you sign in with by --profile"
        )


@contextmanager
def _looking_for_credentials() -> Iterator[None]:
    os.environ[SIGNING] = "1"
    try:
        yield
    finally:
        del os.environ[SIGNING]


def _not_signed_in(error: Exception) -> Misconfigured:
    because = " ".join(str(error).split())
    return Misconfigured(f"{because}; sign in (`aws sso login`), and choose the profile by --profile or AWS_PROFILE")


def _next_page(path: str, headers: Message) -> str | None:
    """Its path; None where this is the last, or what follows is elsewhere than at the same address with another query."""
    found = re.search(r'<(\?[^<>#]+)>; rel="next"', headers.get("Link", ""))
    return None if found is None else f"{path.partition('?')[0]}{found[1]}"


def _seconds_behind(headers: Message) -> float | None:
    try:
        return (parsedate_to_datetime(headers["Date"]) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):  # it has none, or one without a zone
        return None


def _refusal(error: urllib.error.HTTPError) -> Exception:
    """RFC 9457 of ours, or API Gateway's own word."""
    try:
        said = json.load(error)
    except (OSError, ValueError, HTTPException):
        said = {}
    if not isinstance(said, dict):
        said = {}
    if 300 <= error.code < 400:  # noqa: PLR2004 - the class of status that sends on
        return Unavailable(f"the API answered {error.code}: it sends elsewhere; compare --api with the hub stack's output ApiUrl")
    if error.code in {500, 502, 503, 504}:
        return Unavailable(f"the API answered {error.code}: {said.get('detail', 'try again in a minute')}")
    if said.get("detail"):
        sentence = str(said["detail"]).rstrip()
        return Refused(f"{sentence}{'' if sentence.endswith(('.', '?', '!')) else '.'} {said.get('cure', '')}".strip(), error.code)
    return Refused(
        f"the API answered {error.code}: {said.get('message') or said.get('Message') or 'no reason'}. Sign in by Identity Center, with a"
        " role that may call execute-api:Invoke on it.",
        error.code,
    )
