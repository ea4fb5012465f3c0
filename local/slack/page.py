"""The page for people: channels, messages and threads as Slack shows them, buttons, dialogs, and a line to type in.

It runs no script: each button is a form, and each dialog is a part of the page before which all else is inert. What was chosen (who
I am, where I look) stands in the address, so that a reload shows the same, only newer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlencode

from doorward_cli.markup import Html, tag
from local.slack.blocks import interactive
from local.slack.model import Json, Modal, SlackMessage, conversation
from local.slack.mrkdwn import verbatim
from local.slack.rendering import STYLE, block_html, button_class, message_item, text_html
from local.slack.requests import initial_values, unix_seconds
from local.slack.workspace import Workspace
from local.web.frame import content_security_policy, document, style_sheet
from local.world import SLACK_BOT, SLACK_CHANNEL, SLACK_CHANNELS, SLACK_DOMAIN, SLACK_USERS, SlackUser

TITLE: Final = "Slack on the local stack"
_TS: Final = re.compile(r"[0-9]{1,12}\.[0-9]{6}", re.ASCII)
_OWN_STYLE: Final = Path(__file__).parent / "page.css"


@dataclass(frozen=True, slots=True)
class Look:
    """Who looks, and where. `ask`: the message, block and action whose click has to be confirmed."""

    user: SlackUser
    channel: str
    thread: str | None = None
    ask: str = ""

    def address(self, **instead: str | None) -> str:
        """`instead`: `as_`, `in_`, `thread`, `ask`; None leaves it out."""
        now = {"as": self.user.id, "in": self.channel, "thread": self.thread}
        wanted = now | {name.removesuffix("_"): value for name, value in instead.items()}
        return "/?" + urlencode({name: value for name, value in wanted.items() if value})


class Notice(NamedTuple):
    """What came of the last thing that a user did. `tone`: a class of the style sheet."""

    tone: str
    text: str


def look_of(fields: Mapping[str, str]) -> Look:
    """What an address or a form says; whatever it says wrongly is as if it said nothing."""
    user = next((each for each in SLACK_USERS if each.id == fields.get("as")), SLACK_USERS[0])
    channel = fields.get("in", "")
    own = conversation(user.id)
    known = channel == own or (channel[:1] in {"C", "G"} and channel.isascii() and channel.isalnum())
    thread = fields.get("thread", "")
    return Look(user, channel if known else SLACK_CHANNEL, thread if _TS.fullmatch(thread) else None, fields.get("ask", ""))


def policy() -> str:
    """Forms go to this server alone; the style sheet is the page's own."""
    return content_security_policy(_style(), forms="'self'")


def _style() -> Html:
    return style_sheet(STYLE, _OWN_STYLE)


def render_page(workspace: Workspace, look: Look, notice: Notice | None) -> str:
    seen = [each for each in workspace.messages() if each.is_seen_by(look.user.id)]
    here = [each for each in seen if each.conversation == look.channel]
    dialog = _dialog(workspace, look, here, notice)
    inert = "" if dialog is not None else None
    thread = _thread(look, here) if look.thread else None
    frame = tag(
        "div",
        tag("a", "To the messages", class_="skip", href="#conversation"),
        _sidebar(look, seen),
        tag("main", _conversation_part(look, here, notice), thread, class_="with-thread" if thread else None),
        class_="workspace",
        inert=inert,
    )
    return document(TITLE, _style(), frame, dialog, name="slack")


# Where to look


def _sidebar(look: Look, seen: list[SlackMessage]) -> Html:
    options = (tag("option", each.real_name, value=each.id, selected="" if each == look.user else None) for each in SLACK_USERS)
    others = sorted({each.conversation for each in seen if each.conversation[0] in "CG"} - {each.id for each in SLACK_CHANNELS})
    channels = [(each.id, each.name) for each in SLACK_CHANNELS] + [(each, each) for each in others]
    return tag(
        "header",
        tag("p", SLACK_DOMAIN, tag("span", "a stand-in for Slack"), class_="team"),
        tag(
            "form",
            tag("label", "I am", for_="as"),
            tag("select", *options, id="as", name="as"),
            tag("input", type="hidden", name="in", value=look.channel),
            tag("button", "Switch", class_="button"),
            method="get",
            action="/",
            class_="who",
        ),
        tag(
            "nav",
            tag("h2", "Channels"),
            tag("ul", *(_place(look, seen, each, f"# {name}") for each, name in channels)),
            tag("h2", "Direct messages"),
            tag("ul", _place(look, seen, conversation(look.user.id), SLACK_BOT.real_name)),
            aria_label="Conversations",
        ),
    )


def _place(look: Look, seen: list[SlackMessage], channel: str, name: str) -> Html:
    count = sum(each.conversation == channel for each in seen)
    number = tag("span", str(count), class_="count", aria_label=f"{count} messages") if count else None
    current = "page" if channel == look.channel else None
    return tag("li", tag("a", name, " ", number, href=f"{look.address(in_=channel, thread=None)}#latest", aria_current=current))


# What is there


def _conversation_part(look: Look, here: list[SlackMessage], notice: Notice | None) -> Html:
    known = next((each for each in SLACK_CHANNELS if each.id == look.channel), None)
    heading = f"# {known.name}" if known else SLACK_BOT.real_name if look.channel == conversation(look.user.id) else look.channel
    whose = known.whose.capitalize() if known else "Only you and the app see this" if look.channel[0] == "D" else None
    firsts = [each for each in here if each.thread_ts is None or each.is_broadcast]
    listed = tag("ol", *(_message(look, each, here) for each in firsts), class_="messages")
    return tag(
        "section",
        tag("div", tag("h1", heading, id="heading"), tag("p", whose, class_="says") if whose else None, class_="top"),
        listed if firsts else tag("p", "No message yet.", class_="empty"),
        tag("div", id="latest"),
        tag(
            "div",
            tag("p", notice.text, class_=f"notice {notice.tone}", role="status") if notice else None,
            _composer(look, f"Message {heading}", None, "A message, or a command such as /doorward link …"),
            class_="bottom",
        ),
        id="conversation",
        aria_labelledby="heading",
    )


def _thread(look: Look, here: list[SlackMessage]) -> Html:
    messages = [each for each in here if look.thread in {each.ts, each.thread_ts}]
    return tag(
        "aside",
        tag("div", tag("h2", "Thread", id="thread"), tag("a", "Close", href=look.address(thread=None)), class_="top"),
        tag("ol", *(_message(look, each, None) for each in messages), class_="messages")
        if messages
        else tag("p", "It is not there any more.", class_="empty"),
        _composer(look, "Reply in the thread", look.thread, "Reply"),
        aria_labelledby="thread",
    )


def _message(look: Look, message: SlackMessage, here: list[SlackMessage] | None) -> Html:
    """`here` None: within a thread, which shows no further threads."""
    replies = sum(each.thread_ts == message.ts for each in here or ())
    after = None
    if replies:
        words = "1 reply" if replies == 1 else f"{replies} replies"
        after = tag("p", tag("a", words, href=look.address(thread=message.ts)), class_="replies")
    elif here is not None and message.thread_ts is not None:
        after = tag("p", tag("a", "Of a thread", href=look.address(thread=message.thread_ts)), class_="replies")
    elif here is not None and message.only_for is None:
        after = tag("p", tag("a", "Reply in a thread", href=look.address(thread=message.ts)), class_="replies quiet-link")
    only = tag("span", "Only visible to you", class_="only") if message.only_for else None
    # The same message may stand in its channel and in its thread's head: only one of them can have the id.
    return message_item(
        message, only, button=lambda block_id, element: _button(look, message, block_id, element), after=after, named=here is not None
    )


def _button(look: Look, message: SlackMessage, block_id: str, element: Json) -> Html:
    action_id, label = element["action_id"], element["text"]["text"]
    described = element.get("accessibility_label")
    pressed = tag("button", label, class_=button_class(element), aria_label=described)
    if "confirm" in element:
        asked = {"ask": f"{message.ts}/{block_id}/{action_id}"}
        return tag("form", *_hidden(look, **asked), pressed, method="get", action="/")
    return _clicking(look, message.ts, block_id, action_id, pressed)


def _clicking(look: Look, ts: str, block_id: str, action_id: str, pressed: Html) -> Html:
    return tag("form", *_hidden(look, message=ts, block=block_id, action=action_id), pressed, method="post", action="/click")


def _composer(look: Look, label: str, thread: str | None, placeholder: str) -> Html:
    name = "text-in-thread" if thread else "text"
    return tag(
        "form",
        *_hidden(look),
        tag("label", label, for_=name, class_="unseen"),
        tag("input", id=name, name="text", placeholder=placeholder, autocomplete="off", maxlength="3000"),
        tag("button", "Send", class_="button primary"),
        method="post",
        action="/say",
        class_="composer",
    )


def _hidden(look: Look, **more: str) -> list[Html]:
    fields = {"as": look.user.id, "in": look.channel, "thread": look.thread or "", **more}
    return [tag("input", type="hidden", name=name, value=value) for name, value in fields.items()]


# Dialogs


def _dialog(workspace: Workspace, look: Look, here: list[SlackMessage], notice: Notice | None) -> Html | None:
    """A modal of the app comes before a question whether a click is meant."""
    modal = workspace.modal(look.user.id)
    inside = _modal(look, modal, notice) if modal is not None else _confirmation(look, here)
    if inside is None:
        return None
    return tag("div", tag("dialog", *inside, open="", aria_modal="true", aria_labelledby="dialog"), class_="veil")


def _confirmation(look: Look, here: list[SlackMessage]) -> list[Html | None] | None:
    ts, _, rest = look.ask.partition("/")
    block_id, _, action_id = rest.partition("/")
    found = [
        each
        for message in here
        if message.ts == ts
        for block in message.blocks
        if block["block_id"] == block_id
        for each in interactive(block)
        if each.get("action_id") == action_id and "confirm" in each
    ]
    if not found:
        return None
    asks = found[0]["confirm"]
    yes = tag("button", asks["confirm"]["text"], class_=f"button {asks.get('style', 'primary')}")
    return [
        tag("h2", asks["title"]["text"], id="dialog"),
        tag("div", text_html(asks["text"]), class_="block"),
        tag(
            "div",
            tag("a", asks["deny"]["text"], class_="button", href=look.address(), autofocus=""),
            _clicking(look, ts, block_id, action_id, yes),
            class_="answers",
        ),
    ]


def _modal(look: Look, modal: Modal, notice: Notice | None) -> list[Html | None]:
    view = modal.view
    values = initial_values(view) | dict(modal.typed)
    close = tag("form", *_hidden(look), tag("button", _label(view, "close", "Close"), class_="button"), method="post", action="/close")
    submit = tag("button", _label(view, "submit", "Submit"), class_="button primary", form="submission") if "submit" in view else None
    wrong = "Not yet: see below." if modal.errors else notice.text if notice and notice.tone == "bad" else None
    first = next((number for number, each in enumerate(view["blocks"]) if each["type"] == "input"), None)
    return [
        tag("h2", view["title"]["text"], id="dialog"),
        tag("p", wrong, class_="notice bad", role="alert") if wrong else None,
        tag(
            "form",
            *_hidden(look, view=modal.id),
            *(_part(each, values, modal.errors, number, first) for number, each in enumerate(view["blocks"])),
            method="post",
            action="/submit",
            id="submission",
        ),
        tag("div", close, submit, class_="answers"),
    ]


def _label(view: Json, name: str, otherwise: str) -> str:
    return str(view[name]["text"]) if name in view else otherwise


def _part(block: Json, values: Mapping[str, str], errors: Mapping[str, str], number: int, first: int | None) -> Html:
    if block["type"] != "input":
        return block_html(block)
    block_id = block["block_id"]
    return _input(block, values.get(block_id, ""), errors.get(block_id), f"i{number}", focus="" if number == first else None)


def _input(block: Json, value: str, error: str | None, anchor: str, *, focus: str | None) -> Html:
    element, name = block["element"], f"v:{block['block_id']}"
    hint = tag("p", block["hint"]["text"], id=f"{anchor}-hint", class_="hint") if "hint" in block else None
    said = tag("p", error, id=f"{anchor}-error", class_="error") if error else None
    described = " ".join(f"{anchor}-{each}" for each, there in (("hint", hint), ("error", said)) if there) or None
    wrong = "true" if error else None
    optional = tag("span", " (optional)", class_="optional") if block.get("optional") else None
    label = block["label"]["text"]
    given = {"name": name, "aria_describedby": described, "aria_invalid": wrong, "autofocus": focus}
    placeholder = element.get("placeholder", {}).get("text")
    match element["type"]:
        case "plain_text_input":
            rows = "4" if element.get("multiline") else "1"
            # A textarea drops the first newline.
            control = tag("textarea", Html("\n"), verbatim(value), id=anchor, rows=rows, placeholder=placeholder, **given)
        case "number_input":
            bounds = {"min": element.get("min_value"), "max": element.get("max_value")}
            step = "any" if element["is_decimal_allowed"] else "1"
            control = tag("input", type="number", value=value, step=step, id=anchor, **bounds, **given)
        case "static_select":
            nothing = tag("option", placeholder or "Choose one", value="")
            control = tag("select", nothing, *(_option(each, value) for each in element["options"]), id=anchor, **given)
        case "radio_buttons":
            radios = (_radio(each, value, name, f"{anchor}-{at}") for at, each in enumerate(element["options"]))
            return tag("fieldset", tag("legend", label, optional), *radios, hint, said, class_="field", aria_describedby=described)
        case "datepicker":
            control = tag("input", type="date", value=value, id=anchor, **given)
        case "datetimepicker":
            seconds = unix_seconds(value)
            moment = value if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M")
            control = tag("input", type="datetime-local", value=moment, id=anchor, **given)
            label = f"{label} (UTC)"
        case _:
            control = tag("p", "This stand-in does not know this kind of input.", id=anchor)
    return tag("div", tag("label", label, optional, for_=anchor), control, hint, said, class_="field")


def _option(option: Json, value: str) -> Html:
    return tag("option", option["text"]["text"], value=option["value"], selected="" if option["value"] == value else None)


def _radio(option: Json, value: str, name: str, anchor: str) -> Html:
    checked = "" if option["value"] == value else None
    control = tag("input", type="radio", name=name, value=option["value"], id=anchor, checked=checked)
    return tag("div", control, tag("label", text_html(option["text"]), for_=anchor), class_="radio")
