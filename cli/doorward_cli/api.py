"""Doorward's API, called with SigV4 as the AWS command line would."""

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from doorward.errors import MalformedInput, Misconfigured, Unavailable

_SECONDS: Final = 35
"""API Gateway gives up after 29."""


class Refused(Exception):  # noqa: N818 - an answer, told to whoever asked
    """The API said no. The text says why, and what to do."""


class Api:
    """`url`: with its stage, as the hub stack's output ApiUrl has it. Credentials and region are those that boto3 finds."""

    def __init__(self, url: str | None, session: Any = None) -> None:
        if not url:
            raise MalformedInput("--api: give the API's address, or set DOORWARD_API_URL; the hub stack's output ApiUrl has it")
        if not url.startswith(("https://", "http://127.0.0.1:")):
            raise MalformedInput(f"--api {url}: must be an https address")
        self._url = url.rstrip("/")
        self._session = session
        self._run = uuid.uuid4().hex

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The decoded answer. Raises Refused, Unavailable, Misconfigured."""
        request = self._signed(method, f"{self._url}{path}", None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - https, as just checked
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise _refusal(error) from None
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self._url}: {' '.join(str(error).split())}") from None

    def _signed(self, method: str, url: str, body: bytes | None) -> urllib.request.Request:
        import boto3
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError

        session = self._session or boto3.Session()
        # A new run is a new call; within one, whoever sends the same again is answered as before.
        key = f"{self._run}-{sha256(url.encode() + (body or b'')).hexdigest()[:16]}"
        headers = {} if body is None else {"Content-Type": "application/json", "Idempotency-Key": f'"{key}"'}
        signed = AWSRequest(method, url, data=body, headers=headers)
        try:
            credentials = session.get_credentials()
            if credentials is None:
                raise Misconfigured("no credentials: sign in (`aws sso login`), and choose the profile by AWS_PROFILE")
            SigV4Auth(credentials.get_frozen_credentials(), "execute-api", session.region_name or "us-east-1").add_auth(signed)
        except BotoCoreError as error:
            because = " ".join(str(error).split())
            raise Misconfigured(f"{because}; sign in (`aws sso login`), and choose the profile by AWS_PROFILE") from None
        return urllib.request.Request(url, data=body, headers=dict(signed.headers), method=method)  # noqa: S310 - as above


def _refusal(error: urllib.error.HTTPError) -> Exception:
    """RFC 9457 of ours, or API Gateway's own word."""
    try:
        said = json.load(error)
    except ValueError:
        said = {}
    if error.code in {500, 502, 503, 504}:
        return Unavailable(f"the API answered {error.code}: {said.get('detail', 'try again in a minute')}")
    if said.get("detail"):
        return Refused(f"{said['detail']} {said.get('cure', '')}".strip())
    return Refused(
        f"the API answered {error.code}: {said.get('message') or said.get('Message') or 'no reason'}. Sign in by Identity Center, with a"
        " role that may call execute-api:Invoke on it."
    )
