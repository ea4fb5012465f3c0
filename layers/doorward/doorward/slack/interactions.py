"""What Slack sends when people press a button, submit a form or give a command: an attacker's text until it has become an Interaction.

https://docs.slack.dev/interactivity/handling-user-interaction
https://docs.slack.dev/interactivity/implementing-slash-commands
"""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from doorward.errors import MalformedInput
from doorward.people.model import SlackUser
from doorward.people.slack import is_team_id, slack_user_of
from doorward.ports.slack import Interaction, Kind

COMMANDS: Final = "commands"
INTERACTIONS: Final = "interactions"
FORMAT: Final = "doorward.slack/1"
_MOST_FIELDS: Final = 50
_LONGEST_NAME: Final = 255
_LAST_MOMENT: Final = 10**10
_LONGEST_VALUE: Final = 3000
"""Of a form's own data: https://docs.slack.dev/reference/views. A button's is shorter."""


def parse_call(about: str, body: bytes) -> tuple[Interaction, frozenset[str]] | None:
    """What a call says, and ids of all teams that it names; None: nothing for us. Raises MalformedInput for whatever Slack never sends."""
    form = _form(body)
    if about == COMMANDS:
        return _command(form)
    if about != INTERACTIONS:
        raise MalformedInput(f"Slack calls {INTERACTIONS} and {COMMANDS} alone")
    try:
        payload = json.loads(_text(form, "payload", longest=len(body)))
    except (ValueError, RecursionError):
        raise MalformedInput("payload: is not JSON") from None
    if not isinstance(payload, dict):
        raise MalformedInput("payload: must be an object")
    read = {"block_actions": _pressed, "view_submission": _submitted}.get(str(payload.get("type")))
    return None if read is None else read(payload)


def _command(form: Mapping[str, Any]) -> tuple[Interaction, frozenset[str]]:
    user = _slack_user(form.get("team_id"), form.get("user_id"))
    what, _, value = _text(form, "text", required=False).strip().partition(" ")
    name = _text(form, "user_name", longest=_LONGEST_NAME, required=False)
    answer_to = _text(form, "response_url", required=False)
    trigger = _text(form, "trigger_id", required=False)
    return Interaction(Kind.COMMANDED, user, what.lower(), value.strip(), name, answer_to, trigger), frozenset({user.team_id})


def _pressed(payload: Mapping[str, Any]) -> tuple[Interaction, frozenset[str]] | None:
    actions = payload.get("actions")
    action = actions[0] if isinstance(actions, list) and len(actions) == 1 else None
    if not isinstance(action, dict):
        raise MalformedInput("actions: must be one")
    if action.get("type") != "button":
        return None
    user, teams = _who(payload)
    return Interaction(
        Kind.PRESSED,
        user,
        _text(action, "action_id", longest=_LONGEST_NAME),
        _text(action, "value", required=False),
        _name(payload),
        _text(payload, "response_url", required=False),
        _text(payload, "trigger_id", required=False),
    ), teams


def _submitted(payload: Mapping[str, Any]) -> tuple[Interaction, frozenset[str]]:
    """What the form was opened for, and where its answer goes, it brings along itself (slack/forms.py)."""
    view = _object(payload, "view")
    user, teams = _who(payload)
    value, _, answer_to = _text(view, "private_metadata", required=False).partition("\n")
    values = _object(_object(view, "state"), "values")
    if len(values) > _MOST_FIELDS:
        raise MalformedInput("values: are too many")
    fields = {name: _entered(values, name) for name in values}
    what = _text(view, "callback_id", longest=_LONGEST_NAME)
    view_id = _text(view, "id", longest=_LONGEST_NAME)
    return Interaction(Kind.SUBMITTED, user, what, value, _name(payload), answer_to, fields=fields, view=view_id), teams


def _entered(values: Mapping[str, Any], name: str) -> str:
    """Of one field; "" where nothing was entered."""
    block = _object(values, name)
    element = next(iter(block.values())) if len(block) == 1 else None
    if not isinstance(element, dict):
        raise MalformedInput(f"{name[:40]!r}: must have one value")
    chosen, moment = element.get("selected_option"), element.get("selected_date_time")
    if type(moment) is int and 0 <= moment < _LAST_MOMENT:
        return str(moment)
    entered = chosen.get("value") if isinstance(chosen, dict) else element.get("selected_date") or element.get("value")
    if entered is None:
        return ""
    if not isinstance(entered, str) or len(entered) > _LONGEST_VALUE:
        raise MalformedInput(f"{name[:40]!r}: must be text of at most {_LONGEST_VALUE} characters")
    return entered


def _who(payload: Mapping[str, Any]) -> tuple[SlackUser, frozenset[str]]:
    """Slack names the workspace of the call, which an app of a whole Enterprise organization has none of, and that of the user."""
    user, team = _object(payload, "user"), payload.get("team")
    team_id = None if team is None else _object(payload, "team").get("id")
    own_team = user.get("team_id") or team_id
    found = _slack_user(own_team, user.get("id"))
    if team_id is None:
        return found, frozenset({found.team_id})
    if not is_team_id(team_id):
        raise MalformedInput("team: is no id of Slack's")
    return found, frozenset({found.team_id, team_id})


def _name(payload: Mapping[str, Any]) -> str:
    user = _object(payload, "user")
    return _text(user, "username", longest=_LONGEST_NAME, required=False)


def _slack_user(team_id: object, user_id: object) -> SlackUser:
    user = slack_user_of(team_id, user_id)
    if user is None:
        raise MalformedInput("team and user: must be ids of Slack's")
    return user


def _form(body: bytes) -> dict[str, str]:
    """https://url.spec.whatwg.org/#application/x-www-form-urlencoded, each name once."""
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise MalformedInput("the body: is no form") from None
    if any(len(values) != 1 for values in fields.values()):
        raise MalformedInput("the body: has a name twice")
    return {name: values[0] for name, values in fields.items()}


def _object(within: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = within.get(name)
    if not isinstance(value, dict):
        raise MalformedInput(f"{name[:40]!r}: must be an object")
    return value


def _text(within: Mapping[str, Any], name: str, *, longest: int = _LONGEST_VALUE, required: bool = True) -> str:
    value = within.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or len(value) > longest:
        raise MalformedInput(f"{name}: must be text of at most {longest} characters")
    return value


# In the queue: what we took from a call, and nothing else of it. The token that Slack still sends along in each is not kept.


def interaction_as_text(interaction: Interaction) -> str:
    return json.dumps({"format": FORMAT, **interaction._asdict(), "fields": dict(interaction.fields)})


def interaction_from(text: str) -> Interaction:
    """Of what `interaction_as_text` wrote. Raises MalformedInput for anything else."""
    try:
        kept = json.loads(text)
        if kept.pop("format") != FORMAT:
            raise MalformedInput(f"it is not of format {FORMAT}")
        interaction = Interaction(**{**kept, "kind": Kind(kept["kind"]), "user": SlackUser(*kept["user"])})
        texts = [*interaction.user, *interaction[2:7], interaction.view, *interaction.fields, *interaction.fields.values()]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        raise MalformedInput("it is nothing that people did in Slack") from None
    if not all(isinstance(each, str) for each in texts) or type(interaction.at) is not int:
        raise MalformedInput("it is nothing that people did in Slack")
    return interaction
