"""One Slack user alone is answered: in a message that nobody else sees, or by a form.

https://docs.slack.dev/reference/methods/views.open
https://docs.slack.dev/reference/methods/views.update
https://docs.slack.dev/reference/block-kit/blocks/input-block
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from doorward.decisions.actions import ACTIONS, DAY, HOUR, LONGEST_REASON, MOST_HOURS, REASON
from doorward.findings.escaping import for_slack
from doorward.ports.slack import Form, Interaction
from doorward.slack.cards import LABELS
from doorward.slack.forms import bring_along, field_block, view_of, waiting_view
from doorward.slack.texts import plain
from doorward.slack.web import SlackRefused, SlackWeb

_TOO_LATE: Final = frozenset({"expired_trigger_id", "exchanged_trigger_id", "trigger_expired", "trigger_exchanged", "invalid_trigger_id"})
_CLOSED: Final = "not_found"


class SlackDesk:
    """The Desk port."""

    def __init__(self, web: SlackWeb) -> None:
        self._web = web

    def tell(self, answer_to: str, lines: Sequence[str]) -> None:
        text = "\n".join(map(for_slack, lines))
        self._web.respond(answer_to, {"response_type": "ephemeral", "replace_original": False, "text": text})

    def open_form(self, interaction: Interaction) -> bool:
        return self._open(interaction, form_for(interaction)) is not None

    def open_waiting(self, interaction: Interaction) -> str:
        opened = self._open(interaction, waiting_view())
        return "" if opened is None else str((opened.get("view") or {}).get("id", ""))

    def show(self, interaction: Interaction, view: str, form: Form) -> bool:
        try:
            self._web.call("views.update", {"view_id": view, "view": view_of(form, interaction.answer_to)}, "a form")
        except SlackRefused as error:
            if error.word == _CLOSED:
                return False
            raise
        return True

    def _open(self, interaction: Interaction, view: Mapping[str, Any]) -> Mapping[str, Any] | None:
        try:
            return self._web.call("views.open", {"trigger_id": interaction.trigger, "view": view}, "a form")
        except SlackRefused as error:
            if error.word in _TOO_LATE:
                return None
            raise


def form_for(interaction: Interaction) -> dict[str, Any]:
    """It brings along what the button was for, and where whoever pressed it is answered: Slack keeps that until it is submitted."""
    label = plain(LABELS[interaction.what])
    about = {"type": "section", "text": plain(interaction.value.rpartition("/")[0])}
    return {
        "type": "modal",
        "callback_id": interaction.what,
        "private_metadata": bring_along(interaction.value, interaction.answer_to),
        "title": plain("Doorward"),
        "submit": label,
        "close": plain("Cancel"),
        "blocks": [about, *(_INPUTS[each](interaction.at) for each in ACTIONS[interaction.what].asks)],
    }


def _reason(_at: int) -> dict[str, Any]:
    return field_block(REASON, "Why", {"type": "plain_text_input", "multiline": True, "max_length": LONGEST_REASON})


def _hour(at: int) -> dict[str, Any]:
    """The next full hours."""
    this = datetime.fromtimestamp(at, UTC).replace(minute=0, second=0)
    hours = [this + timedelta(hours=each) for each in range(1, MOST_HOURS + 1)]
    options = [{"text": plain(f"{each:%H:%M} UTC"), "value": each.isoformat()} for each in hours]
    return field_block(HOUR, f"Until; {_THE_SAME}", {"type": "static_select", "options": options, "initial_option": options[0]})


def _day(_at: int) -> dict[str, Any]:
    return field_block(DAY, f"Until this day begins (UTC); {_THE_SAME}", {"type": "datepicker"})


_INPUTS: Final[Mapping[str, Callable[[int], dict[str, Any]]]] = {REASON: _reason, HOUR: _hour, DAY: _day}
"""By when the button was pressed, as seconds since 1970."""
_THE_SAME: Final = "whoever else it takes has to choose the same"
