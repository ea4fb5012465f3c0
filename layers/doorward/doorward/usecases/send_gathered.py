"""A schedule's turn: what was kept to be told together is told, and then forgotten. Whoever dies between the two tells it once more."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from doorward.errors import DoorwardError, MalformedInput, Misconfigured
from doorward.findings.escaping import as_text
from doorward.notices.gathered import DETAIL_TYPE, Kept, Why, gathered_as_json, gathered_in_words
from doorward.organization.model import Contact
from doorward.ports.announcing import Channel, Message
from doorward.usecases.notify_people import Tools
from doorward.usecases.tell_channel import with_notes

FORMAT: Final = "doorward.turn/1"


def turn_of(body: str) -> Why | None:
    """What a message of the schedules asks for; None where it is an event of ours. Raises MalformedInput for a turn of nothing we know."""
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        return None
    if raw.get("send") not in list(Why):
        raise MalformedInput(f"a turn: `send` must be one of {', '.join(Why)}")
    return Why(raw["send"])


def send_gathered(why: Why, tools: Tools) -> tuple[str, ...]:
    """The names of the channels that were told; none where nothing was kept.

    Every channel is tried even where another fails; the first failure is raised afterwards. Where a channel of a route never can be told,
    or is in the configuration no more, everybody is. Raises Unavailable, Misconfigured.
    """
    sent: list[str] = []
    failures: list[DoorwardError] = []
    kept = sorted(tools.notices.gathered(why), key=lambda each: (each.channel, each.at))
    for name, each in groupby(kept, key=lambda each: each.channel):
        some = list(each)
        try:
            sent += _tell(name, why, some, tools)
            tools.notices.forget(why, some)
        except DoorwardError as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return tuple(sent)


def _tell(name: str, why: Why, kept: Sequence[Kept], tools: Tools) -> Iterable[str]:
    message = _compose(why, kept)
    own = {each.name: each for each in tools.channels}
    if name in own:
        own[name].send(message)
        return (name,)
    try:
        _channel_named(name, tools).send(message)
    except Misconfigured as error:
        note = f"This was for {name}, which could not be reached: {error}."
        for each in tools.channels:
            each.send(with_notes(message, (note,)))
        return tuple(own)
    return (name,)


def _channel_named(name: str, tools: Tools) -> Channel:
    """`slack:` and an id, or `sns:` and an ARN: the address of a channel is its name, but for everybody's."""
    kind, _, address = name.partition(":")
    if kind == "slack":
        return tools.reach(Contact(slack=address))
    if kind == "sns":
        return tools.reach(Contact(topic=address))
    raise Misconfigured("the installation has no such channel any more")


def _compose(why: Why, kept: Sequence[Kept]) -> Message:
    detail = gathered_as_json(why, kept)
    headline, lines = gathered_in_words(detail, Counter(each.severity for each in kept))
    return Message(
        announcement_id=f"{why}-{detail['until']}",
        detail_type=DETAIL_TYPE,
        detail=detail,
        headline=headline,
        subject=headline if why is Why.HELD else f"Doorward: {headline}",
        text=as_text((headline, *lines)),
        letter=((headline,), lines),
    )
