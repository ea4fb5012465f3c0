"""Messages as Slack shows them, in HTML. What a message says goes through `mrkdwn` or is escaped by `tag`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from doorward_cli.markup import Html, join, tag
from local.slack import mrkdwn
from local.slack.model import Json, SlackMessage
from local.web.frame import time_tag
from local.world import SLACK_BOT, SLACK_USERS

STYLE: Final = Path(__file__).parent / "messages.css"

type Button = Callable[[str, Json], Html]
"""How a button is shown: the id of its block, and the element."""


def inert(_block_id: str, element: Json) -> Html:
    """A button on a page where nothing can be clicked."""
    return tag("span", element["text"]["text"], class_=button_class(element))


def button_class(element: Json) -> str:
    return f"button {element.get('style', '')}".strip()


def message_item(
    message: SlackMessage, *note: Html | str | None, button: Button = inert, after: Html | None = None, named: bool = True
) -> Html:
    """A list item. `note` stands beside the author's name, `after` below the blocks; `named`: with an id on the page."""
    author = next((each.real_name for each in SLACK_USERS if each.id == message.author), message.author or SLACK_BOT.real_name)
    is_app = message.author is None
    return tag(
        "li",
        tag("span", author[:1], class_="avatar" if is_app else "avatar person", aria_hidden="true"),
        tag(
            "div",
            tag(
                "p",
                tag("b", author),
                join(" ", tag("span", "APP", class_="app")) if is_app else None,
                " ",
                time_tag(message.at),
                " (edited)" if message.edited_ts else None,
                *note,
                class_="from",
            ),
            *(block_html(each, button) for each in message.blocks),
            None if message.blocks else tag("div", mrkdwn.to_html(message.text), class_="block"),
            after,
        ),
        id=f"m-{message.ts}" if named else None,
        class_="private" if message.only_for else None,
    )


def text_html(text: Json) -> Html | str:
    """Of a text object."""
    return mrkdwn.to_html(text["text"]) if text["type"] == "mrkdwn" else str(text["text"])


def block_html(block: Json, button: Button = inert) -> Html:
    """What we know how to show; any other block as its JSON, so that nothing is left out in silence."""
    match block["type"]:
        case "divider":
            return tag("hr")
        case "header":
            return tag("div", text_html(block["text"]), class_="block title")
        case "section":
            text = tag("div", text_html(block["text"]), class_="block") if "text" in block else None
            fields = (
                tag("div", *(tag("div", text_html(each)) for each in block["fields"]), class_="block fields") if "fields" in block else None
            )
            accessory = tag("div", _element(block, block["accessory"], button), class_="actions") if "accessory" in block else None
            return join(text, fields, accessory)
        case "context":
            return tag("div", *(tag("span", _context(each)) for each in block["elements"]), class_="block context")
        case "actions":
            return tag("div", *(_element(block, each, button) for each in block["elements"]), class_="actions")
    return tag("div", json.dumps(block, ensure_ascii=False), class_="block")


def _context(element: Json) -> Html | str:
    return str(element.get("alt_text", "image")) if element["type"] == "image" else text_html(element)


def _element(block: Json, element: Json, button: Button) -> Html:
    if element["type"] == "button":
        return button(block["block_id"], element)
    return tag("span", json.dumps(element, ensure_ascii=False))
