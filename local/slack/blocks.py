"""Which blocks and modals Slack takes. Whatever is wrong is told with its place; nothing told: taken.

What we do not know of Block Kit only has to have a type. https://docs.slack.dev/reference/block-kit/blocks,
…/block-kit/block-elements, …/block-kit/composition-objects, …/reference/views/modal-views
"""

import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any, Final

type Json = Mapping[str, Any]
type Problems = Iterator[str]

INPUTS: Final = frozenset({"plain_text_input", "number_input", "static_select", "radio_buttons", "datepicker", "datetimepicker"})
CHOICES: Final = frozenset({"static_select", "radio_buttons"})
LONGEST_INPUT: Final = 3000
_MOST_IN_MESSAGE: Final = 50
_MOST_IN_VIEW: Final = 100
_MOST_IN_ACTIONS: Final = 25
_MOST_IN_CONTEXT: Final = 10
_MOST_FIELDS: Final = 10
_MOST_OPTIONS: Final = {"static_select": 100, "radio_buttons": 10}
_LONGEST_TEXT: Final = 3000
_LONGEST_FIELD: Final = 2000
_LONGEST_HEADER: Final = 150
_LONGEST_LABEL: Final = 2000
_LONGEST_ID: Final = 255
_LONGEST_BUTTON: Final = 75
_LONGEST_VALUE: Final = 2000
_LONGEST_URL: Final = 3000
_LONGEST_OPTION_VALUE: Final = 150
_LONGEST_PLACEHOLDER: Final = 150
_LONGEST_TITLE: Final = 24
_LONGEST_METADATA: Final = 3000
_LARGEST_VIEW_BYTES: Final = 250_000
_CONFIRM: Final = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
_STYLES: Final = ("primary", "danger")
_PLAIN: Final = ("plain_text",)
_ANY_TEXT: Final = ("mrkdwn", "plain_text")
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?", re.ASCII)
_UNIX_SECONDS: Final = re.compile(r"[0-9]{10}", re.ASCII)


def message_problems(blocks: object) -> list[str]:
    return list(_blocks(blocks, "/blocks", _MOST_IN_MESSAGE))


def view_problems(view: object) -> list[str]:
    """Of a modal; no other view can be opened."""
    return list(_view(view))


def is_too_large(view: object) -> bool:
    return len(json.dumps(view)) > _LARGEST_VIEW_BYTES


def completed(blocks: Iterable[Json]) -> tuple[Json, ...]:
    """With an id for each block and each element that has none, as Slack gives them one."""
    return tuple(_completed(each) for each in blocks)


def interactive(block: Json) -> list[Json]:
    """The elements of a block that somebody may click or fill in."""
    single = [block[name] for name in ("element", "accessory") if name in block]
    return [*(block.get("elements", []) if block["type"] == "actions" else []), *single]


def inputs(view: Json) -> list[Json]:
    """The input blocks of a modal."""
    return [block for block in view["blocks"] if block["type"] == "input"]


def _completed(block: Json) -> Json:
    made = {"block_id": secrets.token_hex(3), **block}
    if block["type"] == "actions":
        made["elements"] = [_with_id(each) for each in block["elements"]]
    return made | {name: _with_id(block[name]) for name in ("element", "accessory") if name in block}


def _with_id(element: Json) -> Json:
    return {"action_id": secrets.token_hex(3), **element}


# Blocks


def _blocks(blocks: object, at: str, most: int) -> Problems:
    if not isinstance(blocks, list) or len(blocks) > most:
        yield f"must be a list of at most {most} [{at}]"
        return
    for number, block in enumerate(blocks):
        yield from _block(block, f"{at}/{number}")
    ids = [block["block_id"] for block in blocks if isinstance(block, dict) and isinstance(block.get("block_id"), str)]
    if len(ids) != len(set(ids)):
        yield f"must not have a block_id twice [{at}]"


def _block(block: object, at: str) -> Problems:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        yield f"must be an object with a type [{at}]"
        return
    yield from _string(block, "block_id", at, _LONGEST_ID)
    if (known := _BLOCKS.get(block["type"])) is not None:
        yield from known(block, at)


def _section(block: Json, at: str) -> Problems:
    if "text" not in block and "fields" not in block:
        yield f"must have text or fields [{at}]"
    if "text" in block:
        yield from _text(block["text"], f"{at}/text", _LONGEST_TEXT, _ANY_TEXT)
    if "fields" in block:
        yield from _list(block["fields"], f"{at}/fields", _MOST_FIELDS, lambda each, place: _text(each, place, _LONGEST_FIELD, _ANY_TEXT))
    if "accessory" in block:
        yield from _element(block["accessory"], f"{at}/accessory")


def _header(block: Json, at: str) -> Problems:
    yield from _text(block.get("text"), f"{at}/text", _LONGEST_HEADER, _PLAIN)


def _context(block: Json, at: str) -> Problems:
    yield from _list(block.get("elements"), f"{at}/elements", _MOST_IN_CONTEXT, _context_element)


def _context_element(element: object, at: str) -> Problems:
    if not (isinstance(element, dict) and element.get("type") == "image"):
        yield from _text(element, at, _LONGEST_TEXT, _ANY_TEXT)


def _actions(block: Json, at: str) -> Problems:
    elements = block.get("elements")
    yield from _list(elements, f"{at}/elements", _MOST_IN_ACTIONS, _element)
    if isinstance(elements, list):
        ids = [each["action_id"] for each in elements if isinstance(each, dict) and isinstance(each.get("action_id"), str)]
        if len(ids) != len(set(ids)):
            yield f"must not have an action_id twice [{at}/elements]"
        if any(isinstance(each, dict) and each.get("type") == "plain_text_input" for each in elements):
            yield f"must not hold a plain_text_input [{at}/elements]"


def _input(block: Json, at: str) -> Problems:
    yield from _text(block.get("label"), f"{at}/label", _LONGEST_LABEL, _PLAIN)
    if "hint" in block:
        yield from _text(block["hint"], f"{at}/hint", _LONGEST_LABEL, _PLAIN)
    if not isinstance(block.get("optional", False), bool):
        yield f"must be a boolean [{at}/optional]"
    yield from _element(block.get("element"), f"{at}/element")
    element = block.get("element")
    if isinstance(element, dict) and element.get("type") == "button":
        yield f"must not be a button [{at}/element]"


_BLOCKS: Final[Mapping[str, Callable[[Json, str], Problems]]] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "input": _input,
}


# Elements


def _element(element: object, at: str) -> Problems:
    if not isinstance(element, dict) or not isinstance(element.get("type"), str):
        yield f"must be an object with a type [{at}]"
        return
    yield from _string(element, "action_id", at, _LONGEST_ID)
    if "confirm" in element:
        yield from _confirm(element["confirm"], f"{at}/confirm")
    if "placeholder" in element:
        yield from _text(element["placeholder"], f"{at}/placeholder", _LONGEST_PLACEHOLDER, _PLAIN)
    if (known := _ELEMENTS.get(element["type"])) is not None:
        yield from known(element, at)


def _button(element: Json, at: str) -> Problems:
    yield from _text(element.get("text"), f"{at}/text", _LONGEST_BUTTON, _PLAIN)
    yield from _string(element, "value", at, _LONGEST_VALUE)
    yield from _string(element, "url", at, _LONGEST_URL)
    yield from _string(element, "accessibility_label", at, _LONGEST_BUTTON)
    yield from _style(element, at)


def _confirm(confirm: object, at: str) -> Problems:
    if not isinstance(confirm, dict):
        yield f"must be an object [{at}]"
        return
    for name, most in _CONFIRM.items():
        yield from _text(confirm.get(name), f"{at}/{name}", most, _ANY_TEXT if name == "text" else _PLAIN)
    yield from _style(confirm, at)


def _style(element: Json, at: str) -> Problems:
    if "style" in element and element["style"] not in _STYLES:
        yield f"must be primary or danger [{at}/style]"


def _text_input(element: Json, at: str) -> Problems:
    yield from _string(element, "initial_value", at, LONGEST_INPUT)
    least, most = element.get("min_length", 0), element.get("max_length", LONGEST_INPUT)
    if not (isinstance(least, int) and isinstance(most, int) and 0 <= least <= most and 1 <= most <= LONGEST_INPUT):
        yield f"must have 0 <= min_length <= max_length <= {LONGEST_INPUT} [{at}]"


def _number_input(element: Json, at: str) -> Problems:
    if not isinstance(element.get("is_decimal_allowed"), bool):
        yield f"must be a boolean [{at}/is_decimal_allowed]"
    numbers = {name: element[name] for name in ("initial_value", "min_value", "max_value") if name in element}
    wrong = [name for name, value in numbers.items() if not (isinstance(value, str) and is_number(value))]
    for name in wrong:
        yield f"must be a number, as a string [{at}/{name}]"
    if not wrong and float(numbers.get("min_value", "-inf")) > float(numbers.get("max_value", "inf")):
        yield f"must not be greater than max_value [{at}/min_value]"


def _choice(element: Json, at: str) -> Problems:
    options = element.get("options")
    yield from _list(options, f"{at}/options", _MOST_OPTIONS[element["type"]], _option)
    if "initial_option" in element and element["initial_option"] not in (options if isinstance(options, list) else []):
        yield f"must be one of the options [{at}/initial_option]"


def _option(option: object, at: str) -> Problems:
    if not isinstance(option, dict) or not isinstance(option.get("value"), str):
        yield f"must be an object with text and value [{at}]"
        return
    yield from _text(option.get("text"), f"{at}/text", _LONGEST_BUTTON, _ANY_TEXT)
    yield from _string(option, "value", at, _LONGEST_OPTION_VALUE)


def _date(element: Json, at: str) -> Problems:
    if "initial_date" in element and not is_date(element["initial_date"]):
        yield f"must be YYYY-MM-DD [{at}/initial_date]"


def _date_time(element: Json, at: str) -> Problems:
    given = element.get("initial_date_time")
    if given is not None and not (isinstance(given, int) and _UNIX_SECONDS.fullmatch(str(given))):
        yield f"must be 10 digits, Unix time in seconds [{at}/initial_date_time]"


_ELEMENTS: Final[Mapping[str, Callable[[Json, str], Problems]]] = {
    "button": _button,
    "plain_text_input": _text_input,
    "number_input": _number_input,
    "static_select": _choice,
    "radio_buttons": _choice,
    "datepicker": _date,
    "datetimepicker": _date_time,
}


def is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def is_date(text: object) -> bool:
    try:
        return isinstance(text, str) and date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


# Modals


def _view(view: object) -> Problems:
    if not isinstance(view, dict) or view.get("type") != "modal":
        yield "must be an object of type modal [/view]"
        return
    for name in ("title", "submit", "close"):
        if name in view or name == "title":
            yield from _text(view.get(name), f"/view/{name}", _LONGEST_TITLE, _PLAIN)
    yield from _string(view, "private_metadata", "/view", _LONGEST_METADATA, least=0)
    yield from _string(view, "callback_id", "/view", _LONGEST_ID)
    blocks = view.get("blocks")
    yield from _blocks(blocks, "/view/blocks", _MOST_IN_VIEW)
    if "submit" not in view and isinstance(blocks, list) and any(isinstance(each, dict) and each.get("type") == "input" for each in blocks):
        yield "must have submit, since it has an input [/view]"


# Parts


def _text(value: object, at: str, most: int, types: tuple[str, ...]) -> Problems:
    if not (isinstance(value, dict) and value.get("type") in types and isinstance(value.get("text"), str)):
        yield f"must be a text object of type {' or '.join(types)} [{at}]"
    elif not 0 < len(value["text"]) <= most:
        yield f"must have from 1 to {most} characters [{at}/text]"


def _string(holder: Json, name: str, at: str, most: int, *, least: int = 1) -> Problems:
    value = holder.get(name)
    if name in holder and not (isinstance(value, str) and least <= len(value) <= most):
        yield f"must be a string of {least} to {most} characters [{at}/{name}]"


def _list(value: object, at: str, most: int, each: Callable[[object, str], Problems]) -> Problems:
    if not isinstance(value, list) or not 0 < len(value) <= most:
        yield f"must be a list of 1 to {most} [{at}]"
        return
    for number, item in enumerate(value):
        yield from each(item, f"{at}/{number}")
