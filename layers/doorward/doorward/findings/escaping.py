r"""Text from events and policies is an attacker's text: made visible, and harmless for the place where it is shown.

Role names, Sids, tags, session names and condition values are chosen by whoever is watched. One function a place; each takes
one line's worth of raw text and is applied once, to the value, never to the finished page.

What no place shows raw: control characters (so no terminal sequence, no second line), bidirectional controls, zero-width and
other invisible characters, every space but U+0020, private, unassigned and surrogate code points. They appear as `\n`, `\x1b`,
`\u202e`, `\U000e0041`. A backslash of the text itself is doubled: two different texts never look the same, and an escape is
never mistaken for text.

Where people can follow links (Slack, Markdown, e-mail), `://` and `www.` become `[:]//` and `www[.]`, as in threat reports: a
policy must not be able to offer a link in our name. Links of our own are put together outside of these functions.
"""

import json
import re
from collections.abc import Callable, Iterable

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
# str.isprintable() already refuses Cc, Cf, Cs, Co, Cn, Zl, Zp and every Zs but the space. These count as printable and show nothing:
# combining grapheme joiner, Hangul and Khmer fillers, Mongolian and other variation selectors, the blank braille pattern.
_INVISIBLE = frozenset(
    (
        0x034F,
        0x115F,
        0x1160,
        0x17B4,
        0x17B5,
        0x2800,
        0x3164,
        0xFFA0,
        *range(0x180B, 0x1810),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    )
)
_LONGEST_BYTE = 0xFF
_LONGEST_BMP = 0xFFFF

_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "`": "&#96;"})

# Slack decodes these three entities and has no escape for its formatting, so formatting characters become look-alikes. Not
# zero-width characters: those would be invisible in what a reader copies. What a reader must be able to copy (an ARN) belongs
# into a plain_text or rich_text element, which knows no markup.
_SLACK = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        "*": "\N{ASTERISK OPERATOR}",
        "_": "\N{FULLWIDTH LOW LINE}",
        "~": "\N{TILDE OPERATOR}",
        "`": "\N{MODIFIER LETTER GRAVE ACCENT}",
        "@": "\N{FULLWIDTH COMMERCIAL AT}",
    }
)
_SLACK_EMOJI = re.compile(r":(?=[a-z0-9_+'\-]+:)", re.ASCII | re.IGNORECASE)
_NO_EMOJI = re.compile(r":(?:aws|aws-cn|aws-us-gov|iam|sts|[0-9]{12}):", re.ASCII)  # parts of an ARN, left readable

_SARIF = str.maketrans(
    {
        "[": "\N{FULLWIDTH LEFT SQUARE BRACKET}",
        "]": "\N{FULLWIDTH RIGHT SQUARE BRACKET}",
        "{": "\N{FULLWIDTH LEFT CURLY BRACKET}",
        "}": "\N{FULLWIDTH RIGHT CURLY BRACKET}",
    }
)

_MARKDOWN = str.maketrans({each: f"\\{each}" for each in "!\"#$%&'()*+,-./:;<=>?[]^_`{|}~"})

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")

_SUBJECT_ASCII = str.maketrans(
    {"\u2026": "...", "\u2013": "-", "\u2014": "-", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2192": "->"}
)
# SNS: "no line breaks or control characters, and less than 100 characters long" (API reference, Publish).
LONGEST_SUBJECT = 99

_DEEPEST = 64
_MASK = "***"


def for_terminal(text: str) -> str:
    """One line that moves no cursor and sets no colour. Rich's own markup is a second layer: `rich.markup.escape`, or `Text`."""
    return text if text.isascii() and text.isprintable() and "\\" not in text else "".join(_visible(each) for each in text)


def for_slack(text: str) -> str:
    """For a mrkdwn text object: no mention, link, emoji, quote or formatting can form. Formatting characters become look-alikes."""
    visible = _defang(for_terminal(text))
    if visible.lstrip(" ").startswith(">"):  # &gt; at the start of a line is a quotation, too
        visible = visible.replace(">", "\N{FULLWIDTH GREATER-THAN SIGN}", 1)
    visible = _SLACK_EMOJI.sub(lambda at: ":" if _NO_EMOJI.match(visible, at.start()) else "\N{MODIFIER LETTER COLON}", visible)
    return visible.translate(_SLACK)


def for_html(text: str) -> str:
    """For element content and for attribute values in quotes of either kind."""
    return for_terminal(text).translate(_HTML)


def for_markdown(text: str) -> str:
    """For GitHub's and CommonMark's Markdown, in running text and in table cells: everything shows as itself.

    `@` becomes a look-alike: GitHub notifies the people that the rendered page names, escaped or not.
    """
    # Backslashes of for_terminal are doubled again: Markdown takes one level away.
    doubled = _defang(for_terminal(text)).replace("\\", "\\\\")
    # Spaces at the ends would make a code block or a line break.
    return doubled.translate(_MARKDOWN).replace("@", "\N{FULLWIDTH COMMERCIAL AT}").strip(" ")


def for_html_in_markdown(text: str) -> str:
    """For HTML written into Markdown (`<summary>`, `<td>`), which GitHub searches for links and people like the rest."""
    return _defang(for_html(text)).replace("@", "\N{FULLWIDTH COMMERCIAL AT}")


def for_sarif(text: str) -> str:
    """For a plain-text message of SARIF, whose viewers follow `[text](place)` and fill in `{0}` (2.1.0, 3.11.5 and 3.11.6).

    Brackets become look-alikes: viewers differ in which escapes of them they know.
    """
    return _defang(for_terminal(text)).translate(_SARIF)


def for_csv(text: str) -> str:
    """One whole field, quotes included. A value that a spreadsheet would calculate is given a leading apostrophe."""
    visible = for_terminal(text)
    if visible.lstrip(" ").startswith(_FORMULA):
        visible = f"'{visible}"
    doubled = visible.replace('"', '""')
    return f'"{doubled}"'


def for_plain_text(text: str) -> str:
    """For one line of an e-mail's text: it cannot begin a second line, and offers no link."""
    return _defang(for_terminal(text))


def as_text(lines: Iterable[str]) -> str:
    """An e-mail's text, of raw lines."""
    return "\n".join(map(for_plain_text, lines))


def for_subject(text: str) -> str:
    """An e-mail's subject as SNS accepts it: printable ASCII, at most 99 characters, never empty."""
    visible = for_plain_text(text.translate(_SUBJECT_ASCII)).encode("ascii", "backslashreplace").decode("ascii").strip(" ")
    if not visible:
        return "(empty)"
    return visible if len(visible) <= LONGEST_SUBJECT else f"{visible[: LONGEST_SUBJECT - 3].rstrip(' ')}..."


def mask_external_ids(document: object) -> object:
    """A copy of JSON data in which every value of the key `sts:ExternalId`, however spelled and wherever it stands, is `***`.

    Lists keep their length. What is nested deeper than any policy is masked whole.
    """
    return _mask(document, 0, lambda _: _MASK)


def masking_apart() -> Callable[[object], object]:
    """A `mask_external_ids` for documents that people compare: an ID has one mask in all of them, and another ID another one.

    `***`, `*** (another)`, `*** (another, 2)` and so on, in the order in which they are met.
    """
    known: dict[str, str] = {}

    def mask(value: object) -> str:
        number = len(known)
        another = "" if number == 0 else " (another)" if number == 1 else f" (another, {number})"
        return known.setdefault(json.dumps(value), f"{_MASK}{another}")

    return lambda document: _mask(document, 0, mask)


def _mask(value: object, depth: int, mask: Callable[[object], str]) -> object:
    if depth > _DEEPEST:
        return _MASK
    if isinstance(value, dict):
        return {
            key: _masked(inner, mask) if isinstance(key, str) and key.strip().lower() == "sts:externalid" else _mask(inner, depth + 1, mask)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_mask(inner, depth + 1, mask) for inner in value]
    return value


def _masked(value: object, mask: Callable[[object], str]) -> object:
    return [mask(each) for each in value] if isinstance(value, list | tuple) else mask(value)


def _visible(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    point = ord(character)
    if character.isprintable() and point not in _INVISIBLE:
        return character
    if point <= _LONGEST_BYTE:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= _LONGEST_BMP else f"\\U{point:08x}"


def _defang(text: str) -> str:
    return re.sub(r"www\.", lambda at: at.group()[:3] + "[.]", text.replace("://", "[:]//"), flags=re.IGNORECASE | re.ASCII)
