"""What is remembered of role sessions: calls for a while, trust policies as they were written, and who assumes what."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from doorward.events.model import SessionEvent
from doorward.sessions.model import Edge, TrustVersion


class Expectations(Protocol):
    def expect(self, edges: Iterable[Edge]) -> None:
        """Remember whom trust policies let in; whoever was seen already stays seen. Raises Unavailable."""


class Calls(Protocol):
    """Calls of the last two days. Both raise Unavailable, and answer in order of time."""

    def recent_calls(self, role_ref: str, since: datetime, until: datetime) -> tuple[SessionEvent, ...]:
        """Those that opened a session of the role, or of `every_role_of` an account, and that no service made."""

    def calls_from(self, role_ref: str, since: datetime, until: datetime) -> tuple[SessionEvent, ...]:
        """Those by which sessions of the role opened sessions of something else: of another role, or of an account's root."""


class SessionStore(Expectations, Calls, Protocol):
    """Every method may raise Unavailable, and Conflict where others keep writing the same right now.

    Each can be done again, in any order with the others, and changes nothing then.
    """

    def keep_call(self, call: SessionEvent) -> SessionEvent:
        """The call as both of its copies tell it, of which this may be the second."""

    def keep_version(self, version: TrustVersion) -> None: ...

    def versions(self, role_ref: str, since: datetime) -> tuple[TrustVersion, ...]:
        """In order of time: every one since then, however many, and the one that stood before.

        Among them those since then of which nobody knows whether they are of this role: `every_role_of` its account.
        """

    def count(self, edge: Edge, call_key: str) -> None:
        """Once for each call, however often it comes. `first` and `last` move apart only.

        What was counted for an account alone counts for who of it came, once that is known, and never the other way round.
        """

    def edges(self, role_ref: str) -> tuple[Edge, ...]: ...
