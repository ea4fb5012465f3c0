"""`doorward grants link`: which Slack users are you. The code goes from here into Slack; who gave it there, you say here."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from rich.text import Text

from doorward.errors import MalformedInput
from doorward.findings.escaping import for_terminal
from doorward_cli.api import Api
from doorward_cli.tables import print_lines

_EVERY_SECONDS: Final = 3
"""How often it is asked who gave the code: a third of what the API takes from one caller."""


class Taken(NamedTuple):
    """The Slack user who gave the code. `name`: what he calls himself."""

    ref: str
    name: str


def slack_user_of(ref: str) -> dict[str, str]:
    """`T0123456789/U0123456789`. Raises MalformedInput."""
    team_id, slash, user_id = ref.partition("/")
    if not slash or not team_id or not user_id or "/" in user_id:
        raise MalformedInput(f"{ref}: must be TEAM/USER, ids of Slack's such as T0123456789/U0123456789")
    return {"team_id": team_id, "user_id": user_id}


def offer(api: Api) -> dict[str, Any]:
    """A code, and until when. Raises Refused, Unavailable, Misconfigured."""
    offered: dict[str, Any] = api.call("POST", "/me/slack", {})
    return offered


def print_offer(offered: Mapping[str, Any]) -> None:
    until = datetime.fromisoformat(offered["until"]).astimezone()
    lines = [
        (0, Text("In Slack, in any conversation, give this command:")),
        (2, Text(f"/doorward link {offered['code']}", style="bold")),
        (0, Text(f"It counts once, until {until:%H:%M:%S}. Give it to nobody: he would ask to be you.", style="dim")),
    ]
    print_lines(iter(lines))


def wait(api: Api) -> Taken | None:
    """Who gave it; None where nobody did in time. Raises Refused, Unavailable, Misconfigured."""
    while True:
        shown = api.call("GET", "/me/slack")
        if not shown["waiting"]:
            return None
        if shown["taken_by"] is not None:
            return Taken(f"{shown['taken_by']['team_id']}/{shown['taken_by']['user_id']}", shown["taken_by"]["name"])
        time.sleep(_EVERY_SECONDS)


def question(taken: Taken) -> str:
    name = for_terminal(taken.name) or "nothing"
    return (
        f"Slack user {for_terminal(taken.ref)}, who calls himself {name}, gave it."
        " What he presses in Slack will be your word. Is that you, and did you just type it?"
    )


def bind(api: Api, ref: str) -> dict[str, Any]:
    """Raises Refused, Unavailable, Misconfigured."""
    linked: dict[str, Any] = api.call("PUT", "/me/slack", slack_user_of(ref))
    return linked


def remove(api: Api, ref: str) -> dict[str, Any]:
    """Raises Refused, Unavailable, Misconfigured."""
    user = slack_user_of(ref)
    linked: dict[str, Any] = api.call("DELETE", f"/me/slack?team_id={quote(user['team_id'])}&user_id={quote(user['user_id'])}")
    return linked


def print_links(shown: Mapping[str, Any]) -> None:
    """Those that are you."""
    links = shown["linked"]
    lines = [(0, Text(for_terminal(f"{each['team_id']}/{each['user_id']}  since {each['at'][:16]}"))) for each in links]
    print_lines(iter(lines or [(0, Text("No Slack user is linked to you.", style="yellow"))]))
