"""What would become of grants: they are moved as always, and nothing is written. For whoever asks what would be done.

What was moved is read back as it would be then; everything else as it stands. Nobody is told of anything.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import cast

from doorward.decisions.model import Question
from doorward.grants.grant import Grant
from doorward.ports.grants import Grants, Token
from doorward.ports.questions import Questions
from doorward.usecases.grant_standing import Tools


def imagined(tools: Tools) -> Tools:
    """By these tools nothing is written."""
    return replace(
        tools,
        grants=cast("Grants", _Grants(tools.grants)),
        questions=cast("Questions", _Questions(tools.questions)),
        announce=lambda _announcement: True,
        measure=lambda _measures: None,
    )


class _Grants:
    """What moves and ends grants needs of their keeper, and no more: what is not here cannot be written by mistake."""

    def __init__(self, kept: Grants) -> None:
        self._kept = kept
        self._moved: dict[str, Grant] = {}

    def grant(self, grant_id: str) -> Grant | None:
        return self._moved.get(grant_id) or self._kept.grant(grant_id)

    def standing(self) -> Iterable[Grant]:
        return self._kept.standing()

    def waiting(self) -> Iterable[Token]:
        return self._kept.waiting()

    def move(self, grant: Grant, *_told: object) -> None:
        self._moved[grant.id] = grant

    def forget_opening(self, grant_id: str) -> None:
        pass

    def settle(self, grant: Grant) -> None:
        pass


class _Questions:
    """The same of questions."""

    def __init__(self, kept: Questions) -> None:
        self._kept = kept
        self._moved: dict[str, Question] = {}

    def question(self, role_ref: str, question_id: str) -> Question | None:
        return self._moved.get(question_id) or self._kept.question(role_ref, question_id)

    def ask(self, question: Question, *_told: object) -> bool:
        self._moved[question.id] = question
        return True

    def move(self, question: Question, *_told: object) -> None:
        self._moved[question.id] = question
