"""What people can do about what they are told of, where a channel has buttons: one row a button.

Which are offered, a message's choices say.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from doorward.people.model import Refusal
from doorward.values import NamedTuple

REASON: Final = "reason"
HOUR: Final = "hour"
DAY: Final = "day"
"""Until when, as ISO 8601: a full hour, or the beginning of a day, by UTC. Moments that two people can both name."""


class Action(NamedTuple):
    """`what` is decided, and what is said to it. `asks`: what has to be filled in first, in this order; empty: one click says it."""

    what: str
    yes: bool = True
    asks: tuple[str, ...] = ()


ACTIONS: Final[Mapping[str, Action]] = {
    "apply": Action("apply"),
    "refuse": Action("apply", yes=False, asks=(REASON,)),
    "waive": Action("waive", asks=(DAY, REASON)),
    "dismiss": Action("dismiss", asks=(REASON,)),
    "undo": Action("undo", asks=(REASON,)),
    "hold": Action("hold", asks=(HOUR, REASON)),
    "approve": Action("grant"),
    "refuse-grant": Action("grant", yes=False, asks=(REASON,)),
    "revoke": Action("revoke", asks=(REASON,)),
}
LONGEST_REASON: Final = 1000
"""Characters."""
MOST_HOURS: Final = 4
"""For which a role is held."""


_UNREADABLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Controls, what is not seen or turns the direction of writing, halves of characters, private characters, and separators of lines."""
_READABLE: Final = frozenset("\t\n\r\u200c\u200d")
"""White space, and what joins letters of some scripts, and pictures, or keeps them apart."""
_SEEN: Final = frozenset("LNPS")
"""Letters, numbers, punctuation, symbols: something is said by these. What joins them, or stands over them, says nothing."""
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0\U00013441\U00013442\U0001d159")
"""Of those, what is drawn as nothing: fillers of Hangul's syllables, and a blank of Braille's, of hieroglyphs, of notes of music."""


def why_no_reason(reason: str) -> Refusal | None:
    """Of whatever people say why, wherever they say it: others read it before they decide, and find it in reports.

    None also for white space alone, which is no reason given: whether one is needed, whoever asks for it knows.
    """
    if len(reason) > LONGEST_REASON:
        return Refusal("The reason is too long.", f"Say it in at most {LONGEST_REASON} characters.")
    unreadable = any(unicodedata.category(each) in _UNREADABLE and each not in _READABLE for each in reason)
    seen = any(unicodedata.category(each)[0] in _SEEN and each not in _BLANK for each in reason)
    if unreadable or (reason.strip() and not seen):
        return Refusal("The reason has characters that nobody can read.", "Say why in plain text.")
    return None


def actions_about(what: str) -> Iterable[str]:
    """Names of what can be done where this is to be decided."""
    return (name for name, action in ACTIONS.items() if action.what == what)
