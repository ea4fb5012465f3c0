"""Which roles can be asked for: those under the path of grant roles, account by account."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from doorward.errors import DoorwardError
from doorward.grants.model import Target
from doorward.guardrails.model import Role
from doorward.values import NamedTuple


class KnownRoles(NamedTuple):
    """Of one account, as they were read last."""

    account_id: str
    roles: tuple[Target, ...]
    read_at: datetime


class GrantRoles(Protocol):
    """What is offered, and never what is decided by: that is read anew. Every method may raise Unavailable."""

    def known(self) -> Iterable[KnownRoles]:
        """Of every account that has any, in no order."""

    def keep(self, known: KnownRoles) -> None:
        """In place of what was known of the account before; without roles nothing is known of it any more."""


class GrantRolesOfAccounts(Protocol):
    def read(self, account_ids: Sequence[str]) -> Mapping[str, Sequence[Role] | DoorwardError]:
        """As they stand, each with its tags and its boundary; or why an account's could not be read, which keeps no other from being."""
