"""Answers that are given once: who sends a call again, under the same key, gets what he got."""

from collections.abc import Callable, Mapping
from typing import Protocol

type Given = Mapping[str, str]
"""An answer, as it is kept for a day. It holds no secret."""


class InProgress(Exception):  # noqa: N818 - an answer, told to whoever calls
    """The first call under this key is not answered yet."""


class AskedOtherwise(Exception):  # noqa: N818 - as above
    """Under this key something else was asked."""


class Repeats(Protocol):
    def once(self, who: str, key: str, asked: str, answer: Callable[[], Given]) -> Given:
        """What `answer` gives, or gave to whoever asked the same under this key within a day. `asked`: all that makes the call what it is.

        Keys are each caller's own. Where `answer` fails nothing is kept, and its error goes on. Raises InProgress, AskedOtherwise,
        Unavailable, Misconfigured.
        """
