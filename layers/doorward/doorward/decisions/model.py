"""A question that people answer: what it is about, who may answer, how many have to, and by when."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from doorward.people.model import Via
from doorward.values import NamedTuple

type Ways = Mapping[Via, datetime]
"""By which answers count now, and from when on: before that somebody else may have given them."""
EVER: Final = datetime.min.replace(tzinfo=UTC)
GRANT: Final = "grant"
"""What is decided of a question about a grant: doorward/grants has the rest."""


class State(StrEnum):
    """`approved` is not done: it is looked at once more before anything is. `done` and the rest are for good.

    About a grant it stays `approved`: it is looked at anew each time that credentials are issued, and what is done is told of the grant.
    """

    OPEN = "open"
    APPROVED = "approved"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"

    @property
    def is_open(self) -> bool:
        """Whether somebody's word can still change what comes of it."""
        return self is State.OPEN


class Consent(NamedTuple):
    """So many different people of these groups. `distinct_groups`: each of them for another one, so that nobody stands for two.

    `by_sigv4`: one of them at least signs. `escalate_to`: groups that count as well once the question was escalated.
    """

    approvers: frozenset[str]
    quorum: int = 1
    distinct_groups: bool = False
    by_sigv4: bool = False
    escalate_to: frozenset[str] = frozenset()


class Terms(NamedTuple):
    """What it takes. `approvers`: names of groups, whose members may answer. `quorum`: how many different people must say yes.

    `by_sigv4`: one of them at least has to sign with AWS credentials, since a Slack workspace is somebody else's to administer.
    `answer_within` from when it is asked; `remind_every` while nobody has answered, and `escalate_after` to the groups `escalate_to`.
    `also`: what it takes beside that, each met for itself; one person may count for several of them.
    """

    approvers: frozenset[str]
    quorum: int = 1
    by_sigv4: bool = False
    answer_within: timedelta = timedelta(hours=24)
    remind_every: timedelta = timedelta(hours=4)
    escalate_after: timedelta = timedelta(hours=8)
    escalate_to: frozenset[str] = frozenset()
    also: frozenset[Consent] = frozenset()


class Vote(NamedTuple):
    """A yes. `user_id`: Identity Center's. `groups`: those of the terms' `also` that he was in when he was looked at last."""

    user_id: str
    via: Via
    at: datetime
    groups: frozenset[str] = frozenset()


class Answer(NamedTuple):
    """`what` somebody decides. `seen`: `shown_hash` of what he was shown. `reason` is in his words.

    `until`: an aware time, of what ends by itself.
    """

    what: str
    yes: bool
    seen: str
    reason: str = ""
    until: datetime | None = None


class Hold(NamedTuple):
    """Nothing is to be written to a role until then, which is aware. `reason`: in the words of whoever asks for it."""

    role_ref: str
    until: datetime
    reason: str


class Question(NamedTuple):
    """`about`: the object that it is about, such as `finding dw-…`; `role_ref` the role. `what`: apply, waive, dismiss, hold, undo, accept.

    `shown_hash` stands for all that people are shown: whoever answers says what he saw, and an answer to something else counts for nothing.
    `parties`: ids of people who asked for it or caused it, and so never answer. `because` is their reason, in their words. `detail` is
    what it takes to carry it out. `version` counts transitions, from 1; `reminded_at` is the last reminder.
    `answer`: the id of whoever said no, at `refused_at`; "" and None where nobody did.
    """

    id: str
    about: str
    role_ref: str
    what: str
    shown_hash: str
    terms: Terms
    asked_at: datetime
    asked_by: str
    because: str
    parties: frozenset[str] = frozenset()
    state: State = State.OPEN
    votes: tuple[Vote, ...] = ()
    answer: str = ""
    detail: Mapping[str, str] = MappingProxyType({})
    version: int = 1
    reminded_at: datetime | None = None
    escalated_at: datetime | None = None
    refused_at: datetime | None = None

    @property
    def ends_at(self) -> datetime:
        return self.asked_at + self.terms.answer_within

    @property
    def yes(self) -> frozenset[str]:
        """Ids of the people who said so."""
        return frozenset(each.user_id for each in self.votes)
