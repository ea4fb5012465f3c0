"""Hints of our own: look at this role, though no event told of it. From a sweep, from changed facts, from dead letters sent again.

A hint is a message in the queue of changes, in a form that no event has. Only roles of the hub may put one there.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from doorward.errors import MalformedInput
from doorward.events.model import (
    AccountTarget,
    Actor,
    Cause,
    Change,
    Event,
    ProviderTarget,
    RoleTarget,
    ServiceTarget,
    Skipped,
    Target,
)
from doorward.events.reading import ACCOUNT_ID, ANY, ANY_ARN, EVENT_ID, ROLE_NAME, JsonObject, read_json, shown, time_of
from doorward.events.records import parse_envelope

FORMAT: Final = "doorward.hint/1"
EVENT_NAME: Final = "Hint"
ACTOR: Final = Actor("Doorward", None, None, None, None, None, None, None)
"""A hint tells who looked, not who changed something: nobody is known."""


class Hint(NamedTuple):
    """`id`: the same for the same thing to look at. With neither role, provider nor service, every role of the account is meant.

    `look`: what a sweep saw of the role, as text of doorward/guardrails/looks.py. `follows`: the case that is to be followed up.

    `reads`: how many calls of IAM it will take, as far
    as is known; it does not travel with the hint.
    """

    account_id: str
    cause: Cause
    because: str
    id: str
    at: datetime
    role_name: str | None = None
    provider: str | None = None
    service: str | None = None
    look: str | None = None
    follows: str | None = None
    reads: int = 3


def hint_as_text(hint: Hint) -> str:
    return json.dumps(
        {
            "format": FORMAT,
            "account": hint.account_id,
            "role": hint.role_name,
            "provider": hint.provider,
            "service": hint.service,
            "look": hint.look,
            "follows": hint.follows,
            "cause": str(hint.cause),
            "because": hint.because,
            "id": hint.id,
            "at": hint.at.isoformat(),
        }
    )


def parse_message(text: str | bytes | Mapping[str, Any]) -> Event | Skipped:
    """An envelope, or a hint as a Change whose actor is Doorward. Raises only MalformedInput."""
    message = read_json(text, writer="Doorward")
    if message.value.get("format") != FORMAT:
        return parse_envelope(message.value)
    cause = message.value.get("cause")
    if not isinstance(cause, str) or cause not in set(Cause):
        raise MalformedInput(f"$.cause is {shown(cause)}, not a cause that Doorward knows: put the message aside.")
    account_id = message.text("account", ACCOUNT_ID, "a 12-digit account id")
    return Change(
        event_id=message.text("id", EVENT_ID, "an id"),
        event_name=EVENT_NAME,
        event_time=time_of(message, "at"),
        account_id=account_id,
        region="",
        actor=ACTOR,
        cause=Cause(cause),
        target=_target(message, account_id),
        document=None,
        error_code=None,
        error_message=None,
        shared_event_id=None,
        replay_name=None,
        look=message.text("look", ANY, "what a sweep saw") if message.has("look") else "",
        follows=message.text("follows", ANY, "the id of a case") if message.has("follows") else "",
    )


def _target(message: JsonObject, account_id: str) -> Target:
    if message.has("role"):
        return RoleTarget(account_id, message.text("role", ROLE_NAME, "the name of a role"))
    if message.has("provider"):
        return ProviderTarget(account_id, message.text("provider", ANY_ARN, "the ARN of a provider"))
    if message.has("service"):
        return ServiceTarget(account_id, message.text("service", ANY, "a service"))
    return AccountTarget(account_id)
