"""Grants, kept; the execution that each of them has; and the broker. What becomes of a grant, doorward/grants says."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from doorward.decisions.model import Question
from doorward.grants.grant import Grant
from doorward.grants.issuing import Issue, Opening
from doorward.people.model import Caller, Refusal, Via
from doorward.ports.ledger import Announcement
from doorward.values import NamedTuple

ISSUED_WITHIN: Final = 60
"""Seconds from the check of an issue to its use by the broker."""
CLOCKS_DIFFER: Final = 5
"""Seconds by which the clock of whoever checked may be ahead of the broker's."""
LINK_COUNTS: Final = timedelta(minutes=15)
"""From when AWS's sign-in gives it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_enable-console-custom-url.html
"""


class Step(StrEnum):
    """For what the state machine waits."""

    APPROVE = "approve"
    START = "start"
    END = "end"


class Kind(StrEnum):
    """What is issued."""

    CREDENTIALS = "credentials"
    CONSOLE = "console"


class Token(NamedTuple):
    """A task token, sealed: only the function that wakes executions opens it. `version`: of the grant that it waits with."""

    grant_id: str
    step: Step
    sealed: bytes
    version: int


class Issued(NamedTuple):
    """That somebody may have credentials now, or had them: nothing of them is kept. `used_at` None: the broker was not asked (yet).

    `key_hash`: hex SHA-256 of the access key's id; "" where none was minted (yet). `packed_percent`: how full STS found what it packs, None
    where it did not say.
    """

    id: str
    grant_id: str
    kind: Kind
    at: datetime
    by: Caller
    source_ip: str = ""
    used_at: datetime | None = None
    key_hash: str = ""
    packed_percent: int | None = None


class Grants(Protocol):
    """Every method may raise Unavailable. Each transition has its audit item and what is announced in the same transaction."""

    def create(self, grant: Grant, via: Via, announcement: Announcement) -> bool:
        """Keep a new one (version 1). False where it was kept before: it is then as it stands."""

    def grant(self, grant_id: str) -> Grant | None:
        """As it stands."""

    def move(self, grant: Grant, did: str, by: str, now: datetime, announcement: Announcement | None) -> None:
        """The next version of it; `did`: a word for the audit, `by`: a person's id and a way with a space between, or `doorward`.

        Of one that becomes active its opening is kept as well. Raises Conflict where another transition came first.
        """

    def opening(self, grant_id: str) -> Opening | None:
        """What was opened, as it was then; None where nothing was, or it is forgotten."""

    def forget_opening(self, grant_id: str) -> None:
        """Harmless where there is none."""

    def standing(self) -> Iterable[Grant]:
        """All that are not settled, in no order: those that are not over, and those of which something may be left to do."""

    def settle(self, grant: Grant) -> None:
        """Nothing is left to do about one that is over. Harmless where it moved since, or was settled."""

    def of_person(self, user_id: str, before: str, most: int) -> Sequence[Grant]:
        """Those that somebody asked for, the latest first; `before`: only those with a lesser id, "" for the latest."""

    def ids_of_person(self, user_id: str, before: str, most: int) -> Sequence[str]:
        """The same, by their ids alone: none of them is read."""

    def asked_between(self, since: datetime, until: datetime, after: str = "") -> Iterable[Grant]:
        """Month by month, by their ids; `until` is not in it. `after`: the id of the last that was read, to go on from there."""

    def keep_token(self, token: Token, question: Question | None) -> None:
        """In place of an earlier one. Raises Conflict where the grant, or the question, is not (any more) at the version given."""

    def token(self, grant_id: str) -> Token | None: ...

    def drop_token(self, token: Token) -> None:
        """Harmless where another is kept by now, or none."""

    def waiting(self) -> Iterable[Token]:
        """Every token that is kept, in no order: of grants that are over, too."""

    def keep_issue(self, issued: Issued) -> None:
        """With its audit item, in one chain of all that is issued of its grant."""

    def use_issue(self, grant_id: str, issue_id: str, now: datetime) -> Issued | None:
        """Use it up: of all who ask the first. None where it is none, is used, is too old (ISSUED_WITHIN) or too new (CLOCKS_DIFFER)."""

    def complete_issue(self, issued: Issued) -> None:
        """What is known of it afterwards."""

    def issues(self, grant_id: str) -> Sequence[Issued]:
        """From the oldest."""


class TokenSeals(Protocol):
    """How a task token is kept. Both may raise Unavailable, Misconfigured."""

    def seal(self, grant_id: str, token: str) -> bytes: ...

    def open(self, token: Token) -> str: ...


class Executions(Protocol):
    """Of the state machine; every method may raise Unavailable."""

    def start(self, grant_id: str) -> None:
        """Harmless where it was started before."""

    def wake(self, token: str) -> bool:
        """False where nobody waits with this token (any more)."""

    def is_running(self, grant_id: str) -> bool | None:
        """None where there never was one, or it is not known any more."""


class Wakes(Protocol):
    def call(self, grant_id: str) -> None:
        """Have its execution look, or be started, by the one function that may. Raises Unavailable, Misconfigured."""


class Broker(Protocol):
    """What it gives is a secret: it goes into the one answer, and nowhere else. Both may raise Unavailable, Misconfigured."""

    def credentials(self, issued: Issued) -> "Credentials | Refusal": ...

    def console(self, issued: Issued, destination: str) -> "SignIn | Refusal": ...


class GrantSessions(Protocol):
    """The broker's own way: sessions of grant roles, and into the console with them. Both may raise Unavailable, Misconfigured."""

    def open(self, asked: Issue) -> "Opened | Refusal":
        """Never without the policy: what STS does not take with it is refused."""

    def console(self, credentials: "Credentials", destination: str) -> str:
        """The link that opens the console there. AWS lets it count for LINK_COUNTS."""


class Credentials(NamedTuple):
    """`expiration`: the grant's end, where STS would say a later time. It does not show what it holds."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: datetime

    def __repr__(self) -> str:
        return "Credentials(…)"


class Opened(NamedTuple):
    """`packed_percent`: as of Issued."""

    credentials: Credentials
    packed_percent: int | None


class SignIn(NamedTuple):
    """A link into the console, which opens it for whoever has it, until `expires_at`. It does not show what it holds."""

    url: str
    expires_at: datetime

    def __repr__(self) -> str:
        return "SignIn(…)"
