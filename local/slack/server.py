"""Slack over HTTP: the Web API, what an app posts to a response_url, and the page for people. All on one port of 127.0.0.1."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, override
from urllib.parse import parse_qsl, urlsplit

from local.slack.model import Json
from local.slack.page import Look, Notice, look_of, policy, render_page
from local.slack.requests import Reply
from local.slack.workspace import Answer, Workspace, refusal
from local.web.server import PageHandler
from local.world import SLACK_BOT

if TYPE_CHECKING:
    from local.slack.sink import SlackSink

_MOST_FIELDS: Final = 500  # ours: a modal has a hundred inputs at most
_RETRY_AFTER_SECONDS: Final = "1"
_FORM: Final = "application/x-www-form-urlencoded"
_METHODS: Final[Mapping[str, Callable[[Workspace, Json], Answer]]] = {
    "chat.postMessage": Workspace.post_message,
    "chat.postEphemeral": Workspace.post_ephemeral,
    "chat.update": Workspace.update,
    "views.open": Workspace.open_view,
    "views.update": Workspace.update_view,
}


type _Do = Callable[["SlackSink", Look, Mapping[str, str]], Reply | None]
"""What a form does; None where the app was not asked. Raises LookupError, in words for the person, where it cannot be done."""


class _RefusedError(Exception):
    """`args[0]`: Slack's word for it."""


def handler_of(sink: "SlackSink") -> type[PageHandler]:
    return type("Handler", (_Handler,), {"sink": sink, "notices": {}, "policy": policy()})


class _Handler(PageHandler):
    sink: "SlackSink"
    notices: dict[str, Notice]
    """What came of the last thing that each user did."""
    server_version = "slack-sink"

    @override
    def show(self) -> None:
        target = urlsplit(self.path)
        if target.path != "/":
            self.send_error(HTTPStatus.NOT_FOUND, explain="The page is at /.")
            return
        look = look_of(dict(parse_qsl(target.query)))
        # Without a referrer a browser would not say either which page a form was sent from.
        page = render_page(self.sink.workspace, look, self.notices.get(look.user.id))
        self.send(HTTPStatus.OK, "text/html", page, Referrer_Policy="same-origin")

    @override
    def take(self, body: bytes | None) -> None:
        place, _, rest = self.path[1:].partition("/")
        if place == "api":
            self._api(rest, body)
        elif place in {"actions", "commands"}:
            self._hook(rest, body)
        elif (do := _FORMS.get(place)) is not None and not rest:
            self._form(do, body)
        else:
            self.send_error(HTTPStatus.NOT_FOUND, explain="Nothing takes a post here.")

    # The app

    def _api(self, method: str, body: bytes | None) -> None:
        fails, error = self.sink.next_failure()
        if fails and error is None:
            self.send(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", "")
            return
        answer = refusal(error) if error is not None else self._call(method, body)
        if answer.get("error") == "ratelimited":  # the one refusal that is not HTTP 200
            self.send(HTTPStatus.TOO_MANY_REQUESTS, "application/json", json.dumps(answer), Retry_After=_RETRY_AFTER_SECONDS)
        else:
            self.send(HTTPStatus.OK, "application/json", json.dumps(answer))

    def _call(self, method: str, body: bytes | None) -> Answer:
        if method not in _METHODS:
            return refusal("unknown_method")
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token.strip():
            return refusal("not_authed")
        try:
            return _METHODS[method](self.sink.workspace, self._posted(body))
        except _RefusedError as error:
            return refusal(*error.args)

    def _posted(self, body: bytes | None) -> dict[str, Any]:
        """What a JSON body holds."""
        if self.headers.get_content_type() != "application/json":
            raise _RefusedError("invalid_post_type")
        if body is None:
            raise _RefusedError("msg_too_long")
        try:
            posted = json.loads(body)
        except (ValueError, RecursionError):
            raise _RefusedError("invalid_json") from None
        if not isinstance(posted, dict):
            raise _RefusedError("json_not_object")
        return posted

    def _hook(self, key: str, body: bytes | None) -> None:
        try:
            status, answer = self.sink.workspace.respond(key, self._posted(body))
        except _RefusedError as error:
            status, answer = HTTPStatus.BAD_REQUEST, refusal(*error.args)
        self.send(status, "application/json", json.dumps(answer))

    # People

    def _form(self, do: _Do, body: bytes | None) -> None:
        if not self.is_from_us():
            self.send_error(HTTPStatus.FORBIDDEN, explain="Only this page's own forms may act for its people.")
            return
        if self.headers.get_content_type() != _FORM or body is None:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        fields = {name: value.replace("\r\n", "\n") for name, value in pairs}
        look = look_of(fields)
        try:
            reply = do(self.sink, look, fields)
        except LookupError as error:
            self.notices[look.user.id] = Notice("bad", f"{error.args[0]}")
        else:
            if reply is None:
                self.notices.pop(look.user.id, None)
            elif reply.problem:
                self.notices[look.user.id] = Notice("bad", reply.problem)
            else:
                self.notices[look.user.id] = Notice("good", f"{SLACK_BOT.real_name} answered in {reply.seconds * 1000:.0f} ms.")
        self.send(HTTPStatus.SEE_OTHER, "text/plain", "", Location=look.address())


def _click(sink: "SlackSink", look: Look, fields: Mapping[str, str]) -> Reply | None:
    message = sink.workspace.message(look.channel, fields.get("message", ""))
    if message is None:
        raise LookupError("The message is not there any more.")
    return sink.click(look.user, message, fields.get("action", ""), block_id=fields.get("block", ""))


def _submit(sink: "SlackSink", look: Look, fields: Mapping[str, str]) -> Reply | None:
    modal = sink.modal(look.user)
    if modal is None or modal.id != fields.get("view"):
        raise LookupError("That dialog is not open any more.")
    values = {name.removeprefix("v:"): value for name, value in fields.items() if name.startswith("v:")}
    missing = sink.missing(modal, values)
    if missing:
        sink.workspace.change(modal, errors=missing, typed=values)
        return None
    return sink.submit(look.user, modal, values)


def _close(sink: "SlackSink", look: Look, _fields: Mapping[str, str]) -> Reply | None:
    modal = sink.modal(look.user)
    if modal is not None:
        sink.workspace.close(modal)
    return None


def _say(sink: "SlackSink", look: Look, fields: Mapping[str, str]) -> Reply | None:
    text = fields.get("text", "").strip()
    if text.startswith("/"):
        command, _, rest = text.partition(" ")
        return sink.command(look.user, command, rest.strip(), channel=look.channel)
    if text:
        sink.say(look.user, look.channel, text, thread_ts=look.thread)
    return None


_FORMS: Final[Mapping[str, _Do]] = {"click": _click, "submit": _submit, "close": _close, "say": _say}
