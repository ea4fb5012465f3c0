"""What Slack sends to an app when somebody clicks, submits or types a command, and how it signs it.

https://docs.slack.dev/authentication/verifying-requests-from-slack, …/reference/interaction-payloads,
…/interactivity/implementing-slash-commands
"""

import hashlib
import hmac
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, Final, override
from urllib.parse import urlencode

from local.slack.blocks import CHOICES, INPUTS, LONGEST_INPUT, inputs, is_date, is_number
from local.slack.model import Json, Modal, SlackMessage
from local.slack.workspace import as_payload, view_payload
from local.world import SLACK_APP, SLACK_CHANNELS, SLACK_DOMAIN, SLACK_TEAM, SlackUser

WAITS_SECONDS: Final = 3.0
_TOO_LATE: Final = "The app did not answer within three seconds."
_OK: Final = 200
_MOST_ANSWERED: Final = 1_000_000  # ours
_MINUTES: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}", re.ASCII)
_UNIX_SECONDS: Final = re.compile(r"[0-9]{10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class App:
    """Where an app is reached, and what its requests are signed with."""

    interactions_url: str
    commands_url: str
    signing_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back from the app. `status` None: nothing, or not within three seconds. `problem`: what the user is told, "" if nothing."""

    status: int | None
    body: str
    seconds: float
    problem: str = ""


def signed(body: str, secret: str, at: float) -> dict[str, str]:
    """The headers of a request with this body. `at`: Unix time in seconds."""
    timestamp = f"{at:.0f}"
    digest = hmac.new(secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": f"v0={digest}",
    }


def send(url: str, body: str, headers: Mapping[str, str]) -> Reply:
    """Post, and wait as long as Slack does. Raises nothing for whatever the app does."""
    request = urllib.request.Request(url, data=body.encode(), headers=dict(headers))
    began = time.monotonic()
    try:
        with _DIRECTLY.open(request, timeout=WAITS_SECONDS) as response:
            status, content = response.status, response.read(_MOST_ANSWERED)
    except urllib.error.HTTPError as error:
        with error:
            status, content = error.code, error.read(_MOST_ANSWERED)
    except (OSError, HTTPException) as error:
        late = isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError)
        says = _TOO_LATE if late else "The app could not be reached."
        return Reply(None, "", time.monotonic() - began, says)
    seconds = time.monotonic() - began
    if seconds > WAITS_SECONDS:
        return Reply(None, "", seconds, _TOO_LATE)
    problem = "" if status == _OK else f"The app answered HTTP {status}, which tells Slack that it did not work."
    return Reply(status, content.decode("utf-8", "replace"), seconds, problem)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    @override
    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str) -> None:
        return None


_DIRECTLY: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


# Bodies


def interaction_body(payload: Json) -> str:
    return urlencode({"payload": json.dumps(payload)})


def command_body(user: SlackUser, command: str, text: str, channel: str, *, response_url: str, trigger_id: str, **instead: str) -> str:
    """`instead` replaces fields, such as `team_id`."""
    fields = {
        "team_id": SLACK_TEAM,
        "team_domain": SLACK_DOMAIN,
        "channel_id": channel,
        "channel_name": channel_name(channel),
        "user_id": user.id,
        "user_name": user.name,
        "command": command,
        "text": text,
        "api_app_id": SLACK_APP,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger_id,
    }
    return urlencode(fields | instead)


def block_actions(
    user: SlackUser, message: SlackMessage, block_id: str, element: Json, *, response_url: str, trigger_id: str, action_ts: str
) -> dict[str, Any]:
    """A button was clicked. Of an ephemeral message Slack does not tell the text."""
    named = {name: element[name] for name in ("action_id", "text", "value", "url", "style", "confirm", "type") if name in element}
    thread = {"thread_ts": message.thread_ts} if message.thread_ts else {}
    return {
        "type": "block_actions",
        **_who(user),
        "container": {
            "type": "message",
            "message_ts": message.ts,
            **thread,
            "channel_id": message.conversation,
            "is_ephemeral": message.only_for is not None,
        },
        "trigger_id": trigger_id,
        "channel": {"id": message.conversation, "name": channel_name(message.conversation)},
        **({} if message.only_for else {"message": as_payload(message)}),
        "state": {"values": {}},
        "response_url": response_url,
        "actions": [{"block_id": block_id, **named, "action_ts": action_ts}],
    }


def view_submission(user: SlackUser, modal: Modal, values: Mapping[str, str], *, trigger_id: str) -> dict[str, Any]:
    """`values` by block id, as `state_values` takes them."""
    return {
        "type": "view_submission",
        **_who(user),
        "trigger_id": trigger_id,
        "view": view_payload(modal, state_values(modal.view, values)),
        "response_urls": [],
    }


def _who(user: SlackUser) -> dict[str, Any]:
    return {
        "team": {"id": SLACK_TEAM, "domain": SLACK_DOMAIN},
        "enterprise": None,
        "is_enterprise_install": False,
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": SLACK_TEAM},
        "api_app_id": SLACK_APP,
    }


def channel_name(channel: str) -> str:
    return next((each.name for each in SLACK_CHANNELS if each.id == channel), "directmessage" if channel.startswith("D") else "unknown")


# Inputs of a modal


def initial_values(view: Json) -> dict[str, str]:
    """What the inputs hold when the modal opens, by block id, as text: of a choice the option's value, of a moment its Unix seconds."""
    return {block["block_id"]: _initial(block["element"]) for block in inputs(view)}


def complaints(view: Json, values: Mapping[str, str]) -> dict[str, str]:
    """By block id, why Slack would not even send this to the app."""
    said = ((block["block_id"], _complaint(block, values.get(block["block_id"], ""))) for block in inputs(view))
    return {block_id: words for block_id, words in said if words}


def state_values(view: Json, values: Mapping[str, str]) -> dict[str, Any]:
    """`state.values` of a submission: by block id, by action id."""
    return {
        block["block_id"]: {block["element"]["action_id"]: _state(block["element"], values.get(block["block_id"], ""))}
        for block in inputs(view)
        if block["element"]["type"] in INPUTS
    }


def _initial(element: Json) -> str:
    match element["type"]:
        case "static_select" | "radio_buttons":
            return str(element.get("initial_option", {}).get("value", ""))
        case "datepicker":
            return str(element.get("initial_date", ""))
        case "datetimepicker":
            return str(element.get("initial_date_time", ""))
    return str(element.get("initial_value", ""))


def _complaint(block: Json, value: str) -> str:
    element = block["element"]
    if not value:
        return "" if block.get("optional") or element["type"] not in INPUTS else "This is needed."
    match element["type"]:
        case "plain_text_input" if not element.get("min_length", 0) <= len(value) <= element.get("max_length", LONGEST_INPUT):
            least, most = element.get("min_length", 0), element.get("max_length", LONGEST_INPUT)
            return f"Write {least} to {most} characters: these are {len(value)}."
        case "number_input" if not _is_in_bounds(element, value):
            return "Give a number that is allowed here."
        case "datepicker" if not is_date(value):
            return "Give a day, as YYYY-MM-DD."
        case "datetimepicker" if unix_seconds(value) is None:
            return "Give a day and a time, as YYYY-MM-DDThh:mm."
        case kind if kind in CHOICES and value not in [each["value"] for each in element["options"]]:
            return "Choose one of the options."
    return ""


def _is_in_bounds(element: Json, value: str) -> bool:
    if not is_number(value) or ("." in value and not element["is_decimal_allowed"]):
        return False
    return float(element.get("min_value", "-inf")) <= float(value) <= float(element.get("max_value", "inf"))


def _state(element: Json, value: str) -> dict[str, Any]:
    kind = element["type"]
    match kind:
        case "static_select" | "radio_buttons":
            return {"type": kind, "selected_option": next((each for each in element["options"] if each["value"] == value), None)}
        case "datepicker":
            return {"type": kind, "selected_date": value or None}
        case "datetimepicker":
            return {"type": kind, "selected_date_time": unix_seconds(value)}
    return {"type": kind, "value": value or None}


def unix_seconds(text: str) -> int | None:
    """Of ten digits, or of a moment in UTC as a browser writes it; None where it is neither."""
    if _UNIX_SECONDS.fullmatch(text):
        return int(text)
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) if _MINUTES.fullmatch(text) else None
    except ValueError:
        return None
