"""Slack's mrkdwn, read as Slack reads it: the escaped text of a message into pieces, and pieces into HTML.

The subset that our cards use, and what an attacker would want there: mentions, links, emoji, quotes, every kind of formatting. So a
card that forgot to escape looks here as wrong as it would in Slack, and harms nobody.
https://docs.slack.dev/messaging/formatting-message-text
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from doorward.findings.escaping import for_html
from doorward_cli.markup import Html, join, tag
from local.world import SLACK_CHANNELS, SLACK_USERS

type Kind = Literal["text", "bold", "italic", "strike", "code", "pre", "quote", "mention", "link", "emoji", "break"]

_MARKS: Final[dict[str, Kind]] = {"*": "bold", "_": "italic", "~": "strike"}
_TOKEN: Final = re.compile(
    r"<(?P<special>[^<>\n]+)>"
    r"|`(?P<code>[^`\n]+)`"
    r"|(?<![\w*~])(?P<mark>[*_~])(?P<marked>\S|\S[^\n]*?\S)(?P=mark)(?![\w*~])"
    r"|:(?P<emoji>(?!(?:aws|aws-cn|aws-us-gov|iam|sts|[0-9]+):)[a-z0-9_+'\-]+):",  # parts of an ARN or a time are no emoji
    re.ASCII,
)
_DOTS: Final = frozenset({"red_circle", "large_orange_circle", "large_yellow_circle", "white_circle"})
_NAMES: Final = {f"@{each.id}": f"@{each.real_name}" for each in SLACK_USERS} | {f"#{each.id}": f"#{each.name}" for each in SLACK_CHANNELS}
_FENCE: Final = "```"
_QUOTE: Final = "&gt;"


@dataclass(frozen=True, slots=True)
class Piece:
    """`text` is decoded, what a reader would see. Only marks (`bold`, …) and quotes have pieces `inside`."""

    kind: Kind
    text: str = ""
    inside: "tuple[Piece, ...]" = ()


def parse(text: str) -> tuple[Piece, ...]:
    """Pieces of a mrkdwn text object's `text`. Total: whatever is no markup is text."""
    return tuple(_parse(text))


def to_html(text: str) -> Html:
    return join(*(_html(each) for each in parse(text)))


def _parse(text: str) -> Iterator[Piece]:
    parts = text.split(_FENCE)
    if len(parts) % 2 == 0:  # the last fence is never closed, so it is none
        parts[-2:] = [_FENCE.join(parts[-2:])]
    for number, part in enumerate(parts):
        if number % 2:
            yield Piece("pre", _decode(part.strip("\n")))
        elif part:
            yield from _parse_lines(part)


def _parse_lines(text: str) -> Iterator[Piece]:
    for number, line in enumerate(text.split("\n")):
        if number:
            yield Piece("break")
        if line.startswith((_QUOTE, ">")):
            yield Piece("quote", inside=tuple(_parse_line(line.removeprefix(_QUOTE).removeprefix(">"))))
        else:
            yield from _parse_line(line)


def _parse_line(line: str) -> Iterator[Piece]:
    at = 0
    for found in _TOKEN.finditer(line):
        if found.start() > at:
            yield Piece("text", _decode(line[at : found.start()]))
        yield _piece(found)
        at = found.end()
    if at < len(line):
        yield Piece("text", _decode(line[at:]))


def _piece(found: re.Match[str]) -> Piece:
    if (special := found["special"]) is not None:
        target, _, label = special.partition("|")
        kind: Kind = "mention" if target.startswith(("@", "!", "#")) else "link"
        return Piece(kind, _decode(label or _NAMES.get(target) or (f"@{target[1:]}" if target.startswith("!") else target)))
    if (code := found["code"]) is not None:
        return Piece("code", _decode(code))
    if (emoji := found["emoji"]) is not None:
        return Piece("emoji", emoji)
    return Piece(_MARKS[found["mark"]], inside=tuple(_parse_line(found["marked"])))


def _decode(text: str) -> str:
    """Slack knows these three entities and no other."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _html(piece: Piece) -> Html:
    inside = join(*(_html(each) for each in piece.inside))
    match piece.kind:
        case "text":
            return _visible(piece.text)
        case "break":
            return tag("br")
        case "bold":
            return tag("strong", inside)
        case "italic":
            return tag("em", inside)
        case "strike":
            return tag("s", inside)
        case "quote":
            return tag("blockquote", inside)
        case "code":
            return tag("code", _visible(piece.text))
        case "pre":
            return tag("pre", verbatim(f"{piece.text}\n"))
        case "mention" | "link":  # never a real link: nobody's text takes a reader of this page elsewhere
            return tag("span", _visible(piece.text), class_=piece.kind)
        case "emoji" if piece.text in _DOTS:
            return tag("span", role="img", class_=f"dot {piece.text}", aria_label=piece.text.replace("_", " "))
        case "emoji":
            return tag("span", f":{piece.text}:", class_="emoji")


def verbatim(text: str) -> Html:
    """Text of several lines as it stands, for a place that keeps them."""
    return Html("\n".join(_visible(line) for line in text.split("\n")))


def _visible(text: str) -> Html:
    """A backslash is kept single: our cards have doubled those of the text itself already, and Slack shows what it is sent."""
    return Html("\\".join(for_html(part) for part in text.split("\\")))
