"""Slack calls: is it Slack, is it new, is it ours; then it waits in line, and Slack has its answer in time.

1. not longer than anything Slack sends;
2. signed by Slack, just now (people/slack.py): until here nothing of it was read;
3. never seen before. Slack does not repeat these calls by itself (it does so with events, which we take none of); whoever does replays;
4. something that people do in Slack and that we know;
5. from a workspace of ours, by somebody of a workspace of ours: in a shared channel others press buttons, too.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from doorward.errors import MalformedInput
from doorward.people.model import Refusal
from doorward.people.slack import nonce_of
from doorward.ports.clock import Clock
from doorward.ports.slack import Interaction, Interactions, Nonces

LONGEST: Final = 100_000
"""Bytes. A card and a form of ours come back whole, and are a tenth of that."""


class Received(StrEnum):
    """What came of a call."""

    QUEUED = "queued"
    REPLAYED = "replayed"
    NOTHING = "nothing"
    TOO_LONG = "too long"
    NOT_SLACK = "not Slack's"
    MALFORMED = "malformed"
    ANOTHER_TEAM = "another team's"


@dataclass(frozen=True, slots=True)
class Call:
    """`about`: the last part of its path. Timestamp and signature are of the headers, "" where there is none."""

    about: str
    timestamp: str
    signature: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Tools:
    """`secret` "" or no `teams`: this installation takes nothing from Slack.

    `parse`: what a call says, and the ids of all teams that it names; None where it is nothing for us. It raises MalformedInput.
    `answer`: the body by which Slack is told that it was taken, mostly "".
    """

    secret: Callable[[], str]
    teams: Collection[str]
    parse: Callable[[str, bytes], tuple[Interaction, frozenset[str]] | None]
    answer: Callable[[Interaction], str]
    nonces: Nonces
    interactions: Interactions
    clock: Clock


def receive_slack(call: Call, tools: Tools) -> tuple[Received, str]:
    """What came of it, and the answer's body.

    Raises Unavailable, Misconfigured: then nothing was taken, and whoever pressed the button is told so by Slack.
    """
    if len(call.body) > LONGEST:
        return Received.TOO_LONG, ""
    now = tools.clock.now()
    nonce = nonce_of(call.timestamp, call.signature, call.body, tools.secret(), now)
    if isinstance(nonce, Refusal):
        return Received.NOT_SLACK, ""
    if not tools.nonces.is_new(nonce, now):
        return Received.REPLAYED, ""
    try:
        parsed = tools.parse(call.about, call.body)
    except MalformedInput:
        return Received.MALFORMED, ""
    if parsed is None:
        return Received.NOTHING, ""
    interaction, teams = parsed
    if not teams <= set(tools.teams):
        return Received.ANOTHER_TEAM, ""
    tools.interactions.put(interaction._replace(at=int(now.timestamp())), nonce)
    return Received.QUEUED, tools.answer(interaction)
