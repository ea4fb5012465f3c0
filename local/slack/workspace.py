"""The state of the workspace, and what each method of the Web API does to it, with the refusals that an app has to know.

One lock; nothing here waits for anybody. https://docs.slack.dev/reference/methods, …/interactivity/handling-user-interaction
"""

import re
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from local.slack.blocks import completed, is_too_large, message_problems, view_problems
from local.slack.model import Hook, Json, Modal, SlackMessage, conversation
from local.world import SLACK_APP, SLACK_BOT, SLACK_TEAM, SLACK_USERS

type Answer = dict[str, Any]

BOT_ID: Final = "B0DOORWARD1"
_LONGEST_TEXT: Final = 40_000  # https://docs.slack.dev/changelog/2018-truncating-really-long-messages
_LONGEST_UPDATE: Final = 4_000
_CHANNEL: Final = re.compile(r"[CDGUW][A-Z0-9]{2,20}", re.ASCII)
_TRIGGER_SECONDS: Final = 3.0
_HOOK_SECONDS: Final = 30 * 60.0
_HOOK_TIMES: Final = 5
_MICROSECOND: Final = 1e-6


class Workspace:
    """`clock`: Unix time in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._messages: list[SlackMessage] = []
        self._modals: dict[str, list[Modal]] = {}
        self._triggers: dict[str, tuple[str, float]] = {}
        self._exchanged: set[str] = set()
        self._hooks: dict[str, Hook] = {}
        self._last_ts = 0.0

    # What is there

    def messages(self) -> tuple[SlackMessage, ...]:
        """All, also those of people and those that one user alone sees, in the order of arrival."""
        with self._lock:
            return tuple(self._messages)

    def message(self, channel: str, ts: str) -> SlackMessage | None:
        """By the conversation that it stands in and its ts."""
        return next((each for each in self.messages() if (each.conversation, each.ts) == (conversation(channel), ts)), None)

    def modal(self, user_id: str) -> Modal | None:
        """The one that is open before a user, on top of others."""
        with self._lock:
            return self._modals[user_id][-1] if self._modals.get(user_id) else None

    # The methods of the Web API, each on a page of its name; a body is what was posted

    def post_message(self, body: Json) -> Answer:
        """chat.postMessage."""
        refused = self._refuses_channel(body) or self._refuses_content(body) or self._refuses_thread(body)
        if refused:
            return refused
        message = self._add(body)
        return {"ok": True, "channel": message.conversation, "ts": message.ts, "message": as_payload(message)}

    def post_ephemeral(self, body: Json) -> Answer:
        """chat.postEphemeral: to somebody of the workspace; everybody there is in every channel."""
        refused = self._refuses_channel(body) or self._refuses_content(body) or self._refuses_thread(body)
        if refused:
            return refused
        if body.get("user") not in [each.id for each in SLACK_USERS]:
            return refusal("user_not_in_channel")
        return {"ok": True, "message_ts": self._add(body, only_for=body["user"]).ts}

    def update(self, body: Json) -> Answer:
        """chat.update: a user's id is no channel here; blocks that are not given stay; a text has to be shorter than that of a new one."""
        refused = self._refuses_channel(body, users=False)
        if refused:
            return refused
        with self._lock:
            found = self.message(body["channel"], str(body.get("ts", "")))
            if found is None or found.only_for is not None:
                return refusal("message_not_found")
            if found.author is not None:
                return refusal("cant_update_message")
            content = {"text": found.text, **body} if "blocks" in body else body
            refused = self._refuses_content(content)
            if refused:
                return refused
            if len(body.get("text", "")) > _LONGEST_UPDATE:
                return refusal("msg_too_long")
            self._replace(found, content)
        return {"ok": True, "channel": found.conversation, "ts": found.ts, "text": content.get("text", "")}

    def open_view(self, body: Json) -> Answer:
        """views.open: a modal instead of whatever was open before the user of the trigger."""
        trigger, view = body.get("trigger_id"), body.get("view")
        refused = self._refuses_view(view)
        if refused:
            return refused
        with self._lock:
            if isinstance(trigger, str) and trigger in self._exchanged:
                return refusal("exchanged_trigger_id")
            if not isinstance(trigger, str) or trigger not in self._triggers:
                return refusal("invalid_trigger_id")
            user_id, until = self._triggers.pop(trigger)
            self._exchanged.add(trigger)
            if self._clock() > until:
                return refusal("expired_trigger_id")
            modal = self._modal(user_id, view)
            self._modals[user_id] = [modal]
        return {"ok": True, "view": view_payload(modal, {})}

    def update_view(self, body: Json) -> Answer:
        """views.update: of a modal that somebody still has open, by its id; with a hash only where that is what he sees."""
        view = body.get("view")
        refused = self._refuses_view(view)
        if refused:
            return refused
        with self._lock:
            found = next((each for stack in self._modals.values() for each in stack if each.id == body.get("view_id")), None)
            if found is None:
                return refusal("not_found")
            if body.get("hash", found.hash) != found.hash:
                return refusal("hash_conflict")
            self.change(found, view=view, errors={}, typed={})
            changed = next(each for each in self._modals[found.user_id] if each.id == found.id)
        return {"ok": True, "view": view_payload(changed, {})}

    def respond(self, key: str, body: Json) -> tuple[HTTPStatus, Answer]:
        """A post to a response_url. Slack's pages say how long and how often, not by which words it refuses: nobody may rest on those."""
        with self._lock:
            hook = self._hooks.get(key)
            if hook is None or self._clock() > hook.until:
                return HTTPStatus.NOT_FOUND, refusal("expired_url")
            if hook.left == 0:
                return HTTPStatus.NOT_FOUND, refusal("used_url")
            source = self.message(hook.channel, hook.message_ts) if hook.message_ts else None
            if body.get("delete_original") is True and source is not None:
                self._messages.remove(source)
            else:
                refused = self._refuses_content(body) or self._refuses_thread({**body, "channel": hook.channel})
                if refused:
                    return HTTPStatus.BAD_REQUEST, refused
                if body.get("replace_original") is True and source is not None:
                    self._replace(source, {"blocks": [], **body})
                else:
                    self._answer(hook, body)
            hook.left -= 1
        return HTTPStatus.OK, {"ok": True}

    # What people bring about

    def delete(self, message: SlackMessage) -> None:
        """Somebody who may takes it away; what was said beneath it stays."""
        with self._lock:
            self._messages = [each for each in self._messages if each.ts != message.ts]

    def say(self, user_id: str, channel: str, text: str, thread_ts: str | None = None) -> SlackMessage:
        """A message by a user, whose text is escaped as Slack escapes what people type."""
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return self._add({"channel": channel, "text": escaped, "thread_ts": thread_ts}, author=user_id)

    def new_trigger(self, user_id: str) -> str:
        with self._lock:
            trigger = f"{secrets.randbelow(10**10)}.{secrets.randbelow(10**10)}.{secrets.token_hex(16)}"
            self._triggers[trigger] = user_id, self._clock() + _TRIGGER_SECONDS
        return trigger

    def new_hook(self, user_id: str, channel: str, message: SlackMessage | None = None) -> str:
        """The secret end of a response_url."""
        key = secrets.token_urlsafe(24)
        ts, thread = (message.ts, message.thread_ts) if message else (None, None)
        with self._lock:
            self._hooks[key] = Hook(user_id, channel, self._clock() + _HOOK_SECONDS, _HOOK_TIMES, ts, thread)
        return key

    def answer_command(self, key: str, body: Json) -> list[str]:
        """Show what came back at once from a command, as if it had been posted to its response_url; returns what is wrong with it."""
        refused = self._refuses_content(body)
        if refused:
            return [refused["error"], *refused.get("response_metadata", {}).get("messages", [])]
        with self._lock:
            self._answer(self._hooks[key], body)
        return []

    def close(self, modal: Modal) -> None:
        """The modal that lay below it, if any, is seen again."""
        with self._lock:
            self._modals[modal.user_id] = [each for each in self._modals.get(modal.user_id, []) if each.id != modal.id]

    def clear(self, user_id: str) -> None:
        with self._lock:
            self._modals.pop(user_id, None)

    def push(self, user_id: str, view: Json) -> None:
        with self._lock:
            self._modals.setdefault(user_id, []).append(self._modal(user_id, view))

    def change(self, modal: Modal, **changes: Any) -> None:
        """`changes` are attributes of Modal; a new `view` takes its blocks anew."""
        if "view" in changes:
            made = self._modal(modal.user_id, changes["view"])
            changes |= {"view": made.view, "hash": made.hash}
        with self._lock:
            stack = self._modals.get(modal.user_id, [])
            self._modals[modal.user_id] = [replace(each, **changes) if each.id == modal.id else each for each in stack]

    def ts(self) -> str:
        """The time now as Slack writes it, never the same twice."""
        with self._lock:
            self._last_ts = max(self._clock(), self._last_ts + _MICROSECOND)
            return f"{self._last_ts:.6f}"

    # Pieces

    def _add(self, body: Json, *, only_for: str | None = None, author: str | None = None) -> SlackMessage:
        with self._lock:
            ts = self.ts()
            at = datetime.fromtimestamp(float(ts), UTC)
            blocks = completed(body.get("blocks") or ())
            text = body.get("text", "")[:_LONGEST_TEXT]
            thread_ts = body.get("thread_ts")
            message = SlackMessage(
                at,
                body["channel"],
                ts,
                text,
                blocks,
                thread_ts=thread_ts,
                only_for=only_for,
                author=author,
                is_broadcast=thread_ts is not None and body.get("reply_broadcast") is True,
            )
            self._messages.append(message)
        return message

    def _replace(self, message: SlackMessage, body: Json) -> None:
        blocks = completed(body["blocks"]) if "blocks" in body else message.blocks
        changed = replace(message, text=body.get("text", ""), blocks=blocks, edited_ts=self.ts())
        self._messages[self._messages.index(message)] = changed

    def _answer(self, hook: Hook, body: Json) -> None:
        only_for = None if body.get("response_type") == "in_channel" else hook.user_id
        self._add({**body, "channel": hook.channel, "thread_ts": body.get("thread_ts", hook.thread_ts)}, only_for=only_for)

    def _modal(self, user_id: str, view: Any) -> Modal:
        digits = f"{self._clock():.0f}.{secrets.token_hex(4)}"
        return Modal(f"V{secrets.token_hex(5).upper()}", user_id, {**view, "blocks": list(completed(view["blocks"]))}, digits)

    def _refuses_channel(self, body: Json, *, users: bool = True) -> Answer | None:
        channel = body.get("channel")
        known = isinstance(channel, str) and _CHANNEL.fullmatch(channel) is not None and (users or channel[0] not in "UW")
        return None if known else refusal("channel_not_found")

    def _refuses_view(self, view: Any) -> Answer | None:
        if is_too_large(view):
            return refusal("view_too_large")
        problems = view_problems(view)
        return refusal("invalid_arguments", *problems) if problems else None

    def _refuses_content(self, body: Json) -> Answer | None:
        text, blocks = body.get("text", ""), body.get("blocks", [])
        if not isinstance(text, str):
            return refusal("invalid_arguments")
        problems = message_problems(blocks)
        if problems:
            return refusal("invalid_blocks", *problems)
        return None if text or blocks else refusal("no_text")

    def _refuses_thread(self, body: Json) -> Answer | None:
        """Only the first message of a thread names it. Slack's page has no word for another: one that took it would hide a mistake."""
        if body.get("thread_ts") is None:
            return None
        parent = self.message(body["channel"], body["thread_ts"])
        return None if parent is not None and parent.thread_ts is None and parent.only_for is None else refusal("thread_not_found")


def refusal(error: str, *problems: str) -> Answer:
    answer: Answer = {"ok": False, "error": error}
    return answer | ({"response_metadata": {"messages": [f"[ERROR] {each}" for each in problems]}} if problems else {})


def as_payload(message: SlackMessage) -> Answer:
    """A message as Slack tells of it."""
    by = {"user": message.author} if message.author else {"user": SLACK_BOT.id, "bot_id": BOT_ID, "app_id": SLACK_APP}
    thread = {"thread_ts": message.thread_ts} if message.thread_ts else {}
    edited = {"edited": {"user": BOT_ID, "ts": message.edited_ts}} if message.edited_ts else {}
    return {
        "type": "message",
        **by,
        "team": SLACK_TEAM,
        "ts": message.ts,
        "text": message.text,
        "blocks": list(message.blocks),
        **thread,
        **edited,
    }


def view_payload(modal: Modal, state: Mapping[str, Any]) -> Answer:
    """A modal as Slack tells of it, with what its inputs hold."""
    given = {name: modal.view.get(name) for name in ("title", "close", "submit")}
    return {
        "id": modal.id,
        "team_id": SLACK_TEAM,
        "type": "modal",
        "blocks": modal.view["blocks"],
        "private_metadata": modal.view.get("private_metadata", ""),
        "callback_id": modal.view.get("callback_id", ""),
        "state": {"values": state},
        "hash": modal.hash,
        **given,
        "clear_on_close": False,
        "notify_on_close": False,
        "root_view_id": modal.id,
        "previous_view_id": None,
        "app_id": SLACK_APP,
        "app_installed_team_id": SLACK_TEAM,
        "bot_id": BOT_ID,
        "external_id": "",
    }
