"""Forms as Slack's modals: one shows its fields with what is wrong under each, another that something is being looked up.

https://docs.slack.dev/reference/views/modal-views
https://docs.slack.dev/reference/block-kit/block-elements
https://docs.slack.dev/surfaces/modals#handling_submissions
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from doorward.errors import MalformedInput
from doorward.findings.escaping import for_slack
from doorward.ports.slack import Asking, Field, Form, Input, Interaction, Kind
from doorward.slack.texts import plain, section, whole

_LONGEST_METADATA: Final = 3000
_LONGEST_LABEL: Final = 2000
_LONGEST_OPTION: Final = 75
_WAIT: Final = (
    "It is being looked up …",
    "If nothing comes within a minute, close this: what you asked for, if it was asked for, stands in `doorward grants list`.",
)


def view_of(form: Form, answer_to: str) -> dict[str, Any]:
    """`answer_to`: where he alone is answered: Slack brings it back."""
    blocks = [*whole(form.lines), *([section([f":warning: {for_slack(each)}" for each in form.wrong])] if form.wrong else [])]
    for each in form.fields:
        blocks.append(_field(each))
        if each.error:
            blocks.append(section([f":warning: {for_slack(each.error)}"]))
    return {
        "type": "modal",
        "callback_id": form.what,
        "private_metadata": bring_along(form.value, answer_to),
        "title": plain("Doorward"),
        **({"submit": plain(form.submit)} if form.submit else {}),
        "close": plain("Cancel" if form.submit else "Close"),
        "blocks": blocks,
    }


def waiting_view() -> dict[str, Any]:
    return view_of(Form("waiting", lines=_WAIT), "")


def answer_to_call(interaction: Interaction) -> str:
    """To a form whose next step is still looked up: it stays, and shows that. Slack closes any other."""
    if interaction.kind is not Kind.SUBMITTED or interaction.what not in list(Asking):
        return ""
    return json.dumps({"response_action": "update", "view": waiting_view()})


def bring_along(value: str, answer_to: str) -> str:
    """Slack keeps that until the form is submitted; slack/interactions.py takes it apart."""
    metadata = f"{value}\n{answer_to}"
    if len(metadata) > _LONGEST_METADATA:
        raise MalformedInput("what a form would bring along is longer than Slack keeps")
    return metadata


def field_block(name: str, label: str, element: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "input", "block_id": name, "label": plain(label), "element": {**element, "action_id": name}}


def _field(field: Field) -> dict[str, Any]:
    block = field_block(field.name, field.label[:_LONGEST_LABEL], _element(field))
    hint = {"hint": plain(field.hint[:_LONGEST_LABEL])} if field.hint else {}
    return {**block, **hint, "optional": field.optional}


def _element(field: Field) -> dict[str, Any]:
    match field.input:
        case Input.CHOICE:
            options = [_option(value, text) for value, text in field.options]
            chosen = [each for each in options if each["value"] == field.value]
            return {"type": "static_select", "options": options, **({"initial_option": chosen[0]} if chosen else {})}
        case Input.NUMBER:
            return {
                "type": "number_input",
                "is_decimal_allowed": False,
                "min_value": "1",
                "max_value": str(field.most),
                **({"initial_value": field.value} if field.value else {}),
            }
        case Input.MOMENT:
            return {"type": "datetimepicker", **({"initial_date_time": int(field.value)} if field.value else {})}
    return {
        "type": "plain_text_input",
        "multiline": field.input is Input.TEXT,
        **({"max_length": field.most} if field.most else {}),
        **({"initial_value": field.value[: field.most or None]} if field.value else {}),
    }


def _option(value: str, text: str) -> dict[str, Any]:
    shown = plain(text)
    if len(shown["text"]) > _LONGEST_OPTION:
        shown["text"] = f"{shown['text'][: _LONGEST_OPTION - 1]}…"
    return {"text": shown, "value": value}
