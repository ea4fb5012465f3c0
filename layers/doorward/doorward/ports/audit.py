"""Where items of the audit are kept, and where roots over them are sealed."""

from collections.abc import Iterable
from typing import Protocol

from doorward.audit.chain import AuditItem, Head
from doorward.audit.roots import Root, Sealed
from doorward.values import NamedTuple


class Audit(Protocol):
    """Every method may raise Unavailable, Misconfigured, and MalformedInput where what is kept was not written by Doorward."""

    def head(self, object_id: str) -> Head:
        """Where the object's chain ends, as it stands now; version 0 where nothing has happened yet."""

    def append(self, item: AuditItem) -> None:
        """Keep an item that stands alone. Raises Conflict where the chain does not end any more where the item was made to follow.

        What happens because of a transition is kept in the same transaction instead: DynamoAudit.parts.
        """


class LastRoot(NamedTuple):
    """The newest root that counts. `is_kept`: it is known to lie where nobody takes it away."""

    sealed: Sealed
    is_kept: bool


class Seals(Protocol):
    """Every method may raise Unavailable, Misconfigured, and MalformedInput where what is kept was not written by Doorward."""

    def heads(self) -> Iterable[Head]:
        """Of every chain, as they stand now, in no order."""

    def last(self) -> LastRoot | None: ...

    def key(self) -> str:
        """Its ARN."""

    def sign(self, root: Root) -> Sealed: ...

    def put(self, key: str, text: str) -> None:
        """Keep a page or a root where nobody changes it and nobody takes it away."""

    def count(self, sealed: Sealed) -> None:
        """From now on this is the newest root. Raises Conflict where another one has its number already."""

    def kept(self, sealed: Sealed) -> None:
        """It was put."""
