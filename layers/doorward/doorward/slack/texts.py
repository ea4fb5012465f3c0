"""Texts of messages and forms. What is raw goes in; Slack's limits are kept.

https://docs.slack.dev/reference/block-kit/composition-objects/text-object
https://docs.slack.dev/reference/block-kit/blocks/section-block
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from doorward.findings.escaping import for_slack, for_terminal

_LONGEST_SECTION: Final = 3000
SIGNS: Final = {"critical": ":red_circle:", "high": ":large_orange_circle:", "medium": ":large_yellow_circle:"}


def plain(text: str) -> dict[str, Any]:
    """A text that Slack shows as it is: no formatting is read in it, so that it can be copied."""
    return {"type": "plain_text", "text": for_terminal(text), "emoji": False}


def section(lines: Iterable[str]) -> dict[str, Any]:
    """Of escaped lines. Whole lines only, as many as Slack takes: a cut could split an escaped character.

    `verbatim`: Slack links nothing by itself.
    """
    text = ""
    for line in lines:
        if len(text) + len(line) + 2 > _LONGEST_SECTION:
            text += "\n…" if text else "…"
            break
        text += f"\n{line}" if text else line
    return _section("mrkdwn", text)


def whole(lines: Sequence[str], *, copied: bool = False) -> list[dict[str, Any]]:
    """Of raw lines, as many sections as it takes to show all of them. `copied`: so that what they say can be copied."""
    escape = for_terminal if copied else for_slack
    texts: list[str] = []
    for line in lines:
        first, *rest = _pieces(line, escape)
        if texts and len(texts[-1]) + len(first) < _LONGEST_SECTION:
            texts[-1] = f"{texts[-1]}\n{first}"
        else:
            texts.append(first)
        texts += rest
    return [_section("plain_text" if copied else "mrkdwn", text) for text in texts]


def _section(kind: str, text: str) -> dict[str, Any]:
    how = {"verbatim": True} if kind == "mrkdwn" else {"emoji": False}
    return {"type": "section", "text": {"type": kind, "text": text or " ", **how}}


def _pieces(line: str, escape: Callable[[str], str]) -> list[str]:
    """Divided before it is escaped, so that nothing escaped is."""
    escaped = escape(line)
    if len(escaped) <= _LONGEST_SECTION:
        return [escaped]
    middle = len(line) // 2
    return [*_pieces(line[:middle], escape), *_pieces(line[middle:], escape)]
