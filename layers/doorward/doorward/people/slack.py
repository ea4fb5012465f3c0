"""A call that only Slack can have made: who knows the app's signing secret signed this body, just now.

| the call                                                     | it is                    |
|--------------------------------------------------------------|--------------------------|
| has no time in whole seconds, or no signature of version 0   | refused                  |
| was signed more than five minutes ago, or ahead of our clock | refused                  |
| is not signed with the secret, or there is no secret         | refused                  |
| anything else                                                | Slack's, with its nonce  |

Nothing of the body is looked at. https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hmac
import re
from datetime import datetime
from hashlib import sha256
from typing import Final

from doorward.people.model import Refusal, SlackUser

FRESH_SECONDS: Final = 300
"""Slack's own advice, either way."""
_TEAM: Final = re.compile(r"[TE][A-Z0-9]{2,20}", re.ASCII)
_USER: Final = re.compile(r"[UW][A-Z0-9]{2,20}", re.ASCII)
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE: Final = re.compile(r"v0=[0-9a-f]{64}", re.ASCII)
_CURE: Final = "Only Slack calls this; its app's signing secret must be the one that this installation has (docs/slack/)."


def nonce_of(timestamp: str, signature: str, body: bytes, secret: str, now: datetime) -> str | Refusal:
    """64 hex digits, the same for the same call and no other. `timestamp`, `signature`: of the headers, "" where there is none."""
    if not _TIMESTAMP.fullmatch(timestamp) or not _SIGNATURE.fullmatch(signature):
        return Refusal("It is not signed as Slack signs.", _CURE)
    if abs(now.timestamp() - int(timestamp)) > FRESH_SECONDS:
        return Refusal("It was signed at another time.", _CURE)
    if not secret or not hmac.compare_digest(signature_of(timestamp, body, secret), signature):
        return Refusal("Its signature is not Slack's.", _CURE)
    return sha256(signature.encode()).hexdigest()


def signature_of(timestamp: str, body: bytes, secret: str) -> str:
    return f"v0={hmac.digest(secret.encode(), b'v0:' + timestamp.encode() + b':' + body, 'sha256').hex()}"


def is_team_id(value: object) -> bool:
    """Of a workspace, or of an Enterprise organization."""
    return isinstance(value, str) and _TEAM.fullmatch(value) is not None


def slack_user_of(team_id: object, user_id: object) -> SlackUser | None:
    """None where one of them is no id of Slack's."""
    if not (isinstance(team_id, str) and is_team_id(team_id) and isinstance(user_id, str) and _USER.fullmatch(user_id)):
        return None
    return SlackUser(team_id, user_id)
