"""The stand-in as programs see it: an address for an app to post to, and people who click, submit and type."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self

from local.slack import requests
from local.slack.blocks import inputs, interactive, view_problems
from local.slack.model import Json, Modal, SlackMessage
from local.slack.requests import App, Reply
from local.slack.server import handler_of
from local.slack.workspace import Workspace
from local.web.server import listening
from local.world import SLACK_CHANNEL, SlackUser

_NOT_UNDERSTOOD: Final = "Slack does not understand what the app answered"


class SlackSink:
    """Listens on 127.0.0.1 at a free port while it is used in a `with` statement. Several may run at once.

    `clock`: Unix time in seconds; the requests to the app are signed by it, and triggers and response_urls end by it.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.workspace = Workspace(clock)
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: deque[str | None] = deque()
        self._app: App | None = None
        self._running = ExitStack()
        self._port: int | None = None

    def __enter__(self) -> Self:
        self._port = self._running.enter_context(listening(handler_of(self)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._running.close()
        self._port = None

    @property
    def page_url(self) -> str:
        """What a person opens; ends with a slash."""
        if self._port is None:
            raise RuntimeError("the Slack stand-in is not running: use it in a with statement")
        return f"http://127.0.0.1:{self._port}/"

    @property
    def url(self) -> str:
        """The API's address, without a slash at its end; the place of `https://slack.com/api`."""
        return f"{self.page_url}api"

    @property
    def messages(self) -> tuple[SlackMessage, ...]:
        """Every message of the app that all in its place see, as it stands now, in the order of arrival."""
        return tuple(each for each in self.workspace.messages() if each.author is None and each.only_for is None)

    def ephemerals(self, user: SlackUser) -> tuple[SlackMessage, ...]:
        """What this user alone sees."""
        return tuple(each for each in self.workspace.messages() if each.only_for == user.id)

    def modal(self, user: SlackUser) -> Modal | None:
        """What is open before him."""
        return self.workspace.modal(user.id)

    def fail_next(self, times: int = 1, *, error: str | None = None) -> None:
        """Refuse the next posts, whatever they hold: `error` None with a bare HTTP 500, else with Slack's word, such as `ratelimited`."""
        with self._lock:
            self._failures.extend([error] * times)

    def next_failure(self) -> tuple[bool, str | None]:
        with self._lock:
            return (True, self._failures.popleft()) if self._failures else (False, None)

    # The app

    def app(self, *, interactions_url: str, commands_url: str, signing_secret: str) -> None:
        """Install the app: from now on people's clicks and commands reach it."""
        self._app = App(interactions_url, commands_url, signing_secret)

    def signed(self, body: str, *, at: float | None = None, secret: str | None = None) -> dict[str, str]:
        """The headers of a request; `at` and `secret` in place of the time now and the app's own secret."""
        return requests.signed(body, self._installed.signing_secret if secret is None else secret, self._clock() if at is None else at)

    def interact(self, payload: Json) -> Reply:
        """Send a payload, signed; nothing changes here. With `click_payload` and `submit_payload`, to send what Slack never would."""
        body = requests.interaction_body(payload)
        return requests.send(self._installed.interactions_url, body, self.signed(body))

    @property
    def _installed(self) -> App:
        if self._app is None:
            raise LookupError("No app is installed in the Slack stand-in: SlackSink.app installs one.")
        return self._app

    # People

    def click(self, user: SlackUser, message: SlackMessage, action_id: str, *, block_id: str | None = None) -> Reply:
        """Click a button of a message, and confirm where it asks. Raises LookupError where the user sees no such button."""
        return self.interact(self.click_payload(user, message, action_id, block_id=block_id))

    def click_payload(self, user: SlackUser, message: SlackMessage, action_id: str, *, block_id: str | None = None) -> dict[str, Any]:
        """What a click sends, with a trigger and a response_url that work."""
        now = self.workspace.message(message.channel, message.ts)
        if now is None or not now.is_seen_by(user.id):
            raise LookupError(f"{user.name} sees no message {message.ts} in {message.channel}")
        buttons = [(block["block_id"], each) for block in now.blocks for each in interactive(block) if each.get("action_id") == action_id]
        found = [(at, each) for at, each in buttons if each["type"] == "button" and block_id in {None, at}]
        if not found:
            raise LookupError(f"message {message.ts} in {message.channel} has no button {action_id}")
        at, element = found[0]
        return requests.block_actions(
            user,
            now,
            at,
            element,
            response_url=self._response_url("actions", self.workspace.new_hook(user.id, now.conversation, now)),
            trigger_id=self.workspace.new_trigger(user.id),
            action_ts=self.workspace.ts(),
        )

    def submit(self, user: SlackUser, modal: Modal, values: Mapping[str, str]) -> Reply:
        """Submit a modal; `values` by block id, over what its inputs hold already: text, an option's value, a day, a moment.

        What the app answers happens to the modal. Raises ValueError where Slack would ask for more before it sends anything.
        """
        values = requests.initial_values(modal.view) | dict(values)
        missing = self.missing(modal, values)
        if missing:
            raise ValueError(f"Slack would not send this: {missing}")
        reply = self.interact(self.submit_payload(user, modal, values))
        if reply.problem:
            return reply
        problem = self._take_submission(modal, values, reply.body)
        return replace(reply, problem=problem)

    def missing(self, modal: Modal, values: Mapping[str, str]) -> dict[str, str]:
        """By block id, what Slack would ask for before it sends a submission."""
        return requests.complaints(modal.view, values)

    def submit_payload(self, user: SlackUser, modal: Modal, values: Mapping[str, str]) -> dict[str, Any]:
        """What a submission sends, whatever the values are."""
        return requests.view_submission(user, modal, values, trigger_id=self.workspace.new_trigger(user.id))

    def command(self, user: SlackUser, command: str, text: str = "", *, channel: str = SLACK_CHANNEL, **instead: str) -> Reply:
        """Type a slash command; what comes back at once is shown as Slack shows it. `instead` replaces fields, such as `team_id`."""
        hook = self.workspace.new_hook(user.id, channel)
        body = requests.command_body(
            user,
            command,
            text,
            channel,
            response_url=self._response_url("commands", hook),
            trigger_id=self.workspace.new_trigger(user.id),
            **instead,
        )
        reply = requests.send(self._installed.commands_url, body, self.signed(body))
        if reply.problem or not reply.body.strip():
            return reply
        problems = self.workspace.answer_command(hook, _message_of(reply.body))
        return replace(reply, problem=f"{_NOT_UNDERSTOOD}: {'; '.join(problems)}" if problems else "")

    def say(self, user: SlackUser, channel: str, text: str, *, thread_ts: str | None = None) -> SlackMessage:
        """A message by a person, of which the app hears nothing."""
        return self.workspace.say(user.id, channel, text, thread_ts)

    def _response_url(self, kind: str, key: str) -> str:
        return f"{self.page_url}{kind}/{key}"

    def _take_submission(self, modal: Modal, values: Mapping[str, str], body: str) -> str:
        """https://docs.slack.dev/surfaces/modals#handling_submissions; returns what is wrong with the answer."""
        answer = _json(body) if body.strip() else {}
        match answer:
            case {"response_action": "clear"}:
                self.workspace.clear(modal.user_id)
            case {"response_action": "errors", "errors": {**errors}} if errors:
                ids = {block["block_id"] for block in inputs(modal.view)}
                if not all(each in ids and isinstance(said, str) for each, said in errors.items()):
                    return f"{_NOT_UNDERSTOOD}: errors name blocks that are no inputs"
                self.workspace.change(modal, errors=dict(errors), typed=dict(values))
            case {"response_action": "update" | "push" as action, "view": view}:
                problems = view_problems(view)
                if problems:
                    return f"{_NOT_UNDERSTOOD}: {'; '.join(problems)}"
                if action == "push":
                    self.workspace.push(modal.user_id, view)
                else:
                    self.workspace.change(modal, view=view, errors={}, typed={})
            case {"response_action": _}:
                return f"{_NOT_UNDERSTOOD}: there is no such response_action, or a part of it is missing"
            case {}:
                self.workspace.close(modal)
            case _:
                return f"{_NOT_UNDERSTOOD}: it is no JSON object"
        return ""


def _message_of(body: str) -> Json:
    """A command may be answered by a message, or by plain text."""
    given = _json(body)
    return given if isinstance(given, dict) else {"text": body}


def _json(body: str) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
