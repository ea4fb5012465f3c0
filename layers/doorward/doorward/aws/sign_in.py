"""AWS's sign-in: from credentials to a link that opens the console.

It takes the credentials in the query, by GET: so no proxy is used, no redirect followed, and of an error only what kind it is goes on. No
`SessionDuration` is asked for: from credentials of a role that a role's session opened it takes none, and the console is then open for as
long as they are good.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_enable-console-custom-url.html
"""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlencode

from doorward.errors import Misconfigured, Unavailable
from doorward.ports.grants import Credentials

_SECONDS: Final = 5
_LARGEST_BYTES: Final = 64 * 1024
_DOING: Final = "asking AWS's sign-in for the console"


class SignInEndpoint:
    """`url`: of the partition, https://signin.aws.amazon.com/federation where nothing else is set."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())

    def link(self, credentials: Credentials, destination: str) -> str:
        """Raises Unavailable, and Misconfigured where it does not take the credentials."""
        session = {
            "sessionId": credentials.access_key_id,
            "sessionKey": credentials.secret_access_key,
            "sessionToken": credentials.session_token,
        }
        token = self._asked({"Action": "getSigninToken", "Session": json.dumps(session)}).get("SigninToken")
        if not isinstance(token, str) or not token:
            raise Unavailable(f"{_DOING}: it gave no token")
        return f"{self._url}?{urlencode({'Action': 'login', 'Destination': destination, 'SigninToken': token})}"

    def _asked(self, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            with self._opener.open(f"{self._url}?{urlencode(parameters)}", timeout=_SECONDS) as response:
                said = json.loads(response.read(_LARGEST_BYTES))
        except urllib.error.HTTPError as error:
            error.close()
            refused = HTTPStatus.BAD_REQUEST <= error.code < HTTPStatus.INTERNAL_SERVER_ERROR
            kind = Misconfigured if refused else Unavailable
            raise kind(f"{_DOING}: HTTP {error.code}") from None
        except (OSError, ValueError, HTTPException) as error:
            raise Unavailable(f"{_DOING}: {type(error).__name__}") from None
        return said if isinstance(said, Mapping) else {}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Nowhere: the credentials would go along."""
